"""GPX 1.0 and 1.1: each `trk` a vehicle, each `trkseg` a stretch without loss of signal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC
from typing import Any

import gpxpy

from geo_backup.errors import TrackError
from geo_backup.events import Fix
from geo_backup.wire.tracks import Collector, Recording, number, time_ms


def read(text: str, name: str = "track.gpx") -> Recording:
    """Tracks of a GPX document; points without a time are counted as skipped.

    Raises `TrackError` for what is no GPX or declares a document type (entities are never expanded).
    """
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise TrackError(f"{name} declares a document type or entities, which no GPX needs: refused. Remove them.")
    try:
        document: Any = gpxpy.parse(text)
    except Exception as error:  # gpxpy lets its XML parser's own exceptions through
        raise TrackError(f"{name} is no GPX that can be read: {error}") from None
    found = Collector(name)
    stem = name.rsplit(".", 1)[0]
    for n, track in enumerate(document.tracks, 1):
        unit_id = track.name or (stem if len(document.tracks) == 1 else f"{stem}-{n}")
        for s, segment in enumerate(track.segments, 1):
            for p, point in enumerate(segment.points, 1):
                where = f"track {n} segment {s} point {p}"
                if point.time is None:
                    found.skip(where, "it has no time")
                    continue
                when = point.time if point.time.tzinfo is not None else point.time.replace(tzinfo=UTC)
                extra = dict(_extensions(point.extensions))
                fix = Fix(
                    time_ms(when.isoformat()),
                    point.longitude,
                    point.latitude,
                    point.speed if point.speed is not None else extra.get("speed"),
                    point.course if point.course is not None else extra.get("course"),
                    None if point.horizontal_dilution is None else point.horizontal_dilution * 5.0,
                )
                found.add(unit_id, (n, s), fix, where)
    return found.recording()


def _extensions(elements: Iterable[Any]) -> Iterable[tuple[str, float]]:
    """speed and course of Garmin's TrackPointExtension, wherever they are nested."""
    for element in elements:
        for part in element.iter():
            tag = str(part.tag).rsplit("}", 1)[-1].lower()
            value = number(part.text)
            if tag in ("speed", "course") and value is not None:
                yield tag, value
