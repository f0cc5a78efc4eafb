"""Snapping: a position becomes a place on directed edges, with the direction a vehicle can really go.

A unit on a street may be on either of its edges; its course says which. Up to four candidates are kept, and the
arrival field decides between them by time. A unit is never turned round where the street does not allow it: that
is how a car on the far side of a dual carriageway gets the true, longer ETA.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from geo_backup.errors import OutsideMapError
from geo_backup.geodesy import M_PER_DEG
from geo_backup.roads.network import FRACTION_ONE, Array, EdgeFlag, RoadNetwork, WayFlag
from geo_backup.roads.search import kernel
from geo_backup.rules import SnapRules

CANDIDATES = 4
_PIECES = 8


class RoadPoint(NamedTuple):
    """A place on the network: an edge and 1/65536 parts of it."""

    edge: int
    fraction: int


@dataclass(frozen=True)
class RoadPoints:
    """Candidates of N units, the likeliest first.

    `edge` int32[N, 4] (-1 = none), `fraction` int32[N, 4] (0 to 65536), `turn_round` uint8[N, 4] (1: faces against
    the known course on a two-way street, costs the profile's U-turn), `offset_m` float32[N] (from the road; inf = off
    the network).
    """

    edge: Array
    fraction: Array
    turn_round: Array
    offset_m: Array

    def __len__(self) -> int:
        return len(self.edge)

    @classmethod
    def empty(cls, count: int) -> RoadPoints:
        """`count` units that are on no road."""
        return cls(
            np.full((count, CANDIDATES), -1, np.int32),
            np.zeros((count, CANDIDATES), np.int32),
            np.zeros((count, CANDIDATES), np.uint8),
            np.full(count, np.inf, np.float32),
        )

    @classmethod
    def of(cls, points: list[RoadPoint]) -> RoadPoints:
        """One certain candidate a unit."""
        out = cls.empty(len(points))
        for row, point in enumerate(points):
            out.edge[row, 0], out.fraction[row, 0] = point
        out.offset_m[:] = 0.0
        return out

    def take(self, indices: Array) -> RoadPoints:
        """Rows by index, as a copy."""
        indices = np.asarray(indices)
        return RoadPoints(self.edge[indices], self.fraction[indices], self.turn_round[indices], self.offset_m[indices])

    def put(self, indices: Array, other: RoadPoints) -> None:
        """Overwrite rows by index."""
        indices = np.asarray(indices)
        self.edge[indices] = other.edge
        self.fraction[indices] = other.fraction
        self.turn_round[indices] = other.turn_round
        self.offset_m[indices] = other.offset_m


@dataclass(frozen=True)
class Target:
    """Where vehicles are to arrive: places on edges, each with the walk that remains."""

    edges: tuple[int, ...]
    fractions: tuple[int, ...]
    last_leg_ms: tuple[int, ...]
    last_leg_m: tuple[float, ...]
    lon: float
    lat: float
    off_road_m: float
    """Distance to the nearest of the roads."""
    on_main: bool
    """False: the nearest road is cut off from the main network (a nearby main road is among the edges, if any)."""

    @classmethod
    def on_edge(cls, edge: int, fraction: int, *, lon: float = 0.0, lat: float = 0.0) -> Target:
        """A place exactly on one edge, as a moving unit is."""
        return cls((edge,), (fraction,), (0,), (0.0,), lon, lat, 0.0, True)


@dataclass(frozen=True, eq=False)
class SnapIndex:
    """A uniform grid over the road segments of a network, in local metres east and north of its south-west corner."""

    west: float
    south: float
    metres: tuple[float, float]
    """Metres in a degree of longitude and of latitude."""
    cell_m: float
    columns: int
    rows: int
    cell_start: Array
    """uint32[cells + 1] into cell_segment."""
    cell_segment: Array
    segment: Array
    """float32[S, 6]: x and y of both ends, metres of the piece before it, metres of the whole piece."""
    segment_piece: Array
    piece_edges: Array
    """int32[P, 2], -1 where there is none."""
    piece_info: Array
    """uint8[P, 2]: of the edge along and against: 1 exists, 2 legal or otherwise right for who stands there,
    4 may be entered by turning round, 8 main."""

    @classmethod
    def of(cls, network: RoadNetwork) -> SnapIndex:
        """The index of a network, built on first use."""
        index = _INDEXES.get(network)
        if index is None:
            index = _INDEXES[network] = _build_index(network)
        return index

    def local(self, lon: Array, lat: Array) -> tuple[Array, Array]:
        """Metres float64 east and north of the corner."""
        east = (np.asarray(lon, np.float64) - self.west + 180.0) % 360.0 - 180.0
        return east * self.metres[0], (np.asarray(lat, np.float64) - self.south) * self.metres[1]


_INDEXES: WeakKeyDictionary[RoadNetwork, SnapIndex] = WeakKeyDictionary()


def snap_units(
    network: RoadNetwork, lon: Array, lat: Array, course_deg: Array, speed_mps: Array, rules: SnapRules
) -> RoadPoints:
    """Road points of N positions (float64[N] each; course and speed nan where unknown)."""
    index = SnapIndex.of(network)
    x, y = index.local(lon, lat)
    course = np.array(course_deg, np.float64)
    # a slow or standing receiver's course is noise; one that reports a course without speed is believed
    course[np.asarray(speed_mps, np.float64) < rules.course_from_mps] = np.nan
    points = RoadPoints.empty(len(x))
    _snap_units(
        index.cell_m, index.columns, index.rows, index.cell_start, index.cell_segment, index.segment,
        index.segment_piece, index.piece_edges, index.piece_info, x, y, course,
        rules.unit_max_m, rules.candidate_extra_m, math.cos(math.radians(rules.course_tolerance_deg)),
        rules.course_weight_m, points.edge, points.fraction, points.turn_round, points.offset_m,
    )  # fmt: skip
    return points


def snap_place(network: RoadNetwork, lon: float, lat: float, rules: SnapRules) -> Target:
    """The target of a place: its nearest road in both directions, and the walk from there.

    Raises `OutsideMapError` when no road is within `incident_max_m`.
    """
    index = SnapIndex.of(network)
    x, y = index.local(np.array([lon]), np.array([lat]))
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise OutsideMapError("/lon", "The place is not a position on earth.")
    piece = np.full(_PIECES, -1, np.int32)
    near = np.zeros((_PIECES, 4))
    found = _nearest(
        index.cell_m, index.columns, index.rows, index.cell_start, index.cell_segment, index.segment,
        index.segment_piece, index.piece_info, float(x[0]), float(y[0]), rules.incident_max_m, 0.0, piece, near,
    )  # fmt: skip
    if found == 0:
        raise OutsideMapError(
            "/lon",
            f"No road within {rules.incident_max_m:.0f} m of {lon:.5f}, {lat:.5f}: the place lies outside the map "
            "(is longitude given before latitude?).",
        )
    chosen = [0]
    on_main = bool((index.piece_info[piece[0]] & 8).any())
    if not on_main and found > 1 and (index.piece_info[piece[found - 1]] & 8).any():
        chosen.append(found - 1)
    edges: list[int] = []
    fractions: list[int] = []
    legs_ms: list[int] = []
    legs_m: list[float] = []
    for row in chosen:
        distance = float(near[row, 0])
        along = round(float(near[row, 1]) * FRACTION_ONE)
        walk_m = max(0.0, distance - rules.walk_free_m)
        for against in (0, 1):
            edge = int(index.piece_edges[piece[row], against])
            if edge >= 0:
                edges.append(edge)
                fractions.append(FRACTION_ONE - along if against else along)
                legs_ms.append(round(walk_m / rules.walk_mps * 1000.0))
                legs_m.append(walk_m)
    return Target(tuple(edges), tuple(fractions), tuple(legs_ms), tuple(legs_m), lon, lat, float(near[0, 0]), on_main)


def _build_index(network: RoadNetwork) -> SnapIndex:
    start, lon, lat = network.vertices
    west, south, _, _ = network.area.extent
    metres = (network.metres_per_deg[0], M_PER_DEG)
    x = ((lon - west + 180.0) % 360.0 - 180.0) * metres[0]
    y = (lat - south) * metres[1]
    # every vertex but a piece's last begins a segment
    first = np.ones(len(lon), np.bool_)
    first[start[1:] - 1] = False
    at = np.flatnonzero(first)
    piece = np.repeat(np.arange(network.pieces, dtype=np.int32), np.diff(start) - 1)
    length = np.hypot(x[at + 1] - x[at], y[at + 1] - y[at])
    running = np.concatenate(([0.0], np.cumsum(length)))
    segment_start = start[:-1] - np.arange(network.pieces)
    before = running[:-1] - running[segment_start][piece]
    whole = np.bincount(piece, weights=length, minlength=network.pieces)[piece]
    segment = np.column_stack((x[at], y[at], x[at + 1], y[at + 1], before, whole)).astype(np.float32)
    x_max, y_max = float(x.max(initial=0.0)), float(y.max(initial=0.0))
    cell_m = max(100.0, math.sqrt(max(x_max, 1.0) * max(y_max, 1.0) / max(1, 2 * len(segment))))
    columns, rows = int(x_max // cell_m) + 1, int(y_max // cell_m) + 1
    counts = np.zeros(columns * rows + 1, np.uint32)
    _fill_grid(segment, cell_m, columns, rows, counts, np.zeros(0, np.uint32))
    cell_start = np.zeros(columns * rows + 1, np.uint32)
    np.cumsum(counts[:-1], out=cell_start[1:])
    cell_segment = np.zeros(int(cell_start[-1]), np.uint32)
    cursor = cell_start.copy()
    _fill_grid(segment, cell_m, columns, rows, cursor, cell_segment)
    return SnapIndex(
        west=west,
        south=south,
        metres=metres,
        cell_m=cell_m,
        columns=columns,
        rows=rows,
        cell_start=cell_start,
        cell_segment=cell_segment,
        segment=segment,
        segment_piece=piece,
        piece_edges=np.ascontiguousarray(network.piece_edges),
        piece_info=_piece_info(network),
    )


def _piece_info(network: RoadNetwork) -> Array:
    flags = np.asarray(network.edge_flags)
    dual = (np.asarray(network.way_flags)[network.edge_way] & int(WayFlag.DUAL_CARRIAGEWAY)) != 0
    against = (flags & int(EdgeFlag.AGAINST_ONEWAY)) != 0
    info = np.ones(network.edges, np.uint8)
    info |= np.where(~against, 2, 0).astype(np.uint8)
    info |= np.where(~against & ~dual, 4, 0).astype(np.uint8)
    info |= np.where((flags & int(EdgeFlag.MAIN)) != 0, 8, 0).astype(np.uint8)
    out = np.zeros((network.pieces, 2), np.uint8)
    out[network.edge_piece, network.edge_against.astype(np.intp)] = info
    return out


@kernel
def _fill_grid(segment: Array, cell_m: float, columns: int, rows: int, cursor: Array, cell_segment: Array) -> None:
    """Count (empty cell_segment) or file every segment in the cells it may touch."""
    for s in range(segment.shape[0]):
        x1, y1, x2, y2 = segment[s, 0], segment[s, 1], segment[s, 2], segment[s, 3]
        for row in range(max(0, int(min(y1, y2) / cell_m)), min(rows - 1, int(max(y1, y2) / cell_m)) + 1):
            for column in range(max(0, int(min(x1, x2) / cell_m)), min(columns - 1, int(max(x1, x2) / cell_m)) + 1):
                # a long diagonal's box is mostly empty: keep the cells whose circle it meets
                distance, _, _ = _to_segment((column + 0.5) * cell_m, (row + 0.5) * cell_m, x1, y1, x2, y2)
                if distance <= 0.7072 * cell_m:
                    cell = row * columns + column
                    if cell_segment.size > 0:
                        cell_segment[cursor[cell]] = s
                    cursor[cell] += np.uint32(1)


@kernel
def _to_segment(x: float, y: float, x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float]:
    """Distance to a segment, share of it at the foot, and its squared length."""
    dx, dy = x2 - x1, y2 - y1
    square = dx * dx + dy * dy
    share = 0.0
    if square > 0.0:
        share = min(1.0, max(0.0, ((x - x1) * dx + (y - y1) * dy) / square))
    return math.hypot(x - (x1 + share * dx), y - (y1 + share * dy)), share, square


@kernel
def _nearest(
    cell_m: float,
    columns: int,
    rows: int,
    cell_start: Array,
    cell_segment: Array,
    segment: Array,
    segment_piece: Array,
    piece_info: Array,
    x: float,
    y: float,
    max_m: float,
    extra_m: float,
    piece: Array,
    near: Array,
) -> int:
    """Pieces within max_m and within extra_m of the nearest, by distance, then the nearest main one if it is none of
    them; how many. near float64[K, 4]: distance, fraction along, unit direction x and y of the segment."""
    room = piece.size - 1  # the last place is kept for a main piece
    found = 0
    main, main_m, main_along, main_dx, main_dy = -1, np.inf, 0.0, 0.0, 0.0
    column0, row0 = math.floor(x / cell_m), math.floor(y / cell_m)
    # distance to the border of the own cell: after ring r all within r * cell_m + inner is known
    inner = min(x - column0 * cell_m, (column0 + 1) * cell_m - x, y - row0 * cell_m, (row0 + 1) * cell_m - y)
    for ring in range(int(max_m / cell_m) + 3):
        for row in range(max(0, row0 - ring), min(rows - 1, row0 + ring) + 1):
            whole = abs(row - row0) == ring
            step = 1 if whole or ring == 0 else 2 * ring
            for column in range(column0 - ring, column0 + ring + 1, step):
                if column < 0 or column >= columns:
                    continue
                cell = row * columns + column
                for i in range(cell_start[cell], cell_start[cell + 1]):
                    s = cell_segment[i]
                    x1, y1, x2, y2 = segment[s, 0], segment[s, 1], segment[s, 2], segment[s, 3]
                    distance, share, square = _to_segment(x, y, x1, y1, x2, y2)
                    if distance > max_m:
                        continue
                    p = segment_piece[s]
                    length = math.sqrt(square)
                    along = 0.0
                    if segment[s, 5] > 0.0:
                        along = min(1.0, max(0.0, (segment[s, 4] + share * length) / segment[s, 5]))
                    dx = (x2 - x1) / length if length > 0.0 else 0.0
                    dy = (y2 - y1) / length if length > 0.0 else 0.0
                    is_main = (piece_info[p, 0] | piece_info[p, 1]) & 8 != 0
                    if is_main and (distance < main_m or (distance == main_m and p < main)):
                        main, main_m, main_along, main_dx, main_dy = p, distance, along, dx, dy
                    if found > 0 and distance > near[0, 0] + extra_m:
                        continue
                    # one place a piece; sorted by distance, then piece, so that the order of cells does not matter
                    at = found
                    for k in range(found):
                        if piece[k] == p:
                            at = k
                            break
                    if at < found:
                        if distance >= near[at, 0]:
                            continue
                    elif found < room:
                        found += 1
                    else:
                        at = room - 1
                        if distance > near[at, 0] or (distance == near[at, 0] and p > piece[at]):
                            continue
                    while at > 0 and (
                        distance < near[at - 1, 0] or (distance == near[at - 1, 0] and p < piece[at - 1])
                    ):
                        piece[at] = piece[at - 1]
                        near[at, :] = near[at - 1, :]
                        at -= 1
                    piece[at] = p
                    near[at, 0], near[at, 1], near[at, 2], near[at, 3] = distance, along, dx, dy
        reach = ring * cell_m + inner
        if found > 0 and reach >= near[0, 0] + extra_m and (main_m <= reach):
            break
    while found > 0 and near[found - 1, 0] > near[0, 0] + extra_m:
        found -= 1
    has_main = main < 0
    for k in range(found):
        if piece[k] == main:
            has_main = True
    if found > 0 and not has_main:
        piece[found] = main
        near[found, 0], near[found, 1], near[found, 2], near[found, 3] = main_m, main_along, main_dx, main_dy
        found += 1
    return found


@kernel
def _snap_units(
    cell_m: float,
    columns: int,
    rows: int,
    cell_start: Array,
    cell_segment: Array,
    segment: Array,
    segment_piece: Array,
    piece_edges: Array,
    piece_info: Array,
    xs: Array,
    ys: Array,
    course_deg: Array,
    max_m: float,
    extra_m: float,
    cos_tolerance: float,
    course_weight_m: float,
    out_edge: Array,
    out_fraction: Array,
    out_round: Array,
    out_offset: Array,
) -> None:
    piece = np.empty(8, np.int32)
    near = np.empty((8, 4), np.float64)
    score = np.empty(16, np.float64)
    for n in range(xs.size):
        # NaN compares false
        if not (abs(xs[n]) < 1e9 and abs(ys[n]) < 1e9):
            continue
        found = _nearest(
            cell_m, columns, rows, cell_start, cell_segment, segment, segment_piece, piece_info,
            xs[n], ys[n], max_m, extra_m, piece, near,
        )  # fmt: skip
        if found == 0:
            continue
        out_offset[n] = near[0, 0]
        known = course_deg[n] == course_deg[n]
        cx = math.sin(math.radians(course_deg[n])) if known else 0.0
        cy = math.cos(math.radians(course_deg[n])) if known else 0.0
        taken = 0
        if known:
            best_score, best = np.inf, -1
            for k in range(found):
                for against in range(2):
                    if piece_edges[piece[k], against] < 0:
                        continue
                    sign = -1.0 if against else 1.0
                    cosine = sign * (cx * near[k, 2] + cy * near[k, 3])
                    score[2 * k + against] = np.inf
                    # the extra main piece lies further off; it is no equal of the near ones
                    if cosine < cos_tolerance or near[k, 0] > near[0, 0] + extra_m:
                        continue
                    value = near[k, 0] + course_weight_m * (1.0 - cosine)
                    if piece_info[piece[k], against] & 2 == 0:
                        value += course_weight_m  # driving against a one-way is the less likely story
                    score[2 * k + against] = value
                    if value < best_score:
                        best_score, best = value, 2 * k + against
            if best >= 0:
                limit = best_score + extra_m
                while taken < 4:
                    best_score, best = np.inf, -1
                    for k in range(found):
                        for against in range(2):
                            if piece_edges[piece[k], against] >= 0 and score[2 * k + against] < best_score:
                                best_score, best = score[2 * k + against], 2 * k + against
                    if best < 0 or best_score > limit:
                        break
                    score[best] = np.inf
                    k, against = best >> 1, best & 1
                    _put(n, taken, piece_edges[piece[k], against], against, near[k, 1], 0,
                         out_edge, out_fraction, out_round)  # fmt: skip
                    taken += 1
                    if taken == 1 and piece_info[piece[k], 1 - against] & 4 and piece_info[piece[k], against] & 4:
                        _put(n, taken, piece_edges[piece[k], 1 - against], 1 - against, near[k, 1], 1,
                             out_edge, out_fraction, out_round)  # fmt: skip
                        taken += 1
        if taken == 0:
            for k in range(found):
                if near[k, 0] > near[0, 0] + extra_m:
                    continue
                for against in range(2):
                    if taken < 4 and piece_info[piece[k], against] & 2:
                        _put(n, taken, piece_edges[piece[k], against], against, near[k, 1], 0,
                             out_edge, out_fraction, out_round)  # fmt: skip
                        taken += 1
        # cut off from the rest: the nearest road that is not is a candidate too
        if (piece_info[piece[0], 0] | piece_info[piece[0], 1]) & 8 == 0:
            for k in range(found):
                if (piece_info[piece[k], 0] | piece_info[piece[k], 1]) & 8:
                    have = False
                    for c in range(taken):
                        for against in range(2):
                            if out_edge[n, c] == piece_edges[piece[k], against]:
                                have = True
                    if not have:
                        taken = min(taken, 2)
                        for against in range(2):
                            if piece_info[piece[k], against] & 2:
                                _put(n, taken, piece_edges[piece[k], against], against, near[k, 1], 0,
                                     out_edge, out_fraction, out_round)  # fmt: skip
                                taken += 1
                        for c in range(taken, 4):
                            out_edge[n, c] = -1
                    break


@kernel
def _put(
    n: int, c: int, edge: int, against: int, along: float, turn_round: int,
    out_edge: Array, out_fraction: Array, out_round: Array,
) -> None:  # fmt: skip
    fraction = np.int32(np.rint(along * 65536.0))
    out_edge[n, c] = edge
    out_fraction[n, c] = 65536 - fraction if against else fraction
    out_round[n, c] = turn_round
