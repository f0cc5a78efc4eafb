"""Pieces: where the stretches of road lie, and which of them pass beneath which.

A piece's **level** is its way's layer; a bridge or tunnel whose layer is not said is one above or below the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely

from geo_backup.roads.kernel import Array, per_network
from geo_backup.roads.network import RoadNetwork, WayFlag

UNDER_M = 8.0
"""A road is under another when their lines cross or come so near: half a carriageway and its railing."""

NEAR_M = 100.0
"""A place further from every road than this is on none."""

STACKED_M = 15.0
"""Roads of other levels so near a place are stacked there: one cannot tell from above which is meant."""


class Near(NamedTuple):
    """A piece near a place."""

    piece: int
    distance_m: float


@dataclass(frozen=True, eq=False)
class Pieces:
    """All pieces of a network as lines in local metres.

    `lines` [P] shapely LineStrings, `tree` over them, `level` int8[P]. `under`, `over` int32[K]: pieces of which the
    first passes beneath the second, and does not meet it at a junction.
    """

    network: RoadNetwork
    lines: Array
    tree: shapely.STRtree
    level: Array
    under: Array
    over: Array

    @classmethod
    def of(cls, network: RoadNetwork) -> Pieces:
        """The pieces of a network, made on first use (0.1 s for 20,000)."""
        return _make(network)

    def local(self, geometry: shapely.Geometry) -> shapely.Geometry:
        """A geometry of lon, lat in the lines' metres."""
        east, north = self.network.metres_per_deg
        west, south, _, _ = self.network.area.extent
        framed = self.network.framed
        return shapely.transform(
            geometry, lambda c: (np.column_stack((framed(c[:, 0]), c[:, 1])) - (west, south)) * (east, north)
        )

    def edges(self, pieces: Array) -> Array:
        """int32[N] ascending: all edges that drive along some pieces (int[M]), in both directions, twins included."""
        wanted = np.zeros(len(self.lines), np.bool_)
        wanted[pieces] = True
        return np.flatnonzero(wanted[self.network.edge_piece]).astype(np.int32)

    def outline(self, pieces: Array) -> list[list[list[float]]]:
        """Coordinates [lon, lat] of the lines of some pieces (int[N])."""
        start, lon, lat = self.network.vertices
        return [np.column_stack((lon[start[p] : start[p + 1]], lat[start[p] : start[p + 1]])).tolist() for p in pieces]

    def near(self, lon: float, lat: float) -> list[Near]:
        """The piece nearest to a place, then the nearest of each other level where roads are stacked; nothing when no
        road is within `NEAR_M`."""
        place = self.local(shapely.Point(lon, lat))
        found = self.tree.query(place, "dwithin", NEAR_M)
        metres = shapely.distance(self.lines[found], place)
        best: dict[int, Near] = {}
        for at in np.lexsort((found, metres)).tolist():
            level = int(self.level[found[at]])
            if not best or (level not in best and metres[at] <= STACKED_M):
                best[level] = Near(int(found[at]), float(metres[at]))
        return list(best.values())


@per_network
def _make(network: RoadNetwork) -> Pieces:
    east, north = network.metres_per_deg
    west, south, _, _ = network.area.extent
    start, lon, lat = network.vertices
    piece = np.repeat(np.arange(network.pieces), np.diff(start))
    lines = shapely.linestrings((lon - west) * east, (lat - south) * north, indices=piece)
    tree = shapely.STRtree(lines)
    layer, flags = np.asarray(network.way_layer), np.asarray(network.way_flags)
    unsaid = np.where(flags & int(WayFlag.BRIDGE), 1, np.where(flags & int(WayFlag.TUNNEL), -1, 0))
    level = np.where(layer != 0, layer, unsaid).astype(np.int8)[network.piece_way]
    # what is off the ground is little: each crossing of two levels has one such road at least
    off = np.flatnonzero(level != 0)
    one, other = tree.query(lines[off], "dwithin", UNDER_M)
    pair = np.unique(np.sort(np.stack((off[one], other)), axis=0), axis=1)
    a, b = pair[:, level[pair[0]] != level[pair[1]]]
    ends = (network.piece_from, network.piece_to)
    apart = np.ones(len(a), np.bool_)
    for mine in ends:
        for its in ends:
            apart &= np.asarray(mine)[a] != np.asarray(its)[b]
    a, b = a[apart], b[apart]
    higher = level[a] > level[b]
    under, over = np.where(higher, b, a), np.where(higher, a, b)
    return Pieces(network, lines, tree, level, under.astype(np.int32), over.astype(np.int32))
