"""The ground on which all incidents lie: closures, the network, measured speeds, rules, beats and demand."""

from __future__ import annotations

from dataclasses import fields, replace

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
from geo_backup.rules import Rules


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
    live_map.network_id = event.network_id
    return NOTHING


def speeds(live_map: LiveMap, event: SpeedsAdopted) -> Delta:
    if event.speeds_id != speeds_id(event.packed):
        return Delta(ignored="bad_speeds")
    if event.speeds_id == (live_map.speeds.speeds_id if live_map.speeds else ""):
        return Delta(ignored="same_speeds")
    live_map.speeds = event if event.packed else None
    return Delta(speeds=True)


def rules(live_map: LiveMap, event: RulesAdopted) -> Delta:
    groups = {f.name: getattr(Rules(), f.name) for f in fields(Rules)}
    for name, changes in event.rules.items():
        if name not in groups:
            return Delta(ignored="unknown_rule")
        exact: dict[str, int | float] = {}
        for rule, value in changes.items():
            default = getattr(groups[name], rule, None)
            if default is None:
                return Delta(ignored="unknown_rule")
            # a rule of the wrong type would make every later event a fault
            if type(value) not in (int, type(default)) or not 0 <= value < float("inf"):
                return Delta(ignored="bad_rule")
            exact[rule] = type(default)(value)
        groups[name] = replace(groups[name], **exact)
    live_map.rules = Rules(**groups)
    return Delta(desk=True)


def beats(live_map: LiveMap, event: BeatsAdopted) -> Delta:
    live_map.beats = event.beats or None
    return Delta(desk=True)


def demand(live_map: LiveMap, event: DemandAdopted) -> Delta:
    if event.demand_id != speeds_id(event.packed):
        return Delta(ignored="bad_demand")
    live_map.demand = event if event.packed else None
    return Delta(desk=True)
