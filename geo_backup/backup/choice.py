"""A choice: whom to send to each of all open requests together, and which of two choices is the better one.

Better is lexicographic. Priorities come one after the other: what priority 1 takes is gone before priority 2 looks; of
one priority, requests that may empty a beat come before those that leave it its floor. Within one, `LEVELS` come one
after the other, each summed over its requests and only where all before it are equal.

Arrivals count in buckets (10 s by the rules): within one, two units are as good as each other. All levels are whole
numbers, so there is one best objective, to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from geo_backup.backup.requirement import AS_SUBSTITUTE, NOT_AT_ALL, fill
from geo_backup.events import Need
from geo_backup.roads.kernel import INF_MS, Array

Objective = tuple[int, ...]
"""By level."""


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
    way_ms: Array | None = None
    """int64[N]: how far each is, where `eta_ms` does not tell: of those who are all in time the nearer goes."""

    @property
    def away_ms(self) -> Array:
        """int64[N]: how far each is."""
        return self.eta_ms if self.way_ms is None else self.way_ms

    @property
    def urgency(self) -> tuple[int, bool]:
        """Requests of equal urgency are decided together, the smaller ones before."""
        return self.priority, self.leaves_floors


class Fleet(NamedTuple):
    """What units are, whoever asks; rows in the order of the ids."""

    ids: Sequence[str]
    skills: Sequence[tuple[str, ...]]
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
            for level, a, b in zip(LEVELS, mine, its, strict=True):
                if a != b:
                    return f"priority {priority}: {level.name} by {b - a}"
        return ""


class Level(NamedTuple):
    """What counts at one level, of one request; smaller is better."""

    name: str
    each: Callable[[Request, Fleet, Array, int], Array] | None = None
    """Of a request, the fleet, some units (their rows, int64[K]) and a bucket in ms: int64[K], what each counts for."""
    last: bool = False
    """The most that one unit counts for, not the sum of them all. There is one such level."""
    missing: str = ""
    """One for each unit that a need of this urgency is short of."""
    substitute: int = 0
    """For each need that a substitute fills."""


LEVELS = (
    Level("unmet", missing="must"),
    Level("unmet_wants", missing="want"),
    Level("last_arrival", lambda request, fleet, rows, bucket_ms: request.eta_ms[rows] // bucket_ms, last=True),
    Level("arrivals", lambda request, fleet, rows, bucket_ms: request.eta_ms[rows] // bucket_ms),
    # the beat's own units, and units that have what is asked rather than a substitute
    Level("preference", lambda request, fleet, rows, bucket_ms: request.preference[rows], substitute=1),
    Level("cover_lost", lambda request, fleet, rows, bucket_ms: fleet.cover_lost[rows]),
    Level("workload", lambda request, fleet, rows, bucket_ms: fleet.workload[rows]),
    Level("eta_ms", lambda request, fleet, rows, bucket_ms: request.away_ms[rows]),
    Level("ids", lambda request, fleet, rows, bucket_ms: rows + 1),
)
"""The most important first: the one place that says what is better."""


def _worth(request: Request, fleet: Fleet, units: Sequence[Sent], bucket_ms: int) -> list[int]:
    """What a set counts for at each level."""
    missing, substitutes = {"": 0, "must": 0, "want": 0}, 0
    for i, need in enumerate(request.needs):
        mine = [unit for unit in units if i in unit.fills]
        missing[need.need] += need.count - len(mine)
        substitutes += sum(fill(fleet.skills[unit.row], need) == AS_SUBSTITUTE for unit in mine)
    rows, out = np.array([unit.row for unit in units], np.int64), []
    for level in LEVELS:
        each = [] if level.each is None else level.each(request, fleet, rows, bucket_ms).tolist()
        count = max(each, default=0) if level.last else sum(each)
        out.append(count + missing[level.missing] + level.substitute * substitutes)
    return out


def objective(
    requests: Sequence[Request], fleet: Fleet, sent: Sequence[Sequence[Sent]], bucket_ms: int
) -> tuple[tuple[tuple[int, bool], Objective], ...]:
    """What a choice is worth, by urgency; smaller is better."""
    out: dict[tuple[int, bool], list[list[int]]] = {}
    for request, units in zip(requests, sent, strict=True):
        out.setdefault(request.urgency, []).append(_worth(request, fleet, units, bucket_ms))
    return tuple((urgency, tuple(map(sum, zip(*out[urgency], strict=True)))) for urgency in sorted(out))


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
        skill = np.array([skills.setdefault(has, len(skills)) for has in fleet.skills], np.int64)
        self.fit: list[Array] = []
        for request in requests:
            fills = [[fill(has, need) for has in skills] for need in request.needs]
            fit = np.array(fills, np.int8).reshape(len(fills), len(skills))[:, skill]
            fit[:, request.eta_ms >= INF_MS] = NOT_AT_ALL
            self.fit.append(fit)

    def each(self, level: Level, r: int, rows: Array) -> Array | None:
        """int64[K]: what each of some units counts for at a level of a request; None: nothing."""
        return None if level.each is None else level.each(self.requests[r], self.fleet, rows, self.bucket_ms)

    def order(self, r: int, rows: Array) -> Array:
        """Rows, the best for a request first."""
        keys = [key for level in reversed(LEVELS) if (key := self.each(level, r, rows)) is not None]
        return np.asarray(rows[np.lexsort(keys)])

    def choice(self, sent: Sequence[Sequence[Sent]], considered: int = 0, proven: bool = False) -> Choice:
        kept = tuple(tuple(sorted(units)) for units in sent)
        return Choice(kept, objective(self.requests, self.fleet, kept, self.bucket_ms), considered, proven)
