"""Devices: whose tracker it is, and by which of its trackers a unit is shown."""

from __future__ import annotations

from geo_backup.events import DeviceAssigned, EmergencyDeclared, Fix, NetworkAdopted, PositionReported, UnitRetired
from geo_backup.live_map import Device, LiveMap
from geo_backup.live_map.state import GENERATION
from geo_backup.wire import checkpoint
from tests.stories import fold, ms, tell, told, unit

START = NetworkAdopted(received_ms=ms(0), network_id="n", area="a", software_version="1", generation=GENERATION)


def said(device_id: str, s: float, accuracy_m: float | None = None) -> PositionReported:
    """P1 drives east, 10 m/s, whichever of its devices says so."""
    fix = Fix(ms(s), 11.97 + 0.00016 * s, 57.70, accuracy_m=accuracy_m)
    return PositionReported(received_ms=ms(s), unit_id="P1", fix=fix, device_id=device_id)


def shown(live_map: LiveMap) -> tuple[str, float]:
    """The device that P1 is shown by, and the second of its fix."""
    one = live_map.units["P1"]
    assert one.fix is not None
    return one.device_id, (one.fix.fix_ms - ms(0)) / 1000


def test_a_unit_stays_with_its_device_while_that_speaks() -> None:
    live_map = fold([START, unit("P1"), said("modem", 0)])
    for s in range(1, 60, 2):
        assert told(live_map, said("phone", s)).ignored == "other_device"
        assert told(live_map, said("modem", s + 1)).ignored is None
    assert shown(live_map) == ("modem", 60)


def test_another_takes_over_once_it_is_silent() -> None:
    live_map = fold([START, unit("P1"), said("modem", 0)])
    assert [told(live_map, said("phone", s)).ignored for s in (3, 6, 9)] == ["other_device"] * 3
    delta = told(live_map, said("phone", 10))
    assert (delta.ignored, delta.units) == (None, ("P1",))
    assert shown(live_map) == ("phone", 10)
    assert told(live_map, said("modem", 11)).ignored == "other_device"


def test_a_more_accurate_one_takes_over_after_a_while() -> None:
    live_map = fold([START, unit("P1"), said("phone", 0, 50.0)])
    for s in range(1, 11):
        tell(live_map, said("modem", s, 4.0), said("phone", s + 0.5, 50.0))
    assert shown(live_map) == ("phone", 10.5)
    tell(live_map, said("modem", 11, 4.0))
    assert shown(live_map) == ("modem", 11)


def test_one_good_fix_between_bad_ones_moves_nothing() -> None:
    live_map = fold([START, unit("P1"), said("modem", 0, 10.0)])
    for s in range(1, 40):
        tell(live_map, said("phone", s, 4.0 if s % 5 else 80.0), said("modem", s + 0.5, 10.0))
    assert shown(live_map) == ("modem", 39.5)


def test_a_log_from_before_takes_each_device_at_its_word() -> None:
    before = NetworkAdopted(received_ms=ms(0), network_id="n", area="a", software_version="1", generation=3)
    live_map = fold([before, unit("P1"), said("modem", 0), said("phone", 1)])
    assert shown(live_map) == ("phone", 1)


def test_a_device_is_given_and_taken() -> None:
    live_map = fold([unit("P1"), unit("P2")])

    def give(device_id: str, unit_id: str | None, address: str = "") -> str | None:
        event = DeviceAssigned(received_ms=ms(1), device_id=device_id, unit_id=unit_id, address=address)
        return told(live_map, event).ignored

    assert give("d1", None) == "unknown_device"
    assert give("d1", "nobody") == "unknown_unit"
    assert give("d1", "P1", "10.0.0.7") is None
    assert live_map.devices == {"d1": Device("P1", "10.0.0.7")}
    assert give("d1", "P2") is None
    assert checkpoint.parse(checkpoint.dump(live_map)).devices == {"d1": Device("P2")}
    tell(live_map, UnitRetired(received_ms=ms(2), unit_id="P2"))
    assert live_map.devices == {}


def test_who_is_not_sure_to_have_pressed_moves_no_unit() -> None:
    live_map = fold([START, unit("P1"), said("modem", 0)])
    press = EmergencyDeclared(
        received_ms=ms(1), emergency_id="E1", unit_id="udp:P1", lon=11.9, lat=57.7, placed_by="alert",
        source="device", unlisted=True, verified=False,
    )  # fmt: skip
    tell(live_map, press, press)
    emergency = live_map.incidents["E1"].emergency
    assert emergency is not None
    assert (emergency.verified, emergency.presses) == (False, 2)
    assert (live_map.units["P1"].emergency_id, live_map.units["P1"].pinned_by) == (None, ())
