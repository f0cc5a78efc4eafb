"""Incidents over HTTP: opened, changed, closed."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Request

from geo_backup.backup.readings import off_road_m
from geo_backup.events import (
    IncidentChanged,
    IncidentClosed,
    IncidentOpened,
)
from geo_backup.live_map import Incident
from geo_backup.server.answers import listed, told
from geo_backup.server.given import IncidentId, TheNode, routes_of
from geo_backup.server.look_back import FOUND_MAX, From, To, find_closed, finished
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import own_agency
from geo_backup.server.writes import (
    check_profile,
    incident_of,
    new_id,
    record,
    unit_of,
    was_taken,
)
from geo_backup.wire import documents
from geo_backup.wire.requests import (
    IncidentPatch,
    NewIncident,
)
from geo_backup.wire.told import Told

routes = routes_of("Incidents")


@routes.post("/incidents", status_code=201, responses=may(404, 409, 429, also={200: "It stands already."}))
async def open_incident(node: TheNode, body: NewIncident) -> Told[documents.Incident]:
    """Somebody needs help at a place, or (`for_unit_id`) where that unit is."""
    lon, lat = body.lon, body.lat
    standing = node.live_map.incidents.get(body.incident_id or "")
    if standing is not None:
        return _again(standing, body)
    check_profile(node, body.profile)
    if body.for_unit_id is not None:
        if lon is not None or lat is not None:
            raise bad_value("/for_unit_id", "both", "send lon and lat, or for_unit_id, not both")
        fix = unit_of(node, body.for_unit_id).fix
        if fix is None:
            raise bad_value("/for_unit_id", "no_position", "this unit has no position yet; send lon and lat")
        lon, lat = fix.lon, fix.lat
    elif body.pinned:
        raise bad_value("/pinned", "no_unit", "only an incident with for_unit_id can be pinned")
    if lon is None or lat is None:
        raise bad_value("/lon" if lon is None else "/lat", "missing", "send lon and lat, or for_unit_id")
    off_road = off_road_m(node.network, node.live_map.rules.snap, lon, lat)
    event = IncidentOpened(
        event_id=new_id("opened"),
        received_ms=node.clock.now_ms(),
        incident_id=(incident_id := body.incident_id or new_id("i")),
        lon=lon,
        lat=lat,
        priority=body.priority,
        kind=body.kind,
        note=body.note,
        profile=body.profile,
        for_unit_id=body.for_unit_id,
        pinned=body.pinned,
        exercise=body.exercise,
        apart=body.exercise,
        agency=body.agency or own_agency(),
        level=body.level,
        off_road_m=off_road,
    )
    try:
        await record(node, event)
    except Problem as refusal:
        if was_taken(refusal):
            return _again(incident_of(node, incident_id), body)
        raise
    return told(documents.incident(incident_of(node, incident_id)), 201)


@routes.get("/incidents")
async def list_incidents(
    node: TheNode,
    request: Request,
    state: Literal["open", "closed"] = "open",
    q: Annotated[str, Query(max_length=200)] = "",
    from_: From = None,
    to: To = None,
    limit: Annotated[int, Query(ge=1, le=FOUND_MAX)] = 50,
) -> Told[documents.IncidentList]:
    """All open incidents, in the order in which they were opened. With `state=closed` finished ones, the last opened
    first: those that were open between `from` and `to` and have all words of `q` in what was said of them: kind, note,
    place, ids, units. Words may be cut short."""
    if state == "closed":
        return told(await find_closed(node, request, q, from_, to, limit))
    if q or from_ is not None or to is not None:
        raise bad_value("/state", "open", "q, from and to look for finished incidents: send state=closed with them")
    return await listed(
        node,
        "incidents",
        {"incidents": []},
        lambda: [documents.incident(*seen) for seen in node.alarms.open_incidents()],
    )


@routes.get("/incidents/{incident_id}", responses=may(404))
async def get_incident(node: TheNode, request: Request, incident_id: IncidentId) -> Told[documents.Incident]:
    """One incident, open or closed, however long ago."""
    seen = node.alarms.incident(incident_id)
    return told(documents.incident(*seen) if seen is not None else await finished(node, request, incident_id))


@routes.patch("/incidents/{incident_id}", responses=may(404, 409))
async def change_incident(node: TheNode, incident_id: IncidentId, body: IncidentPatch) -> Told[documents.Incident]:
    """Change what is named."""
    incident = incident_of(node, incident_id)
    if (body.lon is None) != (body.lat is None):
        raise bad_value("/lon" if body.lon is None else "/lat", "missing", "a new place needs both lon and lat")
    off_road = None
    if body.lon is not None and body.lat is not None:
        lon, lat = body.lon, body.lat
        off_road = off_road_m(node.network, node.live_map.rules.snap, lon, lat)
    if body.pinned and incident.for_unit_id is None:
        raise bad_value("/pinned", "no_unit", "only an incident with for_unit_id can be pinned")
    if body.profile is not None:
        check_profile(node, body.profile)
    await record(
        node,
        IncidentChanged(
            event_id=new_id("changed"),
            received_ms=node.clock.now_ms(),
            incident_id=incident_id,
            off_road_m=off_road,
            **body.model_dump(),
        ),
    )
    return told(documents.incident(incident_of(node, incident_id)))


@routes.post("/incidents/{incident_id}/close", responses=may(404, 409))
async def close_incident(node: TheNode, incident_id: IncidentId) -> Told[documents.Incident]:
    """The incident is over: its units are released, its ranking ends. Closing it twice is no error."""
    incident = incident_of(node, incident_id)
    if incident.open:
        event = IncidentClosed(
            event_id=f"closed:{incident.opening}", received_ms=node.clock.now_ms(), incident_id=incident_id
        )
        await record(node, event)
    return told(documents.incident(incident_of(node, incident_id)))


def _again(standing: Incident, body: NewIncident) -> Told[documents.Incident]:
    """The same incident sent twice: 200 with what stands if the body is the same, else 409."""
    opened, said = standing.opened, body.model_dump(exclude={"incident_id"})
    if body.for_unit_id is not None and body.lon is None and body.lat is None:
        del said["lon"], said["lat"]
    if any(getattr(opened, name) != value for name, value in said.items()):
        raise Problem(409, f"incident {opened.incident_id!r} exists with another content; choose another id")
    return told(documents.incident(standing))
