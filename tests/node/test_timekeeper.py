"""A running node while somebody sets the clock of its machine: the map goes on, and nobody is locked out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.eventlog import open_log
from geo_backup.events import ClockTurned
from geo_backup.node import Node
from geo_backup.node.clock import HEARD_FOR_MS
from geo_backup.wire.times import to_text
from tests.asking import problem, unit_body
from tests.node.test_clock import HOUR, Hands
from tests.node.test_node import asking, folded, running
from tests.roads.tiny import place

UNITS = ("P1", "P2", "P3", "P4", "P5")
"""As many as a clock that is wrong from the start takes to be doubted."""


class Town:
    """Five units and a desk on one node, and the hands of its clocks."""

    def __init__(self, hands: Hands, node: Node, http: httpx.AsyncClient) -> None:
        self.hands, self.node, self.http = hands, node, http

    async def report(self, metres: float, off_ms: int = 0) -> list[str | None]:
        """A second passes, and all say where they are by their own clocks; the reasons why that was ignored."""
        self.hands.true_ms += 1_000
        self.hands.steady_ms += 1_000
        lon, lat = place(metres, 0)
        row = {"fix_time": to_text(self.hands.true_ms + off_ms - 500), "lon": lon, "lat": lat, "speed_mps": 8.0}
        body = {"positions": [{**row, "unit_id": unit_id} for unit_id in UNITS]}
        answer = (await self.http.post("/v1/positions", json=body)).json()
        assert answer["refused"] == []
        reasons: list[str | None] = [one["reason"] for one in answer["ignored"]]
        return reasons

    async def status(self, value: str) -> int:
        return (await self.http.put("/v1/units/P1/status", json={"status": value})).status_code

    async def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/v1/units/P1")).json()["properties"]
        return found

    async def said(self, wrong: bool) -> None:
        """Wait until the node says that its clock is wrong, or that it is right."""
        await until(lambda: any(one.name == "clock" for one in self.node.health.conditions) == wrong)

    async def on_record(self) -> None:
        """Wait until it is in the log that the clock was set right."""
        await until(lambda: self.node.clock.turn is None)


async def until(so: Callable[[], bool]) -> None:
    """Wait until it is so; whoever tells the story sees to it that this ends."""
    while not so():
        await asyncio.sleep(0.01)


def told(path: Path, hands: Hands, story: Callable[[Town], Awaitable[None]]) -> None:
    """Tell a story to a node on these clocks."""

    async def with_node(node: Node) -> None:
        async with asking(node) as http:
            for unit_id in UNITS:
                assert (await http.put(f"/v1/units/{unit_id}", json=unit_body())).status_code in (200, 201)
            await story(Town(hands, node, http))

    running(with_node, path, clock=hands.clock)


@pytest.mark.parametrize("step_ms", [-HOUR, HOUR])
def test_the_map_goes_on_through_a_step_and_its_correction(tmp_path: Path, step_ms: int) -> None:
    hands = Hands()

    async def story(town: Town) -> None:
        for n in range(3):
            assert await town.report(100 + 8 * n) == []
        assert (await town.http.get("/readyz")).status_code == 200
        hands.off_ms = step_ms
        for n in range(3, 6):
            assert await town.report(100 + 8 * n) == []
            assert await town.status("busy" if n % 2 else "available") == 200
        properties = await town.properties()
        assert (properties["freshness"], properties["age_s"]) == ("live", 0.5)
        await town.said(True)
        document = problem(await town.http.get("/readyz"), 503, "clock")
        assert "was set 60 min" in document["detail"]
        assert 'geo_backup_condition{name="clock"} 1.0' in (await town.http.get("/metrics")).text
        hands.true_ms += 20_000
        hands.steady_ms += 20_000
        assert (await town.properties())["freshness"] == "delayed", "who says nothing grows older"
        hands.off_ms = 0
        assert await town.report(150) == []
        assert await town.status("available") == 200
        await town.said(False)
        assert (await town.http.get("/readyz")).status_code == 200

    told(tmp_path / "log.sqlite", hands, story)
    live_map, _ = folded(tmp_path / "log.sqlite")
    assert live_map.units["P1"].order_ms == hands.true_ms - 500


def test_a_server_that_was_an_hour_ahead_is_set_right_and_all_go_on(tmp_path: Path) -> None:
    hands, path = Hands(HOUR), tmp_path / "log.sqlite"

    async def story(town: Town) -> None:
        lon, lat = place(500, 0)
        for n in range(3):
            # all of them take their time from the server's network: they are wrong as it is
            assert await town.report(100 + 8 * n, HOUR) == []
        assert await town.status("busy") == 200
        body = {"incident_id": "i1", "lon": lon, "lat": lat, "priority": 2}
        assert (await town.http.post("/v1/incidents", json=body)).status_code == 201
        assert (await town.http.post("/v1/incidents/i1/assignments", json={"unit_id": "P2"})).status_code == 201
        hands.off_ms = 0
        assert await town.report(150) == ["older_fix"] * len(UNITS), "what they said before still counts"
        hands.true_ms += HEARD_FOR_MS
        hands.steady_ms += HEARD_FOR_MS
        await town.report(150)
        await town.on_record()
        assert town.node.clock.now_ms() == hands.true_ms
        assert (await town.properties())["age_s"] == 122.5, "and nobody is fresh for the hour to come"
        assert await town.report(158) == []
        assert await town.status("available") == 200
        body = {"state": "on_scene"}
        assert (await town.http.patch("/v1/incidents/i1/assignments/P2", json=body)).status_code == 200
        await town.said(False)

    told(path, hands, story)
    live_map, _ = folded(path)
    assert live_map.units["P1"].order_ms == hands.true_ms - 500
    assert live_map.incidents["i1"].assignments["P2"].state == "on_scene"


def test_a_start_with_a_wrong_clock_goes_on_from_the_log(tmp_path: Path) -> None:
    hands, path = Hands(), tmp_path / "log.sqlite"

    async def before(town: Town) -> None:
        for n in range(3):
            assert await town.report(100 + 8 * n) == []

    told(path, hands, before)
    hands.true_ms += 600_000  # down for ten minutes, and then a dead battery
    hands.steady_ms = 5
    hands.off_ms = -HOUR
    hands.start()

    async def after(town: Town) -> None:
        assert town.node.clock.now_ms() >= hands.true_ms - 601_000
        await town.said(True)
        assert "of its own log" in town.node.health.conditions[0].words
        await town.report(200)  # they are ahead of both clocks: from now on these are believed
        assert await town.report(208) == []
        assert (await town.properties())["freshness"] == "live"
        assert await town.status("busy") == 200
        hands.off_ms = 0
        assert await town.report(216) == []
        await town.said(False)

    told(path, hands, after)


def test_a_turn_is_on_record(tmp_path: Path) -> None:
    hands, path = Hands(-HOUR), tmp_path / "log.sqlite"

    async def story(town: Town) -> None:
        assert await town.report(100) == ["future"] * len(UNITS)
        await town.said(True)
        assert "units' clocks" in town.node.health.conditions[0].words
        hands.off_ms = 0
        assert await town.report(108) == []
        await town.said(False)
        await town.on_record()

    told(path, hands, story)
    log = open_log(path, read_only=True)
    (turn,) = [event for _, event in log.read_all() if isinstance(event, ClockTurned)]
    log.close()
    assert (turn.received_ms - turn.was_ms, turn.received_ms) == (HOUR, hands.true_ms)
