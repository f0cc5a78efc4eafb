"""Reach: the area from which a target is reached, or which a unit reaches, within some minutes, as polygons.

Times at the ends of edges are sampled along every street into a grid of square cells, widened by one cell for the
houses along the street, and the cells within each limit are joined.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.network import FRACTION_ONE, RoadNetwork

_CELLS_MAX = 1_000_000


def reach_polygons(
    network: RoadNetwork,
    at_end_ms: Array,
    edge_ms: Array,
    ends: Sequence[tuple[int, int, int]],
    limits_ms: Sequence[int],
    *,
    outward: bool = False,
) -> list[shapely.MultiPolygon]:
    """A valid MultiPolygon (lon, lat) for each limit, each within those of larger limits.

    `at_end_ms` int32[E] are times from the end of each edge, or, `outward`, to its start; INF_MS there, and in
    `edge_ms` int32[E], does not count. `ends` are the edges of the target, or of the unit, with fraction and ms on
    foot or before driving: before the target, or after the unit, on its own edge one need not go round.
    """
    x, y, ms = _samples(network, at_end_ms, edge_ms, ends, max(limits_ms, default=0), outward)
    east, north = network.metres_per_deg
    west, south, _, _ = network.area.extent
    if len(x) == 0 or not limits_ms:
        return [shapely.MultiPolygon() for _ in limits_ms]
    left, below = float(x.min()), float(y.min())
    wide, high = float(x.max()) - left, float(y.max()) - below
    cell = max(50.0, float(np.sqrt(wide * high / _CELLS_MAX)))
    # two cells of margin, so that widening and rounding stay inside
    columns, rows = int(wide / cell) + 5, int(high / cell) + 5
    grid = np.full(rows * columns, INF_MS, np.int64)
    np.minimum.at(
        grid, ((y - below) / cell + 2).astype(np.int64) * columns + ((x - left) / cell + 2).astype(np.int64), ms
    )
    from scipy.ndimage import minimum_filter  # slow to import

    grid = minimum_filter(grid.reshape(rows, columns), size=3, mode="constant", cval=INF_MS)
    out: dict[int, shapely.MultiPolygon] = {}
    inner = shapely.MultiPolygon()
    for limit in sorted(set(limits_ms)):
        area = _joined(grid <= limit, cell)
        # corners are cut, and gaps between streets narrower than two cells are filled
        area = area.buffer(cell, quad_segs=2).buffer(-cell, quad_segs=2).simplify(cell / 3.0)
        area = shapely.union(shapely.make_valid(area), inner)
        inner = _polygons(area)
        place = shapely.transform(
            inner, lambda c: np.column_stack(((c[:, 0] + left) / east + west, (c[:, 1] + below) / north + south))
        )
        out[limit] = _polygons(shapely.make_valid(place))
    return [out[limit] for limit in limits_ms]


def _samples(
    network: RoadNetwork,
    at_end_ms: Array,
    edge_ms: Array,
    ends: Sequence[tuple[int, int, int]],
    limit: int,
    outward: bool,
) -> tuple[Array, Array, Array]:
    """Places every 25 m along all streets within the limit: x, y (metres) and ms."""
    start, lon, lat = network.vertices
    east, north = network.metres_per_deg
    west, south, _, _ = network.area.extent
    x, y = (lon - west) * east, (lat - south) * north
    first = np.ones(len(x), np.bool_)
    first[start[1:] - 1] = False
    at = np.flatnonzero(first)
    piece = np.repeat(np.arange(network.pieces), np.diff(start) - 1)
    length = np.hypot(x[at + 1] - x[at], y[at + 1] - y[at])
    running = np.concatenate(([0.0], np.cumsum(length)))
    before = running[:-1] - running[start[:-1] - np.arange(network.pieces)][piece]
    whole = np.maximum(np.bincount(piece, weights=length, minlength=network.pieces), 1e-6)[piece]
    near = np.zeros(network.pieces, np.bool_)
    near[network.edge_piece[at_end_ms <= limit]] = True
    near[network.edge_piece[[edge for edge, _, _ in ends]]] = True
    keep = np.flatnonzero(near[piece])
    count = np.ceil(length[keep] / 25.0).astype(np.int64) + 1
    segment = np.repeat(keep, count)
    step = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    share = step / np.repeat(np.maximum(count - 1, 1), count)
    vertex = at[segment]
    along = (before[segment] + share * length[segment]) / whole[segment]
    ms = np.full(len(segment), float(INF_MS))
    for against in (0, 1):
        edge = network.piece_edges[piece[segment], against]
        # the share of the edge between the place and that end of it whose time is known
        rest = along if (against == 1) != outward else 1.0 - along
        usable = (edge >= 0) & (edge_ms[edge] < INF_MS) & (at_end_ms[edge] < INF_MS)
        ms = np.where(usable, np.minimum(ms, at_end_ms[edge] + rest * edge_ms[edge]), ms)
        for target, fraction, leg in ends:
            part = (1.0 - fraction / FRACTION_ONE if outward else fraction / FRACTION_ONE) - (1.0 - rest)
            ahead = (edge == target) & (part >= 0.0) & (edge_ms[edge] < INF_MS)
            ms = np.where(ahead, np.minimum(ms, leg + part * edge_ms[edge]), ms)
    within = ms <= limit
    segment, share, vertex = segment[within], share[within], vertex[within]
    return (
        x[vertex] + share * (x[vertex + 1] - x[vertex]),
        y[vertex] + share * (y[vertex + 1] - y[vertex]),
        np.ceil(ms[within]).astype(np.int64),
    )


def _joined(mask: Array, cell: float) -> shapely.Geometry:
    """The cells of a mask (bool[rows, columns]) as one area, in metres from the grid's origin two cells in."""
    edges = np.diff(mask.astype(np.int8), axis=1, prepend=0, append=0)
    row, begin = np.nonzero(edges == 1)
    _, end = np.nonzero(edges == -1)
    runs = shapely.box((begin - 2) * cell, (row - 2) * cell, (end - 2) * cell, (row - 1) * cell)
    return shapely.union_all(runs)


def _polygons(area: shapely.Geometry) -> shapely.MultiPolygon:
    parts = shapely.get_parts(area)
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon" and part.area > 0])
