"""Copies of a log: a backup while it is written, and a log restored from one."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from geo_backup.errors import LogError
from geo_backup.eventlog.end import EndFile, end_path, read_end
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.salvage import wal_path
from geo_backup.eventlog.sqlite_chain import SqliteChain
from geo_backup.eventlog.sqlite_file import connect, explained, hold, make_private, prepare
from geo_backup.eventlog.sqlite_rows import epoch_of, last_seq, meta_of

Progress = Callable[[int, int], None]
PAGES_AT_ONCE = 1_000


def backup(path: Path, out: Path, progress: Progress | None = None) -> int:
    """Copy a log as it is at this moment, also while it is written; the seq it ends with. Its end goes beside it; the
    key does not. `progress` is told (pages so far, pages in all). LogError if there is no log, or `out` is taken."""
    if not path.exists():
        raise LogError(f"there is no log at {path}")
    if out.exists():
        raise LogError(f"{out} exists: name another file, a backup replaces none")
    end = read_end(end_path(path))  # before the log is looked at, which may grow meanwhile
    try:
        with explained(path), closing(connect(path, "ro")) as source:
            prepare(path, source, writing=False)
            source.execute("BEGIN")
            last, epoch = last_seq(source), epoch_of(source)
            _copy(source, out, progress)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    if end is not None:
        beside = EndFile(end_path(out), epoch)
        beside.seal(end.seal)
        beside.reach(last)
        beside.sync()
        beside.close()
    return last


def remove(copy: Path) -> None:
    """Take a copy away with what lies beside it, where there is one."""
    for path in (copy, end_path(copy), wal_path(copy), copy.with_name(copy.name + "-shm")):
        path.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, out: Path, progress: Progress | None) -> None:
    make_private(out)
    with closing(connect(out, "rw")) as target:
        target.execute("PRAGMA synchronous=FULL")

        def told(_: int, left: int, pages: int) -> None:
            if progress is not None:
                progress(pages - left, pages)

        source.backup(target, pages=PAGES_AT_ONCE, progress=told)


def sign_from_here(path: Path, key_file: Path | None = None) -> None:
    """Have a copy's chain go on under this installation's own key."""
    with closing(hold(path)), explained(path), closing(connect(path, "rw")) as connection:
        prepare(path, connection, writing=True)
        chain = SqliteChain(path, connection, key_file)
        connection.execute("BEGIN IMMEDIATE")
        chain.begin_link()
        connection.execute("COMMIT")
        chain.committed((), (), 0)
        chain.close()


@dataclass
class Restored:
    """What a restoration gave."""

    epoch: str
    last_seq: int
    former_epoch: str
    wrong: list[str] = field(default_factory=list)
    """What is wrong with the backup, where it was restored all the same."""


def restore(
    backup_file: Path,
    path: Path,
    *,
    damaged: bool = False,
    key_file: Path | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Make a log of a backup, with an epoch of its own, so that every viewer and program takes it for what it is: not
    the log that went on after the backup was made. LogError if a log stands at `path`, or if the backup is not what was
    recorded (unless it may be `damaged`)."""
    for taken in (path, wal_path(path)):
        if taken.exists():
            raise LogError(f"{taken} exists: move it away first, and what lies beside it; a restored log replaces none")
    wrong = prove(backup_file).wrong
    if wrong and not damaged:
        raise LogError(f"{backup_file} is not what was recorded ({wrong[0]}): restore it all the same with --damaged")
    with closing(hold(path)), explained(path):
        with closing(connect(backup_file, "ro")) as source:
            prepare(backup_file, source, writing=False)
            former = epoch_of(source)
            _copy(source, path, progress)
        with closing(connect(path, "rw")) as connection:
            prepare(path, connection, writing=True)
            epoch = secrets.token_hex(8)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE meta SET value = ? WHERE name = 'epoch'", (epoch,))
            connection.execute("REPLACE INTO meta VALUES ('restored_from', ?)", (former,))
            connection.execute("DELETE FROM meta WHERE name = 'stream'")  # it is no copy of a shared log any more
            chain = SqliteChain(path, connection, key_file, restored_from=former)
            chain.begin_link()
            connection.execute("COMMIT")
            chain.committed((), (), 0)
            last = chain.last_seq
            chain.close()
    return Restored(epoch, last, former, wrong)


def shared_leader(log: Path) -> str:
    """Which node leads the shared log that a file is a copy of, as far as the copy goes; empty where it is none, or has
    none."""
    if not log.exists() or log.stat().st_size == 0:
        return ""
    with suppress(LogError), explained(log), closing(connect(log, "ro")) as connection:
        prepare(log, connection, writing=False)
        if meta_of(connection, "stream") is None:
            return ""
        find = "SELECT body FROM facts WHERE kind = 'TermBegan' ORDER BY seq DESC LIMIT 1"
        row = connection.execute(find).fetchone()
        return "" if row is None else str(orjson.loads(row[0])["leader"])
    return ""
