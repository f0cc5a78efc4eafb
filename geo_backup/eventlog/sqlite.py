"""The log in one SQLite file: one writer thread gathers what waits into one transaction, one fsync for all of it.

Facts and fixes stand in two tables under one `seq`, since fixes are 99 % of the volume and may be kept less long.
An append is answered after the commit, and only then is it shown to followers: from memory to those that are up to
date, from the file to those that lag.

A disk may be full, slow or broken: what is urgent goes first, and a file beside the log keeps room for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from geo_backup.errors import LogError, LogFullError
from geo_backup.eventlog import LogState
from geo_backup.eventlog.reserve import RESERVE_BYTES, Reserve
from geo_backup.events import (
    BeatsAdopted,
    ClosureAdded,
    DemandAdopted,
    Event,
    Fix,
    PositionReported,
    SpeedsAdopted,
)
from geo_backup.wire import facts

APPLICATION_ID = 0x47454F42  # "GEOB": tells our file from any other SQLite file
FORMAT = 1
PAGE_BYTES = 4096
WAITING_APPENDS = 256
"""Appends in the writer's queue; further callers wait for their turn."""
GROUP_EVENTS = 5_000
"""A transaction takes no further append once it holds so many events."""
GROUP_BYTES = 64 << 20
"""Nor once its events take so much memory."""
TAIL_BYTES = 32 << 20
"""Memory for committed events that are kept for followers."""
EVENT_BYTES = 600
"""Memory that any event takes."""
PARSED_TIMES = 8
"""A fact takes up to so many times the memory of its JSON: a coordinate of a polygon is two numbers and a list."""
BULKY = (BeatsAdopted, ClosureAdded, DemandAdopted, SpeedsAdopted)
"""Facts that take long to encode."""
BATCH_EVENTS = 2_000
"""Events a reader is handed at once."""
SNAPSHOTS_KEPT = 3
WAL_BYTES = 64 << 20
CHECKPOINT_PAGES = 1_000
"""SQLite moves its write-ahead log into the file from this size on."""
SLOW_AFTER_S = 2.0
"""An append that waits longer than this says that the disk is slow ..."""
SLOW_FOR_S = 10.0
"""... which holds until there was none for so long."""
FULL_FOR_S = 10.0
"""A disk was full until nothing failed for so long, and there is room again."""
ROOM_BYTES = 1 << 20
"""Less free room than this, beside the reserve, is a full disk."""
LOOK_FOR_ROOM_S = 1.0
"""While the disk is full it is looked at this often."""

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE facts (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, event_id TEXT, body BLOB NOT NULL);
CREATE UNIQUE INDEX facts_event_id ON facts (event_id) WHERE event_id IS NOT NULL;
CREATE TABLE fixes (
    seq INTEGER PRIMARY KEY, unit_id TEXT NOT NULL, device_id TEXT, said_by TEXT, received_ms INTEGER NOT NULL,
    fix_ms INTEGER NOT NULL, lon REAL NOT NULL, lat REAL NOT NULL, speed_mps REAL, course_deg REAL, accuracy_m REAL
);
CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, data BLOB NOT NULL, sha256 TEXT NOT NULL);
"""
_ADD_FIX = "INSERT INTO fixes VALUES (?,?,?,?,?,?,?,?,?,?,?)"
_ADD_FACT = "INSERT INTO facts VALUES (?,?,?,?)"

Row = tuple[Any, ...]
Batch = list[tuple[int, Event]]


class _Append:
    """One caller's events on their way through the writer: encoded, committed, answered."""

    __slots__ = ("asked_s", "events", "future", "loop", "rows", "seqs", "weight")

    def __init__(self, events: Sequence[Event], rows: list[Row], loop: asyncio.AbstractEventLoop) -> None:
        self.events = tuple(events)
        self.rows = rows
        self.asked_s = time.monotonic()
        self.weight = sum(map(_weight, rows))
        self.seqs: list[int] = []
        self.loop = loop
        self.future: asyncio.Future[list[int]] = loop.create_future()

    def answer(self) -> None:
        if not self.future.done():
            self.future.set_result(self.seqs)

    def fail(self, error: LogError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Snapshot:
    """A snapshot on its way through the writer."""

    __slots__ = ("asked_s", "data", "done", "error", "seq")

    def __init__(self, seq: int, data: bytes) -> None:
        self.seq, self.data, self.asked_s = seq, data, time.monotonic()
        self.done = threading.Event()
        self.error: LogError | None = None


def _weight(row: Row) -> int:
    """Bytes of memory that an event takes, by its row; a fact's body is the last of it."""
    return EVENT_BYTES + (PARSED_TIMES * len(row[-1]) if isinstance(row[-1], bytes) else 0)


class SqliteLog:
    """The EventLog in one SQLite file; one process writes, any number read. Made by `open`."""

    epoch: str

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: IO[bytes] | None, reserve: int = 0) -> None:
        self.path = path
        self.epoch = _meta(connection, "epoch")
        self.read_only = lock is None
        self._connection = connection
        self._lock_file = lock
        self._guard = threading.Condition()
        self._waiting: deque[_Append | _Snapshot] = deque()
        self._urgent: deque[_Append] = deque()
        self._committing_s: float | None = None
        """When the oldest append of the transaction under way was asked for."""
        self._slow_s = self._full_s = float("-inf")
        """When it was last slow, or full."""
        self._full = False
        self._looked_s = float("-inf")
        self._reserve = Reserve(path.with_name(path.name + ".reserve"), reserve)
        self._slots: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None
        self._closed = False
        self._broken: LogError | None = None
        self._last = _last_seq(connection)
        self._tail: deque[tuple[int, Batch]] = deque()
        """Batches with their weight."""
        self._tail_bytes = 0
        self._tail_after = self._last
        self._followers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._writer: threading.Thread | None = None
        if lock is not None:
            if not self._reserve.take():
                self._fill_up()
            self._writer = threading.Thread(target=self._write, name="log-writer", daemon=True)
            self._writer.start()

    @staticmethod
    def open(
        path: Path, *, create: bool = True, read_only: bool = False, reserve_bytes: int = RESERVE_BYTES
    ) -> SqliteLog:
        """Open the log at `path`, made anew if there is none and `create` allows it.

        `read_only` opens also a log that another process is writing. `reserve_bytes` is the room kept beside it for
        emergencies. Raises LogError, in one line with the remedy, for
        a file that is no log, a broken one, one of a newer version, and one that another process holds for writing.
        """
        path = Path(path)
        if not (create and not read_only) and not path.exists():
            raise LogError(f"there is no log at {path}")
        if path.is_dir():
            raise LogError(f"{path} is a folder: name a file for the log")
        if read_only:
            with _explained(path):
                return _opened(path, _connect(path, "ro"), None, 0)
        lock = _lock(path)
        try:
            with _explained(path):
                made = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                try:
                    # SQLite gives -wal and -shm the mode of the file itself
                    if sys.platform != "win32":
                        os.fchmod(made, 0o600)
                finally:
                    os.close(made)
                return _opened(path, _connect(path, "rw"), lock, reserve_bytes)
        except BaseException:
            lock.close()
            raise

    @property
    def last_seq(self) -> int:
        """The seq of the last committed event; 0 in an empty log."""
        if self.read_only:
            with _explained(self.path):
                return _last_seq(self._connection)
        return self._last

    # ---- how it is

    @property
    def state(self) -> LogState:
        """How the disk takes what it is given; see LogState."""
        name = self.path.name
        if self._broken is not None:
            words = (
                f"the log {name} cannot be written, and nothing is recorded any more: check its disk, then start the"
            )
            return LogState("failing", f"{words} server again")
        if self._full:
            words = f"the disk of the log {name} is full: only emergencies are sure to be recorded; make room on it"
            return LogState("full", words)
        if self.waiting_s > SLOW_AFTER_S or time.monotonic() - self._slow_s < SLOW_FOR_S:
            words = f"the disk of the log {name} takes more than {SLOW_AFTER_S:g} s to record: look what else uses it,"
            return LogState("slow", f"{words} and whether it is failing")
        return LogState("ok")

    @property
    def waiting_s(self) -> float:
        """How long the oldest append that is not answered yet has waited; 0 when none waits."""
        with self._guard:
            asked = [queue[0].asked_s for queue in (self._urgent, self._waiting) if queue]
            if self._committing_s is not None:
                asked.append(self._committing_s)
        return time.monotonic() - min(asked) if asked else 0.0

    # ---- writing

    async def append(self, events: Sequence[Event], *, urgent: bool = False) -> list[int]:
        """Record the events, all or none; see EventLog.append."""
        if not events:
            return []
        loop = asyncio.get_running_loop()
        if urgent:
            item = _Append(events, _encoded(events), loop)
            self._enqueue(item, urgent=True)
            return await item.future
        if any(isinstance(event, BULKY) for event in events):
            rows = await asyncio.to_thread(_encoded, events)
        else:
            rows = _encoded(events)
        item = _Append(events, rows, loop)
        if self._slots is None or self._slots[0] is not loop:
            self._slots = (loop, asyncio.Semaphore(WAITING_APPENDS))
        async with self._slots[1]:
            self._enqueue(item)
            return await item.future

    def save_snapshot(self, seq: int, data: bytes) -> None:
        """Keep `data` as the state after event `seq`; blocks for one commit. The last three are kept."""
        item = _Snapshot(seq, data)
        self._enqueue(item)
        item.done.wait()
        if item.error is not None:
            raise item.error

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """(seq, data) of the newest snapshot whose hash fits, or None."""
        with self._reading() as connection:
            rows = connection.execute("SELECT seq, data, sha256 FROM snapshots ORDER BY seq DESC")
            for seq, data, sha256 in rows:
                if hashlib.sha256(data).hexdigest() == sha256:
                    return seq, data
        return None

    def close(self) -> None:
        """Commit what waits, wake the followers to their end, and let go of the file."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
            self._guard.notify_all()
            self._wake([])
        if self._writer is not None:
            self._writer.join()
        self._connection.close()
        if self._lock_file is not None:
            self._lock_file.close()

    def _enqueue(self, item: _Append | _Snapshot, *, urgent: bool = False) -> None:
        with self._guard:
            if self.read_only:
                raise LogError(f"{self.path} is open for reading only")
            if self._closed:
                raise LogError(f"{self.path} is closed")
            if self._broken is not None:
                raise LogError(str(self._broken))
            if urgent and isinstance(item, _Append):
                self._urgent.append(item)
            else:
                self._waiting.append(item)
            self._guard.notify_all()

    def _write(self) -> None:
        """The writer thread: until closed, take all that waits, commit it, answer."""
        while True:
            with self._guard:
                while not self._waiting and not self._urgent and not self._closed:
                    if not self._guard.wait(LOOK_FOR_ROOM_S if self._full else None):
                        break  # nobody writes, and the disk is to be looked at all the same
                if self._closed and not self._waiting and not self._urgent:
                    return
                urgent = bool(self._urgent)
                queue: deque[_Append | _Snapshot] | deque[_Append] = self._urgent if urgent else self._waiting
                group: list[_Append] = []
                snapshots: list[_Snapshot] = []
                events = weight = 0
                while queue and events < GROUP_EVENTS and weight < GROUP_BYTES:
                    item = queue.popleft()
                    if isinstance(item, _Snapshot):
                        snapshots.append(item)
                    else:
                        group.append(item)
                        events += len(item.events)
                        weight += item.weight
                self._committing_s = min(
                    (*(one.asked_s for one in group), *(one.asked_s for one in snapshots)), default=None
                )
            if self._full and not urgent:
                self._look_for_room()
            if group:
                self._commit(group, urgent)
            for snapshot in snapshots:
                self._commit_snapshot(snapshot)
            with self._guard:
                now_s = time.monotonic()
                if self._committing_s is not None and now_s - self._committing_s > SLOW_AFTER_S:
                    self._slow_s = now_s
                self._committing_s = None

    def _look_for_room(self) -> None:
        """Whether the disk is full no more: nothing failed lately, the reserve can be had, and some room beside it."""
        now_s = time.monotonic()
        if now_s - self._looked_s < LOOK_FOR_ROOM_S:
            return
        self._looked_s = now_s
        with contextlib.suppress(OSError):
            if self._reserve.take() and now_s - self._full_s >= FULL_FOR_S:
                self._full = shutil.disk_usage(self.path.parent).free < ROOM_BYTES
                self._checkpoint_by_itself(not self._full)

    def _fill_up(self) -> None:
        """The disk is full: the reserve, let go of, is for what is urgent alone until it can be had again."""
        self._full, self._full_s = True, time.monotonic()

    def _let_go(self) -> bool:
        """Give the reserve to what is urgent; whether there was one."""
        # moving the write-ahead log into the file would take all of it at once
        self._checkpoint_by_itself(False)
        return self._reserve.release()

    def _checkpoint_by_itself(self, on: bool) -> None:
        self._connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES if on else 0}")

    def _commit(self, group: list[_Append], urgent: bool) -> None:
        try:
            self._check_writable(urgent)
            batch = self._transaction(group)
        except Exception as error:
            failure = self._failure(error)
            if urgent and isinstance(failure, LogFullError) and self._let_go():
                self._commit(group, urgent)
                return
            self._call([(item.loop, _failing(item, failure)) for item in group])
            return
        with self._guard:
            if batch:
                self._last = batch[-1][0]
                weight = sum(item.weight for item in group)
                self._tail.append((weight, batch))
                self._tail_bytes += weight
                while self._tail_bytes > TAIL_BYTES and len(self._tail) > 1:
                    weight, gone = self._tail.popleft()
                    self._tail_bytes -= weight
                    self._tail_after = gone[-1][0]
            self._wake([(item.loop, item.answer) for item in group])

    def _check_writable(self, urgent: bool) -> None:
        if self._broken is not None:
            raise self._broken
        if not urgent and not self._reserve.held:
            raise _full_error(self.path)

    def _transaction(self, group: list[_Append]) -> Batch:
        """Write all appends of the group; the answer is what is new in the log."""
        connection, seq = self._connection, self._last
        batch: Batch = []
        new_fixes: list[Row] = []
        new_facts: list[Row] = []
        new_ids: dict[str, int] = {}
        connection.execute("BEGIN IMMEDIATE")
        for item in group:
            item.seqs = []
            for event, row in zip(item.events, item.rows, strict=True):
                if event.event_id:
                    standing = new_ids.get(event.event_id) or _standing(connection, event.event_id)
                    if standing:
                        item.seqs.append(standing)
                        continue
                    new_ids[event.event_id] = seq + 1
                seq += 1
                (new_fixes if isinstance(event, PositionReported) else new_facts).append((seq, *row))
                item.seqs.append(seq)
                batch.append((seq, event))
        connection.executemany(_ADD_FIX, new_fixes)
        connection.executemany(_ADD_FACT, new_facts)
        connection.execute("COMMIT")
        return batch

    def _commit_snapshot(self, snapshot: _Snapshot) -> None:
        try:
            self._check_writable(urgent=False)
            if snapshot.seq > self._last:
                raise LogError(f"a snapshot at {snapshot.seq} is past the end of the log, {self._last}")
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            row = (snapshot.seq, snapshot.data, hashlib.sha256(snapshot.data).hexdigest())
            connection.execute("INSERT OR REPLACE INTO snapshots VALUES (?,?,?)", row)
            connection.execute(
                "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)",
                (SNAPSHOTS_KEPT,),
            )
            connection.execute("COMMIT")
        except Exception as error:
            snapshot.error = self._failure(error)
        finally:
            snapshot.done.set()

    def _failure(self, error: Exception) -> LogError:
        """Undo the transaction and say what happened; after an I/O error the log takes nothing more."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        if isinstance(error, LogFullError) or _is_full(error):
            self._fill_up()
            return _full_error(self.path)
        if isinstance(error, LogError):
            return error
        failure = LogError(f"{self.path} cannot be written ({error}): nothing was recorded")
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return failure
        # what a failed fsync left in the page cache is unknown; only opening the file anew tells what it holds
        self._broken = LogError(f"{self.path} failed ({error}): check the disk, then start again")
        return failure

    def _wake(self, calls: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]]) -> None:
        """Followers first, so that an answered caller finds them already on their way."""
        self._call([*((loop, event.set) for event, loop in self._followers.items()), *calls])

    @staticmethod
    def _call(calls: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Callable[[], None]]] = {}
        for loop, call in calls:
            by_loop.setdefault(loop, []).append(call)
        for loop, todo in by_loop.items():
            with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(_run_all, todo)

    # ---- reading

    async def read(self, after: int = 0, *, follow: bool = False) -> AsyncIterator[Batch]:
        """Batches past `after`; see EventLog.read."""
        if follow and self.read_only:
            raise LogError(f"{self.path} is open for reading only: only its writer can be followed")
        news = asyncio.Event()
        end = self.last_seq
        with self._guard:
            if follow:
                self._followers[news] = asyncio.get_running_loop()
        reader: sqlite3.Connection | None = None
        try:
            while True:
                news.clear()
                with self._guard:
                    closed = self._closed
                    if follow:
                        end = self._last
                    from_memory = not self.read_only and after >= self._tail_after
                    found = self._from_tail(after, end) if from_memory else []
                if closed and not follow:
                    raise LogError(f"{self.path} is closed")
                if after < end and not from_memory and not closed:
                    if reader is None:
                        reader = _connect(self.path, "ro")
                    found = await asyncio.to_thread(self._from_file, reader, after, end)
                    if not found:  # what stood there was purged
                        after = max(after, min(end, self._tail_after))
                        continue
                if found:
                    after = found[-1][0]
                    for start in range(0, len(found), BATCH_EVENTS):
                        yield found[start : start + BATCH_EVENTS]
                elif not follow or closed:
                    return
                else:
                    if reader is not None:  # up to date: from here on memory serves
                        reader.close()
                        reader = None
                    await news.wait()
        finally:
            with self._guard:
                self._followers.pop(news, None)
            if reader is not None:
                reader.close()

    def read_all(self, after: int = 0) -> Iterator[tuple[int, Event]]:
        """(seq, event) of all that is committed past `after`, in order; needs no event loop: for verify and replay."""
        with _explained(self.path), contextlib.closing(_connect(self.path, "ro")) as connection:
            end = _last_seq(connection)
            while batch := _rows(connection, after, end):
                yield from batch
                after = batch[-1][0]

    def _from_tail(self, after: int, end: int) -> Batch:
        late: list[Batch] = []
        for _, batch in reversed(self._tail):
            if batch[-1][0] <= after:
                break
            late.append(batch)
        return [pair for batch in reversed(late) for pair in batch if after < pair[0] <= end]

    def _from_file(self, connection: sqlite3.Connection, after: int, end: int) -> Batch:
        with _explained(self.path):
            return _rows(connection, after, end)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise LogError(f"{self.path} is closed")
        with _explained(self.path), contextlib.closing(_connect(self.path, "ro")) as connection:
            yield connection


def _run_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


def _full_error(path: Path) -> LogFullError:
    return LogFullError(f"the disk of {path} is full: nothing was recorded; make room and try again")


def _failing(item: _Append, error: LogError) -> Callable[[], None]:
    # each caller gets an error of its own: one shared object would gather everyone's traceback
    return lambda: item.fail(type(error)(str(error)))


# ---- rows


def _encoded(events: Sequence[Event]) -> list[Row]:
    return [_row(event) for event in events]


def _row(event: Event) -> Row:
    """The columns after `seq`."""
    if not isinstance(event, PositionReported):
        return (facts.kind_of(event), event.event_id or None, facts.dump(event))
    facts.check(event)
    if event.event_id:
        raise LogError("/event_id: a position has none; its unit, device, time and place name it")
    return (event.unit_id, event.device_id or None, event.said_by, event.received_ms, *event.fix)


def _rows(connection: sqlite3.Connection, after: int, end: int) -> Batch:
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


def _standing(connection: sqlite3.Connection, event_id: str) -> int:
    row = connection.execute("SELECT seq FROM facts WHERE event_id = ?", (event_id,)).fetchone()
    return int(row[0]) if row else 0


def _last_seq(connection: sqlite3.Connection) -> int:
    # snapshots too: a log whose last fixes were purged must not give their seqs again
    row = connection.execute(
        "SELECT max((SELECT coalesce(max(seq), 0) FROM facts), (SELECT coalesce(max(seq), 0) FROM fixes),"
        " (SELECT coalesce(max(seq), 0) FROM snapshots))"
    ).fetchone()
    return int(row[0])


def _meta(connection: sqlite3.Connection, name: str) -> str:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise LogError(f"the log has no {name}: restore it from a backup")
    return str(row[0])


# ---- the file


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)


def _opened(path: Path, connection: sqlite3.Connection, lock: IO[bytes] | None, reserve: int) -> SqliteLog:
    """Look at the file, make the tables if it is new, set and read back what durability hangs on."""
    try:
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not (application_id == APPLICATION_ID or (empty and application_id == 0)):
            raise LogError(f"{path} is a database, but no geo_backup log: name another file")
        if version > FORMAT:
            raise LogError(f"{path} is of a newer geo_backup (log format {version}): update geo_backup")
        if lock is None:
            if empty:
                raise LogError(f"{path} is empty, no log")
        else:
            connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            if mode != "wal":
                raise LogError(f"{path}: this file system cannot hold a log (journal mode {mode}): use a local disk")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
            if connection.execute("PRAGMA synchronous").fetchone()[0] != 2:
                raise LogError(f"{path}: SQLite refuses synchronous=FULL, so acknowledged events could be lost")
            if empty:
                _make_tables(connection)
        _check_whole(path, connection)
        return SqliteLog(path, connection, lock, reserve)
    except BaseException:
        connection.close()
        raise


def _make_tables(connection: sqlite3.Connection) -> None:
    """All or nothing, so that a crash leaves an empty file, which the next start fills."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={FORMAT}")
    connection.execute("COMMIT")


def _check_whole(path: Path, connection: sqlite3.Connection) -> None:
    """A file cut short is found at once, not when the lost page is read some day. Only looks at sizes and both ends."""
    wal = path.with_name(path.name + "-wal")
    if not wal.exists() or wal.stat().st_size == 0:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        # the count is that of the file's own header, so a cut file tells of itself
        with path.open("rb") as file:
            header_pages = int.from_bytes(file.read(32)[28:32], "big")
        if max(pages, header_pages) * size > path.stat().st_size:
            raise sqlite3.DatabaseError("the file was cut short")
    _last_seq(connection)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's and the system's errors as LogError with the remedy."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if _is_full(error):
            raise LogFullError(f"the disk of {path} is full: make room and try again") from error
        text = str(error)
        if "not a database" in text:
            raise LogError(f"{path} is no geo_backup log: name another file") from error
        if "malformed" in text or "cut short" in text:
            raise LogError(
                f"{path} is damaged ({text}): restore it from a backup, or move it away to begin a new log"
            ) from error
        raise LogError(f"{path} cannot be opened or read ({text})") from error


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # the shared memory file cannot grow either
    name = getattr(error, "sqlite_errorname", "")
    return name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE") or "is full" in str(error)


def _lock(path: Path) -> IO[bytes]:
    """Hold `path`.lock as long as this process writes the log; the system lets go of it even after a crash."""
    # a file of its own: closing any descriptor of the database would drop SQLite's own locks
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LogError(f"{path} cannot be opened for writing ({error.strerror})") from error
    file = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LogError(
            f"{path} is being written by another process: stop that one, or name another file with --log"
        ) from error
    return file
