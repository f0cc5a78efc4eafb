"""How long from an officer's press to a viewer's frame, while others keep the server busy?

    python tests/benchmarks/starve.py [--map DIR] [--units 1000] [--presses 20] [--case NAME ...] [--json]

The server is a process as a user runs it (`geo-backup serve`), those who keep it busy are another process that reads
and never decodes, and this one presses and watches. A press is timed from just before it is posted until a viewer of
incidents has its frame.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import connect

from geo_backup.cli import demo_map
from geo_backup.roads.network import RoadNetwork

CASES = (
    "nothing", "4 readers", "32 readers", "4 uploads of beats", "8 reach maps", "4 x 1000 ranks", "4 x 10000 starts",
    "32 snapshots",
)  # fmt: skip


def beats(extent: tuple[float, float, float, float], corners: int) -> bytes:
    """Beats of about 40 bytes a corner: 350,000 corners are 14 MB."""
    west, south, east, north = extent
    features, side, each = [], 20, corners // 400
    for row in range(side):
        for column in range(side):
            x0, y0 = west + (east - west) * column / side, south + (north - south) * row / side
            x1, y1 = x0 + (east - west) / side * 0.9, y0 + (north - south) / side * 0.9
            ring = [[x0 + (x1 - x0) * n / each, y0 + 1e-7 * (n % 2)] for n in range(each)]
            ring += [[x1, y1], [x0, y1], ring[0]]
            features.append(
                {
                    "type": "Feature",
                    "properties": {"beat_id": f"{row}-{column}"},
                    "geometry": {"type": "Polygon", "coordinates": [ring]},
                }
            )
    return orjson.dumps({"type": "FeatureCollection", "features": features})


def keep_busy(url: str, case: str, extent: tuple[float, float, float, float], ready: Event) -> None:
    """Until ended: the clients of a case, each with its next question as soon as the last is answered."""
    lon, lat = (extent[0] + extent[2]) / 2, (extent[1] + extent[3]) / 2
    upload = beats(extent, 350_000) if "beats" in case else b""
    etas = orjson.dumps({"target": [lon, lat], "starts": [[lon + n * 1e-6, lat] for n in range(10_000)]})

    ready.set()

    async def ask(http: httpx.AsyncClient) -> None:
        while True:
            try:
                if "readers" in case:
                    answer = await http.get("/v1/units")
                elif "beats" in case:
                    answer = await http.put("/v1/beats", content=upload, headers={"Content-Type": "application/json"})
                elif "reach" in case:
                    answer = await http.get("/v1/incidents/i-0/reach?minutes=2,5,10,15,20")
                elif "ranks" in case:
                    answer = await http.get("/v1/incidents/i-0/ranking?limit=1000")
                else:
                    answer = await http.post("/v1/etas", content=etas, headers={"Content-Type": "application/json"})
                if answer.status_code in (429, 503):
                    await asyncio.sleep(1.0)
            except httpx.HTTPError:
                await asyncio.sleep(0.1)

    async def look() -> None:
        topics = ["units", "positions", "incidents", "rankings", "closures"]
        while True:
            async with connect(url.replace("http", "ws") + "/v1/feed", max_size=1 << 27, proxy=None) as link:
                await link.send(json.dumps({"type": "hello", "topics": topics}))
                await link.recv()

    async def all_of_them() -> None:
        many = int(case.split()[0])
        async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as http:
            await asyncio.gather(*(look() if "snapshots" in case else ask(http) for _ in range(many)))

    asyncio.run(all_of_them())


async def settle(url: str, units: int, extent: tuple[float, float, float, float]) -> None:
    """A fleet all over the map, and an incident in its middle."""
    west, south, east, north = extent
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        for first in range(0, units, 500):
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            rows = [
                {
                    "unit_id": f"U{n}",
                    "fix_time": now,
                    "lon": west + (east - west) * (0.1 + 0.8 * (n * 7919 % units) / units),
                    "lat": south + (north - south) * (0.1 + 0.8 * n / units),
                }
                for n in range(first, min(first + 500, units))
            ]
            (await http.post("/v1/positions", json={"positions": rows})).raise_for_status()
        place = {"lon": (west + east) / 2, "lat": (south + north) / 2, "priority": 3, "incident_id": "i-0"}
        (await http.post("/v1/incidents", json=place)).raise_for_status()


async def press(url: str, presses: int) -> list[float]:
    """Seconds from each press to its frame."""
    took = []
    async with (
        httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as http,
        connect(url.replace("http", "ws") + "/v1/feed", max_size=1 << 27, proxy=None) as link,
    ):
        await link.send('{"type": "hello", "topics": ["incidents"]}')
        await link.recv()
        for n in range(presses):
            await asyncio.sleep(0.37)
            began = time.perf_counter()
            posted = asyncio.create_task(
                http.post("/v1/emergencies", json={"unit_id": f"U{n}", "emergency_id": f"e-{n}"})
            )
            while f"e-{n}" not in orjson.loads(await link.recv()).get("incidents", {}):
                pass
            took.append(time.perf_counter() - began)
            (await posted).raise_for_status()
    return took


def cpu_and_memory(pid: int) -> tuple[float, float]:
    """CPU seconds so far and resident MB of a process (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100.0, int(fields[21]) * 4096 / 1e6


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int]]:
    """A server's URL and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as work:
        command = ["serve", "--map", str(folder), "--log", f"{work}/log.sqlite", "--port", str(port), "--adopt-unknown"]
        server = subprocess.Popen([sys.executable, "-m", "geo_backup", *command], stderr=subprocess.DEVNULL)
        try:
            for _ in range(600):
                try:
                    httpx.get(f"{url}/readyz", trust_env=False)
                    break
                except httpx.HTTPError:
                    time.sleep(0.2)
            yield url, server.pid
        finally:
            server.terminate()
            server.wait(60)


def measure(folder: Path, case: str, units: int, presses: int) -> dict[str, Any]:
    """The figures of one case, on a server of its own."""
    extent = RoadNetwork.load(folder).area.extent
    with served(folder) as (url, pid):
        asyncio.run(settle(url, units, extent))
        busy = None
        if case != "nothing":
            context = multiprocessing.get_context("spawn")
            ready = context.Event()
            busy = context.Process(target=keep_busy, args=(url, case, extent, ready), daemon=True)
            busy.start()
            ready.wait()
            time.sleep(2.0)
        try:
            took = asyncio.run(press(url, presses))
        finally:
            memory_mb = cpu_and_memory(pid)[1]
            if busy is not None:
                busy.terminate()
                busy.join()
    return {
        "case": case,
        "median_ms": round(1_000 * statistics.median(took)),
        "worst_ms": round(1_000 * max(took)),
        "server_memory_MB": round(memory_mb),
    }


def main() -> None:
    """Measure each case and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, default=None, help="map folder; default: the demo's Gothenburg")
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--presses", type=int, default=20)
    parser.add_argument("--case", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    for case in args.case:
        figures = measure(args.map or demo_map(), case, args.units, args.presses)
        print(json.dumps(figures) if args.json else "  ".join(f"{k} {v}" for k, v in figures.items()), flush=True)


if __name__ == "__main__":
    main()
