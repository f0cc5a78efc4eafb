"""Shift: recorded calls answered by a simulated fleet under one policy, event after event.

A unit waits at its station, is sent, turns out, drives, is kept, and drives home; on that drive it can be sent again
from where it is, at once. A wave that finds too few units takes those there are, and the rest of its slots wait for the
next unit of their kind to come free, the most urgent and oldest first. Where a slot was cancelled in the record its
unit is held for the recorded time and then stands at the call; ambulances come free at the call too, since the record
does not say where the hospital is.

Where units are moved up, that is looked at when units of a kind were sent and when one comes free, by the rules of
`backup.staging`, and the posts are the stations. A unit that comes free waits at another station than its own where
that wins as much as a move has to; a unit that waits away from its own goes home as soon as it is worth as much there.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from geo_backup.backup.cover import Cover
from geo_backup.backup.staging import best_post, move_up, post_gains
from geo_backup.lab.demand import Believed, Counted
from geo_backup.lab.ground import Ground
from geo_backup.lab.policy import Offer, Policy
from geo_backup.lab.record import Record, station_ranks
from geo_backup.roads.field import HORIZON_MS
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.snap import RoadPoints
from geo_backup.rules import TurnoutRules


@dataclass(frozen=True)
class Outcome:
    """What a policy did, by slot: `unit` int[M] (-1: nobody to the end), `sent_ms` int64[M], `travel_ms` int64[M],
    `arrival_ms` int64[M], `cover_lost` float[M], `queued` bool[M] (had to wait for a unit).

    `moves` counts drives from a station to another, and from a call to a station that is not the unit's own.
    """

    unit: Array
    sent_ms: Array
    travel_ms: Array
    arrival_ms: Array
    cover_lost: Array
    queued: Array
    moves: int


class _Leg(NamedTuple):
    """The spot from which a unit drives to its post, and when it left and is there."""

    spot: int
    left_ms: int
    there_ms: int


def run_shift(
    record: Record,
    ground: Ground,
    policy: Policy,
    *,
    moves: bool = False,
    turnout: TurnoutRules | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> Outcome:
    """Answer all calls of a record. The same arguments give the same outcome."""
    return _Shift(record, ground, policy, moves, turnout or TurnoutRules()).run(progress)


class _Shift:
    def __init__(self, record: Record, ground: Ground, policy: Policy, moves: bool, turnout: TurnoutRules) -> None:
        self._record, self._ground, self._policy, self._turnout = record, ground, policy, turnout
        self._may_move = moves
        self._rank = station_ranks(record.calls, record.stations)
        self._believed, self._counted = Believed(record, ground), Counted(record, ground)
        self._reached = ground.reached
        self._free = np.ones(len(record.units), bool)
        self._of_kind = [np.flatnonzero(record.unit_kind == kind) for kind in range(len(record.kinds))]
        self._post = record.unit_home.copy()
        """The station where a free unit waits, or to which it drives."""
        self._legs: list[_Leg | None] = [None] * len(record.units)
        self._moves = 0
        self._waiting: list[list[tuple[int, int, int]]] = [[] for _ in record.kinds]
        self._busy: list[tuple[int, int, int]] = []
        """(free at ms, unit, call)."""
        count = len(record.slots)
        sent, travel, arrival = np.zeros((3, count), np.int64)
        self._out = Outcome(np.full(count, -1), sent, travel, arrival, np.zeros(count), np.zeros(count, bool), 0)

    def run(self, progress: Callable[[float], None]) -> Outcome:
        for n, wave in enumerate(self._record.waves):
            self._settle(wave.at_ms)
            if not self._reached[wave.call]:
                continue
            kinds = sorted({self._record.slots[slot].kind for slot in wave.slots})
            for kind in kinds:
                self._send(wave.at_ms, wave.call, kind, [s for s in wave.slots if self._record.slots[s].kind == kind])
                self._fill_gaps(wave.at_ms, kind)
            progress((n + 1) / len(self._record.waves))
        self._settle(1 << 62)
        return replace(self._out, moves=self._moves)

    def _settle(self, until_ms: int) -> None:
        """Units that come free until then go to who waits, or to a station."""
        while self._busy and self._busy[0][0] <= until_ms:
            now_ms, unit, call = heapq.heappop(self._busy)
            kind = int(self._record.unit_kind[unit])
            self._free[unit] = True
            self._leave(now_ms, unit, call, int(self._record.unit_home[unit]))
            self._take_waiting(now_ms, kind)
            if self._free[unit] and self._may_move:
                self._leave(now_ms, unit, call, self._best_post(now_ms, unit, call))
                self._return_home(now_ms, kind)

    def _leave(self, now_ms: int, unit: int, spot: int, post: int) -> None:
        """Let a free unit drive from a spot to a post."""
        # where no way is found the unit is there after the longest search
        drive_ms = min(int(self._ground.back_ms[spot, post]), HORIZON_MS)
        self._post[unit], self._legs[unit] = post, _Leg(spot, now_ms, now_ms + drive_ms)

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
        mine, asked = self._of_kind[kind], self._record.calls[call]
        free = self._free[mine]
        units = mine[free]
        eta_ms, air_m, mobile = self._places(now_ms, call, units)
        priority = asked.priority
        there = np.flatnonzero(eta_ms < INF_MS)
        for slot in slots:
            if not len(there):
                heapq.heappush(self._waiting[kind], (priority, now_ms if since_ms is None else since_ms, slot))
                self._out.queued[slot] = True
                continue
            posts = self._post[mine]
            prices = self._believed.cover(asked.received_ms, kind, posts, free).prices[free]
            offer = Offer(priority, eta_ms[there], air_m[there], self._rank[call, posts[free][there]], prices[there])
            best = int(np.argmin(self._policy(offer)))
            chosen = int(there[best])
            self._out.cover_lost[slot] = self._counted.cover(kind, posts, free).prices[free][chosen]
            self._dispatch(now_ms, slot, int(units[chosen]), int(eta_ms[chosen]), bool(mobile[chosen]))
            units, eta_ms, air_m, mobile = (np.delete(v, chosen) for v in (units, eta_ms, air_m, mobile))
            free = self._free[mine]
            there = np.flatnonzero(eta_ms < INF_MS)

    def _places(self, now_ms: int, call: int, units: Array) -> tuple[Array, Array, Array]:
        """Drive times, distances by air and who is on the road of free units."""
        ground, posts = self._ground, self._post[units]
        eta_ms = ground.out_ms[posts, call].copy()
        spots = ground.spot_of_station[posts]
        lon, lat = ground.lon[spots], ground.lat[spots]
        mobile = np.array([not self._stands(now_ms, unit) for unit in units.tolist()], bool)
        points: list[RoadPoints] = []
        for n in np.flatnonzero(mobile).tolist():
            leg = self._legs[units[n]]
            assert leg is not None
            at = ground.on_way(leg.spot, int(posts[n]), now_ms - leg.left_ms)
            if at is None:
                points.append(ground.at_spot(leg.spot))
                lon[n], lat[n] = ground.lon[leg.spot], ground.lat[leg.spot]
            else:
                points.append(RoadPoints.of([at]))
                lon[n], lat[n] = ground.lon_lat(at)
        if points:
            rows = RoadPoints.empty(len(points))
            for k, point in enumerate(points):
                rows.put(np.array([k]), point)
            eta_ms[mobile] = ground.from_points(rows, call)
        return eta_ms, ground.air_m(lon, lat, call), mobile

    def _stands(self, now_ms: int, unit: int) -> bool:
        """Whether a free unit is at its post."""
        leg = self._legs[unit]
        if leg is not None and leg.there_ms <= now_ms:
            self._legs[unit] = None
        return self._legs[unit] is None

    def _dispatch(self, now_ms: int, number: int, unit: int, eta_ms: int, mobile: bool) -> None:
        slot, out = self._record.slots[number], self._out
        turnout_ms = min(slot.turnout_ms, self._turnout.mobile_ms) if mobile else slot.turnout_ms
        out.unit[number], out.sent_ms[number], out.travel_ms[number] = unit, now_ms, eta_ms
        out.arrival_ms[number] = now_ms + turnout_ms + eta_ms
        free_ms = (int(out.arrival_ms[number]) if slot.arrives else now_ms) + slot.kept_ms
        self._free[unit], self._legs[unit] = False, None
        heapq.heappush(self._busy, (free_ms, unit, slot.call))

    def _fill_gaps(self, now_ms: int, kind: int) -> None:
        """Move units that stand at their posts into the gaps that those who were sent leave."""
        if not self._may_move:
            return
        mine = self._of_kind[kind]
        posts, free = self._post[mine], self._free[mine]
        standing = np.array([bool(ok) and self._stands(now_ms, int(u)) for u, ok in zip(mine, free, strict=True)])
        spots = self._ground.spot_of_station[posts]
        cover = self._believed.cover(now_ms, kind, posts, free)
        for move in move_up(cover, self._ground.place_ms.T, self._ground.back_ms[spots].T, standing):
            self._moves += 1
            self._leave(now_ms, int(mine[move.unit]), int(spots[move.unit]), move.post)

    def _others(self, now_ms: int, unit: int) -> Cover:
        """The cover by the free units of a unit's kind beside it."""
        kind = int(self._record.unit_kind[unit])
        mine = self._of_kind[kind]
        return self._believed.cover(now_ms, kind, self._post[mine], self._free[mine] & (mine != unit))

    def _best_post(self, now_ms: int, unit: int, spot: int) -> int:
        """Where a unit that comes free waits: at home, unless another post wins as much as a move has to."""
        cover, home = self._others(now_ms, unit), int(self._record.unit_home[unit])
        gains, least = post_gains(cover, self._ground.place_ms.T), cover.rules.move_up_min_gain
        if gains.max() - gains[home] < least:
            return home
        post = best_post(cover, self._ground.place_ms.T, self._ground.back_ms[spot])
        if post < 0 or gains[post] - gains[home] < least:
            return home
        self._moves += 1
        return post

    def _return_home(self, now_ms: int, kind: int) -> None:
        """Units that stand away from home go back where they are worth as much there."""
        for unit in self._of_kind[kind].tolist():
            post, home = int(self._post[unit]), int(self._record.unit_home[unit])
            if post != home and self._free[unit] and self._stands(now_ms, unit):
                gains = post_gains(self._others(now_ms, unit), self._ground.place_ms.T)
                if gains[home] >= gains[post]:
                    self._moves += 1
                    self._leave(now_ms, unit, int(self._ground.spot_of_station[post]), home)
