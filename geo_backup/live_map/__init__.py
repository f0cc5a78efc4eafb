"""LiveMap, the current truth, and `apply`, the only function that changes it.

The live map is a fold: start empty, apply each event of the log in order. Nothing here reads a clock, a file or the
network; equal logs give equal maps. What `apply` will not accept it ignores with a reason and leaves untouched.
`state` holds the values, the other modules one noun's handlers each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geo_backup import events as ev
from geo_backup.events import Event
from geo_backup.live_map import clock, emergencies, ground, incidents, plans, positions, units
from geo_backup.live_map.freshness import freshness
from geo_backup.live_map.state import (
    NOTHING,
    OPEN_STATES,
    Assignment,
    Closure,
    Delta,
    Emergency,
    Incident,
    LiveMap,
    Plan,
    Recommendation,
    Unit,
)

__all__ = [
    "NOTHING", "OPEN_STATES", "Assignment", "Closure", "Delta", "Emergency", "Incident", "LiveMap", "Plan",
    "Recommendation", "Unit", "apply", "freshness",
]  # fmt: skip

_HANDLERS: dict[type[Event], Callable[[LiveMap, Any], Delta]] = {
    ev.PositionReported: positions.position,
    ev.UnitRegistered: units.registered,
    ev.UnitStatusChanged: units.status,
    ev.CrewReported: units.crew,
    ev.WordSet: units.word,
    ev.UnitRetired: units.retired,
    ev.IncidentOpened: incidents.opened,
    ev.IncidentChanged: incidents.changed,
    ev.IncidentClosed: incidents.closed,
    ev.BackupRequested: incidents.requested,
    ev.BackupRecommended: incidents.recommended,
    ev.DecisionMade: incidents.decided,
    ev.AssignmentChanged: incidents.assignment,
    ev.EmergencyDeclared: emergencies.declared,
    ev.EmergencyAcknowledged: emergencies.acknowledged,
    ev.EmergencyCleared: emergencies.cleared,
    ev.EmergencyClearRefused: emergencies.clear_refused,
    ev.AgreementMade: plans.agreed,
    ev.AgreementEnded: plans.ended,
    ev.AidApproved: plans.aid_approved,
    ev.PlanMade: plans.made,
    ev.PlanApproved: plans.approved,
    ev.PlanActivated: plans.activated,
    ev.PlanCancelled: plans.cancelled,
    ev.BeatsAdopted: ground.beats,
    ev.DemandAdopted: ground.demand,
    ev.ClosureAdded: ground.closure_added,
    ev.ClosureLifted: ground.closure_lifted,
    ev.ClockTurned: clock.turned,
    ev.NetworkAdopted: ground.network,
    ev.SpeedsAdopted: ground.speeds,
    ev.RulesAdopted: ground.rules,
}


def apply(live_map: LiveMap, seq: int, event: Event) -> Delta:
    """Fold one event into the map and say what changed.

    A handler checks first and writes last, so an event that is refused (or breaks a rule: `fault`) leaves the map as
    it was, the same on every node.
    """
    handler = _HANDLERS.get(type(event))
    try:
        delta = Delta(ignored="unknown_kind") if handler is None else handler(live_map, event)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        delta = Delta(ignored="fault")
    live_map.seq = seq
    return delta
