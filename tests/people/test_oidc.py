"""What a token of an identity provider is worth: the one that holds, and every way in which another does not."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from geo_backup.errors import BadValueError, TokenError
from geo_backup.events import is_id
from geo_backup.people.oidc import Keys, Oidc

ISSUER = "https://id.test/realms/911"
SAID: dict[str, Any] = {
    "issuer": ISSUER,
    "audience": "geo-backup",
    "roles_claim": "realm_access.roles",
    "roles": {"cad-desk": "dispatcher", "cad-chief": "supervisor"},
    "agency": "police",
}
RSA = rsa.generate_private_key(65537, 2048)
SIGNING = {
    "RS256": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
OTHER = rsa.generate_private_key(65537, 2048)


def jwk(name: str, key: Any, **more: str) -> dict[str, Any]:
    return {**json.loads(jwt.get_algorithm_by_name(name).to_jwk(key.public_key())), "kid": name, **more}


JWKS = {"keys": [jwk(alg, key) for alg, key in SIGNING.items()]}


def oidc(**more: Any) -> Oidc:
    return Oidc.of({**SAID, **more}, Path(), {})


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {
        "iss": ISSUER,
        "aud": ["account", "geo-backup"],
        "sub": "7f1c",
        "iat": now,
        "exp": now + 36_000,  # made when tests are collected, shown whenever their turn comes
        "name": "Eva Lind",
        "realm_access": {"roles": ["offline_access", "cad-desk"]},
        **more,
    }
    return {name: value for name, value in made.items() if value is not None}


def token(alg: str = "RS256", key: Any = None, kid: str | None = None, **more: Any) -> str:
    headers = {"kid": kid or alg, "typ": "at+jwt"}
    return jwt.PyJWS().encode(json.dumps(claims(**more)).encode(), key or SIGNING[alg], alg, headers=headers)


def words_of(shown: str, **more: Any) -> tuple[int, str, str]:
    told, keys = oidc(**more), Keys.of(JWKS)
    with pytest.raises(TokenError) as error:
        told.principal(told.claims_of(shown, keys))
    return error.value.status, error.value.reason, str(error.value)


@pytest.mark.parametrize("alg", SIGNING)
def test_a_token_that_holds_says_who_it_is(alg: str) -> None:
    who = oidc(units_claim="units").principal(oidc().claims_of(token(alg, units=["P-17", "no id!"]), Keys.of(JWKS)))
    assert (who.kind, who.agency, who.roles, who.units) == ("person", "police", {"dispatcher"}, {"P-17"})
    assert who.name == "Eva Lind"
    assert who.said_by.startswith("person:oidc.")
    assert who.said_by.endswith(".7f1c")
    assert is_id(who.id)
    assert who.until_ms is not None


def test_ids_are_of_issuer_and_subject() -> None:
    here, there = oidc(), oidc(issuer="https://other.test")
    subjects = ["7f1c", "x" * 300, "auth0|5f7c", "", "é", here.id_of("x" * 300)]
    ids = [one.id_of(subject) for one in (here, there) for subject in subjects]
    assert len(set(ids)) == len(ids)
    assert all(is_id(one) for one in ids)


def unsigned(alg: str, **header: Any) -> str:
    parts = ({"alg": alg, "typ": "JWT", "kid": "RS256", **header}, claims())
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts) + "."


def by_public_key() -> str:
    """HS256 with the public key as the secret, as no library signs by itself."""
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = unsigned("HS256").rstrip(".")
    mac = jwt.get_algorithm_by_name("HS256").sign(head.encode(), pem)
    return f"{head}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


LONG_AGO, MUCH_LATER = int(time.time()) - 100_000, int(time.time()) + 100_000


@pytest.mark.parametrize(
    ("shown", "reason", "word"),
    [
        (token(iss="https://evil.test"), "issuer", ISSUER),
        (token(iss=f"{ISSUER}/"), "issuer", "trusted"),
        (token(iss=[ISSUER]), "issuer", "trusted"),
        (token(aud="account"), "audience", "Audience"),
        (token(aud=None), "audience", "Keycloak"),
        (token(exp=LONG_AGO), "over", "new one"),
        (token(exp=None), "claim", "`exp`"),
        (token(iat=None), "claim", "`iat`"),
        (token(sub=None), "claim", "`sub`"),
        (token(nbf=MUCH_LATER), "early", "clocks"),
        (token(iat=MUCH_LATER), "early", "clocks"),
        (token(sub=7), "malformed", "read"),
        (token(exp=float("inf")), "malformed", "read"),
        (token(nonce="n"), "id_token", "access token"),
        (token(at_hash="n"), "id_token", "access token"),
        (token(typ="ID"), "id_token", "access token"),
        (token(key=OTHER), "signature", "not signed"),
        (token("RS256", kid="ES256"), "algorithm", "another way"),
        (token("RS256", kid="unknown"), "key", "does not publish"),
        (token("PS256", key=RSA, kid="RS256"), "algorithm", "RS256, ES256, EdDSA"),
        (jwt.encode(claims(), RSA, "RS256"), "key", "does not publish"),
        (unsigned("none"), "algorithm", "signed"),
        (unsigned("None"), "algorithm", "signed"),
        (unsigned("RS256"), "signature", "not signed"),
        (unsigned("RS256", crit=["x"]), "malformed", "read"),
        (by_public_key(), "algorithm", "signed"),
        (token()[:-6] + "AAAAAA", "signature", "not signed"),
        ("eyJ.e30.x", "malformed", "read"),
        ("eyJ" + base64.urlsafe_b64encode(b"[" * 9_000).decode() + ".e30.x", "malformed", "read"),
    ],
)  # fmt: skip
def test_a_token_that_does_not_hold_is_refused_with_its_reason(shown: str, reason: str, word: str) -> None:
    status, why, words = words_of(shown)
    assert (status, why) == (401, reason), words
    assert word in words
    assert shown not in words


def test_clocks_may_differ_by_half_a_minute() -> None:
    now = int(time.time())
    for more in ({"exp": now - 10}, {"iat": now + 10, "nbf": now + 10}):
        assert oidc().claims_of(token(**more), Keys.of(JWKS))["sub"] == "7f1c"


def test_a_person_without_a_role_is_told_what_to_set() -> None:
    for roles in ({"roles": ["canteen"]}, {}, None, {"roles": "cad"}, {"roles": [7]}):
        status, reason, words = words_of(token(realm_access=roles))
        assert (status, reason) == (403, "no_role")
        assert "`realm_access.roles`" in words
        assert "'cad-desk'" in words


def test_roles_stand_where_the_site_says() -> None:
    for path, where in (
        ("groups", {"groups": ["cad-desk"]}),
        ("scope", {"scope": "openid cad-desk"}),
        (["https://x.test/roles"], {"https://x.test/roles": ["cad-desk"]}),
        (["resource_access", "a.b", "roles"], {"resource_access": {"a.b": {"roles": ["cad-desk"]}}}),
    ):
        told = oidc(roles_claim=path)
        assert told.principal(told.claims_of(token(**where), Keys.of(JWKS))).roles == {"dispatcher"}


def test_an_agency_comes_from_a_claim_or_from_the_site() -> None:
    told = oidc(agency="", agency_claim="agency")
    assert told.principal(claims(agency="fire")).agency == "fire"
    with pytest.raises(TokenError, match="no agency"):
        told.principal(claims())
    assert oidc(agency_claim="agency").principal(claims()).agency == "police"


def test_a_machine_is_a_program() -> None:
    assert oidc().principal(claims(sub="cad", azp="cad")).kind == "program"
    assert oidc().principal(claims(azp="desk")).kind == "person"


@pytest.mark.parametrize("published", ["EdDSA", "Ed25519", None])
@pytest.mark.parametrize("signed", ["EdDSA", "Ed25519"])
def test_one_algorithm_may_be_called_by_either_name(published: str | None, signed: str) -> None:
    """RFC 9864 calls it after its curve; a key and its tokens need not agree. Another curve goes by the old name."""
    row = {**jwk("EdDSA", SIGNING["EdDSA"]), **({"alg": published} if published else {})}
    assert oidc().claims_of(named_anew(signed, SIGNING["EdDSA"]), Keys.of({"keys": [row]}))["sub"] == "7f1c"
    larger = ed448.Ed448PrivateKey.generate()
    with pytest.raises(TokenError) as error:
        oidc().claims_of(named_anew("Ed25519", larger), Keys.of({"keys": [jwk("EdDSA", larger, alg="EdDSA")]}))
    assert error.value.reason == "algorithm"


def named_anew(alg: str, key: Any) -> str:
    """A token signed by EdDSA under a name that no library signs by yet."""
    head, body = ({"alg": alg, "typ": "at+jwt", "kid": "EdDSA"}, claims())
    said = ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (head, body))
    return f"{said}.{base64.urlsafe_b64encode(key.sign(said.encode())).decode().rstrip('=')}"


def test_a_type_is_checked_where_the_site_wants_it() -> None:
    assert oidc(token_type="at+jwt").claims_of(token(), Keys.of(JWKS))
    assert words_of(token(), token_type="jwt")[1] == "type"


def test_keys_that_could_not_hold_are_left_out() -> None:
    symmetric = {"kty": "oct", "k": "c2VjcmV0", "kid": "HS256", "alg": "HS256"}
    broken = [symmetric, jwk("RS256", RSA, use="enc"), jwk("RS256", RSA, alg="PS256"), {"kty": "RSA"}, 7, {}]
    with pytest.raises(ValueError, match="no key"):
        Keys.of({"keys": broken})
    for wrong in ({}, [], None, {"keys": {}}):
        with pytest.raises(ValueError, match="no key"):
            Keys.of(wrong)
    assert set(Keys.of({"keys": [*broken, jwk("ES256", SIGNING["ES256"])]}).by_id) == {"ES256"}
    nameless = {name: value for name, value in jwk("RS256", RSA).items() if name != "kid"}
    assert oidc().claims_of(jwt.encode(claims(), RSA, "RS256"), Keys.of({"keys": [nameless]}))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "id.test"}, "no URL"),
        ({"audience": []}, "aud"),
        ({"roles_claim": ""}, "roles_claim"),
        ({"roles": {}}, "[oidc.roles]"),
        ({"roles": {"x": "king"}}, "roles are"),
        ({"agency": ""}, "agency_claim"),
        ({"agency": "no id!"}, "agency"),
        ({"client_id": "desk"}, "public_url"),
        ({"client_id": "desk", "public_url": "https://x.test/path"}, "public_url"),
        ({"client_id": "desk", "public_url": "https://x.test", "scope": "profile"}, "`openid`"),
        ({"client_id": "desk", "public_url": "https://x.test", "jwks_file": "x"}, "jwks_file"),
        ({"jwks_file": "nothing.json"}, "not there"),
        ({"client_secret": "s3cret"}, "no such key"),
        ({"client_secret_file": "nothing"}, "cannot be read"),
        ({"name": 7}, "quotes"),
    ],
)
def test_a_section_that_cannot_be_is_refused_by_its_key(more: dict[str, Any], words: str) -> None:
    with pytest.raises(BadValueError) as error:
        oidc(**more)
    assert words in str(error.value)
    assert "s3cret" not in str(error.value)


def test_the_secret_comes_from_the_environment_or_a_file_and_is_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    said = {**SAID, "client_secret_file": "secret"}
    assert Oidc.of(said, tmp_path, {}).client_secret == "from a file"
    told = Oidc.of(said, tmp_path, {"GEO_BACKUP_OIDC_SECRET": "from the environment"})
    assert told.client_secret == "from the environment"
    assert "from the" not in repr(told)
