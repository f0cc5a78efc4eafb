"""The one clock of a node: live, simulated (real time, invented units) or replay (recorded time, at any speed).

A live clock follows the wall clock of its machine for as long as that runs evenly. A wall clock that is suddenly
another (somebody set it, a time server went mad, a battery died) would make every fix one of the future, or every unit
lost. So a step is not believed: the node's time runs on by the monotonic clock, which nobody can set, and the doubt is
said.

What ends the doubt is the wall clock coming back, or the units. Their receivers have the time from satellites, and a
fix may come late but not early: the newest fix of each unit, less the monotonic clock, is how late it is at the least.
The median of that is compared with both times, the wall clock's and the node's own, and the nearer one is believed. So
a clock that was wrong from the start and is then set right is followed, and one that is set wrong is not. Where a node
starts and its log ends in the future of the wall clock, the node's time goes on from the log's end; where the units are
ahead of both, they are believed themselves.

Devices have wrong clocks, too: local time for UTC, a wrong week. A few that were always off say nothing of the server's
clock. Where nothing else speaks against that, many must, and most of those that were heard; and the few that were off
before the wall clock stepped are asked only where the wall clock now says what they say.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Literal

Mode = Literal["live", "simulated", "replay"]

SPEED_MAX = 600.0

STEP_MS = 5_000
"""A wall clock that is off by this at once was set; what is less changes no answer, and is followed. Fixes may be 30 s
ahead and a unit is live for 15 s."""
JUDGES = 3
"""So many units are believed at once ..."""
PATIENCE_MS = 60_000
"""... and fewer when no more were heard of for so long."""
MANY = 5
"""So many units whose clocks are off at once are not all wrong."""
HEARD_FOR_MS = 120_000
"""How long a unit's word of the time counts."""
UNITS_HEARD = 1_000
"""The units last heard of; more do not know better."""
AHEAD_MS = 30_000
"""Units that are ahead by more than this cannot all be wrong, and none of their fixes would count."""
LATE_MS = 600_000
"""Units that are behind by more than this are very late, or the wall clock is ahead."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why the wall clock is not believed, or should not be."""

    reason: Literal["step", "log", "units"]
    """It was set; the log ends in its future; the units say another time, and nothing else does."""
    off_ms: int
    """How far the wall clock is ahead of the time that the others tell; below zero: behind."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A node's clock was wrong and leapt to what it is now."""

    was_ms: int
    now_ms: int


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _steady_ms() -> int:
    """Monotonic, and running on while the machine sleeps where there is such a clock: to wake is no step."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if boot is None else time.clock_gettime_ns(boot)) // 1_000_000


class Clock:
    """Tells the time in ms since 1970 (UTC). Only a replay clock can be set, only a live clock can be in doubt.

    `wall_ms` and `steady_ms` are the clocks of the machine: the one that can be set, and the one that cannot.
    """

    def __init__(
        self,
        mode: Mode,
        start_ms: int | None = None,
        *,
        wall_ms: Callable[[], int] = _wall_ms,
        steady_ms: Callable[[], int] = _steady_ms,
    ) -> None:
        self.mode: Mode = mode
        self.speed = 1.0
        self.playing = mode != "replay"
        self._wall_ms, self._steady_ms = wall_ms, steady_ms
        self._since_ms = steady_ms()
        self._from_ms = start_ms if start_ms is not None else wall_ms()
        self._stepped: tuple[Literal["step", "log"], int] | None = None
        """Why the wall clock is not believed, and since when on the monotonic clock."""
        self.turn: Turn | None = None
        """The last time that this clock leapt, until somebody has taken note and sets it to None."""
        self._heard: OrderedDict[str, tuple[int, int]] = OrderedDict()
        """By unit its time less the monotonic clock's, and when on the latter that was heard; the last heard last."""
        self._off: frozenset[str] = frozenset()
        """While the wall clock is not believed: the few units that were off before."""

    def now_ms(self) -> int:
        """The node's time."""
        steady_ms = self._steady_ms()
        if self.mode == "live":
            self._look(steady_ms)
        if not self.playing:
            return self._from_ms
        return self._from_ms + int((steady_ms - self._since_ms) * self.speed)

    def set(self, *, now_ms: int | None = None, speed: float | None = None, playing: bool | None = None) -> None:
        """Steer a replay clock; what is None stays. Raises `ValueError` on another clock or an impossible speed."""
        if self.mode != "replay":
            raise ValueError("only a replay clock can be set")
        if speed is not None and not 0.0 < speed <= SPEED_MAX:
            raise ValueError(f"speed must be above 0 and at most {SPEED_MAX:g}")
        self._from_ms = self.now_ms() if now_ms is None else now_ms
        self._since_ms = self._steady_ms()
        self.speed = self.speed if speed is None else speed
        self.playing = self.playing if playing is None else playing

    # ---- whether the wall clock is right

    def begin_after(self, newest_ms: int) -> None:
        """Say when the newest fact of the log was received: a live clock begins no earlier."""
        if self.mode == "live" and newest_ms - self.now_ms() >= STEP_MS:
            self._since_ms = self._steady_ms()
            self._from_ms, self._stepped = newest_ms, ("log", self._since_ms)
            self._judge(self._since_ms)

    def hear(self, unit_id: str, fix_ms: int) -> None:
        """A unit's receiver said what time it was when it sent this fix."""
        if self.mode != "live":
            return
        steady_ms = self._steady_ms()
        ahead_ms, known = fix_ms - steady_ms, self._heard.get(unit_id)
        # the least late of its fixes says most
        if known is None or ahead_ms >= known[0] or steady_ms - known[1] > HEARD_FOR_MS:
            self._heard[unit_id] = (ahead_ms, steady_ms)
            self._heard.move_to_end(unit_id)
            if len(self._heard) > UNITS_HEARD:
                self._heard.popitem(last=False)
            if self._stepped is not None:
                self._judge(steady_ms)

    def doubt(self) -> Doubt | None:
        """What is wrong with the wall clock, as far as one can tell; None while nothing is."""
        if self.mode != "live":
            return None
        now_ms, steady_ms = self.now_ms(), self._steady_ms()
        if self._stepped is not None:
            return Doubt(self._stepped[0], self._wall_ms() - now_ms)
        said, own_ms = self._said(steady_ms), now_ms - steady_ms
        if len(said) < MANY or _agree(units_ms := _middle(said), own_ms):
            return None
        others = sum(not _agree(one, own_ms) and (one > own_ms) == (units_ms > own_ms) for one in said.values())
        return Doubt("units", own_ms - units_ms) if others >= MANY else None

    def _look(self, steady_ms: int) -> None:
        """Follow the wall clock, unless it was set."""
        own_ms, wall_ms = self._from_ms + steady_ms - self._since_ms, self._wall_ms()
        if abs(wall_ms - own_ms) < STEP_MS:
            self._from_ms, self._since_ms, self._stepped = wall_ms, steady_ms, None
            self._off = frozenset()
        elif self._stepped is None:
            said = self._said(steady_ms)
            off = [unit for unit, unit_ms in said.items() if not _agree(unit_ms, own_ms - steady_ms)]
            self._stepped, self._off = ("step", steady_ms), frozenset(off if len(off) < MANY else ())
            self._judge(steady_ms)

    def _judge(self, steady_ms: int) -> None:
        """Let the units say which time is right, once there are enough of them."""
        own_ms, wall_ms = self._from_ms - self._since_ms, self._wall_ms() - steady_ms
        said = self._said(steady_ms)
        said = {unit: unit_ms for unit, unit_ms in said.items() if unit not in self._off or _agree(unit_ms, wall_ms)}
        if not said or (len(said) < JUDGES and self._stepped and steady_ms - self._stepped[1] < PATIENCE_MS):
            return
        units_ms = _middle(said)
        if abs(wall_ms - units_ms) < abs(own_ms - units_ms):
            self._stepped, right_ms, self._off = None, wall_ms, frozenset()
        elif units_ms - own_ms > AHEAD_MS:
            right_ms = units_ms
        else:
            return
        was_ms = own_ms + steady_ms + (0 if self.turn is None else self.turn.was_ms - self.turn.now_ms)
        self.turn = Turn(was_ms, right_ms + steady_ms)
        self._from_ms, self._since_ms = self.turn.now_ms, steady_ms

    def _said(self, steady_ms: int) -> dict[str, int]:
        """By unit that was heard of lately its time less the monotonic clock's."""
        heard = self._heard.items()
        return {unit: ahead_ms for unit, (ahead_ms, at_ms) in heard if steady_ms - at_ms <= HEARD_FOR_MS}


def _middle(said: Mapping[str, int]) -> int:
    return int(median(said.values()))


def _agree(unit_ms: int, clock_ms: int) -> bool:
    """Whether a unit's time may be a clock's, which it is a little late by."""
    return -LATE_MS < unit_ms - clock_ms < AHEAD_MS
