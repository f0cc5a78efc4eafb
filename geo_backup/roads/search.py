"""Search kernels: plain numba functions over int32 arrays, which know nothing of roads.

States are directed edges. `at_end[e]` is the time from the end of edge e to the target; an arc e -> t costs
`turn_ms + edge_ms[t]`, and arcs are grouped by t because the search runs backwards from the target. Every `edge_ms`
is at least 1, so the fixed point of

    at_end[e] = min(seed[e], min over turns e -> t of turn_ms + edge_ms[t] + at_end[t])

is unique: a repaired field equals a rebuilt one to the last bit. Values above the horizon are INF_MS.

The queue of a build is a row of buckets (Dial 1969; Denardo and Fox 1979), linked lists whose entries are reused and
so stay in the cache; inside a bucket labels may be corrected. Repair follows Ramalingam and Reps 1996.

Arrays that are indices come as uint32: numba then spares the test for negative ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])
Number = Any
"""A scalar inside a kernel, of whichever width numba gives it."""

INF_MS = (1 << 30) - 1
"""No way. Two of them still fit into an int32."""

BUCKET_SHIFT = 10
"""A bucket is 1.024 s wide, about the weight of a short edge."""

_TEXTS = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
_SOURCES = hashlib.sha256(b"".join(text for text in _TEXTS if b"@kernel" in text)).digest()


def kernel(function: F) -> F:
    """Decorator of every compiled function: cached on disk, and free of the interpreter's lock.

    Numba calls its cache stale when the function's own file has changed, but a kernel has those it calls inside it,
    and they may come from another: a cache holds for exactly these sources of all kernels.
    """
    compiled = numba.njit(cache=True, nogil=True)(function)
    compiled._cache._cache_file._source_stamp = _SOURCES
    return cast(F, compiled)


@kernel
def pack_arcs(turn_start: Array, turn_from: Array, turn_ms: Array, edge_ms: Array) -> Array:
    """Arcs int32[T, 2] for `build`: the edge a turn leaves and the whole weight of the arc, INF_MS where closed."""
    arcs = np.empty((turn_from.size, 2), np.int32)
    for t in range(edge_ms.size):
        for i in range(turn_start[t], turn_start[t + 1]):
            arcs[i, 0] = turn_from[i]
            arcs[i, 1] = min(INF_MS, turn_ms[i] + edge_ms[t])
    return arcs


@kernel
def build(turn_start: Array, arcs: Array, seed_edge: Array, seed_ms: Array, horizon_ms: int) -> Array:
    """at_end int32[E] from seeds (edge uint32[S], ms int32[S])."""
    room = turn_start.size + seed_edge.size
    while True:
        fits, at_end = _build(turn_start, arcs, seed_edge, seed_ms, horizon_ms, room)
        if fits:
            return at_end
        room *= 2


@kernel
def _build(
    turn_start: Array, arcs: Array, seed_edge: Array, seed_ms: Array, horizon_ms: int, room: int
) -> tuple[bool, Array]:
    """One try with a queue of `room` entries; a queue that could grow inside the loop costs a third more time."""
    at_end = np.full(turn_start.size - 1, INF_MS, np.int32)
    # entries: state, value, next in the bucket or among the free; the freed are used first, so few are ever touched
    pool = np.empty((room, 4), np.int32)
    used, free = np.uint32(0), np.int32(-1)
    head = np.full((horizon_ms >> BUCKET_SHIFT) + 1, -1, np.int32)
    for s in range(seed_edge.size):
        value = seed_ms[s]
        e = seed_edge[s]
        if value <= horizon_ms and value < at_end[e]:
            at_end[e] = value
            bucket = np.uint32(value >> BUCKET_SHIFT)
            pool[used, 0], pool[used, 1], pool[used, 2] = e, value, head[bucket]
            head[bucket] = used
            used += np.uint32(1)
    for b in range(head.size):
        entry = head[b]
        while entry >= 0:
            p = np.uint32(entry)
            t, reached = np.uint32(pool[p, 0]), pool[p, 1]
            head[b] = pool[p, 2]
            pool[p, 2] = free
            free = np.int32(p)
            # an entry whose state was lowered since is stale
            if reached == at_end[t]:
                for i in range(turn_start[t], turn_start[t + np.uint32(1)]):
                    value = reached + arcs[np.uint32(i), 1]
                    e = np.uint32(arcs[np.uint32(i), 0])
                    if value < at_end[e] and value <= horizon_ms:
                        at_end[e] = value
                        if free >= 0:
                            q = np.uint32(free)
                            free = pool[q, 2]
                        else:
                            q = used
                            if q >= room:
                                return False, at_end
                            used += np.uint32(1)
                        bucket = np.uint32(value >> BUCKET_SHIFT)
                        pool[q, 0], pool[q, 1], pool[q, 2] = e, value, head[bucket]
                        head[bucket] = np.int32(q)
            entry = head[b]
    return True, at_end


@kernel
def cut_by_horizon(turn_start: Array, turn_from: Array, turn_ms: Array, edge_ms: Array, at_end: Array) -> bool:
    """Whether some state without a value would have one beyond the horizon."""
    for t in range(at_end.size):
        if at_end[t] >= INF_MS or edge_ms[t] >= INF_MS:
            continue
        for i in range(turn_start[t], turn_start[t + 1]):
            if turn_ms[i] < INF_MS and at_end[turn_from[i]] >= INF_MS:
                return True
    return False


@kernel
def _push(heap: Array, size: int, key: Number) -> int:
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if heap[above] <= key:
            break
        heap[at] = heap[above]
        at = above
    heap[at] = key
    return size + 1


@kernel
def _pop(heap: Array, size: int) -> int:
    """Remove the smallest key heap[0]; returns the new size."""
    size -= 1
    key = heap[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= key:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = key
    return size


@kernel
def repair(
    turn_start: Array,
    turn_from: Array,
    turn_ms: Array,
    leave_start: Array,
    leave_turn: Array,
    leave_to: Array,
    old_edge_ms: Array,
    edge_ms: Array,
    changed: Array,
    seed_edge: Array,
    seed_ms: Array,
    at_end: Array,
    horizon_ms: int,
    budget: int,
) -> tuple[int, Array]:
    """Bring at_end up to date after the weights of `changed` (uint32[C], not target edges) went up or down.

    Returns 0 and the same array when nothing changes, 1 and a new array, or -1 when more than `budget` turns had to
    be looked at. `leave_*` are the turns grouped by the edge they leave.
    """
    mask = np.int64((1 << 32) - 1)
    work = 0
    heap = np.empty(256, np.int64)
    size = 0
    # 1. who leaned on an edge that got slower?
    for c in range(changed.size):
        t = changed[c]
        if edge_ms[t] <= old_edge_ms[t] or at_end[t] >= INF_MS:
            continue
        work += turn_start[t + 1] - turn_start[t]
        for i in range(turn_start[t], turn_start[t + 1]):
            e = turn_from[i]
            if turn_ms[i] < INF_MS and at_end[e] == at_end[t] + old_edge_ms[t] + turn_ms[i]:
                if size == heap.size:
                    heap = np.concatenate((heap, np.empty(heap.size, np.int64)))
                size = _push(heap, size, (np.int64(at_end[e]) << 32) | np.int64(e))
    lowers = False
    for c in range(changed.size):
        t = changed[c]
        if edge_ms[t] < old_edge_ms[t] and at_end[t] < INF_MS:
            lowers = True
    if size == 0 and not lowers:
        return 0, at_end
    out = at_end.copy()
    lost = np.zeros(at_end.size, np.uint8)  # 1: lost its support, 2: looked at and fine
    lost_list = np.empty(256, np.uint32)
    losses = 0
    # in the order of the old values, so that what e may lean on is settled before e
    while size > 0:
        e = np.uint32(heap[0] & mask)
        size = _pop(heap, size)
        if lost[e] != 0:
            continue
        lost[e] = 2
        value = at_end[e]
        kept = False
        for s in range(seed_edge.size):
            if seed_edge[s] == e and seed_ms[s] == value:
                kept = True
        work += leave_start[e + 1] - leave_start[e]
        if not kept:
            for j in range(leave_start[e], leave_start[e + 1]):
                t = leave_to[j]
                turn = turn_ms[leave_turn[j]]
                # the one equality that counts: a faster edge gives a smaller value, which the second phase finds
                if turn < INF_MS and edge_ms[t] < INF_MS and lost[t] != 1 and at_end[t] + edge_ms[t] + turn == value:
                    kept = True
                    break
        if kept:
            continue
        lost[e] = 1
        out[e] = INF_MS
        if losses == lost_list.size:
            lost_list = np.concatenate((lost_list, np.empty(losses, np.uint32)))
        lost_list[losses] = e
        losses += 1
        work += turn_start[e + 1] - turn_start[e]
        if work > budget:
            return -1, at_end
        if old_edge_ms[e] >= INF_MS:
            continue
        for i in range(turn_start[e], turn_start[e + 1]):
            p = turn_from[i]
            if lost[p] == 0 and turn_ms[i] < INF_MS and at_end[p] == value + old_edge_ms[e] + turn_ms[i]:
                if size == heap.size:
                    heap = np.concatenate((heap, np.empty(heap.size, np.int64)))
                size = _push(heap, size, (np.int64(at_end[p]) << 32) | np.int64(p))
    # 2. best value of the lost from those who kept theirs, and what got faster
    for k in range(losses):
        e = lost_list[k]
        best = INF_MS
        for s in range(seed_edge.size):
            if seed_edge[s] == e and seed_ms[s] < best and seed_ms[s] <= horizon_ms:
                best = seed_ms[s]
        work += leave_start[e + 1] - leave_start[e]
        for j in range(leave_start[e], leave_start[e + 1]):
            t = leave_to[j]
            turn = turn_ms[leave_turn[j]]
            if turn < INF_MS and edge_ms[t] < INF_MS and out[t] < INF_MS:
                value = out[t] + edge_ms[t] + turn
                if value < best and value <= horizon_ms:
                    best = value
        if best < INF_MS:
            out[e] = best
            if size == heap.size:
                heap = np.concatenate((heap, np.empty(heap.size, np.int64)))
            size = _push(heap, size, (np.int64(best) << 32) | np.int64(e))
    for c in range(changed.size):
        t = changed[c]
        if edge_ms[t] >= old_edge_ms[t] or out[t] >= INF_MS:
            continue
        work += turn_start[t + 1] - turn_start[t]
        for i in range(turn_start[t], turn_start[t + 1]):
            if turn_ms[i] < INF_MS:
                value = out[t] + edge_ms[t] + turn_ms[i]
                e = turn_from[i]
                if value < out[e] and value <= horizon_ms:
                    out[e] = value
                    if size == heap.size:
                        heap = np.concatenate((heap, np.empty(heap.size, np.int64)))
                    size = _push(heap, size, (np.int64(value) << 32) | np.int64(e))
    while size > 0:
        key = heap[0]
        size = _pop(heap, size)
        t = np.uint32(key & mask)
        if out[t] != (key >> 32) or edge_ms[t] >= INF_MS:
            continue
        work += turn_start[t + 1] - turn_start[t]
        if work > budget:
            return -1, at_end
        base = out[t] + edge_ms[t]
        for i in range(turn_start[t], turn_start[t + 1]):
            if turn_ms[i] >= INF_MS:
                continue
            value = base + turn_ms[i]
            e = turn_from[i]
            if value < out[e] and value <= horizon_ms:
                out[e] = value
                if size == heap.size:
                    heap = np.concatenate((heap, np.empty(heap.size, np.int64)))
                size = _push(heap, size, (np.int64(value) << 32) | np.int64(e))
    return 1, out


@kernel
def read_etas(
    edge: Array,
    fraction: Array,
    turn_round: Array,
    lead_ms: Array,
    advance_m: Array,
    edge_length_m: Array,
    edge_ms: Array,
    open_edge_ms: Array,
    at_end: Array,
    target_edge: Array,
    target_fraction: Array,
    target_leg_ms: Array,
    u_turn_ms: int,
) -> tuple[Array, Array]:
    """Best candidate of each unit: eta int32[N] and which int8[N] (-1 = none); edge int32[N, 4] and so on."""
    units = edge.shape[0]
    eta = np.empty(units, np.int32)
    which = np.empty(units, np.int8)
    for n in range(units):
        best = INF_MS
        chosen = -1
        for c in range(edge.shape[1]):
            if edge[n, c] < 0:
                continue
            e = np.uint32(edge[n, c])
            at = moved(fraction[n, c], turn_round[n, c], advance_m[n], edge_length_m[e])
            extra = lead_ms[n, c] + (u_turn_ms if turn_round[n, c] else 0)
            if at_end[e] < INF_MS:
                value = ((np.int64(open_edge_ms[e]) * (65536 - at)) >> 16) + at_end[e] + extra
                if value < best:
                    best, chosen = value, c
            for k in range(target_edge.size):
                if target_edge[k] == e and target_fraction[k] >= at and edge_ms[e] < INF_MS:
                    value = ((np.int64(edge_ms[e]) * (target_fraction[k] - at)) >> 16) + target_leg_ms[k] + extra
                    if value < best:
                        best, chosen = value, c
        eta[n] = best
        which[n] = chosen
    return eta, which


@kernel
def moved(fraction: Number, turn_round: Number, advance_m: Number, length_m: Number) -> Number:
    """A fraction moved along its edge, kept on it; who will turn round moves away from its edge's end first."""
    if advance_m <= 0.0:
        return np.int64(fraction)
    step = np.int64(65536.0 * min(1.0, advance_m / max(length_m, np.float32(0.01))))
    if turn_round:
        return max(np.int64(0), np.int64(fraction) - step)
    return min(np.int64(65536), np.int64(fraction) + step)


@kernel
def downhill(
    leave_start: Array,
    leave_turn: Array,
    leave_to: Array,
    turn_ms: Array,
    edge_ms: Array,
    at_end: Array,
    seed_edge: Array,
    seed_ms: Array,
    seed_turn: Array,
    seed_target: Array,
    first: int,
    path: Array,
    path_turn: Array,
) -> tuple[int, int]:
    """Walk from the end of edge `first` down to the target.

    Fills `path` (edges entered, the target's last) and `path_turn` (the turns into them), returns how many and which
    target; -1 targets when there is no way or the path does not fit. Among equals the first turn is taken.
    """
    e = np.uint32(first)
    steps = 0
    while steps < path.size:
        value = at_end[e]
        if value >= INF_MS:
            return steps, -1
        for s in range(seed_edge.size):
            if seed_edge[s] == e and seed_ms[s] == value:
                path_turn[steps] = seed_turn[s]
                return steps + 1, seed_target[s]
        found = False
        for j in range(leave_start[e], leave_start[e + 1]):
            t = leave_to[j]
            turn = turn_ms[leave_turn[j]]
            if turn >= INF_MS or edge_ms[t] >= INF_MS or at_end[t] >= INF_MS:
                continue
            if turn + edge_ms[t] + at_end[t] == value:
                path[steps] = t
                path_turn[steps] = leave_turn[j]
                steps += 1
                e = t
                found = True
                break
        if not found:
            return steps, -1
    return steps, -1


@kernel
def downhill_lengths(
    leave_start: Array,
    leave_turn: Array,
    leave_to: Array,
    turn_ms: Array,
    edge_ms: Array,
    at_end: Array,
    seed_edge: Array,
    seed_ms: Array,
    seed_turn: Array,
    seed_target: Array,
    edge_length_m: Array,
    starts: Array,
    scratch: Array,
) -> tuple[Array, Array]:
    """Metres float32[N] of whole edges entered between the end of each start (int32[N], -1 = none) and its target
    edge, and target int8[N] (-1 = no way)."""
    metres = np.zeros(starts.size, np.float32)
    target = np.full(starts.size, -1, np.int8)
    turns = np.empty_like(scratch)
    for n in range(starts.size):
        if starts[n] < 0:
            continue
        steps, k = downhill(
            leave_start, leave_turn, leave_to, turn_ms, edge_ms, at_end,
            seed_edge, seed_ms, seed_turn, seed_target, starts[n], scratch, turns,
        )  # fmt: skip
        target[n] = k
        total = 0.0
        for s in range(steps - 1):
            total += edge_length_m[scratch[s]]
        metres[n] = total
    return metres, target


@kernel
def k_smallest(values: Array, k: int) -> Array:
    """Indices int64[<= k] of the k smallest finite values (int32[N]), in order, the earlier first among equals."""
    keys = np.empty(k, np.int32)
    out = np.empty(k, np.int64)
    size = 0
    for n in range(values.size):
        value = values[n]
        if value >= INF_MS or (size == k and (k == 0 or value >= keys[k - 1])):
            continue
        at = size if size < k else k - 1
        while at > 0 and keys[at - 1] > value:
            keys[at] = keys[at - 1]
            out[at] = out[at - 1]
            at -= 1
        keys[at] = value
        out[at] = n
        if size < k:
            size += 1
    return out[:size].copy()


def warm_up() -> None:
    """Compile every kernel of the roads before the first question; prints nothing, a second call is quick."""
    from geo_backup.roads import field  # the kernels of snapping lie above this module

    field.warm_up()
