"""Screens: whether a unit has anything that could show it a message, as far as this server knows. No log has it.

It has where a phone is in as the unit's page, where a program that speaks for the unit follows messages, or where a
device has shown or acknowledged one. A desk is told of the others, so that it calls by radio and waits for nobody.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.people.sight import Sight
from geo_backup.server.speaker import Speakers

LOOKS_S = 1.0
"""So often it is worked out anew, however many ask."""


class Screens:
    """The screens of all units; `now_s` is a clock that never goes back."""

    def __init__(self, node: Node, speakers: Speakers, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._node, self._speakers, self._now_s = node, speakers, now_s
        self._following: Counter[str] = Counter()
        self._without: frozenset[str] = frozenset()
        self._until_s = float("-inf")

    def enter(self, who: Principal) -> None:
        """Somebody follows messages from now on."""
        self._following.update(who.units)

    def leave(self, who: Principal) -> None:
        """Their connection is over."""
        self._following.subtract(who.units)
        self._following = +self._following

    def without(self, sight: Sight) -> frozenset[str]:
        """Units that a message waits for and nothing could show it to, of those that somebody may see."""
        if self._now_s() >= self._until_s:
            self._without, self._until_s = self._look(), self._now_s() + LOOKS_S
        units = self._node.live_map.units
        return frozenset(one for one in self._without if one in units and sight.unit(self._node.live_map, units[one]))

    def _look(self) -> frozenset[str]:
        waits, have = set[str](), set(self._following)
        for message in self._node.live_map.messages.values():
            waits.update(unit_id for unit_id in message.units if unit_id not in message.receipts)
            for unit_id, known in message.receipts.items():
                if known.acknowledged_ms is None or known.by.startswith("device:"):
                    have.add(unit_id)
        waits -= have
        return frozenset(waits - self._speakers.units_with_phones()) if waits else frozenset()
