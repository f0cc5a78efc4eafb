"""Whether a log is what was written: walk its chain from the first link to the end that is kept apart, and say in words
what was changed, cut, taken out or put in, and where. Reads only; the server may run meanwhile."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from geo_backup.errors import LogError
from geo_backup.eventlog.chain import GENESIS, Leaves, Link, content
from geo_backup.eventlog.end import End, end_path, read_end
from geo_backup.eventlog.signing import fits, public_of
from geo_backup.eventlog.span import Span
from geo_backup.eventlog.sqlite_chain import key_path
from geo_backup.eventlog.sqlite_file import connect, explained, prepare
from geo_backup.eventlog.sqlite_rows import epoch_of, has_chain, last_link, last_seq, links_from, rows_between
from geo_backup.wording import so_many

WRONG_MAX = 50
"""Of a log that is wrong all over, so many findings are told."""


@dataclass
class Proof:
    """What a walk found. `wrong` nobody admits to; `noted` the log itself says, signed."""

    events: int = 0
    """In the log now."""
    links: int = 0
    purged: int = 0
    lost: int = 0
    unsealed: int = 0
    """At the end, of a server that runs or was ended by force: the next start seals them."""
    epoch: str = ""
    key: str = ""
    """The public key that the end of the chain is signed with."""
    key_named: bool = False
    """Whether that key was named by whoever asks, or lies beside the log; otherwise it is the log's own word."""
    wrong: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)

    def say_wrong(self, words: str) -> None:
        if len(self.wrong) < WRONG_MAX:
            self.wrong.append(words)
        elif len(self.wrong) == WRONG_MAX:
            self.wrong.append("and more of the same, which is not told")

    @property
    def words(self) -> str:
        """The whole in one line."""
        if self.wrong:
            return f"TAMPERED OR DAMAGED: {so_many(len(self.wrong), 'finding')}"
        if self.lost:
            return f"whole but for {so_many(self.lost, 'lost event')}, which the log itself tells of"
        if not self.links:
            return "not chained: nothing is proven"
        return "whole"


def prove(
    path: Path, keys: Sequence[str] = (), progress: Callable[[int, int], None] | None = None, *, end: Path | None = None
) -> Proof:
    """Check the log at `path`. `keys` are the public keys one trusts; none named: that of the key file beside the log,
    if it is there. `progress` is told (events so far, events in all). LogError if it is no log, or cannot be read.
    """
    if not path.exists():
        raise LogError(f"there is no log at {path}")
    if not keys and key_path(path).exists():
        keys = [public_of(key_path(path))]
    said = read_end(end or end_path(path))  # before the log is looked at, which may grow meanwhile
    with explained(path), closing(connect(path, "ro")) as connection:
        prepare(path, connection, writing=False)
        connection.execute("BEGIN")
        if not has_chain(connection):
            noted = "an older geo_backup wrote it, without a chain: it gets one when it is opened for writing"
            return Proof(events=last_seq(connection), epoch=epoch_of(connection), noted=[noted])
        return _Walk(connection, path.name, keys).run(said, progress)


class _Walk:
    """One walk along the chain of one log."""

    def __init__(self, connection: sqlite3.Connection, name: str, keys: Sequence[str]) -> None:
        self.connection = connection
        self.name = name
        self.keys = keys
        self.proof = Proof(epoch=epoch_of(connection))
        self.chained = 0
        self.begun: dict[str, Any] = {}
        self.checkpoints: dict[int, bytes] = {}
        self.lost = connection.execute("SELECT first_seq, last_seq, number FROM links WHERE kind = 'loss'").fetchall()

    def run(self, end: End | None, progress: Callable[[int, int], None] | None) -> Proof:
        proof, last = self.proof, last_seq(self.connection)
        expected, previous = 1, GENESIS
        for link in links_from(self.connection):
            proof.links += 1
            if link.number != expected:
                gone = Span(expected, link.number - 1)
                proof.say_wrong(f"of the chain, links {gone.first:,} to {gone.last:,} were taken out")
            if link.hash != link.digest(previous):
                what = f"link {link.number:,} ({link.kind}, {Span(link.first_seq, link.last_seq)})"
                proof.say_wrong(f"{what} does not follow from the one before: one of them was changed, or put in")
            expected, previous = link.number + 1, link.hash
            with self._readable(link):
                self._look_at(link)
            if progress is not None:
                progress(self.chained, last)
        self._unsealed(last, end)
        self._must_be_empty(-(2**63), 0)
        self._purges()
        self._snapshots()
        self._signed()
        self._ends(end, last)
        if self.begun and self.begun["epoch"] != proof.epoch:
            proof.say_wrong(f"the log says it is {proof.epoch}, its chain that it is {self.begun['epoch']}")
        return proof

    @contextmanager
    def _readable(self, link: Link) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, AttributeError, KeyError, struct.error):
            span = Span(link.first_seq, link.last_seq)
            self.proof.say_wrong(f"{span} hold values that no geo_backup writes: something was changed there")
        except sqlite3.DatabaseError as error:
            span = Span(link.first_seq, link.last_seq)
            self.proof.say_wrong(f"{span} cannot be read, the file is damaged there ({error}): restore a backup")

    def _look_at(self, link: Link) -> None:
        span = Span(link.first_seq, link.last_seq)
        if link.kind == "begin":
            self._begins(orjson.loads(link.note))
        elif link.kind == "checkpoint":
            self.checkpoints[link.first_seq] = link.content
        elif link.kind == "purge":
            self._purge(link)
        elif link.kind == "loss":
            self.proof.lost += link.events
            self.proof.noted.append(f"{span} ({link.events:,}) were lost; the log found out on {_day(link.at_ms)}")
            if link.first_seq > self.chained:
                self._must_be_empty(link.first_seq, link.last_seq)
            self.chained = max(self.chained, link.last_seq)
        else:
            if link.first_seq != self.chained + 1:
                self.proof.say_wrong(f"the chain comes to {self.chained:,} and goes on at {link.first_seq:,}")
            self.chained = max(self.chained, link.last_seq)
            self._segment(link)

    def _begins(self, note: dict[str, Any]) -> None:
        proof = self.proof
        if self.begun and note["key"] != self.begun["key"]:
            proof.noted.append(f"from event {self.chained + 1:,} on it is signed with another key, {note['key'][:16]}")
        if "unchained" in note:
            upto = f"{note['unchained']:,}"
            proof.noted.append(f"events up to {upto} are from before the log had a chain: sealed as they were found")
        if "restored" in note:
            proof.noted.append(f"restored from a backup of {note['restored']} at event {self.chained:,}")
        if "found" in note:
            found = Span(*note["found"])
            proof.say_wrong(f"{found} were put in while the log was closed, after event {found.first - 1:,}, its end")
        self.begun = note

    def _segment(self, link: Link) -> None:
        span = Span(link.first_seq, link.last_seq)
        fixes, facts = rows_between(self.connection, *span)
        purged, hashes = 0, []
        for events, leaves in self.connection.execute(
            "SELECT events, leaves FROM purged WHERE segment = ?", (link.number,)
        ):
            purged += events
            hashes += [leaves[at : at + 32] for at in range(0, len(leaves), 32)]
        present = len(fixes) + len(facts)
        self.proof.events += present
        self.proof.purged += purged
        leaves = Leaves()
        leaves.add(fixes, facts)
        if content(leaves.hashes() + hashes) == link.content and present + purged == link.events:
            return
        if any(first <= span.last and span.first <= last and number > link.number for first, last, number in self.lost):
            self.proof.noted.append(f"what is left of {span} cannot be checked, since events among them were lost")
            return
        self.proof.say_wrong(self._what_differs(link, span, [row[0] for row in (*fixes, *facts)], purged))

    def _must_be_empty(self, first: int, last: int) -> None:
        found = sum(map(len, rows_between(self.connection, first, last)))
        if found:
            where = "before event 1" if last < 1 else f"at {Span(first, last)}, which were lost"
            self.proof.say_wrong(f"{so_many(found, 'event was', 'events were')} put in {where}")

    def _what_differs(self, link: Link, span: Span, seqs: list[int], purged: int) -> str:
        where = f"{span}, sealed on {_day(link.at_ms)}"
        missing = link.events - purged - len(seqs)
        if missing > 0:
            gone = sorted(set(range(span.first, span.last + 1)) - set(seqs)) if not purged else []
            which = f": {', '.join(f'{seq:,}' for seq in gone[:10])}{' ...' * (len(gone) > 10)}" if gone else ""
            return f"{where}: {missing:,} of {link.events:,} events were taken out{which}"
        if missing < 0:
            return f"{where}: {so_many(-missing, 'event stands', 'events stand')} there and not on record"
        return f"{where}: an event was changed, or events changed places"

    def _purge(self, link: Link) -> None:
        rows = self.connection.execute(
            "SELECT segment, events, leaves FROM purged WHERE purge = ? ORDER BY segment", (link.number,)
        ).fetchall()
        if purge_content(rows) != link.content:
            self.proof.say_wrong(f"the purge of {_day(link.at_ms)} took other events than are said to be purged now")
        counts = orjson.loads(link.note)["counts"]
        counts = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items() if count)
        self.proof.noted.append(f"purged by rule on {_day(link.at_ms)}: {counts}")

    def _purges(self) -> None:
        """Hashes that stand for purged events, without a purge."""
        alone = self.connection.execute(
            "SELECT count(*) FROM purged WHERE purge NOT IN (SELECT number FROM links WHERE kind = 'purge')"
        ).fetchone()[0]
        if alone:
            self.proof.say_wrong(f"in {so_many(alone, 'segment')}, events are said to be purged that no purge took")

    def _unsealed(self, last: int, end: End | None) -> None:
        proof = self.proof
        if last <= self.chained:
            return
        fixes, facts = rows_between(self.connection, self.chained + 1, last)
        proof.unsealed = len(fixes) + len(facts)
        proof.events += proof.unsealed
        tail = Span(self.chained + 1, last)
        if proof.unsealed < tail.size:
            proof.say_wrong(f"of {tail}, {tail.size - proof.unsealed:,} are missing")
        if end is not None and end.seal.epoch == proof.epoch and end.seal.state == "closed" and end.seal.seq < last:
            proof.say_wrong(f"{tail} were put in after the log was closed at event {end.seal.seq:,}")
        else:
            are = "is" if tail.size == 1 else "are"
            proof.noted.append(f"{tail} {are} not sealed yet: the server runs, or the next start does it")

    def _snapshots(self) -> None:
        for seq, data in self.connection.execute("SELECT seq, data FROM snapshots ORDER BY seq"):
            if seq not in self.checkpoints:
                if not (self.begun and seq <= self._unchained()):
                    self.proof.say_wrong(f"the checkpoint at event {seq:,} was put in: the chain knows none there")
            elif hashlib.sha256(data).digest() != self.checkpoints[seq]:
                self.proof.say_wrong(f"the checkpoint at event {seq:,} is not the one that was recorded")

    def _unchained(self) -> int:
        first = next(links_from(self.connection))
        return int(orjson.loads(first.note).get("unchained", 0)) if first.kind == "begin" else 0

    def _signed(self) -> None:
        """Since each link carries the hash of the one before, the last signature speaks for all."""
        proof, last = self.proof, last_link(self.connection)
        if last is None:
            return
        proof.key, proof.key_named = self.begun.get("key", ""), bool(self.keys)
        if not proof.key or not last.signature:
            proof.say_wrong("the end of the chain is not signed: the key could not be read when it was written")
        elif self.keys and proof.key not in self.keys:
            named = ", ".join(key[:16] for key in self.keys)
            proof.say_wrong(f"it is signed with the key {proof.key[:16]}, not with the one that is trusted ({named})")
        elif not fits(proof.key, last.signature, last.hash):
            proof.say_wrong(f"{self._signed_until()}: from there on, the holder of the key did not write it")
        if not self.keys:
            proof.noted.append("no key was named: compare the one it is signed with to what `audit key` printed")

    def _signed_until(self) -> str:
        key, good = "", 0
        for link in links_from(self.connection):
            if link.kind == "begin":
                key = orjson.loads(link.note)["key"]
            if not fits(key, link.signature, link.hash):
                break
            good = link.number
        return f"the signatures hold up to link {good:,} of {self.proof.links:,}"

    def _ends(self, end: End | None, last: int) -> None:
        """The log against the end that is kept apart."""
        proof = self.proof
        if end is None:
            if proof.links:
                words = f"{self.name}.end is missing or damaged: nothing tells whether events were cut off at the end"
                proof.say_wrong(words)
            return
        seal = end.seal
        if seal.epoch != proof.epoch:
            proof.say_wrong(f"{self.name}.end is of another log ({seal.epoch}): nothing tells where this one ended")
            return
        if (proof.key or seal.signature) and not fits(proof.key or (self.keys or [""])[0], seal.signature, seal.words):
            proof.say_wrong(f"the seal in {self.name}.end is not signed with the log's key: it was changed")
        reached = max(last, self.chained)
        if end.reached > reached:
            gone = Span(reached + 1, end.reached)
            proof.say_wrong(f"{gone} ({gone.size:,}) were cut off at the end: the log had come to {gone.last:,}")
        sealed = next(links_from(self.connection, seal.link), None) if seal.link else None
        if seal.link and (sealed is None or (sealed.number, sealed.hash) != (seal.link, seal.hash)):
            proof.say_wrong(f"the chain was sealed at link {seal.link:,}, which is gone or another one")


def purge_content(rows: Sequence[tuple[int, int, bytes]]) -> bytes:
    """What a purge took, by (segment, events, leaves) in the order of segments."""
    parts = (segment.to_bytes(8, "little") + events.to_bytes(8, "little") + leaves for segment, events, leaves in rows)
    return hashlib.sha256(b"".join(parts)).digest()


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
