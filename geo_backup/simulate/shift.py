"""Shift: recorded calls answered by a simulated fleet under one policy, event after event.

A unit waits at its station, is sent, turns out, drives, is kept, and drives home; on that drive it can be sent again
from where it is, at once. A wave that finds too few units takes those there are, and the rest of its slots wait for the
next unit of their kind to come free, the most urgent and oldest first. Where a slot was cancelled in the record its
unit is held for the recorded time and then stands at the call; ambulances come free at the call too, since the record
does not say where the hospital is.

Cover counts the free units at their stations, also those on their way there: MEXCLP (Daskin 1983), with places and
demand from the calls themselves and the recorded share of time that units are busy.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from geo_backup.backup.cover import Cover
from geo_backup.roads.field import HORIZON_MS
from geo_backup.roads.network import Array
from geo_backup.roads.search import INF_MS
from geo_backup.roads.snap import RoadPoints
from geo_backup.rules import CoverRules, TurnoutRules
from geo_backup.simulate.ground import Ground
from geo_backup.simulate.policy import Offer, Policy
from geo_backup.simulate.record import Record, station_ranks

COVER = CoverRules(target_ms=CoverRules.r1_ms)
"""A place counts as covered by the units that a first one is asked to reach it in."""
CELL_DEG = 0.005
"""Demand is counted in cells about half a kilometre wide."""


class Demand:
    """Places where calls come from, and by kind of unit the times int32[I, N] from the stations of all units of that
    kind and the calls float64[I] for it."""

    def __init__(self, record: Record, ground: Ground) -> None:
        cell = np.round(np.stack((ground.call_lon, ground.call_lat), axis=1) / CELL_DEG).astype(np.int64)
        _, place, of_call = np.unique(cell, axis=0, return_index=True, return_inverse=True)
        count = np.zeros((len(record.kinds), len(place)))
        for slot in record.slots:
            count[slot.kind, of_call[slot.call]] += 1.0
        self._weights = count
        self._ms = [ground.out_ms[record.unit_home[record.unit_kind == k]][:, place].T for k in range(len(count))]
        self._rules = [replace(COVER, busy_fraction=float(busy)) for busy in record.busy_share]

    def cover(self, kind: int, free: Array) -> Cover:
        """The cover by the free units (bool[N]) of a kind."""
        return Cover(self._ms[kind], free, self._weights[kind], self._rules[kind])


@dataclass(frozen=True)
class Outcome:
    """What a policy did, by slot: `unit` int[M] (-1: nobody to the end), `sent_ms` int64[M], `travel_ms` int64[M],
    `arrival_ms` int64[M], `cover_lost` float[M], `queued` bool[M] (had to wait for a unit)."""

    unit: Array
    sent_ms: Array
    travel_ms: Array
    arrival_ms: Array
    cover_lost: Array
    queued: Array
    moves: int = 0


class _Leg(NamedTuple):
    """Where a unit drives home from, and when it left and is there."""

    call: int
    left_ms: int
    home_ms: int


def run_shift(
    record: Record,
    ground: Ground,
    policy: Policy,
    *,
    turnout: TurnoutRules | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> Outcome:
    """Answer all calls of a record. The same arguments give the same outcome."""
    return _Shift(record, ground, policy, turnout or TurnoutRules()).run(progress)


class _Shift:
    def __init__(self, record: Record, ground: Ground, policy: Policy, turnout: TurnoutRules) -> None:
        self._record, self._ground, self._policy, self._turnout = record, ground, policy, turnout
        self._rank = station_ranks(record.calls, record.stations)
        self._demand = Demand(record, ground)
        self._reached = ground.reached
        self._free = np.ones(len(record.units), bool)
        self._of_kind = [np.flatnonzero(record.unit_kind == kind) for kind in range(len(record.kinds))]
        self._legs: list[_Leg | None] = [None] * len(record.units)
        self._waiting: list[list[tuple[int, int, int]]] = [[] for _ in record.kinds]
        self._busy: list[tuple[int, int, int]] = []
        """(free at ms, unit, call)."""
        count = len(record.slots)
        sent, travel, arrival = np.zeros((3, count), np.int64)
        self._out = Outcome(np.full(count, -1), sent, travel, arrival, np.zeros(count), np.zeros(count, bool))

    def run(self, progress: Callable[[float], None]) -> Outcome:
        for n, wave in enumerate(self._record.waves):
            self._settle(wave.at_ms)
            if not self._reached[wave.call]:
                continue
            kinds = sorted({self._record.slots[slot].kind for slot in wave.slots})
            for kind in kinds:
                self._send(wave.at_ms, wave.call, kind, [s for s in wave.slots if self._record.slots[s].kind == kind])
            progress((n + 1) / len(self._record.waves))
        self._settle(1 << 62)
        return self._out

    def _settle(self, until_ms: int) -> None:
        """Units that come free until then go to who waits, or home."""
        while self._busy and self._busy[0][0] <= until_ms:
            now_ms, unit, call = heapq.heappop(self._busy)
            kind, home = int(self._record.unit_kind[unit]), int(self._record.unit_home[unit])
            back_ms = int(self._ground.back_ms[call, home])
            self._free[unit] = True
            # where no way home is found the unit is there after the longest search
            self._legs[unit] = _Leg(call, now_ms, now_ms + min(back_ms, HORIZON_MS))
            self._take_waiting(now_ms, kind)

    def _take_waiting(self, now_ms: int, kind: int) -> None:
        """Offer a unit that came free to who waits, in order, until somebody it can drive to takes it."""
        waiting, self._waiting[kind] = self._waiting[kind], []
        while waiting and self._free[self._of_kind[kind]].any():
            _, since_ms, slot = heapq.heappop(waiting)
            self._send(now_ms, self._record.slots[slot].call, kind, [slot], since_ms)
        for entry in waiting:
            heapq.heappush(self._waiting[kind], entry)

    def _send(self, now_ms: int, call: int, kind: int, slots: list[int], since_ms: int | None = None) -> None:
        """Give each slot the unit that the policy likes best; slots without one wait."""
        record = self._record
        free = self._free[self._of_kind[kind]]
        units = self._of_kind[kind][free]
        homes = record.unit_home[units]
        eta_ms, air_m, mobile = self._places(now_ms, call, units, homes)
        priority = record.calls[call].priority
        there = np.flatnonzero(eta_ms < INF_MS)
        for slot in slots:
            if not len(there):
                heapq.heappush(self._waiting[kind], (priority, now_ms if since_ms is None else since_ms, slot))
                self._out.queued[slot] = True
                continue
            prices = self._demand.cover(kind, free).prices[free]
            offer = Offer(priority, eta_ms[there], air_m[there], self._rank[call, homes[there]], prices[there])
            best = int(np.argmin(self._policy(offer)))
            chosen = int(there[best])
            self._dispatch(now_ms, slot, int(units[chosen]), int(eta_ms[chosen]), bool(mobile[chosen]))
            self._out.cover_lost[slot] = prices[chosen]
            units, homes, eta_ms, air_m, mobile = (np.delete(v, chosen) for v in (units, homes, eta_ms, air_m, mobile))
            free = self._free[self._of_kind[kind]]
            there = np.flatnonzero(eta_ms < INF_MS)

    def _places(self, now_ms: int, call: int, units: Array, homes: Array) -> tuple[Array, Array, Array]:
        """Drive times, distances by air and who is on the road of free units."""
        ground = self._ground
        eta_ms = ground.out_ms[homes, call].copy()
        lon, lat = ground.station_lon[homes], ground.station_lat[homes]
        mobile = np.zeros(len(units), bool)
        points: list[RoadPoints] = []
        for n, unit in enumerate(units.tolist()):
            leg = self._legs[unit]
            if leg is None:
                continue
            if leg.home_ms <= now_ms:
                self._legs[unit] = None
                continue
            mobile[n] = True
            at = ground.on_way_home(leg.call, int(homes[n]), now_ms - leg.left_ms)
            if at is None:
                points.append(ground.at_calls([leg.call]))
                lon[n], lat[n] = ground.call_lon[leg.call], ground.call_lat[leg.call]
            else:
                points.append(RoadPoints.of([at]))
                lon[n], lat[n] = ground.lon_lat(at)
        if points:
            rows = RoadPoints.empty(len(points))
            for k, point in enumerate(points):
                rows.put(np.array([k]), point)
            eta_ms[mobile] = ground.from_points(rows, call)
        return eta_ms, ground.air_m(lon, lat, call), mobile

    def _dispatch(self, now_ms: int, number: int, unit: int, eta_ms: int, mobile: bool) -> None:
        slot, out = self._record.slots[number], self._out
        turnout_ms = min(slot.turnout_ms, self._turnout.mobile_ms) if mobile else slot.turnout_ms
        out.unit[number], out.sent_ms[number], out.travel_ms[number] = unit, now_ms, eta_ms
        out.arrival_ms[number] = now_ms + turnout_ms + eta_ms
        free_ms = (int(out.arrival_ms[number]) if slot.arrives else now_ms) + slot.kept_ms
        self._free[unit], self._legs[unit] = False, None
        heapq.heappush(self._busy, (free_ms, unit, slot.call))
