"""Objects that refer to each other in circles are looked for when connections have ended, and not otherwise."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from geo_backup.server import garbage


class Circle:
    def __init__(self) -> None:
        self.itself = self


def test_garbage_is_collected_when_many_connections_have_ended_or_time_has_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(garbage, "THRESHOLDS", (10_000, 10, 1 << 30))
    monkeypatch.setattr(garbage, "LOOK_S", 0.001)
    monkeypatch.setattr(garbage, "LEAST_S", 0.01)
    before = gc.get_threshold()
    ended = 0

    async def gone(circle: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while circle() is not None:
                await asyncio.sleep(0.001)

    async def story() -> None:
        nonlocal ended
        collecting = asyncio.create_task(garbage.collect(lambda: ended))
        await asyncio.sleep(0.01)
        circle: Circle | None = Circle()
        old = weakref.ref(circle)
        gc.collect(0)
        gc.collect(1)  # it is old now
        circle = None
        for _ in range(200_000):
            Circle()  # Python alone would have looked for it
        assert old() is not None
        ended = garbage.ENDED
        await gone(old)
        collecting.cancel()
        monkeypatch.setattr(garbage, "EVERY_S", 0.05)
        collecting = asyncio.create_task(garbage.collect(lambda: ended))
        await gone(weakref.ref(Circle()))
        collecting.cancel()
        await asyncio.gather(collecting, return_exceptions=True)

    asyncio.run(story())
    assert gc.get_threshold() == before
