"""Punctuality: how drives kept the times that were predicted for them, and so how far a new time can be trusted.

What a drive takes besides driving (to find the door, to wait for a gap) is the median of what the last drives took
beyond their fields; an interval holds the shares of drives that it says because as many of the last ones would have
been in it. Nothing is assumed of the shape of either. Old drives count less: one of H hours ago a half, one of 2 H
hours ago a third. All of it is integer arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import exp, log, sqrt
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from geo_backup.roads.kernel import Array
from geo_backup.rules import PaceRules

KEPT = 1_000
"""Drives that are remembered, the last ones."""
MINUTE_MS = 60_000
OLDEST_MIN = 2_880
"""Older drives count as if they were two days old: one new drive is not to outweigh all of them."""
ONE = 1 << 16
P90 = 1.2815515594457412
"""Where a standard normal distribution has nine tenths below it."""


class Kept(NamedTuple):
    """One drive that has ended: when, what its field had said at the start, and what it took."""

    end_ms: int
    field_ms: int
    took_ms: int


class Trust(NamedTuple):
    """What to make of a field's time: what to add, and of the sum the share (in 1/65536) within which 10 and 90 of
    a hundred drives are over. `drives` of them are known; `measured` when these are enough to go by."""

    overhead_ms: int
    p10: int
    p90: int
    drives: int
    measured: bool

    @classmethod
    def assumed(cls, eta_cv: float, drives: int = 0) -> Trust:
        """What is thought of times before enough drives are known: nothing is added, and they scatter by `eta_cv`
        (coefficient of variation), log-normally."""
        high = exp(P90 * sqrt(log(1.0 + eta_cv**2)))
        return cls(0, round(ONE / high), round(ONE * high), drives, False)

    @property
    def word(self) -> Literal["assumed", "measured"]:
        """How far times can be trusted is assumed, or was measured."""
        return "measured" if self.measured else "assumed"

    @property
    def eta_cv(self) -> float:
        """Coefficient of variation of a log-normal time between the same ends."""
        sigma = log(max(self.p90, 1) / max(self.p10, 1)) / (2 * P90)
        return round(sqrt(max(0.0, exp(sigma**2) - 1.0)), 4)

    def eta_ms(self, field_ms: Array) -> Array:
        """int64[N]: the times to tell of drives that begin now."""
        return np.asarray(field_ms, np.int64) + self.overhead_ms

    def left_ms(self, field_ms: Array) -> Array:
        """int64[N]: the same of drives that are under way: no more is added than is left, for who is there has
        arrived."""
        field_ms = np.asarray(field_ms, np.int64)
        return field_ms + np.minimum(self.overhead_ms, field_ms)

    def within_ms(self, eta_ms: Array) -> tuple[Array, Array]:
        """int64[N] twice: the times that eight of ten drives keep to, the later one being kept by nine of ten."""
        eta_ms = np.asarray(eta_ms, np.int64)
        return eta_ms * self.p10 >> 16, -(-eta_ms * self.p90 >> 16)


@dataclass(frozen=True)
class Punctuality:
    """The last drives of one profile, oldest first."""

    drives: tuple[Kept, ...] = field(default=())

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> Punctuality:
        """Of drives as rows of `Kept`."""
        return cls(tuple(Kept(*map(int, row)) for row in rows)[-KEPT:])

    def after(self, drive: Kept) -> Punctuality:
        """The same with one more."""
        return Punctuality((*self.drives, drive)[-KEPT:])

    def trust(self, now_ms: int, rules: PaceRules, eta_cv: float) -> Trust:
        """What the drives that had ended by a time say; until there are enough of them, what is assumed: no overhead,
        and times that scatter by `eta_cv`, log-normally."""
        return self.shares(now_ms, rules, eta_cv, ())[0]

    def shares(self, now_ms: int, rules: PaceRules, eta_cv: float, hundredths: Sequence[int]) -> tuple[Trust, Array]:
        """The same, and the shares (int64[K], in 1/65536) of a time within which so many of a hundred drives are
        over."""
        known = [drive for drive in self.drives if drive.end_ms <= now_ms]
        if len(known) < rules.drives_least:
            sigma, normal = sqrt(log(1.0 + eta_cv**2)), NormalDist()
            shares = [round(ONE * exp(normal.inv_cdf(part / 100) * sigma)) for part in hundredths]
            return Trust.assumed(eta_cv, len(known)), np.array(shares, np.int64)
        end, field_ms, took = np.array(known, np.int64).T
        half = round(rules.drives_half_h * 60)
        age = np.clip(now_ms // MINUTE_MS - end // MINUTE_MS, 0, OLDEST_MIN)
        weight = (1 << 20) * half // (half + age)
        (median,) = _quantiles(took - field_ms, weight, (1,), 2)
        overhead = min(max(median, 0), round(1_000 * rules.overhead_most_s))
        ratio = (took << 16) // np.maximum(field_ms + overhead, 1)
        p10, p90, *shares = _quantiles(ratio, weight, (10, 90, *hundredths), 100)
        return Trust(overhead, p10, p90, len(known), True), np.array(shares, np.int64)


def _quantiles(values: Array, weight: Array, parts: Sequence[int], of: int) -> list[int]:
    """The values that so large parts of the weight do not exceed."""
    order = np.argsort(values, kind="stable")
    heap = np.cumsum(weight[order])
    at = np.searchsorted(heap * of, np.array(parts, np.int64) * heap[-1])
    return list(map(int, values[order][at]))
