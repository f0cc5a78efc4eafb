"""Standing: one arrival field per open incident, kept right while units move, incidents move, roads close, traffic and
the hour change.

It belongs to one thread and knows the live map only by frozen views, so ranking never waits for the fold nor reads a
half-changed world. From equal views it gives equal rankings, whatever it held before: a field that followed a change
equals a new one to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import shapely

from geo_backup.backup.city import City, CityNow
from geo_backup.backup.cover import place_times_ms
from geo_backup.backup.driving import Driving, Obstacles
from geo_backup.backup.fleet import UnitTable
from geo_backup.backup.ranking import Ranking, rank
from geo_backup.backup.view import View
from geo_backup.errors import OutsideMapError
from geo_backup.events import AgreementMade
from geo_backup.roads.field import ArrivalField, Seeds, Starts, cold_etas_ms, reach_out
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.lanes import LANES, Lanes, Probe
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import Profile, hour_of, profiles_of
from geo_backup.roads.route import Route
from geo_backup.roads.snap import RoadPoints, Target, snap_place, snap_units
from geo_backup.roads.weights import Weights
from geo_backup.rules import Rules, SnapRules

CUT_OFF_NAMED = 1_000
"""Of so many units at most that cannot come it is worked out which closures bar the way."""

BARE_KEPT = 8
"""Pages ask about the same few incidents again and again."""


def off_road_m(network: RoadNetwork, rules: SnapRules, lon: float, lat: float) -> float:
    """As `Standing.off_road_m` says; it needs no field, so nobody who asks it waits for one."""
    try:
        return snap_place(network, lon, lat, rules).off_road_m
    except OutsideMapError:
        west, south, east, north = network.area.extent
        if west <= lat <= east and south <= lon <= north:
            raise OutsideMapError("/lon", "lon and lat look exchanged: this map has lon before lat") from None
        raise


class UnitRoute(NamedTuple):
    """A unit's way to an incident. `eta_ms` is all of it: the leg to the road, turning round, driving, the last leg."""

    route: Route
    eta_ms: int
    first_leg_ms: int
    turns_round: bool


@dataclass(slots=True)
class _Front:
    """One way of driving as it is now: its weights poured into the hierarchy, and the fields that stand on them."""

    driving: Driving
    metric: Metric
    probe: Probe
    blocks: list[Lanes]


@dataclass(slots=True)
class _Stand:
    """Where an incident's field lies."""

    place: tuple[float, float, str]
    target: Target
    around: frozenset[str]
    """Closures that the incident lies in, whatever its profile."""
    waived: frozenset[str]
    """Those of them that hold: they may be driven into on the last stretch."""
    seeds: Seeds
    block: Lanes
    lane: int
    field: ArrivalField | None = None
    copy: ArrivalField | None = None


class Standing:
    """The fleet's table and the incidents' fields; see the module."""

    def __init__(
        self, network: RoadNetwork, rules: Rules | None = None, profiles: Mapping[str, Profile] | None = None
    ) -> None:
        self.network = network
        self.profiles = profiles_of(network) if profiles is None else profiles
        self.table = UnitTable(network, rules or Rules())
        self._view: View | None = None
        self._obstacles = Obstacles(network)
        self._fronts: dict[str, _Front] = {}
        self._stands: dict[str, _Stand | None] = {}
        """None: on no road."""
        self._city: City | None = None
        self._bare: dict[str, ArrivalField] = {}
        """As if there were no closures: of the incidents last asked about why a unit cannot come."""

    def update(self, view: View) -> None:
        """Take in what changed. Fields follow when they are next read."""
        if view.rules is not self.table.rules and view.rules != self.table.rules:
            rows = list(self.table.rows.values())
            self.table = UnitTable(self.network, view.rules)
            self.table.put(rows)
            # horizon and snapping may be others
            self._stands.clear()
            self._fronts.clear()
        self.table.put(view.units, view.gone)
        for incident_id in [known for known in self._stands if known not in view.incidents]:
            self._let_go(incident_id)
        over, begun = self._obstacles.follow(view.closures, view.speeds)
        if over or begun:
            stands = [stand for stand in self._stands.values() if stand is not None]
            found = self._obstacles.around_each(begun, [stand.target for stand in stands])
            for n, stand in enumerate(stands):
                stand.around = (stand.around - over) | found.get(n, frozenset())
        self._view = view

    def prepare(self) -> None:
        """Make what the first incident would wait for."""
        for name in ("response", "routine"):
            self._front(name)
        self._city = City(self.network, self.table.rules)

    def is_open(self, incident_id: str) -> bool:
        """Whether the incident is open in the last view."""
        return incident_id in self.now.incidents

    def field(self, incident_id: str) -> ArrivalField | None:
        """The incident's field, right for the last view and until the next; None when the incident is on no road.

        Raises `KeyError` when the incident is not open in that view.
        """
        stand = self._stand(incident_id)
        if stand is None:
            return None
        if stand.field is None:
            stand.field = ArrivalField(
                stand.block.metric.weights, stand.target, stand.block.horizon_ms, stand.seeds,
                stand.block.values, stand.lane,
            )  # fmt: skip
        return stand.field

    def field_to_keep(self, incident_id: str) -> ArrivalField | None:
        """The same as a copy that stays as it is; the same copy as long as nothing has changed."""
        field, stand = self.field(incident_id), self._stands[incident_id]
        if field is None or stand is None:
            return None
        if stand.copy is None:
            stand.copy = replace(field, values=np.ascontiguousarray(field.values[:, field.lane, None]), lane=0)
        return stand.copy

    def rank(self, incident_id: str) -> Ranking:
        """Everybody's place in the queue for one incident, as of the last view. Raises `KeyError` as `field` does."""
        now, field = self.now, self.field(incident_id)
        stand = self._stands[incident_id]
        warnings = ("INCIDENT_IN_CLOSURE",) if stand is not None and stand.waived else ()
        if now.incidents[incident_id].profile not in self.profiles:
            warnings = (*warnings, "PROFILE_UNKNOWN")
        if field is None:
            warnings = (*warnings, "INCIDENT_OFF_MAP")
        elif not field.target.on_main:
            warnings = (*warnings, "INCIDENT_OFF_MAIN_NETWORK")
        agreements: Sequence[AgreementMade] = now.agreements
        if any(one.hours for one in agreements):
            hour = hour_of(now.as_of_ms, self.network.area.timezone)
            agreements = [one for one in agreements if not one.hours or hour in one.hours]
        return rank(
            self.table,
            now.incidents[incident_id],
            field,
            as_of_seq=now.seq,
            as_of_ms=now.as_of_ms,
            warnings=warnings,
            others=now.incidents,
            agreements=agreements,
        )

    def city_now(self) -> CityNow:
        """The cover that the fleet gives the city as of the last view, with the siren on."""
        now, table = self.now, self.table
        if self._city is None or self._city.made_of != (table.rules, now.demand, now.beats):
            self._city = City(self.network, table.rules, now.demand, now.beats)
        metric = self._front("response").metric
        starts = table.starts(metric.weights, now.as_of_ms)
        ms = place_times_ms(metric, self._city.targets, starts, table.rules.limit.horizon_ms)
        ms = np.minimum(ms.astype(np.int64) + table.turnout_ms, INF_MS).astype(np.int32)
        agencies = [table.rows[unit_id].agency for unit_id in table.ids]
        return self._city.now(ms, table.free(now.as_of_ms), *table.lon_lat(), agencies, now.as_of_ms)

    def metric(self, profile: str) -> Metric:
        """A profile's weights as of the last view, poured into the hierarchy."""
        return self._front(profile).metric

    def weights(self, profile: str) -> Weights:
        """Weights of a profile with the closures in force."""
        return self._front(profile).metric.weights

    def profile(self, name: str) -> Profile:
        """The profile of that name; `response` where its file has gone since: somebody waits for that ranking."""
        return self.profiles.get(name) or self.profiles["response"]

    def field_to(self, profile: str, target: Target) -> ArrivalField:
        """The field of any place, closures in force; one in which it lies may be entered on the last stretch."""
        return self._front(profile).driving.field_to(target, self.table.rules.limit.horizon_ms)

    def etas_to(self, profile: str, target: Target, points: RoadPoints) -> tuple[Array, Array]:
        """What that field would say of some points, without making it: see `ArrivalField.etas_ms`."""
        front, horizon_ms = self._front(profile), self.table.rules.limit.horizon_ms
        return cold_etas_ms(front.probe, target, points, horizon_ms, front.driving.last_stretch_to(target))

    def off_road_m(self, lon: float, lat: float) -> float:
        """How far a place is from the nearest road. Raises `OutsideMapError` when that is too far, with a hint when
        the place would be on the map with lon and lat exchanged."""
        return off_road_m(self.network, self.table.rules.snap, lon, lat)

    def route(self, incident_id: str, unit_id: str) -> UnitRoute | None:
        """The way one unit would take to an incident; None when there is none."""
        field, row = self.field(incident_id), self.table.row_of.get(unit_id)
        if field is None or row is None:
            return None
        points = self.table.points.take(np.array([row]))
        eta_ms, (which,) = field.etas_ms(points)
        route = None if which < 0 else field.route(int(points.edge[0, which]), int(points.fraction[0, which]))
        if route is None:
            return None
        return UnitRoute(route, int(eta_ms[0]), int(points.lead_ms[0, which]), bool(points.turn_round[0, which]))

    def cut_off(self, incident_id: str, unit_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Of units that cannot reach an incident those that could if some closures were not there: which, in the
        order in which their way would meet them. Of `CUT_OFF_NAMED` units at most."""
        stand = self._stand(incident_id)
        if stand is None:
            return {}
        driving = self._front(stand.place[2]).driving
        rows = [row for unit_id in unit_ids[:CUT_OFF_NAMED] if (row := self.table.row_of.get(unit_id)) is not None]
        if not rows or not any(one.shuts for one in driving.holding.values()):
            return {}
        bare, weights = self._bare.pop(incident_id, None), driving.weights.bare or driving.weights
        if bare is None or bare.target is not stand.target or bare.weights is not weights:
            bare = ArrivalField.build(weights, stand.target, stand.block.horizon_ms)
        self._bare[incident_id] = bare
        if len(self._bare) > BARE_KEPT:
            del self._bare[next(iter(self._bare))]
        points = self.table.points.take(np.array(rows))
        out: dict[str, tuple[str, ...]] = {}
        for n, which in enumerate(bare.etas_ms(points)[1].tolist()):
            way = bare.way(int(points.edge[n, which]), int(points.fraction[n, which])) if which >= 0 else None
            if way is not None and (barring := driving.barring(way.edges, stand.waived)):
                out[self.table.ids[rows[n]]] = barring
        return out

    def reach_of(self, unit_id: str, minutes: Sequence[float], profile: str) -> list[shapely.MultiPolygon] | None:
        """Where a unit can be within each number of minutes; None when it is on no road."""
        row = self.table.row_of.get(unit_id)
        points = self.table.points.take(np.array([] if row is None else [row], np.int64))
        if not len(points) or points.edge[0, 0] < 0:
            return None
        weights, limit = self.weights(profile), self.table.rules.limit
        return reach_out(weights, Starts.of(weights, points), minutes, limit.horizon_ms)

    def etas(self, lon: float, lat: float, starts: Sequence[Sequence[float]], profile: str) -> dict[str, Any]:
        """Drive times in s from many places [lon, lat] or [lon, lat, course_deg] to one, closures in force.

        Raises `OutsideMapError` for the target.
        """
        rules = self.table.rules
        self.off_road_m(lon, lat)
        target = snap_place(self.network, lon, lat, rules.snap)
        places = np.array([[*start[:2], start[2] if len(start) > 2 else np.nan] for start in starts]).reshape(-1, 3)
        unknown = np.full(len(places), np.nan)
        points = snap_units(self.network, places[:, 0], places[:, 1], places[:, 2], unknown, rules.snap)
        eta_ms, which = self.etas_to(profile, target, points)
        beyond = ""
        if ((which < 0) & (points.edge[:, 0] >= 0)).any():
            beyond = self.field_to(profile, target).reason()
        reasons = [
            None if w >= 0 else ("off_map" if edge < 0 else beyond)
            for w, edge in zip(which.tolist(), points.edge[:, 0].tolist(), strict=True)
        ]
        return {
            "etas_s": [
                None if why is not None else ms / 1000 for ms, why in zip(eta_ms.tolist(), reasons, strict=True)
            ],
            "reasons": reasons,
            "network_id": self.network.content_id,
            "weights_id": self.weights(profile).weights_id,
        }

    @property
    def now(self) -> View:
        """The last view."""
        if self._view is None:
            raise RuntimeError("update() with a view comes first")
        return self._view

    def _front(self, profile: str) -> _Front:
        """A profile's front, brought up to the hour, the closures and the traffic of the last view."""
        as_of_ms = None if self._view is None else self._view.as_of_ms
        front = self._fronts.get(profile)
        if front is None:
            driving = Driving(self._obstacles, self.profile(profile), as_of_ms)
            metric = Metric(driving.weights)
            front = self._fronts[profile] = _Front(driving, metric, Probe(metric), [])
        elsewhere = front.driving.follow(as_of_ms)
        if elsewhere is None:
            return front
        weights = front.driving.weights
        change = front.metric.adopt(weights)
        for stand in self._stands.values():
            if stand is None or stand.place[2] != profile:
                continue
            stand.field = stand.copy = None
            # from the seeds' edges one is on the last stretch: nothing further away has a part in it
            near = elsewhere[stand.seeds.edge].any() or elsewhere[list(stand.target.edges)].any()
            if near or stand.waived != stand.around.intersection(front.driving.holding):
                stand.waived, last_stretch = front.driving.last_stretch(stand.around)
                stand.seeds = Seeds.of(weights, stand.target, last_stretch)
                stand.block.put(stand.lane, stand.seeds.edge, stand.seeds.ms)
        for block in front.blocks:
            block.follow(change)
        return front

    def _stand(self, incident_id: str) -> _Stand | None:
        incident = self.now.incidents[incident_id]
        front = self._front(incident.profile)
        place = (incident.lon, incident.lat, incident.profile)
        stand = self._stands.get(incident_id)
        if stand is None or stand.place != place:
            try:
                target = snap_place(self.network, incident.lon, incident.lat, self.table.rules.snap)
            except OutsideMapError:
                self._let_go(incident_id)
                self._stands[incident_id] = None
                return None
            around = self._obstacles.around(target)
            waived, last_stretch = front.driving.last_stretch(around)
            seeds = Seeds.of(front.metric.weights, target, last_stretch)
            if stand is None or stand.place[2] != incident.profile:
                self._let_go(incident_id)
                block, lane = self._room(front)
            else:
                block, lane = stand.block, stand.lane
            stand = self._stands[incident_id] = _Stand(place, target, around, waived, seeds, block, lane)
            block.put(lane, seeds.edge, seeds.ms)
        stand.block.settle()
        return stand

    def _room(self, front: _Front) -> tuple[Lanes, int]:
        """A free lane, in a new block when all are taken."""
        for block in front.blocks:
            if block.free:
                return block, block.free[0]
        front.blocks.append(Lanes(front.metric, self.table.rules.limit.horizon_ms))
        return front.blocks[-1], 0

    def _let_go(self, incident_id: str) -> None:
        """Free an incident's lane, and memory that no incident is in."""
        stand = self._stands.pop(incident_id, None)
        if stand is not None:
            stand.block.drop(stand.lane)
            if len(stand.block.free) == LANES:
                blocks = self._fronts[stand.place[2]].blocks
                blocks[:] = [block for block in blocks if block is not stand.block]
