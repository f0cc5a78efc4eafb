"""Lanes: sixteen arrival fields side by side, made and kept right by one pass over the hierarchy's edges.

A pass over 170,000 edges is bound by fetching their shortcuts, so sixteen fields cost little more than one: each has a
lane of a SIMD vector, and the sixteen times at one edge share a cache line. When weights change, only those edges are
passed again whose shortcuts or whose ancestors' times have changed. What lies beyond the horizon of the new targets is
passed over a cell at a time: an incident opened in a county costs what it reaches of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from geo_backup.roads.hierarchy import Cells, Change, Metric, Shortcuts
from geo_backup.roads.kernel import INF_MS, Array, Number, kernel

LANES = 16
ALL = (1 << LANES) - 1
"""All lanes, a bit for each."""

MANY_SHARE = 32
"""When the times at one edge in so many have changed, most of what is left will change."""

FEW_SHARE = 256
"""When shortcuts up from more than one edge in so many have changed, a whole pass is cheaper than following doubts."""


class Lanes:
    """Up to sixteen fields under one metric. Belongs to the metric's thread.

    `values` int32[E + 1, 16]: milliseconds from the end of each edge to the lane's target, INF_MS where none within
    the horizon, in lanes without a target, and in the last row.
    """

    def __init__(self, metric: Metric, horizon_ms: int) -> None:
        self.metric = metric
        self.horizon_ms = horizon_ms
        self.values = _aligned(len(metric.hierarchy.parent) + 1)
        self._seeds: dict[int, tuple[Array, Array]] = {}
        self._tops: dict[int, tuple[Array, Array]] = {}
        self._merged: tuple[Array, Array, Array] | None = None
        self._fresh = 0
        """Lanes that `settle` is to fill in, a bit for each."""
        self._stale: set[int] = set()
        """Lanes whose times from their targets' ancestors are of former weights."""
        self._doubt: Array | None = None
        """Edges (bool[E]) whose times may be others since weights changed; None: none are."""
        self._reached = np.zeros(len(metric.hierarchy.cells.begin), np.uint16)
        """Lanes that may have times in a cell; in no other cell have they any."""

    @property
    def free(self) -> list[int]:
        """Lanes without a target."""
        return [lane for lane in range(LANES) if lane not in self._seeds]

    def put(self, lane: int, seed_edge: Array, seed_ms: Array) -> None:
        """Give a lane its target as seeds (edge uint32[S], ms int32[S]); `settle` then fills in the times."""
        self._seeds[lane] = (seed_edge, seed_ms)
        self._tops[lane] = ascend(self.metric, seed_edge, seed_ms)
        self._merged = None
        self._fresh |= 1 << lane
        self._stale.discard(lane)

    def drop(self, lane: int) -> None:
        """Take a lane's target away; its times stay until `settle` has something else to do."""
        del self._seeds[lane], self._tops[lane]
        self._stale.discard(lane)
        self._merged = None

    def settle(self) -> None:
        """Make all lanes right after `put` and `follow`."""
        h, up_ms = self.metric.hierarchy, self.metric.up_ms
        for lane in self._stale:
            before, self._tops[lane] = self._tops[lane], ascend(self.metric, *self._seeds[lane])
            self._merged = None
            if self._doubt is not None:
                self._doubt[before[0]] = self._doubt[self._tops[lane][0]] = True
        self._stale.clear()
        if self._doubt is not None:
            _sweep_doubtful(
                h.up, up_ms, h.cells, *self._ancestors(), self.horizon_ms, self._doubt, self._reached, self.values
            )
        if self._fresh:
            _sweep(
                h.up, up_ms, h.cells, *self._ancestors(), self.horizon_ms, self._fresh, self._reached, self.values, 0
            )
        self._doubt, self._fresh = None, 0

    def follow(self, change: Change) -> None:
        """The metric has adopted other weights: `settle` then brings the times up to them."""
        self._stale |= {
            lane for lane, (edge, _) in self._tops.items() if change.down is None or change.down[edge].any()
        }
        if change.up is None or np.count_nonzero(change.up) > len(change.up) // FEW_SHARE:
            self._doubt, self._fresh = None, ALL
        elif self._fresh != ALL:
            self._doubt = change.up.copy() if self._doubt is None else self._doubt | change.up

    def _ancestors(self) -> tuple[Array, Array, Array]:
        """The lanes' ancestors by number: edge uint32[M + 1] (the last beyond all edges), lane, ms int32[M]."""
        if self._merged is None:
            edge = np.concatenate([np.zeros(0, np.uint32), *(top[0] for top in self._tops.values())])
            ms = np.concatenate([np.zeros(0, np.int32), *(top[1] for top in self._tops.values())])
            lane = np.repeat(np.array(list(self._tops), np.int32), [len(top[0]) for top in self._tops.values()])
            order = np.argsort(edge, kind="stable")
            self._merged = np.append(edge[order], np.uint32(1 << 31)).astype(np.uint32), lane[order], ms[order]
        return self._merged


def ascend(metric: Metric, seed_edge: Array, seed_ms: Array) -> tuple[Array, Array]:
    """Times from the ancestors of a target: edge uint32[M] ascending, ms int32[M], over edges below them only."""
    h = metric.hierarchy
    return _ascend(h.parent, h.down.start, h.down.above, metric.down_ms, seed_edge, seed_ms, metric.scratch)


class Probe:
    """Times from a few edges only, without a field: what a new question about N units costs. One thread's own.

    Each edge needs its ancestors and no others, many of which it shares with the edges before it. In a cell that the
    target is not within the horizon of, it needs only those of the cell.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._ms = np.empty(len(metric.hierarchy.parent), np.int32)
        self._mark = np.zeros(len(metric.hierarchy.parent), np.int64)
        self._round = 0
        self._seen = np.zeros(len(metric.hierarchy.cells.end), np.int64)
        self._chain = np.empty(len(metric.hierarchy.parent), np.uint32)

    def at_end_ms(self, seed_edge: Array, seed_ms: Array, edges: Array, horizon_ms: int) -> Array:
        """int32[...] from the end of each of the edges (uint32[...], E = none) to the target, INF_MS = none."""
        h, self._round = self.metric.hierarchy, self._round + 2
        top_edge, top_ms = ascend(self.metric, seed_edge, seed_ms)
        flat = _probe(
            h.parent, h.up.start, h.up.above, self.metric.up_ms, h.cells, top_edge, top_ms, edges.ravel(),
            horizon_ms, self._ms, self._mark, self._seen, self._round, self._chain,
        )  # fmt: skip
        return flat.reshape(edges.shape)


def _aligned(rows: int) -> Array:
    """int32[rows, 16] of INF_MS whose rows are cache lines."""
    raw = np.full(rows * LANES + LANES, INF_MS, np.int32)
    skip = (-raw.ctypes.data % 64) // 4
    return raw[skip : skip + rows * LANES].reshape(rows, LANES)


@kernel
def _ascend(
    parent: Array, start: Array, above: Array, down_ms: Array, seed_edge: Array, seed_ms: Array, scratch: Array
) -> tuple[Array, Array]:
    """See `ascend`; `start` and `above` are of the shortcuts down, `scratch` int32[E] holds anything."""
    # the chains from the seeds up to the root, merged: the next is always the last of their heads, and chains meet soon
    heads = seed_edge.astype(np.int64)
    left, count = heads.size, 0
    chain = np.empty(256, np.uint32)
    while left > 0:
        v = heads[0]
        for h in range(1, left):
            v = max(v, heads[h])
        if count == chain.size:
            chain = np.concatenate((chain, np.empty(count, np.uint32)))
        chain[count] = v
        count += 1
        scratch[v] = INF_MS
        kept = 0
        for h in range(left):
            if heads[h] != v:
                heads[kept] = heads[h]
                kept += 1
        if parent[v] >= 0:
            heads[kept] = parent[v]
            kept += 1
        left = kept
    for s in range(seed_edge.size):
        scratch[seed_edge[s]] = min(scratch[seed_edge[s]], seed_ms[s])
    edge, ms = np.empty(count, np.uint32), np.empty(count, np.int32)
    for i in range(count):
        v = chain[i]
        value = scratch[v]
        edge[count - 1 - i], ms[count - 1 - i] = v, value
        if value < INF_MS:
            for j in range(start[v], start[v + 1]):
                x = above[j]
                scratch[x] = min(scratch[x], value + down_ms[j])
    return edge, ms


@kernel
def _probe(
    parent: Array, start: Array, above: Array, up_ms: Array, cells: Cells, top_edge: Array, top_ms: Array,
    edges: Array, horizon_ms: int, ms: Array, mark: Array, seen: Array, round_: int, chain: Array,
) -> Array:  # fmt: skip
    """See `Probe`; `start` and `above` are of the shortcuts up. `mark` is `round_` where `ms` holds a start, and
    `round_ + 1` where it is settled; `seen` int64[C] is `round_` where a cell is reached, and `round_ + 1` where it is
    not; `chain` uint32[E] holds anything."""
    out = np.full(edges.size, INF_MS, np.int32)
    for i in range(top_edge.size):
        ms[top_edge[i]] = top_ms[i]
        mark[top_edge[i]] = round_
    for k in range(edges.size):
        v = np.int64(edges[k])
        if v >= parent.size:
            continue
        c = cells.of[v]
        if c >= 0:
            if seen[c] < round_:
                begin = cells.begin[c]
                _climb(parent[begin], parent, start, above, up_ms, ms, mark, round_, chain)
                seen[c] = round_ + 1
                for i in range(top_edge.size):
                    if begin <= top_edge[i] < cells.end[c]:
                        seen[c] = round_
                for i in range(cells.start[c], cells.start[c + 1]):
                    if ms[cells.bound[i]] <= horizon_ms:
                        seen[c] = round_
            if seen[c] == round_ + 1:
                continue
        _climb(v, parent, start, above, up_ms, ms, mark, round_, chain)
        if ms[v] <= horizon_ms:
            out[k] = ms[v]
    return out


@kernel
def _climb(
    v: Number,
    parent: Array,
    start: Array,
    above: Array,
    up_ms: Array,
    ms: Array,
    mark: Array,
    round_: int,
    chain: Array,
) -> None:
    """Settle an edge (-1: none) and its ancestors."""
    length = 0
    v = np.int64(v)
    while v >= 0 and mark[v] != round_ + 1:
        chain[length] = v
        length += 1
        v = parent[v]
    for i in range(length - 1, -1, -1):
        v = chain[i]
        best = ms[v] if mark[v] == round_ else INF_MS
        for j in range(start[v], start[v + 1]):
            best = min(best, up_ms[j] + ms[above[j]])
        ms[v] = best
        mark[v] = round_ + 1


@kernel
def _sweep(
    up: Shortcuts, up_ms: Array, cells: Cells, top_edge: Array, top_lane: Array, top_ms: Array, horizon_ms: int,
    fresh: int, reached: Array, values: Array, begin: Number,
) -> None:  # fmt: skip
    """All edges from `begin` to the last, but for the cells where no lane of `fresh` has or had a time."""
    least = np.empty(LANES, np.int32)
    at, e = 0, np.int64(begin)
    while top_edge[at] < e:
        at += 1
    for c in range(cells.begin.size):
        first, end = np.int64(cells.begin[c]), np.int64(cells.end[c])
        if end <= e:
            continue
        if first < e:  # it is begun
            at = _pass(up, up_ms, e, end, top_edge, top_lane, top_ms, at, horizon_ms, values)
            e, reached[c] = end, reached[c] | fresh
            continue
        at = _pass(up, up_ms, e, first, top_edge, top_lane, top_ms, at, horizon_ms, values)
        e = end
        least[:] = INF_MS
        for i in range(cells.start[c], cells.start[c + 1]):
            for k in range(LANES):
                least[k] = min(least[k], values[cells.bound[i], k])
        now = 0
        for k in range(LANES):
            now |= (least[k] < INF_MS) << k
        i = at
        while top_edge[i] < end:
            now |= 1 << top_lane[i]
            i += 1
        if ((now | reached[c]) & fresh) == 0:
            at = i
            continue
        at = _pass(up, up_ms, first, end, top_edge, top_lane, top_ms, at, horizon_ms, values)
        reached[c] = (reached[c] & ~fresh) | (now & fresh)
    _pass(up, up_ms, e, up.start.size - 1, top_edge, top_lane, top_ms, at, horizon_ms, values)


@kernel
def _pass(
    up: Shortcuts, up_ms: Array, begin: Number, end: Number, top_edge: Array, top_lane: Array, top_ms: Array, at: int,
    horizon_ms: int, values: Array,
) -> int:  # fmt: skip
    """All lanes of the edges from `begin` to `end`; `at` is the first of the ancestors there, the answer the next."""
    start, above = up.start, up.above
    for e in range(begin, end):
        for k in range(LANES):
            values[e, k] = INF_MS
        while top_edge[at] == e:
            values[e, top_lane[at]] = top_ms[at]
            at += 1
        _settle(values, e, above, up_ms, start[e], start[e + 1], horizon_ms)
    return at


@kernel
def _sweep_doubtful(
    up: Shortcuts, up_ms: Array, cells: Cells, top_edge: Array, top_lane: Array, top_ms: Array, horizon_ms: int,
    doubt: Array, reached: Array, values: Array,
) -> None:  # fmt: skip
    """All lanes of the edges in doubt (bool[E], used up), and of those below an edge that has changed. Where these are
    many, a sweep over all that is left takes less."""
    start, above = up.start, up.above
    at, e, left = 0, -1, doubt.size // MANY_SHARE
    before = np.empty(LANES, np.int32)
    eights = doubt[: doubt.size & ~7].view(np.uint64)
    while True:
        e += 1
        while e & 7 == 0 and e >> 3 < eights.size and eights[e >> 3] == 0:
            e += 8
        if e >= doubt.size:
            break
        if not doubt[e]:
            continue
        while top_edge[at] < e:
            at += 1
        for k in range(LANES):
            before[k] = values[e, k]
            values[e, k] = INF_MS
        while top_edge[at] == e:
            values[e, top_lane[at]] = top_ms[at]
            at += 1
        _settle(values, e, above, up_ms, start[e], start[e + 1], horizon_ms)
        same = True
        for k in range(LANES):
            same &= before[k] == values[e, k]
        if not same:
            if cells.of[e] >= 0:
                reached[cells.of[e]] = ALL
            left -= 1
            if left < 0:
                _sweep(up, up_ms, cells, top_edge, top_lane, top_ms, horizon_ms, ALL, reached, values, np.int64(e + 1))
                break
            for j in range(up.under_start[e], up.under_start[e + 1]):
                doubt[up.under[j]] = True


@intrinsic  # type: ignore[untyped-decorator]
def _settle(typing: Any, values: Any, row: Any, to: Any, ms: Any, begin: Any, end: Any, horizon_ms: Any) -> Any:
    """values[row] = min(values[row], ms[j] + values[to[j]], j from begin to end) in all lanes; over the horizon INF_MS.

    Written as vectors, for plain loops over sixteen lanes take seven times as long: the compiler fears that a row may
    be read while it is written.
    """
    lanes = ir.VectorType(ir.IntType(32), LANES)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    inf = ir.Constant(lanes, [INF_MS] * LANES)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        arrays = [context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 2, 3)]
        rows = builder.bitcast(arrays[0], lanes.as_pointer())
        number, first, last, limit = (
            context.cast(builder, args[i], signature.args[i], types.int64) for i in (1, 4, 5, 6)
        )

        def spread(value: Any) -> Any:
            undefined = ir.Constant(lanes, ir.Undefined)
            one = builder.insert_element(undefined, value, ir.Constant(ir.IntType(32), 0))
            return builder.shuffle_vector(one, undefined, zeros)

        def least(a: Any, b: Any) -> Any:
            return builder.select(builder.icmp_signed("<", a, b), a, b)

        place = builder.gep(rows, [number])
        start, entry = builder.load(place, align=64), builder.block
        test, body, done = (builder.append_basic_block(name) for name in ("test", "body", "done"))
        builder.branch(test)
        builder.position_at_end(test)
        j, best = builder.phi(ir.IntType(64)), builder.phi(lanes)
        builder.cbranch(builder.icmp_signed("<", j, last), body, done)
        builder.position_at_end(body)
        above = builder.load(
            builder.gep(rows, [builder.zext(builder.load(builder.gep(arrays[1], [j])), j.type)]), align=64
        )
        better = least(builder.add(above, spread(builder.load(builder.gep(arrays[2], [j])))), best)
        after = builder.add(j, ir.Constant(j.type, 1))
        for value, began, went_on in ((j, first, after), (best, start, better)):
            value.add_incoming(began, entry)
            value.add_incoming(went_on, body)
        builder.branch(test)
        builder.position_at_end(done)
        bound = spread(builder.trunc(limit, ir.IntType(32)))
        builder.store(builder.select(builder.icmp_signed(">", best, bound), inf, best), place, align=64)
        return context.get_dummy_value()

    return types.void(values, row, to, ms, begin, end, horizon_ms), emit
