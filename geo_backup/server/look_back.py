"""What was, over HTTP: a unit's track, finished incidents, and what happened in one. Each question is on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import Query, Request

from geo_backup.eventlog.reading import Reader
from geo_backup.history.index import Aboard, Lookup, Row
from geo_backup.history.timeline import Timeline, timeline
from geo_backup.history.track import Track, track
from geo_backup.live_map import Incident, LiveMap, Unit
from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.people.principal import CENTRE
from geo_backup.people.sight import Sight
from geo_backup.server.access import refusal_of, units_of
from geo_backup.server.answers import told
from geo_backup.server.given import IncidentId, TheNode, UnitId, routes_of
from geo_backup.server.looks import looks_back
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import speaking
from geo_backup.server.writes import no_incident, no_unit
from geo_backup.wire import documents
from geo_backup.wire.requests import Time
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Document, Told

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
TRACK_MS = DAY_MS
"""A track is of one day at most."""

FOUND_MAX = 500

routes = routes_of("History")

From = Annotated[Time | None, Query(alias="from")]
To = Annotated[Time | None, Query(alias="to")]


@routes.get("/units/{unit_id}/track", responses=may(404))
async def get_track(
    node: TheNode, request: Request, unit_id: UnitId, from_: From = None, to: To = None
) -> Told[documents.Track]:
    """Where a unit was between two times (usually the last hour), by the times of its fixes, late ones among them, and
    what it did meanwhile. At most a day, and 20,000 fixes: `next_time` says where to go on."""
    who, now_ms = speaking(), node.clock.now_ms()
    from_ms, to_ms = span(from_, to, now_ms, HOUR_MS, TRACK_MS)
    rules, extent = node.live_map.rules.fix, node.live_map.extent

    def question(reader: Reader, lookup: Lookup) -> Track:
        _check_track(who, unit_id, lookup.unit(unit_id, from_ms, to_ms))
        return track(reader, lookup, unit_id, from_ms, to_ms, rules, extent)

    found = await node.historian.ask(question)
    await looks_back(node, request, f"unit:{unit_id}", to_text(from_ms), to_text(to_ms))
    return told(documents.track(unit_id, from_ms, to_ms, *found))


@routes.get("/incidents/{incident_id}/timeline", responses=may(404))
async def get_timeline(node: TheNode, request: Request, incident_id: IncidentId) -> Told[documents.Timeline]:
    """What happened in an incident, open or finished, oldest first: every fact that touched it, with who said it and
    when, in codes and values. `said_by` `avl`: its unit's positions told it."""
    who = speaking()

    def question(reader: Reader, lookup: Lookup) -> tuple[Row, Timeline] | None:
        row = lookup.incident(incident_id)
        if row is None or not sees(who, node.live_map, row):
            return None
        incident = node.live_map.incidents.get(incident_id, row.incident)
        return row, timeline(reader, lookup, row, incident)

    found = await node.historian.ask(question)
    if found is None:
        raise no_incident()
    row, story = found
    await looks_back(node, request, f"incident:{incident_id}")
    incident = row.incident
    document: documents.Timeline = {
        "incident_id": incident_id,
        "opened_time": to_text(incident.opened_ms),
        "closed_time": None if incident.closed_ms is None else to_text(incident.closed_ms),
        "whole": story.whole,
        "moments": documents.moments(story.facts, story.arrivals),
    }
    return told(shown(who, node.live_map, row, document))


async def closed_since(node: Node, from_ms: int, to_ms: int, limit: int) -> list[documents.Incident]:
    """Incidents that ended in a time, of those that somebody may see, the last opened first."""
    who = speaking()

    def question(_: Reader, lookup: Lookup) -> list[Row]:
        found: list[Row] = []
        for row in lookup.search((), True, from_ms, to_ms):
            ended_ms = row.incident.closed_ms or 0
            if from_ms <= ended_ms <= to_ms and sees(who, node.live_map, row):
                found.append(row)
                if len(found) == limit:
                    break
        return found

    rows = await node.historian.ask(question)
    return [shown(who, node.live_map, row, documents.incident(row.incident)) for row in rows]


async def finished(node: Node, request: Request, incident_id: str) -> documents.Incident:
    """A finished incident that has left the live map. Raises `UnknownIdError` for one that never was, or is not for
    whoever asks."""
    who = speaking()
    if refusal_of(who, "look_back") is not None:
        raise no_incident()
    row = await node.historian.ask(lambda _, lookup: lookup.incident(incident_id))
    if row is None or not sees(who, node.live_map, row):
        raise no_incident()
    await looks_back(node, request, f"incident:{incident_id}")
    return shown(who, node.live_map, row, documents.incident(row.incident))


async def find_closed(
    node: Node, request: Request, q: str, from_: int | None, to: int | None, limit: int
) -> documents.IncidentList:
    """Finished incidents, the last opened first; see `GET /v1/incidents`."""
    who, now_ms = speaking(), node.clock.now_ms()
    refused = refusal_of(who, "look_back")
    if refused is not None:
        raise Problem(*refused)
    to_ms = now_ms if to is None else to
    from_ms = 0 if from_ is None else from_
    if from_ms > to_ms:
        raise bad_value("/from", "after_to", "lies after `to`")

    def question(_: Reader, lookup: Lookup) -> list[Row]:
        found: list[Row] = []
        for row in lookup.search(q.split(), True, from_ms, to_ms):
            if sees(who, node.live_map, row):
                found.append(row)
                if len(found) == limit:
                    break
        return found

    rows = await node.historian.ask(question)
    await looks_back(node, request, "incidents", q, to_text(from_ms), to_text(to_ms))
    return {"incidents": [shown(who, node.live_map, row, documents.incident(row.incident)) for row in rows]}


def span(
    from_: int | None, to: int | None, now_ms: int, usual_ms: int, most_ms: int, field: str = "/from"
) -> tuple[int, int]:
    """From when to when is asked; 422 for one that ends before it begins, or is too long."""
    to_ms = now_ms if to is None else to
    from_ms = to_ms - usual_ms if from_ is None else from_
    if from_ms > to_ms:
        raise bad_value(field, "after_to", "lies after `to`" if field == "/from" else "lies in the future")
    if to_ms - from_ms > most_ms:
        raise bad_value(field, "too_long", f"is at most {most_ms // HOUR_MS} h before the end: ask for a part of it")
    return max(from_ms, 0), to_ms


def sees(who: Principal, live_map: LiveMap, row: Row) -> bool:
    """Whether somebody may know of an incident that was."""
    return Sight.of(who).incident(as_then(live_map, row.incident, row.units), row.incident)


def shown(who: Principal, live_map: LiveMap, row: Row, document: Document) -> Document:
    """A document about an incident that was, with what its reader must not have known of then taken out."""
    sight, then = Sight.of(who), as_then(live_map, row.incident, row.units)
    if sight.whole(then):
        return document
    seen: Document = sight.shown(then, document)
    return seen


def as_then(live_map: LiveMap, incident: Incident, units: Sequence[Aboard]) -> LiveMap:
    """A map of an incident and its units as they were, under the agreements of today."""
    there = {
        one.unit_id: Unit(
            one.unit_id, one.callsign, one.agency, "", hidden=one.hidden, incident_id=incident.incident_id
        )
        for one in units
    }
    hidden = sum(one.hidden for one in units)
    return replace(live_map, units=there, incidents={incident.incident_id: incident}, hidden=hidden)


def _check_track(who: Principal, unit_id: str, was: Sequence[Aboard]) -> None:
    """Tracks are for the unit itself, and for desks of its agency; agreements show where units are, not were."""
    sight, mine = Sight.of(who), units_of(who, "look_back")
    if not was:
        raise no_unit()
    if who.kind == "anyone" or unit_id in who.units:
        return
    if mine is not None:
        raise Problem(403, f"you speak for {', '.join(sorted(mine)) or 'no unit'}, not for {unit_id}")
    others = [one.agency for one in was if who.agency not in (CENTRE, one.agency)]
    if any(one.hidden and not (sight.hidden and who.agency in (CENTRE, one.agency)) for one in was):
        raise no_unit()
    if others:
        raise Problem(403, f"tracks of {unit_id} are for {' and '.join(sorted(set(others)))}; you serve {who.agency}")
