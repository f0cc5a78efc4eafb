"""Nodes: what stands at one vertex of a road and what it means to who drives over it: signals, signs, barriers.

A barrier's own access tags decide, as a driver would read them. It is passed freely, opened by whoever comes (a gate
of which nothing is said), opened for emergency vehicles alone (locked, or a bollard that can be taken out), or
passed by nobody. A vertex that is closed to cars without a word of a barrier is like a locked one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from geo_backup.cartography.limits import physical_limits

OPEN = frozenset({"yes", "permissive", "designated", "official", "public", "hov", "toll", "unknown"})
TO_GET_SOMEWHERE = frozenset(
    {"private", "destination", "customers", "delivery", "permit", "residents", "discouraged", "unloading", "employees"}
)
GRANTED = frozenset({"yes", "designated", "official", "permissive"})
"""Open in so many words, where the kind of road or thing says the opposite."""
BUSES = frozenset({"bus", "psv", "taxi", "tram"})
EMERGENCY_ONLY = frozenset(
    {"emergency", "emergency_vehicle", "emergency_vehicles", "emergency_services", "emergency_access", "emergency_only"}
)
"""Shut to all but emergency vehicles."""
SHUT = BUSES | EMERGENCY_ONLY | {
    "no", "none", "agricultural", "forestry", "military", "restricted", "closed", "hgv", "goods", "coach",
    "tourist_bus", "foot", "bicycle", "horse", "dismount", "use_sidepath", "police", "fire", "ambulance",
}  # fmt: skip
"""For somebody else, or nobody. A value in none of these sets (`customer`, `residential`, an explanation) was meant to
grant something to somebody: it is read like `private`, and the ways are counted."""


def access_values(text: str) -> frozenset[str]:
    """The values of one access tag, `destination;agricultural` being two."""
    return frozenset(value.strip() for value in text.split(";")) - {""}


class Barrier(IntEnum):
    """What it takes to pass a vertex."""

    NONE = 0
    """Nothing, or no more than slowing down."""
    GATE = 1
    """Whoever comes opens it, which takes time."""
    LOCKED = 2
    """Emergency vehicles can have it opened; a car cannot pass."""
    BLOCKED = 3
    """No vehicle passes."""
    UNKNOWN = 4
    """A kind of barrier that nobody has told us about: taken for none, and counted."""


GATES = frozenset(
    {
        "gate", "lift_gate", "swing_gate", "sliding_gate", "sliding_beam", "hampshire_gate", "bump_gate", "wicket_gate",
        "chain", "rope", "sally_port", "cable",
    }
)  # fmt: skip
NO_OBSTACLE = frozenset(
    {
        "no", "entrance", "toll_booth", "border_control", "cattle_grid", "kerb", "height_restrictor", "arch",
        "rumble_strip", "speed_bump", "avalanche_protection", "coupure", "tree", "shrub", "overgrowth", "chicane",
    }
)  # fmt: skip
"""Passed as they stand. A height restrictor's height is a limit of the road."""
OBSTACLES = frozenset(
    {
        "block", "bollard", "jersey_barrier", "cycle_barrier", "motorcycle_barrier", "wall", "fence", "hedge", "debris",
        "log", "planter", "guard_rail", "stile", "kissing_gate", "turnstile", "full-height_turnstile", "horse_stile",
        "ditch", "tank_trap", "bus_trap", "sump_buster", "stone", "hole", "bar", "delineators", "barrier_board",
    }
)  # fmt: skip
"""They stop a car unless their tags say otherwise. A bus trap lets wide vehicles over it; whether a unit is wide
enough nobody tells us, so it stops all."""

SOMETHING = "yes"
"""A barrier of which nobody says what it is: a car cannot count on passing, a siren has the key or the bolt cutter."""

THINGS = ("amenity", "entrance", "highway", "railway", "public_transport", "leisure", "shop", "tourism")
"""Keys of nodes whose access tags speak of that thing, not of the road they lie on."""

TAKEN_OUT = frozenset({"removable", "rising", "foldable", "retractable", "hinged", "flexible", "movable"})
"""Values of `bollard` (or `block`) that a key or a transponder opens."""


DARK = frozenset({"emergency", "blinker", "blink_mode"})
"""Values of `traffic_signals` of those that stop nobody on an ordinary day."""


class NodeFacts(NamedTuple):
    """What stands at a vertex. `facing` is 1 or -1 where it counts only for who drives along or against the way."""

    signals: bool = False
    stop: bool = False
    all_stop: bool = False
    """On a junction itself: who comes from any side stops."""
    level_crossing: bool = False
    mini_roundabout: bool = False
    barrier: Barrier = Barrier.NONE
    facing: int = 0
    height_dm: int = 0
    width_dm: int = 0
    """Of what can pass; 0 = no limit said."""


NOTHING = NodeFacts()


def read_node(tags: Mapping[str, str]) -> NodeFacts | None:
    """What a node's tags say to who drives over it; None when nothing."""
    highway = tags.get("highway", "")
    written = tags.get("traffic_signals:direction") or tags.get("direction") or ""
    height_dm, width_dm, _ = physical_limits(tags, bridge=False)
    crossing = highway == "crossing" and (
        tags.get("crossing") == "traffic_signals" or tags.get("crossing:signals") == "yes"
    )
    facts = NodeFacts(
        signals=(highway == "traffic_signals" or crossing) and tags.get("traffic_signals") not in DARK,
        stop=highway in ("stop", "give_way"),
        all_stop=highway == "stop" and tags.get("stop") == "all",
        level_crossing=tags.get("railway") in ("level_crossing", "tram_level_crossing"),
        mini_roundabout=highway == "mini_roundabout",
        barrier=read_barrier(tags),
        height_dm=height_dm,
        width_dm=width_dm,
    )
    return None if facts == NOTHING else facts._replace(facing={"forward": 1, "backward": -1}.get(written, 0))


def read_barrier(tags: Mapping[str, str]) -> Barrier:
    """What it takes to pass a node, by its `barrier` and access tags."""
    kind = tags.get("barrier", "")
    if not kind and any(key in tags for key in THINGS):
        return Barrier.NONE
    access = tags.get("motorcar") or tags.get("motor_vehicle") or tags.get("vehicle") or tags.get("access") or ""
    values = access_values(access)
    locked = Barrier.BLOCKED if tags.get("emergency") == "no" else Barrier.LOCKED
    if kind in OBSTACLES:
        # open to some is shut to a car of which nobody knows that it is one of them
        if values & OPEN:
            return Barrier.GATE
        let_in = any(tags.get(key) in GRANTED for key in ("emergency", "bus", "psv")) or values & EMERGENCY_ONLY
        moves = tags.get("bollard") in TAKEN_OUT or tags.get("block") in TAKEN_OUT
        return locked if let_in or moves or values - SHUT else Barrier.BLOCKED
    if values and values <= SHUT:
        return locked
    if kind in GATES or kind == SOMETHING:
        if values & OPEN:
            return Barrier.NONE
        return locked if tags.get("locked") == "yes" or (kind == SOMETHING and not values) else Barrier.GATE
    return Barrier.NONE if not kind or kind in NO_OBSTACLE else Barrier.UNKNOWN
