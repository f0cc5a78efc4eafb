"""A route that asks before it answers: whoever may ask what is decided by the application, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

Answer = Callable[[Scope, Receive, Send], Awaitable[None]]
Guard = Callable[[str, Answer, Scope, Receive, Send], Awaitable[None]]
"""Given an operation's name and what answers it, refuses or passes on."""


class Guarded(APIRoute):
    """A route of an application that has its guard at `app.state.guard`."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the guard, which asks the handler."""
        guard: Guard = scope["app"].state.guard
        await guard(self.name, super().handle, scope, receive, send)
