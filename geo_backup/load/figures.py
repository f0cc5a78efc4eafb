"""What a load is, and the figures that come of it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNIT = "LOAD-"
"""How the ids of simulated units and incidents begin; no other has such a one."""
AGENCY = "load test"
WARM_S = 3.0
GRACE_S = 2.0
"""So long what was sent last may take to every viewer."""


@dataclass(frozen=True)
class Load:
    """How much a server is given, for `seconds`. A unit reports every `units / pings_per_s` seconds."""

    pings_per_s: float = 1_000.0
    units: int = 1_000
    incidents: int = 20
    viewers: int = 50
    slow_viewers: int = 0
    """More viewers, who read a few kB a second and no more."""
    storm: bool = False
    """Half-way all viewers lose their line at once, and come back with where they were."""
    seconds: float = 20.0
    batch: int = 50
    """Positions in one request."""
    timed: int = 5
    """So many of the viewers decode what they get, and time it."""
    exercise: bool = False
    """On a server that has units and incidents of its own."""

    @property
    def warm_s(self) -> float:
        """The load runs for so long before anything counts."""
        return min(WARM_S, self.seconds / 2)

    @property
    def unit_ids(self) -> list[str]:
        return [f"{UNIT}{n:05d}" for n in range(1, self.units + 1)]


@dataclass(frozen=True)
class Span:
    """When it counts, on the machine's steady clock, which all its processes share."""

    begin_s: float
    end_s: float

    @property
    def half_s(self) -> float:
        return (self.begin_s + self.end_s) / 2


@dataclass(frozen=True)
class Stamp:
    """The time of a fix, ms since 1970, from the steady clock: a step of the machine's own changes no figure."""

    ahead_s: float

    @classmethod
    def now(cls) -> Stamp:
        return cls(time.time() - time.monotonic())

    def ms(self, steady_s: float) -> int:
        return int((steady_s + self.ahead_s) * 1_000)


def quantiles(values: Sequence[float], *which: float) -> dict[str, float | None]:
    """p50 and the like, and the worst; each None without any value."""
    names = [*(f"p{q:g}" for q in which), "worst"]
    if not len(values):
        return dict.fromkeys(names)
    found = np.percentile(np.asarray(values), [*which, 100.0])
    return {name: round(float(value), 1) for name, value in zip(names, found, strict=True)}


class Metrics:
    """What `/metrics` says at a moment."""

    def __init__(self, text: str) -> None:
        self.at_s = time.monotonic()
        self._of = {name: float(value) for name, value in re.findall(r"^(\w\S*) (\S+)$", text, re.MULTILINE)}

    def get(self, name: str) -> float | None:
        """A figure; None where the server does not tell it."""
        return self._of.get(name)

    def since(self, before: Metrics, name: str) -> float | None:
        """How much a second a counter has grown."""
        now, then = self.get(name), before.get(name)
        return None if now is None or then is None else (now - then) / max(self.at_s - before.at_s, 1e-9)

    def worst_since(self, before: Metrics, name: str) -> float | None:
        """The least bound of a histogram that nothing went beyond."""
        begin = f'{name}_bucket{{le="'
        bounds = sorted((float(key[len(begin) : -2]), key) for key in self._of if key.startswith(begin))
        grown = [(bound, self._of[key] - before._of.get(key, 0.0)) for bound, key in bounds]
        return next((bound for bound, count in grown if count == grown[-1][1]), None)
