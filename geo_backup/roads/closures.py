"""Closures: the directed edges that a drawn shape cuts."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geo_backup.roads.network import Array, RoadNetwork

_TREES: WeakKeyDictionary[RoadNetwork, shapely.STRtree] = WeakKeyDictionary()


def closed_edges(network: RoadNetwork, geometry: BaseGeometry, buffer_m: float, *, layer: int | None = None) -> Array:
    """Edges int32[N], ascending, both directions, whose line meets `geometry` (lon, lat) widened by `buffer_m`.

    `layer` keeps the roads of other levels open: a closure under a bridge does not cut the bridge.
    """
    east, north = network.metres_per_deg
    west, south, _, _ = network.area.extent
    tree = _tree(network)
    shape = shapely.transform(geometry, lambda c: (c - (west, south)) * (east, north))
    # by distance: a buffer around thousands of crossing lines takes minutes
    near = tree.query(shape, "dwithin", buffer_m) if buffer_m > 0 else tree.query(shape, "intersects")
    pieces = np.sort(near)
    if layer is not None:
        pieces = pieces[np.asarray(network.way_layer)[np.asarray(network.piece_way)[pieces]] == layer]
    edges = network.piece_edges[pieces].ravel()
    return network.with_twins(edges[edges >= 0])


def _tree(network: RoadNetwork) -> shapely.STRtree:
    """A tree over the lines of all pieces in local metres."""
    kept = _TREES.get(network)
    if kept is None:
        east, north = network.metres_per_deg
        west, south, _, _ = network.area.extent
        start, lon, lat = network.vertices
        piece = np.repeat(np.arange(network.pieces), np.diff(start))
        lines = shapely.linestrings((lon - west) * east, (lat - south) * north, indices=piece)
        kept = _TREES[network] = shapely.STRtree(lines)
    return kept
