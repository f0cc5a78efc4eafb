"""The answer to a request for backup: whom to send, and why.

A question is what is to be decided, frozen; its answer is a pure function of it, and the very value that is told and
recorded, so anybody who has the map can work it out again. All open requests are decided together; the answer is for
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from geo_backup.backup.choice import Choice, Fleet, Request, Sent, Taken
from geo_backup.backup.city import CityNow, city_now
from geo_backup.backup.exact import exact
from geo_backup.backup.fleet import STATUSES, UnitTable
from geo_backup.backup.greedy import greedy
from geo_backup.backup.odds import p90_ms
from geo_backup.backup.ranking import Ranking, rank
from geo_backup.backup.reasons import REASON, REASONS
from geo_backup.backup.requirement import AS_SUBSTITUTE, NOT_AT_ALL, fill, remaining
from geo_backup.backup.standing import Standing
from geo_backup.backup.swap import Going, swap
from geo_backup.backup.view import IncidentRow, View
from geo_backup.events import Mode, Need
from geo_backup.live_map.freshness import FRESHNESS, STALE
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.rules import Rules

MILLION = 1_000_000
OTHER_BEAT = 100
"""Preference of units that are not of the incident's beat: more than any substitute."""


@dataclass(frozen=True, slots=True)
class Told:
    """One unit of a set to send."""

    unit_id: str
    eta_ms: int
    fills: tuple[str, ...]
    staged: bool = False
    preempts: str | None = None
    """The incident that it is taken from."""
    cover_lost: int | None = None
    """Its price, in millionths of all demand; None: the city was not asked."""
    price_words: str = ""


class Offer(NamedTuple):
    """A unit that could go in place of one on its way, and the time won."""

    unit_id: str
    replaces: str
    gain_ms: int


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


@dataclass(frozen=True, slots=True)
class Answer:
    """Whom to send to one incident, and why. Its fields are what the log holds, so they keep their names."""

    incident_id: str
    request_id: str
    mode: Mode
    priority: int
    as_of_ms: int
    chosen: tuple[Told, ...]
    first: tuple[Told, ...] = ()
    """What was told at once, where that was another answer."""
    by_arrival: bool = False
    """The city's cover had no part in it: working that out takes too long for a first answer to an urgent request."""
    eta_cv: float = 0.25
    """Of the first records, which do not say theirs."""
    missing: tuple[Need, ...] = ()
    """What is asked for and was not on its way, with the counts that were missing."""
    unmet: tuple[Need, ...] = ()
    """What the set leaves open."""
    gap: str = ""
    """What the search won over the set that is found at once."""
    proven: bool = False
    considered: int = 0
    together_with: tuple[str, ...] = ()
    """The other incidents that were decided in the same breath."""
    cover: float | None = None
    cover_after: float | None = None
    beats_short: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    swaps: tuple[Offer, ...] = ()
    units: tuple[Weighed, ...] = ()
    """Every unit; in a first answer those of the set and the first of the ranking."""
    excluded: tuple[tuple[str, int], ...] = ()
    """How many units each reason keeps out, the most first."""


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
        _request(other, _missing(other, table), ranking, city, table.rules.of(other.agency))
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


def _missing(incident: IncidentRow, table: UnitTable) -> tuple[Need, ...]:
    sent = [table.rows[unit_id].capabilities for unit_id, _ in incident.assigned if unit_id in table.rows]
    return remaining(incident.requirement, incident.several, sent)[0]


def _request(
    incident: IncidentRow,
    needs: tuple[Need, ...],
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
    cost = ranking.eta_ms.astype(np.int64)
    if incident.arrive_by_ms is not None and incident.mode != "immediate":
        # who is surely there in time is as good as any other: the city decides among them
        spare_ms = incident.arrive_by_ms - ranking.as_of_ms
        cost = np.maximum(p90_ms(np.minimum(cost, INF_MS), rules.backup.eta_cv) - spare_ms, 0)
    if city is not None and incident.priority > 1:
        lam = getattr(rules.cover, f"p{min(incident.priority, 5)}_lambda_ms")
        cost = cost + np.rint(city.prices * lam).astype(np.int64)
    cost = np.where(ranking.fresh >= STALE, cost + rules.limit.horizon_ms, cost)
    cost = np.where(able, np.minimum(cost, INF_MS - 1), INF_MS)
    floors = incident.mode != "immediate" or incident.priority > rules.cover.floor_override_priority
    return Request(incident.incident_id, incident.priority, needs, incident.several, cost, preference, floors)


def fleet_of(table: UnitTable, city: CityNow | None) -> Fleet:
    """The units as a choice sees them; without a city nobody has a price, and no beat a floor."""
    n = len(table.ids)
    return Fleet(
        table.ids,
        [table.rows[unit_id].capabilities for unit_id in table.ids],
        np.zeros(n, np.int64) if city is None else np.rint(city.prices * MILLION).astype(np.int64),
        np.array([table.rows[unit_id].calls for unit_id in table.ids], np.int64),
        np.full(n, -1) if city is None else city.team,
        np.zeros(0, np.int64) if city is None else city.spare,
    )


def _weighing(question: Question, table: UnitTable, rows: tuple[int, ...]) -> Question:
    """A question with some units for the record."""
    ranking, request, cover_lost = question.ranking, question.requests[question.own], question.fleet.cover_lost

    @cache
    def match_of(capabilities: tuple[str, ...]) -> dict[str, Literal["asked", "substitute"]]:
        fills = [(need.capability, fill(capabilities, need)) for need in request.needs]
        return {name: "substitute" if how == AS_SUBSTITUTE else "asked" for name, how in fills if how != NOT_AT_ALL}

    rank_of = {row: n + 1 for n, row in enumerate(ranking.order.tolist())}
    ranked = np.array([row for row in rows if row in rank_of], np.int64)
    parts = {candidate.unit_id: candidate for candidate in ranking.parts(ranked)}
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
                match=match_of(unit.capabilities),
                score_ms=int(request.eta_ms[row]),
                eta_ms=one.eta_ms,
                turnout_ms=one.turnout_ms,
                clear_ms=one.clear_ms,
                first_leg_ms=one.first_leg_ms,
                drive_ms=one.drive_ms,
                last_leg_ms=one.last_leg_ms,
                distance_m=round(one.distance_m),
                warnings=one.warnings,
                preempts=one.preempts,
            )
        units.append(weighed)
    return replace(question, rows=rows, units=tuple(units))


def answer(question: Question, first: Choice, best: Choice | None = None, told: tuple[Told, ...] = ()) -> Answer:
    """The answer to a question: by its first choice, or by its best; `told` is what had been told before the best was
    known."""
    ranking, city, choice = question.ranking, question.city, best or first
    rows = [unit.row for unit in choice.sent[question.own]]
    reason = kept_back(question, choice)
    counts = np.bincount(reason, minlength=len(REASONS)).tolist()
    cover = None if city is None else city.cover(question.incident.agency)
    return Answer(
        question.incident.incident_id,
        question.incident.request_id,
        question.mode,
        question.incident.priority,
        ranking.as_of_ms,
        _tell(question, choice),
        told,
        by_arrival=city is None,
        eta_cv=question.rules.backup.eta_cv,
        missing=tuple(Need(need.capability, need.count, need.need) for need in question.needs),
        unmet=_unmet(question, choice),
        gap="" if best is None else best.gap(first),
        proven=choice.proven,
        considered=choice.considered,
        together_with=tuple(r.request_id for n, r in enumerate(question.requests) if n != question.own),
        cover=None if cover is None else cover.value(),
        cover_after=None if cover is None else cover.value() - cover.price(rows),
        beats_short=() if city is None else city.short(rows),
        warnings=ranking.warnings,
        swaps=swaps(question, choice),
        units=tuple(
            replace(unit, reason=REASONS[reason[row]]) if reason[row] else unit
            for row, unit in zip(question.rows, question.units, strict=True)
        ),
        excluded=tuple(sorted(
            ((REASONS[code], count) for code, count in enumerate(counts) if code and count),
            key=lambda one: (-one[1], one[0]),
        )),
    )  # fmt: skip


def kept_back(question: Question, choice: Choice) -> Array:
    """int8[N]: of every unit why it is not sent: as the ranking has it, and COVERAGE_FLOOR where its beat would be
    short of it after the choice."""
    reason = question.ranking.reason
    if not question.requests[question.own].leaves_floors:
        return reason
    taken = Taken(question.fleet)
    for unit in (unit for units in choice.sent for unit in units):
        taken.take(unit.row)
    kept: Array = np.where((reason == 0) & taken.bare & ~taken.rows, REASON["COVERAGE_FLOOR"], reason).astype(np.int8)
    return kept


def _tell(question: Question, choice: Choice) -> tuple[Told, ...]:
    """The units of a choice for the incident that was asked about, soonest first."""
    eta_ms = question.ranking.eta_ms
    rows = sorted(choice.sent[question.own], key=lambda unit: (int(eta_ms[unit.row]), unit.row))
    return tuple(_told(question, unit) for unit in rows)


def _told(question: Question, unit: Sent) -> Told:
    ranking, city = question.ranking, question.city
    return Told(
        ranking.ids[unit.row],
        int(ranking.eta_ms[unit.row]),
        tuple(question.needs[i].capability for i in unit.fills),
        all(question.needs[i].staged for i in unit.fills),
        ranking.taken_from.get(unit.row),
        None if city is None else int(question.fleet.cover_lost[unit.row]),
        "" if city is None else city.words(unit.row),
    )


def _unmet(question: Question, choice: Choice) -> tuple[Need, ...]:
    sent = choice.sent[question.own]
    left = [(need, need.count - sum(i in unit.fills for unit in sent)) for i, need in enumerate(question.needs)]
    return tuple(Need(need.capability, count, need.need) for need, count in left if count > 0)


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


def swaps(question: Question, choice: Choice) -> tuple[Offer, ...]:
    """Units on their way in whose place another should be offered.

    The other leaves no more to be filled than there is, and nobody has promised it already. An offer stays as long as
    it is worth it; without the city, who must stay in a beat is not known, so no new one is made.
    """
    ranking, incident, reason = question.ranking, question.incident, kept_back(question, choice)
    has, row_of = question.fleet.capabilities, {unit_id: row for row, unit_id in enumerate(ranking.ids)}
    promised = {unit.row for units in choice.sent for unit in units}
    kept = ranking.preempts | (ranking.fresh >= STALE)
    free = [row for row in ranking.order.tolist() if not reason[row] and not kept[row] and row not in promised]
    there = [has[row_of[unit_id]] if unit_id in row_of else () for unit_id, _ in incident.assigned]

    @cache
    def missing(at: int, instead: tuple[str, ...]) -> tuple[int, int]:
        left = remaining(incident.requirement, incident.several, [*there[:at], instead, *there[at + 1 :]])[0]
        return sum(n.count for n in left if n.need == "must"), sum(n.count for n in left if n.need != "must")

    out, left_ms = [], dict(going(question))
    on_it = zip(incident.assigned, incident.assigned_ms, incident.swap_memory, strict=True)
    for at, ((unit_id, _), sent_ms, memory) in enumerate(on_it):
        if unit_id not in left_ms:
            continue
        now_ms = left_ms[unit_id]
        least_ms = now_ms if memory.least_left_ms is None else min(now_ms, memory.least_left_ms)
        under_way = Going(now_ms, least_ms, sent_ms, memory.offered_ms)
        able = [row for row in free if missing(at, has[row]) <= missing(at, there[at])]
        others = [(row, True) for row in able if ranking.ids[row] == memory.offered]
        if question.city is not None:
            others += [(row, False) for row in able[:1]]
        for row, stands in others:
            other_ms = int(ranking.eta_ms[row])
            offer = swap(under_way._replace(stands=stands), other_ms, ranking.as_of_ms, question.rules.swap)
            if offer.offered:
                out.append(Offer(ranking.ids[row], unit_id, offer.gain_ms))
                free.remove(row)
                break
    return tuple(out)


def whole_view(standing: Standing) -> View:
    """The last view with every unit in it: all that a decision depends on but the map, speeds and demand, which the
    log holds under their ids."""
    table = standing.table
    units = tuple(table.rows[unit_id] for unit_id in table.ids)
    return replace(standing.now, units=units, gone=(), speeds=None, demand=None)
