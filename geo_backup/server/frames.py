"""The text of feed messages. Viewers in step share one encoding of a frame."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import orjson

from geo_backup.feed import TOPICS, Frame, merge
from geo_backup.node import Counter, Node, in_steps
from geo_backup.wire import documents
from geo_backup.wire.times import to_text


class FrameWriter:
    """Encodes for one node; remembers the last few frames by identity."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._snapshots = Counter(share=0.5)
        self._turn = asyncio.Lock()
        self._seen: dict[tuple[object, ...], tuple[tuple[Frame, ...], str]] = {}

    def area(self) -> documents.Area:
        """What the page must know of the map."""
        network = self.node.network
        return {
            "name": network.area.name,
            "extent": network.area.extent,
            "town": network.town,
            "timezone": network.area.timezone,
            "attribution": network.area.attribution,
            "licence": network.area.licence,
            "network_id": network.content_id,
            "has_basemap": network.folder is not None and (network.folder / "basemap.pmtiles").exists(),
        }

    async def snapshot(self, topics: frozenset[str]) -> str:
        """Everything of the topics, made once for all viewers that come meanwhile. What changes while it is made may
        be in it or not: let the viewer's outbox collect it."""
        text = (await self._snapshots.ask(topics, lambda: in_steps(self._parts(topics)))).decode()
        async with self._turn:  # each is compressed on its way out: a thousand viewers leave time between them
            await asyncio.sleep(0)
        return text

    def _parts(self, topics: frozenset[str]) -> Iterator[bytes]:
        node = self.node
        head = {
            "type": "snapshot",
            "epoch": node.log.epoch,
            "seq": node.live_map.seq,
            "mode": node.clock.mode,
            "server_time": to_text(node.clock.now_ms()),
            "area": self.area(),
            "freshness": documents.freshness_limits(node.live_map.rules),
        }
        yield orjson.dumps(head)[:-1]
        for name in topics:
            yield b',"%s":{' % name.encode()
            between = b""
            for thing in node.things(name):
                value = node.value(name, thing)
                if value is not None:  # gone since the names were listed
                    yield between + orjson.dumps(thing) + b":" + orjson.dumps(value)
                    between = b","
            yield b"}"
        yield b"}"

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
