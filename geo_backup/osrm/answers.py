"""What an OSRM client is answered: tables, routes and nearest roads as the JSON documents of OSRM's HTTP API.

Durations are those of driving between places on roads: no turnout, no walk from the road to the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import shapely

from geo_backup.geodesy import distance_m, wrap_lon_deg
from geo_backup.osrm import polyline
from geo_backup.osrm.questions import NearestQuestion, Places, RouteQuestion, TableQuestion
from geo_backup.roads.kernel import Array
from geo_backup.roads.maneuvers import Crossing, Maneuver, maneuvers, stretches
from geo_backup.roads.nearest import NearRoad, positions
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.route import Route

Document = dict[str, Any]

SCREEN_PIXELS = 1024.0
"""A simplified overview keeps what is seen when the whole route fills so much of a screen."""
_ROWS_AT_ONCE = 256


def refusal(code: str, message: str) -> Document:
    """Any answer but `Ok`."""
    return {"code": code, "message": message}


def waypoints(
    network: RoadNetwork, places: Places, which: Sequence[int], edges: Array, fractions: Array
) -> list[Document]:
    """Where some of the places are on the road: edges int[N] and fractions int[N] of the places `which`."""
    location = positions(network, edges, fractions)
    asked = places.lon_lat[list(which)]
    away_m = distance_m(asked[:, 0], asked[:, 1], location[:, 0], location[:, 1])
    hint = {"hint": ""} if places.hints else {}
    rows = zip(map(_place, location.round(6).tolist()), np.round(away_m, 2).tolist(), edges.tolist(), strict=True)
    return [{**hint, "distance": away, "name": network.edge_name(edge), "location": at} for at, away, edge in rows]


def table(
    question: TableQuestion,
    seconds: Array,
    metres: Array,
    sources: list[Document],
    destinations: list[Document],
    data_version: str,
) -> bytes:
    """A table as JSON: seconds and metres float64[S, D], nan where there is no way."""
    answer: Document = {"code": "Ok", "data_version": data_version}
    if question.fallback_mps is not None:
        none = np.isnan(seconds)
        as_flown = _as_flown(question, sources, destinations)
        seconds = np.where(none, as_flown / question.fallback_mps, seconds)
        metres = np.where(none, as_flown, metres)
        answer["fallback_speed_cells"] = np.argwhere(none).tolist()
    if question.places.waypoints:
        answer["sources"], answer["destinations"] = sources, destinations
    out = [orjson.dumps(answer)[:-1]]
    if question.durations:
        out += [b',"durations":', *_rows(seconds * question.scale)]
    if question.distances:
        out += [b',"distances":', *_rows(np.round(metres, 1))]
    return b"".join([*out, b"}"])


def _rows(values: Array) -> list[bytes]:
    """JSON of a matrix in parts, null for nan; between the parts another thread may run."""
    blocks = [np.ascontiguousarray(values[at : at + _ROWS_AT_ONCE]) for at in range(0, len(values), _ROWS_AT_ONCE)]
    parts = [orjson.dumps(block, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] for block in blocks]
    return [b"[", b",".join(parts), b"]"]


def _as_flown(question: TableQuestion, sources: list[Document], destinations: list[Document]) -> Array:
    """Metres float64[S, D] in a straight line."""
    if question.fallback_snapped:
        a, b = (np.array([one["location"] for one in ends]) for ends in (sources, destinations))
    else:
        a, b = (question.places.lon_lat[list(ends)] for ends in (question.sources, question.destinations))
    flown: Array = distance_m(a[:, None, 0], a[:, None, 1], b[None, :, 0], b[None, :, 1])
    return flown


def nearest(network: RoadNetwork, question: NearestQuestion, roads: Sequence[NearRoad], data_version: str) -> Document:
    """The roads nearest to a place."""
    points = [road.points[0] for road in roads]
    edges, fractions = (np.array(column) for column in zip(*points, strict=True))
    found = waypoints(network, question.places, [0] * len(points), edges, fractions)
    return {"code": "Ok", "data_version": data_version, "waypoints": found}


def route(network: RoadNetwork, question: RouteQuestion, legs: Sequence[Route], data_version: str) -> Document:
    """One way over all places, leg by leg."""
    told = [_leg(network, question, leg) for leg in legs]
    line = np.concatenate([legs[0].coordinates, *(leg.coordinates[1:] for leg in legs[1:])])
    duration = sum(leg.drive_ms for leg in legs) / 1000
    whole: Document = {
        "distance": round(sum(leg.distance_m for leg in legs), 1),
        "duration": duration,
        "weight": duration,
        "weight_name": "duration",
        "legs": told,
    }
    if question.overview != "false":
        shown = line if question.overview == "full" else _simplified(line)
        whole["geometry"] = _geometry(shown, question.geometries)
    answer: Document = {"code": "Ok", "data_version": data_version, "routes": [whole]}
    if question.places.waypoints:
        ends = [(legs[0].edges[0], legs[0].cuts[0][0]), *((leg.edges[-1], leg.cuts[-1][1]) for leg in legs)]
        edges, fractions = (np.array(column) for column in zip(*ends, strict=True))
        answer["waypoints"] = waypoints(network, question.places, range(len(ends)), edges, fractions)
    return answer


def _leg(network: RoadNetwork, question: RouteQuestion, leg: Route) -> Document:
    told = maneuvers(network, leg) if question.steps else []
    side = network.area.drives_on
    document: Document = {
        "distance": round(leg.distance_m, 1),
        "duration": leg.drive_ms / 1000,
        "weight": leg.drive_ms / 1000,
        "summary": _summary(told),
        "steps": [_step(maneuver, question.geometries, side) for maneuver in told],
    }
    if question.annotations:
        metres, seconds = stretches(network, leg)
        speed = np.divide(metres, seconds, out=np.zeros_like(metres), where=seconds > 0)
        values = {"distance": metres, "duration": seconds, "weight": seconds, "speed": speed}
        document["annotation"] = {
            name: value.round(3).tolist() for name, value in values.items() if name in question.annotations
        }
    return document


def _summary(told: Sequence[Maneuver]) -> str:
    """The two streets on which most is driven, in the order in which they are."""
    metres: dict[str, float] = {}
    for maneuver in told:
        if maneuver.name:
            metres[maneuver.name] = metres.get(maneuver.name, 0.0) + maneuver.distance_m
    most = sorted(metres, key=lambda name: -metres[name])[:2]
    return ", ".join(name for name in metres if name in most)


def _place(lon_lat: list[float]) -> list[float]:
    """A place on earth, though the map may count on beyond the 180th meridian; its lines do, and stay whole."""
    lon, lat = lon_lat
    return [round(wrap_lon_deg(lon), 6) if abs(lon) > 180.0 else lon, lat]


def _step(maneuver: Maneuver, geometries: str, side: str) -> Document:
    place = maneuver.line[0]
    told: Document = {
        "type": maneuver.kind,
        "location": _place(place.round(6).tolist()),
        "bearing_before": maneuver.bearing_before_deg,
        "bearing_after": 0 if maneuver.kind == "arrive" else maneuver.bearing_after_deg,
    }
    if maneuver.modifier is not None:
        told["modifier"] = maneuver.modifier
    if maneuver.exit is not None:
        told["exit"] = maneuver.exit
    return {
        "distance": round(maneuver.distance_m, 1),
        "duration": maneuver.duration_ms / 1000,
        "weight": maneuver.duration_ms / 1000,
        "name": maneuver.name,
        "mode": "driving",
        "driving_side": side,
        "geometry": _geometry(maneuver.line, geometries),
        "maneuver": told,
        "intersections": [_intersection(crossing) for crossing in maneuver.crossings],
    }


def _intersection(crossing: Crossing) -> Document:
    document: Document = {
        "location": _place([round(axis, 6) for axis in crossing.place]),
        "bearings": list(crossing.bearings_deg),
        "entry": list(crossing.entry),
    }
    if crossing.comes is not None:
        document["in"] = crossing.comes
    if crossing.goes is not None:
        document["out"] = crossing.goes
    return document


def _geometry(line: Array, geometries: str) -> str | Document:
    if geometries == "geojson":
        return {"type": "LineString", "coordinates": line.round(6).tolist()}
    return polyline.encode(line.tolist(), 6 if geometries == "polyline6" else 5)


def _simplified(line: Array) -> Array:
    size = float(np.ptp(line, axis=0).max())
    # a route to where one stands is a line of no length, which has nothing to leave out
    if size == 0.0:
        return line[[0, -1]]
    kept: Array = shapely.get_coordinates(shapely.simplify(shapely.LineString(line), size / SCREEN_PIXELS))
    return kept
