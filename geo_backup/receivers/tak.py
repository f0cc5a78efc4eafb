"""TAK both ways: a port that ATAK and WinTAK call, and TAK servers that this server calls, for as long as it runs."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from geo_backup.errors import BadValueError
from geo_backup.people import Principal
from geo_backup.receivers.tak_peer import Ears, Manner, Peer
from geo_backup.receivers.tak_settings import Connect, Listen, Tak
from geo_backup.server.adoption import client_at

log_ = logging.getLogger("geo_backup.tak")

PEERS_MAX = 200
FROM_ONE_MAX = 50
"""Peers at one address."""
HANDSHAKE_S = 10.0
AGAIN_S = (1.0, 60.0)
"""A server that is gone is called again after the first, then after twice as long, up to the second."""
STOOD_S = 30.0
"""A connection that stood so long was a good one."""


class TakStreams:
    """The streams of one server. `run` for as long as it lives; `port` is where it listens, once `ready` rings."""

    def __init__(self, settings: Tak, ears: Ears) -> None:
        self._settings, self._ears = settings, ears
        self._peers: dict[asyncio.Task[None], str] = {}
        self.counts, self.quarantine = ears.counts, ears.quarantine
        self.port = 0
        self.ready = asyncio.Event()
        self._tls = None if settings.listen is None else settings.listen.files.server_context()
        self._called = [(one, one.files.client_context() if one.tls else None) for one in settings.connect]

    async def run(self) -> None:
        """Listen and call. Raises `BadValueError` where the port may not be had."""
        jobs: list[Coroutine[Any, Any, None]] = [self._call(*one) for one in self._called]
        if self._settings.listen is not None:
            jobs.append(self._listen(self._settings.listen))
        else:
            self.ready.set()
        await asyncio.gather(*jobs)

    async def _listen(self, listen: Listen) -> None:
        def arrives(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._arrives(listen, reader, writer)

        try:
            timeout = None if self._tls is None else HANDSHAKE_S
            server = await asyncio.start_server(
                arrives, listen.host, listen.port, ssl=self._tls, ssl_handshake_timeout=timeout, limit=65_536
            )
        except OSError as error:
            words = f"[tak.listen] cannot listen on {listen.host}:{listen.port}: {error.strerror or error}"
            raise BadValueError("[tak.listen].port", "port", words) from None
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        try:
            async with server:
                await asyncio.Event().wait()
        finally:
            peers = list(self._peers)
            for task in peers:
                task.cancel()
            await asyncio.gather(*peers, return_exceptions=True)

    def _arrives(self, listen: Listen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("",))[0])
        client = client_at(address)
        full = len(self._peers) >= PEERS_MAX or list(self._peers.values()).count(client) >= FROM_ONE_MAX
        if full or not listen.lets_in(address):
            self._ears.counts["turned_away"] += 1
            log_.warning("a TAK client at %s is turned away: %s", address, "too many" if full else "not in `allow`")
            writer.close()
            return
        _keep_alive(writer)
        manner = Manner(protobuf=listen.protobuf)
        peer = Peer(self._ears, reader, writer, manner, self._by_certificate(writer), client)
        task = asyncio.create_task(peer.run())
        self._peers[task] = client

        def leaves(_: asyncio.Task[None]) -> None:
            del self._peers[task]
            if peer.refused:
                log_.warning("the TAK client at %s: %s", address, peer.refused)

        task.add_done_callback(leaves)

    async def _call(self, connect: Connect, tls: Any) -> None:
        """Call one server, again and again."""
        loop, wait_s, protobuf = asyncio.get_running_loop(), AGAIN_S[0], connect.protobuf
        where = f"{connect.host}:{connect.port}"
        while True:
            began_s, why = loop.time(), ""
            try:
                async with asyncio.timeout(HANDSHAKE_S):
                    reader, writer = await asyncio.open_connection(connect.host, connect.port, ssl=tls, limit=65_536)
            except (OSError, TimeoutError) as error:
                why = str(error) or "it does not answer"
            else:
                _keep_alive(writer)
                manner = Manner(True, protobuf, connect.username, connect.password)
                peer = Peer(self._ears, reader, writer, manner, self._by_token(connect.sees), where)
                self._ears.counts["connected"] += 1
                await peer.run()
                why = peer.refused or "it hung up"
                protobuf = protobuf and not peer.version_refused
            wait_s = AGAIN_S[0] if loop.time() - began_s > STOOD_S else min(2 * wait_s, AGAIN_S[1])
            log_.warning("the TAK server %s: %s; it is called again", where, why)
            await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))

    def _by_certificate(self, writer: asyncio.StreamWriter) -> Principal | None:
        """Who shows a certificate: its common name is the id of a token. It was checked by the handshake."""
        shown = writer.get_extra_info("peercert") or {}
        names = [value for row in shown.get("subject", ()) for key, value in row if key == "commonName"]
        return self._by_token(names[0]) if names else None

    def _by_token(self, token_id: str) -> Principal | None:
        """Whoever has the token of an id, without its secret."""
        roster = self._ears.speakers.roster
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
