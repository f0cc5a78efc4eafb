"""Cover, beats, demand, move-ups and staging over HTTP, on a real server with the demo's map."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest

from tests.asking import problem
from tests.running import Server
from tests.server.test_backup import PLACE, fleet, incident


@pytest.fixture(scope="module")
def city(server: Server, http: httpx.Client) -> httpx.Client:
    fleet(http, *[(f"U{n}", 0.004 * n, ("patrol",)) for n in range(-3, 4)])
    return http


def test_cover_falls_when_units_are_sent(city: httpx.Client) -> None:
    before = city.get("/v1/cover").json()
    assert 0 < before["cover"] <= 1
    assert before["free_units"] == 7
    assert sum(f["properties"]["demand"] for f in before["places"]["features"]) == pytest.approx(1, abs=1e-3)
    incident_id = incident(city)
    for n in range(3):
        assert city.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": f"U{n}"}).is_success
    after = city.get("/v1/cover").json()
    assert after["free_units"] == 4
    assert after["cover"] < before["cover"]
    assert city.post(f"/v1/incidents/{incident_id}/close").is_success
    assert city.get("/v1/cover").json()["cover"] == pytest.approx(before["cover"], abs=0.02)


def prices(city: httpx.Client) -> dict[str, dict[str, Any]]:
    return {row["unit_id"]: row for row in city.get("/v1/cover").json()["units"]}


def serve_alone(city: httpx.Client, status: str) -> None:
    """All units but U3 have this status."""
    for n in range(-3, 3):
        assert city.put(f"/v1/units/U{n}/status", json={"status": status}).is_success


def test_each_free_unit_has_its_price(city: httpx.Client) -> None:
    """One of many costs little and needs no words; the only one left costs all the cover there is."""
    among_many = prices(city)["U3"]
    assert 0 < among_many["cover_lost"] < 0.005
    assert among_many["price_words"] == ""
    serve_alone(city, "out_of_service")
    assert list(prices(city)) == ["U3"], "who is not free has no price"
    alone = prices(city)["U3"]
    assert alone["cover_lost"] == pytest.approx(city.get("/v1/cover").json()["cover"], abs=1e-6)
    assert re.fullmatch(r"\d+% less cover for about 22 min", alone["price_words"])
    serve_alone(city, "available")


def test_move_ups_are_few_and_win_something(city: httpx.Client) -> None:
    """All units stand in the middle: some should move out."""
    found = city.get("/v1/cover/moves").json()["moves"]
    assert 1 <= len(found) <= 2
    assert all(move["gain"] >= 0.01 for move in found)
    assert found[0]["unit_id"] in found[0]["words"]


def test_each_agency_covers_for_itself(city: httpx.Client) -> None:
    """Two engines far out: their cover is theirs alone, and each agency moves its own."""
    for unit_id in ("F1", "F2"):
        body = {"callsign": unit_id, "agency": "brigade", "kind": "engine", "capabilities": ["engine"]}
        assert city.put(f"/v1/units/{unit_id}", json=body).is_success
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        fix = {"unit_id": unit_id, "fix_time": now, "lon": PLACE[0] - 0.07, "lat": PLACE[1]}
        assert city.post("/v1/positions", json={"positions": [fix]}).json()["accepted"] == 1
    whole, theirs = city.get("/v1/cover").json(), city.get("/v1/cover?agency=brigade").json()
    assert theirs["free_units"] == 2
    assert whole["free_units"] == 9
    assert theirs["cover"] < whole["cover"]
    moved = {move["unit_id"] for move in city.get("/v1/cover/moves").json()["moves"]}
    assert moved & {"F1", "F2"}
    assert moved - {"F1", "F2"}
    only = {move["unit_id"] for move in city.get("/v1/cover/moves?agency=brigade").json()["moves"]}
    assert only
    assert only <= {"F1", "F2"}
    for unit_id in ("F1", "F2"):
        assert city.delete(f"/v1/units/{unit_id}").is_success


def test_staging_is_near_but_not_at_the_scene(city: httpx.Client) -> None:
    incident_id = incident(city)
    features = city.get(f"/v1/incidents/{incident_id}/staging?count=4").json()["features"]
    assert len(features) == 4
    assert all(60 <= f["properties"]["eta_s"] <= 120 for f in features)
    bearings = sorted(f["properties"]["bearing_deg"] for f in features)
    assert bearings[-1] - bearings[0] > 90, "not all on one side"
    assert city.get("/v1/incidents/nobody/staging").status_code == 404
    assert city.get(f"/v1/incidents/{incident_id}/staging?count=99").status_code == 422


def test_demand_is_learned_from_past_calls(city: httpx.Client) -> None:
    before = city.get("/v1/cover").json()
    rows = [f"c{n},2026-11-0{1 + n % 9}T{n % 24:02d}:10:00Z,{PLACE[0]},{PLACE[1]}" for n in range(60)]
    answer = city.put("/v1/demand", content="\n".join(["call_id,time,lon,lat", *rows]))
    assert answer.status_code == 200, answer.text
    assert answer.json()["calls"] == 60
    after = city.get("/v1/cover").json()
    assert after["demand_id"] == answer.json()["demand_id"] != before["demand_id"]
    assert after["cover"] > before["cover"], "all calls come from where the units are"
    for content, field in ((b"", "/"), (b"a,b\n1,2\n", "/")):
        assert city.put("/v1/demand", content=content).status_code == 422, field


def test_beats_that_cannot_be_are_named(city: httpx.Client) -> None:
    square = {"type": "Polygon", "coordinates": [[[11.9, 57.6], [12.0, 57.6], [12.0, 57.8], [11.9, 57.6]]]}
    good = {"type": "Feature", "properties": {"beat_id": "1", "floor": 2}, "geometry": square}
    for features, field in (
        ([good, good], "/features/1/properties/beat_id"),
        ([{**good, "properties": {"beat_id": "1", "floor": -1}}], "/features/0/properties/floor"),
        ([{**good, "type": "Polygon"}], "/features/0/type"),
        ([{**good, "geometry": {"type": "Point", "coordinates": [0, 0]}}], "/beats/0/geometry"),
    ):
        answer = city.put("/v1/beats", json={"type": "FeatureCollection", "features": features})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field
    problem(city.put("/v1/beats", json={"features": [good]}), 422, field="/type")
    assert city.put("/v1/beats", json={"type": "FeatureCollection", "features": [good]}).json() == {"beats": ["1"]}
    (beat,) = city.get("/v1/cover").json()["beats"]
    assert beat["floor"] == 2
    assert beat["free"] == 7
    serve_alone(city, "out_of_service")
    assert prices(city)["U3"]["price_words"] == "last unit of beat 1 for about 22 min"
