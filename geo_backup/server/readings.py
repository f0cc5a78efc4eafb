"""Readings of an incident's field over HTTP: the ranking, a unit's way, and from where it is reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Query

from geo_backup.backup.driving import TRAFFIC
from geo_backup.backup.readings import cut_off, route
from geo_backup.backup.standing import Standing
from geo_backup.events import ID_PATTERN
from geo_backup.node import Node, whole_ranking
from geo_backup.server.answers import asked, told
from geo_backup.server.given import IncidentId, TheNode, routes_of
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.writes import check_minutes, open_incident_of, unit_of
from geo_backup.wire import documents
from geo_backup.wire.told import Told

routes = routes_of("Incidents")


@routes.get("/incidents/{incident_id}/ranking", responses=may(404, 409))
async def get_ranking(
    node: TheNode, incident_id: IncidentId, limit: Annotated[int, Query(ge=1)] = 20
) -> Told[documents.Ranking]:
    """Every unit's place in the queue, now."""
    open_incident_of(node, incident_id)
    most = node.live_map.rules.limit.ranking_rows
    if limit > most:
        raise bad_value("/limit", "out_of_range", f"is at most {most} here (the rule limit.ranking_rows)")
    question = ("ranking", incident_id, limit)
    with still_open(incident_id):
        return await asked(node, question, lambda now: whole_ranking(now, incident_id, limit))


@routes.get("/incidents/{incident_id}/route", responses=may(404, 409))
async def get_route(
    node: TheNode, incident_id: IncidentId, unit_id: Annotated[str, Query(pattern=ID_PATTERN)]
) -> Told[documents.Route]:
    """The way one unit would take: a GeoJSON feature."""
    open_incident_of(node, incident_id)
    unit_of(node, unit_id)
    with still_open(incident_id):
        document, cut_off = await node.questions.ask(
            ("route", incident_id, unit_id), lambda: node.read_field(lambda now: _route(now, incident_id, unit_id))
        )
    if document is None:
        closed = [_closure_words(node, name) for name in cut_off]
        words = f"unit {unit_id!r} cannot reach incident {incident_id!r} by road"
        raise Problem(
            409,
            f"{words}: cut off by {' and '.join(closed)}" if closed else words,
            [{"field": "", "reason": "closed", "message": f"cut off by {name}"} for name in closed],
        )
    return told(document)


@routes.get("/incidents/{incident_id}/reach", responses=may(404, 409))
async def get_reach(node: TheNode, incident_id: IncidentId, minutes: str = "2,5,10") -> Told[documents.Reach]:
    """From where the incident is reached within so many minutes of driving: cumulative polygons."""
    open_incident_of(node, incident_id)
    values = check_minutes(minutes)

    def question(now: Standing) -> documents.Reach:
        field = now.field(incident_id)
        return documents.reach(values, field.reach(values) if field is not None else [])

    with still_open(incident_id):
        return await asked(node, ("reach", incident_id, *values), question)


@contextmanager
def still_open(incident_id: str) -> Iterator[None]:
    """An incident that was closed while its field was asked is answered as one that was closed before."""
    try:
        yield
    except KeyError:
        raise Problem(409, f"incident {incident_id!r} is closed") from None


def _closure_words(node: Node, closure_id: str) -> str:
    if closure_id == TRAFFIC:
        return "roads that the traffic file closes"
    standing = node.live_map.closures.get(closure_id)
    reason = f" ({standing.added.reason})" if standing is not None and standing.added.reason else ""
    return f"closure {closure_id!r}{reason}"


def _route(now: Standing, incident_id: str, unit_id: str) -> tuple[documents.Route | None, tuple[str, ...]]:
    """The way, or the closures that bar it."""
    found = route(now, incident_id, unit_id)
    if found is None:
        return None, cut_off(now, incident_id, [unit_id]).get(unit_id, ())
    return documents.route(incident_id, unit_id, found), ()
