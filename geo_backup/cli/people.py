"""Commands for who may speak to a server: people and tokens, in the roster beside its log."""

from __future__ import annotations

import getpass
import json
import sys
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from geo_backup.cli.errands import me
from geo_backup.cli.terminal import JsonOption, app, say
from geo_backup.errors import BadValueError

if TYPE_CHECKING:
    from geo_backup.people import Roster

people_app = typer.Typer(help="Who may sign in to a server.", no_args_is_help=True)
app.add_typer(people_app, name="people")
tokens_app = typer.Typer(help="Tokens of devices and programs.", no_args_is_help=True)
app.add_typer(tokens_app, name="tokens")

LogOption = Annotated[Path, typer.Option("--log", help="The server's log; the roster lies beside it.")]
RoleOption = Annotated[
    list[str],
    typer.Option("--role", help="device, field_unit, viewer, dispatcher, supervisor, aid_partner, analyst, auditor, "
                 "admin or standby; name several by repeating it."),
]  # fmt: skip
UnitOption = Annotated[list[str] | None, typer.Option("--unit", help="A unit it speaks for; may be repeated.")]
AgencyOption = Annotated[str, typer.Option(help="The agency; * for those who serve all agencies of a centre.")]
LOG = Path("geo_backup.sqlite")


@people_app.command("add")
def add_person(
    person_id: Annotated[str, typer.Argument(help="How the log names them, such as lind; never used again.")],
    roles: RoleOption,
    log: LogOption = LOG,
    name: Annotated[str, typer.Option(help="Their name; it is kept beside the log, not in it.")] = "",
    agency: AgencyOption = "*",
    units: UnitOption = None,
    console: Annotated[
        bool, typer.Option("--console", help="Stay signed in when nobody types: a secure room.")
    ] = False,
    no_code: Annotated[bool, typer.Option("--no-code", help="No one-time codes: the password alone signs in.")] = False,
) -> None:
    """Add somebody who may sign in. The password is asked for, or read from standard input.

    Example: geo-backup people add lind --name "Eva Lind" --role dispatcher
    """
    password = _password()
    with closing(_roster(log)) as roster:
        secret = roster.people.add(
            person_id,
            name=name or person_id,
            agency=agency,
            roles=roles,
            password=password,
            units=units or (),
            with_code=not no_code,
            console=console,
            by=me(),
        )
    say.print(f"{person_id} may sign in as {', '.join(roles)}.")
    if secret is not None:
        _show_code(person_id, secret)


@people_app.command("role")
def change_role(
    person_id: str,
    roles: RoleOption,
    log: LogOption = LOG,
    units: UnitOption = None,
) -> None:
    """Give somebody other roles; it holds at once, in standing sessions too.

    Example: geo-backup people role lind --role supervisor
    """
    with closing(_roster(log)) as roster:
        roster.people.change(person_id, roles=roles, units=units, by=me())
    say.print(f"{person_id} is {', '.join(roles)} now.")


@people_app.command("password")
def set_password(person_id: str, log: LogOption = LOG) -> None:
    """Set a new password; standing sessions end.

    Example: geo-backup people password lind
    """
    password = _password()
    with closing(_roster(log)) as roster:
        roster.people.set_password(person_id, password, by=me())
    say.print(f"{person_id} has a new password.")


@people_app.command("lock")
def lock_person(person_id: str, log: LogOption = LOG) -> None:
    """Keep somebody out, and end their sessions.

    Example: geo-backup people lock lind
    """
    with closing(_roster(log)) as roster:
        roster.people.lock(person_id, by=me())
    say.print(f"{person_id} is locked; `geo-backup people unlock {person_id}` lets them in again.")


@people_app.command("unlock")
def unlock_person(person_id: str, log: LogOption = LOG) -> None:
    """Let somebody in again: one who was locked, or whom wrong tries locked out.

    Example: geo-backup people unlock lind
    """
    with closing(_roster(log)) as roster:
        roster.people.unlock(person_id, by=me())
    say.print(f"{person_id} may sign in again.")


@people_app.command("remove")
def remove_person(person_id: str, log: LogOption = LOG) -> None:
    """Forget somebody's name and secrets. Their id stays taken, since the log names it.

    Example: geo-backup people remove lind
    """
    with closing(_roster(log)) as roster:
        roster.people.remove(person_id, by=me())
    say.print(f"{person_id} is gone; the id is not used again.")


@people_app.command("list")
def list_people(log: LogOption = LOG, as_json: JsonOption = False) -> None:
    """Everybody who may sign in, and who is locked out.

    Example: geo-backup people list
    """
    with closing(_roster(log)) as roster:
        people, out = roster.people.all(), roster.people.locked_out()
    if as_json:
        rows = [{**asdict(one), "roles": sorted(one.roles), "units": sorted(one.units)} for one in people]
        print(json.dumps({"people": rows, "locked_out": [{"person_id": one, "source": src} for one, src in out]}))
        return
    if not people:
        say.print("Nobody may sign in yet: geo-backup people add NAME --role dispatcher")
        return
    table = Table("person", "name", "agency", "roles", "units", "code", "")
    for one in people:
        shut = (
            "locked" if one.locked else ", ".join(f"locked out from {src}" for who, src in out if who == one.person_id)
        )
        code = "yes" if one.has_code else "no"
        table.add_row(one.person_id, one.name, one.agency, _words(one.roles), _words(one.units), code, shut)
    Console().print(table)


@people_app.command("sessions")
def list_sessions(
    person_id: Annotated[str | None, typer.Argument(help="Of this person alone.")] = None,
    log: LogOption = LOG,
    as_json: JsonOption = False,
) -> None:
    """Who is signed in: since when, from where, until when.

    Example: geo-backup people sessions
    """
    from geo_backup.people.principal import PHONE
    from geo_backup.wire.times import to_text

    with closing(_roster(log)) as roster:
        sessions = roster.sessions.standing(person_id)
    if as_json:
        print(json.dumps([asdict(one) for one in sessions]))
        return
    if not sessions:
        say.print("Nobody is signed in." if person_id is None else f"{person_id} is not signed in.")
        return
    table = Table("session", "person", "name", "by", "from", "since", "until")
    for one in sessions:
        phone = one.session_id.startswith(PHONE)
        by = "code" if phone else "provider" if one.by_provider else "password"
        since, until = (to_text(at_ms)[:16] + "Z" for at_ms in (one.made_ms, one.until_ms))
        table.add_row(one.session_id, one.person_id, one.name, by, one.source, since, until)
    Console().print(table)


@people_app.command("end")
def end_sessions(
    of: Annotated[str, typer.Argument(help="A person, whose sessions all end, or one session as `sessions` names it.")],
    log: LogOption = LOG,
) -> None:
    """End sessions of anybody; a running server lets go of them within seconds, and closes their feeds.

    Example: geo-backup people end lind
    """
    with closing(_roster(log)) as roster:
        ended = roster.sessions.end_all(of, by=me())
    say.print(f"{of}: {ended} session{'s' if ended > 1 else ''} ended.")


@tokens_app.command("issue")
def issue_token(
    token_id: Annotated[str, typer.Argument(help="How the log names it, such as cad or AVL-17; never used again.")],
    roles: RoleOption,
    log: LogOption = LOG,
    kind: Annotated[str, typer.Option(help="device or program.")] = "program",
    agency: AgencyOption = "*",
    units: UnitOption = None,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How long it holds.")] = 365,
) -> None:
    """Issue a token. It is shown this once, on standard output; only its hash is kept.

    Example: geo-backup tokens issue AVL-17 --kind device --role device --unit P-17
    """
    from geo_backup.people.file import now_ms

    until_ms = now_ms() + int(timedelta(days=days).total_seconds() * 1000)
    with closing(_roster(log)) as roster:
        chosen: Any = kind
        token = roster.tokens.issue(
            token_id, chosen, agency=agency, roles=roles, units=units or (), until_ms=until_ms, by=me()
        )
    say.print(f"{token_id} is a {kind} of {agency}: {', '.join(roles)}, for {days} days. This is shown once:")
    print(token)


@tokens_app.command("revoke")
def revoke_token(token_id: str, log: LogOption = LOG) -> None:
    """Take a token back; a running server lets go of it within seconds.

    Example: geo-backup tokens revoke AVL-17
    """
    with closing(_roster(log)) as roster:
        roster.tokens.revoke(token_id, by=me())
    say.print(f"{token_id} holds no more.")


@tokens_app.command("list")
def list_tokens(log: LogOption = LOG, as_json: JsonOption = False) -> None:
    """All tokens, without their secrets.

    Example: geo-backup tokens list
    """
    from geo_backup.wire.times import to_text

    with closing(_roster(log)) as roster:
        tokens = roster.tokens.all()
    if as_json:
        print(json.dumps([{**asdict(one), "roles": sorted(one.roles), "units": sorted(one.units)} for one in tokens]))
        return
    table = Table("token", "kind", "agency", "roles", "units", "until", "")
    for one in tokens:
        until = "" if one.until_ms is None else to_text(one.until_ms)[:10]
        shut = "revoked" if one.revoked else ""
        table.add_row(one.token_id, one.kind, one.agency, _words(one.roles), _words(one.units), until, shut)
    Console().print(table)


def _roster(log: Path) -> Roster:
    from geo_backup.cli import words
    from geo_backup.eventlog.copies import shared_leader
    from geo_backup.people import Roster, roster_beside

    if leader := shared_leader(log):
        say.print(words.change_on_leader(leader), soft_wrap=True)
    return Roster(roster_beside(log))


def _words(names: Any) -> str:
    return ", ".join(sorted(names)).replace("_", " ")


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise BadValueError("password", "differs", "the two are not the same; nothing was changed")
    return password


def _show_code(person_id: str, secret: str) -> None:
    """The secret of the one-time codes, as a picture that an authenticator app reads."""
    import segno

    from geo_backup.people.secret import code_uri

    uri = code_uri(secret, person_id)
    say.print("One-time codes: scan this with an authenticator app (or type the secret). It is shown once.")
    if sys.stderr.isatty():
        segno.make(uri, error="l").terminal(out=sys.stderr, compact=True)
    print(uri)
