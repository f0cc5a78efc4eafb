"""Fences: which beats and closures a unit is in. Worked out from its accepted fixes alone, so that history can tell it
again; a crossing is no event.

A unit enters where two fixes in a row lie in an area, and leaves where two in a row lie more than `EDGE_M` outside: a
receiver that wanders along an edge crosses nothing. Fixes that were heard of late say nothing.

Nearly all fixes lie far from any edge. The ground is cut into cells, and of each that a unit has been in it is known
which areas hold all of it, and which edges are so near that a place has to be looked at. That is the price of a ping: a
look into a dictionary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from geo_backup.events import Fix
from geo_backup.geodesy import metres_per_deg
from geo_backup.live_map.state import Closure, LiveMap, Unit

EDGE_M = 30.0
LINE_M = 10.0
"""A closed street without a width is as wide to both sides."""
LATE_MS = 60_000
NO_SHAPE = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)
CELL_DEG = 0.002
CELLS_MAX = 50_000
"""Cells that are remembered; units do not drive in more at a time."""

Segments = npt.NDArray[np.float64]
"""N rows of lon, lat, lon, lat."""


class Area(NamedTuple):
    """A beat, or what a closure closes."""

    name: str
    """`beat:ID` or `closure:ID`."""
    segments: Segments
    filled: bool
    """Whether the segments are the rings of polygons; else they are lines."""
    wide_m: float
    box: tuple[float, float, float, float]
    closure: Closure | None
    """Where it has a time in which it holds."""


class Near(NamedTuple):
    """An area with an edge near a cell: those of its segments, and whether the cell's middle is inside."""

    area: Area
    segments: tuple[tuple[float, float, float, float], ...]
    middle: bool


class Cell(NamedTuple):
    """Areas that hold all of a cell, and those of which it depends on the place."""

    inside: tuple[str, ...]
    near: tuple[Near, ...]
    lon: float
    lat: float
    """Its middle."""
    per_lon: float
    per_lat: float
    """Metres in a degree there."""


class Fences:
    """The areas of one live map; see the module."""

    def __init__(self, areas: Sequence[Area]) -> None:
        self.areas = areas
        self._cells: dict[tuple[int, int], Cell] = {}

    def cell(self, lon: float, lat: float) -> Cell:
        """The cell that a place lies in."""
        key = (math.floor(lon / CELL_DEG), math.floor(lat / CELL_DEG))
        cell = self._cells.get(key)
        if cell is None:
            if len(self._cells) >= CELLS_MAX:
                self._cells.clear()
            cell = self._cells[key] = self._made(*key)
        return cell

    def _made(self, x: int, y: int) -> Cell:
        lon, lat = (x + 0.5) * CELL_DEG, (y + 0.5) * CELL_DEG
        per_lon, per_lat = (float(one) for one in metres_per_deg(lat))
        half_m = math.hypot(per_lon, per_lat) * CELL_DEG / 2
        inside, near = [], []
        for area in self.areas:
            reach_m = half_m + area.wide_m + EDGE_M + 1.0
            reach_lon, reach_lat = reach_m / per_lon, reach_m / per_lat
            west, south, east, north = area.box
            if not (west - reach_lon <= lon <= east + reach_lon and south - reach_lat <= lat <= north + reach_lat):
                continue
            some = _nearer(area.segments, lon, lat, per_lon, per_lat, reach_m)
            middle = area.filled and _within(area.segments, lon, lat)
            if some or (middle and area.closure is not None):
                near.append(Near(area, some, middle))
            elif middle:
                inside.append(area.name)
        return Cell(tuple(sorted(inside)), tuple(near), lon, lat, per_lon, per_lat)


def fences_of(live_map: LiveMap) -> Fences:
    """The fences of the beats and closures that stand."""
    if live_map.fences is None:
        live_map.fences = Fences(list(_areas(live_map)))
    found: Fences = live_map.fences
    return found


def cross(live_map: LiveMap, unit: Unit, fix: Fix, received_ms: int) -> bool:
    """Take an accepted fix of a unit in; whether it has entered or left something."""
    if not live_map.beats and not live_map.closures and not unit.inside:
        return False
    if received_ms - fix.fix_ms > LATE_MS:
        return False
    cell = fences_of(live_map).cell(fix.lon, fix.lat)
    if not cell.near and not unit.doubted and unit.inside == cell.inside:
        return False
    is_in = dict.fromkeys(cell.inside, True)
    for near in cell.near:
        state = _state(near, cell, fix)
        if state is not None:
            is_in[near.area.name] = state
        elif near.area.name in unit.inside:
            is_in[near.area.name] = True  # on the edge: as it was
    now_in = {name for name, state in is_in.items() if state}
    was_in = dict(zip(unit.inside, unit.inside_ms, strict=True))
    doubted = dict(unit.doubted)
    otherwise = now_in.symmetric_difference(was_in)
    sure = {name for name in otherwise if name in doubted}
    unit.doubted = tuple((name, fix.fix_ms) for name in sorted(otherwise - sure))
    if not sure:
        return False
    for name in sure:
        if name in was_in:
            del was_in[name]
        else:
            was_in[name] = doubted[name]
    unit.inside = tuple(sorted(was_in))
    unit.inside_ms = tuple(was_in[name] for name in unit.inside)
    return True


def gone(live_map: LiveMap, names: set[str]) -> tuple[str, ...]:
    """Areas that there are no more: no unit is in them. The units that were."""
    live_map.fences = None
    touched = tuple(unit.unit_id for unit in live_map.units.values() if not names.isdisjoint(unit.inside))
    for unit_id in touched:
        unit = live_map.units[unit_id]
        kept = [(name, at_ms) for name, at_ms in zip(unit.inside, unit.inside_ms, strict=True) if name not in names]
        unit.inside, unit.inside_ms = tuple(name for name, _ in kept), tuple(at_ms for _, at_ms in kept)
    return touched


def beats_gone(live_map: LiveMap) -> tuple[str, ...]:
    """There are other beats: no unit is in one that is not among them. The units that were."""
    stand = {f"beat:{name}" for name, _ in _beats(live_map)}
    named = {name for unit in live_map.units.values() for name in unit.inside if name.startswith("beat:")}
    return gone(live_map, named - stand)


def _state(near: Near, cell: Cell, fix: Fix) -> bool | None:
    """Whether a place is in an area, or well outside; None: on its edge."""
    area = near.area
    if area.closure is not None and not area.closure.in_force(fix.fix_ms):
        return False
    if area.filled and near.middle != _crossed(near.segments, cell, fix.lon, fix.lat):
        return True
    away_m = min(
        (_away_m(one, fix.lon, fix.lat, cell.per_lon, cell.per_lat) for one in near.segments), default=math.inf
    )
    if away_m <= area.wide_m:
        return True
    return None if away_m <= area.wide_m + EDGE_M else False


def _crossed(segments: Sequence[tuple[float, float, float, float]], cell: Cell, lon: float, lat: float) -> bool:
    """Whether one crosses an odd number of edges on the way from a place along its parallel, then to the cell's middle.
    All edges that the cell has are among the segments."""
    odd = False
    for lon_a, lat_a, lon_b, lat_b in segments:
        if (lat_a > lat) != (lat_b > lat):
            at = lon_a + (lat - lat_a) / (lat_b - lat_a) * (lon_b - lon_a)
            odd ^= (at > lon) != (at > cell.lon)
        if (lon_a > cell.lon) != (lon_b > cell.lon):
            at = lat_a + (cell.lon - lon_a) / (lon_b - lon_a) * (lat_b - lat_a)
            odd ^= (at > lat) != (at > cell.lat)
    return odd


def _away_m(
    segment: tuple[float, float, float, float], lon: float, lat: float, per_lon: float, per_lat: float
) -> float:
    """How far a place is from a segment."""
    lon_a, lat_a, lon_b, lat_b = segment
    ax, ay = (lon_a - lon) * per_lon, (lat_a - lat) * per_lat
    dx, dy = (lon_b - lon_a) * per_lon, (lat_b - lat_a) * per_lat
    long_2 = dx * dx + dy * dy
    along = min(1.0, max(0.0, -(ax * dx + ay * dy) / long_2)) if long_2 > 0.0 else 0.0
    return math.hypot(ax + along * dx, ay + along * dy)


def _within(segments: Segments, lon: float, lat: float) -> bool:
    """Whether a place lies inside rings."""
    lon_a, lat_a, lon_b, lat_b = segments.T
    across = np.flatnonzero((lat_a > lat) != (lat_b > lat))
    share = (lat - lat_a[across]) / (lat_b[across] - lat_a[across])
    return bool(np.count_nonzero(lon < lon_a[across] + share * (lon_b[across] - lon_a[across])) % 2)


def _nearer(
    segments: Segments, lon: float, lat: float, per_lon: float, per_lat: float, reach_m: float
) -> tuple[tuple[float, float, float, float], ...]:
    """The segments that come so near to a place."""
    per = np.array([per_lon, per_lat])
    a, b = (segments[:, :2] - (lon, lat)) * per, (segments[:, 2:] - (lon, lat)) * per
    step = b - a
    long_2 = (step**2).sum(axis=1)
    along = np.clip(-(a * step).sum(axis=1) / np.where(long_2 > 0.0, long_2, 1.0), 0.0, 1.0)
    away_m = np.hypot(*(a + along[:, None] * step).T)
    return tuple(tuple(row) for row in segments[away_m <= reach_m].tolist())


def _areas(live_map: LiveMap) -> Iterator[Area]:
    """What can be made of the beats and closures that stand: a shape that is none is no area."""
    for name, geometry in _beats(live_map):
        with suppress(*NO_SHAPE):
            yield _area(f"beat:{name}", geometry, 0.0, None)
    for closure in live_map.closures.values():
        added = closure.added
        timed = closure if added.valid_from_ms is not None or added.valid_to_ms is not None else None
        with suppress(*NO_SHAPE):
            yield _area(f"closure:{closure.closure_id}", added.geometry, added.buffer_m, timed)


def _beats(live_map: LiveMap) -> Iterator[tuple[str, Any]]:
    """Name and geometry of each beat."""
    features = (live_map.beats or {}).get("features")
    for feature in features if isinstance(features, list | tuple) else ():
        with suppress(*NO_SHAPE):
            yield str(feature["properties"]["beat_id"]), feature["geometry"]


def _area(name: str, geometry: Mapping[str, Any], wide_m: float, closure: Closure | None) -> Area:
    kind, parts = geometry["type"], geometry["coordinates"]
    if kind == "LineString":
        lines, wide_m = [parts], max(wide_m, LINE_M)
    else:
        lines = parts if kind == "Polygon" else [ring for polygon in parts for ring in polygon]
    rows = []
    for line in lines:
        places = np.array([place[:2] for place in line], np.float64).reshape(-1, 2)
        rows.append(np.hstack([places[:-1], places[1:]]))
    segments = np.vstack(rows)
    lons, lats = segments[:, 0::2], segments[:, 1::2]
    box = float(lons.min()), float(lats.min()), float(lons.max()), float(lats.max())  # of nothing: ValueError
    return Area(name, segments, kind != "LineString", wide_m, box, closure)
