"""Twins: second edges that remember the roads driven before, so that a turn restriction over via ways is a turn's flag.

From road a the turn into via road v leads into a twin of v, and only the turns out of that twin are marked. Twins are
the states of Aho and Corasick's automaton (1975) over the forbidden paths: each stands for the longest beginning of
such a path that was just driven, so paths that begin alike share their twins, and one that begins in the middle of
another is not forgotten.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from geo_backup.cartography.restrictions import Leaving, Path
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import TurnFlag


@dataclass(frozen=True, eq=False)
class Expanded:
    """Edges with their twins, grouped by tail, a twin behind all that are none; turns grouped by the edge they lead
    into."""

    single: Array
    """int64[E]: the edge each was made of, in the numbers before."""
    twin: Array
    """bool[E]."""
    turn_from: Array
    turn_to: Array
    back: Array
    facts: Array


def expand(tail: Array, turn_from: Array, turn_to: Array, back: Array, facts: Array, paths: Sequence[Path]) -> Expanded:
    """Give the edges (tail int[E]) and turns [T] the twins that the paths need."""
    edges = len(tail)
    if not paths:
        return Expanded(np.arange(edges), np.zeros(edges, np.bool_), turn_from, turn_to, back, facts)
    memory = _Memory(edges, paths)
    leaving = Leaving(turn_from, edges)
    into, marked = turn_to.copy(), facts.copy()
    for edge in memory.beginnings:
        for turn in leaving.of(edge):
            into[turn] = memory.next(edge, int(turn_to[turn]))
    rows: list[tuple[int, int, int, int]] = []  # from, to, turn before, facts
    for twin in range(edges, edges + len(memory.edge)):
        rules = list(memory.rules(twin))
        for turn in leaving.of(memory.edge[twin - edges]):
            to = int(turn_to[turn])
            rows.append((twin, memory.next(twin, to), turn, _ruled(int(facts[turn]), to, rules)))
    added = np.array(rows, np.int64).reshape(-1, 4)
    turn_from = np.concatenate((turn_from, added[:, 0]))
    turn_to = np.concatenate((into, added[:, 1]))
    back = np.concatenate((back, back[added[:, 2]]))
    facts = np.concatenate((marked, added[:, 3].astype(facts.dtype)))

    single = np.concatenate((np.arange(edges), np.array(memory.edge, np.int64)))
    by_tail = np.argsort(tail[single], kind="stable")
    number = np.empty(len(single), np.int64)
    number[by_tail] = np.arange(len(single))
    turn_from, turn_to = number[turn_from], number[turn_to]
    order = np.lexsort((turn_from, turn_to))
    return Expanded(single[by_tail], by_tail >= edges, turn_from[order], turn_to[order], back[order], facts[order])


def _ruled(facts: int, to: int, rules: list[Path]) -> int:
    """A turn's facts under the restrictions that end on the twin it leaves."""
    holding = [rule for rule in rules if (to in rule.to) != rule.only]
    if any(not rule.exempt for rule in holding):
        return (facts | TurnFlag.RESTRICTED) & ~TurnFlag.EMERGENCY_EXEMPT
    if holding and not facts & TurnFlag.RESTRICTED:
        return facts | TurnFlag.RESTRICTED | TurnFlag.EMERGENCY_EXEMPT
    return facts


class _Memory:
    """The automaton. A state is an edge (only that it was driven is known), or, from `edges` on, a twin."""

    def __init__(self, edges: int, paths: Sequence[Path]) -> None:
        self._edges = edges
        self.edge: list[int] = []
        """The edge each twin doubles."""
        self._child: dict[tuple[int, int], int] = {}
        self._ending: dict[int, list[Path]] = defaultdict(list)
        grown: list[tuple[int, int]] = []  # depth, twin
        above: list[int] = []
        for path in sorted(paths, key=lambda path: path.edges):
            state = path.edges[0]
            for depth, edge in enumerate(path.edges[1:], 2):
                if (state, edge) not in self._child:
                    self._child[state, edge] = edges + len(self.edge)
                    grown.append((depth, edges + len(self.edge)))
                    self.edge.append(edge)
                    above.append(state)
                state = self._child[state, edge]
            self._ending[state].append(path)
        self.beginnings = sorted({path.edges[0] for path in paths})
        # the state of what is left of a twin's memory without its oldest road; shorter memories first
        self._less: list[int] = [0] * len(self.edge)
        for depth, twin in sorted(grown):
            edge, before = self.edge[twin - edges], above[twin - edges]
            self._less[twin - edges] = edge if depth == 2 else self.next(self._less[before - edges], edge)

    def next(self, state: int, edge: int) -> int:
        """The state after turning from a state into an edge."""
        while (state, edge) not in self._child:
            if state < self._edges:
                return edge
            state = self._less[state - self._edges]
        return self._child[state, edge]

    def rules(self, state: int) -> Iterator[Path]:
        """Paths that have just been driven to their last via road."""
        while state >= self._edges:
            yield from self._ending[state]
            state = self._less[state - self._edges]
