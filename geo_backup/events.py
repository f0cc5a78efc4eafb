"""Every fact that may enter the log, in the past tense, with the range of each value.

An event is made once, never changed, and read for ever: a field may be added with a default, none renamed.
`event_id` names the fact (two with the same id are one fact), `received_ms` is when a node heard of it (UTC epoch),
`said_by` who said it. Positions carry no id: a fix is named by its unit, device, time and place.
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
SaidBy = Literal["desk", "unit", "avl", "node"]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStatusChanged(Event):
    unit_id: str
    status: UnitStatus
    at_ms: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRetired(Event):
    """A unit left the fleet; its assignment is cancelled."""

    unit_id: str


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


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentClosed(Event):
    """The incident is over; its assignments are cleared."""

    incident_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRequested(Event):
    """What an incident asks for, by capability and count; replaces what it asked before."""

    incident_id: str
    requirement: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRecommended(Event):
    """The first answer to an incident, as shown: kept for the record, changes nothing.

    Its `event_id` derives from the incident, so a second node's copy is the same fact.
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
class NetworkAdopted(Event):
    """From here on the log speaks of the network with this content id."""

    network_id: str
    area: str
    software_version: str


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


def speeds_id(packed: str) -> str:
    """Sixteen hex digits that name packed speeds; empty for none."""
    return hashlib.sha256(packed.encode()).hexdigest()[:16] if packed else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesAdopted(Event):
    """From here on these rules are in force; `rules` names what differs from the defaults, by group."""

    rules: Mapping[str, Mapping[str, Any]]


KINDS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        PositionReported,
        UnitRegistered,
        UnitStatusChanged,
        UnitRetired,
        IncidentOpened,
        IncidentChanged,
        IncidentClosed,
        BackupRequested,
        BackupRecommended,
        AssignmentChanged,
        ClosureAdded,
        ClosureLifted,
        NetworkAdopted,
        SpeedsAdopted,
        RulesAdopted,
    )
}
"""Every kind by the name it has in the log."""
