"""Speeds: what people write as a speed limit, read into km/h, and whether it can be true of the road it stands on.

A limit is believed only within what is posted anywhere on earth for the road's class: `none` on a living street or 999
on a lane is a slip of the keyboard, and the next key is asked, at last the class's own speed (`roads.profile`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from geo_backup.roads.network import WayClass

NO_LIMIT_KMH = 255
"""`maxspeed=none`: a road without a limit; numbers are stored up to one less."""

WALK_KMH = 7
"""`maxspeed=walk`."""

KEYS = (
    "maxspeed", "maxspeed:motorcar", "maxspeed:motor_vehicle", "zone:maxspeed", "maxspeed:zone", "maxspeed:type",
    "source:maxspeed", "maxspeed:source", "zone:traffic",
)  # fmt: skip
"""Keys that may hold a limit, or the zone whose law is the limit; the first that can be believed counts."""

SAID_LAST = frozenset({"maxspeed:type", "source:maxspeed", "maxspeed:source", "zone:traffic"})
"""Of these a value that is no speed (`sign`, `survey`) is nothing odd."""

NOTHING_LASTING = frozenset({"signals", "signal", "variable", "yes", "no", "sign", "signed", "implicit", "unknown"})
"""Values of `maxspeed` that are understood and name no speed."""

# Posted nowhere, known from the law: kilometres an hour by country and zone, `*` for countries not listed.
ZONE_KMH: dict[str, dict[str, int]] = {
    "*": {"urban": 50, "rural": 90, "trunk": 100, "motorway": 120, "living_street": 20, "walk": WALK_KMH, "school": 30,
          "bicycle_road": 30, "cyclestreet": 30, "pedestrian_zone": WALK_KMH},
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
}  # fmt: skip

MPH_COUNTRIES = frozenset(
    {
        "GB", "IM", "JE", "GG", "US", "PR", "GU", "AS", "MP", "VI", "AG", "AI", "BS", "BZ", "DM", "FK", "FM", "GD",
        "KN", "KY", "LC", "LR", "MH", "MS", "PW", "SH", "TC", "VC", "VG", "WS",
    }
)  # fmt: skip
"""Countries that post miles an hour: the number of `GB:zone20` or `US:25` is one of miles."""

# Lowest and highest limit posted by class: 160 stands on motorways of Abu Dhabi, 80 and 75 mph on main roads of Texas,
# 60 mph is the law of British lanes, 20 mph the most that is a living street anywhere.
PLAUSIBLE_KMH: Mapping[WayClass, tuple[int, int]] = {
    WayClass.MOTORWAY: (20, 160),
    WayClass.MOTORWAY_LINK: (10, 140),
    WayClass.TRUNK: (20, 160),
    WayClass.TRUNK_LINK: (10, 130),
    WayClass.PRIMARY: (10, 130),
    WayClass.PRIMARY_LINK: (10, 120),
    WayClass.SECONDARY: (10, 125),
    WayClass.SECONDARY_LINK: (10, 110),
    WayClass.TERTIARY: (8, 120),
    WayClass.TERTIARY_LINK: (8, 100),
    WayClass.UNCLASSIFIED: (5, 110),
    WayClass.RESIDENTIAL: (5, 100),
    WayClass.LIVING_STREET: (4, 32),
    WayClass.SERVICE: (4, 60),
    WayClass.ROAD: (5, 100),
    WayClass.TRACK: (4, 60),
    WayClass.PEDESTRIAN: (4, 32),
    WayClass.BUSWAY: (5, 100),
    WayClass.EMERGENCY_ACCESS: (4, 60),
    WayClass.UNKNOWN: (5, 100),
}

UNLIMITED = frozenset({WayClass.MOTORWAY, WayClass.MOTORWAY_LINK, WayClass.TRUNK, WayClass.TRUNK_LINK})
"""Classes on which a road may be without a limit, as in Germany."""

_UNIT_KMH = {
    "": 1.0, "km/h": 1.0, "kmh": 1.0, "kph": 1.0, "kmph": 1.0, "km": 1.0,
    "mph": 1.609344, "mi/h": 1.609344, "mp/h": 1.609344, "miles/h": 1.609344,
    "knots": 1.852, "knot": 1.852, "kn": 1.852, "kt": 1.852, "kts": 1.852,
}  # fmt: skip
_NUMBER = re.compile(r"^(\d+(?:[.,]\d+)?)\s*([a-z/]*)$", re.IGNORECASE)
_ZONE = re.compile(r"^([a-z]{2})(?:[-:][a-z]{2,3}(?=:))?[:_-](?:zone[:_ -]?)?([a-z_]+|\d.*)$", re.IGNORECASE)
_SEVERAL = re.compile(r"[;|]|,(?!\d)|\s/\s")
_CONDITION = re.compile(r"\([^()]*\)")


class Posted(NamedTuple):
    """Limits in km/h along and against a way, 0 = none that can be believed, and what was set aside."""

    along: int
    against: int
    doubt: str = ""
    """`implausible_limits`: not of this class of road; `unread_limits`: in words that say no speed."""


@lru_cache(maxsize=4096)
def speed_kmh(text: str) -> int:
    """One written speed limit in whole km/h, 1 to 254; 0 when it says nothing lasting (`signals`, typing errors).

    Of several values the lowest holds (`50; 40`), those of a condition apart (`50 @ (22:00-06:00)`); `none` is
    `NO_LIMIT_KMH`, `walk` is `WALK_KMH`.
    """
    found = [kmh for part in _SEVERAL.split(_CONDITION.sub("", text)) if (kmh := _one_speed_kmh(part.strip()))]
    return min(found, default=0)


def _one_speed_kmh(text: str) -> int:
    word = text.lower()
    if word in ("none", "unlimited"):
        return NO_LIMIT_KMH
    if word in ("walk", "walking"):
        return WALK_KMH
    if _NUMBER.match(text):
        return _number_kmh(text, "")
    if zone := _ZONE.match(text):
        country = {"UK": "GB"}.get(zone[1].upper(), zone[1].upper())
        if zone[2][0].isdigit():
            return _number_kmh(zone[2], "mph" if country in MPH_COUNTRIES else "")
        return ZONE_KMH.get(country, {}).get(zone[2].lower(), ZONE_KMH["*"].get(zone[2].lower(), 0))
    return 0


def _number_kmh(text: str, unit: str) -> int:
    number = _NUMBER.match(text)
    if number is None:
        return 0
    share = _UNIT_KMH.get(number[2].lower() or unit, 0.0)
    # a number, however large, is not `none`
    return min(round(min(float(number[1].replace(",", ".")) * share, 1e3)), NO_LIMIT_KMH - 1)


def plausible(kmh: int, way_class: WayClass) -> bool:
    """Whether a limit is one that a road of this class may have."""
    low, high = PLAUSIBLE_KMH[way_class]
    return low <= kmh <= high or (kmh == NO_LIMIT_KMH and way_class in UNLIMITED)


def posted_limits(tags: Mapping[str, str], way_class: WayClass) -> Posted:
    """The limits of a way of this class, each from the first of `KEYS` that can be believed."""
    along, doubt = _posted(tags, way_class, "forward")
    against, other = _posted(tags, way_class, "backward")
    return Posted(along, against, doubt or other)


def _posted(tags: Mapping[str, str], way_class: WayClass, side: str) -> tuple[int, str]:
    doubt = ""
    for key in KEYS:
        for name in (f"{key}:{side}", key):
            text = tags.get(name, "").strip()
            kmh = speed_kmh(text)
            if kmh and plausible(kmh, way_class):
                return kmh, doubt
            if kmh or re.match(r"[-+]?\d+([.,]\d*)?\s*\D{0,5}$", text):
                doubt = "implausible_limits"
            elif text and key not in SAID_LAST and "@" not in text and text.lower() not in NOTHING_LASTING:
                doubt = doubt or "unread_limits"
    return 0, doubt
