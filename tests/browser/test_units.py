"""Who: the list of units, a unit's card, and the command line, in a real Chromium and the real server.

The twenty commonest actions are done as the table of the page's README says, and their keys are counted.
"""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
import pytest

from tests.browser.chromium import shot
from tests.browser.desk import chosen, incident, read, sent, standing
from tests.running import ROOT, ServerInThread, eventually
from tests.server.test_backup import PLACE, fleet
from tests.server.test_pace import drives, twice_as_long

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STREET = "Kungsportsavenyen"
README = ROOT / "geo_backup" / "dashboard" / "README.md"


class Hand:
    """Whoever sits at the desk: presses keys, which are counted, and types words, which are not."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.keys = 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.keys += 1
            self.page.keyboard.press(key)

    def type(self, words: str) -> None:
        self.page.keyboard.type(words, delay=0)

    def command(self, words: str) -> None:
        self.press("/")
        self.page.wait_for_selector("[data-testid=line-field]:focus")
        self.type(words)
        self.press("Enter")

    def taken(self) -> int:
        """The keys since this was asked last."""
        keys, self.keys = self.keys, 0
        return keys


@pytest.fixture
def hand(page: Any) -> Hand:
    return Hand(page)


def told() -> dict[str, int]:
    """The table of the README: keys by action."""
    rows = re.findall(r"^\| ([a-z][^|]+) \| [^|]+ \| (\d) \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    return {action: int(keys) for action, keys in rows}


def says(page: Any, words: str) -> None:
    page.locator("[data-testid=line-says]", has_text=words).wait_for()


def unit(desk: httpx.Client, unit_id: str) -> Any:
    return desk.get(f"/v1/units/{unit_id}").json()["properties"]


def test_a_time_says_how_far_it_can_be_trusted(desk: httpx.Client, page: Any, serving: ServerInThread) -> None:
    incident_id = chosen(desk, page, profile="foot")
    trust = page.locator("[data-testid=trust]")
    assert trust.inner_text() == "times assumed · not learned yet"
    serving.add(twice_as_long("foot"), *drives("foot"))
    page.locator("[data-testid=trust]", has_text="times measured on 41 drives · pace here: 2.0 now").wait_for()
    page.locator("[data-testid=pace]", has_text="2.0 times the profile's time: 2.0 now").wait_for()
    desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U1"})
    page.wait_for_selector("[data-testid=assigned-row] [data-testid=spread].measured")
    told = desk.get(f"/v1/incidents/{incident_id}/ranking").json()["candidates"][0]
    line = page.locator(f"[data-testid=ranking-row][data-unit={told['unit_id']}] [data-testid=spread]")
    within = [f"{round(told[name]) // 60}:{round(told[name]) % 60:02d}" for name in ("low_s", "p90_s")]
    assert line.get_attribute("title") == f"8 of 10 within {' to '.join(within)}"
    row, ends = line.bounding_box(), line.locator("i").bounding_box()
    assert row["x"] < ends["x"] < ends["x"] + ends["width"] <= row["x"] + row["width"] + 1
    shot(page, "spread")


def test_the_twenty_commonest_actions_take_the_keys_that_the_table_says(
    desk: httpx.Client, page: Any, hand: Hand
) -> None:
    counted: dict[str, int] = {}

    def did(action: str) -> None:
        counted[action] = hand.taken()

    def done(ask: Any, what: str) -> Any:
        return eventually(ask, what)

    hand.command(f"new {STREET} fight two men")
    page.wait_for_selector("[data-testid=card-note]")
    assert page.locator("[data-testid=card-kind]").input_value() == "fight"
    assert page.locator("[data-testid=card-note]").input_value() == "two men"
    hand.press("Control+Enter")
    did("open an incident and ask for its backup")
    page.wait_for_selector("[data-testid=recommended] li")
    (row,) = standing(desk)
    one = row["incident_id"]
    assert (row["kind"], row["note"], row["mode"]) == ("fight", "two men", "immediate")
    assert row["place"].startswith(STREET)
    page.keyboard.press("Escape")

    changed = page.locator("[data-testid=said]", has_text="has just changed")
    while not sent(desk, one):  # a set that nobody can have read yet is not sent
        hand.taken()
        read(page)
        hand.press("Control+Enter")
        done(lambda: sent(desk, one) or changed.count(), "an answer")
    did("send the recommended units")
    first = set(sent(desk, one))

    hand.press("i")
    hand.type("three men now")
    hand.press("Enter")
    did("write a note")
    done(
        lambda: incident(desk, one)["notes"][-1:] and incident(desk, one)["notes"][-1]["text"] == "three men now", "it"
    )
    page.keyboard.press("Escape")

    page.wait_for_selector("[data-testid=ranking-row]:nth-child(2)")
    while not page.locator("[data-testid=ranking-row]:nth-child(2):focus-within").count():
        hand.taken()
        read(page)
        hand.press("2")
    hand.press("Enter")
    did("send the second of the ranking")
    why = page.locator("[data-testid=reason]")
    done(lambda: why.count() or set(sent(desk, one)) - first, "an answer")
    if why.count():  # others are recommended
        page.keyboard.press("Enter")
    second = done(lambda: set(sent(desk, one)) - first, "another sent")

    free = [name for name in ("U5", "U6", "U7") if name not in first | second]
    hand.command(f"send {' '.join(free[-2:])}")
    did("send units by name")
    done(lambda: set(free[-2:]) <= set(sent(desk, one)), "both sent")
    page.locator("[data-testid=echo]", has_text="send").wait_for()

    hand.command(f"{free[-1].lower()} os")
    did("set the status of a unit")
    done(lambda: sent(desk, one)[free[-1]] == "on_scene", "on scene")

    hand.press("b", "Enter")
    did("ask for backup")
    page.locator("[data-testid=echo]", has_text="backup #1").wait_for()

    other = str(
        desk.post("/v1/incidents", json={"lon": PLACE[0], "lat": PLACE[1], "priority": 3, "kind": "fire"}).json()[
            "incident_id"
        ]
    )
    page.wait_for_selector(f"[data-testid=incident-row][data-incident={other}]")
    hand.press("j")
    did("go to the next incident")
    page.wait_for_selector(f"[data-testid=incident-row][data-incident={other}][aria-pressed=true]")
    hand.command("priority 2")
    did("change the priority")
    done(lambda: incident(desk, other)["priority"] == 2, "P2")
    hand.command("level 2")
    did("raise the alarm level")
    done(lambda: incident(desk, other)["level"] == 2, "level 2")
    page.locator("[data-testid=said]", has_text="evel").locator("[data-testid=undo]").wait_for()
    hand.press("Control+z")
    did("take back what was just done")
    done(lambda: incident(desk, other)["level"] == 1, "level 1")

    assert desk.post(f"/v1/incidents/{other}/assignments", json={"unit_id": "U3", "preempt": True}).is_success
    page.wait_for_selector("[data-testid=assigned-row][data-unit=U3]")
    hand.command("release u3")
    did("release a unit")
    done(lambda: sent(desk, other)["U3"] == "cancelled", "released")

    view = page.locator("[data-testid=map]").get_attribute("data-view")
    hand.command("where jarntorget")
    did("find a place")
    done(lambda: page.locator("[data-testid=map]").get_attribute("data-view") != view, "the map there")

    hand.press("q")
    page.wait_for_selector("[data-testid=unit-filter]:focus")
    hand.type("u0")
    hand.press("Enter")
    did("find a unit")
    page.wait_for_selector("[data-testid=unit-card] >> text=U0")
    page.locator("[data-testid=statuses] button").first.wait_for()
    hand.press("m")
    page.wait_for_selector("[data-testid=statuses] button:focus")
    hand.press("b")
    did("set the status of the chosen unit")
    done(lambda: unit(desk, "U0")["status"] == "busy", "busy")
    hand.press("h")
    did("see the last hour of the chosen unit")
    page.wait_for_selector("[data-testid=track-button][aria-pressed=true]")
    hand.command("near u1")
    did("see who is near a unit")
    page.wait_for_selector("[data-testid=neighbour][data-unit=U0]")
    shot(page, "unit-near")

    hand.command(f"close {STREET}")
    page.wait_for_selector("[data-testid=consent]")
    loss = page.locator("[data-testid=loss]").inner_text()
    assert re.search(rf"{STREET} (at|between|near) .+: \d+ m of it", loss), loss
    hand.press("Enter")
    did("close a street")
    (closure,) = done(lambda: desk.get("/v1/closures").json()["closures"], "the closure")
    assert STREET in closure["streets"]
    assert desk.delete(f"/v1/closures/{closure['closure_id']}").is_success

    assert desk.post("/v1/emergencies", json={"unit_id": "U4", "emergency_id": "E-9"}).status_code == 201
    page.wait_for_selector("[data-testid=alarm][data-alarms=true]")
    hand.press("a")
    did("acknowledge an emergency")
    page.wait_for_selector("[data-testid=alarm][data-alarms=false]")
    page.locator("[data-testid=echo]", has_text="ack").wait_for()

    page.locator(f"[data-testid=incident-row][data-incident={other}]").click()
    hand.press("x")
    page.wait_for_selector("[data-testid=consent]")
    hand.press("Enter")
    did("close an incident")
    done(lambda: incident(desk, other)["state"] == "closed", "closed")

    assert counted == told()
    assert len(counted) == 20
    assert max(counted.values()) <= 3


def test_the_line_says_what_it_will_do_and_why_it_does_not(desk: httpx.Client, page: Any, hand: Hand) -> None:
    """It completes, names what an order takes, and does nothing that it does not understand."""
    incident_id = chosen(desk, page, kind="robbery")
    hand.press("/")
    hand.type("sen")
    page.locator("[data-testid=line-option]").first.wait_for()
    hand.press("Tab")
    hand.type("u")
    assert page.locator("[data-testid=line-option]").count() == 8
    hand.press("ArrowDown", "ArrowDown", "Enter")
    assert page.locator("[data-testid=line-field]").input_value() == "send U1 "
    hand.type("3 to #1")
    says(page, "to #1 Robbery")
    assert sent(desk, incident_id) == {}
    shot(page, "command-line")
    for _ in range(3):
        page.keyboard.press("Backspace")
    hand.type(" #9")
    says(page, "No open incident")
    hand.press("Enter")
    assert page.locator("[data-testid=line-field]").input_value().endswith("#9"), "it is still there to be mended"
    assert sent(desk, incident_id) == {}
    hand.press("Escape", "Escape")
    assert page.evaluate("document.activeElement === document.body")
    # What a click orders is shown as it would be typed.
    page.locator("[data-testid=send-button]").first.click()
    page.locator("[data-testid=echo]", has_text="send U0 to #1").wait_for()
    # A unit of a P1 leaves it only after a yes, by this way too.
    other = chosen(desk, page, priority=2, kind="fire")
    hand.command("send u0 u2 to fire")
    page.wait_for_selector("[data-testid=consent]")
    assert re.search(r"leaves Robbery.* \(P1\)", page.locator("[data-testid=loss]").inner_text())
    hand.press("Escape")
    page.wait_for_selector("[data-testid=consent]", state="detached")
    hand.command("u0 av")
    page.wait_for_selector("[data-testid=consent]")
    hand.press("Escape")
    page.wait_for_selector("[data-testid=consent]", state="detached")
    assert (sent(desk, other), sent(desk, incident_id)) == ({}, {"U0": "assigned"})


def test_words_in_the_menu_of_a_status_are_no_status(desk: httpx.Client, page: Any, hand: Hand) -> None:
    hand.command("u5")
    page.wait_for_selector("[data-testid=unit-card]")
    hand.press("m")
    page.wait_for_selector("[data-testid=statuses] button:focus")
    hand.type("some bags\n")
    page.wait_for_selector("[data-testid=said] >> text=not into a field")
    hand.press("Escape")
    assert unit(desk, "U5")["status"] == "available"
    hand.command("u5")
    page.wait_for_selector("[data-testid=unit-card]")
    hand.press("m")
    page.wait_for_selector("[data-testid=statuses] button:focus")
    hand.press("s")
    eventually(lambda: unit(desk, "U5")["status"] == "on_scene", "the letter alone")
    page.locator("[data-testid=said]", has_text="U5: on scene").locator("[data-testid=undo]").wait_for()
    hand.press("Control+z")
    eventually(lambda: unit(desk, "U5")["status"] == "available", "taken back")


def test_two_desks_send_one_unit(desk: httpx.Client, page: Any, hand: Hand) -> None:
    """One assignment, and a clear word to whoever was later."""
    incident_id = chosen(desk, page, kind="robbery")
    other = chosen(desk, page, kind="fire")
    hand.press("/")
    hand.type("send u0")

    def first(route: Any) -> None:
        assert desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U0"}).is_success
        route.continue_()

    page.route("**/assignments", first, times=1)
    hand.press("Enter")
    error = page.locator("[data-testid=error]")
    error.wait_for()
    said = error.inner_text()
    assert re.search(r"U0 was not sent: another desk sent it to Robbery · .+ at \d\d:\d\d:\d\d", said), said
    assert (sent(desk, other), sent(desk, incident_id)) == ({}, {"U0": "assigned"})


def test_a_unit_shows_its_last_hour_and_its_day(desk: httpx.Client, page: Any, hand: Hand) -> None:
    incident_id = chosen(desk, page, kind="robbery")
    assert desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U6"}).is_success
    assert desk.post(f"/v1/incidents/{incident_id}/close").is_success
    page.wait_for_selector("[data-testid=incident-row]", state="detached")
    crew = {"crew": [{"capabilities": ["medic"]}, {"capabilities": []}], "shift_ends": "2050-01-01T20:00:00Z"}
    assert desk.put("/v1/units/U6/crew", json=crew).is_success
    with page.expect_response("**/track*") as answer:
        hand.command("track u6")
    assert len(answer.value.json()["fixes"]) >= 1
    card = page.locator("[data-testid=unit-card]")
    card.get_by_text("crew of 2").wait_for()
    page.wait_for_selector("[data-testid=shift-ends]")
    page.locator("[data-testid=unit-is-at]", has_text=re.compile(r"\w{4}")).wait_for()
    page.locator("[data-testid=today] summary").click()
    page.locator("[data-testid=today-incident]", has_text="Robbery").first.wait_for()
    shot(page, "unit-card")


def test_many_units_are_a_short_list(desk: httpx.Client, page: Any, hand: Hand) -> None:
    """Only what can be seen is there, names of places are asked for that alone, and the arrows go through all."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/places/name" in request.url else None)
    fleet(desk, *[(f"X{n}", 0.0002 * n, ("k-9",) if n % 10 == 0 else ("patrol",)) for n in range(120)])
    hand.press("q")
    found = page.locator("[data-testid=units-found]")
    page.wait_for_selector("[data-testid=units-found][data-count='128']")
    rows = page.locator("[data-testid=unit-row]")
    assert 8 < rows.count() < 40
    page.locator("[data-testid=unit-place]", has_text=re.compile(r"\w{4}")).first.wait_for()
    assert len(asked) <= 40
    shot(page, "units")
    hand.type("k-9")
    page.wait_for_selector("[data-testid=units-found][data-count='12']")
    hand.press("ArrowDown", "ArrowDown")
    page.wait_for_selector("[data-testid=unit-row][data-unit=X10][aria-selected=true]")
    page.wait_for_selector("[data-testid=unit-card] >> text=X10")
    hand.press("Escape")
    page.wait_for_selector("[data-testid=units-found][data-count='128']")
    hand.press("ArrowUp", "Enter")
    page.locator("[data-testid=unit-row][data-unit=X9][aria-selected=true]").wait_for()
    assert desk.put("/v1/units/X9/status", json={"status": "busy"}).is_success
    page.wait_for_selector("[data-testid=unit-row][data-unit=X9][data-status=busy]")
    assert found.get_attribute("data-count") == "128"


def test_units_are_found_by_the_words_of_the_page(desk: httpx.Client, page: Any, hand: Hand) -> None:
    """What the counters, the marks and the help call them; what nothing matches says what can be typed."""
    fleet(desk, ("X1", 0.01, ("k-9:explosive", "patrol")))
    incident_id = chosen(desk, page)
    assert desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U0"}).is_success
    assert desk.put("/v1/units/U1/status", json={"status": "out_of_service"}).is_success
    page.wait_for_selector("[data-testid=assigned-row]")
    hand.press("/")
    hand.type("units police free\n")
    for words, count in (("police free", 7), ("en route", 1), ("out", 1), ("dog", 1), ("u3 patrol", 1)):
        page.locator("[data-testid=unit-filter]").fill(words)
        page.wait_for_selector(f"[data-testid=units-found][data-count='{count}']")
    page.locator("[data-testid=unit-filter]").fill("helicopter")
    assert "free, en route" in page.locator("[data-testid=units-none]").inner_text()


def test_what_the_help_lists_is_for_whoever_looks(page: Any, hand: Hand) -> None:
    hand.command("help")
    rows = page.locator("[data-testid=commands] tbody tr")
    assert rows.count() >= 35
    assert page.locator("[data-testid=commands] tr[data-name=end] kbd").inner_text() == "x"
    shot(page, "help")


def test_why_a_marker_does_not_move_is_told(desk: httpx.Client, page: Any) -> None:
    said = {"id": "ghost-7", "lat": PLACE[1], "lon": PLACE[0]}
    assert desk.get("/v1/osmand", params=said).status_code == 404
    ahead = {"id": "U0", "lat": PLACE[1], "lon": PLACE[0], "timestamp": int(time.time()) + 3_660}
    for n in range(5):
        assert desk.get("/v1/osmand", params={**ahead, "speed": n}).is_success
    page.keyboard.press("q")
    page.get_by_test_id("trackers-button").click()
    page.locator("[data-testid=odd-device]", has_text="its clock is 61 min ahead").wait_for()
    page.locator("[data-testid=set-aside]", has_text="ghost-7: no unit has this id").wait_for()
    shot(page, "trackers")
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        shot(page, "phone-trackers")
    finally:
        page.set_viewport_size({"width": 1400, "height": 900})
    page.keyboard.press("Escape")
    page.get_by_test_id("trackers").wait_for(state="detached")
