"""A log of geo_backup played again: incidents, statuses, closures, decisions and positions, as they came.

What was decided then is shown, nothing is decided anew, and nobody changes what was. A jump folds the log to its
moment, from the nearest checkpoint, and goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np

from geo_backup.errors import TrackError, WrongMapError
from geo_backup.eventlog import EventLog
from geo_backup.eventlog.reading import Reader
from geo_backup.events import NetworkAdopted
from geo_backup.history.folding import Folding
from geo_backup.live_map import LiveMap
from geo_backup.live_map.freezing import Freezing
from geo_backup.node import Node
from geo_backup.wire.documents import ReplayState

STEP_S = 0.1
LOOKED_AT = 20_000
"""So many fixes tell where the recording is."""


class Recording:
    """The log in a file as a recording. Raises `TrackError` for an empty one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folding = Folding()
        with Reader(path) as reader:
            span, self._end = reader.span_ms, reader.last_seq
            if span is None:
                raise TrackError(f"{path.name} holds no event: there is nothing to replay.")
            self.start_ms, self.end_ms = span
            self.network_id = next(
                (event.network_id for _, event in reader.facts(0, self._end) if isinstance(event, NetworkAdopted)), ""
            )
            rows = reader.fixes_from(0, self._end, LOOKED_AT)
        self.extent = _extent([(row[4], row[5]) for row in rows])

    def at(self, time_ms: int) -> tuple[int, LiveMap]:
        """The position in the log at a time, and the live map as it was then."""
        live_map = self._folding.at(self.path, time_ms).live_map
        return live_map.seq, Freezing(live_map).whole()

    def until(self, time_ms: int) -> int:
        """The position that the log had come to at a time."""
        if time_ms >= self.end_ms:
            return self._end
        with Reader(self.path) as reader:
            return reader.seq_at(time_ms)


class RecordingSession:
    """Feeds a node from a recording in step with its clock. `new_log` makes an empty log for a jump."""

    def __init__(self, node: Node, recording: Recording, new_log: Callable[[], EventLog]) -> None:
        known = recording.network_id
        if known and known != node.network.content_id:
            raise WrongMapError(
                f"the recording belongs to the map {known}, but {node.network.area.name} is "
                f"{node.network.content_id}: name the map that it was recorded on with --map"
            )
        self.node, self.recording, self._new_log = node, recording, new_log
        self._lock = asyncio.Lock()
        self._played = 0
        """Where in the recording its events have been fed to the node."""

    async def begin(self) -> None:
        """Set the clock to the start of the recording, and feed what is there already."""
        self.node.clock.set(now_ms=self.recording.start_ms, playing=False)
        await self.advance(self.recording.start_ms)

    async def run(self) -> None:
        """Feed events as they fall due, until cancelled; at the end of the recording the clock stops."""
        while True:
            await asyncio.sleep(STEP_S)
            if not self.node.clock.playing:
                continue
            async with self._lock:
                now_ms = self.node.clock.now_ms()
                await self.advance(now_ms)
                if now_ms >= self.recording.end_ms:
                    self.node.clock.set(now_ms=self.recording.end_ms, playing=False)

    async def advance(self, now_ms: int) -> None:
        """Feed what falls due up to a moment, in the order of the log."""
        until = await asyncio.to_thread(self.recording.until, now_ms)
        if until <= self._played:
            return
        with Reader(self.recording.path) as reader:
            batches = reader.events(self._played, until)
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                await self.node.submit(*(event for _, event in batch))
                self._played = batch[-1][0]
        self._played = until

    def state(self) -> ReplayState:
        """Where the replay is."""
        clock, recording = self.node.clock, self.recording
        return {
            "now_ms": clock.now_ms(),
            "speed": clock.speed,
            "playing": clock.playing,
            "start_ms": recording.start_ms,
            "end_ms": recording.end_ms,
            "extent": recording.extent or self.node.network.area.extent,
        }

    async def steer(self, *, playing: bool | None, speed: float | None, time_ms: int | None) -> None:
        """Obey the page. Raises `ValueError` for an impossible speed."""
        async with self._lock:
            clock, recording = self.node.clock, self.recording
            clock.set(speed=speed)
            playing = clock.playing if playing is None else playing
            if time_ms is None and playing and clock.now_ms() >= recording.end_ms:
                time_ms = recording.start_ms  # played to its end: begin again
            if time_ms is not None:
                time_ms = min(max(time_ms, recording.start_ms), recording.end_ms)
                clock.set(now_ms=time_ms, playing=False)  # time stands still while the map is laid out anew
                self._played, live_map = await asyncio.to_thread(recording.at, time_ms)
                await self.node.reset(self._new_log(), live_map)
            clock.set(playing=playing)


def _extent(places: list[tuple[float, float]]) -> tuple[float, float, float, float] | None:
    """West, south, east, north of most of them."""
    if not places:
        return None
    (west, south), (east, north) = np.quantile(np.array(places, np.float64), (0.005, 0.995), axis=0)
    return float(west), float(south), float(east), float(north)
