"""Rules are read and adopted over HTTP, and decide from then on."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.running import Server
from tests.server.test_backup import Desk, desk, fleet, incident

__all__ = ["desk"]


def test_an_agency_sends_four_at_first(desk: Desk) -> None:
    http, _, _ = desk
    fleet(http, *[(f"U{n}", 0.004 + 0.004 * n, ("patrol",)) for n in range(6)])
    before = http.get("/v1/rules").json()
    assert before["rules"] == before["defaults"]
    assert before["bounds"]["backup"]["first_wave"] == [1, 50]
    adopted = http.put("/v1/rules", json={"backup": {"first_wave": 4}}).json()
    assert adopted["rules"]["backup"]["first_wave"] == 4
    assert adopted["rules_id"] != before["rules_id"]
    assert http.get("/healthz").json()["rules_id"] == adopted["rules_id"]
    answer = http.post(f"/v1/incidents/{incident(http)}/backup", json={"mode": "immediate"}).json()
    assert len(answer["units"]) == 4
    assert http.put("/v1/rules", json={}).json()["rules_id"] == before["rules_id"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"weather": {}}, "/weather"),
        ({"backup": {"colour": 1}}, "/backup/colour"),
        ({"backup": {"first_wave": -1}}, "/backup/first_wave"),
        ({"backup": {"first_wave": 2.5}}, "/backup/first_wave"),
        ({"backup": {"first_wave": "4"}}, "/backup/first_wave"),
        ({"backup": {"first_wave": 1e300}}, "/backup/first_wave"),
        ({"turnout": {"mobile_ms": 3_000_000_000}}, "/turnout/mobile_ms"),
        ({"backup": {"first_wave": True}}, "/backup/first_wave"),
        ({"backup": {"bucket_ms": 0}}, "/backup/bucket_ms"),
        ({"cover": {"busy_fraction": 1.0}}, "/cover/busy_fraction"),
        ({"snap": {"walk_mps": 0}}, "/snap/walk_mps"),
    ],
)
def test_what_is_no_rule_is_named(http: httpx.Client, body: dict[str, Any], field: str) -> None:
    answer = http.put("/v1/rules", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_an_agency_has_rules_of_its_own(desk: Desk) -> None:
    http, _, _ = desk
    fleet(http, *[(f"U{n}", 0.004 + 0.004 * n, ("patrol",)) for n in range(6)])
    answer = http.put("/v1/rules", params={"agency": "fire"}, json={"backup": {"first_wave": 2}})
    assert answer.json()["agencies"] == ["fire"]
    assert answer.json()["rules"]["backup"]["first_wave"] == 2
    house = http.get("/v1/rules").json()
    assert house["rules"]["backup"]["first_wave"] == house["defaults"]["backup"]["first_wave"] == 5
    wrong = http.put("/v1/rules", params={"agency": "fire"}, json={"limit": {"units": 9}})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "/limit"
    assert "turnout, backup" in wrong.json()["errors"][0]["message"]


def test_limits_of_questions_are_rules(desk: Desk) -> None:
    http, _, _ = desk
    incident_id = incident(http)
    assert http.get(f"/v1/incidents/{incident_id}/ranking", params={"limit": 1_000}).status_code == 200
    assert http.put("/v1/rules", json={"limit": {"ranking_rows": 5, "etas_starts": 2}}).status_code == 200
    answer = http.get(f"/v1/incidents/{incident_id}/ranking", params={"limit": 6})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "/limit")
    starts = [[11.97, 57.70]] * 3
    assert http.post("/v1/etas", json={"target": [11.97, 57.70], "starts": starts}).status_code == 413
    assert http.post("/v1/etas", json={"target": [11.97, 57.70], "starts": starts[:2]}).status_code == 200


def test_a_kind_of_unit_has_its_own_freshness_and_the_page_hears_of_it(http: httpx.Client, server: Server) -> None:
    own = {"freshness": {"live_moving_ms": 120_000, "delayed_moving_ms": 240_000}}
    with connect(server.feed, proxy=None) as feed:
        feed.send(json.dumps({"type": "hello", "topics": ["positions"]}))
        told = json.loads(feed.recv(timeout=10))["freshness"]
        assert told == {
            "moving_ms": [15_000, 60_000, 300_000],
            "parked_ms": [60_000, 300_000, 1_800_000],
            "kinds": {},
        }
        adopted = http.put("/v1/rules", params={"kind": "boat"}, json=own).json()
        assert (adopted["kinds"], adopted["rules"]["freshness"]["live_moving_ms"]) == (["boat"], 120_000)
        message: dict[str, Any] = {}
        while message.get("type") != "freshness":
            message = json.loads(feed.recv(timeout=10))
        assert message["freshness"]["kinds"]["boat"] == {
            "moving_ms": [120_000, 240_000, 300_000],
            "parked_ms": [60_000, 300_000, 1_800_000],
        }
        assert message["freshness"]["moving_ms"] == told["moving_ms"]
    wrong = http.put("/v1/rules", params={"kind": "boat"}, json={"backup": {"first_wave": 2}})
    assert wrong.status_code == 422
    assert "has its own freshness" in wrong.json()["errors"][0]["message"]
    assert http.put("/v1/rules", params={"kind": "boat"}, json={}).json()["kinds"] == []
