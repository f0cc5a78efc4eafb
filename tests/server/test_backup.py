"""Asking for backup over HTTP: the first answer, the decision in the log, what a person did, and why."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.audit.verify import decision_of, same_decision, verify
from geo_backup.cli import demo_map
from geo_backup.eventlog import open_log
from geo_backup.events import BackupRequested, DecisionMade, Need
from geo_backup.roads.network import RoadNetwork
from geo_backup.wire import decisions
from tests.running import Command, Server, ServerInThread, eventually, ranked

PLACE = (11.9746, 57.7089)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[tuple[httpx.Client, Path, Server]]:
    log = tmp_path / "log.sqlite"
    server = ServerInThread(log).start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as client:
        yield client, log, server
    server.stop()
    assert "Traceback" not in server.said()


def fleet(http: httpx.Client, *units: tuple[str, float, tuple[str, ...]]) -> None:
    """Units east of the place, by id, distance in degrees and capabilities."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for unit_id, _, capabilities in units:
        body = {"callsign": unit_id, "agency": "police", "kind": "patrol", "capabilities": list(capabilities)}
        assert http.put(f"/v1/units/{unit_id}", json=body).is_success
    positions = [{"unit_id": u, "fix_time": now, "lon": PLACE[0] + d, "lat": PLACE[1]} for u, d, _ in units]
    assert http.post("/v1/positions", json={"positions": positions}).json()["accepted"] == len(units)


def incident(http: httpx.Client, **more: Any) -> str:
    body = {"lon": PLACE[0], "lat": PLACE[1], "priority": 1} | more
    answer = http.post("/v1/incidents", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["incident_id"])


def decided(http: httpx.Client, incident_id: str, decision_id: str | None = None) -> dict[str, Any]:
    """The recommendation of an incident once the search is over; with the id of a first answer, what came of that."""
    best = None if decision_id is None else decision_id.removesuffix(":quick") + ":best"

    def stands() -> dict[str, Any] | None:
        recommended = http.get(f"/v1/incidents/{incident_id}").json()["recommended"]
        named = recommended is not None and best in (None, recommended["decision_id"])
        return recommended if named and recommended["stage"] == "refined" else None

    return dict(eventually(stands, "a decision"))


Desk = tuple[httpx.Client, Path, Server]


def test_from_the_request_to_the_reason(desk: Desk, command: Command) -> None:
    """The nearest dog, the nearest patrols; a person sends another; the log alone tells why, and reproduces it."""
    http, log, server = desk
    fleet(http, ("A", 0.004, ("patrol",)), ("B", 0.010, ("patrol",)), ("C", 0.016, ("k-9", "patrol")), ("D", 0.02, ()))
    incident_id = incident(http)
    body = {
        "mode": "immediate",
        "requirement": [
            {"capability": "patrol", "count": 2},
            {"capability": "k-9:explosive", "substitutes": ["k-9"]},
            {"capability": "drone", "need": "want"},
        ],
    }
    answer = http.post(f"/v1/incidents/{incident_id}/backup", json=body)
    assert answer.status_code == 201, answer.text
    first, told = answer.json(), answer.content
    assert first["stage"] == "first"
    assert first["decision_id"].endswith(":quick")
    assert [(u["unit_id"], u["fills"]) for u in first["units"]] == [
        ("A", ["patrol"]),
        ("B", ["patrol"]),
        ("C", ["k-9:explosive"]),
    ]
    assert first["unmet"] == [{"capability": "drone", "count": 1, "need": "want"}]
    assert sum(u["p_first"] for u in first["units"]) == pytest.approx(1, abs=0.01)
    assert all(u["p90_s"] > u["eta_s"] for u in first["units"])
    recommended = decided(http, incident_id, first["decision_id"])
    assert [u["unit_id"] for u in recommended["units"]] == ["A", "B", "C"]
    assert recommended["proven"]

    assert http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "A"}).status_code == 201
    other = {"unit_id": "D", "reason": "knows the house"}
    assert http.post(f"/v1/incidents/{incident_id}/assignments", json=other).status_code == 201
    quick = http.get(f"/v1/decisions/{first['decision_id']}").json()
    assert {name: quick[name] for name in first} == first
    assert quick["by_arrival"]
    assert quick["cover"] is None
    assert quick["excluded_counts"] == {"WRONG_CAPABILITY": 1}
    assert "by arrival alone" in quick["words"]
    whole = http.get(f"/v1/decisions/{recommended['decision_id']}").json()
    assert not whole["by_arrival"]
    assert [unit["unit_id"] for unit in whole["first"]] == ["A", "B", "C"], "what was said"
    chosen = {one["unit_id"]: one for one in whole["chosen_by_human"]}
    assert {unit_id: one["recommended"] for unit_id, one in chosen.items()} == {"A": True, "D": False}
    assert whole["excluded"] == [{"unit_id": "D", "reason": "WRONG_CAPABILITY"}]
    assert "Send A as patrol" in whole["words"]
    assert "Still wanted: 1 x drone" in whole["words"]
    parts = whole["candidates"][0]
    assert sum(parts["parts"].values()) == pytest.approx(parts["eta_s"])
    assert parts["match"] == {"patrol": "asked"}
    assert parts["score_s"] == parts["eta_s"], "priority 1 pays nothing for cover"
    dog = next(row for row in whole["candidates"] if row["unit_id"] == "C")
    assert dog["match"] == {"patrol": "asked", "k-9:explosive": "substitute"}
    assert 0 < whole["cover_after"] < whole["cover"] <= 1
    # what was sent is taken off what is asked

    def another() -> dict[str, Any] | None:
        newest = decided(http, incident_id)
        return newest if newest["decision_id"] != recommended["decision_id"] else None

    later = eventually(another, "another decision")
    assert "A" not in [u["unit_id"] for u in later["units"]]

    assert http.get("/v1/decisions/decision:nothing").status_code == 404
    server.stop()
    network = RoadNetwork.load(demo_map())
    opened = open_log(log, read_only=True)
    try:
        report = verify(network, opened)
        found = [decision_of(opened, one["decision_id"]) for one in (first, recommended)]
    finally:
        opened.close()
    assert report.wrong == []
    assert report.decisions >= 3
    assert all(same_decision(network, one.event, one.inputs) for one in found)
    assert decisions.told(found[0].event) == told, "byte for byte"
    assert found[1].event.first == found[0].event.chosen
    for one in (first, recommended):
        words = command("explain", one["decision_id"], "--log", log, "--map", demo_map())
        assert words.code == 0, words.err
        assert "Send A as patrol" in words.out
        assert "the same to the last digit" in words.out
    nobody = command("explain", "decision:none", "--log", log)
    assert nobody.code == 1
    assert first["decision_id"] in nobody.err.replace("\n", ""), "names what it does hold"


def test_a_decision_that_a_stop_came_between_is_made_after_the_start(desk: Desk) -> None:
    """The request is in the log, its decision is not: the next start makes it."""
    http, log, server = desk
    fleet(http, ("A", 0.004, ("patrol",)))
    incident_id = incident(http)
    server.stop()
    opened = open_log(log)
    now_ms = int(time.time() * 1000)
    request = BackupRequested(
        event_id="backup-lost",
        received_ms=now_ms,
        incident_id=incident_id,
        requirement=(Need("any"),),
        mode="immediate",
    )
    try:
        asyncio.run(opened.append([request]))
    finally:
        opened.close()
    again = ServerInThread(log).start()
    try:
        with httpx.Client(base_url=again.url, trust_env=False, timeout=30.0) as client:
            recommended = decided(client, incident_id, "decision:backup-lost:quick")
        assert [unit["unit_id"] for unit in recommended["units"]] == ["A"]
    finally:
        again.stop()


def test_delayed_becomes_immediate_and_keeps_its_units(desk: Desk) -> None:
    http, _, _ = desk
    fleet(http, *[(f"U{n}", 0.004 + 0.004 * n, ("patrol",)) for n in range(4)])
    busy = incident(http, priority=4)
    assert http.post(f"/v1/incidents/{busy}/assignments", json={"unit_id": "U0"}).status_code == 201
    incident_id = incident(http, priority=1)
    answer = http.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "delayed", "units": 1}).json()
    (sent,) = (u["unit_id"] for u in answer["units"])
    assert sent != "U0"  # it is busy, and delayed backup robs nobody
    assert http.get(f"/v1/incidents/{incident_id}").json()["profile"] == "routine"
    assert http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": sent}).status_code == 201
    worse = http.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate", "units": 3}).json()
    assert {u["unit_id"]: u["preempts"] for u in worse["units"] if u["unit_id"] == "U0"} == {"U0": busy}
    assert len(worse["units"]) == 2
    assert sent not in [u["unit_id"] for u in worse["units"]]
    standing = http.get(f"/v1/incidents/{incident_id}").json()
    assert standing["profile"] == "response"
    assert [a["unit_id"] for a in standing["assignments"]] == [sent]


def test_the_last_unit_of_a_beat_stays_for_p3_and_goes_for_p1(desk: Desk) -> None:
    """Domain case 7."""
    http, _, _ = desk
    fleet(http, ("near", 0.002, ("patrol",)), ("far", 0.05, ("patrol",)))
    west, south, east, north = 11.96, 57.69, 11.99, 57.73
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    beats = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {"beat_id": "4"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        ],
    }
    assert http.put("/v1/beats", json=beats).is_success
    minor = incident(http, priority=3)
    answer = http.post(f"/v1/incidents/{minor}/backup", json={"mode": "delayed", "units": 1}).json()
    assert [u["unit_id"] for u in answer["units"]] == ["far"]
    decision = decided(http, minor, answer["decision_id"])
    whole = http.get(f"/v1/decisions/{decision['decision_id']}").json()
    assert {"unit_id": "near", "reason": "COVERAGE_FLOOR"} in whole["excluded"]
    assert "near would be sooner" in whole["words"]
    grave = incident(http, priority=1)
    answer = http.post(f"/v1/incidents/{grave}/backup", json={"mode": "immediate", "units": 1}).json()
    assert [u["unit_id"] for u in answer["units"]] == ["near"]
    decision = decided(http, grave, answer["decision_id"])
    whole = http.get(f"/v1/decisions/{decision['decision_id']}").json()
    assert whole["units"][0]["price_words"] == "last unit of beat 4 for about 22 min"
    assert whole["beats_short"] == ["4"]


def test_a_run_card_asks_by_name_and_level(desk: Desk) -> None:
    http, _, _ = desk
    fleet(http, ("quint", 0.004, ("engine", "ladder")), ("pump", 0.006, ("engine",)), ("chief", 0.01, ()))
    cards = {card["name"]: card for card in http.get("/v1/run_cards").json()["run_cards"]}
    assert [level["level"] for level in cards["structure-fire"]["levels"]] == [1, 2]
    incident_id = incident(http, kind="structure fire", level=1)
    answer = http.post(f"/v1/incidents/{incident_id}/backup", json={"run_card": "structure-fire"}).json()
    assert {u["unit_id"]: u["fills"] for u in answer["units"]} == {"quint": ["engine", "ladder"], "pump": ["engine"]}
    standing = http.get(f"/v1/incidents/{incident_id}").json()
    assert (standing["run_card"], standing["mode"], standing["several"]) == ("structure-fire", "immediate", True)
    # without a word of what, the card of the kind is asked
    other = incident(http, kind="Structure  Fire")
    assert http.post(f"/v1/incidents/{other}/backup", json={"mode": "immediate"}).is_success
    assert http.get(f"/v1/incidents/{other}").json()["run_card"] == "structure-fire"
    wrong = http.post(f"/v1/incidents/{incident_id}/backup", json={"run_card": "no such"})
    assert wrong.status_code == 422
    assert "structure-fire" in wrong.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "/requirement"),
        ({"mode": "at once"}, "/mode"),
        ({"mode": "immediate", "units": 0}, "/units"),
        ({"mode": "immediate", "units": 2, "requirement": []}, "/requirement"),
        ({"mode": "immediate", "arrive_by": "2030-01-01T00:00:00Z"}, "/arrive_by"),
        ({"mode": "delayed", "arrive_by": "2001-01-01T00:00:00Z"}, "/arrive_by"),
    ],
)
def test_what_cannot_be_asked_is_named(desk: Desk, body: dict[str, Any], field: str) -> None:
    http, _, _ = desk
    answer = http.post(f"/v1/incidents/{incident(http)}/backup", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_recommendation_follows_the_units_as_they_drive(desk: Desk) -> None:
    """Nobody asks again: one comes nearer than the recommended one; then one nearer still than the one on its way."""
    http, log, server = desk
    soon = {"backup": {"again_p1_ms": 1_000}, "swap": {"cool_down_ms": 0}}
    assert http.put("/v1/rules", json=soon).is_success
    fleet(http, ("far", 0.020, ("patrol",)), ("farther", 0.040, ("patrol",)))
    incident_id = incident(http)
    body = {"mode": "immediate", "units": 1}
    first = http.post(f"/v1/incidents/{incident_id}/backup", json=body).json()["decision_id"]
    assert [u["unit_id"] for u in decided(http, incident_id, first)["units"]] == ["far"]

    def wait_for(what: str, wanted: Any) -> dict[str, Any]:
        def stands() -> dict[str, Any]:
            now = decided(http, incident_id)
            assert [{**one, "gain_s": 0} if what == "swaps" else one["unit_id"] for one in now[what]] == wanted
            return now

        return eventually(stands, what)

    def comes_near(unit_id: str) -> None:
        fix = {"unit_id": unit_id, "fix_time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))}
        answer = http.post("/v1/positions", json={"positions": [{**fix, "lon": PLACE[0] + 0.004, "lat": PLACE[1]}]})
        assert answer.json()["accepted"] == 1

    assert http.put("/v1/rules", json={**soon, "fix": {"jump_mps": 10_000}}).is_success
    comes_near("farther")
    later = wait_for("units", ["farther"])
    assert later["decision_id"].startswith(f"{first.removesuffix(':quick')}:")
    assert http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "far"}).status_code == 201
    (offer,) = wait_for("swaps", [{"unit_id": "farther", "replaces": "far", "gain_s": 0}])["swaps"]
    assert offer["gain_s"] > 60
    before = ranked(server)
    eventually(lambda: ranked(server) >= before + 3, "three more rankings, half a second apart, and five looks")
    server.stop()
    opened = open_log(log, read_only=True)
    try:
        made = [event for _, event in opened.read_all() if isinstance(event, DecisionMade)]
    finally:
        opened.close()
    assert len(made) <= 6, "looking again and again leaves no fact where nothing is new"
