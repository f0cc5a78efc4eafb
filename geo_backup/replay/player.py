"""Player: a cursor over a timeline of recorded positions, moved by whoever holds the clock.

All vehicles are in step because there is one cursor; nothing is invented between two recorded fixes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from geo_backup.errors import TrackError
from geo_backup.events import PositionReported, UnitRegistered
from geo_backup.replay.tracks import timeline
from geo_backup.wire.tracks import Track

LOOK_BACK_MS = 1_800_000
"""After a jump, older fixes than this say nothing about where a vehicle is."""
LOOK_BACK_FIXES = 4


class Player:
    """Positions of `tracks` with their recorded times; `due` and `seek` move the cursor."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self.timeline = timeline(tracks)
        if not len(self.timeline.at_ms):
            raise TrackError("there is nothing to replay: the tracks hold no position.")
        self.start_ms = int(self.timeline.at_ms[0])
        self.end_ms = int(self.timeline.at_ms[-1])
        self._next = 0

    @property
    def finished(self) -> bool:
        """Nothing is left to play."""
        return self._next >= len(self.timeline.at_ms)

    def units(self) -> list[UnitRegistered]:
        """The vehicles, marked as replayed."""
        return [
            UnitRegistered(
                event_id=f"replay:{unit_id}",
                received_ms=self.start_ms,
                said_by="node",
                unit_id=unit_id,
                callsign=unit_id,
                agency="replay",
                kind="vehicle",
                source="replay",
            )
            for unit_id in self.timeline.unit_ids
        ]

    def due(self, until_ms: int) -> list[PositionReported]:
        """The positions after the cursor up to and with `until_ms`, in order; the cursor moves behind them."""
        end = int(np.searchsorted(self.timeline.at_ms, until_ms, side="right"))
        out = [self._event(n) for n in range(self._next, end)]
        self._next = max(self._next, end)
        return out

    def seek(self, to_ms: int) -> list[PositionReported]:
        """Put the cursor behind `to_ms`, forward or back, and return what the map needs to stand as it was then.

        That is the last four fixes of each vehicle in the half hour before, in order of time.
        """
        at_ms = self.timeline.at_ms
        first = int(np.searchsorted(at_ms, to_ms - LOOK_BACK_MS, side="left"))
        end = self._next = int(np.searchsorted(at_ms, to_ms, side="right"))
        seen: dict[int, int] = {}
        chosen = []
        for n in range(end - 1, first - 1, -1):
            unit = int(self.timeline.unit[n])
            count = seen.get(unit, 0)
            if count < LOOK_BACK_FIXES:
                seen[unit] = count + 1
                chosen.append(n)
        return [self._event(n) for n in reversed(chosen)]

    def _event(self, n: int) -> PositionReported:
        fix = self.timeline.fixes[n]
        return PositionReported(
            received_ms=fix.fix_ms,
            said_by="unit",
            unit_id=self.timeline.unit_ids[int(self.timeline.unit[n])],
            fix=fix,
        )
