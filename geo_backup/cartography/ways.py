"""Ways: the neutral table every source is read into, before any junction is known.

A way is a run of vertices with a class, flags and a name. Vertices meet where their keys are equal: node ids where
the source has them, else positions in whole 1e-7 degrees.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from geo_backup.cartography.limits import unread_limits
from geo_backup.cartography.nodes import NodeFacts
from geo_backup.cartography.restrictions import Restriction
from geo_backup.cartography.tags import NoRoad, odd_access, read_road
from geo_backup.errors import MapError
from geo_backup.geodesy import LEAP_M, distance_m
from geo_backup.roads.kernel import Array

NUMBERS: Final = 13
"""Of a `tags.Road`, before its name."""

SET_ASIDE: Final[Mapping[str, str]] = {
    "area": "lines around an area, not along a road",
    "closed": "ways closed by access, construction or as impassable",
    "reversible": "ways whose direction changes with the hour",
    "one_vertex": "ways of which fewer than two vertices are there",
    "odd_access": "ways whose access is a word nobody knows, read like private",
    "implausible_limits": "ways with a speed limit that no road of their class has, driven by their class",
    "unread_limits": "ways with a limit of speed, size or weight in words that are no number",
    "deleted_ways": "ways deleted in the editor",
    "deleted_nodes": "nodes deleted in the editor, taken out of the ways that still name them",
    "deleted_relations": "relations deleted in the editor",
    "missing_vertices": "vertices of roads that are not in the source: the roads are cut there",
    "world_wide": "lines that leap hundreds of kilometres from one vertex to the next",
    "nested_geometry": "GeometryCollections: only plain lines are roads",
    "restrictions_malformed": "turn restrictions whose members or kind make no sense",
    "restrictions_unmatched": "turn restrictions with a member that is no road of this map",
    "barriers_on_crossings": "barriers drawn where three or more roads meet",
    "unknown_barriers": "barriers of a kind that is not known",
    "limits_on_crossings": "limits of size drawn where three or more roads meet",
}
"""What a build may set aside, and what it means; for the build's summary."""

LONGEST_STEP_E7 = 300_000
"""Shapes are stored in int16 steps of 1e-6 degrees; a longer step gets vertices in between."""


HALF_E7 = 1_800_000_000
"""Half a turn of the earth; also the 180th meridian, on which 180 and -180 are one place."""

WIDEST_E7 = 1_700_000_000
"""A map spans less than half the earth, so that it is known which way round is the shorter."""

FAR_E7 = 5_000_000
"""A step of less in both directions is shorter than any leap."""


def position_key(lon_e7: int, lat_e7: int) -> int:
    """A number that names a position of whole 1e-7 degrees; fits int64."""
    return (HALF_E7 if lon_e7 == -HALF_E7 else lon_e7) * 1_800_000_001 + lat_e7


@dataclass
class Ways:
    """Columns by way [W] and by vertex [N]; grows by `add`, read as arrays by `columns`."""

    way_id: array[int] = field(default_factory=lambda: array("q"))
    facts: array[int] = field(default_factory=lambda: array("h"))  # [W, 13] the numbers of tags.Road
    name: list[str] = field(default_factory=list)
    vertex_start: array[int] = field(default_factory=lambda: array("q", [0]))
    key: array[int] = field(default_factory=lambda: array("q"))
    lon_e7: array[int] = field(default_factory=lambda: array("i"))
    lat_e7: array[int] = field(default_factory=lambda: array("i"))
    nodes: dict[int, NodeFacts] = field(default_factory=dict)
    restrictions: list[Restriction] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """What is not in the map, by the keys of `SET_ASIDE`; and, of ways that are, facts that were not believed."""
    scenery: int = 0
    """Things in the source that are no road but that a basemap could draw."""
    node_ids: bool = False
    """Keys are OpenStreetMap's node ids."""
    source_date: str = ""
    licence: str = ""
    attribution: str = ""

    def __len__(self) -> int:
        return len(self.way_id)

    def add(self, way_id: int, tags: Mapping[str, str], vertices: Iterable[tuple[int, int, int]]) -> bool:
        """Take one way with its vertices (key, lon_e7, lat_e7); False when it is no road, which is counted."""
        road = read_road(tags)
        if isinstance(road, NoRoad):
            self.left_out[road.reason] += 1
            return False
        begin, last = len(self.key), None
        leaps = False
        for key, lon, lat in vertices:
            if key != last:
                if last is not None and (abs(lon - self.lon_e7[-1]) > FAR_E7 or abs(lat - self.lat_e7[-1]) > FAR_E7):
                    leaps |= _step_m(self.lon_e7[-1], self.lat_e7[-1], lon, lat) > LEAP_M
                self.key.append(key)
                self.lon_e7.append(lon)
                self.lat_e7.append(lat)
                last = key
        if leaps or len(self.key) - begin < 2:
            del self.key[begin:], self.lon_e7[begin:], self.lat_e7[begin:]
            self.left_out["world_wide" if leaps else "one_vertex"] += 1
            return False
        for doubt in (road.doubt, "unread_limits" if unread_limits(tags) else "", "odd_access" * odd_access(tags)):
            if doubt:
                self.left_out[doubt] += 1
        self.way_id.append(way_id)
        self.facts.extend(road[:NUMBERS])
        self.name.append(road.name)
        self.vertex_start.append(len(self.key))
        return True

    def columns(self) -> Columns:
        """The table as arrays, with long steps divided, and longitudes that run on over the 180th meridian.

        Raises `MapError` when the roads lie all around the earth.
        """
        start = np.frombuffer(self.vertex_start, np.int64)
        key = np.array(self.key, np.int64)
        lon, lat = in_one_frame(np.array(self.lon_e7, np.int64)), np.array(self.lat_e7, np.int32)
        parts = _parts(start, lon, lat)
        if np.any(parts > 1):
            start, key, lon, lat = _divide(start, key, lon, lat, parts)
        facts = np.array(self.facts, np.int16).reshape(-1, NUMBERS)
        return Columns(np.array(self.way_id, np.int64), facts, tuple(self.name), start, key, lon, lat)


def _step_m(lon_a_e7: int, lat_a_e7: int, lon_b_e7: int, lat_b_e7: int) -> float:
    return float(distance_m(lon_a_e7 / 1e7, lat_a_e7 / 1e7, lon_b_e7 / 1e7, lat_b_e7 / 1e7))


def in_one_frame(lon_e7: Array) -> Array:
    """int32[N]: longitudes with no leap at the 180th meridian, where roads lie on both sides of it: they go on beyond
    180 or -180 degrees."""
    if len(lon_e7) and np.ptp(lon_e7) > HALF_E7:
        frames = np.where(lon_e7 < 0, lon_e7 + 2 * HALF_E7, lon_e7), np.where(lon_e7 > 0, lon_e7 - 2 * HALF_E7, lon_e7)
        lon_e7 = min(frames, key=lambda lon: int(np.abs(lon).max()))
        if np.ptp(lon_e7) > WIDEST_E7 or np.abs(lon_e7).max() > np.iinfo(np.int32).max:
            raise MapError(
                f"its roads lie all around the earth ({np.ptp(lon_e7) / 1e7:.0f} degrees of longitude). Cut one region "
                "out of it first, for example with `osmium extract --bbox`."
            )
    return lon_e7.astype(np.int32)


@dataclass(frozen=True, eq=False)
class Columns:
    """`Ways` frozen into arrays; `facts` columns are those of `tags.Road` up to the name."""

    way_id: Array
    facts: Array
    name: tuple[str, ...]
    vertex_start: Array
    key: Array
    lon_e7: Array
    lat_e7: Array

    @property
    def vertex_way(self) -> Array:
        """int64[N]: the way each vertex belongs to."""
        return np.repeat(np.arange(len(self.way_id)), np.diff(self.vertex_start))


def _parts(start: Array, lon: Array, lat: Array) -> Array:
    """Number of parts each vertex's step to the next is divided in (1 at the end of a way)."""
    step = np.maximum(np.abs(np.diff(lon.astype(np.int64))), np.abs(np.diff(lat.astype(np.int64))))
    parts = np.ones(len(lon), np.int64)
    parts[:-1] = np.maximum(1, -(-step // LONGEST_STEP_E7))
    parts[start[1:] - 1] = 1
    return parts


def _divide(start: Array, key: Array, lon: Array, lat: Array, parts: Array) -> tuple[Array, Array, Array, Array]:
    first = np.concatenate(([0], np.cumsum(parts)))
    owner = np.repeat(np.arange(len(key)), parts)
    within = np.arange(first[-1]) - first[owner]
    following = np.minimum(owner + 1, len(key) - 1)
    share = within / parts[owner]
    out = [np.rint(axis[owner] + share * (axis[following].astype(np.int64) - axis[owner])) for axis in (lon, lat)]
    # new vertices meet nothing: keys no source uses
    new_key = np.where(within == 0, key[owner], np.iinfo(np.int64).min + np.arange(first[-1]))
    return first[start], new_key, out[0].astype(np.int32), out[1].astype(np.int32)
