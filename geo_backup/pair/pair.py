"""This machine's part of a pair as a whole: what it serves to the other one, how it follows it, and who leads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from geo_backup.errors import LogError
from geo_backup.events import Event
from geo_backup.pair.company import Fault, Figure
from geo_backup.pair.follower import Calls, Follower
from geo_backup.pair.leader import Leader
from geo_backup.pair.line import Line, LineLostError, Message, packed
from geo_backup.pair.log import PairedLog
from geo_backup.pair.witness import Witnessed
from geo_backup.people import Roster
from geo_backup.wire import documents

log_ = logging.getLogger("geo_backup.pair")

ASK_EVERY_S = 1.0
ASK_WITHIN_S = 2.0


class Pair:
    """See the module. `now_ms` is the wall clock (UTC epoch)."""

    def __init__(self, log: PairedLog, call: Calls, now_ms: Callable[[], int], *, roster: Roster | None = None) -> None:
        self.log, self._call = log, call
        self.leader = Leader(log, roster, now_ms)
        self.follower = Follower(log, call, roster, now_ms)
        self._witness: Witnessed | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._shouting: set[asyncio.Task[None]] = set()
        self.twin = ""
        """That the other machine has the name of this one."""

    def witnessed(self, url: str, token: str | None) -> None:
        """A witness says whether this machine may lead."""
        self._witness = Witnessed(url, token, self.log, self.leader, self.follower)

    async def settle(self) -> None:
        """At the start: who leads. Whoever led last leads on, unless the other answers and has begun a later term.
        Raises LogError where a witness is to say it and does not answer."""
        log = self.log
        led = log.term.leader == log.memory.name if log.terms else not log.memory.other_url  # a copy is there to follow
        log.become("leading" if led and not log.memory.given else "following")
        await self._ask_other()
        if self.twin:
            raise LogError(
                f"{self.twin}: its folder was copied. Remove {log.memory.path.name} on one of them, and start anew"
            )
        if log.leads and log.terms:
            log.wait_for_standby()
        if self._witness is not None:
            if log.leads:
                await self._witness.first()
            self._tasks.append(asyncio.create_task(self._witness.run()))

    async def run(self, roster: Roster | None = None) -> None:
        """As long as the server runs. Raises UnacknowledgedError when the log is to be copied anew."""
        if roster is not None:
            self.leader.roster = self.follower.roster = roster
        following = asyncio.create_task(self.follower.run())
        self._tasks.append(following)
        try:
            while True:
                await asyncio.wait((following,), timeout=ASK_EVERY_S)
                if following.done():
                    following.result()
                if self.log.leads and self.leader.standby is None and self.log.memory.other_url:
                    await self._ask_other()
        finally:
            for task in self._tasks:
                task.cancel()

    async def serve(self, line: Line) -> None:
        """Serve the other machine, which has called."""
        await self.leader.serve(line)

    async def promote(self, *, force: bool) -> None:
        """Have this machine lead. Raises LogError with why it could not be."""
        await self.follower.promote(force=force)

    @property
    def witness_words(self) -> str:
        """That the witness is not heard; empty while it is, and without one."""
        return "" if self._witness is None else self._witness.words

    def shout(self, unit_id: str, event: Event) -> None:
        """Tell the other machine a fact of a unit's emergency that is not on record, past the log."""
        message = {"type": "alarm", "unit_id": unit_id, "fact": packed([event])}
        line = self.follower.line if self.leader.standby is None else self.leader.standby.line
        if line is not None:
            task = asyncio.create_task(_send(line, message))
            self._shouting.add(task)
            task.add_done_callback(self._shouting.discard)

    def listen(self, heard: Callable[[str, Event], None]) -> None:
        """Have `heard` called with what the other one shouts."""
        self.leader.heard = self.follower.heard = heard

    def document(self) -> documents.Pair:
        """How the two stand."""
        log, standby = self.log, self.leader.standby
        document: documents.Pair = {
            "role": log.role,
            "name": log.memory.name,
            "term": log.term.number,
            "leader": log.term.leader or log.memory.name,
            "seq": log.last_seq,
            "other": log.memory.other,
            "other_url": log.memory.other_url,
            "connected": standby is not None if log.leads else not log.silent,
            "in_step": log.in_step if log.leads else not log.silent,
            "synchronous": log.synchronous,
        }
        if standby is not None:
            document["standby_has"] = log.standby_has
            document["clock_off_ms"] = standby.clock_off_ms
        return document

    def nodes(self) -> None:
        """They are two."""

    def elsewhere(self) -> tuple[str, ...]:
        """Where the other machine is, while it is there."""
        there = self.leader.standby is not None if self.log.leads else not self.log.silent
        return (self.log.memory.other_url,) if there and self.log.memory.other_url else ()

    def faults(self) -> Iterable[tuple[Fault, str]]:
        """Conditions by their names; see Company."""
        return (("clocks_apart", self.leader.clock_words), ("witness_silent", self.witness_words))

    def figures(self) -> Iterable[Figure]:
        """What an operator watches."""
        log, standby = self.log, self.leader.standby
        behind = log.last_seq - log.standby_has if standby is not None else 0
        yield "geo_backup_leads", "1 on the machine that writes the log", log.leads
        yield "geo_backup_term", "which time at the head of the log it is", log.term.number
        yield "geo_backup_standby", "1 while a standby follows", standby is not None
        yield "geo_backup_standby_behind", "events the standby does not have", behind

    async def _ask_other(self) -> None:
        """Tell the other machine what this one is, and hear what it is: whoever leads a later term leads."""
        log = self.log
        if not log.memory.other_url:
            return
        with suppress(LineLostError, LogError, TimeoutError):
            async with asyncio.timeout(ASK_WITHIN_S):
                line = await self._call(log.memory.other_url)
                try:
                    await line.send({"type": "who", **log.who()})
                    answer = await line.receive()
                    if answer.get("name") == log.memory.name and answer.get("url") != log.url:
                        self.twin = f"{log.memory.other_url} has this machine's own name {log.memory.name}"
                    log.learn(answer)
                finally:
                    await line.close()


async def _send(line: Line, message: Message) -> None:
    with suppress(LineLostError):
        await line.send(message)
