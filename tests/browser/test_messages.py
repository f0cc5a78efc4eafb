"""Messages from the desk to units, in a real Chromium: written, seen, and not forgotten where they are urgent."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.browser.chromium import shot
from tests.browser.conftest import PATROLS
from tests.browser.desk import chosen
from tests.running import eventually

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def standing(desk: httpx.Client, text: str) -> dict[str, Any]:
    """The message with this text, once it is sent."""
    return eventually(
        lambda: next((row for row in desk.get("/v1/messages").json()["messages"] if row["text"] == text), None), text
    )


def says(desk: httpx.Client, message: dict[str, Any], unit_id: str, state: str = "acknowledged") -> None:
    body = {"unit_id": unit_id, "state": state}
    assert desk.post(f"/v1/messages/{message['message_id']}/acknowledge", json=body).is_success


def test_a_message_is_written_in_the_card_of_a_unit_and_stands_until_it_is_acknowledged(
    desk: httpx.Client, page: Any
) -> None:
    page.keyboard.press("/")
    page.keyboard.type(f"show {PATROLS[0]}")
    page.keyboard.press("Enter")
    card = page.locator("[data-testid=unit-card]")
    card.locator("[data-testid=message-open]").click()
    page.keyboard.type("Use the gate in the north")
    page.keyboard.press("Enter")
    message = standing(desk, "Use the gate in the north")
    assert (message["to"], message["urgent"]) == ("units", False)
    row = page.locator(f"[data-testid=unheard-row][data-message={message['message_id']}]")
    row.get_by_text("has no phone: call by radio").wait_for()
    code = desk.post(f"/v1/units/{PATROLS[0]}/page_code").json()["code"]
    with httpx.Client(base_url=desk.base_url, trust_env=False) as phone:
        assert phone.post("/v1/session/unit", json={"code": code}).status_code == 201
    row.get_by_text("not shown yet").wait_for()
    says(desk, message, PATROLS[0], "shown")
    row.get_by_text("no answer").wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    card.locator("[data-testid=message-open]").click()
    field = card.locator("[data-testid=message-text]")
    for width in (800, 1400, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert field.bounding_box()["width"] >= 250, width
    shot(page, "message-390")
    page.set_viewport_size({"width": 1400, "height": 900})
    says(desk, message, PATROLS[0])
    row.wait_for(state="detached")
    card.get_by_text("acknowledged").wait_for()


def test_an_urgent_message_to_an_incident_is_loud_until_the_crew_was_heard(desk: httpx.Client, page: Any) -> None:
    assert desk.put("/v1/rules", json={"timer": {"message_ms": 1_000}}).is_success
    incident_id = chosen(desk, page, kind="fire")
    for unit_id in PATROLS[:2]:
        assert desk.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id}).is_success
    page.wait_for_selector(f"[data-testid=assigned-row][data-unit={PATROLS[1]}]")
    view = page.locator("[data-form=incident]")
    view.locator("[data-testid=message-open]").click()
    page.keyboard.type("Leave the house")
    page.keyboard.press("Control+Enter")
    message = standing(desk, "Leave the house")
    assert (message["to"], message["urgent"], len(message["recipients"])) == ("incident", True, 2)
    loud = page.locator("[data-testid=loud]")
    loud.get_by_text("Leave the house").wait_for()
    shot(page, "message-urgent")
    says(desk, message, PATROLS[0])
    row = page.locator(f"[data-testid=unheard-row][data-message={message['message_id']}]")
    row.locator("[data-testid=heard-button]").and_(page.locator(f"[title^={PATROLS[1]}]")).click()
    row.wait_for(state="detached")
    loud.get_by_text("Leave the house").wait_for(state="detached")
    page.locator("[data-testid=record-button]").click()
    page.get_by_text("Urgent message to").wait_for()
    shot(page, "message-record")
    assert desk.put("/v1/rules", json={"timer": {}}).is_success
