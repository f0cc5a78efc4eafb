"""Where a log ends, kept apart from it: a small file beside it, so that a log that lost its end is found out.

Three sectors. The first two take turns and hold the last seal, signed: a torn write leaves the other. The third says
how far the log has come since, without a signature, after every commit. All are written after the log's own commit, so
that the file may lag behind the log, and is never ahead of it unless something was lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

import orjson

SECTOR = 512
_REACHED_AT = 2 * SECTOR


class Seal(NamedTuple):
    """What the writer said of the end when it last sealed: the number and hash of the last link, and how it left."""

    epoch: str
    link: int
    seq: int
    hash: bytes
    state: Literal["open", "closed"]
    at_ms: int
    signature: bytes = b""

    @property
    def words(self) -> bytes:
        """What is signed. It is no hash of a link, so that no link's signature can stand in for it."""
        text = f"end {self.epoch} {self.link} {self.seq} {self.hash.hex()} {self.state} {self.at_ms}"
        return hashlib.sha256(text.encode()).digest()


class End(NamedTuple):
    """What the file says: the last seal, if it can be read, and how many events there were."""

    seal: Seal
    reached: int


def end_path(log: Path) -> Path:
    return log.with_name(log.name + ".end")


def read_end(path: Path) -> End | None:
    """What the file says, or None if there is none, or none that can be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    seals = [seal for at in (0, SECTOR) if (seal := _parsed(data[at : at + SECTOR]))]
    if not seals:
        return None
    seal = max(seals, key=lambda one: (one.link, one.at_ms))
    return End(seal, max(seal.seq, _reached(data[_REACHED_AT:], seal.epoch)))


class EndFile:
    """The file as the log's writer keeps it. A disk that refuses it does not keep the log from recording."""

    def __init__(self, path: Path, epoch: str) -> None:
        self._epoch = epoch
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(self._descriptor).st_size < 3 * SECTOR:
            _put(self._descriptor, bytes(3 * SECTOR), 0)

    def reach(self, seq: int) -> None:
        """The log has come to `seq`."""
        with contextlib.suppress(OSError):
            _put(self._descriptor, _line(self._epoch, seq), _REACHED_AT)

    def seal(self, seal: Seal) -> None:
        """Write a seal, and wait until it is on the disk where it is the last for now."""
        document = seal._asdict() | {"hash": seal.hash.hex(), "signature": seal.signature.hex()}
        sector = orjson.dumps(document).ljust(SECTOR - 1) + b"\n"
        with contextlib.suppress(OSError):
            _put(self._descriptor, sector, seal.link % 2 * SECTOR)
            if seal.state == "closed":
                self.sync()

    def sync(self) -> None:
        with contextlib.suppress(OSError):
            os.fsync(self._descriptor)

    def clear(self) -> None:
        """Forget what the file said of another log."""
        _put(self._descriptor, bytes(3 * SECTOR), 0)

    def close(self) -> None:
        os.close(self._descriptor)


def _put(descriptor: int, data: bytes, at: int) -> None:
    if hasattr(os, "pwrite"):
        os.pwrite(descriptor, data, at)
        return
    os.lseek(descriptor, at, os.SEEK_SET)
    os.write(descriptor, data)


def _parsed(sector: bytes) -> Seal | None:
    try:
        document = orjson.loads(sector)
        document["hash"] = bytes.fromhex(document["hash"])
        document["signature"] = bytes.fromhex(document["signature"])
        return Seal(**document)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _line(epoch: str, seq: int) -> bytes:
    return b"%020d %08x\n" % (seq, zlib.crc32(b"%d %b" % (seq, epoch.encode())))


def _reached(line: bytes, epoch: str) -> int:
    digits = line[:20]
    seq = int(digits) if digits.isdigit() else 0
    return seq if line.startswith(_line(epoch, seq)) else 0
