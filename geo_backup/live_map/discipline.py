"""Disciplines: whether a unit is of the police, of the fire service or of the ambulance service, and which of them a
capability asks for.

Told by words, since agencies name their own: by the unit's kind, else by what it can do, else by its agency. What no
word tells has no discipline, and is kept from nothing for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

Discipline = Literal["", "police", "fire", "ems"]

_WORDS: dict[Discipline, str] = {
    "police": "police polis polizei policia polícia psp gnr sheriff trooper patrol detective k9 k-9 swat eod "
    "negotiator breaching",
    "fire": "fire räddningstjänst feuerwehr bombeiros pompiers engine ladder quint rescue battalion hazmat",
    "ems": "ems ambulance ambulans ambulância rettungsdienst inem samu medic paramedic als bls hems",
}
_OF = {word: discipline for discipline, words in _WORDS.items() for word in words.split()}
ANY_OF = "any:"
"""Before a discipline: the capability that every unit of it has."""


@lru_cache(maxsize=4_096)
def discipline_of_word(word: str) -> Discipline:
    """Which discipline a word tells: a capability, a kind or an agency, whatever its case."""
    said = word.casefold().strip()
    if said.startswith(ANY_OF):
        return next((one for one in _WORDS if one == said.removeprefix(ANY_OF)), "")
    for part in (said, said.partition(":")[0], *re.split(r"[\W_]+", said)):
        if part in _OF:
            return _OF[part]
    return ""


@lru_cache(maxsize=4_096)
def discipline(kind: str, capabilities: tuple[str, ...], agency: str) -> Discipline:
    """The discipline of a unit."""
    words: Iterable[str] = (kind, *capabilities, agency)
    return next((found for word in words if (found := discipline_of_word(word))), "")


def skills(capabilities: tuple[str, ...], kind: str, agency: str) -> tuple[str, ...]:
    """What a unit can do, and what it counts for by its discipline."""
    of = discipline(kind, capabilities, agency)
    return (*capabilities, ANY_OF + of) if of else capabilities
