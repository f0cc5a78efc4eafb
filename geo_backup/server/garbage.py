"""Garbage: objects that refer to each other in circles, which somebody has to look for.

Python looks through every object there is whenever a quarter more were made. With 20,000 units that stops the loop for
0.3 s every few seconds and finds nothing, since a live map has no circles. Connections have: so all is looked through
when many of them have ended, and now and then.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

THRESHOLDS = 10_000, 10, 1 << 30
"""As `gc.set_threshold` has them: objects made, looks at those, and looks at all of these, which never come."""
LOOK_S = 5.0
ENDED = 500
LEAST_S, EVERY_S = 20.0, 600.0


async def collect(ended: Callable[[], int]) -> None:
    """Look through all objects when so many more connections have ended, though not at every such moment where they are
    short and many, or when so much time has passed; for ever."""
    loop, by_itself = asyncio.get_running_loop(), gc.get_threshold()
    gc.set_threshold(*THRESHOLDS)
    try:
        while True:
            before, began_s = ended(), loop.time()
            while loop.time() < began_s + (EVERY_S if ended() - before < ENDED else LEAST_S):
                await asyncio.sleep(LOOK_S)
            gc.collect()
    finally:
        gc.set_threshold(*by_itself)
