"""The other machines over HTTP: the line to them, how all of them stand, and who is to lead."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import WebSocket, WebSocketDisconnect
from fastapi.websockets import WebSocketState

from geo_backup.errors import LogError
from geo_backup.node import Node
from geo_backup.pair.company import Company
from geo_backup.pair.line import Frames, LineLostError, Message, frames
from geo_backup.people import Roster
from geo_backup.server.access import refusal_of
from geo_backup.server.answers import told
from geo_backup.server.given import ThePair, routes_of
from geo_backup.server.problems import Problem, may
from geo_backup.server.speaker import speaker_of
from geo_backup.wire import documents
from geo_backup.wire.requests import Promotion
from geo_backup.wire.route import handed
from geo_backup.wire.told import Told

routes = routes_of("Server")

CLOSE_NO_RIGHT = 4403
NO_PAIR = "this server has no log that a second machine could have: it is a demo or a replay"
NO_CLUSTER = "this server shares its log with no others: start it with --log nats://HOST/AREA"
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
async def get_pair(pair: ThePair) -> Told[documents.Pair]:
    """Whether this machine leads, who the other one is, and how far it is behind."""
    if pair is None:
        raise Problem(404, NO_PAIR)
    return told(pair.document())


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
    return told(pair.document())


@routes.get("/nodes", responses=may(404))
async def get_nodes(pair: ThePair) -> Told[documents.Nodes]:
    """The nodes that share a log: which of them leads, and how far each is."""
    nodes = None if pair is None else pair.nodes()
    if nodes is None:
        raise Problem(404, NO_CLUSTER)
    return told(nodes)


async def keep_company(node: Node, pair: Company, roster: Roster | None) -> None:
    """As long as the server runs: be one of those that share the log, say what is wrong between them, and have an
    emergency alarm at all of them though the log does not take it."""
    node.alarms.shout = pair.shout
    pair.listen(node.alarms.heard)
    running = asyncio.create_task(pair.run(roster))
    try:
        while not running.done():
            await asyncio.sleep(LOOK_S)
            node.health.others(pair.elsewhere())
            for name, words in pair.faults():
                if words:
                    node.health.say(name, words)
                else:
                    node.health.clear(name)
        running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


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
