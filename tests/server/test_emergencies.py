"""An officer presses the button: what every console hears, who is sent, and who may say that it is over."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from geo_backup.eventlog import open_log
from geo_backup.events import EmergencyClearRefused, WordSet
from tests.running import Server, ServerInThread, eventually

pytestmark = pytest.mark.slow
PLACE = (11.9746, 57.7089)


def now(ago_s: float = 0.0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago_s))


def register(http: httpx.Client, unit_id: str, **more: Any) -> None:
    body = {"callsign": unit_id, "agency": "police", "kind": "patrol", "capabilities": ["patrol"]} | more
    assert http.put(f"/v1/units/{unit_id}", json=body).is_success


def ping(http: httpx.Client, unit_id: str, east_deg: float = 0.0, **more: Any) -> dict[str, Any]:
    row = {"unit_id": unit_id, "fix_time": now(), "lon": PLACE[0] + east_deg, "lat": PLACE[1]} | more
    return dict(http.post("/v1/positions", json={"positions": [row]}).json())


def press(http: httpx.Client, unit_id: str, **more: Any) -> httpx.Response:
    return http.post("/v1/emergencies", json={"unit_id": unit_id, **more})


def heard(feed: ClientConnection, incident_id: str) -> dict[str, Any]:
    """The next that a console hears of an incident."""
    for _ in range(100):
        document = json.loads(feed.recv(timeout=10)).get("incidents", {}).get(incident_id)
        if document is not None:
            return dict(document)
    raise AssertionError("the console heard nothing")


@pytest.fixture
def calm(http: httpx.Client) -> Iterator[httpx.Client]:
    """The server, and afterwards every emergency ended."""
    yield http
    for standing in http.get("/v1/emergencies").json()["emergencies"]:
        body = {"by": "supervisor", "who": "Lt. Berg", "reason": "end of the test"}
        assert http.post(f"/v1/emergencies/{standing['incident_id']}/clear", json=body).is_success


def test_from_the_press_to_the_end(calm: httpx.Client, server: Server) -> None:
    http = calm
    for n, unit_id in enumerate(["E1", "E2", "E3"]):
        register(http, unit_id)
        ping(http, unit_id, 0.004 * n)
    assert http.put("/v1/units/E1/word", json={"word": "Blåbär"}).status_code == 204
    assert http.put("/v1/units/E3/status", json={"status": "busy"}).is_success
    with connect(server.feed, proxy=None) as feed:
        feed.send(json.dumps({"type": "hello", "topics": ["incidents"]}))
        assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"
        answer = press(http, "E1", source="phone")
        assert answer.status_code == 201, answer.text
        emergency_id = answer.json()["incident_id"]
        first = heard(feed, emergency_id)
    assert first["priority"] == 1
    assert first["for_unit_id"] == "E1"
    assert first["pinned"]
    assert first["emergency"]["alarms"]
    assert first["emergency"]["placed_by"] == "fix"
    assert (first["lon"], first["lat"]) == pytest.approx(PLACE)
    assert http.get("/v1/units/E1").json()["properties"]["emergency_id"] == emergency_id

    # everybody is ranked, whoever is busy too, but not the officer
    ranking = http.get(f"/v1/incidents/{emergency_id}/ranking").json()
    assert [row["unit_id"] for row in ranking["candidates"]] == ["E2", "E3"]

    # another press within a minute is the same emergency; a desk takes it in hand
    again = press(http, "E1")
    assert again.status_code == 200
    assert again.json()["incident_id"] == emergency_id
    assert again.json()["emergency"]["presses"] == 2
    taken = http.post(f"/v1/emergencies/{emergency_id}/acknowledge", json={"by": "desk 2"}).json()
    assert not taken["emergency"]["alarms"]
    assert [who["by"] for who in taken["emergency"]["acknowledged"]] == ["desk 2"]
    assert not press(http, "E1").json()["emergency"]["alarms"]

    # the officer moves, and the incident with them
    ping(http, "E1", 0.0005, fix_time=now(-1.0))
    assert http.get(f"/v1/incidents/{emergency_id}").json()["lon"] == pytest.approx(PLACE[0] + 0.0005)

    # it does not end by itself: neither by closing nor by retiring, nor with a wrong word
    assert http.post(f"/v1/incidents/{emergency_id}/close").status_code == 409
    assert http.delete("/v1/units/E1").status_code == 409
    assert http.put("/v1/units/E1/word", json={"word": "mine now"}).status_code == 409
    url = f"/v1/emergencies/{emergency_id}/clear"
    assert http.post(url, json={"by": "unit", "word": "hallon"}).status_code == 403
    assert http.post(url, json={"by": "supervisor", "who": "Lt. Berg"}).status_code == 422
    assert [e["incident_id"] for e in http.get("/v1/emergencies").json()["emergencies"]] == [emergency_id]
    ended = http.post(url, json={"by": "unit", "word": " BLÅBÄR"})
    assert ended.status_code == 200, ended.text
    assert not ended.json()["emergency"]["stands"]
    assert ended.json()["emergency"]["cleared_by"] == "unit E1"
    assert ended.json()["state"] == "open"
    assert http.post(url, json={"by": "unit", "word": "Blåbär"}).status_code == 409
    assert http.get("/v1/units/E1").json()["properties"]["emergency_id"] is None
    assert http.get("/v1/emergencies").json() == {"emergencies": []}
    assert http.post(f"/v1/incidents/{emergency_id}/close").is_success
    # and the next press is a new one
    assert press(http, "E1").status_code == 201


def test_case_6_a_press_does_not_wait_behind_what_a_slow_console_has_not_read(
    calm: httpx.Client, server: Server
) -> None:
    """One console reads, another stands still while up to 18,000 positions change: when it reads again, it hears of
    the officer among its first frames. A console that stands still for 40 s is cut off, so a slow machine has fewer
    rounds."""
    units, rounds_least, rounds_most, rounds_s = [f"S{n}-{'x' * 58}" for n in range(300)], 36, 60, 12.0
    fix = {"lon": PLACE[0], "lat": PLACE[1], "speed_mps": 12.25, "course_deg": 123.5, "accuracy_m": 4.5}
    for unit_id in units:
        register(calm, unit_id)

    def console(link: socket.socket) -> ClientConnection:
        feed = connect(server.feed, sock=link, proxy=None, compression=None, max_size=64 << 20, max_queue=1)
        feed.send(json.dumps({"type": "hello", "topics": ["units", "positions", "incidents"]}))
        return feed

    def frames_until_the_cry(feed: ClientConnection, seen: list[int]) -> tuple[int, str]:
        for frames in range(1, 10 * rounds_most):
            seen.append(frames)
            for incident_id, incident in json.loads(feed.recv(timeout=10)).get("incidents", {}).items():
                if incident["emergency"] and incident["emergency"]["alarms"]:
                    return frames, incident_id
        raise AssertionError("the console heard nothing")

    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    narrow.connect(("127.0.0.1", server.port))
    wide = socket.create_connection(("127.0.0.1", server.port))
    with console(narrow) as slow, console(wide) as quick, ThreadPoolExecutor(1) as beside:
        reading = beside.submit(frames_until_the_cry, quick, seen := [])
        until = time.monotonic() + rounds_s
        for n in range(rounds_most):
            if n >= rounds_least and time.monotonic() > until:
                break
            fix_time = f"{now()[:-1]}.{n:03}Z"
            rows = [{"unit_id": u, "fix_time": fix_time, **fix} for u in units]
            assert calm.post("/v1/positions", json={"positions": rows}).json()["accepted"] == len(units)
            eventually(lambda before=len(seen): len(seen) > before, "a frame of its own for each round")
        emergency_id = press(calm, units[1]).json()["incident_id"]
        quick_frames, quick_heard = reading.result()
        slow_frames, slow_heard = frames_until_the_cry(slow, [])
    print("FRAMES", quick_frames, slow_frames, n)
    assert quick_heard == slow_heard == emergency_id
    assert quick_frames > rounds_least, "a frame of its own for each round"
    assert slow_frames <= quick_frames / 4, f"it stood behind {slow_frames} frames; who reads had {quick_frames}"


def test_words_cannot_be_guessed(calm: httpx.Client) -> None:
    http = calm
    register(http, "G1")
    ping(http, "G1")
    assert http.put("/v1/units/G1/word", json={"word": "elk river"}).status_code == 204
    url = f"/v1/emergencies/{press(http, 'G1').json()['incident_id']}/clear"
    said = [http.post(url, json={"by": "unit", "word": f"guess {n}"}).status_code for n in range(7)]
    assert said == [403] * 5 + [429] * 2
    assert http.post(url, json={"by": "unit", "word": "elk river"}).status_code == 429
    assert http.post(url, json={"by": "supervisor", "who": "Lt. Berg", "reason": "seen safe"}).status_code == 200


def test_a_unit_without_a_word_needs_a_supervisor(calm: httpx.Client) -> None:
    register(calm, "W1")
    emergency_id = press(calm, "W1").json()["incident_id"]
    url = f"/v1/emergencies/{emergency_id}/clear"
    assert calm.post(url, json={"by": "unit", "word": "anything"}).status_code == 403
    assert calm.post(url, json={"by": "unit"}).status_code == 422
    assert calm.post(url, json={"by": "supervisor", "who": "Lt. Berg", "reason": "by radio"}).status_code == 200


def test_no_press_is_refused_for_its_place(calm: httpx.Client) -> None:
    """No fix: what the alert says, else home, else the middle of the map; nor need the place be on the map."""
    register(calm, "N1")
    nothing = press(calm, "N1").json()
    assert nothing["emergency"]["placed_by"] == "nothing"
    told = press(calm, "N1", lon=PLACE[0], lat=PLACE[1]).json()
    assert told["incident_id"] == nothing["incident_id"]
    assert told["emergency"]["placed_by"] == "alert"
    assert (told["lon"], told["lat"]) == PLACE
    register(calm, "N2", home=[11.99, 57.70])
    assert press(calm, "N2").json()["emergency"]["placed_by"] == "home"
    register(calm, "N3")
    away = press(calm, "N3", lon=-122.4, lat=37.8)
    assert away.status_code == 201
    assert away.json()["lon"] == -122.4
    ranking = calm.get(f"/v1/incidents/{away.json()['incident_id']}/ranking").json()
    assert "INCIDENT_OFF_MAP" in ranking["warnings"]
    nobody = press(calm, "nobody")
    assert (nobody.status_code, nobody.json()["warnings"]) == (201, ["UNIT_NOT_LISTED"])


def test_the_button_of_a_device(calm: httpx.Client) -> None:
    register(calm, "D1")
    said = ping(calm, "D1", alarm="sos", accuracy_m=5.0)
    (emergency_id,) = said["emergencies"]
    incident = calm.get(f"/v1/incidents/{emergency_id}").json()
    assert incident["emergency"]["sources"] == ["device"]
    assert (incident["lon"], incident["lat"]) == PLACE
    # a position out of range is refused, the cry is not
    broken = ping(calm, "D1", alarm="sos", lat=95.0)
    assert broken["refused"][0]["field"] == "/positions/0/lat"
    assert broken["emergencies"] == [emergency_id]
    assert "emergencies" not in ping(calm, "D1", 0.0001)


def test_a_drill_touches_no_real_unit(calm: httpx.Client) -> None:
    register(calm, "X1")
    ping(calm, "X1")
    drill = press(calm, "X1", exercise=True).json()
    assert drill["exercise"]
    assert calm.get("/v1/units/X1").json()["properties"]["emergency_id"] is None
    real = press(calm, "X1")
    assert real.status_code == 201
    assert real.json()["incident_id"] != drill["incident_id"]


def test_the_log_keeps_refusals_and_no_word(tmp_path: Path) -> None:
    """Ended by nobody, the emergency stands after the power failed; the word is nowhere in the log."""
    log = tmp_path / "log.sqlite"
    server: Server = Server(log).start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        register(http, "L1")
        assert http.put("/v1/units/L1/word", json={"word": "cloudberry"}).status_code == 204
        emergency_id = press(http, "L1").json()["incident_id"]
        url = f"/v1/emergencies/{emergency_id}/clear"
        assert http.post(url, json={"by": "unit", "word": "raspberry"}).status_code == 403
        server.kill()
        server = ServerInThread(log, port=server.port).start()
        assert http.get("/v1/emergencies").json()["emergencies"][0]["emergency"]["alarms"]
        assert http.post(url, json={"by": "unit", "word": "Cloudberry"}).status_code == 200
    server.stop()
    opened = open_log(log, read_only=True)
    try:
        events = [event for _, event in opened.read_all()]
    finally:
        opened.close()
    refused = [event for event in events if isinstance(event, EmergencyClearRefused)]
    assert [(event.emergency_id, event.by, event.who) for event in refused] == [(emergency_id, "unit", "L1")]
    (word,) = (event for event in events if isinstance(event, WordSet))
    assert "berry" not in word.digest + word.salt


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"lon": 500, "lat": 57.7}, {}),
        ({"lon": "x", "lat": None}, {}),
        ({"lon": 11.97}, {}),
        ({"battery": 3, "emergency_id": "a/b", "source": "radio", "exercise": "no"}, {}),
        ({}, {"content-type": "text/plain"}),
        ({}, {"content-type": "application/x-www-form-urlencoded"}),
    ],
)
def test_a_press_is_heard_whatever_else_is_wrong_with_it(
    calm: httpx.Client, body: dict[str, object], headers: dict[str, str]
) -> None:
    register(calm, "W9")
    said = json.dumps({"unit_id": "W9", **body})
    answer = calm.post("/v1/emergencies", content=said, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    assert answer.json()["emergency"]["alarms"] is True
    assert answer.json()["exercise"] is False
    assert ("FIELDS_UNKNOWN" in answer.json()["warnings"]) == bool(body)


def test_only_a_press_without_a_unit_is_refused(calm: httpx.Client) -> None:
    for body in (b"", b"{", b"[]", b'{"lon": 1}', b'{"unit_id": 7}', b'{"unit_id": "a/b"}'):
        assert calm.post("/v1/emergencies", content=body).status_code in (400, 422)
