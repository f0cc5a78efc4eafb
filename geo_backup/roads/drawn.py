"""Drawn: a shape somebody has drawn, as GeoJSON, checked before anything is made of it.

Checked level by level, never by recursion, so that 100,000 brackets are one sentence and no stack; and for leaps, since
a line from one end of the earth to the other closes every road between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import shapely
from shapely.geometry import shape

from geo_backup.errors import BadValueError
from geo_backup.geodesy import LEAP_M, distance_m

VERTICES_MAX = 10_000
NUMBER_MAX = 1e6
"""Above any height; also what NaN and Infinity are not below."""

DEPTH = {"LineString": 1, "Polygon": 2, "MultiPolygon": 3}
"""Lists around the places of each kind."""

KINDS = tuple(DEPTH)


def check_drawn(geometry: Any, field: str, *, kinds: tuple[str, ...] = KINDS, vertices_max: int = VERTICES_MAX) -> None:
    """Raise `BadValueError`, with a field below `field` and the remedy, unless this is a shape of one of the kinds."""
    if not isinstance(geometry, Mapping):
        raise BadValueError(field, "type", "is a GeoJSON geometry with type and coordinates")
    for name in geometry.keys() - {"type", "coordinates"}:
        raise BadValueError(field, "extra_forbidden", f"has type and coordinates only, not {str(name)[:60]!r}")
    kind = geometry.get("type")
    if not isinstance(kind, str) or kind not in kinds:
        raise BadValueError(f"{field}/type", "type", f"is {', '.join(kinds)}")
    for line in _lines(geometry.get("coordinates"), DEPTH[kind], f"{field}/coordinates", vertices_max):
        _check_line(line, f"{field}/coordinates")
    try:
        drawn = shape(geometry)
    except (ValueError, TypeError, IndexError, shapely.errors.ShapelyError):  # too few places for a line or a ring
        raise BadValueError(f"{field}/coordinates", "geometry", f"make no {kind}") from None
    if not drawn.is_valid:
        raise BadValueError(field, "invalid", shapely.is_valid_reason(drawn))


def _check_line(line: list[tuple[float, float]], field: str) -> None:
    if any(abs(lon) > 180.0 or abs(lat) > 90.0 for lon, lat in line):
        raise BadValueError(field, "out_of_range", "are [lon, lat] in degrees; are they swapped?")
    if any(abs(a[0] - b[0]) > 180.0 for a, b in pairwise(line)):
        raise BadValueError(
            field, "antimeridian", "go across the 180th meridian; draw two shapes, one on each side of it"
        )
    at = np.array(line)
    steps_m = distance_m(at[:-1, 0], at[:-1, 1], at[1:, 0], at[1:, 1])
    if len(steps_m) and float(steps_m.max()) > LEAP_M:
        raise BadValueError(
            field,
            "leap",
            f"leap {float(steps_m.max()) / 1000.0:,.0f} km from one place to the next; draw it within the map, "
            f"with places at most {LEAP_M / 1000.0:.0f} km apart",
        )


def _lines(coordinates: Any, depth: int, field: str, vertices_max: int) -> Iterator[list[tuple[float, float]]]:
    """The places of each line of nested lists. Raises for what is not nested just so, and for too many."""
    level = [coordinates]
    for _ in range(depth - 1):
        level = _unpacked(level, field, vertices_max)
    count = 0
    for places in level:
        if not isinstance(places, list | tuple) or not places:
            raise BadValueError(field, "geometry", "are not nested as GeoJSON has them")
        count += len(places)
        if count > vertices_max:
            raise BadValueError(field, "size", f"are more than {vertices_max} places; draw it simpler")
        yield [_place(place, field) for place in places]


def _unpacked(level: list[Any], field: str, vertices_max: int) -> list[Any]:
    if not all(isinstance(rows, list | tuple) and rows for rows in level):
        raise BadValueError(field, "geometry", "are not nested as GeoJSON has them")
    if sum(map(len, level)) > vertices_max:
        raise BadValueError(field, "size", f"are more than {vertices_max} places; draw it simpler")
    return [row for rows in level for row in rows]


def _place(place: Any, field: str) -> tuple[float, float]:
    if not isinstance(place, list | tuple) or len(place) not in (2, 3):
        raise BadValueError(field, "geometry", "are not nested as GeoJSON has them")
    if not all(type(number) in (int, float) and abs(number) <= NUMBER_MAX for number in place):
        raise BadValueError(field, "number", "are finite numbers")
    return float(place[0]), float(place[1])
