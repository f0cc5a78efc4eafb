"""The engines of the comparison: how each is prepared from one extract, and how it is asked.

Every `etas` takes N units and one place as lon, lat in degrees and answers milliseconds or seconds as its own library
hands them out; conversions that a caller may not need are left out, in the peer's favour.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import osrm
import routingkit_cch
import scipy.sparse
import valhalla
from lines import written_as_pbf
from scipy.sparse.csgraph import dijkstra

from geo_backup.roads.field import Seeds, cold_etas_ms
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.lanes import Probe
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.snap import RoadPoints, Target, snap_place, snap_units
from geo_backup.roads.weights import Weights
from geo_backup.rules import SnapRules

Place = tuple[float, float]
"""Degrees: lon, lat."""

HERE = Path(__file__).parent
OSRM_BIN = Path(osrm.__file__).parent / "bin"
OSRM_PROFILES = Path(osrm.__file__).parent / "share" / "profiles"
VALHALLA_BIN = valhalla.PYVALHALLA_DIR / "bin"
NO_ARC = (1 << 31) - 1
"""RoutingKit's infinite weight."""
VALHALLA_MEMORY = 8 << 30
DATASETS = ("ch", "mld", "shortest", "valhalla")


@dataclass(frozen=True)
class Prepared:
    """Where the datasets of one extract lie, and what each step cost: {step: (seconds, peak megabytes)}."""

    folder: Path
    costs: dict[str, tuple[float, float]]

    @property
    def network(self) -> Path:
        return self.folder / "geo_backup"

    def osrm_base(self, name: str) -> str:
        """`ch`, `mld` or `shortest` (contracted, metres for weights)."""
        return str(self.folder / name / "car.osrm")

    @property
    def valhalla_config(self) -> Path:
        return self.folder / "valhalla" / "valhalla.json"


def prepare(extract: Path, work: Path, datasets: Sequence[str] = DATASETS) -> Prepared:
    """Build the engines' datasets from one extract, each step on one thread; kept in `work` for the next run."""
    digest = hashlib.sha256(extract.read_bytes()).hexdigest()[:12]
    folder = work / f"{extract.name.split('.')[0]}-{digest}"
    kept = folder / "costs.json"
    folder.mkdir(parents=True, exist_ok=True)
    if extract.suffix in (".json", ".geojson"):
        extract = written_as_pbf(extract, folder / "extract.osm.pbf")
    costs = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for name in datasets:
        if name not in costs:
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir()
            make = _prepare_valhalla if name == "valhalla" else _prepare_osrm
            costs[name] = make(extract, folder / name)
            kept.write_text(json.dumps(costs, indent=2), encoding="utf-8")
    # ours is built each time: the program may have changed since
    shutil.rmtree(folder / "geo_backup", ignore_errors=True)
    ours = [sys.executable, "-m", "geo_backup", "map", "build", extract, "--out", folder / "geo_backup", "--no-tiles"]
    steps = {"geo_backup map build": run(ours)}
    return Prepared(folder, steps | {step: cost for name in datasets for step, cost in costs[name].items()})


def run(command: list[Any]) -> tuple[float, float]:
    """Run one program to its end; seconds and peak megabytes. Its output is shown when it fails."""
    began = time.perf_counter()
    # by way of a small process, for a child's peak begins at the size of the process it is forked from
    done = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCH, *(str(c) for c in command)], capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return took, int(done.stdout.rsplit(None, 1)[-1]) / 1024


_LAUNCH = """
import os, resource, sys
status = os.waitstatus_to_exitcode(os.waitpid(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)[1])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def _prepare_osrm(extract: Path, folder: Path) -> dict[str, tuple[float, float]]:
    profiles, base, name = folder / "profiles", folder / "car.osrm", folder.name
    shutil.copytree(OSRM_PROFILES, profiles)
    shutil.copy(HERE / "shortest.lua", profiles)
    profile = "shortest" if name == "shortest" else "car"
    steps = ("partition", "customize") if name == "mld" else ("contract",)
    command = [OSRM_BIN / "osrm-extract", "-t", 1, "-p", profiles / f"{profile}.lua", "-o", base, extract]
    costs = {f"osrm-extract ({name})": run(command)}
    for step in steps:
        costs[f"osrm-{step} ({name})"] = run([OSRM_BIN / f"osrm-{step}", "-t", 1, base])
    return costs


def _prepare_valhalla(extract: Path, folder: Path) -> dict[str, tuple[float, float]]:
    tiles = folder / "tiles"
    tiles.mkdir()
    config = valhalla.get_config(tile_extract="", tile_dir=str(tiles))
    config["mjolnir"]["concurrency"] = 1
    config["service_limits"]["auto"] = {
        "max_distance": 5e6, "max_locations": 100_000, "max_matrix_distance": 5e6, "max_matrix_location_pairs": 1 << 30,
    }  # fmt: skip
    # its matrix reserves these for every location, gigabytes at a hundred
    for key in ("dijkstras", "bidir_dijkstras", "astar", "bidir_astar"):
        config["thor"][f"max_reserved_labels_count_{key}"] = 10_000
    path = folder / "valhalla.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return {"valhalla_build_tiles": run([VALHALLA_BIN / "valhalla_build_tiles", "-c", path, extract])}


# ---- ours


def snapped(network: RoadNetwork, lon: np.ndarray, lat: np.ndarray) -> RoadPoints:
    """Units whose course is unknown, as the peers take them."""
    unknown = np.full(len(lon), np.nan)
    return snap_units(network, lon, lat, unknown, unknown, SnapRules())


class Ours:
    """geo_backup: from positions and a place to arrival times. The weights are known, as in the peers' datasets."""

    name = "geo_backup, snapping included"

    def __init__(self, probe: Probe, lon: np.ndarray, lat: np.ndarray) -> None:
        self.probe, self.lon, self.lat = probe, lon, lat

    def etas(self, place: Place) -> np.ndarray:
        network = self.probe.metric.weights.network
        target = snap_place(network, *place, SnapRules())
        return cold_etas_ms(self.probe, target, snapped(network, self.lon, self.lat))[0]


class OursSnapped:
    """geo_backup from units whose road points are known, as those of a standing fleet are."""

    name = "geo_backup, units on their edges"

    def __init__(self, probe: Probe, points: RoadPoints) -> None:
        self.probe, self.points = probe, points

    def etas(self, target: Target) -> np.ndarray:
        return cold_etas_ms(self.probe, target, self.points)[0]


# ---- the peers, on our graph and weights


class RoutingKit:
    """RoutingKit's customisable contraction hierarchy over our expanded graph: edges, twins too, for nodes, turns for
    arcs. `our_order` ranks the edges as ours does, so that what differs is the engine alone."""

    def __init__(self, weights: Weights, *, our_order: bool = False) -> None:
        network = weights.network
        self.name = f"routingkit-cch, {'our' if our_order else 'its own'} order"
        self.tail, self.head = np.asarray(network.turn_from).tolist(), network.turn_to.tolist()
        lon = (network.junction_lon_e7[network.edge_head] / 1e7).tolist()
        lat = (network.junction_lat_e7[network.edge_head] / 1e7).tolist()
        began = time.perf_counter()
        if our_order:
            order = list(range(network.edges - 1, -1, -1))  # it names the least important first
        else:
            order = routingkit_cch.compute_order_inertial(network.edges, self.tail, self.head, lat, lon)
        self.order_s = time.perf_counter() - began
        began = time.perf_counter()
        self.cch = routingkit_cch.CCH(order, self.tail, self.head, True)
        self.build_s = time.perf_counter() - began
        began = time.perf_counter()
        self.metric = routingkit_cch.CCHMetric(self.cch, arc_ms(weights))
        self.customise_s = time.perf_counter() - began

    def fleet(self, edges: list[int]) -> RoutingKitFleet:
        return RoutingKitFleet(self, edges)


class RoutingKitFleet:
    """Units at the ends of edges, pinned anew for every question; a query may not leave the thread it was made in."""

    def __init__(self, engine: RoutingKit, edges: list[int]) -> None:
        self.name, self.edges = engine.name, edges
        self.query = routingkit_cch.CCHManyToOne(engine.metric, edges)

    def etas(self, seeds: list[tuple[int, int]]) -> list[int | None]:
        self.query.repin_sources(self.edges)
        return self.ask(seeds)

    def ask(self, seeds: list[tuple[int, int]]) -> list[int | None]:
        """The same for units pinned already."""
        return self.query.distances_to_multi(seeds) if seeds else [None] * len(self.edges)


class Scipy:
    """SciPy's Dijkstra over the same graph reversed; it knows neither horizon nor several starts with a value each."""

    name = "scipy dijkstra"

    def __init__(self, weights: Weights) -> None:
        network, cost = weights.network, weights.arc_ms
        use = cost < INF_MS
        # a node more stands for the place: arcs from it carry what is left at each start
        self.place = network.edges
        self.arcs = (network.turn_to[use], np.asarray(network.turn_from)[use], cost[use].astype(np.float64))

    def matrix(self, seeds: list[tuple[int, int]]) -> scipy.sparse.csr_matrix:
        edge, ms = np.array(seeds).T
        row = np.concatenate((self.arcs[0], np.full(len(edge), self.place)))
        column = np.concatenate((self.arcs[1], edge))
        return scipy.sparse.csr_matrix(
            (np.concatenate((self.arcs[2], ms)), (row, column)), shape=(self.place + 1, self.place + 1)
        )

    def from_place(self, matrix: scipy.sparse.csr_matrix) -> np.ndarray:
        return dijkstra(matrix, indices=self.place)


def arc_ms(weights: Weights) -> list[int]:
    """Of every turn: itself and the edge it leads into; `NO_ARC` where closed."""
    return np.where(weights.arc_ms < INF_MS, weights.arc_ms, NO_ARC).tolist()


def seeds_of(weights: Weights, target: Target) -> list[tuple[int, int]]:
    """Edges from whose end one can turn into the target, each with the least milliseconds that remain."""
    seeds, best = Seeds.of(weights, target), dict[int, int]()
    for edge, ms in zip(seeds.edge.tolist(), seeds.ms.tolist(), strict=True):  # ascending
        best.setdefault(edge, ms)
    return list(best.items())


# ---- the peers, on their own graphs


class Osrm:
    """OSRM in this process, from its own dataset."""

    def __init__(self, prepared: Prepared, dataset: str) -> None:
        algorithm = "MLD" if dataset == "mld" else "CH"
        self.name = f"OSRM {algorithm} table"
        self.engine = osrm.OSRM(
            algorithm=algorithm,
            storage_config=prepared.osrm_base(dataset),
            use_shared_memory=False,
            max_locations_distance_table=-1,
        )

    def table(self, units: list[Place], place: Place) -> Any:
        count = len(units)
        return self.engine.Table(
            osrm.TableParameters(
                coordinates=[*units, place],
                sources=list(range(count)),
                destinations=[count],
                annotations=["duration"],
                generate_hints=False,
            )
        )["durations"]


class OsrmFleet:
    """Units given to OSRM's table as coordinates."""

    def __init__(self, engine: Osrm, units: list[Place]) -> None:
        self.name, self.engine, self.units = engine.name, engine, units

    def etas(self, place: Place) -> Any:
        return self.engine.table(self.units, place)


class Elsewhere(NamedTuple):
    """An answer of another process and the seconds it took there."""

    seconds: float
    answer: list[float | None] | None


class Valhalla:
    """Valhalla's matrix in a process of its own, under a memory limit, pinned to the same core.

    `algorithm`: costmatrix (its choice where there are many sources) or timedistancematrix (one search from the place).
    """

    def __init__(self, prepared: Prepared, algorithm: str) -> None:
        self.name = f"Valhalla {algorithm}"
        self.config, self.algorithm = str(prepared.valhalla_config), algorithm
        self.dead: str | None = None

    @cached_property
    def _worker(self) -> tuple[Any, Any]:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_serve_valhalla, args=(there, self.config, self.algorithm), daemon=True)
        process.start()
        there.close()
        return process, here

    def ask(self, units: list[Place], place: Place, patience_s: float) -> Elsewhere:
        """Durations in seconds, and how long they took by the worker's clock; None once it is out of memory or time."""
        if self.dead is not None:
            return Elsewhere(0.0, None)
        _, pipe = self._worker
        pipe.send((units, place))
        try:
            if pipe.poll(patience_s):
                kind, *answer = pipe.recv()
                if kind == "ok":
                    return Elsewhere(answer[0], answer[1])
                self.dead = str(answer[0])
            else:
                self.dead = f"none in {patience_s:.0f} s"
        except (EOFError, ConnectionError):
            self.dead = "out of memory"
        self.close()
        return Elsewhere(0.0, None)

    def close(self) -> None:
        """End the worker, if one was started."""
        if "_worker" in self.__dict__:
            process, pipe = self.__dict__.pop("_worker")
            process.kill()
            process.join()
            pipe.close()


def _serve_valhalla(pipe: Any, config: str, algorithm: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (VALHALLA_MEMORY, VALHALLA_MEMORY))
    options = json.loads(Path(config).read_text(encoding="utf-8"))
    options["thor"]["source_to_target_algorithm"] = algorithm
    actor = valhalla.Actor(options)
    while True:
        units, place = pipe.recv()
        request = json.dumps(
            {
                "sources": [{"lon": lon, "lat": lat} for lon, lat in units],
                "targets": [{"lon": place[0], "lat": place[1]}],
                "costing": "auto",
                "verbose": False,
            }
        )
        try:
            began = time.perf_counter()
            text = actor.matrix(request)
            took = time.perf_counter() - began
            answer = json.loads(text)["sources_to_targets"]["durations"]
            pipe.send(("ok", took, [row[0] for row in answer]))
        except (RuntimeError, MemoryError) as error:
            pipe.send(("failed", str(error) or type(error).__name__))


# ---- routes


@dataclass(frozen=True)
class Driven:
    """One engine's route: metres, seconds, and its line float64[n, 2] from snapped start to snapped end."""

    distance_m: float
    duration_s: float
    line: np.ndarray


Heading = int
"""Whole degrees from north."""


class OsrmRoutes:
    """OSRM's best route between two places; with headings, from and to that direction of the street only."""

    def __init__(self, prepared: Prepared, dataset: str) -> None:
        self.engine = Osrm(prepared, dataset).engine

    def route(self, a: Place, b: Place, headings: tuple[Heading, Heading] | None = None) -> Driven | None:
        only: dict[str, Any] = {}
        if headings is not None:
            only = {"bearings": [osrm.Bearing((h % 360, 30)) for h in headings], "radiuses": [10.0, 10.0]}
        try:
            answer = self.engine.Route(
                osrm.RouteParameters(coordinates=[a, b], geometries="geojson", overview="full", **only)
            )
        except RuntimeError:
            return None
        best = answer["routes"][0]
        line = np.array([[c[0], c[1]] for c in best["geometry"]["coordinates"]])
        return Driven(best["distance"], best["duration"], line)


class ValhallaRoutes:
    """Valhalla's best route; `shortest` asks for metres instead of time."""

    def __init__(self, prepared: Prepared, *, shortest: bool) -> None:
        self.actor = valhalla.Actor(json.loads(prepared.valhalla_config.read_text(encoding="utf-8")))
        self.options = {"auto": {"shortest": shortest}}

    def route(self, a: Place, b: Place, headings: tuple[Heading, Heading] | None = None) -> Driven | None:
        # by itself it moves places within five metres of a junction onto it
        locations: list[dict[str, Any]] = [{"lon": lon, "lat": lat, "node_snap_tolerance": 0} for lon, lat in (a, b)]
        if headings is not None:
            for location, heading in zip(locations, headings, strict=True):
                location |= {"heading": heading % 360, "heading_tolerance": 30, "search_cutoff": 10}
        request = {
            "locations": locations,
            "costing": "auto",
            "costing_options": self.options,
            "directions_type": "none",
        }
        try:
            trip = json.loads(self.actor.route(json.dumps(request)))["trip"]
        except RuntimeError:
            return None
        leg = trip["legs"][0]
        return Driven(trip["summary"]["length"] * 1e3, trip["summary"]["time"], polyline6(leg["shape"]))


def polyline6(text: str) -> np.ndarray:
    """float64[n, 2] lon, lat of an encoded polyline with six digits."""
    values, value, shift = list[int](), 0, 0
    for byte in text.encode():
        value |= (byte - 63 & 31) << shift
        shift += 5
        if byte - 63 < 32:
            values.append(~(value >> 1) if value & 1 else value >> 1)
            value, shift = 0, 0
    return np.cumsum(np.array(values).reshape(-1, 2), axis=0)[:, ::-1] / 1e6
