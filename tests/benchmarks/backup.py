"""Asking for backup: how long the first answer takes, in the process and over HTTP, how long the whole decision, and
how large its record is.

python tests/benchmarks/backup.py --map maps/porto [--units 1000] [--open 5]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from geo_backup.backup.answer import answer
from geo_backup.backup.city import prepare
from geo_backup.backup.question import ask, ask_at_once, whole_view
from geo_backup.backup.ranking import rank
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.events import BackupRequested, Fix, IncidentOpened, Need, PositionReported, UnitRegistered
from geo_backup.live_map import LiveMap, apply
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.warm import warm_up
from geo_backup.wire.decisions import pack_view, record
from geo_backup.wire.times import to_text
from tests.running import Server

T0 = 1_700_000_000_000
SKILLS = (("patrol", 0.8), ("k-9", 0.05), ("supervisor", 0.05), ("ALS", 0.1))
NEEDS = (Need("patrol", 3), Need("k-9"), Need("supervisor", 1, "want"))


def city(network: RoadNetwork, units: int, incidents: int, seed: int) -> LiveMap:
    """Units (simulated) on random roads, and incidents that each ask for three patrols, a dog and a supervisor."""
    live_map, rng = LiveMap(), np.random.default_rng(seed)
    at = rng.integers(0, len(network.junction_lon_e7), units + incidents)
    lon, lat = network.junction_lon_e7[at] / 1e7, network.junction_lat_e7[at] / 1e7
    for n in range(units):
        skills = tuple(name for name, share in SKILLS if rng.random() < share)
        unit_id = f"U{n:05}"
        for event in (
            UnitRegistered(
                received_ms=T0, unit_id=unit_id, callsign=unit_id, agency="police", kind="patrol", capabilities=skills
            ),
            PositionReported(received_ms=T0, unit_id=unit_id, fix=Fix(T0, float(lon[n]), float(lat[n]))),
        ):
            apply(live_map, live_map.seq + 1, event)
    for n in range(incidents):
        place = {"lon": float(lon[units + n]), "lat": float(lat[units + n])}
        apply(live_map, live_map.seq + 1, IncidentOpened(received_ms=T0, incident_id=f"i{n}", priority=1, **place))
        request = BackupRequested(
            event_id=f"r{n}", received_ms=T0, incident_id=f"i{n}", requirement=NEEDS, mode="immediate"
        )
        apply(live_map, live_map.seq + 1, request)
    return live_map


def over_http(worlds: list[LiveMap], folder: Path, others: int, rounds: int) -> list[float]:
    """ms of `POST /v1/incidents/{id}/backup`, from asking to the whole answer: a real server with the units of the
    first world, while others ask too, each time for an incident at another place that was opened just before."""
    units = worlds[0].units.values()
    places = [(incident.lon, incident.lat) for world in worlds for incident in world.incidents.values()]
    needs = [{"capability": need.capability, "count": need.count, "need": need.need} for need in NEEDS]
    took = []
    with tempfile.TemporaryDirectory() as work:
        server = Server(Path(work) / "log.sqlite", map_folder=folder.resolve()).start()
        try:
            with httpx.Client(base_url=server.url, trust_env=False, timeout=60.0) as http:
                for unit in units:
                    body = {"callsign": unit.callsign, "agency": unit.agency, "kind": unit.kind}
                    http.put(
                        f"/v1/units/{unit.unit_id}", json={**body, "capabilities": unit.capabilities}
                    ).raise_for_status()

                def report() -> None:
                    now = to_text(int(time.time() * 1e3))
                    fixes = [(unit.unit_id, unit.fix) for unit in units if unit.fix is not None]
                    rows = [{"unit_id": one, "fix_time": now, "lon": fix.lon, "lat": fix.lat} for one, fix in fixes]
                    for n in range(0, len(rows), 1_000):
                        http.post("/v1/positions", json={"positions": rows[n : n + 1_000]}).raise_for_status()

                def ask_at(lon: float, lat: float) -> tuple[str, float]:
                    opened = http.post("/v1/incidents", json={"lon": lon, "lat": lat, "priority": 1}).raise_for_status()
                    incident_id = opened.json()["incident_id"]
                    began = time.perf_counter()
                    first = http.post(
                        f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate", "requirement": needs}
                    )
                    ms = (time.perf_counter() - began) * 1e3
                    assert first.raise_for_status().json()["units"]
                    while http.get(f"/v1/incidents/{incident_id}").json()["recommended"]["stage"] == "first":
                        time.sleep(0.05)  # until the exact set is there: it would take its share of the next round
                    return incident_id, ms

                report()
                for lon, lat in places[:others]:
                    ask_at(lon, lat)
                for lon, lat in places[others : others + rounds]:
                    report()
                    incident_id, ms = ask_at(lon, lat)
                    took.append(ms)
                    http.post(f"/v1/incidents/{incident_id}/close").raise_for_status()
        finally:
            server.stop()
    return took


def main() -> None:
    """Print the table."""
    ask_for = argparse.ArgumentParser(description=__doc__)
    ask_for.add_argument("--map", type=Path, required=True)
    ask_for.add_argument("--units", type=int, default=1_000)
    ask_for.add_argument("--open", type=int, default=5, help="open incidents that ask at the same time")
    ask_for.add_argument("--rounds", type=int, default=15)
    given = ask_for.parse_args()
    network = RoadNetwork.load(given.map)
    warm_up()
    print(f"{network.area.name}, {network.edges:,} edges, {given.units:,} units, {given.open} requests for five units")
    print(f"Python {platform.python_version()}, {platform.machine()}; ms, median (fastest to slowest)")
    worlds = [city(network, given.units, given.open, seed) for seed in range(given.rounds)]
    firsts, wholes, solves, quick_sizes, sizes, proven = [], [], [], [], [], 0
    for world in worlds:
        standing = Standing(network)
        prepare(standing)
        standing.update(view(world, T0 + 1_000))
        for n in range(1, given.open):  # the others stand already
            standing.field(f"i{n}")
        rank(standing, "i1" if given.open > 1 else "i0")
        began = time.perf_counter()
        question, first = ask_at_once(standing, "i0")
        quick = record("decision:r0:quick", question, answer(question, first), first, quick=True)
        firsts.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        question, inputs = ask(standing, "i0"), whole_view(standing)
        wholes.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        first = question.first()
        best = answer(question, first, question.best(first))
        event = record("decision:r0:best", question, best, first, pack_view(inputs), quick=False)
        solves.append((time.perf_counter() - began) * 1e3)
        quick_sizes.append((len(quick.inputs) + len(quick.answer)) / 1e3)
        sizes.append((len(event.inputs) + len(event.answer)) / 1e3)
        proven += event.proven
        assert event.chosen
    for name, took in (
        ("first answer: new field, ranking, greedy set, record", firsts),
        (
            "first answer over HTTP, the whole round trip",
            over_http(worlds, given.map, given.open - 1, 2 * given.rounds),
        ),
        ("the question with the cover of the city", wholes),
        ("exact set and its record (beside the worker)", solves),
    ):
        print(f"{name:52} {statistics.median(took):8.1f} ({min(took):.1f} to {max(took):.1f})")
    for name, kb in (("size of the first record, kB", quick_sizes), ("size of the whole record, kB", sizes)):
        print(f"{name:52} {statistics.median(kb):8.1f} ({min(kb):.1f} to {max(kb):.1f})")
    print(f"proven best: {proven} of {given.rounds}")


if __name__ == "__main__":
    sys.exit(main())
