"""The roster: one SQLite file beside the log with people, tokens and sessions, and no secret in the clear.

A command line may change it while a server reads it: `Roster.who` sees a change within `LOOK_AGAIN_S`. What is done to
it is kept in `acts`, which the server takes over into the log: who was made, changed, locked and revoked, by whom.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from geo_backup.errors import BadValueError, GeoBackupError, UnknownIdError
from geo_backup.events import is_id
from geo_backup.people import secret
from geo_backup.people.principal import ROLES, Kind, Principal, Role

LOOK_AGAIN_S = 1.0
WRONG_MAX = 5
"""Wrong tries of one person from one source ..."""
WRONG_WITHIN_MS = 15 * 60_000
"""... within this time lock them out from there."""
SESSION_MS = 12 * 3_600_000
"""A session ends after a shift, used or not."""
KNOWN_MAX = 20_000
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


def now_ms() -> int:
    """The wall clock (UTC epoch)."""
    return time.time_ns() // 1_000_000


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


class SignInError(GeoBackupError):
    """Somebody may not sign in; `reason` is a code, the text what a person may be told."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


class Act(NamedTuple):
    """One change of the roster."""

    number: int
    at_ms: int
    by: str
    act: str
    whom: str
    words: str


@dataclass(frozen=True)
class Person:
    """One person as the roster lists them. `console`: their sessions do not end when nobody types."""

    person_id: str
    name: str
    agency: str
    roles: frozenset[Role]
    units: frozenset[str]
    has_code: bool
    locked: bool
    console: bool


@dataclass(frozen=True)
class Token:
    """One token of a device or program, without its secret."""

    token_id: str
    kind: Kind
    agency: str
    roles: frozenset[Role]
    units: frozenset[str]
    until_ms: int | None
    revoked: bool


class Roster:
    """The file; see the module. `now_ms` is the wall clock (UTC epoch)."""

    def __init__(self, path: Path, *, now_ms: Callable[[], int] = now_ms) -> None:
        self.path, self._now_ms = path, now_ms
        self._guard = threading.RLock()
        self._known: dict[str, tuple[Principal, bool] | None] = {}
        """By hash: who it is, and whether they sit at a console; None: nobody."""
        self._version = -1
        self._looked_s = float("-inf")
        self._empty = True
        self._sql = _opened(path)

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()

    def empty(self) -> bool:
        """Whether nobody at all is configured."""
        self._refresh()
        return self._empty

    # ---- who is speaking

    def who(self, shown: str) -> Principal | None:
        """Whose token or session this is, if it holds now."""
        known = self._of(secret.token_hash(shown))
        return known[0] if known is not None else None

    def again(self, who: Principal) -> Principal | None:
        """Somebody as they are now, by the session or token that they once showed; None when it is over."""
        with self._guard:
            table, key = ("tokens", "token_id") if who.kind != "person" else ("sessions", "session_id")
            row = self._sql.execute(f"SELECT hash FROM {table} WHERE {key} = ?", (who.session,)).fetchone()
        known = self._of(row[0]) if row is not None else None
        return known[0] if known is not None else None

    def is_console(self, who: Principal) -> bool:
        """Whether somebody's sessions do not end for want of typing."""
        person = self.person(who.id) if who.kind == "person" else None
        return person is not None and person.console

    def at_console(self, shown: str) -> bool:
        """Whether a session is one that does not end for want of typing."""
        known = self._of(secret.token_hash(shown))
        return known is not None and known[1]

    def _of(self, hashed: str) -> tuple[Principal, bool] | None:
        self._refresh()
        known = self._known.get(hashed, self._known)  # the dict itself: not asked yet
        if known is self._known:
            with self._guard:
                known = self._known[hashed] = self._look_up(hashed)
        found = cast("tuple[Principal, bool] | None", known)
        if found is None or (found[0].until_ms is not None and found[0].until_ms <= self._now_ms()):
            return None
        return found

    def _refresh(self) -> None:
        """Forget what another process has changed meanwhile."""
        now_s = time.monotonic()
        if now_s - self._looked_s <= LOOK_AGAIN_S:
            return
        with self._guard:
            self._looked_s = now_s
            (version,) = self._sql.execute("PRAGMA data_version").fetchone()
            if version == self._version and len(self._known) <= KNOWN_MAX:
                return
            self._version = version
            self._known.clear()
            self._empty = not self._sql.execute(
                "SELECT (SELECT count(*) FROM people) + (SELECT count(*) FROM tokens)"
            ).fetchone()[0]

    def _look_up(self, hashed: str) -> tuple[Principal, bool] | None:
        row = self._sql.execute(
            "SELECT token_id, kind, agency, roles, units, until_ms FROM tokens WHERE hash = ? AND revoked_ms IS NULL",
            (hashed,),
        ).fetchone()
        if row is not None:
            token_id, kind, agency, roles, units, until_ms = row
            return Principal(kind, token_id, agency, _roles(roles), _set(units), token_id, token_id, until_ms), True
        row = self._sql.execute(
            "SELECT session_id, principal, local, until_ms FROM sessions WHERE hash = ? AND ended_ms IS NULL", (hashed,)
        ).fetchone()
        if row is None:
            return None
        session_id, kept, local, until_ms = row
        if not local:  # of another's sign-in: what it said holds as long as the session
            said = json.loads(kept)
            who = Principal(
                "person", said["id"], said["agency"], frozenset(said["roles"]), frozenset(said["units"]), said["name"]
            )
            return _with_session(who, session_id, until_ms), bool(said.get("console"))
        person = self.person(kept)
        if person is None or person.locked:
            return None
        return _with_session(_principal(person), session_id, until_ms), person.console

    # ---- signing in and out

    def sign_in(self, person_id: str, password: str, code: str, source: str) -> tuple[str, Principal]:
        """A new session's secret, and whose it is. Blocks for about 0.1 s, as long for somebody whom nobody knows.

        Raises SignInError: `wrong` for whatever does not fit (it does not say what), `locked` after five wrong tries
        from this source within 15 minutes, until an admin lifts it; other sources and standing sessions are not hurt.
        """
        now_ms = self._now_ms()
        with self._guard:
            row = self._sql.execute(
                "SELECT password, code_secret, code_step, locked FROM people"
                " WHERE person_id = ? AND removed_ms IS NULL",
                (person_id,),
            ).fetchone()
            kept, code_secret, code_step, locked = row or (None, None, 0, 0)
            shut = self._sql.execute(
                "SELECT 1 FROM locks WHERE person_id = ? AND source = ?", (person_id, source)
            ).fetchone()
        fits = secret.password_fits(password, kept)
        step = secret.code_step(code_secret, code, now_ms / 1000) if code_secret else None
        if shut:
            raise SignInError("locked", _LOCKED)
        if not fits or locked or (code_secret and (step is None or step <= code_step)):
            self._wrong(person_id, source, now_ms, known=row is not None)
            raise SignInError("wrong", "name, password or code do not fit")
        with self._writing():
            if step is not None:
                # compared once more: two tries with one code at the same moment
                used = self._sql.execute(
                    "UPDATE people SET code_step = ? WHERE person_id = ? AND code_step < ?", (step, person_id, step)
                )
                if used.rowcount != 1:
                    raise SignInError("wrong", "name, password or code do not fit")
            self._sql.execute("DELETE FROM wrong WHERE person_id = ? AND source = ?", (person_id, source))
        person = self.person(person_id)
        assert person is not None
        return self._begin(person_id, _principal(person), source, local=True)

    def begin_session(self, who: Principal, source: str) -> tuple[str, Principal]:
        """A session of somebody whom an identity provider vouches for."""
        kept = {
            "id": who.id,
            "agency": who.agency,
            "roles": sorted(who.roles),
            "units": sorted(who.units),
            "name": who.name,
        }
        return self._begin(json.dumps(kept), who, source, local=False)

    def sign_out(self, session_id: str) -> None:
        """End a session; its cookie is worth nothing from now on."""
        with self._writing():
            self._sql.execute("UPDATE sessions SET ended_ms = ? WHERE session_id = ?", (self._now_ms(), session_id))

    def _begin(self, kept: str, who: Principal, source: str, *, local: bool) -> tuple[str, Principal]:
        shown, session_id, now_ms = secret.new_token(), f"s-{secrets.token_hex(6)}", self._now_ms()
        until_ms = now_ms + SESSION_MS
        with self._writing():
            self._sql.execute("DELETE FROM sessions WHERE until_ms < ?", (now_ms - SESSION_MS,))
            self._sql.execute(
                "INSERT INTO sessions VALUES (?,?,?,?,?,?,?,NULL)",
                (session_id, secret.token_hash(shown), kept, local, source, now_ms, until_ms),
            )
        return shown, _with_session(who, session_id, until_ms)

    def _wrong(self, person_id: str, source: str, now_ms: int, *, known: bool) -> None:
        with self._writing():
            self._sql.execute("DELETE FROM wrong WHERE at_ms < ?", (now_ms - WRONG_WITHIN_MS,))
            # names that nobody has are counted like others, so that the answers tell nothing; they do not stay
            self._sql.execute(
                "DELETE FROM locks WHERE at_ms < ? AND person_id NOT IN (SELECT person_id FROM people)",
                (now_ms - WRONG_WITHIN_MS,),
            )
            self._sql.execute("INSERT INTO wrong VALUES (?,?,?)", (person_id, source, now_ms))
            (wrong,) = self._sql.execute(
                "SELECT count(*) FROM wrong WHERE person_id = ? AND source = ?", (person_id, source)
            ).fetchone()
            if wrong >= WRONG_MAX:
                self._sql.execute("INSERT OR IGNORE INTO locks VALUES (?,?,?)", (person_id, source, now_ms))
                if known:
                    self._act("node", "locked_out", person_id, f"{WRONG_MAX} wrong tries from {source}")

    # ---- people

    def add(
        self,
        person_id: str,
        *,
        name: str,
        agency: str,
        roles: Collection[str],
        password: str,
        units: Collection[str] = (),
        with_code: bool = True,
        console: bool = False,
        by: str,
    ) -> str | None:
        """A new person; answers with the secret of their one-time codes, to be shown once. Raises BadValueError for an
        id that is or was somebody's, a short password, and a role that does not exist."""
        _check(person_id, roles)
        if len(password) < secret.PASSWORD_MIN:
            raise BadValueError("password", "short", f"a password needs at least {secret.PASSWORD_MIN} characters")
        code_secret = secret.new_code_secret() if with_code else None
        hashed = secret.password_hash(password)
        with self._writing():
            if self._sql.execute("SELECT 1 FROM people WHERE person_id = ?", (person_id,)).fetchone():
                words = f"{person_id!r} is or was somebody; ids are not used again: choose another"
                raise BadValueError("person_id", "taken", words)
            self._sql.execute(
                "INSERT INTO people (person_id, name, agency, roles, units, password, code_secret, console)"
                " VALUES (?,?,?,?,?,?,?,?)",
                (person_id, name, agency, _text(roles), _text(units), hashed, code_secret, console),
            )
            self._act(by, "person_added", person_id, f"{agency}: {_text(roles)}")
        return code_secret

    def change(
        self,
        person_id: str,
        *,
        roles: Collection[str] | None = None,
        units: Collection[str] | None = None,
        agency: str | None = None,
        by: str,
    ) -> None:
        """Other roles, units or agency from now on, in standing sessions too. Raises UnknownIdError."""
        person = self._somebody(person_id)
        roles = person.roles if roles is None else roles
        _check(person_id, roles)
        row = (_text(roles), _text(person.units if units is None else units), agency or person.agency, person_id)
        with self._writing():
            self._sql.execute("UPDATE people SET roles = ?, units = ?, agency = ? WHERE person_id = ?", row)
            self._act(by, "person_changed", person_id, f"{row[2]}: {row[0]}")

    def set_password(self, person_id: str, password: str, *, by: str) -> None:
        """A new password; standing sessions end. Raises BadValueError for a short one, UnknownIdError."""
        self._somebody(person_id)
        if len(password) < secret.PASSWORD_MIN:
            raise BadValueError("password", "short", f"a password needs at least {secret.PASSWORD_MIN} characters")
        hashed = secret.password_hash(password)
        with self._writing():
            self._sql.execute("UPDATE people SET password = ? WHERE person_id = ?", (hashed, person_id))
            self._end_sessions(person_id)
            self._act(by, "password_set", person_id, "")

    def lock(self, person_id: str, *, by: str) -> None:
        """Nobody signs in as this person any more, and their sessions end."""
        self._somebody(person_id)
        with self._writing():
            self._sql.execute("UPDATE people SET locked = 1 WHERE person_id = ?", (person_id,))
            self._end_sessions(person_id)
            self._act(by, "person_locked", person_id, "")

    def unlock(self, person_id: str, *, by: str) -> None:
        """The person may sign in again, from everywhere."""
        self._somebody(person_id)
        with self._writing():
            self._sql.execute("UPDATE people SET locked = 0 WHERE person_id = ?", (person_id,))
            for table in ("locks", "wrong"):
                self._sql.execute(f"DELETE FROM {table} WHERE person_id = ?", (person_id,))
            self._act(by, "person_unlocked", person_id, "")

    def remove(self, person_id: str, *, by: str) -> None:
        """The person left: name and secrets are forgotten, the id stays taken, since the log names it."""
        self._somebody(person_id)
        with self._writing():
            self._sql.execute(
                "UPDATE people SET name = '', password = NULL, code_secret = NULL, roles = '', units = '',"
                " removed_ms = ? WHERE person_id = ?",
                (self._now_ms(), person_id),
            )
            self._end_sessions(person_id)
            self._act(by, "person_removed", person_id, "")

    def person(self, person_id: str) -> Person | None:
        """Somebody by their id."""
        return next((one for one in self.people() if one.person_id == person_id), None)

    def people(self) -> list[Person]:
        """Everybody who is there, by id."""
        with self._guard:
            rows = self._sql.execute(
                "SELECT person_id, name, agency, roles, units, code_secret IS NOT NULL, locked, console FROM people"
                " WHERE removed_ms IS NULL ORDER BY person_id"
            ).fetchall()
        return [
            Person(person_id, name, agency, _roles(roles), _set(units), bool(code), bool(locked), bool(console))
            for person_id, name, agency, roles, units, code, locked, console in rows
        ]

    def locked_out(self) -> list[tuple[str, str]]:
        """(person, source) of those whom five wrong tries have locked out."""
        with self._guard:
            return [
                tuple(row)
                for row in self._sql.execute(
                    "SELECT person_id, source FROM locks WHERE person_id IN (SELECT person_id FROM people)"
                    " ORDER BY at_ms"
                )
            ]

    # ---- tokens

    def issue(
        self,
        token_id: str,
        kind: Kind,
        *,
        agency: str,
        roles: Collection[str],
        units: Collection[str] = (),
        until_ms: int | None = None,
        by: str,
    ) -> str:
        """A new token of a device or a program: its secret, which is shown this once. Raises BadValueError for an id
        that was used before, and for a device that speaks for no unit."""
        _check(token_id, roles)
        if kind not in ("device", "program"):
            raise BadValueError("kind", "unknown", f"a token is of a device or a program, not of a {kind!r}")
        if kind == "device" and not set(roles) <= {"device", "field_unit"}:
            raise BadValueError("role", "kind", "a device is device or field_unit; other roles are for a program")
        if "device" in roles and not units:
            raise BadValueError("units", "missing", "say for which units it speaks: --unit P-17")
        shown = secret.new_token()
        with self._writing():
            if self._sql.execute("SELECT 1 FROM tokens WHERE token_id = ?", (token_id,)).fetchone():
                raise BadValueError("token_id", "taken", f"there is or was a token {token_id!r}: choose another id")
            row = (token_id, secret.token_hash(shown), kind, agency, _text(roles), _text(units), self._now_ms())
            self._sql.execute("INSERT INTO tokens VALUES (?,?,?,?,?,?,?,?,NULL)", (*row, until_ms))
            self._act(by, "token_issued", token_id, f"{kind} of {agency}: {_text(roles)}")
        return shown

    def revoke(self, token_id: str, *, by: str) -> None:
        """The token is worth nothing from now on. Raises UnknownIdError."""
        with self._writing():
            done = self._sql.execute(
                "UPDATE tokens SET revoked_ms = ? WHERE token_id = ? AND revoked_ms IS NULL", (self._now_ms(), token_id)
            )
            if not done.rowcount:
                raise UnknownIdError(f"no token {token_id!r} holds; `geo-backup tokens list` names them")
            self._act(by, "token_revoked", token_id, "")

    def tokens(self) -> list[Token]:
        """All tokens, by id, revoked ones too."""
        with self._guard:
            rows = self._sql.execute(
                "SELECT token_id, kind, agency, roles, units, until_ms, revoked_ms IS NOT NULL FROM tokens"
                " ORDER BY token_id"
            ).fetchall()
        return [
            Token(token_id, kind, agency, _roles(roles), _set(units), until_ms, bool(revoked))
            for token_id, kind, agency, roles, units, until_ms, revoked in rows
        ]

    # ---- for the log

    def secret(self) -> bytes:
        """A random secret of this installation, made when it is first asked for: names that stand for others hang on
        it."""
        with self._writing():
            self._sql.execute("INSERT OR IGNORE INTO secrets VALUES ('names', ?)", (secrets.token_bytes(32),))
            (value,) = self._sql.execute("SELECT value FROM secrets WHERE name = 'names'").fetchone()
        return bytes(value)

    def acts(self) -> list[Act]:
        """What was changed and is not in the log yet, oldest first, at most a thousand."""
        with self._guard:
            (logged,) = self._sql.execute("PRAGMA user_version").fetchone()
            rows = self._sql.execute("SELECT * FROM acts WHERE number > ? ORDER BY number LIMIT 1000", (logged,))
            return [Act(*row) for row in rows]

    def logged(self, number: int) -> None:
        """All acts up to this one are in the log."""
        with self._writing():
            self._sql.execute(f"PRAGMA user_version={int(number)}")

    def _act(self, by: str, act: str, whom: str, words: str) -> None:
        row = (self._now_ms(), by, act, whom, words)
        self._sql.execute("INSERT INTO acts (at_ms, by, act, whom, words) VALUES (?,?,?,?,?)", row)

    def _somebody(self, person_id: str) -> Person:
        person = self.person(person_id)
        if person is None:
            raise UnknownIdError(f"nobody is called {person_id!r}; `geo-backup people list` names everybody")
        return person

    def _end_sessions(self, person_id: str) -> None:
        self._sql.execute(
            "UPDATE sessions SET ended_ms = ? WHERE local AND principal = ? AND ended_ms IS NULL",
            (self._now_ms(), person_id),
        )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        with self._guard:
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._sql.execute("ROLLBACK")
                raise
            self._sql.execute("COMMIT")
            self._known.clear()
            self._version = -1
            self._looked_s = float("-inf")


_LOCKED = (
    "too many wrong tries from here: an admin lifts this with `geo-backup people unlock`; an emergency still gets "
    "through"
)


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
    except (OSError, sqlite3.Error) as error:
        raise BadValueError("--people", "file", f"{path} cannot hold the roster of people: {error}") from error
    return sql


def _with_session(who: Principal, session_id: str, until_ms: int) -> Principal:
    return Principal(who.kind, who.id, who.agency, who.roles, who.units, who.name, session_id, until_ms)


def _principal(person: Person) -> Principal:
    return Principal("person", person.person_id, person.agency, person.roles, person.units, person.name)


def _check(name: str, roles: Collection[str]) -> None:
    if is_id(name) is None:
        words = f"an id has 1 to 64 letters, digits and any of . _ : -, not {name!r}"
        raise BadValueError("id", "pattern", words)
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise BadValueError("role", "unknown", f"roles are {', '.join(ROLES)}, not {unknown[0]!r}")


def _text(names: Iterable[Any]) -> str:
    return " ".join(sorted(set(names)))


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _roles(text: str) -> frozenset[Role]:
    return cast("frozenset[Role]", frozenset(text.split()))
