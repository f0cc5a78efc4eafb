"""GeoJSON with times: `coordTimes`, a fourth coordinate, MF-JSON `datetimes` and `temporalGeometry`, timed points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from geo_backup.errors import TrackError
from geo_backup.events import Fix
from geo_backup.wire.tracks import KMH, KNOTS, MPH, Collector, Recording, number, time_ms

UNIT_KEYS = ("unit_id", "callsign", "vehicle_id", "vehicle", "device_id", "name")
TIME_KEYS = ("time", "timestamp", "fix_time", "datetime", "t")
UOM = {"m/s": 1.0, "mps": 1.0, "km/h": KMH, "kmh": KMH, "kn": KNOTS, "knots": KNOTS, "mph": MPH}


def read(text: str, name: str = "tracks.geojson") -> Recording:
    """Tracks of a Feature, a FeatureCollection, or a sequence of either (RFC 8142 or one a line)."""
    found = Collector(name)
    stem = name.rsplit(".", 1)[0]
    for n, feature in enumerate(_features(text, name), 1):
        where = f"feature {n}"
        try:
            _feature(found, feature, n, stem)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            found.skip(where, str(error) or "it is not a feature with times")
    return found.recording()


def _features(text: str, name: str) -> Iterator[Mapping[str, Any]]:
    try:
        documents = [orjson.loads(text)]
    except orjson.JSONDecodeError:
        documents = []
        for n, line in enumerate(text.replace("\x1e", "\n").splitlines(), 1):
            if line.strip():
                try:
                    documents.append(orjson.loads(line))
                except orjson.JSONDecodeError as error:
                    raise TrackError(f"{name} line {n} is neither GeoJSON nor a GeoJSON sequence: {error}") from None
    for document in documents:
        if not isinstance(document, dict):
            raise TrackError(f"{name} is JSON but no GeoJSON: give a Feature or a FeatureCollection.")
        features = document.get("features") if document.get("type") == "FeatureCollection" else [document]
        yield from features if isinstance(features, list) else ()


def _feature(found: Collector, feature: Mapping[str, Any], n: int, stem: str) -> None:
    properties = feature.get("properties") or {}
    named = [properties[key] for key in UNIT_KEYS if properties.get(key) not in (None, "")]
    unit_id = str(named[0] if named else feature.get("id", f"{stem}-{n}"))
    moving = feature.get("temporalGeometry")
    if moving is not None:
        speeds = _speeds(feature.get("temporalProperties") or [])
        lines, times = [moving["coordinates"]], [moving["datetimes"]]
    else:
        speeds = {}
        geometry: Mapping[str, Any] = feature.get("geometry") or {}
        kind: Any = geometry.get("type")
        coordinates: Any = geometry.get("coordinates")
        if kind == "Point":
            when = next((properties[key] for key in TIME_KEYS if key in properties), None)
            when = coordinates[3] if when is None and len(coordinates) > 3 else when
            fix = Fix(
                time_ms(when), *_place(coordinates), number(properties.get("speed_mps")),
                number(properties.get("course_deg")), number(properties.get("accuracy_m")),
            )  # fmt: skip
            found.add(unit_id, "points", fix, f"feature {n}")
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
            times = [[point[3] if len(point) > 3 else None for point in line] for line in lines]
        elif kind == "MultiLineString" and given and isinstance(given[0], list):
            times = given
        else:
            flat = iter(given)
            times = [[next(flat, None) for _ in line] for line in lines]
    for s, (line, stamps) in enumerate(zip(lines, times, strict=False), 1):
        if len(line) != len(stamps):
            found.skip(f"feature {n} line {s}", f"{len(line)} places but {len(stamps)} times")
            continue
        for p, (point, stamp) in enumerate(zip(line, stamps, strict=True), 1):
            where = f"feature {n} line {s} point {p}"
            try:
                at_ms = time_ms(stamp)
                fix = Fix(at_ms, *_place(point), speeds.get(at_ms))
            except (TypeError, ValueError, IndexError) as error:
                found.skip(where, str(error))
            else:
                found.add(unit_id, (n, s), fix, where)


def _place(point: list[Any]) -> tuple[float, float]:
    lon, lat = number(point[0]), number(point[1])
    if lon is None or lat is None:
        raise ValueError("longitude or latitude is not a number")
    return lon, lat


def _speeds(groups: list[Mapping[str, Any]]) -> dict[int, float]:
    out: dict[int, float] = {}
    for group in groups:
        speed = group.get("speed")
        factor = UOM.get(str(speed.get("uom", "m/s")).lower()) if speed else None
        if speed is not None and factor is not None:
            out.update(
                (time_ms(when), float(value) * factor)
                for when, value in zip(group["datetimes"], speed["values"], strict=False)
            )
    return out
