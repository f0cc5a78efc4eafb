"""Retention in a running server: what has stayed longer than it may goes once a day, or when a command line asks."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from geo_backup.errors import LogError
from geo_backup.eventlog.purge import purge_beside, purged_fact
from geo_backup.eventlog.retention import Purge, Retention, Terms
from geo_backup.node import Node

log_ = logging.getLogger("geo_backup.retention")

LOOK_S = 30.0


async def purge_now(node: Node, terms: Terms, by: str) -> Purge:
    """Take what is older than the terms out of the log while it is written. Raises LogError."""
    now_ms = node.clock.now_ms()
    done = await asyncio.to_thread(purge_beside, node.log, terms, now_ms)
    if done.events:
        await node.historian.forget()
        await node.record(purged_fact(done, terms, now_ms, by))
        log_.warning("%s events were purged, up to event %s", f"{done.events:,}", f"{done.until_seq:,}")
    return done


async def keep_terms(node: Node, retention: Retention) -> None:
    """As long as the server runs: purge once a day, at the time of the map's own zone."""
    zone = ZoneInfo(node.network.area.timezone)
    due = _next(_now(node, zone), retention.at)
    while True:
        await asyncio.sleep(LOOK_S)
        now = _now(node, zone)
        if now < due and due - now <= timedelta(days=1):
            continue
        if now >= due:
            try:
                await purge_now(node, retention.terms, "node")
            except LogError as error:
                log_.error("the log was not purged: %s", error)
        due = _next(_now(node, zone), retention.at)  # also where the clock was set back


def _now(node: Node, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(node.clock.now_ms() / 1000, zone)


def _next(now: datetime, at: time) -> datetime:
    """The next time of day after a moment."""
    today = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return today if today > now else today + timedelta(days=1)
