"""Speed limits as people write them, and those that cannot be true."""

from __future__ import annotations

import pytest

from geo_backup.cartography.speeds import (
    MPH_COUNTRIES,
    NO_LIMIT_KMH,
    PLAUSIBLE_KMH,
    UNLIMITED,
    WALK_KMH,
    ZONE_KMH,
    posted_limits,
    speed_kmh,
)
from geo_backup.roads.network import WayClass

SMALL = (
    WayClass.RESIDENTIAL,
    WayClass.LIVING_STREET,
    WayClass.SERVICE,
    WayClass.UNCLASSIFIED,
    WayClass.TRACK,
    WayClass.PEDESTRIAN,
    WayClass.EMERGENCY_ACCESS,
    WayClass.ROAD,
    WayClass.UNKNOWN,
)


@pytest.mark.parametrize(
    ("text", "kmh"),
    [
        ("50", 50), ("30 mph", 48), ("30mph", 48), ("50 km/h", 50), ("10 knots", 19), ("none", NO_LIMIT_KMH),
        ("walk", 7), ("50; 40", 40), ("50;40", 40), ("signals", 0), ("variable", 0), ("RU:urban", 60),
        ("DE:rural", 100), ("DE:motorway", NO_LIMIT_KMH), ("DE:zone:30", 30), ("DE:30", 30), ("XX:urban", 50), ("", 0),
        ("fast", 0), ("0", 0), ("7,5", 8), ("999", 254), ("sign", 0), ("FR:zone30", 30), ("50kmh", 50), ("40 MPH", 64),
        ("30,0", 30), ("6.875 mph", 11), ("70|100", 70), ("50 / 30", 30), ("20 kn", 37), ("30 mp/h", 48), ("-50", 0),
        ("50 @ (22:00-06:00)", 0), ("80; 50 @ (22:00-06:00)", 80), ("80; 50 @ (Mo-Fr 07:00-17:00; Sa 08:00)", 80),
        ("9" * 400, 254), ("1e400", 0), ("nan", 0), ("inf", 0), ("50 furlongs", 0), ("AT:bicycle_road", 30),
    ],
)  # fmt: skip
def test_speed_limits_are_read_in_every_written_form(text: str, kmh: int) -> None:
    assert speed_kmh(text) == kmh


@pytest.mark.parametrize(
    ("text", "kmh"),
    [
        ("GB:zone20", 32), ("GB:20", 32), ("GB:zone:20", 32), ("gb:zone20", 32), ("UK:20", 32), ("GB:zone 20", 32),
        ("GB:20 mph", 32), ("GB:zone20mph", 32), ("US:zone25", 40), ("US:25", 40), ("US-CA:zone25", 40),
        ("US:CA:25", 40), ("IM:20", 32), ("GB-SCT:20", 32), ("US:40 km/h", 40),
        ("DE:zone30", 30), ("IL:zone30", 30), ("BE:zone30", 30), ("BE-VLG:urban", 50), ("BE:VLG:rural", 70),
    ],
)  # fmt: skip
def test_the_number_of_a_zone_is_one_of_its_country(text: str, kmh: int) -> None:
    assert speed_kmh(text) == kmh
    for key in ("maxspeed:type", "source:maxspeed", "zone:maxspeed", "zone:traffic", "maxspeed:type:forward"):
        assert posted_limits({key: text}, WayClass.RESIDENTIAL)[0] == kmh, key


def test_every_zone_of_every_country_is_read() -> None:
    for country, zones in ZONE_KMH.items():
        for zone, kmh in zones.items():
            assert speed_kmh(f"{country.replace('*', 'XX')}:{zone}") == kmh


def test_every_country_of_miles_reads_its_zones_in_miles() -> None:
    assert all(speed_kmh(f"{country}:zone20") == 32 for country in MPH_COUNTRIES)
    assert not any(speed_kmh(f"{country}:zone20") == 32 for country in ZONE_KMH if country not in MPH_COUNTRIES)


@pytest.mark.parametrize("text", ["none", "999", "300", "255", "200 mph", "0", "-1", "1", "130"])
@pytest.mark.parametrize("way_class", SMALL, ids=lambda c: c.name)
def test_a_limit_that_cannot_be_of_its_class_is_none(way_class: WayClass, text: str) -> None:
    for key in ("maxspeed", "maxspeed:forward", "maxspeed:motorcar"):
        posted = posted_limits({key: text}, way_class)
        assert (posted.along, posted.doubt) == (0, "implausible_limits"), key


@pytest.mark.parametrize("way_class", WayClass, ids=lambda c: c.name)
def test_what_is_posted_somewhere_on_earth_is_believed(way_class: WayClass) -> None:
    low, high = PLAUSIBLE_KMH[way_class]
    for kmh in (low, high):
        assert posted_limits({"maxspeed": str(kmh)}, way_class) == (kmh, kmh, "")
    for kmh in (low - 1, high + 1, 999):
        assert posted_limits({"maxspeed": str(kmh)}, way_class) == (0, 0, "implausible_limits")
    no_limit = NO_LIMIT_KMH if way_class in UNLIMITED else 0
    assert posted_limits({"maxspeed": "none"}, way_class)[:2] == (no_limit, no_limit)


def test_too_low_is_as_wrong_as_too_high() -> None:
    assert posted_limits({"maxspeed": "5 mph"}, WayClass.MOTORWAY) == (0, 0, "implausible_limits")
    assert posted_limits({"maxspeed": "5 mph"}, WayClass.RESIDENTIAL) == (8, 8, "")
    assert posted_limits({"maxspeed": "walk"}, WayClass.LIVING_STREET) == (WALK_KMH, WALK_KMH, "")


def test_what_cannot_be_believed_gives_way_to_the_next_key() -> None:
    tags = {"maxspeed": "300", "maxspeed:type": "GB:zone20"}
    assert posted_limits(tags, WayClass.RESIDENTIAL) == (32, 32, "implausible_limits")
    assert posted_limits({"source:maxspeed": "DE:rural"}, WayClass.TRACK) == (0, 0, "implausible_limits")
    assert posted_limits({"maxspeed": "signals", "maxspeed:type": "DE:urban"}, WayClass.PRIMARY) == (50, 50, "")
    assert posted_limits({"maxspeed": "fixme"}, WayClass.PRIMARY) == (0, 0, "unread_limits")
    assert posted_limits({"maxspeed": "50", "source:maxspeed": "survey"}, WayClass.PRIMARY) == (50, 50, "")


def test_a_limit_can_differ_by_direction() -> None:
    primary = WayClass.PRIMARY
    assert posted_limits({"maxspeed": "50", "maxspeed:backward": "30"}, primary)[:2] == (50, 30)
    assert posted_limits({"maxspeed:forward": "70"}, primary)[:2] == (70, 0)
    assert posted_limits({"maxspeed": "50", "maxspeed:backward": "999"}, primary) == (50, 50, "implausible_limits")
