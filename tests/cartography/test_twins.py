"""Restrictions over via ways: who came by the road they name finds the turn forbidden, everybody else does not."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.cartography.area import network_of
from geo_backup.cartography.assembly import assemble
from geo_backup.cartography.build import build_map
from geo_backup.cartography.graphs import from_osmnx, to_networkx
from geo_backup.cartography.restrictions import Path as ForbiddenPath
from geo_backup.cartography.restrictions import Restriction
from geo_backup.cartography.twins import Expanded, expand
from geo_backup.cartography.ways import Ways
from geo_backup.roads.closures import cut
from geo_backup.roads.field import ArrivalField, Seeds
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.lanes import Probe
from geo_backup.roads.network import FRACTION_ONE, EdgeFlag, RoadNetwork, TurnFlag
from geo_backup.roads.profile import PROFILES, RESPONSE, ROUTINE
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target
from geo_backup.roads.weights import weigh
from tests.roads import oracle
from tests.rounds import cases, rounds

from .drawing import Drawing

DATA = Path(os.environ.get("GEO_BACKUP_DATA", Path(__file__).parents[3] / "shared" / "data"))
HOUR_MS = 3_600_000


def avenue() -> tuple[Drawing, dict[str, int]]:
    """
            N             far away
            |
    A < < < p < < < B     two carriageways and the link p-q between them, joined at both ends; S and N are
            |             the ends of side streets
    C > > > q > > > D
            |
            S             far away
    """
    drawing = Drawing(
        {
            "A": (-6.0, 0.4), "p": (0.0, 0.4), "B": (6.0, 0.4), "C": (-6.0, 0.0), "q": (0.0, 0.0), "D": (6.0, 0.0),
            "N": (0.0, 40.0), "S": (0.0, -40.0), "e": (7.0, 0.2), "w": (-7.0, 0.2),
        }
    )  # fmt: skip
    lines = {
        "Bp": "yes", "pA": "yes", "Cq": "yes", "qD": "yes", "qp": "no", "Np": "no", "Sq": "no", "DeB": "yes",
        "AwC": "yes",
    }  # fmt: skip
    names = {"Bp": "Avenyn", "pA": "Avenyn", "Cq": "Avenyn", "qD": "Avenyn", "qp": "Link", "Np": "North", "Sq": "South"}
    way = {line: drawing.way(line, oneway=oneway, name=names.get(line, "")) for line, oneway in lines.items()}
    return drawing, way


def restricted(drawing: Drawing, network: RoadNetwork, path: str) -> bool:
    facts = drawing.turn(network, path)
    assert facts is not None, f"{path} cannot be driven"
    return bool(facts & TurnFlag.RESTRICTED)


def check_whole(network: RoadNetwork) -> None:
    """Turns join, and every twin has an edge that is none."""
    assert np.all(network.edge_head[network.turn_from] == network.edge_tail[network.turn_to])
    single = network.piece_edges[network.edge_piece, network.edge_against.astype(int)]
    assert np.all(single >= 0)
    assert not np.any(network.edge_flags[single] & EdgeFlag.TWIN)
    assert np.array_equal(network.edge_code[single], network.edge_code)
    but = ~np.uint16(EdgeFlag.TWIN | EdgeFlag.MAIN)
    assert np.array_equal(network.edge_flags[single] & but, network.edge_flags & but)


def target_on(drawing: Drawing, network: RoadNetwork, two: str, fraction: int = FRACTION_ONE // 2) -> Target:
    """A place on a road in one direction, whatever was driven before."""
    single = drawing.edge(network, two[0], two[1])
    assert single is not None
    edges = tuple(network.with_twins(np.array([single])).tolist())
    n = len(edges)
    return Target(edges, (fraction,) * n, (0,) * n, (0.0,) * n, 10.0, 50.0, 0.0, True)


def test_no_u_turn_over_a_link(tmp_path: Path) -> None:
    """From C over q-p to A: forbidden. From S over q-p to A, and from C over q-p to N: not."""
    drawing, way = avenue()
    drawing.forbid_over("no_u_turn", way["Cq"], [way["qp"]], way["pA"])
    network, summary = drawing.build(tmp_path)
    check_whole(network)
    assert restricted(drawing, network, "CqpA")
    assert not any(restricted(drawing, network, path) for path in ("CqpN", "SqpA", "BpA", "NpA", "Cqp", "qpA"))
    assert (summary.restrictions_via_way, summary.twin_edges) == (1, 1)
    assert network.area.turn_restrictions == "1 of 1 applied"
    assert network.edges == summary.edges + 1
    link = drawing.edge(network, "q", "p")
    driven = drawing.drive(network, "Cqp")
    assert driven is not None
    twin = driven[0][-1]
    assert network.edge_flags[twin] & EdgeFlag.TWIN
    assert sorted((link, twin)) == network.with_twins(np.array([twin])).tolist()
    assert network.with_twins(np.array([twin, link, twin])).tolist() == sorted((link, twin))
    assert network.twins.tolist() == [twin]
    assert network.piece_edges[network.edge_piece[twin], network.edge_against[twin].astype(int)] == link


def test_a_legal_car_goes_round_and_a_siren_pays(tmp_path: Path) -> None:
    drawing, way = avenue()
    for ban, folder in ((False, "free"), (True, "banned")):
        if ban:
            drawing.forbid_over("no_u_turn", way["Cq"], [way["qp"]], way["pA"])
        (tmp_path / folder).mkdir()
        network, _ = drawing.build(tmp_path / folder)
        start = drawing.edge(network, "C", "q")
        assert start is not None
        names = {}
        times = {}
        for profile in (ROUTINE, RESPONSE):
            field = ArrivalField.build(weigh(network, profile), target_on(drawing, network, "pA"))
            route = field.route(start, 0)
            assert route is not None
            names[profile.name], times[profile.name] = route.streets, route.drive_ms
            assert route.drive_ms == field.etas_ms(RoadPoints.of([RoadPoint(start, 0)]))[0][0]
        if not ban:
            assert names == {"routine": ["Avenyn", "Link", "Avenyn"], "response": ["Avenyn", "Link", "Avenyn"]}
            before = times
        else:
            assert names["routine"] == ["Avenyn"], "out to the end of the avenue and back"
            assert names["response"] == ["Avenyn", "Link", "Avenyn"]
            assert times["response"] == before["response"] + RESPONSE.access.restricted_turn_s * 1000


def test_a_route_over_a_twin_reads_like_any_other(tmp_path: Path) -> None:
    """From C over q-p to N, where p-A is forbidden: the twin has the link's line, length and name."""
    drawing, way = avenue()
    (tmp_path / "free").mkdir()
    free, _ = drawing.build(tmp_path / "free")
    drawing.forbid_over("no_u_turn", way["Cq"], [way["qp"]], way["pA"])
    network, _ = drawing.build(tmp_path)
    routes = []
    for roads in (free, network):
        start = drawing.edge(roads, "C", "q")
        assert start is not None
        route = ArrivalField.build(weigh(roads, ROUTINE), target_on(drawing, roads, "pN")).route(start, 1000)
        assert route is not None
        routes.append(route)
    assert bool(network.edge_flags[routes[1].edges[1]] & EdgeFlag.TWIN)
    np.testing.assert_array_equal(routes[0].coordinates, routes[1].coordinates)
    assert routes[0].steps == routes[1].steps
    assert (routes[0].drive_ms, routes[0].distance_m) == (routes[1].drive_ms, routes[1].distance_m)
    assert [step.instruction.split(",")[0] for step in routes[1].steps] == [
        "east on Avenyn", "left onto Link", "straight onto North",
    ]  # fmt: skip


def test_an_incident_on_the_via_road_is_reached_from_both_pasts(tmp_path: Path) -> None:
    """Half-way up the link q-p: who comes from C is on the twin, who comes from S is not, who stands on it neither."""
    drawing, way = avenue()
    drawing.forbid_over("no_u_turn", way["Cq"], [way["qp"]], way["pA"])
    network, _ = drawing.build(tmp_path)
    target = target_on(drawing, network, "qp")
    assert len(target.edges) == 2
    for profile in (ROUTINE, RESPONSE):
        weights = weigh(network, profile)
        field = ArrivalField.build(weights, target)
        np.testing.assert_array_equal(field.at_end_ms, oracle.at_end(weights, target, HOUR_MS))
        starts = [(drawing.edge(network, *two), at) for two, at in (("Cq", 0), ("Sq", 0), ("qp", 100))]
        points = RoadPoints.of([RoadPoint(edge, at) for edge, at in starts if edge is not None])
        eta_ms, which = field.etas_ms(points)
        assert (which >= 0).all()
        metres, _ = field.distances_m(points, which)
        assert metres.tolist() == pytest.approx([620.0, 4020.0, 20.0], abs=1.0)
        for row in range(3):
            route = field.route(int(points.edge[row, 0]), int(points.fraction[row, 0]))
            assert route is not None
            assert route.drive_ms == eta_ms[row]
            assert route.coordinates[-1].tolist() == pytest.approx([10.0, 50.00018], abs=1e-5)


def test_only_one_way_on_over_a_link(tmp_path: Path) -> None:
    """From C over q-p only to N: neither to A nor, for want of another way, back down the link."""
    drawing, way = avenue()
    drawing.forbid_over("only_straight_on", way["Cq"], [way["qp"]], way["Np"])
    network, summary = drawing.build(tmp_path)
    check_whole(network)
    assert restricted(drawing, network, "CqpA")
    assert not restricted(drawing, network, "CqpN")
    assert not restricted(drawing, network, "SqpA")
    assert drawing.turn(network, "Cqpq") is None
    assert (summary.restrictions_via_way, summary.twin_edges) == (1, 1)


def row() -> tuple[Drawing, dict[str, int]]:
    """
    A - b - c - d - E      each stretch a way of its own
        |   |   |
        F   G   H
    """
    drawing = Drawing(
        {
            "A": (-3.0, 0.0), "b": (0.0, 0.0), "c": (3.0, 0.0), "d": (6.0, 0.0), "E": (9.0, 0.0),
            "F": (0.0, -3.0), "G": (3.0, -3.0), "H": (6.0, -3.0),
        }
    )  # fmt: skip
    return drawing, {line: drawing.way(line) for line in ("Ab", "bc", "cd", "dE", "bF", "cG", "dH")}


@pytest.mark.parametrize("order", [("bc", "cd"), ("cd", "bc")])
def test_two_via_ways_in_any_order(tmp_path: Path, order: tuple[str, str]) -> None:
    """From A over b-c and c-d not to H; leaving at c and coming back in takes the ban away."""
    drawing, way = row()
    drawing.forbid_over("no_right_turn", way["Ab"], [way[line] for line in order], way["dH"])
    network, summary = drawing.build(tmp_path)
    check_whole(network)
    assert restricted(drawing, network, "AbcdH")
    assert not any(restricted(drawing, network, path) for path in ("AbcdE", "FbcdH", "GcdH", "AbcG", "EdH"))
    assert not restricted(drawing, network, "AbcGcdH"), "the dead end at G was driven in between"
    assert (summary.restrictions_via_way, summary.twin_edges) == (1, 2)


def test_a_via_way_of_several_pieces(tmp_path: Path) -> None:
    """b-c-d drawn as one way, cut by the street at c."""
    drawing, _ = row()
    drawing.ways[1:3] = [("bcd", drawing.ways[1][1])]
    drawing.forbid_over("no_right_turn", 101, [102], 105)
    assert (drawing.ways[0][0], drawing.ways[4][0]) == ("Ab", "cG")
    drawing.restrictions.clear()
    drawing.forbid_over("no_right_turn", 101, [102], 106)
    network, summary = drawing.build(tmp_path)
    assert restricted(drawing, network, "AbcdH")
    assert not any(restricted(drawing, network, path) for path in ("AbcdE", "FbcdH", "GcdH", "AbcG"))
    assert summary.twin_edges == 2


def test_restrictions_that_begin_alike_share_their_twins(tmp_path: Path) -> None:
    """From A over b-c-d neither to H nor to E, and over b-c not to G: two twins in all. Who has no way on turns
    round at d."""
    drawing, way = row()
    drawing.forbid_over("no_right_turn", way["Ab"], [way["bc"], way["cd"]], way["dH"])
    drawing.forbid_over("no_straight_on", way["Ab"], [way["bc"], way["cd"]], way["dE"])
    drawing.forbid_over("no_right_turn", way["Ab"], [way["bc"]], way["cG"])
    network, summary = drawing.build(tmp_path)
    check_whole(network)
    assert all(restricted(drawing, network, path) for path in ("AbcdH", "AbcdE", "AbcG"))
    assert not restricted(drawing, network, "Abcdc"), "the only way out cannot be forbidden"
    assert drawing.turn(network, "Fbcdc") is None
    assert (summary.restrictions_via_way, summary.twin_edges) == (3, 2)
    assert summary.main_share == 1.0


def test_a_restriction_that_begins_in_the_middle_of_another(tmp_path: Path) -> None:
    """From A over b-c, c-d not to H; from b-c over c-d not to E: who comes from A may do neither."""
    drawing, way = row()
    drawing.forbid_over("no_right_turn", way["Ab"], [way["bc"], way["cd"]], way["dH"])
    drawing.forbid_over("no_straight_on", way["bc"], [way["cd"]], way["dE"])
    network, summary = drawing.build(tmp_path)
    check_whole(network)
    banned = {
        path for path in ("AbcdH", "AbcdE", "FbcdH", "FbcdE", "GcdE", "GcdH") if restricted(drawing, network, path)
    }
    assert banned == {"AbcdH", "AbcdE", "FbcdE"}
    assert summary.restrictions_via_way == 2


def test_except_emergency(tmp_path: Path) -> None:
    """Excepted for emergency vehicles, unless a second restriction without the exception forbids the same."""
    drawing, way = row()
    drawing.forbid_over("no_right_turn", way["Ab"], [way["bc"]], way["cG"], **{"except": "psv;emergency"})
    drawing.forbid_over("no_right_turn", way["bc"], [way["cd"]], way["dH"], **{"except": "emergency"})
    drawing.forbid_over("no_right_turn", way["bc"], [way["cd"]], way["dH"])
    drawing.forbid_over("no_right_turn", way["Ab"], [way["bc"]], way["cd"], **{"except": "motorcar"})
    network, summary = drawing.build(tmp_path)
    both = TurnFlag.RESTRICTED | TurnFlag.EMERGENCY_EXEMPT
    assert (drawing.turn(network, "AbcG") or 0) & both == both
    assert (drawing.turn(network, "AbcdH") or 0) & both == TurnFlag.RESTRICTED
    assert not restricted(drawing, network, "Abcd")
    assert (summary.restrictions_via_way, summary.restrictions_exempt) == (3, 1)


def test_a_ban_over_a_junction_holds_for_twins_too(tmp_path: Path) -> None:
    """c-G is forbidden from b-c for all but emergency vehicles; who came from A is on a twin and finds the same."""
    drawing, way = row()
    drawing.forbid("no_right_turn", way["bc"], "c", way["cG"], **{"except": "emergency"})
    drawing.forbid_over("no_straight_on", way["Ab"], [way["bc"]], way["cd"])
    network, _ = drawing.build(tmp_path)
    assert drawing.turn(network, "AbcG") == drawing.turn(network, "FbcG") == drawing.turn(network, "bcG")
    assert restricted(drawing, network, "AbcG")


def test_a_condition_over_via_ways_is_taken_for_always_true(tmp_path: Path) -> None:
    drawing, way = row()
    hours = {"restriction": "", "restriction:conditional": "no_right_turn @ (Mo-Fr 07:00-09:00)"}
    drawing.forbid_over("", way["Ab"], [way["bc"]], way["cG"], **hours)
    network, summary = drawing.build(tmp_path)
    assert restricted(drawing, network, "AbcG")
    assert (summary.restrictions_conditional, summary.restrictions_via_way) == (1, 0)


@pytest.mark.parametrize(("oneway", "outcome"), [("yes", "via_way"), ("-1", "needless")])
def test_a_via_way_that_is_one_way(tmp_path: Path, oneway: str, outcome: str) -> None:
    """A - b > c - d: the ban from A over b-c, where b-c may be driven so, and where it may not.

    The stretch is too short for a siren to be kept from driving it the wrong way; signs do not speak to it.
    """
    drawing, way = row()
    drawing.nodes |= {name: (x / 3.0, y) for name, (x, y) in drawing.nodes.items()}
    drawing.ways[1][1]["oneway"] = oneway  # type: ignore[index]
    drawing.forbid_over("no_right_turn", way["Ab"], [way["bc"]], way["cG"])
    network, summary = drawing.build(tmp_path)
    check_whole(network)
    assert getattr(summary, f"restrictions_{outcome}") == 1
    assert restricted(drawing, network, "AbcG") == (outcome == "via_way")
    assert summary.twin_edges == (1 if outcome == "via_way" else 0)


def test_a_road_that_is_entered_from_one_side_alone_stays_in_the_main_part(tmp_path: Path) -> None:
    """
    A > b > c - d - E  b > c is entered from A only: all who drive it are on the twin, but a unit that stands on
    ^       |  /       it, and an incident there, are on the road itself
    < < < < G
    """
    places = {"A": (-3.0, 0.0), "b": (0.0, 0.0), "c": (3.0, 0.0), "d": (6.0, 0.0), "E": (9.0, 0.0), "G": (3.0, -3.0)}
    drawing = Drawing(places)
    way = {line: drawing.way(line, oneway="yes" if "A" in line else "no") for line in ("Ab", "cdE", "cG", "Gd", "GA")}
    link = drawing.way("bc", oneway="yes")
    drawing.forbid_over("no_right_turn", way["Ab"], [link], way["cG"])
    network, summary = drawing.build(tmp_path)
    single = drawing.edge(network, "b", "c")
    assert single is not None
    assert network.turn_start[single] == network.turn_start[single + 1], "nothing leads into it"
    assert network.edge_flags[single] & EdgeFlag.MAIN
    assert summary.main_share == 1.0


def test_what_cannot_be_driven_is_counted(tmp_path: Path) -> None:
    drawing, way = row()
    footway = drawing.way("FG", highway="footway")
    drawing.forbid_over("no_right_turn", way["Ab"], [footway], way["cG"])  # no road
    drawing.forbid_over("no_right_turn", way["Ab"], [way["cd"]], way["dH"])  # b-c is missing
    drawing.forbid_over("no_right_turn", way["Ab"], [way["bc"], way["cG"]], way["dE"])  # G is no crossing
    drawing.forbid_over("no_u_turn", way["Ab"], [way["bc"]], way["bF"])  # would turn round at c
    network, summary = drawing.build(tmp_path)
    counts = (summary.restrictions_unmatched, summary.restrictions_malformed, summary.restrictions_needless)
    assert counts == (1, 2, 1)
    assert (summary.restrictions_via_way, summary.twin_edges) == (0, 0)
    assert not np.any(network.turn_facts & TurnFlag.RESTRICTED)


def test_a_closure_closes_twins_with_their_road(tmp_path: Path) -> None:
    drawing, way = avenue()
    drawing.forbid_over("no_u_turn", way["Cq"], [way["qp"]], way["pA"])
    network, _ = drawing.build(tmp_path)
    up, down = drawing.edge(network, "q", "p"), drawing.edge(network, "p", "q")
    assert up is not None
    assert down is not None
    closed = cut(network, shapely.Point(10.0, 50.00018), 5.0).edges
    assert closed.tolist() == sorted([*network.with_twins(np.array([up])).tolist(), down])
    assert len(closed) == 3
    start = drawing.edge(network, "C", "q")
    assert start is not None
    route = ArrivalField.build(weigh(network, RESPONSE, closed), target_on(drawing, network, "pN")).route(start, 0)
    assert route is not None
    assert "Link" not in route.streets


def test_a_graph_for_analysts_has_no_twins(tmp_path: Path) -> None:
    drawing, way = avenue()
    drawing.forbid_over("no_u_turn", way["Cq"], [way["qp"]], way["pA"])
    network, summary = drawing.build(tmp_path)
    graph = to_networkx(network, legal_only=False)
    assert graph.number_of_edges() == summary.edges == network.edges - 1
    again = from_osmnx(to_networkx(network))
    assert len(again.twins) == 0
    assert (again.edge_flags & EdgeFlag.LEGAL != 0).sum() == (network.edge_flags[network.piece_edges] & 1 != 0)[
        network.piece_edges >= 0
    ].sum()


# ---- the automaton against its definition

Question = tuple[np.ndarray, np.ndarray, np.ndarray, list[ForbiddenPath]]


@st.composite
def questions(make: st.DrawFn) -> Question:
    """Edges between few junctions, all turns between them, and rules along paths that can be driven."""
    junctions = make(st.integers(1, 4))
    ends = make(st.lists(st.tuples(*[st.integers(0, junctions - 1)] * 2), min_size=1, max_size=7))
    tail, head = np.array(sorted(ends)).T
    turns = [(a, b) for b in range(len(tail)) for a in range(len(tail)) if head[a] == tail[b]]
    turn_from, turn_to = np.array(turns, np.int64).reshape(-1, 2).T
    rules = []
    for _ in range(make(st.integers(1, 5)) if turns else 0):
        path = [make(st.integers(0, len(tail) - 1))]
        for _ in range(make(st.integers(1, 4))):
            if on := sorted(turn_to[turn_from == path[-1]].tolist()):
                path.append(make(st.sampled_from(on)))
        if len(path) > 1 and (on := sorted(turn_to[turn_from == path[-1]].tolist())):
            to = frozenset(make(st.lists(st.sampled_from(on), min_size=1, max_size=2)))
            rules.append(ForbiddenPath(tuple(path), to, make(st.booleans()), make(st.booleans())))
    return tail, turn_from, turn_to, rules


@settings(max_examples=rounds(300), deadline=None)
@given(questions(), st.data())
def test_every_drive_finds_the_turns_that_are_forbidden_after_it(question: Question, data: st.DataObject) -> None:
    """Whatever was driven, a turn is marked exactly when some rule's path was driven last and forbids it."""
    tail, turn_from, turn_to, rules = question
    facts = np.array([data.draw(st.sampled_from([0, 32, 96])) for _ in turn_from], np.uint16)
    wide = expand(tail, turn_from, turn_to, np.zeros(len(turn_from), np.bool_), facts, rules)
    assert np.all(np.diff(tail[wide.single]) >= 0)
    assert np.all(np.diff(wide.turn_to) >= 0)
    assert wide.twin.sum() <= sum(len(rule.edges) - 1 for rule in rules)
    state = data.draw(st.sampled_from(np.flatnonzero(~wide.twin).tolist()))
    driven = [int(wide.single[state])]
    for _ in range(12):
        leaving = np.flatnonzero(wide.turn_from == state)
        single = wide.single[wide.turn_to[leaving]]
        assert sorted(single.tolist()) == sorted(turn_to[turn_from == driven[-1]].tolist()), "no turn lost or added"
        if len(leaving) == 0:
            return
        for turn, to in zip(leaving.tolist(), single.tolist(), strict=True):
            before = int(facts[(turn_from == driven[-1]) & (turn_to == to)][0])
            assert int(wide.facts[turn]) == by_definition(driven, to, before, rules)
        turn = data.draw(st.sampled_from(leaving.tolist()))
        state = int(wide.turn_to[turn])
        driven.append(int(wide.single[state]))


def by_definition(driven: list[int], to: int, before: int, rules: list[ForbiddenPath]) -> int:
    held = [
        rule
        for rule in rules
        if tuple(driven[-len(rule.edges) :]) == rule.edges and (to not in rule.to if rule.only else to in rule.to)
    ]
    strict = before == 32 or any(not rule.exempt for rule in held)
    return 32 if strict else 96 if before or held else 0


# ---- the whole way from a source's restrictions to turns, against their definition

CORNERS = [(round(80e3 * np.cos(n)), round(80e3 * np.sin(n))) for n in range(6)]
"""Six places about a circle, 0.8 km around 50 N 10 E in 1e-7 degrees: no street is short."""


@st.composite
def towns(make: st.DrawFn) -> Ways:
    """Streets between corners, each a way of its own, and restrictions along what can be driven."""
    ways = Ways()
    pairs = make(st.lists(st.tuples(*[st.integers(0, 5)] * 2), min_size=3, max_size=12, unique_by=frozenset))
    streets = [(a, b, make(st.sampled_from(["no", "no", "yes"]))) for a, b in pairs if a != b]
    streets = streets or [(0, 1, "no")]
    onward: dict[tuple[int, int], int] = {}  # from corner, to corner: way
    for way, (a, b, oneway) in enumerate(streets, 1):
        vertices = [(corner, 100_000_000 + CORNERS[corner][0], 500_000_000 + CORNERS[corner][1]) for corner in (a, b)]
        ways.add(way, {"highway": "residential", "oneway": oneway}, vertices)
        onward[a, b] = way
        if oneway == "no":
            onward[b, a] = way
    for _ in range(make(st.integers(1, 6))):
        at, trail = None, []
        for _ in range(make(st.integers(3, 5))):
            choices = sorted(pair for pair in onward if at is None or (pair[0] == at[1] and pair[1] != at[0]))
            if not choices:
                break
            at = make(st.sampled_from(choices))
            trail.append(onward[at])
        if len(trail) < 3 or len(set(trail[:-1])) < len(trail) - 1 or trail[-1] in trail[1:-1]:
            continue
        kind, exempt = make(st.sampled_from(["no_left_turn", "no_u_turn", "only_right_turn"])), make(st.booleans())
        vias = tuple(make(st.permutations(trail[1:-1])))
        ways.restrictions.append(Restriction(kind, (trail[0],), (), vias, (trail[-1],), emergency_exempt=exempt))
    return ways


@settings(max_examples=rounds(300), deadline=None)
@given(towns(), st.data())
def test_every_drive_through_a_town_obeys_the_signs(ways: Ways, data: st.DataObject) -> None:
    assembled = assemble(ways)
    network = network_of(assembled, name="town", source="", source_date="", licence="", attribution="")
    check_whole(network)
    held = sum(assembled.counts[f"restrictions_{outcome}"] for outcome in ("via_way", "needless"))
    assert held == len(ways.restrictions)
    way = network.way_id[network.edge_way]
    state = data.draw(st.sampled_from(np.flatnonzero(network.edge_flags & EdgeFlag.TWIN == 0).tolist()))
    driven = [state]
    for _ in range(10):
        leaving = np.flatnonzero(network.turn_from == driven[-1]).tolist()
        onward = [t for t in leaving if network.edge_piece[network.turn_to[t]] != network.edge_piece[driven[-1]]]
        codes = [int(network.edge_code[network.turn_to[t]]) for t in onward]
        here = network.edge_tail == network.edge_head[driven[-1]]
        here &= network.edge_piece != network.edge_piece[driven[-1]]
        assert sorted(codes) == sorted(set(network.edge_code[here].tolist())), "one turn into each road"
        for turn in onward:
            to = int(way[network.turn_to[turn]])
            found = int(network.turn_facts[turn]) & (TurnFlag.RESTRICTED | TurnFlag.EMERGENCY_EXEMPT)
            assert found == signs(network, way, driven, to, [int(way[network.turn_to[t]]) for t in onward], ways)
        if not leaving:
            return
        turn = data.draw(st.sampled_from(leaving))
        driven.append(int(network.turn_to[turn]))


def signs(network: RoadNetwork, way: np.ndarray, driven: list[int], to: int, choices: list[int], ways: Ways) -> int:
    """What the restrictions say of turning into way `to`, read from the ways that were driven."""
    kinds = []
    for r in ways.restrictions:
        last = driven[-len(r.via_ways) - 1 :]
        roads = [int(way[edge]) for edge in last]
        pieces = [int(network.edge_piece[edge]) for edge in last]
        round_again = any(a == b for a, b in itertools.pairwise(pieces))
        if len(roads) <= len(r.via_ways) or (roads[0],) != r.from_ways or sorted(roads[1:]) != sorted(r.via_ways):
            continue
        if round_again or r.to_ways[0] not in choices or (to == r.to_ways[0]) == r.only:
            continue
        kinds.append(r.emergency_exempt)
    if not kinds:
        return 0
    return TurnFlag.RESTRICTED | (TurnFlag.EMERGENCY_EXEMPT if all(kinds) else 0)


def test_without_paths_nothing_changes() -> None:
    one = np.array([0, 0])
    wide: Expanded = expand(one, one, one, one.astype(bool), one.astype(np.uint16), [])
    assert wide.turn_from is one


# ---- the seven of Liechtenstein

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"real data not found at {DATA} (set GEO_BACKUP_DATA)")
LIECHTENSTEIN = [
    (677315950, [677317737], 677316150), (677324025, [677324029, 677324030, 677324033], 677324032),
    (677324025, [677324029, 677324030, 677324033], 677324020), (677324029, [677324030, 677324033], 677324020),
    (677324029, [677324030, 677324033], 677324032), (677324024, [677324025], 300819032),
    (902086908, [781496949], 119017327),
]  # fmt: skip


@pytest.fixture(scope="module")
def liechtenstein(tmp_path_factory: pytest.TempPathFactory) -> RoadNetwork:
    folder = tmp_path_factory.mktemp("maps") / "liechtenstein"
    build_map(DATA / "maps" / "liechtenstein.osm.pbf", folder, tiles=False)
    return RoadNetwork.load(folder)


@needs_data
def test_no_legal_car_in_liechtenstein_drives_what_is_forbidden(liechtenstein: RoadNetwork) -> None:
    """Every way through the via ways is tried from every edge of the from way; and from no other road is it shut."""
    network = liechtenstein
    check_whole(network)
    way = network.way_id[network.edge_way]
    single = network.edge_flags & EdgeFlag.TWIN == 0
    start, turn = network.forward
    seen: Counter[bool] = Counter()
    for origin, vias, goal in LIECHTENSTEIN:
        reached = 0
        for edge in np.flatnonzero((way == origin) & single).tolist():
            trail = [(edge, 0)]
            while trail:
                here, done = trail.pop()
                for t in turn[start[here] : start[here + 1]].tolist():
                    to = int(network.turn_to[t])
                    if done == len(vias) and way[to] == goal:
                        assert network.turn_facts[t] & TurnFlag.RESTRICTED
                        reached += 1
                    elif done < len(vias) and way[to] == vias[done]:
                        trail.append((to, done + 1))
                    elif done > 0 and way[to] == vias[done - 1] and network.edge_piece[to] != network.edge_piece[here]:
                        trail.append((to, done))
        assert reached > 0, f"{origin} to {goal} is nowhere to be driven"
        for edge in np.flatnonzero((way == vias[-1]) & single).tolist():
            for t in turn[start[edge] : start[edge + 1]].tolist():
                seen[bool(network.turn_facts[t] & TurnFlag.RESTRICTED)] += 1
    assert seen[False] > 0, "whoever stands on a via road has no past that forbids anything"


@needs_data
@pytest.mark.parametrize("profile", cases(sorted(PROFILES), ("response", "foot")))
def test_fields_over_twins_equal_the_oracle(liechtenstein: RoadNetwork, profile: str) -> None:
    network, weights = liechtenstein, weigh(liechtenstein, PROFILES[profile])
    graph, probe = oracle.expanded(weights), Probe(Metric(weights))
    every = np.arange(network.edges, dtype=np.uint32)
    random = np.random.default_rng(7)
    twins = random.choice(network.twins, 4, replace=False)
    others = random.choice(network.edges, 6, replace=False)
    for edge in [*twins.tolist(), *others.tolist()]:
        edges = tuple(network.with_twins(np.array([edge])).tolist())
        n = len(edges)
        target = Target(edges, (30_000,) * n, (0,) * n, (0.0,) * n, 9.5, 47.1, 0.0, True)
        field = ArrivalField.build(weights, target)
        expected = oracle.at_end(weights, target, HOUR_MS, graph)
        np.testing.assert_array_equal(field.at_end_ms, expected)
        seeds = Seeds.of(weights, target)
        np.testing.assert_array_equal(probe.at_end_ms(seeds.edge, seeds.ms, every, HOUR_MS), expected)
