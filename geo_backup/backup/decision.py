"""A decision: whom to send to one incident, with everything it was made of.

It is a pure function of a frozen view of the world, so its record, the view and the answer, can be worked out again by
anybody who has the map. All open requests are decided together; the answer is told for one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from geo_backup.backup.admission import REASONS
from geo_backup.backup.choose import Choice, Fleet, Request, Sent, Taken, exact, greedy
from geo_backup.backup.city import CityNow
from geo_backup.backup.fleet import STATUSES, IncidentRow, UnitTable
from geo_backup.backup.odds import p90_ms
from geo_backup.backup.ranking import Ranking
from geo_backup.backup.requirement import AS_SUBSTITUTE, NOT_AT_ALL, fill, remaining
from geo_backup.backup.standing import TRAFFIC, Standing, View
from geo_backup.backup.swap import Going, swap
from geo_backup.events import Mode, Need
from geo_backup.live_map.freshness import FRESHNESS, STALE
from geo_backup.roads.network import Array
from geo_backup.roads.search import INF_MS
from geo_backup.rules import Rules

MILLION = 1_000_000
OTHER_BEAT = 100
"""Preference of units that are not of the incident's beat: more than any substitute."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be decided, as arrays: no field, no table, so it may be answered in any thread."""

    incident: IncidentRow
    mode: Mode
    ranking: Ranking
    reasons: tuple[str, ...]
    """Of every unit why it cannot be sent, empty = it can, as the ranking has it."""
    needs: tuple[Need, ...]
    """What is still missing, with the counts that are missing."""
    requests: tuple[Request, ...]
    own: int
    fleet: Fleet
    city: CityNow | None
    rules: Rules
    units: tuple[dict[str, Any], ...]
    """Every unit as it was: for the record; none where the question is not whole."""

    @property
    def together(self) -> tuple[Any, ...]:
        """Questions of one moment that are equal in this have the same best set."""
        return (self.rules.backup.bucket_ms, *(request.request_id for request in self.requests))

    def first(self) -> Choice:
        """The answer at once."""
        return greedy(self.requests, self.fleet, self.rules.backup.bucket_ms)

    def best(self) -> Choice:
        """The best answer; takes longer."""
        return exact(self.requests, self.fleet, self.rules.backup.bucket_ms)


def ask(standing: Standing, incident_id: str, *, whole: bool = True) -> Question:
    """Put the question of one incident, together with those of all others that wait for units.

    Not whole, it is for the first answer: without the record of every unit, and an urgent request without the city's
    cover (a tenth of a second), by arrival alone.

    Raises `KeyError` when the incident is not open, `ValueError` when it asks for no backup.
    """
    urgent = standing.now.incidents[incident_id].mode == "immediate"
    return _ask(standing, incident_id, standing.city_now() if whole or not urgent else None, whole)


def ask_all(standing: Standing, incident_ids: Iterable[str]) -> list[Question]:
    """Put the whole questions of some incidents, as of one moment and one cover; those that are closed or ask for no
    backup are left out."""
    incidents = standing.now.incidents
    asking = [name for name in incident_ids if name in incidents and incidents[name].mode is not None]
    city_now = standing.city_now() if asking else None
    return [_ask(standing, incident_id, city_now, True) for incident_id in asking]


def _ask(standing: Standing, incident_id: str, city_now: CityNow | None, whole: bool) -> Question:
    now = standing.now
    incident = now.incidents[incident_id]
    if incident.mode is None:
        raise ValueError(f"incident {incident_id!r} asks for no backup")
    table, rules = standing.table, standing.table.rules.of(incident.agency)
    joint = _joint(now, incident, rules)
    rankings = [standing.rank(other.incident_id) for other in joint]
    own = joint.index(incident)
    requests = tuple(
        _request(other, _missing(other, table), ranking, city_now, table.rules.of(other.agency))
        for other, ranking in zip(joint, rankings, strict=True)
    )
    fleet = fleet_of(table, city_now)
    units = _units(rankings[own], table, fleet.cover_lost, requests[own]) if whole else ()
    return Question(
        incident,
        incident.mode,
        rankings[own],
        tuple(REASONS[code] for code in rankings[own].reason.tolist()),
        requests[own].needs,
        requests,
        own,
        fleet,
        city_now,
        rules,
        units,
    )


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


def kept_back(question: Question, choice: Choice) -> tuple[str, ...]:
    """Of every unit why it is not sent: as the question has it, and COVERAGE_FLOOR where its beat would be short of it
    after the choice."""
    if not question.requests[question.own].leaves_floors:
        return question.reasons
    taken = Taken(question.fleet)
    for unit in (unit for units in choice.sent for unit in units):
        taken.take(unit.row)
    keeps = taken.bare & ~taken.rows
    return tuple(
        "COVERAGE_FLOOR" if kept and not reason else reason
        for kept, reason in zip(keeps.tolist(), question.reasons, strict=True)
    )


def _units(ranking: Ranking, table: UnitTable, cover_lost: Array, request: Request) -> tuple[dict[str, Any], ...]:
    """Every unit for the record: where it was taken to be, the parts of its time, what it could fill, its price and
    its score (ms: what its arrival counts as in the choice)."""

    @cache
    def match_of(capabilities: tuple[str, ...]) -> dict[str, str]:
        fills = [(need.capability, fill(capabilities, need)) for need in request.needs]
        return {name: "substitute" if how == AS_SUBSTITUTE else "asked" for name, how in fills if how != NOT_AT_ALL}

    parts = {candidate.unit_id: candidate for candidate in ranking.candidates(ranking.total)}
    rank_of = {ranking.ids[row]: n + 1 for n, row in enumerate(ranking.order.tolist())}
    out = []
    for row, unit_id in enumerate(ranking.ids):
        unit, candidate = table.rows[unit_id], parts.get(unit_id)
        which = max(int(ranking.which[row]), 0)
        one: dict[str, Any] = {
            "unit_id": unit_id,
            "capabilities": list(unit.capabilities),
            "status": STATUSES[ranking.status[row]],
            "freshness": FRESHNESS[ranking.fresh[row]],
            "position": list(unit.fixes[-1][1:3]) if unit.fixes else None,
            "fix_ms": unit.fixes[-1].fix_ms if unit.fixes else None,
            "edge": int(table.points.edge[row, which]),
            "fraction": int(table.points.fraction[row, which]),
            "cover_lost": int(cover_lost[row]),
            "calls": unit.calls,
        }
        if candidate is not None:
            one |= {
                "rank": rank_of[unit_id],
                "match": match_of(unit.capabilities),
                "score_ms": int(request.eta_ms[row]),
                "eta_ms": candidate.eta_ms,
                "turnout_ms": candidate.turnout_ms,
                "clear_ms": candidate.clear_ms,
                "first_leg_ms": candidate.first_leg_ms,
                "drive_ms": candidate.drive_ms,
                "last_leg_ms": candidate.last_leg_ms,
                "distance_m": round(candidate.distance_m),
                "warnings": list(candidate.warnings),
                "preempts": candidate.preempts,
            }
        out.append(one)
    return tuple(out)


def tell(question: Question, choice: Choice) -> list[dict[str, Any]]:
    """The units of a choice for the incident that was asked about, soonest first."""
    ranking = question.ranking
    rows = sorted(choice.sent[question.own], key=lambda unit: (int(ranking.eta_ms[unit.row]), unit.row))
    return [_told(question, unit) for unit in rows]


def _told(question: Question, unit: Sent) -> dict[str, Any]:
    ranking, city = question.ranking, question.city
    price = None if city is None else int(question.fleet.cover_lost[unit.row])
    return {
        "unit_id": ranking.ids[unit.row],
        "eta_ms": int(ranking.eta_ms[unit.row]),
        "fills": [question.needs[i].capability for i in unit.fills],
        "staged": all(question.needs[i].staged for i in unit.fills),
        "preempts": ranking.taken_from.get(unit.row),
        "cover_lost": price,
        "price_words": "" if city is None else city.words(unit.row),
    }


def unmet(question: Question, choice: Choice) -> list[dict[str, Any]]:
    """Needs that the choice leaves open."""
    sent = choice.sent[question.own]
    left = [(need, need.count - sum(i in unit.fills for unit in sent)) for i, need in enumerate(question.needs)]
    return [{"capability": need.capability, "count": count, "need": need.need} for need, count in left if count > 0]


def swaps(question: Question, choice: Choice) -> list[dict[str, Any]]:
    """Units on their way in whose place another should be offered: who, for whom, and the time won.

    The other leaves no more to be filled than there is, and nobody has promised it already.
    """
    ranking, incident, reasons = question.ranking, question.incident, kept_back(question, choice)
    has, row_of = question.fleet.capabilities, {unit_id: row for row, unit_id in enumerate(ranking.ids)}
    promised = {unit.row for units in choice.sent for unit in units}
    kept = ranking.preempts | (ranking.fresh >= STALE)
    free = [row for row in ranking.order.tolist() if not reasons[row] and not kept[row] and row not in promised]
    there = [has[row_of[unit_id]] if unit_id in row_of else () for unit_id, _ in incident.assigned]

    @cache
    def missing(at: int, instead: tuple[str, ...]) -> tuple[int, int]:
        left = remaining(incident.requirement, incident.several, [*there[:at], instead, *there[at + 1 :]])[0]
        return sum(n.count for n in left if n.need == "must"), sum(n.count for n in left if n.need != "must")

    out = []
    going = zip(ranking.assigned(), incident.assigned_ms, strict=True)
    for at, ((unit_id, state, eta_ms), sent_ms) in enumerate(going):
        if eta_ms is None or state == "on_scene" or unit_id not in row_of:
            continue
        best = next((row for row in free if missing(at, has[row]) <= missing(at, there[at])), None)
        if best is None:
            continue
        offer = swap(Going(eta_ms, eta_ms, sent_ms), int(ranking.eta_ms[best]), ranking.as_of_ms, question.rules.swap)
        if offer.offered:
            out.append({"unit_id": ranking.ids[best], "replaces": unit_id, "gain_ms": offer.gain_ms})
            free.remove(best)
    return out


def answer(question: Question, first: Choice, best: Choice) -> dict[str, Any]:
    """The whole answer as plain values with a fixed order: what the record holds, and its digest names."""
    ranking, city = question.ranking, question.city
    taken = [unit.row for unit in best.sent[question.own]]
    reasons = kept_back(question, best)
    cover = None if city is None else city.cover(question.incident.agency)
    return {
        "incident_id": question.incident.incident_id,
        "request_id": question.incident.request_id,
        "mode": question.mode,
        "priority": question.incident.priority,
        "as_of_ms": ranking.as_of_ms,
        "eta_cv": question.rules.backup.eta_cv,
        "first": tell(question, first),
        "chosen": tell(question, best),
        "missing": [{"capability": n.capability, "count": n.count, "need": n.need} for n in question.needs],
        "unmet": unmet(question, best),
        "gap": best.gap(first),
        "proven": best.proven,
        "considered": best.considered,
        "together_with": [r.request_id for n, r in enumerate(question.requests) if n != question.own],
        "cover": None if cover is None else cover.value(),
        "cover_after": None if cover is None else cover.value() - cover.price(taken),
        "beats_short": [] if city is None else list(city.short(taken)),
        "warnings": list(ranking.warnings),
        "swaps": swaps(question, best),
        "units": [{**unit, "reason": why} if why else unit for unit, why in zip(question.units, reasons, strict=True)],
    }


def digest(answer: dict[str, Any]) -> str:
    """SHA-256 of an answer's canonical JSON."""
    return hashlib.sha256(json.dumps(answer, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def whole_view(standing: Standing) -> View:
    """The last view with every unit in it: all that a decision depends on but the map, speeds and demand, which the
    log holds under their ids."""
    table = standing.table
    units = tuple(table.rows[unit_id] for unit_id in table.ids)
    closures = {name: added for name, added in standing.now.closures.items() if name != TRAFFIC}
    return replace(standing.now, units=units, gone=(), closures=closures, speeds=None, demand=None)
