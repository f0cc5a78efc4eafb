"""Closures and the roads they close as documents."""

from __future__ import annotations

from typing import Literal, cast

import numpy as np
from typing_extensions import TypedDict

from geo_backup import live_map
from geo_backup.roads.closures import Cut
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pieces import Near, Pieces
from geo_backup.wire.documents.geojson import LineString, MultiLineString, MultiPolygon, Polygon
from geo_backup.wire.times import to_text

STREETS_NAMED = 5


class NamedEdges(TypedDict):
    """Roads of this map by their numbers."""

    edges: list[int]


class Closure(TypedDict):
    """A closure as it was added, with what it does to the roads."""

    closure_id: str
    geometry: Polygon | MultiPolygon | LineString | NamedEdges
    buffer_m: float
    levels: Literal["all", "top"] | list[int]
    reason: str
    valid_from: str | None
    valid_to: str | None
    applies_to: Literal["all", "routine"]
    slow_factor: float | None
    edges: int
    edges_spared: int
    levels_in_shape: list[int]
    streets: list[str]
    added_time: str
    source: str


class ClosureList(TypedDict):
    """Closures that stand."""

    closures: list[Closure]


class ClosedRoadsProperties(TypedDict):
    """Of which closure, and whether all of its roads are shown."""

    closure_id: str
    whole: bool


class ClosedRoads(TypedDict):
    """The roads that a closure closes or slows."""

    type: Literal["Feature"]
    geometry: MultiLineString
    properties: ClosedRoadsProperties


class Road(TypedDict):
    """A piece of road near a place."""

    edges: list[int]
    name: str
    level: int
    length_m: float
    distance_m: float
    geometry: LineString


class RoadsNear(TypedDict):
    """The road nearest to a place, and those of other levels that are stacked there."""

    network_id: str
    roads: list[Road]


def closure(closure: live_map.Closure, cut: Cut) -> Closure:
    """A closure as it was added, with what it does to the roads: how many directed edges it closes or slows, and how
    many more lie in its shape on `levels_in_shape` that are not meant."""
    added = closure.added
    return {
        "closure_id": closure.closure_id,
        "geometry": cast("LineString", added.geometry),  # or another that was adopted
        "buffer_m": added.buffer_m,
        "levels": list(added.layers) or added.levels,
        "reason": added.reason,
        "valid_from": None if added.valid_from_ms is None else to_text(added.valid_from_ms),
        "valid_to": None if added.valid_to_ms is None else to_text(added.valid_to_ms),
        "applies_to": added.applies_to,
        "slow_factor": added.slow_factor,
        "edges": len(cut.edges),
        "edges_spared": cut.spared,
        "levels_in_shape": list(cut.levels),
        "streets": list(cut.streets[:STREETS_NAMED]),
        "added_time": to_text(added.received_ms),
        "source": added.said_by,
    }


def road(network: RoadNetwork, near: Near) -> Road:
    """A piece of road near a place: the edges that drive along it, and how it looks from above."""
    pieces = Pieces.of(network)
    edges = pieces.edges(np.array([near.piece]))
    return {
        "edges": edges.tolist(),
        "name": network.edge_name(int(edges[0])) if len(edges) else "",
        "level": int(pieces.level[near.piece]),
        "length_m": round(float(network.piece_length_m[near.piece]), 1),
        "distance_m": round(near.distance_m, 1),
        "geometry": {"type": "LineString", "coordinates": pieces.outline(np.array([near.piece]))[0]},
    }
