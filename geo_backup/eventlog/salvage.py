"""What a damaged file of a log still gives: the frames of its write-ahead log one by one, the rows around a bad page.

SQLite takes a write-ahead log up to its first bad frame and silently drops the rest. But each frame's checksum goes on
from the one that stands in the frame before, so that every frame can be judged alone: here only the bad ones are left
out. What is then read is never written to as it is, since a tree with a page missing is no tree: rows are read from it
as far as they can be.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from geo_backup.errors import LogError
from geo_backup.eventlog.chain import Leaves, Row
from geo_backup.eventlog.end import end_path, read_end
from geo_backup.eventlog.sqlite_file import connect
from geo_backup.eventlog.sqlite_rows import ADD_FACT, ADD_FIX, epoch_of, last_seq
from geo_backup.wire import facts as wire_facts

CHUNK = 2_000
_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_MAGIC = 0x377F0682
_MASK = 0xFFFFFFFF


def wal_path(log: Path) -> Path:
    return log.with_name(log.name + "-wal")


def mended(wal: bytes) -> tuple[bytes, int]:
    """(a write-ahead log of the good frames alone, how many were bad). Empty if there is nothing in it."""
    if len(wal) < _HEADER_BYTES:
        return b"", 0
    magic, version, page_bytes, number, *salts, _, _ = struct.unpack(">8I", wal[:_HEADER_BYTES])
    if magic & ~1 != _MAGIC:
        return b"", 0
    order = ">" if magic & 1 else "<"
    head = struct.pack(">6I", magic, version, page_bytes, number, *salts)
    seed = _checksum(order, head, (0, 0))
    out = [head + struct.pack(">2I", *seed)]
    stored = struct.unpack(">2I", wal[24:32])
    bad = 0
    for at in range(_HEADER_BYTES, len(wal), _FRAME_HEADER_BYTES + page_bytes):
        frame = wal[at : at + _FRAME_HEADER_BYTES + page_bytes]
        if len(frame) < _FRAME_HEADER_BYTES + page_bytes:
            break
        said = struct.unpack(">2I", frame[16:24])
        if [*struct.unpack(">2I", frame[8:16])] == salts:
            summed = frame[:8] + frame[_FRAME_HEADER_BYTES:]
            if _checksum(order, summed, stored) == said:
                seed = _checksum(order, summed, seed)
                out.append(frame[:16] + struct.pack(">2I", *seed) + frame[_FRAME_HEADER_BYTES:])
            else:
                bad += 1
        stored = said
    return b"".join(out), bad


def _checksum(order: str, data: bytes, seed: tuple[int, ...]) -> tuple[int, int]:
    """SQLite's checksum of a frame, going on from `seed`."""
    s0, s1 = seed
    for x0, x1 in struct.iter_unpack(f"{order}2I", data):
        s0 = (s0 + x0 + s1) & _MASK
        s1 = (s1 + x1 + s0) & _MASK
    return s0, s1


@contextmanager
def salvaging(path: Path) -> Iterator[sqlite3.Connection]:
    """The log with the good frames of its write-ahead log, to be read only. Nobody may write it meanwhile."""
    # a second name of the same file: SQLite looks for the write-ahead log under the name it was given
    twin = path.with_name(path.name + ".salvage")
    files = (twin, wal_path(twin), twin.with_name(twin.name + "-shm"))
    for file in files:
        file.unlink(missing_ok=True)
    wal = wal_path(path)
    frames, _ = mended(wal.read_bytes() if wal.exists() else b"")
    try:
        with path.open("rb") as damaged:
            header = damaged.read(32)
        size = int.from_bytes(header[28:32], "big") * int.from_bytes(header[16:18], "big")
        if size > path.stat().st_size:  # cut short, of which SQLite reads nothing: what is cut off reads as bad pages
            shutil.copy(path, twin)
            os.truncate(twin, size)
        else:
            os.link(path, twin)
        if frames:
            wal_path(twin).write_bytes(frames)
        with closing(connect(twin, "ro")) as connection:
            yield connection
    finally:
        for file in files:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)


def readable(connection: sqlite3.Connection, table: str, key: str, first: int, last: int) -> Iterator[Row]:
    """The rows from `first` to `last` that can be read, in order, around what cannot."""
    spans = [(at, min(at + CHUNK - 1, last)) for at in range(first, last + 1, CHUNK)][::-1]
    while spans:
        low, high = spans.pop()
        try:
            query = f"SELECT * FROM {table} WHERE {key} BETWEEN ? AND ? ORDER BY {key}"
            rows = connection.execute(query, (low, high)).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            if low < high:
                middle = (low + high) // 2
                spans += [(middle + 1, high), (low, middle)]
            continue
        yield from rows


def sound(table: str, row: Row) -> bool:
    """Whether a row is one that this program may have written."""
    try:
        if table == "fixes":
            Leaves().add([row], ())
        else:
            wire_facts.parse(row[1], row[3])
    except (LogError, struct.error, TypeError, AttributeError, ValueError):
        return False
    return True


def recover_tail(path: Path) -> int:
    """Before a log is opened for writing: put back what a bad frame of its write-ahead log hides. How many events came
    back. The damaged file is kept beside the log. Nobody may write the log meanwhile."""
    end, wal = read_end(end_path(path)), wal_path(path)
    if end is None or not wal.exists() or wal.stat().st_size == 0:
        return 0
    try:
        with closing(connect(path, "ro")) as connection:
            last = last_seq(connection)
            if end.seal.epoch != epoch_of(connection) or end.reached <= last:
                return 0
        kept = wal.with_name(f"{wal.name}.damaged-{end.reached}")
        shutil.copy(wal, kept)
        with salvaging(path) as connection:
            fixes, facts = (
                [row for row in readable(connection, table, "seq", last + 1, end.reached) if sound(table, row)]
                for table in ("fixes", "facts")
            )
    except sqlite3.DatabaseError:  # the file itself is damaged: whoever opens it says so
        return 0
    with closing(connect(path, "rw")) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(ADD_FIX, fixes)
        connection.executemany(ADD_FACT, facts)
        connection.execute("COMMIT")
    return len(fixes) + len(facts)
