"""What is to be known of a request before anybody reads it, from one look over its head; and how it is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from starlette.types import Message, Receive, Scope, Send

from geo_backup.server.problems import answer

SAFE = ("GET", "HEAD", "OPTIONS")
_FORWARDED = re.compile(rb"forwarded|x-forwarded-|x-real-ip").match


class Asked(NamedTuple):
    """A request, or the opening of a feed."""

    scope: Scope
    headers: Mapping[bytes, bytes]
    """Of a name that stands twice the first."""
    forwarded: bool
    """It says that it came through a proxy."""

    @staticmethod
    def of(scope: Scope) -> Asked:
        """One look over its headers."""
        headers = dict(reversed(scope["headers"]))
        return Asked(scope, headers, any(map(_FORWARDED, headers)))

    @property
    def is_feed(self) -> bool:
        return bool(self.scope["type"] == "websocket")

    @property
    def changes(self) -> bool:
        """Whether it may change something."""
        return not self.is_feed and self.scope["method"] not in SAFE

    @property
    def source(self) -> str:
        """The address that it comes from."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    def header(self, name: bytes) -> str:
        """One header; empty where it is not there."""
        return self.headers.get(name, b"").decode("latin-1")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody is not let in, in words."""

    status: int
    words: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def tell(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer itself."""
        if scope["type"] == "http":
            await answer(self.status, self.words, headers=self.headers)(scope, receive, send)
            return
        await receive()
        code, reason = 4401 if self.status == 401 else 4403, self.words.encode()[:120].decode(errors="ignore")
        await send({"type": "websocket.close", "code": code, "reason": reason})


async def read_ahead(receive: Receive) -> tuple[bytes, Receive]:
    """A request's body, and how whoever answers reads it again."""
    messages: list[Message] = []
    while not messages or messages[-1].get("more_body"):
        messages.append(await receive())
    rest = iter(messages)

    async def again() -> Message:
        return next(rest, None) or await receive()

    return b"".join(message.get("body", b"") for message in messages), again
