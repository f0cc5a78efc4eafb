"""The hand-over of a shift: what is open, who is where, what is promised, what is closed, what is missed."""

from __future__ import annotations

from collections.abc import Iterator

from typing_extensions import TypedDict

from geo_backup import live_map
from geo_backup.events import AssignmentState, UnitStatus
from geo_backup.live_map import OPEN_STATES, LiveMap
from geo_backup.live_map.freshness import at_post, freshness
from geo_backup.wire.documents.closures import Closure
from geo_backup.wire.documents.incidents import Incident
from geo_backup.wire.documents.plans import Plan
from geo_backup.wire.documents.timers import Timer
from geo_backup.wire.times import to_text


class OnDuty(TypedDict):
    """A unit: what it does, since when, and where it is."""

    unit_id: str
    callsign: str
    agency: str
    kind: str
    status: UnitStatus
    status_time: str
    incident_id: str | None
    emergency_id: str | None
    lon: float | None
    lat: float | None
    place: str
    fix_time: str | None
    freshness: str
    inside: list[str]
    shift_ends: str | None


class Promise(TypedDict):
    """A unit that was sent to an incident, and when it was to be there; null where nobody knew."""

    incident_id: str
    unit_id: str
    state: AssignmentState
    sent_time: str
    promised_time: str | None
    exercise: bool


class Handover(TypedDict):
    """What whoever takes over must know, as of one moment; `finished` are incidents that ended since `since_time`."""

    as_of_time: str
    since_time: str
    timezone: str
    incidents: list[Incident]
    units: list[OnDuty]
    promised: list[Promise]
    closures: list[Closure]
    plans: list[Plan]
    timers: list[Timer]
    finished: list[Incident]
    finished_more: bool


def on_duty(on: LiveMap, unit: live_map.Unit, now_ms: int, place: str) -> OnDuty:
    """A unit as a hand-over has it; `place` is what the place of its fix is called, empty where nobody knows."""
    fix = unit.fix
    age_ms, rules = now_ms - unit.order_ms, on.rules.of_kind(unit.kind).freshness
    without = "live" if at_post(fix is not None, unit.home, unit.status) else "lost"
    return {
        "unit_id": unit.unit_id,
        "callsign": unit.callsign,
        "agency": unit.agency,
        "kind": unit.kind,
        "status": unit.status,
        "status_time": to_text(unit.status_ms),
        "incident_id": unit.incident_id,
        "emergency_id": unit.emergency_id,
        "lon": None if fix is None else fix.lon,
        "lat": None if fix is None else fix.lat,
        "place": place,
        "fix_time": None if fix is None else to_text(fix.fix_ms),
        "freshness": without if fix is None else freshness(age_ms, unit.parked, rules),
        "inside": list(unit.inside),
        "shift_ends": None if unit.shift_ends_ms is None else to_text(unit.shift_ends_ms),
    }


def promises(on: LiveMap) -> Iterator[Promise]:
    """What is promised to open incidents, in the order in which they were opened."""
    for incident in on.open_incidents():
        for part in incident.assignments.values():
            if part.state in OPEN_STATES and part.state != "on_scene":
                yield {
                    "incident_id": incident.incident_id,
                    "unit_id": part.unit_id,
                    "state": part.state,
                    "sent_time": to_text(part.sent_ms),
                    "promised_time": None if part.promised_ms is None else to_text(part.promised_ms),
                    "exercise": incident.exercise,
                }
