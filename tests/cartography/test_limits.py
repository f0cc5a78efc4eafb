"""Physical limits as people write them."""

from __future__ import annotations

import pytest

from geo_backup.cartography.limits import length_dm, physical_limits, unread_limits, weight_100kg


@pytest.mark.parametrize(
    ("text", "dm"),
    [
        ("3.5", 35), ("3.5 m", 35), ("3,5", 35), ("3.85", 38), ("3.3", 33), ("4", 40), ("350 cm", 35), ("4.4m", 44),
        ("3'6\"", 10), ("13'8\"", 41), ("12'", 36), ("12 ft", 36), ("12ft 6in", 38), ("13’8”", 41), ("150 in", 38),
        ("3.8; 3.6", 36), ("none", 0), ("default", 0), ("below_default", 0), ("no", 0), ("", 0), ("high", 0),
        ("3.5 furlongs", 0), ("6'-6\"", 19), ("6' 6\"", 19), ("6'6\"", 19), ("6ft6in", 19), ("6 ft 6 in", 19),
        ("6 feet 6 inches", 19), ("6'6''", 19), ("6′ 6″", 19), ("6ft. 6in.", 19), ("6'6", 19), ("13'-6 1/2\"", 41),
        ("2,3", 23), ("2.3 m", 23), ("230 cm", 23), ("2,30 m", 23), ("2300 mm", 23), ("2.300 mm", 23), ("23 dm", 23),
        ("-2", 0), ("0", 0), ("9999999", 32767), ("9" * 400, 32767), ("1e400", 0), ("0.04", 1),
    ],
)  # fmt: skip
def test_lengths_round_down(text: str, dm: int) -> None:
    assert length_dm(text) == dm


@pytest.mark.parametrize(
    ("text", "tenths"),
    [
        ("7.5", 75), ("3.5 t", 35), ("18", 180), ("3500 kg", 35), ("10 st", 90), ("10 short tons", 90),
        ("10 tons", 100), ("3500kg", 35), ("3,5 t", 35), ("3,5", 35), ("20,000 lbs", 90), ("3.500 kg", 35),
        ("3 metric tons", 30), ("10 long tons", 101), ("80,000 pounds", 362), ("7000 lbs", 31), ("none", 0),
        ("default", 0), ("7.5; 3.5", 35), ("", 0),
    ],
)  # fmt: skip
def test_weights_round_down(text: str, tenths: int) -> None:
    assert weight_100kg(text) == tenths


def test_what_is_measured_wins_over_what_is_signed() -> None:
    assert physical_limits({"maxheight": "3.8", "maxheight:physical": "4.1"}, bridge=False) == (41, 0, 0)
    assert physical_limits({"maxheight": "3.8", "maxheight:physical": "below_default"}, bridge=False) == (38, 0, 0)
    assert physical_limits({"maxheight:forward": "13'1\"", "maxheight:backward": "14'1\""}, bridge=False) == (39, 0, 0)
    assert physical_limits({"maxwidth": "2.2", "maxwidth:physical": "2.5"}, bridge=False) == (0, 25, 0)


@pytest.mark.parametrize("key", ["maxheight", "maxwidth", "maxweight"])
@pytest.mark.parametrize("side", ["forward", "backward"])
def test_a_limit_of_one_direction_is_none_of_the_other(key: str, side: str) -> None:
    tags, other = {f"{key}:{side}": "3"}, {"forward": "backward", "backward": "forward"}[side]
    assert max(physical_limits(tags, bridge=True, sides=(side,))) == 30
    assert physical_limits(tags, bridge=True, sides=(other,)) == (0, 0, 0)


@pytest.mark.parametrize(("text", "unread"), [("high", True), ("3.5 furlongs", True), ("none", False), ("3.5", False)])
def test_a_limit_nobody_can_read_is_noticed(text: str, unread: bool) -> None:
    assert all(unread_limits({key: text}) is unread for key in ("maxheight", "maxwidth"))


def test_only_a_bridge_breaks_under_a_weight() -> None:
    """7.5 t on a residential street is a sign for lorries; a fire engine may pass it."""
    assert physical_limits({"maxweight": "7.5"}, bridge=False) == (0, 0, 0)
    assert physical_limits({"maxweight": "7.5"}, bridge=True) == (0, 0, 75)
