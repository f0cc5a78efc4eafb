"""OsmAnd and Traccar Client: positions as pairs in a URL or a form, or as the JSON of newer Traccar Clients.

    GET /?id=ENG7&timestamp=1795435200&lat=37.8&lon=-122.27&speed=24.3&bearing=84&accuracy=6&batt=81

`timestamp` is seconds, milliseconds or ISO 8601, and the time of reception where it is missing; `speed` is in knots
here, in metres a second in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.formats.heard import SOS, Heard, fix_at, heard, named, once
from geo_backup.formats.tracks import KNOTS


def read(pairs: Sequence[tuple[str, str]], received_ms: int) -> Heard:
    """The message of a URL or a form. Raises `BadValueError` where it names no device."""
    said = dict(pairs)
    names, pressed = named(said.get("id"), said.get("deviceid")), _is_sos(said.get("alarm"))
    if not names and not pressed:
        raise BadValueError("/id", "missing", "id is missing: the device identifier of the app's settings")
    return heard(names, pressed, lambda: _fix(once(pairs), received_ms))


def _is_sos(alarm: object) -> bool:
    """Whether a value of `alarm` is a call for help; several stand with commas between them."""
    return isinstance(alarm, str) and SOS in alarm.lower().replace(" ", "").split(",")


def _fix(pairs: Mapping[str, str], received_ms: int) -> Fix | None:
    lat, lon = pairs.get("lat"), pairs.get("lon")
    if "location" in pairs:
        lat, _, lon = pairs["location"].partition(",")
    if pairs.get("valid", "true").lower() not in ("true", "1") or (lat is None and lon is None):
        return None
    return fix_at(
        pairs.get("timestamp") or received_ms,
        lon,
        lat,
        speed=pairs.get("speed"),
        speed_mps=KNOTS,
        course=pairs.get("bearing", pairs.get("heading")),
        accuracy=pairs.get("accuracy"),
    )


def read_json(document: Any, received_ms: int, pairs: Mapping[str, str] = MappingProxyType({})) -> Heard:
    """The message of a newer Traccar Client, and the `pairs` of its URL. Its button for help puts `alarm` into the
    location's `extras`; other senders put it beside them. Raises `BadValueError` where it names no device."""
    document = document if isinstance(document, dict) else {}
    location = _member(document, "location")
    says = (document, _member(document, "extras"), location, _member(location, "extras"), pairs)
    pressed = any(_is_sos(part.get("alarm")) for part in says)
    names = named(document.get("device_id"), pairs.get("id"))
    if not names and not pressed:
        raise BadValueError("/device_id", "missing", "device_id is missing: the app's device identifier")
    return heard(names, pressed, lambda: _fix_in(location, received_ms))


def _member(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _fix_in(location: dict[str, Any], received_ms: int) -> Fix | None:
    coords = location.get("coords")
    if not isinstance(coords, dict) or not coords:
        return None
    return fix_at(
        location.get("timestamp") or received_ms,
        coords.get("longitude"),
        coords.get("latitude"),
        speed=coords.get("speed"),
        course=coords.get("heading"),
        accuracy=coords.get("accuracy"),
    )
