"""Process: what the parts of a node may ask of the whole, so that they need not know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

from geo_backup.backup.standing import Standing
from geo_backup.eventlog import EventLog
from geo_backup.events import Event
from geo_backup.live_map import Delta, LiveMap
from geo_backup.node.clock import Clock
from geo_backup.node.health import Health

Result = TypeVar("Result")


class Outcome(NamedTuple):
    """Where an event stands in the log, and what it changed on this node."""

    seq: int
    """0: nowhere."""
    delta: Delta
    recorded: bool = True
    """False: it is no fact, yet or at all, and `delta` is what it would change."""


class Process(Protocol):
    """A node, seen from its parts. A replay that jumps changes its log and its live map for others."""

    clock: Clock
    playback: bool
    health: Health
    log: EventLog
    live_map: LiveMap

    async def submit(self, *events: Event) -> list[Outcome]:
        """Log the events as they are, all or none, and wait until they are folded."""

    async def record(self, *events: Event, apart: bool = False) -> list[Outcome]:
        """The same of what may be: the fold is asked before."""

    async def read_field(self, question: Callable[[Standing], Result]) -> Result:
        """Ask the standing fields anything, as of now."""
