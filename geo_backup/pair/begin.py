"""How a machine begins: with a copy of another one's log, its end, and who may speak there."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from geo_backup.errors import LogError
from geo_backup.eventlog.copies import backup, remove, sign_from_here
from geo_backup.eventlog.end import end_path
from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.pair.file import Memory
from geo_backup.pair.follower import Calls
from geo_backup.pair.line import Line, LineLostError, data_of, text_of
from geo_backup.people import Roster, roster_beside

PART_BYTES = 512 << 10
SPARE_BYTES = 256 << 20
"""Room that stays free on the other machine's disk while a copy is made."""


async def copy_from(
    url: str, call: Calls, log: Path, progress: Callable[[int, int], None], key_file: Path | None = None
) -> None:
    """Copy the log of the server at `url`, as `copy_log` does, and remember that this machine follows it."""
    await copy_log(url, call, log, progress, key_file)
    Memory.of(log).keep(other_url=url)


async def copy_log(
    url: str, call: Calls, log: Path, progress: Callable[[int, int], None], key_file: Path | None = None
) -> None:
    """Copy the log of the server at `url` to `log`, where there is none; `progress` is told (bytes so far, in all).

    Raises LogError where nobody answers, or this machine is not let in.
    """
    if log.exists():
        raise LogError(f"{log} exists: a copy is made where there is no log")
    draft = log.with_name(log.name + ".copying")
    remove(draft)
    try:
        line = await call(url)
        try:
            with ExitStack() as files:
                to = {"log": files.enter_context(_made(draft)), "end": files.enter_context(_made(end_path(draft)))}
                await line.send({"type": "copy"})
                so_far = 0
                while (message := await line.receive()).get("type") != "whole":
                    if message.get("type") == "people":
                        with closing(Roster(roster_beside(log))) as roster:
                            roster.take(data_of(message["data"]))
                    elif message.get("type") == "part":
                        data = data_of(message["data"])
                        to[message["file"]].write(data)
                        so_far += len(data)
                        progress(so_far, so_far + int(message["left"]))
                    else:
                        raise LogError(f"{url} gives no copy of its log: {message.get('words')}")
        finally:
            await line.close()
        with closing(sqlite3.connect(draft)) as copy:
            if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise LogError(f"the copy of {url}'s log is damaged: try again")
        end_path(draft).replace(end_path(log))
        draft.replace(log)
        sign_from_here(log, key_file)
    except LineLostError:
        words = "is its server running, and does GEO_BACKUP_PAIR_TOKEN hold a token of the role standby?"
        raise LogError(f"{url} does not answer, or hung up: {words}") from None
    finally:
        remove(draft)


async def give_copy(log: SqliteLog, roster: Roster | None, line: Line) -> None:
    """Send the log as it is at this moment with its end, and who may speak here, to a machine that has nothing yet."""
    out = log.path.with_name(f"{log.path.name}.copying-{secrets.token_hex(4)}")
    size = log.path.stat().st_size
    if shutil.disk_usage(log.path.parent).free < size + SPARE_BYTES:
        words = f"its disk has no room for a copy of {size >> 20} MB: make room, or bring one by `log backup`"
        await line.send({"type": "refused", "words": words})
        return
    try:
        await asyncio.to_thread(backup, log.path, out)
        if roster is not None:
            data = await asyncio.to_thread(roster.packed)
            await line.send({"type": "people", "data": text_of(data)})
        for name, path in (("log", out), ("end", end_path(out))):
            with path.open("rb") as file:
                left = path.stat().st_size
                while data := await asyncio.to_thread(file.read, PART_BYTES):
                    left -= len(data)
                    await line.send({"type": "part", "file": name, "left": left, "data": text_of(data)})
        await line.send({"type": "whole"})
    except LogError as error:
        await line.send({"type": "refused", "words": str(error)})
    finally:
        remove(out)


def set_apart(log: Path) -> Path:
    """Put a log aside whose last events the other machine never had; where it lies now. Its key stays."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = log.with_name(f"{log.stem}.apart-{stamp}{log.suffix}")
    rename(log, aside)
    return aside


def rename(log: Path, other: Path) -> None:
    """Give a log another name, and what lies beside it."""
    for suffix in ("", ".end", "-wal", "-shm"):
        beside = log.with_name(log.name + suffix)
        if beside.exists():
            beside.rename(other.with_name(other.name + suffix))


def _made(path: Path) -> IO[bytes]:
    path.touch(mode=0o600)
    return path.open("wb")
