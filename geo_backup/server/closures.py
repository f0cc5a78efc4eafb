"""Closed and slow roads over HTTP, and the roads near a place, from which edges to close are chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from fastapi import Query, Request

from geo_backup.backup.driving import cut_by
from geo_backup.backup.standing import Standing
from geo_backup.errors import BadValueError
from geo_backup.events import ClosureAdded, ClosureLifted
from geo_backup.live_map import Closure
from geo_backup.node import Node
from geo_backup.roads.closures import Cut
from geo_backup.roads.drawn import KINDS, check_drawn
from geo_backup.roads.pieces import NEAR_M, Pieces
from geo_backup.server.access import refusal_of
from geo_backup.server.answers import asked, listed, told
from geo_backup.server.given import ClosureId, TheNode, routes_of
from geo_backup.server.looks import looks_back
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import speaking
from geo_backup.server.writes import new_id, record, was_taken
from geo_backup.wire import documents
from geo_backup.wire.requests import NewClosure, Time
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Told

EDGES_MAX = 10_000
PIECES_SHOWN = 2_000

routes = routes_of("Closures")


@routes.post("/closures", status_code=201, responses=may(409, 429, also={200: "It stands already."}))
async def add_closure(
    node: TheNode, body: NewClosure, look: Annotated[bool, Query()] = False
) -> Told[documents.Closure]:
    """Close the roads under a geometry, or the edges it names, or make them slow. With `look` nothing is closed: the
    answer (200) tells what would be.

    Of roads on top of each other the topmost is meant, unless `levels` says otherwise; the answer tells how many
    edges in the shape stay open for that. Edges are named by numbers of this map (`network_id`), see
    `/v1/roads/near`; on another map they are other roads.
    """
    await asyncio.to_thread(_check, body.geometry, node.network.edges)
    if "edges" in body.geometry and body.levels is not None:
        raise bad_value("/levels", "edges", "is for shapes: named edges are closed as they are; leave it out")
    if body.valid_from is not None and body.valid_to is not None and body.valid_to <= body.valid_from:
        raise bad_value("/valid_to", "order", "must be later than valid_from")
    standing = node.live_map.closures.get(body.closure_id or "")
    said: dict[str, Any] = {
        "geometry": body.geometry,
        "buffer_m": body.buffer_m,
        "reason": body.reason,
        "valid_from_ms": body.valid_from,
        "valid_to_ms": body.valid_to,
        "applies_to": body.applies_to,
        "levels": "all" if body.levels == "all" or "edges" in body.geometry else "top",
        "layers": tuple(sorted(set(body.levels))) if isinstance(body.levels, list) else (),
        "slow_factor": body.slow_factor,
    }
    if standing is not None:
        return _again(standing, said, node)
    event = ClosureAdded(
        event_id=new_id("closure"),
        received_ms=node.clock.now_ms(),
        closure_id=(closure_id := body.closure_id or new_id("c")),
        **said,
    )
    found = await node.read_field(lambda _: cut_by(node.network, event))
    if len(found.edges) == 0 and found.spared == 0:
        raise bad_value("/geometry", "no_road", "touches no road of this map; widen buffer_m or draw it across one")
    if len(found.edges) == 0:
        levels = ", ".join(map(str, found.levels))
        raise bad_value("/levels", "no_road", f"leave no road in this shape; there are roads of level {levels}")
    if look:
        return told(documents.closure(Closure(closure_id, event), found))
    node.cuts_ahead[event.event_id] = found
    try:
        await record(node, event)
    except Problem as refusal:
        if was_taken(refusal) and closure_id in node.live_map.closures:
            return _again(node.live_map.closures[closure_id], said, node)
        raise
    finally:
        node.cuts_ahead.pop(event.event_id, None)
    return told(documents.closure(node.live_map.closures[closure_id], node.cuts[closure_id]), 201)


@routes.get("/closures")
async def list_closures(node: TheNode) -> Told[documents.ClosureList]:
    """All closures that stand, those yet to begin included."""

    def rows() -> Iterator[documents.Closure]:
        for closure in list(node.live_map.closures.values()):
            cut = node.cuts.get(closure.closure_id)
            if cut is not None:  # else it was lifted meanwhile
                yield documents.closure(closure, cut)

    return await listed(node, "closures", {"closures": []}, rows)


@routes.get("/closures/{closure_id}/roads", responses=may(404, 503))
async def get_closed_roads(
    node: TheNode, request: Request, closure_id: ClosureId, at: Annotated[Time | None, Query()] = None
) -> Told[documents.ClosedRoads]:
    """The pieces of road that a closure closes or slows, as one GeoJSON feature; of a very large one a part. `at`: of a
    closure that stood at a moment of the past (see `/v1/past`), for whoever may look back."""
    cut = node.cuts.get(closure_id) if at is None else await _cut_then(node, request, closure_id, at)
    if cut is None:
        raise Problem(404, "there is no such closure")

    def lines(_: Standing) -> documents.ClosedRoads:
        pieces = np.unique(node.network.edge_piece[cut.edges])
        shown = Pieces.of(node.network).outline(pieces[:PIECES_SHOWN])
        return {
            "type": "Feature",
            "geometry": {"type": "MultiLineString", "coordinates": shown},
            "properties": {"closure_id": closure_id, "whole": len(shown) < PIECES_SHOWN},
        }

    return await asked(node, ("roads", closure_id, at), lines)


async def _cut_then(node: Node, request: Request, closure_id: str, at_ms: int) -> Cut | None:
    refused = refusal_of(speaking(), "look_back")
    if refused is not None:
        raise Problem(*refused)
    moment = await node.past.at(node.log, min(at_ms, node.clock.now_ms()))
    closure = moment.live_map.closures.get(closure_id)
    await looks_back(node, request, f"closure:{closure_id}", to_text(at_ms))
    return None if closure is None else await asyncio.to_thread(cut_by, node.network, closure.added)


@routes.get("/roads/near")
async def find_roads_near(
    node: TheNode, lon: Annotated[float, Query(ge=-180, le=180)], lat: Annotated[float, Query(ge=-90, le=90)]
) -> Told[documents.RoadsNear]:
    """The piece of road nearest to a place, and after it those of other levels that are stacked there.

    The edges are numbers of this map, to be closed with `{"geometry": {"edges": [...]}}`.
    """
    found = Pieces.of(node.network).near(lon, lat)
    if not found:
        raise bad_value("/lon", "no_road", f"no road of this map within {NEAR_M:.0f} m of this place")
    return told(
        {
            "network_id": node.network.content_id,
            "roads": [documents.road(node.network, piece) for piece in found],
        }
    )


@routes.delete("/closures/{closure_id}", status_code=204, responses=may(404))
async def lift_closure(node: TheNode, closure_id: ClosureId) -> None:
    """Open the roads again; the closure stays in the log."""
    event = ClosureLifted(event_id=new_id("lifted"), received_ms=node.clock.now_ms(), closure_id=closure_id)
    await record(node, event)


def _again(standing: Closure, said: dict[str, Any], node: Node) -> Told[documents.Closure]:
    """The same closure sent twice: 200 with what stands if the body is the same, else 409."""
    if any(getattr(standing.added, name) != value for name, value in said.items()):
        raise Problem(409, f"closure {standing.closure_id!r} exists with another content; choose another id")
    return told(documents.closure(standing, node.cuts[standing.closure_id]))


def _check(geometry: dict[str, Any], edges: int) -> None:
    if "edges" not in geometry:
        if geometry.get("type") not in KINDS:
            raise bad_value("/geometry/type", "type", f'is {", ".join(KINDS)} (or send {{"edges": [...]}})')
        try:
            check_drawn(geometry, "/geometry")
        except BadValueError as error:
            raise bad_value(error.field, error.reason, str(error)) from None
        return
    named = geometry["edges"]
    fine = isinstance(named, list) and 0 < len(named) <= EDGES_MAX and set(geometry) == {"edges"}
    if not fine or not all(type(edge) is int and 0 <= edge < edges for edge in named):
        raise bad_value("/geometry/edges", "out_of_range", f"is a list of edge numbers from 0 to {edges - 1}")
