"""The purge: what has stayed longer than it may is taken out of a log, and the rest stays proven.

What goes is replaced by its hashes (see `chain`), in the same transaction as a link that says how many went, so that
`audit verify` proves what is left. `purge` needs the log for itself; `purge_beside` is for the process that writes it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from geo_backup.custody import RecordsPurged
from geo_backup.errors import LogError
from geo_backup.eventlog.port import EventLog
from geo_backup.eventlog.proof import purge_content
from geo_backup.eventlog.reading import wipe_index
from geo_backup.eventlog.retention import CLASSES, Purge, Segment, Terms, Work, snapshots
from geo_backup.eventlog.span import Span
from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.eventlog.sqlite_chain import SqliteChain
from geo_backup.eventlog.sqlite_file import connect, explained, hold, prepare
from geo_backup.eventlog.sqlite_rows import has_chain, last_seq

SEGMENTS_AT_ONCE = 500
"""Segments that one transaction purges ..."""
SEGMENTS_BESIDE = 1
"""... and where others wait for their own transactions meanwhile; as long as one takes, the next waits."""
TRUNCATIONS = 20
TRUNCATE_AGAIN_S = 0.5


def purge(
    path: Path,
    terms: Terms,
    now_ms: int,
    *,
    dry_run: bool = False,
    key_file: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Purge:
    """Take what is older than `terms` out of the log; with `dry_run` only say what would go, also while it is written.

    Raises LogError if another process writes the log, or if a segment is not what was recorded: a purge hides nothing.
    """
    if not path.exists():
        raise LogError(f"there is no log at {path}")
    if dry_run:
        with explained(path), closing(connect(path, "ro")) as connection:
            prepare(path, connection, writing=False)
            work = Work(connection, terms, now_ms)
            for _ in work.segments(progress):
                pass
            return work.purge
    with closing(hold(path)), explained(path), closing(connect(path, "rw")) as connection:
        prepare(path, connection, writing=True)
        connection.execute("PRAGMA secure_delete=ON")  # what is purged must not stay on free pages
        chain = SqliteChain(path, connection, key_file)
        try:
            chain.begin()
            work = Work(connection, terms, now_ms)
            for parts in _batches(work.segments(progress), SEGMENTS_AT_ONCE):
                _take(connection, chain, parts)
            _take_checkpoints(connection, work.before_ms["raw_fixes"])
            wipe_index(path)  # it holds what went; the next start makes it of what is left
        finally:
            chain.close()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return work.purge


def purge_beside(log: EventLog, terms: Terms, now_ms: int) -> Purge:
    """The same of a log that this process has open for writing, a little at a time between what others write; blocks.
    A hold that is placed meanwhile keeps what is still there. Raises LogError as `purge` does."""
    if not isinstance(log, SqliteLog):
        raise LogError("this log is not purged by the server that writes it")
    with log.purging, explained(log.path), closing(connect(log.path, "ro")) as connection:
        prepare(log.path, connection, writing=False)
        taken = dict.fromkeys(CLASSES, 0)
        whole = False
        while not whole:
            begun, work, whole = last_seq(connection), Work(connection, terms, now_ms), True
            for parts in _batches(work.segments(None), SEGMENTS_BESIDE):
                began_s = time.monotonic()
                if not log.between(partial(_take_unless_held, begun, parts)):
                    whole = False
                    break
                time.sleep(time.monotonic() - began_s)
                for leaf in (leaf for segment in parts for leaf in segment.gone):
                    taken[leaf.of or ""] += len(leaf.fixes) + len(leaf.facts)
        work.purge.counts = taken
    log.between(lambda connection, _: _take_checkpoints(connection, work.before_ms["raw_fixes"]))
    if work.purge.events:
        _shorten(log)
    return work.purge


def _take_unless_held(begun: int, segments: list[Segment], connection: sqlite3.Connection, chain: SqliteChain) -> bool:
    """False where a hold was placed since it was judged what is to go."""
    held = connection.execute("SELECT 1 FROM facts WHERE seq > ? AND kind = 'HoldPlaced'", (begun,)).fetchone()
    if held is None:
        connection.execute("PRAGMA secure_delete=ON")
        _take(connection, chain, segments)
    return held is None


def _shorten(log: SqliteLog) -> None:
    """Empty the -wal file, in which what went may stand; whoever reads an older state of it is waited for a little."""
    for _ in range(TRUNCATIONS):
        if log.between(_truncated):
            return
        time.sleep(TRUNCATE_AGAIN_S)


def _truncated(connection: sqlite3.Connection, _: SqliteChain) -> bool:
    connection.execute("PRAGMA busy_timeout=0")
    try:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        connection.execute("PRAGMA busy_timeout=5000")
    return not busy


def purged_fact(done: Purge, terms: Terms, now_ms: int, by: str) -> RecordsPurged:
    """The purge as the log has it."""
    return RecordsPurged(
        event_id=f"purge:{done.until_seq}:{now_ms}",
        received_ms=now_ms,
        said_by=by,
        until_seq=done.until_seq,
        raw_fixes=done.counts["raw_fixes"],
        tracks=done.counts["tracks"],
        decisions=done.counts["decisions"],
        audit=done.counts["audit"],
        held=done.held,
        raw_fixes_days=terms.raw_fixes,
        tracks_days=terms.tracks,
        decisions_days=terms.decisions,
        audit_days=terms.audit,
        by=by,
    )


def fold_start(path: Path) -> tuple[int, bytes] | None:
    """(seq, data) of the oldest checkpoint that nothing was purged after; None while nothing was: the fold begins with
    the first event then. LogError if there is no such checkpoint any more."""
    with explained(path), closing(connect(path, "ro")) as connection:
        if not has_chain(connection):
            return None
        purged = connection.execute("SELECT max(last_seq) FROM links WHERE kind = 'purge'").fetchone()[0]
        if purged is None:
            return None
        for seq, data in snapshots(connection, "seq"):
            if seq >= purged:
                return seq, data
    raise LogError(f"{path}: events up to {purged:,} were purged, and no later checkpoint is whole: restore a backup")


def _batches(segments: Iterable[Segment], size: int) -> Iterator[list[Segment]]:
    batch: list[Segment] = []
    for segment in segments:
        batch.append(segment)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _take(connection: sqlite3.Connection, chain: SqliteChain, segments: list[Segment]) -> None:
    """Replace leaves by their hashes, and say so in the chain: one transaction."""
    counts: dict[str, int] = dict.fromkeys(CLASSES, 0)
    rows: list[tuple[int, int, bytes]] = []
    gone_fixes: list[tuple[int]] = []
    gone_facts: list[tuple[int]] = []
    for segment in segments:
        events = 0
        for leaf in segment.gone:
            gone_fixes += [(row[0],) for row in leaf.fixes]
            gone_facts += [(row[0],) for row in leaf.facts]
            counts[leaf.of or ""] += len(leaf.fixes) + len(leaf.facts)
            events += len(leaf.fixes) + len(leaf.facts)
        rows.append((segment.number, events, b"".join(leaf.hash for leaf in segment.gone)))
    connection.execute("BEGIN IMMEDIATE")
    try:
        note: dict[str, Any] = {"counts": counts}
        seqs = [seq for (seq,) in (*gone_fixes, *gone_facts)]
        number = chain.link("purge", Span(min(seqs), max(seqs)), len(seqs), purge_content(rows), note)
        connection.executemany(
            "INSERT INTO purged VALUES (?,?,?,?)",
            [(segment, number, events, leaves) for segment, events, leaves in rows],
        )
        connection.executemany("DELETE FROM fixes WHERE seq = ?", gone_fixes)
        connection.executemany("DELETE FROM facts WHERE seq = ?", gone_facts)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        chain.undone()
        raise
    chain.committed((), (), 0)


def _take_checkpoints(connection: sqlite3.Connection, before_ms: int) -> None:
    """Checkpoints hold the last positions of their time: those that are older than fixes may be go, but for the newest,
    where the fold can begin."""
    made = connection.execute("SELECT first_seq FROM links WHERE kind = 'checkpoint' AND at_ms < ?", (before_ms,))
    newest = connection.execute("SELECT max(seq) FROM snapshots").fetchone()[0]
    old = [(seq,) for (seq,) in made if seq != newest]
    connection.executemany("DELETE FROM snapshots WHERE seq = ?", old)
