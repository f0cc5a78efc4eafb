"""Learning: the pace of a city out of recorded drives, and how well it would have foretold each of them.

Time runs as it did: a drive is foretold at its start by what was known then, and teaches as it goes, a little late,
since the road on which a vehicle was is certain only when it has driven on. So nothing is ever foretold by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np

from geo_backup.errors import OutsideMapError, TrackError
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pace import MINUTE_MS, Driven, Level, Pace, Tree, at_pace, learn
from geo_backup.roads.profile import Profile, hour_of
from geo_backup.roads.punctuality import Kept, Punctuality, Trust
from geo_backup.roads.snap import RoadPoints, Target, snap_place, snap_units
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import Rules

LEVELS = {
    "class speeds": (),
    "hour and now": (Level.HOUR, Level.NOW),
    "class and turn": (Level.HOUR, Level.NOW, Level.CLASS, Level.TURN),
    "cell": (Level.HOUR, Level.NOW, Level.CLASS, Level.TURN, Level.CELL),
    "road": tuple(Level),
}
"""The tree, cut off below each of its levels."""
FORMAT = 1
"""Version of a model's file."""
LEAST_S, LEAST_M = 120.0, 500.0
"""A drive that is shorter than this, or ends nearer to its start, is not foretold."""


@dataclass(frozen=True, eq=False)
class Drive:
    """One recorded drive. Its intervals `driven`, N of them, were over at `end_ms` int64[N]."""

    unit_id: str
    begin_ms: int
    finish_ms: int
    begin: tuple[float, float]
    finish: tuple[float, float]
    driven: Driven
    end_ms: Array


class Foretold(NamedTuple):
    """What was said of a drive at its start, and what it took."""

    begin_ms: int
    eta_ms: int
    low_ms: int
    high_ms: int
    took_ms: int


@dataclass(frozen=True)
class Model:
    """What has been learned of one profile on one network, from so many seconds of driving."""

    pace: Pace
    punctuality: Punctuality = Punctuality()
    seconds: float = 0.0

    def save(self, path: Path, network: RoadNetwork, profile: Profile) -> None:
        """Write it to a file, whole or not at all."""
        of = {"format": FORMAT, "network": network.content_id, "profile": profile.profile_id, "seconds": self.seconds}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez_compressed(
                file,
                of=np.array(json.dumps(of)),
                minute=np.array(self.pace.minute),
                sums=np.stack((self.pace.node, self.pace.driven_ms, self.pace.expected_ms)),
                drives=np.array(self.punctuality.drives, np.int64).reshape(-1, len(Kept._fields)),
            )
        part.replace(path)

    @classmethod
    def load(cls, path: Path, network: RoadNetwork, profile: Profile) -> Model:
        """Read what `save` wrote. Raises `TrackError` with the remedy for anything else, and for a model of another map
        or other numbers of the profile."""
        try:
            with np.load(path) as held:
                of = json.loads(str(held["of"]))
                sums, drives, minute = held["sums"], held["drives"], int(held["minute"])
            if of["format"] != FORMAT or sums.shape[0] != 3 or (np.diff(sums[0]) <= 0).any() or (sums[1:] < 0).any():
                raise ValueError("its contents do not fit together")
            model = cls(Pace(*sums.astype(np.int64), minute), Punctuality.of(drives.tolist()), float(of["seconds"]))
        except OSError as error:
            raise TrackError(f"{path} cannot be read: {error.strerror or error}") from None
        except (ValueError, KeyError, TypeError, BadZipFile) as error:
            raise TrackError(f"{path} is no model that `geo-backup learn` wrote: {error}") from None
        if of["network"] != network.content_id:
            raise TrackError(f"{path} was learned on another map: learn it anew on this one.")
        if of["profile"] != profile.profile_id:
            raise TrackError(f"{path} was learned with other numbers of the profile: learn it anew with these.")
        return model


class Learner:
    """Takes drives in, in the order of time, and foretells new ones."""

    def __init__(self, network: RoadNetwork, profile: Profile, rules: Rules, model: Model | None = None) -> None:
        self.network, self.profile, self.rules = network, profile, rules
        self.tree = Tree.of(network)
        self.weights = weigh(network, profile)
        self.model = model or Model(Pace.unlearned())
        self._now: dict[tuple[int, tuple[Level, ...]], Weights] = {}

    def hour(self, at_ms: int) -> int:
        """Of the local day."""
        return hour_of(at_ms, self.network.area.timezone)

    def learn(self, minute: int, driven: Driven) -> None:
        """What intervals that were known by a minute teach."""
        pace = self.model.pace.at(minute, self.rules.pace)
        factors = pace.factors(self.tree, self.rules.pace)
        hour = self.hour(minute * MINUTE_MS)
        lesson = learn(self.weights, self.tree, factors, hour, driven, self.rules.pace)
        seconds = self.model.seconds + float(driven.ms.sum()) / 1_000.0
        self.model = replace(self.model, pace=pace.after(lesson), seconds=seconds)
        self._now.clear()

    def weights_at(self, at_ms: int, levels: Sequence[Level] = tuple(Level)) -> Weights:
        """How the profile drives at a time, by some levels of the tree."""
        minute = at_ms // MINUTE_MS
        key = (minute, tuple(levels))
        known = self._now.get(key)
        if known is None:
            if not levels:
                known = self.weights
            else:
                pace = self.model.pace.at(minute, self.rules.pace)
                factors = pace.factors(self.tree, self.rules.pace, levels)
                known = at_pace(self.weights, self.tree, factors, self.hour(at_ms))
            if any(minute != at for at, _ in self._now):
                self._now.clear()
            self._now[key] = known
        return known

    def trust(self, punctuality: Punctuality, at_ms: int) -> Trust:
        """How far times can be trusted at a time, by how drives kept them."""
        return punctuality.trust(at_ms, self.rules.pace, self.rules.backup.eta_cv)


def prequential(
    learner: Learner, drives: Iterable[Drive], levels: bool = False, on_drive: Callable[[], None] = lambda: None
) -> dict[str, list[Foretold]]:
    """Foretell every drive at its start and learn from it as it goes: what was said by class speeds as they come, and by
    the tree down to each of its levels (`LEVELS`). Without `levels` by all of the tree alone."""
    told: dict[str, list[Foretold]] = {name: [] for name in (LEVELS if levels else ("road",))}
    kept = {name: Punctuality() for name in told} | {"road": learner.model.punctuality}
    drives = sorted(drives, key=lambda drive: drive.begin_ms)
    lessons = _Lessons(drives, round(learner.rules.pace.lag_s * 1_000))
    under_way: list[tuple[int, str, Kept]] = []

    def come_to(at_ms: int | None) -> None:
        nonlocal under_way
        for minute, driven in lessons.until(at_ms):
            learner.learn(minute, driven)
        over = [row for row in under_way if at_ms is None or row[0] <= at_ms]
        under_way = [row for row in under_way if row not in over]
        for _, name, drive in sorted(over):
            kept[name] = kept[name].after(drive)

    for drive in drives:
        come_to(drive.begin_ms)
        asked = _question(learner.network, learner.rules, drive)
        for name in told if asked is not None else ():
            field_ms = _field_ms(learner.weights_at(drive.begin_ms, LEVELS[name]), *asked)
            if field_ms is None:
                continue
            trust = learner.trust(kept[name], drive.begin_ms)
            took = drive.finish_ms - drive.begin_ms
            told[name].append(Foretold(drive.begin_ms, trust.eta_ms(field_ms), *trust.within_ms(field_ms), took))
            if name != "class speeds":  # as they come: nothing is added to them
                under_way.append((drive.finish_ms, name, Kept(drive.finish_ms, field_ms, took)))
        on_drive()
    come_to(None)
    learner.model = replace(learner.model, punctuality=kept["road"])
    return told


class _Lessons:
    """The intervals of all drives in the order in which they became known, minute by minute."""

    def __init__(self, drives: Sequence[Drive], lag_ms: int) -> None:
        known = np.concatenate([np.zeros(0, np.int64), *(drive.end_ms + lag_ms for drive in drives)])
        self._order = np.argsort(known, kind="stable")
        self._minute = -(-known[self._order] // MINUTE_MS)
        self._driven = Driven.joined([drive.driven for drive in drives])
        self._at = 0

    def until(self, at_ms: int | None) -> Iterable[tuple[int, Driven]]:
        """The minutes that were over at a time, each with what it taught."""
        end = len(self._order)
        if at_ms is not None:
            end = int(np.searchsorted(self._minute, at_ms // MINUTE_MS, side="right"))
        while self._at < end:
            minute = int(self._minute[self._at])
            stop = min(int(np.searchsorted(self._minute, minute, side="right")), end)
            rows, self._at = self._order[self._at : stop], stop
            yield minute, self._driven.take(rows)


def _question(network: RoadNetwork, rules: Rules, drive: Drive) -> tuple[RoadPoints, Target] | None:
    try:
        target = snap_place(network, *drive.finish, rules.snap)
    except OutsideMapError:
        return None
    unknown = np.full(1, np.nan)
    lon, lat = (np.array([degrees]) for degrees in drive.begin)
    return snap_units(network, lon, lat, unknown, unknown, rules.snap), target


def _field_ms(weights: Weights, points: RoadPoints, target: Target) -> int | None:
    eta_ms = int(ArrivalField.build(weights, target, HORIZON_MS).etas_ms(points)[0][0])
    return eta_ms if eta_ms < INF_MS else None


HORIZON_MS = 2 * 3_600_000


def figures(told: Sequence[Foretold]) -> dict[str, Any]:
    """How well drives were foretold: APE in %, the rest in seconds, shares of 1."""
    if not told:
        return {"drives": 0}
    _, eta, low, high, took = np.array(told, np.float64).T
    error_s = (eta - took) / 1_000.0
    return {
        "drives": len(told),
        "median_ape": round(100.0 * float(np.median(np.abs(eta - took) / took)), 1),
        "mae_s": round(float(np.abs(error_s).mean()), 1),
        "bias_s": round(float(error_s.mean()), 1),
        "p90_abs_s": round(float(np.quantile(np.abs(error_s), 0.9)), 1),
        "coverage_80": round(float(((took >= low) & (took <= high)).mean()), 3),
        "share_under_p90": round(float((took <= high).mean()), 3),
    }
