"""Record: what recorded calls ask of a fleet, whoever is sent: waves of slots, and the posts the fleet waits at.

A **slot** is one unit's part in a call: its kind, how long it was kept, whether it arrived. A **wave** is the slots of
a call that were sent within a minute. Every policy gets the same slots with the same draws (common random numbers), so
that what differs between two policies is the policy.

Where units wait is not in the record. It is taken to be an assignment: of each kind as few units at one station as
possible, and so placed that the most of their calls were in their station's own area. For engines and trucks that is
their station (`firm`); for ambulances, which roam, it spreads them over the city. All units are on duty all the time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from geo_backup.errors import BadValueError
from geo_backup.formats.calls import Call, CallUnit
from geo_backup.formats.stations import Station
from geo_backup.geodesy import distance_m
from geo_backup.roads.kernel import Array

WAVE_MS = 60_000
TURNOUT_MS = (0, 600_000)
"""What is believed of a recorded turnout."""
KEPT_MS = (60_000, 12 * 3_600_000)
"""What is believed of the time a unit is kept."""
FIRM_SHARE = 0.5


class Slot(NamedTuple):
    """`kept_ms` is from arrival to being free, or from being sent where the unit was cancelled (`arrives` False)."""

    call: int
    kind: int
    turnout_ms: int
    kept_ms: int
    arrives: bool


class Wave(NamedTuple):
    at_ms: int
    call: int
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Record:
    """Calls, slots and waves in the order of time; units by name, with kind int[N], station int[N], `firm` bool[N]."""

    calls: tuple[Call, ...]
    stations: tuple[Station, ...]
    kinds: tuple[str, ...]
    units: tuple[str, ...]
    unit_kind: Array
    unit_home: Array
    firm: Array
    slots: tuple[Slot, ...]
    waves: tuple[Wave, ...]

    @property
    def span_ms(self) -> int:
        """From the first call to the last."""
        return self.calls[-1].received_ms - self.calls[0].received_ms

    @classmethod
    def of(
        cls,
        calls: Sequence[Call],
        stations: Sequence[Station],
        seed: int = 1,
        fleet: Mapping[str, str] | None = None,
    ) -> Record:
        """`fleet` is the kind of each unit where every unit has a station of its own, called as the unit is; None: as
        the calls tell. Raises `BadValueError` where there is nobody to send or nothing to do."""
        if not calls or not stations:
            what = "STATIONS" if calls else "CALLS"
            raise BadValueError(f"--{what.lower()}", "empty", f"{what}.csv has no usable row on this map")
        kinds = tuple(sorted({unit.kind for call in calls for unit in call.units}))
        own = {station.station: k for k, station in enumerate(stations)}
        if fleet is not None:
            named = {(unit_id, kind) for unit_id, kind in fleet.items() if kind in kinds and unit_id in own}
        else:
            named = {(unit.unit_id, unit.kind) for call in calls for unit in call.units if unit.unit_id}
        if not named:
            raise BadValueError(
                "--calls", "units", "CALLS.csv names no unit: say its column with --columns unit_id=NAME"
            )
        units = sorted(named)
        unit_kind = np.array([kinds.index(kind) for _, kind in units])
        if fleet is None:
            home, firm = _homes(calls, stations, units, unit_kind)
        else:
            home, firm = np.array([own[unit_id] for unit_id, _ in units]), np.ones(len(units), bool)
        slots, waves = _slots(calls, kinds, np.random.default_rng(seed))
        return cls(
            tuple(calls), tuple(stations), kinds, tuple(name for name, _ in units), unit_kind, home, firm,
            tuple(slots), tuple(waves),
        )  # fmt: skip


def _homes(
    calls: Sequence[Call], stations: Sequence[Station], units: list[tuple[str, str]], unit_kind: Array
) -> tuple[Array, Array]:
    """Station int[N] of each unit, and whether most of its calls were in that station's area (bool[N])."""
    number = {station.station: k for k, station in enumerate(stations)}
    row = {unit: n for n, unit in enumerate(units)}
    count = np.zeros((len(units), len(stations)))
    for call in calls:
        area = number.get(call.area)
        for unit in call.units:
            if area is not None and unit.unit_id:
                count[row[unit.unit_id, unit.kind], area] += 1
    home = np.zeros(len(units), np.int64)
    for kind in np.unique(unit_kind):
        mine = np.flatnonzero(unit_kind == kind)
        rounds = math.ceil(len(mine) / len(stations))
        who, where = linear_sum_assignment(-np.tile(count[mine], rounds))
        home[mine[who]] = where % len(stations)
    total = count.sum(axis=1)
    return home, count[np.arange(len(units)), home] >= FIRM_SHARE * np.maximum(total, 1)


def _slots(calls: Sequence[Call], kinds: tuple[str, ...], draw: np.random.Generator) -> tuple[list[Slot], list[Wave]]:
    turnouts = {k: _believed(_turnouts(calls, kind), TURNOUT_MS, 60_000) for k, kind in enumerate(kinds)}
    usual = {k: _believed(_kept(calls, kind), KEPT_MS, 1_800_000) for k, kind in enumerate(kinds)}
    slots: list[Slot] = []
    waves: list[tuple[int, int, list[int]]] = []
    for number, call in enumerate(calls):
        began_ms = -WAVE_MS
        # of the units of a kind those that arrived come first: they get the best of the units chosen
        for unit in sorted(call.units, key=lambda unit: sent_ms(call, unit)):
            if sent_ms(call, unit) - began_ms > WAVE_MS or began_ms < 0:
                began_ms = sent_ms(call, unit)
                waves.append((began_ms, number, []))
            kind = kinds.index(unit.kind)
            kept_ms = _kept_ms(call, unit)
            if kept_ms is None or not KEPT_MS[0] <= kept_ms <= KEPT_MS[1]:
                kept_ms = int(np.median(usual[kind]))
            turnout_ms = int(draw.choice(turnouts[kind]))
            waves[-1][2].append(len(slots))
            slots.append(Slot(number, kind, turnout_ms, kept_ms, unit.on_scene_ms is not None))
    ordered = [
        Wave(at_ms, call, tuple(sorted(mine, key=lambda s: (slots[s].kind, not slots[s].arrives, s))))
        for at_ms, call, mine in waves
    ]
    return slots, sorted(ordered)


def sent_ms(call: Call, unit: CallUnit) -> int:
    """When a unit was sent; with the call where the record does not say."""
    return call.received_ms if unit.dispatch_ms is None else unit.dispatch_ms


def _kept_ms(call: Call, unit: CallUnit) -> int | None:
    if unit.available_ms is None:
        return None
    return unit.available_ms - (sent_ms(call, unit) if unit.on_scene_ms is None else unit.on_scene_ms)


def _kept(calls: Sequence[Call], kind: str) -> Iterable[int | None]:
    return (_kept_ms(call, unit) for call in calls for unit in call.units if unit.kind == kind)


def _turnouts(calls: Sequence[Call], kind: str) -> Iterable[int | None]:
    return (
        None if unit.en_route_ms is None else unit.en_route_ms - sent_ms(call, unit)
        for call in calls
        for unit in call.units
        if unit.kind == kind
    )


def _believed(values: Iterable[int | None], within: tuple[int, int], default: int) -> Array:
    found = [value for value in values if value is not None and within[0] <= value <= within[1]]
    return np.array(found or [default])


def station_ranks(calls: Sequence[Call], stations: Sequence[Station]) -> Array:
    """int16[J, S]: 0 for the station in whose area a call lies, then 1, 2 ... in the order of distance by air."""
    lon, lat = (np.array([getattr(s, axis) for s in stations]) for axis in ("lon", "lat"))
    number = {station.station: k for k, station in enumerate(stations)}
    ranks = np.empty((len(calls), len(stations)), np.int16)
    for row, call in enumerate(calls):
        metres = np.asarray(distance_m(call.lon, call.lat, lon, lat))
        if call.area in number:
            metres[number[call.area]] = -1.0
        ranks[row, np.argsort(metres, kind="stable")] = np.arange(len(stations))
    return ranks
