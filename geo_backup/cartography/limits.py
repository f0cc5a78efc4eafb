"""Limits: what can physically pass a road, read from the lengths and weights people write on signs.

A limit that only the law knows does not stop a fire engine: of weights only those of bridges count, apart from those
that shut a road to ordinary cars. Everything is rounded down, so that a vehicle that is let through fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

_PART = r"(\d+(?:[.,]\d+)?)"
_FOOT = r"(?:'|’|′|ft\.?|feet|foot)"
_INCH = r"(?:''|’’|′′|\"|”|″|in\.?|inch|inches)"
_FEET = re.compile(rf"^{_PART}\s*{_FOOT}\s*-?\s*(?:{_PART}(?:\s+(\d)/(\d))?\s*{_INCH}?)?$", re.IGNORECASE)
_INCHES = re.compile(rf"^{_PART}\s*{_INCH}$", re.IGNORECASE)
_MEASURE = re.compile(r"^(\d+(?:[.,]\d+)*)\s*([a-z ]*)\.?$", re.IGNORECASE)
_THOUSANDS = re.compile(r"^\d{1,3}(?:[.,]\d{3})+$")

_M = {
    "": 1.0, "m": 1.0, "mt": 1.0, "mtr": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0,
    "dm": 0.1, "cm": 0.01, "mm": 0.001,
}  # fmt: skip
_T = {
    "": 1.0, "t": 1.0, "ton": 1.0, "tons": 1.0, "tonne": 1.0, "tonnes": 1.0, "to": 1.0, "mt": 1.0, "metric ton": 1.0,
    "metric tons": 1.0, "kg": 0.001, "kgs": 0.001, "st": 0.90718474, "short ton": 0.90718474,
    "short tons": 0.90718474, "us ton": 0.90718474, "us tons": 0.90718474, "lt": 1.0160469, "long ton": 1.0160469,
    "long tons": 1.0160469, "lb": 0.00045359237, "lbs": 0.00045359237, "pound": 0.00045359237,
    "pounds": 0.00045359237, "cwt": 0.05080235,
}  # fmt: skip
"""Tonnes in a unit; `st` is the American short ton, `lt` the long one."""

SMALL_UNIT = 0.01
"""Of a unit this small or smaller one writes thousands, with a mark between them: 20,000 lbs."""

NO_NUMBER = frozenset({"", "none", "default", "below_default", "no", "yes", "unsigned", "no_sign", "no_indications"})
"""What stands for a limit and is understood to be none, or none that anybody knows."""

KEYS = ("maxheight", "maxwidth", "maxweight")

ORDINARY_CAR_100KG = 25
"""Weight of an ordinary car with what it carries (`roads/profiles/routine.toml`). A road off bridges that a sign shuts
to anything that heavy is open to emergency vehicles alone."""

LARGEST = 32_767
"""Of a stored limit; a larger one stops nobody."""


@lru_cache(maxsize=1024)
def length_dm(text: str) -> int:
    """A written length in whole decimetres, rounded down, the least of several; 0 when it is no number."""
    return _least(text, _metres)


@lru_cache(maxsize=1024)
def weight_100kg(text: str) -> int:
    """A written weight in tenths of a tonne, rounded down, the least of several; 0 when it is no number."""
    return _least(text, _tonnes)


def physical_limits(
    tags: Mapping[str, str], *, bridge: bool, sides: Sequence[str] = ("forward", "backward")
) -> tuple[int, int, int]:
    """Height dm, width dm and weight in 0.1 t of what may pass a way or a node, driven to these sides; 0 = no limit.

    What `:physical` says wins over the sign; `none`, `default` and `below_default` are no numbers.
    """
    return (
        _limit(tags, "maxheight", sides, length_dm),
        _limit(tags, "maxwidth", sides, length_dm),
        _limit(tags, "maxweight", sides, weight_100kg) if bridge else 0,
    )


def unread_limits(tags: Mapping[str, str]) -> bool:
    """Whether a limit is written in words that are no number, and so is none."""
    for key in KEYS:
        read = weight_100kg if key == "maxweight" else length_dm
        if (text := tags.get(key, "").strip()).lower() not in NO_NUMBER and not read(text):
            return True
    return False


def _limit(tags: Mapping[str, str], key: str, sides: Sequence[str], read: Callable[[str], int]) -> int:
    for name in (f"{key}:physical", key):
        texts = [tags.get(name, ""), *(tags.get(f"{name}:{side}", "") for side in sides)]
        if found := [limit for text in texts if (limit := read(text))]:
            return min(found)
    return 0


def _least(text: str, read: Callable[[str], float]) -> int:
    values = [read(part.strip()) for part in text.split(";")]
    # the small share makes good what a decimal fraction loses: 3.3 m are 33 dm
    return min((max(1, int(min(LARGEST, value * 10.0 + 1e-6))) for value in values if value > 0.0), default=0)


def _metres(text: str) -> float:
    if feet := _FEET.match(text):
        part = int(feet[3]) / int(feet[4]) if feet[3] and int(feet[4]) else 0.0
        return (_number(feet[1]) * 12.0 + _number(feet[2] or "0") + part) * 0.0254
    if inches := _INCHES.match(text):
        return _number(inches[1]) * 0.0254
    return _measure(text, _M)


def _tonnes(text: str) -> float:
    return _measure(text, _T)


def _measure(text: str, units: Mapping[str, float]) -> float:
    measure = _MEASURE.match(text)
    if measure is None:
        return 0.0
    share = units.get(" ".join(measure[2].lower().split()), 0.0)
    digits = measure[1]
    if share <= SMALL_UNIT and _THOUSANDS.match(digits):
        digits = digits.replace(",", "").replace(".", "")
    return _number(digits) * share


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:  # 1.234.567 of a unit nobody counts in thousands
        return 0.0
