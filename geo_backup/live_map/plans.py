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
from geo_backup.live_map.incidents import count
from geo_backup.live_map.state import Delta, LiveMap, Plan


def refuse_plan(live_map: LiveMap, event: PlanMade) -> str | None:
    standing = live_map.plans.get(event.plan_id)
    if standing is not None:
        return None if standing.state in ("draft", "approved") else "plan_" + standing.state
    full = len(live_map.plans) >= live_map.rules.limit.plans and _over(live_map) is None
    return "too_many_plans" if full else None


def made(live_map: LiveMap, event: PlanMade) -> Delta:
    """A new plan, or another content for one that has not begun: then it needs approval anew."""
    over = _over(live_map)
    if event.plan_id not in live_map.plans and len(live_map.plans) >= live_map.rules.limit.plans and over is not None:
        del live_map.plans[over]
    live_map.plans[event.plan_id] = Plan(event)
    return Delta(plans=(event.plan_id,))


def _over(live_map: LiveMap) -> str | None:
    """The oldest plan that makes room for another."""
    return next((name for name, plan in live_map.plans.items() if plan.state in ("active", "cancelled")), None)


def refuse_approval(live_map: LiveMap, event: PlanApproved | PlanCancelled) -> str | None:
    plan = live_map.plans.get(event.plan_id)
    if plan is None:
        return "unknown_plan"
    return None if plan.state in ("draft", "approved") else "plan_" + plan.state


def approved(live_map: LiveMap, event: PlanApproved) -> Delta:
    plan = live_map.plans[event.plan_id]
    plan.state, plan.approved_by = "approved", event.by
    return Delta(plans=(event.plan_id,))


def refuse_activation(live_map: LiveMap, event: PlanActivated) -> str | None:
    plan = live_map.plans.get(event.plan_id)
    if plan is None:
        return "unknown_plan"
    if plan.state == "draft":
        return "plan_not_approved"
    return None if plan.state == "approved" else "plan_" + plan.state


def activated(live_map: LiveMap, event: PlanActivated) -> Delta:
    live_map.plans[event.plan_id].state = "active"
    return Delta(plans=(event.plan_id,))


def cancelled(live_map: LiveMap, event: PlanCancelled) -> Delta:
    live_map.plans[event.plan_id].state = "cancelled"
    return Delta(plans=(event.plan_id,))


def refuse_agreement(live_map: LiveMap, event: AgreementMade) -> str | None:
    if event.agreement_id in live_map.agreements:
        return "id_taken"
    return "too_many_agreements" if len(live_map.agreements) >= live_map.rules.limit.agreements else None


def agreed(live_map: LiveMap, event: AgreementMade) -> Delta:
    live_map.agreements[event.agreement_id] = event
    return Delta(desk=True)


def refuse_ending(live_map: LiveMap, event: AgreementEnded) -> str | None:
    return None if event.agreement_id in live_map.agreements else "unknown_agreement"


def ended(live_map: LiveMap, event: AgreementEnded) -> Delta:
    del live_map.agreements[event.agreement_id]
    return Delta(desk=True)


def aid_approved(live_map: LiveMap, event: AidApproved) -> Delta:
    incident = live_map.incidents[event.incident_id]
    if event.agency not in incident.approved:
        incident.approved = (*incident.approved, event.agency)
    count(live_map, incident)
    return Delta(incidents=(event.incident_id,))
