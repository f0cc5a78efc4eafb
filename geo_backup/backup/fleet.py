"""The fleet as columns, with every unit's place on the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np

from geo_backup.backup.view import UnitRow
from geo_backup.events import UnitStatus
from geo_backup.live_map.freshness import LOST, at_post, grade, limits_ms
from geo_backup.live_map.turnout import Turnout, expected, of_kind
from geo_backup.roads.field import Starts
from geo_backup.roads.kernel import Array
from geo_backup.roads.match import Tracks, match_units
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.snap import RoadPoints, snap_units
from geo_backup.roads.weights import Weights
from geo_backup.rules import Rules

STATUSES: tuple[str, ...] = get_args(UnitStatus)
CODE = {status: code for code, status in enumerate(STATUSES)}
ASSIGNABLE = ("available", "on_station", "returning", "limited")

NEVER_MS = 2**62


class UnitTable:
    """The fleet as columns, rows in the order of the unit ids (so a row number breaks ties as the id would).

    `points` are the units' places on the network; they are found again only for the rows that `put` replaced.
    """

    def __init__(self, network: RoadNetwork, rules: Rules) -> None:
        self.network = network
        self.rules = rules
        self.rows: dict[str, UnitRow] = {}
        self._turnouts: Mapping[str, Turnout] = {}
        self._starts: tuple[tuple[str, int], Starts] | None = None
        self._lay_out()

    def put(self, rows: Sequence[UnitRow], gone: Sequence[str] = ()) -> None:
        """Replace rows by their newest values and forget units that are gone."""
        if rows or gone:
            self._starts = None
        known = len(self.rows)
        for unit_id in gone:
            self.rows.pop(unit_id, None)
        self.rows.update((row.unit_id, row) for row in rows)
        if gone or len(self.rows) != known:
            self._lay_out()
            self._fill(list(self.rows.values()))
        elif rows:
            self._fill(rows)

    def expect(self, turnouts: Mapping[str, Turnout]) -> None:
        """Take in what is known of the turnouts of kinds of unit."""
        if turnouts == self._turnouts:
            return
        before, self._turnouts = self._turnouts, turnouts
        others = {name for name in turnouts.keys() | before.keys() if turnouts.get(name) != before.get(name)}
        for row in self.rows.values():
            if of_kind(row.status, row.kind) in others:
                self._turn_out(row)

    def _turn_out(self, row: UnitRow) -> None:
        r, rules = self.row_of[row.unit_id], self.rules.of(row.agency)
        alike = self._turnouts.get(of_kind(row.status, row.kind))
        found = expected(row.status, row.turnout, alike, rules)
        self.turnout_ms[r], self.turnout_p90_ms[r] = found.median_ms, found.p90_ms

    def _lay_out(self) -> None:
        self.ids = sorted(self.rows)
        self.row_of = {unit_id: row for row, unit_id in enumerate(self.ids)}
        n = len(self.ids)
        self.status = np.zeros(n, np.int8)
        self.skills: dict[tuple[str, ...], int] = {}
        """Sets of skills that units have, numbered."""
        self.skill = np.zeros(n, np.int32)
        self.kinds: dict[str, int] = {}
        """Kinds that units are of, numbered."""
        self.kind = np.zeros(n, np.int32)
        self.busy = np.zeros(n, np.bool_)
        self.order_ms = np.zeros(n, np.int64)
        self.limits_ms = np.zeros((3, n), np.int64)
        """Ages beyond which a position is no longer live, delayed, stale."""
        self.trusted_ms = np.zeros(n, np.int64)
        """How long a unit is taken to drive on as it did."""
        self.placed = np.zeros(n, np.bool_)
        self.at_post = np.zeros(n, np.bool_)
        self.speed_mps = np.zeros(n, np.float32)
        self.staffed = np.ones(n, np.bool_)
        self.emergency = np.zeros(n, np.bool_)
        self.hidden = np.zeros(n, np.bool_)
        self.shift_ends_ms = np.full(n, NEVER_MS, np.int64)
        self.rest_until_ms = np.zeros(n, np.int64)
        self.turnout_ms, self.turnout_p90_ms, self.clear_ms = np.zeros((3, n), np.int32)
        self.on_call_ms = np.zeros(n, np.int32)
        self.points = RoadPoints.empty(n)

    def _fill(self, rows: Sequence[UnitRow]) -> None:
        n = len(rows)
        at = np.fromiter((self.row_of[row.unit_id] for row in rows), np.int64, n)
        lon, lat = np.full(n, np.nan), np.full(n, np.nan)
        course, speed, accuracy = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
        for i, row in enumerate(rows):
            r = at[i]
            self.status[r] = CODE[row.status]
            self.skill[r] = self.skills.setdefault(row.skills, len(self.skills))
            self.kind[r] = self.kinds.setdefault(row.kind, len(self.kinds))
            self.busy[r] = row.incident_id is not None
            self.order_ms[r] = row.order_ms
            freshness = self.rules.of_kind(row.kind).freshness
            self.limits_ms[:, r] = limits_ms(freshness, row.parked)
            self.trusted_ms[r] = freshness.live_moving_ms
            self.staffed[r], self.emergency[r], self.hidden[r] = row.staffed, row.emergency, row.hidden
            turnout = self.rules.of(row.agency).turnout
            self._turn_out(row)
            self.clear_ms[r] = turnout.on_scene_clear_ms if row.status == "on_scene" else 0
            self.on_call_ms[r] = turnout.on_call_ms
            self.shift_ends_ms[r] = NEVER_MS if row.shift_ends_ms is None else row.shift_ends_ms
            self.rest_until_ms[r] = row.rest_until_ms or 0
            fix = row.fixes[-1] if row.fixes else None
            self.at_post[r] = at_post(fix is not None, row.home, row.status)
            self.placed[r] = fix is not None or self.at_post[r]
            self.speed_mps[r] = 0.0
            if fix is not None:
                lon[i], lat[i] = fix.lon, fix.lat
                if fix.speed_mps is not None:
                    speed[i] = self.speed_mps[r] = fix.speed_mps
                if fix.course_deg is not None:
                    course[i] = fix.course_deg
                if fix.accuracy_m is not None:
                    accuracy[i] = fix.accuracy_m
            elif self.at_post[r] and row.home is not None:
                lon[i], lat[i] = row.home
        points = snap_units(self.network, lon, lat, course, speed, self.rules.snap, accuracy)
        # where the newest fix leaves several roads or directions, the ones before it are asked
        doubtful = [i for i in np.flatnonzero(points.doubtful).tolist() if len(rows[i].fixes) > 1]
        if doubtful:
            tracks = Tracks.of([rows[i].fixes for i in doubtful])
            points.put(np.array(doubtful), match_units(self.network, tracks, self.rules.snap))
        self.points.put(at, points)

    def freshness(self, as_of_ms: int) -> Array:
        """int8[N]: index into `FRESHNESS` at a time."""
        return np.where(self.at_post, 0, grade(as_of_ms - self.order_ms, self.limits_ms)).astype(np.int8)

    def free(self, as_of_ms: int) -> Array:
        """bool[N]: units that the next call would find free."""
        idle = np.isin(self.status, [CODE[name] for name in ASSIGNABLE]) & ~self.busy & ~self.emergency & ~self.hidden
        rested = (self.rest_until_ms <= as_of_ms) & (self.shift_ends_ms > as_of_ms) & self.staffed
        out: Array = idle & rested & self.placed & (self.freshness(as_of_ms) < LOST)
        return out

    def lon_lat(self) -> tuple[Array, Array]:
        """float64[N] twice: where the units are, NaN where nobody knows."""
        nowhere = (float("nan"), float("nan"))
        at = [
            row.fixes[-1][1:3] if row.fixes else (row.home or nowhere)
            for row in (self.rows[unit_id] for unit_id in self.ids)
        ]
        lon, lat = np.array(at, np.float64).reshape(-1, 2).T
        return lon, lat

    def starts(self, weights: Weights, as_of_ms: int) -> Starts:
        """Where the units stand at a time, ready to be read against every field of these weights.

        A position is predicted to now along its own edge, as far as a live fix can be trusted.
        """
        asked = (weights.weights_id, as_of_ms)
        if self._starts is None or self._starts[0] != asked:
            age_s = np.clip((as_of_ms - self.order_ms) / 1000.0, 0.0, self.trusted_ms / 1000.0)
            rolling = (self.freshness(as_of_ms) == 0) & (self.points.lead_ms[:, 0] == 0)
            advance_m = np.where(rolling, self.speed_mps * age_s, 0.0).astype(np.float32)
            self._starts = (asked, Starts.of(weights, self.points, advance_m))
        return self._starts[1]
