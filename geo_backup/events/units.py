"""Facts about units: where they are, who they are, what they do, who is aboard and which trackers are theirs."""

from __future__ import annotations

from dataclasses import dataclass

from geo_backup.events.fact import Event, Fix, Member, Source, UnitStatus


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
