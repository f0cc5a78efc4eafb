"""What an append costs: `python tests/benchmarks/append.py [ROUNDS]`.

Prints wall and processor time of a ping in microseconds, for pings that come alone, from many at once, and in batches.
Compare two versions in alternation, on one machine; the least of several rounds says what the code costs.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

from geo_backup.eventlog import EventLog, open_log
from geo_backup.events import Fix, PositionReported

T0_MS = 1_700_000_000_000
UNITS = 300


def ping(n: int) -> PositionReported:
    at_ms = T0_MS + n * 100
    fix = Fix(at_ms, 11.97 + n * 1e-7, 57.7 - n * 1e-7, 12.5, 271.3, 4.0)
    return PositionReported(
        received_ms=at_ms + 217, said_by="avl", unit_id=f"P{n % UNITS}", device_id=f"radio-{n % UNITS}", fix=fix
    )


async def alone(log: EventLog, pings: list[PositionReported]) -> None:
    for one in pings:
        await log.append([one])


async def many(log: EventLog, pings: list[PositionReported]) -> None:
    async def source(k: int) -> None:
        for one in pings[k::64]:
            await log.append([one])

    await asyncio.gather(*(source(k) for k in range(64)))


async def batches(log: EventLog, pings: list[PositionReported]) -> None:
    for start in range(0, len(pings), 500):
        await log.append(pings[start : start + 500])


def measure(way: Callable[[EventLog, list[PositionReported]], Awaitable[None]], count: int) -> tuple[float, float]:
    """(wall, processor) microseconds a ping."""
    pings = [ping(n) for n in range(count)]
    with (
        tempfile.TemporaryDirectory(dir=".") as folder,
        closing(open_log(Path(folder) / "log", reserve_bytes=0)) as log,
    ):

        async def timed() -> tuple[float, float]:
            await log.append([ping(0)])
            wall, processor = time.perf_counter(), time.process_time()
            await way(log, pings)
            return time.perf_counter() - wall, time.process_time() - processor

        wall_s, processor_s = asyncio.run(timed())
    return wall_s / count * 1e6, processor_s / count * 1e6


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for way, count in ((alone, 2_000), (many, 20_000), (batches, 50_000)):
        results = [measure(way, count) for _ in range(rounds)]
        wall, processor = (min(column) for column in zip(*results, strict=True))
        print(f"{way.__name__:8} {wall:8.1f} us wall {processor:8.2f} us processor a ping")


if __name__ == "__main__":
    main()
