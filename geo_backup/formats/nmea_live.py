"""NMEA 0183 as it comes from a modem, one sentence at a time: RMC sentences move a unit, GGA those that send no RMC.

    0007 $GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A

Who sends it is the `s:` of a tag block, or what stands before `$`; where nothing does, the caller knows.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache, reduce
from operator import xor

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.formats.heard import Heard, checked, heard, named
from geo_backup.formats.nmea import BEFORE_MAX, HDOP_M, ROLLOVER_MS, said_before
from geo_backup.formats.taip import nearest_day_ms
from geo_backup.formats.tracks import DAY_MS, KNOTS, number
from geo_backup.wire.unknown import stated

RMC_HOLDS_MS = 60_000
"""A sender that sent an RMC so lately sends more of them: its GGA say nothing new but the accuracy."""

_SENTENCE = re.compile(r"\$([A-Z]{2})([A-Z]{3}),([^*$]*)(?:\*([0-9A-Fa-f]{2}))?")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)", re.ASCII).fullmatch
_PART = re.compile(r"\.\d{1,6}", re.ASCII).fullmatch
"""Of a second."""
_PLACE = re.compile(r"(\d{1,3})([0-5]\d(?:\.\d{1,12})?)", re.ASCII).fullmatch


class Stream:
    """The sentences of one sender: a connection, or an address that sends datagrams."""

    def __init__(self) -> None:
        self._rmc_ms: int | None = None
        self._gga: tuple[int, float | None] = (-1, None)
        """Time of day and accuracy of the last one."""

    def hear(self, line: str, received_ms: int, names: tuple[str, ...] = ()) -> Heard | None:
        """One sentence; None for one that is not about the place, or says again what an RMC says. `names` are what the
        sender is called where the sentence does not say it. Raises `BadValueError` for what is garbled."""
        mark = _SENTENCE.search(line)
        if mark is None:
            raise BadValueError("/sentence", "garbled", "it is no NMEA sentence, which begins with $ and five letters")
        _, kind, body, digits = mark.groups()
        if digits is not None:
            right = _xor(line[mark.start() + 1 : mark.end() - 3].encode("utf-8", "surrogatepass"))
            if int(digits, 16) != right:
                raise BadValueError("/sentence", "checksum", f"its checksum says {digits}, the sentence {right:02X}")
        if kind not in ("RMC", "GGA"):
            return None
        near_ms = received_ms
        if before := line[: mark.start()][-BEFORE_MAX:].strip():
            try:
                names, said_ms = _before(before, names)
            except ValueError as error:
                raise BadValueError("/sentence", "checksum", str(error)) from None
            near_ms = received_ms if said_ms is None else said_ms
        fields = body.split(",")
        if kind == "RMC":
            self._rmc_ms = received_ms
            return heard(names, False, lambda: self._rmc(fields, received_ms, near_ms))
        return self._gga_of(fields, received_ms, near_ms, names)

    def _rmc(self, fields: list[str], received_ms: int, near_ms: int) -> Fix | None:
        fields += [""] * (12 - len(fields))
        if fields[1] != "A" or (fields[11] or "A") in "NS":
            return None
        of_day_ms = _of_day_ms(fields[0])
        at_ms = _moment_ms(of_day_ms, fields[8], received_ms, near_ms)
        accuracy_m = self._gga[1] if self._gga[0] == of_day_ms else None
        lon, lat = _degrees("lon", fields[4], fields[5], "EW"), _degrees("lat", fields[2], fields[3], "NS")
        knots = stated(fields[6])
        return checked(Fix(at_ms, lon, lat, None if knots is None else knots * KNOTS, stated(fields[7]), accuracy_m))

    def _gga_of(self, fields: list[str], received_ms: int, near_ms: int, names: tuple[str, ...]) -> Heard | None:
        fields += [""] * (8 - len(fields))
        hdop = number(fields[7])
        accuracy_m = None if hdop is None else hdop * HDOP_M
        with suppress(BadValueError):
            self._gga = (_of_day_ms(fields[0]), accuracy_m)
        if self._rmc_ms is not None and received_ms - self._rmc_ms < RMC_HOLDS_MS:
            return None

        def fix() -> Fix | None:
            if fields[5] not in ("1", "2", "3", "4", "5", "6", "7", "9"):
                return None
            at_ms = nearest_day_ms(_of_day_ms(fields[0]), near_ms)
            lon, lat = _degrees("lon", fields[3], fields[4], "EW"), _degrees("lat", fields[1], fields[2], "NS")
            return checked(Fix(at_ms, lon, lat, accuracy_m=accuracy_m))

        return heard(names, False, fix)


@lru_cache(4_096)
def _before(text: str, names: tuple[str, ...]) -> tuple[tuple[str, ...], int | None]:
    """Who sent a sentence and when, by what stands before it: for most modems always the same."""
    source, said_ms = said_before(text, {})
    return named(source.name, *names), said_ms


def _xor(data: bytes) -> int:
    """All bytes in one, by halves: a loop over each would be most of what a sentence costs."""
    if len(data) > 128:
        return reduce(xor, data)
    total = int.from_bytes(data, "big")
    for bits in (512, 256, 128, 64, 32, 16, 8):
        total ^= total >> bits
    return total & 0xFF


def _of_day_ms(text: str) -> int:
    whole_ms, part = _second_ms(text[:6]), text[6:]
    if whole_ms is None or (part and _PART(part) is None):
        raise BadValueError("/time", "no_time", f"{text[:20]!r} is no time of day (hhmmss)")
    return whole_ms + int(float(part or 0) * 1000 + 0.5)


@lru_cache(1_024)  # all say the same few
def _second_ms(text: str) -> int | None:
    match = _TIME(text)
    return None if match is None else ((int(match[1]) * 60 + int(match[2])) * 60 + int(match[3])) * 1000


def _moment_ms(of_day_ms: int, day: str, received_ms: int, near_ms: int) -> int:
    """The moment of a time of day by its date (ddmmyy), or without one that of the nearest day. A date that is 1024
    weeks early is that of a receiver that has lost count of the weeks, and is put right."""
    if not day:
        return nearest_day_ms(of_day_ms, near_ms)
    at_ms = _midnight_ms(day) + of_day_ms
    return at_ms + ROLLOVER_MS if abs(received_ms - at_ms - ROLLOVER_MS) <= DAY_MS else at_ms


@lru_cache(64)
def _midnight_ms(day: str) -> int:
    if len(day) != 6 or not (day.isascii() and day.isdigit()):
        raise BadValueError("/time", "no_time", f"{day[:20]!r} is no date (ddmmyy)")
    two = int(day[4:])
    try:
        on = datetime((1900 if two >= 80 else 2000) + two, int(day[2:4]), int(day[:2]), tzinfo=UTC)
    except ValueError:
        raise BadValueError("/time", "no_time", f"{day!r} is no date (ddmmyy)") from None
    return round(on.timestamp()) * 1000


def _degrees(field: str, text: str, side: str, sides: str) -> float:
    match = _PLACE(text)
    if match is None:
        raise BadValueError(f"/{field}", "garbled", f"{text[:20]!r} is no {field} (degrees and minutes as ddmm.mmm)")
    degrees = int(match[1]) + float(match[2]) / 60.0
    if side == sides[0]:
        return degrees
    if side != sides[1]:
        raise BadValueError(f"/{field}", "garbled", f"{side[:20]!r} is neither {sides[0]} nor {sides[1]}")
    return -degrees
