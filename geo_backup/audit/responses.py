"""Responses: when each unit sent to an incident was asked for, sent, rolling and there, from the event log alone.

The log is folded as a node folds it, so that what `apply` ignored is ignored here too. One response is one unit's part
in one incident; a unit that is called off and sent again has two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from geo_backup.errors import LogError
from geo_backup.events import AssignmentChanged, BackupRecommended, DecisionMade, Event
from geo_backup.live_map import Assignment, Incident, LiveMap, Unit, apply
from geo_backup.rules import ReportRules, Rules
from geo_backup.wire import decisions

STEPS = ("requested", "recommended", "assigned", "acknowledged", "en_route", "on_scene")

FIRE = frozenset(("fire", "engine", "ladder", "truck", "quint", "rescue", "tanker", "brush", "hazmat"))
"""Kinds, capabilities and agencies whose crews dress before they drive."""

DECISIONS_KEPT = 16
"""Of one open incident, the last ones: an assignment names one that stood on the dispatcher's screen."""


@dataclass(slots=True)
class Response:
    """One unit's part in one incident.

    `at_ms` has those of `STEPS` that were reached; of a step said several times the first. An arrival that was declared
    counts before one seen from positions.
    """

    incident_id: str
    unit_id: str
    agency: str
    fire: bool
    priority: int
    """When it was sent."""
    exercise: bool
    planned: bool
    """Of a plan, or to be there by a time: then nobody hurries, and the times measure nothing."""
    at_ms: dict[str, int] = field(default_factory=dict)
    by_avl: bool = False
    """The arrival is seen from positions, nobody declared it."""
    ended: str = ""
    """cleared or cancelled; empty: under way when the log ends."""
    predicted_ms: int | None = None
    """Its ETA, turnout and all, when it was sent, or in the newest recommendation before ..."""
    predicted_at_ms: int = 0
    """... and since when it was known."""
    recommended: bool | None = None
    """Whether it was in the set that the decision recommended; None: it was sent without a decision."""
    reason: str = ""
    """What the dispatcher gave for sending it."""


class Responses(NamedTuple):
    """All of a log, in the order in which units were sent, with the rules in force at its end."""

    responses: tuple[Response, ...]
    rules: Rules
    events: int


class _Told(NamedTuple):
    """What was recommended at a time, for reading single ETAs."""

    as_of_ms: int
    eta_ms: dict[str, int]
    answer: str = ""
    chosen: frozenset[str] = frozenset()

    def of(self, unit_id: str) -> int | None:
        """The unit's ETA in ms. A unit that was not chosen is looked up in the whole answer, where it is on record."""
        if unit_id in self.eta_ms or not self.answer:
            return self.eta_ms.get(unit_id)
        try:
            units = decisions.unpack_answer(self.answer).units
        except LogError:  # a damaged record is for `verify` to say; here its one ETA is missing, and counted so
            return None
        return next((unit.eta_ms for unit in units if unit.unit_id == unit_id and unit.rank is not None), None)


class Step(NamedTuple):
    """What an event did to responses: the one that began, and those that are over."""

    begun: Response | None = None
    over: tuple[Response, ...] = ()


class Following:
    """Folds a log event by event and follows the responses that are under way; of those that are over it keeps none."""

    def __init__(self) -> None:
        self.live_map = LiveMap()
        self.under_way: dict[str, dict[str, Response]] = {}
        """By incident and unit."""
        self._first: dict[str, _Told] = {}
        self._decided: dict[str, dict[str, _Told]] = {}

    def take(self, seq: int, event: Event) -> Step | None:
        """Fold one event on; None: it was ignored."""
        delta = apply(self.live_map, seq, event)
        if delta.ignored is not None:
            return None
        begun, over = None, []
        if isinstance(event, BackupRecommended):
            self._first.setdefault(event.incident_id, _Told(event.as_of_ms, dict(event.candidates)))
        elif isinstance(event, DecisionMade):
            told = self._decided.setdefault(event.incident_id, {})
            eta_ms = {**dict(event.first), **dict(event.chosen)}
            chosen = frozenset(unit_id for unit_id, _ in event.chosen)
            told[event.event_id] = _Told(event.as_of_ms, eta_ms, event.answer, chosen)
            if len(told) > DECISIONS_KEPT:
                del told[next(iter(told))]
        elif isinstance(event, AssignmentChanged) and event.state == "assigned":
            begun = self._begin(event)
        for incident_id in delta.incidents if delta.units else ():
            parts = self.under_way.get(incident_id, {})
            now = self.live_map.incidents.get(incident_id)
            for unit_id in sorted(parts.keys() & set(delta.units)):
                if now is None:  # closed, and at once too old to be kept
                    parts[unit_id].ended = "cleared"
                else:
                    _step(parts[unit_id], now.assignments[unit_id])
                if parts[unit_id].ended:
                    over.append(parts.pop(unit_id))
        for incident_id in delta.incidents:
            ended = self.live_map.incidents.get(incident_id)
            if ended is None or not ended.open:
                for memory in (self.under_way, self._first, self._decided):
                    memory.pop(incident_id, None)
        return Step(begun, tuple(over))

    def _begin(self, event: AssignmentChanged) -> Response:
        incident, unit = self.live_map.incidents[event.incident_id], self.live_map.units[event.unit_id]
        response = _sent(event, incident, unit)
        decided = self._decided.get(event.incident_id, {})
        _predict(response, event, self._first.get(event.incident_id), decided)
        self.under_way.setdefault(event.incident_id, {})[event.unit_id] = response
        return response


def read_responses(events: Iterable[tuple[int, Event]]) -> Responses:
    """Fold (seq, event) pairs of a whole log, once. Memory grows with the units sent, not with the positions."""
    following, found, number = Following(), list[Response](), 0
    for seq, event in events:
        number += 1
        step = following.take(seq, event)
        if step is not None and step.begun is not None:
            found.append(step.begun)
    return Responses(tuple(found), following.live_map.rules, number)


def why_not(response: Response) -> str | None:
    """Why a response is left out as a whole; None: it counts."""
    if response.exercise:
        return "exercise"
    if response.planned:
        return "planned"
    return "cancelled" if response.ended == "cancelled" and "on_scene" not in response.at_ms else None


def span_ms(one: Response, begin: str, end: str, rules: ReportRules) -> tuple[int, str | None]:
    """Milliseconds between two steps, or why they say nothing."""
    if begin not in one.at_ms or end not in one.at_ms:
        # a step that was skipped is not awaited any more
        skipped = one.ended or any(step in one.at_ms for step in STEPS[STEPS.index(end) :])
        return 0, "no_stamps" if skipped else "under_way"
    ms = one.at_ms[end] - one.at_ms[begin]
    return ms, "negative" if ms < 0 else "too_long" if ms > rules.longest_ms else None


def told_and_taken_ms(one: Response, rules: ReportRules) -> tuple[int, int, str | None]:
    """The ETA that a unit was sent with and how long it took from then until it was there, or why they say nothing."""
    taken_ms, why = span_ms(one, "assigned", "on_scene", rules)
    if one.predicted_ms is None:
        return 0, taken_ms, "no_prediction"
    if one.at_ms["assigned"] - one.predicted_at_ms > rules.prediction_max_age_ms:
        why = "old_prediction"
    return one.predicted_ms, taken_ms, why


def _sent(event: AssignmentChanged, incident: Incident, unit: Unit) -> Response:
    return Response(
        event.incident_id,
        event.unit_id,
        unit.agency,
        bool(FIRE & {unit.kind, unit.agency, *unit.capabilities}),
        incident.priority,
        incident.exercise,
        incident.plan_id is not None or incident.arrive_by_ms is not None,
        {"requested": incident.requested_ms or incident.opened_ms, "assigned": event.at_ms},
        reason=event.reason,
    )


def _predict(response: Response, event: AssignmentChanged, first: _Told | None, decided: dict[str, _Told]) -> None:
    """Note what was said of the unit when it was sent, else recommended before: by the decision it was sent on, or at
    the first look."""
    decision = decided.get(event.decision_id) if event.decision_id is not None else None
    told = decision or first
    if event.eta_ms is not None:
        response.predicted_ms, response.predicted_at_ms = event.eta_ms, event.at_ms
    if told is None:
        return
    if decision is not None:
        response.recommended = response.unit_id in decision.chosen
    if event.eta_ms is None:
        response.predicted_ms, response.predicted_at_ms = told.of(response.unit_id), told.as_of_ms
    # the first look at an incident is no answer to a request that came later
    if response.at_ms["requested"] <= told.as_of_ms <= response.at_ms["assigned"]:
        response.at_ms["recommended"] = told.as_of_ms


def _step(response: Response, part: Assignment) -> None:
    if part.state in ("cleared", "cancelled"):
        response.ended = part.state
    elif part.state == "on_scene":
        if "on_scene" not in response.at_ms or (response.by_avl and part.said_by != "avl"):
            response.at_ms["on_scene"], response.by_avl = part.at_ms, part.said_by == "avl"
    else:
        response.at_ms.setdefault(part.state, part.at_ms)
