"""Who has which incident open at a desk, for the others at theirs. It is presence and no fact: no log has it, and it
ends with the connection that told it.

A desk that dispatches tells it over its feed; every desk that may see the incident is told, at most once a second.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from geo_backup.events import ID_PATTERN
from geo_backup.live_map import LiveMap
from geo_backup.people import Principal
from geo_backup.people.sight import Sight
from geo_backup.server.access import reach
from geo_backup.server.problems import pointer
from geo_backup.wire.body import parse
from geo_backup.wire.requests import Request

NAMES_MAX = 5
"""So many are named of one incident, those first who opened it first."""
LONGEST = 512


class Opens(Request):
    """What a desk tells: the incident that it has open, or none."""

    type: Literal["open"]
    incident_id: Annotated[str, Field(pattern=ID_PATTERN)] | None


@dataclass(eq=False, slots=True)
class Seat:
    """One connection of a desk."""

    who: Principal
    incident_id: str | None = None

    @property
    def name(self) -> str:
        """As others are told; empty where nobody is signed in."""
        return "" if self.who.kind == "anyone" else self.who.name or self.who.said_by

    def same(self, other: Seat) -> bool:
        """Whether both are one person's."""
        return self is other or (self.who.kind != "anyone" and self.who.said_by == other.who.said_by)


class Presence:
    """The desks of one server; see the module."""

    def __init__(self) -> None:
        self.version = 0
        """Another one after each change."""
        self._at: dict[str, list[Seat]] = {}

    def hear(self, seat: Seat, text: str | None, live_map: LiveMap) -> str:
        """Take what a desk tells; empty, or what is wrong with it. Whoever may not see an incident, or sends nobody
        anywhere, has none open."""
        try:
            if text is None or len(text) > LONGEST:
                return f"a message of a feed is a text of at most {LONGEST} letters"
            opens = Opens.model_validate(parse(text))
        except ValidationError as error:
            first = error.errors()[0]
            return f"{pointer(first['loc'])}: {first['msg']}"
        except json.JSONDecodeError as error:
            return f"this is not JSON: {error}"
        incident = live_map.incidents.get(opens.incident_id or "")
        sees = incident is not None and Sight.of(seat.who).incident(live_map, incident)
        self._move(seat, opens.incident_id if sees and reach(seat.who, "dispatch") is not None else None)
        return ""

    def leave(self, seat: Seat) -> None:
        """The connection is over."""
        self._move(seat, None)

    def others(self, seat: Seat, live_map: LiveMap) -> dict[str, list[str]]:
        """Who else has which incident open, as far as somebody may know: names by incident."""
        sight = Sight.of(seat.who)
        if not sight.desk:
            return {}
        found: dict[str, list[str]] = {}
        for incident_id, seats in self._at.items():
            incident = live_map.incidents.get(incident_id)
            if incident is None or not sight.incident(live_map, incident):
                continue
            names = dict.fromkeys(other.name for other in seats if not seat.same(other))
            if names:
                found[incident_id] = list(names)[:NAMES_MAX]
        return found

    def _move(self, seat: Seat, incident_id: str | None) -> None:
        if seat.incident_id == incident_id:
            return
        if seat.incident_id is not None:
            left = self._at[seat.incident_id]
            left.remove(seat)
            if not left:
                del self._at[seat.incident_id]
        if incident_id is not None:
            self._at.setdefault(incident_id, []).append(seat)
        seat.incident_id = incident_id
        self.version += 1
