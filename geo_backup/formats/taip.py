"""Trimble TAIP, the language of many police modems: RPV and REV reports with their checksum.

    2026-11-23T12:00:01Z >RPV43200+3780000-1222700002808412;ID=ENG-7<

RPV tells the time of day only, so its date is that of the nearest day to when it was received.
"""

from __future__ import annotations

import math
import re
from functools import reduce

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.formats.heard import Heard, fix_at, heard, named
from geo_backup.formats.tracks import DAY_MS, MPH, NO_HINTS, Collector, Hints, Recording, stamp_ms, time_ms

GPS_EPOCH_MS = 315_964_800_000
NO_SOURCE, NO_AGE = "9", "0"
EVENT_CHARS = len("EAWWWWDSSSSS")
"""Of a REV its event, and when that was."""
NO_DATE = " ({!r} is none that is known here)"
REMEDY = "put the time of reception before the report"
NO_EVENTS: frozenset[int] = frozenset()

_FRAME = re.compile(r">([A-Z]{3})([^;<>]*)((?:;[^;<>]*)*)<")
_REPORT = re.compile(r">R[PE]V[^<>]*<")
_PLACE = re.compile(r"([+-]\d{7})([+-]\d{8})(.{3})(.{3})(.)(.)", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)


class NoFixError(ValueError):
    """The receiver knows that it does not know where it is."""


def parse(frame: str, received_ms: int, unit_id: str = "unit", *, leap_s: int = 0) -> tuple[str, Fix]:
    """Unit and fix of one report; `leap_s` is how far the modem's GPS time is ahead of UTC (0 when it sends UTC).

    Raises `ValueError` for a wrong checksum, another message, or a report without a fix.
    """
    kind, data, options = _opened(frame)
    ids = [option[3:] for option in options if option.startswith("ID=")]
    return (ids[-1] if ids else unit_id), _fix(kind, data, received_ms, leap_s)


def hear(
    frame: str,
    received_ms: int,
    names: tuple[str, ...] = (),
    *,
    leap_s: int = 0,
    panic_events: frozenset[int] = NO_EVENTS,
) -> tuple[Heard | None, str]:
    """One frame of a modem on its line, and what to answer once it is recorded (empty: nothing).

    `names` are what the modem is called where the frame does not say it; a REV report of one of `panic_events` is its
    officer's call for help. None for a frame that is no report. Raises `BadValueError` for what is garbled.
    """
    try:
        kind, data, options = _opened(frame)
    except ValueError as error:
        raise BadValueError("/frame", "garbled", str(error)) from None
    unit_id = next((option[3:] for option in options if option[:3].upper() == "ID="), "")
    names, answer = named(unit_id, *names), _answer(unit_id, options)
    if kind not in ("RPV", "REV"):
        return None, answer
    pressed = kind == "REV" and data[:2].isdigit() and int(data[:2]) in panic_events
    said, number = heard(names, pressed, lambda: _heard_fix(kind, data, received_ms, leap_s)), _number_of(options)
    return said._replace(report=f"{number} {data[:EVENT_CHARS]}" if number and pressed else ""), answer


def _answer(unit_id: str, options: list[str]) -> str:
    """What acknowledges a report that carries a number (`;#0012`): modems that keep reports send them again until it
    comes."""
    index = _number_of(options)
    if not index or not unit_id:
        return ""
    if index.startswith("#IP"):
        return f">SAK;ID={unit_id};{index}<"
    said = f">ACK;ID={unit_id};{index};*"
    return f"{said}{reduce(lambda total, letter: total ^ ord(letter), said, 0):02X}<"


def _number_of(options: list[str]) -> str:
    """The number of a report that is to be acknowledged; empty where it has none."""
    return next((option for option in options if option.startswith("#")), "")


def _heard_fix(kind: str, data: str, received_ms: int, leap_s: int) -> Fix | None:
    try:
        said = _fix(kind, data, received_ms, leap_s)
    except NoFixError:
        return None
    except ValueError as error:
        raise BadValueError("/frame", "garbled", str(error)) from None
    return fix_at(said.fix_ms, said.lon, said.lat, speed=said.speed_mps, course=said.course_deg)


def _opened(frame: str) -> tuple[str, str, list[str]]:
    """Kind, data and options of a frame. Raises `ValueError` where it is none, or its checksum is wrong."""
    match = _FRAME.search(frame)
    if match is None:
        raise ValueError("it is no TAIP report")
    kind, data, tail = match.groups()
    options = tail.split(";")[1:]
    sums = [option[1:] for option in options if option.startswith("*")]
    if sums:
        covered = frame[match.start() : frame.index("*", match.start()) + 1]
        right = reduce(lambda total, letter: total ^ ord(letter), covered, 0)
        if sums[-1].upper() != f"{right:02X}":
            raise ValueError(f"the checksum says {sums[-1]}, the report {right:02X}")
    return kind, data, options


def _fix(kind: str, data: str, received_ms: int, leap_s: int) -> Fix:
    if kind == "RPV":
        head, rest = data[:5], data[5:]
    elif kind == "REV":
        head, rest = data[:EVENT_CHARS], data[EVENT_CHARS:]
    else:
        raise ValueError(f"a {kind} report has no position that is read here")
    place = _PLACE.fullmatch(rest)
    if place is None or _DIGITS.fullmatch(head) is None:
        raise ValueError(f"the {kind} report is cut short or garbled")
    lat, lon, mph, course, source, age = place.groups()
    if source == NO_SOURCE or age == NO_AGE:
        raise NoFixError("the receiver had no fix")
    if kind == "RPV":
        at_ms = nearest_day_ms(int(head) * 1000 - leap_s * 1000, received_ms)
    else:
        if len(head) < EVENT_CHARS:
            raise ValueError("the REV report is cut short or garbled")
        week, day, second = int(head[2:6]), int(head[6]), int(head[7:])
        at_ms = GPS_EPOCH_MS + (week * 7 + day) * DAY_MS + (second - leap_s) * 1000
    return Fix(at_ms, int(lon) / 1e5, int(lat) / 1e5, _number(mph) * MPH, _number(course))


def _number(digits: str) -> float:
    """NaN, which is unknown, for what is no number."""
    return float(digits) if _DIGITS.fullmatch(digits) else math.nan


def nearest_day_ms(of_day_ms: int, near_ms: int) -> int:
    """The moment with this time of day (ms) that lies within 12 h of `near_ms`."""
    at_ms = near_ms - near_ms % DAY_MS + of_day_ms
    if at_ms - near_ms > DAY_MS // 2:
        return at_ms - DAY_MS
    return at_ms + DAY_MS if near_ms - at_ms > DAY_MS // 2 else at_ms


def _stamp_ms(text: str) -> int | None:
    """The moment that a line is stamped with; None where no such thing is in its stamp."""
    try:
        return time_ms(text.strip("[](){}|,; \t"))
    except ValueError:
        return stamp_ms(text)


def looks(start: str) -> bool:
    """Whether a report that is read here stands in one of its lines."""
    return any(map(_REPORT.search, start.splitlines()))


def read(text: str, name: str = "log.taip", hints: Hints = NO_HINTS) -> Recording:
    """Reports one a line, each after the time when it was received (`2026-11-23T12:00:01Z >RPV...<`).

    A line without one is dated by the line before it, the first one by the hint `received_ms`.
    """
    received_ms = hints.received_ms
    found = Collector(name)
    stem = name.rsplit(".", 1)[0]
    for n, line in enumerate(text.splitlines(), 1):
        frame = _FRAME.search(line)
        if frame is None:
            if ">" in line:
                found.skip(f"line {n}", "it is no TAIP report")
            continue
        stamp = line[: frame.start()].strip()
        try:
            near_ms = _stamp_ms(stamp) if stamp else received_ms
            near_ms = received_ms if near_ms is None else near_ms
            if near_ms is None:
                raise ValueError(f"it has no date{NO_DATE.format(stamp[:40]) if stamp else ''}: {REMEDY}")
            unit_id, fix = parse(frame[0], near_ms, stem)
        except ValueError as error:
            found.skip(f"line {n}", str(error))
            continue
        received_ms = fix.fix_ms
        found.add(unit_id, "", fix, f"line {n}")
    return found.recording()
