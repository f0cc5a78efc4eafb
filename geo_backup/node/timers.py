"""Timers of one node: what is missed is told to its viewers, and put on record, once."""

from __future__ import annotations

import asyncio
import logging

from geo_backup.errors import LogError
from geo_backup.events import TimerRaised
from geo_backup.live_map import Delta
from geo_backup.live_map.timers import Timer
from geo_backup.node.agenda import Timers
from geo_backup.node.bell import at_each
from geo_backup.node.process import Process
from geo_backup.node.viewers import Viewers

log_ = logging.getLogger("geo_backup.node")

LOOK_S = 1.0
AT_ONCE = 200
"""So many are put on record in one go: after a night without a server hundreds may be due."""


class TimerWatch:
    """The timers of one node; see the module."""

    def __init__(self, node: Process, viewers: Viewers) -> None:
        self._node, self._viewers = node, viewers
        self._timers = Timers()
        self._bell = asyncio.Event()

    def reset(self) -> None:
        """Begin again on another live map."""
        self._timers = Timers()
        self._bell.set()

    def folded(self, delta: Delta) -> None:
        """An event was folded: note whether timers may be others."""
        if delta.units or delta.incidents or delta.timers or delta.messages or delta.desk:
            self._timers.change()
        if delta.timers or delta.messages:
            self._bell.set()

    def timer(self, timer_id: str) -> Timer | None:
        """A timer that is due."""
        return self._timers.due.get(timer_id)

    def due(self) -> list[str]:
        """The names of those that are due."""
        return list(self._timers.due)

    async def run(self) -> None:
        """Look for what is missed, for ever."""
        await at_each(self._bell, LOOK_S, self.look)

    async def look(self) -> None:
        """Look now: tell the viewers what they do not know, and put on record what is missed."""
        node = self._node
        news = self._timers.look(node.live_map, node.clock.now_ms())
        if news is None:
            return
        self._viewers.mark("timers", news.changed)
        if not news.raise_now or node.playback or not node.log.leads:
            return
        now_ms = node.clock.now_ms()
        try:
            await node.record(*(fact_of(timer, now_ms) for timer in news.raise_now[:AT_ONCE]), apart=True)
        except LogError as error:
            self._timers.change()  # they are offered again
            if node.log.state.name == "ok":  # else it is said once for all
                log_.warning("%d timers are not on record: %s", len(news.raise_now), error)


def fact_of(timer: Timer, now_ms: int) -> TimerRaised:
    """A timer as the log has it; a second node's copy has the same id."""
    return TimerRaised(
        event_id=f"timer:{timer.timer_id}",
        received_ms=now_ms,
        said_by="node",
        timer_id=timer.timer_id,
        rule=timer.rule,
        incident_id=timer.incident_id,
        unit_id=timer.unit_id,
        start_ms=timer.start_ms,
        due_ms=timer.due_ms,
        exercise=timer.exercise,
        message_id=timer.message_id,
    )
