"""Where to wait: the post that a freed unit fills best, whom to move up into a gap, and staging near an incident.

A post's worth is what a unit there adds to the expected cover, the sum of d_j (1 - q) q^n_j over the places within T of
it (dynamic MEXCLP: Jagtenberg, Bhulai, van der Mei 2015). Crews hate shuffling: moves are few, each worth it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import shapely

from geo_backup.backup.cover import ONE, Cover, covered
from geo_backup.errors import BadValueError
from geo_backup.geodesy import bearing_deg, local_m, turn_deg
from geo_backup.roads.kernel import Array
from geo_backup.rules import CoverRules

POSTS_TRIED, UNITS_TRIED = 16, 48
"""The most wanted posts and the least missed units among which a move is looked for."""
NEARLY = 0.9
"""Of units whose moves win at least so much of the best, the nearest goes."""
PASSES = 3
"""How often the moves are looked at again, each in the light of the others."""


class Move(NamedTuple):
    """A unit (its number) drives to a post (its number): `gain` in share of demand covered, after the moves before."""

    unit: int
    post: int
    gain: float
    drive_ms: int


class StagingPoint(NamedTuple):
    """A candidate's number, its time to the scene, and its bearing seen from there."""

    place: int
    eta_ms: int
    bearing_deg: float


def post_gains(cover: Cover, post_ms: Array) -> Array:
    """float64[P]: what one more free unit at each post adds. `post_ms` int32[J, P] from post to place."""
    q = cover.rules.busy_fraction
    more = covered(cover.share, cover.count + 1, q) - covered(cover.share, cover.count, q)
    within = post_ms <= cover.rules.target_ms
    out: Array = np.where(within, more[:, None], 0).sum(axis=0) / ONE
    return out


def best_post(cover: Cover, post_ms: Array, drive_ms: Array) -> int:
    """Where a unit that has just become free (not yet free in `cover`) waits best; -1 when it reaches no post.

    `drive_ms` int32[P] from the unit to each post. Equal gains go to the nearer post, then to the first.
    """
    near = np.flatnonzero(drive_ms <= cover.rules.move_up_drive_max_ms)
    if not len(near):
        return -1
    gains = post_gains(cover, post_ms)
    return int(near[np.lexsort((near, drive_ms[near], -gains[near]))[0]])


def move_up(cover: Cover, post_ms: Array, drive_ms: Array, movable: Array) -> tuple[Move, ...]:
    """The moves worth making now, at most `move_up_max`, each winning at least `move_up_min_gain` after those before.

    `post_ms` int32[J, P] from post to place, `drive_ms` int32[P, N] from unit to post, `movable` bool[N]: units that
    may be asked, if they are free. Greedy, then each move is chosen again beside the others while that wins more.
    """
    if float(post_gains(cover, post_ms).max(initial=0.0)) < cover.rules.move_up_min_gain:
        return ()  # no move wins more than one unit more would
    plan: list[tuple[int, int]] = []
    desk = _Desk(cover, post_ms, drive_ms, cover.free & movable)
    for _ in range(cover.rules.move_up_max):
        found = desk.best(plan)
        if found is None:
            break
        plan.append(found)
    for _ in range(PASSES):
        before = list(plan)
        for k in range(len(plan)):
            others = plan[:k] + plan[k + 1 :]
            found = desk.best(others)
            if found is not None and desk.value([*others, found]) > desk.value(plan):
                plan[k] = found
        if plan == before:
            break
    least = max(cover.rules.move_up_min_gain * ONE, 1)
    while plan:
        values = [desk.value(plan[:k]) for k in range(len(plan) + 1)]
        gains = np.diff(values)
        poor = np.flatnonzero(gains < least)
        if not len(poor):
            return tuple(
                Move(unit, post, float(gain / ONE), int(drive_ms[post, unit]))
                for (unit, post), gain in zip(plan, gains, strict=True)
            )
        del plan[int(poor[-1])]
    return ()


class _Desk:
    """Values of plans: units put at posts."""

    def __init__(self, cover: Cover, post_ms: Array, drive_ms: Array, movable: Array) -> None:
        self.cover, self.drive_ms = cover, drive_ms
        self.at_post = (post_ms <= cover.rules.target_ms).astype(np.int64)
        self.at_unit = cover.within.astype(np.int64)
        self.movable = movable

    def count(self, plan: Sequence[tuple[int, int]]) -> Array:
        """int64[J]: units within T after the moves."""
        out = self.cover.count.copy()
        for unit, post in plan:
            out += self.at_post[:, post] - self.at_unit[:, unit]
        return out

    def value(self, plan: Sequence[tuple[int, int]]) -> int:
        """In 2^-40 of demand."""
        return int(covered(self.cover.share, self.count(plan), self.cover.rules.busy_fraction).sum())

    def best(self, plan: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
        """The move that wins most on top of a plan: of nearly as good ones the shortest drive. None = none wins."""
        share, q, count = self.cover.share, self.cover.rules.busy_fraction, self.count(plan)
        now = covered(share, count, q)
        more = covered(share, count + 1, q) - now
        less = now - covered(share, np.maximum(count - 1, 0), q)
        units = np.flatnonzero(self.movable)
        units = units[~np.isin(units, [unit for unit, _ in plan])]
        posts = np.argsort(-(more @ self.at_post), kind="stable")[:POSTS_TRIED]
        units = units[(self.drive_ms[np.ix_(posts, units)] <= self.cover.rules.move_up_drive_max_ms).any(axis=0)]
        units = units[np.argsort((less @ self.at_unit)[units], kind="stable")[:UNITS_TRIED]]
        # a move wins `more` where only the post reaches and loses `less` where only the unit did
        to, of, drive_ms = self.at_post[:, posts], self.at_unit[:, units], self.drive_ms[np.ix_(posts, units)]
        both = to.T @ ((more - less)[:, None] * of)
        gains = np.where(drive_ms <= self.cover.rules.move_up_drive_max_ms, (more @ to)[:, None] - less @ of - both, 0)
        most = int(gains.max(initial=0))
        if most <= 0:
            return None
        good = np.argwhere(gains >= NEARLY * most).tolist()
        _, unit, post = min((int(drive_ms[p, u]), int(units[u]), int(posts[p])) for p, u in good)
        return unit, post


def staging_points(
    scene: tuple[float, float], lon: Array, lat: Array, eta_ms: Array, count: int, rules: CoverRules,
    hazard: Mapping[str, object] | None = None,
) -> tuple[StagingPoint, ...]:  # fmt: skip
    """At most `count` of K candidates (lon, lat float64[K]) to wait at for a scene (lon, lat), on all its sides.

    `eta_ms` int32[K] is the time from each to the scene as its arrival field says: between `staging_min_ms` and
    `staging_max_ms`. They are `staging_margin_m` or more from the hazard (GeoJSON geometry; the scene when None). The
    quickest is first; each next is the one whose bearing is farthest from those chosen, in sectors of 45 degrees.
    """
    x, y = local_m(np.asarray(lon), np.asarray(lat), *scene)
    try:
        area = shapely.Point(0.0, 0.0)
        if hazard is not None:
            shape = shapely.geometry.shape(hazard)
            area = shapely.transform(shape, lambda at: np.column_stack(local_m(at[:, 0], at[:, 1], *scene)))
        off_m = shapely.distance(area, shapely.points(x, y))
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError):
        raise BadValueError("/hazard", "geometry", "the hazard must be a GeoJSON geometry in lon, lat") from None
    fine = (off_m >= rules.staging_margin_m) & (eta_ms >= rules.staging_min_ms) & (eta_ms <= rules.staging_max_ms)
    left = np.flatnonzero(fine)
    bearing = np.asarray(bearing_deg(np.full(len(x), scene[0]), np.full(len(x), scene[1]), lon, lat))
    gap_deg = np.full(len(x), 180.0)
    chosen: list[StagingPoint] = []
    while len(left) and len(chosen) < count:
        best = int(left[np.lexsort((left, eta_ms[left], -np.floor(gap_deg[left] / 45.0)))[0]])
        chosen.append(StagingPoint(best, int(eta_ms[best]), float(bearing[best])))
        gap_deg = np.minimum(gap_deg, np.abs(turn_deg(np.full(len(x), bearing[best]), bearing)))
        left = left[left != best]
    return tuple(chosen)
