"""Simulated vehicles: repeatable, on the roads, and obedient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geo_backup.audit.report import report
from geo_backup.audit.responses import read_responses
from geo_backup.backup.fleet import UnitTable
from geo_backup.backup.ranking import rank_fleet
from geo_backup.backup.view import IncidentRow, UnitRow, view
from geo_backup.demo.vehicles import Fleet
from geo_backup.events import AssignmentChanged, Event, IncidentClosed, IncidentOpened, PositionReported
from geo_backup.geodesy import distance_m
from geo_backup.live_map import LiveMap, apply
from geo_backup.node.ranker import recommendation
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.network import EdgeFlag, RoadNetwork
from geo_backup.roads.profile import RESPONSE
from geo_backup.roads.snap import snap_place, snap_units
from geo_backup.roads.weights import Weights, weigh
from tests.rounds import cases

MAP = Path(__file__).parents[2] / "maps" / "gothenburg"
START = 1_795_000_000_000


@pytest.fixture(scope="module")
def network() -> RoadNetwork:
    return RoadNetwork.load(MAP)


class World:
    """A live map that takes in what a fleet reports, second by second."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.live_map, self.now_ms = fleet, LiveMap(), START
        self.events: list[Event] = []
        self.log: list[tuple[int, Event]] = []
        self.add(*fleet.registrations(START))

    def add(self, *events: Event) -> None:
        for event in events:
            assert apply(self.live_map, self.live_map.seq + 1, event).ignored is None, event
            self.log.append((self.live_map.seq, event))

    def run(self, seconds: float, step_ms: int = 500) -> None:
        end = self.now_ms + round(seconds * 1000)
        while self.now_ms < end:
            self.now_ms += step_ms
            events = self.fleet.tick(self.now_ms, self.live_map)
            self.add(*events)
            self.events += events


def send(world: World, unit_id: str, lon: float, lat: float, incident_id: str = "I-1") -> None:
    world.add(
        IncidentOpened(
            event_id=f"open {incident_id}",
            received_ms=world.now_ms,
            incident_id=incident_id,
            lon=lon,
            lat=lat,
            priority=1,
            off_road_m=snap_place(world.fleet.network, lon, lat, world.live_map.rules.snap).off_road_m,
        ),
        AssignmentChanged(
            received_ms=world.now_ms, incident_id=incident_id, unit_id=unit_id, state="assigned", at_ms=world.now_ms
        ),
    )


def test_same_seed_same_events(network: RoadNetwork) -> None:
    runs = []
    for seed in (7, 7, 8):
        world = World(Fleet(network, 20, seed, START))
        world.run(60)
        runs.append(world.events)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_patrols_ping_every_three_seconds_on_roads_and_move(network: RoadNetwork) -> None:
    world = World(Fleet(network, 60, 1, START))
    world.run(300)
    pings = [e for e in world.events if isinstance(e, PositionReported)]
    assert len(pings) == len(world.events)
    assert 60 * 99 <= len(pings) <= 60 * 101
    last = {e.unit_id: e.fix for e in pings}
    first = {e.unit_id: e.fix for e in reversed(pings)}
    moved = [distance_m(first[u].lon, first[u].lat, f.lon, f.lat) for u, f in last.items()]
    assert np.median(moved) > 300
    lon, lat = np.array([f.lon for f in last.values()]), np.array([f.lat for f in last.values()])
    nan = np.full(len(lon), np.nan)
    assert snap_units(network, lon, lat, nan, nan, world.live_map.rules.snap).offset_m.max() < 15.0
    one = [e.fix.fix_ms for e in pings if e.unit_id == "P-07"]
    assert set(np.diff(one)) == {3000}


def test_a_unit_that_is_sent_acknowledges_drives_arrives_in_its_eta_and_patrols_on(network: RoadNetwork) -> None:
    world = World(Fleet(network, 10, 3, START))
    world.run(10)
    far = world.live_map.units["F-05"].fix
    assert far is not None
    send(world, "P-02", far.lon, far.lat)
    world.run(6)
    assignment = world.live_map.incidents["I-1"].assignments["P-02"]
    assert [(state, who) for state, _, who in assignment.history] == [
        ("assigned", "desk"),
        ("acknowledged", "unit"),
        ("en_route", "unit"),
    ]
    vehicle = world.fleet._vehicles[1]
    assert vehicle.field is not None
    target = snap_place(network, far.lon, far.lat, world.live_map.rules.snap)
    field = ArrivalField.build(weigh(network, RESPONSE), target)
    route = field.route(vehicle.edge, world.fleet._fraction(vehicle))
    assert route is not None
    turning_ms = vehicle.wait_ms  # it turns round first
    started = world.now_ms
    while assignment.state != "on_scene" and world.now_ms < started + 1_800_000:
        world.run(1)
    assert assignment.state == "on_scene"
    assert assignment.said_by == "unit"
    assert abs(assignment.at_ms - started - turning_ms - route.drive_ms - route.last_leg_ms) < 1_000
    world.run(30)
    unit = world.live_map.units["P-02"]
    assert unit.fix is not None
    assert unit.fix.speed_mps == 0.0
    world.add(IncidentClosed(event_id="close", received_ms=world.now_ms, incident_id="I-1"))
    before = unit.fix
    world.run(120)
    assert distance_m(before.lon, before.lat, unit.fix.lon, unit.fix.lat) > 60


def send_the_first(
    world: World, weights: Weights, fields: dict[str, ArrivalField], incident_id: str, lon: float, lat: float
) -> str:
    """Open an incident, record who is recommended, and send the best."""
    network, rules = world.fleet.network, world.live_map.rules
    target = snap_place(network, lon, lat, rules.snap)
    world.add(
        IncidentOpened(
            event_id=f"open {incident_id}",
            received_ms=world.now_ms,
            incident_id=incident_id,
            lon=lon,
            lat=lat,
            priority=1,
            off_road_m=target.off_road_m,
        )
    )
    fields[incident_id] = ArrivalField.build(weights, target)
    table = UnitTable(network, rules)
    table.put([UnitRow.of(unit) for unit in world.live_map.units.values()])
    row = IncidentRow.of(world.live_map.incidents[incident_id])
    ranking = rank_fleet(table, row, fields[incident_id], view(world.live_map, world.now_ms, ()))
    unit_id = ranking.candidates(1)[0].unit_id
    world.add(
        recommendation(ranking, 20),
        AssignmentChanged(
            received_ms=world.now_ms, incident_id=incident_id, unit_id=unit_id, state="assigned", at_ms=world.now_ms
        ),
    )
    return unit_id


@pytest.mark.parametrize("waves", cases((3, 10), [3]))
def test_etas_at_assignment_come_true_by_the_report_that_users_run(network: RoadNetwork, waves: int) -> None:
    """Calls at any place within 60 m of a road, so that some crews walk the last stretch; units on their beats."""
    weights = weigh(network, RESPONSE)
    fields: dict[str, ArrivalField] = {}
    world = World(Fleet(network, 40, 5, START, field_for=fields.get))
    world.run(6)
    random = np.random.default_rng(3)
    main = np.flatnonzero(np.asarray(network.edge_flags) & int(EdgeFlag.MAIN))
    per_lon, per_lat = network.metres_per_deg
    for wave in range(waves):
        sent = {}
        for n in range(20):
            at = network.edge_line(int(random.choice(main))).mean(axis=0)
            lon, lat = at + random.uniform(-60.0, 60.0, 2) / (per_lon, per_lat)
            incident_id = f"I-{wave}-{n}"
            sent[incident_id] = send_the_first(world, weights, fields, incident_id, float(lon), float(lat))
        began = world.now_ms
        while any(world.live_map.incidents[i].assignments[u].state != "on_scene" for i, u in sent.items()):
            assert world.now_ms < began + 1_800_000
            world.run(5)
        world.run(9)
        for incident_id in sent:
            world.add(
                IncidentClosed(event_id=f"close {incident_id}", received_ms=world.now_ms, incident_id=incident_id)
            )
        world.run(15)
    found = report(read_responses(world.log))
    eta = found.all.eta
    assert eta.count == 20 * waves
    assert found.all.arrivals_by_avl == 0
    assert eta.median_abs_share is not None
    assert eta.median_abs_share < 0.05
    assert eta.p90_abs_share is not None
    assert eta.p90_abs_share < 0.10
    assert eta.bias_s is not None
    assert abs(eta.bias_s) < 2.0


def test_who_is_sent_waits_for_the_end_of_the_turnout_where_it_was_told(network: RoadNetwork) -> None:
    world = World(Fleet(network, 10, 3, START))
    world.run(10)
    goal = world.live_map.units["F-05"].fix
    assert goal is not None
    moved = 0
    for n, unit_id in enumerate(("P-01", "P-02", "P-03", "P-04")):
        vehicle = world.fleet._vehicles[n]
        world.run(0.5)
        before = vehicle.edge, vehicle.done_ms
        send(world, unit_id, goal.lon, goal.lat, f"I-{n}")
        world.run(0.5)
        told = vehicle.edge, world.fleet._place(vehicle)
        world.run(4)
        assert (vehicle.edge, world.fleet._place(vehicle)) == told
        assert world.live_map.incidents[f"I-{n}"].assignments[unit_id].state == "acknowledged"
        world.run(2)
        assert world.live_map.incidents[f"I-{n}"].assignments[unit_id].state == "en_route"
        world.run(8)
        moved += (vehicle.edge, vehicle.done_ms) != before
    assert moved == 4


def test_another_field_means_another_way(network: RoadNetwork) -> None:
    fields: dict[str, ArrivalField] = {}
    fleet = Fleet(network, 10, 3, START, field_for=fields.get)
    world = World(fleet)
    world.run(10)
    far = world.live_map.units["F-05"].fix
    assert far is not None
    send(world, "P-02", far.lon, far.lat)
    world.run(8)
    vehicle = fleet._vehicles[1]
    assert not vehicle.responding, "no field yet: no way"
    target = snap_place(network, far.lon, far.lat, world.live_map.rules.snap)
    weights = weigh(network, RESPONSE)
    fields["I-1"] = ArrivalField.build(weights, target)
    world.run(6)
    assert vehicle.responding
    closed = vehicle.way[len(vehicle.way) // 2]
    fields["I-1"] = ArrivalField.build(weights.with_closed(np.array([closed])), target)
    world.run(1)
    assert closed not in vehicle.way


def test_a_restarted_fleet_begins_where_its_units_stood(network: RoadNetwork) -> None:
    world = World(Fleet(network, 10, 3, START))
    world.run(120)
    again = Fleet(network, 10, 99, world.now_ms)
    again.resume(world.live_map)
    for event in again.tick(world.now_ms + 3000, world.live_map):
        assert isinstance(event, PositionReported)
        assert apply(world.live_map, world.live_map.seq + 1, event).ignored is None


def test_no_vehicle_jumps_when_it_is_sent_released_or_cut_off(network: RoadNetwork) -> None:
    fields: dict[str, ArrivalField] = {}
    world = World(Fleet(network, 20, 11, START, field_for=fields.get))
    world.run(10)
    weights, units = weigh(network, RESPONSE), list(world.live_map.units.values())
    for n in range(10):
        goal = units[n + 10].fix
        assert goal is not None
        target = snap_place(network, goal.lon, goal.lat, world.live_map.rules.snap)
        fields[f"I-{n}"] = ArrivalField.build(weights, target)
        send(world, units[n].unit_id, goal.lon, goal.lat, f"I-{n}")
        world.run(20)
        if n % 2:
            world.add(IncidentClosed(event_id=f"close {n}", received_ms=world.now_ms, incident_id=f"I-{n}"))
        else:
            shut = weights.with_closed(np.unique(np.concatenate((target.edges, network.turn_from[:50]))))
            fields[f"I-{n}"] = ArrivalField.build(shut, target)
    world.run(60)
    last: dict[str, PositionReported] = {}
    for event in world.events:
        if isinstance(event, PositionReported):
            before = last.get(event.unit_id)
            if before is not None:
                moved = distance_m(before.fix.lon, before.fix.lat, event.fix.lon, event.fix.lat)
                assert moved < 45.0 * (event.received_ms - before.received_ms) / 1000.0 + 15.0, event
            last[event.unit_id] = event
