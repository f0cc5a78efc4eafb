"""A choice: whom to send to each of all open requests together, and which of two choices is the better one.

Better is lexicographic. Priorities come one after the other: what priority 1 takes is gone before priority 2 looks; of
one priority, requests that may empty a beat come before those that leave it its floor. Within one, summed over its
requests, and each level only where all before it are equal:

    0 needs that must be filled and are not       5 cover lost to the rest of the city
    1 needs wanted and not filled                 6 workload: calls this shift
    2 the last (k-th) arrival                     7 arrival times to the millisecond
    3 all arrivals                                8 unit ids, by their order
    4 preference: the beat's own units, and units that have what is asked rather than a substitute

Arrivals count in buckets (10 s by the rules): within one, two units are as good as each other. All levels are whole
numbers, so there is one best objective, to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geo_backup.backup.requirement import AS_SUBSTITUTE, NOT_AT_ALL, fill
from geo_backup.events import Need
from geo_backup.roads.kernel import INF_MS, Array

LEVELS = ("unmet", "unmet_wants", "last_arrival", "arrivals", "preference", "cover_lost", "workload", "eta_ms", "ids")

Objective = tuple[int, ...]


class Request(NamedTuple):
    """What one incident asks for, and what each unit of the fleet would mean to it."""

    request_id: str
    priority: int
    needs: tuple[Need, ...]
    several: bool
    """One unit may fill several needs."""
    eta_ms: Array
    """int64[N]; `INF_MS` or more = cannot be sent."""
    preference: Array
    """int64[N]: smaller is better; 0 for the units of the incident's beat."""
    leaves_floors: bool = False
    """It takes no more units of a team than the team can spare."""

    @property
    def urgency(self) -> tuple[int, bool]:
        """Requests of equal urgency are decided together, the smaller ones before."""
        return self.priority, self.leaves_floors


class Fleet(NamedTuple):
    """What units are, whoever asks; rows in the order of the ids."""

    ids: Sequence[str]
    capabilities: Sequence[tuple[str, ...]]
    cover_lost: Array
    """int64[N], in millionths of demand."""
    workload: Array
    """int64[N]."""
    team: Array
    """int64[N]: the units of one agency in one beat are a team; -1 = of none."""
    spare: Array
    """int64[T]: so many units each team can do without."""


class Sent(NamedTuple):
    """One unit, by its row, and the numbers of the needs that it fills."""

    row: int
    fills: tuple[int, ...]


class Choice(NamedTuple):
    """Whom to send to each request, in the order of the requests."""

    sent: tuple[tuple[Sent, ...], ...]
    objectives: tuple[tuple[tuple[int, bool], Objective], ...]
    """(urgency, objective), the most urgent first."""
    considered: int = 0
    """Pairs of unit and request that the search looked at."""
    proven: bool = False
    """Nothing better exists."""

    def better_than(self, other: Choice) -> bool:
        return self.objectives < other.objectives

    def gap(self, other: Choice) -> str:
        """Where this one first beats the other: "priority 1: last_arrival by 3"; empty where they are equal."""
        for ((priority, _), mine), (_, its) in zip(self.objectives, other.objectives, strict=True):
            for name, a, b in zip(LEVELS, mine, its, strict=True):
                if a != b:
                    return f"priority {priority}: {name} by {b - a}"
        return ""


def objective(
    requests: Sequence[Request], fleet: Fleet, sent: Sequence[Sequence[Sent]], bucket_ms: int
) -> tuple[tuple[tuple[int, bool], Objective], ...]:
    """What a choice is worth, by urgency; smaller is better."""
    out: dict[tuple[int, bool], list[int]] = {}
    for request, units in zip(requests, sent, strict=True):
        total = out.setdefault(request.urgency, [0] * len(LEVELS))
        for i, need in enumerate(request.needs):
            missing = need.count - sum(i in unit.fills for unit in units)
            total[0 if need.need == "must" else 1] += missing
        rows = [unit.row for unit in units]
        buckets = [int(request.eta_ms[row]) // bucket_ms for row in rows]
        total[2] += max(buckets, default=0)
        total[3] += sum(buckets)
        total[4] += sum(int(request.preference[row]) for row in rows)
        total[4] += sum(
            fill(fleet.capabilities[unit.row], request.needs[i]) == AS_SUBSTITUTE for unit in units for i in unit.fills
        )
        total[5] += sum(int(fleet.cover_lost[row]) for row in rows)
        total[6] += sum(int(fleet.workload[row]) for row in rows)
        total[7] += sum(int(request.eta_ms[row]) for row in rows)
        total[8] += sum(row + 1 for row in rows)
    return tuple((urgency, tuple(out[urgency])) for urgency in sorted(out))


class Taken:
    """Who is taken already, and so what each team can still spare."""

    def __init__(self, fleet: Fleet) -> None:
        self._team = fleet.team
        self.rows = np.zeros(len(fleet.ids), np.bool_)
        self.room = fleet.spare.copy()

    def take(self, row: int) -> None:
        self._count(row, True)

    def give_back(self, row: int) -> None:
        self._count(row, False)

    def _count(self, row: int, taken: bool) -> None:
        self.rows[row] = taken
        if self._team[row] >= 0:
            self.room[self._team[row]] += -1 if taken else 1

    def open(self, leaves_floors: bool) -> Array:
        """bool[N]: units that can still be taken."""
        free: Array = ~self.rows & ~self.bare if leaves_floors else ~self.rows
        return free

    def spares(self, row: int) -> bool:
        """Whether a unit's team can still do without it."""
        return bool(self._team[row] < 0 or self.room[self._team[row]] > 0)

    @property
    def bare(self) -> Array:
        """bool[N]: units of teams that can spare none."""
        bare: Array = (self._team >= 0) & np.append(self.room <= 0, False)[self._team]
        return bare


class Ground:
    """The requests with every unit's fit: `fit[r]` int8[needs, N] as `fill` says it."""

    def __init__(self, requests: Sequence[Request], fleet: Fleet, bucket_ms: int) -> None:
        self.requests, self.fleet, self.bucket_ms = requests, fleet, bucket_ms
        skills: dict[tuple[str, ...], int] = {}
        skill = np.array([skills.setdefault(has, len(skills)) for has in fleet.capabilities], np.int64)
        self.fit: list[Array] = []
        for request in requests:
            fills = [[fill(has, need) for has in skills] for need in request.needs]
            fit = np.array(fills, np.int8).reshape(len(fills), len(skills))[:, skill]
            fit[:, request.eta_ms >= INF_MS] = NOT_AT_ALL
            self.fit.append(fit)

    def order(self, r: int, rows: Array) -> Array:
        """Rows, the best for a request first: its key is the order of the levels."""
        request, fleet = self.requests[r], self.fleet
        return np.asarray(
            rows[
                np.lexsort(
                    (
                        rows,
                        request.eta_ms[rows],
                        fleet.workload[rows],
                        fleet.cover_lost[rows],
                        request.preference[rows],
                        request.eta_ms[rows] // self.bucket_ms,
                    )
                )
            ]
        )

    def choice(self, sent: Sequence[Sequence[Sent]], considered: int = 0, proven: bool = False) -> Choice:
        kept = tuple(tuple(sorted(units)) for units in sent)
        return Choice(kept, objective(self.requests, self.fleet, kept, self.bucket_ms), considered, proven)
