"""A county: real extracts side by side, joined by motorways, built and measured as any map is.

    python tests/benchmarks/county.py [--tiles 30] [--folder DIR] [--stages build,order,...] [--json OUT]

No real extract of this size is at hand, so one is **made from real ones**: the extracts of ../shared/data (or
GEO_BACKUP_DATA) are laid in rows like tiles, many times each, with their ids shifted and metres still metres, and
neighbours are joined by motorways. Streets, turns, names and houses are real, the whole is not. `geo-backup map build`
makes the map, and each stage is a process of its own, so that its memory is its own. Times are of CPU, but for wall_s.
With --folder the file and the map are kept and used again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import osmium
import scipy.sparse
from fields import busiest, fields_of, follow, machine
from osmium.osm import NODE, RELATION, WAY
from osmium.osm.mutable import Node, Way
from scipy.spatial import cKDTree
from starve import cpu_and_memory, served

from geo_backup.cartography.dissection import dissected
from geo_backup.geodesy import metres_per_deg
from geo_backup.roads import search
from geo_backup.roads.field import HORIZON_MS, ArrivalField, Seeds, Starts, cold_etas_ms
from geo_backup.roads.hierarchy import Hierarchy, Metric
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.lanes import LANES, Lanes, Probe
from geo_backup.roads.network import ARRAYS, EdgeFlag, RoadNetwork
from geo_backup.roads.profile import RESPONSE
from geo_backup.roads.snap import RoadPoints, Target, snap_units
from geo_backup.roads.warm import warm_up
from geo_backup.roads.weights import weigh
from geo_backup.rules import SnapRules

PLACES = ("porto", "rhine-neckar", "heidelberg", "porto", "rhine-neckar", "baltimore", "liechtenstein", "monaco")
"""Tiles in turn: mostly cities, some country between."""
CENTRE = (8.0, 45.0)
GAP_M = 1_500.0
ID_STEP = 100_000_000_000
"""Ids of the n-th tile begin after n times this many."""
JOINS = 2
"""Motorways between two neighbours."""
BEST = (("motorway", "trunk"), ("primary",), ("secondary",))
"""Neighbours are joined at roads of the best of these that a place has."""
DRIVEN = frozenset(
    f"{of}{link}" for of in ("motorway", "trunk", "primary", "secondary", "tertiary") for link in ("", "_link")
) | {"unclassified", "residential"}
STANDING = 200
RUNS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="keep the file and the map here, and use those that are here")
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(STAGES[options.one](options.folder)))
        return
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}; {options.tiles} real extracts side by side", flush=True)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as work:
        folder = options.folder or Path(work)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "county.osm.pbf").exists():
            write_county(folder / "county.osm.pbf", options.tiles)
        for stage in options.stages.split(","):
            command = [sys.executable, __file__, "--one", stage, "--folder", str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            figures[stage] = json.loads(done.stdout)
            said = "  ".join(f"{key} {value:,}" for key, value in figures[stage].items())
            print(f"{stage:<10} {said}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), **figures}, indent=2), encoding="utf-8")


# The file


@dataclass(frozen=True)
class Place:
    """A real extract: its middle in degrees, its size in metres without what strays, and where it can be joined: node
    ids int64[N] on its best roads and their metres float64[N, 2] from the middle."""

    path: Path
    middle: tuple[float, float]
    size_m: tuple[float, float]
    node: np.ndarray
    at_m: np.ndarray

    @classmethod
    def of(cls, path: Path) -> Place:
        where: dict[int, tuple[float, float]] = {}
        arcs: list[tuple[int, int]] = []
        on: dict[str, set[int]] = {}
        for way in (
            osmium.FileProcessor(str(path), NODE | WAY).with_locations().with_filter(osmium.filter.KeyFilter("highway"))
        ):
            if not way.is_way() or (kind := way.tags["highway"]) not in DRIVEN:
                continue
            refs = [node.ref for node in way.nodes if node.location.valid()]
            where |= {node.ref: (node.location.lon, node.location.lat) for node in way.nodes if node.location.valid()}
            on.setdefault(kind, set()).update(refs)
            oneway = way.tags.get("oneway", "yes" if kind == "motorway" or "junction" in way.tags else "no")
            for a, b in itertools.pairwise(refs):
                arcs += [(a, b)] if oneway in ("yes", "1", "true") else [(b, a)] if oneway == "-1" else [(a, b), (b, a)]
        ids = np.array(sorted(where), np.int64)
        places = np.array([where[node] for node in ids.tolist()])
        # a motorway at the edge of an extract ends in one direction: join where one can both arrive and leave
        start, end = np.searchsorted(ids, np.array(arcs).T)
        graph = scipy.sparse.csr_matrix((np.ones(len(arcs), np.int8), (start, end)), shape=(len(ids), len(ids)))
        component = scipy.sparse.csgraph.connected_components(graph, connection="strong")[1]
        main = component == np.bincount(component).argmax()
        west_south, east_north = np.percentile(places, (1, 99), axis=0)
        middle = (west_south + east_north) / 2
        scale = metres_per_deg(float(middle[1]))
        for kinds in BEST:
            best = main & np.isin(ids, [node for kind in kinds for node in on.get(kind, ())])
            if best.any():
                break
        size = (east_north - west_south) * scale
        return cls(path, (middle[0], middle[1]), (size[0], size[1]), ids[best], (places[best] - middle) * scale)


@dataclass(frozen=True)
class Tile:
    """A place laid down with its middle at `x_m`, `y_m` from the county's."""

    place: Place
    x_m: float
    y_m: float

    @property
    def at_m(self) -> np.ndarray:
        return self.place.at_m + np.array((self.x_m, self.y_m))


def laid(places: list[Place]) -> tuple[list[Tile], list[tuple[int, int, int]]]:
    """Tiles in rows, in about a square, and which are neighbours: pairs, and the axis along the border between them."""
    width_m = sum((p.size_m[0] + GAP_M) * (p.size_m[1] + GAP_M) for p in places) ** 0.5
    tiles: list[Tile] = []
    neighbours: list[tuple[int, int, int]] = []
    x = y = height = 0.0
    row, below = list[int](), list[int]()
    for n, place in enumerate(places):
        if row and x + place.size_m[0] > width_m:
            x, y, height, row, below = 0.0, y + height + GAP_M, 0.0, [], row
        tiles.append(Tile(place, x + place.size_m[0] / 2, y + place.size_m[1] / 2))
        if row:
            neighbours.append((row[-1], n, 1))
        if below:
            neighbours.append((min(below, key=lambda m: abs(tiles[m].x_m - tiles[n].x_m)), n, 0))
        row.append(n)
        x, height = x + place.size_m[0] + GAP_M, max(height, place.size_m[1])
    off_x, off_y = width_m / 2, (y + height) / 2
    return [Tile(t.place, t.x_m - off_x, t.y_m - off_y) for t in tiles], neighbours


def write_county(path: Path, count: int) -> None:
    """Write the file."""
    data = Path(os.environ.get("GEO_BACKUP_DATA", Path(__file__).parents[3] / "shared" / "data")) / "maps"
    known = {name: Place.of(data / f"{name}.osm.pbf") for name in dict.fromkeys(PLACES)}
    tiles, neighbours = laid([known[PLACES[n % len(PLACES)]] for n in range(count)])
    part = path.with_name(f"part.{path.name}")
    with osmium.SimpleWriter(str(part), overwrite=True) as writer:
        for n, tile in enumerate(tiles):
            move = moving(tile)
            for node in osmium.FileProcessor(str(tile.place.path), NODE):
                spot = node.location
                tags = node.tags if node.tags else None
                writer.add_node(Node(id=node.id + n * ID_STEP, location=move(spot.lon, spot.lat), tags=tags))
        for n, tile in enumerate(tiles):
            shift = n * ID_STEP
            for way in osmium.FileProcessor(str(tile.place.path), WAY):
                writer.add_way(way.replace(id=way.id + shift, nodes=[node.ref + shift for node in way.nodes]))
        for n, nodes in enumerate(motorways(tiles, neighbours)):
            for k, direction in enumerate((nodes, nodes[::-1])):
                tags = {"highway": "motorway", "oneway": "yes", "maxspeed": "120", "ref": f"J{n + 1}"}
                writer.add_way(Way(id=count * ID_STEP + 2 * n + k, nodes=direction, tags=tags))
        for n, tile in enumerate(tiles):
            shift = n * ID_STEP
            for relation in osmium.FileProcessor(str(tile.place.path), RELATION):
                members = [(m.type, m.ref + shift, m.role) for m in relation.members]
                writer.add_relation(relation.replace(id=relation.id + shift, members=members))
    part.rename(path)


def moving(tile: Tile) -> Callable[[float, float], tuple[float, float]]:
    """From degrees of the extract to degrees of the county."""
    lat = CENTRE[1] + tile.y_m / metres_per_deg(CENTRE[1])[1]
    lon = CENTRE[0] + tile.x_m / metres_per_deg(CENTRE[1])[0]
    (west, south), here, there = tile.place.middle, metres_per_deg(tile.place.middle[1]), metres_per_deg(lat)
    east, north = here[0] / there[0], here[1] / there[1]
    return lambda x, y: (lon + (x - west) * east, lat + (y - south) * north)


def motorways(tiles: list[Tile], neighbours: list[tuple[int, int, int]]) -> Iterator[list[int]]:
    """The two nodes of each motorway between neighbours: the nearest, in each part of the border."""
    for a, b, axis in neighbours:
        ours, theirs = tiles[a].at_m, tiles[b].at_m
        part = np.argsort(np.argsort(ours[:, axis])) * JOINS // len(ours)
        away, near = cKDTree(theirs).query(ours)
        for k in range(min(JOINS, len(ours))):
            m = np.argmin(np.where(part == k, away, np.inf))
            yield [int(tiles[a].place.node[m]) + a * ID_STEP, int(tiles[b].place.node[near[m]]) + b * ID_STEP]


# The stages


def clock(work: Callable[[], object]) -> float:
    """CPU seconds: other work on the machine then costs caches and little else."""
    began = time.process_time()
    work()
    return time.process_time() - began


def repeat(times: int, work: Callable[[], object]) -> list[float]:
    return [clock(work) for _ in range(times)]


def peak_mb(of: int = resource.RUSAGE_SELF) -> int:
    return round(resource.getrusage(of).ru_maxrss / 1024)


def ms(seconds: list[float]) -> float:
    return round(float(np.median(seconds)) * 1e3, 3)


def build(folder: Path) -> dict[str, Any]:
    """`geo-backup map build`, where there is no map yet."""
    out: dict[str, Any] = {"file_mb": round((folder / "county.osm.pbf").stat().st_size / 1e6)}
    if not (folder / "map").exists():
        command = ["map", "build", str(folder / "county.osm.pbf"), "--out", str(folder / "map"), "--no-tiles"]
        built = [sys.executable, "-m", "geo_backup", *command]
        began = time.perf_counter()
        subprocess.run(built, stdout=subprocess.DEVNULL, check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        out["wall_s"] = round(time.perf_counter() - began, 1)
        out["cpu_s"] = round(used.ru_utime + used.ru_stime, 1)
        out["peak_mb"] = peak_mb(resource.RUSAGE_CHILDREN)
    network = RoadNetwork.load(folder / "map")
    flags = np.asarray(network.edge_flags)
    return out | {
        "edges": network.edges,
        "turns": network.turns,
        "junctions": network.junctions,
        "main_share": round(float((flags & EdgeFlag.MAIN != 0).mean()), 3),
        "network_mb": round(sum(getattr(network, key).nbytes for key in ARRAYS) / 1e6),
        "folder_mb": round(sum(file.stat().st_size for file in (folder / "map").rglob("*") if file.is_file()) / 1e6),
    }


def opened(folder: Path) -> RoadNetwork:
    """The map, on one core, with kernels that are compiled."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    warm_up()
    return RoadNetwork.load(folder / "map")


def order(folder: Path) -> dict[str, Any]:
    network = opened(folder)
    lon, lat = (np.asarray(axis) / 1e7 for axis in (network.junction_lon_e7, network.junction_lat_e7))
    plane = (lon * network.metres_per_deg[0], lat * network.metres_per_deg[1])
    dissected(np.array([0]), np.array([1]), np.zeros(2), np.zeros(2))
    seconds = clock(lambda: dissected(np.asarray(network.piece_from), np.asarray(network.piece_to), *plane))
    return {"seconds": round(seconds, 1), "peak_mb": peak_mb()}


def shortcuts(folder: Path) -> dict[str, Any]:
    network = opened(folder)
    _ = (network.graph, network.turn_to)  # made now, so that they count for nothing
    seconds = clock(lambda: Hierarchy.of(network))
    h = Hierarchy.of(network)
    depth = np.zeros(network.edges, np.int32)
    for edge, parent in enumerate(h.parent.tolist()):
        depth[edge] = depth[parent] + 1 if parent >= 0 else 1
    return {
        "seconds": round(seconds, 2),
        "shortcuts": len(h.up.above) + len(h.down.above),
        "up_an_edge": round(len(h.up.above) / network.edges, 2),
        "ancestors_median": int(np.median(depth)),
        "ancestors_most": int(depth.max()),
        "peak_mb": peak_mb(),
    }


def pour(folder: Path) -> dict[str, Any]:
    network = opened(folder)
    weights = weigh(network, RESPONSE)
    Hierarchy.of(network)
    return {
        "weigh_ms": ms(repeat(3, lambda: weigh(network, RESPONSE))),
        "pour_ms": ms(repeat(3, lambda: Metric(weights))),
        "peak_mb": peak_mb(),
    }


def field(folder: Path) -> dict[str, Any]:
    """A pass with one field and with sixteen, and the search; within the horizon, and agreeing."""
    network = opened(folder)
    weights = weigh(network, RESPONSE)
    metric, targets = Metric(weights), chosen(network, RUNS + LANES)
    seeds = [Seeds.of(weights, target) for target in targets]
    alone, together = Lanes(metric, HORIZON_MS), Lanes(metric, HORIZON_MS)
    for lane in range(LANES):
        together.put(lane, seeds[lane].edge, seeds[lane].ms)
    together.settle()
    ArrivalField.build(weights, targets[0])
    single, sixteen, found, within = list[float](), list[float](), list[float](), list[float]()
    for target, seed in zip(targets[:RUNS], seeds[:RUNS], strict=True):
        found.append(clock(partial(ArrivalField.build, weights, target)))
        alone.put(0, seed.edge, seed.ms)
        single.append(clock(alone.settle))
        together.put(0, seed.edge, seed.ms)
        sixteen.append(clock(together.settle))
        expected = ArrivalField.build(weights, target).at_end_ms
        if not (np.array_equal(expected, alone.values[:-1, 0]) and np.array_equal(expected, together.values[:-1, 0])):
            sys.exit("the engines disagree")
        within.append(float((expected < INF_MS).mean()))
    return {
        "pass_ms": ms(single),
        "sixteen_ms": ms(sixteen),
        "search_ms": ms(found),
        "within_horizon": round(float(np.median(within)), 3),
        "peak_mb": peak_mb(),
    }


def chosen(network: RoadNetwork, count: int) -> list[Target]:
    """So many places, anywhere on the main network."""
    edges = np.random.default_rng(1).choice(main_edges(network), count)
    return [Target.on_edge(int(edge), 32_768) for edge in edges]


def main_edges(network: RoadNetwork) -> np.ndarray:
    return np.flatnonzero(np.asarray(network.edge_flags) & EdgeFlag.MAIN)


def standing_units(network: RoadNetwork, count: int) -> Callable[[], RoadPoints]:
    """Snaps so many positions near roads anywhere."""
    rng = np.random.default_rng(2)
    start, lon, lat = network.vertices
    at = start[network.edge_piece[rng.choice(main_edges(network), count)]]
    lon, lat = lon[at] + rng.normal(0, 5e-5, count), lat[at] + rng.normal(0, 5e-5, count)
    course, speed = rng.uniform(0, 360, count), rng.uniform(0, 20, count)
    return lambda: snap_units(network, lon, lat, course, speed, SnapRules())


def cold(folder: Path) -> dict[str, Any]:
    """Exact ETAs of N units, snapped, to a place nobody asked for before; and readings of a standing field."""
    network = opened(folder)
    weights = weigh(network, RESPONSE)
    probe, targets, out = Probe(Metric(weights)), chosen(network, STANDING), dict[str, Any]()
    standing = ArrivalField.build(weights, targets[0])
    for count in (10, 1_000, 10_000):
        snapped = standing_units(network, count)
        points = snapped()
        etas = cold_etas_ms(probe, targets[0], points)[0]
        if not np.array_equal(etas, standing.etas_ms(points)[0]):
            sys.exit("cold ETAs differ from the field's")
        out[f"cold_{count}_ms"] = ms([clock(lambda t=t, s=snapped: cold_etas_ms(probe, t, s())) for t in targets])
        out[f"cold_{count}_on_edges_ms"] = ms([clock(lambda t=t, p=points: cold_etas_ms(probe, t, p)) for t in targets])
        starts = Starts.of(weights, points)
        out[f"warm_{count}_ms"] = ms(repeat(RUNS, lambda s=starts: search.k_smallest(standing.read(s)[0], 5)))
    return out | {"peak_mb": peak_mb()}


def change(folder: Path) -> dict[str, Any]:
    """Two hundred standing fields, exact again after roads have changed."""
    network = opened(folder)
    weights, rng = weigh(network, RESPONSE), np.random.default_rng(3)
    metric, targets, edges = Metric(weights), chosen(network, STANDING), main_edges(network)
    seeds = [Seeds.of(weights, target) for target in targets]
    blocks = [Lanes(metric, HORIZON_MS) for _ in range(-(-STANDING // LANES))]
    for i, seed in enumerate(seeds):
        blocks[i // LANES].put(i % LANES, seed.edge, seed.ms)
    out: dict[str, Any] = {"settle_all_ms": ms([clock(lambda: [block.settle() for block in blocks])])}
    busy = busiest(network, ArrivalField.build(weights, targets[0]), rng)
    kinds = {
        "one_edge_ms": [rng.choice(edges, 1) for _ in range(RUNS)],
        "busy_edge_ms": [busy[i : i + 1] for i in range(len(busy))],
        "hundred_ms": [rng.choice(edges, 100, replace=False) for _ in range(6)],
        "percent_ms": [rng.choice(edges, len(edges) // 100, replace=False) for _ in range(3)],
    }
    for kind, changes in kinds.items():
        times, firsts, weighing = list[float](), list[float](), list[float]()
        for i, some in enumerate(changes):
            some = network.with_twins(some)
            # every other time a closure, else slower by a half
            began = time.process_time()
            now = weights.under([some]) if i % 2 else weights.under([], some, weights.edge_ms[some] * 3 // 2)
            weighing.append(time.process_time() - began)
            for goal in (now, weights):
                began = time.process_time()
                firsts.append(follow(metric, blocks, goal, targets, some))
                times.append(time.process_time() - began)
            k = i * 67 % STANDING
            fresh = ArrivalField.build(weights, targets[k])
            if not np.array_equal(fresh.at_end_ms, fields_of(blocks, weights, targets, seeds, k).at_end_ms):
                sys.exit("a field that followed a change differs from a new one")
        out |= {kind: ms(times), kind.replace("_ms", "_worst_ms"): round(max(times) * 1e3, 1)}
        out |= {kind.replace("_ms", "_first_ms"): ms(firsts)}
        out |= {kind.replace("_ms", "_first_worst_ms"): round(max(firsts) * 1e3, 1)}
        out[kind.replace("_ms", "_weights_ms")] = ms(weighing)
    return out | {"fields_mb": round(sum(block.values.nbytes for block in blocks) / 1e6), "peak_mb": peak_mb()}


def serve(folder: Path) -> dict[str, Any]:
    """A server from its start until it is ready, and what it holds then."""
    began = time.perf_counter()
    with served(folder / "map") as (url, pid):
        while httpx.get(f"{url}/readyz", trust_env=False).status_code != 200:
            time.sleep(0.2)
        wall = time.perf_counter() - began
        cpu, memory_mb = cpu_and_memory(pid)
        return {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "memory_mb": round(memory_mb)}


STAGES: dict[str, Callable[[Path], dict[str, Any]]] = {
    stage.__name__: stage for stage in (build, order, shortcuts, pour, field, cold, change, serve)
}


if __name__ == "__main__":
    main()
