"""Messages over HTTP and in the feed: sent once, to those who are there, acknowledged by each unit for itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from geo_backup.server import feed, screens
from geo_backup.wire.times import to_text
from tests.asking import SOUTH, names, new_unit, problem
from tests.running import ServerInThread, eventually
from tests.server.test_access import speaks
from tests.stories import T0


@pytest.fixture(scope="module")
def server(guarded: ServerInThread) -> ServerInThread:
    return guarded


@pytest.fixture(scope="module")
def of(server: ServerInThread) -> Iterator[dict[str, httpx.Client]]:
    """A client for each speaker: the centre, two agencies, the units P1 and P2, and the device of P1."""
    assert server.roster is not None
    issue = server.roster.tokens.issue
    shown = {
        "centre": issue("centre", "program", agency="*", roles=("supervisor",), by="test"),
        "police": issue("police", "program", agency="police", roles=("dispatcher",), by="test"),
        "fire": issue("fire", "program", agency="fire", roles=("dispatcher",), by="test"),
        "p1": issue("p1", "program", agency="police", roles=("field_unit",), units=("P1",), by="test"),
        "p2": issue("p2", "program", agency="police", roles=("field_unit",), units=("P2",), by="test"),
        "device": issue("d1", "device", agency="police", roles=("device",), units=("P1",), by="test"),
    }
    clients = {name: speaks(server, token) for name, token in shown.items()}
    for unit_id, agency in (("P1", "police"), ("P2", "police"), ("UC", "police"), ("F1", "fire"), ("F2", "fire")):
        body = {"callsign": unit_id, "agency": agency, "kind": agency, "capabilities": [], "hidden": unit_id == "UC"}
        assert clients["centre"].put(f"/v1/units/{unit_id}", json=body).status_code == 201
    assert clients["centre"].put("/v1/units/F2/status", json={"status": "out_of_service"}).status_code == 200
    yield clients
    for client in clients.values():
        client.close()


def recipients(answer: httpx.Response) -> list[str]:
    assert answer.status_code in (200, 201), answer.text
    return [row["unit_id"] for row in answer.json()["recipients"]]


def ids(client: httpx.Client, **asked: str) -> list[str]:
    return [row["message_id"] for row in client.get("/v1/messages", params=asked).json()["messages"]]


def test_a_message_sent_twice_is_one_and_another_under_its_id_is_refused(of: dict[str, httpx.Client]) -> None:
    desk = of["police"]
    body = {"message_id": "twice", "text": "use the gate", "to": "units", "unit_ids": ["P1"]}
    assert [desk.post("/v1/messages", json=body).status_code for _ in range(3)] == [201, 200, 200]
    problem(desk.post("/v1/messages", json={**body, "text": "not that one"}), 409, "id_taken", "/message_id")
    for wrong in ({"text": ""}, {"text": "  "}, {"text": "x" * 501}, {"unit_ids": []}, {"to": "all"}, {"to": "you"}):
        problem(desk.post("/v1/messages", json={**body, "message_id": "wrong", **wrong}), 422)
    problem(desk.post("/v1/messages", json={"text": "x", "to": "incident"}), 422, "missing", "/incident_id")
    problem(desk.post("/v1/messages", json={**body, "message_id": "wrong", "unit_ids": ["P9"]}), 404)
    assert recipients(desk.post("/v1/messages", json=body)) == ["P1"]


def test_it_goes_to_those_who_are_there_when_it_is_sent(of: dict[str, httpx.Client]) -> None:
    centre, police = of["centre"], of["police"]
    place = {"lon": SOUTH[0], "lat": SOUTH[1], "priority": 2}
    incident_id = f"i{next(names)}"
    assert (
        centre.post("/v1/incidents", json={**place, "incident_id": incident_id, "agency": "police"}).status_code == 201
    )
    body = {"text": "two dogs in the yard", "to": "incident", "incident_id": incident_id}
    problem(police.post("/v1/messages", json=body), 409, "nobody_to_hear")
    for unit_id in ("P1", "F1"):
        answer = centre.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id})
        assert answer.status_code == 201
    said = police.post("/v1/messages", json={**body, "message_id": "yard"})
    assert recipients(said) == ["P1", "F1"], "whoever helps here hears it"
    assert said.json()["incident_id"] == incident_id
    assert recipients(police.post("/v1/messages", json={"text": "shift ends", "to": "all"})) == ["P1", "P2"]
    assert recipients(of["centre"].post("/v1/messages", json={"text": "storm", "to": "all"})) == [
        "P1",
        "P2",
        "UC",
        "F1",
    ]
    problem(of["fire"].post("/v1/messages", json={"text": "x", "to": "units", "unit_ids": ["P2"]}), 404)

    moments = eventually(
        lambda: [
            row
            for row in police.get(f"/v1/incidents/{incident_id}/timeline").json()["moments"]
            if row["what"] == "message_sent"
        ],
        "it is of the incident's record",
    )
    assert moments[0]["values"]["text"] == "two dogs in the yard"
    centre.post(f"/v1/incidents/{incident_id}/close")


def test_each_unit_acknowledges_for_itself(of: dict[str, httpx.Client]) -> None:
    body = {"message_id": "mine", "text": "call in", "to": "units", "unit_ids": ["P1", "P2"], "urgent": True}
    assert of["police"].post("/v1/messages", json=body).status_code == 201
    path = "/v1/messages/mine/acknowledge"
    problem(of["p2"].post(path, json={"unit_id": "P1"}), 404)
    problem(of["device"].post(path, json={"unit_id": "P2"}), 404)
    problem(of["p1"].post("/v1/messages", json=body), 403)
    assert "mine" in ids(of["p1"], unit_id="P1")
    shown = of["device"].post(path, json={"unit_id": "P1", "state": "shown"}).json()["recipients"]
    assert [(row["unit_id"], row["acknowledged_time"]) for row in shown] == [("P1", None)], "a device sees its own"
    assert shown[0]["shown_time"]
    for _ in range(2):
        known = of["p1"].post(path, json={"unit_id": "P1"}).json()["recipients"][0]
    assert known["acknowledged_time"] >= known["shown_time"] == shown[0]["shown_time"]
    of["police"].post(path, json={"unit_id": "P2"})
    row = next(row for row in of["centre"].get("/v1/messages").json()["messages"] if row["message_id"] == "mine")
    assert [bool(one["acknowledged_time"]) for one in row["recipients"]] == [True, True]
    assert "police" in row["recipients"][1]["by"], "who heard it by radio"
    problem(of["p1"].post("/v1/messages/none/acknowledge", json={"unit_id": "P1"}), 404)


def test_who_sees_none_of_its_units_knows_of_no_message(of: dict[str, httpx.Client]) -> None:
    body = {"message_id": "secret", "text": "stay where you are", "to": "units", "unit_ids": ["UC"], "urgent": True}
    assert of["centre"].post("/v1/messages", json=body).status_code == 201
    assert "secret" in ids(of["centre"])
    for name in ("police", "fire", "p1"):
        assert "secret" not in of[name].get("/v1/messages").text


def test_a_desk_is_told_which_units_have_nothing_to_show_it(
    of: dict[str, httpx.Client], server: ServerInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(screens, "LOOKS_S", 0.0)
    assert server.roster is not None
    for unit_id, agency in (("N1", "police"), ("N2", "fire")):
        body = {"callsign": unit_id, "agency": agency, "kind": agency, "capabilities": []}
        assert of["centre"].put(f"/v1/units/{unit_id}", json=body).status_code == 201
        said = {"message_id": f"to-{unit_id}", "text": "come in", "to": "units", "unit_ids": [unit_id]}
        assert of["centre"].post("/v1/messages", json=said).status_code == 201
    token = server.roster.tokens.issue(
        "n1", "program", agency="police", roles=("field_unit",), units=("N1",), by="test"
    )
    with (
        follows(of["police"], server, "incidents") as desk,
        httpx.Client(base_url=server.url, trust_env=False) as phone,
    ):

        def told() -> bool:
            """Whether the desk is told of N1; of N2 it never is."""
            while (message := json.loads(desk.recv(timeout=10)))["type"] != "no_phone":
                pass
            assert "N2" not in message["units"]
            return "N1" in message["units"]

        assert told()
        code = of["police"].post("/v1/units/N1/page_code").json()["code"]
        assert phone.post("/v1/session/unit", json={"code": code}).status_code == 201
        assert not told()
        assert of["police"].delete("/v1/units/N1/phones").is_success
        assert told()
        with speaks(server, token) as program, follows(program, server, "messages"):
            assert not told()
        assert told()
        with speaks(server, token) as program:
            shown = {"unit_id": "N1", "state": "shown"}
            assert program.post("/v1/messages/to-N1/acknowledge", json=shown).is_success
        assert not told()


def follows(client: httpx.Client, server: ServerInThread, topic: str) -> ClientConnection:
    """The feed of who has this client's token."""
    headers = {"Authorization": client.headers["Authorization"]}
    line = connect(server.feed, additional_headers=headers, proxy=None, max_size=None)
    line.send(json.dumps({"type": "hello", "topics": [topic]}))
    return line


def test_the_feed_tells_it_and_an_urgent_one_is_loud_until_it_is_answered(tmp_path: Path) -> None:
    server = ServerInThread(tmp_path / "log.sqlite", ("--clock", "replay")).start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http, connect(server.feed) as viewer:

        def heard(message_id: str) -> dict[str, Any]:
            while True:
                told: dict[str, Any] = json.loads(viewer.recv(timeout=20)).get("messages", {})
                if message_id in told:
                    return dict(told[message_id])

        def loud() -> list[str]:
            timers = http.get("/v1/timers").json()["timers"]
            return [row["timer_id"] for row in timers if (row["rule"], row["level"]) == ("message", "loud")]

        def set_clock(s: float) -> None:
            http.post("/v1/replay", json={"time": to_text(T0 + round(s * 1000)), "playing": False}).raise_for_status()

        viewer.send(json.dumps({"type": "hello", "topics": ["messages"]}))
        set_clock(0)
        unit_id = new_unit(http)
        body = {"message_id": "m1", "text": "leave the house", "to": "units", "unit_ids": [unit_id], "urgent": True}
        assert http.post("/v1/messages", json=body).status_code == 201
        assert heard("m1")["text"] == "leave the house"
        set_clock(59)
        assert loud() == []
        set_clock(61)
        name = eventually(loud, "it is loud")[0]
        assert http.post(f"/v1/timers/{name}/acknowledge", json={}).json()["message_id"] == "m1"
        assert loud() == []
        assert http.get("/v1/handover").json()["timers"][-1]["message_id"] == "m1"
        assert http.post("/v1/messages/m1/acknowledge", json={"unit_id": unit_id}).status_code == 200
        assert heard("m1")["recipients"][0]["acknowledged_time"]
        eventually(lambda: http.get("/v1/timers").json()["timers"] == [], "it is answered")
        past = http.get("/v1/past", params={"at": to_text(T0 + 1_000), "topics": "messages"}).json()
        assert past["messages"]["m1"]["recipients"][0]["acknowledged_time"] is None
    server.stop()
    assert "Traceback" not in server.said()
