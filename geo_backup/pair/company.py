"""What a server needs to know of the machines that share its log, be they two or many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from geo_backup.events import Event
from geo_backup.pair.line import Line
from geo_backup.people import Roster
from geo_backup.wire import documents

Fault = Literal["clocks_apart", "witness_silent"]
"""Conditions that a company may be in."""
Figure = tuple[str, str, float]
"""A metric's name, what it is, its value."""


class Company(Protocol):
    """This machine's part of a pair or a cluster."""

    async def run(self, roster: Roster | None) -> None:
        """As long as the server runs: be one of them."""
        ...

    async def serve(self, line: Line) -> None:
        """Serve another machine, which has called."""
        ...

    async def promote(self, *, force: bool) -> None:
        """Have this machine lead. Raises LogError with why it does not."""
        ...

    def shout(self, unit_id: str, event: Event) -> None:
        """Tell the other machines a fact of a unit's emergency that is not on record, past the log."""
        ...

    def listen(self, heard: Callable[[str, Event], None]) -> None:
        """Have `heard` called with what the others shout."""
        ...

    def document(self) -> documents.Pair:
        """How this machine and the others stand."""
        ...

    def nodes(self) -> documents.Nodes | None:
        """The nodes that share the log; None for a pair."""
        ...

    def elsewhere(self) -> tuple[str, ...]:
        """Where else desks can go on: the URLs of the machines that have all of the log, as far as is known."""
        ...

    def faults(self) -> Iterable[tuple[Fault, str]]:
        """Conditions by their names, with words where they hold and without where they do not."""
        ...

    def figures(self) -> Iterable[Figure]:
        """What an operator watches."""
        ...
