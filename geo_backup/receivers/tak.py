"""TAK both ways: a port that ATAK and WinTAK call, and TAK servers that this server calls, for as long as it runs."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from geo_backup.people import Principal
from geo_backup.receivers.inlet import Inlet
from geo_backup.receivers.section import Section
from geo_backup.receivers.tak_made import Made
from geo_backup.receivers.tak_peer import READ_BYTES, WAY, Manner, Peer, Reader
from geo_backup.receivers.tak_settings import CONNECTIONS_MAX, EVERY_MAX_S, EVERY_S, Connect, Files
from geo_backup.receivers.visitors import Visitors, bound
from geo_backup.server.adoption import client_at
from geo_backup.server.sources import plain

log_ = logging.getLogger("geo_backup.tak")

TLS_UNREAD_BYTES = 1_048_576
PEERS_MAX = 200
FROM_ONE_MAX = 50
"""Peers at one address."""
HANDSHAKE_S = 10.0
AGAIN_S = (1.0, 60.0)
"""A server that is gone is called again after the first, then after twice as long, up to the second."""
STOOD_S = 30.0
"""A connection that stood so long was a good one."""


class Tak:
    """The receiver of `[receivers.tak]`: `port`, `host`, `allow`, `connect` and more (see `tak_settings`)."""

    way = WAY

    def __init__(self, section: Section) -> None:
        self.port, self._visitors = section.whole("port", None, 0, 65_535), Visitors(section)
        self._tls = Files.of(section, "client_ca").server(section)
        every_s = section.whole("every_s", EVERY_S, 1, EVERY_MAX_S) or EVERY_S
        self._manner = Manner(protobuf=not section.flag("xml_only"), every_s=every_s)
        self._connect = [Connect(one) for one in section.tables("connect", CONNECTIONS_MAX)]
        if self.port is None and not self._connect:
            section.lacks("port", "is missing: say where ATAK calls, such as port = 8087, or whom to `connect` to")
        section.done()
        self._section = section
        self._listener: socket.socket | None = None
        self._peers: dict[asyncio.Task[None], str] = {}
        self.counts: Counter[str] = Counter()
        """Messages by what they were."""

    def bind(self, _: ssl.SSLContext | None = None) -> None:
        """Take the port, if there is to be one; its certificate is its own. Raises BadValueError."""
        if self.port is not None:
            self._listener = bound(socket.SOCK_STREAM, self._visitors.host, self.port, self._section)
            self.port = self._listener.getsockname()[1]

    async def run(self, inlet: Inlet) -> None:
        """Listen and call, until cancelled."""
        made = Made(inlet.node)
        jobs: list[Coroutine[Any, Any, None]] = [self._call(inlet, made, one) for one in self._connect]
        if self._listener is not None:
            jobs.append(self._listen(inlet, made, self._listener))
        await asyncio.gather(*jobs)

    def figures(self) -> dict[str, float]:
        """What only the receiver knows."""
        return {"peers": len(self._peers), **self.counts}

    async def _listen(self, inlet: Inlet, made: Made, listener: socket.socket) -> None:
        def arrives(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._arrives(inlet, made, reader, writer)

        loop, timeout_s = asyncio.get_running_loop(), None if self._tls is None else HANDSHAKE_S
        server = await loop.create_server(
            partial(_protocol, arrives, _unread_max(self._tls)),
            sock=listener,
            ssl=self._tls,
            ssl_handshake_timeout=timeout_s,
        )
        try:
            async with server:
                await asyncio.Event().wait()
        finally:
            self._listener, peers = None, list(self._peers)
            for task in peers:
                task.cancel()
            await asyncio.gather(*peers, return_exceptions=True)

    def _arrives(self, inlet: Inlet, made: Made, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("",))[0])
        client = client_at(address)
        if not self._visitors.allowed(address):
            self._visitors.turn_away(inlet, WAY, address)
            writer.close()
            return
        if len(self._peers) >= PEERS_MAX or list(self._peers.values()).count(client) >= FROM_ONE_MAX:
            inlet.set_aside(WAY, address, "too_many", f"{PEERS_MAX} TAK clients, or {FROM_ONE_MAX} of one address", "")
            writer.close()
            return
        _keep_alive(writer)
        who = _by_certificate(inlet, writer)
        peer = Peer(inlet, made, self.counts, reader, writer, self._manner, who, client, plain(address))
        task = asyncio.create_task(peer.run())
        self._peers[task] = client

        def leaves(_: asyncio.Task[None]) -> None:
            del self._peers[task]
            if peer.refused:
                log_.warning("the TAK client at %s: %s", address, peer.refused)

        task.add_done_callback(leaves)

    async def _call(self, inlet: Inlet, made: Made, connect: Connect) -> None:
        """Call one server, again and again."""
        loop, wait_s, protobuf = asyncio.get_running_loop(), AGAIN_S[0], connect.protobuf
        where = f"{connect.host}:{connect.port}"
        while True:
            began_s, why = loop.time(), ""
            try:
                async with asyncio.timeout(HANDSHAKE_S):
                    reader = Reader(_unread_max(connect.tls), loop)
                    transport, protocol = await loop.create_connection(
                        partial(asyncio.StreamReaderProtocol, reader), connect.host, connect.port, ssl=connect.tls
                    )
                    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            except (OSError, TimeoutError) as error:
                why = str(error) or "it does not answer"
            else:
                _keep_alive(writer)
                manner = Manner(True, protobuf, connect.every_s, connect.username, connect.password)
                who = _by_token(inlet, connect.sees)
                peer = Peer(inlet, made, self.counts, reader, writer, manner, who, where)
                self.counts["connected"] += 1
                await peer.run()
                why = peer.refused or "it hung up"
                protobuf = protobuf and not peer.version_refused
            wait_s = AGAIN_S[0] if loop.time() - began_s > STOOD_S else min(2 * wait_s, AGAIN_S[1])
            log_.warning("the TAK server %s: %s; it is called again", where, why)
            await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))


def _protocol(
    arrives: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None], unread_max: int
) -> asyncio.StreamReaderProtocol:
    return asyncio.StreamReaderProtocol(Reader(unread_max), arrives)


def _unread_max(tls: ssl.SSLContext | None) -> int:
    """Bytes after which a peer waits to be read, about half of them. TLS lets go of what it has not handed over when
    the other side hangs up; what waits without it is the system's to keep."""
    return READ_BYTES if tls is None else TLS_UNREAD_BYTES


def _by_certificate(inlet: Inlet, writer: asyncio.StreamWriter) -> Principal | None:
    """Who shows a certificate: its common name is the id of a token. It was checked by the handshake."""
    shown = writer.get_extra_info("peercert") or {}
    names = [value for row in shown.get("subject", ()) for key, value in row if key == "commonName"]
    return _by_token(inlet, names[0]) if names else None


def _by_token(inlet: Inlet, token_id: str) -> Principal | None:
    """Whoever has the token of an id, without its secret."""
    roster = inlet.speakers.roster
    if not token_id or roster is None:
        return None
    return roster.again(Principal("program", token_id, session=token_id))


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """A peer that went without a word is found out by the system."""
    line = writer.get_extra_info("socket")
    if line is not None:
        with suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
