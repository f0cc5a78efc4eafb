"""Backup over HTTP: asked for, answered by the set to send, and told again with all it was made of."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import Path, Query

from geo_backup.audit.explanation import Explained, explained
from geo_backup.backup.run_card import card_for
from geo_backup.errors import UnknownIdError
from geo_backup.events import ANY, BackupRequested, Event, IncidentChanged, Mode, Need
from geo_backup.live_map import Incident
from geo_backup.node import Node
from geo_backup.server.answers import told
from geo_backup.server.given import IncidentId, TheNode, routes_of
from geo_backup.server.problems import bad_value, may
from geo_backup.server.writes import incident_of, new_id, open_incident_of, record
from geo_backup.wire import decisions, documents
from geo_backup.wire.requests import BackupCall
from geo_backup.wire.told import Told

DECISION_PATTERN = r"^[A-Za-z0-9._:-]{1,128}$"

routes = routes_of("Backup")


@routes.post("/incidents/{incident_id}/backup", status_code=201, responses=may(404, 409))
async def ask_for_backup(
    node: TheNode, incident_id: IncidentId, body: BackupCall
) -> Told[decisions.Recommendation | documents.Ranking]:
    """Ask for backup: with a mode, answered by the set to send, as it is recorded; without one, the ranking is
    narrowed to what is asked for."""
    incident = incident_of(node, incident_id)
    asked = _asked(node, body, incident)
    now_ms, mode = node.clock.now_ms(), asked.mode
    if body.arrive_by is not None and mode in (None, "immediate"):
        raise bad_value("/arrive_by", "mode", "only delayed and strategic backup arrives by a time")
    if body.arrive_by is not None and body.arrive_by <= now_ms:
        raise bad_value("/arrive_by", "past", "lies in the past; leave it out for as soon as possible")
    events: list[Event] = [
        BackupRequested(
            event_id=new_id("backup"),
            received_ms=now_ms,
            incident_id=incident_id,
            requirement=asked.needs,
            mode=mode,
            several=asked.several,
            arrive_by_ms=body.arrive_by or _still_ahead(incident, asked, now_ms),
            run_card=asked.run_card,
            anew=body.again or not asked.as_stands,
        )
    ]
    # urgent backup comes with the siren on, other without
    profile = {None: incident.profile, "immediate": "response"}.get(mode, "routine")
    if profile != incident.profile and incident.profile in ("response", "routine"):
        changed = IncidentChanged(
            event_id=new_id("changed"), received_ms=now_ms, incident_id=incident_id, profile=profile
        )
        events.insert(0, changed)
    await record(node, *events)
    if mode is None:
        return told(await node.ranking(incident_id, node.live_map.rules.limit.ranking_frame), 201)
    try:
        return Told(await node.decider.recommend(incident_id), 201)
    except (KeyError, UnknownIdError):
        open_incident_of(node, incident_id)
        raise


@routes.get("/decisions/{decision_id}", responses=may(404))
async def get_decision(
    node: TheNode,
    decision_id: Annotated[str, Path(pattern=DECISION_PATTERN)],
    limit: Annotated[int, Query(ge=0, le=100_000, description="Candidates and excluded units at most.")] = 100_000,
) -> Told[Explained]:
    """A recommendation with all it was made of, in numbers and in words, and what was chosen."""
    event = await node.decider.decision(decision_id)
    incident = node.live_map.incidents.get(event.incident_id)
    humans = [
        decisions.human(event, part.unit_id, part.at_ms, part.reason)
        for part in (incident.assignments.values() if incident is not None else ())
        if part.decision_id == decision_id
    ]
    whole = explained(event, humans)
    return told({**whole, "candidates": whole["candidates"][:limit], "excluded": whole["excluded"][:limit]})


class _Asked(NamedTuple):
    """What a request asks for, and how."""

    needs: tuple[Need, ...]
    several: bool
    """One unit may fill several needs."""
    mode: Mode | None
    run_card: str = ""
    """The card that this is from."""
    as_stands: bool = False
    """It is what was asked for already."""


def _asked(node: Node, body: BackupCall, incident: Incident) -> _Asked:
    """What a request asks for: its own requirement, a run card, so many units, what stands, or the card of the
    incident's kind."""
    if sum(given is not None for given in (body.requirement, body.units, body.run_card)) > 1:
        raise bad_value("/requirement", "several", "send one of requirement, run_card and units")
    several = incident.several if body.several is None else body.several
    card = node.run_cards.get(body.run_card) if body.run_card is not None else None
    if body.run_card is not None and card is None:
        raise bad_value("/run_card", "unknown", f"there is one of {', '.join(sorted(node.run_cards))}")
    if body.requirement is None and body.units is None and not incident.requirement:
        card = card or card_for(node.run_cards, incident.kind)
    if card is not None:
        several = card.several if body.several is None else several
        return _Asked(card.needs(incident.level), several, body.mode or card.mode, card.name)
    if body.requirement is not None:
        if not body.requirement and (body.mode or incident.mode) is not None:
            raise bad_value(
                "/requirement", "empty", "asks for nobody; name what is needed, or leave it out to ask for what stands"
            )
        return _Asked(tuple(need.as_need() for need in body.requirement), bool(body.several), body.mode)
    if body.units is not None:
        return _Asked((Need(ANY, body.units),), False, body.mode)
    mode = body.mode or incident.mode
    if mode is None:
        raise bad_value("/requirement", "missing", "send a mode, a run_card, or what capabilities are asked for")
    if incident.requirement:
        return _Asked(incident.requirement, several, mode, incident.run_card, as_stands=True)
    wave = max(1, node.live_map.rules.of(incident.agency).backup.first_wave) if mode == "immediate" else 1
    return _Asked((Need(ANY, wave),), several, mode)


def _still_ahead(incident: Incident, asked: _Asked, now_ms: int) -> int | None:
    """By when what stands was to be there, where it is asked for again as it stands and not without delay."""
    by_ms = incident.arrive_by_ms
    if not asked.as_stands or asked.mode in (None, "immediate") or asked.mode != incident.mode:
        return None
    return by_ms if by_ms is not None and by_ms > now_ms else None
