"""The line between the two machines of a pair: JSON messages both ways, in order, until one side is gone.

who {name, url, log, term, leader, leads}
                                           am {...}: each says what it is; whoever leads a later term leads

copy                                       people, part {file, data} ..., whole {} | refused {words}

follower                                   leader
hello {name, url, log, term, leader, seq}
                                           welcome {term, leader, seq} | refused {reason, words}
                                           events {events: [[seq, kind, body], ...]}
have {seq}                                 people {data}
append {id, events: [[kind, body]], urgent}
                                           done {id, seqs} | done {id, error, full}
                                           beat {n, now_ms}
beat {n, now_ms}
alarm {unit_id, fact}                      alarm {unit_id, fact}: an emergency that is not on record
promote {id}                               yours {term} | done {id, error}
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import orjson

from geo_backup.errors import LogError
from geo_backup.events import Event
from geo_backup.wire import facts

BEAT_S = 0.5
SILENT_S = 3.0
"""Who says nothing for so long is gone."""
TURN_WITHIN_S = 5.0
"""Who leads is settled within so long."""
EVENTS_AT_ONCE = 1_000
BYTES_MAX = 128 << 20
"""Of one message."""
FRAME_CHARS = 16_000
"""A server takes no larger websocket message than 64 KiB, and a character may be four bytes: longer ones go in
parts."""
CLOCKS_APART_MS = 5_000
"""Clocks that differ by more are to be set right (NENA-STA-026 asks for less in a centre's own equipment)."""

Message = Mapping[str, Any]


class LineLostError(Exception):
    """The other side is gone."""


class Line(Protocol):
    """One end of it."""

    async def send(self, message: Message) -> None:
        """Raises LineLostError."""

    async def receive(self) -> Message:
        """The next message. Raises LineLostError."""

    async def close(self) -> None:
        """Hang up."""


def frames(message: Message) -> Iterator[str]:
    """A message as websocket messages; all but the last of them begin with a `+`."""
    text = orjson.dumps(message).decode()
    *parts, last = (text[at : at + FRAME_CHARS] for at in range(0, len(text), FRAME_CHARS))
    yield from ("+" + part for part in parts)
    yield last


class Frames:
    """Puts messages together again."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._chars = 0

    def take(self, text: str | bytes) -> Message | None:
        """The message that this is the last part of. Raises LineLostError for what is none."""
        if not isinstance(text, str):
            raise LineLostError
        more = text.startswith("+")
        self._parts.append(text[1:] if more else text)
        self._chars += len(text)
        if self._chars > BYTES_MAX:
            raise LineLostError
        if more:
            return None
        whole, self._parts, self._chars = "".join(self._parts), [], 0
        try:
            message: object = orjson.loads(whole)
        except orjson.JSONDecodeError:
            raise LineLostError from None
        if not isinstance(message, dict):
            raise LineLostError
        return message


def packed(events: Sequence[Event]) -> list[list[str]]:
    """Events for the line."""
    return [[facts.kind_of(event), facts.dump(event).decode()] for event in events]


def events_of(rows: object) -> list[Event]:
    """What `packed` made. Raises LogError for a kind that this version does not know."""
    if not isinstance(rows, list):
        raise LogError("events are a list")
    try:
        return [facts.parse(kind, body.encode()) for kind, body in rows]
    except (TypeError, ValueError, AttributeError) as error:
        raise LogError(f"these are no events: {error}") from None


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data_of(text: str) -> bytes:
    return base64.b64decode(text)
