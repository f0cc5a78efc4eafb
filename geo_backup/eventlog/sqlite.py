"""The log in one SQLite file: one writer thread gathers what waits into one transaction, one fsync for all of it.

Facts and fixes stand in two tables under one `seq`, since fixes are 99 % of the volume and may be kept less long.
An append is answered after the commit, and only then is it shown to followers: from memory to those that are up to
date, from the file to those that lag.

A disk may be full, slow or broken: what is urgent goes first, and a file beside the log keeps room for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import shutil
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, TypeVar, cast

from geo_backup.custody import DoubtAcknowledged
from geo_backup.errors import LogError, LogFullError
from geo_backup.eventlog.chain import Row
from geo_backup.eventlog.doubts import doubts_in, said
from geo_backup.eventlog.ladder import over
from geo_backup.eventlog.port import Limits, LogState
from geo_backup.eventlog.reserve import RESERVE_BYTES, Reserve
from geo_backup.eventlog.salvage import recover_tail
from geo_backup.eventlog.span import Span
from geo_backup.eventlog.sqlite_chain import SqliteChain
from geo_backup.eventlog.sqlite_file import (
    READ_ONLY,
    connect,
    explained,
    full_error,
    hold,
    is_full,
    is_read_only,
    make_private,
    prepare,
)
from geo_backup.eventlog.sqlite_rows import (
    ADD_FACT,
    ADD_FIX,
    BATCH_EVENTS,
    Batch,
    encoded,
    epoch_of,
    last_seq,
    meta_of,
    next_rows,
    standing_seq,
    weight_of,
)
from geo_backup.events import BeatsAdopted, ClosureAdded, DemandAdopted, Event, PositionReported, SpeedsAdopted

log_ = logging.getLogger("geo_backup.eventlog")

Result = TypeVar("Result")

WAITING_APPENDS = 256
"""Appends in the writer's queue; further callers wait for their turn."""
GROUP_EVENTS = 5_000
"""A transaction takes no further append once it holds so many events."""
GROUP_BYTES = 64 << 20
"""Nor once its events take so much memory."""
BULKY = (BeatsAdopted, ClosureAdded, DemandAdopted, SpeedsAdopted)
"""Facts that take long to encode."""
CHECKPOINT_PAGES = 1_000
"""SQLite moves its write-ahead log into the file from this size on."""
SHARED = "stream"
"""What a copy of a shared log says of itself under this name is how far it has come."""
ROOM_BYTES = 1 << 20
"""Less free room than this, beside the reserve, is a full disk."""


class _Append:
    """One caller's events on their way through the writer: encoded, committed, answered."""

    __slots__ = ("asked_s", "beside", "events", "future", "given", "loop", "rows", "seqs", "weight")

    def __init__(
        self,
        events: Sequence[Event],
        rows: list[Row],
        loop: asyncio.AbstractEventLoop,
        given: Sequence[int] | None = None,
        beside: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        self.events = tuple(events)
        self.rows = rows
        self.given = given
        """The seqs that they have in the log that this one is a copy of; None: the next ones."""
        self.beside = beside
        """Writes what stands or falls with them."""
        self.asked_s = time.monotonic()
        self.weight = sum(map(weight_of, rows))
        self.seqs: list[int] = []
        self.loop = loop
        self.future: asyncio.Future[list[int]] = loop.create_future()

    def answer(self) -> None:
        if not self.future.done():
            self.future.set_result(self.seqs)

    def fail(self, error: LogError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Work:
    """Something that the writer does between two commits, and what came of it."""

    __slots__ = ("asked_s", "call", "done", "error", "result")

    def __init__(self, call: Callable[[sqlite3.Connection, SqliteChain], Any]) -> None:
        self.call, self.asked_s = call, time.monotonic()
        self.done = threading.Event()
        self.result: Any = None
        self.error: LogError | None = None


class Opened(NamedTuple):
    """A file that was opened, for the log that is made of it."""

    path: Path
    connection: sqlite3.Connection
    lock: IO[bytes] | None
    """Held by whoever writes it; None for who only reads."""
    reserve_bytes: int
    key_file: Path | None
    limits: Limits


class SqliteLog:
    """The EventLog in one SQLite file; one process writes, any number read. Made by `open`."""

    is_copy = False
    """Whether others decide what stands in it, and in which order."""
    epoch: str
    _chain: SqliteChain
    """The writer thread's; who only reads has none."""

    def __init__(self, opened: Opened) -> None:
        path, connection, lock, reserve_bytes, key_file, limits = opened
        if lock is not None and not self.is_copy and meta_of(connection, SHARED) is not None:
            raise LogError(
                f"{path} is a node's copy of a log that is shared: start it with that one's URL (--log nats://...), "
                "or make a log of its own of it, by `geo-backup log backup` and `log restore`"
            )
        self.path = path
        self.epoch = epoch_of(connection)
        self.read_only = lock is None
        self.purging = threading.Lock()
        """Held by who purges it: two would count the same events."""
        self._limits = limits
        self._connection = connection
        self._lock_file = lock
        self._guard = threading.Condition()
        self._waiting: deque[_Append | _Work] = deque()
        self._urgent: deque[_Append] = deque()
        self._committing_s: float | None = None
        """When the oldest append of the transaction under way was asked for."""
        self._slow_s = self._full_s = float("-inf")
        """When it was last slow, or full."""
        self._full = False
        self._looked_s = float("-inf")
        self._reserve = Reserve(path.with_name(path.name + ".reserve"), reserve_bytes)
        self._slots: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None
        self._doubt = ""
        self._closed = False
        self._broken: LogError | None = None
        self._remedy = ""
        """What helps where it is broken."""
        self._last = last_seq(connection)
        if lock is not None:
            self._chain = SqliteChain(path, connection, key_file)
            self._last = self._chain.last_seq
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

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        read_only: bool = False,
        reserve_bytes: int = RESERVE_BYTES,
        key_file: Path | None = None,
        limits: Limits = Limits(),
    ) -> Self:
        """Open the log at `path`, made anew if there is none; see `open_log`."""
        if read_only and not path.exists():
            raise LogError(f"there is no log at {path}")
        if path.is_dir():
            raise LogError(f"{path} is a folder: name a file for the log")
        lock = None if read_only else hold(path)
        try:
            with explained(path):
                if not read_only:
                    make_private(path)
                    back = recover_tail(path)
                    if back:
                        log_.warning("%s: %s events were put back from its damaged -wal file", path.name, f"{back:,}")
                connection = connect(path, "ro" if read_only else "rw")
                try:
                    prepare(path, connection, writing=not read_only)
                    reserve = 0 if read_only else reserve_bytes
                    return cls(Opened(path, connection, lock, reserve, key_file, limits))
                except BaseException:
                    connection.close()
                    raise
        except BaseException:
            if lock is not None:
                lock.close()
            raise

    @property
    def last_seq(self) -> int:
        """The seq of the last committed event; 0 in an empty log."""
        if self.read_only:
            with explained(self.path):
                return last_seq(self._connection)
        return self._last

    @property
    def leads(self) -> bool:
        """One process writes this file."""
        return True

    async def turned(self) -> None:
        """Never."""
        await asyncio.get_running_loop().create_future()

    # ---- how it is

    @property
    def state(self) -> LogState:
        """How the disk takes what it is given; see LogState."""
        name, doubt = self.path.name, self._doubt
        if self._broken is not None:
            words = f"the log {name} cannot be written, and nothing is recorded any more: {self._remedy}"
            return LogState("failing", words, doubt)
        if self._full:
            words = f"the disk of the log {name} is full: only emergencies are sure to be recorded; make room on it"
            return LogState("full", words, doubt)
        limits = self._limits
        if self._disk_waits_s > limits.slow_after_s or time.monotonic() - self._slow_s < limits.slow_for_s:
            words = f"the disk of the log {name} takes more than {limits.slow_after_s:g} s to record:"
            return LogState("slow", f"{words} look what else uses it, and whether it is failing", doubt)
        return LogState("ok", doubt=doubt)

    @property
    def waiting_s(self) -> float:
        """How long the oldest append that is not answered yet has waited; 0 when none waits."""
        return self._disk_waits_s

    @property
    def _disk_waits_s(self) -> float:
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
            item = _Append(events, encoded(events), loop)
            self._enqueue(item, urgent=True)
            return await item.future
        item = _Append(events, await _encoded(events), loop)
        if self._slots is None or self._slots[0] is not loop:
            self._slots = (loop, asyncio.Semaphore(WAITING_APPENDS))
        async with self._slots[1]:
            self._enqueue(item)
            return await item.future

    async def copy(self, batch: Batch) -> None:
        """Record events under the seqs that they have in the log that this one is a copy of, all past its end. Raises
        LogError where they do not fit what stands here."""
        events = [event for _, event in batch]
        item = _Append(events, await _encoded(events), asyncio.get_running_loop(), [seq for seq, _ in batch])
        self._enqueue(item)
        await item.future

    async def record(
        self, events: Sequence[Event], beside: Callable[[sqlite3.Connection], None], *, urgent: bool = False
    ) -> list[int]:
        """Record events as `append` does, and in the same transaction what `beside` writes, which the writer's thread
        calls."""
        item = _Append(events, await _encoded(events), asyncio.get_running_loop(), beside=beside)
        self._enqueue(item, urgent=urgent)
        return await item.future

    def save_snapshot(self, seq: int, data: bytes) -> None:
        """Keep `data` as the state after event `seq`; blocks for one commit. Of older ones a ladder is kept."""
        self.between(partial(self._keep, seq, data))

    def between(self, call: Callable[[sqlite3.Connection, SqliteChain], Result]) -> Result:
        """Have the writer do something between two commits, in transactions of its own; blocks until it is done. For
        what stands beside the port, since one thread alone writes. Raises LogError as an append does."""
        work = _Work(call)
        self._enqueue(work)
        work.done.wait()
        if work.error is not None:
            raise work.error
        return cast("Result", work.result)

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """(seq, data) of the newest snapshot whose hash fits, or None."""
        with self._reading() as connection:
            rows = connection.execute("SELECT seq, data, sha256 FROM snapshots ORDER BY seq DESC")
            for seq, data, sha256 in rows:
                if hashlib.sha256(data).hexdigest() == sha256:
                    return seq, data
        return None

    async def retire(self) -> None:
        """Nobody else has a part in this log."""

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

    def _enqueue(self, item: _Append | _Work, *, urgent: bool = False) -> None:
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
        self._seal()
        while True:
            with self._guard:
                while not self._waiting and not self._urgent and not self._closed:
                    if not self._guard.wait(self._limits.look_for_room_s if self._full else self._chain.due_in_s):
                        break  # nobody writes: the disk is to be looked at, or the chain to be sealed, all the same
                if self._closed and not self._waiting and not self._urgent:
                    break
                urgent = bool(self._urgent)
                queue: deque[_Append | _Work] | deque[_Append] = self._urgent if urgent else self._waiting
                group: list[_Append] = []
                works: list[_Work] = []
                events = weight = 0
                while queue and events < GROUP_EVENTS and weight < GROUP_BYTES:
                    item = queue.popleft()
                    if isinstance(item, _Work):
                        works.append(item)
                    else:
                        group.append(item)
                        events += len(item.events)
                        weight += item.weight
                self._committing_s = min((one.asked_s for one in group), default=None)
            if self._full and not urgent:
                self._look_for_room()
            if group:
                self._commit(group, urgent)
            elif self._chain.due and not self._full:
                self._seal()
            for work in works:
                self._committing_s = work.asked_s
                self._do(work)
        self._chain.close()

    def _seal(self) -> None:
        """Bring the chain up to the end of the log, in a transaction of its own."""
        try:
            if self._chain.begin():
                self._doubt = said(self.path.name, doubts_in(self._connection))
            if self._chain.due:
                self._connection.execute("BEGIN IMMEDIATE")
                self._chain.seal_segment()
                self._connection.execute("COMMIT")
                self._chain.committed((), (), 0)
        except Exception as error:
            self._failure(error)

    def _end_wait(self) -> None:
        """The transaction under way is over. Before its callers are answered: they find nothing of theirs waiting."""
        with self._guard:
            now_s = time.monotonic()
            if self._committing_s is not None and now_s - self._committing_s > self._limits.slow_after_s:
                self._slow_s = now_s
            self._committing_s = None

    def _look_for_room(self) -> None:
        """Whether the disk is full no more: nothing failed lately, the reserve can be had, and some room beside it."""
        now_s = time.monotonic()
        if now_s - self._looked_s < self._limits.look_for_room_s:
            return
        self._looked_s = now_s
        with contextlib.suppress(OSError):
            if self._reserve.take() and now_s - self._full_s >= self._limits.full_for_s:
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
            batch = self._transaction(group, urgent)
        except Exception as error:
            failure = self._failure(error)
            if urgent and isinstance(failure, LogFullError) and self._let_go():
                self._commit(group, urgent)
                return
            self._end_wait()
            self._call([(item.loop, _failing(item, failure)) for item in group])
            return
        self._end_wait()
        with self._guard:
            if batch:
                self._last = batch[-1][0]
                weight = sum(item.weight for item in group)
                self._tail.append((weight, batch))
                self._tail_bytes += weight
                while self._tail_bytes > self._limits.tail_bytes and len(self._tail) > 1:
                    weight, gone = self._tail.popleft()
                    self._tail_bytes -= weight
                    self._tail_after = gone[-1][0]
            self._wake([(item.loop, item.answer) for item in group])

    def _check_writable(self, urgent: bool) -> None:
        if self._broken is not None:
            raise self._broken
        if not urgent and not self._reserve.held:
            raise full_error(self.path)

    def _transaction(self, group: list[_Append], urgent: bool) -> Batch:
        """Write all appends of the group; the answer is what is new in the log."""
        connection, seq = self._connection, self._last
        batch: Batch = []
        new_fixes: list[Row] = []
        new_facts: list[Row] = []
        new_ids: dict[str, int] = {}
        connection.execute("BEGIN IMMEDIATE")
        if self._chain.due and not urgent and not self._full:
            self._chain.seal_segment()
        for item in group:
            item.seqs = []
            for n, (event, row) in enumerate(zip(item.events, item.rows, strict=True)):
                due = seq + 1 if item.given is None else item.given[n]
                if event.event_id:
                    standing = new_ids.get(event.event_id) or standing_seq(connection, event.event_id)
                    if standing and item.given is None:
                        item.seqs.append(standing)
                        continue
                    if standing:
                        raise LogError(f"event {due} stands in this copy at {standing}: it is of another log")
                    new_ids[event.event_id] = due
                if due <= seq:
                    raise LogError(f"event {due} comes after {seq}: this is no copy of that log")
                seq = due
                (new_fixes if isinstance(event, PositionReported) else new_facts).append((seq, *row))
                item.seqs.append(seq)
                batch.append((seq, event))
        connection.executemany(ADD_FIX, new_fixes)
        connection.executemany(ADD_FACT, new_facts)
        for item in group:
            if item.beside is not None:
                item.beside(connection)
        connection.execute("COMMIT")
        self._chain.committed(new_fixes, new_facts, seq)
        if self._doubt and any(isinstance(event, DoubtAcknowledged) for _, event in batch):
            self._doubt = said(self.path.name, doubts_in(connection))
        return batch

    def _do(self, work: _Work) -> None:
        try:
            self._check_writable(urgent=False)
            work.result = work.call(self._connection, self._chain)
        except Exception as error:
            work.error = self._failure(error)
        finally:
            self._end_wait()
            work.done.set()

    def _keep(self, seq: int, data: bytes, connection: sqlite3.Connection, chain: SqliteChain) -> None:
        """Between two commits: a snapshot, and those go that the ladder has no place for."""
        if seq > self._last:
            raise LogError(f"a snapshot at {seq} is past the end of the log, {self._last}")
        connection.execute("BEGIN IMMEDIATE")
        digest = hashlib.sha256(data)
        chain.seal_segment()
        chain.link("checkpoint", Span(seq, seq), content=digest.digest())
        connection.execute("INSERT OR REPLACE INTO snapshots VALUES (?,?,?)", (seq, data, digest.hexdigest()))
        kept = [one for (one,) in connection.execute("SELECT seq FROM snapshots ORDER BY seq")]
        connection.executemany("DELETE FROM snapshots WHERE seq = ?", [(one,) for one in over(kept)])
        connection.execute("COMMIT")
        chain.committed((), (), 0)
        chain.sync()

    def _failure(self, error: Exception) -> LogError:
        """Undo the transaction and say what happened; after an I/O error the log takes nothing more."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        self._chain.undone()
        if isinstance(error, LogFullError) or is_full(error, self.path):
            self._fill_up()
            return full_error(self.path)
        if isinstance(error, LogError):
            return error
        failure = LogError(f"{self.path} cannot be written ({error}): nothing was recorded")
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            return failure
        # what a failed fsync left in the page cache is unknown; only opening the file anew tells what it holds
        self._remedy = (READ_ONLY if is_read_only(self.path) else "check its disk") + "; then start the server again"
        self._broken = LogError(f"{self.path} failed ({error}): {self._remedy}")
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
                        reader = connect(self.path, "ro")
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
        with explained(self.path), contextlib.closing(connect(self.path, "ro")) as connection:
            end = last_seq(connection)
            while batch := next_rows(connection, after, end):
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
        with explained(self.path):
            return next_rows(connection, after, end)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise LogError(f"{self.path} is closed")
        with explained(self.path), contextlib.closing(connect(self.path, "ro")) as connection:
            yield connection


async def _encoded(events: Sequence[Event]) -> list[Row]:
    if any(isinstance(event, BULKY) for event in events):
        return await asyncio.to_thread(encoded, events)
    return encoded(events)


def _run_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()


def _failing(item: _Append, error: LogError) -> Callable[[], None]:
    # each caller gets an error of its own: one shared object would gather everyone's traceback
    return lambda: item.fail(type(error)(str(error)))
