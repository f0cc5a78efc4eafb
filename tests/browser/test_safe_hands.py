"""What a key, a click or a lost link may do at the desk, and what not: in a real Chromium and the real server.

One server and one window for all tests of this file; each begins with nothing open.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.browser.chromium import built, shot
from tests.browser.conftest import shown
from tests.browser.test_dashboard import projection
from tests.running import ServerInThread, eventually
from tests.server.test_backup import PLACE, fleet

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BLIND = "two suspects 2 cars black hoodies\n"
"""As somebody types who looks at the caller, not at the page."""
WHERE = f"{PLACE[1]}, {PLACE[0]}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    built()
    server = ServerInThread(tmp_path_factory.mktemp("hands") / "log.sqlite").start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        fleet(client, *[(f"U{n}", 0.004 + 0.004 * n, ("patrol",)) for n in range(8)])
        yield client
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture
def desk(served: httpx.Client) -> httpx.Client:
    """The server with nothing open, and every unit where it was, free."""
    for row in served.get("/v1/emergencies").json()["emergencies"]:
        end = {"by": "supervisor", "who": "Sgt Berg", "reason": "left by a test"}
        assert served.post(f"/v1/emergencies/{row['incident_id']}/clear", json=end).is_success
    for row in served.get("/v1/incidents").json()["incidents"]:
        assert served.post(f"/v1/incidents/{row['incident_id']}/close").is_success
    fleet(served, *[(f"U{n}", 0.004 + 0.004 * n, ("patrol",)) for n in range(8)])
    for n in range(8):
        assert served.put(f"/v1/units/U{n}/status", json={"status": "available"}).is_success
    return served


@pytest.fixture(scope="module")
def one(browser: Any, served: httpx.Client) -> Iterator[Any]:
    """The window of this desk."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


@pytest.fixture
def page(one: Any, desk: httpx.Client) -> Any:
    one.goto(str(desk.base_url))
    return shown(one)


def opened(desk: httpx.Client, page: Any, **more: Any) -> str:
    """An incident that somebody else opened, chosen here, ranked."""
    body = {"lon": PLACE[0], "lat": PLACE[1], "priority": 1, **more}
    incident_id = str(desk.post("/v1/incidents", json=body).json()["incident_id"])
    page.locator(f"[data-testid=incident-row][data-incident={incident_id}]").click()
    page.wait_for_selector("[data-testid=ranking-row]")
    return incident_id


def incident(desk: httpx.Client, incident_id: str) -> Any:
    return desk.get(f"/v1/incidents/{incident_id}").json()


def sent(desk: httpx.Client, incident_id: str) -> dict[str, str]:
    return {row["unit_id"]: row["state"] for row in incident(desk, incident_id)["assignments"]}


def test_after_opening_an_incident_what_is_typed_is_its_note(desk: httpx.Client, page: Any) -> None:
    """Typed without a look, from the very order that opens it on: nobody is sent, nothing is changed."""
    page.keyboard.press("n")
    page.keyboard.type(WHERE + "\nfight\n", delay=0)
    page.keyboard.press("Control+Enter")
    page.keyboard.type(BLIND.strip(), delay=0)
    page.wait_for_selector("[data-testid=note]:focus")
    eventually(lambda: page.locator("[data-testid=note]").input_value() == BLIND.strip(), "every letter in the note")
    page.keyboard.press("Enter")
    (row,) = desk.get("/v1/incidents").json()["incidents"]
    incident_id = row["incident_id"]
    page.wait_for_selector("[data-testid=note-said]")
    assert page.evaluate("document.activeElement.dataset.testid") == "note", "one goes on writing"
    stands = incident(desk, incident_id)
    assert (stands["kind"], stands["run_card"], stands["mode"], stands["priority"]) == (
        "fight",
        "violence",
        "immediate",
        1,
    )
    assert stands["assignments"] == []
    assert stands["note"] == BLIND.strip()
    shot(page, "card-opened")


def test_words_typed_at_nothing_do_nothing(desk: httpx.Client, page: Any) -> None:
    """No field has the focus: they send nobody, ask for nothing, lower nothing, and the desk is told so."""
    assert desk.post("/v1/emergencies", json={"unit_id": "U7", "emergency_id": "officer"}).status_code == 201
    incident_id = opened(desk, page)
    assert desk.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate", "units": 3}).is_success
    page.wait_for_selector("[data-testid=recommended] li")
    before = {row["incident_id"]: row for row in desk.get("/v1/incidents").json()["incidents"]}
    for text in (BLIND, "shots heard, send backup now\n", "subject 1 down 4 5\n", "thank you\n"):
        page.keyboard.type(text, delay=0)
        page.wait_for_selector("[data-testid=said] >> text=not into a field")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.locator(f"[data-testid=incident-row][data-incident={incident_id}]").click()
    for row in desk.get("/v1/incidents").json()["incidents"]:
        was = before[row["incident_id"]]
        for name in ("state", "mode", "priority", "requirement", "assignments", "note", "lon", "lat"):
            assert row[name] == was[name], name
    assert desk.get("/v1/closures").json()["closures"] == []


def test_a_key_moves_the_focus_and_enter_sends(desk: httpx.Client, page: Any) -> None:
    incident_id = opened(desk, page, priority=2)
    for key in ("s", "3", "1", "2"):
        page.keyboard.press(key)
        assert sent(desk, incident_id) == {}
        page.keyboard.press("Escape")
        page.locator(f"[data-testid=incident-row][data-incident={incident_id}]").click()
    rows = [row.get_attribute("data-unit") for row in page.locator("[data-testid=ranking-row]").all()]
    page.keyboard.press("2")
    row = page.locator("[data-testid=ranking-row]:focus-within")
    assert row.get_attribute("data-unit") == rows[1]
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    assert row.get_attribute("data-unit") == rows[2]
    assert sent(desk, incident_id) == {}
    page.keyboard.press("Enter")
    page.wait_for_selector(f"[data-testid=assigned-row][data-unit={rows[2]}]")
    page.locator("[data-testid=undo]").wait_for()
    shot(page, "undo")
    page.keyboard.press("Control+z")
    page.wait_for_selector("[data-testid=assigned-row]", state="detached")
    assert sent(desk, incident_id) == {rows[2]: "cancelled"}


def test_a_bare_click_opens_nothing(desk: httpx.Client, page: Any) -> None:
    """It chooses what it meets, and lets go where it meets nothing; the other button begins a new incident there."""
    incident_id = opened(desk, page)
    pixel = projection(page)
    ground = pixel(PLACE[0] - 0.012, PLACE[1] - 0.004)
    page.mouse.click(*ground)
    page.wait_for_selector("[data-testid=ranking-row]", state="detached")
    page.mouse.dblclick(*ground)
    page.mouse.click(*pixel(PLACE[0] + 0.012, PLACE[1]))
    page.wait_for_selector("[data-testid=unit-card]")
    assert "U2" in page.locator("[data-testid=unit-card]").inner_text()
    page.mouse.click(*pixel(*PLACE))
    page.wait_for_selector("[data-testid=ranking-row]")
    assert [row["incident_id"] for row in desk.get("/v1/incidents").json()["incidents"]] == [incident_id]
    assert page.locator("[data-testid=card]").count() == 0
    page.mouse.click(*ground, button="right")
    page.wait_for_selector("[data-testid=card-kind]:focus")
    lat, lon = map(float, page.locator("[data-testid=card-where]").input_value().split(","))
    assert abs(lon - PLACE[0] + 0.012) < 0.001
    assert abs(lat - PLACE[1] + 0.004) < 0.001
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-testid=card]", state="detached")
    assert len(desk.get("/v1/incidents").json()["incidents"]) == 1


@pytest.mark.parametrize(
    "take",
    [
        pytest.param("send", id="a unit of a P1"),
        pytest.param("mode", id="the hurry"),
        pytest.param("priority", id="a P1"),
        pytest.param("close", id="units under way"),
        pytest.param("release", id="a unit on its way to a P1"),
        pytest.param("end", id="an emergency"),
    ],
)
def test_whatever_takes_names_the_loss_and_asks(desk: httpx.Client, page: Any, take: str) -> None:
    """Esc leaves everything as it was, the focus goes back, and Enter does it."""
    if take == "end":
        assert desk.post("/v1/emergencies", json={"unit_id": "U7", "emergency_id": "E-1"}).status_code == 201
        page.locator("[data-testid=incident-row]").click()
        incident_id = "E-1"
    else:
        other = opened(desk, page, kind="robbery in progress") if take == "send" else None
        incident_id = opened(desk, page)
        assert desk.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate", "units": 2}).is_success
        at = other or incident_id
        assert desk.post(f"/v1/incidents/{at}/assignments", json={"unit_id": "U0"}).is_success
        page.wait_for_selector("[data-testid=recommended] li")
        if take != "send":
            page.wait_for_selector("[data-testid=assigned-row][data-unit=U0]")

    def begin() -> None:
        if take == "send":
            if not page.locator("[data-testid=take-button]").count():
                page.locator("[data-testid=excluded] summary").click()
            page.locator("[data-testid=take-button]").click()
        elif take == "mode":
            page.keyboard.press("d")
            page.keyboard.press("Enter")
        elif take == "priority":
            page.locator("[data-testid=priority]").select_option("4")
        elif take == "close":
            page.keyboard.press("x")
        elif take == "release":
            page.locator("[data-testid=release-button]").click()
        else:
            if not page.locator("[data-testid=clear-who]").is_visible():
                page.locator("[data-testid=emergency-end] summary").click()
            page.locator("[data-testid=clear-who]").fill("Sgt Berg")
            page.locator("[data-testid=clear-reason]").fill("pressed by accident")
            page.locator("[data-testid=clear-button]").click()

    asked = page.locator("[data-testid=consent], [data-testid=reason]")
    stood = desk.get("/v1/incidents").json()["incidents"]
    begin()
    asked.wait_for()
    loss = page.locator("[data-testid=loss]").first.inner_text()
    assert {
        "send": "U0, assigned, leaves Robbery in progress (P1): nobody is left there.",
        "mode": "So far it is asked for at once.",
        "priority": "could then be taken for a P1 call",
        "close": "U0 is on the way and would be turned back.",
        "release": "U0 leaves",
        "end": "U7 no longer counts as in danger",
    }[take] in loss
    shot(page, f"asked-{take}")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("!!document.activeElement.closest('dialog')"), "the focus stays in the question"
    page.keyboard.press("Escape")
    asked.wait_for(state="detached")
    assert not page.evaluate("document.activeElement.closest('dialog')")

    def plain(rows: list[Any]) -> list[Any]:
        return [{key: row[key] for key in ("incident_id", "mode", "priority", "assignments", "state")} for row in rows]

    assert plain(desk.get("/v1/incidents").json()["incidents"]) == plain(stood)
    begin()
    asked.wait_for()
    page.wait_for_selector("[data-testid=yes]:focus")
    page.keyboard.press("Enter")
    asked.wait_for(state="detached")

    def done() -> bool:
        now = incident(desk, incident_id)
        return {
            "send": lambda: sent(desk, incident_id) == {"U0": "assigned"},
            "mode": lambda: now["mode"] == "delayed",
            "priority": lambda: now["priority"] == 4,
            "close": lambda: now["state"] == "closed",
            "release": lambda: sent(desk, incident_id) == {"U0": "cancelled"},
            "end": lambda: not now["emergency"]["stands"],
        }[take]()

    eventually(done, take)


def test_enter_in_a_field_commits_its_text_and_nothing_else(desk: httpx.Client, page: Any) -> None:
    page.keyboard.press("c")
    pixel = projection(page)
    for place in ((11.9642, 57.7138), (11.9688, 57.7150)):
        page.mouse.click(*pixel(*place))
    page.locator("[data-testid=closure-reason]").fill("burst main")
    page.keyboard.press("Enter")
    assert desk.get("/v1/closures").json()["closures"] == []
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=closure-row]")
    (closure,) = desk.get("/v1/closures").json()["closures"]
    assert closure["reason"] == "burst main"
    assert desk.delete(f"/v1/closures/{closure['closure_id']}").is_success


def test_a_finger_that_stays_begins_an_incident(desk: httpx.Client, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(str(desk.base_url))
    shown(page)
    page.touchscreen.tap(200, 300)
    assert page.locator("[data-testid=card]").count() == 0
    touch = context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": 200, "y": 300}]})
    page.wait_for_selector("[data-testid=card]")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shot(page, "phone-card")
    context.close()
    assert desk.get("/v1/incidents").json()["incidents"] == []
