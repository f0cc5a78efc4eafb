"""The leader's end of the line: the standby is sent all that the log has and will have, says how far it is, passes on
what is to be written, and is handed the lead when somebody asks for that."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from geo_backup import __version__
from geo_backup.errors import LogError, LogFullError
from geo_backup.events import Event
from geo_backup.pair.begin import give_copy
from geo_backup.pair.line import (
    BEAT_S,
    CLOCKS_APART_MS,
    EVENTS_AT_ONCE,
    SILENT_S,
    TURN_WITHIN_S,
    Line,
    LineLostError,
    Message,
    events_of,
    packed,
    text_of,
)
from geo_backup.pair.log import PairedLog
from geo_backup.pair.terms import fork
from geo_backup.people import Roster
from geo_backup.wording import so_many

log_ = logging.getLogger("geo_backup.pair")

ROSTER_EVERY_S = 1.0
WITHIN_S = 5.0


class Standby:
    """The other machine, as the one that leads knows it."""

    def __init__(self, name: str, url: str, line: Line) -> None:
        self.name, self.url, self.line = name, url, line
        self.heard_s = time.monotonic()
        self.answered_s = float("-inf")
        """When the newest beat was sent that it has answered."""
        self.clock_off_ms: int | None = None
        """How far its clock is ahead of this one's."""


class Leader:
    """Whoever follows this machine, one at a time. `now_ms` is the wall clock (UTC epoch)."""

    def __init__(self, log: PairedLog, roster: Roster | None, now_ms: Callable[[], int]) -> None:
        self.log, self.roster, self._now_ms = log, roster, now_ms
        self.heard: Callable[[str, Event], None] = lambda unit_id, event: None
        """Is called with emergencies that the other machine has not on record."""
        self.standby: Standby | None = None
        self._beats: dict[int, float] = {}
        self._work: set[asyncio.Task[None]] = set()

    async def serve(self, line: Line) -> None:
        """Serve whoever follows, until it is gone or this machine leads no more."""
        try:
            async with asyncio.timeout(WITHIN_S):
                hello = await line.receive()
                if hello.get("type") == "who":
                    await line.send({"type": "am", **self.log.who()})
                    self.log.learn(hello)
                    return
            if hello.get("type") == "copy":
                await self._copy(line)
                return
            async with asyncio.timeout(WITHIN_S):
                standby = await self._let_in(line, hello)
        except (LineLostError, TimeoutError):
            return
        if standby is None:
            return
        log, after = self.log, int(hello["seq"])
        if self.standby is not None:  # the same machine again, whose former line is not known to be dead yet
            log.step_out()
        self.standby = standby
        log_.warning("%s follows from %s on", standby.name, f"{after:,}")
        log.heard(after)
        tasks = [
            asyncio.create_task(job)
            for job in (self._tell(standby, after), self._beat(standby), self._people(standby), self._hear(standby))
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is not None and not isinstance(error, LineLostError | LogError):
                    log_.error("the line to %s failed", standby.name, exc_info=error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self.standby is standby:
                self.standby = None
                if log.role == "leading":
                    with suppress(LogError):
                        await log.miss(
                            f"the standby {standby.name} is gone: what is recorded now stands on this machine alone"
                        )

    async def _copy(self, line: Line) -> None:
        """The log as it is at this moment with its end, and who may speak here, for a machine that has nothing yet."""
        log = self.log
        if log.role != "leading":
            await line.send(
                {"type": "refused", "words": f"this machine does not lead; {log.memory.other_url or 'another'} does"}
            )
            return
        await give_copy(log, self.roster, line)

    async def _let_in(self, line: Line, hello: Message) -> Standby | None:
        """The follower, once it is known that its log is a beginning of this one."""
        log = self.log
        try:
            name, url, epoch = str(hello["name"]), str(hello["url"]), str(hello["log"])
            seq, term = int(hello["seq"]), (int(hello["term"]), str(hello["leader"]))
        except (KeyError, TypeError, ValueError):
            await line.send({"type": "refused", "reason": "hello", "words": "this is no hello of a standby"})
            return None
        refused: dict[str, Any] | None = None
        if log.role == "turning":
            refused = {"reason": "turning", "words": "who leads is being settled: ask again"}
        elif log.role != "leading":
            if log.memory.given and log.memory.other == name:
                await line.send({"type": "yours", "term": log.memory.given})
                return None
            words = f"{log.memory.other_url or 'another machine'} leads, not this one"
            refused = {"reason": "not_leading", "words": words, "url": log.memory.other_url}
        elif name == log.memory.name:
            refused = {"reason": "itself", "words": "a machine cannot follow itself"}
        elif epoch != log.epoch:
            refused = {
                "reason": "another_log",
                "words": "its log is another one: start `follow` with a --log that is not there yet, and it is copied",
            }
        elif self.standby is not None and self.standby.name != name:
            words = f"{self.standby.name} follows already: a pair is two machines"
            refused = {"reason": "taken", "words": words}
        elif term[0] > log.term.number:
            words = f"{name} knows of term {term[0]}, led by {term[1]}; this machine leads term {log.term.number}"
            refused = {"reason": "later_term", "words": words}
            # who says so leads it itself, or has heard of it: this machine writes no more either way
            log.learn({"log": epoch, "role": "leading", "name": name, "url": url, "term": term[0], "leader": term[1]})
        else:
            at = fork(log.terms, term, seq, log.last_seq)
            if at is not None:
                words = f"{so_many(seq - at.common, 'event')} after {at.common} of that log never came here"
                refused = {"reason": "apart", "words": words, "how": at.how}
        if refused is not None:
            await line.send({"type": "refused", **refused})
            return None
        if not log.terms:
            await log.begin_term(1, "first")
        log.memory = log.memory.keep(other=name, other_url=url)
        newest = log.term
        await line.send(
            {
                "type": "welcome",
                "name": log.memory.name,
                "term": newest.number,
                "leader": newest.leader,
                "seq": log.last_seq,
                "software_version": __version__,
            }
        )
        return Standby(name, url, line)

    async def _tell(self, standby: Standby, after: int) -> None:
        """All of the log after a seq, for ever."""
        rows: list[list[Any]] = []
        async for batch in self.log.read(after, follow=True):
            for start in range(0, len(batch), EVENTS_AT_ONCE):
                part = batch[start : start + EVENTS_AT_ONCE]
                rows = [[seq, *row] for (seq, _), row in zip(part, packed([event for _, event in part]), strict=True)]
                await standby.line.send({"type": "events", "events": rows})

    async def _beat(self, standby: Standby) -> None:
        """Say that it is there, and notice that the other one is not."""
        n = 0
        while True:
            n += 1
            self._beats[n] = time.monotonic()
            self._beats.pop(n - 100, None)
            await standby.line.send({"type": "beat", "n": n, "now_ms": self._now_ms()})
            await asyncio.sleep(BEAT_S)
            if time.monotonic() - standby.heard_s > SILENT_S or self.log.role not in ("leading", "turning"):
                raise LineLostError

    async def _people(self, standby: Standby) -> None:
        """Who may speak here, as often as that changes."""
        sent: tuple[int, int] | None = None
        while True:
            roster = self.roster
            if roster is not None and (version := await asyncio.to_thread(roster.version)) != sent:
                sent = version
                data = await asyncio.to_thread(roster.packed)
                await standby.line.send({"type": "people", "data": text_of(data)})
            await asyncio.sleep(ROSTER_EVERY_S)

    async def _hear(self, standby: Standby) -> None:
        """What the other one says."""
        while True:
            message = await standby.line.receive()
            standby.heard_s = time.monotonic()
            kind = message.get("type")
            if self.standby is not standby:  # it has called anew
                raise LineLostError
            if kind == "have":
                self.log.heard(int(message["seq"]))
            elif kind == "beat":
                sent_s = self._beats.pop(int(message["n"]), None)
                if sent_s is not None:
                    standby.answered_s = max(standby.answered_s, sent_s)
                    half_ms = round((time.monotonic() - sent_s) * 500)
                    standby.clock_off_ms = int(message["now_ms"]) + half_ms - self._now_ms()
            elif kind == "append":
                self._do(self._append(standby, message))
            elif kind == "alarm":
                self.heard(str(message["unit_id"]), events_of(message["fact"])[0])
            elif kind == "promote":
                self._do(self._hand_over(standby, message))

    def _do(self, job: Any) -> None:
        task = asyncio.create_task(job)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _append(self, standby: Standby, message: Message) -> None:
        """Record what is said on the other machine."""
        answer: dict[str, Any] = {"type": "done", "id": message.get("id")}
        try:
            events: list[Event] = events_of(message.get("events"))
            if self.log.role == "leading":
                answer["seqs"] = await self.log.write(events, urgent=message.get("urgent") is True)
            else:
                answer["again"] = True
        except LogError as error:
            answer["error"], answer["full"] = str(error), isinstance(error, LogFullError)
        with suppress(LineLostError):
            await standby.line.send(answer)

    async def _hand_over(self, standby: Standby, message: Message) -> None:
        """Write nothing more, see that the other has everything, and let it lead."""
        log = self.log
        try:
            if log.role != "leading":
                raise LogError("this machine leads no more")
            log.become("turning", f"{standby.name} is to lead")
            if not await log.idle(TURN_WITHIN_S) or not await log.taken_by_standby(log.last_seq, TURN_WITHIN_S):
                log.become("leading", "the standby does not come along")
                raise LogError(f"{standby.name} does not come along: it has {log.standby_has} of {log.last_seq}")
            number = log.term.number + 1
            log.memory = log.memory.keep(given=number)
            await standby.line.send({"type": "yours", "term": number})
            log.become("following", f"{standby.name} leads")
        except LogError as error:
            with suppress(LineLostError):
                await standby.line.send({"type": "done", "id": message.get("id"), "error": str(error)})
        except LineLostError:  # whether it has heard is not known: it asks again, and is told again
            log.become("following", f"the lead was given to {standby.name}")

    @property
    def clock_words(self) -> str:
        """That the two clocks differ, and what to do; empty while they do not."""
        off_ms = None if self.standby is None else self.standby.clock_off_ms
        if off_ms is None or abs(off_ms) <= CLOCKS_APART_MS:
            return ""
        side = "ahead of" if off_ms > 0 else "behind"
        off_s = round(abs(off_ms) / 1000)
        return f"the standby's clock is {off_s} s {side} this one's: set them right, and let NTP keep them"
