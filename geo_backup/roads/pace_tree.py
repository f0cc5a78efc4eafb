"""The tree of a pace: what the edges and turns of a network hang on, what a pace makes of the weights of a profile, and
what drives teach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geo_backup.roads.drives import Driven
from geo_backup.roads.kernel import Array, per_network
from geo_backup.roads.network import FRACTION_ONE, TURN_KIND_MASK, RoadNetwork, TurnFlag
from geo_backup.roads.pace import ONE, SHIFT, Lesson, Level, Pace, node_of
from geo_backup.roads.profile import CLOSED_MS
from geo_backup.roads.weights import Weights
from geo_backup.rules import PaceRules

CELL_M = 2_000.0
SIGNALS, STOP = TURN_KIND_MASK + 1, 2 * (TURN_KIND_MASK + 1)
"""Added to a `TurnKind` where signals, a stop or a give-way stand."""


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


def intervals_of(network: RoadNetwork, driven: Driven, at_ms: Array, step_m: float) -> tuple[Intervals, Array]:
    """What was driven, in intervals that each come forward by some metres, and when each was over: who stands in a
    queue stands before what comes next, and who stands at the end has arrived."""
    share = (driven.part_to - driven.part_from).astype(np.int64)
    metres = np.concatenate(([0.0], np.cumsum(network.edge_length_m[driven.part_edge] * share / FRACTION_ONE)))
    ms, cuts, ends, rows = list[int](), [0], list[int](), list[Array]()
    for first, last in driven.drives():
        since = first
        for n in range(first, last):
            a, b = int(driven.start[since]), int(driven.start[n + 1])
            if metres[b] - metres[a] >= step_m:
                moved = np.flatnonzero((share[a:b] > 0) | (driven.part_turn[a:b] >= 0)) + a
                ms.append(int(at_ms[n + 1] - at_ms[since]))
                rows.append(moved)
                cuts.append(cuts[-1] + len(moved))
                ends.append(int(at_ms[n + 1]))
                since = n + 1
    at = np.concatenate([np.zeros(0, np.int64), *rows])
    turn = np.maximum(driven.part_turn[at].astype(np.int64), -1)
    edge = driven.part_edge[at].astype(np.int64)
    return Intervals(np.array(ms, np.int64), np.array(cuts), edge, share[at], turn), np.array(ends, np.int64)


class Factors(NamedTuple):
    """What the nodes of a tree make of what their parents say, int64[N] in 1/65536: what the pace of all traffic makes
    of it (`given`), and that with what the node itself has learned (`whole`)."""

    given: Array
    whole: Array


OF_TRAFFIC = (Level.HOUR, Level.NOW, Level.CELL)
"""Levels at which traffic is thick or thin, whoever drives in it."""


def factors(
    tree: Tree,
    pace: Pace,
    rules: PaceRules,
    levels: Sequence[Level] = tuple(Level),
    traffic: Pace | None = None,
    share: float = 1.0,
) -> Factors:
    """What a pace makes of a tree; nodes of other levels than those named say nothing.

    Of a way of driving that suffers a `share` of what slows all `traffic`, that comes first.
    """
    given = np.full(len(tree.nodes), ONE, np.int64)
    if traffic is not None:
        suffered = round(share * ONE)
        given = np.maximum(ONE + (suffered * (_own(tree, traffic, rules, OF_TRAFFIC) - ONE) >> 16), 1)
    return Factors(given, times(given, _own(tree, pace, rules, levels)))


def _own(tree: Tree, pace: Pace, rules: PaceRules, levels: Sequence[Level]) -> Array:
    """int64[N]: what each node of a tree has learned itself."""
    out = np.full(len(tree.nodes), ONE, np.int64)
    at = np.minimum(np.searchsorted(tree.nodes, pace.node), len(tree.nodes) - 1)
    known = (tree.nodes[at] == pace.node) & np.isin(pace.node >> SHIFT, levels)
    out[at[known]] = pace.own_factors(rules)[known]
    return out


def at_pace(weights: Weights, tree: Tree, now: Factors, hour: int) -> Weights:
    """The weights of a profile at the pace of now, in an hour of the local day."""
    factors = now.whole
    root = times(factors[hour], factors[NOW])
    edge = times(times(times(root, factors[tree.edge_class]), factors[tree.edge_cell]), factors[tree.edge_road])
    turn = times(times(root, factors[tree.turn_kind]), factors[tree.turn_cell])
    edges = np.clip(times(weights.edge_ms, edge), 1, CLOSED_MS - 1).astype(np.int32)
    shut = weights.turn_ms >= CLOSED_MS
    turns = np.where(shut, CLOSED_MS, np.minimum(times(weights.turn_ms, turn), CLOSED_MS - 1)).astype(np.int32)
    return weights.timed(edges, turns)


def learn(weights: Weights, tree: Tree, now: Factors, hour: int, driven: Intervals, rules: PaceRules) -> Lesson:
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
        by_parents_ms.append(times(full_ms, now.given[node]))
        full_ms = np.where(node >= 0, times(full_ms, now.whole[node]), full_ms)
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


def times(a: Array, b: Array) -> Array:
    """int64[N]: times a factor in 1/65536, rounded."""
    out: Array = (np.asarray(a, np.int64) * b + ONE // 2) >> 16
    return out
