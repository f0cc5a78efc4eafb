"""Emergency drives: what recorded calls teach of turnout and of driving with siren, learned on one week, tried on the
next.

    python tests/benchmarks/emergencies.py --map DIR --calls sf_fire_calls_2020-04.csv --stations sf_fire_stations.csv

A drive counts where its beginning is known well enough: a unit sent with siren (the city's code 3), most of whose calls
in the first week lay in the area of the station that it is taken to live at, and which had been free for half an hour.
Three times are foretold and compared with the record: **turnout**, from being sent to wheels rolling; **travel**, from
there to on scene, from the station's door; **both**.

- *before*: the turnout of the rules, the `response` profile as it comes, and the spread that the rules assume;
- *learned*: of the first week alone. Turnout: as a ranking expects it of a unit and its kind. Travel: the tree of
  paces, taught that the recorded time was spent on our own way, since no other is known, and how drives kept the times
  that were foretold for them.
- *going on*: as *learned*, and every drive of the second week teaches once it is over, as on a running server.

Beside them the air line at the first week's speed, and how drives from one station to one block scatter: who knows all
but the day's luck does no better than about that.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geo_backup.errors import OutsideMapError
from geo_backup.formats.calls import Call, read
from geo_backup.formats.stations import Station, read_stations
from geo_backup.geodesy import distance_m
from geo_backup.lab.compare import SETTLED_MS, TRAVEL_MS
from geo_backup.lab.learning import Learner
from geo_backup.lab.record import TURNOUT_MS, Record, sent_ms
from geo_backup.live_map.turnout import KIND_KEPT, OWN_KEPT, Expected, expected, measured
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.foretold import Foretold, figures
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pace import MINUTE_MS, Level
from geo_backup.roads.pace_tree import Intervals
from geo_backup.roads.profile import profiles_of
from geo_backup.roads.punctuality import Kept, Punctuality, Trust
from geo_backup.roads.snap import RoadPoints, Target, snap_place, snap_units
from geo_backup.rules import Rules

WEEK_MS = 7 * 86_400_000
PRIORITY = 2
"""With siren, at the least."""
TREES = {
    "hour": (Level.HOUR,),
    "what lasts": (Level.HOUR, Level.CLASS, Level.TURN, Level.ROAD),
    "whole tree": tuple(Level),
}
"""Levels of the tree by which drives are foretold."""
LAST = ("coverage_80", "share_under_p90", "correlation")


class Run(NamedTuple):
    """One drive of a unit from its station to a call."""

    unit_id: str
    kind: str
    sent_ms: int
    rolling_ms: int
    there_ms: int
    station: int
    place: tuple[float, float]
    air_m: float
    start: RoadPoints
    target: Target

    @property
    def turnout_ms(self) -> int:
        return self.rolling_ms - self.sent_ms

    @property
    def travel_ms(self) -> int:
        return self.there_ms - self.rolling_ms


class Runs(NamedTuple):
    """The drives of each week, and those sent with siren that are not among them, by reason."""

    first: list[Run]
    second: list[Run]
    left_out: dict[str, int]


def runs_of(network: RoadNetwork, calls: Sequence[Call], stations: Sequence[Station]) -> Runs:
    """Drives in the order of being sent. Which unit lives where is told by the first week alone."""
    until_ms = calls[0].received_ms + WEEK_MS
    record = Record.of([call for call in calls if call.received_ms < until_ms], stations)
    row = {unit_id: n for n, unit_id in enumerate(record.units)}
    lon, lat = (np.array([getattr(station, axis) for station in stations]) for axis in ("lon", "lat"))
    unknown = np.full(len(lon), np.nan)
    doors = snap_units(network, lon, lat, unknown, unknown, Rules().snap)
    free_since: dict[str, int] = {}
    out: tuple[list[Run], list[Run]] = ([], [])
    left_out: dict[str, int] = defaultdict(int)
    for call, unit in sorted(((c, u) for c in calls for u in c.units), key=lambda drive: sent_ms(*drive)):
        at_ms = sent_ms(call, unit)
        rested = at_ms - free_since.get(unit.unit_id, 0) >= SETTLED_MS
        free_since[unit.unit_id] = unit.available_ms or at_ms
        if call.priority > PRIORITY:
            continue
        n = row.get(unit.unit_id)
        if n is None or not record.firm[n]:
            left_out["station not known"] += 1
        elif not rested:
            left_out["not at its station for sure"] += 1
        elif unit.dispatch_ms is None or unit.en_route_ms is None or unit.on_scene_ms is None:
            left_out["no time of being sent, rolling or on scene"] += 1
        else:
            station = int(record.unit_home[n])
            try:
                target = snap_place(network, call.lon, call.lat, Rules().snap)
            except OutsideMapError:
                left_out["off the map"] += 1
                continue
            run = Run(
                unit.unit_id, unit.kind, at_ms, unit.en_route_ms, unit.on_scene_ms, station, (call.lon, call.lat),
                float(distance_m(lon[station], lat[station], call.lon, call.lat)), doors.take(np.array([station])),
                target,
            )  # fmt: skip
            if (
                not TRAVEL_MS[0] <= run.travel_ms <= TRAVEL_MS[1]
                or not TURNOUT_MS[0] <= run.turnout_ms <= TURNOUT_MS[1]
            ):
                left_out["times not to be believed"] += 1
            else:
                out[at_ms >= until_ms].append(run)
    return Runs(*out, dict(left_out))


class Turnouts:
    """Turnouts of units as a week had them."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._seen: dict[str, tuple[int, ...]] = defaultdict(tuple)
        for run in runs:
            for name, kept in ((run.kind, KIND_KEPT), (_name(run), OWN_KEPT)):
                self._seen[name] = (*self._seen[name], run.turnout_ms)[-kept:]

    def expected(self, run: Run) -> Expected:
        """What a ranking would say."""
        own, alike = (measured(self._seen.get(name, ())) for name in (_name(run), run.kind))
        return expected("on_station", own, alike, Rules())


def _name(run: Run) -> str:
    return f"{run.kind} {run.unit_id}"


def way_of(learner: Learner, run: Run) -> Intervals | None:
    """A run as one interval over the way that the profile would take."""
    field = ArrivalField.build(learner.weights, run.target)
    ms, which = field.etas_ms(run.start)
    if ms[0] >= INF_MS:
        return None
    route = field.route(int(run.start.edge[0, which[0]]), int(run.start.fraction[0, which[0]]))
    if route is None:
        return None
    share = np.array([to - since for since, to in route.cuts], np.int64)
    edges, turns = np.array(route.edges, np.int64), np.array([-1, *route.turns], np.int64)
    return Intervals(np.array([run.travel_ms], np.int64), np.array([0, len(edges)]), edges, share, turns)


def field_ms(learner: Learner, run: Run, levels: Sequence[Level]) -> int:
    """Travel by a profile at what was learned by then."""
    return int(ArrivalField.build(learner.weights_at(run.rolling_ms, levels), run.target).etas_ms(run.start)[0][0])


class Watch:
    """Takes runs in the order of time: foretells each at its start and, unless told otherwise, learns from those that
    are over."""

    def __init__(self, learner: Learner) -> None:
        self.learner, self.travel, self.both = learner, Punctuality(), Punctuality()
        self._under_way: list[tuple[Run, int, int]] = []

    def follow(
        self, runs: Sequence[Run], turnout_ms: Callable[[Run], int], levels: Sequence[Level], *, learn: bool
    ) -> tuple[list[Foretold], list[Foretold]]:
        """Travel and both of each run, as foretold."""
        travel, both = list[Foretold](), list[Foretold]()
        for run in runs:
            if learn:
                self._come_to(run.rolling_ms)
            way_ms = field_ms(self.learner, run, levels)
            trust = self.learner.trust(self.travel, run.rolling_ms)
            travel.append(_foretold(trust, way_ms, run.travel_ms))
            all_ms = turnout_ms(run) + travel[-1].eta_ms
            both.append(_foretold(self.learner.trust(self.both, run.sent_ms), all_ms, run.turnout_ms + run.travel_ms))
            if learn:
                self._under_way.append((run, way_ms, all_ms))
        if learn:
            self._come_to(runs[-1].there_ms + WEEK_MS)
        return travel, both

    def _come_to(self, at_ms: int) -> None:
        over = sorted((row for row in self._under_way if row[0].there_ms <= at_ms), key=lambda row: row[0].there_ms)
        self._under_way = [row for row in self._under_way if row[0].there_ms > at_ms]
        for run, way_ms, all_ms in over:
            way = way_of(self.learner, run)
            if way is not None:
                self.learner.learn(-(-run.there_ms // MINUTE_MS), way)
            self.travel = self.travel.after(Kept(run.there_ms, way_ms, run.travel_ms))
            self.both = self.both.after(Kept(run.there_ms, all_ms, run.turnout_ms + run.travel_ms))


def _foretold(trust: Trust, field_ms: int, took_ms: int) -> Foretold:
    eta_ms = trust.eta_ms(np.array(field_ms))
    low_ms, high_ms = trust.within_ms(eta_ms)
    return Foretold(int(eta_ms), int(low_ms), int(high_ms), took_ms)


def luck(runs: Sequence[Run]) -> dict[str, Any]:
    """How drives from one station to one block scatter: the median error, in %, of whoever knows their median."""
    groups: dict[tuple[int, tuple[float, float]], list[int]] = defaultdict(list)
    for run in runs:
        groups[run.station, run.place].append(run.travel_ms)
    apart = [abs(np.log(a / b)) for group in groups.values() for a, b in combinations(group, 2)]
    return {"pairs": len(apart), "median_ape": round(100.0 * float(np.median(apart)) / np.sqrt(2.0), 1)}


def measure(network: RoadNetwork, runs: Runs) -> list[dict[str, Any]]:
    """A row for each time and way of foretelling it, on the second week."""
    rules, first, second = Rules(), runs.first, runs.second
    profile = profiles_of(network)["response"]
    rows: list[dict[str, Any]] = []

    def add(what: str, how: str, told: Sequence[Foretold]) -> None:
        eta, took = (np.array([getattr(one, name) for one in told], np.float64) for name in ("eta_ms", "took_ms"))
        with np.errstate(divide="ignore"):  # some roll within the second
            row = {"what": what, "how": how, **figures(told)}
        for name, bound in (("coverage_80", "low_ms"), ("share_under_p90", "high_ms")):
            if not any(getattr(one, bound) for one in told):  # it was not said
                row[name] = None
        rows.append(row | {"correlation": float(np.corrcoef(eta, took)[0, 1]) if np.ptp(eta) > 0 else None})

    constant, seen = rules.turnout.on_station_ms, Turnouts(first)

    def learned(run: Run) -> int:
        return seen.expected(run).median_ms

    add("turnout", "before", [Foretold(constant, 0, 0, run.turnout_ms) for run in second])
    add("turnout", "learned", [Foretold(learned(run), 0, seen.expected(run).p90_ms, run.turnout_ms) for run in second])
    pace = np.median([run.travel_ms / max(run.air_m, 1.0) for run in first])
    add("travel", "air line", [Foretold(round(pace * run.air_m), 0, 0, run.travel_ms) for run in second])
    travel, both = Watch(Learner(network, profile, rules)).follow(second, lambda run: constant, (), learn=False)
    add("travel", "before", travel)
    add("both", "before", both)
    for how, levels in TREES.items():
        watch = Watch(Learner(network, profile, rules))
        watch.follow(first, learned, levels, learn=True)
        for name, learn in ((f"learned, {how}", False), (f"going on, {how}", True)):
            travel, both = watch.follow(second, learned, levels, learn=learn)
            add("travel", name, travel)
            add("both", name, both)
    return sorted(rows, key=lambda row: ("turnout", "travel", "both").index(row["what"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, required=True)
    parser.add_argument("--calls", type=Path, required=True)
    parser.add_argument("--stations", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    network = RoadNetwork.load(options.map)
    with options.calls.open(encoding="utf-8", newline="") as lines:
        calls = read(lines).calls
    with options.stations.open(encoding="utf-8", newline="") as lines:
        stations = read_stations(lines)
    runs = runs_of(network, calls, stations)
    rows, scatter = measure(network, runs), luck(runs.first + runs.second)
    if options.json:
        counts = {"first": len(runs.first), "second": len(runs.second), "left_out": runs.left_out}
        print(json.dumps({"drives": counts, "rows": rows, "same_ends": scatter}, indent=2))
        return
    print(f"{len(runs.first):,} drives in the first week, {len(runs.second):,} in the second; left out: "
          + ", ".join(f"{why} {count:,}" for why, count in sorted(runs.left_out.items())))  # fmt: skip
    print(f"{'':<31} median %   MAE s  bias s   P90 s  in 80 %  under P90  correlation")
    for row in rows:
        last = ("" if row[name] is None else f"{row[name]:.2f}" for name in LAST)
        print(
            f"{row['what']:<8} {row['how']:<22} {row['median_ape']:>8} {row['mae_s']:>7} {row['bias_s']:>7} "
            f"{row['p90_abs_s']:>7} {next(last):>8} {next(last):>10} {next(last):>12}"
        )
    print(f"from the same station to the same block: {scatter['median_ape']} % ({scatter['pairs']:,} pairs)")


if __name__ == "__main__":
    main()
