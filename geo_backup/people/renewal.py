"""Sessions that live by an identity provider's word: it is asked again before its word is over, in the background.

What it is asked with (a refresh token) is kept in memory alone. After a restart of the server, or where the provider
gives none, a session ends when its word does. A provider that cannot be reached ends nobody's: those sessions go on
until their shift is over.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

from geo_backup.errors import TokenError
from geo_backup.people.principal import Principal
from geo_backup.people.provider import RETRY_S, Provider, Vouched
from geo_backup.people.sessions import Sessions

log_ = logging.getLogger("geo_backup.access")

AHEAD_S = 60.0
"""So long before its word is over the provider is asked again; half of the time that is left where that is less."""
AT_ONCE = 8
"""Questions that are under way to the provider."""
KEPT_MAX = 10_000


@dataclass
class _Kept:
    vouched: Vouched
    due_s: float
    asking: asyncio.Task[None] | None = None


class Renewal:
    """The sessions that are renewed, by their ids. It lives on one event loop."""

    def __init__(self, provider: Provider, sessions: Sessions) -> None:
        self._provider, self._sessions = provider, sessions
        self._kept: dict[str, _Kept] = {}
        self._ended: list[Principal] = []

    def keep(self, session_id: str, vouched: Vouched) -> None:
        """From now on this session is renewed, if the provider gave something to ask with."""
        if vouched.refresh and len(self._kept) < KEPT_MAX:
            self._kept[session_id] = _Kept(vouched, self._due_s(vouched.who))

    def forget(self, session_id: str) -> None:
        """The session is over."""
        self._kept.pop(session_id, None)

    def tend(self) -> None:
        """Ask about those whose time is nearly over."""
        now_s = self._provider.now_s()
        under_way = sum(one.asking is not None for one in self._kept.values())
        due = [(session_id, one) for session_id, one in self._kept.items() if one.asking is None and one.due_s <= now_s]
        for session_id, one in due[: max(AT_ONCE - under_way, 0)]:
            one.asking = asyncio.create_task(self._ask(session_id, one))

    def take_ended(self) -> list[Principal]:
        """Whose sessions have ended since this was last asked, because the provider vouches for them no more."""
        ended, self._ended = self._ended, []
        return ended

    async def _ask(self, session_id: str, one: _Kept) -> None:
        one.due_s = self._provider.now_s() + RETRY_S
        try:
            one.vouched = await self._provider.renew(one.vouched)
            one.due_s = self._due_s(one.vouched.who)
        except TokenError as error:
            if error.status != 503:
                log_.info("a session ends: %s", error)
                self._ended.append(replace(one.vouched.who, session=session_id))
                self.forget(session_id)
                await asyncio.to_thread(self._sessions.end, session_id)
                return
            # whoever is at work stays at work while the provider is down
            until_ms = round((self._provider.now_s() + 2 * RETRY_S + AHEAD_S) * 1000)
            one.vouched = one.vouched._replace(who=replace(one.vouched.who, until_ms=until_ms))
        finally:
            one.asking = None
        if not await asyncio.to_thread(self._sessions.prolong, session_id, one.vouched.who):
            self.forget(session_id)

    def _due_s(self, who: Principal) -> float:
        now_s = self._provider.now_s()
        left_s = max((who.until_ms or 0) / 1000 - now_s, 0.0)
        return now_s + left_s - min(AHEAD_S, left_s / 2)
