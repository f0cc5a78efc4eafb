"""Signing in by a real OpenID provider, and its tokens: what holds, what is refused, and what stays when it is down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import jwt
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from geo_backup.custody import SignedIn, SignedOut
from geo_backup.errors import BadValueError, TokenError
from geo_backup.outbound import Outbound, Reply
from geo_backup.people import Roster
from geo_backup.people import provider as provider_module
from geo_backup.people.oidc import SECRET_VARIABLE, Oidc
from geo_backup.people.provider import KEPT_S, RETRY_S, Provider, SignIn
from geo_backup.server import access
from geo_backup.server.oidc import FLOW_COOKIE
from geo_backup.server.speaker import COOKIE
from geo_backup.settings import Config, Settings
from tests.people.running_provider import SECRET, RunningProvider, signs_in
from tests.people.test_oidc import OTHER, token
from tests.running import CENTRE, Server, ServerInThread, events_in, eventually, free_port

ADDRESSES = count(2)
PLACE = {"lon": CENTRE[0], "lat": CENTRE[1]}


@dataclass
class Counted(Outbound):
    """The way out, with a count of what went by it."""

    port: int
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__([f"127.0.0.1:{self.port}"])

    async def fetch(self, url: str, **more: Any) -> Reply:
        self.asked.append(urlsplit(url).path)
        return await super().fetch(url, **more)


@dataclass
class Site:
    """A server, the provider that it trusts, and the clock by which it asks it."""

    idp: RunningProvider
    server: ServerInThread
    outbound: Counted
    kept: Path
    later_s: list[float]

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def done(self) -> str:
        return f"{self.url}/v1/session/oidc/done"

    def browser(self, shown: str = "") -> httpx.Client:
        """Somebody at an address of their own: too many wrong tries from one address are refused."""
        wire = httpx.HTTPTransport(local_address=f"127.0.0.{next(ADDRESSES)}", trust_env=False)
        headers = {"Authorization": f"Bearer {shown}"} if shown else {}
        return httpx.Client(base_url=self.url, headers=headers, transport=wire, trust_env=False, timeout=30)

    def ask(self, shown: str, path: str = "/v1/units") -> httpx.Response:
        with self.browser(shown) as http:
            return http.get(path)

    def came_back(self, http: httpx.Client, login: str) -> str:
        """Sign in at the provider; the URL by which it sends the browser back."""
        begun = http.get("/v1/session/oidc")
        assert begun.status_code == 303
        return signs_in(http, begun.headers["location"], login, self.done)


def settings_of(idp: RunningProvider, public_url: str) -> Oidc:
    said = {
        "issuer": idp.issuer,
        "audience": ["urn:geo-backup", "desk"],
        "roles_claim": "realm_access.roles",
        "roles": {"cad-desk": "dispatcher", "cad-chief": "supervisor"},
        "agency_claim": "agency",
        "units_claim": "units",
        "client_id": "desk",
        "public_url": public_url,
        "name": "City account",
    }
    return Oidc.of(said, Path(), {SECRET_VARIABLE: SECRET})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, port, later_s = tmp_path_factory.mktemp("site"), free_port(), [0.0]
    idp = RunningProvider(f"http://127.0.0.1:{port}/v1/session/oidc/done").start()
    outbound, kept = Counted(idp.port), folder / "people.keys.json"
    oidc = settings_of(idp, f"http://127.0.0.1:{port}")
    provider = Provider(oidc, outbound, kept, now_s=lambda: time.time() + later_s[0])
    roster = Roster(folder / "people.sqlite")
    server = ServerInThread(folder / "log.sqlite", port=port, roster=roster, provider=provider).start()
    yield Site(idp, server, outbound, kept, later_s)
    server.stop()
    idp.stop()
    assert "Traceback" not in server.said()


def words(answer: httpx.Response) -> str:
    return unescape(re.sub("<[^>]+>", " ", answer.text))


def test_a_server_with_a_provider_is_closed(site: Site) -> None:
    with site.browser() as http:
        assert http.get("/healthz").json()["open"] is False
        assert http.get("/v1/units").status_code == 401
        session = http.get("/v1/session").json()
    assert session["ways"][0] == "oidc"
    assert session["provider"] == "City account"


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA", "Ed25519"])
def test_a_machine_speaks_by_its_token(site: Site, alg: str) -> None:
    shown = site.idp.machine_token(f"urn:geo-backup~{alg}")
    assert jwt.get_unverified_header(shown)["alg"] == alg
    headers = {"Authorization": f"Bearer {shown}"}
    body = {**PLACE, "priority": 3, "incident_id": f"by-{alg}"}
    with site.browser(shown) as http:
        answer = http.post("/v1/incidents", json=body)
    assert answer.status_code == 201, answer.text
    fact = next(event for event in events_in(site.server.log) if getattr(event, "incident_id", "") == f"by-{alg}")
    assert re.fullmatch(r"program:oidc\.[0-9a-f]{8}\.cad", fact.said_by)
    me = site.ask(shown, "/v1/session").json()["speaker"]
    assert (me["said_by"], me["roles"], me["agency"]) == (fact.said_by, ["dispatcher"], "*")
    with connect(site.server.feed, additional_headers=headers, proxy=None) as feed:
        feed.send(json.dumps({"type": "hello"}))
        assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"


def test_a_token_for_somebody_else_is_refused_in_words(site: Site) -> None:
    answer = site.ask(site.idp.machine_token("urn:other"))
    assert answer.status_code == 401
    assert "Audience" in answer.json()["detail"]
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert site.ask(token(iss=site.idp.issuer, key=OTHER)).status_code == 401


def test_a_person_signs_in_by_the_provider(site: Site) -> None:
    with site.browser() as http:
        back = site.came_back(http, "lind")
        flow = http.cookies.get(FLOW_COOKIE)
        came = http.get(back)
        assert came.status_code == 200, came.text
        cookies = came.headers.get_list("set-cookie")
        session = next(cookie for cookie in cookies if cookie.startswith(COOKIE))
        assert all(word in session for word in ("HttpOnly", "SameSite=strict"))
        assert http.cookies.get(FLOW_COOKIE) is None, "the sign-in is over"
        assert 'http-equiv="refresh" content="0;url=/"' in came.text
        assert "<script" not in came.text
        assert "Eva Lind" in came.text
        here = http.get("/v1/session").json()
        me = here["speaker"]
        assert (me["name"], me["agency"], me["roles"], me["unit_ids"]) == (
            "Eva Lind",
            "police",
            ["dispatcher"],
            ["P-17"],
        )
        http.headers["x-csrf-token"] = here["csrf"]
        body = {**PLACE, "priority": 3, "incident_id": "by-lind"}
        assert http.post("/v1/incidents", json=body).status_code == 201
        again = http.get(back, cookies={FLOW_COOKIE: flow or ""})
        assert again.status_code == 502, "a code is good once"
        assert http.delete("/v1/session").status_code == 204
        assert http.get("/v1/units").status_code == 401
    came_in = [event for event in events_in(site.server.log) if isinstance(event, SignedIn)][-1]
    assert (came_in.way, came_in.said_by, came_in.agency) == ("oidc", me["said_by"], "police")
    assert re.fullmatch(r"person:oidc\.[0-9a-f]{8}\.lind", me["said_by"])
    assert b"Eva Lind" not in site.server.log.read_bytes()


def test_an_admin_ends_a_session_that_the_provider_began(site: Site) -> None:
    with site.browser() as http:
        assert http.get(site.came_back(http, "berg")).status_code == 200
        cookie = http.cookies[COOKIE]
        told = http.get("/v1/session").json()
        left_s = (datetime.fromisoformat(told["until"]) - datetime.now(UTC)).total_seconds()
        assert 3_500 < left_s < 3_700, "no longer than the provider's token, of an hour and half a minute"
        person_id = told["speaker"]["said_by"].removeprefix("person:")
        headers = {"Cookie": f"{COOKIE}={cookie}", "Origin": site.url}
        with connect(site.server.feed, additional_headers=headers, proxy=None) as feed:
            feed.send(json.dumps({"type": "hello"}))
            assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"
            with contextlib.closing(Roster(site.kept.with_name("people.sqlite"))) as beside:
                assert beside.sessions.end_all(person_id, by="account:adm") == 1
            began = time.monotonic()
            assert closes(feed) == 4401
            assert time.monotonic() - began < 5.0
        assert http.get("/v1/units").status_code == 401

    def on_record() -> bool:
        ends = [event for event in events_in(site.server.log) if isinstance(event, SignedOut)]
        return any((one.said_by, one.whom, one.why) == ("account:adm", person_id, "revoked") for one in ends)

    assert eventually(on_record, "who ended it")


def closes(feed: ClientConnection) -> int:
    """The code by which a feed is closed, whatever it says before."""
    with pytest.raises(ConnectionClosed) as closed:
        deque(iter(partial(feed.recv, timeout=20), None), maxlen=0)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def test_a_session_stands_as_long_as_the_provider_vouches_for_it(site: Site) -> None:
    """It is asked again before its word is over; while it is down nobody is sent away; what it refuses is over."""
    asked, at_first_s = site.outbound.asked, site.later_s[0]
    with site.browser() as http:
        assert http.get(site.came_back(http, "lind")).status_code == 200
        until = http.get("/v1/session").json()["until"]
        before = asked.count("/token")
        site.later_s[0] += 3_600.0
        eventually(lambda: asked.count("/token") > before, "the question")
        eventually(lambda: http.get("/v1/session").json()["until"] > until, "a longer session")
        site.idp.stop()
        before = asked.count("/token")
        site.later_s[0] += RETRY_S + 1
        eventually(lambda: asked.count("/token") > before, "a question that nobody answers")
        assert http.get("/v1/units").status_code == 200, "a provider that is down sends nobody away"
        headers = {"Cookie": f"{COOKIE}={http.cookies[COOKIE]}", "Origin": site.url}
        with connect(site.server.feed, additional_headers=headers, proxy=None) as feed:
            feed.send(json.dumps({"type": "hello"}))
            assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"
            site.idp.start()  # it knows nothing any more of what it granted
            site.later_s[0] += RETRY_S + 1
            assert closes(feed) == 4401
        assert http.get("/v1/units").status_code == 401
    eventually(lambda: any(getattr(event, "why", "") == "over" for event in events_in(site.server.log)), "its end")
    site.later_s[0] = at_first_s


def test_a_person_without_a_role_is_told_which_claim_to_set(site: Site) -> None:
    with site.browser() as http:
        answer = http.get(site.came_back(http, "guest"))
        assert answer.status_code == 403
        assert "`realm_access.roles`" in words(answer)
        assert "City account" in words(answer)
        assert COOKIE not in http.cookies


def with_query(url: str, **changed: str) -> str:
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **changed}
    return parts._replace(query=urlencode(query)).geturl()


def test_whoever_changes_a_sign_in_ends_it(site: Site) -> None:
    """State, code, issuer and cookie: each has to be of the sign-in that this browser began."""
    with site.browser() as http, site.browser() as other:
        back, theirs = site.came_back(http, "lind"), site.came_back(other, "berg")
        flow, code = http.cookies[FLOW_COOKIE], dict(parse_qsl(urlsplit(theirs).query))["code"]
        for url, cookie, status in (
            (with_query(back, state="x"), flow, 403),
            (with_query(back, state=""), flow, 403),
            (with_query(back, state="é" * 43), flow, 403),
            (with_query(back, iss="https://evil.test"), flow, 403),
            (with_query(back, code=""), flow, 403),
            (with_query(back, error="access_denied", code=""), flow, 403),
            (with_query(back, code="x" * 5_000), flow, 403),
            (back, "", 403),
            (back, other.cookies[FLOW_COOKIE], 403),
            (back, f"{int(time.time()) - 1}.{flow.partition('.')[2]}", 403),
            (back, f"{int(time.time()) + 9_999}.{flow.partition('.')[2]}", 403),
            (back, "9" * 400 + "." + flow, 403),
            (theirs, flow, 403),  # an attacker's sign-in in a victim's browser
            (with_query(back, code=code), flow, 502),  # another's code: its challenge is of another verifier
            (with_query(back, code="guessed"), flow, 502),
        ):
            with site.browser() as fresh:
                answer = fresh.get(url, cookies={FLOW_COOKIE: cookie} if cookie else {})
                assert answer.status_code == status, (url, answer.text)
                assert COOKIE not in fresh.cookies
                assert flow not in answer.text
        assert http.get(back).status_code == 200, "what others tried does no harm to the sign-in itself"


@pytest.mark.parametrize(("name", "status"), [("nonce", 401), ("code_challenge", 502)])
def test_nonce_and_challenge_are_held_against_the_answer(site: Site, name: str, status: int) -> None:
    with site.browser() as http:
        url = http.get("/v1/session/oidc").headers["location"]
        back = signs_in(http, with_query(url, **{name: "A" * 43}), "lind", site.done)
        answer = http.get(back)
        assert answer.status_code == status, answer.text
        assert COOKIE not in http.cookies


def test_a_sign_in_leads_to_the_page_and_nowhere_else(site: Site) -> None:
    evil = {"next": "https://evil.test", "redirect_uri": "https://evil.test", "return_to": "//evil.test"}
    with site.browser() as http:
        forwarded = http.get("/v1/session/oidc", params=evil, headers={"X-Forwarded-Host": "evil.test"})
        assert forwarded.status_code == 403, "no proxy was named"
        begun = http.get("/v1/session/oidc", params=evil)
        assert begun.headers["location"].startswith(f"{site.idp.issuer}/auth?")
        assert dict(parse_qsl(urlsplit(begun.headers["location"]).query))["redirect_uri"] == site.done
        assert "evil" not in begun.headers["location"]
        came = http.get(with_query(signs_in(http, begun.headers["location"], "lind", site.done), **evil))
        assert came.status_code == 200
        assert "evil" not in came.text
        assert "location" not in came.headers
        strange = http.get(site.done, params={"state": "<script>alert(1)</script>", "error": "<script>"})
        assert "<script" not in strange.text


def test_an_id_token_opens_nothing(site: Site) -> None:
    with site.browser() as http:
        back = site.came_back(http, "lind")
        sign_in = SignIn(http.cookies[FLOW_COOKIE])
    form = {
        "grant_type": "authorization_code",
        "code": dict(parse_qsl(urlsplit(back).query))["code"],
        "redirect_uri": site.done,
        "code_verifier": sign_in.verifier,
        "client_id": "desk",
        "client_secret": SECRET,
    }
    got = httpx.post(f"{site.idp.issuer}/token", data=form, trust_env=False).raise_for_status().json()
    answer = site.ask(got["id_token"])
    assert answer.status_code == 401
    assert "ID token" in answer.json()["detail"]
    assert site.ask(got["access_token"]).status_code == 200


def test_new_keys_are_learned_and_a_flood_of_unknown_ones_asks_once(site: Site) -> None:
    before = site.idp.machine_token()
    assert site.ask(before).status_code == 200
    site.idp.stop()
    assert site.ask(before).status_code == 200, "a provider that is down locks nobody out"
    site.later_s[0] += RETRY_S + 1
    assert site.ask(token(iss=site.idp.issuer, kid="unknown")).status_code == 401
    site.idp.start()
    site.later_s[0] += RETRY_S + 1
    after = site.idp.machine_token()
    assert site.ask(after).status_code == 200, "the new key is fetched when it is first seen"
    asked = len(site.outbound.asked)
    codes = [site.ask(token(iss=site.idp.issuer, kid=f"k{n}")).status_code for n in range(10)]
    assert set(codes) <= {401, 429}
    assert len(site.outbound.asked) == asked, "not more often than every half minute"
    site.later_s[0] -= 86_400.0
    assert site.ask(token(iss=site.idp.issuer, kid="unknown")).status_code == 401
    assert len(site.outbound.asked) > asked, "a clock that was a day ahead holds nothing up"
    site.later_s[0] += 86_400.0


def judged(site: Site, shown: str, later_s: float, kept: Path | None = None) -> str:
    """How a server judges that has just started, and cannot reach the provider."""

    async def story() -> str:
        unreachable = Outbound(["127.0.0.1"])
        oidc = settings_of(RunningProvider(site.done, port=site.idp.port), site.url)
        provider = Provider(oidc, unreachable, kept or site.kept, now_s=lambda: time.time() + later_s)
        try:
            return provider.who(shown).said_by
        except TokenError as error:
            return error.reason

    return asyncio.run(story())


def test_the_last_good_keys_outlive_a_restart_for_a_day(site: Site, tmp_path: Path) -> None:
    shown = site.idp.machine_token()
    assert site.ask(shown).status_code == 200
    assert site.kept.stat().st_mode & 0o777 == 0o600
    assert judged(site, shown, 0.0).startswith("program:oidc.")
    got_s = json.loads(site.kept.read_text())["got_s"]
    assert judged(site, shown, got_s + KEPT_S - 60 - time.time()) == "over"  # by its own time; the key is still there
    assert judged(site, shown, got_s + KEPT_S + 60 - time.time()) == "unreachable"
    for text in ("", "{", "[]", "null", '{"issuer": "https://other.test"}', site.kept.read_text().replace("RSA", "x")):
        damaged = tmp_path / "damaged.json"
        damaged.write_text(text)
        assert judged(site, shown, 0.0, damaged) in ("unreachable", "key"), text


def test_a_provider_that_hangs_makes_nobody_else_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "WAIT_S", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # it takes connections, and says nothing
        port = free_port()
        idp = RunningProvider(f"http://127.0.0.1:{port}/x", port=silent.getsockname()[1])
        oidc = settings_of(idp, f"http://127.0.0.1:{port}")
        roster = Roster(tmp_path / "people.sqlite")
        desk = roster.tokens.issue("desk", "program", agency="*", roles=("dispatcher",), by="test")
        provider = Provider(oidc, Outbound(["127.0.0.1"]), tmp_path / "keys.json")
        server = ServerInThread(tmp_path / "log.sqlite", port=port, roster=roster, provider=provider).start()
        try:
            answers: list[httpx.Response] = []

            def shows(shown: str) -> httpx.Response:
                headers = {"Authorization": f"Bearer {shown}"}
                return httpx.get(f"{server.url}/v1/units", headers=headers, trust_env=False, timeout=30)

            waiting = threading.Thread(target=lambda: answers.append(shows(token(iss=idp.issuer))))
            waiting.start()
            for _ in range(20):
                began = time.monotonic()
                assert shows(desk).status_code == 200
                assert time.monotonic() - began < 1.0
            waiting.join()
            assert answers[0].status_code == 503
            assert "City account cannot be reached" in answers[0].json()["detail"]
            assert int(answers[0].headers["retry-after"]) > 0
            begun = httpx.get(f"{server.url}/v1/session/oidc", trust_env=False, timeout=30)
            assert begun.status_code == 503
            assert "City account cannot be reached" in begun.text
        finally:
            server.stop()


def test_a_provider_that_calls_itself_otherwise_is_not_believed(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        idp = RunningProvider(site.done, port=site.idp.port)
        said = settings_of(idp, site.url)
        oidc = Oidc(**{**vars(said), "issuer": f"http://localhost:{idp.port}"})
        provider = Provider(oidc, Outbound(["localhost"]))
        with pytest.raises(TokenError):
            await provider.begin_sign_in()

    asyncio.run(story())
    assert "to the letter" in caplog.text


TOML = """
[outbound]
hosts = ["127.0.0.1:9000"]

[oidc]
issuer = "http://127.0.0.1:9000"
audience = "geo-backup"
roles_claim = "realm_access.roles"
agency = "*"

[oidc.roles]
"cad-desk" = "dispatcher"
"""


def test_the_paper_shows_a_file_that_can_be(tmp_path: Path) -> None:
    paper = (Path(access.__file__).parent / "ACCESS.md").read_text(encoding="utf-8")
    file = tmp_path / "site.toml"
    file.write_text(paper.partition("```toml\n")[2].partition("```")[0])
    config = Config.read(file)
    assert config.oidc is not None
    assert config.oidc.redirect_url == "https://dispatch.example.org/v1/session/oidc/done"
    assert config.hosts == ("id.example.org:8443",)


def test_serve_takes_the_file_and_keeps_the_keys(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    said = TOML.replace("127.0.0.1:9000", f"127.0.0.1:{site.idp.port}").replace('"geo-backup"', '"urn:geo-backup"')
    file.write_text(said)
    server = Server(tmp_path / "log.sqlite", more=("--config", str(file))).start()
    try:
        assert "Open:" not in server.said()
        for shown, status in (("", 401), (site.idp.machine_token(), 200)):
            headers = {"Authorization": f"Bearer {shown}"} if shown else {}
            assert httpx.get(f"{server.url}/v1/units", headers=headers, trust_env=False).status_code == status
        assert "oidc" not in httpx.get(f"{server.url}/v1/session", trust_env=False).json()["ways"], "no client_id"
        assert httpx.get(f"{server.url}/v1/session/oidc", trust_env=False).status_code == 404
        kept = tmp_path / "log.people.keys.json"
        assert (
            eventually(lambda: kept.exists() and json.loads(kept.read_text()), "the keys")["issuer"] == site.idp.issuer
        )
    finally:
        server.stop()


def test_a_site_names_its_provider_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(TOML)
    settings = Settings.of(tmp_path, tmp_path / "log.sqlite", host="0.0.0.0", config=file)
    assert settings.provider() is not None
    for text, said in (
        (TOML.replace("[oidc]", "[oidc]\nnonsense = 1"), "nonsense"),
        (TOML.replace("[outbound]", "[out]"), "[outbound]"),
        (TOML.replace('hosts = ["127.0.0.1:9000"]', "hosts = 7"), "hosts"),
        (TOML.replace("issuer", "# issuer"), "issuer"),
        ("[oidc", "cannot be read"),
        ("oidc = 1", "section"),
    ):
        file.write_text(text)
        with pytest.raises(BadValueError, match=re.escape(str(file))) as error:
            Settings.of(tmp_path, tmp_path / "log.sqlite", config=file)
        assert said in str(error.value)
