"""Profile: one way of driving, and the weights it gives to a network's edges and turns.

The network holds facts; what a vehicle may do with them, and how long it takes, is judged here. Two profiles are
built in: ROUTINE is a legal car, RESPONSE drives with lights and siren: it still slows down at red lights and never
drives against a motorway or a dual carriageway.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from geo_backup.roads.network import (
    TURN_KIND_MASK,
    Array,
    EdgeFlag,
    RoadNetwork,
    TurnFlag,
    TurnKind,
    WayClass,
    WayFlag,
)
from geo_backup.roads.search import INF_MS

CLOSED_MS = INF_MS
"""Weight of an edge or turn that may not be used; searches skip it and never add it up."""

# Free-flow speeds where the source states no limit, in km/h. They stand between OSRM's car profile (which is too
# fast by a third in cities) and the medians of recorded trips; `speeds` replaces them where tracks are at hand.
CLASS_KMH: Mapping[WayClass, float] = MappingProxyType(
    {
        WayClass.MOTORWAY: 100.0,
        WayClass.MOTORWAY_LINK: 50.0,
        WayClass.TRUNK: 80.0,
        WayClass.TRUNK_LINK: 45.0,
        WayClass.PRIMARY: 50.0,
        WayClass.PRIMARY_LINK: 40.0,
        WayClass.SECONDARY: 45.0,
        WayClass.SECONDARY_LINK: 35.0,
        WayClass.TERTIARY: 40.0,
        WayClass.TERTIARY_LINK: 30.0,
        WayClass.UNCLASSIFIED: 35.0,
        WayClass.RESIDENTIAL: 28.0,
        WayClass.LIVING_STREET: 12.0,
        WayClass.SERVICE: 15.0,
        WayClass.ROAD: 28.0,
        WayClass.TRACK: 15.0,
        WayClass.PEDESTRIAN: 10.0,
        WayClass.BUSWAY: 35.0,
        WayClass.EMERGENCY_ACCESS: 20.0,
        WayClass.UNKNOWN: 25.0,
    }
)

# How fast a response may drive at most, whatever the limit says: a vehicle among people stays slow.
RESPONSE_CAP_KMH: Mapping[WayClass, float] = MappingProxyType(
    {
        WayClass.MOTORWAY: 160.0,
        WayClass.MOTORWAY_LINK: 80.0,
        WayClass.TRUNK: 130.0,
        WayClass.TRUNK_LINK: 70.0,
        WayClass.PRIMARY: 100.0,
        WayClass.PRIMARY_LINK: 60.0,
        WayClass.SECONDARY: 90.0,
        WayClass.SECONDARY_LINK: 60.0,
        WayClass.TERTIARY: 80.0,
        WayClass.TERTIARY_LINK: 50.0,
        WayClass.UNCLASSIFIED: 80.0,
        WayClass.RESIDENTIAL: 50.0,
        WayClass.LIVING_STREET: 20.0,
        WayClass.SERVICE: 25.0,
        WayClass.ROAD: 50.0,
        WayClass.TRACK: 25.0,
        WayClass.PEDESTRIAN: 10.0,
        WayClass.BUSWAY: 60.0,
        WayClass.EMERGENCY_ACCESS: 30.0,
        WayClass.UNKNOWN: 40.0,
    }
)

# Seconds lost by slowing down, looking and speeding up again, on a junction, driving on the right; the sides are
# swapped where one drives on the left. [OSRM and Valhalla charge 5-8 s for the turn across oncoming traffic.]
TURN_MS: Mapping[TurnKind, int] = MappingProxyType(
    {
        TurnKind.STRAIGHT: 0,
        TurnKind.SLIGHT_LEFT: 500,
        TurnKind.SLIGHT_RIGHT: 500,
        TurnKind.LEFT: 5_000,
        TurnKind.RIGHT: 3_000,
        TurnKind.SHARP_LEFT: 6_500,
        TurnKind.SHARP_RIGHT: 4_500,
        TurnKind.U_TURN: 20_000,
    }
)

_MIRRORED = {
    TurnKind.SLIGHT_LEFT: TurnKind.SLIGHT_RIGHT,
    TurnKind.SLIGHT_RIGHT: TurnKind.SLIGHT_LEFT,
    TurnKind.LEFT: TurnKind.RIGHT,
    TurnKind.RIGHT: TurnKind.LEFT,
    TurnKind.SHARP_LEFT: TurnKind.SHARP_RIGHT,
    TurnKind.SHARP_RIGHT: TurnKind.SHARP_LEFT,
}


@dataclass(frozen=True)
class Profile:
    """One way of driving; every number is a default that an agency may change."""

    name: str
    class_kmh: Mapping[WayClass, float]
    """Speed where no limit is stated."""
    cap_kmh: Mapping[WayClass, float] | None
    """Highest speed by class; None = the limit alone."""
    limit_factor: float
    """Share of a stated limit that is driven on average."""
    exceed_factor: float
    """Driven speed times this, 1 = never above what traffic drives."""
    exceed_max_kmh: float
    """Never faster than the stated limit plus this."""
    turn_ms: Mapping[TurnKind, int]
    turn_factor: float
    signal_ms: int
    """Expected delay at traffic signals."""
    stop_ms: int
    """Expected delay at a stop or give-way sign."""
    u_turn_ms: int
    """Turning round in the middle of a two-way street."""
    restricted_turn_ms: int | None
    """Penalty of a turn that a restriction forbids; None = never taken."""
    exempt_turns: bool
    """Turns whose restriction excepts emergency vehicles cost no penalty."""
    contraflow_kmh: float | None
    """Speed against a short one-way; None = never."""
    contraflow_ms: int
    """Penalty on each edge driven against its one-way."""
    bus: bool
    pedestrian: bool
    pedestrian_kmh: float
    emergency_access: bool
    gate_ms: int
    """Time to open a gate, lift gate or bollard; whether the road behind it may be driven, its other facts say."""
    private_leave_ms: int
    """Penalty for coming out of a private road: it serves its own destinations, not those who pass through."""
    private_kmh: float
    roundabout_kmh: float
    unpaved_factor: float

    @property
    def profile_id(self) -> str:
        """Sixteen hex digits that name these exact numbers."""
        values = [
            (key, sorted((int(k), v) for k, v in value.items()) if isinstance(value, Mapping) else value)
            for key, value in sorted(self.__dict__.items())
        ]
        return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


ROUTINE = Profile(
    name="routine",
    class_kmh=CLASS_KMH,
    cap_kmh=None,
    limit_factor=0.85,
    exceed_factor=1.0,
    exceed_max_kmh=0.0,
    turn_ms=TURN_MS,
    turn_factor=1.0,
    signal_ms=12_000,
    stop_ms=4_000,
    u_turn_ms=25_000,
    restricted_turn_ms=None,
    exempt_turns=False,
    contraflow_kmh=None,
    contraflow_ms=0,
    bus=False,
    pedestrian=False,
    pedestrian_kmh=10.0,
    emergency_access=False,
    gate_ms=45_000,
    private_leave_ms=30_000,
    private_kmh=15.0,
    roundabout_kmh=30.0,
    unpaved_factor=0.7,
)

RESPONSE = Profile(
    name="response",
    class_kmh=CLASS_KMH,
    cap_kmh=RESPONSE_CAP_KMH,
    limit_factor=1.0,
    exceed_factor=1.25,  # free-flow factor 1.1 to 1.25 with siren; in all 0.7 of routine [Ho, Casey 1998: 0.61]
    exceed_max_kmh=25.0,  # limit + 15 mph
    turn_ms=TURN_MS,
    turn_factor=0.5,
    signal_ms=3_600,  # 0.3 of routine: slows, looks, goes
    stop_ms=1_200,
    u_turn_ms=5_000,
    restricted_turn_ms=5_000,
    exempt_turns=True,
    contraflow_kmh=20.0,
    contraflow_ms=4_000,
    bus=True,
    pedestrian=True,
    pedestrian_kmh=10.0,
    emergency_access=True,
    gate_ms=15_000,
    private_leave_ms=3_000,
    private_kmh=25.0,
    roundabout_kmh=35.0,
    unpaved_factor=0.8,
)

PROFILES: Mapping[str, Profile] = MappingProxyType({"routine": ROUTINE, "response": RESPONSE})


def edge_ms(network: RoadNetwork, profile: Profile) -> tuple[Array, Array]:
    """Milliseconds int32[E] of driving each edge, and whether the profile may enter it (bool[E])."""
    way = network.edge_way
    klass = np.asarray(network.way_class)[way]
    flags = np.asarray(network.edge_flags)
    way_flags = np.asarray(network.way_flags)[way]
    limit = np.asarray(network.way_maxspeed_kmh)[way, network.edge_against.astype(np.intp)].astype(np.float64)

    def has(flag: EdgeFlag) -> Array:
        held: Array = (flags & int(flag)) != 0
        return held

    stated = limit > 0
    kmh = np.where(stated, limit * profile.limit_factor, _by_class(profile.class_kmh)[klass]) * profile.exceed_factor
    kmh = np.where(stated, np.minimum(kmh, limit + profile.exceed_max_kmh), kmh)
    if profile.cap_kmh is not None:
        kmh = np.minimum(kmh, _by_class(profile.cap_kmh)[klass])
    kmh = np.where((way_flags & WayFlag.ROUNDABOUT) != 0, np.minimum(kmh, profile.roundabout_kmh), kmh)
    kmh = np.where((way_flags & WayFlag.UNPAVED) != 0, kmh * profile.unpaved_factor, kmh)
    kmh = np.where(has(EdgeFlag.PRIVATE), np.minimum(kmh, profile.private_kmh), kmh)
    kmh = np.where(has(EdgeFlag.PEDESTRIAN), np.minimum(kmh, profile.pedestrian_kmh), kmh)
    against = has(EdgeFlag.AGAINST_ONEWAY)
    kmh = np.where(against, np.minimum(kmh, profile.contraflow_kmh or 10.0), kmh)
    kmh = np.maximum(kmh, 3.0)

    ms = network.edge_length_m.astype(np.float64) * 3600.0 / kmh
    ms = ms + np.where(against, profile.contraflow_ms, 0) + np.where(has(EdgeFlag.GATE), profile.gate_ms, 0)

    # a private bus lane or pedestrian street is one all the same: only what a profile is let into opens it
    usable = has(EdgeFlag.LEGAL) | (has(EdgeFlag.PRIVATE) & ~has(EdgeFlag.BUS) & ~has(EdgeFlag.PEDESTRIAN))
    if profile.bus:
        usable |= has(EdgeFlag.BUS)
    if profile.pedestrian:
        usable |= has(EdgeFlag.PEDESTRIAN)
    if profile.emergency_access:
        usable |= has(EdgeFlag.EMERGENCY)
    usable &= ~against
    if profile.contraflow_kmh is not None:
        # head-on at speed is not a risk any time saved is worth
        fast = (klass <= WayClass.TRUNK_LINK) | ((way_flags & WayFlag.DUAL_CARRIAGEWAY) != 0)
        usable |= against & ~fast
    out = np.clip(np.rint(ms), 1, CLOSED_MS - 1).astype(np.int32)
    return out, usable


def turn_ms(network: RoadNetwork, profile: Profile) -> Array:
    """Milliseconds int32[T] of each turn."""
    facts = np.asarray(network.turn_facts)
    kinds = np.zeros(TURN_KIND_MASK + 1)
    for kind in TurnKind:
        source = kind if network.area.drives_on != "left" else _MIRRORED.get(kind, kind)
        kinds[kind] = profile.turn_ms[source] * profile.turn_factor
    kind_of = facts & TURN_KIND_MASK
    # a bend of one road costs nothing, turning round does wherever it is done
    looks = ((facts & TurnFlag.ONTO_JUNCTION) != 0) | (kind_of == TurnKind.U_TURN)
    ms = np.where(looks, kinds[kind_of], 0.0)
    ms += np.where((facts & TurnFlag.SIGNALS) != 0, profile.signal_ms, 0)
    ms += np.where((facts & (TurnFlag.SIGNALS | TurnFlag.STOP)) == TurnFlag.STOP, profile.stop_ms, 0)
    private = (np.asarray(network.edge_flags) & int(EdgeFlag.PRIVATE)) != 0
    ms += np.where(private[network.turn_from] & ~private[network.turn_to], profile.private_leave_ms, 0)

    banned = (facts & TurnFlag.RESTRICTED) != 0
    if profile.exempt_turns:
        banned &= (facts & TurnFlag.EMERGENCY_EXEMPT) == 0
    ms += np.where(banned, profile.restricted_turn_ms or 0, 0)
    out: Array = np.rint(ms).astype(np.int32)
    if profile.restricted_turn_ms is None:
        out[banned] = CLOSED_MS
    return out


def _by_class(values: Mapping[WayClass, float]) -> Array:
    table: Array = np.full(256, values[WayClass.UNKNOWN])
    for key, value in values.items():
        table[key] = value
    return table
