"""Errands of a command line (see `people.errands`), done by the server that writes the log: facts about the record, and
purges."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, replace
from typing import Any

import orjson

from geo_backup.custody import KINDS
from geo_backup.errors import GeoBackupError, LogError
from geo_backup.eventlog.retention import Terms
from geo_backup.events import Event
from geo_backup.node import Node
from geo_backup.people import Roster
from geo_backup.server.retention import purge_now
from geo_backup.wire import facts

log_ = logging.getLogger("geo_backup.access")

NEWER = "it is of a newer geo_backup"


class Errands:
    """Does them; one purge at a time, beside all else."""

    def __init__(self, node: Node, roster: Roster) -> None:
        self._node, self._roster = node, roster
        self._purging: tuple[int, asyncio.Task[None]] | None = None

    async def do(self) -> None:
        """Do all that wait, and answer them. Raises LogError when the log takes nothing: they wait on then."""
        for number, at_ms, ask in self._roster.errands.waiting():
            try:
                asked = _parsed(ask)
                if "purge" in asked:
                    self._purge(number, asked)
                    continue
                event = replace(_fact(asked, ask), event_id=f"errand:{at_ms}:{number}")
            except GeoBackupError as error:
                await self._refuse(number, error)
                continue
            await self._node.record(event)
            await self._answer(number, b"on record")

    def _purge(self, number: int, asked: dict[str, Any]) -> None:
        """Begin to, unless this or another is under way."""
        if self._purging is None or self._purging[1].done():
            try:
                terms = Terms(**{name: int(days) for name, days in asked["purge"].items()})
            except (TypeError, ValueError, AttributeError):
                raise LogError(NEWER) from None
            self._purging = number, asyncio.create_task(self._purged(number, terms, str(asked.get("by", ""))))

    async def _purged(self, number: int, terms: Terms, by: str) -> None:
        try:
            done = await purge_now(self._node, terms, by)
        except GeoBackupError as error:
            await self._refuse(number, error)
            return
        await self._answer(number, orjson.dumps(asdict(done)))

    async def _refuse(self, number: int, error: GeoBackupError) -> None:
        log_.warning("an errand of the command line cannot be done: %s", error)
        await self._answer(number, f"refused: {error}".encode())

    async def _answer(self, number: int, words: bytes) -> None:
        await asyncio.to_thread(self._roster.errands.answered, number, words)


def _parsed(ask: bytes) -> dict[str, Any]:
    try:
        asked = orjson.loads(ask)
    except orjson.JSONDecodeError:
        asked = None
    if not isinstance(asked, dict):
        raise LogError(NEWER)
    return asked


def _fact(asked: dict[str, Any], ask: bytes) -> Event:
    """The fact that is to go on record: of the record itself, and of nothing else."""
    kind = asked.get("fact")
    if not isinstance(kind, str):
        raise LogError(NEWER)
    if kind not in KINDS:
        raise LogError(f"{kind} does not come by the command line")
    return facts.parse(kind, ask)
