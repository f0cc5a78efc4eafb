"""What road tags say."""

from __future__ import annotations

import pytest

from geo_backup.cartography.tags import NoRoad, Road, odd_access, read_road
from geo_backup.roads.network import EdgeFlag, WayClass, WayFlag

LEGAL = EdgeFlag.LEGAL


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
        # one end is closed to cars: a one-way street by another sign
        ({"access__backward": "no"}, LEGAL, 0),
        ({"access__backward": "restricted"}, LEGAL, 0),
        ({"motor_vehicle__forward": "agricultural"}, 0, LEGAL),
        ({"vehicle__backward": "agricultural", "psv": "yes"}, LEGAL, EdgeFlag.BUS),
        ({"access__backward": "no", "psv__backward": "designated"}, LEGAL, EdgeFlag.BUS),
        ({"access__backward": "no", "motor_vehicle": "yes"}, LEGAL, LEGAL),
        ({"motor_vehicle__backward": "destination"}, LEGAL, LEGAL | EdgeFlag.PRIVATE),
        ({"access__backward": "no", "oneway__emergency": "no"}, LEGAL, EdgeFlag.EMERGENCY),
        ({"oneway__motor_vehicle": "yes"}, LEGAL, 0),
        ({"oneway": "yes", "oneway__motorcar": "no"}, LEGAL, LEGAL),
        ({"oneway": "yes", "oneway__taxi": "no"}, LEGAL, EdgeFlag.BUS),
        ({"oneway": "-1", "psv__forward": "yes"}, EdgeFlag.BUS, LEGAL),
        # words of access
        ({"access": "psv"}, EdgeFlag.BUS, EdgeFlag.BUS),
        ({"vehicle": "customer"}, LEGAL | EdgeFlag.PRIVATE, LEGAL | EdgeFlag.PRIVATE),
        ({"motor_vehicle": "agricultural; destination"}, LEGAL | EdgeFlag.PRIVATE, LEGAL | EdgeFlag.PRIVATE),
        # on foot, unless cars are granted it
        (
            {"highway": "footway", "motor_vehicle": "permissive"},
            LEGAL | EdgeFlag.PEDESTRIAN,
            LEGAL | EdgeFlag.PEDESTRIAN,
        ),
        ({"highway": "pedestrian", "access": "permissive"}, LEGAL | EdgeFlag.PEDESTRIAN, LEGAL | EdgeFlag.PEDESTRIAN),
        ({"highway": "pedestrian", "access": "yes", "motor_vehicle": "no"}, EdgeFlag.PEDESTRIAN, EdgeFlag.PEDESTRIAN),
        ({"highway": "pedestrian", "access": "private"}, EdgeFlag.PEDESTRIAN, EdgeFlag.PEDESTRIAN),
        # roads at work, weak roads
        ({"construction": "minor"}, LEGAL, LEGAL),
        ({"maxweight": "1.5"}, EdgeFlag.EMERGENCY, EdgeFlag.EMERGENCY),
        ({"maxweight": "2.5 t"}, LEGAL, LEGAL),
        ({"maxweight": "1.5", "bridge": "yes"}, LEGAL, LEGAL),
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
        ({"highway": "footway", "motor_vehicle": "private"}, "not_a_road"),
        ({"highway": "path", "motorcar": "no", "motor_vehicle": "yes"}, "not_a_road"),
        ({"construction": "residential"}, "closed"),
        ({"smoothness": "impassable"}, "closed"),
        ({"access:forward": "no", "oneway": "yes"}, "closed"),
        ({"access": "restricted"}, "closed"),
        ({"oneway:motor_vehicle": "reversible"}, "reversible"),
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
    assert road(smoothness="very_horrible").way_flags == WayFlag.UNPAVED
    assert road(access__backward="no").way_flags == WayFlag.ONEWAY


@pytest.mark.parametrize(
    ("tags", "odd"),
    [
        ({"access": "residential"}, True),
        ({"access": "conditional=destination @ (Mo-Sa 07:30-14:00)"}, True),
        ({"access": "Schranke! Nur für Anwohner", "motor_vehicle": "destination"}, False),
        ({"vehicle:backward": "customer"}, True),
        ({"access": "no"}, False),
        ({"access": "destination;staff"}, False),
        ({}, False),
    ],
)
def test_a_word_of_access_nobody_knows_is_noticed(tags: dict[str, str], odd: bool) -> None:
    assert odd_access(tags) == odd


ON_FOOT_OR_WILD = ("path", "footway", "cycleway", "bridleway", "pedestrian", "track")

FOR_SIRENS = [
    {"motor_vehicle": "emergency"},
    {"motorcar": "emergency"},
    {"vehicle": "emergency"},
    {"access": "emergency"},
    {"access": "emergency", "bicycle": "designated", "foot": "designated"},
    {"access": "no", "motor_vehicle": "emergency"},
    {"access": "emergency", "motor_vehicle": "no"},
    {"motor_vehicle": "emergency;forestry"},
    {"access": "emergency_only"},
    {"service": "emergency_access", "access": "no"},
    {"emergency": "yes", "motor_vehicle": "no"},
    {"emergency": "designated", "access": "no"},
    {"emergency": "official", "access": "no"},
    {"emergency_vehicle": "yes", "access": "no"},
]


@pytest.mark.parametrize("highway", ON_FOOT_OR_WILD)
@pytest.mark.parametrize("tags", FOR_SIRENS, ids=str)
def test_what_is_open_to_emergency_vehicles_is_driven_by_sirens_alone(highway: str, tags: dict[str, str]) -> None:
    read = road(highway=highway, **tags)
    assert read.along & read.against & EdgeFlag.EMERGENCY
    assert not (read.along | read.against) & EdgeFlag.LEGAL


@pytest.mark.parametrize("tags", FOR_SIRENS, ids=str)
def test_emergency_no_has_the_last_word(tags: dict[str, str]) -> None:
    read = read_road({"highway": "path"} | tags | {"emergency": "no"})
    assert isinstance(read, NoRoad)


def test_a_path_may_be_open_to_emergency_vehicles_in_one_direction() -> None:
    read = road(highway="path", motor_vehicle__forward="emergency")
    assert (read.along, read.against) == (EdgeFlag.EMERGENCY, 0)
