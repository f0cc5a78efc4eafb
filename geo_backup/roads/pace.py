"""Pace: how much slower or faster than its profile says a way of driving is, learned from drives.

Every node of a small tree (the hour of the day; now; the class of a road or the kind of a turn; a cell of two
kilometres now; a road in one direction) keeps two sums: the milliseconds that were driven, and those that its parents
expected. Its factor is

    (driven + k) / (expected + k)

so that a node without evidence says nothing of its own, and what its parents know is not learned again. The time of an
interval is credited to its roads and turns in proportion to what was expected of them. Both sums decay: what is true
now within half an hour, roads and classes within weeks.

All of it is integer arithmetic, decay included, so that the same lessons give the same weights on any machine.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from enum import IntEnum
from math import exp
from typing import NamedTuple

import numpy as np

from geo_backup.errors import BadValueError
from geo_backup.roads.kernel import Array
from geo_backup.rules import PaceRules

ONE = 1 << 16
"""Factors are whole 1/65536 parts."""
MINUTE_MS = 60_000
DAY = 1_440
"""Minutes."""
SUM_MAX = (1 << 31) - 1
"""No node keeps more milliseconds than these: nothing overflows, and no past weighs more than 25 days."""


class Level(IntEnum):
    """Levels of the tree, parents first."""

    HOUR = 0
    NOW = 1
    CLASS = 2
    TURN = 3
    CELL = 4
    ROAD = 5


SHIFT = 32


def node_of(level: Level, index: Array) -> Array:
    """The nodes int64[N] of a level: hours of the day, 0, classes, kinds of turn, cells, edge codes."""
    return np.asarray(index, np.int64) + (int(level) << SHIFT)


SUMS_MAX = 1 << 26
"""Bytes of sums, unpacked."""


class Lesson(NamedTuple):
    """What drives add to some nodes: int64[K] each, nodes ascending."""

    node: Array
    driven_ms: Array
    expected_ms: Array

    def packed(self) -> str:
        """As text, of about five characters a node."""
        columns = np.stack((np.diff(self.node, prepend=0), self.driven_ms, self.expected_ms)).astype("<i8")
        # byte by byte of all numbers: most are small, and what is alike lies together
        planes = np.ascontiguousarray(columns.view(np.uint8).reshape(3, -1, 8).transpose(0, 2, 1))
        return base64.b85encode(zlib.compress(planes.tobytes(), 6)).decode()

    @classmethod
    def unpacked(cls, text: str) -> Lesson:
        """What `packed` wrote; `BadValueError` for anything else."""
        try:
            opened = zlib.decompressobj()
            data = opened.decompress(base64.b85decode(text), SUMS_MAX + 1)
            planes = np.frombuffer(data, np.uint8).reshape(3, 8, -1)
            step, driven_ms, expected_ms = np.ascontiguousarray(planes.transpose(0, 2, 1)).view("<i8")[:, :, 0]
            node = np.cumsum(step, dtype=np.int64)
            fine = opened.eof and len(data) <= SUMS_MAX and (step[1:] > 0).all() and (node >= 0).all()
            fine = fine and all(((sums >= 0) & (sums <= SUM_MAX)).all() for sums in (driven_ms, expected_ms))
            if not fine:
                raise ValueError("out of range")
        except (ValueError, zlib.error) as error:
            raise BadValueError("/packed", "pace", f"these are no sums of seconds: {error}") from None
        return cls(node, driven_ms.astype(np.int64), expected_ms.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Pace:
    """The two sums of every node with evidence (int64[K] each, nodes ascending) as of a minute (UTC epoch)."""

    node: Array
    driven_ms: Array
    expected_ms: Array
    minute: int

    @classmethod
    def unlearned(cls, minute: int = 0) -> Pace:
        """Of a city of which nothing is known."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, minute)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pace):
            return NotImplemented
        mine, theirs = ((p.node, p.driven_ms, p.expected_ms) for p in (self, other))
        return self.minute == other.minute and all(map(np.array_equal, mine, theirs))

    def __hash__(self) -> int:
        return hash((self.minute, len(self.node)))

    def packed(self) -> str:
        """As text, as `Lesson.packed`."""
        return f"{self.minute}:{Lesson(self.node, self.driven_ms, self.expected_ms).packed()}"

    @classmethod
    def unpacked(cls, text: str) -> Pace:
        """What `packed` wrote; `BadValueError` for anything else."""
        minute, _, sums = text.partition(":")
        if not (minute.isascii() and minute.isdigit() and len(minute) < 12):
            raise BadValueError("/packed", "pace", "these are no sums of seconds as of a minute")
        return cls(*Lesson.unpacked(sums), int(minute))

    def at(self, minute: int, rules: PaceRules) -> Pace:
        """The same at a later minute: both sums have decayed."""
        if minute <= self.minute:
            return self
        sums = np.stack((self.driven_ms, self.expected_ms))
        level = self.node >> SHIFT
        for of, (step, keep) in _decay(rules).items():
            steps, rows = minute // step - self.minute // step, np.flatnonzero(level == of)
            if not steps or not len(rows):
                continue
            part = sums[:, rows]
            for _ in range(steps):
                part = part * keep >> 32
                if not part.any():
                    break
            sums[:, rows] = part
        left = sums.any(axis=0)
        return Pace(self.node[left], sums[0, left], sums[1, left], minute)

    def lasting(self, minute: int) -> Pace:
        """What it says of hours, kinds and roads, as if it had just been learned: how old the drives are that taught it
        says nothing of how much it is to be believed where nothing newer is known. What was then now is over."""
        level = self.node >> SHIFT
        kept = (level != Level.NOW) & (level != Level.CELL)
        return Pace(self.node[kept], self.driven_ms[kept], self.expected_ms[kept], minute)

    def after(self, lesson: Lesson) -> Pace:
        """The same with what drives have added."""
        node = np.union1d(self.node, lesson.node)
        sums = np.zeros((2, len(node)), np.int64)
        for at, *both in ((self.node, self.driven_ms, self.expected_ms), lesson):
            sums[:, np.searchsorted(node, at)] += both
        driven_ms, expected_ms = np.minimum(sums, SUM_MAX)
        return Pace(node, driven_ms, expected_ms, self.minute)

    def own_factors(self, rules: PaceRules) -> Array:
        """int64[K] in 1/65536: what each node with evidence says beyond its parents."""
        level = self.node >> SHIFT
        k = np.zeros(len(Level), np.int64)
        for of, k_s in _k(rules).items():
            k[of] = round(1_000 * k_s)
        own = ((self.driven_ms + k[level]) << 16) // (self.expected_ms + k[level])
        out: Array = np.clip(own, round(ONE / rules.most_factor), round(ONE * rules.most_factor))
        return out


def _k(rules: PaceRules) -> dict[Level, float]:
    return {
        Level.HOUR: rules.hour_k_s, Level.NOW: rules.now_k_s, Level.CLASS: rules.class_k_s,
        Level.TURN: rules.turn_k_s, Level.CELL: rules.cell_k_s, Level.ROAD: rules.road_k_s,
    }  # fmt: skip


def _decay(rules: PaceRules) -> dict[Level, tuple[int, int]]:
    """Of each level after how many minutes it decays, and what is then kept of 2^32."""
    tau = {
        Level.HOUR: (DAY, rules.hour_days), Level.NOW: (1, rules.now_min), Level.CLASS: (DAY, rules.class_days),
        Level.TURN: (DAY, rules.class_days), Level.CELL: (1, rules.cell_min), Level.ROAD: (DAY, rules.road_days),
    }  # fmt: skip
    return {level: (step, round(2**32 * exp(-1 / steps))) for level, (step, steps) in tau.items()}
