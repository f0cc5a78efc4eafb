"""Heard: one message of a tracker, whatever language it speaks."""

from __future__ import annotations

from typing import NamedTuple

from geo_backup.errors import BadValueError
from geo_backup.events import LAT_DEG, LON_DEG, TIME_MS, Fix
from geo_backup.wire.unknown import known, stated

KNOT_MPS = 0.514444
KMH_MPS = 1 / 3.6


class Heard(NamedTuple):
    """What a message says. `names` may name its device or unit, the likeliest first."""

    names: tuple[str, ...]
    fix: Fix | None
    """None: it says no place."""
    pressed: bool = False
    """Its officer calls for help."""
    unknown: tuple[str, ...] = ()
    """Fields of the fix that were said and are unknown."""
    nothing: str = ""
    """Why it says no place, in words."""


def named(*names: object) -> tuple[str, ...]:
    """Those of some names that are any."""
    return tuple(dict.fromkeys(str(name).strip() for name in names if name is not None and str(name).strip()))


def heard(
    names: tuple[str, ...],
    fix_ms: int,
    lon: object,
    lat: object,
    *,
    speed_mps: float | None = None,
    course: object = None,
    accuracy: object = None,
    pressed: bool = False,
) -> Heard:
    """A message with a place. Raises `BadValueError` for a place or a time that is none; 0, 0 is no place."""
    x, y = _number("lon", lon, LON_DEG), _number("lat", lat, LAT_DEG)
    if not TIME_MS[0] <= fix_ms <= TIME_MS[1]:
        raise BadValueError("/timestamp", "out_of_range", "the time of a fix lies between 1970 and 2100")
    if x == 0.0 and y == 0.0:
        return Heard(names, None, pressed, nothing="0, 0 is where a receiver is that has no fix")
    fix, unknown = known(Fix(fix_ms, x, y, speed_mps, stated(course), stated(accuracy)))
    return Heard(names, fix, pressed, unknown)


def _number(field: str, value: object, within: tuple[float, float]) -> float:
    number = stated(value)
    if number is None:
        raise BadValueError(f"/{field}", "missing", f"{field} is missing")
    if not within[0] <= number <= within[1]:
        raise BadValueError(f"/{field}", "out_of_range", f"{field} is {within[0]:g} to {within[1]:g} degrees")
    return number
