"""Which of the nodes decides: the one whose term stands last in the log, for as long as the others hear it.

Each node says twice a second that it is there. One that does not hear the leader claims the next term, by a fact whose
id is the term's number: of several that claim it at once the first in the log leads, and all of them read there who it
is. A leader that does not hear itself, through the servers, leads no more: before another one may claim. Times are on
the monotonic clock of this machine alone; nobody's clock is trusted to agree with another's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

BEAT_S = 0.5
UNHEARD_S = 1.5
"""A node that does not hear itself for so long leads no more ..."""
SILENT_S = 2.5
"""... and one that is not heard by the others for so long is gone. The difference covers what a beat takes."""
TURN_S = 0.3
"""Those that could claim do so one after the other, by name."""
CLOCKS_APART_MS = 5_000
"""Clocks that differ by more are to be set right (NENA-STA-026 asks for less in a centre's own equipment)."""


class Beat(NamedTuple):
    """What a node says of itself."""

    node: str
    """Its name: where the others find it."""
    process: str
    """Another one after each start."""
    ready: bool
    """It has all of the log, and can write it."""
    number: int
    """The place in the stream that its copy has come to ..."""
    seq: int
    """... and the last event there."""
    now_ms: int
    """Its clock (UTC epoch)."""


@dataclass
class Peer:
    """Another node, or this one, as it was last heard."""

    beat: Beat
    heard_s: float
    clock_off_ms: int
    """How far its clock is ahead of this one's, less what the beat took."""


@dataclass
class Lead:
    """What this node knows of who leads; see the module. `now_s` is the monotonic clock, everywhere."""

    node: str
    process: str
    peers: dict[str, Peer] = field(default_factory=dict)
    _processes: dict[str, float] = field(default_factory=dict)
    """All that were heard, and when last."""
    _twin_s: float = float("-inf")
    _hears_since_s: float | None = None
    _silent_since_s: float | None = None
    """Since when the leader is not heard though this node hears itself."""

    def hear(self, beat: Beat, now_ms: int, now_s: float) -> bool:
        """A node said that it is there; True for a process that was not heard before."""
        is_new = beat.process not in self._processes
        self._processes[beat.process] = now_s
        if beat.node == self.node and beat.process != self.process:
            self._twin_s = now_s
            return is_new
        self.peers[beat.node] = Peer(beat, now_s, beat.now_ms - now_ms)
        if beat.node == self.node and self._hears_since_s is None:
            self._hears_since_s = now_s
        return is_new and beat.node != self.node

    def twin(self, now_s: float) -> str:
        """That another process has the name of this node; empty while none has."""
        if now_s - self._twin_s > SILENT_S:
            return ""
        return f"another process is the node {self.node} as well: give each its own address with --url"

    def hears_itself(self, now_s: float) -> bool:
        """Whether what this node says comes back to it."""
        own = self.peers.get(self.node)
        if own is None or now_s - own.heard_s > UNHEARD_S:
            self._hears_since_s = self._silent_since_s = None
            return False
        return True

    def leads(self, leader: str, now_s: float) -> bool:
        """Whether this node decides, where `leader` has the last term of its log."""
        return leader == self.node and self.hears_itself(now_s)

    def is_to_claim(self, leader: str, now_s: float) -> bool:
        """Whether this node is to claim the next term: nobody leads, and it is its turn."""
        if not self.hears_itself(now_s) or not self.peers[self.node].beat.ready or leader == self.node:
            self._silent_since_s = None
            return False
        known = self.peers.get(leader)
        if known is not None and known.beat.ready and now_s - known.heard_s <= SILENT_S:
            self._silent_since_s = None
            return False
        if self._silent_since_s is None:
            since_s = self._hears_since_s if self._hears_since_s is not None else now_s
            self._silent_since_s = since_s if known is None else max(known.heard_s, since_s)
        patience_s = SILENT_S if leader else BEAT_S  # of a log that nobody ever led nobody is waited for
        return now_s - self._silent_since_s > patience_s + TURN_S * self._place(now_s)

    def _place(self, now_s: float) -> int:
        """How many of those that could claim come before this one."""
        return sum(name < self.node and peer.beat.ready for name, peer in self.there(now_s).items())

    def there(self, now_s: float) -> dict[str, Peer]:
        """The nodes that are heard, this one among them, by name."""
        return {name: peer for name, peer in sorted(self.peers.items()) if now_s - peer.heard_s <= SILENT_S}

    def forget(self, now_s: float, after_s: float = 3_600.0) -> None:
        """Let go of nodes that were not heard for long."""
        self.peers = {name: peer for name, peer in self.peers.items() if now_s - peer.heard_s <= after_s}
        self._processes = {
            process: heard_s for process, heard_s in self._processes.items() if now_s - heard_s <= after_s
        }

    def clock_words(self, now_s: float) -> str:
        """Whose clock differs, and what to do; empty while none does."""
        for name, peer in self.there(now_s).items():
            if abs(peer.clock_off_ms) > CLOCKS_APART_MS:
                side = "ahead of" if peer.clock_off_ms > 0 else "behind"
                off_s = round(abs(peer.clock_off_ms) / 1000)
                return f"the clock of {name} is {off_s} s {side} this one's: set them right, and let NTP keep them"
        return ""
