"""Cover over HTTP: beats, demand, and how well the free units cover the area now."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request

from geo_backup.backup.advice import moves, staging
from geo_backup.backup.city import beats_of
from geo_backup.backup.demand import learned, of_roads, week_hour
from geo_backup.backup.standing import Standing
from geo_backup.errors import BadValueError, LogError
from geo_backup.events import ID_PATTERN, BeatsAdopted, DemandAdopted, speeds_id
from geo_backup.node import Node
from geo_backup.roads.drawn import check_drawn
from geo_backup.server.problems import bad_value
from geo_backup.server.writes import new_id, open_incident_of, record
from geo_backup.wire import calls_csv, documents
from geo_backup.wire.strict import codec

BEAT_KINDS = ("Polygon", "MultiPolygon")
BEAT_VERTICES_MAX = 100_000


def router(node: Node) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")

    @routes.put("/beats")
    async def adopt_beats(body: dict[str, Any]) -> dict[str, Any]:
        """From now on these are the beats: a GeoJSON FeatureCollection of polygons with `beat_id` and `floor`, the
        free units that a beat keeps (a number, or 24 by hour). No features: none."""
        try:
            _check_shapes(body)
            beats = beats_of(body)
        except BadValueError as error:
            raise bad_value(error.field, error.reason, str(error)) from None
        await record(
            node,
            BeatsAdopted(event_id=new_id("beats"), received_ms=node.clock.now_ms(), beats=body if beats.beats else {}),
        )
        return {"beats": [beat.beat_id for beat in beats.beats]}

    @routes.get("/beats")
    async def beats() -> dict[str, Any]:
        """The beats as they were adopted."""
        return dict(node.live_map.beats or {"type": "FeatureCollection", "features": []})

    @routes.put("/demand")
    async def adopt_demand(request: Request) -> dict[str, Any]:
        """Learn where calls come from, by hour, from a CSV of past ones (`call_id,time,lon,lat`, or the San Francisco
        columns). Calls only, never persons: nothing but counts by place and hour is kept."""
        data = await request.body()
        timezone = node.network.area.timezone
        try:
            calls = (await asyncio.to_thread(calls_csv.read, data, timezone=timezone)).calls
        except BadValueError as error:
            raise bad_value(error.field, error.reason, str(error)) from None
        if not calls:
            raise bad_value("/", "empty", "no call in this file has a time and a place")

        def learn() -> DemandAdopted:
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

        event = await asyncio.to_thread(learn)
        await record(node, event)
        return {"demand_id": event.demand_id, "calls": event.calls}

    @routes.get("/cover")
    async def cover(agency: Annotated[str, Query(max_length=64)] = "") -> dict[str, Any]:
        """The chance that the next call finds a free unit in time: over all, by beat, and by place of demand; by the
        units of an agency where one is named."""

        def question(now: Standing) -> dict[str, Any]:
            return documents.cover(now.city_now(), now.table.ids, now.now.as_of_ms, agency)

        return await node.read_field(question)

    @routes.get("/cover/moves")
    async def move_ups(agency: Annotated[str, Query(max_length=64)] = "") -> dict[str, Any]:
        """Which free units to move where, and what that wins: few moves, each worth the crew's trouble."""
        return {"moves": [documents.move_up(move) for move in await node.read_field(lambda now: moves(now, agency))]}

    @routes.get("/incidents/{incident_id}/staging")
    async def staging_places(
        incident_id: Annotated[str, Path(pattern=ID_PATTERN)], count: Annotated[int, Query(ge=1, le=12)] = 4
    ) -> dict[str, Any]:
        """Where units can wait near an incident without being at it, on all its sides."""
        open_incident_of(node, incident_id)
        found = await node.read_field(lambda now: staging(now, incident_id, count))
        return documents.staging(found)

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
