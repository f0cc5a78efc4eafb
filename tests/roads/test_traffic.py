"""Measured speeds: matched to edges, taken by profiles, and the standing fields that follow them and the hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.backup.ranking import rank
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.errors import BadValueError
from geo_backup.events import ClosureAdded, ClosureLifted, SpeedsAdopted, speeds_id
from geo_backup.live_map import LiveMap
from geo_backup.roads.field import ArrivalField
from geo_backup.roads.network import EdgeFlag, RoadNetwork, WayClass, WayFlag
from geo_backup.roads.profile import PROFILES, RESPONSE, ROUTINE, Profile, edge_kmh, edge_ms
from geo_backup.roads.snap import RoadPoint, RoadPoints, Target, snap_place
from geo_backup.roads.traffic import Traffic, drive_ms, match
from geo_backup.roads.weights import weigh
from geo_backup.rules import Rules
from tests.cartography.drawing import Drawing
from tests.roads import oracle
from tests.roads.test_field_oracle import networks
from tests.roads.tiny import Street, draw, edge_of, place
from tests.rounds import rounds
from tests.stories import fold, opened, tell

HOUR_MS = 3_600_000
NODE = 1_000
"""Of the first place of a drawn network; the others follow."""

Row = tuple[int, int, float]


def with_ids(network: RoadNetwork) -> RoadNetwork:
    return replace(network, vertex_node=np.arange(network.junctions, dtype=np.int64) + NODE)


def matched(network: RoadNetwork, rows: list[Row]) -> tuple[Traffic, list[bool]]:
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    traffic, found = match(
        network, np.array(columns[0], np.int64), np.array(columns[1], np.int64), np.array(columns[2], np.float64)
    )
    return traffic, found.tolist()


def adopted(traffic: Traffic | None) -> SpeedsAdopted:
    packed = "" if traffic is None else traffic.packed()
    return SpeedsAdopted(received_ms=0, speeds_id=speeds_id(packed), packed=packed)


def told(network: RoadNetwork, rows: list[Row]) -> dict[int, tuple[float, float]]:
    """Edge -> (share of its length, km/h), of matched rows."""
    traffic, _ = matched(network, rows)
    out = zip(traffic.edge.tolist(), traffic.share.tolist(), traffic.speed.tolist(), strict=True)
    return {edge: (share / 65536, speed / 100) for edge, share, speed in out}


# ---- matching


@pytest.fixture
def bent(tmp_path: Path) -> tuple[Drawing, RoadNetwork]:
    """a --1-- p --2-- q --1-- b, one road of 400 m with two bends; b -> c one-way; c - d, twice over:

    a - p - - q - b -> c = d
    """
    drawing = Drawing({
        "a": (0, 0), "p": (1, 0), "q": (3, 0), "b": (4, 0), "c": (5, 0), "d": (7, 0), "m": (6, 1), "x": (4, 1),
    })  # fmt: skip
    drawing.way("apqb")
    drawing.way("bc", oneway="yes", lanes="2")
    drawing.way("cd")
    drawing.way("cmd")
    drawing.way("bx")
    return drawing, drawing.build(tmp_path)[0]


def test_neighbours_cover_their_share_of_an_edge_in_their_direction(bent: tuple[Drawing, RoadNetwork]) -> None:
    drawing, network = bent
    a, p, q, b = (drawing.node(name) for name in "apqb")
    there, back = drawing.edge(network, "a", "b"), drawing.edge(network, "b", "a")
    found = told(network, [(a, p, 20), (p, q, 40)])
    assert found.keys() == {there}
    share, kmh = found[there]
    assert share == pytest.approx(0.75, abs=1e-3)
    assert kmh == pytest.approx(30.0, abs=0.05)  # 100 m at 20 and 200 m at 40: 300 m in 36 s
    found = told(network, [(b, q, 10), (a, p, 20), (a, p, 25), (q, b, 25), (p, q, 25)])
    assert found[there] == (1.0, 25.0), "the last of equal pairs holds"
    assert found[back][0] == pytest.approx(0.25, abs=1e-3)
    # closed somewhere is closed
    assert told(network, [(a, p, 20), (p, q, 0)])[there][1] == 0.0


def test_the_ends_of_a_stretch_mean_all_of_it(bent: tuple[Drawing, RoadNetwork]) -> None:
    drawing, network = bent
    a, p, b, c, d, q = (drawing.node(name) for name in "apbcdq")
    there = drawing.edge(network, "a", "b")
    assert told(network, [(a, b, 20)]) == {there: (1.0, 20.0)}
    # who says more of a part is believed there
    share, kmh = told(network, [(a, b, 20), (p, q, 40)])[there]
    assert (share, kmh) == (1.0, pytest.approx(26.67, abs=0.02))
    # not against a one-way; not over a junction; not where two stretches join the same ends, unless they are neighbours
    _, found = matched(network, [(c, b, 20), (a, c, 20), (a, q, 20), (b, b, 20), (77, 78, 20)])
    assert found == [False] * 5
    (edge,) = told(network, [(c, d, 20)])
    assert network.edge_length_m[edge] == pytest.approx(200, abs=1), "the straight one: c and d are neighbours there"
    traffic, found = matched(network, [(b, c, 20), (b, c, 30), (5_000, a, 9)])
    assert found == [True, True, False]
    assert traffic.speed.tolist() == [3_000]


def test_two_stretches_between_the_same_ends_are_not_guessed(tmp_path: Path) -> None:
    drawing = Drawing({"a": (0, 0), "b": (2, 0), "m": (1, 1), "n": (1, -1), "c": (3, 0), "d": (-1, 0)})
    for way in ("amb", "anb", "bc", "ad"):
        drawing.way(way)
    network, _ = drawing.build(tmp_path)
    a, b, m = (drawing.node(name) for name in "abm")
    assert matched(network, [(a, b, 20)])[1] == [False]
    assert matched(network, [(a, m, 20)])[1] == [True]


def test_node_ids_survive_the_folder_and_are_no_part_of_its_name(bent: tuple[Drawing, RoadNetwork]) -> None:
    drawing, network = bent
    assert network.vertex_node is not None
    assert sorted(np.asarray(network.vertex_node).tolist()) == list(range(1, 9))
    for name in "abcdx":
        assert network.vertex_node[drawing.junction(network, name)] == drawing.node(name)
    assert network.folder is not None
    (network.folder / "network" / "vertex_node.npy").unlink()
    without = RoadNetwork.load(network.folder)
    assert without.content_id == network.content_id
    with pytest.raises(BadValueError, match=r"no OpenStreetMap node ids.*\.osm\.pbf"):
        matched(without, [(1, 2, 30)])


def test_a_long_step_and_a_barrier(tmp_path: Path) -> None:
    """A step of 4 km is stored with vertices between; a pair of its ends names it all the same."""
    drawing = Drawing(
        {"a": (0, 0), "b": (40, 0), "g": (50, 0), "c": (51, 0), "e": (52, 0)}, {"c": {"barrier": "block"}}
    )
    drawing.way("abg")
    drawing.way("gce")
    network, _ = drawing.build(tmp_path)
    assert (np.asarray(network.vertex_node) == 0).any()
    a, b, g, c = (drawing.node(name) for name in "abgc")
    (found,) = told(network, [(a, b, 60)]).values()
    assert found == (pytest.approx(0.8, abs=1e-3), 60.0)
    assert matched(network, [(g, c, 60)])[1] == [False], "up to a barrier: the stretch has but one node"


def test_whatever_was_driven_before(tmp_path: Path) -> None:
    """a - b - c - d - e: who comes by a - b may not go on to c - d - e; a speed from b to c is everybody's."""
    drawing = Drawing({"a": (0, 0), "b": (2, 0), "c": (4, 0), "d": (6, 0), "e": (8, 0), "n": (2, 2), "m": (4, 2)})
    ab, bc, cd = (drawing.way(line) for line in ("ab", "bc", "cde"))
    for line in ("bn", "cm"):
        drawing.way(line)
    drawing.forbid_over("no_straight_on", ab, [bc], cd)
    network, _ = drawing.build(tmp_path)
    edge = drawing.edge(network, "b", "c")
    both = network.with_twins(np.array([edge])).tolist()
    assert len(both) == 2
    assert told(network, [(drawing.node("b"), drawing.node("c"), 20)]) == dict.fromkeys(both, (1.0, 20.0))


@given(networks(), st.data())
@settings(deadline=None, max_examples=rounds(60))
def test_what_is_packed_comes_back(network: RoadNetwork, data: st.DataObject) -> None:
    edge = np.array(sorted(data.draw(st.sets(st.integers(0, network.edges - 1)))), np.int32)
    share = np.array([data.draw(st.integers(1, 65536)) for _ in edge], np.int32)
    speed = np.array([data.draw(st.integers(0, 25_000)) for _ in edge], np.int32)
    text = Traffic(edge, share, speed).packed()
    assert len(text) <= 16 * len(edge) + 32
    again = Traffic.unpacked(text, network.edges)
    for before, after in ((edge, again.edge), (share, again.share), (speed, again.speed)):
        np.testing.assert_array_equal(before, after)
    if len(edge):
        with pytest.raises(BadValueError):
            Traffic.unpacked(text, int(edge[-1]))
        with pytest.raises(BadValueError):
            Traffic.unpacked(text[:-5], network.edges)
    for bad in ("", "x", '"', "ä"):
        with pytest.raises(BadValueError):
            Traffic.unpacked(bad, network.edges)


def test_packed_speeds_are_read_for_ever() -> None:
    """As in `golden/speeds.jsonl`. If this fails, old logs cannot be replayed: mend the code, never the text."""
    traffic = Traffic.unpacked("c${NqU|?_t;wXL~!NADC&;X&W*cli!lo`MP03$mAz5", 4_001)
    assert traffic.edge.tolist() == [3, 70, 4_000]
    assert traffic.share.tolist() == [65_536, 32_768, 65_536]
    assert traffic.speed.tolist() == [1_850, 9_000, 0]


# ---- what profiles make of it


def by_hand_ms(network: RoadNetwork, profile: Profile, edge: int, measured: float) -> int:
    """The page `profiles/README.md`, for an edge that is measured from end to end."""
    way, flags, speed = int(network.edge_way[edge]), int(network.edge_flags[edge]), profile.speed
    klass = WayClass(int(network.way_class[way]))
    limit = float(network.way_maxspeed_kmh[way, int(network.edge_against[edge])])
    now = min(measured, limit) if limit else measured
    free = max(limit * speed.limit_share if limit else profile.class_kmh[klass], now)
    kmh = free * speed.exceed_factor / (1.0 + speed.congestion_share * (1.0 / (now / free) - 1.0))
    if limit:
        kmh = min(kmh, limit + speed.exceed_most_kmh)
    kmh = min(kmh, max(profile.cap_kmh[klass], free))
    if network.way_flags[way] & WayFlag.ROUNDABOUT:
        kmh = min(kmh, speed.roundabout_kmh)
    if flags & EdgeFlag.PRIVATE:
        kmh = min(kmh, speed.private_kmh)
    held_s = profile.access.gate_s if flags & EdgeFlag.GATE else 0.0
    if flags & EdgeFlag.AGAINST_ONEWAY:
        kmh = min(kmh, profile.contraflow.kmh)
        held_s += profile.contraflow.penalty_s
    kmh = min(max(kmh, 3.0), profile.vehicle.top_kmh)
    # reckoned in the order of the code, so that halves of a millisecond are rounded alike
    return max(1, round(float(network.edge_length_m[edge]) * 3_600.0 * (1.0 / kmh) + held_s * 1_000.0))


PLACES = {"a": (0.0, 0.0), "b": (1_000.0, 0.0), "c": (2_000.0, 0.0), "d": (1_000.0, 700.0)}


def test_routine_drives_what_traffic_drives_and_the_siren_suffers_a_share() -> None:
    network = draw(PLACES, [Street("ab", maxspeed=50), Street("bc"), Street("bd", way_flags=int(WayFlag.UNPAVED))])
    ab, bc, bd = (edge_of(network, PLACES, two) for two in ("ab", "bc", "bd"))

    def kmh(profile: Profile, edge: int, measured: float, share: float = 1.0) -> float:
        said = np.array([edge]), np.array([round(share * 65536)]), np.array([round(measured * 100)])
        edges, ms = drive_ms(Traffic(*said), network, profile)
        assert edges.tolist() == [edge]
        return float(network.edge_length_m[edge]) * 3_600.0 / float(ms[0])

    # a jam: routine stands in it (20 km/h); the siren has 0.4 of the delay: 1000 m in 72 s of free driving at 50, to
    # which 0.4 x (180 - 72) s come, a quarter faster on top
    assert kmh(ROUTINE, ab, 20) == pytest.approx(20, abs=0.01)
    assert kmh(RESPONSE, ab, 20) == pytest.approx(3_600 / ((72 + 0.4 * (180 - 72)) / 1.25), abs=0.01)
    # others speed: that is no reason to
    assert kmh(ROUTINE, ab, 80) == pytest.approx(50, abs=0.01)
    assert kmh(RESPONSE, ab, 80) == pytest.approx(50, abs=0.01), "the cap of a residential street"
    # faster than the class was thought to be: it is believed, and exceeded up to the cap
    assert kmh(ROUTINE, bc, 36) == pytest.approx(36, abs=0.01)
    assert kmh(RESPONSE, bc, 36) == pytest.approx(1.25 * 36, abs=0.01)
    assert kmh(RESPONSE, bc, 48) == pytest.approx(50, abs=0.01)
    assert kmh(PROFILES["foot"], bc, 48) == pytest.approx(PROFILES["foot"].vehicle.top_kmh, abs=0.01)
    # gravel was measured on gravel
    assert kmh(ROUTINE, bd, 25) == pytest.approx(25, abs=0.01)
    # half measured: the other half as ever
    own = float(network.edge_length_m[bc]) * 3_600.0 / float(edge_ms(network, ROUTINE)[0][bc])
    assert kmh(ROUTINE, bc, 10, 0.5) == pytest.approx(2 / (1 / 10 + 1 / own), abs=0.01)


@given(networks(), st.floats(0.5, 250), st.data())
@settings(deadline=None, max_examples=rounds(60))
def test_a_siren_in_traffic_is_never_slower_than_routine(
    network: RoadNetwork, measured: float, data: st.DataObject
) -> None:
    edges = np.arange(network.edges)
    share = np.full(len(edges), data.draw(st.sampled_from([65536, 30_000, 1])))
    traffic = Traffic(edges, share, np.full(len(edges), round(measured * 100)))
    usable = edge_ms(network, ROUTINE)[1]
    routine, response = (drive_ms(traffic, network, profile)[1][usable] for profile in (ROUTINE, RESPONSE))
    assert (response <= routine).all()


def test_the_measured_hour_is_not_slowed_again_by_the_expected_one() -> None:
    network = draw(PLACES, [Street("abc")])
    rush = replace(ROUTINE, hours=dict.fromkeys(WayClass, (0.5,) * 24))
    edge = np.array([edge_of(network, PLACES, "ab")])
    traffic = Traffic(edge, np.array([65536]), np.array([2_000]))
    assert drive_ms(traffic, network, rush, 8)[1] == drive_ms(traffic, network, ROUTINE)[1]
    # where nothing is measured, the hour goes on
    measured_kmh = np.full(network.edges, np.nan)
    measured_kmh[edge] = 20.0
    others = np.delete(np.arange(network.edges), edge)
    expected = edge_kmh(network, rush, 8)[others]
    np.testing.assert_array_equal(edge_kmh(network, rush, 8, measured_kmh)[others], expected)
    assert (expected < edge_kmh(network, ROUTINE)[others]).all()


# ---- standing fields


def of_timelines(make: st.DrawFn) -> dict[str, Profile]:
    factors = st.lists(st.sampled_from([1.0, 0.5, 0.8, 1.3]), min_size=24, max_size=24).map(tuple)
    hours = {klass: make(factors) for klass in (WayClass.RESIDENTIAL, WayClass.PRIMARY)}
    calm, siren = (replace(p, hours={**p.hours, **hours}) for p in (ROUTINE, RESPONSE))
    return {**PROFILES, "rush": calm, "siren": siren}


@st.composite
def rows_on(make: st.DrawFn, network: RoadNetwork) -> list[Row]:
    junction = st.integers(NODE - 1, NODE + network.junctions)
    speed = st.sampled_from([0, 0, 7, 30, 90, 250])
    edges = make(st.lists(st.integers(0, network.edges - 1), max_size=8))
    real = [(NODE + int(network.edge_tail[e]), NODE + int(network.edge_head[e]), make(speed)) for e in edges]
    return real + make(st.lists(st.tuples(junction, junction, speed), max_size=3))


def scratch(
    network: RoadNetwork,
    rows: list[Row],
    profile: Profile,
    hour: int | None,
    closures: Mapping[str, list[int]],
    target: Target,
) -> tuple[Any, np.ndarray]:
    """Weights made by hand, and the edges that may be entered on the last stretch."""
    said = {(tail, head): speed for tail, head, speed in rows}
    ends = list(zip(network.edge_tail.tolist(), network.edge_head.tolist(), strict=True))
    of = {
        e: said[NODE + t, NODE + h]
        for e, (t, h) in enumerate(ends)
        if (NODE + t, NODE + h) in said and not network.edge_flags[e] & EdgeFlag.AGAINST_ONEWAY
    }
    slowed = [e for e in sorted(of) if of[e] > 0]
    shut = {**closures, "(traffic)": [e for e in sorted(of) if of[e] == 0]}
    shut = {name: edges for name, edges in shut.items() if edges}
    weights = weigh(network, profile, hour=hour).under(
        [np.unique(np.array(shut[name], np.int32)) for name in sorted(shut)],
        np.array(slowed, np.int32),
        np.array([by_hand_ms(network, profile, e, of[e]) for e in slowed], np.int32),
    )
    inside = [name for name, edges in shut.items() if set(target.edges) & set(edges)]
    enterable = {e for name in inside for e in shut[name]} - {
        e for name, edges in shut.items() if name not in inside for e in edges
    }
    return weights, np.array(sorted(enterable), np.int32)


@given(networks(), st.data())
@settings(deadline=None, max_examples=rounds(120))
def test_standing_fields_follow_hours_traffic_and_closures(network: RoadNetwork, data: st.DataObject) -> None:
    network = with_ids(network)
    profiles = data.draw(st.composite(of_timelines)())
    live_map, standing, rows = LiveMap(), Standing(network, profiles=profiles), list[Row]()
    for n, name in enumerate(("rush", "siren", "routine")):
        edge = data.draw(st.integers(0, network.edges - 1))
        lon, lat = network.edge_line(edge).mean(axis=0).tolist()
        fold([opened(f"i{n}", lon=lon, lat=lat, profile=name)], live_map)
    now_ms, closures = 0, dict[str, list[int]]()
    for _ in range(data.draw(st.integers(1, 4))):
        now_ms += data.draw(st.sampled_from([0, 60_000, HOUR_MS, 11 * HOUR_MS]))
        kind = data.draw(st.sampled_from(["traffic", "traffic", "none", "closure", "time"]))
        if kind in ("traffic", "none"):
            rows = data.draw(rows_on(network)) if kind == "traffic" else []
            fold([adopted(matched(network, rows)[0] if rows else None)], live_map)
        elif kind == "closure":
            closures = {} if closures else {"c": [data.draw(st.integers(0, network.edges - 1))]}
            if closures:
                fold([ClosureAdded(received_ms=0, closure_id="c", geometry={"edges": closures["c"]})], live_map)
            else:
                fold([ClosureLifted(received_ms=0, closure_id="c")], live_map)
        now = view(live_map, now_ms)
        standing.update(now)
        fresh = Standing(network, profiles=profiles)
        fresh.update(now)
        for incident_id, incident in live_map.incidents.items():
            field = standing.field(incident_id)
            if field is None:
                assert fresh.field(incident_id) is None
                continue
            hour = now_ms // HOUR_MS % 24 if incident.profile != "routine" else None
            profile = profiles[incident.profile]
            if profile.timeless:
                hour = None
            target = snap_place(network, incident.lon, incident.lat, Rules().snap)
            weights, enterable = scratch(network, rows, profile, hour, closures, target)
            np.testing.assert_array_equal(field.weights.edge_ms, weights.edge_ms)
            np.testing.assert_array_equal(field.weights.arc_ms, weights.arc_ms)
            assert field.weights.weights_id == weights.weights_id
            alone = ArrivalField.build(weights, target, field.horizon_ms, enterable)
            np.testing.assert_array_equal(field.at_end_ms, alone.at_end_ms)
            expected = oracle.at_end(weights, target, field.horizon_ms, None, enterable)
            np.testing.assert_array_equal(field.at_end_ms, expected)
            again = fresh.field(incident_id)
            assert again is not None
            np.testing.assert_array_equal(field.at_end_ms, again.at_end_ms)
            assert rank(standing, incident_id).digest() == rank(fresh, incident_id).digest()


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def test_the_hour_turns_while_an_incident_is_open(tmp_path: Path) -> None:
    """A profile beside the map: half speed from 8 to 9 and from 2 to 3, in Stockholm, through both changes of the
    clocks."""
    (tmp_path / "profiles").mkdir()
    factors = [1.0] * 24
    factors[8] = factors[2] = 0.5
    (tmp_path / "profiles" / "rush.toml").write_text(
        f'extends = "routine"\nabout = "Rush hours."\n[hours]\nresidential = {factors}\n'
    )
    network = draw(PLACES, [Street("abc"), Street("bd")])
    network = replace(network, area=replace(network.area, timezone="Europe/Stockholm"), folder=tmp_path)
    standing, live_map = Standing(network), LiveMap()
    lon, lat = place(1_900, 0)
    fold([opened(name, lon=lon, lat=lat, profile=name) for name in ("rush", "routine")], live_map)
    starts = RoadPoints.of([RoadPoint(edge_of(network, PLACES, "ab"), 0)])
    seen: dict[str, set[tuple[int, str]]] = {"rush": set(), "routine": set()}

    def eta(text: str, name: str = "rush") -> int:
        standing.update(view(live_map, utc(text)))
        field = standing.field(name)
        assert field is not None
        seen[name].add((ms := int(field.etas_ms(starts)[0][0]), rank(standing, name).weights_id))
        assert rank(standing, name).weights_id == standing.weights(name).weights_id
        return ms

    free = eta("2026-01-15T06:59:59.999")
    slow = eta("2026-01-15T07:00:00")
    assert free < slow < 2.1 * free
    assert eta("2026-01-15T07:59:59.999") == slow
    assert eta("2026-01-15T08:00:00") == free
    assert eta("2026-07-15T06:00:00") == slow, "summer time"
    assert eta("2026-03-29T00:59:59") == free, "1 o'clock"
    assert eta("2026-03-29T01:00:00") == free, "3 o'clock: there is no hour 2"
    assert [eta(f"2026-10-25T0{h}:30:00") for h in (0, 1, 2)] == [slow, slow, free], "hour 2 comes twice"
    timeless = {eta(text, "routine") for text in ("2026-01-15T06:30:00", "2026-01-15T07:30:00")}
    assert timeless == {free}
    assert len(seen["routine"]) == 1
    # one id an hour, though most hours are alike
    assert len({weights_id for _, weights_id in seen["rush"]}) == len({7, 8, 9, 1, 3, 2})
    # and time may run backwards
    assert eta("2026-01-15T06:30:00") == free


def test_the_part_that_is_not_measured_follows_the_hour(bent: tuple[Drawing, RoadNetwork]) -> None:
    drawing, network = bent
    hours = dict.fromkeys(WayClass, (1.0,) * 12 + (0.5,) * 12)
    standing = Standing(network, profiles={"rush": replace(ROUTINE, hours=hours)})
    edge = drawing.edge(network, "a", "b")
    traffic, _ = matched(network, [(drawing.node("p"), drawing.node("q"), 20)])
    live_map = fold([adopted(traffic)])
    own_ms, length_m = int(edge_ms(network, ROUTINE)[0][edge]), float(network.edge_length_m[edge])

    def weighed_ms(utc_text: str) -> int:
        standing.update(view(live_map, utc(utc_text)))
        return int(standing.weights("rush").edge_ms[edge])

    for text, slower in (("2026-01-15T10:30:00", 1), ("2026-01-15T11:00:00", 2), ("2026-01-15T23:00:00", 1)):
        expected = own_ms / 2 * slower + length_m / 2 * 3_600 / 20
        assert weighed_ms(text) == pytest.approx(expected, rel=2e-3), "noon in Berlin is eleven in UTC"


def test_the_same_speeds_twice_and_speeds_that_are_none() -> None:
    network = with_ids(draw(PLACES, [Street("abc")]))
    one = adopted(matched(network, [(NODE, NODE + 1, 20)])[0])
    two = adopted(matched(network, [(NODE, NODE + 1, 0)])[0])
    live_map = LiveMap()
    assert tell(live_map, adopted(None)) == ["same_speeds"]
    assert tell(live_map, one, replace(one, received_ms=5), two, replace(two, speeds_id="0" * 16)) == [
        None, "same_speeds", None, "bad_speeds",
    ]  # fmt: skip
    assert live_map.speeds is not None
    assert live_map.speeds.speeds_id == two.speeds_id
    assert tell(live_map, adopted(None)) == [None]
    assert live_map.speeds is None


def test_an_incident_behind_a_road_that_traffic_closes() -> None:
    """a - b - c: traffic closes b -> c. Who comes from a reaches c no more, and b in the closed road on the last
    stretch."""
    network = with_ids(draw(PLACES, [Street("abc"), Street("bd")]))
    live_map = fold([opened("c", lon=place(2_000, 0)[0], lat=place(2_000, 0)[1])])
    standing = Standing(network)
    starts = RoadPoints.of([RoadPoint(edge_of(network, PLACES, "ab"), 0)])

    def reached(rows: list[Row]) -> tuple[bool, tuple[str, ...]]:
        fold([adopted(matched(network, rows)[0] if rows else None)], live_map)
        standing.update(view(live_map, 0))
        field = standing.field("c")
        assert field is not None
        return bool(field.etas_ms(starts)[1][0] >= 0), rank(standing, "c").warnings

    assert reached([]) == (True, ())
    assert reached([(NODE + 1, NODE + 2, 0)]) == (True, ("INCIDENT_IN_CLOSURE",))
    assert reached([(NODE, NODE + 1, 0)]) == (True, ()), "who stands in it drives out"
    assert reached([]) == (True, ())
