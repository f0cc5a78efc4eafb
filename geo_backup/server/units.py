"""Units and their positions over HTTP."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request, Response
from pydantic import ValidationError

from geo_backup.backup.standing import Standing
from geo_backup.errors import LogError
from geo_backup.events import (
    ID_PATTERN,
    CrewReported,
    Event,
    Fix,
    Member,
    PositionReported,
    UnitRegistered,
    UnitRetired,
    UnitStatusChanged,
)
from geo_backup.node import ALARM_WITHIN_S, Node, Outcome
from geo_backup.server.adoption import REFUSED, Adoption, address_of
from geo_backup.server.answers import asked, listed
from geo_backup.server.emergencies import Place, Pressed, declare
from geo_backup.server.problems import Problem, bad_value, pointer
from geo_backup.server.writes import REFUSALS, adoption_of, check_minutes, check_profile, new_id, record, unit_of
from geo_backup.wire import documents
from geo_backup.wire.requests import CrewReport, Position, Positions, StatusChange, UnitDescription
from geo_backup.wire.unknown import known

log_ = logging.getLogger("geo_backup.server")

UnitId = Annotated[str, Path(pattern=ID_PATTERN)]

ROWS_AT_ONCE = 50
"""Positions that are checked before the event loop looks at everything else."""
UNKNOWN_UNIT = "unknown_unit: register it with PUT /v1/units/{id}, or start the server with --adopt-unknown"


def router(node: Node, adoption: Adoption | None) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")
    source = node.clock.mode

    def _known(unit_id: Any) -> bool:
        """Whether a unit may call for help: it is registered, or would be adopted."""
        named = isinstance(unit_id, str) and re.fullmatch(ID_PATTERN, unit_id) is not None
        return named and (adoption is not None or unit_id in node.live_map.units)

    @routes.post(
        "/positions",
        status_code=202,
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": Positions.model_json_schema()}}}},
    )
    async def positions(request: Request) -> dict[str, Any]:
        """Report positions, at most 1,000. Each stands or falls alone; see the contract for refused and ignored. An
        `"alarm":"sos"` is heard by every viewer even where nothing can be recorded: `unrecorded` says so."""
        rows = _rows(await request.body(), node.live_map.rules.limit.positions_per_request)
        now_ms = node.clock.now_ms()
        events: list[Event] = []
        index_of: list[int] = []  # of each event in `rows`; -1 for a registration
        refused: list[dict[str, Any]] = []
        unknown: list[dict[str, Any]] = []
        new: dict[str, str | None] = {}  # unit nobody registered: why it is not adopted
        client = address_of(request)
        pressed: dict[str, Place | None] = {}  # whose button, and where
        for index, row in enumerate(rows):
            if index % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
                await asyncio.sleep(0)
            try:
                position = Position.model_validate(row)
            except ValidationError as error:
                first = error.errors()[0]
                field = f"/positions/{index}{pointer(first['loc']) if first['loc'] else ''}"
                refused.append({"index": index, "reason": first["msg"].removeprefix("Value error, "), "field": field})
                # a garbled position does not silence a cry for help
                if isinstance(row, dict) and row.get("alarm") == "sos" and _known(row.get("unit_id")):
                    pressed.setdefault(row["unit_id"], None)
                continue
            unit_id = position.unit_id
            if position.alarm == "sos" and _known(unit_id):
                pressed[unit_id] = (position.lon, position.lat)
            if unit_id not in node.live_map.units:
                if unit_id not in new:
                    new[unit_id] = _not_adopted(sum(reason is None for reason in new.values()), client)
                    if new[unit_id] is None:
                        index_of.append(-1)
                        events.append(adoption_of(node, unit_id))
                if (reason := new[unit_id]) is not None:
                    refused.append({"index": index, "reason": reason, "field": f"/positions/{index}/unit_id"})
                    continue
            index_of.append(index)
            fix, not_known = known(
                Fix(
                    position.fix_time,
                    position.lon,
                    position.lat,
                    position.speed_mps,
                    position.course_deg,
                    position.accuracy_m,
                )
            )
            unknown += [{"index": index, "field": f"/positions/{index}/{name}"} for name in not_known]
            events.append(
                PositionReported(
                    # recorded time runs faster than the network: on a replay clock a fix is never ahead of it
                    received_ms=max(now_ms, fix.fix_ms) if source == "replay" else now_ms,
                    said_by="unit",
                    unit_id=unit_id,
                    fix=fix,
                    device_id=position.device_id or "",
                )
            )
        writing = asyncio.ensure_future(node.submit(*events))
        called, not_called = await _call(pressed, writing, client)
        try:
            outcomes = await writing
        except LogError as error:
            if not called:
                raise
            outcomes = []
            refused += [{"index": i, "reason": f"not_recorded: {error}", "field": ""} for i in index_of if i >= 0]
            index_of = []
        ignored = [
            {"index": index, "reason": outcome.delta.ignored}
            for index, outcome in zip(index_of, outcomes, strict=True)
            if outcome.delta.ignored is not None and index >= 0
        ]
        unrecorded = [one.incident.incident_id for one in called if not one.recorded]
        return {
            "accepted": sum(index >= 0 for index in index_of),
            "refused": refused,
            "ignored": ignored,
            "seq": outcomes[-1].seq if outcomes else None,
            **({"unknown": unknown} if unknown else {}),
            **({"emergencies": [one.incident.incident_id for one in called]} if called else {}),
            **({"unrecorded": unrecorded} if unrecorded else {}),
            **({"not_declared": not_called} if not_called else {}),
        }

    def _not_adopted(new: int, client: str) -> str | None:
        """Why a unit that nobody registered is not adopted, where `new` others of the same request are."""
        if adoption is None:
            return UNKNOWN_UNIT
        if len(node.live_map.units) + new >= node.live_map.rules.limit.units:
            return f"too_many_units: {REFUSALS['too_many_units'][1]}"
        return None if adoption.takes(client) else REFUSED

    async def _call(
        pressed: dict[str, Place | None], writing: asyncio.Future[list[Outcome]], client: str
    ) -> tuple[list[Pressed], list[dict[str, str]]]:
        """The emergencies of those who pressed, once their positions are folded, but never later than it may alarm."""
        called: list[Pressed] = []
        not_called: list[dict[str, str]] = []
        if not pressed:
            return called, not_called
        await asyncio.wait([writing], timeout=ALARM_WITHIN_S)
        presses = (
            declare(node, unit_id, place, source="device", adoption=adoption, client=client)
            for unit_id, place in pressed.items()
        )
        for unit_id, one in zip(pressed, await asyncio.gather(*presses, return_exceptions=True), strict=True):
            if isinstance(one, BaseException):
                log_.error("the emergency of %s is not declared: %s", unit_id, one)
                not_called.append({"unit_id": unit_id, "reason": str(one)})
            else:
                called.append(one)
        return called, not_called

    @routes.get("/units", response_model=dict[str, Any])
    async def units(bbox: str | None = None) -> Response:
        """All units as GeoJSON, or those whose last fix lies in `bbox=west,south,east,north`."""
        box = _bbox(bbox)

        def features() -> Iterator[documents.Document]:
            now_ms = node.clock.now_ms()
            for unit in list(node.live_map.units.values()):
                if box is None or (unit.fix is not None and _inside(unit.fix.lon, unit.fix.lat, box)):
                    yield documents.unit_feature(node.live_map, unit, now_ms)

        return await listed(node, ("units", box), {"type": "FeatureCollection"}, "features", features)

    @routes.get("/units/{unit_id}")
    async def one(unit_id: UnitId) -> dict[str, Any]:
        """One unit as a GeoJSON feature."""
        return documents.unit_feature(node.live_map, unit_of(node, unit_id), node.clock.now_ms())

    @routes.get("/units/{unit_id}/reach", response_model=dict[str, Any])
    async def reach(unit_id: UnitId, minutes: str = "2,5,10", profile: str = "response") -> Response:
        """Where this unit can be within so many minutes of driving from its last fix: cumulative polygons."""
        values = check_minutes(minutes)
        check_profile(node, profile)
        unit_of(node, unit_id)

        def shapes(now: Standing) -> documents.Document:
            found = now.reach_of(unit_id, values, profile)
            if found is None:
                raise Problem(409, f"unit {unit_id!r} has no position on the road network")
            return documents.reach(values, found)

        return await asked(node, ("unit reach", unit_id, *values, profile), shapes)

    @routes.put("/units/{unit_id}")
    async def register(unit_id: UnitId, body: UnitDescription, response: Response) -> dict[str, Any]:
        """Register a unit, or describe it anew."""
        home = tuple(body.home) if body.home is not None else None
        if home is not None and not (-180 <= home[0] <= 180 and -90 <= home[1] <= 90):
            raise bad_value("/home", "out_of_range", "home is [lon, lat] in degrees")
        if unit_id not in node.live_map.units:
            response.status_code = 201
        await record(
            node,
            UnitRegistered(
                event_id=new_id("unit"),
                received_ms=node.clock.now_ms(),
                unit_id=unit_id,
                callsign=body.callsign,
                agency=body.agency,
                kind=body.kind,
                capabilities=tuple(body.capabilities),
                home=(home[0], home[1]) if home is not None else None,
                source=source,
            ),
        )
        return documents.unit(unit_of(node, unit_id))

    @routes.delete("/units/{unit_id}", status_code=204)
    async def retire(unit_id: UnitId) -> None:
        """Take a unit out of the fleet; its history stays in the log."""
        await record(node, UnitRetired(event_id=new_id("retire"), received_ms=node.clock.now_ms(), unit_id=unit_id))

    @routes.put("/units/{unit_id}/status")
    async def status(unit_id: UnitId, body: StatusChange) -> dict[str, Any]:
        """Say a unit's status."""
        now_ms = node.clock.now_ms()
        _not_future("/at", body.at, now_ms)
        await record(
            node,
            UnitStatusChanged(
                event_id=new_id("status"),
                received_ms=now_ms,
                said_by="desk",
                unit_id=unit_id,
                status=body.status,
                at_ms=body.at if body.at is not None else now_ms,
                note=body.note,
            ),
        )
        return documents.unit(unit_of(node, unit_id))

    @routes.put("/units/{unit_id}/crew")
    async def crew(unit_id: UnitId, body: CrewReport) -> dict[str, Any]:
        """Who is aboard: their capabilities count as the unit's. Nobody: it is unstaffed and not sent."""
        now_ms = node.clock.now_ms()
        if body.shift_ends is not None and body.shift_ends <= now_ms:
            raise bad_value("/shift_ends", "past", "lies in the past; a crew whose shift is over is no crew: send []")
        await record(
            node,
            CrewReported(
                event_id=new_id("crew"),
                received_ms=now_ms,
                unit_id=unit_id,
                crew=tuple(Member(tuple(one.capabilities), one.member_id) for one in body.crew),
                shift_ends_ms=body.shift_ends,
                rest_until_ms=body.rest_until,
            ),
        )
        return documents.unit(unit_of(node, unit_id))

    return routes


def _not_future(field: str, at_ms: int | None, now_ms: int) -> None:
    if at_ms is not None and at_ms > now_ms + 30_000:
        raise bad_value(field, "future", "lies more than 30 s in the future; check the sender's clock")


def _rows(body: bytes, limit: int) -> list[Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error}") from None
    if not isinstance(document, dict) or set(document) != {"positions"} or not isinstance(document["positions"], list):
        raise bad_value("/positions", "missing", 'send {"positions": [...]} and nothing else')
    rows: list[Any] = document["positions"]
    if len(rows) > limit:
        raise Problem(413, f"at most {limit} positions a request, here are {len(rows)}; send them in parts")
    return rows


def _bbox(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        box = tuple(float(part) for part in text.split(","))
    except ValueError:
        box = ()
    if len(box) != 4 or not (abs(box[0]) <= 180 and abs(box[2]) <= 180 and -90 <= box[1] <= box[3] <= 90):
        raise bad_value("/bbox", "bbox", "is west,south,east,north in degrees")
    return box


def _inside(lon: float, lat: float, box: tuple[float, ...]) -> bool:
    west, south, east, north = box
    across = west <= lon <= east if west <= east else (lon >= west or lon <= east)  # across the antimeridian
    return across and south <= lat <= north
