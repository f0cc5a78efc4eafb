"""Viewers: everybody who watches a node, and what none of them has been told yet."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from geo_backup.feed import TOPICS, ChangeIndex, Frame, Outbox


class Viewer:
    """An outbox with a bell."""

    def __init__(self, topics: Collection[str]) -> None:
        self.outbox = Outbox(topics)
        self.bell = asyncio.Event()


class Viewers:
    """The viewers of one node. What is marked reaches all of them with the next `flush`."""

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()
        self._marked: dict[str, set[str]] = {name: set() for name in TOPICS}
        self._index = ChangeIndex(0)
        self.flushed = 0
        """How often viewers were told of changes."""
        self.urgent = asyncio.Event()
        """Rung when what is marked cannot wait for the next frame."""

    def __len__(self) -> int:
        return len(self._viewers)

    def watch(self, topics: Collection[str]) -> Viewer:
        """Begin to collect what one viewer has not seen; end with `unwatch`."""
        viewer = Viewer(topics)
        self._viewers.add(viewer)
        return viewer

    def unwatch(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._viewers.discard(viewer)

    def ring(self) -> None:
        """Wake every viewer's sender: something beside the topics changed."""
        for viewer in self._viewers:
            viewer.bell.set()

    def mark(self, topic: str, things: Iterable[str]) -> None:
        """These things of a topic changed."""
        self._marked[topic].update(things)

    def flush(self, seq: int, standing: int) -> None:
        """Put what is marked into every outbox, as of a log position; `standing` things are true then."""
        if not any(self._marked.values()):
            return
        frame = Frame(**{name: frozenset(ids) for name, ids in self._marked.items()})
        self._marked = {name: set() for name in TOPICS}
        self.flushed += 1
        self._index.touch(frame, seq)
        self._index.forget(3 * standing)
        for viewer in self._viewers:
            viewer.outbox.mark(frame)
            viewer.bell.set()

    def since(self, after_seq: int) -> Frame | None:
        """What changed after a log position; None when that is too long ago."""
        return self._index.since(after_seq)

    def begin(self, seq: int) -> None:
        """Another log, or the first one, is told from this position on: what viewers know is void."""
        self._marked = {name: set() for name in TOPICS}
        self._index = ChangeIndex(seq)
        self.flushed += 1
        for viewer in self._viewers:
            viewer.outbox.reset()
            viewer.bell.set()
