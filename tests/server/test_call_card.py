"""The call card over HTTP: words that are only added to, edits of two desks, what is over and is not, and what is asked
for again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from geo_backup.audit.verify import Report, verify
from geo_backup.cli import demo_map
from geo_backup.eventlog import open_log
from geo_backup.roads.network import RoadNetwork
from tests.asking import at, problem
from tests.running import Server, eventually
from tests.server.test_backup import PLACE, fleet, incident


def _verified(server: Server) -> Report:
    log = open_log(server.log, read_only=True)
    try:
        return verify(RoadNetwork.load(demo_map()), log)
    finally:
        log.close()


def of(http: httpx.Client, incident_id: str) -> dict[str, Any]:
    return dict(http.get(f"/v1/incidents/{incident_id}").json())


def close(http: httpx.Client, incident_id: str) -> dict[str, Any]:
    return dict(http.post(f"/v1/incidents/{incident_id}/close").json())


def move(http: httpx.Client, incident_id: str, unit_id: str, *states: str) -> None:
    for state in states:
        path = f"/v1/incidents/{incident_id}/assignments/{unit_id}"
        assert http.patch(path, json={"state": state}).is_success


# ---- words


def test_words_are_added_to_what_was_said_and_stay_when_it_is_over(http: httpx.Client) -> None:
    incident_id = incident(http, note="two men", place="Kungsgatan at Avenyn", callback="+46 31 1")
    path = f"/v1/incidents/{incident_id}/notes"
    first = http.post(path, json={"text": "one has a knife", "note_id": "n1"})
    assert first.status_code == 201
    assert http.post(path, json={"text": "one has a knife", "note_id": "n1"}).status_code == 200
    problem(http.post(path, json={"text": "no knife", "note_id": "n1"}), 409)
    close(http, incident_id)
    after = http.post(path, json={"text": "he rang again"})
    assert after.status_code == 201
    told = after.json()
    assert [(one["text"], one["by"]) for one in told["notes"]] == [
        ("one has a knife", "desk"),
        ("he rang again", "desk"),
    ]
    assert told["notes"][0]["at"] <= told["notes"][1]["at"]
    assert (told["note"], told["place"], told["callback"]) == ("two men", "Kungsgatan at Avenyn", "+46 31 1")
    assert told["notes_total"] == 2
    for bad in ({"text": ""}, {"text": "x" * 2_001}, {"text": "x", "note_id": "a b"}, {"text": 1}, {}):
        problem(http.post(path, json=bad), 422)
    problem(http.post("/v1/incidents/nowhere/notes", json={"text": "x"}), 404)


def test_the_document_keeps_the_newest_words(http: httpx.Client) -> None:
    incident_id = incident(http)
    path = f"/v1/incidents/{incident_id}/notes"
    for n in range(12):
        told = http.post(path, json={"text": f"{n:02} " + "x" * 1_997}).json()
    assert [one["text"][:2] for one in told["notes"]] == [f"{n:02}" for n in range(2, 12)]
    assert told["notes_total"] == 12
    for n in range(51):
        told = http.post(path, json={"text": f"{n:02}"}).json()
    assert [one["text"] for one in told["notes"]] == [f"{n:02}" for n in range(1, 51)]


# ---- two desks


def test_two_desks_that_edit_the_same_field_are_both_told(http: httpx.Client) -> None:
    incident_id = incident(http, priority=3, kind="fight")
    path = f"/v1/incidents/{incident_id}"
    seen = http.get(path)
    assert seen.headers["etag"] == f'"{seen.json()["version"]}"'
    mine = {"If-Match": seen.headers["etag"]}
    theirs = http.patch(path, json={"priority": 2, "note": "he is back"}, headers=mine)
    assert theirs.headers["etag"] != seen.headers["etag"]
    late = http.patch(path, json={"priority": 1, "callback": "123"}, headers=mine)
    assert late.headers["etag"] == theirs.headers["etag"]
    (error,) = problem(late, 412)["errors"]
    assert error["field"] == "/priority"
    assert (error["reason"], error["value"], error["by"]) == ("changed_meanwhile", 2, "desk")
    assert "2" in error["message"]
    assert of(http, incident_id)["callback"] == "", "nothing of it was changed"
    # what they agree on is no conflict, and neither is another field
    assert http.patch(path, json={"priority": 2, "callback": "123"}, headers=mine).is_success
    assert http.patch(path, json={"priority": 1}, headers={"If-Match": late.headers["etag"]}).is_success
    assert http.patch(path, json={"priority": 4}).is_success, "who does not ask is not told"
    for version in ("7", '"x"', '"1", "2"', '"-1"'):
        (error,) = problem(http.patch(path, json={"priority": 1}, headers={"If-Match": version}), 422)["errors"]
        assert error["field"] == "/If-Match"
    (error,) = problem(http.patch(path, json={"priority": 1}, headers={"If-Match": '"9999"'}), 412)["errors"]
    assert error["reason"] == "unknown_version"
    assert http.patch(path, json={"priority": 1}, headers={"If-Match": "*"}).is_success


def test_what_somebody_does_makes_another_version_and_what_is_worked_out_does_not(http: httpx.Client) -> None:
    fleet(http, ("V1", 0.004, ("patrol",)))
    incident_id = incident(http)
    versions = [of(http, incident_id)["version"]]

    def then(answer: httpx.Response) -> None:
        assert answer.is_success, answer.text
        versions.append(of(http, incident_id)["version"])

    then(http.patch(f"/v1/incidents/{incident_id}", json={"level": 2, "agency": "", "place": "at the bridge"}))
    then(http.post(f"/v1/incidents/{incident_id}/notes", json={"text": "x"}))
    then(http.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate", "units": 1}))
    eventually(lambda: (of(http, incident_id)["recommended"] or {}).get("stage") == "refined", "the best set")
    assert of(http, incident_id)["version"] == versions[-1]
    then(http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "V1"}))
    then(http.post(f"/v1/incidents/{incident_id}/close"))
    then(http.post(f"/v1/incidents/{incident_id}/reopen"))
    assert versions == sorted(set(versions))
    close(http, incident_id)


def test_a_new_place_does_not_keep_the_words_for_the_old_one(http: httpx.Client) -> None:
    incident_id = incident(http, place="Kungsgatan 1")
    path = f"/v1/incidents/{incident_id}"
    there = {"lon": PLACE[0] + 0.01, "lat": PLACE[1]}
    named = http.get("/v1/places/name", params=there).json()["name"]
    assert http.patch(path, json=there).json()["place"] == named
    assert (
        of(http, incident(http))["place"]
        == http.get("/v1/places/name", params={"lon": PLACE[0], "lat": PLACE[1]}).json()["name"]
    )
    there = {"lon": PLACE[0], "lat": PLACE[1], "place": "Kungsgatan 1"}
    assert http.patch(path, json=there).json()["place"] == "Kungsgatan 1"
    for bad in ({"place": "x" * 257}, {"callback": "1" * 65}, {"level": 0}, {"level": 10}, {"agency": "x" * 65}):
        problem(http.patch(path, json=bad), 422)


# ---- over, and not over


def test_what_is_closed_tells_whom_it_released_and_can_be_reopened(http: httpx.Client) -> None:
    fleet(http, ("R1", 0.004, ("patrol",)), ("R2", 0.006, ("patrol",)), ("R3", 0.006, ("patrol",)))
    incident_id = incident(http)
    for unit_id in ("R1", "R2", "R3"):
        sent = http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id})
        assert sent.status_code == 201
    assert sent.headers["etag"]
    move(http, incident_id, "R1", "en_route", "on_scene")
    move(http, incident_id, "R3", "cancelled")
    assert of(http, incident_id)["released"] == []
    closed = close(http, incident_id)
    told = [(one["unit_id"], one["state"]) for one in closed["released"]]
    assert told == [("R1", "on_scene"), ("R2", "assigned")]
    again = http.post(f"/v1/incidents/{incident_id}/reopen")
    assert again.status_code == 200
    assert (again.json()["state"], again.json()["closed_time"], again.json()["released"]) == ("open", None, [])
    assert {part["state"] for part in again.json()["assignments"]} == {"cleared", "cancelled"}
    assert again.json() == http.post(f"/v1/incidents/{incident_id}/reopen").json(), "it is open: as it stands"
    eventually(lambda: http.get(f"/v1/incidents/{incident_id}/ranking").is_success, "its ranking")
    # it can be closed and reopened as often as it takes
    for _ in range(2):
        assert close(http, incident_id)["state"] == "closed"
        assert http.post(f"/v1/incidents/{incident_id}/reopen").json()["state"] == "open"
    assert close(http, incident_id)["released"] == []
    problem(http.post("/v1/incidents/nowhere/reopen"), 404)


# ---- asked again


def backup(http: httpx.Client, incident_id: str, **body: Any) -> dict[str, Any]:
    answer = http.post(f"/v1/incidents/{incident_id}/backup", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_who_came_and_left_has_filled_the_need(http: httpx.Client) -> None:
    fleet(http, *((f"C{n}", 0.002 * n, ("boat",)) for n in range(1, 7)))
    incident_id = incident(http)
    ask = {"mode": "immediate", "requirement": [{"capability": "boat", "count": 3}]}
    assert len(backup(http, incident_id, **ask)["units"]) == 3
    for unit_id in ("C1", "C2", "C3"):
        http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id})
    move(http, incident_id, "C1", "on_scene", "cleared")
    move(http, incident_id, "C2", "en_route", "cleared")  # it never came
    standing = of(http, incident_id)
    again = backup(http, incident_id)
    assert len(again["units"]) == 1, "in place of who never came, and not of who came"
    told = of(http, incident_id)
    assert [told[name] for name in ("requirement", "mode", "run_card")] == [
        standing[name] for name in ("requirement", "mode", "run_card")
    ]
    assert len(backup(http, incident_id, again=True)["units"]) == 2, "asked anew: who left is asked for again"
    assert len(backup(http, incident_id)["units"]) == 2, "and from then on"
    assert len(backup(http, incident_id, **ask)["units"]) == 2
    move(http, incident_id, "C3", "on_scene")
    close(http, incident_id)
    assert http.delete("/v1/units/C3").is_success  # a shift ends: what it has filled stays filled
    assert http.post(f"/v1/incidents/{incident_id}/reopen").is_success
    assert len(backup(http, incident_id)["units"]) == 2
    close(http, incident_id)


def test_a_second_alarm_asks_for_what_the_card_adds(http: httpx.Client) -> None:
    incident_id = incident(http, kind="traffic stop", priority=3)
    assert backup(http, incident_id)["mode"] == "delayed"
    assert of(http, incident_id)["run_card"] == "cover"
    path = f"/v1/incidents/{incident_id}"
    fire = http.patch(path, json={"kind": "structure fire"}).json()
    assert (fire["run_card"], fire["mode"], fire["profile"]) == ("structure-fire", "immediate", "response")
    asked = {need["capability"]: (need["count"], need["need"]) for need in fire["requirement"]}
    assert asked["patrol"] == (1, "must"), "what was asked for stays asked for"
    assert asked["engine"] == (2, "must")
    second = http.patch(path, json={"level": 2}).json()
    more = {need["capability"]: need["count"] for need in second["requirement"]}
    assert (more["engine"], more["ladder"], more["rescue"], more["patrol"]) == (4, 2, 1, 1)
    before = second["requirement"]
    assert http.patch(path, json={"level": 1}).json()["requirement"] == before, "nothing is taken off"
    assert http.patch(path, json={"priority": 1}).json()["requirement"] == before
    close(http, incident_id)
    quiet = incident(http, kind="fire")
    assert http.patch(f"/v1/incidents/{quiet}", json={"level": 2}).json()["requirement"] == [], "none was asked for"
    close(http, quiet)


@pytest.mark.parametrize("mode", ["immediate", "delayed", None])
def test_nobody_is_not_asked_for(http: httpx.Client, mode: str | None) -> None:
    incident_id = incident(http, kind="medical")
    if mode is None:
        backup(http, incident_id)
    body = {"requirement": []} if mode is None else {"mode": mode, "requirement": []}
    (error,) = problem(http.post(f"/v1/incidents/{incident_id}/backup", json=body), 422)["errors"]
    assert (error["field"], error["reason"]) == ("/requirement", "empty")
    close(http, incident_id)


def test_what_a_call_is_told_of_holds_after_a_restart(server: Server, http: httpx.Client) -> None:
    """Versions, edits and words are part of the truth that is folded again."""
    incident_id = incident(http, place="p", callback="c")
    http.patch(f"/v1/incidents/{incident_id}", json={"note": "n"})
    http.post(f"/v1/incidents/{incident_id}/notes", json={"text": "t"})
    before = of(http, incident_id)
    server.stop()
    report = _verified(server)
    server.start()
    assert report.wrong == []
    assert report.decisions > 10
    assert of(http, incident_id) == before
    late = http.patch(f"/v1/incidents/{incident_id}", json={"note": "m"}, headers={"If-Match": '"1"'})
    assert problem(late, 412)["errors"][0]["field"] == "/note"


# ---- who may be sent


def unfit(
    http: httpx.Client,
    unit_id: str,
    *,
    seen_s: float | None = None,
    north: float = 0.0,
    status: str = "",
    crew: int = 1,
    **shift_s: float,
) -> None:
    """A unit that a ranking excludes: never seen or long ago, off the roads, of a status, without a crew or time."""
    body = {"callsign": unit_id, "agency": "police", "kind": "patrol", "capabilities": ["patrol"]}
    assert http.put(f"/v1/units/{unit_id}", json=body).is_success
    if seen_s is not None:
        row = {"unit_id": unit_id, "fix_time": at(seen_s), "lon": PLACE[0], "lat": PLACE[1] + north}
        assert http.post("/v1/positions", json={"positions": [row]}).json()["accepted"] == 1
    if status:
        assert http.put(f"/v1/units/{unit_id}/status", json={"status": status}).is_success
    aboard: dict[str, Any] = {"crew": [{}] * crew, **{name: at(s) for name, s in shift_s.items()}}
    assert http.put(f"/v1/units/{unit_id}/crew", json=aboard).is_success


@pytest.mark.parametrize(
    ("reason", "what"),
    [
        ("NO_POSITION", {}),
        ("STALE_POSITION", {"seen_s": -86_400}),
        ("UNREACHABLE", {"seen_s": 0, "north": 0.5}),
        ("NOT_ASSIGNABLE_STATUS", {"seen_s": 0, "status": "out_of_service"}),
        ("NOT_ASSIGNABLE_STATUS", {"seen_s": 0, "status": "transporting"}),
        ("UNSTAFFED", {"seen_s": 0, "crew": 0}),
        ("REST_PERIOD", {"seen_s": 0, "rest_until": 3_600}),
        ("END_OF_SHIFT", {"seen_s": 0, "shift_ends": 120}),
        ("WRONG_CAPABILITY", {"seen_s": 0}),
        ("WRONG_AGENCY_OR_NO_AGREEMENT", {"seen_s": 0}),
    ],
)
def test_whom_a_ranking_excludes_can_be_sent_with_a_reason(
    http: httpx.Client, reason: str, what: dict[str, Any]
) -> None:
    unfit(http, "X1", **what)
    incident_id = incident(http, priority=3, agency="fire" if reason.startswith("WRONG_AGENCY") else "")
    if reason == "WRONG_CAPABILITY":
        backup(http, incident_id, mode="immediate", requirement=[{"capability": "drone"}])
    ranking = http.get(f"/v1/incidents/{incident_id}/ranking").json()
    assert {one["unit_id"]: one["reason"] for one in ranking["excluded"]}["X1"] == reason
    sent = http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": "X1", "reason": "they offered"})
    assert sent.status_code == 201
    assert [(one["unit_id"], one["reason"]) for one in sent.json()["assignments"]] == [("X1", "they offered")]
    close(http, incident_id)
    assert http.delete("/v1/units/X1").is_success


def test_an_officer_in_danger_is_nobody_to_send_nor_to_count_on(http: httpx.Client) -> None:
    fleet(http, ("O1", 0.004, ("patrol",)))

    def counted() -> set[str]:
        return {row["unit_id"] for row in http.get("/v1/cover").json()["units"]}

    assert "O1" in counted()
    pressed = http.post("/v1/emergencies", json={"unit_id": "O1"}).json()
    assert "O1" not in counted()
    assert all(one["unit_id"] != "O1" for one in http.get("/v1/cover/moves").json()["moves"])
    incident_id = incident(http)
    lacks = backup(http, incident_id, mode="immediate", requirement=[{"capability": "drone"}])["missing"]
    (drone,) = lacks
    assert (drone["why"], sum(drone["free_others"].values())) == (
        "NOBODY_HAS_IT",
        http.get("/v1/cover").json()["free_units"],
    )
    for name, body in ((incident_id, {"unit_id": "O1", "preempt": True}), (pressed["incident_id"], {"unit_id": "O1"})):
        problem(http.post(f"/v1/incidents/{name}/assignments", json=body), 409)
    assert http.post(
        f"/v1/emergencies/{pressed['incident_id']}/clear", json={"by": "supervisor", "who": "Lind", "reason": "is well"}
    ).is_success
    assert "O1" in counted()


def test_a_place_that_nobody_knows_does_not_pretend(http: httpx.Client) -> None:
    body = {"callsign": "N1", "agency": "police", "kind": "patrol", "capabilities": []}
    assert http.put("/v1/units/N1", json=body).is_success
    pressed = http.post("/v1/emergencies", json={"unit_id": "N1"}).json()
    assert (pressed["place_known"], pressed["emergency"]["placed_by"], pressed["place"]) == (False, "nothing", "")
    path = f"/v1/incidents/{pressed['incident_id']}"
    told = http.patch(path, json={"lon": PLACE[0], "lat": PLACE[1]}).json()
    assert (told["place_known"], told["emergency"]["placed_by"]) == (True, "desk")
    row = {"unit_id": "N1", "fix_time": at(), "lon": PLACE[0], "lat": PLACE[1] + 0.001}
    assert http.post("/v1/positions", json={"positions": [row]}).json()["accepted"] == 1
    told = of(http, pressed["incident_id"])
    assert (told["place_known"], told["emergency"]["placed_by"], told["lat"]) == (True, "fix", row["lat"])
