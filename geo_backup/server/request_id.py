"""The id of a request, by which an operator finds it in the server's log: taken from who asks where it is sane, else
made here. It stands in the answer's header, in problem documents, and in every line that is logged on the way."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter
from collections.abc import Iterable
from contextvars import ContextVar
from random import getrandbits

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geo_backup.people import Principal

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is under way; each is a task of its own, with a context of its own."""
HEADER = b"x-request-id"
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}").fullmatch
_TRACE = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}").fullmatch

log_ = logging.getLogger("geo_backup.requests")
"""At INFO each request is a line."""


class Identified:
    """ASGI middleware around all others, also around the answer to what nobody expected; see the module. `answered`:
    requests so far, by the status of their answers."""

    def __init__(self, app: ASGIApp, answered: Counter[int]) -> None:
        self.app, self.answered = app, answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with an id."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        shown = of_headers(scope["headers"]) or f"{getrandbits(64):016x}"
        REQUEST_ID.set(shown)
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        status, header, began_s = 500, (HEADER, shown.encode()), time.perf_counter()
        state = scope.setdefault("state", {})

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        try:
            await self.app(scope, receive, named)
        finally:
            self.answered[status] += 1
            if log_.isEnabledFor(logging.INFO):
                who = state.get("who")
                line = {
                    "method": scope["method"],
                    "path": scope["path"],  # and no query: a ticket may stand in it
                    "status": status,
                    "ms": round(1_000 * (time.perf_counter() - began_s), 1),
                    "who": who.said_by if isinstance(who, Principal) else "",
                }
                log_.info("%(method)s %(path)s %(status)s", line, extra={"request": line})


def of_headers(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id that a request brings: `X-Request-Id`, or else the trace of `traceparent` (W3C Trace Context); empty where
    it brings none that is fit to stand in a log."""
    trace = ""
    for name, value in headers:
        if name == HEADER and _SANE(value):
            return value.decode()
        if name == b"traceparent" and (found := _TRACE(value)):
            trace = found[1].decode()
    return trace
