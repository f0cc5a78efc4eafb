"""Arrival fields measured beside SciPy and NetworkX on the same expanded graph, in the same run, on one core.

    python tests/benchmarks/fields.py [--map DIR] [--json] [--runs 30]

Without --map, Porto is built from ../shared/data (or GEO_BACKUP_DATA) into a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import dijkstra

from geo_backup.events import Fix
from geo_backup.roads import search
from geo_backup.roads.field import ArrivalField, fields_rebuilt
from geo_backup.roads.match import Tracks, match_units
from geo_backup.roads.network import EdgeFlag, RoadNetwork
from geo_backup.roads.profile import CLOSED_MS, RESPONSE
from geo_backup.roads.search import INF_MS
from geo_backup.roads.snap import Target, snap_units
from geo_backup.roads.weights import Weights, weigh
from geo_backup.rules import SnapRules

FIELDS = 200


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
    print(f"  field: {result['times_scipy']:.1f} x faster than SciPy, {result['times_networkx']:.0f} x NetworkX")


def measure(network: RoadNetwork, runs: int) -> dict[str, Any]:
    """All figures of one map."""
    search.warm_up()
    rng = np.random.default_rng(1)
    main_edges = np.flatnonzero(np.asarray(network.edge_flags) & EdgeFlag.MAIN)
    weights = weigh(network, RESPONSE)
    targets = [Target.on_edge(int(e), 32_768) for e in rng.choice(main_edges, max(FIELDS, runs))]
    rows: list[dict[str, Any]] = []

    def add(what: str, seconds: list[float]) -> float:
        ms = np.array(seconds) * 1e3
        rows.append(
            {"what": what, "median_ms": float(np.median(ms)), "min_ms": float(ms.min()), "max_ms": float(ms.max())}
        )
        return float(np.median(ms))

    # the peers start where ours starts: on the target's edge, searching backwards
    matrix, graph = expanded(weights)
    ours: list[float] = []
    scipys: list[float] = []
    networkxs: list[float] = []
    ArrivalField.build(weights, targets[0])
    for i, target in enumerate(targets[:runs]):
        edge = target.edges[0]
        ours.append(clock(lambda target=target: ArrivalField.build(weights, target)))
        scipys.append(clock(lambda edge=edge: dijkstra(matrix, indices=edge)))
        if i < 3:
            networkxs.append(clock(lambda edge=edge: nx.single_source_dijkstra_path_length(graph, edge)))
    check(weights, targets[0], matrix)
    field_ms = add("field, bucket-queue Dijkstra", ours)
    scipy_ms = add("the same, scipy.sparse.csgraph.dijkstra", scipys)
    networkx_ms = add("the same, networkx single_source_dijkstra_path_length", networkxs)

    start, lon, lat = network.vertices
    at = start[network.edge_piece[rng.choice(main_edges, 10_000)]]
    lon, lat = lon[at] + rng.normal(0, 5e-5, 10_000), lat[at] + rng.normal(0, 5e-5, 10_000)
    course, speed = rng.uniform(0, 360, 10_000), rng.uniform(0, 20, 10_000)
    snap_units(network, lon[:1], lat[:1], course[:1], speed[:1], SnapRules())
    add("snap 10,000 positions", [clock(lambda: snap_units(network, lon, lat, course, speed, SnapRules()))])
    points = snap_units(network, lon, lat, course, speed, SnapRules())
    tracks = drives(ArrivalField.build(weights, targets[0]), main_edges, rng, 1_000)
    track = Tracks.of(tracks)
    last = track.start[1:] - 1
    newest = snap_units(network, track.lon[last], track.lat[last], *np.full((2, 1_000), np.nan), SnapRules())
    doubtful = Tracks.of([tracks[n] for n in np.flatnonzero(newest.doubtful)])
    add(
        f"match 1,000 pings without a course ({newest.doubtful.mean():.0%} in doubt)",
        repeat(30, lambda: match_units(network, doubtful, SnapRules())),
    )
    fields = [ArrivalField.build(weights, target) for target in targets[:FIELDS]]
    for count in (1_000, 10_000):
        some = points.take(np.arange(count))
        times = [clock(lambda f=f, some=some: search.k_smallest(f.etas_ms(some)[0], 5)) for f in fields]
        add(f"best 5 of {count:,} units from a standing field", times)
    thousand = points.take(np.arange(1_000))
    add(f"1,000 pings against {FIELDS} open incidents", repeat(10, lambda: [f.etas_ms(thousand) for f in fields]))

    # closures: edges everywhere, and the busiest ones, which most units drive over
    busy = busiest(network, fields[0], rng)
    for kind, edges in (("random street", rng.choice(main_edges, 10)), ("busy street", busy)):
        times, repaired = [], 0
        for edge in edges:
            closed = np.array([edge])
            shut = weights.with_closed(closed)
            begin = time.perf_counter()
            new = fields_rebuilt(fields, [shut] * FIELDS, closed)
            for field in new:
                field.etas_ms(thousand)
            times.append(time.perf_counter() - begin)
            repaired += sum(f.repaired(shut, closed) is not None for f in fields)
            for old, field in list(zip(fields, new, strict=True))[::20]:
                fresh = ArrivalField.build(shut, old.target)
                if not np.array_equal(fresh.at_end_ms, field.at_end_ms):
                    sys.exit("a repaired field differs from a rebuilt one")
        share = repaired / (len(edges) * FIELDS)
        add(f"closure of a {kind}: {FIELDS} fields and all ETAs ({share:.0%} repaired)", times)
    return {
        "map": f"{network.area.name}: {network.edges:,} directed edges, {network.turns:,} turns",
        "machine": machine(),
        "rows": rows,
        "times_scipy": scipy_ms / field_ms,
        "times_networkx": networkx_ms / field_ms,
    }


def drives(field: ArrivalField, edges: np.ndarray, rng: np.random.Generator, count: int) -> list[list[Fix]]:
    """Four fixes 50 m apart on the way to one target, off by 5 m, of so many units."""
    scale = np.array(field.network.metres_per_deg)
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
    cost = weights.turn_ms.astype(np.float64) + weights.edge_ms[network.turn_to]
    usable = (weights.turn_ms < CLOSED_MS) & (weights.edge_ms[network.turn_to] < CLOSED_MS)
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
