"""Every fact as the JSON it has in the log, and back; what was once written is read for ever.

    {"fact":"UnitStatusChanged","received_ms":1700000000000,"unit_id":"P7","status":"busy","at_ms":1700000000000}

`fact` is the kind's name (`kind` is a field of units and incidents). Fields at their default are left out; a field
added later with a default reads old facts unchanged. Types are checked, ranges are not: a range that narrows one day
must not make an old log unreadable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from geo_backup import custody, events
from geo_backup.errors import LogError
from geo_backup.events import Event
from geo_backup.wire.strict import Codec, codec

KINDS: Mapping[str, type[Event]] = {**events.KINDS, **custody.KINDS}
"""Every kind of fact that a log may hold, by its name there."""
_CODECS: dict[str, Codec] = {name: codec(cast("Any", kind)) for name, kind in KINDS.items()}
_NAMES: dict[type[Event], str] = {kind: name for name, kind in KINDS.items()}


def kind_of(event: Event) -> str:
    """The name an event's kind has in the log. LogError if it is none of KINDS."""
    try:
        return _NAMES[type(event)]
    except KeyError:
        raise LogError(f"{type(event).__name__} is no kind of fact") from None


def dump(event: Event) -> bytes:
    """An event as compact JSON. LogError names the field that is not of its type, or not finite."""
    kind = kind_of(event)
    return orjson.dumps({"fact": kind, **_CODECS[kind].encode(event, "")})


def check(event: Event) -> None:
    """LogError if `dump` would refuse the event."""
    _CODECS[kind_of(event)].encode(event, "")


def parse(kind: str, body: bytes) -> Event:
    """The event that `dump` wrote. LogError names an unknown kind, an unknown, missing or mistyped field."""
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise LogError(f"{kind}: not JSON ({error})") from None
    if type(value) is dict and value.pop("fact", kind) != kind:
        raise LogError(f"/fact: this is not the body of a {kind}")
    return _event(kind, value)


def read(value: dict[str, Any]) -> Event:
    """The event of a body that is parsed already; it is used up. LogError as `parse` raises it."""
    return _event(str(value.pop("fact", "")), value)


def _event(kind: str, value: Any) -> Event:
    known = _CODECS.get(kind)
    if known is None:
        raise LogError(f"no fact is called {kind!r}: the log may be of a newer geo_backup")
    return cast("Event", known.decode(value, ""))
