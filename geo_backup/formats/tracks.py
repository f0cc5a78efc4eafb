"""Track: what one vehicle's receiver recorded, in segments; between two segments nothing is known.

Every reader of a recording hands its rows to a `Collector`, which keeps the usable ones and counts the others. One bad
row costs itself, one bad optional value only that value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from geo_backup.errors import TrackError
from geo_backup.events import LAT_DEG, LON_DEG, TIME_MS, Fix
from geo_backup.wire.unknown import known, stated

REASONS_KEPT = 5
DAY_MS = 86_400_000
KMH, KNOTS, MPH = 1 / 3.6, 0.514444, 0.44704
"""Metres per second in one of each."""


_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)", re.ASCII).search


@dataclass(frozen=True)
class Hints:
    """What a recording does not say of itself; a reader takes what its format has use for."""

    columns: Mapping[str, str] | None = None
    """Of a table: our names of columns (`csv.NAMES`) to the file's."""
    timezone: str | None = None
    """IANA zone of times without an offset."""
    received_ms: int | None = None
    """When it was received: dates what says a time of day alone."""


NO_HINTS = Hints()


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
    """Tracks in order of unit_id. `skipped` counts the rows and `unknown` the values that could not be used; `reasons`
    and `doubts` say why of the first ones, `notes` what else is to be known."""

    skipped: int = 0
    reasons: tuple[str, ...] = ()
    unknown: int = 0
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """What is not in the tracks as it stood in the file, in one line; empty when nothing is."""
        parts = []
        if self.skipped:
            parts.append(f"{_several(self.skipped, 'row')} left out: {_first(self.skipped, self.reasons)}")
        if self.unknown:
            parts.append(f"{_several(self.unknown, 'value')} taken as unknown: {_first(self.unknown, self.doubts)}")
        return "; ".join((*parts, *self.notes))


class Collector:
    """Gathers the fixes of a recording; `name` is the file's, for messages."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.skipped = self.unknown = 0
        self.reasons: list[str] = []
        self.doubts: list[str] = []
        self.notes: list[str] = []
        self.swapped = False
        self._fixes: dict[str, dict[object, list[Fix]]] = {}

    def skip(self, where: str, reason: str) -> None:
        """Count a row that cannot be used."""
        self.skipped += 1
        _keep(self.reasons, f"{where}: {reason}")

    def doubt(self, where: str, reason: str) -> None:
        """Count a value that is taken as unknown; its row is used."""
        self.unknown += 1
        _keep(self.doubts, f"{where}: {reason}")

    def note(self, words: str) -> None:
        """Remember something to say of the recording."""
        _keep(self.notes, words)

    def value(self, text: object, field: str, where: str) -> float | None:
        """The number of an optional value; what is said and is no number is counted as unknown."""
        value = stated(text)
        if value is None or not math.isnan(value):
            return value
        self.doubt(where, f"{field} {str(text)[:40]!r} is no number{_comma(text)}")
        return None

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
        clean, unknown = known(fix)
        for field in unknown:
            self.doubt(where, f"{field} {getattr(fix, field):g} is out of range")
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
        out.unknown, out.doubts, out.notes = self.unknown, tuple(self.doubts), tuple(self.notes)
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


def degrees(text: object, what: str) -> float:
    """A longitude or latitude (`what` it is). Raises `ValueError` that shows what stands there instead of a number."""
    if text is None or text == "":
        raise ValueError(f"it has no {what}")
    value = number(text)
    if value is None:
        raise ValueError(f"{what} {str(text)[:40]!r} is not a number{_comma(text)}")
    return value


def time_ms(value: object, zone: tzinfo | None = None) -> int:
    """Milliseconds of a time as recordings write it: epoch seconds or milliseconds, RFC 3339, or local in `zone`.

    Of an hour that a clock shows twice it is the first (`readings_ms` gives both). Raises `ValueError` with the remedy.
    """
    return readings_ms(value, zone)[0]


def readings_ms(value: object, zone: tzinfo | None = None) -> tuple[int, ...]:
    """What a time may mean, in milliseconds: one moment, or two in an hour that the clock of `zone` shows twice.

    A time that the clock skips in spring is read as if it had not yet been put forward.
    """
    seconds = number(value)
    if seconds is not None:
        return (round(seconds) if abs(seconds) >= 1e11 else round(seconds * 1000.0),)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it has no time")
    try:
        when = datetime.fromisoformat(value.strip())
        if when.tzinfo is not None:
            return (_ms(when),)
        if zone is not None:
            first, second = (_ms(when.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))
            return (first, second) if first < second else (first,)
    except (ValueError, OverflowError):
        raise ValueError(f"{value[:40]!r} is no time (RFC 3339, or epoch seconds or milliseconds)") from None
    raise ValueError(f"the time {value.strip()[:40]!r} has no offset from UTC: name its timezone")


def stamp_ms(text: str) -> int | None:
    """The first whole moment (date, time and offset from UTC) in the words that a logger put before a line."""
    stamp = _STAMP(text)
    if stamp is None:
        return None
    try:
        return time_ms(stamp[0].replace(",", "."))
    except ValueError:
        return None


def in_order(readings: Sequence[tuple[int, ...]]) -> list[int]:
    """Which reading of each row's time is meant: that by which the rows run on in time, or back, in the smallest steps.

    Where the order tells nothing, it is the first. (The shortest path through the readings, steps squared.)
    """
    rises = sum((b[0] > a[0]) - (b[0] < a[0]) for a, b in pairwise(readings))
    forward = 1 if rises >= 0 else -1
    costs: list[int] = [0] * len(readings[0]) if readings else []
    came_from: list[tuple[int, ...]] = []
    for before, after in pairwise(readings):
        options = [
            min(
                (cost + _step(forward * (at - was)), k) for k, (cost, was) in enumerate(zip(costs, before, strict=True))
            )
            for at in after
        ]
        costs = [cost for cost, _ in options]
        came_from.append(tuple(k for _, k in options))
    at = costs.index(min(costs)) if costs else 0
    out = []
    for n in range(len(readings) - 1, -1, -1):
        out.append(readings[n][at])
        at = came_from[n - 1][at] if n else 0
    return out[::-1]


def _step(ms: int) -> int:
    return ms * ms if ms >= 0 else (DAY_MS - ms) ** 2


def _ms(when: datetime) -> int:
    delta = when.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return delta.days * DAY_MS + delta.seconds * 1000 + delta.microseconds // 1000


def _comma(text: object) -> str:
    decimal = isinstance(text, str) and re.fullmatch(r"\s*[+-]?\d+,\d+\s*", text)
    return ": write a decimal point, not a comma" if decimal else ""


def _keep(reasons: list[str], reason: str) -> None:
    if len(reasons) < REASONS_KEPT:
        reasons.append(reason)


def _several(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _first(count: int, reasons: Sequence[str], shown: int = 3) -> str:
    return "; ".join(reasons[:shown]) + ("; ..." if count > shown else "")
