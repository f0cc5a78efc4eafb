"""A bell that a task waits for, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


async def rung(bell: asyncio.Event, within_s: float) -> None:
    """Wait for a bell, but no longer than that.

    Not `asyncio.wait_for`: in Python 3.11 it swallows a cancellation that comes with the bell, and the task never ends.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await bell.wait()


async def at_each(bell: asyncio.Event, within_s: float, look: Callable[[], Awaitable[None]]) -> None:
    """Look each time a bell rings, and every so often without it, for ever."""
    while True:
        await rung(bell, within_s)
        bell.clear()
        await look()
