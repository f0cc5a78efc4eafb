"""The ends of a drive from place to place: where it begins and where it is over, on roads; no walks, no units.

A place to start from is a vehicle: the roads about as near as the nearest are all candidates, and time decides. A
place to arrive at is the nearest road, in each direction, whatever the walk from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from geo_backup.errors import OutsideMapError
from geo_backup.roads.nearest import NearRoad, nearest_roads
from geo_backup.roads.network import Array, EdgeFlag, RoadNetwork
from geo_backup.roads.snap import RoadPoints, Target, snap_place, snap_units
from geo_backup.rules import SnapRules


class NoRoadError(Exception):
    """No road within reach of a place: `index` says which."""

    def __init__(self, index: int) -> None:
        super().__init__(f"no road near place {index}")
        self.index = index


def starts(
    network: RoadNetwork,
    lon_lat: Array,
    radius_m: Array,
    bearings: Mapping[int, tuple[float, float]],
    rules: SnapRules,
) -> RoadPoints:
    """Road points of places to start from: lon, lat float64[N, 2], radius float64[N], bearings of some.

    Raises `NoRoadError` for the first place without one.
    """
    unknown = np.full(len(lon_lat), np.nan)
    wide = replace(rules, unit_max_m=rules.incident_max_m)
    points = snap_units(network, lon_lat[:, 0], lon_lat[:, 1], unknown, unknown, wide)
    for at, bearing in bearings.items():
        road = _road(network, lon_lat[at], radius_m[at], bearing, rules)
        points.put(np.array([at]), _candidates(road) if road else RoadPoints.empty(1))
    off = np.flatnonzero((points.edge[:, 0] < 0) | ~(points.offset_m <= radius_m))
    if len(off):
        raise NoRoadError(int(off[0]))
    return points


def end(
    network: RoadNetwork, lon: float, lat: float, radius_m: float, bearing: tuple[float, float] | None, rules: SnapRules
) -> Target | None:
    """The target of a place to arrive at; None when there is no road within reach."""
    if bearing is not None:
        road = _road(network, (lon, lat), radius_m, bearing, rules)
        if road is None:
            return None
        edges, fractions = zip(*road.points, strict=True)
        on_main = any(int(network.edge_flags[edge]) & EdgeFlag.MAIN for edge in edges)
        still = len(edges)
        return Target(edges, fractions, (0,) * still, (0.0,) * still, lon, lat, road.distance_m, on_main)
    try:
        target = snap_place(network, lon, lat, rules)
    except OutsideMapError:
        return None
    if target.off_road_m > radius_m:
        return None
    # the nearest road, and the main one beside it where that is cut off from the rest
    nearest = network.edge_piece[target.edges[0]]
    kept = [
        k
        for k, edge in enumerate(target.edges)
        if network.edge_piece[edge] == nearest or (not target.on_main and int(network.edge_flags[edge]) & EdgeFlag.MAIN)
    ]
    return _without_walk(target, kept)


def _road(
    network: RoadNetwork,
    lon_lat: Sequence[float] | Array,
    radius_m: float,
    bearing: tuple[float, float],
    rules: SnapRules,
) -> NearRoad | None:
    """The nearest road that is driven so."""
    within_m = min(float(radius_m), rules.incident_max_m)
    lon, lat = (float(axis) for axis in lon_lat)
    return next(iter(nearest_roads(network, lon, lat, count=1, within_m=within_m, bearing=bearing)), None)


def _candidates(road: NearRoad) -> RoadPoints:
    """One unit that may drive either way."""
    out = RoadPoints.empty(1)
    for k, point in enumerate(road.points):
        out.edge[0, k], out.fraction[0, k] = point
    out.offset_m[0] = road.distance_m
    return out


def _without_walk(target: Target, kept: Sequence[int]) -> Target:
    """Only these of its edges, and nothing to walk from them."""
    return replace(
        target,
        edges=tuple(target.edges[k] for k in kept),
        fractions=tuple(target.fractions[k] for k in kept),
        last_leg_ms=(0,) * len(kept),
        last_leg_m=(0.0,) * len(kept),
    )
