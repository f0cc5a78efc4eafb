"""Quarantine: what trackers sent and nobody could use, the newest of it, with the reason: nothing is refused in
silence."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

KEPT = 500
SHOWN = 300
"""Characters of a message."""


class Set(NamedTuple):
    """One message that was set aside."""

    at_ms: int
    way: str
    device: str
    reason: str
    message: str


class Quarantine:
    """The last messages that were set aside, and how many there were by way and reason."""

    def __init__(self) -> None:
        self.last: deque[Set] = deque(maxlen=KEPT)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.heard: Counter[str] = Counter()
        """Messages by way, the good ones too."""
        self.figures: dict[str, Callable[[], dict[str, float]]] = {}
        """By way, what its receiver knows of itself."""

    def add(self, at_ms: int, way: str, device: str, reason: str, words: str, message: str) -> None:
        """Set a message aside; `reason` is one of few."""
        self.last.append(Set(at_ms, way, device[:64], words[:SHOWN], message[:SHOWN]))
        self.counts[way, reason] += 1
