"""Who looked: what goes on record when somebody follows the map, reads answers, or reads what is past."""

from __future__ import annotations

import logging

from fastapi import Request

from geo_backup.custody import Look, Looked
from geo_backup.errors import LogError
from geo_backup.events import Event
from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.server.adoption import address_of
from geo_backup.server.speaker import speaking
from geo_backup.server.writes import new_id

log_ = logging.getLogger("geo_backup.access")


async def looks_back(node: Node, request: Request, *scope: str, what: Look = "history") -> None:
    """Put on record that whoever asks reads what is past. A route that shows the past awaits this once, before it
    answers, with what it shows: `unit:P-17`, `incident:i1`, `decision:...`, `log:1..4711`, or a time from and to."""
    who = speaking()
    if who.kind != "anyone":
        await audit(node, looked(node, who, what, scope, address_of(request)))


def looked(node: Node, who: Principal, what: Look, scope: tuple[str, ...], source: str) -> Looked:
    """For the record: somebody looks, and how far they see."""
    return Looked(
        event_id=new_id("looked"),
        received_ms=node.clock.now_ms(),
        said_by=who.said_by,
        what=what,
        scope=scope,
        session=who.session,
        source=source,
        agency=who.agency,
        roles=tuple(sorted(who.roles)),
        units=tuple(sorted(who.units)),
    )


async def audit(node: Node, event: Event) -> None:
    """Record an audit fact; a disk that takes nothing keeps nobody out of their desk."""
    try:
        await node.record(event)
    except LogError as error:
        log_.error("not on record: %s (%s)", event, error)
