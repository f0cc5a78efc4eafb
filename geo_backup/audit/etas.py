"""Etas: how good the times were that were told, from the event log alone.

A drive that was measured (`DriveMeasured`) is held against what its field had said at the start, with the overhead and
the spread that were known then; of other units that were sent, the time that they were sent with is held against their
arrival, turnout and all. The log is read once, and of each drive a hundred bytes are kept.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

import numpy as np

from geo_backup.audit.responses import Following, Response, told_and_taken_ms, why_not
from geo_backup.backup.city import beats_of
from geo_backup.backup.cover import Beats
from geo_backup.errors import BadValueError
from geo_backup.events import DriveMeasured, Event
from geo_backup.geodesy import metres_per_deg
from geo_backup.live_map import Incident
from geo_backup.roads.foretold import Foretold, figures
from geo_backup.roads.kernel import Array
from geo_backup.roads.punctuality import Punctuality
from geo_backup.wire.times import to_text

GROUPS = ("area", "kind", "profile", "trust", "told")
"""What drives are told apart by, beside the hour: the beat that they led to or else a cell of 2 km, the kind of unit,
the profile, whether the spread was assumed or measured, and whether the drive was measured or the whole response."""
CELL_M = 2_000.0
TENTHS = 9
"""Intervals that are said to hold 10, 20, ... 90 of a hundred drives."""
HUNDREDTHS = (*range(5, 50, 5), *range(55, 100, 5))
"""Their ends: the n-th lies between the one so many places before the middle and after it."""


@dataclass(frozen=True)
class EtaReport:
    """How good the times of one log were; times in it are UTC, hours those of `timezone`."""

    events: int
    first: str | None
    last: str | None
    timezone: str
    all: dict[str, Any]
    """As `roads.foretold.figures` has it."""
    by: dict[str, dict[str, dict[str, Any]]]
    """By `hour` and each of `GROUPS` the same figures."""
    calibration: list[dict[str, float]]
    """Of the intervals that were `said` to hold a share of drives, what share `held`."""
    left_out: dict[str, int]
    """Units that were sent and measure nothing, by reason."""


class _About(NamedTuple):
    """What a drive was: see `GROUPS`."""

    area: str
    kind: str
    profile: str


_COLUMNS = 1 + len(Foretold._fields) + 1 + len(GROUPS)


class Etas:
    """Takes a log in, event by event; see the module."""

    def __init__(self) -> None:
        self.events = 0
        self._following = Following()
        self._about: dict[tuple[str, str], _About] = {}
        """Of units that are under way, by incident and unit."""
        self._measured: set[tuple[str, str]] = set()
        """Of those the ones whose drive was measured already."""
        self._rows = array("q")
        """Of each drive when it began, its `Foretold`, the narrowest interval that held, and the numbers of its groups'
        names."""
        self._names: dict[str, dict[str, int]] = {group: {} for group in GROUPS}
        self._left_out: Counter[str] = Counter()
        self._beats: tuple[Mapping[str, Any] | None, Beats | None] = (None, None)

    @property
    def extent(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north of the network that the log speaks of."""
        return self._following.live_map.extent

    def take(self, seq: int, event: Event) -> None:
        """Fold one event on."""
        self.events += 1
        live_map = self._following.live_map
        known = live_map.punctuality.get(event.profile) if isinstance(event, DriveMeasured) else None
        step = self._following.take(seq, event)
        if step is None:
            return
        if isinstance(event, DriveMeasured) and event.incident_id:  # another was recorded before there was this log
            self._drive(event, known)
        if step.begun is not None:
            begun = step.begun
            about = self._of(live_map.incidents.get(begun.incident_id), begun.unit_id)
            self._about[begun.incident_id, begun.unit_id] = about
        for response in step.over:
            self._response(response)

    def report(self, zone: tzinfo) -> EtaReport:
        """What is known once the log is at its end."""
        for parts in self._following.under_way.values():
            for response in parts.values():
                self._response(response)
        self._following.under_way.clear()
        rows = np.frombuffer(self._rows, np.int64).reshape(-1, _COLUMNS)
        at_ms, told, narrowest = rows[:, 0], rows[:, 1:5], rows[:, 5]
        hours = np.array([datetime.fromtimestamp(ms // 1_000, zone).hour for ms in at_ms.tolist()], np.int64)
        by = {"hour": _split(told, hours, {f"{hour:02d}": hour for hour in range(24)})}
        for column, group in enumerate(GROUPS, start=6):
            by[group] = _split(told, rows[:, column], self._names[group])
        return EtaReport(
            self.events,
            to_text(int(at_ms.min())) if len(rows) else None,
            to_text(int(at_ms.max())) if len(rows) else None,
            str(zone),
            figures(told),
            by,
            [{"said": n / 10, "held": round(float((narrowest <= n).mean()), 3)} for n in range(1, TENTHS + 1)]
            if len(rows) else [],
            dict(sorted(self._left_out.items())),
        )  # fmt: skip

    def _drive(self, event: DriveMeasured, known: Punctuality | None) -> None:
        incident, key = self._following.live_map.incidents.get(event.incident_id), (event.incident_id, event.unit_id)
        if event.unit_id in self._following.under_way.get(event.incident_id, ()):
            self._measured.add(key)
        if incident is not None and (incident.exercise or incident.apart):
            self._left_out["exercise"] += 1
            return
        about = self._of(incident, event.unit_id)._replace(profile=event.profile)
        agency = incident.agency if incident is not None else ""
        self._add(event.start_ms, event.field_ms, event.took_ms, about, agency, known, "drive")

    def _response(self, response: Response) -> None:
        key, live_map = (response.incident_id, response.unit_id), self._following.live_map
        about = self._about.pop(key)
        if key in self._measured:
            self._measured.discard(key)
            return
        told_ms, taken_ms, why = told_and_taken_ms(response, live_map.rules.report)
        why = why_not(response) or why or ("at_once" if taken_ms == 0 else None)
        if why is not None:
            self._left_out[why] += 1
            return
        known = live_map.punctuality.get(about.profile)
        self._add(response.at_ms["assigned"], told_ms, taken_ms, about, response.agency, known, "response")

    def _add(
        self, at_ms: int, said_ms: int, took_ms: int, about: _About, agency: str, known: Punctuality | None, told: str
    ) -> None:
        """Keep what was said of a drive, with the spread that was known when it began. To what a field says there comes
        the overhead; in what a unit was sent with it is already."""
        rules = self._following.live_map.rules
        kept = known if known is not None and rules.pace.learn else Punctuality()
        trust, shares = kept.shares(at_ms, rules.pace, rules.of(agency).backup.eta_cv, HUNDREDTHS)
        eta_ms = int(trust.eta_ms(np.array(said_ms))) if told == "drive" else said_ms
        low_ms, high_ms = (int(ms) for ms in trust.within_ms(np.array(eta_ms)))
        early, late = eta_ms * shares[TENTHS - 1 :: -1] >> 16, -(-eta_ms * shares[TENTHS:] >> 16)
        holds = np.flatnonzero((early <= took_ms) & (took_ms <= late))
        narrowest = int(holds[0]) + 1 if len(holds) else TENTHS + 1
        groups = (*about, trust.word, told)
        numbers = (self._number(group, name) for group, name in zip(GROUPS, groups, strict=True))
        self._rows.extend((at_ms, *Foretold(eta_ms, low_ms, high_ms, took_ms), narrowest, *numbers))

    def _number(self, group: str, name: str) -> int:
        names = self._names[group]
        return names.setdefault(name, len(names))

    def _of(self, incident: Incident | None, unit_id: str) -> _About:
        unit = self._following.live_map.units.get(unit_id)
        kind = unit.kind if unit is not None else "unknown"
        if incident is None:
            return _About("unknown", kind, "unknown")
        return _About(self._area(incident.lon, incident.lat), kind, incident.profile)

    def _area(self, lon: float, lat: float) -> str:
        """The beat of a place, or a cell of 2 km, by its middle: latitude, longitude."""
        collection = self._following.live_map.beats
        if collection is not self._beats[0]:
            beats = None
            with suppress(BadValueError):
                beats = beats_of(collection)
            self._beats = (collection, beats)
        beats = self._beats[1]
        at = -1 if beats is None else int(beats.at(np.array([lon]), np.array([lat]))[0])
        if beats is not None and at >= 0:
            return f"beat {beats.beats[at].beat_id}"
        high = CELL_M / float(metres_per_deg(0.0)[1])
        middle_lat = (lat // high + 0.5) * high
        wide = CELL_M / max(float(metres_per_deg(middle_lat)[0]), 1.0)
        return f"{middle_lat:.3f}, {(lon // wide + 0.5) * wide:.3f}"


def _split(told: Array, numbers: Array, names: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Figures of each name that has drives, those with most drives first; hours in their order."""
    found = {name: figures(told[numbers == number]) for name, number in sorted(names.items())}
    found = {name: row for name, row in found.items() if row["drives"]}
    if all(name.isdigit() for name in found):
        return found
    return dict(sorted(found.items(), key=lambda one: -one[1]["drives"]))
