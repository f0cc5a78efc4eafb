"""What a road's OpenStreetMap tags say to a driver: class, access, direction, speed limit, structure.

Facts only. How fast a class is driven where no limit is posted, and what a siren may ignore, is for `roads.profile`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from geo_backup.cartography.limits import ORDINARY_CAR_100KG, physical_limits, weight_100kg
from geo_backup.cartography.nodes import (
    BUSES,
    EMERGENCY_ONLY,
    GRANTED,
    OPEN,
    SHUT,
    TO_GET_SOMEWHERE,
    access_values,
)
from geo_backup.cartography.speeds import posted_limits
from geo_backup.roads.network import EdgeFlag, WayClass, WayFlag

Tags = Mapping[str, str]

CLASSES: dict[str, WayClass] = {
    "motorway": WayClass.MOTORWAY,
    "motorway_link": WayClass.MOTORWAY_LINK,
    "trunk": WayClass.TRUNK,
    "trunk_link": WayClass.TRUNK_LINK,
    "primary": WayClass.PRIMARY,
    "primary_link": WayClass.PRIMARY_LINK,
    "secondary": WayClass.SECONDARY,
    "secondary_link": WayClass.SECONDARY_LINK,
    "tertiary": WayClass.TERTIARY,
    "tertiary_link": WayClass.TERTIARY_LINK,
    "unclassified": WayClass.UNCLASSIFIED,
    "residential": WayClass.RESIDENTIAL,
    "living_street": WayClass.LIVING_STREET,
    "service": WayClass.SERVICE,
    "road": WayClass.ROAD,
    "track": WayClass.TRACK,
    "pedestrian": WayClass.PEDESTRIAN,
    "busway": WayClass.BUSWAY,
    "emergency_access": WayClass.EMERGENCY_ACCESS,
    "yes": WayClass.UNKNOWN,
}
"""`highway` values a vehicle may find itself on."""

FOOT_AND_CYCLE = frozenset({"footway", "path", "cycleway", "bridleway"})
"""Ways that count only where they are signed for emergency vehicles, or granted to cars in so many words."""

SIDES = ("forward", "backward")
"""Along and against a way, as the last part of a key."""

EMERGENCY_SERVICE = frozenset({"emergency_access", "emergency"})
"""Values of `service` of ways that are there for emergency vehicles."""

VEHICLES = ("motorcar", "motor_vehicle", "vehicle")
"""Keys that say who may drive, the most particular first; `access` speaks where none of them does."""

UNDER_WAY = frozenset({"no", "minor", "widening"})
"""Values of `construction` on a road that stays open meanwhile."""

ROUGH = frozenset({"horrible", "very_horrible"})
"""Values of `smoothness` that are driven like a road without pavement. `impassable` is driven by nobody."""

UNPAVED = frozenset(
    {
        "unpaved", "gravel", "fine_gravel", "pebblestone", "compacted", "dirt", "earth", "ground", "grass", "mud",
        "sand", "woodchips", "grass_paver", "rock", "snow", "ice",
    }
)  # fmt: skip


class Road(NamedTuple):
    """What the tags of one way say; `along` and `against` are `EdgeFlag`s of the two directions, 0 = nobody drives."""

    way_class: int
    along: int
    against: int
    way_flags: int
    layer: int
    kmh_along: int
    kmh_against: int
    height_dm: int
    width_dm: int
    weight_100kg: int
    """Of what can pass along the way; 0 = no limit said."""
    height_against_dm: int
    width_against_dm: int
    weight_against_100kg: int
    name: str
    doubt: str = ""
    """What of its speed limits was set aside, see `speeds.Posted`."""


class NoRoad(NamedTuple):
    """A way no vehicle of ours can drive, and why: `not_a_road`, `area`, `closed` or `reversible`."""

    reason: str


def read_road(tags: Tags) -> Road | NoRoad:
    """Judge one way by its tags."""
    highway = tags.get("highway", "")
    if tags.get("area") == "yes":
        return NoRoad("area")
    way_class = CLASSES.get(highway)
    if way_class is None and highway in FOOT_AND_CYCLE:
        if any(lets_sirens_pass(tags, side) for side in SIDES):
            way_class = WayClass.EMERGENCY_ACCESS
        elif (tags.get("motorcar") or tags.get("motor_vehicle")) in GRANTED:
            way_class = WayClass.PEDESTRIAN
    if way_class is None:
        return NoRoad("not_a_road")
    if tags.get("service") in EMERGENCY_SERVICE:
        way_class = WayClass.EMERGENCY_ACCESS
    if tags.get("construction", "no") not in UNDER_WAY or tags.get("smoothness") == "impassable":
        return NoRoad("closed")
    sides = [access_flags(way_class, tags, side) for side in SIDES]
    if highway in FOOT_AND_CYCLE and way_class is WayClass.EMERGENCY_ACCESS:
        sides = [flags if lets_sirens_pass(tags, side) else 0 for flags, side in zip(sides, SIDES, strict=True)]
    direction = oneway(way_class, tags)
    if any(sides) and direction is None:
        return NoRoad("reversible")
    for i, against_traffic in enumerate((direction == -1, direction == 1)):
        if against_traffic:
            sides[i] = counterflow_flags(tags, SIDES[i])
        elif not sides[i] & EdgeFlag.LEGAL and sides[1 - i] & EdgeFlag.LEGAL:
            # cars are let in from the other end only: a one-way street by another sign
            sides[i] |= counterflow_flags(tags, SIDES[i])
            direction = 1 if i else -1
    along, against = sides
    if not along and not against:
        return NoRoad("closed")
    written = way_flags(tags, direction or 0)
    bridge = bool(written & WayFlag.BRIDGE)
    kmh_along, kmh_against, doubt = posted_limits(tags, way_class)
    return Road(
        int(way_class),
        along,
        against,
        written,
        layer(tags),
        kmh_along,
        kmh_against,
        *physical_limits(tags, bridge=bridge, sides=("forward",)),
        *physical_limits(tags, bridge=bridge, sides=("backward",)),
        " ".join((tags.get("name") or tags.get("ref") or "").split()),
        doubt,
    )


def said(tags: Tags, side: str, *keys: str) -> str:
    """What the first of some keys that is there says of one direction; empty where none says anything."""
    for key in keys:
        if value := tags.get(f"{key}:{side}") or tags.get(key):
            return value
    return ""


def access_flags(way_class: WayClass, tags: Tags, side: str) -> int:
    """`EdgeFlag`s of a direction (of `SIDES`), one-way signs apart; 0 when it is closed to everybody we send."""
    specific, general = said(tags, side, *VEHICLES), said(tags, side, "access")
    values = access_values(specific or general or "yes")
    flags = 0
    if way_class is WayClass.PEDESTRIAN:
        flags |= 0 if general == "no" and not specific else EdgeFlag.PEDESTRIAN
        values = values if specific or general in GRANTED else frozenset({"no"})
    if way_class is WayClass.EMERGENCY_ACCESS:
        flags |= EdgeFlag.EMERGENCY
    elif way_class is WayClass.BUSWAY:
        flags |= EdgeFlag.BUS
    elif not values & OPEN and values <= SHUT:
        if values & BUSES or any(said(tags, side, key) in GRANTED for key in sorted(BUSES)):
            flags |= EdgeFlag.BUS
    elif too_light_for_cars(tags, side):
        flags |= EdgeFlag.EMERGENCY
    else:
        flags |= EdgeFlag.LEGAL if values & OPEN else EdgeFlag.LEGAL | EdgeFlag.PRIVATE
    if flags & EdgeFlag.LEGAL:
        return int(flags)
    if said(tags, side, "emergency", "emergency_vehicle") == "no":
        return 0
    return int(flags | EdgeFlag.EMERGENCY) if lets_sirens_pass(tags, side) else int(flags)


def lets_sirens_pass(tags: Tags, side: str) -> bool:
    """Whether a way that is shut to others is open to emergency vehicles in so many words, by whichever key."""
    emergency = access_values(said(tags, side, "emergency", "emergency_vehicle"))
    if "no" in emergency:
        return False
    if emergency & (GRANTED | EMERGENCY_ONLY) or tags.get("service") in EMERGENCY_SERVICE:
        return True
    return any(access_values(said(tags, side, key)) & EMERGENCY_ONLY for key in (*VEHICLES, "access"))


def counterflow_flags(tags: Tags, side: str) -> int:
    """`EdgeFlag`s of the direction that a one-way street is shut in: a bus lane there is open to buses alone."""
    flags = EdgeFlag(0)
    for keys, flag in ((("bus", "psv", "taxi"), EdgeFlag.BUS), (("emergency",), EdgeFlag.EMERGENCY)):
        if any(tags.get(f"oneway:{key}") == "no" or tags.get(f"{key}:{side}") in GRANTED for key in keys):
            flags |= flag
    return int(flags)


def too_light_for_cars(tags: Tags, side: str) -> bool:
    """Whether a sign, not the strength of a bridge, keeps even an ordinary car off by its weight."""
    if tags.get("bridge", "no") != "no":
        return False
    return 0 < weight_100kg(said(tags, side, "maxweight")) < ORDINARY_CAR_100KG


def odd_access(tags: Tags) -> bool:
    """Whether who may drive here is written in a word nobody knows, which then is read like `private`."""
    for side in SIDES:
        values = access_values(said(tags, side, *VEHICLES, "access"))
        if not values & (OPEN | TO_GET_SOMEWHERE) and values - SHUT:
            return True
    return False


def oneway(way_class: WayClass, tags: Tags) -> int | None:
    """1 along the way only, -1 against it only, 0 both; None where the direction changes with the hour."""
    told = (tags.get(key) for key in ("oneway:motorcar", "oneway:motor_vehicle", "oneway:vehicle", "oneway"))
    value = next((value for value in told if value), "").strip().lower()
    if value in ("yes", "1", "true"):
        return 1
    if value in ("-1", "reverse"):
        return -1
    if value == "reversible":
        return None
    if value in ("no", "0", "false", "alternating"):
        # alternating: both directions take turns at a narrow place, so both may be driven
        return 0
    implied = tags.get("junction") in ("roundabout", "circular") or way_class in (
        WayClass.MOTORWAY,
        WayClass.MOTORWAY_LINK,
    )
    return 1 if implied else 0


def way_flags(tags: Tags, direction: int) -> int:
    """`WayFlag`s of a way; `direction` as `oneway` gives it."""
    flags = WayFlag(0)
    if tags.get("bridge", "no") != "no":
        flags |= WayFlag.BRIDGE
    if tags.get("tunnel", "no") != "no":
        flags |= WayFlag.TUNNEL
    if tags.get("junction") in ("roundabout", "circular"):
        flags |= WayFlag.ROUNDABOUT
    if direction:
        flags |= WayFlag.ONEWAY
    rough = tags.get("tracktype") in ("grade3", "grade4", "grade5") or tags.get("smoothness") in ROUGH
    if rough or tags.get("surface") in UNPAVED:
        flags |= WayFlag.UNPAVED
    if tags.get("dual_carriageway") == "yes":
        flags |= WayFlag.DUAL_CARRIAGEWAY
    return int(flags)


def layer(tags: Tags) -> int:
    """Level of a bridge or tunnel above the ground, -5 to 5; 0 where it is not a number."""
    try:
        return max(-5, min(5, int(tags.get("layer", "0"))))
    except ValueError:
        return 0
