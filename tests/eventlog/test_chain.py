"""The chain: whatever is changed, cut, taken out or put in shows, and what is lost is said at the next start."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from geo_backup.custody import DoubtAcknowledged
from geo_backup.errors import LogError
from geo_backup.eventlog import sqlite_chain
from geo_backup.eventlog.chain import GENESIS, Leaves, Link, content
from geo_backup.eventlog.doubts import doubts_of
from geo_backup.eventlog.end import end_path
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.signing import Signer, public_of
from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.eventlog.sqlite_rows import ADD_FACT, ADD_FIX, SCHEMA, encoded, links_from, rows_between
from geo_backup.events import Event, Fix, PositionReported
from tests.conformance.event_log import T0, everything, fact, ping
from tests.running import in_time

NAME = "events.log"
EVENTS = 60
SEGMENT = 10


def write(path: Path, rounds: int = EVENTS // 3) -> None:
    """Three events a round: two fixes of two units, one fact."""

    async def story() -> None:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            for n in range(rounds):
                await log.append([ping("P1", n), ping("P2", n), fact(n, f"fact-{n}-{log.last_seq}")])
            log.save_snapshot(log.last_seq, b"the state")

    asyncio.run(story())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of sixty events in six segments, closed."""
    path = tmp_path_factory.mktemp("written") / NAME
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_chain, "SEGMENT_EVENTS", SEGMENT)
        write(path)
    return path


@pytest.fixture
def log(written: Path, tmp_path: Path) -> Path:
    """A copy of it, to be tampered with."""
    for file in written.parent.iterdir():
        shutil.copy(file, tmp_path)
    return tmp_path / NAME


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_log_that_nobody_touched_is_whole(log: Path) -> None:
    proof = prove(log)
    assert (proof.wrong, proof.noted) == ([], [])
    assert (proof.events, proof.unsealed, proof.lost, proof.purged) == (EVENTS, 0, 0, 0)
    assert proof.links >= EVENTS // (2 * SEGMENT)
    assert proof.key == public_of(log.with_name(NAME + ".key"))
    assert proof.words == "whole"


INSERT = "INSERT INTO fixes VALUES ({}, 'P1', 'radio-7', 'avl', 1, 1, 11.9, 57.7, 0, 0, 0)"
ZERO = hashlib.sha256(b"\0").hexdigest()
TAMPERED = {
    "a fix is moved by 500 m": (["UPDATE fixes SET lat = lat + 0.0045 WHERE seq = 31"], r"an event was changed"),
    "a fix is moved by a hair": (["UPDATE fixes SET lon = lon + 1e-13 WHERE seq = 31"], r"an event was changed"),
    "a fix is said by another": (["UPDATE fixes SET said_by = 'desk' WHERE seq = 31"], r"an event was changed"),
    "a fix becomes another unit's": (["UPDATE fixes SET unit_id = 'P3' WHERE seq = 31"], r"an event was changed"),
    "a speed is text": (["UPDATE fixes SET speed_mps = 'fast' WHERE seq = 31"], r"values that no geo_backup writes"),
    "a fact says another name": (
        ["UPDATE facts SET body = replace(CAST(body AS TEXT), '\"P1\"', '\"P9\"') WHERE seq = 33"],
        r"values that no|an event was changed",
    ),
    "a fact has another id": (["UPDATE facts SET event_id = 'x' WHERE seq = 33"], r"an event was changed"),
    "one is taken out": (["DELETE FROM fixes WHERE seq = 31"], r"1 of \d+ events were taken out: 31"),
    "many are taken out": (["DELETE FROM fixes WHERE seq BETWEEN 20 AND 45"], r"were taken out"),
    "one is taken out with its segment's count": (
        [
            "DELETE FROM fixes WHERE seq = 31",
            "UPDATE links SET events = events - 1 WHERE 31 BETWEEN first_seq AND last_seq",
        ],
        r"link \d+ .* does not follow",
    ),
    "two change places": (
        [
            "UPDATE fixes SET seq = 1000 WHERE seq = 31",
            "UPDATE fixes SET seq = 31 WHERE seq = 32",
            "UPDATE fixes SET seq = 32 WHERE seq = 1000",
        ],
        r"an event was changed, or events changed places",
    ),
    "one is put in at the end": (
        [INSERT.format(61)],
        r"event 61 were put in after the log was closed",
    ),
    "one is put in before the beginning": (
        [INSERT.format(0)],
        r"put in before event 1",
    ),
    "the end is cut": (
        ["DELETE FROM fixes WHERE seq > 40", "DELETE FROM facts WHERE seq > 40"],
        r"events were taken out",
    ),
    "the end is cut with its links": (
        [
            "DELETE FROM fixes WHERE seq > 40",
            "DELETE FROM facts WHERE seq > 40",
            "DELETE FROM links WHERE last_seq > 40",
            "DELETE FROM snapshots",
        ],
        r"were cut off at the end: the log had come to 60",
    ),
    "a link is taken out": (["DELETE FROM links WHERE number = 3"], r"link.* 3 to 3 were taken out"),
    "a link is changed": (["UPDATE links SET at_ms = at_ms - 1 WHERE number = 3"], r"link 3 .* does not follow"),
    "a checkpoint is forged": (
        [f"UPDATE snapshots SET data = x'00', sha256 = '{ZERO}'"],
        r"the checkpoint at event 60 is not the one that was recorded",
    ),
    "a checkpoint is put in": (
        [f"INSERT INTO snapshots VALUES (50, x'00', '{ZERO}')"],
        r"the checkpoint at event 50 was put in",
    ),
    "events are said to be purged": (
        ["DELETE FROM fixes WHERE seq = 31", "INSERT INTO purged VALUES (4, 99, 1, x'00')"],
        r"said to be purged that no purge took",
    ),
    "the epoch is changed": (["UPDATE meta SET value = 'other' WHERE name = 'epoch'"], r"the log says it is other"),
    "a signature is taken away": (
        ["UPDATE links SET signature = x'' WHERE number = (SELECT max(number) FROM links)"],
        r"the end of the chain is not signed",
    ),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_whoever_tampers_with_the_log_is_found_out(log: Path, kind: str) -> None:
    statements, words = TAMPERED[kind]
    sql(log, *statements)
    proof = prove(log)
    assert proof.words.startswith("TAMPERED")
    assert says(proof.wrong, words), proof.wrong


def says(lines: list[str], words: str) -> bool:
    return any(re.search(words, line) for line in lines)


def rewrite(path: Path, signer: Signer | None) -> None:
    """What a forger does who knows this program: move a fix, and make the whole chain anew from there on."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE fixes SET lat = lat + 0.0045 WHERE seq = 31")
        previous = GENESIS
        for link in list(links_from(connection)):
            if link.kind == "events":
                leaves = Leaves()
                leaves.add(*rows_between(connection, link.first_seq, link.last_seq))
                link = link._replace(content=content(leaves.hashes()))
            if link.kind == "begin" and signer is not None:
                link = link._replace(note=re.sub(r'"key":"\w+"', f'"key":"{signer.public}"', link.note))
            link = link._replace(hash=link.digest(previous))
            if signer is not None:
                link = link._replace(signature=signer.sign(link.hash))
            previous = link.hash
            connection.execute("REPLACE INTO links VALUES (?,?,?,?,?,?,?,?,?,?)", link)


def test_a_chain_made_anew_without_the_key_does_not_hold(log: Path) -> None:
    rewrite(log, None)
    proof = prove(log)
    assert says(proof.wrong, r"signatures hold up to link \d+ of \d+: from there on, the holder of the key did not"), (
        proof
    )
    assert says(proof.wrong, r"sealed at link \d+, which is gone or another one")


def test_a_chain_made_anew_with_another_key_does_not_hold(log: Path, tmp_path: Path) -> None:
    trusted = public_of(log.with_name(NAME + ".key"))
    forger = Signer.of(tmp_path / "forger.key")
    rewrite(log, forger)
    (tmp_path / "forger.key").replace(log.with_name(NAME + ".key"))
    assert says(
        prove(log, [trusted]).wrong, f"signed with the key {forger.public[:16]}, not with the one that is trusted"
    )
    assert says(prove(log).wrong, r"events\.log\.end is not signed with the log's key")


def test_the_wrong_key_is_said_to_be_wrong_and_none_is_noted(log: Path, tmp_path: Path) -> None:
    other = Signer.of(tmp_path / "other.key").public
    assert says(prove(log, [other]).wrong, "not with the one that is trusted")
    log.with_name(NAME + ".key").unlink()
    proof = prove(log)
    assert (proof.wrong, proof.key_named) == ([], False)
    assert says(proof.noted, "no key was named")


@pytest.mark.parametrize("damage", ["removed", "emptied", "of another log", "set back"])
def test_an_end_that_does_not_vouch_for_the_log_is_told(log: Path, tmp_path: Path, damage: str) -> None:
    end = log.with_name(NAME + ".end")
    if damage == "removed":
        end.unlink()
    elif damage == "emptied":
        end.write_bytes(b"")
    elif damage == "of another log":
        (tmp_path / "other").mkdir()
        write(tmp_path / "other" / NAME, 1)
        shutil.copy(tmp_path / "other" / f"{NAME}.end", end)
    else:
        end.write_bytes(end.read_bytes().replace(b'"seq":60', b'"seq":40'))
    words = {"of another log": "is of another log", "set back": "it was changed"}.get(damage, "is missing or damaged")
    assert says(prove(log).wrong, words)


def test_the_chain_can_be_followed_while_the_log_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_chain, "SEGMENT_EVENTS", SEGMENT)

    async def story() -> None:
        with closing(SqliteLog.open(tmp_path / NAME)) as log:
            for n in range(25):
                await log.append([fact(n)])
                proof = prove(tmp_path / NAME)
                assert (proof.wrong, proof.events) == ([], n + 1)
            assert 0 < proof.unsealed <= SEGMENT
        assert prove(tmp_path / NAME).unsealed == 0

    asyncio.run(story())


def test_what_waits_is_sealed_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_chain, "SEGMENT_S", 0.05)

    async def story() -> None:
        with closing(SqliteLog.open(tmp_path / NAME)) as log:
            await log.append([fact(1), fact(2)])
            await in_time(lambda: prove(tmp_path / NAME).unsealed == 0)

    asyncio.run(story())


def crashed(folder: Path, rounds: int = EVENTS // 3) -> Path:
    """A log as a process that was killed leaves it: its last events only in the -wal file, the chain behind."""
    path = folder / "lives" / NAME
    path.parent.mkdir()

    async def story() -> None:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            for n in range(rounds):
                await log.append([ping("P1", n), ping("P2", n), fact(n)])
            for file in path.parent.iterdir():
                shutil.copy(file, folder)

    asyncio.run(story())
    return folder / NAME


def test_what_a_crash_leaves_unsealed_is_sealed_at_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = crashed(tmp_path)
    assert prove(path).unsealed == EVENTS
    SqliteLog.open(path).close()
    proof = prove(path)
    assert (proof.wrong, proof.noted, proof.unsealed, proof.events) == ([], [], 0, EVENTS)
    assert caplog.messages == []


def reopened(path: Path) -> int:
    """How many events a log still has at a start; one more is appended."""

    async def story() -> int:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            there = len(await everything(log))
            assert log.last_seq == EVENTS
            assert await log.append([fact(99)]) == [EVENTS + 1], "no seq is given twice"
            assert (await everything(log))[-1] == (EVENTS + 1, fact(99))
        return there

    return asyncio.run(story())


def test_a_deleted_wal_is_said_at_the_start_and_in_the_chain(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = crashed(tmp_path)
    path.with_name(NAME + "-wal").unlink()
    path.with_name(NAME + "-shm").unlink()
    assert says(prove(path).wrong, "were cut off at the end: the log had come to 60")
    there = reopened(path)
    lost = EVENTS - there
    assert lost == EVENTS
    assert says(caplog.messages, rf"lost {lost} events \(events 1 to 60\), which were recorded")
    proof = prove(path)
    assert (proof.wrong, proof.lost, proof.events) == ([], lost, there + 1)
    assert says(proof.noted, "were lost; the log found out on")
    assert "whole but for" in proof.words
    assert re.search(r"lost events 1 to 60 \(60\), which were recorded, .*log acknowledge", doubt_of(path))
    caplog.clear()
    SqliteLog.open(path).close()
    assert caplog.messages == [], "it is said once; from then on the chain says it"
    assert doubt_of(path, DoubtAcknowledged(received_ms=1, until_link=doubts_of(path)[-1].link)) == ""
    sql(path, INSERT.format(EVENTS))
    assert says(prove(path).wrong, "1 event was put in at .*, which were lost")


def doubt_of(path: Path, *events: Event) -> str:
    """What a log that is opened holds up to everybody, once it has recorded some more."""

    async def story() -> str:
        with closing(SqliteLog.open(path, reserve_bytes=0)) as log:
            await log.append([fact(100), *events])
            return log.state.doubt

    return asyncio.run(story())


def test_what_was_found_is_held_up_until_somebody_has_acknowledged_it(log: Path) -> None:
    path = log
    assert doubt_of(path) == ""
    end_path(path).unlink()
    assert "had no end file" in doubt_of(path)
    assert "had no end file" in doubt_of(path), "also at the next start"
    sql(path, INSERT.format("(SELECT max(seq) + 1 FROM facts)"))
    assert re.search("had no end file .*, and 1 more; .*log acknowledge", doubt_of(path))
    missing, put_in = doubts_of(path)
    assert "past the end that it was closed at" in put_in.words
    assert "no end file" not in doubt_of(path, DoubtAcknowledged(received_ms=1, until_link=missing.link))
    assert doubts_of(path) == [put_in]
    assert doubt_of(path, DoubtAcknowledged(received_ms=2, until_link=put_in.link)) == ""
    assert doubt_of(path) == ""
    assert says(prove(path).wrong, "were put in while the log was closed"), "the chain tells of it for ever"


@pytest.mark.parametrize("at_frame", [0, 5, 11, 30, -1])
def test_a_flipped_wal_loses_only_what_was_in_the_bad_frame(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, at_frame: int
) -> None:
    """SQLite alone drops all after the bad frame."""
    path = crashed(tmp_path)
    wal = path.with_name(NAME + "-wal")
    path.with_name(NAME + "-shm").unlink()
    data = bytearray(wal.read_bytes())
    frames = (len(data) - 32) // (24 + 4096)
    at = 32 + at_frame % frames * (24 + 4096) + 24 + 2000
    for byte in range(at, at + 16):
        data[byte] ^= 0xFF
    wal.write_bytes(data)
    by_sqlite = prove(path).events
    there = reopened(path)
    assert there >= by_sqlite
    if at_frame != -1:
        assert there >= EVENTS - 3, "the pages of later frames hold all that those of earlier ones did"
        assert says(caplog.messages, r"\d+ events were put back from its damaged -wal file")
        assert data == next(tmp_path.glob(f"{NAME}-wal.damaged-*")).read_bytes(), "what was there is kept"
    else:
        assert says(caplog.messages, rf"lost {EVENTS - there} events")
    proof = prove(path)
    assert (proof.wrong, proof.lost, proof.events) == ([], EVENTS - there, there + 1)
    with closing(SqliteLog.open(path, read_only=True)) as log:
        rest = [event for seq, event in log.read_all() if seq <= EVENTS]
    written = [event for n in range(EVENTS // 3) for event in (ping("P1", n), ping("P2", n), fact(n))]
    assert [event for event in written if event in rest] == rest, "nothing comes back otherwise than it was"


def test_events_that_were_put_in_while_it_was_closed_stay_found(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    sql(log, INSERT.format(61))
    SqliteLog.open(log).close()
    assert says(caplog.messages, "holds event 61 past the end that it was closed at")
    assert says(prove(log).wrong, "event 61 were put in while the log was closed")


def test_an_old_log_is_read_as_it_is_and_gets_its_chain_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        connection.execute("INSERT INTO meta VALUES ('epoch', 'old')")
        connection.execute("PRAGMA application_id=0x47454F42")
        connection.execute("PRAGMA user_version=1")
        pings = [ping("P1", n) for n in range(5)]
        connection.executemany(ADD_FIX, [(n, *row) for n, row in enumerate(encoded(pings), 1)])
        connection.execute(ADD_FACT, (6, *encoded([fact(6)])[0]))
    before = path.read_bytes()
    proof = prove(path)
    assert (proof.wrong, proof.links, proof.words) == ([], 0, "not chained: nothing is proven")
    with closing(SqliteLog.open(path, read_only=True)) as log:
        assert [event for _, event in log.read_all()] == [*pings, fact(6)]
    assert path.read_bytes() == before
    SqliteLog.open(path).close()
    proof = prove(path)
    assert (proof.wrong, proof.events) == ([], 6)
    assert says(proof.noted, "events up to 6 are from before the log had a chain")


def test_the_table_gives_back_what_was_hashed(tmp_path: Path) -> None:
    """Ints where floats are meant, -0.0, and what was never said."""
    odd = [
        PositionReported(received_ms=T0, unit_id="ø 7", fix=Fix(T0, 11, -0.0)),
        PositionReported(received_ms=T0, unit_id="P1", fix=Fix(T0, -0.0, 1e-300, -0.0, 0, 4)),
    ]
    with closing(SqliteLog.open(tmp_path / NAME)) as log:
        asyncio.run(log.append(odd))
    assert prove(tmp_path / NAME).wrong == []


def test_the_bytes_of_a_chain_are_read_for_ever() -> None:
    """If this fails, old logs cannot be proven: mend the code, never the numbers."""
    leaves = Leaves()
    leaves.add(
        [
            (1, "P1", "radio-7", "avl", T0, T0, 11.97, 57.7, None, 271.3, 4.0),
            (3, "P1", None, "avl", T0, T0, 1, 2, 0, 0, 0),
        ],
        [(2, "UnitRetired", None, b'{"fact":"UnitRetired"}')],
    )
    held = content(leaves.hashes())
    assert held.hex() == "249377be09a04f8edf2f0b3b0d875491149e80d7d19ce30ae3859785ce56be06"
    link = Link(1, "events", 1, 3, 3, held, T0)
    assert link.digest(GENESIS).hex() == "d8441501cb7473ddeeb9c2a6a601b8ffe2115ef3b83ab2719c9262a8f0ca66d8"


def test_a_key_that_cannot_be_read_leaves_the_log_unsigned_and_recording(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"{NAME}.key").write_text("no key")
    write(tmp_path / NAME, 2)
    assert says(caplog.messages, "is no key that can be read")
    assert says(prove(tmp_path / NAME, ["00" * 32]).wrong, "is not signed")
    with pytest.raises(LogError, match="is no public key"):
        public_of(tmp_path / f"{NAME}.key")


def test_the_key_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    key = tmp_path / "media" / "installation.key"
    with closing(SqliteLog.open(tmp_path / NAME, key_file=key)) as log:
        asyncio.run(log.append([fact(1)]))
    assert not (tmp_path / f"{NAME}.key").exists()
    assert key.stat().st_mode & 0o777 == 0o600
    assert (prove(tmp_path / NAME, [public_of(key)]).words) == "whole"
