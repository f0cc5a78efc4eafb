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

from fastapi.exceptions import HTTPException
from starlette.types import Receive

from geo_backup.people import Principal
from geo_backup.server.adoption import client_at
from geo_backup.server.asked import Asked, Refusal, read_ahead
from geo_backup.server.speaker import SERVER


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
    """What each has asked for lately. Where nobody is configured there is no limit: a machine alone with itself."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._used: OrderedDict[str, _Used] = OrderedDict()
        self._free = _Used()
        self._held = 0
        """Refusals that wait to be told."""

    async def enters(
        self, asked: Asked, who: Principal | Refusal | None, receive: Receive
    ) -> tuple[_Used | Refusal, Receive]:
        """Count a request: by whom it is under way, or why it is refused; and the way to read it."""
        if isinstance(who, Refusal):
            if who.status == 429:
                return await self._refused(who.words, 60.0), receive
            who = None
        elif who is not None and who.kind == "anyone":
            return self._free, receive
        used, limit = self._of(who, asked), OF_ADDRESS if who is None else OF_ONE
        wait_s = self.takes(used, limit, _weight(asked))
        if wait_s > 0.0:
            urgent, receive = await _is_urgent(who, asked, receive)
            if not urgent:
                return await self._refused(_words(who, used, limit), wait_s), receive
        return used, receive

    async def _refused(self, words: str, wait_s: float) -> Refusal:
        """Refusing costs time too: whoever asks again as soon as they are refused gets to do so once a second."""
        if self._held < HELD_MAX:
            self._held += 1
            try:
                await asyncio.sleep(HELD_S)
            finally:
                self._held -= 1
        return Refusal(429, words, {"Retry-After": str(math.ceil(wait_s))})

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

    def _of(self, who: Principal | None, asked: Asked) -> _Used:
        if who is None or who is SERVER:  # one token for all: each machine that has it is one
            client = client_at(asked.source)
            key = client if who is None else f"{who.id} at {client}"
        else:
            key = f"session {who.session}"
        used = self._used.get(key)
        if used is None:
            used = self._used[key] = _Used()
            if len(self._used) > KEPT:
                self._used.popitem(last=False)
        return used


def _weight(asked: Asked) -> float:
    """How many requests one counts as. A body of unknown length counts as the heaviest."""
    costly = COSTLY.get((asked.scope["method"], asked.scope["path"]))
    if costly is not None:
        return costly
    length = asked.headers.get(b"content-length")
    if length is None or not asked.changes:
        return HEAVIEST if asked.changes and b"transfer-encoding" in asked.headers else 1.0
    return min(HEAVIEST, 1.0 + int(length) / BYTES_EACH)


async def _is_urgent(who: Principal | None, asked: Asked, receive: Receive) -> tuple[bool, Receive]:
    """Whether a request is urgent, and the way to read it (again)."""
    path = asked.scope["path"]
    if who is None or asked.scope["method"] != "POST":
        return False, receive
    if PRESSED(path) is not None:
        return True, receive
    if SENT(path) is not None:
        return who.kind == "person" or who.session.startswith("link-"), receive
    told = IN_BODY.get(path)
    if told is None:
        return False, receive
    try:
        body, receive = await read_ahead(receive)
    except HTTPException:  # it is too large
        return False, receive
    return told.search(body) is not None, receive


def _words(who: Principal | None, used: _Used, limit: Limit) -> str:
    whose = "this address" if who is None else "this token or session"
    if used.under_way >= limit.under_way:
        return f"{limit.under_way} requests of {whose} are under way; wait for an answer before the next"
    return (
        f"{whose} may send {limit.per_s:g} requests a second, and more only after a rest; put many positions into one "
        "request, and follow the feed instead of asking again. Emergencies are never refused for this"
    )
