"""Units and their positions, as they are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from geo_backup import events as e
from geo_backup.events import UnitStatus
from geo_backup.wire.requests.request import Id, Lat, Lon, Request, Text, Time, Word

_UNKNOWN = "From {:g} to {:g}; what lies outside (as -1 does) is unknown: the place counts without it."


class Position(Request):
    """Where a unit was, as its receiver says."""

    unit_id: Id
    fix_time: Time
    lon: Lon
    lat: Lat
    speed_mps: Annotated[float, Field(description=_UNKNOWN.format(*e.SPEED_MPS))] | None = None
    course_deg: Annotated[float, Field(description=_UNKNOWN.format(*e.COURSE_DEG))] | None = None
    accuracy_m: Annotated[float, Field(description=_UNKNOWN.format(*e.ACCURACY_M) + " So is 0.")] | None = None
    device_id: Id | None = None
    alarm: Literal["sos"] | None = Field(None, description="The device's button was pressed: an officer's emergency.")


class Positions(Request):
    """At most 1,000 positions; each stands or falls alone."""

    positions: Annotated[list[Position], Field(max_length=1_000)]


class UnitDescription(Request):
    """Who a unit is."""

    callsign: Word
    agency: Word
    kind: Word
    capabilities: Annotated[list[Word], Field(max_length=64)]
    home: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    hidden: bool = False


class DeviceOwner(Request):
    """Whose tracker it is."""

    unit_id: Id
    address: Annotated[str, Field(max_length=64, description="An IP address; empty: not said.")] = ""


class StatusChange(Request):
    """What a unit is doing."""

    status: UnitStatus
    at: Time | None = None
    note: Text = ""


class UnitBackup(Request):
    """So many more units are needed where a unit is. `lon` and `lat` count where it has no position yet; `note` is said
    of the incident."""

    mode: Literal["immediate", "delayed"] = "immediate"
    units: Annotated[int, Field(ge=1, le=20)] = 1
    request_id: Id | None = Field(None, description="Sent twice with one id it is asked once.")
    note: Text = ""
    lon: Lon | None = None
    lat: Lat | None = None


class MemberRow(Request):
    """One of a crew."""

    capabilities: Annotated[list[Word], Field(max_length=64, default_factory=list)]
    member_id: Annotated[str, Field(max_length=64)] = ""


class CrewReport(Request):
    """Who is aboard; nobody: the unit is not sent."""

    crew: Annotated[list[MemberRow], Field(max_length=32)]
    shift_ends: Time | None = None
    rest_until: Time | None = None
