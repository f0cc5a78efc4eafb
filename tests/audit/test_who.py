"""Who saw a unit, who moved it, who sent it: told from the facts alone."""

from __future__ import annotations

from dataclasses import replace

from geo_backup.audit.who import who
from geo_backup.custody import Look, Looked
from geo_backup.events import AgreementMade, EmergencyAcknowledged, EmergencyDeclared, Event
from tests.stories import ms, opened, part, ping, status, unit


def looked(s: float, said_by: str, session: str, until_s: float | None = None, **more: object) -> Looked:
    fields = {"agency": "*", "roles": ("dispatcher",), "scope": ("positions", "units"), **more}
    until_ms = None if until_s is None else ms(until_s)
    return Looked(
        received_ms=ms(until_s if until_s is not None else s),
        said_by=said_by,
        what="feed",
        session=session,
        until_ms=until_ms,
        **fields,  # type: ignore[arg-type]
    )


def words(story: list[Event], unit_id: str = "P1", since_s: float = 0, until_s: float = 1_000) -> list[str]:
    events = list(enumerate(story, 1))
    return [line.words().split("Z  ", 1)[1] for line in who(events, unit_id, ms(since_s), ms(until_s))]


def test_who_saw_moved_and_sent_a_unit() -> None:
    story: list[Event] = [
        unit("P1"),
        opened("i1", 1.0),
        looked(2.0, "person:lind", "s1"),
        replace(ping("P1", 3.0), said_by="device:avl"),
        replace(ping("P1", 8.0), said_by="device:avl"),
        replace(part("i1", "P1", "assigned", 10.0), said_by="person:lind"),
        replace(status("P1", "busy", 12.0), said_by="person:berg"),
        looked(2.0, "person:lind", "s1", 20.0),
    ]
    assert words(story) == [
        "desk registered or described it",
        "person:lind followed the map on which it stood",
        "device:avl reported its position, 2 times",
        "person:lind sent it to incident i1",
        "person:berg said that it is busy",
    ]
    assert words(story, "P9") == []
    assert words(story, since_s=11.0) == [
        "person:lind followed the map on which it stood",
        "person:berg said that it is busy",
    ], "a feed that was open in the time, and what was done in it"


def test_whoever_could_not_see_it_is_not_named() -> None:
    story: list[Event] = [
        unit("P1"),
        replace(unit("U1"), hidden=True),
        looked(1.0, "person:fire", "s1", agency="fire"),
        looked(1.0, "person:closures", "s2", scope=("closures",)),
        looked(1.0, "person:chief", "s3", roles=("supervisor",)),
        looked(1.0, "person:lind", "s4"),
    ]
    assert [line.split()[0] for line in words(story)] == ["desk", "person:chief", "person:lind"]
    assert [line.split()[0] for line in words(story, "U1")] == ["desk", "person:chief"]


def test_an_emergency_is_told_with_who_took_it() -> None:
    story: list[Event] = [
        unit("P1"),
        EmergencyDeclared(
            received_ms=ms(1), said_by="device:radio", emergency_id="e1", unit_id="P1", lon=1.0, lat=1.0,
            placed_by="fix", source="device",
        ),
        EmergencyAcknowledged(received_ms=ms(2), said_by="person:lind", emergency_id="e1", by="desk 3"),
    ]  # fmt: skip
    assert words(story)[1:] == [
        "device:radio declared its officer's emergency e1",
        "person:lind took its officer's emergency e1 in hand (desk 3)",
    ]


def test_whoever_looks_while_it_comes_into_sight_is_named() -> None:
    agreed = AgreementMade(received_ms=ms(5), agreement_id="a", lender="police", borrower="ems", aid="automatic")
    story: list[Event] = [
        unit("P1"),
        looked(1.0, "person:ems", "s1", agency="ems"),
        replace(looked(2.0, "program:ems", "t", agency="ems", scope=("look",)), what="answers", until_ms=ms(900)),
        agreed,
    ]
    assert sorted(words(story)[1:]) == [
        "person:ems followed the map on which it stood",
        "program:ems may have read answers in which it stood",
    ]


def test_whoever_read_what_is_past_is_named() -> None:
    def back(s: float, said_by: str, what: Look, *scope: str, **more: object) -> Looked:
        fields = {"agency": "", "roles": (), **more}
        return Looked(received_ms=ms(s), said_by=said_by, what=what, scope=scope, **fields)  # type: ignore[arg-type]

    story: list[Event] = [
        back(1.0, "account:early", "export", "log:1..9"),
        unit("P1"),
        unit("P2"),
        back(2.0, "person:lind", "history", "unit:P1", "12:00/13:00", agency="*", roles=("dispatcher",)),
        back(3.0, "person:other", "history", "unit:P2", agency="*", roles=("dispatcher",)),
        back(4.0, "person:fire", "history", "unit:P1", agency="fire", roles=("dispatcher",)),
        back(5.0, "person:court", "log", "log:1..40", agency="*", roles=("auditor",), source="10.0.0.1"),
        back(6.0, "account:root", "export", "log:1..40"),
        back(7.0, "account:root", "replay", "tracks"),
    ]
    assert words(story)[1:] == [
        "person:lind read what is past of it (unit:P1, 12:00/13:00)",
        "person:court read the log, without tracks, in which it stood (log:1..40) from 10.0.0.1",
        "account:root took a copy of the log in which it stood (log:1..40)",
        "account:root played the log again in which it stood (tracks)",
    ]
    assert words(story, "P9") == []
