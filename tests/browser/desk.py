"""What tests in a browser do at a desk, and what they ask its server."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import httpx

from tests.running import eventually
from tests.server.test_backup import PLACE, fleet

WHERE = f"{PLACE[1]}, {PLACE[0]}"
"""The place of incidents as somebody types it."""


def projection(page: Any) -> Callable[[float, float], tuple[float, float]]:
    """Where places are drawn in the window, as the map stands now."""
    box = page.locator("[data-testid=map]")
    west, south, east, north = map(float, box.get_attribute("data-view").split(","))
    area = box.bounding_box()

    def mercator(degrees: float) -> float:
        return math.log(math.tan(math.pi / 4 + math.radians(degrees) / 2))

    def pixel(lon: float, lat: float) -> tuple[float, float]:
        x = (lon - west) / (east - west)
        y = (mercator(north) - mercator(lat)) / (mercator(north) - mercator(south))
        return area["x"] + x * area["width"], area["y"] + y * area["height"]

    return pixel


def read(page: Any) -> None:
    """As long as somebody reads what has changed: keys in quicker succession are words that are typed blind, and a
    place of the ranking that has just changed hands takes no key."""
    page.wait_for_timeout(650)


def chosen(desk: httpx.Client, page: Any, **more: Any) -> str:
    """An incident that somebody else opened, chosen here, ranked."""
    body = {"lon": PLACE[0], "lat": PLACE[1], "priority": 1, **more}
    incident_id = str(desk.post("/v1/incidents", json=body).json()["incident_id"])
    page.locator(f"[data-testid=incident-row][data-incident={incident_id}]").click()
    page.wait_for_selector("[data-testid=ranking-row]")
    return incident_id


def incident(desk: httpx.Client, incident_id: str) -> Any:
    return desk.get(f"/v1/incidents/{incident_id}").json()


def standing(desk: httpx.Client) -> list[Any]:
    """The open incidents."""
    found: list[Any] = desk.get("/v1/incidents").json()["incidents"]
    return found


def sent(desk: httpx.Client, incident_id: str) -> dict[str, str]:
    """The units of an incident, and how far each has come."""
    return {row["unit_id"]: row["state"] for row in incident(desk, incident_id)["assignments"]}


def sends(page: Any, shows: str) -> None:
    """Ctrl+Enter, once what is recommended has stood long enough to have been read."""

    def sent() -> bool:
        page.keyboard.press("Control+Enter")
        return bool(page.locator(shows).count())

    eventually(sent, shows)


def declare(url: str, unit_id: str, emergency_id: str, **more: Any) -> None:
    body = {"unit_id": unit_id, "emergency_id": emergency_id, "source": "device", **more}
    assert httpx.post(f"{url}/v1/emergencies", json=body).status_code == 201


def patrols(http: httpx.Client, count: int) -> None:
    """Units U0, U1 ... ever further from where incidents are."""
    fleet(http, *[(f"U{n}", 0.002 + 0.004 * n, ("patrol",)) for n in range(count)])


def call(page: Any, lon: float, lat: float, kind: str = "") -> None:
    """A new incident by the call card: where it is, and what."""
    page.keyboard.press("n")
    page.locator("[data-testid=card-where]").fill(f"{lat}, {lon}")
    page.locator("[data-testid=card-kind]").fill(kind)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("[data-testid=card]", state="detached")
