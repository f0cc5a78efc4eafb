"""Words: what people shorten and leave out in names of streets, by language, from `words.toml`."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from geo_backup.places.folding import fold


@dataclass(frozen=True)
class Words:
    """All languages together: a town's names are in several, and whoever asks may speak another one."""

    alike: dict[str, frozenset[str]]
    """Other spellings of a word, one hop: `st` is `street` and `saint`."""
    alike_runs: dict[tuple[str, ...], frozenset[tuple[str, ...]]]
    """Other spellings where one of them is several words: `n sra` is `nossa senhora`."""
    types: frozenset[str]
    stop: frozenset[str]
    """Small words; without those that are short for a great one (`e` for `east`)."""
    ends: dict[str, frozenset[str]]
    """Ends of a word that are a street's kind: `str` is `strasse`; full ends stand for themselves."""
    cross: frozenset[tuple[str, ...]]
    """Between two streets that meet."""
    number: frozenset[str]
    rest: frozenset[str]


@cache
def words() -> Words:
    """The tables, read once."""
    text = resources.files("geo_backup.places").joinpath("words.toml").read_text(encoding="utf-8")
    languages = tomllib.loads(text).values()
    alike: dict[str, set[str]] = defaultdict(set)
    runs: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    ends: dict[str, set[str]] = defaultdict(set)
    types: set[str] = set()
    for language in languages:
        for group in (*language.get("types", ()), *language.get("titles", ())):
            spellings = [tuple(fold(word.replace("_", " ")).split()) for word in group.split()]
            for one in spellings:
                others = {other for other in spellings if other != one}
                if len(one) == 1:
                    alike[one[0]] |= {other[0] for other in others if len(other) == 1}
                    if longer := {other for other in others if len(other) > 1}:
                        runs[one] |= longer
                else:
                    runs[one] |= others
        types |= {fold(word) for group in language.get("types", ()) for word in group.split() if "_" not in word}
        for group in language.get("ends", ()):
            full, *short = (fold(word) for word in group.split())
            for end in (full, *short):
                ends[end].add(full)
    return Words(
        alike={word: frozenset(others) for word, others in alike.items()},
        alike_runs={run: frozenset(others) for run, others in runs.items()},
        types=frozenset(types),
        stop=frozenset(word for word in _all(languages, "stop") - types if not alike.get(word)),
        ends={end: frozenset(full) for end, full in ends.items()},
        cross=frozenset(tuple(fold(one).split()) for language in languages for one in language.get("cross", ())),
        number=_all(languages, "number"),
        rest=_all(languages, "rest"),
    )


MOST_SPELLINGS = 6


@lru_cache(maxsize=8_192)
def spellings(asked: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The words in other numbers of words: `haupt str` is `hauptstr`, `n sra` is `nossa senhora`."""
    tables = words()
    out = [asked]
    for at in range(len(asked)):
        for size in (1, 2, 3):
            for other in sorted(tables.alike_runs.get(asked[at : at + size], ())) if at + size <= len(asked) else ():
                out.append(asked[:at] + other + asked[at + size :])
        word = asked[at]
        if at + 1 < len(asked) and asked[at + 1] in tables.ends and len(word) > 2 and word not in tables.types:
            out.append((*asked[:at], word + asked[at + 1], *asked[at + 2 :]))
        end = next((word[-n:] for n in range(len(word) - 3, 2, -1) if word[-n:] in tables.ends), "")
        if end:
            out.append((*asked[:at], word[: -len(end)], end, *asked[at + 1 :]))
    return list(dict.fromkeys(out))[:MOST_SPELLINGS]


def _all(languages: Iterable[dict[str, str]], key: str) -> frozenset[str]:
    return frozenset(fold(word) for language in languages for word in language.get(key, "").split())
