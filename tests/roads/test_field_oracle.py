"""Fields against NetworkX on the expanded edge graph, equal to the millisecond."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.roads import hierarchy
from geo_backup.roads import lanes as lanes_module
from geo_backup.roads.field import ArrivalField, Seeds, Starts
from geo_backup.roads.hierarchy import Hierarchy, Metric
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.lanes import LANES, Lanes, Probe
from geo_backup.roads.network import EdgeFlag, RoadNetwork, WayClass
from geo_backup.roads.profile import PROFILES
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target
from geo_backup.roads.weights import weigh
from tests.roads import oracle
from tests.roads.tiny import Street, draw
from tests.rounds import cases, rounds

HOUR = 3_600_000
NAMES = "abcdefghij"


@st.composite
def networks(make: st.DrawFn) -> RoadNetwork:
    count = make(st.integers(2, 9))
    places = {NAMES[i]: (make(st.integers(0, 20)) * 60.0 + i, make(st.integers(0, 20)) * 60.0) for i in range(count)}
    pair = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda p: p[0] != p[1])
    streets = [
        Street(
            NAMES[a] + NAMES[b],
            oneway=kind == 1,
            contraflow=kind == 2,
            klass=make(st.sampled_from([WayClass.RESIDENTIAL, WayClass.PRIMARY, WayClass.MOTORWAY, WayClass.SERVICE])),
            extra=make(st.sampled_from([0, 0, 0, int(EdgeFlag.PRIVATE), int(EdgeFlag.GATE)])),
            legal=kind != 3,
            maxspeed=make(st.sampled_from([0, 30, 50, 255])),
        )
        for (a, b), kind in make(st.lists(st.tuples(pair, st.integers(0, 3)), min_size=1, max_size=16))
    ]
    triple = st.text(NAMES[:count], min_size=3, max_size=3)
    banned = make(st.lists(triple, max_size=12))
    return draw(places, streets, banned=banned, signals=NAMES[0], u_turns=make(st.booleans()))


@st.composite
def questions(make: st.DrawFn) -> tuple[RoadNetwork, str, Target, list[int], RoadPoints, int]:
    network = make(networks())
    edges = st.integers(0, network.edges - 1)
    fraction = st.integers(0, 65536)
    ends = make(st.lists(st.tuples(edges, fraction, st.sampled_from([0, 0, 17_000])), min_size=1, max_size=3))
    target = Target(
        tuple(e for e, _, _ in ends), tuple(q for _, q, _ in ends), tuple(leg for _, _, leg in ends),
        tuple(leg / 1000 for _, _, leg in ends), 0.0, 0.0, 0.0, True,
    )  # fmt: skip
    closed = make(st.lists(edges, max_size=3))
    points = RoadPoints.of([RoadPoint(*p) for p in make(st.lists(st.tuples(edges, fraction), min_size=1, max_size=6))])
    points.edge[0, 1], points.fraction[0, 1], points.turn_round[0, 1] = make(edges), make(fraction), 1
    points.lead_ms[0, :2] = make(st.tuples(*[st.sampled_from([0, 9_000])] * 2))
    horizon = make(st.sampled_from([HOUR, HOUR, 60_000, 0]))
    return network, make(st.sampled_from(sorted(PROFILES))), target, closed, points, horizon


@settings(max_examples=rounds(300), deadline=None)
@given(questions())
def test_field_and_readings_equal_the_oracle(question: tuple) -> None:
    network, profile, target, closed, points, horizon = question
    weights = weigh(network, PROFILES[profile], np.array(closed, np.int32))
    enterable = np.array(closed[:2], np.int32)
    field = ArrivalField.build(weights, target, horizon, enterable)
    expected = oracle.at_end(weights, target, horizon, None, enterable)
    np.testing.assert_array_equal(field.at_end_ms, expected)
    eta, which = field.etas_ms(points)
    metres, reached = field.distances_m(points, which)
    for row in range(len(points)):
        assert eta[row] == oracle.eta(field, expected, points, row, enterable)
        assert (which[row] < 0) == (eta[row] >= INF_MS)
        if which[row] < 0:
            continue
        # the route is the way whose time was promised, and as long as was said
        c = which[row]
        route = field.route(int(points.edge[row, c]), int(points.fraction[row, c]))
        assert route is not None
        extra = int(points.lead_ms[row, c]) + (weights.profile.u_turn_ms if points.turn_round[row, c] else 0)
        assert route.drive_ms + route.last_leg_ms + extra == eta[row]
        assert metres[row] == pytest.approx(route.distance_m, abs=0.5)
        assert route.edges[-1] == target.edges[reached[row]]
    unbounded = oracle.at_end(weights, target, INF_MS - 1, None, enterable)
    assert field.exhausted == bool(((unbounded >= INF_MS) == (field.at_end_ms >= INF_MS)).all())


def beside(metric: Metric, target: Target, horizon: int, enterable: np.ndarray) -> tuple[Seeds, Lanes]:
    """A field in a lane of its own, the others empty."""
    seeds = Seeds.of(metric.weights, target, enterable)
    lanes = Lanes(metric, horizon)
    lanes.put(5, seeds.edge, seeds.ms)
    lanes.settle()
    return seeds, lanes


@pytest.mark.parametrize("cell_edges", [3, 2_048])
@pytest.mark.parametrize("share", [1, 1 << 30], ids=["mend", "pour anew"])
@settings(max_examples=rounds(100), deadline=None)
@given(question=questions(), data=st.data())
def test_every_engine_finds_the_same_field(share: int, cell_edges: int, question: tuple, data: st.DataObject) -> None:
    network, profile, target, closed, points, horizon = question
    bare = weigh(network, PROFILES[profile])
    with patch.object(hierarchy, "CELL_EDGES", cell_edges):
        metric = Metric(bare)
    seeds, lanes = beside(metric, target, horizon, np.array(closed, np.int32))
    for _ in range(3):
        edges = st.lists(st.integers(0, network.edges - 1), max_size=3)
        closed, closed_too, slowed = data.draw(edges), data.draw(edges), data.draw(edges)
        slowed_ms = np.array([data.draw(st.integers(1, 300_000)) for _ in slowed], np.int32)
        enterable = np.array(data.draw(st.sampled_from([[], closed, closed[:1]])), np.int32)
        weights = metric.weights.under(
            [np.array(closed, np.int32), np.array(closed_too, np.int32)], np.array(slowed, np.int32), slowed_ms
        )
        with patch.object(hierarchy, "FEW_SHARE", share), patch.object(lanes_module, "FEW_SHARE", 1):
            lanes.follow(metric.adopt(weights))
        seeds = Seeds.of(weights, target, enterable)
        lanes.put(5, seeds.edge, seeds.ms)
        lanes.settle()
        alone = ArrivalField.build(weights, target, horizon, enterable)
        np.testing.assert_array_equal(lanes.values[:, 5], alone.values[:, 0])
        np.testing.assert_array_equal(alone.at_end_ms, oracle.at_end(weights, target, horizon, None, enterable))
        assert (lanes.values[:, [0, 15]] == INF_MS).all()
        fresh = Metric(weights)
        np.testing.assert_array_equal(metric.up_ms, fresh.up_ms)
        np.testing.assert_array_equal(metric.down_ms, fresh.down_ms)
        edges_asked = Starts.of(weights, points).edge
        probed = Probe(metric).at_end_ms(seeds.edge, seeds.ms, edges_asked, horizon)
        np.testing.assert_array_equal(probed, alone.values[edges_asked, 0])


GOTHENBURG = Path(__file__).parents[2] / "maps" / "gothenburg"


@pytest.fixture(scope="module")
def gothenburg() -> RoadNetwork:
    if not (GOTHENBURG / "area.toml").exists():
        pytest.skip("maps/gothenburg has not been built")
    return RoadNetwork.load(GOTHENBURG)


@pytest.mark.parametrize("targets", cases((1, 20), [1]))
@pytest.mark.parametrize("profile", cases(sorted(PROFILES), ("response", "foot")))
def test_random_pairs_on_gothenburg(gothenburg: RoadNetwork, profile: str, targets: int) -> None:
    rng = np.random.default_rng(7)
    weights = weigh(gothenburg, PROFILES[profile])
    graph = oracle.expanded(weights)
    edges, fractions = rng.integers(0, gothenburg.edges, 2_000), rng.integers(0, 65537, 2_000)
    points = RoadPoints.of([RoadPoint(int(e), int(f)) for e, f in zip(edges, fractions, strict=True)])
    for edge in rng.choice(gothenburg.edges, targets, replace=False):
        target = Target.on_edge(int(edge), int(rng.integers(0, 65537)))
        field = ArrivalField.build(weights, target)
        expected = oracle.at_end(weights, target, HOUR, graph)
        np.testing.assert_array_equal(field.at_end_ms, expected)
        eta, _ = field.etas_ms(points)
        assert [oracle.eta(field, expected, points, row) for row in range(2_000)] == eta.tolist()


def test_any_number_of_closures_are_told_apart(gothenburg: RoadNetwork) -> None:
    """An arc is shut by a closure that has its end and not its beginning, be there ever so many of them."""
    chance = np.random.default_rng(7)
    start, turns = gothenburg.forward
    turn_from, turn_to = np.asarray(gothenburg.turn_from), np.asarray(gothenburg.turn_to)
    closures = []
    for edge in chance.integers(0, gothenburg.edges, 400):
        part = {int(edge)}
        for _ in range(int(chance.integers(0, 6))):  # a closure of some edges in a row, many of which touch others
            one = int(chance.choice(sorted(part)))
            part |= {int(turn_to[t]) for t in turns[start[one] : start[one + 1]]}
        closures.append(np.array(sorted(part), np.int64))
    closures += [closures[0], np.concatenate(closures[:3])]
    bare = weigh(gothenburg, PROFILES["response"])
    now = bare.under(closures)
    shut = np.zeros(gothenburg.turns, bool)
    for edges in closures:
        inside = np.zeros(gothenburg.edges, bool)
        inside[edges] = True
        shut |= inside[turn_to] & ~inside[turn_from]
    assert shut.sum() > 1_000
    np.testing.assert_array_equal(now.arc_ms, np.where(shut, INF_MS, bare.arc_ms))


def test_a_cell_is_left_by_its_bound_alone(gothenburg: RoadNetwork) -> None:
    h = Hierarchy.of(gothenburg)
    cells, inside = h.cells, 0
    assert (cells.begin[1:] >= cells.end[:-1]).all()
    for c, (begin, end) in enumerate(zip(cells.begin.tolist(), cells.end.tolist(), strict=True)):
        above = h.up.above[h.up.start[begin] : h.up.start[end]]
        assert above.max(initial=0) < end
        np.testing.assert_array_equal(
            np.unique(above[above < begin]), np.sort(cells.bound[cells.start[c] : cells.start[c + 1]])
        )
        inside += end - begin
    assert inside > 0.9 * gothenburg.edges


def test_lanes_of_a_near_horizon_leave_the_rest_of_the_city_alone(gothenburg: RoadNetwork) -> None:
    """Targets come and go, roads close, and each lane is as if it were alone and new."""
    rng, horizon_ms = np.random.default_rng(9), 240_000
    metric = Metric(weigh(gothenburg, PROFILES["response"]))
    main = np.flatnonzero(np.asarray(gothenburg.edge_flags) & EdgeFlag.MAIN)
    lanes = Lanes(metric, horizon_ms)
    targets: dict[int, Target] = {}
    shares = []
    for step in range(40):
        for lane in rng.choice(LANES, 3, replace=False).tolist():
            if lane in targets:
                lanes.drop(lane)
                del targets[lane]
            if rng.random() < 0.7:
                targets[lane] = Target.on_edge(int(rng.choice(main)), 30_000)
                seeds = Seeds.of(metric.weights, targets[lane])
                lanes.put(lane, seeds.edge, seeds.ms)
        if step % 4 == 3:
            closed = rng.choice(main, (0, 1, 40, 4_000)[step // 4 % 4], replace=False)
            kept = [edge for target in targets.values() for edge in target.edges]
            lanes.follow(metric.adopt(metric.weights.with_closed(np.setdiff1d(closed, kept))))
        lanes.settle()
        for lane, target in targets.items():
            alone = ArrivalField.build(metric.weights, target, horizon_ms)
            np.testing.assert_array_equal(lanes.values[:-1, lane], alone.at_end_ms)
        shares.append(np.mean([lanes._reached & 1 << lane != 0 for lane in targets]) if targets else 0)
    assert np.median(shares) < 0.5


def test_lanes_follow_closures_on_gothenburg(gothenburg: RoadNetwork) -> None:
    rng = np.random.default_rng(8)
    metric = Metric(weigh(gothenburg, PROFILES["response"]))
    main = np.flatnonzero(np.asarray(gothenburg.edge_flags) & EdgeFlag.MAIN)
    targets = [Target.on_edge(int(e), 30_000) for e in rng.choice(main, 16)]
    lanes = Lanes(metric, HOUR)
    for lane, target in enumerate(targets):
        seeds = Seeds.of(metric.weights, target)
        lanes.put(lane, seeds.edge, seeds.ms)
    lanes.settle()
    for size in (0, 1, 0, 1, 2, 40, 0, 4_000, 1, 0):
        closed = rng.choice(main, size, replace=False)
        lanes.follow(metric.adopt(metric.weights.with_closed(np.setdiff1d(closed, [t.edges[0] for t in targets]))))
        lanes.settle()
        for lane in (0, 3, 15):
            alone = ArrivalField.build(metric.weights, targets[lane])
            np.testing.assert_array_equal(lanes.values[:-1, lane], alone.at_end_ms)
