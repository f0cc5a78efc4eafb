"""MQTT 3.1.1 and 5 as a program speaks it that subscribes: what it sends as bytes, and what a broker sends cut into
packets, wherever it was cut on its way.

Messages come at QoS 0 or 1, since no other is asked for; what is published goes at QoS 0. Properties of version 5 that
a broker adds are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from geo_backup.errors import BadValueError

Version = Literal[3, 5]
"""3 stands for 3.1.1."""

CONNECTED, PUBLISH, SUBSCRIBED, DISCONNECTED = 2, 3, 9, 14
"""Kinds of packets that a broker sends and that say something."""
PING, GOODBYE = b"\xc0\x00", b"\xe0\x00"
PACKET_BYTES = 131_072
"""Of a larger packet the beginning is read and the rest let go; its topic is whole. A broker of version 5 is told to
send none."""
REFUSED_FROM = 0x80
REASONS: Mapping[Version, Mapping[int, str]] = MappingProxyType(
    {
        3: MappingProxyType(
            {1: "unacceptable protocol version", 2: "client id rejected", 3: "unavailable",
             4: "bad user or password", 5: "not authorized", 0x80: "failure"}
        ),
        5: MappingProxyType(
            {0x80: "unspecified", 0x81: "malformed packet", 0x82: "protocol error",
             0x84: "unsupported protocol version", 0x85: "client id rejected", 0x86: "bad user or password",
             0x87: "not authorized", 0x88: "unavailable", 0x89: "busy", 0x8A: "banned", 0x8B: "shutting down",
             0x8C: "bad authentication method", 0x8D: "keep-alive timeout",
             0x8E: "another client came with the same client id", 0x8F: "topic filter invalid",
             0x93: "more messages unacknowledged than it was told to send", 0x95: "packet too large",
             0x97: "quota exceeded", 0x9C: "use another server", 0x9D: "server moved"}
        ),
    }
)  # fmt: skip


class Packet(NamedTuple):
    """One packet of a broker: its first byte, and what follows its length."""

    first: int
    body: bytes

    @property
    def kind(self) -> int:
        return self.first >> 4


class Message(NamedTuple):
    """What somebody published; `number` is what it is acknowledged by, 0 where it is not (QoS 0)."""

    topic: str
    payload: bytes
    retained: bool
    number: int


class Packets:
    """Takes bytes as they come."""

    def __init__(self) -> None:
        self._held = b""
        self._skip = 0
        """Bytes of a packet that was too large, still on their way."""

    def __len__(self) -> int:
        """Bytes that are held."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that end in these bytes, in order. Raises `BadValueError` where no packet can be seen any more:
        the connection is of no more use."""
        if self._skip:
            gone = min(self._skip, len(data))
            self._skip -= gone
            data = data[gone:]
        held = self._held + data if self._held else data
        found: list[Packet] = []
        at, end = 0, len(held)
        while at < end:
            length, begin = _number(held, at + 1)
            if begin is None or (begin + length > end and end - begin < min(length, PACKET_BYTES)):
                break
            found.append(Packet(held[at], held[begin : begin + length]))
            at = begin + length
        self._skip += max(at - end, 0)
        self._held = held[at:]
        return found


def connecting(
    client_id: str,
    version: Version,
    keepalive_s: int,
    *,
    username: str = "",
    password: str = "",
    session_s: int,
    unacknowledged: int,
) -> bytes:
    """The first packet. The broker goes on with the session of that client id, where it has one; one of version 5 keeps
    it for `session_s`, and hands over so many messages ahead of their acknowledgement."""
    flags = (0x80 if username else 0) | (0x40 if username and password else 0)
    head = _text("MQTT") + bytes((4 if version == 3 else 5, flags)) + keepalive_s.to_bytes(2, "big")
    if version == 5:
        more = b"\x11" + session_s.to_bytes(4, "big") + b"\x21" + unacknowledged.to_bytes(2, "big")
        more += b"\x27" + PACKET_BYTES.to_bytes(4, "big")
        head += _length(len(more)) + more
    names = (client_id, *([username] if username else []), *([password] if username and password else []))
    return _packet(0x10, head + b"".join(map(_text, names)))


def subscribing(number: int, topics: Iterable[str], version: Version) -> bytes:
    """Ask for what is published under some topics, at QoS 1. What a broker of version 5 has kept of them is no news: it
    is not asked for."""
    options, properties = (b"\x01", b"") if version == 3 else (b"\x21", b"\x00")
    asked = b"".join(_text(topic) + options for topic in topics)
    return _packet(0x82, number.to_bytes(2, "big") + properties + asked)


def acknowledging(numbers: Iterable[int]) -> bytes:
    """That messages are taken over: a packet for each."""
    return b"".join([b"\x40\x02" + number.to_bytes(2, "big") for number in numbers])


def publishing(topic: str, payload: bytes) -> bytes:
    """A message at QoS 0, by version 3.1.1."""
    return _packet(0x30, _text(topic) + payload)


def message_of(packet: Packet, version: Version) -> Message:
    """What a PUBLISH packet brings. Raises `BadValueError` for one that breaks the protocol."""
    first, body = packet
    if first & 0x06 > 0x02:
        raise _broken("a message has another QoS than was asked for")
    number = 0
    try:
        size = body[0] << 8 | body[1]
        at = 2 + size
        if first & 0x02:
            number, at = body[at] << 8 | body[at + 1], at + 2
            if not number:
                raise _broken("a message of QoS 1 has no number")
        if version == 5:
            length, begin = _number(body, at)
            if begin is None:
                raise _broken("a message ends before its payload")
            at = begin + length
    except IndexError:
        raise _broken("a message ends before its payload") from None
    if at > len(body):
        raise _broken("a message ends before its payload")
    return Message(body[2 : 2 + size].decode("utf-8", "replace"), body[at:], bool(first & 0x01), number)


def refusal_of(packet: Packet, version: Version) -> str:
    """Why a broker does not let one in, gives no topic, or ends a connection, in words; empty where it does not. Raises
    `BadValueError` for a packet that says nothing."""
    codes = packet.body[1:2]
    if packet.kind == DISCONNECTED:
        codes = packet.body[:1] or b"\x00"
    elif packet.kind == SUBSCRIBED:
        length, begin = _number(packet.body, 2) if version == 5 else (0, 2)
        codes = b"" if begin is None else packet.body[begin + length :]
    if not codes:
        raise _broken("a packet ends before what it says")
    refused = [code for code in codes if code >= (1 if packet.kind == CONNECTED else REFUSED_FROM)]
    return ", ".join(REASONS[version].get(code, f"code 0x{code:02X}") for code in dict.fromkeys(refused))


def _number(data: bytes, at: int) -> tuple[int, int | None]:
    """A length of one to four bytes, and where it ends; None: beyond the data. Raises `BadValueError` for a longer
    one."""
    number = shift = 0
    for byte in data[at : at + 4]:
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    if shift == 28:
        raise _broken("a length has more than four bytes")
    return number, None


def _length(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _length(len(body)) + body


def _broken(words: str) -> BadValueError:
    return BadValueError("/", "protocol", f"it breaks the protocol: {words}")
