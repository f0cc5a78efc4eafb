"""The follower's end of the line: takes what the leader writes, passes on what is said here, and takes over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol

from geo_backup.errors import LogError, LogFullError
from geo_backup.events import Event
from geo_backup.pair.line import (
    SILENT_S,
    TURN_WITHIN_S,
    Line,
    LineLostError,
    Message,
    data_of,
    events_of,
    packed,
)
from geo_backup.pair.log import PairedLog
from geo_backup.people import Roster

log_ = logging.getLogger("geo_backup.pair")

AGAIN_S = 0.3
WITHIN_S = 10.0
"""An answer of the leader to what was passed on."""
ASKED_MAX = 4_096


class UnacknowledgedError(Exception):
    """This log has events that the one which leads now does not have, and that nobody was told are recorded: they
    were on their way to the standby when this machine fell silent. The log is to be copied anew."""


class _AgainError(Exception):
    """What was passed on was not recorded, since who leads was being settled."""


class Calls(Protocol):
    """Opens a line to the machine at a URL."""

    async def __call__(self, url: str) -> Line:
        """Raises LineLostError when nobody answers, LogError for what cannot be by trying again."""
        ...


class Follower:
    """This machine as it follows the one at `log.memory.other_url`. Run it as long as the process lives: it does
    nothing while this machine leads."""

    def __init__(self, log: PairedLog, call: Calls, roster: Roster | None, now_ms: Callable[[], int]) -> None:
        self.log, self._call, self.roster, self._now_ms = log, call, roster, now_ms
        self.heard: Callable[[str, Event], None] = lambda unit_id, event: None
        """Is called with emergencies that the other machine has not on record."""
        self.line: Line | None = None
        """To the one that leads, while there is one."""
        self._asked: dict[int, asyncio.Future[list[int]]] = {}
        self._number = 0
        self._waiting: asyncio.Queue[list[list[Any]]] = asyncio.Queue()
        self._heard_s = time.monotonic()
        self._back = asyncio.Event()
        self.refused = ""
        """Why the leader does not let this machine follow."""
        log.following = self

    @property
    def silent_s(self) -> float:
        """Since when the leader said nothing."""
        return time.monotonic() - self._heard_s

    # ---- the line

    async def run(self) -> None:
        """For ever: follow whenever this machine is to follow."""
        log = self.log
        self._heard_s = time.monotonic()
        while True:
            if log.role != "following":
                await log.changed()
                self._heard_s = time.monotonic()
                continue
            try:
                line = await self._call(log.memory.other_url)
                try:
                    if log.role == "following":  # calling takes a while
                        await self._follow(line)
                finally:
                    await line.close()
            except (LineLostError, TimeoutError):
                pass
            except LogError as error:
                self._say(str(error))
            except UnacknowledgedError:
                raise
            except Exception:
                log_.exception("following %s failed; it is tried again", log.memory.other_url)
            finally:
                self._lose()
            if log.role == "following":
                await asyncio.sleep(AGAIN_S)

    async def _follow(self, line: Line) -> None:
        log = self.log
        seq, (number, leader) = log.end()
        hello = {"type": "hello", "name": log.memory.name, "url": log.url, "log": log.epoch}
        await line.send({**hello, "seq": seq, "term": number, "leader": leader})
        async with asyncio.timeout(WITHIN_S):
            answer = await line.receive()
        if answer.get("type") == "yours":
            await self.take_over(int(answer["term"]), "handed")
            return
        if answer.get("type") != "welcome":
            self._refuse(answer)
            return
        self.refused = ""
        log.memory = log.memory.keep(alone=False)  # from here on nothing is acknowledged here
        self.line, self._heard_s = line, time.monotonic()
        self._back.set()
        log_.warning("%s: follows %s from %s on", log.memory.name, answer["name"], f"{seq:,}")
        self._waiting = asyncio.Queue(maxsize=64)
        taking = asyncio.create_task(self._take(line))
        try:
            while log.role == "following":
                async with asyncio.timeout(SILENT_S):
                    message = await line.receive()
                self._heard_s = time.monotonic()
                await self._hear(line, message)
                if taking.done():
                    taking.result()
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)

    def _refuse(self, answer: Message) -> None:
        reason, words = str(answer.get("reason")), str(answer.get("words"))
        if reason == "not_leading" and answer.get("url") not in ("", None, self.log.url, self.log.memory.other_url):
            self.log.memory = self.log.memory.keep(other_url=str(answer["url"]))
        elif reason == "apart":
            if self.log.synchronous and not self.log.memory.alone and answer.get("how") != "forced":
                raise UnacknowledgedError(words)
            why = (
                f"{words}: they stand in {self.log.path.name}, and this machine follows nobody before somebody has "
                f"looked. `geo-backup follow {self.log.memory.other_url}` with --apart sets that file aside and begins "
                "with a copy"
            )
            self.log.become("apart", why)
        self._say(f"{self.log.memory.other_url} does not let this machine follow: {words}")

    def _say(self, words: str) -> None:
        if words != self.refused:
            log_.warning("%s", words)
        self.refused = words

    async def _hear(self, line: Line, message: Message) -> None:
        kind = message.get("type")
        if kind == "events":
            await self._waiting.put(message["events"])
        elif kind == "beat":
            await line.send({"type": "beat", "n": message["n"], "now_ms": self._now_ms()})
        elif kind == "alarm":
            self.heard(str(message["unit_id"]), events_of(message["fact"])[0])
        elif kind == "done":
            self._answer(message)
        elif kind == "people" and self.roster is not None:
            await asyncio.to_thread(self.roster.take, data_of(message["data"]))
        elif kind == "yours":
            await self._waiting.join()
            await self.take_over(int(message["term"]), "handed")

    async def _take(self, line: Line) -> None:
        """Record what came, all that waits in one go, and say how far this machine is."""
        waiting = self._waiting
        while True:
            parts = [await waiting.get()]
            while not waiting.empty():
                parts.append(waiting.get_nowait())
            rows = [row for part in parts for row in part]
            events = events_of([[kind, body] for _, kind, body in rows])
            pairs = [(int(row[0]), event) for row, event in zip(rows, events, strict=True)]
            recording = asyncio.ensure_future(self.log.take(pairs))
            try:
                await asyncio.shield(recording)
            except asyncio.CancelledError:
                with suppress(LogError):
                    await recording  # or the next line would begin with what is on its way to the disk
                raise
            for _ in parts:
                waiting.task_done()
            await line.send({"type": "have", "seq": rows[-1][0]})

    def _lose(self) -> None:
        self.line = None
        self._back.clear()
        asked, self._asked = self._asked, {}
        for future in asked.values():
            if not future.done():
                future.set_exception(LogError("the line to the leader broke: it may have been recorded all the same"))

    # ---- what is said here

    async def append(self, events: Sequence[Event], urgent: bool, tries: int = 10) -> list[int]:
        """Have the leader record events; see EventLog.append."""
        if self.line is None:
            with_patience = asyncio.timeout(0.5 if urgent else 2.0)
            try:
                async with with_patience:
                    await self._back.wait()
            except TimeoutError:
                if self.log.leads:
                    return await self.log.append(events, urgent=urgent)
                raise LogError(self.log.state.words or "the leader does not answer") from None
        if self.line is None:
            return await self.log.append(events, urgent=urgent)
        if len(self._asked) >= ASKED_MAX:
            raise LogError("too much waits for the leader: say it again")
        self._number += 1
        number = self._number
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            await self.line.send({"type": "append", "id": number, "events": packed(events), "urgent": urgent})
            async with asyncio.timeout(WITHIN_S):
                seqs: list[int] = await future
                return seqs
        except _AgainError:
            if tries == 0:
                raise LogError("who leads is not settled: say it again") from None
            await asyncio.sleep(AGAIN_S)
            if self.log.role == "following":
                return await self.append(events, urgent, tries - 1)
            return await self.log.append(events, urgent=urgent)
        except LineLostError:
            raise LogError("the line to the leader broke: it may have been recorded all the same") from None
        except TimeoutError:
            raise LogError("the leader does not answer: it may have been recorded all the same") from None
        finally:
            self._asked.pop(number, None)

    def _answer(self, message: Message) -> None:
        future = self._asked.get(int(message["id"] or 0))
        if future is None or future.done():
            return
        if message.get("again"):
            future.set_exception(_AgainError())
        elif "error" in message:
            words = str(message["error"])
            future.set_exception(LogFullError(words) if message.get("full") else LogError(words))
        else:
            future.set_result([int(seq) for seq in message["seqs"]])

    # ---- taking over

    async def promote(self, *, force: bool) -> None:
        """Lead from now on. The leader hands over if it answers; if it does not, `force` leads all the same: what it
        acknowledged and this machine does not have is lost then. Raises LogError with why it could not be."""
        log = self.log
        if log.role == "leading":
            return
        if log.role != "following":
            raise LogError(log.why or "who leads is being settled")
        if self.line is not None and self.silent_s < SILENT_S:
            refused = await self._ask_for_the_lead(self.line)
            if log.leads:
                return
            if refused and not force:
                raise LogError(refused)
        if not force:
            raise LogError(
                f"{log.memory.other_url} does not answer for {self.silent_s:.0f} s. If it is gone or stopped, lead all "
                "the same with --force: what it acknowledged and this machine does not have would be lost. If it still "
                "runs and is only cut off from here, stop it first"
            )
        await self.take_over(log.term.number + 1, "forced")

    async def _ask_for_the_lead(self, line: Line) -> str:
        """Have the leader hand over, and wait for it; why it does not, where it says so."""
        number = self._number = self._number + 1
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        turned = asyncio.create_task(self.log.turned())
        refused = ""
        try:
            await line.send({"type": "promote", "id": number})
            await asyncio.wait((turned, future), timeout=2 * TURN_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            if future.done() and isinstance(error := future.exception(), LogError):
                refused = str(error)
            elif not self.log.leads:
                await asyncio.wait((turned,), timeout=TURN_WITHIN_S)
        except LineLostError:
            refused = "the line broke just now"
        finally:
            turned.cancel()
            self._asked.pop(number, None)
        return refused

    async def take_over(self, number: int, how: Literal["handed", "forced", "witnessed"]) -> None:
        """Lead from now on, in a term of at least this number. Raises LogError if the log cannot be written."""
        log = self.log
        log.become("turning", "takes over")
        if how == "handed":  # what the former leader has not answered it has not recorded
            for future in self._asked.values():
                if not future.done():
                    future.set_exception(_AgainError())
        try:
            term = await log.begin_term(max(number, log.term.number + 1), how)
        except LogError:
            log.become("following")
            raise
        log_.warning("%s leads term %d from %d on", term.leader, term.number, term.began)
