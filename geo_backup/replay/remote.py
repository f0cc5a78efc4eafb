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
    token = token if token is not None else os.environ.get("GEO_BACKUP_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    own = client is None
    http = client or httpx.AsyncClient(base_url=url.rstrip("/"), timeout=30.0)

    async def call(method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise TrackError(f"{url} cannot be reached: {error or type(error).__name__}") from None
        if answer.status_code == 409 and path == "/v1/replay":
            raise TrackError(
                f"{url} is not on the replay clock, and recorded times do not mix with its own: "
                "start one with `geo-backup serve --clock replay`."
            )
        if answer.is_error:
            raise TrackError(f"{url}{path} answered {answer.status_code}: {_detail(answer)}")
        content = answer.json() if answer.content else {}
        return content if isinstance(content, dict) else {}

    async def register(now_ms: int, begun: int) -> int:
        units = player.units(now_ms)
        for unit in units[begun:]:
            await call(
                "PUT",
                f"/v1/units/{unit.unit_id}",
                {"callsign": unit.callsign, "agency": unit.agency, "kind": unit.kind, "capabilities": []},
            )
        return len(units)

    try:
        # the clock stands while the first units are made known, so that their positions are not late
        await call("POST", "/v1/replay", {"time": to_text(player.start_ms), "speed": speed, "playing": False})
        begun = await register(player.start_ms, 0)
        await call("POST", "/v1/replay", {"playing": True})
        began, sent, accepted = time.monotonic(), 0, 0
        total = len(player.timeline.at_ms)
        while not player.finished:
            now_ms = min(player.start_ms + int((time.monotonic() - began) * 1000.0 * speed), player.end_ms)
            begun = await register(now_ms, begun)
            due = player.due(now_ms)
            for first in range(0, len(due), BATCH):
                batch = [_position(event) for event in due[first : first + BATCH]]
                answer = await call("POST", "/v1/positions", {"positions": batch})
                sent += len(batch)
                accepted += int(answer.get("accepted", 0))
            if progress is not None:
                progress(sent / total)
            if not player.finished:
                await asyncio.sleep(STEP_S)
        return accepted
    finally:
        if own:
            await http.aclose()


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
