"""Incidents over HTTP: opened, changed, closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, get_args

from fastapi import Query, Request

from geo_backup.backup.readings import off_road_m
from geo_backup.backup.run_card import added, card_for, joined, plain
from geo_backup.events import (
    BackupRequested,
    Event,
    IncidentChanged,
    IncidentClosed,
    IncidentNoted,
    IncidentOpened,
    IncidentReopened,
    Mode,
)
from geo_backup.live_map import Incident
from geo_backup.node import Node
from geo_backup.server.answers import listed, told
from geo_backup.server.given import IncidentId, TheGazetteer, TheNode, routes_of
from geo_backup.server.look_back import FOUND_MAX, From, To, find_closed, finished
from geo_backup.server.places import words_for
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import own_agency
from geo_backup.server.versions import IfMatch, changed_meanwhile, told_incident, version_of
from geo_backup.server.writes import (
    check_profile,
    incident_of,
    new_id,
    record,
    unit_of,
    was_refused,
    was_taken,
)
from geo_backup.wire import documents
from geo_backup.wire.requests import (
    IncidentPatch,
    NewIncident,
    NewNote,
)
from geo_backup.wire.told import Told

MODES = get_args(Mode)
"""The most urgent first."""

routes = routes_of("Incidents")


@routes.post("/incidents", status_code=201, responses=may(404, 409, 429, also={200: "It stands already."}))
async def open_incident(node: TheNode, places: TheGazetteer, body: NewIncident) -> Told[documents.Incident]:
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
    # words for where a unit was are wrong as soon as it moves
    place = body.place or ("" if body.pinned else await words_for(places, lon, lat))
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
        place=place,
        callback=body.callback,
    )
    try:
        await record(node, event)
    except Problem as refusal:
        if was_taken(refusal):
            return _again(incident_of(node, incident_id), body)
        raise
    return told_incident(incident_of(node, incident_id), 201)


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
    if seen is None:
        return told(await finished(node, request, incident_id))
    return told_incident(seen[0], recorded=seen[1])


@routes.patch("/incidents/{incident_id}", responses=may(404, 409, 412))
async def change_incident(
    node: TheNode, places: TheGazetteer, incident_id: IncidentId, body: IncidentPatch, if_match: IfMatch = None
) -> Told[documents.Incident]:
    """Change what is named. With `If-Match`, a field that somebody else gave another value since is not changed, and
    neither is anything beside it (412). A higher level or another kind asks for what the run card adds."""
    incident = incident_of(node, incident_id)
    if (body.lon is None) != (body.lat is None):
        raise bad_value("/lon" if body.lon is None else "/lat", "missing", "a new place needs both lon and lat")
    off_road, place = None, body.place
    if body.lon is not None and body.lat is not None:
        lon, lat = body.lon, body.lat
        off_road = off_road_m(node.network, node.live_map.rules.snap, lon, lat)
        if place is None:
            place = await words_for(places, lon, lat)
    if body.pinned and incident.for_unit_id is None:
        raise bad_value("/pinned", "no_unit", "only an incident with for_unit_id can be pinned")
    if body.profile is not None:
        check_profile(node, body.profile)
    changed = IncidentChanged(
        event_id=new_id("changed"),
        received_ms=node.clock.now_ms(),
        incident_id=incident_id,
        off_road_m=off_road,
        as_of_version=version_of(if_match),
        **{**body.model_dump(), "place": place},
    )
    try:
        await record(node, *_grown(node, incident, changed))
    except Problem as refusal:
        if was_refused(refusal, "changed_meanwhile", "unknown_version"):
            raise changed_meanwhile(incident_of(node, incident_id), changed) from None
        raise
    return told_incident(incident_of(node, incident_id))


@routes.post(
    "/incidents/{incident_id}/notes", status_code=201, responses=may(404, 409, also={200: "It stands already."})
)
async def note_incident(node: TheNode, incident_id: IncidentId, body: NewNote) -> Told[documents.Incident]:
    """Say something of an incident, open or closed: it joins what was said before, with the time and who said it. The
    same note_id with the same text answers 200 with what stands, with another text 409."""
    incident, note_id = incident_of(node, incident_id), body.note_id or new_id("note")
    event = IncidentNoted(
        event_id=f"noted:{incident.opening}:{note_id}",  # named by it: sent twice it is one fact
        received_ms=node.clock.now_ms(),
        incident_id=incident_id,
        note_id=note_id,
        text=body.text,
    )
    try:
        await record(node, event)
    except Problem as refusal:
        if not was_taken(refusal):
            raise
        standing = next((one for one in incident.notes if one.note_id == note_id), None)
        if standing is not None and standing.text != body.text:
            raise Problem(409, f"note {note_id!r} exists with another text; choose another id") from None
        return told_incident(incident_of(node, incident_id))
    return told_incident(incident_of(node, incident_id), 201)


@routes.post("/incidents/{incident_id}/close", responses=may(404, 409))
async def close_incident(node: TheNode, incident_id: IncidentId) -> Told[documents.Incident]:
    """The incident is over: its units are released, its ranking ends. Closing it twice is no error."""
    incident = incident_of(node, incident_id)
    if incident.open:
        event = IncidentClosed(
            event_id=f"closed:{_time_of(incident)}", received_ms=node.clock.now_ms(), incident_id=incident_id
        )
        await record(node, event)
    return told_incident(incident_of(node, incident_id))


@routes.post("/incidents/{incident_id}/reopen", responses=may(404, 409, 429))
async def reopen_incident(node: TheNode, incident_id: IncidentId) -> Told[documents.Incident]:
    """It was not over: it is open again, with what it asks for; units that were released are not sent again. One that
    is open stays as it is."""
    incident = incident_of(node, incident_id)
    if not incident.open:
        event = IncidentReopened(
            event_id=f"reopened:{_time_of(incident)}", received_ms=node.clock.now_ms(), incident_id=incident_id
        )
        try:
            await record(node, event)
        except Problem as refusal:
            if not was_refused(refusal, "incident_open"):  # by another who reopened it at this moment
                raise
    return told_incident(incident_of(node, incident_id))


def _time_of(incident: Incident) -> str:
    """Names one of the times that an incident is open."""
    return f"{incident.opening}:{incident.reopened}" if incident.reopened else incident.opening


def _grown(node: Node, incident: Incident, changed: IncidentChanged) -> list[Event]:
    """A change of an incident, and what its run card asks for beside what is asked for already, at its new level or as
    its new kind. Nothing is taken off what is asked: units may be on their way for it."""
    level, kind = changed.level or incident.level, incident.kind if changed.kind is None else changed.kind
    standing = node.run_cards.get(incident.run_card) or card_for(node.run_cards, incident.kind)
    card = card_for(node.run_cards, kind) if plain(kind) != plain(incident.kind) else standing
    if incident.mode is None or card is None or not incident.open:
        return [changed]
    if card is not standing:
        needs = joined(incident.requirement, card.needs(level))
    else:
        needs = added(incident.requirement, card, incident.level, level)
    if needs == incident.requirement:
        return [changed]
    # one that was asked for without hurry may be urgent by what it turns out to be
    mode = min(incident.mode, card.mode, key=MODES.index)
    if mode == "immediate" and incident.profile == "routine" and changed.profile is None:
        changed = replace(changed, profile="response")
    asked = BackupRequested(
        event_id=new_id("backup"),
        received_ms=changed.received_ms,
        incident_id=incident.incident_id,
        requirement=needs,
        mode=mode,
        several=incident.several or card.several,
        arrive_by_ms=None if mode == "immediate" else incident.arrive_by_ms,
        run_card=card.name,
    )
    return [changed, asked]


def _again(standing: Incident, body: NewIncident) -> Told[documents.Incident]:
    """The same incident sent twice: 200 with what stands if the body is the same, else 409."""
    opened, said = standing.opened, body.model_dump(exclude={"incident_id"})
    if body.for_unit_id is not None and body.lon is None and body.lat is None:
        del said["lon"], said["lat"]
    if not body.place:
        del said["place"]  # it was named here
    if any(getattr(opened, name) != value for name, value in said.items()):
        raise Problem(409, f"incident {opened.incident_id!r} exists with another content; choose another id")
    return told_incident(standing)
