"""What was, asked over HTTP: tracks, finished incidents and timelines; who may ask, and that it is on record."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from geo_backup.custody import Looked
from tests.asking import NORTH, at, new_incident, new_unit, problem, report
from tests.running import CENTRE, ServerInThread, events_in, eventually


def moments(http: httpx.Client, incident_id: str) -> list[dict[str, Any]]:
    answer = http.get(f"/v1/incidents/{incident_id}/timeline")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["moments"]
    return found


def closed(http: httpx.Client, **asked: Any) -> list[str]:
    answer = http.get("/v1/incidents", params={"state": "closed", **asked})
    assert answer.status_code == 200, answer.text
    return [row["incident_id"] for row in answer.json()["incidents"]]


def test_an_incident_is_told_from_its_opening_to_its_end(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    incident_id = new_incident(http, NORTH, kind="burglary", note="back door")
    http.patch(f"/v1/incidents/{incident_id}", json={"priority": 3})
    http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id, "reason": "knows the house"})
    http.put(f"/v1/units/{unit_id}/status", json={"status": "en_route"})
    assert http.put("/v1/rules", json={"arrival": {"for_ms": 0}}).status_code == 200
    report(http, {"unit_id": unit_id, "lon": NORTH[0], "lat": NORTH[1], "speed_mps": 0.0})  # its position says it
    http.put("/v1/rules", json={})
    here = http.get(f"/v1/incidents/{incident_id}").json()["assignments"][0]
    assert here["state"] == "on_scene"
    http.post(f"/v1/incidents/{incident_id}/close")
    told = moments(http, incident_id)
    told = [one for one in told if one["what"] != "ranked"]  # whenever that was made
    assert [one["what"] for one in told] == ["opened", "changed", "assigned", "status", "on_scene", "closed"]
    values = {one["what"]: one["values"] for one in told}
    assert values["opened"] == {
        "place": http.get("/v1/places/name", params={"lon": NORTH[0], "lat": NORTH[1]}).json()["name"],
        "kind": "burglary",
        "note": "back door",
        "lon": NORTH[0],
        "lat": NORTH[1],
        "priority": 2,
    }
    assert values["changed"] == {"priority": 3}
    assert values["assigned"]["reason"] == "knows the house"
    assert values["assigned"].get("eta_s", 0.0) < 3600.0
    assert not [name for name in values["assigned"] if name.startswith("eta_") and name != "eta_s"]  # a span, no time
    came = next(one for one in told if one["what"] == "on_scene")
    assert (came["said_by"], came["seq"], came["unit_id"]) == ("avl", None, unit_id)
    assert closed(http, q=f"burgl {unit_id}") == [incident_id]
    assert closed(http, q="burglary", limit=1) == [incident_id]
    assert incident_id not in closed(http, q="burglary", to=at(-3600))


def test_a_track_is_where_a_unit_was_and_what_it_did(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    rows = [
        {"unit_id": unit_id, "fix_time": at(s), "lon": 11.96 + 1e-5 * s, "lat": 57.71, "speed_mps": 8.0}
        for s in range(-40, 0, 10)
    ]
    report(http, *rows)
    report(http, {**rows[0], "fix_time": at(-35), "lon": 11.96 - 35e-5})  # late: it moves nobody, and is on the track
    http.put(f"/v1/units/{unit_id}/status", json={"status": "busy", "note": "lunch"})
    answer = http.get(f"/v1/units/{unit_id}/track").json()
    assert [round((row[0] - 11.96) / 1e-5) for row in answer["fixes"]] == [-40, -35, -30, -20, -10]
    assert answer["next_time"] is None
    assert [(one["what"], one["values"]) for one in answer["moments"] if one["what"] == "status"] == [
        ("status", {"status": "busy", "note": "lunch"})
    ]
    part = http.get(f"/v1/units/{unit_id}/track", params={"from": at(-32), "to": at(-12)}).json()
    assert len(part["fixes"]) == 2


BAD = [
    ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "/from", "after_to"),
    ("from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z", "/from", "too_long"),
    ("from=2026-01-01T00:00:00", "/from", None),
    ("from=yesterday", "/from", None),
    ("to=1700000000", "/to", None),
    ("from=1960-01-01T00:00:00Z", "/from", None),
    ("to=2101-01-01T00:00:00Z", "/to", None),
]


@pytest.mark.parametrize(("query", "field", "reason"), BAD)
def test_a_time_that_cannot_be_is_refused_in_words(
    http: httpx.Client, query: str, field: str, reason: str | None
) -> None:
    problem(http.get(f"/v1/units/{new_unit(http)}/track?{query}"), 422, reason, field)


def test_other_questions_that_cannot_be_answered(http: httpx.Client) -> None:
    unit_id = new_unit(http)
    problem(http.get("/v1/units/nobody/track"), 404)
    problem(http.get("/v1/units/no body/track"), 422, field="/unit_id")
    problem(http.get("/v1/incidents/nothing/timeline"), 404)
    problem(http.get("/v1/incidents/nothing"), 404)
    problem(http.get("/v1/incidents?state=closed&limit=501"), 422, field="/limit")
    problem(http.get("/v1/incidents?state=closed&limit=0"), 422, field="/limit")
    problem(http.get("/v1/incidents?state=gone"), 422, field="/state")
    problem(http.get("/v1/incidents?q=fire"), 422, "open", "/state")
    problem(http.get(f"/v1/incidents?state=closed&q={'x' * 201}"), 422, field="/q")
    problem(http.get(f"/v1/incidents?state=closed&from={at(5).replace('+', '%2B')}"), 422, "after_to", "/from")
    assert closed(http, q='"; DROP TABLE words; -- \x00 * ^ NEAR(') == []
    far = http.get(f"/v1/units/{unit_id}/track?from=2099-01-01T00:00:00%2B02:00&to=2099-01-01T01:00:00Z").json()
    assert (far["fixes"], far["from_time"]) == ([], "2098-12-31T22:00:00.000Z")


def test_tracks_are_for_the_unit_and_its_agencys_desks(of: dict[str, httpx.Client]) -> None:
    def asks(name: str, unit_id: str) -> int:
        return of[name].get(f"/v1/units/{unit_id}/track").status_code

    assert {name: asks(name, "POL1") for name in of} == {
        "police": 200, "police-chief": 200, "fire": 403, "viewer": 403, "auditor": 403, "admin": 403, "pol1": 200,
        "centre": 200,
    } | {"fire": asks("fire", "POL1")}  # fmt: skip
    assert asks("fire", "POL1") in (403, 404)
    assert asks("pol1", "POL2") in (403, 404)
    assert {name: asks(name, "UC9") for name in ("police", "police-chief", "fire", "centre")} == {
        "police": 404, "police-chief": 200, "fire": 404, "centre": 200,
    }  # fmt: skip
    nobody = of["police"].get("/v1/units/nobody/track")
    hidden = problem(of["police"].get("/v1/units/UC9/track"), 404)
    assert {**nobody.json(), "instance": hidden["instance"]} == hidden, "told in the same words"


def test_a_unit_that_was_hidden_stays_so_after_it_was_retired(of: dict[str, httpx.Client]) -> None:
    centre = of["centre"]
    body = {"callsign": "Ghost", "agency": "police", "kind": "patrol", "capabilities": []}
    assert centre.put("/v1/units/UC8", json={**body, "hidden": True}).status_code == 201
    place = {"lon": CENTRE[0], "lat": CENTRE[1], "priority": 2, "agency": "police", "incident_id": "sting"}
    assert centre.post("/v1/incidents", json=place).status_code == 201
    assert centre.post("/v1/incidents/sting/assignments", json={"unit_id": "UC8"}).status_code == 201
    assert centre.post("/v1/incidents/sting/close").status_code == 200
    assert centre.delete("/v1/units/UC8").status_code == 204
    assert of["police"].get("/v1/units/UC8/track").status_code == 404
    for path in ("/v1/incidents/sting/timeline", "/v1/incidents?state=closed"):
        assert "UC8" in of["police-chief"].get(path).text, path
        assert "UC8" not in of["police"].get(path).text, path
        assert "Ghost" not in of["police"].get(path).text, path


def test_each_sees_the_finished_incidents_that_were_theirs(of: dict[str, httpx.Client]) -> None:
    assert set(closed(of["centre"], q="watch")) == {"pol", "fir"}
    assert closed(of["police"], q="watch") == ["pol"]
    assert closed(of["fire"], q="watch") == ["fir"]
    assert closed(of["pol1"], q="watch") == ["pol"]
    assert of["fire"].get("/v1/incidents/pol/timeline").status_code == 404
    assert "UC9" not in of["police"].get("/v1/incidents/pol/timeline").text
    assert "UC9" in of["police-chief"].get("/v1/incidents/pol/timeline").text
    for name in ("viewer", "auditor", "admin"):
        assert of[name].get("/v1/incidents", params={"state": "closed"}).status_code == 403, name


def test_whoever_looks_back_is_on_record(guarded: ServerInThread, of: dict[str, httpx.Client]) -> None:
    assert of["police-chief"].get("/v1/units/POL2/track").status_code == 200
    assert of["police-chief"].get("/v1/incidents/pol/timeline").status_code == 200

    def scopes() -> list[tuple[str, ...]]:
        looks = [event for event in events_in(guarded.log) if isinstance(event, Looked) and event.what == "history"]
        return [event.scope for event in looks if event.said_by == "program:police-chief"]

    assert eventually(lambda: ("incident:pol",) in scopes(), "the look on record")
    assert any(scope[0] == "unit:POL2" and len(scope) == 3 for scope in scopes())
