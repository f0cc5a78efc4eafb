"""What one TAK peer is shown: the things that its principal may see, each at its newest, sent again before it is stale.

A thing is a unit, an incident or a closure. Nothing is queued but what changed, by id, as viewers' outboxes do it: a
slow peer gets newer values, not a longer queue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

from geo_backup.feed import Frame
from geo_backup.formats import cot_items
from geo_backup.people.sight import Sight
from geo_backup.receivers.tak_made import Made, Thing

TOPICS = frozenset({"units", "positions", "incidents", "rankings", "closures"})
REFRESH_S = 30.0
"""What has not changed is sent again: it holds two and a half times as long."""


class Show:
    """One peer's view; see the module."""

    def __init__(self, made: Made, sight: Sight) -> None:
        self._made, self._sight = made, sight
        self._sent: OrderedDict[Thing, float] = OrderedDict()
        """What is shown, in the order in which it was last sent, and when."""
        self._uids: dict[Thing, dict[str, str]] = {}
        """The uids of each, and their types."""

    def all(self) -> list[Thing]:
        """Everything that there is now, what is urgent first."""
        node = self._made.node
        incidents = [Thing("incident", one) for one in node.things("incidents")]
        units = [Thing("unit", one) for one in node.things("positions")]
        return [*incidents, *units, *(Thing("closure", one) for one in node.things("closures"))]

    def changed(self, frames: Iterable[Frame]) -> tuple[set[Thing], set[Thing]]:
        """What is to be sent again after some frames: at once, and with the next round."""
        urgent: set[Thing] = set()
        moving: set[Thing] = set()
        for frame in frames:
            urgent.update(Thing("incident", one) for one in frame.incidents)
            urgent.update(Thing("closure", one) for one in frame.closures)
            moving.update(Thing("unit", one) for one in frame.units | frame.positions)
            moving.update(Thing("incident", one) for one in frame.rankings)
        return urgent, moving - urgent

    def due(self, now_s: float) -> list[Thing]:
        """What was last sent so long ago that it is to be sent again, the oldest first."""
        found = []
        for thing, sent_s in self._sent.items():
            if now_s - sent_s < REFRESH_S:
                break
            found.append(thing)
        return found

    def events(self, thing: Thing, now_s: float) -> Iterator[bytes]:
        """What to send of a thing as it is now: its events, and that others of it are gone. Nothing of what was never
        shown and may not be seen."""
        before, items = self._uids.get(thing, {}), self._made.items(thing, self._sight)
        uids = {item.uid: item.kind for item in items}
        for uid, kind in before.items():
            if uid not in uids and kind != cot_items.CANCEL:
                yield cot_items.gone(uid, kind, self._made.node.clock.now_ms())
        for item in items:
            if item.kind != cot_items.CANCEL or before.get(item.uid) == cot_items.ALARM:
                yield item.event
        self._sent.pop(thing, None)
        self._uids.pop(thing, None)
        if any(item.kind != cot_items.CANCEL for item in items):
            self._sent[thing], self._uids[thing] = now_s, uids
