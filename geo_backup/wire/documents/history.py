"""What was, as documents: tracks, and what happened in an incident, in codes and values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from geo_backup import events as ev
from geo_backup.events import Event, Fix, Source
from geo_backup.wire.documents.closures import Closure
from geo_backup.wire.documents.incidents import Incident
from geo_backup.wire.documents.messages import Message
from geo_backup.wire.documents.rankings import Ranking
from geo_backup.wire.documents.server import Area
from geo_backup.wire.documents.timers import Timer
from geo_backup.wire.documents.units import FreshnessLimits, Unit
from geo_backup.wire.times import to_text

What = Literal[
    "opened",
    "changed",
    "noted",
    "closed",
    "reopened",
    "requested",
    "ranked",
    "decided",
    "assigned",
    "acknowledged",
    "en_route",
    "on_scene",
    "cleared",
    "cancelled",
    "status",
    "pressed",
    "press_acknowledged",
    "emergency_cleared",
    "clear_refused",
    "aid_approved",
    "plan_began",
    "entered",
    "left",
    "timer_raised",
    "timer_acknowledged",
    "message_sent",
    "message_seen",
    "unit_retired",
    "clock_turned",
    "other",
]


class Moment(TypedDict):
    """Something that happened: when, who said so, and its values. `seq` is null where positions told it."""

    seq: int | None
    at: str
    received_time: str
    what: What
    said_by: str
    unit_id: str | None
    incident_id: str | None
    values: dict[str, object]


class Timeline(TypedDict):
    """What happened in an incident, oldest first; `whole` is false where older moments are left out."""

    incident_id: str
    opened_time: str
    closed_time: str | None
    whole: bool
    moments: list[Moment]


class Track(TypedDict):
    """Where a unit was. A row is `[lon, lat, speed_mps, course_deg, fix_ms, accuracy_m, late_ms]`: `late_ms` from the
    fix to its reception."""

    unit_id: str
    from_time: str
    to_time: str
    fixes: list[list[float | None]]
    left_out: dict[str, int]
    next_time: str | None
    moments: list[Moment]


class PastOf(TypedDict):
    """Which moment it is, when the log begins, and what time it is now."""

    at: str
    begins: str
    now: str


class Snapshot(TypedDict):
    """The feed's snapshot as of a moment of the past; topics that were not asked for are not there."""

    type: Literal["snapshot"]
    epoch: str
    seq: int
    mode: Source
    server_time: str
    past: PastOf
    area: Area
    freshness: FreshnessLimits
    units: NotRequired[dict[str, Unit]]
    positions: NotRequired[dict[str, list[float | None]]]
    incidents: NotRequired[dict[str, Incident]]
    rankings: NotRequired[dict[str, Ranking]]
    closures: NotRequired[dict[str, Closure]]
    timers: NotRequired[dict[str, Timer]]
    messages: NotRequired[dict[str, Message]]


UNSAID = {
    "event_id", "received_ms", "said_by", "unit_id", "incident_id", "emergency_id", "at_ms", "inputs", "answer",
    "digest", "geometry", "at_once", "going", "salt", "candidates", "weights_id", "rules_id", "network_id", "demand_id",
    "software_version", "request_id", "crew", "as_of_version", "off_road_m",
}  # fmt: skip
"""What of a fact is no part of its story."""
SPANS = {"eta_ms"}
"""How long something takes; other times of facts are moments."""
WHAT: Mapping[str, What] = {
    "IncidentOpened": "opened",
    "IncidentChanged": "changed",
    "IncidentNoted": "noted",
    "IncidentClosed": "closed",
    "IncidentReopened": "reopened",
    "BackupRequested": "requested",
    "BackupRecommended": "ranked",
    "DecisionMade": "decided",
    "UnitStatusChanged": "status",
    "EmergencyDeclared": "pressed",
    "EmergencyAcknowledged": "press_acknowledged",
    "EmergencyCleared": "emergency_cleared",
    "EmergencyClearRefused": "clear_refused",
    "AidApproved": "aid_approved",
    "PlanActivated": "plan_began",
    "TimerRaised": "timer_raised",
    "TimerAcknowledged": "timer_acknowledged",
    "MessageSent": "message_sent",
    "MessageSeen": "message_seen",
    "UnitRetired": "unit_retired",
    "ClockTurned": "clock_turned",
}


def moments(facts: Iterable[tuple[int, Event]], arrivals: Iterable[tuple[str, str, int]] = ()) -> list[Moment]:
    """Facts, and arrivals (incident_id, unit_id, at_ms) that positions told, as moments in the order of their times."""
    found = [(_at_ms(event), seq, moment(seq, event)) for seq, event in facts]
    for incident_id, unit_id, at_ms in arrivals:
        at = to_text(at_ms)
        told: Moment = {
            "seq": None,
            "at": at,
            "received_time": at,
            "what": "on_scene",
            "said_by": "avl",
            "unit_id": unit_id,
            "incident_id": incident_id,
            "values": {},
        }
        found.append((at_ms, 0, told))
    return [one for _, _, one in sorted(found, key=lambda one: one[:2])]


def moment(seq: int, event: Event) -> Moment:
    """A fact as a moment."""
    what = event.state if isinstance(event, ev.AssignmentChanged) else WHAT.get(type(event).__name__, "other")
    values = _values(event)
    if what == "other":
        values["fact"] = type(event).__name__
    if isinstance(event, ev.DecisionMade):
        values["decision_id"] = event.event_id
    return {
        "seq": seq,
        "at": to_text(_at_ms(event)),
        "received_time": to_text(event.received_ms),
        "what": what,
        "said_by": event.said_by,
        "unit_id": event.units[0]  # so that it is told to whoever sees the unit
        if isinstance(event, ev.MessageSent) and len(event.units) == 1
        else getattr(event, "unit_id", None),
        "incident_id": getattr(event, "incident_id", None) or getattr(event, "emergency_id", None),
        "values": values,
    }


def track(
    unit_id: str,
    from_ms: int,
    to_ms: int,
    fixes: Sequence[Fix],
    received_ms: Sequence[int],
    left_out: dict[str, int],
    next_ms: int | None,
    facts: Iterable[tuple[int, Event]],
    crossings: Iterable[tuple[str, bool, int]] = (),
) -> Track:
    """A unit's fixes with their times, and what it did meanwhile."""
    return {
        "unit_id": unit_id,
        "from_time": to_text(from_ms),
        "to_time": to_text(to_ms),
        "fixes": [
            [lon, lat, speed_mps, course_deg, fix_ms, accuracy_m, heard_ms - fix_ms]
            for (fix_ms, lon, lat, speed_mps, course_deg, accuracy_m), heard_ms in zip(fixes, received_ms, strict=True)
        ],
        "left_out": left_out,
        "next_time": None if next_ms is None else to_text(next_ms),
        "moments": sorted([*moments(facts), *_crossed(unit_id, crossings)], key=lambda one: one["at"]),
    }


def _crossed(unit_id: str, crossings: Iterable[tuple[str, bool, int]]) -> list[Moment]:
    """What positions tell of beats and closures."""
    return [
        {
            "seq": None,
            "at": to_text(at_ms),
            "received_time": to_text(at_ms),
            "what": "entered" if entered else "left",
            "said_by": "avl",
            "unit_id": unit_id,
            "incident_id": None,
            "values": {"area": area},
        }
        for area, entered, at_ms in crossings
    ]


def _at_ms(event: Event) -> int:
    """When it happened, as whoever said it says."""
    return int(getattr(event, "at_ms", event.received_ms))


def _values(event: Event) -> dict[str, object]:
    """What a fact says beside its defaults; times as text."""
    out: dict[str, object] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name in UNSAID or value is None or value in ("", (), field.default):
            continue
        name = field.name
        if name in SPANS:
            name, value = f"{name[:-3]}_s", value / 1000
        elif name.endswith("_ms"):
            name, value = f"{name[:-3]}_time", to_text(value)
        out[name] = _plain(value)
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
