"""What looking back costs: a track out of millions of fixes, a moment of a shift, and what live requests notice of it.

    python tests/benchmarks/history.py [--fixes 10000000] [--units 1000] [--shift-units 200] [--hours 8] [--keep DIR]

*track*: a log of so many fixes of so many units at 1 Hz; an hour of one unit, as `GET /v1/units/{id}/track` reads it.
*past*: a shift with checkpoints as a node makes them, patrols that drive the demo's map at 1 fix/s and a call every
twelve minutes; moments of it, asked of a running node over HTTP, with the rankings of all open incidents, while another
client sends positions and times the answers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np

from geo_backup.demo.vehicles import Fleet
from geo_backup.eventlog import open_log
from geo_backup.eventlog.reading import Reader, index_beside
from geo_backup.events import AssignmentChanged, Event, IncidentClosed, IncidentOpened, UnitRegistered
from geo_backup.history.index import Index, Lookup
from geo_backup.history.track import track
from geo_backup.live_map import LiveMap, apply
from geo_backup.node.node import CHECKPOINT_EVERY
from geo_backup.roads.network import RoadNetwork
from geo_backup.rules import Rules
from geo_backup.wire import checkpoint, documents
from geo_backup.wire.times import to_text
from tests.running import GOTHENBURG, ServerInThread, network_of

T0_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
CALL_EVERY_S = 720


def percentiles(label: str, times_s: list[float]) -> str:
    p50, p95, p99 = (1000 * float(np.quantile(times_s, share)) for share in (0.5, 0.95, 0.99))
    return f"{label}: p50 {p50:.1f} ms, p95 {p95:.1f}, p99 {p99:.1f}, most {1000 * max(times_s):.1f} ({len(times_s)})"


def fixes_log(path: Path, fixes: int, units: int) -> None:
    """A log of nothing but fixes, written past the log's own writer, which would take an hour for it."""
    with closing(open_log(path, reserve_bytes=0)):
        pass

    def rows() -> Iterator[tuple[object, ...]]:
        for n in range(fixes):
            s, unit = divmod(n, units)
            at_ms = T0_MS + 1000 * s
            yield (
                n + 1,
                f"P{unit}",
                f"radio-{unit}",
                "avl",
                at_ms + 217,
                at_ms,
                11.9 + 1e-6 * s,
                57.7,
                12.5,
                271.3,
                4.0,
            )

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executemany("INSERT INTO fixes VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows())
        connection.commit()


def measure_track(folder: Path, fixes: int, units: int) -> None:
    path = folder / "fixes.sqlite"
    if not path.exists():
        fixes_log(path, fixes, units)
    began, spent = time.perf_counter(), time.process_time()
    with Reader(path) as reader, closing(Index(path, reader.epoch, reader.last_seq)) as index:
        new = reader.last_seq - index.reached("fixes")
        while index.add_fixes(reader):
            pass
    if new:
        spent = time.process_time() - spent
        print(f"index of {new:,} fixes: {time.perf_counter() - began:.0f} s, {1e6 * spent / new:.1f} us of a core each")
    sizes = [one.stat().st_size / fixes for one in (path, index_beside(path))]
    print(f"bytes a fix: log {sizes[0]:.0f}, index {sizes[1]:.0f}")
    seconds = fixes // units
    hours = min(HOUR_MS, 1000 * (seconds - 1))
    for label in ("warm", "cold"):
        times_s, chosen = [], random.Random(1)
        for _ in range(30):
            if label == "cold" and not dropped():
                break
            from_ms = T0_MS + 1000 * chosen.randrange(max(1, seconds - hours // 1000))
            began = time.perf_counter()
            with Reader(path) as reader, closing(Lookup(path)) as lookup:
                unit_id = f"P{chosen.randrange(units)}"
                found = track(reader, lookup, unit_id, from_ms, from_ms + hours, Rules().fix, (11.0, 57.0, 13.0, 59.0))
                document = documents.track(unit_id, from_ms, from_ms + hours, *found)
            times_s.append(time.perf_counter() - began)
            assert len(document["fixes"]) == hours // 1000 + 1
        if times_s:
            print(percentiles(f"an hour of a unit ({hours // 1000 + 1:,} fixes), {label}", times_s))


def dropped() -> bool:
    """Whether the system has forgotten what it had read of the disk."""
    try:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("1")
    except OSError:
        return False
    return True


def shift(network: RoadNetwork, units: int, hours: float) -> Iterator[Event]:
    """Patrols that drive, and calls that two of them go to."""
    fleet = Fleet(network, units, 1, T0_MS, ping_ms=1000)
    yield from (
        UnitRegistered(received_ms=T0_MS, unit_id=one.unit_id, callsign=one.callsign, agency="police", kind="patrol")
        for one in fleet.registrations(T0_MS)
    )
    idle, places = LiveMap(), random.Random(1)
    west, south, east, north = network.area.extent
    open_calls: list[tuple[int, str, list[str]]] = []
    for s in range(1, int(3600 * hours)):
        now_ms = T0_MS + 1000 * s
        yield from fleet.tick(now_ms, idle)
        if s % CALL_EVERY_S == 0:
            name, sent = f"call-{s}", [f"{places.randrange(units)}" for _ in range(2)]
            spot = (
                west + (east - west) * (0.3 + 0.4 * places.random()),
                south + (north - south) * (0.3 + 0.4 * places.random()),
            )
            yield IncidentOpened(received_ms=now_ms, incident_id=name, lon=spot[0], lat=spot[1], priority=1 + s % 4)
            for number in sent:
                unit_id = list(fleet.registrations(now_ms))[int(number)].unit_id
                yield AssignmentChanged(
                    received_ms=now_ms, incident_id=name, unit_id=unit_id, state="assigned", at_ms=now_ms, preempt=True
                )
            open_calls.append((s + 3_000, name, sent))
        while open_calls and open_calls[0][0] <= s:
            yield IncidentClosed(received_ms=now_ms, incident_id=open_calls.pop(0)[1])


def shift_log(path: Path, network: RoadNetwork, units: int, hours: float) -> None:
    async def written() -> None:
        live_map, batch = LiveMap(), list[Event]()
        with closing(open_log(path, reserve_bytes=0)) as log:
            for event in shift(network, units, hours):
                batch.append(event)
                apply(live_map, live_map.seq + 1, event)
                if live_map.seq % CHECKPOINT_EVERY == 0 or len(batch) == 5_000:
                    await log.append(batch)
                    batch = []
                    if live_map.seq % CHECKPOINT_EVERY == 0:
                        await asyncio.to_thread(log.save_snapshot, live_map.seq, checkpoint.pack(live_map))
            await log.append(batch)

    asyncio.run(written())


async def measure_past(server: ServerInThread, hours: float) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as http:
        times_s: dict[str, list[float]] = {"alone": [], "while moments are worked out": []}
        looks_s: list[float] = []
        sizes, begun = [], asyncio.Event()

        async def live(label: str, until: asyncio.Event) -> None:
            n = 0
            while not until.is_set():
                n += 1
                row = {"unit_id": "live", "fix_time": to_text(time.time_ns() // 1_000_000), "lon": 11.97, "lat": 57.7}
                began = time.perf_counter()
                answer = await http.post("/v1/positions", json={"positions": [row]})
                times_s[label].append(time.perf_counter() - began)
                assert answer.status_code == 202
                await asyncio.sleep(0.02)

        body = {"callsign": "live", "agency": "police", "kind": "patrol", "capabilities": []}
        assert (await http.put("/v1/units/live", json=body)).status_code in (200, 201)
        timer = asyncio.get_running_loop().call_later(10, begun.set)
        await live("alone", begun)
        timer.cancel()
        over = asyncio.Event()
        beside = asyncio.create_task(live("while moments are worked out", over))
        for n in range(20):
            at_ms = T0_MS + int(3_600_000 * hours * random.Random(n).random())
            began = time.perf_counter()
            answer = await http.get("/v1/past", params={"at": to_text(at_ms)})
            looks_s.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.text
            sizes.append((len(answer.json()["units"]), len(answer.json()["incidents"]), len(answer.json()["rankings"])))
        over.set()
        await beside
        print(f"units, open incidents, rankings of the moments: {sizes[0]} ... {sizes[-1]}")
        print(f"the first moment, its process begun for it: {1000 * looks_s[0]:.0f} ms")
        print(percentiles("a moment", looks_s[1:]))
        for label, some in times_s.items():
            print(percentiles(f"a live position, {label}", some))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixes", type=int, default=10_000_000)
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--shift-units", type=int, default=200)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--keep", type=Path, help="keep the logs here, and use those that are there")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        if asked.fixes:
            measure_track(folder, asked.fixes, asked.units)
        path = folder / "shift.sqlite"
        network = network_of(GOTHENBURG)
        if not path.exists():
            began = time.perf_counter()
            shift_log(path, network, asked.shift_units, asked.hours)
            print(f"a shift made: {time.perf_counter() - began:.0f} s")
        with Reader(path) as reader:
            print(f"a shift of {reader.last_seq:,} events, {path.stat().st_size / 1e6:.0f} MB")
        server = ServerInThread(path).start()
        try:
            asyncio.run(measure_past(server, asked.hours))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
