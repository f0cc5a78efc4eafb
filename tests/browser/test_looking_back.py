"""What happened: the page as it was at a moment of the past, and the record of a finished incident, in a real Chromium
and the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.browser.chromium import shot
from tests.browser.desk import call, chosen, sent, standing
from tests.browser.serving import serve
from tests.running import GOTHENBURG, ROOT, eventually
from tests.server.test_backup import PLACE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BAR = "[data-testid=past-bar]"


def command(page: Any, words: str) -> None:
    page.keyboard.press("/")
    page.wait_for_selector("[data-testid=line-field]:focus")
    page.keyboard.type(words, delay=0)
    page.keyboard.press("Enter")


def robbed(desk: httpx.Client) -> str:
    """A robbery that a unit was sent to, and that is over."""
    body = {"lon": PLACE[0], "lat": PLACE[1], "priority": 2, "kind": "robbery", "note": "two men"}
    incident_id = str(desk.post("/v1/incidents", json=body).json()["incident_id"])
    assert desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U3"}).is_success
    assert desk.post(f"/v1/incidents/{incident_id}/notes", json={"text": "black hoodies"}).is_success
    assert desk.post(f"/v1/incidents/{incident_id}/close").is_success
    return incident_id


def test_a_finished_incident_is_found_read_and_shown_as_it_was_at_each_moment(desk: httpx.Client, page: Any) -> None:
    incident_id = robbed(desk)
    page.wait_for_selector("[data-testid=incident-row]", state="detached")
    command(page, "closed robbery hoodies")
    rows = page.locator(f"[data-testid=record][data-incident='{incident_id}'] [data-testid=moment]")
    rows.last.wait_for()
    said = rows.all_inner_texts()
    for words in ("Opened, P2, robbery", "U3 sent", "“black hoodies”", "Closed"):
        assert any(words in row for row in said), said
    page.locator("[data-testid=moment][data-what=noted] button").click()  # then it was open, and its unit on the way
    page.locator(f"{BAR}[data-at]").wait_for()
    page.locator(f"[data-testid=incident-row][data-incident='{incident_id}']", has_text="1 on the way").wait_for()
    page.wait_for_selector("[data-testid=count-moving][data-count='1']")
    page.keyboard.press(";")  # and its own page as it was
    page.locator("[data-testid=assigned-row][data-unit=U3]").wait_for()
    page.wait_for_selector("[data-testid=ranking-row]")
    page.keyboard.press(".")
    page.wait_for_selector(BAR, state="detached")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")
    page.wait_for_selector("[data-testid=count-moving][data-count='0']")


def test_a_finished_incident_is_played_from_its_opening_to_its_end(desk: httpx.Client, page: Any) -> None:
    incident_id = robbed(desk)
    command(page, "closed robbery")
    page.wait_for_selector("[data-testid=record] [data-testid=moment][data-what=closed]")
    command(page, "play 60")
    bar = page.locator(f"{BAR}[data-playing=true]")
    bar.wait_for()
    page.locator(f"[data-testid=incident-row][data-incident='{incident_id}']").wait_for()
    page.locator(f"{BAR}[data-playing=false]").wait_for()
    page.wait_for_selector("[data-testid=moment][data-what=closed].now")
    page.wait_for_selector("[data-testid=incident-row]", state="detached")


def test_nothing_is_sent_from_the_past_and_an_emergency_is_told_there(desk: httpx.Client, page: Any) -> None:
    incident_id = chosen(desk, page)
    command(page, "back 2 h")  # the log is younger
    page.locator("[data-testid=past-state]", has_text="The log begins here").wait_for()
    page.locator(f"{BAR}[data-at]").wait_for()
    page.wait_for_selector("[data-testid=incident-row]", state="detached")
    for keys, why in (
        ("b", "nothing can be done"),
        ("v", "only known of now"),
        ("Control+Enter", "nothing can be done"),
    ):
        page.keyboard.press(keys)
        page.locator("[data-testid=said]", has_text=why).wait_for()
    command(page, "send u1")
    page.locator("[data-testid=line-says][data-well=false]", has_text="This is the past").wait_for()
    assert sent(desk, incident_id) == {}
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    desk.post("/v1/emergencies", json={"unit_id": "U5", "emergency_id": "E-BACK"})
    page.locator("[data-testid=alarm][data-alarms=true]", has_text="U5").wait_for()
    page.wait_for_selector(BAR)
    page.keyboard.press("a")
    page.wait_for_selector(BAR, state="detached")
    page.locator("[data-testid=title]", has_text="U5").wait_for()
    eventually(
        lambda: next(row for row in standing(desk) if row["incident_id"] == "E-BACK")["emergency"]["acknowledged"],
        "the emergency is acknowledged",
    )


def test_a_slider_that_is_dragged_asks_one_question_at_a_time_and_ends_at_the_newest(
    desk: httpx.Client, page: Any
) -> None:
    chosen(desk, page)
    under_way: list[str] = []
    most: list[int] = []

    def began(request: Any) -> None:
        if "/v1/past?" in request.url:
            under_way.append(request.url)
            most.append(len(under_way))

    def ended(request: Any) -> None:
        if request.url in under_way:
            under_way.remove(request.url)

    page.on("request", began)
    page.on("requestfinished", ended)
    page.keyboard.press(",")
    page.wait_for_selector("[data-testid=past-seek]:focus")
    page.locator(f"{BAR}[data-at]").wait_for()
    asked = page.evaluate(
        """() => {
        const slider = document.querySelector('[data-testid=past-seek]');
        const [low, high] = [Number(slider.min), Number(slider.max)];
        for (let n = 0; n <= 60; n++) {
          slider.value = low + ((high - low) * n) / 60;
          slider.dispatchEvent(new Event('input', { bubbles: true }));
        }
        return Number(slider.value);
      }"""
    )
    page.wait_for_function(
        "(asked) => { const { at, asked: wish } = document.querySelector('[data-testid=past-bar]').dataset;"
        " return at === wish && Number(at) >= asked - 1000; }",
        arg=asked,
    )
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "(asked) => Number(document.querySelector('[data-testid=past-bar]').dataset.at) < asked - 5000 ||"
        " document.querySelector('[data-testid=past-state]').textContent.includes('begins')",
        arg=asked,
    )
    assert max(most) == 1
    assert len(most) < 30


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("replay") / "log"
    yield from serve(
        "replay",
        str(ROOT / "examples" / "tracks" / "simulated.csv"),
        "--map",
        str(GOTHENBURG),
        "--speed",
        "60",
        log=log,
    )


def test_replay_plays_pauses_seeks_and_ranks(replay: str, window: Callable[..., Any]) -> None:
    page = window(replay)
    assert page.locator("[data-testid=mode-banner]").inner_text() == "REPLAY"
    view = [float(edge) for edge in page.locator("[data-testid=map]").get_attribute("data-view").split(",")]
    west, south, east, north = httpx.get(f"{replay}/v1/replay").json()["extent"]
    assert view[0] <= west < east <= view[2]
    assert view[1] <= south < north <= view[3]
    assert (east - west > 0.5 * (view[2] - view[0])) or (north - south > 0.5 * (view[3] - view[1])), (
        "not the whole area"
    )
    page.wait_for_selector("[data-testid=replay-bar][data-playing]")
    seek = page.locator("[data-testid=replay-seek]")
    start, end = float(seek.get_attribute("min")), float(seek.get_attribute("max"))
    middle = start + (end - start) / 2

    def now() -> float:
        return float(page.locator("[data-testid=replay-bar]").get_attribute("data-now"))

    page.locator("[data-testid=replay-speed]").select_option("10")
    page.wait_for_selector("[data-testid=replay-bar][data-speed='10']")
    if page.locator("[data-testid=replay-bar]").get_attribute("data-playing") == "true":
        page.get_by_role("button", name="Pause").click()
    page.wait_for_selector("[data-testid=replay-bar][data-playing=false]")
    seek.evaluate(
        "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('change', { bubbles: true })) }", middle
    )
    page.wait_for_function(
        "at => Math.abs(Number(document.querySelector('[data-testid=replay-bar]').dataset.now) - at) < 20000",
        arg=middle,
    )
    page.wait_for_timeout(1500)
    stood = now()
    page.wait_for_timeout(1000)
    assert now() == stood

    page.get_by_role("button", name="Play").click()
    page.wait_for_selector("[data-testid=replay-bar][data-playing=true]")
    page.wait_for_function(
        "at => Number(document.querySelector('[data-testid=replay-bar]').dataset.now) > at", arg=stood + 5000
    )
    page.wait_for_function("Number(document.querySelector('[data-testid=unit-count]').dataset.count) > 0")

    call(page, (west + east) / 2, (south + north) / 2)
    page.wait_for_selector("[data-testid=ranking-row]")
    shot(page, "replay")
