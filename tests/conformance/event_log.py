"""What every engine of the EventLog promises. A test class of an engine inherits it and says how to open a log."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from geo_backup.errors import LogError
from geo_backup.eventlog import EventLog
from geo_backup.events import Event, Fix, IncidentOpened, PositionReported, UnitRegistered, UnitStatusChanged
from tests.running import in_time

T0 = 1_700_000_000_000


def ping(unit: str, n: int) -> PositionReported:
    fix = Fix(T0 + n * 1000, 11.97 + n * 1e-6, 57.7, 12.5, 271.3, 4.0)
    return PositionReported(received_ms=T0 + n * 1000 + 217, said_by="avl", unit_id=unit, device_id="radio-7", fix=fix)


def fact(n: int, event_id: str = "") -> UnitStatusChanged:
    return UnitStatusChanged(event_id=event_id, received_ms=T0 + n, unit_id="P1", status="busy", at_ms=T0 + n)


def registered(unit: str, event_id: str = "") -> UnitRegistered:
    return UnitRegistered(
        event_id=event_id,
        received_ms=T0,
        unit_id=unit,
        callsign=unit,
        agency="police",
        kind="patrol",
        home=(11.9, 57.7),
    )


async def everything(log: EventLog, after: int = 0) -> list[tuple[int, Event]]:
    return [pair async for batch in log.read(after) for pair in batch]


class EventLogConformance:
    """Inherit it and define `open_log`."""

    def open_log(self, folder: Path) -> EventLog:
        """The engine's log kept in `folder`, made at the first call."""
        raise NotImplementedError

    def run(self, folder: Path, story: Any) -> Any:
        """Run a coroutine function on the opened log, and close it."""

        async def whole() -> Any:
            log = self.open_log(folder)
            try:
                return await asyncio.wait_for(story(log), 60)
            finally:
                log.close()

        return asyncio.run(whole())

    def test_what_is_urgent_is_recorded_like_all_else(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> None:
            assert await log.append([fact(1, "pressed")], urgent=True) == [1]
            assert await log.append([fact(1, "pressed")]) == [1], "once, however often it is offered"
            assert await log.append([fact(2)]) == [2]
            await in_time(lambda: log.waiting_s == 0.0, "the end of the last commit")
            assert log.state.name == "ok"

        self.run(tmp_path, story)

    def test_what_went_in_comes_out_in_order(self, tmp_path: Path) -> None:
        events = [
            registered("P1"),
            ping("P1", 1),
            PositionReported(received_ms=T0, unit_id="ø 7", fix=Fix(T0, 0.1 + 0.2, -1e-9)),
            IncidentOpened(received_ms=T0, incident_id="i1", lon=11, lat=57.7, priority=1, note="blåljus ☎"),
            ping("P1", 2),
        ]

        async def story(log: EventLog) -> None:
            assert await log.append(events[:2]) == [1, 2]
            assert await log.append(events[2:]) == [3, 4, 5]
            assert await log.append([]) == []
            assert await everything(log) == list(enumerate(events, 1))
            assert await everything(log, 3) == [(4, events[3]), (5, events[4])]
            assert await everything(log, 5) == []

        self.run(tmp_path, story)

        async def again(log: EventLog) -> None:
            assert await everything(log) == list(enumerate(events, 1))

        self.run(tmp_path, again)

    def test_reopening_keeps_the_epoch_and_counts_on(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> tuple[str, list[int]]:
            return log.epoch, await log.append([ping("P1", 1), fact(2)])

        epoch, seqs = self.run(tmp_path / "a", story)
        assert (epoch, [3, 4]) == self.run(tmp_path / "a", story)
        assert seqs == [1, 2]
        assert self.run(tmp_path / "b", story)[0] != epoch

    def test_an_event_that_cannot_be_written_takes_its_whole_append_with_it_and_no_other(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> None:
            nan = PositionReported(received_ms=T0, unit_id="P1", fix=Fix(T0, float("nan"), 57.7))
            results = await asyncio.gather(
                log.append([ping("P1", 1)]),
                log.append([ping("P1", 2), nan, ping("P1", 3)]),
                log.append([ping("P1", 4)]),
                return_exceptions=True,
            )
            assert isinstance(results[1], LogError)
            assert "lon" in str(results[1])
            assert [event for _, event in await everything(log)] == [ping("P1", 1), ping("P1", 4)]

        self.run(tmp_path, story)

    def test_many_appenders_get_seqs_of_their_own(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> None:
            told: dict[int, Event] = {}

            async def appender(k: int) -> None:
                former = 0
                for n in range(20):
                    events = [ping(f"P{k}", n * 10 + i) if i else fact(k * 100 + n) for i in range(1 + n % 4)]
                    seqs = await log.append(events)
                    assert seqs == list(range(seqs[0], seqs[0] + len(events)))
                    assert seqs[0] > former
                    former = seqs[-1]
                    assert not told.keys() & set(seqs)
                    told.update(zip(seqs, events, strict=True))

            await asyncio.gather(*(appender(k) for k in range(40)))
            assert dict(await everything(log)) == told
            assert sorted(told) == list(range(1, len(told) + 1))

        self.run(tmp_path, story)

    def test_followers_see_everything_once_in_order_wherever_they_begin(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> None:
            await log.append([ping("P0", n) for n in range(500)])
            seen: dict[int, list[tuple[int, Event]]] = {0: [], 123: [], 500: []}

            async def follow(after: int, slow: float) -> None:
                async for batch in log.read(after, follow=True):
                    assert batch
                    seen[after] += batch
                    await asyncio.sleep(slow)
                    if batch[-1][0] >= 900:
                        return

            followers = [asyncio.create_task(follow(after, slow)) for after, slow in ((0, 0.01), (123, 0), (500, 0.02))]

            async def appender(k: int) -> None:
                for n in range(20):
                    await log.append([ping(f"P{k}", n), fact(n)])

            await asyncio.gather(*(appender(k) for k in range(10)))
            await asyncio.gather(*followers)
            whole = await everything(log)
            assert len(whole) == 900
            for after, pairs in seen.items():
                assert pairs == whole[after:]

        self.run(tmp_path, story)

    def test_an_event_is_shown_only_once_it_is_committed_and_then_at_once(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> None:
            stream = log.read(0, follow=True)
            first = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.02)
            assert not first.done()
            seqs = await log.append([fact(1)])
            assert await asyncio.wait_for(first, 1) == [(seqs[0], fact(1))]

        self.run(tmp_path, story)

    def test_closing_ends_the_followers(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> None:
            async def follow() -> int:
                return sum([len(batch) async for batch in log.read(0, follow=True)])

            task = asyncio.create_task(follow())
            await log.append([fact(1)])
            await asyncio.sleep(0.02)
            log.close()
            assert await asyncio.wait_for(task, 1) == 1
            with pytest.raises(LogError):
                await log.append([fact(2)])
            log.close()

        self.run(tmp_path, story)

    def test_a_fact_told_twice_is_one_fact(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> None:
            assert await log.append([fact(1), fact(2, "same")]) == [1, 2]
            assert await log.append([fact(3, "same"), ping("P1", 1), fact(4, "other"), fact(5, "other")]) == [
                2,
                3,
                4,
                4,
            ]
            assert await log.append([fact(6, "same")]) == [2]
            together = await asyncio.gather(*(log.append([fact(7, "race")]) for _ in range(20)))
            assert together == [[5]] * 20
            assert [seq for seq, _ in await everything(log)] == [1, 2, 3, 4, 5]
            follower = log.read(0, follow=True)
            seen: list[int] = []
            while len(seen) < 5:
                seen += [seq for seq, _ in await anext(follower)]
            assert seen == [1, 2, 3, 4, 5]

        self.run(tmp_path, story)

        async def again(log: EventLog) -> None:
            assert await log.append([fact(8, "race"), fact(9)]) == [5, 6]

        self.run(tmp_path, again)

    def test_snapshots_stand_beside_the_events(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> None:
            assert log.load_snapshot() is None
            await log.append([ping("P1", n) for n in range(10)])
            for seq in (2, 4, 6, 8, 10):
                log.save_snapshot(seq, b"state %d" % seq * 1000)
            assert log.load_snapshot() == (10, b"state 10" * 1000)
            with pytest.raises(LogError):
                log.save_snapshot(11, b"of the future")
            assert await log.append([fact(1)]) == [11]

        self.run(tmp_path, story)

        async def again(log: EventLog) -> None:
            assert log.load_snapshot() == (10, b"state 10" * 1000)

        self.run(tmp_path, again)

    def test_a_caller_that_goes_away_harms_nobody(self, tmp_path: Path) -> None:
        async def story(log: EventLog) -> None:
            gone = [asyncio.create_task(log.append([ping("P9", n)])) for n in range(300)]
            await asyncio.sleep(0)
            for task in gone:
                task.cancel()
            await asyncio.gather(*gone, return_exceptions=True)
            seqs = await log.append([fact(1)])
            assert (await everything(log))[-1] == (seqs[0], fact(1))

        self.run(tmp_path, story)
