"""OsmAnd and Traccar Client: positions as pairs in a URL or a form, or as the JSON of newer Traccar Clients.

    GET /?id=ENG7&timestamp=1795435200&lat=37.8&lon=-122.27&speed=24.3&bearing=84&accuracy=6&batt=81

`timestamp` is seconds, milliseconds or ISO 8601, and the time of reception where it is missing; `speed` is in knots
here, in metres a second in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from geo_backup.errors import BadValueError
from geo_backup.formats.heard import KNOT_MPS, Heard, heard, named
from geo_backup.wire.unknown import stated

SECONDS_BELOW = 2_147_483_647
"""A smaller whole number is seconds, another one milliseconds."""
SOS = "sos"


def read(pairs: Mapping[str, str], received_ms: int) -> Heard:
    """The message of a URL or a form. Raises `BadValueError` that names the key."""
    names = named(pairs.get("id"), pairs.get("deviceid"))
    if not names:
        raise BadValueError("/id", "missing", "id is missing: the device identifier of the app's settings")
    pressed = SOS in pairs.get("alarm", "").lower().split(",")
    if pairs.get("valid", "true").lower() not in ("true", "1"):
        return Heard(names, None, pressed, nothing="the receiver says that its fix is not valid")
    lat, lon = pairs.get("lat"), pairs.get("lon")
    if "location" in pairs:
        lat, _, lon = pairs["location"].partition(",")
    if lat is None and lon is None:
        return Heard(names, None, pressed, nothing="it says no place")
    knots = stated(pairs.get("speed"))
    return heard(
        names,
        _time_ms(pairs.get("timestamp"), received_ms),
        lon,
        lat,
        speed_mps=None if knots is None else knots * KNOT_MPS,
        course=pairs.get("bearing", pairs.get("heading")),
        accuracy=pairs.get("accuracy"),
        pressed=pressed,
    )


def read_json(document: Any, received_ms: int) -> Heard:
    """The message of a newer Traccar Client. Raises `BadValueError` that names the member."""
    location = document.get("location") if isinstance(document, dict) else None
    names = named(document.get("device_id")) if isinstance(document, dict) else ()
    if not names:
        raise BadValueError(
            "/device_id", "missing", "device_id is missing: the device identifier of the app's settings"
        )
    if not isinstance(location, dict):
        raise BadValueError("/location", "missing", "location is missing")
    coords, pressed = location.get("coords"), str(location.get("alarm", "")).lower() == SOS
    if not isinstance(coords, dict):
        return Heard(names, None, pressed, nothing="it says no place")
    return heard(
        names,
        _time_ms(location.get("timestamp"), received_ms),
        coords.get("longitude"),
        coords.get("latitude"),
        speed_mps=stated(coords.get("speed")),
        course=coords.get("heading"),
        accuracy=coords.get("accuracy"),
        pressed=pressed,
    )


def _time_ms(said: object, received_ms: int) -> int:
    if said is None or said == "":
        return received_ms
    text = str(said).strip()
    try:
        if "T" in text or " " in text:
            at = datetime.fromisoformat(text.replace("Z", "+00:00"))
            return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)
        number = int(text)
    except (ValueError, OverflowError):
        raise BadValueError(
            "/timestamp", "no_time", f"timestamp is seconds, milliseconds or ISO 8601, not {text[:40]!r}"
        ) from None
    return number * 1_000 if number < SECONDS_BELOW else number
