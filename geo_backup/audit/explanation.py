"""A decision in plain words, for whoever has to answer for it."""

from __future__ import annotations

from collections.abc import Sequence

from geo_backup.backup.answer import Answer, Told
from geo_backup.backup.lacking import Lack
from geo_backup.backup.question import Weighed
from geo_backup.events import ANY, DecisionMade
from geo_backup.people.sight import FREE_OTHERS
from geo_backup.wire import decisions
from geo_backup.wire.decisions import Decision, Human
from geo_backup.wire.times import to_text
from geo_backup.wording import so_many

PASSED_NAMED = 5
"""Units that would be sooner and are not sent: so many are named."""

REASON_WORDS = {
    "REQUESTER": "the one who asks",
    "ASSIGNED_HERE": "on it already",
    "ALREADY_ASSIGNED": "on another incident that may not be robbed",
    "NOT_ASSIGNABLE_STATUS": "in a status from which nobody is sent",
    "WRONG_CAPABILITY": "without what is asked",
    "NO_POSITION": "nowhere known",
    "STALE_POSITION": "silent for too long",
    "UNREACHABLE": "without an open road to the place",
    "OUTSIDE_HORIZON": "too far away",
    "WRONG_AGENCY_OR_NO_AGREEMENT": "of an agency without an agreement for this",
    "NEEDS_APPROVAL": "under mutual aid that nobody has approved",
    "AID_SHARE_USED": "of an agency that has lent its share",
    "HIDDEN": "undercover",
    "UNSTAFFED": "without a crew",
    "REST_PERIOD": "to rest",
    "END_OF_SHIFT": "at the end of the shift",
    "COVERAGE_FLOOR": "to stay, or the beat would be empty",
}
"""After "is" and "are"."""
LACK_WORDS = {
    "NO_UNITS": "no unit is registered",
    "INCIDENT_OFF_MAP": "no road is near the place",
    "NO_WAY_IN": "the roads at the place are connected to no others",
    "NOBODY_HAS_IT": "no unit has it",
    "ALL_EXCLUDED": "no other unit that has it can go",
    "TOO_FEW": "no more units have it",
    "NEEDED_ELSEWHERE": "the others that have it are sent elsewhere, or kept",
}


class Explained(Decision):
    """A whole decision with its words."""

    words: str


def explained(event: DecisionMade, humans: Sequence[Human] = ()) -> Explained:
    """A whole decision, in numbers and in words; `humans` are the assignments that were made on it."""
    told = words(event, decisions.unpack_answer(event.answer), humans)
    return {**decisions.decision(event, humans), "words": told}


def words(event: DecisionMade, answer: Answer, humans: Sequence[Human] = ()) -> str:
    """A decision in plain words, one line a fact."""
    of = f"incident {answer.incident_id}, priority {answer.priority}"
    lines = [f"{answer.mode.capitalize()} backup for {of}, as of {to_text(answer.as_of_ms)}.", *_whom(answer)]
    for reason, count in answer.excluded:
        who = "unit is" if count == 1 else "units are"
        lines.append(f"{count} {who} {REASON_WORDS.get(reason, reason)} ({reason}).")
    if answer.cover is not None and answer.cover_after is not None:
        lines.append(
            f"Cover of the city (chance that the next call finds a unit in time): {answer.cover:.1%} before, "
            f"{answer.cover_after:.1%} after."
        )
    if answer.beats_short:
        lines.append(f"Below their floor then: beat {', '.join(answer.beats_short)}.")
    lines += _how_sure(event, answer)
    for one in humans:
        verb = "as recommended" if one["recommended"] else "against the recommendation"
        why = f": {one['reason']}." if one["reason"] else "."
        lines.append(f"A person sent {one['unit_id']} at {one['at']}, {verb}{why}")
    # where no road is near the place there are no driving times
    weights = f"weights {event.weights_id}" if event.weights_id else "no driving times"
    lines.append(f"Software {event.software_version}, map {event.network_id}, {weights}, rules {event.rules_id}.")
    return "\n".join(lines)


def _whom(answer: Answer) -> list[str]:
    """Who goes, what stays open, and who would be sooner and stays."""
    lines, by_id = [], {unit.unit_id: unit for unit in answer.units}
    if not answer.missing:
        lines.append("Everybody asked for is on the way.")
    elif not answer.chosen:
        lines.append("Nobody can be recommended.")
    lines += [_sent(unit, by_id[unit.unit_id]) for unit in answer.chosen]
    because_of = {(one.capability, one.need): _lacking(one) for one in answer.lacking}
    for need in answer.unmet:
        kind = "needed" if need.need == "must" else "wanted"
        because = because_of.get((need.capability, need.need), "no unit that can go has it")
        lines.append(f"Still {kind}: {need.count} x {need.capability}; {because}.")
    for one in answer.lacking:
        if one.free_others:
            others = ", ".join(f"{n} {kind}" for kind, n in one.free_others)
            lines.append(f"{FREE_OTHERS} {one.capability}: {others}.")
    for unit in _passed_over(answer)[:PASSED_NAMED]:
        why = REASON_WORDS.get(unit.reason, "left for another incident, or to keep cover")
        lines.append(f"{unit.unit_id} would be sooner ({_minutes(unit.eta_ms)}) but is {why}.")
    return lines


def _lacking(lack: Lack) -> str:
    """Why nobody fills a need."""
    words = LACK_WORDS.get(lack.why, lack.why)
    if lack.why == "ALL_EXCLUDED" and lack.excluded:
        each = [
            f"{so_many(n, 'is', 'are')} {REASON_WORDS.get(reason, reason)} ({reason})" for reason, n in lack.excluded
        ]
        words = f"of the others that have it {', '.join(each)}"
    return words


def _how_sure(event: DecisionMade, answer: Answer) -> list[str]:
    """How far the times can be trusted, what was told before, and whether a better set may exist."""
    lines = [_trusted(answer)] if answer.chosen else []
    if answer.first and {unit.unit_id for unit in answer.first} != {unit.unit_id for unit in answer.chosen}:
        lines.append(f"What was told at once: {', '.join(unit.unit_id for unit in answer.first)}.")
    if answer.gap:
        lines.append(f"Found by search; the set at once is worse ({answer.gap}).")
    if event.quick:
        by = "by arrival alone, without the city's cover" if answer.by_arrival else "without a search"
        return [*lines, f"Chosen at once, {by}: a better set was still searched for."]
    sure = "no better set exists by the rules"
    if not answer.proven:
        sure = "a better set may exist: the search was cut off"
    pairs = so_many(answer.considered, "pair of unit and incident was", "pairs of unit and incident were")
    return [*lines, f"{pairs} weighed; {sure}."]


def _trusted(answer: Answer) -> str:
    """How far the times can be trusted."""
    if answer.times == "measured":
        beyond = f", of which {_minutes(answer.overhead_ms)} beyond driving" if answer.overhead_ms else ""
        return f"Times are as {answer.drives} drives have kept them{beyond}; they scatter by {answer.eta_cv:.0%}."
    known = f" until more than {so_many(answer.drives, 'drive is', 'drives are')} known" if answer.drives else ""
    return f"How far times can be trusted is assumed{known}: they scatter by {answer.eta_cv:.0%}."


def _passed_over(answer: Answer) -> list[Weighed]:
    """Units that could do a chosen one's part and would be there sooner, by their rank."""
    chosen = {row.unit_id for row in answer.chosen}
    found: dict[str, tuple[int, Weighed]] = {}
    for row in answer.chosen:
        for unit in answer.units:
            has = {name.casefold() for name in unit.capabilities}
            able = all(name.casefold() in (ANY, *has) for name in row.fills)
            if able and unit.rank is not None and unit.eta_ms < row.eta_ms and unit.unit_id not in chosen:
                found[unit.unit_id] = (unit.rank, unit)
    return [unit for _, unit in sorted(found.values(), key=lambda one: one[0])]


def _sent(row: Told, unit: Weighed) -> str:
    """Why one unit: what it fills, when it arrives and of what that is made, where it stands in the order."""
    parts = [
        f"{name} {_minutes(ms)}"
        for name, ms in (
            ("turnout", unit.turnout_ms),
            ("getting away", unit.clear_ms),
            ("to the road", unit.first_leg_ms),
            ("drive", unit.drive_ms),
            ("last leg", unit.last_leg_ms),
            ("beyond driving", unit.overhead_ms),
        )
        if ms
    ]
    fills = (" and ".join(row.fills) or "backup") + (", to wait at staging" if row.staged else "")
    line = f"Send {row.unit_id} as {fills}: {_minutes(row.eta_ms)} ({', '.join(parts)})"
    line += f", nine of ten by {_minutes(row.p90_ms)}" if row.p90_ms is not None else ""
    line += f", the drive {unit.pace}" if unit.pace else ""
    line += f", {unit.rank}. by arrival" if unit.rank is not None else ""
    line += f"; taken from incident {row.preempts}" if row.preempts else ""
    return line + (f"; {row.price_words}." if row.price_words else ".")


def _minutes(ms: int) -> str:
    seconds = round(ms / 1000)
    return f"{seconds // 60}:{seconds % 60:02d} min"
