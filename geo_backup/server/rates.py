"""Rates: how much one token, session or address may ask for, so that nobody's load keeps others waiting.

Each has an allowance that fills up by the second, and only so many requests under way. What is urgent is never refused:
an emergency in every form in which it comes, and units that a desk sends.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geo_backup.people import Principal
from geo_backup.server.adoption import address_of
from geo_backup.server.problems import answer
from geo_backup.server.speaker import SERVER, speaker_of


class Limit(NamedTuple):
    """`per_s` requests a second for ever, `saved` at most at once after a rest, `under_way` at a time."""

    per_s: float
    saved: float
    under_way: int


OF_ONE = Limit(500.0, 2_000.0, 48)
"""Of one token or session. Those under way at a time are what others may have to wait for."""
OF_ADDRESS = Limit(100.0, 2_000.0, 256)
"""Of one address, for whoever has not said who they are: a whole office may stand behind it."""
BYTES_EACH = 8_192
"""So many bytes of a body count as one more request ..."""
HEAVIEST = 100.0
"""... and a whole file as no more than this."""
COSTLY = {("POST", "/v1/session"): 50.0, ("GET", "/v1/session/oidc/done"): 50.0}
"""A password takes 0.1 s to judge, and a code a question to the identity provider."""
HELD_S = 1.0
HELD_MAX = 1_024
"""A quarter of the connections that come in; see `door`."""
KEPT = 8_192
PRESSED = re.compile(r"/v1/emergencies(/[^/]+/(acknowledge|clear))?").fullmatch
SENT = re.compile(r"/v1/incidents/[^/]+/assignments").fullmatch
IN_BODY = {"/v1/positions": re.compile(rb'"alarm"\s*:\s*"sos"'), "/v1/cot": re.compile(rb"b-a-o|<emergency")}
"""Where an emergency comes among other things, and by what it is told."""


class _Used:
    """What one has asked for lately."""

    __slots__ = ("even_s", "under_way")

    def __init__(self) -> None:
        self.even_s = 0.0
        """When its allowance will be full again."""
        self.under_way = 0


class Rates:
    """ASGI middleware behind `Speaking`. Where nobody is configured there is no limit: a machine alone with itself."""

    def __init__(self, app: ASGIApp, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self.app, self._now_s = app, now_s
        self._used: OrderedDict[str, _Used] = OrderedDict()
        self._held = 0
        """Refusals that wait to be told."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        who = speaker_of(scope)
        if scope["type"] != "http" or (who is not None and who.kind == "anyone"):
            await self.app(scope, receive, send)
            return
        if who is None and (refused := scope["state"]["who"]) is not None and refused.status == 429:
            await self._refuse(refused.words, 60.0, scope, receive, send)
            return
        used, limit = self._of(who, scope), OF_ADDRESS if who is None else OF_ONE
        wait_s = self.takes(used, limit, _weight(scope))
        if wait_s > 0.0:
            urgent, receive = await _is_urgent(who, scope, receive)
            if not urgent:
                await self._refuse(_words(who, used, limit), wait_s, scope, receive, send)
                return
        used.under_way += 1
        try:
            await self.app(scope, receive, send)
        finally:
            used.under_way -= 1

    async def _refuse(self, words: str, wait_s: float, scope: Scope, receive: Receive, send: Send) -> None:
        """Refusing costs time too: whoever asks again as soon as they are refused gets to do so once a second."""
        refusal = answer(429, words, headers={"Retry-After": str(math.ceil(wait_s))})
        if self._held < HELD_MAX:
            self._held += 1
            try:
                await asyncio.sleep(HELD_S)
            finally:
                self._held -= 1
        await refusal(scope, receive, send)

    def takes(self, used: _Used, limit: Limit, weight: float) -> float:
        """Count a request; 0, or the seconds after which it may come again."""
        now_s = self._now_s()
        even_s = max(used.even_s, now_s) + weight / limit.per_s
        over_s = even_s - now_s - limit.saved / limit.per_s
        if over_s > 0.0:
            return over_s
        if used.under_way >= limit.under_way:
            return 1.0
        used.even_s = even_s
        return 0.0

    def _of(self, who: Principal | None, scope: Scope) -> _Used:
        if who is None or who is SERVER:  # one token for all: each machine that has it is one
            client = scope.get("client")
            host = client[0] if client else ""
            key = host if ":" not in host else address_of(HTTPConnection(scope))
            key = key if who is None else f"{who.id} at {key}"
        else:
            key = f"session {who.session}"
        used = self._used.get(key)
        if used is None:
            used = self._used[key] = _Used()
            if len(self._used) > KEPT:
                self._used.popitem(last=False)
        return used


def _weight(scope: Scope) -> float:
    """How many requests one counts as. A body of unknown length counts as the heaviest."""
    costly = COSTLY.get((scope["method"], scope["path"]))
    if costly is not None:
        return costly
    if scope["method"] in ("GET", "HEAD"):
        return 1.0
    headers = Headers(scope=scope)
    length = headers.get("content-length")
    if length is None:
        return HEAVIEST if "transfer-encoding" in headers else 1.0
    return min(HEAVIEST, 1.0 + int(length) / BYTES_EACH)


async def _is_urgent(who: Principal | None, scope: Scope, receive: Receive) -> tuple[bool, Receive]:
    """Whether a request is urgent, and the way to read it (again)."""
    path = scope["path"]
    if who is None or scope["method"] != "POST":
        return False, receive
    if PRESSED(path) is not None:
        return True, receive
    if SENT(path) is not None:
        return who.kind == "person" or who.session.startswith("link-"), receive
    told = IN_BODY.get(path)
    if told is None:
        return False, receive
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body"):
        messages.append(await receive())
    rest = iter(messages)

    async def again() -> Message:
        return next(rest, None) or await receive()

    return told.search(b"".join(message.get("body", b"") for message in messages)) is not None, again


def _words(who: Principal | None, used: _Used, limit: Limit) -> str:
    whose = "this address" if who is None else "this token or session"
    if used.under_way >= limit.under_way:
        return f"{limit.under_way} requests of {whose} are under way; wait for an answer before the next"
    return (
        f"{whose} may send {limit.per_s:g} requests a second, and more only after a rest; put many positions into one "
        "request, and follow the feed instead of asking again. Emergencies are never refused for this"
    )
