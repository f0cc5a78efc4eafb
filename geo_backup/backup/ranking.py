"""rank(): who reaches an incident first. Every unit is a candidate, assigned, or excluded with a reason.

A ranking is a pure function of the units' columns, one arrival field, an incident and a time. It is array work from
end to end; objects are made only for the rows that leave the process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from geo_backup.backup import odds
from geo_backup.backup.admission import admit, victims
from geo_backup.backup.fleet import ASSIGNABLE, CODE, STATUSES, UnitTable
from geo_backup.backup.lacking import Lack, Roll, lack
from geo_backup.backup.readings import drive_times
from geo_backup.backup.reasons import REASON, REASONS
from geo_backup.backup.requirement import fits, is_any, remaining
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import IncidentRow, View
from geo_backup.events import ANY, AgreementMade, Need
from geo_backup.live_map.freshness import FRESHNESS, LOST, STALE
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pace_words import Paced
from geo_backup.roads.profile import hour_of
from geo_backup.roads.punctuality import Trust
from geo_backup.roads.snap import RoadPoints


@dataclass(frozen=True, slots=True)
class Candidate:
    """One unit that can go. `eta_ms` is the sum of the six parts; times in ms, distance by road in metres."""

    unit_id: str
    eta_ms: int
    turnout_ms: int
    clear_ms: int
    first_leg_ms: int
    """From where the unit stands onto the road."""
    drive_ms: int
    last_leg_ms: int
    overhead_ms: int
    """What drives take beyond what the roads say, as measured."""
    low_ms: int
    """Eight of ten such units arrive between this ..."""
    p90_ms: int
    """... and this."""
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
    trust: Trust
    eta_cv: float
    """How much times scatter: by the rule, or as measured."""
    roll: Roll
    needs: tuple[Need, ...]
    """What is asked for, and not filled by those who are on it, nor by those who came and have left."""
    paced: Paced | None = None
    """The pace that was taught; None where nothing was."""

    @property
    def lacking(self) -> tuple[Lack, ...]:
        """What more is asked for than there are units that can go; where nothing is asked for and nobody can go, one
        unit of any kind."""
        can, out, incident = self.reason == 0, list[Lack](), self.incident
        nothing_asked = not incident.requirement and not incident.assigned
        for need in (Need(ANY),) if nothing_asked else self.needs:
            short = need.count - int((self.roll.fits(need) & can).sum())
            if short > 0:
                out.append(lack(need._replace(count=short), self.roll, self.reason, can, self.warnings))
        return tuple(out)

    @property
    def total(self) -> int:
        """How many units can go."""
        return len(self.order)

    def candidates(self, limit: int) -> list[Candidate]:
        """The best `limit` units, best first: fresh before stale, then ETA in ms, then unit id."""
        return self.parts(self.order[:limit])

    def parts(self, rows: Array) -> list[Candidate]:
        """What the times of some candidates are made of, in the order of their rows. Belongs to the field's thread."""
        if self.field is None or not len(rows):
            return []
        distance_m, target = self.field.distances_m(self.points.take(rows), self.which[rows])
        leads = self.points.lead_ms[rows, self.which[rows]]
        legs = np.asarray(self.field.target.last_leg_ms, np.int64)[target]
        out = []
        beyond = self.trust.overhead_ms
        columns = (rows, distance_m, leads, legs, *self.within_ms(rows))
        for row, distance, lead, leg, low, p90 in zip(*(column.tolist() for column in columns), strict=True):
            eta, turnout, clear = int(self.eta_ms[row]), int(self.turnout_ms[row]), int(self.clear_ms[row])
            out.append(
                Candidate(
                    self.ids[row],
                    eta,
                    turnout,
                    clear,
                    lead,
                    eta - turnout - clear - lead - leg - beyond,
                    leg,
                    beyond,
                    low,
                    p90,
                    distance,
                    STATUSES[self.status[row]],
                    FRESHNESS[self.fresh[row]],
                    self._warnings(row),
                    self.taken_from.get(row),
                )
            )
        return out

    def paces(self, rows: Array) -> list[str]:
        """In words, what the pace that was taught makes of the drive of each of some units; empty where nothing was.
        It walks every way: for few units. Belongs to the field's thread."""
        return ["" if self.paced is None else self._pace(row, self.paced) for row in rows.tolist()]

    def _pace(self, row: int, paced: Paced) -> str:
        which, field = int(self.which[row]), self.field
        if field is None or which < 0:
            return ""
        edge, fraction = int(self.points.edge[row, which]), int(self.points.fraction[row, which])
        way = field.way(edge, fraction)
        if way is None:
            return ""
        return paced.way(field.weights, way.edges, way.turns, (fraction, field.target.fractions[way.target]))

    def within_ms(self, rows: Array | None = None) -> tuple[Array, Array]:
        """int64[N] twice: when eight of ten such units arrive; nine of ten by the later one. Of all units without
        `rows`; `INF_MS` for those that cannot go."""
        rows = np.arange(len(self.eta_ms)) if rows is None else rows
        eta_ms = self.eta_ms[rows].astype(np.int64)
        if self.trust.measured:  # of driving; the rest is as sure as it was
            still_ms = np.minimum(self.turnout_ms[rows].astype(np.int64) + self.clear_ms[rows], eta_ms)
            low_ms, p90_ms = (still_ms + ms for ms in self.trust.within_ms(eta_ms - still_ms))
        else:
            low_ms, p90_ms = odds.low_ms(eta_ms, self.eta_cv), odds.p90_ms(eta_ms, self.eta_cv)
        return np.minimum(low_ms, INF_MS), np.minimum(p90_ms, INF_MS)

    def assigned(self) -> list[tuple[str, str, int | None]]:
        """(unit_id, state, eta_ms) of the units on the incident; 0 on scene, None where none can be told."""
        out: list[tuple[str, str, int | None]] = []
        row_of = {self.ids[row]: row for row in np.flatnonzero(self.reason == REASON["ASSIGNED_HERE"]).tolist()}
        for unit_id, state in self.incident.assigned:
            row = row_of.get(unit_id)
            eta = None if row is None or self.eta_ms[row] >= INF_MS else int(self.eta_ms[row])
            out.append((unit_id, state, 0 if state == "on_scene" else eta))
        return out

    def assigned_within(self) -> dict[str, tuple[int, int]]:
        """Of the units that are on the way when eight of ten such units are there; nine of ten by the later one."""
        rows = np.flatnonzero((self.reason == REASON["ASSIGNED_HERE"]) & (self.eta_ms < INF_MS))
        low_ms, p90_ms = self.within_ms(rows)
        ids = [self.ids[row] for row in rows.tolist()]
        return dict(zip(ids, zip(low_ms.tolist(), p90_ms.tolist(), strict=True), strict=True))

    def excluded(self) -> list[tuple[str, str]]:
        """(unit_id, reason) of every unit that cannot go, in the order of the ids."""
        rows = np.flatnonzero((self.reason != 0) & (self.reason != REASON["ASSIGNED_HERE"]))
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
        warnings = {
            "STALE_POSITION": self.fresh[row] >= STALE,
            "LIMITED": STATUSES[self.status[row]] == "limited",
            "ON_CALL": STATUSES[self.status[row]] == "out_of_service",
            "PREEMPTS": self.preempts[row],
            "MUTUAL_AID": self.aid[row],
        }
        return tuple(name for name, holds in warnings.items() if holds)


def rank(standing: Standing, incident_id: str) -> Ranking:
    """Everybody's place in the queue for one incident, as of the last view. Raises `KeyError` when it is not open."""
    now, field = standing.now, standing.field(incident_id)
    incident = now.incidents[incident_id]
    warnings = {
        "INCIDENT_IN_CLOSURE": bool(standing.waived(incident_id)),
        "PROFILE_UNKNOWN": incident.profile not in standing.profiles,
        "INCIDENT_OFF_MAP": field is None,
        "INCIDENT_OFF_MAIN_NETWORK": field is not None and not field.target.on_main,
    }
    said = tuple(name for name, holds in warnings.items() if holds)
    trust, paced = standing.trust(incident.profile, incident.agency), standing.front(incident.profile).driving.paced
    return rank_fleet(standing.table, incident, field, now, said, trust, paced)


def rank_fleet(
    table: UnitTable,
    incident: IncidentRow,
    field: ArrivalField | None,
    now: View,
    warnings: tuple[str, ...] = (),
    trust: Trust | None = None,
    paced: Paced | None = None,
) -> Ranking:
    """Rank the whole fleet for one incident. `field` is None where the incident is on no road: then nobody can go.

    `now` has the open incidents, from which immediate backup may take units by the rules of `BackupRules`, and the
    agreements.
    """
    as_of_ms = now.as_of_ms
    fresh = table.freshness(as_of_ms)
    wrong, on_call = _skills(table, incident)
    taken_from, victim = victims(table, incident, now.incidents)
    occupied = _occupied(table, incident)
    drive_ms, which = drive_times(table, field, as_of_ms)
    turnout_ms, clear_ms = _delays(table, incident, on_call, occupied, victim)
    reached, eta_cv = drive_ms < INF_MS, table.rules.of(incident.agency).backup.eta_cv
    trust = trust or Trust.assumed(eta_cv)
    drive_ms = np.where(_under_way(table, incident), trust.left_ms(drive_ms), trust.eta_ms(drive_ms))
    eta_ms = np.where(reached, drive_ms + turnout_ms + clear_ms, INF_MS).astype(np.int32)
    lost = ~reached & (table.points.edge[:, 0] >= 0)
    beyond = "UNREACHABLE" if field is None or not lost.any() or field.exhausted else "OUTSIDE_HORIZON"
    assignable = np.isin(table.status, [CODE[name] for name in ASSIGNABLE]) | on_call | occupied | victim
    reason = np.zeros(len(fresh), np.int8)
    for name, applies in (  # the last that applies is the one that is said
        (beyond, ~reached),
        ("UNREACHABLE", ~reached & (table.points.edge[:, 0] < 0)),
        ("STALE_POSITION", (fresh == LOST) & ~on_call),
        ("NO_POSITION", ~table.placed),
        ("END_OF_SHIFT", _late(table, incident, as_of_ms) | ((table.shift_ends_ms <= as_of_ms) & ~on_call)),
        ("REST_PERIOD", table.rest_until_ms > as_of_ms),
        ("UNSTAFFED", ~table.staffed & ~on_call),
        ("WRONG_CAPABILITY", wrong),
        ("NOT_ASSIGNABLE_STATUS", ~assignable | table.emergency),
        ("ALREADY_ASSIGNED", table.busy & ~victim & (not incident.apart)),
        ("HIDDEN", table.hidden),
    ):
        reason[applies] = REASON[name]
    aid = np.zeros(len(fresh), np.bool_)
    if incident.agency:
        aid = admit(table, incident, reason, eta_ms, fresh, now.incidents, _agreements(table.network, now))
    reason[_here(table, incident)] = REASON["ASSIGNED_HERE"]
    requester = table.row_of.get(incident.for_unit_id) if incident.for_unit_id is not None else None
    if requester is not None:
        reason[requester] = REASON["REQUESTER"]

    rows = np.flatnonzero(reason == 0)
    order = rows[np.lexsort((rows, eta_ms[rows], fresh[rows] >= STALE))]
    roll = Roll(tuple(table.skills), table.skill.copy(), tuple(table.kinds), table.kind.copy(), table.free(as_of_ms))
    return Ranking(
        incident, now.seq, as_of_ms, table.network.content_id,
        field.weights.weights_id if field is not None else "", table.rules.rules_id, warnings,
        table.ids, order, reason, eta_ms, turnout_ms, clear_ms, victim, aid, taken_from, which,
        table.status.copy(), fresh, table.points, field,
        trust, trust.eta_cv if trust.measured else eta_cv, roll, _needs(table, incident), paced,
    )  # fmt: skip


def _needs(table: UnitTable, incident: IncidentRow) -> tuple[Need, ...]:
    """What is asked for and still missing."""
    sent = [table.rows[unit_id].skills for unit_id, _ in incident.assigned if unit_id in table.rows]
    return remaining(incident.requirement, incident.several, [*incident.came, *sent])[0]


def _agreements(network: RoadNetwork, now: View) -> tuple[AgreementMade, ...]:
    """Those of this hour of the local day."""
    if not any(one.hours for one in now.agreements):
        return now.agreements
    hour = hour_of(now.as_of_ms, network.area.timezone)
    return tuple(one for one in now.agreements if not one.hours or hour in one.hours)


def _skills(table: UnitTable, incident: IncidentRow) -> tuple[Array, Array]:
    """bool[N] twice: units that fill nothing of what is asked; units off duty that come when they are called."""
    needs, off_duty = incident.requirement, table.status == CODE["out_of_service"]
    nobody = np.zeros(len(off_duty), np.bool_)
    if not needs or any(is_any(need.capability) for need in needs):
        return nobody, nobody
    wrong = ~np.array([fits(skills, needs) for skills in table.skills], np.bool_)[table.skill]
    if any(map(is_any, (other for need in needs for other in need.substitutes))):  # those on duty do
        return wrong, nobody
    return wrong, ~wrong & off_duty & table.placed


def _occupied(table: UnitTable, incident: IncidentRow) -> Array:
    """bool[N]: units busy with what is no incident, which an urgent call may take from it."""
    urgent = incident.priority <= table.rules.of(incident.agency).backup.busy_from_priority
    if incident.mode != "immediate" or not urgent:
        return np.zeros(len(table.ids), np.bool_)
    return np.asarray((table.status == CODE["busy"]) & ~table.busy, np.bool_)


def _late(table: UnitTable, incident: IncidentRow, as_of_ms: int) -> Array:
    """bool[N]: units whose shift ends too soon for a call that is not urgent."""
    rules = table.rules.of(incident.agency).backup
    if incident.priority <= rules.shift_end_priority:
        return np.zeros(len(table.ids), np.bool_)
    return np.asarray(table.shift_ends_ms - as_of_ms < rules.shift_end_ms, np.bool_)


def _here(table: UnitTable, incident: IncidentRow) -> list[int]:
    """Rows of the units that are on the incident."""
    return [table.row_of[unit_id] for unit_id, _ in incident.assigned if unit_id in table.row_of]


def _under_way(table: UnitTable, incident: IncidentRow) -> Array:
    """bool[N]: units that are driving to the incident."""
    out, state = np.zeros(len(table.ids), np.bool_), dict(incident.assigned)
    out[[row for row in _here(table, incident) if state[table.ids[row]] in ("en_route", "on_scene")]] = True
    return out


def _delays(
    table: UnitTable, incident: IncidentRow, on_call: Array, occupied: Array, victim: Array
) -> tuple[Array, Array]:
    """Milliseconds int32[N] twice before a unit can drive: its turnout, and clearing what it is busy with."""
    turnout_ms = np.where(on_call, table.on_call_ms, table.turnout_ms)
    turnout_ms[_under_way(table, incident)] = 0  # who is rolling already has none left
    clear_ms = np.zeros(len(table.ids), np.int32)
    clear_ms[occupied] = table.rules.of(incident.agency).backup.busy_clear_ms
    clear_ms[victim] = table.clear_ms[victim]
    return turnout_ms, clear_ms
