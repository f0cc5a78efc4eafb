"""Any recording on disk as tracks, and many tracks as one timeline."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geo_backup import eventlog
from geo_backup.errors import TrackError
from geo_backup.eventlog import open_log
from geo_backup.events import Fix, PositionReported
from geo_backup.formats import recordings
from geo_backup.formats.text import decoded
from geo_backup.formats.tracks import NO_HINTS, Collector, Hints, Recording, Track

HEAD = 16
"""So many bytes tell a log of geo_backup."""
TEXT_MAX = 1 << 30


@dataclass(frozen=True)
class Timeline:
    """Every fix of all vehicles in order of time (ties: of unit): `at_ms` int64[N], `unit` int32[N] into `unit_ids`."""

    at_ms: npt.NDArray[np.int64]
    unit: npt.NDArray[np.int32]
    unit_ids: tuple[str, ...]
    fixes: tuple[Fix, ...]


def timeline(tracks: Iterable[Track]) -> Timeline:
    """Merge tracks; those with the same unit_id (from several files) are one vehicle, a time counts once."""
    merged: dict[str, dict[int, Fix]] = {}
    for track in tracks:
        there = merged.setdefault(track.unit_id, {})
        for fix in track.fixes:
            there.setdefault(fix.fix_ms, fix)
    unit_ids = tuple(sorted(merged))
    rows = sorted((at_ms, n, fix) for n, unit_id in enumerate(unit_ids) for at_ms, fix in merged[unit_id].items())
    return Timeline(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int32),
        unit_ids,
        tuple(row[2] for row in rows),
    )


def is_log(path: Path) -> bool:
    """Whether a recording is a log of geo_backup. Raises OSError for a file that cannot be read."""
    with path.open("rb") as file:
        return eventlog.is_log(file.read(HEAD))


def read_tracks(path: Path | str, hints: Hints = NO_HINTS) -> Recording:
    """Tracks of a file in any format of `formats.recordings`, or of a geo_backup log.

    Raises `TrackError` for a file that is none of these or has nothing usable.
    """
    path = Path(path)
    try:
        if is_log(path):
            return _read_log(path)
        if path.stat().st_size > TEXT_MAX:
            raise TrackError(f"{path} is larger than 1 GB: split it.")
        data = path.read_bytes()
    except OSError as error:
        raise TrackError(f"{path} cannot be read: {error.strerror or error}") from None
    return recordings.read(decoded(data), path.name, hints)


def _read_log(path: Path) -> Recording:
    found = Collector(path.name)
    with closing(open_log(path, read_only=True)) as log:
        for seq, event in log.read_all():
            if isinstance(event, PositionReported):
                found.add(event.unit_id, "", event.fix, f"event {seq}")
    return found.recording()
