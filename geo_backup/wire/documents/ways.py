"""Ways and reaches as documents: how a unit drives, how far it gets, how long others would take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired

import shapely
from shapely.geometry import mapping
from typing_extensions import TypedDict

from geo_backup.backup.advice import Waiting
from geo_backup.backup.readings import UnitRoute
from geo_backup.roads.route import Step
from geo_backup.wire.documents.geojson import LineString, MultiPolygon, Point


class Minutes(TypedDict):
    """Within how many minutes of driving."""

    minutes: float


class ReachArea(TypedDict):
    """From where, or where, somebody can be in so many minutes."""

    type: Literal["Feature"]
    geometry: MultiPolygon
    properties: Minutes


class Reach(TypedDict):
    """Areas, each with those before it in it; empty where there are none."""

    type: Literal["FeatureCollection"]
    features: list[ReachArea]


class Turn(TypedDict):
    """One instruction to the driver."""

    instruction: str
    distance_m: float
    duration_s: float
    name: str


class RouteProperties(TypedDict):
    """Whose way it is, and how long it takes."""

    incident_id: str
    unit_id: str
    eta_s: float
    first_leg_s: float
    overhead_s: NotRequired[float]
    pace: NotRequired[str]
    distance_m: int
    last_leg_m: int
    streets: list[str]
    steps: list[Turn]


class Route(TypedDict):
    """The way one unit would take."""

    type: Literal["Feature"]
    geometry: LineString
    properties: RouteProperties


class WaitingProperties(TypedDict):
    """How far from the incident a place to wait is, and on which side."""

    eta_s: float
    bearing_deg: int


class WaitingPlace(TypedDict):
    """Where a unit can wait."""

    type: Literal["Feature"]
    geometry: Point
    properties: WaitingProperties


class Staging(TypedDict):
    """Places to wait near an incident."""

    type: Literal["FeatureCollection"]
    features: list[WaitingPlace]


def reach(minutes: Sequence[float], shapes: Sequence[shapely.Geometry]) -> Reach:
    """Areas as a GeoJSON FeatureCollection, one for each number of minutes; empty where there are none."""
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": mapping(shape), "properties": {"minutes": value}}
            for value, shape in zip(minutes, shapes, strict=bool(shapes))
        ],
    }


def route(incident_id: str, unit_id: str, found: UnitRoute) -> Route:
    """The way of a unit to an incident."""
    way = found.route
    turn_ms = found.eta_ms - found.first_leg_ms - way.drive_ms - way.last_leg_ms - found.overhead_ms
    steps = [*([Step("turn round", 0.0, turn_ms / 1000, "")] if found.turns_round else []), *way.steps]
    properties: RouteProperties = {
        "incident_id": incident_id,
        "unit_id": unit_id,
        "eta_s": found.eta_ms / 1000,
        "first_leg_s": found.first_leg_ms / 1000,
        "distance_m": round(way.distance_m),
        "last_leg_m": round(way.last_leg_m),
        "streets": list(way.streets),
        "steps": [
            {
                "instruction": step.instruction,
                "distance_m": step.distance_m,
                "duration_s": step.duration_s,
                "name": step.name,
            }
            for step in steps
        ],
    }
    if found.overhead_ms:
        properties["overhead_s"] = found.overhead_ms / 1000
    if found.pace:
        properties["pace"] = found.pace
    line: LineString = {"type": "LineString", "coordinates": way.coordinates.tolist()}
    return {"type": "Feature", "geometry": line, "properties": properties}


def staging(places: Sequence[Waiting]) -> Staging:
    """Places to wait, as GeoJSON points."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [place.lon, place.lat]},
                "properties": {"eta_s": place.eta_ms / 1000, "bearing_deg": round(place.bearing_deg)},
            }
            for place in places
        ],
    }
