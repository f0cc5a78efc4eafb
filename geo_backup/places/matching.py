"""Matching: the names that some words may mean, each with what speaks against it.

A cost is a number of the same kind everywhere: 0 is the name as it stands, 0.3 a wrong letter, 1 a word that is not
there. Costs of words add up, so that two small doubts are a greater one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

from geo_backup.places.folding import plain_digraphs
from geo_backup.places.words import spellings, words

ALIKE, BEGUN, TYPO, UNSAID, MISSING = 0.02, 0.10, 0.30, 0.10, 1.0
"""Of a word: another spelling of it; only begun; a wrong letter; in the name but not asked for; asked for but not in
the name."""
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
TYPO_FROM = 3
"""Letters a word needs to be forgiven one."""


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


@dataclass
class Matcher:
    """Reads the names of one file."""

    db: sqlite3.Connection
    _cache: dict[tuple[str, bool, bool], Variants] = field(default_factory=dict)

    def hits(
        self,
        asked: Sequence[str],
        *,
        typing: bool,
        typos: bool,
        lenient: bool = False,
        kinds: tuple[str, ...] = (),
        rows: int = ROWS,
    ) -> list[Hit]:
        """Names with all of these words, cheapest first. `typing`: the last word may go on. `lenient`: kinds of street
        need not be there, nor words that no name has."""
        best: dict[int, Hit] = {}
        for some in spellings(tuple(asked)):
            extra = 0.0 if some == tuple(asked) else ALIKE
            for hit in self._spelt(some, extra, typing, typos, lenient, kinds, rows):
                if hit.place not in best or hit.cost < best[hit.place].cost:
                    best[hit.place] = hit
        return sorted(best.values(), key=lambda hit: (hit.cost, hit.place))

    def _spelt(
        self,
        asked: tuple[str, ...],
        extra: float,
        typing: bool,
        typos: bool,
        lenient: bool,
        kinds: tuple[str, ...],
        rows: int,
    ) -> list[Hit]:
        variants = [
            self.variants(word, typing=typing and at == len(asked) - 1, typos=typos) for at, word in enumerate(asked)
        ]
        needed = [one for one in variants if one.missing > SMALL] or variants
        if lenient:
            needed = [one for one in needed if one.missing >= MISSING and self._known(one)]
        if not needed:
            return []
        return [_hit(row, variants, extra) for row in self._rows(needed, kinds, rows)]

    def _rows(
        self, needed: list[Variants], kinds: tuple[str, ...], rows: int
    ) -> list[tuple[int, int, str, str | None]]:
        expression = " AND ".join(_expression(one) for one in needed)
        where = f" AND place.kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        return self.db.execute(
            "SELECT name.place, name.rank, name.text, name.said FROM words JOIN name ON name.id = words.rowid"
            f"{' JOIN place ON place.id = name.place' if kinds else ''}"
            f" WHERE words MATCH ?{where} ORDER BY words.rowid LIMIT ?",
            (expression, *kinds, rows),
        ).fetchall()

    def variants(self, word: str, *, typing: bool, typos: bool) -> Variants:
        """What a word may stand for."""
        key = word, typing, typos
        if (known := self._cache.get(key)) is None:
            if len(self._cache) > 20_000:
                self._cache.clear()
            known = self._cache[key] = self._variants(word, typing=typing, typos=typos)
        return known

    def _variants(self, word: str, *, typing: bool, typos: bool) -> Variants:
        tables = words()
        whole = dict.fromkeys(tables.alike.get(word, ()), ALIKE)
        for other in plain_digraphs(word):
            whole.setdefault(other, ALIKE)
        for end, full in tables.ends.items():
            if len(word) > len(end) + 2 and word.endswith(end):
                for one in full:
                    whole.setdefault(word[: -len(end)] + one, ALIKE)
                    if one == end:
                        # the name has the short end
                        for short, fulls in tables.ends.items():
                            if one in fulls and short != one and len(short) > 1:
                                whole.setdefault(word[: -len(end)] + short, ALIKE)
        whole[word] = 0.0
        numeric = word[0].isdigit()
        if typos and len(word) >= TYPO_FROM and not numeric:
            for other in self.near_words(word):
                whole.setdefault(other, TYPO)
        begun = None if numeric and not typing else BEGUN if typing else 2 * BEGUN if len(word) > 1 else 2.5 * BEGUN
        if word in tables.stop:
            missing = SMALL
        elif word in tables.types:
            missing = KIND_WRONG
        else:
            missing = MISSING
        return Variants(word, whole, begun, missing)

    def near_words(self, word: str) -> list[str]:
        """Words of this map that differ by one letter, left out, put in, changed or swapped with its neighbour.

        Whatever the slip, the word's first or last part is as it should be: both are looked up.
        """
        size = len(word)
        part = max(1, (size - 1) // 2)
        head, tail = word[:part], word[::-1][:part]
        candidates = {
            row[0]
            for column, begin in (("word", head), ("turned", tail))
            for row in self.db.execute(
                f"SELECT word FROM word WHERE {column} >= ? AND {column} < ? AND length(word) BETWEEN ? AND ?",
                (begin, begin + "\U0010ffff", size - 1, size + 1),
            )
        }
        return sorted(one for one in candidates if one != word and OSA.distance(word, one, score_cutoff=1) <= 1)

    def _known(self, one: Variants) -> bool:
        """Whether any name has such a word."""
        return self.knows(tuple(one.whole), one.text if one.begun is not None else None)

    def knows(self, whole: Iterable[str], begun: str | None) -> bool:
        """Whether any name has one of these words, or one that begins so."""
        some = list(whole)
        found = self.db.execute(
            f"SELECT 1 FROM word WHERE word IN ({', '.join('?' * len(some))}) LIMIT 1", some
        ).fetchone()
        if found is None and begun is not None:
            found = self.db.execute(
                "SELECT 1 FROM word WHERE word >= ? AND word < ? LIMIT 1", (begun, begun + "\U0010ffff")
            ).fetchone()
        return found is not None


def _expression(one: Variants) -> str:
    """A question for the index; each word in quotes, so that none is an operator."""
    terms = [f'"{word}"' for word in one.whole]
    if one.begun is not None:
        terms.append(f'"{one.text}"*')
    return f"({' OR '.join(terms)})"


@lru_cache(maxsize=65_536)
def _kind_cost(word: str) -> float:
    tables = words()
    if word in tables.stop:
        return SMALL
    return KIND_UNSAID if word in tables.types else UNSAID


def _hit(row: tuple[int, int, str, str | None], variants: list[Variants], extra: float) -> Hit:
    """Weigh one name."""
    place, rank, text, said = row
    own = text.split()
    free = [True] * len(own)
    cost, close, at_last, turned = RANKS[rank] + extra, False, -1, False
    unmet: list[str] = []
    for one in variants:
        best, where = one.missing, -1
        for at, word in enumerate(own):
            if not free[at]:
                continue
            price = one.whole.get(word)
            if price is None and one.begun is not None and word.startswith(one.text):
                price = one.begun
            if price is not None and price < best:
                best, where = price, at
        if where < 0 and one.missing >= MISSING:
            # `odonnell` of `o donnell`
            for at in range(len(own) - 1):
                if free[at] and free[at + 1] and own[at] + own[at + 1] in one.whole:
                    best, where = one.whole[own[at] + own[at + 1]], at
                    free[at + 1] = False
                    break
        cost += best
        if where < 0:
            if one.missing > SMALL:
                unmet.append(one.text)
            continue
        close |= best >= TYPO
        free[where] = False
        turned |= where < at_last
        at_last = where
    cost += turned * TURNED + sum(_kind_cost(word) for word, unused in zip(own, free, strict=True) if unused)
    return Hit(place, cost, said, tuple(unmet), close)
