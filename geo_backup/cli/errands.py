"""What commands put on record: straight into a log that nobody writes, else through the server that writes it."""

from __future__ import annotations

import asyncio
import getpass
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from rich.markup import escape

from geo_backup.cli.terminal import say
from geo_backup.custody import Look, Looked
from geo_backup.errors import BadValueError, GeoBackupError, LogHeldError
from geo_backup.events import Event

WITHIN_S = 15.0
"""So long a server may take to do an errand."""
LOOK_S = 0.05


def me() -> str:
    """Who types: the account on this machine, since the command line asks for no other."""
    return f"account:{getpass.getuser()}"


def looks(log: str | Path, what: Look, *scope: str) -> None:
    """Put on record that whoever types reads what is past, before it is shown to them.

    The server takes it over, or finds it at its next start. A log beside which there is no roster is nobody's: a copy,
    or one for which nobody is configured.
    """
    from geo_backup.people import Roster, roster_beside
    from geo_backup.wire import facts

    file = roster_beside(log)
    if not file.exists():
        return
    look = Looked(received_ms=_now_ms(), said_by=me(), what=what, scope=scope)
    try:
        with closing(Roster(file)) as roster:
            roster.errands.leave(facts.dump(look))
    except (GeoBackupError, sqlite3.Error) as error:
        say.print(f"[yellow]not on record that you looked:[/] {escape(str(error))}", soft_wrap=True)


def records(log: Path, key: Path | None, event: Event) -> None:
    """Put a fact about the record into a log, also while its server runs."""
    from geo_backup.eventlog import open_log
    from geo_backup.wire import facts

    if not log.exists():
        raise BadValueError("LOG", "missing", f"there is no log at {log}")

    async def append() -> None:
        with closing(open_log(log, reserve_bytes=0, key_file=key)) as opened:
            await opened.append([event])

    try:
        asyncio.run(append())
    except LogHeldError:
        asks(log, facts.dump(event))


def asks(log: Path, ask: bytes, within_s: float = WITHIN_S) -> str:
    """Have the server of a log do something; what it answers. Raises GeoBackupError where it refuses, or does not."""
    from geo_backup.people import Roster, roster_beside

    with closing(Roster(roster_beside(log))) as roster:
        number, until_s = roster.errands.leave(ask), time.monotonic() + within_s
        while (answer := roster.errands.answer(number)) is None:
            if time.monotonic() > until_s:
                roster.errands.take_back(number)
                raise GeoBackupError(f"{log} is being written by a process that does no errands: stop it first")
            time.sleep(LOOK_S)
    words = answer.decode()
    if words.startswith("refused: "):
        raise GeoBackupError(words.removeprefix("refused: "))
    return words


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
