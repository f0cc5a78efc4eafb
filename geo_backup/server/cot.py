"""Cursor on Target: what becomes of an event, whichever way it came, and the way over HTTP: what a TAK server or a
bridge sends of a unit, one event a request."""

from __future__ import annotations

from fastapi import Request

from geo_backup.errors import BadValueError
from geo_backup.formats import cot
from geo_backup.people import Principal
from geo_backup.server.access import speaks_for, units_of
from geo_backup.server.adoption import REFUSED, address_of
from geo_backup.server.answers import told
from geo_backup.server.given import TheIntake, Xml, routes_of
from geo_backup.server.hearing import Hearing
from geo_backup.server.positions import NOT_YOURS
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import speaking
from geo_backup.server.writes import no_unit
from geo_backup.wire import documents
from geo_backup.wire.told import Told

routes = routes_of("Emergencies")


def take(hearing: Hearing, event: cot.CotEvent, message: object, who: Principal, address: str = "") -> str | None:
    """Hear an event: an own position moves its unit, an alert declares its officer's emergency, a cancel ends none and
    goes on record. Whom it is of; None where nobody here is called so. Raises `BadValueError` where it names a unit
    that this speaker does not speak for."""
    named = hearing.named(event.names)
    if named is not None and not speaks_for(who, "report", hearing.node.live_map, named):
        raise BadValueError("/uid", "not_yours", NOT_YOURS)
    return hearing.hear(event.heard, message, address)


@routes.post("/cot", status_code=202, responses=may(404, 429))
async def take_cot_event(
    intake: TheIntake,
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
    who = speaking()
    hearing = Hearing(intake, "cot", who, address_of(request), source="tak")
    if event.nothing is not None:
        done = cot.NOTHING[event.nothing]
        unit_id = hearing.named(event.names)
        return told({"kind": "other", "unit_id": unit_id, "ignored": event.nothing, "done": done}, 202)
    try:
        unit_id = take(hearing, event, body, who)
    except BadValueError:
        if units_of(who, "report") is not None:
            raise Problem(403, NOT_YOURS) from None
        raise no_unit() from None
    if unit_id is None:
        if intake.adoption is not None and event.kind == "position":
            raise Problem(429, REFUSED)
        known = ", ".join(event.names) or "nobody"
        raise Problem(404, f"no unit has an id or callsign of {known}; register it with PUT /v1/units/{{id}}")
    answer: documents.CotTaken = {"kind": event.kind, "unit_id": unit_id}
    if event.kind == "cancel":
        answer["emergency_id"] = hearing.emergency_of(unit_id)
    for pressed in await hearing.finish():
        answer["incident"] = pressed.document()
    if hearing.unrecorded is not None:
        answer["ignored"] = f"not_recorded: {hearing.unrecorded}"
    elif event.fix is not None:
        answer["ignored"] = hearing.ignored
    if event.unknown:
        answer["unknown"] = list(event.unknown)
    return told(answer, 202)
