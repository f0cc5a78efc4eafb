"""Folding: the one spelling in which names are kept and asked for, without case, accents and punctuation."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

LONGEST_TEXT = 200
"""Letters of a question; the rest is not read."""

_LETTERS = str.maketrans(
    {
        "ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ħ": "h", "ŋ": "n",
        "ŧ": "t", "ĸ": "k", "ə": "e",
    }
)  # fmt: skip

DIGRAPHS = (("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"), ("ij", "y"))
"""How people write ä, ö, ü, å and ij who have no such key, and what folding makes of those letters."""


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Words of small letters and digits with one blank between: `R. São João, 5` is `r sao joao 5`."""
    small = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold()).translate(_LETTERS)
    return " ".join("".join(letter for letter in map(_kept, small)).split())


@lru_cache(maxsize=8_192)
def _kept(letter: str) -> str:
    """Letters, digits and the vowel signs of Indian scripts stay; accents go; all else parts words."""
    kind = unicodedata.category(letter)[0]
    if kind == "M":
        return "" if unicodedata.combining(letter) else letter
    return letter if kind in "LN" else " "


def plain_digraphs(word: str) -> list[str]:
    """Other words that this one may stand for, where its digraphs stand for letters with a mark."""
    found: list[str] = []
    for digraph, letter in DIGRAPHS:
        if digraph in word:
            found.append(word.replace(digraph, letter))
    if len(found) > 1:
        every = word
        for digraph, letter in DIGRAPHS:
            every = every.replace(digraph, letter)
        found.append(every)
    return found


def road_number(text: str) -> str:
    """A road's number in one spelling: `A 28`, `A-28` and `a28` are one road."""
    return fold(text).replace(" ", "")
