"""Shapes over HTTP that are nested without end, around the earth or off it: refused in words, with the field."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.cartography.build import build_map
from geo_backup.node import Node
from geo_backup.roads.network import RoadNetwork
from tests.cartography.test_around_the_earth import ACROSS, ACROSS_M, LAT, osm
from tests.node.test_node import asking, running

SQUARE = [[10.0, 50.0], [10.001, 50.0], [10.001, 50.001], [10.0, 50.0]]


def closure(geometry: str) -> tuple[str, str, str]:
    return "POST", "/v1/closures", '{"reason": "x", "geometry": %s}' % geometry  # noqa: UP031


def beats(geometry: str, more: str = "") -> tuple[str, str, str]:
    feature = '{"type": "Feature", "properties": {"beat_id": "b"%s}, "geometry": %s}' % (more, geometry)  # noqa: UP031
    return "PUT", "/v1/beats", '{"type": "FeatureCollection", "features": [%s]}' % feature  # noqa: UP031


def answers(folder: Path, *questions: tuple[str, str, str]) -> list[httpx.Response]:
    """What a node in this process answers."""
    found: list[httpx.Response] = []

    async def story(node: Node) -> None:
        async with asking(node) as http:
            for method, url, body in questions:
                found.append(
                    await http.request(method, url, content=body, headers={"Content-Type": "application/json"})
                )

    running(story, folder / "log.sqlite")
    return found


def refused(answer: httpx.Response, field: str) -> dict[str, Any]:
    assert answer.status_code in (400, 422), answer.text[:300]
    assert answer.headers["content-type"] == "application/problem+json"
    error = answer.json()["errors"][0]
    assert error["field"].startswith(field), error
    assert len(answer.text) < 2_000
    return dict(error)


@pytest.mark.parametrize("levels", [6, 40, 150, 900, 5_000, 100_000])
def test_what_is_nested_without_end_is_refused_and_the_field_is_named(tmp_path: Path, levels: int) -> None:
    deep = "[" * levels + "]" * levels
    shapes = [
        ('{"type": "LineString", "coordinates": %s}', "coordinates"),
        ('{"type": "Polygon", "coordinates": %s}', "coordinates"),
        ('{"type": "MultiPolygon", "coordinates": %s}', "coordinates"),
        ('{"type": "GeometryCollection", "geometries": %s}', ""),
        ('{"type": %s}', ""),
    ]
    questions = [ask(shape % deep) for ask in (closure, beats) for shape, _ in shapes]
    questions += [closure(deep), beats(deep)]
    if levels > 32:
        questions.append(beats(json.dumps({"type": "Polygon", "coordinates": [SQUARE]}), f', "x": {deep}'))
    for (_, url, _), answer in zip(questions, answers(tmp_path, *questions), strict=True):
        refused(answer, "/geometry" if url == "/v1/closures" else "/")
        # what no reader of JSON follows to its end is not told from what is no JSON
        assert answer.status_code in ((422,) if levels < 200 else (400, 422) if levels < 1_000 else (400,))


AROUND = [
    ([[10.0, 50.0], [12.0, 50.0], [10.0, 50.1], [10.0, 50.0]], "leap"),
    ([[10.0, 50.0], [10.0, 52.0], [10.1, 50.0], [10.0, 50.0]], "leap"),
    ([[-180.0, -90.0], [180.0, -90.0], [180.0, 90.0], [-180.0, -90.0]], "antimeridian"),
    ([[179.99, 50.0], [-179.99, 50.0], [-179.99, 50.1], [179.99, 50.0]], "antimeridian"),
    ([[181.0, 50.0], [10.0, 50.0], [10.0, 50.1], [181.0, 50.0]], "out_of_range"),
    ([[10.0, 91.0], [10.0, 50.0], [10.0, 50.1], [10.0, 91.0]], "out_of_range"),
    ([[10.0, "NaN"], [10.0, 50.0], [10.0, 50.1], [10.0, "NaN"]], "number"),
    ([[10.0, "Infinity"], [10.0, 50.0], [10.0, 50.1], [10.0, "Infinity"]], "number"),
]


@pytest.mark.parametrize(("ring", "reason"), AROUND, ids=str)
def test_a_shape_around_the_earth_or_off_it_is_refused_in_words(tmp_path: Path, ring: Any, reason: str) -> None:
    text = json.dumps(ring).replace('"', "")
    line, polygon, several = (
        '{"type": "%s", "coordinates": %s}' % (kind, coordinates)  # noqa: UP031
        for kind, coordinates in (("LineString", text), ("Polygon", f"[{text}]"), ("MultiPolygon", f"[[{text}]]"))
    )
    questions = [closure(line), closure(polygon), closure(several), beats(polygon), beats(several)]
    for (_, url, _), answer in zip(questions, answers(tmp_path, *questions), strict=True):
        if reason == "number" and url == "/v1/beats":  # such a word is no JSON at all
            assert answer.status_code == 400
            continue
        assert answer.status_code == 422
        error = refused(answer, "/geometry/coordinates" if url == "/v1/closures" else "/beats/0/geometry/coordinates")
        assert error["reason"] == reason


def test_a_map_across_the_180th_meridian_is_driven_across(tmp_path: Path) -> None:
    build_map(osm(tmp_path, ACROSS), tmp_path / "map", tiles=False)
    seen: dict[str, Any] = {}

    async def story(node: Node) -> None:
        async with asking(node) as http:
            road = f"179.985,{LAT};-179.985,{LAT}"
            seen["route"] = (await http.get(f"/route/v1/driving/{road}?geometries=geojson&steps=true")).json()
            seen["near"] = (await http.get(f"/nearest/v1/driving/-179.985,{LAT}")).json()
            line = {"type": "LineString", "coordinates": [[-179.985, LAT - 0.001], [-179.985, LAT + 0.001]]}
            seen["closed"] = (await http.post("/v1/closures", json={"reason": "x", "geometry": line})).json()

    running(story, tmp_path / "log.sqlite", network=RoadNetwork.load(tmp_path / "map"))
    assert seen["route"]["routes"][0]["distance"] == pytest.approx(0.03 * ACROSS_M / 0.02, rel=0.01)
    lons = [lon for lon, _ in seen["route"]["routes"][0]["geometry"]["coordinates"]]
    assert max(abs(a - b) for a, b in pairwise(lons)) < 0.03
    assert seen["route"]["waypoints"][1]["location"] == seen["near"]["waypoints"][0]["location"] == [-179.985, LAT]
    assert seen["closed"]["edges"] == 2
