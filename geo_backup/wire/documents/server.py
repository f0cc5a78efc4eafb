"""The server's own state as documents: health, rules, the replay, and what it says of an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Literal, NotRequired

from typing_extensions import TypedDict

from geo_backup.events import Source
from geo_backup.rules import GROUPS, Rules, bounds
from geo_backup.wire.documents.incidents import Pressed


class FieldError(TypedDict):
    """One thing that is wrong with a request."""

    field: str
    reason: str
    message: str
    value: NotRequired[object]
    by: NotRequired[str]
    at: NotRequired[str]
    unit_id: NotRequired[str]
    incident_id: NotRequired[str]


class Problem(TypedDict):
    """An answer that is not a success (RFC 9457). Programs read `reason`; `message` is for people and may change."""

    type: str
    title: str
    status: int
    detail: str
    instance: NotRequired[str]
    errors: list[FieldError]


class Condition(TypedDict):
    """Something that is wrong with the server, and what to do about it."""

    name: str
    words: str
    since: str


class Health(TypedDict):
    """What runs here."""

    status: Literal["ok", "degraded"]
    conditions: list[Condition]
    mode: Source
    seq: int
    epoch: str
    software_version: str
    network_id: str
    rules_id: str
    area: str
    profiles: list[str]
    open: bool


class Area(TypedDict):
    """What the page must know of the map."""

    name: str
    extent: Sequence[float]
    town: Sequence[float]
    timezone: str
    attribution: str
    licence: str
    network_id: str
    has_basemap: bool


class Readiness(TypedDict):
    """The next write will be kept, and the next incident ranked."""

    status: Literal["ready"]


class ReplayState(TypedDict):
    """Where a replay is, and how fast it goes."""

    now_ms: int
    speed: float
    playing: bool
    start_ms: int | None
    end_ms: int | None
    extent: Sequence[float] | None


class RulesInForce(TypedDict):
    """Every number people argue about, by group and name, with its default and its bounds."""

    rules_id: str
    rules: dict[str, dict[str, float | bool]]
    defaults: dict[str, dict[str, float | bool]]
    bounds: dict[str, dict[str, Sequence[float]]]
    agencies: list[str]
    kinds: list[str]


class CotTaken(TypedDict):
    """What became of a Cursor on Target event."""

    kind: Literal["position", "alert", "cancel", "other"]
    unit_id: str | None
    emergency_id: NotRequired[str | None]
    incident: NotRequired[Pressed]
    ignored: NotRequired[str | None]
    unknown: NotRequired[list[str]]
    done: NotRequired[str]


class SetAside(TypedDict):
    """One message of a tracker that nobody could use."""

    at_time: str
    way: str
    device: str
    reason: str
    message: str


class QuarantineList(TypedDict):
    """What trackers sent and nobody could use, the newest first."""

    quarantine: list[SetAside]
    total: int


def rules(standing: Rules, agency: str = "", kind: str = "") -> RulesInForce:
    """The rules as an agency or a kind of unit has them, or as they are for all."""
    usual, own = Rules(), standing.of_kind(kind) if kind else standing.of(agency)
    names = {group: fields(getattr(usual, group)) for group in GROUPS}
    return {
        "rules_id": standing.rules_id,
        "rules": {group: asdict(getattr(own, group)) for group in GROUPS},
        "defaults": {group: asdict(getattr(usual, group)) for group in GROUPS},
        "bounds": {group: {rule.name: bounds(rule) for rule in own_rules} for group, own_rules in names.items()},
        "agencies": sorted(standing.agencies),
        "kinds": sorted(standing.kinds),
    }
