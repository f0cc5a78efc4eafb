"""Odds: how sure an arrival time is. Shown beside it, never sorted by.

A travel time is lognormal about its median (Westgate et al. 2013 find it so); its coefficient of variation is a rule.
"""

from __future__ import annotations

import math

import numpy as np

from geo_backup.roads.kernel import Array

STEPS = 400


def sigma_of(cv: float) -> float:
    """Standard deviation of the logarithm of a lognormal time with this coefficient of variation."""
    return math.sqrt(math.log1p(cv * cv))


def p90_ms(eta_ms: Array, cv: float) -> Array:
    """int64[N]: the time within which nine of ten arrive: median * exp(1.2816 sigma)."""
    return np.ceil(np.asarray(eta_ms, np.float64) * math.exp(1.2816 * sigma_of(cv))).astype(np.int64)


def low_ms(eta_ms: Array, cv: float) -> Array:
    """int64[N]: the time within which one of ten arrives: median * exp(-1.2816 sigma)."""
    return np.floor(np.asarray(eta_ms, np.float64) * math.exp(-1.2816 * sigma_of(cv))).astype(np.int64)


def p_first(eta_ms: Array, cv: float) -> Array:
    """float64[N]: probability that each of N units is the first to arrive; they sum to 1. Arrivals are independent."""
    n = len(eta_ms)
    if n <= 1 or cv <= 0:
        least = np.asarray(eta_ms) == np.min(eta_ms, initial=2**62)
        return np.asarray(least / max(1, least.sum()), np.float64)
    from scipy.special import ndtr  # slow to import

    mean, sigma = np.log(np.maximum(np.asarray(eta_ms, np.float64), 1.0)), sigma_of(cv)
    # the integral over the unit's own quantiles of the chance that all others come later
    z = np.linspace(-5.0, 5.0, STEPS + 1)
    own = np.exp(-0.5 * z * z)
    own /= own.sum()
    out = np.zeros(n)
    near = np.flatnonzero(mean <= mean.min() + 10.0 * sigma)
    for i in near.tolist():
        later = ndtr(-((mean[i] + sigma * z)[:, None] - mean[None, near]) / sigma)
        later[:, near == i] = 1.0
        out[i] = float((own * later.prod(axis=1)).sum())
    return np.asarray(out / out.sum(), np.float64)
