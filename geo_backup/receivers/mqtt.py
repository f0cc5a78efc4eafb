"""MQTT: OwnTracks phones by way of a broker. A message is acknowledged once the log has it: the broker keeps what is
not, so that none is lost when this server dies, and sends it again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from geo_backup.errors import BadValueError
from geo_backup.formats import owntracks
from geo_backup.formats.heard import NO_JSON, Heard
from geo_backup.receivers.inlet import Inlet, Message
from geo_backup.receivers.section import Section
from geo_backup.wire.body import parse

log_ = logging.getLogger("geo_backup.receivers")

UNACKNOWLEDGED_MAX = 2_000
"""Messages that a broker hands over ahead of their acknowledgement."""
HELD_MAX = 20_000
"""Messages that wait for the event loop; those without acknowledgement are dropped beyond it, and counted."""
SESSION_S = 7 * 24 * 3600
"""So long the broker keeps what this server has not acknowledged."""
BYTES_MAX = 8_192
AGAIN_S = (1, 60)
"""First and longest wait before a broker that went away is dialled again; it doubles each time."""
RETRY_S = 2.0
KEEPALIVE_S = 30
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
        # 3.1.1 is spoken by all brokers, and paho spends half as much on a message of it
        version = section.whole("version", 3, 3, 5)
        self.client_id = section.text("client_id", "geo-backup")
        ca = section.file("ca")
        section.done()
        if version == 4:
            raise section.wrong("version", "is 3 (MQTT 3.1.1) or 5")
        self.is_v5 = version == 5
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            self.client_id,
            clean_session=None if self.is_v5 else False,
            protocol=paho.MQTTv5 if self.is_v5 else paho.MQTTv311,
            manual_ack=True,
        )
        self._client.reconnect_delay_set(*AGAIN_S)
        if username:
            self._client.username_pw_set(username, password)
        if at.scheme == "mqtts":
            try:
                self._client.tls_set_context(ssl.create_default_context(cafile=ca))
            except (OSError, ValueError) as error:
                raise section.wrong("ca", f"is no certificate authority in PEM: {error}") from None
        self._held: deque[paho.MQTTMessage] = deque()
        self._awake = self._missed = False
        self.connected = self.connections = self.retained = self.other = self.overflow = self.unacknowledged = 0

    def bind(self, tls: ssl.SSLContext | None = None) -> None:
        """It takes no port."""

    async def run(self, inlet: Inlet) -> None:
        """Receive until cancelled. The broker need not be there yet."""
        loop, client = asyncio.get_running_loop(), self._client
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_message = partial(self._on_message, loop, inlet)
        properties = None
        if self.is_v5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_S
            properties.ReceiveMaximum = UNACKNOWLEDGED_MAX
        more: dict[str, Any] = {"clean_start": False, "properties": properties} if self.is_v5 else {}
        client.connect_async(self.host, self.port, KEEPALIVE_S, **more)
        client.loop_start()
        try:
            await loop.create_future()
        finally:
            client.on_message = None
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)

    # ---- in the thread of the client

    def _on_connect(self, client: paho.Client, _: object, flags: object, reason: Any, properties: object) -> None:
        if reason.is_failure:
            log_.warning("the MQTT broker %s:%d refuses this server: %s", self.host, self.port, reason)
            return
        self.connected, self.connections, self._missed = 1, self.connections + 1, False
        for topic in self.topics:
            if self.is_v5:  # a message that the broker kept is no news: it is not asked for
                client.subscribe(
                    topic, options=SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
                )
            else:
                client.subscribe(topic, 1)

    def _on_connect_fail(self, client: paho.Client, _: object) -> None:
        if not self._missed:
            log_.warning("the MQTT broker %s:%d does not answer; it is called again and again", self.host, self.port)
        self._missed = True

    def _on_disconnect(self, client: paho.Client, _: object, flags: object, reason: Any, properties: object) -> None:
        if self.connected:
            log_.warning("the MQTT broker %s:%d is gone: %s", self.host, self.port, reason)
        self.connected = 0

    def _on_message(
        self, loop: asyncio.AbstractEventLoop, inlet: Inlet, client: paho.Client, _: object, message: paho.MQTTMessage
    ) -> None:
        if len(self._held) >= HELD_MAX and message.qos == 0:
            self.overflow += 1
            return
        self._held.append(message)
        if not self._awake:
            self._awake = True
            with suppress(RuntimeError):  # the server stops
                loop.call_soon_threadsafe(self._take_all, loop, inlet)

    # ---- in the event loop

    def _take_all(self, loop: asyncio.AbstractEventLoop, inlet: Inlet) -> None:
        self._awake = False
        while self._held:
            self._take(loop, inlet, self._held.popleft())

    def _take(
        self, loop: asyncio.AbstractEventLoop, inlet: Inlet, message: paho.MQTTMessage, again: bool = False
    ) -> None:
        if message.retain:  # where it was, said once more because somebody asks; it is not where it is
            self.retained += 1
            self._acknowledge(message)
            return
        try:
            heard: Heard | BadValueError | None = said(message.topic, bytes(message.payload))
        except BadValueError as error:
            heard = error
        if heard is None:
            self.other += 1
            self._acknowledge(message)
            return
        self.unacknowledged += not again
        text = message.payload[:BYTES_MAX].decode("utf-8", "replace")

        def then(kept: bool) -> None:
            if message.qos and not kept:
                loop.call_later(RETRY_S, self._take, loop, inlet, message, True)
                return
            self.unacknowledged -= 1
            if kept:
                self._acknowledge(message)

        if not inlet.take(Message(self.way, heard, text, then=then, device="/".join(_sender(message.topic)))):
            self.overflow += not message.qos
            then(False)

    def _acknowledge(self, message: paho.MQTTMessage) -> None:
        if message.qos:
            self._client.ack(message.mid, message.qos)

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
