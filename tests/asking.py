"""What tests say to a server over HTTP, and how they take its refusals."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

BRIDGE = {"type": "LineString", "coordinates": [[11.9650, 57.7140], [11.9680, 57.7143]]}
NORTH, SOUTH = [11.9560, 57.7215], [11.9680, 57.7060]
SEA = [11.60, 57.60]
names = itertools.count(1)


def at(s: float = 0.0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=s)).isoformat(timespec="milliseconds")


def unit_body(**more: Any) -> dict[str, Any]:
    return {"callsign": "Adam 12", "agency": "police", "kind": "patrol", "capabilities": [], **more}


def new_unit(http: httpx.Client, place: list[float] | None = None, **more: Any) -> str:
    unit_id = f"U{next(names)}"
    assert http.put(f"/v1/units/{unit_id}", json=unit_body(**more)).status_code == 201
    if place is not None:
        answer = report(http, {"unit_id": unit_id, "lon": place[0], "lat": place[1]})
        assert answer["ignored"] == [], answer
    return unit_id


def report(http: httpx.Client, *positions: dict[str, Any]) -> dict[str, Any]:
    rows = [{"fix_time": at(), **position} for position in positions]
    answer = http.post("/v1/positions", json={"positions": rows})
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


def new_incident(http: httpx.Client, place: list[float] = SOUTH, **more: Any) -> str:
    body = {"lon": place[0], "lat": place[1], "priority": 2, **more}
    answer = http.post("/v1/incidents", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["incident_id"])


def problem(answer: httpx.Response, status: int, reason: str | None = None, field: str | None = None) -> dict[str, Any]:
    """The answer is a problem of this status; with a reason and a field if named."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert all(set(error) >= {"field", "reason", "message"} for error in document["errors"])
    if reason is not None:
        assert reason in [error["reason"] for error in document["errors"]], document
    if field is not None:
        assert field in [error["field"] for error in document["errors"]], document
    return document
