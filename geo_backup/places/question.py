"""Questions: the ways in which a text can be read, before any map is asked.

`12 formosa st, porto` may be a house number, a street and a town; `25 de abril` is a name; `formosa x santa catarina`
is two streets. Each reading is tried, and the map decides.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from geo_backup.places import house_numbers
from geo_backup.places.folding import LONGEST_TEXT, fold
from geo_backup.places.house_numbers import HouseNumber
from geo_backup.places.words import words

MOST_WORDS = 12

_EXIT_WORDS = (
    "exit", "exits", "ausfahrt", "anschlussstelle", "as", "saida", "salida", "sortie", "uscita", "afrit", "avfart",
    "trafikplats", "frakorsel", "junction", "jct", "j", "no", "nr", "n", "zjazd", "wezel", "izlaz", "kreuz", "sjezd",
)  # fmt: skip
_ROAD = re.compile(r"\b([a-z]{1,4})[ -]?(\d{1,4}[a-z]?)\b")
_EXIT = re.compile(rf"\b(?:{'|'.join(_EXIT_WORDS)})[ .#-]*(\d{{1,4}} ?[a-z]?)(?![\w.,+]*\d)\b")
_ALONG = r"(\d{1,4}(?:[.,]\d{1,3})?)(?:\+(\d{1,3}))?"
_POST = re.compile(
    rf"\b(?:km|kilometer|kilometre|kilometro|quilometro|pk|mile ?marker|milepost|mile|mp|mm)[ .:]*{_ALONG}\b"
    rf"|\b{_ALONG} ?(?:km|mi|miles?)\b"
)
_MILES = re.compile(r"\b(?:mile ?marker|milepost|miles?|mp|mm|mi)\b")
_SIGNS = re.compile(r"\s*[&+/\\]\s*|\s+[xX×@]\s+|\s+-\s+")
_UNIT = re.compile(r"\b(\d{1,5}\s?[a-zA-Z]?)\s*[,/ ]\s*(?:r/c|rés|\d{1,2}\s?[.ºª°]+)\s*\w*\.?", re.IGNORECASE)


class Reading(NamedTuple):
    """Words of a name, and the house number in that street where the text has one."""

    words: tuple[str, ...]
    number: HouseNumber | None = None
    label: str = ""
    """The number as it was written."""


class OnRoad(NamedTuple):
    """An exit's number, or metres along, on a road (empty: not said)."""

    road: str
    exit: str = ""
    metres: int = -1


def split(text: str) -> list[str]:
    """The folded words of a text, as many as are read."""
    return fold(text[:LONGEST_TEXT]).split()[:MOST_WORDS]


def readings(text: str) -> list[Reading]:
    """A text as a name, with and without a house number."""
    asked = split(text)
    out = [Reading(tuple(asked))]
    tables = words()
    for at, word in enumerate(asked):
        if not word[0].isdigit() or len(asked) < 2:
            continue
        rest = [*asked[:at], *asked[at + 1 :]]
        label = word
        if (
            at + 1 < len(asked)
            and len(asked[at + 1]) == 1
            and asked[at + 1].isalpha()
            and at > 0
            and at + 2 == len(asked)
        ):
            # `12 a`
            label = word + asked[at + 1]
            rest = asked[:at]
        elif at + 1 < len(asked) and asked[at + 1].isdigit() and _is_range(text, word, asked[at + 1]):
            label = f"{word}-{asked[at + 1]}"
            rest = [*asked[:at], *asked[at + 2 :]]
        if 0 < at <= len(rest) and rest[at - 1] in tables.number:
            del rest[at - 1]
        number = house_numbers.read(label)
        if number is None or not rest:
            continue
        cut = next((i for i in range(max(1, at), len(rest)) if rest[i] in tables.rest), None)
        if cut is not None:
            rest = rest[:cut]
        out.append(Reading(tuple(rest), number, label))
    return out


def _is_range(text: str, first: str, last: str) -> bool:
    return re.search(rf"\b{first}\s*[-–]\s*{last}\b", text) is not None


def crossings(text: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Ways to part a text into two streets: by what stands between them."""
    seen: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
    parts = [split(part) for part in _SIGNS.split(text[:LONGEST_TEXT])]
    pairs = [(a, b) for a, b in itertools.pairwise(parts)] if len(parts) == 2 else []
    asked = split(text)
    tables = words()
    for size in (3, 2, 1):
        for at in range(len(asked) - size + 1):
            if tuple(asked[at : at + size]) in tables.cross:
                left, right = asked[:at], asked[at + size :]
                if left and right:
                    pairs.append((left, right))
                elif at == 0 and right:
                    # `corner of a and b`: what is left is parted by its own word
                    yield from crossings(" ".join(right))
    for left, right in pairs:
        pair = tuple(left), tuple(right)
        if left and right and pair not in seen:
            seen.add(pair)
            yield pair


def bare_crossings(asked: list[str]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Two streets with nothing between them."""
    for at in range(1, len(asked)):
        yield tuple(asked[:at]), tuple(asked[at:])


def on_road(text: str) -> OnRoad | None:
    """An exit or a kilometre post, where the text is of one."""
    small = " ".join(text[:LONGEST_TEXT].casefold().replace("í", "i").replace("é", "e").replace("ô", "o").split())
    if (post := _POST.search(small)) is not None:
        whole, more = post[1] or post[3], post[2] or post[4]
        unit = 1609.344 if _MILES.search(post[0]) else 1000.0
        rest = small[: post.start()] + " " + small[post.end() :]
        if (road := _ROAD.search(rest)) is not None:
            return OnRoad(road[1] + road[2], metres=round(float(whole.replace(",", ".")) * unit) + int(more or 0))
        return None
    if (found := _EXIT.search(small)) is not None:
        rest = small[: found.start()] + " " + small[found.end() :]
        road = _ROAD.search(rest)
        left = _ROAD.sub(" ", rest, count=1) if road else rest
        if not fold(left):
            return OnRoad(road[1] + road[2] if road else "", found[1].replace(" ", ""))
    return None
