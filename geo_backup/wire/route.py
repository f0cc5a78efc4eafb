"""Routes of an application: who may ask is decided in one place before each of them, and each handler is handed what
the application keeps.

A handler says in its own signature what it is handed: `Annotated[Node, Kept("node")]`, or its body as it came, `Taken`.
FastAPI would solve each of these as a dependency, anew with every request, which takes longer than most handlers. Where
a handler asks for nothing else and makes its own response, FastAPI is not asked at all when it is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, NamedTuple, get_origin

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from geo_backup.wire.told import Taken

Answer = Callable[[Scope, Receive, Send], Awaitable[None]]
Guard = Callable[[str, Answer, Scope, Receive, Send], Awaitable[None]]
"""Given an operation's name and what answers it, refuses or passes on."""
Handler = Callable[..., Awaitable[Any]]


class Kept(NamedTuple):
    """Of a handler's parameter: what the application keeps under this name, on `app.state`."""

    name: str


class Guarded(APIRoute):
    """A route of an application that has its guard at `app.state.guard`."""

    def __init__(self, path: str, endpoint: Handler, **given: Any) -> None:
        hands = handed(endpoint)
        super().__init__(path, hands, **given)
        self._begins = path.partition("{")[0]
        if requests := _asks_only(endpoint):
            self.app = _answering(hands, requests)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Nearly every route is passed over on the way to the one that is asked for."""
        if not scope["path"].startswith(self._begins):
            return Match.NONE, {}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the guard, which asks the handler."""
        guard: Guard = scope["app"].state.guard
        await guard(self.name, super().handle, scope, receive, send)


def _asks_only(handler: Handler) -> tuple[str, ...]:
    """The names by which a handler is given the request (`connection` is none of its own), where that is all that it is
    given beside what is handed in, and it makes its own response; else nothing."""
    signature = inspect.signature(handler, eval_str=True)
    made = get_origin(signature.return_annotation) or signature.return_annotation
    if not (isinstance(made, type) and issubclass(made, Response)):
        return ()
    names = []
    for name, parameter in signature.parameters.items():
        marks = getattr(parameter.annotation, "__metadata__", ())
        if parameter.annotation is Request:
            names.append(name)
        elif not any(isinstance(mark, (Kept, Taken)) for mark in marks):
            return ()
    return ("connection", *names)


def _answering(hands: Handler, requests: tuple[str, ...]) -> ASGIApp:
    """A handler that is given nothing but the request as an application of its own."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await hands(**dict.fromkeys(requests, Request(scope, receive, send)))
        await response(scope, receive, send)

    return app


def handed(handler: Handler) -> Handler:
    """A handler as FastAPI is to see it: what is `Kept` and `Taken` is handed in here."""
    kept: dict[str, str] = {}
    bodies: list[str] = []
    rest: list[inspect.Parameter] = []
    signature = inspect.signature(handler, eval_str=True)
    for name, parameter in signature.parameters.items():
        marks = getattr(parameter.annotation, "__metadata__", ())
        if held := [mark.name for mark in marks if isinstance(mark, Kept)]:
            kept[name] = held[0]
        elif any(isinstance(mark, Taken) for mark in marks):
            bodies.append(name)
        else:
            rest.append(parameter)

    @wraps(handler)
    async def hands(connection: HTTPConnection, **given: Any) -> Any:
        for name, held in kept.items():
            given[name] = getattr(connection.app.state, held)
        for name in bodies:
            assert isinstance(connection, Request)
            given[name] = await connection.body()
        return await handler(**given)

    seen = inspect.Parameter("connection", inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection)
    hands.__signature__ = signature.replace(parameters=[*rest, seen])  # type: ignore[attr-defined]
    return hands
