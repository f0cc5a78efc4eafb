"""Facts about officers in danger: pressed, taken in hand, over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geo_backup.events.fact import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyDeclared(Event):
    """An officer is in danger: the button of a device or phone, a CoT 911 alert, the API, or the desk for them.

    It opens a priority 1 incident of its own, pinned to the unit, with this id; while that stands, another press is
    added to it.
    """

    emergency_id: str
    unit_id: str
    lon: float
    lat: float
    placed_by: Literal["fix", "alert", "home", "nothing"] = "fix"
    """What the place was taken from; `nothing`: it is the middle of the map, and means that it is not known."""
    source: Literal["device", "phone", "tak", "api", "desk"] = "api"
    exercise: bool = False
    off_road_m: float = 0.0
    unlisted: bool = False
    """Nobody registered the unit, and the list of units took no more: the emergency is opened without it."""
    verified: bool = True
    """Whether it is sure who pressed; else `unit_id` is what the device calls itself, and no unit of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyAcknowledged(Event):
    """Somebody at a desk has taken it in hand: consoles stop alarming until the next press."""

    emergency_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyCleared(Event):
    """The unit (with its word) or a supervisor says that the danger is over. The incident stays until closed."""

    emergency_id: str
    by: Literal["unit", "supervisor"]
    who: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyClearRefused(Event):
    """Somebody tried to end it without the right word: on record, and it stands."""

    emergency_id: str
    by: str
    who: str = ""
