"""When decisions are made, under which names, and that what is told is what is recorded."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from geo_backup.audit.explanation import explained
from geo_backup.audit.verify import verify
from geo_backup.backup import question as questions
from geo_backup.backup.choice import Choice
from geo_backup.eventlog import open_log
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.purge import fold_start, purge
from geo_backup.eventlog.retention import DAY_MS, Terms
from geo_backup.events import AssignmentChanged, BackupRequested, DecisionMade, Fix, Need, PositionReported
from geo_backup.live_map import Recommendation
from geo_backup.node import Node, decider
from geo_backup.wire import decisions
from tests.node.test_node import asking, running, street
from tests.roads.tiny import place
from tests.stories import opened, unit

Story = Callable[[Node], Awaitable[None]]


def request(incident_id: str, now_ms: int) -> BackupRequested:
    return BackupRequested(
        received_ms=now_ms,
        event_id=f"request-{incident_id}",
        incident_id=incident_id,
        requirement=(Need("any"),),
        mode="immediate",
    )


def sent(incident_id: str, unit_id: str) -> AssignmentChanged:
    now_ms = int(time.time() * 1000)
    return AssignmentChanged(
        received_ms=now_ms, incident_id=incident_id, unit_id=unit_id, state="assigned", at_ms=now_ms
    )


async def fleet(node: Node, *metres: float) -> None:
    """Units P0, P1, ... so many metres along the street."""
    now_ms = int(time.time() * 1000)
    for n, x in enumerate(metres):
        fix = Fix(now_ms, *place(x, 0))
        await node.submit(unit(f"P{n}"), PositionReported(received_ms=now_ms, unit_id=f"P{n}", fix=fix))


async def ask(node: Node, incident_id: str, x: float = 0.0) -> None:
    lon, lat = place(x, 0)
    now_ms = int(time.time() * 1000)
    await node.submit(opened(incident_id, lon=lon, lat=lat, priority=1), request(incident_id, now_ms))


async def refined(node: Node, incident_id: str, other_than: str = "") -> Recommendation:
    """The recommendation of an incident, once its best set is found."""
    for _ in range(1_000):
        standing = node.live_map.incidents[incident_id].recommended
        if standing is not None and not standing.quick and standing.decision_id != other_than:
            return standing
        await asyncio.sleep(0.01)
    raise AssertionError(standing)


def made(log: Path) -> list[DecisionMade]:
    """All decisions of a log, each of which can be worked out again."""
    opened_log = open_log(log, read_only=True)
    try:
        found = [event for _, event in opened_log.read_all() if isinstance(event, DecisionMade)]
        report = verify(street(), opened_log)
    finally:
        opened_log.close()
    assert report.wrong == []
    assert report.decisions == len(found)
    return found


@pytest.mark.parametrize("within_s", [0.0, 20.0])
def test_a_quick_answer_stands_until_the_best_is_there(
    within_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer to a request is a quick one. After a change there is one only where the search takes longer:
    every search takes longer than 0 s, none 20 s."""
    monkeypatch.setattr(decider, "BEST_WITHIN_S", within_s)
    log = tmp_path / "log.sqlite"

    async def story(node: Node) -> None:
        await fleet(node, 0.0, 100.0, 200.0)
        for incident_id, x in (("i1", 0.0), ("i2", 30.0)):
            await ask(node, incident_id, x)
        before = [await refined(node, incident_id) for incident_id in ("i1", "i2")]
        await node.submit(sent("i1", "P2"))
        await refined(node, "i1", before[0].decision_id)

    running(story, log)
    found = made(log)
    for incident_id in ("i1", "i2"):
        quick, best, *_ = [event for event in found if event.incident_id == incident_id]
        assert (quick.event_id, best.event_id) == tuple(
            f"decision:request-{incident_id}:{stage}" for stage in ("quick", "best")
        )
        assert quick.quick
        assert quick.first == quick.chosen == best.first, "what was said"
        assert best.proven
        assert "by arrival alone" in explained(quick)["words"]
    assert {event.chosen[0][0] for event in found if not event.quick and event.chosen} >= {"P0", "P1"}
    changes = [event for event in found if event.incident_id == "i1"][2:]
    assert [event.quick for event in changes] == ([True, False] if within_s == 0 else [False])
    assert len({event.event_id for event in found}) == len(found)
    assert [event.first == event.chosen for event in changes] == [True] * len(changes), "nobody is missing any more"
    assert [bool(event.inputs) for event in found[:1] + changes] == [False] + [True] * len(changes)


def test_of_a_purged_log_the_decisions_that_carry_their_inputs_are_verified(tmp_path: Path) -> None:
    log = tmp_path / "log.sqlite"

    async def story(node: Node) -> None:
        await fleet(node, 0.0, 100.0, 200.0)
        await ask(node, "i1")
        await refined(node, "i1")

    running(story, log)
    found = made(log)
    later_ms = int(time.time() * 1000) + 100 * DAY_MS
    assert purge(log, Terms(), later_ms).counts["raw_fixes"] == 3
    assert prove(log).wrong == []
    opened_log = open_log(log, read_only=True)
    report = verify(street(), opened_log, start=fold_start(log))
    opened_log.close()
    assert report.wrong == []
    assert report.decisions == len([one for one in found if one.inputs]) > 0
    assert report.purged >= len([one for one in found if not one.inputs]) > 0
    running(story_of_nothing, log)
    assert prove(log).wrong == []


async def story_of_nothing(node: Node) -> None:
    """Only start and stop: the fold begins at the checkpoint."""
    assert {unit.unit_id for unit in node.live_map.units.values() if unit.fix is not None} == {"P0", "P1", "P2"}


def test_what_is_told_is_found_in_the_log_byte_for_byte(tmp_path: Path) -> None:
    log, told = tmp_path / "log.sqlite", dict[str, bytes]()

    async def story(node: Node) -> None:
        await fleet(node, 0.0, 100.0, 300.0)
        async with asking(node) as http:
            for mode in ("immediate", "delayed"):
                lon, lat = place(50.0, 0)
                body = {"incident_id": mode, "lon": lon, "lat": lat, "priority": 1}
                assert (await http.post("/v1/incidents", json=body)).status_code == 201
                answer = await http.post(f"/v1/incidents/{mode}/backup", json={"mode": mode, "units": 2})
                assert answer.status_code == 201
                told[answer.json()["decision_id"]] = answer.content
                # the answer is the fact: it is there already
                whole = (await http.get(f"/v1/decisions/{answer.json()['decision_id']}")).json()
                assert {name: whole[name] for name in answer.json()} == answer.json()
                assert whole["by_arrival"] == (mode == "immediate")
                await refined(node, mode)

    running(story, log)
    recorded = {event.event_id: event for event in made(log)}
    assert len(told) == 2
    for decision_id, body in told.items():
        assert decisions.told(recorded[decision_id]) == body


def test_each_question_is_answered_once_and_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[tuple[str, str]] = []

    def watched(name: str, choose: Callable[..., Choice]) -> Callable[..., Choice]:
        def watch(*given: Any, **more: Any) -> Choice:
            where.append((name, threading.current_thread().name))
            return choose(*given, **more)

        return watch

    for name in ("greedy", "exact"):
        monkeypatch.setattr(questions, name, watched(name, getattr(questions, name)))

    async def story(node: Node) -> None:
        await fleet(node, 0.0, 100.0)
        await ask(node, "i1")
        await refined(node, "i1")

    running(story, tmp_path / "log.sqlite")
    assert [name for name, _ in where] == ["greedy", "greedy", "exact"], "at once by arrival, then with the city"
    assert threading.main_thread().name not in {thread for _, thread in where}


def test_of_two_nodes_the_first_in_the_log_has_answered(tmp_path: Path) -> None:
    """Another node's answer stands already: this one tells it, and not its own."""
    log = tmp_path / "log.sqlite"

    async def story(node: Node) -> None:
        await fleet(node, 0.0, 100.0)
        await ask(node, "i1")
        mine = await node.decider.decision((await refined(node, "i1")).decision_id.replace(":best", ":quick"))
        lon, lat = place(0.0, 0)
        now_ms = int(time.time() * 1000)
        said = decisions.unpack_answer(mine.answer)
        theirs = DecisionMade(
            received_ms=now_ms,
            event_id="decision:request-i2:quick",
            incident_id="i2",
            request_id="request-i2",
            as_of_seq=mine.as_of_seq,
            as_of_ms=mine.as_of_ms,
            mode="immediate",
            software_version="another",
            network_id=mine.network_id,
            weights_id=mine.weights_id,
            rules_id=mine.rules_id,
            quick=True,
            answer=decisions.pack(decisions.dump(said)),
        )
        await node.submit(opened("i2", lon=lon, lat=lat, priority=1), request("i2", now_ms), theirs)
        assert await node.decider.recommend("i2") == decisions.told(theirs)

    running(story, log)


def test_a_first_answer_that_a_stop_came_between_is_given_after_the_start(tmp_path: Path) -> None:
    log = tmp_path / "log.sqlite"

    async def before(node: Node) -> None:
        await fleet(node, 0.0)
        await ask(node, "i1")
        await refined(node, "i1")

    async def after(node: Node) -> None:
        assert (await refined(node, "i2")).decision_id == "decision:request-i2:best"

    running(before, log)
    opened_log = open_log(log)
    lon, lat = place(0.0, 0)
    try:
        asyncio.run(opened_log.append([opened("i2", lon=lon, lat=lat, priority=1), request("i2", 0)]))
    finally:
        opened_log.close()
    running(after, log)
    assert [event.event_id for event in made(log) if event.incident_id == "i1"] == [
        "decision:request-i1:quick",
        "decision:request-i1:best",
    ], "what was answered is not answered again"


def test_a_search_is_left_behind_when_the_node_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search never ends; the node and its loop do."""
    begun, over = threading.Event(), threading.Event()

    def endless(*_: Any, **__: Any) -> Choice:
        begun.set()
        over.wait()
        raise AssertionError

    monkeypatch.setattr(questions, "exact", endless)

    async def story(node: Node) -> None:
        await fleet(node, 0.0)
        await ask(node, "i1")
        while not begun.is_set():
            await asyncio.sleep(0.01)

    try:
        running(story, tmp_path / "log.sqlite")
    finally:
        over.set()
