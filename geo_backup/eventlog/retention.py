"""Retention: which events may stay how long, and what is therefore to go.

It is judged leaf by leaf (see `chain`): one unit's fixes of one segment stay or go together. Never past the newest
checkpoint, where the fold can begin. `purge` takes it away.
"""

from __future__ import annotations

import hashlib
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time
from itertools import groupby
from typing import Any, NamedTuple

import orjson

from geo_backup.errors import BadValueError, LogError
from geo_backup.eventlog.chain import Leaves, Link, Row, content, fact_leaf
from geo_backup.eventlog.span import Span
from geo_backup.eventlog.sqlite_rows import has_chain, links_from, rows_between

DAY_MS = 86_400_000
YEARS_5 = 1_826
CLASSES = ("raw_fixes", "tracks", "decisions", "audit")

KEPT = {
    "NetworkAdopted",
    "SpeedsAdopted",
    "RulesAdopted",
    "DemandAdopted",
    "BeatsAdopted",
    "UnitRegistered",
    "UnitRetired",
    "DeviceAssigned",
    "AgreementMade",
    "AgreementEnded",
    "ClockTurned",
    "HoldPlaced",
    "HoldLifted",
    "RecordsPurged",
    "LogRepaired",
    "DoubtAcknowledged",
}
"""Facts that others are read by, and those of retention itself: they stay."""
DECISIONS = {
    "IncidentOpened",
    "IncidentChanged",
    "IncidentNoted",
    "IncidentClosed",
    "IncidentReopened",
    "BackupRequested",
    "BackupRecommended",
    "DecisionMade",
    "AssignmentChanged",
    "TimerRaised",
    "TimerAcknowledged",
    "MessageSent",
    "MessageSeen",
    "EmergencyDeclared",
    "EmergencyAcknowledged",
    "EmergencyCleared",
    "AidApproved",
    "PlanMade",
    "PlanApproved",
    "PlanActivated",
    "PlanCancelled",
    "ClosureAdded",
    "ClosureLifted",
    "UnitStatusChanged",
    "CrewReported",
}
"""What was decided, and from what. All other facts are of who did what: class audit."""


class Terms(NamedTuple):
    """How many days each class stays."""

    raw_fixes: int = 90
    tracks: int = YEARS_5
    """Fixes of units while they were on an incident, or in need of help."""
    decisions: int = YEARS_5
    audit: int = YEARS_5


USUAL = Terms()


@dataclass(frozen=True)
class Retention:
    """How long a site keeps what, and at what time of its day the rest goes."""

    terms: Terms = USUAL
    at: time = time(3, 30)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Retention:
        """Check what a site has said. Raises BadValueError, which names the key and the remedy."""
        names = {f"{name}_days": name for name in Terms._fields}
        for key, value in said.items():
            if key not in (*names, "at"):
                raise _bad(key, f"there is no such key; those that there are: {', '.join((*names, 'at'))}")
            if key in names and (type(value) is not int or value < 1):
                raise _bad(key, "write so many whole days, one at least")
        at = said.get("at", cls.at)
        try:
            at = time.fromisoformat(at) if isinstance(at, str) else at
        except ValueError:
            at = None
        if not isinstance(at, time) or at.tzinfo is not None:
            raise _bad("at", 'write a time of day, such as "03:30", in the zone of the map')
        return cls(Terms(**{names[key]: days for key, days in said.items() if key in names}), at)


def _bad(key: str, remedy: str) -> BadValueError:
    return BadValueError(f"/retention/{key}", "config", f"[retention] {key}: {remedy}")


@dataclass
class Purge:
    """What a purge took, or would take."""

    until_seq: int
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    kept: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    """Of each class, up to `until_seq`."""
    held: int = 0

    @property
    def events(self) -> int:
        return sum(self.counts.values())


class Leaf(NamedTuple):
    """Events that stay or go together."""

    of: str | None
    """None: it stays for ever."""
    newest_ms: int
    held: bool
    fixes: list[Row]
    facts: list[Row]

    @property
    def hash(self) -> bytes:
        if self.facts:
            return fact_leaf(self.facts[0])
        leaves = Leaves()
        leaves.add(self.fixes, ())
        return leaves.hashes()[0]


def snapshots(connection: sqlite3.Connection, order: str) -> Iterator[tuple[int, bytes]]:
    """(seq, data) of the checkpoints whose hash fits."""
    for seq, data, sha256 in connection.execute(f"SELECT seq, data, sha256 FROM snapshots ORDER BY {order}"):
        if hashlib.sha256(data).hexdigest() == sha256:
            yield seq, data


class Segment(NamedTuple):
    """One segment and what goes of it."""

    number: int
    gone: list[Leaf]


class Work:
    """Which leaves of a log are to go."""

    def __init__(self, connection: sqlite3.Connection, terms: Terms, now_ms: int) -> None:
        self.connection = connection
        self.before_ms = {name: now_ms - getattr(terms, name) * DAY_MS for name in CLASSES}
        if not has_chain(connection):
            raise LogError("the log has no chain yet: open it once for writing, with `geo-backup serve`")
        newest = next(snapshots(connection, "seq DESC"), None)
        self.purge = Purge(until_seq=newest[0] if newest else 0)
        self.holds = _Holds(connection)
        self.tracks = _Tracks(connection)

    def segments(self, progress: Callable[[int, int], None] | None) -> Iterator[Segment]:
        """Segments of which something goes, in order; counts on the way."""
        purge = self.purge
        for link in list(links_from(self.connection)):  # a reading that goes on would keep the -wal file from shrinking
            if link.last_seq > purge.until_seq:
                break
            if link.kind != "events":
                continue
            gone = []
            fixes, facts = rows_between(self.connection, link.first_seq, link.last_seq)
            for leaf in self._leaves(fixes, facts):
                events = len(leaf.fixes) + len(leaf.facts)
                if leaf.of is None:
                    continue
                old = leaf.newest_ms < self.before_ms[leaf.of]
                if old and not leaf.held:
                    purge.counts[leaf.of] += events
                    gone.append(leaf)
                else:
                    purge.kept[leaf.of] += events
                    purge.held += events * old
            if gone:
                self._check(link, fixes, facts)
                yield Segment(link.number, gone)
            if progress is not None:
                progress(link.last_seq, purge.until_seq)

    def _leaves(self, fixes: list[Row], facts: list[Row]) -> Iterator[Leaf]:
        def run_of(row: Row) -> tuple[str, str, str]:
            return row[1], row[2] or "", row[3] or ""

        for (unit_id, *_), rows in groupby(sorted(fixes, key=lambda row: (run_of(row), row[0])), run_of):
            run = list(rows)
            incidents = self.tracks.incidents_of(unit_id, run[0][0], run[-1][0])
            times = [row[4] for row in run]
            held = self.holds.of_unit(unit_id, min(times), max(times)) or any(map(self.holds.of_incident, incidents))
            yield Leaf("tracks" if incidents else "raw_fixes", max(times), held, run, [])
        for row in facts:
            body = orjson.loads(row[3])
            at_ms = body["received_ms"]
            held = self.holds.of_unit(body.get("unit_id", ""), at_ms, at_ms) or any(
                self.holds.of_incident(body[name]) for name in ("incident_id", "emergency_id") if name in body
            )
            kind = row[1]
            of = None if kind in KEPT else "decisions" if kind in DECISIONS else "audit"
            yield Leaf(of, at_ms, held, [], [row])

    def _check(self, link: Link, fixes: list[Row], facts: list[Row]) -> None:
        leaves = Leaves()
        leaves.add(fixes, facts)
        hashes = leaves.hashes()
        for (blob,) in self.connection.execute("SELECT leaves FROM purged WHERE segment = ?", (link.number,)):
            hashes += [blob[at : at + 32] for at in range(0, len(blob), 32)]
        if content(hashes) != link.content:
            raise LogError(
                f"{Span(link.first_seq, link.last_seq)} are not what was recorded, so they are not purged: "
                "see `geo-backup audit verify`"
            )


class _Holds:
    """Legal holds that stand."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._by_id: dict[str, dict[str, Any]] = {}
        for kind, body in _facts(connection, "HoldPlaced", "HoldLifted"):
            self._by_id.pop(body["hold_id"], None)
            if kind == "HoldPlaced":
                self._by_id[body["hold_id"]] = body

    def of_incident(self, incident_id: str) -> bool:
        return any(one.get("incident_id") == incident_id for one in self._by_id.values())

    def of_unit(self, unit_id: str, from_ms: int, to_ms: int) -> bool:
        return bool(unit_id) and any(
            one.get("unit_id") == unit_id
            and one.get("from_ms", -math.inf) <= to_ms
            and from_ms <= one.get("to_ms", math.inf)
            for one in self._by_id.values()
        )


class _Tracks:
    """When each unit was on an incident, or was the one in need, by seqs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._spans: dict[str, list[tuple[int, float, str]]] = {}
        self._open: dict[tuple[str, str], int] = {}
        needy: dict[str, str] = {}
        kinds = ("AssignmentChanged", "EmergencyDeclared", "IncidentOpened", "IncidentClosed", "IncidentReopened")
        for seq, kind, body in _facts_at(connection, *kinds):
            unit_id = body.get("unit_id") or body.get("for_unit_id") or ""
            incident_id = body.get("incident_id") or body["emergency_id"]
            if kind == "IncidentClosed":
                for pair in [pair for pair in self._open if pair[1] == incident_id]:
                    self._end(pair, seq)
            elif kind == "IncidentReopened" and incident_id in needy:
                self._open.setdefault((needy[incident_id], incident_id), seq)
            elif body.get("state") in ("cleared", "cancelled"):
                self._end((unit_id, incident_id), seq)
            elif unit_id:
                self._open.setdefault((unit_id, incident_id), seq)
                if kind != "AssignmentChanged":
                    needy[incident_id] = unit_id
        for pair in list(self._open):
            self._end(pair, math.inf)

    def _end(self, pair: tuple[str, str], seq: float) -> None:
        began = self._open.pop(pair, None)
        if began is not None:
            self._spans.setdefault(pair[0], []).append((began, seq, pair[1]))

    def incidents_of(self, unit_id: str, first: int, last: int) -> list[str]:
        spans = self._spans.get(unit_id, ())
        return [incident_id for began, ended, incident_id in spans if began <= last and first <= ended]


def _facts(connection: sqlite3.Connection, *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((kind, body) for _, kind, body in _facts_at(connection, *kinds))


def _facts_at(connection: sqlite3.Connection, *kinds: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    marks = ",".join("?" * len(kinds))
    rows = connection.execute(f"SELECT seq, kind, body FROM facts WHERE kind IN ({marks}) ORDER BY seq", kinds)
    return ((seq, kind, orjson.loads(body)) for seq, kind, body in rows)
