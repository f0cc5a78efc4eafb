"""Datagrams of vehicle modems: a marker that moves, a call for help, an acknowledgement."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.asking import NORTH, new_unit, unit_body
from tests.receivers.saying import lon_lat, rev, rmc, rpv
from tests.running import ROOT, eventually


@pytest.fixture
def modem(receivers: Any) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(10)
        sender.connect(("127.0.0.1", receivers["udp"].port))
        yield sender


def test_a_taip_modem_moves_its_unit_and_is_answered_once_it_is_in_the_log(
    http: httpx.Client, modem: socket.socket
) -> None:
    unit_id = new_unit(http)
    modem.send(rpv(unit_id, NORTH, more="#0012;"))
    assert modem.recv(100).startswith(f">ACK;ID={unit_id};#0012;*".encode())
    assert lon_lat(http, unit_id) == NORTH


def test_an_nmea_modem_names_itself_before_its_sentences(http: httpx.Client, modem: socket.socket) -> None:
    unit_id = new_unit(http)
    modem.send(rmc(NORTH, before=f"{unit_id} "))
    eventually(lambda: lon_lat(http, unit_id) == NORTH)


def test_an_event_that_means_panic_alarms(http: httpx.Client, modem: socket.socket) -> None:
    unit_id = new_unit(http)
    modem.send(rev(unit_id, NORTH, event=7))
    eventually(lambda: lon_lat(http, unit_id) == NORTH)
    assert not _calls(http, unit_id)
    modem.send(rev(unit_id, NORTH, event=1))
    eventually(lambda: _calls(http, unit_id), within_s=1.0)


def test_a_panic_that_is_sent_again_counts_once_whatever_way_it_comes(
    http: httpx.Client, receivers: Any, modem: socket.socket
) -> None:
    unit_id = new_unit(http)
    first, second = (rev(unit_id, NORTH, event=1, more=f"#{number:04d};") for number in (41, 42))
    modem.send(first + b"\r\n" + first)
    for _ in range(2):
        assert b"#0041" in modem.recv(100)
    with socket.create_connection(("127.0.0.1", receivers["tcp"].port), timeout=10) as line:
        line.sendall(first)
        assert b"#0041" in line.recv(100), "it is acknowledged, so that it is not sent for ever"
    (call,) = _calls(http, unit_id)
    assert call["emergency"]["presses"] == 1
    modem.send(second)
    assert b"#0042" in modem.recv(100)
    (call,) = _calls(http, unit_id)
    assert call["emergency"]["presses"] == 2
    end = {"by": "supervisor", "who": "Sgt", "reason": "a test"}
    assert http.post(f"/v1/emergencies/{call['incident_id']}/clear", json=end).is_success
    for again in (first, second):
        modem.send(again)
        assert b"ACK" in modem.recv(100)
    assert not _calls(http, unit_id), "what is over is not called for by what was sent before"
    modem.send(rev(unit_id, NORTH, event=1, more="#0043;"))
    eventually(lambda: _calls(http, unit_id), within_s=1.0)


def test_two_modems_with_one_name_are_told_apart(http: httpx.Client, receivers: Any, modem: socket.socket) -> None:
    unit_id = new_unit(http)

    def flags() -> list[str]:
        (one,) = http.get("/v1/devices", params={"unit_id": unit_id}).json()["devices"]
        return list(one["flags"])

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.settimeout(10)
        other.connect(("127.0.0.1", receivers["udp"].port))
        for n, sender in enumerate((modem, other)):
            sender.send(rpv(unit_id, NORTH, time.time() + n, more=f"#{n:04d};"))
            sender.recv(100)
        assert flags() == []
        modem.send(rpv(unit_id, NORTH, time.time() + 2, more="#0002;"))
        modem.recv(100)
        assert flags() == ["twin"]


def test_the_try_of_the_paper(http: httpx.Client, modem: socket.socket) -> None:
    paper = (ROOT / "geo_backup/receivers/README.md").read_text(encoding="utf-8")
    frame = re.search(r"printf '(>RPV.*?<)'", paper)
    assert frame is not None
    http.put("/v1/units/P-7", json=unit_body())
    modem.send((frame[1] % (time.time() % 86_400)).encode())
    eventually(lambda: lon_lat(http, "P-7") == NORTH)


def test_what_is_garbled_is_set_aside(http: httpx.Client, modem: socket.socket) -> None:
    modem.send(rmc(NORTH).replace(b"GPRMC,", b"GPRMC,9"))
    eventually(lambda: "checksum" in str(http.get("/v1/quarantine").json()["quarantine"][:1]))
    metrics = http.get("/metrics").text
    assert 'geo_backup_quarantined_total{reason="checksum",way="udp"} 1.0' in metrics
    assert 'geo_backup_receiver{way="udp",what="overflow"} 0.0' in metrics


def _calls(http: httpx.Client, unit_id: str) -> list[Any]:
    return [one for one in http.get("/v1/emergencies").json()["emergencies"] if one["for_unit_id"] == unit_id]
