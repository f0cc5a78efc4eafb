"""Lateness: how long the event loop had something else to do when a task was due. Whatever comes in waits as long."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterator

EVERY_S = 0.02
BOUNDS_S = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, float("inf"))


class Lateness:
    """How often the loop was how late, counted since the start: whoever reads it now and then can subtract."""

    def __init__(self) -> None:
        self._counts = [0] * len(BOUNDS_S)
        self.sum_s = 0.0

    def at_most(self) -> Iterator[tuple[float, int]]:
        """Each bound in seconds, and how often the loop was no later than that."""
        total = 0
        for bound_s, count in zip(BOUNDS_S, self._counts, strict=True):
            total += count
            yield bound_s, total

    async def run(self) -> None:
        """Look at the clock again and again, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            late_s = max(0.0, loop.time() - due_s)
            self._counts[bisect_left(BOUNDS_S, late_s)] += 1
            self.sum_s += late_s
