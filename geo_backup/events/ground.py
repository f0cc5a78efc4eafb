"""Facts about what holds for all: beats and demand, closures, the map, speeds, pace, the clock and the rules."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from geo_backup.events.fact import Event


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


PACKED_MAX = 262_144


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
