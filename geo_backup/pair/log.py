"""The log as a machine of a pair has it: whoever leads writes it, and waits for the other to have what is written;
whoever follows has a copy, and passes on what is to be written.

So a node knows nothing of pairs: it appends to its log, and follows it. What is said on either machine stands in both.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal, Protocol

from geo_backup.custody import TermBegan
from geo_backup.errors import LogError
from geo_backup.eventlog.port import LogState
from geo_backup.eventlog.sqlite import Opened, SqliteLog
from geo_backup.events import Event
from geo_backup.pair.file import Memory
from geo_backup.pair.line import TURN_WITHIN_S
from geo_backup.pair.terms import NO_TERM, Term, term_at, term_of, terms_in

log_ = logging.getLogger("geo_backup.pair")

Role = Literal["leading", "following", "turning", "apart"]
"""turning: handing over, or taking over. apart: it was led past by another, and has events which that one lacks: it
writes nothing, and follows nobody before somebody has looked."""

PATIENCE_S = 1.0
"""A standby that has not taken what is written after so long is waited for no more: an officer's call for help must not
hang on it."""


RETIRE_WITHIN_S = 2.0
"""What is on its way at the end of a server has so long."""
SURE_WITHIN_S = 3.0
"""A process that was held up for a while asks its witness again, and is answered within this."""
UNSURE = "neither the standby nor the witness answers, so the other machine may lead by now"


class Following(Protocol):
    """What carries what is said here to the machine that leads."""

    async def append(self, events: Sequence[Event], urgent: bool) -> list[int]:
        """As `EventLog.append`; LogError where it is not there."""
        ...

    @property
    def silent_s(self) -> float:
        """Since when the leader said nothing."""
        ...


class PairedLog(SqliteLog):
    """The EventLog of one machine of a pair, or of a machine that has no second one (yet). Made by `open`."""

    def __init__(self, opened: Opened) -> None:
        super().__init__(opened)
        self.terms = terms_in(opened.connection)
        self.memory = Memory.of(opened.path)
        self.role: Role = "leading"
        self.url = ""
        """Where the other machine finds this one."""
        self.synchronous = True
        """What is written is acknowledged when the standby has it, where there is one in step."""
        self.following: Following | None = None
        self.may_write: Callable[[], bool] = lambda: True
        """Whether nobody else can have begun to lead meanwhile; without a witness nobody does but by hand."""
        self.before_alone: Callable[[], Awaitable[None]] = _nothing
        """Is waited for before anything is acknowledged that the standby does not have."""
        self.why = ""
        """Why it is apart."""
        self._standby_has = 0
        self._in_step = False
        self._missed = ""
        self._news = asyncio.Event()
        self._turn = asyncio.Event()
        self._retired = False
        self._writing = 0
        """Appends of this machine that are under way."""

    # ---- who leads

    @property
    def term(self) -> Term:
        """The newest that began."""
        return self.terms[-1] if self.terms else NO_TERM

    @property
    def leads(self) -> bool:
        """Whether this machine decides what stands in the log."""
        return self.role == "leading"

    async def turned(self) -> None:
        """Wait until `leads` is another."""
        before = self.leads
        while self.leads == before:
            await self.changed()

    async def changed(self) -> None:
        """Wait until its role is another."""
        turn = self._turn
        await turn.wait()

    def who(self) -> dict[str, object]:
        """What this machine says of itself to the other one."""
        term, memory = self.term, self.memory
        said = {"name": memory.name, "url": self.url, "log": self.epoch, "role": self.role}
        return {**said, "term": term.number, "leader": term.leader, "seq": self.last_seq}

    def learn(self, said: Mapping[str, object]) -> None:
        """What the other machine says of itself: if it leads a later term than this one knows of, this one follows."""
        if said.get("log") != self.epoch or said.get("role") != "leading" or said.get("name") == self.memory.name:
            return
        theirs = (said.get("term"), said.get("leader"))
        if isinstance(theirs[0], int) and isinstance(theirs[1], str) and theirs > self.term.name:
            self.memory = self.memory.keep(other=str(said["name"]), other_url=str(said["url"]), given=0)
            if self.role == "leading":
                self.become("following", f"{said['name']} leads term {theirs[0]}")

    def become(self, role: Role, why: str = "") -> None:
        """Another role from now on."""
        if role != self.role:
            log_.warning("%s: %s%s", self.memory.name, role, f" ({why})" if why else "")
        self.role, self.why = role, why
        if role not in ("leading", "turning"):
            self._in_step, self._missed = False, ""
        self._ring()
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def begin_term(self, number: int, how: Literal["first", "handed", "forced", "witnessed"]) -> Term:
        """Lead from here on. Raises LogError if the log cannot be written."""
        fact = TermBegan(
            event_id=f"term:{number}",
            received_ms=time.time_ns() // 1_000_000,
            said_by="node",
            term=number,
            leader=self.memory.name,
            url=self.url,
            how=how,
        )
        (seq,) = await SqliteLog.append(self, [fact], urgent=True)
        self.terms.append(term_of(seq, fact))
        self.memory = self.memory.keep(given=0)
        self.become("leading")
        return self.term

    # ---- the one port

    async def append(self, events: Sequence[Event], *, urgent: bool = False) -> list[int]:
        """Record the events, all or none; see EventLog.append. Whoever follows has the leader record them."""
        if not events:
            return []
        if self.role == "turning":
            await self._settled()
        if self.role == "following":
            if self.following is None:
                raise LogError(self._cut_off())
            return await self.following.append(events, urgent)
        if self.role != "leading":
            raise LogError(self.why or "this machine leads no more")
        return await self.write(events, urgent=urgent)

    async def write(self, events: Sequence[Event], *, urgent: bool = False) -> list[int]:
        """Record events as the one who leads, and wait for the standby to have them."""
        if self._retired:
            raise LogError("this machine stops: say it to the other one, once that leads")
        await self._sure()
        self._writing += 1
        try:
            seqs = await SqliteLog.append(self, events, urgent=urgent)
            await self._shared(max(seqs))
            await self._sure()
        finally:
            self._writing -= 1
            self._ring()
        return seqs

    async def retire(self) -> None:
        """Acknowledge nothing more that the standby, whose line closes next, would not have."""
        self._retired = self._in_step
        with suppress(TimeoutError):
            async with asyncio.timeout(RETIRE_WITHIN_S):
                while self._writing:
                    await asyncio.sleep(0.01)

    async def _sure(self) -> None:
        """Nobody else leads: known at once, or within `SURE_WITHIN_S`. Raises LogError where it is not."""
        until_s = time.monotonic() + SURE_WITHIN_S
        while self.role in ("leading", "turning") and not self.may_write():
            if time.monotonic() > until_s:
                raise LogError(f"{UNSURE}: nothing is recorded here until one of them is back")
            await asyncio.sleep(0.05)
        if self.role not in ("leading", "turning"):
            raise LogError("another machine leads by now: whether this stands in its log is not known")

    async def _settled(self) -> None:
        """Who leads is being settled: wait for it."""
        until = time.monotonic() + TURN_WITHIN_S
        while self.role == "turning" and time.monotonic() < until:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self.changed()

    @property
    def state(self) -> LogState:
        """How it takes what it is given; see LogState."""
        state = super().state
        if self.role == "following" and state.name in ("ok", "slow") and (self.following is None or self.silent):
            return state._replace(name="cut_off", words=self._cut_off())
        if self.role == "apart" or (self.role == "leading" and not self.may_write()):
            return state._replace(name="cut_off", words=self.why or UNSURE)
        return state._replace(alone=self._missed)

    @property
    def silent(self) -> bool:
        """Whether the leader is not heard."""
        return self.following is None or self.following.silent_s > 2.0

    def _cut_off(self) -> str:
        leader = self.memory.other_url or "the machine that leads"
        return (
            f"{leader} does not answer: nothing is recorded here. Mend the line, or if that machine is gone: "
            f"`geo-backup promote {self.url or 'URL'}`"
        )

    # ---- the standby, as whoever leads sees it

    @property
    def in_step(self) -> bool:
        """Whether the standby has all that is acknowledged."""
        return self._in_step

    @property
    def standby_has(self) -> int:
        """The last seq that the standby has."""
        return self._standby_has

    def heard(self, seq: int) -> None:
        """The standby has all up to `seq`."""
        self._standby_has = seq
        if not self._in_step and seq >= self.last_seq:
            self._in_step, self._missed = True, ""
            self.memory = self.memory.keep(alone=not self.synchronous)
            log_.warning("the standby %s is in step", self.memory.other)
        self._ring()

    def wait_for_standby(self) -> None:
        """At the start of a machine that leads and had a standby: it is not there yet."""
        self.step_out()
        self._missed = f"the standby {self.memory.other} is not there: what is recorded stands on this machine alone"

    async def miss(self, why: str) -> None:
        """The standby is not there, or too slow: what is written is acknowledged without it from now on."""
        if self._in_step:
            await self.before_alone()
        self.step_out()
        if why and why != self._missed:
            log_.warning("%s", why)
        self._missed = why
        self._ring()

    def step_out(self) -> None:
        """The standby has not all that is acknowledged, from now on."""
        self._in_step = False
        if self.terms and not self.memory.alone:
            self.memory = self.memory.keep(alone=True)
        self._ring()

    async def _shared(self, seq: int) -> None:
        """Wait for the standby, where it is in step, to have this."""
        if not self.synchronous:
            return
        until = time.monotonic() + PATIENCE_S
        while self._in_step and self._standby_has < seq and self.role in ("leading", "turning"):
            left_s = until - time.monotonic()
            if left_s <= 0:
                await self.miss(
                    f"the standby {self.memory.other} takes more than {PATIENCE_S:g} s: it is not waited for"
                )
                return
            news = self._news
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await news.wait()

    async def idle(self, within_s: float) -> bool:
        """Wait until nothing is being written; False if that took too long."""
        until = time.monotonic() + within_s
        while self._writing and time.monotonic() < until:
            news = self._news
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await news.wait()
        return not self._writing

    async def taken_by_standby(self, seq: int, within_s: float) -> bool:
        """Wait until the standby has all up to `seq`; False if that took too long."""
        until = time.monotonic() + within_s
        while self._standby_has < seq and time.monotonic() < until:
            news = self._news
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await news.wait()
        return self._standby_has >= seq

    def _ring(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    # ---- the copy

    async def take(self, batch: list[tuple[int, Event]]) -> None:
        """What the leader has written, in its order."""
        await self.copy(batch)
        for seq, event in batch:
            if isinstance(event, TermBegan):
                self.terms.append(term_of(seq, event))
                self.memory = self.memory.keep(other=event.leader, given=0)

    def end(self) -> tuple[int, tuple[int, str]]:
        """The last seq, and the name of the term that it is of."""
        return self.last_seq, term_at(self.terms, self.last_seq).name


async def _nothing() -> None:
    """Nobody else needs to know."""
