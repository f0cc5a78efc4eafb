"""Connections of vehicle modems: names, lines and frames, and what a bad one does not harm."""

from __future__ import annotations

import socket
import time
from typing import Any

import httpx

from tests.asking import NORTH, new_unit
from tests.receivers.saying import lon_lat, rmc, rpv
from tests.running import eventually


def dialled(receivers: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", receivers["tcp"].port), timeout=10)


def figures(http: httpx.Client) -> dict[str, float]:
    lines = [line.split() for line in http.get("/metrics").text.splitlines() if 'geo_backup_receiver{way="tcp"' in line]
    return {name.split('what="')[1][:-2]: float(value) for name, value in lines}


def test_a_modem_says_its_name_once_and_then_sentences(http: httpx.Client, receivers: Any) -> None:
    unit_id = new_unit(http)
    with dialled(receivers) as modem:
        sentence = rmc(NORTH)
        for part in (f"{unit_id}\r\n\r\n".encode(), b"$GPGSV,1,1,01,05,11,22,33*44\r\n", sentence[:20], sentence[20:]):
            modem.sendall(part)
        eventually(lambda: lon_lat(http, unit_id) == NORTH)


def test_a_taip_frame_needs_no_end_of_line(http: httpx.Client, receivers: Any) -> None:
    unit_id = new_unit(http)
    with dialled(receivers) as modem:
        modem.sendall(rpv(unit_id, [NORTH[0], NORTH[1] + 0.0005], time.time() - 5) + rpv(unit_id, NORTH, more="#0007;"))
        assert modem.recv(100).startswith(f">ACK;ID={unit_id};#0007;*".encode())
        assert lon_lat(http, unit_id) == NORTH


def test_no_connection_harms_another(http: httpx.Client, receivers: Any) -> None:
    unit_id = new_unit(http)
    with dialled(receivers) as silent, dialled(receivers) as endless, dialled(receivers) as modem:
        silent.sendall(b"$GPRMC,12")
        eventually(lambda: figures(http)["connections"] == 3)
        with dialled(receivers) as one_too_many:
            assert _is_over(one_too_many)
        endless.sendall(b"x" * 3_000)
        assert _is_over(endless)
        modem.sendall(f"{unit_id} ".encode() + rmc(NORTH))
        eventually(lambda: lon_lat(http, unit_id) == NORTH)
        assert _is_over(silent), "a silent one is given up after `idle_s`"
    assert "no line ends" in str(http.get("/v1/quarantine").json())
    assert figures(http)["full"] == 1.0
    assert figures(http)["silent"] >= 1.0


def _is_over(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True
