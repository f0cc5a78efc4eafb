"""The log as a node of a cluster has it: a copy, in an SQLite file of its own, of what the stream puts in order.

What is said here goes into the stream, comes back in its place among what all others say, and is recorded; then it is
answered. So whatever is acknowledged stands on a majority of the stream's servers and on this node's own disk. Every
copy takes the same messages in the same order and leaves out what stands already by its id, so the seqs are the same in
all of them, and nobody has to give them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Self

import orjson

from geo_backup.cluster import messages
from geo_backup.cluster.lead import BEAT_S, Lead
from geo_backup.cluster.stream import NotTakenError, Stream, Taken, end_all
from geo_backup.custody import TermBegan
from geo_backup.errors import BadValueError, LogError, LogFullError
from geo_backup.eventlog.port import LogState
from geo_backup.eventlog.sqlite import BULKY, SHARED, Opened, SqliteLog
from geo_backup.eventlog.sqlite_rows import encoded, last_seq, meta_of
from geo_backup.events import Event
from geo_backup.pair.terms import NO_TERM, Term, term_of, terms_in

log_ = logging.getLogger("geo_backup.cluster")

WITHIN_S = 10.0
"""What is said is answered within this, or nobody knows whether it was recorded."""
SAID_MAX = 4_096
"""Callers that wait at once."""
MESSAGE_BYTES = 256 << 10
"""A message takes no further saying once its events have so many bytes of JSON."""
EVENTS_AT_ONCE = 1_000
"""Events that are read between two turns of the loop, and recorded in one transaction."""
LONG_BYTES = 512 << 10
"""A message that is longer is kept beside the stream, and its place stands in it."""
OFFER_AGAIN_S = 0.2
ROOM_AGAIN_S = 1.0
UNHEARD_S = 3.0
"""A stream that says nothing for so long is out of reach."""


class Mark(NamedTuple):
    """How far a copy has come."""

    created: str
    """The stream's."""
    number: int
    """The last of its messages that is recorded here ..."""
    seq: int
    """... and the last event of the log then."""


@dataclass(eq=False)
class _Said:
    """What a caller said, on its way into the stream and back."""

    number: int
    term: int
    body: bytes
    asked_s: float
    answer: asyncio.Future[list[int]]


class ClusterLog(SqliteLog):
    """The EventLog of one node; see the module. Made by `open`, used once `follow` is given its stream."""

    is_copy = True
    stream: Stream
    lead: Lead

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened)
        self.terms = terms_in(opened.connection)
        self.mark = mark_of(opened.connection) or Mark("", 0, self._last)
        if self.mark.seq != self._last:
            self.close()
            raise LogError(
                f"{opened.path} ends at event {self.mark.seq:,}, and had {self._last:,}: it is damaged, or another "
                "program wrote it. Put it away, and begin with the copy of another node (--join URL)"
            )
        self.wrong = ""
        """Why it takes nothing from the stream any more."""
        self.gone = ""
        """Why the stream takes nothing at this moment, as far as that was looked at."""
        self.left = 0
        """Messages of the stream that are not recorded here yet."""
        self._numbers = itertools.count(1)
        self._messages = itertools.count(1)
        self._said: dict[int, _Said] = {}
        self._pressing: deque[_Said] = deque()
        self._unsaid: deque[_Said] = deque()
        self._more = asyncio.Event()
        self._refusal = ""
        self._turn = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def follow(self, stream: Stream, lead: Lead) -> Self:
        """Take what the stream has from now on, and say there what is said here."""
        self.stream, self.lead = stream, lead
        self._tasks = [asyncio.create_task(self._copy()), asyncio.create_task(self._say())]
        return self

    async def leave(self) -> None:
        """Take and say nothing more."""
        await end_all(self._tasks)
        for said in list(self._said.values()):
            self._fail(said, LogError("this node stops: whether it was recorded is not known"))

    # ---- who leads

    @property
    def term(self) -> Term:
        """The newest that began."""
        return self.terms[-1] if self.terms else NO_TERM

    @property
    def leads(self) -> bool:
        """Whether this node decides what is decided once."""
        return not self.wrong and self.lead.leads(self.term.leader, time.monotonic())

    async def turned(self) -> None:
        """Wait until `leads` is another."""
        before = self.leads
        while self.leads == before:
            turn = self._turn
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await turn.wait()

    @property
    def ready(self) -> bool:
        """Whether it has what the stream has, and can record more."""
        return not self.wrong and self.left == 0 and super().state.name in ("ok", "slow") and not self._silent

    @property
    def _silent(self) -> bool:
        return time.monotonic() - self.stream.heard_s > UNHEARD_S

    # ---- the one port

    async def append(self, events: Sequence[Event], *, urgent: bool = False) -> list[int]:
        """Record the events, all or none; see EventLog.append. They are answered once they have come back."""
        if not events:
            return []
        if self._closed:
            raise LogError(f"{self.path} is closed")
        self._is_right()
        if len(self._said) >= SAID_MAX:
            raise LogError("too much waits for the servers of the stream: say it again")
        by_node = all(event.said_by == "node" for event in events)
        number, loop = next(self._numbers), asyncio.get_running_loop()
        term = self.term.number if by_node and self.leads and not _begins_term(events) else 0
        body = await _packed(events)
        said = _Said(number, term, body, time.monotonic(), loop.create_future())
        self._said[number] = said
        (self._pressing if urgent else self._unsaid).append(said)
        self._more.set()
        try:
            async with asyncio.timeout(WITHIN_S):
                return await said.answer
        except TimeoutError:
            if said in self._unsaid or said in self._pressing:
                raise LogError(f"{self._away()}: nothing was recorded") from None
            raise LogError(f"{self._away()}: it may have been recorded all the same") from None
        finally:
            self._said.pop(number, None)
            for waiting in (self._pressing, self._unsaid):
                with suppress(ValueError):
                    waiting.remove(said)

    @property
    def state(self) -> LogState:
        """How it takes what it is given; see LogState."""
        state = super().state
        if state.name not in ("ok", "slow"):
            return state
        if self.wrong or self._silent or self._refusal or self.gone:
            return state._replace(name="cut_off", words=f"{self._away()}: nothing is recorded here")
        return state

    @property
    def waiting_s(self) -> float:
        """How long the oldest append that is not answered yet has waited; 0 when none waits."""
        asked = min((said.asked_s for said in self._said.values()), default=None)
        return max(self._disk_waits_s, 0.0 if asked is None else time.monotonic() - asked)

    def _away(self) -> str:
        why = self.wrong or self._refusal or self.gone or self.stream.words
        return f"the servers of {self.stream.address} do not take what is said{f' ({why})' if why else ''}"

    def _is_right(self) -> None:
        if self.wrong:
            raise LogError(self.wrong)

    # ---- into the stream

    async def _say(self) -> None:
        """Offer what waits, what is urgent first, one message after the other, each until it is taken."""
        while True:
            await self._more.wait()
            self._more.clear()
            while some := self._some():
                body = messages.message(
                    self.lead.process, self.epoch, [(said.number, said.term, said.body) for said in some]
                )
                await self._offer(some, body, f"{self.lead.process}:{next(self._messages)}")

    def _some(self) -> list[_Said]:
        """What goes into the next message."""
        some: list[_Said] = []
        size = 0
        for waiting in (self._pressing, self._unsaid):
            while waiting and (not some or size + len(waiting[0].body) <= MESSAGE_BYTES):
                some.append(waiting.popleft())
                size += len(some[-1].body)
        return some

    async def _offer(self, some: Sequence[_Said], body: bytes, message_id: str) -> None:
        while any(said.number in self._said for said in some):  # else it came back, or nobody waits any more
            try:
                if len(body) > LONG_BYTES:
                    body = messages.reference(await self.stream.put(body))
                await self.stream.publish(body, message_id)
                self._refusal = ""
                return
            except NotTakenError as error:
                self._refusal = str(error)
                await asyncio.sleep(OFFER_AGAIN_S)
            except LogError as error:
                for said in some:
                    self._fail(said, error)
                return

    def _fail(self, said: _Said, error: LogError) -> None:
        if not said.answer.done():
            said.answer.set_exception(type(error)(str(error)))

    # ---- out of the stream

    async def _copy(self) -> None:
        """Record what the stream has, for as long as it is what this is a copy of."""
        try:
            async for batch in self.stream.follow(self.mark.number, self.mark.created):
                waiting = deque(batch)
                while waiting:
                    await self._take(waiting)
                self.left = batch[-1].left
        except LogError as error:
            if not self._closed:
                self.wrong = str(error)
                log_.error("%s", error)
                for said in list(self._said.values()):
                    self._fail(said, error)
        except Exception as error:
            self.wrong = f"following {self.stream.address} failed: {error}; start this node again"
            log_.exception("following %s failed", self.stream.address)
        finally:
            self._ring()

    async def _take(self, waiting: deque[Taken]) -> None:
        """Record the next messages in one transaction."""
        events: list[Event] = []
        spans: list[tuple[str, messages.Saying, int, int]] = []
        term, number = self.term.number, self.mark.number
        while waiting and len(events) < EVENTS_AT_ONCE:
            taken = waiting.popleft()
            number = taken.number
            try:
                message = await self._read(taken)
            except BadValueError:
                log_.error("message %d of %s is none that a node says; it is left out", number, self.stream.address)
                continue
            if message.log != self.epoch:
                log_.error("message %d of %s is of another log; it is left out", number, self.stream.address)
                continue
            for saying in message.sayings:
                first = len(events)
                if saying.term in (0, term):  # else its node led no more when it came here: all copies leave it out
                    events += saying.events
                spans.append((message.node, saying, first, len(events)))
                # a claim that comes late is of a term that has begun: it ends none
                term = max(term, *(event.term for event in saying.events if isinstance(event, TermBegan)), 0)
        seqs = await self._record(events, number)
        for node, saying, first, end in spans:
            self._answer(node, saying, seqs[first:end])
        self._ring()

    async def _read(self, taken: Taken) -> messages.Message:
        places = messages.referred(taken.data)
        while places:
            try:
                data = await self.stream.get(places)
            except NotTakenError as error:
                self.stream.words = str(error)
                await asyncio.sleep(OFFER_AGAIN_S)
            else:
                return await asyncio.to_thread(messages.parsed, data)
        return messages.parsed(taken.data)

    async def _record(self, events: Sequence[Event], number: int) -> list[int]:
        """In the copy, with the mark; a full disk is waited for, since no message may be left out."""
        written: list[Mark] = []

        def mark(connection: sqlite3.Connection) -> None:
            written[:] = [Mark(self.mark.created, number, last_seq(connection))]
            keep_mark(connection, written[0])

        before, urgent = self.last_seq, False
        while True:
            try:
                seqs = await self.record(events, mark, urgent=urgent)
                break
            except LogFullError:
                if urgent:
                    await asyncio.sleep(ROOM_AGAIN_S)
                urgent = True  # from here on the room is used that is kept for emergencies
        self.mark = written[0]
        for seq, event in zip(seqs, events, strict=True):
            if isinstance(event, TermBegan) and seq > before:
                self.terms.append(term_of(seq, event))
                log_.warning("%s leads from term %d on", event.leader, event.term)
        return seqs

    def _answer(self, node: str, saying: messages.Saying, seqs: list[int]) -> None:
        if node != self.lead.process or (said := self._said.get(saying.number)) is None or said.answer.done():
            return
        if len(seqs) == len(saying.events):
            said.answer.set_result(seqs)
        else:
            said.answer.set_exception(LogError("another node leads by now: it decides that"))

    def _ring(self) -> None:
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()


async def _packed(events: Sequence[Event]) -> bytes:
    """Their JSON. What cannot be recorded must not come into the stream, where all copies would stop at it."""

    def checked() -> bytes:
        encoded(events)
        return messages.packed(events)

    return await asyncio.to_thread(checked) if any(isinstance(event, BULKY) for event in events) else checked()


def keep_mark(connection: sqlite3.Connection, mark: Mark) -> None:
    """Inside a transaction: how far the copy has come."""
    connection.execute("REPLACE INTO meta VALUES (?, ?)", (SHARED, orjson.dumps([*mark]).decode()))


def mark_of(connection: sqlite3.Connection) -> Mark | None:
    """How far a copy has come; None for a log that is no copy of a stream."""
    said = meta_of(connection, SHARED)
    return None if said is None else Mark(*orjson.loads(said))


def _begins_term(events: Sequence[Event]) -> bool:
    return any(isinstance(event, TermBegan) for event in events)
