"""What somebody may see of the live map, and documents with everything else taken out of them.

One place for all ways out: answers, frames, rankings, decisions, counts and error texts name nobody whom the reader may
not see. A document is walked by its ids: what belongs to something unseen is left out, what refers to it is emptied.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from geo_backup.live_map import Incident, LiveMap, Message, Unit
from geo_backup.live_map.emergencies import UNLISTED_AGENCY
from geo_backup.people import Principal, Role
from geo_backup.people.principal import CENTRE

Clear = Literal["exact", "rounded", "withheld"]
"""How a unit's place is seen: as it is, to about a kilometre, not at all."""
ROUNDED_DEG = 2
"""Decimals of a degree that a rounded place has."""
ETA_STEP_S = 60.0
DESKS: frozenset[Role] = frozenset({"viewer", "dispatcher", "supervisor"})
HIDDEN: frozenset[Role] = frozenset({"supervisor"})
"""Roles that see undercover units of their agency."""
NOBODYS = frozenset({"", UNLISTED_AGENCY})
"""What stands for the agency of an incident that is of none: every desk sees it."""
WORDS = frozenset({"note", "note_id", "text", "place", "callback", "kind", "agency", "callsign", "capability",
                   "capabilities", "status", "reason", "by", "who"})  # fmt: skip
"""Properties that hold words or codes: one of them may look like an id, and is none."""
COUNTS = frozenset({"excluded_counts"})
TIMES = frozenset({"fix_time", "age_s", "speed_mps", "course_deg", "accuracy_m", "fix_ms"})
GONE = object()


@dataclass(frozen=True)
class Sight:
    """What one principal sees. Two with equal sights see the same, whoever they are."""

    agency: str
    desk: bool
    """Everything of its agency, and what agreements show."""
    hidden: bool
    partner: bool
    units: frozenset[str]
    """Units it speaks for: itself, and what it is on."""

    @staticmethod
    @lru_cache(maxsize=4_096)  # it is asked with every request
    def of(who: Principal) -> Sight:
        """The widest of somebody's roles."""
        if who.kind == "anyone":
            return EVERYTHING
        desk = bool(who.roles & DESKS)
        return Sight(who.agency, desk, bool(who.roles & HIDDEN), "aid_partner" in who.roles, who.units)

    def whole(self, live_map: LiveMap) -> bool:
        """Whether nothing on the live map is kept from it, so that no document need be looked through."""
        if not self.desk or self.agency != CENTRE:
            return False
        return self.hidden or not live_map.hidden

    def unit(self, live_map: LiveMap, unit: Unit) -> Clear | None:
        """How clearly it sees a unit; None: it must not know that there is one."""
        if unit.unit_id in self.units:
            return "exact"
        if unit.hidden and not (self.hidden and self._own(unit.agency)):
            return None
        if (self.desk or self.partner) and self._own(unit.agency):
            return "exact"
        if unit.incident_id is not None:
            on = live_map.incidents.get(unit.incident_id)
            if on is not None and self.incident(live_map, on):
                return "exact"
        return self._agreed(live_map, unit) if self.desk or self.partner else None

    def message(self, live_map: LiveMap, message: Message) -> bool:
        """Whether it may know of a message: it sees one of those whom it went to."""
        units = (live_map.units.get(unit_id) for unit_id in message.units)
        return any(unit is not None and self.unit(live_map, unit) is not None for unit in units)

    def incident(self, live_map: LiveMap, incident: Incident) -> bool:
        """Whether it may know of an incident."""
        if self.desk and (self.agency == CENTRE or incident.agency in NOBODYS or incident.agency == self.agency):
            return True
        if self.units and (incident.for_unit_id in self.units or not self.units.isdisjoint(incident.assignments)):
            return True
        if not (self.desk or self.partner):
            return False
        if incident.agency and self._own(incident.agency):
            return True
        if self.agency in incident.approved:
            return True
        asks = live_map.units.get(incident.for_unit_id or "")
        here = (live_map.units.get(unit_id) for unit_id in incident.assignments)
        return any(unit is not None and self._own(unit.agency) for unit in (asks, *here))

    def shown(self, live_map: LiveMap, document: Any) -> Any:
        """A document as it may be seen; `GONE` when it is about something that may not."""
        return _Filter(self, live_map).shown(document)

    def unseen(self, live_map: LiveMap, text: str) -> bool:
        """Whether a text is the id of something that may not be seen."""
        unit = live_map.units.get(text)
        if unit is not None and self.unit(live_map, unit) is None:
            return True
        incident = live_map.incidents.get(text)
        return incident is not None and not self.incident(live_map, incident)

    def _own(self, agency: str) -> bool:
        return self.agency in (CENTRE, agency)

    def _agreed(self, live_map: LiveMap, unit: Unit) -> Clear | None:
        """How clearly agreements show another agency's unit: the clearest of those that cover it."""
        found = {
            agreement.positions
            for agreement in live_map.agreements.values()
            if agreement.lender == unit.agency
            and agreement.borrower == self.agency
            and (not agreement.kinds or unit.kind in agreement.kinds)
        }
        if "exact" in found and self.desk:
            return "exact"
        return "rounded" if found & {"exact", "rounded"} else "withheld" if found else None


EVERYTHING = Sight(CENTRE, True, True, False, frozenset())


class _Filter:
    """One walk through one document."""

    def __init__(self, sight: Sight, live_map: LiveMap) -> None:
        self.sight, self.live_map = sight, live_map
        self._units: dict[str, Clear | None] = {}

    def shown(self, value: Any, clear: Clear = "exact") -> Any:
        if isinstance(value, Mapping):
            return self._mapping(value, clear)
        if isinstance(value, list | tuple):
            if any(isinstance(part, str) and part in UNTOLD for part in value):  # a reason with its count
                return GONE
            rows = [self.shown(row, clear) for row in value]
            return [row for row in rows if row is not GONE]
        if isinstance(value, str) and self._unseen(value):
            return GONE
        return value

    def _mapping(self, value: Mapping[str, Any], clear: Clear) -> Any:
        unit_id = _unit_of(value)
        if unit_id is not None and unit_id in self.live_map.units:
            seen = self._unit(unit_id)
            if seen is None:
                return GONE
            clear = seen if _rank(seen) > _rank(clear) else clear
        elif isinstance(value.get("incident_id"), str) and self._unseen(value["incident_id"]):
            return GONE
        message = self.live_map.messages.get(str(value.get("message_id")))
        if message is not None and not self.sight.message(self.live_map, message):
            return GONE
        out: dict[str, Any] = {}
        for name, part in value.items():
            if self._unseen(name):
                continue
            here = clear
            if name in self.live_map.units:  # an entry of a topic: its name is the unit
                here = self._unit(name) or clear
                if isinstance(part, list):
                    part = _position(part, here)
            if name in COUNTS and isinstance(part, Mapping):
                out[name] = {reason: count for reason, count in part.items() if reason not in UNTOLD}
            elif name == "free_others" and not self._whole:
                out[name] = {}  # how many there are of what it may not see
            elif name == "words" and isinstance(part, str):
                out[name] = "\n".join(line for line in part.splitlines() if not self._untold(line))
            elif name == "place" and unit_id is not None and here != "exact":
                out[name] = ""  # it says more than the rounded place
            elif name in WORDS:
                out[name] = part
            else:
                shown = self.shown(part if here == "exact" else _coarse(name, part, here), here)
                out[name] = None if shown is GONE else shown
        if "candidates_total" in out and isinstance(out.get("candidates"), list):
            kept = len(value["candidates"]) - len(out["candidates"])
            out["candidates_total"] = out["candidates_total"] - kept if self._whole else len(out["candidates"])
        return out

    def _untold(self, line: str) -> bool:
        return any(one in line for one in UNTOLD) or (line.startswith(FREE_OTHERS) and not self._whole)

    @property
    def _whole(self) -> bool:
        return self.sight.desk and self.sight.agency == CENTRE

    def _unit(self, unit_id: str) -> Clear | None:
        if unit_id not in self._units:
            self._units[unit_id] = self.sight.unit(self.live_map, self.live_map.units[unit_id])
        return self._units[unit_id]

    def _unseen(self, text: str) -> bool:
        if text in self.live_map.units:
            return self._unit(text) is None
        incident = self.live_map.incidents.get(text)
        return incident is not None and not self.sight.incident(self.live_map, incident)


FREE_OTHERS = "Free, and none of them a"
"""How a line begins that counts the free units of the whole centre."""
UNTOLD = frozenset({"HIDDEN", "WRONG_AGENCY_OR_NO_AGREEMENT"})
"""Reasons whose number alone tells of units that may not be seen."""


def _unit_of(value: Mapping[str, Any]) -> str | None:
    """The unit that a document is about."""
    named = value.get("unit_id")
    if named is None and value.get("type") == "Feature":
        named = value.get("id")
    return named if isinstance(named, str) else None


def _rank(clear: Clear) -> int:
    return ("exact", "rounded", "withheld").index(clear)


def _coarse(name: str, part: Any, clear: Clear) -> Any:
    """A property of a unit that is not seen exactly."""
    if name in ("inside", "inside_since"):
        return []
    if name == "parts" and isinstance(part, Mapping):
        return {key: 0.0 for key in part if key != "pace"}
    if name in ("home", "parts", "distance_m", *TIMES):
        return None
    if name == "geometry" and isinstance(part, Mapping):
        if clear == "withheld" or part.get("type") != "Point":
            return None
        return {**part, "coordinates": [round(x, ROUNDED_DEG) for x in part["coordinates"]]}
    if name in ("lon", "lat") and isinstance(part, float):
        return None if clear == "withheld" else round(part, ROUNDED_DEG)
    if name.endswith(("eta_s", "low_s", "p90_s")) and isinstance(part, int | float):
        return math.ceil(part / ETA_STEP_S) * ETA_STEP_S
    if name == "arrival_time" and isinstance(part, str):
        return f"{part[:16]}:00.000Z"
    return part


def _position(row: list[Any], clear: Clear) -> list[Any] | None:
    """A position of the feed: lon, lat, speed, course, time, parked."""
    if clear == "exact":
        return row
    if clear == "withheld":
        return None
    return [round(row[0], ROUNDED_DEG), round(row[1], ROUNDED_DEG), None, None, row[4] // 60_000 * 60_000, row[5]]
