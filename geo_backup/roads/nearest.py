"""The roads nearest to a place, in order, and where on earth a place on a road lies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geo_backup.geodesy import turn_deg
from geo_backup.roads.grid import RoadGrid
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import FRACTION_ONE, EdgeFlag, RoadNetwork
from geo_backup.roads.snap import RoadPoint


class NearRoad(NamedTuple):
    """A piece of road near a place: the foot of the place on it, as a road point in each direction to be driven."""

    distance_m: float
    points: tuple[RoadPoint, ...]


def nearest_roads(
    network: RoadNetwork,
    lon: float,
    lat: float,
    *,
    count: int,
    within_m: float,
    bearing: tuple[float, float] | None = None,
) -> list[NearRoad]:
    """At most `count` roads within so many metres, nearest first; of `bearing` (degrees, range in degrees) only the
    directions that are driven so."""
    index = RoadGrid.of(network)
    x, y = (float(axis) for axis in index.local(np.array(lon), np.array(lat)))
    reach_m = min(index.cell_m, within_m)
    while True:
        found = _roads_within(network, index, x, y, reach_m, count, bearing)
        if len(found) >= count or reach_m >= within_m:
            return found
        reach_m = min(2.0 * reach_m, within_m)


def _roads_within(
    network: RoadNetwork,
    index: RoadGrid,
    x: float,
    y: float,
    reach_m: float,
    count: int,
    bearing: tuple[float, float] | None,
) -> list[NearRoad]:
    """The first of them, nearest first, the lower piece first among equals."""
    west, east = _cells(x, reach_m, index.cell_m, index.columns)
    south, north = _cells(y, reach_m, index.cell_m, index.rows)
    cells = [
        index.cell_segment[index.cell_start[row + west] : index.cell_start[row + east + 1]]
        for row in range(south * index.columns, (north + 1) * index.columns, index.columns)
        if west <= east
    ]
    segments = np.unique(np.concatenate(cells)) if cells else np.zeros(0, np.intp)
    x1, y1, x2, y2, before, whole = index.segment[segments].astype(np.float64).T
    dx, dy = x2 - x1, y2 - y1
    square = dx * dx + dy * dy
    share = np.clip(np.divide((x - x1) * dx + (y - y1) * dy, square, out=np.zeros_like(dx), where=square > 0), 0, 1)
    distance = np.hypot(x - x1 - share * dx, y - y1 - share * dy)
    along = np.divide(before + share * np.sqrt(square), whole, out=np.zeros_like(dx), where=whole > 0)
    piece = index.segment_piece[segments]
    # bool[segments, 2]: driven along its piece, driven against it
    edges = index.piece_edges[piece]
    driven = (edges >= 0) & (network.edge_flags[edges] & int(EdgeFlag.AGAINST_ONEWAY) == 0)
    if bearing is not None:
        off_deg = turn_deg(bearing[0], np.degrees(np.arctan2(dx, dy))[:, None] + np.array([0.0, 180.0]))
        driven &= np.abs(off_deg) <= bearing[1]
    near = np.flatnonzero((distance <= reach_m) & driven.any(axis=1))
    near = near[np.lexsort((piece[near], distance[near]))]
    _, first = np.unique(piece[near], return_index=True)
    roads = []
    for row in near[np.sort(first)[:count]].tolist():
        fraction = round(min(1.0, float(along[row])) * FRACTION_ONE)
        parts = (fraction, FRACTION_ONE - fraction)
        points = tuple(RoadPoint(int(edges[row, k]), parts[k]) for k in (0, 1) if driven[row, k])
        roads.append(NearRoad(float(distance[row]), points))
    return roads


def _cells(at_m: float, reach_m: float, cell_m: float, count: int) -> tuple[int, int]:
    return max(0, int((at_m - reach_m) // cell_m)), min(count - 1, int((at_m + reach_m) // cell_m))


def positions(network: RoadNetwork, edges: Array, fractions: Array) -> Array:
    """Where road points lie: lon, lat float64[N, 2] of edges int[N] and fractions int[N]."""
    edges, share = np.asarray(edges, np.intp), np.asarray(fractions, np.float64) / FRACTION_ONE
    if len(edges) == 0:
        return np.zeros((0, 2))
    share = np.where(network.edge_against[edges], 1.0 - share, share)
    start, lon, lat = network.vertices
    piece = network.edge_piece[edges]
    size = (start[piece + 1] - start[piece]).astype(np.intp)
    row = np.repeat(np.arange(len(edges)), size)
    first = np.cumsum(size) - size
    vertex = np.arange(len(row)) - np.repeat(first, size) + np.repeat(start[piece], size)
    place = np.column_stack((lon[vertex], lat[vertex]))
    # metres along all the lines one after another; the step from one line to the next is none
    step = np.hypot(*(np.diff(place, axis=0) * network.metres_per_deg).T)
    step[first[1:] - 1] = 0.0
    along = np.concatenate(([0.0], np.cumsum(step)))
    begin, end = along[first], along[first + size - 1]
    at = begin + share * (end - begin)
    k = np.clip(np.searchsorted(along, at, side="right") - 1, first, first + size - 2)
    span = along[k + 1] - along[k]
    part = np.clip(np.divide(at - along[k], span, out=np.zeros_like(at), where=span > 0), 0.0, 1.0)
    out: Array = place[k] + part[:, None] * (place[k + 1] - place[k])
    return out
