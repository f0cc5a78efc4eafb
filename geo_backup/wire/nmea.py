"""NMEA 0183 logs: RMC sentences make fixes, GGA sentences lend them their accuracy or fill in between.

GGA has no date: it is that of the last RMC, unless midnight lies between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pynmea2

from geo_backup.events import Fix
from geo_backup.wire.taip import DAY_MS, nearest_day_ms
from geo_backup.wire.tracks import KNOTS, Collector, Recording, number

ROLLOVER_MS = 1024 * 7 * DAY_MS
HDOP_M = 5.0
"""Metres of accuracy for one unit of HDOP, a rule of thumb."""


def read(lines: Iterable[str], name: str = "log.nmea", *, received_ms: int | None = None) -> Recording:
    """Fixes of a log; what stands before `$` is the modem's id, else the file's name is the unit.

    `received_ms` lets dates that are 1024 weeks (a GPS week rollover) before it be put right, which is noted.
    """
    found = Collector(name)
    stem = name.rsplit(".", 1)[0]
    fixes: dict[str, dict[int, tuple[Fix, int]]] = {}
    last_ms: dict[tuple[str, str], int] = {}
    held: dict[tuple[str, str], list[tuple[Fix, int]]] = {}

    def put(unit_id: str, fix: Fix, line: int) -> None:
        there = fixes.setdefault(unit_id, {})
        old = there.get(fix.fix_ms)
        if old is not None:
            main, other = (fix, old[0]) if fix.speed_mps is not None else (old[0], fix)
            fix = main._replace(accuracy_m=main.accuracy_m if main.accuracy_m is not None else other.accuracy_m)
        there[fix.fix_ms] = (fix, line)

    for n, line in enumerate(lines, 1):
        prefix, mark, body = line.strip().partition("$")
        if not mark:
            continue
        try:
            said = pynmea2.parse("$" + body, check="*" in body)
            kind = said.sentence_type
            if kind not in ("RMC", "GGA"):
                continue
            if kind == "RMC" and (said.status != "A" or (getattr(said, "mode_indicator", "A") or "A") in "NS"):
                raise ValueError("the receiver had no fix, or simulated one")
            if kind == "GGA" and not said.gps_qual:
                raise ValueError("the receiver had no fix")
            if said.timestamp is None or not said.lat or not said.lon:
                raise ValueError("it has no time or place")
            when = said.timestamp
            of_day_ms = ((when.hour * 60 + when.minute) * 60 + when.second) * 1000 + when.microsecond // 1000
            unit_id = prefix.strip(" ,;:") or stem
            key = (unit_id, said.talker)
            if kind == "GGA":
                hdop = number(said.horizontal_dil)
                fix = Fix(of_day_ms, said.longitude, said.latitude, None, None, hdop * HDOP_M if hdop else None)
                if key in last_ms:
                    last_ms[key] = nearest_day_ms(of_day_ms, last_ms[key])
                    put(unit_id, fix._replace(fix_ms=last_ms[key]), n)
                else:
                    held.setdefault(key, []).append((fix, n))
                continue
            day = said.datestamp
            if day is None:
                raise ValueError("it has no date")
            # the two digits of a year mean 1980 to 2079
            day = day.replace(year=(1900 if day.year % 100 >= 80 else 2000) + day.year % 100)
            at_ms = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000 + of_day_ms
            if received_ms is not None and abs(received_ms - at_ms - ROLLOVER_MS) <= DAY_MS:
                at_ms += ROLLOVER_MS
                found.note(f"line {n}", "the receiver's date was 1024 weeks early and has been put right")
            knots = number(said.spd_over_grnd)
            fix = Fix(
                at_ms, said.longitude, said.latitude, None if knots is None else knots * KNOTS,
                number(said.true_course),
            )  # fmt: skip
            for early, where in held.pop(key, ()):
                put(unit_id, early._replace(fix_ms=nearest_day_ms(early.fix_ms, at_ms)), where)
            last_ms[key] = at_ms
            put(unit_id, fix, n)
        except (ValueError, TypeError, AttributeError, pynmea2.ParseError) as error:
            reason = error.args[0] if error.args else "garbled"
            found.skip(f"line {n}", str(reason[0] if isinstance(reason, tuple) else reason))
    for waiting in held.values():
        for _, where in waiting:
            found.skip(f"line {where}", "no RMC sentence gives this GGA its date")
    for unit_id, there in fixes.items():
        for fix, where in there.values():
            found.add(unit_id, "", fix, f"line {where}")
    return found.recording()
