"""How a machine of a pair speaks to its witness: as long as it leads it says so, and when the leader falls silent it
asks to lead."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from contextlib import suppress
from typing import Any

import httpx

from geo_backup.errors import LogError
from geo_backup.pair.follower import Follower
from geo_backup.pair.leader import Leader
from geo_backup.pair.ledger import LEASE_S, SILENT_S
from geo_backup.pair.log import PairedLog

log_ = logging.getLogger("geo_backup.pair")

RENEW_S = 1.0
ANSWER_S = 1.0
AGAIN_S = 0.2
ALONE_WITHIN_S = 2.0
FIRST_WITHIN_S = 10.0
UNHEARD_S = 5.0


class Witnessed:
    """One machine's dealings with the witness at `url`; run it as long as the process lives."""

    def __init__(self, url: str, token: str | None, log: PairedLog, leader: Leader, follower: Follower) -> None:
        self.url, self.log, self._leader, self._follower = url, log, leader, follower
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        verify = ssl.create_default_context() if url.startswith("https") else True
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=ANSWER_S, trust_env=False, verify=verify)
        self._until_s = 0.0
        """Until when the witness lets this machine write."""
        self._one_at_a_time = asyncio.Lock()
        self._going_alone = False
        self.refused = ""
        """Why this machine may not lead."""
        self._heard_s = time.monotonic()
        log.may_write, log.before_alone = self.may_write, self.before_alone

    def may_write(self) -> bool:
        """Whether the witness or the standby was heard so lately that nobody else can have begun to lead."""
        standby = self._leader.standby
        until_s = max(self._until_s, standby.answered_s + LEASE_S if standby is not None else 0.0)
        return time.monotonic() < until_s

    async def first(self) -> None:
        """At the start: be let to write, or learn who leads. Raises LogError where the witness does not answer."""
        until_s = time.monotonic() + FIRST_WITHIN_S
        while self.log.leads and not await self._renew():
            if time.monotonic() > until_s:
                raise LogError(
                    f"the witness {self.url} does not answer, so who leads cannot be known: start it first. If the "
                    "other machine is gone or stopped for certain, start this one without --witness, and remove the "
                    "witness's file before it starts again: by that the standby would still be complete"
                )
            await asyncio.sleep(0.2)

    async def run(self) -> None:
        """Say that this machine leads, each second that it does; ask to lead when the one that does is silent."""
        while True:
            if self.log.leads:
                known = await self._renew()
            elif self._follower.silent_s > SILENT_S:
                known = await self.ask_to_lead()
            else:
                self.refused, known = "", True
                await self._ask("/healthz")
            await asyncio.sleep(RENEW_S if known else AGAIN_S)

    async def before_alone(self) -> None:
        """Have the witness know that the standby lacks something from now on. Raises LogError where it does not answer:
        then the standby may be let to lead, and nothing may be acknowledged that it lacks."""
        self._going_alone = True
        try:
            until_s = time.monotonic() + ALONE_WITHIN_S
            while time.monotonic() < until_s:
                if await self._renew():
                    self.log.step_out()
                    return
                await asyncio.sleep(0.1)
        finally:
            self._going_alone = False
        raise LogError("neither the standby nor the witness takes part: whether this is kept is not known")

    async def _renew(self) -> bool:
        log = self.log
        async with self._one_at_a_time:
            if not log.leads or (log.terms and log.term.leader != log.memory.name):
                return False  # led past while it waited
            standby = log.memory.other if log.in_step and not self._going_alone else ""
            said = {"log": log.epoch, "term": log.term.number, "leader": log.memory.name, "url": log.url}
            sent_s = time.monotonic()
            answer = await self._ask("/v1/lease", {**said, "standby": standby})
        if answer is None:
            return False
        if answer.get("granted"):
            self._until_s = sent_s + LEASE_S
            return True
        log.learn({**answer, "log": log.epoch, "role": "leading", "name": answer.get("leader", "")})
        return False

    async def ask_to_lead(self) -> bool:
        """The leader has been silent for a while: lead, if the witness has not heard it either; whether it does."""
        log = self.log
        if log.role != "following" or log.memory.given:
            return False
        number, sent_s = log.term.number + 1, time.monotonic()
        said = {"log": log.epoch, "term": number, "leader": log.memory.name, "url": log.url}
        answer = await self._ask("/v1/claim", said)
        if answer is None or log.role != "following" or self._follower.silent_s <= SILENT_S:
            return False
        if answer.get("granted"):
            self._until_s = sent_s + LEASE_S
            with suppress(LogError):
                await self._follower.take_over(number, "witnessed")
        elif not self.refused:  # once, until the leader is heard again
            self.refused = str(answer.get("words"))
            log_.warning("this machine may not lead yet: %s", self.refused)
        return log.leads

    @property
    def words(self) -> str:
        """That the witness is not heard, and what to do; empty while it is."""
        if time.monotonic() - self._heard_s <= UNHEARD_S:
            return ""
        return (
            f"the witness {self.url} does not answer: no machine would take over by itself. Start it, or mend --witness"
        )

    async def _ask(self, path: str, said: dict[str, Any] | None = None) -> dict[str, Any] | None:
        try:
            answer = await (self._http.get(path) if said is None else self._http.post(path, json=said))
            found: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError):
            return None
        if answer.status_code in (401, 403):
            log_.warning("%s does not know this machine's token: GEO_BACKUP_WITNESS_TOKEN names it", self.url)
            return None
        if not answer.is_success:
            return None
        self._heard_s = time.monotonic()
        return found
