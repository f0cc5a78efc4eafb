"""The one clock of a node: live, simulated (real time, invented units) or replay (recorded time, at any speed)."""

from __future__ import annotations

import time
from typing import Literal

Mode = Literal["live", "simulated", "replay"]

SPEED_MAX = 600.0


class Clock:
    """Tells the time in ms since 1970 (UTC). Only a replay clock can be set."""

    def __init__(self, mode: Mode, start_ms: int | None = None) -> None:
        self.mode: Mode = mode
        self.speed = 1.0
        self.playing = mode != "replay"
        self._from_ms = start_ms if start_ms is not None else self._wall_ms()
        self._since_ms = self._wall_ms()

    @staticmethod
    def _wall_ms() -> int:
        return time.time_ns() // 1_000_000

    def now_ms(self) -> int:
        """The node's time."""
        if self.mode != "replay":
            return self._wall_ms()
        if not self.playing:
            return self._from_ms
        return self._from_ms + int((self._wall_ms() - self._since_ms) * self.speed)

    def set(self, *, now_ms: int | None = None, speed: float | None = None, playing: bool | None = None) -> None:
        """Steer a replay clock; what is None stays. Raises `ValueError` on another clock or an impossible speed."""
        if self.mode != "replay":
            raise ValueError("only a replay clock can be set")
        if speed is not None and not 0.0 < speed <= SPEED_MAX:
            raise ValueError(f"speed must be above 0 and at most {SPEED_MAX:g}")
        self._from_ms = self.now_ms() if now_ms is None else now_ms
        self._since_ms = self._wall_ms()
        self.speed = self.speed if speed is None else speed
        self.playing = self.playing if playing is None else playing
