"""Folding the log to a moment of its past, from the nearest checkpoint. It knows neither fields nor documents, so that
a process for it starts at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from geo_backup.errors import BadValueError, LogError
from geo_backup.eventlog.reading import Reader
from geo_backup.live_map import LiveMap, apply
from geo_backup.wire import checkpoint

FOLDED_MAX = 2_000_000
"""So many events are folded for one moment at most; checkpoints are nearer, unless a log is older than they are."""
UNITS_AT_ONCE = 25
"""So few at a time that whoever takes them in is never held up."""


class Moment(NamedTuple):
    """The live map as it was known at a time; of its incidents those that were open."""

    live_map: LiveMap
    at_ms: int
    begins_ms: int
    """When the log begins."""


class Folding:
    """Folds the log of one file; the last moment is kept, since the next is often a little later."""

    def __init__(self) -> None:
        self._log: tuple[Path, str] | None = None
        self._live_map = LiveMap()

    def at(self, path: Path, at_ms: int) -> Moment:
        """The live map as it was at a time. Raises `BadValueError` where the log does not reach that far back, or has
        no checkpoint near it."""
        with Reader(path) as reader:
            span = reader.span_ms
            if span is None or at_ms < span[0]:
                raise BadValueError("/at", "before_log", "lies before the first event that the log still has")
            seq = reader.seq_at(at_ms)
            found = reader.checkpoint(seq)
            known = self._log == (path, reader.epoch) and self._live_map.seq <= seq
            if not known or (found is not None and found[0] > self._live_map.seq):
                self._live_map = _begun(found)
            self._log = None  # until it is whole again
            if seq - self._live_map.seq > FOLDED_MAX:
                raise BadValueError("/at", "no_checkpoint", "is too far from any checkpoint that the log still has")
            for batch in reader.events(self._live_map.seq, seq):
                for at, event in batch:
                    apply(self._live_map, at, event)
            self._live_map.seq = seq
            self._log = (path, reader.epoch)
        return Moment(self._live_map, at_ms, span[0])


def _begun(found: tuple[int, bytes] | None) -> LiveMap:
    if found is not None:
        try:
            return checkpoint.parse(found[1])
        except LogError:  # of another version
            pass
    return LiveMap()


def parts(moment: Moment) -> Iterator[Any]:
    """A moment in pieces, none of which takes long to take in: all but its units and incidents; some units at a time,
    and None after them; its incidents likewise."""
    live_map = moment.live_map
    incidents = {one.incident_id: one for one in live_map.open_incidents()}
    yield moment._replace(live_map=replace(live_map, units={}, incidents={}, decisions={}))
    for things in (live_map.units, incidents):
        rest = iter(things.items())
        while some := dict(islice(rest, UNITS_AT_ONCE)):
            yield some
        yield None
