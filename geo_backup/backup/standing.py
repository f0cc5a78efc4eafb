"""Standing: one arrival field per open incident, kept right while units move, incidents move and roads close.

It belongs to one thread and knows the live map only by frozen views, so ranking never waits for the fold nor reads a
half-changed world. From equal views it gives equal rankings, whatever it held before: a repaired field equals a
rebuilt one to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import shape

from geo_backup.backup.ranking import IncidentRow, Ranking, UnitRow, UnitTable, rank
from geo_backup.errors import OutsideMapError
from geo_backup.events import ClosureAdded
from geo_backup.live_map import LiveMap
from geo_backup.roads.closures import closed_edges
from geo_backup.roads.field import ArrivalField, Route
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import PROFILES
from geo_backup.roads.snap import Target, snap_place, snap_units
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
    )


STALE = frozenset({""})
"""Closures of a stand that is to be looked at again: no closure has an empty id."""


@dataclass(slots=True)
class _Stand:
    place: tuple[float, float, str]
    waived: frozenset[str]
    closed: frozenset[str]
    field: ArrivalField | None


class Standing:
    """The fleet's table and the incidents' fields; see the module."""

    def __init__(self, network: RoadNetwork, rules: Rules | None = None) -> None:
        self.network = network
        self.table = UnitTable(network, rules or Rules())
        self._view: View | None = None
        self._added: dict[str, ClosureAdded] = {}
        """Content of each closure id that `_weights` may know, those no longer in force included."""
        self._edges: dict[str, Edges] = {}
        self._shapes: dict[str, shapely.Geometry | None] = {}
        self._weights: dict[tuple[str, frozenset[str]], Weights] = {}
        self._stands: dict[str, _Stand] = {}

    def update(self, view: View) -> None:
        """Take in what changed. Fields follow when they are next read."""
        if view.rules is not self.table.rules and view.rules != self.table.rules:
            rows = list(self.table.rows.values())
            self.table = UnitTable(self.network, view.rules)
            self.table.put(rows)
            self._stands.clear()  # horizon and snapping may be others
        self.table.put(view.units, view.gone)
        for closure_id in [known for known in self._edges if known not in view.closures]:
            del self._edges[closure_id], self._shapes[closure_id]
        for closure_id, added in view.closures.items():
            known = self._added.get(closure_id)
            if known is not None and known is not added and known != added:
                self._forget(closure_id)  # lifted and made again with the same id
            if closure_id not in self._edges:
                self._shapes[closure_id], self._edges[closure_id] = closure_shape_and_edges(self.network, added)
            self._added[closure_id] = added
        for incident_id in [known for known in self._stands if known not in view.incidents]:
            del self._stands[incident_id]
        self._view = view

    def is_open(self, incident_id: str) -> bool:
        """Whether the incident is open in the last view."""
        return incident_id in self._now.incidents

    def field(self, incident_id: str) -> ArrivalField | None:
        """The incident's field, right for the last view; None when the incident is on no road.

        Raises `KeyError` when the incident is not open in that view.
        """
        return self._stand(incident_id).field

    def rank(self, incident_id: str) -> Ranking:
        """Everybody's place in the queue for one incident, as of the last view. Raises `KeyError` as `field` does."""
        now = self._now
        stand = self._stand(incident_id)
        warnings = ("INCIDENT_IN_CLOSURE",) if stand.waived else ()
        if stand.field is None:
            warnings = (*warnings, "INCIDENT_OFF_MAP")
        elif not stand.field.target.on_main:
            warnings = (*warnings, "INCIDENT_OFF_MAIN_NETWORK")
        return rank(
            self.table,
            now.incidents[incident_id],
            stand.field,
            as_of_seq=now.seq,
            as_of_ms=now.as_of_ms,
            warnings=warnings,
        )

    def weights(self, profile: str, waived: frozenset[str] = frozenset()) -> Weights:
        """Weights of a profile with the closures in force, less the waived ones."""
        closed = frozenset(
            closure_id
            for closure_id, added in self._now.closures.items()
            if closure_id not in waived and (added.applies_to == "all" or profile == "routine")
        )
        return self._weigh(profile, closed)

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
        weights = self.weights(profile, self._waived(target))
        field = ArrivalField.build(weights, target, rules.limit.horizon_ms)
        places = np.array([[*start[:2], start[2] if len(start) > 2 else np.nan] for start in starts]).reshape(-1, 3)
        unknown = np.full(len(places), np.nan)
        points = snap_units(self.network, places[:, 0], places[:, 1], places[:, 2], unknown, rules.snap)
        eta_ms, which = field.etas_ms(points)
        beyond = field.reason()
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
            "weights_id": weights.weights_id,
        }

    def _forget(self, closure_id: str) -> None:
        """Nothing worked out from an earlier closure with this id holds."""
        self._edges.pop(closure_id, None)
        self._shapes.pop(closure_id, None)
        self._weights = {key: kept for key, kept in self._weights.items() if closure_id not in key[1]}
        for stand in self._stands.values():
            if closure_id in stand.closed:
                stand.closed = STALE

    @property
    def _now(self) -> View:
        if self._view is None:
            raise RuntimeError("update() with a view comes first")
        return self._view

    def _weigh(self, profile: str, closed: frozenset[str]) -> Weights:
        weights = self._weights.get((profile, closed))
        if weights is None:
            if len(self._weights) > 16:  # old closure sets are gone for good: keep the bare profiles
                self._weights = {key: kept for key, kept in self._weights.items() if not key[1]}
            if closed:
                edges = np.unique(np.concatenate([self._edges[closure_id] for closure_id in sorted(closed)]))
                weights = self._weigh(profile, frozenset()).with_closed(edges)
            else:
                weights = weigh(self.network, PROFILES[profile])
            self._weights[profile, closed] = weights
        return weights

    def _stand(self, incident_id: str) -> _Stand:
        now = self._now
        incident = now.incidents[incident_id]
        place = (incident.lon, incident.lat, incident.profile)
        stand = self._stands.get(incident_id)
        closures = frozenset(now.closures)
        if stand is not None and stand.place == place and stand.closed == closures:
            return stand
        rules = self.table.rules
        try:
            target = (
                stand.field.target
                if stand is not None and stand.field is not None and stand.place == place
                else snap_place(self.network, incident.lon, incident.lat, rules.snap)
            )
        except OutsideMapError:
            self._stands[incident_id] = _Stand(place, frozenset(), closures, None)
            return self._stands[incident_id]
        # help must get through to an incident inside a closed area: that closure does not hold for it
        waived = self._waived(target)
        weights = self.weights(incident.profile, waived)
        field: ArrivalField | None = None
        if stand is not None and stand.field is not None and stand.place == place:
            before = stand.field.weights
            if before is weights:
                field = stand.field
            else:
                changed = np.flatnonzero(before.edge_ms != weights.edge_ms).astype(np.int32)
                field = stand.field.repaired(weights, changed)
        if field is None:
            field = ArrivalField.build(weights, target, rules.limit.horizon_ms)
        self._stands[incident_id] = _Stand(place, waived, closures, field)
        return self._stands[incident_id]

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
        return None, np.unique(named[(named >= 0) & (named < network.edges)])
    geometry = shape(added.geometry)
    return geometry, closed_edges(network, geometry, added.buffer_m)
