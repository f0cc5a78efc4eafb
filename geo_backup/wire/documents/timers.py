"""Timers as documents: what somebody should have said or done by now."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from geo_backup.events import TimerRule
from geo_backup.live_map import Raised
from geo_backup.live_map import timers as read
from geo_backup.wire.times import to_text


class TimerSeen(TypedDict):
    """Who has seen to it, and when."""

    by: str
    at: str


class Timer(TypedDict):
    """A timer that is due: quiet first, then loud, until somebody has seen to it or it is over."""

    timer_id: str
    rule: TimerRule
    level: Literal["quiet", "loud"]
    incident_id: str
    unit_id: str | None
    since: str
    due_time: str
    loud_time: str
    expected_time: str | None
    exercise: bool
    message_id: str | None
    acknowledged: TimerSeen | None


class TimerList(TypedDict):
    """Timers that are due, the ones that have waited longest first."""

    timers: list[Timer]


def timer(timer: read.Timer, raised: Raised | None, now_ms: int) -> Timer:
    """A timer that is due, as of a time."""
    seen = raised is not None and raised.acknowledged_ms is not None
    return {
        "timer_id": timer.timer_id,
        "rule": timer.rule,
        "level": "loud" if read.is_loud(timer, raised, now_ms) else "quiet",
        "incident_id": timer.incident_id,
        "unit_id": timer.unit_id,
        "since": to_text(timer.start_ms),
        "due_time": to_text(timer.due_ms),
        "loud_time": to_text(timer.loud_ms),
        "expected_time": None if timer.expected_ms is None else to_text(timer.expected_ms),
        "exercise": timer.exercise,
        "message_id": timer.message_id or None,
        "acknowledged": {"by": raised.acknowledged_by, "at": to_text(raised.acknowledged_ms)}
        if seen and raised is not None and raised.acknowledged_ms is not None
        else None,
    }
