"""Learning: the pace of a city out of recorded drives, and how well it would have foretold each of them.

Time runs as it did: a drive is foretold at its start by what was known then, and teaches as it goes, a little late,
since the road on which a vehicle was is certain only when it has driven on. So nothing is ever foretold by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from errno import EISDIR
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from geo_backup.errors import OutsideMapError, TrackError
from geo_backup.events import TIME_MS, Fix
from geo_backup.formats.tracks import Track
from geo_backup.geodesy import distance_m
from geo_backup.roads.drives import match_fixes
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.foretold import Foretold
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.network import EdgeFlag, RoadNetwork
from geo_backup.roads.pace import MINUTE_MS, ONE, SHIFT, Level, Pace
from geo_backup.roads.pace_tree import Intervals, Tree, at_pace, factors, intervals_of, learn
from geo_backup.roads.pace_words import CLASSES, TURNS
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
MODELS = "pace"
"""Folder of the models beside a map."""
FORMAT = 1
UNPACKED_MAX = 1 << 28
"""Bytes of a model: those of a city are a few million."""
"""Version of a model's file."""
LEAST_S, LEAST_M = 120.0, 500.0
"""A drive that is shorter than this, or ends nearer to its start, is not foretold."""
LEAP_MPS = 50.0
"""Nobody drives faster: the receiver was wrong."""


@dataclass(frozen=True, eq=False)
class Drive:
    """One recorded drive. Its `intervals`, N of them, were over at `end_ms` int64[N]."""

    unit_id: str
    begin_ms: int
    finish_ms: int
    begin: tuple[float, float]
    finish: tuple[float, float]
    intervals: Intervals
    end_ms: Array

    @property
    def foretellable(self) -> bool:
        """Long enough to say something."""
        far_m = float(distance_m(*self.begin, *self.finish))
        return self.finish_ms - self.begin_ms >= 1_000 * LEAST_S and far_m >= LEAST_M


def drives_of(
    network: RoadNetwork,
    tracks: Iterable[Track],
    rules: Rules,
    on_segment: Callable[[], None] = lambda: None,
    *,
    until_ms: int = TIME_MS[1],
) -> tuple[list[Drive], int]:
    """The drives in recorded tracks, each segment being one, and how many segments are none: too few fixes, none of
    them on a road, a leap from one fix to the next that nobody drives, or a clock that was ahead of `until_ms`."""
    drives, others = list[Drive](), 0
    for track in tracks:
        for segment in track.segments:
            drive = _drive(network, track.unit_id, segment, rules)
            if drive is None or drive.finish_ms > until_ms:
                others += 1
            else:
                drives.append(drive)
            on_segment()
    return drives, others


def _drive(network: RoadNetwork, unit_id: str, segment: Sequence[Fix], rules: Rules) -> Drive | None:
    if len(segment) < 2:
        return None
    at_ms = np.array([fix.fix_ms for fix in segment], np.int64)
    lon, lat = np.array([(fix.lon, fix.lat) for fix in segment]).T
    leap_mps = distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:]) / np.maximum(np.diff(at_ms) / 1_000.0, 0.001)
    if leap_mps.max() > LEAP_MPS:
        return None
    driven = match_fixes(network, segment, rules.snap)
    intervals, end_ms = intervals_of(network, driven, at_ms, rules.snap.match_step_m)
    if not len(end_ms):
        return None
    ends = [(float(lon[n]), float(lat[n])) for n in (0, -1)]
    return Drive(unit_id, int(at_ms[0]), int(at_ms[-1]), ends[0], ends[1], intervals, end_ms)


@dataclass(frozen=True)
class Model:
    """What has been learned of one profile on one network, from so many seconds of driving."""

    pace: Pace
    punctuality: Punctuality = field(default_factory=Punctuality)
    seconds: float = 0.0

    def save(self, path: Path, network: RoadNetwork, profile: Profile) -> None:
        """Write it to a file, whole or not at all. Raises `TrackError` where that cannot be."""
        of = {"format": FORMAT, "network": network.content_id, "profile": profile.profile_id, "seconds": self.seconds}
        try:
            self._write(path, of)
        except OSError as error:
            raise TrackError(f"{path} cannot be written: {error.strerror or error}; name another with --out") from None

    def _write(self, path: Path, of: Mapping[str, object]) -> None:
        if path.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
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
            with ZipFile(path) as archive:
                if sum(one.file_size for one in archive.infolist()) > UNPACKED_MAX:
                    raise ValueError("it unpacks to more than a model holds")
            with np.load(path) as held:
                of = json.loads(str(held["of"]))
                sums, drives, minute = held["sums"].astype(np.int64), held["drives"], int(held["minute"])
            if of["format"] != FORMAT or sums.shape[0] != 3 or (np.diff(sums[0]) <= 0).any() or (sums[1:] < 0).any():
                raise ValueError("its contents do not fit together")
            model = cls(Pace(sums[0], sums[1], sums[2], minute), Punctuality.of(drives.tolist()), float(of["seconds"]))
        except OSError as error:
            raise TrackError(f"{path} cannot be read: {error.strerror or error}") from None
        except (ValueError, LookupError, TypeError, AttributeError, EOFError, BadZipFile):
            raise TrackError(f"{path} is no model that `geo-backup learn` wrote, or it is damaged") from None
        if of["network"] != network.content_id:
            raise TrackError(f"{path} was learned on another map: learn it anew on this one.")
        if of["profile"] != profile.profile_id:
            raise TrackError(f"{path} was learned with other numbers of the profile: learn it anew with these.")
        return model


def models_of(network: RoadNetwork, profiles: Mapping[str, Profile]) -> tuple[dict[str, Model], list[str]]:
    """What `geo-backup learn` left beside a map, by profile, and what is wrong with files that cannot be used."""
    models, wrong = dict[str, Model](), list[str]()
    folder = None if network.folder is None else network.folder / MODELS
    for path in [] if folder is None else sorted(folder.glob("*.npz")):
        try:
            if path.stem not in profiles:
                raise TrackError(f"{path} is of no profile of this map: there are {', '.join(profiles)}.")
            models[path.stem] = Model.load(path, network, profiles[path.stem])
        except TrackError as error:
            wrong.append(str(error))
    return models, wrong


class Learner:
    """Takes drives in, in the order of time, and foretells new ones."""

    def __init__(self, network: RoadNetwork, profile: Profile, rules: Rules, model: Model | None = None) -> None:
        self.network, self.profile, self.rules, self.pace_rules = network, profile, rules, rules.pace
        self.tree = Tree.of(network)
        self.weights = weigh(network, profile)
        self.model = model or Model(Pace.unlearned())
        self._minute = -1
        self._now: dict[tuple[Level, ...], Weights] = {}

    def hour(self, at_ms: int) -> int:
        """Of the local day."""
        return hour_of(at_ms, self.network.area.timezone)

    def learn(self, minute: int, driven: Intervals) -> None:
        """What intervals that were known by a minute teach."""
        pace = self.model.pace.at(minute, self.pace_rules)
        hour, now = self.hour(minute * MINUTE_MS), factors(self.tree, pace, self.pace_rules)
        lesson = learn(self.weights, self.tree, now, hour, driven, self.pace_rules)
        seconds = self.model.seconds + float(driven.ms.sum()) / 1_000.0
        self.model = replace(self.model, pace=pace.after(lesson), seconds=seconds)
        self._now.clear()

    def weights_at(self, at_ms: int, levels: Sequence[Level] = tuple(Level)) -> Weights:
        """How the profile drives at a time, by some levels of the tree."""
        if not levels:
            return self.weights
        minute = at_ms // MINUTE_MS
        if minute != self._minute:
            self._now.clear()
            self._minute = minute
        known = self._now.get(tuple(levels))
        if known is None:
            now = factors(self.tree, self.model.pace.at(minute, self.pace_rules), self.pace_rules, levels)
            known = self._now[tuple(levels)] = at_pace(self.weights, self.tree, now, self.hour(at_ms))
        return known

    def trust(self, punctuality: Punctuality, at_ms: int) -> Trust:
        """How far times can be trusted at a time, by how drives kept them."""
        return punctuality.trust(at_ms, self.pace_rules, self.rules.backup.eta_cv)


def prequential(
    learner: Learner, drives: Iterable[Drive], levels: bool = False, on_drive: Callable[[], None] = lambda: None
) -> dict[str, list[Foretold]]:
    """Foretell every drive at its start and learn from it as it goes: what was said by class speeds as they come, and
    by the tree down to each of its levels (`LEVELS`). Without `levels` by all of the tree alone."""
    told: dict[str, list[Foretold]] = {name: [] for name in (LEVELS if levels else ("road",))}
    kept = {name: Punctuality() for name in told} | {"road": learner.model.punctuality}
    drives = sorted(drives, key=lambda drive: drive.begin_ms)
    lessons = _Lessons(drives, round(learner.pace_rules.lag_s * 1_000))
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
        asked = _question(learner.network, learner.rules, drive) if drive.foretellable else None
        for name in told:
            field_ms = _field_ms(learner.weights_at(drive.begin_ms, LEVELS[name]), asked)
            if field_ms is None:
                continue
            trust = learner.trust(kept[name], drive.begin_ms)
            took_ms = drive.finish_ms - drive.begin_ms
            eta_ms = int(trust.eta_ms(np.array(field_ms)))
            low_ms, high_ms = (int(ms) for ms in trust.within_ms(np.array(eta_ms)))
            told[name].append(Foretold(eta_ms, low_ms, high_ms, took_ms))
            if name != "class speeds":  # as they come: nothing is added to them
                under_way.append((drive.finish_ms, name, Kept(drive.finish_ms, field_ms, took_ms)))
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
        self._intervals = Intervals.joined([drive.intervals for drive in drives])
        self._at = 0

    def until(self, at_ms: int | None) -> Iterable[tuple[int, Intervals]]:
        """The minutes that were over at a time, each with what it taught."""
        end = len(self._order)
        if at_ms is not None:
            end = int(np.searchsorted(self._minute, at_ms // MINUTE_MS, side="right"))
        while self._at < end:
            minute = int(self._minute[self._at])
            stop = min(int(np.searchsorted(self._minute, minute, side="right")), end)
            rows, self._at = self._order[self._at : stop], stop
            yield minute, self._intervals.take(rows)


def _question(network: RoadNetwork, rules: Rules, drive: Drive) -> tuple[RoadPoints, Target] | None:
    try:
        target = snap_place(network, *drive.finish, rules.snap)
    except OutsideMapError:
        return None
    unknown = np.full(1, np.nan)
    lon, lat = (np.array([degrees]) for degrees in drive.begin)
    return snap_units(network, lon, lat, unknown, unknown, rules.snap), target


def _field_ms(weights: Weights, asked: tuple[RoadPoints, Target] | None) -> int | None:
    if asked is None:
        return None
    points, target = asked
    eta_ms = int(ArrivalField.build(weights, target, HORIZON_MS).etas_ms(points)[0][0])
    return eta_ms if eta_ms < INF_MS else None


HORIZON_MS = 2 * 3_600_000


def said(learner: Learner) -> list[dict[str, Any]]:
    """What has been learned of hours, classes of road and kinds of turn: how many times slower than the profile says
    (`times`), and seconds of evidence."""
    pace = learner.model.pace
    rows = []
    for node, own, evidence_ms in zip(
        pace.node.tolist(), (pace.own_factors(learner.pace_rules) / ONE).tolist(), pace.driven_ms.tolist(), strict=True
    ):
        level, index = Level(node >> SHIFT), node & ((1 << SHIFT) - 1)
        if level in NAMED and evidence_ms >= 1_000:
            rows.append(
                {
                    "level": level.name.lower(),
                    "of": NAMED[level](index),
                    "times": round(own, 3),
                    "evidence_s": round(evidence_ms / 1_000),
                }
            )
    return rows


NAMED: dict[Level, Callable[[int], str]] = {
    Level.HOUR: lambda hour: f"{hour}:00 to {hour + 1}:00",
    Level.NOW: lambda _: "at the end",
    Level.CLASS: CLASSES.__getitem__,
    Level.TURN: TURNS.__getitem__,
}
"""Levels whose nodes have names, and their names."""
LAYER_LEAST_MS = 30_000


def layer_of(learner: Learner) -> dict[str, Any]:
    """The roads with at least half a minute of evidence of their own as GeoJSON lines: how many times slower than the
    profile says (`times`, what is true of all roads of the class included), and seconds of evidence."""
    network, pace, tree = learner.network, learner.model.pace, learner.tree
    lasting = (Level.CLASS, Level.ROAD)
    times = factors(tree, pace, learner.pace_rules, lasting).whole / ONE
    evidence = np.zeros(len(tree.nodes), np.int64)
    at = np.searchsorted(tree.nodes, pace.node)
    evidence[at] = pace.driven_ms
    single = (np.asarray(network.edge_flags) & int(EdgeFlag.TWIN)) == 0
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "LineString", "coordinates": np.round(network.edge_line(edge), 6).tolist()},
            "properties": {
                "name": network.edge_name(edge),
                "times": round(float(times[tree.edge_class[edge]] * times[tree.edge_road[edge]]), 3),
                "evidence_s": round(int(evidence[tree.edge_road[edge]]) / 1_000),
            },
        }
        for edge in np.flatnonzero((evidence[tree.edge_road] >= LAYER_LEAST_MS) & single).tolist()
    ]
    return {"type": "FeatureCollection", "features": features}
