"""Demand: what a policy believes of a day, and, kept apart from it, what its choices are measured by.

**Believed** is what a dispatch centre could know: where and at which hours calls for a kind of unit came on all *other*
local days of the record, learned as the running system learns it (`backup.demand`), and how busy the kind was on them.
A policy knows nothing of the calls of its own day; where the record has no other day with calls for a kind, they are
believed to come where roads are. (Around midnight a unit may still wait for a few calls of tomorrow that were counted.)

**Counted** is the whole record, the calls that are being answered included: no policy sees it.

Both count free units where they wait, also those on their way there, and are MEXCLP (Daskin 1983).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from geo_backup.backup.cover import Cover
from geo_backup.backup.demand import cells_of, learned
from geo_backup.lab.ground import Ground
from geo_backup.lab.record import Record
from geo_backup.roads.kernel import Array
from geo_backup.roads.profile import hour_of
from geo_backup.rules import CoverRules

COVER = CoverRules(target_ms=CoverRules.r1_ms, move_up_min_gain=0.03)
"""A place counts as covered by the units that a first one is asked to reach it in. A move wins three times what the
running system asks of one that it proposes to a person: nobody here declines those that are hardly worth it. (Chosen
in the light of the runs that the README shows, with what 1 % and 5 % do.)"""
CELL_DEG = 0.005
"""Calls are counted in cells about half a kilometre wide."""
BUSY = (0.05, 0.8)
"""What is believed of the share of time that units are busy."""


def day_and_hour(at_ms: int, timezone: str) -> tuple[int, int]:
    """Number of the local day, and the hour of it. Raises `MapError` for a zone nobody knows."""
    hour = hour_of(at_ms, timezone)
    return datetime.fromtimestamp(at_ms // 1_000, UTC).astimezone(ZoneInfo(timezone)).toordinal(), hour


def _rules(record: Record, some: Array, part: float) -> list[CoverRules]:
    """By kind, with the share of a unit's time that it was kept by some of the slots (bool[M]), which are those of so
    large a part of the record's time."""
    kind, kept_ms = (np.array([getattr(slot, name) for slot in record.slots]) for name in ("kind", "kept_ms"))
    kinds = len(record.kinds)
    unit_ms = max(1, record.span_ms) * part * np.maximum(1, np.bincount(record.unit_kind, minlength=kinds))
    busy = np.clip(np.bincount(kind[some], kept_ms[some], kinds) / unit_ms, *BUSY)
    return [replace(COVER, busy_fraction=float(share)) for share in busy]


class Believed:
    """What is believed on each day; the same for all policies."""

    def __init__(self, record: Record, ground: Ground) -> None:
        self._record, self._ground = record, ground
        self._zone = ground.network.area.timezone
        of_call = np.array([day_and_hour(call.received_ms, self._zone) for call in record.calls])
        self._slot_call = np.array([slot.call for slot in record.slots])
        self._slot_kind = np.array([slot.kind for slot in record.slots])
        self._slot_day, self._slot_hour = of_call[self._slot_call].T
        self._inside = cells_of(ground.places, ground.lon, ground.lat)[self._slot_call] >= 0
        self._days = len(np.unique(self._slot_day))
        self._known: dict[int, tuple[list[Array], list[CoverRules]]] = {}

    def cover(self, at_ms: int, kind: int, posts: Array, free: Array) -> Cover:
        """The cover by the free units (bool[N]) of a kind that wait at stations (int[N]), with the demand that is
        believed at a time."""
        day, hour = day_and_hour(at_ms, self._zone)
        weights, rules = self._of_day(day)
        return Cover(self._ground.place_ms[posts].T, free, weights[kind][hour], rules[kind])

    def _of_day(self, day: int) -> tuple[list[Array], list[CoverRules]]:
        """By kind the weights float64[24, K] and the rules."""
        if day not in self._known:
            other = self._slot_day != day
            weights = [
                self._learned(other & self._inside & (self._slot_kind == k)) for k in range(len(self._record.kinds))
            ]
            left = len(np.unique(self._slot_day[other]))
            rules = _rules(self._record, other, left / self._days) if left else [COVER] * len(weights)
            self._known[day] = weights, rules
        return self._known[day]

    def _learned(self, slots: Array) -> Array:
        places, calls = self._ground.places, self._slot_call[slots]
        if len(calls):
            places = learned(places, self._ground.lon[calls], self._ground.lat[calls], self._slot_hour[slots])
        return places.weights.astype(np.float64)


class Counted:
    """What choices are measured by: the slots of each kind by the cell that their call lies in, at all hours."""

    def __init__(self, record: Record, ground: Ground) -> None:
        count = len(record.calls)
        cell = np.round(np.stack((ground.lon[:count], ground.lat[:count]), axis=1) / CELL_DEG).astype(np.int64)
        _, first, of_call = np.unique(cell, axis=0, return_index=True, return_inverse=True)
        self._weights = np.zeros((len(record.kinds), len(first)))
        for slot in record.slots:
            self._weights[slot.kind, of_call[slot.call]] += 1.0
        self._ms = ground.out_ms[:, first]
        self._rules = _rules(record, np.ones(len(record.slots), bool), 1.0)

    def cover(self, kind: int, posts: Array, free: Array) -> Cover:
        """The cover by the free units (bool[N]) of a kind that wait at stations (int[N])."""
        return Cover(self._ms[posts].T, free, self._weights[kind], self._rules[kind])
