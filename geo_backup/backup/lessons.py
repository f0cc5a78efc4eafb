"""Lessons: what the drives of units on their way teach, minute by minute.

A drive is watched by its fixes. They teach once they are a minute old, since by then later ones have told by which road
they came; who stands in a queue learns how long the queue is when it moves on, and who has arrived teaches no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from geo_backup.backup.driving import ALL_TRAFFIC, Taught
from geo_backup.events import Fix, SpeedsAdopted
from geo_backup.geodesy import distance_m
from geo_backup.roads.drives import match_fixes
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pace import MINUTE_MS, ONE, SHIFT, Lesson, Level, Pace
from geo_backup.roads.pace_tree import Intervals, Tree, intervals_of, learn
from geo_backup.roads.profile import Profile, hour_of
from geo_backup.roads.traffic import Traffic
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import Rules

FIX_EVERY_MS = 5_000
"""Fixes nearer to each other than this add nothing to what was driven."""
BEFORE = 8
"""Fixes that have taught and are kept, since they tell where the next ones came from."""
ROLLS_M = 50.0
"""Who is so far from where it was sent is on its way, though it has not said so."""
FIXES_MOST = 250
"""Of one drive; the oldest are let go where nothing could be learned for so long."""
NODES_MOST = 35_000
"""Of one lesson, those with the most evidence: it is to be one fact of the log."""
WORTH = ONE // 100
"""What a lesson of nothing must change to be worth a fact: time alone makes what was learned of now less true."""


@dataclass(slots=True)
class Drive:
    """One unit on its way, as far as it has been watched."""

    unit_id: str
    profile: str
    fixes: list[Fix] = field(default_factory=list)
    taught_ms: int = 0
    """Up to when it has taught."""
    rolls: bool = False
    """It has said so, or has come away from where it was sent."""
    over: bool = False

    def see(self, fix: Fix) -> bool:
        """A fix was accepted; whether it is the first that shows the unit rolling, who has not said so."""
        if not self.rolls and self.fixes:
            first, before = self.fixes[0], self.fixes[-1]
            self.rolls = float(distance_m(first.lon, first.lat, fix.lon, fix.lat)) >= ROLLS_M
            self.fixes = [before, fix] if self.rolls else [first, fix]
            return self.rolls
        if len(self.fixes) > 1 and fix.fix_ms - self.fixes[-2].fix_ms < FIX_EVERY_MS:
            self.fixes[-1] = fix
        else:
            self.fixes.append(fix)
            del self.fixes[:-FIXES_MOST]
        return False

    def forget(self) -> None:
        """Let go of what later fixes do not need."""
        done = sum(fix.fix_ms <= self.taught_ms for fix in self.fixes)
        del self.fixes[: max(0, done - BEFORE)]


class Seen(NamedTuple):
    """What one drive shows: its intervals, and until when."""

    drive: Drive
    until_ms: int
    driven: Intervals


def look_at(network: RoadNetwork, drive: Drive, fixes: Sequence[Fix], now_ms: int, rules: Rules) -> Seen | None:
    """The intervals that a drive has not taught yet and that are certain by now; None where there are none."""
    if len(fixes) < 2 or not drive.rolls:
        return None
    driven = match_fixes(network, fixes, rules.snap)
    at_ms = np.array([fix.fix_ms for fix in fixes], np.int64)
    intervals, end_ms = intervals_of(network, driven, at_ms, rules.snap.match_step_m)
    certain_ms = now_ms if drive.over else now_ms - round(1_000 * rules.pace.lag_s)
    rows = np.flatnonzero((end_ms - intervals.ms >= drive.taught_ms) & (end_ms <= certain_ms))
    return Seen(drive, int(end_ms[rows].max()), intervals.take(rows)) if len(rows) else None


class Teacher:
    """Makes lessons of what drives show, against the profiles of one network."""

    def __init__(self, network: RoadNetwork, profiles: Mapping[str, Profile]) -> None:
        self.network, self.profiles = network, profiles
        self._tree = Tree.of(network)
        self._weights: dict[str, Weights] = {}

    def lesson(
        self,
        profile_name: str,
        driven: Intervals,
        minute: int,
        paces: Mapping[str, Pace],
        rules: Rules,
        speeds: SpeedsAdopted | None = None,
    ) -> Lesson | None:
        """What intervals of one profile teach in a minute, beside what is known by then.

        None where nothing is worth a fact. Roads whose speed is measured teach nothing: the measure holds there.
        """
        profile, hour = self.profiles[profile_name], hour_of(minute * MINUTE_MS, self.network.area.timezone)
        known = paces.get(profile_name) or Pace.unlearned(minute)
        pace = known.at(minute, rules.pace)
        if speeds is not None and len(driven.ms):
            measured = np.zeros(self.network.edges, np.bool_)
            measured[Traffic.unpacked(speeds.packed, self.network.edges).edge] = True
            row = np.repeat(np.arange(len(driven.ms)), np.diff(driven.start))
            driven = driven.take(np.setdiff1d(np.arange(len(driven.ms)), row[measured[driven.edge]]))
        if not len(driven.ms):
            return NOTHING if _has_faded(known, pace, rules) else None
        traffic = paces.get(ALL_TRAFFIC)
        others = None if profile_name == ALL_TRAFFIC or traffic is None else traffic.at(minute, rules.pace)
        now = Taught(pace, others, rules.pace).factors(self._tree, profile)
        lesson = learn(self._plain(profile, hour), self._tree, now, hour, driven, rules.pace)
        return _heaviest(lesson, NODES_MOST) if len(lesson.node) else None

    def _plain(self, profile: Profile, hour: int) -> Weights:
        """As the profile says."""
        weights = self._weights.get(profile.name)
        wanted = None if profile.timeless else hour
        if weights is None or weights.hour != wanted:
            weights = self._weights[profile.name] = weigh(self.network, profile, hour=wanted)
        return weights


NOTHING = Lesson(*(np.zeros(0, np.int64) for _ in range(3)))


def _has_faded(known: Pace, now: Pace, rules: Rules) -> bool:
    """Whether what was known of now, and still is taken for true, has become another by time alone."""
    level = known.node >> SHIFT
    passing = np.flatnonzero((level == Level.NOW) | (level == Level.CELL))
    was = known.own_factors(rules.pace)[passing]
    left = dict(zip(now.node.tolist(), now.own_factors(rules.pace).tolist(), strict=True))
    becomes = np.array([left.get(node, ONE) for node in known.node[passing].tolist()], np.int64)
    return bool((np.abs(was - becomes) > WORTH).any())


def in_parts(pace: Pace) -> list[Lesson]:
    """All of a pace as lessons, each of which is one fact."""
    starts = range(0, len(pace.node), NODES_MOST)
    columns = (pace.node, pace.driven_ms, pace.expected_ms)
    return [Lesson(*(column[first : first + NODES_MOST] for column in columns)) for first in starts]


def _heaviest(lesson: Lesson, most: int) -> Lesson:
    if len(lesson.node) <= most:
        return lesson
    kept = np.sort(np.argsort(-lesson.expected_ms, kind="stable")[:most])
    return Lesson(*(column[kept] for column in lesson))
