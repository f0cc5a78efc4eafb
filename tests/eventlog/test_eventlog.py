"""The SQLite log: the conformance suite, and what only a file can suffer."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import os
import re
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from geo_backup.errors import LogError, LogFullError
from geo_backup.eventlog import Limits, LogState, is_log, open_log, sqlite, sqlite_rows
from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.events import Fix, PositionReported
from geo_backup.wire import facts
from tests.conformance.event_log import EventLogConformance, everything, fact, ping
from tests.running import GOTHENBURG, Failed, in_time

NAME = "events.log"


class TestSqliteLog(EventLogConformance):
    def open_log(self, folder: Path) -> SqliteLog:
        folder.mkdir(exist_ok=True)
        return SqliteLog.open(folder / NAME)


def test_a_follower_that_lags_past_the_memory_reads_on_from_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BATCH_EVENTS", 30)
    monkeypatch.setattr(sqlite_rows, "BATCH_EVENTS", 30)

    async def story() -> None:
        log = SqliteLog.open(tmp_path / NAME, limits=Limits(tail_bytes=50 * sqlite_rows.EVENT_BYTES))
        stream = log.read(0, follow=True)
        await log.append([ping("P1", 0)])
        seen = list(await anext(stream))
        for n in range(40):
            await log.append([ping("P1", n), fact(n), ping("P2", n)])
        while len(seen) < 121:
            batch = await anext(stream)
            assert len(batch) <= 30
            seen += batch
        assert seen == await everything(log)
        assert seen == list(log.read_all())
        log.close()

    asyncio.run(story())


ODD = [None, True, 0, 1, -1, 2**61, 2**70, -0.0, 1.5, -180.5, math.nan, math.inf, 1e301, "", "P1", "\ud800", "ä", ()]


@pytest.mark.parametrize("name", ["unit_id", "device_id", "said_by", "received_ms", "fix", *Fix._fields])
def test_what_cannot_be_written_is_refused_however_quickly_it_is_looked_at(name: str) -> None:
    good = ping("P1", 1)
    for value in ODD:
        changed = {"fix": good.fix._replace(**{name: value})} if name in Fix._fields else {name: value}
        event = replace(good, **changed)
        try:
            facts.check(event)
        except LogError as error:
            with pytest.raises(LogError, match=re.escape(str(error))):
                sqlite_rows.encoded([event])
        else:
            assert sqlite_rows.encoded([event])[0][-6:] == event.fix


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
from geo_backup.eventlog.sqlite import SqliteLog
from tests.conformance.event_log import fact, ping

async def appender(log, k):
    n = 0
    while True:
        n += 1
        seqs = await log.append([ping(f"P{k}", n), fact(n)])
        print(*(f"{seq}:{k}:{n}" for seq in seqs), flush=True)

async def main():
    log = SqliteLog.open(Path(sys.argv[1]))
    await asyncio.gather(*(appender(log, k) for k in range(8)))

asyncio.run(main())
"""
    path = tmp_path / NAME
    acknowledged: dict[int, tuple[str, str]] = {}
    for _ in range(2):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(150)]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        child.wait()
        for line in lines:
            if line.endswith("\n"):
                for word in line.split():
                    seq, k, n = word.split(":")
                    assert int(seq) not in acknowledged
                    acknowledged[int(seq)] = (f"P{k}", n)
    log = SqliteLog.open(path)
    standing = dict(log.read_all())
    log.close()
    assert len(acknowledged) >= 600
    assert acknowledged.keys() <= standing.keys()
    assert sorted(standing) == list(range(1, len(standing) + 1))
    for seq, (unit_id, n) in acknowledged.items():
        event = standing[seq]
        if isinstance(event, PositionReported):
            assert event == ping(unit_id, int(n))
        else:
            assert event == fact(int(n))


def test_a_full_disk_refuses_whole_transactions_and_the_log_lives_on(tmp_path: Path) -> None:
    async def story() -> None:
        log = SqliteLog.open(tmp_path / NAME)
        await log.append([ping("P1", 0)])
        log._connection.execute("PRAGMA max_page_count=20")
        results = await asyncio.gather(
            *(log.append([ping(f"P{k}", n) for n in range(1, 1000)]) for k in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [LogFullError] * 3
        assert len({id(result) for result in results}) == 3
        assert await everything(log) == [(1, ping("P1", 0))]
        with pytest.raises(LogFullError):
            log.save_snapshot(1, b"x" * 200_000)
        assert await log.append([fact(1)]) == [2]
        log._connection.execute("PRAGMA max_page_count=1000000")
        assert len(await log.append([ping("P1", n) for n in range(1, 1000)])) == 999
        log.close()
        assert len(list(SqliteLog.open(tmp_path / NAME).read_all())) == 1001

    asyncio.run(story())


@pytest.mark.parametrize(("said", "name"), [(errno.EDQUOT, "full"), (errno.EIO, "failing"), (None, "failing")])
def test_a_quota_that_is_used_up_is_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: int | None, name: str
) -> None:
    """SQLite says `disk I/O error` of both; what a file beside the log is told tells them apart."""
    write = Path.write_bytes

    def refused(*_: Any) -> Any:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_WRITE"
        raise error

    def beside(path: Path, data: bytes) -> int:
        if said is not None:
            raise OSError(said, os.strerror(said))
        return write(path, data)

    async def story() -> None:
        log = SqliteLog.open(tmp_path / NAME, limits=Limits(full_for_s=0.0, look_for_room_s=0.01))
        with monkeypatch.context() as broken:
            broken.setattr(log, "_transaction", refused)
            broken.setattr(Path, "write_bytes", beside)
            with pytest.raises(LogError) as refusal:
                await log.append([fact(1)])
        assert (type(refusal.value) is LogFullError) == (name == "full")
        if name == "full":
            await in_time(lambda: log.state.name == "ok")
            assert await log.append([fact(1)]) == [1]
        else:
            assert log.state.name == name
        log.close()
        assert not list(tmp_path.glob("*.trial"))

    asyncio.run(story())


def test_who_is_answered_finds_nothing_waiting(tmp_path: Path) -> None:
    async def story() -> None:
        log = SqliteLog.open(tmp_path / NAME)
        for n in range(200):
            await log.append([fact(n)])
            assert log.waiting_s == 0.0
        log.close()

    asyncio.run(story())


def test_a_full_disk_has_room_for_an_emergency(small_disk: Path) -> None:
    path = small_disk / NAME

    async def story() -> None:
        limits = Limits(full_for_s=0.2, look_for_room_s=0.05)
        log = SqliteLog.open(path, reserve_bytes=1 << 20, limits=limits)
        assert log.state == LogState("ok")
        (small_disk / "ballast").write_bytes(bytes(21 << 20))
        written = 0
        with suppress(LogFullError):
            while True:
                written += len(await log.append([ping("P1", written + n) for n in range(500)]))
        assert log.state.name == "full"
        assert "make room" in log.state.words
        with (small_disk / "crumbs").open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        for n in range(100):
            assert await log.append([fact(n, f"pressed-{n}")], urgent=True) == [written + n + 1]
        with pytest.raises(LogFullError):  # what was let go of is for nothing else
            await log.append([fact(1)])
        with pytest.raises(LogFullError):
            log.save_snapshot(1, b"x")
        (small_disk / "ballast").unlink()
        await in_time(lambda: log.state.name == "ok")
        assert await log.append([fact(1)]) == [written + 101]
        assert (small_disk / f"{NAME}.reserve").stat().st_size == 1 << 20
        log.close()

    asyncio.run(story())
    log = SqliteLog.open(path, reserve_bytes=1 << 20)
    pressed = [event.event_id for _, event in log.read_all() if event.event_id]
    log.close()
    assert pressed == [f"pressed-{n}" for n in range(100)]


def test_what_is_urgent_goes_before_all_that_waits_and_a_slow_disk_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        log = SqliteLog.open(tmp_path / NAME, limits=Limits(slow_after_s=0.1, slow_for_s=0.3))
        other = sqlite3.connect(tmp_path / NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # the writer must wait, as for a disk that does not answer
        first = asyncio.create_task(log.append([fact(1)]))
        await in_time(lambda: log._committing_s is not None)
        waiting = asyncio.create_task(log.append([fact(2)]))
        await asyncio.sleep(0)
        urgent = asyncio.create_task(log.append([fact(3)], urgent=True))
        await in_time(lambda: log.state.name == "slow")
        assert log.waiting_s > 0.1
        other.execute("COMMIT")
        other.close()
        assert [await first, await urgent, await waiting] == [[1], [2], [3]]
        assert log.waiting_s == 0.0
        assert log.state.name == "slow", "it was, a moment ago"
        await in_time(lambda: log.state.name == "ok")
        log.close()

    asyncio.run(story())


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_only_the_owner_may_read_the_log(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        path = tmp_path / NAME
        path.touch(mode=0o666)
        log = SqliteLog.open(path)
        asyncio.run(log.append([fact(1)]))
        files = sorted(tmp_path.iterdir())
        beside = ("", "-shm", "-wal", ".end", ".key", ".lock", ".reserve")
        assert [file.name for file in files] == [NAME + suffix for suffix in beside]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        log.close()
    finally:
        os.umask(former)


def test_durability_is_asked_for_and_read_back(tmp_path: Path) -> None:
    log = SqliteLog.open(tmp_path / NAME)
    assert log._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert log._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    log.close()


def test_a_second_writer_is_refused_and_a_reader_is_not(tmp_path: Path) -> None:
    path = tmp_path / NAME
    log = SqliteLog.open(path)
    asyncio.run(log.append([ping("P1", 1)]))
    with pytest.raises(LogError, match="written by another process") as refused:
        SqliteLog.open(path)
    assert "\n" not in str(refused.value)
    reader = SqliteLog.open(path, read_only=True)
    assert list(reader.read_all()) == [(1, ping("P1", 1))]
    assert asyncio.run(everything(reader)) == [(1, ping("P1", 1))]
    assert (reader.epoch, reader.last_seq) == (log.epoch, 1)
    with pytest.raises(LogError, match="reading only"):
        asyncio.run(reader.append([fact(1)]))
    asyncio.run(log.append([ping("P1", 2)]))
    assert len(list(reader.read_all(1))) == 1
    reader.close()
    log.close()
    SqliteLog.open(path).close()


def test_what_is_no_log_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="there is no log at"):
        SqliteLog.open(tmp_path / "none", read_only=True)
    with pytest.raises(LogError, match="there is no log at"):
        SqliteLog.open(tmp_path / "none", read_only=True)
    with pytest.raises(LogError, match="folder"):
        SqliteLog.open(tmp_path)
    with pytest.raises(LogError, match="cannot be opened"):
        SqliteLog.open(tmp_path / "no" / "such" / "folder")
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all\n" * 500)
    with pytest.raises(LogError, match="name another file"):
        SqliteLog.open(text)
    assert text.read_text().startswith("not a database")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(LogError, match="no geo_backup log"):
        SqliteLog.open(other)


@pytest.mark.parametrize("kept", [0.9, 0.5, 0.01])
def test_a_log_cut_short_is_refused_with_the_remedy(tmp_path: Path, kept: float) -> None:
    path = tmp_path / NAME
    log = SqliteLog.open(path)
    asyncio.run(log.append([ping("P1", n) for n in range(5000)]))
    log.close()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    for read_only in (False, True):
        with pytest.raises(LogError, match=r"restore it from a backup|name another file"):
            SqliteLog.open(path, read_only=read_only)


def test_a_log_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    SqliteLog.open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(LogError, match="update geo_backup"):
        SqliteLog.open(path)


def test_a_damaged_snapshot_gives_way_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / NAME
    log = SqliteLog.open(path)
    asyncio.run(log.append([fact(n) for n in range(5)]))
    for seq in (1, 2, 3, 4, 5):
        log.save_snapshot(seq, b"%d" % seq)
    log.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE snapshots SET data = x'00' WHERE seq = 5")
    connection.close()
    log = SqliteLog.open(path)
    assert log.load_snapshot() == (4, b"4")
    log.close()


def test_an_unreadable_event_is_named_by_its_seq(tmp_path: Path) -> None:
    path = tmp_path / NAME
    log = SqliteLog.open(path)
    asyncio.run(log.append([fact(1), fact(2)]))
    log.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE facts SET kind = 'DragonSeen' WHERE seq = 2")
    connection.close()
    log = SqliteLog.open(path)
    with pytest.raises(LogError, match=r"event 2 .*DragonSeen"):
        list(log.read_all())
    log.close()


def test_a_url_names_the_engine_and_a_path_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / NAME
    open_log(f"sqlite://{path}").close()
    with contextlib.closing(open_log(path, read_only=True)) as log:
        assert list(log.read_all()) == []
    assert is_log(path.read_bytes())
    with pytest.raises(LogError, match="tape:// is no log that is known here: name a file, or one of sqlite://"):
        open_log("tape://rewind")


@pytest.mark.parametrize("name", ["old", "new"])
def test_a_start_on_a_disk_that_is_read_only_says_the_way_out(small_disk: Path, name: str, run: Any) -> None:
    async def story() -> None:
        log = SqliteLog.open(small_disk / "old", reserve_bytes=1 << 20)
        await log.append([fact(1)])
        log.close()

    asyncio.run(story())
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    path = small_disk / name
    with pytest.raises(Failed) as failed:
        run("serve", "--map", GOTHENBURG, "--log", path, "--port", "0")
    (line,) = str(failed.value).splitlines()
    assert line.startswith(f"geo-backup: {path} cannot be opened for writing: its disk is read-only")
    assert "mount it for writing, or copy the log to another disk" in line
    if name == "old":
        with pytest.raises(LogError, match="Copy it, with the files beside it"):
            open_log(path, read_only=True)
