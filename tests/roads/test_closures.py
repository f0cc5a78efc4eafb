"""What a drawn shape cuts: roads on top of each other, roads beside, names, and the road near a click."""

from __future__ import annotations

import time

import numpy as np
import pytest
import shapely

from geo_backup.roads.closures import Levels, cut, cut_named
from geo_backup.roads.network import RoadNetwork, WayFlag
from geo_backup.roads.pieces import Pieces
from tests.roads.tiny import Street, draw, edge_of, place
from tests.running import GOTHENBURG

XY = tuple[float, float]

# A bridge c-x-y-d over a street a-b, seen from above; the bridge proper is x-y, its ramps lie on the ground:
#
#                c
#                |  ramp
#                x
#                ||
#   a -----------||------------- b -------- e
#                ||
#                y
#                |  ramp
#                d
PLACES: dict[str, XY] = {
    "a": (-600, 0), "b": (600, 0), "e": (1200, 0), "c": (0, 400), "x": (0, 100), "y": (0, -100), "d": (0, -400),
}  # fmt: skip
BRIDGE = int(WayFlag.BRIDGE)


def crossing(layer: int = 1, flags: int = BRIDGE, street: int = 0) -> RoadNetwork:
    streets = [
        Street("abe", "Quay", layer=street),
        Street("cx", "Ramp"),
        Street("xy", "Bridge", layer=layer, way_flags=flags),
        Street("yd", "Ramp"),
    ]
    return draw(PLACES, streets)


def box(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    return shapely.Polygon([place(*at) for at in ((west, south), (east, south), (east, north), (west, north))])


def line(*places: XY) -> shapely.LineString:
    return shapely.LineString([place(*at) for at in places])


def closed(network: RoadNetwork, shape: shapely.Geometry, buffer_m: float = 0.0, levels: Levels = "top") -> set[str]:
    """Pieces that are cut, by their places; both directions or none."""
    found = set(cut(network, shape, buffer_m, levels).edges.tolist())
    out = set()
    for two in ("ab", "be", "cx", "xy", "yd"):
        there, back = (edge_of(network, PLACES, way) in found for way in (two, two[::-1]))
        assert there == back
        if there:
            out.add(two)
    return out


@pytest.mark.parametrize(
    ("layer", "flags"), [(1, BRIDGE), (0, BRIDGE), (2, 0)], ids=["bridge", "bridge, no layer", "layer only"]
)
def test_a_shape_over_a_bridge_leaves_the_street_beneath_open(layer: int, flags: int) -> None:
    network = crossing(layer, flags)
    over = box(-20, -60, 20, 60)
    assert closed(network, over) == {"xy"}
    assert closed(network, over, levels="all") == {"xy", "ab"}
    assert closed(network, over, levels=[0]) == {"ab"}
    found = cut(network, over, levels="top")
    assert (found.spared, found.levels, found.streets) == (2, (0, max(layer, 1)), ("Bridge",))
    # a line across the deck, which runs along the street below
    assert closed(network, line((-12, 0), (12, 0)), 15.0) == {"xy"}
    assert closed(network, line((-12, 0), (12, 0)), 15.0, "all") == {"xy", "ab"}


def test_a_tunnel_beneath_a_street_stays_open_when_the_street_is_closed() -> None:
    network = crossing(0, int(WayFlag.TUNNEL))
    assert closed(network, box(-200, -20, 200, 20)) == {"ab"}
    assert closed(network, box(-20, -90, 20, 90)) == {"ab", "xy"}, "the tunnel lies 90 m away from the street as well"
    assert closed(network, box(-20, -90, 20, 90), levels=[-1]) == {"xy"}


def test_a_street_that_the_shape_meets_away_from_the_bridge_is_cut() -> None:
    network = crossing()
    assert closed(network, box(-20, -60, 500, 60)) == {"xy", "ab"}
    # two areas in one closure, one over the bridge and one further along the street
    both = shapely.MultiPolygon([box(-20, -60, 20, 60), box(300, -20, 320, 20)])
    assert closed(network, both) == {"xy", "ab"}
    # the bridge is in the shape, but not where it crosses the street
    assert closed(network, shapely.MultiPolygon([box(-5, 70, 5, 90), box(-20, -10, -12, 10)])) == {"xy", "ab"}


def test_ramps_and_streets_on_one_level_are_not_beneath() -> None:
    assert closed(crossing(), box(-20, 60, 20, 140)) == {"cx", "xy"}, "a ramp ends at its bridge, not under it"
    flat = crossing(0, 0)
    assert closed(flat, box(-20, -60, 20, 60)) == {"xy", "ab"}
    both_up = crossing(1, 0, street=1)
    assert closed(both_up, box(-20, -60, 20, 60)) == {"xy", "ab"}
    assert closed(crossing(), line((700, -10), (700, 10))) == {"be"}


def test_a_street_along_under_a_viaduct_stays_open_one_beside_it_is_cut() -> None:
    places = {"a": (0, 0), "b": (500, 0), "c": (0, 6), "d": (500, 6), "e": (0, 40), "f": (500, 40)}
    streets = [Street("ab", "Viaduct", layer=1, way_flags=BRIDGE), Street("cd", "Below"), Street("ef", "Beside")]
    network = draw(places, streets)
    found = cut(network, box(100, -50, 300, 80), 0.0, "top")
    assert found.streets == ("Viaduct", "Beside")


def test_three_levels() -> None:
    places = {"a": (-300, 0), "b": (300, 0), "c": (0, -300), "d": (0, 300), "e": (-300, -300), "f": (300, 300)}
    network = draw(places, [Street("ab", "Ground"), Street("cd", "First", layer=1), Street("ef", "Second", layer=2)])
    here = box(-25, -25, 25, 25)
    assert cut(network, here, levels="top").streets == ("Second",)
    assert set(cut(network, here, levels=[0, 1]).streets) == {"Ground", "First"}
    assert cut(network, here, levels="all").levels == (0, 1, 2)
    # where the topmost is not in the shape, the next one is the top
    assert cut(network, box(-25, 30, 25, 60), levels="top").streets == ("First",)
    assert cut(network, box(-60, -5, -40, 5), levels="top").streets == ("Ground",)


def test_by_distance_from_a_shape() -> None:
    network = crossing()
    assert closed(network, shapely.Point(place(300, 30)), 20.0) == set()
    assert closed(network, shapely.Point(place(300, 30)), 31.0) == {"ab"}


def test_named_edges_are_cut_as_named() -> None:
    network = crossing()
    ab = edge_of(network, PLACES, "ab")
    found = cut_named(network, [ab, ab, network.edges, -1])
    assert (found.edges.tolist(), found.streets, found.levels) == ([ab], ("Quay",), (0,))


def test_the_roads_near_a_click() -> None:
    network = crossing()
    pieces = Pieces.of(network)

    def names(*at: float) -> list[tuple[str, int]]:
        return [
            (network.edge_name(int(pieces.edges(np.array([near.piece]))[0])), int(pieces.level[near.piece]))
            for near in pieces.near(*place(*at))
        ]

    assert names(300, 4) == [("Quay", 0)]
    assert names(2, 5) == [("Bridge", 1), ("Quay", 0)]
    assert names(5, 2) == [("Quay", 0), ("Bridge", 1)]
    assert names(0, 60) == [("Bridge", 1)]
    assert names(300, 99) == [("Quay", 0)]
    assert names(300, 101) == []
    (near,) = pieces.near(*place(300, 4))
    assert near.distance_m == pytest.approx(4, abs=0.1)
    assert set(pieces.edges(np.array([near.piece])).tolist()) == {edge_of(network, PLACES, two) for two in ("ab", "ba")}
    assert np.allclose(pieces.outline(np.array([near.piece]))[0], [place(-600, 0), place(600, 0)], atol=1e-6)


def test_a_polygon_over_a_whole_city_is_cut_in_well_under_a_second() -> None:
    network = RoadNetwork.load(GOTHENBURG)
    Pieces.of(network)
    west, south, east, north = network.area.extent
    angle = np.linspace(0, 2 * np.pi, 3_000)
    wave = 0.4 + 0.05 * np.sin(40 * angle)
    lon = (west + east) / 2 + (east - west) * wave * np.cos(angle)
    lat = (south + north) / 2 + (north - south) * wave * np.sin(angle)
    began = time.thread_time()
    found = cut(network, shapely.Polygon(np.column_stack((lon, lat))), 0.0, "top")
    assert time.thread_time() - began < 2.0, "0.15 s of a core"
    assert len(found.edges) > 20_000
    assert found.spared > 50, "Gothenburg has tunnels and bridges"
