"""Search kernels: plain numba functions over int32 arrays, which know nothing of roads.

States are directed edges. `at_end[e]` is the time from the end of edge e to the target; an arc e -> t costs `arc_ms`
(the turn and the whole of edge t), and arcs are grouped by t because the search runs backwards from the target. Every
arc is at least 1, so the fixed point of

    at_end[e] = min(seed[e], min over arcs e -> t of arc_ms + at_end[t])

is unique: any engine that finds it finds the same to the last bit. Values above the horizon are INF_MS.

The queue of `build` is a row of buckets (Dial 1969; Denardo and Fox 1979), linked lists whose entries are reused and
so stay in the cache; inside a bucket labels may be corrected.

Fields are read as `values[edge, lane]`, int32[E + 1, L]: several may lie side by side (see `lanes`), and the row after
the last edge is INF_MS, for what has no edge.
"""

from __future__ import annotations

import numpy as np

from geo_backup.roads.kernel import INF_MS, Array, Number, kernel

BUCKET_SHIFT = 10
"""A bucket is 1.024 s wide, about the weight of a short edge."""


@kernel
def pack_arcs(turn_from: Array, arc_ms: Array) -> Array:
    """Arcs int32[T, 2] for `build`: the edge left, and the weight, which so come in one cache line."""
    arcs = np.empty((turn_from.size, 2), np.int32)
    for i in range(turn_from.size):
        arcs[i, 0], arcs[i, 1] = turn_from[i], arc_ms[i]
    return arcs


@kernel
def build(turn_start: Array, arcs: Array, seed_edge: Array, seed_ms: Array, horizon_ms: int) -> Array:
    """at_end int32[E + 1] from seeds (edge uint32[S], ms int32[S])."""
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
    at_end = np.full(turn_start.size, INF_MS, np.int32)
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
def entered(turn_start: Array, turn_from: Array, turn_ms: Array, arc_ms: Array, at_end: Array) -> Array:
    """int32[E]: times to the start of every edge, from times to the ends of edges (int32[E + 1]) and over turns into
    what may be entered; INF_MS = none."""
    at_start = np.full(turn_start.size - 1, INF_MS, np.int32)
    for t in range(at_start.size):
        for i in range(turn_start[t], turn_start[t + 1]):
            if arc_ms[i] < INF_MS and at_end[turn_from[i]] < INF_MS:
                at_start[t] = min(at_start[t], at_end[turn_from[i]] + turn_ms[i])
    return at_start


@kernel
def cut_by_horizon(turn_start: Array, turn_from: Array, arc_ms: Array, values: Array, lane: int) -> bool:
    """Whether some state without a value would have one beyond the horizon."""
    for t in range(turn_start.size - 1):
        if values[t, lane] < INF_MS:
            for i in range(turn_start[t], turn_start[t + 1]):
                if arc_ms[i] < INF_MS and values[turn_from[i], lane] >= INF_MS:
                    return True
    return False


@kernel
def stand(
    edge: Array,
    fraction: Array,
    turn_round: Array,
    leg_ms: Array,
    advance_m: Array,
    length_m: Array,
    edge_ms: Array,
    u_turn_ms: int,
) -> tuple[Array, Array, Array, Array]:
    """Candidates of N units ([N, 4], `leg_ms` to the road) as columns [C, N] under some weights, as many as any unit
    has: edge uint32, E = none; fraction int32 moved on by `advance_m`, ms int32 before the unit drives on the edge, and
    until it is at its end."""
    units, columns = edge.shape[0], 1
    for c in range(1, edge.shape[1]):
        for n in range(units):
            if edge[n, c] >= 0:
                columns = c + 1
                break
    at_edge = np.full((columns, units), edge_ms.size, np.uint32)
    at = np.zeros((columns, units), np.int32)
    lead_ms = np.zeros((columns, units), np.int32)
    rest_ms = np.zeros((columns, units), np.int32)
    for n in range(units):
        for c in range(columns):
            if edge[n, c] >= 0:
                e = np.uint32(edge[n, c])
                at_edge[c, n] = e
                at[c, n] = moved(fraction[n, c], turn_round[n, c], advance_m[n], length_m[e])
                lead_ms[c, n] = leg_ms[n, c] + (u_turn_ms if turn_round[n, c] else 0)
                rest_ms[c, n] = lead_ms[c, n] + ((np.int64(edge_ms[e]) * (65536 - at[c, n])) >> 16)
    return at_edge, at, lead_ms, rest_ms


@kernel
def gather(values: Array, lane: int, at_edge: Array) -> Array:
    """int32[C, N] of a field's values at the ends of edges (uint32[C, N], E = none)."""
    columns, units = at_edge.shape
    out = np.empty((columns, units), np.int32)
    for c in range(columns):
        edges, row = at_edge[c], out[c]
        for n in range(units):
            row[n] = values[edges[n], lane]
    return out


@kernel
def best_of(
    at_edge: Array,
    at: Array,
    lead_ms: Array,
    rest_ms: Array,
    at_end: Array,
    edge_ms: Array,
    target_edge: Array,
    target_fraction: Array,
    target_leg_ms: Array,
) -> tuple[Array, Array]:
    """Best candidate of each unit that `stand` placed: eta int32[N] and which int8[N] (-1 = none)."""
    columns, units = at_edge.shape
    eta = np.full(units, INF_MS, np.int32)
    which = np.full(units, -1, np.int8)
    for c in range(columns):
        rest, beyond = rest_ms[c], at_end[c]
        for n in range(units):
            value = rest[n] + beyond[n]
            if value < eta[n]:
                eta[n] = value
                which[n] = c
    # a target ahead on the unit's own edge need not be driven round to; few are, and a count is quick
    for k in range(target_edge.size):
        e = target_edge[k]
        for c in range(columns):
            edges = at_edge[c]
            there = 0
            for n in range(units):
                there += edges[n] == e
            if there == 0:
                continue
            for n in range(units):
                if edges[n] == e and target_fraction[k] >= at[c, n]:
                    part = (np.int64(edge_ms[e]) * (target_fraction[k] - at[c, n])) >> 16
                    value = part + target_leg_ms[k] + lead_ms[c, n]
                    if value < eta[n] or (value == eta[n] and c < which[n]):
                        eta[n] = value
                        which[n] = c
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
    arc_ms: Array,
    values: Array,
    lane: int,
    seed_edge: Array,
    seed_ms: Array,
    first: Number,
    path: Array,
    path_turn: Array,
) -> tuple[int, int]:
    """Walk from the end of edge `first` down to a seed.

    Fills `path` (edges entered) and `path_turn` (the turns into them), returns how many and which seed was met; seed
    -1 when there is no way or the path does not fit. Among equals the first turn is taken.
    """
    e = np.uint32(first)
    steps = 0
    while True:
        value = values[e, lane]
        if value >= INF_MS:
            return steps, -1
        for s in range(seed_edge.size):
            if seed_edge[s] == e and seed_ms[s] == value:
                return steps, s
        if steps == path.size:
            return steps, -1
        found = False
        for j in range(leave_start[e], leave_start[e + 1]):
            t = leave_to[j]
            if arc_ms[leave_turn[j]] < INF_MS and arc_ms[leave_turn[j]] + values[t, lane] == value:
                path[steps] = t
                path_turn[steps] = leave_turn[j]
                steps += 1
                e = t
                found = True
                break
        if not found:
            return steps, -1


@kernel
def downhill_lengths(
    leave_start: Array,
    leave_turn: Array,
    leave_to: Array,
    arc_ms: Array,
    values: Array,
    lane: int,
    seed_edge: Array,
    seed_ms: Array,
    length_m: Array,
    starts: Array,
    scratch: Array,
) -> tuple[Array, Array, Array]:
    """From the end of each start (int32[N], -1 = none): metres float32[N] of the edges entered down to a seed, which
    seed int32[N] (-1 = no way), and the last edge int32[N]."""
    metres = np.zeros(starts.size, np.float32)
    seed = np.full(starts.size, -1, np.int32)
    last = starts.copy()
    turns = np.empty_like(scratch)
    for n in range(starts.size):
        if starts[n] < 0:
            continue
        steps, seed[n] = downhill(
            leave_start, leave_turn, leave_to, arc_ms, values, lane, seed_edge, seed_ms, starts[n], scratch, turns
        )
        total = 0.0
        for s in range(steps):
            total += length_m[scratch[s]]
        metres[n] = total
        if steps > 0:
            last[n] = scratch[steps - 1]
    return metres, seed, last


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
