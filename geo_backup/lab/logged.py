"""Logged: the incidents of an event log as recorded calls, for the question "what if we had sent others?".

A call needs units of the kinds that were assigned, for as long as they were. Every unit of the fleet waits at its home
or, without one, where its first position was; where it really was at each moment is not used, since under another
policy it would have been elsewhere. Exercises are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from geo_backup.events import (
    AssignmentChanged,
    Event,
    IncidentChanged,
    IncidentClosed,
    IncidentOpened,
    PositionReported,
    UnitRegistered,
)
from geo_backup.formats.calls import Call, CallUnit
from geo_backup.formats.stations import Station

_STAMP = {
    "assigned": "dispatch_ms",
    "en_route": "en_route_ms",
    "on_scene": "on_scene_ms",
    "cleared": "available_ms",
    "cancelled": "available_ms",
}


@dataclass(frozen=True)
class Logged:
    """Calls in the order of time, one station a unit, called as the unit is, and the kind of each unit by its id."""

    calls: tuple[Call, ...]
    stations: tuple[Station, ...]
    fleet: Mapping[str, str]
    unassigned: int
    """Incidents to which nobody was sent."""


def read_log(events: Iterable[Event]) -> Logged:
    """Read a log's events in their order, once; positions are passed over but for a unit's first."""
    kinds: dict[str, str] = {}
    place: dict[str, tuple[float, float]] = {}
    seen: dict[str, tuple[float, float]] = {}
    opened: dict[str, IncidentOpened] = {}
    priority: dict[str, int] = {}
    stints: dict[str, dict[str, CallUnit]] = {}
    for event in events:
        if isinstance(event, PositionReported):
            seen.setdefault(event.unit_id, (event.fix.lon, event.fix.lat))
        elif isinstance(event, UnitRegistered):
            kinds[event.unit_id] = event.kind
            if event.home is not None:
                place[event.unit_id] = event.home
        elif isinstance(event, IncidentOpened) and not event.exercise and event.incident_id not in opened:
            opened[event.incident_id], priority[event.incident_id] = event, event.priority
            stints[event.incident_id] = {}
        elif isinstance(event, IncidentChanged) and event.priority is not None and event.incident_id in opened:
            priority[event.incident_id] = event.priority
        elif isinstance(event, IncidentClosed) and event.incident_id in opened:
            mine = stints[event.incident_id]
            for unit_id, unit in mine.items():
                if unit.available_ms is None:
                    mine[unit_id] = unit._replace(available_ms=event.received_ms)
        elif isinstance(event, AssignmentChanged) and event.incident_id in opened and event.state in _STAMP:
            _stamp(stints[event.incident_id], event, kinds.get(event.unit_id, ""))
    places = {**seen, **place}
    fleet = {unit_id: kind for unit_id, kind in kinds.items() if unit_id in places}
    calls = []
    for incident_id, said in opened.items():
        units = tuple(unit for unit in stints[incident_id].values() if unit.unit_id in fleet)
        if units:
            kind = said.kind or "incident"
            calls.append(Call(incident_id, said.received_ms, said.lon, said.lat, priority[incident_id], kind, units))
    calls.sort(key=lambda call: (call.received_ms, call.call_id))
    stations = tuple(Station(unit_id, *places[unit_id]) for unit_id in sorted(fleet))
    return Logged(tuple(calls), stations, fleet, len(opened) - len(calls))


def _stamp(stints: dict[str, CallUnit], event: AssignmentChanged, kind: str) -> None:
    """Note one step of a unit's first stint at an incident."""
    unit = stints.get(event.unit_id)
    if unit is None and event.state == "assigned":
        stints[event.unit_id] = CallUnit(event.unit_id, kind, event.at_ms)
    elif unit is not None and getattr(unit, _STAMP[event.state]) is None:
        step: Any = {_STAMP[event.state]: event.at_ms}
        stints[event.unit_id] = unit._replace(**step)
