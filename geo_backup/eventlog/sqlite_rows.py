"""Events as rows of an SQLite file: facts and fixes in two tables under one `seq`, and snapshots."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from geo_backup.errors import LogError
from geo_backup.events import Event, Fix, PositionReported
from geo_backup.wire import facts

EVENT_BYTES = 600
"""Memory that any event takes."""
PARSED_TIMES = 8
"""A fact takes up to so many times the memory of its JSON: a coordinate of a polygon is two numbers and a list."""
BATCH_EVENTS = 2_000
"""Events a reader is handed at once."""

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE facts (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, event_id TEXT, body BLOB NOT NULL);
CREATE UNIQUE INDEX facts_event_id ON facts (event_id) WHERE event_id IS NOT NULL;
CREATE TABLE fixes (
    seq INTEGER PRIMARY KEY, unit_id TEXT NOT NULL, device_id TEXT, said_by TEXT, received_ms INTEGER NOT NULL,
    fix_ms INTEGER NOT NULL, lon REAL NOT NULL, lat REAL NOT NULL, speed_mps REAL, course_deg REAL, accuracy_m REAL
);
CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, data BLOB NOT NULL, sha256 TEXT NOT NULL);
"""
ADD_FIX = "INSERT INTO fixes VALUES (?,?,?,?,?,?,?,?,?,?,?)"
ADD_FACT = "INSERT INTO facts VALUES (?,?,?,?)"


Row = tuple[Any, ...]
Batch = list[tuple[int, Event]]


def weight_of(row: Row) -> int:
    """Bytes of memory that an event takes, by its row; a fact's body is the last of it."""
    return EVENT_BYTES + (PARSED_TIMES * len(row[-1]) if isinstance(row[-1], bytes) else 0)


def encoded(events: Sequence[Event]) -> list[Row]:
    return [_row(event) for event in events]


def _row(event: Event) -> Row:
    """The columns after `seq`."""
    if not isinstance(event, PositionReported):
        return (facts.kind_of(event), event.event_id or None, facts.dump(event))
    facts.check(event)
    if event.event_id:
        raise LogError("/event_id: a position has none; its unit, device, time and place name it")
    return (event.unit_id, event.device_id or None, event.said_by, event.received_ms, *event.fix)


def next_rows(connection: sqlite3.Connection, after: int, end: int) -> Batch:
    """The next events past `after`, up to `end`, at most BATCH_EVENTS."""
    bounds = (after, end, BATCH_EVENTS)
    connection.execute("BEGIN")
    try:
        fixes = connection.execute(
            "SELECT * FROM fixes WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", bounds
        ).fetchall()
        others = connection.execute(
            "SELECT seq, kind, body FROM facts WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?", bounds
        ).fetchall()
    finally:
        connection.execute("COMMIT")
    batch: Batch = []
    at_fix = at_other = 0
    while len(batch) < BATCH_EVENTS and (at_fix < len(fixes) or at_other < len(others)):
        if at_other == len(others) or (at_fix < len(fixes) and fixes[at_fix][0] < others[at_other][0]):
            seq, unit_id, device_id, said_by, received_ms, *fix = fixes[at_fix]
            at_fix += 1
            event: Event = PositionReported(
                unit_id=unit_id,
                device_id=device_id or "",
                said_by=said_by,
                received_ms=received_ms,
                fix=Fix(*fix),
            )
        else:
            seq, kind, body = others[at_other]
            at_other += 1
            try:
                event = facts.parse(kind, body)
            except LogError as error:
                raise LogError(f"event {seq} cannot be read: {error}") from None
        batch.append((seq, event))
    return batch


def standing_seq(connection: sqlite3.Connection, event_id: str) -> int:
    row = connection.execute("SELECT seq FROM facts WHERE event_id = ?", (event_id,)).fetchone()
    return int(row[0]) if row else 0


def last_seq(connection: sqlite3.Connection) -> int:
    # snapshots too: a log whose last fixes were purged must not give their seqs again
    row = connection.execute(
        "SELECT max((SELECT coalesce(max(seq), 0) FROM facts), (SELECT coalesce(max(seq), 0) FROM fixes),"
        " (SELECT coalesce(max(seq), 0) FROM snapshots))"
    ).fetchone()
    return int(row[0])


def epoch_of(connection: sqlite3.Connection) -> str:
    """The id of the log, made with it."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    if row is None:
        raise LogError("the log has no epoch: restore it from a backup")
    return str(row[0])
