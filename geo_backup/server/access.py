"""Who may speak to the server: a token when it listens beyond loopback, and only its own page from a browser."""

from __future__ import annotations

import hmac
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from fastapi.exceptions import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geo_backup.server.problems import answer

COOKIE = "geo_backup_token"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
BODY_MAX = 2_000_000
FILE_MAX = 16_000_000
FILES = ("/v1/traffic", "/v1/demand", "/v1/beats")
"""Paths that take a whole file."""
OPEN_PATHS = ("/healthz", "/readyz")


class Access:
    """ASGI middleware that checks Host, Origin, token and body size before anything else sees the request."""

    def __init__(self, app: ASGIApp, *, token: str | None, hosts: tuple[str, ...]) -> None:
        self.app, self.token, self.hosts = app, token, (*LOOPBACK, *hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self.refusal(scope)
        if refusal is None:
            if scope["type"] == "http":
                receive = _bounded(receive, _most(scope))
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 4401 if refusal[0] == 401 else 4403, "reason": refusal[1]})
        else:
            await answer(*refusal)(scope, receive, send)

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """(status, words) when the request is not to be served."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = _host_name(host)
        if self.token is None and name not in self.hosts:
            return 403, f"this server does not answer for the host {name!r}"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return 403, f"the origin {origin} is not this server's own page"
        try:
            if int(headers.get("content-length", "0")) > _most(scope):
                return 413, _too_large(_most(scope))
        except ValueError:
            return 400, "Content-Length is not a number"
        if self.token is None or scope["path"] in OPEN_PATHS:
            return None
        given = headers.get("authorization", "").removeprefix("Bearer ").strip()
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0] if scope["path"] == "/" else ""
        for text in (given, cookie.value if cookie else "", query):
            if hmac.compare_digest(text.encode(), self.token.encode()):
                return None
        return 401, "send the server's token as `Authorization: Bearer ...`, or open the page with ?token=..."


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


def _bounded(receive: Receive, most: int) -> Receive:
    """A body without Content-Length is counted while it comes in, and cut off at the limit."""
    got = 0

    async def counted() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        if got > most:
            raise HTTPException(413, _too_large(most))  # the one error that FastAPI lets through while it reads a body
        return message

    return counted
