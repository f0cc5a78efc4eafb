"""Inlet: where receivers bring what they heard. What came within a few milliseconds is recorded together; a call for
help waits for nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from geo_backup.errors import BadValueError, LogError
from geo_backup.formats.heard import Heard
from geo_backup.people import ANYONE
from geo_backup.server.bounds import LOOPBACK
from geo_backup.server.hearing import Hearing
from geo_backup.server.intake import Intake
from geo_backup.server.speaker import Speakers

log_ = logging.getLogger("geo_backup.receivers")

GATHER_S = 0.01
AT_ONCE = 250
"""Messages that are recorded together."""
WAITING_MAX = 20_000
"""Messages that wait; further ones are refused, and their receiver says so to its sender or counts them."""
CALLS_AT_ONCE = 200
"""Calls for help that are under way beside all else; further ones wait with the other messages."""
NOT_RECORDED = "the log takes nothing at this moment (see /healthz); a tracker that keeps what it sent sends it again"

FAULT = "a fault of this server: its log on the terminal says more; please report it"


class Message(NamedTuple):
    """One message of a tracker."""

    way: str
    heard: Heard | BadValueError
    text: str | bytes
    """As it came, for who looks into the quarantine."""
    address: str = ""
    """Where it came from, by a way that says nothing else of its sender."""
    then: Callable[[bool], None] | None = None
    """Told whether it is in the log, or rightly nowhere: then it may be acknowledged."""
    port: int = 0
    device: str = ""
    """Who sent it, where the message itself cannot be read."""


class Inlet:
    """The way of all receivers of one server into its log. `speakers` know who may speak there."""

    def __init__(self, intake: Intake, speakers: Speakers) -> None:
        self.node, self.quarantine, self.intake = intake.node, intake.quarantine, intake
        self.speakers = speakers
        self._waiting: list[Message] = []
        self._come, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._calls: set[asyncio.Task[None]] = set()

    def take(self, message: Message) -> bool:
        """Take one message; False where too many wait already."""
        heard = message.heard
        if isinstance(heard, Heard) and heard.pressed and len(self._calls) < CALLS_AT_ONCE:
            call = asyncio.get_running_loop().create_task(self._record([message]))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            return True
        if len(self._waiting) >= WAITING_MAX:
            self._room.clear()
            return False
        self._waiting.append(message)
        self._come.set()
        return True

    async def room(self) -> None:
        """Wait until messages are taken again."""
        await self._room.wait()

    def set_aside(self, way: str, device: str, reason: str, words: str, message: str | bytes) -> None:
        """Put what a receiver itself refuses into quarantine."""
        message = message if isinstance(message, str) else message.decode(errors="replace")
        self.quarantine.add(self.node.clock.now_ms(), way, device, reason, words, message)

    async def run(self) -> None:
        """Record what comes, until cancelled."""
        while True:
            await self._come.wait()
            await asyncio.sleep(GATHER_S)
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._record(batch)
                self._room.set()
            self._come.clear()

    async def _record(self, batch: list[Message]) -> None:
        groups: dict[tuple[str, bool], list[Message]] = {}
        is_open = self.speakers.open
        for message in batch:
            # the way says who speaks; and this machine, where nobody is configured, may say everything
            sure = not message.address or (is_open and message.address in LOOPBACK)
            groups.setdefault((message.way, sure), []).append(message)
        for (way, sure), messages in groups.items():
            hearing = Hearing(self.intake, way, ANYONE, way, pinned=sure)
            for message in messages:
                hearing.hear(message.heard, message.text, message.address, message.port, device=message.device)
            try:
                # a call that the disk has no room for alarms all the same, but what is acknowledged is on record
                kept = all(one.recorded for one in await hearing.finish())
            except LogError as error:
                kept = False
                log_.warning("%d messages by %s are not in the log: %s", len(messages), way, error)
                for message in messages:
                    self.set_aside(way, "", "not_recorded", NOT_RECORDED, message.text)
            except Exception:  # a fault of ours: this message must not end the server, nor come again for ever
                kept = True
                log_.exception("messages by %s could not be recorded", way)
                for message in messages:
                    self.set_aside(way, "", "fault", FAULT, message.text)
            for message in messages:
                if message.then is not None:
                    message.then(kept)
