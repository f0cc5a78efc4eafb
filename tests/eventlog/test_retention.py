"""Retention: what is old goes by class, holds keep it, and what is left is proven all the same."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import time
from pathlib import Path
from typing import Any

import pytest

from geo_backup.custody import HoldLifted, HoldPlaced, RecordsPurged
from geo_backup.errors import BadValueError, LogError
from geo_backup.eventlog import sqlite_chain
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.purge import fold_start, purge, purge_beside, purged_fact
from geo_backup.eventlog.retention import CLASSES, DAY_MS, Retention, Terms
from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.events import (
    AssignmentChanged,
    EmergencyClearRefused,
    EmergencyDeclared,
    Event,
    Fix,
    IncidentClosed,
    IncidentOpened,
    PositionReported,
    UnitRegistered,
)
from tests.conformance.event_log import T0

NAME = "events.log"
TERMS = Terms(raw_fixes=90, tracks=1000, decisions=1000, audit=400)


def at(day: float) -> int:
    return T0 + int(day * DAY_MS)


def seen(unit_id: str, day: float, count: int = 10) -> list[Event]:
    return [
        PositionReported(received_ms=at(day) + n, unit_id=unit_id, fix=Fix(at(day) + n, 11.97, 57.7))
        for n in range(count)
    ]


def part(unit_id: str, state: str, day: float) -> AssignmentChanged:
    return AssignmentChanged(received_ms=at(day), incident_id="i1", unit_id=unit_id, state=state, at_ms=at(day))  # type: ignore[arg-type]


STORY: list[Sequence[Event]] = [
    [
        UnitRegistered(received_ms=at(0), unit_id=unit, callsign=unit, agency="police", kind="patrol")
        for unit in ("P1", "P2", "P3")
    ],
    seen("P1", 0) + seen("P2", 0),
    [IncidentOpened(received_ms=at(1), incident_id="i1", lon=11.9, lat=57.7, priority=1), part("P1", "assigned", 1)],
    seen("P1", 1) + seen("P2", 1),
    [part("P1", "cleared", 2), IncidentClosed(received_ms=at(2), incident_id="i1")],
    [EmergencyDeclared(received_ms=at(2), emergency_id="e1", unit_id="P3", lon=11.9, lat=57.7)],
    seen("P3", 2),
    [EmergencyClearRefused(received_ms=at(2), emergency_id="e1", by="unit")],
    [IncidentClosed(received_ms=at(3), incident_id="e1")],
    seen("P1", 3) + seen("P3", 3),
]
"""Seventy fixes: P1's ten on an incident and P3's ten in danger are tracks. Ten facts besides."""


def written(path: Path, *more: Event, batches: Sequence[Sequence[Event]] = STORY) -> Path:
    async def write() -> None:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            for events in (*batches, more):
                if events:
                    await log.append(events)
            log.save_snapshot(log.last_seq, b"the state")

    asyncio.run(write())
    return path


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_chain, "SEGMENT_EVENTS", 15)


def counts(path: Path, day: float, terms: Terms = TERMS) -> tuple[int, ...]:
    """What a dry run says, by class."""
    done = purge(path, terms, at(day), dry_run=True)
    return tuple(done.counts[name] for name in CLASSES)


def test_each_class_goes_in_its_time(tmp_path: Path) -> None:
    path = written(tmp_path / NAME)
    assert counts(path, 80) == (0, 0, 0, 0)
    assert counts(path, 91.5) == (30, 0, 0, 0), "the first forty but P1's track"
    assert counts(path, 95) == (50, 0, 0, 0)
    assert counts(path, 500) == (50, 0, 0, 1)
    assert counts(path, 1100) == (50, 20, 6, 1)
    assert prove(path).purged == 0, "a dry run takes nothing"


def test_what_is_left_of_a_purged_log_is_proven_and_tampering_still_shows(tmp_path: Path) -> None:
    path = written(tmp_path / NAME)
    told: list[tuple[int, int]] = []
    done = purge(path, TERMS, at(95), progress=lambda n, total: told.append((n, total)))
    assert (done.events, done.counts["raw_fixes"], done.kept["tracks"]) == (50, 50, 20)
    assert told[-1] == (done.until_seq, done.until_seq)
    proof = prove(path)
    assert (proof.wrong, proof.purged, proof.events) == ([], 50, 20 + 10)
    assert any("purged by rule on" in line and "raw fixes 50" in line for line in proof.noted)
    with closing(SqliteLog.open(path)) as log:
        left = [event for _, event in log.read_all()]
        tracked = {event.unit_id for event in left if isinstance(event, PositionReported)}
        assert tracked == {"P1", "P3"}
        assert asyncio.run(log.append([purged_fact(done, TERMS, at(95), "auditor")])) == [81]
    with closing(SqliteLog.open(path, read_only=True)) as log:
        fact = [event for _, event in log.read_all()][-1]
    assert isinstance(fact, RecordsPurged)
    assert (fact.raw_fixes, fact.tracks, fact.raw_fixes_days, fact.by) == (50, 0, 90, "auditor")
    assert purge(path, TERMS, at(95)).events == 0, "nothing is purged twice"
    assert purge(path, TERMS, at(1100)).events == 20 + 6 + 1
    proof = prove(path)
    assert (proof.wrong, proof.purged) == ([], 77)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE fixes SET lat = lat + 0.0045 WHERE seq = (SELECT min(seq) FROM fixes)",
        "DELETE FROM fixes WHERE seq = (SELECT min(seq) FROM fixes)",
        "UPDATE purged SET events = events + 1 WHERE segment = (SELECT min(segment) FROM purged)",
        "UPDATE purged SET leaves = leaves || zeroblob(32) WHERE segment = (SELECT min(segment) FROM purged)",
        "DELETE FROM purged WHERE segment = (SELECT min(segment) FROM purged)",
        "UPDATE links SET note = replace(note, '50', '49') WHERE kind = 'purge'",
        "INSERT INTO fixes VALUES (5, 'P2', NULL, 'avl', 1, 1, 11.9, 57.7, 0, 0, 0)",
    ],
)
def test_tampering_with_a_purged_log_shows(tmp_path: Path, statement: str) -> None:
    path = written(tmp_path / NAME)
    purge(path, TERMS, at(95))
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(statement).rowcount == 1
    assert prove(path).wrong


def test_a_hold_keeps_an_incident_or_a_unit_until_it_is_lifted(tmp_path: Path) -> None:
    of_incident = HoldPlaced(received_ms=at(4), hold_id="case-7", incident_id="i1")
    of_unit = HoldPlaced(received_ms=at(4), hold_id="case-8", unit_id="P2", from_ms=at(0.5), to_ms=at(1.5))
    path = written(tmp_path / NAME, of_incident, of_unit)
    assert counts(path, 1100) == (40, 10, 2, 1)
    assert purge(path, TERMS, at(1100), dry_run=True).held == 10 + 10 + 4
    lifted = [HoldLifted(received_ms=at(5), hold_id=hold_id) for hold_id in ("case-7", "case-8")]
    written(path, *lifted, batches=())
    assert counts(path, 1100) == (50, 20, 6, 1)
    assert purge(path, TERMS, at(1100)).events == 77
    proof = prove(path)
    assert (proof.wrong, proof.events) == ([], 3 + 4), "units and holds stay for ever"


def test_nothing_is_purged_past_the_newest_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / NAME

    async def write() -> None:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            await log.append(seen("P1", 0))
            await log.append(seen("P2", 0))
            assert purge(path, TERMS, at(100), dry_run=True).until_seq == 0
            log.save_snapshot(20, b"the state")
            await log.append(seen("P3", 0))
            with pytest.raises(LogError, match="being written by another process"):
                purge(path, TERMS, at(100))

    asyncio.run(write())
    assert fold_start(path) is None
    assert purge(path, TERMS, at(100)).events == 20
    assert fold_start(path) == (20, b"the state")
    with closing(SqliteLog.open(path, read_only=True)) as log:
        assert [seq for seq, _ in log.read_all()] == list(range(21, 31))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM snapshots")
    with pytest.raises(LogError, match="restore a backup"):
        fold_start(path)


def test_checkpoints_go_with_the_positions_that_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the newest, where the fold begins; what was in the others is on no page any more."""
    path, today = tmp_path / NAME, [0]
    monkeypatch.setattr(sqlite_chain, "_now_ms", lambda: at(today[0]))

    async def write() -> None:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            for day in (0, 1, 8, 9):
                today[0] = day
                await log.append(seen("P1", day))
                log.save_snapshot(log.last_seq, b"where P1 was on day %d" % day)

    def kept() -> list[int]:
        with closing(sqlite3.connect(path)) as connection:
            return [seq for (seq,) in connection.execute("SELECT seq FROM snapshots ORDER BY seq")]

    asyncio.run(write())
    for day, left in ((89, [10, 20, 30, 40]), (95, [30, 40]), (1000, [40])):
        today[0] = day
        purge(path, TERMS, at(day))
        assert kept() == left, day
        assert prove(path).wrong == []
    assert fold_start(path) == (40, b"where P1 was on day 9")
    files = [file.read_bytes() for file in tmp_path.iterdir()]
    assert [any(b"on day %d" % day in file for file in files) for day in (0, 1, 8, 9)] == [False, False, False, True]


def test_a_purge_hides_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / NAME)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE fixes SET lat = lat + 0.0045 WHERE seq = 5")
    with pytest.raises(LogError, match=r"events 1 to .* are not what was recorded, so they are not purged"):
        purge(path, TERMS, at(100))
    with closing(SqliteLog.open(path, read_only=True)) as log:
        assert len(list(log.read_all())) == 80


def test_what_is_purged_is_on_no_page_any_more(tmp_path: Path) -> None:
    secret = [PositionReported(received_ms=at(0), unit_id="undercover-unit-7", fix=Fix(at(0), 11.97, 57.7))]
    path = written(tmp_path / NAME, batches=[secret])
    assert b"undercover-unit-7" in path.read_bytes()
    purge(path, TERMS, at(100))
    assert not any(b"undercover-unit-7" in file.read_bytes() for file in tmp_path.iterdir())


def test_a_log_is_purged_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A little at a time, and nothing of it stays in its files; a hold that comes meanwhile keeps what is left."""
    path = written(tmp_path / NAME)
    alone = purge(path, TERMS, at(1100), dry_run=True)
    there = path.read_bytes()
    assert there.count(b"P2") > 10

    async def story() -> None:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            between, batches = log.between, 0

            def counting(work: Any) -> Any:
                nonlocal batches
                batches += 1
                return between(work)

            monkeypatch.setattr(log, "between", counting)
            purging = asyncio.create_task(asyncio.to_thread(purge_beside, log, TERMS, at(1100)))
            written_meanwhile = 0
            while not purging.done():
                await log.append(seen("P9", 1090 + written_meanwhile / 1000, 1))
                written_meanwhile += 1
            done = await purging
            assert (done.counts, done.kept, done.held) == (alone.counts, alone.kept, 0)
            assert batches >= len({"raw fixes", "tracks", "decisions"})
            assert (await asyncio.to_thread(purge_beside, log, TERMS, at(1100))).events == 0
            assert path.with_name(NAME + "-wal").read_bytes().count(b"P2") == 0

    asyncio.run(story())
    assert path.read_bytes().count(b"P2") < 10, "its registration stays"
    proof = prove(path)
    assert (proof.wrong, proof.purged) == ([], alone.events)


def test_a_hold_that_comes_while_a_log_is_purged_keeps_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / NAME)
    with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
        between, placed = log.between, False

        def after_one(work: Any) -> Any:
            nonlocal placed
            done = between(work)
            if not placed:
                placed = True
                hold = HoldPlaced(received_ms=at(1100), hold_id="case-9", incident_id="i1")
                asyncio.run(log.append([hold]))
            return done

        monkeypatch.setattr(log, "between", after_one)
        done = purge_beside(log, TERMS, at(1100))
        left = [event for _, event in log.read_all()]
    assert done.held > 0
    assert sum(isinstance(event, PositionReported) and event.unit_id == "P1" for event in left) == 10
    proof = prove(path)
    assert (proof.wrong, proof.purged) == ([], done.events)


def test_a_site_says_how_long_it_keeps_what() -> None:
    said = Retention.of({"raw_fixes_days": 30, "at": "02:15"})
    assert (said.terms.raw_fixes, said.terms.tracks, said.at) == (30, 1_826, time(2, 15))
    assert Retention.of({}) == Retention()
    for section, key in (
        ({"raw_fixes": 30}, "raw_fixes"),
        ({"tracks_days": 0}, "tracks_days"),
        ({"audit_days": True}, "audit_days"),
        ({"audit_days": "7"}, "audit_days"),
        ({"at": "noon"}, "at"),
        ({"at": 3}, "at"),
        ({"at": "03:30+01:00"}, "at"),
    ):
        with pytest.raises(BadValueError) as error:
            Retention.of(section)
        assert error.value.field == f"/retention/{key}"
