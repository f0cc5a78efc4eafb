"""Advice from the standing fields: which free units to move where, and where to wait near an incident."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geo_backup.backup.city import city_now
from geo_backup.backup.readings import place_times_ms
from geo_backup.backup.staging import move_up, staging_points
from geo_backup.backup.standing import Standing
from geo_backup.geodesy import distance_m
from geo_backup.roads.field import Starts
from geo_backup.roads.kernel import Array
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.snap import RoadPoints, snap_units
from geo_backup.rules import SnapRules

NEAR_M = 2_000.0
"""Staging points are looked for within this of the incident."""
NEAR_MAX = 4_000


class MoveUp(NamedTuple):
    """Move a unit to a place: what the city's cover wins (share of demand), and how long the way is."""

    unit_id: str
    lon: float
    lat: float
    gain: float
    drive_ms: int


class Waiting(NamedTuple):
    """A place to wait near an incident, this long from it, in this direction as seen from there."""

    lon: float
    lat: float
    eta_ms: int
    bearing_deg: float


def moves(standing: Standing, agency: str = "") -> tuple[MoveUp, ...]:
    """Whom of an agency to move where now, or of each where none is named: few moves, each worth it. Posts are the
    places of demand themselves; units drive there without the siren, and leave from there with it."""
    now, network, table = city_now(standing), standing.network, standing.table
    rules, city = table.rules, now.city
    lon, lat = city.demand.lon[city.kept], city.demand.lat[city.kept]
    posts = _points(network, lon, lat, rules.snap)
    response, horizon_ms = standing.front("response").metric, rules.limit.horizon_ms
    from_posts = place_times_ms(response, city.targets, Starts.of(response.weights, posts), horizon_ms)
    routine = standing.front("routine").metric
    starts = table.starts(routine.weights, standing.now.as_of_ms)
    drive_ms = place_times_ms(routine, city.targets, starts, horizon_ms)
    found = list[MoveUp]()
    for name in [agency] if agency else sorted(set(now.agencies[now.free].tolist())):
        cover, turnout_ms = now.cover(name), rules.of(name).turnout.mobile_ms
        post_ms = np.minimum(from_posts.astype(np.int64) + turnout_ms, np.iinfo(np.int32).max)
        found += [
            MoveUp(table.ids[move.unit], float(lon[move.post]), float(lat[move.post]), move.gain, move.drive_ms)
            for move in move_up(cover, post_ms, drive_ms, cover.free)
        ]
    return tuple(found)


def staging(standing: Standing, incident_id: str, count: int) -> tuple[Waiting, ...]:
    """At most `count` junctions to wait at for an incident, on all its sides and about a minute or two from it.

    Raises `KeyError` when the incident is not open.
    """
    field, rules = standing.field(incident_id), standing.table.rules
    if field is None:
        return ()
    scene = standing.now.incidents[incident_id]
    network = standing.network
    lon, lat = network.junction_lon_e7 / 1e7, network.junction_lat_e7 / 1e7
    near = np.flatnonzero((abs(lat - scene.lat) < 0.05) & (abs(lon - scene.lon) < 0.1))
    away_m = np.asarray(distance_m(scene.lon, scene.lat, lon[near], lat[near]))
    near = near[np.lexsort((near, away_m))][: int(min((away_m <= NEAR_M).sum(), NEAR_MAX))]
    points = _points(network, lon[near], lat[near], rules.snap)
    eta_ms, _ = field.etas_ms(points)
    chosen = staging_points((scene.lon, scene.lat), lon[near], lat[near], eta_ms, count, rules.cover)
    return tuple(
        Waiting(float(lon[near[one.place]]), float(lat[near[one.place]]), one.eta_ms, one.bearing_deg) for one in chosen
    )


def _points(network: RoadNetwork, lon: Array, lat: Array, rules: SnapRules) -> RoadPoints:
    unknown = np.full(len(lon), np.nan)
    return snap_units(network, lon, lat, unknown, unknown, rules)
