"""Historian: keeps the index up with the log of a node, and answers what is asked of the past, beside the event loop.

The index is kept by one thread, for no more than a share of the time; questions are answered in two others. Where the
index cannot be kept (a full disk), the past waits, and nothing else does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeVar

from geo_backup.errors import BusyError, LogError
from geo_backup.eventlog import EventLog
from geo_backup.eventlog.reading import Reader, file_behind, wipe_index
from geo_backup.history.index import Index, Lookup

log_ = logging.getLogger("geo_backup.history")

PERIOD_S = 2.0
FIXES_DUE = 20_000
FIXES_WAIT_S = 30.0
"""Fixes are indexed when so many wait, or when some have waited so long."""
FORGET_LOOK_S = 0.02
ASKED_MAX = 32
"""Questions that may wait."""

Result = TypeVar("Result")
Question = Callable[[Reader, Lookup], Result]


class Historian:
    """The index of one node's log; see the module. `follow` another log where a replay jumps."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="index")
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="history")
        self._index: Index | None = None
        self._asked = 0
        self._indexed_s = float("-inf")
        self._failed = ""
        self._open = asyncio.Event()
        self._open.set()

    async def run(self) -> None:
        """Keep up with the log, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            more = await self._keep_up()
            await asyncio.sleep(max(loop.time() - began_s, 0.01) if more else PERIOD_S)

    async def ask(self, question: Question[Result], *, facts: bool = True) -> Result:
        """The answer to a question about the past; with `facts` the index has come to the last of them.

        Raises `BusyError` when too many wait, and `LogError` where the log cannot be looked up.
        """
        if self._asked >= ASKED_MAX:
            raise BusyError(f"{ASKED_MAX} questions about the past are waiting already; ask again in a few seconds")
        await self._open.wait()
        loop, path = asyncio.get_running_loop(), file_behind(self._log)
        self._asked += 1
        try:
            await loop.run_in_executor(self._writer, self._ready, self._log, facts)
            return await loop.run_in_executor(self._readers, _answered, path, question)
        finally:
            self._asked -= 1

    def follow(self, log: EventLog) -> None:
        """Another log from now on."""
        self._log, self._indexed_s, self._failed = log, float("-inf"), ""
        self._writer.submit(self._forget)

    async def forget(self) -> None:
        """Overwrite the index, which is made anew of what the log still has: something was purged. What was asked is
        answered before, what is asked meanwhile waits."""
        self._open.clear()
        try:
            while self._asked:
                await asyncio.sleep(FORGET_LOOK_S)
            self._indexed_s = float("-inf")
            await asyncio.get_running_loop().run_in_executor(self._writer, self._wipe, file_behind(self._log))
        finally:
            self._open.set()

    def stop(self) -> None:
        """Take no more questions; what is under way is not waited for."""
        self._writer.submit(self._forget)
        self._writer.shutdown(wait=False)
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def _keep_up(self) -> bool:
        """Index what is due; whether more waits."""
        if self._log.state.name in ("full", "failing"):  # the room that is left is for the log
            return False
        loop = asyncio.get_running_loop()
        try:
            due = loop.time() - self._indexed_s >= FIXES_WAIT_S
            more = await loop.run_in_executor(self._writer, self._step, self._log, due)
            self._failed = ""
        except LogError as error:
            if str(error) != self._failed:
                self._failed = str(error)
                log_.warning("the past is not indexed: %s", error)
            return False
        if due and not more:
            self._indexed_s = loop.time()
        return more

    # ---- in the writer's thread

    def _step(self, log: EventLog, due: bool) -> bool:
        with Reader(file_behind(log)) as reader:
            index = self._of(reader)
            more = index.add_facts(reader)
            if due or reader.last_seq - index.reached("fixes") >= FIXES_DUE:
                more |= index.add_fixes(reader)
            return more

    def _ready(self, log: EventLog, facts: bool) -> None:
        with Reader(file_behind(log)) as reader:
            index = self._of(reader)
            while facts and index.add_facts(reader):
                pass

    def _of(self, reader: Reader) -> Index:
        if self._index is None:
            self._index = Index(reader.path, reader.epoch, reader.last_seq)
        return self._index

    def _wipe(self, path: Path) -> None:
        self._forget()
        wipe_index(path)

    def _forget(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None


def _answered(path: Path, question: Question[Result]) -> Result:
    with ExitStack() as stack:
        reader = stack.enter_context(Reader(path))
        return question(reader, stack.enter_context(closing(Lookup(path))))
