"""What a request costs: processor time of the whole process, asked in process over httpx, with nobody configured and
with a token; beside an older version of the program, where one is named.

    python tests/benchmarks/asking.py [--before CHECKOUT] [--rounds N] [--map DIR]

Every manner is a process of its own, and they are asked in turns of some 30 ms, since the machine's speed changes from
one second to the next: medians of all questions, and the median of what each turn took against the same turn of the
older version. The application is asked without a port, so the times hold httpx's own share, which is told too, and none
of uvicorn's. The log is on disk with synchronous=FULL; its writer's thread counts.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from geo_backup.cli import demo_map
from geo_backup.eventlog import open_log
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.roads.network import RoadNetwork
from geo_backup.server.app import create_app
from geo_backup.wire.times import to_text

UNITS = 100
TURN = {"POST /v1/positions, one": 30, "POST /v1/positions, hundred": 6, "GET /v1/units/ID": 80, "httpx alone": 80}
"""What is asked, and how often in a turn."""
HERE = Path(__file__).resolve().parents[2]


class Manner:
    """One process that asks itself, as it is told over its standard input."""

    def __init__(self, name: str, checkout: Path, who: str, area: Path, held: ExitStack) -> None:
        self.name = name
        self.turns: dict[str, list[list[float]]] = {question: [] for question in TURN}
        folder = held.enter_context(tempfile.TemporaryDirectory())
        command = [sys.executable, __file__, "--worker", who, "--folder", folder, "--map", str(area)]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        self._process = subprocess.Popen(
            command, cwd=checkout, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        held.callback(self._process.wait)
        held.callback(self._to.close)

    @property
    def _to(self) -> Any:
        return self._process.stdin

    def ask(self, question: str) -> None:
        """One turn."""
        print(question, file=self._to, flush=True)
        assert self._process.stdout is not None
        self.turns[question].append(json.loads(self._process.stdout.readline()))

    def forget(self) -> None:
        """What was asked so far was to get warm."""
        self.turns = {question: [] for question in TURN}


async def worker(network: RoadNetwork, folder: Path, who: str) -> None:
    """Ask what standard input says; the CPU microseconds of each question."""
    node = Node(network, open_log(folder / "log.sqlite", reserve_bytes=0), Clock("live"))
    await node.start()
    given: dict[str, Any] = {}
    token = ""
    if who == "token":  # before there were people nobody needs them
        from geo_backup.people import Roster

        roster = Roster(folder / "people.sqlite")
        token = roster.tokens.issue("cad", "program", agency="*", roles=("dispatcher", "supervisor"), by="benchmark")
        given = {"roster": roster}
    app = create_app(node, **given)
    gc.collect()
    gc.freeze()  # as a server does
    lon, lat = network.middle
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    about = {"callsign": "a", "agency": "police", "kind": "patrol", "capabilities": []}
    asked = 0

    async with (
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", headers=headers) as http,
        httpx.AsyncClient(transport=httpx.ASGITransport(_says_nothing), base_url="http://localhost") as bare,
    ):
        for n in range(UNITS):
            assert (await http.put(f"/v1/units/U{n}", json=about)).is_success

        async def ping(units: int) -> httpx.Response:
            nonlocal asked
            asked += 1
            at = {"fix_time": to_text(node.clock.now_ms()), "lat": lat, "speed_mps": 3.0}
            rows = [{"unit_id": f"U{n}", "lon": lon + n * 1e-5 + asked % 999 * 1e-6, **at} for n in range(units)]
            return await http.post("/v1/positions", json={"positions": rows})

        asks: dict[str, Callable[[], Awaitable[httpx.Response]]] = {
            "POST /v1/positions, one": lambda: ping(1),
            "POST /v1/positions, hundred": lambda: ping(UNITS),
            "GET /v1/units/ID": lambda: http.get("/v1/units/U1"),
            "httpx alone": lambda: bare.get("/v1/units/U1"),
        }
        for line in iter(sys.stdin.readline, ""):
            took, ask = [], asks[line.strip()]
            for _ in range(TURN[line.strip()]):
                began = time.process_time()
                answer = await ask()
                took.append((time.process_time() - began) * 1e6)
                assert answer.is_success, answer.text
            print(json.dumps(took), flush=True)
    await node.stop()


async def _says_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def compare(before: Path | None, rounds: int, area: Path) -> None:
    """Ask every manner in turns, and print what it took."""
    with ExitStack() as held:
        manners = [Manner("before", before, "open", area, held)] if before else []
        manners += [Manner("open", HERE, "open", area, held), Manner("a token", HERE, "token", area, held)]
        for round_ in range(rounds + 3):
            if round_ == 3:
                for manner in manners:
                    manner.forget()
            for question in TURN:
                for manner in manners if round_ % 2 else reversed(manners):
                    manner.ask(question)
    print(f"Python {platform.python_version()}, {platform.machine()}, {rounds} turns; CPU us, median")
    print(f"{'':28}" + "".join(f"{manner.name:>18}" for manner in manners))
    for question in TURN:
        line = f"{question:28}"
        for manner in manners:
            mine = manner.turns[question]
            line += f"{statistics.median(took for turn in mine for took in turn):10,.0f}"
            pairs = zip(mine, manners[0].turns[question], strict=True)
            against = statistics.median(statistics.median(a) / statistics.median(b) for a, b in pairs)
            line += f" {against - 1:+6.1%}" if before and manner is not manners[0] else " " * 8
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, default=None, help="checkout of an older version to ask in turns with")
    parser.add_argument("--rounds", type=int, default=40, help="turns of each question")
    parser.add_argument("--map", type=Path, default=None, help="map folder; default: the demo's Gothenburg")
    parser.add_argument("--worker", choices=("open", "token"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    area = (given.map or demo_map()).resolve()
    if given.worker is None:
        compare(given.before and given.before.resolve(), given.rounds, area)
    else:
        asyncio.run(worker(RoadNetwork.load(area), given.folder, given.worker))


if __name__ == "__main__":
    main()
