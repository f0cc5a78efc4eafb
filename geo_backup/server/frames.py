"""The text of feed messages. Viewers in step share one encoding of a frame."""

from __future__ import annotations

from typing import Any

import orjson

from geo_backup.feed import TOPICS, Frame, merge
from geo_backup.node import Node
from geo_backup.wire import documents
from geo_backup.wire.times import to_text


class FrameWriter:
    """Encodes for one node; remembers the last few frames by identity."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._seen: dict[tuple[Any, ...], tuple[tuple[Frame, ...], str]] = {}

    def area(self) -> dict[str, Any]:
        """What the page must know of the map."""
        network = self.node.network
        return {
            "name": network.area.name,
            "extent": list(network.area.extent),
            "timezone": network.area.timezone,
            "attribution": network.area.attribution,
            "licence": network.area.licence,
            "network_id": network.content_id,
            "has_basemap": network.folder is not None and (network.folder / "basemap.pmtiles").exists(),
        }

    def snapshot(self, topics: frozenset[str]) -> str:
        """Everything of the topics."""
        node = self.node
        values = {name: {thing: node.value(name, thing) for thing in node.things(name)} for name in topics}
        return orjson.dumps(
            {
                "type": "snapshot",
                "epoch": node.log.epoch,
                "seq": node.live_map.seq,
                "mode": node.clock.mode,
                "server_time": to_text(node.clock.now_ms()),
                "area": self.area(),
                "freshness": documents.freshness_limits(node.live_map.rules),
                **values,
            }
        ).decode()

    def frame(self, topics: frozenset[str], frames: tuple[Frame, ...]) -> str | None:
        """The latest values of what changed; None when none of it is of these topics."""
        node = self.node
        key = (topics, *map(id, frames), node.live_map.seq)
        known = self._seen.get(key)
        if known is not None:
            return known[1]
        changed = merge(frames)
        values = {
            name: {thing: node.value(name, thing) for thing in changed.topic(name)}
            for name in TOPICS
            if name in topics and changed.topic(name)
        }
        if not values:
            return None
        text = orjson.dumps({"type": "frame", "seq": node.live_map.seq, **values}).decode()
        if len(self._seen) >= 32:
            self._seen.clear()
        self._seen[key] = (frames, text)  # holding the frames keeps their identities from being used again
        return text
