"""The watch beside a server: what happens at its door goes on record, sessions that nobody uses end, and the identity
provider's keys stay fresh."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Literal

from geo_backup.custody import AccessChanged, SignedOut, SignInRefused
from geo_backup.errors import LogError
from geo_backup.events import Event
from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.people.file import ENDED, Act
from geo_backup.server.errands import Errands
from geo_backup.server.looks import looked
from geo_backup.server.speaker import LOOKED_S, Speakers

log_ = logging.getLogger("geo_backup.access")

LOOK_S = 1.0
REFUSED_EVERY_S = 60.0
WAITING_MAX = 10_000
"""Facts that wait for a log which takes nothing; of more the newest stay."""


async def keep_watch(node: Node, speakers: Speakers) -> None:
    """As long as the server runs."""
    loop = asyncio.get_running_loop()
    told_at = loop.time()
    errands = Errands(node, speakers.roster) if speakers.roster is not None else None
    waiting: list[Event] = []
    """What happened, and the log has not taken yet."""
    while True:
        await asyncio.sleep(LOOK_S)
        if speakers.provider is not None:
            speakers.provider.tend()
        if speakers.renewal is not None:
            speakers.renewal.tend()
        try:
            await _take_over(node, speakers)
            if errands is not None:
                await errands.do()
            waiting += (*_idle(node, speakers), *_over(node, speakers), *_lookers(node, speakers))
            if loop.time() - told_at >= REFUSED_EVERY_S:
                told_at = loop.time()
                waiting += _refused(node, speakers)
            await node.record(*waiting)
            waiting.clear()
        except LogError as error:  # they are offered again
            log_.warning("the audit waits for the log: %s", error)
            del waiting[:-WAITING_MAX]


async def _take_over(node: Node, speakers: Speakers) -> None:
    """What command lines and pages changed in the roster, into the log."""
    roster = speakers.roster
    acts = roster.file.acts() if roster is not None else []
    if roster is None or not acts:
        return
    await node.record(*(_fact(act, node.clock.now_ms()) for act in acts))
    await asyncio.to_thread(roster.file.logged, acts[-1].number)


def _fact(act: Act, now_ms: int) -> Event:
    event_id = f"access:{act.at_ms}:{act.number}"
    if act.act == ENDED:
        return SignedOut(
            event_id=event_id, received_ms=now_ms, said_by=act.by, session=act.words, why="revoked", whom=act.whom
        )
    return AccessChanged(
        event_id=event_id,
        received_ms=now_ms,
        said_by=act.by,
        act=act.act,
        whom=act.whom,
        words=act.words,
        at_ms=act.at_ms,
    )


def _idle(node: Node, speakers: Speakers) -> list[Event]:
    """Sessions at whose page nobody has typed or clicked for too long."""
    idle = speakers.end_idle(node.live_map.rules.session.idle_ms / 1000)
    return [_signed_out(who, "idle", node.clock.now_ms()) for who in idle]


def _over(node: Node, speakers: Speakers) -> list[Event]:
    """Sessions of those for whom their identity provider vouches no more."""
    over = speakers.renewal.take_ended() if speakers.renewal is not None else ()
    return [_signed_out(who, "over", node.clock.now_ms()) for who in over]


def _signed_out(who: Principal, why: Literal["idle", "over"], now_ms: int) -> Event:
    event_id = f"{why}:{who.session}"
    return SignedOut(event_id=event_id, received_ms=now_ms, said_by=who.said_by, session=who.session, why=why)


def _lookers(node: Node, speakers: Speakers) -> list[Event]:
    """Who read answers over HTTP, once in a while."""
    until_ms = node.clock.now_ms() + round(LOOKED_S * 1000)
    return [
        replace(looked(node, who, "answers", (right,), source), until_ms=until_ms)
        for who, right, source in speakers.take_lookers()
    ]


def _refused(node: Node, speakers: Speakers) -> list[Event]:
    now_ms = node.clock.now_ms()
    return [
        SignInRefused(
            event_id=f"refused:{now_ms}:{n}",
            received_ms=now_ms,
            said_by="node",
            source=source,
            reason="wrong_token",
            times=times,
        )
        for n, (source, times) in enumerate(speakers.take_refused().items())
    ]
