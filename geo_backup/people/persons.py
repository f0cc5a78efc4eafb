"""The people of a roster: who they are, what they may do, and who of them is locked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from geo_backup.errors import BadValueError, UnknownIdError
from geo_backup.people import secret
from geo_backup.people.file import RosterFile, check_named, names_in, roles_in, text_of
from geo_backup.people.principal import Principal, Role

_PERSON = "person_id, name, agency, roles, units, code_secret IS NOT NULL, locked, console"


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

    def principal(self) -> Principal:
        """Who speaks when they do."""
        return Principal("person", self.person_id, self.agency, self.roles, self.units, self.name)


class People:
    """Those who may sign in with a password of this server."""

    def __init__(self, file: RosterFile) -> None:
        self._file = file

    def one(self, person_id: str) -> Person | None:
        """Somebody by their id."""
        query = f"SELECT {_PERSON} FROM people WHERE person_id = ? AND removed_ms IS NULL"
        row = self._file.row(query, person_id)
        return _person(row) if row is not None else None

    def all(self) -> list[Person]:
        """Everybody who is there, by id."""
        rows = self._file.rows(f"SELECT {_PERSON} FROM people WHERE removed_ms IS NULL ORDER BY person_id")
        return [_person(row) for row in rows]

    def locked_out(self) -> list[tuple[str, str]]:
        """(person, source) of those whom five wrong tries have locked out."""
        query = "SELECT person_id, source FROM locks WHERE person_id IN (SELECT person_id FROM people) ORDER BY at_ms"
        return [(person_id, source) for person_id, source in self._file.rows(query)]

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
        check_named(person_id, roles)
        hashed = _hashed(password)
        code_secret = secret.new_code_secret() if with_code else None
        with self._file.writing() as sql:
            if sql.execute("SELECT 1 FROM people WHERE person_id = ?", (person_id,)).fetchone():
                words = f"{person_id!r} is or was somebody; ids are not used again: choose another"
                raise BadValueError("person_id", "taken", words)
            sql.execute(
                "INSERT INTO people (person_id, name, agency, roles, units, password, code_secret, console)"
                " VALUES (?,?,?,?,?,?,?,?)",
                (person_id, name, agency, text_of(roles), text_of(units), hashed, code_secret, console),
            )
            self._file.act(by, "person_added", person_id, f"{agency}: {text_of(roles)}")
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
        check_named(person_id, roles)
        row = (text_of(roles), text_of(person.units if units is None else units), agency or person.agency, person_id)
        with self._file.writing() as sql:
            sql.execute("UPDATE people SET roles = ?, units = ?, agency = ? WHERE person_id = ?", row)
            self._file.act(by, "person_changed", person_id, f"{row[2]}: {row[0]}")

    def set_password(self, person_id: str, password: str, *, by: str) -> None:
        """A new password; standing sessions end. Raises BadValueError for a short one, UnknownIdError."""
        self._somebody(person_id)
        hashed = _hashed(password)
        with self._file.writing() as sql:
            sql.execute("UPDATE people SET password = ? WHERE person_id = ?", (hashed, person_id))
            self._file.end_sessions(person_id, by)
            self._file.act(by, "password_set", person_id)

    def lock(self, person_id: str, *, by: str) -> None:
        """Nobody signs in as this person any more, and their sessions end."""
        self._somebody(person_id)
        with self._file.writing() as sql:
            sql.execute("UPDATE people SET locked = 1 WHERE person_id = ?", (person_id,))
            self._file.end_sessions(person_id, by)
            self._file.act(by, "person_locked", person_id)

    def unlock(self, person_id: str, *, by: str) -> None:
        """The person may sign in again, from everywhere."""
        self._somebody(person_id)
        with self._file.writing() as sql:
            sql.execute("UPDATE people SET locked = 0 WHERE person_id = ?", (person_id,))
            for table in ("locks", "wrong"):
                sql.execute(f"DELETE FROM {table} WHERE person_id = ?", (person_id,))
            self._file.act(by, "person_unlocked", person_id)

    def remove(self, person_id: str, *, by: str) -> None:
        """The person left: name and secrets are forgotten, the id stays taken, since the log names it."""
        self._somebody(person_id)
        with self._file.writing() as sql:
            sql.execute(
                "UPDATE people SET name = '', password = NULL, code_secret = NULL, roles = '', units = '',"
                " removed_ms = ? WHERE person_id = ?",
                (self._file.now_ms(), person_id),
            )
            self._file.end_sessions(person_id, by)
            self._file.act(by, "person_removed", person_id)

    def _somebody(self, person_id: str) -> Person:
        person = self.one(person_id)
        if person is None:
            raise UnknownIdError(f"nobody is called {person_id!r}; `geo-backup people list` names everybody")
        return person


def _person(row: tuple[Any, ...]) -> Person:
    person_id, name, agency, roles, units, code, locked, console = row
    return Person(person_id, name, agency, roles_in(roles), names_in(units), bool(code), bool(locked), bool(console))


def _hashed(password: str) -> str:
    if len(password) < secret.PASSWORD_MIN:
        raise BadValueError("password", "short", f"a password needs at least {secret.PASSWORD_MIN} characters")
    return secret.password_hash(password)
