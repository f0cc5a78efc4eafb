"""Cursor on Target (TAK), XML 2.0: one event as a position, an officer's alert, or the cancelling of one."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple
from xml.etree import ElementTree

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.wire.times import to_ms

ALERTS = ("b-a-o-tbl", "b-a-o-opn")
"""911 alert, troops in contact."""
CANCEL = "b-a-o-can"
UNKNOWN_M = 999_999.0
"""This and more stands for an unknown error circle (9999999.0 in XML)."""


class CotEvent(NamedTuple):
    """One event. `names` are what may name its unit, the likeliest first: ids without TAK's additions, callsigns."""

    kind: Literal["position", "alert", "cancel"]
    names: tuple[str, ...]
    fix: Fix | None
    """None: the event says no place (0, 0 with an unknown circle is none)."""


def parse(data: bytes) -> CotEvent:
    """Read one `<event>`. Raises `BadValueError` that names the attribute; entities and document types are refused."""
    if b"<!" in data:
        raise BadValueError("/", "xml", "a CoT event has no document type, entities or comments; send the event alone")
    try:
        event = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError) as error:
        raise BadValueError("/", "xml", f"not a CoT event: {error}") from None
    if event.tag != "event":
        raise BadValueError("/", "xml", f"a CoT message is an <event>, not a <{event.tag}>")
    kind, uid = event.get("type", ""), event.get("uid", "")
    if not uid:
        raise BadValueError("/uid", "missing", "the event has no uid")
    names = [uid.removesuffix("-9-1-1").removeprefix("geo-backup.")]
    for path, attribute in (("detail/link", "uid"), ("detail/contact", "callsign")):
        found = event.find(path)
        if found is not None:
            names.append(found.get(attribute, ""))
    if (said := event.find("detail/emergency")) is not None:
        names.append((said.text or "").strip())
    named = tuple(dict.fromkeys(name for name in names if name))
    if kind == CANCEL:
        return CotEvent("cancel", named, None)
    alert = kind in ALERTS
    try:
        return CotEvent("alert" if alert else "position", named, _fix(event))
    except BadValueError:
        if alert:  # a garbled place does not silence a cry for help
            return CotEvent("alert", named, None)
        raise


def _fix(event: ElementTree.Element) -> Fix | None:
    point = event.find("point")
    if point is None:
        raise BadValueError("/point", "missing", "the event has no <point>")
    lon, lat = _number(point, "lon", 180.0), _number(point, "lat", 90.0)
    circle_m = _number(point, "ce", math.inf) if point.get("ce") else UNKNOWN_M
    if lon == 0.0 and lat == 0.0 and circle_m >= UNKNOWN_M:
        return None
    try:
        at_ms = to_ms(event.get("time", ""))
    except ValueError as error:
        raise BadValueError("/time", "time", f"time {error}") from None
    track = event.find("detail/track")
    speed = course = None
    if track is not None:
        speed = _number(track, "speed", 150.0) if track.get("speed") else None
        course = _number(track, "course", 360.0) % 360.0 if track.get("course") else None
    return Fix(at_ms, lon, lat, speed, course, circle_m if 0 <= circle_m < UNKNOWN_M else None)


def _number(element: ElementTree.Element, name: str, most: float) -> float:
    try:
        value = float(element.get(name, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > most:
        raise BadValueError(f"/{element.tag}/{name}", "range", f"{name} is a number, at most {most:g} either way")
    return value
