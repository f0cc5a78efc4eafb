"""The view: what a decision must know of the live map at one moment, frozen, so that it may cross to another thread and
be written to the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from geo_backup.events import AgreementMade, ClosureAdded, DemandAdopted, Fix, Mode, Need, SpeedsAdopted
from geo_backup.live_map import OPEN_STATES, Incident, LiveMap, Unit
from geo_backup.live_map.discipline import skills
from geo_backup.live_map.incidents import capabilities_of
from geo_backup.live_map.turnout import Turnout, measured_of, measured_of_kinds
from geo_backup.roads.pace import Pace
from geo_backup.roads.punctuality import Punctuality
from geo_backup.rules import Rules


class UnitRow(NamedTuple):
    """What a ranking must know of one unit."""

    unit_id: str
    status: str
    capabilities: tuple[str, ...]
    """Of the vehicle and of everybody aboard."""
    incident_id: str | None
    home: tuple[float, float] | None
    fixes: tuple[Fix, ...]
    order_ms: int
    parked: bool
    agency: str = ""
    kind: str = ""
    staffed: bool = True
    shift_ends_ms: int | None = None
    rest_until_ms: int | None = None
    calls: int = 0
    emergency: bool = False
    """Its own officer is in danger."""
    hidden: bool = False
    """Undercover: never sent by a recommendation, and no part of the cover."""
    turnout: Turnout | None = None
    """Its own turnouts in this status; None: there are none."""

    @property
    def skills(self) -> tuple[str, ...]:
        """Its capabilities, and what it counts for by its discipline."""
        return skills(self.capabilities, self.kind, self.agency)

    @classmethod
    def of(cls, unit: Unit) -> UnitRow:
        """The unit as it stands now."""
        return _frozen(
            cls,
            unit,
            capabilities=capabilities_of(unit),
            staffed=unit.crew is None or bool(unit.crew),
            emergency=unit.emergency_id is not None,
            turnout=measured_of(unit),
        )


class SwapMemory(NamedTuple):
    """What was so far, of a unit on its way: see `live_map.Assignment`."""

    least_left_ms: int | None = None
    offered: str = ""
    offered_ms: int | None = None


class IncidentRow(NamedTuple):
    """What a ranking must know of one incident."""

    incident_id: str
    lon: float
    lat: float
    profile: str
    for_unit_id: str | None
    requirement: tuple[Need, ...]
    assigned: tuple[tuple[str, str], ...]
    """(unit_id, state) of the units that are on it."""
    assigned_ms: tuple[int, ...] = ()
    """When each of them was sent."""
    priority: int = 3
    agency: str = ""
    mode: Mode | None = None
    several: bool = False
    approved: tuple[str, ...] = ()
    apart: bool = False
    arrive_by_ms: int | None = None
    requested_ms: int = 0
    request_id: str = ""
    opening: str = ""
    """Names this opening of the incident."""
    swap_memory: tuple[SwapMemory, ...] = ()
    """Of each of those that are on it."""
    came: tuple[tuple[str, ...], ...] = ()
    """The skills of those who came, and have left since it was asked for: what they filled stays filled."""

    @classmethod
    def of(cls, incident: Incident) -> IncidentRow:
        """The incident as it stands now."""
        here = [part for part in incident.assignments.values() if part.state in OPEN_STATES]
        return _frozen(
            cls,
            incident,
            assigned=tuple((part.unit_id, part.state) for part in here),
            assigned_ms=tuple(part.sent_ms for part in here),
            swap_memory=tuple(SwapMemory(part.least_left_ms, part.offered, part.offered_ms) for part in here),
            came=tuple(
                part.came_with
                for part in incident.assignments.values()
                if part.came_with is not None and part.at_ms >= incident.anew_ms
            ),
        )


Row = TypeVar("Row", UnitRow, IncidentRow)


def _frozen(row: type[Row], source: Unit | Incident, **derived: object) -> Row:
    """A row of what the live map has under the same names, and of what is derived from it."""
    return row._make(derived[name] if name in derived else getattr(source, name) for name in row._fields)


@dataclass(frozen=True, slots=True)
class View:
    """The live map at one moment, frozen: the units that changed since the last view, and everything else whole."""

    seq: int
    as_of_ms: int
    units: tuple[UnitRow, ...]
    gone: tuple[str, ...]
    incidents: Mapping[str, IncidentRow]
    closures: Mapping[str, ClosureAdded]
    """Those in force at `as_of_ms`."""
    rules: Rules
    speeds: SpeedsAdopted | None = None
    agreements: tuple[AgreementMade, ...] = ()
    beats: Mapping[str, object] | None = None
    demand: DemandAdopted | None = None
    pace: Mapping[str, Pace] = field(default_factory=dict)
    """What drives have taught, by profile ..."""
    punctuality: Mapping[str, Punctuality] = field(default_factory=dict)
    """... and how they kept their times."""
    turnouts: Mapping[str, Turnout] = field(default_factory=dict)
    """Of kinds of unit, by `turnout.of_kind`."""


def view(live_map: LiveMap, as_of_ms: int, unit_ids: Iterable[str] | None = None) -> View:
    """Freeze the live map at a time; of the units only those named (all when None)."""
    named = tuple(live_map.units if unit_ids is None else unit_ids)
    return View(
        live_map.seq,
        as_of_ms,
        tuple(UnitRow.of(live_map.units[unit_id]) for unit_id in named if unit_id in live_map.units),
        tuple(unit_id for unit_id in named if unit_id not in live_map.units),
        {i.incident_id: IncidentRow.of(i) for i in live_map.open_incidents()},
        {c.closure_id: c.added for c in live_map.closures.values() if c.in_force(as_of_ms)},
        live_map.rules,
        live_map.speeds,
        tuple(live_map.agreements.values()),
        live_map.beats,
        live_map.demand,
        live_map.pace,
        live_map.punctuality,
        measured_of_kinds(live_map),
    )
