"""Growth: time and memory of both engines against the size of the map, up to a synthetic grid of a million edges.

    python tests/benchmarks/growth.py [--json OUT] [--plot OUT.svg] [--runs 30] [--maps monaco,porto]

Maps are built from ../shared/data (or GEO_BACKUP_DATA). Each is measured in a process of its own, so that its memory
is its own. The plot needs matplotlib, which geo_backup does not depend on: the environment of benchmarks/peers has it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from fields import clock, machine

from geo_backup.cartography.area import network_of
from geo_backup.cartography.assembly import assemble
from geo_backup.cartography.dissection import dissected
from geo_backup.cartography.ways import Ways
from geo_backup.roads.field import HORIZON_MS, ArrivalField, Seeds, cold_etas_ms
from geo_backup.roads.hierarchy import Hierarchy, Metric
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.lanes import LANES, Lanes, Probe
from geo_backup.roads.network import ARRAYS, EdgeFlag, RoadNetwork
from geo_backup.roads.profile import RESPONSE
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target
from geo_backup.roads.warm import warm_up
from geo_backup.roads.weights import weigh

MAPS = ("monaco", "heidelberg", "rhine-neckar", "porto")
GRID, DISTRICTS = "grid", "districts"
"""Two made maps, both harder than any real one: all crossings of four streets, no dead ends, no bends. One street leads
across town as any other does; or only main roads lead from district to district."""
GRID_SIDE = 500
DISTRICT_SIDE = 50
GRID_STEP_M = 100.0
STANDING = 200
WHOLE_MS = 6 * HORIZON_MS
"""A horizon that every map of the table fits in."""
COLUMNS = {
    "edges": "{:,} edges",
    "turns": "{:,} turns",
    "shortcuts": "{:,} shortcuts",
    "order_s": "{:.1f} s order",
    "hierarchy_s": "{:.2f} s shortcuts",
    "pour_ms": "{:.0f} ms weights poured",
    "search_ms": "{:.2f} ms one field by buckets",
    "pass_ms": "{:.2f} ms one field by a pass",
    "sixteen_ms": "{:.2f} ms sixteen by a pass",
    "cold_ms": "{:.2f} ms cold ETAs of 1,000 units",
    "network_mb": "{:.1f} MB network",
    "hierarchy_mb": "{:.1f} MB shortcuts",
    "metric_mb": "{:.1f} MB weights of one profile",
    "standing_mb": f"{{:.0f}} MB {STANDING} fields",
    "resident_mb": "{:.0f} MB resident for all of it",
}
PER_EDGE = ("order_s", "hierarchy_s", "pour_ms", "search_ms", "pass_ms", "sixteen_ms", "metric_mb", "standing_mb")
STEADY = 2.0
"""Within this factor of the least of all maps, a value an edge counts as steady."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="picture to write, .svg or .png")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--maps", default=",".join((*MAPS, DISTRICTS, GRID)))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.runs)))
        return
    rows = []
    for name in options.maps.split(","):
        command = [sys.executable, __file__, "--one", name, "--runs", str(options.runs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout))
    rows.sort(key=lambda row: row["edges"])
    print(f"{machine()}, one core, medians")
    print(f"{'':<32}" + "".join(f"{row['map']:>16}" for row in rows))
    for key, said in COLUMNS.items():
        number, what = said.split(" ", 1)
        print(f"{what:<32}" + "".join(f"{number.format(row[key]):>16}" for row in rows))
    print("an edge: ns, or bytes")
    for key in PER_EDGE:
        each = np.array([row[key] * SCALE[key[key.rindex("_") :]] / row["edges"] for row in rows])
        far = [row["map"] for row, value in zip(rows, each, strict=True) if value > STEADY * each.min()]
        said = COLUMNS[key].split(" ", 1)[1] + (
            f"   more than {STEADY:.0f} x the least: {', '.join(far)}" if far else ""
        )
        print(f"{key:<32}" + "".join(f"{value:>16,.0f}" for value in each) + f"  {said}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2), encoding="utf-8")
    if options.plot:
        plot(rows, options.plot)


SCALE = {"_s": 1e9, "_ms": 1e6, "_mb": 1e6}


def measure(name: str, runs: int) -> dict[str, Any]:
    """One map's figures."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        made = {GRID: grid, DISTRICTS: lambda: grid(district=DISTRICT_SIDE)}
        network = made[name]() if name in made else _built(name, Path(folder))
        return _measure(name, network, runs)


def _built(name: str, folder: Path) -> RoadNetwork:
    data = Path(os.environ.get("GEO_BACKUP_DATA", Path(__file__).parents[3] / "shared" / "data"))
    source = data / "maps" / f"{name}.osm.pbf"
    if not source.exists():
        sys.exit(f"{source} is missing: name the data folder with GEO_BACKUP_DATA.")
    # elsewhere, so that this process holds what a server would hold
    build = [sys.executable, "-m", "geo_backup", "map", "build", source, "--out", folder / name, "--no-tiles"]
    subprocess.run(build, stdout=subprocess.DEVNULL, check=True)
    return RoadNetwork.load(folder / name)


def _measure(name: str, network: RoadNetwork, runs: int) -> dict[str, Any]:
    warm_up()
    rng = np.random.default_rng(1)
    # once a map: the order, which a build writes, and the shortcuts; once a profile: the weights
    lon, lat = (np.asarray(axis) / 1e7 for axis in (network.junction_lon_e7, network.junction_lat_e7))
    plane = (lon * network.metres_per_deg[0], lat * network.metres_per_deg[1])
    dissected(np.array([0]), np.array([1]), np.zeros(2), np.zeros(2))
    order_s = clock(lambda: dissected(np.asarray(network.piece_from), np.asarray(network.piece_to), *plane))
    weights = weigh(network, RESPONSE)
    network.graph, network.turn_to  # noqa: B018 (made now, so that they count for nothing)
    hierarchy_s = clock(lambda: Hierarchy.of(network))
    h, metric = Hierarchy.of(network), Metric(weights)
    pour_ms = [clock(lambda: Metric(weights)) for _ in range(3)]
    main = np.flatnonzero(np.asarray(network.edge_flags) & EdgeFlag.MAIN)
    targets = [Target.on_edge(int(e), 32_768) for e in rng.choice(main, STANDING)]
    seeds = [Seeds.of(weights, target) for target in targets]
    blocks = [Lanes(metric, HORIZON_MS) for _ in range(-(-STANDING // LANES))]
    for i, seed in enumerate(seeds):
        blocks[i // LANES].put(i % LANES, seed.edge, seed.ms)
    for block in blocks:
        block.settle()
    resident_mb = _resident_mb()

    # whole fields, by both engines, which must agree
    alone, together = Lanes(metric, WHOLE_MS), Lanes(metric, WHOLE_MS)
    for lane in range(LANES):
        together.put(lane, seeds[lane].edge, seeds[lane].ms)
    together.settle()
    search, single, sixteen = list[float](), list[float](), list[float]()
    for i in range(runs):
        seed, field = seeds[i % STANDING], ArrivalField.build(weights, targets[i % STANDING], WHOLE_MS)
        search.append(clock(lambda t=targets[i % STANDING]: ArrivalField.build(weights, t, WHOLE_MS)))
        single.append(clock(lambda s=seed: (alone.put(0, s.edge, s.ms), alone.settle())))
        together.put(0, seed.edge, seed.ms)
        sixteen.append(clock(together.settle))
        if (field.at_end_ms[main] >= INF_MS).mean() > 0.01:
            sys.exit(f"{name} is wider than {WHOLE_MS / 3.6e6:.0f} hours: the field would not be whole")
        if not (
            np.array_equal(field.at_end_ms, alone.values[:-1, 0]) and (together.values == alone.values)[:, 0].all()
        ):
            sys.exit("the engines disagree")
    probe, points = Probe(metric), RoadPoints.of([RoadPoint(int(e), 0) for e in rng.choice(main, 1_000)])
    cold = [clock(lambda t=target: cold_etas_ms(probe, t, points)) for target in targets]
    stored = (h.parent, h.up_start, h.up_to, h.down_start, h.down_from, *h.under_up, *h.under_down, h.turn_slot)
    poured = (metric.up_ms, metric.down_ms, metric._own_up, metric._own_down)
    return {
        "map": name,
        "edges": network.edges,
        "turns": network.turns,
        "shortcuts": len(h.up_to) + len(h.down_from),
        "order_s": order_s,
        "hierarchy_s": hierarchy_s,
        **{
            key: float(np.median(seconds)) * 1e3
            for key, seconds in (
                ("pour_ms", pour_ms),
                ("search_ms", search),
                ("pass_ms", single),
                ("sixteen_ms", sixteen),
                ("cold_ms", cold),
            )
        },
        "network_mb": sum(getattr(network, key).nbytes for key in ARRAYS) / 1e6,
        "hierarchy_mb": sum(array.nbytes for array in stored) / 1e6,
        "metric_mb": sum(array.nbytes for array in poured) / 1e6,
        "standing_mb": sum(block.values.nbytes for block in blocks) / 1e6,
        "resident_mb": resident_mb,
    }


def grid(side: int = GRID_SIDE, district: int = GRID_SIDE) -> RoadNetwork:
    """A synthetic city: two-way streets a hundred metres apart, every tenth a main road, nothing else.

    Corners are moved about a little, so that no two ways across town are equal. Only main roads lead from one district,
    of so many streets either way, to the next: as with railways and rivers between.
    """
    rng, ways = np.random.default_rng(2), Ways()
    lon_e7 = 80_000_000 + np.rint((np.arange(side)[None, :] + rng.uniform(-0.3, 0.3, (side, side))) * GRID_STEP_M * 139)
    lat_e7 = 497_000_000 + np.rint((np.arange(side)[:, None] + rng.uniform(-0.3, 0.3, (side, side))) * GRID_STEP_M * 90)
    key = np.arange(side * side).reshape(side, side) + 1
    corners = np.stack((key, lon_e7, lat_e7), axis=-1).astype(np.int64)
    borders = range(district, side, district)
    number = 0
    for street in range(side):
        main = street % 10 == 0
        for line in (corners[street], corners[:, street]):
            for part in [line] if main else np.split(line, borders):
                number += 1
                ways.add(
                    number, {"highway": "primary" if main else "residential"}, [(k, x, y) for k, x, y in part.tolist()]
                )
    about = dict.fromkeys(("source_date", "licence", "attribution"), "")
    return network_of(assemble(ways), name=GRID, source="growth.py", **about)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Milliseconds and megabytes against directed edges, both axes logarithmic."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    keys = {
        "milliseconds": ("pour_ms", "search_ms", "pass_ms", "sixteen_ms", "cold_ms"),
        "megabytes": ("network_mb", "hierarchy_mb", "metric_mb", "standing_mb"),
    }
    series = [(unit, [(key, COLUMNS[key].split(" ", 2)[2]) for key in of]) for unit, of in keys.items()]
    for axis, (unit, lines) in zip(axes, series, strict=True):
        for n, (key, label) in enumerate(lines):
            colour = f"C{n}"
            for made, style in ((False, "o-"), (True, "s:")):
                some = [row for row in rows if (row["map"] in (GRID, DISTRICTS)) == made]
                values = [[row[k] for row in some] for k in ("edges", key)]
                axis.loglog(
                    *values, style, color=colour, label=None if made else label, fillstyle="none" if made else "full"
                )
        axis.set(xlabel="directed edges", ylabel=unit)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    for row in rows:
        axes[0].annotate(row["map"], (row["edges"], row["search_ms"]), fontsize=7, ha="right", va="bottom")
    figure.suptitle(f"{machine()}; {DISTRICTS} and {GRID} are made, not mapped", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
