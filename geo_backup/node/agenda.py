"""Agenda: what is due when. It is told what happens and what time it is, and knows no more.

An incident that changed is ranked at once. All others take turns: rankings follow units that drive, and time itself,
since freshness and closures change without an event.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from geo_backup.events import TIME_MS
from geo_backup.live_map import LiveMap
from geo_backup.live_map.timers import Timer, is_loud, running

RANK_PERIOD_S = 0.5
"""An incident's ranking is pushed at most twice a second."""
RANKINGS_PER_S = 5.0
"""All incidents together, when nothing but driving changes: viewers count ETAs down by themselves. An incident that
changes (a unit sent, a closure, a new place) is ranked and pushed at once, whatever its turn."""
RANKED_AT_ONCE = 16
"""After a closure hundreds of incidents are due: they come in parts, so that a new one need not wait for all."""
LOOK_AGAIN_S = 1.0
"""Time passes without an event: freshness and closures are looked at again this often."""


class Due(NamedTuple):
    """What is to be ranked now, the most urgent first."""

    incident_ids: list[str]
    urgent: bool = False
    """Whether somebody waits for one of them."""
    more: bool = False
    """Whether others, that changed too, had to be left for the next time."""


class Agenda:
    """When each incident of one live map is to be ranked; see the module."""

    def __init__(self) -> None:
        self._changed: set[str] = set()
        self._ranked_s: dict[str, float] = {}
        self._moved = True
        self._turn_ms = 0
        """When a closure next begins or ends by itself: then all rankings are due."""

    def change(self, incident_ids: Iterable[str]) -> None:
        """These incidents, or what their rankings hang on, changed."""
        self._changed.update(incident_ids)

    def move(self) -> None:
        """A unit moved, or is otherwise than before."""
        self._moved = True

    def turn(self) -> None:
        """The closures or the clock are others than before: when roads next open or close is to be found out anew."""
        self._turn_ms = 0

    def due(self, live_map: LiveMap, now_s: float, now_ms: int, lag_s: float) -> Due:
        """What is due at a time, and counts as ranked from then on.

        `now_s` is a clock that only runs on, `now_ms` the node's own; `lag_s` is how long the last rankings took.
        """
        open_ids = {incident.incident_id for incident in live_map.open_incidents()}
        self._ranked_s = {known: at_s for known, at_s in self._ranked_s.items() if known in open_ids}
        if now_ms >= self._turn_ms:
            self._changed |= open_ids
            self._turn_ms = live_map.closures_turn_ms(now_ms) or TIME_MS[1]
        changed = self._changed & open_ids
        # many incidents take turns: a viewer's line and half the worker's time are the bounds
        period_s = max(RANK_PERIOD_S if self._moved else LOOK_AGAIN_S, len(open_ids) / RANKINGS_PER_S, 2 * lag_s)
        due = sorted(
            one for one in open_ids if one in changed or now_s - self._ranked_s.get(one, float("-inf")) >= period_s
        )
        due.sort(key=lambda one: one not in changed)  # somebody waits for what changed
        due = due[:RANKED_AT_ONCE]
        self._changed = changed.difference(due)
        if due:
            self._moved = False
            self._ranked_s.update(dict.fromkeys(due, now_s))
        return Due(due, bool(changed), bool(self._changed))


class TimerNews(NamedTuple):
    """What is otherwise with timers than when they were last looked at."""

    raise_now: list[Timer]
    """Those that are due and not on record."""
    changed: set[str]
    """Names of those that came, went, grew loud, or that somebody has seen to."""


class Timers:
    """Which timers of one live map are due. They are looked at when something changed, or one is due next."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bool, bool]] = {}
        """Those that are due, by name: whether they are loud, and acknowledged."""
        self.due: dict[str, Timer] = {}
        self._next_ms = 0

    def change(self) -> None:
        """A unit, an incident or the rules are others than before."""
        self._next_ms = 0

    def look(self, live_map: LiveMap, now_ms: int) -> TimerNews | None:
        """What is otherwise than the last time; None: nothing can be."""
        if now_ms < self._next_ms:
            return None
        self.due, self._next_ms = {}, TIME_MS[1]
        for timer in running(live_map):
            if timer.due_ms <= now_ms:
                self.due[timer.timer_id] = timer
            ahead = [at_ms for at_ms in (timer.due_ms, timer.loud_ms) if at_ms > now_ms]
            self._next_ms = min(self._next_ms, *ahead) if ahead else self._next_ms
        known = {}
        for name, timer in self.due.items():
            raised = live_map.timers.get(name)
            known[name] = is_loud(timer, raised, now_ms), raised is not None and raised.acknowledged_ms is not None
        changed = {name for name in {*known, *self._known} if known.get(name) != self._known.get(name)}
        self._known = known
        return TimerNews([timer for name, timer in self.due.items() if name not in live_map.timers], changed)
