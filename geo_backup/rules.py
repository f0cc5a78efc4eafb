"""Every number people argue about, as frozen dataclasses with the units in the names.

Each number is a default, not law; agencies differ. Where a number has a source it stands in brackets.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class FixRules:
    """Which position reports move a unit on the live map."""

    future_ms: int = 30_000
    """A fix dated later than this after its reception is set aside (`future`)."""
    jump_mps: float = 70.0
    """Faster than this between two fixes is no ground vehicle: the fix is held (`jump`)."""
    jump_fixes: int = 3
    """So many consistent held fixes are believed after all, so that one bad fix cannot lock a unit out."""
    jump_hold_ms: int = 30_000
    """A unit is held back no longer than this."""
    accuracy_max_m: float = 200.0
    """Less accurate fixes are no place to route from (`inaccurate`)."""
    kept: int = 4
    """Accepted fixes kept in a unit, to know its direction and to tell a duplicate from a late fix."""


@dataclass(frozen=True)
class FreshnessRules:
    """Age of a fix at which a unit is live, delayed, stale, lost (moving / parked in the same place)."""

    live_moving_ms: int = 15_000
    live_parked_ms: int = 60_000
    delayed_moving_ms: int = 60_000
    delayed_parked_ms: int = 300_000
    stale_moving_ms: int = 300_000
    stale_parked_ms: int = 1_800_000
    parked_below_mps: float = 1.0


@dataclass(frozen=True)
class ArrivalRules:
    """When a unit's positions say that it has arrived (a suggestion with source `avl`)."""

    radius_m: float = 60.0
    """Within this of the incident, plus the incident's own distance from the road."""
    speed_below_mps: float = 2.0
    for_ms: int = 10_000


@dataclass(frozen=True)
class TurnoutRules:
    """Seconds from being told to wheels rolling, by status."""

    mobile_ms: int = 5_000
    on_station_ms: int = 60_000  # [NFPA 1710: 60 s EMS, 80 s fire]
    on_scene_clear_ms: int = 60_000
    on_call_ms: int = 1_800_000


@dataclass(frozen=True)
class SnapRules:
    """How a position becomes a place on the network."""

    unit_max_m: float = 200.0
    """A unit further from any road is off the network (`NO_ROAD`)."""
    incident_max_m: float = 1_000.0
    """An incident further from any drivable road is outside the map."""
    candidate_extra_m: float = 15.0
    """Roads up to this much further than the nearest are candidates too."""
    course_from_mps: float = 1.5
    """Below this speed a reported course is noise."""
    course_tolerance_deg: float = 60.0
    course_weight_m: float = 12.0
    """What a course at right angles to the road weighs against distance."""
    walk_free_m: float = 25.0
    """Nearer to the road than this, there is no last leg on foot."""
    walk_mps: float = 1.5


@dataclass(frozen=True)
class LimitRules:
    """Bounds that keep everything finite."""

    horizon_ms: int = 3_600_000
    open_incidents: int = 500
    units: int = 20_000
    closures: int = 1_000
    positions_per_request: int = 1_000
    ranking_frame: int = 20
    ranking_rows: int = 1_000
    etas_starts: int = 10_000


@dataclass(frozen=True)
class Rules:
    """All rules in force; `RulesAdopted` puts another set into the log."""

    fix: FixRules = field(default_factory=FixRules)
    freshness: FreshnessRules = field(default_factory=FreshnessRules)
    arrival: ArrivalRules = field(default_factory=ArrivalRules)
    turnout: TurnoutRules = field(default_factory=TurnoutRules)
    snap: SnapRules = field(default_factory=SnapRules)
    limit: LimitRules = field(default_factory=LimitRules)

    @property
    def rules_id(self) -> str:
        """Sixteen hex digits that name these exact numbers."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:16]
