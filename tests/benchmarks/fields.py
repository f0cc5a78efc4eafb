"""Arrival fields measured beside SciPy and NetworkX on the same expanded graph, in the same run, on one core.

    python tests/benchmarks/fields.py [--map DIR] [--json] [--runs 30]

Without --map, Porto is built from ../shared/data (or GEO_BACKUP_DATA) into a temporary folder. Every changed field is
compared with one built anew. `tests/benchmarks/peers` does the same beside other routing engines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import dijkstra

from geo_backup.events import Fix
from geo_backup.roads import search
from geo_backup.roads.field import ArrivalField, Seeds, Starts, cold_etas_ms
from geo_backup.roads.hierarchy import Hierarchy, Metric
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.lanes import LANES, Lanes, Probe
from geo_backup.roads.match import Tracks, match_units
from geo_backup.roads.network import EdgeFlag, RoadNetwork
from geo_backup.roads.profile import RESPONSE
from geo_backup.roads.snap import Target, snap_units
from geo_backup.roads.warm import warm_up
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import SnapRules

FIELDS = 200
CHANGES = 40
"""Closures of each size."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=30)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        result = measure(RoadNetwork.load(options.map or porto(Path(folder))), options.runs)
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['map']} on {result['machine']}, one core; milliseconds: median (fastest to slowest)")
    for row in result["rows"]:
        print(f"  {row['what']:<58} {row['median_ms']:>9.3f}  ({row['min_ms']:.3f} to {row['max_ms']:.3f})")
    print(
        f"  one field: {result['times_scipy']:.1f} x faster than SciPy's, {result['times_networkx']:.0f} x NetworkX's, "
        f"{result['one_to_memory']:.1f} x the reading of its arrays; sixteen together "
        f"{result['sixteen_to_memory']:.1f} x; {FIELDS} standing fields are {result['fields_mb']:.0f} MB"
    )


def measure(network: RoadNetwork, runs: int) -> dict[str, Any]:
    """All figures of one map."""
    warm_up()
    rng = np.random.default_rng(1)
    main_edges = np.flatnonzero(np.asarray(network.edge_flags) & EdgeFlag.MAIN)
    rows: list[dict[str, Any]] = []

    def add(what: str, seconds: list[float]) -> float:
        ms = np.array(seconds) * 1e3
        rows.append(
            {"what": what, "median_ms": float(np.median(ms)), "min_ms": float(ms.min()), "max_ms": float(ms.max())}
        )
        return float(np.median(ms))

    add("order of the shortcuts (once a map)", [clock(lambda: Hierarchy.of(network))])
    weights = weigh(network, RESPONSE)
    metric = Metric(weights)
    probe = Probe(metric)
    add("weights poured into the shortcuts (once a profile)", repeat(5, lambda: Metric(weights)))
    targets = [Target.on_edge(int(e), 32_768) for e in rng.choice(main_edges, max(FIELDS, runs))]
    seeds = [Seeds.of(weights, target) for target in targets]

    # one field after the other; the peers start where ours starts: on the target's edge, searching backwards
    matrix, graph = expanded(weights)
    alone = Lanes(metric, 3_600_000)
    ours: list[float] = []
    swept: list[float] = []
    scipys: list[float] = []
    networkxs: list[float] = []
    ArrivalField.build(weights, targets[0])
    for i, target in enumerate(targets[:runs]):
        edge = target.edges[0]
        ours.append(clock(lambda target=target: ArrivalField.build(weights, target)))
        swept.append(clock(lambda seed=seeds[i]: (alone.put(0, seed.edge, seed.ms), alone.settle())))
        scipys.append(clock(lambda edge=edge: dijkstra(matrix, indices=edge)))
        if i < 3:
            networkxs.append(clock(lambda edge=edge: nx.single_source_dijkstra_path_length(graph, edge)))
    check(weights, targets[0], matrix)
    search_ms = add("field: search by buckets", ours)
    field_ms = add("field: one pass over the hierarchy", swept)
    scipy_ms = add("the same, scipy.sparse.csgraph.dijkstra", scipys)
    networkx_ms = add("the same, networkx single_source_dijkstra_path_length", networkxs)

    # 200 standing fields, sixteen side by side
    blocks = [Lanes(metric, 3_600_000) for _ in range(-(-FIELDS // LANES))]
    for i in range(FIELDS):
        blocks[i // LANES].put(i % LANES, seeds[i].edge, seeds[i].ms)
    for block in blocks:
        block.settle()
    again: list[float] = []
    for _ in range(runs):
        blocks[0].put(0, seeds[0].edge, seeds[0].ms)
        again.append(clock(blocks[0].settle))
    sixteen_ms = add("sixteen fields together, in all", again)
    h = metric.hierarchy
    arrays = (h.up.start, h.up.above, metric.up_ms, blocks[0].values)
    floor_ms = add("reading their arrays once, from memory", [from_memory(arrays) for _ in range(runs)])
    one = (h.up.start, h.up.above, metric.up_ms, blocks[0].values[:, 0].copy())
    floor_one_ms = add("reading the arrays of one field once, from memory", [from_memory(one) for _ in range(runs)])

    # units
    start, lon, lat = network.vertices
    at = start[network.edge_piece[rng.choice(main_edges, 10_000)]]
    lon, lat = lon[at] + rng.normal(0, 5e-5, 10_000), lat[at] + rng.normal(0, 5e-5, 10_000)
    course, speed = rng.uniform(0, 360, 10_000), rng.uniform(0, 20, 10_000)
    snap_units(network, lon[:1], lat[:1], course[:1], speed[:1], SnapRules())
    add("snap 10,000 positions", repeat(5, lambda: snap_units(network, lon, lat, course, speed, SnapRules())))
    points = snap_units(network, lon, lat, course, speed, SnapRules())
    tracks = drives(ArrivalField.build(weights, targets[0]), main_edges, rng, 1_000)
    track = Tracks.of(tracks)
    last = track.start[1:] - 1
    newest = snap_units(network, track.lon[last], track.lat[last], *np.full((2, 1_000), np.nan), SnapRules())
    doubtful = Tracks.of([tracks[n] for n in np.flatnonzero(newest.doubtful)])
    add(
        f"match 1,000 pings without a course ({newest.doubtful.mean():.0%} in doubt)",
        repeat(runs, lambda: match_units(network, doubtful, SnapRules())),
    )
    for count in (10, 100, 1_000, 10_000):
        some = points.take(np.arange(count))
        times = [clock(lambda t=t, some=some: cold_etas_ms(probe, t, some)) for t in targets[:FIELDS]]
        add(f"cold: ETAs of {count:,} units to a new incident", times)
        expected, _ = ArrivalField.build(weights, targets[0]).etas_ms(some)
        if not np.array_equal(cold_etas_ms(probe, targets[0], some)[0], expected):
            sys.exit("cold ETAs differ from the field's")
    standing = [fields_of(blocks, weights, targets, seeds, i) for i in range(FIELDS)]
    for count in (1_000, 10_000):
        starts = Starts.of(weights, points.take(np.arange(count)))
        times = [clock(lambda f=f, starts=starts: search.k_smallest(f.read(starts)[0], 5)) for f in standing]
        add(f"warm: best 5 of {count:,} units from a standing field", times)
    thousand = points.take(np.arange(1_000))

    def pings() -> None:
        starts = Starts.of(weights, thousand)
        for field in standing:
            field.read(starts)

    add(f"1,000 pings against {FIELDS} open incidents", repeat(runs, pings))

    # closures and traffic: edges everywhere, and the busiest ones, which most units drive over
    busy = busiest(network, ArrivalField.build(weights, targets[0]), rng)
    of_all = max(1, len(main_edges) // 100)
    kinds: list[tuple[str, list[np.ndarray]]] = [
        ("1 edge changed, anywhere", [rng.choice(main_edges, 1) for _ in range(CHANGES)]),
        ("1 edge changed, of the busiest", [busy[i : i + 1] for i in range(len(busy))]),
        ("100 edges changed", [rng.choice(main_edges, 100, replace=False) for _ in range(CHANGES // 4)]),
        (f"1 % of edges changed ({of_all:,})", [rng.choice(main_edges, of_all, replace=False) for _ in range(4)]),
    ]
    for kind, changes in kinds:
        times, firsts = [], []
        for i, edges in enumerate(changes):
            edges = network.with_twins(edges)
            # every other time a closure, else slower by a half
            now = weights.under([edges]) if i % 2 else weights.under([], edges, weights.edge_ms[edges] * 3 // 2)
            for goal in (now, weights):
                begin = time.perf_counter()
                firsts.append(follow(metric, blocks, goal, targets, edges))
                times.append(time.perf_counter() - begin)
                for k in range(0, FIELDS, 67):
                    fresh = ArrivalField.build(goal, targets[k])
                    if not np.array_equal(fresh.at_end_ms, blocks[k // LANES].values[:-1, k % LANES]):
                        sys.exit("a field that followed a change differs from a new one")
        add(f"{kind}: {FIELDS} standing fields right again", times)
        add(f"{kind}: the first {LANES} of them", firsts)
    return {
        "map": f"{network.area.name}: {network.edges:,} directed edges, {network.turns:,} turns",
        "machine": machine(),
        "rows": rows,
        "times_scipy": scipy_ms / field_ms,
        "times_networkx": networkx_ms / field_ms,
        "search_times_scipy": scipy_ms / search_ms,
        "one_to_memory": field_ms / floor_one_ms,
        "sixteen_to_memory": sixteen_ms / floor_ms,
        "fields_mb": sum(block.values.nbytes for block in blocks) / 1e6,
    }


def fields_of(
    blocks: Sequence[Lanes], weights: Weights, targets: Sequence[Target], seeds: Sequence[Seeds], i: int
) -> ArrivalField:
    """The i-th of the fields in lanes."""
    block = blocks[i // LANES]
    return ArrivalField(weights, targets[i], block.horizon_ms, seeds[i], block.values, i % LANES)


def follow(
    metric: Metric, blocks: Sequence[Lanes], weights: Weights, targets: Sequence[Target], edges: np.ndarray
) -> float:
    """What a change costs: shortcuts, the seeds of incidents on changed edges, all lanes. Answers the seconds of CPU
    until the first sixteen fields are right: a server reads them before it goes on to others."""
    began = time.process_time()
    change = metric.adopt(weights)
    for i in np.flatnonzero(np.isin([target.edges[0] for target in targets[:FIELDS]], edges)).tolist():
        seeds = Seeds.of(weights, targets[i])
        blocks[i // LANES].put(i % LANES, seeds.edge, seeds.ms)
    for block in blocks:
        block.follow(change)
    blocks[0].settle()
    first = time.process_time() - began
    for block in blocks[1:]:
        block.settle()
    return first


def from_memory(arrays: Sequence[np.ndarray]) -> float:
    """Seconds to read arrays once when no cache holds them."""
    np.zeros(1 << 26).sum()
    return clock(lambda: [array.reshape(-1).view(np.int32).sum(dtype=np.int32) for array in arrays])


def drives(field: ArrivalField, edges: np.ndarray, rng: np.random.Generator, count: int) -> list[list[Fix]]:
    """Four fixes 50 m apart on the way to one target, off by 5 m, of so many units."""
    scale = np.array(field.weights.network.metres_per_deg)
    out: list[list[Fix]] = []
    while len(out) < count:
        route = field.route(int(rng.choice(edges)), 0)
        if route is None or route.distance_m < 400:
            continue
        line = route.coordinates * scale
        at = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))))
        marks = rng.uniform(0, at[-1] - 150) + np.arange(4) * 50.0
        places = np.column_stack([np.interp(marks, at, line[:, axis]) for axis in (0, 1)])
        lon_lat = (places + rng.normal(0, 5.0, (4, 2))) / scale
        out.append([Fix(n * 5_000, lon, lat) for n, (lon, lat) in enumerate(lon_lat.tolist())])
    return out


def expanded(weights: Weights) -> tuple[scipy.sparse.csr_matrix, nx.DiGraph]:
    """The graph of edges and turns, reversed: row = edge entered, column = edge left."""
    network = weights.network
    cost = weights.arc_ms.astype(np.float64)
    usable = weights.arc_ms < INF_MS
    arcs = (network.turn_to[usable], np.asarray(network.turn_from)[usable])
    matrix = scipy.sparse.csr_matrix((cost[usable], arcs), shape=(network.edges, network.edges))
    graph = nx.DiGraph()
    graph.add_weighted_edges_from(zip(arcs[0].tolist(), arcs[1].tolist(), cost[usable].tolist(), strict=True))
    return matrix, graph


def check(weights: Weights, target: Target, matrix: scipy.sparse.csr_matrix) -> None:
    """The peers answer the same question: equal up to the part of the target's own edge."""
    edge = target.edges[0]
    whole = Target.on_edge(edge, 65_536)
    field = ArrivalField.build(weights, whole, INF_MS >> 1)
    theirs = dijkstra(matrix, indices=edge)
    reached = field.at_end_ms < INF_MS
    reached[edge] = False
    if not np.array_equal(field.at_end_ms[reached], theirs[reached].astype(np.int64)):
        sys.exit("SciPy and the field disagree")


def busiest(network: RoadNetwork, field: ArrivalField, rng: np.random.Generator) -> np.ndarray:
    """Ten edges that most routes to one target use."""
    used = np.zeros(network.edges, np.int64)
    for edge in rng.choice(np.flatnonzero(field.at_end_ms < INF_MS), 300):
        route = field.route(int(edge), 0)
        if route is not None:
            used[route.edges] += 1
    used[list(field.target.edges)] = 0
    return np.argsort(-used, kind="stable")[:100:10]


def clock(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def repeat(times: int, work: Callable[[], object]) -> list[float]:
    return [clock(work) for _ in range(times)]


def machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"


def porto(folder: Path) -> Path:
    from geo_backup.cartography.build import build_map

    data = Path(os.environ.get("GEO_BACKUP_DATA", Path(__file__).parents[3] / "shared" / "data"))
    source = data / "maps" / "porto.osm.pbf"
    if not source.exists():
        sys.exit(f"{source} is missing: name a map with --map, or the data folder with GEO_BACKUP_DATA.")
    build_map(source, folder / "porto")
    return folder / "porto"


if __name__ == "__main__":
    main()
