"""Export: the fixes of a log as other programs read them, in GPX, GeoJSON, CSV or GeoParquet.

The log's own engine sorts them by unit and time, on disk where they are many; they are written as they come, so that a
month needs no more memory than a minute.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, groupby, islice
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import NamedTuple
from xml.sax.saxutils import escape

import numpy as np
import orjson

from geo_backup.errors import BadValueError
from geo_backup.eventlog.reading import Exported, Reader
from geo_backup.events import AssignmentChanged, IncidentClosed, IncidentOpened
from geo_backup.formats.gpx import ALONE
from geo_backup.live_map import OPEN_STATES
from geo_backup.wire.times import to_text

BREAK_MS = 180_000
"""After a silence of so long a GPX track goes on in another segment."""
ROWS_AT_ONCE = 50_000
COLUMNS = (
    *("unit_id", "fix_time", "received_time", "lon", "lat", "speed_mps", "course_deg", "accuracy_m", "device_id"),
)

Counted = Callable[[int], None]


class Span(NamedTuple):
    """A unit (None: every one) between two times, UTC epoch ms, both counted in."""

    unit_id: str | None
    from_ms: int
    to_ms: int


def spans_of(reader: Reader, incident_id: str, from_ms: int, to_ms: int) -> list[Span]:
    """Each unit of an incident from when it was sent until it was cleared, within two times. Raises `BadValueError`
    for an incident that the log does not have."""
    since: dict[str, int] = {}
    found: list[Span] = []
    known, ended_ms = False, to_ms
    for event in reader.facts_of_incident(incident_id):
        known |= isinstance(event, IncidentOpened)
        if isinstance(event, AssignmentChanged):
            if event.state in OPEN_STATES:
                since.setdefault(event.unit_id, event.at_ms)
            elif (sent_ms := since.pop(event.unit_id, None)) is not None:
                found.append(Span(event.unit_id, sent_ms, event.at_ms))
        elif isinstance(event, IncidentClosed):
            ended_ms = event.received_ms
    if not known:
        raise BadValueError("--incident", "unknown", f"there is no incident {incident_id!r} in this log")
    found += [Span(unit_id, sent_ms, ended_ms) for unit_id, sent_ms in since.items()]
    return [
        Span(one.unit_id, max(one.from_ms, from_ms), min(one.to_ms, to_ms))
        for one in found
        if one.to_ms >= from_ms and one.from_ms <= to_ms
    ]


def export(reader: Reader, spans: Sequence[Span], out: Path, counted: Counted = lambda n: None) -> int:
    """Write the fixes of some spans into a file, in the format that its name ends with; answers with how many. It
    appears when it is whole. Raises `BadValueError` for another ending, or where pyarrow is missing for GeoParquet."""
    write = FORMATS.get(out.suffix.lower())
    if write is None:
        raise BadValueError("--out", "format", f"--out {out}: the name ends with {', '.join(FORMATS)}")
    part = out.with_name(out.name + ".part")
    try:
        total = write(part, _counted(reader.exported(spans), counted))
        part.replace(out)
    finally:
        with suppress(OSError):
            part.unlink()
    return total


def _counted(rows: Iterator[Exported], counted: Counted) -> Iterator[Exported]:
    for n, row in enumerate(rows, 1):
        if n % ROWS_AT_ONCE == 0:
            counted(n)
        yield row


def _csv(path: Path, rows: Iterator[Exported]) -> int:
    total = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in rows:
            table.writerow((row.unit_id, to_text(row.fix_ms), to_text(row.received_ms), *row[3:]))
            total += 1
    return total


def _geojson(path: Path, rows: Iterator[Exported]) -> int:
    """A point a fix, each on a line of its own (RFC 7946)."""
    total = 0
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        for total, row in enumerate(rows, 1):
            said = (row.unit_id, to_text(row.fix_ms), to_text(row.received_ms), *row[5:])
            feature = {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [row.lon, row.lat]},
                "properties": dict(zip((*COLUMNS[:3], *COLUMNS[5:]), said, strict=True)),
            }
            file.write((b"\n" if total == 1 else b",\n") + orjson.dumps(feature))
        file.write(b"\n]}\n")
    return total


def _gpx(path: Path, rows: Iterator[Exported]) -> int:
    """A track a unit (GPX 1.1, speed and course as in Garmin's TrackPointExtension 2). A fix that is alone between two
    silences is a waypoint of its unit's name: a line of one point is none to GDAL, and it would refuse all tracks."""
    total = 0
    with path.open("w", encoding="utf-8") as file, TemporaryFile("w+", encoding="utf-8", dir=path.parent) as tracks:
        file.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="geo_backup" '
            'xmlns="http://www.topografix.com/GPX/1/1" '
            'xmlns:tpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">\n'
        )
        for unit_id, fixes in groupby(rows, key=lambda row: row.unit_id):
            name = f"<name>{escape(unit_id)}</name>"
            begun = False
            for _, stretch in groupby(_stretches(fixes), key=lambda one: one[0]):
                run = (row for _, row in stretch)
                first, second = next(run), next(run, None)
                total += 1
                if second is None:  # the waypoints come first
                    file.write(_point("wpt", first, f"{name}<type>{ALONE}</type>"))
                    continue
                tracks.write("</trkseg><trkseg>\n" if begun else f"<trk>{name}<trkseg>\n")
                tracks.write(_point("trkpt", first))
                begun = True
                for row in chain((second,), run):
                    tracks.write(_point("trkpt", row))
                    total += 1
            if begun:
                tracks.write("</trkseg></trk>\n")
        tracks.seek(0)
        copyfileobj(tracks, file)
        file.write("</gpx>\n")
    return total


def _stretches(fixes: Iterator[Exported]) -> Iterator[tuple[int, Exported]]:
    """The fixes of one unit, and which stretch without a long silence each is of."""
    n, last_ms = 0, None
    for row in fixes:
        n += last_ms is not None and row.fix_ms - last_ms > BREAK_MS
        last_ms = row.fix_ms
        yield n, row


def _point(tag: str, row: Exported, about: str = "") -> str:
    said = "".join(
        f"<tpx:{name}>{value:g}</tpx:{name}>"
        for name, value in (("speed", row.speed_mps), ("course", row.course_deg))
        if value is not None
    )
    more = f"<extensions><tpx:TrackPointExtension>{said}</tpx:TrackPointExtension></extensions>" if said else ""
    when = f"<time>{to_text(row.fix_ms)}</time>"
    return f'<{tag} lat="{row.lat!r}" lon="{row.lon!r}">{when}{about}{more}</{tag}>\n'


def _parquet(path: Path, rows: Iterator[Exported]) -> int:
    """GeoParquet 1.1: points as WKB, times as UTC milliseconds."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        words = "GeoParquet is written with pyarrow: pip install 'geo-backup[parquet]', or name a .csv or .geojson"
        raise BadValueError("--out", "pyarrow", words) from None
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}},
    }
    when, real = pa.timestamp("ms", tz="UTC"), pa.float64()
    kinds = (pa.string(), when, when, real, real, real, real, real, pa.string())
    schema = pa.schema(
        [*zip(COLUMNS, kinds, strict=True), ("geometry", pa.binary())], metadata={"geo": json.dumps(geo)}
    )
    total = 0
    with parquet.ParquetWriter(str(path), schema, compression="zstd") as writer:
        while batch := list(islice(rows, ROWS_AT_ONCE)):
            columns = list(zip(*batch, strict=True))
            arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
            writer.write_table(pa.table([*arrays, pa.array(_wkb(columns[3], columns[4]), pa.binary())], schema=schema))
            total += len(batch)
    return total


def _wkb(lon: Sequence[float], lat: Sequence[float]) -> list[bytes]:
    """Points as well-known binary, little-endian (OGC 06-103r4, 8.2)."""
    points = np.empty(len(lon), dtype=[("order", "u1"), ("kind", "<u4"), ("x", "<f8"), ("y", "<f8")])
    points["order"], points["kind"], points["x"], points["y"] = 1, 1, lon, lat
    data, size = points.tobytes(), points.itemsize
    return [data[n : n + size] for n in range(0, len(data), size)]


Writer = Callable[[Path, Iterator[Exported]], int]
FORMATS: Mapping[str, Writer] = {".gpx": _gpx, ".geojson": _geojson, ".csv": _csv, ".parquet": _parquet}
"""Of each ending what writes it: the rows come by unit and time, and are read once."""
