"""Growth: time and memory of fields against the size of the map, up to a synthetic grid of a million directed edges.

    python tests/benchmarks/growth.py [--json OUT] [--plot OUT.svg] [--runs 30]

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
from fields import clock, machine, repeat

from geo_backup.cartography.assembly import assemble
from geo_backup.cartography.build import network_of
from geo_backup.cartography.ways import Ways
from geo_backup.roads import search
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.network import ARRAYS, EdgeFlag, RoadNetwork
from geo_backup.roads.profile import RESPONSE
from geo_backup.roads.search import INF_MS
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target
from geo_backup.roads.weights import weigh

MAPS = ("monaco", "heidelberg", "rhine-neckar", "porto")
GRID = "synthetic grid"
GRID_SIDE = 500
GRID_STEP_M = 100.0
STANDING = 200
WHOLE_MS = 6 * 3_600_000
"""A horizon that every map of the table fits in."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path, help="picture to write, .svg or .png")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.runs)))
        return
    rows = []
    for name in (*MAPS, GRID):
        command = [sys.executable, __file__, "--one", name, "--runs", str(options.runs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout))
    print(f"{machine()}, one core; ms: median (fastest to slowest); x floor: times reading the field's arrays once")
    print(
        f"{'':<15} {'edges':>9} {'turns':>9} {'whole field ms':>26} {'ns/edge':>8} {'x floor':>8} {'60 min':>8} "
        f"{'10k ETAs':>9} {'arrays MB':>10} {'field MB':>9} {f'{STANDING} fields MB':>14}"
    )
    for row in sorted(rows, key=lambda row: row["edges"]):
        low, high = row["field_span_ms"]
        field = f"{row['field_ms']:.2f} ({low:.2f} to {high:.2f})"
        print(
            f"{row['map']:<15} {row['edges']:>9,} {row['turns']:>9,} {field:>26} {row['ns_an_edge']:>8.0f} "
            f"{row['times_reading']:>8.0f} {row['hour_ms']:>8.2f} {row['etas_ms']:>9.2f} {row['arrays_mb']:>10.1f} "
            f"{row['field_mb']:>9.2f} {row['standing_mb']:>14.0f}"
        )
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2), encoding="utf-8")
    if options.plot:
        plot(rows, options.plot)


def measure(name: str, runs: int) -> dict[str, Any]:
    """One map's figures."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        network = grid() if name == GRID else _built(name, Path(folder))
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
    search.warm_up()
    rng = np.random.default_rng(1)
    weights = weigh(network, RESPONSE)
    main = np.flatnonzero(np.asarray(network.edge_flags) & EdgeFlag.MAIN)
    targets = [Target.on_edge(int(e), 32_768) for e in rng.choice(main, max(runs, STANDING))]
    ArrivalField.build(weights, targets[0])
    # before the timings, which give memory back that could be used again
    before_mb = _resident_mb()
    fields = [ArrivalField.build(weights, t) for t in targets[:STANDING]]
    standing_mb = _resident_mb() - before_mb
    if (ArrivalField.build(weights, targets[0], WHOLE_MS).at_end_ms[main] >= INF_MS).any():
        sys.exit(f"{name} is wider than {WHOLE_MS / 3.6e6:.0f} hours: the field would not be whole")
    whole = np.array([clock(lambda t=t: ArrivalField.build(weights, t, WHOLE_MS)) for t in targets[:runs]]) * 1e3
    hour = [clock(lambda t=t: ArrivalField.build(weights, t)) * 1e3 for t in targets[:runs]]
    points = RoadPoints.of([RoadPoint(int(e), 0) for e in rng.choice(main, 10_000)])
    etas = repeat(runs, lambda: fields[0].etas_ms(points))
    # what a field must read at least: where each edge's turns begin, the turns with their weights, the values
    floor = np.ones((8 * network.edges + 8 * network.turns) // 8, np.int64)
    reading_ms = float(np.median(repeat(runs, floor.sum))) * 1e3
    field_ms = float(np.median(whole))
    return {
        "map": name,
        "edges": network.edges,
        "turns": network.turns,
        "field_ms": field_ms,
        "field_span_ms": [float(whole.min()), float(whole.max())],
        "ns_an_edge": field_ms * 1e6 / network.edges,
        "times_reading": field_ms / reading_ms,
        "hour_ms": float(np.median(hour)),
        "etas_ms": float(np.median(etas)) * 1e3,
        "arrays_mb": sum(getattr(network, key).nbytes for key in ARRAYS) / 1e6,
        "field_mb": fields[0].at_end_ms.nbytes / 1e6,
        "standing_mb": standing_mb,
    }


def grid(side: int = GRID_SIDE) -> RoadNetwork:
    """A synthetic city: two-way streets a hundred metres apart, every tenth a main road, nothing else.

    Corners are moved about a little, so that no two ways across town are equal.
    """
    rng, ways = np.random.default_rng(2), Ways()
    lon_e7 = 80_000_000 + np.rint((np.arange(side)[None, :] + rng.uniform(-0.3, 0.3, (side, side))) * GRID_STEP_M * 139)
    lat_e7 = 497_000_000 + np.rint((np.arange(side)[:, None] + rng.uniform(-0.3, 0.3, (side, side))) * GRID_STEP_M * 90)
    key = np.arange(side * side).reshape(side, side) + 1
    corners = np.stack((key, lon_e7, lat_e7), axis=-1).astype(np.int64)
    for number in range(side):
        tags = {"highway": "primary" if number % 10 == 0 else "residential"}
        ways.add(2 * number + 1, tags, [(k, x, y) for k, x, y in corners[number].tolist()])
        ways.add(2 * number + 2, tags, [(k, x, y) for k, x, y in corners[:, number].tolist()])
    return network_of(
        assemble(ways), name=GRID, source="growth.py", source_date="", licence="", attribution=""
    )  # fmt: skip


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Milliseconds and megabytes against directed edges, both axes logarithmic."""
    import matplotlib.pyplot as plt

    rows = sorted(rows, key=lambda row: row["edges"])
    edges = [row["edges"] for row in rows]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    series = (
        ("milliseconds", (("field_ms", "whole field"), ("hour_ms", "field of 60 min"), ("etas_ms", "10,000 ETAs"))),
        ("megabytes", (("arrays_mb", "network"), ("field_mb", "one field"), ("standing_mb", f"{STANDING} fields"))),
    )
    for axis, (unit, lines) in zip(axes, series, strict=True):
        for key, label in lines:
            axis.loglog(edges, [row[key] for row in rows], "o-", label=label)
        axis.set(xlabel="directed edges", ylabel=unit)
        axis.grid(alpha=0.3)
        axis.legend()
    for row in rows:
        axes[0].annotate(row["map"], (row["edges"], row["field_ms"]), fontsize=7, ha="right", va="bottom")
    figure.suptitle(f"{machine()}; {GRID} is made, not mapped", fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
