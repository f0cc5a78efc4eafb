"""What a driver is told on hand-drawn maps, and that the telling adds up on real ones."""

from __future__ import annotations

import numpy as np
import pytest

from geo_backup.roads.field import ArrivalField
from geo_backup.roads.maneuvers import Maneuver, maneuvers, stretches
from geo_backup.roads.network import FRACTION_ONE, RoadNetwork, WayClass, WayFlag
from geo_backup.roads.profile import RESPONSE, ROUTINE
from geo_backup.roads.route import Route
from geo_backup.roads.snap import RoadPoints, Target
from geo_backup.roads.weights import weigh
from tests.roads.tiny import Street, draw, edge_of
from tests.running import GOTHENBURG

Told = list[tuple[str, str | None, str]]


def drive(network: RoadNetwork, start: int, end: int) -> Route:
    field = ArrivalField.build(weigh(network, ROUTINE), Target.on_edge(end, FRACTION_ONE // 2))
    route = field.route(start, FRACTION_ONE // 2)
    assert route is not None
    return route


def told(found: list[Maneuver]) -> Told:
    return [(one.kind, one.modifier, one.name) for one in found]


def test_turn_go_on_and_arrive() -> None:
    places = {
        "a": (0, 0),
        "b": (400, 0),
        "c": (800, 0),
        "d": (400, 300),
        "e": (800, 400),
        "f": (1200, 0),
        "g": (400, -300),
    }
    network = draw(places, [Street("abc", "Main"), Street("gbd", "Side"), Street("ce", "Main"), Street("cf", "East")])
    found = maneuvers(network, drive(network, *(edge_of(network, places, two) for two in ("ab", "ce"))))
    assert told(found) == [("depart", None, "Main"), ("continue", "left", "Main"), ("arrive", None, "Main")]
    assert [one.bearing_before_deg for one in found] == [0, 90, 0]
    assert [one.bearing_after_deg for one in found[:2]] == [90, 0]
    # the crossing in the middle of Main is passed, the one at its corner is the maneuver's
    passed, corner = found[0].crossings[1], found[1].crossings[0]
    assert (passed.bearings_deg, passed.entry) == ((0, 90, 180, 270), (True, True, True, False))
    assert (passed.comes, passed.goes) == (3, 1)
    assert (corner.bearings_deg, corner.comes, corner.goes) == ((0, 90, 270), 2, 0)
    assert found[0].distance_m == pytest.approx(600, rel=0.01)

    found = maneuvers(network, drive(network, *(edge_of(network, places, two) for two in ("ab", "bd"))))
    assert told(found) == [("depart", None, "Main"), ("turn", "left", "Side"), ("arrive", None, "Side")]


def test_the_road_ends() -> None:
    places = {"a": (0, 0), "b": (400, 0), "n": (400, 300), "s": (400, -300)}
    network = draw(places, [Street("ab", "Stem"), Street("nbs", "Bar", oneway=True)])
    found = maneuvers(network, drive(network, *(edge_of(network, places, two) for two in ("ab", "bs"))))
    assert told(found)[1] == ("end of road", "right", "Bar")
    # the one-way from the north may be seen, not entered
    assert (found[1].crossings[0].bearings_deg, found[1].crossings[0].entry) == ((0, 180, 270), (False, True, False))


def test_the_exits_of_a_roundabout_are_counted() -> None:
    # counterclockwise s e n w; the east arm is a one-way into the circle: no exit
    places = {
        "s": (0, -30),
        "e": (30, 0),
        "n": (0, 30),
        "w": (-30, 0),
        "S": (0, -300),
        "E": (300, 0),
        "N": (0, 300),
        "W": (-300, 0),
    }
    streets = [
        Street("senws", "", oneway=True, way_flags=int(WayFlag.ROUNDABOUT)),
        Street("Ss", "South"), Street("Ee", "East", oneway=True), Street("nN", "North"), Street("wW", "West"),
    ]  # fmt: skip
    network = draw(places, streets)

    def exits(start: str, end: str) -> list[tuple[str, int | None]]:
        route = drive(network, *(edge_of(network, places, two) for two in (start, end)))
        return [(one.kind, one.exit) for one in maneuvers(network, route)]

    assert exits("Ss", "nN") == [("depart", None), ("roundabout", 1), ("exit roundabout", 1), ("arrive", None)]
    assert exits("Ss", "wW") == [("depart", None), ("roundabout", 2), ("exit roundabout", 2), ("arrive", None)]
    assert exits("Ee", "sS")[1] == ("roundabout", 3)
    assert exits("Ss", "en") == [("depart", None), ("roundabout", None), ("arrive", None)]
    assert exits("en", "wW") == [("depart", None), ("exit roundabout", None), ("arrive", None)]


def test_on_and_off_the_motorway() -> None:
    places = {
        "a": (0, 0),
        "b": (300, 0),
        "c": (600, 100),
        "m": (0, 160),
        "n": (1200, 160),
        "d": (1500, 100),
        "e": (1900, 0),
        "f": (2300, 0),
        "g": (600, 0),
        "o": (2600, 160),
    }
    network = draw(
        places,
        [
            Street("abg", "Town Road"),
            Street("bc", klass=WayClass.MOTORWAY_LINK, oneway=True),
            Street("mcn", "Motorway", klass=WayClass.MOTORWAY, oneway=True),
            Street("no", "Motorway", klass=WayClass.MOTORWAY, oneway=True),
            Street("nde", klass=WayClass.MOTORWAY_LINK, oneway=True),
            Street("gef", "Out Road"),
        ],
    )
    found = maneuvers(network, drive(network, edge_of(network, places, "ab"), edge_of(network, places, "ef")))
    assert [one.kind for one in found[:4]] == ["depart", "on ramp", "merge", "off ramp"]


def test_the_end_of_a_blind_alley_turns_one_round() -> None:
    places = {"a": (0, 0), "b": (400, 0), "c": (400, 200)}
    network = draw(places, [Street("ab", "Alley"), Street("ac", "Way")], u_turns=True)
    found = maneuvers(network, drive(network, *(edge_of(network, places, two) for two in ("ab", "ac"))))
    assert told(found)[:2] == [("depart", None, "Alley"), ("continue", "uturn", "Alley")]
    assert (found[1].bearing_before_deg, found[1].bearing_after_deg) == (90, 270)


def test_a_name_changes() -> None:
    places = {"a": (0, 0), "b": (400, 0), "c": (800, 0)}
    network = draw(places, [Street("ab", "Old"), Street("bc", "New")])
    found = maneuvers(network, drive(network, *(edge_of(network, places, two) for two in ("ab", "bc"))))
    assert told(found) == [("depart", None, "Old"), ("new name", "straight", "New"), ("arrive", None, "New")]


def test_to_where_one_stands() -> None:
    places = {"a": (0, 0), "b": (400, 0)}
    network = draw(places, [Street("ab", "Street")])
    route = drive(network, *[edge_of(network, places, "ab")] * 2)
    found = maneuvers(network, route)
    assert told(found) == [("depart", None, "Street"), ("arrive", None, "Street")]
    assert (found[0].distance_m, found[0].duration_ms) == (0.0, 0)
    assert (found[0].bearing_after_deg, found[1].bearing_before_deg) == (90, 90)
    metres, seconds = stretches(network, route)
    assert (metres.tolist(), seconds.tolist()) == ([0.0], [0.0])


@pytest.mark.parametrize("profile", [ROUTINE, RESPONSE], ids=lambda profile: profile.name)
def test_what_is_told_adds_up(profile: object) -> None:
    network = RoadNetwork.load(GOTHENBURG)
    weights = weigh(network, profile)  # type: ignore[arg-type]
    chance = np.random.default_rng(7)
    routes = 0
    for target in chance.integers(0, network.edges, 4).tolist():
        field = ArrivalField.build(weights, Target.on_edge(target, 30_000))
        for start in chance.integers(0, network.edges, 12).tolist():
            points = RoadPoints.empty(1)
            points.edge[0, 0], points.fraction[0, 0] = start, 20_000
            route = field.route(start, 20_000)
            if route is None:
                continue
            routes += 1
            found = maneuvers(network, route)
            assert sum(one.duration_ms for one in found) == route.drive_ms == field.etas_ms(points)[0][0]
            assert sum(one.distance_m for one in found) == pytest.approx(route.distance_m, abs=0.1)
            # the drives join to the whole line, and every maneuver stands where the one before ends
            joined = np.concatenate([found[0].line, *(one.line[1:] for one in found[1:-1])])
            assert joined.tolist() == route.coordinates.tolist()
            assert found[-1].line[0].tolist() == route.coordinates[-1].tolist()
            metres, seconds = stretches(network, route)
            assert len(metres) == len(seconds) == len(route.coordinates) - 1
            assert metres.sum() == pytest.approx(route.distance_m, abs=0.1)
            assert seconds.sum() * 1000 == pytest.approx(sum(route.edge_ms), abs=1.0)
            for one in found:
                assert (one.modifier is None) == (one.kind in ("depart", "arrive"))
                for crossing in one.crossings:
                    assert len(crossing.bearings_deg) == len(crossing.entry)
                    assert list(crossing.bearings_deg) == sorted(crossing.bearings_deg)
                    assert all(0 <= bearing < 360 for bearing in crossing.bearings_deg)
    assert routes > 20
