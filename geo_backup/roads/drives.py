"""Drives: what a recorded track says was driven: on which road each fix was, and by which roads from one to the next.

One step of the model in `match` after the other, over the fixes of a unit; each state remembers the one it came from
(Viterbi). Once later fixes are known, the likeliest chain through them is followed back: they tell at which corner a
unit turned. Where no chain leads on (a gap in time, a leap, a yard), the drive ends and another begins: nothing is
invented. Fixes of a unit that stands or creeps are put on the way that the others tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from geo_backup.roads import snap
from geo_backup.roads.grid import RoadGrid
from geo_backup.roads.kernel import Array, Number, kernel, per_network
from geo_backup.roads.match import (
    LEAP,
    PLACES,
    TURNED,
    Roads,
    Scratch,
    begin,
    grow,
    looseness,
    scratch,
    step,
    weigh_states,
)
from geo_backup.roads.network import FRACTION_ONE, RoadNetwork
from geo_backup.roads.route import cut_line
from geo_backup.roads.snap import Numbers
from geo_backup.rules import SnapRules

GAP_MS = 180_000
"""Between fixes further apart in time anything may have been driven."""

_BEAMS = 3.0
"""Later fixes may tell that a place was right which seemed unlikely: so many times later than at lag 0 it is let go."""

START = -1
"""`Driven.part_turn` of the first part of an interval: the unit was on this edge already."""
ROUND = -2
"""`Driven.part_turn` where the unit turned round in the street."""


@dataclass(frozen=True)
class Driven:
    """What one unit drove, over its F fixes and the F - 1 intervals between them. All arrays are read by index.

    Of fix n: `edge` int32[F] (-1: off the road), `fraction` int32[F] along it in driving order (0 to 65536),
    `course_deg` float64[F] of the road there as driven, `distance_m` float64[F] from the fix to it (both nan off the
    road), `lon`, `lat` float64[F] of the place on the road (nan off the road).

    Of interval n, from fix n to fix n + 1: `seconds` float64[F - 1]; `joined` bool[F - 1]: what was driven is known
    (false: a gap, a leap, off the road; it has no parts). Its parts are `start[n]` to `start[n + 1]` (int64[F]), in
    driving order:

    - `part_edge` int32[P]; after a turn restriction over a way, an edge may be a twin (`RoadNetwork.with_twins`);
    - `part_from`, `part_to` int32[P]: fractions 0 to 65536 of it, from <= to. Equal ones: it stood. Within a drive,
      each interval goes on where the one before ended: no stretch is driven twice because a fix seemed to go back;
    - `part_turn` int32[P]: the turn into it (index of `turn_*`), `START` in an interval's first part, `ROUND` after
      turning round in the street.

    So the metres of a part are `edge_length_m[part_edge] * (part_to - part_from) / 65536`, and what was expected of an
    interval is the sum of `Weights.edge_ms` by the same share and of `Weights.turn_ms[part_turn]` where that is >= 0.
    """

    edge: Array
    fraction: Array
    lon: Array
    lat: Array
    course_deg: Array
    distance_m: Array
    seconds: Array
    joined: Array
    start: Array
    part_edge: Array
    part_from: Array
    part_to: Array
    part_turn: Array

    def drives(self) -> Iterator[tuple[int, int]]:
        """First and last fix of each unbroken drive, of two fixes or more."""
        whole = np.diff(np.concatenate(([0], self.joined.astype(np.int8), [0])))
        yield from zip(np.flatnonzero(whole > 0).tolist(), np.flatnonzero(whole < 0).tolist(), strict=True)

    def line(self, network: RoadNetwork, first: int, last: int) -> Array:
        """float64[n, 2] lon, lat of what was driven between two fixes of one drive."""
        lines = [
            cut_line(network.edge_line(edge), a / FRACTION_ONE, b / FRACTION_ONE, network.metres_per_deg)
            for edge, a, b in zip(
                *(
                    column[self.start[first] : self.start[last]].tolist()
                    for column in (self.part_edge, self.part_from, self.part_to)
                ),
                strict=True,
            )
        ]
        line = np.concatenate(lines)
        return line[np.concatenate(([True], (np.diff(line, axis=0) != 0).any(axis=1)))]


def match_track(
    network: RoadNetwork,
    time_ms: Array,
    lon: Array,
    lat: Array,
    rules: SnapRules,
    *,
    speed_mps: Array | None = None,
    course_deg: Array | None = None,
    accuracy_m: Array | None = None,
    lag_ms: int | None = None,
) -> Driven:
    """What a unit drove by its fixes in order of time (int64[F], float64[F] each; nan or None = not told).

    Each fix is placed by those before it and those up to `lag_ms` after it: 0 as on a live map, None by all of them. A
    fix counts as accurate as it says, or `usual_accuracy_m`.
    """
    grid = RoadGrid.of(network)
    x, y = grid.local(lon, lat)
    unknown = np.full(len(x), np.nan)
    speed, course, accuracy = (
        unknown if v is None else np.ascontiguousarray(v, np.float64) for v in (speed_mps, course_deg, accuracy_m)
    )
    time_ms, course = np.ascontiguousarray(time_ms, np.int64), snap.believed_course(course, speed, rules)
    numbers, roads, lag = Numbers.of(rules), Roads.of(network), -1 if lag_ms is None else lag_ms
    if lag:
        numbers = numbers._replace(match_beam_m=_BEAMS * rules.match_beam_m)
    used, broken = _moves(time_ms, x, y, 0.0 if lag_ms == 0 else rules.match_step_m)
    edge, fraction, off_m, joined, start, parts = _follow(
        grid, roads, numbers, time_ms[used], broken, x[used], y[used], course[used], accuracy[used], lag
    )
    if len(used) < len(x):
        edge, fraction, off_m, joined, start, parts = _spread(
            grid, _segments(network), roads.edge_code, used, broken, x, y, edge, fraction, off_m, joined, start, parts
        )
    on_lon, on_lat, on_course = places(network, edge, fraction)
    turn, by = parts[:, 3], network.forward[1]
    known = turn >= 0
    turn[known] = by[turn[known]]
    columns = (np.ascontiguousarray(column, np.int32) for column in parts.T)
    return Driven(edge, fraction, on_lon, on_lat, on_course, off_m, np.diff(time_ms) / 1e3, joined, start, *columns)


def match_fixes(
    network: RoadNetwork, fixes: Sequence[Sequence[float | None]], rules: SnapRules, lag_ms: int | None = None
) -> Driven:
    """`match_track` of fixes (`events.Fix`) in order of time."""
    columns = np.array(fixes, np.float64).reshape(-1, 6).T  # None is nan
    return match_track(
        network, columns[0].astype(np.int64), columns[1], columns[2], rules,
        speed_mps=columns[3], course_deg=columns[4], accuracy_m=columns[5], lag_ms=lag_ms,
    )  # fmt: skip


def places(network: RoadNetwork, edge: Array, fraction: Array) -> tuple[Array, Array, Array]:
    """Lon, lat and course in degrees (float64[N]) of places on edges (int[N], -1 = none; fraction 0 to 65536)."""
    start, lon, lat = network.vertices
    east_m, north_m = network.metres_per_deg
    along_m = _along(network)
    edge = np.asarray(edge)
    on = edge >= 0
    piece = np.where(on, np.asarray(network.edge_piece)[edge], 0)
    against = np.where(on, np.asarray(network.edge_against)[edge], 0).astype(np.bool_)
    first, last = start[piece].astype(np.int64), start[piece + 1].astype(np.int64) - 1
    share = np.asarray(fraction) / FRACTION_ONE
    share = np.where(against, 1.0 - share, share)
    at_m = along_m[first] + share * (along_m[last] - along_m[first])
    k = np.clip(np.searchsorted(along_m, at_m, side="right") - 1, first, last - 1)
    step_m = along_m[k + 1] - along_m[k]
    part = np.where(step_m > 0, (at_m - along_m[k]) / np.where(step_m > 0, step_m, 1.0), 0.0)
    d_lon, d_lat = lon[k + 1] - lon[k], lat[k + 1] - lat[k]
    course = np.degrees(np.arctan2(d_lon * east_m, d_lat * north_m))
    course = np.where(against, course + 180.0, course) % 360.0
    nowhere = np.where(on, 0.0, np.nan)
    return lon[k] + part * d_lon + nowhere, lat[k] + part * d_lat + nowhere, course + nowhere


@per_network
def _along(network: RoadNetwork) -> Array:
    """float64[N]: metres run at each vertex of `network.vertices`, over all pieces."""
    _, lon, lat = network.vertices
    east_m, north_m = network.metres_per_deg
    return np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(lon) * east_m, np.diff(lat) * north_m))))


@per_network
def _segments(network: RoadNetwork) -> Array:
    """int64[P + 1]: the segments of each piece in `RoadGrid.segment`."""
    start = network.vertices[0].astype(np.int64)
    return start - np.arange(len(start))


@kernel
def _moves(fix_ms: Array, xs: Array, ys: Array, step_m: float) -> tuple[Array, Array]:
    """The fixes (int64[U]) that lie so far from the one taken before, and the first after each gap; which of them are
    such (bool[U]). The others are of one that stands or creeps: more noise than way is between them."""
    used, broken = np.empty(xs.size, np.int64), np.zeros(xs.size, np.bool_)
    count, gap = 0, True
    for n in range(xs.size):
        gap = gap or fix_ms[n] - fix_ms[n - 1] > GAP_MS
        if not gap and math.hypot(xs[n] - xs[used[count - 1]], ys[n] - ys[used[count - 1]]) < step_m:
            continue
        used[count], broken[count] = n, gap
        count, gap = count + 1, False
    return used[:count].copy(), broken[:count].copy()


@kernel
def _follow(
    grid: RoadGrid, roads: Roads, rules: Numbers, fix_ms: Array, broken: Array, xs: Array, ys: Array,
    course_deg: Array, accuracy_m: Array, lag_ms: int,
) -> tuple[Array, Array, Array, Array, Array, Array]:  # fmt: skip
    """`edge`, `fraction`, `distance_m`, `joined`, `start` of `Driven`, and int64[P, 4] its parts. broken bool[F]:
    nothing is known of what was before a fix."""
    fixes = xs.size
    piece, near = np.empty((fixes, PLACES), np.int32), np.empty((fixes, PLACES, 4))
    belief, back = np.empty((fixes, 2 * PLACES)), np.full((fixes, 2 * PLACES), LEAP, np.int16)
    found = np.zeros(fixes, np.int64)
    room = scratch()
    for n in range(fixes):
        # NaN compares false
        if not (abs(xs[n]) < 1e9 and abs(ys[n]) < 1e9):
            continue
        states = weigh_states(grid, rules, xs[n], ys[n], course_deg[n], accuracy_m[n], piece[n], near[n], belief[n])
        if states == 0 or near[n, 0, 0] > rules.off_road_m + snap.slack_m(accuracy_m[n]):
            continue
        found[n] = states
        if n > 0 and found[n - 1] > 0 and not broken[n]:
            wide = max(snap.ease(accuracy_m[n], rules), snap.ease(accuracy_m[n - 1], rules))
            step(grid, roads, rules, xs[n - 1], ys[n - 1], xs[n], ys[n], wide, found[n - 1], piece[n - 1], near[n - 1],
                 belief[n - 1], states, piece[n], near[n], belief[n], back[n], room)  # fmt: skip
    chosen = _choose(fix_ms, broken, found, belief, back, lag_ms)
    edge, fraction = np.full(fixes, -1, np.int32), np.zeros(fixes, np.int32)
    off_m, joined = np.full(fixes, np.nan), np.zeros(max(0, fixes - 1), np.bool_)
    start = np.zeros(max(1, fixes), np.int64)
    parts: Number = np.empty((64 + 4 * fixes, 4), np.int64)
    count: Number = np.int64(0)
    reached = 0
    for n in range(fixes):
        j = chosen[n]
        if j >= 0:
            k, against = j >> 1, j & 1
            along = np.int32(np.rint(near[n, k, 1] * 65536.0))
            edge[n], off_m[n] = grid.piece_edges[piece[n, k], against], near[n, k, 0]
            fraction[n] = 65536 - along if against else along
        if n == 0:
            continue
        i = chosen[n - 1]
        if i >= 0 and j >= 0 and not broken[n]:
            if parts.shape[0] - count < room.label_m.size + 3:
                more = np.empty((2 * parts.shape[0] + room.label_m.size + 3, 4), np.int64)
                for p in range(count):  # row by row: what checks two shapes takes as long to compile as all the rest
                    for c in range(4):
                        more[p, c] = parts[p, c]
                parts = more
            if n == 1 or not joined[n - 2]:
                reached = fraction[n - 1]
            before = count
            wide = max(snap.ease(accuracy_m[n], rules), snap.ease(accuracy_m[n - 1], rules))
            air_m = math.hypot(xs[n] - xs[n - 1], ys[n] - ys[n - 1])
            count = _way(
                grid, roads, rules, xs[n], ys[n], air_m, wide, edge[n - 1], fraction[n - 1], reached, edge[n],
                fraction[n], off_m[n], back[n, j] == i + TURNED, parts, count, room,
            )  # fmt: skip
            if count > before:
                joined[n - 1] = True
                reached = parts[count - 1, 2]
        start[n] = count
    return edge, fraction, off_m, joined, start, parts[:count].copy()


@kernel
def _choose(fix_ms: Array, broken: Array, found: Array, belief: Array, back: Array, lag_ms: int) -> Array:
    """int64[F]: the state of each fix, by all fixes up to lag_ms after it (-1: all there are); -1 = off the road."""
    fixes = found.size
    chosen, best = np.full(fixes, -1, np.int64), np.zeros(fixes, np.int64)
    for n in range(fixes):
        for j in range(1, 2 * found[n]):
            if belief[n, j] < belief[n, best[n]]:
                best[n] = j
    if lag_ms < 0:
        state = -1
        for n in range(fixes - 1, -1, -1):
            if found[n] > 0:
                state = best[n] if state < 0 else state
                chosen[n] = state
                state = -1 if back[n, state] == LEAP else back[n, state] & (TURNED - 1)
            else:
                state = -1
        return chosen
    later = 0
    for n in range(fixes):
        if found[n] == 0:
            continue
        later = max(later, n)
        while later + 1 < fixes and found[later + 1] > 0 and not broken[later + 1]:
            if fix_ms[later + 1] - fix_ms[n] > lag_ms:
                break
            later += 1
        state = best[later]
        for at in range(later, n, -1):
            state = best[at - 1] if back[at, state] == LEAP else back[at, state] & (TURNED - 1)
        chosen[n] = state
    return chosen


@kernel
def _foot(grid: RoadGrid, segments: Array, code: Number, x: float, y: float) -> tuple[float, float]:
    """Distance of a place from an edge, by its code, and the fraction along it there."""
    best, along = np.inf, 0.0
    for s in range(segments[code >> 1], segments[(code >> 1) + 1]):
        x1, y1, x2, y2 = grid.segment[s, 0], grid.segment[s, 1], grid.segment[s, 2], grid.segment[s, 3]
        square = (x2 - x1) ** 2 + (y2 - y1) ** 2
        share = min(1.0, max(0.0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / square)) if square > 0.0 else 0.0
        away = math.hypot(x - x1 - share * (x2 - x1), y - y1 - share * (y2 - y1))
        if away < best and grid.segment[s, 5] > 0.0:
            best, along = away, min(1.0, (grid.segment[s, 4] + share * math.sqrt(square)) / grid.segment[s, 5])
    return best, 65536.0 * (1.0 - along if code & 1 else along)


@kernel
def _spread(
    grid: RoadGrid, segments: Array, edge_code: Array, used: Array, broken: Array, xs: Array, ys: Array,
    edge_u: Array, fraction_u: Array, off_u: Array, joined_u: Array, start_u: Array, parts_u: Array,
) -> tuple[Array, Array, Array, Array, Array, Array]:  # fmt: skip
    """What `_follow` found for the used fixes (int64[U]), for all of them: those between are put where the way that was
    driven comes nearest, each no further back than the one before it."""
    fixes = xs.size
    edge, fraction, off_m = np.full(fixes, -1, np.int32), np.zeros(fixes, np.int32), np.full(fixes, np.nan)
    joined, start = np.zeros(max(0, fixes - 1), np.bool_), np.zeros(max(1, fixes), np.int64)
    parts = np.empty((parts_u.shape[0] + 2 * fixes, 4), np.int64)
    count = 0
    for u in range(used.size):
        a, b = used[u], used[u + 1] if u + 1 < used.size else fixes
        start[a] = count
        edge[a], fraction[a], off_m[a] = edge_u[u], fraction_u[u], off_u[u]
        if edge[a] < 0:
            start[a + 1 : b] = count
            continue
        way = u + 1 < used.size and joined_u[u]
        part, end = (start_u[u], start_u[u + 1]) if way else (0, 1)
        if way:
            at = parts_u[part, 1]
        else:  # after the last move of a drive: on that edge
            at = parts_u[start_u[u] - 1, 2] if u > 0 and joined_u[u - 1] else np.int64(fraction_u[u])
        for n in range(a + 1, b):
            best_part, best_at, best_m = part, at, np.inf
            for k in range(part, end):
                on = parts_u[k, 0] if way else np.int64(edge_u[u])
                away, foot = _foot(grid, segments, edge_code[on], xs[n], ys[n])
                if away < best_m:
                    low = at if k == part else parts_u[k, 1]
                    high = parts_u[k, 2] if way else np.int64(65536)
                    best_part, best_m = k, away
                    best_at = max(low, min(high, np.int64(np.rint(foot))))
            for k in range(part, best_part + 1):  # what is driven up to there
                on = parts_u[k, 0] if way else np.int64(edge_u[u])
                turn = parts_u[k, 3] if way and k > part else np.int64(START)
                parts[count, 0], parts[count, 1], parts[count, 3] = on, at if k == part else parts_u[k, 1], turn
                parts[count, 2] = best_at if k == best_part else parts_u[k, 2]
                count += 1
            part, at = best_part, best_at
            edge[n] = parts_u[part, 0] if way else edge_u[u]
            fraction[n], off_m[n] = at, best_m
            joined[n - 1], start[n] = True, count
        if way:
            joined[b - 1] = True
            for k in range(part, end):
                for c in range(4):
                    parts[count, c] = parts_u[k, c]
                if k == part:
                    parts[count, 1], parts[count, 3] = at, START
                count += 1
    return edge, fraction, off_m, joined, start, parts[:count].copy()


@kernel
def _way(
    grid: RoadGrid, roads: Roads, rules: Numbers, x: float, y: float, air_m: float, wide: float,
    edge0: Number, fraction0: Number, reached: Number, edge: Number, fraction: Number, off_m: float, turned: bool,
    parts: Array, count: int, room: Scratch,
) -> int:  # fmt: skip
    """Add the parts of the way from one place to the next, which was driven up to `reached` already: how many there are
    then; as many as before where there is no such way."""
    edge_m, edge_code = roads.edge_m, roads.edge_code
    loose = looseness(air_m, wide, rules)
    before = count
    source: Number = np.int64(edge0)
    at: Number = np.int64(fraction0)
    parts[count, 0], parts[count, 1], parts[count, 2], parts[count, 3] = edge0, reached, reached, START
    count += 1
    if turned:
        code = edge_code[source]
        source = np.int64(grid.piece_edges[code >> 1, 1 - (code & 1)])
        at = 65536 - at
        parts[count, 0], parts[count, 1], parts[count, 2], parts[count, 3] = (
            source,
            65536 - reached,
            65536 - reached,
            ROUND,
        )
        count += 1
    excess_m = loose * rules.match_break_m
    here = edge_code[source] == edge_code[edge]
    if here:
        excess_m = min(excess_m, abs((fraction - at) / 65536.0 * edge_m[source] - air_m))
    end = -1
    limit_m = air_m + off_m + excess_m
    begin(roads, x, y, source, (65536 - at) / 65536.0 * edge_m[source], loose, limit_m, room)
    while end < 0:
        k = grow(roads, x, y, loose, limit_m, room)
        if k < 0:
            break
        if edge_code[room.label_edge[k]] == edge_code[edge]:
            end = k
    if end >= 0 and here:
        driven_m = room.label_m[end] + fraction / 65536.0 * edge_m[edge]
        if abs(driven_m - air_m) + loose * room.label_against[end] >= excess_m:
            end = -1
    if end < 0:
        if not here:
            return before
        parts[count - 1, 2] = max(parts[count - 1, 2], np.int64(fraction))
        return count
    parts[count - 1, 2] = 65536
    k, between = end, 0
    while k >= 0:
        between += 1
        k = room.label_from[k]
    k = end
    for n in range(count + between - 1, count - 1, -1):
        parts[n, 0], parts[n, 1], parts[n, 2], parts[n, 3] = room.label_edge[k], 0, 65536, room.label_turn[k]
        k = room.label_from[k]
    parts[count + between - 1, 2] = fraction
    return count + between
