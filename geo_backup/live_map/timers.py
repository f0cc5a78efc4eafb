"""Timers: what somebody should have said or done by now. They are read from the live map at a time; that one was raised
and that somebody has seen to it are facts, and nothing else of them is.

- `acknowledge`  a unit was sent, and has not said that it knows
- `late`         a unit is on its way for longer than its ETA allows
- `welfare`      a unit is on scene without a word for longer than its kind's limit
- `unattended`   nobody is on an incident, unless it is that of an emergency which is over
- `message`      an urgent message was sent, and not all of its units have acknowledged it

A timer is quiet from its limit on, and loud when it is over that by a share of it. It is named by its rule, of what it
is and when it began, so that it is the same one on every node and in every replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from geo_backup.events import TimerAcknowledged, TimerRaised, TimerRule
from geo_backup.live_map.incidents import forget_timers
from geo_backup.live_map.messages import waiting_for
from geo_backup.live_map.state import OPEN_STATES, Assignment, Delta, Incident, LiveMap, Raised
from geo_backup.rules import TimerRules


class Timer(NamedTuple):
    """A timer that runs; it is due from `due_ms` on."""

    rule: TimerRule
    incident_id: str
    unit_id: str | None
    start_ms: int
    due_ms: int
    loud_ms: int
    exercise: bool
    expected_ms: int | None = None
    """Of a unit that is late: when it was to be there; None where nobody knew."""
    message_id: str = ""

    @property
    def timer_id(self) -> str:
        if self.message_id:
            return f"{self.rule}:{self.message_id}:{self.start_ms}"
        return f"{self.rule}:{self.incident_id}:{self.unit_id or ''}:{self.start_ms}"


def running(live_map: LiveMap) -> Iterator[Timer]:
    """Every timer that runs, due or not: of incidents, in the order in which they were opened, and of messages."""
    for incident in live_map.open_incidents():
        yield from of_incident(live_map, incident)
    yield from _of_messages(live_map)


def of_incident(live_map: LiveMap, incident: Incident) -> Iterator[Timer]:
    """The timers of an open incident."""
    here = [part for part in incident.assignments.values() if part.state in OPEN_STATES]
    over = incident.emergency is not None and not incident.emergency.stands
    if not here and not over:
        rules = live_map.rules.timers_of(incident.kind)
        left_ms = (part.at_ms for part in incident.assignments.values())
        start_ms = max(incident.opened_ms, incident.reopened_ms, incident.arrive_by_ms or 0, *left_ms)
        yield _timer("unattended", incident, None, start_ms, _unattended_ms(rules, incident.priority), rules)
    for part in here:
        timer = _of_unit(live_map, incident, part)
        if timer is not None:
            yield timer


def due(live_map: LiveMap, now_ms: int) -> dict[str, Timer]:
    """The timers that are due at a time, by their names."""
    return {timer.timer_id: timer for timer in running(live_map) if timer.due_ms <= now_ms}


def is_loud(timer: Timer, raised: Raised | None, now_ms: int) -> bool:
    """Whether a timer that is due calls for attention; one that somebody has seen to does not."""
    return now_ms >= timer.loud_ms and (raised is None or raised.acknowledged_ms is None)


def refuse_raising(live_map: LiveMap, event: TimerRaised) -> str | None:
    if event.message_id:
        if event.message_id not in live_map.messages:
            return "unknown_message"
        return "duplicate" if event.timer_id in live_map.timers else None
    incident = live_map.incidents.get(event.incident_id)
    if incident is None:
        return "unknown_incident"
    if not incident.open:
        return "incident_closed"
    return "duplicate" if event.timer_id in live_map.timers else None


def raised(live_map: LiveMap, event: TimerRaised) -> Delta:
    """It is on record; timers of the same incident that run no more are forgotten."""
    if event.message_id:
        live_map.timers[event.timer_id] = Raised(event.incident_id, message_id=event.message_id)
        return Delta(timers=(event.timer_id,))
    incident = live_map.incidents[event.incident_id]
    still = {timer.timer_id for timer in of_incident(live_map, incident)}
    forget_timers(live_map, event.incident_id, still)
    live_map.timers[event.timer_id] = Raised(event.incident_id)
    return Delta(timers=(event.timer_id,))


def refuse_acknowledgement(live_map: LiveMap, event: TimerAcknowledged) -> str | None:
    known = live_map.timers.get(event.timer_id)
    if known is None:
        return "unknown_timer"
    return None if known.acknowledged_ms is None else "timer_acknowledged"


def acknowledged(live_map: LiveMap, event: TimerAcknowledged) -> Delta:
    """Somebody has seen to it. Who is asked whether a crew is well has heard of them: that timer begins anew."""
    known = live_map.timers[event.timer_id]
    live_map.timers[event.timer_id] = known._replace(acknowledged_ms=event.received_ms, acknowledged_by=event.by)
    if known.message_id:
        return Delta(timers=(event.timer_id,))
    incident = live_map.incidents[known.incident_id]
    for timer in of_incident(live_map, incident):
        if timer.timer_id == event.timer_id and timer.rule == "welfare" and timer.unit_id is not None:
            incident.assignments[timer.unit_id].checked_ms = event.received_ms
    return Delta(timers=(event.timer_id,))


def _of_unit(live_map: LiveMap, incident: Incident, part: Assignment) -> Timer | None:
    """What is awaited of a unit: one thing at a time."""
    unit = live_map.units.get(part.unit_id)
    if unit is None:
        return None
    rules = live_map.rules.timers_of(incident.kind, unit.kind)
    if part.state == "assigned":
        limit_ms = rules.acknowledge_p1_ms if incident.priority <= 1 else rules.acknowledge_others_ms
        return _timer("acknowledge", incident, part, part.at_ms, limit_ms, rules)
    if part.state == "on_scene":
        if unit.status != "on_scene" and not incident.apart:  # it has said what it does instead
            return None
        word_ms = max(part.at_ms, part.checked_ms, 0 if incident.apart else unit.status_ms)
        return _timer("welfare", incident, part, word_ms, _welfare_ms(rules, incident.priority), rules)
    if unit.status == "staging" and not incident.apart:
        return None
    start_ms, limit_ms = part.sent_ms, rules.en_route_ms
    if part.promised_ms is not None and part.promised_ms > start_ms:
        limit_ms = round((part.promised_ms - start_ms) * rules.late_share) + rules.late_extra_ms
    if incident.arrive_by_ms is not None:
        limit_ms = max(limit_ms, incident.arrive_by_ms - start_ms)
    late = _timer("late", incident, part, start_ms, limit_ms, rules)
    return late._replace(expected_ms=_later(part.promised_ms, incident.arrive_by_ms))


def _of_messages(live_map: LiveMap) -> Iterator[Timer]:
    """Urgent messages that some unit has not acknowledged: nobody is to forget them, so they are loud at once."""
    for message in live_map.messages.values():
        if message.urgent and (missing := waiting_for(live_map, message)):
            due_ms = message.sent_ms + live_map.rules.timer.message_ms
            incident = live_map.incidents.get(message.incident_id)
            yield Timer(
                "message",
                message.incident_id,
                missing[0] if len(message.units) == 1 else None,
                message.sent_ms,
                due_ms,
                due_ms,
                incident is not None and incident.exercise,
                message_id=message.message_id,
            )


def _later(promised_ms: int | None, arrive_by_ms: int | None) -> int | None:
    """When a unit was to be there: whoever was asked for a later hour need not come before it."""
    known = [ms for ms in (promised_ms, arrive_by_ms) if ms is not None]
    return max(known) if known else None


def _timer(
    rule: TimerRule, incident: Incident, part: Assignment | None, start_ms: int, limit_ms: int, rules: TimerRules
) -> Timer:
    loud_ms = max(round(limit_ms * rules.loud_share), rules.loud_least_ms)
    unit_id = None if part is None else part.unit_id
    due_ms = start_ms + limit_ms
    return Timer(rule, incident.incident_id, unit_id, start_ms, due_ms, due_ms + loud_ms, incident.exercise)


def _welfare_ms(rules: TimerRules, priority: int) -> int:
    """How long a unit on scene may say nothing."""
    by_priority = (rules.welfare_p1_ms, rules.welfare_p2_ms, rules.welfare_p3_ms, rules.welfare_p4_ms)
    return by_priority[max(priority, 1) - 1] if priority <= len(by_priority) else rules.welfare_p5_ms


def _unattended_ms(rules: TimerRules, priority: int) -> int:
    """How long an incident may be without a unit."""
    by_priority = (rules.unattended_p1_ms, rules.unattended_p2_ms, rules.unattended_p3_ms, rules.unattended_p4_ms)
    return by_priority[max(priority, 1) - 1] if priority <= len(by_priority) else rules.unattended_p5_ms
