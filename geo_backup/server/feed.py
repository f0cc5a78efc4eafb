"""The websocket feed: hello, then a snapshot or what was missed, then frames and heartbeats until one side leaves."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated

import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from pydantic import Field, ValidationError

from geo_backup.custody import Looked
from geo_backup.feed import TOPICS
from geo_backup.node import Node, Viewer, rung
from geo_backup.people import Principal
from geo_backup.people.sight import Sight
from geo_backup.server.access import topics_of
from geo_backup.server.adoption import address_of
from geo_backup.server.given import Steering, TheNode, ThePresence, TheScreens, TheSpeakers, TheSteering, TheWriter
from geo_backup.server.looks import audit, looked
from geo_backup.server.presence import Presence, Seat
from geo_backup.server.problems import pointer
from geo_backup.server.screens import Screens
from geo_backup.server.speaker import speaker_of
from geo_backup.server.window import Window
from geo_backup.wire import documents
from geo_backup.wire.body import parse
from geo_backup.wire.requests import Request
from geo_backup.wire.route import handed
from geo_backup.wire.times import to_text

log_ = logging.getLogger("geo_backup.feed")

HELLO_WITHIN_S = 5.0
HEARTBEAT_S = 1.0
"""A page that hears nothing for three of them sends nobody any more."""
HOLDS_S = 2.5
"""So often it is asked whether a viewer is still who they were: with the roster's own second, within five in all."""
VIEWERS_MAX = 1_000
CLOSE_BAD_HELLO = 4400
CLOSE_NOBODY = 4401
CLOSE_NO_RIGHT = 4403
OVER = "the session is over, or its rights have changed: sign in again"


class Resume(Request):
    epoch: Annotated[str, Field(max_length=64)]
    after: Annotated[int, Field(ge=0)]


class Hello(Request):
    type: Annotated[str, Field(pattern="^hello$")]
    topics: Annotated[list[str], Field(default_factory=lambda: list(TOPICS), max_length=2 * len(TOPICS))]
    resume: Resume | None = None
    ticket: Annotated[str, Field(max_length=128)] = ""


routes = APIRouter()


@routes.websocket("/v1/feed")
@handed
async def feed(
    socket: WebSocket,
    node: TheNode,
    writer: TheWriter,
    steering: TheSteering,
    speakers: TheSpeakers,
    presence: ThePresence,
    screens: TheScreens,
) -> None:
    await socket.accept()
    hello = await _hello(socket)
    if hello is None:
        return
    who = speakers.take_ticket(hello.ticket) if hello.ticket else speaker_of(socket.scope)
    topics = topics_of(who) & frozenset(hello.topics) if who is not None else frozenset()
    if who is None or (hello.topics and not topics):
        with suppress(WebSocketDisconnect, RuntimeError):
            code, words = (CLOSE_NOBODY, "sign in first") if who is None else (CLOSE_NO_RIGHT, "not for your roles")
            await socket.close(code, words)
        return
    if len(node.viewers) >= VIEWERS_MAX:
        await socket.close(1013, "too many viewers")
        return
    now = partial(speakers.holds, who)
    who = now()  # as they are at this moment: what they see is compared with this from now on
    if who is None:
        await socket.close(CLOSE_NOBODY, OVER)
        return
    viewer = node.viewers.watch(topics)  # before the snapshot, so that nothing falls between
    window = Window(node, writer, Sight.of(who), topics)
    if who.kind != "anyone":
        await audit(node, _looked(node, socket, who, window))
    company = Company(presence, Seat(who), node, screens) if "incidents" in topics else None
    if "messages" in topics:
        screens.enter(who)
    sender = asyncio.create_task(_send(node, socket, viewer, hello, window, steering, company, lambda: now() == who))
    reader = asyncio.create_task(_until_left(socket, company))
    try:
        await asyncio.wait((sender, reader), return_when=asyncio.FIRST_COMPLETED)
    finally:
        node.viewers.unwatch(viewer)
        if "messages" in topics:
            screens.leave(who)
        sender.cancel()
        reader.cancel()
        ends = await asyncio.gather(sender, reader, return_exceptions=True)
        if company is not None:
            company.presence.leave(company.seat)
        if who.kind != "anyone":
            await audit(node, replace(_looked(node, socket, who, window), until_ms=node.clock.now_ms()))
    if isinstance(ends[0], Exception) and not isinstance(ends[0], WebSocketDisconnect | RuntimeError):
        # better a viewer that comes back by itself than one that waits in silence
        log_.error("a viewer's feed failed", exc_info=ends[0])
    if reader.cancelled():
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(1011)


def _looked(node: Node, socket: WebSocket, who: Principal, window: Window) -> Looked:
    """For the record: who follows what, and how far they see."""
    return looked(node, who, "feed", tuple(sorted(window.topics)), address_of(socket))


class Company:
    """The other desks, and which units have nothing to show a message, as one viewer is told of them."""

    def __init__(self, presence: Presence, seat: Seat, node: Node, screens: Screens) -> None:
        self.presence, self.seat, self._node, self._screens = presence, seat, node, screens
        self._told: dict[str, list[str]] = {}
        self._without: frozenset[str] = frozenset()
        self._version = -1
        self._wrong = ""

    def forget(self) -> None:
        """The viewer begins anew: it has been told of nobody."""
        self._told, self._version, self._without = {}, -1, frozenset()

    def hear(self, text: str | None) -> None:
        """The viewer says something."""
        self._wrong = self.presence.hear(self.seat, text, self._node.live_map)

    def news(self) -> Iterator[dict[str, object]]:
        """What the viewer does not know yet. Whose sight is narrow may see less without anybody having moved."""
        if self._wrong:
            wrong, self._wrong = self._wrong, ""
            yield {"type": "error", "message": wrong}
        live_map, sight = self._node.live_map, Sight.of(self.seat.who)
        without = self._screens.without(sight) if sight.desk else frozenset()
        if without != self._without:
            self._without = without
            yield {"type": "no_phone", "units": sorted(without)}
        if self._version == self.presence.version and sight.whole(live_map):
            return
        self._version, others = self.presence.version, self.presence.others(self.seat, live_map)
        if others != self._told:
            self._told = others
            yield {"type": "present", "incidents": others}


async def _until_left(socket: WebSocket, company: Company | None) -> None:
    """A client says which incident it has open, and nothing else; reading also tells that it left."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            if company is not None:
                company.hear(message.get("text"))


async def _hello(socket: WebSocket) -> Hello | None:
    try:
        async with asyncio.timeout(HELLO_WITHIN_S):
            text = await socket.receive_text()
        hello = Hello.model_validate(parse(text))
        unknown = [name for name in hello.topics if name not in TOPICS]
        if not unknown:
            return hello
        problem = f"/topics: unknown topic {unknown[0]!r}; topics are {', '.join(TOPICS)}"
    except TimeoutError:
        problem = f"no hello within {HELLO_WITHIN_S:g} s"
    except (WebSocketDisconnect, RuntimeError):
        return None
    except KeyError:
        problem = "hello is a text message"
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{pointer(first['loc'])}: {first['msg']}"
    except json.JSONDecodeError as error:
        problem = f"hello is not JSON: {error}"
    with suppress(WebSocketDisconnect, RuntimeError):  # it may have left meanwhile
        await socket.send_text(orjson.dumps({"type": "error", "message": problem}).decode())
        await socket.close(CLOSE_BAD_HELLO, problem.encode()[:120].decode(errors="ignore"))
    return None


async def _send(
    node: Node,
    socket: WebSocket,
    viewer: Viewer,
    hello: Hello,
    window: Window,
    steering: Steering | None,
    company: Company | None,
    still: Callable[[], bool],
) -> None:
    outbox, loop = viewer.outbox, asyncio.get_running_loop()
    rules = node.live_map.rules
    missed = node.since(hello.resume.epoch, hello.resume.after) if hello.resume is not None else None
    if missed is None or not window.sight.whole(node.live_map):  # nobody knows what this viewer was shown
        outbox.snapshot_due = True
    else:
        # what was missed follows in a frame: until then the viewer is no further than it says it was
        after = hello.resume.after if hello.resume is not None else 0
        head = {"type": "resumed", "epoch": node.log.epoch, "seq": after, "mode": node.clock.mode}
        limits = documents.freshness_limits(rules)
        await socket.send_text(orjson.dumps({**head, "freshness": limits}).decode())
        outbox.mark(missed)
    viewer.bell.set()
    beat_at, held_at = loop.time() + HEARTBEAT_S, loop.time() + HOLDS_S
    clock_at, told, known = loop.time(), None, None
    while True:
        wake_at = min(beat_at, held_at, clock_at) if steering is not None else min(beat_at, held_at)
        await rung(viewer.bell, max(wake_at - loop.time(), 0.0))
        viewer.bell.clear()
        if outbox.snapshot_due or window.stale:
            outbox.snapshot_due, rules = False, node.live_map.rules
            outbox.take()
            await socket.send_text(await window.snapshot())
            told = known = None
            if company is not None:
                company.forget()
        health = (node.health.conditions, node.health.elsewhere)
        if known != health and (known is not None or any(health)):
            known = health
            wrong = {"type": "health", "conditions": node.health.document(), "elsewhere": health[1]}
            await socket.send_text(orjson.dumps(wrong).decode())
        if rules is not node.live_map.rules:
            rules = node.live_map.rules
            limits = documents.freshness_limits(rules)
            await socket.send_text(orjson.dumps({"type": "freshness", "freshness": limits}).decode())
        began_s = loop.time()
        frames = outbox.take()
        text = window.frame(frames) if frames else None
        if text is not None:
            node.counters["frames"] += 1
            await socket.send_text(text)
            node.frames_took_s += loop.time() - began_s
        if loop.time() >= held_at:
            held_at = loop.time() + HOLDS_S
            if not still():
                await socket.close(CLOSE_NOBODY, OVER)
                return
        if loop.time() >= beat_at:
            beat_at = loop.time() + HEARTBEAT_S
            beat = {"type": "heartbeat", "seq": node.live_map.seq, "server_time": to_text(node.clock.now_ms())}
            await socket.send_text(orjson.dumps(beat).decode())
            for news in company.news() if company is not None else ():
                await socket.send_text(orjson.dumps(news).decode())
        if steering is not None and (loop.time() >= clock_at or told is None):
            clock_at = loop.time() + 1.0
            told = steering.state()
            await socket.send_text(orjson.dumps({"type": "clock", **told}).decode())
