"""A TAK stream: bytes cut into messages, wherever they were cut on their way.

In XML (protocol version 0) events follow one another with no other marks than their own ends; a header may stand before
each. In protocol version 1 each message has its length before it: 0xBF, a varint, a TakMessage. Memory is bounded: what
is too large is let go as it comes, and reading goes on at the next message that can be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

EVENT_BYTES = 262_144
"""The most that one message may have: a drawing of thousands of corners; a position has 600."""
MAGIC = 0xBF
START_TAG_BYTES = 8_192
"""Of a beginning so much is looked at for its end: it is looked at again with all that comes."""
VARINT_BYTES = 5
"""A length that takes more is none ..."""
SKIPPED = 4
"""... nor is one of so many times the most: what it is said to have would all be let go."""

_begin = re.compile(rb"<(?=(?:event|auth)[\s/>])").search
_start_tag = re.compile(rb"""<(event|auth)(?=[\s/>])(?:[^<>"']++|"[^"<]*"|'[^'<]*')*+>""").match
_END = {b"event": re.compile(rb"</event\s{0,40}>"), b"auth": re.compile(rb"</auth\s{0,40}>")}
_TAIL = len(b"<event ") - 1
END_BYTES = 64
"""An end mark takes no more, whatever white space is in it."""
_no_event = re.compile(rb"(?:\s|<\?xml[^<>]{0,200}\?>|\xef\xbb\xbf)*").fullmatch


class Message(NamedTuple):
    """One message of a stream, whole: an `<event>` or `<auth>` in XML, a TakMessage, or bytes that are none."""

    kind: Literal["event", "auth", "proto", "refused"]
    data: bytes
    why: str = ""
    """Of what is refused: `too_large` or `not_cot`."""


class Splitter:
    """Takes bytes as they come. `version` is the protocol's; whoever reads may change it between two messages."""

    def __init__(self, event_bytes: int = EVENT_BYTES) -> None:
        self.version: Literal[0, 1] = 0
        self._most = event_bytes
        self._held = bytearray()
        self._seen = 0
        """Held bytes that are known to have no end of the first message."""
        self._skip = 0
        """Bytes of a message that was too large, still on their way."""
        self._lost = False
        """Whether bytes are let go until a message begins, and have been told of."""

    def __len__(self) -> int:
        """Bytes that are held."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that end in these bytes, in order. To be read to its end."""
        self._held += data
        while True:
            message = self._xml() if self.version == 0 else self._proto()
            if message is None:
                return
            yield message

    def _xml(self) -> Message | None:
        held = self._held
        begin = _begin(held)
        if begin is None:
            # half a header, half a beginning may be the last of it
            kept = max(held.rfind(b"<", max(len(held) - 200, 0)), 0) if b"<" in held[-200:] else len(held)
            return self._let_go(kept)
        if begin.start():
            refused = self._let_go(begin.start())
            if refused is not None:
                return refused
        start = _start_tag(held, 0, START_TAG_BYTES)
        name = b"event" if held[1:6] == b"event" else b"auth"
        if start is not None and held[start.end() - 2] == ord("/"):
            return self._take(start.end(), name)
        end = _END[name].search(held, max(self._seen - END_BYTES, 0))
        if end is not None:
            # one that was broken off has the next one in it: that is whole
            again = held.rfind(b"<" + name, 1, end.start())
            while again > 0 and held[again + len(name) + 1] not in b" \t\r\n/>":
                again = held.rfind(b"<" + name, 1, again)
            if again > 0:
                return self._refuse(again, "not_cot")
            return self._take(end.end(), name)
        if len(held) > self._most:
            self._lost = True
            return self._refuse(len(held) - _TAIL, "too_large")
        self._seen = len(held)
        return None

    def _proto(self) -> Message | None:
        held = self._held
        if self._skip:
            gone = min(self._skip, len(held))
            del held[:gone]
            self._skip -= gone
        if not held:
            return None
        if held[0] != MAGIC:
            at = held.find(MAGIC)
            refused = self._let_go(at if at > 0 else len(held))
            if refused is not None or not held:
                return refused
        length, begin = 0, 1
        while True:
            if begin > VARINT_BYTES:
                return self._refuse(1, "not_cot")
            if begin == len(held):
                return None
            length |= (held[begin] & 0x7F) << 7 * (begin - 1)
            begin += 1
            if held[begin - 1] < 0x80:
                break
        if length > SKIPPED * self._most:
            return self._refuse(1, "not_cot")
        if length > self._most:
            self._skip = length
            return self._refuse(begin, "too_large")
        if len(held) < begin + length:
            return None
        data = bytes(held[begin : begin + length])
        del held[: begin + length]
        self._lost = False
        return Message("proto", data)

    def _take(self, end: int, name: bytes) -> Message:
        data = bytes(self._held[:end])
        del self._held[:end]
        self._seen, self._lost = 0, False
        return Message("event" if name == b"event" else "auth", data)

    def _refuse(self, end: int, why: str) -> Message:
        data = bytes(self._held[: min(end, 400)])
        del self._held[:end]
        self._seen = 0
        return Message("refused", data, why)

    def _let_go(self, end: int) -> Message | None:
        """Pass over what begins no message; told once, unless it is what may stand between two."""
        if not end:
            return None
        told = self._lost or _no_event(self._held, 0, end) is not None
        if told:
            del self._held[:end]
            self._seen = 0
            return None
        self._lost = True
        return self._refuse(end, "not_cot")


def framed(message: bytes) -> bytes:
    """A TakMessage with its length before it, as streams of version 1 have it."""
    length, head = len(message), bytearray((MAGIC,))
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + message
