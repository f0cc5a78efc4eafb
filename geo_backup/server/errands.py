"""Errands of a command line, done by the server that writes the log (see `people.errands`)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import orjson

from geo_backup.custody import KINDS
from geo_backup.errors import GeoBackupError, LogError
from geo_backup.events import Event
from geo_backup.node import Node
from geo_backup.people import Roster
from geo_backup.wire import facts

log_ = logging.getLogger("geo_backup.access")


async def do_errands(node: Node, roster: Roster) -> None:
    """Do all that wait, and answer them. Raises LogError when the log takes nothing: they wait on then."""
    for number, at_ms, ask in roster.errands.waiting():
        try:
            event = replace(_asked(ask), event_id=f"errand:{at_ms}:{number}")
            answer = "on record"
        except GeoBackupError as error:
            log_.warning("an errand of the command line cannot be done: %s", error)
            event, answer = None, f"refused: {error}"
        if event is not None:
            await node.record(event)
        await asyncio.to_thread(roster.errands.answered, number, answer.encode())


def _asked(ask: bytes) -> Event:
    """The fact that is to go on record: of the record itself, and of nothing else."""
    try:
        kind = str(orjson.loads(ask)["fact"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise LogError("it is of a newer geo_backup") from None
    if kind not in KINDS:
        raise LogError(f"{kind} does not come by the command line")
    return facts.parse(kind, ask)
