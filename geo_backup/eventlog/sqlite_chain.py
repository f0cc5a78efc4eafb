"""The chain as the writer of an SQLite log keeps it: segments are sealed as events come, links signed, the end told.

A commit costs the hash of its rows and one small write to the end file; a link is written with the commit that follows
once a segment is full or old. What a crash leaves unsealed is read again and sealed at the next start; what is missing
then, by what the end file says, is said aloud and becomes a link of the chain itself.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import orjson

from geo_backup import __version__
from geo_backup.errors import LogError
from geo_backup.eventlog.chain import GENESIS, SEGMENT_EVENTS, Leaves, Link, LinkKind, Row, content
from geo_backup.eventlog.doubts import EndFault
from geo_backup.eventlog.end import End, EndFile, Seal, end_path, read_end
from geo_backup.eventlog.signing import Signer
from geo_backup.eventlog.span import Span, gaps
from geo_backup.eventlog.sqlite_rows import (
    ADD_LINK,
    chained_seq,
    epoch_of,
    last_link,
    last_seq,
    meta_of,
    rows_between,
)

log_ = logging.getLogger("geo_backup.eventlog")

SEGMENT_S = 10.0
"""... or once its first event has waited so long."""


def key_path(log: Path) -> Path:
    """Where the key of the installation is when nobody names another place."""
    return log.with_name(log.name + ".key")


class SqliteChain:
    """The chain's growing end. Made where the log is opened; from then on it belongs to the writer thread."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, key_file: Path | None, *, restored_from: str = ""
    ) -> None:
        self.last_seq = last_seq(connection)
        """Where the log ends, or ended before it lost what is missing: no seq is given twice."""
        self._path = path
        self._connection = connection
        self._key_file = key_file or key_path(path)
        self._epoch = epoch_of(connection)
        self._signer: Signer | None = None
        self._signs = True
        self._head = last_link(connection)
        self._chained = chained_seq(connection)
        self._leaves = Leaves()
        self._opened_s: float | None = None
        """When the first event of the segment came; None while it has none."""
        self._begun = self._written = False
        self._drafted: list[Link] = []
        self._reached = self._chained
        self._found = Span(1, 0)
        self._end_fault: EndFault | None = None
        self._lost: list[Span] = []
        end = read_end(end_path(path))
        self._end = EndFile(end_path(path), self._epoch)
        self._restored_from = restored_from
        """The epoch of the log whose backup this was until now."""
        if restored_from:
            self._end.clear()
        else:
            self._compare(end)

    def _compare(self, end: End | None) -> None:
        """What is there with what should be; said aloud where they differ."""
        last, name = self.last_seq, self._path.name
        if end is None:
            if self._head is not None:
                self._end_fault = "missing"
                log_.warning("%s.end is missing: nothing tells whether the log lost events at its end", name)
        elif end.seal.epoch != self._epoch:
            words = "%s.end speaks of another log, of %s events; it is now that of this one, of %s"
            log_.warning(words, name, f"{end.reached:,}", f"{last:,}")
            self._end_fault = "other"
            self._end.clear()
        else:
            reached = max(end.reached, self._chained)
            self._lost = gaps(self._connection, self._chained + 1, reached)
            self.last_seq = max(last, reached)
            if end.seal.state == "closed" and end.seal.seq < last:
                self._found = Span(end.seal.seq + 1, last)
        if self._lost:
            words = (
                "%s lost %s events (%s), which were recorded: its disk or its -wal file was damaged. The log goes on "
                "after them; a copy of it from before may still have them"
            )
            log_.warning(words, name, f"{sum(span.size for span in self._lost):,}", ", ".join(map(str, self._lost)))
        if self._found.size:
            log_.warning("%s holds %s past the end that it was closed at: not by this program", name, self._found)

    @property
    def chained(self) -> int:
        """The seq up to which the chain has come."""
        return self._chained

    def forget_end(self) -> None:
        """What the end file says is no more: the next seal is the first."""
        self._end.clear()

    # ---- in the writer thread

    @property
    def due_in_s(self) -> float | None:
        """When the segment is to be sealed whatever comes; None: when there is something in it."""
        return None if self._opened_s is None else max(0.0, self._opened_s + SEGMENT_S - time.monotonic())

    @property
    def due(self) -> bool:
        return self._leaves.events >= SEGMENT_EVENTS or self.due_in_s == 0.0

    def begin(self) -> bool:
        """Before all else: say that the log is open, seal what a crash left, and record what is missing, in a
        transaction of its own; True when that is done. Raises sqlite3.Error; it is called again then, until it has
        succeeded, and answers False from then on."""
        if self._begun:
            return False
        self._seal_end("open")
        self._end.sync()  # or what comes now would, after a power cut, stand past an end that says closed
        connection = self._connection
        first, last = self._chained + 1, last_seq(connection)
        doubted = self._found.size or self._end_fault
        if first > last and not self._lost and not doubted:
            self._begun = True
            return True
        connection.execute("BEGIN IMMEDIATE")
        if doubted:
            self.begin_link()
        for lost in self._lost:
            self._seal_found(Span(first, lost.first - 1))
            self.link("loss", lost, lost.size)
            first = lost.last + 1
        self._seal_found(Span(first, last))
        connection.execute("COMMIT")
        self._begun = True
        self._accept()
        return True

    def _seal_found(self, span: Span) -> None:
        """Links over events that stand in the file, as they are found there."""
        for first in range(span.first, span.last + 1, SEGMENT_EVENTS):
            upto = min(first + SEGMENT_EVENTS - 1, span.last)
            leaves = Leaves()
            leaves.add(*rows_between(self._connection, first, upto))
            self.link("events", Span(first, upto), leaves.events, content(leaves.hashes()))

    def seal_segment(self) -> None:
        """Inside a transaction: a link over all events since the last one."""
        if self._begun and self._leaves.events:
            span = Span(self._chained + 1, self._reached)
            self.link("events", span, self._leaves.events, content(self._leaves.hashes()))

    def link(
        self, kind: LinkKind, span: Span, events: int = 0, content: bytes = b"", note: dict[str, Any] | None = None
    ) -> int:
        """Inside a transaction: one more link; its number. The first of a process says who writes from here on."""
        if not self._written and not self._drafted and kind != "begin":
            self.begin_link()
        head = self._drafted[-1] if self._drafted else self._head
        text = "" if note is None else orjson.dumps(note).decode()
        number = head.number + 1 if head else 1
        draft = Link(number, kind, span.first, span.last, events, content, _now_ms(), text)
        digest = draft.digest(head.hash if head else GENESIS)
        signer = self._key()
        link = draft._replace(hash=digest, signature=signer.sign(digest) if signer else b"")
        self._connection.execute(ADD_LINK, link)
        self._drafted.append(link)
        return number

    def begin_link(self) -> None:
        """Inside a transaction: say who writes from here on."""
        self.link("begin", Span(self._chained + 1, self._chained), note=self._who())

    def _who(self) -> dict[str, Any]:
        signer = self._key()
        note: dict[str, Any] = {"epoch": self._epoch, "key": signer.public if signer else "", "software": __version__}
        if self._head is None and (old := meta_of(self._connection, "unchained")):
            note["unchained"] = int(old)
        if self._restored_from:
            note["restored"] = self._restored_from
        if self._found.size:
            note["found"] = [*self._found]
        if self._end_fault is not None:
            note["end"] = self._end_fault
        return note

    def committed(self, fixes: Sequence[Row], facts: Sequence[Row], last: int) -> None:
        """The transaction with these rows stands, and with it the links that were made in it."""
        if self._drafted:
            self._accept()
        if fixes or facts:
            if self._begun:
                self._leaves.add(fixes, facts)
            if self._opened_s is None:
                self._opened_s = time.monotonic()
            self._reached = last
            self._end.reach(last)

    def undone(self) -> None:
        """The transaction was rolled back."""
        self._drafted.clear()

    def _accept(self) -> None:
        drafted, self._drafted = self._drafted, []
        if drafted:
            self._written = True
            self._head = drafted[-1]
        if any(link.kind == "events" for link in drafted):
            self._leaves, self._opened_s = Leaves(), None
        self._chained = max((self._chained, *(link.last_seq for link in drafted)))
        self._reached = max(self._reached, self._chained)
        self._seal_end("open")

    def _seal_end(self, state: Literal["open", "closed"]) -> None:
        head = self._head
        seal = Seal(
            self._epoch, head.number if head else 0, self._chained, head.hash if head else b"", state, _now_ms()
        )
        signer = self._key()
        self._end.seal(seal._replace(signature=signer.sign(seal.words) if signer else b""))

    def sync(self) -> None:
        """Wait until the end file is on its disk."""
        self._end.sync()

    def close(self) -> None:
        """Seal what is open, and say that the log was closed here. A disk that refuses leaves it to the next start."""
        connection = self._connection
        try:
            self.begin()
            if self._leaves.events:
                connection.execute("BEGIN IMMEDIATE")
                self.seal_segment()
                connection.execute("COMMIT")
                self._accept()
            self._seal_end("closed")
        except sqlite3.Error as error:
            log_.warning("%s: its last events are not sealed (%s); the next start does it", self._path.name, error)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        finally:
            self._end.close()

    def _key(self) -> Signer | None:
        if self._signer is None and self._signs:
            try:
                self._signer = Signer.of(self._key_file)
            except LogError as error:
                self._signs = False
                log_.warning("%s", error)
        return self._signer


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
