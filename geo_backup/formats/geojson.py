"""GeoJSON with times: `coordTimes`, a fourth coordinate, MF-JSON `datetimes` and `temporalGeometry`, timed points.

    {"type": "Feature", "properties": {"unit_id": "ENG-7", "time": "2026-11-23T12:00:00Z", "speed_mps": 12.5},
     "geometry": {"type": "Point", "coordinates": [11.97, 57.70]}}

Times are RFC 3339, or epoch seconds or milliseconds; a FeatureCollection and one feature a line are read, too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from geo_backup.events import Fix
from geo_backup.formats.tracks import KMH, KNOTS, MPH, NO_HINTS, Collector, Hints, Recording, degrees, time_ms

UNIT_KEYS = ("unit_id", "callsign", "vehicle_id", "vehicle", "device_id", "name")
TIME_KEYS = ("time", "timestamp", "fix_time", "datetime", "t")
FIELDS = ("speed_mps", "course_deg", "accuracy_m")
UOM = {"m/s": 1.0, "mps": 1.0, "km/h": KMH, "kmh": KMH, "kn": KNOTS, "knots": KNOTS, "mph": MPH}


def looks(start: str) -> bool:
    """Whether it is an object of JSON: what is no GeoJSON is refused in words."""
    return start.startswith("{")


def read(text: str, name: str = "tracks.geojson", hints: Hints = NO_HINTS) -> Recording:
    """Tracks of a Feature, a FeatureCollection, or a sequence of either (RFC 8142 or one a line)."""
    found = Collector(name)
    stem = name.rsplit(".", 1)[0]
    features = list(_features(text, found))
    ids = Counter(str(feature.get("id")) for feature in features if isinstance(feature, dict))
    for n, feature in enumerate(features, 1):
        where = f"feature {n}"
        try:
            _feature(found, feature, n, stem, ids)
        except ValueError as error:
            found.skip(where, str(error))
        except (TypeError, AttributeError, LookupError):
            found.skip(where, "it is not a feature with places and times")
    return found.recording()


def _features(text: str, found: Collector) -> Iterator[Any]:
    try:
        documents = [(found.name, _json(text))]
    except ValueError:
        documents = []
        for n, line in enumerate(text.replace("\x1e", "\n").splitlines(), 1):
            if line.strip():
                try:
                    documents.append((f"line {n}", _json(line)))
                except ValueError as error:
                    found.skip(f"line {n}", f"it is neither GeoJSON nor part of a GeoJSON sequence: {error}")
    for where, document in documents:
        if not isinstance(document, dict):
            found.skip(where, "it is JSON but no GeoJSON: give a Feature or a FeatureCollection")
            continue
        features = document.get("features") if document.get("type") == "FeatureCollection" else [document]
        if isinstance(features, list):
            yield from features
        else:
            found.skip(where, "it is a FeatureCollection without a list of features")


def _json(text: str) -> Any:
    """Strict JSON, or what Python's own tools write: NaN for a value that is not known. Raises `ValueError`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as strict:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError(str(strict)) from None


def _feature(found: Collector, feature: Mapping[str, Any], n: int, stem: str, ids: Mapping[str, int]) -> None:
    properties = feature.get("properties") or {}
    if not isinstance(properties, dict):
        properties = {}
    named = [properties[key] for key in UNIT_KEYS if properties.get(key) not in (None, "")]
    own = feature.get("id")
    unit_id = str(named[0] if named else f"{stem}-{n}" if own is None else own)
    moving = feature.get("temporalGeometry")
    if moving is not None:
        speeds = _speeds(found, feature.get("temporalProperties") or [], f"feature {n}")
        lines, times = [moving["coordinates"]], [moving["datetimes"]]
    else:
        speeds = {}
        geometry: Mapping[str, Any] = feature.get("geometry") or {}
        kind: Any = geometry.get("type")
        coordinates: Any = geometry.get("coordinates")
        if kind == "Point":
            when = next((properties[key] for key in TIME_KEYS if key in properties), None)
            when = coordinates[3] if when is None and len(coordinates) > 3 else when
            where = f"feature {n}"
            if not named and ids[unit_id] < 2 and not (own and any(map(str.isalpha, str(own)))):
                unit_id = stem  # a number that no other point has is the point's own, not its unit's
            speed, course, accuracy = (found.value(properties.get(field), field, where) for field in FIELDS)
            found.add(unit_id, "points", Fix(time_ms(when), *_place(coordinates), speed, course, accuracy), where)
            return
        if kind not in ("LineString", "MultiLineString"):
            raise ValueError(f"a {kind} is no track")
        lines = coordinates if kind == "MultiLineString" else [coordinates]
        given = (
            properties.get("coordTimes")
            or (properties.get("coordinateProperties") or {}).get("times")
            or properties.get("datetimes")
        )
        if given is None:
            times = [[_fourth(point) for point in line] if isinstance(line, list) else None for line in lines]
        elif kind == "MultiLineString" and given and isinstance(given[0], list):
            times = given
        else:
            flat = iter(given)
            times = [[next(flat, None) for _ in line] if isinstance(line, list) else None for line in lines]
    if len(lines) != len(times):
        found.skip(f"feature {n}", f"{len(lines)} lines but times for {len(times)}")
    for s, (line, stamps) in enumerate(zip(lines, times, strict=False), 1):
        if not isinstance(line, list) or not isinstance(stamps, list):
            found.skip(f"feature {n} line {s}", "it is no list of places with times")
            continue
        if len(line) != len(stamps):
            found.skip(f"feature {n} line {s}", f"{len(line)} places but {len(stamps)} times")
            continue
        for p, (point, stamp) in enumerate(zip(line, stamps, strict=True), 1):
            where = f"feature {n} line {s} point {p}"
            try:
                at_ms = time_ms(stamp)
                fix = Fix(at_ms, *_place(point), speeds.get(at_ms))
            except ValueError as error:
                found.skip(where, str(error))
            except (TypeError, LookupError):
                found.skip(where, "it is not [longitude, latitude]")
            else:
                found.add(unit_id, (n, s), fix, where)


def _fourth(point: Any) -> Any:
    return point[3] if isinstance(point, list) and len(point) > 3 else None


def _place(point: list[Any]) -> tuple[float, float]:
    return degrees(point[0], "longitude"), degrees(point[1], "latitude")


def _speeds(found: Collector, groups: Any, where: str) -> dict[int, float]:
    """Metres per second by time; what cannot be read of them is unknown."""
    out: dict[int, float] = {}
    for group in groups if isinstance(groups, list) else ():
        speed = group.get("speed") if isinstance(group, dict) else None
        if not isinstance(speed, dict):
            continue
        factor = UOM.get(str(speed.get("uom", "m/s")).lower())
        stamps, values = group.get("datetimes"), speed.get("values")
        if factor is None or not isinstance(stamps, list) or not isinstance(values, list):
            found.doubt(where, "its speeds have no list of times and values, or no unit that is known")
            continue
        for stamp, said in zip(stamps, values, strict=False):
            value = found.value(said, "speed", where)
            try:
                if value is not None:
                    out[time_ms(stamp)] = value * factor
            except ValueError as error:
                found.doubt(where, f"of a speed {error}")
    return out
