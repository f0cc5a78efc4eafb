"""A live map as it was at one moment, copied a part at a time between the events that follow: a checkpoint of a large
fleet must not hold up the fold."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

from geo_backup.events import Event, PositionReported
from geo_backup.live_map.state import LiveMap, Unit, copy_of


class Freezing:
    """The copy that is being made; say `before` of each event that is folded meanwhile."""

    def __init__(self, live_map: LiveMap) -> None:
        self._units = live_map.units
        self._names = list(live_map.units)
        self._next = 0
        self._copies: dict[str, Unit] = {}
        self._rest = replace(
            live_map,
            units={},
            incidents={name: incident.frozen() for name, incident in live_map.incidents.items()},
            closures=dict(live_map.closures),
            agreements=dict(live_map.agreements),
            plans={name: copy(plan) for name, plan in live_map.plans.items()},
            decisions=dict(live_map.decisions),
            devices=dict(live_map.devices),
            timers=dict(live_map.timers),
            messages=dict(live_map.messages),
        )

    def before(self, event: Event) -> None:
        """An event is about to be folded: what it may change in place is copied first."""
        if isinstance(event, PositionReported):
            self._take(event.unit_id)
        else:
            self.some(len(self._names))

    def some(self, count: int) -> bool:
        """Copy so many more units; whether all are."""
        names = self._names[self._next : self._next + count]
        self._next += len(names)
        for name in names:
            self._take(name)
        return self._next == len(self._names)

    def whole(self) -> LiveMap:
        """The map as it was, which no later event changes; what is never changed in place is shared."""
        self.some(len(self._names))
        return replace(self._rest, units={name: self._copies[name] for name in self._names})

    def _take(self, name: str) -> None:
        unit = None if name in self._copies else self._units.get(name)
        if unit is not None:
            self._copies[name] = copy_of(unit)
