"""Officers' emergencies: an incident of their own that follows the officer and does not end by itself."""

from __future__ import annotations

from geo_backup.events import (
    ANY,
    EmergencyAcknowledged,
    EmergencyCleared,
    EmergencyDeclared,
    IncidentOpened,
    Need,
)
from geo_backup.live_map.incidents import count, pin
from geo_backup.live_map.state import HISTORY_KEPT, Delta, Emergency, Incident, LiveMap

UNLISTED_AGENCY = "unknown"
"""Of an officer whose unit nobody registered: whose they are, nobody knows, so it is everybody's to see."""
UNLISTED_MAX = 500
"""So many emergencies of units that nobody registered may stand at once: anybody can make up more of them."""


def refuse_press(live_map: LiveMap, event: EmergencyDeclared) -> str | None:
    """Neither the limit of open incidents nor a missing position can refuse it."""
    listed = event.unit_id in live_map.units
    if not listed and not event.unlisted:
        return "unknown_unit"
    if _standing(live_map, event.unit_id, event.exercise) is not None:
        return None
    if event.emergency_id in live_map.incidents:
        return "id_taken"
    return "too_many_unlisted" if not listed and _unlisted(live_map) >= UNLISTED_MAX else None


def declared(live_map: LiveMap, event: EmergencyDeclared) -> Delta:
    """A press: a new emergency, or added to the one of this unit that stands."""
    unit = live_map.units.get(event.unit_id)
    agency = UNLISTED_AGENCY if unit is None else unit.agency
    standing = _standing(live_map, event.unit_id, event.exercise)
    if standing is not None and standing.emergency is not None:
        emergency = standing.emergency
        emergency.presses += 1
        emergency.verified |= event.verified
        emergency.sources = (*emergency.sources[1 - HISTORY_KEPT :], event.source)
        if event.received_ms - emergency.pressed_ms > live_map.rules.backup.emergency_again_ms:
            emergency.acknowledged = ()  # not the same press bouncing: sound again
        count(live_map, standing)
        emergency.pressed_ms = max(emergency.pressed_ms, event.received_ms)
        if (unit is None or unit.fix is None) and event.placed_by == "alert":
            standing.lon, standing.lat, emergency.placed_by = event.lon, event.lat, event.placed_by
        return Delta(incidents=(standing.incident_id,), units=() if unit is None else (event.unit_id,))
    opened = IncidentOpened(
        event_id=event.event_id,
        received_ms=event.received_ms,
        said_by=event.said_by,
        incident_id=event.emergency_id,
        lon=event.lon,
        lat=event.lat,
        priority=1,
        kind="officer emergency",
        for_unit_id=event.unit_id,
        pinned=True,
        exercise=event.exercise,
        off_road_m=event.off_road_m,
        agency=agency,
        apart=event.exercise,
    )
    incident = live_map.incidents[event.emergency_id] = Incident(
        event.emergency_id, event.lon, event.lat, 1, opened.kind, "", opened.profile, event.unit_id, True,
        event.exercise, event.off_road_m, event.received_ms, opened,
        requirement=(Need(ANY, max(1, live_map.rules.of(agency).backup.first_wave)),),
        mode="immediate",
        requested_ms=event.received_ms,
        request_id=event.event_id or f"request:{live_map.seq + 1}",
        agency=agency,
        apart=event.exercise,
        emergency=Emergency(event.placed_by, (event.source,), 1, event.received_ms, event.verified),
    )  # fmt: skip
    count(live_map, incident)
    pin(live_map, incident)
    if unit is not None and not event.exercise:
        unit.emergency_id = event.emergency_id
    return Delta(incidents=(event.emergency_id,), units=() if unit is None else (event.unit_id,))


def refuse_unless_standing(live_map: LiveMap, event: EmergencyAcknowledged | EmergencyCleared) -> str | None:
    incident = live_map.incidents.get(event.emergency_id)
    if incident is None or incident.emergency is None:
        return "unknown_emergency"
    return None if incident.emergency.stands else "emergency_over"


def acknowledged(live_map: LiveMap, event: EmergencyAcknowledged) -> Delta:
    emergency = _of(live_map, event.emergency_id)
    emergency.acknowledged = (*emergency.acknowledged[1 - HISTORY_KEPT :], (event.by, event.received_ms))
    count(live_map, live_map.incidents[event.emergency_id])
    return Delta(incidents=(event.emergency_id,))


def cleared(live_map: LiveMap, event: EmergencyCleared) -> Delta:
    emergency = _of(live_map, event.emergency_id)
    emergency.cleared_ms, emergency.cleared_by = event.received_ms, f"{event.by} {event.who}".strip()
    count(live_map, live_map.incidents[event.emergency_id])
    unit_id = live_map.incidents[event.emergency_id].for_unit_id
    unit = live_map.units.get(unit_id) if unit_id is not None else None
    if unit is not None and unit.emergency_id == event.emergency_id:
        unit.emergency_id = None
        return Delta(incidents=(event.emergency_id,), units=(unit.unit_id,))
    return Delta(incidents=(event.emergency_id,))


def _of(live_map: LiveMap, emergency_id: str) -> Emergency:
    """The emergency of an incident that has one."""
    emergency = live_map.incidents[emergency_id].emergency
    assert emergency is not None, "which its refusal has seen to"
    return emergency


def _unlisted(live_map: LiveMap) -> int:
    standing = (i for i in live_map.open_incidents() if i.emergency is not None and i.emergency.stands)
    return sum(incident.for_unit_id not in live_map.units for incident in standing)


def _standing(live_map: LiveMap, unit_id: str, exercise: bool) -> Incident | None:
    for incident in live_map.open_incidents():
        emergency = incident.emergency
        if incident.for_unit_id == unit_id and incident.exercise == exercise and emergency and emergency.stands:
            return incident
    return None
