"""Repair of a damaged log: what can be read of it in a new file, and the damaged one kept as it was found.

What is lost becomes a link of the chain, and the repair a fact. A row that lies on a page is taken as it lies there;
where it was changed, the chain of the repaired log tells, as it would have told of the damaged one.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import orjson

from geo_backup.custody import LogRepaired
from geo_backup.errors import LogError
from geo_backup.eventlog.chain import GENESIS, LinkKind
from geo_backup.eventlog.end import End, end_path, read_end
from geo_backup.eventlog.pages import Lying, lying
from geo_backup.eventlog.salvage import mended, sound, wal_path
from geo_backup.eventlog.span import Span, gaps
from geo_backup.eventlog.sqlite_chain import SqliteChain
from geo_backup.eventlog.sqlite_file import connect, explained, hold, make_private, prepare
from geo_backup.eventlog.sqlite_rows import ADD_FACT, ADD_FIX, ADD_LINK, epoch_of, last_seq, links_from, rows_between

CHUNK = 1 << 20
_INSERT = {
    "fixes": ADD_FIX,
    "facts": ADD_FACT,
    "links": ADD_LINK,
    "purged": "INSERT INTO purged VALUES (?,?,?,?)",
    "snapshots": "INSERT INTO snapshots VALUES (?,?,?)",
    "meta": "INSERT INTO meta VALUES (?,?)",
}


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
    sha256: str = ""
    """Of the damaged file, before anything was done."""


def repair(path: Path, *, key_file: Path | None = None) -> Repaired:
    """Save what can be read of a damaged log into a new file that takes its place; the damaged one is kept beside it,
    unchanged and for reading alone. A log that is whole is left as it is. LogError if the log is being written, or
    nothing of it can be read."""
    if not path.exists():
        raise LogError(f"there is no log at {path}")
    with closing(hold(path)):
        done = Repaired(damage=_damage(path))
        if not done.damage:
            return done
        done.sha256 = _sha256(path)
        new = path.with_name(path.name + ".repaired")
        for file in (new, wal_path(new), end_path(new)):
            file.unlink(missing_ok=True)
        make_private(new)
        with explained(path), closing(connect(new, "rw")) as target:
            prepare(new, target, writing=True)
            _save(path, target, done)
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


def repaired_fact(done: Repaired, now_ms: int, by: str) -> LogRepaired:
    """The repair as the log has it."""
    return LogRepaired(
        received_ms=now_ms,
        said_by=by,
        damage=tuple(done.damage),
        saved=done.events,
        lost=sum(span.size for span in done.lost),
        links_lost=done.links_lost,
        former=done.former.name if done.former is not None else "",
        sha256=done.sha256,
    )


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


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _save(path: Path, target: sqlite3.Connection, done: Repaired) -> None:
    """What lies on the pages of a damaged log into the new file, and how far the log had come."""
    end, wal = read_end(end_path(path)), wal_path(path)
    frames, _ = mended(wal.read_bytes() if wal.exists() else b"")
    target.execute("BEGIN IMMEDIATE")
    target.execute("DELETE FROM meta")
    for found in lying(path, frames):
        if _sound(found):
            target.execute(_INSERT[found.table].replace("INSERT", "INSERT OR IGNORE"), found.row)
    _name(path, target, end)
    last, links = _bounds(target, end)
    for table in ("fixes", "facts", "snapshots"):
        target.execute(f"DELETE FROM {table} WHERE seq NOT BETWEEN 1 AND ?", (last,))
    target.execute("DELETE FROM links WHERE number NOT BETWEEN 1 AND ?", (links,))
    target.execute("COMMIT")
    done.events = sum(target.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("fixes", "facts"))
    kept, chained = target.execute("SELECT count(*), coalesce(max(last_seq), 0) FROM links").fetchone()
    done.links_lost = links - kept
    done.lost = [*_missing(target), *gaps(target, chained + 1, last)]


def _sound(found: Lying) -> bool:
    """Whether a row is one that this program may have written."""
    table, row = found
    if table in ("fixes", "facts"):
        return sound(table, row)
    if table == "links":
        return row[1] in get_args(LinkKind) and isinstance(row[5], bytes) and isinstance(row[8], bytes)
    return table != "snapshots" or hashlib.sha256(row[1]).hexdigest() == row[2]


def _name(path: Path, target: sqlite3.Connection, end: End | None) -> None:
    """The log goes on under its own epoch: as it says itself, or its end, or its chain. LogError if nothing tells."""
    if target.execute("SELECT 1 FROM meta WHERE name = 'epoch'").fetchone():
        return
    epoch = end.seal.epoch if end is not None else ""
    for (note,) in target.execute("SELECT note FROM links WHERE kind = 'begin' ORDER BY number"):
        epoch = epoch or str(orjson.loads(note)["epoch"])
    if not epoch:
        raise LogError(f"nothing of {path} can be read: restore a backup")
    target.execute("INSERT INTO meta VALUES ('epoch', ?)", (epoch,))


def _bounds(target: sqlite3.Connection, end: End | None) -> tuple[int, int]:
    """(last seq, last link) that the log can have had: a number beyond is no number of it, whatever lies on a page."""
    known, last, previous = (end.seal.link if end is not None else 0), 0, None
    for link in links_from(target):
        before = previous.hash if previous is not None else GENESIS
        if link.number == (previous.number if previous is not None else 0) + 1 and link.hash == link.digest(before):
            known = max(known, link.number)
        if link.number <= known:
            last = max(last, link.last_seq)
        previous = link
    last = max(last, end.reached if end is not None else 0)
    if last == 0:
        return last_seq(target), known
    while target.execute(
        "SELECT 1 FROM fixes WHERE seq = ?1 UNION ALL SELECT 1 FROM facts WHERE seq = ?1", (last + 1,)
    ).fetchone():
        last += 1
    return last, known


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
    """Give the damaged file another name, and its write-ahead log with it; nobody writes them any more."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    aside.chmod(0o400)
    if wal_path(path).exists():
        wal_path(path).rename(wal_path(aside))
        wal_path(aside).chmod(0o400)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    return aside
