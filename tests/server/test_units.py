"""Units and their positions, told to a real server over real HTTP."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.asking import at, new_incident, new_unit, problem, report, unit_body


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


def test_a_unit_tells_its_turnout_and_what_it_is_taken_from(http: httpx.Client) -> None:
    unit_id = new_unit(http, kind="turnout-boat")

    def told() -> dict[str, object]:
        properties = http.get(f"/v1/units/{unit_id}").json()["properties"]
        return {name: properties[name] for name in ("turnout_s", "turnout_p90_s", "turnout_from", "turnouts")}

    rule = {"turnout_s": 5.0, "turnout_p90_s": 5.0, "turnout_from": "rule", "turnouts": {"own": 0, "of_kind": 0}}
    assert told() == rule
    incident_id = new_incident(http)
    assigned = http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id})
    assert assigned.status_code == 201
    part = f"/v1/incidents/{incident_id}/assignments/{unit_id}"
    rolls = http.patch(part, json={"state": "en_route", "at": at(20)})
    assert rolls.status_code == 200, rolls.text
    assert http.patch(part, json={"state": "cleared", "at": at(25)}).status_code == 200
    learned = told()
    assert (learned["turnout_from"], learned["turnouts"]) == ("learned", {"own": 1, "of_kind": 1})
    assert 8 < float(str(learned["turnout_s"])) < 10, "one of 20 s of its own, one of its kind, before them 5 s"
    off_duty = http.put(f"/v1/units/{unit_id}/status", json={"status": "out_of_service", "at": at(26)})
    assert off_duty.status_code == 200
    assert (told()["turnout_s"], told()["turnout_from"]) == (1_800.0, "rule")
