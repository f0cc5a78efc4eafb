"""The ground on which all incidents lie: closures, the network, measured speeds, what drives have taught, rules, beats
and demand."""

from __future__ import annotations

from functools import lru_cache

from geo_backup.errors import BadValueError
from geo_backup.events import (
    PACKED_MAX,
    TIME_MS,
    BeatsAdopted,
    ClosureAdded,
    ClosureLifted,
    DemandAdopted,
    DriveMeasured,
    NetworkAdopted,
    PaceLearned,
    RulesAdopted,
    SpeedsAdopted,
    speeds_id,
)
from geo_backup.live_map.fences import beats_gone, gone
from geo_backup.live_map.state import NOTHING, Closure, Delta, LiveMap
from geo_backup.roads.pace import MINUTE_MS, Lesson, Pace
from geo_backup.roads.punctuality import Kept, Punctuality

PROFILES_MOST = 50
"""Ways of driving that a log may know the pace of."""
DRIVE_MOST_MS = 86_400_000


def refuse_closure(live_map: LiveMap, event: ClosureAdded) -> str | None:
    if event.closure_id in live_map.closures:
        return "id_taken"
    return "too_many_closures" if len(live_map.closures) >= live_map.rules.limit.closures else None


def closure_added(live_map: LiveMap, event: ClosureAdded) -> Delta:
    live_map.closures[event.closure_id] = Closure(event.closure_id, event)
    live_map.fences = None
    return Delta(closures=(event.closure_id,))


def refuse_lifting(live_map: LiveMap, event: ClosureLifted) -> str | None:
    return None if event.closure_id in live_map.closures else "unknown_closure"


def closure_lifted(live_map: LiveMap, event: ClosureLifted) -> Delta:
    del live_map.closures[event.closure_id]
    return Delta(closures=(event.closure_id,), units=gone(live_map, {f"closure:{event.closure_id}"}))


def network(live_map: LiveMap, event: NetworkAdopted) -> Delta:
    live_map.network_id, live_map.extent = event.network_id, event.extent
    live_map.generation = max(live_map.generation, event.generation)
    return NOTHING


def refuse_speeds(live_map: LiveMap, event: SpeedsAdopted) -> str | None:
    if event.speeds_id != speeds_id(event.packed):
        return "bad_speeds"
    return "same_speeds" if event.speeds_id == (live_map.speeds.speeds_id if live_map.speeds else "") else None


def speeds(live_map: LiveMap, event: SpeedsAdopted) -> Delta:
    live_map.speeds = event if event.packed else None
    return Delta(speeds=True)


def refuse_lesson(live_map: LiveMap, event: PaceLearned) -> str | None:
    known = live_map.pace.get(event.profile)
    if (
        len(event.packed) > PACKED_MAX
        or not 0 <= event.minute <= TIME_MS[1] // MINUTE_MS
        or _sums(event.packed) is None
    ):
        return "bad_pace"
    if known is None:
        return "too_many_profiles" if len(live_map.pace) >= PROFILES_MOST else None
    return "old_pace" if event.minute < known.minute else None


def lesson(live_map: LiveMap, event: PaceLearned) -> Delta:
    taught, known = _sums(event.packed), live_map.pace.get(event.profile) or Pace.unlearned(event.minute)
    if taught is None:
        return NOTHING
    pace = known.at(event.minute, live_map.rules.pace).after(taught)
    live_map.pace = {**live_map.pace, event.profile: pace}
    return Delta(speeds=True)


@lru_cache(maxsize=4)
def _sums(packed: str) -> Lesson | None:
    """None where they are none. Asked for when an event is judged, and when it is folded."""
    try:
        return Lesson.unpacked(packed)
    except BadValueError:
        return None


def refuse_drive(live_map: LiveMap, event: DriveMeasured) -> str | None:
    if not (0 < event.field_ms <= DRIVE_MOST_MS and 0 < event.took_ms <= DRIVE_MOST_MS):
        return "bad_drive"
    if not TIME_MS[0] <= event.start_ms <= TIME_MS[1]:
        return "bad_drive"
    full = event.profile not in live_map.punctuality and len(live_map.punctuality) >= PROFILES_MOST
    return "too_many_profiles" if full else None


def drive(live_map: LiveMap, event: DriveMeasured) -> Delta:
    known = live_map.punctuality.get(event.profile) or Punctuality()
    kept = known.after(Kept(event.start_ms + event.took_ms, event.field_ms, event.took_ms))
    live_map.punctuality = {**live_map.punctuality, event.profile: kept}
    return NOTHING


def refuse_rules(live_map: LiveMap, event: RulesAdopted) -> str | None:
    now, whose = live_map.rules, event.kind or event.agency
    known = now.kinds if event.kind else now.agencies
    if whose and event.rules and whose not in known and len(known) >= now.limit.agreements:
        return "too_many_kinds" if event.kind else "too_many_agencies"
    try:
        now.adopted(event.rules, event.agency, event.kind)
    except BadValueError as error:
        return error.reason
    return None


def rules(live_map: LiveMap, event: RulesAdopted) -> Delta:
    live_map.rules = live_map.rules.adopted(event.rules, event.agency, event.kind)
    return Delta(desk=True)


def beats(live_map: LiveMap, event: BeatsAdopted) -> Delta:
    live_map.beats = event.beats or None
    return Delta(desk=True, units=beats_gone(live_map))


def refuse_demand(live_map: LiveMap, event: DemandAdopted) -> str | None:
    return None if event.demand_id == speeds_id(event.packed) else "bad_demand"


def demand(live_map: LiveMap, event: DemandAdopted) -> Delta:
    live_map.demand = event if event.packed else None
    return Delta(desk=True)
