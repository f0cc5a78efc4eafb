"""The one port of the package: an ordered log of facts that only grows, and the checkpoints of its fold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

from geo_backup.events import Event


class LogState(NamedTuple):
    """How well a log takes what it is given; `words` say what is wrong and what to do about it."""

    name: Literal["ok", "slow", "full", "failing", "cut_off"]
    """cut_off: whoever writes it is elsewhere, and out of reach."""
    words: str = ""
    doubt: str = ""
    """What it says against itself, until somebody has acknowledged it: that it lost events, above all."""
    alone: str = ""
    """Why no other machine has what is recorded, where one should."""


class Limits(NamedTuple):
    """How patient a log is with its disk, and how much it keeps in memory."""

    slow_after_s: float = 2.0
    """An append that waits longer than this says that the disk is slow ..."""
    slow_for_s: float = 10.0
    """... which holds until there was none for so long."""
    full_for_s: float = 10.0
    """A disk was full until nothing failed for so long, and there is room again."""
    look_for_room_s: float = 1.0
    """While the disk is full it is looked at this often."""
    tail_bytes: int = 32 << 20
    """Memory for committed events that are kept for followers."""


class EventLog(Protocol):
    """What every engine promises; `tests/conformance` holds it to that.

    Five verbs (append, read, read_all, load_snapshot, save_snapshot); beside them how it is, and its end.
    `seq` counts from 1 and grows with every event. `epoch` is the id of the log, made when the log is made.
    """

    epoch: str

    @property
    def leads(self) -> bool:
        """Whether this process decides what stands in the log; of one process alone always."""
        ...

    async def turned(self) -> None:
        """Wait until `leads` is another."""
        ...

    @property
    def state(self) -> LogState:
        """How it is at this moment; asked often, so it only looks at what the engine knows already."""
        ...

    @property
    def waiting_s(self) -> float:
        """How long the oldest append that is not answered yet has waited; 0 when none waits."""
        ...

    async def append(self, events: Sequence[Event], *, urgent: bool = False) -> list[int]:
        """Record the events, all or none, and answer with their seqs once they are safe on the disk.

        A fact whose `event_id` already stands is not recorded again; its answer is the seq that stands.
        What is `urgent` goes before all that waits, and may use the room that the log keeps for a full disk.
        Raises LogFullError if the disk is full, LogError for an event that cannot be written; nothing is recorded then.
        """
        ...

    def read(self, after: int = 0, *, follow: bool = False) -> AsyncIterator[list[tuple[int, Event]]]:
        """Batches of (seq, event) past `after`, in order, each event once; with `follow` also all that is to come.

        A batch is never empty. Ends at what was committed when it was called, or with `follow` when the log is closed.
        """
        ...

    def read_all(self, after: int = 0) -> Iterator[tuple[int, Event]]:
        """(seq, event) of all that is committed past `after`, in order; needs no event loop: for audit and replay."""
        ...

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """(seq, data) of the newest snapshot that is whole, or None."""
        ...

    def save_snapshot(self, seq: int, data: bytes) -> None:
        """Keep `data` as the state after event `seq`; blocks until it is on the disk. Older ones may go."""
        ...

    async def retire(self) -> None:
        """The server is about to end: lines to other machines close next, and what these would not have is refused."""
        ...

    def close(self) -> None:
        """Finish what was begun, then refuse everything; blocks. May be called twice."""
        ...
