"""Tried as an attacker would, with a server for which people and tokens are configured. Each is one line of the table
in `ACCESS.md`; what `test_access`, `test_sight` and `test_hostile` hold is not said again."""

from __future__ import annotations

import json
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from geo_backup.people import Roster
from geo_backup.server.speaker import COOKIE
from tests.asking import at
from tests.running import CENTRE, ServerInThread, events_in
from tests.server.test_access import PASSWORD, speaks

PLACE = {"lon": CENTRE[0], "lat": CENTRE[1]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    folder = tmp_path_factory.mktemp("attacked")
    roster = Roster(folder / "people.sqlite")
    roster.people.add(
        "lind", name="Eva Lind", agency="*", roles=("dispatcher",), password=PASSWORD, with_code=False, by="t"
    )
    server = ServerInThread(folder / "log.sqlite", roster=roster).start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture
def page(server: ServerInThread) -> Iterator[httpx.Client]:
    """A browser that is signed in, by its cookie alone."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as http:
        assert http.post("/v1/session", json={"person_id": "lind", "password": PASSWORD}).status_code == 201
        yield http


def test_another_site_changes_nothing_with_a_persons_cookie(page: httpx.Client) -> None:
    """A form of another origin sends the cookie and text/plain; without the page's own word it does nothing."""
    body = json.dumps({**PLACE, "priority": 1, "incident_id": "forged"})
    for headers in (
        {"Origin": "https://evil.example", "content-type": "text/plain"},
        {"Origin": "null", "content-type": "text/plain"},
        {"content-type": "text/plain"},
        {"x-csrf-token": "0" * 32},
    ):
        assert page.post("/v1/incidents", content=body, headers=headers).status_code == 403
    csrf = page.get("/v1/session").json()["csrf"]
    evil = page.post("/v1/incidents", content=body, headers={"Origin": "https://evil.example", "x-csrf-token": csrf})
    assert evil.status_code == 403
    assert "access-control-allow-origin" not in evil.headers
    assert page.get("/v1/incidents/forged").status_code == 404


def test_another_site_hears_nothing(server: ServerInThread, page: httpx.Client) -> None:
    cookie = f"{COOKIE}={page.cookies[COOKIE]}"
    headers = {"Cookie": cookie, "Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus), connect(server.feed, additional_headers=headers, proxy=None):
        pass


def test_a_name_that_was_bound_anew_is_not_this_server(tmp_path: Path) -> None:
    """DNS rebinding: a page of evil.example asks evil.example, which now has our address. An open server looks at the
    name; a closed one asks for a cookie that evil.example has none of."""
    open_server = ServerInThread(tmp_path / "log.sqlite").start()
    try:
        answer = httpx.get(f"{open_server.url}/v1/units", headers={"Host": "evil.example"}, trust_env=False)
        assert answer.status_code == 403
    finally:
        open_server.stop()


def test_no_secret_goes_by_an_address(server: ServerInThread, page: httpx.Client) -> None:
    shown = page.cookies[COOKIE]
    with httpx.Client(base_url=server.url, trust_env=False) as other:
        for url in (f"/v1/units?token={shown}", f"/?token={shown}", f"/v1/units?access_token={shown}"):
            answer = other.get(url)
            assert answer.status_code in (401, 200, 503)
            assert "set-cookie" not in answer.headers
            assert '"features"' not in answer.text
    assert shown not in server.said()
    assert shown.encode() not in server.log.read_bytes()


def test_two_requests_in_one_are_told_apart_or_refused(server: ServerInThread) -> None:
    """Header smuggling: a length and chunks at once, a length twice, a header folded."""
    whole = [
        (
            b"POST /v1/positions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        b"POST /v1/positions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"GET /v1/units HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n Authorization: Bearer x\r\n\r\n",
        b"GET /v1/units HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization : Bearer x\r\n\r\n",
    ]
    for text in whole:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as link:
            link.sendall(text + b"GET /v1/units HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            said = link.recv(65_536)
        assert said.split()[1] in (b"400", b"401"), said[:200]
        assert b'"features"' not in said


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../../settings.py",
        "/assets/..%2f..%2f..%2fsettings.py",
        "/docs/%2e%2e/%2e%2e/index.html",
        "/tiles/..%2f..%2farea.toml",
        "/assets//etc/passwd",
        "/docs/..\\..\\x",
    ],
)
def test_no_path_leads_out_of_its_folder(server: ServerInThread, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as link:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        said = b"".join(iter(lambda: link.recv(65_536), b""))
    assert said.split()[1] in (b"404", b"401", b"405"), said[:120]


def test_a_try_takes_as_long_for_nobody_as_for_somebody(server: ServerInThread) -> None:
    """Nobody learns from the time of an answer who has an account."""
    assert server.roster is not None
    times: dict[str, list[float]] = {"lind": [], "nobody": []}
    for n in range(7):
        for person_id, took in times.items():
            began = time.thread_time()
            with pytest.raises(Exception, match="do not fit"):
                server.roster.sessions.sign_in(person_id, "wrong", "", f"10.1.{n}.1")
            took.append(time.thread_time() - began)
    somebody, nobody = (statistics.median(took) for took in times.values())
    assert 0.5 < somebody / nobody < 2.0


def test_a_body_makes_nobody_another(server: ServerInThread) -> None:
    """`said_by`, `by` and headers that look like names change nothing of who is written down."""
    assert server.roster is not None
    token = server.roster.tokens.issue("cad", "program", agency="*", roles=("dispatcher",), by="test")
    with speaks(server, token) as http:
        http.headers.update({"X-Remote-User": "chief", "X-User": "chief"})
        body = {**PLACE, "priority": 2, "incident_id": "named"}
        assert http.post("/v1/incidents", json={**body, "said_by": "person:chief"}).status_code == 422
        for name in ("Forwarded", "X-Forwarded-User", "X-Forwarded-For"):
            assert http.post("/v1/incidents", json=body, headers={name: "for=127.0.0.1"}).status_code == 403
        assert http.post("/v1/incidents", json=body).status_code == 201
    said = [event.said_by for event in events_in(server.log) if getattr(event, "incident_id", "") == "named"]
    assert said[0] == "program:cad"


def test_every_way_up_is_shut(server: ServerInThread) -> None:
    """Whoever may little asks for more by each route that gives something away."""
    assert server.roster is not None
    token = server.roster.tokens.issue("low", "program", agency="*", roles=("viewer",), by="test")
    with speaks(server, token) as http:
        tried = [
            http.put("/v1/rules", json={"rules": {}}),
            http.put("/v1/units/X", json={"callsign": "x", "agency": "*", "kind": "x", "capabilities": []}),
            http.put("/v1/units/X/word", json={"word": "open sesame"}),
            http.post("/v1/plans/x/approve", json={"by": "Chief"}),
            http.post("/v1/emergencies", json={"unit_id": "X"}),
            http.post("/v1/positions", json={"positions": [{"unit_id": "X", "fix_time": at(), **PLACE}]}),
            http.get("/metrics"),
            http.get("/v1/log"),
            http.request("PATCH", "/v1/incidents/x", json={"priority": 5}, headers={"X-HTTP-Method-Override": "GET"}),
        ]
    assert [answer.status_code for answer in tried] == [403] * len(tried)
