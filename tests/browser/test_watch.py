"""What a desk is told without asking: what is overdue, what a shift hands over, and who else works on an incident."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.browser.chromium import shot
from tests.browser.desk import chosen, sent

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
    page.keyboard.press("y")
    page.locator("[data-testid=loud]").wait_for(state="detached")
    page.locator("[data-testid=seen-by]", has_text="seen to by desk at").wait_for()
    assert page.locator("[data-testid=loud-read]").inner_text() == spoken, "read out once"
    assert page.locator("[data-testid=overdue-count]").count() == 0
    assert sent(impatient, incident_id) == {"U0": "assigned"}
