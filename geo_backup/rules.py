"""Every number people argue about, as frozen dataclasses with the units in the names.

Each number is a default, not law; agencies differ. Where a number has a source it stands in brackets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from geo_backup.errors import BadValueError


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

    unit_max_m: float = 1_000.0
    """A unit further from any road is off the network; up to there it has a first leg."""
    incident_max_m: float = 1_000.0
    """An incident further from any drivable road is outside the map."""
    candidate_extra_m: float = 15.0
    """Places up to this much less likely than the best are candidates too: the field decides by time."""
    usual_accuracy_m: float = 8.0
    """Of a receiver in a street [map matchers take 4 m in the open to 10 m in town]. Distances count in full up to it;
    a fix that claims to be n times worse is looked for n times as far, and each metre says 1/n."""
    course_from_mps: float = 1.5
    """Below this speed a reported course is noise."""
    course_tolerance_deg: float = 60.0
    course_weight_m: float = 12.0
    """What a course at right angles to the road weighs against distance, and driving against a one-way."""
    tunnel_m: float = 15.0
    """What being in a tunnel weighs: a receiver without sky has no fix, a caller there has no signal. Small enough
    for the fixes before to overrule it where a unit drove in at the portal."""
    bridge_m: float = 5.0
    """The same for a place on a bridge: at a crossing of two levels it is on the ground."""
    motorway_m: float = 10.0
    """The same for a place on a motorway: most places are addresses, in the street beside it."""
    match_gap_ms: int = 60_000
    """A fix this much older says nothing of where a unit is now."""
    match_step_m: float = 10.0
    """Nearer than this to each other, two fixes say nothing of the way between them [two sigma of Newson, Krumm]."""
    match_break_m: float = 60.0
    """The most that two fixes which no road connects in about their distance can weigh against a place: maps have
    gaps, and fixes leap."""
    match_keep: float = 0.7
    """How much of what was known at one fix counts at the next: errors of a receiver last for several fixes."""
    turn_round_m: float = 25.0
    """What having turned round in the street weighs."""
    off_road_m: float = 50.0
    """Farther than this from the nearest road, a unit is in a yard or a park and its course is not the road's; a
    place may be entered from the roads on its other sides."""
    lead_mps: float = 2.0
    """How fast a unit off the road gets onto it, by air: a car in a yard creeps at 10 km/h and goes 1.4 times the air
    line to the gate, which is 2.0; an officer who walks or runs to the car in a hurry is at 1.5 to 3."""
    walk_free_m: float = 25.0
    """Nearer to the road than this, a unit or a place is on it: neither a first leg nor a last one on foot."""
    walk_mps: float = 1.5
    side_extra_m: float = 200.0
    """Roads on the other sides of a place off the road count up to this much farther than the nearest: to walk that
    takes over two minutes, in which one drives round."""
    side_detour: float = 3.0
    """Roads whose way round is more than so many times the walk from one to the other over the place are no sides of
    the same block: a river or a railway lies between. [Round half a square block is 2, of one by two 3.]"""


@dataclass(frozen=True)
class SwapRules:
    """When another unit is offered in place of one that is on its way, so that crews are not called off and on."""

    beats_by_ms: int = 60_000
    beats_by_share: float = 0.2
    """The other must arrive earlier by both: so much, and this share of what the assigned unit has left."""
    left_ms: int = 90_000
    """The assigned unit must have more than this left."""
    never_within_ms: int = 60_000
    """A unit that has been this near keeps its call, whatever happens then."""
    cool_down_ms: int = 120_000
    """Not again within this after an offer or an assignment."""


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
    plans: int = 200
    agreements: int = 500


@dataclass(frozen=True)
class BackupRules:
    """Who is taken for a request for backup, and from where."""

    first_wave: int = 5  # [LASD 5-09/220: the five with the shortest ETA]
    kth_eta_max_ms: int = 480_000
    """Immediate backup of which the last unit of the first wave takes longer opens mutual aid at once."""
    bucket_ms: int = 10_000
    """Arrivals within the same bucket are as good as each other: then beat, skill and workload decide."""
    busy_from_priority: int = 2
    """Calls of this priority or higher take units that are busy (meal, court, report) ..."""
    busy_clear_ms: int = 60_000
    """... after this time to get away."""
    p1_takes_en_route_from: int = 3
    """Priority 1 takes a unit on its way to an incident of this priority or lower; 6 = never. [Kendall, Stanislaus]"""
    p1_takes_on_scene_from: int = 4
    p2_takes_en_route_from: int = 4
    p2_takes_on_scene_from: int = 6
    shift_end_ms: int = 1_800_000
    """Within this of its shift's end a unit gets nothing of lower priority than ... [30 min: no report calls]"""
    shift_end_priority: int = 2
    eta_cv: float = 0.25
    """Coefficient of variation of a travel time [0.15 to 0.35]."""
    busy_for_ms: int = 1_320_000
    """How long a unit is away once it is sent, for what it costs meanwhile."""
    joint_requests: int = 8
    """So many requests at most are decided together: the ones of highest priority, oldest first."""
    again_p1_ms: int = 15_000
    """While units drive, a recommendation of priority 1 is looked at again this often ..."""
    again_ms: int = 60_000
    """... and of any other."""
    emergency_again_ms: int = 60_000
    """A press of the button this much after the last sounds the alarm again."""

    def __post_init__(self) -> None:
        if self.bucket_ms < 1:
            raise ValueError("bucket_ms is 1 or more")


@dataclass(frozen=True)
class CoverRules:
    """What the rest of the city keeps, and when units wait elsewhere."""

    target_ms: int = 480_000
    """A place is covered by a free unit within this (T of MEXCLP)."""
    r1_ms: int = 240_000
    """Double standard: the nearer radius ... [NFPA 1710: 240 s first engine]"""
    r2_ms: int = 480_000
    """... and the farther, in which all demand should lie."""
    r1_share: float = 0.9
    """Share of demand that should lie within the nearer."""
    reliability: float = 0.9
    """A place counts for MALP when a unit is free there at least this often."""
    busy_fraction: float = 0.3
    """Share of its time that a unit is busy (q of MEXCLP)."""
    floor: int = 1
    """Free units that a beat keeps, where the beat itself says nothing."""
    floor_override_priority: int = 1
    """Calls of this priority or higher may take the last ones."""
    p2_lambda_ms: int = 600_000
    """What losing all cover weighs against arrival time; priority 1 pays nothing."""
    p3_lambda_ms: int = 900_000
    p4_lambda_ms: int = 1_200_000
    p5_lambda_ms: int = 1_800_000
    places: int = 400
    """Places of demand in an area at most."""
    move_up_max: int = 2
    """Moves advised at once: crews hate shuffling."""
    move_up_min_gain: float = 0.01
    """Share of demand that each must win."""
    move_up_drive_max_ms: int = 900_000
    staging_min_ms: int = 60_000
    staging_max_ms: int = 120_000
    staging_margin_m: float = 100.0
    """Staging keeps so far from the hazard."""

    def __post_init__(self) -> None:
        if not self.busy_fraction < 1.0 or not 1 <= self.places <= 10_000:
            raise ValueError("busy_fraction is below 1, places 1 to 10,000")


@dataclass(frozen=True)
class ReportRules:
    """Targets that response times are held against, and which times say nothing."""

    process_ms: int = 60_000
    """From the request to a unit assigned. [NFPA 1225: 60 s, 90 %]"""
    turnout_ms: int = 60_000
    """From assigned to wheels rolling ... [NFPA 1710: EMS 60 s]"""
    turnout_fire_ms: int = 80_000
    """... of fire apparatus. [NFPA 1710: 80 s]"""
    travel_first_ms: int = 240_000
    """From wheels rolling to on scene, of the first unit there ... [NFPA 1710: first engine 240 s]"""
    travel_ms: int = 480_000
    """... and of the others."""
    share: float = 0.9
    """Of the responses that should be within a target."""
    longest_ms: int = 7_200_000
    """A longer time is a stamp that nobody set, not a response. [2 h]"""
    prediction_max_age_ms: int = 120_000
    """An ETA this much older than the assignment was not what the dispatcher counted on."""


AGENCY_GROUPS = ("turnout", "backup", "swap", "cover", "report")
"""What agencies may have rules of their own about; the others concern all of a server."""
MOST = 500_000_000
"""No rule is more: almost six days in ms, of which four still fit into the 32 bits of an arrival time."""

Changes = Mapping[str, Mapping[str, float]]
"""By group the rules that differ, and what they are."""


@dataclass(frozen=True)
class Rules:
    """All rules in force; `RulesAdopted` puts another set into the log."""

    fix: FixRules = field(default_factory=FixRules)
    freshness: FreshnessRules = field(default_factory=FreshnessRules)
    arrival: ArrivalRules = field(default_factory=ArrivalRules)
    turnout: TurnoutRules = field(default_factory=TurnoutRules)
    snap: SnapRules = field(default_factory=SnapRules)
    limit: LimitRules = field(default_factory=LimitRules)
    backup: BackupRules = field(default_factory=BackupRules)
    swap: SwapRules = field(default_factory=SwapRules)
    cover: CoverRules = field(default_factory=CoverRules)
    report: ReportRules = field(default_factory=ReportRules)
    agencies: Mapping[str, Changes] = field(default_factory=dict)
    """What agencies do otherwise, in the groups of `AGENCY_GROUPS`."""

    def of(self, agency: str) -> Rules:
        """The rules of an agency."""
        return self._of.get(agency, self)

    @cached_property
    def _of(self) -> dict[str, Rules]:
        house = replace(self, agencies={})
        return {agency: house.changed(changes) for agency, changes in self.agencies.items()}

    def changed(self, changes: Changes) -> Rules:
        """These rules with some numbers changed. Raises `BadValueError` that names the rule and says what it may be."""
        groups: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "agencies"}
        for group, numbers in changes.items():
            if group not in groups:
                raise BadValueError(f"/{group}", "unknown_rule", f"is no group of rules; there are {', '.join(groups)}")
            exact: dict[str, int | float] = {}
            for name, value in numbers.items():
                standing = getattr(groups[group], name, None) if not name.startswith("_") else None
                if standing is None:
                    there = ", ".join(f.name for f in fields(groups[group]))
                    raise BadValueError(f"/{group}/{name}", "unknown_rule", f"is no rule of {group}; there are {there}")
                # a rule of the wrong type would make every later event a fault
                whole = type(standing) is int
                if type(value) not in (int, float) or not 0 <= value <= MOST or (whole and value != int(value)):
                    kind = "a whole number" if whole else "a number"
                    raise BadValueError(
                        f"/{group}/{name}", "bad_rule", f"is {kind} from 0 to {MOST:,}; it is {standing} otherwise"
                    )
                exact[name] = type(standing)(value)
            try:
                groups[group] = replace(groups[group], **exact)
            except ValueError as error:
                raise BadValueError(f"/{group}", "bad_rule", str(error)) from None
        return Rules(**groups, agencies=self.agencies)

    @cached_property
    def rules_id(self) -> str:
        """Sixteen hex digits that name these exact numbers."""
        return hashlib.sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:16]
