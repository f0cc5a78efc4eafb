"""Speed: cold arrival times and changes of the road, each engine in turn on the same points, in one run on one core."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import engines
import numpy as np
import routingkit_cch
from engines import Elsewhere, Osrm, OsrmFleet, Ours, OursSnapped, Prepared, RoutingKit, Scipy, Valhalla, seeds_of
from extract import Extract
from fields import busiest, fields_of, follow

from geo_backup.roads.field import HORIZON_MS, ArrivalField, Seeds, Starts
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.lanes import LANES, Lanes, Probe
from geo_backup.roads.network import EdgeFlag, RoadNetwork, WayClass
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target, snap_place
from geo_backup.roads.warm import warm_up
from geo_backup.roads.weights import Weights
from geo_backup.rules import SnapRules

COUNTS = (10, 100, 1_000, 10_000)
ROUNDS = 3
NOISE_M = 5.0
FIELDS, READ = 200, 1_000
"""Standing fields, and units read against all of them."""


class Watch:
    """Milliseconds of repeated work; an engine that has used up its share of a minute rests after three runs."""

    def __init__(self, name: str, patience_s: float = 20.0) -> None:
        self.name, self.patience_s, self.ms = name, patience_s, list[float]()

    @property
    def tired(self) -> bool:
        return len(self.ms) >= 3 and sum(self.ms) > self.patience_s * 1e3

    def time(self, work: Callable[[], Any], *, counts: bool = True) -> Any:
        """Do it; what takes the time itself, elsewhere, answers `Elsewhere`."""
        began = time.perf_counter()
        answer = work()
        seconds = time.perf_counter() - began
        if isinstance(answer, Elsewhere):
            seconds, answer = answer
            counts &= answer is not None
        if counts:
            self.ms.append(seconds * 1e3)
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


class Question(NamedTuple):
    """One place as each engine wants it."""

    place: engines.Place
    target: Target
    seeds: list[tuple[int, int]]
    matrix: Any


def cold(prepared: Prepared, weights: Weights, runs: int, valhalla_patience_s: float) -> dict[str, Any]:
    """ETAs of N units to a place nobody has asked about before; each run asks about another place."""
    warm_up()
    network, rng = weights.network, np.random.default_rng(3)
    units, targets = places(network, max(COUNTS), rng), places(network, runs + ROUNDS, rng)
    probe, osrms = Probe(Metric(weights)), [Osrm(prepared, "ch"), Osrm(prepared, "mld")]
    kits, scipy = [RoutingKit(weights), RoutingKit(weights, our_order=True)], Scipy(weights)
    rows = []
    for count in COUNTS:
        valhallas = [Valhalla(prepared, kind) for kind in ("costmatrix", "timedistancematrix")]
        rows += _cold(probe, units[:count], targets, osrms, valhallas, kits, scipy, valhalla_patience_s)
        for engine in valhallas:
            engine.close()
    preparation = {kit.name: {k: getattr(kit, k) for k in ("order_s", "build_s", "customise_s")} for kit in kits}
    return {"rows": rows, "preparation": preparation}


def _cold(
    probe: Probe,
    units: Array,
    targets: Array,
    osrms: list[Osrm],
    valhallas: list[Valhalla],
    kits: list[RoutingKit],
    scipy: Scipy,
    patience_s: float,
) -> list[dict[str, Any]]:
    """One number of units. In each round every engine answers some places in a row, the first to warm up."""
    weights = probe.metric.weights
    lon, lat = np.ascontiguousarray(units.T)
    coordinates = [(float(x), float(y)) for x, y in units]
    points = certain(engines.snapped(weights.network, lon, lat))
    ends = points.edge[:, 0]
    ours, snapped = Ours(probe, lon, lat), OursSnapped(probe, points)
    fleets = [kit.fleet(ends.tolist()) for kit in kits]
    peers = [OsrmFleet(engine, coordinates) for engine in osrms]
    ask: dict[str, Callable[[Question], Any]] = {
        ours.name: lambda q: ours.etas(q.place),
        **{peer.name: lambda q, peer=peer: peer.etas(q.place) for peer in peers},
        **{e.name: lambda q, e=e: e.ask(coordinates, q.place, patience_s) for e in valhallas},
        snapped.name: lambda q: snapped.etas(q.target),
        **{fleet.name: lambda q, fleet=fleet: fleet.etas(q.seeds) for fleet in fleets},
        scipy.name: lambda q: scipy.from_place(q.matrix),
    }
    watch = {name: Watch(name) for name in ask}
    for some in np.array_split(targets, ROUNDS):
        questions = []
        for x, y in some.tolist():
            target = snap_place(weights.network, x, y, SnapRules())
            seeds = seeds_of(weights, target)
            questions.append(Question((x, y), target, seeds, scipy.matrix(seeds)))
        answers: dict[str, list[Any]] = {name: [] for name in ask}
        for name, of in ask.items():
            for n, question in enumerate(questions):
                if not watch[name].tired:
                    answers[name].append(watch[name].time(partial(of, question), counts=n > 0))
        for k, question in enumerate(questions):
            etas = answers[snapped.name][k]
            for name in (*(fleet.name for fleet in fleets), scipy.name):
                theirs = answers[name][k] if name != scipy.name else answers[name][k][ends]
                same(weights, points, question.target, etas, whole(theirs), name)
    notes = {engine.name: {"note": engine.dead} for engine in valhallas if engine.dead}
    return [clock.row(units=len(units), **notes.get(name, {})) for name, clock in watch.items()]


def certain(points: RoadPoints) -> RoadPoints:
    """The first candidate of each unit alone, so that N units are N sources to the peers too."""
    if (points.edge[:, 0] < 0).any():
        sys.exit("a unit is on no road: the points of the comparison lie on roads")
    return RoadPoints.of([RoadPoint(*at) for at in zip(points.edge[:, 0], points.fraction[:, 0], strict=True)])


def whole(values: Any) -> Array:
    """int64[N]: INF_MS for None and infinity."""
    return np.minimum(np.array([INF_MS if v is None else v for v in values], np.float64), INF_MS).astype(np.int64)


def same(weights: Weights, points: RoadPoints, target: Target, ours: Array, at_end: Array, who: str) -> None:
    """End the run unless a peer's times from the ends of edges (int64[N]) give our ETAs to the millisecond."""
    edge, part = points.edge[:, 0], points.fraction[:, 0].astype(np.int64)
    edge_ms = weights.edge_ms[edge].astype(np.int64)
    theirs = np.where(at_end <= HORIZON_MS, at_end + (edge_ms * (65_536 - part) >> 16), INF_MS)
    for k in Seeds.of(weights, target).ahead_of:
        direct = (edge_ms * (target.fractions[k] - part) >> 16) + target.last_leg_ms[k]
        ahead = (edge == target.edges[k]) & (target.fractions[k] >= part)
        theirs = np.where(ahead, np.minimum(theirs, direct), theirs)
    if not np.array_equal(theirs, ours):
        sys.exit(f"{who} and geo_backup disagree on {int((theirs != ours).sum())} of {len(ours)} arrival times")


# ---- changes


def changes(prepared: Prepared, weights: Weights, extract: Path, runs: int) -> list[dict[str, Any]]:
    """One edge, a hundred, one in a hundred closed: until every engine can answer with it again."""
    warm_up()
    network, rng = weights.network, np.random.default_rng(4)
    main = np.flatnonzero(weights.shut + (np.asarray(network.edge_flags) & EdgeFlag.MAIN == 0) == 0)
    targets = [Target.on_edge(int(e), 32_768) for e in rng.choice(main, FIELDS)]
    standing, kit, source = Standing(weights, targets, rng.choice(main, READ)), RoutingKit(weights), Extract(extract)
    busy = busiest(network, ArrivalField.build(weights, targets[0]), rng)
    rows = []
    for what, edges in (
        ("1 edge, anywhere", [rng.choice(main, 1) for _ in range(max(30, runs))]),
        ("1 edge, of the busiest", [busy[i : i + 1] for i in range(len(busy))]),
        ("100 edges", [rng.choice(main, 100, replace=False) for _ in range(max(3, runs // 6))]),
        (f"1 % of edges ({len(main) // 100:,})", [rng.choice(main, len(main) // 100, replace=False) for _ in range(3)]),
    ):
        rows += [row.row(edges=what) for row in _changes(prepared, standing, kit, source, edges)]
    engines.run([engines.OSRM_BIN / "osrm-customize", "-t", 1, prepared.osrm_base("mld")])  # as it was
    return rows


class Standing:
    """Fields in lanes, and units to read against them."""

    def __init__(self, weights: Weights, targets: list[Target], units: Array) -> None:
        self.bare, self.targets, self.units = weights, targets, units
        self.points = RoadPoints.of([RoadPoint(int(e), 0) for e in units])
        self.metric = Metric(weights)
        self.blocks = [Lanes(self.metric, HORIZON_MS) for _ in range(-(-len(targets) // LANES))]
        for i, target in enumerate(targets):
            seeds = Seeds.of(weights, target)
            self.blocks[i // LANES].put(i % LANES, seeds.edge, seeds.ms)
        for block in self.blocks:
            block.settle()

    def follow(self, weights: Weights, changed: Array) -> None:
        follow(self.metric, self.blocks, weights, self.targets, changed)

    def read(self) -> None:
        weights = self.metric.weights
        starts, seeds = Starts.of(weights, self.points), [Seeds.of(weights, t) for t in self.targets]
        for i in range(len(self.targets)):
            fields_of(self.blocks, weights, self.targets, seeds, i).read(starts)

    def check(self, i: int, at_end: Array, who: str) -> None:
        """End the run unless times from the units' edges (int64[N]) are those of the i-th field."""
        mine = self.blocks[i // LANES].values[self.units, i % LANES]
        if not np.array_equal(np.where(at_end <= HORIZON_MS, at_end, INF_MS), mine):
            sys.exit(f"after a change, {who} and the standing field {i} disagree")


def _changes(
    prepared: Prepared, standing: Standing, kit: RoutingKit, source: Extract, closures: list[Array]
) -> list[Watch]:
    """The closures one after the other, each lifted again."""
    bare, network = standing.bare, standing.bare.network
    units = standing.units.tolist()
    ours, read, patch, full, ask, customise, reload = watches = [
        Watch(f"geo_backup: {FIELDS} standing fields exact again"),
        Watch(f"geo_backup: {READ:,} units read against all of them"),
        Watch("routingkit-cch: partial update"),
        Watch("routingkit-cch: customise all"),
        Watch(f"routingkit-cch: {READ:,} units to {FIELDS} places"),
        Watch("osrm-customize with a segment speed file"),
        Watch("OSRM: the dataset opened again"),
    ]
    updater = routingkit_cch.CCHMetricPartialUpdater(kit.cch)
    for edges in closures:
        changed = network.with_twins(edges)
        shut = bare.under([changed])
        turns = np.flatnonzero(shut.arc_ms != bare.arc_ms)
        ours.time(partial(standing.follow, shut, changed))
        closed, opened = engines.arc_ms(shut), engines.arc_ms(bare)
        if not full.tired:
            full.time(partial(kit.metric.reset, closed))
            kit.metric.reset(opened)
        patch.time(partial(updater.apply, kit.metric, {int(t): closed[t] for t in turns}))
        fleet, seeds = kit.fleet(units), [seeds_of(shut, target) for target in standing.targets]
        read.time(standing.read)
        if not ask.tired:
            for i, answer in enumerate(ask.time(lambda f=fleet, s=seeds: [f.ask(x) for x in s])):
                standing.check(i, whole(answer), ask.name)
        del fleet
        if not customise.tired:
            speeds = prepared.folder / "segments.csv"
            speeds.write_text(
                "".join(f"{a},{b},5\n" for e in edges for a, b in source.node_pairs(network, int(e))),
                encoding="utf-8",
            )
            base = prepared.osrm_base("mld")
            program = [engines.OSRM_BIN / "osrm-customize", "-t", 1, "--segment-speed-file", speeds, base]
            customise.time(partial(engines.run, program))
            reload.time(partial(Osrm, prepared, "mld"))
        ours.time(partial(standing.follow, bare, changed))
        updater.apply(kit.metric, {int(t): opened[t] for t in turns})
    standing.check(0, ArrivalField.build(bare, standing.targets[0]).at_end_ms[standing.units], "a new field")
    return watches
