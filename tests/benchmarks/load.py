"""End to end under load: a ping goes in over HTTP, a frame comes out of the websocket; how long, how many bytes?

    python tests/benchmarks/load.py [--map DIR] [--seconds 20] [--json]

One server process as a user runs it (`geo-backup serve`, log on disk with synchronous=FULL); this process is the
other side: 1,000 simulated units at 1 ping/s in batches of 50, 20 open incidents, 50 viewers that decode every frame.
The latency of a position is from just before its batch is posted to its arrival at each viewer. Bytes are counted on
the wire (compressed, as a browser gets them) and after decompression.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
from websockets.asyncio.client import ClientConnection, connect

from geo_backup.cli import demo_map
from geo_backup.clock import Clock
from geo_backup.live_map import LiveMap
from geo_backup.roads.network import RoadNetwork
from geo_backup.simulate.fleet import Fleet
from geo_backup.wire.times import to_text

BATCH = 50


class CountedConnection(ClientConnection):
    """A websocket that counts what arrives on its socket."""

    wire_bytes = 0

    def data_received(self, data: bytes) -> None:
        self.wire_bytes += len(data)
        super().data_received(data)


class Watcher:
    """One viewer: it keeps the latest value of each position and notes when each came."""

    def __init__(self) -> None:
        self.positions: dict[str, list[Any]] = {}
        self.came: list[tuple[str, int, float]] = []
        self.text_bytes = self.wire_bytes = self.frames = 0
        self.counting = False

    async def run(self, url: str) -> None:
        async with connect(url, max_size=1 << 26, create_connection=CountedConnection, proxy=None) as link:
            await link.send(
                json.dumps({"type": "hello", "topics": ["units", "positions", "incidents", "rankings", "closures"]})
            )
            before = 0
            async for text in link:
                now = time.perf_counter()
                message = orjson.loads(text)
                positions = message.get("positions", {})
                self.positions.update(positions)
                if self.counting:
                    self.wire_bytes += link.wire_bytes - before
                    self.text_bytes += len(text)
                    self.frames += message["type"] == "frame"
                    self.came.extend((unit, value[4], now) for unit, value in positions.items())
                before = link.wire_bytes


def cpu_and_memory(pid: int) -> tuple[float, float]:
    """CPU seconds so far and resident MB of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0, int(fields[21]) * 4096 / 1e6


async def measure(url: str, pid: int, network: RoadNetwork, args: argparse.Namespace) -> dict[str, Any]:
    """Drive the load and return the figures."""
    clock, empty = Clock("live"), LiveMap()
    fleet = Fleet(network, args.units, 7, clock.now_ms(), ping_ms=1_000)
    sent: dict[tuple[str, int], float] = {}
    latest: dict[str, int] = {}
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        for event in fleet.registrations(clock.now_ms()):
            body = {"callsign": event.callsign, "agency": event.agency, "kind": "patrol", "capabilities": []}
            (await http.put(f"/v1/units/{event.unit_id}", json=body)).raise_for_status()
        rng = np.random.default_rng(3)
        for _ in range(args.incidents):
            edge = int(rng.integers(network.edges))
            lon, lat = network.edge_line(edge)[0]
            reply = await http.post("/v1/incidents", json={"lon": lon, "lat": lat, "priority": 2})
            reply.raise_for_status()
        watchers = [Watcher() for _ in range(args.viewers)]
        feed = url.replace("http", "ws") + "/v1/feed"
        tasks = [asyncio.create_task(watcher.run(feed)) for watcher in watchers]
        posts: list[float] = []

        async def post(batch: list[Any]) -> None:
            rows = []
            started = time.perf_counter()
            for event in batch:
                fix = event.fix
                sent[event.unit_id, fix.fix_ms] = started
                latest[event.unit_id] = fix.fix_ms
                row = {"unit_id": event.unit_id, "fix_time": to_text(fix.fix_ms), "lon": fix.lon, "lat": fix.lat}
                rows.append({**row, "speed_mps": fix.speed_mps, "course_deg": fix.course_deg})
            reply = await http.post("/v1/positions", content=orjson.dumps({"positions": rows}))
            answer = reply.json()
            if reply.status_code != 202 or answer["refused"]:
                raise RuntimeError(f"the server refused: {reply.status_code} {str(answer)[:300]}")
            posts.append(time.perf_counter() - started)

        waiting: list[Any] = []
        pings = 0
        warm_until = time.perf_counter() + 5.0
        end = warm_until + args.seconds
        cpu_before = 0.0
        counting_since = 0.0
        running: set[asyncio.Task[None]] = set()
        while time.perf_counter() < end:
            if not counting_since and time.perf_counter() >= warm_until:
                counting_since = time.perf_counter()
                cpu_before = cpu_and_memory(pid)[0]
                posts.clear()
                pings = 0
                for watcher in watchers:
                    watcher.counting = True
            waiting += [event for event in fleet.tick(clock.now_ms(), empty) if hasattr(event, "fix")]
            while len(waiting) >= BATCH:
                batch, waiting = waiting[:BATCH], waiting[BATCH:]
                pings += len(batch)
                task = asyncio.create_task(post(batch))
                running.add(task)
                task.add_done_callback(running.discard)
            await asyncio.sleep(0.01)
        elapsed = time.perf_counter() - counting_since
        cpu, memory_mb = cpu_and_memory(pid)
        await asyncio.gather(*running)
        for watcher in watchers:
            watcher.counting = False
        await asyncio.sleep(1.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    delays_ms = np.array(
        [
            1_000 * (came - sent[unit, fix_ms])
            for watcher in watchers
            for unit, fix_ms, came in watcher.came
            if (unit, fix_ms) in sent
        ]
    )
    complete = sum(
        all(watcher.positions.get(unit, [0] * 5)[4] == fix_ms for unit, fix_ms in latest.items())
        for watcher in watchers
    )
    return {
        "units": args.units,
        "incidents": args.incidents,
        "viewers": args.viewers,
        "seconds": round(elapsed, 1),
        "pings_per_s": round(pings / elapsed),
        "frames_per_s_and_viewer": round(sum(w.frames for w in watchers) / elapsed / args.viewers, 1),
        "latency_ms": {f"p{q}": round(float(np.percentile(delays_ms, q)), 1) for q in (50, 90, 99, 100)},
        "post_ms": {f"p{q}": round(1_000 * float(np.percentile(posts, q)), 1) for q in (50, 99)},
        "wire_kB_per_s_and_viewer": round(sum(w.wire_bytes for w in watchers) / elapsed / args.viewers / 1e3, 1),
        "text_kB_per_s_and_viewer": round(sum(w.text_bytes for w in watchers) / elapsed / args.viewers / 1e3, 1),
        "server_cpu_share_of_one_core": round((cpu - cpu_before) / elapsed, 2),
        "server_memory_MB": round(memory_mb),
        "viewers_with_every_latest_value": complete,
    }


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, default=None, help="map folder; default: the demo's Gothenburg")
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--incidents", type=int, default=20)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    folder = args.map or demo_map()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as work:
        command = ["serve", "--map", str(folder), "--log", f"{work}/load.sqlite", "--port", str(port)]
        server = subprocess.Popen([sys.executable, "-m", "geo_backup", *command], stderr=subprocess.DEVNULL)
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{url}/readyz", timeout=1).read()
                    break
                except OSError:
                    time.sleep(0.2)
            figures = asyncio.run(measure(url, server.pid, RoadNetwork.load(folder), args))
        finally:
            server.terminate()
            server.wait(30)
    figures["machine"] = f"{platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    if args.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):38} {value}")


if __name__ == "__main__":
    main()
