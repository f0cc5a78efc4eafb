"""A full disk under those who acknowledge: nothing is acknowledged that is not in the log, it is said, and taken when
there is room again. A panic goes into the room that is kept for it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.receivers.config import Receiver, receivers_of
from tests.asking import NORTH, SOUTH, new_unit
from tests.receivers.broker import Broker
from tests.receivers.saying import lon_lat, rev, rpv
from tests.receivers.test_mqtt import figure, location
from tests.running import ServerInThread, eventually


@pytest.fixture
def receiving(small_disk: Path, broker: Broker) -> Iterator[tuple[httpx.Client, dict[str, Receiver]]]:
    """A server on a small disk, whose receivers all listen."""
    said = {
        "udp": {"port": 0, "panic_events": [1]},
        "tcp": {"port": 0},
        "mqtt": {"url": broker.url, "client_id": "full"},
    }
    listening = receivers_of(said, small_disk)
    for one in listening:
        one.bind()
    server = ServerInThread(small_disk / "log.sqlite", receivers=listening).start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as http:
        yield http, {one.way: one for one in listening}
    server.stop()


def test_nothing_is_acknowledged_that_is_not_in_the_log(
    receiving: tuple[httpx.Client, Any], broker: Broker, small_disk: Path
) -> None:
    http, receivers = receiving
    by_udp, by_tcp, phone, app = (new_unit(http) for _ in range(4))
    eventually(lambda: figure(http, "connected") == 1.0, "the broker")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as modem,
        socket.create_connection(("127.0.0.1", receivers["tcp"].port), timeout=10) as line,
    ):
        modem.connect(("127.0.0.1", receivers["udp"].port))
        fill(small_disk)
        eventually(lambda: asks_osmand(http, app) == 503, "a full disk")
        reports = [rpv(by_udp, NORTH, more="#0001;"), rpv(by_tcp, NORTH, more="#0002;")]
        modem.send(reports[0])
        line.sendall(reports[1])
        broker.says(f"owntracks/anna/{phone}", location(NORTH))
        eventually(lambda: figure(http, "unacknowledged") == 1.0, "the phone's message")
        eventually(lambda: "log_full" in http.get("/readyz").text, "the condition")
        assert silent(modem)
        assert silent(line)
        assert "takes nothing at this moment" in str(http.get("/v1/quarantine").json())

        panic = rev(by_udp, SOUTH, 1, more="#0003;")
        modem.send(panic)
        assert answer(modem).startswith(f">ACK;ID={by_udp};#0003".encode()), "there is room kept for it"
        (call,) = http.get("/v1/emergencies").json()["emergencies"]
        assert (call["for_unit_id"], call["recorded"]) == (by_udp, True)

        (small_disk / "log.sqlite.reserve").unlink()
        fill(small_disk)

        def pressed_in_vain() -> bool:
            modem.send(rev(by_tcp, SOUTH, 1, more=f"#{time.time_ns() % 10_000:04d};"))
            return silent(modem)

        eventually(pressed_in_vain, "not a page of room")
        (other,) = [one for one in http.get("/v1/emergencies").json()["emergencies"] if one != call]
        assert (other["for_unit_id"], other["recorded"], other["emergency"]["alarms"]) == (by_tcp, False, True)

        (small_disk / "crumbs").unlink()
        eventually(lambda: asks_osmand(http, app) == 200, "room again")
        modem.send(reports[0])  # as a modem does that was not answered
        line.sendall(reports[1])
        assert b"#0001" in answer(modem)
        assert b"#0002" in answer(line)
        eventually(lambda: figure(http, "unacknowledged") == 0.0, "the phone's message in the log")
        assert [lon_lat(http, unit_id) for unit_id in (by_tcp, phone, app)] == [NORTH] * 3
        rows = http.get("/v1/emergencies").json()["emergencies"]
        assert [one["recorded"] for one in rows] == [True, True]


def fill(disk: Path) -> None:
    with (disk / "crumbs").open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def asks_osmand(http: httpx.Client, unit_id: str) -> int:
    pairs: dict[str, Any] = {"id": unit_id, "lat": NORTH[1], "lon": NORTH[0], "timestamp": int(time.time())}
    return http.get("/v1/osmand", params=pairs).status_code


def answer(line: socket.socket) -> bytes:
    line.settimeout(10)
    return line.recv(100)


def silent(line: socket.socket) -> bool:
    """Whether nothing comes for longer than an answer takes."""
    line.settimeout(0.8)
    try:
        line.recv(100)
    except TimeoutError:
        return True
    return False
