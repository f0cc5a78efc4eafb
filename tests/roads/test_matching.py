"""Timelines of units that one fix cannot place: levels, parallel roads, carriageways, directions; and places off the
road. Maps are drawn with north up, one letter a junction, in metres."""

from __future__ import annotations

import hashlib
import math
import pickle
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.events import Fix
from geo_backup.roads import match, search, snap
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.match import Tracks, match_units
from geo_backup.roads.network import TURN_KIND_MASK, EdgeFlag, RoadNetwork, TurnKind, WayClass, WayFlag
from geo_backup.roads.profile import RESPONSE, ROUTINE
from geo_backup.roads.snap import PIECES, RoadPoint, RoadPoints, Target, snap_place, snap_units
from geo_backup.roads.weights import weigh
from geo_backup.rules import SnapRules
from tests.roads.test_field_oracle import gothenburg, networks
from tests.roads.tiny import Street, draw, edge_of, place
from tests.rounds import rounds

__all__ = ["gothenburg"]

RULES = SnapRules()
Places = Mapping[str, tuple[float, float]]
XY = tuple[float, float]


def drove(*at: XY, every_s: float = 5.0, **fix: Any) -> list[Fix]:
    """Fixes at places in metres, oldest first."""
    return [Fix(round(n * every_s * 1000), *place(x, y), **fix) for n, (x, y) in enumerate(at)]


def alone(network: RoadNetwork, fixes: Sequence[Fix]) -> RoadPoints:
    """The newest fix of each unit, snapped for itself."""
    columns = np.array(fixes, np.float64).T
    return snap_units(network, columns[1], columns[2], columns[4], columns[3], RULES, columns[5])


def matched(network: RoadNetwork, *tracks: list[Fix]) -> RoadPoints:
    return match_units(network, Tracks.of(tracks), RULES)


def said(network: RoadNetwork, places: Places, points: RoadPoints, row: int = 0) -> list[str]:
    """Candidates as "ab", likeliest first; turning round as "ba~"."""
    names = list(places)
    return [
        names[network.edge_tail[e]] + names[network.edge_head[e]] + ("~" if turned else "")
        for e, turned in zip(points.edge[row].tolist(), points.turn_round[row].tolist(), strict=True)
        if e >= 0
    ]


# ---- units


def test_who_came_over_the_bridge_is_on_the_bridge() -> None:
    """
           d
           |          cd is a bridge over ab: no junction where they cross
    a -----+----- b
           |
           c
    """
    places = {"a": (-500, 0), "b": (500, 0), "c": (0, -500), "d": (0, 500)}
    network = draw(places, [Street("ab", "Road"), Street("cd", "Bridge", way_flags=int(WayFlag.BRIDGE), layer=1)])
    over = drove((1, -150), (-1, -75), (2, 1))
    beneath = drove((-150, 1), (-75, -1), (1, 2))
    for track, here in ((over, ["cd", "dc~"]), (beneath, ["ab", "ba~"])):
        assert set(said(network, places, alone(network, track[-1:]))) == {"ab", "ba", "cd", "dc"}
        assert said(network, places, matched(network, track)) == here
    # on and on over the crossing, slower than it can be told from noise
    slow = drove((1, -60), (1, -30), (0, -12), (0, 1))
    assert said(network, places, matched(network, slow)) == ["cd", "dc~"]


@pytest.fixture
def tunnel() -> tuple[RoadNetwork, Places]:
    """
    a ------------ b ------------ c     a street
    p --.
         `-------- q ============ r     a ramp, and from q a tunnel 4 m south of the street
    """
    places = {"a": (-400, 0), "b": (0, 0), "c": (600, 0), "p": (-400, -60), "q": (0, -4), "r": (600, -4)}
    network = draw(places, [Street("abc", "Street"), Street("pq", "Ramp"), Street("qr", way_flags=int(WayFlag.TUNNEL))])
    return network, places


def test_a_unit_is_in_the_tunnel_if_it_drove_in_at_the_portal(tunnel: tuple) -> None:
    network, places = tunnel
    ramp = drove((-380, -57), (-200, -32), (100, -3), every_s=10)
    assert said(network, places, matched(network, ramp)) == ["qr", "rq~"]
    # a second one, further in
    ramp += _later(drove((250, -4)), 30)
    assert said(network, places, matched(network, ramp)) == ["qr", "rq~"]


def test_a_unit_over_the_tunnel_stays_in_the_street(tunnel: tuple) -> None:
    network, places = tunnel
    # right over the tunnel by its fix alone, and yet no receiver has a fix down there
    assert said(network, places, alone(network, drove((250, -4))))[0] in ("bc", "cb")
    street = drove((-100, -1), (50, -3), (200, -4))
    assert said(network, places, matched(network, street)) == ["bc", "cb~"]


def test_a_service_road_beside_the_street() -> None:
    """
                  t ---------- s      12 m north of the street, entered at its far end only
    a ------ b --------------- c
    """
    places = {"a": (0, 0), "b": (500, 0), "c": (1000, 0), "s": (1000, 12), "t": (520, 12)}
    network = draw(places, [Street("abc", "Street"), Street("cst", klass=WayClass.SERVICE)])
    track = drove((300, 0), (420, 1), (700, 7), every_s=10, course_deg=90.0, speed_mps=14.0)
    plain = said(network, places, alone(network, track[-1:]))
    assert plain[0] == "ts"
    assert "bc" in plain
    assert said(network, places, matched(network, track)) == ["bc", "cb~"]
    # who was in there is still in there
    yard = drove((900, 11), (800, 10), (700, 7), every_s=10)
    assert said(network, places, matched(network, yard))[0] == "st"


@pytest.fixture
def dual() -> tuple[RoadNetwork, Places]:
    """
    d <---------- e <---------- f
    |                           |     20 m apart, joined at both ends
    a ----------> b ----------> c
    """
    places = {"a": (0, 0), "b": (1000, 0), "c": (2000, 0), "f": (2000, 20), "e": (1000, 20), "d": (0, 20)}
    flags = int(WayFlag.DUAL_CARRIAGEWAY)
    streets = [
        Street("abc", oneway=True, klass=WayClass.PRIMARY, way_flags=flags),
        Street("fed", oneway=True, klass=WayClass.PRIMARY, way_flags=flags),
        Street("cf"),
        Street("da"),
    ]
    return draw(places, streets), places


def test_the_way_it_moved_tells_the_carriageway(dual: tuple) -> None:
    network, places = dual
    east, west = drove((300, 9), (420, 10), (540, 12)), drove((700, 9), (620, 10), (540, 8))
    assert set(said(network, places, alone(network, [east[-1]]))) == {"ab", "ed"}
    points = matched(network, east, west)
    assert [said(network, places, points, row) for row in (0, 1)] == [["ab"], ["ed"]]
    # and the one that drives away from the incident goes round by the road for it
    field = ArrivalField.build(weigh(network, RESPONSE), snap_place(network, *place(300, -2), RULES))
    eta, which = field.etas_ms(points)
    metres, _ = field.distances_m(points, which)
    assert metres[0] == pytest.approx(460 + 1000 + 20 + 2000 + 20 + 300, abs=5)
    assert metres[1] == pytest.approx(540 + 20 + 300, abs=5)
    assert eta[0] > 3 * eta[1]


def test_a_unit_without_a_compass_faces_the_way_it_moved() -> None:
    places = {"a": (0, 0), "b": (1000, 0)}
    network = draw(places, [Street("ab", "Main")])
    moves = drove((300, 1), (350, -2), (400, 0))
    assert said(network, places, matched(network, moves)) == ["ab", "ba~"]
    back = [*moves, *drove(*[(0, 0)] * 3, (330, 0))[3:]]
    assert said(network, places, matched(network, back)) == ["ba", "ab~"], "it turned round in the street"
    shakes = drove((300, 1), (304, -2), (298, 3))
    assert set(said(network, places, matched(network, shakes))) == {"ab", "ba"}, "noise of a standing receiver"
    long_ago = drove((300, 1), (400, 0), every_s=61)
    assert set(said(network, places, matched(network, long_ago))) == {"ab", "ba"}
    known = drove((300, 1), (350, -2), (400, 0), course_deg=270.0, speed_mps=9.0)
    assert said(network, places, matched(network, known)) == ["ba", "ab~"], "its own course counts for more"


def test_a_leap_between_roads_that_do_not_meet_is_believed_in_the_end() -> None:
    """
    c ---------- d      150 m apart, and no way between
    a ---------- b
    """
    places = {"a": (0, 0), "b": (1000, 0), "c": (0, 150), "d": (1000, 150)}
    network = draw(places, [Street("ab"), Street("cd")])
    leap = drove((300, 0), (400, 0), (450, 150), (500, 150))
    assert said(network, places, matched(network, leap[:3]))[0] in ("cd", "dc")
    assert said(network, places, matched(network, leap)) == ["cd", "dc~"]


def test_a_poor_fix_is_looked_for_further_off_and_has_no_leg_within_its_circle() -> None:
    """
    c ---------- d      60 m apart
    a ---------- b
    """
    places = {"a": (0, 0), "b": (1000, 0), "c": (0, 60), "d": (1000, 60)}
    network = draw(places, [Street("ab"), Street("cd")])
    sharp, blurred = drove((500, 20), accuracy_m=5.0), drove((500, 20), accuracy_m=60.0)
    assert set(said(network, places, alone(network, sharp))) == {"ab", "ba"}
    assert set(said(network, places, alone(network, blurred))) == {"ab", "ba", "cd", "dc"}
    far = alone(network, [*drove((500, -75), accuracy_m=5.0), *drove((500, -75), accuracy_m=60.0)])
    assert far.lead_ms[:, 0].tolist() == [pytest.approx((75 - 25 - 5) / 2.0 * 1000, abs=50), 0]
    # the ones before it tell which
    assert said(network, places, matched(network, [*drove((380, 59), (440, 61)), *_later(blurred, 10)]))[0] == "cd"


def _later(fixes: list[Fix], seconds: float) -> list[Fix]:
    return [fix._replace(fix_ms=fix.fix_ms + round(seconds * 1000)) for fix in fixes]


def test_a_unit_in_a_yard_has_a_first_leg_and_no_course() -> None:
    places = {"a": (0, 0), "b": (1000, 0)}
    network = draw(places, [Street("ab")])
    fixes = [fix for north in (20, 225, 990) for fix in drove((500, north), course_deg=90.0, speed_mps=3.0)]
    points = alone(network, fixes)
    assert points.lead_ms[:, 0].tolist() == pytest.approx([0, 100_000, 482_500], abs=400)
    assert points.turn_round.tolist()[0][:2] == [0, 1]
    assert not points.turn_round[1:].any()
    assert set(said(network, places, points, 1)) == {"ab", "ba"}
    field = ArrivalField.build(weigh(network, RESPONSE), Target.on_edge(edge_of(network, places, "ab"), 65_536))
    eta, _ = field.etas_ms(points)
    assert (eta - points.lead_ms[:, 0]).tolist() == [eta[0]] * 3
    copy = points.take(np.array([2, 0]))
    assert copy.lead_ms[:, 0].tolist() == points.lead_ms[[2, 0], 0].tolist()


def test_fixes_that_say_nothing_change_nothing(gothenburg: RoadNetwork) -> None:
    rng = np.random.default_rng(5)
    west, south, east, north = gothenburg.area.extent
    units = []
    for _ in range(400):
        lon, lat = rng.uniform(west, east), rng.uniform(south, north)
        course, speed = (rng.uniform(0, 360), 9.0) if rng.random() < 0.5 else (None, None)
        newest = Fix(100_000, lon, lat, speed, course, rng.choice([None, 5.0, 40.0]))
        old = [Fix(1_000, lon + 0.001, lat), Fix(99_000, lon + 1e-5, lat), Fix(99_500, lon, lat - 1e-5)]
        units.append([*old[int(rng.integers(0, 4)) :], newest])
    plain, told = alone(gothenburg, [u[-1] for u in units]), matched(gothenburg, *units)
    for one, other in zip(plain.columns, told.columns, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_unit_is_placed_the_same_alone_and_among_others(gothenburg: RoadNetwork) -> None:
    rng = np.random.default_rng(6)
    main = np.flatnonzero(np.asarray(gothenburg.edge_flags) & EdgeFlag.MAIN)
    tracks = []
    for edge in rng.choice(main, 60):
        lon, lat = gothenburg.edge_line(int(edge))[0] + rng.normal(0, 3e-5, 2)
        step = rng.normal(0, 8e-4, 2)
        tracks.append([Fix(n * 5_000, lon + n * step[0], lat + n * step[1] / 2) for n in range(4)])
    together = matched(gothenburg, *tracks)
    order = rng.permutation(60)
    shuffled = matched(gothenburg, *(tracks[n] for n in order))
    for all_rows, other in zip(together.take(order).columns, shuffled.columns, strict=True):
        np.testing.assert_array_equal(all_rows, other)
    for n in range(0, 60, 7):
        for all_rows, one in zip(together.columns, matched(gothenburg, tracks[n]).columns, strict=True):
            np.testing.assert_array_equal(all_rows[n : n + 1], one)


def test_a_cached_kernel_is_stale_when_one_that_it_calls_has_changed() -> None:
    """Numba itself looks at the calling function's file only; `match` calls kernels of `snap`, and they of `grid`."""
    sources = sorted(Path(search.__file__).parent.glob("*.py"))
    texts = [text for text in (path.read_bytes() for path in sources) if b"@kernel" in text]
    assert len(texts) >= 4
    network = draw({"a": (0, 0), "b": (900, 0)}, [Street("ab")])
    fixes = drove((300, 0), (400, 0))
    alone(network, fixes), matched(network, fixes)
    for cached in (match._match_units, snap._snap_units):
        with Path(cached._cache._cache_file._index_path).open("rb") as file:
            pickle.load(file)  # numba's version
            own = Path(cached.py_func.__code__.co_filename).read_bytes()
            assert pickle.load(file)[0] == hashlib.sha256(b"".join((*texts, own))).digest()


# ---- the oracle: every piece measured by shapely, every way by NetworkX


def places_at(
    network: RoadNetwork, lines: list[shapely.LineString], fix: Fix, at: XY, *, alone: bool
) -> dict[int, tuple[float, float]]:
    """Metres against each edge, and metres along it: the words of `snap`, `match` and `SnapRules`, written out."""
    spot = shapely.Point(at)
    off = [line.distance(spot) for line in lines]
    wide = max(1.0, (fix.accuracy_m or 0.0) / RULES.usual_accuracy_m)
    out: dict[int, tuple[float, float]] = {}
    known = fix.course_deg is not None and (fix.speed_mps is None or fix.speed_mps >= RULES.course_from_mps)
    for believe in [True, False] if known else [False]:
        for edge in range(network.edges):
            piece, against = int(network.edge_piece[edge]), bool(network.edge_against[edge])
            if off[piece] > min(off) + (RULES.candidate_extra_m if alone else RULES.match_extra_m) * wide:
                continue
            cost, normal = off[piece] / wide, RULES.match_normal_m
            if not alone:
                cost = cost**2 / normal if cost < normal else 2 * cost - normal
            (x1, y1), (x2, y2) = lines[piece].coords
            cosine = math.cos(math.radians((fix.course_deg or 0.0) - math.degrees(math.atan2(x2 - x1, y2 - y1))))
            cosine *= -1 if against else 1
            ghost = bool(int(network.edge_flags[edge]) & EdgeFlag.AGAINST_ONEWAY)
            if believe:
                if cosine < math.cos(math.radians(RULES.course_tolerance_deg)):
                    continue
                cost += RULES.course_weight_m * (1 - cosine) + (RULES.course_weight_m if ghost else 0)
            elif ghost:
                cost += RULES.candidate_extra_m + RULES.course_weight_m
            along = lines[piece].project(spot)
            out[edge] = (cost, lines[piece].length - along if against else along)
        if out:
            break
    if min(off) > RULES.off_road_m + (fix.accuracy_m or 0.0):
        return {}  # off the road: it may come out anywhere
    return out


def beliefs(network: RoadNetwork, track: list[Fix]) -> dict[int, float]:
    """Metres against each edge after all fixes of a track."""
    scale = network.metres_per_deg
    lines = [
        shapely.LineString(
            [(lon * scale[0], lat * scale[1]) for lon, lat in network.edge_line(int(edges.max()))][::step]
        )
        for edges in network.piece_edges
        for step in [-1 if network.edge_against[edges.max()] else 1]
    ]
    xy = [(fix.lon * scale[0], fix.lat * scale[1]) for fix in track]
    metres = network.edge_length_m
    graph = nx.DiGraph()
    graph.add_nodes_from(range(network.edges))
    for a, b, facts in zip(network.turn_from.tolist(), network.turn_to.tolist(), network.turn_facts, strict=True):
        straight = facts & TURN_KIND_MASK in (TurnKind.STRAIGHT, TurnKind.SLIGHT_LEFT, TurnKind.SLIGHT_RIGHT)
        graph.add_edge(a, b, metres=float(metres[a]), against=0.0 if straight else match._TURN_M)
    both = {int(e): int(o) for a, b in network.piece_edges for e, o in ((a, b), (b, a)) if a >= 0 and b >= 0}
    flags = np.asarray(network.edge_flags)
    round_ok = {e: o for e, o in both.items() if not (flags[e] | flags[o]) & EdgeFlag.AGAINST_ONEWAY}

    def ways_of(loose: float) -> dict[int, dict[int, list[int]]]:
        """The best way from the start of one edge to the start of another."""
        return dict(
            nx.all_pairs_dijkstra_path(graph, weight=lambda a, b, turn: turn["metres"] + loose * turn["against"])
        )

    def drives(
        ways: dict[int, dict[int, list[int]]], loose: float, air: float, a: int, at: float, b: int, to: float
    ) -> list[float]:
        """What speaks against having driven from one place to another: on the one edge, and by turns."""
        driven = []
        for after in graph.successors(a):
            if b in ways[after]:
                turns = [graph.edges[pair] for pair in pairwise([a, *ways[after][b]])]
                driven.append((sum(t["metres"] for t in turns) - at + to, sum(t["against"] for t in turns)))
        best = sorted(driven, key=lambda way: way[0] + loose * way[1])[:1]
        return [abs(to - at - air) / loose] * (a == b) + [abs(m - air) / loose + against for m, against in best]

    alone = len(track) == 1
    now = places_at(network, lines, track[0], xy[0], alone=alone)
    cost = {e: c for e, (c, _) in now.items()}
    for (f0, p0), (f1, p1) in pairwise(zip(track, xy, strict=True)):
        air = math.dist(p0, p1)
        wide = max(1.0, *((f.accuracy_m or 0.0) / RULES.usual_accuracy_m for f in (f0, f1)))
        loose = wide * math.sqrt(1.0 + 3.0 * air / RULES.match_loose_m)
        ways = ways_of(loose)
        best, before = min(cost.values(), default=0.0), now
        prior = {e: RULES.match_keep * (c - best) for e, c in cost.items()}
        prior = {e: c for e, c in prior.items() if c < RULES.match_beam_m}
        now = places_at(network, lines, f1, p1, alone=alone)
        cost = {}
        for b, (alone_m, to) in now.items():
            way = RULES.match_break_m if before else 0.0
            for a, at in ((a, at) for a, (_, at) in before.items() if a in prior):
                way = min([way, *(prior[a] + d for d in drives(ways, loose, air, a, at, b, to))])
                if a in round_ok:
                    o, turned = round_ok[a], prior[a] + RULES.turn_round_m
                    back = float(metres[a]) - at
                    if o == b:
                        way = min(way, turned + max(0.0, abs(to - back) - air) / loose)
                    way = min([way, *(turned + d for d in drives(ways, loose, air, o, back, b, to))])
            cost[b] = alone_m + way
    return cost


@st.composite
def drives_on(make: st.DrawFn) -> tuple[RoadNetwork, list[Fix]]:
    network = make(networks())
    near = st.integers(-20, 20)
    start = make(st.integers(0, network.edges - 1))
    line = network.edge_line(start)
    share = make(st.floats(0, 1))
    lon, lat = line[0] + share * (line[-1] - line[0])
    out: list[Fix] = []
    for n in range(make(st.integers(1, 4))):
        out.append(
            Fix(
                n * 5_000,
                float(lon) + make(near) / 64_000,
                float(lat) + make(near) / 111_000,
                make(st.sampled_from([None, 0.5, 9.0])),
                make(st.sampled_from([None, 0.0, 90.0, 200.0, 271.0])),
                make(st.sampled_from([None, None, 5.0, 24.0])),
            )
        )
        lon, lat = lon + make(st.integers(-3, 3)) * 30 / 64_000, lat + make(st.integers(-3, 3)) * 30 / 111_000
    return network, out


@settings(max_examples=rounds(300), deadline=None)
@given(drives_on())
def test_the_belief_equals_the_oracle(drive: tuple[RoadNetwork, list[Fix]]) -> None:
    network, track = drive
    scale = network.metres_per_deg
    kept = [track[-1]]
    for fix in track[-2::-1]:  # what is too near to the one after it says nothing
        step = math.hypot((fix.lon - kept[-1].lon) * scale[0], (fix.lat - kept[-1].lat) * scale[1])
        if abs(step - RULES.match_step_m) < 0.1:
            return
        if step >= RULES.match_step_m:
            kept.append(fix)
    points = matched(network, track)
    if points.offset_m[0] > RULES.off_road_m - 1 or not np.isfinite(points.offset_m[0]):
        return
    if network.pieces > PIECES - 1:
        return  # of more than seven roads in one place the farthest are let go
    cost = beliefs(network, kept[::-1])
    got = [int(e) for e, turned in zip(points.edge[0], points.turn_round[0], strict=True) if e >= 0 and not turned]
    ranked = sorted(cost.values())
    near = 0.5
    assert all(cost[e] <= ranked[0] + RULES.candidate_extra_m + near for e in got)
    assert [cost[e] for e in got] == pytest.approx(sorted(cost[e] for e in got), abs=near)
    assert cost[got[0]] == pytest.approx(ranked[0], abs=near)
    if (points.edge[0] >= 0).sum() < 4:
        surely = {e for e, c in cost.items() if c < ranked[0] + RULES.candidate_extra_m - near}
        assert surely <= {int(e) for e in points.edge[0]}


# ---- places


def ends(network: RoadNetwork, places: Places, target: Target) -> dict[str, float]:
    """Edges of a target as "ab", with the walk from there."""
    names = list(places)
    return {
        names[network.edge_tail[e]] + names[network.edge_head[e]]: walk
        for e, walk in zip(target.edges, target.last_leg_m, strict=True)
    }


def test_a_park_is_entered_from_every_side() -> None:
    """
    d -------- c
    |          |      400 m square; the incident is 105 m from the south, 120 from the west
    |  x       |
    a -------- b
    """
    places = {"a": (0, 0), "b": (400, 0), "c": (400, 400), "d": (0, 400)}
    network = draw(places, [Street("abcda", "Round the park")])
    target = snap_place(network, *place(120, 105), RULES)
    assert target.off_road_m == pytest.approx(105, abs=0.5)
    sides = (("ab", 80), ("da", 95), ("cd", 270), ("bc", 255))
    walks = {way: pytest.approx(walk, abs=0.5) for two, walk in sides for way in (two, two[::-1])}
    assert ends(network, places, target) == walks
    assert set(target.nearest_edges) == {edge_of(network, places, two) for two in ("ab", "ba")}
    # the field takes the best of them: as if each were a target of its own
    weights = weigh(network, ROUTINE)
    field = ArrivalField.build(weights, target)
    each = [
        ArrivalField.build(weights, Target((e,), (q,), (ms,), (m,), 0.0, 0.0, 0.0, True))
        for e, q, ms, m in zip(target.edges, target.fractions, target.last_leg_ms, target.last_leg_m, strict=True)
    ]
    points = RoadPoints.of([RoadPoint(e, q) for e in range(network.edges) for q in (0, 30_000, 65_536)])
    eta, which = field.etas_ms(points)
    np.testing.assert_array_equal(eta, np.min([f.etas_ms(points)[0] for f in each], axis=0))
    _, reached = field.distances_m(points, which)
    assert {round(target.last_leg_m[k]) for k in reached.tolist()} > {80, 95}, "who comes from the west walks in there"


def test_nobody_wades_through_the_river() -> None:
    """
    c ------------------------ d
      ~ ~ ~ ~ river ~ ~ ~ ~ ~  |     the only bridge is bd, 2 km east
         x                     |
    a ------------------------ b
    """
    places = {"a": (0, 0), "b": (2000, 0), "c": (0, 150), "d": (2000, 150)}
    network = draw(places, [Street("ab"), Street("cd"), Street("bd", "Bridge", way_flags=int(WayFlag.BRIDGE))])
    assert set(ends(network, places, snap_place(network, *place(200, 60), RULES))) == {"ab", "ba"}
    # near the bridge one may as well come from the other bank
    assert set(ends(network, places, snap_place(network, *place(1940, 60), RULES))) >= {"ab", "ba", "cd", "dc"}


def test_a_place_on_a_street_is_on_that_street_only() -> None:
    places = {"a": (0, 0), "b": (400, 0), "c": (400, 40), "d": (0, 40)}
    network = draw(places, [Street("abcda")])
    for north, here in ((0, "ab"), (15, "ab"), (24, "cd"), (-48, "ab")):
        assert set(ends(network, places, snap_place(network, *place(200, north), RULES))) == {here, here[::-1]}


@pytest.mark.parametrize(
    ("way_flags", "klass", "apart_m", "in_street"),
    [
        (WayFlag.TUNNEL, WayClass.PRIMARY, 14, True),
        (WayFlag.TUNNEL, WayClass.PRIMARY, 17, False),
        (WayFlag.BRIDGE, WayClass.PRIMARY, 4, True),
        (WayFlag.BRIDGE, WayClass.PRIMARY, 6, False),
        (0, WayClass.MOTORWAY, 9, True),
        (0, WayClass.MOTORWAY, 11, False),
        (0, WayClass.PRIMARY, 1, False),
    ],
)
def test_a_place_is_on_the_ground_and_at_an_address(
    way_flags: int, klass: WayClass, apart_m: float, in_street: bool
) -> None:
    """
    c ============ d      a tunnel, a bridge or a motorway, right where the place is
    a ------------ b      a street so many metres beside it
    """
    places = {"a": (0, 0), "b": (1000, 0), "c": (0, apart_m), "d": (1000, apart_m)}
    network = draw(places, [Street("ab"), Street("cd", klass=klass, way_flags=int(way_flags))])
    target = snap_place(network, *place(500, apart_m), RULES)
    assert set(ends(network, places, target)) == ({"ab", "ba"} if in_street else {"cd", "dc"})


def test_a_motorway_is_no_side_of_a_park_and_hides_what_lies_behind() -> None:
    """
    e ------------ f      a street behind
    c ============ d      a motorway
          x
    a ------------ b
    """
    places = {"a": (0, 0), "b": (300, 0), "c": (0, 110), "d": (300, 110), "e": (0, 140), "f": (300, 140)}
    streets = [Street("ab"), Street("cd", klass=WayClass.MOTORWAY), Street("ef"), Street("ae"), Street("bf")]
    network = draw(places, streets)
    target = snap_place(network, *place(150, 52), RULES)
    assert set(ends(network, places, target)) == {"ab", "ba", "ae", "ea", "bf", "fb"}


@settings(max_examples=rounds(150), deadline=None)
@given(networks(), st.integers(-200, 1_500), st.integers(-200, 1_500))
def test_walks_are_true_and_the_nearest_road_comes_first(network: RoadNetwork, east: int, north: int) -> None:
    lon, lat = place(east, north)
    target = snap_place(network, lon, lat, SnapRules(incident_max_m=5_000.0))
    scale = np.array(network.metres_per_deg)
    spot = shapely.Point(np.array([lon, lat]) * scale)
    off = [shapely.LineString(network.edge_line(e) * scale).distance(spot) for e in range(network.edges)]
    assert min(off) - 0.5 <= target.off_road_m <= min(off) + RULES.motorway_m + 0.5
    assert len(set(zip(target.edges, target.fractions, strict=True))) == len(target.edges) <= 20
    for edge, q, walk, ms in zip(target.edges, target.fractions, target.last_leg_m, target.last_leg_ms, strict=True):
        line = shapely.LineString(network.edge_line(edge) * scale)
        foot = line.interpolate(q / 65_536, normalized=True)
        assert walk == pytest.approx(max(0.0, spot.distance(foot) - RULES.walk_free_m), abs=0.5)
        assert walk >= target.last_leg_m[0] - RULES.motorway_m - 0.5
        assert ms == pytest.approx(walk / RULES.walk_mps * 1000, abs=1)
