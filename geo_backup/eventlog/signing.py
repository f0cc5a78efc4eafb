"""The key of an installation: an Ed25519 pair in a file that its owner alone may read. It signs the links of a log.

`cryptography` is imported when the first signature is made, not when a server starts.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from geo_backup.errors import LogError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Signer:
    """A private key in use; `public` is what others check its signatures with, 64 hex digits."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw().hex()

    @staticmethod
    def of(path: Path) -> Signer:
        """The key that `path` holds, made anew if there is none. LogError if it cannot be read or is none."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            if not path.exists():
                _make(path)
            key = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise LogError(f"{path} is no key that can be read ({error}): nothing can be signed with it") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise LogError(f"{path} is a key of another kind: an Ed25519 key in PEM is needed")
        return Signer(key)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def _make(path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # written whole before it has its name: a crash leaves no half key
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


def public_of(path: Path) -> str:
    """The public key, 64 hex digits, of a file that holds it so, or in PEM, or the private one. LogError otherwise."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        data = path.read_bytes()
        if b"PRIVATE" in data:
            return Signer.of(path).public
        if b"PUBLIC" not in data:
            return bytes.fromhex(data.decode("ascii").strip()).hex()
        key = load_pem_public_key(data)
    except (OSError, ValueError) as error:
        raise LogError(f"{path} is no public key: name a file that `geo-backup audit key` wrote ({error})") from None
    if not isinstance(key, Ed25519PublicKey):
        raise LogError(f"{path} is a key of another kind: an Ed25519 key is needed")
    return key.public_bytes_raw().hex()


def fits(public: str, signature: bytes, data: bytes) -> bool:
    """Whether the holder of the key signed the data."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
