"""Units: registered, staffed, of another status, retired."""

from __future__ import annotations

from typing import get_args

from geo_backup.events import (
    CrewReported,
    PositionReported,
    UnitRegistered,
    UnitRetired,
    UnitStatus,
    UnitStatusChanged,
    WordSet,
)
from geo_backup.live_map import turnout
from geo_backup.live_map.incidents import enter, release
from geo_backup.live_map.state import OPEN_STATES, Delta, LiveMap, Unit


def refuse_unknown(
    live_map: LiveMap, event: PositionReported | UnitStatusChanged | CrewReported | WordSet | UnitRetired
) -> str | None:
    return None if event.unit_id in live_map.units else "unknown_unit"


def refuse_registration(live_map: LiveMap, event: UnitRegistered) -> str | None:
    known = event.unit_id in live_map.units
    return None if known or len(live_map.units) < live_map.rules.limit.units else "too_many_units"


def registered(live_map: LiveMap, event: UnitRegistered) -> Delta:
    unit = live_map.units.get(event.unit_id)
    if unit is None:
        live_map.units[event.unit_id] = new(live_map, event)
        live_map.hidden += event.hidden
    else:
        if (event.kind, event.source) != (unit.kind, unit.source):
            unit.turnouts = ()
        unit.callsign, unit.agency, unit.kind = event.callsign, event.agency, event.kind
        unit.capabilities, unit.home, unit.source = event.capabilities, event.home, event.source
        live_map.hidden += event.hidden - unit.hidden
        unit.hidden = event.hidden
    return Delta(units=(event.unit_id,))


def new(live_map: LiveMap, event: UnitRegistered) -> Unit:
    """The unit as it is when it is first registered."""
    return Unit(
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
        emergency_id=_emergency_of(live_map, event.unit_id),
        hidden=event.hidden,
    )


def _emergency_of(live_map: LiveMap, unit_id: str) -> str | None:
    """The emergency that was opened before its unit was registered."""
    for incident in live_map.open_incidents():
        mine = incident.for_unit_id == unit_id and not incident.exercise
        if mine and incident.emergency is not None and incident.emergency.stands:
            return incident.incident_id
    return None


def refuse_status(live_map: LiveMap, event: UnitStatusChanged) -> str | None:
    unit = live_map.units.get(event.unit_id)
    if unit is None:
        return "unknown_unit"
    if event.at_ms < unit.status_ms:
        return "older_status"
    return None if event.status in get_args(UnitStatus) else "unknown_status"


def status(live_map: LiveMap, event: UnitStatusChanged) -> Delta:
    unit = live_map.units[event.unit_id]
    unit.status, unit.status_ms = event.status, event.at_ms
    if unit.incident_id is None:
        return Delta(units=(unit.unit_id,))
    incident = live_map.incidents[unit.incident_id]
    if event.status in ("en_route", "on_scene"):
        part = incident.assignments[unit.unit_id]
        enter(part, event.status, event.at_ms, event.said_by)
        turnout.rolls(live_map, unit, part, event.at_ms)
    elif event.status in ("available", "on_station", "returning", "out_of_service"):
        release(live_map, incident, unit.unit_id, "cleared", event.at_ms, event.said_by)
        unit.status = event.status
    return Delta(units=(unit.unit_id,), incidents=(incident.incident_id,))


def crew(live_map: LiveMap, event: CrewReported) -> Delta:
    unit = live_map.units[event.unit_id]
    if event.crew != unit.crew:
        unit.calls = 0
    unit.crew, unit.shift_ends_ms, unit.rest_until_ms = event.crew, event.shift_ends_ms, event.rest_until_ms
    return Delta(units=(event.unit_id,))


def word(live_map: LiveMap, event: WordSet) -> Delta:
    live_map.units[event.unit_id].word = (event.salt, event.digest)
    return Delta()


def refuse_retirement(live_map: LiveMap, event: UnitRetired) -> str | None:
    unit = live_map.units.get(event.unit_id)
    if unit is None:
        return "unknown_unit"
    return None if unit.emergency_id is None else "in_emergency"


def retired(live_map: LiveMap, event: UnitRetired) -> Delta:
    unit = live_map.units[event.unit_id]
    live_map.hidden -= unit.hidden
    touched: tuple[str, ...] = ()
    for drill in live_map.open_incidents():
        part = drill.assignments.get(unit.unit_id)
        if drill.apart and part is not None and part.state in OPEN_STATES:
            enter(part, "cancelled", event.received_ms, event.said_by)
            touched = (*touched, drill.incident_id)
    if unit.incident_id is not None:
        touched = (*touched, unit.incident_id)
        release(
            live_map, live_map.incidents[unit.incident_id], unit.unit_id, "cancelled", event.received_ms, event.said_by
        )
    for device_id in [one for one, device in live_map.devices.items() if device.unit_id == event.unit_id]:
        del live_map.devices[device_id]
    del live_map.units[event.unit_id]
    return Delta(units=(event.unit_id,), positions=(event.unit_id,), incidents=touched)
