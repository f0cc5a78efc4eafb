"""The guard before each route: whether who speaks may ask this, of whom, and what of the answer they may see.

It stands around every operation, by the table in `access`; handlers ask for no right by themselves. Whoever sees
everything passes for the price of a look into that table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send

from geo_backup.live_map import LiveMap
from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.server.access import OPERATIONS, Right, reach, refusal_of, units_of
from geo_backup.server.problems import answer
from geo_backup.server.sight import GONE, Sight
from geo_backup.server.speaker import refused_of, speaker_of
from geo_backup.server.writes import no_incident, no_unit
from geo_backup.wire.route import Answer, Guarded

JSON = ("application/json", "application/problem+json")


def check(routes: Iterable[BaseRoute]) -> None:
    """Raise `KeyError` for an operation that no guard stands before, or that has no row in the table: nothing is open
    for want of a thought."""
    for route in routes:
        if isinstance(route, APIRoute) and (not isinstance(route, Guarded) or route.name not in OPERATIONS):
            raise KeyError(f"{route.name} is in no table of `server/access.py`: say there who may ask for it")


class Guard:
    """Before every route of an application of this node."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def __call__(self, operation: str, handle: Answer, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on; see `wire.route.Guarded`."""
        right, who = OPERATIONS[operation], speaker_of(scope)
        refused = refusal_of(who, right)
        if refused is not None:
            status, words, errors = refused
            words = refused_of(scope) or words
            headers = {"WWW-Authenticate": 'Bearer realm="geo_backup"'} if status == 401 else None
            await answer(status, words, errors, headers)(scope, receive, send)
            return
        if right is None or who is None or who.kind == "anyone":
            await handle(scope, receive, send)
            return
        sight, far = Sight.of(who), reach(who, right)
        if far == "all" and sight.whole(self.node.live_map):
            await handle(scope, receive, send)
            return
        beyond = self._beyond(scope["path_params"], who, sight, right)
        if beyond is None and right not in ("report", "press"):  # these look at each row for themselves
            receive, beyond = await self._looked_through(receive, sight)
        if beyond is not None:
            await answer(*beyond)(scope, receive, send)
            return
        await handle(scope, receive, _Shown(send, sight, self.node).send)

    def _beyond(self, path: Mapping[str, Any], who: Principal, sight: Sight, right: Right) -> tuple[int, str] | None:
        """Why what a path names is not for this speaker: it is not there for them, or not theirs to change."""
        live_map = self.node.live_map
        for value in path.values():
            if isinstance(value, str) and sight.unseen(live_map, value):
                return 404, nobody(live_map, value)
        unit_id = path.get("unit_id")
        mine = units_of(who, right)
        if right == "respond" and mine is not None and unit_id is not None and unit_id not in mine:
            return 403, f"you speak for {', '.join(sorted(mine)) or 'no unit'}, not for {unit_id}"
        return None

    async def _looked_through(self, receive: Receive, sight: Sight) -> tuple[Receive, tuple[int, str] | None]:
        """The body, once none of its ids is of something unseen."""
        messages: list[Message] = []
        while True:
            messages.append(await receive())
            if not messages[-1].get("more_body"):
                break
        body = b"".join(message.get("body", b"") for message in messages)
        rest = iter(messages)

        async def again() -> Message:
            return next(rest, None) or await receive()

        try:
            said = orjson.loads(body) if body else None
        except orjson.JSONDecodeError:
            return again, None  # the handler says what is wrong with it
        unseen = next((text for text in _texts(said) if sight.unseen(self.node.live_map, text)), None)
        return again, None if unseen is None else (404, nobody(self.node.live_map, unseen))


class _Shown:
    """The way out: a JSON document is held until it is whole, and goes out with what may be seen of it."""

    def __init__(self, send: Send, sight: Sight, node: Node) -> None:
        self._send, self._sight, self._node = send, sight, node
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"").decode("latin-1").partition(";")[0]
            if kind not in JSON:
                await self._send(message)
            else:
                self._start = message
            return
        if self._start is None:
            await self._send(message)
            return
        self._body.append(message.get("body", b""))
        if message.get("more_body"):
            return
        start, body = self._start, b"".join(self._body)
        if body:
            told = orjson.loads(body)
            seen = self._sight.shown(self._node.live_map, told)
            if seen is GONE:
                gone = answer(404, "there is nothing of this here")
                start, body = {**start, "status": 404, "headers": gone.raw_headers}, bytes(gone.body)
            elif seen != told:
                body = orjson.dumps(seen)
        kept = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        length = [] if start["status"] == 204 else [(b"content-length", str(len(body)).encode())]
        await self._send({**start, "headers": [*kept, *length]})
        await self._send({"type": "http.response.body", "body": body})


def nobody(live_map: LiveMap, name: str) -> str:
    """What is said of something that may not be seen: the very words that are said of what is not there."""
    return str(no_unit(name) if name in live_map.units else no_incident(name))


def _texts(value: Any) -> list[str]:
    """Every text in a JSON value, names of members among them."""
    found: list[str] = []
    rest = [value]
    while rest:
        part = rest.pop()
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, list):
            rest += part
        elif isinstance(part, dict):
            found += part
            rest += part.values()
    return found
