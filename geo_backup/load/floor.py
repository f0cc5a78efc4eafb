"""Floor: the same messages at the same pace through a bare broker, which keeps no log, no map and no ranking."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import numpy as np

from geo_backup.errors import BadValueError
from geo_backup.formats import mqtt
from geo_backup.load.figures import Load, Span, Stamp, quantiles
from geo_backup.load.sender import Batches
from geo_backup.load.worker import Worker, working

SUBJECT = "geo_backup_load"
STAMP_BYTES = 20
SETTLE_S, DIAL_S = 0.5, 5.0


class Speech(Protocol):
    """How one speaks to a kind of broker."""

    def opening(self, name: str, *, listens: bool) -> bytes:
        """Who this is, and whether it wants what is published."""

    def publishing(self, payload: bytes) -> bytes:
        """A message for all who listen."""

    def payloads(self, data: bytes) -> list[bytes]:
        """The messages that end in these bytes."""


class Mqtt:
    """MQTT 3.1.1, at QoS 0."""

    def __init__(self) -> None:
        self._packets = mqtt.Packets()

    def opening(self, name: str, *, listens: bool) -> bytes:
        first = mqtt.connecting(name, 3, 0, session_s=0, unacknowledged=0)
        return first + (mqtt.subscribing(1, (SUBJECT,), 3) if listens else b"")

    def publishing(self, payload: bytes) -> bytes:
        return mqtt.publishing(SUBJECT, payload)

    def payloads(self, data: bytes) -> list[bytes]:
        packets = self._packets.feed(data)
        return [mqtt.message_of(packet, 3).payload for packet in packets if packet.kind == mqtt.PUBLISH]


class Nats:
    """NATS: lines of text."""

    def __init__(self) -> None:
        self._held = b""

    def opening(self, name: str, *, listens: bool) -> bytes:
        del name
        return b'CONNECT {"verbose":false}\r\n' + (b"SUB %s 1\r\n" % SUBJECT.encode() if listens else b"")

    def publishing(self, payload: bytes) -> bytes:
        return b"PUB %s %d\r\n%b\r\n" % (SUBJECT.encode(), len(payload), payload)

    def payloads(self, data: bytes) -> list[bytes]:
        held, at, found = self._held + data, 0, []
        while (end := held.find(b"\r\n", at)) >= 0:
            line, at_body = held[at:end], end + 2
            if not line.startswith(b"MSG"):
                at = at_body
                continue
            size = int(line.rsplit(b" ", 1)[1])
            if at_body + size + 2 > len(held):
                break
            found.append(held[at_body : at_body + size])
            at = at_body + size + 2
        self._held = held[at:]
        return found


SPEECHES: dict[str, tuple[type[Mqtt | Nats], int]] = {"mqtt": (Mqtt, 1883), "nats": (Nats, 4222)}


def broker_of(url: str) -> tuple[type[Mqtt | Nats], str, int]:
    """How to speak to it, host and port. Raises `BadValueError` for what is no broker's address."""
    try:
        at = urlsplit(url)
        speech, port = SPEECHES[at.scheme]
        if not at.hostname or at.path.strip("/"):
            raise ValueError
        return speech, at.hostname, at.port or port
    except (KeyError, ValueError):
        text = f"{url!r} is no broker's address; it looks like mqtt://127.0.0.1:1883 or nats://127.0.0.1:4222"
        raise BadValueError("--broker", "url", text) from None


class Subscriber(asyncio.Protocol):
    """It counts what comes, and times it if it is one of the `timed`."""

    def __init__(self, speech: Speech, name: str, span_from_s: float, timed: bool) -> None:
        self._speech, self._name, self._from_s, self._timed = speech, name, span_from_s, timed
        self.took_ms: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(self._speech.opening(self._name, listens=True))

    def data_received(self, data: bytes) -> None:
        if not self._timed:
            return
        now_s = time.monotonic()
        for payload in self._speech.payloads(data):
            sent_s = float(payload[:STAMP_BYTES])
            if sent_s >= self._from_s:
                self.took_ms.append(1_000 * (now_s - sent_s))


async def floor(url: str, load: Load) -> dict[str, Any]:
    """From publishing a batch to its arrival at each subscriber. Raises `BadValueError` without a broker there."""
    speech, host, port = broker_of(url)
    own = speech()
    try:
        async with asyncio.timeout(DIAL_S):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(own.opening(f"{SUBJECT}_sender", listens=False))
            await reader.read(1)  # a broker says something first, or answers
    except (OSError, TimeoutError) as error:
        text = f"no broker answers at {url}: {error or 'it says nothing'}"
        raise BadValueError("--broker", "unreachable", text) from None
    async with working(_listen, url, load) as listeners:
        await listeners.told()
        begin_s = time.monotonic() + SETTLE_S
        span = Span(begin_s, begin_s + load.seconds)
        listeners.tell(span)
        still = np.array([[11.97, 57.7], [11.98, 57.71]])  # where they drive does not matter here
        batches, stamp, sent = Batches(load, [still]), Stamp.now(), 0
        await asyncio.sleep(SETTLE_S)
        for due_s in batches.due(span.end_s):
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            body = batches.next(due_s, stamp)[2]
            writer.write(own.publishing(f"{time.monotonic():{STAMP_BYTES}.9f}".encode() + body))
            await writer.drain()
            sent += 1
        heard: dict[str, Any] = await listeners.told()
    writer.close()
    expected = sent * min(load.timed, load.viewers)
    return {"broker": url, **heard, "messages_lost": max(0, expected - heard.pop("heard"))}


async def _listen(worker: Worker, url: str, load: Load) -> dict[str, Any]:
    speech, host, port = broker_of(url)
    loop = asyncio.get_running_loop()
    from_s = time.monotonic()
    subscribers = [
        (
            await loop.create_connection(
                partial(Subscriber, speech(), f"{SUBJECT}_{n}", from_s, n < load.timed),
                host,
                port,
            )
        )[1]
        for n in range(load.viewers)
    ]
    worker.tell("ready")
    span: Span = await worker.told()
    await asyncio.sleep(max(0.0, span.end_s + SETTLE_S - time.monotonic()))
    took_ms = [ms for one in subscribers for ms in one.took_ms]
    return {"latency_ms": quantiles(took_ms, 50, 99, 99.9), "heard": len(took_ms)}
