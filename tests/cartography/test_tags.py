"""What road tags say."""

from __future__ import annotations

import pytest

from geo_backup.cartography.tags import NO_LIMIT_KMH, NoRoad, Road, read_road, speed_kmh, speed_limits_kmh
from geo_backup.roads.network import EdgeFlag, WayClass, WayFlag

LEGAL = EdgeFlag.LEGAL


@pytest.mark.parametrize(
    ("text", "kmh"),
    [
        ("50", 50), ("30 mph", 48), ("30mph", 48), ("50 km/h", 50), ("10 knots", 19), ("none", NO_LIMIT_KMH),
        ("walk", 7), ("50; 40", 40), ("50;40", 40), ("signals", 0), ("variable", 0), ("RU:urban", 60),
        ("DE:rural", 100), ("DE:motorway", NO_LIMIT_KMH), ("DE:zone:30", 30), ("DE:30", 30), ("XX:urban", 50), ("", 0),
        ("fast", 0), ("0", 0), ("7,5", 8), ("999", 255), ("sign", 0), ("FR:zone30", 30),
    ],
)  # fmt: skip
def test_speed_limits_are_read_in_every_written_form(text: str, kmh: int) -> None:
    assert speed_kmh(text) == kmh


def test_a_limit_can_differ_by_direction() -> None:
    assert speed_limits_kmh({"maxspeed": "50", "maxspeed:backward": "30"}) == (50, 30)
    assert speed_limits_kmh({"maxspeed:forward": "70"}) == (70, 0)
    assert speed_limits_kmh({"maxspeed": "signals", "maxspeed:type": "DE:urban"}) == (50, 50)


def road(**tags: str) -> Road:
    read = read_road({"highway": "residential"} | {k.replace("__", ":"): v for k, v in tags.items()})
    assert isinstance(read, Road), read
    return read


@pytest.mark.parametrize(
    ("tags", "along", "against"),
    [
        ({}, LEGAL, LEGAL),
        ({"oneway": "yes"}, LEGAL, 0),
        ({"oneway": "1"}, LEGAL, 0),
        ({"oneway": "true"}, LEGAL, 0),
        ({"oneway": "-1"}, 0, LEGAL),
        ({"oneway": "alternating"}, LEGAL, LEGAL),
        ({"junction": "roundabout"}, LEGAL, 0),
        ({"highway": "motorway"}, LEGAL, 0),
        ({"highway": "motorway_link"}, LEGAL, 0),
        ({"highway": "motorway_link", "oneway": "no"}, LEGAL, LEGAL),
        ({"oneway": "yes", "oneway__bus": "no"}, LEGAL, EdgeFlag.BUS),
        ({"access": "private"}, LEGAL | EdgeFlag.PRIVATE, LEGAL | EdgeFlag.PRIVATE),
        ({"access": "no", "motor_vehicle": "destination"}, LEGAL | EdgeFlag.PRIVATE, LEGAL | EdgeFlag.PRIVATE),
        ({"access": "no", "psv": "yes"}, EdgeFlag.BUS, EdgeFlag.BUS),
        ({"access": "no", "emergency": "yes"}, EdgeFlag.EMERGENCY, EdgeFlag.EMERGENCY),
        ({"highway": "service", "service": "emergency_access"}, EdgeFlag.EMERGENCY, EdgeFlag.EMERGENCY),
        ({"highway": "footway", "emergency": "designated"}, EdgeFlag.EMERGENCY, EdgeFlag.EMERGENCY),
        ({"highway": "pedestrian"}, EdgeFlag.PEDESTRIAN, EdgeFlag.PEDESTRIAN),
        (
            {"highway": "pedestrian", "motor_vehicle": "delivery"},
            LEGAL | EdgeFlag.PRIVATE | EdgeFlag.PEDESTRIAN,
            LEGAL | EdgeFlag.PRIVATE | EdgeFlag.PEDESTRIAN,
        ),
        ({"highway": "busway"}, EdgeFlag.BUS, EdgeFlag.BUS),
        (
            {"highway": "busway", "emergency": "yes"},
            EdgeFlag.BUS | EdgeFlag.EMERGENCY,
            EdgeFlag.BUS | EdgeFlag.EMERGENCY,
        ),
        (
            {"access": "no", "bus": "yes", "emergency": "yes"},
            EdgeFlag.BUS | EdgeFlag.EMERGENCY,
            EdgeFlag.BUS | EdgeFlag.EMERGENCY,
        ),
        ({"motor_vehicle": "emergency"}, EdgeFlag.EMERGENCY, EdgeFlag.EMERGENCY),
        ({"emergency": "no"}, LEGAL, LEGAL),
        ({"oneway": "yes", "oneway__emergency": "no"}, LEGAL, EdgeFlag.EMERGENCY),
        # a crossover of a motorway
        ({"highway": "service", "access": "no", "emergency": "yes"}, EdgeFlag.EMERGENCY, EdgeFlag.EMERGENCY),
        ({"highway": "service", "service": "emergency", "access": "no"}, EdgeFlag.EMERGENCY, EdgeFlag.EMERGENCY),
    ],
)
def test_who_may_drive_in_which_direction(tags: dict[str, str], along: int, against: int) -> None:
    read = road(**tags)
    assert (read.along, read.against) == (along, against)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"highway": "footway"}, "not_a_road"),
        ({"highway": "construction"}, "not_a_road"),
        ({"highway": "residential", "area": "yes"}, "area"),
        ({"highway": "residential", "access": "no"}, "closed"),
        ({"highway": "pedestrian", "access": "no"}, "closed"),
        ({"highway": "track", "motor_vehicle": "agricultural"}, "closed"),
        ({"highway": "primary", "oneway": "reversible"}, "reversible"),
        ({"highway": "busway", "emergency": "no"}, "closed"),
        ({"access": "no", "psv": "yes", "emergency": "no"}, "closed"),
        ({"highway": "pedestrian", "emergency": "no"}, "closed"),
        ({"highway": "service", "service": "emergency_access", "emergency": "no"}, "closed"),
    ],
)
def test_what_is_left_out_has_a_reason(tags: dict[str, str], reason: str) -> None:
    assert read_road({"highway": "residential"} | tags) == NoRoad(reason)


def test_structure_and_names() -> None:
    read = road(highway="primary", bridge="viaduct", layer="2", name="Götaälv  bron", surface="gravel")
    assert (read.way_class, read.layer, read.name) == (WayClass.PRIMARY, 2, "Götaälv bron")
    assert read.way_flags == WayFlag.BRIDGE | WayFlag.UNPAVED
    assert road(ref="A 5", layer="up").name == "A 5"
