"""Replaying into another process: the recorded positions by HTTP, at the pace of its replay clock."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import httpx

from geo_backup.errors import TrackError
from geo_backup.events import PositionReported, UnitRegistered
from geo_backup.formats.tracks import Track
from geo_backup.replay.player import Player
from geo_backup.wire.times import to_text

BATCH = 1_000
STEP_S = 0.25

Progress = Callable[[float], None]
"""Takes the share of the positions that has been sent, 0 to 1."""


async def play_to(
    url: str,
    tracks: Iterable[Track],
    speed: float,
    progress: Progress | None = None,
    *,
    client: httpx.AsyncClient | None = None,
    token: str | None = None,
) -> int:
    """Send all tracks to a `serve --clock replay` at `speed` times their own pace; returns how many were accepted.

    Raises `TrackError`, in one line, when the server cannot be reached, refuses, or is a live one.
    """
    if not speed > 0.0:
        raise TrackError("the speed of a replay must be above 0.")
    player = Player(tracks)
    token = token if token is not None else os.environ.get("GEO_BACKUP_TOKEN")
    async with AsyncExitStack() as own:
        if client is None:
            client = await own.enter_async_context(httpx.AsyncClient(base_url=url.rstrip("/"), timeout=30.0))
        server = _Server(client, url, {"Authorization": f"Bearer {token}"} if token else {})
        # the clock stands while the first units are made known, so that their positions are not late
        await server.call("POST", "/v1/replay", {"time": to_text(player.start_ms), "speed": speed, "playing": False})
        begun = await server.register(player.units(player.start_ms), 0)
        await server.call("POST", "/v1/replay", {"playing": True})
        began, sent, accepted = time.monotonic(), 0, 0
        total = len(player.timeline.at_ms)
        while not player.finished:
            now_ms = min(player.start_ms + int((time.monotonic() - began) * 1000.0 * speed), player.end_ms)
            begun = await server.register(player.units(now_ms), begun)
            due = player.due(now_ms)
            accepted += await server.report(due)
            sent += len(due)
            if progress is not None:
                progress(sent / total)
            if not player.finished:
                await asyncio.sleep(STEP_S)
        return accepted


class _Server(NamedTuple):
    """The server that is played to; what it refuses is a `TrackError`."""

    http: httpx.AsyncClient
    url: str
    headers: dict[str, str]

    async def call(self, method: str, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Ask it, and read its answer."""
        try:
            answer = await self.http.request(method, path, json=body, headers=self.headers)
        except httpx.HTTPError as error:
            raise TrackError(f"{self.url} cannot be reached: {error or type(error).__name__}") from None
        if answer.status_code == 409 and path == "/v1/replay":
            raise TrackError(
                f"{self.url} is not on the replay clock, and recorded times do not mix with its own: "
                "start one with `geo-backup serve --clock replay`."
            )
        if answer.is_error:
            raise TrackError(f"{self.url}{path} answered {answer.status_code}: {_detail(answer)}")
        content = answer.json() if answer.content else {}
        return content if isinstance(content, dict) else {}

    async def register(self, units: Sequence[UnitRegistered], known: int) -> int:
        """Make units known but for the first so many, which are; answers how many are now."""
        for unit in units[known:]:
            described = {"callsign": unit.callsign, "agency": unit.agency, "kind": unit.kind, "capabilities": []}
            await self.call("PUT", f"/v1/units/{unit.unit_id}", described)
        return len(units)

    async def report(self, due: Sequence[PositionReported]) -> int:
        """Send positions; answers how many it accepted."""
        accepted = 0
        for first in range(0, len(due), BATCH):
            batch = [_position(event) for event in due[first : first + BATCH]]
            answer = await self.call("POST", "/v1/positions", {"positions": batch})
            accepted += int(answer.get("accepted", 0))
        return accepted


def _position(event: PositionReported) -> dict[str, Any]:
    fix = event.fix
    out: dict[str, Any] = {
        "unit_id": event.unit_id,
        "fix_time": to_text(fix.fix_ms),
        "lon": fix.lon,
        "lat": fix.lat,
    }
    for name in ("speed_mps", "course_deg", "accuracy_m"):
        value = getattr(fix, name)
        if value is not None:
            out[name] = value
    return out


def _detail(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return str(problem.get("detail") or problem.get("title") or problem)[:200]
    except (ValueError, AttributeError):
        return answer.text[:200]
