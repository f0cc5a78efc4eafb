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


class NodeOfMany(TypedDict):
    """One of the nodes that share a log."""

    url: str
    """Where it is found, and its name."""
    leads: bool
    ready: bool
    """It has all of the log, and can write it."""
    message: int
    """The message of the stream that its copy has come to ..."""
    seq: int
    """... and the last event there."""
    clock_off_ms: int
    """How far its clock is ahead of the asked one's."""


class Nodes(TypedDict):
    """The nodes that share a log and are heard, by the one that was asked."""

    address: str
    """Of the stream that puts what they say in order."""
    replicas: int
    """NATS servers that the stream stands on."""
    term: int
    leader: str | None
    """None: it is silent, and another one is about to lead."""
    node: str
    """The one that was asked."""
    nodes: list[NodeOfMany]
