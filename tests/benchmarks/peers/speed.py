"""Speed: cold arrival times and changes of the road, each engine in turn on the same points, in one run on one core."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import engines
import numpy as np
import routingkit_cch
from engines import Osrm, OsrmFleet, Ours, OursSnapped, Prepared, RoutingKit, Scipy, Valhalla, seeds_of
from extract import Extract

from geo_backup.roads import search
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.network import Array, EdgeFlag, RoadNetwork, WayClass
from geo_backup.roads.search import INF_MS
from geo_backup.roads.snap import RoadPoints, Target, snap_place
from geo_backup.roads.weights import Weights
from geo_backup.rules import SnapRules

COUNTS = (10, 100, 1_000, 10_000)
NOISE_M = 5.0
FIELDS = 200


class Watch:
    """Milliseconds of repeated work; an engine that has used up its share of a minute rests after three runs."""

    def __init__(self, name: str, patience_s: float = 20.0) -> None:
        self.name, self.patience_s, self.ms = name, patience_s, list[float]()

    @property
    def tired(self) -> bool:
        return len(self.ms) >= 3 and sum(self.ms) > self.patience_s * 1e3

    def time(self, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        answer = work()
        self.ms.append((time.perf_counter() - began) * 1e3)
        return answer

    def row(self, **more: Any) -> dict[str, Any]:
        ms = np.array(self.ms)
        spread = {"median_ms": np.median(ms), "min_ms": ms.min(), "max_ms": ms.max()} if len(ms) else {}
        return {"engine": self.name, **more, "runs": len(ms), **{k: float(v) for k, v in spread.items()}}


def places(network: RoadNetwork, count: int, rng: np.random.Generator, noise_m: float = NOISE_M) -> Array:
    """float64[N, 2]: positions as receivers report them, a few metres beside streets drawn at random.

    Streets that every engine drives: no tracks, no service ways, nothing cut off or private.
    """
    flags = np.asarray(network.edge_flags)
    street = np.asarray(network.way_class)[network.edge_way] <= WayClass.LIVING_STREET
    need, never = EdgeFlag.MAIN | EdgeFlag.LEGAL, EdgeFlag.PRIVATE
    main = np.flatnonzero((flags & int(need | never) == int(need)) & street)
    start, lon, lat = network.vertices
    first = start[network.edge_piece[rng.choice(main, count)]]
    share = rng.uniform(0.0, 1.0, count)
    spread = noise_m / np.array(network.metres_per_deg)
    at = np.column_stack([c[first] + share * (c[first + 1] - c[first]) for c in (lon, lat)])
    return at + rng.normal(0.0, 1.0, (count, 2)) * spread


def cold(prepared: Prepared, weights: Weights, runs: int, valhalla_patience_s: float) -> dict[str, Any]:
    """ETAs of N units to a place nobody has asked about before; each run asks about another place."""
    search.warm_up()
    network, rng = weights.network, np.random.default_rng(3)
    units, targets = places(network, max(COUNTS), rng), places(network, runs + 1, rng)
    peers, kit, scipy = [Osrm(prepared, "ch"), Osrm(prepared, "mld")], RoutingKit(weights), Scipy(weights)
    rows = []
    for count in COUNTS:
        valhallas = [Valhalla(prepared, kind) for kind in ("costmatrix", "timedistancematrix")]
        rows += _cold(weights, units[:count], targets, peers, valhallas, kit, scipy, valhalla_patience_s)
        for engine in valhallas:
            engine.close()
    return {
        "rows": rows,
        "routingkit": {"order_s": kit.order_s, "build_s": kit.build_s, "customise_s": kit.customise_s},
    }


def _cold(
    weights: Weights,
    units: Array,
    targets: Array,
    osrms: list[Osrm],
    valhallas: list[Valhalla],
    kit: RoutingKit,
    scipy: Scipy,
    patience_s: float,
) -> list[dict[str, Any]]:
    """One number of units: a round an engine for every place, the first of which only warms up."""
    network = weights.network
    lon, lat = np.ascontiguousarray(units.T)
    coordinates = [(float(x), float(y)) for x, y in units]
    points = certain(engines.snapped(network, lon, lat))
    ours, snapped, fleet = Ours(weights, lon, lat), OursSnapped(weights, points), kit.fleet(_ends(points))
    peers = [OsrmFleet(engine, coordinates) for engine in osrms]
    in_turn = [ours, *peers, *valhallas, snapped, fleet, scipy]
    watch = {engine.name: Watch(engine.name) for engine in in_turn}
    for run, (x, y) in enumerate(targets.tolist()):
        place = (x, y)
        target = snap_place(network, *place, SnapRules())
        seeds = seeds_of(weights, target)
        matrix = scipy.matrix(seeds)
        if run == 1:
            for clock in watch.values():
                clock.ms.clear()
        watch[ours.name].time(partial(ours.etas, place))
        for peer in peers:
            if not watch[peer.name].tired:
                watch[peer.name].time(partial(peer.etas, place))
        for engine in valhallas:
            if not watch[engine.name].tired and (answer := engine.ask(coordinates, place, patience_s)):
                watch[engine.name].ms.append(answer[0] * 1e3)
        etas = watch[snapped.name].time(partial(snapped.etas, target))
        distances = watch[fleet.name].time(partial(fleet.etas, seeds))
        field = watch[scipy.name].time(partial(scipy.from_place, matrix))
        theirs = np.array([INF_MS if d is None else d for d in distances], np.int64)
        same(weights, points, target, etas, theirs, "routingkit-cch")
        same(weights, points, target, etas, np.minimum(field[_ends(points)], INF_MS).astype(np.int64), "scipy")
    notes = {engine.name: {"note": engine.dead} for engine in valhallas if engine.dead}
    return [watch[engine.name].row(units=len(units), **notes.get(engine.name, {})) for engine in in_turn]


def certain(points: RoadPoints) -> RoadPoints:
    """The first candidate of each unit alone, so that N units are N sources to the peers too."""
    out = RoadPoints.empty(len(points))
    for mine, theirs in ((out.edge, points.edge), (out.fraction, points.fraction)):
        mine[:, 0] = theirs[:, 0]
    out.offset_m[:] = points.offset_m
    return out


def _ends(points: RoadPoints) -> list[int]:
    if (points.edge[:, 0] < 0).any():
        sys.exit("a unit is on no road: the points of the comparison lie on roads")
    return points.edge[:, 0].tolist()


def same(
    weights: Weights,
    points: RoadPoints,
    target: Target,
    ours: Array,
    at_end: Array,
    who: str,
    horizon_ms: int = 3_600_000,
) -> None:
    """End the run unless a peer's times from the ends of edges (int64[N]) give our ETAs to the millisecond."""
    edge, part = points.edge[:, 0], points.fraction[:, 0].astype(np.int64)
    rest = weights.open_edge_ms[edge].astype(np.int64) * (65_536 - part) >> 16
    theirs = np.where(at_end <= horizon_ms, at_end + rest, INF_MS)
    for at, fraction, leg in zip(target.edges, target.fractions, target.last_leg_ms, strict=True):
        ahead = (edge == at) & (fraction >= part) & (weights.edge_ms[edge] < INF_MS)
        direct = (weights.edge_ms[edge].astype(np.int64) * (fraction - part) >> 16) + leg
        theirs = np.where(ahead, np.minimum(theirs, direct), theirs)
    if not np.array_equal(theirs, ours):
        sys.exit(f"{who} and geo_backup disagree on {int((theirs != ours).sum())} of {len(ours)} arrival times")


# ---- changes


def changes(prepared: Prepared, weights: Weights, extract: Path, runs: int) -> list[dict[str, Any]]:
    """One edge, a hundred, one in a hundred made slower: until every engine answers with it again."""
    network, rng = weights.network, np.random.default_rng(4)
    flags = np.asarray(network.edge_flags)
    main = np.flatnonzero((flags & EdgeFlag.MAIN != 0) & (flags & EdgeFlag.LEGAL != 0))
    targets = [Target.on_edge(int(e), 32_768) for e in rng.choice(main, FIELDS)]
    fields = [ArrivalField.build(weights, target) for target in targets]
    kit, source = RoutingKit(weights), Extract(extract)
    arcs_into = np.asarray(network.turn_start)
    rows = []
    for count in (1, 100, network.edges // 100):
        ours, full, patch, customise, reload = (
            Watch(f"geo_backup: {FIELDS} standing fields exact again"),
            Watch("routingkit-cch: customise all"),
            Watch("routingkit-cch: partial update"),
            Watch("osrm-customize with a segment speed file"),
            Watch("OSRM: the dataset opened again"),
        )
        for _ in range(runs):
            changed = rng.choice(main, count, replace=False)
            shut = weights.with_closed(changed)
            ours.time(partial(engines.after_closure, fields, shut, changed))
            closed = engines.arc_ms(shut)
            updates = {int(t): engines.NO_ARC for e in changed for t in range(int(arcs_into[e]), int(arcs_into[e + 1]))}
            updater = routingkit_cch.CCHMetricPartialUpdater(kit.cch)
            patch.time(partial(updater.apply, kit.metric, updates))
            before = engines.arc_ms(weights)
            full.time(partial(kit.metric.reset, closed))
            kit.metric.reset(before)
            if not customise.tired:
                speeds = prepared.folder / "segments.csv"
                speeds.write_text(
                    "".join(f"{a},{b},5\n" for e in changed for a, b in source.node_pairs(network, int(e))),
                    encoding="utf-8",
                )
                base = prepared.osrm_base("mld")
                program = [engines.OSRM_BIN / "osrm-customize", "-t", 1, "--segment-speed-file", speeds, base]
                customise.time(partial(engines.run, program))
                reload.time(partial(Osrm, prepared, "mld"))
        rows += [w.row(edges=count) for w in (ours, full, patch, customise, reload)]
    engines.run([engines.OSRM_BIN / "osrm-customize", "-t", 1, prepared.osrm_base("mld")])  # as it was
    return rows
