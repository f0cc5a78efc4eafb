"""Traccar server: what it forwards of its devices, positions and events, as JSON. Speeds are in knots.

{"position": {"fixTime": "2026-11-23T12:00:00.000+00:00", "latitude": 37.8, "longitude": -122.27, "valid": true,
 "speed": 24.3, "course": 84.0, "accuracy": 6.0, "attributes": {"alarm": "sos"}},
 "device": {"uniqueId": "ENG7", "name": "Engine 7"}}
"""

from __future__ import annotations

from typing import Any

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.formats.heard import SOS, Heard, fix_at, heard, named
from geo_backup.formats.tracks import KNOTS


def read(document: Any) -> Heard:
    """One forwarded position or event. Raises `BadValueError` where it names no device."""
    if not isinstance(document, dict):
        raise BadValueError("/", "no_object", "what Traccar forwards is a JSON object")
    device, position, event = (_member(document, name) for name in ("device", "position", "event"))
    names = named(device.get("uniqueId"), device.get("name"))
    # an alarm comes twice, with its position and as an event: either is a press
    pressed = _alarm(position) or _alarm(event)
    if not names and not pressed:
        raise BadValueError("/device/uniqueId", "missing", "device.uniqueId is missing")
    return heard(names, pressed, lambda: _fix(position))


def _fix(position: dict[str, Any]) -> Fix | None:
    if not position or position.get("valid") is False:
        return None
    return fix_at(
        position.get("fixTime"),
        position.get("longitude"),
        position.get("latitude"),
        speed=position.get("speed"),
        speed_mps=KNOTS,
        course=position.get("course"),
        accuracy=position.get("accuracy"),
    )


def _member(document: dict[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _alarm(part: dict[str, Any]) -> bool:
    said = _member(part, "attributes").get("alarm")
    return isinstance(said, str) and SOS in said.lower().split(",")
