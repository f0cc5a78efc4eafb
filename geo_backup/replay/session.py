"""ReplaySession: a player and a node on the replay clock, with what the page steers: play, pause, speed, jump.

A jump begins a new log: a log only runs forward. What people had put into the map (open incidents, closures) is
taken along; the tracks stand again as they were at the time jumped to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from geo_backup.eventlog import EventLog
from geo_backup.events import Event
from geo_backup.node import Node
from geo_backup.wire.documents import ReplayState

if TYPE_CHECKING:
    from geo_backup.replay.player import Player

STEP_S = 0.1

Extent = tuple[float, float, float, float]


class ReplaySession:
    """Feeds a node from a player in step with the node's clock. `new_log` makes an empty log for a jump."""

    def __init__(self, node: Node, player: Player | None, new_log: Callable[[], EventLog] | None = None) -> None:
        self.node = node
        self.player = player
        self._new_log = new_log
        self._lock = asyncio.Lock()
        self._begun = 0
        """Units whose track has begun and that the node knows."""
        self._extent = None if player is None else _common(player.extent, node.network.area.extent)

    async def begin(self) -> None:
        """Set the clock to the start of the tracks, and feed what is there already."""
        if self.player is None:
            return
        self.node.clock.set(now_ms=self.player.start_ms, playing=False)
        await self.advance(self.player.start_ms)

    async def run(self) -> None:
        """Feed positions as they fall due, until cancelled; at the end of the tracks the clock stops."""
        while True:
            await asyncio.sleep(STEP_S)
            player = self.player
            if player is None or not self.node.clock.playing:
                continue
            async with self._lock:
                now_ms = self.node.clock.now_ms()
                await self.advance(now_ms)
                if now_ms >= player.end_ms:
                    self.node.clock.set(now_ms=player.end_ms, playing=False)

    async def advance(self, now_ms: int) -> None:
        """Feed what falls due up to a moment: units that begin, then positions."""
        if self.player is not None:
            await self._register(self.player, now_ms)
            for batch in _batches(self.player.due(now_ms)):
                await self.node.submit(*batch)

    async def _register(self, player: Player, now_ms: int) -> None:
        fresh = player.units(now_ms)[self._begun :]
        self._begun += len(fresh)
        await self.node.submit(*fresh)

    def state(self) -> ReplayState:
        """Where the replay is."""
        clock, player = self.node.clock, self.player
        return {
            "now_ms": clock.now_ms(),
            "speed": clock.speed,
            "playing": clock.playing,
            "start_ms": player.start_ms if player is not None else None,
            "end_ms": player.end_ms if player is not None else None,
            "extent": self._extent,
        }

    async def steer(self, *, playing: bool | None, speed: float | None, time_ms: int | None) -> None:
        """Obey the page. Raises `ValueError` for an impossible speed."""
        async with self._lock:
            clock, player = self.node.clock, self.player
            clock.set(speed=speed)
            playing = clock.playing if playing is None else playing
            if time_ms is None and player is not None and playing and clock.now_ms() >= player.end_ms:
                time_ms = player.start_ms  # played to its end: begin again
            if time_ms is not None:
                if player is not None:
                    time_ms = min(max(time_ms, player.start_ms), player.end_ms)
                clock.set(now_ms=time_ms, playing=False)  # time stands still while the tracks are laid out anew
                if player is not None:
                    await self._jump(player, time_ms)
            clock.set(playing=playing)

    async def _jump(self, player: Player, time_ms: int) -> None:
        if self._new_log is None:
            raise ValueError("this replay cannot jump")
        live_map = self.node.live_map
        kept: list[Event] = [closure.added for closure in live_map.closures.values()]
        kept += [
            replace(
                incident.opened,
                received_ms=time_ms,
                lon=incident.lon,
                lat=incident.lat,
                priority=incident.priority,
                note=incident.note,
            )
            for incident in live_map.open_incidents()
        ]
        await self.node.reset(self._new_log())
        begun = player.units(time_ms)
        self._begun = len(begun)
        for batch in _batches([*begun, *player.seek(time_ms), *kept]):
            await self.node.submit(*batch)


def _common(extent: Extent, area: Extent) -> Extent:
    """The part of an extent that the map holds; all of the map where there is none."""
    west, south, east, north = (
        max(extent[0], area[0]), max(extent[1], area[1]), min(extent[2], area[2]), min(extent[3], area[3]),
    )  # fmt: skip
    return (west, south, east, north) if west <= east and south <= north else area


def _batches(events: list[Any], size: int = 1_000) -> list[list[Any]]:
    return [events[at : at + size] for at in range(0, len(events), size)]
