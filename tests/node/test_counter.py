"""The counter: one question at a time, shared by all who ask the same, and an end to the line."""

from __future__ import annotations

import asyncio

import pytest

from geo_backup.errors import BusyError
from geo_backup.node.counter import WAITING_MAX, Counter, in_steps


class Desk:
    """Work that is answered by hand, and counted."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    async def work(self) -> int:
        self.begun += 1
        number = self.begun
        await self.go_on.wait()
        return number


async def begun(desk: Desk, number: int) -> None:
    while desk.begun < number:
        await asyncio.sleep(0)


def test_who_asks_while_it_waits_shares_the_answer_and_no_answer_is_older_than_its_question() -> None:
    async def story() -> None:
        counter, desk = Counter(), Desk()
        first = asyncio.create_task(counter.ask("units", desk.work))
        await begun(desk, 1)
        later = [asyncio.create_task(counter.ask("units", desk.work)) for _ in range(32)]
        await asyncio.sleep(0)
        assert desk.begun == 1
        desk.go_on.set()
        assert await first == 1
        assert set(await asyncio.gather(*later)) == {2}

    asyncio.run(story())


def test_the_line_has_an_end() -> None:
    async def story() -> None:
        counter, desk = Counter(), Desk()
        waiting = [asyncio.create_task(counter.ask(number, desk.work)) for number in range(WAITING_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="ask again"):
            await counter.ask("one more", desk.work)
        desk.go_on.set()
        assert sorted(await asyncio.gather(*waiting)) == list(range(1, WAITING_MAX + 1))
        assert await counter.ask("again", desk.work) == WAITING_MAX + 1

    asyncio.run(story())


def test_a_question_that_fails_harms_nobody_else_and_one_that_nobody_waits_for_neither() -> None:
    async def fails() -> int:
        raise ValueError("no")

    async def story() -> None:
        counter, desk = Counter(), Desk()
        desk.go_on.set()
        impatient = asyncio.create_task(counter.ask("units", desk.work))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(ValueError, match="no"):
            await counter.ask("bad", fails)
        assert await counter.ask("good", desk.work) == 2

    asyncio.run(story())


def test_a_long_document_leaves_time_between_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geo_backup.node.counter.STEP_S", 0.0)

    async def story() -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(others())
        assert await in_steps(b"%d" % (n % 10) for n in range(100)) == b"0123456789" * 10
        assert turns > 50
        beside.cancel()

    asyncio.run(story())
