"""Who may speak is the same on all nodes: the one that leads says it, beside the stream, and the others take it.

Change people and tokens on the node that leads; what is changed on another is overwritten.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from geo_backup.cluster.address import Address
from geo_backup.cluster.stream import NotTakenError, Stream
from geo_backup.errors import LogError
from geo_backup.people import Roster

log_ = logging.getLogger("geo_backup.cluster")

LOOK_S = 1.0
AGAIN_S = 86_400.0
"""It is told once a day though nothing changed: the servers let go of what is older than a week."""


async def bring(address: Address, to: Path) -> None:
    """At the start, before anybody is let in: take the people that the nodes share, where they share some. Raises
    LogError where no server answers."""
    stream = Stream(address, "who may speak")
    await stream.connect()
    try:
        places = await stream.kept()
        if places:
            data = await stream.get(places)
            with closing(Roster(to)) as roster:
                await asyncio.to_thread(roster.take, data)
    except NotTakenError as error:
        raise LogError(f"who may speak on {address} is not known ({error}): is most of its servers there?") from None
    finally:
        await stream.close()


class SharedPeople:
    """The roster of a cluster; see the module."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._taken: list[int] = []
        """Where the parts are of what was taken or told last."""

    async def share(self, roster: Roster, leads: Callable[[], bool]) -> None:
        """For ever: tell what changed here where this node leads, and take what another one told where it does not."""
        told: tuple[int, int] | None = None
        told_s = 0.0
        while True:
            try:
                if leads():
                    version = await asyncio.to_thread(roster.version)
                    again = version != told or time.monotonic() - told_s > AGAIN_S
                    if again and not await asyncio.to_thread(roster.empty):
                        self._taken = await self._stream.keep(await asyncio.to_thread(roster.packed))
                        told, told_s = version, time.monotonic()
                else:
                    told = None
                    places = await self._stream.kept()
                    if places and places != self._taken:
                        await asyncio.to_thread(roster.take, await self._stream.get(places))
                        self._taken = places
            except NotTakenError as error:
                log_.debug("who may speak is not shared at this moment: %s", error)
            await asyncio.sleep(LOOK_S)
