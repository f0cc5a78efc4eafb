"""End to end under load: a ping goes in over HTTP, a frame comes out of the websocket; how long, how many bytes?

    python tests/benchmarks/load.py [--map DIR] [--viewers 50] [--seconds 20] [--broker]
        [--on-the-way] [--no-learning] [--json]

One server process as a user runs it (`geo-backup serve`, log on disk with synchronous=FULL). The other side is two
processes, so that it times the server and not itself: one simulates 1,000 units at 1 ping/s and posts them in batches
of 50; the other holds the viewers, which ask for what a browser asks for and count what arrives on their sockets
without looking at it, but for a few among them (`--timed`) that decode their frames and note when each position came.
The latency of a position is from just before its batch is posted to its arrival at each of these.

`--broker` sends the same batches through a bare nats-server to as many subscribers first: what a fan-out costs here
that keeps no log, no map and no ranking. `--on-the-way` has all units say that they are, so that the server learns
from their drives (a minute and more, or nothing is learned); `--no-learning` forbids it that.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import multiprocessing
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
from websockets.asyncio.client import ClientConnection, connect

from geo_backup.cli import demo_map
from geo_backup.demo.vehicles import Fleet
from geo_backup.live_map import LiveMap
from geo_backup.node.clock import Clock
from geo_backup.roads.network import RoadNetwork
from geo_backup.wire.times import to_text

BATCH = 50
WARM_S = 5.0
HELLO = json.dumps({"type": "hello", "topics": ["units", "positions", "incidents", "rankings", "closures"]})
OFFER = "permessage-deflate; client_max_window_bits"
Sent = dict[tuple[str, int], float]


class Discarding(asyncio.Protocol):
    """A viewer that counts bytes. It offers the compression that a browser offers."""

    def __init__(self) -> None:
        self.wire_bytes = 0
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        head = "GET /v1/feed HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Extensions: {OFFER}\r\n\r\n"
        transport.write(head.encode())

    def data_received(self, data: bytes) -> None:
        if not self._open:
            self._open = True
            # one text frame under a mask of zeros
            self._transport.write(bytes([0x81, 0x80 | len(HELLO)]) + bytes(4) + HELLO.encode())
        self.wire_bytes += len(data)


class CountedConnection(ClientConnection):
    """A websocket that counts what arrives on its socket."""

    wire_bytes = 0

    def data_received(self, data: bytes) -> None:
        self.wire_bytes += len(data)
        super().data_received(data)


class Timed:
    """A viewer that keeps the latest value of each position and notes when each came."""

    def __init__(self) -> None:
        self.positions: dict[str, list[Any]] = {}
        self.came: list[tuple[str, int, float]] = []
        self.text_bytes = self.frames = 0
        self.counting = False

    async def run(self, url: str) -> None:
        async with connect(url, max_size=1 << 26, create_connection=CountedConnection, proxy=None) as link:
            await link.send(HELLO)
            async for text in link:
                now = time.perf_counter()
                if not self.counting and '"frame"' in text[:30]:
                    continue  # what comes before is not timed, and the last values are all sent again and again
                message = orjson.loads(text)
                positions = message.get("positions", {})
                self.positions.update(positions)
                self.text_bytes += len(text)
                self.frames += message["type"] == "frame"
                self.came.extend((unit, value[4], now) for unit, value in positions.items())


def post_pings(url: str, folder: Path, args: argparse.Namespace, told: Any) -> None:
    """The generator's process: units, incidents, then pings until it is time; it tells what it sent when."""
    asyncio.run(_post_pings(url, RoadNetwork.load(folder), args, told))


async def _post_pings(url: str, network: RoadNetwork, args: argparse.Namespace, told: Any) -> None:
    clock, empty = Clock("live"), LiveMap()
    fleet = Fleet(network, args.units, 7, clock.now_ms(), ping_ms=1_000)
    sent: Sent = {}
    posts: list[tuple[float, float]] = []
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        for event in fleet.registrations(clock.now_ms()):
            body = {"callsign": event.callsign, "agency": event.agency, "kind": "patrol", "capabilities": []}
            (await http.put(f"/v1/units/{event.unit_id}", json=body)).raise_for_status()
            if getattr(args, "on_the_way", False):
                said = {"status": "en_route"}
                (await http.put(f"/v1/units/{event.unit_id}/status", json=said)).raise_for_status()
        if getattr(args, "no_learning", False):
            (await http.put("/v1/rules", json={"pace": {"learn": 0}})).raise_for_status()
        rng = np.random.default_rng(3)
        for _ in range(args.incidents):
            lon, lat = network.edge_line(int(rng.integers(network.edges)))[0]
            (await http.post("/v1/incidents", json={"lon": lon, "lat": lat, "priority": 2})).raise_for_status()
        told.send("ready")

        async def post(batch: list[Any]) -> None:
            rows, began = [], time.perf_counter()
            for event in batch:
                fix = event.fix
                sent[event.unit_id, fix.fix_ms] = began
                row = {"unit_id": event.unit_id, "fix_time": to_text(fix.fix_ms), "lon": fix.lon, "lat": fix.lat}
                rows.append({**row, "speed_mps": fix.speed_mps, "course_deg": fix.course_deg})
            reply = await http.post("/v1/positions", content=orjson.dumps({"positions": rows}))
            if reply.status_code != 202 or reply.json()["refused"]:
                raise RuntimeError(f"the server refused: {reply.status_code} {reply.text[:300]}")
            posts.append((began, time.perf_counter() - began))

        end = time.perf_counter() + WARM_S + args.seconds
        waiting: list[Any] = []
        running: set[asyncio.Task[None]] = set()
        while time.perf_counter() < end:
            waiting += [event for event in fleet.tick(clock.now_ms(), empty) if hasattr(event, "fix")]
            while len(waiting) >= BATCH:
                batch, waiting = waiting[:BATCH], waiting[BATCH:]
                running.add(task := asyncio.create_task(post(batch)))
                task.add_done_callback(running.discard)
            await asyncio.sleep(0.01)
        await asyncio.gather(*running)
    told.send((sent, posts))


def cpu_and_memory(pid: int) -> tuple[float, float]:
    """CPU seconds so far and resident MB of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0, int(fields[21]) * 4096 / 1e6


async def measure(url: str, pid: int, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Hold the viewers while another process drives the load; the figures."""
    here, there = multiprocessing.Pipe()
    generator = multiprocessing.get_context("spawn").Process(target=post_pings, args=(url, folder, args, there))
    generator.start()
    assert await asyncio.to_thread(here.recv) == "ready"
    loop, port = asyncio.get_running_loop(), int(url.rpartition(":")[2])
    timed = [Timed() for _ in range(min(args.timed, args.viewers))]
    tasks = [loop.create_task(viewer.run(url.replace("http", "ws") + "/v1/feed")) for viewer in timed]
    discarding = [
        (await loop.create_connection(Discarding, "127.0.0.1", port))[1] for _ in range(args.viewers - len(timed))
    ]
    await asyncio.sleep(WARM_S)
    began, (cpu_before, memory_before_mb) = time.perf_counter(), cpu_and_memory(pid)
    wire_before = sum(viewer.wire_bytes for viewer in discarding)
    for viewer in timed:
        viewer.counting = True
    await asyncio.sleep(args.seconds - 1)
    elapsed, (cpu, memory_mb) = time.perf_counter() - began, cpu_and_memory(pid)
    wire_bytes = sum(viewer.wire_bytes for viewer in discarding) - wire_before
    text_bytes, frames = sum(viewer.text_bytes for viewer in timed), sum(viewer.frames for viewer in timed)
    sent, posts = await asyncio.to_thread(here.recv)
    generator.join()
    await asyncio.sleep(1.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    latest: dict[str, int] = {}
    for unit, fix_ms in sent:
        latest[unit] = max(fix_ms, latest.get(unit, 0))
    delays_ms = [1_000 * (came - sent[unit, fix_ms]) for viewer in timed for unit, fix_ms, came in viewer.came]
    complete = sum(
        all(viewer.positions.get(unit, [0] * 5)[4] == fix_ms for unit, fix_ms in latest.items()) for viewer in timed
    )
    return {
        "units": args.units,
        "incidents": args.incidents,
        "viewers": args.viewers,
        "seconds": round(elapsed, 1),
        "pings_per_s": round(sum(began <= at < began + elapsed for at in sent.values()) / elapsed),
        "frames_per_s_and_viewer": round(frames / elapsed / len(timed), 1),
        "latency_ms": quantiles(delays_ms, (50, 90, 99, 100)),
        "post_ms": quantiles([1_000 * took for at, took in posts if at >= began], (50, 99)),
        "wire_kB_per_s_and_viewer": round(wire_bytes / elapsed / max(1, len(discarding)) / 1e3, 1),
        "text_kB_per_s_and_viewer": round(text_bytes / elapsed / len(timed) / 1e3, 1),
        "server_cpu_share_of_one_core": round((cpu - cpu_before) / elapsed, 2),
        "server_memory_MB": [round(memory_before_mb), round(memory_mb)],
        "timed_viewers_with_every_latest_value": f"{complete} of {len(timed)}",
    }


def quantiles(values_ms: list[float], which: tuple[int, ...]) -> dict[str, float]:
    """p50 and the like."""
    return {f"p{q}": round(float(np.percentile(values_ms, q)), 1) for q in which}


async def bare_broker(args: argparse.Namespace) -> dict[str, float]:
    """The same batches through nats-server, whose protocol is lines of text, to as many subscribers."""
    port = free_port()
    broker = await asyncio.create_subprocess_exec("nats-server", "-a", "127.0.0.1", "-p", str(port), stderr=-3)
    row = {"unit_id": "S-1000", "fix_time": to_text(0), "lon": 11.97, "lat": 57.7, "speed_mps": 9.5, "course_deg": 80.1}
    batch = orjson.dumps({"positions": [row] * BATCH})
    delays_ms: list[float] = []

    async def link() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        writer.write(b'CONNECT {"verbose":false}\r\n')
        return reader, writer

    async def subscribe(timed: bool) -> None:
        reader, writer = await link()
        writer.write(b"SUB feed 1\r\n")
        while timed:
            line = await reader.readline()
            if line.startswith(b"MSG"):
                text = await reader.readexactly(int(line.split()[-1]) + 2)
                delays_ms.append(1_000 * (time.perf_counter() - float(text[:20])))
        while await reader.read(1 << 16):
            pass

    try:
        await reached(link)
        tasks = [asyncio.create_task(subscribe(n < args.timed)) for n in range(args.viewers)]
        _, writer = await link()
        await asyncio.sleep(1.0)
        every_s = BATCH / args.units
        for _ in range(int(args.seconds / every_s)):
            text = f"{time.perf_counter():20.9f}".encode() + batch
            writer.write(b"PUB feed %d\r\n%b\r\n" % (len(text), text))
            await asyncio.sleep(every_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        broker.terminate()
        await broker.wait()
    return quantiles(delays_ms, (50, 90, 99, 100))


async def reached(ask: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Wait for a port to open."""
    for _ in range(100):
        try:
            await ask()
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return
    raise RuntimeError("nats-server did not start")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, default=None, help="map folder; default: the demo's Gothenburg")
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--incidents", type=int, default=20)
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--timed", type=int, default=5, help="how many of the viewers decode their frames")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--broker", action="store_true", help="the same batches through a bare nats-server first")
    parser.add_argument("--on-the-way", action="store_true", help="the server learns from the drives of all units")
    parser.add_argument("--no-learning", action="store_true", help="it does not")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    folder, port = args.map or demo_map(), free_port()
    url = f"http://127.0.0.1:{port}"
    broker = asyncio.run(bare_broker(args)) if args.broker and shutil.which("nats-server") else None
    with tempfile.TemporaryDirectory() as work:
        command = ["serve", "--map", str(folder), "--log", f"{work}/load.sqlite", "--port", str(port)]
        server = subprocess.Popen([sys.executable, "-m", "geo_backup", *command], stderr=subprocess.DEVNULL)
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"{url}/readyz", timeout=1).read()
                    break
                except OSError:
                    time.sleep(0.2)
            figures = asyncio.run(measure(url, server.pid, folder, args))
        finally:
            server.terminate()
            server.wait(30)
    figures["bare_broker_latency_ms"] = broker
    figures["machine"] = f"{platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    if args.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):38} {value}")


if __name__ == "__main__":
    main()
