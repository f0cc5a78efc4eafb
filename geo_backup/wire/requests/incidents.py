"""Incidents, the backup they ask for and who is sent, as they are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from geo_backup.events import AssignmentState, Mode, Need
from geo_backup.wire.requests.request import (
    Id,
    Lat,
    Lon,
    PlaceWords,
    Priority,
    ProfileName,
    Request,
    Text,
    Time,
    Word,
)

AlarmLevel = Annotated[int, Field(ge=1, le=9)]
Callback = Annotated[str, Field(max_length=64)]


class NewIncident(Request):
    """Somebody needs help at a place, or where a unit is."""

    incident_id: Id | None = None
    lon: Lon | None = None
    lat: Lat | None = None
    for_unit_id: Id | None = None
    pinned: bool = False
    priority: Priority
    kind: Annotated[str, Field(max_length=64)] = ""
    note: Text = ""
    profile: ProfileName = "response"
    exercise: bool = False
    agency: Annotated[str, Field(max_length=64)] = ""
    level: AlarmLevel = 1
    place: PlaceWords = ""
    callback: Callback = ""


class IncidentPatch(Request):
    """What changes of an incident; what is left out stays."""

    lon: Lon | None = None
    lat: Lat | None = None
    priority: Priority | None = None
    kind: Annotated[str, Field(max_length=64)] | None = None
    note: Text | None = None
    profile: ProfileName | None = None
    pinned: bool | None = None
    level: AlarmLevel | None = None
    agency: Annotated[str, Field(max_length=64)] | None = None
    place: PlaceWords | None = None
    callback: Callback | None = None


class NewNote(Request):
    """Something that is said of an incident."""

    note_id: Id | None = None
    text: Annotated[str, Field(min_length=1, max_length=2_000)]


class NeedRow(Request):
    """So many units of a capability."""

    capability: Word
    count: Annotated[int, Field(ge=1, le=50)] = 1
    need: Literal["must", "want"] = "must"
    substitutes: Annotated[list[Word], Field(max_length=16, default_factory=list)]
    staged: Annotated[bool, Field(description="They wait near the scene until they are called in.")] = False

    def as_need(self) -> Need:
        """As the events have it."""
        return Need(self.capability, self.count, self.need, tuple(self.substitutes), self.staged)


class BackupCall(Request):
    """What backup is asked for: one of requirement, run_card and units, or what stands."""

    mode: Mode | None = None
    requirement: Annotated[list[NeedRow], Field(max_length=32)] | None = None
    run_card: Annotated[str, Field(max_length=64)] | None = None
    several: bool | None = Field(None, description="One unit may fill several needs.")
    arrive_by: Time | None = None
    units: Annotated[int, Field(ge=1, le=50)] | None = Field(None, description="How many units, whatever they are.")
    again: bool = Field(False, description="Who came and has left does not count towards it.")


class NewAssignment(Request):
    """Who is sent, and what was looked at when it was decided."""

    unit_id: Id
    as_of_seq: Annotated[int, Field(ge=0)] | None = None
    as_of_time: Time | None = None
    replaces: Id | None = None
    preempt: bool = False
    reason: Text = ""
    decision_id: Id | None = None


class AssignmentPatch(Request):
    """How far a unit has come."""

    state: AssignmentState
    at: Time | None = None
