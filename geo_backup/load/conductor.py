"""Conductor: sets the scene on a server, lets sender and viewers work, watches the server's own figures, clears up."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import numpy as np

from geo_backup.client import Client, ServerError
from geo_backup.errors import BadValueError, GeoBackupError
from geo_backup.load.figures import AGENCY, GRACE_S, UNIT, Load, Metrics, Span, Stamp
from geo_backup.load.ground import Floats, rounds_of
from geo_backup.load.sender import send
from geo_backup.load.viewers import look
from geo_backup.load.worker import working

AT_ONCE = 16
"""Requests under way while the scene is set."""
CPU, MEMORY = "process_cpu_seconds_total", "process_resident_memory_bytes"

Progress = Callable[[float], None]
"""Takes the share that is done, 0 to 1."""


async def measure(
    url: str, load: Load, *, token: str | None = None, progress: Progress = lambda share: None
) -> dict[str, Any]:
    """Put a load on a running server; the figures, as `--json` tells them.

    Raises `BadValueError` where the server has units or incidents of its own and this is no exercise, and
    `GeoBackupError` where it does not answer.
    """
    async with Client(url, token=token) as client:
        scene = Scene(client, load)
        await scene.look_round()
        try:
            rounds = await scene.set()
            return await _measured(client, load, rounds, token, progress)
        finally:
            await asyncio.shield(scene.clear())


class Scene:
    """Simulated units and incidents on somebody's map. Their ids, agency and kind say what they are."""

    def __init__(self, client: Client, load: Load) -> None:
        self._client, self._load = client, load
        self._extent: list[float] = []
        self._theirs: list[str] = []
        """Simulated units that are there."""
        self._opened: list[str] = []

    async def look_round(self) -> None:
        """Raises `BadValueError` where others are at work on this map."""
        client, load = self._client, self._load
        await client.call("GET", "/healthz")
        world = await anext(client.watch(("units", "incidents")))
        self._extent = list(world.area["extent"])
        self._theirs = [one for one in world.units if one.startswith(UNIT)]
        self._opened = [one for one in world.incidents if one.startswith(UNIT)]
        own = [one for one in (*world.units, *world.incidents) if not one.startswith(UNIT)]
        if own and not load.exercise:
            raise BadValueError(
                "--exercise",
                "in_use",
                f"{client.url} has units and incidents of its own ({own[0]} is one of {len(own):,}), and simulated "
                "ones would stand among them on every desk and in its log. Measure a server that nobody works with, "
                "or one of a map (--map DIR); for an exercise on this very one say --exercise",
            )

    async def set(self) -> list[Floats]:
        """Units and incidents; the round trips that the units drive."""
        client, load = self._client, self._load
        rounds = await rounds_of(client, self._extent)
        self._theirs = [*{*self._theirs, *load.unit_ids}]
        await _each(load.unit_ids, self._register)
        random, places = np.random.default_rng(3), np.concatenate(rounds)
        corners = places[random.integers(len(places), size=load.incidents)]
        names = {f"{UNIT}{time.time_ns() // 1_000_000}-{n}": place for n, place in enumerate(corners.tolist(), 1)}
        self._opened += names

        async def open_one(name: str) -> None:
            lon, lat = names[name]
            more = {"incident_id": name, "kind": AGENCY, "note": "simulated, nobody is there", "exercise": True}
            await client.open_incident(lon, lat, priority=3, **more)

        await _each(names, open_one)
        return rounds

    async def _register(self, unit: str) -> None:
        await self._client.register(unit, unit, AGENCY, "patrol", ())
        if self._load.exercise:  # so that nobody is sent one of them
            await self._client.call("PUT", f"/v1/units/{unit}/status", {"status": "out_of_service"})

    async def clear(self) -> None:
        """Nothing of it stays on the map; what was reported stays in the log."""
        await _each(self._opened, lambda name: _gone(self._client, "POST", f"/v1/incidents/{name}/close"))
        await _each(self._theirs, lambda name: _gone(self._client, "DELETE", f"/v1/units/{name}"))


async def _gone(client: Client, method: str, path: str) -> None:
    try:
        await client.call(method, path)
    except ServerError as error:
        if error.status == 429:
            raise
    # a server that does not answer any more cannot be cleared
    except GeoBackupError:
        return


async def _each(names: Iterable[str], work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Some at once; whoever is told to wait by the server's limits does so."""
    left = list(names)[::-1]

    async def some() -> None:
        while left:
            name = left.pop()
            while True:
                try:
                    await work(name)
                    break
                except ServerError as error:
                    if error.status != 429:
                        raise
                    await asyncio.sleep(1.0)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def _measured(
    client: Client, load: Load, rounds: list[Floats], token: str | None, progress: Progress
) -> dict[str, Any]:
    stamp = Stamp.now()
    async with (
        working(look, client.url, token, load, stamp) as viewers,
        working(send, client.url, token, load, rounds, stamp) as sender,
    ):
        await viewers.told()
        await sender.told()
        begin_s = time.monotonic() + load.warm_s
        span = Span(begin_s, begin_s + load.seconds)
        viewers.tell(span)
        sender.tell(span)
        own = asyncio.create_task(_own_figures(client, span, progress))
        try:
            sent = await sender.told()
            viewers.tell(sent.pop("last"))
            seen, figures = await viewers.told(), await own
        finally:
            own.cancel()
    cpu = {"sender": sent.pop("cpu_share"), "viewers": seen.pop("cpu_share")}
    return {
        "asked": {
            "pings_per_s": load.pings_per_s,
            "units": load.units,
            "incidents": load.incidents,
            "viewers": load.viewers,
            "slow_viewers": load.slow_viewers,
            "seconds": load.seconds,
        },
        "latency_ms": seen.pop("latency_ms"),
        **sent,
        **seen,
        "server": figures,
        "load_cpu_share_of_one_core": cpu,
        "machine": {
            "what": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "load_average": [round(one, 2) for one in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        },
    }


async def _own_figures(client: Client, span: Span, progress: Progress) -> dict[str, Any]:
    """What the server tells of itself meanwhile."""
    whole_s = span.end_s + GRACE_S - time.monotonic()
    await asyncio.sleep(span.begin_s - time.monotonic())
    first = now = Metrics(await client.call("GET", "/metrics"))
    memory = [first.get(MEMORY)]
    while (left_s := span.end_s - time.monotonic()) > 0:
        progress(1.0 - (left_s + GRACE_S) / whole_s)
        await asyncio.sleep(min(1.0, left_s))
        now = Metrics(await client.call("GET", "/metrics"))
        memory.append(now.get(MEMORY))
    cpu, frames = now.since(first, CPU), now.since(first, "geo_backup_frames_total")
    late_s, told = now.worst_since(first, "geo_backup_loop_late_seconds"), [one for one in memory if one is not None]
    return {
        "loop_late_at_most_ms": None if late_s is None else 1_000 * late_s,
        "cpu_share_of_one_core": None if cpu is None else round(cpu, 2),
        "memory_MB": [round(told[0] / 1e6), round(max(told) / 1e6)] if told else None,
        "frames_per_s": None if frames is None else round(frames),
        "ranking_s": now.get("geo_backup_ranking_seconds"),
    }
