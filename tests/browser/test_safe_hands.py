"""What a key, a click or a lost link may do at the desk, and what not: in a real Chromium and the real server.

One server and one window for all tests of this file; each begins with nothing open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import time
from typing import Any

import httpx
import pytest

from tests.asking import at
from tests.browser.chromium import shot
from tests.browser.conftest import cleared, shown
from tests.browser.desk import chosen, incident, projection, sent, standing
from tests.running import eventually
from tests.server.test_backup import PLACE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BLIND = "two suspects 2 cars black hoodies\n"
"""As somebody types who looks at the caller, not at the page."""


def test_words_typed_at_nothing_do_nothing(desk: httpx.Client, page: Any) -> None:
    """No field has the focus: they send nobody, ask for nothing, lower nothing, and the desk is told so."""
    assert desk.post("/v1/emergencies", json={"unit_id": "U7", "emergency_id": "officer"}).status_code == 201
    incident_id = chosen(desk, page)
    assert desk.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate", "units": 3}).is_success
    page.wait_for_selector("[data-testid=recommended] li")
    before = {row["incident_id"]: row for row in standing(desk)}
    for text in (BLIND, "shots heard, send backup now\n", "subject 1 down 4 5\n", "thank you\n"):
        page.keyboard.type(text, delay=0)
        page.wait_for_selector("[data-testid=said] >> text=not into a field")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.locator(f"[data-testid=incident-row][data-incident={incident_id}]").click()
    for row in standing(desk):
        was = before[row["incident_id"]]
        for name in ("state", "mode", "priority", "requirement", "assignments", "note", "lon", "lat"):
            assert row[name] == was[name], name
    assert desk.get("/v1/closures").json()["closures"] == []


def test_a_key_moves_the_focus_and_enter_sends(desk: httpx.Client, page: Any) -> None:
    incident_id = chosen(desk, page, priority=2)
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
    incident_id = chosen(desk, page)
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
    assert [row["incident_id"] for row in standing(desk)] == [incident_id]
    assert page.locator("[data-testid=card]").count() == 0
    page.mouse.click(*ground, button="right")
    page.wait_for_selector("[data-testid=card-kind]:focus")
    lon, lat = map(float, page.locator("[data-testid=card]").get_attribute("data-place").split(","))
    assert abs(lon - PLACE[0] + 0.012) < 0.001
    assert abs(lat - PLACE[1] + 0.004) < 0.001
    page.keyboard.press("Escape")
    page.wait_for_selector("[data-testid=card]", state="detached")
    assert len(standing(desk)) == 1


LOSSES = {
    "a unit of a P1": "U0, assigned, leaves Robbery in progress · Storgatan (P1): nobody is left there.",
    "the hurry": "So far it is asked for at once.",
    "the priority": "could then be taken for a P1 call",
    "units under way": "U0 is on the way and would be turned back.",
    "a unit on its way to a P1": "U0 leaves",
    "an emergency": "U7 no longer counts as in danger",
}
"""What can be taken from somebody, and the words that name the loss."""


def test_whatever_takes_names_the_loss_and_asks(desk: httpx.Client, page: Any) -> None:
    """Esc leaves everything as it was, the focus stays in the question and goes back after it, and Enter does it."""
    for taken, words in LOSSES.items():
        cleared(desk)
        page.wait_for_selector("[data-testid=incident-row]", state="detached")
        incident_id = stand_for(taken, desk, page)
        asked = page.locator("[data-testid=consent], [data-testid=reason]")
        stood = plain(desk)
        begin(taken, page)
        asked.wait_for()
        assert words in page.locator("[data-testid=loss]").first.inner_text(), taken
        shot(page, f"asked {taken}")
        for _ in range(4):
            page.keyboard.press("Tab")
            assert page.evaluate("!!document.activeElement.closest('dialog')"), taken
        page.keyboard.press("Escape")
        asked.wait_for(state="detached")
        assert not page.evaluate("document.activeElement.closest('dialog')"), taken
        assert plain(desk) == stood, taken
        begin(taken, page)
        page.wait_for_selector("[data-testid=yes]:focus")
        page.keyboard.press("Enter")
        asked.wait_for(state="detached")
        eventually(partial(is_taken, taken, desk, incident_id), taken)


def plain(desk: httpx.Client) -> list[Any]:
    names = ("incident_id", "mode", "priority", "assignments", "state")
    return [{name: row[name] for name in names} for row in standing(desk)]


def stand_for(taken: str, desk: httpx.Client, page: Any) -> str:
    """What somebody could lose."""
    if taken == "an emergency":
        answer = desk.post("/v1/emergencies", json={"unit_id": "U7", "emergency_id": "officer"})
        incident_id = str(answer.json()["incident_id"])
        page.locator(f"[data-testid=incident-row][data-incident={incident_id}]").click()
        return incident_id
    other = chosen(desk, page, kind="robbery in progress", place="Storgatan") if taken == "a unit of a P1" else None
    incident_id = chosen(desk, page)
    assert desk.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate", "units": 2}).is_success
    assert desk.post(f"/v1/incidents/{other or incident_id}/assignments", json={"unit_id": "U0"}).is_success
    page.wait_for_selector("[data-testid=recommended] li")
    if other is None:
        page.wait_for_selector("[data-testid=assigned-row][data-unit=U0]")
    return incident_id


def begin(taken: str, page: Any) -> None:
    """The order that takes it."""
    if taken == "a unit of a P1":
        if not page.locator("[data-testid=take-button]").is_visible():
            page.locator("[data-testid=excluded] summary").click()
        page.locator("[data-testid=take-button]").click()
    elif taken == "the hurry":
        page.keyboard.press("d")
        page.keyboard.press("Enter")
    elif taken == "the priority":
        page.locator("[data-testid=priority]").select_option("4")
    elif taken == "units under way":
        page.keyboard.press("x")
    elif taken == "a unit on its way to a P1":
        page.locator("[data-testid=release-button]").click()
    else:
        if not page.locator("[data-testid=clear-who]").is_visible():
            page.locator("[data-testid=emergency-end] summary").click()
        page.locator("[data-testid=clear-who]").fill("Sgt Berg")
        page.locator("[data-testid=clear-reason]").fill("pressed by accident")
        page.locator("[data-testid=clear-button]").click()


def is_taken(taken: str, desk: httpx.Client, incident_id: str) -> bool:
    now, units = incident(desk, incident_id), sent(desk, incident_id)
    return {
        "a unit of a P1": units == {"U0": "assigned"},
        "the hurry": now["mode"] == "delayed",
        "the priority": now["priority"] == 4,
        "units under way": now["state"] == "closed",
        "a unit on its way to a P1": units == {"U0": "cancelled"},
        "an emergency": not (now["emergency"] or {}).get("stands", True),
    }[taken]


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
    assert standing(desk) == []


def test_who_is_sent_is_not_free_and_who_is_in_danger_never(desk: httpx.Client, page: Any) -> None:
    """Until a unit says something itself, what it was sent to do counts: in the numbers, the lists and its card."""

    def counts() -> dict[str, int]:
        rows = page.locator(".legend li").all()
        return {row.get_attribute("data-testid"): int(row.get_attribute("data-count")) for row in rows}

    assert counts()["count-free"] == 8
    incident_id = chosen(desk, page)
    for unit_id in ("U0", "U1"):
        assert desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id}).is_success
    eventually(lambda: counts()["count-moving"] == 2, "two on the way")
    assert counts()["count-free"] == 6
    page.mouse.click(*projection(page)(PLACE[0] + 0.004, PLACE[1]))
    assert "assigned" in page.locator("[data-testid=unit-card]").inner_text()
    shot(page, "not-free")
    assert desk.post("/v1/emergencies", json={"unit_id": "U7", "emergency_id": "officer"}).status_code == 201
    page.wait_for_selector("[data-testid=count-danger]")
    assert (counts()["count-danger"], counts()["count-free"]) == (1, 5)


def test_each_emergency_is_acknowledged_by_itself(desk: httpx.Client, page: Any) -> None:
    """A shows which one: the first. What is written goes on being written; a place that nobody knows is no pin."""
    chosen(desk, page)
    page.keyboard.press("i")
    for unit_id, emergency_id in (("U6", "first"), ("U7", "second"), ("GHOST", "nowhere")):
        answer = desk.post("/v1/emergencies", json={"unit_id": unit_id, "emergency_id": emergency_id})
        assert answer.status_code == 201
    alarms = page.locator("[data-testid=alarm][data-alarms=true]")
    alarms.nth(2).wait_for()
    page.keyboard.type("abba", delay=0)
    assert page.locator("[data-testid=note]").input_value() == "abba", "a letter in a field is a letter"
    assert alarms.count() == 3
    titles = [row.inner_text() for row in page.locator("[data-testid=incident-row]").all()]
    assert "U6: OFFICER IN DANGER" in titles[0]
    ghost = page.locator("[data-testid=incident-row][data-incident=nowhere]")
    assert "place unknown" in ghost.inner_text()
    shot(page, "emergencies")
    page.locator("[data-testid=alarm][data-incident=second] [data-testid=acknowledge-button]").click()
    page.wait_for_selector("[data-testid=alarm][data-incident=second][data-alarms=false]")
    page.keyboard.press("Escape")
    first = alarms.first.get_attribute("data-incident")
    page.evaluate(WATCH_ALERTS)
    page.keyboard.press("a")
    page.wait_for_selector(f"[data-testid=alarm][data-incident={first}][data-alarms=false]")
    assert page.evaluate("document.activeElement.matches('input, textarea')") is False
    assert alarms.count() == 1
    taken = incident(desk, first)["emergency"]["acknowledged"]
    assert [row["by"] for row in taken] == ["desk"]
    # the last one goes on sounding, and is read out once: its age runs beside it
    age = page.locator("[data-testid=alarm][data-alarms=true] .ago")
    stood = age.inner_text()
    eventually(lambda: age.inner_text() != stood, "a second")
    assert page.evaluate("window.alerts") == []


WATCH_ALERTS = """() => {
    window.alerts = [];
    const alerts = () => document.querySelectorAll("[data-testid=alarm][data-alarms=true] [role=alert]");
    const alert = [...alerts()].at(-1);
    const watch = new MutationObserver((rows) => window.alerts.push(...rows.map((row) => row.type)));
    watch.observe(alert, { childList: true, characterData: true, attributes: true, subtree: true });
}"""


def test_nobody_fits_is_not_the_end(desk: httpx.Client, page: Any) -> None:
    """Who is left out stands there, and why; each can be sent all the same, with a reason."""
    incident_id = chosen(desk, page)
    asked = {"mode": "immediate", "requirement": [{"capability": "SWAT"}]}
    assert desk.post(f"/v1/incidents/{incident_id}/backup", json=asked).is_success
    page.wait_for_selector("[data-testid=nobody]")
    row = page.locator("[data-testid=excluded-row][data-unit=U1]")
    row.wait_for()
    assert row.get_attribute("data-reason") == "WRONG_CAPABILITY"
    shot(page, "nobody")
    row.locator("[data-testid=anyway-button]").click()
    page.wait_for_selector("[data-testid=reason]")
    assert "U1 is left out: lacks what is asked for." in page.locator("[data-testid=loss]").inner_text()
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=assigned-row][data-unit=U1]")
    (assignment,) = incident(desk, incident_id)["assignments"]
    assert assignment["reason"] == "better for this task"


def test_what_stands_is_asked_for_again(desk: httpx.Client, page: Any) -> None:
    """The run card in force stays in the form, whoever asked by it; who is on the way counts."""
    incident_id = chosen(desk, page)
    assert desk.post(f"/v1/incidents/{incident_id}/backup", json={"run_card": "domestic"}).is_success
    page.wait_for_selector("[data-testid=recommended] li")
    assert page.locator("[data-testid=asked-card]").input_value() == "domestic"
    assert desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U0"}).is_success
    page.wait_for_selector("[data-testid=assigned-row][data-unit=U0]")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=said] >> text=1 of 2 is on the way or there; 1 more is asked for.")
    stands = incident(desk, incident_id)
    assert stands["run_card"] == "domestic"
    assert [(need["count"], need["capability"]) for need in stands["requirement"]] == [(2, "patrol")]
    # what a program named is not made into so many of anybody
    named = [{"capability": "patrol", "count": 3}]
    by = {"mode": "immediate", "requirement": named}
    assert desk.post(f"/v1/incidents/{incident_id}/backup", json=by).is_success
    eventually(lambda: page.locator("[data-testid=asked-card]").input_value() == "=", "as it was asked for")
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=said] >> text=1 of 3 is on the way or there; 2 more are asked for.")
    assert incident(desk, incident_id)["requirement"][0]["count"] == 3


def test_the_recommended_stand_by_their_times(desk: httpx.Client, page: Any) -> None:
    """Soonest first, with the newest time; who was sent elsewhere meanwhile is not among them any more."""
    other = chosen(desk, page, priority=4)
    incident_id = chosen(desk, page)
    assert desk.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "delayed", "units": 4}).is_success
    page.locator("[data-testid=recommended] li").nth(3).wait_for()

    def times() -> list[float]:
        rows = page.locator("[data-testid=recommended] li").all()
        return [float(row.get_attribute("data-eta")) for row in rows if row.get_attribute("data-eta")]

    assert times() == sorted(times())
    gone = page.locator("[data-testid=recommended] li").first.get_attribute("data-unit")
    assert desk.post(f"/v1/incidents/{other}/assignments", json={"unit_id": gone}).is_success
    page.wait_for_selector(f"[data-testid=assigned-row][data-unit={gone}]", state="detached")

    def without() -> bool:
        row = page.locator(f"[data-testid=recommended] li[data-unit={gone}]:not(.gone)")
        return not row.count()

    eventually(without, "a set without who was sent elsewhere")
    eventually(lambda: (now := times()[:3]) == sorted(now), "the set in the order of its times")


def test_a_lost_link_pretends_nothing(desk: httpx.Client, opened: Callable[..., Any]) -> None:
    """After 3 s without a word sending is off and says so; it comes back with the first word."""
    forward, links = True, list[Any]()

    def proxy(link: Any) -> None:
        links.append(link)
        server = link.connect_to_server()
        server.on_message(lambda message: link.send(message) if forward else None)

    page = shown(opened(str(desk.base_url), lambda page: page.route_web_socket("**/v1/feed", proxy)))
    incident_id = chosen(desk, page)
    forward = False
    page.wait_for_selector("[data-testid=connection][data-state=quiet]", timeout=6_000)
    dot = "getComputedStyle(document.querySelector('.link'), '::before').backgroundColor"
    assert page.evaluate(dot) == "rgba(0, 0, 0, 0)", "nothing is green while there is no word"
    assert "sending is off" in page.locator("[data-testid=link-lost]").inner_text()
    assert page.locator("[data-testid=send-button]").first.is_disabled()
    shot(page, "quiet")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=error]")
    assert "Nothing is sent while the link is lost" in page.locator("[data-testid=error]").inner_text()
    assert sent(desk, incident_id) == {}
    forward = True
    page.wait_for_selector("[data-testid=connection][data-state=live]")
    assert page.locator("[data-testid=send-button]").first.is_enabled()
    links[-1].send(json.dumps({"type": "health", "conditions": [], "elsewhere": ["https://cad-2.example.org:8000"]}))
    page.route_web_socket("**/v1/feed", lambda link: link.close())
    links[-1].close()
    there = page.locator("[data-testid=link-lost] a")
    assert there.inner_text() == "cad-2.example.org:8000"
    assert there.get_attribute("href") == "https://cad-2.example.org:8000"
    shot(page, "elsewhere")


def test_an_order_without_an_answer_is_looked_up(desk: httpx.Client, page: Any) -> None:
    """It may have gone through: the page says so, asks when the server answers again, and says what is true."""
    incident_id = chosen(desk, page, priority=2)
    answers = False
    reached = True

    def lose(route: Any) -> None:
        if reached:
            route.fetch()
        route.abort()

    page.route("**/assignments", lose)
    page.route(f"**/v1/incidents/{incident_id}", lambda route: route.continue_() if answers else route.abort())
    try:
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.wait_for_selector("[data-testid=error] >> text=It may have been done all the same")
        answers = True
        page.wait_for_selector("[data-testid=said] >> text=It was done after all.")
        assert len(sent(desk, incident_id)) == 1
        answers, reached = False, False
        page.locator("[data-testid=send-button]").first.click()
        page.wait_for_selector("[data-testid=error] >> text=It may have been done all the same")
        answers = True
        page.wait_for_selector("[data-testid=error] >> text=NOT done")
        assert len(sent(desk, incident_id)) == 1
    finally:
        page.unroute_all()


def test_closing_is_taken_back(desk: httpx.Client, page: Any) -> None:
    """Open again, and whoever was released is on the way again."""
    incident_id = chosen(desk, page, kind="fight")
    for unit_id in ("U0", "U1"):
        assert desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id}).is_success
    assert desk.patch(f"/v1/incidents/{incident_id}/assignments/U1", json={"state": "on_scene"}).is_success
    page.wait_for_selector("[data-testid=assigned-row][data-state=on_scene]")
    page.keyboard.press("x")
    page.wait_for_selector("[data-testid=yes]:focus")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")
    assert incident(desk, incident_id)["state"] == "closed"
    page.wait_for_selector("[data-testid=undo]")  # the feed may be before the answer
    page.keyboard.press("Control+z")
    page.wait_for_selector("[data-testid=assigned-row][data-unit=U1][data-state=on_scene]")
    assert sent(desk, incident_id) == {"U0": "assigned", "U1": "on_scene"}


def test_words_typed_at_a_question_answer_nothing(desk: httpx.Client, page: Any) -> None:
    """Neither a space nor the Return at their end; Enter alone does, and that is taken back wherever the focus is."""
    incident_id = chosen(desk, page, kind="fight")
    asked = page.locator("[data-testid=consent]")
    for begun in ("close", "lower"):
        if begun == "close":
            page.keyboard.press("x")
        else:
            page.locator("[data-testid=priority]").select_option("4")
        page.wait_for_selector("[data-testid=yes]:focus")
        page.keyboard.press("Space")
        page.keyboard.type("two men\n", delay=0)
        page.wait_for_selector("[data-testid=typed-at-question]")
        assert asked.is_visible()
        page.keyboard.press("Escape")
        asked.wait_for(state="detached")
    now = incident(desk, incident_id)
    assert (now["state"], now["priority"]) == ("open", 1)
    page.keyboard.press("x")
    page.wait_for_selector("[data-testid=yes]:focus")
    page.keyboard.press("/")
    page.keyboard.type("note two cars")
    assert page.locator("[data-testid=line-field]").input_value() == "note two cars"
    assert asked.count() == 0
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.wait_for_selector("[data-testid=yes]:focus")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=undo]")
    page.keyboard.type("two men", delay=0)
    page.wait_for_selector("[data-testid=said] >> text=not into a field")
    assert page.locator("[data-testid=undo]").is_visible()
    page.keyboard.press("/")
    page.keyboard.press("Control+z")
    page.wait_for_selector("[data-testid=said] >> text=The incident is open again.")
    assert incident(desk, incident_id)["state"] == "open"


def test_a_plan_for_another_day_says_so_before_it_begins(desk: httpx.Client, page: Any) -> None:
    posts = [{"post_id": "gate", "lon": PLACE[0], "lat": PLACE[1], "needs": [{"capability": "patrol", "count": 1}]}]
    times = {"arrive_by": at(20 * 3600), "ends": at(24 * 3600)}
    plan = {"plan_id": "far", "name": "Fair", "kind": "presence", **times, "posts": posts}
    assert desk.post("/v1/plans", json=plan).status_code == 201
    assert desk.post("/v1/plans/far/approve", json={"by": "Sgt Berg"}).is_success
    page.keyboard.press("p")
    page.locator("[data-testid=plan-row][data-state=approved] [data-testid=plan-begin]").click()
    page.locator("[data-testid=consent]", has_text="in 20 h").wait_for()
    page.keyboard.press("Escape")
    assert desk.get("/v1/plans/far").json()["state"] == "approved"
    assert desk.post("/v1/plans/far/cancel", json={}).is_success


def test_ctrl_enter_in_a_form_is_for_that_form(desk: httpx.Client, page: Any) -> None:
    """It makes the plan or does nothing: nobody is sent to the incident behind it."""
    incident_id = chosen(desk, page)
    assert desk.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate", "units": 3}).is_success
    page.wait_for_selector("[data-testid=recommended] li")
    page.wait_for_timeout(650)  # long enough to have been read
    said = page.locator("[data-testid=said]", has_text="Ctrl+Enter does nothing here.")
    page.locator("[data-testid=desk-is]").click()
    page.keyboard.press("Control+Enter")
    said.wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("handover", delay=0)
    page.keyboard.press("Enter")
    page.locator("[data-testid=handover] select").focus()
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    name = page.locator("[data-testid=plans] input[type=text]").first
    name.fill("March")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=error] >> text=Click the map where units are to wait.")
    page.mouse.click(*projection(page)(PLACE[0] - 0.006, PLACE[1]))
    what = page.get_by_label("What at post 1")
    assert what.bounding_box()["width"] > 60, "there is room to read what is needed"
    by = page.locator("[data-testid=plan-by]").bounding_box()
    panel = page.locator("[data-testid=plans]").bounding_box()
    assert by["x"] + by["width"] <= panel["x"] + panel["width"]
    page.locator("[data-testid=plan-by]").fill("2031-01-01T12:00")
    name.press("Control+Enter")
    page.wait_for_selector("[data-testid=error] >> text=more than a year ahead")
    page.locator("[data-testid=plan-by]").fill(datetime.fromtimestamp(time() + 86400, UTC).strftime("%Y-%m-%dT12:00"))
    name.press("Control+Enter")
    page.wait_for_selector("[data-testid=plan-row][data-state=draft]")
    (plan,) = (row for row in desk.get("/v1/plans").json()["plans"] if row["name"] == "March")
    assert desk.post(f"/v1/plans/{plan['plan_id']}/cancel", json={}).is_success
    assert sent(desk, incident_id) == {}


def test_the_plans_are_seen_on_a_phone_whatever_else_is_open(desk: httpx.Client, page: Any) -> None:
    chosen(desk, page)
    page.keyboard.press("n")
    page.wait_for_selector("[data-testid=card]")
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        page.get_by_role("button", name="Plans", exact=True).click()
        name = page.locator("[data-testid=plans] input[type=text]").first
        eventually(lambda: name.bounding_box()["y"] < 800, "the form in the sheet")
        shot(page, "phone-plans")
    finally:
        page.set_viewport_size({"width": 1400, "height": 900})


def test_a_phone_closes_streets(desk: httpx.Client, page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    try:
        page.get_by_role("button", name="Close streets").click()
        page.get_by_role("button", name="Pick here").click()
        page.wait_for_selector("[data-testid=picked-streets]")
        hint, crosshair = (page.locator(name).bounding_box() for name in (".tool-hint", ".crosshair"))
        assert hint["y"] + hint["height"] <= crosshair["y"], "the form covers the place that is aimed at"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        shot(page, "phone-streets")
        page.locator("[data-testid=finish-closure]").click()
        page.wait_for_selector("[data-testid=closure-row]")
        page.locator("[data-testid=lift-button]").click()
        page.wait_for_selector("[data-testid=closure-row]", state="detached")
    finally:
        page.set_viewport_size({"width": 1400, "height": 900})


def test_a_large_closure_asks_and_is_taken_back(desk: httpx.Client, page: Any) -> None:
    pixel = projection(page)
    page.keyboard.press("c")
    for lon in (PLACE[0] - 0.012, PLACE[0] + 0.012):
        page.mouse.click(*pixel(lon, PLACE[1] - 0.002))
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=yes]:focus")
    assert re.search(r"^\d+ road pieces over 1\.\d km: ", page.locator("[data-testid=loss]").inner_text())
    shot(page, "much-is-closed")
    assert desk.get("/v1/closures").json()["closures"] == []
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=closure-row]")
    page.wait_for_selector("[data-testid=undo]")
    page.keyboard.press("Control+z")
    page.wait_for_selector("[data-testid=closure-row]", state="detached")
    assert desk.get("/v1/closures").json()["closures"] == []
    page.wait_for_selector("[data-testid=said] >> text=Closure lifted.")
    page.keyboard.press("Control+z")
    page.wait_for_selector("[data-testid=said] >> text=Nothing can be taken back any more")


def test_nobody_is_sent_by_a_slip_once_an_emergency_is_over(desk: httpx.Client, page: Any) -> None:
    assert desk.post("/v1/emergencies", json={"unit_id": "U7", "emergency_id": "slip"}).status_code == 201
    page.wait_for_selector("[data-testid=recommended] li")
    end = {"by": "supervisor", "who": "Sgt Berg", "reason": "a slip"}
    assert desk.post("/v1/emergencies/slip/clear", json=end).is_success
    page.wait_for_selector("[data-testid=emergency-over]")
    assert "all the same" in page.locator("[data-testid=send-set]").inner_text()
    page.wait_for_timeout(650)  # long enough to have been read
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=said] >> text=The emergency is over")
    assert sent(desk, "slip") == {}


def test_a_double_click_sends_once_and_blames_nobody(desk: httpx.Client, page: Any) -> None:
    incident_id = chosen(desk, page)
    page.locator("[data-testid=send-button]").first.dblclick()
    page.wait_for_selector("[data-testid=assigned-row]")
    page.wait_for_selector("[data-testid=undo]")
    assert page.locator("[data-testid=error]").count() == 0
    assert len(sent(desk, incident_id)) == 1


def test_an_alarm_is_acknowledged_while_one_types(desk: httpx.Client, page: Any) -> None:
    incident_id = chosen(desk, page)
    page.keyboard.press("i")
    page.keyboard.type("two men")
    assert desk.post("/v1/emergencies", json={"unit_id": "U7", "emergency_id": "officer"}).status_code == 201
    alarm = page.locator("[data-testid=alarm]")
    alarm.wait_for()
    assert "Ctrl ." in alarm.inner_text()
    page.keyboard.press("Control+.")
    page.wait_for_selector("[data-testid=alarm][data-alarms=false]")
    page.keyboard.type(" left")
    assert page.locator("[data-testid=note]:focus").input_value() == "two men left"
    page.locator(f"[data-testid=incident-row][data-incident={incident_id}][aria-pressed=true]").wait_for()


def test_a_plan_whose_time_is_over_says_so_before_it_is_approved(desk: httpx.Client, page: Any) -> None:
    posts = [{"post_id": "gate", "lon": PLACE[0], "lat": PLACE[1], "needs": [{"capability": "patrol", "count": 1}]}]
    plan = {"plan_id": "late", "name": "Raid", "kind": "presence", "arrive_by": at(1), "ends": at(3600), "posts": posts}
    assert desk.post("/v1/plans", json=plan).status_code == 201
    page.keyboard.press("p")
    row = page.locator("[data-testid=plan-row][data-state=draft]", has_text="Raid")
    row.wait_for()
    page.wait_for_timeout(1000)
    row.locator("[data-testid=plan-approve]").click()
    page.locator("[data-testid=loss]", has_text="which is over").wait_for()
    page.keyboard.press("Escape")
    assert desk.get("/v1/plans/late").json()["state"] == "draft"
    assert desk.post("/v1/plans/late/cancel", json={}).is_success
