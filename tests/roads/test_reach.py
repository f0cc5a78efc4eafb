"""Reach inward and outward: the polygons say what the readings say, along one-ways and past closures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from geo_backup.roads import search
from geo_backup.roads.field import ArrivalField, Starts, reach_out
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.network import EdgeFlag, RoadNetwork, WayClass
from geo_backup.roads.profile import RESPONSE, ROUTINE
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target, snap_place, snap_units
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import SnapRules
from tests.cartography.test_twins import avenue
from tests.roads.test_field_oracle import gothenburg  # noqa: F401
from tests.roads.tiny import Street, draw, edge_of, place

RULES = SnapRules()
XY = tuple[float, float]

# One way round, and a two-way street that leads off it:
#
#     a ---> b ------- e
#     ^      |
#     |      v
#     d <--- c
RING: dict[str, XY] = {"a": (0, 3000), "b": (3000, 3000), "c": (3000, 0), "d": (0, 0), "e": (6000, 3000)}


def ring() -> RoadNetwork:
    return draw(RING, [Street("abcda", "Ring", oneway=True), Street("be", "Spur")])


def out(weights: Weights, *points: RoadPoint, minutes: float) -> shapely.MultiPolygon:
    (area,) = reach_out(weights, Starts.of(weights, RoadPoints.of(list(points))), [minutes])
    assert area.is_valid
    assert area.geom_type == "MultiPolygon"
    return area


def reached(area: shapely.Geometry, *at: XY) -> list[bool]:
    return [bool(area.contains(shapely.Point(place(*one)))) for one in at]


def unit(network: RoadNetwork, x: float, y: float) -> RoadPoints:
    lon, lat = (np.array([value]) for value in place(x, y))
    nan = np.array([np.nan])
    return snap_units(network, lon, lat, nan, nan, RULES)


def test_reach_grows_and_is_valid() -> None:
    places = {"a": (0, 0), "b": (3000, 0), "c": (3000, 3000), "d": (0, 3000)}
    network = draw(places, [Street("abcda")])
    field = ArrivalField.build(weigh(network, RESPONSE), snap_place(network, *place(1500, 0), RULES))
    far, near, none = field.reach([5, 1, 0])
    assert all(area.is_valid and area.geom_type == "MultiPolygon" for area in (far, near, none))
    assert far.buffer(1e-9).contains(near)
    assert far.area > 3 * near.area > 0
    assert near.contains(shapely.Point(place(1500, 0)))
    assert not near.contains(shapely.Point(place(3000, 3000)))
    # a unit just inside has the time, one well outside has not
    eta = [int(field.etas_ms(unit(network, *at))[0][0]) for at in ((1200, 0), (3000, 2000))]
    assert eta[0] < 60_000 < eta[1]


def test_inward_and_outward_run_round_a_one_way_in_opposite_directions() -> None:
    network = ring()
    weights = weigh(network, ROUTINE)
    here = RoadPoint(edge_of(network, RING, "ab"), 32_768)
    before, after, on_spur = (200, 3000), (2800, 3000), (4000, 3000)
    inward = ArrivalField.build(weights, Target.on_edge(*here)).reach([6])[0]
    assert reached(inward, before, after, on_spur) == [True, False, False]
    outward = out(weights, here, minutes=6)
    assert reached(outward, before, after, on_spur) == [False, True, True]
    # with time enough one comes round again, to behind where one stood
    assert reached(out(weights, here, minutes=28), before, after, on_spur) == [True, True, True]


def test_outward_respects_closures_and_leaves_the_one_it_stands_in() -> None:
    network = ring()
    spur = [edge_of(network, RING, two) for two in ("be", "eb")]
    weights = weigh(network, ROUTINE, np.array(spur))
    here = RoadPoint(edge_of(network, RING, "ab"), 32_768)
    assert reached(out(weights, here, minutes=7), (2800, 3000), (3000, 2000), (4000, 3000)) == [True, True, False]
    inside = RoadPoint(spur[1], 32_768)
    assert reached(out(weights, inside, minutes=7), (3500, 3000), (3000, 2000), (5500, 3000)) == [True, True, False]


def test_inward_counts_shut_ground_that_leads_there_and_no_wrong_way() -> None:
    network = draw(RING, [Street("abcda", "Ring", oneway=True), Street("be", "Spur"), Street("ec", contraflow=True)])
    be, eb = (edge_of(network, RING, two) for two in ("be", "eb"))
    weights = weigh(network, ROUTINE, np.array([be, eb]))
    # on the ring beyond b: who stands in the closed spur drives out of it
    onto_ring = ArrivalField.build(weights, Target.on_edge(edge_of(network, RING, "bc"), 6_000))
    eta, _ = onto_ring.etas_ms(unit(network, 4000, 3000))
    assert eta[0] < 180_000
    assert reached(onto_ring.reach([3])[0], (4000, 3000), (2000, 3000)) == [True, True]
    # the incident within the closure: entered on the last stretch, from the ring
    in_spur = ArrivalField.build(weights, Target.on_edge(be, 32_768), enterable=np.array([be, eb]))
    assert reached(in_spur.reach([6])[0], (3400, 3000), (2500, 3000)) == [True, True]
    # the wrong way of a one-way street counts for nobody
    along = ArrivalField.build(weigh(network, ROUTINE), Target.on_edge(edge_of(network, RING, "ec"), 65_536)).reach([1])
    wrong = reach_out(
        weigh(network, ROUTINE),
        Starts.of(weights, RoadPoints.of([RoadPoint(edge_of(network, RING, "bc"), 60_000)])),
        [2],
    )
    assert reached(along[0], (3300, 300)) == [True]
    assert reached(wrong[0], (3600, 600)) == [False]


def test_a_pedestrian_street_counts_for_who_stands_there() -> None:
    places: dict[str, XY] = {"a": (0, 0), "b": (1000, 0), "c": (1600, 0)}
    walk = Street("bc", extra=int(EdgeFlag.PEDESTRIAN), legal=False, klass=WayClass.PEDESTRIAN)
    network = draw(places, [Street("ab"), walk])
    field = ArrivalField.build(weigh(network, ROUTINE), Target.on_edge(edge_of(network, places, "ba"), 60_000))
    assert reached(field.reach([10])[0], (1300, 0)) == [True]


@pytest.mark.parametrize("profile", [RESPONSE, ROUTINE], ids=lambda profile: profile.name)
def test_times_outward_equal_the_fields_of_where_one_comes_to(gothenburg: RoadNetwork, profile: object) -> None:  # noqa: F811
    """From one place outward the search must find what fields of many targets, read at that place, find."""
    rng = np.random.default_rng(11)
    main = np.flatnonzero(np.asarray(gothenburg.edge_flags) & EdgeFlag.MAIN)
    closed = rng.choice(main, 300, replace=False)
    weights = weigh(gothenburg, profile, closed)  # type: ignore[arg-type]
    graph = gothenburg.graph
    start = RoadPoint(int(main[100]), 20_000)
    starts = Starts.of(weights, RoadPoints.of([start]))
    arcs = search.pack_arcs(graph.leave_to, weights.arc_ms[graph.leave_turn])
    at_end = search.build(graph.leave_start, arcs, starts.edge.ravel(), starts.rest_ms.ravel(), 3_600_000)
    compared = 0
    for edge in rng.choice(main, 40, replace=False).tolist():
        if weights.shut[edge] or edge == start.edge:
            continue
        eta, _ = ArrivalField.build(weights, Target.on_edge(edge, 65_536)).etas_ms(RoadPoints.of([start]))
        assert eta[0] == at_end[edge]
        compared += eta[0] < INF_MS
    assert compared > 20


def test_a_road_that_is_only_come_onto_by_a_twin_is_reached(tmp_path: Path) -> None:
    """From C one comes onto the link q-p by its twin, which knows that q-p-A is forbidden from there."""
    drawing, way = avenue()
    drawing.nodes.update({name: (drawing.nodes[name][0], 8.0) for name in "ApB"})  # 800 m of link
    drawing.forbid_over("no_u_turn", way["Cq"], [way["qp"]], way["pA"])
    network, _ = drawing.build(tmp_path)
    start, link = drawing.edge(network, "C", "q"), drawing.edge(network, "q", "p")
    assert start is not None
    assert link is not None
    weights = weigh(network, ROUTINE)
    (area,) = reach_out(weights, Starts.of(weights, RoadPoints.of([RoadPoint(start, 65_000)])), [1.5])
    line = network.edge_line(link)
    assert area.contains(shapely.Point(line[0] * 0.4 + line[-1] * 0.6))
