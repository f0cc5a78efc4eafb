"""TLS: a certificate and its key, taken again when their files change, and the handshake at the door."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from geo_backup.errors import BadValueError
from geo_backup.server.door import WITHIN_S, Door, HttpAtDoor

log_ = logging.getLogger("geo_backup.access")

LOOK_S = 1.0


class Certificate:
    """What this server shows of itself. Raises `BadValueError` when the two files are no certificate and its key."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        self._seen = self._stamp()
        self.context = self._read()

    async def watch(self) -> None:
        """Take the files again when they change, as long as the server runs. Connections that stand are not touched;
        while the two do not fit each other, the former certificate stays."""
        while True:
            await asyncio.sleep(LOOK_S)
            stamp = self._stamp()
            if stamp == self._seen:
                continue
            try:
                await asyncio.to_thread(self._read)
                self.context.load_cert_chain(*self._files, password="")
            except (BadValueError, OSError) as error:  # the second file may still be on its way
                log_.warning("the former certificate stays: %s", error)
            self._seen = stamp

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(*self._files, password="")  # else a locked key would ask on the terminal
        except (OSError, ValueError) as error:
            words = f"{self._files[0]} and {self._files[1]} are not a certificate and its unlocked key in PEM: {error}"
            raise BadValueError("--tls-cert", "file", words) from error
        return context

    def _stamp(self) -> list[tuple[int, int, int]]:
        found = []
        for file in self._files:
            with suppress(OSError):
                stat = file.stat()
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return found


class TlsAtDoor(asyncio.Protocol):
    """A connection until its handshake is done: a guest like others, who gives way when there is no room."""

    def __init__(self, door: Door, context: ssl.SSLContext, **given: Any) -> None:
        self._door, self._context, self._given = door, context, given
        self._early = b""
        """What came together with the end of the handshake."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the handshake."""
        self._guest = self._door.enter(transport)
        if transport.is_closing():
            return
        # uvloop reads as soon as this returns, when the handshake has to be under way: a task would begin it too late
        shaking = self._shake_hands(transport)
        shaking.send(None).add_done_callback(lambda _: _finish(shaking))

    def data_received(self, data: bytes) -> None:
        """The first of what follows the handshake."""
        self._early += data

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        """Waits once, for the handshake."""
        loop = asyncio.get_running_loop()
        shaken = loop.start_tls(transport, self, self._context, server_side=True, ssl_handshake_timeout=WITHIN_S)
        try:
            sealed = await shaken
        except OSError:  # of TLS too
            transport.abort()
            return
        finally:
            self._door.leave(self._guest)
        if sealed is not None and not sealed.is_closing():
            http = HttpAtDoor(self._door, **self._given)
            sealed.set_protocol(http)
            http.connection_made(sealed)
            if self._early:
                http.data_received(self._early)


def _finish(shaking: Coroutine[Any, None, None]) -> None:
    with suppress(StopIteration):
        shaking.send(None)
