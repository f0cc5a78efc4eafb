"""The officer's page over HTTP: the code that lets a phone in, who is in, and the one button for backup."""

from __future__ import annotations

import asyncio
import io

import segno
from fastapi import Request

from geo_backup.custody import SignedOut
from geo_backup.events import ANY, BackupRequested, IncidentNoted, Need
from geo_backup.live_map import Incident, Unit
from geo_backup.live_map.state import OPEN_STATES
from geo_backup.node import Node
from geo_backup.server import incidents
from geo_backup.server.adoption import address_of
from geo_backup.server.answers import told
from geo_backup.server.given import TheGazetteer, TheNode, ThePhones, TheSpeakers, UnitId, routes_of
from geo_backup.server.looks import audit
from geo_backup.server.phones import CODE_S, Phones
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.session import keep, session_document, signed_in
from geo_backup.server.speaker import UNIT_COOKIE, speaking
from geo_backup.server.versions import told_incident
from geo_backup.server.writes import incident_of, new_id, record, unit_of
from geo_backup.wire import documents
from geo_backup.wire.requests import NewIncident, ScannedCode, UnitBackup
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Told

PRIORITY = {"immediate": 1, "delayed": 2}
"""Of an incident that is opened by a call for backup."""
URGENCY = {"immediate": "at once", "delayed": "when units are free"}
OVER = "this code was used, or is older than ten minutes: ask the desk for a new one"
NO_PLACE = "this unit has no position yet: send lon and lat, or say by radio where you are"
MANY = 50

routes = routes_of("Units")


@routes.post("/units/{unit_id}/page_code", status_code=201, responses=may(404))
async def make_page_code(
    node: TheNode, phones: ThePhones, request: Request, unit_id: UnitId
) -> Told[documents.PageCode]:
    """A code that lets one phone in as this unit's: used once, within ten minutes. `url` has it in its fragment, which
    browsers send to no server; `qr` is a picture of the url (SVG)."""
    unit_of(node, unit_id)
    code = phones.code(unit_id)
    url = f"{str(request.base_url).rstrip('/')}/unit#code={code}"
    picture = io.BytesIO()
    segno.make(url, error="m", micro=False).save(picture, kind="svg", xmldecl=False, scale=8, dark="#000", light="#fff")
    until_ms = node.clock.now_ms() + round(CODE_S * 1000)
    answer: documents.PageCode = {
        "unit_id": unit_id,
        "code": code,
        "url": url,
        "until": to_text(until_ms),
        "qr": picture.getvalue().decode(),
    }
    made = told(answer, 201)
    made.headers["Cache-Control"] = "no-store"
    return made


@routes.get("/units/{unit_id}/phones", responses=may(404))
async def list_phones(node: TheNode, phones: ThePhones, unit_id: UnitId) -> Told[documents.PhoneList]:
    """The phones that are in as this unit's, the oldest first."""
    unit_of(node, unit_id)
    return told(_phones(phones, unit_id))


@routes.delete("/units/{unit_id}/phones", responses=may(404))
async def end_phones(node: TheNode, phones: ThePhones, unit_id: UnitId) -> Told[documents.PhoneList]:
    """End all of this unit's phones, and the codes that wait for one. An open page is let go of within 5 s."""
    unit_of(node, unit_id)
    for one in phones.end(unit_id):
        ended = SignedOut(
            event_id=new_id("left"),
            received_ms=node.clock.now_ms(),
            said_by=speaking().said_by,
            session=one.session,
            why="revoked",
            whom=one.id,
        )
        await audit(node, ended)
    return told(_phones(phones, unit_id))


@routes.post("/session/unit", status_code=201, responses=may(401, 429))
async def open_unit_page(
    node: TheNode, speakers: TheSpeakers, phones: ThePhones, request: Request, body: ScannedCode
) -> Told[documents.Session]:
    """A phone shows the code that it has scanned: the answer sets a cookie that scripts cannot read, which speaks for
    that one unit until its shift ends (12 h where nobody said when)."""
    source = address_of(request)
    unit = node.live_map.units.get(phones.take(body.code) or "")
    if unit is None:
        refused = speakers.is_wrong(source, OVER)
        raise Problem(refused.status, refused.words)
    now_ms = node.clock.now_ms()
    shown, who = await asyncio.to_thread(phones.begin, unit, source, now_ms)
    await signed_in(node, who, source, "link")
    answer = told(session_document(node, speakers, who, shown, by_cookie=True), 201)
    lasts_s = max(1, ((who.until_ms or now_ms) - now_ms) // 1000)
    keep(answer, shown, request, UNIT_COOKIE, lasts_s)
    return answer


@routes.post("/units/{unit_id}/backup", status_code=201, responses=may(404, 409, 429, also={200: "It is asked for."}))
async def call_backup(
    node: TheNode, places: TheGazetteer, unit_id: UnitId, body: UnitBackup
) -> Told[documents.Incident]:
    """An officer asks for so many more units where they are: for the incident that their unit works on, or else for a
    new one that follows it. Sent twice with one `request_id` it is asked once."""
    unit = unit_of(node, unit_id)
    request_id = body.request_id or new_id("b")
    named = f"call:{unit_id}:{request_id}"
    standing = _own(node, unit)
    opened = standing is None
    if standing is None:
        standing = await _opened(node, places, unit, body, request_id)
    elif standing.request_id == named:
        return told_incident(standing)
    needs = _more(standing, body.units)
    asked = BackupRequested(
        event_id=named,
        received_ms=node.clock.now_ms(),
        incident_id=standing.incident_id,
        requirement=needs,
        mode=body.mode,
        several=standing.several,
        run_card=standing.run_card,
    )
    said = IncidentNoted(
        event_id=f"noted:{standing.opening}:{request_id}",
        received_ms=asked.received_ms,
        incident_id=standing.incident_id,
        note_id=named,
        text=_said(unit, body, "" if opened else body.note),
    )
    await record(node, asked, said)
    return told_incident(incident_of(node, standing.incident_id), 201)


def _own(node: Node, unit: Unit) -> Incident | None:
    """The open incident that a unit works on, or that was opened for it."""
    on = node.live_map.incidents.get(unit.emergency_id or unit.incident_id or "")
    if on is not None and on.open:
        return on
    return next((one for one in node.live_map.open_incidents() if one.for_unit_id == unit.unit_id), None)


async def _opened(node: Node, places: TheGazetteer, unit: Unit, body: UnitBackup, request_id: str) -> Incident:
    """A new incident where the unit is."""
    here = unit.fix is not None
    if not here and (body.lon is None or body.lat is None):
        raise bad_value("/lon", "missing", NO_PLACE)
    new = NewIncident(
        incident_id=request_id,
        lon=None if here else body.lon,
        lat=None if here else body.lat,
        for_unit_id=unit.unit_id if here else None,
        pinned=here,
        priority=PRIORITY[body.mode],
        kind="backup",
        agency=unit.agency,
        note=body.note,
    )
    await incidents.open_incident(node, places, new)
    return incident_of(node, request_id)


def _said(unit: Unit, body: UnitBackup, note: str) -> str:
    """The call in words, for the incident's notes: desks tell whose it is and that it waits by the note's id."""
    return f"{unit.callsign or unit.unit_id} asks for {body.units} more, {URGENCY[body.mode]}{note and ': '}{note}"


def _more(incident: Incident, units: int) -> tuple[Need, ...]:
    """What an incident asks for, and so many more. Where it asked for nothing, whoever works there counts as asked."""
    working = sum(part.state in OPEN_STATES for part in incident.assignments.values())
    asked = incident.requirement or ((Need(ANY, working),) if working else ())
    whole = next((need for need in asked if need == Need(ANY, need.count)), None)
    if whole is None:
        return (*asked, Need(ANY, units))
    return tuple(need._replace(count=min(MANY, need.count + units)) if need is whole else need for need in asked)


def _phones(phones: Phones, unit_id: str) -> documents.PhoneList:
    return {
        "phones": [
            {"phone_id": one.id, "until": None if one.until_ms is None else to_text(one.until_ms)}
            for one in phones.of(unit_id)
        ]
    }
