"""The nearest roads against every road measured, and places on roads against the lines cut there."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from geo_backup.roads.nearest import nearest_roads, positions
from geo_backup.roads.network import FRACTION_ONE, RoadNetwork
from geo_backup.roads.route import cut_line
from tests.roads.tiny import Street, draw, edge_of, place
from tests.running import GOTHENBURG


@pytest.fixture(scope="module")
def city() -> RoadNetwork:
    return RoadNetwork.load(GOTHENBURG)


def test_a_place_on_a_road_is_where_the_line_is_cut(city: RoadNetwork) -> None:
    chance = np.random.default_rng(3)
    edges = chance.integers(0, city.edges, 500)
    fractions = chance.integers(0, FRACTION_ONE + 1, 500)
    fractions[:2] = 0, FRACTION_ONE
    found = positions(city, edges, fractions)
    for edge, fraction, at in zip(edges.tolist(), fractions.tolist(), found, strict=True):
        share = fraction / FRACTION_ONE
        cut = cut_line(city.edge_line(edge), share, share, city.metres_per_deg)[0]
        assert np.abs(cut - at).max() < 1e-7, (edge, fraction)
    assert positions(city, np.zeros(0, np.int32), np.zeros(0, np.int32)).shape == (0, 2)


def test_the_nearest_are_the_nearest_of_all(city: RoadNetwork) -> None:
    pieces = np.unique(city.edge_piece)
    first = city.piece_edges.max(axis=1)
    scale = np.array(city.metres_per_deg)
    lines = np.array([shapely.LineString(city.edge_line(int(first[piece])) * scale) for piece in pieces])
    for lon, lat in np.random.default_rng(5).uniform((11.93, 57.68), (12.01, 57.73), (20, 2)):
        distance = shapely.distance(lines, shapely.Point(np.array([lon, lat]) * scale))
        found = nearest_roads(city, lon, lat, count=5, within_m=1_000.0)
        expected = np.sort(distance)[:5]
        expected = expected[expected <= 1_000.0]
        assert [road.distance_m for road in found] == pytest.approx(expected.tolist(), abs=0.3)


def test_only_what_is_driven_in_the_direction() -> None:
    places = {"a": (0, 0), "b": (500, 0), "c": (0, 30), "d": (500, 30)}
    network = draw(places, [Street("ab", "Both Ways"), Street("dc", "West Only", oneway=True)])
    lon, lat = place(200, 25)
    edges = {two: edge_of(network, places, two) for two in ("ab", "ba", "dc")}

    def found(bearing: tuple[float, float] | None, within_m: float = 100.0) -> list[list[int]]:
        roads = nearest_roads(network, lon, lat, count=9, within_m=within_m, bearing=bearing)
        return [[point.edge for point in road.points] for road in roads]

    assert found(None) == [[edges["dc"]], [edges["ab"], edges["ba"]]]
    assert found((90.0, 10.0)) == [[edges["ab"]]]
    assert found((275.0, 10.0)) == [[edges["dc"]], [edges["ba"]]]
    assert found((360.0, 100.0)) == [[edges["dc"]], [edges["ab"], edges["ba"]]]
    assert found((0.0, 10.0)) == []
    assert found(None, within_m=3.0) == []
    assert found(None, within_m=6.0) == [[edges["dc"]]]
    road = nearest_roads(network, lon, lat, count=1, within_m=50.0)[0]
    assert road.points[0].fraction == pytest.approx(0.6 * FRACTION_ONE, abs=20)


def test_there_is_nothing_outside_the_map() -> None:
    network = draw({"a": (0, 0), "b": (500, 0)}, [Street("ab")])
    for lon, lat in ((0.0, 0.0), (-170.0, -80.0), (180.0, 90.0)):
        assert nearest_roads(network, lon, lat, count=1, within_m=1_000.0) == []
