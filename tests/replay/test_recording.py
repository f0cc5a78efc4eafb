"""A log played again: all of it, as it was, wherever one jumps to; and nobody adds to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest

from geo_backup.errors import TrackError, WrongMapError
from geo_backup.eventlog import open_log
from geo_backup.events import (
    BackupRequested,
    ClosureAdded,
    ClosureLifted,
    DecisionMade,
    Event,
    Fix,
    IncidentClosed,
    Need,
    NetworkAdopted,
    PositionReported,
    TimerRaised,
)
from geo_backup.live_map.state import GENERATION
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.replay.recording import Recording, RecordingSession
from geo_backup.wire import checkpoint
from tests.asking import problem
from tests.history.test_index import written
from tests.node.test_node import asking, street
from tests.roads.tiny import place
from tests.running import events_in
from tests.stories import fold, ms, opened, part, status, unit

LON, LAT = place(500, 0)
LINE = {"type": "LineString", "coordinates": [list(place(100, 0)), list(place(200, 0))]}


def at(unit_id: str, s: float, east_m: float) -> PositionReported:
    return PositionReported(received_ms=ms(s), unit_id=unit_id, fix=Fix(ms(s), *place(east_m, 0), 5.0))


def story(network_id: str) -> list[Event]:
    adopted = NetworkAdopted(
        event_id="n", received_ms=ms(0), network_id=network_id, area="a", software_version="1", generation=GENERATION
    )
    decision = DecisionMade(
        event_id="decision:r1:quick", received_ms=ms(61), incident_id="i1", request_id="r1", as_of_seq=5,
        as_of_ms=ms(61), mode="immediate", software_version="1", network_id=network_id, weights_id="w", rules_id="r",
        quick=True,
        chosen=(("P9", 77_000),),  # nobody here would choose it
    )  # fmt: skip
    asked = BackupRequested(
        event_id="r1", received_ms=ms(60), incident_id="i1", requirement=(Need("any"),), mode="immediate"
    )
    return [
        adopted, unit("P1", 1), *(at("P1", s, 10 * s) for s in range(2, 50)), opened("i1", 55, lon=LON, lat=LAT),
        asked, decision, part("i1", "P1", "assigned", 70),
        ClosureAdded(received_ms=ms(75), closure_id="c1", geometry=LINE),
        status("P1", "en_route", 80), ClosureLifted(received_ms=ms(90), closure_id="c1"),
        *(at("P1", s, 480 + s / 10) for s in range(100, 160)), IncidentClosed(received_ms=ms(200), incident_id="i1"),
        unit("P2", 4_000),
    ]  # fmt: skip


def played(tmp_path: Path, tell: Callable[[Node, RecordingSession, list[Event]], Awaitable[None]]) -> None:
    network, logs = street(), count(1)
    events = story(network.content_id)
    recording = Recording(written(tmp_path / "log.sqlite", *events))

    async def run() -> None:
        node = Node(network, open_log(tmp_path / "0.sqlite"), Clock("replay", 0), playback=True)
        await node.start()
        session = RecordingSession(node, recording, lambda: open_log(tmp_path / f"{next(logs)}.sqlite"))
        try:
            await session.begin()
            await asyncio.wait_for(tell(node, session, events), 60)
        finally:
            await node.stop()

    asyncio.run(run())


def test_a_log_is_played_whole_and_nothing_is_decided_anew(tmp_path: Path) -> None:
    async def tell(node: Node, session: RecordingSession, events: list[Event]) -> None:
        for s in (10, 50, 58, 62, 76, 85, 95, 130, 210, 4_001):
            node.clock.set(now_ms=ms(s))
            await session.advance(ms(s))
            await node.timers.look()
            now = fold(event for event in events if event.received_ms <= ms(s))
            assert checkpoint.dump(node.live_map) == checkpoint.dump(now), s
            if s == 62:
                await node.ranker.look()
                shown = node.value("incidents", "i1")
                assert isinstance(shown, dict)
                assert shown["recommended"]["units"] == [{"unit_id": "P9", "eta_s": 77.0}], "what was decided then"
        facts = [event for event in events_in(tmp_path / "0.sqlite") if not isinstance(event, PositionReported)]
        assert facts == [event for event in events if not isinstance(event, PositionReported)], "and no other"
        assert not any(isinstance(event, TimerRaised) for event in facts), "raised in its time, or not at all"

    played(tmp_path, tell)


def test_a_jump_lays_the_map_out_as_it_was(tmp_path: Path) -> None:
    async def tell(node: Node, session: RecordingSession, events: list[Event]) -> None:
        for s in (140, 30, 78, 4_001, 0, 65):
            await session.steer(playing=False, speed=None, time_ms=ms(s))
            now = fold(event for event in events if event.received_ms <= ms(s))
            assert node.live_map.units == now.units, s
            assert node.live_map.incidents == now.incidents, s
            assert node.live_map.closures == now.closures, s
            assert set(node.cuts) == set(now.closures)
        node.clock.set(now_ms=ms(85))
        await session.advance(ms(85))  # and on from there
        assert node.live_map.units == fold(event for event in events if event.received_ms <= ms(85)).units
        assert session.state()["start_ms"] == ms(0)
        assert session.state()["end_ms"] == ms(4_000)

    played(tmp_path, tell)


def test_nobody_adds_to_a_recording(tmp_path: Path) -> None:
    async def tell(node: Node, session: RecordingSession, events: list[Event]) -> None:
        await session.steer(playing=False, speed=None, time_ms=ms(76))
        async with asking(node) as http:
            new = {"lon": LON, "lat": LAT, "priority": 2}
            problem(await http.post("/v1/incidents", json=new), 409, "recording")
            problem(await http.put("/v1/units/P1/status", json={"status": "busy"}), 409, "recording")
            problem(await http.post("/v1/emergencies", json={"unit_id": "P1"}), 409, "recording")
            problem(await http.delete("/v1/closures/c1"), 409, "recording")
            row = {"unit_id": "P1", "fix_time": "2023-11-14T22:15:00Z", "lon": LON, "lat": LAT}
            problem(await http.post("/v1/positions", json={"positions": [row]}), 409, "recording")
            assert (await http.get("/v1/incidents/i1/ranking")).status_code == 200
        assert node.live_map.units == fold(event for event in events if event.received_ms <= ms(76)).units

    played(tmp_path, tell)


def test_a_recording_of_another_map_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(TrackError, match="no event"):
        Recording(written(tmp_path / "empty.sqlite"))
    recording = Recording(written(tmp_path / "other.sqlite", *story("another")))
    node = Node(street(), open_log(tmp_path / "0.sqlite"), Clock("replay", 0), playback=True)
    with pytest.raises(WrongMapError, match="another"):
        RecordingSession(node, recording, lambda: open_log(tmp_path / "1.sqlite"))
    node.log.close()
