"""Timers over HTTP: what is missed, and that somebody has seen to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from geo_backup.errors import UnknownIdError
from geo_backup.events import TimerAcknowledged
from geo_backup.live_map.timers import Timer
from geo_backup.node import Node
from geo_backup.node.timers import fact_of
from geo_backup.people.sight import GONE, Sight
from geo_backup.server.answers import told
from geo_backup.server.given import TheNode, routes_of
from geo_backup.server.problems import may
from geo_backup.server.speaker import named, speaking
from geo_backup.server.writes import new_id, record
from geo_backup.wire import documents
from geo_backup.wire.requests import Acknowledgement
from geo_backup.wire.told import Told

TimerId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,192}$")]
NO_TIMER = "there is no such timer, or it is over"

routes = routes_of("Timers")


@routes.get("/timers")
async def list_timers(node: TheNode) -> Told[documents.TimerList]:
    """Timers that are due, the ones that have waited longest first: a unit that was sent and has not said that it knows
    (`acknowledge`), is on its way for longer than its ETA allows (`late`), or on scene without a word (`welfare`); an
    incident without a unit (`unattended`); an urgent message that somebody has not acknowledged (`message`)."""
    found = [timer for name in node.timers.due() if (timer := node.timers.timer(name)) is not None]
    found.sort(key=lambda timer: (timer.due_ms, timer.timer_id))
    return told({"timers": [_document(node, timer) for timer in found]})


@routes.post("/timers/{timer_id}/acknowledge", responses=may(404))
async def acknowledge_timer(node: TheNode, timer_id: TimerId, body: Acknowledgement) -> Told[documents.Timer]:
    """Somebody has seen to it: it is not loud any more. Whether a crew on scene is well is asked anew after another
    while. A second one changes nothing."""
    timer = node.timers.timer(timer_id)
    sight = Sight.of(speaking())
    if timer is None or sight.shown(node.live_map, _document(node, timer)) is GONE:
        raise UnknownIdError(NO_TIMER)
    standing = node.live_map.timers.get(timer_id)
    if standing is None or standing.acknowledged_ms is None:
        now_ms = node.clock.now_ms()
        # nobody asks for names on an open server: a crew is not kept waiting for one
        by = named(body.by or ("desk" if speaking().kind == "anyone" else None))
        if standing is None:  # it is due, and on record in a moment
            await node.record(fact_of(timer, now_ms))
        await record(
            node,
            TimerAcknowledged(event_id=new_id("seen"), received_ms=now_ms, said_by="desk", timer_id=timer_id, by=by),
        )
    return told(_document(node, timer))


def _document(node: Node, timer: Timer) -> documents.Timer:
    return documents.timer(timer, node.live_map.timers.get(timer.timer_id), node.clock.now_ms())
