"""Recorded calls from CSV: when and where help was asked for, and which units went.

    call_id,time,lon,lat,priority,kind,units
    c1,2026-11-23T12:00:00Z,-8.61,41.15,1,fight,P1;P2

Columns are mapped by name, ours to the file's. Known without a mapping: the plain table above (priority, kind and units
may be missing) and San Francisco's fire calls, which have one row a unit, `(lat, lon)` in one column, and local 12-hour
times without an offset. A row without place or time is counted by its reason; a wrong mapping is an error.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from geo_backup.errors import BadValueError
from geo_backup.wire.times import to_ms

CALLS_MAX = 1_000_000
UNITS_MAX = 1_000
"""Units of one call; more are counted, not kept."""

STAMPS = ("dispatch", "en_route", "on_scene", "transport", "hospital", "available")

FIELDS = (
    "call_id",
    "time",
    "lon",
    "lat",
    "location",
    "priority",
    "kind",
    "area",
    "group",
    "units",
    "unit_id",
    "unit_kind",
    *STAMPS,
)
"""What a mapping may name. `location` is `(lat, lon)` instead of two columns; `units` lists ids with `;` between them,
`unit_id` is of a table with one row a unit."""

SAN_FRANCISCO: Mapping[str, str] = {
    "call_id": "Call Number",
    "time": "Received DtTm",
    "location": "Location",
    "priority": "Final Priority",
    "kind": "Call Type",
    "area": "Station Area",
    "group": "Call Type Group",
    "unit_id": "Unit ID",
    "unit_kind": "Unit Type",
    "dispatch": "Dispatch DtTm",
    "en_route": "Response DtTm",
    "on_scene": "On Scene DtTm",
    "transport": "Transport DtTm",
    "hospital": "Hospital DtTm",
    "available": "Available DtTm",
}
SAN_FRANCISCO_ZONE = "America/Los_Angeles"
SAN_FRANCISCO_PRIORITY = {"3": 1, "2": 3}
"""The city's priorities are codes of driving: 3 with siren, 2 without."""
SAN_FRANCISCO_NO_DANGER = ("Alarm", "Non Life-threatening")
"""Groups of calls that are 2 with siren: nobody is known to be in danger of life."""

_PLACE = re.compile(r"\(?\s*([-+0-9.]+)\s*,\s*([-+0-9.]+)\s*\)?", re.ASCII).fullmatch
_LOCAL_12 = re.compile(r"(\d\d?)/(\d\d?)/(\d{4}) (\d\d?):(\d\d)(?::(\d\d))? ?([AaPp])[Mm]", re.ASCII).fullmatch
_LOCAL_24 = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?", re.ASCII).fullmatch


class CallUnit(NamedTuple):
    """One unit's part in a call; times UTC epoch ms, None where the record has none."""

    unit_id: str
    kind: str
    dispatch_ms: int | None = None
    en_route_ms: int | None = None
    on_scene_ms: int | None = None
    transport_ms: int | None = None
    hospital_ms: int | None = None
    available_ms: int | None = None


class Call(NamedTuple):
    """One call for help; `priority` 1..5, 3 where the record has none, `units` in the order of the file."""

    call_id: str
    received_ms: int
    lon: float
    lat: float
    priority: int
    kind: str
    units: tuple[CallUnit, ...]
    area: str = ""
    """Of which station, without leading zeros."""


@dataclass(frozen=True)
class Calls:
    """A file's calls in the order of their time (then id), and rows that are none, counted by reason: `no_time`,
    `no_place`, `no_id`, `bad_priority` (kept, as 3), `too_many`."""

    calls: tuple[Call, ...]
    rows: int
    wrong: Mapping[str, int]


def read(
    source: bytes | Iterable[str], *, columns: Mapping[str, str] | None = None, timezone: str | None = None
) -> Calls:
    """Read a file or its lines, one at a time. `timezone` (IANA) is that of times without an offset.

    Raises `BadValueError` for a column that is not there, naming those that are, and for an unknown zone.
    """
    lines = io.StringIO(source.decode("utf-8-sig", "replace"), newline="") if isinstance(source, bytes) else source
    reader = csv.reader(lines)
    header = [name.strip().removeprefix("\ufeff") for name in next(reader, [])]
    city = columns is None and set(SAN_FRANCISCO.values()) <= set(header)
    if city:
        columns, timezone = SAN_FRANCISCO, timezone or SAN_FRANCISCO_ZONE
    at = _places_of(header, columns)
    zone = _zone(timezone)
    wrong: Counter[str] = Counter()
    calls: dict[str, Call] = {}
    crews: dict[str, list[CallUnit]] = {}
    rows = 0
    for row in reader:
        if not row:
            continue
        rows += 1
        cell = {name: row[i].strip() if i < len(row) else "" for name, i in at.items()}
        call_id = cell["call_id"]
        if call_id not in calls:
            call = _call(cell, zone, city, wrong, len(calls))
            if call is None:
                continue
            calls[call_id], crews[call_id] = call, []
        crew = crews[call_id]
        crew += _units(cell, calls[call_id].received_ms, zone)
        if len(crew) > UNITS_MAX:
            wrong["too_many"] += len(crew) - UNITS_MAX
            del crew[UNITS_MAX:]
    made = (call._replace(units=tuple(crews[call_id])) for call_id, call in calls.items())
    return Calls(tuple(sorted(made, key=lambda call: (call.received_ms, call.call_id))), rows, dict(wrong))


def _places_of(header: list[str], columns: Mapping[str, str] | None) -> dict[str, int]:
    known = ", ".join(repr(name) for name in header[:60]) or "none"
    if columns is None:
        columns = {name: name for name in FIELDS if name in header}
    for ours, theirs in columns.items():
        if ours not in FIELDS:
            raise BadValueError(
                f"/columns/{ours}", "mapping", f"{ours!r} is no field; write one of {', '.join(FIELDS)}"
            )
        if theirs not in header:
            raise BadValueError(f"/columns/{ours}", "column", f"the file has no column {theirs!r}; it has {known}")
    needed = ["call_id", "time"] + ([] if "location" in columns else ["lon", "lat"])
    for name in needed:
        if name not in columns:
            raise BadValueError(
                f"/columns/{name}", "column", f"no column is {name}; write {name}=COLUMN with one of {known}"
            )
    return {ours: header.index(theirs) for ours, theirs in columns.items()}


def _zone(timezone: str | None) -> tzinfo | None:
    try:
        return None if timezone is None else ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise BadValueError(
            "/timezone", "timezone", f"{timezone!r} is no time zone; write an IANA name such as Europe/Lisbon"
        ) from None


def _call(cell: dict[str, str], zone: tzinfo | None, city: bool, wrong: Counter[str], known: int) -> Call | None:
    received_ms, place = _ms(cell["time"], zone), _place(cell)
    reason = ""
    if not cell["call_id"]:
        reason = "no_id"
    elif received_ms is None:
        reason = "no_time"
    elif place is None:
        reason = "no_place"
    elif known >= CALLS_MAX:
        reason = "too_many"
    if reason or received_ms is None or place is None:
        wrong[reason] += 1
        return None
    said = cell.get("priority", "")
    priority = 3
    if city and said in SAN_FRANCISCO_PRIORITY:
        priority = SAN_FRANCISCO_PRIORITY[said]
        if priority == 1 and cell.get("group") in SAN_FRANCISCO_NO_DANGER:
            priority = 2
    elif not city and said in ("1", "2", "3", "4", "5"):
        priority = int(said)
    elif said:
        wrong["bad_priority"] += 1
    return Call(
        cell["call_id"], received_ms, *place, priority, cell.get("kind", ""), (), cell.get("area", "").lstrip("0")
    )


def _place(cell: dict[str, str]) -> tuple[float, float] | None:
    try:
        if "location" in cell:
            found = _PLACE(cell["location"])
            if found is None:
                return None
            lat, lon = float(found[1]), float(found[2])
        else:
            lon, lat = float(cell["lon"]), float(cell["lat"])
    except ValueError:
        return None
    # 0, 0 is what a geocoder writes when it knows no place
    fine = -180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0 and (lon, lat) != (0.0, 0.0)
    return (lon, lat) if fine else None


def _units(cell: dict[str, str], received_ms: int, zone: tzinfo | None) -> list[CallUnit]:
    if cell.get("unit_id"):
        stamps = {f"{name}_ms": _ms(cell.get(name, ""), zone, received_ms) for name in STAMPS}
        return [CallUnit(cell["unit_id"], cell.get("unit_kind", ""), **stamps)]
    return [CallUnit(unit_id.strip(), "") for unit_id in cell.get("units", "").split(";") if unit_id.strip()]


def _ms(text: str, zone: tzinfo | None, not_before_ms: int | None = None) -> int | None:
    """UTC epoch ms, None where it is no time (or has no offset and there is no zone).

    In the hour that a clock turned back shows twice it is the first, unless that lies before the call.
    """
    if found := _LOCAL_12(text):
        month, day, year, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[7] in "Pp" else 0)
    elif found := _LOCAL_24(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    else:
        try:
            return to_ms(text)
        except ValueError:
            return None
    if zone is None:
        return None
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    ms = int(local.timestamp()) * 1000
    if not_before_ms is not None and ms < not_before_ms:
        ms = int(local.replace(fold=1).timestamp()) * 1000
    return ms
