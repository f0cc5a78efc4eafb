"""What stands in the stream: messages of events, each as one node said it, in one order for all of them.

A message is JSON, deflated where that is worth it. It carries what several callers of one node said, each for itself:
the events of one caller are recorded all or none.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from geo_backup.errors import BadValueError
from geo_backup.events import Event
from geo_backup.wire import facts

DEFLATE_FROM = 1_024
"""Bytes; less is hardly made smaller."""
INFLATED_MAX = 64 << 20
DEFLATED = b"z"
"""The first byte of one that is deflated; the others begin as JSON does."""


class Saying(NamedTuple):
    """What one caller said."""

    number: int
    """Its node's own; no other of that node has it."""
    term: int
    """The term that its node led when it said it as the one who leads; 0: anybody may say it."""
    events: Sequence[Event]


class Message(NamedTuple):
    """What one node said at once."""

    node: str
    """The process that said it."""
    log: str
    """The epoch of the log that it said it for."""
    sayings: Sequence[Saying]


def packed(events: Sequence[Event]) -> bytes:
    """The events of one saying as JSON. Raises LogError for what cannot be recorded."""
    return orjson.dumps([orjson.Fragment(facts.dump(event)) for event in events])


def message(node: str, log: str, sayings: Sequence[tuple[int, int, bytes]]) -> bytes:
    """The bytes of a message: of (number, term, packed events) of each saying."""
    said = [[number, term, orjson.Fragment(events)] for number, term, events in sayings]
    data = orjson.dumps({"node": node, "log": log, "said": said})
    return data if len(data) < DEFLATE_FROM else DEFLATED + zlib.compress(data, 1)


def reference(places: Sequence[int]) -> bytes:
    """In place of a message that is too long for the stream: where its parts are kept beside it."""
    return orjson.dumps({"parts": [*places]})


def referred(data: bytes) -> list[int]:
    """Where the parts are kept of a message that is too long; none where this is one itself."""
    if not data.startswith(b'{"parts":'):
        return []
    try:
        places = orjson.loads(data)["parts"]
    except orjson.JSONDecodeError:
        return []
    return places if isinstance(places, list) and all(type(place) is int for place in places) else []


def parsed(data: bytes) -> Message:
    """What `message` made. Raises BadValueError for what no node says, which every version leaves out alike, and
    LogError for a fact that this one does not know."""
    try:
        found: Any = orjson.loads(_inflated(data))
        node, log, said = found["node"], found["log"], found["said"]
        whole = type(node) is type(log) is str and all(
            type(number) is type(term) is int and type(events) is list and all(type(body) is dict for body in events)
            for number, term, events in said
        )
    except (TypeError, ValueError, KeyError, zlib.error):
        whole = False
    if not whole:
        raise BadValueError("", "message", "a message that no node says")
    sayings = [Saying(number, term, [facts.read(body) for body in events]) for number, term, events in said]
    return Message(node, log, sayings)


def _inflated(data: bytes) -> bytes:
    if data[:1] != DEFLATED:
        return data
    inflating = zlib.decompressobj()
    whole = inflating.decompress(data[1:], INFLATED_MAX)
    if inflating.unconsumed_tail or not inflating.eof:
        raise ValueError("a message that is too long, or cut off")
    return whole
