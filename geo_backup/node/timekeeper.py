"""Timekeeper: says what is wrong with the machine's clock, and puts on record when the node's own was set right."""

from __future__ import annotations

import asyncio
import logging

from geo_backup.errors import LogError
from geo_backup.events import ClockTurned
from geo_backup.live_map import LiveMap
from geo_backup.node.clock import Doubt
from geo_backup.node.process import Process

log_ = logging.getLogger("geo_backup.node")

LOOK_S = 0.2
"""The clock itself notices a step at once; this is how soon it is said."""
STATUS_AHEAD_MS = 30_000
"""What is said of a status may lie so far ahead of when it was said."""


async def keep_time(node: Process) -> None:
    """Look at the node's clock for ever."""
    while True:
        doubt, turn = node.clock.doubt(), node.clock.turn
        if doubt is None:
            node.health.clear("clock")
        else:
            node.health.say("clock", words(doubt))
        if turn is not None:
            log_.warning("the clock of this node was set from %d to %d ms: the units say so", turn.was_ms, turn.now_ms)
            fact = ClockTurned(
                event_id=f"clock:{turn.was_ms}:{turn.now_ms}",
                received_ms=node.clock.now_ms(),
                said_by="node",
                was_ms=turn.was_ms + node.clock.now_ms() - turn.now_ms,
            )
            try:
                await node.record(fact)
                if node.clock.turn is turn:
                    node.clock.turn = None
            except LogError as error:
                log_.warning("that is not on record yet: %s", error)
        await asyncio.sleep(LOOK_S)


def words(doubt: Doubt) -> str:
    """What is wrong and what to do, for whoever runs the server."""
    off = _span(doubt.off_ms)
    wrong = {
        "step": f"This server's clock was set {off}. It is not believed: the map goes on by the time before.",
        "log": f"This server's clock is {off} of its own log. It is not believed: time goes on from the log's end.",
        "units": f"This server's clock is {off} of its units' clocks: the ages of their positions are wrong.",
    }
    return f"{wrong[doubt.reason]} Set the clock right, and let NTP keep it."


def newest_ms(live_map: LiveMap) -> int:
    """When the newest of what stands was received, about; 0 where nothing does."""
    units = live_map.units.values()
    return max(
        max((unit.order_ms for unit in units), default=0),
        max((unit.status_ms - STATUS_AHEAD_MS for unit in units), default=0),
        max((incident.opened_ms for incident in live_map.incidents.values()), default=0),
    )


def _span(ms: int) -> str:
    seconds, side = round(abs(ms) / 1000), "ahead" if ms > 0 else "behind"
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds} s {side}"
    return f"{minutes} min {side}" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min {side}"
