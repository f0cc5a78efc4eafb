"""The officer's page on a phone: let in by a desk's code, seen at the desk, with and without a link."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.asking import at
from tests.browser.chromium import shot
from tests.browser.conftest import listen, shown
from tests.running import eventually
from tests.server.test_backup import PLACE

pytestmark = pytest.mark.browser
UNIT = "U3"
HERE = {"longitude": round(PLACE[0] + 0.016, 4), "latitude": PLACE[1], "accuracy": 5}
STEP = 0.0003
"""Degrees: farther than a receiver errs, nearer than a jump."""
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}


@pytest.fixture
def phone(browser: Any, desk: httpx.Client) -> Iterator[Any]:
    """A phone that has scanned its unit's code, and shares where it is."""
    context = browser.new_context(**PHONE, permissions=["geolocation"], geolocation=HERE)
    page, wrong = context.new_page(), []
    page.set_default_timeout(15_000)
    listen(page, wrong)
    page.goto(desk.post(f"/v1/units/{UNIT}/page_code").json()["url"])
    page.wait_for_selector(f"[data-testid=unit-page][data-unit={UNIT}]")
    page.wait_for_selector("[data-testid=link][data-state=live]")
    assert "code" not in page.url
    page.get_by_test_id("share").tap()
    page.wait_for_selector("[data-testid=sharing][data-state=on]")
    yield page
    context.close()
    desk.delete(f"/v1/units/{UNIT}/phones")
    assert wrong == []


def place(desk: httpx.Client) -> list[float]:
    found: list[float] = desk.get(f"/v1/units/{UNIT}").json()["geometry"]["coordinates"]
    return found


def hold(page: Any, for_ms: int) -> None:
    """A thumb on the button for so long."""
    page.get_by_test_id("hold").hover()
    page.mouse.down()
    page.wait_for_timeout(for_ms)
    page.mouse.up()


def emergencies(desk: httpx.Client) -> list[Any]:
    found: list[Any] = desk.get("/v1/emergencies").json()["emergencies"]
    return [row for row in found if row["for_unit_id"] == UNIT]


def test_an_officer_is_seen_accepts_and_is_shown_the_way(phone: Any, desk: httpx.Client) -> None:
    eventually(lambda: place(desk) == [HERE["longitude"], HERE["latitude"]], "the place")
    phone.wait_for_selector("[data-testid=map][data-drawn=true]")
    shot(phone, "unit-free")
    moved = {**HERE, "longitude": HERE["longitude"] + STEP}
    phone.context.set_geolocation(moved)
    eventually(lambda: place(desk) == [moved["longitude"], moved["latitude"]], "the next place", 5)

    body = {"lon": PLACE[0], "lat": PLACE[1], "priority": 2, "kind": "fight", "note": "two men, one with a knife"}
    one = desk.post("/v1/incidents", json=body).json()["incident_id"]
    for unit_id in (UNIT, "U0"):
        assert desk.post(f"/v1/incidents/{one}/assignments", json={"unit_id": unit_id}).is_success
    phone.get_by_test_id("accept").wait_for()
    phone.get_by_test_id("turn").wait_for()
    phone.get_by_text("two men, one with a knife").wait_for()
    phone.locator("[data-testid=others] li", has_text="U0").wait_for()
    shot(phone, "unit-sent")
    phone.get_by_test_id("accept").tap()

    def progress() -> str:
        rows = desk.get(f"/v1/incidents/{one}").json()["assignments"]
        return str(next(row["state"] for row in rows if row["unit_id"] == UNIT))

    eventually(lambda: progress() == "acknowledged", "acknowledged")
    phone.get_by_test_id("status-en_route").tap()
    eventually(lambda: progress() == "en_route", "en route")
    phone.wait_for_selector("[data-testid=status-en_route][aria-pressed=true]")

    phone.get_by_test_id("ask-backup").tap()
    phone.get_by_test_id("more").tap()
    shot(phone, "unit-backup")
    phone.get_by_test_id("immediate").tap()
    eventually(lambda: desk.get(f"/v1/incidents/{one}").json()["mode"] == "immediate", "backup")
    needs = desk.get(f"/v1/incidents/{one}").json()["requirement"]
    assert [need["count"] for need in needs] == [4]

    phone.set_viewport_size({"width": 844, "height": 390})
    phone.get_by_test_id("hold").wait_for()
    shot(phone, "unit-landscape")
    phone.set_viewport_size(PHONE["viewport"])
    phone.get_by_test_id("status-available").tap()
    assert progress() == "en_route"
    phone.get_by_test_id("status-available").tap()
    eventually(lambda: progress() == "cleared", "cleared")
    phone.get_by_test_id("no-incident").wait_for()


def test_a_held_button_alarms_the_desk(phone: Any, desk: httpx.Client) -> None:
    hold(phone, 300)
    phone.get_by_test_id("held-short").wait_for()
    assert emergencies(desk) == []
    hold(phone, 1_550)
    pressed_s = time.monotonic()
    (cry,) = eventually(lambda: emergencies(desk), "the alarm", 1)
    assert time.monotonic() - pressed_s < 1
    assert (cry["lon"], cry["lat"]) == (HERE["longitude"], HERE["latitude"])
    phone.wait_for_selector("[data-testid=heard][data-taken=false]")
    shot(phone, "unit-emergency")
    assert desk.post(f"/v1/emergencies/{cry['incident_id']}/acknowledge", json={"by": "Desk 1"}).is_success
    phone.wait_for_selector("[data-testid=heard][data-taken=true]")
    phone.get_by_text("Desk 1").wait_for()


def test_what_is_pressed_without_a_link_is_kept(phone: Any, desk: httpx.Client) -> None:
    phone.wait_for_selector("[data-testid=map][data-drawn=true]")
    eventually(lambda: place(desk) == [HERE["longitude"], HERE["latitude"]], "the place")
    phone.context.set_offline(True)
    ways = [HERE["longitude"] + STEP * n for n in (1, 2, 3)]
    for n, longitude in enumerate(ways, 1):
        phone.context.set_geolocation({**HERE, "longitude": longitude})
        phone.wait_for_selector(f"[data-waiting='{n}']")
    phone.get_by_test_id("status-busy").tap()
    phone.get_by_test_id("unsent").wait_for()
    hold(phone, 1_550)
    phone.get_by_text(re.compile("USE THE RADIO")).wait_for()
    phone.get_by_test_id("offline").wait_for(timeout=20_000)
    shot(phone, "unit-offline")
    assert emergencies(desk) == []
    phone.reload()  # the page itself was kept, and what waits in it
    phone.wait_for_selector("[data-testid=unheard]")
    phone.context.set_offline(False)
    eventually(lambda: emergencies(desk), "the emergency")
    eventually(lambda: place(desk)[0] == pytest.approx(ways[-1]), "the newest place")

    def told() -> bool:
        fixes = desk.get(f"/v1/units/{UNIT}/track?to={at(60)}".replace("+", "%2B")).json()["fixes"]
        return {round(lon, 6) for lon in ways} <= {round(fix[0], 6) for fix in fixes}

    eventually(told, "the way between")
    assert desk.get(f"/v1/units/{UNIT}").json()["properties"]["status"] == "busy"


def test_a_desk_shows_the_code_and_ends_the_phones(page: Any, desk: httpx.Client, browser: Any) -> None:
    page.keyboard.press("q")
    page.keyboard.type(UNIT.lower())
    page.keyboard.press("Enter")
    page.get_by_test_id("phone-button").click()
    page.get_by_test_id("qr").wait_for()
    shot(page, "unit-desk")
    address = page.get_by_test_id("phone-link").get_attribute("href")
    context = browser.new_context(**PHONE)
    phone = context.new_page()
    phone.goto(address)
    phone.wait_for_selector("[data-testid=link][data-state=live]")
    page.wait_for_selector("[data-testid=phones][data-count='1']")
    page.get_by_test_id("qr").wait_for(state="detached")
    shot(page, "unit-desk-in")
    page.keyboard.press("e")
    page.wait_for_selector("[data-testid=phones][data-count='0']")
    phone.get_by_test_id("over").wait_for()
    shot(phone, "unit-over")
    page.keyboard.press("Escape")
    shown(page)
    context.close()
