"""An agency's own places, from CSV or GeoJSON: beats, premises with what to know before going in, hydrants.

    name,kind,lon,lat,address,hazard
    Oficina Silva,premises,-8.6071,41.1498,,gas bottles in the yard

Columns and properties have the names that people give them (`ALIASES`). A place needs a name, and lon and lat or an
address. What cannot be used is told by its line, never left out in silence.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import shapely  # type: ignore[import-untyped, unused-ignore]

from geo_backup.errors import BadValueError
from geo_backup.formats.text import decoded
from geo_backup.formats.tracks import degrees

ROWS_MAX = 200_000
LONGEST = {"name": 120, "kind": 40, "id": 64, "address": 120, "hazard": 500, "also": 500}

ALIASES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "place_id", "ref"),
    "name": ("name", "title", "label", "beat_id", "nome", "bezeichnung"),
    "kind": ("kind", "category", "type"),
    "lon": ("lon", "lng", "long", "longitude", "x"),
    "lat": ("lat", "latitude", "y"),
    "address": ("address", "addr", "morada", "adresse"),
    "hazard": ("hazard", "hazard_note", "warning", "note", "notes"),
    "also": ("also", "alt_name", "aliases"),
}
"""What a column or property may be called, by what it means."""


class OwnRow(NamedTuple):
    """One place as somebody wrote it down; without `lon` and `lat` it is where its address is."""

    line: int
    place_id: str
    name: str
    kind: str
    lon: float | None
    lat: float | None
    address: str
    hazard: str
    also: tuple[str, ...]
    area: bool = False
    """It was drawn as an area; lon and lat are in it."""


@dataclass
class OwnTable:
    """What a file holds, and what of it cannot be used: line or feature, and why."""

    rows: list[OwnRow] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)


def read_own_places(data: bytes, kind: str = "") -> OwnTable:
    """Read a file; `kind` is that of places that do not say theirs. Raises `BadValueError` where it is no such file."""
    text = decoded(data)
    if "\ufffd" in text:
        text = data.decode("cp1252", errors="replace")  # as spreadsheets write it
    rows = _features(text) if text.lstrip()[:1] == "{" else _lines(text)
    out = OwnTable()
    for line, said, place in rows:
        if len(out.rows) >= ROWS_MAX:
            raise BadValueError("FILE", "too_many", f"at most {ROWS_MAX:,} places a file; add it in parts")
        try:
            out.rows.append(_row(line, said, place, kind))
        except ValueError as error:
            out.refused.append((line, str(error)))
    if not out.rows and not out.refused:
        raise BadValueError(
            "FILE", "empty", "the file holds no places: a line of names (name,kind,lon,lat), then a line each"
        )
    return out


Said = dict[str, str]
Place = tuple[float, float, bool] | None


def _lines(text: str) -> Iterator[tuple[int, Said, Place]]:
    head = text.split("\n", 1)[0]
    mark = max(",;\t", key=head.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=mark)
    known = _meanings(rows.fieldnames or ())
    if "name" not in known.values() and "id" not in known.values():
        raise BadValueError(
            "FILE",
            "columns",
            "the first line names the columns: name, and lon and lat or address; kind and hazard besides",
        )
    try:
        for row in rows:
            said = {known[key]: (value or "").strip() for key, value in row.items() if key in known}
            if any(said.values()):
                yield rows.line_num, said, None
    except csv.Error as error:
        raise BadValueError("FILE", "csv", f"line {rows.line_num}: {error}") from None


def _features(text: str) -> Iterator[tuple[int, Said, Place]]:
    try:
        document = json.loads(text)
        features = document["features"] if document.get("type") == "FeatureCollection" else [document]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadValueError("FILE", "geojson", "the file is not GeoJSON: give a FeatureCollection") from None
    for number, feature in enumerate(features, 1):
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(properties, dict):
            yield number, {}, None
            continue
        known = _meanings(properties)
        said: Said = {}
        for key, value in properties.items():
            if key in known and isinstance(value, str | int | float):
                said.setdefault(known[key], str(value).strip())
        if "id" not in said and isinstance(feature.get("id"), str | int):
            said["id"] = str(feature["id"])
        yield number, said, _middle(feature.get("geometry"))


def _meanings(names: Any) -> dict[str, str]:
    """What each column or property means; the first of several with one meaning counts."""
    out: dict[str, str] = {}
    for meaning, aliases in ALIASES.items():
        for alias in aliases:
            found = next((name for name in names if isinstance(name, str) and name.strip().lower() == alias), None)
            if found is not None:
                out[found] = meaning
                break
    return out


def _middle(geometry: Any) -> Place:
    """A place in a shape, and whether it is an area; None where it is none on earth."""
    try:
        shape = shapely.from_geojson(json.dumps(geometry))
        point = shape.representative_point()
        return float(point.x), float(point.y), shape.geom_type.endswith("Polygon")
    except (shapely.GEOSException, ValueError, TypeError, AttributeError):
        return None


def _row(line: int, said: Said, place: Place, kind: str) -> OwnRow:
    for key, most in LONGEST.items():
        if len(said.get(key, "")) > most:
            raise ValueError(f"its {key} is longer than {most} letters")
    if any(ord(letter) < 32 for value in said.values() for letter in value):
        raise ValueError("it holds a control character")
    name = said.get("name") or said.get("id", "")
    if not name:
        raise ValueError("it has no name")
    lon = lat = None
    if place is not None:
        lon, lat = place[:2]
    elif said.get("lon") or said.get("lat") or not said.get("address"):
        lon, lat = degrees(said.get("lon"), "lon"), degrees(said.get("lat"), "lat")
    if lon is not None and lat is not None and not (abs(lon) <= 180.0 and abs(lat) <= 90.0):
        swapped = "; are they swapped?" if abs(lon) <= 90.0 and abs(lat) <= 180.0 else ""
        raise ValueError(f"{lon}, {lat} is no lon, lat on earth{swapped}")
    return OwnRow(
        line, said.get("id", ""), name, said.get("kind") or kind or "place", lon, lat, said.get("address", ""),
        said.get("hazard", ""), tuple(part.strip() for part in said.get("also", "").split(";") if part.strip()),
        place is not None and place[2],
    )  # fmt: skip
