"""Ground: every drive of a simulated shift on the real network, most of them worked out once for all policies.

Stations and calls stay where they are, so the drives with siren, from station to call, and those without, to a station
from a call or another station, are two matrices; only a unit that is sent while it drives to a station is a new
question, and its place is the very point of its way that it has reached.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from geo_backup.backup.demand import of_roads
from geo_backup.errors import OutsideMapError
from geo_backup.geodesy import distance_m
from geo_backup.roads.field import ArrivalField, cold_etas_ms
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.lanes import Probe
from geo_backup.roads.network import FRACTION_ONE, RoadNetwork
from geo_backup.roads.profile import profiles_of
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target, snap_place, snap_units
from geo_backup.roads.weights import weigh
from geo_backup.rules import Rules

WAYS_KEPT = 20_000

Progress = Callable[[float], None]


class _Way(NamedTuple):
    """Edges of a way to a station and the ms from its beginning until the end of each."""

    edges: Array
    ends_ms: Array
    first: int
    """Fraction of the first edge at which it begins."""


def targets_of(
    network: RoadNetwork, places: Sequence[tuple[float, float]], progress: Progress = lambda done: None
) -> list[Target | None]:
    """Each place as a drive's end; None: too far from any road."""
    out: list[Target | None] = []
    for n, (lon, lat) in enumerate(places):
        try:
            out.append(snap_place(network, lon, lat, Rules().snap))
        except OutsideMapError:
            out.append(None)
        progress((n + 1) / len(places))
    return out


class Ground:
    """Drive times among S stations, J calls and K places of demand, INF_MS = no way.

    A **spot** is where a unit may set out from without siren: a call, 0 to J - 1, or a station, J to J + S - 1.
    `out_ms` int32[S, J] from station to call, `place_ms` int32[S, K] from station to place of demand, both with siren;
    `back_ms` int32[J + S, S] from spot to station. `pace` is what drives with siren take, as a multiple of what the
    network says.
    """

    def __init__(
        self,
        network: RoadNetwork,
        stations: Sequence[Target],
        calls: Sequence[Target],
        progress: Progress = lambda done: None,
    ) -> None:
        self.network = network
        self.pace = 1.0
        self.places = of_roads(network, Rules().cover.places)
        profiles = profiles_of(network)
        self._siren = Probe(Metric(weigh(network, profiles["response"])))
        self._calm = weigh(network, profiles["routine"])
        self.lon, self.lat = (np.array([getattr(at, axis) for at in (*calls, *stations)]) for axis in ("lon", "lat"))
        self.spot_of_station = len(calls) + np.arange(len(stations))
        unknown = np.full(len(self.lon), np.nan)
        self._at = snap_units(network, self.lon, self.lat, unknown, unknown, Rules().snap)
        self._targets = tuple(calls)
        at_station = self._at.take(self.spot_of_station)
        places = targets_of(network, list(zip(self.places.lon.tolist(), self.places.lat.tolist(), strict=True)))
        asked = (*calls, *places)
        ms = np.full((len(stations), len(asked)), INF_MS, np.int32)
        for j, target in enumerate(asked):
            if target is not None:
                ms[:, j] = cold_etas_ms(self._siren, target, at_station)[0]
            progress((j + 1) / len(asked))
        self.out_ms, self.place_ms = ms[:, : len(calls)], ms[:, len(calls) :]
        self._to = [ArrivalField.build(self._calm, station) for station in stations]
        read = [field.etas_ms(self._at) for field in self._to]
        self.back_ms = np.stack([ms for ms, _ in read], axis=1)
        self._back_by = np.stack([which for _, which in read], axis=1)
        self._way = lru_cache(WAYS_KEPT)(self._find_way)

    def from_points(self, points: RoadPoints, call: int) -> Array:
        """Drive times int32[N] to a call from any places."""
        return _paced(cold_etas_ms(self._siren, self._targets[call], points)[0], self.pace)

    @property
    def reached(self) -> Array:
        """bool[J]: calls that some station can drive to; to others nobody is sent."""
        return np.asarray((self.out_ms < INF_MS).any(axis=0))

    def slow_down(self, pace: float) -> None:
        """Let every drive with siren take so many times as long from now on."""
        self.out_ms, self.place_ms = _paced(self.out_ms, pace), _paced(self.place_ms, pace)
        self.pace *= pace

    def at_spot(self, spot: int) -> RoadPoints:
        """One unit that stands at a spot."""
        return self._at.take(np.array([spot]))

    def on_way(self, spot: int, station: int, after_ms: int) -> RoadPoint | None:
        """Where a unit is so long after it left a spot for a station; None: not on the road yet."""
        way = self._way(spot, station)
        if way is None:
            return None
        k = min(int(np.searchsorted(way.ends_ms, after_ms, side="right")), len(way.edges) - 1)
        edge = int(way.edges[k])
        edge_ms = max(1, int(self._calm.edge_ms[edge]))
        driven_ms = edge_ms - (int(way.ends_ms[k]) - after_ms)
        fraction = min(FRACTION_ONE, max(way.first if k == 0 else 0, driven_ms * FRACTION_ONE // edge_ms))
        return RoadPoint(edge, fraction)

    def lon_lat(self, point: RoadPoint) -> tuple[float, float]:
        """A road point's place."""
        line = self.network.edge_line(point.edge)
        east_m, north_m = self.network.metres_per_deg
        along = np.append(0.0, np.cumsum(np.hypot(*(np.diff(line, axis=0) * (east_m, north_m)).T)))
        at = along[-1] * point.fraction / FRACTION_ONE
        return float(np.interp(at, along, line[:, 0])), float(np.interp(at, along, line[:, 1]))

    def air_m(self, lon: Array, lat: Array, call: int) -> Array:
        """Metres by air to a call."""
        return np.asarray(distance_m(lon, lat, self.lon[call], self.lat[call]))

    def _find_way(self, spot: int, station: int) -> _Way | None:
        which = int(self._back_by[spot, station])
        if which < 0:
            return None
        edge, fraction = int(self._at.edge[spot, which]), int(self._at.fraction[spot, which])
        found = self._to[station].way(edge, fraction)
        if found is None:
            return None
        edges, edge_ms = np.array(found.edges), self._calm.edge_ms
        took = edge_ms[edges].astype(np.int64)
        took[0] = int(took[0]) * (FRACTION_ONE - fraction) >> 16
        took[1:] += self._calm.turn_ms[np.array(found.turns, np.int64)]
        return _Way(edges, np.cumsum(took), fraction)


def _paced(ms: Array, pace: float) -> Array:
    return np.where(ms < INF_MS, np.minimum(np.rint(ms * pace), INF_MS - 1), INF_MS).astype(np.int32)
