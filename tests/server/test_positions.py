"""Live positions that say what is not so: null island, unknown values, and TAK events that are no position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.node import Node
from geo_backup.server.app import create_app
from tests.asking import at, unit_body
from tests.formats.test_cot import CONTACT, PARENT, event
from tests.node.test_node import asking, running
from tests.roads.tiny import place

LON, LAT = place(300, 0)


def adopting(node: Node) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(node, adopt_unknown=True)), base_url="http://localhost"
    )


async def report(http: httpx.AsyncClient, *rows: dict[str, Any]) -> dict[str, Any]:
    answer = await http.post("/v1/positions", json={"positions": list(rows)})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def fix(s: float, lon: float = LON, lat: float = LAT, **more: Any) -> dict[str, Any]:
    return {"unit_id": "Z2", "fix_time": at(s), "lon": lon, "lat": lat, **more}


def test_a_unit_stays_where_it_was_while_its_receiver_says_null_island(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        async with adopting(node) as http:
            assert "ignored" in await report(http, fix(-40))
            for s in (-35, -30, -25):
                assert (await report(http, fix(s, 0, 0)))["ignored"] == [{"index": 0, "reason": "null_island"}]
            assert (await http.get("/v1/units/Z2")).json()["geometry"]["coordinates"] == [LON, LAT]
            assert (await report(http, fix(-20, LON + 1e-4), fix(-15)))["ignored"] == []
            # nor is the officer looked for there
            pressed = await report(http, {**fix(-10, 0, 0), "alarm": "sos"})
            incident = (await http.get(f"/v1/incidents/{pressed['emergencies'][0]}")).json()
            assert (incident["lon"], incident["lat"]) == (LON, LAT)

    running(story, tmp_path / "log.sqlite")


def test_a_cry_for_help_from_null_island_is_not_looked_for_in_the_ocean(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        async with adopting(node) as http:
            answer = await http.post("/v1/emergencies", json={"unit_id": "N1", "lon": 0.0, "lat": 0.0})
            assert answer.status_code == 201
            assert answer.json()["emergency"]["placed_by"] == "nothing"
            assert abs(answer.json()["lon"]) > 1

    running(story, tmp_path / "log.sqlite")


def test_a_unit_from_outside_is_marked_off_the_map(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        async with adopting(node) as http:
            await report(http, fix(-40), fix(-30, LON, LAT + 1), fix(-25, LON, LAT + 1), fix(-20, LON, LAT + 1))
            feature = (await http.get("/v1/units/Z2")).json()
            assert feature["geometry"]["coordinates"] == [LON, LAT + 1]
            assert feature["properties"]["off_map"] is True
            assert node.value("units", "Z2")["off_map"] is True

    running(story, tmp_path / "log.sqlite")


@pytest.mark.parametrize(
    ("said", "unknown"),
    [
        ({"speed_mps": -1, "course_deg": -1}, ["speed_mps", "course_deg"]),
        ({"course_deg": 360.0001}, ["course_deg"]),
        ({"speed_mps": 9_999_999, "accuracy_m": 9_999_999.0}, ["speed_mps", "accuracy_m"]),
        ({"accuracy_m": 0}, ["accuracy_m"]),
        ({"accuracy_m": -5, "speed_mps": 3}, ["accuracy_m"]),
        ({"course_deg": 360, "speed_mps": 0}, []),
    ],
)
def test_a_place_counts_without_what_is_unknown(tmp_path: Path, said: dict[str, Any], unknown: list[str]) -> None:
    async def story(node: Node) -> None:
        async with adopting(node) as http:
            answer = await report(http, fix(-9), fix(-8, **said))
            assert (answer["accepted"], answer["refused"], answer["ignored"]) == (2, [], [])
            named = [{"index": 1, "field": f"/positions/1/{name}"} for name in unknown]
            assert answer.get("unknown", []) == named
            properties = (await http.get("/v1/units/Z2")).json()["properties"]
            for name in ("speed_mps", "course_deg", "accuracy_m"):
                said_now = said.get(name)
                assert properties[name] == (None if name in unknown or said_now is None else said_now % 360)

    running(story, tmp_path / "log.sqlite")


def test_a_wrong_type_is_still_refused_and_nan_is_no_json(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        async with adopting(node) as http:
            for value in ("1", True, [], {}):
                assert (await report(http, fix(-9, speed_mps=value)))["accepted"] == 0
            body = b'{"positions": [{"unit_id": "Z2", "speed_mps": NaN}]}'
            assert (await http.post("/v1/positions", content=body)).status_code == 400
            huge = b'{"positions": [{"unit_id":"Z2","fix_time":"%s","lon":%f,"lat":%f,"speed_mps":%s}]}'
            content = huge % (at(-9).encode(), LON, LAT, b"9" * 400)
            assert (await http.post("/v1/positions", content=content)).status_code in (202, 400)

    running(story, tmp_path / "log.sqlite")


def now_event(kind: str, s: float, **more: Any) -> bytes:
    """An event of second `s` from now, on the map, that holds for two minutes more unless told."""
    more = {"point": f'<point lat="{LAT}" lon="{LON}" ce="5"/>', "start": at(s), "stale": at(s + 120), **more}
    return event(kind, **more).replace(b'time="2026-11-27T07:00:00Z"', f'time="{at(s)}"'.encode())


def test_only_its_own_event_moves_a_unit(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        async with adopting(node) as http:
            own = await http.post("/v1/cot", content=now_event("a-f-G-U-C", -60, detail=CONTACT))
            assert own.json() == {"kind": "position", "unit_id": "ANDROID-1", "ignored": None}
            away = f'<point lat="{LAT}" lon="{LON + 0.002}" ce="5"/>'
            for s, (kind, uid, how) in enumerate(
                [
                    ("b-m-p-s-m", "3f0c-mark", "h-g-i-g-o"),
                    ("a-h-G", "hostile", "m-g"),
                    ("a-f-G", "friend", "h-g-i-g-o"),
                    ("b-t-f", "GeoChat.ANDROID-1.All.78", "h-g-i-g-o"),
                    ("t-x-c-t", "ANDROID-1-ping", "m-g"),
                    ("b-m-p-s-m", "ANDROID-1", "h-e"),
                ]
            ):
                more = {"uid": uid, "how": how, "point": away, "detail": '<contact callsign="R 1"/>' + PARENT}
                answer = await http.post("/v1/cot", content=now_event(kind, s - 50, **more))
                assert answer.status_code == 202
                assert answer.json()["kind"] == "other"
                assert "nothing was done" in answer.json()["done"]
            assert [f["id"] for f in (await http.get("/v1/units")).json()["features"]] == ["ANDROID-1"]
            for stale in (at(-30), at(-90)):
                answer = await http.post("/v1/cot", content=now_event("a-f-G-U-C", -30, stale=stale, point=away))
                assert (answer.status_code, answer.json()["ignored"]) == (202, "withdrawn")
            feature = (await http.get("/v1/units/ANDROID-1")).json()
            assert feature["geometry"]["coordinates"] == [LON, LAT]
            cancel = await http.post("/v1/cot", content=now_event("b-a-o-can", -20, uid="NOBODY-9-1-1"))
            assert cancel.status_code == 404, "a cancel makes no unit"
            assert "NOBODY" not in node.live_map.units

    running(story, tmp_path / "log.sqlite")


def test_tak_says_unknown_as_everybody_does(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        async with asking(node) as http:
            await http.put("/v1/units/U1", json=unit_body())
            track = '<track course="-1.0" speed="-1.0"/>'
            more = {"uid": "U1", "point": f'<point lat="{LAT}" lon="{LON}" ce="9999999.0"/>', "detail": track}
            answer = (await http.post("/v1/cot", content=now_event("a-f-G-U-C", -9, **more))).json()
            assert answer == {
                "kind": "position",
                "unit_id": "U1",
                "ignored": None,
                "unknown": ["speed_mps", "course_deg", "accuracy_m"],
            }
            nowhere = now_event("a-f-G-U-C", -5, uid="U1", point='<point lat="0.001" lon="0" ce="9"/>')
            assert (await http.post("/v1/cot", content=nowhere)).json()["ignored"] == "null_island"

    running(story, tmp_path / "log.sqlite")
