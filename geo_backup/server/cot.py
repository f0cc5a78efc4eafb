"""Cursor on Target over HTTP: what a TAK server or a bridge sends of a unit, one event a request."""

from __future__ import annotations

import asyncio
import re

from fastapi import Request

from geo_backup.errors import BadValueError, LogError
from geo_backup.events import ID_PATTERN, Event, PositionReported
from geo_backup.formats import cot
from geo_backup.node import ALARM_WITHIN_S, Node
from geo_backup.server.access import speaks_for, units_of
from geo_backup.server.adoption import REFUSED, Adoption, address_of
from geo_backup.server.answers import told
from geo_backup.server.emergencies import declare, refuse_clear
from geo_backup.server.given import TheAdoption, TheNode, Xml, routes_of
from geo_backup.server.positions import NOT_YOURS
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import said_by, speaking
from geo_backup.server.writes import adoption_of, no_unit, unit_called
from geo_backup.wire import documents
from geo_backup.wire.told import Told

routes = routes_of("Emergencies")


@routes.post("/cot", status_code=202, responses=may(404, 429))
async def take_cot_event(
    node: TheNode,
    adoption: TheAdoption,
    request: Request,
    body: Xml,
) -> Told[documents.CotTaken]:
    """One CoT event (XML): a unit's own position (a-f-...) moves it; an alert (b-a-o-...) declares its officer's
    emergency; a cancel ends none (only the unit's word or a supervisor does) and goes on record. All else (markers,
    chat, pings, withdrawn events) changes nothing, and `done` says why."""
    try:
        event = cot.parse(body)
    except BadValueError as error:
        raise bad_value(error.field, error.reason, str(error)) from None
    if event.nothing is not None:
        unit_id = unit_called(node.live_map, event.names)
        done = cot.NOTHING[event.nothing]
        return told({"kind": "other", "unit_id": unit_id, "ignored": event.nothing, "done": done}, 202)
    events: list[Event] = []
    unit_id = _unit_named(node, adoption, event, address_of(request), events)
    if not speaks_for(speaking(), "report", node.live_map, unit_id):
        if units_of(speaking(), "report") is not None:
            raise Problem(403, NOT_YOURS)
        raise no_unit()
    if event.kind == "cancel":
        unit = node.live_map.units.get(unit_id)
        emergency_id = unit.emergency_id if unit is not None else None
        if emergency_id is not None:
            await refuse_clear(node, emergency_id, by="unit", who=unit_id)
        return told({"kind": "cancel", "unit_id": unit_id, "emergency_id": emergency_id}, 202)
    answer: documents.CotTaken = {"kind": event.kind, "unit_id": unit_id}
    if event.fix is not None:
        events.append(
            PositionReported(
                received_ms=node.clock.now_ms(),
                said_by=said_by("unit"),
                unit_id=unit_id,
                fix=event.fix,
                device_id="cot",
            )
        )
    writing = asyncio.ensure_future(node.record(*events, apart=True))
    if event.kind == "alert" and events:
        await asyncio.wait([writing], timeout=ALARM_WITHIN_S)
    if event.kind == "alert":
        place = None if event.fix is None else (event.fix.lon, event.fix.lat)
        pressed = await declare(node, unit_id, place, source="tak", adoption=adoption, client=address_of(request))
        answer["incident"] = pressed.document()
    try:
        outcomes = await writing
    except LogError as error:
        if event.kind != "alert":
            raise
        answer["ignored"] = f"not_recorded: {error}"
    else:
        if event.fix is not None:
            answer["ignored"] = outcomes[-1].delta.ignored
    if event.unknown:
        answer["unknown"] = list(event.unknown)
    return told(answer, 202)


def _unit_named(node: Node, adoption: Adoption | None, event: cot.CotEvent, client: str, new: list[Event]) -> str:
    """A unit by one of its names; `new` gets the registration of one that nobody registered, where such are
    adopted. Who calls for help is named whatever stands in the way of that."""
    names = event.names
    found = unit_called(node.live_map, names)
    if found is not None:
        return found
    fit = next((name for name in names if re.fullmatch(ID_PATTERN, name)), None)
    if fit is not None and event.kind != "cancel":
        if adoption is not None and adoption.takes(client):
            new.append(adoption_of(node, fit))
        elif event.kind != "alert" and adoption is not None:
            raise Problem(429, REFUSED)
        if adoption is not None or event.kind == "alert":
            return fit
    known = ", ".join(names) or "nobody"
    raise Problem(404, f"no unit has an id or callsign of {known}; register it with PUT /v1/units/{{id}}")
