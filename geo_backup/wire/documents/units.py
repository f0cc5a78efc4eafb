"""Units as documents: who they are, and as GeoJSON where they are."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from geo_backup import live_map
from geo_backup.events import Source, UnitStatus
from geo_backup.live_map.discipline import Discipline, discipline
from geo_backup.live_map.freshness import at_post, freshness, limits_ms
from geo_backup.live_map.turnout import Expected, expected, measured, measured_of, of_kind
from geo_backup.rules import FreshnessRules, Rules
from geo_backup.wire.documents.geojson import Point
from geo_backup.wire.times import to_text


class Aboard(TypedDict):
    """One of a crew; who it is, is not told."""

    capabilities: list[str]


class Unit(TypedDict):
    """A unit without its position."""

    unit_id: str
    callsign: str
    agency: str
    kind: str
    discipline: Discipline
    capabilities: list[str]
    home: list[float] | None
    status: UnitStatus
    status_time: str
    source: Source
    incident_id: str | None
    emergency_id: str | None
    off_map: bool
    device_id: str
    hidden: NotRequired[bool]
    calls: int
    crew: list[Aboard] | None
    shift_ends: str | None
    rest_until: str | None
    inside: list[str]
    inside_since: list[str]


class Device(TypedDict):
    """A tracker: whose it is, and how it was last heard here."""

    device_id: str
    unit_id: str | None
    pinned_address: str
    shown: bool
    way: str
    address: str
    heard_time: str | None
    messages: int
    clock_behind_s: float | None
    flags: list[str]


class DeviceList(TypedDict):
    """Trackers."""

    devices: list[Device]


class Turnouts(TypedDict):
    """How many a turnout is learned from."""

    own: int
    of_kind: int


class UnitProperties(Unit):
    """A unit, and what its last fix says beside the place."""

    fix_time: str | None
    age_s: float | None
    speed_mps: float | None
    course_deg: float | None
    accuracy_m: float | None
    freshness: str
    turnout_s: float
    turnout_p90_s: float
    turnout_from: Literal["rule", "learned"]
    turnouts: Turnouts


class UnitFeature(TypedDict):
    """A unit at the place that its last fix says; `geometry` is null where there is none."""

    type: Literal["Feature"]
    id: str
    geometry: Point | None
    properties: UnitProperties


class UnitCollection(TypedDict):
    """Units as GeoJSON."""

    type: Literal["FeatureCollection"]
    features: list[UnitFeature]


class Limits(TypedDict):
    """Ages beyond which a position is no longer live, delayed, stale."""

    moving_ms: list[int]
    parked_ms: list[int]


class FreshnessLimits(Limits):
    """Those limits for the whole fleet, and by kind of unit where they are others."""

    kinds: dict[str, Limits]


class RefusedRow(TypedDict):
    """A position that was not logged."""

    index: int
    reason: str
    field: str


class IgnoredRow(TypedDict):
    """A position that was logged and moved nobody."""

    index: int
    reason: str


class UnknownField(TypedDict):
    """A value beside a place that cannot be true; the place counts without it."""

    index: int
    field: str


class NotDeclared(TypedDict):
    """A press that could not be taken."""

    unit_id: str
    reason: str


class PositionsTaken(TypedDict):
    """What became of a request's positions."""

    accepted: int
    refused: list[RefusedRow]
    ignored: list[IgnoredRow]
    seq: int | None
    unknown: NotRequired[list[UnknownField]]
    emergencies: NotRequired[list[str]]
    unrecorded: NotRequired[list[str]]
    not_declared: NotRequired[list[NotDeclared]]


def unit(unit: live_map.Unit) -> Unit:
    """A unit in the feed: everything but its position."""
    told: Unit = {
        "unit_id": unit.unit_id,
        "callsign": unit.callsign,
        "agency": unit.agency,
        "kind": unit.kind,
        "discipline": discipline(unit.kind, unit.capabilities, unit.agency),
        "capabilities": list(unit.capabilities),
        "home": list(unit.home) if unit.home is not None else None,
        "status": unit.status,
        "status_time": to_text(unit.status_ms),
        "source": unit.source,
        "incident_id": unit.incident_id,
        "emergency_id": unit.emergency_id,
        "off_map": unit.off_map,
        "device_id": unit.device_id,
        "calls": unit.calls,
        "crew": None if unit.crew is None else [{"capabilities": list(m.capabilities)} for m in unit.crew],
        "shift_ends": None if unit.shift_ends_ms is None else to_text(unit.shift_ends_ms),
        "rest_until": None if unit.rest_until_ms is None else to_text(unit.rest_until_ms),
        "inside": list(unit.inside),
        "inside_since": [to_text(ms) for ms in unit.inside_ms],
    }
    if unit.hidden:
        told["hidden"] = True
    return told


def position(unit: live_map.Unit) -> list[float | None] | None:
    """[lon, lat, speed_mps, course_deg, fix_ms, parked] of the feed."""
    fix = unit.fix
    return None if fix is None else [fix.lon, fix.lat, fix.speed_mps, fix.course_deg, fix.fix_ms, int(unit.parked)]


def freshness_limits(rules: Rules) -> FreshnessLimits:
    """For a viewer: the ages in ms beyond which a position is no longer live, delayed, stale; by kind of unit where
    they are others than for the rest."""

    def limits(of: FreshnessRules) -> Limits:
        return {"moving_ms": list(limits_ms(of, False)), "parked_ms": list(limits_ms(of, True))}

    own = sorted(kind for kind, groups in rules.kinds.items() if "freshness" in groups)
    kinds = {kind: limits(rules.of_kind(kind).freshness) for kind in own}
    return {**limits(rules.freshness), "kinds": kinds}


def unit_feature(on: live_map.LiveMap, unit_: live_map.Unit, now_ms: int) -> UnitFeature:
    """A unit as a GeoJSON feature: the fix as reported, never the snapped place."""
    fix = unit_.fix
    age_ms, rules = now_ms - unit_.order_ms, on.rules.of_kind(unit_.kind).freshness
    turnout = _turnout(on, unit_)
    without = "live" if at_post(fix is not None, unit_.home, unit_.status) else "lost"
    return {
        "type": "Feature",
        "id": unit_.unit_id,
        "geometry": None if fix is None else {"type": "Point", "coordinates": [fix.lon, fix.lat]},
        "properties": {
            **unit(unit_),
            "fix_time": None if fix is None else to_text(fix.fix_ms),
            "age_s": None if fix is None else max(age_ms, 0) / 1000,
            "speed_mps": None if fix is None else fix.speed_mps,
            "course_deg": None if fix is None else fix.course_deg,
            "accuracy_m": None if fix is None else fix.accuracy_m,
            "freshness": without if fix is None else freshness(age_ms, unit_.parked, rules),
            "turnout_s": turnout.median_ms / 1000,
            "turnout_p90_s": turnout.p90_ms / 1000,
            "turnout_from": "learned" if turnout.own or turnout.of_kind else "rule",
            "turnouts": {"own": turnout.own, "of_kind": turnout.of_kind},
        },
    }


def _turnout(on: live_map.LiveMap, unit_: live_map.Unit) -> Expected:
    """How long its crew would take if it were sent as it is."""
    rules = on.rules.of(unit_.agency)
    if unit_.status == "out_of_service":
        return Expected(rules.turnout.on_call_ms, rules.turnout.on_call_ms)
    alike = on.turnouts.get(of_kind(unit_.status, unit_.kind), ())
    return expected(unit_.status, measured_of(unit_), measured(alike), rules)
