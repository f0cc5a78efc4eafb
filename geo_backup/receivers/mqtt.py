"""MQTT: OwnTracks phones by way of a broker. A message is acknowledged once the log has it: the broker keeps what is
not, so that none is lost when this server dies, and sends it again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

from geo_backup.errors import BadValueError
from geo_backup.formats import mqtt, owntracks
from geo_backup.formats.heard import NO_JSON, Heard
from geo_backup.receivers.inlet import Inlet, Message
from geo_backup.receivers.section import Section
from geo_backup.wire.body import parse

log_ = logging.getLogger("geo_backup.receivers")

UNACKNOWLEDGED_MAX = 2_000
"""Messages that a broker of version 5 hands over ahead of their acknowledgement."""
SESSION_S = 7 * 24 * 3600
"""So long the broker keeps what this server has not acknowledged."""
BYTES_MAX = 8_192
READ_BYTES = 16_384
"""So much is read and understood, a hundred messages, before others have their turn."""
UNSENT_BYTES = 262_144
"""Of acknowledgements that a broker does not read, before it is let go."""
AGAIN_S = (1.0, 60.0)
"""First and longest wait before a broker that went away is dialled again; it doubles each time."""
RETRY_S = 2.0
KEEPALIVE_S = 30
"""A broker may let go of whoever says nothing for half as long again."""
PING_S = 10.0
"""So often it is told that this server is there, which also suits a broker that wants to be told more often ..."""
SILENT = 4
"""... and one that has said nothing for so many times as long is gone."""
DIAL_S = 10.0
PORTS = {"mqtt": 1883, "mqtts": 8883}
URL = "names the broker, such as mqtt://127.0.0.1:1883 or mqtts://mqtt.example.org (username has a key)"


class Mqtt:
    """The receiver of `[receivers.mqtt]`: `url`, `topics`, `username`, `password_env`, `client_id`, `ca`, `version`."""

    way = "mqtt"

    def __init__(self, section: Section) -> None:
        url = section.text("url")
        try:
            at = urlsplit(url)
            self.host, self.port = at.hostname or "", at.port or PORTS.get(at.scheme, 0)
        except ValueError:
            self.host, self.port = "", 0
        if not url:
            section.lacks("url", URL)
        elif not self.host or at.scheme not in PORTS or at.path.strip("/") or at.username is not None:
            raise section.wrong("url", URL)
        self.topics = section.texts("topics", ("owntracks/+/+",))
        if not self.topics or not all(0 < len(topic) <= 1_000 for topic in self.topics):
            raise section.wrong("topics", 'is a list of topics, such as ["owntracks/+/+"]')
        username, password = section.text("username"), section.secret("password_env")
        # 3.1.1 is spoken by all brokers
        version = section.whole("version", 3, 3, 5)
        self.client_id = section.text("client_id", "geo-backup")
        ca = section.file("ca")
        section.done()
        if version == 4:
            raise section.wrong("version", "is 3 (MQTT 3.1.1) or 5")
        self.version: mqtt.Version = 5 if version == 5 else 3
        self._tls: ssl.SSLContext | None = None
        if at.scheme == "mqtts":
            try:
                self._tls = ssl.create_default_context(cafile=ca)
            except (OSError, ValueError) as error:
                raise section.wrong("ca", f"is no certificate authority in PEM: {error}") from None
        self.hello = mqtt.connecting(
            self.client_id,
            self.version,
            KEEPALIVE_S,
            username=username,
            password=password,
            session_s=SESSION_S,
            unacknowledged=UNACKNOWLEDGED_MAX,
        )
        self._missed = ""
        """Why the broker could not be had the last time."""
        self.connected = self.connections = self.retained = self.other = self.overflow = self.unacknowledged = 0

    def bind(self, tls: ssl.SSLContext | None = None) -> None:
        """It takes no port."""

    async def run(self, inlet: Inlet) -> None:
        """Receive until cancelled. The broker need not be there yet."""
        where, wait_s = f"the MQTT broker {self.host}:{self.port}", AGAIN_S[0]
        while True:
            before = self.connections
            try:
                async with asyncio.timeout(DIAL_S):
                    reader, writer = await asyncio.open_connection(
                        self.host, self.port, ssl=self._tls, limit=READ_BYTES
                    )
                why = await _Connection(self, inlet, writer).stands(reader)
            except (OSError, TimeoutError) as error:
                why = str(error) or "it does not answer"
            except BadValueError as error:
                why = str(error)
            if self.connections > before:
                wait_s, self._missed = AGAIN_S[0], ""
                log_.warning("%s is gone: %s", where, why)
            elif why != self._missed:
                self._missed = why
                log_.warning("%s cannot be had (%s); it is called again and again", where, why)
            await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))
            wait_s = min(2 * wait_s, AGAIN_S[1])

    def figures(self) -> dict[str, float]:
        """What only the receiver knows."""
        return {
            "connected": self.connected,
            "connections": self.connections,
            "retained": self.retained,
            "other": self.other,
            "overflow": self.overflow,
            "unacknowledged": self.unacknowledged,
        }


class _Connection:
    """One connection to the broker, from its first packet to its end."""

    def __init__(self, of: Mqtt, inlet: Inlet, writer: asyncio.StreamWriter) -> None:
        self._of, self._inlet, self._writer = of, inlet, writer
        self._loop = asyncio.get_running_loop()
        self._taken: list[int] = []
        """Numbers of messages that are acknowledged with the next turn of the loop."""
        self._over = False

    async def stands(self, reader: asyncio.StreamReader) -> str:
        """Hear what the broker sends until the connection is over; why it is. Raises `OSError`, and `BadValueError`
        where it breaks the protocol."""
        of, packets, writer = self._of, mqtt.Packets(), self._writer
        pinged_s, silent = self._loop.time(), 0
        try:
            writer.write(of.hello)
            while silent < SILENT:
                try:
                    async with asyncio.timeout(PING_S):
                        data = await reader.read(READ_BYTES)
                except TimeoutError:
                    silent += 1
                else:
                    if not data:
                        return "it hung up"
                    silent = 0
                    for packet in packets.feed(data):
                        if packet.kind == mqtt.PUBLISH:
                            self._take(mqtt.message_of(packet, of.version))
                        elif over := self._answered(packet):
                            return over
                    await self._inlet.room()
                if (now_s := self._loop.time()) - pinged_s >= PING_S:
                    pinged_s = now_s
                    writer.write(mqtt.PING)
            return "it says nothing any more"
        finally:
            self._over, of.connected = True, 0
            writer.write(mqtt.GOODBYE)
            writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(2.0):
                    await writer.wait_closed()

    def _answered(self, packet: mqtt.Packet) -> str:
        """An answer of the broker; why the connection is over, if it is."""
        of = self._of
        if packet.kind == mqtt.CONNECTED:
            if refused := mqtt.refusal_of(packet, of.version):
                return f"it refuses this server: {refused}"
            of.connected, of.connections = 1, of.connections + 1
            self._writer.write(mqtt.subscribing(1, of.topics, of.version))
        elif packet.kind == mqtt.SUBSCRIBED:
            if refused := mqtt.refusal_of(packet, of.version):
                log_.warning("the MQTT broker %s:%d refuses a topic: %s", of.host, of.port, refused)
        elif packet.kind == mqtt.DISCONNECTED:
            return mqtt.refusal_of(packet, of.version) or "it hung up"
        return ""

    def _take(self, message: mqtt.Message, again: bool = False) -> None:
        of, number = self._of, message.number
        if self._over:  # the broker sends it again
            of.unacknowledged -= again
            return
        if message.retained:  # where it was, said once more because somebody asks; it is not where it is
            of.retained += 1
            self._acknowledge(number)
            return
        try:
            heard: Heard | BadValueError | None = said(message.topic, message.payload)
        except BadValueError as error:
            heard = error
        if heard is None:
            of.other += 1
            self._acknowledge(number)
            return
        of.unacknowledged += not again

        def then(kept: bool) -> None:
            if number and not kept:
                self._loop.call_later(RETRY_S, self._take, message, True)
                return
            of.unacknowledged -= 1
            if kept:
                self._acknowledge(number)

        device = "/".join(_sender(message.topic)) if isinstance(heard, BadValueError) else ""
        if not self._inlet.take(Message(of.way, heard, message.payload[:BYTES_MAX], then=then, device=device)):
            of.overflow += not number
            then(False)

    def _acknowledge(self, number: int) -> None:
        if number and not self._over:
            if not self._taken:
                self._loop.call_soon(self._acknowledge_all)
            self._taken.append(number)

    def _acknowledge_all(self) -> None:
        taken, self._taken = self._taken, []
        if not self._over:
            self._writer.write(mqtt.acknowledging(taken))
            if self._writer.transport.get_write_buffer_size() > UNSENT_BYTES:
                self._writer.transport.abort()


def said(topic: str, payload: bytes) -> Heard | None:
    """What a message of OwnTracks says; None where it is not about where its phone is (waypoints, last wills, the
    steps of a region). Raises `BadValueError`."""
    if not payload:
        return None  # somebody takes away what the broker kept
    if len(payload) > BYTES_MAX:
        raise BadValueError("/", "too_long", f"a message has at most {BYTES_MAX:,} bytes")
    try:
        document = parse(payload)
    except (json.JSONDecodeError, BadValueError) as error:
        raise BadValueError("/", "no_json", NO_JSON.format(error)) from None
    kind = document.get("_type") if isinstance(document, dict) else None
    if isinstance(kind, str) and kind not in ("location", "encrypted"):
        return None
    return owntracks.read(document, *_sender(topic))


def _sender(topic: str) -> tuple[str, ...]:
    """User and device, as a topic names them."""
    names = topic.split("/")
    return tuple(names[-2:]) if len(names) >= 3 else ()
