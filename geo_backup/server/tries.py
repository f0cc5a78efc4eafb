"""Tries: how often the word that ends an emergency may be guessed."""

from __future__ import annotations

import time
from collections import deque

from geo_backup.server.problems import Problem

TRIES_PER_MINUTE = 5


class Tries:
    """When the words of each emergency were tried, for a minute."""

    def __init__(self) -> None:
        self._of: dict[str, deque[float]] = {}

    def count(self, emergency_id: str) -> None:
        """Count one more. Raises `Problem` 429 when there were too many within the last minute."""
        now_s = time.monotonic()
        for known in [known for known, times in self._of.items() if now_s - times[-1] > 60.0]:
            del self._of[known]
        last = self._of.setdefault(emergency_id, deque(maxlen=TRIES_PER_MINUTE))
        if len(last) == TRIES_PER_MINUTE and now_s - last[0] <= 60.0:
            raise Problem(429, f"at most {TRIES_PER_MINUTE} words a minute are tried; a supervisor can end it at once")
        last.append(now_s)

    def forget(self, emergency_id: str) -> None:
        """The emergency is over."""
        self._of.pop(emergency_id, None)
