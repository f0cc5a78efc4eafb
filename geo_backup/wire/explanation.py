"""A decision in plain words, for whoever has to answer for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geo_backup.events import DecisionMade
from geo_backup.wire.times import to_text

PASSED_NAMED = 5
"""Units that would be sooner and are not sent: so many are named."""

REASON_WORDS = {
    "REQUESTER": "is the one who asks",
    "ASSIGNED_HERE": "is on it already",
    "ALREADY_ASSIGNED": "is on another incident that may not be robbed",
    "NOT_ASSIGNABLE_STATUS": "has a status from which it cannot be sent",
    "WRONG_CAPABILITY": "has nothing of what is asked",
    "NO_POSITION": "has never said where it is",
    "STALE_POSITION": "was heard of too long ago",
    "UNREACHABLE": "has no open road to the place",
    "OUTSIDE_HORIZON": "is too far away",
    "WRONG_AGENCY_OR_NO_AGREEMENT": "belongs to an agency with no agreement for this",
    "NEEDS_APPROVAL": "would come under mutual aid that nobody has approved",
    "AID_SHARE_USED": "belongs to an agency that has lent its share",
    "UNSTAFFED": "has nobody aboard",
    "REST_PERIOD": "must rest",
    "END_OF_SHIFT": "ends its shift",
    "COVERAGE_FLOOR": "must stay, or its beat would be empty",
}


def words(event: DecisionMade, answer: Mapping[str, Any], humans: Sequence[Mapping[str, Any]] = ()) -> str:
    """A decision in plain words, one line a fact."""
    by_id = {unit["unit_id"]: unit for unit in answer["units"]}
    at = to_text(answer["as_of_ms"])
    of = f"incident {answer['incident_id']}, priority {answer['priority']}"
    lines = [f"{answer['mode'].capitalize()} backup for {of}, as of {at}."]
    if not answer["missing"]:
        lines.append("Everybody asked for is on the way.")
    elif not answer["chosen"]:
        lines.append("Nobody can be recommended.")
    for row in answer["chosen"]:
        lines.append(_sent(row, by_id[row["unit_id"]]))
    for need in answer["unmet"]:
        kind = "needed" if need["need"] == "must" else "wanted"
        lines.append(f"Still {kind}: {need['count']} x {need['capability']}; no unit that can go has it.")
    chosen = {row["unit_id"] for row in answer["chosen"]}
    last = max((row["eta_ms"] for row in answer["chosen"]), default=-1)
    passed = sorted(
        (u for u in answer["units"] if u.get("eta_ms", last + 1) < last and u["unit_id"] not in chosen),
        key=lambda u: u["rank"],
    )
    for unit in passed[:PASSED_NAMED]:
        why = REASON_WORDS.get(unit.get("reason", ""), "was left for another incident or need, or to keep cover")
        lines.append(f"{unit['unit_id']} would be sooner ({_minutes(unit['eta_ms'])}) but {why}.")
    reasons: dict[str, int] = {}
    for unit in answer["units"]:
        if "reason" in unit:
            reasons[unit["reason"]] = reasons.get(unit["reason"], 0) + 1
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        lines.append(f"{count} {'unit' if count == 1 else 'units'}: {REASON_WORDS.get(reason, reason)} ({reason}).")
    if answer["cover"] is not None:
        lines.append(
            f"Cover of the city (chance that the next call finds a unit in time): {answer['cover']:.1%} before, "
            f"{answer['cover_after']:.1%} after."
        )
    if answer["beats_short"]:
        lines.append(f"Below their floor then: beat {', '.join(answer['beats_short'])}.")
    if answer["gap"]:
        others = ", ".join(row["unit_id"] for row in answer["first"])
        lines.append(f"The first answer was worse ({answer['gap']}): {others or 'nobody'}.")
    sure = "no better set exists by the rules" if answer["proven"] else "a better set may exist: the search was cut off"
    lines.append(f"{answer['considered']} pairs of unit and incident were weighed; {sure}.")
    for one in humans:
        verb = "as recommended" if one["recommended"] else "against the recommendation"
        why = f": {one['reason']}." if one["reason"] else "."
        lines.append(f"A person sent {one['unit_id']} at {one['at']}, {verb}{why}")
    lines.append(
        f"Software {event.software_version}, map {event.network_id}, weights {event.weights_id}, "
        f"rules {event.rules_id}."
    )
    return "\n".join(lines)


def _sent(row: Mapping[str, Any], unit: Mapping[str, Any]) -> str:
    """Why one unit: what it fills, when it arrives and of what that is made, where it stands in the order."""
    parts = [
        f"{name} {_minutes(unit[key])}"
        for name, key in (
            ("turnout", "turnout_ms"),
            ("getting away", "clear_ms"),
            ("to the road", "first_leg_ms"),
            ("drive", "drive_ms"),
            ("last leg", "last_leg_ms"),
        )
        if unit.get(key)
    ]
    fills = " and ".join(row["fills"]) or "backup"
    line = f"Send {row['unit_id']} as {fills}: {_minutes(row['eta_ms'])} ({', '.join(parts)})"
    line += f", {unit['rank']}. by arrival" if "rank" in unit else ""
    line += f"; taken from incident {row['preempts']}" if row["preempts"] else ""
    return line + (f"; {row['price_words']}." if row["price_words"] else ".")


def _minutes(ms: int) -> str:
    seconds = round(ms / 1000)
    return f"{seconds // 60}:{seconds % 60:02d} min"
