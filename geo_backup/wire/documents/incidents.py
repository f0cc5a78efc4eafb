"""Incidents as documents, with their alarm, their units and what is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from geo_backup import events, live_map
from geo_backup.events import AssignmentState, Mode
from geo_backup.wire.times import to_text


class Need(TypedDict):
    """So many units of a capability."""

    capability: str
    count: int
    need: Literal["must", "want"]
    substitutes: list[str]
    staged: NotRequired[bool]


class Acknowledged(TypedDict):
    """Who has an emergency in hand, and since when."""

    by: str
    at: str


class Emergency(TypedDict):
    """The alarm of an officer's emergency: consoles sound while `alarms`."""

    alarms: bool
    stands: bool
    placed_by: str
    presses: int
    verified: bool
    sources: list[str]
    pressed_time: str
    acknowledged: list[Acknowledged]
    cleared_time: str | None
    cleared_by: str | None


class RecommendedUnit(TypedDict):
    """One unit of the newest recommendation."""

    unit_id: str
    eta_s: float


class RecommendedSwap(TypedDict):
    """A unit that would be there sooner than one on its way."""

    unit_id: str
    replaces: str
    gain_s: float


class Recommended(TypedDict):
    """The newest recommendation in short; the whole is asked for by `decision_id`."""

    decision_id: str
    stage: Literal["first", "refined"]
    as_of_time: str
    mode: str
    units: list[RecommendedUnit]
    swaps: list[RecommendedSwap]
    proven: bool


class Step(TypedDict):
    """A state that an assignment was in."""

    state: str
    at: str
    source: str


class Assignment(TypedDict):
    """A unit's part in an incident."""

    unit_id: str
    state: AssignmentState
    at: str
    source: str
    reason: str
    decision_id: str | None
    history: list[Step]


class Note(TypedDict):
    """Something that was said of an incident."""

    note_id: str
    at: str
    by: str
    text: str


class Released(TypedDict):
    """A unit that the end of an incident released, and what it was doing there."""

    unit_id: str
    state: str


class Incident(TypedDict):
    """An incident with the units on it."""

    incident_id: str
    recorded: bool
    version: int
    lon: float
    lat: float
    place_known: bool
    priority: int
    kind: str
    note: str
    notes: list[Note]
    notes_total: int
    place: str
    callback: str
    profile: str
    for_unit_id: str | None
    pinned: bool
    exercise: bool
    opened_time: str
    closed_time: str | None
    state: Literal["open", "closed"]
    agency: str
    level: int
    plan_id: str | None
    requirement: list[Need]
    mode: Mode | None
    several: bool
    arrive_by: str | None
    run_card: str
    aid_approved: list[str]
    emergency: Emergency | None
    recommended: Recommended | None
    assignments: list[Assignment]
    released: list[Released]


class Pressed(Incident):
    """The incident of a press, and what is otherwise than it was asked for."""

    warnings: list[str]


class IncidentList(TypedDict):
    """Open incidents."""

    incidents: list[Incident]


class EmergencyList(TypedDict):
    """Incidents in which an officer's emergency stands."""

    emergencies: list[Incident]


def incident(incident: live_map.Incident, recorded: bool = True) -> Incident:
    """An incident with the units on it and the history of each assignment; `recorded` is false while part of what it
    says, an emergency or a press of it, is not in the log yet."""
    return {
        "incident_id": incident.incident_id,
        "recorded": recorded,
        "version": incident.version,
        "lon": incident.lon,
        "lat": incident.lat,
        "place_known": incident.emergency is None or incident.emergency.placed_by != "nothing",
        "priority": incident.priority,
        "kind": incident.kind,
        "note": incident.note,
        "notes": [
            {"note_id": one.note_id, "at": to_text(one.at_ms), "by": one.said_by, "text": one.text}
            for one in incident.notes
        ],
        "notes_total": incident.notes_total,
        "place": incident.place,
        "callback": incident.callback,
        "profile": incident.profile,
        "for_unit_id": incident.for_unit_id,
        "pinned": incident.pinned,
        "exercise": incident.exercise,
        "opened_time": to_text(incident.opened_ms),
        "closed_time": None if incident.closed_ms is None else to_text(incident.closed_ms),
        "state": "open" if incident.open else "closed",
        "agency": incident.agency,
        "level": incident.level,
        "plan_id": incident.plan_id,
        "requirement": needs(incident.requirement),
        "mode": incident.mode,
        "several": incident.several,
        "arrive_by": None if incident.arrive_by_ms is None else to_text(incident.arrive_by_ms),
        "run_card": incident.run_card,
        "aid_approved": list(incident.approved),
        "emergency": None if incident.emergency is None else emergency(incident.emergency),
        "recommended": None if incident.recommended is None else recommended(incident.recommended),
        "assignments": [
            {
                "unit_id": part.unit_id,
                "state": part.state,
                "at": to_text(part.at_ms),
                "source": part.said_by,
                "reason": part.reason,
                "decision_id": part.decision_id,
                "history": [{"state": s, "at": to_text(at), "source": by} for s, at, by in part.history],
            }
            for part in incident.assignments.values()
        ],
        "released": [
            {"unit_id": part.unit_id, "state": part.history[-2][0]}
            for part in incident.assignments.values()
            if part.state == "cleared" and part.at_ms == incident.closed_ms and len(part.history) > 1
        ],
    }


def needs(requirement: Sequence[events.Need]) -> list[Need]:
    """What is asked for."""
    return [need(one) for one in requirement]


def need(asked: events.Need) -> Need:
    """One part of what is asked for."""
    said: Need = {
        "capability": asked.capability,
        "count": asked.count,
        "need": asked.need,
        "substitutes": list(asked.substitutes),
    }
    if asked.staged:
        said["staged"] = True
    return said


def emergency(emergency: live_map.Emergency) -> Emergency:
    """The alarm of an officer's emergency: consoles sound while `alarms`."""
    return {
        "alarms": emergency.alarms,
        "stands": emergency.stands,
        "placed_by": emergency.placed_by,
        "presses": emergency.presses,
        "verified": emergency.verified,
        "sources": list(emergency.sources),
        "pressed_time": to_text(emergency.pressed_ms),
        "acknowledged": [{"by": who, "at": to_text(at)} for who, at in emergency.acknowledged],
        "cleared_time": None if emergency.cleared_ms is None else to_text(emergency.cleared_ms),
        "cleared_by": emergency.cleared_by,
    }


def recommended(recommended: live_map.Recommendation) -> Recommended:
    """The newest recommendation in short; `GET /v1/decisions/{id}` has all of it."""
    return {
        "decision_id": recommended.decision_id,
        "stage": "first" if recommended.quick else "refined",
        "as_of_time": to_text(recommended.as_of_ms),
        "mode": recommended.mode,
        "units": [{"unit_id": unit_id, "eta_s": eta_ms / 1000} for unit_id, eta_ms in recommended.chosen],
        "swaps": [
            {"unit_id": unit_id, "replaces": replaces, "gain_s": gain_ms / 1000}
            for unit_id, replaces, gain_ms in recommended.swaps
        ],
        "proven": recommended.proven,
    }
