"""Journey: the fastest way over several places in order, built from its last leg to its first.

What it takes from each edge of a waypoint to the end of the journey is the last stretch of the field of that
waypoint, so one field a leg finds the fastest journey on which nobody turns round at a waypoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from geo_backup.roads.field import ArrivalField
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.route import Route
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target


class Onward(NamedTuple):
    """From each of some road points to the end of the journey: milliseconds (INF_MS = no way), and the legs."""

    ms: tuple[int, ...]
    legs: tuple[tuple[Route, ...] | None, ...]

    def turned_round(self) -> Onward:
        """The same when it is free to leave by any of the points."""
        best = self.ms.index(min(self.ms))
        return Onward((self.ms[best],) * len(self.ms), (self.legs[best],) * len(self.ms))


def at_end(target: Target) -> Onward:
    """Nothing more to drive: the last place."""
    return Onward((0,) * len(target.edges), ((),) * len(target.edges))


def points_of(target: Target) -> RoadPoints:
    """A waypoint as places to go on from: one certain candidate an edge."""
    return RoadPoints.of([RoadPoint(*point) for point in zip(target.edges, target.fractions, strict=True)])


def leg_before(
    field_to: Callable[[Target], ArrivalField], points: RoadPoints, target: Target, onward: Onward
) -> Onward:
    """The journey from points over a target on, given the way on from each edge of the target."""
    kept = [k for k, ms in enumerate(onward.ms) if ms < INF_MS]
    if not kept:
        return Onward((INF_MS,) * len(points), (None,) * len(points))
    # the field is told differences only, so that its horizon stays that of one leg
    least_ms = min(onward.ms[k] for k in kept)
    field = field_to(
        replace(
            target,
            edges=tuple(target.edges[k] for k in kept),
            fractions=tuple(target.fractions[k] for k in kept),
            last_leg_ms=tuple(onward.ms[k] - least_ms for k in kept),
            last_leg_m=(0.0,) * len(kept),
        )
    )
    eta_ms, which = field.etas_ms(points)
    times: list[int] = []
    legs: list[tuple[Route, ...] | None] = []
    for row, choice in enumerate(which.tolist()):
        leg = None
        if choice >= 0:
            leg = field.route(int(points.edge[row, choice]), int(points.fraction[row, choice]))
        rest = onward.legs[target.edges.index(leg.edges[-1])] if leg is not None else None
        if leg is None or rest is None:
            times.append(INF_MS)
            legs.append(None)
        else:
            times.append(int(eta_ms[row]) + least_ms)
            legs.append((leg, *rest))
    return Onward(tuple(times), tuple(legs))
