"""Calls the other machine of a pair: a websocket to its port, with this machine's token."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from geo_backup.errors import BadValueError, LogError
from geo_backup.outbound import server_in
from geo_backup.pair.line import Frames, LineLostError, Message, frames

PATH = "/v1/pair/line"
OPEN_WITHIN_S = 3.0
CLOSE_WITHIN_S = 0.2
"""Who is paused does not say goodbye."""


def checked(url: str) -> str:
    """A server's address without a path. Raises BadValueError for what is none."""
    parts = server_in(url)
    if parts is None or "@" in parts.netloc:
        raise BadValueError("URL", "url", f"{url!r} is no server address; it looks like https://cad-1.example.org:8000")
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class WebsocketCalls:
    """Opens lines with a token of the role `standby`; see `follower.Calls`."""

    token: str | None
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    async def __call__(self, url: str) -> WebsocketLine:
        """Raises LineLostError when nobody answers, LogError when this machine is not let in."""
        scheme, host, *_ = urlsplit(url)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            socket = await connect(
                urlunsplit(("wss" if scheme == "https" else "ws", host, PATH, "", "")),
                additional_headers=headers,
                ssl=self.tls if scheme == "https" else None,
                open_timeout=OPEN_WITHIN_S,
                close_timeout=CLOSE_WITHIN_S,
                ping_interval=None,
                compression=None,
                proxy=None,
            )
        except websockets.InvalidStatus as error:
            status = error.response.status_code
            if status in (401, 403):
                words = "its token there is not one of the role standby: GEO_BACKUP_PAIR_TOKEN names it"
                raise LogError(f"{url} does not let this machine in ({status}): {words}") from None
            raise LineLostError from None
        except ssl.SSLCertVerificationError as error:
            raise LogError(f"{url} shows a certificate that is not trusted here: {error.verify_message}") from None
        except (OSError, TimeoutError, websockets.WebSocketException):
            raise LineLostError from None
        return WebsocketLine(socket)


class WebsocketLine:
    """The line over a websocket that was opened from here."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._frames = socket, Frames()
        self._sending = asyncio.Lock()

    async def send(self, message: Message) -> None:
        """Raises LineLostError."""
        try:
            async with self._sending:  # the parts of a long one stay together
                for frame in frames(message):
                    await self._socket.send(frame)
        except websockets.ConnectionClosed:
            raise LineLostError from None

    async def receive(self) -> Message:
        """Raises LineLostError; LogError when it was closed for want of a right."""
        try:
            while (message := self._frames.take(await self._socket.recv())) is None:
                pass
        except websockets.ConnectionClosed as error:
            closed = error.rcvd
            if closed is not None and closed.code in (4401, 4403):
                words = "GEO_BACKUP_PAIR_TOKEN is to hold one of the role standby, issued there"
                raise LogError(f"the other machine does not let this one in by its token: {words}") from None
            raise LineLostError from None
        return message

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()
