"""The chain of a log: what makes any change, cut or insertion show. Pure: no file, no clock, no key.

Events are gathered into segments. Within a segment each fact is a leaf, and so are the fixes that one unit's device
reported (a *run*): what retention keeps or purges is whole leaves, so that a purged leaf is replaced by its hash and
the rest can still be checked. The content of a segment is the hash of its sorted leaves. Links bind contents
together: each carries the hash of the one before.

Every hash is SHA-256 over bytes that are spelt out here, since they are read for ever.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Literal, NamedTuple

LinkKind = Literal["begin", "events", "checkpoint", "purge", "loss"]
"""begin: from here on, this key and this epoch. events: a segment. checkpoint: the fold after a seq. purge: leaves that
retention replaced by their hashes. loss: events that are gone, said by the log itself when it found out."""

GENESIS = hashlib.sha256(b"geo_backup chain 1").digest()
"""What the first link carries as the hash of the one before."""
SEGMENT_EVENTS = 2_000
"""A segment is sealed once it holds so many events ..."""

_FIX = struct.Struct("<Qqqddddd")
_HEAD = struct.Struct("<QQQQq")

Row = tuple[Any, ...]


class Link(NamedTuple):
    """One link of the chain. `first_seq` to `last_seq` is what it speaks of, `events` how many stood there then."""

    number: int
    kind: LinkKind
    first_seq: int
    last_seq: int
    events: int
    content: bytes
    at_ms: int
    note: str = ""
    """JSON that only some kinds have."""
    hash: bytes = b""
    signature: bytes = b""
    """Of `hash`, with the key that the last `begin` names; empty where the key could not be read."""

    def digest(self, previous: bytes) -> bytes:
        """The hash this link must have after a link with the hash `previous`."""
        head = _HEAD.pack(self.number, self.first_seq, self.last_seq, self.events, self.at_ms)
        return _sha256(previous, head, *map(_framed, (self.kind.encode(), self.content, self.note.encode())))


class Leaves:
    """The leaves of one segment, as its events come. Rows are those of the tables, `seq` first."""

    def __init__(self) -> None:
        self.events = 0
        self._runs: dict[tuple[str, str | None, str | None], list[bytes]] = {}
        self._facts: list[bytes] = []

    def add(self, fixes: Iterable[Row], facts: Iterable[Row]) -> None:
        """Take more events, each later than all of its table so far.

        Raises TypeError, AttributeError or struct.error for values that no log writes.
        """
        runs, pack, nan, events = self._runs, _FIX.pack, math.nan, self.events
        for seq, unit_id, device_id, said_by, received_ms, fix_ms, lon, lat, speed, course, accuracy in fixes:
            # adding 0.0 makes an int a float and -0.0 a 0.0, as the table does; nan stands for nothing
            packed = pack(
                seq,
                received_ms,
                fix_ms,
                lon + 0.0,
                lat + 0.0,
                nan if speed is None else speed + 0.0,
                nan if course is None else course + 0.0,
                nan if accuracy is None else accuracy + 0.0,
            )
            run = (unit_id, device_id, said_by)
            try:
                runs[run].append(packed)
            except KeyError:
                runs[run] = [packed]
            events += 1
        leaves = [fact_leaf(row) for row in facts]
        self._facts += leaves
        self.events = events + len(leaves)

    def hashes(self) -> list[bytes]:
        """The hash of each leaf, in no order that matters."""
        return self._facts + [_run_leaf(run, fixes) for run, fixes in self._runs.items()]


def fact_leaf(row: Row) -> bytes:
    """The leaf of one fact: its row (seq, kind, event_id, body)."""
    seq, kind, event_id, body = row
    parts = (b"fact", seq.to_bytes(8, "little"), kind.encode(), (event_id or "").encode(), body)
    return _sha256(*map(_framed, parts))


def _run_leaf(run: tuple[str, str | None, str | None], fixes: list[bytes]) -> bytes:
    return _sha256(_run_head(run), _framed(b"".join(fixes)))


@lru_cache(4_096)
def _run_head(run: tuple[str, str | None, str | None]) -> bytes:
    names = ("" if name is None else name for name in run)
    return b"".join(map(_framed, (b"run", *(name.encode() for name in names))))


def content(leaves: Iterable[bytes]) -> bytes:
    """What a segment holds, whatever the order of its leaves."""
    return _sha256(*sorted(leaves))


def _framed(part: bytes) -> bytes:
    """With its length in front, so that no two lists of parts look the same."""
    return len(part).to_bytes(4, "little") + part


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()
