"""What is lacking: of what is asked for and nobody fills, why nobody does, and who is free instead."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geo_backup.backup.reasons import REASON, REASONS
from geo_backup.backup.requirement import NOT_AT_ALL, fill
from geo_backup.events import Need
from geo_backup.roads.kernel import Array

OTHERS_TOLD = 8
"""Kinds of free units that are named."""


class Roll(NamedTuple):
    """Who there is, as short columns: the sets of skills that units have and the kinds that they are, and which each
    unit's are."""

    skills: tuple[tuple[str, ...], ...]
    skill: Array
    """int32[N]: index into `skills`."""
    kinds: tuple[str, ...]
    kind: Array
    """int32[N]: index into `kinds`."""
    free: Array
    """bool[N]: the next call would find it free."""

    def fits(self, need: Need) -> Array:
        """bool[N]: units that can fill a need, wherever they are."""
        each = [fill(has, need) != NOT_AT_ALL for has in self.skills]
        return np.array(each, np.bool_)[self.skill] if each else np.zeros(0, np.bool_)


class Lack(NamedTuple):
    """So many units that are asked for, and nobody comes."""

    capability: str
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody calls here
    need: str
    why: str
    """NO_UNITS: none is registered; INCIDENT_OFF_MAP: no road is near the place; NO_WAY_IN: its roads are connected to
    no others; NOBODY_HAS_IT: no unit can do it; TOO_FEW: all that can come; ALL_EXCLUDED: the others that can cannot
    be sent, for `excluded`; NEEDED_ELSEWHERE: they are sent to others, or kept."""
    free_others: tuple[tuple[str, int], ...] = ()
    """(kind, how many) of the free units that cannot fill it, the most first."""
    excluded: tuple[tuple[str, int], ...] = ()
    """(reason, how many) of the units that can."""


def lack(need: Need, roll: Roll, reason: Array, going: Array, warnings: tuple[str, ...]) -> Lack:
    """Why units that a need asks for are not there. `reason` int8[N] is as the ranking or the answer has it; `going`
    bool[N]: who comes, for this or another need."""
    known, fits = reason != REASON["HIDDEN"], roll.fits(need)
    there = np.isin(reason, (REASON["ASSIGNED_HERE"], REASON["REQUESTER"]))
    rest = fits & known & ~going & ~there
    counts = np.bincount(reason[rest], minlength=len(REASONS)).tolist()
    excluded = [(name, n) for name, n in zip(REASONS, counts, strict=True) if n and name]
    others = np.bincount(roll.kind[roll.free & known & ~fits], minlength=len(roll.kinds)).tolist()
    free = [(kind, n) for kind, n in zip(roll.kinds, others, strict=True) if n]
    return Lack(
        need.capability,
        need.count,
        need.need,
        _why(known, fits & known, reason[rest], warnings),
        tuple(sorted(free, key=lambda one: (-one[1], one[0]))[:OTHERS_TOLD]),
        tuple(sorted(excluded, key=lambda one: (-one[1], one[0]))),
    )


def _why(known: Array, fits: Array, rest: Array, warnings: tuple[str, ...]) -> str:
    if not known.any():
        return "NO_UNITS"
    if "INCIDENT_OFF_MAP" in warnings:
        return "INCIDENT_OFF_MAP"
    if not fits.any():
        return "NOBODY_HAS_IT"
    if not len(rest):
        return "TOO_FEW"
    if (rest == 0).any():
        return "NEEDED_ELSEWHERE"
    cut_off = (rest == REASON["UNREACHABLE"]).all()
    return "NO_WAY_IN" if cut_off and "INCIDENT_OFF_MAIN_NETWORK" in warnings else "ALL_EXCLUDED"
