"""Matching measured on simulated drives whose roads are known, beside the nearest edge alone.

    python tests/benchmarks/matching.py --map DIR [--drives 60] [--sigma 4 8 15] [--every 1 5 15 60] [--seed 1] [--json]

A drive goes from one random place to the next, up to 3 km off, by the routine profile's best way for a driver to whom
each street seems slower or quicker than it is; at that profile's speeds with a spread by drive and by street. It waits
at some signals. Its receiver is off by `sigma` metres (standard deviation on each
axis): most of it anew at every fix, some of it for half a minute, as reflections are. It tells `sigma` as its accuracy,
and neither speed nor course.

A fix is right when the place it is matched to lies within max(10 m, 2 sigma) of the road that was driven, as far before
and after the place where the unit was, and the edge leads the way it drove there (within 45 degrees).
**lag 0**: each fix by itself and those before it, as the live map asks. **all**: all fixes of a drive at once, as one
looks back.

OSRM's and Valhalla's matching take part by an `Engine` each: `peers/run.py --part matching`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from geo_backup.roads.drives import match_track, places
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.grid import RoadGrid
from geo_backup.roads.kernel import Array
from geo_backup.roads.match import Tracks, match_units
from geo_backup.roads.network import EdgeFlag, RoadNetwork, TurnFlag
from geo_backup.roads.profile import ROUTINE
from geo_backup.roads.snap import RoadPoints, Target, snap_units
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import FixRules, SnapRules

FIXES = 80
"""Of one drive at one interval; a minute apart, there are fewer."""
LEGS, LEG_M = 5, (500.0, 3_000.0)
SAMPLE_M = 2.0
SLOW_SHARE, SLOW_S = 0.3, 30.0
"""How much of the variance of a receiver's error lasts, and for how long."""
COURSE_DEG = 45.0
LAGS = ("0", "all")


class Drive(NamedTuple):
    """What was driven: where on its line (float64[S], metres) at each second, and the line, a sample each two metres:
    local metres east and north, and course."""

    at_m: Array
    x: Array
    y: Array
    course_deg: Array


class Fixes(NamedTuple):
    """What its receiver said (float64[F] each), and the true metres along the line."""

    time_s: Array
    lon: Array
    lat: Array
    at_m: Array


Answer = Array
"""float64[F, 3]: lon, lat and course of the place on the road of each fix, nan where an engine finds none."""


class Engine(NamedTuple):
    """One that matches. `newest` answers for the last fix of each of some tracks, `whole` for every fix of one track;
    both are told sigma. None: it does not do that."""

    newest: Callable[[Sequence[Fixes], float], Answer] | None
    whole: Callable[[Fixes, float], Answer] | None
    window: int
    """Fixes given to `newest`."""


# ---- drives


def drives(weights: Weights, count: int, rng: np.random.Generator) -> list[Drive]:
    """Some random drives, each over several places."""
    network = weights.network
    usable = (np.asarray(network.edge_flags) & EdgeFlag.MAIN != 0) & (weights.shut == 0)
    main = np.flatnonzero(usable & (np.asarray(network.edge_flags) & EdgeFlag.TWIN == 0))
    x, y = RoadGrid.of(network).local(network.junction_lon_e7 / 1e7, network.junction_lat_e7 / 1e7)
    x, y = x[network.edge_head[main]], y[network.edge_head[main]]
    every = np.arange(network.edges, dtype=np.int32)
    out: list[Drive] = []
    while len(out) < count:
        seems = np.rint(weights.edge_ms * rng.lognormal(0.0, 0.3, network.edges)).astype(np.int32)
        believed = weights.under([], every, seems)
        start = int(rng.integers(len(main)))
        edge = int(main[start])
        edges: list[int] = []
        turns: list[int] = []
        for _ in range(LEGS):
            away_m = np.hypot(x - x[start], y - y[start])
            near = np.flatnonzero((away_m > LEG_M[0]) & (away_m < LEG_M[1]))
            start = int(rng.choice(near)) if len(near) else start
            route = ArrivalField.build(believed, Target.on_edge(int(main[start]), 65_536)).route(edge, 0)
            if route is None or route.edges[0] != edge:
                break
            edges += route.edges if not edges else route.edges[1:]
            turns += route.turns
            edge = route.edges[-1]
        else:
            out.append(driven(weights, edges, turns, rng))
    return out


def driven(weights: Weights, edges: list[int], turns: list[int], rng: np.random.Generator) -> Drive:
    """A drive over some edges by some turns."""
    network = weights.network
    scale, (west, south, _, _) = np.array(network.metres_per_deg), network.area.extent
    facts = np.asarray(network.turn_facts)
    at_s, at_m, lines = [0.0], [0.0], []
    pace = rng.lognormal(0.0, 0.2)
    for n, edge in enumerate(edges):
        if n:
            turn = turns[n - 1]
            wait_s = weights.turn_ms[turn] / 1e3
            if facts[turn] & TurnFlag.SIGNALS:
                wait_s = rng.exponential(30.0) if rng.random() < 0.6 else 0.0
            at_s.append(at_s[-1] + wait_s)
            at_m.append(at_m[-1])
        line = (network.edge_line(edge) - (west, south)) * scale
        metres = float(np.hypot(*np.diff(line, axis=0).T).sum())
        at_s.append(at_s[-1] + weights.edge_ms[edge] / 1e3 * pace * rng.lognormal(0.0, 0.2))
        at_m.append(at_m[-1] + metres)
        lines.append(line if not lines else line[1:])
    line = np.concatenate(lines)
    step = np.hypot(*np.diff(line, axis=0).T)
    line, step = np.concatenate((line[:1], line[1:][step > 0])), step[step > 0]
    along = np.concatenate(([0.0], np.cumsum(step)))
    sample = np.arange(0.0, along[-1], SAMPLE_M)
    on = np.clip(np.searchsorted(along, sample, side="right") - 1, 0, len(step) - 1)
    east, north = np.diff(line, axis=0)[on].T
    return Drive(
        np.interp(np.arange(0.0, at_s[-1]), at_s, at_m),
        np.interp(sample, along, line[:, 0]),
        np.interp(sample, along, line[:, 1]),
        np.degrees(np.arctan2(east, north)),
    )


def received(network: RoadNetwork, drive: Drive, every_s: int, sigma_m: float, rng: np.random.Generator) -> Fixes:
    """What a receiver says of a stretch of a drive."""
    scale, (west, south, _, _) = np.array(network.metres_per_deg), network.area.extent
    count = min(FIXES, len(drive.at_m) // every_s)
    first = int(rng.integers(0, len(drive.at_m) - (count - 1) * every_s))
    at_m = drive.at_m[first : first + count * every_s : every_s][:count]
    sample = np.minimum(np.rint(at_m / SAMPLE_M).astype(int), len(drive.x) - 1)
    slow, keep = np.empty((count, 2)), np.exp(-every_s / SLOW_S)
    slow[0] = rng.normal(0, 1, 2)
    for n in range(1, count):
        slow[n] = keep * slow[n - 1] + np.sqrt(1 - keep**2) * rng.normal(0, 1, 2)
    error = sigma_m * (np.sqrt(SLOW_SHARE) * slow + np.sqrt(1 - SLOW_SHARE) * rng.normal(0, 1, (count, 2)))
    lon, lat = ((np.column_stack((drive.x[sample], drive.y[sample])) + error) / scale + (west, south)).T
    return Fixes(np.arange(count) * float(every_s), lon, lat, at_m)


def right(network: RoadNetwork, drive: Drive, fixes: Fixes, answer: Answer, sigma_m: float) -> Array:
    """bool[F]: whether each fix is on the road that was driven, in its direction."""
    scale, (west, south, _, _) = np.array(network.metres_per_deg), network.area.extent
    within_m = max(10.0, 2.0 * sigma_m)
    around = int(within_m / SAMPLE_M)
    out = np.zeros(len(answer), np.bool_)
    for n, (lon, lat, course_deg) in enumerate(answer):
        if not np.isfinite(course_deg):
            continue
        x, y = (np.array((lon, lat)) - (west, south)) * scale
        sample = int(fixes.at_m[n] / SAMPLE_M)
        near = slice(max(0, sample - around), sample + around + 1)
        away = np.hypot(drive.x[near] - x, drive.y[near] - y)
        turned = np.abs((drive.course_deg[near] - course_deg + 180.0) % 360.0 - 180.0)
        out[n] = bool(((away <= within_m) & (turned <= COURSE_DEG)).any())
    return out


# ---- engines


def tracks_of(windows: Sequence[Fixes], sigma_m: float) -> Tracks:
    start = np.cumsum([0, *(len(w.lon) for w in windows)])
    time_s, lon, lat = (np.concatenate([getattr(w, name) for w in windows]) for name in ("time_s", "lon", "lat"))
    unknown = np.full(len(lon), np.nan)
    return Tracks(
        start, (time_s * 1000).astype(np.int64), lon, lat, unknown, unknown, np.full(len(lon), float(sigma_m))
    )


def ours(network: RoadNetwork, rules: SnapRules) -> dict[str, Engine]:
    """The nearest edge alone, and the matcher of the live map."""

    def first(points: RoadPoints) -> Answer:
        return np.column_stack(places(network, points.edge[:, 0], points.fraction[:, 0]))

    def nearest(windows: Sequence[Fixes], sigma_m: float) -> Answer:
        lon, lat = (np.array([getattr(w, name)[-1] for w in windows]) for name in ("lon", "lat"))
        unknown = np.full(len(lon), np.nan)
        return first(snap_units(network, lon, lat, unknown, unknown, rules, np.full(len(lon), float(sigma_m))))

    def newest(windows: Sequence[Fixes], sigma_m: float) -> Answer:
        return first(match_units(network, tracks_of(windows, sigma_m), rules))

    def whole(fixes: Fixes, sigma_m: float) -> Answer:
        time_ms, accuracy = (fixes.time_s * 1000).astype(np.int64), np.full(len(fixes.lon), float(sigma_m))
        found = match_track(network, time_ms, fixes.lon, fixes.lat, rules, accuracy_m=accuracy)
        return np.column_stack((found.lon, found.lat, found.course_deg))

    return {
        "nearest edge": Engine(nearest, None, 1),
        "live map": Engine(newest, None, FixRules().kept),
        "match_track": Engine(None, whole, 1),
    }


# ---- the bench


def measure(
    network: RoadNetwork,
    engines: Mapping[str, Engine],
    count: int,
    sigmas: Sequence[float],
    intervals: Sequence[int],
    *,
    seed: int = 1,
    lags: Sequence[str] = LAGS,
    show: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """A row for each engine, sigma and interval: share of right fixes, fixes, CPU microseconds a fix."""
    warm = Fixes(*np.array([[0.0, 5.0], *([at, at + 1e-4] for at in network.middle), [0.0, 5.0]]))
    for engine in engines.values():  # kernels compiled, peers' files read
        for ask in (engine.newest and engine.newest([warm], 8.0), engine.whole and engine.whole(warm, 8.0)):
            del ask
    rng = np.random.default_rng(seed)
    some = drives(weigh(network, ROUTINE), count, rng)
    rows: list[dict[str, Any]] = []
    for sigma_m in sigmas:
        for every_s in intervals:
            heard = [received(network, drive, every_s, sigma_m, rng) for drive in some]
            for name, engine in engines.items():
                for lag in lags:
                    good: list[Array] = []
                    took_s: list[float] = []
                    for drive, fixes in zip(some, heard, strict=True):
                        began = time.process_time()
                        if lag == "0" and engine.newest is not None:
                            answer = engine.newest(windows(fixes, engine.window), sigma_m)
                        elif lag == "all" and engine.whole is not None:
                            answer = engine.whole(fixes, sigma_m)
                        else:
                            break
                        took_s.append((time.process_time() - began) / len(answer))
                        good.append(right(network, drive, fixes, answer, sigma_m))
                    if not good:
                        continue
                    rows.append(
                        {
                            "engine": name, "lag": lag, "sigma_m": sigma_m, "every_s": every_s,
                            "right": float(np.concatenate(good).mean()), "fixes": sum(map(len, good)),
                            "us_a_fix": float(np.median(took_s) * 1e6),
                        }
                    )  # fmt: skip
                    show(
                        f"{name:<26} lag {lag:<4} sigma {sigma_m:>4.0f} m {every_s:>3} s  "
                        f"{rows[-1]['right']:.3f} of {rows[-1]['fixes']:,}  {rows[-1]['us_a_fix']:,.0f} us a fix"
                    )
    return rows


def windows(fixes: Fixes, count: int) -> list[Fixes]:
    """What is known at each fix: it and those before it, `count` in all."""
    return [Fixes(*(v[max(0, n + 1 - count) : n + 1] for v in fixes)) for n in range(len(fixes.lon))]


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, required=True)
    parser.add_argument("--drives", type=int, default=60)
    parser.add_argument("--sigma", type=float, nargs="+", default=[4.0, 8.0, 15.0])
    parser.add_argument("--every", type=int, nargs="+", default=[1, 5, 15, 60], help="seconds between fixes")
    parser.add_argument("--lag", choices=[*LAGS, "both"], default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser


def main() -> None:
    options = arguments().parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    network = RoadNetwork.load(options.map)
    engines = ours(network, SnapRules())
    rows = measure(
        network, engines, options.drives, options.sigma, options.every, seed=options.seed,
        lags=LAGS if options.lag == "both" else [options.lag], show=(lambda line: None) if options.json else print,
    )  # fmt: skip
    if options.json:
        print(json.dumps({"map": network.area.name, "edges": network.edges, "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
