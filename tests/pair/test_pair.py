"""Two machines and one log, joined by a line in memory that can be cut: what is written on one stands on both."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from geo_backup.errors import LogError
from geo_backup.eventlog import open_log
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.events import Event
from geo_backup.pair.begin import copy_from, set_apart
from geo_backup.pair.file import Memory
from geo_backup.pair.follower import UnacknowledgedError
from geo_backup.pair.line import LineLostError
from geo_backup.pair.log import PairedLog
from geo_backup.pair.pair import Pair
from tests.conformance.event_log import EventLogConformance, fact, ping, registered
from tests.pair.wire import Wire
from tests.running import in_time

A, B = "http://a:1", "http://b:1"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Net:
    """The machines by their URLs, and what is between them."""

    pairs: dict[str, Pair] = field(default_factory=dict)
    broken: bool = False
    lines: list[Wire] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def call(self, url: str) -> Wire:
        if self.broken or url not in self.pairs:
            raise LineLostError
        here, there = Wire(), Wire()
        here.other, there.other = there, here
        self.lines.append(here)
        task = asyncio.create_task(self._serve(self.pairs[url], there))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return here

    async def _serve(self, pair: Pair, line: Wire) -> None:
        try:
            await pair.serve(line)
        finally:
            await line.close()

    async def cut(self) -> None:
        self.broken = True
        for line in self.lines:
            await line.close()

    @asynccontextmanager
    async def machine(self, url: str, path: Path, other_url: str = "") -> AsyncIterator[Pair]:
        """A machine that runs for as long as this."""
        log = PairedLog.open(path, reserve_bytes=0)
        log.url = url
        log.memory = replace(log.memory, other_url=other_url or log.memory.other_url)
        pair = self.pairs[url] = Pair(log, self.call, now_ms)
        try:
            await pair.settle()
        except LogError:
            log.close()
            raise
        running = asyncio.create_task(pair.run())
        try:
            yield pair
        finally:
            del self.pairs[url]
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            for line in self.lines:
                await line.close()
            log.close()


@asynccontextmanager
async def two(folder: Path, net: Net) -> AsyncIterator[tuple[Pair, Pair]]:
    """A leads, B follows and is in step."""
    async with net.machine(A, folder / "a.sqlite") as a:
        await a.log.append([registered("P1")])
        await copy_from(A, net.call, folder / "b.sqlite", lambda done, total: None)
        async with net.machine(B, folder / "b.sqlite") as b:
            await in_time(lambda: a.log.in_step, "the standby in step")
            yield a, b


def story(tell: Callable[[Net, Pair, Pair], Awaitable[None]], folder: Path) -> None:
    async def whole() -> None:
        net = Net()
        async with two(folder, net) as (a, b):
            await asyncio.wait_for(tell(net, a, b), 30)

    asyncio.run(whole())


def everything(path: Path) -> list[tuple[int, Event]]:
    with closing(open_log(path, read_only=True)) as log:
        return list(log.read_all())


def same(folder: Path) -> list[tuple[int, Event]]:
    """What stands in both logs, which are proven to be whole."""
    a, b = everything(folder / "a.sqlite"), everything(folder / "b.sqlite")
    assert a == b
    for name in ("a", "b"):
        assert prove(folder / f"{name}.sqlite").wrong == []
    return a


class TestAlone(EventLogConformance):
    """A machine without a second one keeps what every engine promises."""

    def open_log(self, folder: Path) -> PairedLog:
        folder.mkdir(exist_ok=True)
        return PairedLog.open(folder / "log.sqlite", reserve_bytes=0)


def test_what_is_acknowledged_stands_on_both(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        for n in range(200):
            (seq,) = await a.log.append([ping("P1", n)])
            assert b.log.last_seq >= seq
        assert b.log.epoch == a.log.epoch

    story(tell, tmp_path)
    assert sum(1 for _, event in same(tmp_path) if event == ping("P1", 199)) == 1


def test_what_one_cannot_record_the_other_hears_all_the_same(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        heard = list[tuple[str, str, Event]]()
        a.listen(lambda unit_id, event: heard.append(("a", unit_id, event)))
        b.listen(lambda unit_id, event: heard.append(("b", unit_id, event)))
        a.shout("P1", fact(1, "pressed at a"))
        b.shout("P2", fact(2, "pressed at b"))
        await in_time(lambda: len(heard) == 2 or None, "both are heard")
        assert sorted(heard, key=lambda one: one[0]) == [
            ("a", "P2", fact(2, "pressed at b")),
            ("b", "P1", fact(1, "pressed at a")),
        ]

    story(tell, tmp_path)


def test_what_is_said_to_the_standby_is_written_by_the_leader(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        seqs = await b.log.append([fact(1, "once"), ping("P1", 1)])
        assert await a.log.append([fact(1, "once")]) == seqs[:1]
        assert await b.log.append([fact(1, "once")], urgent=True) == seqs[:1]
        with pytest.raises(LogError, match="event_id"):
            await b.log.append([replace(ping("P1", 2), event_id="named")])

    story(tell, tmp_path)


def test_handing_over_loses_nothing_that_is_written_meanwhile(tmp_path: Path) -> None:
    acknowledged: list[int] = []

    async def tell(net: Net, a: Pair, b: Pair) -> None:
        async def writes(log: PairedLog, first: int) -> None:
            for n in range(first, first + 150):
                acknowledged.extend(await log.append([fact(n, f"f{n}")]))

        writing = [asyncio.create_task(writes(a.log, 1_000)), asyncio.create_task(writes(b.log, 2_000))]
        await in_time(lambda: len(acknowledged) > 60, "some writes")
        await b.promote(force=False)
        assert (a.log.role, b.log.role) == ("following", "leading")
        await asyncio.gather(*writing)
        await in_time(lambda: b.log.in_step, "the former leader in step")
        await a.promote(force=False)
        assert (a.log.role, b.log.role) == ("leading", "following")
        assert (a.log.term.number, a.log.term.leader) == (3, a.log.memory.name)
        await in_time(lambda: a.log.in_step, "the standby in step again")
        assert (await b.log.append([fact(9, "last")])) == [a.log.last_seq]

    story(tell, tmp_path)
    assert {seq for seq, event in same(tmp_path) if event.event_id.startswith("f")} == set(acknowledged)
    assert len(acknowledged) == 300


def test_a_standby_that_is_gone_is_not_waited_for_and_comes_back_in_step(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        await net.cut()
        await in_time(lambda: a.leader.standby is None, "the standby gone")
        assert await a.log.append([fact(1)], urgent=True)
        assert "stands on this machine alone" in a.log.state.alone
        await in_time(lambda: b.log.state.name == "cut_off", "the standby notices")
        with pytest.raises(LogError, match="promote"):
            await b.log.append([fact(2)])
        net.broken = False
        await in_time(lambda: a.log.in_step, "the standby in step")
        assert a.log.state.alone == ""
        assert b.log.state.name == "ok"

    story(tell, tmp_path)
    same(tmp_path)


def test_a_leader_that_is_about_to_stop_records_nothing_that_the_standby_would_not_have(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        last = asyncio.create_task(a.log.append([fact(1)]))
        await asyncio.sleep(0)
        await a.log.retire()
        assert last.done()
        await net.cut()
        for urgent in (False, True):
            with pytest.raises(LogError, match="this machine stops"):
                await a.log.append([fact(2)], urgent=urgent)

    story(tell, tmp_path)
    same(tmp_path)


@pytest.mark.parametrize("synchronous", [True, False])
def test_only_a_synchronous_pair_waits_for_the_standby(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synchronous: bool
) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        a.log.synchronous = synchronous
        take, go_on = b.log.take, asyncio.Event()

        async def slow(pairs: list[tuple[int, Event]]) -> None:
            await go_on.wait()
            await take(pairs)

        monkeypatch.setattr(b.log, "take", slow)
        said = asyncio.create_task(a.log.append([fact(1)]))
        await asyncio.sleep(0.1)
        assert said.done() is not synchronous
        go_on.set()
        (seq,) = await said
        await in_time(lambda: b.log.last_seq == seq, "the standby has it")

    story(tell, tmp_path)
    same(tmp_path)


def test_a_standby_whose_disk_is_full_is_not_waited_for_and_comes_back_in_step(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        take_room(b.log)
        seqs = [await a.log.append([ping("P1", n) for n in range(500)]) for _ in range(4)]
        await in_time(lambda: "stands on this machine alone" in a.log.state.alone, "the standby left behind")
        assert b.log.state.name == "full"
        give_room(b.log)
        await in_time(lambda: a.log.in_step, "the standby in step")
        assert b.log.last_seq == seqs[-1][-1]

    story(tell, tmp_path)
    same(tmp_path)


def test_a_leader_whose_disk_is_full_refuses_whoever_asks_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        take_room(a.log)
        with pytest.raises(LogError, match="full"):
            await b.log.append([ping("P1", n) for n in range(20_000)])
        assert a.log.state.name == "full"
        give_room(a.log)
        assert await b.log.append([fact(99, "after")])
        assert a.log.in_step

    story(tell, tmp_path)
    assert same(tmp_path)[-1][1].event_id == "after"


def take_room(log: PairedLog) -> None:
    """The disk of a log takes no more."""
    pages = log._connection.execute("PRAGMA page_count").fetchone()[0]
    log._connection.execute(f"PRAGMA max_page_count={pages}")


def give_room(log: PairedLog) -> None:
    log._connection.execute("PRAGMA max_page_count=1000000")


def test_a_leader_that_was_led_past_writes_no_more(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        await net.cut()
        await in_time(lambda: a.leader.standby is None, "the standby gone")
        with pytest.raises(LogError, match="--force"):
            await b.promote(force=False)
        await b.promote(force=True)
        assert await b.log.append([fact(5, "after")])
        net.broken = False
        await in_time(lambda: a.log.role == "following" and b.log.in_step, "the former leader follows")
        assert await a.log.append([fact(6, "by a")]) == [b.log.last_seq]

    story(tell, tmp_path)
    assert [event.event_id for _, event in same(tmp_path) if event.event_id][-2:] == ["after", "by a"]


def test_what_the_other_machine_never_had_is_set_apart_and_told(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        await net.cut()
        await in_time(lambda: a.leader.standby is None, "the standby gone")
        await a.log.append([fact(1, "alone"), fact(2, "alone too")])  # acknowledged by A alone, and said to be
        await b.promote(force=True)
        net.broken = False
        await in_time(lambda: a.log.role == "apart", "the former leader apart")
        with pytest.raises(LogError, match="2 events after"):
            await a.log.append([fact(3)])
        assert a.log.state.name == "cut_off"

    story(tell, tmp_path)

    async def again() -> None:
        net = Net()
        async with net.machine(B, tmp_path / "b.sqlite") as b:
            assert b.log.leads
            aside = set_apart(tmp_path / "a.sqlite")
            assert [event.event_id for _, event in everything(aside)][-2:] == ["alone", "alone too"]
            await copy_from(B, net.call, tmp_path / "a.sqlite", lambda done, total: None)
            async with net.machine(A, tmp_path / "a.sqlite") as a:
                assert a.log.role == "following"
                await in_time(lambda: b.log.in_step, "in step")

    asyncio.run(again())
    same(tmp_path)


def test_what_nobody_was_told_is_set_aside_by_itself(tmp_path: Path) -> None:
    """A leader dies with events on their way to its standby: nobody was told that they are recorded."""

    async def whole() -> None:
        net = Net()
        async with two(tmp_path, net) as (a, b):
            await net.cut()
            await SqliteLog.append(a.log, [fact(1, "on its way")])
            await b.follower.take_over(2, "witnessed")
        net.broken = False
        Memory.of(tmp_path / "a.sqlite").keep(alone=False)  # as it was when the power failed
        async with net.machine(B, tmp_path / "b.sqlite") as b:
            log = PairedLog.open(tmp_path / "a.sqlite", reserve_bytes=0)
            a = Pair(log, net.call, now_ms)
            await a.settle()
            with pytest.raises(UnacknowledgedError, match="1 event after"):
                await asyncio.wait_for(a.run(), 20)
            log.close()
            assert b.log.leads

    asyncio.run(whole())


def test_after_a_restart_whoever_led_last_leads_and_a_former_leader_follows(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        await b.promote(force=False)
        await in_time(lambda: b.log.in_step, "in step")

    story(tell, tmp_path)

    async def again() -> None:
        net = Net()
        async with net.machine(A, tmp_path / "a.sqlite") as a:
            assert a.log.role == "following"
            async with net.machine(B, tmp_path / "b.sqlite") as b:
                assert b.log.leads
                await in_time(lambda: b.log.in_step, "in step")
                await b.log.append([fact(1)])
                assert a.log.last_seq == b.log.last_seq

    asyncio.run(again())
    same(tmp_path)


def test_a_leader_that_starts_without_its_standby_says_that_it_is_alone(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        """They were a pair."""

    story(tell, tmp_path)

    async def again() -> None:
        async with Net().machine(A, tmp_path / "a.sqlite") as a:
            assert a.log.leads
            assert "is not there" in a.log.state.alone
            assert await a.log.append([fact(1)])
            assert a.log.memory.alone

    asyncio.run(again())


def test_a_copied_folder_is_no_second_machine(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        for name in ("a.sqlite", "a.sqlite.pair"):
            shutil.copy(tmp_path / name, tmp_path / f"c{name[1:]}")
        with pytest.raises(LogError, match="was copied"):
            async with net.machine("http://c:1", tmp_path / "c.sqlite", other_url=A):
                pass

    story(tell, tmp_path)


def test_a_third_machine_is_told_that_a_pair_is_two(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        await copy_from(A, net.call, tmp_path / "c.sqlite", lambda done, total: None)
        async with net.machine("http://c:1", tmp_path / "c.sqlite") as c:
            await in_time(lambda: "a pair is two" in c.follower.refused, "the refusal")
            assert (await a.log.append([fact(1)])) == [b.log.last_seq]

    story(tell, tmp_path)


def test_a_standby_of_another_log_is_not_let_in(tmp_path: Path) -> None:
    async def tell(net: Net, a: Pair, b: Pair) -> None:
        c_url = "http://c:1"
        async with net.machine(c_url, tmp_path / "c.sqlite") as c:
            c.log.memory = c.log.memory.keep(other_url=A)
            await c.settle()
            await in_time(lambda: "another one" in c.follower.refused, "the refusal")

    story(tell, tmp_path)
