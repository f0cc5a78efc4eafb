"""Foretold: how well drives were foretold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from geo_backup.roads.kernel import Array


class Foretold(NamedTuple):
    """What was said of a drive at its start, and what it took."""

    eta_ms: int
    low_ms: int
    high_ms: int
    took_ms: int


def figures(told: Sequence[Foretold] | Array) -> dict[str, Any]:
    """How well drives were foretold, as rows of `Foretold`: APE in %, the rest in seconds, shares of 1; errors are told
    minus taken, so that who came later than told has a bias below 0."""
    if not len(told):
        return {"drives": 0}
    eta, low, high, took = np.asarray(told, np.float64).T
    error_s = (eta - took) / 1_000.0
    return {
        "drives": len(told),
        "median_ape": round(100.0 * float(np.median(np.abs(eta - took) / took)), 1),
        "mae_s": round(float(np.abs(error_s).mean()), 1),
        "bias_s": round(float(error_s.mean()), 1),
        "p90_abs_s": round(float(np.quantile(np.abs(error_s), 0.9)), 1),
        "coverage_80": round(float(((took >= low) & (took <= high)).mean()), 3),
        "share_under_p90": round(float((took <= high).mean()), 3),
    }
