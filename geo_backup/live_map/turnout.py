"""Turnout: how long crews take from being sent until their wheels roll, as the log tells it.

Of each kind of unit, in each status in which it can be sent, the last turnouts are remembered, and of each unit its own
last ones. What is to be expected lies between what was measured and what was thought before,

    (n x measured + k x thought before) / (n + k)

first of the kind, before which the rule is thought, then of the unit, before which its kind is. So a new unit turns out
as its kind does, and one of a new kind as the rule says. All of it is integer arithmetic.

Nothing is learned in an exercise, from units that are no real ones, nor where nobody hurries; nor from a unit that is
called off another incident, or was rolling before it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from geo_backup.live_map.state import Assignment, Incident, LiveMap, Unit
from geo_backup.rules import Rules, TurnoutRules

KIND_KEPT = 200
OWN_KEPT = 20
KINDS_MOST = 400
"""Kinds of unit, each in each status, of which turnouts are remembered: the first ones that turned out."""
SENT_IN = ("available", "on_station", "returning", "limited")
"""Statuses in which a crew waits to be sent: in any other it has to come away first."""


class Turnout(NamedTuple):
    """Turnouts that were measured: how many, and what half and nine of ten of them took at most."""

    number: int
    median_ms: int
    p90_ms: int


class Expected(NamedTuple):
    """How long a crew will take: as often longer as not, and longer once in ten times. Of so many turnouts of its own,
    and of its kind."""

    median_ms: int
    p90_ms: int
    own: int = 0
    of_kind: int = 0


def teaches(live_map: LiveMap, incident: Incident, unit: Unit) -> str:
    """The status in which a unit is being sent, where its turnout will teach; empty: it will not."""
    if live_map.generation < 3 or unit.source != "live" or unit.incident_id is not None:
        return ""
    if incident.exercise or incident.apart or incident.plan_id is not None or incident.arrive_by_ms is not None:
        return ""
    return unit.status if unit.status in SENT_IN else ""


def rolls(live_map: LiveMap, unit: Unit, part: Assignment, at_ms: int) -> None:
    """A unit says for the first time since it was sent that it rolls, or is there."""
    sent_in, part.sent_in = part.sent_in, ""
    took_ms, rules = at_ms - part.sent_ms, live_map.rules.pace
    if not sent_in or part.state != "en_route" or not rules.learn or not 0 <= took_ms <= 1_000 * rules.turnout_most_s:
        return
    unit.turnouts = (*unit.turnouts, (sent_in, took_ms))[-OWN_KEPT:]
    name = of_kind(sent_in, unit.kind)
    if name in live_map.turnouts or len(live_map.turnouts) < KINDS_MOST:
        taken_ms = (*live_map.turnouts.get(name, ()), took_ms)[-KIND_KEPT:]
        live_map.turnouts = {**live_map.turnouts, name: taken_ms}


def of_kind(status: str, kind: str) -> str:
    """The name under which turnouts of a kind of unit in a status are remembered."""
    return f"{status} {kind}"


def measured_of(unit: Unit) -> Turnout | None:
    """A unit's own turnouts in the status that it has."""
    if not unit.turnouts or unit.status not in SENT_IN:
        return None
    return _measured_in(unit.status, unit.turnouts)


@lru_cache(maxsize=32_768)  # it is asked with every position, and changes with every turnout
def _measured_in(status: str, turnouts: tuple[tuple[str, int], ...]) -> Turnout | None:
    return _summed(took_ms for sent_in, took_ms in turnouts if sent_in == status)


def measured_of_kinds(live_map: LiveMap) -> dict[str, Turnout]:
    """Those of kinds of unit, by `of_kind`."""
    found = ((name, measured(taken_ms)) for name, taken_ms in live_map.turnouts.items())
    return {name: one for name, one in found if one is not None}


@lru_cache(maxsize=2 * KINDS_MOST)
def measured(taken_ms: tuple[int, ...]) -> Turnout | None:
    """What some turnouts say, by nearest rank; None: there are none."""
    return _summed(taken_ms)


def _summed(taken_ms: Iterable[int]) -> Turnout | None:
    order = sorted(taken_ms)
    count = len(order)
    if not count:
        return None
    return Turnout(count, order[-(-count // 2) - 1], order[-(-9 * count // 10) - 1])


def usual_ms(status: str, rules: TurnoutRules) -> int:
    """What the rule says of a unit on duty."""
    return rules.on_station_ms if status == "on_station" else rules.mobile_ms


def expected(status: str, own: Turnout | None, alike: Turnout | None, rules: Rules) -> Expected:
    """How long a crew will take that is sent in a status, by its own turnouts in it, those of its kind, and the rules
    of its agency."""
    usual = usual_ms(status, rules.turnout)
    if not rules.pace.learn:
        return Expected(usual, usual)
    median_ms, p90_ms = usual, usual
    for one in (alike, own):
        if one is not None:
            median_ms = _between(one.number, one.median_ms, rules.pace.turnout_k, median_ms)
            p90_ms = _between(one.number, one.p90_ms, rules.pace.turnout_k, p90_ms)
    return Expected(median_ms, p90_ms, own.number if own else 0, alike.number if alike else 0)


def _between(count: int, measured_ms: int, k: int, before_ms: int) -> int:
    """Rounded half up."""
    weight = count + k
    return (2 * (count * measured_ms + k * before_ms) + weight) // (2 * weight)
