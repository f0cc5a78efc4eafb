"""Counter: where questions are asked whose answers grow with the fleet, so that they never hold up what is urgent.

One is worked on at a time and for no more than a share of the time. Whoever asks the same while it waits its turn gets
the same answer, which is never older than the question; only so many different questions wait.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterator
from typing import Any, TypeVar

from geo_backup.errors import BusyError

WAITING_MAX = 64
"""Different questions in the line."""
STEP_S = 0.002
"""So long an answer is worked on before the event loop looks at everything else."""
REST_MAX_S = 0.25

Result = TypeVar("Result")
Work = Callable[[], Awaitable[Any]]


class Counter:
    """One line of questions. `share`: of the time, how much their answers may take at most."""

    def __init__(self, share: float = 1.0) -> None:
        self._rest = 1.0 / share - 1.0
        self._line: OrderedDict[Hashable, tuple[Work, asyncio.Future[Any]]] = OrderedDict()
        self._clerk: asyncio.Task[None] | None = None

    async def ask(self, question: Hashable, work: Callable[[], Awaitable[Result]]) -> Result:
        """The answer, begun after this call: of `work`, or of the same question that somebody else has just asked.

        Raises `BusyError` when too many others wait.
        """
        if question not in self._line:
            if len(self._line) >= WAITING_MAX:
                raise BusyError(f"{WAITING_MAX} large questions are waiting already; ask again in a few seconds")
            self._line[question] = (work, asyncio.get_running_loop().create_future())
            if self._clerk is None or self._clerk.done():
                self._clerk = asyncio.create_task(self._serve())
        answer: Result = await asyncio.shield(self._line[question][1])
        return answer

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while self._line:
            _, (work, answer) = self._line.popitem(last=False)
            began = loop.time()
            try:
                answer.set_result(await work())
            except Exception as error:
                answer.set_exception(error)
                answer.exception()  # whoever asked may have left: then nobody else will look at it
            await asyncio.sleep(min((loop.time() - began) * self._rest, REST_MAX_S))


async def in_steps(parts: Iterator[bytes]) -> bytes:
    """All parts, made on the event loop a few at a time. What they tell of may change meanwhile: each part stands for
    the moment in which it is made."""
    loop, out = asyncio.get_running_loop(), bytearray()
    since = loop.time()
    for part in parts:
        out += part
        if loop.time() - since > STEP_S:
            await asyncio.sleep(0)
            since = loop.time()
    return bytes(out)
