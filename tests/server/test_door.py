"""The door under siege: sockets that say nothing, never end, or take nothing, while an officer presses the button."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import socket
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from geo_backup.server.door import FIELDS_MAX, HEADER_MAX, SMALL_HEADER, UNREAD_MAX, URL_MAX, WITHIN_S, Door
from tests.asking import new_unit, problem
from tests.rounds import cases
from tests.running import Server


@pytest.fixture(scope="module", params=cases((256, 1_024), [256]), ids="{} descriptors".format)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("door") / "log.sqlite", descriptors=request.param).start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


def cpu_s(server: Server) -> float:
    """What the server has worked so far."""
    assert server.process is not None
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0


def dial(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def press(server: Server, unit_id: str) -> float:
    """An officer's emergency over a connection of its own; the seconds until a viewer has heard of it."""
    with connect(server.feed, proxy=None) as viewer:
        viewer.send('{"type": "hello", "topics": ["incidents"]}')
        assert json.loads(viewer.recv(20))["type"] == "snapshot"
        pressed_s = time.monotonic()
        answer = httpx.post(f"{server.url}/v1/emergencies", json={"unit_id": unit_id}, trust_env=False, timeout=20)
        assert answer.status_code in (200, 201)
        while answer.json()["incident_id"] not in json.loads(viewer.recv(20)).get("incidents", {}):
            pass
        return time.monotonic() - pressed_s


@pytest.mark.parametrize("said", [b"", b"POST /v1/emergencies HTTP/1.1\r\nHost: a"])
def test_sockets_that_say_nothing_do_not_shut_out_an_emergency(server: Server, http: httpx.Client, said: bytes) -> None:
    unit_id = new_unit(http)
    with contextlib.ExitStack() as held:
        for _ in range(server.descriptors + 76):
            link = held.enter_context(dial(server))
            with contextlib.suppress(OSError):  # it had to give way already
                link.sendall(said)
        press(server, unit_id)


def test_unfinished_bodies_do_not_shut_out_an_emergency(server: Server, http: httpx.Client) -> None:
    unit_id = new_unit(http)
    head = b"POST /v1/positions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{"
    with contextlib.ExitStack() as held:
        for _ in range(server.descriptors + 76):
            held.enter_context(dial(server)).sendall(head)
        press(server, unit_id)


@pytest.mark.parametrize("start", [b"GET /v1/units HTTP/1.1\r\nHost: a\r\nX: ", b"GET /", b"GET / HTTP/1.1\r\nX"])
def test_a_header_that_never_ends_costs_little(server: Server, http: httpx.Client, start: bytes) -> None:
    before = cpu_s(server)
    with dial(server) as link, contextlib.suppress(OSError):
        link.sendall(start)
        for _ in range(80):
            link.sendall(b"a" * 1_000_000)
    assert http.get("/healthz").status_code == 200
    assert cpu_s(server) - before < 1.0


def test_trailers_that_never_end_are_cut_off(server: Server, http: httpx.Client) -> None:
    head = b"POST /v1/positions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: "
    before = cpu_s(server)
    with dial(server) as link, contextlib.suppress(OSError):
        link.sendall(head)
        for _ in range(80):
            link.sendall(b"a" * 1_000_000)
    assert http.get("/healthz").status_code == 200
    assert cpu_s(server) - before < 1.0


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (414, lambda http: http.get("/v1/units?bbox=" + "1" * URL_MAX)),
        (431, lambda http: http.get("/v1/units", headers={"X": "1" * (HEADER_MAX + 1)})),
        (431, lambda http: http.get("/v1/units", headers={f"X{n}": "1" * 1_000 for n in range(66)})),
        (431, lambda http: http.get("/v1/units", headers={f"X{n}": "1" for n in range(FIELDS_MAX)})),
    ],
)
def test_what_is_too_long_is_told_so(
    http: httpx.Client, status: int, request_: Callable[[httpx.Client], httpx.Response]
) -> None:
    problem(request_(http), status)


def test_what_is_no_http_is_told_so(server: Server) -> None:
    with dial(server) as link:
        link.sendall(b"\x16\x03\x01 garbage\r\n\r\n")
        answer = link.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 400


def test_a_thousand_questions_at_once_on_one_connection_are_refused(server: Server, http: httpx.Client) -> None:
    with dial(server) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1_000)
        with contextlib.suppress(OSError):
            while link.recv(65_536):
                pass
    assert http.get("/healthz").status_code == 200


def test_a_feed_that_never_says_hello_gives_way(server: Server, http: httpx.Client) -> None:
    unit_id = new_unit(http)
    hand = (
        b"GET /v1/feed HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with contextlib.ExitStack() as held:
        for _ in range(server.descriptors + 76):
            held.enter_context(dial(server)).sendall(hand)
        press(server, unit_id)


LONG_HEADERS = b"GET /v1/units HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 60_000
MANY_HEADERS = b"GET /v1/units HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 10_000
LONG_BODY = b"POST /v1/positions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"[" * 60_000


def memory_mb(server: Server) -> float:
    """The most that the server has held so far."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1_000


def flood(port: int, attempts: int, said: bytes) -> None:
    """Connect so often, from an address of its own each time, and hold on to all: in a process of its own, which has
    descriptors of its own, and gives way to the server as another machine would."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.nice(10)
    with contextlib.ExitStack() as held:
        for n in range(attempts):
            link = held.enter_context(socket.socket())
            link.settimeout(20)
            link.bind((f"127.{1 + n // 62_500}.{1 + n // 250 % 250}.{1 + n % 250}", 0))
            link.connect(("127.0.0.1", port))
            with contextlib.suppress(OSError):  # it had to give way already, or was refused
                link.sendall(said)


@pytest.mark.long
@pytest.mark.parametrize(
    "said",
    [b"", LONG_HEADERS, MANY_HEADERS, LONG_BODY],
    ids=["silent", "long headers", "many headers", "long bodies"],
)
def test_ten_thousand_connections_shut_out_no_emergency(tmp_path: Path, said: bytes) -> None:
    """An officer presses while they come, again and again, and memory stays bounded."""
    server = Server(tmp_path / "log.sqlite").start()
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        unit_id = new_unit(http)
    before_mb, took_s = memory_mb(server), [press(server, unit_id)]
    flooding = get_context("spawn").Process(target=flood, args=(server.port, 10_000, said))
    flooding.start()
    while flooding.is_alive():
        took_s.append(press(server, unit_id))
    assert flooding.exitcode == 0
    assert sorted(took_s)[len(took_s) * 9 // 10] < 1.0  # whoever floods shares these two cores
    assert memory_mb(server) - before_mb < 400
    assert server.stop() == 0


# ---- in process: time is given, not waited for


class Line:
    """What the door knows of a connection."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address, self.unsent, self.said, self.open = address, 0, b"", True

    def get_extra_info(self, name: str) -> Any:
        return (self.address, 1) if name == "peername" else None

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return not self.open

    def write(self, data: bytes) -> None:
        self.said += data

    def abort(self) -> None:
        self.open = False


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by hand."""
    time_s = [time.monotonic()]
    monkeypatch.setattr("geo_backup.server.door._now", lambda: time_s[0])
    return time_s


def enter(door: Door, line: Line) -> Any:
    return door.enter(line)  # type: ignore[arg-type]


def test_the_address_that_holds_most_gives_way(now: list[float]) -> None:
    door = Door(most=10)
    slow_phone = Line("192.0.2.7")
    enter(door, slow_phone)
    crowd = [Line() for _ in range(9)]
    for line in crowd:
        enter(door, line)
    newcomer = Line("192.0.2.8")
    enter(door, newcomer)
    assert [line.open for line in crowd] == [False, *[True] * 8]
    assert slow_phone.open
    assert newcomer.open


def test_of_many_long_headers_that_are_not_whole_the_last_are_refused(now: list[float]) -> None:
    door = Door(most=10_000)
    crowd = [enter(door, Line()) for _ in range(UNREAD_MAX // HEADER_MAX)]
    assert [door.gathers(guest, HEADER_MAX) for guest in crowd] == [""] * len(crowd)
    newcomer = enter(door, Line())
    assert door.gathers(newcomer, SMALL_HEADER) == ""
    assert "many long headers" in door.gathers(newcomer, HEADER_MAX)
    door.leave(newcomer)
    door.leave(crowd[0])
    assert door.gathers(enter(door, Line()), HEADER_MAX - 1) == ""
    assert door.unread == len(crowd) * HEADER_MAX - 1


def test_who_is_served_stays_and_a_newcomer_waits(now: list[float]) -> None:
    door = Door(most=2)
    inside = [Line(), Line()]
    for line in inside:
        door.move(enter(door, line), "served")
    late = Line()
    enter(door, late)
    assert [line.open for line in (*inside, late)] == [True, True, False]


def test_a_slow_but_honest_upload_lives_and_a_dead_one_ends(now: list[float]) -> None:
    door = Door(most=10)
    honest, dead = Line(), Line()
    guests = [enter(door, honest), enter(door, dead)]
    for guest in guests:
        door.move(guest, "sending")
    for _ in range(600):
        now[0] += 1.0
        guests[0].got += 1_100
        door.sweep(now[0])
    assert honest.open
    assert not dead.open
    assert b"408" in dead.said.split(b"\r\n")[0]


def test_a_reader_that_takes_nothing_is_let_go(now: list[float]) -> None:
    door = Door(most=10)
    lines = [Line(), Line(), Line()]
    for line in lines:
        line.unsent = 5_000_000
        door.move(enter(door, line), "watching")
    for _ in range(100):
        now[0] += 1.0
        lines[1].unsent -= 10_000  # a bad line
        lines[2].unsent -= 10  # one that plays
        door.sweep(now[0])
    assert [line.open for line in lines] == [False, True, False]


def test_a_header_is_whole_in_time(now: list[float]) -> None:
    door = Door(most=10)
    mute, slow = Line(), Line()
    enter(door, mute)
    enter(door, slow).got = 17
    now[0] += WITHIN_S + 1
    door.sweep(now[0])
    assert not mute.open
    assert slow.said.startswith(b"HTTP/1.1 408 ")
    now[0] += WITHIN_S
    door.sweep(now[0])
    assert not slow.open


def test_neighbours_of_one_ipv6_household_count_as_one(now: list[float]) -> None:
    door = Door(most=4)
    lines = [Line("2001:db8:1:2::7"), Line("2001:db8:1:2::8"), Line("2001:db8:9::1"), Line("2001:db8:7::1")]
    for line in lines:
        enter(door, line)
    enter(door, Line("2001:db8:5::1"))
    assert [line.open for line in lines] == [False, True, True, True]
