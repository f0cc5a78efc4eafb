"""The contract, told to a real server over real HTTP and a real websocket."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.running import Server

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


@pytest.fixture
def incident(http: httpx.Client) -> Iterator[str]:
    incident_id = new_incident(http)
    yield incident_id
    http.post(f"/v1/incidents/{incident_id}/close")


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


# ---- positions and units


def test_each_position_stands_or_falls_alone(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    here = {"unit_id": unit_id, "lon": 11.97, "lat": 57.70}
    first, now = at(-20), at(-10)
    answer = report(
        http,
        {**here, "fix_time": now, "speed_mps": 3.5, "course_deg": 90, "accuracy_m": 5.0, "device_id": "gps-1"},
        {**here, "fix_time": now, "speed_mps": 3.5, "course_deg": 90, "accuracy_m": 5.0, "device_id": "gps-1"},
        {**here, "fix_time": first},
        {**here, "fix_time": at(-8), "lat": 57.75},
        {**here, "fix_time": "2099-01-01T00:00:00Z"},
        {**here, "fix_time": at(-5), "accuracy_m": 900.0},
        {**here, "lon": "11.97"},
        {**here, "lat": 95.0},
        {**here, "unit_id": "nobody"},
        {**here, "fix_time": "2026-11-23T12:00:00"},
        {**here, "altitude": 3},
    )
    assert set(answer) == {"accepted", "refused", "ignored", "seq"}
    assert answer["accepted"] == 6
    assert [(row["index"], row["reason"]) for row in answer["ignored"]] == [
        (1, "duplicate"),
        (2, "older_fix"),
        (3, "jump"),
        (4, "future"),
        (5, "inaccurate"),
    ]
    assert [(row["index"], row["field"]) for row in answer["refused"]] == [
        (6, "/positions/6/lon"),
        (7, "/positions/7/lat"),
        (8, "/positions/8/unit_id"),
        (9, "/positions/9/fix_time"),
        (10, "/positions/10/altitude"),
    ]
    assert "register" in answer["refused"][2]["reason"]
    assert "offset" in answer["refused"][3]["reason"]
    assert answer["seq"] == http.get("/healthz").json()["seq"]
    feature = http.get(f"/v1/units/{unit_id}").json()
    assert feature["geometry"] == {"type": "Point", "coordinates": [11.97, 57.70]}
    assert feature["properties"]["speed_mps"] == 3.5


def test_a_request_without_good_positions_has_no_seq(http: httpx.Client) -> None:
    assert report(http, {"unit_id": "nobody", "lon": 1.0, "lat": 1.0})["seq"] is None


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"positions": 5}', b'{"positions": [], "more": 1}'])
def test_positions_come_in_a_list(http: httpx.Client, body: bytes) -> None:
    problem(http.post("/v1/positions", content=body), 422, field="/positions")


def test_too_many_positions_are_413(http: httpx.Client) -> None:
    row = {"unit_id": "nobody", "fix_time": at(), "lon": 11.97, "lat": 57.7}
    problem(http.post("/v1/positions", json={"positions": [row] * 1_001}), 413)


def test_units_are_geojson(http: httpx.Client) -> None:
    moved, silent = new_unit(http, [11.97, 57.70], capabilities=["k9"], home=[11.96, 57.69]), new_unit(http)
    document = http.get("/v1/units").json()
    assert document["type"] == "FeatureCollection"
    by_id = {feature["id"]: feature for feature in document["features"]}
    assert by_id[silent]["geometry"] is None
    assert by_id[silent]["properties"]["freshness"] == "lost"
    properties = by_id[moved]["properties"]
    wanted = (
        "unit_id callsign agency kind capabilities status source fix_time age_s speed_mps course_deg freshness "
        "incident_id"
    )
    assert set(wanted.split()) <= set(properties)
    assert (properties["source"], properties["freshness"], properties["status"]) == ("live", "live", "available")
    assert properties["incident_id"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", properties["fix_time"])
    inside = http.get("/v1/units?bbox=11.96,57.69,11.98,57.71").json()["features"]
    assert moved in {feature["id"] for feature in inside}
    assert silent not in {feature["id"] for feature in inside}
    assert http.get("/v1/units?bbox=0,0,1,1").json()["features"] == []
    for bad in ("1,2,3", "a,b,c,d", "nan,0,1,1", "0,1,1,0", "0,0,1,1,2"):
        problem(http.get(f"/v1/units?bbox={bad}"), 422, field="/bbox")


def test_a_unit_is_put_again_and_retired(http: httpx.Client) -> None:
    unit_id = new_unit(http, [11.97, 57.70])
    answer = http.put(f"/v1/units/{unit_id}", json=unit_body(callsign="Boy 7"))
    assert (answer.status_code, answer.json()["callsign"]) == (200, "Boy 7")
    assert http.get(f"/v1/units/{unit_id}").json()["geometry"] is not None
    assert http.delete(f"/v1/units/{unit_id}").status_code == 204
    problem(http.get(f"/v1/units/{unit_id}"), 404)
    problem(http.delete(f"/v1/units/{unit_id}"), 404)


def test_status(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    answer = http.put(f"/v1/units/{unit_id}/status", json={"status": "busy", "at": at(), "note": "lunch"})
    assert (answer.status_code, answer.json()["status"]) == (200, "busy")
    problem(http.put(f"/v1/units/{unit_id}/status", json={"status": "busy", "at": at(-900)}), 409, "older_status")
    problem(http.put(f"/v1/units/{unit_id}/status", json={"status": "asleep"}), 422, field="/status")
    problem(http.put(f"/v1/units/{unit_id}/status", json={"status": "busy", "at": at(900)}), 422, "future", "/at")
    problem(http.put("/v1/units/nobody/status", json={"status": "busy"}), 404)


# ---- incidents and assignments


def test_the_same_incident_twice_is_one(http: httpx.Client) -> None:
    body = {"incident_id": f"i{next(names)}", "lon": SOUTH[0], "lat": SOUTH[1], "priority": 1, "kind": "robbery"}
    first = http.post("/v1/incidents", json=body)
    again = http.post("/v1/incidents", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    problem(http.post("/v1/incidents", json={**body, "priority": 2}), 409)
    assert body["incident_id"] in [i["incident_id"] for i in http.get("/v1/incidents").json()["incidents"]]
    closed = http.post(f"/v1/incidents/{body['incident_id']}/close")
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    assert http.post(f"/v1/incidents/{body['incident_id']}/close").status_code == 200
    assert body["incident_id"] not in [i["incident_id"] for i in http.get("/v1/incidents").json()["incidents"]]
    assert http.get(f"/v1/incidents/{body['incident_id']}").json()["state"] == "closed"
    problem(http.get(f"/v1/incidents/{body['incident_id']}/ranking"), 409)
    problem(http.patch(f"/v1/incidents/{body['incident_id']}", json={"priority": 1}), 409)


def test_the_same_words_at_once_are_one(server: Server) -> None:
    incident = {"incident_id": f"i{next(names)}", "lon": SOUTH[0], "lat": SOUTH[1], "priority": 1}
    closure = {"closure_id": f"c{next(names)}", "geometry": BRIDGE, "reason": "x"}

    async def say(path: str, body: dict[str, Any]) -> list[int]:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            return sorted(a.status_code for a in await asyncio.gather(*(http.post(path, json=body) for _ in range(8))))

    assert asyncio.run(say("/v1/incidents", incident)) == [*[200] * 7, 201]
    assert asyncio.run(say("/v1/closures", closure)) == [*[200] * 7, 201]
    httpx.delete(f"{server.url}/v1/closures/{closure['closure_id']}", trust_env=False)
    httpx.post(f"{server.url}/v1/incidents/{incident['incident_id']}/close", trust_env=False)


def test_an_officer_asks_for_help(http: httpx.Client) -> None:
    officer = new_unit(http, SOUTH)
    body = {"incident_id": f"i{next(names)}", "for_unit_id": officer, "pinned": True, "priority": 1}
    opened = http.post("/v1/incidents", json=body)
    assert opened.status_code == 201, opened.text
    assert [opened.json()["lon"], opened.json()["lat"]] == SOUTH
    path = f"/v1/incidents/{body['incident_id']}"
    assert {"unit_id": officer, "reason": "REQUESTER"} in http.get(f"{path}/ranking").json()["excluded"]
    there = [SOUTH[0] + 0.0003, SOUTH[1]]
    assert report(http, {"unit_id": officer, "fix_time": at(1), "lon": there[0], "lat": there[1]})["ignored"] == []
    moved = http.get(path).json()
    assert [moved["lon"], moved["lat"]] == there
    problem(http.post(f"{path}/assignments", json={"unit_id": officer}), 409, "requester")
    http.delete(f"/v1/units/{officer}")
    assert http.post("/v1/incidents", json=body).status_code == 200  # the same body again, though the officer is gone
    http.post(f"{path}/close")


def test_what_an_incident_needs(http: httpx.Client) -> None:
    silent = new_unit(http)
    for body, field in (
        ({"lon": 11.97, "lat": 57.7}, "/priority"),
        ({"priority": 1}, "/lon"),
        ({"lon": 11.97, "priority": 1}, "/lat"),
        ({"lon": 11.97, "lat": 57.7, "priority": 6}, "/priority"),
        ({"lon": 11.97, "lat": 57.7, "priority": 1, "pinned": True}, "/pinned"),
        ({"lon": 11.97, "lat": 57.7, "priority": 1, "profile": "flying"}, "/profile"),
        ({"lon": 11.97, "lat": 57.7, "for_unit_id": silent, "priority": 1}, "/for_unit_id"),
        ({"for_unit_id": silent, "priority": 1}, "/for_unit_id"),
        ({"lon": 11.97, "lat": 57.7, "priority": 1, "incident_id": "a" * 65}, "/incident_id"),
        ({"lon": 11.97, "lat": 57.7, "priority": 1, "incident_id": "../etc"}, "/incident_id"),
    ):
        problem(http.post("/v1/incidents", json=body), 422, field=field)
    problem(http.post("/v1/incidents", json={"for_unit_id": "nobody", "priority": 1}), 404)
    problem(http.post("/v1/incidents", json={"lon": SEA[0], "lat": SEA[1], "priority": 1}), 422, "outside_map")
    swapped = problem(http.post("/v1/incidents", json={"lon": 57.7, "lat": 11.97, "priority": 1}), 422, "outside_map")
    assert "exchanged" in swapped["detail"]


def test_an_incident_changes(http: httpx.Client, incident: str) -> None:
    path = f"/v1/incidents/{incident}"
    answer = http.patch(path, json={"lon": NORTH[0], "lat": NORTH[1], "priority": 4, "note": "north", "kind": "fire"})
    assert answer.status_code == 200
    assert (answer.json()["priority"], answer.json()["note"], answer.json()["lon"]) == (4, "north", NORTH[0])
    problem(http.patch(path, json={"lon": 11.97}), 422, field="/lat")
    problem(http.patch(path, json={"lon": SEA[0], "lat": SEA[1]}), 422, "outside_map")
    problem(http.patch(path, json={"pinned": True}), 422, field="/pinned")
    problem(http.patch("/v1/incidents/none", json={"priority": 1}), 404)


def test_a_unit_is_sent(http: httpx.Client, incident: str) -> None:
    first, second, third = (new_unit(http, [11.97, 57.70 + i / 1000]) for i in range(3))
    path = f"/v1/incidents/{incident}/assignments"
    seen = http.get(f"/v1/incidents/{incident}/ranking").json()
    body = {"unit_id": first, "as_of_seq": seen["as_of_seq"], "as_of_time": seen["as_of_time"], "reason": "nearest"}
    sent = http.post(path, json=body)
    assert sent.status_code == 201, sent.text
    assert http.get(f"/v1/units/{first}").json()["properties"]["incident_id"] == incident
    problem(http.post(path, json=body), 409, "already_here")
    problem(http.post(path, json={"unit_id": "nobody"}), 404)
    problem(http.post(path, json={"unit_id": second, "as_of_seq": 10**15}), 422, "future", "/as_of_seq")
    other = new_incident(http, NORTH)
    problem(http.post(f"/v1/incidents/{other}/assignments", json={"unit_id": first}), 409, "assigned_elsewhere")
    taken = http.post(f"/v1/incidents/{other}/assignments", json={"unit_id": first, "preempt": True})
    assert taken.status_code == 201
    assert [row["state"] for row in http.get(f"/v1/incidents/{incident}").json()["assignments"]] == ["cancelled"]
    http.post(path, json={"unit_id": second})
    problem(http.post(path, json={"unit_id": third, "replaces": first}), 409, "replaces_nobody")
    replaced = http.post(path, json={"unit_id": third, "replaces": second})
    assert replaced.status_code == 201
    states = {row["unit_id"]: row["state"] for row in replaced.json()["assignments"]}
    assert (states[second], states[third]) == ("cancelled", "assigned")
    for state in ("acknowledged", "en_route", "on_scene", "cleared"):
        answer = http.patch(f"{path}/{third}", json={"state": state, "at": at()})
        assert answer.status_code == 200, answer.text
        row = next(row for row in answer.json()["assignments"] if row["unit_id"] == third)
        assert (row["state"], row["source"]) == (state, "desk")
    assert [past["state"] for past in row["history"]] == [
        "assigned",
        "acknowledged",
        "en_route",
        "on_scene",
        "cleared",
    ]
    problem(http.patch(f"{path}/{third}", json={"state": "en_route"}), 409, "not_assigned")
    problem(http.patch(f"{path}/{third}", json={"state": "flying"}), 422, field="/state")
    problem(http.patch(f"{path}/{third}", json={"state": "assigned"}), 422, field="/state")
    http.post(f"/v1/incidents/{other}/close")
    assert http.get(f"/v1/units/{first}").json()["properties"]["incident_id"] is None


# ---- rankings and fields


def test_a_ranking_orders_everybody(http: httpx.Client, incident: str) -> None:
    near, far, busy, silent = (
        new_unit(http, SOUTH),
        new_unit(http, [11.94, 57.69]),
        new_unit(http, SOUTH),
        new_unit(http),
    )
    http.put(f"/v1/units/{busy}/status", json={"status": "busy"})
    sent = new_unit(http, NORTH)
    http.post(f"/v1/incidents/{incident}/assignments", json={"unit_id": sent})
    ranking = http.get(f"/v1/incidents/{incident}/ranking?limit=1000").json()
    for name in ("incident_id", "as_of_seq", "as_of_time", "network_id", "weights_id", "rules_id", "software_version"):
        assert ranking[name], name
    assert ranking["candidates_total"] == len(ranking["candidates"])
    for row in ranking["candidates"]:
        assert set(row) == {
            *("unit_id", "eta_s", "parts", "arrival_time", "distance_m", "status", "freshness", "warnings")
        }
        assert set(row["parts"]) - {"first_leg_s"} == {"turnout_s", "clear_s", "drive_s", "last_leg_s"}
        assert sum(row["parts"].values()) == pytest.approx(row["eta_s"], abs=1e-6)
    keys = [(row["freshness"] == "stale", row["eta_s"], row["unit_id"]) for row in ranking["candidates"]]
    assert keys == sorted(keys)
    ids = [row["unit_id"] for row in ranking["candidates"]]
    assert ids.index(near) < ids.index(far)
    assert [(row["unit_id"], row["state"]) for row in ranking["assigned"]] == [(sent, "assigned")]
    assert ranking["assigned"][0]["eta_s"] > 0
    excluded = {row["unit_id"]: row["reason"] for row in ranking["excluded"]}
    assert (excluded[busy], excluded[silent]) == ("NOT_ASSIGNABLE_STATUS", "NO_POSITION")
    everybody = [feature["id"] for feature in http.get("/v1/units").json()["features"]]
    assert sorted([*ids, *excluded, sent]) == sorted(everybody)
    short = http.get(f"/v1/incidents/{incident}/ranking?limit=1").json()
    assert [row["unit_id"] for row in short["candidates"]] == ids[:1]
    assert short["candidates_total"] == len(ids)
    for limit in ("0", "1001", "x"):
        problem(http.get(f"/v1/incidents/{incident}/ranking?limit={limit}"), 422, field="/limit")
    problem(http.get("/v1/incidents/none/ranking"), 404)


def test_a_capability_is_asked_for(http: httpx.Client, incident: str) -> None:
    dog, plain = new_unit(http, SOUTH, capabilities=["dog"]), new_unit(http, SOUTH)
    body = {"requirement": [{"capability": "dog", "count": 1, "need": "must", "substitutes": []}]}
    ranking = http.post(f"/v1/incidents/{incident}/backup", json=body)
    assert ranking.status_code == 201
    assert [row["unit_id"] for row in ranking.json()["candidates"]] == [dog]
    assert {"unit_id": plain, "reason": "WRONG_CAPABILITY"} in ranking.json()["excluded"]
    problem(http.post(f"/v1/incidents/{incident}/backup", json={"requirement": [{"capability": ""}]}), 422)


def test_etas(http: httpx.Client) -> None:
    starts = [NORTH, [*NORTH, 90], SEA]
    answer = http.post("/v1/etas", json={"target": SOUTH, "starts": starts, "profile": "routine"}).json()
    assert set(answer) == {"etas_s", "reasons", "network_id", "weights_id"}
    assert answer["reasons"] == [None, None, "off_map"]
    assert answer["etas_s"][2] is None
    assert 60 < answer["etas_s"][0] <= answer["etas_s"][1]
    assert http.post("/v1/etas", json={"target": SOUTH, "starts": []}).json()["etas_s"] == []
    problem(http.post("/v1/etas", json={"target": SEA, "starts": []}), 422, "outside_map", "/target")
    problem(http.post("/v1/etas", json={"target": SOUTH, "starts": [[0, 95]]}), 422, field="/starts/0/1")
    problem(http.post("/v1/etas", json={"target": SOUTH, "starts": [[1, 2, 400]]}), 422, field="/starts/0/2")
    problem(http.post("/v1/etas", json={"target": SOUTH, "starts": [SOUTH] * 10_001}), 422, field="/starts")


def test_a_route_is_a_line(http: httpx.Client, incident: str) -> None:
    unit_id = new_unit(http, NORTH)
    answer = http.get(f"/v1/incidents/{incident}/route?unit_id={unit_id}")
    assert answer.status_code == 200, answer.text
    route = answer.json()
    assert (route["type"], route["geometry"]["type"]) == ("Feature", "LineString")
    assert len(route["geometry"]["coordinates"]) > 5
    properties = route["properties"]
    assert properties["eta_s"] > 60
    assert properties["distance_m"] > 1_500
    assert properties["streets"]
    assert properties["steps"]
    ranked = http.get(f"/v1/incidents/{incident}/ranking?limit=1000").json()["candidates"]
    parts = next(row["parts"] for row in ranked if row["unit_id"] == unit_id)
    in_all = parts.get("first_leg_s", 0) + parts["drive_s"] + parts["last_leg_s"]
    assert properties["eta_s"] == pytest.approx(in_all, abs=0.002), "all but the turnout"
    assert properties["first_leg_s"] == parts.get("first_leg_s", 0)
    problem(http.get(f"/v1/incidents/{incident}/route?unit_id=nobody"), 404)
    problem(http.get(f"/v1/incidents/{incident}/route?unit_id={new_unit(http)}"), 409)
    problem(http.get(f"/v1/incidents/{incident}/route"), 422, field="/unit_id")


def test_reach_grows(http: httpx.Client, incident: str) -> None:
    answer = http.get(f"/v1/incidents/{incident}/reach?minutes=5,2")
    assert answer.status_code == 200, answer.text
    features = answer.json()["features"]
    assert [feature["properties"]["minutes"] for feature in features] == [2, 5]
    assert {feature["geometry"]["type"] for feature in features} == {"MultiPolygon"}
    for minutes in ("", "0", "61", "nan", "1,2,3,4,5,6", "-1", "a"):
        problem(http.get(f"/v1/incidents/{incident}/reach?minutes={minutes}"), 422, field="/minutes")


def test_a_closed_bridge_changes_the_etas_until_it_is_lifted(http: httpx.Client, incident: str) -> None:
    unit_id = new_unit(http, NORTH)
    question = {"target": SOUTH, "starts": [NORTH, SOUTH]}

    def state() -> tuple[list[float], float, str]:
        etas = http.post("/v1/etas", json=question).json()["etas_s"]
        ranking = http.get(f"/v1/incidents/{incident}/ranking?limit=1000").json()
        drive = next(row["parts"]["drive_s"] for row in ranking["candidates"] if row["unit_id"] == unit_id)
        return etas, drive, ranking["weights_id"]

    before = state()
    body = {"closure_id": f"c{next(names)}", "geometry": BRIDGE, "buffer_m": 20.0, "reason": "bridge up"}
    added = http.post("/v1/closures", json=body)
    assert added.status_code == 201, added.text
    assert added.json()["edges"] >= 2
    assert added.json()["applies_to"] == "all"
    during = state()
    assert during[0][0] > before[0][0] + 30
    assert during[1] > before[1] + 30
    assert during[0][1] == before[0][1]
    assert http.post("/v1/closures", json=body).status_code == 200
    problem(http.post("/v1/closures", json={**body, "reason": "other"}), 409)
    assert body["closure_id"] in [c["closure_id"] for c in http.get("/v1/closures").json()["closures"]]
    assert http.delete(f"/v1/closures/{body['closure_id']}").status_code == 204
    assert state() == before
    problem(http.delete(f"/v1/closures/{body['closure_id']}"), 404)
    # the id is free again; what it closed before is forgotten
    far = {"type": "LineString", "coordinates": [[11.90377, 57.68762], [11.89935, 57.69469]]}
    assert http.post("/v1/closures", json={**body, "geometry": far, "buffer_m": 5.0}).status_code == 201
    assert state()[0] == before[0]
    http.delete(f"/v1/closures/{body['closure_id']}")


def test_closures_for_routine_driving_and_for_a_time(http: httpx.Client) -> None:
    def eta(profile: str) -> float:
        body = {"target": SOUTH, "starts": [NORTH], "profile": profile}
        return float(http.post("/v1/etas", json=body).json()["etas_s"][0])

    before = eta("response"), eta("routine")
    body = {"geometry": BRIDGE, "buffer_m": 20.0, "reason": "repairs"}
    routine = http.post("/v1/closures", json={**body, "applies_to": "routine"}).json()["closure_id"]
    assert (eta("response"), eta("routine") > before[1]) == (before[0], True)
    http.delete(f"/v1/closures/{routine}")
    later = http.post("/v1/closures", json={**body, "valid_from": at(900), "valid_to": at(1_800)}).json()
    assert (eta("response"), eta("routine")) == before
    http.delete(f"/v1/closures/{later['closure_id']}")
    problem(http.post("/v1/closures", json={**body, "valid_from": at(9), "valid_to": at(1)}), 422, field="/valid_to")
    edges = http.post("/v1/closures", json={"geometry": {"edges": [0, 1]}, "reason": "named"})
    assert (edges.status_code, edges.json()["edges"]) == (201, 2)
    http.delete(f"/v1/closures/{edges.json()['closure_id']}")


# ---- everything else


def test_health(http: httpx.Client) -> None:
    health = http.get("/healthz").json()
    assert (health["mode"], health["status"]) == ("live", "ok")
    assert {"seq", "software_version", "network_id", "rules_id", "epoch"} <= set(health)
    assert {"routine", "response", "foot"} <= set(health["profiles"])
    assert http.get("/readyz").status_code == 200
    metrics = http.get("/metrics").text
    for name in ("geo_backup_events_total", "geo_backup_units", "geo_backup_viewers", "geo_backup_ranking_seconds"):
        assert name in metrics
    problem(http.get("/v1/replay"), 409)


def test_unknown_paths_and_methods_are_problems(http: httpx.Client) -> None:
    problem(http.get("/v2/nothing"), 404)
    problem(http.post("/v1/nothing"), 404)
    answer = http.get("/v1/positions")
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"
    problem(http.delete("/v1/incidents"), 405)


def test_the_page_and_its_tiles(http: httpx.Client) -> None:
    assert http.get("/").headers["content-type"].startswith("text/html")
    assert http.head("/").status_code in (200, 503)  # 503: the dashboard is not built
    whole = http.head("/tiles/basemap.pmtiles")
    assert (whole.status_code, whole.content) == (200, b"")
    part = http.get("/tiles/basemap.pmtiles", headers={"Range": "bytes=0-6"})
    assert (part.status_code, part.content) == (206, b"PMTiles")
    assert part.headers["content-range"] == f"bytes 0-6/{whole.headers['content-length']}"


# ---- the feed

ALL = ["units", "positions", "incidents", "rankings", "closures"]


@asynccontextmanager
async def feed(server: Server, hello: Any = None) -> AsyncIterator[ClientConnection]:
    async with connect(server.feed, proxy=None, max_size=64 << 20) as socket:
        await socket.send(json.dumps(hello if hello is not None else {"type": "hello", "topics": ALL}))
        yield socket


async def heard(socket: ClientConnection, within_s: float = 8.0) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), within_s))
    return message


async def until(socket: ClientConnection, topic: str, thing: str) -> tuple[Any, int]:
    """The next value of a thing, and the seq of its frame."""
    while True:
        message = await heard(socket)
        if message["type"] == "frame" and thing in message.get(topic, {}):
            return message[topic][thing], message["seq"]


async def refused(server: Server, *said: str | bytes) -> tuple[str | None, int | None]:
    """What the server says to a bad start, and the code it closes with."""
    text: str | None = None
    async with connect(server.feed, proxy=None) as socket:
        try:
            for words in said:
                await socket.send(words)
            while True:
                message = json.loads(await asyncio.wait_for(socket.recv(), 8))
                text = message["message"] if message["type"] == "error" else text
        except websockets.ConnectionClosed:
            return text, socket.close_code


def test_snapshot_then_frames(server: Server, http: httpx.Client) -> None:
    unit_id = new_unit(http, NORTH)
    incident_id = new_incident(http)
    closure = http.post("/v1/closures", json={"geometry": BRIDGE, "reason": "x"}).json()["closure_id"]

    async def watch() -> None:
        async with feed(server) as socket:
            snapshot = await heard(socket)
            assert snapshot["type"] == "snapshot"
            assert {"epoch", "seq", "mode", "area", *ALL} <= set(snapshot)
            health = http.get("/healthz").json()
            assert (snapshot["mode"], snapshot["epoch"]) == ("live", health["epoch"])
            assert {"name", "extent", "timezone", "attribution"} <= set(snapshot["area"])
            assert snapshot["positions"][unit_id][:4] == [*NORTH, None, None]
            assert isinstance(snapshot["positions"][unit_id][4], int)
            assert snapshot["units"][unit_id]["callsign"] == "Adam 12"
            assert incident_id in snapshot["incidents"]
            assert closure in snapshot["closures"]
            report(http, {"unit_id": unit_id, "lon": NORTH[0], "lat": NORTH[1], "speed_mps": 1.0, "course_deg": 7.0})
            position, seq = await until(socket, "positions", unit_id)
            assert position[2:4] == [1.0, 7.0]
            assert seq > snapshot["seq"]
            http.put(f"/v1/units/{unit_id}/status", json={"status": "returning"})
            assert (await until(socket, "units", unit_id))[0]["status"] == "returning"
            http.delete(f"/v1/closures/{closure}")
            assert (await until(socket, "closures", closure))[0] is None
            fresh = new_incident(http, NORTH)
            ranking, _ = await until(socket, "rankings", fresh)
            assert len(ranking["candidates"]) <= 20
            assert {"candidates_total", "assigned", "excluded_counts"} <= set(ranking)
            assert "excluded" not in ranking
            http.post(f"/v1/incidents/{fresh}/close")
            gone = set()
            while len(gone) < 2:
                message = await heard(socket)
                gone |= {topic for topic in ("incidents", "rankings") if message.get(topic, {}).get(fresh, ...) is None}
            http.delete(f"/v1/units/{unit_id}")
            assert (await until(socket, "positions", unit_id))[0] is None

    asyncio.run(watch())
    http.post(f"/v1/incidents/{incident_id}/close")


def test_only_the_topics_asked_for_and_a_heartbeat(server: Server, http: httpx.Client) -> None:
    unit_id = new_unit(http, NORTH)

    async def watch() -> None:
        async with feed(server, {"type": "hello", "topics": ["units"]}) as socket:
            snapshot = await heard(socket)
            assert {"positions", "incidents", "rankings", "closures"}.isdisjoint(snapshot)
            report(http, {"unit_id": unit_id, "lon": NORTH[0], "lat": NORTH[1]})
            beat = await heard(socket)
            assert (beat["type"], set(beat)) == ("heartbeat", {"type", "seq", "server_time"})

    async def silent() -> None:
        started = time.monotonic()
        assert await refused(server) == ("no hello within 5 s", 4400)
        assert 4.5 < time.monotonic() - started < 20.0

    async def garbage() -> None:
        async with feed(server) as socket:
            assert (await heard(socket))["type"] == "snapshot"
            for words in ("{", b"\x00", '{"type": "hello"}'):  # after the hello it does no harm
                await socket.send(words)
            while (await heard(socket))["type"] != "heartbeat":
                pass

    async def all_at_once() -> None:
        await asyncio.gather(watch(), silent(), garbage())

    asyncio.run(all_at_once())


def test_a_bad_hello_is_told_and_closed(server: Server) -> None:
    async def say() -> None:
        for words in (
            '{"type": "hello", "topics": ["weather"]}',
            json.dumps({"type": "hello", "topics": ["\N{POLICE CAR}" * 200]}, ensure_ascii=False),
            '{"type": "hullo", "topics": []}',
            '{"type": "hello", "topics": ["units"], "more": 1}',
            '{"type": "hello", "topics": ["units"], "resume": {"epoch": 1, "after": -1}}',
            json.dumps({"type": "hello", "topics": ["units"] * 11}),
            "[]",
            "NaN",
            "{",
            "[" * 30_000,
            b"\x00\xff",
        ):
            text, code = await refused(server, words)
            assert code == 4400, words[:60]
            assert text, words[:60]
        text, _ = await refused(server, '{"type": "hello", "topics": ["weather"]}')
        assert text is not None
        assert "weather" in text
        assert "positions" in text
        assert (await refused(server, "x" * 100_000))[1] == 1009

    asyncio.run(say())


def test_resume_misses_nothing_and_an_old_epoch_gets_a_snapshot(server: Server, http: httpx.Client) -> None:
    incident_id = new_incident(http)
    moved, retired, closure = new_unit(http, NORTH), new_unit(http, NORTH), {"geometry": BRIDGE, "reason": "x"}
    lifted = http.post("/v1/closures", json=closure).json()["closure_id"]

    async def watch() -> None:
        async with feed(server) as socket:
            snapshot = await heard(socket)
            while incident_id not in snapshot["rankings"]:
                message = await heard(socket)
                snapshot["rankings"].update(message.get("rankings", {}))
                snapshot["seq"] = message["seq"]
        report(http, {"unit_id": moved, "lon": NORTH[0], "lat": NORTH[1], "speed_mps": 2.0})
        http.delete(f"/v1/units/{retired}")
        http.delete(f"/v1/closures/{lifted}")
        http.post(f"/v1/incidents/{incident_id}/close")
        added, opened = new_unit(http, SOUTH), new_incident(http)
        async with feed(server) as other:
            while opened not in (await heard(other)).get("rankings", {}):
                pass
        resume = {"epoch": snapshot["epoch"], "after": snapshot["seq"]}
        async with feed(server, {"type": "hello", "topics": ALL, "resume": resume}) as socket:
            head = await heard(socket)
            assert (head["type"], head["epoch"]) == ("resumed", snapshot["epoch"])
            assert head["seq"] <= snapshot["seq"]  # the frame that follows brings the rest
            frame = await heard(socket)
            assert frame["type"] == "frame"
            assert frame["positions"][moved][2] == 2.0
            assert frame["units"][retired] is None
            assert frame["positions"][retired] is None
            assert frame["closures"][lifted] is None
            assert frame["incidents"][incident_id] is None
            assert frame["rankings"][incident_id] is None
            assert frame["units"][added]["unit_id"] == added
            assert opened in frame["incidents"]
            assert opened in frame["rankings"]
        for other in ({"epoch": "another", "after": 1}, {"epoch": snapshot["epoch"], "after": 10**12}):
            async with feed(server, {"type": "hello", "topics": ALL, "resume": other}) as socket:
                assert (await heard(socket))["type"] == "snapshot"
        http.post(f"/v1/incidents/{opened}/close")

    asyncio.run(watch())


def test_a_slow_viewer_ends_with_the_latest_values(server: Server, http: httpx.Client) -> None:
    units = [new_unit(http, NORTH, callsign="x" * 60, capabilities=["y" * 60] * 8) for _ in range(20)]

    async def watch() -> None:
        async with connect(server.feed, proxy=None, max_size=64 << 20, max_queue=1) as socket:
            await socket.send(json.dumps({"type": "hello", "topics": ALL}))
            for i in range(1, 41):
                now = at()
                rows = [
                    {"unit_id": u, "fix_time": now, "lon": NORTH[0], "lat": NORTH[1], "speed_mps": i / 10}
                    for u in units
                ]
                await asyncio.to_thread(http.post, "/v1/positions", json={"positions": rows})
            latest: dict[str, Any] = {}
            while not (len(latest) >= len(units) and all(latest[u][2] == 4.0 for u in units)):
                latest.update((await heard(socket)).get("positions", {}))

    asyncio.run(watch())
