"""Who is speaking: from what a request shows (a token, a session's cookie) to a principal, before anything is read.

The gate asks `Speakers`, and puts the answer where handlers and facts learn it: `speaking()`, `said_by()`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs

from starlette.requests import cookie_parser
from starlette.types import Scope

from geo_backup.errors import TokenError
from geo_backup.events import Event
from geo_backup.people import ANYONE, ROLES, Principal, Roster
from geo_backup.people.principal import CENTRE, PHONE
from geo_backup.people.secret import is_jwt, new_token, token_hash
from geo_backup.server.asked import Asked, Refusal
from geo_backup.server.problems import bad_value

if TYPE_CHECKING:  # only a site with an identity provider pays for what reads its tokens
    from geo_backup.people.provider import Provider
    from geo_backup.people.renewal import Renewal

log_ = logging.getLogger("geo_backup.access")

COOKIE = "geo_backup_session"
UNIT_COOKIE = "geo_backup_unit"
"""Of an officer's page, so that it and a desk's may stand in one browser without taking each other's place ..."""
UNIT_PAGE_HEADER = b"x-unit-page"
"""... by this header, which that page sends with each request; where it opens the feed, by `FEED_OF_UNIT_PAGE`."""
FEED_OF_UNIT_PAGE = b"page=unit"
CSRF_HEADER = b"x-csrf-token"
TAKES_TOKEN_IN_URL, TOKEN_IN_URL = "/v1/osmand", "token"
"""Where a token may stand in the address: apps that speak there send neither headers nor passwords."""
WRONG_PER_MINUTE = 20
"""Wrong tokens of one source within a minute; further ones are answered 429 until it is over."""
SOURCES_KEPT = 4_096
WRONG = "this token or session does not hold: it is wrong, over or revoked; sign in again"
SIGNING_IN = 2
"""Passwords that are judged at a time, each in a thread that others need too."""
TICKET_S = 30.0
LOOKED_S = 900.0
"""That somebody reads answers is recorded once in so long, not each time."""
LINK_S = 300.0
LINKED_S = 12 * 3600.0
TICKETS_KEPT = 10_000
OPEN_MANNER = (
    "nobody is configured: whoever reaches this port may do everything, and the log does not know who they were; "
    "`geo-backup people add` changes that"
)

SPEAKING: ContextVar[Principal] = ContextVar("speaking", default=ANYONE)

E = TypeVar("E", bound=Event)


def speaking() -> Principal:
    """Who said what this request says."""
    return SPEAKING.get()


def said_by(channel: str) -> str:
    """How a fact of this request names who said it; where nobody is configured, the channel that it came by."""
    who = SPEAKING.get()
    return channel if who.kind == "anyone" else who.said_by


def named(by: str | None) -> str:
    """Who decided, for a fact that names them: who speaks, and beside them whom they speak for, as on the radio.

    Raises `Problem` 422 where nobody is configured and the request does not say who it is either.
    """
    who = SPEAKING.get()
    if who.kind == "anyone":
        if by is None:
            raise bad_value("/by", "missing", "say who decides: nobody is signed in here")
        return by
    return who.said_by if by in (None, who.id, who.name) else f"{by}, says {who.said_by}"


def own_agency() -> str:
    """The agency whose work this is where a request names none: that of who speaks; empty: everybody's."""
    who = SPEAKING.get()
    return "" if who.agency == CENTRE else who.agency


def signed(event: E) -> E:
    """An event with the name of who said it. Whatever a handler put there gives way to it."""
    who = SPEAKING.get()
    return event if who.kind == "anyone" else replace(event, said_by=who.said_by)


def speaker_of(scope: Scope) -> Principal | None:
    """Who speaks in a request, as the gate found it out; None: nobody said."""
    who = scope.get("state", {}).get("who")
    return who if isinstance(who, Principal) else None


def refused_of(scope: Scope) -> str:
    """Why what a request shows does not hold; empty where it does, or where nothing is shown."""
    who = scope.get("state", {}).get("who")
    return who.words if isinstance(who, Refusal) else ""


class Speakers:
    """Everybody who may speak here: the roster, the identity provider's people, the server's own token, and tickets
    that hold for one use. With none of the first three the server keeps its open manner: everybody is `ANYONE`.
    """

    def __init__(
        self,
        roster: Roster | None = None,
        token: str | None = None,
        provider: Provider | None = None,
        *,
        carried: Callable[[str], str | None] = lambda device_id: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.roster, self.provider = roster, provider
        self._carried = carried
        """The unit that carries a device, where somebody gave it to one."""
        self.renewal: Renewal | None = None
        if provider is not None and roster is not None:
            from geo_backup.people.renewal import Renewal

            self.renewal = Renewal(provider, roster.sessions)
        self.signing_in = asyncio.Semaphore(SIGNING_IN)
        self._token = token_hash(token) if token is not None else None
        self._now_s = now_s
        self._secret = roster.file.secret() if roster is not None else secrets.token_bytes(32)
        self._tickets: OrderedDict[str, tuple[float, Principal, str]] = OrderedDict()
        """By hash: until when, whose, and for what."""
        self._links: dict[str, tuple[float, Principal, Principal]] = {}
        """Sessions that a one-time link or a token began, by hash: until when, whose, and who showed what began them.
        They end with the token, and with the process."""
        self._active: dict[str, tuple[float, Principal]] = {}
        """By session: when its person last typed or clicked."""
        self._looked: dict[tuple[str, str, str], float] = {}
        self.lookers: list[tuple[Principal, str, str]] = []
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()
        self.refused: dict[str, int] = {}
        """Wrong tokens by source since `take_refused` was last called."""

    @property
    def open(self) -> bool:
        """Whether nobody is configured."""
        return self._token is None and self.provider is None and (self.roster is None or self.roster.empty())

    async def of(self, asked: Asked, is_open: bool) -> Principal | Refusal | None:
        """Who shows what a request shows; None: nothing is shown. A session's cookie needs the page's own word beside
        it, where something may change. `is_open`: nobody is configured."""
        shown, by_cookie = self.shown(asked)
        if is_open:  # a link only says who they are
            if asked.forwarded:
                words = "a proxy stands before a server for which nobody is configured: " + OPEN_MANNER
                return Refusal(403, words)
            found = self.who(shown) if shown else None
        elif not shown:
            return None
        else:
            if self.provider is not None:
                await self.provider.meet(shown)
            try:
                found = self.who(shown)
            except TokenError as error:
                words = str(error)
                return self.is_wrong(asked.source, words) if error.status == 401 else Refusal(error.status, words)
        if found is None:
            if is_open:
                return ANYONE
            # a cookie whose session is over comes by the browser's own doing: nobody tries anything
            return None if by_cookie else self.is_wrong(asked.source)
        if not asked.changes:
            self.is_there(found)
        elif by_cookie:
            if not hmac.compare_digest(asked.headers.get(CSRF_HEADER, b""), csrf_of(shown).encode()):
                words = f"a page shows `{CSRF_HEADER.decode()}` with its session's cookie; GET /v1/session tells it"
                return Refusal(403, words)
            self.is_active(found)
        return found

    def shown(self, asked: Asked) -> tuple[str, bool]:
        """The token or session that a request shows, and whether it came as a cookie, by the browser's own doing."""
        given = asked.header(b"authorization")
        if given[:7].lower() == "bearer ":
            return given[7:].strip(), False
        if given[:6].lower() == "basic " and (password := _password(given[6:])):
            return password, False
        if asked.scope["path"] == TAKES_TOKEN_IN_URL:
            found = parse_qs(asked.scope["query_string"].decode("latin-1")).get(TOKEN_IN_URL, [""])[0]
            if found or not asked.changes:  # a link must not move a unit by somebody's cookie
                return found, False
        by_unit = UNIT_PAGE_HEADER in asked.headers or (
            asked.is_feed and asked.scope["query_string"] == FEED_OF_UNIT_PAGE
        )
        cookie = cookie_parser(asked.header(b"cookie")).get(UNIT_COOKIE if by_unit else COOKIE)
        return (cookie, True) if cookie is not None else ("", False)

    def who(self, shown: str) -> Principal | None:
        """Whose token or session this is, if it holds now. Raises TokenError for one of the provider that does not."""
        if self.provider is not None and is_jwt(shown):
            return self.provider.who(shown)
        hashed = token_hash(shown)
        if self._token is not None and hmac.compare_digest(hashed, self._token):
            return SERVER
        begun = self._links.get(hashed)
        if begun is not None:
            return begun[1] if self._stands(begun[0], begun[2]) else None
        return self._carried_by(self.roster.whose(hashed)) if self.roster is not None else None

    def _carried_by(self, who: Principal | None) -> Principal | None:
        """A device that was given to a unit speaks for that one, whatever its token was issued for."""
        unit_id = self._carried(who.id) if who is not None and who.kind == "device" else None
        return who if who is None or unit_id is None else replace(who, units=frozenset((unit_id,)))

    def link(self, who: Principal) -> str:
        """The secret of a link that opens the page once, as somebody, within five minutes."""
        return self._ticket(who, "link", LINK_S)

    def open_link(self, ticket: str) -> str | None:
        """The session that a link begins; None when it was used before, or too late."""
        who = self._take(ticket, "link")
        if who is None:
            return None
        return self.begin(who)

    def ticket(self, who: Principal) -> str:
        """A ticket with which the feed is opened once, within 30 s, where neither header nor cookie can be sent."""
        return self._ticket(who, "feed", TICKET_S)

    def take_ticket(self, ticket: str) -> Principal | None:
        """Whose ticket for the feed this is, if they are still signed in; it is used up."""
        who = self._take(ticket, "feed")
        return None if who is None else self.holds(who)

    def holds(self, who: Principal) -> Principal | None:
        """Somebody as they are now, whose session or token was shown a while ago; None when it is over."""
        if who.kind == "anyone":
            return who if self.open else None
        if who is SERVER:
            return SERVER if self._token is not None else None
        if who.session.startswith("oidc-"):
            return self.provider.again(who) if self.provider is not None else None
        if who.session.startswith("link-"):
            begun = [
                one
                for until_s, one, holder in self._links.values()
                if one.session == who.session and self._stands(until_s, holder)
            ]
            return begun[0] if begun else None
        return self._carried_by(self.roster.again(who)) if self.roster is not None else None

    def _stands(self, until_s: float, holder: Principal) -> bool:
        """Whether what began a session still holds: a token may be revoked, a link's desk is what it was."""
        return self._now_s() < until_s and (not _by_token(holder) or self.holds(holder) is not None)

    def sign_out(self, shown: str, who: Principal) -> None:
        """End a session."""
        kept = who.kind == "person" or who.session.startswith(PHONE)
        if self._links.pop(token_hash(shown), None) is None and self.roster is not None and kept:
            self._end(who)

    @property
    def ways(self) -> list[str]:
        """How somebody may sign in here."""
        if self.open:
            return []
        people = self.roster is not None and bool(self.roster.people.all())
        by_provider = self.provider is not None and bool(self.provider.oidc.client_id)
        return [*(["oidc"] if by_provider else []), *(["password"] if people else []), "token"]

    def begin(self, who: Principal) -> str:
        """A session of somebody who showed a token on the page; it ends with the process."""
        shown = new_token()
        session = replace(who, session=f"link-{secrets.token_hex(6)}")
        now_s = self._now_s()
        for hashed in [hashed for hashed, (until_s, *_) in self._links.items() if until_s < now_s]:
            del self._links[hashed]
        left_s = LINKED_S if who.until_ms is None else min(LINKED_S, who.until_ms / 1000 - time.time())
        self._links[token_hash(shown)] = (now_s + left_s, session, who)
        return shown

    def begin_phone(self, who: Principal, source: str) -> tuple[str, Principal]:
        """A session of an officer's phone: its secret, and who it is. Where nobody is configured it ends with the
        process: kept in the roster it would be the first that is."""
        if self.roster is not None and not self.open:
            return self.roster.sessions.begin_phone(who, source)
        shown = self.begin(who)
        return shown, self._links[token_hash(shown)][1]

    def phones_of(self, unit_id: str) -> list[Principal]:
        """The phones that speak for a unit now, the oldest first."""
        return [one for one in self._phones() if unit_id in one.units]

    def units_with_phones(self) -> set[str]:
        """Units for which a phone speaks now."""
        return {unit_id for one in self._phones() for unit_id in one.units}

    def _phones(self) -> list[Principal]:
        now_s = self._now_s()
        here = [one for until_s, one, _ in self._links.values() if now_s < until_s and one.id.startswith(PHONE)]
        return [*here, *(self.roster.sessions.phones() if self.roster is not None else [])]

    def end_phone(self, who: Principal) -> None:
        """End the session of an officer's phone."""
        links = [hashed for hashed, (_, one, _) in self._links.items() if one.session == who.session]
        for hashed in links:
            del self._links[hashed]
        if not links and self.roster is not None:
            self._end(who)

    def at_console(self, shown: str) -> bool:
        """Whether a session is exempt from ending when nobody types."""
        return self.roster is not None and self.roster.at_console(shown)

    def is_active(self, who: Principal) -> None:
        """Somebody typed or clicked."""
        if _by_page(who):
            self._active[who.session] = (self._now_s(), who)

    def is_there(self, who: Principal) -> None:
        """Somebody's page asks for something: unless it is known already, their time begins now."""
        if _by_page(who):
            self._active.setdefault(who.session, (self._now_s(), who))

    def end_idle(self, idle_s: float) -> list[Principal]:
        """End the sessions in which nobody has been active for so long, those at consoles excepted; whose they were.
        Where nobody is configured, none ends: its page would go on as anybody's."""
        if self.open:
            return []
        now_s = self._now_s()
        idle = [who for since_s, who in self._active.values() if now_s - since_s > idle_s]
        ended = []
        for who in idle:
            del self._active[who.session]
            links = [hashed for hashed, (_, one, _) in self._links.items() if one.session == who.session]
            for hashed in links:
                del self._links[hashed]
            if not links and self.roster is not None:
                if self.roster.is_console(who):
                    continue
                self._end(who)
            ended.append(who)
        return ended

    def _end(self, who: Principal) -> None:
        assert self.roster is not None
        self.roster.sessions.end(who.session)
        if self.renewal is not None:
            self.renewal.forget(who.session)

    def notes(self, who: Principal, right: str, source: str) -> None:
        """Somebody was answered what is recorded: once in `LOOKED_S` for each session and right."""
        now_s, key = self._now_s(), (who.said_by, who.session, right)
        if now_s < self._looked.get(key, float("-inf")):
            return
        if len(self._looked) >= TICKETS_KEPT:
            self._looked = {one: until_s for one, until_s in self._looked.items() if until_s > now_s}
        self._looked[key] = now_s + LOOKED_S
        self.lookers.append((who, right, source))

    def pseudonym(self, name: str) -> str:
        """A name that stands for another, the same as long as the roster lives, and told by nobody."""
        return "x-" + hmac.new(self._secret, name.encode(), hashlib.sha256).hexdigest()[:12]

    def take_lookers(self) -> list[tuple[Principal, str, str]]:
        """Who looked by which right and from where, since this was last asked."""
        lookers, self.lookers = self.lookers, []
        return lookers

    def take_refused(self) -> dict[str, int]:
        """Wrong tokens by source since this was last asked."""
        refused, self.refused = self.refused, {}
        return refused

    def _ticket(self, who: Principal, use: str, lasts_s: float) -> str:
        shown = new_token()
        self._tickets[token_hash(shown)] = (self._now_s() + lasts_s, who, use)
        if len(self._tickets) > TICKETS_KEPT:
            self._tickets.popitem(last=False)
        return shown

    def _take(self, ticket: str, use: str) -> Principal | None:
        until_s, who, of = self._tickets.pop(token_hash(ticket), (0.0, ANYONE, ""))
        return who if of == use and self._now_s() < until_s else None

    def is_wrong(self, source: str, words: str = WRONG) -> Refusal:
        """Count a token that does not hold, and say so."""
        now_s = self._now_s()
        times = self._wrong.setdefault(source, deque(maxlen=WRONG_PER_MINUTE))
        self._wrong.move_to_end(source)
        if len(self._wrong) > SOURCES_KEPT:
            self._wrong.popitem(last=False)
        if len(self.refused) < SOURCES_KEPT:
            self.refused[source] = self.refused.get(source, 0) + 1
        many = len(times) == WRONG_PER_MINUTE and now_s - times[0] < 60.0
        if not many:
            times.append(now_s)
            if len(times) == WRONG_PER_MINUTE:
                log_.warning("%s shows wrong tokens: it is answered 429 for a minute", source)
        if many:
            return Refusal(429, "too many wrong tokens from here; wait a minute. A token that holds is still taken")
        return Refusal(401, words)


SERVER = Principal("program", "server", "*", frozenset(ROLES), name="GEO_BACKUP_TOKEN")
"""Whoever has the server's one token: it opens everything."""


def _by_page(who: Principal) -> bool:
    """Whether somebody speaks by a session, which ends when nobody types."""
    return who.kind == "person" or who.session.startswith("link-")


def _by_token(who: Principal) -> bool:
    """Whether somebody was let in by what they showed, and not by a link that this server made."""
    return who is SERVER or bool(who.session)


def csrf_of(shown: str) -> str:
    """What a page shows beside its cookie with everything that changes something; another origin cannot know it."""
    return hashlib.sha256(b"csrf " + shown.encode()).hexdigest()[:32]


def _password(given: str) -> str:
    """Of Basic authentication, as apps send it that ask for a password: there it is a token."""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
