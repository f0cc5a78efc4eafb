"""Exact: the best choice there is, by mixed integer programs (HiGHS), one a level, each bound to what the ones before
it reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geo_backup.backup.choice import LEVELS, Choice, Fleet, Ground, Level, Objective, Request, Sent, Taken, objective
from geo_backup.backup.greedy import greedy
from geo_backup.backup.requirement import AS_SUBSTITUTE, NOT_AT_ALL
from geo_backup.roads.kernel import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LAST = next(level for level in LEVELS if level.last)

NODES_MAX = 2_000
"""Of the solver's search tree, at each level: a limit that is the same on every machine, unlike a clock."""


def exact(
    requests: Sequence[Request],
    fleet: Fleet,
    bucket_ms: int = 10_000,
    nodes_max: int = NODES_MAX,
    first: Choice | None = None,
) -> Choice:
    """The best set for each request, never worse than `first`, which is what `greedy` says where it is not given;
    `proven` unless a program hit its node limit."""
    ground = Ground(requests, fleet, bucket_ms)
    first = greedy(requests, fleet, bucket_ms) if first is None else first
    sent: list[tuple[Sent, ...]] = [() for _ in requests]
    taken = Taken(fleet)
    considered, proven = 0, True
    for urgency in sorted({request.urgency for request in requests}):
        mine = [r for r, request in enumerate(requests) if request.urgency == urgency]
        parts, pairs = _parts(ground, mine, taken, nodes_max)
        considered += pairs
        if parts is None:
            return first._replace(considered=considered)
        for part in parts:
            proven = proven and part.sure
            for r, units in part.sent.items():
                sent[r] = units
            for row in part.rows:
                taken.take(row)
    best = ground.choice(sent, considered, proven)
    return first._replace(considered=considered) if first.better_than(best) else best


class _Part(NamedTuple):
    """Requests that were chosen for together."""

    sent: dict[int, tuple[Sent, ...]]
    rows: frozenset[int]
    sure: bool


def _parts(ground: Ground, mine: Sequence[int], taken: Taken, nodes_max: int) -> tuple[list[_Part] | None, int]:
    """The best for requests of one urgency, and how many pairs were looked at; None when the solver found nothing.

    Each request alone first: the levels are sums, so what is best for each is best for all as long as no two take the
    same unit, nor all together more of a team than it can spare. Only those that do are chosen for together.
    """
    parts: list[_Part] = []
    alone: dict[int, Objective] = {}
    considered = 0
    waiting = [[r] for r in mine]
    while waiting:
        together = waiting.pop(0)
        program = _Program(ground, together, taken)
        considered += len(program.pairs)
        sent, sure = program.solve(nodes_max, alone)
        if sent is None:
            return None, considered
        if len(together) == 1 and sure:
            (r,) = together
            ((_, alone[r]),) = objective([ground.requests[r]], ground.fleet, [sent[r]], ground.bucket_ms)
        rows = frozenset(unit.row for units in sent.values() for unit in units)
        wanted = _overdrawn(ground, mine, taken, [*(part.rows for part in parts), rows])
        rivals = [part for part in parts if part.rows & rows or (part.rows & wanted and rows & wanted)]
        if rivals:
            parts = [part for part in parts if part not in rivals]
            waiting.append(sorted([*together, *(r for part in rivals for r in part.sent)]))
        else:
            parts.append(_Part(sent, rows, sure))
    return parts, considered


def _overdrawn(ground: Ground, mine: Sequence[int], taken: Taken, sets: Sequence[frozenset[int]]) -> frozenset[int]:
    """Units of the teams of which several sets together take more than can be spared."""
    team = ground.fleet.team
    rows = np.array([row for one in sets for row in one], np.int64)
    if not ground.requests[mine[0]].leaves_floors or not len(rows):
        return frozenset()
    asked = np.bincount(team[rows][team[rows] >= 0], minlength=len(taken.room))
    too_many = np.flatnonzero(asked > taken.room)
    return frozenset(rows[np.isin(team[rows], too_many)].tolist())


class _Program:
    """Requests of one urgency as a mixed integer program.

    Variables: x = unit goes to request, y = unit fills need, s = units missing of a need, t = a request's last arrival.
    """

    def __init__(self, ground: Ground, mine: Sequence[int], taken: Taken) -> None:
        self.ground, self.mine = ground, mine
        leaves_floors = ground.requests[mine[0]].leaves_floors
        self.room = taken.room if leaves_floors else None
        slots = sum(need.count for r in mine for need in ground.requests[r].needs)
        fits = np.concatenate([ground.fit[r] for r in mine])
        kinds = np.unique(fits, axis=1, return_inverse=True)[1].reshape(-1)
        self.pairs: list[tuple[int, int]] = []
        for r in mine:
            able = np.flatnonzero((ground.fit[r] != NOT_AT_ALL).any(axis=0) & taken.open(leaves_floors))
            # of units that fill the same needs, no choice has a use for more than there are places to fill, nor of
            # those in one team for more than it can spare
            for kind in np.unique(kinds[able]).tolist():
                best = self.spared(ground.order(r, able[kinds[able] == kind]))[:slots]
                self.pairs += [(r, row) for row in best]
        self.fills = [
            (p, i)
            for p, (r, row) in enumerate(self.pairs)
            for i in np.flatnonzero(ground.fit[r][:, row] != NOT_AT_ALL).tolist()
        ]
        self.missing = [(r, i) for r in mine for i in range(len(ground.requests[r].needs))]
        self.y, self.s = len(self.pairs), len(self.pairs) + len(self.fills)
        self.t = self.s + len(self.missing)
        self.size = self.t + len(mine)

    def spared(self, rows: Array) -> list[int]:
        """Of rows in an order, those that are not beyond what their team can spare."""
        if self.room is None:
            return rows.tolist()  # type: ignore[no-any-return]
        left, out = self.room.tolist(), list[int]()
        for row, team in zip(rows.tolist(), self.ground.fleet.team[rows].tolist(), strict=True):
            if team < 0:
                out.append(row)
            elif left[team] > 0:
                out.append(row)
                left[team] -= 1
        return out

    def each(self, level: Level) -> Array:
        """float64[pairs]: what each unit that goes counts for."""
        out, of, rows = np.zeros(len(self.pairs)), *np.array(self.pairs, np.int64).T
        for r in self.mine:
            counts = self.ground.each(level, r, rows[of == r])
            if counts is not None:
                out[of == r] = counts
        return out

    def cost(self, level: Level) -> Array:
        """What each variable counts for at a level."""
        cost, requests = np.zeros(self.size), self.ground.requests
        if level.last:
            cost[self.t :] = 1.0
        else:
            cost[: self.y] = self.each(level)
        if level.missing:
            cost[self.s : self.t] = [requests[r].needs[i].need == level.missing for r, i in self.missing]
        if level.substitute:
            filled = ((*self.pairs[p], i) for p, i in self.fills)
            stand_in = [self.ground.fit[r][i, row] == AS_SUBSTITUTE for r, row, i in filled]
            cost[self.y : self.s] = level.substitute * np.array(stand_in)
        return cost

    def constraints(self) -> tuple[csr_array, Array, Array]:
        """A, low, high of low <= A v <= high."""
        from scipy.sparse import csr_array  # slow to import

        rows: list[tuple[dict[int, float], float, float]] = []
        requests = self.ground.requests
        by_unit: dict[int, list[int]] = {}
        for p, (_, row) in enumerate(self.pairs):
            by_unit.setdefault(row, []).append(p)
        for pairs in by_unit.values():
            if len(pairs) > 1:
                rows.append((dict.fromkeys(pairs, 1.0), 0.0, 1.0))
        if self.room is not None:
            by_team: dict[int, list[int]] = {}
            for p, (_, row) in enumerate(self.pairs):
                by_team.setdefault(int(self.ground.fleet.team[row]), []).append(p)
            for team, pairs in by_team.items():
                if team >= 0 and len(pairs) > self.room[team]:
                    rows.append((dict.fromkeys(pairs, 1.0), 0.0, float(self.room[team])))
        of_pair: dict[int, list[int]] = {}
        of_need: dict[tuple[int, int], list[int]] = {}
        for f, (p, i) in enumerate(self.fills):
            of_pair.setdefault(p, []).append(self.y + f)
            of_need.setdefault((self.pairs[p][0], i), []).append(self.y + f)
        arrival = self.each(LAST).tolist()
        for p, (r, _) in enumerate(self.pairs):
            each = [[y] for y in of_pair[p]] if requests[r].several else [of_pair[p]]
            rows += [({**dict.fromkeys(ys, 1.0), p: -1.0}, -np.inf, 0.0) for ys in each]
            rows.append(({p: arrival[p], self.t + self.mine.index(r): -1.0}, -np.inf, 0.0))
        for m, (r, i) in enumerate(self.missing):
            count = float(requests[r].needs[i].count)
            rows.append(({**dict.fromkeys(of_need.get((r, i), ()), 1.0), self.s + m: 1.0}, count, count))
        n = [k for k, (entries, _, _) in enumerate(rows) for _ in entries]
        columns = [column for entries, _, _ in rows for column in entries]
        values = [value for entries, _, _ in rows for value in entries.values()]
        matrix = csr_array((values, (n, columns)), shape=(len(rows), self.size))
        return matrix, np.array([low for _, low, _ in rows]), np.array([high for _, _, high in rows])

    def solve(self, nodes_max: int, alone: Mapping[int, Objective]) -> tuple[dict[int, tuple[Sent, ...]] | None, bool]:
        """Units of each request, and whether nothing better exists; None when the solver found nothing.

        `alone` is the best objective of requests by themselves, where known. While together they get just that, level
        by level, no request can have less than its own at the next: `floors`.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp  # slow to import

        if not self.pairs:
            return dict.fromkeys(self.mine, ()), True
        whole = np.ones(self.size, np.int64)
        whole[self.t :] = 0
        least, most = np.zeros(self.size), np.ones(self.size)
        most[self.s :] = np.inf
        limits = [LinearConstraint(*self.constraints())]
        as_alone = all(r in alone for r in self.mine)
        found, sure = None, True
        for n, level in enumerate(LEVELS):
            cost = self.cost(level)
            if not cost.any():
                continue
            floors = np.array([alone[r][n] if as_alone else 0 for r in self.mine])
            if level.last:
                least[self.t :] = floors
            if found is None or self.total(cost, found) > floors.sum():
                result = milp(
                    cost,
                    integrality=whole,
                    bounds=Bounds(least, most),
                    constraints=limits,
                    options={"node_limit": nodes_max, "mip_rel_gap": 0.0},
                )
                sure = sure and result.status == 0
                if result.x is None:
                    break
                found = result.x
            value = self.total(cost, found)
            spare = value - int(floors.sum())
            if level.last:
                most[self.t :] = floors + spare
            if value == 0:
                most[cost > 0] = 0.0
            else:
                limits.append(LinearConstraint(cost, -np.inf, value + 0.5))
            as_alone = as_alone and spare == 0
        return (None if found is None else self.units(found)), sure

    def total(self, cost: Array, found: Array) -> int:
        """What a level comes to, without the solver's rounding errors."""
        return round(float(cost[: self.t] @ np.round(found[: self.t]) + cost[self.t :] @ found[self.t :]))

    def units(self, found: Array) -> dict[int, tuple[Sent, ...]]:
        """The solver's numbers as units."""
        fills: dict[int, list[int]] = {}
        for f, (p, i) in enumerate(self.fills):
            if found[self.y + f] > 0.5:
                fills.setdefault(p, []).append(i)
        out: dict[int, list[Sent]] = {r: [] for r in self.mine}
        for p, needs in sorted(fills.items()):
            r, row = self.pairs[p]
            out[r].append(Sent(row, tuple(needs)))
        return {r: tuple(sorted(units)) for r, units in out.items()}
