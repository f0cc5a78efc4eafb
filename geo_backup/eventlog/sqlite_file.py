"""The SQLite file of a log on its disk: made, locked for its one writer, checked, and its errors said in words."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from geo_backup.errors import LogError, LogFullError, LogHeldError
from geo_backup.eventlog.sqlite_rows import CHAIN_SCHEMA, SCHEMA, last_seq

APPLICATION_ID = 0x47454F42  # "GEOB": tells our file from any other SQLite file
FORMAT = 2
"""1 had no chain; it is read as it is, and gets its tables when it is opened for writing."""
PAGE_BYTES = 4096
WAL_BYTES = 64 << 20
TRIAL_BYTES = 1 << 20
READ_ONLY = (
    "its disk is read-only, as a system makes one that fails (`dmesg` tells): check it and mount it for writing, or "
    "copy the log to another disk and name that one with --log"
)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)


def make_private(path: Path) -> None:
    """An empty file that its owner alone may read, where there is none; SQLite gives -wal and -shm the same mode."""
    made = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform != "win32":
            os.fchmod(made, 0o600)
    finally:
        os.close(made)


def prepare(path: Path, connection: sqlite3.Connection, *, writing: bool) -> None:
    """Look at the file, make the tables if it is new, set and read back what durability hangs on."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if not (application_id == APPLICATION_ID or (empty and application_id == 0)):
        raise LogError(f"{path} is a database, but no geo_backup log: name another file")
    if version > FORMAT:
        raise LogError(f"{path} is of a newer geo_backup (log format {version}): update geo_backup")
    if writing:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise LogError(f"{path}: this file system cannot hold a log (journal mode {mode}): use a local disk")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
        if connection.execute("PRAGMA synchronous").fetchone()[0] != 2:
            raise LogError(f"{path}: SQLite refuses synchronous=FULL, so acknowledged events could be lost")
        if empty:
            _make_tables(connection, SCHEMA + CHAIN_SCHEMA, {"epoch": secrets.token_hex(8)})
            # into the file: a -wal that is lost then takes events with it, not the log that tells how many
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        elif version < FORMAT:
            _make_tables(connection, CHAIN_SCHEMA, {"unchained": str(last_seq(connection))})
    elif empty:
        raise LogError(f"{path} is empty, no log")
    _check_whole(path, connection)


def _make_tables(connection: sqlite3.Connection, schema: str, meta: dict[str, str]) -> None:
    """All or nothing, so that a crash leaves an empty file, or an old one, which the next start fills."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in schema.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
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
    last_seq(connection)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """SQLite's and the system's errors as LogError with the remedy."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if is_full(error, path):
            raise LogFullError(f"the disk of {path} is full: make room and try again") from error
        text = str(error)
        if "not a database" in text:
            raise LogError(f"{path} is no geo_backup log: name another file") from error
        if "malformed" in text or "cut short" in text:
            raise LogError(
                f"{path} is damaged ({text}): restore it from a backup, save what can be read of it with "
                "`geo-backup log repair`, or move it away to begin a new log"
            ) from error
        if is_read_only(path):
            raise LogError(
                f"{path} cannot be read where it lies ({text}): its disk is read-only. Copy it, with the files beside "
                "it that begin with its name, to a disk that can be written"
            ) from error
        raise LogError(f"{path} cannot be opened or read ({text})") from error


def is_full(error: BaseException, path: Path) -> bool:
    """Whether an error says that a log's disk, or its user's share of it, has no more room."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # the shared memory file cannot grow either
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_IOERR_WRITE":  # so SQLite also says that a quota is used up, and does not tell the two apart
        return not _has_room(path)
    return name in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE") or "is full" in str(error)


def _has_room(path: Path) -> bool:
    """Whether some more can be written beside a log; True when that fails for another reason than room."""
    error = _trial(path)
    return error is None or not is_full(error, path)


def is_read_only(path: Path) -> bool:
    """Whether a log's disk takes nothing: it was mounted so, or the system made it so when it failed."""
    error = _trial(path)
    return error is not None and error.errno == errno.EROFS


def _trial(path: Path) -> OSError | None:
    """What comes of writing beside a log."""
    trial = path.with_name(path.name + ".trial")
    try:
        trial.write_bytes(bytes(TRIAL_BYTES))
    except OSError as error:
        return error
    finally:
        with contextlib.suppress(OSError):
            trial.unlink(missing_ok=True)
    return None


def hold(path: Path) -> IO[bytes]:
    """Hold `path`.lock as long as this process writes the log; the system lets go of it even after a crash."""
    # a file of its own: closing any descriptor of the database would drop SQLite's own locks
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        why = READ_ONLY if error.errno == errno.EROFS else error.strerror
        raise LogError(f"{path} cannot be opened for writing: {why}") from error
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
        raise LogHeldError(
            f"{path} is being written by another process: stop that one, or name another file"
        ) from error
    return file


def full_error(path: Path) -> LogFullError:
    return LogFullError(f"the disk of {path} is full: nothing was recorded; make room and try again")
