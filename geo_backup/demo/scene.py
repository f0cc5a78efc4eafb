"""The demo's scene: a fleet that patrols the map of a node, and drives to the incidents that people send it to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from geo_backup.backup.standing import Standing
from geo_backup.demo.vehicles import PING_MS, Fleet
from geo_backup.node import Node
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.weights import Weights

TICK_S = 0.2


async def set_scene(node: Node, units: int, seed: int) -> Callable[[], Coroutine[Any, Any, None]]:
    """Put so many vehicles on the map of a started node; what comes back drives them until it is cancelled."""
    now_ms = node.clock.now_ms()
    fleet = Fleet(node.network, units, seed, now_ms - PING_MS)  # so that each has a position when the page opens
    await node.submit(*fleet.registrations(now_ms))
    await node.submit(*fleet.tick(now_ms, node.live_map))
    return partial(_drive, node, fleet)


async def _drive(node: Node, fleet: Fleet) -> None:
    while True:
        live_map = node.live_map
        wanted = {unit.incident_id for unit in live_map.units.values() if unit.incident_id is not None}
        fields, fleet.patrol_weights = await node.read_field(partial(_roads_now, wanted))
        fleet.field_for = fields.get
        await node.submit(*fleet.tick(node.clock.now_ms(), live_map))
        await asyncio.sleep(TICK_S)


def _roads_now(incident_ids: set[str], standing: Standing) -> tuple[dict[str, ArrivalField | None], Weights]:
    """What simulated drivers know: the fields of their incidents, and the roads that are closed to patrols."""
    fields = {
        incident_id: standing.field_to_keep(incident_id)
        for incident_id in incident_ids
        if standing.is_open(incident_id)
    }
    return fields, standing.weights("routine")
