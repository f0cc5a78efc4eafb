"""Two sums at every node: what drives teach, what is forgotten, and what that makes of the weights."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.errors import BadValueError
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pace import ONE, SHIFT, Lesson, Level, Pace, node_of
from geo_backup.roads.pace_tree import NOW, Intervals, Tree, at_pace, factors, learn
from geo_backup.roads.profile import CLOSED_MS, ROUTINE
from geo_backup.roads.snap import Target
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import PaceRules
from tests.rounds import rounds
from tests.running import GOTHENBURG, network_of

RULES = PaceRules()
MORNING, MINUTE = 8, 28_000_000


@cache
def town() -> tuple[RoadNetwork, Weights, Tree]:
    network = network_of(GOTHENBURG)
    return network, weigh(network, ROUTINE), Tree.of(network)


@cache
def drives(count: int, times: float, seed: int = 1) -> Intervals:
    """Ways through the town, each an interval that took so many times what the profile says."""
    network, weights, _ = town()
    rng, parts = np.random.default_rng(seed), []
    main = np.flatnonzero((weights.shut == 0) & (np.asarray(network.edge_flags) & 128 > 0))
    while len(parts) < count:
        begin, end = (int(edge) for edge in rng.choice(main, 2, replace=False))
        way = ArrivalField.build(weights, Target.on_edge(end, ONE)).way(begin, 0)
        if way is None:
            continue
        edges, turns = np.array(way.edges), np.array([-1, *way.turns])
        ms = int(weights.edge_ms[edges].sum() + weights.turn_ms[turns[1:]].sum())
        whole = np.full(len(edges), ONE)
        parts.append(Intervals(np.array([round(ms * times)]), np.array([0, len(edges)]), edges, whole, turns))
    return Intervals.joined(parts)


def taught(pace: Pace, driven: Intervals, minutes: int = 1) -> Pace:
    """The pace after the same drives in each of some minutes."""
    _, weights, tree = town()
    for _ in range(minutes):
        pace = pace.at(pace.minute + 1, RULES)
        pace = pace.after(learn(weights, tree, factors(tree, pace, RULES), MORNING, driven, RULES))
    return pace


def test_who_knows_nothing_drives_as_the_profile_says() -> None:
    _, weights, tree = town()
    nothing = factors(tree, Pace.unlearned(MINUTE), RULES)
    assert (nothing.whole == ONE).all()
    same = at_pace(weights, tree, nothing, MORNING)
    for name in ("edge_ms", "turn_ms", "arc_ms", "shut"):
        np.testing.assert_array_equal(getattr(same, name), getattr(weights, name))


@pytest.mark.parametrize("times", [0.7, 1.0, 2.0])
def test_what_every_drive_takes_longer_is_soon_expected_of_every_drive(times: float) -> None:
    _, weights, tree = town()
    pace = taught(Pace.unlearned(MINUTE), drives(20, times), minutes=30)
    now = at_pace(weights, tree, factors(tree, pace, RULES), MORNING)
    other = drives(20, 1.0, seed=2)
    on = other.turn >= 0
    then_ms = weights.edge_ms[other.edge].sum() + weights.turn_ms[other.turn[on]].sum()
    now_ms = now.edge_ms[other.edge].sum() + now.turn_ms[other.turn[on]].sum()
    assert now_ms / then_ms == pytest.approx(times, rel=0.05)
    assert ((now.turn_ms >= CLOSED_MS) == (weights.turn_ms >= CLOSED_MS)).all()
    assert now.edge_ms.min() >= 1
    assert now.weights_id != weights.weights_id


def test_the_tree_says_at_which_level_it_is_slow() -> None:
    """Only in one cell everything takes twice as long: the cell says so, not all of the town."""
    _, weights, tree = town()
    whole = drives(40, 1.0)
    ms = weights.edge_ms[whole.edge] + np.where(whole.turn >= 0, weights.turn_ms[whole.turn], 0)
    cell = int(np.bincount(tree.edge_cell[whole.edge]).argmax())
    ms = np.where(tree.edge_cell[whole.edge] == cell, 2 * ms, ms).astype(np.int64)
    slow = whole._replace(ms=ms, start=np.arange(len(ms) + 1))
    times = factors(tree, taught(Pace.unlearned(MINUTE), slow, minutes=40), RULES).whole / ONE
    town_wide = times[NOW] * times[MORNING]
    assert town_wide < 1.35
    assert times[cell] * town_wide > 1.6
    others = np.unique(tree.edge_cell[whole.edge])
    assert (times[others[others != cell]] < 1.0).all()


def test_a_lesson_is_credited_in_proportion_and_adds_up() -> None:
    _, weights, tree = town()
    driven = drives(5, 3.0)
    lesson = learn(weights, tree, factors(tree, Pace.unlearned(), RULES), MORNING, driven, RULES)
    level = lesson.node >> SHIFT
    assert (np.diff(lesson.node) > 0).all()
    for of in (Level.HOUR, Level.NOW, Level.CELL):
        total = int(lesson.driven_ms[level == of].sum())
        assert total == pytest.approx(int(driven.ms.sum()), abs=len(driven.edge) * 2)
    parts = [int(lesson.driven_ms[level == of].sum()) for of in (Level.CLASS, Level.TURN)]
    assert sum(parts) == pytest.approx(int(driven.ms.sum()), abs=len(driven.edge) * 2)


def test_who_stands_for_an_hour_teaches_no_more_than_a_queue_would() -> None:
    _, weights, tree = town()
    edge = int(np.flatnonzero(weights.shut == 0)[0])
    still = Intervals(np.array([3_600_000]), np.array([0, 1]), np.array([edge]), np.array([655]), np.array([-1]))
    lesson = learn(weights, tree, factors(tree, Pace.unlearned(), RULES), MORNING, still, RULES)
    assert lesson.driven_ms.max() <= RULES.most_still_s * 1_000
    before = taught(Pace.unlearned(MINUTE), drives(30, 1.0), minutes=30)
    after = before.after(lesson)
    now = node_of(Level.NOW, np.zeros(1))[0]
    moved = [dict(zip(one.node.tolist(), one.own_factors(RULES).tolist(), strict=True))[now] for one in (before, after)]
    assert moved[1] / moved[0] < 1.02


def test_an_interval_without_any_road_teaches_nothing() -> None:
    _, weights, tree = town()
    none = np.zeros(0, np.int64)
    lesson = learn(
        weights, tree, factors(tree, Pace.unlearned(), RULES), MORNING,
        Intervals(np.array([15_000]), np.array([0, 0]), none, none, none), RULES,
    )  # fmt: skip
    assert not len(lesson.node)
    assert not len(Pace.unlearned().after(lesson).node)


LESSONS = st.dictionaries(
    st.tuples(st.sampled_from(list(Level)), st.integers(0, 30)),
    st.tuples(st.integers(0, 10**10), st.integers(0, 10**10)),
    max_size=12,
)


def lesson_of(rows: dict[tuple[Level, int], tuple[int, int]]) -> Lesson:
    nodes = sorted((int(node_of(level, np.array([n]))[0]), *sums) for (level, n), sums in rows.items())
    return Lesson(*(np.array([row[k] for row in nodes], np.int64) for k in range(3)))


@settings(deadline=None, max_examples=rounds(40))  # the machine may be busy
@given(LESSONS, LESSONS, st.integers(0, 3_000), st.integers(0, 3_000))
def test_forgetting_in_one_step_or_in_many_is_the_same(
    first: dict[tuple[Level, int], tuple[int, int]], then: dict[tuple[Level, int], tuple[int, int]], a: int, b: int
) -> None:
    pace = Pace.unlearned(MINUTE).after(lesson_of(first)).after(lesson_of(then))
    once, twice = pace.at(MINUTE + a + b, RULES), pace.at(MINUTE + a, RULES).at(MINUTE + a + b, RULES)
    for name in ("node", "driven_ms", "expected_ms"):
        np.testing.assert_array_equal(getattr(once, name), getattr(twice, name))
    assert pace.at(MINUTE - 5, RULES) is pace
    own = once.own_factors(RULES) / ONE
    assert ((own >= 1 / RULES.most_factor - 1e-4) & (own <= RULES.most_factor + 1e-4)).all()


def test_now_is_over_within_hours_and_a_class_stays() -> None:
    rows = {(Level.NOW, 0): (2_000_000, 1_000_000), (Level.CLASS, 4): (2_000_000, 1_000_000)}
    pace = Pace.unlearned(MINUTE).after(lesson_of(rows))
    after = pace.at(MINUTE + 8 * 60, RULES)
    kept = dict(zip((after.node >> SHIFT).tolist(), after.own_factors(RULES) / ONE, strict=True))
    assert kept.get(Level.NOW, 1.0) < 1.01
    assert kept[Level.CLASS] > 1.4


@settings(deadline=None, max_examples=rounds(40))  # the machine may be busy
@given(st.lists(st.integers(0, 19), max_size=30))
def test_intervals_are_taken_by_index(rows: list[int]) -> None:
    driven = drives(20, 1.0)
    some = driven.take(np.array(rows, np.int64))
    assert some.ms.tolist() == [int(driven.ms[row]) for row in rows]
    for n, row in enumerate(rows):
        was, now = (slice(int(one.start[k]), int(one.start[k + 1])) for one, k in ((driven, row), (some, n)))
        np.testing.assert_array_equal(driven.edge[was], some.edge[now])
        np.testing.assert_array_equal(driven.turn[was], some.turn[now])


def test_a_pace_is_what_it_holds_and_packs_into_text() -> None:
    pace = taught(Pace.unlearned(MINUTE), drives(5, 1.5))
    again = Pace.unpacked(pace.packed())
    assert again == pace
    assert again != pace.at(MINUTE + 60, RULES)
    for text in ("", "x", f"{MINUTE}:", f"{MINUTE}:abc", pace.packed()[:-5], f"-1:{pace.packed().partition(':')[2]}"):
        with pytest.raises(BadValueError):
            Pace.unpacked(text)
