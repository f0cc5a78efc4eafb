"""What stands at a node of a road."""

from __future__ import annotations

import pytest

from geo_backup.cartography.nodes import Barrier, NodeFacts, read_barrier, read_node

NONE, GATE, LOCKED, BLOCKED, UNKNOWN = Barrier


@pytest.mark.parametrize(
    ("tags", "barrier"),
    [
        ({"barrier": "gate"}, GATE),
        ({"barrier": "lift_gate"}, GATE),
        ({"barrier": "gate", "access": "yes"}, NONE),
        ({"barrier": "swing_gate", "motor_vehicle": "permissive"}, NONE),
        ({"barrier": "gate", "access": "private"}, GATE),
        ({"barrier": "lift_gate", "motorcar": "customers"}, GATE),
        ({"barrier": "gate", "access": "no", "motorcar": "yes"}, NONE),
        ({"barrier": "gate", "access": "no"}, LOCKED),
        ({"barrier": "gate", "motor_vehicle": "agricultural;forestry"}, LOCKED),
        ({"barrier": "gate", "access": "emergency"}, LOCKED),
        ({"barrier": "gate", "locked": "yes"}, LOCKED),
        ({"barrier": "gate", "locked": "yes", "access": "private"}, LOCKED),
        ({"barrier": "gate", "access": "no", "emergency": "yes"}, LOCKED),
        ({"barrier": "gate", "access": "no", "emergency": "no"}, BLOCKED),
        ({"barrier": "bollard"}, BLOCKED),
        ({"barrier": "bollard", "access": "no"}, BLOCKED),
        ({"barrier": "bollard", "bicycle": "yes", "foot": "yes"}, BLOCKED),
        ({"barrier": "bollard", "bollard": "removable"}, LOCKED),
        ({"barrier": "bollard", "bollard": "rising", "bus": "yes"}, LOCKED),
        ({"barrier": "bollard", "bollard": "fixed"}, BLOCKED),
        ({"barrier": "bollard", "emergency": "yes"}, LOCKED),
        ({"barrier": "bollard", "motor_vehicle": "private"}, LOCKED),
        ({"barrier": "bollard", "motor_vehicle": "yes"}, GATE),
        ({"barrier": "bollard", "bollard": "removable", "emergency": "no"}, BLOCKED),
        ({"barrier": "cycle_barrier"}, BLOCKED),
        ({"barrier": "bus_trap", "bus": "no"}, BLOCKED),
        ({"barrier": "sump_buster"}, BLOCKED),
        ({"barrier": "kerb"}, NONE),
        ({"barrier": "height_restrictor", "maxheight": "2.1"}, NONE),
        ({"barrier": "toll_booth"}, NONE),
        ({"barrier": "border_control", "access": "no"}, LOCKED),
        ({"barrier": "gate", "access": "customer"}, GATE),
        ({"barrier": "chicane"}, NONE),
        ({"barrier": "chicane", "motorcar": "no"}, LOCKED),
        ({"barrier": "kissing_gate"}, BLOCKED),
        ({"barrier": "yes"}, LOCKED),
        ({"barrier": "yes", "access": "private"}, GATE),
        ({"barrier": "yes", "access": "yes"}, NONE),
        # no barrier, and yet nobody is let through
        ({"access": "no"}, LOCKED),
        ({"access": "no", "vehicle": "forestry"}, LOCKED),
        ({"access": "no", "vehicle": "destination"}, NONE),
        ({"access": "no", "emergency": "no"}, BLOCKED),
        ({"access": "no", "entrance": "service"}, NONE),
        ({"access": "no", "amenity": "parking_entrance"}, NONE),
        ({"motor_vehicle": "no", "highway": "crossing"}, NONE),
        ({"barrier": "dragon"}, UNKNOWN),
        ({}, NONE),
    ],
)
def test_a_barrier_is_passed_as_its_own_tags_say(tags: dict[str, str], barrier: Barrier) -> None:
    assert read_barrier(tags) == barrier


@pytest.mark.parametrize(
    ("tags", "facts"),
    [
        ({"highway": "traffic_signals", "traffic_signals:direction": "backward"}, NodeFacts(signals=True, facing=-1)),
        ({"highway": "crossing", "crossing": "traffic_signals"}, NodeFacts(signals=True)),
        ({"highway": "crossing", "crossing": "marked", "crossing:signals": "yes"}, NodeFacts(signals=True)),
        ({"highway": "crossing", "crossing": "zebra"}, None),
        ({"highway": "traffic_signals", "traffic_signals": "emergency"}, None),
        ({"highway": "stop", "direction": "forward"}, NodeFacts(stop=True, facing=1)),
        ({"highway": "stop", "stop": "all"}, NodeFacts(stop=True, all_stop=True)),
        ({"highway": "give_way"}, NodeFacts(stop=True)),
        ({"highway": "mini_roundabout", "direction": "clockwise"}, NodeFacts(mini_roundabout=True)),
        ({"railway": "level_crossing"}, NodeFacts(level_crossing=True)),
        ({"railway": "tram_level_crossing"}, NodeFacts(level_crossing=True)),
        ({"railway": "crossing"}, None),
        ({"barrier": "height_restrictor", "maxheight": "2.1"}, NodeFacts(height_dm=21)),
        ({"maxheight": "default"}, None),
        ({"name": "Elm Corner"}, None),
    ],
)
def test_what_stands_at_a_node(tags: dict[str, str], facts: NodeFacts | None) -> None:
    assert read_node(tags) == facts


@pytest.mark.parametrize("kind", ["bollard", "block", "gate", "chain", "yes", ""])
@pytest.mark.parametrize("key", ["access", "vehicle", "motor_vehicle", "motorcar"])
def test_a_barrier_for_emergency_vehicles_alone_is_opened_by_them(kind: str, key: str) -> None:
    tags = {key: "emergency"} | ({"barrier": kind} if kind else {})
    assert read_barrier(tags) is Barrier.LOCKED
