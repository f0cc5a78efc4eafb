"""Rankings and what else is read from a field: ETAs, routes, reach, and what closures do to them."""

from __future__ import annotations

import httpx
import pytest

from tests.asking import BRIDGE, NORTH, SEA, SOUTH, at, names, new_unit, problem


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
        named = {"unit_id", "eta_s", "low_s", "p90_s", "parts", "arrival_time", "distance_m", "status", "freshness"}
        assert set(row) == named | {"warnings"}
        assert row["low_s"] <= row["eta_s"] <= row["p90_s"]
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
    assert set(answer) == {"etas_s", "reasons", "times", "network_id", "weights_id"}
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
