"""How the two machines of a pair stand, as one of them tells it."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class Pair(TypedDict):
    """This machine, and the other one."""

    role: Literal["leading", "following", "turning", "apart"]
    """turning: who leads is being settled. apart: it has events which the other one lacks, and writes nothing."""
    name: str
    term: int
    """Counts from 1; 0: there never was a second machine."""
    leader: str
    """The name of the machine that leads, as far as this one knows."""
    seq: int
    other: str
    other_url: str
    connected: bool
    in_step: bool
    """Whether the standby has all that is acknowledged."""
    synchronous: bool
    """Whether what is written is acknowledged only when the standby has it."""
    standby_has: NotRequired[int]
    clock_off_ms: NotRequired[int | None]
    """How far its clock is ahead of this one's."""
