"""All ways at once: a phone with Traccar Client, one with OwnTracks, a modem, a TAK client and the officer's page in a
real Chromium move one live map, and whichever of them can call for help is heard within a second."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.asking import NORTH, at, new_unit
from tests.browser.chromium import built, launcher
from tests.receivers.broker import Broker
from tests.receivers.saying import lon_lat, rev, rpv
from tests.receivers.talking import Client, event
from tests.running import ServerInThread, eventually

pytestmark = [pytest.mark.browser, pytest.mark.long]
HERE = {"longitude": NORTH[0], "latitude": NORTH[1], "accuracy": 5}


@pytest.fixture
def browser() -> Iterator[Any]:
    """For this test alone: see `launcher`."""
    with launcher() as launch:
        chromium = launch()
        yield chromium
        chromium.close()


def traccar(http: httpx.Client, unit_id: str, **more: str) -> None:
    coords = {"latitude": NORTH[1], "longitude": NORTH[0], "speed": -1, "heading": -1, "accuracy": 6}
    said = {"device_id": unit_id, "location": {"timestamp": at(), "coords": coords, **more}}
    assert http.post("/v1/osmand", json=said).status_code == 200


def heard_within_s(http: httpx.Client, unit_id: str, press: Callable[[], object]) -> float:
    """How long a call for help takes until the desk has it."""
    began_s = time.monotonic()
    press()

    def called() -> list[Any]:
        rows = http.get("/v1/emergencies").json()["emergencies"]
        return [one for one in rows if one["for_unit_id"].endswith(unit_id) and one["emergency"]["alarms"]]

    eventually(called, f"the call of {unit_id}", 5)
    return time.monotonic() - began_s


def test_all_ways_lead_to_one_map(
    http: httpx.Client, server: ServerInThread, receivers: Any, broker: Broker, browser: Any
) -> None:
    built()
    phone, owntracks, modem, tak, officer = units = [new_unit(http) for _ in range(5)]
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, permissions=["geolocation"],
        geolocation=HERE,
    )  # fmt: skip
    page, by_tak = context.new_page(), Client(receivers["tak"].port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as by_udp:
        to_modems = ("127.0.0.1", receivers["udp"].port)
        page.goto(http.post(f"/v1/units/{officer}/page_code").json()["url"])
        page.wait_for_selector("[data-testid=link][data-state=live]")
        page.get_by_test_id("share").tap()
        traccar(http, phone)
        broker.says(
            f"owntracks/anna/{owntracks}",
            {"_type": "location", "lon": NORTH[0], "lat": NORTH[1], "tst": int(time.time())},
        )
        by_udp.sendto(rpv(modem, NORTH), to_modems)
        by_tak.send(event("a-f-G-E-V-C", tak, lon=NORTH[0], lat=NORTH[1], detail=f'<contact callsign="{tak}"/>'))
        eventually(lambda: [lon_lat(http, unit_id) for unit_id in units] == [NORTH] * 5, "five markers")

        def hold() -> None:
            page.get_by_test_id("hold").hover()
            page.mouse.down()
            page.wait_for_timeout(1_550)  # as long as the button asks for
            page.mouse.up()

        alert = event("b-a-o-tbl", f"{tak}-9-1-1", lon=NORTH[0], lat=NORTH[1], detail='<emergency type="911 Alert"/>')
        took_s = {
            "traccar": heard_within_s(http, phone, lambda: traccar(http, phone, alarm="sos")),
            "taip": heard_within_s(http, modem, lambda: by_udp.sendto(rev(modem, NORTH, 1), to_modems)),
            "tak": heard_within_s(http, tak, lambda: by_tak.send(alert)),
            "page": heard_within_s(http, officer, hold) - 1.55,
        }
    context.close()
    assert max(took_s.values()) < 1.0, took_s
