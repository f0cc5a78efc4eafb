"""Found: a place as the answer to a question, with everything a person needs to know before believing it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["address", "street", "road", "crossing", "place", "town", "exit", "post", "coordinates", "own"]
Match = Literal["exact", "close", "part"]
Precision = Literal["point", "between", "near", "street", "area"]
Missing = Literal["", "house_number", "house_numbers", "crossing", "exit", "post"]
Lack = Literal["no_places", "no_house_numbers"]


class Found(NamedTuple):
    """One place. `name` is what it is called and what an incident there would be recorded as."""

    kind: Kind
    name: str
    lon: float
    lat: float
    category: str = ""
    """Of a place: what it is, in OpenStreetMap's word (`hospital`); of coordinates: how they were written; of an own
    place: the kind that the agency gave it."""
    town: str = ""
    also: str = ""
    """Another name of it, where that is the one that was asked for."""
    matched: Match = "exact"
    """`exact`: the words as they are, shortened or not; `close`: a letter was forgiven; `part`: some of the words
    were not understood, see `unknown_words`."""
    precision: Precision = "point"
    """`point`: the very place; `between`: worked out between two house numbers or posts; `near`: the nearest house
    number or post that is known; `street`: somewhere on it; `area`: somewhere in it."""
    missing: Missing = ""
    """What was asked for and is not in this map: this `house_number`, all `house_numbers` of the street, ..."""
    beside: str = ""
    """Where it lies, by its streets, where the name alone does not say: another one is called so, or it has none."""
    unknown_words: tuple[str, ...] = ()
    """Words that were not understood: they may have named another place."""
    hazard: str = ""
    """What one has to know before going in."""
    source: str = ""
    """Of an own place: its id."""
    cost: float = 0.0
    """What speaks against it: 0 nothing, 0.3 a wrong letter."""
    distance_m: float = 0.0
    """By air, from where it was asked for."""


class Answer(NamedTuple):
    """What was found, best first. `ambiguous`: the first is not clearly meant; one has to look at the others."""

    found: tuple[Found, ...]
    ambiguous: bool = False
    lacks: tuple[Lack, ...] = ()
    """What this map cannot answer at all."""
