"""Track: what one vehicle's receiver recorded, in segments; between two segments nothing is known.

Every reader of a recording hands its rows to a `Collector`, which keeps the usable ones and counts the others.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from geo_backup.errors import TrackError
from geo_backup.events import ACCURACY_M, COURSE_DEG, LAT_DEG, LON_DEG, SPEED_MPS, TIME_MS, Fix

REASONS_KEPT = 5
KMH, KNOTS, MPH = 1 / 3.6, 0.514444, 0.44704
"""Metres per second in one of each."""


@dataclass(frozen=True)
class Track:
    """One vehicle; each segment is in order of time and follows the one before it."""

    unit_id: str
    segments: tuple[tuple[Fix, ...], ...]

    @property
    def fixes(self) -> list[Fix]:
        """All fixes in order of time."""
        return [fix for segment in self.segments for fix in segment]


class Recording(list[Track]):
    """Tracks in order of unit_id, with `skipped`, the number of unusable rows, and the first `reasons`."""

    skipped: int = 0
    reasons: tuple[str, ...] = ()


class Collector:
    """Gathers the fixes of a recording; `name` is the file's, for messages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.skipped = 0
        self.reasons: list[str] = []
        self.swapped = False
        self._fixes: dict[str, dict[object, list[Fix]]] = {}

    def skip(self, where: str, reason: str) -> None:
        """Count a row that cannot be used."""
        self.skipped += 1
        self.note(where, reason)

    def note(self, where: str, reason: str) -> None:
        """Remember something to say of the recording."""
        if len(self.reasons) < REASONS_KEPT:
            self.reasons.append(f"{where}: {reason}")

    def add(self, unit_id: str, segment: object, fix: Fix, where: str) -> None:
        """Take a fix into a segment (any key), or count it as unusable."""
        if not (math.isfinite(fix.lon) and math.isfinite(fix.lat)):
            return self.skip(where, "longitude or latitude is not a number")
        if not LAT_DEG[0] <= fix.lat <= LAT_DEG[1]:
            hint = ""
            if abs(fix.lon) <= LAT_DEG[1] and abs(fix.lat) <= LON_DEG[1]:
                self.swapped, hint = True, ": longitude and latitude look swapped"
            return self.skip(where, f"latitude {fix.lat} is out of range{hint}")
        if not LON_DEG[0] <= fix.lon <= LON_DEG[1]:
            return self.skip(where, f"longitude {fix.lon} is out of range")
        if fix.lon == 0.0 and fix.lat == 0.0:
            return self.skip(where, "0, 0 is what a receiver says without a fix")
        if not TIME_MS[0] < fix.fix_ms <= TIME_MS[1]:
            return self.skip(where, "the time is not between 1970 and 2100")
        course = _within(fix.course_deg, COURSE_DEG)
        clean = fix._replace(
            speed_mps=_within(fix.speed_mps, SPEED_MPS),
            course_deg=None if course is None else course % 360.0,
            accuracy_m=_within(fix.accuracy_m, ACCURACY_M),
        )
        self._fixes.setdefault(plain_id(unit_id), {}).setdefault(segment, []).append(clean)
        return None

    def recording(self) -> Recording:
        """What was gathered; raises `TrackError` when that is nothing.

        A vehicle is at one place at a time: of segments that overlap, the one that began first counts.
        """
        out = Recording()
        for unit_id in sorted(self._fixes):
            segments: list[tuple[Fix, ...]] = []
            last_ms = -1
            for rows in sorted(
                (sorted(rows, key=lambda fix: fix.fix_ms) for rows in self._fixes[unit_id].values()),
                key=lambda rows: (rows[0].fix_ms, -rows[-1].fix_ms),
            ):
                kept: list[Fix] = []
                for fix in rows:
                    if fix.fix_ms > last_ms:
                        kept.append(fix)
                        last_ms = fix.fix_ms
                    else:
                        self.skip(unit_id, "two fixes for one time, or trips that overlap")
                if kept:
                    segments.append(tuple(kept))
            out.append(Track(unit_id, tuple(segments)))
        if not out:
            why = "; ".join(self.reasons) or "it is empty"
            remedy = " Give lon and lat the other way round." if self.swapped else ""
            raise TrackError(f"{self.name} has no usable position ({self.skipped} rows skipped): {why}.{remedy}")
        out.skipped, out.reasons = self.skipped, tuple(self.reasons)
        return out


def plain_id(text: str) -> str:
    """A legal unit id that looks like the text."""
    return re.sub(r"[^A-Za-z0-9._:-]+", "-", text.strip()).strip("-")[:64] or "unit"


def number(text: object) -> float | None:
    """A finite number, or None for what is none."""
    if isinstance(text, bool) or not isinstance(text, (int, float, str)):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def time_ms(value: object, zone: tzinfo | None = None, after_ms: int | None = None) -> int:
    """Milliseconds of a time as recordings write it: epoch seconds or milliseconds, RFC 3339, or local in `zone`.

    An hour that a clock shows twice in autumn is read so that time does not run back behind `after_ms`; one that it
    skips in spring is read as if the clock had not yet been put forward. Raises `ValueError` with the remedy.
    """
    seconds = number(value)
    if seconds is not None:
        return round(seconds) if abs(seconds) >= 1e11 else round(seconds * 1000.0)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it has no time")
    try:
        when = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"{value[:40]!r} is no time (RFC 3339, or epoch seconds or milliseconds)") from None
    if when.tzinfo is None:
        if zone is None:
            raise ValueError(f"the time {value.strip()[:40]!r} has no offset from UTC: name its timezone")
        return _local_ms(when, zone, after_ms)
    return _ms(when)


def _local_ms(when: datetime, zone: tzinfo, after_ms: int | None) -> int:
    first, second = (when.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    first_ms, second_ms = _ms(first), _ms(second)
    if first_ms == second_ms or second_ms < first_ms:  # an ordinary hour, or one that the clock skips
        return first_ms
    return second_ms if after_ms is not None and first_ms < after_ms else first_ms


def _ms(when: datetime) -> int:
    delta = when.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * 86_400_000 + delta.seconds * 1000 + delta.microseconds // 1000


def _within(value: float | None, limits: tuple[float, float]) -> float | None:
    """A value out of its range (-1 for "not known") is no value."""
    return value if value is not None and limits[0] <= value <= limits[1] else None
