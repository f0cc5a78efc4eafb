"""Lines across the 180th meridian, lines that leap, and GeoJSON that is nested without end."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from geo_backup.cartography.build import build_map
from geo_backup.cartography.graphs import from_osmnx
from geo_backup.errors import MapError
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import ROUTINE
from geo_backup.roads.snap import snap_place
from geo_backup.roads.weights import weigh
from geo_backup.rules import Rules

LAT = -16.8
ACROSS_M = 0.02 * 106_600.0  # from 179.99 to -179.99 on Taveuni


def osm(folder: Path, *lines: list[tuple[float, float]]) -> Path:
    places = list(dict.fromkeys(place for line in lines for place in line))
    rows = ['<osm version="0.6">']
    rows += [f'<node id="{n}" version="1" lon="{lon}" lat="{lat}"/>' for n, (lon, lat) in enumerate(places, 1)]
    for way, line in enumerate(lines, 1):
        refs = "".join(f'<nd ref="{1 + places.index(place)}"/>' for place in line)
        rows.append(f'<way id="{way}" version="1">{refs}<tag k="highway" v="residential"/></way>')
    (folder / "source.osm").write_text("\n".join([*rows, "</osm>"]))
    return folder / "source.osm"


def geojson(folder: Path, *lines: list[tuple[float, float]]) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": {"highway": "residential"},
            "geometry": {"type": "LineString", "coordinates": line},
        }
        for line in lines
    ]
    (folder / "source.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return folder / "source.geojson"


def graph(*lines: list[tuple[float, float]]) -> nx.MultiDiGraph:
    made = nx.MultiDiGraph(crs="epsg:4326")
    for way, line in enumerate(lines, 1):
        for a, b in pairwise(line):
            for lon, lat in (a, b):
                made.add_node(f"{lon} {lat}", x=lon, y=lat)
            for one, other, back in ((a, b, False), (b, a, True)):
                ends = (f"{one[0]} {one[1]}", f"{other[0]} {other[1]}")
                made.add_edge(*ends, osmid=way, highway="residential", length=1.0, reversed=back)
    return made


ACROSS = [(179.98, LAT), (179.99, LAT), (-179.99, LAT), (-179.98, LAT)]
ON_BOTH_SIDES = ([(179.98, LAT), (180.0, LAT)], [(-180.0, LAT), (-179.98, LAT)])
"""As RFC 7946 wants a line cut: the two ends are one place."""


def assert_whole(network: RoadNetwork) -> None:
    west, _, east, _ = network.area.extent
    assert east - west == pytest.approx(0.04)
    assert float(network.piece_length_m.sum()) == pytest.approx(2 * ACROSS_M, rel=0.01)
    start, lon, _ = network.vertices
    steps = np.abs(np.diff(lon))
    assert np.delete(steps, start[1:-1] - 1).max() < 0.03, "no line goes round the earth"
    assert network.area.timezone == "Pacific/Fiji"
    assert abs(network.middle[0]) <= 180.0
    assert west <= network.town[0] <= network.town[2] <= east
    goal, start_at = (snap_place(network, lon, LAT, Rules().snap) for lon in (-179.982, 179.982))
    assert goal.off_road_m < 1.0 > start_at.off_road_m
    field = ArrivalField.build(weigh(network, ROUTINE), goal)
    routes = [field.route(*start) for start in zip(start_at.edges, start_at.fractions, strict=True)]
    assert 400_000 < min(route.drive_ms for route in routes if route is not None) < 600_000


@pytest.mark.parametrize("lines", [(ACROSS,), (ACROSS[::-1],), (ACROSS[:2], ACROSS[1:3], ACROSS[2:])], ids=len)
def test_a_way_across_the_180th_meridian_is_one_road(tmp_path: Path, lines: Any) -> None:
    for source in (osm(tmp_path, *lines), geojson(tmp_path, *lines)):
        build_map(source, tmp_path / "map", tiles=False)
        assert_whole(RoadNetwork.load(tmp_path / "map"))


def test_a_graph_across_the_180th_meridian_is_one_road() -> None:
    assert_whole(from_osmnx(graph(ACROSS)))


def test_a_line_that_is_cut_at_the_meridian_goes_on_behind_it(tmp_path: Path) -> None:
    build_map(geojson(tmp_path, *ON_BOTH_SIDES), tmp_path / "map", tiles=False)
    assert_whole(RoadNetwork.load(tmp_path / "map"))


def test_the_basemap_draws_both_sides_and_nothing_between(tmp_path: Path) -> None:
    from pmtiles.reader import MmapSource, all_tiles

    summary = build_map(osm(tmp_path, ACROSS), tmp_path / "map")
    assert summary.tiles == "ok"
    with (tmp_path / "map" / "basemap.pmtiles").open("rb") as file:
        columns = {x for (z, x, _), _ in all_tiles(MmapSource(file)) if z == 14}
    assert columns <= {0, 1, 2**14 - 2, 2**14 - 1}
    assert {0, 2**14 - 1} <= columns


GOOD = [(10.0, 50.0), (10.001, 50.0), (10.002, 50.0)]
LEAPS = [
    [(10.0, 50.0), (12.0, 50.0)],
    [(10.0, 50.0), (10.0, 51.5)],
    [(10.002, 50.0), (-170.0, 50.0)],
    [(10.0, 50.0), (0.0, 0.0), (10.0, 50.0)],
]


@pytest.mark.parametrize("leap", LEAPS, ids=str)
def test_a_line_that_leaps_is_left_out_and_counted(tmp_path: Path, leap: list[tuple[float, float]]) -> None:
    for source in (osm(tmp_path, GOOD, leap), geojson(tmp_path, GOOD, leap)):
        summary = build_map(source, tmp_path / "map", tiles=False)
        assert (summary.ways, summary.set_aside) == (1, {"world_wide": 1})
        assert RoadNetwork.load(tmp_path / "map").area.extent == pytest.approx((10.0, 50.0, 10.002, 50.0))
    assert from_osmnx(graph(GOOD, leap)).pieces <= 2


def test_roads_all_around_the_earth_are_no_map(tmp_path: Path) -> None:
    lines = [[(lon, 50.0), (lon + 0.001, 50.0)] for lon in (-120.0, 0.0, 120.0)]
    with pytest.raises(MapError, match=r"all around the earth.*osmium extract"):
        build_map(osm(tmp_path, *lines), tmp_path / "map", tiles=False)


@pytest.mark.parametrize("number", ["NaN", "1e999", "-Infinity", "null", '"x"', "[10]", "181", "1" * 400])
def test_a_coordinate_that_is_no_place_is_refused_in_words(tmp_path: Path, number: str) -> None:
    text = geojson(tmp_path, [(10.5, 50.0), (10.501, 50.0)]).read_text().replace("[10.5,", f"[{number},")
    (tmp_path / "source.geojson").write_text(text)
    with pytest.raises(MapError):
        build_map(tmp_path / "source.geojson", tmp_path / "map", tiles=False)


def test_a_graph_with_a_place_off_the_earth_is_refused_in_words() -> None:
    for lon in (float("nan"), float("inf"), 500_000.0):
        with pytest.raises(MapError, match="outside the earth"):
            from_osmnx(graph([(10.0, 50.0), (lon, 50.0)]))


NESTED = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": PROPERTIES, "geometry": GEOMETRY}]}'
)
LINE = '{"type": "LineString", "coordinates": [[10, 50], [10.001, 50]]}'


@pytest.mark.parametrize("levels", [70, 900, 1_100, 100_000])
@pytest.mark.parametrize(
    "shape",
    [
        NESTED.replace("PROPERTIES", '{"highway": "path"}').replace("GEOMETRY", "DEEP"),
        NESTED.replace("PROPERTIES", '{"highway": "residential"}').replace(
            "GEOMETRY", '{"type": "LineString", "coordinates": DEEP}'
        ),
        NESTED.replace("PROPERTIES", '{"highway": "residential"}').replace(
            "GEOMETRY", '{"type": "MultiLineString", "coordinates": DEEP}'
        ),
        NESTED.replace("PROPERTIES", '{"highway": "residential"}').replace(
            "GEOMETRY", '{"type": "GeometryCollection", "geometries": DEEP}'
        ),
        NESTED.replace("PROPERTIES", '{"highway": DEEP}').replace("GEOMETRY", LINE),
        "DEEP",
        '{"features": DEEP}',
    ],
)
def test_geojson_nested_without_end_is_refused_in_words(tmp_path: Path, shape: str, levels: int) -> None:
    for opening, closing in (("[", "]"), ('{"geometries":[', "]}")):
        deep = opening * levels + closing * levels
        (tmp_path / "deep.geojson").write_text(shape.replace("DEEP", deep))
        with pytest.raises(MapError) as caught:
            build_map(tmp_path / "deep.geojson", tmp_path / "map", tiles=False)
        assert len(str(caught.value)) < 600
