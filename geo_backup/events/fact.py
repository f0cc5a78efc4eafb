"""A fact: what every one has, and the values that they are made of, with the range of each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

ID_PATTERN = r"^[A-Za-z0-9._:-]{1,64}$"
"""What unit, incident, closure and device ids look like."""

is_id = re.compile(ID_PATTERN).fullmatch

LON_DEG = (-180.0, 180.0)
LAT_DEG = (-90.0, 90.0)
SPEED_MPS = (0.0, 150.0)
COURSE_DEG = (0.0, 360.0)
ACCURACY_M = (0.0, 100_000.0)
PRIORITY = (1, 5)
BUFFER_M = (0.0, 500.0)
SLOW_FACTOR = (0.05, 0.95)
LEVEL = (-5, 5)
TIME_MS = (0, 4_102_444_800_000)
"""1970 to 2100."""

UnitStatus = Literal[
    "available",
    "on_station",
    "returning",
    "en_route",
    "staging",
    "on_scene",
    "transporting",
    "busy",
    "limited",
    "out_of_service",
]
AssignmentState = Literal["assigned", "acknowledged", "en_route", "on_scene", "cleared", "cancelled"]
Source = Literal["live", "simulated", "replay"]
Mode = Literal["immediate", "delayed", "strategic"]
TimerRule = Literal["acknowledge", "late", "welfare", "unattended", "message"]
Addressed = Literal["units", "incident", "all"]
"""Whom the desk meant: some units, all that are on an incident, or all that are in service."""
ANY = "any"
"""The capability that every unit has."""


class Fix(NamedTuple):
    """One position solution of a receiver."""

    fix_ms: int
    lon: float
    lat: float
    speed_mps: float | None = None
    course_deg: float | None = None
    accuracy_m: float | None = None


class Need(NamedTuple):
    """So many units with a capability; `want` may stay unmet, a substitute counts as the capability."""

    capability: str
    count: int = 1  # type: ignore[assignment]  # hides tuple.count, which nobody calls here
    need: Literal["must", "want"] = "must"
    substitutes: tuple[str, ...] = ()
    staged: bool = False
    """They wait near the scene until they are called in."""


class Member(NamedTuple):
    """One person aboard: what they can do; an id that means something to their agency only."""

    capabilities: tuple[str, ...] = ()
    member_id: str = ""


class Post(NamedTuple):
    """A place that a plan staffs: where to wait, with what, and by when (None: when the plan begins)."""

    post_id: str
    lon: float
    lat: float
    needs: tuple[Need, ...]
    arrive_by_ms: int | None = None
    off_road_m: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every fact has."""

    event_id: str = ""
    received_ms: int
    said_by: str = "desk"
