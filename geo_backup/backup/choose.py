"""The set to send, for all open requests together: greedy at once, then the best there is.

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

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geo_backup.backup.requirement import AS_SUBSTITUTE, NOT_AT_ALL, fill
from geo_backup.events import Need
from geo_backup.roads.network import Array
from geo_backup.roads.search import INF_MS

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LEVELS = ("unmet", "unmet_wants", "last_arrival", "arrivals", "preference", "cover_lost", "workload", "eta_ms", "ids")
NODES_MAX = 2_000
"""Of the solver's search tree, at each level: a limit that is the same on every machine, unlike a clock."""

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


class _Ground:
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


def greedy(requests: Sequence[Request], fleet: Fleet, bucket_ms: int = 10_000) -> Choice:
    """A good set at once: requests by priority, rare capabilities first, for each need the best unit that is left;
    then units change places where that helps."""
    return _greedy(_Ground(requests, fleet, bucket_ms))


def _greedy(ground: _Ground) -> Choice:
    requests, taken = ground.requests, Taken(ground.fleet)
    sent: list[list[Sent]] = [[] for _ in requests]
    for r in sorted(range(len(requests)), key=lambda r: (requests[r].urgency, r)):
        request, able = requests[r], ground.fit[r] != NOT_AT_ALL
        left = [need.count for need in request.needs]
        mine: dict[int, list[int]] = {}

        def scarce(i: int, able: Array = able, request: Request = request) -> tuple[bool, int, int]:
            return request.needs[i].need != "must", int((able[i] & taken.open(request.leaves_floors)).sum()), i

        for i in sorted(range(len(request.needs)), key=scarce):
            for row in ground.order(r, np.flatnonzero(able[i] & taken.open(request.leaves_floors))).tolist():
                if left[i] <= 0:
                    break
                if request.leaves_floors and not taken.spares(row):
                    continue
                taken.take(row)
                also = [j for j in range(len(left)) if left[j] > 0 and j != i and able[j, row]]
                mine[row] = [i, *also] if request.several else [i]
                for j in mine[row]:
                    left[j] -= 1
        _make_room(request, able, left, mine, taken)
        sent[r] = [Sent(row, tuple(sorted(needs))) for row, needs in mine.items()]
    return _improve(ground, sent, taken)


def _make_room(request: Request, able: Array, left: list[int], mine: dict[int, list[int]], taken: Taken) -> None:
    """Where a need stayed empty, let a unit that is sent fill it, and another the one that it leaves."""
    for need in [i for i, count in enumerate(left) if count > 0]:
        for row, needs in list(mine.items()):
            if left[need] == 0 or not able[need, row] or len(needs) != 1 or need in needs:
                continue
            others = np.flatnonzero(able[needs[0]] & taken.open(request.leaves_floors))
            if len(others):
                other = int(others[0])
                taken.take(other)
                mine[other], mine[row] = needs, [need]
                left[need] -= 1


def _improve(ground: _Ground, sent: list[list[Sent]], taken: Taken) -> Choice:
    """Put a better free unit in each place, and drop whom nobody needs."""
    for r in range(len(sent)):
        fit, request = ground.fit[r], ground.requests[r]
        for n, unit in enumerate(list(sent[r])):
            taken.give_back(unit.row)
            # later requests may count on what teams have left: nobody takes that from them here
            able = np.flatnonzero((fit[list(unit.fills)] != NOT_AT_ALL).all(axis=0) & taken.open(True))
            best = int(ground.order(r, np.append(able, unit.row))[0])
            taken.take(best)
            sent[r][n] = Sent(best, unit.fills)
        if request.several:
            for unit in sorted(sent[r], key=lambda unit: -int(request.eta_ms[unit.row])):
                rest = [other for other in sent[r] if other != unit]
                moved = _shared_out(unit.fills, rest, fit)
                if moved is not None:
                    sent[r] = moved
                    taken.give_back(unit.row)
    return ground.choice(sent)


def _shared_out(fills: Iterable[int], rest: list[Sent], fit: Array) -> list[Sent] | None:
    """The others with the needs that one leaves behind, when they can fill them."""
    needs = {unit.row: set(unit.fills) for unit in rest}
    for need in fills:
        able = [row for row, has in needs.items() if need not in has and fit[need, row] != NOT_AT_ALL]
        if not able:
            return None
        needs[able[0]].add(need)
    return [Sent(row, tuple(sorted(has))) for row, has in needs.items()]


def exact(requests: Sequence[Request], fleet: Fleet, bucket_ms: int = 10_000, nodes_max: int = NODES_MAX) -> Choice:
    """The best set, by mixed integer programs (HiGHS), one a level, each bound to what the ones before it reached.
    Never worse than `greedy`; `proven` unless a program hit its node limit."""
    ground = _Ground(requests, fleet, bucket_ms)
    first = _greedy(ground)
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


def _parts(ground: _Ground, mine: Sequence[int], taken: Taken, nodes_max: int) -> tuple[list[_Part] | None, int]:
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


def _overdrawn(ground: _Ground, mine: Sequence[int], taken: Taken, sets: Sequence[frozenset[int]]) -> frozenset[int]:
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

    def __init__(self, ground: _Ground, mine: Sequence[int], taken: Taken) -> None:
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

    def levels(self) -> list[Array]:
        """One cost vector a level, in the order of `LEVELS`."""
        requests, fleet = self.ground.requests, self.ground.fleet
        costs = [np.zeros(self.size) for _ in LEVELS]
        for m, (r, i) in enumerate(self.missing):
            costs[0 if requests[r].needs[i].need == "must" else 1][self.s + m] = 1.0
        costs[2][self.t :] = 1.0
        for p, (r, row) in enumerate(self.pairs):
            costs[3][p] = requests[r].eta_ms[row] // self.ground.bucket_ms
            costs[4][p] = requests[r].preference[row]
            costs[5][p] = fleet.cover_lost[row]
            costs[6][p] = fleet.workload[row]
            costs[7][p] = requests[r].eta_ms[row]
            costs[8][p] = row + 1
        for f, (p, i) in enumerate(self.fills):
            r, row = self.pairs[p]
            costs[4][self.y + f] = self.ground.fit[r][i, row] == AS_SUBSTITUTE
        return costs

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
        for p, (r, row) in enumerate(self.pairs):
            each = [[y] for y in of_pair[p]] if requests[r].several else [of_pair[p]]
            rows += [({**dict.fromkeys(ys, 1.0), p: -1.0}, -np.inf, 0.0) for ys in each]
            bucket = float(requests[r].eta_ms[row] // self.ground.bucket_ms)
            rows.append(({p: bucket, self.t + self.mine.index(r): -1.0}, -np.inf, 0.0))
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
        for level, cost in enumerate(self.levels()):
            if not cost.any():
                continue
            floors = np.array([alone[r][level] if as_alone else 0 for r in self.mine])
            if LEVELS[level] == "last_arrival":
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
            if LEVELS[level] == "last_arrival":
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
