"""The officer's page from the side of the server: how a phone is let in, what it may say, and how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from geo_backup.people import Principal, Roster
from geo_backup.server.phones import CODE_S, CODES_KEPT, PER_UNIT, Phones
from geo_backup.server.speaker import UNIT_COOKIE, Speakers
from tests.asking import NORTH, SOUTH, at, new_incident, new_unit, problem, report, unit_body
from tests.running import ServerInThread, events_in, eventually
from tests.server.test_access import speaks
from tests.told import Told

AS_UNIT = {"x-unit-page": "1"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerInThread, str]]:
    """A server for which a desk is configured, and the desk's token."""
    folder = tmp_path_factory.mktemp("phones")
    roster = Roster(folder / "people.sqlite")
    token = roster.tokens.issue("desk", "program", agency="*", roles=("supervisor", "auditor"), by="test")
    server = ServerInThread(folder / "log.sqlite", roster=roster).start()
    with speaks(server, token) as http:
        for unit_id in ("P1", "P2"):
            assert http.put(f"/v1/units/{unit_id}", json=unit_body(callsign=unit_id)).status_code == 201
    yield server, token
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture
def desk(closed: tuple[ServerInThread, str]) -> Iterator[httpx.Client]:
    with speaks(*closed) as http:
        Told.of(http)
        yield http


@contextmanager
def phone_of(desk: httpx.Client, unit_id: str) -> Iterator[httpx.Client]:
    """A phone that has scanned a code of a unit; it shows its page's word with whatever it sends."""
    code = desk.post(f"/v1/units/{unit_id}/page_code").json()["code"]
    with httpx.Client(base_url=desk.base_url, headers=AS_UNIT, trust_env=False, timeout=30) as http:
        session = http.post("/v1/session/unit", json={"code": code})
        assert session.status_code == 201, session.text
        http.headers["x-csrf-token"] = session.json()["csrf"]
        yield http


def test_a_code_lets_one_phone_in_once(desk: httpx.Client, closed: tuple[ServerInThread, str]) -> None:
    made = desk.post("/v1/units/P1/page_code")
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    told = made.json()
    address = urlsplit(told["url"])
    assert (address.path, address.query, address.fragment) == ("/unit", "", f"code={told['code']}")
    assert told["qr"].startswith("<svg")
    with httpx.Client(base_url=desk.base_url, headers=AS_UNIT, trust_env=False) as phone:
        answer = phone.post("/v1/session/unit", json={"code": told["code"]})
        assert answer.json()["speaker"]["unit_ids"] == ["P1"]
        assert answer.json()["speaker"]["roles"] == ["device", "field_unit"]
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert 43_000 < int(re.findall(r"Max-Age=(\d+)", cookie)[0]) <= 43_200
        phone.cookies.clear()
        problem(phone.post("/v1/session/unit", json={"code": told["code"]}), 401)
    problem(desk.post("/v1/units/nobody/page_code"), 404)
    server = closed[0]
    for secret in (told["code"], cookie.partition("=")[2].partition(";")[0]):
        assert secret not in server.said()
        assert secret.encode() not in server.log.read_bytes()


def test_a_code_waits_ten_minutes_and_not_for_ever(tmp_path: Path) -> None:
    now_s = 0.0
    phones = Phones(Speakers(), now_s=lambda: now_s)
    early, late = phones.code("P1"), phones.code("P2")
    now_s = CODE_S - 1
    assert phones.take(early) == "P1"
    assert phones.take(early) is None
    now_s = CODE_S
    assert phones.take(late) is None
    first, *_ = [phones.code("P1") for _ in range(CODES_KEPT + 1)]
    assert phones.take(first) is None


def test_a_phone_speaks_for_its_unit_alone(desk: httpx.Client) -> None:
    with phone_of(desk, "P1") as phone:
        rows = [{"unit_id": name, "fix_time": at(), "lon": NORTH[0], "lat": NORTH[1]} for name in ("P1", "P2")]
        answer = phone.post("/v1/positions", json={"positions": rows}).json()
        assert (answer["accepted"], [row["index"] for row in answer["refused"]]) == (1, [1])
        assert phone.put("/v1/units/P1/status", json={"status": "busy"}).status_code == 200
        assert phone.put("/v1/units/P2/status", json={"status": "busy"}).status_code in (403, 404)
        problem(phone.post("/v1/units/P2/backup", json={}), 404)
        problem(phone.post("/v1/emergencies", json={"unit_id": "P2"}), 403)
        problem(phone.post("/v1/units/P1/page_code"), 403)
        problem(phone.delete("/v1/units/P1/phones"), 403)
        problem(phone.post("/v1/incidents", json={"lon": NORTH[0], "lat": NORTH[1], "priority": 1}), 403)
        assert [row["id"] for row in phone.get("/v1/units").json()["features"]] == ["P1"]
        word = phone.headers.pop("x-csrf-token")
        problem(phone.put("/v1/units/P1/status", json={"status": "available"}), 403)
        phone.headers["x-csrf-token"] = word
        del phone.headers["x-unit-page"]  # a desk's page in the same browser is nobody by the phone's cookie
        problem(phone.get("/v1/units"), 401)


def test_a_desk_ends_a_units_phones_and_their_feeds(desk: httpx.Client, closed: tuple[ServerInThread, str]) -> None:
    server = closed[0]
    desk.delete("/v1/units/P1/phones")
    with phone_of(desk, "P1") as one, phone_of(desk, "P1") as two, phone_of(desk, "P2") as other:
        assert len(desk.get("/v1/units/P1/phones").json()["phones"]) == 2
        waiting = desk.post("/v1/units/P1/page_code").json()["code"]
        cookie = {"Cookie": f"{UNIT_COOKIE}={one.cookies[UNIT_COOKIE]}"}
        with connect(f"{server.feed}?page=unit", additional_headers=cookie, proxy=None) as feed:
            feed.send(json.dumps({"type": "hello", "topics": ["units"]}))
            assert list(json.loads(feed.recv(timeout=10))["units"]) == ["P1"]
            assert desk.delete("/v1/units/P1/phones").json() == {"phones": []}
            with pytest.raises(ConnectionClosed) as gone:
                eventually(lambda: feed.recv(timeout=10) and None)
        assert gone.value.rcvd is not None
        assert gone.value.rcvd.code == 4401
        assert one.get("/v1/units").status_code == two.get("/v1/units").status_code == 401
        one.cookies.clear()
        assert one.post("/v1/session/unit", json={"code": waiting}).status_code == 401
        assert other.get("/v1/units").status_code == 200
        ended = other.delete("/v1/session")
        assert ended.status_code == 204
        assert f'{UNIT_COOKIE}=""' in ended.headers["set-cookie"]
    ends = [event for event in events_in(server.log) if type(event).__name__ == "SignedOut"]
    assert {event.said_by for event in ends} >= {"program:desk"}


def test_a_phone_is_told_that_its_incident_is_over(desk: httpx.Client, closed: tuple[ServerInThread, str]) -> None:
    """Whose sight is narrow hears of an end as everybody does, and of nobody else's incident."""
    with phone_of(desk, "P1") as phone:
        cookie = {"Cookie": f"{UNIT_COOKIE}={phone.cookies[UNIT_COOKIE]}"}
        with connect(f"{closed[0].feed}?page=unit", additional_headers=cookie, proxy=None) as feed:
            feed.send(json.dumps({"type": "hello", "topics": ["incidents"]}))

            def told() -> dict[str, Any] | None:
                incidents: dict[str, Any] | None = json.loads(feed.recv(timeout=10)).get("incidents")
                return incidents or None

            assert not json.loads(feed.recv(timeout=10))["incidents"]
            new_incident(desk, incident_id="not-theirs")
            assert phone.post("/v1/emergencies", json={"unit_id": "P1", "emergency_id": "cry"}).status_code == 201
            assert list(eventually(told)) == ["cry"]
            end = {"by": "supervisor", "who": "Chief", "reason": "seen safe"}
            assert desk.post("/v1/emergencies/cry/clear", json=end).status_code == 200
            for incident_id in ("cry", "not-theirs"):
                assert desk.post(f"/v1/incidents/{incident_id}/close").status_code == 200
            assert eventually(lambda: (told() or {}).get("cry", "open") is None)


def test_a_phone_ends_with_the_shift(desk: httpx.Client) -> None:
    crew = {"crew": [{"capabilities": ["patrol"]}], "shift_ends": at(3_600)}
    assert desk.put("/v1/units/P2/crew", json=crew).status_code == 200
    with phone_of(desk, "P2") as phone:
        assert phone.get("/v1/session").json()["until"][:16] == crew["shift_ends"][:16]


def test_phones_survive_a_restart_and_are_not_too_many(tmp_path: Path) -> None:
    roster = Roster(tmp_path / "people.sqlite")
    roster.tokens.issue("desk", "program", agency="*", roles=("dispatcher",), by="test")
    speakers = Speakers(roster)
    who = Principal("device", "", "police", frozenset({"field_unit"}), frozenset({"P1"}), until_ms=2**42)
    shown = [speakers.begin_phone(replace(who, id=f"phone-{n}"), "here")[0] for n in range(3)]
    again = Speakers(Roster(tmp_path / "people.sqlite"))
    found = again.who(shown[0])
    assert found is not None
    assert (found.said_by, found.units, found.session) == ("device:phone-0", who.units, "phone-0")
    assert again.holds(found) == found
    assert [one.id for one in again.phones_of("P1")] == ["phone-0", "phone-1", "phone-2"]
    assert [(one.session_id, one.by_provider) for one in roster.sessions.standing("phone-1")] == [("phone-1", False)]
    again.end_phone(found)
    assert again.holds(found) is None
    assert again.end_idle(0.0) == []
    assert PER_UNIT > 2


def test_an_open_server_keeps_phones_to_themselves(server: ServerInThread, http: httpx.Client) -> None:
    """Nobody is configured, and nobody is by a phone; in the same browser the desk stays who it is."""
    unit_id = new_unit(http, NORTH)
    with phone_of(http, unit_id) as phone:
        assert phone.get("/v1/session").json()["speaker"]["unit_ids"] == [unit_id]
        assert [row["id"] for row in phone.get("/v1/units").json()["features"]] == [unit_id]
        del phone.headers["x-unit-page"]
        assert phone.get("/v1/session").json()["speaker"] is None
        assert http.get("/healthz").json()["open"] is True
        phone.headers.update(AS_UNIT)
        http.delete(f"/v1/units/{unit_id}/phones")
        assert phone.get("/v1/session").json()["speaker"] is None


def test_an_officer_asks_for_more(desk: httpx.Client) -> None:
    """Once for each press, wherever it is, on top of whoever works there."""
    for name, place in (("P1", NORTH), ("P2", SOUTH)):
        report(desk, {"unit_id": name, "lon": place[0], "lat": place[1]})
    with phone_of(desk, "P1") as phone:
        ask = {"mode": "immediate", "units": 2, "request_id": "b-one", "note": "two, at once"}
        asked = phone.post("/v1/units/P1/backup", json=ask)
        assert asked.status_code == 201, asked.text
        assert phone.post("/v1/units/P1/backup", json=ask).status_code == 200
        incident = desk.get("/v1/incidents/b-one").json()
        assert (incident["for_unit_id"], incident["pinned"], incident["mode"]) == ("P1", True, "immediate")
        assert (incident["priority"], incident["agency"]) == (1, "police")
        assert [need["count"] for need in incident["requirement"]] == [2]
        more = phone.post("/v1/units/P1/backup", json={**ask, "units": 1, "mode": "delayed", "request_id": "b-two"})
        assert [need["count"] for need in more.json()["requirement"]] == [3]
        assert more.json()["incident_id"] == "b-one"
        assert incident["note"] == "two, at once"
        assert [(note["note_id"], note["text"]) for note in more.json()["notes"]] == [
            ("call:P1:b-one", "P1 asks for 2 more, at once"),
            ("call:P1:b-two", "P1 asks for 1 more, when units are free: two, at once"),
        ]
    assert desk.post("/v1/incidents/b-one/close").status_code == 200
    desk.put("/v1/units/P2/crew", json={"crew": [{"capabilities": []}], "shift_ends": None})
    desk.put("/v1/units/P3", json=unit_body(callsign="P3"))
    with phone_of(desk, "P3") as phone:
        problem(phone.post("/v1/units/P3/backup", json={}), 422, field="/lon")
        here = {"lon": NORTH[0], "lat": NORTH[1], "request_id": "b-here"}
        assert phone.post("/v1/units/P3/backup", json=here).status_code == 201
        desk.post("/v1/incidents/b-here/close")
