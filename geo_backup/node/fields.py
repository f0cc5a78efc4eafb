"""Fields: the standing fields of a node, and the one thread in which they are kept and read.

Whoever asks gets an answer as of the moment of asking: the live map is frozen then, and the thread sees nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from geo_backup.backup.city import prepare
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.live_map import LiveMap
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pieces import Pieces
from geo_backup.roads.profile import Profile
from geo_backup.roads.warm import warm_up

Result = TypeVar("Result")


class Fields:
    """The standing fields on one network; see the module."""

    def __init__(self, network: RoadNetwork, profiles: Mapping[str, Profile]) -> None:
        self._network, self._profiles = network, profiles
        self._standing = Standing(network, profiles=profiles)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ranking")
        self._unseen: set[str] | None = None
        """Units that changed since the fields last saw them; None: they have yet to see them all."""

    async def make_ready(self) -> None:
        """Compile the kernels, and prepare what every field needs."""
        await self._in_thread(self._prepare)

    def touch(self, unit_ids: Iterable[str]) -> None:
        """These units changed."""
        if self._unseen is not None:
            self._unseen.update(unit_ids)

    async def read(self, live_map: LiveMap, now_ms: int, question: Callable[[Standing], Result]) -> Result:
        """Ask the fields anything about the live map as it is now."""
        now = view(live_map, now_ms, self._unseen)
        self._unseen = set()

        def answer() -> Result:
            self._standing.update(now)
            return question(self._standing)

        return await self._in_thread(answer)

    async def renew(self) -> None:
        """Forget every field: another live map follows."""
        self._unseen = None
        await self._in_thread(self._begin_again)

    def stop(self) -> None:
        """Take no more questions; what is under way is not waited for."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _prepare(self) -> None:
        warm_up()
        Pieces.of(self._network)
        prepare(self._standing)

    def _begin_again(self) -> None:
        self._standing = Standing(self._network, profiles=self._profiles)

    async def _in_thread(self, job: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)
