"""GPX 1.0 and 1.1: each `trk` a vehicle, each `trkseg` a stretch without loss of signal.

    <gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><name>ENG-7</name><trkseg>
    <trkpt lat="57.70" lon="11.97"><time>2026-11-23T12:00:00Z</time></trkpt></trkseg></trk></gpx>

Read by the names of the elements alone, whatever their namespace, its prefix and version (even where a prefix was never
declared), point by point as the parser meets them: a point that cannot be used costs itself, and a file that is cut
off keeps what stands before the cut.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any
from xml.parsers import expat

from geo_backup.errors import TrackError
from geo_backup.events import Fix
from geo_backup.formats.tracks import NO_HINTS, Collector, Hints, Recording, degrees, time_ms

HDOP_M = 5.0
"""Metres of accuracy for one unit of HDOP, a rule of thumb."""
DEEPEST = 100
"""Levels of elements inside each other; a GPX has a dozen."""
WANTED = frozenset(("time", "speed", "course", "hdop"))
ANYWHERE = frozenset(("speed", "course"))
"""What Garmin's TrackPointExtension and others like it say, wherever it is nested in a point."""
ALONE = "fix"
"""The type of a waypoint that is a fix, alone between two silences; its name is its track's."""
OF_WAYPOINTS = frozenset(("name", "type"))

_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9a-fA-F]{1,6});)")


def looks(start: str) -> bool:
    """Whether it is XML: what is no GPX is refused in words."""
    return re.match(r"<[A-Za-z_?!]", start) is not None


def read(text: str, name: str = "track.gpx", hints: Hints = NO_HINTS) -> Recording:
    """Tracks of a GPX document; points without a time or place are counted as skipped.

    Raises `TrackError` for what is no GPX or declares a document type (entities are never expanded).
    """
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise TrackError(f"{name} declares a document type or entities, which no GPX needs: refused. Remove them.")
    found = Collector(name)
    reader = _Reader(found)
    text = _BARE_AMPERSAND.sub("&amp;", _NO_CHARACTER.sub("\ufffd", text)).lstrip("\ufeff \t\r\n")
    parser = expat.ParserCreate("utf-8")  # the text is decoded already, whatever it declares
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(text.encode("utf-8", errors="replace"), True)
    except expat.ExpatError as error:
        if not reader.alone and not any(fixes for _, fixes in reader.tracks):
            raise TrackError(f"{name} is no GPX that can be read: {error}") from None
        found.skip(f"line {error.lineno}", f"the file is garbled or cut off here ({error}), and what follows is lost")
    stem = name.rsplit(".", 1)[0]
    for n, (title, fix, where) in enumerate(reader.alone, 1):
        found.add(title.strip() or stem, (0, n), fix, where)
    for n, (title, fixes) in enumerate(reader.tracks, 1):
        unit_id = title.strip() or (stem if len(reader.tracks) == 1 else f"{stem}-{n}")
        for segment, fix, where in fixes:
            found.add(unit_id, (n, segment), fix, where)
    return found.recording()


class _Reader:
    """What the parser calls. `tracks` holds the name of each and its fixes as (segment, fix, where); `alone` fixes that
    are waypoints, as (name, fix, where)."""

    def __init__(self, found: Collector) -> None:
        self.found = found
        self.tracks: list[tuple[str, list[tuple[int, Fix, str]]]] = []
        self.alone: list[tuple[str, Fix, str]] = []
        self._path: list[str] = []
        self._segment = self._point_no = self._waypoint_no = 0
        self._wanted = WANTED
        self._point: dict[str, str] | None = None
        self._point_depth, self._prefix = 0, ""
        self._text: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, Any]) -> None:
        prefix, _, local = tag.rpartition(":")
        if not self._path and local != "gpx":
            raise TrackError(f"{self.found.name} is no GPX: its outermost element is <{tag[:40]}>, not <gpx>.")
        if len(self._path) >= DEEPEST:
            raise TrackError(f"{self.found.name} is no GPX: its elements are nested more than {DEEPEST} deep.")
        self._path.append(local)
        if local == "trk" and self._point is None:
            self.tracks.append(("", []))
            self._segment = self._point_no = 0
        elif local == "trkseg" and self._point is None:
            self._segment, self._point_no = self._segment + 1, 0
        elif self._point is None and (local == "wpt" or (local == "trkpt" and self.tracks)):
            self._point = {key.rpartition(":")[2]: value for key, value in attributes.items()}
            self._wanted = WANTED if local == "trkpt" else WANTED | OF_WAYPOINTS
            self._point_no, self._waypoint_no = (
                self._point_no + (local == "trkpt"),
                self._waypoint_no + (local == "wpt"),
            )
            self._point_depth, self._prefix = len(self._path), prefix
        elif (self._point is not None and local in self._wanted) or self._path[-2:] == ["trk", "name"]:
            self._text = []

    def characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        prefix, _, local = tag.rpartition(":")
        said, self._text = "".join(self._text or ()).strip(), None
        depth = len(self._path)
        if self._point is not None and depth == self._point_depth:
            self._place(self._point, local)
            self._point = None
        elif self._point is not None and local in self._wanted:
            if depth == self._point_depth + 1 and prefix == self._prefix:
                self._point[local] = said
            elif depth == self._point_depth + 1 or local in ANYWHERE:
                self._point.setdefault(f"{local} of another", said)
        elif self._path[-2:] == ["trk", "name"] and self.tracks:
            self.tracks[-1] = (said, self.tracks[-1][1])
        self._path.pop()

    def _place(self, point: dict[str, str], tag: str) -> None:
        if tag == "trkpt":
            where = f"track {len(self.tracks)} segment {self._segment} point {self._point_no}"
            if (fix := self._fix(point, where)) is not None:
                self.tracks[-1][1].append((self._segment, fix, where))
        elif point.get("type") == ALONE:  # any other waypoint is a place that somebody marked
            where = f"waypoint {self._waypoint_no}"
            if (fix := self._fix(point, where)) is not None:
                self.alone.append((point.get("name", ""), fix, where))

    def _fix(self, point: dict[str, str], where: str) -> Fix | None:
        def said(field: str) -> str | None:
            return point.get(field) or point.get(f"{field} of another")

        try:
            lon, lat = degrees(point.get("lon"), "longitude"), degrees(point.get("lat"), "latitude")
            at_ms = time_ms(said("time"), UTC)
        except ValueError as error:
            self.found.skip(where, str(error))
            return None
        speed, course, hdop = (self.found.value(said(field), field, where) for field in ("speed", "course", "hdop"))
        return Fix(at_ms, lon, lat, speed, course, None if hdop is None else hdop * HDOP_M)
