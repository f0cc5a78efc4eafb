"""A moment of the past over HTTP: the feed's own snapshot, as it was told then."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from geo_backup.feed import TOPICS
from tests.asking import BRIDGE, NORTH, SOUTH, at, new_incident, new_unit, problem, report
from tests.running import Server, ServerInThread


def told_live(server: Server) -> dict[str, Any]:
    with connect(server.feed, proxy=None, max_size=None) as feed:
        feed.send(json.dumps({"type": "hello", "topics": list(TOPICS)}))
        message: dict[str, Any] = json.loads(feed.recv(timeout=10))
    assert message["type"] == "snapshot"
    return message


def past(http: httpx.Client, when: str, **asked: str) -> dict[str, Any]:
    answer = http.get("/v1/past", params={"at": when, **asked})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


@pytest.fixture(scope="module")
def then(server: Server, http: httpx.Client) -> tuple[dict[str, Any], str]:
    """What the feed told at a moment, after which much has changed."""
    units = [new_unit(http, NORTH), new_unit(http, SOUTH), new_unit(http)]
    incident_id = new_incident(http, kind="fire")
    http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": units[0]})
    closure = http.post("/v1/closures", json={"geometry": BRIDGE, "buffer_m": 20, "reason": "up"}).json()
    ranking = http.get(f"/v1/incidents/{incident_id}/ranking").json()
    live = told_live(server)
    live["rankings"] = {incident_id: ranking}
    live["roads"] = http.get(f"/v1/closures/{closure['closure_id']}/roads").json()
    when = live["server_time"]
    report(http, {"unit_id": units[1], "lon": NORTH[0], "lat": NORTH[1]})
    http.delete(f"/v1/units/{units[2]}")
    http.delete(f"/v1/closures/{closure['closure_id']}")
    http.post(f"/v1/incidents/{incident_id}/close")
    new_incident(http)
    return live, when


def test_the_roads_of_a_closure_that_was_lifted_are_told_of_when_it_stood(
    http: httpx.Client, then: tuple[dict[str, Any], str]
) -> None:
    live, when = then
    roads = f"/v1/closures/{live['roads']['properties']['closure_id']}/roads"
    assert http.get(roads, params={"at": when}).json() == live["roads"]
    assert http.get(roads).status_code == http.get(roads, params={"at": at(0)}).status_code == 404


def test_the_past_is_told_as_the_feed_told_it(http: httpx.Client, then: tuple[dict[str, Any], str]) -> None:
    live, when = then
    found = past(http, when)
    assert set(found) - {"past"} == set(live) - {"roads"}
    for topic in ("units", "positions", "incidents", "closures"):
        assert found[topic] == live[topic], topic
    for name in ("epoch", "mode", "area", "freshness", "server_time"):
        assert found[name] == live[name], name
    assert found["past"]["at"] == when
    assert found["past"]["begins"] < when < found["past"]["now"]
    ((incident_id, ranking),) = live["rankings"].items()
    worked_out = found["rankings"][incident_id]
    for name in ("candidates", "assigned", "network_id", "rules_id", "weights_id"):
        got, was = worked_out[name], ranking[name]
        if name == "candidates":
            got, was = ([(row["unit_id"], row["eta_s"]) for row in rows] for rows in (got, was))
        assert got == was, name
    assert worked_out["as_of_time"] == when


def test_only_what_is_asked_for_is_told(http: httpx.Client, then: tuple[dict[str, Any], str]) -> None:
    found = past(http, then[1], topics="units,incidents")
    assert set(TOPICS) & set(found) == {"units", "incidents"}


def test_moments_that_cannot_be_are_refused_in_words(http: httpx.Client) -> None:
    problem(http.get("/v1/past"), 422, field="/at")
    problem(http.get("/v1/past", params={"at": "2026-01-01T00:00:00"}), 422, field="/at")
    problem(http.get("/v1/past", params={"at": "2001-01-01T00:00:00Z"}), 422, "before_log", "/at")
    problem(http.get("/v1/past", params={"at": at(60)}), 422, "future", "/at")
    problem(http.get("/v1/past", params={"at": at(-1), "topics": "units,weather"}), 422, "topic", "/topics")
    problem(http.get("/v1/past", params={"at": at(-1), "incident_id": "x" * 65}), 422, field="/incident_id")


def test_each_sees_of_the_past_what_was_theirs(of: dict[str, httpx.Client], guarded: ServerInThread) -> None:
    when = at()
    centre = past(of["centre"], when)
    assert {"POL1", "POL2", "FIRE1", "UC9"} <= set(centre["units"])
    assert set(past(of["police"], when)["units"]) == {"POL1", "POL2"}
    assert set(past(of["police-chief"], when)["units"]) >= {"POL1", "POL2", "UC9"}
    assert set(past(of["fire"], when)["positions"]) == {"FIRE1"}
    assert set(past(of["pol1"], when)["units"]) == {"POL1"}
    assert of["viewer"].get("/v1/past", params={"at": when}).status_code == 403


def test_a_finished_incident_that_left_the_live_map_is_told_with_its_arrivals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geo_backup.live_map.incidents.CLOSED_INCIDENTS_KEPT", 1)
    server = ServerInThread(tmp_path / "log.sqlite").start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
            assert http.put("/v1/rules", json={"arrival": {"for_ms": 0}}).status_code == 200
            unit_id, incident_id = new_unit(http), new_incident(http, NORTH, kind="brawl")
            http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id})
            report(http, {"unit_id": unit_id, "lon": NORTH[0], "lat": NORTH[1], "speed_mps": 0.0})
            here = http.get(f"/v1/incidents/{incident_id}").json()["assignments"][0]
            assert (here["state"], here["source"]) == ("on_scene", "avl")
            others = [new_incident(http, SOUTH) for _ in range(2)]
            time.sleep(0.01)  # what was just before the end is looked at: a millisecond before
            for one in (incident_id, *others):
                http.post(f"/v1/incidents/{one}/close")
            told = http.get(f"/v1/incidents/{incident_id}").json()
            assert told["state"] == "closed"
            assert ("on_scene", "avl") in [(s["state"], s["source"]) for s in told["assignments"][0]["history"]]
            moments = http.get(f"/v1/incidents/{incident_id}/timeline").json()["moments"]
            assert [one["said_by"] for one in moments if one["what"] == "on_scene"] == ["avl"]
    finally:
        server.stop()
