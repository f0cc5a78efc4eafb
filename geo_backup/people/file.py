"""The file of a roster: one SQLite file beside the log, and no secret in it in the clear.

A command line may change it while a server reads it. What is done to it is kept in `acts`, which the server takes over
into the log: who was made, changed, locked and revoked, by whom.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

from geo_backup.errors import BadValueError
from geo_backup.events import is_id
from geo_backup.people.principal import ROLES, Role

APPLICATION_ID = 0x47454F50  # "GEOP"
SCHEMA = """
CREATE TABLE people (
    person_id TEXT PRIMARY KEY, name TEXT NOT NULL, agency TEXT NOT NULL, roles TEXT NOT NULL, units TEXT NOT NULL,
    password TEXT, code_secret TEXT, code_step INTEGER NOT NULL DEFAULT 0, locked INTEGER NOT NULL DEFAULT 0,
    console INTEGER NOT NULL DEFAULT 0, removed_ms INTEGER
);
CREATE TABLE tokens (
    token_id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, agency TEXT NOT NULL, roles TEXT NOT NULL,
    units TEXT NOT NULL, made_ms INTEGER NOT NULL, until_ms INTEGER, revoked_ms INTEGER
);
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, principal TEXT NOT NULL, local INTEGER NOT NULL,
    source TEXT NOT NULL, made_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL, ended_ms INTEGER
);
CREATE TABLE wrong (person_id TEXT NOT NULL, source TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE TABLE locks (person_id TEXT NOT NULL, source TEXT NOT NULL, at_ms INTEGER NOT NULL, UNIQUE (person_id, source));
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE acts (
    number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, by TEXT NOT NULL, act TEXT NOT NULL, whom TEXT NOT NULL,
    words TEXT NOT NULL
);
"""
LATER_SCHEMA = """
CREATE TABLE IF NOT EXISTS errands (number INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, ask BLOB NOT NULL,
    answer BLOB);
"""
"""What rosters that were made before do not have yet."""
COPIED = ("people", "tokens", "locks", "secrets", "acts")
"""What is the same on both machines of a pair; sessions begin on either."""
WHOSE = "CASE WHEN local THEN principal ELSE json_extract(principal, '$.id') END"
"""Whose a row of `sessions` is: a person of this roster, or somebody whom a provider vouched for."""
ENDED = "session_ended"
"""The act by which a session was ended by another; its words are the session's id."""


def now_ms() -> int:
    """The wall clock (UTC epoch)."""
    return time.time_ns() // 1_000_000


class Act(NamedTuple):
    """One change of the roster."""

    number: int
    at_ms: int
    by: str
    act: str
    whom: str
    words: str


class RosterFile:
    """The file, with one writer at a time in this process; see the module. `now_ms` is the wall clock (UTC epoch)."""

    def __init__(self, path: Path, now_ms: Callable[[], int]) -> None:
        self.path, self.now_ms = path, now_ms
        self.sql = _opened(path)
        self.changes = 0
        """How often this process has written."""
        self._guard = threading.RLock()

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self._guard:
            return self.sql.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        """The first row that a query finds."""
        return next(iter(self.rows(query, *values)), None)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it, or nothing."""
        with self._guard:
            self.sql.execute("BEGIN IMMEDIATE")
            try:
                yield self.sql
            except BaseException:
                self.sql.execute("ROLLBACK")
                raise
            self.sql.execute("COMMIT")
            self.changes += 1

    # ---- for the log

    def act(self, by: str, act: str, whom: str, words: str = "") -> None:
        """Note what is done, in the transaction that does it."""
        row = (self.now_ms(), by, act, whom, words)
        self.sql.execute("INSERT INTO acts (at_ms, by, act, whom, words) VALUES (?,?,?,?,?)", row)

    def end_sessions(self, of: str, by: str) -> int:
        """End what stands of a person, or one session by its id, in the transaction that is open; how many ended."""
        now_ms = self.now_ms()
        standing = self.sql.execute(
            f"SELECT session_id, {WHOSE} FROM sessions WHERE ended_ms IS NULL AND until_ms > ?"
            f" AND (session_id = ? OR {WHOSE} = ?)",
            (now_ms, of, of),
        ).fetchall()
        for session_id, person_id in standing:
            self.sql.execute("UPDATE sessions SET ended_ms = ? WHERE session_id = ?", (now_ms, session_id))
            self.act(by, ENDED, person_id, session_id)
        return len(standing)

    def acts(self) -> list[Act]:
        """What was changed and is not in the log yet, oldest first, at most a thousand."""
        with self._guard:
            (logged,) = self.sql.execute("PRAGMA user_version").fetchone()
            rows = self.sql.execute("SELECT * FROM acts WHERE number > ? ORDER BY number LIMIT 1000", (logged,))
            return [Act(*row) for row in rows]

    def logged(self, number: int) -> None:
        """All acts up to this one are in the log."""
        with self.writing() as sql:
            sql.execute(f"PRAGMA user_version={int(number)}")

    # ---- for the other machine of a pair

    def packed(self) -> bytes:
        """The whole file."""
        with self._guard:
            image = bytearray(self.sql.serialize())
        image[18:20] = b"\x01\x01"  # an image in memory has no write-ahead log
        return bytes(image)

    def take(self, image: bytes) -> None:
        """Hold what another file of the same installation holds, and the sessions that began here besides."""
        with contextlib.closing(sqlite3.connect(":memory:")) as theirs:
            theirs.deserialize(image)
            rows = {table: theirs.execute(f"SELECT * FROM {table}").fetchall() for table in (*COPIED, "sessions")}
            (logged,) = theirs.execute("PRAGMA user_version").fetchone()
        with self.writing() as sql:
            for table in COPIED:
                sql.execute(f"DELETE FROM {table}")
                _insert(sql, "INSERT", table, rows[table])
            _insert(sql, "INSERT OR IGNORE", "sessions", rows["sessions"])
            sql.executemany(
                "UPDATE sessions SET until_ms = ?, ended_ms = coalesce(ended_ms, ?) WHERE session_id = ?",
                [(until_ms, ended_ms, session_id) for session_id, *_, until_ms, ended_ms in rows["sessions"]],
            )
            sql.execute(f"PRAGMA user_version={int(logged)}")

    def secret(self) -> bytes:
        """A random secret of this installation, made when it is first asked for: names that stand for others hang on
        it."""
        with self.writing() as sql:
            sql.execute("INSERT OR IGNORE INTO secrets VALUES ('names', ?)", (secrets.token_bytes(32),))
            (value,) = sql.execute("SELECT value FROM secrets WHERE name = 'names'").fetchone()
        return bytes(value)


def _insert(sql: sqlite3.Connection, verb: str, table: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        sql.executemany(f"{verb} INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)


def check_named(name: str, roles: Collection[str]) -> None:
    """Raises BadValueError for what cannot be an id, and for a role that does not exist."""
    if is_id(name) is None:
        words = f"an id has 1 to 64 letters, digits and any of . _ : -, not {name!r}"
        raise BadValueError("id", "pattern", words)
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise BadValueError("role", "unknown", f"roles are {', '.join(ROLES)}, not {unknown[0]!r}")


def text_of(names: Iterable[Any]) -> str:
    return " ".join(sorted(set(names)))


def names_in(text: str) -> frozenset[str]:
    return frozenset(text.split())


def roles_in(text: str) -> frozenset[Role]:
    return cast("frozenset[Role]", frozenset(text.split()))


def _opened(path: Path) -> sqlite3.Connection:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        sql = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        made = sql.execute("PRAGMA application_id").fetchone()[0]
        if made not in (0, APPLICATION_ID):
            raise BadValueError("--people", "file", f"{path} is no roster of people: name another file")
        sql.execute("PRAGMA journal_mode=WAL")
        sql.execute("PRAGMA synchronous=FULL")
        if made == 0:
            sql.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id={APPLICATION_ID}; COMMIT")
        sql.executescript(LATER_SCHEMA)
    except (OSError, sqlite3.Error) as error:
        raise BadValueError("--people", "file", f"{path} cannot hold the roster of people: {error}") from error
    return sql
