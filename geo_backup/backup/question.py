"""The question that a request for backup puts: what is to be decided, frozen.

All open requests are decided together; the answer is for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import numpy as np

from geo_backup.backup.choice import Choice, Fleet, Request
from geo_backup.backup.city import CityNow, city_now
from geo_backup.backup.exact import exact
from geo_backup.backup.fleet import STATUSES, UnitTable
from geo_backup.backup.greedy import greedy
from geo_backup.backup.ranking import Ranking, rank
from geo_backup.backup.requirement import AS_SUBSTITUTE, NOT_AT_ALL, fill
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import IncidentRow, View
from geo_backup.events import Mode, Need
from geo_backup.live_map.freshness import FRESHNESS, STALE
from geo_backup.roads.kernel import INF_MS
from geo_backup.rules import Rules

MILLION = 1_000_000
PARTS = ("turnout_ms", "clear_ms", "first_leg_ms", "drive_ms", "last_leg_ms", "overhead_ms")
"""What a candidate's time is made of."""
OF_CANDIDATE = ("eta_ms", *PARTS, "low_ms", "p90_ms", "warnings", "preempts")
OTHER_BEAT = 100
"""Preference of units that are not of the incident's beat: more than any substitute."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """One unit as it was weighed: where it was taken to be, the parts of its time, what it could fill, its price.

    Without a rank it could not go; `reason` says why it does not.
    """

    unit_id: str
    capabilities: tuple[str, ...] = ()
    status: str = ""
    freshness: str = ""
    position: tuple[float, float] | None = None
    fix_ms: int | None = None
    edge: int = -1
    fraction: int = 0
    cover_lost: int = 0
    calls: int = 0
    reason: str = ""
    rank: int | None = None
    """From 1, by arrival."""
    match: Mapping[str, Literal["asked", "substitute"]] = field(default_factory=dict)
    score_ms: int | None = None
    """What its arrival counts as in the choice."""
    eta_ms: int = 0
    turnout_ms: int = 0
    clear_ms: int = 0
    first_leg_ms: int = 0
    drive_ms: int = 0
    last_leg_ms: int = 0
    distance_m: int = 0
    warnings: tuple[str, ...] = ()
    preempts: str | None = None
    overhead_ms: int = 0
    low_ms: int | None = None
    p90_ms: int | None = None
    """Older records say neither of the two."""
    pace: str = ""
    """Of the first of the ranking, in words: what the pace that was taught makes of its drive."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be decided, as arrays: no field, no table, so it may be answered in any thread."""

    incident: IncidentRow
    mode: Mode
    ranking: Ranking
    requests: tuple[Request, ...]
    """What is still missing everywhere."""
    own: int
    """Which of them is the one that is asked about."""
    fleet: Fleet
    city: CityNow | None
    rules: Rules
    rows: tuple[int, ...] = ()
    units: tuple[Weighed, ...] = ()
    """The units of those rows, for the record."""

    @property
    def needs(self) -> tuple[Need, ...]:
        """What is missing here."""
        return self.requests[self.own].needs

    @property
    def together(self) -> tuple[int, tuple[str, ...]]:
        """Questions of one moment that are equal in this have the same choice."""
        return self.rules.backup.bucket_ms, tuple(request.request_id for request in self.requests)

    def first(self) -> Choice:
        """The choice at once."""
        return greedy(self.requests, self.fleet, self.rules.backup.bucket_ms)

    def best(self, first: Choice) -> Choice:
        """The best choice; takes longer."""
        return exact(self.requests, self.fleet, self.rules.backup.bucket_ms, first=first)


def ask(standing: Standing, incident_id: str) -> Question:
    """Put the question of one incident, together with those of all others that wait for units.

    Raises `KeyError` when the incident is not open, `ValueError` when it asks for no backup.
    """
    return _whole(standing, _ask(standing, incident_id, city_now(standing)))


def ask_all(standing: Standing, incident_ids: Iterable[str]) -> list[Question]:
    """Put the questions of some incidents, as of one moment and one cover; those that are closed or ask for no backup
    are left out."""
    incidents = standing.now.incidents
    asking = [name for name in incident_ids if name in incidents and incidents[name].mode is not None]
    city = city_now(standing) if asking else None
    return [_whole(standing, _ask(standing, incident_id, city)) for incident_id in asking]


def ask_at_once(standing: Standing, incident_id: str) -> tuple[Question, Choice]:
    """Put the question of one incident for the first answer, and choose: by arrival alone where it is urgent, with a
    record of no more units than a person looks at. Raises as `ask` does."""
    urgent = standing.now.incidents[incident_id].mode == "immediate"
    question = _ask(standing, incident_id, None if urgent else city_now(standing))
    first, order = question.first(), question.ranking.order.tolist()
    rows = {*order[: standing.table.rules.limit.ranking_frame], *(unit.row for unit in first.sent[question.own])}
    return _weighing(question, standing.table, tuple(sorted(rows))), first


def _whole(standing: Standing, question: Question) -> Question:
    return _weighing(question, standing.table, tuple(range(len(standing.table.ids))))


def _ask(standing: Standing, incident_id: str, city: CityNow | None) -> Question:
    now = standing.now
    incident = now.incidents[incident_id]
    if incident.mode is None:
        raise ValueError(f"incident {incident_id!r} asks for no backup")
    table, rules = standing.table, standing.table.rules.of(incident.agency)
    joint = _joint(now, incident, rules)
    rankings = [rank(standing, other.incident_id) for other in joint]
    own = joint.index(incident)
    requests = tuple(
        _request(other, ranking, city, table.rules.of(other.agency))
        for other, ranking in zip(joint, rankings, strict=True)
    )
    return Question(incident, incident.mode, rankings[own], requests, own, fleet_of(table, city), city, rules)


def _joint(now: View, incident: IncidentRow, rules: Rules) -> list[IncidentRow]:
    """The requests that are decided together: an exercise alone; else the most urgent and oldest, this one among
    them."""
    if incident.apart:
        return [incident]
    waiting = [
        other
        for other in now.incidents.values()
        if other.mode is not None and not other.apart and other.incident_id != incident.incident_id
    ]
    waiting.sort(key=lambda other: (other.priority, other.requested_ms, other.incident_id))
    kept = [*waiting[: max(0, rules.backup.joint_requests - 1)], incident]
    return sorted(kept, key=lambda other: (other.priority, other.requested_ms, other.incident_id))


def _request(
    incident: IncidentRow,
    ranking: Ranking,
    city: CityNow | None,
    rules: Rules,
) -> Request:
    """What each unit means to an incident, by its mode."""
    able = ranking.reason == 0
    preference = np.zeros(len(able), np.int64)
    if city is not None:
        home = int(city.city.beats.at(np.array([incident.lon]), np.array([incident.lat]))[0])
        if home >= 0:
            preference[city.unit_beat != home] = OTHER_BEAT
    cost = way = ranking.eta_ms.astype(np.int64)
    if incident.arrive_by_ms is not None and incident.mode != "immediate":
        # who is surely there in time is as good as any other: the city decides among them
        spare_ms = incident.arrive_by_ms - ranking.as_of_ms
        cost = np.maximum(ranking.within_ms()[1] - spare_ms, 0)
    if city is not None and incident.priority > 1:
        lam = getattr(rules.cover, f"p{min(incident.priority, 5)}_lambda_ms")
        cost = cost + np.rint(city.prices * lam).astype(np.int64)
    cost = np.where(ranking.fresh >= STALE, cost + rules.limit.horizon_ms, cost)
    cost = np.where(able, np.minimum(cost, INF_MS - 1), INF_MS)
    floors = incident.mode != "immediate" or incident.priority > rules.cover.floor_override_priority
    return Request(
        incident.incident_id, incident.priority, ranking.needs, incident.several, cost, preference, floors, way
    )


def fleet_of(table: UnitTable, city: CityNow | None) -> Fleet:
    """The units as a choice sees them; without a city nobody has a price, and no beat a floor."""
    n = len(table.ids)
    return Fleet(
        table.ids,
        [table.rows[unit_id].skills for unit_id in table.ids],
        np.zeros(n, np.int64) if city is None else np.rint(city.prices * MILLION).astype(np.int64),
        np.array([table.rows[unit_id].calls for unit_id in table.ids], np.int64),
        np.full(n, -1) if city is None else city.team,
        np.zeros(0, np.int64) if city is None else city.spare,
    )


def _weighing(question: Question, table: UnitTable, rows: tuple[int, ...]) -> Question:
    """A question with some units for the record."""
    ranking, request, cover_lost = question.ranking, question.requests[question.own], question.fleet.cover_lost

    @cache
    def match_of(skills: tuple[str, ...]) -> dict[str, Literal["asked", "substitute"]]:
        fills = [(need.capability, fill(skills, need)) for need in request.needs]
        return {name: "substitute" if how == AS_SUBSTITUTE else "asked" for name, how in fills if how != NOT_AT_ALL}

    rank_of = {row: n + 1 for n, row in enumerate(ranking.order.tolist())}
    ranked = np.array([row for row in rows if row in rank_of], np.int64)
    parts = {candidate.unit_id: candidate for candidate in ranking.parts(ranked)}
    first = ranking.order[: table.rules.limit.ranking_frame]
    paces = dict(zip(first.tolist(), ranking.paces(first), strict=True))
    units = []
    for row in rows:
        unit, which = table.rows[ranking.ids[row]], max(int(ranking.which[row]), 0)
        fix = unit.fixes[-1] if unit.fixes else None
        weighed = Weighed(
            unit.unit_id,
            unit.capabilities,
            STATUSES[ranking.status[row]],
            FRESHNESS[ranking.fresh[row]],
            None if fix is None else (fix.lon, fix.lat),
            None if fix is None else fix.fix_ms,
            int(table.points.edge[row, which]),
            int(table.points.fraction[row, which]),
            int(cover_lost[row]),
            unit.calls,
        )
        if (one := parts.get(unit.unit_id)) is not None:
            weighed = replace(
                weighed,
                rank=rank_of[row],
                match=match_of(unit.skills),
                score_ms=int(request.eta_ms[row]),
                distance_m=round(one.distance_m),
                pace=paces.get(row, ""),
                **{name: getattr(one, name) for name in OF_CANDIDATE},
            )
        units.append(weighed)
    return replace(question, rows=rows, units=tuple(units))


def going(question: Question) -> tuple[tuple[str, int], ...]:
    """(unit_id, ms left) of the units that are on their way."""
    parts = question.ranking.assigned()
    return tuple((unit_id, eta_ms) for unit_id, state, eta_ms in parts if eta_ms is not None and state != "on_scene")


def arrives(question: Question) -> bool:
    """Whether a unit is so near now that it keeps its call from here on, which it was at no decision before."""
    least_ms = {
        unit_id: memory.least_left_ms
        for (unit_id, _), memory in zip(question.incident.assigned, question.incident.swap_memory, strict=True)
    }
    near_ms = question.rules.swap.never_within_ms
    return any(
        left_ms <= near_ms and ((least := least_ms[unit_id]) is None or least > near_ms)
        for unit_id, left_ms in going(question)
    )


def whole_view(standing: Standing) -> View:
    """The last view with every unit in it: all that a decision depends on but the map, speeds, pace and demand, which
    the log holds apart."""
    table = standing.table
    units = tuple(table.rows[unit_id] for unit_id in table.ids)
    return replace(standing.now, units=units, gone=(), speeds=None, demand=None, pace={}, punctuality={})
