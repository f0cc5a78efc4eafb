"""Devices over HTTP: whose tracker it is, and how it was last heard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from geo_backup.events import DeviceAssigned
from geo_backup.node import Node
from geo_backup.people import Principal
from geo_backup.server.access import speaks_for
from geo_backup.server.answers import told
from geo_backup.server.given import DeviceId, TheNode, TheSources, routes_of
from geo_backup.server.problems import Problem, bad_value, may
from geo_backup.server.sources import Source, plain
from geo_backup.server.speaker import speaking
from geo_backup.server.writes import NO_DEVICE, new_id, no_unit, record
from geo_backup.wire import documents
from geo_backup.wire.requests import DeviceOwner
from geo_backup.wire.times import to_text
from geo_backup.wire.told import Told

routes = routes_of("Units")


@routes.get("/devices")
async def list_devices(node: TheNode, sources: TheSources, unit_id: str | None = None) -> Told[documents.DeviceList]:
    """Trackers that were given to units, and those that were heard here, with what somebody should look at: another
    address, two that speak as one, a wrong clock."""
    return told({"devices": [one for one in _devices(node, sources.by_device) if unit_id in (None, one["unit_id"])]})


@routes.put("/devices/{device_id}", responses=may(404, 429))
async def assign_device(
    node: TheNode, sources: TheSources, device_id: DeviceId, body: DeviceOwner
) -> Told[documents.Device]:
    """From now on this tracker reports for that unit, whatever it calls itself; a token with the device's name as its
    id speaks for that unit too. `address` is where it speaks from by a way without secrets: its calls for help are
    verified then."""
    if body.unit_id not in node.live_map.units or not speaks_for(speaking(), "fleet", node.live_map, body.unit_id):
        raise no_unit()
    try:
        address = plain(body.address) if body.address else ""
    except ValueError:
        raise bad_value("/address", "address", "is the IP address of one device, such as 10.8.0.17") from None
    await _assign(node, device_id, body.unit_id, address)
    return told(_device(node, device_id, sources.by_device.get(device_id)))


@routes.delete("/devices/{device_id}", status_code=204, responses=may(404))
async def forget_device(node: TheNode, sources: TheSources, device_id: DeviceId) -> None:
    """Nobody knows this tracker any more: what it says goes into quarantine, and its calls for help are unverified."""
    await _assign(node, device_id, None)
    sources.spoke_for(device_id, "")


async def _assign(node: Node, device_id: str, unit_id: str | None, address: str = "") -> None:
    if not _may_know(node, speaking(), device_id):
        raise Problem(404, NO_DEVICE)
    event = DeviceAssigned(
        event_id=new_id("device"),
        received_ms=node.clock.now_ms(),
        device_id=device_id,
        unit_id=unit_id,
        address=address,
    )
    await record(node, event)


def _devices(node: Node, heard: Mapping[str, Source]) -> Iterator[documents.Device]:
    who = speaking()
    for device_id in list(dict.fromkeys((*node.live_map.devices, *heard))):
        if _may_know(node, who, device_id):
            yield _device(node, device_id, heard.get(device_id))


def _may_know(node: Node, who: Principal, device_id: str) -> bool:
    owner = node.live_map.devices.get(device_id)
    return owner is None or speaks_for(who, "fleet", node.live_map, owner.unit_id)


def _device(node: Node, device_id: str, source: Source | None) -> documents.Device:
    owner = node.live_map.devices.get(device_id)
    unit_id = owner.unit_id if owner is not None else device_id if device_id in node.live_map.units else None
    unit = node.live_map.units.get(unit_id or "")
    said = {} if source is None else {"way": source.way, "address": source.address}
    skew_ms = None if source is None else source.skew_ms
    return {
        "device_id": device_id,
        "unit_id": unit_id,
        "pinned_address": "" if owner is None else owner.address,
        "shown": unit is not None and unit.device_id == device_id,
        "way": said.get("way", ""),
        "address": said.get("address", ""),
        "heard_time": None if source is None else to_text(source.heard_ms),
        "messages": 0 if source is None else source.messages,
        "clock_behind_s": None if skew_ms is None else skew_ms / 1000,
        "flags": [] if source is None else list(source.flags(node.clock.now_ms())),
    }
