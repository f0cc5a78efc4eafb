"""Shapes as GeoJSON has them (RFC 7946): places are [lon, lat] in WGS84 degrees."""

from __future__ import annotations

from typing import Literal, TypeAlias

from typing_extensions import TypedDict

Place: TypeAlias = list[float]


class Point(TypedDict):
    """A place."""

    type: Literal["Point"]
    coordinates: Place


class LineString(TypedDict):
    """A line."""

    type: Literal["LineString"]
    coordinates: list[Place]


class MultiLineString(TypedDict):
    """Some lines."""

    type: Literal["MultiLineString"]
    coordinates: list[list[Place]]


class Polygon(TypedDict):
    """An area: its edge, then its holes."""

    type: Literal["Polygon"]
    coordinates: list[list[Place]]


class MultiPolygon(TypedDict):
    """Some areas."""

    type: Literal["MultiPolygon"]
    coordinates: list[list[list[Place]]]
