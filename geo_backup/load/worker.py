"""Worker: a process of its own with an event loop, to which a word or two goes by a pipe."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from geo_backup.errors import GeoBackupError

Work = Callable[..., Coroutine[Any, Any, Any]]


class Worker:
    """The other end of the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def tell(self, what: object) -> None:
        self._pipe.send((True, what))

    async def told(self) -> Any:
        """What it says next. Raises `GeoBackupError` with what went wrong there."""
        try:
            well, what = await asyncio.to_thread(self._pipe.recv)
        except EOFError:
            raise GeoBackupError("a process of the load ended by itself; is there memory left?") from None
        if not well:
            raise GeoBackupError(str(what))
        return what


@asynccontextmanager
async def working(work: Work, *args: object) -> AsyncIterator[Worker]:
    """`work(worker, *args)` in a process of its own; what it returns is told last."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(there, work, args), daemon=True)
    process.start()
    there.close()
    try:
        yield Worker(here)
    finally:
        process.terminate()
        await asyncio.to_thread(process.join)


def _run(pipe: Connection, work: Work, args: tuple[object, ...]) -> None:
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):  # on Windows
        import uvloop

        new_loop = uvloop.new_event_loop
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            done = (True, runner.run(work(Worker(pipe), *args)))
    except KeyboardInterrupt:  # whoever began it is told too
        return
    except Exception as error:
        done = (False, str(error) if isinstance(error, GeoBackupError) else f"{type(error).__name__}: {error}")
    pipe.send(done)


def _end_with(parent: Any) -> None:
    """Whoever began it may be killed: no load goes on without them."""
    parent.join()
    os._exit(1)
