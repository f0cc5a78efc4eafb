"""Questions: the ways in which a text can be read, before any map is asked.

`12 formosa st, porto` may be a house number, a street and a town; `25 de abril` is a name; `formosa x santa catarina`
is two streets. Each reading is tried, and the map decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from geo_backup.places import house_numbers
from geo_backup.places.folding import LONGEST_TEXT, fold
from geo_backup.places.house_numbers import HouseNumber
from geo_backup.places.words import words

MOST_WORDS = 20

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
    """Words of a name, the house number in that street where the text has one, and words that may name its town."""

    words: tuple[str, ...]
    number: HouseNumber | None = None
    locality: tuple[str, ...] = ()
    apart: bool = False
    """A comma stands before the town."""


Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""Words of two streets that meet."""


class OnRoad(NamedTuple):
    """An exit's number, or metres along, on a road (empty: not said)."""

    road: str
    exit: str = ""
    metres: int = -1


def split(text: str) -> list[str]:
    """The folded words of a text, as many as are read."""
    return fold(text[:LONGEST_TEXT]).split()[:MOST_WORDS]


_POSTCODES = re.compile(r"\b(\d{4})-(\d{3})\b|\b(\d{5})-(\d{4})\b|\b(\d{3}) (\d{2})(?=\s+[^\W\d])")


def readings(text: str, is_town: Callable[[str], bool]) -> list[Reading]:
    """A text as a name, with and without a house number, with and without a town after it."""
    text = _POSTCODES.sub(lambda found: "".join(part or "" for part in found.groups()), text[:LONGEST_TEXT])
    parts = [fold(part).split() for part in text.split(",")]
    asked = [word for part in parts for word in part][:MOST_WORDS]
    out = []
    commas = {len(parts[0]), len(parts[0]) + len(parts[min(1, len(parts) - 1)])} if len(parts) > 1 else set()
    for cut in _cuts(commas, asked, is_town):
        head, tail = asked[:cut], tuple(asked[cut:])
        apart = cut in commas
        out += [Reading(tuple(rest), number, tail, apart) for rest, number in _numbered(text, head)]
        out.append(Reading(tuple(head), None, tail, apart))
    return out


def _cuts(commas: set[int], asked: list[str], is_town: Callable[[str], bool]) -> list[int]:
    """Where the name may end and the town begin; the whole text may be a name."""
    cuts = [len(asked), *sorted(commas)]
    for at in range(1, len(asked)):
        if is_postcode(asked[at]) or any(is_town(" ".join(asked[at:end])) for end in range(at + 1, len(asked) + 1)):
            cuts.append(at)
            break
    return [cut for cut in dict.fromkeys(cuts) if cut == len(asked) or _parts_name_and_town(asked, cut)]


def _parts_name_and_town(asked: list[str], cut: int) -> bool:
    name, town = asked[:cut], asked[cut:]
    return (
        _has_name(word for word in name if word[0].isalpha())
        and bool(town)
        and all(word[0].isalpha() or is_postcode(word) for word in town)
    )


def is_postcode(word: str) -> bool:
    """Four digits or more: few house numbers have so many, and then the street has it."""
    return sum(letter.isdigit() for letter in word) >= 4


def _numbered(text: str, asked: list[str]) -> Iterator[tuple[list[str], HouseNumber]]:
    """Each number of the words taken for a house number, and the other words."""
    tables = words()
    for at, word in enumerate(asked):
        if not word[0].isdigit() or len(asked) < 2:
            continue
        label, size = word, 1
        if at + 1 < len(asked):
            following = asked[at + 1]
            half = re.search(rf"\b{re.escape(word)}\s+(\d/\d)\b", text)
            if half is not None and at + 2 < len(asked):
                label, size = f"{word} {half[1]}", 3  # `226 1/2`
            elif sign := _sign_between(text, word, following):
                label, size = f"{word}{sign}{following}", 2
            elif len(following) == 1 and following.isalpha() and 0 < at == len(asked) - 2:
                label, size = word + following, 2  # `12 a`
        before = at - 1 if at > 0 and asked[at - 1] in tables.number else at
        rest = [*asked[:before], *asked[at + size :]]
        # the floor and the flat, behind the number
        cut = next((i for i in range(max(1, before), len(rest)) if rest[i] in tables.rest), len(rest))
        if max(1, before) < cut < len(rest) and rest[cut - 1].isdigit():
            cut -= 1
        number = house_numbers.read(label)
        if number is not None and rest[:cut]:
            yield rest[:cut], number


def _sign_between(text: str, first: str, last: str) -> str:
    """What makes one house number of two: `12-14`, `118/2`, `12/a`."""
    found = re.search(rf"\b{re.escape(first)}\s*([-–/])\s*{re.escape(last)}\b", text.casefold())
    return found[1] if found is not None else ""


def pairs(text: str) -> list[Pair]:
    """Ways to part a text into two streets: by what stands between them."""
    found: list[Pair] = []
    parts = [tuple(split(part)) for part in _SIGNS.split(text[:LONGEST_TEXT])]
    if len(parts) == 2:
        found.append((parts[0], parts[1]))
    asked = tuple(split(text))
    tables = words()
    for size in (4, 3, 2, 1):
        for at in range(len(asked) - size + 1):
            if asked[at : at + size] in tables.cross:
                left, right = asked[:at], asked[at + size :]
                if at == 0 and right:
                    # `corner of a and b`: what is left is parted by its own word
                    found += pairs(" ".join(right)) or bare_pairs(list(right))
                found.append((left, right))
    whole = [pair for pair in found if pair[0] and pair[1]]
    begun = [pair for pair in found if pair[0] and not pair[1] and _has_name(pair[0])]
    return list(dict.fromkeys(whole or begun))


def bare_pairs(asked: list[str]) -> list[Pair]:
    """Two streets with nothing between them."""
    if len(asked) > 8 or asked[0].isdigit() or asked[-1].isdigit():
        return []
    stop = words().stop
    cuts = [at for at in range(1, len(asked)) if asked[at - 1] not in stop]
    parted = [(tuple(asked[:at]), tuple(asked[at:])) for at in cuts]
    return [pair for pair in parted if _has_name(pair[0]) and _has_name(pair[1])]


def before_a_cross_word(asked: list[str]) -> tuple[str, ...]:
    """The street before a word that is being typed and may become one between two streets; empty: there is none."""
    left, last = tuple(asked[:-1]), asked[-1]
    fits = _has_name(left) and any(len(one) == 1 and one[0].startswith(last) for one in words().cross)
    return left if fits else ()


def _has_name(asked: Iterable[str]) -> bool:
    """Whether there is more than a kind of street and small words."""
    tables = words()
    return any(word not in tables.types and word not in tables.stop for word in asked)


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
