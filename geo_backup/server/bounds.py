"""What a request may be before anybody reads it: for which host, from which page, and how large."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from fastapi.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from geo_backup.server.asked import Asked, Refusal

LOOPBACK = ("127.0.0.1", "localhost", "::1")
BODY_MAX = 2_000_000
FILE_MAX = 16_000_000
FILES = ("/v1/traffic", "/v1/demand", "/v1/beats")
"""Paths that take a whole file."""
FILES_AT_ONCE = 4
"""Files that are taken in at a time."""
SMALL_BODY = 16_384
"""A body up to this size is always taken in: an emergency is never refused for those of others."""
BODIES_MAX = 128_000_000
"""Bytes of larger bodies that are held at a time."""


class Bounds:
    """Checks Host, Origin and size of every request, and counts their bodies. `hosts`: names that it answers to beside
    loopback's, where nobody is configured; else any, since whoever speaks has to show who they are."""

    def __init__(self, hosts: tuple[str, ...] = ()) -> None:
        self.hosts = frozenset((*LOOPBACK, *hosts))
        self.files = 0
        """Files that come in."""
        self.held = 0
        """Bytes of bodies under way."""

    def refusal(self, asked: Asked, is_open: bool) -> Refusal | None:
        """Why a request is not to be served."""
        host = asked.header(b"host")
        if is_open and (name := _host_name(host)) not in self.hosts:
            return Refusal(403, f"this server does not answer for the host {name!r}")
        origin = asked.header(b"origin")
        if origin and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return Refusal(403, f"the origin {origin} is not this server's own page")
        most = _most(asked.scope)
        try:
            large = int(asked.headers.get(b"content-length", 0)) > most
        except ValueError:
            return Refusal(400, "Content-Length is not a number")
        return Refusal(413, _too_large(most)) if large else None

    def takes(self, asked: Asked, receive: Receive) -> Body | Refusal:
        """The body of a request that comes in; `ends` when it is answered."""
        is_file = asked.scope["method"] == "PUT" and asked.scope["path"] in FILES
        if is_file and self.files >= FILES_AT_ONCE:
            return Refusal(503, f"{FILES_AT_ONCE} files are being taken in; send this one again later")
        return Body(self, receive, _most(asked.scope), is_file)


class Body:
    """A body that is counted while it comes in, and cut off at a limit: its own, or that of all bodies together."""

    __slots__ = ("_all", "_got", "_is_file", "_most", "_receive")

    def __init__(self, of_all: Bounds, receive: Receive, most: int, is_file: bool) -> None:
        self._all, self._receive, self._most, self._is_file, self._got = of_all, receive, most, is_file, 0
        of_all.files += is_file

    async def receive(self) -> Message:
        """Its next part. Raises HTTPException, the one error that FastAPI lets through while it reads a body."""
        message = await self._receive()
        more = len(message.get("body", b""))
        self._got += more
        self._all.held += more
        if self._got > self._most:
            raise HTTPException(413, _too_large(self._most))
        if self._got > SMALL_BODY and self._all.held > BODIES_MAX:
            raise HTTPException(503, "much is being sent at once; send this again in a few seconds")
        return message

    def ends(self) -> None:
        """The request is answered."""
        self._all.files -= self._is_file
        self._all.held -= self._got


@lru_cache(maxsize=64)  # the same few, but whoever asks may say what they like
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
