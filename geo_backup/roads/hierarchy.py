"""Hierarchy: the network's edges by importance, with shortcuts that any weights can be poured into quickly.

A customisable contraction hierarchy (Dibbelt, Strasser, Wagner 2016) over edges as states and turns as arcs. A map
numbers its edges in the order of a nested dissection, the most separating first, so an edge's number is its rank and
no other order is kept. An edge's **ancestors** are the few hundred that separate it from the rest: all its shortcuts
lead up to them, to smaller numbers, and the best ways from everywhere to a target are found by one pass over the edges
in the order of their numbers (PHAST; Delling, Goldberg, Nowatzyk, Werneck 2013), see `lanes`.

The Dijkstra search in `search` needs none of this, is the oracle of it, and serves single questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from geo_backup.roads.kernel import INF_MS, Array, Number, kernel, per_network, read_only
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.weights import Weights

FEW_SHARE = 400
"""Up to one turn in so many may change for shortcuts to be mended one by one; beyond, all are made anew."""

CELL_EDGES = 16_384
"""Most edges of a cell. Smaller ones fit closer about what a field reaches; larger ones have fewer bounds to see."""


class Shortcuts(NamedTuple):
    """Shortcuts of one direction, by their lower end and by their upper end.

    `start` uint32[E + 1] into `above` uint32[S], the upper ends, ascending in each group. `under_start` uint32[E + 1]
    into `under` uint32[S], the lower ends, and `under_slot` uint32[S], which shortcut that is.
    """

    start: Array
    above: Array
    under_start: Array
    under: Array
    under_slot: Array


class Cells(NamedTuple):
    """Parts of the network that touch the rest of it at few edges: each is an edge with all below it, in a row.

    `begin`, `end` uint32[C]: the numbers of a cell's edges, ascending; edges that separate larger parts are in none.
    `start` uint32[C + 1] into `bound` uint32[B]: the ancestors outside to which shortcuts up lead from inside. `of`
    int32[E]: the cell of each edge, -1 for those that are in none.
    """

    begin: Array
    end: Array
    start: Array
    bound: Array
    of: Array


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Where shortcuts lie: those `up` lead from an edge to its ancestors, those `down` from its ancestors to it.

    `parent` int32[E]: nearest ancestor, -1 at a root. `turn_slot` int32[T]: the shortcut up that holds a turn, `~slot`
    where it is one down, and ~D, which is none, for a turn from an edge into itself.
    """

    parent: Array
    up: Shortcuts
    down: Shortcuts
    turn_slot: Array
    cells: Cells

    @classmethod
    def of(cls, network: RoadNetwork) -> Hierarchy:
        """The hierarchy of a network, made on first use (0.2 s for 170,000 edges)."""
        return _make(network)


class Change(NamedTuple):
    """Edges (bool[E]) some of whose shortcuts up, and some of whose shortcuts down, have another value; None: any."""

    up: Array | None
    down: Array | None


class Metric:
    """Weights poured into a hierarchy; follows the weights of the moment by `adopt`. Belongs to one thread.

    `up_ms` int32[U], `down_ms` int32[D]: the fastest way over edges below both ends of the shortcut, INF_MS = none.
    """

    def __init__(self, weights: Weights) -> None:
        self.hierarchy = Hierarchy.of(weights.network)
        self.weights = weights
        self.up_ms: Array
        self.down_ms: Array
        self.scratch = np.empty(len(self.hierarchy.parent), np.int32)
        """Room for a number an edge, for whoever works in this thread."""
        self._pour()

    def _pour(self) -> None:
        h = self.hierarchy
        self._own_up, self._own_down = _own(h.turn_slot, self.weights.arc_ms, len(h.up.above), len(h.down.above))
        self.up_ms, self.down_ms = self._own_up.copy(), self._own_down.copy()
        _customise(h.up, self.up_ms, h.down, self.down_ms)

    def adopt(self, weights: Weights) -> Change:
        """Follow new weights of the same network, and say which shortcuts changed."""
        changed = np.flatnonzero(self.weights.arc_ms != weights.arc_ms).astype(np.uint32)
        self.weights = weights
        if len(changed) > len(weights.arc_ms) // FEW_SHARE:
            self._pour()
            return Change(None, None)
        return self.mend(changed)

    def mend(self, turns: Array) -> Change:
        """Bring the shortcuts up to date that hang on the weights of some turns (uint32[C])."""
        h = self.hierarchy
        up, down = _mend(
            h.up, self.up_ms, self._own_up, h.down, self.down_ms, self._own_down,
            h.turn_slot, self.weights.arc_ms, turns,
        )  # fmt: skip
        return Change(up, down)


@per_network
def _make(network: RoadNetwork) -> Hierarchy:
    turn_from, turn_to = network.graph.turn_from, network.turn_to.astype(np.uint32)
    start, above, parent = _eliminate(*_neighbours(turn_from, turn_to, network.edges))
    above = _ascending(start, above)
    # pour in zeros: what stays without a value can never have one, mostly because of one-ways, and is left out
    slot = _slots(turn_from, turn_to, start, above).astype(np.int32)
    up_ms, down_ms = _own(slot, read_only(np.zeros(network.turns, np.int32)), len(above), len(above))
    both = Shortcuts(start, above, *_transpose(start, above))
    _customise(both, up_ms, both, down_ms)
    up, up_slot = _kept(start, above, up_ms)
    down, down_slot = _kept(start, above, down_ms)
    turn_slot = np.where(slot >= 0, up_slot[np.maximum(slot, 0)], ~down_slot[np.maximum(~slot, 0)]).astype(np.int32)
    return Hierarchy(parent, up, down, turn_slot, Cells(*_cells(parent, up, CELL_EDGES)))


def _neighbours(turn_from: Array, turn_to: Array, edges: int) -> tuple[Array, Array]:
    """The graph without directions: `start` uint32[E + 1] and the neighbours with smaller numbers."""
    high = np.maximum(turn_from, turn_to).astype(np.int64)
    low = np.minimum(turn_from, turn_to).astype(np.int64)
    pair = np.unique((high * edges + low)[high != low])
    start = np.zeros(edges + 1, np.uint32)
    np.cumsum(np.bincount(pair // edges, minlength=edges), out=start[1:])
    return start, (pair % edges).astype(np.uint32)


def _ascending(start: Array, above: Array) -> Array:
    """What each edge has, uint32, ascending."""
    edges = len(start) - 1
    first = np.repeat(np.arange(edges) * edges, np.diff(start))
    return (np.sort(first + above) - first).astype(np.uint32)


def _kept(start: Array, above: Array, ms: Array) -> tuple[Shortcuts, Array]:
    """The shortcuts that have a value, and the new index of each old one (and of the end of them all)."""
    keep = ms < INF_MS
    slot = np.concatenate(([0], np.cumsum(keep))).astype(np.int64)
    start, above = slot[start].astype(np.uint32), above[keep]
    return Shortcuts(start, above, *_transpose(start, above)), slot


@kernel
def _eliminate(start: Array, low: Array) -> tuple[Array, Array, Array]:
    """Take the edges out from the last to the first, joining the neighbours each leaves behind.

    Answers `start` uint32[E + 1], `above` uint32 (the ancestors that an edge has shortcuts with, in any order: a sort
    in here would be compiled for a second) and `parent` int32[E] (the last of them, or -1).
    """
    n = start.size - 1
    above = np.empty(16 + 4 * low.size, np.uint32)
    begin, count = np.zeros(n, np.int64), np.zeros(n, np.int64)
    child, sibling, parent = np.full(n, -1, np.int32), np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    seen = np.full(n, -1, np.int32)
    size = 0
    for v in range(n - 1, -1, -1):
        need = np.int64(start[v + 1] - start[v])
        c = child[v]
        while c >= 0:
            need += count[c]
            c = sibling[c]
        if size + need > above.size:
            above = np.concatenate((above, np.empty(above.size + need, np.uint32)))
        first, last = size, np.int64(-1)
        for i in range(start[v], start[v + 1]):
            seen[low[i]] = v
            above[size] = low[i]
            last = max(last, np.int64(low[i]))
            size += 1
        # a child's shortcuts lead to v and to others above v
        c = child[v]
        while c >= 0:
            for i in range(begin[c], begin[c] + count[c]):
                x = above[i]
                if x < v and seen[x] != v:
                    seen[x] = v
                    above[size] = x
                    last = max(last, np.int64(x))
                    size += 1
            c = sibling[c]
        begin[v], count[v] = first, size - first
        if last >= 0:
            parent[v] = last
            sibling[v] = child[last]
            child[last] = v
    out_start, out = np.zeros(n + 1, np.uint32), np.empty(size, np.uint32)
    at = 0
    for v in range(n):
        for i in range(begin[v], begin[v] + count[v]):
            out[at] = above[i]
            at += 1
        out_start[v + 1] = at
    return out_start, out, parent


@kernel
def _cells(parent: Array, up: Shortcuts, most: int) -> tuple[Array, Array, Array, Array, Array]:
    """See `Cells`: the largest parts of at most so many edges, which are in a row."""
    n = parent.size
    size, last = np.ones(n, np.int64), np.arange(n)
    for v in range(n - 1, -1, -1):
        if parent[v] >= 0:
            size[parent[v]] += size[v]
            last[parent[v]] = max(last[parent[v]], last[v])
    begin, end, start = np.empty(n, np.uint32), np.empty(n, np.uint32), np.zeros(n + 1, np.uint32)
    bound, seen = np.empty(n, np.uint32), np.full(n, -1, np.int64)
    of = np.full(n, -1, np.int32)
    cells, bounds, v = 0, 0, 0
    while v < n:
        if size[v] > most or last[v] - v + 1 != size[v]:
            v += 1
            continue
        begin[cells], end[cells] = v, last[v] + 1
        of[v : last[v] + 1] = cells
        for j in range(up.start[v], up.start[last[v] + 1]):
            x = up.above[j]
            if x < v and seen[x] != v:
                seen[x] = v
                if bounds == bound.size:
                    bound = np.concatenate((bound, np.empty(bounds, np.uint32)))
                bound[bounds] = x
                bounds += 1
        v = last[v] + 1
        cells += 1
        start[cells] = bounds
    return begin[:cells].copy(), end[:cells].copy(), start[: cells + 1].copy(), bound[:bounds].copy(), of


@kernel
def _find(to: Array, begin: Number, end: Number, wanted: Number) -> Number:
    """Index of a value in an ascending part of an array, -1 where it is not."""
    low, high = np.int64(begin), np.int64(end)
    while low < high:
        middle = (low + high) >> 1
        if to[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < end and to[low] == wanted else -1


@kernel
def _slots(turn_from: Array, turn_to: Array, start: Array, above: Array) -> Array:
    """int64[T]: the shortcut that holds each turn, `~slot` where it leads down, ~U for a turn into the same edge."""
    out = np.full(turn_from.size, ~np.int64(above.size))
    for i in range(turn_from.size):
        e, t = turn_from[i], turn_to[i]
        if e > t:
            out[i] = _find(above, start[e], start[e + 1], t)
        elif t > e:
            out[i] = ~_find(above, start[t], start[t + 1], e)
    return out


@kernel
def _transpose(start: Array, above: Array) -> tuple[Array, Array, Array]:
    """`under_start`, `under` and `under_slot` of `Shortcuts`."""
    n = start.size - 1
    place = np.zeros(n + 2, np.uint32)
    for i in range(above.size):
        place[above[i] + 2] += 1
    for v in range(n):
        place[v + 2] += place[v + 1]
    below, slot = np.empty(above.size, np.uint32), np.empty(above.size, np.uint32)
    for v in range(n):
        for i in range(start[v], start[v + 1]):
            k = place[above[i] + 1]
            place[above[i] + 1] += 1
            below[k], slot[k] = v, i
    return place[: n + 1].copy(), below, slot


@kernel
def _own(turn_slot: Array, arc_ms: Array, ups: int, downs: int) -> tuple[Array, Array]:
    """Values that shortcuts have from turns alone: up int32[ups], down int32[downs]."""
    up, down = np.full(ups, INF_MS, np.int32), np.full(downs, INF_MS, np.int32)
    for i in range(turn_slot.size):
        slot = turn_slot[i]
        if 0 <= slot < ups:
            up[slot] = min(up[slot], arc_ms[i])
        elif slot < 0 and ~slot < downs:
            down[~slot] = min(down[~slot], arc_ms[i])
    return up, down


@kernel
def _customise(up: Shortcuts, up_ms: Array, down: Shortcuts, down_ms: Array) -> None:
    """Lower every shortcut to its fastest way over edges below, z -> v -> x, from the last x to the first."""
    n = up.start.size - 1
    place_up, place_down = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    for x in range(n - 1, -1, -1):
        _lower(x, down, down_ms, up, up_ms, place_up)
        _lower(x, up, up_ms, down, down_ms, place_down)


@kernel
def _lower(x: int, by: Shortcuts, by_ms: Array, on: Shortcuts, on_ms: Array, place: Array) -> None:
    """Lower the shortcuts `on` between x and those above by ways over all v below x, `by` leading between x and v."""
    start, above, under, under_slot = on.start, on.above, by.under, by.under_slot
    for j in range(start[x], start[x + 1]):
        place[above[j]] = j
    for k in range(by.under_start[x], by.under_start[x + 1]):
        v, first = under[k], by_ms[under_slot[k]]
        if first < INF_MS:
            for j in range(start[v], start[v + 1]):
                y = above[j]
                if y >= x:
                    break
                value = first + on_ms[j]
                if value < on_ms[place[y]]:
                    on_ms[place[y]] = value


@kernel
def _fastest_over(x: int, y: int, by: Shortcuts, by_ms: Array, on: Shortcuts, on_ms: Array) -> int:
    """Fastest way between x and y over all v below x, which is below y: `by` leads between x and v, `on` v and y."""
    best = INF_MS
    for k in range(by.under_start[x], by.under_start[x + 1]):
        first = by_ms[by.under_slot[k]]
        if first < best:
            v = by.under[k]
            j = _find(on.above, on.start[v], on.start[v + 1], y)
            if j >= 0 and first + on_ms[j] < best:
                best = first + on_ms[j]
    return best


@kernel
def _mend(
    up: Shortcuts, up_ms: Array, own_up: Array, down: Shortcuts, down_ms: Array, own_down: Array,
    turn_slot: Array, arc_ms: Array, changed: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Bring shortcuts up to date after the turns `changed` (uint32[C]) have other weights; see `Change`."""
    n = up.start.size - 1
    doubt_up, doubt_down = np.zeros(up.above.size, np.bool_), np.zeros(down.above.size, np.bool_)
    doubt, new_up, new_down = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    high = -1
    for i in changed:
        slot = turn_slot[i]
        if slot >= 0:
            own_up[slot] = arc_ms[i]
            doubt_up[slot] = True
            x = np.searchsorted(up.start, slot, side="right") - 1
        elif ~slot < down.above.size:
            own_down[~slot] = arc_ms[i]
            doubt_down[~slot] = True
            x = np.searchsorted(down.start, ~slot, side="right") - 1
        else:
            continue
        doubt[x] = True
        high = max(high, x)
    for x in range(high, -1, -1):
        if doubt[x]:
            new_up[x] = _mend_at(x, up, up_ms, own_up, doubt_up, down, down_ms, doubt_down, doubt)
            new_down[x] = _mend_at(x, down, down_ms, own_down, doubt_down, up, up_ms, doubt_up, doubt)
    return new_up, new_down


@kernel
def _mend_at(
    x: int, on: Shortcuts, on_ms: Array, own: Array, doubt_on: Array, by: Shortcuts, by_ms: Array, doubt_by: Array,
    doubt: Array,
) -> bool:  # fmt: skip
    """Mend the shortcuts in doubt `on` between x and those above it; whether any changed. `by` is the other direction.

    A shortcut whose value changes may change those above that are made of it: between y and all z to which `by` leads
    from x, those are put in doubt whose value was, or now becomes, that of the way over x.
    """
    any_new = False
    for j in range(on.start[x], on.start[x + 1]):
        if not doubt_on[j]:
            continue
        y, old = on.above[j], on_ms[j]
        value = min(own[j], _fastest_over(x, y, by, by_ms, on, on_ms))
        if value == old:
            continue
        on_ms[j] = value
        any_new = True
        for i in range(by.start[x], by.start[x + 1]):
            z, part = by.above[i], by_ms[i]
            if z == y or part >= INF_MS:
                continue
            # a shortcut is kept at the lower of its ends
            if z > y:
                k = _find(on.above, on.start[z], on.start[z + 1], y)
                if on_ms[k] == part + old or on_ms[k] > part + value:
                    doubt_on[k] = doubt[z] = True
            else:
                k = _find(by.above, by.start[y], by.start[y + 1], z)
                if by_ms[k] == part + old or by_ms[k] > part + value:
                    doubt_by[k] = doubt[y] = True
    return any_new
