"""Dissection: the roads of a network in the order of how well they part it, for `roads.hierarchy`.

The junctions are halved again and again where the fewest roads cross (inertial flow: Schild and Sommer 2015): the
halves' far ends, seen in one of several directions, are joined by as much flow as the roads between them carry, and
the roads that stop it are the cut. Roads of a cut come before those of its halves.
"""

from __future__ import annotations

import math

import numpy as np

from geo_backup.roads.kernel import Array, kernel

DIRECTIONS = 4
"""Directions in which each part's far ends are looked for."""

FAR_SHARE = 0.25
"""Share of a part's junctions that is one far end; the cut lies anywhere between the two."""


def dissected(piece_from: Array, piece_to: Array, x: Array, y: Array) -> Array:
    """int32[P]: the pieces in the order of the dissection, the most parting first.

    `piece_from`, `piece_to` int[P] are junctions, `x`, `y` float64[J] their places on a plane.
    """
    ends = np.concatenate((piece_from, piece_to)).astype(np.int64)
    slot_by_node = np.argsort(ends, kind="stable")
    start = np.zeros(len(x) + 1, np.int64)
    np.cumsum(np.bincount(ends, minlength=len(x)), out=start[1:])
    # slot i of a node's list is one end of a piece; its twin is the other end
    place = np.empty(len(ends), np.int64)
    place[slot_by_node] = np.arange(len(ends))
    twin = place[(slot_by_node + len(piece_from)) % max(len(ends), 1)]
    piece = slot_by_node % max(len(piece_from), 1)
    away = np.concatenate((piece_to, piece_from))[slot_by_node].astype(np.int64)
    angles = [math.pi * k / DIRECTIONS for k in range(DIRECTIONS)]
    looks = np.stack([x * math.cos(a) + y * math.sin(a) for a in angles])
    return _dissect(start, away, twin, piece, looks, len(piece_from))


@kernel
def _dissect(start: Array, away: Array, twin: Array, piece: Array, looks: Array, pieces: int) -> Array:
    """See `dissected`: `start` [J + 1] into slots, `away` [S] the junction at a slot's other end, `twin` [S] the slot
    there, `looks` float64[directions, J]."""
    n = start.size - 1
    order = np.arange(n)
    part = np.zeros(n, np.int64)  # number of the part a junction is in
    out = np.full(pieces, -1, np.int32)
    done = 0
    taken = np.zeros(pieces, np.bool_)
    flow = np.zeros(away.size, np.int8)
    came = np.full(n, -1, np.int64)
    side = np.zeros(n, np.int8)
    queue = np.empty(n, np.int64)
    begins, ends = np.empty(n + 2, np.int64), np.empty(n + 2, np.int64)
    begins[0], ends[0] = 0, n
    open_parts, parts = 1, 1
    while open_parts > 0:
        open_parts -= 1
        begin, end = begins[open_parts], ends[open_parts]
        inside = order[begin:end].copy()
        if inside.size < 2:
            # what is left at one junction are loops
            for v in inside:
                for i in range(start[v], start[v + 1]):
                    if not taken[piece[i]]:
                        taken[piece[i]] = True
                        out[done] = piece[i]
                        done += 1
            continue
        mine = part[inside[0]]
        best_cut, best_small = 1 << 60, 0
        best = np.zeros(inside.size, np.bool_)
        far = max(1, int(inside.size * FAR_SHARE))
        for look in range(looks.shape[0]):
            along = inside[np.argsort(looks[look][inside])]
            for v in along:
                side[v] = 0
                for i in range(start[v], start[v + 1]):
                    flow[i] = 0
            for i in range(far):
                side[along[i]], side[along[along.size - 1 - i]] = 1, 2
            cut = 0
            while True:
                # a way for one more unit of flow, from any of the near to any of the far
                size = 0
                for v in along:
                    came[v] = -1
                for i in range(far):
                    queue[size] = along[i]
                    size += 1
                    came[along[i]] = -2
                at, reached = 0, -1
                while at < size and reached < 0:
                    v = queue[at]
                    at += 1
                    for i in range(start[v], start[v + 1]):
                        w = away[i]
                        if part[w] == mine and came[w] == -1 and flow[i] < 1:
                            came[w] = twin[i]
                            if side[w] == 2:
                                reached = w
                                break
                            queue[size] = w
                            size += 1
                if reached < 0:
                    break
                cut += 1
                if cut > best_cut:
                    break
                at = reached
                while came[at] >= 0:
                    i = came[at]
                    flow[i] -= 1
                    flow[twin[i]] += 1
                    at = away[i]
            # what the near end still reaches is one half
            small = min(size, inside.size - size)
            if cut < best_cut or (cut == best_cut and small > best_small):
                best_cut, best_small = cut, small
                for i in range(inside.size):
                    best[i] = came[inside[i]] != -1
        first = begin
        for i in range(inside.size):
            if best[i]:
                order[first] = inside[i]
                first += 1
        last = first
        for i in range(inside.size):
            if not best[i]:
                order[last] = inside[i]
                last += 1
        for k in range(first, end):
            part[order[k]] = parts
        for k in range(begin, first):
            v = order[k]
            for i in range(start[v], start[v + 1]):
                if part[away[i]] == parts and not taken[piece[i]]:
                    taken[piece[i]] = True
                    out[done] = piece[i]
                    done += 1
        parts += 1
        begins[open_parts], ends[open_parts] = begin, first
        begins[open_parts + 1], ends[open_parts + 1] = first, end
        open_parts += 2
    return out
