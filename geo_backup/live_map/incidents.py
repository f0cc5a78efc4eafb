"""Incidents: opened, changed, asking for backup, with the units assigned to them, closed.

An exercise keeps its assignments to itself: no unit's status, incident or history knows of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from geo_backup.events import (
    AidApproved,
    AssignmentChanged,
    AssignmentState,
    BackupRequested,
    DecisionMade,
    IncidentChanged,
    IncidentClosed,
    IncidentNoted,
    IncidentOpened,
    IncidentReopened,
)
from geo_backup.live_map import turnout
from geo_backup.live_map.discipline import skills
from geo_backup.live_map.state import (
    CLOSED_INCIDENTS_KEPT,
    DECISIONS_KEPT,
    HISTORY_KEPT,
    NOTES_CHARS_KEPT,
    NOTES_KEPT,
    OPEN_STATES,
    Assignment,
    Delta,
    Edit,
    Incident,
    LiveMap,
    Note,
    Recommendation,
    Unit,
)

EDITED = ("lon", "lat", "priority", "kind", "note", "profile", "pinned", "level", "agency", "place", "callback")
"""What an `IncidentChanged` may give another value, and two may want to at once."""


def refuse_opening(live_map: LiveMap, event: IncidentOpened) -> str | None:
    if event.incident_id in live_map.incidents:
        return "id_taken"
    full = len(live_map.open_incidents()) >= live_map.rules.limit.open_incidents
    return "too_many_incidents" if full else None


def opened(live_map: LiveMap, event: IncidentOpened) -> Delta:
    incident = live_map.incidents[event.incident_id] = new(event)
    count(live_map, incident)
    pin(live_map, incident)
    return Delta(incidents=(event.incident_id,))


def count(live_map: LiveMap, incident: Incident) -> None:
    """Somebody made a fact about an incident: it has another version."""
    incident.version += live_map.generation >= 1


def new(event: IncidentOpened) -> Incident:
    """The incident as it is when it is opened."""
    return Incident(
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
        agency=event.agency,
        level=event.level,
        plan_id=event.plan_id,
        apart=event.apart,
        place=event.place,
        callback=event.callback,
    )


def refuse_unless_open(
    live_map: LiveMap,
    event: IncidentChanged | IncidentClosed | BackupRequested | AssignmentChanged | AidApproved | DecisionMade,
) -> str | None:
    incident = live_map.incidents.get(event.incident_id)
    if incident is None:
        return "unknown_incident"
    return None if incident.open else "incident_closed"


def refuse_change(live_map: LiveMap, event: IncidentChanged) -> str | None:
    reason = refuse_unless_open(live_map, event)
    if reason is not None or event.as_of_version is None:
        return reason
    incident = live_map.incidents[event.incident_id]
    if event.as_of_version > incident.version:
        return "unknown_version"
    return "changed_meanwhile" if overtaken(incident, event) else None


def overtaken(incident: Incident, event: IncidentChanged) -> tuple[str, ...]:
    """The fields that a change would give a value, and that somebody gave another one since the version that it was
    made on. Edits of different fields go well together."""
    since = incident.version if event.as_of_version is None else event.as_of_version
    return tuple(
        name
        for name in EDITED
        if (value := getattr(event, name)) is not None
        and name in incident.edits
        and incident.edits[name].version > since
        and getattr(incident, name) != value
    )


def changed(live_map: LiveMap, event: IncidentChanged) -> Delta:
    incident = live_map.incidents[event.incident_id]
    count(live_map, incident)
    edit, edits = Edit(incident.version, event.received_ms, event.said_by), dict(incident.edits)
    for name in (*EDITED, "off_road_m"):
        value = getattr(event, name)
        if value is not None:
            if name in EDITED and value != getattr(incident, name) and live_map.generation >= 1:
                edits[name] = edit
            setattr(incident, name, value)
    incident.edits = edits
    if event.lon is not None and incident.emergency is not None and live_map.generation >= 1:
        incident.emergency.placed_by = "desk"
    pin(live_map, incident)
    return Delta(incidents=(event.incident_id,))


def refuse_note(live_map: LiveMap, event: IncidentNoted) -> str | None:
    incident = live_map.incidents.get(event.incident_id)
    if incident is None:
        return "unknown_incident"
    return "id_taken" if any(note.note_id == event.note_id for note in incident.notes) else None


def noted(live_map: LiveMap, event: IncidentNoted) -> Delta:
    """Words are added, to a closed incident too: much is said afterwards."""
    incident = live_map.incidents[event.incident_id]
    notes = (*incident.notes, Note(event.note_id, event.received_ms, event.said_by, event.text))[-NOTES_KEPT:]
    while len(notes) > 1 and sum(len(note.text) for note in notes) > NOTES_CHARS_KEPT:
        notes = notes[1:]
    incident.notes = notes
    incident.notes_total += 1
    count(live_map, incident)
    return Delta(incidents=(event.incident_id,))


def refuse_closing(live_map: LiveMap, event: IncidentClosed) -> str | None:
    reason = refuse_unless_open(live_map, event)
    if reason is not None:
        return reason
    emergency = live_map.incidents[event.incident_id].emergency
    return "emergency_stands" if emergency is not None and emergency.stands else None


def closed(live_map: LiveMap, event: IncidentClosed) -> Delta:
    incident = live_map.incidents[event.incident_id]
    released = tuple(unit_id for unit_id, part in incident.assignments.items() if part.state in OPEN_STATES)
    for unit_id in released:
        release(live_map, incident, unit_id, "cleared", event.received_ms, event.said_by)
    incident.closed_ms = event.received_ms
    count(live_map, incident)
    pin(live_map, incident)
    forget_timers(live_map, event.incident_id)
    over = [i.incident_id for i in live_map.incidents.values() if not i.open][:-CLOSED_INCIDENTS_KEPT]
    for incident_id in over:
        del live_map.incidents[incident_id]
    return Delta(incidents=(event.incident_id,), units=released)


def forget_timers(live_map: LiveMap, incident_id: str, still: Collection[str] = ()) -> None:
    """Forget the timers of an incident that were raised, but for those that still run."""
    for timer_id in [
        name for name, one in live_map.timers.items() if one.incident_id == incident_id and not one.message_id
    ]:
        if timer_id not in still:
            del live_map.timers[timer_id]


def refuse_reopening(live_map: LiveMap, event: IncidentReopened) -> str | None:
    incident = live_map.incidents.get(event.incident_id)
    if incident is None:
        return "unknown_incident"
    if incident.open:
        return "incident_open"
    full = len(live_map.open_incidents()) >= live_map.rules.limit.open_incidents
    return "too_many_incidents" if full else None


def reopened(live_map: LiveMap, event: IncidentReopened) -> Delta:
    """It goes on as it was closed, but for its units, which have been free since."""
    incident = live_map.incidents[event.incident_id]
    incident.closed_ms = None
    incident.reopened += 1
    incident.reopened_ms = event.received_ms
    count(live_map, incident)
    pin(live_map, incident)
    return Delta(incidents=(event.incident_id,))


def requested(live_map: LiveMap, event: BackupRequested) -> Delta:
    incident = live_map.incidents[event.incident_id]
    incident.requirement = event.requirement
    count(live_map, incident)
    if event.anew:
        incident.anew_ms = event.received_ms
    if event.mode is not None:
        incident.mode, incident.several, incident.arrive_by_ms = event.mode, event.several, event.arrive_by_ms
        incident.run_card, incident.requested_ms, incident.request_id = (
            event.run_card, event.received_ms, event.event_id or f"request:{live_map.seq + 1}",
        )  # fmt: skip
    return Delta(incidents=(event.incident_id,))


def refuse_assignment(live_map: LiveMap, event: AssignmentChanged) -> str | None:
    reason = refuse_unless_open(live_map, event)
    if reason is not None:
        return reason
    incident, unit = live_map.incidents[event.incident_id], live_map.units.get(event.unit_id)
    if unit is None:
        return "unknown_unit"
    if event.state not in get_args(AssignmentState):
        return "unknown_state"
    here = _works(incident, event.unit_id)
    if event.state != "assigned":
        return None if here else "not_assigned"
    if here:
        return "already_here"
    if unit.unit_id == incident.for_unit_id:
        return "requester"
    if unit.emergency_id is not None and not incident.apart:
        return "in_emergency"
    if unit.incident_id is not None and not event.preempt and not incident.apart:
        return "assigned_elsewhere"
    return "replaces_nobody" if event.replaces is not None and not _works(incident, event.replaces) else None


def assignment(live_map: LiveMap, event: AssignmentChanged) -> Delta:
    """A unit is sent, comes further, or its part ends."""
    count(live_map, live_map.incidents[event.incident_id])
    if event.state == "assigned":
        return _assigned(live_map, event)
    incident, unit = live_map.incidents[event.incident_id], live_map.units[event.unit_id]
    if event.state in ("cleared", "cancelled"):
        release(live_map, incident, unit.unit_id, event.state, event.at_ms, event.said_by, event.reason)
    else:
        enter(incident.assignments[unit.unit_id], event.state, event.at_ms, event.said_by)
        if event.state in ("en_route", "on_scene"):
            turnout.rolls(live_map, unit, incident.assignments[unit.unit_id], event.at_ms)
        if event.state in ("en_route", "on_scene") and not incident.apart:
            unit.status, unit.status_ms = ("en_route" if event.state == "en_route" else "on_scene"), event.at_ms
    return Delta(units=(unit.unit_id,), incidents=(event.incident_id,))


def _assigned(live_map: LiveMap, event: AssignmentChanged) -> Delta:
    """A unit is sent: away from where it was, and perhaps in the place of another."""
    incident, unit = live_map.incidents[event.incident_id], live_map.units[event.unit_id]
    units, incidents = {unit.unit_id}, {event.incident_id}
    sent_in = turnout.teaches(live_map, incident, unit)
    if unit.incident_id is not None and not incident.apart:
        incidents.add(unit.incident_id)
        left = live_map.incidents[unit.incident_id]
        release(live_map, left, unit.unit_id, "cancelled", event.at_ms, event.said_by, "pre-empted")
    if event.replaces is not None:
        units.add(event.replaces)
        release(live_map, incident, event.replaces, "cancelled", event.at_ms, event.said_by, "replaced")
    before = incident.assignments.get(unit.unit_id)
    part = Assignment(
        unit.unit_id,
        "assigned",
        event.at_ms,
        event.said_by,
        event.reason,
        before.history if before else (),
        event.decision_id,
        promised_ms=None if event.eta_ms is None else event.at_ms + event.eta_ms,
        sent_in=sent_in,
    )
    enter(part, "assigned", event.at_ms, event.said_by)
    incident.assignments[unit.unit_id] = part
    if not incident.apart:
        unit.incident_id, unit.slow_since_ms = event.incident_id, None
        unit.calls += unit.crew is not None
    return Delta(units=tuple(sorted(units)), incidents=tuple(sorted(incidents)))


def refuse_decision(live_map: LiveMap, event: DecisionMade) -> str | None:
    reason = refuse_unless_open(live_map, event)
    return "duplicate" if reason is None and event.event_id in live_map.decisions else reason


def decided(live_map: LiveMap, event: DecisionMade) -> Delta:
    incident = live_map.incidents[event.incident_id]
    # a decision is folded at the position after the one the map stands at
    seq = live_map.seq + 1
    live_map.decisions[event.event_id] = seq
    if len(live_map.decisions) > DECISIONS_KEPT:
        del live_map.decisions[next(iter(live_map.decisions))]
    if event.request_id == incident.request_id:  # a late answer to an older request is on record, and no more
        incident.recommended = Recommendation(
            event.event_id,
            seq,
            event.as_of_ms,
            event.mode,
            event.first,
            event.chosen,
            event.proven,
            event.swaps,
            event.unmet,
            event.quick,
            event.at_once,
        )
        _remember(live_map, incident, event)
    return Delta(incidents=(event.incident_id,))


def _remember(live_map: LiveMap, incident: Incident, event: DecisionMade) -> None:
    """Keep of each unit on its way how near it has been, and what is offered in its place since when."""
    offers = {replaces: unit_id for unit_id, replaces, _ in event.swaps}
    for unit_id, left_ms in event.going:
        part = incident.assignments.get(unit_id)
        if part is None or part.state not in OPEN_STATES or event.as_of_ms < part.sent_ms:
            continue
        part.least_left_ms = left_ms if part.least_left_ms is None else min(part.least_left_ms, left_ms)
        if part.promised_ms is None and live_map.generation >= 2:
            part.promised_ms = event.as_of_ms + left_ms
        offered = offers.get(unit_id, "")
        if offered and offered != part.offered:
            part.offered_ms = event.as_of_ms
        part.offered = offered


def pin(live_map: LiveMap, incident: Incident) -> None:
    """Keep the officer's `pinned_by` in step with the incident."""
    unit = live_map.units.get(incident.for_unit_id) if incident.for_unit_id is not None else None
    if unit is None:
        return
    others = tuple(incident_id for incident_id in unit.pinned_by if incident_id != incident.incident_id)
    unit.pinned_by = (*others, incident.incident_id) if incident.pinned and incident.open else others


def _works(incident: Incident, unit_id: str) -> bool:
    """Whether a unit is on its way to an incident, or there."""
    part = incident.assignments.get(unit_id)
    return part is not None and part.state in OPEN_STATES


def _came(part: Assignment) -> bool:
    """Whether the unit has been on the scene since it was last sent."""
    for state, _, _ in reversed(part.history):
        if state in ("on_scene", "assigned"):
            return state == "on_scene"
    return False


def capabilities_of(unit: Unit) -> tuple[str, ...]:
    """What a vehicle and everybody aboard can do."""
    aboard = (name for member in unit.crew or () for name in member.capabilities)
    return unit.capabilities + tuple(name for name in aboard if name not in unit.capabilities)


def enter(part: Assignment, state: AssignmentState, at_ms: int, said_by: str) -> None:
    part.state, part.at_ms, part.said_by = state, at_ms, said_by
    part.history = (*part.history[1 - HISTORY_KEPT :], (state, at_ms, said_by))


def release(
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
    if live_map.generation >= 1 and state == "cleared" and _came(part):
        part.came_with = skills(capabilities_of(unit), unit.kind, unit.agency)
    enter(part, state, at_ms, said_by)
    part.reason = reason or part.reason
    if incident.apart:
        return
    unit.incident_id, unit.slow_since_ms = None, None
    if unit.status in ("en_route", "on_scene"):
        unit.status, unit.status_ms = "available", at_ms
