"""Secrets and their hashes: passwords by scrypt, tokens by SHA-256, one-time codes by TOTP."""

from __future__ import annotations

import hashlib
import hmac
import secrets

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
"""About 0.1 s and 32 MiB a try (RFC 7914)."""
SCRYPT_MEMORY = 64 << 20
PASSWORD_MIN = 12
TOKEN_PREFIX = "gb1_"
"""Tells a token of ours from other strings, for people and for secret scanners."""
CODE_WINDOW = 1
"""A one-time code of the half minute before or after counts too: clocks differ."""
CODE_S = 30


def password_hash(password: str) -> str:
    """What is kept of a password: parameters, salt and digest."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return f"scrypt${SCRYPT_N}${SCRYPT_R}${SCRYPT_P}${salt.hex()}${digest.hex()}"


def password_fits(password: str, kept: str | None) -> bool:
    """Whether a password is the one that was kept. It takes as long for nobody's (None) as for somebody's."""
    _, n, r, p, salt, digest = (kept or _NOBODY).split("$")
    made = _scrypt(password, bytes.fromhex(salt), int(n), int(r), int(p))
    return hmac.compare_digest(made.hex(), digest) and kept is not None


def new_token() -> str:
    """A token of 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def is_jwt(shown: str) -> bool:
    """Whether something that is shown looks like the signed token of another, and not like one of ours."""
    return shown.startswith("eyJ") and shown.count(".") == 2


def token_hash(token: str) -> str:
    """What is kept of a token, a session or a ticket. They are random, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_code_secret() -> str:
    """A secret for one-time codes, in base 32 as authenticator apps take it."""
    import pyotp

    return pyotp.random_base32()


def code_uri(secret: str, person_id: str) -> str:
    """The `otpauth://` address that an authenticator app reads (as a QR code)."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=person_id, issuer_name="geo_backup")


def code_step(secret: str, code: str, at_s: float) -> int | None:
    """The half minute of which a one-time code (RFC 6238) is, near `at_s` (UTC epoch); None when it fits none. A step
    that was used must not be taken again."""
    import pyotp  # here and above: a server that starts has nobody yet who signs in

    totp = pyotp.TOTP(secret)
    now = int(at_s) // CODE_S
    for step in range(now - CODE_WINDOW, now + CODE_WINDOW + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.strip().encode()):
            return step
    return None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=SCRYPT_MEMORY)


_NOBODY = f"scrypt${SCRYPT_N}${SCRYPT_R}${SCRYPT_P}${'00' * 16}${'00' * 64}"
