"""geo_backup beside OSRM, Valhalla and RoutingKit: the same extract, the same points, one run, one core.

    python tests/benchmarks/peers/run.py --extract ../shared/data/maps/porto.osm.pbf [--json OUT] [--runs 30]

Needs a CPython of 3.12 or later (this one, one on the PATH, or the one PEERS_PYTHON names) and a package index for the
first run: the engines go into an environment of their own under --work.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extract", type=Path, required=True, help="an .osm.pbf, or .geojson lines with OSM's tags")
    parser.add_argument("--json", type=Path, help="also write all figures here")
    parser.add_argument("--runs", type=int, default=30, help="places asked about, for every number of units")
    parser.add_argument("--pairs", type=int, default=500, help="pairs of places whose routes are compared")
    parser.add_argument("--part", choices=("all", "speed", "changes", "answers", "matching"), default="all")
    parser.add_argument("--drives", type=int, default=60, help="simulated drives whose fixes are matched")
    parser.add_argument("--sigma", type=float, nargs="+", default=[4.0, 8.0, 15.0], help="metres")
    parser.add_argument("--every", type=int, nargs="+", default=[1, 5, 15, 60], help="seconds between fixes")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds one matrix of Valhalla may take")
    parser.add_argument("--work", type=Path, default=cache(), help="environment and datasets, kept between runs")
    options = parser.parse_args()
    if not options.extract.exists():
        parser.error(f"--extract {options.extract} does not exist")
    python = environment(options.work)
    if Path(sys.prefix).resolve() != python.parent.parent.resolve():
        sys.exit(
            subprocess.run(
                [python, Path(__file__).resolve(), *sys.argv[1:]],
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
                check=False,
            ).returncode
        )
    measure(options)


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "geo_backup-peers"


def environment(work: Path) -> Path:
    """Python of the environment that holds the engines and what geo_backup depends on; made when out of date.

    geo_backup itself is read from the source tree, so that no dashboard has to be built.
    """
    with (PROJECT / "pyproject.toml").open("rb") as file:
        ours = tomllib.load(file)["project"]["dependencies"]
    wanted = "\n".join([*ours, (HERE / "requirements.txt").read_text(encoding="utf-8")])
    python, stamp = work / "venv" / "bin" / "python", work / "venv" / "requirements.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(work / "venv", ignore_errors=True)
        work.mkdir(parents=True, exist_ok=True)
        print(f"making {work / 'venv'} ...", file=sys.stderr)
        subprocess.run([newer_python(), "-m", "venv", work / "venv"], check=True)
        (work / "wanted.txt").write_text(wanted, encoding="utf-8")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", work / "wanted.txt"], check=True)
        (work / "wanted.txt").rename(stamp)
    return python


def newer_python() -> str:
    """A CPython that the engines' wheels are made for."""
    candidates = [os.environ.get("PEERS_PYTHON"), sys.executable, *(f"python3.{minor}" for minor in (12, 13, 14))]
    candidates += [str(p) for p in sorted(Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python"))]
    for candidate in candidates:
        path = candidate and shutil.which(candidate)
        check = "import sys, venv; sys.exit(sys.version_info < (3, 12))"
        if path and subprocess.run([path, "-c", check], check=False, capture_output=True).returncode == 0:
            return path
    sys.exit("The engines' wheels need CPython 3.12 or later: install one or name it in PEERS_PYTHON.")


def measure(options: argparse.Namespace) -> None:
    """Everything after the environment stands; imports live here because they need it."""
    sys.path.insert(0, str(HERE.parent))
    import answers
    import engines
    import matchers
    import matching
    import speed
    from fields import machine

    from geo_backup.roads.network import RoadNetwork
    from geo_backup.roads.profile import PROFILES
    from geo_backup.roads.weights import weigh
    from geo_backup.rules import SnapRules

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    datasets = ("mld", "valhalla") if options.part == "matching" else engines.DATASETS
    prepared = engines.prepare(options.extract.resolve(), options.work, datasets)
    network = RoadNetwork.load(prepared.network)
    weights = weigh(network, PROFILES["routine"])
    result: dict[str, Any] = {
        "map": f"{network.area.name}: {network.edges:,} directed edges, {network.turns:,} turns",
        "machine": machine(),
        "load": os.getloadavg()[0],
        "versions": versions(),
        "preparation": {k: {"seconds": s, "peak_mb": mb} for k, (s, mb) in prepared.costs.items()},
    }
    print(f"{result['map']}\n{result['machine']}, one core, load {result['load']:.1f}")
    print("\npreparation, one thread: seconds, peak memory")
    for step, (seconds, mb) in prepared.costs.items():
        print(f"  {step:<28} {seconds:>8.2f} s {mb:>8.0f} MB")
    if options.part in ("all", "speed"):
        result["cold"] = speed.cold(prepared, weights, options.runs, options.patience)
        print("\ncold ETAs of N units to one new place, milliseconds: median (fastest to slowest; runs)")
        show(result["cold"]["rows"], "units")
        for name, steps in result["cold"]["preparation"].items():
            print(f"  {name}: " + ", ".join(f"{step[:-2]} {seconds:.2f} s" for step, seconds in steps.items()))
    if options.part in ("all", "changes"):
        result["changes"] = speed.changes(prepared, weights, options.extract, options.runs)
        print("\nafter a change of the road, milliseconds: median (fastest to slowest; runs)")
        show(result["changes"], "edges")
    if options.part in ("all", "answers"):
        result["answers"] = answers.compare(prepared, network, options.extract, options.pairs)
        print("\n" + answers.text(result["answers"]))
    if options.part == "matching":
        ours = matching.ours(network, SnapRules())
        peers = matchers.matchers(prepared, network, ours["nearest edge"])
        print("\nshare of fixes on the driven road in its direction; CPU of a fix, reading the answer included")
        result["matching"] = matching.measure(
            network, ours | peers, options.drives, options.sigma, options.every, show=print
        )
    if options.json:
        options.json.write_text(json.dumps(result, indent=2), encoding="utf-8")


def show(rows: list[dict[str, Any]], key: str) -> None:
    for value in dict.fromkeys(row[key] for row in rows):
        print(f"  {value:,} {key}" if isinstance(value, int) else f"  {value}")
        for row in (row for row in rows if row[key] == value):
            if row["runs"]:
                span = f"({row['min_ms']:.3f} to {row['max_ms']:.3f}; {row['runs']})"
                print(f"    {row['engine']:<48} {row['median_ms']:>11.3f}  {span}  {row.get('note', '')}")
            else:
                print(f"    {row['engine']:<48} {row.get('note', 'not run')}")


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("osrm-bindings", "pyvalhalla", "routingkit-cch", "scipy", "numba")}


if __name__ == "__main__":
    main()
