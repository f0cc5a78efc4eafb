"""The ground on which all incidents lie: closures, the network, measured speeds, rules, beats and demand."""

from __future__ import annotations

from geo_backup.errors import BadValueError
from geo_backup.events import (
    BeatsAdopted,
    ClosureAdded,
    ClosureLifted,
    DemandAdopted,
    NetworkAdopted,
    RulesAdopted,
    SpeedsAdopted,
    speeds_id,
)
from geo_backup.live_map.state import NOTHING, Closure, Delta, LiveMap


def closure_added(live_map: LiveMap, event: ClosureAdded) -> Delta:
    if event.closure_id in live_map.closures:
        return Delta(ignored="id_taken")
    if len(live_map.closures) >= live_map.rules.limit.closures:
        return Delta(ignored="too_many_closures")
    live_map.closures[event.closure_id] = Closure(event.closure_id, event)
    return Delta(closures=(event.closure_id,))


def closure_lifted(live_map: LiveMap, event: ClosureLifted) -> Delta:
    if live_map.closures.pop(event.closure_id, None) is None:
        return Delta(ignored="unknown_closure")
    return Delta(closures=(event.closure_id,))


def network(live_map: LiveMap, event: NetworkAdopted) -> Delta:
    live_map.network_id, live_map.extent = event.network_id, event.extent
    return NOTHING


def speeds(live_map: LiveMap, event: SpeedsAdopted) -> Delta:
    if event.speeds_id != speeds_id(event.packed):
        return Delta(ignored="bad_speeds")
    if event.speeds_id == (live_map.speeds.speeds_id if live_map.speeds else ""):
        return Delta(ignored="same_speeds")
    live_map.speeds = event if event.packed else None
    return Delta(speeds=True)


def rules(live_map: LiveMap, event: RulesAdopted) -> Delta:
    now, whose = live_map.rules, event.kind or event.agency
    known = now.kinds if event.kind else now.agencies
    if whose and event.rules and whose not in known and len(known) >= now.limit.agreements:
        return Delta(ignored="too_many_kinds" if event.kind else "too_many_agencies")
    try:
        live_map.rules = now.adopted(event.rules, event.agency, event.kind)
    except BadValueError as error:
        return Delta(ignored=error.reason)
    return Delta(desk=True)


def beats(live_map: LiveMap, event: BeatsAdopted) -> Delta:
    live_map.beats = event.beats or None
    return Delta(desk=True)


def demand(live_map: LiveMap, event: DemandAdopted) -> Delta:
    if event.demand_id != speeds_id(event.packed):
        return Delta(ignored="bad_demand")
    live_map.demand = event if event.packed else None
    return Delta(desk=True)
