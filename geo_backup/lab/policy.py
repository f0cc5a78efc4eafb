"""Policy: whom to send, as a score of the free units that are offered; the smallest is sent.

- `road`   closest by the arrival field
- `air`    closest by the air line
- `home`   the unit of the call's own station first, then of the stations by their distance
- `cover`  closest by road and by what taking the unit costs the rest of the city: eta + lambda * cover lost, with
           the lambda of `CoverRules` for the call's priority (0 where life is in danger), and never more than
           `DETOUR_MS` later than the closest; its units may also be moved up into gaps (`shift`)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from geo_backup.roads.kernel import Array
from geo_backup.rules import CoverRules

RULES = CoverRules()
DETOUR_MS = 90_000


class Offer(NamedTuple):
    """The free units of a kind at one moment, in the order of their names: columns of N.

    `eta_ms` drive time by road, `air_m` distance by air, `home_rank` 0 for the station of the call's area, 1 for the
    next station ..., `cover_lost` share of the demand believed for this kind that would lose its cover.
    """

    priority: int
    eta_ms: Array
    air_m: Array
    home_rank: Array
    cover_lost: Array


Policy = Callable[[Offer], Array]


def road(offer: Offer) -> Array:
    """Drive time."""
    return offer.eta_ms


def air(offer: Offer) -> Array:
    """Distance."""
    return offer.air_m


def home(offer: Offer) -> Array:
    """Whose area it is."""
    return offer.home_rank


def cover(offer: Offer) -> Array:
    """Drive time and price."""
    lambda_ms = {2: RULES.p2_lambda_ms, 3: RULES.p3_lambda_ms, 4: RULES.p4_lambda_ms, 5: RULES.p5_lambda_ms}
    score = offer.eta_ms + lambda_ms.get(offer.priority, 0) * offer.cover_lost
    return np.where(offer.eta_ms <= offer.eta_ms.min() + DETOUR_MS, score, np.inf)


POLICIES: Mapping[str, Policy] = {"road": road, "air": air, "cover": cover, "home": home}
