"""Pace: how much slower or faster than its profile says a way of driving is, learned from drives.

Every node of a small tree (the hour of the day; now; the class of a road or the kind of a turn; a cell of two
kilometres now; a road in one direction) keeps two sums: the milliseconds that were driven, and those that its parents
expected. Its factor is

    (driven + k) / (expected + k)

so that a node without evidence says nothing of its own, and what its parents know is not learned again. The time of an
interval is credited to its roads and turns in proportion to what was expected of them. Both sums decay: what is true
now within half an hour, roads and classes within weeks.

All of it is integer arithmetic, decay included, so that the same lessons give the same weights on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import exp
from typing import NamedTuple

import numpy as np

from geo_backup.roads.kernel import Array, per_network
from geo_backup.roads.network import TURN_KIND_MASK, RoadNetwork, TurnFlag
from geo_backup.roads.profile import CLOSED_MS
from geo_backup.roads.weights import Weights
from geo_backup.rules import PaceRules

ONE = 1 << 16
"""Factors are whole 1/65536 parts."""
CELL_M = 2_000.0
MINUTE_MS = 60_000
DAY = 1_440
"""Minutes."""
SUM_MAX = (1 << 31) - 1
"""No node keeps more milliseconds than these: nothing overflows, and no past weighs more than 25 days."""
SIGNALS, STOP = TURN_KIND_MASK + 1, 2 * (TURN_KIND_MASK + 1)
"""Added to a `TurnKind` where signals, a stop or a give-way stand."""


class Level(IntEnum):
    """Levels of the tree, parents first."""

    HOUR = 0
    NOW = 1
    CLASS = 2
    TURN = 3
    CELL = 4
    ROAD = 5


SHIFT = 32


def node_of(level: Level, index: Array) -> Array:
    """The nodes int64[N] of a level: hours of the day, 0, classes, kinds of turn, cells, edge codes."""
    return np.asarray(index, np.int64) + (int(level) << SHIFT)


class Tree(NamedTuple):
    """Which nodes the edges and turns of a network hang on.

    `nodes` int64[N] ascending. Of each edge its class and cell (int32[E]) and its road in one direction, which its
    twins share; of each turn its kind and the cell of the road that it leads into (int32[T]): all of them indices of
    `nodes`.
    """

    nodes: Array
    edge_class: Array
    edge_cell: Array
    edge_road: Array
    turn_kind: Array
    turn_cell: Array

    @classmethod
    def of(cls, network: RoadNetwork) -> Tree:
        """The tree of a network, made on first use."""
        return _tree(network)


@per_network
def _tree(network: RoadNetwork) -> Tree:
    east_m, north_m = network.metres_per_deg
    lon, lat = np.asarray(network.junction_lon_e7) / 1e7, np.asarray(network.junction_lat_e7) / 1e7
    x, y = np.floor((lon - lon.min()) * east_m / CELL_M), np.floor((lat - lat.min()) * north_m / CELL_M)
    junction_cell = (x.astype(np.int64) << 16) | y.astype(np.int64)
    facts = np.asarray(network.turn_facts).astype(np.int64)
    kind = facts & TURN_KIND_MASK
    kind += np.where(facts & int(TurnFlag.SIGNALS), SIGNALS, np.where(facts & int(TurnFlag.STOP), STOP, 0))
    edge_cell = node_of(Level.CELL, junction_cell[network.edge_head])
    hung = (
        node_of(Level.CLASS, np.asarray(network.way_class)[network.edge_way]),
        edge_cell,
        node_of(Level.ROAD, network.edge_code),
        node_of(Level.TURN, kind),
        edge_cell[network.turn_to],
    )
    times = (node_of(Level.HOUR, np.arange(24)), node_of(Level.NOW, np.zeros(1)))
    nodes = np.unique(np.concatenate([*times, *(np.unique(part) for part in hung)]))
    return Tree(nodes, *(np.searchsorted(nodes, part).astype(np.int32) for part in hung))


NOW = 24
"""Index of the one node of `Level.NOW`; those of the hours stand before it."""


class Intervals(NamedTuple):
    """N intervals of drives, as they went over the network.

    `ms` int64[N] how long each took; `start` int64[N + 1] into the rest: edges int64[M] in driving order, the share
    int64[M] of each that was driven in 1/65536, and the turn int64[M] into it, -1 where it was on that edge before.
    """

    ms: Array
    start: Array
    edge: Array
    share: Array
    turn: Array

    @classmethod
    def joined(cls, parts: Sequence[Intervals]) -> Intervals:
        """Several, one after another."""
        none = np.zeros(0, np.int64)
        ms, edge, share, turn = (
            np.concatenate([none, *(part[n] for part in parts)]).astype(np.int64) for n in (0, 2, 3, 4)
        )
        lengths = np.concatenate([none, *(np.diff(part.start) for part in parts)])
        return cls(ms, np.concatenate(([0], np.cumsum(lengths))), edge, share, turn)

    def take(self, rows: Array) -> Intervals:
        """Some of the intervals, by index."""
        lengths = np.diff(self.start)[rows]
        start = np.concatenate(([0], np.cumsum(lengths)))
        at = np.arange(start[-1]) - np.repeat(start[:-1] - self.start[rows], lengths)
        return Intervals(self.ms[rows], start, self.edge[at], self.share[at], self.turn[at])


class Lesson(NamedTuple):
    """What drives add to some nodes: int64[K] each, nodes ascending."""

    node: Array
    driven_ms: Array
    expected_ms: Array


@dataclass(frozen=True, eq=False)
class Pace:
    """The two sums of every node with evidence (int64[K] each, nodes ascending) as of a minute (UTC epoch)."""

    node: Array
    driven_ms: Array
    expected_ms: Array
    minute: int

    @classmethod
    def unlearned(cls, minute: int = 0) -> Pace:
        """Of a city of which nothing is known."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, minute)

    def at(self, minute: int, rules: PaceRules) -> Pace:
        """The same at a later minute: both sums have decayed."""
        if minute <= self.minute:
            return self
        sums = np.stack((self.driven_ms, self.expected_ms))
        level = self.node >> SHIFT
        for of, (step, keep) in _decay(rules).items():
            steps, rows = minute // step - self.minute // step, np.flatnonzero(level == of)
            if not steps or not len(rows):
                continue
            part = sums[:, rows]
            for _ in range(steps):
                part = part * keep >> 32
                if not part.any():
                    break
            sums[:, rows] = part
        left = sums.any(axis=0)
        return Pace(self.node[left], sums[0, left], sums[1, left], minute)

    def after(self, lesson: Lesson) -> Pace:
        """The same with what drives have added."""
        node = np.union1d(self.node, lesson.node)
        sums = np.zeros((2, len(node)), np.int64)
        for at, *both in ((self.node, self.driven_ms, self.expected_ms), lesson):
            sums[:, np.searchsorted(node, at)] += both
        driven_ms, expected_ms = np.minimum(sums, SUM_MAX)
        return Pace(node, driven_ms, expected_ms, self.minute)

    def own_factors(self, rules: PaceRules) -> Array:
        """int64[K] in 1/65536: what each node with evidence says beyond its parents."""
        level = self.node >> SHIFT
        k = np.zeros(len(Level), np.int64)
        for of, k_s in _k(rules).items():
            k[of] = round(1_000 * k_s)
        own = ((self.driven_ms + k[level]) << 16) // (self.expected_ms + k[level])
        out: Array = np.clip(own, round(ONE / rules.most_factor), round(ONE * rules.most_factor))
        return out

    def factors(self, tree: Tree, rules: PaceRules, levels: Sequence[Level] = tuple(Level)) -> Array:
        """int64[N] of all nodes of a tree, in 1/65536; those of other levels say nothing."""
        out = np.full(len(tree.nodes), ONE, np.int64)
        at = np.minimum(np.searchsorted(tree.nodes, self.node), len(tree.nodes) - 1)
        known = (tree.nodes[at] == self.node) & np.isin(self.node >> SHIFT, levels)
        out[at[known]] = self.own_factors(rules)[known]
        return out


def _k(rules: PaceRules) -> dict[Level, float]:
    return {
        Level.HOUR: rules.hour_k_s, Level.NOW: rules.now_k_s, Level.CLASS: rules.class_k_s,
        Level.TURN: rules.turn_k_s, Level.CELL: rules.cell_k_s, Level.ROAD: rules.road_k_s,
    }  # fmt: skip


def _decay(rules: PaceRules) -> dict[Level, tuple[int, int]]:
    """Of each level after how many minutes it decays, and what is then kept of 2^32."""
    tau = {
        Level.HOUR: (DAY, rules.hour_days), Level.NOW: (1, rules.now_min), Level.CLASS: (DAY, rules.class_days),
        Level.TURN: (DAY, rules.class_days), Level.CELL: (1, rules.cell_min), Level.ROAD: (DAY, rules.road_days),
    }  # fmt: skip
    return {level: (step, round(2**32 * exp(-1 / steps))) for level, (step, steps) in tau.items()}


def at_pace(weights: Weights, tree: Tree, factors: Array, hour: int) -> Weights:
    """The weights of a profile at the pace of now, in an hour of the local day."""
    root = _times(factors[hour], factors[NOW])
    edge = _times(_times(_times(root, factors[tree.edge_class]), factors[tree.edge_cell]), factors[tree.edge_road])
    turn = _times(_times(root, factors[tree.turn_kind]), factors[tree.turn_cell])
    edges = np.clip(_times(weights.edge_ms, edge), 1, CLOSED_MS - 1).astype(np.int32)
    shut = weights.turn_ms >= CLOSED_MS
    turns = np.where(shut, CLOSED_MS, np.minimum(_times(weights.turn_ms, turn), CLOSED_MS - 1)).astype(np.int32)
    return weights.timed(edges, turns)


def learn(weights: Weights, tree: Tree, factors: Array, hour: int, driven: Intervals, rules: PaceRules) -> Lesson:
    """What intervals of drives teach whoever expected the weights of a profile to hold at these factors.

    Who stands for long does not stand in traffic: an interval teaches at most `most_slow` times what was expected of
    it, or `most_still_s`.
    """
    rows, on = np.repeat(np.arange(len(driven.ms)), np.diff(driven.start)), driven.turn >= 0
    # an element is an edge or the turn into one: what the profile says of it, and its nodes, parents first
    edge, turn = driven.edge, driven.turn[on]
    row = np.concatenate((rows, rows[on]))
    edges_ms = weights.edge_ms[edge] * driven.share >> 16
    turns_ms = np.where(weights.turn_ms[turn] >= CLOSED_MS, 0, weights.turn_ms[turn])
    full_ms = np.concatenate((edges_ms, turns_ms)).astype(np.int64)
    path = [
        np.full(len(row), hour),
        np.full(len(row), NOW),
        np.concatenate((tree.edge_class[edge], tree.turn_kind[turn])),
        np.concatenate((tree.edge_cell[edge], tree.turn_cell[turn])),
        np.concatenate((tree.edge_road[edge], np.full(len(turn), -1))),
    ]
    by_parents_ms = []
    for node in path:
        by_parents_ms.append(full_ms)
        full_ms = np.where(node >= 0, _times(full_ms, factors[node]), full_ms)
    whole_ms = np.bincount(row, full_ms, len(driven.ms)).astype(np.int64)
    most_ms = np.maximum(whole_ms * round(rules.most_slow), round(1_000 * rules.most_still_s))
    took_ms = np.clip(driven.ms, whole_ms // round(rules.most_slow), most_ms)
    driven_ms = full_ms * took_ms[row] // np.maximum(whole_ms, 1)[row]
    every, taught = np.concatenate(path), (np.concatenate(path) >= 0) & np.tile((whole_ms > 0)[row], len(path))
    found, back = np.unique(every[taught], return_inverse=True)
    sums = (
        np.bincount(back, np.concatenate(values)[taught], len(found)).astype(np.int64)
        for values in ([driven_ms] * len(path), by_parents_ms)
    )
    return Lesson(tree.nodes[found], *sums)


def _times(a: Array, b: Array) -> Array:
    out: Array = (np.asarray(a, np.int64) * b + ONE // 2) >> 16
    return out
