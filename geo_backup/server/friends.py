"""Friends: the units that an OwnTracks phone is told of in the answer to what it posts, as far as its bearer may see.

The app shows them on its own map. Over MQTT nothing goes out: a broker would tell them to whoever reads there.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Iterator
from itertools import islice

from geo_backup.events import Fix
from geo_backup.formats.owntracks import FriendCard, FriendPlace, friend
from geo_backup.live_map import Unit, freshness
from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.people.sight import Sight
from geo_backup.server.access import reach
from geo_backup.wire import documents

FRIENDS_MAX = 50
"""The nearest: a phone posts every few seconds, over a line that may be slow."""
TOLD = frozenset({"live", "delayed"})
"""A unit that was heard of so lately; of another one the app keeps what it knows, with its time."""
ROUNDED_M = 1_000.0
"""About the error of a place that is seen rounded."""


def friends_of(node: Node, who: Principal, own: Collection[str]) -> list[FriendPlace | FriendCard]:
    """Of the units that somebody may see, those that are nearest to their own units, each by its place and its card."""
    if reach(who, "look") is None:
        return []
    units = node.live_map.units
    here = next((fix for one in own if one in units and (fix := units[one].fix) is not None), None)
    seen = _seen(node, Sight.of(who), own)
    nearest = (
        islice(seen, FRIENDS_MAX)
        if here is None
        else heapq.nsmallest(FRIENDS_MAX, seen, key=lambda one: _far(one[1], here))
    )
    return [part for unit, fix in nearest for part in friend(unit.unit_id, unit.callsign, fix)]


def _seen(node: Node, sight: Sight, own: Collection[str]) -> Iterator[tuple[Unit, Fix]]:
    """The others, and where each is seen to be."""
    live_map, now_ms = node.live_map, node.clock.now_ms()
    for unit in live_map.units.values():
        fix = unit.fix
        clear = None if fix is None or unit.unit_id in own else sight.unit(live_map, unit)
        if fix is None or clear in (None, "withheld"):
            continue
        if freshness(now_ms - unit.order_ms, unit.parked, live_map.rules.of_kind(unit.kind).freshness) not in TOLD:
            continue
        if clear == "rounded":
            lon, lat, _, _, fix_ms, _ = sight.shown(live_map, {unit.unit_id: documents.position(unit)})[unit.unit_id]
            fix = Fix(fix_ms, lon, lat, None, None, ROUNDED_M)
        yield unit, fix


def _far(one: Fix, other: Fix) -> float:
    """What grows with the distance, for an order alone."""
    return math.hypot((one.lon - other.lon) * math.cos(math.radians(other.lat)), one.lat - other.lat)
