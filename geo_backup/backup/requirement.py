"""Which units a requirement asks for: what each can fill, as asked or as a substitute, and what is still missing.

Capabilities are the agencies' own words; case does not count. `any` is what every unit has. As a substitute it stands
for every unit of the discipline that is asked for: an engine is no patrol, however near it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

import numpy as np

from geo_backup.events import ANY, Need
from geo_backup.live_map.discipline import ANY_OF, discipline_of_word

AS_ASKED, AS_SUBSTITUTE, NOT_AT_ALL = 0, 1, 2


def fill(skills: Collection[str], need: Need) -> int:
    """How well skills (`UnitRow.skills`) fill a need: `AS_ASKED`, `AS_SUBSTITUTE` or `NOT_AT_ALL`."""
    return _fill(tuple(skills), need.capability, tuple(need.substitutes))


@lru_cache(maxsize=65_536)  # a fleet has few sets of skills, and is asked about again and again
def _fill(skills: tuple[str, ...], capability: str, substitutes: tuple[str, ...]) -> int:
    has = frozenset(map(str.casefold, skills))
    if is_any(capability) or capability.casefold() in has:
        return AS_ASKED
    for other in substitutes:
        if is_any(other):
            asked = discipline_of_word(capability)
            mine = {skill for skill in has if skill.startswith(ANY_OF)}
            if not asked or not mine or ANY_OF + asked in mine:
                return AS_SUBSTITUTE
        elif other.casefold() in has:
            return AS_SUBSTITUTE
    return NOT_AT_ALL


def is_any(capability: str) -> bool:
    """Whether every unit has it."""
    return capability.casefold() == ANY


def fits(skills: Collection[str], requirement: Iterable[Need]) -> bool:
    """Whether a unit with these skills fills at least one need, itself or as a substitute.

    Nothing required: everybody fits.
    """
    needs = tuple(requirement)
    return not needs or any(fill(skills, need) != NOT_AT_ALL for need in needs)


def remaining(
    needs: Sequence[Need], several: bool, sent: Iterable[Collection[str]]
) -> tuple[tuple[Need, ...], tuple[int, ...]]:
    """What is missing when units with these skills are on their way already: needs with their counts left, and the
    number of each in `needs`. Whoever was sent first, a unit stands where all of them together fill the most; several:
    each fills all that it can."""
    left = [need.count for need in needs]
    units = [[fill(skills, need) for need in needs] for skills in sent]
    if several:
        for row in units:
            left = [count - (how != NOT_AT_ALL) if count > 0 else count for count, how in zip(left, row, strict=True)]
    elif units:
        for n in _placed(needs, units):
            left[n] -= 1
    kept = tuple(i for i, count in enumerate(left) if count > 0)
    return tuple(needs[i]._replace(count=left[i]) for i in kept), kept


def _placed(needs: Sequence[Need], units: Sequence[Sequence[int]]) -> list[int]:
    """The needs that units fill, each unit one: as many that must be filled as can be, then as many as can be, then as
    asked before by substitutes, then what is asked for once before what is asked for often: it is what few can."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    slot = [n for n, need in enumerate(needs) for _ in range(min(need.count, len(units)))]
    special = sorted(range(len(needs)), key=lambda n: (is_any(needs[n].capability), needs[n].count, n))
    worth = np.zeros((len(units), len(slot)))
    for row, able in enumerate(units):
        for column, n in enumerate(slot):
            if able[n] != NOT_AT_ALL:
                must = needs[n].need == "must"
                worth[row, column] = (1e9 if must else 1e6) + 1e3 * (able[n] == AS_ASKED) - special.index(n)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [slot[column] for row, column in zip(rows, columns, strict=True) if worth[row, column] > 0]
