"""The commands for people and tokens, and a server that minds them while it runs."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from geo_backup.people import Roster
from tests.running import Command, Server, events_in, eventually

pytestmark = pytest.mark.slow
PASSWORD = "correct horse battery"


@pytest.fixture
def run(command: Command, tmp_path: Path) -> Command:
    """A command for the roster of this test."""
    return lambda *words, said="": command(*words, "--log", tmp_path / "log.sqlite", given=said)


def test_a_server_minds_its_roster_while_it_runs(tmp_path: Path, run: Command) -> None:
    """It begins open; the first person closes it; a token comes and goes; all of it stands in the log."""
    server = Server(tmp_path / "log.sqlite").start()
    try:
        assert "Open:" in server.said()
        assert httpx.get(f"{server.url}/healthz", trust_env=False).json()["open"] is True
        proxied = httpx.get(f"{server.url}/v1/units", headers={"X-Forwarded-For": "8.8.8.8"}, trust_env=False)
        assert proxied.status_code == 403
        made = run("people", "add", "lind", "--role", "dispatcher", "--name", "Eva Lind", said=f"{PASSWORD}\n")
        assert made.code == 0, made.err
        assert made.out.startswith("otpauth://totp/")

        def status(token: str = "") -> int:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return httpx.get(f"{server.url}/v1/units", headers=headers, trust_env=False).status_code

        eventually(lambda: status() == 401, "the server to close")
        token = run("tokens", "issue", "cad", "--role", "dispatcher").out.strip()
        eventually(lambda: status(token) == 200, "the token to hold")
        assert run("tokens", "revoke", "cad").code == 0
        eventually(lambda: status(token) == 401, "the token to end")
        eventually(lambda: len(_acts(tmp_path)) == 3, "the acts in the log")
    finally:
        server.stop()
    assert _acts(tmp_path) == ["person_added", "token_issued", "token_revoked"]
    assert PASSWORD.encode() not in (tmp_path / "log.sqlite").read_bytes()


def _acts(folder: Path) -> list[str]:
    return [event.act for event in events_in(folder / "log.sqlite") if hasattr(event, "act")]


def test_people_are_listed_changed_and_refused_in_words(tmp_path: Path, run: Command) -> None:
    assert "roles are" in run("people", "add", "x", "--role", "king", said=f"{PASSWORD}\n").err
    assert "at least 12" in run("people", "add", "x", "--role", "viewer", said="short\n").err
    assert run("people", "add", "berg", "--role", "viewer", "--no-code", said=f"{PASSWORD}\n").code == 0
    assert run("people", "role", "berg", "--role", "supervisor").code == 0
    assert run("people", "lock", "berg").code == 0
    listed = json.loads(run("people", "list", "--json").out)["people"]
    assert [(one["person_id"], one["roles"], one["locked"]) for one in listed] == [("berg", ["supervisor"], True)]
    assert "password" not in listed[0]
    assert run("people", "unlock", "berg").code == 0
    with closing(Roster(tmp_path / "log.people.sqlite")) as roster:
        shown, who = roster.sessions.sign_in("berg", PASSWORD, "", "10.0.0.1")
        sessions = json.loads(run("people", "sessions", "--json").out)
        assert [(one["session_id"], one["person_id"]) for one in sessions] == [(who.session, "berg")]
        assert "10.0.0.1" in run("people", "sessions", "berg").out
        assert run("people", "end", "berg").code == 0
        eventually(lambda: roster.who(shown) is None, "the session to end")
    assert "nobody called 'berg' is signed in" in run("people", "end", "berg").err
    assert "nobody is called" in run("people", "lock", "nobody").err
    assert "which units" in run("tokens", "issue", "d", "--kind", "device", "--role", "device").err
    assert "berg" in run("people", "list").out
