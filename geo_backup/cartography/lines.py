"""GeoJSON lines with OpenStreetMap tags as properties, read into ways.

There are no node ids: lines meet where a vertex of both lies at the same whole 1e-7 degrees, and a point (a gate,
signals) stands on the lines with such a vertex. GeoJSON has no turn restrictions.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from geo_backup.cartography import osm
from geo_backup.cartography.nodes import read_node
from geo_backup.cartography.ways import Ways, position_key
from geo_backup.errors import MapError
from geo_backup.wire.depth import DEEPEST, too_deep

ENDINGS = (".geojson", ".json", ".geojsonl", ".ndjson")


def read_lines(path: Path) -> Ways:
    """Read one GeoJSON file: a FeatureCollection, or one feature a line.

    Raises `MapError` when it is no GeoJSON, holds no line with a `highway`, or its coordinates are no degrees.
    """
    document = _load(path)
    features = document.get("features")
    if not isinstance(features, list) or not features:
        raise MapError(f"{path} holds no GeoJSON features. Export a FeatureCollection of lines with `highway` tags.")
    ways = Ways()
    _say_origin(ways, document)
    for number, feature in enumerate(features):
        if not isinstance(feature, dict):
            raise MapError(f"{path}: feature {number} is not an object. Export valid GeoJSON.")
        properties = feature.get("properties") or {}
        if not isinstance(properties, dict):
            raise MapError(f"{path}: the properties of feature {number} are not an object. Export valid GeoJSON.")
        tags = {str(k): _text(v) for k, v in properties.items() if v is not None}
        if isinstance(tags.get("tags"), str) and "highway" not in tags:
            ways.left_out["not_a_road"] += 1
            continue
        geometry = feature.get("geometry") or {}
        if not isinstance(geometry, dict):
            raise MapError(f"{path}: the geometry of feature {number} is not an object. Export valid GeoJSON.")
        kind = geometry.get("type")
        if kind == "Point" and (facts := read_node(tags)) is not None:
            ways.nodes[next(iter(_vertices(path, number, [geometry.get("coordinates")])))[0]] = facts
        if kind not in ("LineString", "MultiLineString"):
            odd = {"Polygon": "area", "MultiPolygon": "area", "GeometryCollection": "nested_geometry"}
            ways.left_out[odd.get(str(kind), "not_a_road")] += 1
            continue
        lines = [geometry.get("coordinates")] if kind == "LineString" else geometry.get("coordinates") or []
        if not isinstance(lines, list):
            raise MapError(f"{path}: feature {number} has no coordinates. Export valid GeoJSON.")
        way_id = _way_id(feature, tags, number)
        for line in lines:
            ways.add(way_id, tags, list(_vertices(path, number, line)))
    return ways


def features(path: Path) -> Iterator[tuple[dict[str, str], str, list[list[tuple[int, int, int]]]]]:
    """Every feature of a sound file with its tags: kind of geometry, and the vertices (key, lon_e7, lat_e7) of its
    parts; of an area its outer edges."""
    for number, feature in enumerate(_load(path)["features"]):
        geometry = feature.get("geometry") or {}
        kind, given = str(geometry.get("type")), geometry.get("coordinates") or []
        tags = {str(k): _text(v) for k, v in (feature.get("properties") or {}).items() if v is not None}
        if kind == "Point":
            shapes = [[given]]
        elif kind == "LineString":
            shapes = [given]
        elif kind in ("MultiLineString", "Polygon"):
            shapes = given if kind == "MultiLineString" else given[:1]
        elif kind == "MultiPolygon":
            shapes = [rings[0] for rings in given if rings]
        else:
            continue
        yield tags, kind, [list(_vertices(path, number, shape)) for shape in shapes]


def _load(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    try:
        import orjson

        document = orjson.loads(raw)
    except ValueError as error:
        if (field := too_deep(raw)) is not None:
            raise MapError(
                f"{path}: {field} is nested deeper than {DEEPEST} levels, which no GeoJSON is. Export it again."
            ) from None
        try:
            rows = [json.loads(row.lstrip(b"\x1e")) for row in raw.splitlines() if row.strip()]
        except ValueError:
            raise MapError(f"{path} is not JSON ({error}). Export it again as GeoJSON.") from None
        document = {"type": "FeatureCollection", "features": rows}
    if isinstance(document, dict) and document.get("type") == "Feature":
        document = {"type": "FeatureCollection", "features": [document]}
    if not isinstance(document, dict):
        raise MapError(f"{path} is JSON but not GeoJSON. Export a FeatureCollection of lines with `highway` tags.")
    return document


def _text(value: Any) -> str:
    if value is True:
        return "yes"
    if value is False:
        return "no"
    if isinstance(value, list):
        return ";".join(str(part) for part in value if isinstance(part, str | int | float))
    return "" if isinstance(value, dict) else str(value)


def _say_origin(ways: Ways, document: dict[str, Any]) -> None:
    words = " ".join(str(document.get(key, "")) for key in ("copyright", "attribution", "licence", "license"))
    if "openstreetmap" in words.lower() or "odbl" in words.lower():
        ways.licence, ways.attribution = osm.LICENCE, osm.ATTRIBUTION
    else:
        ways.licence = str(document.get("licence") or document.get("license") or "")
        ways.attribution = str(document.get("attribution") or document.get("copyright") or "")
    ways.source_date = str(document.get("timestamp") or "")


def _way_id(feature: dict[str, Any], tags: dict[str, str], number: int) -> int:
    """The digits of `way/123`, `@id`, `id` or `osm_id`; a line without any is named by its place in the file."""
    for value in (feature.get("id"), tags.get("@id"), tags.get("osm_id"), tags.get("id"), tags.get("cnn")):
        digits = str(value).rpartition("/")[2] if value is not None else ""
        if digits.isdigit() and len(digits) < 19:
            return int(digits)
    return -1 - number


def _vertices(path: Path, number: int, line: Any) -> Iterator[tuple[int, int, int]]:
    if not isinstance(line, list):
        raise MapError(f"{path}: feature {number} has no coordinates. Export valid GeoJSON.")
    for point in line:
        try:
            lon, lat = float(point[0]), float(point[1])
        except (TypeError, ValueError, IndexError, KeyError):
            raise MapError(
                f"{path}: feature {number} has a coordinate that is no pair of numbers: {reprlib.repr(point)}."
            ) from None
        if not (math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 180.0 and abs(lat) <= 90.0):
            swapped = math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 90.0 and abs(lat) <= 180.0
            remedy = (
                "Latitude and longitude seem to be swapped: GeoJSON wants longitude first."
                if swapped
                else "Export it in degrees (WGS84, EPSG:4326)."
            )
            raise MapError(f"{path}: feature {number} has a coordinate outside the earth: {lon}, {lat}. {remedy}")
        lon_e7, lat_e7 = round(lon * 1e7), round(lat * 1e7)
        yield position_key(lon_e7, lat_e7), lon_e7, lat_e7
