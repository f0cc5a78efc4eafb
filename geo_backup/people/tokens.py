"""The tokens of devices and programs: issued once, revoked while a server runs, kept as hashes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from geo_backup.errors import BadValueError, UnknownIdError
from geo_backup.people import secret
from geo_backup.people.file import RosterFile, check_named, names_in, roles_in, text_of
from geo_backup.people.principal import Kind, Principal, Role


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


class Tokens:
    """Those by which devices and programs speak."""

    def __init__(self, file: RosterFile) -> None:
        self._file = file

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
        check_named(token_id, roles)
        if kind not in ("device", "program"):
            raise BadValueError("kind", "unknown", f"a token is of a device or a program, not of a {kind!r}")
        if kind == "device" and not set(roles) <= {"device", "field_unit"}:
            raise BadValueError("role", "kind", "a device is device or field_unit; other roles are for a program")
        if "device" in roles and not units:
            raise BadValueError("units", "missing", "say for which units it speaks: --unit P-17")
        shown = secret.new_token()
        with self._file.writing() as sql:
            if sql.execute("SELECT 1 FROM tokens WHERE token_id = ?", (token_id,)).fetchone():
                raise BadValueError("token_id", "taken", f"there is or was a token {token_id!r}: choose another id")
            row = (token_id, secret.token_hash(shown), kind, agency, text_of(roles), text_of(units))
            sql.execute("INSERT INTO tokens VALUES (?,?,?,?,?,?,?,?,NULL)", (*row, self._file.now_ms(), until_ms))
            self._file.act(by, "token_issued", token_id, f"{kind} of {agency}: {text_of(roles)}")
        return shown

    def revoke(self, token_id: str, *, by: str) -> None:
        """The token is worth nothing from now on. Raises UnknownIdError."""
        with self._file.writing() as sql:
            done = sql.execute(
                "UPDATE tokens SET revoked_ms = ? WHERE token_id = ? AND revoked_ms IS NULL",
                (self._file.now_ms(), token_id),
            )
            if not done.rowcount:
                raise UnknownIdError(f"no token {token_id!r} holds; `geo-backup tokens list` names them")
            self._file.act(by, "token_revoked", token_id)

    def all(self) -> list[Token]:
        """All tokens, by id, revoked ones too."""
        rows = self._file.rows(
            "SELECT token_id, kind, agency, roles, units, until_ms, revoked_ms IS NOT NULL FROM tokens"
            " ORDER BY token_id"
        )
        return [
            Token(token_id, kind, agency, roles_in(roles), names_in(units), until_ms, bool(revoked))
            for token_id, kind, agency, roles, units, until_ms, revoked in rows
        ]

    def of(self, hashed: str) -> Principal | None:
        """Who speaks by the token of this hash; None when none holds."""
        row = self._file.row(
            "SELECT token_id, kind, agency, roles, units, until_ms FROM tokens WHERE hash = ? AND revoked_ms IS NULL",
            hashed,
        )
        if row is None:
            return None
        token_id, kind, agency, roles, units, until_ms = row
        return Principal(kind, token_id, agency, roles_in(roles), names_in(units), token_id, token_id, until_ms)
