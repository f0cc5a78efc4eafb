"""How far the age of a position lets it be trusted: live, delayed, stale or lost.

One rule for all who ask: a unit in a document, the columns of a ranking, and the page, which is told the limits.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar, cast

import numpy.typing as npt

from geo_backup.rules import FreshnessRules

FRESHNESS = ("live", "delayed", "stale", "lost")
STALE, LOST = 2, 3

Age = TypeVar("Age", int, npt.NDArray[Any])


def limits_ms(rules: FreshnessRules, parked: bool) -> tuple[int, int, int]:
    """The ages beyond which a unit is no longer live, no longer delayed, no longer stale."""
    if parked:
        return rules.live_parked_ms, rules.delayed_parked_ms, rules.stale_parked_ms
    return rules.live_moving_ms, rules.delayed_moving_ms, rules.stale_moving_ms


def grade(age_ms: Age, limits: Iterable[Age]) -> Age:
    """How many of its limits an age is beyond: an index into `FRESHNESS`. Of one unit, or of a column of them."""
    return cast("Age", sum(1 * (age_ms > limit_ms) for limit_ms in limits))


def freshness(age_ms: int, parked: bool, rules: FreshnessRules) -> str:
    """How far a position of this age can be trusted, by the rules of the unit's kind."""
    return FRESHNESS[grade(age_ms, limits_ms(rules, parked))]


def at_post(placed: bool, home: tuple[float, float] | None, status: str) -> bool:
    """Whether a unit is where its station is, though no receiver says so: as good as live."""
    return not placed and home is not None and status in ("on_station", "out_of_service")
