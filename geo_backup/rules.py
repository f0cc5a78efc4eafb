"""Every number people argue about, as frozen dataclasses with the units in the names.

Each number is a default, not law; agencies differ. It stands with the least and the most that it may be: between them
every question has an answer. Where a number has a source it stands in brackets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, TypeVar

from geo_backup.errors import BadValueError

Number = TypeVar("Number", int, float)


def number(usual: Number, least: Number, most: Number) -> Number:
    """A rule with its default and its bounds."""
    return field(default=usual, metadata={"least": least, "most": most})


def bounds(rule: Field[Any]) -> tuple[float, float]:
    """The least and the most that a rule may be."""
    return rule.metadata["least"], rule.metadata["most"]


@dataclass(frozen=True)
class FixRules:
    """Which position reports move a unit on the live map."""

    future_ms: int = number(30_000, 0, 3_600_000)
    """A fix dated later than this after its reception is set aside (`future`)."""
    jump_mps: float = number(70.0, 5.0, 10_000.0)
    """Faster than this between two fixes is no ground vehicle: the fix is held (`jump`)."""
    jump_fixes: int = number(3, 1, 100)
    """So many consistent held fixes are believed after all, so that one bad fix cannot lock a unit out."""
    jump_hold_ms: int = number(30_000, 0, 3_600_000)
    """A unit is held back no longer than this."""
    accuracy_max_m: float = number(200.0, 1.0, 100_000.0)
    """Less accurate fixes are no place to route from (`inaccurate`)."""
    device_hold_ms: int = number(10_000, 0, 3_600_000)
    """A unit with several devices stays with one until that was silent, or another more accurate, for so long."""
    kept: int = number(8, 1, 64)
    """Accepted fixes kept in a unit, to know its direction and to tell a duplicate from a late fix."""


@dataclass(frozen=True)
class FreshnessRules:
    """Age of a fix at which a unit is live, delayed, stale, lost (moving / parked in the same place)."""

    live_moving_ms: int = number(15_000, 1_000, 86_400_000)
    live_parked_ms: int = number(60_000, 1_000, 86_400_000)
    delayed_moving_ms: int = number(60_000, 1_000, 86_400_000)
    delayed_parked_ms: int = number(300_000, 1_000, 86_400_000)
    stale_moving_ms: int = number(300_000, 1_000, 86_400_000)
    stale_parked_ms: int = number(1_800_000, 1_000, 86_400_000)
    parked_below_mps: float = number(1.0, 0.0, 100.0)


@dataclass(frozen=True)
class ArrivalRules:
    """When a unit's positions say that it has arrived (a suggestion with source `avl`)."""

    radius_m: float = number(60.0, 1.0, 10_000.0)
    """Within this of the incident, plus the incident's own distance from the road."""
    speed_below_mps: float = number(2.0, 0.1, 100.0)
    for_ms: int = number(10_000, 0, 3_600_000)


@dataclass(frozen=True)
class TurnoutRules:
    """Seconds from being told to wheels rolling, by status."""

    mobile_ms: int = number(5_000, 0, 3_600_000)
    on_station_ms: int = number(60_000, 0, 3_600_000)  # [NFPA 1710: 60 s EMS, 80 s fire]
    on_scene_clear_ms: int = number(60_000, 0, 3_600_000)
    on_call_ms: int = number(1_800_000, 0, 86_400_000)


@dataclass(frozen=True)
class SnapRules:
    """How a position becomes a place on the network."""

    unit_max_m: float = number(1_000.0, 1.0, 10_000.0)
    """A unit further from any road is off the network; up to there it has a first leg."""
    incident_max_m: float = number(1_000.0, 1.0, 10_000.0)
    """An incident further from any drivable road is outside the map."""
    candidate_extra_m: float = number(15.0, 0.0, 1_000.0)
    """Places up to this much less likely than the best are candidates too: the field decides by time."""
    usual_accuracy_m: float = number(8.0, 0.5, 1_000.0)
    """Of a receiver in a street [map matchers take 4 m in the open to 10 m in town]. Distances count in full up to it;
    a fix that claims to be n times worse is looked for n times as far, and each metre says 1/n."""
    course_from_mps: float = number(1.5, 0.0, 100.0)
    """Below this speed a reported course is noise."""
    course_tolerance_deg: float = number(60.0, 1.0, 180.0)
    course_weight_m: float = number(12.0, 0.0, 1_000.0)
    """What a course at right angles to the road weighs against distance, and driving against a one-way."""
    tunnel_m: float = number(15.0, 0.0, 1_000.0)
    """What being in a tunnel weighs: a receiver without sky has no fix, a caller there has no signal. Small enough
    for the fixes before to overrule it where a unit drove in at the portal."""
    bridge_m: float = number(5.0, 0.0, 1_000.0)
    """The same for a place on a bridge: at a crossing of two levels it is on the ground."""
    motorway_m: float = number(10.0, 0.0, 1_000.0)
    """The same for a place on a motorway: most places are addresses, in the street beside it."""
    match_gap_ms: int = number(60_000, 0, 3_600_000)
    """A fix this much older says nothing of where a unit is now."""
    match_step_m: float = number(20.0, 0.0, 1_000.0)
    """Nearer than this to each other, two fixes say little of the way between them, and most of it is noise
    [twice what two fixes of a usual receiver are apart at one place]."""
    match_break_m: float = number(120.0, 0.0, 10_000.0)
    """The most that two fixes which no road connects in about their distance can weigh against a place: maps have
    gaps, and fixes leap."""
    match_keep: float = number(0.9, 0.0, 1.0)
    """How much of what was known at one fix counts at the next: errors of a receiver last for several fixes."""
    match_beam_m: float = number(20.0, 0.0, 10_000.0)
    """Places so much less likely than the likeliest are let go."""
    match_extra_m: float = number(30.0, 0.0, 1_000.0)
    """Roads up to this much further from a fix than the nearest may be the one that the fixes around it tell."""
    match_normal_m: float = number(16.0, 1.0, 1_000.0)
    """Up to this distance from the road errors of a receiver are normal (what speaks against a place grows with the
    square of the distance, and is the distance itself here); beyond, they are as likely as those of leaps."""
    match_loose_m: float = number(80.0, 1.0, 100_000.0)
    """By what a way by road differs from the air line counts half between fixes so far apart, a quarter at five times
    that: the longer the way, the more of it is bends and corners."""
    turn_round_m: float = number(40.0, 0.0, 1_000.0)
    """What having turned round in the street weighs."""
    off_road_m: float = number(50.0, 0.0, 10_000.0)
    """Farther than this from the nearest road, a unit is in a yard or a park and its course is not the road's; a
    place may be entered from the roads on its other sides."""
    lead_mps: float = number(2.0, 0.1, 50.0)
    """How fast a unit off the road gets onto it, by air: a car in a yard creeps at 10 km/h and goes 1.4 times the air
    line to the gate, which is 2.0; an officer who walks or runs to the car in a hurry is at 1.5 to 3."""
    walk_free_m: float = number(25.0, 0.0, 1_000.0)
    """Nearer to the road than this, a unit or a place is on it: neither a first leg nor a last one on foot."""
    walk_mps: float = number(1.5, 0.1, 50.0)
    side_extra_m: float = number(200.0, 0.0, 10_000.0)
    """Roads on the other sides of a place off the road count up to this much farther than the nearest: to walk that
    takes over two minutes, in which one drives round."""
    side_detour: float = number(3.0, 1.0, 100.0)
    """Roads whose way round is more than so many times the walk from one to the other over the place are no sides of
    the same block: a river or a railway lies between. [Round half a square block is 2, of one by two 3.]"""


@dataclass(frozen=True)
class SwapRules:
    """When another unit is offered in place of one that is on its way, so that crews are not called off and on."""

    beats_by_ms: int = number(60_000, 0, 3_600_000)
    beats_by_share: float = number(0.2, 0.0, 1.0)
    """The other must arrive earlier by both: so much, and this share of what the assigned unit has left."""
    left_ms: int = number(90_000, 0, 3_600_000)
    """The assigned unit must have more than this left."""
    never_within_ms: int = number(60_000, 0, 3_600_000)
    """A unit that has been this near keeps its call, whatever happens then."""
    cool_down_ms: int = number(120_000, 0, 86_400_000)
    """Not again within this after an offer or an assignment."""


@dataclass(frozen=True)
class LimitRules:
    """Bounds that keep everything finite."""

    horizon_ms: int = number(3_600_000, 60_000, 14_400_000)
    open_incidents: int = number(500, 1, 5_000)
    units: int = number(20_000, 1, 200_000)
    devices: int = number(40_000, 1, 400_000)
    closures: int = number(1_000, 1, 10_000)
    positions_per_request: int = number(1_000, 1, 10_000)
    ranking_frame: int = number(20, 1, 1_000)
    ranking_rows: int = number(1_000, 1, 1_000)
    etas_starts: int = number(10_000, 1, 10_000)
    plans: int = number(200, 1, 10_000)
    agreements: int = number(500, 1, 10_000)


@dataclass(frozen=True)
class SessionRules:
    """How long people stay signed in."""

    idle_ms: int = number(1_800_000, 60_000, 43_200_000)  # [CJIS Security Policy 5.9: at most 30 min]
    """Without a key or a click; consoles in secure rooms are exempt."""


@dataclass(frozen=True)
class BackupRules:
    """Who is taken for a request for backup, and from where."""

    first_wave: int = number(5, 1, 50)  # [LASD 5-09/220: the five with the shortest ETA]
    kth_eta_max_ms: int = number(480_000, 0, 86_400_000)
    """Immediate backup of which the last unit of the first wave takes longer opens mutual aid at once."""
    bucket_ms: int = number(10_000, 1, 3_600_000)
    """Arrivals within the same bucket are as good as each other: then beat, skill and workload decide."""
    busy_from_priority: int = number(2, 0, 6)
    """Calls of this priority or higher take units that are busy (meal, court, report) ..."""
    busy_clear_ms: int = number(60_000, 0, 3_600_000)
    """... after this time to get away."""
    p1_takes_en_route_from: int = number(3, 1, 6)
    """Priority 1 takes a unit on its way to an incident of this priority or lower; 6 = never. [Kendall, Stanislaus]"""
    p1_takes_on_scene_from: int = number(4, 1, 6)
    p2_takes_en_route_from: int = number(4, 1, 6)
    p2_takes_on_scene_from: int = number(6, 1, 6)
    shift_end_ms: int = number(1_800_000, 0, 86_400_000)
    """Within this of its shift's end a unit gets nothing of lower priority than ... [30 min: no report calls]"""
    shift_end_priority: int = number(2, 0, 6)
    eta_cv: float = number(0.25, 0.01, 2.0)
    """Coefficient of variation of a travel time [0.15 to 0.35]."""
    busy_for_ms: int = number(1_320_000, 60_000, 86_400_000)
    """How long a unit is away once it is sent, for what it costs meanwhile."""
    joint_requests: int = number(8, 1, 32)
    """So many requests at most are decided together: the ones of highest priority, oldest first."""
    again_p1_ms: int = number(15_000, 100, 3_600_000)
    """While units drive, a recommendation of priority 1 is looked at again this often ..."""
    again_ms: int = number(60_000, 100, 3_600_000)
    """... and of any other."""
    emergency_again_ms: int = number(60_000, 0, 3_600_000)
    """A press of the button this much after the last sounds the alarm again."""


@dataclass(frozen=True)
class CoverRules:
    """What the rest of the city keeps, and when units wait elsewhere."""

    target_ms: int = number(480_000, 1_000, 7_200_000)
    """A place is covered by a free unit within this (T of MEXCLP)."""
    r1_ms: int = number(240_000, 1_000, 7_200_000)
    """Double standard: the nearer radius ... [NFPA 1710: 240 s first engine]"""
    r2_ms: int = number(480_000, 1_000, 7_200_000)
    """... and the farther, in which all demand should lie."""
    r1_share: float = number(0.9, 0.0, 1.0)
    """Share of demand that should lie within the nearer."""
    reliability: float = number(0.9, 0.0, 1.0)
    """A place counts for MALP when a unit is free there at least this often."""
    busy_fraction: float = number(0.3, 0.0, 0.99)
    """Share of its time that a unit is busy (q of MEXCLP)."""
    floor: int = number(1, 0, 1_000)
    """Free units that a beat keeps, where the beat itself says nothing."""
    floor_override_priority: int = number(1, 0, 6)
    """Calls of this priority or higher may take the last ones."""
    p2_lambda_ms: int = number(600_000, 0, 86_400_000)
    """What losing all cover weighs against arrival time; priority 1 pays nothing."""
    p3_lambda_ms: int = number(900_000, 0, 86_400_000)
    p4_lambda_ms: int = number(1_200_000, 0, 86_400_000)
    p5_lambda_ms: int = number(1_800_000, 0, 86_400_000)
    places: int = number(400, 1, 10_000)
    """Places of demand in an area at most."""
    move_up_max: int = number(2, 0, 50)
    """Moves advised at once: crews hate shuffling."""
    move_up_min_gain: float = number(0.01, 0.0, 1.0)
    """Share of demand that each must win."""
    move_up_drive_max_ms: int = number(900_000, 1_000, 7_200_000)
    staging_min_ms: int = number(60_000, 0, 3_600_000)
    staging_max_ms: int = number(120_000, 1_000, 3_600_000)
    staging_margin_m: float = number(100.0, 0.0, 10_000.0)
    """Staging keeps so far from the hazard."""


@dataclass(frozen=True)
class ReportRules:
    """Targets that response times are held against, and which times say nothing."""

    process_ms: int = number(60_000, 1_000, 86_400_000)
    """From the request to a unit assigned. [NFPA 1225: 60 s, 90 %]"""
    turnout_ms: int = number(60_000, 1_000, 86_400_000)
    """From assigned to wheels rolling ... [NFPA 1710: EMS 60 s]"""
    turnout_fire_ms: int = number(80_000, 1_000, 86_400_000)
    """... of fire apparatus. [NFPA 1710: 80 s]"""
    travel_first_ms: int = number(240_000, 1_000, 86_400_000)
    """From wheels rolling to on scene, of the first unit there ... [NFPA 1710: first engine 240 s]"""
    travel_ms: int = number(480_000, 1_000, 86_400_000)
    """... and of the others."""
    share: float = number(0.9, 0.0, 1.0)
    """Of the responses that should be within a target."""
    longest_ms: int = number(7_200_000, 60_000, 432_000_000)
    """A longer time is a stamp that nobody set, not a response. [2 h]"""
    prediction_max_age_ms: int = number(120_000, 0, 86_400_000)
    """An ETA this much older than the assignment was not what the dispatcher counted on."""


@dataclass(frozen=True)
class TimerRules:
    """When somebody is missed: quiet from the limit on, loud when it is over by a share of it."""

    acknowledge_p1_ms: int = number(30_000, 1_000, 86_400_000)
    """From sending a unit to its word that it knows; priority 1 ..."""
    acknowledge_others_ms: int = number(60_000, 1_000, 86_400_000)
    """... and all others."""
    late_share: float = number(1.5, 1.0, 10.0)
    """So many times the ETA that it was sent with may its way take ..."""
    late_extra_ms: int = number(120_000, 0, 86_400_000)
    """... and so much more."""
    en_route_ms: int = number(1_200_000, 1_000, 86_400_000)
    """Where nobody knew an ETA."""
    welfare_p1_ms: int = number(600_000, 10_000, 86_400_000)  # [centres: 10 to 20 min on a stop, less in danger]
    """On scene without a word, by the incident's priority."""
    welfare_p2_ms: int = number(900_000, 10_000, 86_400_000)
    welfare_p3_ms: int = number(1_200_000, 10_000, 86_400_000)
    welfare_p4_ms: int = number(1_800_000, 10_000, 86_400_000)
    welfare_p5_ms: int = number(2_700_000, 10_000, 86_400_000)
    unattended_p1_ms: int = number(60_000, 1_000, 86_400_000)  # [NFPA 1225: 60 s from the call to a unit]
    """An incident without a unit, by its priority."""
    unattended_p2_ms: int = number(180_000, 1_000, 86_400_000)
    unattended_p3_ms: int = number(600_000, 1_000, 86_400_000)
    unattended_p4_ms: int = number(1_800_000, 1_000, 86_400_000)
    unattended_p5_ms: int = number(3_600_000, 1_000, 86_400_000)
    message_ms: int = number(60_000, 1_000, 86_400_000)
    """From sending an urgent message to the word of all its units that they know; then it is loud."""
    loud_share: float = number(0.5, 0.0, 100.0)
    """Loud when it is over its limit by this share of it ..."""
    loud_least_ms: int = number(30_000, 0, 86_400_000)
    """... and at least by so much."""


@dataclass(frozen=True)
class PaceRules:
    """How fast what drives teach is believed, and how fast it is forgotten."""

    learn: int = number(1, 0, 1)
    """0: arrival times are those of the profiles, whatever drives have taught; nothing is learned."""
    hour_k_s: float = number(1_200.0, 1.0, 1e6)
    """Seconds of evidence that weigh as much as what was thought before."""
    now_k_s: float = number(600.0, 1.0, 1e6)
    class_k_s: float = number(1_200.0, 1.0, 1e6)
    turn_k_s: float = number(1_200.0, 1.0, 1e6)
    cell_k_s: float = number(3_000.0, 1.0, 1e6)
    road_k_s: float = number(120.0, 1.0, 1e6)
    now_min: float = number(30.0, 1.0, 10_000.0)
    """Minutes in which all but 1/e is forgotten; the others are days."""
    cell_min: float = number(60.0, 1.0, 10_000.0)
    hour_days: float = number(28.0, 1.0, 1_000.0)
    class_days: float = number(28.0, 1.0, 1_000.0)
    road_days: float = number(28.0, 1.0, 1_000.0)
    lag_s: float = number(60.0, 0.0, 3_600.0)
    """A fix teaches so long after it came: by then the road is certain."""
    drives_least: int = number(30, 2, 1_000)
    """Until so many drives are known, how far a time can be trusted is assumed."""
    drives_half_h: float = number(2.0, 0.1, 10_000.0)
    """A drive so many hours ago counts half of one now."""
    overhead_most_s: float = number(180.0, 0.0, 3_600.0)
    """What is added to a drive besides driving is at most this."""
    most_factor: float = number(4.0, 1.0, 20.0)
    """No node makes driving slower or faster than this."""
    most_slow: float = number(20.0, 1.0, 100.0)
    """An interval teaches at most that it took so many times what was expected,"""
    most_still_s: float = number(180.0, 0.0, 3_600.0)
    """or so long: who stands longer does not stand in traffic."""
    turnout_k: int = number(5, 1, 10_000)
    """Turnouts that weigh as much as what was thought before."""
    turnout_most_s: int = number(900, 1, 86_400)
    """A longer turnout is a stamp that somebody forgot."""


AGENCY_GROUPS = ("turnout", "backup", "swap", "cover", "report")
"""What agencies may have rules of their own about; the others concern all of a server."""
KIND_GROUPS = ("freshness", "timer")
"""What kinds of unit may: a boat's tracker reports less often than a car's. Kinds of incident have timers of their own:
a traffic stop asks for a word sooner than a report does."""
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
    session: SessionRules = field(default_factory=SessionRules)
    backup: BackupRules = field(default_factory=BackupRules)
    swap: SwapRules = field(default_factory=SwapRules)
    cover: CoverRules = field(default_factory=CoverRules)
    report: ReportRules = field(default_factory=ReportRules)
    timer: TimerRules = field(default_factory=TimerRules)
    pace: PaceRules = field(default_factory=PaceRules)
    agencies: Mapping[str, Changes] = field(default_factory=dict)
    """What agencies do otherwise, in the groups of `AGENCY_GROUPS`."""
    kinds: Mapping[str, Changes] = field(default_factory=dict)
    """What holds otherwise for kinds of unit, in the groups of `KIND_GROUPS`."""

    def of(self, agency: str) -> Rules:
        """The rules of an agency."""
        return self._of.get(agency, self)

    def of_kind(self, kind: str) -> Rules:
        """The rules of a kind of unit."""
        return self._of_kind.get(kind, self)

    def timers_of(self, incident_kind: str, unit_kind: str = "") -> TimerRules:
        """The timers of an incident of a kind, and of a unit of a kind there: the incident's own come first."""
        for kind in (incident_kind, unit_kind):
            if "timer" in self.kinds.get(kind, ()):
                return self.of_kind(kind).timer
        return self.timer

    @cached_property
    def _of(self) -> dict[str, Rules]:
        house = replace(self, agencies={})
        return {agency: house.changed(changes) for agency, changes in self.agencies.items()}

    @cached_property
    def _of_kind(self) -> dict[str, Rules]:
        house = replace(self, kinds={})
        return {kind: house.changed(changes) for kind, changes in self.kinds.items()}

    def changed(self, changes: Changes) -> Rules:
        """These rules with some numbers changed. Raises `BadValueError` that names the rule and says what it may be."""
        groups: dict[str, Any] = {name: getattr(self, name) for name in GROUPS}
        for group, numbers in changes.items():
            if group not in groups:
                raise BadValueError(f"/{group}", "unknown_rule", f"is no group of rules; there are {', '.join(groups)}")
            rules, defaults = {f.name: f for f in fields(groups[group])}, type(groups[group])()
            exact: dict[str, int | float] = {}
            for name, value in numbers.items():
                if name not in rules:
                    there = ", ".join(rules)
                    raise BadValueError(f"/{group}/{name}", "unknown_rule", f"is no rule of {group}; there are {there}")
                usual, (least, most) = getattr(defaults, name), bounds(rules[name])
                whole = type(usual) is int
                # a rule of the wrong type would make every later event a fault
                if type(value) not in (int, float) or not least <= value <= most or (whole and value != int(value)):
                    words = (
                        f"is {'a whole number' if whole else 'a number'} from {least:,} to {most:,}, usually {usual:,}"
                    )
                    raise BadValueError(f"/{group}/{name}", "bad_rule", words)
                exact[name] = type(usual)(value)
            groups[group] = replace(groups[group], **exact)
        return replace(self, **groups)

    def adopted(self, changes: Changes, agency: str = "", kind: str = "") -> Rules:
        """The rules once these changes hold: of an agency, of a kind of unit, or of the house, whose other changes are
        forgotten. None at all takes back what was. Raises `BadValueError` as `changed` does."""
        if not agency and not kind:
            house = replace(Rules(), agencies=self.agencies, kinds=self.kinds).changed(changes)
            for own in (*self.agencies.values(), *self.kinds.values()):
                house.changed(own)
            return house
        if kind:
            for group in changes:
                if agency or (group in GROUPS and group not in KIND_GROUPS):
                    words = f"a kind of unit or incident has its own {' and '.join(KIND_GROUPS)}, whatever its agency"
                    raise BadValueError(f"/{group}", "whole_server", words)
        self.changed(changes)
        # floats all, as a checkpoint has them: equal folds are equal after it too
        own = {group: {name: float(value) for name, value in some.items()} for group, some in changes.items()}
        others = dict(self.kinds if kind else self.agencies)
        others.pop(kind or agency, None)
        if own:
            others[kind or agency] = own
        return replace(self, kinds=others) if kind else replace(self, agencies=others)

    @cached_property
    def rules_id(self) -> str:
        """Sixteen hex digits that name these exact numbers."""
        numbers = asdict(self)
        del numbers["session"], numbers["timer"]  # no ranking hangs on them
        if self.pace == PaceRules():  # so that rules from before there was such a thing keep their name
            del numbers["pace"]
        own = {kind: {k: v for k, v in groups.items() if k != "timer"} for kind, groups in self.kinds.items()}
        numbers["kinds"] = {kind: groups for kind, groups in own.items() if groups}
        if not numbers["kinds"]:  # so that rules from before there was such a thing keep their name
            del numbers["kinds"]
        return hashlib.sha256(repr(sorted(numbers.items())).encode()).hexdigest()[:16]


GROUPS = tuple(f.name for f in fields(Rules) if f.name not in ("agencies", "kinds"))
