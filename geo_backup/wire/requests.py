"""What other programs may send over HTTP, decoded strictly: ranges on every number, unknown fields refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from geo_backup import events as e
from geo_backup.events import AssignmentState, Mode, Need, UnitStatus
from geo_backup.wire.times import to_ms


def _time(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 time with offset, such as 2026-11-23T12:00:00Z")
    ms = to_ms(value)
    if not e.TIME_MS[0] <= ms <= e.TIME_MS[1]:
        raise ValueError("must lie between 1970 and 2100")
    return ms


Id = Annotated[str, Field(pattern=e.ID_PATTERN)]
Time = Annotated[int, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Lon = Annotated[float, Field(ge=e.LON_DEG[0], le=e.LON_DEG[1])]
Lat = Annotated[float, Field(ge=e.LAT_DEG[0], le=e.LAT_DEG[1])]
Priority = Annotated[int, Field(ge=e.PRIORITY[0], le=e.PRIORITY[1])]
Level = Annotated[int, Field(ge=e.LEVEL[0], le=e.LEVEL[1])]
Text = Annotated[str, Field(max_length=2_000)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
ProfileName = Annotated[str, Field(max_length=64, description="One of the map's profiles; `/healthz` lists them.")]


_UNKNOWN = "From {:g} to {:g}; what lies outside (as -1 does) is unknown: the place counts without it."


class Request(BaseModel):
    """Base: strict types, no NaN, no unknown field."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Position(Request):
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
    positions: Annotated[list[Position], Field(max_length=1_000)]


class UnitDescription(Request):
    callsign: Word
    agency: Word
    kind: Word
    capabilities: Annotated[list[Word], Field(max_length=64)]
    home: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None


class StatusChange(Request):
    status: UnitStatus
    at: Time | None = None
    note: Text = ""


class MemberRow(Request):
    capabilities: Annotated[list[Word], Field(max_length=64)] = []
    member_id: Annotated[str, Field(max_length=64)] = ""


class CrewReport(Request):
    crew: Annotated[list[MemberRow], Field(max_length=32)]
    shift_ends: Time | None = None
    rest_until: Time | None = None


class NewIncident(Request):
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
    level: Annotated[int, Field(ge=1, le=9)] = 1


class IncidentPatch(Request):
    lon: Lon | None = None
    lat: Lat | None = None
    priority: Priority | None = None
    kind: Annotated[str, Field(max_length=64)] | None = None
    note: Text | None = None
    profile: ProfileName | None = None
    pinned: bool | None = None


class NeedRow(Request):
    capability: Word
    count: Annotated[int, Field(ge=1, le=50)] = 1
    need: Literal["must", "want"] = "must"
    substitutes: Annotated[list[Word], Field(max_length=16)] = []
    staged: Annotated[bool, Field(description="They wait near the scene until they are called in.")] = False

    def as_need(self) -> Need:
        """As the events have it."""
        return Need(self.capability, self.count, self.need, tuple(self.substitutes), self.staged)


class BackupCall(Request):
    mode: Mode | None = None
    requirement: Annotated[list[NeedRow], Field(max_length=32)] | None = None
    run_card: Annotated[str, Field(max_length=64)] | None = None
    several: bool | None = Field(None, description="One unit may fill several needs.")
    arrive_by: Time | None = None
    units: Annotated[int, Field(ge=1, le=50)] | None = Field(None, description="How many units, whatever they are.")


class NewAssignment(Request):
    unit_id: Id
    as_of_seq: Annotated[int, Field(ge=0)] | None = None
    as_of_time: Time | None = None
    replaces: Id | None = None
    preempt: bool = False
    reason: Text = ""
    decision_id: Id | None = None


class AssignmentPatch(Request):
    state: AssignmentState
    at: Time | None = None


class NewClosure(Request):
    closure_id: Id | None = None
    geometry: dict[str, Any]
    buffer_m: Annotated[float, Field(ge=e.BUFFER_M[0], le=e.BUFFER_M[1])] = 0.0
    reason: Text
    valid_from: Time | None = None
    valid_to: Time | None = None
    applies_to: Literal["all", "routine"] = "all"
    levels: Literal["top", "all"] | Annotated[list[Level], Field(min_length=1, max_length=11)] | None = Field(
        None,
        description="Which roads a shape means where they lie on top of each other: `top` (default), `all`, or levels.",
    )
    slow_factor: Annotated[float, Field(ge=e.SLOW_FACTOR[0], le=e.SLOW_FACTOR[1])] | None = Field(
        None, description="The share of their speed at which the roads can still be driven; left out: closed."
    )


class EtasQuestion(Request):
    target: Annotated[list[float], Field(min_length=2, max_length=2)]
    starts: Annotated[list[Annotated[list[float], Field(min_length=2, max_length=3)]], Field(max_length=10_000)]
    profile: ProfileName = "response"


class ReplayControl(Request):
    playing: bool | None = None
    speed: Annotated[float, Field(gt=0, le=600)] | None = None
    time: Time | None = None


class EmergencyCall(Request):
    unit_id: Id
    lon: Lon | None = None
    lat: Lat | None = None
    source: Literal["device", "phone", "tak", "api", "desk"] = "api"
    emergency_id: Id | None = None
    exercise: bool = False


class Acknowledgement(Request):
    by: Word


class EmergencyClear(Request):
    by: Literal["unit", "supervisor"]
    word: Word | None = None
    who: Annotated[str, Field(max_length=64)] = ""
    reason: Text = ""


class NewWord(Request):
    word: Annotated[str, Field(min_length=4, max_length=64)]


class NewAgreement(Request):
    agreement_id: Id | None = None
    lender: Word
    borrower: Word
    aid: Literal["automatic", "mutual"]
    kinds: Annotated[list[Word], Field(max_length=64)] = []
    max_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    hours: Annotated[
        list[Annotated[int, Field(ge=0, le=23)]],
        Field(max_length=24, description="Hours of the local day in which it holds; none: all."),
    ] = []
    positions: Annotated[
        Literal["exact"],
        Field(description="How exactly partners see the units. Nothing else is enforced, so nothing else is taken."),
    ] = "exact"


class AidApproval(Request):
    agency: Word
    by: Word


class NewPost(Request):
    post_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:-]{1,20}$")]
    lon: Lon
    lat: Lat
    needs: Annotated[list[NeedRow], Field(min_length=1, max_length=16)]
    arrive_by: Time | None = None


class NewPlan(Request):
    plan_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_:-]{1,40}$")] | None = None
    name: Word
    kind: Literal["operation", "presence"] = "operation"
    arrive_by: Time
    ends: Time
    priority: Priority = 3
    posts: Annotated[list[NewPost], Field(min_length=1, max_length=20)]
    several: bool = False
    agency: Annotated[str, Field(max_length=64)] = ""
    note: Text = ""
    exercise: bool = False


class ByWhom(Request):
    by: Word


class PlanReason(Request):
    reason: Text = ""
