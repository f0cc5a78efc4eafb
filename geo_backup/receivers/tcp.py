"""TCP: connections of vehicle modems, a report a line. A report with a number is acknowledged once it is recorded."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from contextlib import suppress

from geo_backup.receivers.avl import Avl, Modem
from geo_backup.receivers.inlet import Inlet, Message
from geo_backup.receivers.section import Section
from geo_backup.receivers.visitors import Visitors, bound
from geo_backup.server.sources import plain

LINE_MAX = 1_024
"""Bytes of a line."""
UNREAD_MAX = 16_384
"""Bytes of answers that a modem may leave unread."""
HANDSHAKE_S = 10.0
IDLE_S = 900
"""Silence after which a connection is over: its modem went where there is no network, and dials again."""

_ENDS = re.compile(rb"[\r\n]+|(?<=<)")
"""A line ends with its end, a TAIP frame with its bracket too."""


class Tcp:
    """The receiver of `[receivers.tcp]`: `port`, `host`, `allow`, `tls`, `connections`, `idle_s`, and what `Avl`
    knows."""

    way = "tcp"

    def __init__(self, section: Section) -> None:
        self.port, self.visitors, self.avl = section.port(), Visitors(section), Avl(section)
        self.connections_max = section.whole("connections", 2_000, 1, 20_000) or 0
        self.idle_s = section.whole("idle_s", IDLE_S, 1, 86_400) or IDLE_S
        self.tls = section.flag("tls")
        section.done()
        self._section = section
        self._context: ssl.SSLContext | None = None
        self._socket: socket.socket | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.silent = self.full = 0

    def bind(self, tls: ssl.SSLContext | None = None) -> None:
        """Take the port; who dials before `run` waits there."""
        if self.tls:
            if tls is None:
                raise self._section.wrong(
                    "tls", "needs the server's own certificate: start it with --tls-cert and --tls-key"
                )
            self._context = tls
        self._socket = bound(socket.SOCK_STREAM, self.visitors.host, self.port, self._section)
        self.port = self._socket.getsockname()[1]

    async def run(self, inlet: Inlet) -> None:
        """Receive until cancelled."""

        def arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._arrived(inlet, reader, writer)

        handshake_s = None if self._context is None else HANDSHAKE_S
        server = await asyncio.start_server(
            arrived, sock=self._socket, limit=4_096, ssl=self._context, ssl_handshake_timeout=handshake_s
        )
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            self._socket = None
            connections = list(self._connections)
            for one in connections:
                one.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    def _arrived(self, inlet: Inlet, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = str((writer.get_extra_info("peername") or ("",))[0])
        if not self.visitors.allowed(address):
            self.visitors.turn_away(inlet, self.way, address)
            writer.transport.abort()
            return
        if len(self._connections) >= self.connections_max:
            self.full += 1
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(inlet, reader, writer, plain(address)))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(
        self, inlet: Inlet, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str
    ) -> None:
        modem, rest = Modem(address), b""
        port = int((writer.get_extra_info("peername") or ("", 0))[1])
        try:
            while True:
                async with asyncio.timeout(self.idle_s):
                    more = await reader.read(4_096)
                *lines, rest = _ENDS.split(rest + more)
                for line in lines if more else [*lines, rest]:
                    await self._take(inlet, line, modem, writer, (address, port))
                if len(rest) > LINE_MAX:
                    words = f"no line ends within {LINE_MAX:,} bytes, so that the connection was closed"
                    inlet.set_aside(self.way, address, "too_long", words, rest[:LINE_MAX].decode("ascii", "replace"))
                    return
                if not more:
                    return
        except TimeoutError:
            self.silent += 1
        except (OSError, ssl.SSLError):
            return
        finally:
            writer.close()
            with suppress(OSError, ssl.SSLError):
                writer.transport.abort()

    async def _take(
        self, inlet: Inlet, line: bytes, modem: Modem, writer: asyncio.StreamWriter, sender: tuple[str, int]
    ) -> None:
        address, port = sender
        for heard, text, answer in self.avl.read(line[:LINE_MAX], modem, inlet.node.clock.now_ms()):

            def answered(kept: bool, answer: str = answer) -> None:
                if kept and not writer.is_closing():
                    writer.write(answer.encode("ascii", "replace"))
                    if writer.transport.get_write_buffer_size() > UNREAD_MAX:
                        writer.transport.abort()

            message = Message(self.way, heard, text, address, answered if answer else None, port)
            while not inlet.take(message):
                await inlet.room()

    def figures(self) -> dict[str, float]:
        """What only the receiver knows."""
        return {
            "connections": len(self._connections),
            "kept_alive": self.avl.kept_alive,
            "silent": self.silent,
            "full": self.full,
        }
