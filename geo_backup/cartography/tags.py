"""What a road's OpenStreetMap tags say to a driver: class, access, direction, speed limit, structure.

Facts only. How fast a class is driven where no limit is posted, and what a siren may ignore, is for `roads.profile`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from geo_backup.cartography.limits import ORDINARY_CAR_100KG, physical_limits, weight_100kg
from geo_backup.cartography.nodes import BUSES, GRANTED, OPEN, SHUT, TO_GET_SOMEWHERE, access_values
from geo_backup.roads.network import EdgeFlag, WayClass, WayFlag

Tags = Mapping[str, str]

NO_LIMIT_KMH = 255
"""`maxspeed=none`: a road without a limit, and the cap of what is stored."""

WALK_KMH = 7
"""`maxspeed=walk`."""

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

# Posted nowhere, known from the law: kilometres an hour by country and zone, `*` for countries not listed.
ZONE_KMH: dict[str, dict[str, int]] = {
    "*": {"urban": 50, "rural": 90, "trunk": 100, "motorway": 120, "living_street": 20, "walk": WALK_KMH, "school": 30},
    "AT": {"urban": 50, "rural": 100, "trunk": 100, "motorway": 130},
    "BE": {"urban": 50, "rural": 70, "trunk": 120, "motorway": 120},
    "CH": {"urban": 50, "rural": 80, "trunk": 100, "motorway": 120},
    "DE": {"urban": 50, "rural": 100, "trunk": 100, "motorway": NO_LIMIT_KMH, "living_street": WALK_KMH},
    "DK": {"urban": 50, "rural": 80, "trunk": 80, "motorway": 130},
    "ES": {"urban": 50, "rural": 90, "trunk": 90, "motorway": 120},
    "FI": {"urban": 50, "rural": 80, "trunk": 100, "motorway": 120},
    "FR": {"urban": 50, "rural": 80, "trunk": 110, "motorway": 130},
    "GB": {"urban": 48, "nsl_restricted": 48, "nsl_single": 97, "nsl_dual": 113, "rural": 97, "motorway": 113},
    "IT": {"urban": 50, "rural": 90, "trunk": 110, "motorway": 130},
    "NL": {"urban": 50, "rural": 80, "trunk": 100, "motorway": 130},
    "NO": {"urban": 50, "rural": 80, "trunk": 80, "motorway": 110},
    "PL": {"urban": 50, "rural": 90, "trunk": 100, "motorway": 140},
    "PT": {"urban": 50, "rural": 90, "trunk": 100, "motorway": 120},
    "RO": {"urban": 50, "rural": 90, "trunk": 100, "motorway": 130},
    "RU": {"urban": 60, "rural": 90, "trunk": 90, "motorway": 110, "living_street": 20},
    "SE": {"urban": 50, "rural": 70, "trunk": 70, "motorway": 110},
    "UA": {"urban": 50, "rural": 90, "trunk": 110, "motorway": 130},
    "US": {"urban": 40, "rural": 89, "motorway": 105},
}

_NUMBER = re.compile(r"^(\d+(?:[.,]\d+)?)\s*(km/?h|kph|mph|knots)?$", re.IGNORECASE)
_ZONE = re.compile(r"^([A-Z]{2})[:_-](?:zone:?)?([a-z_]+|\d+)$", re.IGNORECASE)
_UNIT_KMH = {"mph": 1.609344, "knots": 1.852}


@lru_cache(maxsize=4096)
def speed_kmh(text: str) -> int:
    """One written speed limit in whole km/h, 1 to 255; 0 when it says nothing lasting (`signals`, typing errors).

    Of several values the lowest holds (`50; 40`); `none` is `NO_LIMIT_KMH`, `walk` is `WALK_KMH`.
    """
    found = [kmh for part in re.split(r"[;|]|,(?!\d)|\s/\s", text) if (kmh := _one_speed_kmh(part.strip()))]
    return min(found, default=0)


def _one_speed_kmh(text: str) -> int:
    if not text:
        return 0
    if number := _NUMBER.match(text):
        value = float(number[1].replace(",", ".")) * _UNIT_KMH.get((number[2] or "").lower(), 1.0)
        return min(round(value), NO_LIMIT_KMH)
    if text.lower() in ("none", "no", "unlimited"):
        return NO_LIMIT_KMH if text.lower() != "no" else 0
    if text.lower() in ("walk", "walking"):
        return WALK_KMH
    if zone := _ZONE.match(text):
        if zone[2].isdigit():
            return min(int(zone[2]), NO_LIMIT_KMH)
        of_country = ZONE_KMH.get(zone[1].upper().replace("UK", "GB"), {})
        return of_country.get(zone[2].lower(), ZONE_KMH["*"].get(zone[2].lower(), 0))
    return 0


def speed_limits_kmh(tags: Tags) -> tuple[int, int]:
    """Posted limit along and against the way's direction in km/h; 0 = not said."""
    both = 0
    for key in ("maxspeed", "maxspeed:motorcar", "zone:maxspeed", "maxspeed:type", "source:maxspeed"):
        if (value := tags.get(key)) and (both := speed_kmh(value)):
            break
    along, against = tags.get("maxspeed:forward"), tags.get("maxspeed:backward")
    return (speed_kmh(along) or both) if along else both, (speed_kmh(against) or both) if against else both


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
    """Of what can pass; 0 = no limit said."""
    name: str


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
        if tags.get("emergency") in GRANTED:
            way_class = WayClass.EMERGENCY_ACCESS
        elif (tags.get("motorcar") or tags.get("motor_vehicle")) in GRANTED:
            way_class = WayClass.PEDESTRIAN
    if way_class is None:
        return NoRoad("not_a_road")
    if tags.get("service") in ("emergency_access", "emergency"):
        way_class = WayClass.EMERGENCY_ACCESS
    if tags.get("construction", "no") not in UNDER_WAY or tags.get("smoothness") == "impassable":
        return NoRoad("closed")
    sides = [access_flags(way_class, tags, side) for side in SIDES]
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
    kmh_along, kmh_against = speed_limits_kmh(tags)
    return Road(
        int(way_class),
        along,
        against,
        written,
        layer(tags),
        kmh_along,
        kmh_against,
        *physical_limits(tags, bridge=bool(written & WayFlag.BRIDGE)),
        " ".join((tags.get("name") or tags.get("ref") or "").split()),
    )


def said(tags: Tags, side: str, *keys: str) -> str:
    """What the first of some keys that is there says of one direction; empty where none says anything."""
    for key in keys:
        if value := tags.get(f"{key}:{side}") or tags.get(key):
            return value
    return ""


def access_flags(way_class: WayClass, tags: Tags, side: str) -> int:
    """`EdgeFlag`s of a direction (of `SIDES`), one-way signs apart; 0 when it is closed to everybody we send."""
    specific, general = said(tags, side, "motorcar", "motor_vehicle", "vehicle"), said(tags, side, "access")
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
    elif too_light_for_cars(tags):
        flags |= EdgeFlag.EMERGENCY
    else:
        flags |= EdgeFlag.LEGAL if values & OPEN else EdgeFlag.LEGAL | EdgeFlag.PRIVATE
    if flags & EdgeFlag.LEGAL:
        return int(flags)
    emergency = said(tags, side, "emergency", "emergency_vehicle")
    if emergency == "no":
        return 0
    return int(flags | EdgeFlag.EMERGENCY) if emergency in GRANTED or "emergency" in values else int(flags)


def counterflow_flags(tags: Tags, side: str) -> int:
    """`EdgeFlag`s of the direction that a one-way street is shut in: a bus lane there is open to buses alone."""
    flags = EdgeFlag(0)
    for keys, flag in ((("bus", "psv", "taxi"), EdgeFlag.BUS), (("emergency",), EdgeFlag.EMERGENCY)):
        if any(tags.get(f"oneway:{key}") == "no" or tags.get(f"{key}:{side}") in GRANTED for key in keys):
            flags |= flag
    return int(flags)


def too_light_for_cars(tags: Tags) -> bool:
    """Whether a sign, not the strength of a bridge, keeps even an ordinary car off by its weight."""
    if tags.get("bridge", "no") != "no":
        return False
    return 0 < weight_100kg(tags.get("maxweight", "")) < ORDINARY_CAR_100KG


def odd_access(tags: Tags) -> bool:
    """Whether who may drive here is written in a word nobody knows, which then is read like `private`."""
    for side in SIDES:
        values = access_values(said(tags, side, "motorcar", "motor_vehicle", "vehicle", "access"))
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
