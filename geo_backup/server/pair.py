"""The pair over HTTP: the line to the other machine, how the two stand, and who is to lead."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import WebSocket, WebSocketDisconnect
from fastapi.websockets import WebSocketState

from geo_backup.errors import LogError
from geo_backup.node import Node
from geo_backup.node.health import Name
from geo_backup.pair.line import Frames, LineLostError, Message, frames
from geo_backup.pair.pair import Pair
from geo_backup.server.access import refusal_of
from geo_backup.server.answers import told
from geo_backup.server.given import TheNode, ThePair, routes_of
from geo_backup.server.problems import Problem, may
from geo_backup.server.speaker import speaker_of
from geo_backup.wire import documents
from geo_backup.wire.requests import Promotion
from geo_backup.wire.route import handed
from geo_backup.wire.told import Told

routes = routes_of("Server")

CLOSE_NO_RIGHT = 4403
NO_PAIR = "this server has no log that a second machine could have: it is a demo or a replay"
LOOK_S = 1.0


@routes.websocket("/pair/line")
@handed
async def line(socket: WebSocket, pair: ThePair) -> None:
    """The line that a standby opens; see `pair.line`."""
    await socket.accept()
    refused = refusal_of(speaker_of(socket.scope), "stand_in")
    if refused is not None or pair is None:
        words = NO_PAIR if refused is None else refused[1]
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(CLOSE_NO_RIGHT, words.encode()[:120].decode(errors="ignore"))
        return
    end = _Line(socket)
    try:
        await pair.serve(end)
    finally:
        await end.close()


@routes.get("/pair", responses=may(404))
async def get_pair(node: TheNode, pair: ThePair) -> Told[documents.Pair]:
    """Whether this machine leads, who the other one is, and how far it is behind."""
    if pair is None:
        raise Problem(404, NO_PAIR)
    return told(_document(pair))


@routes.post("/pair/promote", responses=may(404, 409))
async def promote(pair: ThePair, body: Promotion) -> Told[documents.Pair]:
    """Have this machine lead. The one that leads hands over, and nothing is lost; if it does not answer, `force` leads
    all the same, and what it acknowledged and this one does not have is lost."""
    if pair is None:
        raise Problem(404, NO_PAIR)
    try:
        await pair.promote(force=body.force)
    except LogError as error:
        raise Problem(409, str(error), [{"field": "", "reason": "not_promoted", "message": str(error)}]) from None
    return told(_document(pair))


def _document(pair: Pair) -> documents.Pair:
    log, standby = pair.log, pair.leader.standby
    document: documents.Pair = {
        "role": log.role,
        "name": log.memory.name,
        "term": log.term.number,
        "leader": log.term.leader or log.memory.name,
        "seq": log.last_seq,
        "other": log.memory.other,
        "other_url": log.memory.other_url,
        "connected": standby is not None if log.leads else not log.silent,
        "in_step": log.in_step if log.leads else not log.silent,
        "synchronous": log.synchronous,
    }
    if standby is not None:
        document["standby_has"] = log.standby_has
        document["clock_off_ms"] = standby.clock_off_ms
    return document


async def keep_pair(node: Node, pair: Pair) -> None:
    """As long as the server runs: be one of two, and say where their clocks differ."""
    running = asyncio.create_task(pair.run())
    try:
        while not running.done():
            await asyncio.sleep(LOOK_S)
            wrong: tuple[tuple[Name, str], ...] = (
                ("clocks_apart", pair.leader.clock_words),
                ("witness_silent", pair.witness_words),
            )
            for name, words in wrong:
                if words:
                    node.health.say(name, words)
                else:
                    node.health.clear(name)
        running.result()
    finally:
        running.cancel()


class _Line:
    """The line over a websocket that the other machine opened."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket, self._frames = socket, Frames()
        self._sending = asyncio.Lock()

    async def send(self, message: Message) -> None:
        """Raises LineLostError."""
        try:
            async with self._sending:  # the parts of a long one stay together
                for frame in frames(message):
                    await self._socket.send_text(frame)
        except (WebSocketDisconnect, RuntimeError):
            raise LineLostError from None

    async def receive(self) -> Message:
        """Raises LineLostError."""
        try:
            while (message := self._frames.take(await self._socket.receive_text())) is None:
                pass
        except (WebSocketDisconnect, RuntimeError, KeyError):
            raise LineLostError from None
        return message

    async def close(self) -> None:
        """Hang up."""
        if self._socket.application_state is not WebSocketState.DISCONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._socket.close()
