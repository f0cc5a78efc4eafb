"""Heard: one message of a tracker, whatever language it speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC
from typing import NamedTuple

from geo_backup.errors import BadValueError
from geo_backup.events import LAT_DEG, LON_DEG, TIME_MS, Fix
from geo_backup.formats.tracks import time_ms
from geo_backup.wire.unknown import known, stated

SOS = "sos"
"""The alarm that is an officer's call for help."""
SINCE_MS = 1_104_537_600_000
"""2005: a receiver that says an earlier time has lost count of the weeks, or its battery."""
NO_JSON = "it is no JSON ({}): something on its way cut it off or changed it, or no tracker's app sends it"


class Heard(NamedTuple):
    """What a message says. `names` may name its device or unit, the likeliest first."""

    names: tuple[str, ...]
    fix: Fix | None
    """None: it says no place that could be one."""
    pressed: bool = False
    """Its officer calls for help: that holds whatever is wrong with the place."""
    unknown: tuple[str, ...] = ()
    """Fields of the fix that were said and are unknown."""
    nothing: str = ""
    """Why it says no place, in words."""
    wrong: str = ""
    """What of it cannot be, as a reason; empty: it just says no place."""
    cancelled: bool = False
    """It takes its officer's call back: that goes on record, and ends nothing."""
    report: str = ""
    """Its number and time, where it has a number: what is sent again until it is acknowledged has the same."""


def named(*names: object) -> tuple[str, ...]:
    """Those of some names that are any."""
    return tuple(dict.fromkeys([text for name in names if name is not None and (text := str(name).strip())]))


def heard(names: tuple[str, ...], pressed: bool, fix_of: Callable[[], Fix | None]) -> Heard:
    """A message whose place is read by `fix_of`: None where it says none, `BadValueError` where it cannot be one."""
    try:
        fix = fix_of()
    except BadValueError as error:
        return Heard(names, None, pressed, nothing=f"{error.field}: {error}", wrong=error.reason)
    if fix is None:
        return Heard(names, None, pressed, nothing="it says no place, or that its fix is not valid")
    if fix.lon == 0.0 and fix.lat == 0.0:
        return Heard(names, None, pressed, nothing="0, 0 is where a receiver is that has no fix", wrong="no_fix")
    clean, unknown = known(fix)
    return Heard(names, clean, pressed, unknown)


def fix_at(
    time: object,
    lon: object,
    lat: object,
    *,
    speed: object = None,
    speed_mps: float = 1.0,
    course: object = None,
    accuracy: object = None,
) -> Fix:
    """A fix of what was said; `time` is seconds, milliseconds or ISO 8601, `speed` in units of so many m/s. Raises
    `BadValueError` that names what cannot be."""
    x, y, said = stated(lon), stated(lat), stated(speed)
    if x is None or y is None:
        field = "lon" if x is None else "lat"
        raise BadValueError(f"/{field}", "missing", f"{field} is missing")
    try:
        fix_ms = time_ms(time, UTC)
    except ValueError as error:
        raise BadValueError("/time", "no_time", str(error)) from None
    said = None if said is None else said * speed_mps
    return checked(Fix(fix_ms, x, y, said, stated(course), stated(accuracy)))


def checked(fix: Fix) -> Fix:
    """A fix whose place and time can be. Raises `BadValueError` for another one."""
    fix_ms, lon, lat, _, _, _ = fix
    if not LON_DEG[0] <= lon <= LON_DEG[1]:
        raise BadValueError("/lon", "out_of_range", "lon is -180 to 180 degrees")
    if not LAT_DEG[0] <= lat <= LAT_DEG[1]:
        raise BadValueError("/lat", "out_of_range", "lat is -90 to 90 degrees")
    if not SINCE_MS <= fix_ms <= TIME_MS[1]:
        raise BadValueError("/time", "out_of_range", "the time of a fix lies between 2005 and 2100")
    return fix


def once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pairs by their names. Raises `BadValueError` where one stands twice: nobody could tell which is meant."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise BadValueError(f"/{name}"[:64], "twice", f"{name[:40]!r} stands twice")
        found[name] = value
    return found
