"""Messages over HTTP: a desk sends one, units acknowledge it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from geo_backup.events import ID_PATTERN, MessageSeen, MessageSent
from geo_backup.live_map import OPEN_STATES, Message
from geo_backup.live_map.messages import is_over
from geo_backup.node import Node
from geo_backup.people.sight import Sight
from geo_backup.server.access import speaks_for
from geo_backup.server.answers import told
from geo_backup.server.given import TheNode, routes_of
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import speaking
from geo_backup.server.writes import REFUSALS, incident_of, new_id, record, unit_of, was_refused, was_taken
from geo_backup.wire import documents
from geo_backup.wire.requests import MessageAnswer, NewMessage
from geo_backup.wire.told import Told

MessageId = Annotated[str, Path(pattern=ID_PATTERN)]
NOT_YOURS = "this unit is none of yours to write to: it serves another agency, and is not on this incident"
NOT_FOR_YOU = "you do not speak for this unit: it acknowledges for itself, or a desk of its agency does for it"

routes = routes_of("Messages")


@routes.get("/messages", responses=may(404))
async def list_messages(
    node: TheNode, unit_id: Annotated[str | None, Query(pattern=ID_PATTERN)] = None
) -> Told[documents.MessageList]:
    """Messages that stand, the newest first, of one unit where `unit_id` is given: those that somebody has not
    acknowledged, for half a day, and for ten minutes those that all have. The others are in the log."""
    if unit_id is not None:
        unit_of(node, unit_id)
    live_map, now_ms = node.live_map, node.clock.now_ms()
    found = [one for one in live_map.messages.values() if unit_id is None or unit_id in one.units]
    return told({"messages": [documents.message(one) for one in found[::-1] if not is_over(live_map, one, now_ms)]})


@routes.post("/messages", status_code=201, responses=may(403, 404, 409, 429, also={200: "It stands already."}))
async def send_message(node: TheNode, body: NewMessage) -> Told[documents.Message]:
    """Tell something to units: those named, all that are on an incident, or all in service of the agency that one
    serves. Who it goes to is settled now. The same message_id with the same content answers 200 with what stands, with
    another content 409."""
    message_id = body.message_id or new_id("message")
    standing = node.live_map.messages.get(message_id)
    if standing is not None:
        return _stands(standing, body)
    event = MessageSent(
        event_id=f"message:{message_id}",  # named by it: sent twice it is one fact
        received_ms=node.clock.now_ms(),
        message_id=message_id,
        text=body.text,
        to=body.to,
        units=_recipients(node, body),
        incident_id=body.incident_id or "",
        urgent=body.urgent,
    )
    try:
        await record(node, event)
    except Problem as refusal:
        standing = node.live_map.messages.get(message_id)
        if not was_taken(refusal) or standing is None:
            raise
        return _stands(standing, body)
    standing = node.live_map.messages.get(message_id)
    if standing is None:  # one of this id was sent, and is over
        raise Problem(409, f"message {message_id!r} was sent before, and is over; choose another id")
    return told(documents.message(standing), 201)


@routes.post("/messages/{message_id}/acknowledge", responses=may(403, 404))
async def acknowledge_message(node: TheNode, message_id: MessageId, body: MessageAnswer) -> Told[documents.Message]:
    """A unit's device has shown it (`shown`), or its crew, or a desk that heard them, says that they know. A second one
    changes nothing."""
    message = node.live_map.messages.get(message_id)
    status, words = REFUSALS["unknown_message"]
    if message is None or body.unit_id not in message.units:
        raise Problem(status, words)
    if not speaks_for(speaking(), "answer", node.live_map, body.unit_id):
        raise Problem(403, NOT_FOR_YOU)
    event = MessageSeen(
        event_id=f"message:{message_id}:{body.unit_id}:{body.state}",
        received_ms=node.clock.now_ms(),
        message_id=message_id,
        unit_id=body.unit_id,
        acknowledged=body.state == "acknowledged",
        incident_id=message.incident_id,
    )
    try:
        await record(node, event)
    except Problem as refusal:
        if not was_refused(refusal, "duplicate"):
            raise
    return told(documents.message(node.live_map.messages.get(message_id, message)))


def _recipients(node: Node, body: NewMessage) -> tuple[str, ...]:
    """The units that it goes to. Raises `Problem`, or `UnknownIdError` for one that is not there."""
    live_map, who = node.live_map, speaking()
    incident = None if body.incident_id is None else incident_of(node, body.incident_id)
    on_it = [] if incident is None else [p.unit_id for p in incident.assignments.values() if p.state in OPEN_STATES]
    if (body.to == "units") != bool(body.unit_ids):
        raise bad_value("/unit_ids", "mismatch", 'are the units of a message to "units", and left out of any other')
    if body.to == "units":
        for unit_id in body.unit_ids:
            unit_of(node, unit_id)
            if unit_id not in on_it and not speaks_for(who, "dispatch", live_map, unit_id):
                raise Problem(403, NOT_YOURS)
        return tuple(dict.fromkeys(body.unit_ids))
    if body.to == "incident":
        if incident is None:
            raise bad_value("/incident_id", "missing", 'says to whose units a message to "incident" goes')
        sight = Sight.of(who)
        return tuple(unit_id for unit_id in on_it if sight.unit(live_map, unit_of(node, unit_id)) is not None)
    return tuple(
        unit.unit_id
        for unit in live_map.units.values()
        if unit.status != "out_of_service" and speaks_for(who, "dispatch", live_map, unit.unit_id)
    )


def _stands(standing: Message, body: NewMessage) -> Told[documents.Message]:
    """What was sent under this id before, where it says the same."""
    said = (standing.text, standing.to, standing.incident_id, standing.urgent)
    same_units = body.to != "units" or standing.units == tuple(dict.fromkeys(body.unit_ids))
    if said != (body.text, body.to, body.incident_id or "", body.urgent) or not same_units:
        words = f"message {standing.message_id!r} exists with another content; choose another id"
        raise Problem(409, words, [{"field": "/message_id", "reason": "id_taken", "message": words}])
    return told(documents.message(standing))
