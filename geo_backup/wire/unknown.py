"""What "unknown" means, the same for every way in: the place counts, and an optional value out of its range is unknown.

Receivers say that they do not know in many ways: -1, NaN, 9999999, a course of 360.0001, an accuracy of 0, a dash.
None of them is a reason to lose the place, and none of them may be believed. `known` is asked by HTTP, CoT and every
reader of files, and names the fields, so that the sender can be told.
"""

from __future__ import annotations

import math

from geo_backup.events import ACCURACY_M, COURSE_DEG, SPEED_MPS, Fix


def known(fix: Fix) -> tuple[Fix, tuple[str, ...]]:
    """The fix without what it does not know, and the names of the fields that were said and are unknown."""
    _, _, _, mps, degrees, metres = fix
    if (
        (mps is None or SPEED_MPS[0] <= mps <= SPEED_MPS[1])
        and (degrees is None or COURSE_DEG[0] <= degrees < COURSE_DEG[1])
        and (metres is None or ACCURACY_M[0] < metres <= ACCURACY_M[1])
    ):
        return fix, ()
    speed = _within(fix.speed_mps, SPEED_MPS)
    course = _within(fix.course_deg, COURSE_DEG)
    accuracy = _within(fix.accuracy_m, ACCURACY_M) or None  # no receiver is right to the last digit: 0 is unknown
    course = None if course is None else course % 360.0
    clean = Fix(fix.fix_ms, fix.lon, fix.lat, speed, course, accuracy)
    if clean == fix:
        return fix, ()
    said = (("speed_mps", fix.speed_mps), ("course_deg", fix.course_deg), ("accuracy_m", fix.accuracy_m))
    return clean, tuple(name for name, value in said if value is not None and getattr(clean, name) is None)


def stated(text: object) -> float | None:
    """The number of an optional value: None where nothing is said, NaN (which is unknown) where it is no number."""
    if text is None:
        return None
    if isinstance(text, bool) or not isinstance(text, (int, float, str)):
        return math.nan
    try:
        return float(text)
    except (ValueError, OverflowError):
        return None if isinstance(text, str) and not text.strip() else math.nan


def _within(value: float | None, limits: tuple[float, float]) -> float | None:
    return value if value is not None and limits[0] <= value <= limits[1] else None
