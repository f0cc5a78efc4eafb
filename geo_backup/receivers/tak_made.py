"""What there is to show of a thing on TAK's maps, made once for all peers who see the same at the same moment.

A moment ends when viewers are told of changes, and soon by itself: whoever is told that a thing changed is shown it as
it is then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from xml.etree import ElementTree

import numpy as np

from geo_backup.formats import cot_items, tak_proto
from geo_backup.formats.cot_items import Item
from geo_backup.formats.tak_stream import framed
from geo_backup.live_map import freshness
from geo_backup.node import Node
from geo_backup.people.sight import GONE, Sight
from geo_backup.roads.pieces import Pieces
from geo_backup.wire import documents

MOMENT_MS = 500
TOLD = frozenset({"live", "delayed"})
"""A unit that was heard of so lately; one that was not is left to grow grey."""
PIECES_DRAWN = 50
"""Of a closure that names roads by their numbers."""

Topic = Literal["unit", "incident", "closure"]


class Thing(NamedTuple):
    """One thing that is shown, by its topic and id."""

    topic: Topic
    name: str


class Made:
    """The things of one node as this moment shows them; see the module."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._flushed, self._since_ms = -1, 0
        self._items: dict[tuple[Sight, Thing], list[Item]] = {}
        self._framed: dict[bytes, bytes] = {}

    def items(self, thing: Thing, sight: Sight) -> list[Item]:
        """A thing as somebody of this sight may see it: nothing, one item or several."""
        now_ms = self._now_ms()
        items = self._items.get((sight, thing))
        if items is None:
            items = self._items[sight, thing] = _Seen(self.node, sight, now_ms).items(thing)
        return items

    def encoded(self, event: bytes, version: Literal[0, 1]) -> bytes:
        """An event as it goes out by a version of the protocol."""
        if version == 0:
            return cot_items.HEADER + event
        self._now_ms()
        data = self._framed.get(event)
        if data is None:
            data = self._framed[event] = framed(tak_proto.message_of(ElementTree.fromstring(event)))
        return data

    def _now_ms(self) -> int:
        """What time it is; what was made in a moment that is over is forgotten."""
        now_ms, flushed = self.node.clock.now_ms(), self.node.viewers.flushed
        if flushed != self._flushed or not 0 <= now_ms - self._since_ms < MOMENT_MS:
            self._flushed, self._since_ms = flushed, now_ms
            self._items.clear()
            self._framed.clear()
        return now_ms


class _Seen:
    """What one sight shows of a node's things now."""

    def __init__(self, node: Node, sight: Sight, now_ms: int) -> None:
        self._node, self._sight, self._now_ms = node, sight, now_ms

    def items(self, thing: Thing) -> list[Item]:
        if thing.topic == "unit":
            return self._unit(thing.name)
        if thing.topic == "incident":
            return self._incident(thing.name)
        return self._closure(thing.name)

    def _seen(self, name: str, value: Any) -> Any:
        """A value of the feed as it may be seen; None: not at all."""
        live_map = self._node.live_map
        if value is None or self._sight.whole(live_map):
            return value
        seen = self._sight.shown(live_map, {name: value})
        return None if seen is GONE else seen.get(name)

    def _unit(self, name: str) -> list[Item]:
        live_map = self._node.live_map
        unit = live_map.units.get(name)
        clear = None if unit is None else self._sight.unit(live_map, unit)
        if unit is None or not unit.fixes or clear is None:
            return []
        of, at = self._seen(name, documents.unit(unit)), self._seen(name, documents.position(unit))
        if of is None or at is None:
            return []
        fresh = freshness(self._now_ms - unit.order_ms, unit.parked, live_map.rules.of_kind(unit.kind).freshness)
        if fresh not in TOLD:
            return []
        on = self._node.ranker.rankings.get(of["incident_id"] or "") if clear == "exact" else None
        drive = [one for one in on["assigned"] if one["unit_id"] == name] if on is not None else []
        return [cot_items.unit(of, at, self._now_ms, *(one["eta_s"] for one in drive))]

    def _incident(self, name: str) -> list[Item]:
        node = self._node
        alarmed = node.alarms.incident(name)
        if alarmed is None or not self._sight.incident(node.live_map, alarmed[0]):
            return []
        of: documents.Incident | None = self._seen(name, documents.incident(*alarmed))
        if of is None:
            return []
        names = self._names(of, ranking := self._seen(name, node.ranker.rankings.get(name)))
        alarm = cot_items.alarm(of, names, self._now_ms)
        items = [alarm] if alarm is not None else []
        if of["state"] == "open":
            items.append(cot_items.incident(of, ranking, names, self._now_ms))
        return items

    def _names(self, of: documents.Incident, ranking: Mapping[str, Any] | None) -> dict[str, str]:
        """Callsigns of the units that are named."""
        named = {of["for_unit_id"] or ""}
        if ranking is not None:
            named.update(one["unit_id"] for one in (*ranking["candidates"], *ranking["assigned"]))
        units = self._node.live_map.units
        return {unit_id: units[unit_id].callsign for unit_id in named if unit_id in units}

    def _closure(self, name: str) -> list[Item]:
        of = self._seen(name, self._node.value("closures", name))
        if of is None:
            return []
        geometry = of["geometry"]
        if "edges" in geometry:
            network = self._node.network
            pieces = np.unique(network.edge_piece[self._node.cuts[name].edges])[:PIECES_DRAWN]
            lines = Pieces.of(network).outline(pieces)
            of = {**of, "geometry": {"type": "MultiLineString", "coordinates": lines}}
        return cot_items.closure(of, self._now_ms)
