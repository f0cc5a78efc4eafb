"""The answer to a request for backup: whom to send, and why.

It is a pure function of its question, and the very value that is told and recorded, so anybody who has the map can work
it out again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple

import numpy as np

from geo_backup.backup.choice import Choice, Sent, Taken
from geo_backup.backup.lacking import Lack, lack
from geo_backup.backup.question import Question, Weighed, going
from geo_backup.backup.reasons import REASON, REASONS
from geo_backup.backup.requirement import AS_SUBSTITUTE, fill, remaining
from geo_backup.backup.swap import Going, swap
from geo_backup.events import Mode, Need
from geo_backup.live_map.freshness import STALE
from geo_backup.roads.kernel import Array


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
    stands_in: tuple[str, ...] = ()
    """Those of the needs that it fills as a substitute."""
    p90_ms: int | None = None
    """Nine of ten such units are there by then; None: it is left to `eta_cv` ..."""
    low_ms: int | None = None
    """... and so is when eight of ten begin to be."""


class Offer(NamedTuple):
    """A unit that could go in place of one on its way, and the time won."""

    unit_id: str
    replaces: str
    gain_ms: int


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
    times: Literal["assumed", "measured"] = "assumed"
    """Whether that is a rule, or what drives have shown."""
    drives: int = 0
    """So many of them are known."""
    overhead_ms: int = 0
    """What a drive takes beyond driving, as measured."""
    missing: tuple[Need, ...] = ()
    """What is asked for and was not on its way, with the counts that were missing."""
    unmet: tuple[Need, ...] = ()
    """What the set leaves open."""
    lacking: tuple[Lack, ...] = ()
    """The same, and why."""
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


def answer(question: Question, first: Choice, best: Choice | None = None, told: tuple[Told, ...] = ()) -> Answer:
    """The answer to a question: by its first choice, or by its best; `told` is what had been told before the best was
    known."""
    ranking, city, choice = question.ranking, question.city, best or first
    rows = [unit.row for unit in choice.sent[question.own]]
    reason = kept_back(question, choice)
    counts = np.bincount(reason, minlength=len(REASONS)).tolist()
    cover = None if city is None else city.cover(question.incident.agency)
    unmet, sent = _unmet(question, choice), np.isin(np.arange(len(reason)), rows)
    return Answer(
        question.incident.incident_id,
        question.incident.request_id,
        question.mode,
        question.incident.priority,
        ranking.as_of_ms,
        _tell(question, choice),
        told,
        by_arrival=city is None,
        eta_cv=ranking.eta_cv,
        times=ranking.trust.word,
        drives=ranking.trust.drives,
        overhead_ms=ranking.trust.overhead_ms,
        missing=tuple(Need(need.capability, need.count, need.need) for need in question.needs),
        unmet=tuple(Need(need.capability, need.count, need.need) for need in unmet),
        lacking=tuple(lack(need, ranking.roll, reason, sent, ranking.warnings) for need in unmet),
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
    ranking, city, needs = question.ranking, question.city, question.needs
    skills = question.fleet.skills[unit.row]
    (low_ms,), (p90_ms,) = (ms.tolist() for ms in ranking.within_ms(np.array([unit.row])))
    return Told(
        ranking.ids[unit.row],
        int(ranking.eta_ms[unit.row]),
        tuple(needs[i].capability for i in unit.fills),
        all(needs[i].staged for i in unit.fills),
        ranking.taken_from.get(unit.row),
        None if city is None else int(question.fleet.cover_lost[unit.row]),
        "" if city is None else city.words(unit.row),
        tuple(needs[i].capability for i in unit.fills if fill(skills, needs[i]) == AS_SUBSTITUTE),
        p90_ms if ranking.trust.measured else None,
        low_ms if ranking.trust.measured else None,
    )


def _unmet(question: Question, choice: Choice) -> tuple[Need, ...]:
    sent = choice.sent[question.own]
    left = [(need, need.count - sum(i in unit.fills for unit in sent)) for i, need in enumerate(question.needs)]
    return tuple(need._replace(count=count) for need, count in left if count > 0)


def swaps(question: Question, choice: Choice) -> tuple[Offer, ...]:
    """Units on their way in whose place another should be offered.

    The other leaves no more to be filled than there is, and nobody has promised it already. An offer stays as long as
    it is worth it; without the city, who must stay in a beat is not known, so no new one is made.
    """
    ranking, incident, reason = question.ranking, question.incident, kept_back(question, choice)
    has, row_of = question.fleet.skills, {unit_id: row for row, unit_id in enumerate(ranking.ids)}
    promised = {unit.row for units in choice.sent for unit in units}
    kept = ranking.preempts | (ranking.fresh >= STALE)
    free = [row for row in ranking.order.tolist() if not reason[row] and not kept[row] and row not in promised]
    there = [has[row_of[unit_id]] if unit_id in row_of else () for unit_id, _ in incident.assigned]

    @cache
    def missing(at: int, instead: tuple[str, ...]) -> tuple[int, int]:
        here = [*incident.came, *there[:at], instead, *there[at + 1 :]]
        left = remaining(incident.requirement, incident.several, here)[0]
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
