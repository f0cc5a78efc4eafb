"""Whoever asks for too much is told so, and nobody else waits for it: least of all a desk, and an officer in danger."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from geo_backup.people import Roster
from geo_backup.server import emergencies
from geo_backup.server.asked import Asked
from geo_backup.server.assignments import routes as assignments
from geo_backup.server.rates import COSTLY, HEAVIEST, IN_BODY, OF_ADDRESS, OF_ONE, PRESSED, SENT, Rates, _Used, _weight
from tests.asking import at, problem
from tests.running import CENTRE, ServerInThread, eventually

PASSWORD = "correct horse battery"
PLACE = {"lon": CENTRE[0], "lat": CENTRE[1]}
WITHIN_S = 1.0


def asked(method: str, path: str, headers: dict[str, str] | None = None) -> Asked:
    rows = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Asked.of({"type": "http", "method": method, "path": path, "headers": rows})


def test_an_allowance_is_used_up_and_comes_back() -> None:
    now = [0.0]
    rates, used = Rates(lambda: now[0]), _Used()
    assert all(rates.takes(used, OF_ONE, 1.0) == 0.0 for _ in range(int(OF_ONE.saved)))
    wait_s = rates.takes(used, OF_ONE, 1.0)
    assert wait_s == pytest.approx(1 / OF_ONE.per_s)
    assert rates.takes(used, OF_ONE, 1.0) == pytest.approx(wait_s), "what is refused is not counted"
    now[0] += wait_s * 1.001
    assert rates.takes(used, OF_ONE, 1.0) == 0.0
    assert rates.takes(used, OF_ONE, 1.0) > 0.0
    now[0] += 1.0
    again = sum(rates.takes(used, OF_ONE, 1.0) == 0.0 for _ in range(5_000))
    assert again == pytest.approx(OF_ONE.per_s, abs=1)
    now[0] += 3_600.0
    assert sum(rates.takes(used, OF_ONE, HEAVIEST) == 0.0 for _ in range(100)) == OF_ONE.saved / HEAVIEST


def test_only_so_many_are_under_way() -> None:
    used = _Used()
    used.under_way = OF_ADDRESS.under_way
    assert Rates().takes(used, OF_ADDRESS, 1.0) == 1.0


@pytest.mark.parametrize(
    ("method", "headers", "weight"),
    [
        ("GET", {}, 1.0),
        ("POST", {}, 1.0),
        ("POST", {"content-length": "0"}, 1.0),
        ("POST", {"content-length": "81920"}, 11.0),
        ("PUT", {"content-length": "16000000"}, HEAVIEST),
        ("POST", {"transfer-encoding": "chunked"}, HEAVIEST),
    ],
)
def test_a_large_body_counts_as_many_requests(method: str, headers: dict[str, str], weight: float) -> None:
    assert _weight(asked(method, "/v1/positions", headers)) == weight


def test_passwords_cannot_be_tried_by_the_thousand() -> None:
    weights = {path: _weight(asked(method, path)) for method, path in COSTLY}
    assert set(weights) == {"/v1/session", "/v1/session/oidc/done"}
    assert all(OF_ADDRESS.per_s / weight <= 2.0 for weight in weights.values())


def test_what_is_urgent_is_told_by_routes_that_exist() -> None:
    posts = [
        route.path
        for route in (*emergencies.routes.routes, *assignments.routes)
        if isinstance(route, APIRoute) and route.methods == {"POST"}
    ]
    assert len(posts) == 4
    for path in posts:
        assert PRESSED(path) or SENT(path), path


@pytest.fixture(scope="module")
def roster(tmp_path_factory: pytest.TempPathFactory) -> Roster:
    return Roster(tmp_path_factory.mktemp("people") / "people.sqlite")


@pytest.fixture(scope="module")
def tokens(roster: Roster) -> dict[str, str]:
    roster.people.add(
        "lind", name="Lind", agency="*", roles=("dispatcher",), password=PASSWORD, with_code=False, by="test"
    )
    made = {"chief": roster.tokens.issue("chief", "program", agency="*", roles=("supervisor",), by="test")}
    for unit_id in ("U0", "U1"):
        made[unit_id] = roster.tokens.issue(
            unit_id, "device", agency="*", roles=("device",), units=(unit_id,), by="test"
        )
    return made


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, roster: Roster, tokens: dict[str, str]
) -> Iterator[ServerInThread]:
    server = ServerInThread(tmp_path_factory.mktemp("rates") / "log.sqlite", roster=roster).start()
    with speaks(server, tokens["chief"]) as http:
        for n in range(8):
            body = {"callsign": f"U{n}", "agency": "police", "kind": "patrol", "capabilities": []}
            assert http.put(f"/v1/units/U{n}", json=body).status_code == 201
            rows = [{"unit_id": f"U{n}", "fix_time": at(), **PLACE}]
            assert http.post("/v1/positions", json={"positions": rows}).json()["accepted"] == 1
    yield server
    server.stop()
    assert "Traceback" not in server.said()


def speaks(server: ServerInThread, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=30)


FLOOD = """
import selectors, socket, sys
port, token, body = int(sys.argv[1]), sys.argv[2], sys.argv[3].encode()
head = "POST /v1/positions HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: %d\\r\\n" % len(body)
if token:
    head += "Authorization: Bearer %s\\r\\n" % token
ask = head.encode() + b"\\r\\n" + body
links, asked = selectors.DefaultSelector(), 256
for _ in range(asked):
    link = socket.create_connection(("127.0.0.1", port))
    link.sendall(ask)
    links.register(link, selectors.EVENT_READ)
links.register(sys.stdin, selectors.EVENT_READ)
more = True
while more or asked:
    for key, _ in links.select():
        if key.fileobj is sys.stdin:
            more = False
            links.unregister(sys.stdin)
            continue
        answers = key.fileobj.recv(1 << 20).count(b"HTTP/1.1 ")
        if more:
            key.fileobj.sendall(answers * ask)
        else:
            asked -= answers
"""
"""256 connections that send a position each, and the next as soon as it is answered, until their input ends."""


@contextmanager
def flood(server: ServerInThread, token: str) -> Iterator[None]:
    body = f'{{"positions":[{{"unit_id":"U0","fix_time":"{at()}","lon":{CENTRE[0]},"lat":{CENTRE[1]}}}]}}'
    command = [sys.executable, "-c", FLOOD, str(server.port), token, body]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as flooding:
        yield
        assert flooding.poll() is None, "it flooded to the end"


def test_a_flood_of_one_token_keeps_nobody_waiting(server: ServerInThread, tokens: dict[str, str]) -> None:
    with flood(server, tokens["U0"]):
        with speaks(server, tokens["U0"]) as own:
            refused = eventually(lambda: (it := own.get("/v1/closures")).status_code == 429 and it, "the limit")
            assert "many positions into one" in problem(refused, 429)["detail"] or "under way" in refused.text
            assert int(refused.headers["retry-after"]) >= 1

        with speaks(server, "") as desk, speaks(server, tokens["U1"]) as officer:
            took: dict[str, list[float]] = {}

            def timed(what: str, http: httpx.Client, method: str, path: str, body: Any, status: int) -> Any:
                began = time.monotonic()
                answer = http.request(method, path, json=body)
                took.setdefault(what, []).append(time.monotonic() - began)
                assert answer.status_code == status, (what, answer.text)
                return answer.json()

            session = timed("sign in", desk, "POST", "/v1/session", {"person_id": "lind", "password": PASSWORD}, 201)
            desk.headers["x-csrf-token"] = session["csrf"]
            for n in range(2, 7):
                call = {**PLACE, "priority": 2, "incident_id": f"i{n}"}
                timed("call", desk, "POST", "/v1/incidents", call, 201)
                timed("send", desk, "POST", f"/v1/incidents/i{n}/assignments", {"unit_id": f"U{n}"}, 201)
                timed("look", desk, "GET", "/v1/units/U1", None, 200)
                press = {"unit_id": "U1", "emergency_id": "cry"}
                timed("press", officer, "POST", "/v1/emergencies", press, 201 if n == 2 else 200)
        for what in ("call", "send", "look", "press"):
            assert statistics.median(took[what]) < WITHIN_S, took

        rows = [{"unit_id": "U0", "fix_time": at(), **PLACE, "alarm": "sos"}]
        with speaks(server, tokens["U0"]) as own:
            began = time.monotonic()
            answer = own.post("/v1/positions", json={"positions": rows})
            assert answer.status_code == 202, "the flooding device's own officer is heard"
            assert answer.json()["emergencies"]
            assert time.monotonic() - began < WITHIN_S


@pytest.mark.parametrize("shown", ["", "gb1_wrong"])
def test_a_flood_of_nobody_keeps_no_desk_waiting(server: ServerInThread, tokens: dict[str, str], shown: str) -> None:
    """Who shows no token that holds shares one allowance by address, with nobody who shows one."""
    with flood(server, shown):
        with speaks(server, shown) as nobody:
            eventually(lambda: nobody.get("/v1/units").status_code == 429, "the limit")
        took = []
        with speaks(server, tokens["chief"]) as http:
            for _ in range(20):
                began = time.monotonic()
                assert http.get("/v1/units").status_code == 200
                took.append(time.monotonic() - began)
        assert statistics.median(took) < WITHIN_S, took


def test_emergencies_are_told_in_bodies() -> None:
    assert IN_BODY["/v1/positions"].search(b'{"alarm" : "sos"}')
    assert not IN_BODY["/v1/positions"].search(b'{"alarm": null}')
    assert IN_BODY["/v1/cot"].search(b'<event type="b-a-o-tbl">')
