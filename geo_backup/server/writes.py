"""From a request to facts in the log: what every write shares. Refusals of the fold become problem details here."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from geo_backup.errors import UnknownIdError
from geo_backup.events import Event, UnitRegistered
from geo_backup.live_map import Incident, Unit, refusal
from geo_backup.node import Node, Outcome
from geo_backup.server.problems import Problem, bad_value
from geo_backup.server.speaker import said_by, signed

REACH_VALUES_MAX = 5
REACH_MINUTES_MAX = 60.0
NO_UNIT = "there is no such unit; register it with PUT /v1/units/{id}"
NO_DEVICE = "no unit has this device; PUT /v1/devices/{id} gives it to one"
NO_INCIDENT = "there is no such incident"
REFUSALS: dict[str, tuple[int, str]] = {
    "unknown_unit": (404, NO_UNIT),
    "unknown_incident": (404, NO_INCIDENT),
    "unknown_device": (404, NO_DEVICE),
    "too_many_devices": (429, "the list of devices is full; DELETE those that are not used any more"),
    "unknown_closure": (404, "there is no such closure"),
    "unknown_emergency": (404, "there is no such emergency"),
    "unknown_timer": (404, "there is no such timer, or it is over"),
    "unknown_message": (404, "there is no such message for this unit, or it is over; the log has it"),
    "nobody_to_hear": (409, "nobody is there to hear it: no unit is on the incident, or in service"),
    "too_many_messages": (429, "too many urgent messages wait for an answer; see to some first"),
    "timer_acknowledged": (409, "somebody has seen to it already"),
    "unknown_agreement": (404, "there is no such agreement"),
    "unknown_plan": (404, "there is no such plan"),
    "id_taken": (409, "this id is taken"),
    "incident_closed": (409, "the incident is closed; POST /v1/incidents/{id}/reopen opens it again"),
    "incident_open": (409, "the incident is open"),
    "changed_meanwhile": (412, "somebody changed the same fields meanwhile; read the incident and send it again"),
    "unknown_version": (412, "nobody here was told this version; read the incident and send it again"),
    "assigned_elsewhere": (
        409,
        'the unit is assigned to another incident; send "preempt": true to take it away from there',
    ),
    "already_here": (409, "the unit is already assigned to this incident"),
    "not_assigned": (409, "the unit is not assigned to this incident"),
    "in_emergency": (409, "the unit's own officer is in danger: it is an incident itself"),
    "emergency_stands": (409, "an emergency stands: only the unit with its word, or a supervisor, ends it"),
    "emergency_over": (409, "the emergency is over already"),
    "plan_not_approved": (409, "a supervisor approves the plan first: POST /v1/plans/{id}/approve"),
    "plan_active": (409, "the plan is active: its posts are incidents now"),
    "plan_cancelled": (409, "the plan is cancelled"),
    "requester": (409, "the unit is the one that asks for help"),
    "replaces_nobody": (409, "`replaces` names a unit that is not assigned to this incident"),
    "same_speeds": (409, "just these speeds hold already"),
    "older_status": (409, "a newer status of this unit stands"),
    "too_many_incidents": (429, "too many incidents are open; close some first"),
    "too_many_units": (429, "too many units are registered; retire some first"),
    "too_many_closures": (429, "too many closures stand; lift some first"),
    "too_many_plans": (429, "too many plans are drafts or approved; cancel some first"),
    "too_many_agreements": (429, "too many agreements stand; end some first"),
    "too_many_unlisted": (429, "too many emergencies of units that nobody registered stand; register the unit"),
    "too_many_agencies": (429, "too many agencies have rules of their own; take some back first"),
    "too_many_kinds": (429, "too many kinds of unit have rules of their own; take some back first"),
}
"""Status and words of each reason for which the fold refuses what a client may ask for."""


def new_id(prefix: str) -> str:
    """An id that nobody else will make."""
    return f"{prefix}-{secrets.token_hex(6)}"


def adoption_of(node: Node, unit_id: str) -> UnitRegistered:
    """The registration of a unit that reports itself though nobody registered it."""
    return UnitRegistered(
        event_id=new_id("adopted"),
        received_ms=node.clock.now_ms(),
        said_by=said_by("node"),
        unit_id=unit_id,
        callsign=unit_id,
        agency="unknown",
        kind="unknown",
        source=node.clock.mode,
    )


def check_profile(node: Node, name: str) -> None:
    """Raise 422 unless this map has the profile."""
    if name not in node.profiles:
        raise bad_value("/profile", "profile", f"is one of {', '.join(node.profiles)}, not {name!r}")


def ask(node: Node, *events: Event) -> None:
    """Raise `Problem` when these events may not be: the fold says so, before anything is logged."""
    reason = refusal(node.live_map, *events)
    if reason is not None:
        raise _refused(reason)


async def record(node: Node, *events: Event) -> Outcome:
    """Log events, all or none, and fold them. Raises `Problem` when one may not be: then nothing was logged, unless
    what stood changed at this very moment."""
    return settled(await node.record(*map(signed, events)))


def settled(outcomes: Sequence[Outcome]) -> Outcome:
    """The last of some outcomes; `Problem` with the fold's reason when one of them was ignored."""
    outcome = next((one for one in outcomes if one.delta.ignored is not None), outcomes[-1])
    if outcome.delta.ignored is not None:
        raise _refused(outcome.delta.ignored)
    return outcome


def _refused(reason: str) -> Problem:
    status, words = REFUSALS.get(reason, (409, reason))
    return Problem(status, words, [] if status == 404 else [{"field": "", "reason": reason, "message": words}])


def was_refused(problem: Problem, *reasons: str) -> bool:
    """Whether a write was refused for one of these reasons."""
    return any(error["reason"] in reasons for error in problem.errors)


def was_taken(problem: Problem) -> bool:
    """Whether a write failed because another, perhaps the same one sent twice at once, came first with its id."""
    return was_refused(problem, "id_taken")


def no_unit() -> UnknownIdError:
    """There is none, or none that whoever asks may know of: in the same words."""
    return UnknownIdError(NO_UNIT)


def no_incident() -> UnknownIdError:
    """There is none, or none that whoever asks may know of: in the same words."""
    return UnknownIdError(NO_INCIDENT)


def unit_of(node: Node, unit_id: str) -> Unit:
    """The unit, or `UnknownIdError`."""
    unit = node.live_map.units.get(unit_id)
    if unit is None:
        raise no_unit()
    return unit


def incident_of(node: Node, incident_id: str) -> Incident:
    """The incident, open or closed, or `UnknownIdError`."""
    incident = node.live_map.incidents.get(incident_id)
    if incident is None:
        raise no_incident()
    return incident


def open_incident_of(node: Node, incident_id: str) -> Incident:
    """The incident if it is open; `Problem` 409 when it is closed."""
    incident = incident_of(node, incident_id)
    if not incident.open:
        raise Problem(409, f"incident {incident_id!r} is closed")
    return incident


def check_minutes(text: str) -> list[float]:
    """The numbers of minutes that a reach is asked for, ascending; 422 unless they are one to five."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not 1 <= len(values) <= REACH_VALUES_MAX or not all(0 < value <= REACH_MINUTES_MAX for value in values):
        raise bad_value("/minutes", "out_of_range", "is one to five numbers above 0 and at most 60, such as 2,5,10")
    return sorted(values)
