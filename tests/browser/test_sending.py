"""Who is sent: by their place, with a reason or without, later or at once, in another's stead, and at what price."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.browser.chromium import shot
from tests.browser.conftest import PATROLS, cleared
from tests.browser.desk import declare, patrols, sends
from tests.server.test_backup import PLACE, fleet, incident

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def quiet(served: httpx.Client) -> httpx.Client:
    """A desk whose units stand where a test puts them."""
    cleared(served)
    for unit_id in PATROLS:
        assert served.delete(f"/v1/units/{unit_id}").is_success
    return served


def on_its_way(page: Any, unit_id: str) -> None:
    page.wait_for_selector(f"[data-testid=assigned-row][data-unit={unit_id}]")
    page.wait_for_selector(f"[data-testid=ranking-row][data-unit={unit_id}]", state="detached")
    page.wait_for_timeout(700)  # a key sends nobody whose place has just changed hands


def reasons(quiet: httpx.Client, incident_id: str) -> dict[str, str]:
    standing = quiet.get(f"/v1/incidents/{incident_id}").json()["assignments"]
    return {row["unit_id"]: row["reason"] for row in standing}


def test_who_is_not_recommended_is_sent_with_a_reason_or_none(quiet: httpx.Client, window: Callable[..., Any]) -> None:
    patrols(quiet, 8)
    page = window(str(quiet.base_url))
    incident_id = incident(quiet)
    page.locator("[data-testid=ranking-row]").nth(7).wait_for()
    assert quiet.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate", "units": 4}).status_code == 201
    page.wait_for_selector("[data-testid=recommended] [data-unit=U1]")
    dialog = page.locator("[data-testid=reason]")
    page.keyboard.press("8")
    page.keyboard.press("Enter")
    dialog.wait_for()
    shot(page, "reason")
    page.set_viewport_size({"width": 390, "height": 844})
    shot(page, "phone-reason")
    page.set_viewport_size({"width": 1400, "height": 900})
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    assert reasons(quiet, incident_id) == {}, "Escape sends nobody"

    def last() -> str:
        """The last of the ranking, whom the key of its place sends."""
        rows = page.locator("[data-testid=ranking-row]")
        unit_id = rows.last.get_attribute("data-unit")
        page.keyboard.press(str(rows.count()))
        page.keyboard.press("Enter")
        dialog.wait_for()
        return str(unit_id)

    coded = last()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    on_its_way(page, coded)
    typed = last()
    page.keyboard.press("5")
    page.keyboard.type("knows 2 of them")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=yes]:focus")
    page.keyboard.press("Enter")
    on_its_way(page, typed)
    silent = last()
    page.keyboard.press("Enter")
    on_its_way(page, silent)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    on_its_way(page, "U0")
    assert reasons(quiet, incident_id) == {coded: "crew asked for it", typed: "knows 2 of them", silent: "", "U0": ""}
    assert dialog.count() == 0, "whoever is recommended goes without a reason"


def test_an_emergency_asks_for_no_reason(quiet: httpx.Client, window: Callable[..., Any]) -> None:
    patrols(quiet, 8)
    page = window(str(quiet.base_url))
    declare(str(quiet.base_url), "U0", "officer")
    page.wait_for_selector("[data-testid=recommended] li")
    page.wait_for_selector("[data-testid=ranking-row][data-unit=U7]")
    recommended = {row.get_attribute("data-unit") for row in page.locator("[data-testid=recommended] li").all()}
    assert "U7" not in recommended
    page.keyboard.press("7")
    page.keyboard.press("Enter")
    on_its_way(page, "U7")
    assert page.locator("[data-testid=reason]").count() == 0


def test_planned_backup_is_there_by_its_time(quiet: httpx.Client, window: Callable[..., Any]) -> None:
    patrols(quiet, 3)
    page = window(str(quiet.base_url))
    incident_id = incident(quiet, priority=3)
    page.wait_for_selector("[data-testid=ranking-row]")
    page.locator("[data-testid=planned-minutes]").fill("90")
    page.locator("[data-testid=planned-minutes]").blur()
    page.keyboard.press("l")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=recommended] li")
    assert "planned, there by" in page.locator("[data-testid=backup-mode]").inner_text()
    asked = quiet.get(f"/v1/incidents/{incident_id}").json()
    assert asked["mode"] == "strategic"
    ahead_s = datetime.fromisoformat(asked["arrive_by"]).timestamp() - time.time()
    assert 85 * 60 < ahead_s < 91 * 60
    leaves = page.locator("[data-testid=recommended] [data-testid=leaves]").first
    leaves.wait_for()
    shown = re.search(r"leaves by (\d\d):(\d\d)", leaves.inner_text())
    assert shown is not None
    by = datetime.fromisoformat(asked["arrive_by"]).astimezone(ZoneInfo("Europe/Stockholm"))
    early_min = (by.hour * 60 + by.minute - int(shown[1]) * 60 - int(shown[2])) % 1440
    assert 0 <= early_min <= 10, "a drive of minutes before it has to be there"
    shot(page, "planned")


def test_delayed_backup_becomes_urgent_by_its_key_and_may_take_a_unit(
    quiet: httpx.Client, window: Callable[..., Any]
) -> None:
    """Who is on the way stays so, as many are asked for, and who is busy with less is taken from it."""
    patrols(quiet, 4)
    less = incident(quiet, priority=4)
    assert quiet.post(f"/v1/incidents/{less}/assignments", json={"unit_id": "U0"}).status_code == 201
    incident_id = incident(quiet)
    page = window(str(quiet.base_url))
    page.locator(f"[data-incident={incident_id}]").click()
    page.locator("[data-testid=units-asked]").fill("3")
    page.locator("[data-testid=units-asked]").blur()
    page.keyboard.press("d")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-testid=recommended] [data-unit=U1]")
    assert page.locator("[data-testid=taken]").count() == 0, "delayed backup robs nobody"
    quiet.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "U1"})
    on_its_way(page, "U1")

    page.keyboard.press("b")
    page.keyboard.press("Enter")
    taken = page.locator("[data-testid=recommended] [data-unit=U0] [data-testid=taken]")
    taken.wait_for()
    assert taken.inner_text() == f"taken from {quiet.get(f'/v1/incidents/{less}').json()['place']}"
    standing = quiet.get(f"/v1/incidents/{incident_id}").json()
    assert standing["mode"] == "immediate"
    assert [need["count"] for need in standing["requirement"]] == [3]
    on_its_way(page, "U1")
    shot(page, "taken")
    sends(page, "[data-testid=consent]")
    assert "U0" in page.locator("[data-testid=loss]").inner_text()
    assert "(P4)" in page.locator("[data-testid=loss]").inner_text()
    shot(page, "taking")
    page.keyboard.press("Enter")
    on_its_way(page, "U0")
    assert "U1" in reasons(quiet, incident_id)


def test_a_swap_is_offered_and_taken_by_its_key(quiet: httpx.Client, window: Callable[..., Any]) -> None:
    """A unit comes far nearer than the one on its way: the desk is told, and its key and Enter send it in its place."""
    assert quiet.put("/v1/rules", json={"backup": {"again_p1_ms": 300}, "swap": {"cool_down_ms": 0}}).is_success
    fleet(quiet, ("FAR", 0.03, ("SWAT",)), ("MEDIC", 0.006, ("ALS",)))
    incident_id = incident(quiet)
    asked = {"mode": "immediate", "requirement": [{"capability": "SWAT"}]}
    assert quiet.post(f"/v1/incidents/{incident_id}/backup", json=asked).is_success
    page = window(str(quiet.base_url))
    page.locator(f"[data-incident={incident_id}]").click()
    page.wait_for_selector("[data-testid=recommended] [data-unit=FAR]")
    quiet.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "FAR"})
    on_its_way(page, "FAR")
    fleet(quiet, ("NEAR", 0.004, ("SWAT",)))
    offer = page.locator("[data-testid=swap]")
    offer.wait_for()
    assert "NEAR would be there" in offer.inner_text()
    assert "sooner than FAR" in offer.inner_text()
    shot(page, "swap")
    page.keyboard.press("o")
    page.keyboard.press("Enter")
    on_its_way(page, "NEAR")
    standing = quiet.get(f"/v1/incidents/{incident_id}").json()["assignments"]
    assert {row["unit_id"]: row["state"] for row in standing}["FAR"] == "cancelled"
    assert reasons(quiet, incident_id)["NEAR"] == "swap offered"
    offer.wait_for(state="detached")


def test_who_is_to_wait_at_staging_says_so(quiet: httpx.Client, window: Callable[..., Any]) -> None:
    fleet(quiet, *[(f"CAR{n}", 0.01, ("patrol",)) for n in range(4)], ("MEDIC", 0.006, ("ALS",)))
    incident_id = incident(quiet, kind="barricade")
    assert quiet.post(f"/v1/incidents/{incident_id}/backup", json={"run_card": "barricade"}).is_success
    page = window(str(quiet.base_url))
    page.locator(f"[data-incident={incident_id}]").click()
    page.wait_for_selector("[data-testid=recommended] [data-unit=MEDIC] [data-testid=staged]")
    assert page.locator("[data-testid=staged]").count() == 1
    shot(page, "staged")


def test_a_candidate_has_its_price(quiet: httpx.Client, window: Callable[..., Any]) -> None:
    """The only unit of a beat says so in its row of the ranking."""
    patrols(quiet, 3)
    lon, lat = PLACE[0] + 0.010, PLACE[1]
    d = 0.001
    ring = [[lon - d, lat - d], [lon + d, lat - d], [lon + d, lat + d], [lon - d, lat + d], [lon - d, lat - d]]
    beat = {
        "type": "Feature",
        "properties": {"beat_id": "4"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    assert quiet.put("/v1/beats", json={"type": "FeatureCollection", "features": [beat]}).is_success
    incident(quiet)
    page = window(str(quiet.base_url))
    price = page.locator("[data-testid=ranking-row][data-unit=U2] [data-testid=price]")
    price.wait_for()
    assert price.inner_text() == "last unit of beat 4 for about 22 min"
    shot(page, "price")


def test_the_whole_map_is_marked_only_while_nothing_is_real(quiet: httpx.Client, window: Callable[..., Any]) -> None:
    patrols(quiet, 4)
    practice = incident(quiet, exercise=True)
    page = window(str(quiet.base_url))
    mark = page.locator("[data-testid=watermark]")
    page.locator(f"[data-incident={practice}]").click()
    mark.wait_for()
    assert mark.evaluate("mark => getComputedStyle(mark).pointerEvents") == "none"
    shot(page, "exercise")
    page.keyboard.press("n")
    mark.wait_for(state="hidden")
    page.keyboard.press("Escape")
    mark.wait_for()
    incident(quiet)
    mark.wait_for(state="hidden")
    page.locator("[data-testid=exercise]").wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    shot(page, "phone-exercise")
