"""A backup is whole while the log is written, a restored log is another, of a damaged one is saved what can be."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from geo_backup.errors import LogError
from geo_backup.eventlog import sqlite_chain
from geo_backup.eventlog.copies import backup, restore
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.signing import public_of
from geo_backup.eventlog.sqlite import SqliteLog
from tests.conformance.event_log import fact, ping

NAME = "events.log"


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_chain, "SEGMENT_EVENTS", 100)


def written(path: Path, rounds: int = 50) -> Path:
    async def write() -> None:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            for n in range(rounds):
                await log.append([ping(f"P{k}", n) for k in range(39)] + [fact(n)])
            log.save_snapshot(log.last_seq, b"the state")

    asyncio.run(write())
    return path


def events_of(path: Path) -> list[object]:
    with closing(SqliteLog.open(path, read_only=True)) as log:
        return list(log.read_all())


def test_a_backup_is_taken_while_the_log_is_written(tmp_path: Path) -> None:
    path, out = tmp_path / NAME, tmp_path / "monday.sqlite"
    told: list[tuple[int, int]] = []

    async def story() -> int:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            for n in range(50):
                await log.append([ping(f"P{k}", n) for k in range(100)])
            writing = asyncio.create_task(append_until_stopped(log))
            last = await asyncio.to_thread(backup, path, out, lambda done, total: told.append((done, total)))
            writing.cancel()
            return last

    async def append_until_stopped(log: SqliteLog) -> None:
        n = 0
        while True:
            n += 1
            await log.append([fact(n)])

    last = asyncio.run(story())
    assert told[-1][0] == told[-1][1] > 0
    assert [seq for seq, _ in events_of(out)] == list(range(1, last + 1))  # type: ignore[misc]
    assert out.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "monday.sqlite.key").exists()
    proof = prove(out, [public_of(tmp_path / f"{NAME}.key")])
    assert (proof.wrong, proof.events) == ([], last)
    with pytest.raises(LogError, match="a backup replaces none"):
        backup(path, out)
    with closing(sqlite3.connect(out)) as connection, connection:
        connection.execute("DELETE FROM fixes WHERE seq = (SELECT max(seq) FROM fixes)")
    assert prove(out, [public_of(tmp_path / f"{NAME}.key")]).wrong


def test_a_restored_log_has_an_epoch_of_its_own_and_tells_where_it_is_from(tmp_path: Path) -> None:
    path = written(tmp_path / NAME)
    out, again = tmp_path / "monday.sqlite", tmp_path / "again.sqlite"
    backup(path, out)
    written(path, 2)
    with pytest.raises(LogError, match="move it away first"):
        restore(out, path)
    done = restore(out, again)
    assert (done.last_seq, done.wrong) == (2_000, [])
    with closing(SqliteLog.open(path)) as log, closing(SqliteLog.open(again)) as other:
        assert (done.former_epoch, done.epoch) == (log.epoch, other.epoch)
        assert log.epoch != other.epoch
        assert asyncio.run(other.append([fact(1)])) == [2_001]
    assert events_of(again)[:-1] == events_of(out)
    proof = prove(again)
    assert (proof.wrong, proof.events) == ([], 2_001)
    assert any(f"restored from a backup of {done.former_epoch} at event 2,000" in line for line in proof.noted)
    with closing(sqlite3.connect(again)) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'epoch'", (done.former_epoch,))
    assert prove(again).wrong, "it cannot be passed off as the first"


def test_a_backup_that_was_tampered_with_is_restored_only_when_one_insists(tmp_path: Path) -> None:
    path, out = written(tmp_path / NAME), tmp_path / "monday.sqlite"
    backup(path, out)
    with closing(sqlite3.connect(out)) as connection, connection:
        connection.execute("UPDATE fixes SET lat = lat + 0.0045 WHERE seq = 31")
    with pytest.raises(LogError, match="an event was changed"):
        restore(out, tmp_path / "again.sqlite")
    assert not (tmp_path / "again.sqlite").exists()
    assert restore(out, tmp_path / "again.sqlite", damaged=True).wrong
