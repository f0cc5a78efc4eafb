"""OwnTracks by way of a real broker: what moves a unit, what does not, and what a broker that goes away costs."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.asking import NORTH, SOUTH, new_unit
from tests.receivers.broker import Broker
from tests.receivers.saying import lon_lat
from tests.running import eventually


def location(place: list[float], at_s: float | None = None) -> dict[str, Any]:
    return {
        "_type": "location",
        "tid": "E7",
        "lon": place[0],
        "lat": place[1],
        "tst": int(at_s or time.time()),
        "acc": 6,
    }


def test_a_phone_moves_its_unit(http: httpx.Client, broker: Broker) -> None:
    unit_id = new_unit(http)
    eventually(lambda: figure(http, "connected") == 1.0)
    broker.says(f"owntracks/anna/{unit_id}", location(NORTH), retain=True)
    eventually(lambda: lon_lat(http, unit_id) == NORTH)
    before = figure(http, "other")
    for kind in ("waypoint", "lwt", "transition", "card"):
        broker.says(f"owntracks/anna/{unit_id}", {**location(SOUTH, time.time() + 5), "_type": kind})
    broker.says(f"owntracks/anna/{unit_id}", None, retain=True)
    eventually(lambda: figure(http, "other") == before + 5)
    assert lon_lat(http, unit_id) == NORTH
    assert figure(http, "unacknowledged") == 0.0


def test_what_cannot_be_used_is_set_aside_with_its_remedy(http: httpx.Client, broker: Broker) -> None:
    broker.says("owntracks/anna/nobody", location(NORTH))
    broker.says("owntracks/anna/phone", {"_type": "encrypted", "data": "b2g="})
    broker.says("owntracks/anna/phone", [1])

    def reasons() -> str:
        return " ".join(
            one["reason"] for one in http.get("/v1/quarantine").json()["quarantine"] if one["way"] == "mqtt"
        )

    eventually(lambda: "JSON object" in reasons())
    assert "take the encryption key out" in reasons()
    assert "no unit has this id" in reasons()


def test_a_broker_that_comes_back_is_found_again(http: httpx.Client, broker: Broker) -> None:
    unit_id, before = new_unit(http), figure(http, "connections")
    eventually(lambda: figure(http, "connected") == 1.0)
    broker.stop()
    eventually(lambda: figure(http, "connected") == 0.0)
    broker.start()
    eventually(lambda: figure(http, "connections") == before + 1)
    broker.says(f"owntracks/anna/{unit_id}", location(NORTH))
    eventually(lambda: lon_lat(http, unit_id) == NORTH)


def figure(http: httpx.Client, what: str) -> float:
    start = f'geo_backup_receiver{{way="mqtt",what="{what}"}} '
    return float(next(line for line in http.get("/metrics").text.splitlines() if line.startswith(start)).split()[1])
