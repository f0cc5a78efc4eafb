"""The identity provider of a site as a server meets it: its keys, whose token this is, and signing in by it.

Tokens are judged by keys that are already here, so nobody waits for the provider. Its keys are asked for every five
minutes and when a token names one that is not known; the last good ones are kept in memory and on the disk, and hold
for a day when it cannot be reached.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_plus, urlencode, urlsplit

from geo_backup.errors import OutboundError, TokenError
from geo_backup.outbound import Outbound
from geo_backup.people.oidc import Claims, Keys, Oidc
from geo_backup.people.principal import Principal
from geo_backup.people.secret import is_jwt, token_hash

log_ = logging.getLogger("geo_backup.access")

FRESH_S = 300.0
RETRY_S = 30.0
"""The provider is asked again no sooner, whatever tokens say."""
KEPT_S = 24 * 3600.0
"""The last good keys hold for so long when the provider cannot be reached."""
WAIT_S = 6.0
"""So long a token with an unknown key waits for the provider's answer."""
SIGN_IN_S = 600.0
WORD_HOLDS = "who is signed in stays so until their shift is over"
LASTS_S = 300.0
"""How long a provider vouches for somebody where it does not say."""
KNOWN_MAX = 10_000
DOCUMENT_MAX = 256_000
ENDPOINTS = ("jwks_uri", "authorization_endpoint", "token_endpoint")


def keys_beside(roster: Path) -> Path:
    """Where the provider's keys are kept: `porto.people.sqlite` has `porto.people.keys.json` beside it."""
    return roster.with_suffix(".keys.json")


@dataclass(frozen=True)
class SignIn:
    """One sign-in under way. All of it is in the cookie of the browser that began it, and a server keeps nothing: the
    state, the nonce and the code verifier (PKCE) are digests of that one secret."""

    cookie: str

    @classmethod
    def begin(cls, now_s: float) -> SignIn:
        """A new one, which has to be over within ten minutes."""
        return cls(f"{int(now_s + SIGN_IN_S)}.{secrets.token_urlsafe(32)}")

    @property
    def state(self) -> str:
        return self._digest("state")

    @property
    def nonce(self) -> str:
        return self._digest("nonce")

    @property
    def verifier(self) -> str:
        return self._digest("verifier")

    def is_ended_by(self, state: str, now_s: float) -> bool:
        """Whether an answer is to this sign-in, and in time."""
        until_s, _, secret = self.cookie.partition(".")
        in_time = until_s.isascii() and until_s.isdigit() and now_s < int(until_s[:16]) <= now_s + SIGN_IN_S
        return len(secret) >= 43 and in_time and hmac.compare_digest(self.state.encode(), state.encode())

    def _digest(self, use: str) -> str:
        return _base64(hashlib.sha256(f"{use} {self.cookie}".encode()).digest())


class Vouched(NamedTuple):
    """Somebody for whom the provider vouches until `who.until_ms`, and what it is asked with for longer; empty: it
    gave nothing for that."""

    who: Principal
    refresh: str


class TokenRefused(ValueError):
    """The provider says that a grant is over: the person left, was locked, or signed out there."""


class Provider:
    """See the module. It lives on one event loop; `kept` is the file of the last good keys."""

    def __init__(
        self, oidc: Oidc, outbound: Outbound, kept: Path | None = None, *, now_s: Callable[[], float] = time.time
    ) -> None:
        self.oidc, self._outbound, self._kept, self.now_s = oidc, outbound, kept, now_s
        self._keys = Keys()
        self._endpoints: dict[str, Any] = {}
        self._got_s = self._asked_s = float("-inf")
        """When its keys came (UTC epoch), and when it was last asked."""
        self._asking: asyncio.Task[None] | None = None
        self._failures: dict[str, str] = {}
        self._known: OrderedDict[str, Principal] = OrderedDict()
        """By the hashes of their tokens: who has shown one that holds."""
        self._take_kept()

    # ---- tokens

    def who(self, token: str) -> Principal:
        """Whose access token this is, by the keys at hand. Raises TokenError."""
        hashed, now_ms = token_hash(token), self.now_s() * 1000
        known = self._known.get(hashed)
        if known is None:
            who = self.oidc.principal(self.oidc.claims_of(token, self._held()))
            known = self._known[hashed] = replace(who, session=f"oidc-{hashed[:16]}")
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        if known.until_ms is not None and known.until_ms <= now_ms:
            del self._known[hashed]
            raise TokenError(401, "over", "this token is over; get a new one from the identity provider")
        return known

    def again(self, who: Principal) -> Principal | None:
        """Somebody who showed a token a while ago; None when it is over."""
        return who if who.until_ms is not None and self.now_s() * 1000 < who.until_ms else None

    async def meet(self, token: str) -> None:
        """Before `who`: where a token names a key that is not here, ask the provider, at most every 30 s."""
        if not is_jwt(token) or token_hash(token) in self._known:
            return
        try:
            self._held().find(token)
        except TokenError as error:
            if error.reason in ("key", "unreachable"):
                await self._ask(RETRY_S)

    def _held(self) -> Keys:
        """The keys that hold now. Raises TokenError 503 when there are none."""
        if self.now_s() - self._got_s > KEPT_S:
            raise self._unreachable()
        return self._keys

    def _unreachable(self) -> TokenError:
        words = f"{self.oidc.button} cannot be reached; passwords and tokens of this server still hold"
        return TokenError(503, "unreachable", words)

    # ---- its keys

    def tend(self) -> None:
        """Ask for its keys in the background where it is time to."""
        if self._is_past(self._got_s, FRESH_S) and self._is_past(self._asked_s, RETRY_S):
            self._begin_asking()

    def _is_past(self, at_s: float, after_s: float) -> bool:
        """Whether so long has gone by; a time that is yet to come was told by a clock that was wrong."""
        return not 0.0 <= self.now_s() - at_s < after_s

    async def _ask(self, after_s: float) -> None:
        """Wait until the provider has answered, unless it was asked less than so long ago."""
        if self._asking is None and not self._is_past(self._asked_s, after_s):
            return
        await asyncio.wait({self._begin_asking()}, timeout=WAIT_S)

    def _begin_asking(self) -> asyncio.Task[None]:
        if self._asking is None:
            self._asked_s = self.now_s()
            self._asking = asyncio.create_task(self._fetch())
            self._asking.add_done_callback(self._asked)
        return self._asking

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking = None
        if task.cancelled():
            return
        error = task.exception()
        failure = "" if error is None else str(error) or type(error).__name__
        self._told("its last good keys hold for a day", failure)

    def _told(self, holds: str, failure: str) -> None:
        """Say once what fails, and what holds all the same."""
        if failure and failure != self._failures.get(holds):
            log_.warning("the identity provider: %s; %s", failure, holds)
        self._failures[holds] = failure

    async def _fetch(self) -> None:
        """Its endpoints and keys. Raises OutboundError or ValueError; what is here stays then."""
        if self.oidc.jwks_file is not None:
            self._keys = Keys.of(json.loads(await asyncio.to_thread(self.oidc.jwks_file.read_bytes)))
            self._got_s = self.now_s()
            return
        base = self.oidc.issuer.removesuffix("/")
        found = await self._document(f"{base}/.well-known/openid-configuration")
        if found.get("issuer") != self.oidc.issuer:
            words = f"calls itself {found.get('issuer')!r}, not {self.oidc.issuer!r}: write it the same, to the letter"
            raise ValueError(f"{urlsplit(base).hostname} {words}")
        for name in ENDPOINTS if self.oidc.client_id else ENDPOINTS[:1]:
            self._outbound.check(str(found.get(name)))
        jwks = await self._document(found["jwks_uri"])
        keys = Keys.of(jwks)
        names = (*ENDPOINTS, "token_endpoint_auth_methods_supported")
        self._keys, self._endpoints = keys, {name: found[name] for name in names if name in found}
        self._got_s = self.now_s()
        document = {"issuer": self.oidc.issuer, "got_s": self._got_s, "endpoints": self._endpoints, "jwks": jwks}
        if self._kept is not None:
            await asyncio.to_thread(_keep, self._kept, json.dumps(document))

    async def _document(self, url: str) -> dict[str, Any]:
        reply = await self._outbound.fetch(url, most_bytes=DOCUMENT_MAX)
        return _json(url, reply.status, reply.body)

    def _take_kept(self) -> None:
        """What was kept on the disk, if it is of this issuer; a file that cannot be read is none."""
        if self._kept is None or self.oidc.jwks_file is not None:
            return
        try:
            document = json.loads(self._kept.read_bytes())
            if document["issuer"] == self.oidc.issuer:
                self._keys, self._endpoints = Keys.of(document["jwks"]), dict(document["endpoints"])
                self._got_s = min(float(document["got_s"]), self.now_s())
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError) as error:
            log_.warning("%s holds no keys of the identity provider: %s", self._kept, error)

    # ---- signing in

    async def begin_sign_in(self) -> tuple[str, str]:
        """The cookie of a new sign-in, and where its browser goes. Raises TokenError 503 when the provider cannot be
        reached."""
        if not self._endpoints:
            await self._ask(RETRY_S)
        if not self._endpoints:
            raise self._unreachable()
        sign_in = SignIn.begin(self.now_s())
        challenge = _base64(hashlib.sha256(sign_in.verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self.oidc.client_id,
            "redirect_uri": self.oidc.redirect_url,
            "scope": self.oidc.scope,
            "state": sign_in.state,
            "nonce": sign_in.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        url: str = self._endpoints["authorization_endpoint"]
        return sign_in.cookie, f"{url}{'&' if '?' in url else '?'}{urlencode(asked)}"

    async def end_sign_in(self, cookie: str, state: str, code: str, issuer: str) -> Vouched:
        """Who has signed in: by the cookie of the browser that began, and what the provider sent it back with (RFC 9207
        lets it name itself). Raises TokenError."""
        sign_in = SignIn(cookie)
        if not sign_in.is_ended_by(state, self.now_s()):
            words = f"this answers no sign-in that this browser began within ten minutes at {self.oidc.public_url}"
            raise TokenError(403, "state", words)
        if issuer not in ("", self.oidc.issuer):
            raise TokenError(403, "issuer", "this is the answer of another identity provider; begin again")
        if not code:
            raise TokenError(403, "code", f"{self.oidc.button} did not let you sign in; begin again")
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": sign_in.verifier}
        try:
            got = await self._tokens({**form, "redirect_uri": self.oidc.redirect_url})
        except (OutboundError, ValueError) as error:
            log_.warning("signing in by the identity provider: %s", error)
            words = f"{self.oidc.button} did not vouch for this sign-in; begin again. The server's log says more"
            raise TokenError(502, "code", words) from None
        id_token = _text(got, "id_token")
        await self.meet(id_token)
        claims = self.oidc.signed_in(id_token, self._held(), sign_in.nonce)
        who = self.oidc.principal(self._with_roles(claims, _text(got, "access_token")))
        return Vouched(who, _text(got, "refresh_token"))

    async def renew(self, vouched: Vouched) -> Vouched:
        """Ask whether the provider still vouches for somebody, and in which roles. Raises TokenError: 503 where it
        cannot be asked or is in trouble, any other where it does not vouch for them any more."""
        who, refresh = vouched
        try:
            got = await self._tokens({"grant_type": "refresh_token", "refresh_token": refresh})
        except (OutboundError, ValueError) as error:
            if isinstance(error, TokenRefused):
                raise TokenError(401, "refused", f"{self.oidc.button} does not vouch for {who.id} any more") from None
            self._told(WORD_HOLDS, str(error) or type(error).__name__)
            raise self._unreachable() from None
        self._told(WORD_HOLDS, "")
        id_token, access_token = _text(got, "id_token"), _text(got, "access_token")
        refresh = _text(got, "refresh_token") or refresh
        if id_token:
            await self.meet(id_token)
            claims = self.oidc.renewed(id_token, self._held(), who)
            return Vouched(self.oidc.principal(self._with_roles(claims, access_token)), refresh)
        # a provider need not send an ID token again: it vouches for whom it named, as long as it says
        lasts_s = got.get("expires_in")
        lasts_s = min(max(lasts_s, RETRY_S), KEPT_S) if type(lasts_s) is int else LASTS_S
        return Vouched(replace(who, until_ms=int((self.now_s() + lasts_s) * 1000)), refresh)

    async def _tokens(self, said: Mapping[str, str]) -> dict[str, Any]:
        """What the token endpoint answers. Raises OutboundError or ValueError, TokenRefused for what is over."""
        url = self._endpoints.get("token_endpoint")
        if url is None:
            raise self._unreachable()
        form, headers = self._as_client(said)
        reply = await self._outbound.fetch(url, form=form, headers=headers, most_bytes=DOCUMENT_MAX)
        if reply.status == 400 and b'"invalid_grant"' in reply.body:
            raise TokenRefused(f"{urlsplit(url).hostname} answered 400 (invalid_grant)")
        return _json(url, reply.status, reply.body)

    def _with_roles(self, claims: Claims, access_token: str) -> Claims:
        """Some providers say a person's roles in the access token alone."""
        if self.oidc.has_roles(claims) or not is_jwt(access_token):
            return claims
        try:
            more = self.oidc.claims_of(access_token, self._held())
        except TokenError:
            return claims
        return {**more, **claims} if more["sub"] == claims["sub"] else claims

    def _as_client(self, form: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
        """Form and headers by which the provider knows this server."""
        name, secret = self.oidc.client_id, self.oidc.client_secret
        ways = self._endpoints.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret and "client_secret_basic" in ways:
            pair = base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()
            return dict(form), {"Authorization": f"Basic {pair}"}
        return {**form, "client_id": name, **({"client_secret": secret} if secret else {})}, {}


def _json(url: str, status: int, body: bytes) -> dict[str, Any]:
    """A JSON object. Raises ValueError, which names the host and what it says of itself, never what it was sent."""
    host = urlsplit(url).hostname
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if status != 200:
        error = document.get("error") if isinstance(document, dict) else None
        told = f" ({str(error)[:40]})" if error else ""
        raise ValueError(f"{host} answered {status}{told}")
    if not isinstance(document, dict):
        raise ValueError(f"{host} did not answer with a JSON object")
    return document


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _keep(path: Path, text: str) -> None:
    """Whole or not at all."""
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(0o600)
    beside.replace(path)


def _base64(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
