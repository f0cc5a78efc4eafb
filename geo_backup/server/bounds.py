"""What a request may be before anybody reads it: for which host, from which page, and how large."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from fastapi.exceptions import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geo_backup.server.problems import answer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
BODY_MAX = 2_000_000
FILE_MAX = 16_000_000
FILES = ("/v1/traffic", "/v1/demand", "/v1/beats")
"""Paths that take a whole file."""
FILES_AT_ONCE = 4
"""Files that are taken in at a time."""
SMALL_BODY = 65_536
"""A body up to this size is always taken in: an emergency is never refused for those of others."""
BODIES_MAX = 128_000_000
"""Bytes of larger bodies that are held at a time."""


class Bounds:
    """ASGI middleware that checks Host, Origin and the body's size before anything else sees the request.

    `hosts` are the names it answers to; None: any, since whoever speaks has to show who they are.
    """

    def __init__(self, app: ASGIApp, *, hosts: Callable[[], tuple[str, ...] | None]) -> None:
        self.app, self.hosts = app, hosts
        self._files = 0
        self._held = 0
        """Bytes of bodies under way."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self.refusal(scope)
        if refusal is None:
            if scope["type"] == "http":
                await self._counted(scope, receive, send)
            else:
                await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401 if refusal[0] == 401 else 4403, "reason": refusal[1]})
        else:
            await answer(*refusal)(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request whose body is counted while it comes in, and cut off at a limit: its own, or that of all
        bodies together."""
        is_file = scope["method"] == "PUT" and scope["path"] in FILES
        if is_file and self._files >= FILES_AT_ONCE:
            await answer(503, f"{FILES_AT_ONCE} files are being taken in; send this one again later")(
                scope, receive, send
            )
            return
        most, got = _most(scope), 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            more = len(message.get("body", b""))
            got, self._held = got + more, self._held + more
            # the one error that FastAPI lets through while it reads a body
            if got > most:
                raise HTTPException(413, _too_large(most))
            if got > SMALL_BODY and self._held > BODIES_MAX:
                raise HTTPException(503, "much is being sent at once; send this again in a few seconds")
            return message

        self._files += is_file
        try:
            await self.app(scope, counted, send)
        finally:
            self._files -= is_file
            self._held -= got

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """(status, words) when the request is not to be served."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = _host_name(host)
        names = self.hosts()
        if names is not None and name not in names:
            return 403, f"this server does not answer for the host {name!r}"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return 403, f"the origin {origin} is not this server's own page"
        try:
            if int(headers.get("content-length", "0")) > _most(scope):
                return 413, _too_large(_most(scope))
        except ValueError:
            return 400, "Content-Length is not a number"
        return None


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:  # brackets that do not match
        return ""


def _most(scope: Scope) -> int:
    """Bytes that the body of a request may have."""
    return FILE_MAX if scope["path"] in FILES else BODY_MAX


def _too_large(most: int) -> str:
    return f"a request here may be at most {most} bytes"
