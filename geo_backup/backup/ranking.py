"""rank(): who reaches an incident first. Every unit is a candidate, assigned, or excluded with a reason.

A ranking is a pure function of the units' columns, one arrival field, an incident and a time. It is array work from
end to end; objects are made only for the rows that leave the process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from geo_backup.backup.requirement import fits
from geo_backup.events import ANY, AgreementMade, Fix, Mode, Need, UnitStatus
from geo_backup.live_map import OPEN_STATES, Incident, Unit
from geo_backup.roads.field import ArrivalField, Starts
from geo_backup.roads.match import Tracks, match_units
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.search import INF_MS
from geo_backup.roads.snap import RoadPoints, snap_units
from geo_backup.roads.weights import Weights
from geo_backup.rules import Rules

Array = npt.NDArray[Any]

STATUSES: tuple[str, ...] = get_args(UnitStatus)
_CODE = {status: code for code, status in enumerate(STATUSES)}
ASSIGNABLE = ("available", "on_station", "returning", "limited")

STATION = _CODE["on_station"]

FRESHNESS = ("live", "delayed", "stale", "lost")
_STALE, _LOST = 2, 3
NEVER_MS = 2**62

REASONS = (
    "",
    "REQUESTER",
    "ASSIGNED_HERE",
    "ALREADY_ASSIGNED",
    "NOT_ASSIGNABLE_STATUS",
    "WRONG_CAPABILITY",
    "NO_POSITION",
    "STALE_POSITION",
    "UNREACHABLE",
    "OUTSIDE_HORIZON",
    "WRONG_AGENCY_OR_NO_AGREEMENT",
    "NEEDS_APPROVAL",
    "AID_SHARE_USED",
    "UNSTAFFED",
    "REST_PERIOD",
    "END_OF_SHIFT",
)
_REASON = {name: code for code, name in enumerate(REASONS)}


class UnitRow(NamedTuple):
    """What a ranking must know of one unit: frozen, so it may cross to another thread."""

    unit_id: str
    status: str
    capabilities: tuple[str, ...]
    """Of the vehicle and of everybody aboard."""
    incident_id: str | None
    home: tuple[float, float] | None
    fixes: tuple[Fix, ...]
    order_ms: int
    parked: bool
    agency: str = ""
    kind: str = ""
    staffed: bool = True
    shift_ends_ms: int | None = None
    rest_until_ms: int | None = None
    calls: int = 0
    emergency: bool = False
    """Its own officer is in danger."""

    @classmethod
    def of(cls, unit: Unit) -> UnitRow:
        """The unit as it stands now."""
        return cls(
            unit.unit_id,
            unit.status,
            unit.capabilities + tuple(c for m in unit.crew or () for c in m.capabilities if c not in unit.capabilities),
            unit.incident_id,
            unit.home,
            unit.fixes,
            unit.order_ms,
            unit.parked,
            unit.agency,
            unit.kind,
            unit.crew is None or bool(unit.crew),
            unit.shift_ends_ms,
            unit.rest_until_ms,
            unit.calls,
            unit.emergency_id is not None,
        )


class IncidentRow(NamedTuple):
    """What a ranking must know of one incident."""

    incident_id: str
    lon: float
    lat: float
    profile: str
    for_unit_id: str | None
    requirement: tuple[Need, ...]
    assigned: tuple[tuple[str, str], ...]
    """(unit_id, state) of the units that are on it."""
    assigned_ms: tuple[int, ...] = ()
    """When each of them was sent."""
    priority: int = 3
    agency: str = ""
    mode: Mode | None = None
    several: bool = False
    approved: tuple[str, ...] = ()
    apart: bool = False
    arrive_by_ms: int | None = None
    requested_ms: int = 0
    request_id: str = ""

    @classmethod
    def of(cls, incident: Incident) -> IncidentRow:
        """The incident as it stands now."""
        parts = tuple((p.unit_id, p.state) for p in incident.assignments.values() if p.state in OPEN_STATES)
        return cls(
            incident.incident_id,
            incident.lon,
            incident.lat,
            incident.profile,
            incident.for_unit_id,
            incident.requirement,
            parts,
            tuple(
                next((at for state, at, _ in reversed(part.history) if state == "assigned"), part.at_ms)
                for part in incident.assignments.values()
                if part.state in OPEN_STATES
            ),
            incident.priority,
            incident.agency,
            incident.mode,
            incident.several,
            incident.approved,
            incident.apart,
            incident.arrive_by_ms,
            incident.requested_ms,
            incident.request_id,
        )


class UnitTable:
    """The fleet as columns, rows in the order of the unit ids (so a row number breaks ties as the id would).

    `points` are the units' places on the network; they are found again only for the rows that `put` replaced.
    """

    def __init__(self, network: RoadNetwork, rules: Rules) -> None:
        self.network = network
        self.rules = rules
        self.rows: dict[str, UnitRow] = {}
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

    def _lay_out(self) -> None:
        self.ids = sorted(self.rows)
        self.row_of = {unit_id: row for row, unit_id in enumerate(self.ids)}
        n = len(self.ids)
        self.status = np.zeros(n, np.int8)
        self.busy = np.zeros(n, np.bool_)
        self.order_ms = np.zeros(n, np.int64)
        self.parked = np.zeros(n, np.bool_)
        self.placed = np.zeros(n, np.bool_)
        self.at_post = np.zeros(n, np.bool_)
        self.speed_mps = np.zeros(n, np.float32)
        self.staffed = np.ones(n, np.bool_)
        self.emergency = np.zeros(n, np.bool_)
        self.shift_ends_ms = np.full(n, NEVER_MS, np.int64)
        self.rest_until_ms = np.zeros(n, np.int64)
        self.points = RoadPoints.empty(n)

    def _fill(self, rows: Sequence[UnitRow]) -> None:
        n = len(rows)
        at = np.fromiter((self.row_of[row.unit_id] for row in rows), np.int64, n)
        lon, lat = np.full(n, np.nan), np.full(n, np.nan)
        course, speed, accuracy = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
        for i, row in enumerate(rows):
            r = at[i]
            self.status[r] = _CODE[row.status]
            self.busy[r] = row.incident_id is not None
            self.order_ms[r] = row.order_ms
            self.parked[r] = row.parked
            self.staffed[r], self.emergency[r] = row.staffed, row.emergency
            self.shift_ends_ms[r] = NEVER_MS if row.shift_ends_ms is None else row.shift_ends_ms
            self.rest_until_ms[r] = row.rest_until_ms or 0
            fix = row.fixes[-1] if row.fixes else None
            self.at_post[r] = fix is None and row.home is not None and row.status in ("on_station", "out_of_service")
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
        rules, age_ms = self.rules.freshness, as_of_ms - self.order_ms
        live = np.where(self.parked, rules.live_parked_ms, rules.live_moving_ms)
        delayed = np.where(self.parked, rules.delayed_parked_ms, rules.delayed_moving_ms)
        stale = np.where(self.parked, rules.stale_parked_ms, rules.stale_moving_ms)
        grade = (age_ms > live).astype(np.int8) + (age_ms > delayed) + (age_ms > stale)
        return np.where(self.at_post, 0, grade).astype(np.int8)

    def free(self, as_of_ms: int) -> Array:
        """bool[N]: units that the next call would find free."""
        idle = np.isin(self.status, [_CODE[name] for name in ASSIGNABLE]) & ~self.busy & ~self.emergency
        rested = (self.rest_until_ms <= as_of_ms) & (self.shift_ends_ms > as_of_ms) & self.staffed
        out: Array = idle & rested & self.placed & (self.freshness(as_of_ms) < _LOST)
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
            age_s = np.clip((as_of_ms - self.order_ms) / 1000.0, 0.0, self.rules.freshness.live_moving_ms / 1000.0)
            rolling = (self.freshness(as_of_ms) == 0) & (self.points.lead_ms[:, 0] == 0)
            advance_m = np.where(rolling, self.speed_mps * age_s, 0.0).astype(np.float32)
            self._starts = (asked, Starts.of(weights, self.points, advance_m))
        return self._starts[1]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One unit that can go. `eta_ms` is the sum of the five parts; times in ms, distance by road in metres."""

    unit_id: str
    eta_ms: int
    turnout_ms: int
    clear_ms: int
    first_leg_ms: int
    """From where the unit stands onto the road."""
    drive_ms: int
    last_leg_ms: int
    distance_m: float
    status: str
    freshness: str
    warnings: tuple[str, ...]
    preempts: str | None = None
    """The incident that it would be taken from."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """The answer for one incident at one moment; rows are made on demand by `candidates`.

    `order` holds the table rows of the candidates, best first; `reason` says of every row why it is not one of them.
    """

    incident: IncidentRow
    as_of_seq: int
    as_of_ms: int
    network_id: str
    weights_id: str
    rules_id: str
    warnings: tuple[str, ...]
    ids: Sequence[str]
    order: Array
    reason: Array
    eta_ms: Array
    turnout_ms: Array
    clear_ms: Array
    preempts: Array
    """bool[N]: it would be taken from the incident that it is on."""
    aid: Array
    """bool[N]: of another agency, under mutual aid."""
    taken_from: Mapping[int, str]
    which: Array
    status: Array
    fresh: Array
    points: RoadPoints
    field: ArrivalField | None

    @property
    def total(self) -> int:
        """How many units can go."""
        return len(self.order)

    def candidates(self, limit: int) -> list[Candidate]:
        """The best `limit` units, best first: fresh before stale, then ETA in ms, then unit id."""
        rows = self.order[:limit]
        if self.field is None or not len(rows):
            return []
        distance_m, target = self.field.distances_m(self.points.take(rows), self.which[rows])
        leads = self.points.lead_ms[rows, self.which[rows]]
        legs = np.asarray(self.field.target.last_leg_ms, np.int64)[target]
        out = []
        columns = (rows.tolist(), distance_m.tolist(), leads.tolist(), legs.tolist())
        for row, distance, lead, leg in zip(*columns, strict=True):
            eta, turnout, clear = int(self.eta_ms[row]), int(self.turnout_ms[row]), int(self.clear_ms[row])
            out.append(
                Candidate(
                    self.ids[row],
                    eta,
                    turnout,
                    clear,
                    lead,
                    eta - turnout - clear - lead - leg,
                    leg,
                    distance,
                    STATUSES[self.status[row]],
                    FRESHNESS[self.fresh[row]],
                    self._warnings(row),
                    self.taken_from.get(row),
                )
            )
        return out

    def assigned(self) -> list[tuple[str, str, int | None]]:
        """(unit_id, state, eta_ms) of the units on the incident; 0 on scene, None where none can be told."""
        out: list[tuple[str, str, int | None]] = []
        row_of = {self.ids[row]: row for row in np.flatnonzero(self.reason == _REASON["ASSIGNED_HERE"]).tolist()}
        for unit_id, state in self.incident.assigned:
            row = row_of.get(unit_id)
            eta = None if row is None or self.eta_ms[row] >= INF_MS else int(self.eta_ms[row])
            out.append((unit_id, state, 0 if state == "on_scene" else eta))
        return out

    def excluded(self) -> list[tuple[str, str]]:
        """(unit_id, reason) of every unit that cannot go, in the order of the ids."""
        rows = np.flatnonzero((self.reason != 0) & (self.reason != _REASON["ASSIGNED_HERE"]))
        return [(self.ids[row], REASONS[self.reason[row]]) for row in rows.tolist()]

    def excluded_counts(self) -> dict[str, int]:
        """How many units each reason keeps out."""
        counts = np.bincount(self.reason, minlength=len(REASONS))
        return {REASONS[c]: int(counts[c]) for c in range(len(REASONS)) if c > 2 and counts[c]} | (
            {"REQUESTER": int(counts[1])} if counts[1] else {}
        )

    def digest(self) -> str:
        """SHA-256 over order, ETAs, assigned and excluded: equal answers have equal digests."""
        sha = hashlib.sha256(
            f"{self.incident.incident_id} {self.network_id} {self.weights_id} {self.rules_id}".encode()
        )
        sha.update("\n".join(self.ids[row] for row in self.order.tolist()).encode())
        sha.update(self.eta_ms[self.order].astype("<i4").tobytes())
        sha.update(repr((self.assigned(), self.excluded())).encode())
        return sha.hexdigest()

    def _warnings(self, row: int) -> tuple[str, ...]:
        out = []
        if self.fresh[row] >= _STALE:
            out.append("STALE_POSITION")
        if STATUSES[self.status[row]] == "limited":
            out.append("LIMITED")
        if STATUSES[self.status[row]] == "out_of_service":
            out.append("ON_CALL")
        if self.preempts[row]:
            out.append("PREEMPTS")
        if self.aid[row]:
            out.append("MUTUAL_AID")
        return tuple(out)


def rank(
    table: UnitTable,
    incident: IncidentRow,
    field: ArrivalField | None,
    *,
    as_of_seq: int,
    as_of_ms: int,
    warnings: tuple[str, ...] = (),
    others: Mapping[str, IncidentRow] | None = None,
    agreements: Sequence[AgreementMade] = (),
) -> Ranking:
    """Rank the whole fleet for one incident. `field` is None where the incident is on no road: then nobody can go.

    `others` are the open incidents, from which immediate backup may take units by the rules of `BackupRules`.
    """
    rules, n = table.rules, len(table.ids)
    fresh = table.freshness(as_of_ms)
    status = table.status
    on_call = np.zeros(n, np.bool_)
    wrong = np.zeros(n, np.bool_)
    if incident.requirement and all(need.capability != ANY for need in incident.requirement):
        wrong = ~np.fromiter(
            (fits(table.rows[unit_id].capabilities, incident.requirement) for unit_id in table.ids), np.bool_, n
        )
        on_call = ~wrong & (status == _CODE["out_of_service"]) & table.placed
    taken_from, victim = _victims(table, incident, others or {})
    occupied = np.zeros(n, np.bool_)
    if incident.mode == "immediate" and incident.priority <= rules.backup.busy_from_priority:
        occupied = (status == _CODE["busy"]) & ~table.busy

    if field is None:
        drive_ms, which = np.full(n, INF_MS, np.int32), np.full(n, -1, np.int8)
    else:
        drive_ms, which = field.read(table.starts(field.weights, as_of_ms))
    turnout_ms = np.full(n, rules.turnout.mobile_ms, np.int32)
    turnout_ms[status == _CODE["on_station"]] = rules.turnout.on_station_ms
    turnout_ms[on_call] = rules.turnout.on_call_ms
    part_of = dict(incident.assigned)
    here = [table.row_of[unit_id] for unit_id in part_of if unit_id in table.row_of]
    # who is rolling already has no turnout left
    turnout_ms[[row for row in here if part_of[table.ids[row]] in ("en_route", "on_scene")]] = 0
    clear_ms = np.zeros(n, np.int32)
    clear_ms[occupied] = rules.backup.busy_clear_ms
    clear_ms[victim & (status == _CODE["on_scene"])] = rules.turnout.on_scene_clear_ms
    reached = drive_ms < INF_MS
    eta_ms = np.where(reached, drive_ms.astype(np.int64) + turnout_ms + clear_ms, INF_MS).astype(np.int32)

    assignable = np.isin(status, [_CODE[name] for name in ASSIGNABLE]) | on_call | occupied | victim
    late = np.zeros(n, np.bool_)
    if incident.priority > rules.backup.shift_end_priority:
        late = table.shift_ends_ms - as_of_ms < rules.backup.shift_end_ms
    beyond = "UNREACHABLE" if field is None or field.exhausted else "OUTSIDE_HORIZON"
    reason = np.zeros(n, np.int8)
    for name, applies in (  # the last that applies is the one that is said
        (beyond, ~reached),
        ("UNREACHABLE", ~reached & (table.points.edge[:, 0] < 0)),
        ("STALE_POSITION", (fresh == _LOST) & ~on_call),
        ("NO_POSITION", ~table.placed),
        ("END_OF_SHIFT", late | ((table.shift_ends_ms <= as_of_ms) & ~on_call)),
        ("REST_PERIOD", table.rest_until_ms > as_of_ms),
        ("UNSTAFFED", ~table.staffed & ~on_call),
        ("WRONG_CAPABILITY", wrong),
        ("NOT_ASSIGNABLE_STATUS", ~assignable | table.emergency),
        ("ALREADY_ASSIGNED", table.busy & ~victim & (not incident.apart)),
    ):
        reason[applies] = _REASON[name]
    aid = np.zeros(n, np.bool_)
    if incident.agency:
        aid = _admit(table, incident, reason, eta_ms, fresh, others or {}, agreements)
    reason[here] = _REASON["ASSIGNED_HERE"]
    requester = table.row_of.get(incident.for_unit_id) if incident.for_unit_id is not None else None
    if requester is not None:
        reason[requester] = _REASON["REQUESTER"]

    rows = np.flatnonzero(reason == 0)
    order = rows[np.lexsort((rows, eta_ms[rows], fresh[rows] >= _STALE))]
    return Ranking(
        incident,
        as_of_seq,
        as_of_ms,
        table.network.content_id,
        field.weights.weights_id if field is not None else "",
        rules.rules_id,
        warnings,
        table.ids,
        order,
        reason,
        eta_ms,
        turnout_ms,
        clear_ms,
        victim,
        aid,
        taken_from,
        which,
        status.copy(),
        fresh,
        table.points,
        field,
    )


def _victims(
    table: UnitTable, incident: IncidentRow, others: Mapping[str, IncidentRow]
) -> tuple[dict[int, str], Array]:
    """Units that immediate backup may take from less urgent incidents: {row: their incident}, and bool[N]."""
    rules, victim = table.rules.backup, np.zeros(len(table.ids), np.bool_)
    taken_from: dict[int, str] = {}
    limits = {
        1: (rules.p1_takes_en_route_from, rules.p1_takes_on_scene_from),
        2: (rules.p2_takes_en_route_from, rules.p2_takes_on_scene_from),
    }.get(incident.priority)
    if incident.mode != "immediate" or limits is None or incident.apart:
        return taken_from, victim
    for row in np.flatnonzero(table.busy).tolist():
        unit = table.rows[table.ids[row]]
        other = others.get(unit.incident_id or "")
        if other is None or other.incident_id == incident.incident_id or unit.status in ("transporting", "busy"):
            continue
        if other.priority >= limits[unit.status == "on_scene"]:
            victim[row], taken_from[row] = True, other.incident_id
    return taken_from, victim


def _admit(
    table: UnitTable,
    incident: IncidentRow,
    reason: Array,
    eta_ms: Array,
    fresh: Array,
    others: Mapping[str, IncidentRow],
    agreements: Sequence[AgreementMade],
) -> Array:
    """Keep out units of other agencies but where an agreement lets them in (writes `reason`); bool[N]: mutual aid.

    Immediate backup whose last unit of the first wave would take too long opens mutual aid at once.
    """
    rules = table.rules.backup
    agencies = np.array([table.rows[unit_id].agency for unit_id in table.ids], object)
    foreign = np.asarray(agencies != incident.agency, np.bool_)
    mutual, automatic = np.zeros(len(foreign), np.bool_), np.zeros(len(foreign), np.bool_)
    used = np.zeros(len(foreign), np.bool_)
    for agreement in agreements:
        if agreement.borrower != incident.agency:
            continue
        lent = np.asarray(agencies == agreement.lender, np.bool_)
        serving = int((lent & (table.status != _CODE["out_of_service"])).sum())
        away = sum(
            (other := others.get(table.rows[table.ids[row]].incident_id or "")) is not None
            and other.agency == incident.agency
            for row in np.flatnonzero(lent & table.busy).tolist()
        )
        if agreement.kinds:
            kinds = (table.rows[unit_id].kind in agreement.kinds for unit_id in table.ids)
            lent &= np.fromiter(kinds, np.bool_, len(lent))
        if away >= int(agreement.max_share * serving):
            used |= lent
        elif agreement.aid == "automatic" or agreement.lender in incident.approved:
            automatic |= lent
        else:
            mutual |= lent
    own = np.sort(eta_ms[(reason == 0) & (~foreign | automatic) & (fresh < _STALE)])
    wave = max(1, rules.first_wave)
    opened = incident.mode == "immediate" and (len(own) < wave or own[wave - 1] > rules.kth_eta_max_ms)
    free = reason == 0
    reason[free & foreign & ~automatic & ~mutual & ~used] = _REASON["WRONG_AGENCY_OR_NO_AGREEMENT"]
    reason[free & foreign & used & ~automatic & ~mutual] = _REASON["AID_SHARE_USED"]
    if not opened:
        reason[free & foreign & mutual & ~automatic] = _REASON["NEEDS_APPROVAL"]
    return foreign & mutual & ~automatic
