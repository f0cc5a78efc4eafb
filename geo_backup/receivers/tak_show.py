"""What one TAK peer is shown: the things that its principal may see, each at its newest, sent again before it is stale.

A thing is a unit, an incident or a closure. Nothing is queued but what changed, by id, as viewers' outboxes do it: a
slow peer gets newer values, not a longer queue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from geo_backup.feed import Frame
from geo_backup.formats import cot_items
from geo_backup.formats.cot_items import Item
from geo_backup.live_map import freshness
from geo_backup.node import Node
from geo_backup.people.sight import GONE, Sight
from geo_backup.roads.pieces import Pieces
from geo_backup.wire import documents

TOPICS = frozenset({"units", "positions", "incidents", "rankings", "closures"})
REFRESH_S = 30.0
"""What has not changed is sent again: it holds two and a half times as long."""
TOLD = frozenset({"live", "delayed"})
"""A unit that was heard of so lately; one that was not is left to grow grey."""
PIECES_DRAWN = 50
"""Of a closure that names roads by their numbers."""

Topic = Literal["unit", "incident", "closure"]


class Thing(NamedTuple):
    """One thing that is shown, by its topic and id."""

    topic: Topic
    name: str


class Show:
    """One peer's view; see the module."""

    def __init__(self, node: Node, sight: Sight) -> None:
        self._node, self._sight = node, sight
        self._sent: OrderedDict[Thing, float] = OrderedDict()
        """What is shown, in the order in which it was last sent, and when."""
        self._uids: dict[Thing, dict[str, str]] = {}
        """The uids of each, and their types."""

    def all(self) -> list[Thing]:
        """Everything that there is now, what is urgent first."""
        node = self._node
        incidents = [Thing("incident", one) for one in node.things("incidents")]
        units = [Thing("unit", one) for one in node.things("positions")]
        return [*incidents, *units, *(Thing("closure", one) for one in node.things("closures"))]

    def changed(self, frames: Iterable[Frame]) -> tuple[set[Thing], set[Thing]]:
        """What is to be sent again after some frames: at once, and with the next round."""
        urgent: set[Thing] = set()
        moving: set[Thing] = set()
        for frame in frames:
            urgent.update(Thing("incident", one) for one in frame.incidents)
            urgent.update(Thing("closure", one) for one in frame.closures)
            moving.update(Thing("unit", one) for one in frame.units | frame.positions)
            moving.update(Thing("incident", one) for one in frame.rankings)
        return urgent, moving - urgent

    def due(self, now_s: float) -> list[Thing]:
        """What was last sent so long ago that it is to be sent again, the oldest first."""
        found = []
        for thing, sent_s in self._sent.items():
            if now_s - sent_s < REFRESH_S:
                break
            found.append(thing)
        return found

    def events(self, thing: Thing, now_s: float) -> Iterator[bytes]:
        """What to send of a thing as it is now: its events, and that others of it are gone. Nothing of what was never
        shown and may not be seen."""
        now_ms = self._node.clock.now_ms()
        before, items = self._uids.get(thing, {}), self._items(thing, now_ms)
        uids = {item.uid: item.kind for item in items}
        for uid, kind in before.items():
            if uid not in uids and kind != cot_items.CANCEL:
                yield cot_items.gone(uid, kind, now_ms)
        for item in items:
            if item.kind != cot_items.CANCEL or before.get(item.uid) == cot_items.ALARM:
                yield item.event
        self._sent.pop(thing, None)
        self._uids.pop(thing, None)
        if any(item.kind != cot_items.CANCEL for item in items):
            self._sent[thing], self._uids[thing] = now_s, uids

    def _items(self, thing: Thing, now_ms: int) -> list[Item]:
        if thing.topic == "unit":
            return self._unit(thing.name, now_ms)
        if thing.topic == "incident":
            return self._incident(thing.name, now_ms)
        return self._closure(thing.name, now_ms)

    def _seen(self, name: str, value: Any) -> Any:
        """A value of the feed as this peer may see it; None: not at all."""
        live_map = self._node.live_map
        if value is None or self._sight.whole(live_map):
            return value
        seen = self._sight.shown(live_map, {name: value})
        return None if seen is GONE else seen.get(name)

    def _unit(self, name: str, now_ms: int) -> list[Item]:
        live_map = self._node.live_map
        unit = live_map.units.get(name)
        clear = None if unit is None else self._sight.unit(live_map, unit)
        if unit is None or not unit.fixes or clear is None:
            return []
        of, at = self._seen(name, documents.unit(unit)), self._seen(name, documents.position(unit))
        if of is None or at is None:
            return []
        fresh = freshness(now_ms - unit.order_ms, unit.parked, live_map.rules.of_kind(unit.kind).freshness)
        if fresh not in TOLD:
            return []
        on = self._node.ranker.rankings.get(of["incident_id"] or "") if clear == "exact" else None
        drive = [one for one in on["assigned"] if one["unit_id"] == name] if on is not None else []
        return [cot_items.unit(of, at, now_ms, *(one["eta_s"] for one in drive))]

    def _incident(self, name: str, now_ms: int) -> list[Item]:
        node = self._node
        alarmed = node.alarms.incident(name)
        if alarmed is None or not self._sight.incident(node.live_map, alarmed[0]):
            return []
        of: documents.Incident | None = self._seen(name, documents.incident(*alarmed))
        if of is None:
            return []
        names = self._names(of, ranking := self._seen(name, node.ranker.rankings.get(name)))
        alarm = cot_items.alarm(of, names, now_ms)
        items = [alarm] if alarm is not None else []
        if of["state"] == "open":
            items.append(cot_items.incident(of, ranking, names, now_ms))
        return items

    def _names(self, of: documents.Incident, ranking: Mapping[str, Any] | None) -> dict[str, str]:
        """Callsigns of the units that are named."""
        named = {of["for_unit_id"] or ""}
        if ranking is not None:
            named.update(one["unit_id"] for one in (*ranking["candidates"], *ranking["assigned"]))
        units = self._node.live_map.units
        return {unit_id: units[unit_id].callsign for unit_id in named if unit_id in units}

    def _closure(self, name: str, now_ms: int) -> list[Item]:
        of = self._seen(name, self._node.value("closures", name))
        if of is None:
            return []
        geometry = of["geometry"]
        if "edges" in geometry:
            network = self._node.network
            pieces = np.unique(network.edge_piece[self._node.cuts[name].edges])[:PIECES_DRAWN]
            lines = Pieces.of(network).outline(pieces)
            of = {**of, "geometry": {"type": "MultiLineString", "coordinates": lines}}
        return cot_items.closure(of, now_ms)
