"""Cover over HTTP: beats, demand, and how well the free units cover the area now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any, cast

import numpy as np
from fastapi import Query

from geo_backup.backup.advice import moves, staging
from geo_backup.backup.city import beats_of, city_now
from geo_backup.backup.demand import learned, of_roads, week_hour
from geo_backup.backup.standing import Standing
from geo_backup.errors import BadValueError, LogError
from geo_backup.events import BeatsAdopted, DemandAdopted, speeds_id
from geo_backup.formats import calls as calls_csv
from geo_backup.roads.drawn import check_drawn
from geo_backup.server.answers import asked, listed, told
from geo_backup.server.given import Csv, IncidentId, TheNode, routes_of
from geo_backup.server.problems import bad_value, may, not_json
from geo_backup.server.writes import new_id, open_incident_of, record
from geo_backup.wire import documents
from geo_backup.wire.body import parse
from geo_backup.wire.strict import codec
from geo_backup.wire.told import Taken, Told

BEAT_KINDS = ("Polygon", "MultiPolygon")
BEAT_VERTICES_MAX = 100_000


Agency = Annotated[str, Query(max_length=64)]

routes = routes_of("Cover")


@routes.put("/beats")
async def adopt_beats(node: TheNode, body: Annotated[bytes, Taken(documents.Beats)]) -> Told[documents.BeatsAdopted]:
    """From now on these are the beats: a GeoJSON FeatureCollection of polygons with `beat_id` and `floor`, the
    free units that a beat keeps (a number, or 24 by hour). No features: none."""

    async def adopt() -> list[str]:
        collection, names = await asyncio.to_thread(_beats, body)
        now_ms = node.clock.now_ms()
        await record(node, BeatsAdopted(event_id=new_id("beats"), received_ms=now_ms, beats=collection))
        return names

    return told({"beats": await node.files.ask(object(), adopt)})


@routes.get("/beats")
async def get_beats(node: TheNode) -> Told[documents.Beats]:
    """The beats as they were adopted."""
    standing = node.live_map.beats or {"type": "FeatureCollection", "features": []}
    features = standing["features"]
    others = {name: value for name, value in standing.items() if name != "features"}
    return await listed(node, "beats", cast("documents.Beats", {**others, "features": []}), lambda: features)


@routes.put("/demand")
async def adopt_demand(node: TheNode, body: Csv) -> Told[documents.DemandAdopted]:
    """Learn where calls come from, by hour, from a CSV of past ones (`call_id,time,lon,lat`, or the San Francisco
    columns). Calls only, never persons: nothing but counts by place and hour is kept."""
    timezone = node.network.area.timezone

    def learn() -> DemandAdopted:
        calls = calls_csv.read(body, timezone=timezone).calls
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
    return told({"demand_id": event.demand_id, "calls": event.calls})


@routes.get("/cover")
async def get_cover(node: TheNode, agency: Agency = "") -> Told[documents.Cover]:
    """The chance that the next call finds a free unit in time: over all, by beat, and by place of demand; by the
    units of an agency where one is named."""

    def question(now: Standing) -> documents.Cover:
        return documents.cover(city_now(now), now.table.ids, now.now.as_of_ms, agency)

    return await asked(node, ("cover", agency), question)


@routes.get("/cover/moves")
async def list_moves(node: TheNode, agency: Agency = "") -> Told[documents.Moves]:
    """Which free units to move where, and what that wins: few moves, each worth the crew's trouble."""
    return await asked(
        node, ("moves", agency), lambda now: {"moves": [documents.move_up(move) for move in moves(now, agency)]}
    )


@routes.get("/incidents/{incident_id}/staging", responses=may(404, 409))
async def find_staging(
    node: TheNode, incident_id: IncidentId, count: Annotated[int, Query(ge=1, le=12)] = 4
) -> Told[documents.Staging]:
    """Where units can wait near an incident without being at it, on all its sides."""
    open_incident_of(node, incident_id)
    question = ("staging", incident_id, count)
    return await asked(node, question, lambda now: documents.staging(staging(now, incident_id, count)))


def _check_shapes(body: Mapping[str, object]) -> None:
    """What only the door checks: beats of an older log stand as they were adopted."""
    features = body.get("features")
    for i, feature in enumerate(features if isinstance(features, list) else ()):
        if not isinstance(feature, dict):
            continue  # `beats_of` says so
        if feature.get("type") != "Feature":
            raise bad_value(f"/features/{i}/type", "type", 'a beat is a GeoJSON "Feature"')
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
        collection = parse(data)
    except json.JSONDecodeError as error:
        raise not_json(data, error) from None
    if not isinstance(collection, dict) or collection.get("type") != "FeatureCollection":
        field = "/type" if isinstance(collection, dict) else "/"
        raise bad_value(field, "type", "beats are a GeoJSON FeatureCollection of polygons")
    try:
        _check_shapes(collection)
        names = [beat.beat_id for beat in beats_of(collection).beats]
    except BadValueError as error:
        raise bad_value(error.field, error.reason, str(error)) from None
    return collection if names else {}, names
