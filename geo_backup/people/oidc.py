"""OpenID Connect: what a site has said of its identity provider, and what a token of it says of somebody.

Nothing here asks the network; `provider` does. Which algorithms hold is fixed here, and no token has a say in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt import PyJWK

from geo_backup.errors import BadValueError, TokenError
from geo_backup.events import is_id
from geo_backup.people.principal import CENTRE, ROLES, Kind, Principal, Role

ALGORITHMS = ("RS256", "ES256", "EdDSA", "Ed25519")
ED25519 = ("EdDSA", "Ed25519")
"""Two names of one algorithm for a key on that curve: the newer one (RFC 9864) says which curve it is."""
REQUIRED = ["exp", "iat", "iss", "aud", "sub"]
LEEWAY_S = 30
"""So far the clocks of a provider and a server may differ."""
KEYS_MAX = 64
UNITS_MAX = 64
OF_ID_TOKENS = ("nonce", "at_hash", "c_hash")
"""Claims by which an ID token is told: it says who signed in to a client, and opens nothing."""
SECRET_VARIABLE = "GEO_BACKUP_OIDC_SECRET"

Claims = Mapping[str, Any]


@dataclass(frozen=True)
class Keys:
    """The public keys of a provider, by their ids; those that nothing here may be signed with are left out."""

    by_id: Mapping[str, PyJWK] = field(default_factory=dict)
    nameless: tuple[PyJWK, ...] = ()

    @classmethod
    def of(cls, document: object) -> Keys:
        """From a JWK set. Raises ValueError where there is no key that could hold."""
        rows = document.get("keys") if isinstance(document, dict) else None
        by_id: dict[str, PyJWK] = {}
        nameless = []
        for row in rows[:KEYS_MAX] if isinstance(rows, list) else ():
            if not isinstance(row, dict) or row.get("kty") not in ("RSA", "EC", "OKP") or row.get("use") == "enc":
                continue
            try:
                key = PyJWK({**row, "alg": "EdDSA"} if row.get("alg") == row.get("crv") == "Ed25519" else row)
            except jwt.PyJWTError:
                continue  # of a kind that nobody here reads
            if key.algorithm_name not in ALGORITHMS:
                continue
            if isinstance(key.key_id, str):
                by_id[key.key_id] = key
            else:
                nameless.append(key)
        if not by_id and not nameless:
            raise ValueError(f"there is no key for {', '.join(ALGORITHMS)} in it")
        return cls(by_id, tuple(nameless))

    def find(self, token: str) -> PyJWK:
        """The key that a token names. Raises TokenError, with `key` when it is none of these."""
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise TokenError(401, "malformed", "this is no token that anybody could read") from None
        if header.get("alg") not in ALGORITHMS:
            words = f"a token has to be signed with {', '.join(ALGORITHMS)}; this one is not"
            raise TokenError(401, "algorithm", words)
        key_id = header.get("kid")
        found = self.by_id.get(key_id) if isinstance(key_id, str) else None
        if key_id is None and len(self.by_id) + len(self.nameless) == 1:
            found = next(iter((*self.nameless, *self.by_id.values())))
        if found is None:
            raise TokenError(401, "key", "this token is signed with a key that the identity provider does not publish")
        if header["alg"] in ED25519 and isinstance(found.key, Ed25519PublicKey):
            found = copy(found)
            found.algorithm_name = header["alg"]
        return found


@dataclass(frozen=True, kw_only=True)
class Oidc:
    """What a site has said of its provider: the section `[oidc]` of its configuration, checked."""

    issuer: str
    audience: tuple[str, ...]
    """A token has to be for one of these."""
    roles_claim: tuple[str, ...]
    """Where in the claims the names of roles or groups are: one name a level."""
    roles: Mapping[str, Role]
    """Our role for each name there."""
    agency: str = ""
    agency_claim: tuple[str, ...] = ()
    units_claim: tuple[str, ...] = ()
    name: str = ""
    """How a page's button calls the provider."""
    client_id: str = ""
    """How the provider knows this server; without it nobody signs in on the page by the provider."""
    client_secret: str = field(default="", repr=False)
    public_url: str = ""
    """Where people reach the page, without a path; the provider sends them back there."""
    scope: str = "openid profile"
    token_type: str = ""
    """The `typ` that a token's header must have, such as `at+jwt` (RFC 9068); empty: any."""
    jwks_file: Path | None = None
    """The provider's keys, where it cannot be asked."""

    @classmethod
    def of(cls, said: Mapping[str, Any], folder: Path, env: Mapping[str, str]) -> Oidc:
        """Check a section; relative paths are of `folder`. Raises BadValueError, which names key and remedy."""
        unknown = sorted(set(said) - KEYS)
        if unknown:
            raise _bad(unknown[0], f"there is no such key; those that there are: {', '.join(sorted(KEYS))}")
        texts = {key: _text(said, key) for key in TEXTS}
        given: dict[str, Any] = {key: text for key, text in texts.items() if text}
        given["audience"] = _names(said, "audience")
        for key in ("roles_claim", "agency_claim", "units_claim"):
            given[key] = _path(said, key)
        given["roles"] = _roles(said.get("roles"))
        files = {key: folder / _text(said, key) for key in ("jwks_file", "client_secret_file") if _text(said, key)}
        given["jwks_file"] = files.get("jwks_file")
        given["client_secret"] = env.get(SECRET_VARIABLE, "")
        if "client_secret_file" in files and not given["client_secret"]:
            given["client_secret"] = _read(files["client_secret_file"], "client_secret_file").strip()
        return _whole(given, cls)

    @property
    def button(self) -> str:
        """How a page's button calls the provider: as the site does, else by its host."""
        return self.name or urlsplit(self.issuer).hostname or self.issuer

    @property
    def redirect_url(self) -> str:
        """Where the provider sends people back to; it has to be registered there, to the letter."""
        return f"{self.public_url.rstrip('/')}/v1/session/oidc/done"

    # ---- what a token says

    def claims_of(self, token: str, keys: Keys) -> Claims:
        """What an access token says, if it holds. Raises TokenError."""
        key = keys.find(token)
        if self.token_type and _type(token) != self.token_type.lower():
            raise TokenError(401, "type", f"the token's `typ` is not {self.token_type!r}: show an access token")
        claims = self._decoded(token, key, self.audience)
        if any(name in claims for name in OF_ID_TOKENS) or claims.get("typ") == "ID":
            words = "this is an ID token: it says who signed in, and opens nothing. Show the access token"
            raise TokenError(401, "id_token", words)
        return claims

    def signed_in(self, token: str, keys: Keys, nonce: str) -> Claims:
        """What the ID token of a sign-in says, if it is the answer to ours. Raises TokenError."""
        claims = self._decoded(token, keys.find(token), (self.client_id,))
        if claims.get("nonce") != nonce:
            raise TokenError(401, "nonce", "the identity provider answered another sign-in; begin again")
        if claims.get("azp", self.client_id) != self.client_id:
            raise TokenError(401, "audience", "the identity provider answered another client; begin again")
        return claims

    def renewed(self, token: str, keys: Keys, who: Principal) -> Claims:
        """What the ID token says that came with a refresh, if it is of the same person. Raises TokenError."""
        claims = self._decoded(token, keys.find(token), (self.client_id,))
        if self.id_of(str(claims["sub"])) != who.id:
            raise TokenError(401, "subject", "the identity provider vouched for another person; sign in again")
        return claims

    def has_roles(self, claims: Claims) -> bool:
        """Whether the claim with the roles is there at all."""
        return _at(claims, self.roles_claim) is not None

    def principal(self, claims: Claims) -> Principal:
        """Who that is. The same person always has the same id, which no other issuer can give. Raises TokenError 403
        for somebody without a role here."""
        names = _words(_at(claims, self.roles_claim))
        roles = frozenset(self.roles[name] for name in names if name in self.roles)
        where = ".".join(self.roles_claim)
        if not roles:
            words = (
                f"you are known to {self.button}, but have no role here: the claim `{where}` of your token has to name "
                f"one of {', '.join(map(repr, self.roles))}; an administrator of {self.button} sets it"
            )
            raise TokenError(403, "no_role", words)
        agency = self.agency
        if self.agency_claim:
            found = _words(_at(claims, self.agency_claim))
            agency = found[0] if found else agency
        if agency != CENTRE and is_id(agency) is None:
            words = f"no agency: the claim `{'.'.join(self.agency_claim)}` of your token has to name yours"
            raise TokenError(403, "no_agency", words)
        units = [name for name in _words(_at(claims, self.units_claim)) if is_id(name)][:UNITS_MAX]
        machine = claims["sub"] in (claims.get("azp"), claims.get("client_id"))
        kind: Kind = "program" if machine else "person"
        shown = next((claims[name] for name in ("name", "preferred_username", "email") if _is_text(claims, name)), "")
        until_ms = (int(claims["exp"]) + LEEWAY_S) * 1000
        who = self.id_of(str(claims["sub"]))
        return Principal(kind, who, agency, roles, frozenset(units), shown[:128], until_ms=until_ms)

    def id_of(self, subject: str) -> str:
        """The id of somebody whom this issuer calls `subject`: readable where it can be, and nobody else's."""
        issuer = hashlib.sha256(self.issuer.encode()).hexdigest()[:8]
        plain = f"oidc.{issuer}.{subject}"
        return plain if is_id(plain) else f"oidc.{issuer}:{hashlib.sha256(subject.encode()).hexdigest()[:40]}"

    def _decoded(self, token: str, key: PyJWK, audience: tuple[str, ...]) -> Claims:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=audience,
                issuer=self.issuer,
                leeway=LEEWAY_S,
                options={"require": REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise self._refusal(error, audience) from None

    def _refusal(self, error: Exception, audience: tuple[str, ...]) -> TokenError:
        wanted = " or ".join(map(repr, audience))
        if isinstance(error, jwt.ExpiredSignatureError):
            return TokenError(401, "over", "this token is over; get a new one from the identity provider")
        if isinstance(error, jwt.ImmatureSignatureError):
            return TokenError(401, "early", "this token holds later than now; are the clocks right?")
        if isinstance(error, jwt.InvalidIssuerError):
            return TokenError(401, "issuer", f"this token is not of {self.issuer}, which is the one trusted here")
        if isinstance(error, jwt.InvalidAudienceError) or getattr(error, "claim", "") == "aud":
            words = (
                f"this token is not for this server: its `aud` has to have {wanted}. In Keycloak add a mapper of type "
                "Audience to the client that gets the token; others call it the audience, resource or API of a client"
            )
            return TokenError(401, "audience", words)
        if isinstance(error, jwt.MissingRequiredClaimError):
            words = f"this token has no `{error.claim}`: {', '.join(REQUIRED)} have to be there"
            return TokenError(401, "claim", words)
        if isinstance(error, jwt.InvalidSignatureError | jwt.InvalidKeyError):
            return TokenError(401, "signature", "this token is not signed by the identity provider")
        if isinstance(error, jwt.InvalidAlgorithmError):
            return TokenError(401, "algorithm", "this token is signed in another way than its key is for")
        return TokenError(401, "malformed", "this is no token that anybody could read")


TEXTS = ("issuer", "agency", "name", "client_id", "public_url", "scope", "token_type")
KEYS = {*TEXTS, "audience", "roles_claim", "agency_claim", "units_claim", "roles", "jwks_file", "client_secret_file"}


def _whole(given: dict[str, Any], made: type[Oidc]) -> Oidc:
    for key, remedy in (
        ("issuer", "name the provider as its discovery document does, such as https://id.example.org/realms/911"),
        ("audience", "say what the provider writes into `aud` of tokens for this server"),
        ("roles_claim", 'say where the roles are, such as "realm_access.roles", "groups" or ["https://x.org/roles"]'),
        ("roles", 'say which names are which roles here: a table [oidc.roles] with lines like "cad-desk" = "viewer"'),
    ):
        if not given.get(key):
            raise _bad(key, remedy)
    oidc = made(**given)
    if urlsplit(oidc.issuer).scheme not in ("https", "http") or not urlsplit(oidc.issuer).hostname:
        raise _bad("issuer", f"{oidc.issuer!r} is no URL")
    if not oidc.agency and not oidc.agency_claim:
        raise _bad("agency", 'say whose people these are: agency = "police", "*" for all of them, or an agency_claim')
    if oidc.agency not in ("", CENTRE) and is_id(oidc.agency) is None:
        raise _bad("agency", f"{oidc.agency!r} is no agency's id")
    if oidc.client_id:
        there = urlsplit(oidc.public_url)
        if there.scheme not in ("https", "http") or not there.hostname or there.path not in ("", "/"):
            raise _bad("public_url", "say where people reach the page, such as https://dispatch.example.org")
        if oidc.jwks_file is not None:
            raise _bad("client_id", "with jwks_file the provider is not asked, so that nobody can sign in by it")
        if "openid" not in oidc.scope.split():
            raise _bad("scope", "`openid` has to be in it")
    if oidc.jwks_file is not None and not oidc.jwks_file.exists():
        raise _bad("jwks_file", f"{oidc.jwks_file} is not there")
    return oidc


def _bad(key: str, remedy: str) -> BadValueError:
    return BadValueError(f"/oidc/{key}", "config", f"[oidc] {key}: {remedy}")


def _text(said: Mapping[str, Any], key: str) -> str:
    text = said.get(key, "")
    if not isinstance(text, str):
        raise _bad(key, "write it in quotes")
    return text


def _names(said: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = said.get(key, [])
    rows = [value] if isinstance(value, str) else value
    if not isinstance(rows, list) or not all(isinstance(row, str) and row for row in rows):
        raise _bad(key, "write it in quotes, or several in brackets")
    return tuple(rows)


def _path(said: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A claim within claims: `a.b` in quotes, or one name a level in brackets where a name has dots in it."""
    value = said.get(key, [])
    return tuple(value.split(".")) if isinstance(value, str) and value else _names(said, key)


def _roles(said: object) -> dict[str, Role]:
    roles = said if isinstance(said, dict) else {}
    for name, role in roles.items():
        if role not in ROLES:
            raise _bad("roles", f"{name!r} is to be {role!r}; roles are {', '.join(ROLES)}")
    return cast("dict[str, Role]", dict(roles))


def _read(path: Path, key: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise _bad(key, f"{path} cannot be read: {error}") from None


def _type(token: str) -> str:
    return str(jwt.get_unverified_header(token).get("typ", "")).lower().removeprefix("application/")


def _at(claims: Claims, path: tuple[str, ...]) -> object:
    """What stands at a place in claims; None: nothing."""
    found: object = claims if path else None
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _words(value: object) -> list[str]:
    """A list of texts, or one text: it as it is, and its words where it has blanks, as `scope` has."""
    if isinstance(value, str):
        return list(dict.fromkeys([value, *value.split()]))
    return [row for row in value if isinstance(row, str)] if isinstance(value, list) else []


def _is_text(claims: Claims, name: str) -> bool:
    return isinstance(claims.get(name), str) and bool(claims[name])
