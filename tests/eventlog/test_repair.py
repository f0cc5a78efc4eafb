"""What is saved of a damaged log: all that can still be read on its pages, and nothing otherwise than it was."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from geo_backup.errors import LogError
from geo_backup.eventlog import sqlite_chain
from geo_backup.eventlog.pages import TABLE_LEAF, lying
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.repair import repair
from geo_backup.eventlog.salvage import mended, wal_path
from geo_backup.eventlog.sqlite import SqliteLog
from tests.conformance.event_log import fact
from tests.eventlog.test_copies import NAME, events_of, written

TABLES = ("facts", "fixes", "links", "purged", "snapshots", "meta")
PAGE = 4096


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_chain, "SEGMENT_EVENTS", 100)


def rows_of(path: Path) -> dict[str, Counter[object]]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: Counter(connection.execute(f"SELECT * FROM {table}")) for table in TABLES}


def lying_in(path: Path) -> dict[str, Counter[object]]:
    found: dict[str, Counter[object]] = {table: Counter() for table in TABLES}
    wal = wal_path(path)
    for table, row in lying(path, mended(wal.read_bytes() if wal.exists() else b"")[0]):
        found[table][row] += 1
    return found


def root_of(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0])


def overwrite(path: Path, at: int, size: int) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + size] = b"\xff" * len(data[at : at + size])
    path.write_bytes(data)


def test_all_that_sqlite_reads_lies_on_the_pages(tmp_path: Path) -> None:
    """Rows of all tables, those that go over several pages, and those that are in the write-ahead log alone."""
    path = written(tmp_path / NAME)
    copy = tmp_path / "copy"

    async def more() -> None:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            long = [replace(fact(n, f"long-{n}"), note="x" * n) for n in (1_000, 3_900, 4_000, 4_100, 40_000)]
            await log.append([fact(1), *long])
            log.save_snapshot(log.last_seq, random.Random(1).randbytes(30_000))
            for file in tmp_path.glob(NAME + "*"):
                shutil.copy(file, copy.with_name("copy" + file.name.removeprefix(NAME)))

    asyncio.run(more())
    assert wal_path(copy).stat().st_size > 0
    with closing(sqlite3.connect(copy)) as connection:
        connection.executemany("INSERT INTO purged VALUES (?,?,?,?)", [(n, 300, 7, b"x" * 32 * n) for n in range(200)])
        connection.commit()
        found = lying_in(copy)  # while its write-ahead log is there
    there = rows_of(copy)
    assert there["facts"].total() == 56
    assert found == there


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_log_with_a_bad_page_is_saved_but_for_what_stood_there(tmp_path: Path, share: float) -> None:
    path = written(tmp_path / NAME)
    whole = events_of(path)
    data = bytearray(path.read_bytes())
    at = int(len(data) * share) // 4096 * 4096
    data[at : at + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    done = repair(path)
    assert done.damage
    lost = sum(span.size for span in done.lost)
    assert done.events + lost == len(whole)
    assert done.former is not None
    assert done.former.read_bytes() == data
    assert done.sha256 == hashlib.sha256(data).hexdigest()
    assert done.former.stat().st_mode & 0o777 == 0o400
    kept = events_of(path)
    assert [event for event in whole if event in kept] == kept, "nothing comes back otherwise than it was"
    assert len(kept) == done.events >= len(whole) - 200
    proof = prove(path)
    assert proof.lost == lost
    if not done.links_lost:
        assert proof.wrong == []
    with closing(SqliteLog.open(path)) as log:
        assert asyncio.run(log.append([fact(99)])) == [len(whole) + 1]
    assert repair(path).damage == []


@pytest.mark.parametrize("table", ["sqlite_master", *TABLES, "facts_event_id"])
def test_a_bad_root_costs_no_event(tmp_path: Path, table: str) -> None:
    """The page from which SQLite would find all others."""
    path = written(tmp_path / NAME)
    whole, root = events_of(path), 1 if table == "sqlite_master" else root_of(path, table)
    overwrite(path, (root - 1) * PAGE, PAGE)
    done = repair(path)
    assert done.damage
    assert (done.events, done.lost) == (len(whole), [])
    assert events_of(path) == whole
    if not done.links_lost:
        assert (prove(path).wrong, prove(path).lost, prove(path).events) == ([], 0, len(whole))
    with closing(SqliteLog.open(path)) as log:
        assert asyncio.run(log.append([fact(99)])) == [len(whole) + 1]


def test_of_a_page_that_is_bad_in_part_the_rest_is_saved(tmp_path: Path) -> None:
    path = written(tmp_path / NAME)
    whole = events_of(path)
    data = path.read_bytes()
    pages = [data[at : at + PAGE] for at in range(0, len(data), PAGE)]
    leaf = max(n for n, page in enumerate(pages) if page[0] == TABLE_LEAF and b"P38" in page)
    overwrite(path, leaf * PAGE + 8, 20)  # where ten of its cells begin
    done = repair(path)
    kept = events_of(path)
    assert done.damage
    assert len(whole) - 10 <= len(kept) < len(whole)
    assert [event for event in whole if event in kept] == kept
    assert done.events + sum(span.size for span in done.lost) == len(whole)


def test_nonsense_on_the_pages_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path / NAME, 5)
    data = path.read_bytes()
    for seed in range(60):
        chance, noisy = random.Random(seed), bytearray(data)
        for _ in range(chance.choice((1, 30, 3_000))):
            noisy[chance.randrange(len(noisy))] = chance.randrange(256)
        path.write_bytes(noisy)
        assert sum(counter.total() for counter in lying_in(path).values()) <= 1_000


def test_of_a_log_cut_short_the_beginning_is_saved(tmp_path: Path) -> None:
    path = written(tmp_path / NAME)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 // 4096 * 4096])
    with pytest.raises(LogError, match="log repair"):
        SqliteLog.open(path)
    done = repair(path)
    assert 0 < done.events < 2_000
    assert done.events + sum(span.size for span in done.lost) == 2_000
    with closing(SqliteLog.open(path)) as log:
        assert asyncio.run(log.append([fact(99)])) == [2_001]


def test_a_whole_log_needs_no_repair_and_one_that_is_written_gets_none(tmp_path: Path) -> None:
    path = written(tmp_path / NAME, 5)
    before = path.read_bytes()
    assert repair(path).damage == []
    assert path.read_bytes() == before
    with closing(SqliteLog.open(path)), pytest.raises(LogError, match="being written"):
        repair(path)


def test_what_is_no_log_is_not_repaired(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no log " * 1000)
    with pytest.raises(LogError):
        repair(tmp_path / "text")
    assert (tmp_path / "text").read_text().startswith("no log")
    with pytest.raises(LogError, match="there is no log"):
        repair(tmp_path / "none")
