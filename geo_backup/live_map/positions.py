"""Positions: which fixes move a unit, and what follows from where it is (arrival, incidents pinned to it)."""

from __future__ import annotations

from functools import lru_cache

from geo_backup.events import Fix, PositionReported
from geo_backup.geodesy import distance_m
from geo_backup.live_map import devices, fences
from geo_backup.live_map.extent import null_island, off_map
from geo_backup.live_map.incidents import enter
from geo_backup.live_map.state import PARKED_WITHIN_M, Delta, LiveMap, Unit

KEPT_AT_FIRST = 4
"""Fixes of a unit in the first generations of the fold."""
DEGREE_MAX_M = 112_000.0
"""No degree is longer, of longitude or latitude."""


def position(live_map: LiveMap, event: PositionReported) -> Delta:
    """Move a unit, or say why this fix does not: a fact all the same, and a leap is kept until others bear it out."""
    unit, rules, fix = live_map.units[event.unit_id], live_map.rules.fix, event.fix
    reason = _moves_nothing(live_map, unit, event)
    if reason is not None:
        return Delta(ignored=reason)
    unit.held = ()
    last, order_ms = unit.fix, min(fix.fix_ms, event.received_ms)
    moved_m = float("inf")
    if fix.speed_mps is not None:
        unit.parked = fix.speed_mps < live_map.rules.of_kind(unit.kind).freshness.parked_below_mps
    else:
        if last is not None:
            moved_m = float(distance_m(last.lon, last.lat, fix.lon, fix.lat))
        unit.parked = moved_m < PARKED_WITHIN_M
    kept = rules.kept if live_map.generation >= 2 else min(rules.kept, KEPT_AT_FIRST)
    unit.fixes = (*unit.fixes[1 - kept :], fix) if kept > 1 else (fix,)
    unit.order_ms = order_ms
    shown_by, unit.device_id = unit.device_id, event.device_id
    incidents = _arrival(live_map, unit, fix, order_ms, moved_m)
    was_off_map, unit.off_map = unit.off_map, off_map(live_map.extent, fix.lon, fix.lat)
    crossed = live_map.generation >= 2 and fences.cross(live_map, unit, fix, event.received_ms)
    changed = incidents or crossed or unit.off_map != was_off_map
    if live_map.generation >= 4:
        changed = changed or shown_by != event.device_id
    units = (unit.unit_id,) if changed else ()
    for incident_id in unit.pinned_by:
        incident = live_map.incidents[incident_id]
        incident.lon, incident.lat = fix.lon, fix.lat
        if incident.emergency is not None and live_map.generation >= 1:
            incident.emergency.placed_by = "fix"
        incidents = (*incidents, incident_id)
    return Delta(units, (unit.unit_id,), incidents) if units or incidents else _moved(unit.unit_id)


@lru_cache(16_384)  # what nearly all fixes do: the last thousands of deltas are kept, and say the same again and again
def _moved(unit_id: str) -> Delta:
    return Delta(positions=(unit_id,))


def _moves_nothing(live_map: LiveMap, unit: Unit, event: PositionReported) -> str | None:
    """Why a fix does not move its unit. One that would be a leap is held."""
    rules, fix = live_map.rules.fix, event.fix
    if null_island(live_map.extent, fix.lon, fix.lat):
        return "null_island"
    if fix.fix_ms > event.received_ms + rules.future_ms:
        return "future"
    if fix in unit.fixes or fix in unit.held:
        return "duplicate"
    # a clock a little ahead must not make the next good fixes late: order by the earlier of the two times
    order_ms = min(fix.fix_ms, event.received_ms)
    last = unit.fix
    # (what a device ahead of the time sends in one batch shares its reception, and is ordered by the fixes themselves)
    if last is not None and (order_ms, fix.fix_ms) <= (unit.order_ms, last.fix_ms):
        return "older_fix"
    if fix.accuracy_m is not None and fix.accuracy_m > rules.accuracy_max_m:
        return "inaccurate"
    if live_map.generation >= 4 and devices.is_another(live_map, unit, event, order_ms):
        return "other_device"
    waited_ms = order_ms - unit.order_ms
    # a clock that was ahead and is set right must not look like a leap: the longer of the two spans counts
    if last is not None and waited_ms < rules.jump_hold_ms and _leaps(last, fix, rules.jump_mps, waited_ms):
        held = unit.held
        if held and fix.fix_ms <= held[-1].fix_ms:
            return "jump"  # late or again: says nothing about the ones after it
        if held and _leaps(held[-1], fix, rules.jump_mps):
            held = ()  # not borne out by the one before: begin again
        if len(held) + 1 < rules.jump_fixes:
            unit.held = (*held, fix)
            return "jump"
    return None


def _leaps(earlier: Fix, later: Fix, faster_than_mps: float, at_least_ms: int = 0) -> bool:
    """Whether it is farther from one fix to the other than anything gets in that time."""
    seconds = max(later.fix_ms - earlier.fix_ms, at_least_ms, 1_000) / 1000.0
    reach_m = faster_than_mps * seconds
    # nearly all steps are short: told without any trigonometry that they are no leap
    if (abs(later.lon - earlier.lon) + abs(later.lat - earlier.lat)) * DEGREE_MAX_M < reach_m:
        return False
    return float(distance_m(earlier.lon, earlier.lat, later.lon, later.lat)) / seconds > faster_than_mps


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
    enter(assignment, "on_scene", order_ms, "avl")
    unit.status, unit.status_ms, unit.slow_since_ms = "on_scene", order_ms, None
    return (incident.incident_id,)
