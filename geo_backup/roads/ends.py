"""The ends of a drive from place to place: where it begins and where it is over, on roads; no walks, no units.

A place to start from is a vehicle: the roads about as near as the nearest are all candidates, and time decides. A
place to arrive at is the nearest road, in each direction, whatever the walk from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from geo_backup.roads.kernel import Array
from geo_backup.roads.nearest import NearRoad, nearest_roads
from geo_backup.roads.network import FRACTION_ONE, EdgeFlag, RoadNetwork
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target, snap_units
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
    points = snap_units(network, lon_lat[:, 0], lon_lat[:, 1], unknown, unknown, rules)
    # the walk to the nearest roads does not count, and to none that are farther
    walk_ms = np.where(points.edge >= 0, points.lead_ms, np.iinfo(np.int32).max)
    as_near = walk_ms == walk_ms.min(axis=1, keepdims=True)
    first = np.argsort(~as_near, axis=1, kind="stable")
    points = replace(
        points,
        edge=np.take_along_axis(np.where(as_near, points.edge, -1), first, axis=1).astype(np.int32),
        fraction=np.take_along_axis(points.fraction, first, axis=1),
        turn_round=np.take_along_axis(points.turn_round, first, axis=1),
        lead_ms=np.zeros_like(points.lead_ms),
    )
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
    within_m = min(float(radius_m), rules.incident_max_m)
    roads = nearest_roads(network, lon, lat, count=1 if bearing else _NEAR, within_m=within_m, bearing=bearing)
    if not roads:
        return None
    # the main road beside the nearest, where that is cut off from the rest
    main = [road for road in roads if any(int(network.edge_flags[at.edge]) & EdgeFlag.MAIN for at in road.points)]
    kept = roads[:1] if roads[0] in main else roads[:1] + main[:1]
    points = [at for road in kept for at in (road.points if bearing else _both_ways(network, road.points[0]))]
    edges, fractions = zip(*points, strict=True)
    still = len(points)
    return Target(edges, fractions, (0,) * still, (0.0,) * still, lon, lat, roads[0].distance_m, roads[0] in main)


_NEAR = 8
"""Roads among which a main one is looked for."""


def _both_ways(network: RoadNetwork, at: RoadPoint) -> list[RoadPoint]:
    """A place on a road in each direction, the wrong way of a short one-way included."""
    edges = network.piece_edges[network.edge_piece[at.edge]].tolist()
    return [
        RoadPoint(edge, at.fraction if edge == at.edge else FRACTION_ONE - at.fraction) for edge in edges if edge >= 0
    ]


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
