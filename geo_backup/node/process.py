"""Process: what the parts of a node may ask of the whole, so that they need not know it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from geo_backup.backup.standing import Standing
from geo_backup.eventlog import EventLog
from geo_backup.events import Event
from geo_backup.live_map import LiveMap
from geo_backup.node.clock import Clock
from geo_backup.node.health import Health

Result = TypeVar("Result")


class Process(Protocol):
    """A node, seen from its parts. A replay that jumps changes its log and its live map for others."""

    clock: Clock
    health: Health
    log: EventLog
    live_map: LiveMap

    async def submit(self, *events: Event) -> Sequence[object]:
        """Log the events, all or none, and wait until they are folded."""

    async def read_field(self, question: Callable[[Standing], Result]) -> Result:
        """Ask the standing fields anything, as of now."""
