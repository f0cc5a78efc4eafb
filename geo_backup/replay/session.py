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

if TYPE_CHECKING:
    from geo_backup.replay.player import Player

STEP_S = 0.1


class ReplaySession:
    """Feeds a node from a player in step with the node's clock. `new_log` makes an empty log for a jump."""

    def __init__(self, node: Node, player: Player | None, new_log: Callable[[], EventLog] | None = None) -> None:
        self.node = node
        self.player = player
        self._new_log = new_log
        self._lock = asyncio.Lock()

    async def begin(self) -> None:
        """Register the tracks' units and set the clock to their start."""
        if self.player is None:
            return
        self.node.clock.set(now_ms=self.player.start_ms, playing=False)
        await self.node.submit(*self.player.units())

    async def run(self) -> None:
        """Feed positions as they fall due, until cancelled; at the end of the tracks the clock stops."""
        while True:
            await asyncio.sleep(STEP_S)
            player = self.player
            if player is None or not self.node.clock.playing:
                continue
            async with self._lock:
                now_ms = self.node.clock.now_ms()
                for batch in _batches(player.due(now_ms)):
                    await self.node.submit(*batch)
                if now_ms >= player.end_ms:
                    self.node.clock.set(now_ms=player.end_ms, playing=False)

    def state(self) -> dict[str, Any]:
        """Where the replay is."""
        clock, player = self.node.clock, self.player
        return {
            "now_ms": clock.now_ms(),
            "speed": clock.speed,
            "playing": clock.playing,
            "start_ms": player.start_ms if player is not None else None,
            "end_ms": player.end_ms if player is not None else None,
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
        for batch in _batches([*player.units(), *player.seek(time_ms), *kept]):
            await self.node.submit(*batch)


def _batches(events: list[Any], size: int = 1_000) -> list[list[Any]]:
    return [events[at : at + size] for at in range(0, len(events), size)]
