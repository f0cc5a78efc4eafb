"""Closures over the port: levels, slow roads, streets picked on the map, and words for who is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.asking import BRIDGE, NORTH, SOUTH, new_incident, new_unit, problem

# on the bridge over the river
ON_THE_BRIDGE = [11.9665, 57.7141]


@pytest.fixture
def close(http: httpx.Client) -> Iterator[Any]:
    """Adds closures and lifts them when the test is over."""
    added: list[str] = []

    def add(geometry: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = http.post("/v1/closures", json={"geometry": geometry, "reason": "test", **more})
        assert answer.status_code == 201, answer.text
        added.append(answer.json()["closure_id"])
        return dict(answer.json())

    yield add
    for closure_id in added:
        http.delete(f"/v1/closures/{closure_id}")


def eta(http: httpx.Client, profile: str = "response") -> float:
    body = {"target": SOUTH, "starts": [NORTH], "profile": profile}
    return float(http.post("/v1/etas", json=body).json()["etas_s"][0])


def stacked(http: httpx.Client) -> list[float]:
    """A place where roads of two levels lie on top of each other."""
    for step in range(-30, 31):
        place = [ON_THE_BRIDGE[0] + step * 2e-4, ON_THE_BRIDGE[1] - step * 1e-4]
        for shift in range(-40, 41):
            where = [place[0], place[1] + shift * 1e-4]
            roads = http.get("/v1/roads/near", params={"lon": where[0], "lat": where[1]})
            if roads.status_code == 200 and len(found := roads.json()["roads"]) > 1 and found[1]["distance_m"] < 3:
                return where
    raise AssertionError("no stacked roads on this map")


def test_what_a_closure_would_close_is_told_before_it_is_made(http: httpx.Client, close: Any) -> None:
    line = {"type": "LineString", "coordinates": [NORTH, SOUTH]}
    stood, before = http.get("/v1/closures").json()["closures"], eta(http)
    looked = http.post("/v1/closures", params={"look": True}, json={"geometry": line, "reason": "test"})
    assert looked.status_code == 200
    assert (http.get("/v1/closures").json()["closures"], eta(http)) == (stood, before)
    made = close(line)
    told = ("edges", "edges_spared", "levels_in_shape", "streets")
    assert [looked.json()[name] for name in told] == [made[name] for name in told]


def test_streets_are_picked_by_a_click_named_and_closed(http: httpx.Client, close: Any) -> None:
    near = http.get("/v1/roads/near", params={"lon": ON_THE_BRIDGE[0], "lat": ON_THE_BRIDGE[1]}).json()
    assert near["network_id"] == http.get("/healthz").json()["network_id"]
    road = near["roads"][0]
    assert set(road) == {"edges", "name", "level", "length_m", "distance_m", "geometry"}
    assert road["name"]
    assert road["geometry"]["type"] == "LineString"
    before = eta(http)
    standing = close({"edges": road["edges"]})
    assert (standing["edges"], standing["edges_spared"]) == (len(road["edges"]), 0)
    assert standing["streets"] == [road["name"]]
    assert standing["levels_in_shape"] == [road["level"]]
    shown = http.get(f"/v1/closures/{standing['closure_id']}/roads").json()
    assert shown["geometry"]["coordinates"] == [road["geometry"]["coordinates"]]
    assert shown["properties"] == {"closure_id": standing["closure_id"], "whole": True}
    assert eta(http) >= before
    problem(http.get("/v1/closures/none/roads"), 404)
    problem(http.get("/v1/roads/near", params={"lon": 11.0, "lat": 57.0}), 422, field="/lon")
    problem(http.get("/v1/roads/near", params={"lon": 500, "lat": 57.0}), 422, field="/lon")


def test_the_answer_says_what_lies_beneath_and_the_other_choice_closes_it(http: httpx.Client, close: Any) -> None:
    lon, lat = stacked(http)
    d = 2e-5
    ring = [[lon - d, lat - d], [lon + d, lat - d], [lon + d, lat + d], [lon - d, lat + d], [lon - d, lat - d]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    top = close(shape, buffer_m=3.0)
    assert top["levels"] == "top"
    assert len(top["levels_in_shape"]) >= 2
    assert top["edges"] > 0
    assert top["edges_spared"] > 0
    everything = close(shape, buffer_m=3.0, levels="all")
    assert (everything["edges"], everything["edges_spared"]) == (top["edges"] + top["edges_spared"], 0)
    lowest = min(top["levels_in_shape"])
    below = close(shape, buffer_m=3.0, levels=[lowest])
    assert below["levels"] == [lowest]
    assert below["edges"] + below["edges_spared"] == everything["edges"]
    listed = {c["closure_id"]: c for c in http.get("/v1/closures").json()["closures"]}
    assert listed[top["closure_id"]] == top
    answer = http.post("/v1/closures", json={"geometry": shape, "buffer_m": 3.0, "reason": "x", "levels": [-5]})
    assert "there are roads of level" in problem(answer, 422, field="/levels")["detail"]
    again = {"closure_id": top["closure_id"], "geometry": shape, "buffer_m": 3.0, "reason": "test"}
    assert http.post("/v1/closures", json=again).status_code == 200
    problem(http.post("/v1/closures", json={**again, "levels": "all"}), 409)
    problem(http.post("/v1/closures", json={**again, "slow_factor": 0.5}), 409)


def test_a_slow_bridge(http: httpx.Client, close: Any) -> None:
    free = eta(http), eta(http, "routine")
    smoke = close(BRIDGE, buffer_m=20.0, slow_factor=0.05)
    assert smoke["slow_factor"] == 0.05
    assert eta(http) > free[0]
    http.delete(f"/v1/closures/{smoke['closure_id']}")
    close(BRIDGE, buffer_m=20.0, slow_factor=0.05, applies_to="routine")
    assert eta(http) == free[0]
    assert eta(http, "routine") > free[1]


@pytest.mark.parametrize(
    "more",
    [
        {"slow_factor": 0.04},
        {"slow_factor": 0.96},
        {"slow_factor": 0},
        {"slow_factor": True},
        {"slow_factor": "0.5"},
        {"levels": "bottom"},
        {"levels": []},
        {"levels": [0.5]},
        {"levels": [6]},
        {"levels": [0] * 12},
        {"levels": "all", "geometry": {"edges": [0, 1]}},
    ],
)
def test_bad_closures(http: httpx.Client, more: dict[str, Any]) -> None:
    answer = http.post("/v1/closures", json={"geometry": BRIDGE, "reason": "x", **more})
    assert problem(answer, 422)["errors"][0]["field"].startswith(f"/{next(iter(more))}")


def test_who_is_cut_off_is_told_by_what(http: httpx.Client, close: Any) -> None:
    incident, unit_id = new_incident(http), new_unit(http, NORTH)
    assert http.get(f"/v1/incidents/{incident}/route", params={"unit_id": unit_id}).status_code == 200
    rows = http.get(f"/v1/incidents/{incident}/ranking?limit=1000").json()
    assert unit_id in [row["unit_id"] for row in rows["candidates"]]
    lon, lat = NORTH
    d = 0.0015
    ring = [[lon - d, lat - d], [lon + d, lat - d], [lon + d, lat + d], [lon - d, lat + d], [lon - d, lat - d]]
    fence = close({"type": "LineString", "coordinates": ring}, buffer_m=5.0, levels="all", reason="police line")
    excluded = http.get(f"/v1/incidents/{incident}/ranking").json()["excluded"]
    row = next(row for row in excluded if row["unit_id"] == unit_id)
    assert row["reason"] in ("UNREACHABLE", "OUTSIDE_HORIZON")
    assert row["closure_ids"] == [fence["closure_id"]]
    refused = problem(http.get(f"/v1/incidents/{incident}/route", params={"unit_id": unit_id}), 409)
    assert fence["closure_id"] in refused["detail"]
    assert "police line" in refused["errors"][0]["message"]
    http.delete(f"/v1/closures/{fence['closure_id']}")
    rows = http.get(f"/v1/incidents/{incident}/ranking?limit=1000").json()
    assert all("closure_ids" not in row for row in rows["excluded"])


def test_where_a_unit_can_be(http: httpx.Client, close: Any) -> None:
    unit_id, silent = new_unit(http, SOUTH), new_unit(http)
    answer = http.get(f"/v1/units/{unit_id}/reach", params={"minutes": "5,1"}).json()
    assert [feature["properties"] for feature in answer["features"]] == [{"minutes": 1.0}, {"minutes": 5.0}]
    assert all(feature["geometry"]["type"] == "MultiPolygon" for feature in answer["features"])
    sizes = [len(str(feature["geometry"]["coordinates"])) for feature in answer["features"]]
    assert sizes[0] < sizes[1]
    routine = http.get(f"/v1/units/{unit_id}/reach", params={"minutes": "5", "profile": "routine"}).json()
    assert routine["features"][0]["geometry"] != answer["features"][1]["geometry"]
    close(BRIDGE, buffer_m=20.0)
    assert http.get(f"/v1/units/{unit_id}/reach", params={"minutes": "5,1"}).status_code == 200
    problem(http.get(f"/v1/units/{silent}/reach"), 409)
    problem(http.get("/v1/units/nobody/reach"), 404)
    problem(http.get(f"/v1/units/{unit_id}/reach", params={"minutes": "soon"}), 422, field="/minutes")
    problem(http.get(f"/v1/units/{unit_id}/reach", params={"profile": "hover"}), 422, field="/profile")
