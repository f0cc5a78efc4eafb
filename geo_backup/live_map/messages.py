"""Messages: a short text from a desk to units, kept until each of them has acknowledged it.

Who it goes to is settled when it is sent. The live map keeps what somebody still waits for, and for some minutes what
is answered; all of it stays in the log.
"""

from __future__ import annotations

from collections.abc import Iterator

from geo_backup.events import MessageSeen, MessageSent
from geo_backup.live_map.state import Delta, LiveMap, Message, Receipt

MESSAGES_KEPT = 500
"""So many stand at once; an urgent one that waits for an answer makes room for no other."""
ANSWERED_KEPT_MS = 600_000
KEPT_MS = 43_200_000
"""Nobody answers a message of the last shift."""
TEXT_CHARS = 500


def waiting_for(live_map: LiveMap, message: Message) -> list[str]:
    """The units that have not acknowledged it; one that was retired is not waited for."""
    return [unit_id for unit_id in message.units if _is_waited_for(live_map, message, unit_id)]


def _waits(live_map: LiveMap, message: Message) -> bool:
    """Whether there is any; it is asked of all messages with each that is sent or seen."""
    return any(_is_waited_for(live_map, message, unit_id) for unit_id in message.units)


def _is_waited_for(live_map: LiveMap, message: Message, unit_id: str) -> bool:
    known = message.receipts.get(unit_id)
    return unit_id in live_map.units and (known is None or known.acknowledged_ms is None)


def refuse_sending(live_map: LiveMap, event: MessageSent) -> str | None:
    if event.message_id in live_map.messages:
        return "id_taken"
    if not event.units:
        return "nobody_to_hear"
    if not 0 < len(event.text) <= TEXT_CHARS:
        return "bad_text"
    if any(unit_id not in live_map.units for unit_id in event.units):
        return "unknown_unit"
    if event.incident_id and event.incident_id not in live_map.incidents:
        return "unknown_incident"
    full = len(live_map.messages) >= MESSAGES_KEPT and next(_spare(live_map, event.received_ms), None) is None
    return "too_many_messages" if full else None


def sent(live_map: LiveMap, event: MessageSent) -> Delta:
    """It stands; what is over makes room."""
    gone = _forget_over(live_map, event.received_ms)
    while len(live_map.messages) >= MESSAGES_KEPT:
        spare = next(_spare(live_map, event.received_ms))
        _forget(live_map, spare)
        gone.append(spare)
    live_map.messages[event.message_id] = Message(
        event.message_id,
        event.text,
        event.to,
        tuple(dict.fromkeys(event.units)),
        event.incident_id,
        event.urgent,
        event.received_ms,
        event.said_by,
        {},
    )
    return Delta(messages=(event.message_id, *gone))


def refuse_seeing(live_map: LiveMap, event: MessageSeen) -> str | None:
    message = live_map.messages.get(event.message_id)
    if message is None or event.unit_id not in message.units:
        return "unknown_message"
    known = message.receipts.get(event.unit_id)
    if known is None:
        return None
    return "duplicate" if known.acknowledged_ms is not None or not event.acknowledged else None


def seen(live_map: LiveMap, event: MessageSeen) -> Delta:
    """A unit's device has shown it, or its crew says that they know."""
    message = live_map.messages[event.message_id]
    known = message.receipts.get(event.unit_id, Receipt(event.received_ms))
    if event.acknowledged:
        known = known._replace(acknowledged_ms=event.received_ms, by=event.said_by)
    live_map.messages[event.message_id] = message._replace(receipts={**message.receipts, event.unit_id: known})
    return Delta(messages=(event.message_id, *_forget_over(live_map, event.received_ms)))


def is_over(live_map: LiveMap, message: Message, now_ms: int) -> bool:
    """Whether it need not stand any more: all have acknowledged it and some minutes are over, or half a day is."""
    if now_ms - message.sent_ms > KEPT_MS:
        return True
    if now_ms - message.sent_ms <= ANSWERED_KEPT_MS or _waits(live_map, message):  # nobody can have answered earlier
        return False
    answers = (one.acknowledged_ms for one in message.receipts.values() if one.acknowledged_ms is not None)
    return now_ms - max(answers, default=message.sent_ms) > ANSWERED_KEPT_MS


def _spare(live_map: LiveMap, now_ms: int) -> Iterator[str]:
    """What may make room, the first first: what is over, what is answered, then what is not urgent, oldest first."""
    held = live_map.messages.values()
    yield from (one.message_id for one in held if is_over(live_map, one, now_ms))
    yield from (one.message_id for one in held if not _waits(live_map, one))
    yield from (one.message_id for one in held if not one.urgent)


def _forget_over(live_map: LiveMap, now_ms: int) -> list[str]:
    over = [name for name, one in live_map.messages.items() if is_over(live_map, one, now_ms)]
    for name in over:
        _forget(live_map, name)
    return over


def _forget(live_map: LiveMap, message_id: str) -> None:
    """With it goes what is known of its timer."""
    del live_map.messages[message_id]
    for timer_id in [name for name, one in live_map.timers.items() if one.message_id == message_id]:
        del live_map.timers[timer_id]
