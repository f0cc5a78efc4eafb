"""The past of a node: the live map at any moment as it was known then, and how far units were from its incidents.

Moments are folded in processes beside this one, two at most, which end when nobody asks for a while. What is here are
their answers, the last few, and the fields that stand on them, in a thread of their own: live ones are not touched.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from geo_backup.backup.standing import Standing
from geo_backup.backup.view import View, view
from geo_backup.errors import BadValueError, BusyError, LogError
from geo_backup.eventlog import EventLog
from geo_backup.eventlog.reading import file_behind
from geo_backup.history.folding import Moment
from geo_backup.history.worker import LENGTH_BYTES, Refused, framed
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import Profile

AT_ONCE = 2
WITHIN_S = 20.0
"""A moment that takes longer is given up."""
IDLE_S = 120.0
"""A process that nobody has asked for so long ends, and the fields go."""
KEPT = 4
"""Moments that are remembered: the page asks for several things of one."""
BUSY = "two moments of the past are being worked out already: ask again in a second"
COMMAND = "from geo_backup.history.worker import main; main()"
PIECE_MAX_BYTES = 1 << 28

Result = TypeVar("Result")


class Past:
    """Moments of one node's log; see the module."""

    def __init__(self, network: RoadNetwork, profiles: Mapping[str, Profile]) -> None:
        self._network, self._profiles = network, profiles
        self._idle: list[_Process] = []
        self._working = 0
        self._moments: OrderedDict[tuple[str, int], Moment] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="past")
        self._standing: Standing | None = None
        self._ending: asyncio.TimerHandle | None = None

    async def at(self, log: EventLog, at_ms: int) -> Moment:
        """The live map as it was known at a time (UTC epoch ms).

        Raises `BusyError` while two others are being worked out, `BadValueError` for a time that the log does not tell
        of, and `LogError` where it cannot be read.
        """
        key = (log.epoch, at_ms)
        known = self._moments.get(key)
        if known is None:
            if self._working >= AT_ONCE:
                raise BusyError(BUSY)
            self._working += 1
            try:
                known = await self._worked_out(file_behind(log), at_ms)
            finally:
                self._working -= 1
                self._rest()
        self._moments[key] = known
        self._moments.move_to_end(key)
        if len(self._moments) > KEPT:
            self._moments.popitem(last=False)
        return known

    async def read_field(self, moment: Moment, question: Callable[[Standing], Result]) -> Result:
        """Ask fields that stand as they did at a moment, in their thread."""
        frozen = view(moment.live_map, moment.at_ms)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._asked, frozen, question)
        finally:
            self._rest()

    def stop(self) -> None:
        """End the processes, and wait for nothing."""
        if self._ending is not None:
            self._ending.cancel()
        for process in self._idle:
            process.end()
        self._idle.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _asked(self, frozen: View, question: Callable[[Standing], Result]) -> Result:
        standing = self._standing
        if standing is None:
            standing = self._standing = Standing(self._network, profiles=self._profiles)
        else:  # units that are not there at this moment
            there = {row.unit_id for row in frozen.units}
            gone = tuple(unit_id for unit_id in standing.table.row_of if unit_id not in there)
            frozen = View(**{name: getattr(frozen, name) for name in View.__slots__} | {"gone": gone})
        standing.update(frozen)
        return question(standing)

    async def _worked_out(self, path: Path, at_ms: int) -> Moment:
        process = self._idle.pop() if self._idle else await _Process.begun()
        try:
            async with asyncio.timeout(WITHIN_S):
                moment = await process.ask(path, at_ms)
        except TimeoutError:
            process.end()
            raise BusyError(f"this moment is not worked out after {WITHIN_S:g} s: ask for another") from None
        except (BadValueError, LogError):
            self._idle.append(process)
            raise
        except BaseException:
            process.end()
            raise
        self._idle.append(process)
        return moment

    def _rest(self) -> None:
        """Let go of everything, unless somebody asks meanwhile."""
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.get_running_loop().call_later(IDLE_S, self._let_go)

    def _let_go(self) -> None:
        self._moments.clear()
        for process in self._idle:
            process.end()
        self._idle.clear()
        self._thread.submit(self._forget)

    def _forget(self) -> None:
        self._standing = None


class _Process:
    """One process that folds; see `worker`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def begun(cls) -> _Process:
        home = Path(__file__).resolve().parents[2]
        known = os.environ.get("PYTHONPATH")
        environment = {**os.environ, "PYTHONPATH": f"{home}{os.pathsep}{known}" if known else str(home)}
        try:
            return cls(
                await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",
                    "-c",
                    COMMAND,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    env=environment,
                )
            )
        except OSError as error:
            raise BusyError(f"no process for the past can be started ({error.strerror}): ask again later") from error

    async def ask(self, path: Path, at_ms: int) -> Moment:
        """The moment, taken in piece by piece."""
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        try:
            asked.write(framed((path, at_ms)))
            await asked.drain()
            moment = await _read(answers)
            if isinstance(moment, Refused):
                if moment.field:
                    raise BadValueError(*moment)
                raise LogError(moment.message)
            for things in (moment.live_map.units, moment.live_map.incidents):
                while (some := await _read(answers)) is not None:
                    things.update(some)
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, BrokenPipeError, ConnectionResetError):
            self.end()
            raise BusyError("the process that works out the past has ended: ask again") from None
        found: Moment = moment
        return found

    def end(self) -> None:
        """At once."""
        if self._process.returncode is None:
            self._process.kill()


async def _read(file: asyncio.StreamReader) -> Any:
    length = int.from_bytes(await file.readexactly(LENGTH_BYTES), "big")
    return pickle.loads(await file.readexactly(min(length, PIECE_MAX_BYTES)))
