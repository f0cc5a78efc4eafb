"""House numbers as people and maps write them: `12`, `12A`, `12-14`, `12/3`, `12 bis`."""

from __future__ import annotations

import re
from typing import NamedTuple

from geo_backup.places.folding import fold

LARGEST = 99_999
_NUMBER = re.compile(r"(\d{1,5})(.*)", re.DOTALL)
_RANGE = re.compile(r"\s*[-–]\s*(\d{1,5})\s*([a-z]?)\s*$", re.IGNORECASE)


class HouseNumber(NamedTuple):
    """A number, what follows it (`a`, `bis`, `3`), and the last number where it stands for a range."""

    first: int
    rest: str
    last: int


def read(text: str) -> HouseNumber | None:
    """None where it begins with no number."""
    found = _NUMBER.match(text.strip().lstrip("#"))
    if found is None:
        return None
    first = int(found[1])
    if (span := _RANGE.match(found[2])) is not None and first < int(span[1]) <= first + 200:
        return HouseNumber(first, "", int(span[1]))
    return HouseNumber(first, fold(found[2]).replace(" ", ""), first)


def parts(written: str) -> list[str]:
    """Several numbers in one value (`12;14`, `12, 14`) one by one."""
    return [part for piece in re.split(r"[;,]", written) if (part := piece.strip())]


def between(low: int, high: int, step: int) -> list[int]:
    """The numbers strictly between two others, which both belong to the row."""
    if step <= 0 or high <= low or (high - low) % step or (high - low) // step > 500:
        return []
    return list(range(low + step, high, step))
