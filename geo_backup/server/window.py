"""One viewer's window on the feed: what everybody sees, or what this viewer may.

Viewers that see everything share one encoding. For others each message is looked through, and the window remembers what
it has shown, so that what goes out of sight is taken off the page and what never was in sight is never named.
"""

from __future__ import annotations

from typing import Any

import orjson

from geo_backup.feed import TOPICS, Frame
from geo_backup.node import Node
from geo_backup.people.sight import GONE, Sight
from geo_backup.server.frames import FrameWriter


class Window:
    """What one viewer has been shown; `sight` is theirs."""

    def __init__(self, node: Node, writer: FrameWriter, sight: Sight, topics: frozenset[str]) -> None:
        self._node, self._writer, self.sight, self.topics = node, writer, sight, topics
        self._whole = sight.whole(node.live_map)
        self._shown: dict[str, set[str]] = {topic: set() for topic in TOPICS}

    @property
    def stale(self) -> bool:
        """Whether the viewer needs everything anew: something is kept from it since it was last told."""
        return self._whole and not self.sight.whole(self._node.live_map)

    async def snapshot(self) -> str:
        """Everything that may be seen."""
        text = await self._writer.snapshot(self.topics)
        self._whole = self.sight.whole(self._node.live_map)
        self._shown = {topic: set() for topic in TOPICS}
        return text if self._whole else self._seen(text)

    def frame(self, frames: tuple[Frame, ...]) -> str | None:
        """The latest values of what changed; None when none of it is for this viewer."""
        text = self._writer.frame(self.topics, frames)
        if text is None or self._whole:
            return text
        return self._seen(text)

    def _seen(self, text: str) -> str:
        message: dict[str, Any] = orjson.loads(text)
        for topic in TOPICS:
            values = message.get(topic)
            if values is None:
                continue
            there = {name: value for name, value in values.items() if value is not None}
            seen = self.sight.shown(self._node.live_map, there)
            seen = {} if seen is GONE else {name: value for name, value in seen.items() if value is not None}
            shown = self._shown[topic]
            gone = (shown & values.keys()) - seen.keys()
            shown -= gone
            shown.update(seen)  # not `|=`, which makes another set of a dict's keys
            message[topic] = {**seen, **dict.fromkeys(gone)}
        return orjson.dumps(message).decode()
