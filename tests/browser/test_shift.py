"""A page that stays open for a shift of eight hours holds no more in its second half than in its first."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from geo_backup.demo.vehicles import Fleet
from geo_backup.events import PositionReported, UnitRegistered
from geo_backup.live_map import LiveMap
from geo_backup.node.clock import Clock
from geo_backup.wire.times import to_text
from tests.browser.chromium import built
from tests.browser.conftest import listen, shown
from tests.rounds import cases
from tests.running import GOTHENBURG, ServerInThread, network_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

UNITS = 60
CALL_MS = 12 * 60_000
"""Forty calls in eight hours."""
STEP_MS = 120_000
HELD = ("JSHeapUsedSize", "Nodes", "JSEventListeners")
"""What a page holds, as DevTools call it."""
SLACK = 1.05
"""So much more is no growth: names of places are kept up to a limit, and what is shown for the first time is built."""
SLACK_AT_FIRST = 1.3
"""The first calls of a shift fill what is kept for all that follow."""


class Shift:
    """A desk whose clock runs as fast as its page can be worked at, and the units that drive meanwhile."""

    def __init__(self, log: Path, map_folder: Path) -> None:
        self.ahead_ms = 0
        self.clock = Clock("simulated", steady_ms=lambda: time.monotonic_ns() // 1_000_000 + self.ahead_ms)
        self.server = ServerInThread(log, map_folder=map_folder, clock=self.clock).start()
        self.desk = httpx.Client(base_url=self.server.url, trust_env=False, timeout=30)
        self.network = network_of(GOTHENBURG)
        self.fleet = Fleet(self.network, UNITS, 12, self.clock.now_ms(), ping_ms=STEP_MS)
        self.places = np.random.default_rng(12)
        for event in self.fleet.registrations(self.clock.now_ms()):
            assert isinstance(event, UnitRegistered)
            body = {"callsign": event.callsign, "agency": event.agency, "kind": event.kind}
            assert self.desk.put(
                f"/v1/units/{event.unit_id}", json={**body, "capabilities": event.capabilities}
            ).is_success
        self.drive(STEP_MS)

    def end(self) -> None:
        self.desk.close()
        self.server.stop()
        assert "Traceback" not in self.server.said()

    def post(self, path: str, **body: Any) -> Any:
        answer = self.desk.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def drive(self, ms: int) -> None:
        """So much time goes by."""
        for _ in range(ms // STEP_MS):
            self.ahead_ms += STEP_MS
            rows = [
                {
                    "unit_id": event.unit_id,
                    "fix_time": to_text(event.fix.fix_ms),
                    "lon": event.fix.lon,
                    "lat": event.fix.lat,
                }
                for event in self.fleet.tick(self.clock.now_ms(), LiveMap())
                if isinstance(event, PositionReported)
            ]
            self.post("/v1/positions", positions=rows)

    def call(self, page: Any) -> None:
        """An incident from its call to its end, and what a dispatcher looks at meanwhile."""

        def click(what: str) -> None:
            page.locator(what).first.click()

        def gone(what: str) -> None:
            page.locator(what).first.wait_for(state="detached")

        def there(what: str) -> None:  # a page's own wait_for_selector would hold what it found
            page.locator(what).first.wait_for()

        self.drive(CALL_MS // 3)
        lon, lat = self.network.edge_line(int(self.places.integers(self.network.edges)))[0]
        click("[data-testid=new-incident]")
        page.locator("[data-testid=card-where]").fill(f"{lat}, {lon}")
        page.locator("[data-testid=card-kind]").fill("fight")
        page.locator("[data-testid=card-note]").fill("two men")
        click("[data-testid=card-open]")
        gone("[data-testid=card]")
        there("[data-testid=recommended] li")
        incident_id = page.locator("[data-testid=incident-row][aria-pressed=true]").get_attribute("data-incident")

        for unit_id in [row.get_attribute("data-unit") for row in page.locator("[data-testid=ranking-row]").all()[:3]]:
            self.post(f"/v1/incidents/{incident_id}/assignments", unit_id=unit_id)
        there("[data-testid=assigned-row]:nth-child(3)")
        self.drive(CALL_MS // 3)
        page.locator("[data-key=i]").fill("three men now")
        page.keyboard.press("Enter")
        for tool, shows in (
            (".actions.about button", ".reach-legend"),
            (".tools button:nth-child(5)", "[data-testid=cover]"),
        ):
            click(tool)
            there(shows)
            click(tool)
            gone(shows)

        click("[data-testid=units-button]")
        click("[data-testid=unit-row]")
        click("[data-testid=track-button]")
        click("[data-testid=near-button]")
        there("[data-testid=neighbour]")
        click("[data-testid=near-button]")
        click("[data-testid=track-button]")
        click(".let-go")
        gone("[data-testid=unit-card]")
        click("[data-testid=units-button]")
        gone("[data-testid=units]")
        click("[data-testid=line-button]")
        page.locator("[data-testid=line-field]").fill("send")
        there("[data-testid=line-option]")
        click("[data-testid=line] .leave")
        click(".top button:last-child")
        there("[data-testid=help]")
        click("[data-testid=help] .primary")
        gone("[data-testid=help]")
        click(".top .theme")

        around = [
            [lon - 0.001, lat - 0.001],
            [lon + 0.001, lat - 0.001],
            [lon, lat + 0.001],
            [lon - 0.001, lat - 0.001],
        ]
        closure = self.post("/v1/closures", reason="crowd", geometry={"type": "Polygon", "coordinates": [around]})[
            "closure_id"
        ]
        there("[data-testid=closure-row]")
        assert self.desk.delete(f"/v1/closures/{closure}").is_success
        gone("[data-testid=closure-row]")
        self.drive(CALL_MS // 3)
        self.post(f"/v1/incidents/{incident_id}/close")
        gone("[data-testid=incident-row]")

    def held(self, page: Any) -> dict[str, float]:
        """What the page holds once nothing is worked on and what it dropped is swept up."""
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        least = dict.fromkeys(HELD, math.inf)
        for _ in range(3):  # what a frame still holds is dropped with the next
            page.evaluate("new Promise(requestAnimationFrame)")
            devtools.send("HeapProfiler.collectGarbage")
            for row in devtools.send("Performance.getMetrics")["metrics"]:
                if row["name"] in HELD:
                    least[row["name"]] = min(least[row["name"]], row["value"])
        devtools.detach()
        return least


@pytest.fixture
def shift(tmp_path: Path, bare: Path, calls: int) -> Iterator[Shift]:
    """A long one with all that the map has."""
    built()
    shift = Shift(tmp_path / "log.sqlite", GOTHENBURG if calls > 10 else bare)
    yield shift
    shift.end()


@pytest.mark.parametrize("calls", cases((2, 40), [2]), ids="{} calls".format)
def test_a_page_holds_no_more_late_in_a_shift(browser: Any, shift: Shift, calls: int) -> None:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(30_000)
    wrong: list[str] = []
    listen(page, wrong)
    decisions: Counter[str] = Counter()
    page.on("request", lambda request: decisions.update([request.url] if "/v1/decisions/" in request.url else []))
    page.goto(shift.server.url)
    shown(page)
    shift.call(page)
    told = [shift.held(page)]
    for _ in range(1, calls):
        shift.call(page)
        told.append(shift.held(page))
    context.close()
    assert wrong == []
    assert max(decisions.values()) == 1, f"what does not change is asked for once: {decisions}"
    half = (len(told) + 1) // 2  # the most of each: what is dropped is swept up sooner or later
    before, after = ({name: max(row[name] for row in rows) for name in HELD} for rows in (told[:half], told[half:]))
    slack = SLACK if calls > 10 else SLACK_AT_FIRST
    assert {name: after[name] for name in HELD if after[name] > slack * before[name]} == {}, told
