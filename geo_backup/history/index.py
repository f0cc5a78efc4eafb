"""The index: a file beside a log in which its units and incidents are looked up.

It is made of the log alone and can be made anew at any time, so it is neither chained nor backed up, and may lag: what
it has not come to is looked for in the log itself. One thread keeps it; any number read. A purge wipes it
out, since it holds places and words.

Facts are folded as they come, without the fixes: what an incident is, and which facts touched it, is asked of the very
fold that the live map is made by.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from geo_backup.errors import LogError
from geo_backup.eventlog.reading import Reader, index_beside
from geo_backup.eventlog.sqlite_file import connect, explained, make_private
from geo_backup.events import BeatsAdopted, ClosureAdded, ClosureLifted, Event, TimerAcknowledged, UnitRegistered
from geo_backup.history.packed import HOUR_MS, pack
from geo_backup.live_map import Incident, LiveMap, apply
from geo_backup.wire import checkpoint
from geo_backup.wire.strict import codec

FORMAT = 2
FIXES_AT_ONCE = 20_000
FACTS_AT_ONCE = 500
SAID_CHARS = 20_000
"""Of what was said of an incident so much is searched."""
GROUND = (BeatsAdopted, ClosureAdded, ClosureLifted)
"""Facts that are looked up by their kind."""

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE fixes (
    unit_id TEXT NOT NULL, hour INTEGER NOT NULL, first_seq INTEGER NOT NULL, rows BLOB NOT NULL,
    PRIMARY KEY (unit_id, hour, first_seq)
) WITHOUT ROWID;
CREATE TABLE facts (thing TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (thing, seq)) WITHOUT ROWID;
CREATE TABLE incidents (
    n INTEGER PRIMARY KEY, opening TEXT NOT NULL UNIQUE, incident_id TEXT NOT NULL, opened_ms INTEGER NOT NULL,
    closed_ms INTEGER, row BLOB NOT NULL
);
CREATE TABLE units (
    unit_id TEXT NOT NULL, seq INTEGER NOT NULL, at_ms INTEGER NOT NULL, callsign TEXT NOT NULL, agency TEXT NOT NULL,
    hidden INTEGER NOT NULL, PRIMARY KEY (unit_id, seq)
) WITHOUT ROWID;
CREATE INDEX incidents_id ON incidents (incident_id, n);
CREATE INDEX incidents_closed ON incidents (closed_ms);
CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
"""


class Aboard(NamedTuple):
    """A unit that an incident had to do with, as it was then."""

    unit_id: str
    callsign: str
    agency: str
    hidden: bool


class Row(NamedTuple):
    """One opening of an incident, as the facts made it; arrivals that only positions tell are not among them."""

    n: int
    incident: Incident
    units: tuple[Aboard, ...]
    """Those that were sent, and the one that asked."""


class Index:
    """The index of one log, for the one thread that keeps it. `open` makes it anew where it is another log's."""

    def __init__(self, log: Path, epoch: str, last_seq: int) -> None:
        self.path = index_beside(log)
        with explained(self.path):
            self._connection = self._open(epoch, last_seq)
        self._live_map: LiveMap | None = None
        self._at = 0
        """What facts up to here have made."""

    def _open(self, epoch: str, last_seq: int) -> sqlite3.Connection:
        make_private(self.path)
        connection = connect(self.path, "rw")
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")  # what a crash takes is read from the log again
            known = dict(connection.execute("SELECT name, value FROM meta").fetchall())
            of_this = known.get("format") == str(FORMAT) and known.get("epoch") == epoch
            if of_this and max(int(known["fixes"]), int(known["facts"])) <= last_seq:
                return connection
        except sqlite3.Error:
            pass  # empty, or damaged
        connection.close()
        for end in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        make_private(self.path)
        connection = connect(self.path, "rw")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(SCHEMA)
        meta = {"format": str(FORMAT), "epoch": epoch, "fixes": "0", "facts": "0"}
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        return connection

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def reached(self, name: str) -> int:
        """How far into the log the `fixes` or `facts` are indexed."""
        return int(self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def add_fixes(self, reader: Reader) -> bool:
        """Index the next fixes of the log, some thousands; whether there may be more."""
        with explained(self.path), self._transaction():  # a server that ends may still write to it
            after, end = self.reached("fixes"), reader.last_seq
            rows = reader.fixes_from(after, end, FIXES_AT_ONCE)
            more = len(rows) == FIXES_AT_ONCE
            if rows:
                self._connection.executemany("INSERT INTO fixes VALUES (?,?,?,?)", _blocks(rows))
            self._reach("fixes", rows[-1][0] if more else end)
            return more

    def add_facts(self, reader: Reader) -> bool:
        """Index the next facts of the log, some hundreds; whether there may be more."""
        with explained(self.path):
            try:
                with self._transaction():
                    after, end = self.reached("facts"), reader.last_seq
                    live_map = self._map_at(reader, after)
                    seq, count = after, 0
                    for seq, event in reader.facts(after, end):
                        self._add_fact(live_map, seq, event)
                        count += 1
                        if count == FACTS_AT_ONCE:
                            break
                    self._at = seq if count == FACTS_AT_ONCE else end
                    self._reach("facts", self._at)
            except BaseException:
                self._live_map = None  # it is ahead of what was kept
                raise
            return count == FACTS_AT_ONCE

    def _map_at(self, reader: Reader, seq: int) -> LiveMap:
        """What the facts up to a position make, without the fixes."""
        if self._live_map is None or self._at != seq:
            found = reader.checkpoint(seq)
            live_map = LiveMap()
            if found is not None:
                with contextlib.suppress(LogError):  # of another version
                    live_map = checkpoint.parse(found[1])
            for at, event in reader.facts(live_map.seq, seq):
                _fold(live_map, at, event)
            self._live_map = live_map
        return self._live_map

    def _add_fact(self, live_map: LiveMap, seq: int, event: Event) -> None:
        delta = _fold(live_map, seq, event)
        things = {f"unit {unit_id}" for unit_id in delta.units}
        named = getattr(event, "incident_id", None) or getattr(event, "emergency_id", None)
        if isinstance(event, TimerAcknowledged) and event.timer_id in live_map.timers:
            named = live_map.timers[event.timer_id].incident_id
        if delta.ignored is None:
            for incident_id in {*delta.incidents, *([named] if named in live_map.incidents else [])}:
                things.add(f"opening {self._put(live_map, live_map.incidents[incident_id], event)}")
        if isinstance(event, UnitRegistered) and delta.ignored is None:
            unit = (event.unit_id, seq, event.received_ms, event.callsign, event.agency, event.hidden)
            self._connection.execute("INSERT OR IGNORE INTO units VALUES (?,?,?,?,?,?)", unit)
        if isinstance(event, GROUND):
            things.add(f"kind {type(event).__name__}")
        self._connection.executemany("INSERT OR IGNORE INTO facts VALUES (?,?)", ((thing, seq) for thing in things))

    def _put(self, live_map: LiveMap, incident: Incident, event: Event) -> int:
        """Put an incident as it is now in the place of what was known of it; the number of its row."""
        connection = self._connection
        known = connection.execute("SELECT n, row FROM incidents WHERE opening = ?", (incident.opening,)).fetchone()
        before: dict[str, Any] = {} if known is None else orjson.loads(known[1])
        units = {unit[0]: unit for unit in before.get("units", ())}
        for unit_id in (*incident.assignments, incident.for_unit_id):
            unit = live_map.units.get(unit_id or "")
            if unit is not None:
                units[unit.unit_id] = [unit.unit_id, unit.callsign, unit.agency, unit.hidden]
        said = [*before.get("said", ()), *_said(event)]
        while len(said) > 1 and sum(map(len, said)) > SAID_CHARS:
            said.pop(0)
        row = {"incident": _CODEC.encode(incident, ""), "units": list(units.values()), "said": said}
        words = [incident.incident_id, incident.kind, incident.note, incident.place, incident.agency]
        words += [incident.run_card, incident.plan_id or "", incident.for_unit_id or "", *said]
        words += [part for unit in units.values() for part in unit[:2]]
        if incident.emergency is not None:
            words.append("emergency")
        text, body = "\n".join(words), orjson.dumps(row)
        if known is not None:
            n = int(known[0])
            connection.execute("UPDATE incidents SET closed_ms = ?, row = ? WHERE n = ?", (incident.closed_ms, body, n))
            connection.execute("UPDATE words SET text = ? WHERE rowid = ?", (text, n))
            return n
        values = (incident.opening, incident.incident_id, incident.opened_ms, incident.closed_ms, body)
        n = int(connection.execute("INSERT INTO incidents VALUES (NULL,?,?,?,?,?)", values).lastrowid or 0)
        connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (n, text))
        return n

    def _reach(self, name: str, seq: int) -> None:
        self._connection.execute("UPDATE meta SET value = ? WHERE name = ?", (str(seq), name))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


class Lookup:
    """An index, read; for one thread. It may lag behind the log: see `reached`."""

    def __init__(self, log: Path) -> None:
        self.path = index_beside(log)
        with explained(self.path):
            self._connection = connect(self.path, "ro")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def reached(self, name: str) -> int:
        """How far into the log the `fixes` or `facts` are indexed."""
        with explained(self.path):
            return int(self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def fixes(self, unit_id: str, from_ms: int, to_ms: int) -> list[tuple[int, bytes]]:
        """(hour since 1970, packed rows) of a unit, of the hours that a time lies in."""
        with explained(self.path):
            return self._connection.execute(
                "SELECT hour, rows FROM fixes WHERE unit_id = ? AND hour BETWEEN ? AND ?",
                (unit_id, from_ms // HOUR_MS, to_ms // HOUR_MS),
            ).fetchall()

    def facts(self, thing: str, limit: int, after: int = 0, until: int = 2**62) -> list[int]:
        """Positions of the newest facts about a thing, past a position and up to another, oldest first."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT seq FROM facts WHERE thing = ? AND seq > ? AND seq <= ? ORDER BY seq DESC LIMIT ?",
                (thing, after, until, limit),
            ).fetchall()
            return [seq for (seq,) in reversed(rows)]

    def unit(self, unit_id: str, from_ms: int, to_ms: int) -> list[Aboard]:
        """As what a unit was registered in a time, oldest first; before its first registration: as that says."""
        with explained(self.path):
            rows = self._connection.execute(
                "SELECT at_ms, unit_id, callsign, agency, hidden FROM units WHERE unit_id = ? ORDER BY seq", (unit_id,)
            ).fetchall()
        rows = [row for row in rows if row[0] <= to_ms] or rows[:1]
        before = sum(row[0] <= from_ms for row in rows)
        return [
            Aboard(unit_id, callsign, agency, bool(hidden))
            for _, unit_id, callsign, agency, hidden in rows[max(before - 1, 0) :]
        ]

    def incident(self, incident_id: str) -> Row | None:
        """The last opening of an incident."""
        with explained(self.path):
            found = self._connection.execute(
                f"SELECT {COLUMNS} FROM incidents WHERE incident_id = ? ORDER BY n DESC LIMIT 1", (incident_id,)
            ).fetchone()
        return None if found is None else _row(found)

    def search(self, words: Iterable[str], closed: bool, from_ms: int, to_ms: int) -> Iterator[Row]:
        """Incidents that were open in a time, the last opened first, that have all of the words; each word may be the
        beginning of one."""
        plain = ("".join(sign for sign in word if sign.isprintable() and sign != '"') for word in words)
        match = " ".join(f'"{word}"*' for word in plain if word)
        within = "opened_ms <= ? AND (closed_ms IS NULL OR closed_ms >= ?)" + (" AND closed_ms NOT NULL" * closed)
        found = " AND n IN (SELECT rowid FROM words WHERE words MATCH ?)" if match else ""
        with explained(self.path):
            rows = self._connection.execute(
                f"SELECT {COLUMNS} FROM incidents WHERE {within}{found} ORDER BY opened_ms DESC, n DESC",
                (to_ms, from_ms, *([match] if match else [])),
            )
            for row in rows:
                yield _row(row)


COLUMNS = "n, row"
_CODEC = codec(Incident)


def _row(found: tuple[int, bytes]) -> Row:
    n, body = found
    row = orjson.loads(body)
    return Row(n, _CODEC.decode(row["incident"], ""), tuple(Aboard(*unit) for unit in row["units"]))


def _fold(live_map: LiveMap, seq: int, event: Event) -> Any:
    live_map.seq = seq - 1  # decisions stand at the position after the one that the map has come to
    return apply(live_map, seq, event)


def _said(event: Event) -> list[str]:
    """The words of a fact."""
    texts = (getattr(event, name, None) for name in ("text", "note", "reason"))
    return [text for text in texts if isinstance(text, str) and text]


def _blocks(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, int, int, bytes]]:
    """Fixes as (unit_id, hour, first_seq, packed rows)."""
    by_unit = sorted(rows, key=lambda row: row[1])  # stable: each unit's stay in their order
    seqs, units, *columns = zip(*by_unit, strict=True)
    hours, packed = pack(columns)
    hour_of = hours.tolist()
    start = 0
    for n in range(1, len(units) + 1):
        if n == len(units) or units[n] != units[start] or hour_of[n] != hour_of[start]:
            yield units[start], hour_of[start], seqs[start], packed[start:n].tobytes()
            start = n
