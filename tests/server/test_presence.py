"""Who has which incident open: told to the desks that may know of it, and to nobody else; gone with the connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from geo_backup.live_map import LiveMap, apply
from geo_backup.people import ROLES, Principal
from geo_backup.server.presence import NAMES_MAX, Presence, Seat
from tests.asking import new_incident
from tests.running import CENTRE, Server, ServerInThread, events_in
from tests.server.test_access import speaks
from tests.stories import opened

PLACE = {"lon": CENTRE[0], "lat": CENTRE[1]}


class Desk:
    """A feed that says which incident it has open."""

    def __init__(self, feed: ClientConnection) -> None:
        self.feed = feed
        feed.send(json.dumps({"type": "hello", "topics": ["incidents"]}))
        assert json.loads(feed.recv(timeout=10))["type"] == "snapshot"

    def opens(self, incident_id: str | None) -> None:
        self.feed.send(json.dumps({"type": "open", "incident_id": incident_id}))

    def next(self, kind: str) -> Any:
        while (message := json.loads(self.feed.recv(timeout=10)))["type"] != kind:
            pass
        return message

    def told(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self.next("present")["incidents"]
        return found

    def silent(self) -> bool:
        """Whether two heartbeats bring nothing of others."""
        beats = 0
        while beats < 2:
            kind = json.loads(self.feed.recv(timeout=10))["type"]
            if kind == "present":
                return False
            beats += kind == "heartbeat"
        return True


@contextmanager
def desk(url: str, token: str | None = None) -> Iterator[Desk]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with connect(url, additional_headers=headers, proxy=None, max_size=None) as feed:
        yield Desk(feed)


@pytest.fixture(scope="module")
def tokens(guarded: ServerInThread) -> dict[str, str]:
    """One of each role, of the police, for whom unit P1 is; beside them a desk of the fire brigade and one of all."""
    issue = guarded.roster.tokens.issue
    units = {"device": ("P1",), "field_unit": ("P1",)}
    found = {
        role: issue(f"police-{role}", "program", agency="police", roles=(role,), units=units.get(role, ()), by="test")
        for role in ROLES
    }
    found["fire"] = issue("fire", "program", agency="fire", roles=("dispatcher",), by="test")
    found["centre"] = issue("centre", "program", agency="*", roles=("supervisor",), by="test")
    with speaks(guarded, found["centre"]) as centre:
        for unit_id, agency, hidden in (("P1", "police", False), ("UC9", "police", True)):
            body = {"callsign": unit_id, "agency": agency, "kind": agency, "capabilities": [], "hidden": hidden}
            assert centre.put(f"/v1/units/{unit_id}", json=body).status_code == 201
        for incident_id, agency in (("pol", "police"), ("fir", "fire"), ("all", "")):
            body = {**PLACE, "priority": 2, "incident_id": incident_id, "agency": agency}
            assert centre.post("/v1/incidents", json=body).status_code == 201
        assert centre.post("/v1/incidents/pol/assignments", json={"unit_id": "P1"}).status_code == 201
    return found


def test_two_desks_on_an_open_server_see_each_other(http: httpx.Client, server: Server) -> None:
    one, two = new_incident(http), new_incident(http)
    with desk(server.feed) as here, desk(server.feed) as there:
        here.opens(one)
        assert there.told() == {one: [""]}, "nobody has a name"
        here.opens(two)
        assert there.told() == {two: [""]}
        there.opens(two)
        assert here.told() == {two: [""]}
        here.opens(None)
        assert there.told() == {}
        here.opens(one)
        assert there.told() == {one: [""]}
        here.feed.close()
        assert there.told() == {}, "it ends with the connection"


def test_which_roles_tell_and_which_are_told(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    tells, hears = {"dispatcher", "supervisor"}, {"viewer", "dispatcher", "supervisor"}
    follows = {*hears, "field_unit", "aid_partner"}
    """The others have no feed of incidents: tests of access say so."""
    with ExitStack() as feeds:
        desks = {role: feeds.enter_context(desk(guarded.feed, tokens[role])) for role in ROLES if role in follows}
        centre = feeds.enter_context(desk(guarded.feed, tokens["centre"]))
        centre.next("heartbeat")
        before = len(events_in(guarded.log))
        for role in follows - tells:
            desks[role].opens("pol")
            desks[role].feed.ping().wait(10)
        for role in sorted(tells):
            desks[role].opens("pol")
            assert centre.told() == {"pol": [f"police-{role}"]}
            desks[role].opens(None)
            assert centre.told() == {}
        centre.opens("pol")
        for role in hears:
            while desks[role].told() != {"pol": ["centre"]}:
                pass
        for role in follows - hears:
            assert desks[role].silent(), role
        assert len(events_in(guarded.log)) == before, "nothing of it is on record"


def test_who_may_not_see_an_incident_is_told_nothing_of_it(guarded: ServerInThread, tokens: dict[str, str]) -> None:
    with (
        desk(guarded.feed, tokens["centre"]) as centre,
        desk(guarded.feed, tokens["dispatcher"]) as police,
        desk(guarded.feed, tokens["fire"]) as fire,
    ):
        centre.opens("fir")
        assert fire.told() == {"fir": ["centre"]}
        assert police.silent()
        police.opens("fir")  # as if it knew of it
        assert fire.silent()
        police.opens("all")
        assert fire.told() == {"fir": ["centre"], "all": ["police-dispatcher"]}
        with speaks(guarded, tokens["centre"]) as http:
            assert http.patch("/v1/incidents/all", json={"agency": "police"}).status_code == 200
            assert fire.told() == {"fir": ["centre"]}, "out of sight"
            assert http.patch("/v1/incidents/all", json={"agency": ""}).status_code == 200


def test_a_message_that_is_none_is_answered(http: httpx.Client, server: Server) -> None:
    one = new_incident(http)
    with desk(server.feed) as here, desk(server.feed) as there:
        here.opens(one)
        assert there.told() == {one: [""]}
        here.feed.send(json.dumps({"type": "open", "incident_id": "a b"}))
        assert here.next("error")["message"].startswith("/incident_id: ")
        here.opens("nobody-knows-it")
        assert there.told() == {}


def test_it_is_bounded() -> None:
    """Whatever a desk says, it has one incident open at most; of many desks the first are named."""
    live_map, presence = LiveMap(), Presence()
    apply(live_map, 1, opened("i"))
    seats = [Seat(Principal("person", f"p{n}", "*", frozenset({"supervisor"}))) for n in range(2 * NAMES_MAX)]

    def opens(seat: Seat, text: str) -> str:
        return presence.hear(seat, text, live_map)

    for seat in (*seats, seats[0]):
        assert opens(seat, '{"type":"open","incident_id":"i"}') == ""
    for text, wrong in (
        ("{", "not JSON"),
        ('{"type":"open"}', "/incident_id"),
        ('{"type":"opens","incident_id":"i"}', "/type"),
        ('{"type":"open","incident_id":"i","who":"chief"}', "/who"),
        (" " * 600, "at most 512"),
    ):
        assert wrong in opens(seats[0], text)
    assert presence.others(seats[0], live_map) == {"i": [f"person:p{n}" for n in range(1, NAMES_MAX + 1)]}
    for seat in seats:
        presence.leave(seat)
    assert presence.others(Seat(seats[0].who), live_map) == {}
