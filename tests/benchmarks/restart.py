"""What one machine bears: the start after a kill on a day's log, folding without a checkpoint, many closed incidents,
many units.

    python -m tests.benchmarks.restart [day] [refold] [incidents] [units] [--events 8640000] [--rounds 3] [--keep DIR]

*day*: 500 units, a ping every 5 s, appended as a server appends them, with the newest checkpoint almost 100,000 events
before the end; `serve` is killed (-9) amid pings and started again, timed until `/readyz` answers. *refold*: the same
kind of log without any checkpoint, microseconds of CPU an event. *incidents*: 100,000 that were opened and closed,
against a log without them. *units*: 20,000 on one node; how late its event loop is while a checkpoint is written.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

import httpx
from websockets.sync.client import connect

from geo_backup.errors import LogHeldError
from geo_backup.eventlog import EventLog, open_log
from geo_backup.events import Event, Fix, IncidentClosed, IncidentOpened, PositionReported, UnitRegistered
from geo_backup.live_map import LiveMap, apply
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.node.node import CHECKPOINT_EVERY
from geo_backup.roads.network import RoadNetwork
from geo_backup.server.garbage import THRESHOLDS
from geo_backup.server.run import SWITCH_S
from geo_backup.wire import checkpoint
from geo_backup.wire.times import to_text
from tests.running import CENTRE, GOTHENBURG, Server, eventually

UNITS, EVERY_MS = 500, 5_000
AT_ONCE = 5_000
"""Events of one append."""
T0_MS = time.time_ns() // 1_000_000 - 86_400_000
HELLO = json.dumps({"type": "hello"})


def batched(events: Iterable[Event], size: int) -> Iterator[tuple[Event, ...]]:
    """In parts of so many (`itertools` has it from Python 3.12 on)."""
    left = iter(events)
    while batch := tuple(islice(left, size)):
        yield batch


def registered(units: int) -> Iterator[Event]:
    for n in range(units):
        yield UnitRegistered(
            event_id=f"unit:{n}", received_ms=T0_MS, said_by="desk", unit_id=f"P{n}", callsign=f"P{n}", agency="police",
            kind="patrol", capabilities=("patrol",),
        )  # fmt: skip


def pings(units: int, every_ms: int, start_ms: int) -> Iterator[Event]:
    """For ever: each unit wanders, and reports in its turn."""
    rng = random.Random(1)
    at = [(CENTRE[0] + rng.uniform(-0.05, 0.05), CENTRE[1] + rng.uniform(-0.03, 0.03)) for _ in range(units)]
    turn = 0
    while True:
        for n, (lon, lat) in enumerate(at):
            at_ms = start_ms + turn * every_ms + n * every_ms // units
            lon, lat = at[n] = (round(lon + rng.uniform(-3e-4, 3e-4), 6), round(lat + rng.uniform(-2e-4, 2e-4), 6))
            fix = Fix(at_ms, lon, lat, round(rng.uniform(0, 20), 1), round(rng.uniform(0, 359.9), 1), 4.0)
            yield PositionReported(received_ms=at_ms + 217, said_by="avl", unit_id=f"P{n}", device_id=f"d{n}", fix=fix)
        turn += 1


def fill(log: EventLog, events: Iterable[Event], checkpoint_at: int | None = None) -> None:
    """Append the events; with the checkpoint that a server would have written at that seq."""

    async def append() -> None:
        live_map = LiveMap()
        for batch in batched(events, AT_ONCE):
            seqs = await log.append(batch)
            if checkpoint_at is not None and live_map.seq < checkpoint_at:
                for seq, event in zip(seqs, batch, strict=True):
                    apply(live_map, seq, event)
                if live_map.seq >= checkpoint_at:
                    await asyncio.to_thread(log.save_snapshot, live_map.seq, checkpoint.pack(live_map))

    asyncio.run(append())


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def quiet() -> str:
    return f"load average {os.getloadavg()[0]:.1f}"


def measure_day(folder: Path, events: int, rounds: int) -> None:
    path = folder / "day.sqlite"
    if not path.exists():
        began = time.perf_counter()
        with closing(open_log(path)) as log:
            day = chain(registered(UNITS), pings(UNITS, EVERY_MS, T0_MS))
            # the server's own facts at its starts come to that, and no newer checkpoint is due
            fill(log, islice(day, events), events - CHECKPOINT_EVERY + 1_000)
        print(
            f"a log of {events:,} events, {path.stat().st_size / 1e9:.2f} GB, took {time.perf_counter() - began:.0f} s"
        )
    server = Server(path).start()
    took: list[float] = []
    try:
        for _ in range(rounds):
            rows = [
                {"unit_id": f"P{n}", "fix_time": to_text(time.time_ns() // 1_000_000), "lon": 11.97, "lat": 57.7}
                for n in range(50)
            ]
            httpx.post(f"{server.url}/v1/positions", json={"positions": rows}, trust_env=False).raise_for_status()
            server.kill()
            began = time.perf_counter()
            server.start()
            took.append(time.perf_counter() - began)
        seq = httpx.get(f"{server.url}/healthz", trust_env=False).json()["seq"]
    finally:
        server.stop()
    print(f"from kill -9 to /readyz at event {seq:,}: {spread(took)} s of {rounds}, {quiet()}")


def measure_refold(folder: Path, events: int, rounds: int) -> None:
    path = folder / "refold.sqlite"
    if not path.exists():
        with closing(open_log(path)) as log:
            fill(log, islice(chain(registered(UNITS), pings(UNITS, EVERY_MS, T0_MS)), events))

    async def once(log: EventLog, folds: bool) -> float:
        live_map, began = LiveMap(), time.process_time()
        async for batch in log.read(0):
            if folds:
                for seq, event in batch:
                    apply(live_map, seq, event)
        return 1e6 * (time.process_time() - began) / events

    gc.disable()  # as a server has it while it starts
    with closing(open_log(path, read_only=True)) as log:
        for name, folds in (("read", False), ("read and folded", True)):
            found = spread([asyncio.run(once(log, folds)) for _ in range(rounds)])
            print(f"{name}: {found} us of CPU an event, {quiet()}")
    gc.enable()


def measure_incidents(folder: Path, incidents: int) -> None:
    def story() -> Iterator[Event]:
        rng = random.Random(2)
        for n in range(incidents):
            at_ms, lon = T0_MS + 800 * n, CENTRE[0] + rng.uniform(-0.05, 0.05)
            yield IncidentOpened(
                event_id=f"open:{n}", received_ms=at_ms, said_by="desk", incident_id=f"I{n}", lon=lon, lat=CENTRE[1],
                priority=2, kind="alarm", note="a caller says that a door stands open", place="Kungsgatan 1",
            )  # fmt: skip
            yield IncidentClosed(event_id=f"close:{n}", received_ms=at_ms + 500, said_by="desk", incident_id=f"I{n}")

    for name, more in (("without", 0), ("with", 2 * incidents)):
        path = folder / f"incidents_{name}.sqlite"
        path.unlink(missing_ok=True)
        with closing(open_log(path)) as log:
            fill(log, chain(registered(UNITS), islice(pings(UNITS, EVERY_MS, T0_MS), UNITS), islice(story(), more)))
        server = Server(path)
        began = time.perf_counter()
        server.start()
        took_s, snapshot, resident = time.perf_counter() - began, snapshot_of(server), memory_mb(server)
        server.stop()
        print(
            f"{name} {incidents:,} closed incidents: start {took_s:.1f} s, memory {resident:.0f} MB, snapshot "
            f"{snapshot / 1e3:.0f} kB, {packed(path)}, {quiet()}"
        )


def open_or_none(path: Path) -> EventLog | None:
    """A log for writing, once whoever wrote it has let go of it."""
    try:
        return open_log(path)
    except LogHeldError:
        return None


def packed(path: Path) -> str:
    """What the newest checkpoint of a log has, and takes to be made and read."""
    with closing(open_log(path, read_only=True)) as log:
        kept = log.load_snapshot()
    assert kept is not None
    began = time.process_time()
    live_map = checkpoint.parse(kept[1])
    parsed = time.process_time()
    checkpoint.pack(live_map)
    made_s, read_s = time.process_time() - parsed, parsed - began
    return (
        f"checkpoint {len(kept[1]) / 1e3:.0f} kB with {len(live_map.incidents):,} incidents and "
        f"{len(live_map.units):,} units, made in {1e3 * made_s:.0f} ms, read in {1e3 * read_s:.0f}"
    )


def snapshot_of(server: Server) -> int:
    """Bytes of what a viewer is sent at first."""
    with connect(server.feed, max_size=1 << 28, proxy=None) as feed:
        feed.send(HELLO)
        return len(feed.recv())


def memory_mb(server: Server) -> float:
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("process_resident")) / 1e6


async def measure_units(folder: Path, units: int) -> None:
    path = folder / "units.sqlite"
    path.unlink(missing_ok=True)
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*THRESHOLDS)
    node = Node(RoadNetwork.load(GOTHENBURG), open_log(path), Clock("live"))
    await node.start()
    late: list[tuple[float, float]] = []

    async def look() -> None:
        while True:
            due = time.perf_counter() + 0.002
            await asyncio.sleep(0.002)
            late.append((time.perf_counter(), time.perf_counter() - due))

    looking = asyncio.create_task(look())
    reports = pings(units, 1_000, time.time_ns() // 1_000_000)
    spans: list[tuple[float, float]] = []
    for batch in batched(chain(registered(units), islice(reports, 8 * units)), 100):
        await node.submit(*batch)
        saving = node._saving
        if saving is not None and not saving.done() and not (spans and spans[-1][1] == 0.0):
            spans.append((time.perf_counter(), 0.0))
        elif (saving is None or saving.done()) and spans and spans[-1][1] == 0.0:
            spans[-1] = (spans[-1][0], time.perf_counter())
        await asyncio.sleep(0.01)
    looking.cancel()
    spans = [(begin, end) for begin, end in spans if end]
    within = [took for at, took in late if any(begin <= at <= end for begin, end in spans)]
    beside = [took for at, took in late if not any(begin <= at <= end for begin, end in spans)]
    await node.stop()
    with closing(await asyncio.to_thread(eventually, lambda: open_or_none(path), "the log")):
        pass
    times = ", ".join(f"{end - begin:.2f}" for begin, end in spans)
    worst, usual = (1e3 * max(those, default=0.0) for those in (within, beside))
    print(
        f"{units:,} units: checkpoints written in {times} s; loop late by at most {worst:.0f} ms then, {usual:.0f} else"
    )
    server = Server(path).start()
    snapshot, resident = snapshot_of(server), memory_mb(server)
    server.stop()
    print(f"snapshot {snapshot / 1e6:.2f} MB, a server's memory {resident:.0f} MB, {packed(path)}, {quiet()}")


PARTS = ("day", "refold", "incidents", "units")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--events", type=int, default=24 * 3_600_000 // EVERY_MS * UNITS)
    parser.add_argument("--refolded", type=int, default=1_000_000)
    parser.add_argument("--incidents", type=int, default=100_000)
    parser.add_argument("--units", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, default=None, help="folder for the logs, which are kept")
    args = parser.parse_args()
    parts = args.parts or PARTS
    with tempfile.TemporaryDirectory() as work:
        folder = args.keep or Path(work)
        folder.mkdir(parents=True, exist_ok=True)
        if "day" in parts:
            measure_day(folder, args.events, args.rounds)
        if "refold" in parts:
            measure_refold(folder, args.refolded, args.rounds)
        if "incidents" in parts:
            measure_incidents(folder, args.incidents)
        if "units" in parts:
            asyncio.run(measure_units(folder, args.units))


if __name__ == "__main__":
    main()
