"""Help between agencies over HTTP: agreements, and approval of mutual aid for one incident."""

from __future__ import annotations

from geo_backup.events import AgreementEnded, AgreementMade, AidApproved
from geo_backup.people.principal import CENTRE
from geo_backup.server.answers import told
from geo_backup.server.given import AgreementId, IncidentId, TheNode, routes_of
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.speaker import named
from geo_backup.server.versions import told_incident
from geo_backup.server.writes import incident_of, new_id, record, was_taken
from geo_backup.wire import documents
from geo_backup.wire.requests import AidApproval, NewAgreement
from geo_backup.wire.told import Told

routes = routes_of("Aid")


@routes.post("/agreements", status_code=201, responses=may(409, 429, also={200: "It stands already."}))
async def make_agreement(node: TheNode, body: NewAgreement) -> Told[documents.Agreement]:
    """The lender's units help the borrower: `automatic` aid is ranked with its own units, `mutual` aid when it is
    approved for an incident. One direction; the other is another agreement."""
    if CENTRE in (body.lender, body.borrower):
        raise bad_value("/lender", "reserved", f"{CENTRE} is no agency: it stands for those who serve all of them")
    if body.lender == body.borrower:
        raise bad_value("/borrower", "same", "an agency needs no agreement with itself")
    event = AgreementMade(
        event_id=new_id("agreed"),
        received_ms=node.clock.now_ms(),
        agreement_id=body.agreement_id or new_id("a"),
        lender=body.lender,
        borrower=body.borrower,
        aid=body.aid,
        kinds=tuple(body.kinds),
        max_share=body.max_share,
        hours=tuple(sorted(set(body.hours))),
        positions=body.positions,
    )
    status = 201
    try:
        await record(node, event)
    except Problem as refusal:
        standing = node.live_map.agreements.get(event.agreement_id)
        if standing is None or not was_taken(refusal):
            raise
        if documents.agreement(standing) != documents.agreement(event):
            words = f"agreement {event.agreement_id!r} stands with another content; end it first"
            raise Problem(409, words, refusal.errors) from None
        status = 200
    return told(documents.agreement(node.live_map.agreements[event.agreement_id]), status)


@routes.get("/agreements")
async def list_agreements(node: TheNode) -> Told[documents.AgreementList]:
    """All agreements that stand."""
    return told({"agreements": [documents.agreement(one) for one in node.live_map.agreements.values()]})


@routes.delete("/agreements/{agreement_id}", status_code=204, responses=may(404))
async def end_agreement(node: TheNode, agreement_id: AgreementId) -> None:
    """From now on these units help no more; those that are on their way go on."""
    await record(
        node,
        AgreementEnded(event_id=new_id("ended"), received_ms=node.clock.now_ms(), agreement_id=agreement_id),
    )


@routes.post("/incidents/{incident_id}/aid", responses=may(404, 409))
async def approve_aid(node: TheNode, incident_id: IncidentId, body: AidApproval) -> Told[documents.Incident]:
    """Units of this agency may come to the incident, as their mutual agreement says."""
    borrower = incident_of(node, incident_id).agency
    agreements = node.live_map.agreements.values()
    if not any(one.lender == body.agency and one.borrower == borrower for one in agreements):
        words = f"no agreement says that {body.agency!r} helps {borrower!r}; POST /v1/agreements first"
        raise Problem(409, words, [{"field": "/agency", "reason": "no_agreement", "message": words}])
    await record(
        node,
        AidApproved(
            event_id=new_id("aid"),
            received_ms=node.clock.now_ms(),
            incident_id=incident_id,
            agency=body.agency,
            by=named(body.by),
        ),
    )
    return told_incident(incident_of(node, incident_id))
