"""Profile: one way of driving, and the weights it gives to a network's edges and turns.

The network holds facts; what a vehicle may do with them, and how long it takes, is judged here by the numbers of a
profile. Those stand in TOML files, in `profiles/` beside this module and beside a map, where people can argue about
them; `profiles/README.md` explains every key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np

from geo_backup.errors import MapError, ProfileError
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.network import TURN_KIND_MASK, EdgeFlag, RoadNetwork, TurnFlag, TurnKind, WayClass, WayFlag
from geo_backup.roads.profile_file import forms_of, number, per, read_tables

CLOSED_MS = INF_MS
"""Weight of an edge or turn that may not be used; searches skip it and never add it up."""

BUILT_IN = Path(__file__).parent / "profiles"
"""Folder of the profiles that come with the package."""

SLOWEST_KMH = 3.0
"""Nothing is weighed slower than this, so that a time is finite for a unit that stands where it may not drive."""

_MIRRORED = {
    TurnKind.SLIGHT_LEFT: TurnKind.SLIGHT_RIGHT,
    TurnKind.SLIGHT_RIGHT: TurnKind.SLIGHT_LEFT,
    TurnKind.LEFT: TurnKind.RIGHT,
    TurnKind.RIGHT: TurnKind.LEFT,
    TurnKind.SHARP_LEFT: TurnKind.SHARP_RIGHT,
    TurnKind.SHARP_RIGHT: TurnKind.SHARP_LEFT,
}


@dataclass(frozen=True, kw_only=True)
class Vehicle:
    """Its size, which no siren makes smaller: a road with a lower limit is closed to it; and its top speed."""

    height_m: float = number(0, 6)
    width_m: float = number(0, 6)
    weight_t: float = number(0, 100)
    top_kmh: float = number(3, 250)


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast it drives, between junctions."""

    limit_share: float = number(0.3, 1.5)
    """Share of a posted limit that is driven on average."""
    exceed_factor: float = number(1, 2)
    """How much faster than other traffic it drives."""
    exceed_most_kmh: float = number(0, 100)
    """Above a posted limit, at most by this."""
    congestion_share: float = number(0, 1)
    """Share of the delay by `hours`, or by measured traffic, that it suffers."""
    roundabout_kmh: float = number(3, 100)
    private_kmh: float = number(3, 100)
    pedestrian_kmh: float = number(3, 50)
    unpaved_factor: float = number(0.1, 1)


@dataclass(frozen=True, kw_only=True)
class Junction:
    """Expected seconds lost at what stands at a junction, besides the turn itself."""

    signal_s: float = number(0, 300)
    stop_s: float = number(0, 300)
    """At a stop or give-way sign, entering a roundabout included."""
    mini_roundabout_s: float = number(0, 300)
    level_crossing_s: float = number(0, 900)
    turn_round_s: float = number(0, 300)
    """Turning round in the middle of a two-way street."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where it may go that an ordinary car may not, and what that costs."""

    bus_lanes: bool
    pedestrian_streets: bool
    emergency_ways: bool
    """Roads and crossovers open to emergency vehicles only."""
    routine_closures: bool
    """Passes a closure that applies to routine driving."""
    restricted_turns: bool
    """Takes turns that a restriction forbids."""
    restricted_turn_s: float = number(0, 600)
    exempt_turns: bool
    """Turns whose restriction excepts emergency vehicles are free."""
    gate_s: float = number(0, 3600)
    """To open a gate, lift gate or bollard; whether the road behind it may be driven, its other facts say."""
    private_leave_s: float = number(0, 600)
    """For coming out of a private road: it serves its own destinations, not those who pass through."""


@dataclass(frozen=True, kw_only=True)
class Contraflow:
    """Against a one-way street: never on motorways and trunk roads, whatever stands here."""

    allowed: bool
    longest_m: float = number(0, 150)
    """Length of the one-way stretch; a map holds none longer than 150 m."""
    kmh: float = number(3, 100)
    penalty_s: float = number(0, 600)
    dual_carriageways: bool


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One way of driving; every number is a default that an agency may change in a file of its own."""

    name: str
    about: str
    vehicle: Vehicle
    speed: Speed
    class_kmh: Mapping[WayClass, float] = per(WayClass, 0, 200)
    """Speed where no limit is posted; 0 = does not drive on such roads."""
    cap_kmh: Mapping[WayClass, float] = per(WayClass, 0, 250)
    """How far exceeding goes at most, whatever the limit says."""
    hours: Mapping[WayClass, tuple[float, ...]] = per(WayClass, 0.1, 2, values=24)
    """Speed of traffic in each hour of the local day, as a factor."""
    turn_s: Mapping[TurnKind, float] = per(TurnKind, 0, 120)
    """Lost by slowing down, looking and speeding up again at a junction, where one drives on the right."""
    junction: Junction
    access: Access
    contraflow: Contraflow

    @cached_property
    def profile_id(self) -> str:
        """Sixteen hex digits that name these exact numbers, whatever the profile is called."""
        values = [
            (key, sorted((int(k), v) for k, v in value.items()) if isinstance(value, Mapping) else astuple(value))
            for key, value in sorted(self.__dict__.items())
            if key not in ("name", "about")
        ]
        return hashlib.sha256(repr(values).encode()).hexdigest()[:16]

    @property
    def u_turn_ms(self) -> int:
        """Turning round in the middle of a two-way street."""
        return round(self.junction.turn_round_s * 1_000)

    @property
    def timeless(self) -> bool:
        """Whether every hour of the day is the same to it."""
        return all(factor == 1.0 for day in self.hours.values() for factor in day)


FORMS = forms_of(Profile)
"""The tables of a profile's file, with the range of every number."""


def load_profile(path: Path | str) -> Profile:
    """The profile of a TOML file, called as the file is. `extends` looks beside it first, then in the package.

    Raises `ProfileError` that names the file, the key and the remedy.
    """
    return Profile(**read_tables(Path(path), FORMS, BUILT_IN))


MOST_PROFILES = 50
"""Files in one folder: a server keeps the weights of every profile that is asked for."""


def _in_folder(folder: Path) -> dict[str, Profile]:
    paths = sorted(path for path in folder.glob("*.toml") if not path.name.startswith("."))
    if len(paths) > MOST_PROFILES:
        raise ProfileError(f"{folder} holds {len(paths)} profiles; at most {MOST_PROFILES} are read. Take some away.")
    return {path.stem: load_profile(path) for path in paths}


def profiles_of(network: RoadNetwork) -> Mapping[str, Profile]:
    """Profiles by name: those of the package and those in `profiles/` of the map's folder, which go before.

    The files are read anew. Raises `ProfileError` as `load_profile` does.
    """
    own = _in_folder(network.folder / "profiles") if network.folder is not None else {}
    return MappingProxyType({**PROFILES, **own})


PROFILES: Mapping[str, Profile] = MappingProxyType(_in_folder(BUILT_IN))
"""The profiles of the package by name."""
ROUTINE = PROFILES["routine"]
"""A legal car."""
RESPONSE = PROFILES["response"]
"""Lights and siren: still slows down at red lights, never drives against a motorway or a dual carriageway."""


def hour_of(as_of_ms: int, timezone: str) -> int:
    """Hour of the local day, 0 to 23, at a time (UTC epoch) in an IANA zone.

    Raises `MapError` for a zone nobody knows.
    """
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise MapError(
            f"{timezone!r} is no IANA time zone; write one such as Europe/Stockholm into area.toml"
        ) from None
    return datetime.fromtimestamp(as_of_ms // 1_000, UTC).astimezone(zone).hour


def edge_kmh(
    network: RoadNetwork, profile: Profile, hour: int | None = None, measured_kmh: Array | None = None
) -> Array:
    """km/h float64[E] at which each edge is driven.

    `hour` 0 to 23 of the local day takes the profile's `hours` in (another is a `ValueError`); None = traffic flows
    freely. `measured_kmh` float64[E], above 0, is what traffic drives now, in place of what the hour expects; NaN where
    nobody knows.
    """
    way = network.edge_way
    klass = np.asarray(network.way_class)[way]
    flags = np.asarray(network.edge_flags)
    way_flags = np.asarray(network.way_flags)[way]
    limit = np.asarray(network.way_maxspeed_kmh)[way, network.edge_against.astype(np.intp)].astype(np.float64)
    speed = profile.speed

    def has(flag: EdgeFlag) -> Array:
        held: Array = (flags & int(flag)) != 0
        return held

    stated = limit > 0
    free_kmh = np.where(stated, limit * speed.limit_share, _by_class(profile.class_kmh)[klass])
    traffic, measured = np.ones(network.edges), np.zeros(network.edges, np.bool_)
    if hour is not None:
        if not 0 <= hour < 24:
            raise ValueError(f"hour is 0 to 23, not {hour}")
        traffic = _by_class({key: day[hour] for key, day in profile.hours.items()})[klass]
    if measured_kmh is not None:
        measured = ~np.isnan(measured_kmh)
        # where others speed, nobody has to; where they are faster than was thought, the thought was wrong
        legal_kmh = np.where(stated, np.minimum(measured_kmh, limit), measured_kmh)
        free_kmh = np.where(measured, np.maximum(free_kmh, legal_kmh), free_kmh)
        traffic = np.divide(legal_kmh, free_kmh, out=traffic, where=measured)
    kmh = free_kmh * speed.exceed_factor / (1.0 + speed.congestion_share * (1.0 / traffic - 1.0))
    kmh = np.where(stated, np.minimum(kmh, limit + speed.exceed_most_kmh), kmh)
    # the cap bounds exceeding: where the limit itself is higher, what a legal car may drive a siren may too
    kmh = np.minimum(kmh, np.maximum(_by_class(profile.cap_kmh)[klass], free_kmh))
    kmh = np.where((way_flags & WayFlag.ROUNDABOUT) != 0, np.minimum(kmh, speed.roundabout_kmh), kmh)
    # (what was measured on gravel was measured on gravel)
    kmh = np.where(((way_flags & WayFlag.UNPAVED) != 0) & ~measured, kmh * speed.unpaved_factor, kmh)
    kmh = np.where(has(EdgeFlag.PRIVATE), np.minimum(kmh, speed.private_kmh), kmh)
    kmh = np.where(has(EdgeFlag.PEDESTRIAN), np.minimum(kmh, speed.pedestrian_kmh), kmh)
    kmh = np.where(has(EdgeFlag.AGAINST_ONEWAY), np.minimum(kmh, profile.contraflow.kmh), kmh)
    out: Array = np.clip(kmh, SLOWEST_KMH, profile.vehicle.top_kmh)
    return out


def held_ms(network: RoadNetwork, profile: Profile) -> Array:
    """Milliseconds float64[E] lost on each edge besides driving: at a gate, and for facing a one-way street."""
    flags = np.asarray(network.edge_flags)
    against = (flags & int(EdgeFlag.AGAINST_ONEWAY)) != 0
    gate = (flags & int(EdgeFlag.GATE)) != 0
    out: Array = against * (profile.contraflow.penalty_s * 1_000.0) + gate * (profile.access.gate_s * 1_000.0)
    return out


def edge_ms(network: RoadNetwork, profile: Profile, hour: int | None = None) -> tuple[Array, Array]:
    """Milliseconds int32[E] of driving each edge, and whether the profile may enter it (bool[E]); `hour` as above."""
    way = network.edge_way
    klass = np.asarray(network.way_class)[way]
    flags = np.asarray(network.edge_flags)
    way_flags = np.asarray(network.way_flags)[way]
    length_m = network.edge_length_m.astype(np.float64)
    access, contraflow = profile.access, profile.contraflow
    ms = length_m * 3600.0 / edge_kmh(network, profile, hour) + held_ms(network, profile)

    def has(flag: EdgeFlag) -> Array:
        held: Array = (flags & int(flag)) != 0
        return held

    against = has(EdgeFlag.AGAINST_ONEWAY)
    # a private bus lane or pedestrian street is one all the same: only what a profile is let into opens it
    usable = has(EdgeFlag.LEGAL) | (has(EdgeFlag.PRIVATE) & ~has(EdgeFlag.BUS) & ~has(EdgeFlag.PEDESTRIAN))
    if access.bus_lanes:
        usable |= has(EdgeFlag.BUS)
    if access.pedestrian_streets:
        usable |= has(EdgeFlag.PEDESTRIAN)
    if access.emergency_ways:
        usable |= has(EdgeFlag.EMERGENCY)
    usable &= ~against
    if contraflow.allowed:
        # head-on at speed is not a risk any time saved is worth
        fast = klass <= WayClass.TRUNK_LINK
        if not contraflow.dual_carriageways:
            fast |= (way_flags & WayFlag.DUAL_CARRIAGEWAY) != 0
        stretch_m = np.bincount(way[against], length_m[against], minlength=len(network.way_class))
        usable |= against & ~fast & (stretch_m[way] < contraflow.longest_m + 0.5)
    usable &= _by_class(profile.class_kmh)[klass] > 0
    usable &= fits(network, profile.vehicle)
    out = np.clip(np.rint(ms), 1, CLOSED_MS - 1).astype(np.int32)
    return out, usable


def turn_ms(network: RoadNetwork, profile: Profile) -> Array:
    """Milliseconds int32[T] of each turn, CLOSED_MS where it may not be taken."""
    junction, access = profile.junction, profile.access
    # what every combination of facts costs, the network's turns then look it up
    facts = np.arange(int(network.turn_facts.max(initial=0)) + 1)

    def has(flag: TurnFlag) -> Array:
        held: Array = (facts & int(flag)) != 0
        return held

    kinds = np.zeros(TURN_KIND_MASK + 1)
    for kind in TurnKind:
        kinds[kind] = profile.turn_s[kind if network.area.drives_on != "left" else _MIRRORED.get(kind, kind)]
    kind_of = facts & TURN_KIND_MASK
    banned = has(TurnFlag.RESTRICTED)
    if access.exempt_turns:
        banned &= ~has(TurnFlag.EMERGENCY_EXEMPT)
    # a bend of one road costs nothing, turning round does wherever it is done
    lost_s = np.where(has(TurnFlag.ONTO_JUNCTION) | (kind_of == TurnKind.U_TURN), kinds[kind_of], 0.0)
    for where, each_s in (
        (has(TurnFlag.SIGNALS), junction.signal_s),
        (has(TurnFlag.STOP) & ~has(TurnFlag.SIGNALS), junction.stop_s),
        (has(TurnFlag.MINI_ROUNDABOUT), junction.mini_roundabout_s),
        (has(TurnFlag.LEVEL_CROSSING), junction.level_crossing_s),
        (banned, access.restricted_turn_s),
    ):
        lost_s = lost_s + np.where(where, each_s, 0.0)
    costs_ms = np.rint(lost_s * 1_000.0).astype(np.int32)
    if not access.restricted_turns:
        costs_ms[banned] = CLOSED_MS
    out: Array = costs_ms[network.turn_facts]
    private = (np.asarray(network.edge_flags) & int(EdgeFlag.PRIVATE)) != 0
    out[private[network.turn_from] & ~private[network.turn_to]] += round(access.private_leave_s * 1_000.0)
    return np.minimum(out, CLOSED_MS)


def fits(network: RoadNetwork, vehicle: Vehicle) -> Array:
    """bool[E]: edges whose height, width and weight limits let the vehicle through."""
    limits = np.asarray(network.way_limits)
    size = np.rint([vehicle.height_m * 10.0, vehicle.width_m * 10.0, vehicle.weight_t * 10.0])
    sides = [limits[:, :3], limits[:, -3:]]  # one and the same where no direction has its own
    along, against = (((side == 0) | (size <= side)).all(axis=1)[network.edge_way] for side in sides)
    out: Array = np.where(network.edge_against, against, along)
    return out


def _by_class(values: Mapping[WayClass, float]) -> Array:
    table: Array = np.full(256, values[WayClass.UNKNOWN])
    for key, value in values.items():
        table[key] = value
    return table
