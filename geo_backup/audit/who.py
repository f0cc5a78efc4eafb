"""Who had to do with a unit: who could see it, who moved it, who sent it, in the words of the log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from geo_backup.custody import Look, Looked
from geo_backup.events import (
    AgreementMade,
    AidApproved,
    AssignmentChanged,
    CrewReported,
    EmergencyAcknowledged,
    EmergencyCleared,
    EmergencyDeclared,
    Event,
    PositionReported,
    UnitRegistered,
    UnitRetired,
    UnitStatusChanged,
    WordSet,
)
from geo_backup.live_map import LiveMap, apply
from geo_backup.people import Principal, Role
from geo_backup.people.sight import Sight
from geo_backup.wire.times import to_text

SEEN_BY = frozenset({"units", "positions", "rankings", "look", "look_ahead"})
"""Topics and rights that show units."""
PAST: dict[Look, str] = {
    "history": "read what is past of it",
    "log": "read the log, without tracks, in which it stood",
    "export": "took a copy of the log in which it stood",
    "replay": "played the log again in which it stood",
}


@dataclass(frozen=True)
class Line:
    """One thing that somebody did: when, who, and what in words. `times` and `until_ms` where it went on."""

    at_ms: int
    who: str
    what: str
    until_ms: int | None = None
    times: int = 1

    def words(self) -> str:
        """The line as people read it."""
        until = "" if self.until_ms is None else f" until {to_text(self.until_ms)}"
        times = "" if self.times == 1 else f", {self.times:,} times"
        return f"{to_text(self.at_ms)}{until}  {self.who} {self.what}{times}"


@dataclass
class _Story:
    """What is known of one unit while the log is read."""

    unit_id: str
    from_ms: int
    to_ms: int
    live_map: LiveMap = field(default_factory=LiveMap)
    stood: bool = False
    """Whether there ever was such a unit."""
    lines: list[Line] = field(default_factory=list)
    looking: dict[tuple[str, str], Line] = field(default_factory=dict)
    """Feeds that are open, by speaker and session."""
    waiting: list[tuple[Looked, Sight]] = field(default_factory=list)
    """Looks in which the unit did not stand so far: it may come into sight while they last."""
    moving: dict[str, Line] = field(default_factory=dict)
    """Who reports its positions, one line each."""


def who(events: Iterable[tuple[int, Event]], unit_id: str, from_ms: int, to_ms: int) -> list[Line]:
    """Everybody who could see a unit, moved it or sent it in a time (UTC epoch ms), oldest first.

    Whoever followed a feed or read answers by which the unit could be seen is named, whether or not they looked at it.
    """
    story = _Story(unit_id, from_ms, to_ms)
    for seq, event in events:
        if isinstance(event, Looked):
            _looked(story, event)
        elif getattr(event, "unit_id", None) == unit_id or _emergency_of(story, event):
            _did(story, event)
        apply(story.live_map, seq, event)
        story.stood = story.stood or unit_id in story.live_map.units
        if story.waiting and isinstance(event, AgreementMade | UnitRegistered | AssignmentChanged | AidApproved):
            _came_into_sight(story, event.received_ms)
    lines = [*story.lines, *story.looking.values(), *story.moving.values()]
    within = [line for line in lines if line.at_ms <= to_ms and (line.until_ms or line.at_ms) >= from_ms]
    still = [line for line in story.looking.values() if line.at_ms <= to_ms and line not in within]
    return sorted([*within, *still], key=lambda line: line.at_ms)


def _looked(story: _Story, event: Looked) -> None:
    key = (event.said_by, event.session)
    if event.what == "feed" and event.until_ms is not None:
        story.waiting = [(one, sight) for one, sight in story.waiting if (one.said_by, one.session) != key]
        begun = story.looking.pop(key, None)
        if begun is not None:
            story.lines.append(Line(begun.at_ms, begun.who, begun.what, event.until_ms))
        return
    if event.what in PAST:
        _looked_back(story, event)
        return
    if not SEEN_BY & set(event.scope):
        return
    sight = _sight(event)
    if not _sees(story, event, sight, event.received_ms):
        story.waiting.append((event, sight))


def _looked_back(story: _Story, event: Looked) -> None:
    """Somebody read what is past: of this unit, or of all that the log knew."""
    units = [one for one in event.scope if one.startswith("unit:")]
    if not story.stood or (units and f"unit:{story.unit_id}" not in units):
        return
    unit = story.live_map.units.get(story.unit_id)
    limited = event.what == "history" and bool(event.roles)
    if limited and unit is not None and _sight(event).unit(story.live_map, unit) is None:
        return
    place = f" from {event.source}" if event.source else ""
    story.lines.append(Line(event.received_ms, event.said_by, f"{PAST[event.what]} ({', '.join(event.scope)}){place}"))


def _sight(event: Looked) -> Sight:
    """How far somebody saw who looked; whoever typed a command saw all."""
    roles = cast("frozenset[Role]", frozenset(event.roles))
    return Sight.of(Principal("program", "", event.agency, roles, frozenset(event.units)))


def _came_into_sight(story: _Story, now_ms: int) -> None:
    """What somebody looks at has changed meanwhile."""
    story.waiting = [
        (event, sight)
        for event, sight in story.waiting
        if (event.until_ms is None or event.until_ms >= now_ms) and not _sees(story, event, sight, now_ms)
    ]


def _sees(story: _Story, event: Looked, sight: Sight, at_ms: int) -> bool:
    """Whether the unit stands in what somebody looks at; then a line says so."""
    unit = story.live_map.units.get(story.unit_id)
    clear = None if unit is None else sight.unit(story.live_map, unit)
    if clear is None:
        return False
    how = {"exact": "", "rounded": ", to about a kilometre", "withheld": ", without its place"}[clear]
    place = f" from {event.source}" if event.source else ""
    if event.what == "feed":
        words = f"followed the map on which it stood{how}{place}"
        story.looking[event.said_by, event.session] = Line(at_ms, event.said_by, words)
    else:
        words = f"may have read answers in which it stood{how}{place}"
        story.lines.append(Line(at_ms, event.said_by, words, event.until_ms))
    return True


def _did(story: _Story, event: Event) -> None:
    if not story.from_ms <= event.received_ms <= story.to_ms:
        return
    if isinstance(event, PositionReported):
        before = story.moving.get(event.said_by)
        began, times = (before.at_ms, before.times) if before is not None else (event.received_ms, 0)
        story.moving[event.said_by] = Line(began, event.said_by, "reported its position", event.received_ms, times + 1)
        return
    words = _words(event)
    if words:
        story.lines.append(Line(event.received_ms, event.said_by, words))


def _words(event: Event) -> str:
    if isinstance(event, AssignmentChanged):
        if event.state != "assigned":
            return f"said that it is {event.state.replace('_', ' ')} at incident {event.incident_id}"
        instead = f" in place of {event.replaces}" if event.replaces else ""
        return f"sent it to incident {event.incident_id}{instead}"
    if isinstance(event, UnitStatusChanged):
        return f"said that it is {event.status.replace('_', ' ')}"
    if isinstance(event, UnitRegistered):
        return "registered or described it"
    if isinstance(event, EmergencyDeclared):
        return f"declared its officer's emergency {event.emergency_id}"
    if isinstance(event, EmergencyAcknowledged):
        return f"took its officer's emergency {event.emergency_id} in hand ({event.by})"
    if isinstance(event, EmergencyCleared):
        return f"ended its officer's emergency {event.emergency_id} ({event.who}: {event.reason or 'no reason said'})"
    other = {CrewReported: "said who is aboard", WordSet: "set its word", UnitRetired: "took it out of the fleet"}
    return other.get(type(event), "")


def _emergency_of(story: _Story, event: Event) -> bool:
    if not isinstance(event, EmergencyAcknowledged | EmergencyCleared):
        return False
    incident = story.live_map.incidents.get(event.emergency_id)
    return incident is not None and incident.for_unit_id == story.unit_id
