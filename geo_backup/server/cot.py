"""Cursor on Target over HTTP: what a TAK server or a bridge sends of a unit, one event a request."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from fastapi import APIRouter, Request

from geo_backup.errors import BadValueError, LogError
from geo_backup.events import ID_PATTERN, Event, PositionReported
from geo_backup.node import ALARM_WITHIN_S, Node
from geo_backup.server.adoption import REFUSED, Adoption, address_of
from geo_backup.server.emergencies import declare, refuse_clear
from geo_backup.server.problems import Problem, bad_value
from geo_backup.server.writes import adoption_of
from geo_backup.wire import cot


def router(node: Node, adoption: Adoption | None) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")

    def unit_named(event: cot.CotEvent, client: str, new: list[Event]) -> str:
        """A unit by its id or its callsign; `new` gets the registration of one that nobody registered, where such are
        adopted. Who calls for help is named whatever stands in the way of that."""
        names = event.names
        units = node.live_map.units
        by_callsign = {unit.callsign: unit.unit_id for unit in units.values()}
        for name in names:
            if name in units or name in by_callsign:
                return name if name in units else by_callsign[name]
        fit = next((name for name in names if re.fullmatch(ID_PATTERN, name)), None)
        if adoption is not None and fit is not None:
            if adoption.takes(client):
                new.append(adoption_of(node, fit))
            elif event.kind != "alert":
                raise Problem(429, REFUSED)
            return fit
        known = ", ".join(names) or "nobody"
        raise Problem(404, f"no unit has an id or callsign of {known}; register it with PUT /v1/units/{{id}}")

    @routes.post("/cot", status_code=202)
    async def cot_event(request: Request) -> dict[str, Any]:
        """One CoT event (XML): a position moves the unit; a 911 alert or troops in contact declares its officer's
        emergency; a cancel ends none (only the unit's word or a supervisor does) and goes on record."""
        client = address_of(request)
        try:
            event = cot.parse(await request.body())
        except BadValueError as error:
            raise bad_value(error.field, error.reason, str(error)) from None
        events: list[Event] = []
        unit_id = unit_named(event, client, events)
        if event.kind == "cancel":
            unit = node.live_map.units.get(unit_id)
            emergency_id = unit.emergency_id if unit is not None else None
            if emergency_id is not None:
                await refuse_clear(node, emergency_id, by="unit", who=unit_id)
            return {"kind": "cancel", "unit_id": unit_id, "emergency_id": emergency_id}
        answer: dict[str, Any] = {"kind": event.kind, "unit_id": unit_id}
        if event.fix is not None:
            events.append(
                PositionReported(
                    received_ms=node.clock.now_ms(), said_by="unit", unit_id=unit_id, fix=event.fix, device_id="cot"
                )
            )
        writing = asyncio.ensure_future(node.submit(*events))
        if event.kind == "alert" and events:
            await asyncio.wait([writing], timeout=ALARM_WITHIN_S)
        if event.kind == "alert":
            place = None if event.fix is None else (event.fix.lon, event.fix.lat)
            pressed = await declare(node, unit_id, place, source="tak", adoption=adoption, client=client)
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
        return answer

    return routes
