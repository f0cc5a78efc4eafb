"""OwnTracks: the JSON that its app posts or publishes, and the friends that it shows. Speeds are in km/h, times in
seconds.

    {"_type":"location","tid":"E7","lat":37.8,"lon":-122.27,"tst":1795435200,"acc":6,"vel":45,"cog":84}

Who sends it stands in the topic, `owntracks/USER/DEVICE`, or beside it where it comes by HTTP.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from geo_backup.errors import BadValueError
from geo_backup.events import Fix
from geo_backup.formats.heard import Heard, fix_at, heard, named
from geo_backup.formats.tracks import KMH

ENCRYPTED = "it is encrypted: take the encryption key out of the app's settings, and let TLS protect what it sends"
NO_TYPE = "it has no _type, which every message of OwnTracks has: nobody can tell what it is; update the app"
FRIENDS = "owntracks/geo-backup/"
"""How the topics of those begin that are shown as friends: apps tell friends apart by them."""
TID_CHARS = 2


class FriendPlace(TypedDict):
    """Where a friend is."""

    _type: Literal["location"]
    topic: str
    tid: str
    lat: float
    lon: float
    tst: int
    acc: NotRequired[int]
    vel: NotRequired[int]
    cog: NotRequired[int]


class FriendCard(TypedDict):
    """How a friend is called."""

    _type: Literal["card"]
    topic: str
    tid: str
    name: str


def read(document: Any, user: str = "", device: str = "") -> Heard:
    """One message; any but a `location` says no place. Raises `BadValueError` where nobody can read it."""
    if not isinstance(document, dict):
        raise BadValueError("/", "no_object", "an OwnTracks message is a JSON object")
    kind = document.get("_type")
    if kind == "encrypted":
        raise BadValueError("/", "encrypted", ENCRYPTED)
    if not isinstance(kind, str):
        raise BadValueError("/_type", "missing", NO_TYPE)
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


def friend(unit_id: str, callsign: str, fix: Fix) -> tuple[FriendPlace, FriendCard]:
    """A unit as the app shows a friend: where it is, and its card."""
    letters = "".join(filter(str.isalnum, callsign)) or "".join(filter(str.isalnum, unit_id))
    topic, tid = f"{FRIENDS}{unit_id}", letters[-TID_CHARS:]
    place: FriendPlace = {
        "_type": "location",
        "topic": topic,
        "tid": tid,
        "lat": fix.lat,
        "lon": fix.lon,
        "tst": fix.fix_ms // 1000,
    }
    if fix.accuracy_m is not None:
        place["acc"] = round(fix.accuracy_m)
    if fix.speed_mps is not None:
        place["vel"] = round(fix.speed_mps / KMH)
    if fix.course_deg is not None:
        place["cog"] = round(fix.course_deg) % 360
    return place, {"_type": "card", "topic": topic, "tid": tid, "name": callsign or unit_id}
