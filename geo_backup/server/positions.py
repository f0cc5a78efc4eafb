"""Positions over HTTP: a request of up to a thousand, of which each stands or falls alone."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Annotated

from fastapi import Request
from pydantic import ValidationError

from geo_backup.errors import LogError
from geo_backup.events import ID_PATTERN, Event, Fix, PositionReported
from geo_backup.node import Node, Outcome
from geo_backup.server.access import speaks_for, speaks_for_all, units_of
from geo_backup.server.adoption import REFUSED, Adoption, address_of
from geo_backup.server.answers import told
from geo_backup.server.emergencies import Place, Press, Pressed, declare_all
from geo_backup.server.given import TheAdoption, TheNode, routes_of
from geo_backup.server.problems import Problem, bad_value, may, not_json, pointer
from geo_backup.server.speaker import said_by, speaking
from geo_backup.server.writes import REFUSALS, adoption_of
from geo_backup.wire import documents
from geo_backup.wire.body import parse
from geo_backup.wire.documents import NotDeclared
from geo_backup.wire.requests import Position, Positions
from geo_backup.wire.told import Taken, Told
from geo_backup.wire.unknown import known

ROWS_AT_ONCE = 50
"""Positions that are checked before the event loop looks at everything else."""
NOT_YOURS = "not_yours: this token speaks for other units"
UNKNOWN_UNIT = "unknown_unit: register it with PUT /v1/units/{id}, or start the server with --adopt-unknown"

routes = routes_of("Units")


@routes.post("/positions", status_code=202, responses=may(413))
async def report_positions(
    node: TheNode, adoption: TheAdoption, request: Request, body: Annotated[bytes, Taken(Positions)]
) -> Told[documents.PositionsTaken]:
    """Report positions, at most 1,000. Each stands or falls alone; see the contract for refused and ignored. An
    `"alarm":"sos"` is heard by every viewer even where nothing can be recorded: `unrecorded` says so."""
    rows = _rows(body, node.live_map.rules.limit.positions_per_request)
    report = _Report(node, adoption, address_of(request))
    for index, row in enumerate(rows):
        if index % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
            await asyncio.sleep(0)
        report.read(index, row)
    writing = asyncio.ensure_future(node.record(*report.events, apart=True))
    presses = [Press(unit_id, place) for unit_id, place in report.pressed.items()]
    called, not_called = await declare_all(node, presses, writing, adoption, report.client)
    try:
        outcomes = await writing
    except LogError as error:
        if not called:
            raise
        outcomes = []
        report.nothing_recorded(str(error))
    return told(report.answer(outcomes, called, not_called), 202)


class _Report:
    """What becomes of the rows of one request: events to log, rows that are refused, and whose button was pressed."""

    def __init__(self, node: Node, adoption: Adoption | None, client: str) -> None:
        self.node, self.adoption, self.client = node, adoption, client
        self.events: list[Event] = []
        self.pressed: dict[str, Place | None] = {}
        """Whose button, and where."""
        self._now_ms = node.clock.now_ms()
        self._said_by = said_by("unit")
        self._who = speaking()
        self._for_all = speaks_for_all(self._who, "report", node.live_map)
        self._index_of: list[int] = []
        """Of each event among the rows; -1 for a registration."""
        self._refused: list[documents.RefusedRow] = []
        self._unknown: list[documents.UnknownField] = []
        self._new: dict[str, str | None] = {}
        """Units that nobody registered: why each is not adopted, None for one that is."""

    def read(self, index: int, row: object) -> None:
        """One row."""
        try:
            position = Position.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            field = f"/positions/{index}{pointer(first['loc']) if first['loc'] else ''}"
            self._refuse(index, first["msg"].removeprefix("Value error, "), field)
            # a garbled position does not silence a cry for help
            if isinstance(row, dict) and row.get("alarm") == "sos" and self._may_call(row.get("unit_id")):
                self.pressed.setdefault(row["unit_id"], None)
            return
        if not self._speaks_for(position.unit_id):
            known = units_of(self._who, "report") is not None  # else it is nobody's business that there is one
            self._refuse(index, NOT_YOURS if known else UNKNOWN_UNIT, f"/positions/{index}/unit_id")
            return
        if position.alarm == "sos" and self._may_call(position.unit_id):
            self.pressed[position.unit_id] = (position.lon, position.lat)
        reason = self._not_listed(position.unit_id)
        if reason is not None:
            self._refuse(index, reason, f"/positions/{index}/unit_id")
        else:
            self._take(index, position)

    def nothing_recorded(self, why: str) -> None:
        """The log took nothing: every row that was good is refused after all."""
        for index in self._index_of:
            if index >= 0:
                self._refuse(index, f"not_recorded: {why}", "")
        self._index_of = []

    def answer(
        self, outcomes: list[Outcome], called: list[Pressed], not_called: list[NotDeclared]
    ) -> documents.PositionsTaken:
        """What the sender is told."""
        ignored: list[documents.IgnoredRow] = [
            {"index": index, "reason": outcome.delta.ignored}
            for index, outcome in zip(self._index_of, outcomes, strict=True)
            if outcome.delta.ignored is not None and index >= 0
        ]
        taken: documents.PositionsTaken = {
            "accepted": sum(index >= 0 for index in self._index_of),
            "refused": self._refused,
            "ignored": ignored,
            "seq": max((outcome.seq for outcome in outcomes), default=0) or None,
        }
        if self._unknown:
            taken["unknown"] = self._unknown
        if called:
            taken["emergencies"] = [one.incident.incident_id for one in called]
        if unrecorded := [one.incident.incident_id for one in called if not one.recorded]:
            taken["unrecorded"] = unrecorded
        if not_called:
            taken["not_declared"] = not_called
        return taken

    def _refuse(self, index: int, reason: str, field: str) -> None:
        self._refused.append({"index": index, "reason": reason, "field": field})

    def _speaks_for(self, unit_id: str) -> bool:
        return self._for_all or speaks_for(self._who, "report", self.node.live_map, unit_id)

    def _may_call(self, unit_id: object) -> bool:
        """Whether this may be a unit that calls for help: registered or not, as long as the sender speaks for it."""
        named = isinstance(unit_id, str) and re.fullmatch(ID_PATTERN, unit_id) is not None
        return named and self._speaks_for(str(unit_id))

    def _not_listed(self, unit_id: str) -> str | None:
        """Why a unit's position cannot be taken; None when it is registered, or adopted here."""
        if unit_id in self.node.live_map.units:
            return None
        if unit_id not in self._new:
            self._new[unit_id] = self._not_adopted()
            if self._new[unit_id] is None:
                self._index_of.append(-1)
                self.events.append(adoption_of(self.node, unit_id))
        return self._new[unit_id]

    def _not_adopted(self) -> str | None:
        if self.adoption is None:
            return UNKNOWN_UNIT
        units = len(self.node.live_map.units) + sum(reason is None for reason in self._new.values())
        if units >= self.node.live_map.rules.limit.units:
            return f"too_many_units: {REFUSALS['too_many_units'][1]}"
        return None if self.adoption.takes(self.client) else REFUSED

    def _take(self, index: int, said: Position) -> None:
        self._index_of.append(index)
        fix, unknown = known(Fix(said.fix_time, said.lon, said.lat, said.speed_mps, said.course_deg, said.accuracy_m))
        self._unknown += [{"index": index, "field": f"/positions/{index}/{name}"} for name in unknown]
        # recorded time runs faster than the network: on a replay clock a fix is never ahead of it
        received_ms = max(self._now_ms, fix.fix_ms) if self.node.clock.mode == "replay" else self._now_ms
        self.events.append(
            PositionReported(
                received_ms=received_ms,
                said_by=self._said_by,
                unit_id=said.unit_id,
                fix=fix,
                device_id=said.device_id or "",
            )
        )


def _rows(body: bytes, limit: int) -> list[object]:
    try:
        document = parse(body)
    except json.JSONDecodeError as error:
        raise not_json(body, error) from None
    if not isinstance(document, dict) or set(document) != {"positions"} or not isinstance(document["positions"], list):
        raise bad_value("/positions", "missing", 'send {"positions": [...]} and nothing else')
    rows: list[object] = document["positions"]
    if len(rows) > limit:
        raise Problem(413, f"at most {limit} positions a request, here are {len(rows)}; send them in parts")
    return rows
