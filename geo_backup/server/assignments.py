"""Assignments over HTTP: units are sent to an incident, and how far they have come."""

from __future__ import annotations

from geo_backup.backup.city import last_in_beat
from geo_backup.events import AssignmentChanged
from geo_backup.node import Node
from geo_backup.people.sight import Sight
from geo_backup.server.access import refusal_of
from geo_backup.server.given import IncidentId, TheNode, UnitId, routes_of
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import speaking
from geo_backup.server.versions import told_incident
from geo_backup.server.writes import incident_of, new_id, record
from geo_backup.wire import documents
from geo_backup.wire.requests import AssignmentPatch, NewAssignment
from geo_backup.wire.times import to_ms, to_text
from geo_backup.wire.told import Told

URGENT = 2
"""Calls of this priority and above take whoever is there, the last of a beat too."""

routes = routes_of("Incidents")


@routes.post("/incidents/{incident_id}/assignments", status_code=201, responses=may(404, 409))
async def assign_unit(node: TheNode, incident_id: IncidentId, body: NewAssignment) -> Told[documents.Incident]:
    """Send a unit, perhaps in place of another."""
    now_ms, incident = node.clock.now_ms(), incident_of(node, incident_id)
    standing = incident.recommended
    if incident.priority > URGENT and refusal_of(speaking(), "empty_beat") is not None:
        beat = await node.read_field(lambda fleet: last_in_beat(fleet, body.unit_id))
        if beat is not None:
            words = f"it is the last free unit of beat {beat}: a supervisor may send it to a call of this priority"
            raise Problem(403, words, [{"field": "/unit_id", "reason": "empties_beat", "message": words}])
    if body.as_of_seq is not None and body.as_of_seq > node.live_map.seq:
        raise bad_value("/as_of_seq", "future", "the log has not come so far yet")
    try:
        await record(
            node,
            AssignmentChanged(
                event_id=new_id("assigned"),
                received_ms=now_ms,
                incident_id=incident_id,
                unit_id=body.unit_id,
                state="assigned",
                at_ms=now_ms,
                preempt=body.preempt,
                replaces=body.replaces,
                reason=body.reason,
                as_of_seq=body.as_of_seq,
                as_of_ms=body.as_of_time,
                digest=_digest_seen(node, incident_id, body),
                eta_ms=_eta_ms(node, incident_id, body.unit_id),
                decision_id=body.decision_id or (standing.decision_id if standing is not None else None),
            ),
        )
    except Problem as refused:
        raise _with_sender(node, incident_id, body.unit_id, refused) from None
    return told_incident(incident_of(node, incident_id), 201)


@routes.patch("/incidents/{incident_id}/assignments/{unit_id}", responses=may(404, 409))
async def move_assignment(
    node: TheNode, incident_id: IncidentId, unit_id: UnitId, body: AssignmentPatch
) -> Told[documents.Incident]:
    """A unit's part in the incident has come further, or ends (`cleared`, `cancelled`)."""
    now_ms = node.clock.now_ms()
    if body.at is not None and body.at > now_ms + 30_000:
        raise bad_value("/at", "future", "lies more than 30 s in the future; check the sender's clock")
    if body.state == "assigned":
        raise bad_value("/state", "assigned", "POST to /assignments to assign a unit")
    await record(
        node,
        AssignmentChanged(
            event_id=new_id("progress"),
            received_ms=now_ms,
            incident_id=incident_id,
            unit_id=unit_id,
            state=body.state,
            at_ms=now_ms if body.at is None else body.at,
        ),
    )
    return told_incident(incident_of(node, incident_id))


def _with_sender(node: Node, incident_id: str, unit_id: str, refused: Problem) -> Problem:
    """Of two desks that send one unit the second is told who has sent it, where to and when, as far as it may know."""
    live_map, reason = node.live_map, refused.errors[0].get("reason") if refused.errors else None
    if reason not in ("already_here", "assigned_elsewhere"):
        return refused
    on = live_map.incidents.get(incident_id if reason == "already_here" else live_map.units[unit_id].incident_id or "")
    part = None if on is None else on.assignments.get(unit_id)
    sent = None if part is None else next((step for step in reversed(part.history) if step[0] == "assigned"), None)
    if on is None or sent is None or not Sight.of(speaking()).incident(live_map, on):
        return refused
    _, at_ms, by = sent
    known = {"unit_id": unit_id, "incident_id": on.incident_id, "by": by, "at": to_text(at_ms)}
    words = f"{refused.detail}: {by} sent it to {on.incident_id} at {known['at']}"
    return Problem(refused.status, words, [{**refused.errors[0], "message": words, **known}])


def _eta_ms(node: Node, incident_id: str, unit_id: str) -> int | None:
    """How long the unit would take by the ranking that stands in the page, or by the recommendation."""
    shown, incident = node.ranker.rankings.get(incident_id), node.live_map.incidents[incident_id]
    for row in () if shown is None else shown["candidates"]:
        if row["unit_id"] == unit_id:
            return round(row["eta_s"] * 1000)
    return dict(incident.recommended.chosen).get(unit_id) if incident.recommended is not None else None


def _digest_seen(node: Node, incident_id: str, body: NewAssignment) -> str:
    """Digest of the ranking that stands in the page now, if it is the one that the dispatcher says they saw."""
    shown = node.ranker.rankings.get(incident_id)
    if shown is None or body.as_of_seq != shown["as_of_seq"] or body.as_of_time != to_ms(shown["as_of_time"]):
        return ""
    return node.ranker.digests.get(incident_id, "")
