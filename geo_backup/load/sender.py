"""Sender: posts the positions of all units when they are due, whether or not the server has answered the last ones."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import numpy as np
import orjson

from geo_backup.load.figures import Load, Span, Stamp, quantiles
from geo_backup.load.ground import Floats, Ground
from geo_backup.load.worker import Worker
from geo_backup.wire.times import to_text

UNDER_WAY_MAX = 512
"""Requests without an answer: of a server that is so far behind no more is asked."""


class Batches:
    """What is sent: the next `batch` units each time, round and round."""

    def __init__(self, load: Load, rounds: Sequence[Floats]) -> None:
        self._ground, self._names, self._next = Ground(rounds, load.units), load.unit_ids, 0
        self._batch = min(load.batch, load.units)
        self.every_s = self._batch / load.pings_per_s

    def next(self, now_s: float, stamp: Stamp) -> tuple[list[str], int, bytes]:
        """The units, the time of their fixes, and the request's body."""
        which = (self._next + np.arange(self._batch)) % len(self._names)
        self._next = int(which[-1]) + 1
        units, fix_ms = [self._names[n] for n in which.tolist()], stamp.ms(now_s)
        columns = (column.tolist() for column in self._ground.at(which, now_s))
        rows = [
            {
                "unit_id": unit,
                "fix_time": to_text(fix_ms),
                "lon": round(lon, 6),
                "lat": round(lat, 6),
                "speed_mps": round(speed, 1),
                "course_deg": round(course, 1) % 360.0,
                "accuracy_m": 4.0,
            }
            for unit, lon, lat, speed, course in zip(units, *columns, strict=True)
        ]
        return units, fix_ms, orjson.dumps({"positions": rows})

    def due(self, until_s: float) -> Iterator[float]:
        """When each is due, from now on."""
        at_s = time.monotonic()
        while at_s < until_s:
            yield at_s
            at_s += self.every_s


async def send(
    worker: Worker, url: str, token: str | None, load: Load, rounds: Sequence[Floats], stamp: Stamp
) -> dict[str, Any]:
    """Wait for the span, and send until it is over; what became of each position."""
    batches = Batches(load, rounds)
    worker.tell("ready")
    span: Span = await worker.told()
    counts: Counter[str] = Counter()
    why: Counter[str] = Counter()
    last: dict[str, int] = {}
    posts_ms: list[float] = []
    behind_s = 0.0
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=limits, headers=headers) as http:

        async def post(units: list[str], fix_ms: int, body: bytes, began_s: float) -> None:
            counts["sent"] += len(units)
            try:
                reply = await http.post("/v1/positions", content=body)
            except httpx.HTTPError as error:
                counts["failed"] += len(units)
                why[type(error).__name__] += len(units)
                return
            if began_s >= span.begin_s:
                posts_ms.append(1_000 * (time.monotonic() - began_s))
            if reply.status_code != 202:
                counts["failed"] += len(units)
                why[f"{reply.status_code}: {reply.text[:200]}"] += len(units)
                return
            answer = orjson.loads(reply.content)
            counts["accepted"] += answer["accepted"]
            refused = {row["index"] for row in answer["refused"]}
            why.update(row["reason"] for row in (*answer["refused"], *answer["ignored"]))
            counts["refused"] += len(refused)
            counts["ignored"] += len(answer["ignored"])
            refused.update(row["index"] for row in answer["ignored"])
            last.update((unit, max(fix_ms, last.get(unit, 0))) for n, unit in enumerate(units) if n not in refused)

        running: set[asyncio.Task[None]] = set()
        began_s, cpu_s = time.monotonic(), time.process_time()
        for due_s in batches.due(span.end_s):
            if (wait_s := due_s - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            now_s = time.monotonic()
            behind_s = max(behind_s, now_s - due_s)
            if len(running) >= UNDER_WAY_MAX:
                counts["unsent"] += load.batch
                await asyncio.sleep(0)
                continue
            running.add(task := asyncio.create_task(post(*batches.next(now_s, stamp), now_s)))
            task.add_done_callback(running.discard)
        cpu_share = (time.process_time() - cpu_s) / (time.monotonic() - began_s)
        await asyncio.gather(*running)
    return {
        "pings": {name: counts[name] for name in ("sent", "accepted", "ignored", "refused", "failed", "unsent")},
        "why_not": dict(why.most_common(5)),
        "post_ms": quantiles(posts_ms, 50, 99),
        "behind_ms": round(1_000 * behind_s, 1),
        "cpu_share": round(cpu_share, 2),
        "last": last,
    }
