"""Whether to offer another unit in place of one that is on its way.

Times of arrival move with every fix. A crew that is called off and on again arrives last, so a swap is offered only
where it gains much, early, and seldom; a dispatcher confirms it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from geo_backup.rules import SwapRules

Reason = Literal["", "ARRIVING", "NEARLY_THERE", "COOL_DOWN", "TOO_LITTLE"]


class Going(NamedTuple):
    """A unit on its way to an incident. Times in ms."""

    left_ms: int
    """Until it arrives, as it looks now."""
    least_left_ms: int
    """The least that `left_ms` has been since the unit was assigned."""
    assigned_ms: int
    """When it was assigned, UTC epoch."""
    offered_ms: int | None = None
    """When a swap for it was last offered, UTC epoch; None = never."""
    stands: bool = False
    """The other unit is the one that is offered already: then there is nothing to cool down from."""


class Swap(NamedTuple):
    """`offered`, or the reason why not; `gain_ms` is how much earlier the other unit would arrive."""

    offered: bool
    reason: Reason
    gain_ms: int


def swap(going: Going, other_ms: int, as_of_ms: int, rules: SwapRules) -> Swap:
    """Whether the best other candidate, `other_ms` away, is worth offering at `as_of_ms` (UTC epoch).

    A unit that came within `never_within_ms` keeps the call, even if a closed gate then holds it up: whoever is that
    near sees more than the map does. An assignment starts the cool-down as an offer does, so that the unit which was
    swapped in is not swapped out in the next breath. An offer stands for as long as it is worth it.
    """
    gain_ms = going.left_ms - other_ms
    since_ms = going.assigned_ms if going.offered_ms is None else max(going.assigned_ms, going.offered_ms)
    reason: Reason = ""
    if min(going.left_ms, going.least_left_ms) <= rules.never_within_ms:
        reason = "ARRIVING"
    elif going.left_ms <= rules.left_ms:
        reason = "NEARLY_THERE"
    elif not going.stands and as_of_ms - since_ms < rules.cool_down_ms:
        reason = "COOL_DOWN"
    elif gain_ms < max(rules.beats_by_ms, rules.beats_by_share * going.left_ms):
        reason = "TOO_LITTLE"
    return Swap(not reason, reason, gain_ms)
