"""OSRM's answers as documents, for `/openapi.json`: the fields are OSRM's, as its HTTP API has them."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class OsrmWaypoint(TypedDict):
    """Where a coordinate is on the road."""

    hint: NotRequired[str]
    distance: float
    name: str
    location: list[float]


class OsrmTable(TypedDict):
    """Times and metres from each source (row) to each destination (column); null: no way."""

    code: Literal["Ok"]
    data_version: str
    sources: NotRequired[list[OsrmWaypoint]]
    destinations: NotRequired[list[OsrmWaypoint]]
    durations: NotRequired[list[list[float | None]]]
    distances: NotRequired[list[list[float | None]]]
    fallback_speed_cells: NotRequired[list[list[int]]]


class OsrmLeg(TypedDict):
    """The way between two waypoints; `steps` are OSRM's step objects."""

    distance: float
    duration: float
    weight: float
    summary: str
    steps: list[dict[str, Any]]
    annotation: NotRequired[dict[str, list[float]]]


class OsrmWay(TypedDict):
    """The whole way; `geometry` is GeoJSON, or text where a polyline was asked for."""

    distance: float
    duration: float
    weight: float
    weight_name: str
    legs: list[OsrmLeg]
    geometry: NotRequired[str | dict[str, Any]]


class OsrmRoute(TypedDict):
    """The fastest way over some places."""

    code: Literal["Ok"]
    data_version: str
    routes: list[OsrmWay]
    waypoints: NotRequired[list[OsrmWaypoint]]


class OsrmNearest(TypedDict):
    """The roads nearest to a place."""

    code: Literal["Ok"]
    data_version: str
    waypoints: list[OsrmWaypoint]


class OsrmRefusal(TypedDict):
    """Any other answer."""

    code: str
    message: str
