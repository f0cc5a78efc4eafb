"""The roster: everybody who may speak to a server, in one file beside the log.

A command line may change it while a server reads it: `Roster.who` sees a change within `LOOK_AGAIN_S`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from geo_backup.people import secret
from geo_backup.people.errands import Errands
from geo_backup.people.file import RosterFile, now_ms
from geo_backup.people.persons import People
from geo_backup.people.principal import PHONE, Principal
from geo_backup.people.sessions import Sessions
from geo_backup.people.tokens import Tokens

LOOK_AGAIN_S = 1.0
KNOWN_MAX = 20_000


def roster_beside(log: str | Path) -> Path:
    """Where the roster of a log lies, by its path or URL: `porto.sqlite` has `porto.people.sqlite` beside it."""
    log = Path(str(log).rpartition("://")[2])
    return log.parent / f"{log.stem}.people.sqlite"


def copy_roster(there: Path, here: Path) -> bool:
    """Copy a roster, also while a server uses it; False where there is none. Never over another one."""
    if not there.exists() or here.exists():
        return False
    os.close(os.open(here, os.O_RDWR | os.O_CREAT, 0o600))
    with contextlib.closing(sqlite3.connect(there)) as source, contextlib.closing(sqlite3.connect(here)) as copy:
        source.backup(copy)
    return True


class Roster:
    """People, tokens and sessions, and who it is that shows one of theirs; see the module."""

    def __init__(self, path: Path, *, now_ms: Callable[[], int] = now_ms) -> None:
        self.path, self._now_ms = path, now_ms
        self.file = RosterFile(path, now_ms)
        self.people = People(self.file)
        self.tokens = Tokens(self.file)
        self.sessions = Sessions(self.file, self.people)
        self.errands = Errands(self.file)
        self._known: dict[str, tuple[Principal, bool] | None] = {}
        """By hash: who it is, and whether they sit at a console; None: nobody."""
        self._version = self._changes = -1
        self._looked_s = float("-inf")
        self._empty = True

    def close(self) -> None:
        """Let go of the file."""
        self.file.sql.close()

    def version(self) -> tuple[int, int]:
        """Another one after each change, whoever made it."""
        ((version,),) = self.file.rows("PRAGMA data_version")
        return version, self.file.changes

    def packed(self) -> bytes:
        """All of it, for the other machine of a pair. It holds what opens the server: only for who has `stand_in`."""
        return self.file.packed()

    def take(self, data: bytes) -> None:
        """Be as the other machine's is; whoever signed in here stays signed in."""
        self.file.take(data)

    def empty(self) -> bool:
        """Whether nobody at all is configured."""
        self._refresh()
        return self._empty

    def who(self, shown: str) -> Principal | None:
        """Whose token or session this is, if it holds now."""
        return self.whose(secret.token_hash(shown))

    def whose(self, hashed: str) -> Principal | None:
        """The same by the hash of what was shown."""
        known = self._of(hashed)
        return known[0] if known is not None else None

    def again(self, who: Principal) -> Principal | None:
        """Somebody as they are now, by the session or token that they once showed; None when it is over."""
        by_session = who.kind == "person" or who.session.startswith(PHONE)
        table, key = ("sessions", "session_id") if by_session else ("tokens", "token_id")
        row = self.file.row(f"SELECT hash FROM {table} WHERE {key} = ?", who.session)
        return self.whose(row[0]) if row is not None else None

    def is_console(self, who: Principal) -> bool:
        """Whether somebody's sessions do not end for want of typing."""
        person = self.people.one(who.id) if who.kind == "person" else None
        return person is not None and person.console

    def at_console(self, shown: str) -> bool:
        """Whether a session is one that does not end for want of typing."""
        known = self._of(secret.token_hash(shown))
        return known is not None and known[1]

    def _of(self, hashed: str) -> tuple[Principal, bool] | None:
        self._refresh()
        known = self._known.get(hashed, self._known)  # the dict itself: not asked yet
        if known is self._known:
            known = self._known[hashed] = self._look_up(hashed)
        found = cast("tuple[Principal, bool] | None", known)
        if found is None or (found[0].until_ms is not None and found[0].until_ms <= self._now_ms()):
            return None
        return found

    def _look_up(self, hashed: str) -> tuple[Principal, bool] | None:
        holder = self.tokens.of(hashed)
        return (holder, True) if holder is not None else self.sessions.of(hashed)

    def _refresh(self) -> None:
        """Forget what this or another process has changed meanwhile."""
        now_s = time.monotonic()
        changes = self.file.changes
        if changes == self._changes and now_s - self._looked_s <= LOOK_AGAIN_S:
            return
        self._looked_s = now_s
        ((version,),) = self.file.rows("PRAGMA data_version")
        if (version, changes) == (self._version, self._changes) and len(self._known) <= KNOWN_MAX:
            return
        self._version, self._changes = version, changes
        self._known.clear()
        count = "SELECT (SELECT count(*) FROM people) + (SELECT count(*) FROM tokens)"
        self._empty = self.file.rows(count) == [(0,)]
