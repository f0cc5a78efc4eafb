"""The rows of a damaged log as they lie on its pages, whether or not a tree still leads to them.

SQLite finds a page by the pages above it: where the root of a table is bad, it reads nothing of the table. But each
leaf tells by itself what it holds (https://www.sqlite.org/fileformat2.html), and each of our tables is known by the
shape of its rows. `.recover` of SQLite's own shell does the like; no Python library has it, and it gives up where the
first page is bad.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from geo_backup.eventlog.chain import Row
from geo_backup.eventlog.sqlite_file import PAGE_BYTES

Value = int | float | str | bytes | None
HEADER_BYTES = 100
TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR = 13, 10, 2
PAYLOAD_MAX = 1 << 30
"""SQLite writes nothing larger."""
_INT_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_HEAD = struct.Struct(">HHH")


class Lying(NamedTuple):
    """A row that lies on a page, and the table that it must be of."""

    table: str
    row: Row


def lying(path: Path, wal: bytes) -> Iterator[Lying]:
    """All rows that can be read, page by page; `wal` is a write-ahead log of good frames alone. A row may come twice,
    and one that looks sound may still have been changed: its chain tells."""
    with path.open("rb") as file:
        pages = _Pages(file, path.stat().st_size, committed(wal))
        free = pages.free()
        for number in range(1, pages.count + 1):
            if number in free:
                continue
            for key, values in pages.cells(number):
                found = _of(key, values)
                if found is not None:
                    yield found


def committed(wal: bytes) -> dict[int, bytes]:
    """The pages of a write-ahead log as its last commit left them, by their numbers."""
    pages: dict[int, bytes] = {}
    if len(wal) < 32:
        return pages
    (size,) = struct.unpack(">I", wal[8:12])
    waiting: dict[int, bytes] = {}
    for at in range(32, len(wal) - 24 - size + 1, 24 + size):
        number, commit = struct.unpack(">II", wal[at : at + 8])
        waiting[number] = wal[at + 24 : at + 24 + size]
        if commit:
            pages |= waiting
            waiting = {}
    return pages


class _Pages:
    """The pages of a file, with those of its write-ahead log over them."""

    def __init__(self, file: BinaryIO, size: int, over: Mapping[int, bytes]) -> None:
        self.file, self.over = file, over
        self.count = max((-(-size // PAGE_BYTES), *over))

    def page(self, number: int) -> bytes:
        """One page; shorter, or empty, where the file ends before."""
        if number in self.over:
            return self.over[number]
        self.file.seek((number - 1) * PAGE_BYTES)
        return self.file.read(PAGE_BYTES)

    def free(self) -> set[int]:
        """Pages that SQLite has given up: what is on them was moved, or deleted."""
        free: set[int] = set()
        number = int.from_bytes(self.page(1)[32:36], "big")
        while 1 < number <= self.count and number not in free:
            trunk = self.page(number)
            free.add(number)
            leaves = min(int.from_bytes(trunk[4:8], "big"), PAGE_BYTES // 4 - 2)
            free.update(struct.unpack(f">{leaves}I", trunk[8 : 8 + 4 * leaves].ljust(4 * leaves, b"\0")))
            number = int.from_bytes(trunk[:4], "big")
        return free

    def cells(self, number: int) -> Iterator[tuple[int, list[Value]]]:
        """(rowid, values) of each record on a page that can be read; an index has no rowids: 0."""
        page, at = self.page(number), HEADER_BYTES if number == 1 else 0
        if len(page) < at + 12 or page[at] not in (TABLE_LEAF, INDEX_LEAF, INDEX_INTERIOR):
            return
        kind = page[at]
        start = at + (12 if kind == INDEX_INTERIOR else 8)
        _, cells, _ = _HEAD.unpack(page[at + 1 : at + 7])
        for n in range(min(cells, (len(page) - start) // 2)):
            (cell,) = struct.unpack(">H", page[start + 2 * n : start + 2 * n + 2])
            try:
                yield self._record(page, cell + (4 if kind == INDEX_INTERIOR else 0), kind)
            except (IndexError, ValueError, struct.error):
                continue

    def _record(self, page: bytes, at: int, kind: int) -> tuple[int, list[Value]]:
        size, at = _varint(page, at)
        key = 0
        if kind == TABLE_LEAF:
            key, at = _varint(page, at)
        if size > PAYLOAD_MAX:
            raise ValueError("no record is as large")
        most = PAGE_BYTES - 35 if kind == TABLE_LEAF else (PAGE_BYTES - 12) * 64 // 255 - 23
        here = size
        if size > most:
            least = (PAGE_BYTES - 12) * 32 // 255 - 23
            rest = least + (size - least) % (PAGE_BYTES - 4)
            here = rest if rest <= most else least
        payload = page[at : at + here]
        if len(payload) < here:
            raise ValueError("the cell ends after its page")
        if here < size:
            payload += self._overflow(int.from_bytes(page[at + here : at + here + 4], "big"), size - here)
        return key, _values(payload)

    def _overflow(self, number: int, left: int) -> bytes:
        parts = []
        while left > 0:
            if not 1 < number <= self.count:
                raise ValueError("a record breaks off")
            page = self.page(number)
            part = page[4 : 4 + left]
            if not part:
                raise ValueError("a record breaks off")
            parts.append(part)
            left -= len(part)
            number = int.from_bytes(page[:4], "big")
        return b"".join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where it ends) of SQLite's integers of one to nine bytes. Raises IndexError at the end of the data."""
    value = 0
    for n in range(8):
        value = value << 7 | data[at + n] & 0x7F
        if data[at + n] < 0x80:
            return value, at + n + 1
    return value << 8 | data[at + 8], at + 9


def _values(payload: bytes) -> list[Value]:
    """The values of a record. Raises ValueError, IndexError or struct.error for what is none."""
    head, at = _varint(payload, 0)
    kinds = []
    while at < head:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    if at != head:
        raise ValueError("the head of the record does not end where it says")
    values: list[Value] = []
    for kind in kinds:
        size = _INT_BYTES.get(kind, 8 if kind == 7 else (kind - 12) // 2 if kind >= 12 else 0)
        data = payload[at : at + size]
        if len(data) < size or kind in (10, 11):
            raise ValueError("the record breaks off")
        at += size
        values.append(_value(kind, data))
    if at != len(payload):
        raise ValueError("the record does not end where it says")
    return values


def _value(kind: int, data: bytes) -> Value:
    if kind == 0:
        return None
    if kind in _INT_BYTES:
        return int.from_bytes(data, "big", signed=True)
    if kind == 7:
        return float(struct.unpack(">d", data)[0])
    if kind in (8, 9):
        return kind - 8
    return data if kind % 2 == 0 else data.decode()


def _of(key: int, values: list[Value]) -> Lying | None:
    """Of which table a record is, by its shape. A rowid stands for the first column, which is empty then."""
    shape = [type(value) for value in values]
    row: tuple[Any, ...] = (key, *values[1:])
    match shape:
        case [t, *_] if t is type(None) and len(shape) == 11 and shape[1] is str:
            return Lying("fixes", row)
        case [t, k, _, b] if t is type(None) and k is str and b is bytes:
            return Lying("facts", row)
        case [t, k, *_] if t is type(None) and len(shape) == 10 and k is str:
            return Lying("links", row)
        case [t, d, h] if t is type(None) and d is bytes and h is str:
            return Lying("snapshots", row)
        case [s, p, e, b] if s is p is e is int and b is bytes:
            return Lying("purged", tuple(values))
        case [n, v] if n is v is str:
            return Lying("meta", tuple(values))
    return None
