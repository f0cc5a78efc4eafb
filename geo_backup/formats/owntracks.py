"""OwnTracks: the JSON that its app posts or publishes. Speeds are in km/h, times in seconds.

    {"_type":"location","tid":"E7","lat":37.8,"lon":-122.27,"tst":1795435200,"acc":6,"vel":45,"cog":84}

Who sends it stands in the topic, `owntracks/USER/DEVICE`, or beside it where it comes by HTTP.
"""

from __future__ import annotations

from typing import Any

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.formats.heard import Heard, fix_at, heard, named
from geo_backup.formats.tracks import KMH


def read(document: Any, user: str = "", device: str = "") -> Heard:
    """One message; any but a `location` says no place. Raises `BadValueError` where it is none at all."""
    if not isinstance(document, dict):
        raise BadValueError("/", "no_object", "an OwnTracks message is a JSON object")
    topic = str(document.get("topic", "")).split("/")
    if len(topic) >= 3 and not device:
        user, device = topic[1], topic[2]
    names = named(device, f"{user}-{device}" if user and device else "", document.get("tid"))
    return heard(names, False, lambda: _fix(document))


def _fix(document: dict[str, Any]) -> Fix | None:
    if document.get("_type") != "location":
        return None
    return fix_at(
        document.get("tst"),
        document.get("lon"),
        document.get("lat"),
        speed=document.get("vel"),
        speed_mps=KMH,
        course=document.get("cog"),
        accuracy=document.get("acc"),
    )
