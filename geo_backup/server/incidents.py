"""Incidents, their assignments, and the readings of their fields, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from geo_backup.audit.explanation import explained
from geo_backup.backup.run_card import card_for
from geo_backup.backup.standing import TRAFFIC, Standing, off_road_m
from geo_backup.errors import OutsideMapError, UnknownIdError
from geo_backup.events import (
    ANY,
    ID_PATTERN,
    AssignmentChanged,
    BackupRequested,
    Event,
    IncidentChanged,
    IncidentClosed,
    IncidentOpened,
    Mode,
    Need,
)
from geo_backup.live_map import Incident
from geo_backup.node import Node, whole_ranking
from geo_backup.server.answers import asked, listed
from geo_backup.server.problems import Problem, bad_value
from geo_backup.server.writes import (
    check_minutes,
    check_profile,
    incident_of,
    new_id,
    open_incident_of,
    record,
    unit_of,
    was_taken,
)
from geo_backup.wire import decisions, documents
from geo_backup.wire.requests import (
    AssignmentPatch,
    BackupCall,
    EtasQuestion,
    IncidentPatch,
    NewAssignment,
    NewIncident,
)
from geo_backup.wire.times import to_ms

DECISION_PATTERN = r"^[A-Za-z0-9._:-]{1,128}$"
IncidentId = Annotated[str, Path(pattern=ID_PATTERN)]


def router(node: Node) -> APIRouter:
    """Routes of one node."""
    routes = APIRouter(prefix="/v1")

    @routes.post("/incidents", status_code=201)
    async def open_incident(body: NewIncident, response: Response) -> dict[str, Any]:
        """Somebody needs help at a place, or (`for_unit_id`) where that unit is."""
        lon, lat = body.lon, body.lat
        standing = node.live_map.incidents.get(body.incident_id or "")
        if standing is not None:
            return _again(standing.opened, body, standing, response)
        check_profile(node, body.profile)
        if body.for_unit_id is not None:
            if lon is not None or lat is not None:
                raise bad_value("/for_unit_id", "both", "send lon and lat, or for_unit_id, not both")
            fix = unit_of(node, body.for_unit_id).fix
            if fix is None:
                raise bad_value("/for_unit_id", "no_position", "this unit has no position yet; send lon and lat")
            lon, lat = fix.lon, fix.lat
        elif body.pinned:
            raise bad_value("/pinned", "no_unit", "only an incident with for_unit_id can be pinned")
        if lon is None or lat is None:
            raise bad_value("/lon" if lon is None else "/lat", "missing", "send lon and lat, or for_unit_id")
        off_road = off_road_m(node.network, node.live_map.rules.snap, lon, lat)
        event = IncidentOpened(
            event_id=new_id("opened"),
            received_ms=node.clock.now_ms(),
            incident_id=(incident_id := body.incident_id or new_id("i")),
            lon=lon,
            lat=lat,
            priority=body.priority,
            kind=body.kind,
            note=body.note,
            profile=body.profile,
            for_unit_id=body.for_unit_id,
            pinned=body.pinned,
            exercise=body.exercise,
            apart=body.exercise,
            agency=body.agency,
            level=body.level,
            off_road_m=off_road,
        )
        try:
            await record(node, event)
        except Problem as refusal:
            if was_taken(refusal):
                return _again(incident_of(node, incident_id).opened, body, incident_of(node, incident_id), response)
            raise
        return documents.incident(incident_of(node, incident_id))

    @routes.get("/incidents", response_model=dict[str, Any])
    async def incidents() -> Response:
        """All open incidents, in the order in which they were opened."""
        return await listed(
            node, "incidents", {}, "incidents", lambda: [documents.incident(*seen) for seen in node.open_incidents()]
        )

    @routes.get("/incidents/{incident_id}")
    async def one(incident_id: IncidentId) -> dict[str, Any]:
        """One incident, open or closed."""
        return documents.incident(*(node.incident(incident_id) or (incident_of(node, incident_id), True)))

    @routes.patch("/incidents/{incident_id}")
    async def change(incident_id: IncidentId, body: IncidentPatch) -> dict[str, Any]:
        """Change what is named."""
        incident = incident_of(node, incident_id)
        if (body.lon is None) != (body.lat is None):
            raise bad_value("/lon" if body.lon is None else "/lat", "missing", "a new place needs both lon and lat")
        off_road = None
        if body.lon is not None and body.lat is not None:
            lon, lat = body.lon, body.lat
            off_road = off_road_m(node.network, node.live_map.rules.snap, lon, lat)
        if body.pinned and incident.for_unit_id is None:
            raise bad_value("/pinned", "no_unit", "only an incident with for_unit_id can be pinned")
        if body.profile is not None:
            check_profile(node, body.profile)
        await record(
            node,
            IncidentChanged(
                event_id=new_id("changed"),
                received_ms=node.clock.now_ms(),
                incident_id=incident_id,
                off_road_m=off_road,
                **body.model_dump(),
            ),
        )
        return documents.incident(incident_of(node, incident_id))

    @routes.post("/incidents/{incident_id}/close")
    async def close(incident_id: IncidentId) -> dict[str, Any]:
        """The incident is over: its units are released, its ranking ends. Closing it twice is no error."""
        incident = incident_of(node, incident_id)
        if incident.open:
            event = IncidentClosed(
                event_id=f"closed:{incident.opening}", received_ms=node.clock.now_ms(), incident_id=incident_id
            )
            await record(node, event)
        return documents.incident(incident_of(node, incident_id))

    @routes.post("/incidents/{incident_id}/backup", status_code=201, response_model=None)
    async def backup(incident_id: IncidentId, body: BackupCall) -> Response | dict[str, Any]:
        """Ask for backup: with a mode, answered by the set to send, as it is recorded; without one, the ranking is
        narrowed to what is asked for."""
        incident = incident_of(node, incident_id)
        needs, several, mode, run_card = _asked(node, body, incident)
        now_ms = node.clock.now_ms()
        if body.arrive_by is not None and mode in (None, "immediate"):
            raise bad_value("/arrive_by", "mode", "only delayed and strategic backup arrives by a time")
        if body.arrive_by is not None and body.arrive_by <= now_ms:
            raise bad_value("/arrive_by", "past", "lies in the past; leave it out for as soon as possible")
        events: list[Event] = [
            BackupRequested(
                event_id=new_id("backup"),
                received_ms=now_ms,
                incident_id=incident_id,
                requirement=needs,
                mode=mode,
                several=several,
                arrive_by_ms=body.arrive_by,
                run_card=run_card,
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
            return await node.ranking(incident_id, node.live_map.rules.limit.ranking_frame)
        try:
            told = await node.decider.recommend(incident_id)
        except (KeyError, UnknownIdError):
            open_incident_of(node, incident_id)
            raise
        return Response(told, 201, media_type="application/json")

    @routes.get("/decisions/{decision_id}")
    async def decision(
        decision_id: Annotated[str, Path(pattern=DECISION_PATTERN)],
        limit: Annotated[int, Query(ge=0, le=100_000, description="Candidates and excluded units at most.")] = 100_000,
    ) -> dict[str, Any]:
        """A recommendation with all it was made of, in numbers and in words, and what was chosen."""
        event = await node.decider.decision(decision_id)
        incident = node.live_map.incidents.get(event.incident_id)
        humans = [
            decisions.human(event, part.unit_id, part.at_ms, part.reason)
            for part in (incident.assignments.values() if incident is not None else ())
            if part.decision_id == decision_id
        ]
        whole: Mapping[str, Any] = explained(event, humans)
        return {**whole, "candidates": whole["candidates"][:limit], "excluded": whole["excluded"][:limit]}

    @routes.post("/incidents/{incident_id}/assignments", status_code=201)
    async def assign(incident_id: IncidentId, body: NewAssignment) -> dict[str, Any]:
        """Send a unit, perhaps in place of another."""
        now_ms = node.clock.now_ms()
        standing = incident_of(node, incident_id).recommended
        if body.as_of_seq is not None and body.as_of_seq > node.live_map.seq:
            raise bad_value("/as_of_seq", "future", "the log has not come so far yet")
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
                digest=await _digest_seen(incident_id, body),
                decision_id=body.decision_id or (standing.decision_id if standing is not None else None),
            ),
        )
        return documents.incident(incident_of(node, incident_id))

    @routes.patch("/incidents/{incident_id}/assignments/{unit_id}")
    async def progress(
        incident_id: IncidentId, unit_id: Annotated[str, Path(pattern=ID_PATTERN)], body: AssignmentPatch
    ) -> dict[str, Any]:
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
        return documents.incident(incident_of(node, incident_id))

    async def _digest_seen(incident_id: str, body: NewAssignment) -> str:
        """Digest of the ranking that stands in the page now, if it is the one that the dispatcher says they saw."""
        shown = node.rankings.get(incident_id)
        if shown is None or body.as_of_seq != shown["as_of_seq"] or body.as_of_time != to_ms(shown["as_of_time"]):
            return ""
        return node.digests.get(incident_id, "")

    @routes.get("/incidents/{incident_id}/ranking", response_model=dict[str, Any])
    async def ranking(incident_id: IncidentId, limit: Annotated[int, Query(ge=1)] = 20) -> Response:
        """Every unit's place in the queue, now."""
        open_incident_of(node, incident_id)
        most = node.live_map.rules.limit.ranking_rows
        if limit > most:
            raise bad_value("/limit", "out_of_range", f"is at most {most} here (the rule limit.ranking_rows)")
        question = ("ranking", incident_id, limit)
        return await asked(node, question, lambda now: whole_ranking(now, incident_id, limit))

    @routes.get("/incidents/{incident_id}/route")
    async def route(incident_id: IncidentId, unit_id: Annotated[str, Query(pattern=ID_PATTERN)]) -> dict[str, Any]:
        """The way one unit would take: a GeoJSON feature."""
        open_incident_of(node, incident_id)
        unit_of(node, unit_id)
        document, cut_off = await node.questions.ask(
            ("route", incident_id, unit_id), lambda: node.read_field(lambda now: _route(now, incident_id, unit_id))
        )
        if document is None:
            closed = [_closure_words(node, name) for name in cut_off]
            words = f"unit {unit_id!r} cannot reach incident {incident_id!r} by road"
            raise Problem(
                409,
                f"{words}: cut off by {' and '.join(closed)}" if closed else words,
                [{"field": "", "reason": "closed", "message": f"cut off by {name}"} for name in closed],
            )
        return document

    @routes.get("/incidents/{incident_id}/reach", response_model=dict[str, Any])
    async def reach(incident_id: IncidentId, minutes: str = "2,5,10") -> Response:
        """From where the incident is reached within so many minutes of driving: cumulative polygons."""
        open_incident_of(node, incident_id)
        values = check_minutes(minutes)

        def question(now: Standing) -> dict[str, Any]:
            field = now.field(incident_id)
            return documents.reach(values, field.reach(values) if field is not None else [])

        return await asked(node, ("reach", incident_id, *values), question)

    @routes.post("/etas", response_model=dict[str, Any])
    async def etas(body: EtasQuestion) -> Response:
        """Drive times from many places to one, with the closures in force, for systems that keep their own units."""
        check_profile(node, body.profile)
        most = node.live_map.rules.limit.etas_starts
        if len(body.starts) > most:
            raise Problem(413, f"at most {most} starts a question, here are {len(body.starts)}; ask in parts")
        lon, lat = _place("/target", body.target)
        for index, start in enumerate(body.starts):
            _place(f"/starts/{index}", start)
            if len(start) == 3 and not 0 <= start[2] <= 360:
                raise bad_value(f"/starts/{index}/2", "out_of_range", "course_deg is 0 to 360")
        try:
            return await asked(node, object(), lambda now: now.etas(lon, lat, body.starts, body.profile))
        except OutsideMapError as error:
            raise bad_value("/target", error.reason, str(error)) from None

    return routes


def _asked(node: Node, body: BackupCall, incident: Incident) -> tuple[tuple[Need, ...], bool, Mode | None, str]:
    """What a request asks for, whether one unit may fill several needs, its mode, and the run card that this is from:
    its own requirement, a run card, so many units, what stands, or the card of the incident's kind."""
    if sum(given is not None for given in (body.requirement, body.units, body.run_card)) > 1:
        raise bad_value("/requirement", "several", "send one of requirement, run_card and units")
    several = incident.several if body.several is None else body.several
    card = node.run_cards.get(body.run_card) if body.run_card is not None else None
    if body.run_card is not None and card is None:
        raise bad_value("/run_card", "unknown", f"there is one of {', '.join(sorted(node.run_cards))}")
    if body.requirement is None and body.units is None and not incident.requirement:
        card = card or card_for(node.run_cards, incident.kind)
    if card is not None:
        return (
            card.needs(incident.level),
            card.several if body.several is None else several,
            body.mode or card.mode,
            card.name,
        )
    if body.requirement is not None:
        needs = tuple(need.as_need() for need in body.requirement)
        return needs, bool(body.several), body.mode, ""
    if body.units is not None:
        return (Need(ANY, body.units),), False, body.mode, ""
    if body.mode is None:
        raise bad_value("/requirement", "missing", "send a mode, a run_card, or what capabilities are asked for")
    wave = max(1, node.live_map.rules.of(incident.agency).backup.first_wave) if body.mode == "immediate" else 1
    return incident.requirement or (Need(ANY, wave),), several, body.mode, incident.run_card


def _again(opened: IncidentOpened, body: NewIncident, standing: Any, response: Response) -> dict[str, Any]:
    """The same incident sent twice: 200 with what stands if the body is the same, else 409."""
    said = body.model_dump(exclude={"incident_id"})
    if body.for_unit_id is not None and body.lon is None and body.lat is None:
        del said["lon"], said["lat"]
    if any(getattr(opened, name) != value for name, value in said.items()):
        raise Problem(409, f"incident {opened.incident_id!r} exists with another content; choose another id")
    response.status_code = 200
    return documents.incident(standing)


def _closure_words(node: Node, closure_id: str) -> str:
    if closure_id == TRAFFIC:
        return "roads that the traffic file closes"
    standing = node.live_map.closures.get(closure_id)
    reason = f" ({standing.added.reason})" if standing is not None and standing.added.reason else ""
    return f"closure {closure_id!r}{reason}"


def _route(now: Standing, incident_id: str, unit_id: str) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The way as a GeoJSON feature, or the closures that bar it."""
    found = now.route(incident_id, unit_id)
    if found is None:
        return None, now.cut_off(incident_id, [unit_id]).get(unit_id, ())
    way, turn = found.route, found.eta_ms - found.first_leg_ms - found.route.drive_ms - found.route.last_leg_ms
    round_ = [{"instruction": "turn round", "distance_m": 0.0, "duration_s": turn / 1000, "name": ""}]
    feature = {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": way.coordinates.tolist()},
        "properties": {
            "incident_id": incident_id,
            "unit_id": unit_id,
            "eta_s": found.eta_ms / 1000,
            "first_leg_s": found.first_leg_ms / 1000,
            "distance_m": round(way.distance_m),
            "last_leg_m": round(way.last_leg_m),
            "streets": list(way.streets),
            "steps": [*(round_ if found.turns_round else ()), *way.steps],
        },
    }
    return feature, ()


def _place(field: str, place: list[float]) -> tuple[float, float]:
    lon, lat = place[0], place[1]
    if not -180 <= lon <= 180:
        raise bad_value(f"{field}/0", "out_of_range", "lon is -180 to 180 degrees")
    if not -90 <= lat <= 90:
        raise bad_value(f"{field}/1", "out_of_range", "lat is -90 to 90 degrees; is it lon, lat?")
    return lon, lat
