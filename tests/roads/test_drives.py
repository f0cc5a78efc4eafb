"""What recorded tracks say was driven: corners, turns, gaps, yards, standing units. Maps are drawn as in
`test_matching`; every reading is held to the network's own turns."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.roads.drives import GAP_MS, ROUND, START, Driven, match_track, places
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.network import EdgeFlag, RoadNetwork
from geo_backup.roads.profile import ROUTINE
from geo_backup.roads.snap import Target
from geo_backup.roads.weights import weigh
from geo_backup.rules import SnapRules
from tests.roads.test_field_oracle import gothenburg, networks
from tests.roads.tiny import Street, draw, edge_of, place
from tests.rounds import rounds

__all__ = ["gothenburg"]

RULES = SnapRules()
XY = tuple[float, float]


def drove(network: RoadNetwork, *at: XY, every_s: float = 5.0, lag_ms: int | None = None) -> Driven:
    lon, lat = np.array([place(x, y) for x, y in at]).reshape(-1, 2).T
    return match_track(network, np.arange(len(at)) * round(every_s * 1000), lon, lat, RULES, lag_ms=lag_ms)


def hold_to_network(network: RoadNetwork, driven: Driven) -> None:
    """What is true of every answer."""
    code = np.asarray(network.edge_code)
    assert driven.start[-1] == len(driven.part_edge) if len(driven.start) else True
    assert ((np.diff(driven.start) > 0) == driven.joined).all()
    assert (driven.part_from <= driven.part_to).all()
    off = driven.edge < 0
    for column in (driven.lon, driven.lat, driven.course_deg, driven.distance_m):
        assert (np.isnan(column) == off).all()
    for n in np.flatnonzero(driven.joined).tolist():
        parts = range(int(driven.start[n]), int(driven.start[n + 1]))
        assert driven.part_turn[parts[0]] == START
        assert code[driven.part_edge[parts[0]]] == code[driven.edge[n]]
        assert code[driven.part_edge[parts[-1]]] == code[driven.edge[n + 1]]
        if n and driven.joined[n - 1]:
            assert driven.part_from[parts[0]] == driven.part_to[parts[0] - 1]
        for a, b in pairwise(parts):
            turn = int(driven.part_turn[b])
            if turn == ROUND:
                assert code[driven.part_edge[a]] ^ 1 == code[driven.part_edge[b]]
                assert driven.part_to[a] + driven.part_from[b] == 65_536
            else:
                assert network.turn_to[turn] == driven.part_edge[b]
                assert code[network.turn_from[turn]] == code[driven.part_edge[a]]
                assert (driven.part_to[a], driven.part_from[b]) == (65_536, 0)


def metres(network: RoadNetwork, driven: Driven) -> float:
    share = (driven.part_to - driven.part_from) / 65_536
    return float((network.edge_length_m[driven.part_edge] * share).sum())


def test_later_fixes_tell_at_which_corner_it_turned() -> None:
    """
          d         e
          |         |      bd and ce, 40 m apart
    a --- b ------- c
    """
    places_m = {"a": (0, 0), "b": (300, 0), "c": (340, 0), "d": (300, 400), "e": (340, 400)}
    network = draw(places_m, [Street("abc"), Street("bd"), Street("ce")])
    track: list[XY] = [(120, 2), (220, -3), (318, 30), (322, 90), (338, 150), (341, 220)]
    driven = drove(network, *track)
    hold_to_network(network, driven)
    names = [edge_of(network, places_m, name) for name in ("ab", "bc", "ce")]
    assert [e for n, e in enumerate(driven.part_edge.tolist()) if driven.part_turn[n] != START] == names[1:]
    assert set(driven.edge.tolist()) == {names[0], names[2]}
    assert driven.joined.all()
    assert driven.course_deg.tolist() == pytest.approx([90, 90, 0, 0, 0, 0], abs=0.5)
    assert metres(network, driven) == pytest.approx(180 + 40 + 220, abs=10)
    line = driven.line(network, *next(driven.drives()))
    assert np.isfinite(line).all()
    assert tuple(line[-1]) == pytest.approx(place(340, 220), abs=1e-5)
    # what comes later is not known at lag 0, and is within twenty seconds
    at_once = drove(network, *track, lag_ms=0)
    hold_to_network(network, at_once)
    assert drove(network, *track, lag_ms=20_000).edge.tolist() == driven.edge.tolist()


def test_a_drive_ends_where_nothing_is_known() -> None:
    """
    c ---------- d      a kilometre apart, and no way between
    a ---------- b
    """
    places_m = {"a": (0, 0), "b": (2000, 0), "c": (0, 1000), "d": (2000, 1000)}
    network = draw(places_m, [Street("ab"), Street("cd")])
    leap = drove(network, (100, 0), (200, 0), (300, 0), (400, 1000), (500, 1000), (600, 1000))
    hold_to_network(network, leap)
    assert leap.joined.tolist() == [True, True, False, True, True]
    assert list(leap.drives()) == [(0, 2), (3, 5)]
    yard = drove(network, (100, 0), (200, 0), (300, 300), (400, 0), (500, 0))
    hold_to_network(network, yard)
    assert yard.joined.tolist() == [True, False, False, True]
    assert yard.edge[2] == -1
    lon, lat = np.array([place(x, 0) for x in (100, 200, 300, 400)]).T
    for gap_ms, joined in ((GAP_MS, [True, True, True]), (GAP_MS + 1, [True, False, True])):
        times = np.cumsum([0, 10_000, gap_ms, 10_000])
        late = match_track(network, times, lon, lat, RULES)
        assert late.joined.tolist() == joined
        assert late.seconds.tolist() == [10.0, gap_ms / 1e3, 10.0]
    assert drove(network, (100, 0)).edge[0] >= 0
    nobody = drove(network)
    assert len(nobody.edge) == 0
    assert list(nobody.drives()) == []
    nowhere = match_track(network, np.arange(3), np.full(3, np.nan), np.full(3, np.nan), RULES)
    assert nowhere.edge.tolist() == [-1, -1, -1]


def test_who_stands_drives_nothing_and_who_turns_round_is_seen() -> None:
    places_m = {"a": (0, 0), "b": (2000, 0)}
    network = draw(places_m, [Street("ab")])
    rng = np.random.default_rng(2)
    stands = [(500 + x, y) for x, y in rng.normal(0, 5, (60, 2))]
    east = [(float(x), 1.0) for x in range(100, 500, 50)]
    driven = drove(network, *east, *stands, *((float(x), 1.0) for x in range(550, 900, 50)))
    hold_to_network(network, driven)
    assert driven.joined.all()
    assert set(driven.edge.tolist()) == {edge_of(network, places_m, "ab")}
    assert metres(network, driven) == pytest.approx(750, abs=25)
    still = driven.start[len(east)], driven.start[len(east) + len(stands) - 1]
    assert driven.part_to[still[1] - 1] - driven.part_from[still[0]] < 65_536 * 40 / 2000
    back = drove(network, *east, *((x, -1.0) for x, _ in reversed(east[:-2])))
    hold_to_network(network, back)
    assert (back.part_turn == ROUND).sum() == 1
    assert back.edge[[0, -1]].tolist() == [edge_of(network, places_m, name) for name in ("ab", "ba")]


def test_a_real_drive_is_found_again(gothenburg: RoadNetwork) -> None:
    """Driven paths through Gothenburg, from noisy fixes eight seconds apart."""
    rng = np.random.default_rng(4)
    weights = weigh(gothenburg, ROUTINE)
    main = np.flatnonzero((np.asarray(gothenburg.edge_flags) & EdgeFlag.MAIN != 0) & (weights.shut == 0))
    scale = np.array(gothenburg.metres_per_deg)
    shares = []
    for goal, start in rng.choice(main, (12, 2)).tolist():
        route = ArrivalField.build(weights, Target.on_edge(goal, 65_536)).route(start, 0)
        if route is None:
            continue
        line = route.coordinates * scale
        along = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))))
        at = np.arange(0.0, along[-1], 80.0)
        xy = np.column_stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)]) + rng.normal(0, 5, (len(at), 2))
        lon, lat = (xy / scale).T
        driven = match_track(gothenburg, np.arange(len(at)) * 8_000, lon, lat, RULES)
        hold_to_network(gothenburg, driven)
        code = gothenburg.edge_code[route.edges]
        long = gothenburg.edge_length_m[driven.part_edge] * (driven.part_to - driven.part_from) / 65_536
        shares.append(long[np.isin(gothenburg.edge_code[driven.part_edge], code)].sum() / long.sum())
        assert long.sum() == pytest.approx(at[-1], rel=0.05)
    assert len(shares) > 6
    assert np.mean(shares) > 0.97


def test_places_are_on_their_edges(gothenburg: RoadNetwork) -> None:
    rng = np.random.default_rng(9)
    edge = rng.integers(0, gothenburg.edges, 300)
    edge[0] = -1
    lon, lat, course = places(gothenburg, edge, np.where(rng.random(300) < 0.5, 0, 65_536))
    assert np.isnan([lon[0], lat[0], course[0]]).all()
    for n in range(1, 300):
        line = gothenburg.edge_line(int(edge[n]))
        ends = line[[0, -1]]
        assert np.abs(ends - (lon[n], lat[n])).sum(axis=1).min() < 1e-9
        first, last = line[[0, 1]], line[[-2, -1]]
        at = first if np.abs(ends[0] - (lon[n], lat[n])).sum() < 1e-9 else last
        east, north = (at[1] - at[0]) * gothenburg.metres_per_deg
        off = (np.degrees(np.arctan2(east, north)) - course[n] + 180) % 360 - 180
        assert abs(off) < 0.1 or np.array_equal(ends[0], ends[1])


@st.composite
def tracks(make: st.DrawFn) -> tuple[RoadNetwork, list[XY], int | None]:
    network = make(networks())
    far = st.integers(-100, 1_000)
    at = [(float(make(far)), float(make(far)))]
    for _ in range(make(st.integers(0, 8))):
        step = make(st.sampled_from([5, 40, 150]))
        at.append((at[-1][0] + make(st.integers(-step, step)), at[-1][1] + make(st.integers(-step, step))))
    return network, at, make(st.sampled_from([None, 0, 10_000]))


@settings(max_examples=rounds(200), deadline=None)
@given(tracks())
def test_any_track_on_any_map_gives_what_the_network_allows(drive: tuple[RoadNetwork, list[XY], int | None]) -> None:
    network, at, lag_ms = drive
    driven = drove(network, *at, lag_ms=lag_ms)
    hold_to_network(network, driven)
    for first, last in driven.drives():
        assert len(driven.line(network, first, last)) >= 1
