"""What each sees: agencies, agreements, partners and field units, asked over every way out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from tests.asking import at
from tests.running import CENTRE, ServerInThread, eventually
from tests.server.test_access import speaks

LON, LAT = CENTRE
PLACE = {"lon": LON, "lat": LAT}
AGENCIES = {"POL1": "police", "POL2": "police", "FIRE1": "fire", "FIRE2": "fire", "EMS1": "ems", "UC9": "police"}
SPEAKERS = {
    "police": ("dispatcher",),
    "police-chief": ("supervisor",),
    "fire": ("dispatcher",),
    "fire-partner": ("aid_partner",),
    "ems-chief": ("supervisor",),
}


@pytest.fixture(scope="module")
def server(guarded: ServerInThread) -> ServerInThread:
    return guarded


@pytest.fixture(scope="module")
def of(server: ServerInThread) -> Iterator[dict[str, httpx.Client]]:
    """A client for each speaker; `centre` serves the whole centre, `pol1` is the unit POL1 itself."""
    assert server.roster is not None
    tokens = {
        name: server.roster.tokens.issue(name, "program", agency=name.partition("-")[0], roles=roles, by="test")
        for name, roles in SPEAKERS.items()
    }
    tokens["centre"] = server.roster.tokens.issue("centre", "program", agency="*", roles=("supervisor",), by="test")
    tokens["pol1"] = server.roster.tokens.issue(
        "pol1", "program", agency="police", roles=("field_unit",), units=("POL1",), by="test"
    )
    clients = {name: speaks(server, token) for name, token in tokens.items()}
    centre = clients["centre"]
    for n, (unit_id, agency) in enumerate(AGENCIES.items()):
        body = {"callsign": f"{unit_id} call", "agency": agency, "kind": agency, "capabilities": ["patrol"]}
        assert centre.put(f"/v1/units/{unit_id}", json={**body, "hidden": unit_id == "UC9"}).status_code == 201
        row = {"unit_id": unit_id, "fix_time": at(), "lon": LON + 0.0012345 * n, "lat": LAT, "speed_mps": 3.0}
        assert centre.post("/v1/positions", json={"positions": [row]}).json()["accepted"] == 1
    agreed = {"lender": "fire", "borrower": "police", "aid": "automatic", "positions": "rounded", "agreement_id": "f2p"}
    assert centre.post("/v1/agreements", json=agreed).status_code == 201
    for incident_id, agency in (("pol", "police"), ("fir", "fire"), ("all", "")):
        body = {**PLACE, "priority": 2, "incident_id": incident_id, "agency": agency}
        assert centre.post("/v1/incidents", json=body).status_code == 201
    yield clients
    for client in clients.values():
        client.close()


def units(client: httpx.Client) -> dict[str, list[float] | None]:
    rows = client.get("/v1/units").json()["features"]
    return {row["id"]: row["geometry"] and row["geometry"]["coordinates"] for row in rows}


def incidents(client: httpx.Client) -> set[str]:
    return {row["incident_id"] for row in client.get("/v1/incidents").json()["incidents"]}


def test_an_agency_sees_its_own_and_what_agreements_show(of: dict[str, httpx.Client]) -> None:
    police = units(of["police"])
    assert set(police) == {"POL1", "POL2", "FIRE1", "FIRE2"}, "no ems: nothing was agreed; nobody undercover"
    assert police["POL2"] == [LON + 0.0012345, LAT]
    assert police["FIRE1"] == [round(LON + 2 * 0.0012345, 2), round(LAT, 2)]
    for path in ("/v1/incidents/pol/route?unit_id=FIRE1", "/v1/units/FIRE1/reach?minutes=2"):
        assert of["police"].get(path).status_code == 403, "its way begins where it is"
        assert of["centre"].get(path).status_code == 200
    handed = {row["unit_id"]: row for row in of["police"].get("/v1/handover").json()["units"]}
    assert handed["POL2"]["place"]
    assert (handed["FIRE1"]["place"], handed["FIRE1"]["lon"]) == ("", police["FIRE1"][0]), "a street is a place, too"
    assert set(units(of["police-chief"])) == {*police, "UC9"}
    assert set(units(of["fire"])) == {"FIRE1", "FIRE2"}
    assert set(units(of["ems-chief"])) == {"EMS1"}
    assert set(units(of["centre"])) == set(AGENCIES)
    assert incidents(of["police"]) == {"pol", "all"}
    assert incidents(of["fire-partner"]) == {"fir"}
    assert incidents(of["centre"]) == {"pol", "fir", "all"}


def test_an_owntracks_phone_is_told_of_the_friends_that_its_bearer_may_see(of: dict[str, httpx.Client]) -> None:
    def friends(who: str, unit_id: str = "POL1") -> dict[str, dict[str, object]]:
        said = {"_type": "location", "lat": LAT, "lon": LON, "tst": int(time.time())}
        answer = of[who].post("/v1/owntracks", params={"u": "anna", "d": unit_id}, json=said)
        assert answer.status_code == 200
        found: dict[str, dict[str, object]] = {}
        for one in answer.json():
            found.setdefault(one["topic"].removeprefix("owntracks/geo-backup/"), {}).update(one)
        return found

    police = friends("police")
    assert set(police) == {"POL2", "FIRE1", "FIRE2"}
    assert (police["POL2"]["name"], police["POL2"]["lon"], police["POL2"]["vel"]) == ("POL2 call", LON + 0.0012345, 11)
    assert police["POL2"]["tid"] == "ll"
    assert (police["FIRE1"]["lon"], police["FIRE1"]["acc"]) == (round(LON + 2 * 0.0012345, 2), 1_000)
    assert "vel" not in police["FIRE1"]
    assert set(friends("centre")) == {*AGENCIES} - {"POL1"}
    assert friends("pol1") == {}, "it is on nothing with anybody"
    body = {**PLACE, "priority": 2, "incident_id": "together", "agency": "police"}
    assert of["centre"].post("/v1/incidents", json=body).status_code == 201
    for unit_id in ("POL1", "POL2"):
        assert of["centre"].post("/v1/incidents/together/assignments", json={"unit_id": unit_id}).status_code == 201
    assert set(friends("pol1")) == {"POL2"}
    for unit_id in ("POL1", "POL2"):
        path = f"/v1/incidents/together/assignments/{unit_id}"
        assert of["centre"].patch(path, json={"state": "cancelled"}).is_success
    assert of["centre"].post("/v1/incidents/together/close").is_success


def test_a_ranking_names_nobody_who_may_not_be_seen(of: dict[str, httpx.Client]) -> None:
    def rows() -> list[dict[str, object]]:
        found: list[dict[str, object]] = of["police"].get("/v1/incidents/pol/ranking").json()["candidates"]
        return found

    eventually(lambda: {"POL1", "FIRE1"} <= {row["unit_id"] for row in rows()}, "the ranking")
    for row in rows():
        if str(row["unit_id"]).startswith("FIRE"):
            for name in ("eta_s", "low_s", "p90_s"):
                assert float(str(row[name])) % 60 == 0, "a time to the second is a place"
            assert row["distance_m"] is None
    answer = of["police"].get("/v1/incidents/pol/ranking").text
    assert "EMS1" not in answer
    assert "UC9" not in answer
    assert "UC9" not in of["centre"].get("/v1/incidents/pol/ranking").json()["candidates"].__repr__(), "never sent"


def test_every_answer_and_every_refusal_keeps_what_is_hidden(of: dict[str, httpx.Client]) -> None:
    """An agency without an agreement tries all it can to hear of another's units and incidents."""
    ems = of["ems-chief"]
    for url in (
        "/v1/units", "/v1/incidents", "/v1/emergencies", "/v1/cover", "/v1/cover/moves", "/v1/plans", "/v1/agreements",
        "/v1/closures", "/v1/beats", "/v1/rules", "/v1/incidents/all/ranking", "/v1/incidents/all", "/metrics",
        "/v1/incidents/all/staging", "/v1/incidents/all/reach",
    ):  # fmt: skip
        answer = ems.get(url)
        for name in ("POL1", "POL2", "UC9", "POL1 call"):
            assert name not in answer.text, url
    gone = [
        ems.get("/v1/units/POL1"),
        ems.get("/v1/units/POL1/reach?minutes=2"),
        ems.get("/v1/incidents/pol"),
        ems.get("/v1/incidents/pol/ranking"),
        ems.get("/v1/incidents/all/route?unit_id=POL1"),
        ems.put("/v1/units/POL1/status", json={"status": "busy"}),
        ems.post("/v1/incidents/all/assignments", json={"unit_id": "POL1"}),
        ems.patch("/v1/incidents/all/assignments/POL1", json={"state": "cleared"}),
        ems.post("/v1/incidents/pol/close"),
        ems.post("/v1/incidents", json={**PLACE, "priority": 2, "for_unit_id": "POL1"}),
    ]
    assert [one.status_code for one in gone] == [404] * len(gone), [one.text for one in gone]
    nobody = ems.get("/v1/units/NOBODY").json()["detail"]
    assert gone[0].json()["detail"] == nobody.replace("NOBODY", "POL1")


def test_one_agency_changes_nothing_of_another_and_nothing_of_all(of: dict[str, httpx.Client]) -> None:
    police, own = of["police-chief"], {"callsign": "x", "kind": "patrol", "capabilities": []}
    refused = [
        police.put("/v1/rules", json={"rules": {}}),
        police.put("/v1/rules?agency=fire", json={"rules": {}}),
        police.put("/v1/beats", json={"type": "FeatureCollection", "features": []}),
        police.delete("/v1/traffic"),
        police.put("/v1/units/NEW", json={**own, "agency": "fire"}),
        police.put("/v1/units/FIRE1", json={**own, "agency": "police"}),
        police.delete("/v1/units/FIRE1"),
        police.post("/v1/agreements", json={"lender": "ems", "borrower": "fire", "aid": "automatic"}),
        police.post("/v1/agreements", json={"lender": "ems", "borrower": "police", "aid": "automatic"}),
        police.delete("/v1/agreements/f2p"),
        police.put("/v1/units/POL1", json={**own, "agency": "ems"}),
        police.post("/v1/incidents", json={**PLACE, "priority": 2, "agency": "ems"}),
        police.get("/metrics"),
    ]
    assert [one.status_code for one in refused] == [403] * len(refused), [one.text for one in refused]
    assert police.put("/v1/units/POL9", json={**own, "agency": "police"}).status_code == 201
    assert police.delete("/v1/units/POL9").status_code == 204


def test_a_partner_sees_an_incident_while_its_unit_is_on_it(
    server: ServerInThread, of: dict[str, httpx.Client]
) -> None:
    partner = of["fire-partner"]
    assert partner.get("/v1/incidents/pol").status_code == 404
    with connect(
        server.feed, additional_headers={"Authorization": partner.headers["authorization"]}, proxy=None
    ) as feed:
        feed.send(json.dumps({"type": "hello", "topics": ["units", "positions", "incidents", "rankings"]}))
        first = json.loads(feed.recv(timeout=10))
        assert set(first["units"]) == {"FIRE1", "FIRE2"}
        assert set(first["incidents"]) == {"fir"}
        sent = of["centre"].post("/v1/incidents/pol/assignments", json={"unit_id": "FIRE1"})
        assert sent.status_code == 201
        told: dict[str, object] = {}

        def heard(name: str) -> bool:
            message = json.loads(feed.recv(timeout=10))
            assert not any(unit_id in json.dumps(message) for unit_id in ("POL1", "UC9", "EMS1"))
            told.update(message.get("incidents", {}))
            return name in told

        eventually(lambda: heard("pol") and told["pol"], "the incident")
        assert partner.get("/v1/incidents/pol").status_code == 200
        cleared = of["centre"].patch("/v1/incidents/pol/assignments/FIRE1", json={"state": "cleared"})
        assert cleared.status_code == 200


def test_a_field_unit_sees_itself_and_who_is_with_it(of: dict[str, httpx.Client]) -> None:
    mine = of["pol1"]
    assert set(units(mine)) == {"POL1"}
    assert incidents(mine) == set()
    for unit_id in ("POL1", "POL2"):
        assert of["centre"].post("/v1/incidents/all/assignments", json={"unit_id": unit_id}).status_code == 201
    assert set(units(mine)) == {"POL1", "POL2"}
    assert incidents(mine) == {"all"}
    assert mine.patch("/v1/incidents/all/assignments/POL1", json={"state": "en_route"}).status_code == 200
    assert mine.patch("/v1/incidents/all/assignments/POL2", json={"state": "en_route"}).status_code == 403
    assert mine.post("/v1/incidents/all/close").status_code == 403


def test_a_message_is_known_to_whom_it_was_said_and_to_their_desks(of: dict[str, httpx.Client]) -> None:
    """Whoever sees a unit by an agreement, or stands beside it, does not hear what its own desk tells it; whoever sees
    the incident hears what is said of that."""

    def known(name: str) -> dict[str, list[str]]:
        found = of[name].get("/v1/messages").json()["messages"]
        return {one["message_id"]: [row["unit_id"] for row in one["recipients"]] for one in found}

    def say(message_id: str, *unit_ids: str, **more: str) -> None:
        body = {"message_id": message_id, "text": "come home", "to": "units", "unit_ids": unit_ids, **more}
        answer = of["centre"].post("/v1/messages", json=body)
        assert answer.status_code == 201, answer.text

    body = {**PLACE, "priority": 2, "incident_id": "said", "agency": ""}
    assert of["centre"].post("/v1/incidents", json=body).status_code == 201
    for unit_id in ("POL1", "POL2"):
        sent = {"unit_id": unit_id, "preempt": True}
        assert of["centre"].post("/v1/incidents/said/assignments", json=sent).status_code == 201
    assert "FIRE1" in units(of["police"]), "by the agreement"
    say("fires", "FIRE1")
    say("two", "POL1", "UC9")
    say("covert", "UC9")
    say("beside", "POL2")
    say("here", "POL2", incident_id="said")
    assert set(known("centre")) == {"fires", "two", "covert", "beside", "here"}
    assert known("police") == {"here": ["POL2"], "beside": ["POL2"], "two": ["POL1"]}
    assert known("pol1") == {"here": ["POL2"], "two": ["POL1"]}
    assert set(known("fire")) == {"fires", "here"}
    body = {"callsign": "UC8", "agency": "police", "kind": "police", "capabilities": [], "hidden": True}
    assert of["centre"].put("/v1/units/UC8", json=body).status_code == 201
    say("shadow", "UC8", "UC9", incident_id="said")

    def told_of(name: str) -> list[str | None]:
        moments = of[name].get("/v1/incidents/said/timeline").json()["moments"]
        return [one["values"]["message_id"] for one in moments if one["what"] == "message_sent"]

    assert eventually(lambda: len(told_of("centre")) == 2, "both are on record")
    assert told_of("police") == ["here"]
    assert of["centre"].post("/v1/incidents/said/close").status_code == 200
    assert of["centre"].delete("/v1/units/UC8").status_code == 204


def test_what_an_agency_opens_is_its_own(of: dict[str, httpx.Client]) -> None:
    """Nobody need name their agency for it, and nobody else changes it."""
    opened = of["police"].post("/v1/incidents", json={**PLACE, "priority": 3, "incident_id": "ours"})
    assert (opened.status_code, opened.json()["agency"]) == (201, "police")
    ems = of["ems-chief"]
    assert [ems.get("/v1/incidents/ours").status_code, ems.post("/v1/incidents/ours/close").status_code] == [404, 404]
    plan = {"plan_id": "ours", "name": "quiet", "arrive_by": at(7_200), "ends": at(9_000)}
    posts = [{"post_id": "gate", **PLACE, "needs": [{"capability": "patrol"}]}]
    made = of["police"].post("/v1/plans", json={**plan, "posts": posts})
    assert made.status_code == 201, made.text
    assert made.json()["agency"] == "police"
    assert "ours" not in ems.get("/v1/plans").text
    assert ems.post("/v1/plans/ours/cancel", json={"reason": "x"}).status_code in (403, 404)
    assert of["police"].post("/v1/incidents/ours/close").status_code == 200


def test_nobody_moves_another_agencys_unit(of: dict[str, httpx.Client]) -> None:
    """A desk reports for its own agency; of a unit that it must not know of it is told what it is told of nobody's."""
    before = units(of["centre"])
    place = {"fix_time": at(), "lon": LON + 0.01, "lat": LAT}
    for unit_id in ("POL1", "UC9", "NOBODY"):
        rows = [{"unit_id": unit_id, **place}]
        answer = of["fire"].post("/v1/positions", json={"positions": rows}).json()
        assert [row["reason"].partition(":")[0] for row in answer["refused"]] == ["unknown_unit"], unit_id
        times = f'time="{at()}" start="{at()}" stale="{at(60)}"'
        event = f'<event version="2.0" uid="{unit_id}" type="a-f-G" {times} how="m-g">'
        body = f'{event}<point lat="57.7" lon="11.97" hae="0" ce="5" le="5"/></event>'
        sent = of["fire"].post("/v1/cot", content=body, headers={"content-type": "application/xml"})
        assert sent.status_code == 404, unit_id
    assert units(of["centre"]) == before


def test_an_unseen_unit_and_none_at_all_are_refused_in_the_same_words(of: dict[str, httpx.Client]) -> None:
    def said(unit_id: str) -> list[tuple[int, str]]:
        ems = of["ems-chief"]
        answers = [
            ems.get(f"/v1/units/{unit_id}"),
            ems.put(f"/v1/units/{unit_id}/status", json={"status": "busy"}),
            ems.put(f"/v1/units/{unit_id}/crew", json={"crew": []}),
            ems.post("/v1/incidents/all/assignments", json={"unit_id": unit_id}),
        ]
        return [(one.status_code, one.json().get("detail", one.text)) for one in answers]

    assert said("UC9") == said("NOBODY")


def test_an_officer_in_danger_is_heard_whoever_says_so(of: dict[str, httpx.Client]) -> None:
    """A desk that must not know of the unit passes a cry for help on; it is opened, and the right desks see it."""
    pressed = of["ems-chief"].post("/v1/emergencies", json={"unit_id": "UC9", "emergency_id": "uc-cry"})
    assert pressed.status_code == 201
    assert "UC9" not in pressed.text
    seen = of["police-chief"].get("/v1/incidents/uc-cry").json()
    assert (seen["for_unit_id"], seen["emergency"]["alarms"]) == ("UC9", True)
    end = {"by": "supervisor", "reason": "safe"}
    assert of["centre"].post("/v1/emergencies/uc-cry/clear", json={**end, "who": "Berg"}).status_code == 200
    assert of["centre"].post("/v1/incidents/uc-cry/close").status_code == 200


def test_numbers_and_words_tell_nothing_of_units_that_are_not_seen(of: dict[str, httpx.Client]) -> None:
    ems = of["ems-chief"]
    ranking = ems.get("/v1/incidents/all/ranking").json()
    assert ranking["candidates_total"] == len(ranking["candidates"])
    covers = [ems.get(url).json()["free_units"] for url in ("/v1/cover", "/v1/cover?agency=police")]
    assert covers == [1, 1], "of its own units, whatever it asks for"
    asked = of["centre"].post(
        "/v1/incidents/all/backup", json={"mode": "immediate", "requirement": [{"capability": "patrol"}]}
    )
    assert asked.json()["missing"] == []
    decision = f"/v1/decisions/{asked.json()['decision_id']}"
    assert "HIDDEN" in of["centre"].get(decision).text
    for word in ("HIDDEN", "undercover"):
        assert word not in ems.get(decision).text
        assert word not in of["police"].get(decision).text


def test_how_many_others_are_free_is_told_to_who_sees_them_all(of: dict[str, httpx.Client]) -> None:
    body = {"mode": "immediate", "requirement": [{"capability": "boat"}]}
    asked = of["centre"].post("/v1/incidents/all/backup", json=body).json()
    decision = f"/v1/decisions/{asked['decision_id']}"
    assert sum(asked["missing"][0]["free_others"].values()) > 1
    assert "Free, and none of them a boat" in of["centre"].get(decision).text
    for name in ("police", "ems-chief"):
        told = of[name].get(decision)
        assert (told.json()["missing"][0]["why"], told.json()["missing"][0]["free_others"]) == ("NOBODY_HAS_IT", {})
        assert "none of them a boat" not in told.text
        assert of[name].get("/v1/incidents/all/ranking").json()["missing"][0]["free_others"] == {}


def test_what_is_of_no_agency_is_the_centres_until_one_takes_it(of: dict[str, httpx.Client]) -> None:
    """Every desk sees it, sends its own units and writes into it; one of them may make it its own."""
    centre, police, ems = of["centre"], of["police"], of["ems-chief"]
    body = {**PLACE, "priority": 3, "incident_id": "nobodys"}
    assert centre.post("/v1/incidents", json=body).json()["agency"] == ""
    for desk, unit_id in ((police, "POL2"), (ems, "EMS1")):
        assert "nobodys" in incidents(desk)
        sent = desk.post("/v1/incidents/nobodys/assignments", json={"unit_id": unit_id, "preempt": True})
        assert sent.status_code == 201, sent.text
        assert desk.post("/v1/incidents/nobodys/notes", json={"text": "on our way"}).status_code == 201
        change = desk.patch("/v1/incidents/nobodys", json={"priority": 1})
        assert (change.status_code, desk.post("/v1/incidents/nobodys/close").status_code) == (403, 403)
        assert "take it over" in change.json()["detail"]
        assert desk.patch("/v1/incidents/nobodys/assignments/" + unit_id, json={"state": "cleared"}).status_code == 200
    assert ems.patch("/v1/incidents/nobodys", json={"agency": "police"}).status_code == 403
    taken = ems.patch("/v1/incidents/nobodys", json={"agency": "ems", "priority": 2})
    assert (taken.status_code, taken.json()["agency"]) == (200, "ems")
    assert ems.patch("/v1/incidents/nobodys", json={"priority": 3}).status_code == 200
    assert police.patch("/v1/incidents/nobodys", json={"agency": "police"}).status_code in (403, 404), (
        "it is theirs now"
    )
    assert ems.post("/v1/incidents/nobodys/close").status_code == 200


def test_a_plan_is_replaced_by_whose_it_is(of: dict[str, httpx.Client]) -> None:
    posts = [{"post_id": "gate", **PLACE, "needs": [{"capability": "patrol"}]}]
    plan = {"plan_id": "match", "name": "match", "arrive_by": at(7_200), "ends": at(9_000), "posts": posts}
    for maker in ("centre", "fire"):
        assert of[maker].post("/v1/plans", json={**plan, "plan_id": maker}).status_code == 201
        assert of["police-chief"].post("/v1/plans", json={**plan, "plan_id": maker}).status_code == 403
        assert of["police-chief"].post(f"/v1/plans/{maker}/cancel", json={"reason": "x"}).status_code == 403
        assert of["centre"].post(f"/v1/plans/{maker}/cancel", json={"reason": "x"}).status_code == 200


def test_an_officer_whom_nobody_registered_is_heard_by_every_desk(of: dict[str, httpx.Client]) -> None:
    pressed = of["centre"].post("/v1/emergencies", json={"unit_id": "STRANGER", **PLACE, "emergency_id": "stranger"})
    assert pressed.status_code == 201, pressed.text
    for desk in ("police", "ems-chief", "fire"):
        rows = of[desk].get("/v1/emergencies").json()["emergencies"]
        assert [row["for_unit_id"] for row in rows] == ["STRANGER"], desk
    assert of["fire"].post("/v1/emergencies/stranger/acknowledge", json={}).status_code == 200
    end = {"by": "supervisor", "reason": "found", "who": "Berg"}
    assert of["ems-chief"].post("/v1/emergencies/stranger/clear", json=end).status_code == 403
    assert of["ems-chief"].patch("/v1/incidents/stranger", json={"agency": "ems"}).status_code == 200
    assert of["ems-chief"].post("/v1/emergencies/stranger/clear", json=end).status_code == 200
    assert of["ems-chief"].post("/v1/incidents/stranger/close").status_code == 200
