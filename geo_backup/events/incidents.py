"""Facts about incidents: opened, changed and closed, what was asked and decided, who was sent, and what was said."""

from __future__ import annotations

from dataclasses import dataclass

from geo_backup.events.fact import Addressed, AssignmentState, Event, Mode, Need, TimerRule


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentOpened(Event):
    """Somebody needs help at a place."""

    incident_id: str
    lon: float
    lat: float
    priority: int
    kind: str = ""
    note: str = ""
    profile: str = "response"
    for_unit_id: str | None = None
    pinned: bool = False
    exercise: bool = False
    off_road_m: float = 0.0
    """Distance of the place from the nearest road one can drive, so that arrival can be seen from the road."""
    agency: str = ""
    """Whose incident it is: units of others need an agreement. Empty: everybody's."""
    level: int = 1
    """Alarm level, for run cards."""
    apart: bool = False
    """An exercise that keeps its assignments to itself; facts from before there was that mixed them with real ones."""
    plan_id: str | None = None
    place: str = ""
    """Where it is, in words, as it was found or named."""
    callback: str = ""
    """Where whoever called can be called back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanged(Event):
    """Only what is not None changed."""

    incident_id: str
    lon: float | None = None
    lat: float | None = None
    priority: int | None = None
    kind: str | None = None
    note: str | None = None
    profile: str | None = None
    pinned: bool | None = None
    off_road_m: float | None = None
    level: int | None = None
    agency: str | None = None
    place: str | None = None
    callback: str | None = None
    as_of_version: int | None = None
    """The version that whoever changed it knew; None: they did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentNoted(Event):
    """Somebody said something of an incident, open or closed: it joins what was said before, and nothing takes it away
    again."""

    incident_id: str
    note_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentClosed(Event):
    """The incident is over; its assignments are cleared."""

    incident_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentReopened(Event):
    """It was not over: it is open again, with what it asks for, and without the units that were released."""

    incident_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequested(Event):
    """What an incident asks for, by capability and count; replaces what it asked before, and keeps who is sent.

    Without a mode it only narrows the ranking; with one, a set of units is recommended.
    """

    incident_id: str
    requirement: tuple[Need, ...] = ()
    mode: Mode | None = None
    several: bool = False
    """One unit may fill several needs."""
    arrive_by_ms: int | None = None
    run_card: str = ""
    """Name of the card that the requirement was read from."""
    anew: bool = False
    """Who came and has left does not count towards it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRecommended(Event):
    """The first answer to an incident, as shown: kept for the record, changes nothing.

    Its `event_id` derives from the incident's opening, so a second node's copy is the same fact.
    """

    incident_id: str
    as_of_seq: int
    as_of_ms: int
    network_id: str
    weights_id: str
    rules_id: str
    software_version: str
    candidates: tuple[tuple[str, int], ...]
    """(unit_id, eta_ms), best first: the head of the list."""
    digest: str = ""
    """SHA-256 of the whole ranking's canonical JSON, for `verify`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionMade(Event):
    """A recommendation with all it was made of. `event_id` is the decision's id: it derives from the request, and ends
    in `:quick` for what was told at once, in `:best` for what the search then found.

    `answer` is whom to send and why, packed (see `wire.decisions`): the very thing that was told. `inputs` is the
    frozen view of the world that it was made from, packed too, so that it can be worked out again with the map alone.
    The first answer to a request does not wait for that: its inputs are the log up to `as_of_seq`.
    """

    incident_id: str
    request_id: str
    as_of_seq: int
    as_of_ms: int
    mode: Mode
    software_version: str
    network_id: str
    weights_id: str
    rules_id: str
    demand_id: str = ""
    first: tuple[tuple[str, int], ...] = ()
    """(unit_id, eta_ms) of the set that was told at once; none where nothing was told before the best."""
    chosen: tuple[tuple[str, int], ...] = ()
    """The set to send: the best one when `proven`."""
    swaps: tuple[tuple[str, str, int], ...] = ()
    """(unit_id, the one on its way that it could replace, ms won)."""
    unmet: bool = False
    """Something asked for is filled by nobody."""
    quick: bool = False
    """The best set was not found yet: `chosen` is `first`."""
    proven: bool = False
    going: tuple[tuple[str, int], ...] = ()
    """(unit_id, ms left) of the units on their way."""
    at_once: tuple[str, ...] = ()
    """The set that is found at once, without a search: while it stays the same, nobody searches again."""
    inputs: str = ""
    answer: str = ""
    digest: str = ""
    """SHA-256 of the answer before packing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignmentChanged(Event):
    """A unit's part in an incident changed. `assigned` begins it; skips are legal and recorded."""

    incident_id: str
    unit_id: str
    state: AssignmentState
    at_ms: int
    preempt: bool = False
    replaces: str | None = None
    reason: str = ""
    as_of_seq: int | None = None
    as_of_ms: int | None = None
    digest: str = ""
    """SHA-256 of the ranking at (as_of_seq, as_of_ms) that the dispatcher saw, when they said which it was."""
    decision_id: str | None = None
    """The recommendation that stood when this was chosen; `reason` says why another unit was."""
    eta_ms: int | None = None
    """How long it would take, by what was known when it was sent; None: nobody knew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerRaised(Event):
    """What somebody should have said or done by now was missed: a reading of the live map, put on record once.

    `event_id` is made of the timer's own, which says its rule, of what it is and when it began.
    """

    timer_id: str
    rule: TimerRule
    incident_id: str
    unit_id: str | None = None
    start_ms: int
    due_ms: int
    exercise: bool = False
    message_id: str = ""
    """Of an urgent message that nobody answers; `incident_id` is empty where it is of none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerAcknowledged(Event):
    """Somebody at a desk has seen to it."""

    timer_id: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(Event):
    """A desk sent a short text to units. `units` are all whom it goes to, as it was then; who comes later has not been
    told."""

    message_id: str
    text: str
    to: Addressed
    units: tuple[str, ...]
    incident_id: str = ""
    """The incident that it is about; empty: it is of the shift."""
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSeen(Event):
    """A unit's device has shown a message, or (`acknowledged`) its crew says that they know."""

    message_id: str
    unit_id: str
    acknowledged: bool = True
    incident_id: str = ""
