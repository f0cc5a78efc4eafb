"""Closures as timelines: shut, slow, for a time, one inside the other; and whatever is closed and lifted in whatever
order, the fields are those that somebody who reads the map for the first time would find."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from geo_backup.backup import readings
from geo_backup.backup.driving import Obstacle, slowed
from geo_backup.backup.ranking import rank
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.events import ClosureAdded, ClosureLifted, Event, IncidentChanged
from geo_backup.live_map import LiveMap
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.profile import PROFILES
from geo_backup.roads.weights import Weights, weigh
from tests.backup.test_ranking import Scene, ids, position, rows
from tests.roads import oracle
from tests.roads.test_field_oracle import networks
from tests.roads.tiny import Street, draw, edge_of, place
from tests.rounds import rounds
from tests.running import GOTHENBURG
from tests.stories import ms, opened, tell, unit

XY = tuple[float, float]

# High Street a-b-c-d-e-f, and a long way round it:
#
#     a ---- b ---- c ---- d ---- e ---- f
#     |                                  |
#     +---------------- g ---------------+
PLACES: dict[str, XY] = {
    "a": (0, 0), "b": (300, 0), "c": (600, 0), "d": (900, 0), "e": (1200, 0), "f": (1500, 0), "g": (750, -2000),
}  # fmt: skip


def high_street() -> RoadNetwork:
    return draw(PLACES, [Street("abcdef", "High Street"), Street("agf", "Ring Road")], u_turns=True)


def over(*x: float) -> dict[str, Any]:
    """A polygon over High Street from one x to another."""
    (west, east) = x
    ring = [place(*at) for at in ((west, -40), (east, -40), (east, 40), (west, 40), (west, -40))]
    return {"type": "Polygon", "coordinates": [ring]}


def added(closure_id: str, geometry: dict[str, Any], s: float = 0.0, **more: Any) -> ClosureAdded:
    return ClosureAdded(received_ms=ms(s), closure_id=closure_id, geometry=geometry, **more)


def lifted(closure_id: str, s: float = 0.0) -> ClosureLifted:
    return ClosureLifted(received_ms=ms(s), closure_id=closure_id)


@pytest.fixture
def scene() -> Scene:
    """An incident at the east end of High Street, a car at its west end."""
    scene = Scene(high_street())
    scene.incident("i1", (1450, 0))
    scene.unit("west", (50, 0))
    return scene


def drive_ms(scene: Scene, incident_id: str = "i1", s: float = 0.0, unit_id: str = "west") -> int | None:
    return next((row.drive_ms for row in rows(scene.rank(incident_id, s)) if row.unit_id == unit_id), None)


# ---- slow


def test_a_slow_street_takes_so_much_longer_and_the_way_round_is_taken_when_it_is_shorter(scene: Scene) -> None:
    free = drive_ms(scene)
    assert free is not None
    scene.tell(added("smoke", over(310, 890), slow_factor=0.5))
    half = drive_ms(scene)
    assert half is not None
    slow_ms = weigh(scene.network, PROFILES["response"]).edge_ms[edge_of(scene.network, PLACES, "bc")]
    assert half - free == pytest.approx(2 * slow_ms, abs=4), "two of five pieces at half the speed"
    scene.tell(added("flood", over(610, 890), slow_factor=0.25))
    assert scene.rank().excluded() == []
    worse = drive_ms(scene)
    assert worse is not None
    assert worse - half == pytest.approx((4 - 2) * slow_ms, abs=4), "the lowest factor counts, they do not multiply"
    scene.tell(added("closed", over(610, 890)))
    around = drive_ms(scene)
    assert around is not None
    assert around > worse, "a closed street stays closed, however slow it is besides"
    scene.tell(lifted("closed"), lifted("flood"), lifted("smoke"))
    assert drive_ms(scene) == free


def test_slow_for_routine_driving_only(scene: Scene) -> None:
    scene.incident("quiet", (1450, 0), profile="routine")
    before = drive_ms(scene), drive_ms(scene, "quiet")
    scene.tell(added("crowd", over(310, 890), slow_factor=0.3, applies_to="routine"))
    after = drive_ms(scene), drive_ms(scene, "quiet")
    assert after[0] == before[0]
    assert before[1] is not None
    assert after[1] is not None
    assert after[1] > before[1] + 30_000
    assert scene.rank("quiet").warnings == ()


def test_a_slow_area_around_the_incident_is_no_closure(scene: Scene) -> None:
    free = drive_ms(scene)
    scene.tell(added("smoke", over(1400, 1600), slow_factor=0.5))
    assert scene.rank().warnings == ()
    after = drive_ms(scene)
    assert free is not None
    assert after is not None
    assert after > free


def test_measured_speeds_are_slowed_too() -> None:
    def smoke(factor: float, *edges: int) -> Obstacle:
        return Obstacle(added("s", {"edges": list(edges)}, slow_factor=factor), np.array(edges, np.int32), None)

    bare, measured = np.array([1000, 1000, 1000, 1000], np.int32), (np.array([2, 0]), np.array([4000, 500]))
    edges, its_ms = slowed([smoke(0.5, 0, 1), smoke(0.25, 1), smoke(0.8, 0, 1)], bare, measured)
    assert (edges.tolist(), its_ms.tolist()) == ([0, 1, 2], [1000, 4000, 4000])
    assert [values.tolist() for values in slowed([], bare)] == [[], []]


# ---- for a time


def test_a_closure_begins_and_ends_by_the_clock_alone(scene: Scene) -> None:
    standing = Standing(scene.network)
    scene.tell(added("works", over(610, 890), valid_from_ms=ms(10), valid_to_ms=ms(20)))
    seen = []
    for at_ms in (ms(0), ms(10) - 1, ms(10), ms(20) - 1, ms(20), ms(30)):
        standing.update(view(scene.live_map, at_ms, ()) if seen else view(scene.live_map, at_ms))
        seen.append(int(rank(standing, "i1").eta_ms[0]))
    free, closed = seen[0], seen[2]
    assert closed > free + 60_000
    assert seen == [free, free, closed, closed, free, free]
    turns = [scene.live_map.closures_turn_ms(at) for at in (ms(0), ms(10), ms(19), ms(20))]
    assert turns == [ms(10), ms(20), ms(20), None]


# ---- the last stretch


def test_the_incident_lies_in_a_closure_and_another_closes_one_way_to_it(scene: Scene) -> None:
    scene.incident("in", (750, 0))
    free = drive_ms(scene, "in")
    scene.tell(added("quarter", over(310, 1190)))
    assert drive_ms(scene, "in") == free
    assert scene.rank("in").warnings == ("INCIDENT_IN_CLOSURE",)
    # works at b-c lie in the quarter, and the incident does not lie in the works: round, and in from the east
    scene.tell(added("works", over(350, 550)))
    around = drive_ms(scene, "in")
    assert free is not None
    assert around is not None
    assert around > free + 120_000
    assert scene.rank("in").warnings == ("INCIDENT_IN_CLOSURE",)
    scene.tell(lifted("works"))
    assert drive_ms(scene, "in") == free


def test_two_closures_over_one_incident_are_both_entered(scene: Scene) -> None:
    scene.incident("in", (750, 0))
    free = drive_ms(scene, "in")
    scene.tell(added("fire", over(610, 890)), added("crowd", over(310, 1190)))
    assert drive_ms(scene, "in") == free
    scene.tell(lifted("fire"))
    assert drive_ms(scene, "in") == free


def test_a_car_in_the_same_closure_and_one_in_another(scene: Scene) -> None:
    scene.incident("in", (1000, 0))
    scene.unit("same", (400, 0))
    free = {name: drive_ms(scene, "in", unit_id=name) for name in ("same", "west")}
    scene.tell(added("quarter", over(310, 1190)))
    assert {name: drive_ms(scene, "in", unit_id=name) for name in free} == free
    # from within one closure into another that the incident does not lie in: not that way
    scene.tell(lifted("quarter"), added("here", over(310, 590)), added("next", over(610, 890)))
    assert drive_ms(scene, "in", unit_id="same") is not None
    after = drive_ms(scene, "in", unit_id="same")
    assert free["same"] is not None
    assert after is not None
    assert after > free["same"] + 120_000


def test_a_closure_for_routine_driving_is_no_last_stretch_to_the_siren(scene: Scene) -> None:
    scene.incident("in", (750, 0))
    scene.incident("quiet", (750, 0), profile="routine")
    scene.tell(added("market", over(610, 890), applies_to="routine"))
    assert scene.rank("in").warnings == ()
    assert scene.rank("quiet").warnings == ("INCIDENT_IN_CLOSURE",)
    assert ids(scene.rank("quiet")) == ["west"]


# ---- who is cut off, and by what


def island() -> Scene:
    """Two bridges in a row, b-c and d-e, are the only way; the incident lies beyond the second, a car between."""
    scene = Scene(
        draw({k: at for k, at in PLACES.items() if k != "g"}, [Street("abcdef", "High Street")], u_turns=True)
    )
    scene.incident("i1", (1450, 0))
    scene.unit("west", (50, 0))
    scene.unit("middle", (750, 0))
    scene.unit("field", (750, 5000))
    return scene


def cut_off(scene: Scene, incident_id: str = "i1") -> dict[str, tuple[str, ...]]:
    standing = Standing(scene.network)
    standing.update(view(scene.live_map, ms(0)))
    return readings.cut_off(standing, incident_id, [unit_id for unit_id, _ in rank(standing, incident_id).excluded()])


def test_unreachable_names_the_closures_that_cut_it_in_the_order_of_the_way() -> None:
    scene = island()
    assert cut_off(scene) == {}
    scene.tell(added("zwei", over(950, 1150)))
    assert dict(scene.rank().excluded()) == {"field": "UNREACHABLE", "middle": "UNREACHABLE", "west": "UNREACHABLE"}
    assert cut_off(scene) == {"west": ("zwei",), "middle": ("zwei",)}
    scene.tell(added("eins", over(350, 550)), added("smoke", over(650, 850), slow_factor=0.5))
    assert cut_off(scene) == {"west": ("eins", "zwei"), "middle": ("zwei",)}
    scene.tell(lifted("zwei"))
    assert cut_off(scene) == {"west": ("eins",)}
    scene.tell(lifted("eins"))
    assert cut_off(scene) == {}


def test_who_stands_in_a_closure_is_not_cut_off_by_it() -> None:
    scene = island()
    scene.tell(added("here", over(650, 850)), added("bridge", over(950, 1150)))
    assert cut_off(scene) == {"west": ("here", "bridge"), "middle": ("bridge",)}


def test_the_closure_around_the_incident_is_not_what_cuts() -> None:
    scene = island()
    scene.tell(added("around", over(1250, 1600)), added("bridge", over(950, 1150)))
    assert scene.rank().warnings == ("INCIDENT_IN_CLOSURE",)
    assert cut_off(scene) == {"west": ("bridge",), "middle": ("bridge",)}


def test_a_closure_that_does_not_hold_is_not_named() -> None:
    scene = island()
    scene.tell(
        added("market", over(350, 550), applies_to="routine"),
        added("later", over(350, 550), valid_from_ms=ms(60)),
        added("bridge", over(950, 1150)),
    )
    assert cut_off(scene) == {"west": ("bridge",), "middle": ("bridge",)}


# ---- whatever happens


def by_hand(network: RoadNetwork, profile: str, in_force: Sequence[ClosureAdded]) -> tuple[Weights, list[set[int]]]:
    """Weights under the closures, and the edges of each that shuts, both in the plainest way."""
    bare = weigh(network, PROFILES[profile])
    edges_of = {a.closure_id: edges_cut(network, a) for a in in_force}
    holding = [a for a in in_force if a.applies_to == "all" or not PROFILES[profile].access.routine_closures]
    shut = [edges_of[a.closure_id] for a in sorted(holding, key=lambda a: a.closure_id) if a.slow_factor is None]
    slow: dict[int, int] = {}
    for a in holding:
        for edge in edges_of[a.closure_id] if a.slow_factor is not None else ():
            slow[edge] = max(slow.get(edge, 0), round(int(bare.edge_ms[edge]) / a.slow_factor))
    return (
        bare.under(
            [np.array(sorted(edges), np.int32) for edges in shut],
            np.array(list(slow), np.int32),
            np.array(list(slow.values()), np.int64),
        ),
        shut,
    )


def edges_cut(network: RoadNetwork, a: ClosureAdded) -> set[int]:
    if "edges" in a.geometry:
        return set(a.geometry["edges"])
    area, out = shape(a.geometry), set()
    for edge in range(network.edges):
        if shapely.LineString(network.edge_line(edge)).intersects(area):
            out.add(edge)
    return out


@st.composite
def closures(make: st.DrawFn, network: RoadNetwork, closure_id: str, now_s: int) -> ClosureAdded:
    if make(st.booleans()):
        geometry: dict[str, Any] = {"edges": make(st.lists(st.integers(0, network.edges - 1), min_size=1, max_size=6))}
    else:
        x, y, half = make(st.integers(0, 1200)), make(st.integers(0, 1200)), make(st.integers(30, 500))
        ring = [place(x + i * half, y + j * half) for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))]
        geometry = {"type": "Polygon", "coordinates": [ring]}
    begins, ends = make(st.sampled_from([(None, None)] * 3 + [(1, None), (None, 1), (1, 2)]))
    return added(
        closure_id,
        geometry,
        now_s,
        slow_factor=make(st.sampled_from([None, None, 0.05, 0.5, 0.7, 0.95])),
        applies_to=make(st.sampled_from(["all", "all", "routine"])),
        valid_from_ms=None if begins is None else ms(now_s + begins),
        valid_to_ms=None if ends is None else ms(now_s + ends),
    )


@settings(max_examples=rounds(150), deadline=None)
@given(st.data())
def test_opened_and_lifted_in_any_order_the_fields_are_those_of_a_new_reader(data: st.DataObject) -> None:
    network = data.draw(networks())
    live_map, standing = LiveMap(), Standing(network)
    spots = st.tuples(st.integers(0, 1200), st.integers(0, 1200))
    calls = []
    for name, profile in (("i1", "response"), ("i2", "routine"), ("i3", "response")):
        lon, lat = place(*data.draw(spots))
        calls.append(opened(name, lon=lon, lat=lat, profile=profile))
    tell(live_map, unit("P1"), position("P1", data.draw(spots), 0), *calls)
    for step in range(data.draw(st.integers(1, 6))):
        for name in data.draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=3, unique=True)):
            if name in live_map.closures:
                tell(live_map, lifted(name, step))
            if data.draw(st.booleans()):
                tell(live_map, data.draw(closures(network, name, step)))
        if data.draw(st.booleans()):
            lon, lat = place(*data.draw(spots))
            tell(live_map, IncidentChanged(received_ms=ms(step), incident_id="i3", lon=lon, lat=lat))
        now = view(live_map, ms(step))
        standing.update(now)
        fresh = Standing(network)
        fresh.update(now)
        for incident_id in data.draw(st.permutations(["i1", "i2", "i3"]))[: data.draw(st.integers(1, 3))]:
            mine, new = standing.field(incident_id), fresh.field(incident_id)
            if mine is None or new is None:
                assert mine is new
                continue
            np.testing.assert_array_equal(mine.at_end_ms, new.at_end_ms)
            ranked, ranked_new = rank(standing, incident_id), rank(fresh, incident_id)
            assert (ranked.digest(), ranked.warnings) == (ranked_new.digest(), ranked_new.warnings)
            weights, shut = by_hand(network, live_map.incidents[incident_id].profile, list(now.closures.values()))
            incident, names = live_map.incidents[incident_id], sorted(now.closures)
            drawn = [
                now.closures[name].geometry
                for name in names
                if now.closures[name].slow_factor is None
                and (now.closures[name].applies_to == "all" or incident.profile == "routine")
            ]
            around = [
                edges
                for edges, geometry in zip(shut, drawn, strict=True)
                if edges & set(mine.target.nearest_edges)
                or ("edges" not in geometry and shape(geometry).contains(shapely.Point(incident.lon, incident.lat)))
            ]
            others = [edges for edges in shut if edges not in around]
            enterable = set().union(*around) - set().union(*others)
            horizon = live_map.rules.limit.horizon_ms
            expected = oracle.at_end(weights, mine.target, horizon, None, tuple(enterable))
            np.testing.assert_array_equal(mine.at_end_ms, expected)
            # who is named as cut off could come if the closures were not there
            bare = oracle.at_end(weigh(network, weights.profile), mine.target, horizon)
            unreached = ranked.excluded() == [("P1", "UNREACHABLE")]
            named = readings.cut_off(standing, incident_id, ["P1"]) if unreached else {}
            if named:
                assert set(named["P1"]) <= set(now.closures)
                assert named["P1"]
                assert (bare < INF_MS).any()


# ---- what it costs


def test_two_hundred_incidents_and_a_hundred_closures_cost_what_changed() -> None:
    network = RoadNetwork.load(GOTHENBURG)
    rng = np.random.default_rng(3)
    live_map, standing = LiveMap(), Standing(network)

    def somewhere() -> tuple[float, float]:
        junction = int(rng.integers(0, network.junctions))
        return network.junction_lon_e7[junction] / 1e7, network.junction_lat_e7[junction] / 1e7

    def ring(size: float) -> dict[str, Any]:
        lon, lat = somewhere()
        return {
            "type": "Polygon",
            "coordinates": [
                np.array(shapely.box(lon - size, lat - size, lon + size, lat + size).exterior.coords).tolist()
            ],
        }

    story: list[Event] = []
    for n in range(200):
        lon, lat = somewhere()
        story.append(opened(f"i{n}", lon=lon, lat=lat))
    story += [added(f"c{n:03}", ring(0.001)) for n in range(100)]
    tell(live_map, *story)
    standing.update(view(live_map, ms(0)))
    for n in range(200):
        standing.field(f"i{n}")
    spent, engine = [], []
    for n in range(20):
        tell(live_map, lifted(f"c{5 * n:03}") if n % 2 else added(f"x{n}", ring(0.001)))
        now = view(live_map, ms(n))
        began = time.thread_time()
        standing.update(now)
        spent.append(time.thread_time() - began)
        standing.field("i0")
        engine.append(time.thread_time() - began)
    print(f"bookkeeping {1e3 * np.median(spent):.2f} ms, with the fields {1e3 * np.median(engine):.1f} ms")
    assert np.median(spent) < 0.01
