"""Matching: where one fix cannot tell on which road a unit is, the fixes before it can.

A hidden Markov model after Newson and Krumm 2009, with a handful of states: the places of `snap` near a fix. What
speaks against a state is told in metres and added up (both distributions are taken as exponential, not normal, which
is kinder to the one bad fix): its distance and course as in `snap`, and how far the way by road from a state of the
fix before differs from the air line between the two fixes. So a unit that came over the bridge is not put on the
street beneath, one that drove in at the portal is in the tunnel, and one without a compass faces the way it moved.

The belief is a pure function of the unit's last few fixes and the network: nothing is carried from one call to the
next, so equal live maps give equal road points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geo_backup.roads import snap
from geo_backup.roads.grid import TURNS, RoadGrid
from geo_backup.roads.kernel import Array, Number, kernel, per_network
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.snap import PIECES, Columns, Numbers, RoadPoints
from geo_backup.rules import SnapRules

_LABELS = 128
"""Edges looked at between two fixes, from one state; what lies further is not reached."""
_FIXES = 8
"""Fixes of a unit looked at."""
_CORNER = 1.5
"""The way round a right-angled corner is up to 1.41 times the air line."""


class Roads(NamedTuple):
    """Turns, lengths and places of a network's edges in local metres, for the search between two fixes."""

    leave_start: Array
    leave_to: Array
    edge_code: Array
    edge_m: Array
    tail_x: Array
    tail_y: Array

    @classmethod
    def of(cls, network: RoadNetwork) -> Roads:
        """The roads of a network, made on first use."""
        return _roads(network)


@per_network
def _roads(network: RoadNetwork) -> Roads:
    start, turn = network.forward
    x, y = RoadGrid.of(network).local(network.junction_lon_e7 / 1e7, network.junction_lat_e7 / 1e7)
    places = (x[network.edge_tail].astype(np.float32), y[network.edge_tail].astype(np.float32))
    code, metres = np.array(network.edge_code, np.int32), np.array(network.edge_length_m, np.float32)
    return Roads(start.astype(np.uint32), network.turn_to[turn].astype(np.uint32), code, metres, *places)


class Tracks(NamedTuple):
    """The last fixes of some units, one unit after another, oldest first; nan where a fix does not say.

    `start` int64[N + 1] into the rest, float64[F] each but `fix_ms` int64[F].
    """

    start: Array
    fix_ms: Array
    lon: Array
    lat: Array
    speed_mps: Array
    course_deg: Array
    accuracy_m: Array

    @classmethod
    def of(cls, fixes: Sequence[Sequence[Sequence[float | None]]]) -> Tracks:
        """The tracks of some units, each its last fixes (`events.Fix`), oldest first."""
        start = np.cumsum([0, *(len(track) for track in fixes)])
        columns = np.array([fix for track in fixes for fix in track], np.float64).reshape(-1, 6).T  # None is nan
        return cls(start, columns[0].astype(np.int64), *columns[1:])


def match_units(network: RoadNetwork, tracks: Tracks, rules: SnapRules) -> RoadPoints:
    """Road points of N units at their newest fix, in the light of the ones before it."""
    grid = RoadGrid.of(network)
    x, y = grid.local(tracks.lon, tracks.lat)
    course = snap.believed_course(tracks.course_deg, tracks.speed_mps, rules)
    points = RoadPoints.empty(len(tracks.start) - 1)
    _match_units(
        grid, Roads.of(network), Numbers.of(rules), tracks.start, tracks.fix_ms, x, y, course,
        np.ascontiguousarray(tracks.accuracy_m, np.float64), points.columns,
    )  # fmt: skip
    return points


@kernel
def _match_units(
    grid: RoadGrid, roads: Roads, rules: Numbers, start: Array, fix_ms: Array, xs: Array, ys: Array,
    course_deg: Array, accuracy_m: Array, out: Columns,
) -> None:  # fmt: skip
    piece, near, belief = np.empty(PIECES, np.int32), np.empty((PIECES, 4)), np.empty(2 * PIECES)
    piece0, near0, belief0 = np.empty(PIECES, np.int32), np.empty((PIECES, 4)), np.empty(2 * PIECES)
    label_m, room = np.empty(_LABELS), np.empty((3, _LABELS), np.int64)
    used = np.empty(_FIXES, np.int64)
    for n in range(start.size - 1):
        count = _worth_asking(rules, fix_ms, xs, ys, start[n], start[n + 1], used)
        found: Number = np.int64(0)
        found0: Number = np.int64(0)
        before = np.int64(0)
        for i in range(count):
            at = used[count - 1 - i]
            accuracy = accuracy_m[at]
            found = snap.weigh_places(grid, rules, xs[at], ys[at], course_deg[at], accuracy, piece, near, belief)
            if found > 0 and near[0, 0] > rules.off_road_m + snap.slack_m(accuracy) and i < count - 1:
                found = np.int64(0)  # in a yard or a park it may come out anywhere
            if found > 0 and found0 > 0:
                air_m = math.hypot(xs[at] - xs[before], ys[at] - ys[before])
                wide = max(snap.ease(accuracy, rules), snap.ease(accuracy_m[before], rules))
                step(grid, roads, rules, xs[at], ys[at], air_m, wide,
                     found0, piece0, near0, belief0, found, piece, near, belief, label_m, room)  # fmt: skip
            if i == count - 1 and found > 0:
                snap.choose_places(grid, rules, n, found, piece, near, belief, accuracy, out)
            found0, before = found, at
            piece, piece0, near, near0, belief, belief0 = piece0, piece, near0, near, belief0, belief


@kernel
def _worth_asking(rules: Numbers, fix_ms: Array, xs: Array, ys: Array, first: int, end: int, used: Array) -> int:
    """The newest fix and those before it that say something of its road, newest first: how many."""
    count = 0
    for back in range(end - first):
        at = end - 1 - back
        # NaN compares false
        if count == used.size or not (abs(xs[at]) < 1e9 and abs(ys[at]) < 1e9):
            break
        if count > 0:
            later = used[count - 1]
            if fix_ms[later] - fix_ms[at] > rules.match_gap_ms:
                break
            if math.hypot(xs[at] - xs[later], ys[at] - ys[later]) < rules.match_step_m:
                continue
        used[count] = at
        count += 1
    return count


@kernel
def step(
    grid: RoadGrid, roads: Roads, rules: Numbers, x: float, y: float, air_m: float, wide: float,
    found0: Number, piece0: Array, near0: Array, belief0: Array,
    found: Number, piece: Array, near: Array, belief: Array,
    label_m: Array, room: Array,
) -> None:  # fmt: skip
    """One step of the model: the belief at a fix (float64[16], metres against each state) becomes the next one.

    `belief` comes in as what the next fix alone says (`snap.weigh_places`), at x and y, air_m from the one before;
    distances count 1/wide.
    """
    piece_edges, piece_info, edge_m = grid.piece_edges, grid.piece_info, roads.edge_m
    state, edge, done_m, way = np.empty(16, np.int64), np.empty(16, np.int64), np.empty(16), np.empty(16)
    states, best, reach_m = np.int64(0), np.inf, 0.0
    for i in range(2 * found0):
        best = min(best, belief0[i])
    for j in range(2 * found):
        if belief[j] < np.inf:
            state[states], edge[states] = j, piece_edges[piece[j >> 1], j & 1]
            along = near[j >> 1, 1]
            done_m[states] = (1.0 - along if j & 1 else along) * edge_m[edge[states]]
            way[states] = rules.match_break_m  # what at most speaks against coming to this state
            reach_m = max(reach_m, near[j >> 1, 0])
            states += 1
    for i in range(2 * found0):
        prior = rules.match_keep * (belief0[i] - best)
        if not prior < rules.match_break_m:
            continue
        p, against, along = piece0[i >> 1], i & 1, near0[i >> 1, 1]
        source = piece_edges[p, against]
        left_m = (along if against else 1.0 - along) * edge_m[source]
        longest_m = _CORNER * air_m + wide * (rules.match_break_m - prior) + reach_m
        _drive(roads, x, y, source, left_m, longest_m, air_m, wide, prior,
               states, edge, done_m, way, label_m, room)  # fmt: skip
        turned = prior + rules.turn_round_m
        if turned < rules.match_break_m and piece_info[p, 0] & TURNS and piece_info[p, 1] & TURNS:
            other = piece_edges[p, 1 - against]
            if rules.match_keep * (belief0[i ^ 1] - best) > turned:  # else its own ways are no longer
                longest_m -= wide * rules.turn_round_m
                _drive(roads, x, y, other, edge_m[other] - left_m, longest_m, air_m, wide, turned,
                       states, edge, done_m, way, label_m, room)  # fmt: skip
            for j in range(states):
                if edge[j] == other:  # where in the street it turned does not matter
                    way[j] = min(way[j], turned)
    for j in range(states):
        belief[state[j]] += way[j]


@kernel
def _oddity(driven_m: float, air_m: float) -> float:
    """Metres by which a way is longer than round a corner, or shorter than the air line."""
    return max(air_m - driven_m, driven_m - _CORNER * air_m, 0.0)


@kernel
def _drive(
    roads: Roads, x: float, y: float, source: int, left_m: float, longest_m: float, air_m: float, wide: float,
    prior: float, states: Number, edge: Array, done_m: Array, way: Array, label_m: Array, room: Array,
) -> None:  # fmt: skip
    """Lower `way` to each state by the shortest road from one place, left_m before the end of an edge.

    Roads that lead to x and y by more than longest_m are not followed: the search stays in an ellipse.
    """
    label_edge, queue, waiting = room
    leave_start, leave_to, edge_m, edge_code = roads.leave_start, roads.leave_to, roads.edge_m, roads.edge_code
    tail_x, tail_y = roads.tail_x, roads.tail_y
    for j in range(states):
        if edge[j] == source:  # on the same edge, a unit may even seem to have gone back a little
            way[j] = min(way[j], prior + _oddity(left_m - edge_m[source] + done_m[j], air_m) / wide)
    slot = np.full(2 * _LABELS, -1, np.int16)
    labels, head, pending = 0, 0, 0
    e, metres = np.int64(source), left_m
    while True:
        for i in range(leave_start[e], leave_start[e + 1]):
            to = np.int64(leave_to[i])
            if metres + math.hypot(tail_x[to] - x, tail_y[to] - y) > longest_m:
                continue
            s = (to * 40503) % slot.size
            while slot[s] >= 0 and label_edge[slot[s]] != to:
                s = (s + 1) % slot.size
            k = slot[s]
            if k < 0:
                if labels == _LABELS:
                    continue
                k = labels
                labels += 1
                slot[s], label_edge[k], waiting[k] = k, to, 0
            elif metres >= label_m[k]:
                continue
            label_m[k] = metres
            if waiting[k] == 0:
                queue[(head + pending) % _LABELS], waiting[k] = k, 1
                pending += 1
        if pending == 0:
            break
        k = queue[head]
        head, pending = (head + 1) % _LABELS, pending - 1
        waiting[k] = 0
        e, metres = label_edge[k], label_m[k] + edge_m[label_edge[k]]
    for k in range(labels):
        code = edge_code[label_edge[k]]  # an edge may have a twin on the same piece in the same direction
        for j in range(states):
            if edge_code[edge[j]] == code:
                way[j] = min(way[j], prior + _oddity(label_m[k] + done_m[j], air_m) / wide)
