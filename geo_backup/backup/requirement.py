"""Which units a requirement asks for: what each can fill, as asked or as a substitute, and what is still missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from geo_backup.events import ANY, Need

AS_ASKED, AS_SUBSTITUTE, NOT_AT_ALL = 0, 1, 2


def fill(capabilities: Collection[str], need: Need) -> int:
    """How well capabilities fill a need: `AS_ASKED`, `AS_SUBSTITUTE` or `NOT_AT_ALL`."""
    if need.capability == ANY or need.capability in capabilities:
        return AS_ASKED
    found = any(other == ANY or other in capabilities for other in need.substitutes)
    return AS_SUBSTITUTE if found else NOT_AT_ALL


def fits(capabilities: Collection[str], requirement: Iterable[Need]) -> bool:
    """Whether a unit with these capabilities fills at least one need, itself or as a substitute.

    Nothing required: everybody fits.
    """
    needs = tuple(requirement)
    return not needs or any(fill(capabilities, need) != NOT_AT_ALL for need in needs)


def remaining(
    needs: Sequence[Need], several: bool, sent: Iterable[Collection[str]]
) -> tuple[tuple[Need, ...], tuple[int, ...]]:
    """What is missing when units with these capabilities are on their way already: needs with their counts left, and
    the number of each in `needs`. Each unit fills the needs that it can fill best (several: all that it can)."""
    left = [need.count for need in needs]
    for capabilities in sent:
        able = [(fill(capabilities, need), need.need != "must", i) for i, need in enumerate(needs) if left[i] > 0]
        able = sorted(one for one in able if one[0] != NOT_AT_ALL)
        for _, _, i in able if several else able[:1]:
            left[i] -= 1
    kept = tuple(i for i, count in enumerate(left) if count > 0)
    return tuple(needs[i]._replace(count=left[i]) for i in kept), kept
