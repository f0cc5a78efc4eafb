"""Viewers: they ask for what a desk's page asks for. Some time each position; most count bytes, and cost little."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from geo_backup.errors import GeoBackupError
from geo_backup.load.figures import GRACE_S, UNIT, Load, Span, Stamp, quantiles
from geo_backup.load.worker import Worker

TOPICS = ("units", "positions", "incidents", "rankings", "closures")
OFFER = "permessage-deflate; client_max_window_bits"
SLOW_BYTES, SLOW_EVERY_S = 4_096, 1.0
"""A slow viewer takes about so much, and then nothing for a while."""
BYTES_MAX = 1 << 28
FIX_MS = 4
"""Where a position on the feed has the time of its fix."""


def hello(resume: tuple[str, int] | None = None) -> bytes:
    said: dict[str, Any] = {"type": "hello", "topics": TOPICS}
    if resume is not None:
        said["resume"] = {"epoch": resume[0], "after": resume[1]}
    return json.dumps(said).encode()


class Timed:
    """A viewer that keeps the latest value of each position and notes how long each new one took."""

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._from_ms = self._until_ms = sys.maxsize
        self._known: dict[str, int] = {}
        """The time of the last fix, by unit."""
        self.took_ms: list[int] = []
        self.frames = self.text_bytes = 0
        self.epoch, self.seq = "", 0
        self.cut_s = 0.0
        self.back_ms: float | None = None
        self.anew = 0
        """How often it was sent everything."""
        self._link: ClientConnection | None = None

    async def run(self, url: str, headers: dict[str, str], tls: ssl.SSLContext | None) -> None:
        """Until cancelled; a lost line is taken up again at once."""
        while True:
            with suppress(WebSocketException, OSError):
                async with connect(
                    url, max_size=1 << 28, additional_headers=headers, ssl=tls, proxy=None
                ) as self._link:
                    await self._link.send(hello((self.epoch, self.seq) if self.epoch else None).decode())
                    async for text in self._link:
                        self._take(text)
            if self.cut_s == 0.0:
                await asyncio.sleep(0.2)

    def count(self, span: Span) -> None:
        """What is sent in this span counts."""
        self._from_ms, self._until_ms = self._stamp.ms(span.begin_s), self._stamp.ms(span.end_s)

    def lacks(self, last: Mapping[str, int]) -> int:
        """Of how many units it does not know the last fix."""
        return sum(self._known.get(unit, 0) < fix_ms for unit, fix_ms in last.items())

    def cut(self) -> None:
        """The line is lost."""
        self.cut_s = time.monotonic()
        if self._link is not None:
            self._link.transport.abort()

    def _take(self, text: str | bytes) -> None:
        now_s = time.monotonic()
        message = orjson.loads(text)
        kind = message["type"]
        if self.cut_s and self.back_ms is None:
            self.back_ms = 1_000 * (now_s - self.cut_s)
        if kind in ("snapshot", "resumed"):
            self.epoch = message["epoch"]
            self.anew += kind == "snapshot"
        self.seq = max(self.seq, message.get("seq", 0))
        if kind not in ("frame", "snapshot"):
            return
        now_ms, counts = self._stamp.ms(now_s), kind == "frame" and self._stamp.ms(now_s) >= self._from_ms
        self.frames += counts
        self.text_bytes += len(text) if counts else 0
        for unit, value in message.get("positions", {}).items():
            if value is None or not unit.startswith(UNIT):
                continue
            fix_ms = value[FIX_MS]
            if fix_ms > self._known.get(unit, 0):
                self._known[unit] = fix_ms
                if counts and self._from_ms <= fix_ms < self._until_ms:
                    self.took_ms.append(now_ms - fix_ms)


class Counting(asyncio.Protocol):
    """A viewer that counts bytes. It offers the compression that a browser offers."""

    def __init__(self, host: str, headers: dict[str, str], resume: tuple[str, int] | None = None) -> None:
        lines = {
            "Host": host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Extensions": OFFER,
            **headers,
        }
        self._head = "GET /v1/feed HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._resume = resume
        self._open = False
        self.bytes = 0
        self.heard_s: float | None = None
        """When the server said its first word."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(f"{self._head}\r\n".encode())

    def cut(self) -> None:
        """The line is lost."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._open, said = True, hello(self._resume)
            # one text frame under a mask of zeros
            length = bytes([0x80 | len(said)]) if len(said) < 126 else bytes([0xFE]) + len(said).to_bytes(2, "big")
            self.transport.write(b"\x81" + length + bytes(4) + said)
        elif self.heard_s is None:
            self.heard_s = time.monotonic()
        self.bytes += len(data)


class Slow(Counting):
    """A viewer on a bad line."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.transport.is_closing():
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(SLOW_EVERY_S, self._on)

    def _on(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()


class Crowd:
    """All viewers of one process."""

    def __init__(self, url: str, token: str | None, load: Load, stamp: Stamp) -> None:
        parts = urlsplit(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._netloc, self._url = parts.netloc, url.replace("http", "ws", 1) + "/v1/feed"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._load = load
        self.timed = [Timed(stamp) for _ in range(min(load.timed, load.viewers))]
        self.counting: list[Counting] = []
        self.slow: list[Counting] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self) -> None:
        """All connect, one after the other."""
        self._tasks = [asyncio.create_task(one.run(self._url, self._headers, self._tls)) for one in self.timed]
        for _ in range(self._load.viewers - len(self.timed)):
            self.counting.append(await self._connected(Counting))
        for _ in range(self._load.slow_viewers):
            self.slow.append(await self._connected(Slow, SLOW_BYTES))

    async def storm(self) -> tuple[list[float], int]:
        """All lines are cut at once, and all come back at once. How long each was without a word, in ms, and how many
        were not back within `GRACE_S` five times over."""
        resume = (self.timed[0].epoch, self.timed[0].seq)
        cut_s, gone = time.monotonic(), self.counting
        everybody: tuple[Counting | Timed, ...] = (*gone, *self.timed)
        for one in everybody:
            one.cut()
        self.counting = list(await asyncio.gather(*(self._connected(Counting, resume=resume) for _ in gone)))
        for old, new in zip(gone, self.counting, strict=True):
            new.bytes += old.bytes
        for _ in range(int(5 * GRACE_S / 0.05)):
            heard = [one.heard_s for one in self.counting]
            if all(heard) and all(one.back_ms is not None for one in self.timed):
                break
            await asyncio.sleep(0.05)
        back = [1_000 * (one.heard_s - cut_s) for one in self.counting if one.heard_s is not None]
        back += [one.back_ms for one in self.timed if one.back_ms is not None]
        return back, len(self.counting) + len(self.timed) - len(back)

    async def go(self) -> None:
        for one in (*self.counting, *self.slow):
            one.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(
        self, kind: Callable[..., Counting], receive_bytes: int = 0, resume: tuple[str, int] | None = None
    ) -> Counting:
        loop = asyncio.get_running_loop()
        try:
            place = (await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))[0]
            line = socket.socket(place[0], socket.SOCK_STREAM)
            line.setblocking(False)
            if receive_bytes:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            await loop.sock_connect(line, place[4])
            name = self._host if self._tls else None
            made = await loop.create_connection(
                lambda: kind(self._netloc, self._headers, resume), sock=line, ssl=self._tls, server_hostname=name
            )
        except OSError as error:
            raise GeoBackupError(
                f"a viewer cannot connect to {self._netloc}: {error.strerror or error}; more viewers need more open "
                "files (ulimit -n), here and where the server is"
            ) from None
        return made[1]


async def look(worker: Worker, url: str, token: str | None, load: Load, stamp: Stamp) -> dict[str, Any]:
    """Look on until a span is over and what was sent last has come; what was seen."""
    crowd = Crowd(url, token, load, stamp)
    await crowd.come()
    worker.tell("ready")
    span: Span = await worker.told()
    for one in crowd.timed:
        one.count(span)
    await asyncio.sleep(max(0.0, span.begin_s - time.monotonic()))
    before, slow_before, cpu_s = _bytes(crowd.counting), _bytes(crowd.slow), time.process_time()
    back: list[float] = []
    lost = 0
    if load.storm:
        await asyncio.sleep(max(0.0, span.half_s - time.monotonic()))
        back, lost = await crowd.storm()
    await asyncio.sleep(max(0.0, span.end_s - time.monotonic()))
    seconds = span.end_s - span.begin_s
    wire, slow = _bytes(crowd.counting) - before, _bytes(crowd.slow) - slow_before
    cpu_share = (time.process_time() - cpu_s) / seconds
    last: dict[str, int] = await worker.told()
    until_s = time.monotonic() + GRACE_S
    while (missing := sum(one.lacks(last) for one in crowd.timed)) and time.monotonic() < until_s:
        await asyncio.sleep(0.05)
    await crowd.go()
    timed = crowd.timed
    seen: dict[str, Any] = {
        "latency_ms": quantiles([ms for one in timed for ms in one.took_ms], 50, 99, 99.9),
        "frames_per_s_and_viewer": _each(sum(one.frames for one in timed) / seconds, timed),
        "text_kB_per_s_and_viewer": _each(sum(one.text_bytes for one in timed) / seconds / 1e3, timed),
        "wire_kB_per_s_and_viewer": _each(wire / seconds / 1e3, crowd.counting),
        "cpu_share": round(cpu_share, 2),
        "last_values_missing": missing,
    }
    if load.slow_viewers:
        seen["wire_kB_per_s_and_slow_viewer"] = _each(slow / seconds / 1e3, crowd.slow)
    if load.storm:
        resumed = sum(one.anew == 1 for one in timed)
        seen["storm"] = {"back_ms": quantiles(back, 50, 99), "not_back": lost, "timed_that_resumed": resumed}
    return seen


def _bytes(viewers: list[Counting]) -> int:
    return sum(one.bytes for one in viewers)


def _each(total: float, viewers: list[Any]) -> float | None:
    return round(total / len(viewers), 1) if viewers else None
