"""Naming: what people would call a place on the map, `Rua Formosa at Rua de Santa Catarina`.

Worked out from the road network alone, so that every map can. A name is asked for when somebody is shown one, never
for each ping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from geo_backup.roads.grid import RoadGrid
from geo_backup.roads.kernel import Array, per_network
from geo_backup.roads.network import RoadNetwork

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

AT_M = 40.0
"""So near a crossing a place is at it."""
NEAR_M = 500.0
"""A crossing further away says nothing of a place."""
ON_M = 60.0
"""So near a street a place is on it."""
REACHES_M = (60.0, 250.0)
"""Named roads are looked for so far away, the least first; beyond, the nearest vertex of one says enough."""
FAR_M = 10_000.0
"""No further."""
KEPT = 4_096
"""Names kept; a square of about a metre has one."""

Relation = Literal["at", "between", "near", "on", "off", "nowhere"]


@dataclass(frozen=True)
class Named:
    """A place by name: the street, how it lies to others that cross it, and both in a sentence."""

    relation: Relation
    """`at` the crossing with the first of `cross`; `between` the two; `near` the first; `on` the street without any;
    `off`: so many metres from the street; `nowhere`: no road with a name is near."""
    street: str
    cross: tuple[str, ...]
    distance_m: float
    """From the middle of the street."""
    text: str


class _Crossings(NamedTuple):
    """Where streets meet, grouped by street: rows `start[n]:start[n + 1]` are those of name n."""

    start: Array
    other: Array
    x: Array
    y: Array


class Namer:
    """Names places on one network. A square metre is named once."""

    def __init__(self, network: RoadNetwork) -> None:
        self._network = network
        self._kept: dict[tuple[int, int], Named] = {}

    def name(self, lon: float, lat: float) -> Named:
        """What a place is called."""
        key = round(lon * 1e5), round(lat * 1e5)
        if (known := self._kept.get(key)) is None:
            known = self._name(lon, lat)
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[key] = known
        return known

    def _name(self, lon: float, lat: float) -> Named:
        grid = RoadGrid.of(self._network)
        x, y = (float(axis) for axis in grid.local(np.array(lon), np.array(lat)))
        street, away_m = _nearest_named(self._network, grid, x, y)
        if street == 0:
            return Named("nowhere", "", (), 0.0, f"{lat:.5f}, {lon:.5f}")
        name = self._network.names[street]
        if away_m > ON_M:
            return Named("off", name, (), away_m, f"{round(away_m, -1):.0f} m from {name}")
        relation, others = _beside(_crossings(self._network), street, x, y)
        cross = tuple(self._network.names[other] for other in others)
        return Named(relation, name, cross, away_m, sentence(relation, name, cross))


def sentence(relation: Relation, street: str, cross: tuple[str, ...]) -> str:
    """A name in English."""
    if relation == "on":
        return street
    return f"{street} {relation} {' and '.join(cross)}"


def _beside(crossings: _Crossings, street: int, x: float, y: float) -> tuple[Relation, tuple[int, ...]]:
    """How a place on a street lies to the streets that cross it."""
    rows = slice(int(crossings.start[street]), int(crossings.start[street + 1]))
    dx, dy = crossings.x[rows] - x, crossings.y[rows] - y
    away = np.hypot(dx, dy)
    if not len(away) or (first := int(away.argmin())) < 0 or away[first] > NEAR_M:
        return "on", ()
    other = crossings.other[rows]
    nearest = int(other[first])
    if away[first] <= AT_M:
        return "at", (nearest,)
    behind = (dx * dx[first] + dy * dy[first] < 0.0) & (away <= NEAR_M) & (other != nearest)
    if not behind.any():
        return "near", (nearest,)
    second = int(np.where(behind, away, np.inf).argmin())
    return "between", (nearest, int(other[second]))


def _nearest_named(network: RoadNetwork, grid: RoadGrid, x: float, y: float) -> tuple[int, float]:
    """The name of the road nearest to a place, and metres to it; 0 where none has one."""
    for reach_m in REACHES_M:
        west, east = _cells(x, reach_m, grid.cell_m, grid.columns)
        south, north = _cells(y, reach_m, grid.cell_m, grid.rows)
        if west > east or south > north:
            continue
        some = [
            grid.cell_segment[grid.cell_start[row + west] : grid.cell_start[row + east + 1]]
            for row in range(south * grid.columns, (north + 1) * grid.columns, grid.columns)
        ]
        segments = np.concatenate(some)
        name = _piece_name(network)[grid.segment_piece[segments]]
        segments, name = segments[name > 0], name[name > 0]
        if not len(segments):
            continue
        x1, y1, x2, y2 = grid.segment[segments, :4].T
        dx, dy = x2 - x1, y2 - y1
        share = np.clip(((x - x1) * dx + (y - y1) * dy) / np.maximum(dx * dx + dy * dy, 1e-6), 0.0, 1.0)
        away = np.hypot(x - x1 - share * dx, y - y1 - share * dy)
        best = int(away.argmin())
        if away[best] <= reach_m:
            return int(name[best]), float(away[best])
    names, tree = _vertices(network)
    away_m, at = tree.query((x, y), distance_upper_bound=FAR_M)
    return (int(names[at]), float(away_m)) if np.isfinite(away_m) else (0, 0.0)


def _cells(at_m: float, reach_m: float, cell_m: float, count: int) -> tuple[int, int]:
    return max(0, int((at_m - reach_m) // cell_m)), min(count - 1, int((at_m + reach_m) // cell_m))


@per_network
def _piece_name(network: RoadNetwork) -> Array:
    return np.asarray(network.way_name)[network.piece_way]


@per_network
def _vertices(network: RoadNetwork) -> tuple[Array, cKDTree]:
    """Vertices of named roads: the name of each, and their places."""
    start, lon, lat = network.vertices
    name = np.repeat(_piece_name(network), np.diff(start))
    x, y = RoadGrid.of(network).local(lon[name > 0], lat[name > 0])
    from scipy.spatial import cKDTree  # slow to import

    return name[name > 0], cKDTree(np.column_stack((x, y)))


@per_network
def _crossings(network: RoadNetwork) -> _Crossings:
    name = _piece_name(network)
    ends = np.concatenate((np.column_stack((network.piece_from, name)), np.column_stack((network.piece_to, name))))
    ends = np.unique(ends[ends[:, 1] > 0], axis=0)
    junction, name = ends[:, 0], ends[:, 1]
    one, other, where = [], [], []
    for step in range(1, 8):
        rows = np.flatnonzero(junction[step:] == junction[:-step])
        one += [name[rows], name[rows + step]]
        other += [name[rows + step], name[rows]]
        where += [junction[rows]] * 2
    a, b, at = np.concatenate(one), np.concatenate(other), np.concatenate(where)
    order = np.lexsort((at, b, a))
    a, b, at = a[order], b[order], at[order]
    start = np.searchsorted(a, np.arange(len(network.names) + 1))
    grid = RoadGrid.of(network)
    x, y = grid.local(network.junction_lon_e7[at] / 1e7, network.junction_lat_e7[at] / 1e7)
    return _Crossings(start, b, x, y)
