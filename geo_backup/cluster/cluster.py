"""This node's part of a cluster as a whole: how it joins, that it is there, who decides, and who may speak."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

import orjson

from geo_backup.cluster.address import Address
from geo_backup.cluster.lead import BEAT_S, SILENT_S, Beat, Lead, Peer
from geo_backup.cluster.log import ClusterLog, Mark, keep_mark, mark_of
from geo_backup.cluster.people import SharedPeople
from geo_backup.cluster.stream import Known, NotTakenError, Stream, end_all
from geo_backup.custody import TermBegan
from geo_backup.errors import LogError
from geo_backup.eventlog.port import Limits
from geo_backup.eventlog.reserve import RESERVE_BYTES
from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.eventlog.sqlite_file import connect, explained, hold, prepare
from geo_backup.eventlog.sqlite_rows import epoch_of, last_seq
from geo_backup.events import Event
from geo_backup.pair.begin import give_copy
from geo_backup.pair.company import Fault, Figure
from geo_backup.pair.line import Line, LineLostError
from geo_backup.people import Roster
from geo_backup.wire import documents, facts

log_ = logging.getLogger("geo_backup.cluster")

CAUGHT_UP_WITHIN_S = 3_600.0
ANSWER_WITHIN_S = 5.0
LOOK_S = 0.1
LOOK_AT_STREAM_S = 2.0
ANSWERED_WITHIN_S = 0.2
"""Whoever hears a new node says at once that it is there: so long is waited for another one of the same name."""


class Cluster:
    """See the module. `url` is where the others find this node, and its name; `now_ms` the wall clock (UTC epoch)."""

    def __init__(self, address: Address, url: str, now_ms: Callable[[], int]) -> None:
        self.address, self.url, self._now_ms = address, url, now_ms
        self.stream = Stream(address, url)
        self.lead = Lead(url, secrets.token_hex(8))
        self.log: ClusterLog
        self._roster: Roster | None = None
        self._people = SharedPeople(self.stream)
        self._heard: Callable[[str, Event], None] | None = None
        self._shouting: set[asyncio.Task[None]] = set()
        self._new = asyncio.Event()
        """A process was heard for the first time: it is to know at once who is there."""
        self._tasks: list[asyncio.Task[None]] = []

    async def join(
        self,
        copy: Path,
        *,
        reserve_bytes: int = RESERVE_BYTES,
        key_file: Path | None = None,
        limits: Limits = Limits(),
        fetch: Callable[[], Awaitable[None]] | None = None,
        progress: Callable[[int], None] = lambda left: None,
    ) -> ClusterLog:
        """Open the copy, made where there is none, and take what the stream has beyond it; `progress` is told how many
        messages are left. Where the stream does not hold the beginning, `fetch` brings another node's copy. A log that
        no stream has yet becomes the beginning of one. Raises LogError."""
        await self.stream.connect()
        try:
            known = await self._known(copy)
            if fetch is not None and not copy.exists() and (known.began or known.first > 1):
                await fetch()
            _begin(copy, known)
            self.log = ClusterLog.open(copy, reserve_bytes=reserve_bytes, key_file=key_file, limits=limits)
            self.log.left = known.last - self.log.mark.number
            self.log.follow(self.stream, self.lead)
            await self.stream.hear("beat", self._hear)
            await self.stream.hear("alarm", self._hear_alarm)
            self._tasks = [asyncio.create_task(job) for job in (self._beat(), self._claim(), self._look())]
            await self._caught_up(progress)
        except BaseException:
            await self.leave()
            raise
        return self.log

    async def leave(self) -> None:
        """Say nothing more, and hang up; the log is the caller's to close."""
        await end_all(self._tasks)
        if hasattr(self, "log"):
            await self.log.leave()
        await self.stream.close()

    async def run(self, roster: Roster | None) -> None:
        """As long as the server runs: know the people that the others know. Leaves the cluster at its end."""
        self._roster = roster
        share = asyncio.Event().wait() if roster is None else self._people.share(roster, lambda: self.log.leads)
        sharing: asyncio.Task[object] = asyncio.create_task(share)
        try:
            await asyncio.wait([sharing])
            sharing.result()
        finally:
            await end_all([sharing])
            await self.leave()

    async def serve(self, line: Line) -> None:
        """Serve another machine that has called: one that is to join is given a copy of this node's log."""
        with suppress(LineLostError, TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                asked = await line.receive()
            if asked.get("type") == "copy":
                await give_copy(self.log, self._roster, line)
            else:
                words = f"this is a node of {self.address}: start another one with `serve --log`, not `follow`"
                await line.send({"type": "refused", "reason": "cluster", "words": words})

    async def promote(self, *, force: bool = False) -> None:
        """Have this node lead from now on. Raises LogError with why it does not; what the servers do not take cannot be
        forced."""
        if self.log.leads:
            return
        if not self.log.ready:
            raise LogError(self.log.state.words or f"this node has not caught up: {self.log.left:,} messages are left")
        await self._begin_term("handed")
        until_s = time.monotonic() + SILENT_S
        while not self.log.leads:
            if time.monotonic() > until_s:
                raise LogError(f"{self.log.term.leader} leads now: it claimed it at the same time")
            await asyncio.sleep(LOOK_S)

    @property
    def there(self) -> dict[str, Peer]:
        """The nodes that are heard, this one among them, by name."""
        return self.lead.there(time.monotonic())

    def shout(self, unit_id: str, event: Event) -> None:
        """Tell the other nodes a fact of a unit's emergency that is not on record, past the stream."""
        said = {"process": self.lead.process, "unit_id": unit_id, "fact": orjson.Fragment(facts.dump(event))}
        task = asyncio.create_task(self.stream.say("alarm", orjson.dumps(said)))
        self._shouting.add(task)
        task.add_done_callback(self._shouting.discard)

    def listen(self, heard: Callable[[str, Event], None]) -> None:
        """Have `heard` called with what the others shout."""
        self._heard = heard

    def _hear_alarm(self, said: dict[str, Any]) -> None:
        if said["process"] != self.lead.process and self._heard is not None:
            self._heard(str(said["unit_id"]), facts.read(said["fact"]))

    def document(self) -> documents.Pair:
        """How this node stands to the others as a whole."""
        log, there = self.log, self.there
        leads = log.leads
        others = any(peer.beat.ready for name, peer in there.items() if name != self.url)
        return {
            "role": "leading" if leads else "following",
            "name": self.url,
            "term": log.term.number,
            "leader": log.term.leader,
            "seq": log.last_seq,
            "other": "" if leads else log.term.leader,
            "other_url": "" if leads else log.term.leader,
            "connected": others if leads else log.term.leader in there,
            "in_step": others if leads else log.ready,
            "synchronous": True,
        }

    def nodes(self) -> documents.Nodes:
        """All of them."""
        log, there = self.log, self.there
        return {
            "address": str(self.address),
            "replicas": self.stream.replicas,
            "term": log.term.number,
            "leader": log.term.leader if log.term.leader in there else None,
            "node": self.url,
            "nodes": [
                {
                    "url": name,
                    "leads": name == log.term.leader,
                    "ready": peer.beat.ready,
                    "message": peer.beat.number,
                    "seq": peer.beat.seq,
                    "clock_off_ms": peer.clock_off_ms,
                }
                for name, peer in there.items()
            ],
        }

    def elsewhere(self) -> tuple[str, ...]:
        """The other nodes that have all of the log."""
        return tuple(name for name, peer in self.there.items() if peer.beat.ready and name != self.url)

    def faults(self) -> Iterable[tuple[Fault, str]]:
        """Conditions by their names; see Company."""
        return (("clocks_apart", self.lead.clock_words(time.monotonic())),)

    def figures(self) -> Iterable[Figure]:
        """What an operator watches."""
        log, there = self.log, self.there
        yield "geo_backup_leads", "1 on the machine that decides", log.leads
        yield "geo_backup_term", "which time at the head of the log it is", log.term.number
        yield "geo_backup_nodes", "nodes that are heard, this one among them", len(there)
        yield (
            "geo_backup_nodes_ready",
            "those that have all of the log",
            sum(peer.beat.ready for peer in there.values()),
        )
        yield "geo_backup_node_behind", "messages that are not recorded here yet", log.left

    # ---- joining

    async def _known(self, copy: Path) -> Known:
        """The stream, made of this node's log where there is none."""
        for _ in range(20):
            try:
                known = await self.stream.known()
                if known is None:
                    epoch, seq, mark = _standing(copy)
                    if mark is not None:
                        raise LogError(
                            f"{self.address} has no such stream, and {copy} is a copy of one: see "
                            "`geo_backup/cluster/README.md`, When the servers lost something"
                        )
                    await self._nobody_there()
                    known = await self.stream.make(epoch or secrets.token_hex(8), seq)
                return known
            except NotTakenError as error:
                words = str(error)
                await asyncio.sleep(0.5)
        raise LogError(f"the servers of {self.address} answer, and do nothing: {words}")

    async def _nobody_there(self) -> None:
        """Raises LogError where nodes are heard though there is no stream: theirs was lost, and is not begun anew."""
        heard: set[str] = set()
        await self.stream.hear("beat", lambda said: heard.add(str(said["node"])))
        await asyncio.sleep(3 * BEAT_S)
        if heard and await self.stream.known() is None:  # else one of them has just begun it
            raise LogError(
                f"{self.address} has no stream, and nodes are there ({', '.join(sorted(heard))}): it was lost. Begin "
                "no other log; see `geo_backup/cluster/README.md`, When the servers lost something"
            )

    async def _caught_up(self, progress: Callable[[int], None]) -> None:
        log, until_s = self.log, time.monotonic() + CAUGHT_UP_WITHIN_S
        while log.left or not self.lead.hears_itself(time.monotonic()):
            if wrong := self._twin or log.wrong:
                raise LogError(wrong)
            if time.monotonic() > until_s:
                raise LogError(f"{log.left:,} messages of {self.address} are still left to read")
            progress(log.left)
            await asyncio.sleep(LOOK_S / 2)
        await asyncio.sleep(ANSWERED_WITHIN_S)
        if self._twin:
            raise LogError(self._twin)

    @property
    def _twin(self) -> str:
        return self.lead.twin(time.monotonic())

    # ---- beats and terms

    def _hear(self, said: dict[str, Any]) -> None:
        if self.lead.hear(Beat(**said), self._now_ms(), time.monotonic()):
            self._new.set()

    async def _beat(self) -> None:
        while True:
            self._new.clear()
            log = self.log
            beat = Beat(self.url, self.lead.process, log.ready, log.mark.number, log.mark.seq, self._now_ms())
            await self.stream.say("beat", orjson.dumps(beat._asdict()))
            self.lead.forget(time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._new.wait()

    async def _claim(self) -> None:
        """Lead when nobody does."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._twin and self.lead.is_to_claim(self.log.term.leader, time.monotonic()):
                silent = self.log.term.leader
                with suppress(LogError):
                    await self._begin_term("claimed" if silent else "first")

    async def _look(self) -> None:
        """Ask the servers how the stream is: one that has lost most of them still says that nothing is new."""
        while True:
            await asyncio.sleep(LOOK_AT_STREAM_S)
            try:
                self.log.gone = "" if await self.stream.known() is not None else "the stream is gone"
            except NotTakenError as error:
                self.log.gone = str(error)
            except LogError as error:
                self.log.wrong = str(error)

    async def _begin_term(self, how: Literal["first", "claimed", "handed"]) -> None:
        number = self.log.term.number + 1
        fact = TermBegan(
            event_id=f"term:{number}",
            received_ms=self._now_ms(),
            said_by="node",
            term=number,
            leader=self.url,
            url=self.url,
            how=how,
        )
        await self.log.append([fact], urgent=True)


def _standing(copy: Path) -> tuple[str, int, Mark | None]:
    """Epoch and last event of a log, and how far it is a copy of a stream; nothing where there is none."""
    if not copy.exists() or copy.stat().st_size == 0:
        return "", 0, None
    with explained(copy), closing(connect(copy, "ro")) as connection:
        prepare(copy, connection, writing=False)
        return epoch_of(connection), last_seq(connection), mark_of(connection)


def _begin(copy: Path, known: Known) -> None:
    """Make a copy where there is none, and mark a log that the stream was made of as one. Raises LogError for a log
    that does not belong to the stream."""
    epoch, seq, mark = _standing(copy)
    if mark is not None and epoch == known.epoch:
        return
    if seq and (epoch != known.epoch or seq != known.began):
        raise LogError(
            f"{copy} is another log than the one that is shared: name another file with --copy. If it is to be the "
            "beginning of a new one, remove the stream first"
        )
    if not seq and known.began:
        raise LogError(
            f"the shared log had {known.began:,} events before it was shared, which stand in the copies of its nodes "
            "alone: begin with one of theirs (--join URL)"
        )
    if not seq and known.first > 1:
        raise LogError(
            f"the servers hold its messages from {known.first:,} on: begin with the copy of a node (--join URL)"
        )
    if not epoch:
        SqliteLog.open(copy, reserve_bytes=0).close()
        for beside in (".end", ".key"):
            copy.with_name(copy.name + beside).unlink(missing_ok=True)
    with closing(hold(copy)), explained(copy), closing(connect(copy, "rw")) as connection:
        prepare(copy, connection, writing=True)
        _adopt(connection, known, seq)


def _adopt(connection: sqlite3.Connection, known: Known, seq: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("REPLACE INTO meta VALUES ('epoch', ?)", (known.epoch,))
    keep_mark(connection, Mark(known.created, 0, seq))
    connection.execute("COMMIT")
