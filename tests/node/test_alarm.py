"""An officer presses while the disk is full, slow or gone, the list is full, the id was used, or a ranking breaks:
every viewer hears of it, and it is on record once, as soon as it can be."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from geo_backup.backup.standing import Standing
from geo_backup.eventlog import Limits, open_log
from geo_backup.events import EmergencyDeclared, Event, RulesAdopted, UnitRegistered
from geo_backup.feed import TOPICS
from geo_backup.live_map import LiveMap, apply
from geo_backup.node import Node, alarms
from geo_backup.node.clock import Clock
from geo_backup.server import adoption, emergencies
from geo_backup.server.app import create_app
from geo_backup.server.frames import FrameWriter
from tests.asking import at, problem, unit_body
from tests.node.test_node import street
from tests.roads.tiny import place
from tests.running import in_time
from tests.stories import opened, unit

LON, LAT = place(300, 0)
HERE = {"lon": LON, "lat": LAT}
Fact = TypeVar("Fact", bound=Event)


def served(
    story: Callable[[Node, httpx.AsyncClient], Awaitable[None]],
    path: Path,
    *,
    reserve_bytes: int = 0,
    limits: Limits = Limits(),
    adopt_unknown: bool = False,
) -> None:
    """Tell a story to a node and its server in this process."""

    async def run() -> None:
        log = open_log(path, reserve_bytes=reserve_bytes, limits=limits)
        node = Node(street(), log, Clock("live"))
        await node.start()
        transport = httpx.ASGITransport(create_app(node, adopt_unknown=adopt_unknown))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            try:
                await asyncio.wait_for(story(node, http), 60)
            finally:
                await asyncio.wait_for(node.stop(), 20)

    asyncio.run(run())


def telling(story: Callable[[Node, httpx.AsyncClient], Awaitable[None]], path: Path, **how: Any) -> LiveMap:
    """Tell a story; the answer is what its log folds to afterwards."""
    served(story, path, **how)
    live_map = LiveMap()
    log = open_log(path, read_only=True)
    for seq, event in log.read_all():
        apply(live_map, seq, event)
    log.close()
    return live_map


def facts(path: Path, kind: type[Fact]) -> list[Fact]:
    """All facts of a kind in a log."""
    log = open_log(path, read_only=True)
    found = [event for _, event in log.read_all() if isinstance(event, kind)]
    log.close()
    return found


def fill(disk: Path) -> None:
    with (disk / "crumbs").open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


async def fill_log(http: httpx.AsyncClient, disk: Path) -> httpx.Response:
    """Positions until the disk is full: the answer then."""
    fill(disk)
    for i in range(2_000):
        rows = [{"unit_id": "P1", "fix_time": at(-9 + (100 * i + n) / 50_000), **HERE} for n in range(100)]
        answer = await http.post("/v1/positions", json={"positions": rows})
        if answer.status_code != 202:
            return answer
    raise AssertionError("the disk takes everything")


async def snapshot(node: Node) -> dict[str, Any]:
    """What a viewer that connects now is sent first."""
    return dict(json.loads(await FrameWriter(node).snapshot(frozenset(TOPICS))))


@contextmanager
def nothing_is_written(path: Path) -> Iterator[None]:
    """The disk does not answer."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("COMMIT")
        other.close()


def test_a_full_disk_has_room_for_an_emergency_and_alarms_the_desk(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = small_disk / "log.sqlite"

    async def story(node: Node, http: httpx.AsyncClient) -> None:
        assert (await http.put("/v1/units/P1", json=unit_body())).status_code == 201
        assert (await http.get("/readyz")).json() == {"status": "ready"}
        problem(await fill_log(http, small_disk), 503)
        assert (await http.put("/v1/units/P2", json=unit_body())).status_code == 503
        pressed = await http.post("/v1/emergencies", json={"unit_id": "P1"})
        assert (pressed.status_code, pressed.json()["recorded"]) == (201, True)
        row = {"unit_id": "P1", "fix_time": at(), **HERE, "alarm": "sos"}
        again = await http.post("/v1/positions", json={"positions": [row]})
        assert again.status_code == 202
        assert again.json()["emergencies"] == [pressed.json()["incident_id"]]
        assert "unrecorded" not in again.json()
        assert again.json()["refused"][0]["reason"].startswith("not_recorded")
        await in_time(lambda: bool(node.health.conditions))
        wrong = problem(await http.get("/readyz"), 503)
        assert [error["reason"] for error in wrong["errors"]] == ["log_full"]
        assert "make room" in wrong["detail"]
        assert (await http.get("/healthz")).json()["conditions"][0]["name"] == "log_full"
        assert 'geo_backup_condition{name="log_full"} 1.0' in (await http.get("/metrics")).text
        told = [record.getMessage() for record in caplog.records if "log_full" in record.getMessage()]
        assert len(told) == 1

    live_map = telling(story, path, reserve_bytes=1 << 20)
    (incident,) = live_map.open_incidents()
    assert incident.emergency is not None
    assert incident.emergency.presses == 2


def test_an_emergency_that_cannot_be_written_alarms_and_is_written_once_there_is_room(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "OFFER_AGAIN_S", 0.1)
    path, ballast = small_disk / "log.sqlite", small_disk / "ballast"

    async def story(node: Node, http: httpx.AsyncClient) -> None:
        await http.put("/v1/units/P1", json=unit_body())
        ballast.write_bytes(bytes(20 << 20))
        problem(await fill_log(http, small_disk), 503)
        while (await http.put("/v1/units/P1", json=unit_body())).status_code != 503:
            pass  # not a single fact fits
        viewer = node.viewers.watch(["incidents"])
        pressed = (await http.post("/v1/emergencies", json={"unit_id": "P1", "emergency_id": "e1"})).json()
        assert (pressed["incident_id"], pressed["recorded"], pressed["emergency"]["alarms"]) == ("e1", False, True)
        row = {"unit_id": "P1", "fix_time": at(), **HERE, "alarm": "sos"}
        again = (await http.post("/v1/positions", json={"positions": [row]})).json()
        assert (again["accepted"], again["emergencies"], again["unrecorded"]) == (0, ["e1"], ["e1"])
        await in_time(lambda: any("e1" in frame.incidents for frame in viewer.outbox.take()))
        assert "e1" not in node.live_map.incidents
        for seen in (node.value("incidents", "e1"), (await snapshot(node))["incidents"]["e1"]):
            assert (seen["recorded"], seen["emergency"]["presses"]) == (False, 2)
        (standing,) = (await http.get("/v1/emergencies")).json()["emergencies"]
        assert standing == (await http.get("/v1/incidents/e1")).json() == node.value("incidents", "e1")
        taken = await http.post("/v1/emergencies/e1/acknowledge", json={"by": "desk 2"})
        assert (taken.status_code, taken.json()["emergency"]["alarms"]) == (200, False)
        assert {one.name for one in node.health.conditions} == {"log_full", "emergency_unrecorded"}
        ballast.unlink()
        await in_time(lambda: "e1" in node.live_map.incidents and not node.health.conditions)
        seen = node.value("incidents", "e1")
        assert (seen["recorded"], seen["emergency"]["presses"]) == (True, 2)
        assert [who["by"] for who in seen["emergency"]["acknowledged"]] == ["desk 2"]
        assert (await http.get("/readyz")).status_code == 200

    live_map = telling(story, path, limits=Limits(full_for_s=0.2, look_for_room_s=0.05))
    assert live_map.incidents["e1"].emergency is not None
    first, _second = facts(path, EmergencyDeclared)
    assert first.emergency_id == "e1"


def test_a_slow_disk_does_not_delay_the_alarm(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"

    async def story(node: Node, http: httpx.AsyncClient) -> None:
        await http.put("/v1/units/P1", json=unit_body())
        with nothing_is_written(path):
            pressed = (await http.post("/v1/emergencies", json={"unit_id": "P1"})).json()
            incident_id = pressed["incident_id"]
            assert not pressed["recorded"]
            assert (await snapshot(node))["incidents"][incident_id]["emergency"]["alarms"]
            await in_time(lambda: "log_slow" in {one.name for one in node.health.conditions})
        await in_time(lambda: incident_id in node.live_map.incidents and not node.health.conditions)
        assert node.value("incidents", incident_id)["recorded"]
        assert node.value("incidents", incident_id)["emergency"]["presses"] == 1

    telling(story, path, limits=Limits(slow_after_s=0.2, slow_for_s=0.2))
    assert len(facts(path, EmergencyDeclared)) == 1


def test_an_id_that_is_taken_at_the_last_moment_does_not_silence_an_emergency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.sqlite"

    async def story(node: Node, http: httpx.AsyncClient) -> None:
        await http.put("/v1/units/P1", json=unit_body())
        append, may_go = node.log.append, asyncio.Event()

        async def the_press_last(events: Sequence[Event], *, urgent: bool = False) -> list[int]:
            if urgent:
                await may_go.wait()
            return await append(events, urgent=urgent)

        monkeypatch.setattr(node.log, "append", the_press_last)
        pressed = (await http.post("/v1/emergencies", json={"unit_id": "P1", "emergency_id": "e1"})).json()
        assert (pressed["incident_id"], pressed["recorded"]) == ("e1", False)
        other = await http.post("/v1/incidents", json={**HERE, "priority": 3, "incident_id": "e1"})
        assert other.status_code == 201
        may_go.set()
        await in_time(lambda: "e1-again" in node.live_map.incidents and not len(node.alarms))
        assert node.value("incidents", "e1")["emergency"] is None
        assert node.value("incidents", "e1-again")["emergency"]["alarms"]
        await in_time(lambda: "emergency_unrecorded" not in {one.name for one in node.health.conditions})

    live_map = telling(story, path)
    assert live_map.units["P1"].emergency_id == "e1-again"


def test_a_disk_that_fails_alarms_and_the_emergency_stands_on_the_pages(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(node: Node, http: httpx.AsyncClient) -> None:
        await http.put("/v1/units/P1", json=unit_body())
        node.log._connection.execute("DROP TABLE facts")  # type: ignore[attr-defined]
        pressed = await http.post("/v1/emergencies", json={"unit_id": "P1"})
        assert (pressed.status_code, pressed.json()["recorded"]) == (201, False)
        assert (await http.put("/v1/units/P2", json=unit_body())).status_code == 503
        await in_time(lambda: len(node.health.conditions) == 2)
        wrong = problem(await http.get("/readyz"), 503)
        assert {error["reason"] for error in wrong["errors"]} == {"log_failing", "emergency_unrecorded"}
        assert "start the server again" in wrong["detail"]

    served(story, tmp_path / "log.sqlite")
    assert any("not on record" in record.getMessage() and "P1" in record.getMessage() for record in caplog.records)


@pytest.fixture
def dying_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with the file system of most servers, which makes itself read-only when it fails."""
    image, folder = tmp_path / "image", tmp_path / "dying_disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    for command in (["mkfs.ext4", "-q", "-F", str(image)], ["mount", "-o", "loop", str(image), str(folder)]):
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"only root, with e2fsprogs, may mount a disk: {error}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_makes_itself_read_only_alarms_and_the_remedy_is_said(dying_disk: Path) -> None:
    async def story(node: Node, http: httpx.AsyncClient) -> None:
        await http.put("/v1/units/P1", json=unit_body())
        viewer = node.viewers.watch(["incidents"])
        subprocess.run(["mount", "-o", "remount,abort", str(dying_disk)], check=True)
        call = {"unit_id": "P1", "emergency_id": "e1"}
        pressed = asyncio.create_task(http.post("/v1/emergencies", json=call))
        await in_time(lambda: any("e1" in frame.incidents for frame in viewer.outbox.take()), within_s=1.0)
        assert not node.value("incidents", "e1")["recorded"]
        assert ((await pressed).status_code, (await pressed).json()["recorded"]) == (201, False)
        refused = problem(await http.put("/v1/units/P2", json=unit_body()), 503)
        await in_time(lambda: "log_failing" in {one.name for one in node.health.conditions})
        for words in (refused["detail"], problem(await http.get("/readyz"), 503)["detail"]):
            assert "read-only" in words
            assert "mount it for writing" in words

    served(story, dying_disk / "log.sqlite")


def test_a_press_is_not_refused_for_a_used_id_a_full_list_or_open_incidents(tmp_path: Path) -> None:
    async def story(node: Node, http: httpx.AsyncClient) -> None:
        limits = {"limit": {"units": 2, "open_incidents": 1}}
        await node.submit(RulesAdopted(received_ms=node.clock.now_ms(), rules=limits))
        await node.submit(unit("P1"), unit("P2"), opened("used", lon=LON, lat=LAT))
        assert (await http.post("/v1/incidents", json={**HERE, "priority": 1})).status_code == 429
        pressed = await http.post("/v1/emergencies", json={"unit_id": "P1", "emergency_id": "used"})
        assert pressed.status_code == 201
        assert pressed.json()["incident_id"] != "used"
        assert pressed.json()["warnings"] == ["ID_TAKEN"]
        again = await http.post("/v1/emergencies", json={"unit_id": "P1", "emergency_id": "used"})
        assert (again.status_code, again.json()["warnings"]) == (200, [])
        assert again.json()["incident_id"] == pressed.json()["incident_id"]

        stranger = await http.post("/v1/emergencies", json={"unit_id": "X9", **HERE})
        assert stranger.status_code == 201
        assert stranger.json()["warnings"] == ["UNIT_NOT_LISTED"]
        assert (stranger.json()["for_unit_id"], stranger.json()["recorded"]) == ("X9", True)
        assert (await http.post("/v1/emergencies", json={"unit_id": "X9"})).status_code == 200
        row = {"unit_id": "X8", "fix_time": at(), **HERE, "alarm": "sos"}
        by_device = (await http.post("/v1/positions", json={"positions": [row]})).json()
        assert by_device["refused"][0]["reason"].startswith("too_many_units")
        assert len(by_device["emergencies"]) == 1

        await http.delete("/v1/units/P2")
        assert (await http.put("/v1/units/X9", json=unit_body())).status_code == 201
        assert node.live_map.units["X9"].emergency_id == stranger.json()["incident_id"]
        assert node.live_map.units["X9"].pinned_by == (stranger.json()["incident_id"],)
        body = {"by": "supervisor", "who": "Lt. Berg", "reason": "seen safe"}
        for standing in (await http.get("/v1/emergencies")).json()["emergencies"]:
            url = f"/v1/emergencies/{standing['incident_id']}/clear"
            assert (await http.post(url, json=body)).status_code == 200

    path = tmp_path / "log.sqlite"
    telling(story, path, adopt_unknown=True)
    registered = [event.unit_id for event in facts(path, UnitRegistered)]
    assert registered == ["P1", "P2", "X9"], "X9 by name: it was not adopted into a full list"


def test_one_client_cannot_fill_the_list_of_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "ADOPTED_AT_ONCE", 5)
    monkeypatch.setattr(adoption, "ADOPTED_PER_MINUTE", 0)

    async def story(node: Node, http: httpx.AsyncClient) -> None:
        rows = [{"unit_id": f"X{n}", "fix_time": at(), **HERE} for n in range(8)]
        answer = (await http.post("/v1/positions", json={"positions": rows})).json()
        assert (answer["accepted"], len(answer["refused"]), len(node.live_map.units)) == (5, 3, 5)
        assert "PUT /v1/units/{id}" in answer["refused"][0]["reason"]
        pressed = (await http.post("/v1/emergencies", json={"unit_id": "X9", **HERE})).json()
        assert (pressed["recorded"], pressed["warnings"]) == (True, ["UNIT_NOT_LISTED"])

    telling(story, tmp_path / "log.sqlite", adopt_unknown=True)


def test_adoption_is_bounded_by_client_and_time() -> None:
    now_s = 0.0
    some = adoption.Adoption(lambda: 20_000, lambda: now_s)
    assert sum(some.takes("a") for _ in range(9_000)) == adoption.ADOPTED_AT_ONCE
    now_s = 60.0
    assert sum(some.takes("a") for _ in range(9_000)) == adoption.ADOPTED_PER_MINUTE
    assert some.takes("b")
    for _ in range(1_000):
        now_s += 60.0
        for _ in range(adoption.ADOPTED_PER_MINUTE):
            some.takes("a")
    assert some._clients["a"].adopted == 5_000, "a quarter of the list, however long it takes"


def test_an_emergency_does_not_fail_for_a_ranking_s_sake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("float division by zero")

    async def story(node: Node, http: httpx.AsyncClient) -> None:
        await http.put("/v1/units/P1", json=unit_body())
        for name in ("update", "field"):
            monkeypatch.setattr(Standing, name, broken)
        monkeypatch.setattr(emergencies, "snap_place", broken)
        viewer = node.viewers.watch(["incidents"])
        pressed = await http.post("/v1/emergencies", json={"unit_id": "P1", **HERE})
        assert pressed.status_code == 201
        assert (pressed.json()["recorded"], pressed.json()["warnings"]) == (True, ["OFF_ROAD_UNKNOWN"])
        incident_id = pressed.json()["incident_id"]
        await in_time(lambda: any(incident_id in frame.incidents for frame in viewer.outbox.take()))
        row = {"unit_id": "P1", "fix_time": at(), **HERE, "alarm": "sos"}
        again = await http.post("/v1/positions", json={"positions": [row]})
        assert again.json()["emergencies"] == [incident_id]

    live_map = telling(story, tmp_path / "log.sqlite")
    assert len(live_map.open_incidents()) == 1


def test_a_registration_may_follow_the_emergency() -> None:
    live_map = LiveMap()
    pressed = EmergencyDeclared(received_ms=1, emergency_id="e", unit_id="X", lon=LON, lat=LAT)
    assert apply(live_map, 1, pressed).ignored == "unknown_unit", "as logs of old fold"
    unlisted = EmergencyDeclared(received_ms=1, emergency_id="e", unit_id="X", lon=LON, lat=LAT, unlisted=True)
    assert apply(live_map, 2, unlisted).incidents == ("e",)
    named = UnitRegistered(received_ms=2, unit_id="X", callsign="X", agency="police", kind="patrol")
    assert apply(live_map, 3, named).units == ("X",)
    assert live_map.units["X"].emergency_id == "e"


def test_a_report_with_a_number_is_one_press_beyond_a_restart(tmp_path: Path) -> None:
    """A server records a panic and dies before it acknowledges it: the modem sends it again."""

    async def pressed(node: Node, http: httpx.AsyncClient) -> None:
        await node.record(unit("P1"))
        twice = [emergencies.declare(node, "P1", report="m7 #0012 481599462982") for _ in range(2)]
        first, second = await asyncio.gather(*twice)
        assert first is not None
        assert second is not None
        assert first.incident.incident_id == second.incident.incident_id
        assert node.health.conditions == ()
        other = await emergencies.declare(node, "P1", report="m7 #0013 481599462999")
        assert other is not None
        assert other.incident.emergency is not None
        assert other.incident.emergency.presses == 2

    async def pressed_again(node: Node, http: httpx.AsyncClient) -> None:
        before = await emergencies.declare(node, "P1", report="m7 #0013 481599462999")
        assert before is not None
        assert before.incident.emergency is not None
        assert (before.new, before.incident.emergency.presses) == (False, 2)

    served(pressed, tmp_path / "log.sqlite")
    served(pressed_again, tmp_path / "log.sqlite")
    assert len(facts(tmp_path / "log.sqlite", EmergencyDeclared)) == 2
