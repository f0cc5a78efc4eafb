"""The ways out of an answer: a document of a type, encoded once.

An answer that grows with the fleet is made once for all who ask the same, and sent as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

import orjson

from geo_backup.backup.standing import Standing
from geo_backup.node import Node, in_steps
from geo_backup.wire.told import Document, Told

Listed = TypeVar("Listed", bound=Mapping[str, object])


def told(document: Document, status: int = 200) -> Told[Document]:
    """A document as the answer."""
    return Told(orjson.dumps(document), status)


async def listed(node: Node, question: Hashable, empty: Listed, rows: Callable[[], Iterable[object]]) -> Told[Listed]:
    """A document whose last field is a long list, `empty` without its rows. They are made one by one beside everything
    else that the event loop does."""
    return Told(await node.lists.ask(question, lambda: in_steps(_parts(empty, rows()))))


async def asked(node: Node, question: Hashable, answer: Callable[[Standing], Document]) -> Told[Document]:
    """What the standing fields say, worked out and encoded beside the event loop."""

    def encoded(now: Standing) -> bytes:
        return orjson.dumps(answer(now))

    return Told(await node.questions.ask(question, lambda: node.read_field(encoded)))


def _parts(empty: Mapping[str, object], rows: Iterable[object]) -> Iterator[bytes]:
    yield orjson.dumps(empty)[:-2]
    for n, row in enumerate(rows):
        yield (b"," if n else b"") + orjson.dumps(row)
    yield b"]}"
