"""LiveMap, the current truth; `apply`, the only function that changes it; and `refusal`, which says what may not be.

The live map is a fold: start empty, apply each event of the log in order. Nothing here reads a clock, a file or the
network; equal logs give equal maps. What may not be is ignored with a reason and leaves the map untouched; whoever
writes asks `refusal` first, so that it does not come into the log at all.
`state` holds the values, the other modules one noun each: why an event of it is refused, and what it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from geo_backup import custody
from geo_backup import events as ev
from geo_backup.events import Event
from geo_backup.live_map import (
    clock,
    devices,
    emergencies,
    ground,
    incidents,
    messages,
    plans,
    positions,
    timers,
    units,
)
from geo_backup.live_map.freshness import freshness
from geo_backup.live_map.state import (
    GENERATION,
    NOTHING,
    OPEN_STATES,
    Assignment,
    Closure,
    Delta,
    Device,
    Emergency,
    Incident,
    LiveMap,
    Message,
    Plan,
    Raised,
    Recommendation,
    Unit,
    changes_nothing,
    never,
)

__all__ = [
    "GENERATION", "NOTHING", "OPEN_STATES", "Assignment", "Closure", "Delta", "Device", "Emergency", "Incident",
    "LiveMap", "Message", "Plan", "Raised", "Recommendation", "Unit", "apply", "freshness", "refusal", "refusals",
]  # fmt: skip

_FOLD: dict[type[Event], tuple[Callable[[LiveMap, Any], str | None], Callable[[LiveMap, Any], Delta]]] = {
    ev.PositionReported: (units.refuse_unknown, positions.position),
    ev.UnitRegistered: (units.refuse_registration, units.registered),
    ev.UnitStatusChanged: (units.refuse_status, units.status),
    ev.CrewReported: (units.refuse_unknown, units.crew),
    ev.WordSet: (units.refuse_unknown, units.word),
    ev.UnitRetired: (units.refuse_retirement, units.retired),
    ev.DeviceAssigned: (devices.refuse_assigning, devices.assigned),
    ev.IncidentOpened: (incidents.refuse_opening, incidents.opened),
    ev.IncidentChanged: (incidents.refuse_change, incidents.changed),
    ev.IncidentNoted: (incidents.refuse_note, incidents.noted),
    ev.IncidentClosed: (incidents.refuse_closing, incidents.closed),
    ev.IncidentReopened: (incidents.refuse_reopening, incidents.reopened),
    ev.BackupRequested: (incidents.refuse_unless_open, incidents.requested),
    ev.BackupRecommended: (never, changes_nothing),
    ev.DecisionMade: (incidents.refuse_decision, incidents.decided),
    ev.AssignmentChanged: (incidents.refuse_assignment, incidents.assignment),
    ev.TimerRaised: (timers.refuse_raising, timers.raised),
    ev.TimerAcknowledged: (timers.refuse_acknowledgement, timers.acknowledged),
    ev.MessageSent: (messages.refuse_sending, messages.sent),
    ev.MessageSeen: (messages.refuse_seeing, messages.seen),
    ev.EmergencyDeclared: (emergencies.refuse_press, emergencies.declared),
    ev.EmergencyAcknowledged: (emergencies.refuse_unless_standing, emergencies.acknowledged),
    ev.EmergencyCleared: (emergencies.refuse_unless_standing, emergencies.cleared),
    ev.EmergencyClearRefused: (never, changes_nothing),
    ev.AgreementMade: (plans.refuse_agreement, plans.agreed),
    ev.AgreementEnded: (plans.refuse_ending, plans.ended),
    ev.AidApproved: (incidents.refuse_unless_open, plans.aid_approved),
    ev.PlanMade: (plans.refuse_plan, plans.made),
    ev.PlanApproved: (plans.refuse_approval, plans.approved),
    ev.PlanActivated: (plans.refuse_activation, plans.activated),
    ev.PlanCancelled: (plans.refuse_approval, plans.cancelled),
    ev.BeatsAdopted: (never, ground.beats),
    ev.DemandAdopted: (ground.refuse_demand, ground.demand),
    ev.ClosureAdded: (ground.refuse_closure, ground.closure_added),
    ev.ClosureLifted: (ground.refuse_lifting, ground.closure_lifted),
    ev.ClockTurned: (never, clock.turned),
    ev.NetworkAdopted: (never, ground.network),
    ev.SpeedsAdopted: (ground.refuse_speeds, ground.speeds),
    ev.PaceLearned: (ground.refuse_lesson, ground.lesson),
    ev.DriveMeasured: (ground.refuse_drive, ground.drive),
    ev.RulesAdopted: (ground.refuse_rules, ground.rules),
    **dict.fromkeys(custody.KINDS.values(), (never, changes_nothing)),
}
"""Of each kind of event why it may not be, and what it changes where it may."""

_MAKERS = (ev.IncidentOpened, ev.UnitRegistered)
_FAULTS = (ArithmeticError, AttributeError, KeyError, TypeError, ValueError)


def refusal(live_map: LiveMap, *events: Event) -> str | None:
    """Why these events may not be, the first reason in their order; None when all of them may. See `refusals`."""
    return next((reason for reason in refusals(live_map, *events) if reason is not None), None)


def refusals(live_map: LiveMap, *events: Event) -> list[str | None]:
    """Of each event why it may not be; None where it may.

    Of several the later ones know the units and incidents that the earlier ones make, but no change of what stands.
    Positions are refused for an unknown unit alone: those that move nothing are in the log all the same, and `apply`
    says why they moved nothing.
    """
    if any(isinstance(event, _MAKERS) for event in events[:-1]):
        live_map = replace(live_map, units=dict(live_map.units), incidents=dict(live_map.incidents))
    reasons: list[str | None] = []
    for n, event in enumerate(events, start=1):
        reason = _refusal(live_map, event)
        reasons.append(reason)
        if reason is None and n < len(events):
            if isinstance(event, ev.IncidentOpened):
                live_map.incidents[event.incident_id] = incidents.new(event)
            elif isinstance(event, ev.UnitRegistered):
                live_map.units.setdefault(event.unit_id, units.new(live_map, event))
    return reasons


def apply(live_map: LiveMap, seq: int, event: Event) -> Delta:
    """Fold one event into the map and say what changed.

    An event that is refused (or breaks a rule: `fault`) leaves the map as it was, the same on every node.
    """
    refusing, changing = _FOLD.get(type(event), _UNKNOWN)
    try:
        reason = refusing(live_map, event)
        delta = changing(live_map, event) if reason is None else Delta(ignored=reason)
    except _FAULTS:
        delta = Delta(ignored="fault")
    live_map.seq = seq
    return delta


def _refusal(live_map: LiveMap, event: Event) -> str | None:
    try:
        return _FOLD.get(type(event), _UNKNOWN)[0](live_map, event)
    except _FAULTS:
        return "fault"


def _refuse_kind(live_map: LiveMap, event: Event) -> str:
    return "unknown_kind"


_UNKNOWN = (_refuse_kind, changes_nothing)
