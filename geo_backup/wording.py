"""Counts as people say them: one unit, two units."""

from __future__ import annotations


def so_many(count: int, one: str, several: str | None = None) -> str:
    """`1 unit`, `2 units`, `12,000 units`; `several` where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
