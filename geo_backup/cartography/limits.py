"""Limits: what can physically pass a road, read from the lengths and weights people write on signs.

A limit that only the law knows does not stop a fire engine: of weights only those of bridges count. Everything is
rounded down, so that a vehicle that is let through fits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

_PART = r"(\d+(?:[.,]\d+)?)"
_FEET = re.compile(rf"^{_PART}\s*(?:'|’|′|ft|feet|foot)\s*(?:{_PART}\s*(?:''|\"|”|″|in|inch|inches)?)?$", re.IGNORECASE)
_INCHES = re.compile(rf"^{_PART}\s*(?:''|\"|”|″|in|inch|inches)$", re.IGNORECASE)
_MEASURE = re.compile(rf"^{_PART}\s*([a-z]*)$", re.IGNORECASE)

_M = {"": 1.0, "m": 1.0, "metre": 1.0, "metres": 1.0, "meter": 1.0, "meters": 1.0, "cm": 0.01, "mm": 0.001}
_T = {
    "": 1.0, "t": 1.0, "ton": 1.0, "tons": 1.0, "tonne": 1.0, "tonnes": 1.0, "to": 1.0, "kg": 0.001,
    "st": 0.90718474, "lt": 1.0160469, "lb": 0.00045359237, "lbs": 0.00045359237, "cwt": 0.05080235,
}  # fmt: skip
"""Tonnes in a unit; `st` is the American short ton, `lt` the long one."""

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


def physical_limits(tags: Mapping[str, str], *, bridge: bool) -> tuple[int, int, int]:
    """Height dm, width dm and weight in 0.1 t of what may pass a way or a node; 0 = no limit said.

    What `:physical` says wins over the sign; `none`, `default` and `below_default` are no numbers.
    """
    return (
        _length(tags, "maxheight"),
        _length(tags, "maxwidth"),
        weight_100kg(tags.get("maxweight", "")) if bridge else 0,
    )


def _length(tags: Mapping[str, str], key: str) -> int:
    for names in ((f"{key}:physical",), (key, f"{key}:forward", f"{key}:backward")):
        if found := [dm for name in names if (dm := length_dm(tags.get(name, "")))]:
            return min(found)
    return 0


def _least(text: str, read: Callable[[str], float]) -> int:
    values = [read(part.strip()) for part in text.split(";")]
    # the small share makes good what a decimal fraction loses: 3.3 m are 33 dm
    return min((max(1, int(min(LARGEST, value * 10.0 + 1e-6))) for value in values if value > 0.0), default=0)


def _metres(text: str) -> float:
    if feet := _FEET.match(text):
        return (_number(feet[1]) * 12.0 + _number(feet[2] or "0")) * 0.0254
    if inches := _INCHES.match(text):
        return _number(inches[1]) * 0.0254
    if measure := _MEASURE.match(text):
        return _number(measure[1]) * _M.get(measure[2].lower(), 0.0)
    return 0.0


def _tonnes(text: str) -> float:
    measure = _MEASURE.match(text)
    return _number(measure[1]) * _T.get(measure[2].lower(), 0.0) if measure else 0.0


def _number(text: str) -> float:
    return float(text.replace(",", "."))
