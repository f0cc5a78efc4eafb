"""Copies of a log: a backup while it is written, a log restored from one, one repaired from what can be read of it."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from geo_backup.errors import LogError
from geo_backup.eventlog.end import EndFile, end_path, read_end
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.salvage import readable, salvaging, sound, wal_path
from geo_backup.eventlog.span import Span, gaps
from geo_backup.eventlog.sqlite_chain import SqliteChain
from geo_backup.eventlog.sqlite_file import connect, explained, hold, make_private, prepare
from geo_backup.eventlog.sqlite_rows import (
    ADD_FACT,
    ADD_FIX,
    ADD_LINK,
    epoch_of,
    has_chain,
    last_seq,
    links_from,
    rows_between,
)

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


def _copy(source: sqlite3.Connection, out: Path, progress: Progress | None) -> None:
    make_private(out)
    with closing(connect(out, "rw")) as target:
        target.execute("PRAGMA synchronous=FULL")

        def told(_: int, left: int, pages: int) -> None:
            if progress is not None:
                progress(pages - left, pages)

        source.backup(target, pages=PAGES_AT_ONCE, progress=told)


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
            chain = SqliteChain(path, connection, key_file, restored_from=former)
            chain.begin_link()
            connection.execute("COMMIT")
            chain.committed((), (), 0)
            last = chain.last_seq
            chain.close()
    return Restored(epoch, last, former, wrong)


@dataclass
class Repaired:
    """What a repair saved, and what it could not."""

    damage: list[str] = field(default_factory=list)
    """What was found; nothing: the file was left as it is."""
    events: int = 0
    lost: list[Span] = field(default_factory=list)
    links_lost: int = 0
    former: Path | None = None
    """Where the damaged file is now."""


def repair(path: Path, *, key_file: Path | None = None) -> Repaired:
    """Save what can be read of a damaged log into a new file that takes its place; the damaged one is kept beside it.
    A log that is whole is left as it is. What is lost becomes a link of the chain. LogError if the log is being
    written, or nothing of it can be read."""
    if not path.exists():
        raise LogError(f"there is no log at {path}")
    with closing(hold(path)):
        done = Repaired(damage=_damage(path))
        if not done.damage:
            return done
        new = path.with_name(path.name + ".repaired")
        for file in (new, wal_path(new), end_path(new)):
            file.unlink(missing_ok=True)
        make_private(new)
        with explained(path), closing(connect(new, "rw")) as target:
            prepare(new, target, writing=True)
            with salvaging(path) as source:
                _save(source, target, done, path)
            target.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        done.former = _put_aside(path)
        new.replace(path)
        wal_path(new).unlink(missing_ok=True)
        with explained(path), closing(connect(path, "rw")) as connection:
            prepare(path, connection, writing=True)
            chain = SqliteChain(path, connection, key_file)
            connection.execute("BEGIN IMMEDIATE")
            for lost in done.lost:
                if lost.last <= chain.chained:  # the others it has found by itself
                    chain.link("loss", lost, lost.size)
            connection.execute("COMMIT")
            chain.forget_end()
            chain.committed((), (), 0)
            chain.close()
    return done


def _damage(path: Path) -> list[str]:
    """What is wrong with the file, in words."""
    try:
        with closing(connect(path, "ro")) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA quick_check(5)")]
            damage = [] if found == ["ok"] else found
            end = read_end(end_path(path))
            last = last_seq(connection)
            if end is not None and end.seal.epoch == epoch_of(connection) and end.reached > last:
                damage.append(f"{Span(last + 1, end.reached)} are missing at the end")
            return damage
    except (sqlite3.DatabaseError, LogError) as error:
        return [str(error)]


def _save(source: sqlite3.Connection, target: sqlite3.Connection, done: Repaired, path: Path) -> None:
    """Row by row into the new file, around what cannot be read."""
    end = read_end(end_path(path))
    try:
        meta = source.execute("SELECT name, value FROM meta").fetchall()
        last, links = _bounds(source)
    except sqlite3.DatabaseError as error:
        if end is None:
            raise LogError(f"nothing of {path} can be read ({error}): restore a backup") from None
        meta, last, links = [("epoch", end.seal.epoch)], 0, 0
    if end is not None:
        last, links = max(last, end.reached), max(links, end.seal.link)
    target.execute("BEGIN IMMEDIATE")
    target.executemany("REPLACE INTO meta VALUES (?, ?)", meta)
    for table, key, bound, insert in (
        ("fixes", "seq", last, ADD_FIX),
        ("facts", "seq", last, ADD_FACT),
        ("links", "number", links, ADD_LINK),
        ("purged", "segment", links, "INSERT INTO purged VALUES (?,?,?,?)"),
        ("snapshots", "seq", last, "INSERT INTO snapshots VALUES (?,?,?)"),
    ):
        events = table in ("fixes", "facts")
        for row in readable(source, table, key, 1, bound):
            if not events or sound(table, row):
                done.events += target.execute(insert.replace("INSERT", "INSERT OR IGNORE"), row).rowcount * events
    target.execute("COMMIT")
    kept, chained = target.execute("SELECT count(*), coalesce(max(last_seq), 0) FROM links").fetchone()
    done.links_lost = max(0, links - kept)
    done.lost = [*_missing(target), *gaps(target, chained + 1, last)]


def _bounds(source: sqlite3.Connection) -> tuple[int, int]:
    if not has_chain(source):
        return last_seq(source), 0
    return last_seq(source), source.execute("SELECT coalesce(max(number), 0) FROM links").fetchone()[0]


def _missing(target: sqlite3.Connection) -> list[Span]:
    """Of each segment the events that are neither there nor purged; the whole segment where the purge hides which."""
    losses = target.execute("SELECT number, first_seq, last_seq FROM links WHERE kind = 'loss'").fetchall()
    found: list[Span] = []
    for link in links_from(target):
        known = any(n > link.number and first <= link.last_seq and link.first_seq <= last for n, first, last in losses)
        if link.kind != "events" or known:
            continue
        span = Span(link.first_seq, link.last_seq)
        present = sum(map(len, rows_between(target, *span)))
        purged = target.execute("SELECT total(events) FROM purged WHERE segment = ?", (link.number,)).fetchone()[0]
        if present + purged < link.events:
            found += [span] if purged else gaps(target, *span)
    return found


def _put_aside(path: Path) -> Path:
    """Give the damaged file another name, and its write-ahead log with it."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    if wal_path(path).exists():
        wal_path(path).rename(wal_path(aside))
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    return aside
