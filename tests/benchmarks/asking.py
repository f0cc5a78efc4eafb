"""What a request costs: processor time of the whole process, asked in process over httpx, with nobody configured and
with a token.

    python tests/benchmarks/asking.py [--map DIR]

The application is asked without a port, so the times hold httpx's own share and none of uvicorn's. Medians, with the
fastest. The log is on disk with synchronous=FULL; its writer's thread counts.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from geo_backup.cli import demo_map
from geo_backup.eventlog import open_log
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.people import Roster
from geo_backup.roads.network import RoadNetwork
from geo_backup.server.app import create_app
from geo_backup.wire.times import to_text

UNITS = 100


async def timed(times: int, ask: Callable[[int], Awaitable[httpx.Response]]) -> str:
    """CPU microseconds of a question."""
    took = []
    for i in range(times):
        began = time.process_time()
        answer = await ask(i)
        took.append((time.process_time() - began) * 1e6)
        assert answer.is_success, answer.text
    return f"{statistics.median(took):7,.0f}  ({min(took):,.0f})"


async def run(network: RoadNetwork, folder: Path, with_token: bool) -> None:
    node = Node(network, open_log(folder / "log.sqlite", reserve_bytes=0), Clock("live"))
    await node.start()
    given: dict[str, Any] = {}
    if with_token:
        roster = Roster(folder / "people.sqlite")
        token = roster.tokens.issue("cad", "program", agency="*", roles=("dispatcher", "supervisor"), by="benchmark")
        given = {"roster": roster}
    app = create_app(node, **given)
    gc.collect()
    gc.freeze()  # as a server does
    lon, lat = network.middle
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        if with_token:
            http.headers["Authorization"] = f"Bearer {token}"
        about = {"callsign": "a", "agency": "police", "kind": "patrol", "capabilities": []}
        for n in range(UNITS):
            assert (await http.put(f"/v1/units/U{n}", json=about)).is_success

        async def ping(units: int, i: int) -> httpx.Response:
            at = {"fix_time": to_text(node.clock.now_ms()), "lat": lat, "speed_mps": 3.0}
            rows = [{"unit_id": f"U{n}", "lon": lon + n * 1e-5 + i * 1e-6, **at} for n in range(units)]
            return await http.post("/v1/positions", json={"positions": rows})

        who = "a token" if with_token else "open"
        await timed(200, lambda i: ping(1, i))
        print(f"{who:8} POST /v1/positions, one     {await timed(600, lambda i: ping(1, i))}")
        print(f"{who:8} POST /v1/positions, hundred {await timed(150, lambda i: ping(UNITS, i))}")
        print(f"{who:8} GET /v1/units/ID            {await timed(1_500, lambda i: http.get('/v1/units/U1'))}")
    await node.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, default=None, help="map folder; default: the demo's Gothenburg")
    network = RoadNetwork.load(parser.parse_args().map or demo_map())
    print(f"Python {platform.python_version()}, {platform.machine()}; CPU us, median (fastest)")
    for with_token in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(run(network, Path(folder), with_token))


if __name__ == "__main__":
    main()
