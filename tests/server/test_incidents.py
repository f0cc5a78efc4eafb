"""Incidents and who is sent to them, told to a real server over real HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.asking import BRIDGE, NORTH, SEA, SOUTH, at, names, new_incident, new_unit, problem, report
from tests.running import Server


def test_the_same_incident_twice_is_one(http: httpx.Client) -> None:
    body = {"incident_id": f"i{next(names)}", "lon": SOUTH[0], "lat": SOUTH[1], "priority": 1, "kind": "robbery"}
    first = http.post("/v1/incidents", json=body)
    again = http.post("/v1/incidents", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    problem(http.post("/v1/incidents", json={**body, "priority": 2}), 409)
    assert body["incident_id"] in [i["incident_id"] for i in http.get("/v1/incidents").json()["incidents"]]
    closed = http.post(f"/v1/incidents/{body['incident_id']}/close")
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    assert http.post(f"/v1/incidents/{body['incident_id']}/close").status_code == 200
    assert body["incident_id"] not in [i["incident_id"] for i in http.get("/v1/incidents").json()["incidents"]]
    assert http.get(f"/v1/incidents/{body['incident_id']}").json()["state"] == "closed"
    problem(http.get(f"/v1/incidents/{body['incident_id']}/ranking"), 409)
    problem(http.patch(f"/v1/incidents/{body['incident_id']}", json={"priority": 1}), 409)


def test_the_same_words_at_once_are_one(server: Server) -> None:
    incident = {"incident_id": f"i{next(names)}", "lon": SOUTH[0], "lat": SOUTH[1], "priority": 1}
    closure = {"closure_id": f"c{next(names)}", "geometry": BRIDGE, "reason": "x"}

    async def say(path: str, body: dict[str, Any]) -> list[int]:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            return sorted(a.status_code for a in await asyncio.gather(*(http.post(path, json=body) for _ in range(8))))

    assert asyncio.run(say("/v1/incidents", incident)) == [*[200] * 7, 201]
    assert asyncio.run(say("/v1/closures", closure)) == [*[200] * 7, 201]
    httpx.delete(f"{server.url}/v1/closures/{closure['closure_id']}", trust_env=False)
    httpx.post(f"{server.url}/v1/incidents/{incident['incident_id']}/close", trust_env=False)


def test_an_officer_asks_for_help(http: httpx.Client) -> None:
    officer = new_unit(http, SOUTH)
    body = {"incident_id": f"i{next(names)}", "for_unit_id": officer, "pinned": True, "priority": 1}
    opened = http.post("/v1/incidents", json=body)
    assert opened.status_code == 201, opened.text
    assert [opened.json()["lon"], opened.json()["lat"]] == SOUTH
    path = f"/v1/incidents/{body['incident_id']}"
    assert {"unit_id": officer, "reason": "REQUESTER"} in http.get(f"{path}/ranking").json()["excluded"]
    there = [SOUTH[0] + 0.0003, SOUTH[1]]
    assert report(http, {"unit_id": officer, "fix_time": at(1), "lon": there[0], "lat": there[1]})["ignored"] == []
    moved = http.get(path).json()
    assert [moved["lon"], moved["lat"]] == there
    problem(http.post(f"{path}/assignments", json={"unit_id": officer}), 409, "requester")
    http.delete(f"/v1/units/{officer}")
    assert http.post("/v1/incidents", json=body).status_code == 200  # the same body again, though the officer is gone
    http.post(f"{path}/close")


def test_what_an_incident_needs(http: httpx.Client) -> None:
    silent = new_unit(http)
    for body, field in (
        ({"lon": 11.97, "lat": 57.7}, "/priority"),
        ({"priority": 1}, "/lon"),
        ({"lon": 11.97, "priority": 1}, "/lat"),
        ({"lon": 11.97, "lat": 57.7, "priority": 6}, "/priority"),
        ({"lon": 11.97, "lat": 57.7, "priority": 1, "pinned": True}, "/pinned"),
        ({"lon": 11.97, "lat": 57.7, "priority": 1, "profile": "flying"}, "/profile"),
        ({"lon": 11.97, "lat": 57.7, "for_unit_id": silent, "priority": 1}, "/for_unit_id"),
        ({"for_unit_id": silent, "priority": 1}, "/for_unit_id"),
        ({"lon": 11.97, "lat": 57.7, "priority": 1, "incident_id": "a" * 65}, "/incident_id"),
        ({"lon": 11.97, "lat": 57.7, "priority": 1, "incident_id": "../etc"}, "/incident_id"),
    ):
        problem(http.post("/v1/incidents", json=body), 422, field=field)
    problem(http.post("/v1/incidents", json={"for_unit_id": "nobody", "priority": 1}), 404)
    problem(http.post("/v1/incidents", json={"lon": SEA[0], "lat": SEA[1], "priority": 1}), 422, "outside_map")
    swapped = problem(http.post("/v1/incidents", json={"lon": 57.7, "lat": 11.97, "priority": 1}), 422, "outside_map")
    assert "exchanged" in swapped["detail"]


def test_an_incident_changes(http: httpx.Client, incident: str) -> None:
    path = f"/v1/incidents/{incident}"
    answer = http.patch(path, json={"lon": NORTH[0], "lat": NORTH[1], "priority": 4, "note": "north", "kind": "fire"})
    assert answer.status_code == 200
    assert (answer.json()["priority"], answer.json()["note"], answer.json()["lon"]) == (4, "north", NORTH[0])
    problem(http.patch(path, json={"lon": 11.97}), 422, field="/lat")
    problem(http.patch(path, json={"lon": SEA[0], "lat": SEA[1]}), 422, "outside_map")
    problem(http.patch(path, json={"pinned": True}), 422, field="/pinned")
    problem(http.patch("/v1/incidents/none", json={"priority": 1}), 404)


def test_of_two_desks_that_send_one_unit_the_second_is_told_who_has(http: httpx.Client, server: Server) -> None:
    """In the same moment, to two incidents and to one: it is sent once."""
    one, two = new_incident(http, SOUTH), new_incident(http, NORTH)

    async def send(unit_id: str, *to: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as desk:
            paths = (f"/v1/incidents/{name}/assignments" for name in to)
            return await asyncio.gather(*(desk.post(path, json={"unit_id": unit_id}) for path in paths))

    for reason, to in (("assigned_elsewhere", (one, two)), ("already_here", (one, one))):
        unit_id = new_unit(http)
        answers = asyncio.run(send(unit_id, *to))
        first, second = sorted(answers, key=lambda answer: answer.status_code)
        assert first.status_code == 201
        (error,) = problem(second, 409, reason)["errors"]
        sent = next(row for row in first.json()["assignments"] if row["unit_id"] == unit_id)
        assert (error["unit_id"], error["incident_id"]) == (unit_id, first.json()["incident_id"])
        assert (error["by"], error["at"]) == ("desk", sent["at"])
        assert f"desk sent it to {error['incident_id']} at {sent['at']}" in error["message"]
        assert http.get(f"/v1/units/{unit_id}").json()["properties"]["incident_id"] == error["incident_id"]


def test_a_unit_is_sent(http: httpx.Client, incident: str) -> None:
    first, second, third = (new_unit(http, [11.97, 57.70 + i / 1000]) for i in range(3))
    path = f"/v1/incidents/{incident}/assignments"
    seen = http.get(f"/v1/incidents/{incident}/ranking").json()
    body = {"unit_id": first, "as_of_seq": seen["as_of_seq"], "as_of_time": seen["as_of_time"], "reason": "nearest"}
    sent = http.post(path, json=body)
    assert sent.status_code == 201, sent.text
    assert http.get(f"/v1/units/{first}").json()["properties"]["incident_id"] == incident
    problem(http.post(path, json=body), 409, "already_here")
    problem(http.post(path, json={"unit_id": "nobody"}), 404)
    problem(http.post(path, json={"unit_id": second, "as_of_seq": 10**15}), 422, "future", "/as_of_seq")
    other = new_incident(http, NORTH)
    problem(http.post(f"/v1/incidents/{other}/assignments", json={"unit_id": first}), 409, "assigned_elsewhere")
    taken = http.post(f"/v1/incidents/{other}/assignments", json={"unit_id": first, "preempt": True})
    assert taken.status_code == 201
    assert [row["state"] for row in http.get(f"/v1/incidents/{incident}").json()["assignments"]] == ["cancelled"]
    http.post(path, json={"unit_id": second})
    problem(http.post(path, json={"unit_id": third, "replaces": first}), 409, "replaces_nobody")
    replaced = http.post(path, json={"unit_id": third, "replaces": second})
    assert replaced.status_code == 201
    states = {row["unit_id"]: row["state"] for row in replaced.json()["assignments"]}
    assert (states[second], states[third]) == ("cancelled", "assigned")
    for state in ("acknowledged", "en_route", "on_scene", "cleared"):
        answer = http.patch(f"{path}/{third}", json={"state": state, "at": at()})
        assert answer.status_code == 200, answer.text
        row = next(row for row in answer.json()["assignments"] if row["unit_id"] == third)
        assert (row["state"], row["source"]) == (state, "desk")
    assert [past["state"] for past in row["history"]] == [
        "assigned",
        "acknowledged",
        "en_route",
        "on_scene",
        "cleared",
    ]
    problem(http.patch(f"{path}/{third}", json={"state": "en_route"}), 409, "not_assigned")
    problem(http.patch(f"{path}/{third}", json={"state": "flying"}), 422, field="/state")
    problem(http.patch(f"{path}/{third}", json={"state": "assigned"}), 422, field="/state")
    http.post(f"/v1/incidents/{other}/close")
    assert http.get(f"/v1/units/{first}").json()["properties"]["incident_id"] is None
