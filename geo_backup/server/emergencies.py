"""Officers' emergencies over HTTP: pressed, taken in hand, ended by the unit's word or by a supervisor.

A press is never refused for lack of a position. Words are kept salted and hashed, and may be tried five times a minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
import unicodedata
from collections import deque
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response

from geo_backup.errors import OutsideMapError, UnknownIdError
from geo_backup.events import (
    ID_PATTERN,
    EmergencyAcknowledged,
    EmergencyCleared,
    EmergencyClearRefused,
    EmergencyDeclared,
    WordSet,
)
from geo_backup.live_map import Incident, Unit, freshness
from geo_backup.node import Node
from geo_backup.roads.snap import snap_place
from geo_backup.server.answers import listed
from geo_backup.server.problems import Problem, bad_value
from geo_backup.server.writes import adopted, new_id, record, unit_of
from geo_backup.wire import documents
from geo_backup.wire.requests import Acknowledgement, EmergencyCall, EmergencyClear, NewWord

EmergencyId = Annotated[str, Path(pattern=ID_PATTERN)]
Source = Literal["device", "phone", "tak", "api", "desk"]
Place = tuple[float, float]

TRIES_PER_MINUTE = 5
SALT_BYTES = 16


def router(node: Node, *, adopt_unknown: bool) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")
    tries: dict[str, deque[float]] = {}

    @routes.get("/emergencies", response_model=dict[str, Any])
    async def emergencies() -> Response:
        """Incidents in which an officer's emergency stands, the oldest first."""

        def rows() -> list[documents.Document]:
            return [
                documents.incident(incident)
                for incident in node.live_map.open_incidents()
                if incident.emergency is not None and incident.emergency.stands
            ]

        return await listed(node, "emergencies", {}, "emergencies", rows)

    @routes.post("/emergencies", status_code=201)
    async def press(body: EmergencyCall, response: Response) -> dict[str, Any]:
        """An officer is in danger: 201 for a new emergency, 200 for another press of the one that stands."""
        if (body.lon is None) != (body.lat is None):
            raise bad_value("/lon" if body.lon is None else "/lat", "missing", "send both lon and lat, or neither")
        place = (body.lon, body.lat) if body.lon is not None and body.lat is not None else None
        incident, new = await declare(
            node,
            body.unit_id,
            place,
            source=body.source,
            emergency_id=body.emergency_id,
            exercise=body.exercise,
            adopt_unknown=adopt_unknown,
        )
        response.status_code = 201 if new else 200
        return documents.incident(incident)

    @routes.post("/emergencies/{emergency_id}/acknowledge")
    async def acknowledge(emergency_id: EmergencyId, body: Acknowledgement) -> dict[str, Any]:
        """A desk has it in hand: consoles stop sounding until the next press."""
        await record(
            node,
            EmergencyAcknowledged(
                event_id=new_id("acknowledged"),
                received_ms=node.clock.now_ms(),
                emergency_id=emergency_id,
                by=body.by,
            ),
        )
        return documents.incident(_emergency_of(node, emergency_id))

    @routes.post("/emergencies/{emergency_id}/clear")
    async def clear(emergency_id: EmergencyId, body: EmergencyClear) -> dict[str, Any]:
        """The danger is over, says the unit with its word, or a supervisor with a reason. The incident stays open."""
        incident = _emergency_of(node, emergency_id)
        if incident.emergency is None or not incident.emergency.stands:
            raise Problem(409, f"emergency {emergency_id!r} is over already")
        unit_id = incident.for_unit_id or ""
        if body.by == "supervisor":
            if not body.who.strip() or not body.reason.strip():
                field = "/reason" if body.who.strip() else "/who"
                raise bad_value(field, "missing", "a supervisor says who they are and why it is over")
        else:
            if body.word is None:
                raise bad_value(
                    "/word", "missing", "the unit ends its emergency with its word; PUT /v1/units/{id}/word"
                )
            _count_try(emergency_id)
            if not await _is_word(node.live_map.units.get(unit_id), body.word):
                await refuse_clear(node, emergency_id, by="unit", who=unit_id)
                raise Problem(
                    403,
                    "this is not the unit's word: the emergency stands; a supervisor can end it",
                    [{"field": "/word", "reason": "wrong_word", "message": "not the unit's word"}],
                )
        await record(
            node,
            EmergencyCleared(
                event_id=new_id("cleared"),
                received_ms=node.clock.now_ms(),
                said_by="unit" if body.by == "unit" else "desk",
                emergency_id=emergency_id,
                by=body.by,
                who=body.who if body.by == "supervisor" else unit_id,
                reason=body.reason,
            ),
        )
        tries.pop(emergency_id, None)
        return documents.incident(_emergency_of(node, emergency_id))

    @routes.put("/units/{unit_id}/word", status_code=204)
    async def set_word(unit_id: EmergencyId, body: NewWord) -> None:
        """The word with which this unit ends its own emergency. It is kept salted and hashed, and shown to nobody."""
        unit = unit_of(node, unit_id)
        if unit.emergency_id is not None:
            raise Problem(409, "an emergency of this unit stands: its word cannot be changed now")
        salt = secrets.token_hex(SALT_BYTES)
        digest = await asyncio.to_thread(digest_of, body.word, salt)
        await record(
            node,
            WordSet(
                event_id=new_id("word"),
                received_ms=node.clock.now_ms(),
                unit_id=unit_id,
                salt=salt,
                digest=digest,
            ),
        )

    def _count_try(emergency_id: str) -> None:
        """Raise 429 when there were too many tries within the last minute."""
        now_s = time.monotonic()
        for known in [known for known, times in tries.items() if now_s - times[-1] > 60.0]:
            del tries[known]
        last = tries.setdefault(emergency_id, deque(maxlen=TRIES_PER_MINUTE))
        if len(last) == TRIES_PER_MINUTE and now_s - last[0] <= 60.0:
            raise Problem(429, f"at most {TRIES_PER_MINUTE} words a minute are tried; a supervisor can end it at once")
        last.append(now_s)

    return routes


async def declare(
    node: Node,
    unit_id: str,
    place: Place | None = None,
    *,
    source: Source = "api",
    emergency_id: str | None = None,
    exercise: bool = False,
    adopt_unknown: bool = False,
) -> tuple[Incident, bool]:
    """Record a press, and answer the emergency's incident and whether it is a new one.

    `place` (lon, lat) is what the alert says of it: taken when the unit's own fix is not a live one. Raises
    `UnknownIdError` for a unit that nobody registered, unless such are adopted.
    """
    if adopt_unknown and unit_id not in node.live_map.units:
        await record(node, adopted(node, unit_id))
    unit, now_ms = unit_of(node, unit_id), node.clock.now_ms()
    (lon, lat), placed_by = _place(node, unit, place, now_ms)
    event = EmergencyDeclared(
        event_id=new_id("pressed"),
        received_ms=now_ms,
        said_by="desk" if source == "desk" else "unit",
        emergency_id=emergency_id or new_id("e"),
        unit_id=unit_id,
        lon=lon,
        lat=lat,
        placed_by=placed_by,
        source=source,
        exercise=exercise,
        off_road_m=_off_road_m(node, lon, lat),
    )
    outcome = await record(node, event)
    (incident_id,) = outcome.delta.incidents
    incident = node.live_map.incidents[incident_id]
    return incident, incident.opened.event_id == event.event_id


async def refuse_clear(node: Node, emergency_id: str, *, by: str, who: str = "") -> None:
    """Put on record that somebody tried to end an emergency who may not."""
    await record(
        node,
        EmergencyClearRefused(
            event_id=new_id("refused"),
            received_ms=node.clock.now_ms(),
            emergency_id=emergency_id,
            by=by,
            who=who,
        ),
    )


def digest_of(word: str, salt: str) -> str:
    """scrypt (RFC 7914) of a word: about 50 ms of work. Case and width of letters do not count: it is said by radio."""
    said = unicodedata.normalize("NFKC", word).casefold().strip()
    return hashlib.scrypt(said.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()


async def _is_word(unit: Unit | None, said: str) -> bool:
    if unit is None or unit.word is None:
        return False
    salt, digest = unit.word
    return hmac.compare_digest(await asyncio.to_thread(digest_of, said, salt), digest)


def _emergency_of(node: Node, emergency_id: str) -> Incident:
    incident = node.live_map.incidents.get(emergency_id)
    if incident is None or incident.emergency is None:
        raise UnknownIdError(f"there is no emergency {emergency_id!r}")
    return incident


def _place(
    node: Node, unit: Unit, place: Place | None, now_ms: int
) -> tuple[Place, Literal["fix", "alert", "home", "nothing"]]:
    """Where help is sent to, and what that is taken from."""
    fix = unit.fix
    if fix is not None:
        fresh = freshness(now_ms - unit.order_ms, unit.parked, node.live_map.rules.freshness)
        if place is None or fresh == "live":
            return (fix.lon, fix.lat), "fix"
    if place is not None:
        return place, "alert"
    if unit.home is not None:
        return unit.home, "home"
    west, south, east, north = node.network.area.extent
    return ((west + east) / 2, (south + north) / 2), "nothing"


def _off_road_m(node: Node, lon: float, lat: float) -> float:
    """How far from the road; not asked of the ranking worker, since nobody in danger waits for its queue."""
    try:
        return snap_place(node.network, lon, lat, node.live_map.rules.snap).off_road_m
    except OutsideMapError:
        return 0.0
