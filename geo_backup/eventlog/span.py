"""A run of seqs, and where in a log none stand."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class Span(NamedTuple):
    """Events from one seq to another, both included; none where `last` is less."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return max(0, self.last - self.first + 1)

    def __str__(self) -> str:
        return f"event {self.first:,}" if self.size == 1 else f"events {self.first:,} to {self.last:,}"


def gaps(connection: sqlite3.Connection, first: int, last: int) -> list[Span]:
    """Where from `first` to `last` no event stands."""
    found: list[Span] = []
    query = (
        "SELECT seq FROM fixes WHERE seq BETWEEN ?1 AND ?2 UNION ALL SELECT seq FROM facts WHERE seq BETWEEN ?1 AND ?2"
        " ORDER BY seq"
    )
    for (seq,) in (*connection.execute(query, (first, last)), (last + 1,)):
        if seq > first:
            found.append(Span(first, seq - 1))
        first = seq + 1
    return found
