"""RoadGrid: which pieces of road lie near a place, in local metres, and on which side of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geo_backup.roads.kernel import Array, kernel, per_network
from geo_backup.roads.network import EdgeFlag, RoadNetwork, WayClass, WayFlag

# facts of an edge as `piece_info` keeps them; a piece that lacks the edge has none of them
RIGHT = 1
"""Legal, or otherwise right for who stands there: not against a one-way."""
TURNS = 2
"""May be entered by turning round in the street."""
MAIN = 4
TUNNEL = 8
BRIDGE = 16
MOTORWAY = 32

SIDES = 8
_SECTOR = 2.0 * math.pi / SIDES
_ONE_SIDE = math.cos(math.radians(45.0))


class RoadGrid(NamedTuple):
    """A uniform grid over the road segments of a network, in local metres east and north of its south-west corner.

    A tuple, so that a kernel takes it whole.
    """

    west: float
    south: float
    lon_m: float
    """Metres in a degree of longitude; `lat_m` of latitude."""
    lat_m: float
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
    """uint8[P, 2]: facts of the edge along and of the one against, see the module's constants."""

    @classmethod
    def of(cls, network: RoadNetwork) -> RoadGrid:
        """The grid of a network, built on first use."""
        return _build(network)

    def local(self, lon: Array, lat: Array) -> tuple[Array, Array]:
        """Metres float64 east and north of the corner."""
        east = (np.asarray(lon, np.float64) - self.west + 180.0) % 360.0 - 180.0
        return east * self.lon_m, (np.asarray(lat, np.float64) - self.south) * self.lat_m


@per_network
def _build(network: RoadNetwork) -> RoadGrid:
    start, lon, lat = network.vertices
    west, south, _, _ = network.area.extent
    metres = network.metres_per_deg
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
    cell_m = max(50.0, math.sqrt(max(x_max, 1.0) * max(y_max, 1.0) / max(1, 2 * len(segment))))
    columns, rows = int(x_max // cell_m) + 1, int(y_max // cell_m) + 1
    counts = np.zeros(columns * rows + 1, np.uint32)
    _fill_grid(segment, cell_m, columns, rows, counts, np.zeros(0, np.uint32))
    cell_start = np.zeros(columns * rows + 1, np.uint32)
    np.cumsum(counts[:-1], out=cell_start[1:])
    cell_segment = np.zeros(int(cell_start[-1]), np.uint32)
    cursor = cell_start.copy()
    _fill_grid(segment, cell_m, columns, rows, cursor, cell_segment)
    return RoadGrid(
        west=west,
        south=south,
        lon_m=metres[0],
        lat_m=metres[1],
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
    way = network.edge_way
    klass = np.asarray(network.way_class)[way]
    tunnel = (np.asarray(network.way_flags)[way] & int(WayFlag.TUNNEL)) != 0
    bridge = (np.asarray(network.way_flags)[way] & int(WayFlag.BRIDGE)) != 0
    info = np.zeros(network.edges, np.uint8)
    for bit, holds in (
        (RIGHT, ~against),
        (TURNS, ~against & ~dual),
        (MAIN, (flags & int(EdgeFlag.MAIN)) != 0),
        (TUNNEL, tunnel),
        (BRIDGE, bridge & ~tunnel),
        (MOTORWAY, (klass == WayClass.MOTORWAY) | (klass == WayClass.MOTORWAY_LINK)),
    ):
        info |= np.where(holds, bit, 0).astype(np.uint8)
    out = np.zeros((network.pieces, 2), np.uint8)
    single = np.flatnonzero(flags & EdgeFlag.TWIN == 0)
    out[network.edge_piece[single], network.edge_against[single].astype(np.intp)] = info[single]
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
def nearest(grid: RoadGrid, x: float, y: float, max_m: float, extra_m: float, piece: Array, near: Array) -> int:
    """Pieces within max_m and within extra_m of the nearest, by distance, then the nearest main one if it is none of
    them; how many. near float64[K, 4]: distance, fraction along, unit direction x and y of the segment."""
    cell_m, columns, rows = grid.cell_m, grid.columns, grid.rows
    cell_start, cell_segment, segment = grid.cell_start, grid.cell_segment, grid.segment
    segment_piece, piece_info = grid.segment_piece, grid.piece_info
    room = piece.size - 1  # the last place is kept for a main piece
    found = 0
    bound = max_m * max_m  # squared distance beyond which a segment is neither near nor the nearest main one
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
                dx = max(0.0, column * cell_m - x, x - (column + 1) * cell_m)
                dy = max(0.0, row * cell_m - y, y - (row + 1) * cell_m)
                if dx * dx + dy * dy > bound:
                    continue
                cell = np.uint32(row * columns + column)
                for i in range(cell_start[cell], cell_start[cell + 1]):
                    s = cell_segment[i]
                    x1, y1, x2, y2 = segment[s, 0], segment[s, 1], segment[s, 2], segment[s, 3]
                    dx, dy = x2 - x1, y2 - y1
                    square = dx * dx + dy * dy
                    share = 0.0
                    if square > 0.0:
                        share = min(1.0, max(0.0, ((x - x1) * dx + (y - y1) * dy) / square))
                    away = (x - (x1 + share * dx)) ** 2 + (y - (y1 + share * dy)) ** 2
                    if away > bound:
                        continue
                    distance = math.sqrt(away)
                    p = segment_piece[s]
                    length = math.sqrt(square)
                    along = 0.0
                    if segment[s, 5] > 0.0:
                        along = min(1.0, max(0.0, (segment[s, 4] + share * length) / segment[s, 5]))
                    if length > 0.0:
                        dx, dy = dx / length, dy / length
                    is_main = (piece_info[p, 0] | piece_info[p, 1]) & MAIN != 0
                    if is_main and (distance < main_m or (distance == main_m and p < main)):
                        main, main_m, main_along, main_dx, main_dy = p, distance, along, dx, dy
                        if found > 0:
                            bound = min(max_m, max(near[0, 0] + extra_m, main_m)) ** 2
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
                        for c in range(4):
                            near[at, c] = near[at - 1, c]
                        at -= 1
                    piece[at] = p
                    near[at, 0], near[at, 1], near[at, 2], near[at, 3] = distance, along, dx, dy
                    if at == 0:
                        bound = min(max_m, max(distance + extra_m, main_m)) ** 2
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
def sides(grid: RoadGrid, x: float, y: float, reach_m: float, piece: Array, near: Array) -> int:
    """The nearest road on each side of a place that lies off the road, nearest first; how many.

    Only main roads on the ground within reach_m that one can walk onto: a motorway hides what lies behind it. Two
    roads in about the same direction (45 degrees) are one side. `piece` int32[8], near float64[8, 4]: distance,
    fraction along, unit direction x and y from the place to the road.
    """
    best = np.full(SIDES, np.inf)
    found_piece = np.full(SIDES, -1, np.int32)
    found = np.empty((SIDES, 4), np.float64)
    cell_m = grid.cell_m
    for row in range(max(0, int((y - reach_m) / cell_m)), min(grid.rows - 1, int((y + reach_m) / cell_m)) + 1):
        for column in range(
            max(0, int((x - reach_m) / cell_m)), min(grid.columns - 1, int((x + reach_m) / cell_m)) + 1
        ):
            cell = row * grid.columns + column
            for i in range(grid.cell_start[cell], grid.cell_start[cell + 1]):
                s = grid.cell_segment[i]
                x1, y1, x2, y2 = grid.segment[s, 0], grid.segment[s, 1], grid.segment[s, 2], grid.segment[s, 3]
                distance, share, square = _to_segment(x, y, x1, y1, x2, y2)
                p = grid.segment_piece[s]
                if distance > reach_m or distance == 0.0:
                    continue
                if (grid.piece_info[p, 0] | grid.piece_info[p, 1]) & (TUNNEL | BRIDGE):
                    continue
                dx, dy = (x1 + share * (x2 - x1) - x) / distance, (y1 + share * (y2 - y1) - y) / distance
                side = int((math.atan2(dy, dx) + math.pi) / _SECTOR) % SIDES
                if distance < best[side] or (distance == best[side] and p < found_piece[side]):
                    best[side], found_piece[side] = distance, p
                    along = 0.0
                    if grid.segment[s, 5] > 0.0:
                        along = (grid.segment[s, 4] + share * math.sqrt(square)) / grid.segment[s, 5]
                    found[side, 0], found[side, 1] = distance, min(1.0, max(0.0, along))
                    found[side, 2], found[side, 3] = dx, dy
    count = 0
    for _ in range(SIDES):
        side = 0
        for other in range(1, SIDES):
            if best[other] < best[side]:
                side = other
        if best[side] == np.inf:
            break
        best[side] = np.inf
        p = found_piece[side]
        info = grid.piece_info[p, 0] | grid.piece_info[p, 1]
        same = False
        for k in range(count):
            if found[side, 2] * near[k, 2] + found[side, 3] * near[k, 3] > _ONE_SIDE:
                same = True
        if not same and info & MAIN and not info & MOTORWAY:
            piece[count] = p
            for c in range(4):
                near[count, c] = found[side, c]
            count += 1
    return count
