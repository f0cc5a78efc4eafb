"""Turnouts foretold from the ones before them, on recorded calls.

    python tests/benchmarks/turnout.py CALLS.csv [--k 1 5 20] [--json]

Each response of a unit whose wheels rolled is foretold when it is sent, as a ranking does it: by the rule, and by what
turnouts that were over by then have taught. The first half of the time chose the numbers of the rules; the second half
stands beside it. The record does not say where a crew waited: on station is assumed of all.
"""

from __future__ import annotations

import argparse
import heapq
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geo_backup.formats.calls import read
from geo_backup.live_map.turnout import KIND_KEPT, OWN_KEPT, Expected, expected, measured
from geo_backup.rules import Rules

STATUS = "on_station"


class Turnout(NamedTuple):
    """One crew's, from being sent until it rolled."""

    sent_ms: int
    rolls_ms: int
    unit_id: str
    kind: str


def turnouts_of(file: Path, most_ms: int) -> list[Turnout]:
    """In the order in which crews were sent; without those that no rule believes."""
    found = (
        Turnout(unit.dispatch_ms, unit.en_route_ms, unit.unit_id, unit.kind)
        for call in read(file.read_bytes()).calls
        for unit in call.units
        if unit.dispatch_ms is not None and unit.en_route_ms is not None
    )
    return sorted(one for one in found if 0 <= one.rolls_ms - one.sent_ms <= most_ms)


def foretold(turnouts: Iterable[Turnout], rules: Rules) -> list[tuple[Turnout, Expected]]:
    """Each with what was expected when it was sent."""
    own: dict[str, tuple[int, ...]] = {}
    kinds: dict[str, tuple[int, ...]] = {}
    under_way: list[tuple[int, Turnout]] = []
    out = []
    for one in turnouts:
        while under_way and under_way[0][0] <= one.sent_ms:
            rolls_ms, over = heapq.heappop(under_way)
            for known, name, kept in ((own, over.unit_id, OWN_KEPT), (kinds, over.kind, KIND_KEPT)):
                known[name] = (*known.get(name, ()), rolls_ms - over.sent_ms)[-kept:]
        of_own, of_kind = measured(own.get(one.unit_id, ())), measured(kinds.get(one.kind, ()))
        out.append((one, expected(STATUS, of_own, of_kind, rules)))
        heapq.heappush(under_way, (one.rolls_ms, one))
    return out


def figures(told: list[tuple[Turnout, Expected]]) -> dict[str, float]:
    """Errors in seconds, told minus taken; share of turnouts that kept to the P90."""
    took, median, p90 = np.array([(o.rolls_ms - o.sent_ms, e.median_ms, e.p90_ms) for o, e in told], np.float64).T / 1e3
    error = median - took
    return {
        "turnouts": len(told),
        "mae_s": round(float(np.abs(error).mean()), 1),
        "median_abs_s": round(float(np.median(np.abs(error))), 1),
        "bias_s": round(float(error.mean()), 1),
        "share_under_p90": round(float((took <= p90).mean()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("calls", type=Path)
    parser.add_argument("--k", type=int, nargs="+", default=[Rules().pace.turnout_k])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    usual = Rules()
    turnouts = turnouts_of(asked.calls, 1_000 * usual.pace.turnout_most_s)
    half_ms = (turnouts[0].sent_ms + turnouts[-1].sent_ms) // 2
    found = {"rule": usual.changed({"pace": {"learn": 0}})}
    found |= {f"learned, k {k}": usual.changed({"pace": {"turnout_k": k}}) for k in asked.k}
    report = {}
    for name, rules in found.items():
        told = foretold(turnouts, rules)
        halves = [[row for row in told if (row[0].sent_ms > half_ms) == later] for later in (False, True)]
        report[name] = {"first half": figures(halves[0]), "second half": figures(halves[1])}
    if asked.json:
        print(json.dumps(report))
        return
    for name, by_half in report.items():
        for half, row in by_half.items():
            print(f"{name:16} {half:12} " + "  ".join(f"{what} {value:g}" for what, value in row.items()))


if __name__ == "__main__":
    main()
