"""A journey over several places: the fastest of all, and nobody turns round at a waypoint unless he may."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from geo_backup.roads import ends, journey
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import ROUTINE
from geo_backup.roads.route import Route
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import SnapRules
from tests.roads.tiny import Street, draw, edge_of, place
from tests.running import GOTHENBURG

RULES = SnapRules()
HOUR_MS = 3_600_000


def drive(weights: Weights, lon_lat: np.ndarray, straight: bool = True) -> tuple[int, tuple[Route, ...] | None]:
    network, wide = weights.network, np.full(len(lon_lat), np.inf)
    found = [ends.end(network, lon, lat, np.inf, None, RULES) for lon, lat in lon_lat[1:].tolist()]
    targets = [end for end in found if end is not None]
    assert len(targets) == len(lon_lat) - 1
    onward = journey.at_end(targets[-1])
    for at in range(len(targets) - 1, -1, -1):
        points = journey.points_of(targets[at - 1]) if at else ends.starts(network, lon_lat[:1], wide, {}, RULES)
        onward = journey.leg_before(lambda to: ArrivalField.build(weights, to, HOUR_MS), points, targets[at], onward)
        if not straight:
            onward = onward.turned_round()
    return onward.ms[0], onward.legs[0]


def test_nobody_turns_round_at_a_waypoint() -> None:
    # from 200 over 500 to 300 on one street: round the block so as to come from the other side, or turn where one may
    places = {"a": (0, 0), "b": (1000, 0), "c": (1000, 400), "d": (0, 400)}
    network = draw(places, [Street("ab", "Long"), Street("bcda", "Round")])
    weights = weigh(network, ROUTINE)
    stops = np.array([place(200, 0), place(500, 0), place(300, 0)])
    straight_ms, legs = drive(weights, stops)
    assert legs is not None
    long = edge_of(network, places, "ba")
    assert (legs[0].edges[0], legs[0].edges[-1], legs[1].edges) == (long, long, [long])
    assert [leg.distance_m for leg in legs] == pytest.approx([2500, 200], rel=0.01)
    back_ms, back = drive(weights, stops, straight=False)
    assert back is not None
    assert [leg.edges for leg in back] == [[edge_of(network, places, "ab")], [edge_of(network, places, "ba")]]
    assert [leg.distance_m for leg in back] == pytest.approx([300, 200], rel=0.01)
    assert back_ms < straight_ms
    assert sum(leg.drive_ms for leg in legs) == straight_ms


def test_the_first_leg_bends_for_the_second() -> None:
    # the waypoint is reached sooner from the west, but only who comes from the east can go on without the long way
    places = {
        "s": (0, 0),
        "w": (100, 100),
        "e": (300, -300),
        "x": (900, 100),
        "t": (-200, 100),
        "u": (900, 3000),
        "v": (-200, 3000),
    }
    network = draw(
        places,
        [Street("sw"), Street("se"), Street("ex"), Street("tw"), Street("wx", "Middle"), Street("xuvt", "Far Round")],
    )
    weights = weigh(network, ROUTINE)
    stops = np.array([place(0, 0), place(300, 100), place(-150, 100)])
    through_ms, legs = drive(weights, stops)
    assert legs is not None
    first = edge_of(network, places, "xw")
    assert legs[0].edges[-1] == legs[1].edges[0] == first
    alone_ms, alone = drive(weights, stops[:2])
    assert alone is not None
    assert alone[0].edges[-1] == edge_of(network, places, "wx")
    assert alone_ms < legs[0].drive_ms
    assert through_ms == sum(leg.drive_ms for leg in legs)


def test_the_same_place_twice_is_no_way() -> None:
    network = draw({"a": (0, 0), "b": (1000, 0)}, [Street("ab")])
    here = np.array([place(400, 3)] * 3)
    ms, legs = drive(weigh(network, ROUTINE), here)
    assert ms == 0
    assert legs is not None
    assert [(leg.drive_ms, leg.distance_m, len(leg.coordinates)) for leg in legs] == [(0, 0.0, 2)] * 2


def test_no_way_is_none() -> None:
    places = {"a": (0, 0), "b": (1000, 0), "c": (0, 2000), "d": (1000, 2000)}
    network = draw(places, [Street("ab"), Street("cd")])
    for stops in itertools.permutations([place(500, 0), place(500, 2000), place(600, 0)]):
        for straight in (True, False):
            ms, legs = drive(weigh(network, ROUTINE), np.array(stops), straight)
            assert (ms >= INF_MS, legs) == (True, None)


def test_the_journey_is_the_best_of_all_on_real_roads() -> None:
    network = RoadNetwork.load(GOTHENBURG)
    weights = weigh(network, ROUTINE)
    chance = np.random.default_rng(11)
    for _ in range(5):
        stops = chance.uniform((11.95, 57.69), (11.99, 57.715), (4, 2))
        found = [ends.end(network, lon, lat, np.inf, None, RULES) for lon, lat in stops.tolist()]
        targets = [end for end in found if end is not None]
        # all ways to pass the waypoints, each by each of its edges
        best = INF_MS
        start = ends.starts(network, stops[:1], np.full(1, np.inf), {}, RULES)
        for chosen in itertools.product(*(range(len(target.edges)) for target in targets[1:])):
            total, points = 0, start
            for target, k in zip(targets[1:], chosen, strict=True):
                one = Target.on_edge(target.edges[k], target.fractions[k])
                total += int(ArrivalField.build(weights, one, HOUR_MS).etas_ms(points)[0][0])
                points = RoadPoints.of([RoadPoint(target.edges[k], target.fractions[k])])
            best = min(best, total)
        ms, legs = drive(weights, stops)
        assert ms == best
        assert legs is None or sum(leg.drive_ms for leg in legs) == best
