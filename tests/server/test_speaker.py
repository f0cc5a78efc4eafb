"""Sessions from the side of the server: who is there, who has left, and what a cookie is worth."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from geo_backup.people import Principal, Roster
from geo_backup.server.gate import Gate
from geo_backup.server.speaker import COOKIE, CSRF_HEADER, Speakers, csrf_of, speaker_of

WHO = Principal("person", "demo", "*", frozenset({"viewer"}), name="Demo desk")


async def named(scope: Scope, receive: Receive, send: Send) -> None:
    who = speaker_of(Request(scope).scope)
    await PlainTextResponse(who.said_by if who is not None else "nobody")(scope, receive, send)


def ask(speakers: Speakers, method: str, cookie: str, **headers: str) -> httpx.Response:
    async def answered() -> httpx.Response:
        transport = httpx.ASGITransport(Gate(named, speakers=speakers, hosts=("server",)))
        async with httpx.AsyncClient(transport=transport, base_url="http://server", cookies={COOKIE: cookie}) as http:
            return await http.request(method, "/", headers=headers)

    return asyncio.run(answered())


class Hours:
    """A clock that a test turns."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    roster = Roster(tmp_path / "people.sqlite")
    for person_id, console in (("lind", False), ("wall", True)):
        roster.people.add(
            person_id,
            name="",
            agency="*",
            roles=("viewer",),
            password="correct horse battery",
            with_code=False,
            console=console,
            by="test",
        )
    return roster


def test_a_page_that_only_looks_is_not_in_use(roster: Roster) -> None:
    """Its time begins when it is first seen, after a restart too; what it asks for by itself does not prolong it."""
    hours = Hours()
    speakers = Speakers(roster, now_s=hours)
    shown, _ = roster.sessions.sign_in("lind", "correct horse battery", "", "here")
    at_console, _ = roster.sessions.sign_in("wall", "correct horse battery", "", "here")
    for hours.now_s in (0, 900, 1700):
        assert ask(speakers, "GET", shown).text == "person:lind"
        assert ask(speakers, "GET", at_console).text == "person:wall"
    assert ask(speakers, "POST", shown, **{CSRF_HEADER.decode(): csrf_of(shown)}).text == "person:lind"
    hours.now_s = 3400
    assert speakers.end_idle(1800) == []
    assert ask(speakers, "GET", shown).text == "person:lind"
    hours.now_s = 3600
    assert [who.id for who in speakers.end_idle(1800)] == ["lind"]
    assert ask(speakers, "GET", shown).text == "nobody"
    assert ask(speakers, "GET", at_console).text == "person:wall"


def test_where_nobody_is_configured_a_link_only_says_who_it_is() -> None:
    hours = Hours()
    speakers = Speakers(now_s=hours)
    shown = speakers.open_link(speakers.link(WHO))
    assert shown is not None
    assert ask(speakers, "GET", shown).text == "person:demo"
    assert ask(speakers, "POST", shown).status_code == 403
    assert ask(speakers, "POST", shown, **{CSRF_HEADER.decode(): csrf_of(shown)}).text == "person:demo"
    assert ask(speakers, "POST", "of another server").text == "anyone:"
    hours.now_s = 9000
    assert speakers.end_idle(1800) == []


def test_a_session_that_a_token_began_ends_with_it(roster: Roster) -> None:
    speakers = Speakers(roster)
    token = roster.tokens.issue("wall", "program", agency="*", roles=("viewer",), by="test")
    holder = speakers.who(token)
    assert holder is not None
    shown = speakers.begin(holder)
    who = speakers.who(shown)
    assert who is not None
    assert speakers.holds(who) == who
    roster.tokens.revoke("wall", by="test")
    assert speakers.who(shown) is None
    assert speakers.holds(who) is None


def test_a_cookie_whose_session_is_over_shuts_nobody_out(roster: Roster) -> None:
    speakers = Speakers(roster)
    assert {ask(speakers, "GET", "over").text for _ in range(50)} == {"nobody"}
    assert speakers.take_refused() == {}
