"""The sessions of people: signing in with a password and a one-time code, what wrong tries cost, and the end."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace

from geo_backup.errors import GeoBackupError, UnknownIdError
from geo_backup.events import TIME_MS
from geo_backup.people import secret
from geo_backup.people.file import WHOSE, RosterFile
from geo_backup.people.persons import People
from geo_backup.people.principal import PHONE, Principal

WRONG_MAX = 5
"""Wrong tries of one person from one source ..."""
WRONG_WITHIN_MS = 15 * 60_000
"""... within this time lock them out from there."""
SESSION_MS = 12 * 3_600_000
"""A session ends after a shift, used or not, and whatever an identity provider says."""
_WRONG = "name, password or code do not fit"
_LOCKED = (
    "too many wrong tries from here: an admin lifts this with `geo-backup people unlock`; an emergency still gets "
    "through"
)


class SignInError(GeoBackupError):
    """Somebody may not sign in; `reason` is a code, the text what a person may be told."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(words)
        self.reason = reason


@dataclass(frozen=True)
class Session:
    """One session that stands: whose, from where, by a password of this server, a provider's word or (of an officer's
    phone) a code, and how long."""

    session_id: str
    person_id: str
    name: str
    by_provider: bool
    source: str
    made_ms: int
    until_ms: int


class Sessions:
    """Those that people have begun, by a password of this server or by their identity provider."""

    def __init__(self, file: RosterFile, people: People) -> None:
        self._file, self._people = file, people

    def sign_in(self, person_id: str, password: str, code: str, source: str) -> tuple[str, Principal]:
        """A new session's secret, and whose it is. Blocks for about 0.1 s, as long for somebody whom nobody knows.

        Raises SignInError: `wrong` for whatever does not fit (it does not say what), `locked` after five wrong tries
        from this source within 15 minutes, until an admin lifts it; other sources and standing sessions are not hurt.
        """
        now_ms = self._file.now_ms()
        row = self._file.row(
            "SELECT password, code_secret, code_step, locked FROM people WHERE person_id = ? AND removed_ms IS NULL",
            person_id,
        )
        kept, code_secret, code_step, locked = row or (None, None, 0, 0)
        shut = self._file.row("SELECT 1 FROM locks WHERE person_id = ? AND source = ?", person_id, source)
        fits = secret.password_fits(password, kept)
        step = secret.code_step(code_secret, code, now_ms / 1000) if code_secret else None
        if shut:
            raise SignInError("locked", _LOCKED)
        if not fits or locked or (code_secret and (step is None or step <= code_step)):
            self._wrong(person_id, source, now_ms, known=row is not None)
            raise SignInError("wrong", _WRONG)
        with self._file.writing() as sql:
            if step is not None:
                # compared once more: two tries with one code at the same moment
                used = sql.execute(
                    "UPDATE people SET code_step = ? WHERE person_id = ? AND code_step < ?", (step, person_id, step)
                )
                if used.rowcount != 1:
                    raise SignInError("wrong", _WRONG)
            sql.execute("DELETE FROM wrong WHERE person_id = ? AND source = ?", (person_id, source))
        person = self._people.one(person_id)
        assert person is not None
        return self._begin(person_id, person.principal(), source, local=True)

    def begin(self, who: Principal, source: str) -> tuple[str, Principal]:
        """A session of somebody whom an identity provider vouches for, as long as it does: until `who.until_ms`."""
        return self._begin(_kept(who), who, source, local=False)

    def begin_phone(self, who: Principal, source: str) -> tuple[str, Principal]:
        """A session of an officer's phone, which is named by its own id: until `who.until_ms`."""
        return self._begin(_kept(who), who, source, local=False, session_id=who.id)

    def phones(self) -> list[Principal]:
        """The phones that are in now, the oldest first."""
        rows = self._file.rows(
            "SELECT session_id, principal, until_ms FROM sessions WHERE NOT local AND ended_ms IS NULL AND until_ms > ?"
            " AND session_id GLOB ? ORDER BY made_ms, session_id",
            self._file.now_ms(),
            f"{PHONE}*",
        )
        return [replace(_told(kept), session=session_id, until_ms=until_ms) for session_id, kept, until_ms in rows]

    def end(self, session_id: str) -> None:
        """End a session; its cookie is worth nothing from now on."""
        with self._file.writing() as sql:
            sql.execute("UPDATE sessions SET ended_ms = ? WHERE session_id = ?", (self._file.now_ms(), session_id))

    def standing(self, person_id: str | None = None) -> list[Session]:
        """Those that stand, of everybody or of one person, oldest first."""
        rows = self._file.rows(
            f"SELECT session_id, {WHOSE}, principal, local, source, made_ms, until_ms FROM sessions"
            f" WHERE ended_ms IS NULL AND until_ms > ? AND (? IS NULL OR {WHOSE} = ?) ORDER BY made_ms",
            self._file.now_ms(),
            person_id,
            person_id,
        )
        names = {one.person_id: one.name for one in self._people.all()}
        return [
            Session(
                session_id,
                whose,
                names.get(whose, "") if local else _told(kept).name,
                _vouched(local, session_id),
                *rest,
            )
            for session_id, whose, kept, local, *rest in rows
        ]

    def end_all(self, of: str, *, by: str) -> int:
        """End all that stand of a person, or one session by its id; how many ended. Raises UnknownIdError for none."""
        with self._file.writing():
            ended = self._file.end_sessions(of, by)
        if not ended:
            raise UnknownIdError(f"nobody called {of!r} is signed in; `geo-backup people sessions` lists who is")
        return ended

    def prolong(self, session_id: str, who: Principal) -> bool:
        """The provider vouches for somebody anew, as they are now and until `who.until_ms`; False when the session is
        over. No session outlives its shift."""
        now_ms = self._file.now_ms()
        with self._file.writing() as sql:
            done = sql.execute(
                "UPDATE sessions SET principal = ?, until_ms = min(?, made_ms + ?)"
                " WHERE session_id = ? AND ended_ms IS NULL AND until_ms > ?",
                (_kept(who), who.until_ms, SESSION_MS, session_id, now_ms),
            )
        return done.rowcount == 1

    def of(self, hashed: str) -> tuple[Principal, bool] | None:
        """Whose session has this hash, and whether they sit at a console; None when none stands."""
        row = self._file.row(
            "SELECT session_id, principal, local, until_ms FROM sessions WHERE hash = ? AND ended_ms IS NULL", hashed
        )
        if row is None:
            return None
        session_id, kept, local, until_ms = row
        if not local:  # of another's sign-in: what it said holds as long as the session
            return replace(_told(kept), session=session_id, until_ms=until_ms), False
        person = self._people.one(kept)
        if person is None or person.locked:
            return None
        return replace(person.principal(), session=session_id, until_ms=until_ms), person.console

    def _begin(
        self, kept: str, who: Principal, source: str, *, local: bool, session_id: str = ""
    ) -> tuple[str, Principal]:
        shown, session_id, now_ms = secret.new_token(), session_id or f"s-{secrets.token_hex(6)}", self._file.now_ms()
        until_ms = min(now_ms + SESSION_MS, who.until_ms or TIME_MS[1])
        with self._file.writing() as sql:
            sql.execute("DELETE FROM sessions WHERE until_ms < ?", (now_ms - SESSION_MS,))
            sql.execute(
                "INSERT INTO sessions VALUES (?,?,?,?,?,?,?,NULL)",
                (session_id, secret.token_hash(shown), kept, local, source, now_ms, until_ms),
            )
        return shown, replace(who, session=session_id, until_ms=until_ms)

    def _wrong(self, person_id: str, source: str, now_ms: int, *, known: bool) -> None:
        with self._file.writing() as sql:
            sql.execute("DELETE FROM wrong WHERE at_ms < ?", (now_ms - WRONG_WITHIN_MS,))
            # names that nobody has are counted like others, so that the answers tell nothing; they do not stay
            sql.execute(
                "DELETE FROM locks WHERE at_ms < ? AND person_id NOT IN (SELECT person_id FROM people)",
                (now_ms - WRONG_WITHIN_MS,),
            )
            sql.execute("INSERT INTO wrong VALUES (?,?,?)", (person_id, source, now_ms))
            (wrong,) = sql.execute(
                "SELECT count(*) FROM wrong WHERE person_id = ? AND source = ?", (person_id, source)
            ).fetchone()
            if wrong >= WRONG_MAX:
                sql.execute("INSERT OR IGNORE INTO locks VALUES (?,?,?)", (person_id, source, now_ms))
                if known:
                    self._file.act("node", "locked_out", person_id, f"{WRONG_MAX} wrong tries from {source}")


def _vouched(local: int, session_id: str) -> bool:
    """Whether a provider began a session."""
    return not local and not session_id.startswith(PHONE)


def _kept(who: Principal) -> str:
    """What is kept of somebody whom another vouched for."""
    said = {"id": who.id, "agency": who.agency, "roles": sorted(who.roles), "units": sorted(who.units)}
    return json.dumps({**said, "name": who.name, "kind": who.kind})


def _told(kept: str) -> Principal:
    said = json.loads(kept)
    roles, units = frozenset(said["roles"]), frozenset(said["units"])
    return Principal(said.get("kind", "person"), said["id"], said["agency"], roles, units, said["name"])
