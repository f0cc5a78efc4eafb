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
from weakref import WeakKeyDictionary

import numpy as np

from geo_backup.roads.network import Array, RoadNetwork
from geo_backup.roads.search import INF_MS, Number, kernel
from geo_backup.roads.weights import Weights

FEW_SHARE = 400
"""Up to one turn in so many may change for shortcuts to be mended one by one; beyond, all are made anew."""


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Where shortcuts lie. Those *up* lead from an edge to its ancestors, those *down* from its ancestors to it.

    `parent` int32[E]: nearest ancestor, -1 at a root. `up_start` uint32[E + 1], `up_to` uint32[U] ascending in each
    group; `down_start`, `down_from` [D] likewise. `under_*`: the same shortcuts by their upper end: `start`
    uint32[E + 1], edge below uint32, index of the shortcut uint32. `turn_slot` int32[T]: the shortcut that holds a
    turn, `~slot` where it is one down, and ~D for a turn from an edge into itself, which no way takes.
    """

    parent: Array
    up_start: Array
    up_to: Array
    down_start: Array
    down_from: Array
    under_up: tuple[Array, Array, Array]
    under_down: tuple[Array, Array, Array]
    turn_slot: Array

    @classmethod
    def of(cls, network: RoadNetwork) -> Hierarchy:
        """The hierarchy of a network, made on first use (0.2 s for 170,000 edges)."""
        made = _MADE.get(network)
        if made is None:
            made = _MADE[network] = _make(network)
        return made


_MADE: WeakKeyDictionary[RoadNetwork, Hierarchy] = WeakKeyDictionary()


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
        self._pour()

    def _pour(self) -> None:
        h = self.hierarchy
        self._own_up, self._own_down = _own(h.turn_slot, self.weights.arc_ms, len(h.up_to), len(h.down_from))
        self.up_ms, self.down_ms = self._own_up.copy(), self._own_down.copy()
        _customise(h.up_start, h.up_to, self.up_ms, h.down_start, h.down_from, self.down_ms, *h.under_up, *h.under_down)

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
            h.up_start, h.up_to, self.up_ms, self._own_up, h.down_start, h.down_from, self.down_ms, self._own_down,
            *h.under_up, *h.under_down, h.turn_slot, self.weights.arc_ms, turns,
        )  # fmt: skip
        return Change(up, down)


def _make(network: RoadNetwork) -> Hierarchy:
    turn_from, turn_to = network.graph.turn_from, network.turn_to.astype(np.uint32)
    start, above, parent = _eliminate(*_neighbours(turn_from, turn_to, network.edges))
    # pour in zeros: what stays without a value can never have one, mostly because of one-ways, and is left out
    slot = _slots(turn_from, turn_to, start, above)
    up, down = _own(slot, np.zeros(network.turns, np.int32), len(above), len(above))
    under = _transpose(start, above)
    _customise(start, above, up, start, above, down, *under, *under)
    up_start, up_to, up_slot = _kept(start, above, up)
    down_start, down_from, down_slot = _kept(start, above, down)
    turn_slot = np.where(slot >= 0, up_slot[np.maximum(slot, 0)], ~down_slot[np.maximum(~slot, 0)]).astype(np.int32)
    return Hierarchy(
        parent=parent,
        up_start=up_start,
        up_to=up_to,
        down_start=down_start,
        down_from=down_from,
        under_up=_transpose(up_start, up_to),
        under_down=_transpose(down_start, down_from),
        turn_slot=turn_slot,
    )


def _neighbours(turn_from: Array, turn_to: Array, edges: int) -> tuple[Array, Array]:
    """The graph without directions: `start` uint32[E + 1] and the neighbours with smaller numbers."""
    high = np.maximum(turn_from, turn_to).astype(np.int64)
    low = np.minimum(turn_from, turn_to).astype(np.int64)
    pair = np.unique((high * edges + low)[high != low])
    start = np.zeros(edges + 1, np.uint32)
    np.cumsum(np.bincount(pair // edges, minlength=edges), out=start[1:])
    return start, (pair % edges).astype(np.uint32)


def _kept(start: Array, to: Array, value: Array) -> tuple[Array, Array, Array]:
    """The shortcuts that have a value: their start and end as before, and the new index of each old one (and of the
    end of them all)."""
    keep = value < INF_MS
    running = np.concatenate(([0], np.cumsum(keep)))
    return running[start].astype(np.uint32), to[keep], running.astype(np.int64)


@kernel
def _eliminate(start: Array, low: Array) -> tuple[Array, Array, Array]:
    """Take the edges out from the last to the first, joining the neighbours each leaves behind.

    Answers `start` uint32[E + 1], `above` uint32 (the ancestors that an edge has shortcuts with, ascending) and
    `parent` int32[E] (the last of them, or -1).
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
        first = size
        for i in range(start[v], start[v + 1]):
            seen[low[i]] = v
            above[size] = low[i]
            size += 1
        # a child's shortcuts lead to v and to others above v
        c = child[v]
        while c >= 0:
            for i in range(begin[c], begin[c] + count[c]):
                x = above[i]
                if x < v and seen[x] != v:
                    seen[x] = v
                    above[size] = x
                    size += 1
            c = sibling[c]
        above[first:size].sort()
        begin[v], count[v] = first, size - first
        if size > first:
            parent[v] = above[size - 1]
            sibling[v] = child[parent[v]]
            child[parent[v]] = v
    out_start, out = np.zeros(n + 1, np.uint32), np.empty(size, np.uint32)
    at = 0
    for v in range(n):
        for i in range(begin[v], begin[v] + count[v]):
            out[at] = above[i]
            at += 1
        out_start[v + 1] = at
    return out_start, out, parent


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
def _transpose(start: Array, to: Array) -> tuple[Array, Array, Array]:
    """Shortcuts by their upper end; see `Hierarchy.under_up`."""
    n = start.size - 1
    place = np.zeros(n + 2, np.uint32)
    for i in range(to.size):
        place[to[i] + 2] += 1
    for v in range(n):
        place[v + 2] += place[v + 1]
    below, slot = np.empty(to.size, np.uint32), np.empty(to.size, np.uint32)
    for v in range(n):
        for i in range(start[v], start[v + 1]):
            k = place[to[i] + 1]
            place[to[i] + 1] += 1
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
def _customise(
    up_start: Array,
    up_to: Array,
    up_ms: Array,
    down_start: Array,
    down_from: Array,
    down_ms: Array,
    under_up_start: Array,
    under_up: Array,
    under_up_slot: Array,
    under_down_start: Array,
    under_down: Array,
    under_down_slot: Array,
) -> None:
    """Lower every shortcut to its fastest way over edges below: x -> v -> y, from the last x to the first."""
    n = up_start.size - 1
    place_up, place_down = np.zeros(n, np.uint32), np.zeros(n, np.uint32)
    for x in range(n - 1, -1, -1):
        for j in range(up_start[x], up_start[x + 1]):
            place_up[up_to[j]] = j
        for j in range(down_start[x], down_start[x + 1]):
            place_down[down_from[j]] = j
        # x -> v down, v -> y up
        for k in range(under_down_start[x], under_down_start[x + 1]):
            v, first = under_down[k], down_ms[under_down_slot[k]]
            if first < INF_MS:
                for j in range(up_start[v], up_start[v + 1]):
                    y = up_to[j]
                    if y >= x:
                        break
                    value = first + up_ms[j]
                    if value < up_ms[place_up[y]]:
                        up_ms[place_up[y]] = value
        # z -> v down, v -> x up
        for k in range(under_up_start[x], under_up_start[x + 1]):
            v, last = under_up[k], up_ms[under_up_slot[k]]
            if last < INF_MS:
                for j in range(down_start[v], down_start[v + 1]):
                    z = down_from[j]
                    if z >= x:
                        break
                    value = down_ms[j] + last
                    if value < down_ms[place_down[z]]:
                        down_ms[place_down[z]] = value


@kernel
def _fastest_over(
    x: int, y: int, in_start: Array, in_below: Array, in_slot: Array, in_ms: Array,
    out_start: Array, out_to: Array, out_ms: Array,
) -> int:  # fmt: skip
    """Fastest x -> v -> y (or, with the roles exchanged, y -> v -> x) over all v below x, which is below y."""
    best = INF_MS
    for k in range(in_start[x], in_start[x + 1]):
        first = in_ms[in_slot[k]]
        if first < best:
            v = in_below[k]
            j = _find(out_to, out_start[v], out_start[v + 1], y)
            if j >= 0 and first + out_ms[j] < best:
                best = first + out_ms[j]
    return best


@kernel
def _mend(
    up_start: Array,
    up_to: Array,
    up_ms: Array,
    own_up: Array,
    down_start: Array,
    down_from: Array,
    down_ms: Array,
    own_down: Array,
    under_up_start: Array,
    under_up: Array,
    under_up_slot: Array,
    under_down_start: Array,
    under_down: Array,
    under_down_slot: Array,
    turn_slot: Array,
    arc_ms: Array,
    changed: Array,
) -> tuple[Array, Array]:
    """Bring shortcuts up to date after the turns `changed` (uint32[C]) have other weights; see `Metric.adopt`.

    A shortcut whose value changes may change those above that are made of it: of x -> y, for x below y, all z -> x -> y
    and x -> y -> z are looked at whose value was, or becomes, that of the way through it.
    """
    n = up_start.size - 1
    doubt_up, doubt_down = np.zeros(up_to.size, np.bool_), np.zeros(down_from.size, np.bool_)
    doubt = np.zeros(n, np.bool_)
    new_up, new_down = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    high = -1
    for i in changed:
        slot = turn_slot[i]
        if slot >= 0:
            own_up[slot] = arc_ms[i]
            doubt_up[slot] = True
            x = np.searchsorted(up_start, slot, side="right") - 1
        elif ~slot < down_from.size:
            own_down[~slot] = arc_ms[i]
            doubt_down[~slot] = True
            x = np.searchsorted(down_start, ~slot, side="right") - 1
        else:
            continue
        doubt[x] = True
        high = max(high, x)
    for x in range(high, -1, -1):
        if not doubt[x]:
            continue
        for j in range(up_start[x], up_start[x + 1]):
            if not doubt_up[j]:
                continue
            y, old = up_to[j], up_ms[j]
            value = _fastest_over(x, y, under_down_start, under_down, under_down_slot, down_ms, up_start, up_to, up_ms)
            value = min(value, own_up[j])
            if value == old:
                continue
            up_ms[j] = value
            new_up[x] = True
            for i in range(down_start[x], down_start[x + 1]):
                z = down_from[i]
                if z == y or down_ms[i] >= INF_MS:
                    continue
                if z > y:
                    k = _find(up_to, up_start[z], up_start[z + 1], y)
                    if up_ms[k] == down_ms[i] + old or up_ms[k] > down_ms[i] + value:
                        doubt_up[k] = doubt[z] = True
                else:
                    k = _find(down_from, down_start[y], down_start[y + 1], z)
                    if down_ms[k] == down_ms[i] + old or down_ms[k] > down_ms[i] + value:
                        doubt_down[k] = doubt[y] = True
        for j in range(down_start[x], down_start[x + 1]):
            if not doubt_down[j]:
                continue
            y, old = down_from[j], down_ms[j]
            value = _fastest_over(x, y, under_up_start, under_up, under_up_slot, up_ms, down_start, down_from, down_ms)
            value = min(value, own_down[j])
            if value == old:
                continue
            down_ms[j] = value
            new_down[x] = True
            for i in range(up_start[x], up_start[x + 1]):
                z = up_to[i]
                if z == y or up_ms[i] >= INF_MS:
                    continue
                if y > z:
                    k = _find(up_to, up_start[y], up_start[y + 1], z)
                    if up_ms[k] == up_ms[i] + old or up_ms[k] > up_ms[i] + value:
                        doubt_up[k] = doubt[y] = True
                else:
                    k = _find(down_from, down_start[z], down_start[z + 1], y)
                    if down_ms[k] == up_ms[i] + old or down_ms[k] > up_ms[i] + value:
                        doubt_down[k] = doubt[z] = True
    return new_up, new_down
