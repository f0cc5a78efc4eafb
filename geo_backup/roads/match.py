"""Matching: where one fix cannot tell on which road a unit is, the fixes before it can.

A hidden Markov model after Newson and Krumm 2009, with a handful of states: the places of `snap` near a fix. What
speaks against a state is told in metres and added up: its distance (errors are normal near the middle and exponential
beyond, which is kinder to the one bad fix) and course as in `snap`, and how far the shortest way by road from a state
of the fix before differs from the air line between the two fixes (the longer the way, the less that says), and each
turn on it: near a corner a unit is rather on the street it came along than on the one across. So a unit that came over
the bridge is not put on the street beneath, one that drove in at the portal is in the tunnel, and one without a compass
faces the way it moved.

The belief is a pure function of the unit's last few fixes and the network: nothing is carried from one call to the
next, so equal live maps give equal road points. `drives` takes the same steps over all fixes of a recorded track.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geo_backup.roads import snap
from geo_backup.roads.grid import TURNS, RoadGrid
from geo_backup.roads.kernel import Array, Number, kernel, per_network
from geo_backup.roads.network import TURN_KIND_MASK, RoadNetwork, TurnKind
from geo_backup.roads.snap import PIECES, Columns, Numbers, RoadPoints
from geo_backup.rules import SnapRules

PLACES = 12
"""Pieces looked at near one fix; a state is one of them in one direction, 2 * place + against."""
_LABELS = 4096
"""Edges looked at between two fixes, from one state; what lies further is not reached."""
_FIXES = 5
"""Fixes of a unit looked at for its newest, of those that lie apart; older ones change nothing that can be measured."""
_TURN_M = 8.0
"""What each turn on the way weighs: of three who come to a crossing, two drive straight on."""


class Roads(NamedTuple):
    """Turns, lengths and places of a network's edges in local metres, for the search between two fixes."""

    leave_start: Array
    leave_to: Array
    leave_against: Array
    """What speaks against a way for each turn, in metres: nothing where it goes straight on."""
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
    kind = np.asarray(network.turn_facts)[turn] & TURN_KIND_MASK
    against = np.where(kind <= TurnKind.SLIGHT_RIGHT, 0.0, _TURN_M).astype(np.float32)
    to = network.turn_to[turn].astype(np.uint32)
    return Roads(start.astype(np.uint32), to, against, code, metres, *places)


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


class Scratch(NamedTuple):
    """Room for the search between two fixes."""

    label_m: Array
    label_edge: Array
    label_from: Array
    """The label before; -1 = the source."""
    label_turn: Array
    label_against: Array
    """What the turns up to there speak against the way."""
    heap_m: Array
    heap: Array
    slot: Array
    """A table by edge of the labels of one search; those of the searches before it are stale."""
    clock: Array
    """Labels before this search, labels of it, and how many wait in its heap."""


@kernel
def scratch() -> Scratch:
    """Fresh room."""
    return Scratch(
        np.empty(_LABELS), np.empty(_LABELS, np.int64), np.empty(_LABELS, np.int64), np.empty(_LABELS, np.int64),
        np.empty(_LABELS), np.empty(8 * _LABELS), np.empty(8 * _LABELS, np.int64), np.zeros(4 * _LABELS, np.int64),
        np.zeros(3, np.int64),
    )  # fmt: skip


@kernel
def _match_units(
    grid: RoadGrid, roads: Roads, rules: Numbers, start: Array, fix_ms: Array, xs: Array, ys: Array,
    course_deg: Array, accuracy_m: Array, out: Columns,
) -> None:  # fmt: skip
    piece, near, belief = np.empty(PLACES, np.int32), np.empty((PLACES, 4)), np.empty(2 * PLACES)
    piece0, near0, belief0 = np.empty(PLACES, np.int32), np.empty((PLACES, 4)), np.empty(2 * PLACES)
    back = np.empty(2 * PLACES, np.int16)
    room = scratch()
    used = np.empty(_FIXES, np.int64)
    for n in range(start.size - 1):
        count = _worth_asking(rules, fix_ms, xs, ys, start[n], start[n + 1], used)
        found: Number = np.int64(0)
        found0: Number = np.int64(0)
        before = np.int64(0)
        for i in range(count):
            at = used[count - 1 - i]
            accuracy = accuracy_m[at]
            if count == 1:
                found = snap.weigh_places(grid, rules, xs[at], ys[at], course_deg[at], accuracy, piece[:PIECES],
                                          near, belief, rules.candidate_extra_m)  # fmt: skip
            else:
                found = weigh_states(grid, rules, xs[at], ys[at], course_deg[at], accuracy, piece, near, belief)
            if found > 0 and near[0, 0] > rules.off_road_m + snap.slack_m(accuracy) and i < count - 1:
                found = np.int64(0)  # in a yard or a park it may come out anywhere
            if found > 0 and found0 > 0:
                wide = max(snap.ease(accuracy, rules), snap.ease(accuracy_m[before], rules))
                step(grid, roads, rules, xs[before], ys[before], xs[at], ys[at], wide,
                     found0, piece0, near0, belief0, found, piece, near, belief, back, room)  # fmt: skip
            if i == count - 1 and found > 0:
                snap.choose_places(grid, rules, n, found, piece, near, belief, accuracy, out)
            found0, before = found, at
            piece, piece0, near, near0, belief, belief0 = piece0, piece, near0, near, belief0, belief


@kernel
def weigh_states(
    grid: RoadGrid, rules: Numbers, x: float, y: float, course_deg: float, accuracy_m: float,
    piece: Array, near: Array, belief: Array,
) -> int:  # fmt: skip
    """As `snap.weigh_places`, for more places further off: distances count by their squares, as errors of a receiver
    are normal near their middle."""
    found = snap.weigh_places(grid, rules, x, y, course_deg, accuracy_m, piece, near, belief, rules.match_extra_m)
    wide = snap.ease(accuracy_m, rules)
    for j in range(2 * found):
        away = near[j >> 1, 0] / wide
        near_m = min(away, rules.match_normal_m)
        belief[j] += near_m * near_m / rules.match_normal_m + 2.0 * (away - near_m) - away
    return found


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


LEAP = -1
"""No state of the fix before leads to this one."""
TURNED = 64
"""Added to the state of the fix before: it turned round in the street there."""


@kernel
def step(
    grid: RoadGrid, roads: Roads, rules: Numbers, x0: float, y0: float, x: float, y: float, wide: float,
    found0: Number, piece0: Array, near0: Array, belief0: Array,
    found: Number, piece: Array, near: Array, belief: Array, back: Array, room: Scratch,
) -> None:  # fmt: skip
    """One step of the model, from the fix at x0 and y0 to the one at x and y: the belief at the former (float64[2K],
    metres against each state) becomes the one at the latter.

    `belief` comes in as what the next fix alone says (`weigh_states`); distances count 1/wide. `back` is set to the
    state each came from, with `TURNED`, or to `LEAP`.
    """
    piece_edges, piece_info, edge_m, edge_code = grid.piece_edges, grid.piece_info, roads.edge_m, roads.edge_code
    states: Number = np.int64(0)
    state, code, done_m, way = (
        np.empty(2 * PLACES, np.int64),
        np.empty(2 * PLACES, np.int64),
        np.empty(2 * PLACES),
        np.empty(2 * PLACES),
    )
    came = np.empty(2 * PLACES, np.int64)
    best, reach_m, least = np.inf, 0.0, np.inf
    for i in range(2 * found0):
        best = min(best, belief0[i])
    for j in range(2 * found):
        back[j] = LEAP
        if belief[j] < np.inf:
            edge = piece_edges[piece[j >> 1], j & 1]
            along = near[j >> 1, 1]
            state[states], code[states], came[states] = j, edge_code[edge], LEAP
            done_m[states] = (1.0 - along if j & 1 else along) * edge_m[edge]
            way[states] = rules.match_break_m  # what at most speaks against coming to this state
            reach_m, least = max(reach_m, near[j >> 1, 0]), min(least, belief[j])
            states += 1
    air_m = math.hypot(x - x0, y - y0)
    loose = looseness(air_m, wide, rules)
    done = np.zeros(2 * PLACES, np.bool_)
    while True:
        i = -1  # the likeliest first: the search of others then ends the sooner
        for k in range(2 * found0):
            if not done[k] and belief0[k] < np.inf and (i < 0 or belief0[k] < belief0[i]):
                i = k
        if i < 0:
            break
        done[i] = True
        prior = rules.match_keep * (belief0[i] - best)
        if not prior < rules.match_beam_m:
            break
        p, against, along = piece0[i >> 1], i & 1, near0[i >> 1, 1]
        source = piece_edges[p, against]
        left_m = (along if against else 1.0 - along) * edge_m[source]
        _drive(roads, rules, x, y, source, left_m, air_m, reach_m, loose, prior, i,
               states, state, code, done_m, belief, way, came, room)  # fmt: skip
        turned = prior + rules.turn_round_m
        if turned < rules.match_break_m and piece_info[p, 0] & TURNS and piece_info[p, 1] & TURNS:
            other = piece_edges[p, 1 - against]
            if rules.match_keep * (belief0[i ^ 1] - best) > turned:  # else its own ways are no longer
                _drive(roads, rules, x, y, other, edge_m[other] - left_m, air_m, reach_m, loose, turned, i + TURNED,
                       states, state, code, done_m, belief, way, came, room)  # fmt: skip
            for j in range(states):
                if (
                    code[j] == edge_code[other]
                ):  # it may have turned anywhere, but drove from the one place to the other
                    cost = turned + max(0.0, abs(done_m[j] - left_m) - air_m) / loose
                    if cost < way[j]:
                        way[j], came[j] = cost, i + TURNED
    for j in range(states):
        belief[state[j]] += way[j]
        back[state[j]] = came[j]


@kernel
def looseness(air_m: float, wide: float, rules: Numbers) -> float:
    """By how much less it says that a way differs from the air line: it does so by chance, bend after bend, so the more
    by the root of its length."""
    return wide * math.sqrt(1.0 + 3.0 * air_m / rules.match_loose_m)


@kernel
def _drive(
    roads: Roads, rules: Numbers, x: float, y: float, source: int, left_m: float, air_m: float, reach_m: float,
    loose: float, prior: float, origin: int, states: Number, state: Array, code: Array, done_m: Array, alone: Array,
    way: Array, came: Array, room: Scratch,
) -> None:  # fmt: skip
    """Lower `way` to each state by the best road from one place, left_m before the end of an edge, and set where it
    `came` from. The search stays in the ellipse within which a way could still matter."""
    edge_code, edge_m = roads.edge_code, roads.edge_m
    for j in range(states):
        if code[j] == edge_code[source]:  # on the same edge, a unit may even seem to have gone back a little
            cost = prior + abs(left_m - edge_m[source] + done_m[j] - air_m) / loose
            if cost < way[j]:
                way[j], came[j] = cost, origin
    limit_m = _limit_m(rules, states, state, alone, way, prior, air_m, reach_m, loose)
    begin(roads, x, y, source, left_m, loose, limit_m, room)
    while True:
        k = grow(roads, x, y, loose, limit_m, room)
        if k < 0:
            break
        here, better = edge_code[room.label_edge[k]], False
        for j in range(states):
            if code[j] == here:  # an edge may have a twin on the same piece in the same direction
                cost = prior + abs(room.label_m[k] + done_m[j] - air_m) / loose + room.label_against[k]
                if cost < way[j]:
                    way[j], came[j], better = cost, origin, True
        if better:
            limit_m = _limit_m(rules, states, state, alone, way, prior, air_m, reach_m, loose)


@kernel
def _limit_m(
    rules: Numbers, states: Number, state: Array, alone: Array, way: Array, prior: float, air_m: float, reach_m: float,
    loose: float,
) -> float:  # fmt: skip
    """A way of more metres than this, from a state so likely, changes nothing that matters."""
    best, most = np.inf, 0.0
    for j in range(states):
        best = min(best, alone[state[j]] + way[j])
    for j in range(states):
        most = max(most, min(way[j], best + rules.match_beam_m - alone[state[j]]))
    return air_m + reach_m + loose * (most - prior)


@kernel
def begin(
    roads: Roads, x: float, y: float, source: Number, left_m: float, loose: float, limit_m: float, room: Scratch
) -> None:
    """Start a search from a place left_m before the end of an edge, towards x and y."""
    room.clock[0] += room.clock[1]
    room.clock[1] = room.clock[2] = 0
    _leave(roads, x, y, np.int64(source), np.int64(-1), left_m, 0.0, loose, limit_m, room)


@kernel
def grow(roads: Roads, x: float, y: float, loose: float, limit_m: float, room: Scratch) -> Number:
    """The next edge reached, as a label, by what its start is off by road and from there by air, `loose` times what
    speaks against its turns added; -1 = no more."""
    heap_m, heap = room.heap_m, room.heap
    while room.clock[2] > 0:
        k, at_m = heap[0], heap_m[0]
        if at_m > limit_m:
            return -1
        last = room.clock[2] - 1
        room.clock[2] = last
        moved, moved_m = heap[last], heap_m[last]
        at = 0
        while True:
            child = 2 * at + 1
            if child >= last:
                break
            if child + 1 < last and heap_m[child + 1] < heap_m[child]:
                child += 1
            if heap_m[child] >= moved_m:
                break
            heap_m[at], heap[at] = heap_m[child], heap[child]
            at = child
        heap_m[at], heap[at] = moved_m, moved
        e = room.label_edge[k]
        metres, against = room.label_m[k], room.label_against[k]
        if at_m > metres + loose * against + math.hypot(roads.tail_x[e] - x, roads.tail_y[e] - y):
            continue  # it was reached by a better way meanwhile
        _leave(roads, x, y, e, k, metres + roads.edge_m[e], against, loose, limit_m, room)
        return k
    return -1


@kernel
def _leave(
    roads: Roads, x: float, y: float, e: Number, k: Number, metres: float, turned: float, loose: float, limit_m: float,
    room: Scratch,
) -> None:  # fmt: skip
    """Enter the edges after one, whose end is so many metres off, by turns against which so much speaks."""
    label_m, label_against, label_edge = room.label_m, room.label_against, room.label_edge
    slot, heap_m, heap = room.slot, room.heap_m, room.heap
    before = room.clock[0]
    for i in range(roads.leave_start[e], roads.leave_start[e + 1]):
        to = np.int64(roads.leave_to[i])
        against = turned + roads.leave_against[i]
        way_m = metres + loose * against
        at_m = way_m + math.hypot(roads.tail_x[to] - x, roads.tail_y[to] - y)
        if at_m > limit_m:
            continue
        s = (to * 40503) & (slot.size - 1)
        while slot[s] > before and label_edge[slot[s] - before - 1] != to:
            s = (s + 1) & (slot.size - 1)
        if slot[s] > before:
            label = slot[s] - before - 1
            if way_m >= label_m[label] + loose * label_against[label]:
                continue
        else:
            label = room.clock[1]
            if label == label_m.size:
                continue
            room.clock[1] = label + 1
            slot[s], label_edge[label] = before + label + 1, to
        at = room.clock[2]
        if at == heap.size:
            continue
        label_m[label], label_against[label] = metres, against
        room.label_from[label], room.label_turn[label] = k, i
        room.clock[2] = at + 1
        while at > 0 and heap_m[(at - 1) >> 1] > at_m:
            heap_m[at], heap[at] = heap_m[(at - 1) >> 1], heap[(at - 1) >> 1]
            at = (at - 1) >> 1
        heap_m[at], heap[at] = at_m, label
