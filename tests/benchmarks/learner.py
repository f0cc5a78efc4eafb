"""What learning costs a node: units that are all on their way, a fix a second each, and a publication a minute.

    python tests/benchmarks/learner.py [--map DIR] [--units 1000] [--minutes 5] [--no-day] [--json]

Simulated vehicles of the demo patrol the map. Their fixes are watched, matched with the lag and taught from as a node
does it; then the weights and shortcuts of both profiles follow. CPU time of this process, so that what else the machine
does counts as little as it can; the first two minutes are not counted (they have no lag yet).

Then a day's log of 1,440 such publications, with a first answer to an incident every hour, is verified.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from geo_backup.audit.verify import verify
from geo_backup.backup.driving import Driving, Obstacles, Taught
from geo_backup.backup.lessons import Drive, Teacher, look_at
from geo_backup.backup.ranking import rank
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.cli import demo_map
from geo_backup.demo import vehicles
from geo_backup.eventlog import open_log
from geo_backup.events import Event, IncidentClosed, IncidentOpened, PaceLearned, PositionReported, UnitRegistered
from geo_backup.live_map import LiveMap, apply
from geo_backup.node.ranker import recommendation
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pace_tree import Intervals
from geo_backup.roads.profile import PROFILES
from geo_backup.rules import Rules

T0 = 1_700_000_040_000


def run(network: RoadNetwork, units: int, minutes: int) -> tuple[dict[str, list[float]], str]:
    """Milliseconds of CPU a minute, by what they were spent on; and the last publication."""
    live_map, rules = LiveMap(), Rules()
    fleet = vehicles.Fleet(network, units, 1, T0, ping_ms=1_000)
    for event in fleet.registrations(T0):
        apply(live_map, live_map.seq + 1, event)
    drives = {unit_id: Drive(unit_id, "routine", rolls=True) for unit_id in live_map.units}
    teacher, seq = Teacher(network, PROFILES), live_map.seq
    obstacles = Obstacles(network)
    drivings = [Driving(obstacles, PROFILES[name], T0) for name in ("routine", "response")]
    metrics = [Metric(driving.weights) for driving in drivings]
    spent: dict[str, list[float]] = {}
    counted, packed = False, ""

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        began = time.process_time()
        yield
        if counted:
            spent.setdefault(what, []).append(1_000 * (time.process_time() - began))

    for minute in range(minutes + 2):
        counted = minute >= 2
        pings: list[PositionReported] = []
        for second in range(60):
            now_ms = T0 + (minute * 60 + second + 1) * 1_000
            pings += [event for event in fleet.tick(now_ms, live_map) if isinstance(event, PositionReported)]
        now_ms = T0 + (minute + 1) * 60_000
        with timed("watching"):
            for ping in pings:
                drives[ping.unit_id].see(ping.fix)
        with timed("matching"):
            seen = [look_at(network, one, one.fixes, now_ms, rules) for one in drives.values()]
        some = [one for one in seen if one is not None]
        with timed("lesson"):
            driven = Intervals.joined([one.driven for one in some])
            lesson = teacher.lesson("routine", driven, now_ms // 60_000, live_map.pace, rules)
        for one in some:
            one.drive.taught_ms = one.until_ms
            one.drive.forget()
        if lesson is None:
            continue
        with timed("packing"):
            packed = lesson.packed()
        seq += 1
        with timed("folding"):
            fact = PaceLearned(received_ms=now_ms, profile="routine", minute=now_ms // 60_000, packed=packed)
            apply(live_map, seq, fact)
        with timed("weights of two profiles"):
            for driving in drivings:
                driving.follow(now_ms, Taught.of(live_map.pace, driving.profile, rules.pace))
        with timed("shortcuts of two profiles"):
            for metric, driving in zip(metrics, drivings, strict=True):
                metric.adopt(driving.weights)
        if counted:
            spent.setdefault("fixes", []).append(float(len(pings)))
            spent.setdefault("intervals", []).append(float(len(driven.ms)))
            spent.setdefault("nodes", []).append(float(len(lesson.node)))
            spent.setdefault("bytes of the fact", []).append(float(len(packed)))
    return spent, packed


def verify_a_day(network: RoadNetwork, packed: str) -> dict[str, float]:
    """Seconds that `verify` takes of a day, and what it compared."""
    with tempfile.TemporaryDirectory() as folder:
        log, live_map = open_log(Path(folder) / "log.sqlite", reserve_bytes=0), LiveMap()
        standing, batch = Standing(network), list[Event]()

        def add(event: Event) -> None:
            apply(live_map, live_map.seq + 1, event)
            batch.append(event)

        west, south, east, north = network.area.extent
        rng = random.Random(1)
        for n in range(200):
            home = (rng.uniform(west, east), rng.uniform(south, north))
            add(
                UnitRegistered(received_ms=T0, unit_id=f"P{n}", callsign=f"P{n}", agency="pd", kind="patrol", home=home)
            )
        for minute in range(1_440):
            now_ms = T0 + minute * 60_000
            add(
                PaceLearned(
                    event_id=f"pace:{minute}",
                    received_ms=now_ms,
                    profile="routine",
                    minute=now_ms // 60_000,
                    packed=packed,
                )
            )
            if minute % 60 == 0:
                name = f"I{minute}"
                lon, lat = ((west + east) / 2, (south + north) / 2)
                add(IncidentOpened(event_id=name, received_ms=now_ms, incident_id=name, lon=lon, lat=lat, priority=2))
                standing.update(view(live_map, now_ms))
                add(recommendation(rank(standing, name), 20))
                add(IncidentClosed(received_ms=now_ms, incident_id=name))
        asyncio.run(log.append(batch))
        began = time.perf_counter()
        report = verify(network, log)
        log.close()
        assert not report.wrong, report.wrong[:3]
        return {"verify of a day, s": time.perf_counter() - began, "rankings verified": report.rankings}


LEARNING = ("watching", "matching", "lesson", "packing", "folding")
PUBLISHING = ("lesson", "packing", "folding", "weights of two profiles", "shortcuts of two profiles")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, help="folder of a map [default: the demo's]")
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--no-day", action="store_true", help="leave the verification of a day out")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    network = RoadNetwork.load(args.map or demo_map())
    spent, packed = run(network, args.units, args.minutes)
    medians: dict[str, Any] = {what: round(statistics.median(each), 1) for what, each in spent.items()}
    medians["share of a core, learning"] = round(sum(medians[name] for name in LEARNING) / 60_000, 4)
    medians["a publication, ms"] = round(sum(medians[name] for name in PUBLISHING), 1)
    if not args.no_day:
        medians |= {what: round(value, 1) for what, value in verify_a_day(network, packed).items()}
    if args.json:
        print(json.dumps(medians))
        return
    for what, value in medians.items():
        print(f"{what:28} {value:12,.4g}" if what.startswith("share") else f"{what:28} {value:12,.1f}")


if __name__ == "__main__":
    main()
