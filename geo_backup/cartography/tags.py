"""What a road's OpenStreetMap tags say to a driver: class, access, direction, speed limit, structure.

Facts only. How fast a class is driven where no limit is posted, and what a siren may ignore, is for `roads.profile`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from geo_backup.cartography.limits import physical_limits
from geo_backup.cartography.nodes import EMERGENCY_OPEN, OPEN, TO_GET_SOMEWHERE
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
"""Ways that count only where they are signed for emergency vehicles."""

BUS_KEYS = ("bus", "psv", "taxi", "tram")

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
    if way_class is None:
        if highway not in FOOT_AND_CYCLE or tags.get("emergency") not in EMERGENCY_OPEN:
            return NoRoad("not_a_road")
        way_class = WayClass.EMERGENCY_ACCESS
    if tags.get("service") in ("emergency_access", "emergency"):
        way_class = WayClass.EMERGENCY_ACCESS
    flags = access_flags(way_class, tags)
    if not flags:
        return NoRoad("closed")
    direction = oneway(way_class, tags)
    if direction is None:
        return NoRoad("reversible")
    # a bus lane against a one-way street is open to buses alone
    counterflow = EdgeFlag.BUS if any(tags.get(f"oneway:{key}") == "no" for key in ("bus", "psv")) else EdgeFlag(0)
    if tags.get("oneway:emergency") == "no":
        counterflow |= EdgeFlag.EMERGENCY
    written = way_flags(tags, direction)
    along = flags if direction >= 0 else counterflow
    against = flags if direction <= 0 else counterflow
    kmh_along, kmh_against = speed_limits_kmh(tags)
    return Road(
        int(way_class),
        int(along),
        int(against),
        written,
        layer(tags),
        kmh_along,
        kmh_against,
        *physical_limits(tags, bridge=bool(written & WayFlag.BRIDGE)),
        " ".join((tags.get("name") or tags.get("ref") or "").split()),
    )


def access_flags(way_class: WayClass, tags: Tags) -> int:
    """`EdgeFlag`s of a direction the road is open in; 0 when it is closed to everybody we send."""
    specific = tags.get("motorcar") or tags.get("motor_vehicle") or tags.get("vehicle")
    access = specific or tags.get("access") or "yes"
    values = {value.strip() for value in access.split(";")}
    flags = 0
    if way_class is WayClass.PEDESTRIAN:
        flags |= 0 if tags.get("access") == "no" and specific is None else EdgeFlag.PEDESTRIAN
        values = {value.strip() for value in specific.split(";")} if specific else {"no"}
    if way_class is WayClass.EMERGENCY_ACCESS:
        flags |= EdgeFlag.EMERGENCY
    elif way_class is WayClass.BUSWAY:
        flags |= EdgeFlag.BUS
    elif values & OPEN:
        flags |= EdgeFlag.LEGAL
    elif values & TO_GET_SOMEWHERE:
        flags |= EdgeFlag.LEGAL | EdgeFlag.PRIVATE
    elif any(tags.get(key) in ("yes", "designated", "official") for key in BUS_KEYS):
        flags |= EdgeFlag.BUS
    if flags & EdgeFlag.LEGAL:
        return int(flags)
    said = tags.get("emergency") or tags.get("emergency_vehicle")
    if said == "no":
        return 0
    return int(flags | EdgeFlag.EMERGENCY) if said in EMERGENCY_OPEN or "emergency" in values else int(flags)


def oneway(way_class: WayClass, tags: Tags) -> int | None:
    """1 along the way only, -1 against it only, 0 both; None where the direction changes with the hour."""
    value = tags.get("oneway", "").strip().lower()
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
    if tags.get("surface") in UNPAVED or tags.get("tracktype") in ("grade3", "grade4", "grade5"):
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
