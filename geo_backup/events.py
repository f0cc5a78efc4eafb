"""Every fact that may enter the log, in the past tense, with the range of each value.

An event is made once, never changed, and read for ever: a field may be added with a default, none renamed.
`event_id` names the fact (two with the same id are one fact), `received_ms` is when a node heard of it (UTC epoch),
`said_by` who said it. Positions carry no id: a fix is named by its unit, device, time and place.

These are the facts that change the live map. Those about the record itself, and who came to it, are in `custody`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

ID_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
"""What unit, incident, closure and device ids look like."""

is_id = re.compile(ID_PATTERN).fullmatch

LON_DEG = (-180.0, 180.0)
LAT_DEG = (-90.0, 90.0)
SPEED_MPS = (0.0, 150.0)
COURSE_DEG = (0.0, 360.0)
ACCURACY_M = (0.0, 100_000.0)
PRIORITY = (1, 5)
BUFFER_M = (0.0, 500.0)
SLOW_FACTOR = (0.05, 0.95)
LEVEL = (-5, 5)
TIME_MS = (0, 4_102_444_800_000)
"""1970 to 2100."""

UnitStatus = Literal[
    "available",
    "on_station",
    "returning",
    "en_route",
    "staging",
    "on_scene",
    "transporting",
    "busy",
    "limited",
    "out_of_service",
]
AssignmentState = Literal["assigned", "acknowledged", "en_route", "on_scene", "cleared", "cancelled"]
Source = Literal["live", "simulated", "replay"]
Mode = Literal["immediate", "delayed", "strategic"]
TimerRule = Literal["acknowledge", "late", "welfare", "unattended", "message"]
Addressed = Literal["units", "incident", "all"]
"""Whom the desk meant: some units, all that are on an incident, or all that are in service."""
ANY = "any"
"""The capability that every unit has."""


class Fix(NamedTuple):
    """One position solution of a receiver."""

    fix_ms: int
    lon: float
    lat: float
    speed_mps: float | None = None
    course_deg: float | None = None
    accuracy_m: float | None = None


class Need(NamedTuple):
    """So many units with a capability; `want` may stay unmet, a substitute counts as the capability."""

    capability: str
    count: int = 1  # type: ignore[assignment]  # hides tuple.count, which nobody calls here
    need: Literal["must", "want"] = "must"
    substitutes: tuple[str, ...] = ()
    staged: bool = False
    """They wait near the scene until they are called in."""


class Member(NamedTuple):
    """One person aboard: what they can do; an id that means something to their agency only."""

    capabilities: tuple[str, ...] = ()
    member_id: str = ""


class Post(NamedTuple):
    """A place that a plan staffs: where to wait, with what, and by when (None: when the plan begins)."""

    post_id: str
    lon: float
    lat: float
    needs: tuple[Need, ...]
    arrive_by_ms: int | None = None
    off_road_m: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every fact has."""

    event_id: str = ""
    received_ms: int
    said_by: str = "desk"


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReported(Event):
    """A unit's receiver said where it was. By far the most frequent event; logged apart from the others."""

    unit_id: str
    fix: Fix
    device_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRegistered(Event):
    """A unit exists, or is described anew; its position, status and assignment stay."""

    unit_id: str
    callsign: str
    agency: str
    kind: str
    capabilities: tuple[str, ...] = ()
    home: tuple[float, float] | None = None
    source: Source = "live"
    hidden: bool = False
    """An undercover unit: only its agency's supervisors know of it, and it is never sent by a recommendation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatusChanged(Event):
    unit_id: str
    status: UnitStatus
    at_ms: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewReported(Event):
    """Who is aboard a unit and until when. A unit of which this was never said counts as staffed, without end."""

    unit_id: str
    crew: tuple[Member, ...] = ()
    """Nobody: the unit is unstaffed."""
    shift_ends_ms: int | None = None
    rest_until_ms: int | None = None
    """The crew must not be sent before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WordSet(Event):
    """The word with which a unit ends its own emergency, salted and hashed."""

    unit_id: str
    salt: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRetired(Event):
    """A unit left the fleet; its assignment is cancelled."""

    unit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAssigned(Event):
    """A tracker reports for a unit from now on; for none (`unit_id` None): nobody knows it any more."""

    device_id: str
    unit_id: str | None
    address: str = ""
    """Where it speaks from, by a way that has no secrets; empty: nobody said."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyDeclared(Event):
    """An officer is in danger: the button of a device or phone, a CoT 911 alert, the API, or the desk for them.

    It opens a priority 1 incident of its own, pinned to the unit, with this id; while that stands, another press is
    added to it.
    """

    emergency_id: str
    unit_id: str
    lon: float
    lat: float
    placed_by: Literal["fix", "alert", "home", "nothing"] = "fix"
    """What the place was taken from; `nothing`: it is the middle of the map, and means that it is not known."""
    source: Literal["device", "phone", "tak", "api", "desk"] = "api"
    exercise: bool = False
    off_road_m: float = 0.0
    unlisted: bool = False
    """Nobody registered the unit, and the list of units took no more: the emergency is opened without it."""
    verified: bool = True
    """Whether it is sure who pressed; else `unit_id` is what the device calls itself, and no unit of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyAcknowledged(Event):
    """Somebody at a desk has taken it in hand: consoles stop alarming until the next press."""

    emergency_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyCleared(Event):
    """The unit (with its word) or a supervisor says that the danger is over. The incident stays until closed."""

    emergency_id: str
    by: Literal["unit", "supervisor"]
    who: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyClearRefused(Event):
    """Somebody tried to end it without the right word: on record, and it stands."""

    emergency_id: str
    by: str
    who: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementMade(Event):
    """Units of the `lender` help at incidents of the `borrower`; automatic: ranked with its own; mutual: when approved.

    One direction; the other is another agreement.
    """

    agreement_id: str
    lender: str
    borrower: str
    aid: Literal["automatic", "mutual"]
    kinds: tuple[str, ...] = ()
    """Kinds of units it covers; none named: all."""
    max_share: float = 1.0
    """Of the lender's units that serve, at most this share may be away for the borrower at a time."""
    hours: tuple[int, ...] = ()
    """Hours of the local day (0 to 23) in which it holds; none named: all."""
    positions: Literal["exact", "rounded", "assigned"] = "exact"
    """What the borrower sees of the lender's units that are not on its incidents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementEnded(Event):
    agreement_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AidApproved(Event):
    """A lender's units may come to this incident though their agreement is mutual."""

    incident_id: str
    agency: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMade(Event):
    """Backup thought out beforehand: a warrant, a march, a match; or patrols at a fair (`presence`).

    The same id again replaces what was planned, and needs approval anew.
    """

    plan_id: str
    name: str
    arrive_by_ms: int
    ends_ms: int
    posts: tuple[Post, ...]
    kind: Literal["operation", "presence"] = "operation"
    priority: int = 3
    several: bool = False
    agency: str = ""
    note: str = ""
    exercise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanApproved(Event):
    plan_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanActivated(Event):
    """The plan began: its posts are incidents now, named `PLAN.POST`."""

    plan_id: str
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCancelled(Event):
    plan_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatsAdopted(Event):
    """From here on these are the beats: a GeoJSON FeatureCollection of polygons with `beat_id` and `floor`, the free
    units that should stay in it."""

    beats: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandAdopted(Event):
    """From here on calls are expected as this says; empty: as many as there are roads, at any hour."""

    demand_id: str = ""
    packed: str = ""
    """Places and weights as `backup.demand` packs them."""
    calls: int = 0
    """How many past calls it was learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureAdded(Event):
    """Roads are closed, or slow: those under a GeoJSON geometry, or the edges named by their numbers, which belong to
    the network that the log was written on and to no other."""

    closure_id: str
    geometry: Mapping[str, Any]
    buffer_m: float = 0.0
    reason: str = ""
    valid_from_ms: int | None = None
    valid_to_ms: int | None = None
    applies_to: Literal["all", "routine"] = "all"
    levels: Literal["all", "top"] = "all"
    """Of roads on top of each other in the geometry: all, or the topmost (the default of the wire; facts from before
    there was a choice meant all)."""
    layers: tuple[int, ...] = ()
    """Not empty: only roads of these levels."""
    slow_factor: float | None = None
    """The share of their speed at which the roads are driven; None = closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureLifted(Event):
    closure_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTurned(Event):
    """The node's clock was wrong and was set right: a moment later than `was_ms` it was `received_ms`.

    What was written in between is ahead of the time where the clock was ahead; without this fact it would keep its
    place, and the units with it, until the time has come.
    """

    was_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkAdopted(Event):
    """From here on the log speaks of the network with this content id."""

    network_id: str
    area: str
    software_version: str
    extent: tuple[float, float, float, float] | None = None
    """West, south, east, north of it in degrees; None in older logs: nobody said."""
    generation: int = 0
    """From here on facts are folded as this generation of the fold does it (see `live_map.state`): what it keeps beyond
    the ones before it, it does not keep of older facts, so that they fold for ever as they did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedsAdopted(Event):
    """From here on these measured speeds of the network's edges hold, and none from before.

    The counts are for people: rows said, rows that lie on the network, edges measured, edges closed among them.
    """

    speeds_id: str = ""
    """`speeds_id` of `packed`."""
    packed: str = ""
    """Edges and speeds as `roads.traffic` packs them; empty = no speeds hold."""
    rows: int = 0
    rows_matched: int = 0
    edges: int = 0
    edges_closed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceLearned(Event):
    """Drives of one profile taught how fast the city is driven; at most one a minute, by its `event_id`.

    What was known before has decayed until this minute, and these sums come to it. No later fold matches a fix again.
    """

    profile: str
    minute: int
    """Of the UTC epoch."""
    packed: str
    """Milliseconds driven and expected by node, as `roads.pace.Lesson` packs them; at most `PACKED_MAX` characters."""
    seconds: float = 0.0
    """Of driving, for people."""


PACKED_MAX = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class DriveMeasured(Event):
    """A drive is over: how long its field had said that it would take, when it began, and how long it took."""

    profile: str
    unit_id: str
    incident_id: str
    start_ms: int
    field_ms: int
    """Driving and legs on foot, by the field of the moment; nothing added."""
    took_ms: int


def speeds_id(packed: str) -> str:
    """Sixteen hex digits that name packed speeds; empty for none."""
    return hashlib.sha256(packed.encode()).hexdigest()[:16] if packed else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesAdopted(Event):
    """From here on these rules are in force; `rules` names what differs from the defaults, by group.

    Of an agency: what it does otherwise than the rest, of its policy for backup, swaps, cover, turnout and reports. Of
    a kind of unit: how old its positions may be.
    """

    rules: Mapping[str, Mapping[str, Any]]
    agency: str = ""
    kind: str = ""


KINDS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        PositionReported,
        UnitRegistered,
        UnitStatusChanged,
        CrewReported,
        WordSet,
        UnitRetired,
        DeviceAssigned,
        IncidentOpened,
        IncidentChanged,
        IncidentNoted,
        IncidentClosed,
        IncidentReopened,
        BackupRequested,
        BackupRecommended,
        DecisionMade,
        AssignmentChanged,
        TimerRaised,
        TimerAcknowledged,
        MessageSent,
        MessageSeen,
        EmergencyDeclared,
        EmergencyAcknowledged,
        EmergencyCleared,
        EmergencyClearRefused,
        AgreementMade,
        AgreementEnded,
        AidApproved,
        PlanMade,
        PlanApproved,
        PlanActivated,
        PlanCancelled,
        BeatsAdopted,
        DemandAdopted,
        ClosureAdded,
        ClosureLifted,
        ClockTurned,
        NetworkAdopted,
        SpeedsAdopted,
        PaceLearned,
        DriveMeasured,
        RulesAdopted,
    )
}
"""Every kind that changes the live map, by the name it has in the log; `custody` has the others."""
