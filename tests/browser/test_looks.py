"""What the page is to whoever sees little or nothing: axe-core finds nothing in any of its states, and the list of
units hides no tool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.people import Roster
from tests.browser.chromium import absent, built
from tests.browser.conftest import listen, shown
from tests.browser.desk import WHERE, chosen
from tests.browser.test_watch import impatient
from tests.running import ROOT, ServerInThread

__all__ = ["impatient"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]

DESK = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}
AXE = ROOT / "geo_backup" / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
FOUND = """async rules => (await axe.run(document, {...rules, resultTypes: ["violations"]})).violations.flatMap(rule =>
  rule.nodes.map(node => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary}`))"""


@pytest.fixture(scope="module")
def still(browser: Any) -> Iterator[Any]:
    """A window in which nothing fades: axe-core would measure the colours of half a fading."""
    if not AXE.exists():
        absent("axe-core is not installed: npm ci in geo_backup/dashboard")
    context = browser.new_context(viewport=DESK, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong: list[str] = []
    listen(page, wrong)
    yield page
    context.close()
    assert wrong == []


@pytest.fixture
def sound(still: Any) -> Iterator[Callable[[str], None]]:
    """Asks axe-core, in the dark for the colours alone; what it finds anywhere fails the test, all of it at once."""
    found: list[str] = []

    def ask(state: str) -> None:
        if not still.evaluate("'axe' in window"):
            still.evaluate(AXE.read_text(encoding="utf-8"))  # evaluated, not loaded: the page's policy stays
        for theme, rules in (("dark", {"runOnly": ["color-contrast"]}), ("light", {})):
            still.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            found.extend(f"{state}, {theme}: {said}" for said in still.evaluate(FOUND, rules))

    yield ask
    assert found == []


def test_axe_finds_nothing_on_the_page(desk: httpx.Client, still: Any, sound: Callable[[str], None]) -> None:
    press = still.keyboard.press
    still.goto(str(desk.base_url))
    shown(still)
    sound("the empty desk")

    incident_id = chosen(desk, still, kind="fight")
    desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U1"})
    still.wait_for_selector("[data-testid=assigned-row]")
    press("b")
    press("Enter")
    still.wait_for_selector("[data-testid=recommended] li")
    sound("an incident, its units and its ranking")
    still.set_viewport_size(PHONE)
    sound("an incident on a phone")
    still.set_viewport_size(DESK)

    still.locator("[data-testid=record-button]").click()
    still.wait_for_selector("[data-testid=record-facts]")
    sound("what happened")
    still.locator("[data-testid=record-close]").click()
    still.locator("[data-testid=handover-button]").click()
    still.wait_for_selector("[data-testid=handover]")
    sound("the hand-over")
    press("Escape")
    still.locator("[data-testid=time]").click()
    still.wait_for_selector(".page.back:not(.coming)")
    sound("the past")
    still.locator("[data-testid=past-live]").click()
    still.wait_for_selector("[data-testid=past-bar]", state="detached")

    press("n")
    still.locator("[data-testid=card-where]").fill(WHERE)
    still.wait_for_selector("[data-testid=place]")
    sound("the call card, and the places found")
    press("Escape")
    press("Escape")

    press("q")
    still.locator("[data-testid=unit-row]").first.click()
    still.wait_for_selector("[data-testid=unit-card]")
    sound("the list of units, and a unit")
    tools = still.locator(".tools button")
    edge = still.locator("[data-testid=units]").bounding_box()["x"]
    for n in range(tools.count()):
        box = tools.nth(n).bounding_box()
        assert box["x"] + box["width"] <= edge, "a tool lies beneath the list of units"
    still.set_viewport_size(PHONE)
    sound("the list of units on a phone")
    still.locator("[data-testid=unit-row]").nth(1).click()
    still.wait_for_selector("[data-testid=units]", state="detached")
    still.wait_for_selector("[data-testid=unit-card]")
    sound("a unit on a phone")
    still.set_viewport_size(DESK)

    press("/")
    still.keyboard.type("send")
    still.wait_for_selector("[data-testid=line-option]")
    sound("the command line")
    press("Escape")
    press("Escape")

    press("?")
    still.wait_for_selector("[data-testid=help]")
    sound("the help")
    press("Escape")

    assert desk.post("/v1/emergencies", json={"unit_id": "U3", "emergency_id": "looks", "source": "device"}).is_success
    still.wait_for_selector("[data-testid=alarm][data-alarms=true]")
    sound("an officer in danger")


BEYOND = """() => [...document.querySelectorAll(".top button, .top [role=status], .tools button")].flatMap(of => {
  const { left, right, width } = of.getBoundingClientRect();
  return width && (left < -1 || right > innerWidth + 1) ? [of.title || of.innerText] : [];
})"""


def test_nothing_that_one_needs_lies_beyond_the_edge(desk: httpx.Client, still: Any) -> None:
    """At any width, at twice the size of text, and while an officer's emergency sounds; the map keeps its room."""
    still.goto(str(desk.base_url))
    shown(still)
    still.keyboard.press("j")  # a page that nobody has touched may not sound
    assert desk.post("/v1/emergencies", json={"unit_id": "U3", "emergency_id": "narrow"}).is_success
    still.wait_for_selector("[data-testid=alarm]")
    for width, size in ((1440, 16), (1440, 32), (1100, 16), (800, 16), (390, 16), (390, 32)):
        still.set_viewport_size({"width": width, "height": 844})
        still.evaluate("size => document.documentElement.style.fontSize = `${size}px`", size)
        assert still.evaluate(BEYOND) == [], (width, size)
        assert still.evaluate("document.documentElement.scrollWidth") <= width
        boxes = {name: still.locator(name).bounding_box() for name in (".map", ".head")}
        assert boxes[".map"]["width"] >= min(width, 360), (width, size)
        assert boxes[".head"]["height"] <= 844 * (0.46 if size == 32 else 0.2), (width, size)
    still.evaluate("document.documentElement.style.fontSize = ''")
    still.set_viewport_size(DESK)


def test_the_document_is_never_longer_than_the_window(desk: httpx.Client, still: Any) -> None:
    """Nothing scrolls the alarm away, not even what looks for words that only a screen reader says."""
    still.goto(str(desk.base_url))
    shown(still)
    incident_id = chosen(desk, still)
    desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U1"})
    for window in (PHONE, DESK):
        still.set_viewport_size(window)
        still.evaluate("document.querySelectorAll('.unseen').forEach(one => one.scrollIntoView())")
        still.evaluate("scrollTo(0, 900)")
        size = "[document.documentElement.scrollHeight, scrollY, document.querySelector('.page').scrollTop]"
        assert still.evaluate(size) == [window["height"], 0, 0]
        assert still.locator(".head").bounding_box()["y"] == 0


def test_axe_finds_nothing_in_what_is_overdue_and_handed_over(
    impatient: httpx.Client, still: Any, sound: Callable[[str], None]
) -> None:
    still.goto(str(impatient.base_url))
    shown(still)
    incident_id = chosen(impatient, still, kind="fight")
    impatient.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U1"})
    still.locator("[data-testid=loud]", has_text="has not answered").wait_for()
    sound("what is loud")
    still.keyboard.press("y")
    still.wait_for_selector("[data-testid=seen-by]")
    sound("what somebody has seen to")
    still.locator("[data-testid=handover-button]").click()
    still.wait_for_selector("[data-testid=handed-unit]")
    sound("the hand-over")
    still.set_viewport_size(PHONE)
    sound("the hand-over on a phone")
    still.set_viewport_size(DESK)


def test_axe_finds_nothing_at_the_door(
    tmp_path_factory: pytest.TempPathFactory, still: Any, sound: Callable[[str], None], bare: Path
) -> None:
    built()
    folder = tmp_path_factory.mktemp("door")
    roster = Roster(folder / "people.sqlite")
    roster.people.add(
        "lind",
        name="Eva Lind",
        agency="*",
        roles=("dispatcher",),
        password="correct horse battery",
        with_code=False,
        by="test",
    )
    server = ServerInThread(folder / "log.sqlite", roster=roster, map_folder=bare).start()
    still.goto(server.url)
    still.locator("[data-testid=person]").fill("lind")
    still.locator("[data-testid=password]").fill("wrong")
    still.keyboard.press("Enter")
    still.wait_for_selector("[data-testid=refused]")
    sound("the door, and a refusal")
    still.set_viewport_size(PHONE)
    sound("the door on a phone")
    still.set_viewport_size(DESK)
    still.goto("about:blank")
    server.stop()
