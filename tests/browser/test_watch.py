"""What a desk is told without asking: what is overdue, what a shift hands over, and who else works on an incident."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.asking import at
from tests.browser.chromium import shot
from tests.browser.conftest import PATROLS
from tests.browser.desk import chosen, projection, read, sent
from tests.running import eventually
from tests.server.test_backup import PLACE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AT_ONCE = {"acknowledge_p1_ms": 1_000, "unattended_p1_ms": 1_000, "loud_share": 0.0, "loud_least_ms": 0}
"""Of the rules of timers, as soon as they allow."""


@pytest.fixture
def impatient(desk: httpx.Client) -> Iterator[httpx.Client]:
    """A desk that misses people after a second."""
    before = desk.get("/v1/rules").json()["rules"]["timer"]
    assert desk.put("/v1/rules", json={"timer": AT_ONCE}).is_success
    yield desk
    back = {name: before[name] for name in AT_ONCE}
    assert desk.put("/v1/rules", json={"timer": back}).is_success


def test_what_is_overdue_is_loud_until_somebody_has_seen_to_it(impatient: httpx.Client, page: Any) -> None:
    incident_id = chosen(impatient, page, kind="robbery")
    impatient.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U0"})
    page.locator("[data-testid=loud]", has_text="and has not answered. #1 Robbery").wait_for()
    page.locator("[data-testid=overdue-count][data-count='1']").wait_for()
    page.locator("[data-testid=incident-row] [data-testid=late][data-level=loud]", has_text="U0 no answer").wait_for()
    shot(page, "overdue")
    page.keyboard.press("Escape")
    page.keyboard.press("z")
    page.locator("[data-testid=unit-card] [data-testid=late]").wait_for()
    spoken = page.locator("[data-testid=loud-read]").inner_text()
    assert spoken.startswith("NO ANSWER: U0 was sent")
    read(page)
    page.keyboard.press("y")
    page.locator("[data-testid=loud]").wait_for(state="detached")
    page.locator("[data-testid=seen-by]", has_text="seen to by desk at").wait_for()
    assert page.locator("[data-testid=loud-read]").inner_text() in ("", spoken), "read out once"
    assert page.locator("[data-testid=overdue-count]").count() == 0
    assert sent(impatient, incident_id) == {"U0": "assigned"}


def test_a_shift_is_handed_over_to_read_and_on_paper(desk: httpx.Client, page: Any) -> None:
    incident_id = chosen(desk, page, kind="robbery", note="two men")
    desk.post(f"/v1/incidents/{incident_id}/notes", json={"text": "they left by car", "note_id": "n1"})
    desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U0"})
    page.keyboard.press("/")
    page.keyboard.type("handover", delay=0)
    page.keyboard.press("Enter")
    block = page.locator("[data-testid=handed-incident]")
    for words in ("P1 Robbery", "U0: assigned", "to be there", "two men", "they left by car"):
        block.filter(has_text=words).wait_for()
    row = page.locator("[data-testid=handed-unit]", has_text="U0")
    assert "assigned" in row.inner_text()
    assert page.locator("[data-testid=handed-unit]").count() == len(PATROLS)
    shot(page, "handover")
    page.emulate_media(media="print")
    try:
        assert page.locator("[data-testid=map]").is_hidden()
        assert page.locator("[data-testid=print]").is_hidden()
        assert block.is_visible()
        assert page.locator(".page").evaluate("one => getComputedStyle(one).overflow") == "visible", (
            "as many sheets as it takes"
        )
        assert block.evaluate("one => getComputedStyle(one).color") == "rgb(0, 0, 0)"
    finally:
        page.emulate_media(media="screen")
    page.keyboard.press("Escape")
    page.locator("[data-testid=handover]").wait_for(state="detached")
    page.locator(f"[data-testid=incident-row][data-incident={incident_id}][aria-pressed=true]").wait_for()


MARKED = """([x, y]) => {
    const canvas = document.querySelector("canvas.marks"), box = canvas.getBoundingClientRect();
    const { data } = canvas.getContext("2d").getImageData(x - box.x - 40, y - box.y, 80, 50);
    return data.filter((red, n) => n % 4 === 0 && red === 230 && data[n + 1] === 159 && data[n + 2] === 0).length;
}"""
"""So many pixels beneath a pin have the colour of practice."""


def test_an_exercise_beside_real_work_is_marked_wherever_it_stands(impatient: httpx.Client, page: Any) -> None:
    real = chosen(impatient, page, kind="robbery", lat=PLACE[1] + 0.004)
    pin = projection(page)(*PLACE)
    assert page.evaluate(MARKED, list(pin)) == 0
    ended, practice = (chosen(impatient, page, kind=kind, exercise=True) for kind in ("drill", "fight"))
    assert impatient.post(f"/v1/incidents/{ended}/close").is_success
    page.locator(f"[data-testid=incident-row][data-incident={ended}]").wait_for(state="detached")
    assert page.locator("[data-testid=watermark]").is_hidden()
    eventually(lambda: page.evaluate(MARKED, list(projection(page)(*PLACE))) > 100, "the pin is marked")
    assert "EXERCISE" in page.locator("[data-testid=exercise]").inner_text()
    rows = page.locator("[data-testid=incident-row]")
    assert [row.get_attribute("data-incident") for row in rows.all()] == [real, practice]
    loud = page.locator("[data-testid=loud]")
    loud.nth(1).wait_for()
    eventually(lambda: ["EXERCISE" in line.inner_text() for line in loud.all()] == [False, True], "what is loud")

    def handed() -> bool:
        """It is of the moment when it was opened, and a timer may be raised a moment later."""
        page.locator("[data-testid=handover-button]").click()
        page.locator("[data-testid=handed-finished]", has_text="P1 EXERCISE Drill").wait_for()
        assert "P1 EXERCISE Fight" in page.locator("[data-testid=handed-incident]").nth(1).inner_text()
        there = page.locator("[data-testid=handed-overdue]", has_text="EXERCISE Nobody").count() > 0
        page.keyboard.press("Escape")
        page.locator("[data-testid=handed-finished]").first.wait_for(state="detached")
        return there

    eventually(handed, "what is overdue is handed over")
    page.keyboard.press("/")
    page.keyboard.type("closed drill", delay=0)
    page.wait_for_selector("[data-testid=line-option]")
    page.keyboard.press("Enter")
    page.locator("[data-testid=record] [data-testid=exercise]").wait_for()


def test_two_desks_see_which_incident_the_other_has_open(desk: httpx.Client, page: Any) -> None:
    incident_id = chosen(desk, page)
    with connect(f"{str(desk.base_url).replace('http', 'ws', 1).rstrip('/')}/v1/feed", proxy=None) as other:
        other.send(json.dumps({"type": "hello", "topics": ["incidents"]}))
        while (told := json.loads(other.recv(timeout=10)))["type"] != "present":
            pass
        assert told["incidents"] == {incident_id: [""]}
        other.send(json.dumps({"type": "open", "incident_id": incident_id}))
        page.locator("[data-testid=also-open-here]", has_text="also open at another desk").wait_for()
        page.locator("[data-testid=incident-row] [data-testid=also-open]").wait_for()
        shot(page, "two-desks")
    page.locator("[data-testid=also-open-here]").wait_for(state="detached")


def test_a_units_card_says_which_beat_it_is_in(desk: httpx.Client, page: Any) -> None:
    lon, lat = PLACE[0] + 0.0041, PLACE[1] + 0.0001
    ring = [[lon + x, lat + y] for x, y in ((-0.01, -0.01), (0.01, -0.01), (0.01, 0.01), (-0.01, 0.01), (-0.01, -0.01))]
    north = {"type": "Feature", "properties": {"beat_id": "North", "floor": 0}}
    north["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    assert desk.put("/v1/beats", json={"type": "FeatureCollection", "features": [north]}).is_success
    for n in (1, 2):
        row = {"unit_id": "U0", "fix_time": at(n), "lon": lon + n / 100_000, "lat": lat}
        assert desk.post("/v1/positions", json={"positions": [row]}).json()["accepted"] == 1
    page.keyboard.press("/")
    page.keyboard.type("u0", delay=0)
    page.keyboard.press("Enter")
    page.locator("[data-testid=unit-inside]", has_text="in beat North since").wait_for()


def test_what_is_loud_is_of_now_while_the_desk_looks_back(impatient: httpx.Client, page: Any) -> None:
    chosen(impatient, page, kind="robbery")
    loud = page.locator("[data-testid=loud]", has_text="Nobody has been on it for")
    loud.wait_for()
    page.keyboard.press(",")
    page.wait_for_selector("[data-testid=past-bar] input:focus")
    page.wait_for_selector(".page.back:not(.coming)")
    assert loud.is_visible()
    page.keyboard.press("Escape")  # out of the bar's slider
    read(page)
    page.keyboard.press("y")
    loud.wait_for(state="detached")
    page.locator("[data-testid=past-bar]").wait_for(state="detached")
