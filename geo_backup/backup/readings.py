"""Readings: what the fields say of the units. Times in ms but where seconds are named; `INF_MS` = no way in time.

Each belongs to the thread of the fields that it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import shapely
from typing_extensions import TypedDict

from geo_backup.backup.fleet import UnitTable
from geo_backup.backup.standing import Standing
from geo_backup.errors import OutsideMapError
from geo_backup.roads.field import ArrivalField, Seeds, Starts, cold_etas_ms, reach_out
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.lanes import LANES, Lanes
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.punctuality import Trust
from geo_backup.roads.route import Route
from geo_backup.roads.snap import RoadPoints, Target, snap_place, snap_units
from geo_backup.rules import SnapRules

CUT_OFF_NAMED = 1_000
"""Of so many units at most that cannot come it is worked out which closures bar the way."""


def drive_times(table: UnitTable, field: ArrivalField | None, as_of_ms: int) -> tuple[Array, Array]:
    """int32[N] from every unit to a place, and int8[N] which of its positions gives it (-1 = none). Without a field,
    for a place on no road, nobody gets there."""
    if field is None:
        return np.full(len(table.ids), INF_MS, np.int32), np.full(len(table.ids), -1, np.int8)
    return field.read(table.starts(field.weights, as_of_ms))


def place_times_ms(metric: Metric, targets: Sequence[Target], starts: Starts, horizon_ms: int) -> Array:
    """int32[J, N]: milliseconds from N starts to J places, INF_MS = not within the horizon; each as its arrival field
    says it. Sixteen fields a pass, in one block of memory whatever J is. Belongs to the metric's thread."""
    out = np.full((len(targets), starts.edge.shape[1]), INF_MS, np.int32)
    block = Lanes(metric, horizon_ms)
    for first in range(0, len(targets), LANES):
        some = targets[first : first + LANES]
        for lane in [lane for lane in range(LANES) if lane not in block.free]:
            block.drop(lane)
        seeds = [Seeds.of(metric.weights, target) for target in some]
        for lane, seed in enumerate(seeds):
            block.put(lane, seed.edge, seed.ms)
        block.settle()
        for lane, (target, seed) in enumerate(zip(some, seeds, strict=True)):
            field = ArrivalField(metric.weights, target, horizon_ms, seed, block.values, lane)
            out[first + lane] = field.read(starts)[0]
    return out


def field_to(standing: Standing, profile: str, target: Target) -> ArrivalField:
    """The field of any place as of the last view, closures in force."""
    return standing.front(profile).driving.field_to(target, standing.table.rules.limit.horizon_ms)


def etas_to(standing: Standing, profile: str, target: Target, points: RoadPoints) -> tuple[Array, Array]:
    """What that field would say of some points, without making it: see `ArrivalField.etas_ms`."""
    front, horizon_ms = standing.front(profile), standing.table.rules.limit.horizon_ms
    return cold_etas_ms(front.probe, target, points, horizon_ms, front.driving.last_stretch_to(target))


def off_road_m(network: RoadNetwork, rules: SnapRules, lon: float, lat: float) -> float:
    """How far a place is from the nearest road; it needs no field, so nobody who asks it waits for one.

    Raises `OutsideMapError` when that is too far, with a hint when the place would be on the map with lon and lat
    exchanged.
    """
    try:
        return snap_place(network, lon, lat, rules).off_road_m
    except OutsideMapError:
        west, south, east, north = network.area.extent
        if west <= lat <= east and south <= lon <= north:
            raise OutsideMapError("/lon", "lon and lat look exchanged: this map has lon before lat") from None
        raise


class UnitRoute(NamedTuple):
    """A unit's way to an incident. `eta_ms` is all of it: the leg to the road, turning round, driving, the last leg,
    and what drives take beyond. `pace` is what the pace that was taught makes of it, in words; empty where nothing
    was."""

    route: Route
    eta_ms: int
    first_leg_ms: int
    overhead_ms: int
    turns_round: bool
    pace: str


def route(standing: Standing, incident_id: str, unit_id: str) -> UnitRoute | None:
    """The way one unit would take to an incident; None when there is none."""
    field, row = standing.field(incident_id), standing.table.row_of.get(unit_id)
    if field is None or row is None:
        return None
    points = standing.table.points.take(np.array([row]))
    field_ms, (which,) = field.etas_ms(points)
    way = None if which < 0 else field.route(int(points.edge[0, which]), int(points.fraction[0, which]))
    if way is None:
        return None
    incident = standing.now.incidents[incident_id]
    trust, rolls = standing.trust(incident.profile, incident.agency), dict(incident.assigned).get(unit_id) == "en_route"
    eta_ms = int((trust.left_ms if rolls else trust.eta_ms)(field_ms)[0])
    paced = standing.front(incident.profile).driving.paced
    return UnitRoute(
        way,
        eta_ms,
        int(points.lead_ms[0, which]),
        eta_ms - int(field_ms[0]),
        bool(points.turn_round[0, which]),
        "" if paced is None else paced.way(field.weights, way.edges, way.turns, (way.cuts[0][0], way.cuts[-1][1])),
    )


def cut_off(standing: Standing, incident_id: str, unit_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Of units that cannot reach an incident those that could if some closures were not there: which, in the order in
    which their way would meet them. Of `CUT_OFF_NAMED` units at most."""
    field, table = standing.field(incident_id), standing.table
    driving = standing.front(standing.now.incidents[incident_id].profile).driving
    rows = [row for unit_id in unit_ids[:CUT_OFF_NAMED] if (row := table.row_of.get(unit_id)) is not None]
    if field is None or not rows or not any(one.shuts for one in driving.holding.values()):
        return {}
    bare, waived, points = standing.bare_field(field), standing.waived(incident_id), table.points.take(np.array(rows))
    out: dict[str, tuple[str, ...]] = {}
    for n, which in enumerate(bare.etas_ms(points)[1].tolist()):
        way = bare.way(int(points.edge[n, which]), int(points.fraction[n, which])) if which >= 0 else None
        if way is not None and (barring := driving.barring(way.edges, waived)):
            out[table.ids[rows[n]]] = barring
    return out


def reach_of(
    standing: Standing, unit_id: str, minutes: Sequence[float], profile: str
) -> list[shapely.MultiPolygon] | None:
    """Where a unit can be within each number of minutes; None when it is on no road."""
    table = standing.table
    row = table.row_of.get(unit_id)
    points = table.points.take(np.array([] if row is None else [row], np.int64))
    if not len(points) or points.edge[0, 0] < 0:
        return None
    weights = standing.weights(profile)
    return reach_out(weights, Starts.of(weights, points), minutes, table.rules.limit.horizon_ms)


class Times(TypedDict):
    """How far times can be trusted: as is assumed, or as so many drives have shown."""

    state: Literal["assumed", "measured"]
    drives: int
    overhead_s: float


def times(trust: Trust) -> Times:
    """How far times can be trusted."""
    return {"state": trust.word, "drives": trust.drives, "overhead_s": trust.overhead_ms / 1000}


class Etas(TypedDict):
    """Drive times in the order of the starts; null with a reason where there is none."""

    etas_s: list[float | None]
    reasons: list[str | None]
    times: Times
    network_id: str
    weights_id: str


def etas(standing: Standing, lon: float, lat: float, starts: Sequence[Sequence[float]], profile: str) -> Etas:
    """Drive times from many places [lon, lat] or [lon, lat, course_deg] to one, closures in force, at the pace that was
    taught.

    Raises `OutsideMapError` for the target.
    """
    network, rules = standing.network, standing.table.rules.snap
    off_road_m(network, rules, lon, lat)
    target = snap_place(network, lon, lat, rules)
    places = np.array([[*start[:2], start[2] if len(start) > 2 else np.nan] for start in starts]).reshape(-1, 3)
    unknown = np.full(len(places), np.nan)
    points = snap_units(network, places[:, 0], places[:, 1], places[:, 2], unknown, rules)
    eta_ms, which = etas_to(standing, profile, target, points)
    beyond = ""
    if ((which < 0) & (points.edge[:, 0] >= 0)).any():
        beyond = field_to(standing, profile, target).reason()
    reasons = [
        None if w >= 0 else ("off_map" if edge < 0 else beyond)
        for w, edge in zip(which.tolist(), points.edge[:, 0].tolist(), strict=True)
    ]
    return {
        "etas_s": [None if why is not None else ms / 1000 for ms, why in zip(eta_ms.tolist(), reasons, strict=True)],
        "reasons": reasons,
        "times": times(standing.trust(profile)),
        "network_id": network.content_id,
        "weights_id": standing.weights(profile).weights_id,
    }
