"""The gate: what every request passes before a route is looked for. One look over its head, then four questions: does
a proxy that is believed bring it, is it for this server and of a size, who speaks, and how much do they ask for."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from geo_backup.people import ANYONE, Principal
from geo_backup.server.asked import Asked, Refusal
from geo_backup.server.bounds import Bounds
from geo_backup.server.proxy import NO_PROXY, Proxies
from geo_backup.server.rates import Rates
from geo_backup.server.speaker import SPEAKING, Speakers

LATER = (401, 429)
"""Who shows nothing that holds is refused where something is asked for, and who tries it too often by `Rates`."""


class Gate:
    """ASGI middleware; see the module. `hosts` are the names, besides loopback's, that it answers to where nobody is
    configured."""

    def __init__(
        self, app: ASGIApp, *, speakers: Speakers, proxies: Proxies = NO_PROXY, hosts: tuple[str, ...] = ()
    ) -> None:
        self.app, self.speakers, self.proxies = app, speakers, proxies
        self.bounds, self.rates = Bounds(hosts), Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        asked = self.proxies.seen_through(Asked.of(scope))
        if isinstance(asked, Refusal):
            await asked.tell(scope, receive, send)
            return
        is_open = self.speakers.open
        who = self.bounds.refusal(asked, is_open) or await self.speakers.of(asked, is_open)
        if isinstance(who, Refusal) and (asked.is_feed or who.status not in LATER):
            await who.tell(scope, receive, send)
            return
        asked.scope.setdefault("state", {})["who"] = who
        mark = SPEAKING.set(who if isinstance(who, Principal) else ANYONE)
        try:
            if asked.is_feed:
                await self.app(asked.scope, receive, send)
            else:
                await self._counted(asked, who, receive, send)
        finally:
            SPEAKING.reset(mark)

    async def _counted(self, asked: Asked, who: Principal | Refusal | None, receive: Receive, send: Send) -> None:
        """Pass on a request that is counted while it is under way, and so is its body."""
        body = self.bounds.takes(asked, receive)
        if isinstance(body, Refusal):
            await body.tell(asked.scope, receive, send)
            return
        try:
            used, receive = await self.rates.enters(asked, who, body.receive)
            if isinstance(used, Refusal):
                await used.tell(asked.scope, receive, send)
                return
            used.under_way += 1
            try:
                await self.app(asked.scope, receive, send)
            finally:
                used.under_way -= 1
        finally:
            body.ends()
