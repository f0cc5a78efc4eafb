"""Timers over HTTP and in the feed: raised once, quiet and then loud, seen to by somebody; time is set by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from geo_backup.events import TimerAcknowledged, TimerRaised
from geo_backup.wire.times import to_ms, to_text
from tests.asking import NORTH, SOUTH, new_incident, new_unit, problem
from tests.running import Server, ServerInThread, events_in, eventually
from tests.stories import T0
from tests.told import Told


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = ServerInThread(tmp_path_factory.mktemp("timers") / "log.sqlite", ("--clock", "replay")).start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as client:
        Told.of(client)
        set_clock(client, 0)
        yield client


def set_clock(http: httpx.Client, s: float) -> None:
    """The node's clock stands at this second of the story."""
    body = {"time": to_text(T0 + round(s * 1000)), "playing": False}
    assert http.post("/v1/replay", json=body).status_code == 200


def due(http: httpx.Client, incident_id: str) -> list[dict[str, Any]]:
    rows = http.get("/v1/timers").json()["timers"]
    return [row for row in rows if row["incident_id"] == incident_id]


def missed(http: httpx.Client, incident_id: str, rule: str, level: str = "quiet") -> dict[str, Any]:
    """The timer of a rule, once the node has looked."""

    def found() -> dict[str, Any] | None:
        return next((row for row in due(http, incident_id) if (row["rule"], row["level"]) == (rule, level)), None)

    return eventually(found, f"{rule}, {level}")


def test_a_call_whose_units_are_missed_from_its_opening_to_its_end(server: Server, http: httpx.Client) -> None:
    unit_id, incident_id = new_unit(http), new_incident(http, priority=1)
    set_clock(http, 61)
    nobody = missed(http, incident_id, "unattended")
    assert (nobody["unit_id"], nobody["since"], nobody["due_time"]) == (None, to_text(T0), to_text(T0 + 60_000))
    set_clock(http, 100)
    missed(http, incident_id, "unattended", "loud")
    assert http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id}).status_code == 201
    eventually(lambda: not due(http, incident_id), "a unit is sent: nobody is missed")
    set_clock(http, 131)
    asked = missed(http, incident_id, "acknowledge")
    assert asked["unit_id"] == unit_id
    seen = http.post(f"/v1/timers/{asked['timer_id']}/acknowledge", json={"by": "desk 4"}).json()
    assert (seen["acknowledged"]["by"], seen["level"]) == ("desk 4", "quiet")
    again = http.post(f"/v1/timers/{asked['timer_id']}/acknowledge", json={"by": "desk 5"})
    assert again.json()["acknowledged"]["by"] == "desk 4", "once"
    set_clock(http, 200)
    assert missed(http, incident_id, "acknowledge")["acknowledged"] is not None, "not loud: it was seen to"
    http.put(f"/v1/units/{unit_id}/status", json={"status": "on_scene"})
    set_clock(http, 801)
    word = missed(http, incident_id, "welfare")
    http.post(f"/v1/timers/{word['timer_id']}/acknowledge", json={"by": "desk 4"})
    eventually(lambda: not due(http, incident_id), "the crew is well")
    http.post(f"/v1/incidents/{incident_id}/close")
    facts = [event for event in events_in(server.log) if isinstance(event, TimerRaised)]
    assert [event.rule for event in facts if event.incident_id == incident_id] == [
        "unattended",
        "acknowledge",
        "welfare",
    ]
    assert sum(isinstance(event, TimerAcknowledged) for event in events_in(server.log)) == 2
    told = http.get(f"/v1/incidents/{incident_id}/timeline").json()["moments"]
    assert [one["values"].get("rule") for one in told if one["what"] == "timer_raised"] == [
        "unattended",
        "acknowledge",
        "welfare",
    ]
    assert [one["values"]["by"] for one in told if one["what"] == "timer_acknowledged"] == ["desk 4", "desk 4"]
    problem(http.post(f"/v1/timers/{word['timer_id']}/acknowledge", json={"by": "desk 4"}), 404)


def test_on_an_open_server_nobody_is_asked_for_a_name(http: httpx.Client) -> None:
    set_clock(http, 1_500)
    incident_id = new_incident(http, priority=1)
    set_clock(http, 1_561)
    timer_id = missed(http, incident_id, "unattended")["timer_id"]
    seen = http.post(f"/v1/timers/{timer_id}/acknowledge", json={})
    assert seen.json()["acknowledged"]["by"] == "desk"
    http.post(f"/v1/incidents/{incident_id}/close")


def test_the_feed_tells_timers_as_they_come_grow_loud_and_go(server: Server, http: httpx.Client) -> None:
    set_clock(http, 2_000)
    with connect(server.feed, proxy=None, max_size=None) as feed:
        feed.send(json.dumps({"type": "hello", "topics": ["timers"]}))
        assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"

        def next_of(incident_id: str) -> tuple[str, dict[str, Any] | None]:
            while True:
                message = json.loads(feed.recv(timeout=20))
                for name, value in message.get("timers", {}).items() if message["type"] == "frame" else ():
                    if f":{incident_id}:" in name:
                        return name, value

        incident_id = new_incident(http, SOUTH, priority=1, exercise=True)
        set_clock(http, 2_061)
        name, value = next_of(incident_id)
        assert value is not None
        assert (value["level"], value["exercise"]) == ("quiet", True)
        set_clock(http, 2_091)
        assert (next_of(incident_id)[1] or {})["level"] == "loud"
        http.post(f"/v1/timers/{name}/acknowledge", json={"by": "desk 1"})
        assert ((next_of(incident_id)[1] or {})["acknowledged"] or {})["by"] == "desk 1"
        http.post(f"/v1/incidents/{incident_id}/close")
        assert next_of(incident_id) == (name, None)


def test_a_unit_is_late_by_the_eta_that_it_was_sent_with(server: Server, http: httpx.Client) -> None:
    set_clock(http, 3_000)
    unit_id = new_unit(http)
    row = {"unit_id": unit_id, "fix_time": to_text(T0 + 3_000_000), "lon": NORTH[0], "lat": NORTH[1]}
    assert http.post("/v1/positions", json={"positions": [row]}).json()["accepted"] == 1
    incident_id = new_incident(http, SOUTH)
    eta_s = http.get(f"/v1/incidents/{incident_id}/ranking").json()["candidates"][0]["eta_s"]
    http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id})
    http.put(f"/v1/units/{unit_id}/status", json={"status": "en_route"})
    set_clock(http, 3_000 + eta_s * 1.5 + 120 + 2)
    late = missed(http, incident_id, "late")
    assert late["unit_id"] == unit_id
    assert to_ms(late["expected_time"]) == pytest.approx(T0 + 1000 * (3_000 + eta_s), abs=1_000)
    http.post(f"/v1/incidents/{incident_id}/close")


def test_a_node_that_starts_again_raises_nothing_twice(tmp_path: Path) -> None:
    server = ServerInThread(tmp_path / "log.sqlite", ("--clock", "replay")).start()
    try:
        for s in (0, 1):
            with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
                set_clock(http, 5_000 * s)
                if s == 0:
                    incident_id = new_incident(http, priority=1)
                    set_clock(http, 100)
                missed(http, incident_id, "unattended", "loud")
            server.stop()
            server.start()
        assert sum(isinstance(event, TimerRaised) for event in events_in(server.log)) == 1
    finally:
        server.stop()


def test_bad_names_of_timers(http: httpx.Client) -> None:
    problem(http.post("/v1/timers/nothing/acknowledge", json={"by": "desk 1"}), 404)
    problem(http.post(f"/v1/timers/{'x' * 193}/acknowledge", json={"by": "desk 1"}), 422, field="/timer_id")
    problem(http.post("/v1/timers/a b/acknowledge", json={"by": "desk 1"}), 422, field="/timer_id")
    problem(http.post("/v1/timers/nothing/acknowledge", json={"by": 7}), 422, field="/by")
    problem(http.put("/v1/rules", json={"timer": {"late_share": 0.5}}), 422, "bad_rule", "/timer/late_share")
    problem(http.put("/v1/rules?agency=police", json={"timer": {"en_route_ms": 5_000}}), 422, "whole_server", "/timer")
