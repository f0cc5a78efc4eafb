"""What one viewer has not yet seen: a set of ids, never a queue of messages.

A thing that changes ten times before a slow viewer looks is sent once, at its latest value. Nothing here encodes or
sends; `node` marks, `server` takes and encodes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

TOPICS = ("units", "positions", "incidents", "rankings", "closures", "timers", "messages")

GONE_KEPT = 10_000
"""Ids remembered for viewers that resume; one that is further behind is sent a snapshot instead."""

MERGE_FROM = 16


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Ids of what changed, by topic; the values are looked up when it is sent. Shared by all viewers in step."""

    units: frozenset[str] = frozenset()
    positions: frozenset[str] = frozenset()
    incidents: frozenset[str] = frozenset()
    rankings: frozenset[str] = frozenset()
    closures: frozenset[str] = frozenset()
    timers: frozenset[str] = frozenset()
    messages: frozenset[str] = frozenset()

    def topic(self, name: str) -> frozenset[str]:
        """The ids of one topic."""
        ids: frozenset[str] = getattr(self, name)
        return ids


def merge(frames: Iterable[Frame]) -> Frame:
    """All ids of several frames; a single one is returned itself, so that viewers in step share it."""
    frames = tuple(frames)
    if len(frames) == 1:
        return frames[0]
    return Frame(**{name: frozenset().union(*(frame.topic(name) for frame in frames)) for name in TOPICS})


class Outbox:
    """One viewer's debt. It holds frames that are shared with the other viewers, merged when it falls behind."""

    def __init__(self, topics: Collection[str]) -> None:
        self.topics = frozenset(topics)
        self.snapshot_due = False
        self._frames: tuple[Frame, ...] = ()

    def mark(self, frame: Frame) -> None:
        """Something changed."""
        self._frames = (*self._frames, frame)
        if len(self._frames) >= MERGE_FROM:
            self._frames = (merge(self._frames),)

    def reset(self) -> None:
        """The log was changed for another: everything the viewer knows is void."""
        self._frames, self.snapshot_due = (), True

    def take(self) -> tuple[Frame, ...]:
        """Hand over the debt and forget it. The caller sends the latest values of all of it."""
        frames, self._frames = self._frames, ()
        return frames

    def __bool__(self) -> bool:
        return bool(self._frames) or self.snapshot_due


class ChangeIndex:
    """When each thing last changed, so that a viewer can resume after a lost link without a snapshot."""

    def __init__(self, floor_seq: int) -> None:
        self.floor_seq = floor_seq
        self._seq: dict[tuple[str, str], int] = {}

    def touch(self, frame: Frame, seq: int) -> None:
        """Note that these things changed at a log position."""
        for name in TOPICS:
            for thing in frame.topic(name):
                self._seq.pop((name, thing), None)  # to the end: the dict is ordered by seq
                self._seq[name, thing] = seq

    def forget(self, standing: int) -> None:
        """Keep the memory in proportion to what stands: drop the oldest and raise the floor."""
        while len(self._seq) > standing + GONE_KEPT:
            oldest = next(iter(self._seq))
            self.floor_seq = max(self.floor_seq, self._seq.pop(oldest))

    def since(self, after_seq: int) -> Frame | None:
        """What changed after a position, or None when that is too long ago to know."""
        if after_seq < self.floor_seq:
            return None
        ids: dict[str, set[str]] = {name: set() for name in TOPICS}
        for (name, thing), seq in reversed(self._seq.items()):
            if seq < after_seq:
                break
            ids[name].add(thing)
        return Frame(**{name: frozenset(found) for name, found in ids.items()})
