"""Reading of a log by what one looks for, not from a position on: it stands beside the port and does not widen it.

A reader belongs to one thread. It sees what is committed, while the log's own server goes on writing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from geo_backup.errors import LogError
from geo_backup.eventlog.port import EventLog
from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.eventlog.sqlite_file import connect, explained, prepare
from geo_backup.eventlog.sqlite_rows import Batch, epoch_of, last_seq, next_rows
from geo_backup.events import Event, Fix
from geo_backup.wire import facts

FACTS_AT_ONCE = 500
AHEAD_MS = 3_600_000
"""A fix is received at most so long before its own time: clocks run ahead."""
DISORDER_MS = 5_000
"""What a node works out is of the time when it began to, and comes behind what was said meanwhile; clocks of machines
that share a log differ."""
FIRST_AFTER = (
    "SELECT seq FROM fixes WHERE seq > ? AND received_ms > ? ORDER BY seq LIMIT 1",
    "SELECT seq FROM facts WHERE seq > ? AND CAST(body AS TEXT)->>'received_ms' > ? ORDER BY seq LIMIT 1",
)
INDEX = ".index"
"""What the index beside a log ends with; `history` makes it."""


class Reported(NamedTuple):
    """A fix in the log."""

    seq: int
    received_ms: int
    fix: Fix


class Exported(NamedTuple):
    """A fix in the log with all that it says. Missing values are None, an unnamed device is empty."""

    unit_id: str
    fix_ms: int
    received_ms: int
    lon: float
    lat: float
    speed_mps: float | None
    course_deg: float | None
    accuracy_m: float | None
    device_id: str


class Reader:
    """A log, looked up; see the module. `close` it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with explained(path):
            self._connection = connect(path, "ro")
            try:
                prepare(path, self._connection, writing=False)
                self.epoch = epoch_of(self._connection)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def last_seq(self) -> int:
        """The seq of the last committed event."""
        return last_seq(self._connection)

    def events(self, after: int, until: int) -> Iterator[Batch]:
        """All events past `after` up to `until`, in order, in batches."""
        with explained(self.path):
            while batch := next_rows(self._connection, after, until):
                yield batch
                after = batch[-1][0]

    def facts(self, after: int, until: int) -> Iterator[tuple[int, Event]]:
        """The same without the fixes, which are nearly all."""
        with explained(self.path):
            while True:
                rows = self._connection.execute(
                    "SELECT seq, kind, body FROM facts WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                    (after, until, FACTS_AT_ONCE),
                ).fetchall()
                yield from _parsed(rows)
                if len(rows) < FACTS_AT_ONCE:
                    return
                after = rows[-1][0]

    def facts_at(self, seqs: Sequence[int]) -> list[tuple[int, Event]]:
        """The facts at these positions, those that are still there, in order."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT seq, kind, body FROM facts WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq",
                (orjson.dumps(list(seqs)).decode(),),
            ).fetchall()
            return list(_parsed(rows))

    def fixes_after(self, unit_id: str, after: int, from_ms: int, to_ms: int) -> list[Reported]:
        """A unit's fixes of a time, looked for one by one past a position: for the last few thousand events."""
        with explained(self.path):
            return _reported(
                self._connection.execute(
                    "SELECT seq, received_ms, fix_ms, lon, lat, speed_mps, course_deg, accuracy_m FROM fixes"
                    " WHERE seq > ? AND unit_id = ? AND fix_ms BETWEEN ? AND ? ORDER BY seq",
                    (after, unit_id, from_ms, to_ms),
                )
            )

    def fixes_from(self, after: int, until: int, limit: int) -> list[tuple[Any, ...]]:
        """(seq, unit_id, received_ms, fix_ms, lon, lat, speed_mps, course_deg, accuracy_m) of the fixes past a
        position, in order."""
        with explained(self.path):
            return self._connection.execute(
                "SELECT seq, unit_id, received_ms, fix_ms, lon, lat, speed_mps, course_deg, accuracy_m FROM fixes"
                " WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                (after, until, limit),
            ).fetchall()

    def exported(self, spans: Sequence[tuple[str | None, int, int]]) -> Iterator[Exported]:
        """All fixes of some spans (a unit or None for every one, and two times, UTC epoch ms), each once, by unit and
        time. They are sorted by the engine, on disk where they are many."""
        if not spans:
            return
        after = self.seq_at(min(from_ms for _, from_ms, _ in spans) - AHEAD_MS)
        of_one = ("fix_ms BETWEEN ? AND ?", "fix_ms BETWEEN ? AND ? AND unit_id = ?")
        wanted = " OR ".join(of_one[unit_id is not None] for unit_id, _, _ in spans)
        values = [v for unit_id, *times in spans for v in (*times, unit_id) if v is not None]
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT unit_id, fix_ms, received_ms, lon, lat, speed_mps, course_deg, accuracy_m,"
                f" coalesce(device_id, '') FROM fixes WHERE seq > ? AND ({wanted}) ORDER BY unit_id, fix_ms, seq",
                (after, *values),
            )
            yield from map(Exported._make, rows)

    def facts_of_incident(self, incident_id: str) -> Iterator[Event]:
        """Every fact that names an incident as its own, in order."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT kind, body FROM facts"
                " WHERE instr(body, ?) AND CAST(body AS TEXT)->>'incident_id' = ? ORDER BY seq",
                (incident_id.encode(), incident_id),
            )
            for kind, body in rows:
                yield facts.parse(kind, body)

    def seq_at(self, at_ms: int) -> int:
        """The position that the log had come to at a time: before the first event that was received later; 0 before the
        first of all."""
        with explained(self.path):
            last = last_seq(self._connection)
            low, high = 0, last
            while low < high:  # about where it is, for events do not stand quite in the order of their times
                middle = (low + high + 1) // 2
                seq, received_ms = self._received(middle)
                if seq == 0 or received_ms <= at_ms - DISORDER_MS:
                    low = middle
                else:
                    high = min(middle, seq) - 1
            later = [self._connection.execute(query, (low, at_ms)).fetchone() for query in FIRST_AFTER]
            return min((seq for row in later if row for seq in row), default=last + 1) - 1

    def checkpoint(self, until: int) -> tuple[int, bytes] | None:
        """(seq, data) of the newest whole checkpoint at or before a position; None: fold from the first event."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT seq, data, sha256 FROM snapshots WHERE seq <= ? ORDER BY seq DESC", (until,)
            )
            for seq, data, sha256 in rows:
                if hashlib.sha256(data).hexdigest() == sha256:
                    return seq, data
        return None

    @property
    def span_ms(self) -> tuple[int, int] | None:
        """When the first event that is still there was received, and the last; None in an empty log."""
        with explained(self.path):
            last = self._received(last_seq(self._connection))
            if last[0] == 0:
                return None
            firsts = [
                row[0] if table == "fixes" else orjson.loads(row[0])["received_ms"]
                for table, column in (("fixes", "received_ms"), ("facts", "body"))
                for row in self._connection.execute(f"SELECT {column} FROM {table} ORDER BY seq LIMIT 1")
            ]
            return min(firsts), last[1]

    def _received(self, seq: int) -> tuple[int, int]:
        """(seq, received_ms) of the last event at or before a position; (0, 0) when there is none."""
        fix = self._connection.execute(
            "SELECT seq, received_ms FROM fixes WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,)
        ).fetchone() or (0, 0)
        fact = self._connection.execute(
            "SELECT seq, body FROM facts WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,)
        ).fetchone()
        if fact is None or fact[0] < fix[0]:
            return fix
        return fact[0], orjson.loads(fact[1])["received_ms"]


def file_behind(log: EventLog) -> Path:
    """The file in which an open log can be looked up. LogError for an engine that has none."""
    if isinstance(log, SqliteLog):
        return log.path
    raise LogError("this log cannot be looked up: its past is read with `geo-backup` from a copy of it")


def index_beside(log: Path) -> Path:
    """Where the index of a log is."""
    return log.with_name(log.name + INDEX)


def wipe_index(log: Path) -> None:
    """Overwrite the index of a log and take it away; nothing happens where there is none."""
    for end in ("", "-wal", "-shm"):
        path = index_beside(log)
        path = path.with_name(path.name + end)
        with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
            left = path.stat().st_size
            while left > 0:
                left -= file.write(bytes(min(left, 1 << 20)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink(missing_ok=True)


def _parsed(rows: Iterable[tuple[int, str, bytes]]) -> Iterator[tuple[int, Event]]:
    for seq, kind, body in rows:
        try:
            yield seq, facts.parse(kind, body)
        except LogError as error:
            raise LogError(f"event {seq} cannot be read: {error}") from None


def _reported(rows: Iterable[tuple[int, int, int, float, float, float, float, float]]) -> list[Reported]:
    return [Reported(seq, received_ms, Fix(*fix)) for seq, received_ms, *fix in rows]  # type: ignore[arg-type]
