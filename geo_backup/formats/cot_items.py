"""What this server shows on the maps of TAK: units, incidents with who reaches them, closures and alarms as CoT events.

Events are made of the documents that viewers are told, so what somebody may not see is out of them already. ATAK counts
until when a thing holds from its receipt, one and a half times from `start` to `stale`: `start` is therefore the moment
of sending, while `time` of a unit is that of its fix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from geo_backup.wire import documents
from geo_backup.wire.times import to_text

PREFIX = "geo-backup."
"""What the uid of everything that this server shows begins with: what comes back with it is nothing new."""
HOLDS_MS = 75_000
"""Until it is stale, unless it is sent again: two and a half times as long as until then."""
PING_HOLDS_MS = 20_000
ALERT_HOLDS_MS = 600_000
NAMED = 5
"""Of those who could go so many are named, and of those on their way."""
NOTE_CHARS = 300
CORNERS = 500
CACHED = 16_384
"""Names and remarks that are told again and again, as XML."""
HEADER = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
UNKNOWN = "9999999.0"

UNIT_TYPES: Mapping[str, str] = MappingProxyType({"ems": "a-f-G-E-V-m"})
"""By discipline: an ambulance; every other unit is a vehicle."""
VEHICLE = "a-f-G-E-V-C"
TEAMS: Mapping[str, str] = MappingProxyType({"police": "Blue", "fire": "Red", "ems": "Green"})
INCIDENT, ALARM, CANCEL, DRAWN, GONE = "b-m-p-s-m", "b-a-o-tbl", "b-a-o-can", "u-d-f", "t-x-d-d"
COLOURS = (-65536, -35072, -256)
"""Of priority 1, 2 and below, as Android counts them: red, orange, yellow."""
CLOSED, SLOWED = (-65536, 872349696), (-35072, 872380160)
"""Line and filling of a closure."""
_wrong = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Item(NamedTuple):
    """One thing on a map of TAK."""

    uid: str
    kind: str
    event: bytes
    """The `<event>`, without a header."""


def unit(of: documents.Unit, at: Sequence[Any], now_ms: int, eta_s: float | None = None) -> Item:
    """A unit where its last fix says; `at` is its position as the feed has it, and `eta_s` when it is at its
    incident."""
    lon, lat, speed, course, fix_ms, _ = at
    kind = UNIT_TYPES.get(of["discipline"], VEHICLE)
    detail = f"<contact callsign={_quoted(of['callsign'])}/>"
    detail += f'<__group name="{TEAMS.get(of["discipline"], "White")}" role="Team Member"/>'
    if speed is not None or course is not None:
        detail += f'<track course="{course or 0.0:.1f}" speed="{speed or 0.0:.1f}"/>'
    detail += '<precisionlocation geopointsrc="GPS" altsrc="???"/>'
    said = f"{of['agency']} {of['kind']}, {of['status']}"
    if of["incident_id"] is not None:
        said += f", {of['incident_id']}"
        if eta_s is not None and of["status"] != "on_scene":
            said += f" in {minutes(eta_s)}"
    detail += _remarks(said)
    uid = unit_uid(of["unit_id"])
    return Item(uid, kind, _event(uid, kind, "m-g", (lon, lat), now_ms, detail, at_ms=int(fix_ms)))


def unit_uid(unit_id: str) -> str:
    """A unit's uid on TAK's maps."""
    return PREFIX + unit_id


def incident(of: documents.Incident, ranking: Mapping[str, Any] | None, names: Mapping[str, str], now_ms: int) -> Item:
    """An incident with who could be there and when; `names` are callsigns by unit."""
    title = f"P{of['priority']} {of['kind'] or 'incident'}"
    if of["exercise"]:
        title = f"EXERCISE {title}"
    lines = [of["incident_id"], of["place"], of["note"][:NOTE_CHARS]]
    if ranking is not None:
        on_it = [one for one in ranking["assigned"] if one["state"] not in ("cleared", "cancelled")]
        lines += [_on_it(one, names) for one in on_it[:NAMED]]
        lines += [_coming(names, one["unit_id"], one["eta_s"]) for one in ranking["candidates"][:NAMED]]
    colour = COLOURS[min(max(of["priority"], 1), len(COLOURS)) - 1]
    detail = f"<contact callsign={_quoted(title)}/>{_remarks(*lines)}"
    detail += f'<color argb="{colour}"/><usericon iconsetpath="COT_MAPPING_SPOTMAP/{INCIDENT}/{colour}"/>'
    uid = f"{PREFIX}incident.{of['incident_id']}"
    return Item(uid, INCIDENT, _event(uid, INCIDENT, "h-g-i-g-o", (of["lon"], of["lat"]), now_ms, detail))


def alarm(of: documents.Incident, names: Mapping[str, str], now_ms: int) -> Item | None:
    """The 911 alert of an incident in which an officer's emergency stands, or that it is over; None where there never
    was one."""
    unit_id, emergency = of["for_unit_id"], of["emergency"]
    if unit_id is None or emergency is None:
        return None
    callsign = names.get(unit_id, unit_id)
    stands = emergency["stands"] and of["state"] == "open"
    said = 'type="911 Alert"' if stands else 'cancel="true"'
    detail = f"<contact callsign={_quoted(callsign + '-Alert')}/>"
    detail += f'<link uid={_quoted(unit_uid(unit_id))} type={_quoted(VEHICLE)} relation="p-p"/>'
    detail += f"<emergency {said}>{_text(callsign)}</emergency>"
    if of["exercise"]:
        detail += _remarks("EXERCISE")
    uid, kind = f"{unit_uid(unit_id)}-9-1-1", ALARM if stands else CANCEL
    place = (of["lon"], of["lat"])
    return Item(uid, kind, _event(uid, kind, "m-g", place, now_ms, detail, holds_ms=ALERT_HOLDS_MS))


def closure(of: documents.Closure, now_ms: int) -> list[Item]:
    """A closure as it was drawn, an item for each of its parts; of one that names roads by their numbers none."""
    line, filling = CLOSED if of["slow_factor"] is None else SLOWED
    title = f"{'Closed' if of['slow_factor'] is None else 'Slow'}: {', '.join(of['streets'][:2]) or of['closure_id']}"
    items = []
    for n, corners in enumerate(_shapes(of["geometry"])):
        uid = f"{PREFIX}closure.{of['closure_id']}" + (f".{n}" if n else "")
        links = "".join(f'<link point="{lat:.7f},{lon:.7f}"/>' for lon, lat in corners[:CORNERS])
        detail = f"<contact callsign={_quoted(title)}/>{links}"
        detail += f'<strokeColor value="{line}"/><strokeWeight value="3.0"/>'
        if corners[0] == corners[-1]:
            detail += f'<fillColor value="{filling}"/>'
        detail += '<labels_on value="true"/>' + _remarks(of["reason"], until(of))
        middle = (sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners))
        items.append(Item(uid, DRAWN, _event(uid, DRAWN, "h-g-i-g-o", middle, now_ms, detail)))
    return items


def until(of: documents.Closure) -> str:
    """Until when a closure holds, if that is known."""
    return "" if of["valid_to"] is None else f"until {of['valid_to']}"


def gone(uid: str, kind: str, now_ms: int) -> bytes:
    """That a thing is no more, so that it is taken off the map at once."""
    detail = f'<link uid={_quoted(uid)} relation="p-p" type={_quoted(kind)}/><__forcedelete/>'
    return _event(f"{uid}-gone", GONE, "h-g-i-g-o", (0.0, 0.0), now_ms, detail, holds_ms=PING_HOLDS_MS)


def control(uid: str, kind: str, now_ms: int, detail: str = "") -> bytes:
    """A message of the stream itself: a ping, its answer, or what the protocol is to be."""
    return _event(uid, kind, "h-g-i-g-o", (0.0, 0.0), now_ms, detail, holds_ms=PING_HOLDS_MS)


def signing_in(username: str, password: str, uid: str) -> bytes:
    """The first message to a server that asks who comes."""
    return f"<auth><cot username={_quoted(username)} password={_quoted(password)} uid={_quoted(uid)}/></auth>".encode()


def minutes(eta_s: float) -> str:
    """A time to drive as people read it: 3:40."""
    whole_s = round(eta_s)
    return f"{whole_s // 60}:{whole_s % 60:02d}"


def _coming(names: Mapping[str, str], unit_id: str, eta_s: float) -> str:
    return f"{names.get(unit_id, unit_id)} in {minutes(eta_s)}"


def _on_it(one: Mapping[str, Any], names: Mapping[str, str]) -> str:
    unit_id, state, eta_s = one["unit_id"], one["state"], one["eta_s"]
    if eta_s is None or state == "on_scene":
        return f"{names.get(unit_id, unit_id)} {state}"
    return f"{_coming(names, unit_id, eta_s)}, {state}"


def _shapes(geometry: Mapping[str, Any]) -> list[list[tuple[float, float]]]:
    """Outlines of a geometry, without their holes."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates", ())
    if kind == "LineString":
        found = [coordinates]
    elif kind == "Polygon":
        found = coordinates[:1]
    elif kind == "MultiLineString":
        found = coordinates
    elif kind == "MultiPolygon":
        found = list(chain.from_iterable(polygon[:1] for polygon in coordinates))
    else:
        found = []
    return [[(corner[0], corner[1]) for corner in one] for one in found if len(one) > 1]


def _event(
    uid: str,
    kind: str,
    how: str,
    place: tuple[float, float],
    now_ms: int,
    detail: str,
    *,
    at_ms: int | None = None,
    holds_ms: int = HOLDS_MS,
) -> bytes:
    """One `<event>`; `detail` is XML."""
    start = to_text(now_ms)
    return (
        f'<event version="2.0" uid={_quoted(uid)} type="{kind}" how="{how}"'
        f' time="{start if at_ms is None else to_text(at_ms)}" start="{start}" stale="{to_text(now_ms + holds_ms)}">'
        f'<point lat="{place[1]:.7f}" lon="{place[0]:.7f}" hae="{UNKNOWN}" ce="{UNKNOWN}" le="{UNKNOWN}"/>'
        f"<detail>{detail}</detail></event>"
    ).encode(errors="replace")


def _remarks(*lines: str) -> str:
    return f"<remarks>{_text(chr(10).join([line for line in lines if line]))}</remarks>"


@lru_cache(CACHED)
def _text(text: str) -> str:
    return escape(_wrong.sub("", text))


@lru_cache(CACHED)
def _quoted(text: str) -> str:
    return quoteattr(_wrong.sub("", text))
