"""Player: a cursor over a timeline of recorded positions, moved by whoever holds the clock.

All vehicles are in step because there is one cursor; nothing is invented between two recorded fixes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from geo_backup.errors import TrackError
from geo_backup.events import PositionReported, UnitRegistered
from geo_backup.formats.tracks import Track
from geo_backup.replay.timeline import timeline
from geo_backup.rules import FixRules

LOOK_BACK_MS = 1_800_000
"""After a jump, older fixes than this say nothing about where a vehicle is."""
LOOK_BACK_FIXES = FixRules().kept


class Player:
    """Positions of `tracks` with their recorded times; `due` and `seek` move the cursor."""

    def __init__(self, tracks: Iterable[Track]) -> None:
        self.timeline = timeline(tracks)
        if not len(self.timeline.at_ms):
            raise TrackError("there is nothing to replay: the tracks hold no position.")
        self.start_ms = int(self.timeline.at_ms[0])
        self.end_ms = int(self.timeline.at_ms[-1])
        self._next = 0
        units, first = np.unique(self.timeline.unit, return_index=True)
        order = np.argsort(first)
        self._begins = [(int(self.timeline.at_ms[first[k]]), self.timeline.unit_ids[units[k]]) for k in order]

    @property
    def finished(self) -> bool:
        """Nothing is left to play."""
        return self._next >= len(self.timeline.at_ms)

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """West, south, east, north of where the vehicles drive; the outermost hundredth of the fixes does not count."""
        places = np.array([(fix.lon, fix.lat) for fix in self.timeline.fixes], np.float64)
        (west, south), (east, north) = np.quantile(places, (0.005, 0.995), axis=0)
        return float(west), float(south), float(east), float(north)

    def units(self, until_ms: int | None = None) -> list[UnitRegistered]:
        """The vehicles whose track has begun by then (None: all), marked as replayed, in the order in which they begin.

        Before it begins nobody knows of a vehicle: it is not free, and not counted.
        """
        return [
            UnitRegistered(
                event_id=f"replay:{unit_id}",
                received_ms=at_ms,
                said_by="node",
                unit_id=unit_id,
                callsign=unit_id,
                agency="replay",
                kind="vehicle",
                source="replay",
            )
            for at_ms, unit_id in self._begins
            if until_ms is None or at_ms <= until_ms
        ]

    def due(self, until_ms: int) -> list[PositionReported]:
        """The positions after the cursor up to and with `until_ms`, in order; the cursor moves behind them."""
        end = int(np.searchsorted(self.timeline.at_ms, until_ms, side="right"))
        out = [self._event(n) for n in range(self._next, end)]
        self._next = max(self._next, end)
        return out

    def seek(self, to_ms: int) -> list[PositionReported]:
        """Put the cursor behind `to_ms`, forward or back, and return what the map needs to stand as it was then.

        That is the last fixes of each vehicle in the half hour before, in order of time.
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
