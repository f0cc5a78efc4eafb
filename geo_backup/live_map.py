"""LiveMap, the current truth, and `apply`, the only function that changes it.

The live map is a fold: start empty, apply each event of the log in order. Nothing here reads a clock, a file or the
network; equal logs give equal maps. What `apply` will not accept it ignores with a reason and leaves untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args

from geo_backup.events import (
    AssignmentChanged,
    AssignmentState,
    BackupRecommended,
    BackupRequested,
    ClosureAdded,
    ClosureLifted,
    Event,
    Fix,
    IncidentChanged,
    IncidentClosed,
    IncidentOpened,
    Need,
    NetworkAdopted,
    PositionReported,
    RulesAdopted,
    Source,
    SpeedsAdopted,
    UnitRegistered,
    UnitRetired,
    UnitStatus,
    UnitStatusChanged,
    speeds_id,
)
from geo_backup.geodesy import distance_m
from geo_backup.rules import FreshnessRules, Rules

CLOSED_INCIDENTS_KEPT = 1_000
"""Closed incidents that can still be read from the live map; all of them stay in the log."""

HISTORY_KEPT = 32
PARKED_WITHIN_M = 25.0

OPEN_STATES = ("assigned", "acknowledged", "en_route", "on_scene")


@dataclass(slots=True)
class Unit:
    """One unit of the fleet. `fixes` are its last accepted ones, oldest first."""

    unit_id: str
    callsign: str
    agency: str
    kind: str
    capabilities: tuple[str, ...] = ()
    home: tuple[float, float] | None = None
    source: Source = "live"
    status: UnitStatus = "available"
    status_ms: int = 0
    incident_id: str | None = None
    fixes: tuple[Fix, ...] = ()
    order_ms: int = 0
    """min(fix time, reception) of the last accepted fix: what a later fix must exceed, and what its age counts from."""
    held: tuple[Fix, ...] = ()
    """Fixes that would be a jump, waiting for others to bear them out."""
    parked: bool = False
    slow_since_ms: int | None = None
    device_id: str = ""
    pinned_by: tuple[str, ...] = ()
    """Open incidents whose place is wherever this unit is."""

    @property
    def fix(self) -> Fix | None:
        """The fix the unit is shown at."""
        return self.fixes[-1] if self.fixes else None


@dataclass(slots=True)
class Assignment:
    """One unit's part in one incident; `history` holds (state, at_ms, said_by), oldest first."""

    unit_id: str
    state: AssignmentState
    at_ms: int
    said_by: str
    reason: str = ""
    history: tuple[tuple[str, int, str], ...] = ()


@dataclass(slots=True)
class Incident:
    """A place where help is needed, and who is sent there."""

    incident_id: str
    lon: float
    lat: float
    priority: int
    kind: str
    note: str
    profile: str
    for_unit_id: str | None
    pinned: bool
    exercise: bool
    off_road_m: float
    opened_ms: int
    opened: IncidentOpened
    closed_ms: int | None = None
    requirement: tuple[Need, ...] = ()
    assignments: dict[str, Assignment] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return self.closed_ms is None


@dataclass(slots=True)
class Closure:
    """Closed roads; in force from `valid_from_ms` (or at once) to `valid_to_ms` (or until lifted)."""

    closure_id: str
    added: ClosureAdded

    def in_force(self, now_ms: int) -> bool:
        added = self.added
        return (added.valid_from_ms is None or added.valid_from_ms <= now_ms) and (
            added.valid_to_ms is None or now_ms < added.valid_to_ms
        )


@dataclass(slots=True)
class LiveMap:
    """All that is true at log position `seq`."""

    seq: int = 0
    units: dict[str, Unit] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    closures: dict[str, Closure] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    network_id: str = ""
    speeds: SpeedsAdopted | None = None
    """Measured speeds that hold; None = none."""

    def open_incidents(self) -> list[Incident]:
        """In the order in which they were opened."""
        return [incident for incident in self.incidents.values() if incident.open]

    def closures_turn_ms(self, now_ms: int) -> int | None:
        """When, after now, a closure next begins or ends by itself; None when none will."""
        times = (t for c in self.closures.values() for t in (c.added.valid_from_ms, c.added.valid_to_ms))
        return min((t for t in times if t is not None and t > now_ms), default=None)


@dataclass(frozen=True, slots=True)
class Delta:
    """Ids of what an event touched, or the reason why it touched nothing.

    `positions` are units that moved; `units` those of which anything else changed; `speeds` are those of all roads.
    """

    units: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()
    closures: tuple[str, ...] = ()
    speeds: bool = False
    ignored: str | None = None


NOTHING = Delta()


def apply(live_map: LiveMap, seq: int, event: Event) -> Delta:
    """Fold one event into the map and say what changed.

    A handler checks first and writes last, so an event that is refused (or breaks a rule: `fault`) leaves the map as
    it was, the same on every node.
    """
    handler = _HANDLERS.get(type(event))
    try:
        delta = Delta(ignored="unknown_kind") if handler is None else handler(live_map, event)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        delta = Delta(ignored="fault")
    live_map.seq = seq
    return delta


def freshness(age_ms: int, parked: bool, rules: FreshnessRules) -> str:
    """live, delayed, stale or lost: how far a position of this age can be trusted."""
    if age_ms <= (rules.live_parked_ms if parked else rules.live_moving_ms):
        return "live"
    if age_ms <= (rules.delayed_parked_ms if parked else rules.delayed_moving_ms):
        return "delayed"
    if age_ms <= (rules.stale_parked_ms if parked else rules.stale_moving_ms):
        return "stale"
    return "lost"


# ---- positions


def _position(live_map: LiveMap, event: PositionReported) -> Delta:
    unit = live_map.units.get(event.unit_id)
    if unit is None:
        return Delta(ignored="unknown_unit")
    rules, fix = live_map.rules.fix, event.fix
    if fix.fix_ms > event.received_ms + rules.future_ms:
        return Delta(ignored="future")
    if fix in unit.fixes or fix in unit.held:
        return Delta(ignored="duplicate")
    # a clock a little ahead must not make the next good fixes late: order by the earlier of the two times
    order_ms = min(fix.fix_ms, event.received_ms)
    last = unit.fix
    # (what a device ahead of the time sends in one batch shares its reception, and is ordered by the fixes themselves)
    if last is not None and (order_ms, fix.fix_ms) <= (unit.order_ms, last.fix_ms):
        return Delta(ignored="older_fix")
    if fix.accuracy_m is not None and fix.accuracy_m > rules.accuracy_max_m:
        return Delta(ignored="inaccurate")
    waited_ms = order_ms - unit.order_ms
    # a clock that was ahead and is set right must not look like a leap: the longer of the two spans counts
    if (
        last is not None
        and _speed_between_mps(last, fix, waited_ms) > rules.jump_mps
        and waited_ms < rules.jump_hold_ms
    ):
        held = unit.held
        if held and fix.fix_ms <= held[-1].fix_ms:
            return Delta(ignored="jump")  # late or again: says nothing about the ones after it
        if held and _speed_between_mps(held[-1], fix) > rules.jump_mps:
            held = ()  # not borne out by the one before: begin again
        if len(held) + 1 < rules.jump_fixes:
            unit.held = (*held, fix)
            return Delta(ignored="jump")
    unit.held = ()
    moved_m = float(distance_m(last.lon, last.lat, fix.lon, fix.lat)) if last is not None else float("inf")
    if fix.speed_mps is not None:
        unit.parked = fix.speed_mps < live_map.rules.freshness.parked_below_mps
    else:
        unit.parked = moved_m < PARKED_WITHIN_M
    unit.fixes = (*unit.fixes[1 - rules.kept :], fix) if rules.kept > 1 else (fix,)
    unit.order_ms = order_ms
    unit.device_id = event.device_id
    incidents = _arrival(live_map, unit, fix, order_ms, moved_m)
    units = (unit.unit_id,) if incidents else ()
    for incident_id in unit.pinned_by:
        incident = live_map.incidents[incident_id]
        incident.lon, incident.lat = fix.lon, fix.lat
        incidents = (*incidents, incident_id)
    return Delta(positions=(unit.unit_id,), incidents=incidents, units=units)


def _speed_between_mps(earlier: Fix, later: Fix, at_least_ms: int = 0) -> float:
    seconds = max(later.fix_ms - earlier.fix_ms, at_least_ms, 1_000) / 1000.0
    return float(distance_m(earlier.lon, earlier.lat, later.lon, later.lat)) / seconds


def _arrival(live_map: LiveMap, unit: Unit, fix: Fix, order_ms: int, moved_m: float) -> tuple[str, ...]:
    """Mark an assigned unit on scene once it has been slow within the scene's radius for long enough."""
    incident = live_map.incidents.get(unit.incident_id) if unit.incident_id is not None else None
    if incident is None:
        unit.slow_since_ms = None
        return ()
    rules = live_map.rules.arrival
    assignment = incident.assignments[unit.unit_id]
    near = distance_m(fix.lon, fix.lat, incident.lon, incident.lat) <= rules.radius_m + incident.off_road_m
    slow = fix.speed_mps < rules.speed_below_mps if fix.speed_mps is not None else moved_m < PARKED_WITHIN_M
    if not (near and slow) or assignment.state == "on_scene":
        unit.slow_since_ms = None
        return ()
    if unit.slow_since_ms is None:
        unit.slow_since_ms = order_ms
    if order_ms - unit.slow_since_ms < rules.for_ms:
        return ()
    _enter(assignment, "on_scene", order_ms, "avl")
    unit.status, unit.status_ms, unit.slow_since_ms = "on_scene", order_ms, None
    return (incident.incident_id,)


# ---- units


def _registered(live_map: LiveMap, event: UnitRegistered) -> Delta:
    unit = live_map.units.get(event.unit_id)
    if unit is None:
        if len(live_map.units) >= live_map.rules.limit.units:
            return Delta(ignored="too_many_units")
        live_map.units[event.unit_id] = Unit(
            event.unit_id,
            event.callsign,
            event.agency,
            event.kind,
            event.capabilities,
            event.home,
            event.source,
            status_ms=event.received_ms,
            pinned_by=tuple(
                incident.incident_id
                for incident in live_map.open_incidents()
                if incident.pinned and incident.for_unit_id == event.unit_id
            ),
        )
    else:
        unit.callsign, unit.agency, unit.kind = event.callsign, event.agency, event.kind
        unit.capabilities, unit.home, unit.source = event.capabilities, event.home, event.source
    return Delta(units=(event.unit_id,))


def _status(live_map: LiveMap, event: UnitStatusChanged) -> Delta:
    unit = live_map.units.get(event.unit_id)
    if unit is None:
        return Delta(ignored="unknown_unit")
    if event.at_ms < unit.status_ms:
        return Delta(ignored="older_status")
    if event.status not in get_args(UnitStatus):
        return Delta(ignored="unknown_status")
    unit.status, unit.status_ms = event.status, event.at_ms
    if unit.incident_id is None:
        return Delta(units=(unit.unit_id,))
    incident = live_map.incidents[unit.incident_id]
    if event.status in ("en_route", "on_scene"):
        _enter(incident.assignments[unit.unit_id], event.status, event.at_ms, event.said_by)
    elif event.status in ("available", "on_station", "returning", "out_of_service"):
        _release(live_map, incident, unit.unit_id, "cleared", event.at_ms, event.said_by)
        unit.status = event.status
    return Delta(units=(unit.unit_id,), incidents=(incident.incident_id,))


def _retired(live_map: LiveMap, event: UnitRetired) -> Delta:
    unit = live_map.units.get(event.unit_id)
    if unit is None:
        return Delta(ignored="unknown_unit")
    touched: tuple[str, ...] = ()
    if unit.incident_id is not None:
        touched = (unit.incident_id,)
        _release(
            live_map, live_map.incidents[unit.incident_id], unit.unit_id, "cancelled", event.received_ms, event.said_by
        )
    del live_map.units[event.unit_id]
    return Delta(units=(event.unit_id,), positions=(event.unit_id,), incidents=touched)


# ---- incidents and assignments


def _opened(live_map: LiveMap, event: IncidentOpened) -> Delta:
    standing = live_map.incidents.get(event.incident_id)
    if standing is not None:
        return Delta(ignored="id_taken")
    if len(live_map.open_incidents()) >= live_map.rules.limit.open_incidents:
        return Delta(ignored="too_many_incidents")
    live_map.incidents[event.incident_id] = Incident(
        event.incident_id,
        event.lon,
        event.lat,
        event.priority,
        event.kind,
        event.note,
        event.profile,
        event.for_unit_id,
        event.pinned,
        event.exercise,
        event.off_road_m,
        event.received_ms,
        event,
    )
    _pin(live_map, live_map.incidents[event.incident_id])
    return Delta(incidents=(event.incident_id,))


def _changed(live_map: LiveMap, event: IncidentChanged) -> Delta:
    incident = live_map.incidents.get(event.incident_id)
    refusal = _refusal(incident)
    if incident is None or refusal:
        return Delta(ignored=refusal)
    for name in ("lon", "lat", "priority", "kind", "note", "profile", "pinned", "off_road_m"):
        value = getattr(event, name)
        if value is not None:
            setattr(incident, name, value)
    _pin(live_map, incident)
    return Delta(incidents=(event.incident_id,))


def _closed(live_map: LiveMap, event: IncidentClosed) -> Delta:
    incident = live_map.incidents.get(event.incident_id)
    refusal = _refusal(incident)
    if incident is None or refusal:
        return Delta(ignored=refusal)
    released = tuple(unit_id for unit_id, part in incident.assignments.items() if part.state in OPEN_STATES)
    for unit_id in released:
        _release(live_map, incident, unit_id, "cleared", event.received_ms, event.said_by)
    incident.closed_ms = event.received_ms
    _pin(live_map, incident)
    over = [i.incident_id for i in live_map.incidents.values() if not i.open][:-CLOSED_INCIDENTS_KEPT]
    for incident_id in over:
        del live_map.incidents[incident_id]
    return Delta(incidents=(event.incident_id,), units=released)


def _requested(live_map: LiveMap, event: BackupRequested) -> Delta:
    incident = live_map.incidents.get(event.incident_id)
    refusal = _refusal(incident)
    if incident is None or refusal:
        return Delta(ignored=refusal)
    incident.requirement = event.requirement
    return Delta(incidents=(event.incident_id,))


def _assignment(live_map: LiveMap, event: AssignmentChanged) -> Delta:
    incident = live_map.incidents.get(event.incident_id)
    refusal = _refusal(incident)
    if incident is None or refusal:
        return Delta(ignored=refusal)
    unit = live_map.units.get(event.unit_id)
    if unit is None:
        return Delta(ignored="unknown_unit")
    if event.state not in get_args(AssignmentState):
        return Delta(ignored="unknown_state")
    here = unit.incident_id == event.incident_id
    if event.state != "assigned" and not here:
        return Delta(ignored="not_assigned")
    if event.state == "assigned":
        if here:
            return Delta(ignored="already_here")
        if unit.unit_id == incident.for_unit_id:
            return Delta(ignored="requester")
        if unit.incident_id is not None and not event.preempt:
            return Delta(ignored="assigned_elsewhere")
        replaced = live_map.units.get(event.replaces) if event.replaces is not None else None
        if event.replaces is not None and (replaced is None or replaced.incident_id != event.incident_id):
            return Delta(ignored="replaces_nobody")
        units, incidents = {unit.unit_id}, {event.incident_id}
        if unit.incident_id is not None:
            incidents.add(unit.incident_id)
            _release(
                live_map,
                live_map.incidents[unit.incident_id],
                unit.unit_id,
                "cancelled",
                event.at_ms,
                event.said_by,
                "pre-empted",
            )
        if replaced is not None:
            units.add(replaced.unit_id)
            _release(live_map, incident, replaced.unit_id, "cancelled", event.at_ms, event.said_by, "replaced")
        before = incident.assignments.get(unit.unit_id)
        part = Assignment(
            unit.unit_id, "assigned", event.at_ms, event.said_by, event.reason, before.history if before else ()
        )
        _enter(part, "assigned", event.at_ms, event.said_by)
        incident.assignments[unit.unit_id] = part
        unit.incident_id, unit.slow_since_ms = event.incident_id, None
        return Delta(units=tuple(sorted(units)), incidents=tuple(sorted(incidents)))
    if event.state in ("cleared", "cancelled"):
        _release(live_map, incident, unit.unit_id, event.state, event.at_ms, event.said_by, event.reason)
    else:
        _enter(incident.assignments[unit.unit_id], event.state, event.at_ms, event.said_by)
        if event.state in ("en_route", "on_scene"):
            unit.status, unit.status_ms = ("en_route" if event.state == "en_route" else "on_scene"), event.at_ms
    return Delta(units=(unit.unit_id,), incidents=(event.incident_id,))


def _pin(live_map: LiveMap, incident: Incident) -> None:
    """Keep the officer's `pinned_by` in step with the incident."""
    unit = live_map.units.get(incident.for_unit_id) if incident.for_unit_id is not None else None
    if unit is None:
        return
    others = tuple(incident_id for incident_id in unit.pinned_by if incident_id != incident.incident_id)
    unit.pinned_by = (*others, incident.incident_id) if incident.pinned and incident.open else others


def _refusal(incident: Incident | None) -> str | None:
    if incident is None:
        return "unknown_incident"
    return None if incident.open else "incident_closed"


def _enter(part: Assignment, state: AssignmentState, at_ms: int, said_by: str) -> None:
    part.state, part.at_ms, part.said_by = state, at_ms, said_by
    part.history = (*part.history[1 - HISTORY_KEPT :], (state, at_ms, said_by))


def _release(
    live_map: LiveMap,
    incident: Incident,
    unit_id: str,
    state: AssignmentState,
    at_ms: int,
    said_by: str,
    reason: str = "",
) -> None:
    """End a unit's part in an incident; one that was on its way or there is available again."""
    part, unit = incident.assignments[unit_id], live_map.units[unit_id]
    _enter(part, state, at_ms, said_by)
    part.reason = reason or part.reason
    unit.incident_id, unit.slow_since_ms = None, None
    if unit.status in ("en_route", "on_scene"):
        unit.status, unit.status_ms = "available", at_ms


# ---- closures, network, rules


def _closure_added(live_map: LiveMap, event: ClosureAdded) -> Delta:
    if event.closure_id in live_map.closures:
        return Delta(ignored="id_taken")
    if len(live_map.closures) >= live_map.rules.limit.closures:
        return Delta(ignored="too_many_closures")
    live_map.closures[event.closure_id] = Closure(event.closure_id, event)
    return Delta(closures=(event.closure_id,))


def _closure_lifted(live_map: LiveMap, event: ClosureLifted) -> Delta:
    if live_map.closures.pop(event.closure_id, None) is None:
        return Delta(ignored="unknown_closure")
    return Delta(closures=(event.closure_id,))


def _network(live_map: LiveMap, event: NetworkAdopted) -> Delta:
    live_map.network_id = event.network_id
    return NOTHING


def _speeds(live_map: LiveMap, event: SpeedsAdopted) -> Delta:
    if event.speeds_id != speeds_id(event.packed):
        return Delta(ignored="bad_speeds")
    if event.speeds_id == (live_map.speeds.speeds_id if live_map.speeds else ""):
        return Delta(ignored="same_speeds")
    live_map.speeds = event if event.packed else None
    return Delta(speeds=True)


def _rules(live_map: LiveMap, event: RulesAdopted) -> Delta:
    groups = {f.name: getattr(Rules(), f.name) for f in fields(Rules)}
    for name, changes in event.rules.items():
        if name not in groups:
            return Delta(ignored="unknown_rule")
        exact: dict[str, int | float] = {}
        for rule, value in changes.items():
            default = getattr(groups[name], rule, None)
            if default is None:
                return Delta(ignored="unknown_rule")
            # a rule of the wrong type would make every later event a fault
            if type(value) not in (int, type(default)) or not 0 <= value < float("inf"):
                return Delta(ignored="bad_rule")
            exact[rule] = type(default)(value)
        groups[name] = replace(groups[name], **exact)
    live_map.rules = Rules(**groups)
    return NOTHING


def _recommended(live_map: LiveMap, event: BackupRecommended) -> Delta:
    return NOTHING


_HANDLERS: dict[type[Event], Callable[[LiveMap, Any], Delta]] = {
    PositionReported: _position,
    UnitRegistered: _registered,
    UnitStatusChanged: _status,
    UnitRetired: _retired,
    IncidentOpened: _opened,
    IncidentChanged: _changed,
    IncidentClosed: _closed,
    BackupRequested: _requested,
    BackupRecommended: _recommended,
    AssignmentChanged: _assignment,
    ClosureAdded: _closure_added,
    ClosureLifted: _closure_lifted,
    NetworkAdopted: _network,
    SpeedsAdopted: _speeds,
    RulesAdopted: _rules,
}
