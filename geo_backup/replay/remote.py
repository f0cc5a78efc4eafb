"""Replaying into another process: the recorded positions by HTTP, at the pace of its replay clock."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from geo_backup.errors import TrackError
from geo_backup.events import PositionReported
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
    if client is not None:
        return await _Remote(url, client, token).play(player, speed, progress)
    async with httpx.AsyncClient(base_url=url.rstrip("/"), timeout=30.0) as own:
        return await _Remote(url, own, token).play(player, speed, progress)


class _Remote:
    """A server that is told a replay: its clock is set, then units and positions come as they fall due."""

    def __init__(self, url: str, http: httpx.AsyncClient, token: str | None) -> None:
        self.url, self.http = url, http
        token = token if token is not None else os.environ.get("GEO_BACKUP_TOKEN")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._begun = 0
        """Units that the server knows."""

    async def play(self, player: Player, speed: float, progress: Progress | None) -> int:
        """All of it; how many positions were accepted."""
        # the clock stands while the first units are made known, so that their positions are not late
        await self.call("POST", "/v1/replay", {"time": to_text(player.start_ms), "speed": speed, "playing": False})
        await self.register(player, player.start_ms)
        await self.call("POST", "/v1/replay", {"playing": True})
        began, sent, accepted = time.monotonic(), 0, 0
        while not player.finished:
            now_ms = min(player.start_ms + int((time.monotonic() - began) * 1000.0 * speed), player.end_ms)
            await self.register(player, now_ms)
            due = player.due(now_ms)
            for first in range(0, len(due), BATCH):
                batch = [_position(event) for event in due[first : first + BATCH]]
                answer = await self.call("POST", "/v1/positions", {"positions": batch})
                sent += len(batch)
                accepted += int(answer.get("accepted", 0))
            if progress is not None:
                progress(sent / len(player.timeline.at_ms))
            if not player.finished:
                await asyncio.sleep(STEP_S)
        return accepted

    async def register(self, player: Player, now_ms: int) -> None:
        """Make the units known whose track has begun since the last time."""
        units = player.units(now_ms)
        for unit in units[self._begun :]:
            said = {"callsign": unit.callsign, "agency": unit.agency, "kind": unit.kind, "capabilities": []}
            await self.call("PUT", f"/v1/units/{unit.unit_id}", said)
        self._begun = len(units)

    async def call(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The server's answer. Raises `TrackError` that says what went wrong."""
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
