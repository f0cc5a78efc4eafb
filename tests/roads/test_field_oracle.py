"""Fields against NetworkX on the expanded edge graph, equal to the millisecond."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.roads.field import ArrivalField, fields_rebuilt
from geo_backup.roads.network import EdgeFlag, RoadNetwork, WayClass
from geo_backup.roads.profile import PROFILES
from geo_backup.roads.search import INF_MS
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target
from geo_backup.roads.weights import weigh
from tests.roads import oracle
from tests.roads.tiny import Street, draw

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


@settings(max_examples=300, deadline=None)
@given(questions())
def test_field_and_readings_equal_the_oracle(question: tuple) -> None:
    network, profile, target, closed, points, horizon = question
    weights = weigh(network, PROFILES[profile], np.array(closed, np.int32))
    field = ArrivalField.build(weights, target, horizon)
    expected = oracle.at_end(weights, target, horizon)
    np.testing.assert_array_equal(field.at_end_ms, expected)
    eta, which = field.etas_ms(points)
    metres, reached = field.distances_m(points, which)
    for row in range(len(points)):
        assert eta[row] == oracle.eta(field, expected, points, row)
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
    unbounded = oracle.at_end(weights, target, INF_MS - 1)
    assert field.exhausted == bool(((unbounded >= INF_MS) == (field.at_end_ms >= INF_MS)).all())


@settings(max_examples=300, deadline=None)
@given(questions(), st.data())
def test_repair_equals_rebuild(question: tuple, data: st.DataObject) -> None:
    network, profile, target, closed, _, horizon = question
    before = weigh(network, PROFILES[profile], np.array(closed, np.int32))
    now = data.draw(st.lists(st.integers(0, network.edges - 1), max_size=3))
    after = before.with_closed(np.array(now, np.int32))
    changed = np.flatnonzero(before.edge_ms != after.edge_ms)
    field = ArrivalField.build(before, target, horizon)
    fresh = ArrivalField.build(after, target, horizon)
    repaired = field.repaired(after, changed, budget=1 << 30)
    if repaired is None:
        assert np.isin(changed, target.edges).any()
    else:
        np.testing.assert_array_equal(repaired.at_end_ms, fresh.at_end_ms)
    for budget in (0, 3):
        (either,) = fields_rebuilt([field], [after], changed, budget)
        np.testing.assert_array_equal(either.at_end_ms, fresh.at_end_ms)
        assert either.weights is after


GOTHENBURG = Path(__file__).parents[2] / "maps" / "gothenburg"


@pytest.fixture(scope="module")
def gothenburg() -> RoadNetwork:
    if not (GOTHENBURG / "area.toml").exists():
        pytest.skip("maps/gothenburg has not been built")
    return RoadNetwork.load(GOTHENBURG)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_random_pairs_on_gothenburg(gothenburg: RoadNetwork, profile: str) -> None:
    rng = np.random.default_rng(7)
    weights = weigh(gothenburg, PROFILES[profile])
    graph = oracle.expanded(weights)
    edges, fractions = rng.integers(0, gothenburg.edges, 2_000), rng.integers(0, 65537, 2_000)
    points = RoadPoints.of([RoadPoint(int(e), int(f)) for e, f in zip(edges, fractions, strict=True)])
    for edge in rng.choice(gothenburg.edges, 5, replace=False):
        target = Target.on_edge(int(edge), int(rng.integers(0, 65537)))
        field = ArrivalField.build(weights, target)
        expected = oracle.at_end(weights, target, HOUR, graph)
        np.testing.assert_array_equal(field.at_end_ms, expected)
        eta, _ = field.etas_ms(points)
        assert [oracle.eta(field, expected, points, row) for row in range(2_000)] == eta.tolist()


def test_repairs_on_gothenburg(gothenburg: RoadNetwork) -> None:
    rng = np.random.default_rng(8)
    before = weigh(gothenburg, PROFILES["response"])
    main = np.flatnonzero(np.asarray(gothenburg.edge_flags) & EdgeFlag.MAIN)
    fields = [ArrivalField.build(before, Target.on_edge(int(e), 30_000)) for e in rng.choice(main, 10)]
    for size in (1, 2, 40):
        closed = rng.choice(main, size, replace=False)
        after = before.with_closed(closed)
        shut = fields_rebuilt(fields, [after] * 10, closed)
        for old, field in zip(fields, shut, strict=True):
            np.testing.assert_array_equal(field.at_end_ms, ArrivalField.build(after, old.target).at_end_ms)
        for old, field in zip(fields, fields_rebuilt(shut, [before] * 10, closed), strict=True):
            np.testing.assert_array_equal(field.at_end_ms, old.at_end_ms)
