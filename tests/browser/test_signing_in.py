"""Who one is, in a real Chromium: sign in and out, what a role may not do, a right that is lost, and what others' pages
may not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.people import Principal, Roster
from tests.asking import at
from tests.browser.chromium import built, shot
from tests.browser.conftest import shown
from tests.running import CENTRE, ServerInThread, events_in

PASSWORD = "correct horse battery"
PHONE = {"width": 390, "height": 844}

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def roster(tmp_path_factory: pytest.TempPathFactory) -> Roster:
    roster = Roster(tmp_path_factory.mktemp("people") / "people.sqlite")
    for person_id, name, role in (
        ("lind", "Eva Lind", "dispatcher"),
        ("vera", "Vera Ek", "viewer"),
        ("ola", "Ola Holm", "viewer"),
        ("adam", "Adam Ask", "admin"),
    ):
        roster.people.add(
            person_id, name=name, agency="*", roles=(role,), password=PASSWORD, with_code=False, by="test"
        )
    return roster


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, roster: Roster, bare: Path) -> Iterator[ServerInThread]:
    built()
    server = ServerInThread(tmp_path_factory.mktemp("guarded") / "log.sqlite", roster=roster, map_folder=bare).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def desk(server: ServerInThread, roster: Roster) -> Iterator[httpx.Client]:
    """A supervisor's program, and two units where it put them."""
    token = roster.tokens.issue("cad", "program", agency="*", roles=("supervisor",), by="test")
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=30) as http:
        rows = []
        for n, unit_id in enumerate(("P1", "P2")):
            body = {"callsign": unit_id, "agency": "police", "kind": "patrol", "capabilities": ["patrol"]}
            assert http.put(f"/v1/units/{unit_id}", json=body).status_code == 201
            rows.append({"unit_id": unit_id, "fix_time": at(), "lon": CENTRE[0] + 0.004 * n, "lat": CENTRE[1]})
        assert http.post("/v1/positions", json={"positions": rows}).json()["accepted"] == 2
        yield http


def sign_in(page: Any, person: str, password: str = PASSWORD) -> Any:
    page.locator("[data-testid=person]").fill(person)
    page.locator("[data-testid=password]").fill(password)
    page.keyboard.press("Enter")
    return page


def hides_everything(page: Any) -> bool:
    return not page.locator("[data-testid=map], [data-testid=unit-count], canvas, .panel").count()


def incidents(desk: httpx.Client) -> list[str]:
    return [row["incident_id"] for row in desk.get("/v1/incidents").json()["incidents"]]


def test_a_dispatcher_signs_in_opens_an_incident_and_signs_out(
    server: ServerInThread, desk: httpx.Client, opened: Callable[..., Any]
) -> None:
    page = opened(server.url)
    page.wait_for_selector("[data-testid=sign-in]")
    assert hides_everything(page)
    shot(page, "sign-in")
    sign_in(page, "lind", "wrong horse battery")
    page.wait_for_selector("[data-testid=refused]")
    assert page.locator("[data-testid=refused]").inner_text() == "Name, password or code do not fit."
    assert page.locator("[data-testid=password]").input_value() == ""
    assert hides_everything(page)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shot(page, "phone-sign-in")
    page.set_viewport_size({"width": 1400, "height": 900})
    shown(sign_in(page, "lind"))
    assert page.locator("[data-testid=who]").get_attribute("data-who") == "person:lind"
    assert "dispatcher" in page.locator("[data-testid=who]").inner_text()
    assert page.evaluate("document.cookie") == ""

    page.keyboard.press("n")
    page.locator("[data-testid=card-where]").fill("57.70, 11.97")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=send-button]")
    shot(page, "signed-in")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("[data-testid=sign-out]").is_visible()
    shot(page, "phone-signed-in")
    (incident_id,) = incidents(desk)
    made = [event for event in events_in(server.log) if type(event).__name__ == "IncidentOpened"]
    assert [event.said_by for event in made] == ["person:lind"]
    desk.post(f"/v1/incidents/{incident_id}/close")

    page.locator("[data-testid=sign-out]").click()
    page.wait_for_selector("[data-testid=sign-in]")
    page.reload()
    page.wait_for_selector("[data-testid=sign-in]")
    assert hides_everything(page)


def test_a_viewer_sees_the_alarm_and_is_offered_nothing_else(
    server: ServerInThread, desk: httpx.Client, opened: Callable[..., Any]
) -> None:
    page = shown(sign_in(opened(server.url, color_scheme="dark"), "vera"))
    body = {"unit_id": "P1", "emergency_id": "officer", "source": "device"}
    assert desk.post("/v1/emergencies", json=body).status_code == 201
    page.wait_for_selector("[data-testid=alarm][data-alarms=true]")
    page.wait_for_selector("[data-testid=ranking-row]")
    for name in ("send-button", "acknowledge-button", "emergency-end", "ask-now", "declare-button"):
        assert page.locator(f"[data-testid={name}]").count() == 0, name
    assert page.get_by_role("button", name="New incident").count() == 0
    assert page.get_by_role("button", name="Close incident").count() == 0
    shot(page, "viewer-dark")
    for key in ("n", "Control+Enter", "b", "s", "Escape", "x", "a", "Escape"):
        page.keyboard.press(key)
    page.keyboard.press("?")
    listed = page.locator("[data-testid=help]").inner_text()
    assert "light or dark" in listed
    assert not any(word in listed for word in ("send", "ask for backup", "acknowledge", "close the incident"))
    page.keyboard.press("Escape")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shot(page, "phone-viewer-dark")
    standing = desk.get("/v1/incidents/officer").json()
    assert (incidents(desk), standing["assignments"]) == (["officer"], [])
    assert standing["emergency"]["alarms"] is True
    # what the page does not offer the server does not take either, and it is said in words
    page.evaluate("fetch('/v1/session').then(a => a.json()).then(s => (window.said = s))")
    page.wait_for_function("window.said")
    told = page.evaluate(
        "fetch('/v1/incidents/officer/close', {method: 'POST', headers: {'x-csrf-token': window.said.csrf}})"
        ".then(a => a.json())"
    )
    assert [error["reason"] for error in told["errors"]] == ["not_your_right"]
    end = {"by": "supervisor", "reason": "over"}
    assert desk.post("/v1/emergencies/officer/clear", json={**end, "who": "Berg"}).status_code == 200
    assert desk.post("/v1/incidents/officer/close").status_code == 200


def test_who_is_locked_while_looking_sees_nothing_any_more(
    server: ServerInThread, roster: Roster, desk: httpx.Client, opened: Callable[..., Any]
) -> None:
    page = shown(sign_in(opened(server.url), "ola"))
    assert page.locator("[data-testid=unit-count]").get_attribute("data-count") == "2"
    roster.people.change("ola", roles=("dispatcher",), by="test")
    page.get_by_role("button", name="New incident").wait_for()
    assert "has changed" in page.locator("[data-testid=error]").inner_text()
    roster.people.lock("ola", by="test")
    page.wait_for_selector("[data-testid=sign-in]")
    assert page.locator("[data-testid=ended]").inner_text() == "Your session is over. Sign in again."
    assert hides_everything(page)
    sign_in(page, "ola")
    page.wait_for_selector("[data-testid=refused]")


def test_a_token_signs_in_by_the_keyboard_alone(
    server: ServerInThread, roster: Roster, opened: Callable[..., Any]
) -> None:
    token = roster.tokens.issue("wall", "program", agency="*", roles=("viewer",), by="test")
    page = opened(server.url)
    page.wait_for_selector("[data-testid=person]:focus")
    for key in ("Tab", "Tab", "Tab", "Tab", "Enter"):  # password, code, sign in, the other way
        page.keyboard.press(key)
    page.wait_for_selector("[data-testid=token]:focus")
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    assert shown(page).locator("[data-testid=who]").get_attribute("data-who") == "program:wall"


def test_whoever_looks_after_people_sees_no_map(server: ServerInThread, opened: Callable[..., Any]) -> None:
    page = sign_in(opened(server.url), "adam")
    page.locator("[data-testid=who]").wait_for()
    assert hides_everything(page)
    assert "admin" in page.locator("main").inner_text()


def test_a_session_that_nobody_uses_ends_after_a_warning(
    server: ServerInThread, monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Any]
) -> None:
    page = shown(sign_in(opened(server.url, lambda page: page.clock.install()), "vera"))
    theme = page.locator("html").get_attribute("data-theme")
    page.clock.fast_forward(29 * 60_000 + 10_000)
    page.wait_for_selector("[data-testid=ending]")
    shot(page, "ending")
    with page.expect_response("**/v1/session/active") as told:
        page.keyboard.press("t")
    assert told.value.status == 204
    assert page.locator("html").get_attribute("data-theme") == theme, "the key that keeps the session does nothing else"
    page.wait_for_selector("[data-testid=ending]", state="detached")
    assert server.speakers is not None
    monkeypatch.setattr(server.speakers, "_now_s", lambda: time.monotonic() + 31 * 60)
    page.clock.fast_forward(31 * 60_000)
    page.wait_for_selector("[data-testid=sign-in]")
    assert "nobody typed or clicked" in page.locator("[data-testid=ended]").inner_text()
    assert hides_everything(page)


class Elsewhere(BaseHTTPRequestHandler):
    """A page of another origin."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_a_page_from_elsewhere_changes_nothing(
    server: ServerInThread, desk: httpx.Client, opened: Callable[..., Any]
) -> None:
    """Wherever the cookie comes along, Origin and the page's own word decide."""
    other = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    page = shown(sign_in(opened(server.url), "lind"))
    try:
        page.goto(f"http://127.0.0.1:{other.server_port}/")
        body = '{"lon": 11.97, "lat": 57.70, "priority": 1, "incident_id": "forged"}'
        with page.expect_response("**/v1/incidents") as refused:
            page.evaluate(
                "([url, body]) => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include', body,"
                " headers: {'content-type': 'text/plain'}}).then(() => true)",
                [f"{server.url}/v1/incidents", body],
            )
        assert refused.value.status == 403
        closed = page.evaluate(
            "url => new Promise(done => { const feed = new WebSocket(url); feed.onopen = () => done('open');"
            " feed.onerror = () => done('refused'); })",
            server.feed,
        )
        assert closed == "refused"
        assert "forged" not in incidents(desk)
        page.goto(server.url)
        told = page.evaluate(
            "body => fetch('/v1/incidents', {method: 'POST', body, headers: {'content-type': 'application/json'}})"
            ".then(answer => answer.status)",
            body,
        )
        assert told == 403, "a page that does not show its word"
        assert "forged" not in incidents(desk)
    finally:
        other.shutdown()
        other.server_close()


def test_a_link_opens_the_page_once(server: ServerInThread, desk: httpx.Client, opened: Callable[..., Any]) -> None:
    assert server.speakers is not None
    who = Principal("person", "guest", "*", frozenset({"viewer"}), name="Guest")
    link = f"{server.url}/?ticket={server.speakers.link(who)}"
    page = shown(opened(link))
    assert page.locator("[data-testid=who]").get_attribute("data-who") == "person:guest"
    assert "ticket" not in page.url
    again = opened(link)
    again.wait_for_selector("[data-testid=sign-in]")
    assert hides_everything(again)
    came = [event for event in events_in(server.log) if type(event).__name__ == "SignedIn"]
    assert sum(event.said_by == "person:guest" for event in came) == 1


def test_the_pages_of_the_interface_keep_to_their_policy(server: ServerInThread, opened: Callable[..., Any]) -> None:
    """A window fails its test when its policy refuses anything; here also that there is one, and that it is strict."""
    for path in ("/", "/docs"):
        policy = httpx.get(f"{server.url}{path}", trust_env=False).headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    page = opened(f"{server.url}/docs")
    page.wait_for_selector(".opblock")
    shot(page, "docs")
