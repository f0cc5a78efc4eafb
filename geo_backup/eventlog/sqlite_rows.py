"""Events as rows of an SQLite file: facts and fixes in two tables under one `seq`, and snapshots."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import fields
from operator import itemgetter

from geo_backup.errors import LogError
from geo_backup.eventlog.chain import Link, Row
from geo_backup.events import Event, Fix, PositionReported
from geo_backup.wire import facts

EVENT_BYTES = 600
"""Memory that any event takes."""
PARSED_TIMES = 8
"""A fact takes up to so many times the memory of its JSON: a coordinate of a polygon is two numbers and a list."""
MS_MAX = 2**62
BATCH_EVENTS = 2_000
"""Events a reader is handed at once."""
FACT_COLUMNS = 3

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
CHAIN_SCHEMA = """
CREATE TABLE links (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    events INTEGER NOT NULL, content BLOB NOT NULL, at_ms INTEGER NOT NULL, note TEXT NOT NULL, hash BLOB NOT NULL,
    signature BLOB NOT NULL
);
CREATE TABLE purged (
    segment INTEGER NOT NULL, purge INTEGER NOT NULL, events INTEGER NOT NULL, leaves BLOB NOT NULL,
    PRIMARY KEY (segment, purge)
) WITHOUT ROWID;
"""
"""Since format 2. `purged` has the hashes of leaves that went, by the numbers of their segment and of their purge."""
ADD_FIX = "INSERT INTO fixes VALUES (?,?,?,?,?,?,?,?,?,?,?)"
ADD_FACT = "INSERT INTO facts VALUES (?,?,?,?)"
ADD_LINK = "INSERT INTO links VALUES (?,?,?,?,?,?,?,?,?,?)"


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
    if not _is_plain(event):
        facts.check(event)
    if event.event_id:
        raise LogError("/event_id: a position has none; its unit, device, time and place name it")
    return (event.unit_id, event.device_id or None, event.said_by, event.received_ms, *event.fix)


def _is_plain(event: PositionReported) -> bool:
    """Whether a position is beyond doubt one that can be written. Nearly all are; to look at each field of the others
    by itself takes four times as long, and says which one is wrong."""
    if type(event.fix) is not Fix:
        return False
    fix_ms, lon, lat, speed, course, accuracy = event.fix
    return (
        type(fix_ms) is type(event.received_ms) is int
        and 0 <= fix_ms < MS_MAX
        and 0 <= event.received_ms < MS_MAX
        and type(lon) is type(lat) is float
        and -180.0 <= lon <= 180.0
        and -90.0 <= lat <= 90.0
        and (speed is None or (type(speed) is float and 0.0 <= speed < 1e9))
        and (course is None or (type(course) is float and 0.0 <= course < 1e9))
        and (accuracy is None or (type(accuracy) is float and 0.0 <= accuracy < 1e9))
        and type(event.unit_id) is type(event.device_id) is type(event.said_by) is str
        and (event.unit_id + event.device_id + event.said_by).isascii()
    )


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
    rows = sorted((*fixes, *others), key=itemgetter(0))[:BATCH_EVENTS] if others else fixes
    return [(row[0], _position(row) if len(row) > FACT_COLUMNS else _fact(row)) for row in rows]


def _position(row: Row) -> PositionReported:
    """As its class makes it, in a third of the time: a start may read millions of them."""
    event = object.__new__(PositionReported)
    _, unit_id, device_id, said_by, received_ms = row[:5]
    _set_event_id(event, "")
    _set_received_ms(event, received_ms)
    _set_said_by(event, said_by)
    _set_unit_id(event, unit_id)
    _set_fix(event, tuple.__new__(Fix, row[5:]))
    _set_device_id(event, device_id or "")
    return event


_set_event_id, _set_received_ms, _set_said_by, _set_unit_id, _set_fix, _set_device_id = (
    getattr(PositionReported, field.name).__set__ for field in fields(PositionReported)
)


def _fact(row: Row) -> Event:
    seq, kind, body = row
    try:
        return facts.parse(kind, body)
    except LogError as error:
        raise LogError(f"event {seq} cannot be read: {error}") from None


def rows_between(connection: sqlite3.Connection, first: int, last: int) -> tuple[list[Row], list[Row]]:
    """(fixes, facts) from `first` to `last`, as they stand in their tables, in order."""
    bounds = (first, last)
    return (
        connection.execute("SELECT * FROM fixes WHERE seq BETWEEN ? AND ? ORDER BY seq", bounds).fetchall(),
        connection.execute("SELECT * FROM facts WHERE seq BETWEEN ? AND ? ORDER BY seq", bounds).fetchall(),
    )


def links_from(connection: sqlite3.Connection, number: int = 1) -> Iterator[Link]:
    """The links of the chain from that number on."""
    rows = connection.execute("SELECT * FROM links WHERE number >= ? ORDER BY number", (number,))
    return (Link(*row) for row in rows)


def has_chain(connection: sqlite3.Connection) -> bool:
    """Whether it is of format 2; an older log has no chain until it is opened for writing."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'links'").fetchone() is not None


def last_link(connection: sqlite3.Connection) -> Link | None:
    row = connection.execute("SELECT * FROM links ORDER BY number DESC LIMIT 1").fetchone()
    return Link(*row) if row else None


def chained_seq(connection: sqlite3.Connection) -> int:
    """The seq up to which the chain has come."""
    return int(connection.execute("SELECT coalesce(max(last_seq), 0) FROM links").fetchone()[0])


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
    epoch = meta_of(connection, "epoch")
    if epoch is None:
        raise LogError("the log has no epoch: restore it from a backup")
    return epoch


def meta_of(connection: sqlite3.Connection, name: str) -> str | None:
    """What the log says of itself under a name: `epoch`; `unchained`, how many events an older version wrote."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else None
