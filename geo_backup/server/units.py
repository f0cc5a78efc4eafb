"""Units over HTTP: who they are, where they are, and who is aboard."""

from __future__ import annotations

from collections.abc import Iterator

from geo_backup.backup.readings import reach_of
from geo_backup.backup.standing import Standing
from geo_backup.events import CrewReported, Member, UnitRegistered, UnitRetired, UnitStatusChanged
from geo_backup.people.principal import CENTRE
from geo_backup.server.answers import asked, listed, told
from geo_backup.server.given import TheNode, UnitId, routes_of
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.writes import check_minutes, check_profile, new_id, record, unit_of
from geo_backup.wire import documents
from geo_backup.wire.requests import CrewReport, StatusChange, UnitDescription
from geo_backup.wire.told import Told

routes = routes_of("Units")


@routes.get("/units")
async def list_units(node: TheNode, bbox: str | None = None) -> Told[documents.UnitCollection]:
    """All units as GeoJSON, or those whose last fix lies in `bbox=west,south,east,north`."""
    box = _bbox(bbox)

    def features() -> Iterator[documents.UnitFeature]:
        now_ms = node.clock.now_ms()
        for unit in list(node.live_map.units.values()):
            if box is None or (unit.fix is not None and _inside(unit.fix.lon, unit.fix.lat, box)):
                yield documents.unit_feature(node.live_map, unit, now_ms)

    return await listed(node, ("units", box), {"type": "FeatureCollection", "features": []}, features)


@routes.get("/units/{unit_id}", responses=may(404))
async def get_unit(node: TheNode, unit_id: UnitId) -> Told[documents.UnitFeature]:
    """One unit as a GeoJSON feature."""
    return told(documents.unit_feature(node.live_map, unit_of(node, unit_id), node.clock.now_ms()))


@routes.get("/units/{unit_id}/reach", responses=may(404, 409))
async def get_unit_reach(
    node: TheNode, unit_id: UnitId, minutes: str = "2,5,10", profile: str = "response"
) -> Told[documents.Reach]:
    """Where this unit can be within so many minutes of driving from its last fix: cumulative polygons."""
    values = check_minutes(minutes)
    check_profile(node, profile)
    unit_of(node, unit_id)

    def shapes(now: Standing) -> documents.Reach:
        found = reach_of(now, unit_id, values, profile)
        if found is None:
            raise Problem(409, f"unit {unit_id!r} has no position on the road network")
        return documents.reach(values, found)

    return await asked(node, ("unit reach", unit_id, *values, profile), shapes)


@routes.put("/units/{unit_id}", responses=may(429, also={201: "A new unit."}))
async def register_unit(node: TheNode, unit_id: UnitId, body: UnitDescription) -> Told[documents.Unit]:
    """Register a unit, or describe it anew."""
    if body.agency == CENTRE:
        raise bad_value("/agency", "reserved", f"{CENTRE} is no agency: it stands for those who serve all of them")
    home = tuple(body.home) if body.home is not None else None
    if home is not None and not (-180 <= home[0] <= 180 and -90 <= home[1] <= 90):
        raise bad_value("/home", "out_of_range", "home is [lon, lat] in degrees")
    status = 200 if unit_id in node.live_map.units else 201
    await record(
        node,
        UnitRegistered(
            event_id=new_id("unit"),
            received_ms=node.clock.now_ms(),
            unit_id=unit_id,
            callsign=body.callsign,
            agency=body.agency,
            kind=body.kind,
            capabilities=tuple(body.capabilities),
            home=(home[0], home[1]) if home is not None else None,
            source=node.clock.mode,
            hidden=body.hidden,
        ),
    )
    return told(documents.unit(unit_of(node, unit_id)), status)


@routes.delete("/units/{unit_id}", status_code=204, responses=may(404, 409))
async def retire_unit(node: TheNode, unit_id: UnitId) -> None:
    """Take a unit out of the fleet; its history stays in the log."""
    await record(node, UnitRetired(event_id=new_id("retire"), received_ms=node.clock.now_ms(), unit_id=unit_id))


@routes.put("/units/{unit_id}/status", responses=may(404, 409))
async def set_status(node: TheNode, unit_id: UnitId, body: StatusChange) -> Told[documents.Unit]:
    """Say a unit's status."""
    now_ms = node.clock.now_ms()
    _not_future("/at", body.at, now_ms)
    await record(
        node,
        UnitStatusChanged(
            event_id=new_id("status"),
            received_ms=now_ms,
            said_by="desk",
            unit_id=unit_id,
            status=body.status,
            at_ms=body.at if body.at is not None else now_ms,
            note=body.note,
        ),
    )
    return told(documents.unit(unit_of(node, unit_id)))


@routes.put("/units/{unit_id}/crew", responses=may(404))
async def set_crew(node: TheNode, unit_id: UnitId, body: CrewReport) -> Told[documents.Unit]:
    """Who is aboard: their capabilities count as the unit's. Nobody: it is unstaffed and not sent."""
    now_ms = node.clock.now_ms()
    if body.shift_ends is not None and body.shift_ends <= now_ms:
        raise bad_value("/shift_ends", "past", "lies in the past; a crew whose shift is over is no crew: send []")
    await record(
        node,
        CrewReported(
            event_id=new_id("crew"),
            received_ms=now_ms,
            unit_id=unit_id,
            crew=tuple(Member(tuple(one.capabilities), one.member_id) for one in body.crew),
            shift_ends_ms=body.shift_ends,
            rest_until_ms=body.rest_until,
        ),
    )
    return told(documents.unit(unit_of(node, unit_id)))


def _not_future(field: str, at_ms: int | None, now_ms: int) -> None:
    if at_ms is not None and at_ms > now_ms + 30_000:
        raise bad_value(field, "future", "lies more than 30 s in the future; check the sender's clock")


def _bbox(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        box = tuple(float(part) for part in text.split(","))
    except ValueError:
        box = ()
    if len(box) != 4 or not (abs(box[0]) <= 180 and abs(box[2]) <= 180 and -90 <= box[1] <= box[3] <= 90):
        raise bad_value("/bbox", "bbox", "is west,south,east,north in degrees")
    return box


def _inside(lon: float, lat: float, box: tuple[float, ...]) -> bool:
    west, south, east, north = box
    across = west <= lon <= east if west <= east else (lon >= west or lon <= east)  # across the antimeridian
    return across and south <= lat <= north
