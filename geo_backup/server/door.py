"""The door: who may come in, and for how long, before a request is read. It needs no token, so it trusts nobody.

A connection that has not yet sent a whole request costs little and may come in as long as there is room; when there is
none, the oldest of those that have said nothing gives way to the newcomer, first of the address that holds most of
them. So whoever has something to say is heard, however many sockets stand open. What is sent is counted before it is
gathered, and whoever sends or takes slower than a very bad line would is let go.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import get_remote_addr

from geo_backup.server.deflate import SharedFeed
from geo_backup.server.problems import TITLES, answer

HEADER_MAX = 65_536
"""Bytes of a request before its body: a larger one would be gathered piece by piece in quadratic time."""
FIELDS_MAX = 128
"""Headers of a request: each costs a hundred bytes beside its own."""
UNREAD_MAX = 64_000_000
"""Bytes of headers that are not whole, of all connections together; one up to `SMALL_HEADER` always comes in."""
SMALL_HEADER = 4_096
URL_MAX = 60_000
WITHIN_S = 10.0
"""A header is whole within so many seconds, and a body so many after its last byte at `PACE_BPS` was due."""
PACE_BPS = 1_000
"""Bytes a second that the worst line carries."""
STALLED_S = 20.0
"""A reader that takes less than `PACE_BPS` over so long is let go, and what is held for it with it."""
LEAVING_S = 1.0
"""So long somebody who is refused may read why."""
UNHEARD_MAX = 32_000_000
"""Bytes that are passed over after a request has been answered or refused: more than the largest file."""
UNSENT_MAX = 32_000_000
PIPELINED_MAX = 16
"""Requests of one connection that wait for the one before them."""
CONNECTIONS_MAX = 16_384
RESERVE = 128
"""Descriptors kept for the log, the map and all else: this many, or a quarter of all."""
SILENT_PER_SOURCE = 256
"""Connections of one address that have said nothing; of more the oldest gives way when it is a second old."""
BACKLOG, BACKLOG_MAX = 128, 512
"""Connections that the system takes before they come in: they need descriptors all at once. Of those that find no place
there each tries again after a second, an officer's too."""

Stage = Literal["silent", "sending", "served", "idle", "watching", "leaving"]
"""silent: no whole header yet; sending: its body comes in; served: an answer is due; idle: kept alive between two
requests; watching: a feed; leaving: refused, and reading why."""
GIVE_WAY: tuple[Stage, ...] = ("leaving", "silent", "idle", "sending")
"""Who makes room, in this order."""


class Room(NamedTuple):
    """What a process has room for, beside its files."""

    connections: int
    backlog: int
    """Of those that wait in the system's queue."""

    @classmethod
    def here(cls) -> Room:
        """That of this process, once it has all the descriptors that it may have."""
        descriptors = _descriptors()
        if descriptors is None:
            return cls(CONNECTIONS_MAX, BACKLOG_MAX)
        reserve = max(RESERVE, descriptors // 4)
        connections = max(16, min(CONNECTIONS_MAX, descriptors - reserve))
        return cls(connections, max(BACKLOG, min(BACKLOG_MAX, reserve // 2)))


def _descriptors() -> int | None:
    """How many this process has; None: nobody counts them."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS names a hard limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


@dataclass(eq=False, slots=True)
class Guest:
    """One connection, as the door sees it."""

    transport: asyncio.Transport
    source: str
    since: float
    """When its stage began."""
    stage: Stage = "silent"
    got: int = 0
    """Bytes that came in this stage."""
    unread: int = 0
    """Bytes of it that the parser holds, since nothing follows from them yet."""
    answered: bool = False
    """Its answer went out before its body was whole."""
    unsent: int = 0
    """Bytes that waited for the reader at `stalled`."""
    stalled: float | None = None
    """Since when the reader has been looked at; None: it took all."""


class Door:
    """Everybody who is in; see the module. `http` and `feed` make uvicorn's protocols of it."""

    def __init__(self, most: int | None = None) -> None:
        room = Room.here()
        self.backlog = room.backlog
        self.most = room.connections if most is None else most
        self.watchers_most = self.most * 3 // 4
        """Feeds stay for hours: a quarter of the room is left for requests."""
        self.ended = 0
        """Connections that are over."""
        self.unread = 0
        """What the parsers hold of all guests."""
        self._guests: dict[asyncio.Transport, Guest] = {}
        self._staged: dict[Stage, dict[str, dict[Guest, None]]] = {stage: {} for stage in get_args(Stage)}
        """By stage and source, the longest in it first."""
        self.http: Any = partial(HttpAtDoor, self)
        self.feed: Any = partial(FeedAtDoor, self)

    def enter(self, transport: asyncio.Transport) -> Guest:
        """Somebody connects: the oldest who has nothing to say makes room, if there is none."""
        address = get_remote_addr(transport)
        guest = Guest(transport, _source(address[0] if address else ""), _now())
        silent = self._staged["silent"].get(guest.source, {})
        if len(silent) >= SILENT_PER_SOURCE:
            oldest = next(iter(silent))
            if guest.since - oldest.since > 1.0:  # a thousand consoles that come back at once are welcome
                self._expel(oldest)
        if len(self._guests) >= self.most and not self._make_room():
            transport.abort()  # everybody inside is being served: it must come again
            return guest
        self._guests[transport] = guest
        self._staged["silent"].setdefault(guest.source, {})[guest] = None
        return guest

    def guest(self, transport: asyncio.Transport) -> Guest:
        """Who is on a connection."""
        return self._guests.get(transport) or Guest(transport, "", _now(), "leaving")

    def move(self, guest: Guest, stage: Stage) -> None:
        """A guest's next stage begins."""
        if self._guests.get(guest.transport) is guest:
            self._unstage(guest)
            self._staged[stage].setdefault(guest.source, {})[guest] = None
        guest.stage, guest.since, guest.got, guest.answered = stage, _now(), 0, False

    def leave(self, guest: Guest) -> None:
        """A connection is over."""
        self.ended += 1
        if self._guests.get(guest.transport) is guest:
            del self._guests[guest.transport]
            self._unstage(guest)
            self.unread -= guest.unread

    def gathers(self, guest: Guest, unread: int) -> str:
        """A parser holds so much of what a guest sent; words, where that is too much."""
        if self._guests.get(guest.transport) is guest:
            self.unread += unread - guest.unread
            guest.unread = unread
        if unread > HEADER_MAX:
            return _TOO_LONG
        return _MUCH if unread > SMALL_HEADER and self.unread > UNREAD_MAX else ""

    def may_watch(self) -> bool:
        """Whether there is room for another feed."""
        return sum(map(len, self._staged["watching"].values())) < self.watchers_most

    def refuse(self, guest: Guest, status: int, words: str) -> None:
        """Say why, and close the connection; what still comes in is passed over meanwhile."""
        if guest.stage == "leaving" or guest.transport.is_closing():
            return
        if guest.stage == "served":  # these words would stand where its answer is awaited
            self._expel(guest)
            return
        self.move(guest, "leaving")
        refusal = answer(status, words, headers={"Connection": "close"})
        phrase = TITLES.get(status, "Error")
        head = b"".join(b"%s: %s\r\n" % header for header in refusal.raw_headers)
        guest.transport.write(f"HTTP/1.1 {status} {phrase}\r\n".encode() + head + b"\r\n" + bytes(refusal.body))

    async def watch(self) -> None:
        """Let go of those who keep neither the time nor the pace, as long as the server runs."""
        while True:
            await asyncio.sleep(1.0)
            self.sweep(_now())

    def sweep(self, now: float) -> None:
        """Look at everybody once."""
        for guest in list(self._guests.values()):
            waited_s = now - guest.since
            if _stalls(guest, now) or (guest.stage == "leaving" and waited_s > LEAVING_S):
                self._expel(guest)
            elif guest.stage == "silent" and waited_s > WITHIN_S:
                words = f"the header of a request has to be whole within {WITHIN_S:g} s"
                self.refuse(guest, 408, words) if guest.got else self._expel(guest)
            elif guest.stage == "sending" and waited_s > WITHIN_S + guest.got / PACE_BPS:
                words = f"the body came more slowly than {PACE_BPS} bytes/s; send it in smaller parts"
                self._expel(guest) if guest.answered else self.refuse(guest, 408, words)

    def _unstage(self, guest: Guest) -> None:
        sources = self._staged[guest.stage]
        del sources[guest.source][guest]
        if not sources[guest.source]:
            del sources[guest.source]

    def _make_room(self) -> bool:
        for stage in GIVE_WAY:
            if sources := self._staged[stage]:
                most: dict[Guest, None] = max(sources.values(), key=len)
                self._expel(next(iter(most)))
                return True
        slow = max(self._guests.values(), key=lambda guest: guest.transport.get_write_buffer_size())
        if slow.transport.get_write_buffer_size() == 0:
            return False
        self._expel(slow)
        return True

    def _expel(self, guest: Guest) -> None:
        self.leave(guest)
        guest.transport.abort()


class HttpAtDoor(HttpToolsProtocol):
    """uvicorn's HTTP, with what comes in counted and every refusal in words."""

    def __init__(self, door: Door, **given: Any) -> None:
        super().__init__(**given)
        self._door = door
        self._gathered = 0
        """Bytes since the parser last handed something on: it holds them, and copies them with every piece."""
        self._refusal: tuple[int, str] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._guest = self._door.enter(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self._guest)
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        self._guest.stalled = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        guest = self._guest
        self._unset_keepalive_if_required()
        if guest.stage == "idle":
            self._door.move(guest, "silent")
        guest.got += len(data)
        if guest.stage == "leaving" or guest.answered:
            if guest.got > UNHEARD_MAX:
                self.transport.abort()
            if guest.stage == "leaving":
                return
        self._gathered += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._should_upgrade():
                self._watch()
        except httptools.HttpParserError:
            self._door.refuse(guest, *(self._refusal or (400, "this is no HTTP request")))
        else:
            if (self._gathered or guest.unread) and (words := self._door.gathers(guest, self._gathered)):
                self._door.refuse(guest, 431 if words is _TOO_LONG else 503, words)

    def _watch(self) -> None:
        if self._door.may_watch():
            self.handle_websocket_upgrade()
        else:
            self._door.refuse(self._guest, 503, "too many are watching; try again later")

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) >= FIELDS_MAX:
            self._refusal = 431, f"a request may have at most {FIELDS_MAX} headers"
            raise ValueError(self._refusal)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._gathered = 0
        if len(self.url) > URL_MAX:
            self._refusal = 414, f"a URL here may have at most {URL_MAX} bytes; send the question in a body"
        elif len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEADER_MAX:
            self._refusal = 431, _TOO_LONG
        elif len(self.pipeline) >= PIPELINED_MAX:
            self._refusal = 429, f"at most {PIPELINED_MAX} requests of one connection wait for an answer"
        if self._refusal is not None:
            raise ValueError(self._refusal)
        self._door.move(self._guest, "sending")
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        self._gathered = 0

    def on_body(self, body: bytes) -> None:
        self._gathered = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._gathered = 0
        super().on_message_complete()
        if self._guest.stage == "sending":
            self._door.move(self._guest, "idle" if self._guest.answered else "served")

    def on_response_complete(self) -> None:
        super().on_response_complete()
        guest = self._guest
        if guest.stage == "sending" and not self.pipeline:
            guest.answered, guest.got, guest.since = True, 0, _now()
        elif guest.stage == "served" and not self.pipeline:
            self._door.move(guest, "idle")


class FeedAtDoor(SharedFeed):
    """uvicorn's websocket: it is silent until it has said what it wants to hear."""

    def __init__(self, door: Door, **given: Any) -> None:
        super().__init__(**given)
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._guest = self._door.guest(self.transport)
        self._door.move(self._guest, "silent")

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self._guest)
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        self._guest.stalled = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._guest.stage == "silent" and self.handshake_complete:
            self._door.move(self._guest, "watching")
        if self.transport.get_write_buffer_size() > UNSENT_MAX:
            self.transport.abort()  # it asks and asks, and takes no answer
        super().data_received(data)


_TOO_LONG = f"a request may have at most {HEADER_MAX} bytes before its body"

_MUCH = "many long headers come in at once; send this again in a few seconds"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _source(address: str) -> str:
    """Who is counted as one: an address, or in IPv6 the network of 64 bits that a household is given."""
    if ":" not in address:
        return address
    with contextlib.suppress(ValueError):
        return str(int(ipaddress.IPv6Address(address.split("%")[0])) >> 64)
    return address


def _stalls(guest: Guest, now: float) -> bool:
    """Whether somebody takes what is sent to them more slowly than any line would."""
    unsent = guest.transport.get_write_buffer_size()
    if unsent == 0:
        guest.stalled = None
    elif guest.stalled is None or (now - guest.stalled >= STALLED_S and guest.unsent - unsent >= PACE_BPS * STALLED_S):
        guest.stalled, guest.unsent = now, unsent
    return guest.stalled is not None and now - guest.stalled >= STALLED_S
