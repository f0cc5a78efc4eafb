"""Matching: the names that some words may mean, each with what speaks against it.

A cost is a number of the same kind everywhere: 0 is the name as it stands, 0.3 a wrong letter, 1 a word that is not
there. Costs of words add up, so that two small doubts are a greater one.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from enum import IntEnum
from functools import cache, lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from geo_backup.places.folding import fold, plain_digraphs
from geo_backup.places.store import STREET_MARK
from geo_backup.places.words import spellings, words

ALIKE, BEGUN, HALF, TYPO, TYPOS, UNSAID, MISSING = 0.02, 0.10, 0.20, 0.30, 0.50, 0.10, 1.0
"""Of a word: another spelling of it; the last one, only begun; one before it, only begun; a wrong letter; two wrong
letters of many; in the name but not asked for; asked for but not in the name."""
SCRAP = 0.45
"""Of a word of one or two letters that is not in the name."""
SMALL = 0.02
"""Of a word that people leave out or put in as they like (`de`, `the`), missing on either side."""
KIND_UNSAID, KIND_WRONG = 0.04, 0.13
"""Of a street's kind that is not said; that is another one."""
TURNED = 0.02
"""Words in another order."""
RANKS = (0.0, 0.03, 0.08)
"""By a name's rank, see `facts.NAME_KEYS`."""

ROWS = 80
"""Names looked at for one reading of a text."""
KEPT = 50_000
"""Names and words kept in memory, so that the next letter need not read them again."""
KEPT_HITS = 256
"""Answers kept: as one types a second street, the first is asked for again and again."""
TYPO_FROM, TYPOS_FROM = 3, 8
"""Letters a word needs to be forgiven one, and two."""
HALF_FROM = 3
"""Letters with which a word that is not the last is taken for the beginning of one, without being asked twice."""


class Mercy(IntEnum):
    """How much is forgiven."""

    NONE = 0
    LETTER = 1
    """A wrong letter; words cut short."""
    WORDS = 2
    """Two wrong letters of many; words that no name has; the kind of street."""


class Variants(NamedTuple):
    """What one word of a question may stand for: whole words with their costs, and whether longer ones do."""

    text: str
    whole: dict[str, float]
    begun: float | None
    """Cost of a longer word that begins with it; None: it is whole."""
    missing: float
    """Cost where a name has none of them."""


class Hit(NamedTuple):
    """A name that was found: its place, and what speaks against it."""

    place: int
    cost: float
    said: str | None
    """The name as it is written, where it is not what the place is called."""
    unmet: tuple[str, ...]
    """Words of the question that the name does not have."""
    close: bool
    """A wrong letter was forgiven."""


Row = tuple[int, float, tuple[str, ...], str | None]
"""Of a name: its place, the cost of its rank, its words, and the text where it is not what the place is called."""


class Matcher:
    """Reads the names of one file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.known = Vocabulary(db)
        self._cache: dict[tuple[str, bool, Mercy, bool], Variants] = {}
        self._names: dict[int, Row] = {}
        self._by_place: dict[int, list[Row]] = {}
        self._hits: dict[tuple[tuple[str, ...], bool, Mercy, bool], list[Hit]] = {}

    def hits(
        self, asked: tuple[str, ...], *, typing: bool, mercy: Mercy, streets: bool = False, most: int = ROWS
    ) -> list[Hit]:
        """At most so many places with a name that has all of these words, cheapest first. `typing`: the last word may
        go on."""
        key = asked, typing, mercy, streets
        if (known := self._hits.get(key)) is None:
            if len(self._hits) > KEPT_HITS:
                self._hits.pop(next(iter(self._hits)))
            known = self._hits[key] = self._found(asked, typing, mercy, streets)
        return known[:most]

    def _found(self, asked: tuple[str, ...], typing: bool, mercy: Mercy, streets: bool) -> list[Hit]:
        best: dict[int, Hit] = {}
        for some in spellings(asked):
            variants = self.all_variants(some, typing=typing, mercy=mercy)
            extra = 0.0 if len(some) == len(asked) else ALIKE
            for row in self._rows(self._needed(variants, mercy), streets):
                hit = _hit(row, variants, extra)
                if hit.place not in best or hit.cost < best[hit.place].cost:
                    best[hit.place] = hit
        return sorted(best.values(), key=_by_cost)

    def among(self, places: Iterable[int], asked: tuple[str, ...], *, typing: bool, mercy: Mercy) -> dict[int, Hit]:
        """Those of some places that have a name with all of these words."""
        best: dict[int, Hit] = {}
        rows = self._names_of(places)
        for some in spellings(asked):
            variants = self.all_variants(some, typing=typing, mercy=mercy)
            extra = 0.0 if len(some) == len(asked) else ALIKE
            for row in rows:
                hit = _hit(row, variants, extra)
                if not hit.unmet and (hit.place not in best or hit.cost < best[hit.place].cost):
                    best[hit.place] = hit
        return best

    def all_variants(self, asked: tuple[str, ...], *, typing: bool, mercy: Mercy) -> list[Variants]:
        """What each word may stand for. Where some word is in no name, the wrong letter is in that one."""
        last = len(asked) - 1
        plain = [self.variants(word, typing=typing and at == last, mercy=Mercy.NONE) for at, word in enumerate(asked)]
        if mercy is Mercy.NONE:
            return plain
        known = [self._known(one) for one in plain]
        return [
            self.variants(word, typing=typing and at == last, mercy=mercy, letters=all(known) or not known[at])
            for at, word in enumerate(asked)
        ]

    def _names_of(self, places: Iterable[int]) -> list[Row]:
        """All names of some places."""
        wanted = list(places)
        if lacking := [place for place in wanted if place not in self._by_place]:
            if len(self._by_place) > KEPT:
                self._by_place.clear()
                lacking = wanted
            marks = ", ".join("?" * len(lacking))
            for place, name in self.db.execute(f"SELECT id, name FROM place WHERE id IN ({marks})", lacking):
                self._by_place[place] = [(place, 0.0, tuple(fold(name).split()), None)]
            for place, rank, text, said in self.db.execute(
                f"SELECT place, rank, text, said FROM name WHERE place IN ({marks}) AND said IS NOT NULL", lacking
            ):
                self._by_place[place].append((place, RANKS[rank], tuple(text.split()), said))
        return [row for place in wanted for row in self._by_place[place]]

    def _needed(self, variants: list[Variants], mercy: Mercy) -> list[Variants]:
        """The words without which a name is not looked at."""
        if mercy is Mercy.WORDS:
            needed = [one for one in variants if one.missing >= MISSING and self._known(one)]
            # numbers and initials alone are no name
            return needed if any(len(one.text) >= HALF_FROM and one.text[0].isalpha() for one in needed) else []
        return [one for one in variants if one.missing > SMALL] or variants

    def _rows(self, needed: list[Variants], streets: bool) -> Iterator[Row]:
        if not needed:
            return
        terms = [_expression(one) for one in needed] + [f'"{STREET_MARK}"'] * streets
        found = self.db.execute(
            f"SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid LIMIT {ROWS}", (" AND ".join(terms),)
        ).fetchall()
        known = self._names
        if lacking := [number for (number,) in found if number not in known]:
            if len(known) > KEPT:
                known.clear()
                lacking = [number for (number,) in found]
            marks = ", ".join("?" * len(lacking))
            for number, place, rank, text, said in self.db.execute(
                f"SELECT id, place, rank, text, said FROM name WHERE id IN ({marks})", lacking
            ):
                known[number] = place, RANKS[rank], tuple(text.split()), said
        for (number,) in found:
            yield known[number]

    def variants(self, word: str, *, typing: bool, mercy: Mercy, letters: bool = False) -> Variants:
        """What a word may stand for; with `letters` others that differ by one."""
        key = word, typing, mercy, letters
        if (known := self._cache.get(key)) is None:
            if len(self._cache) > KEPT:
                self._cache.clear()
            known = self._cache[key] = self._variants(word, typing, mercy, letters)
        return known

    def _variants(self, word: str, typing: bool, mercy: Mercy, letters: bool) -> Variants:
        tables = words()
        whole = dict.fromkeys(tables.alike.get(word, ()), ALIKE)
        for other in (*plain_digraphs(word), *_with_whole_end(word)):
            whole.setdefault(other, ALIKE)
        whole[word] = 0.0
        numeric = word[0].isdigit()
        if letters and len(word) >= TYPO_FROM and not numeric:
            for one in [other for other in whole if len(other) >= TYPO_FROM]:
                if one == word or one not in tables.alike.get(word, ()):
                    for near, price in self._near(one, mercy):
                        whole.setdefault(near, price)
            if len(word) >= TYPO_FROM + 2:
                for kind, _, _ in extract(word, _long_kinds(), scorer=OSA.distance, score_cutoff=2, limit=None):
                    whole.setdefault(kind, TYPO + ALIKE)
        begun = None
        if typing:
            begun = BEGUN
        elif not numeric and (mercy or len(word) >= HALF_FROM):
            begun = HALF if len(word) > 1 else HALF + BEGUN / 2
        missing = SMALL if word in tables.stop else KIND_WRONG if word in tables.types else MISSING
        if missing == MISSING and len(word) <= 2 and not numeric:
            missing = SCRAP
        return Variants(word, whole, begun, missing)

    def _near(self, word: str, mercy: Mercy) -> list[tuple[str, float]]:
        """Words of this map that differ by one letter, left out, put in, changed or swapped with its neighbour; or,
        where much is forgiven, by two."""
        size = len(word)
        off = 2 if mercy is Mercy.WORDS and size >= TYPOS_FROM else 1
        some = [one for length in range(size - off, size + off + 1) for one in self.known.by_length.get(length, ())]
        found = extract(word, some, scorer=OSA.distance, score_cutoff=off, limit=None)
        return [(other, TYPO if far == 1 else TYPOS) for other, far, _ in found if far]

    def _known(self, one: Variants) -> bool:
        """Whether any name has such a word."""
        return any(word in self.known.words for word in one.whole) or (
            one.begun is not None and self.known.begins(one.text)
        )


class Vocabulary:
    """All words of the names of one map."""

    def __init__(self, db: sqlite3.Connection) -> None:
        db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab ('main', 'words', 'row')")
        self._sorted = sorted(row[0] for row in db.execute("SELECT term FROM vocabulary"))
        self.words = frozenset(self._sorted)
        self.by_length: dict[int, list[str]] = defaultdict(list)
        for word in self._sorted:
            self.by_length[len(word)].append(word)

    def begins(self, begin: str) -> bool:
        """Whether a word begins so."""
        at = bisect_left(self._sorted, begin)
        return at < len(self._sorted) and self._sorted[at].startswith(begin)


@cache
def _long_kinds() -> list[str]:
    """Kinds of street that are known with two wrong letters."""
    return sorted(kind for kind in words().types if len(kind) >= TYPO_FROM + 3)


def _by_cost(hit: Hit) -> tuple[float, int]:
    return hit.cost, hit.place


def _with_whole_end(word: str) -> list[str]:
    """`hauptstr` is `hauptstrasse`; and, as some maps have it short, the other way round."""
    out = []
    for end, full in words().ends.items():
        if len(word) > len(end) + 2 and word.endswith(end):
            stem = word[: -len(end)]
            out += [stem + one for one in sorted(full) if one != end]
            if end in full:
                out += [stem + short for short, fulls in words().ends.items() if end in fulls and len(short) > 1]
    return [other for other in out if other != word]


def _expression(one: Variants) -> str:
    """A question for the index; each word in quotes, so that none is an operator."""
    terms = [f'"{word}"' for word in one.whole]
    if one.begun is not None:
        terms.append(f'"{one.text}"*')
    return f"({' OR '.join(terms)})"


@lru_cache(maxsize=65_536)
def _unsaid(word: str) -> float:
    """Cost of a name's word that was not asked for."""
    tables = words()
    if word in tables.stop:
        return SMALL
    return KIND_UNSAID if word in tables.types else UNSAID


def _hit(row: Row, variants: list[Variants], extra: float) -> Hit:
    """Weigh one name: each word of the question takes the word of the name that suits it best."""
    place, price_of_rank, text, said = row
    own: list[str | None] = list(text)
    cost, close, last, turned = price_of_rank + extra, False, -1, False
    unmet: tuple[str, ...] = ()
    for one in variants:
        best, where = one.missing, -1
        whole, begun, begin = one.whole, one.begun, one.text
        for at, word in enumerate(own):
            if word is None:
                continue
            price = whole.get(word)
            if price is None:
                if begun is None or begun >= best or not word.startswith(begin):
                    continue
                price = begun
            if price < best:
                best, where = price, at
        if where < 0 and one.missing >= MISSING:
            best, where = _glued(own, whole)
        cost += best
        if where < 0:
            if one.missing > SMALL:
                unmet += (begin,)
            continue
        close |= best >= TYPO
        own[where] = None
        turned |= where < last
        last = where
    for word in own:
        if word is not None:
            cost += _unsaid(word)
    return Hit(place, cost + TURNED * turned, said, unmet, close)


def _glued(own: list[str | None], whole: dict[str, float]) -> tuple[float, int]:
    """Two words of a name that were asked for as one: `odonnell` of `o donnell`."""
    for at in range(len(own) - 1):
        a, b = own[at], own[at + 1]
        if a is not None and b is not None and (price := whole.get(a + b)) is not None:
            own[at + 1] = None
            return price, at
    return MISSING, -1
