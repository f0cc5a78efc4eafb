"""Tables of positions: any CSV with named columns, and the Porto taxi trips (one trip a row, a place every 15 s).

    unit_id,time,lon,lat,speed_mps,course_deg,accuracy_m
    ENG-7,2026-11-23T12:00:00Z,11.97,57.70,12.5,84,5

Columns are known by many names (`NAMES`), or by those that the user gives.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from geo_backup.errors import TrackError
from geo_backup.events import Fix
from geo_backup.formats.tracks import (
    KMH,
    KNOTS,
    MPH,
    NO_HINTS,
    Collector,
    Hints,
    Recording,
    degrees,
    in_order,
    number,
    readings_ms,
)

PORTO_STEP_MS = 15_000
ROW_NUMBERS_FROM = 3
"""So many ids that count up, one a row, are no units."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "unit_id": ("unit_id", "unit", "vehicle_id", "vehicle", "callsign", "device_id", "device", "taxi_id", "id", "name"),
    "time": ("fix_time", "time", "timestamp", "datetime", "date_time", "utc", "ts", "fix_ms", "recorded_at"),
    "lon": ("lon", "lng", "long", "longitude", "x"),
    "lat": ("lat", "latitude", "y"),
    "speed_mps": ("speed_mps", "speed_ms"),
    "speed_kmh": ("speed_kmh", "speed_kph", "kmh"),
    "speed_knots": ("speed_knots", "speed_kn", "knots"),
    "speed_mph": ("speed_mph", "mph"),
    "course_deg": ("course_deg", "course", "heading", "bearing", "direction"),
    "accuracy_m": ("accuracy_m", "accuracy", "hacc"),
    "segment": ("segment", "trip_id", "trip"),
}
"""What a column may be called when no mapping says so; an unlabelled `speed` is not read, its unit is not known."""

SPEED_FACTORS = {"speed_mps": 1.0, "speed_kmh": KMH, "speed_knots": KNOTS, "speed_mph": MPH}


def is_porto(head: str) -> bool:
    """Whether a table's first line is that of the Porto taxi trips."""
    return all(word in head for word in ("TRIP_ID", "TAXI_ID", "TIMESTAMP", "POLYLINE"))


def looks(start: str) -> bool:
    """Whether its first line has three columns."""
    lines = start.splitlines()
    return bool(lines) and max(map(lines[0].count, ",;\t")) >= 2


def read(text: str, name: str = "tracks.csv", hints: Hints = NO_HINTS) -> Recording:
    """Tracks of a CSV (comma, semicolon or tab). The hint `columns` maps our names (`NAMES`) to the file's."""
    columns, timezone = hints.columns, hints.timezone
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    if is_porto(first) and columns is None:
        return read_porto(text, name)
    zone = None if timezone is None else _zone(timezone)
    delimiter = max(",;\t", key=first.count)
    rows = csv.DictReader(io.StringIO(text, newline=None), delimiter=delimiter, skipinitialspace=True)
    try:
        header = [(field or "").strip() for field in rows.fieldnames or ()]
    except csv.Error as error:
        raise TrackError(f"{name} line 1 is no CSV: {error}") from None
    rows.fieldnames = header
    use = _columns(header, columns or {}, name)
    found = Collector(name)
    timed: dict[str, list[_Row]] = {}
    stem = name.rsplit(".", 1)[0]
    try:
        for row in rows:
            where = f"line {rows.line_num}"
            cell = {ours: (row.get(theirs) or "").strip() for ours, theirs in use.items()}
            unit_id = cell.get("unit_id") or ("" if "unit_id" in use else stem)
            if not unit_id:
                found.skip(where, "it names no unit")
                continue
            try:
                timed.setdefault(unit_id, []).append(_row(found, cell, zone, where))
            except ValueError as error:
                found.skip(where, str(error))
    except csv.Error as error:
        found.skip(f"line {rows.line_num}", f"it is no CSV ({error}), and what follows is lost")
    timed = {unit_id: some for unit_id, some in timed.items() if some}
    if "unit_id" not in (columns or {}) and _are_row_numbers(timed):
        found.note(
            f"the column {use['unit_id']} numbers the rows, so all of them are one unit: name another as unit_id"
        )
        timed = {stem: [row_ for some in timed.values() for row_ in some]}
    _add(found, timed, timezone)
    return found.recording()


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        raise TrackError(f"{timezone!r} is no timezone: give an IANA name such as Europe/Lisbon.") from None


class _Row(NamedTuple):
    """One usable row; `readings` is what its time may mean."""

    readings: tuple[int, ...]
    segment: str
    fix: Fix
    where: str


def _row(found: Collector, cell: Mapping[str, str], zone: ZoneInfo | None, where: str) -> _Row:
    """One row; `ValueError` says why it cannot be used."""
    lon, lat = degrees(cell["lon"], "longitude"), degrees(cell["lat"], "latitude")
    readings = readings_ms(cell["time"], zone)
    speeds = [
        value * factor
        for field, factor in SPEED_FACTORS.items()
        if (value := found.value(cell.get(field), field, where)) is not None
    ]
    course, accuracy = (found.value(cell.get(field), field, where) for field in ("course_deg", "accuracy_m"))
    fix = Fix(readings[0], lon, lat, speeds[0] if speeds else None, course, accuracy)
    return _Row(readings, cell.get("segment", ""), fix, where)


def _are_row_numbers(timed: Mapping[str, list[_Row]]) -> bool:
    """Whether what was taken for units counts the rows: one each, and each the next number."""
    units = list(timed)
    return (
        len(units) >= ROW_NUMBERS_FROM
        and all(len(rows) == 1 for rows in timed.values())
        and all(unit_id.isdecimal() for unit_id in units)
        and all(int(b) == int(a) + 1 for a, b in pairwise(units))
    )


def _add(found: Collector, timed: Mapping[str, list[_Row]], timezone: str | None) -> None:
    """Hand the rows over with the reading of their times that the order of each unit's rows tells."""
    twice = 0
    for unit_id, rows in timed.items():
        twice += sum(len(row.readings) > 1 for row in rows)
        for row, at_ms in zip(rows, in_order([row.readings for row in rows]), strict=True):
            found.add(unit_id, row.segment, row.fix._replace(fix_ms=at_ms), row.where)
    if twice:
        found.note(
            f"{twice:,} times lie in the hour that the clock of {timezone} shows twice: they are read by the order of "
            "the rows, and as the first of the two hours where that does not tell"
        )


def _columns(header: list[str], columns: Mapping[str, str], name: str) -> dict[str, str]:
    unknown = sorted(set(columns) - set(NAMES))
    if unknown:
        raise TrackError(f"no such column meaning: {', '.join(unknown)}. There are {', '.join(NAMES)}.")
    missing = sorted(set(columns.values()) - set(header))
    if missing:
        raise TrackError(f"{name} has no column {', '.join(missing)}; it has {', '.join(header)}.")
    lower = {field.lower(): field for field in reversed(header)}
    use = dict(columns)
    for ours, theirs in NAMES.items():
        if ours not in use:
            known = next((lower[name] for name in theirs if name in lower), None)
            if known is not None and known not in columns.values():
                use[ours] = known
    wanted = [ours for ours in ("time", "lon", "lat") if ours not in use]
    if wanted:
        raise TrackError(
            f"{name} line 1: no column is known as {', '.join(wanted)} (it has {', '.join(header) or 'none'}). "
            f"Name it: --columns {','.join(f'{ours}=...' for ours in wanted)}"
        )
    return use


def read_porto(text: str, name: str = "porto.csv") -> Recording:
    """Taxi trips: each its own segment of its taxi's track (`taxi-<id>`); a trip given twice counts once."""
    found = Collector(name)
    rows = csv.DictReader(io.StringIO(text, newline=None))
    seen: set[str] = set()
    try:
        for row in rows:
            where = f"line {rows.line_num}"
            trip, start = row.get("TRIP_ID") or "", number(row.get("TIMESTAMP"))
            if trip in seen:
                found.skip(where, f"trip {trip} stands here twice")
                continue
            seen.add(trip)
            try:
                places = orjson.loads(row.get("POLYLINE") or "[]")
            except orjson.JSONDecodeError:
                places = None
            if start is None or not isinstance(places, list):
                found.skip(where, "it has no TIMESTAMP or no POLYLINE")
                continue
            for n, place in enumerate(places):
                if not isinstance(place, list) or len(place) != 2 or None in map(number, place):
                    found.skip(where, f"a place is not [lon, lat]: {str(place)[:40]}")
                    continue
                fix = Fix(round(start * 1000) + n * PORTO_STEP_MS, float(place[0]), float(place[1]))
                found.add(f"taxi-{row.get('TAXI_ID')}", trip, fix, where)
    except csv.Error as error:
        found.skip(f"line {rows.line_num}", f"it is no CSV ({error}), and what follows is lost")
    return found.recording()
