"""Devices: which tracker reports for which unit, and by which of its trackers a unit is shown."""

from __future__ import annotations

from geo_backup.events import DeviceAssigned, PositionReported
from geo_backup.live_map.state import Delta, Device, LiveMap, Unit


def refuse_assigning(live_map: LiveMap, event: DeviceAssigned) -> str | None:
    known = event.device_id in live_map.devices
    if event.unit_id is None:
        return None if known else "unknown_device"
    if event.unit_id not in live_map.units:
        return "unknown_unit"
    return None if known or len(live_map.devices) < live_map.rules.limit.devices else "too_many_devices"


def assigned(live_map: LiveMap, event: DeviceAssigned) -> Delta:
    if event.unit_id is None:
        del live_map.devices[event.device_id]
    else:
        live_map.devices[event.device_id] = Device(event.unit_id, event.address)
    return Delta()


def is_another(live_map: LiveMap, unit: Unit, event: PositionReported, order_ms: int) -> bool:
    """Whether a fix is of another device than the one that its unit is shown by. The unit stays with that one until it
    has been silent, or the other more accurate, for `fix.device_hold_ms`: its marker must not jump between the two."""
    last, hold_ms = unit.fix, live_map.rules.fix.device_hold_ms
    if not (event.device_id and unit.device_id):
        return False  # a device without a name is not told from others
    if last is None or event.device_id == unit.device_id or order_ms - unit.order_ms >= hold_ms:
        unit.rival = unit.rival if event.device_id == unit.device_id else None
        return False
    if _error_m(event.fix.accuracy_m) >= _error_m(last.accuracy_m):
        unit.rival = None if unit.rival is not None and unit.rival[0] == event.device_id else unit.rival
        return True
    if unit.rival is None or unit.rival[0] != event.device_id:
        unit.rival = (event.device_id, order_ms)
    if order_ms - unit.rival[1] < hold_ms:
        return True
    unit.rival = None
    return False


def _error_m(accuracy_m: float | None) -> float:
    """Nobody said: anything is more accurate."""
    return float("inf") if accuracy_m is None else accuracy_m
