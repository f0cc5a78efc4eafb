"""Officers' emergencies over HTTP: pressed, taken in hand, ended by the unit's word or by a supervisor.

A press is refused neither for lack of a position nor for a disk, a list or an id that has no room for it. Words are
kept salted and hashed, and may be tried five times a minute.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import unicodedata
from collections.abc import Collection
from dataclasses import replace
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Request

from geo_backup.errors import OutsideMapError, UnknownIdError
from geo_backup.events import (
    EmergencyAcknowledged,
    EmergencyCleared,
    EmergencyClearRefused,
    EmergencyDeclared,
    WordSet,
    is_id,
)
from geo_backup.live_map import Incident, Unit, freshness
from geo_backup.live_map.extent import null_island
from geo_backup.node import ALARM_WITHIN_S, Node, Outcome
from geo_backup.roads.snap import snap_place
from geo_backup.server.access import refusal_of, units_of
from geo_backup.server.adoption import Adoption, address_of
from geo_backup.server.answers import listed, told
from geo_backup.server.given import EmergencyId, TheAdoption, TheNode, TheTries, UnitId, routes_of
from geo_backup.server.problems import Problem, bad_value, may, not_json
from geo_backup.server.speaker import named, said_by, signed, speaking
from geo_backup.server.versions import told_incident
from geo_backup.server.writes import adoption_of, new_id, record, settled, unit_of
from geo_backup.wire import documents
from geo_backup.wire.body import parse
from geo_backup.wire.requests import Acknowledgement, EmergencyCall, EmergencyClear, NewWord
from geo_backup.wire.told import Taken, Told

log_ = logging.getLogger("geo_backup.server")

Source = Literal["device", "phone", "tak", "api", "desk"]
Place = tuple[float, float]

SALT_BYTES = 16

routes = routes_of("Emergencies")


@routes.get("/emergencies")
async def list_emergencies(node: TheNode) -> Told[documents.EmergencyList]:
    """Incidents in which an officer's emergency stands, the oldest first; `recorded` is false for what the log has
    not taken yet."""

    def rows() -> list[documents.Incident]:
        return [
            documents.incident(incident, recorded)
            for incident, recorded in node.alarms.open_incidents()
            if incident.emergency is not None and incident.emergency.stands
        ]

    return await listed(node, "emergencies", {"emergencies": []}, rows)


@routes.post("/emergencies", status_code=201, responses=may(also={200: "Another press of the one that stands."}))
async def declare_emergency(
    node: TheNode, adoption: TheAdoption, request: Request, body: Annotated[bytes, Taken(EmergencyCall)]
) -> Told[documents.Pressed]:
    """An officer is in danger: 201 for a new emergency, 200 for another press of the one that stands. It alarms
    every viewer even where it cannot be recorded yet (`recorded` is false then), for a unit that nobody registered,
    and without whatever it says wrongly of itself; `warnings` say what is otherwise than it was asked for."""
    said = _call(body)
    call = EmergencyCall.model_validate(said)
    mine = units_of(speaking(), "press")
    if mine is not None and call.unit_id not in mine:
        raise Problem(403, f"you speak for {', '.join(sorted(mine)) or 'no unit'}, not for {call.unit_id}")
    pressed = await declare(
        node,
        call.unit_id,
        None if call.lon is None or call.lat is None else (call.lon, call.lat),
        source=call.source or "api",
        emergency_id=call.emergency_id,
        exercise=bool(call.exercise),
        adoption=adoption,
        client=address_of(request),
    )
    assert pressed is not None, "it is no report with a number"
    lost = any(said[name] is not None and getattr(call, name, None) is None for name in said)
    if lost or (call.lon is None) != (call.lat is None):
        pressed = pressed._replace(warnings=(*pressed.warnings, "FIELDS_UNKNOWN"))
    return told(pressed.document(), 201 if pressed.new else 200)


@routes.post("/emergencies/{emergency_id}/acknowledge", responses=may(404, 409))
async def acknowledge_emergency(
    node: TheNode, emergency_id: EmergencyId, body: Acknowledgement
) -> Told[documents.Incident]:
    """A desk has it in hand: consoles stop sounding until the next press."""
    acknowledged = EmergencyAcknowledged(
        event_id=new_id("acknowledged"),
        received_ms=node.clock.now_ms(),
        emergency_id=emergency_id,
        by=named(body.by),
    )
    await _alarm(node, acknowledged)
    incident, recorded = _emergency_of(node, emergency_id)
    return told_incident(incident, recorded=recorded)


@routes.post("/emergencies/{emergency_id}/clear", responses=may(404, 409, 429))
async def clear_emergency(
    node: TheNode, tries: TheTries, emergency_id: EmergencyId, body: EmergencyClear
) -> Told[documents.Incident]:
    """The danger is over, says the unit with its word, or a supervisor with a reason. The incident stays open."""
    incident, _ = _emergency_of(node, emergency_id)
    if incident.emergency is None or not incident.emergency.stands:
        raise Problem(409, f"emergency {emergency_id!r} is over already")
    unit_id = incident.for_unit_id or ""
    if body.by == "supervisor":
        may_not = refusal_of(speaking(), "clear")
        if may_not is not None:
            await refuse_clear(node, emergency_id, by="supervisor", who=speaking().said_by)
            raise Problem(*may_not)
        says_who = bool(body.who.strip()) or speaking().kind == "person"
        if not says_who or not body.reason.strip():
            field = "/reason" if says_who else "/who"
            raise bad_value(field, "missing", "a supervisor says who they are and why it is over")
    else:
        mine = units_of(speaking(), "respond")
        if mine is not None and unit_id not in mine:
            raise Problem(403, f"you speak for {', '.join(sorted(mine)) or 'no unit'}, not for {unit_id}")
        if body.word is None:
            raise bad_value("/word", "missing", "the unit ends its emergency with its word; PUT /v1/units/{id}/word")
        tries.count(emergency_id)
        if not await _is_word(node.live_map.units.get(unit_id), body.word):
            await refuse_clear(node, emergency_id, by="unit", who=unit_id)
            raise Problem(
                403,
                "this is not the unit's word: the emergency stands; a supervisor can end it",
                [{"field": "/word", "reason": "wrong_word", "message": "not the unit's word"}],
            )
    cleared = EmergencyCleared(
        event_id=new_id("cleared"),
        received_ms=node.clock.now_ms(),
        said_by=said_by("unit" if body.by == "unit" else "desk"),
        emergency_id=emergency_id,
        by=body.by,
        who=named(body.who or None) if body.by == "supervisor" else unit_id,
        reason=body.reason,
    )
    await _alarm(node, cleared)
    tries.forget(emergency_id)
    incident, recorded = _emergency_of(node, emergency_id)
    return told_incident(incident, recorded=recorded)


@routes.put("/units/{unit_id}/word", status_code=204, responses=may(404, 409))
async def set_word(node: TheNode, unit_id: UnitId, body: NewWord) -> None:
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


def _call(body: bytes) -> dict[str, Any]:
    """A press as it was sent. Raises `Problem` for what is no JSON object that names a unit."""
    try:
        said = parse(body)
    except json.JSONDecodeError as error:
        raise not_json(body, error) from None
    if not isinstance(said, dict) or not isinstance(said.get("unit_id"), str) or is_id(said["unit_id"]) is None:
        raise bad_value("/unit_id", "missing", 'send the unit at least: {"unit_id": "P7"}')
    return said


class Pressed(NamedTuple):
    """What became of a press: the emergency's incident, whether it is a new one, whether the log has it, and in codes
    what is otherwise than it was asked for."""

    incident: Incident
    new: bool
    recorded: bool
    warnings: tuple[str, ...] = ()

    def document(self) -> documents.Pressed:
        return {**documents.incident(self.incident, self.recorded), "warnings": list(self.warnings)}


class Press(NamedTuple):
    """A call for help of a unit's device, and where it says that it is."""

    unit_id: str
    place: Place | None = None
    verified: bool = True
    """Whether it is sure who presses."""
    report: str = ""
    """What names the very report, so that one that is sent again is no other press; empty: nothing does."""


async def declare_all(
    node: Node,
    presses: Collection[Press],
    writing: asyncio.Future[list[Outcome]],
    adoption: Adoption | None,
    client: str,
    *,
    source: Source = "device",
) -> tuple[list[Pressed], list[documents.NotDeclared]]:
    """The emergencies of those whose devices were pressed, once the positions that came with it are folded, but never
    later than it may alarm; and why some are not declared."""
    called: list[Pressed] = []
    not_called: list[documents.NotDeclared] = []
    if not presses:
        return called, not_called
    await asyncio.wait([writing], timeout=ALARM_WITHIN_S)
    declaring = (
        declare(
            node,
            one.unit_id,
            one.place,
            source=source,
            adoption=adoption,
            client=client,
            verified=one.verified,
            report=one.report,
        )
        for one in presses
    )
    for press, one in zip(presses, await asyncio.gather(*declaring, return_exceptions=True), strict=True):
        if isinstance(one, BaseException):
            log_.error("the emergency of %s is not declared: %s", press.unit_id, one)
            not_called.append({"unit_id": press.unit_id, "reason": str(one)})
        elif one is not None:
            called.append(one)
    return called, not_called


async def declare(
    node: Node,
    unit_id: str,
    place: Place | None = None,
    *,
    source: Source = "api",
    emergency_id: str | None = None,
    exercise: bool = False,
    adoption: Adoption | None = None,
    client: str = "",
    verified: bool = True,
    report: str = "",
) -> Pressed | None:
    """A press: it alarms, whatever is full, slow or taken. None: its `report` was heard before, and what it called for
    is long over.

    `place` (lon, lat) is what the alert says of it: taken when the unit's own fix is not a live one. A unit that nobody
    registered is heard too; it is registered only where such are adopted. Nor is it `verified`, unless a desk says it.
    A `report` that is sent again is one fact, since its name is the fact's; what may be another's counts apart.
    """
    if place is not None and null_island(node.live_map.extent, *place):
        place = None  # the device does not know where it is: its unit's last fix does
    unit, now_ms = node.live_map.units.get(unit_id), node.clock.now_ms()
    warnings: list[str] = []
    (lon, lat), placed_by = _place(node, unit, place, now_ms)
    off_road_m = _off_road_m(node, lon, lat)
    if off_road_m is None:
        warnings.append("OFF_ROAD_UNKNOWN")
    once = hashlib.sha256(f"{verified} {report}".encode()).hexdigest()[:24] if report else ""
    free = emergency_id and node.alarms.incident(emergency_id) is None
    event = EmergencyDeclared(
        event_id=f"pressed-{once}" if once else new_id("pressed"),
        received_ms=now_ms,
        said_by=said_by("desk" if source == "desk" else "unit"),
        emergency_id=emergency_id if emergency_id and free else f"e-{once}" if once else new_id("e"),
        unit_id=unit_id,
        lon=lon,
        lat=lat,
        placed_by=placed_by,
        source=source,
        exercise=exercise,
        off_road_m=off_road_m or 0.0,
        unlisted=unit is None,
        verified=verified and (unit is not None or source == "desk"),
    )
    outcome = await node.alarms.take(unit_id, event)
    if once and (outcome.delta.ignored == "id_taken" or not outcome.delta.incidents):
        return _heard_before(node, unit, event.emergency_id)
    if outcome.delta.ignored == "id_taken":  # by another that came at the same moment
        event = replace(event, event_id=new_id("pressed"), emergency_id=new_id("e"))
        outcome = await node.alarms.take(unit_id, event)
    (incident_id,) = settled([outcome]).delta.incidents
    if once and node.alarms.incident(incident_id) is None:
        return None
    incident, recorded = _emergency_of(node, incident_id)
    new = incident.opened.event_id == event.event_id
    if new and emergency_id is not None and incident_id != emergency_id:
        warnings.append("ID_TAKEN")
    if unit is None and not (adoption is not None and await _adopt(node, unit_id, adoption, client)):
        warnings.append("UNIT_NOT_LISTED")
    return Pressed(incident, new, recorded, tuple(warnings))


def _heard_before(node: Node, unit: Unit | None, emergency_id: str) -> Pressed | None:
    """What a report called for that is sent again: an emergency of its own, or the one of its unit that stands."""
    seen = node.alarms.incident(emergency_id)
    if seen is None and unit is not None and unit.emergency_id is not None:
        seen = node.alarms.incident(unit.emergency_id)
    return None if seen is None else Pressed(seen[0], False, seen[1])


async def refuse_clear(node: Node, emergency_id: str, *, by: str, who: str = "") -> None:
    """Put on record that somebody tried to end an emergency who may not."""
    refused = EmergencyClearRefused(
        event_id=new_id("refused"),
        received_ms=node.clock.now_ms(),
        emergency_id=emergency_id,
        by=by,
        who=who,
    )
    await _alarm(node, refused)


def digest_of(word: str, salt: str) -> str:
    """scrypt (RFC 7914) of a word: about 50 ms of work. Case and width of letters do not count: it is said by radio."""
    said = unicodedata.normalize("NFKC", word).casefold().strip()
    return hashlib.scrypt(said.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()


async def _is_word(unit: Unit | None, said: str) -> bool:
    if unit is None or unit.word is None:
        return False
    salt, digest = unit.word
    return hmac.compare_digest(await asyncio.to_thread(digest_of, said, salt), digest)


async def _alarm(node: Node, event: EmergencyAcknowledged | EmergencyCleared | EmergencyClearRefused) -> None:
    """Log what is said of an emergency; it holds even while it cannot be recorded. `Problem` where it may not be."""
    seen = node.alarms.incident(event.emergency_id)
    unit_id = seen[0].for_unit_id if seen is not None else None
    settled([await node.alarms.take(unit_id or event.emergency_id, signed(event))])


async def _adopt(node: Node, unit_id: str, adoption: Adoption, client: str) -> bool:
    """Register a unit whose emergency is opened already; whether it is in the list soon enough to say so."""
    if unit_id in node.live_map.units:
        return True
    if not adoption.takes(client):
        return False
    registering = asyncio.ensure_future(node.record(adoption_of(node, unit_id)))
    registering.add_done_callback(lambda done: done.cancelled() or done.exception())  # the answer says that it failed
    await asyncio.wait([registering], timeout=ALARM_WITHIN_S)
    return unit_id in node.live_map.units


def _emergency_of(node: Node, emergency_id: str) -> tuple[Incident, bool]:
    """The incident as viewers see it, and whether it is on record."""
    seen = node.alarms.incident(emergency_id)
    if seen is None or seen[0].emergency is None:
        raise UnknownIdError(f"there is no emergency {emergency_id!r}")
    return seen


def _place(
    node: Node, unit: Unit | None, place: Place | None, now_ms: int
) -> tuple[Place, Literal["fix", "alert", "home", "nothing"]]:
    """Where help is sent to, and what that is taken from."""
    fix = unit.fix if unit is not None else None
    if unit is not None and fix is not None:
        fresh = freshness(now_ms - unit.order_ms, unit.parked, node.live_map.rules.of_kind(unit.kind).freshness)
        if place is None or fresh == "live":
            return (fix.lon, fix.lat), "fix"
    if place is not None:
        return place, "alert"
    if unit is not None and unit.home is not None:
        return unit.home, "home"
    return node.network.middle, "nothing"


def _off_road_m(node: Node, lon: float, lat: float) -> float | None:
    """How far from the road, None when that cannot be worked out: an officer in danger waits for no arithmetic, and
    not for the queue of the ranking worker either."""
    try:
        return snap_place(node.network, lon, lat, node.live_map.rules.snap).off_road_m
    except OutsideMapError:
        return 0.0
    except Exception:
        log_.exception("how far %s, %s is from the road cannot be worked out; the emergency is opened", lon, lat)
        return None
