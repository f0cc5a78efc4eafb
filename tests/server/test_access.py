"""Who may what: the whole matrix of roles, operations and topics asked of a running server, and what facts then say."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from geo_backup.client import Client
from geo_backup.custody import Looked
from geo_backup.errors import GeoBackupError, LogError
from geo_backup.eventlog import open_log
from geo_backup.events import Event
from geo_backup.feed import TOPICS
from geo_backup.node import Node, Outcome
from geo_backup.node.clock import Clock
from geo_backup.people import ROLES, Principal, Roster
from geo_backup.server import access, history
from geo_backup.server import app as application
from geo_backup.server.access import GRANTS, OPERATIONS, RIGHTS, reach
from geo_backup.server.access import TOPICS as TOPIC_RIGHTS
from geo_backup.server.speaker import COOKIE, Speakers
from geo_backup.server.watch import keep_watch
from geo_backup.wire import facts
from tests.asking import at
from tests.node.test_node import street
from tests.running import CENTRE, ServerInThread, events_in, eventually
from tests.stories import opened
from tests.told import Told

PASSWORD = "correct horse battery"
PLACE = {"lon": CENTRE[0], "lat": CENTRE[1]}


@pytest.fixture(scope="module")
def roster(tmp_path_factory: pytest.TempPathFactory) -> Roster:
    return Roster(tmp_path_factory.mktemp("people") / "people.sqlite")


@pytest.fixture(scope="module")
def tokens(roster: Roster) -> dict[str, str]:
    """A token of each role, for the whole centre; `device` and `field_unit` speak for F1."""
    return {
        role: roster.tokens.issue(
            f"t-{role}",
            "program",
            agency="*",
            roles=(role,),
            units=("F1",) if role in ("device", "field_unit") else (),
            by="test",
        )
        for role in ROLES
    }


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, roster: Roster, tokens: dict[str, str]
) -> Iterator[ServerInThread]:
    server = ServerInThread(tmp_path_factory.mktemp("guarded") / "log.sqlite", roster=roster).start()
    with speaks(server, tokens["supervisor"]) as http:
        for unit_id in ("F1", "F2"):
            body = {"callsign": unit_id, "agency": "police", "kind": "patrol", "capabilities": ["patrol"]}
            assert http.put(f"/v1/units/{unit_id}", json=body).status_code == 201
    yield server
    server.stop()
    assert "Traceback" not in server.said()


def speaks(server: ServerInThread, token: str | None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=30)


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield operation["operationId"], method.upper(), path


def test_every_role_meets_every_operation_as_the_table_says(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    """Each role asks each operation for things that do not exist: it is let through to the handler, or refused with
    its reason, just as the table says."""
    with speaks(guarded, None) as http:
        spec = http.get("/openapi.json").json()
    asked = list(operations(spec))
    assert {name for name, _, _ in asked} <= OPERATIONS.keys()
    for role in (None, *ROLES):
        who = Principal("program", "t", "*", frozenset({role} if role else ()))
        with speaks(guarded, tokens.get(role or "")) as http:
            for name, method, path in asked:
                url = path.format(**dict.fromkeys(("coordinates", "profile"), "x"), **_nothing(path))
                answer = http.request(method, url, json=None if method == "GET" else {"nothing": 1})
                right = OPERATIONS[name]
                reasons = {error["reason"] for error in _errors(answer)}
                if right is None or reach(who, right) is not None:
                    assert not reasons & {"not_signed_in", "not_your_right"}, (role, name, answer.text)
                else:
                    expected = (401, "not_signed_in") if role is None else (403, "not_your_right")
                    assert (answer.status_code, *reasons) == expected, (role, name, answer.text)


def _nothing(path: str) -> dict[str, str]:
    names = (
        "unit_id",
        "incident_id",
        "emergency_id",
        "closure_id",
        "agreement_id",
        "plan_id",
        "message_id",
        "decision_id",
        "timer_id",
        "device_id",
    )
    return {name: "nothing" for name in names if "{" + name + "}" in path}


def _errors(answer: httpx.Response) -> list[dict[str, str]]:
    try:
        document = answer.json()
    except json.JSONDecodeError:
        return []
    errors: list[dict[str, str]] = document.get("errors", []) if isinstance(document, dict) else []
    return errors


def test_every_role_follows_the_topics_that_the_table_says(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    assert set(TOPIC_RIGHTS) == set(TOPICS)
    for role in ROLES:
        for topic in TOPICS:
            headers = {"Authorization": f"Bearer {tokens[role]}"}
            with connect(guarded.feed, additional_headers=headers, proxy=None) as feed:
                feed.send(json.dumps({"type": "hello", "topics": [topic]}))
                if TOPIC_RIGHTS[topic] in GRANTS[role]:
                    assert topic in json.loads(feed.recv(timeout=10)), (role, topic)
                else:
                    with pytest.raises(ConnectionClosed) as closed:
                        feed.recv(timeout=10)
                    assert closed.value.rcvd is not None
                    assert closed.value.rcvd.code == 4403, (role, topic)


def test_the_feed_needs_somebody(guarded: ServerInThread) -> None:
    with connect(guarded.feed, proxy=None) as feed:
        feed.send(json.dumps({"type": "hello"}))
        with pytest.raises(ConnectionClosed) as closed:
            feed.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_a_route_without_a_row_stops_the_server_from_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten = APIRouter()

    @forgotten.get("/v1/forgotten")
    async def forgotten_route() -> None:
        """Nobody thought of who may."""

    class Room:
        routes = forgotten

    monkeypatch.setattr(application, "ROOMS", (*application.ROOMS, Room))

    async def make() -> None:
        node = Node(street(), open_log(tmp_path / "log.sqlite", reserve_bytes=0), Clock("live"))
        try:
            with pytest.raises(KeyError, match="forgotten_route"):
                application.create_app(node)
        finally:
            node.log.close()

    asyncio.run(make())


def test_roles_and_rights_are_all_used() -> None:
    assert set(GRANTS) == set(ROLES)
    granted = {right for rights in GRANTS.values() for right in rights}
    asked = {*OPERATIONS.values(), *TOPIC_RIGHTS.values()} - {None}
    assert asked <= set(RIGHTS)
    assert granted == set(RIGHTS)
    assert set(RIGHTS) - asked == {*access.IN_BODIES, *access.ON_LINES}, "a right that nothing asks for"


def test_facts_name_who_said_them(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    """Whatever a dispatcher, a supervisor and a device write, each fact has their name."""
    with speaks(guarded, tokens["dispatcher"]) as http:
        ids = {"incident_id": "said", "for_unit_id": None}
        assert http.post("/v1/incidents", json={**PLACE, "priority": 2, "incident_id": "said"}).status_code == 201
        assert http.patch("/v1/incidents/said", json={"note": "two men"}).status_code == 200
        assert http.post("/v1/incidents/said/assignments", json={"unit_id": "F2"}).status_code == 201
        assert http.put("/v1/units/F2/status", json={"status": "on_scene"}).status_code == 200
        assert http.post("/v1/incidents/said/close").status_code == 200
        assert ids
    with speaks(guarded, tokens["device"]) as http:
        rows = [{"unit_id": "F1", "fix_time": at(), **PLACE}]
        assert http.post("/v1/positions", json={"positions": rows}).json()["accepted"] == 1
        assert http.post("/v1/emergencies", json={"unit_id": "F1", "emergency_id": "cry"}).status_code == 201
    with speaks(guarded, tokens["dispatcher"]) as http:
        assert http.post("/v1/emergencies/cry/acknowledge", json={}).status_code == 200
    with speaks(guarded, tokens["supervisor"]) as http:
        body = {"by": "supervisor", "who": "Chief of police", "reason": "seen safe"}
        assert http.post("/v1/emergencies/cry/clear", json=body).status_code == 200
        assert http.post("/v1/incidents/cry/close").status_code == 200
    by_kind: dict[str, set[str]] = {}
    events = events_in(guarded.log)
    for event in events:
        about = {getattr(event, name, None) for name in ("incident_id", "emergency_id", "unit_id")}
        if about & {"said", "cry", "F1", "F2"}:
            by_kind.setdefault(type(event).__name__, set()).add(event.said_by)
    dispatcher, supervisor, device = ("program:t-dispatcher", "program:t-supervisor", "program:t-device")
    assert by_kind["IncidentOpened"] == by_kind["IncidentChanged"] == {dispatcher}
    assert by_kind["AssignmentChanged"] == by_kind["UnitStatusChanged"] == {dispatcher}
    assert by_kind["PositionReported"] == by_kind["EmergencyDeclared"] == {device}
    assert by_kind["EmergencyAcknowledged"] == {dispatcher}
    assert by_kind["EmergencyCleared"] == by_kind["UnitRegistered"] == {supervisor}
    cleared = next(event for event in events if type(event).__name__ == "EmergencyCleared")
    assert cleared.who == f"Chief of police, says {supervisor}"  # type: ignore[attr-defined]


def test_nobody_clears_an_emergency_by_a_word_in_a_body(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    with speaks(guarded, tokens["device"]) as http:
        assert http.post("/v1/emergencies", json={"unit_id": "F1", "emergency_id": "stands"}).status_code == 201
    body = {"by": "supervisor", "who": "Chief of police", "reason": "trust me"}
    for role in set(ROLES) - {"supervisor"}:
        with speaks(guarded, tokens[role]) as http:
            assert http.post("/v1/emergencies/stands/clear", json=body).status_code in (403, 404), role
    with speaks(guarded, tokens["supervisor"]) as http:
        assert http.get("/v1/incidents/stands").json()["emergency"]["cleared_time"] is None
        assert http.put("/v1/units/F1/word", json={"word": "forged"}).status_code == 409
        assert http.post("/v1/emergencies/stands/clear", json=body).status_code == 200
        assert http.post("/v1/incidents/stands/close").status_code == 200
    refused = [event for event in events_in(guarded.log) if type(event).__name__ == "EmergencyClearRefused"]
    assert {event.said_by for event in refused} >= {"program:t-dispatcher"}


def test_a_device_speaks_for_its_own_unit_only(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    with speaks(guarded, tokens["device"]) as http:
        rows = [{"unit_id": unit_id, "fix_time": at(), **PLACE, "alarm": "sos"} for unit_id in ("F2", "F9")]
        answer = http.post("/v1/positions", json={"positions": rows}).json()
        assert [row["reason"].partition(":")[0] for row in answer["refused"]] == ["not_yours", "not_yours"]
        assert "emergencies" not in answer
        assert http.post("/v1/emergencies", json={"unit_id": "F2"}).status_code == 403
        event = f'<event version="2.0" uid="F2" type="a-f-G" time="{at()}" start="{at()}" stale="{at(60)}" how="m-g">'
        body = f'{event}<point lat="57.7" lon="11.97" hae="0" ce="5" le="5"/></event>'
        headers = {"content-type": "application/xml"}
        assert http.post("/v1/cot", content=body, headers=headers).status_code == 403
    with speaks(guarded, tokens["field_unit"]) as http:
        assert http.put("/v1/units/F2/status", json={"status": "busy"}).status_code in (403, 404)
        assert http.put("/v1/units/F1/status", json={"status": "available"}).status_code == 200


def test_a_hidden_unit_is_known_to_supervisors_alone(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    body = {"callsign": "Shade", "agency": "police", "kind": "patrol", "capabilities": ["patrol"], "hidden": True}
    with (
        speaks(guarded, tokens["dispatcher"]) as http,
        connect(
            guarded.feed, additional_headers={"Authorization": f"Bearer {tokens['dispatcher']}"}, proxy=None
        ) as feed,
    ):
        feed.send(json.dumps({"type": "hello", "topics": ["units", "positions", "rankings", "incidents"]}))
        assert "F1" in feed.recv(timeout=10)
        with speaks(guarded, tokens["supervisor"]) as above:
            assert above.put("/v1/units/UC7", json=body).status_code == 201
            rows = [{"unit_id": "UC7", "fix_time": at(), **PLACE}, {"unit_id": "F2", "fix_time": at(), **PLACE}]
            assert above.post("/v1/positions", json={"positions": rows}).json()["accepted"] == 2
            assert above.get("/v1/units/UC7").json()["properties"]["hidden"] is True
        assert http.post("/v1/incidents", json={**PLACE, "priority": 2, "incident_id": "near"}).status_code == 201
        urls = ("/v1/units", "/v1/incidents/near/ranking", "/v1/incidents", "/v1/cover", "/v1/cover/moves")
        for url in urls:
            answer = http.get(url)
            assert answer.status_code == 200, url
            assert "UC7" not in answer.text, url
            assert "Shade" not in answer.text, url
        nobody = http.get("/v1/units/UC7")
        assert (nobody.status_code, nobody.json()["detail"].replace("UC7", "UC8")) == (
            404,
            http.get("/v1/units/UC8").json()["detail"],
        )
        for call in (
            http.put("/v1/units/UC7/status", json={"status": "busy"}),
            http.post("/v1/incidents/near/assignments", json={"unit_id": "UC7"}),
            http.post("/v1/incidents", json={**PLACE, "priority": 3, "for_unit_id": "UC7"}),
        ):
            assert call.status_code == 404, call.text
        said = [feed.recv(timeout=10) for _ in range(3)]
        eventually(lambda: said.append(feed.recv(timeout=10)) or any('"near"' in one for one in said), "the incident")
        assert not any("UC7" in one or "Shade" in one for one in said)
        with speaks(guarded, tokens["supervisor"]) as above:
            assert above.post("/v1/emergencies", json={"unit_id": "UC7", "emergency_id": "shade"}).status_code == 201
        cry = eventually(lambda: http.get("/v1/incidents/shade").json().get("emergency"), "help for an officer")
        assert cry["alarms"] is True
        assert "UC7" not in http.get("/v1/emergencies").text, "where help is needed is told, who it is is not"
        with speaks(guarded, tokens["supervisor"]) as above:
            end = {"by": "supervisor", "reason": "over"}
            assert above.post("/v1/emergencies/shade/clear", json={**end, "who": "Berg"}).status_code == 200
            for incident_id in ("shade", "near"):
                assert above.post(f"/v1/incidents/{incident_id}/close").status_code == 200
            assert above.delete("/v1/units/UC7").status_code == 204


def test_a_phone_shows_its_token_where_it_can(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    """An app has a password, or only its address: it moves the one unit that its token speaks for, whatever it calls
    itself. A page's cookie does not count there: a link must move nobody."""
    here = {"lat": 57.7, "lon": 11.97, "id": "F2", "timestamp": str(time.time_ns() // 1_000_000)}
    message = {"_type": "location", "lat": 57.7, "lon": 11.97, "tst": int(time.time())}
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=30) as http:
        assert http.get("/v1/osmand", params=here).status_code == 401
        assert http.get("/v1/osmand", params={**here, "token": "wrong"}).status_code == 401
        assert http.get("/v1/osmand", params={**here, "token": tokens["device"]}).status_code == 200
        assert http.get("/v1/units", params={"token": tokens["supervisor"]}).status_code == 401
        assert http.get("/v1/osmand", params=here, cookies={COOKIE: tokens["device"]}).status_code == 401
        assert http.post("/v1/owntracks", json=message).status_code == 401
        assert http.post("/v1/owntracks", json=message, auth=("phone", tokens["device"])).json() == []
    with speaks(guarded, tokens["supervisor"]) as http:
        assert http.get("/v1/units/F1").json()["geometry"]["coordinates"] == [11.97, 57.7]
        assert http.get("/v1/quarantine").status_code == 200


def test_a_person_signs_in_on_the_page(guarded: ServerInThread, roster: Roster) -> None:
    roster.people.add(
        "lind", name="Eva Lind", agency="*", roles=("dispatcher",), password=PASSWORD, with_code=False, by="test"
    )
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=30) as http:
        Told.of(http)
        assert http.get("/v1/session").json()["speaker"] is None
        assert http.get("/v1/units").status_code == 401
        wrong = http.post("/v1/session", json={"person_id": "lind", "password": "wrong"})
        nobody = http.post("/v1/session", json={"person_id": "nobody", "password": "wrong"})
        assert wrong.status_code == 401
        assert {**wrong.json(), "instance": ""} == {**nobody.json(), "instance": ""}
        came = http.post("/v1/session", json={"person_id": "lind", "password": PASSWORD})
        assert came.status_code == 201
        cookie = came.headers["set-cookie"]
        assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", COOKIE))
        assert PASSWORD not in cookie
        assert http.get("/v1/units").status_code == 200
        here = http.get("/v1/session").json()
        assert here["speaker"]["said_by"] == "person:lind"
        body = {**PLACE, "priority": 3, "incident_id": "by-page"}
        assert http.post("/v1/incidents", json=body).status_code == 403, "a cookie alone changes nothing"
        http.headers["x-csrf-token"] = here["csrf"]
        assert http.post("/v1/incidents", json=body).status_code == 201
        assert http.post("/v1/incidents/by-page/close").status_code == 200
        stolen = http.cookies[COOKIE]
        assert http.delete("/v1/session").status_code == 204
        assert http.get("/v1/units", cookies={COOKIE: stolen}).status_code == 401
    kinds = {type(event).__name__: event for event in events_in(guarded.log)}
    assert kinds["SignedIn"].said_by == kinds["SignedOut"].said_by == "person:lind"
    assert "SignInRefused" in kinds


def test_a_revoked_token_is_let_go_from_the_feed(guarded: ServerInThread, roster: Roster) -> None:
    token = roster.tokens.issue("leaver", "program", agency="*", roles=("viewer",), by="test")
    with connect(guarded.feed, additional_headers={"Authorization": f"Bearer {token}"}, proxy=None) as feed:
        feed.send(json.dumps({"type": "hello"}))
        assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"
        roster.tokens.revoke("leaver", by="test")
        with pytest.raises(ConnectionClosed) as closed:
            deque(iter(partial(feed.recv, timeout=20), None), maxlen=0)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    with speaks(guarded, token) as http:
        assert http.get("/v1/units").status_code in (401, 429), "429 where wrong ones were tried from here"


def test_a_client_is_told_that_it_is_not_let_in(guarded: ServerInThread, roster: Roster) -> None:
    """It does not come back again and again: without a token, and once its token is revoked."""

    async def watched(token: str | None) -> None:
        async with Client(guarded.url, token=token) as client:
            async for _ in client.watch():
                if roster.who(token or "") is not None:
                    roster.tokens.revoke("guest", by="test")

    with pytest.raises(GeoBackupError, match="refuses: sign in first"):
        asyncio.run(watched(None))
    token = roster.tokens.issue("guest", "program", agency="*", roles=("viewer",), by="test")
    with pytest.raises(GeoBackupError, match="refuses: the session is over"):
        asyncio.run(watched(token))


def test_a_ticket_opens_the_feed_once(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    with speaks(guarded, tokens["viewer"]) as http:
        ticket = http.post("/v1/session/ticket").json()["ticket"]
    with connect(guarded.feed, proxy=None) as feed:
        feed.send(json.dumps({"type": "hello", "ticket": ticket}))
        assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"
    with connect(guarded.feed, proxy=None) as feed:
        feed.send(json.dumps({"type": "hello", "ticket": ticket}))
        with pytest.raises(ConnectionClosed):
            feed.recv(timeout=10)


def test_a_ticket_ends_with_the_token_that_it_was_made_with(guarded: ServerInThread, roster: Roster) -> None:
    token = roster.tokens.issue("brief", "program", agency="*", roles=("viewer",), by="test")
    with speaks(guarded, token) as http:
        ticket = http.post("/v1/session/ticket").json()["ticket"]
    roster.tokens.revoke("brief", by="test")
    with connect(guarded.feed, proxy=None) as feed:
        feed.send(json.dumps({"type": "hello", "ticket": ticket}))
        with pytest.raises(ConnectionClosed) as closed:
            feed.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


def test_the_log_has_an_end(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    with speaks(guarded, tokens["auditor"]) as http:
        assert http.get("/v1/log?after=99999999999999999999").status_code == 422
        assert http.get(f"/v1/log?after={2**62}").json() == {"facts": [], "next": 2**62}


def test_wrong_tokens_are_slowed_and_good_ones_are_not(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    with speaks(guarded, "gb1_wrong") as wrong, speaks(guarded, tokens["viewer"]) as right:
        answers = [wrong.get("/v1/units").status_code for _ in range(23)]
        assert set(answers[:15]) == {401}
        assert set(answers[20:]) == {429}
        assert right.get("/v1/units").status_code == 200


def test_the_paper_shows_the_table_that_holds() -> None:
    paper = (Path(access.__file__).parent / "ACCESS.md").read_text()
    assert access.table() in paper
    assert access.operations() in paper


def test_an_auditor_reads_the_log_without_tracks_and_an_analyst_a_day_late(
    guarded: ServerInThread, tokens: dict[str, str]
) -> None:
    with speaks(guarded, tokens["dispatcher"]) as http:
        assert http.post("/v1/incidents", json={**PLACE, "priority": 3, "incident_id": "read"}).status_code == 201
        assert http.post("/v1/incidents/read/close").status_code == 200
    with speaks(guarded, tokens["auditor"]) as http:
        page = http.get("/v1/log?limit=1000").json()
        kinds = {row["fact"] for row in page["facts"]}
        assert "IncidentOpened" in kinds
        assert not kinds & {"PositionReported", "WordSet"}
        assert all("inputs" not in row for row in page["facts"])
        assert http.get(f"/v1/log?after={page['next']}").json()["next"] >= page["next"]
    with speaks(guarded, tokens["analyst"]) as http:
        assert http.get("/v1/log").json() == {"facts": [], "next": 0}, "nothing here is a day old"
    read = [event for event in events_in(guarded.log) if isinstance(event, Looked) and event.what == "log"]
    assert {event.said_by for event in read} == {"program:t-auditor", "program:t-analyst"}


def test_an_analyst_is_told_other_names() -> None:
    event = opened("i1", note="two men", said_by="person:lind", for_unit_id="P7")
    fact = json.loads(facts.dump(event))
    other = Speakers().pseudonym
    said = history._other_names(fact, other)
    assert not {"two men", "person:lind", "P7"} & set(map(str, said.values()))
    assert said["for_unit_id"] == other("P7") != other("P8")
    assert (said["lon"], said["lat"]) == (11.97, 57.7)
    assert said["incident_id"] == "i1"


def test_whoever_reads_units_is_on_record(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    with speaks(guarded, tokens["viewer"]) as http:
        for _ in range(3):
            assert http.get("/v1/units").status_code == 200

    def read() -> list[Looked]:
        return [
            event
            for event in events_in(guarded.log)
            if isinstance(event, Looked) and event.what == "answers" and event.said_by == "program:t-viewer"
        ]

    eventually(read, "who read")
    assert sorted(event.scope for event in read()).count(("look",)) == 1


def test_the_last_of_a_beat_goes_to_a_lesser_call_by_a_supervisor_alone(
    tmp_path: Path, roster: Roster, tokens: dict[str, str]
) -> None:
    """Nobody asks for leave to send it to somebody in danger."""
    server = ServerInThread(tmp_path / "log.sqlite", roster=roster).start()
    west, south = CENTRE[0] - 0.02, CENTRE[1] - 0.02
    ring = [[west, south], [west + 0.04, south], [west + 0.04, south + 0.04], [west, south + 0.04], [west, south]]
    beat = {"type": "Feature", "properties": {"beat_id": "north", "floor": 1}}
    beats = {
        "type": "FeatureCollection",
        "features": [{**beat, "geometry": {"type": "Polygon", "coordinates": [ring]}}],
    }
    about = {"callsign": "x", "agency": "police", "kind": "patrol", "capabilities": ["patrol"]}
    with speaks(server, tokens["supervisor"]) as chief, speaks(server, tokens["dispatcher"]) as desk:
        assert chief.put("/v1/beats", json=beats).status_code == 200
        for unit_id in ("A", "B"):
            assert chief.put(f"/v1/units/{unit_id}", json=about).status_code == 201
            rows = [{"unit_id": unit_id, "fix_time": at(), **PLACE}]
            assert chief.post("/v1/positions", json={"positions": rows}).json()["accepted"] == 1
        for incident_id, priority in (("first", 3), ("second", 3), ("danger", 1)):
            body = {**PLACE, "priority": priority, "incident_id": incident_id}
            assert desk.post("/v1/incidents", json=body).status_code == 201
        assert desk.post("/v1/incidents/first/assignments", json={"unit_id": "A"}).status_code == 201
        kept = desk.post("/v1/incidents/second/assignments", json={"unit_id": "B"})
        assert (kept.status_code, kept.json()["errors"][0]["reason"]) == (403, "empties_beat")
        assert desk.post("/v1/incidents/danger/assignments", json={"unit_id": "B"}).status_code == 201
        assert desk.patch("/v1/incidents/danger/assignments/B", json={"state": "cleared"}).status_code == 200
        assert chief.post("/v1/incidents/second/assignments", json={"unit_id": "B"}).status_code == 201
    server.stop()


def test_what_happened_at_the_door_waits_for_a_log_that_takes_nothing(tmp_path: Path, roster: Roster) -> None:
    """Who looked while the disk was full is on record once there is room."""
    log = open_log(tmp_path / "log.sqlite", reserve_bytes=0)
    speakers = Speakers(roster)
    speakers.notes(Principal("person", "lind", "*", frozenset({"viewer"}), session="s"), "look", "10.0.0.1")

    async def story() -> None:
        node = Node(street(), log, Clock("live"))
        await node.start()
        record, refused, taken = node.record, 0, asyncio.Event()

        async def full(*events: Event, apart: bool = False) -> list[Outcome]:
            nonlocal refused
            if any(isinstance(event, Looked) for event in events) and refused < 2:
                refused += 1
                raise LogError("full")
            outcomes = await record(*events, apart=apart)
            if any(isinstance(event, Looked) for event in events):
                taken.set()
            return outcomes

        node.record = full  # type: ignore[method-assign]
        watching = asyncio.create_task(keep_watch(node, speakers))
        await asyncio.wait_for(taken.wait(), 20)
        watching.cancel()
        await node.stop()

    asyncio.run(story())
    looks = [event for event in events_in(tmp_path / "log.sqlite") if isinstance(event, Looked)]
    assert [event.said_by for event in looks] == ["person:lind"]
