"""Cover: the chance that the next call finds a free unit in time, and what taking a unit costs the rest of the city.

    value = sum over places j of d_j (1 - q^n_j)        n_j = free units within T of j, d_j = share of demand

This is the expected cover of MEXCLP (Daskin 1983): each unit is busy a share q of its time. The price of a unit is what
the value loses without it. Values are whole numbers of 2^-40 inside, so a price is exactly the difference of two values
on every machine, and the sum over places has one result in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import shapely

from geo_backup.errors import BadValueError
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.rules import CoverRules

ONE = 1 << 40
"""All demand, in the whole numbers of values."""


def shares(weights: Array) -> Array:
    """Demand float64[J] >= 0 as shares of the whole: int64[J] of 2^-40. All zero stays so."""
    weights = np.asarray(weights, np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise BadValueError("/weights", "range", "demand must be finite numbers from 0; count the calls again")
    total = float(weights.sum())
    return np.floor(weights / total * ONE).astype(np.int64) if total > 0 else np.zeros(len(weights), np.int64)


def covered(share: Array, count: Array, busy_fraction: float) -> Array:
    """int64[J] of 2^-40: d_j (1 - q^n_j) of int64[J] shares and counts of units."""
    if not 0.0 <= busy_fraction < 1.0:
        raise BadValueError("/cover/busy_fraction", "range", "the busy fraction is a share from 0 to below 1")
    # multiplied out: a library's pow differs in the last digit from machine to machine
    miss = np.cumprod(np.concatenate([[1.0], np.full(int(np.max(count, initial=0)), busy_fraction)]))
    return np.floor(share * (1.0 - miss[count])).astype(np.int64)


class DoubleStandard(NamedTuple):
    """Shares of demand (Gendreau, Laporte, Semet 1997): within r2 of one free unit, within r1 of one, of two."""

    within_r2: float
    within_r1: float
    twice_within_r1: float
    met: bool
    """All demand that any unit of the fleet could reach lies within r2, and the asked share within r1."""


@dataclass(frozen=True, eq=False)
class Cover:
    """The cover of J places by N units at one moment.

    `ms` int32[J, N] from unit to place (INF_MS = never), `free` bool[N], `weights` float64[J] of demand.
    """

    ms: Array
    free: Array
    weights: Array
    rules: CoverRules

    def __post_init__(self) -> None:
        if self.ms.shape != (len(self.weights), len(self.free)):
            raise BadValueError(
                "/ms", "shape", f"times are {self.ms.shape}, need (places, units) {len(self.weights), len(self.free)}"
            )

    @cached_property
    def share(self) -> Array:
        """int64[J]: demand in 2^-40."""
        return shares(self.weights)

    @cached_property
    def within(self) -> Array:
        """bool[J, N]: free and within T."""
        out: Array = (self.ms <= self.rules.target_ms) & self.free
        return out

    @cached_property
    def count(self) -> Array:
        """int64[J]: free units within T."""
        out: Array = self.within.sum(axis=1)
        return out

    def _whole(self, count: Array, places: Array | None = None) -> int:
        values = covered(self.share, count, self.rules.busy_fraction)
        return int(values.sum() if places is None else values[places].sum())

    def value(self, places: Array | None = None) -> float:
        """Expected share of demand that finds a unit in time; of some places (bool[J]) as a share of theirs."""
        if places is None:
            return self._whole(self.count) / ONE
        total = int(self.share[places].sum())
        return self._whole(self.count, places) / total if total else 0.0

    @cached_property
    def prices(self) -> Array:
        """float64[N]: what the value loses when each unit alone is taken; 0 for those that are not free."""
        q = self.rules.busy_fraction
        now = covered(self.share, self.count, q)
        lost = now - covered(self.share, np.maximum(self.count - 1, 0), q)
        prices: Array = np.where(self.within, lost[:, None], 0).sum(axis=0) / ONE
        return prices

    def price(self, taken: Sequence[int] | Array) -> float:
        """What the value loses when several units (their numbers) are taken together: more than the sum of prices
        where they cover the same places."""
        rows = np.unique(np.asarray(taken, np.int64))
        left = self.count - self.within[:, rows].sum(axis=1)
        return (self._whole(self.count) - self._whole(left)) / ONE

    def double_standard(self) -> DoubleStandard:
        """See the type."""
        near = ((self.ms <= self.rules.r1_ms) & self.free).sum(axis=1)
        far = ((self.ms <= self.rules.r2_ms) & self.free).any(axis=1)
        total = int(self.share.sum()) or 1
        in_r2, in_r1, twice = (int(self.share[some].sum()) / total for some in (far, near >= 1, near >= 2))
        reachable = int(self.share[(self.ms < INF_MS).any(axis=1)].sum()) / total
        return DoubleStandard(in_r2, in_r1, twice, in_r2 >= reachable and in_r1 >= self.rules.r1_share)

    def reliable(self) -> float:
        """MALP (ReVelle, Hogan 1989): share of demand that finds a unit with probability `reliability`."""
        q = self.rules.busy_fraction
        sure = [1.0 - q**n >= self.rules.reliability for n in range(int(self.count.max(initial=0)) + 1)]
        return int(self.share[np.array(sure)[self.count]].sum()) / (int(self.share.sum()) or 1)


@dataclass(frozen=True)
class Beat:
    """An area with a name and the free units that it keeps: one number, or 24 by hour of the local day."""

    beat_id: str
    geometry: Mapping[str, object]
    """GeoJSON Polygon or MultiPolygon."""
    floor: int | tuple[int, ...] | None = None
    """None: as the rules say."""

    def floor_at(self, hour: int, rules: CoverRules) -> int:
        """Free units to keep in an hour of the day."""
        if self.floor is None:
            return rules.floor
        return self.floor if isinstance(self.floor, int) else self.floor[hour]


class Beats:
    """The beats of an area; a point on a border of two belongs to the first."""

    def __init__(self, beats: Sequence[Beat]) -> None:
        self.beats = tuple(beats)
        shapes = []
        for i, beat in enumerate(self.beats):
            if isinstance(beat.floor, tuple) and len(beat.floor) != 24:
                raise BadValueError(f"/beats/{i}/floor", "length", "floors by hour are 24 numbers, from midnight on")
            try:
                shape = shapely.geometry.shape(beat.geometry)
            except (ValueError, TypeError, LookupError, AttributeError, RecursionError, shapely.errors.ShapelyError):
                shape = None
            if shape is None or shape.geom_type not in ("Polygon", "MultiPolygon") or not shape.is_valid:
                raise BadValueError(
                    f"/beats/{i}/geometry",
                    "geometry",
                    f"beat {beat.beat_id} must be a valid GeoJSON Polygon or MultiPolygon",
                )
            shapes.append(shape)
        self._tree = shapely.STRtree(shapes)

    def at(self, lon: Array, lat: Array) -> Array:
        """int64[K]: number of the beat that each point lies in, -1 = none."""
        out = np.full(len(lon), len(self.beats), np.int64)
        if len(self.beats):
            point, beat = self._tree.query(shapely.points(lon, lat), predicate="intersects")
            np.minimum.at(out, point, beat)
        return np.where(out == len(self.beats), -1, out)


def price_words(price: float, last_of_beat: str | None, busy_ms: int) -> str:
    """The price of a unit for a person: "last unit of beat 4 for about 22 min"; empty where it costs little."""
    minutes = max(1, round(busy_ms / 60_000))
    if last_of_beat is not None:
        return f"last unit of beat {last_of_beat} for about {minutes} min"
    if price >= 0.005:
        return f"{price:.0%} less cover for about {minutes} min"
    return ""
