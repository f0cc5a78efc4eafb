"""Greedy: a good choice at once.

Requests by urgency, rare capabilities first, for each need the best unit that is left; then units change places where
that helps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from geo_backup.backup.choice import Choice, Fleet, Ground, Request, Sent, Taken
from geo_backup.backup.requirement import NOT_AT_ALL
from geo_backup.roads.kernel import Array


def greedy(requests: Sequence[Request], fleet: Fleet, bucket_ms: int = 10_000) -> Choice:
    """A good set for each request; see the module."""
    ground, taken = Ground(requests, fleet, bucket_ms), Taken(fleet)
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


def _improve(ground: Ground, sent: list[list[Sent]], taken: Taken) -> Choice:
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
