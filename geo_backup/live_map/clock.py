"""A clock that was ahead and is set right: what it had stamped goes back with it."""

from __future__ import annotations

from geo_backup.events import ClockTurned
from geo_backup.live_map.state import Delta, LiveMap, Unit


def turned(live_map: LiveMap, event: ClockTurned) -> Delta:
    """Times that lie in the future now are moved by as much as the clock was.

    Newer fixes, statuses and presses are not older than what stands, and nobody is fresh for the hour to come. Times of
    devices that were right all the while do not lie in the future. Incidents keep the time of opening that was told.
    """
    now_ms, back_ms = event.received_ms, event.was_ms - event.received_ms
    if back_ms <= 0:
        return Delta()

    def right(time_ms: int) -> int:
        return time_ms - back_ms if time_ms > now_ms else time_ms

    units = tuple(unit.unit_id for unit in live_map.units.values() if _ahead(unit, now_ms))
    for unit_id in units:
        unit = live_map.units[unit_id]
        unit.fixes = tuple(fix._replace(fix_ms=right(fix.fix_ms)) for fix in unit.fixes)
        unit.held = ()
        unit.order_ms, unit.status_ms = right(unit.order_ms), right(unit.status_ms)
        unit.slow_since_ms = None if unit.slow_since_ms is None else right(unit.slow_since_ms)
    incidents = set[str]()
    for incident in live_map.open_incidents():
        incident.anew_ms = right(incident.anew_ms)
        incident.reopened_ms = right(incident.reopened_ms)
        for part in incident.assignments.values():
            if part.at_ms > now_ms:
                part.at_ms, incidents = right(part.at_ms), incidents | {incident.incident_id}
                part.history = tuple((state, right(at_ms), said_by) for state, at_ms, said_by in part.history)
        if incident.emergency is not None and incident.emergency.pressed_ms > now_ms:
            incident.emergency.pressed_ms = right(incident.emergency.pressed_ms)
            incidents.add(incident.incident_id)
    return Delta(units=units, positions=units, incidents=tuple(sorted(incidents)), desk=True)


def _ahead(unit: Unit, now_ms: int) -> bool:
    times = (unit.order_ms, unit.status_ms, unit.slow_since_ms or 0, *(fix.fix_ms for fix in unit.fixes))
    return max(times) > now_ms
