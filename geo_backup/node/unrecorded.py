"""Unrecorded: facts of officers' emergencies that the log has not taken yet.

They alarm all the same. What they would make of the live map is worked out by the very same fold, on a copy of what
they touch, and shown as not recorded; the live map itself knows nothing of them until they are read from the log.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace

from geo_backup.errors import LogFullError
from geo_backup.events import Event
from geo_backup.live_map import Delta, Incident, LiveMap, apply, refusal

HELD_MAX = 2_000
HELD_OF_UNIT_MAX = 16
"""Facts that are held; of one unit so many, and what is pressed after them adds nothing."""


@dataclass(slots=True, eq=False)
class Held:
    """A fact on its way into the log; the future is answered when it is folded."""

    unit_id: str
    event: Event
    folded: Future[tuple[int, Delta]]


class Unrecorded:
    """The facts that are held, in the order in which they came; see the module."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._shown: dict[str, frozenset[str]] = {}
        """Units whose facts are shown though they are not recorded, with the incidents that these touch."""

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(tuple(self._held.values()))

    @property
    def shown(self) -> int:
        """Units of which viewers are shown what is not on record."""
        return len(self._shown)

    def refusal(self, live_map: LiveMap, unit_id: str, event: Event) -> str | None:
        """Why a fact of a unit's emergency may not be, after those that are held of it; None when it may."""
        if any(one.unit_id == unit_id for one in self._held.values()):
            ahead, _ = self._folded(live_map, unit_id)
            units, incidents = {**live_map.units, **ahead.units}, {**live_map.incidents, **ahead.incidents}
            live_map = replace(live_map, units=units, incidents=incidents)
        return refusal(live_map, event)

    def has_room(self, unit_id: str) -> bool:
        """Whether another fact of this unit can be held; an emergency that is shown already needs none.

        Raises `LogFullError` when nothing more can be held and nothing of this unit is.
        """
        of_unit = sum(one.unit_id == unit_id for one in self._held.values())
        if len(self._held) < HELD_MAX and of_unit < HELD_OF_UNIT_MAX:
            return True
        if of_unit == 0:
            raise LogFullError(f"{HELD_MAX} facts of emergencies wait to be recorded: no more can be held")
        return False

    def held(self, event_id: str) -> Held | None:
        """A fact that is held, by its name."""
        return self._held.get(event_id)

    def hold(self, unit_id: str, event: Event, folded: Future[tuple[int, Delta]]) -> Held:
        """Keep a fact until `release`."""
        held = self._held[event.event_id] = Held(unit_id, event, folded)
        return held

    def release(self, event_id: str) -> tuple[Held | None, frozenset[str]]:
        """Forget a fact, since it is read from the log: what it was, and the incidents that were shown for it."""
        held = self._held.pop(event_id, None)
        if held is None:
            return None, frozenset()
        shown = self._shown.get(held.unit_id, frozenset())
        if not any(one.unit_id == held.unit_id for one in self._held.values()):
            self._shown.pop(held.unit_id, None)
        return held, shown

    def clear(self) -> list[Held]:
        """Forget all, and say what it was."""
        held = list(self._held.values())
        self._held, self._shown = {}, {}
        return held

    def show(self, live_map: LiveMap, unit_id: str) -> tuple[frozenset[str], Delta]:
        """From now on viewers are shown what this unit's facts make: the incidents, and what the last of them did."""
        copy, delta = self._folded(live_map, unit_id)
        touched = frozenset(copy.incidents)
        self._shown[unit_id] = touched
        return touched, delta

    def incident(self, live_map: LiveMap, incident_id: str) -> Incident | None:
        """An incident as it would be if what is held were recorded; None when nothing that is shown touches it."""
        for unit_id, incidents in self._shown.items():
            if incident_id in incidents:
                return self._folded(live_map, unit_id)[0].incidents.get(incident_id)
        return None

    def incidents(self, live_map: LiveMap) -> dict[str, Incident]:
        """All incidents that are shown as they are not recorded yet."""
        found: dict[str, Incident] = {}
        for unit_id in self._shown:
            found |= self._folded(live_map, unit_id)[0].incidents
        return found

    def _folded(self, live_map: LiveMap, unit_id: str) -> tuple[LiveMap, Delta]:
        """A map of nothing but this unit and the incidents of which its held facts change something."""
        unit = live_map.units.get(unit_id)
        mine = {i.incident_id: deepcopy(i) for i in live_map.open_incidents() if i.for_unit_id == unit_id}
        copy = LiveMap(live_map.seq, {} if unit is None else {unit_id: deepcopy(unit)}, mine, rules=live_map.rules)
        touched: set[str] = set()
        delta = Delta()
        for one in self._held.values():
            if one.unit_id == unit_id:
                delta = apply(copy, copy.seq + 1, one.event)
                touched.update(delta.incidents)
        copy.incidents = {name: copy.incidents[name] for name in touched}
        return copy, delta
