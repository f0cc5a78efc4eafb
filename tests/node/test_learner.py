"""A node learns from the drives of its units: what it puts on record, and what it leaves out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from geo_backup.events import (
    AssignmentChanged,
    AssignmentState,
    Event,
    Fix,
    IncidentOpened,
    PositionReported,
    RulesAdopted,
    Source,
    UnitRegistered,
    UnitStatusChanged,
)
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.roads.pace import ONE, SHIFT, Level, Pace
from geo_backup.roads.profile import PROFILES
from geo_backup.roads.weights import weigh
from geo_backup.wire import checkpoint
from tests.node.test_node import folded, running, street
from tests.roads.tiny import place

T0 = 1_700_000_040_000
"""A whole minute."""
LONG_M = 6_000.0
STEP_MS = 5_000


def usual_mps() -> float:
    """What the profile says of the street."""
    network = street(LONG_M)
    weights = weigh(network, PROFILES["response"])
    return LONG_M / (float(weights.edge_ms[network.edge_length_m.argmax()]) / 1_000)


def at(x_m: float) -> tuple[float, float]:
    return place(x_m, 0.0)


class Fleet:
    """Units that drive along the street, on a clock that the test turns."""

    def __init__(self, node: Node, units: int = 3, source: Source = "live", exercise: bool = False) -> None:
        self.node, self.names = node, [f"P{n}" for n in range(units)]
        self.source, self.exercise, self.now_ms, self.at_m = source, exercise, T0, 0.0

    async def tell(self, *events: Event) -> None:
        await self.node.submit(*events)

    async def begin(self, state: AssignmentState | None = "en_route") -> None:
        lon, lat = at(LONG_M - 1)
        await self.tell(
            IncidentOpened(
                event_id="i", received_ms=T0, incident_id="i", lon=lon, lat=lat, priority=2, exercise=self.exercise
            )
        )
        for name in self.names:
            await self.tell(
                UnitRegistered(
                    received_ms=T0,
                    unit_id=name,
                    callsign=name,
                    agency="pd",
                    kind="patrol",
                    source=self.source,
                ),
                PositionReported(received_ms=T0, unit_id=name, fix=Fix(T0, *at(0.0), 10.0, 90.0)),
            )
            if state:
                sent: AssignmentState = "assigned"
                for word in (sent, state):
                    await self.tell(
                        AssignmentChanged(received_ms=T0, incident_id="i", unit_id=name, state=word, at_ms=T0)
                    )
        await self.node.learner.look()

    async def drive(self, seconds: int, speed_mps: float) -> None:
        for _ in range(seconds * 1_000 // STEP_MS):
            self.now_ms += STEP_MS
            self.at_m = min(LONG_M - 1, self.at_m + speed_mps * STEP_MS / 1_000)
            self.node.clock.set(now_ms=self.now_ms)
            for name in self.names:
                fix = Fix(self.now_ms, *at(self.at_m), speed_mps, 90.0)
                await self.tell(PositionReported(received_ms=self.now_ms, unit_id=name, fix=fix))
            await self.node.learner.look()


def clock() -> Clock:
    return Clock("replay", T0)


def now_factor(pace: Pace, node: Node) -> float:
    own = dict(zip((pace.node >> SHIFT).tolist(), pace.own_factors(node.live_map.rules.pace).tolist(), strict=True))
    return float(own[Level.NOW]) / ONE


def told(story: Callable[[Node], Awaitable[None]], tmp_path: Path) -> None:
    running(story, tmp_path / "log.sqlite", network=street(LONG_M), clock=clock())


def test_slow_drives_make_the_next_times_longer_and_arrivals_say_how_well_they_were_foretold(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        fleet = Fleet(node)
        await fleet.begin()
        await fleet.tell(
            UnitRegistered(received_ms=T0, unit_id="free", callsign="free", agency="pd", kind="patrol"),
            PositionReported(received_ms=T0, unit_id="free", fix=Fix(T0, *at(0.0))),
        )
        before = (await node.ranking("i", 5))["candidates"][0]["parts"]["drive_s"]
        await fleet.drive(240, usual_mps() / 2)
        pace = node.live_map.pace["response"]
        assert now_factor(pace, node) > 1.2
        assert pace.minute == fleet.now_ms // 60_000
        await fleet.tell(PositionReported(received_ms=fleet.now_ms, unit_id="free", fix=Fix(fleet.now_ms, *at(0.0))))
        after = (await node.ranking("i", 5))["candidates"][0]["parts"]["drive_s"]
        assert after > 1.2 * before
        for name in fleet.names:
            await fleet.tell(
                AssignmentChanged(
                    received_ms=fleet.now_ms, incident_id="i", unit_id=name, state="on_scene", at_ms=fleet.now_ms
                )
            )
        await node.learner.look()
        kept = node.live_map.punctuality["response"].drives
        assert [(drive.took_ms, drive.end_ms) for drive in kept] == [(fleet.now_ms - T0, fleet.now_ms)] * 3
        assert kept[0].field_ms == pytest.approx(1_000 * before, rel=0.02)

    told(story, tmp_path)
    again, snapshot = folded(tmp_path / "log.sqlite")
    assert snapshot is not None
    assert checkpoint.dump(checkpoint.parse(snapshot[1])) == checkpoint.dump(again)
    assert set(again.pace) == {"response"}


@pytest.mark.parametrize("state", ["en_route", "acknowledged"])
def test_who_does_not_say_that_it_rolls_is_seen_to(state: AssignmentState, tmp_path: Path) -> None:
    """A crew that waits teaches nothing, and is on its way once it has come away, said or not."""

    async def story(node: Node) -> None:
        fleet = Fleet(node)
        await fleet.begin(state)
        if state != "en_route":
            await fleet.drive(120, 0.0)
            assert not node.live_map.pace, "who stands before it rolls stands in no queue"
        began_ms = fleet.now_ms
        await fleet.drive(240, usual_mps() / 2)
        assert now_factor(node.live_map.pace["response"], node) > 1.2
        for name in fleet.names:
            await fleet.tell(
                AssignmentChanged(
                    received_ms=fleet.now_ms, incident_id="i", unit_id=name, state="on_scene", at_ms=fleet.now_ms
                )
            )
        await fleet.drive(65, 0.0)
        drives = node.live_map.punctuality["response"].drives
        assert len(drives) == 3
        assert all(0 <= fleet.now_ms - 65_000 - began_ms - drive.took_ms <= 20_000 for drive in drives)

    told(story, tmp_path)


@pytest.mark.parametrize("who", ["not on their way", "simulated", "an exercise", "switched off"])
def test_nobody_learns_from(who: str, tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        fleet = Fleet(node, 1, "simulated" if who == "simulated" else "live", who == "an exercise")
        if who == "switched off":
            await fleet.tell(RulesAdopted(received_ms=T0, rules={"pace": {"learn": 0}}))
        await fleet.begin(None if who == "not on their way" else "en_route")
        await fleet.drive(180, usual_mps() / 2)
        assert not node.live_map.pace

    told(story, tmp_path)


def test_who_stands_for_an_hour_teaches_no_more_than_a_queue_would(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        fleet = Fleet(node, 1)
        await fleet.begin()
        await fleet.drive(120, usual_mps())
        await fleet.drive(3_600, 0.0)
        await fleet.drive(120, usual_mps())
        pace = node.live_map.pace["response"]
        driven_s = float(pace.driven_ms[pace.node >> SHIFT == Level.ROAD].sum()) / 1_000
        assert driven_s < 120 + 120 + node.live_map.rules.pace.most_still_s + 30

    told(story, tmp_path)


def test_what_was_learned_of_now_is_forgotten_by_the_log_itself(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        fleet = Fleet(node)
        await fleet.begin()
        await fleet.drive(240, usual_mps() / 2)
        slow = now_factor(node.live_map.pace["response"], node)
        await fleet.tell(
            *(UnitStatusChanged(received_ms=fleet.now_ms, unit_id=name, status="available", at_ms=fleet.now_ms)
              for name in fleet.names)
        )  # fmt: skip
        for _ in range(90):
            fleet.now_ms += 60_000
            node.clock.set(now_ms=fleet.now_ms)
            await node.learner.look()
        assert now_factor(node.live_map.pace["response"], node) < 1 + (slow - 1) / 3

    told(story, tmp_path)
