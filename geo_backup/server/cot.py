"""Cursor on Target over HTTP: what a TAK server or a bridge sends of a unit, one event a request."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request

from geo_backup.errors import BadValueError
from geo_backup.events import ID_PATTERN, PositionReported
from geo_backup.node import Node
from geo_backup.server.emergencies import declare, refuse_clear
from geo_backup.server.problems import Problem, bad_value
from geo_backup.server.writes import adopted, record
from geo_backup.wire import cot, documents


def router(node: Node, *, adopt_unknown: bool) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")

    def known_unit(names: tuple[str, ...]) -> str | None:
        """A registered unit by its id or its callsign."""
        units = node.live_map.units
        by_callsign = {unit.callsign: unit.unit_id for unit in units.values()}
        return next(
            (name if name in units else by_callsign[name] for name in names if name in units or name in by_callsign),
            None,
        )

    async def unit_named(names: tuple[str, ...], *, adopt: bool) -> str:
        """A unit by one of its names; one that nobody registered is adopted, where such are."""
        found = known_unit(names)
        if found is not None:
            return found
        fit = next((name for name in names if re.fullmatch(ID_PATTERN, name)), None)
        if adopt and adopt_unknown and fit is not None:
            await record(node, adopted(node, fit))
            return fit
        known = ", ".join(names) or "nobody"
        raise Problem(404, f"no unit has an id or callsign of {known}; register it with PUT /v1/units/{{id}}")

    @routes.post("/cot", status_code=202)
    async def cot_event(request: Request) -> dict[str, Any]:
        """One CoT event (XML): a unit's own position (a-f-...) moves it; an alert (b-a-o-...) declares its officer's
        emergency; a cancel ends none (only the unit's word or a supervisor does) and goes on record. All else (markers,
        chat, pings, withdrawn events) changes nothing, and `done` says why."""
        try:
            event = cot.parse(await request.body())
        except BadValueError as error:
            raise bad_value(error.field, error.reason, str(error)) from None
        if event.nothing is not None:
            unit_id = known_unit(event.names)
            return {"kind": "other", "unit_id": unit_id, "ignored": event.nothing, "done": cot.NOTHING[event.nothing]}
        unit_id = await unit_named(event.names, adopt=event.kind != "cancel")
        if event.kind == "cancel":
            emergency_id = node.live_map.units[unit_id].emergency_id
            if emergency_id is not None:
                await refuse_clear(node, emergency_id, by="unit", who=unit_id)
            return {"kind": "cancel", "unit_id": unit_id, "emergency_id": emergency_id}
        answer: dict[str, Any] = {"kind": event.kind, "unit_id": unit_id}
        if event.fix is not None:
            report = PositionReported(
                received_ms=node.clock.now_ms(), said_by="unit", unit_id=unit_id, fix=event.fix, device_id="cot"
            )
            outcome = (await node.submit(report))[0]
            answer["ignored"] = outcome.delta.ignored
            if event.unknown:
                answer["unknown"] = list(event.unknown)
        if event.kind == "alert":
            place = None if event.fix is None else (event.fix.lon, event.fix.lat)
            incident, _ = await declare(node, unit_id, place, source="tak")
            answer["incident"] = documents.incident(incident)
        return answer

    return routes
