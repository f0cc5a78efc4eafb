"""A proxy before the server: believed when it was named, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from geo_backup.people import Roster
from geo_backup.server.gate import Gate
from geo_backup.server.proxy import Proxies, network_of
from geo_backup.server.speaker import Speakers
from tests.running import ServerInThread

TOKEN = "that everybody here has"
PASSWORD = "correct horse battery"


async def who(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    told = {"from": request.client.host if request.client else "", "scheme": request.url.scheme}
    await JSONResponse(told)(scope, receive, send)


def ask(peer: str, headers: dict[str, str], *, alone: bool = False) -> Any:
    """What a server behind the proxies 10.0.0.0/24 and fd00::1 makes of a request."""
    proxies = Proxies((network_of("10.0.0.0/24"), network_of("fd00::1")), alone)

    async def answered() -> httpx.Response:
        transport = httpx.ASGITransport(
            Gate(who, speakers=Speakers(token=TOKEN), proxies=proxies), client=(peer, 40_000)
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
            return await http.get("/", headers=headers)

    answer = asyncio.run(answered())
    return (answer.json()["from"], answer.json()["scheme"]) if answer.status_code == 200 else answer.status_code


@pytest.mark.parametrize(
    ("peer", "headers", "told"),
    [
        ("10.0.0.2", {}, ("10.0.0.2", "http")),
        ("10.0.0.2", {"X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "https"}, ("8.8.8.8", "https")),
        ("10.0.0.2", {"X-Forwarded-For": "6.6.6.6, 8.8.8.8, 10.0.0.9"}, ("8.8.8.8", "http")),
        ("10.0.0.2", {"X-Forwarded-For": "6.6.6.6, not an address"}, ("10.0.0.2", "http")),
        ("10.0.0.2", {"X-Forwarded-For": "[2001:db8::7]:443"}, ("2001:db8::7", "http")),
        ("10.0.0.2", {"X-Forwarded-For": "8.8.8.8:1234", "X-Forwarded-Proto": "https, http"}, ("8.8.8.8", "http")),
        ("fd00::1", {"X-Forwarded-For": "8.8.8.8"}, ("8.8.8.8", "http")),
        ("::ffff:10.0.0.2", {"X-Forwarded-For": "8.8.8.8"}, ("8.8.8.8", "http")),
        ("127.0.0.1", {}, ("127.0.0.1", "http")),
        ("127.0.0.1", {"X-Forwarded-For": "8.8.8.8"}, 403),
        ("10.0.1.2", {"X-Forwarded-Proto": "https"}, 403),
        ("10.0.1.2", {"Forwarded": "for=8.8.8.8"}, 403),
    ],
)
def test_only_a_named_proxy_says_who_asks(peer: str, headers: dict[str, str], told: Any) -> None:
    assert ask(peer, headers) == told


def test_without_tls_of_its_own_other_machines_come_by_the_proxy() -> None:
    assert ask("10.0.1.2", {}, alone=True) == 403
    assert ask("10.0.0.2", {"X-Forwarded-For": "8.8.8.8"}, alone=True) == ("8.8.8.8", "http")
    assert ask("127.0.0.1", {}, alone=True) == ("127.0.0.1", "http")


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    folder = tmp_path_factory.mktemp("behind")
    roster = Roster(folder / "people.sqlite")
    roster.people.add("lind", name="", agency="*", roles=("viewer",), password=PASSWORD, with_code=False, by="test")
    server = ServerInThread(folder / "log.sqlite", roster=roster, proxies=Proxies((network_of("127.0.0.1"),)))
    yield server.start()
    server.stop()


def test_the_sender_is_counted_and_the_cookie_is_for_tls(behind: ServerInThread) -> None:
    """One sender's wrong tries shut out that one, not everybody behind the proxy."""
    with httpx.Client(base_url=behind.url, trust_env=False) as http:

        def sign_in(sender: str, password: str) -> httpx.Response:
            headers = {"X-Forwarded-For": sender, "X-Forwarded-Proto": "https"}
            return http.post("/v1/session", json={"person_id": "lind", "password": password}, headers=headers)

        wrong = [sign_in("198.51.100.7", "wrong").status_code for _ in range(5)]
        assert wrong == [401] * 5
        assert sign_in("198.51.100.7", PASSWORD).status_code == 429
        came = sign_in("198.51.100.8", PASSWORD)
        assert came.status_code == 201
        assert "; Secure" in came.headers["set-cookie"]
