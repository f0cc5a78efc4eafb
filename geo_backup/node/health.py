"""Health: what is wrong with this process at this moment, as named conditions in words that hold the remedy.

Whoever notices something says it and takes it back; `/readyz`, `/metrics`, every viewer and the process's own log tell
of it. It is no part of the live map: nothing here is a fact of the log.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from geo_backup.eventlog import LogState
from geo_backup.wire.documents.server import Condition as ConditionTold
from geo_backup.wire.times import to_text

log_ = logging.getLogger("geo_backup.health")

Name = Literal[
    "log_full",
    "log_slow",
    "log_failing",
    "log_cut_off",
    "log_doubtful",
    "log_alone",
    "emergency_unrecorded",
    "clock",
    "clocks_apart",
    "witness_silent",
]
"""Everything that may be wrong; a metric tells of each."""
NAMES: tuple[str, ...] = get_args(Name)
BYGONE: frozenset[str] = frozenset({"log_doubtful", "log_alone", "clocks_apart", "witness_silent"})
"""What is to be known, and keeps nothing from being recorded and ranked now."""
LOG_CONDITIONS: tuple[Name, ...] = ("log_full", "log_slow", "log_failing", "log_cut_off")


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is wrong, since when, and what to do about it."""

    name: Name
    words: str
    since_ms: int


class Health:
    """The conditions of one process. `on_change` is called when one comes, goes, or is worded anew."""

    def __init__(self, now_ms: Callable[[], int], on_change: Callable[[], None] = lambda: None) -> None:
        self._now_ms, self._on_change = now_ms, on_change
        self.conditions: tuple[Condition, ...] = ()
        """In the order in which they came. The tuple is another one after each change."""
        self.elsewhere: tuple[str, ...] = ()
        """Where a desk goes on when this process is gone: the other machines that share its log."""

    def say(self, name: Name, words: str) -> None:
        """Something is wrong. Said again in the same words it changes nothing."""
        standing = self._of(name)
        if standing is not None and standing.words == words:
            return
        if standing is None:
            log_.warning("%s: %s", name, words)
        said = Condition(name, words, self._now_ms() if standing is None else standing.since_ms)
        self.conditions = (*(one for one in self.conditions if one.name != name), said)
        self._on_change()

    def clear(self, name: Name) -> None:
        """It is right again, or it never was wrong."""
        if self._of(name) is not None:
            log_.warning("%s: this is over", name)
            self.conditions = tuple(one for one in self.conditions if one.name != name)
            self._on_change()

    def others(self, urls: tuple[str, ...]) -> None:
        """Who shares the log at this moment."""
        if urls != self.elsewhere:
            self.elsewhere = urls
            self._on_change()

    def hear(self, log: LogState) -> None:
        """How the log is at this moment."""
        for name in LOG_CONDITIONS:
            if name == f"log_{log.name}":
                self.say(name, log.words)
            else:
                self.clear(name)
        beside: tuple[tuple[Name, str], ...] = (("log_doubtful", log.doubt), ("log_alone", log.alone))
        for name, words in beside:
            if words:
                self.say(name, words)
            else:
                self.clear(name)

    def document(self) -> list[ConditionTold]:
        """The conditions as the feed and `/healthz` tell them."""
        return [{"name": one.name, "words": one.words, "since": to_text(one.since_ms)} for one in self.conditions]

    def _of(self, name: Name) -> Condition | None:
        return next((one for one in self.conditions if one.name == name), None)
