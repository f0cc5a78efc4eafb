"""The trade's own cases, at field level: rivers, one-ways, dual carriageways, parks, islands."""

from __future__ import annotations

import numpy as np
import pytest

from geo_backup.errors import OutsideMapError
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.network import EdgeFlag, RoadNetwork, TurnFlag, WayClass, WayFlag
from geo_backup.roads.profile import CLOSED_MS, RESPONSE, ROUTINE
from geo_backup.roads.search import k_smallest
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target, snap_place, snap_units
from geo_backup.roads.weights import Shut, Weights, weigh
from geo_backup.rules import SnapRules
from tests.roads.tiny import ORIGIN, Street, draw, edge_of, place

RULES = SnapRules()
NAN = float("nan")


def units(network: RoadNetwork, *at: tuple[float, float, float]) -> RoadPoints:
    """Units at east, north (metres) with a course (nan: standing)."""
    lon, lat = np.array([place(x, y) for x, y, _ in at]).T
    course = np.array([c for _, _, c in at])
    return snap_units(network, lon, lat, course, np.where(np.isnan(course), 0.0, 10.0), RULES)


def candidates(points: RoadPoints, row: int = 0) -> list[int]:
    return [int(e) for e in points.edge[row] if e >= 0]


def test_nearest_by_air_is_across_the_river() -> None:
    # 1. two banks, one bridge at the far east
    places = {"a": (0, 0), "b": (2000, 0), "c": (0, 150), "d": (2000, 150)}
    network = draw(places, [Street("ab", "South Bank"), Street("cd", "North Bank"), Street("bd", "Bridge")])
    field = ArrivalField.build(weigh(network, RESPONSE), snap_place(network, *place(100, 0), RULES))
    eta, _ = field.etas_ms(units(network, (100, 150, NAN), (1000, 0, NAN)))
    assert k_smallest(eta, 2).tolist() == [1, 0]


def test_a_short_one_way_flips_the_winner_with_the_siren() -> None:
    # 2. p reaches the incident against a short one-way; routine driving goes round
    places = {"p": (0, 0), "i": (120, 0), "x": (120, 900), "y": (0, 900), "q": (720, 0), "o": (-300, 0)}
    network = draw(places, [Street("ip", "Short", contraflow=True), Street("iq"), Street("opyxi", "Round")])
    target = Target.on_edge(edge_of(network, places, "iq"), 0)
    target = Target(
        (target.edges[0], edge_of(network, places, "qi")), (0, 65536), (0, 0), (0.0, 0.0), 0.0, 0.0, 0.0, True
    )
    two = RoadPoints.of(
        [RoadPoint(edge_of(network, places, "op"), 60000), RoadPoint(edge_of(network, places, "qi"), 0)]
    )
    order = {
        profile.name: k_smallest(ArrivalField.build(weigh(network, profile), target).etas_ms(two)[0], 2).tolist()
        for profile in (ROUTINE, RESPONSE)
    }
    assert order == {"routine": [1, 0], "response": [0, 1]}


def test_contraflow_is_off_on_motorways_and_dual_carriageways() -> None:
    places = {"a": (0, 0), "b": (100, 0), "c": (200, 0), "d": (300, 0)}
    network = draw(
        places,
        [
            Street("ab", contraflow=True, klass=WayClass.MOTORWAY),
            Street("bc", contraflow=True, way_flags=int(WayFlag.DUAL_CARRIAGEWAY)),
            Street("cd", contraflow=True),
        ],
    )
    shut = weigh(network, RESPONSE).shut
    wrong_ways = [shut[edge_of(network, places, two)] for two in ("ba", "cb", "dc")]
    assert wrong_ways == [Shut.NEVER, Shut.NEVER, 0]
    assert (weigh(network, RESPONSE).edge_ms < CLOSED_MS).all()


def test_restricted_turn_costs_the_siren_and_stops_the_rest() -> None:
    places = {"a": (0, 0), "b": (300, 0), "c": (300, 300), "d": (600, 0)}
    network = draw(places, [Street("abd"), Street("bc")], banned=["abc"])
    turn = np.flatnonzero(np.asarray(network.turn_facts) & TurnFlag.RESTRICTED)
    assert weigh(network, ROUTINE).turn_ms[turn].tolist() == [CLOSED_MS]
    assert weigh(network, RESPONSE).turn_ms[turn][0] < 20_000
    target = Target.on_edge(edge_of(network, places, "bc"), 30_000)
    unit = RoadPoints.of([RoadPoint(edge_of(network, places, "ab"), 0)])
    siren, routine = (ArrivalField.build(weigh(network, p), target).etas_ms(unit)[0][0] for p in (RESPONSE, ROUTINE))
    assert routine > siren + 60_000  # to d, round, and back
    assert routine < INF_MS


@pytest.fixture
def dual() -> tuple[RoadNetwork, dict[str, tuple[float, float]]]:
    """Two carriageways 20 m apart, joined 1 km further on at either end."""
    places = {"a": (0, 0), "b": (1000, 0), "c": (2000, 0), "f": (2000, 20), "e": (1000, 20), "d": (0, 20)}
    flags = int(WayFlag.DUAL_CARRIAGEWAY)
    streets = [
        Street("abc", "East", oneway=True, klass=WayClass.PRIMARY, way_flags=flags),
        Street("fed", "West", oneway=True, klass=WayClass.PRIMARY, way_flags=flags),
        Street("cf"),
        Street("da"),
    ]
    return draw(places, streets), places


def test_unit_heading_away_on_a_dual_carriageway_goes_round(dual: tuple) -> None:
    # 10. the incident lies 300 m behind the unit
    network, places = dual
    field = ArrivalField.build(weigh(network, RESPONSE), Target.on_edge(edge_of(network, places, "ab"), 13_107))
    points = units(network, (500, -3, 90.0), (500, 23, 270.0))
    assert candidates(points, 0) == [edge_of(network, places, "ab")]
    assert candidates(points, 1) == [edge_of(network, places, "ed")]
    eta, which = field.etas_ms(points)
    metres, _ = field.distances_m(points, which)
    assert metres[0] == pytest.approx(500 + 1000 + 20 + 2000 + 20 + 200, abs=5)
    assert eta[0] > 3 * eta[1]


def test_behind_ahead_and_at_the_incident_on_one_edge() -> None:
    places = {"a": (0, 0), "b": (1000, 0), "c": (1000, 1000), "d": (0, 1000)}
    network = draw(places, [Street("abcda", oneway=True)])
    ab = edge_of(network, places, "ab")
    weights = weigh(network, RESPONSE)
    field = ArrivalField.build(weights, Target.on_edge(ab, 32_768))
    eta, _ = field.etas_ms(RoadPoints.of([RoadPoint(ab, 0), RoadPoint(ab, 32_768), RoadPoint(ab, 32_769)]))
    assert eta[0] == int(weights.edge_ms[ab]) // 2
    assert eta[1] == 0
    assert eta[2] == pytest.approx(int(weights.edge_ms.sum()), abs=5)
    advanced, _ = field.etas_ms(RoadPoints.of([RoadPoint(ab, 0)] * 3), np.array([0, 250, 9_999], np.float32))
    assert advanced[0] > advanced[1] > 0
    assert advanced[2] > advanced[0], "moved past the incident, to the end of the edge: it has to go round"


def test_turning_round_in_a_two_way_street() -> None:
    places = {"a": (0, 0), "b": (1000, 0)}
    network = draw(places, [Street("ab", "Main")])
    ab, ba = edge_of(network, places, "ab"), edge_of(network, places, "ba")
    points = units(network, (500, 2, 90.0), (500, 2, NAN), (500, 2, 270.0))
    assert candidates(points, 0) == [ab, ba]
    assert points.turn_round[:, :2].tolist() == [[0, 1], [0, 0], [0, 1]]
    target = snap_place(network, *place(100, 0), RULES)
    for profile, penalty in ((RESPONSE, 5_000), (ROUTINE, 25_000)):
        eta, which = ArrivalField.build(weigh(network, profile), target).etas_ms(points)
        assert eta[0] - eta[1] == penalty
        assert eta[1] == eta[2]
        assert which[0] == 1


def test_incident_in_a_park_has_a_walk() -> None:
    # 15. 145 m from the road
    places = {"a": (0, 0), "b": (1000, 0)}
    network = draw(places, [Street("ab", "Main")])
    target = snap_place(network, *place(400, 145), RULES)
    assert target.off_road_m == pytest.approx(145, abs=0.5)
    assert target.last_leg_m[0] == pytest.approx(120, abs=0.5)
    assert target.last_leg_ms[0] == pytest.approx(80_000, abs=500)
    field = ArrivalField.build(weigh(network, RESPONSE), target)
    eta, _ = field.etas_ms(units(network, (400, 0, NAN)))
    assert eta[0] == pytest.approx(80_000, abs=500)
    with pytest.raises(OutsideMapError, match="outside the map") as caught:
        snap_place(network, *place(400, 1_100), RULES)
    assert caught.value.field == "/lon"
    with pytest.raises(OutsideMapError):
        snap_place(network, ORIGIN[1], ORIGIN[0], RULES)


def test_cut_off_part_is_unreachable() -> None:
    # 16. an island without a bridge, and a horizon too near
    places = {"a": (0, 0), "b": (1000, 0), "i": (0, 5000), "j": (1000, 5000)}
    network = draw(places, [Street("ab"), Street("ij")], main="ab")
    target = snap_place(network, *place(100, 0), RULES)
    field = ArrivalField.build(weigh(network, RESPONSE), target)
    eta, which = field.etas_ms(units(network, (500, 5000, NAN), (500, 0, NAN), (500, 2500, NAN)))
    assert eta[0] == INF_MS
    assert which.tolist() == [-1, 0, -1] or which.tolist() == [-1, 1, -1]
    assert eta[1] < INF_MS
    assert field.reason() == "unreachable"
    assert field.route(edge_of(network, places, "ij"), 0) is None
    # too near a horizon is another matter
    assert ArrivalField.build(weigh(network, RESPONSE), target, horizon_ms=1_000).reason() == "outside_horizon"


def test_small_part_offers_the_main_road_near_by() -> None:
    places = {"a": (0, 0), "b": (1000, 0), "i": (0, 60), "j": (1000, 60)}
    network = draw(places, [Street("ab", "Main"), Street("ij", "Yard")], main="ab")
    unit = units(network, (500, 58, NAN))
    assert set(candidates(unit)) == {edge_of(network, places, two) for two in ("ij", "ji", "ab", "ba")}
    target = snap_place(network, *place(100, 58), RULES)
    assert not target.on_main
    assert len(target.edges) == 4
    assert target.last_leg_m[2] == pytest.approx(33, abs=0.5)
    eta, _ = ArrivalField.build(weigh(network, RESPONSE), target).etas_ms(units(network, (900, 0, NAN)))
    assert 0 < eta[0] < INF_MS


# A closed quarter: streets b-c-d-e are shut, a and f lie outside, the long way round is g.
#
#        a ---- b ==== c ==== d ==== e ---- f
#        |                                  |
#        +---------------- g ---------------+
QUARTER = {
    "a": (0, 0), "b": (300, 0), "c": (600, 0), "d": (900, 0), "e": (1200, 0), "f": (1500, 0), "g": (750, -2000),
}  # fmt: skip


@pytest.fixture
def quarter() -> tuple[RoadNetwork, Weights]:
    network = draw(QUARTER, [Street("abcdef", "High"), Street("agf", "Round")])
    closed = [edge_of(network, QUARTER, two) for two in ("bc", "cb", "cd", "dc", "de", "ed")]
    return network, weigh(network, RESPONSE, np.array(closed))


def way(network: RoadNetwork, field: ArrivalField, start: str) -> str | None:
    """Names of the places on the way from the end of an edge."""
    route = field.route(edge_of(network, QUARTER, start), 65_536)
    keys = list(QUARTER)
    return None if route is None else "".join(keys[int(network.edge_head[edge])] for edge in route.edges)


def test_a_closed_quarter_is_left_and_not_passed_through(quarter: tuple) -> None:
    network, weights = quarter
    field = ArrivalField.build(weights, Target.on_edge(edge_of(network, QUARTER, "fg"), 0))
    assert way(network, field, "ab") is None, "it could only turn round at the barrier, and the network has no turn"
    assert way(network, field, "ga") is None
    around = ArrivalField.build(weights, Target.on_edge(edge_of(network, QUARTER, "gf"), 60_000))
    assert way(network, around, "ba") == "agf"
    assert way(network, around, "dc") == "cbagf", "from the middle of the closed street out, over closed edges"
    eta, _ = around.etas_ms(RoadPoints.of([RoadPoint(edge_of(network, QUARTER, "dc"), 0)]))
    over = [edge_of(network, QUARTER, two) for two in ("dc", "cb", "ba", "ag")]
    assert eta[0] > weights.edge_ms[over].sum()
    assert weights.weights_id != weigh(network, RESPONSE).weights_id
    assert weights.with_closed(np.zeros(0, np.int32)).weights_id == weigh(network, RESPONSE).weights_id


def test_a_closed_quarter_is_entered_on_the_last_stretch_to_an_incident_in_it(quarter: tuple) -> None:
    network, weights = quarter
    cd, dc = (edge_of(network, QUARTER, two) for two in ("cd", "dc"))
    target = Target((cd, dc), (32_768, 32_768), (0, 0), (0.0, 0.0), 0.0, 0.0, 0.0, True)
    enterable = np.flatnonzero((weights.shut & np.uint64(Shut.CLOSED)) != 0)
    shut_out = ArrivalField.build(weights, target)
    assert way(network, shut_out, "ab") is None
    assert way(network, shut_out, "bc") == "cd", "who is inside already needs no leave"
    field = ArrivalField.build(weights, target, enterable=enterable)
    assert way(network, field, "ab") == "bcd"
    assert way(network, field, "fe") == "edc"
    points = RoadPoints.of([RoadPoint(edge_of(network, QUARTER, "ab"), 0), RoadPoint(cd, 0)])
    eta, which = field.etas_ms(points)
    metres, _ = field.distances_m(points, which)
    assert metres.tolist() == [pytest.approx(750, abs=1), pytest.approx(150, abs=1)]
    route = field.route(int(points.edge[0, 0]), 0)
    assert route is not None
    assert (route.drive_ms, route.distance_m) == (eta[0], pytest.approx(750, abs=1))
    # the same while only the nearer half may be entered: from f one goes round, not through the rest
    half = np.array([edge_of(network, QUARTER, two) for two in ("bc", "cb", "cd", "dc")])
    assert way(network, ArrivalField.build(weights, target, enterable=half), "gf") is None
    assert way(network, ArrivalField.build(weights, target, enterable=half), "fg") == "gabcd"


def test_a_patrol_car_reaches_a_pedestrian_street_and_does_not_cross_it() -> None:
    """The short cut b-c is a pedestrian street:

    a ---- b ==== c ---- d
           |             |
           +----- e -----+
    """
    places = {"a": (0, 0), "b": (300, 0), "c": (600, 0), "d": (900, 0), "e": (600, -900)}
    walk = Street("bc", extra=int(EdgeFlag.PEDESTRIAN), legal=False, klass=WayClass.PEDESTRIAN)
    network = draw(places, [Street("ab"), walk, Street("cd"), Street("bed")])
    weights = weigh(network, ROUTINE)
    there = ArrivalField.build(weights, Target.on_edge(edge_of(network, places, "bc"), 30_000))
    across = ArrivalField.build(weights, Target.on_edge(edge_of(network, places, "dc"), 30_000))
    ab, bc = edge_of(network, places, "ab"), edge_of(network, places, "bc")
    assert [route.edges if (route := there.route(ab, 0)) else None] == [[ab, bc]]
    route = across.route(ab, 0)
    assert route is not None
    assert bc not in route.edges


def test_route_tells_streets_and_turns() -> None:
    places = {"a": (0, 0), "b": (400, 0), "c": (400, 240), "d": (900, 0)}
    network = draw(places, [Street("abd", "Vasagatan"), Street("bc", "Avenyn")])
    field = ArrivalField.build(weigh(network, RESPONSE), Target.on_edge(edge_of(network, places, "bc"), 65_536))
    route = field.route(edge_of(network, places, "ab"), 16_384)
    assert route is not None
    assert route.streets == ["Vasagatan", "Avenyn"]
    assert [step.instruction for step in route.steps] == ["east on Vasagatan, 300 m", "left onto Avenyn, 240 m"]
    assert route.distance_m == pytest.approx(540, abs=1)
    assert len(route.coordinates) == 3
    np.testing.assert_allclose(route.coordinates[0], place(100, 0), atol=1e-6)
    np.testing.assert_allclose(route.coordinates[-1], place(400, 240), atol=1e-6)


def test_no_road_near_and_rows_of_points() -> None:
    places = {"a": (0, 0), "b": (1000, 0)}
    network = draw(places, [Street("ab")])
    points = units(network, (500, 990, NAN), (500, 1_010, NAN), (-5_000_000, 0, NAN))
    assert (points.edge[:, 0] >= 0).tolist() == [True, False, False]
    assert points.offset_m[0] == pytest.approx(990, abs=1)
    assert np.isinf(points.offset_m[1:]).all()
    copy = points.take(np.array([1, 0]))
    copy.put(np.array([0]), points.take(np.array([0])))
    assert (copy.edge == points.edge[0]).all()
    nowhere = snap_units(network, *(np.array([NAN]) for _ in range(4)), RULES)
    assert candidates(nowhere) == []


def test_what_each_profile_may_drive() -> None:
    places = {"a": (0, 0), "b": (100, 0), "c": (200, 0), "d": (300, 0), "e": (400, 0), "f": (500, 0), "g": (600, 0)}
    network = draw(
        places,
        [
            Street("ab", extra=int(EdgeFlag.BUS), legal=False, klass=WayClass.BUSWAY),
            Street("bc", extra=int(EdgeFlag.PEDESTRIAN), legal=False, klass=WayClass.PEDESTRIAN),
            Street("cd", extra=int(EdgeFlag.EMERGENCY), legal=False, klass=WayClass.EMERGENCY_ACCESS),
            Street("de", extra=int(EdgeFlag.GATE)),
            Street("ef", extra=int(EdgeFlag.PRIVATE), klass=WayClass.SERVICE),
            Street("fg"),
        ],
    )
    siren, routine = weigh(network, RESPONSE), weigh(network, ROUTINE)
    edges = [edge_of(network, places, two) for two in ("ab", "bc", "cd", "de", "ef", "fg")]
    assert routine.shut[edges].tolist() == [Shut.NOT_FOR_PROFILE] * 3 + [0] * 3
    assert (siren.shut == 0).all()
    assert siren.edge_ms[edges[1]] == pytest.approx(36_000, rel=0.01), "10 km/h among people on foot"
    assert siren.edge_ms[edges[3]] == pytest.approx(siren.edge_ms[edges[5]] + 15_000, rel=0.01)
    assert (siren.edge_ms < routine.edge_ms).sum() >= 8, "a siren is rarely slower"
