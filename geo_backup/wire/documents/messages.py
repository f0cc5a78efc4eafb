"""Messages as documents: what a desk told units, and who has acknowledged it."""

from __future__ import annotations

from typing_extensions import TypedDict

from geo_backup import live_map
from geo_backup.events import Addressed
from geo_backup.wire.times import to_text


class Recipient(TypedDict):
    """A unit that a message went to, and what is known of it there."""

    unit_id: str
    shown_time: str | None
    acknowledged_time: str | None
    by: str


class Message(TypedDict):
    """A short text from a desk to units."""

    message_id: str
    text: str
    to: Addressed
    incident_id: str | None
    urgent: bool
    sent_time: str
    sent_by: str
    recipients: list[Recipient]


class MessageList(TypedDict):
    """Messages that stand, the newest first."""

    messages: list[Message]


def message(message: live_map.Message) -> Message:
    """A message with what each of its units has said."""
    return {
        "message_id": message.message_id,
        "text": message.text,
        "to": message.to,
        "incident_id": message.incident_id or None,
        "urgent": message.urgent,
        "sent_time": to_text(message.sent_ms),
        "sent_by": message.sent_by,
        "recipients": [_recipient(message, unit_id) for unit_id in message.units],
    }


def _recipient(message: live_map.Message, unit_id: str) -> Recipient:
    shown_ms, acknowledged_ms, by = message.receipts.get(unit_id) or (None, None, "")
    return {
        "unit_id": unit_id,
        "shown_time": None if shown_ms is None else to_text(shown_ms),
        "acknowledged_time": None if acknowledged_ms is None else to_text(acknowledged_ms),
        "by": by,
    }
