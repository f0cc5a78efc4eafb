"""The hand-over over HTTP: everything that whoever takes over must know, in one document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query, Request

from geo_backup.live_map import Incident
from geo_backup.node import Node
from geo_backup.server.answers import told
from geo_backup.server.given import TheGazetteer, TheNode, routes_of
from geo_backup.server.look_back import DAY_MS, HOUR_MS, closed_since, span
from geo_backup.server.looks import looks_back
from geo_backup.server.places import names_for
from geo_backup.wire import documents
from geo_backup.wire.requests import Time
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Told

SHIFT_MS = 8 * HOUR_MS
FINISHED_MAX = 200
PLANS_TOLD = ("draft", "approved", "active")

routes = routes_of("History")


@routes.get("/handover")
async def get_handover(
    node: TheNode, places: TheGazetteer, request: Request, since: Annotated[Time | None, Query()] = None
) -> Told[documents.Handover]:
    """What whoever takes over must know: open incidents, who is where, what is promised, closures, plans, timers, and
    the incidents that ended since the shift began (`since`, usually eight hours ago, at most a day)."""
    now_ms = node.clock.now_ms()
    since_ms, now_ms = span(since, None, now_ms, SHIFT_MS, DAY_MS, "/since")
    finished = await closed_since(node, since_ms, now_ms, FINISHED_MAX + 1)
    await looks_back(node, request, "handover", to_text(since_ms))
    fixes = {unit.unit_id: unit.fix for unit in node.live_map.units.values() if unit.fix is not None}
    names = await names_for(places, {unit_id: (fix.lon, fix.lat) for unit_id, fix in fixes.items()})
    document = _document(node, since_ms, now_ms, names)
    document["finished"], document["finished_more"] = finished[:FINISHED_MAX], len(finished) > FINISHED_MAX
    return told(document)


def _urgency(seen: tuple[Incident, bool]) -> tuple[bool, int, int, int, str]:
    """As a desk lists them: practice after what is real; alarms, emergencies in hand, then by priority."""
    incident, emergency = seen[0], seen[0].emergency
    rank = 2 if emergency is None or not emergency.stands else 0 if emergency.alarms else 1
    return incident.exercise, rank, incident.priority, incident.opened_ms, incident.incident_id


def _document(node: Node, since_ms: int, now_ms: int, names: Mapping[str, str]) -> documents.Handover:
    live_map = node.live_map
    timers = (timer for name in node.timers.due() if (timer := node.timers.timer(name)) is not None)
    plans = [plan for plan in live_map.plans.values() if plan.state in PLANS_TOLD and plan.made.ends_ms > now_ms]
    return {
        "as_of_time": to_text(now_ms),
        "since_time": to_text(since_ms),
        "timezone": node.network.area.timezone,
        "incidents": [documents.incident(*seen) for seen in sorted(node.alarms.open_incidents(), key=_urgency)],
        "units": [
            documents.on_duty(live_map, unit, now_ms, names.get(unit.unit_id, "")) for unit in live_map.units.values()
        ],
        "promised": list(documents.promises(live_map)),
        "closures": [documents.closure(one, node.cuts[name]) for name, one in live_map.closures.items()],
        "plans": [documents.plan(plan) for plan in plans],
        "timers": [documents.timer(one, live_map.timers.get(one.timer_id), now_ms) for one in timers],
        "finished": [],
        "finished_more": False,
    }
