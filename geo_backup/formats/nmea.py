"""NMEA 0183 logs: RMC sentences make fixes, GGA sentences lend them their accuracy or fill in between.

    $GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A
    $GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47

GGA has no date: it is that of its tag block or stamp, else that of the last RMC, unless midnight lies between them.
What stands before `$` may be a tag block (NMEA 4.10), a stamp, or the modem's id; `Sources` tells which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import reduce
from typing import Any, NamedTuple

import pynmea2

from geo_backup.errors import TrackError
from geo_backup.events import Fix
from geo_backup.formats.taip import nearest_day_ms
from geo_backup.formats.tracks import (
    DAY_MS,
    KNOTS,
    NO_HINTS,
    Collector,
    Hints,
    Recording,
    number,
    plain_id,
    stamp_ms,
    time_ms,
)

ROLLOVER_MS = 1024 * 7 * DAY_MS
HDOP_M = 5.0
"""Metres of accuracy for one unit of HDOP, a rule of thumb."""
UNITS_MAX = 1_000
"""Units in one log; more are no fleet, but something that is taken for units."""
GROUPS_KEPT = 1_000
BEFORE_MAX = 1_000
"""Characters before a sentence that are looked at."""
COMES_AGAIN_MS = 2_000
"""A word before `$` that stands for so long is no stamp: it names the unit."""
NUMBER_DIGITS = 5
"""Numbers that are ids (IMEI, modem number) are as long as this; shorter ones that change are counters."""

_SENTENCE = re.compile(r"\$(?=[A-Z]{2}(?:RMC|GGA),)")
_ANY_SENTENCE = re.compile(r"\$[A-Z]{5},")
_TAG_BLOCK = re.compile(r"\\([^\\]*)\\")
_WORDS = re.compile(r"[\s,;|<>\[\](){}=\"'\\]+")
_STAMP = re.compile(
    r"""(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|(19|20)\d{6})?[T_-]?
    (\d{1,2}:\d\d(:\d\d)?([.:]\d+)?|(?<=[T_-])\d{4,6}(\.\d+)?)?\ ?([ap]\.?m\.?)?(z|utc|gmt|[+-]\d\d:?\d\d)?
    |\d+\.\d+|(mon|tues?|wed(nes)?|thu(rs)?|fri|sat(ur)?|sun)(day)?
    |jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|(octo|novem|decem)ber|oct|nov|dec
    |trace|debug|info|notice|warn|warning|error|rx|tx|in|out|recv|nmea|gps|gnss""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)
"""A word that says when or how something was logged, and not by whom."""


class Source(NamedTuple):
    """What a sentence says of who sent it: the `s:` of its tag block, or the words before it."""

    name: str
    tagged: bool = False


@dataclass(slots=True)
class Heard:
    """One usable sentence; `fix.fix_ms` is the time of day."""

    line: int
    source: Source
    talker: str
    fix: Fix
    day: date | None
    """Of an RMC."""
    is_rmc: bool
    near_ms: int | None
    """What its tag block or stamp says of when it was heard."""


@dataclass(slots=True)
class Sources:
    """Tells units from stamps by all that a log says, since one line alone cannot."""

    stem: str
    spans: dict[Source, tuple[int, int]] = field(default_factory=dict)
    """First and last time of day."""

    def hear(self, source: Source, of_day_ms: int) -> None:
        first, last = self.spans.get(source, (of_day_ms, of_day_ms))
        self.spans[source] = (min(first, of_day_ms), max(last, of_day_ms))

    def units(self) -> dict[Source, str | None]:
        """The unit of each source; None for words that are neither a stamp nor a unit that comes again."""
        words = [source for source in self.spans if source.name and not source.tagged]
        return {source: self._unit(source, alone=len(words) == 1) for source in self.spans}

    def _unit(self, source: Source, *, alone: bool) -> str | None:
        name, (first, last) = source.name, self.spans[source]
        if not name:
            return self.stem
        if source.tagged or alone:
            return plain_id(name)
        stays = last - first >= COMES_AGAIN_MS
        if any(map(str.isalpha, name)):
            return plain_id(name) if stays else None
        if not stays:
            return self.stem
        return plain_id(name) if sum(map(str.isdigit, name)) >= NUMBER_DIGITS else None


def looks(start: str) -> bool:
    """Whether a sentence of any kind stands in it."""
    return _ANY_SENTENCE.search(start) is not None


def read(text: str, name: str = "log.nmea", hints: Hints = NO_HINTS) -> Recording:
    """Fixes of a log. The unit is the tag block's source or the modem's id before `$`, else it is named by the file.

    The hint `received_ms` lets dates that are 1024 weeks (a GPS week rollover) before it be put right, which is noted.
    """
    found = Collector(name)
    sources = Sources(name.rsplit(".", 1)[0])
    groups: dict[str, tuple[str, int | None]] = {}
    heard: list[Heard] = []
    for n, line in enumerate(text.splitlines(), 1):
        mark = _SENTENCE.search(line)
        if mark is None:
            continue
        try:
            source, near_ms = said_before(line[: mark.start()][-BEFORE_MAX:], groups)
            one = _sentence(found, line[mark.start() :].strip(), n, source, near_ms)
        except ValueError as error:
            found.skip(f"line {n}", str(error))
            continue
        sources.hear(source, one.fix.fix_ms)
        heard.append(one)
    units = sources.units()
    if len(set(units.values())) > UNITS_MAX:
        raise TrackError(
            f"{name} names more than {UNITS_MAX:,} units before its sentences, as no log does: take away what stands "
            "before each `$`, or give each unit a file of its own."
        )
    for (unit_id, fix), where in _dated(found, heard, units, hints.received_ms):
        found.add(unit_id, "", fix, where)
    return found.recording()


def said_before(text: str, groups: dict[str, tuple[str, int | None]]) -> tuple[Source, int | None]:
    """Who sent a sentence and when, by what stands before it. Raises `ValueError` for a wrong checksum."""
    tag = ""
    near_ms = stamp_ms(text)
    for block in _TAG_BLOCK.findall(text):
        inner, star, digits = block.partition("*")
        right = reduce(lambda total, letter: total ^ ord(letter), inner, 0)
        if star and digits.strip().upper() != f"{right:02X}":
            raise ValueError(f"the checksum of its tag block says {digits[:8]!r}, the block {right:02X}")
        said = {key.strip(): value.strip() for key, _, value in (part.partition(":") for part in inner.split(","))}
        tag = said.get("s", tag)
        if number(said.get("c")) is not None:
            near_ms = time_ms(said["c"])
        if "g" in said:
            group = said["g"].rsplit("-", 1)[-1]
            known_tag, known_ms = groups.get(group, ("", None))
            tag, near_ms = tag or known_tag, known_ms if near_ms is None else near_ms
            if len(groups) >= GROUPS_KEPT:
                groups.clear()
            groups[group] = (tag, near_ms)
    if tag:
        return Source(tag, tagged=True), near_ms
    return Source(_name(_TAG_BLOCK.sub(" ", text))), near_ms


def _name(text: str) -> str:
    """What is left of the words before a sentence without stamps; numbers count where there is nothing else."""
    words = [word for part in _WORDS.split(text) if (word := part.strip(":-#*/."))]
    left = [word for word in words if _STAMP.fullmatch(word) is None]
    if len(left) < len(words):  # short numbers beside a stamp are parts of it
        left = [word for word in left if not word.isdigit() or len(word) >= NUMBER_DIGITS]
    return "-".join([word for word in left if any(map(str.isalpha, word))] or left)


def _sentence(found: Collector, text: str, line: int, source: Source, near_ms: int | None) -> Heard:
    """One RMC or GGA sentence. Raises `ValueError` that says why it is no fix."""
    try:
        said: Any = pynmea2.parse(text, check="*" in text)
    except pynmea2.ParseError as error:
        reason = error.args[0] if error.args else "it is garbled"
        raise ValueError(str(reason[0] if isinstance(reason, tuple) else reason)) from None
    if not isinstance(said, pynmea2.TalkerSentence):
        raise ValueError("it is garbled")
    is_rmc = said.sentence_type == "RMC"
    if is_rmc and (said.status != "A" or (getattr(said, "mode_indicator", "A") or "A") in "NS"):
        raise ValueError("the receiver had no fix, or simulated one")
    if not is_rmc and said.gps_qual not in (1, 2, 3, 4, 5, 6, 7, 9):
        raise ValueError("the receiver had no fix, or simulated one")
    when, where, day = said.timestamp, f"line {line}", None
    if when is None or not said.lat or not said.lon:
        raise ValueError("it has no time or place")
    if not isinstance(when, time):
        raise ValueError(f"{str(when)[:40]!r} is no time of day (hhmmss)")
    if said.lat_dir not in ("N", "S") or said.lon_dir not in ("E", "W"):
        raise ValueError("it does not say north or south, or east or west")
    if (number(said.lat) or 0.0) % 100.0 >= 60.0 or (number(said.lon) or 0.0) % 100.0 >= 60.0:
        raise ValueError(f"{said.lat!r}, {said.lon!r} has more than 60 minutes in a degree")
    of_day_ms = ((when.hour * 60 + when.minute) * 60 + when.second) * 1000 + when.microsecond // 1000
    fix = Fix(of_day_ms, said.longitude, said.latitude)
    if is_rmc:
        day = said.datestamp
        if not isinstance(day, date):
            if near_ms is None:
                raise ValueError(f"{str(day or '')[:40]!r} is no date (ddmmyy)")
            day = None
        knots = found.value(said.spd_over_grnd, "speed", where)
        course = found.value(said.true_course, "course", where)
        fix = fix._replace(speed_mps=None if knots is None else knots * KNOTS, course_deg=course)
    else:
        hdop = found.value(said.horizontal_dil, "hdop", where)
        fix = fix._replace(accuracy_m=None if hdop is None else hdop * HDOP_M)
    return Heard(line, source, said.talker, fix, day, is_rmc, near_ms)


def _dated(
    found: Collector, heard: list[Heard], units: dict[Source, str | None], received_ms: int | None
) -> Iterable[tuple[tuple[str, Fix], str]]:
    """Unit and fix of every sentence, with its date; those of one time are one fix."""
    fixes: dict[tuple[str, int], tuple[Fix, int]] = {}
    last_ms: dict[tuple[str, str], int] = {}
    held: dict[tuple[str, str], list[Heard]] = {}

    def put(unit_id: str, one: Heard, at_ms: int) -> None:
        fix = one.fix._replace(fix_ms=at_ms)
        old = fixes.get((unit_id, at_ms))
        if old is not None:
            main, other = (fix, old[0]) if fix.speed_mps is not None else (old[0], fix)
            fix = main._replace(accuracy_m=main.accuracy_m if main.accuracy_m is not None else other.accuracy_m)
        fixes[unit_id, at_ms] = (fix, one.line)

    for one in heard:
        unit_id = units[one.source]
        if unit_id is None:
            words = f"{one.source.name[:40]!r} before `$` is neither a stamp that is known nor a unit that comes again"
            found.skip(f"line {one.line}", words)
            continue
        key, of_day_ms = (unit_id, one.talker), one.fix.fix_ms
        if one.day is not None:
            # the two digits of a year mean 1980 to 2079
            year = (1900 if one.day.year % 100 >= 80 else 2000) + one.day.year % 100
            midnight = datetime(year, one.day.month, one.day.day, tzinfo=UTC)
            at_ms = round(midnight.timestamp()) * 1000 + of_day_ms
            if received_ms is not None and abs(received_ms - at_ms - ROLLOVER_MS) <= DAY_MS:
                at_ms += ROLLOVER_MS
                found.note(f"line {one.line}: the receiver's date was 1024 weeks early and has been put right")
        elif one.near_ms is not None or key in last_ms:
            at_ms = nearest_day_ms(of_day_ms, one.near_ms if one.near_ms is not None else last_ms[key])
        else:
            held.setdefault(key, []).append(one)
            continue
        last_ms[key] = at_ms
        put(unit_id, one, at_ms)
        for early in held.pop(key, ()):
            put(unit_id, early, nearest_day_ms(early.fix.fix_ms, at_ms))
    for waiting in held.values():
        for one in waiting:
            found.skip(f"line {one.line}", "no RMC sentence, tag block or stamp gives this GGA its date")
    for (unit_id, _), (fix, line) in fixes.items():
        yield (unit_id, fix), f"line {line}"
