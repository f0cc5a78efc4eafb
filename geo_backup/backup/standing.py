"""Standing: one arrival field per open incident, kept right while units move, incidents move, roads close, traffic and
the hour change.

It belongs to one thread and knows the live map only by frozen views, so ranking never waits for the fold nor reads a
half-changed world. From equal views it gives equal rankings, whatever it held before: a field that followed a change
equals a new one to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import shape

from geo_backup.backup.ranking import IncidentRow, Ranking, UnitRow, UnitTable, rank
from geo_backup.errors import OutsideMapError
from geo_backup.events import ClosureAdded, SpeedsAdopted
from geo_backup.live_map import LiveMap
from geo_backup.roads.closures import closed_edges
from geo_backup.roads.field import ArrivalField, Seeds, cold_etas_ms
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.lanes import LANES, Lanes, Probe
from geo_backup.roads.network import Array, RoadNetwork
from geo_backup.roads.profile import Profile, hour_of, profiles_of
from geo_backup.roads.route import Route
from geo_backup.roads.snap import RoadPoints, Target, snap_place, snap_units
from geo_backup.roads.traffic import Traffic, drive_ms
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import Rules

Edges = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class View:
    """The live map at one moment, frozen: the units that changed since the last view, and everything else whole."""

    seq: int
    as_of_ms: int
    units: tuple[UnitRow, ...]
    gone: tuple[str, ...]
    incidents: Mapping[str, IncidentRow]
    closures: Mapping[str, ClosureAdded]
    """Those in force at `as_of_ms`."""
    rules: Rules
    speeds: SpeedsAdopted | None = None


def view(live_map: LiveMap, as_of_ms: int, unit_ids: Iterable[str] | None = None) -> View:
    """Freeze the live map at a time; of the units only those named (all when None)."""
    named = tuple(live_map.units if unit_ids is None else unit_ids)
    return View(
        live_map.seq,
        as_of_ms,
        tuple(UnitRow.of(live_map.units[unit_id]) for unit_id in named if unit_id in live_map.units),
        tuple(unit_id for unit_id in named if unit_id not in live_map.units),
        {i.incident_id: IncidentRow.of(i) for i in live_map.open_incidents()},
        {c.closure_id: c.added for c in live_map.closures.values() if c.in_force(as_of_ms)},
        live_map.rules,
        live_map.speeds,
    )


TRAFFIC = "(traffic)"
"""What the edges that measured speeds close are called among the closures: no closure of the log has such an id."""

STALE = ""
"""Among the closures of a front that is to be looked at again: no closure has an empty id."""


@dataclass(slots=True)
class _Front:
    """One way of driving as it is now: its weights poured into the hierarchy, and the fields that stand on them."""

    closed: frozenset[str]
    metric: Metric
    probe: Probe
    blocks: list[Lanes]
    timeless: bool
    traffic: Traffic | None = None
    slowed: tuple[Array, Array] | None = None
    """What traffic makes of it: edges and ms, as `drive_ms` has them."""


@dataclass(slots=True)
class _Stand:
    """Where an incident's field lies."""

    place: tuple[float, float, str]
    target: Target
    waived: frozenset[str]
    """Closures that the incident lies in: they may be driven into on the last stretch."""
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
        self._speeds_id = ""
        self._traffic: Traffic | None = None
        self._shut_by_traffic: dict[str, ClosureAdded] = {}
        self._added: dict[str, ClosureAdded] = {}
        self._edges: dict[str, Edges] = {}
        self._shapes: dict[str, shapely.Geometry | None] = {}
        self._fronts: dict[str, _Front] = {}
        self._stands: dict[str, _Stand | None] = {}
        """None: on no road."""

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
        self._adopt(view.speeds)
        view = replace(view, closures={**view.closures, **self._shut_by_traffic})
        for closure_id in [known for known in self._added if view.closures.get(known) != self._added[known]]:
            # over, or lifted and made again with the same id: nothing worked out from it holds
            del self._added[closure_id], self._edges[closure_id], self._shapes[closure_id]
            for front in self._fronts.values():
                front.closed -= {closure_id}
                front.closed |= {STALE}
        for closure_id, added in view.closures.items():
            if closure_id not in self._added:
                self._shapes[closure_id], self._edges[closure_id] = closure_shape_and_edges(self.network, added)
                self._added[closure_id] = added
        for incident_id in [known for known in self._stands if known not in view.incidents]:
            self._let_go(incident_id)
        self._view = view

    def _adopt(self, speeds: SpeedsAdopted | None) -> None:
        """Take in measured speeds when they are others."""
        speeds_id = "" if speeds is None else speeds.speeds_id
        if speeds_id == self._speeds_id:
            return
        self._speeds_id, self._traffic, self._shut_by_traffic = speeds_id, None, {}
        if speeds is None:
            return
        self._traffic = Traffic.unpacked(speeds.packed, self.network.edges)
        if len(shut := self._traffic.closed):
            self._shut_by_traffic[TRAFFIC] = ClosureAdded(
                received_ms=speeds.received_ms, closure_id=TRAFFIC, geometry={"edges": shut.tolist()}, reason="traffic"
            )

    def prepare(self) -> None:
        """Make what the first incident would wait for."""
        for name in ("response", "routine"):
            self._front(name)

    def is_open(self, incident_id: str) -> bool:
        """Whether the incident is open in the last view."""
        return incident_id in self._now.incidents

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
        now, field = self._now, self.field(incident_id)
        stand = self._stands[incident_id]
        warnings = ("INCIDENT_IN_CLOSURE",) if stand is not None and stand.waived else ()
        if now.incidents[incident_id].profile not in self.profiles:
            warnings = (*warnings, "PROFILE_UNKNOWN")
        if field is None:
            warnings = (*warnings, "INCIDENT_OFF_MAP")
        elif not field.target.on_main:
            warnings = (*warnings, "INCIDENT_OFF_MAIN_NETWORK")
        return rank(
            self.table,
            now.incidents[incident_id],
            field,
            as_of_seq=now.seq,
            as_of_ms=now.as_of_ms,
            warnings=warnings,
        )

    def weights(self, profile: str) -> Weights:
        """Weights of a profile with the closures in force."""
        return self._front(profile).metric.weights

    def profile(self, name: str) -> Profile:
        """The profile of that name; `response` where its file has gone since: somebody waits for that ranking."""
        return self.profiles.get(name) or self.profiles["response"]

    def field_to(self, profile: str, target: Target) -> ArrivalField:
        """The field of any place, closures in force; one in which it lies may be entered on the last stretch."""
        horizon_ms = self.table.rules.limit.horizon_ms
        return ArrivalField.build(self.weights(profile), target, horizon_ms, self._enterable(target, profile))

    def etas_to(self, profile: str, target: Target, points: RoadPoints) -> tuple[Array, Array]:
        """What that field would say of some points, without making it: see `ArrivalField.etas_ms`."""
        front, enterable = self._front(profile), self._enterable(target, profile)
        return cold_etas_ms(front.probe, target, points, self.table.rules.limit.horizon_ms, enterable)

    def off_road_m(self, lon: float, lat: float) -> float:
        """How far a place is from the nearest road. Raises `OutsideMapError` when that is too far, with a hint when
        the place would be on the map with lon and lat exchanged."""
        try:
            return snap_place(self.network, lon, lat, self.table.rules.snap).off_road_m
        except OutsideMapError:
            west, south, east, north = self.network.area.extent
            if west <= lat <= east and south <= lon <= north:
                raise OutsideMapError("/lon", "lon and lat look exchanged: this map has lon before lat") from None
            raise

    def route(self, incident_id: str, unit_id: str) -> Route | None:
        """The way one unit would take to an incident; None when there is none."""
        field, row = self.field(incident_id), self.table.row_of.get(unit_id)
        if field is None or row is None:
            return None
        points = self.table.points.take(np.array([row]))
        which = int(field.etas_ms(points)[1][0])
        return None if which < 0 else field.route(int(points.edge[0, which]), int(points.fraction[0, which]))

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
    def _now(self) -> View:
        if self._view is None:
            raise RuntimeError("update() with a view comes first")
        return self._view

    def _front(self, profile: str) -> _Front:
        """A profile's front, brought up to the hour, the closures and the traffic of the last view."""
        closed = self._closed(profile)
        front = self._fronts.get(profile)
        timeless = front.timeless if front is not None else self.profile(profile).timeless
        # (before the first view all hours are alike)
        now = self._view
        hour = None if timeless or now is None else hour_of(now.as_of_ms, self.network.area.timezone)
        if front is None:
            metric = Metric(weigh(self.network, self.profile(profile), hour=hour))
            front = self._fronts[profile] = _Front(frozenset(), metric, Probe(metric), [], timeless)
        before = front.metric.weights
        if front.closed == closed and front.traffic is self._traffic and before.hour == hour:
            return front
        bare = before if before.hour == hour else weigh(self.network, before.profile, hour=hour)
        if front.traffic is not self._traffic or before.hour != hour:
            front.traffic = self._traffic
            front.slowed = drive_ms(front.traffic, self.network, before.profile, hour) if front.traffic else None
        front.closed = closed
        weights = bare.under([self._edges[closure_id] for closure_id in sorted(closed)], *(front.slowed or ()))
        changed = front.metric.adopt(weights)
        elsewhere = (weights.edge_ms != before.edge_ms) | (weights.shut != before.shut)
        for stand in self._stands.values():
            if stand is None or stand.place[2] != profile:
                continue
            stand.field = stand.copy = None
            waived = self._waived(stand.target)
            near = stand.seeds.approach is not None or elsewhere[list(stand.target.edges)].any()
            if waived != stand.waived or near:
                stand.waived = waived
                stand.seeds = Seeds.of(weights, stand.target, self._enterable(stand.target, profile))
                stand.block.put(stand.lane, stand.seeds.edge, stand.seeds.ms)
        for block in front.blocks:
            block.follow(changed)
        return front

    def _stand(self, incident_id: str) -> _Stand | None:
        incident = self._now.incidents[incident_id]
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
            seeds = Seeds.of(front.metric.weights, target, self._enterable(target, incident.profile))
            if stand is None or stand.place[2] != incident.profile:
                self._let_go(incident_id)
                block, lane = self._room(front)
            else:
                block, lane = stand.block, stand.lane
            stand = self._stands[incident_id] = _Stand(place, target, self._waived(target), seeds, block, lane)
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

    def _enterable(self, target: Target, profile: str) -> Edges:
        """Closed edges that lead to a target within a closure, and that no other closure shuts."""
        waived = self._waived(target)
        inside = [self._edges[closure_id] for closure_id in sorted(waived)]
        others = [self._edges[closure_id] for closure_id in self._closed(profile) - waived]
        nothing = np.zeros(0, np.int32)
        return np.setdiff1d(np.concatenate([nothing, *inside]), np.concatenate([nothing, *others]))

    def _closed(self, profile: str) -> frozenset[str]:
        """Closures in the last view that hold for a profile."""
        passes = self.profile(profile).access.routine_closures
        return frozenset(
            closure_id for closure_id, added in self._added.items() if added.applies_to == "all" or not passes
        )

    def _waived(self, target: Target) -> frozenset[str]:
        """Closures in which a place lies."""
        return frozenset(
            closure_id
            for closure_id, edges in self._edges.items()
            if np.isin(target.nearest_edges, edges).any() or self._covers(closure_id, target.lon, target.lat)
        )

    def _covers(self, closure_id: str, lon: float, lat: float) -> bool:
        geometry = self._shapes[closure_id]
        if geometry is None or not geometry.geom_type.endswith("Polygon"):
            return False
        return bool(shapely.contains_xy(geometry, lon, lat))


def closure_shape_and_edges(network: RoadNetwork, added: ClosureAdded) -> tuple[shapely.Geometry | None, Edges]:
    """The closure's geometry (None when it names edges) and the directed edges it closes, both directions."""
    if "edges" in added.geometry:
        named = np.asarray(added.geometry["edges"], np.int32)
        return None, network.with_twins(named[(named >= 0) & (named < network.edges)])
    geometry = shape(added.geometry)
    return geometry, closed_edges(network, geometry, added.buffer_m)
