"""One TAK peer on a stream: what it sends is heard, what its principal may see is shown to it, until one side leaves.

The same for a TAK server that was called and for an ATAK that calls. Who it is decides: its certificate, or the token
that it shows as the password of `<auth>`; of a server that is called the configuration says it. Where people are
configured, a caller of whom nothing is known speaks for the one thing that it first placed, and is shown nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal
from xml.etree import ElementTree

from geo_backup.errors import BadValueError, LogError, TokenError
from geo_backup.feed import Frame
from geo_backup.formats import cot, cot_items, tak_proto
from geo_backup.formats.tak_stream import MAGIC, Message, Splitter
from geo_backup.node import rung
from geo_backup.people import ANYONE, Principal
from geo_backup.people.principal import CENTRE
from geo_backup.people.sight import Sight
from geo_backup.receivers.inlet import GATHER_S, Inlet
from geo_backup.receivers.tak_made import Made, Thing
from geo_backup.receivers.tak_settings import EVERY_S
from geo_backup.receivers.tak_show import TOPICS, Show
from geo_backup.server import cot as server_cot
from geo_backup.server.access import reach, topics_of
from geo_backup.server.hearing import Hearing
from geo_backup.server.looks import audit, looked
from geo_backup.server.speaker import SPEAKING

log_ = logging.getLogger("geo_backup.tak")

WAY = "tak"
READ_BYTES = 65_536
SENT_BYTES = 32_768
"""So much goes out together, and others have their turn."""
UNSENT_BYTES = 262_144
"""Pings are answered no more while so much waits for a peer that does not read."""
PING_S = 10.0
"""Whoever was sent nothing for so long is pinged: ATAK leaves after 25 s of silence."""
DRAIN_S = 30.0
"""A peer that takes nothing for so long is let go."""
SILENT_S = 90.0
"""A server that answers no ping for so long is called anew."""
ANSWER_S = 60.0
"""Whoever asked for version 1 waits so long for the answer."""
STEERS = (b"takp", b"&")
"""One of these is in an event that may change how the stream goes on: what follows is cut up once it is understood."""
HOLDS_S = 2.5
"""So often it is asked whether a peer is still who it was."""
ESTABLISHED = 1
"""The state of a connection, as Linux tells it, that both sides hold."""
UNNAMED = Principal("device", "tak", CENTRE, frozenset({"dispatcher"}), name="tak")
"""A peer of whom nothing is known: what it says of its own thing is taken. It is never shown anything."""


@dataclass(frozen=True)
class Manner:
    """How to speak to a peer."""

    calling: bool = False
    """It is a TAK server that this server calls."""
    protobuf: bool = True
    """Offer version 1 to whoever calls; ask it of a server that offers it."""
    every_s: int = EVERY_S
    """Units that move, and times to drive, are sent so often; incidents, alarms and closures at once."""
    username: str = ""
    password: str = ""
    uid: str = "geo-backup.server"


class Reader(asyncio.StreamReader):
    """A stream that is read to its end, also where the line broke: what had come before is no less true."""

    def set_exception(self, exc: Exception) -> None:
        """The line broke."""
        self.feed_eof()


class Peer:
    """One connection; see the module."""

    def __init__(
        self,
        inlet: Inlet,
        made: Made,
        counts: Counter[str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        manner: Manner,
        who: Principal | None,
        client: str,
        address: str = "",
    ) -> None:
        self._inlet, self._made, self._counts, self._manner = inlet, made, counts, manner
        self._reader, self._writer = reader, writer
        self._who: Principal | None = ANYONE if inlet.speakers.open else who
        self._client, self._address = client, address or client
        self._splitter = Splitter()
        self._version: Literal[0, 1] = 0
        self._known = asyncio.Event()
        """Rung when somebody has said who they are."""
        self._may_send = asyncio.Event()
        self._may_send.set()
        self._kept: list[bytes] = []
        self._kept_bytes = 0
        self._own: str | None = None
        """What an unnamed peer speaks for."""
        self._sent_s = self._heard_s = asyncio.get_running_loop().time()
        self.refused = ""
        """Why this server ended it."""
        self.version_refused = False

    async def run(self) -> None:
        """Hear and tell, until one side leaves."""
        self._writer.transport.set_write_buffer_limits(high=READ_BYTES)
        SPEAKING.set(self._who or UNNAMED)
        if self._manner.calling and self._manner.password:
            manner = self._manner
            self._write_raw(cot_items.signing_in(manner.username, manner.password, manner.uid))
        if not self._manner.calling and self._manner.protobuf:
            self._control("t-x-takp-v", '<TakControl><TakProtocolSupport version="1"/></TakControl>', "protouid")
        tasks = [asyncio.create_task(job()) for job in (self._hear, self._tell, self._mind)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if any(isinstance(task.exception(), ConnectionError) for task in done):
                await asyncio.wait(tasks[:1], timeout=DRAIN_S)  # what came before the line broke
            for task in done:
                if isinstance(error := task.exception(), OSError | asyncio.IncompleteReadError | TimeoutError):
                    self.refused = self.refused or str(error) or f"it took nothing for {DRAIN_S:g} s"
                elif error is not None:
                    log_.error("the TAK peer %s failed", self._client, exc_info=error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._writer.wait_closed()

    # ---- what it says

    async def _hear(self) -> None:
        inlet, loop, first = self._inlet, asyncio.get_running_loop(), True
        while data := await self._reader.read(READ_BYTES):
            self._heard_s = loop.time()
            if first and data[0] == MAGIC:  # programs there are that speak version 1 unasked, and read XML
                self._splitter.version = 1
            first = False
            who, named = self._who or UNNAMED, self._who is not None
            hearing = Hearing(inlet.intake, WAY, who, self._client, pinned=named, source="tak")
            self._take_all(self._splitter.feed(data), hearing)
            if self.refused:
                return
            try:
                await hearing.finish()
            except LogError as error:  # what these peers sent they do not send again: it is at least said
                inlet.set_aside(WAY, self._client, "not_recorded", str(error), "")
            if len(data) < READ_BYTES:
                await asyncio.sleep(GATHER_S)  # what comes meanwhile is recorded together

    def _take_all(self, messages: Iterable[Message], hearing: Hearing) -> None:
        """Messages as they are cut, until one of them ends it all."""
        together: list[Message] = []
        for message in messages:
            if message.kind == "event" and not any(mark in message.data for mark in STEERS):
                together.append(message)
                continue
            self._take_events(together, hearing)
            together.clear()
            self._take(message, hearing)
            if self.refused:
                return
        self._take_events(together, hearing)

    def _take(self, message: Message, hearing: Hearing) -> None:
        """One message."""
        if message.kind == "event":
            self._take_events([message], hearing)
            return
        try:
            if message.kind == "refused":
                raise BadValueError("/", message.why, f"{message.why}: no CoT event, or one beyond 256 KiB")
            if message.kind == "auth":
                self._sign_in(message.data)
            elif (event := tak_proto.event_of(message.data)) is not None:  # else it tells of the protocol alone
                self._take_event(event, message, hearing)
        except BadValueError as error:
            self._set_aside(error, message)

    def _take_events(self, messages: Sequence[Message], hearing: Hearing) -> None:
        """Events in XML that came together."""
        for message, event in zip(messages, cot.elements_of([one.data for one in messages]), strict=True):
            try:
                if isinstance(event, BadValueError):
                    raise event
                self._take_event(event, message, hearing)
            except BadValueError as error:
                self._set_aside(error, message)

    def _set_aside(self, error: BadValueError, message: Message) -> None:
        """A message that nobody can use."""
        self._inlet.set_aside(WAY, self._client, error.reason, str(error), message.data[:400])

    def _take_event(self, event: ElementTree.Element, message: Message, hearing: Hearing) -> None:
        """One event. Raises `BadValueError` for one that nobody can use."""
        counts = self._counts
        kind, uid = event.get("type", ""), event.get("uid", "")
        if kind.startswith("t-x-"):
            counts["control"] += 1
            self._controlled(kind, uid, event)
            return
        if uid.startswith(cot_items.PREFIX):  # this server's own, come back
            counts["own"] += 1
            return
        said = cot.parse_element(event)
        if said.nothing is not None:
            counts["chat" if kind.startswith("b-t-f") else said.nothing] += 1
            return
        counts[said.kind] += 1
        if self._who is None and not self._manner.calling and not self._is_its_own(said):
            raise BadValueError("/uid", "not_yours", "it shows no token or certificate: it speaks for one thing alone")
        shown = message.data if message.kind == "event" else f"{kind} of {uid}"
        address = self._address if self._who is None else ""
        server_cot.take(hearing, said, shown, self._who or UNNAMED, address)

    def _is_its_own(self, said: cot.CotEvent) -> bool:
        if self._own is None:
            self._own = said.names[0] if said.names else None
        return self._own in said.names

    def _sign_in(self, data: bytes) -> None:
        """A token as the password of `<auth>`: who speaks from here on."""
        speakers = self._inlet.speakers
        if speakers.open or self._manner.calling:
            return
        said = cot.element_of(data).find("cot")
        token = "" if said is None else said.get("password", "")
        try:
            who = speakers.who(token) if token else None
        except TokenError:
            who = None
        if who is None:
            self.refused = speakers.is_wrong(self._client).words
            return
        self._who = who
        SPEAKING.set(who)
        self._known.set()

    def _controlled(self, kind: str, uid: str, event: ElementTree.Element) -> None:
        """A message of the stream itself."""
        if kind == "t-x-c-t":
            if self._writer.transport.get_write_buffer_size() < UNSENT_BYTES:
                self._control("t-x-c-t-r", uid="takPong")
        elif kind == "t-x-takp-q" and not self._manner.calling:
            asked = event.find("detail/TakControl/TakRequest")
            fits = self._manner.protobuf and asked is not None and asked.get("version") == "1"
            self._control("t-x-takp-r", _response(fits), uid or "protouid")
            if fits:
                self._splitter.version = self._version = 1
        elif kind == "t-x-takp-v" and self._manner.calling and self._manner.protobuf and self._may_send.is_set():
            offered = event.findall("detail/TakControl/TakProtocolSupport")
            if self._version == 0 and any(one.get("version") == "1" for one in offered):
                self._control("t-x-takp-q", '<TakControl><TakRequest version="1"/></TakControl>', uid or "protouid")
                self._may_send.clear()
        elif kind == "t-x-takp-r" and self._manner.calling and not self._may_send.is_set():
            answer = event.find("detail/TakControl/TakResponse")
            if answer is not None and answer.get("status") == "true":
                self._splitter.version = self._version = 1
            self._may_send.set()

    # ---- what it is told

    async def _tell(self) -> None:
        """Show it what its principal may see."""
        if self._who is None:
            await self._known.wait()
        who = self._who
        if who is None or reach(who, "look") is None:
            await asyncio.Event().wait()  # for ever: it is heard, and shown nothing
            return
        node = self._inlet.node
        viewer = node.viewers.watch(topics_of(who) & TOPICS)
        if who.kind != "anyone":
            await audit(node, looked(node, who, "feed", tuple(sorted(viewer.outbox.topics)), self._client))
        try:
            await self._show(viewer.bell, viewer.outbox.take, Show(self._made, Sight.of(who)))
        finally:
            node.viewers.unwatch(viewer)
            if who.kind != "anyone":
                seen = looked(node, who, "feed", tuple(sorted(viewer.outbox.topics)), self._client)
                await audit(node, replace(seen, until_ms=node.clock.now_ms()))

    async def _show(self, bell: asyncio.Event, frames: Callable[[], tuple[Frame, ...]], show: Show) -> None:
        loop = asyncio.get_running_loop()
        moving: dict[Thing, None] = dict.fromkeys(show.all())
        round_s = loop.time()
        while True:
            now_s = loop.time()
            urgent, others = show.changed(frames())
            moving.update(dict.fromkeys(others))
            if now_s >= round_s:
                round_s = now_s - now_s % self._manner.every_s + self._manner.every_s  # peers are shown it in step
                moving.update(dict.fromkeys(show.due(now_s)))
                urgent, moving = urgent.union(moving), {}
            for thing in sorted(urgent, key=_urgency):
                for event in show.events(thing, now_s):
                    self._keep(event)
                if self._kept_bytes > SENT_BYTES:
                    await self._flush()
                    await asyncio.sleep(0)
            await self._flush()
            await rung(bell, max(round_s - loop.time(), 0.0))
            bell.clear()

    async def _mind(self) -> None:
        """Ping whoever was sent nothing for a while, and end with a peer that is no longer who it was."""
        loop, asked_s = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(HOLDS_S)
            now_s, who = loop.time(), self._who
            if who is not None and self._inlet.speakers.holds(who) != who:
                self.refused = "the token does not hold any more"
                return
            if self._manner.calling and now_s - self._heard_s > SILENT_S:
                self.refused = f"it has said nothing for {SILENT_S:g} s"
                return
            if not self._may_send.is_set():
                asked_s = asked_s or now_s
                if now_s - asked_s > ANSWER_S:
                    self.refused, self.version_refused = "it does not answer which protocol to speak", True
                    return
            elif now_s - self._sent_s > PING_S:
                self._control("t-x-c-t", uid=f"{self._manner.uid}-ping")

    def _keep(self, event: bytes) -> None:
        """Put an event to those that go out together."""
        self._kept.append(event)
        self._kept_bytes += len(event)

    async def _flush(self) -> None:
        """Send them, and wait until there is room for more. Raises TimeoutError where there is none for long."""
        await self._may_send.wait()
        kept, self._kept, self._kept_bytes = self._kept, [], 0
        if not kept:
            return
        self._write_raw(b"".join([self._made.encoded(event, self._version) for event in kept]))
        self._counts["sent"] += len(kept)
        async with asyncio.timeout(DRAIN_S):
            await self._writer.drain()

    def _control(self, kind: str, detail: str = "", uid: str = "") -> None:
        event = cot_items.control(uid, kind, self._inlet.node.clock.now_ms(), detail)
        self._write_raw(self._made.encoded(event, self._version))

    def _write_raw(self, data: bytes) -> None:
        """Send something; nothing to who has hung up: that would break the line, and with it goes what is unread."""
        self._sent_s = asyncio.get_running_loop().time()
        if not _has_hung_up(self._writer):
            self._writer.write(data)


def _has_hung_up(writer: asyncio.StreamWriter) -> bool:
    """Whether a peer sends nothing more, though there may be more of it to read; where the system can tell."""
    line = writer.get_extra_info("socket")
    if line is None or not hasattr(socket, "TCP_INFO"):
        return False
    try:
        return bool(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED)
    except OSError:
        return False


def _urgency(thing: Thing) -> int:
    """In which order things go out."""
    return ("incident", "unit", "closure").index(thing.topic)


def _response(fits: bool) -> str:
    return f'<TakControl><TakResponse status="{"true" if fits else "false"}"/></TakControl>'
