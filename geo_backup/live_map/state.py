"""The state: what is true of units, incidents, closures, plans and agreements at one position of the log.

Plain values; only `apply` (see the package) writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, NamedTuple

from geo_backup.events import (
    Addressed,
    AgreementMade,
    AssignmentState,
    ClosureAdded,
    DemandAdopted,
    Event,
    Fix,
    IncidentOpened,
    Member,
    Mode,
    Need,
    PlanMade,
    Source,
    SpeedsAdopted,
    UnitStatus,
)
from geo_backup.roads.pace import Pace
from geo_backup.roads.punctuality import Punctuality
from geo_backup.rules import Rules

CLOSED_INCIDENTS_KEPT = 1_000
"""Closed incidents that can still be read from the live map; all of them stay in the log."""

GENERATION = 4
"""What the fold keeps beyond what it kept at first. 1: versions of incidents and who edited what of them, and what
those could do who came to one and left. 2: when units on their way were to be there; which areas units are in; more
than four fixes of each. 3: how long crews take until they roll. 4: which of its devices a unit is shown by. Each holds
from the fact on that says so (`NetworkAdopted`): a log from before folds to the same bytes for ever."""

NOTES_KEPT = 50
NOTES_CHARS_KEPT = 20_000
"""Of what was said of an incident so much can be read from the live map, the newest; all of it stays in the log."""

DECISIONS_KEPT = 10_000
HISTORY_KEPT = 32
PARKED_WITHIN_M = 25.0

DERIVED = {"derived": True}
"""Metadata of what is made of the rest, and kept with it for speed alone."""

OPEN_STATES = ("assigned", "acknowledged", "en_route", "on_scene")


@dataclass(slots=True)
class Unit:
    """One unit of the fleet. `fixes` are its last accepted ones, oldest first."""

    unit_id: str
    callsign: str
    agency: str
    kind: str
    capabilities: tuple[str, ...] = ()
    home: tuple[float, float] | None = None
    source: Source = "live"
    status: UnitStatus = "available"
    status_ms: int = 0
    incident_id: str | None = None
    fixes: tuple[Fix, ...] = ()
    order_ms: int = 0
    """min(fix time, reception) of the last accepted fix: what a later fix must exceed, and what its age counts from."""
    held: tuple[Fix, ...] = ()
    """Fixes that would be a jump, waiting for others to bear them out."""
    parked: bool = False
    slow_since_ms: int | None = None
    device_id: str = ""
    """The device that it is shown by."""
    off_map: bool = False
    """Its fix lies outside the extent of the map."""
    pinned_by: tuple[str, ...] = ()
    """Open incidents whose place is wherever this unit is."""
    crew: tuple[Member, ...] | None = None
    """Who is aboard; None: nobody ever said."""
    shift_ends_ms: int | None = None
    rest_until_ms: int | None = None
    calls: int = 0
    """Incidents it was sent to since its crew last came aboard."""
    emergency_id: str | None = None
    """The emergency that its officer is in."""
    hidden: bool = False
    """Undercover: its agency's supervisors alone know of it."""
    word: tuple[str, str] | None = None
    """Salt and digest of the word that ends its emergency."""
    inside: tuple[str, ...] = ()
    """Beats and closures that it is in, as `beat:ID` and `closure:ID` ..."""
    inside_ms: tuple[int, ...] = ()
    """... and since when in each."""
    doubted: tuple[tuple[str, int], ...] = ()
    """Areas of which its last fix said otherwise, and when: one more, and it has crossed their edge."""
    rival: tuple[str, int] | None = None
    """A device that has been more accurate than the one it is shown by, and since when."""
    turnouts: tuple[tuple[str, int], ...] = ()
    """Its last ones, oldest first: the status in which it was sent, and how long it took until it rolled, in ms."""

    @property
    def fix(self) -> Fix | None:
        """The fix the unit is shown at."""
        return self.fixes[-1] if self.fixes else None


_of_unit = attrgetter(*(one.name for one in fields(Unit)))


def copy_of(unit: Unit) -> Unit:
    """A unit that no later event changes; five times as fast as `copy`."""
    return Unit(*_of_unit(unit))


@dataclass(slots=True)
class Assignment:
    """One unit's part in one incident; `history` holds (state, at_ms, said_by), oldest first."""

    unit_id: str
    state: AssignmentState
    at_ms: int
    said_by: str
    reason: str = ""
    history: tuple[tuple[str, int, str], ...] = ()
    decision_id: str | None = None
    """The recommendation that stood when it was sent."""
    least_left_ms: int | None = None
    """The least that decisions have seen it from arriving."""
    offered: str = ""
    """The unit that is offered in its place."""
    offered_ms: int | None = None
    """When one was last offered that was not offered before."""
    came_with: tuple[str, ...] | None = None
    """Its skills, once it has been on the scene and has left; None: it never came, or is there."""
    promised_ms: int | None = None
    """When it would be there, by what was known when it was sent."""
    checked_ms: int = 0
    """When somebody last made sure that its crew is well."""
    sent_in: str = ""
    """The status in which it was sent, until it rolls, where its turnout is going to teach something."""

    @property
    def sent_ms(self) -> int:
        """When it was sent."""
        return next((at_ms for state, at_ms, _ in reversed(self.history) if state == "assigned"), self.at_ms)


@dataclass(slots=True)
class Emergency:
    """What makes an incident an officer's emergency: it alarms until acknowledged, and only its unit's word or a
    supervisor ends it."""

    placed_by: str
    sources: tuple[str, ...]
    """Of each press, oldest first; the last `HISTORY_KEPT` of them."""
    presses: int
    pressed_ms: int
    """The last press."""
    verified: bool = True
    """Whether it is sure who pressed."""
    acknowledged: tuple[tuple[str, int], ...] = ()
    """(who, when) since the last press that alarmed."""
    cleared_ms: int | None = None
    cleared_by: str = ""

    @property
    def stands(self) -> bool:
        return self.cleared_ms is None

    @property
    def alarms(self) -> bool:
        """Whether every console is to sound."""
        return self.stands and not self.acknowledged


class Device(NamedTuple):
    """Whose tracker it is, and where it speaks from (empty: nobody said)."""

    unit_id: str
    address: str = ""


class Note(NamedTuple):
    """Something that was said of an incident."""

    note_id: str
    at_ms: int
    said_by: str
    text: str


class Edit(NamedTuple):
    """When a field of an incident was last given a value, and by whom."""

    version: int
    at_ms: int
    said_by: str


class Raised(NamedTuple):
    """A timer that was raised."""

    incident_id: str
    acknowledged_ms: int | None = None
    acknowledged_by: str = ""
    message_id: str = ""
    """The message that it is about, which it is forgotten with."""


class Receipt(NamedTuple):
    """When a unit was first known to have a message, and when its crew said that they know; None: they have not."""

    shown_ms: int
    acknowledged_ms: int | None = None
    by: str = ""


class Message(NamedTuple):
    """A short text from a desk to units."""

    message_id: str
    text: str
    to: Addressed
    units: tuple[str, ...]
    incident_id: str
    urgent: bool
    sent_ms: int
    sent_by: str
    receipts: Mapping[str, Receipt]
    """Of each unit that has it. Replaced whole."""


@dataclass(slots=True)
class Recommendation:
    """The newest decision on an incident: who was recommended, and where in the log all of it stands."""

    decision_id: str
    seq: int
    as_of_ms: int
    mode: Mode
    first: tuple[tuple[str, int], ...]
    chosen: tuple[tuple[str, int], ...]
    proven: bool
    swaps: tuple[tuple[str, str, int], ...] = ()
    unmet: bool = False
    quick: bool = False
    at_once: tuple[str, ...] = ()


@dataclass(slots=True)
class Plan:
    """Backup thought out beforehand, as it was last made. Its incidents, once it is active, are named by it."""

    made: PlanMade
    state: str = "draft"
    """draft, approved, active, cancelled."""
    approved_by: str = ""


@dataclass(slots=True)
class Incident:
    """A place where help is needed, and who is sent there."""

    incident_id: str
    lon: float
    lat: float
    priority: int
    kind: str
    note: str
    profile: str
    for_unit_id: str | None
    pinned: bool
    exercise: bool
    off_road_m: float
    opened_ms: int
    opened: IncidentOpened
    closed_ms: int | None = None
    requirement: tuple[Need, ...] = ()
    assignments: dict[str, Assignment] = field(default_factory=dict)
    mode: Mode | None = None
    several: bool = False
    arrive_by_ms: int | None = None
    run_card: str = ""
    requested_ms: int = 0
    request_id: str = ""
    """The request for backup that stands; empty: none does."""
    agency: str = ""
    level: int = 1
    apart: bool = False
    """An exercise: its assignments are its own, and no unit knows of them."""
    plan_id: str | None = None
    approved: tuple[str, ...] = ()
    """Agencies whose mutual aid is approved here."""
    emergency: Emergency | None = None
    recommended: Recommendation | None = None
    place: str = ""
    """Where it is, in words."""
    callback: str = ""
    notes: tuple[Note, ...] = ()
    """The newest of what was said of it, oldest first."""
    notes_total: int = 0
    version: int = 0
    """Grows with each fact that somebody makes about it; 0: it is from before versions were counted."""
    edits: Mapping[str, Edit] = field(default_factory=dict)
    """Of each field that was edited, the last time. Replaced whole, never changed in place."""
    reopened: int = 0
    """How often."""
    reopened_ms: int = 0
    """The last time."""
    anew_ms: int = 0
    """Who left after this counts towards what is asked for, if they came."""

    @property
    def open(self) -> bool:
        return self.closed_ms is None

    def frozen(self) -> Incident:
        """A copy that no later event changes."""
        parts = {unit_id: copy(part) for unit_id, part in self.assignments.items()}
        return replace(self, assignments=parts, emergency=copy(self.emergency))

    @property
    def opening(self) -> str:
        """Names this opening of the incident: its id may be used again, once it is closed and forgotten."""
        return self.opened.event_id or f"{self.incident_id}:{self.opened_ms}"


@dataclass(slots=True)
class Closure:
    """Closed roads; in force from `valid_from_ms` (or at once) to `valid_to_ms` (or until lifted)."""

    closure_id: str
    added: ClosureAdded

    def in_force(self, now_ms: int) -> bool:
        added = self.added
        return (added.valid_from_ms is None or added.valid_from_ms <= now_ms) and (
            added.valid_to_ms is None or now_ms < added.valid_to_ms
        )


@dataclass(slots=True)
class LiveMap:
    """All that is true at log position `seq`."""

    seq: int = 0
    units: dict[str, Unit] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    closures: dict[str, Closure] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)
    network_id: str = ""
    extent: tuple[float, float, float, float] | None = None
    """West, south, east, north of the network in degrees; None: nobody said."""
    generation: int = 0
    """See `GENERATION`."""
    speeds: SpeedsAdopted | None = None
    """Measured speeds that hold; None = none."""
    pace: Mapping[str, Pace] = field(default_factory=dict)
    """What drives have taught, by profile. Replaced whole, as the next; never changed in place."""
    punctuality: Mapping[str, Punctuality] = field(default_factory=dict)
    """How drives kept their times, by profile."""
    turnouts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """How long crews took until they rolled, in ms, oldest first, by status and kind of unit (`turnout.of_kind`).
    Replaced whole."""
    agreements: dict[str, AgreementMade] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    beats: Mapping[str, Any] | None = None
    demand: DemandAdopted | None = None
    hidden: int = 0
    """How many units are hidden."""
    decisions: dict[str, int] = field(default_factory=dict)
    """Where in the log each of the last `DECISIONS_KEPT` decisions stands."""
    devices: dict[str, Device] = field(default_factory=dict)
    """Trackers that somebody gave to a unit."""
    timers: dict[str, Raised] = field(default_factory=dict)
    """Timers of open incidents that were raised, by their names."""
    messages: dict[str, Message] = field(default_factory=dict)
    """Messages that stand, oldest first."""
    fences: Any = field(default=None, compare=False, repr=False, metadata=DERIVED)
    """Beats and closures as `fences` looks at them; None: not looked at since they changed. No part of the truth."""

    def open_incidents(self) -> list[Incident]:
        """In the order in which they were opened."""
        return [incident for incident in self.incidents.values() if incident.open]

    def closures_turn_ms(self, now_ms: int) -> int | None:
        """When, after now, a closure next begins or ends by itself; None when none will."""
        times = (t for c in self.closures.values() for t in (c.added.valid_from_ms, c.added.valid_to_ms))
        return min((t for t in times if t is not None and t > now_ms), default=None)


class Delta(NamedTuple):
    """Ids of what an event touched, or the reason why it touched nothing.

    `positions` are units that moved; `units` those of which anything else changed; `speeds` are those of all roads.
    """

    units: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()
    incidents: tuple[str, ...] = ()
    closures: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    timers: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    speeds: bool = False
    desk: bool = False
    """What holds for all incidents changed: agreements, beats, demand, rules."""
    ignored: str | None = None


NOTHING = Delta()


def never(live_map: LiveMap, event: Event) -> None:
    """The refusal of what may always be."""


def changes_nothing(live_map: LiveMap, event: Event) -> Delta:
    """The change of what is on record and no more."""
    return NOTHING
