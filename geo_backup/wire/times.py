"""RFC 3339 on the wire, integer milliseconds inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII).fullmatch


def to_text(ms: int) -> str:
    """UTC with `Z` and milliseconds."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=256)  # what is told at once is of the same few seconds
def _second(s: int) -> str:
    return datetime.fromtimestamp(s, UTC).isoformat()[:19]


@lru_cache(maxsize=256)
def _second_ms(text: str) -> int | None:
    """Of a second in UTC; None for what is none."""
    try:
        return to_ms(text + "Z")
    except ValueError:
        return None


def to_ms(text: str) -> int:
    """Milliseconds of an RFC 3339 time; raises `ValueError` when it has no offset or is no such time."""
    if len(text) == 24 and text[19] == "." and text[23] == "Z":  # as `to_text` writes it, and most others do
        second_ms, part = _second_ms(text[:19]), text[20:23]
        if second_ms is not None and part.isascii() and part.isdigit():
            return second_ms + int(part)
    if _RFC_3339(text) is None:
        raise ValueError("must be an RFC 3339 time with offset, such as 2026-11-23T12:00:00Z")
    when = datetime.fromisoformat(text.upper())
    if when.tzinfo is None:
        raise ValueError("a time needs its offset from UTC, such as 2026-11-23T12:00:00Z")
    return (when - _EPOCH) // _MS
