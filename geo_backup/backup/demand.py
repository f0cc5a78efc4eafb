"""Demand: where calls for help come from, by place and hour. It is learned from calls only, never from persons.

Places are cells of a grid that hold roads, each with a point on a road to be reached. Few calls fall in one cell in one
hour, so a count is drawn toward what the cell has at all hours, and that toward what its neighbours have: with n calls
of its own a cell is believed n / (n + k). Without past calls, demand is where roads are.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from geo_backup.errors import BadValueError
from geo_backup.geodesy import local_m
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import RoadNetwork, WayClass
from geo_backup.roads.profile import hour_of

CELL_M = 400.0
PLACES = 400
PLACES_MAX = 10_000
HOURS_DAY, HOURS_WEEK = 24, 168

NEAR_M = 800.0
"""Scale of the neighbourhood a cell is drawn toward: its weight falls to 1/e at so many metres."""
NEAR_CALLS = 2.0
"""So many calls' worth its neighbours count in a cell."""
HOUR_CALLS = 60.0
"""So many calls' worth the all-hours mean counts in a cell's hour."""
OUTSIDE_CELLS = 1.5
"""A call farther than so many cells from every place is outside the area."""


@dataclass(frozen=True, eq=False)
class Demand:
    """Places and their share of all calls.

    `lon_e6`, `lat_e6` int32[J] in 1e-6 degrees; `weights` int64[H, J], H = 24 (hours of the local day) or 168 (hours of
    the week from Monday 0:00), whole numbers in proportion to calls an hour; `cell_m` the side of a cell.
    """

    lon_e6: Array
    lat_e6: Array
    weights: Array
    cell_m: int

    @property
    def lon(self) -> Array:
        """float64[J]."""
        return self.lon_e6 / 1e6

    @property
    def lat(self) -> Array:
        """float64[J]."""
        return self.lat_e6 / 1e6

    def forecast(self, hour: int) -> Array:
        """float64[J]: relative demand in an hour of the week (of the day, where that is all that is known)."""
        out: Array = self.weights[hour % len(self.weights)].astype(np.float64)
        return out

    @cached_property
    def demand_id(self) -> str:
        """Sixteen hex digits that name these exact numbers."""
        return hashlib.sha256(self._bytes()).hexdigest()[:16]

    def _bytes(self) -> bytes:
        head = np.array([self.cell_m, *self.weights.shape], "<i8")
        parts = (head, self.lon_e6.astype("<i4"), self.lat_e6.astype("<i4"), self.weights.astype("<i8"))
        return b"".join(part.tobytes() for part in parts)

    def packed(self) -> str:
        """As text, for the log."""
        return base64.b85encode(zlib.compress(self._bytes())).decode()

    @classmethod
    def unpacked(cls, text: str) -> Demand:
        """What `packed` wrote; `BadValueError` for anything else."""
        try:
            most = 24 + PLACES_MAX * 8 * (1 + HOURS_WEEK)
            opened = zlib.decompressobj()
            data = opened.decompress(base64.b85decode(text), most + 1)
            cell_m, hours, places = np.frombuffer(data, "<i8", 3).tolist()
            fine = opened.eof and hours in (HOURS_DAY, HOURS_WEEK) and 0 < places <= PLACES_MAX and cell_m > 0
            if not fine or len(data) != 24 + places * 8 * (1 + hours):
                raise ValueError("out of range")
            lon, lat = np.frombuffer(data, "<i4", 2 * places, 24).reshape(2, places)
            weights = np.frombuffer(data, "<i8", hours * places, 24 + 8 * places).reshape(hours, places)
            fine = (abs(lon) <= 180_000_000).all() and (abs(lat) <= 90_000_000).all()
            if not (fine and (weights >= 0).all() and (weights <= 1 << 40).all()):
                raise ValueError("out of range")
        except (ValueError, zlib.error) as error:
            raise BadValueError("/packed", "demand", f"this is no demand: {error}; learn it again from calls") from None
        return cls(lon.astype(np.int32), lat.astype(np.int32), weights.astype(np.int64), cell_m)


def of_roads(network: RoadNetwork, places: int = PLACES, cell_m: float = CELL_M) -> Demand:
    """Demand where roads are: each cell's share of the length of all roads but motorways, the same at all hours.

    Cells grow from `cell_m` until there are at most so many `places`.
    """
    if not 1 <= places <= PLACES_MAX:
        raise BadValueError("/places", "range", f"the number of places is from 1 to {PLACES_MAX}")
    start, lon, lat = network.vertices
    number = np.diff(start)
    klass = network.way_class[network.piece_way]
    motorway = (klass == WayClass.MOTORWAY) | (klass == WayClass.MOTORWAY_LINK)
    # a road lies where its vertices lie: each carries an even part of the length
    length_m = np.repeat(np.where(motorway, 0.0, network.piece_length_m) / number, number)
    some = length_m > 0
    if not some.any():
        raise BadValueError("/network", "empty", "the map has no roads other than motorways; build it of a larger area")
    lon, lat, length_m = lon[some], lat[some], length_m[some]
    west, south, _, _ = network.area.extent
    x, y = local_m(lon, lat, west, south)
    while True:
        column, row = np.floor(x / cell_m).astype(np.int64), np.floor(y / cell_m).astype(np.int64)
        _, cell = np.unique(column - column.min() + (row - row.min()) * (np.ptp(column) + 1), return_inverse=True)
        count = int(cell.max()) + 1
        if count <= places:
            break
        cell_m = float(np.ceil(cell_m * max(1.02, np.sqrt(count / places) * 0.98)))
    total_m = np.bincount(cell, length_m)
    middle_x, middle_y = (np.bincount(cell, length_m * v) / total_m for v in (x, y))
    # the point to be reached is the vertex nearest to the middle of the cell's roads
    off = np.hypot(x - middle_x[cell], y - middle_y[cell])
    order = np.lexsort((np.arange(len(cell)), off, cell))
    first = order[np.searchsorted(cell[order], np.arange(count))]
    weights = np.tile(np.maximum(np.rint(total_m), 1).astype(np.int64), (HOURS_DAY, 1))
    lon_e6, lat_e6 = (np.rint(v[first] * 1e6).astype(np.int32) for v in (lon, lat))
    return Demand(lon_e6, lat_e6, weights, int(np.ceil(cell_m)))


def cells_of(demand: Demand, lon: Array, lat: Array) -> Array:
    """int64[K]: the place whose point is nearest to each of K positions, -1 = outside the area."""
    from scipy.spatial import cKDTree  # slow to import

    xy = np.column_stack(local_m(demand.lon, demand.lat, float(demand.lon[0]), float(demand.lat[0])))
    asked = np.column_stack(local_m(np.asarray(lon), np.asarray(lat), float(demand.lon[0]), float(demand.lat[0])))
    off, place = cKDTree(xy).query(asked)
    return np.where(off <= OUTSIDE_CELLS * demand.cell_m, place, -1).astype(np.int64)


def counts(demand: Demand, place: Array, hour: Array, hours: int = HOURS_DAY) -> Array:
    """float64[H, J]: calls by hour and place (int64[K] each; place -1 is left out)."""
    known = place >= 0
    where = (hour[known] % hours) * len(demand.lon_e6) + place[known]
    return np.bincount(where, minlength=hours * len(demand.lon_e6)).reshape(hours, -1).astype(np.float64)


def learned(demand: Demand, lon: Array, lat: Array, hour: Array, hours: int = HOURS_DAY) -> Demand:
    """The demand of K past calls (lon, lat float64[K], local hour of the day or week int[K]) at the places of another.

    `profile.hour_of` says the local hour of the day, `week_hour` that of the week.
    """
    if hours not in (HOURS_DAY, HOURS_WEEK):
        raise BadValueError("/hours", "range", "demand is by the 24 hours of the day or the 168 of the week")
    count = counts(demand, cells_of(demand, lon, lat), np.asarray(hour, np.int64), hours)
    total = count.sum()
    if total == 0:
        raise BadValueError("/calls", "empty", "no call lies in the area; check longitude and latitude of the calls")
    own = count.sum(axis=0)
    x, y = local_m(demand.lon, demand.lat, float(demand.lon[0]), float(demand.lat[0]))
    near = np.exp(-((np.subtract.outer(x, x) ** 2 + np.subtract.outer(y, y) ** 2) / NEAR_M**2))
    np.fill_diagonal(near, 0.0)
    around = (near @ own + total / len(own) * 1e-3) / (near.sum(axis=1) + 1e-3)
    always = own * (own / (own + NEAR_CALLS)) + around * (NEAR_CALLS / (own + NEAR_CALLS))
    # hours: neighbouring ones are alike, and a cell with few calls has the whole area's day
    soft = 0.5 * count + 0.25 * (np.roll(count, 1, axis=0) + np.roll(count, -1, axis=0))
    day = soft.sum(axis=1, keepdims=True) / total
    shape = (soft + HOUR_CALLS * day) / (own + HOUR_CALLS)
    weights = np.rint(shape * always * (1_000_000 * hours / total)).astype(np.int64)
    return Demand(demand.lon_e6, demand.lat_e6, weights, demand.cell_m)


def accuracy_index(forecast: Array, calls: Array, share: float) -> float:
    """PAI (Chainey, Tompson, Uhlig 2008): share of later calls in the places forecast highest over their share of area.

    `forecast` float64[H, J] or [J], `calls` of the same shape, how many really came; `share` of the area, 0 to 1. 1 is
    no better than chance. Ties go to the first place.
    """
    if not 0.0 < share <= 1.0:
        raise BadValueError("/share", "range", "the share of the area is above 0 and at most 1")
    forecast, calls = np.atleast_2d(forecast), np.atleast_2d(calls)
    top = max(1, round(share * forecast.shape[1]))
    best = np.argsort(-forecast, axis=1, kind="stable")[:, :top]
    hit = np.take_along_axis(calls, best, axis=1).sum() / max(calls.sum(), 1)
    return float(hit / (top / forecast.shape[1]))


class Score(NamedTuple):
    """Accuracy indices of a forecast on held-back calls, and beside it of what needs no forecast."""

    forecast: float
    count_map: float
    """The past calls of each place, the same at all hours."""
    count_map_by_hour: float
    past: int
    later: int
    """Calls in the area."""


def score(
    places: Demand, past: tuple[Array, Array, Array], later: tuple[Array, Array, Array], share: float,
    hours: int = HOURS_DAY,
) -> Score:  # fmt: skip
    """What is learned from past calls (lon, lat, hour: arrays of K), held against later ones (of L); see
    `accuracy_index`."""
    before, after = (counts(places, cells_of(places, lon, lat), hour, hours) for lon, lat, hour in (past, later))
    always = np.broadcast_to(before.sum(axis=0), before.shape)
    forecast = learned(places, *past, hours).weights
    told, plain, by_hour = (accuracy_index(guess, after, share) for guess in (forecast, always, before))
    return Score(told, plain, by_hour, int(before.sum()), int(after.sum()))


def week_hour(as_of_ms: int, timezone: str) -> int:
    """Hour of the local week, 0 to 167 from Monday 0:00, at a time (UTC epoch) in an IANA zone.

    Raises `MapError` as `hour_of` does.
    """
    hour = hour_of(as_of_ms, timezone)
    return datetime.fromtimestamp(as_of_ms // 1_000, UTC).astimezone(ZoneInfo(timezone)).weekday() * 24 + hour
