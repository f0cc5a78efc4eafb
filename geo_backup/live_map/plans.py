"""Plans, and the agreements under which agencies help each other."""

from __future__ import annotations

from geo_backup.events import (
    AgreementEnded,
    AgreementMade,
    AidApproved,
    PlanActivated,
    PlanApproved,
    PlanCancelled,
    PlanMade,
)
from geo_backup.live_map.incidents import refusal
from geo_backup.live_map.state import Delta, LiveMap, Plan


def made(live_map: LiveMap, event: PlanMade) -> Delta:
    """A new plan, or another content for one that has not begun: then it needs approval anew."""
    standing = live_map.plans.get(event.plan_id)
    if standing is not None and standing.state not in ("draft", "approved"):
        return Delta(ignored="plan_" + standing.state)
    if standing is None and len(live_map.plans) >= live_map.rules.limit.plans:
        over = next((p for p, plan in live_map.plans.items() if plan.state in ("active", "cancelled")), None)
        if over is None:
            return Delta(ignored="too_many_plans")
        del live_map.plans[over]
    live_map.plans[event.plan_id] = Plan(event, event.received_ms, changed_ms=event.received_ms)
    return Delta(plans=(event.plan_id,))


def approved(live_map: LiveMap, event: PlanApproved) -> Delta:
    return _turn(live_map, event, ("draft", "approved"), "approved")


def activated(live_map: LiveMap, event: PlanActivated) -> Delta:
    return _turn(live_map, event, ("approved",), "active")


def cancelled(live_map: LiveMap, event: PlanCancelled) -> Delta:
    return _turn(live_map, event, ("draft", "approved"), "cancelled")


def _turn(
    live_map: LiveMap, event: PlanApproved | PlanActivated | PlanCancelled, before: tuple[str, ...], state: str
) -> Delta:
    plan = live_map.plans.get(event.plan_id)
    if plan is None:
        return Delta(ignored="unknown_plan")
    if plan.state not in before:
        return Delta(ignored="plan_not_approved" if plan.state == "draft" else "plan_" + plan.state)
    plan.state, plan.changed_ms = state, event.received_ms
    if isinstance(event, PlanApproved):
        plan.approved_by = event.by
    return Delta(plans=(event.plan_id,))


def agreed(live_map: LiveMap, event: AgreementMade) -> Delta:
    if event.agreement_id in live_map.agreements:
        return Delta(ignored="id_taken")
    if len(live_map.agreements) >= live_map.rules.limit.agreements:
        return Delta(ignored="too_many_agreements")
    live_map.agreements[event.agreement_id] = event
    return Delta(desk=True)


def ended(live_map: LiveMap, event: AgreementEnded) -> Delta:
    if live_map.agreements.pop(event.agreement_id, None) is None:
        return Delta(ignored="unknown_agreement")
    return Delta(desk=True)


def aid_approved(live_map: LiveMap, event: AidApproved) -> Delta:
    incident = live_map.incidents.get(event.incident_id)
    refused = refusal(incident)
    if incident is None or refused:
        return Delta(ignored=refused)
    if event.agency not in incident.approved:
        incident.approved = (*incident.approved, event.agency)
    return Delta(incidents=(event.incident_id,))
