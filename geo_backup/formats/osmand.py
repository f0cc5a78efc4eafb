"""OsmAnd and Traccar Client: positions as pairs in a URL or a form, or as the JSON of newer Traccar Clients.

    GET /?id=ENG7&timestamp=1795435200&lat=37.8&lon=-122.27&speed=24.3&bearing=84&accuracy=6&batt=81

`timestamp` is seconds, milliseconds or ISO 8601, and the time of reception where it is missing; `speed` is in knots
here, in metres a second in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.formats.heard import SOS, Heard, fix_at, heard, named, once
from geo_backup.formats.tracks import KNOTS


def read(pairs: Sequence[tuple[str, str]], received_ms: int) -> Heard:
    """The message of a URL or a form. Raises `BadValueError` where it names no device."""
    said = dict(pairs)
    names = named(said.get("id"), said.get("deviceid"))
    if not names:
        raise BadValueError("/id", "missing", "id is missing: the device identifier of the app's settings")
    return heard(names, SOS in said.get("alarm", "").lower().split(","), lambda: _fix(once(pairs), received_ms))


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


def read_json(document: Any, received_ms: int) -> Heard:
    """The message of a newer Traccar Client. Raises `BadValueError` where it names no device."""
    names = named(document.get("device_id")) if isinstance(document, dict) else ()
    if not names:
        raise BadValueError("/device_id", "missing", "device_id is missing: the app's device identifier")
    location = document.get("location")
    location = location if isinstance(location, dict) else {}
    return heard(names, str(location.get("alarm", "")).lower() == SOS, lambda: _fix_in(location, received_ms))


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
