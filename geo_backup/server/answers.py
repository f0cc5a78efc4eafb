"""Answers that grow with the fleet have this one way out: made once for all who ask the same, and sent as bytes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import orjson
from fastapi import Response

from geo_backup.backup.standing import Standing
from geo_backup.node import Node, in_steps


def told(body: bytes) -> Response:
    """JSON as it is."""
    return Response(body, media_type="application/json")


async def listed(
    node: Node, question: Hashable, document: dict[str, Any], name: str, rows: Callable[[], Iterable[Any]]
) -> Response:
    """A document with one long list, made row by row beside everything else that the event loop does."""
    body = await node.lists.ask(question, lambda: in_steps(_parts(document, name, rows())))
    return told(body)


async def asked(node: Node, question: Hashable, answer: Callable[[Standing], Any]) -> Response:
    """What the standing fields say, worked out and encoded beside the event loop."""

    def encoded(now: Standing) -> bytes:
        return orjson.dumps(answer(now))

    return told(await node.questions.ask(question, lambda: node.read_field(encoded)))


def _parts(document: dict[str, Any], name: str, rows: Iterable[Any]) -> Iterator[bytes]:
    head = orjson.dumps({**document, name: []})  # which stands last
    yield head[:-2]
    for n, row in enumerate(rows):
        yield (b"," if n else b"") + orjson.dumps(row)
    yield b"]}"
