"""Cover over HTTP: beats, demand, and how well the free units cover the area now."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Path, Query, Request, Response

from geo_backup.backup.advice import moves, staging
from geo_backup.backup.city import beats_of
from geo_backup.backup.demand import learned, of_roads, week_hour
from geo_backup.backup.standing import Standing
from geo_backup.errors import BadValueError, LogError
from geo_backup.events import ID_PATTERN, BeatsAdopted, DemandAdopted, speeds_id
from geo_backup.formats import calls as calls_csv
from geo_backup.node import Node
from geo_backup.roads.drawn import check_drawn
from geo_backup.server.answers import asked, listed
from geo_backup.server.problems import bad_value, not_json
from geo_backup.server.writes import new_id, open_incident_of, record
from geo_backup.wire import documents
from geo_backup.wire.strict import codec

BEAT_KINDS = ("Polygon", "MultiPolygon")
BEAT_VERTICES_MAX = 100_000

BEATS = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}


def router(node: Node) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")

    @routes.put("/beats", openapi_extra=BEATS)
    async def adopt_beats(request: Request) -> dict[str, Any]:
        """From now on these are the beats: a GeoJSON FeatureCollection of polygons with `beat_id` and `floor`, the
        free units that a beat keeps (a number, or 24 by hour). No features: none."""
        data = await request.body()

        async def adopt() -> list[str]:
            collection, names = await asyncio.to_thread(_beats, data)
            now_ms = node.clock.now_ms()
            await record(node, BeatsAdopted(event_id=new_id("beats"), received_ms=now_ms, beats=collection))
            return names

        return {"beats": await node.files.ask(object(), adopt)}

    @routes.get("/beats", response_model=dict[str, Any])
    async def beats() -> Response:
        """The beats as they were adopted."""
        standing = dict(node.live_map.beats or {"type": "FeatureCollection", "features": []})
        features = standing.pop("features")
        return await listed(node, "beats", standing, "features", lambda: features)

    @routes.put("/demand")
    async def adopt_demand(request: Request) -> dict[str, Any]:
        """Learn where calls come from, by hour, from a CSV of past ones (`call_id,time,lon,lat`, or the San Francisco
        columns). Calls only, never persons: nothing but counts by place and hour is kept."""
        data = await request.body()
        timezone = node.network.area.timezone

        def learn() -> DemandAdopted:
            calls = calls_csv.read(data, timezone=timezone).calls
            if not calls:
                raise bad_value("/", "empty", "no call in this file has a time and a place")
            lon, lat = np.array([call.lon for call in calls]), np.array([call.lat for call in calls])
            hours = np.array([week_hour(call.received_ms, timezone) % 24 for call in calls])
            places = of_roads(node.network, node.live_map.rules.cover.places)
            packed = learned(places, lon, lat, hours).packed()
            return DemandAdopted(
                event_id=new_id("demand"),
                received_ms=node.clock.now_ms(),
                demand_id=speeds_id(packed),
                packed=packed,
                calls=len(calls),
            )

        async def adopt() -> DemandAdopted:
            event = await asyncio.to_thread(learn)
            await record(node, event)
            return event

        event = await node.files.ask(object(), adopt)
        return {"demand_id": event.demand_id, "calls": event.calls}

    @routes.get("/cover", response_model=dict[str, Any])
    async def cover(agency: Annotated[str, Query(max_length=64)] = "") -> Response:
        """The chance that the next call finds a free unit in time: over all, by beat, and by place of demand; by the
        units of an agency where one is named."""

        def question(now: Standing) -> dict[str, Any]:
            return documents.cover(now.city_now(), now.table.ids, now.now.as_of_ms, agency)

        return await asked(node, ("cover", agency), question)

    @routes.get("/cover/moves", response_model=dict[str, Any])
    async def move_ups(agency: Annotated[str, Query(max_length=64)] = "") -> Response:
        """Which free units to move where, and what that wins: few moves, each worth the crew's trouble."""
        return await asked(
            node, ("moves", agency), lambda now: {"moves": [documents.move_up(move) for move in moves(now, agency)]}
        )

    @routes.get("/incidents/{incident_id}/staging", response_model=dict[str, Any])
    async def staging_places(
        incident_id: Annotated[str, Path(pattern=ID_PATTERN)], count: Annotated[int, Query(ge=1, le=12)] = 4
    ) -> Response:
        """Where units can wait near an incident without being at it, on all its sides."""
        open_incident_of(node, incident_id)
        question = ("staging", incident_id, count)
        return await asked(node, question, lambda now: documents.staging(staging(now, incident_id, count)))

    return routes


def _check_shapes(body: dict[str, Any]) -> None:
    """What only the door checks: beats of an older log stand as they were adopted."""
    features = body.get("features")
    for i, feature in enumerate(features if isinstance(features, list) else ()):
        if not isinstance(feature, dict):
            continue  # `beats_of` says so
        try:
            codec(Any).encode({**feature, "geometry": None}, f"/features/{i}")
        except LogError as error:
            field, _, message = str(error).partition(": ")
            raise bad_value(field[:120], "nesting", message) from None
        geometry = feature.get("geometry")
        if isinstance(geometry, dict) and geometry.get("type") in BEAT_KINDS:
            drawn = {"type": geometry["type"], "coordinates": geometry.get("coordinates")}
            check_drawn(drawn, f"/beats/{i}/geometry", kinds=BEAT_KINDS, vertices_max=BEAT_VERTICES_MAX)


def _beats(data: bytes) -> tuple[dict[str, Any], list[str]]:
    """The collection as it is adopted, {} for none, and the names in it. A large one takes seconds: ask in a thread."""
    try:
        collection = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise not_json(data, error) from None
    if not isinstance(collection, dict):
        raise bad_value("/", "type", "beats are a GeoJSON FeatureCollection of polygons")
    try:
        _check_shapes(collection)
        names = [beat.beat_id for beat in beats_of(collection).beats]
    except BadValueError as error:
        raise bad_value(error.field, error.reason, str(error)) from None
    return collection if names else {}, names
