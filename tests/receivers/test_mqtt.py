"""OwnTracks by way of a real broker: what moves a unit, what does not, and what a broker that goes away costs."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from geo_backup.receivers.config import receivers_of
from geo_backup.receivers.inlet import Inlet
from geo_backup.receivers.mqtt import Mqtt
from tests.asking import NORTH, SOUTH, new_unit
from tests.receivers.broker import Broker
from tests.receivers.saying import lon_lat
from tests.running import ServerInThread, eventually, free_port


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


@contextmanager
def beside(server: ServerInThread, **said: Any) -> Iterator[Mqtt]:
    """Another receiver of the same server."""
    (receiver,) = receivers_of({"mqtt": {"client_id": "another", **said}}, Path())
    assert server.intake is not None
    assert server.speakers is not None
    assert server._loop is not None
    assert isinstance(receiver, Mqtt)
    inlet = Inlet(server.intake, server.speakers)

    async def both() -> None:
        await asyncio.gather(inlet.run(), receiver.run(inlet))

    running = asyncio.run_coroutine_threadsafe(both(), server._loop)
    yield receiver
    running.cancel()
    eventually(lambda: not receiver.connected, "its end")


def test_version_5_moves_a_unit_too(http: httpx.Client, server: ServerInThread, broker: Broker) -> None:
    unit_id = new_unit(http)
    broker.says(f"five/anna/{unit_id}", location(SOUTH), retain=True)
    with beside(server, url=broker.url, version=5, topics=["five/+/+"]) as receiver:
        eventually(lambda: receiver.connected)
        broker.says(f"five/anna/{unit_id}", location(NORTH))
        eventually(lambda: lon_lat(http, unit_id) == NORTH)
        eventually(lambda: receiver.unacknowledged == 0)
        assert receiver.retained == 0


def test_what_came_while_nobody_was_there_is_handed_over(
    http: httpx.Client, server: ServerInThread, broker: Broker
) -> None:
    unit_id, said = new_unit(http), {"url": broker.url, "topics": ["kept/+/+"], "client_id": "kept"}
    with beside(server, **said) as receiver:
        eventually(lambda: receiver.connected)
    broker.says(f"kept/anna/{unit_id}", location(NORTH))
    with beside(server, **said):
        eventually(lambda: lon_lat(http, unit_id) == NORTH)


def test_a_broker_that_lets_nobody_in_or_talks_nonsense_is_told_of(server: ServerInThread) -> None:
    strict = Broker(free_port(), "allow_anonymous false")
    strict.start()
    with beside(server, url=strict.url):
        eventually(lambda: "refuses this server: not authorized" in server.said())
    strict.stop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        with beside(server, url=f"mqtt://127.0.0.1:{listener.getsockname()[1]}"):
            caller, _ = listener.accept()
            assert caller.recv(100).startswith(b"\x10")
            caller.sendall(b"\x20\x02\x00\x00\x30\xff\xff\xff\xff\xff")
            eventually(lambda: "breaks the protocol" in server.said())
            caller.close()
            listener.accept()[0].close()


def figure(http: httpx.Client, what: str) -> float:
    start = f'geo_backup_receiver{{way="mqtt",what="{what}"}} '
    return float(next(line for line in http.get("/metrics").text.splitlines() if line.startswith(start)).split()[1])
