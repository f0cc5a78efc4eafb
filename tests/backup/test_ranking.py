"""The trade's own cases as timelines: events are folded, then the fleet is ranked from what stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.backup.ranking import Candidate, Ranking, rank
from geo_backup.backup.standing import Standing
from geo_backup.backup.view import view
from geo_backup.events import (
    BackupRequested,
    ClosureAdded,
    ClosureLifted,
    Event,
    Fix,
    IncidentChanged,
    IncidentClosed,
    Need,
    PositionReported,
    RulesAdopted,
    UnitRegistered,
    UnitRetired,
)
from geo_backup.live_map import LiveMap, apply
from geo_backup.roads.network import RoadNetwork, WayFlag
from tests.roads.tiny import Street, draw, place
from tests.rounds import rounds
from tests.stories import ms, opened, part, status, tell

XY = tuple[float, float]


class Scene:
    """A live map, a network, and words for what happens."""

    def __init__(self, network: RoadNetwork) -> None:
        self.network, self.live_map = network, LiveMap()

    def tell(self, *story: Event) -> None:
        assert set(tell(self.live_map, *story)) <= {None}

    def unit(self, unit_id: str, at: XY | None, s: float = 0.0, *capabilities: str, **fix: Any) -> None:
        self.tell(
            UnitRegistered(
                received_ms=ms(s),
                unit_id=unit_id,
                callsign=unit_id,
                agency="police",
                kind="patrol",
                capabilities=capabilities,
            )
        )
        if at is not None:
            self.tell(position(unit_id, at, s, **fix))

    def incident(self, incident_id: str, at: XY, **more: Any) -> None:
        lon, lat = place(*at)
        self.tell(opened(incident_id, lon=lon, lat=lat, **more))

    def close(self, closure_id: str, *corners: XY, s: float = 0.0) -> None:
        ring = [place(*at) for at in (*corners, corners[0])]
        self.tell(closure(closure_id, {"type": "Polygon", "coordinates": [ring]}, s))

    def rank(self, incident_id: str = "i1", s: float = 0.0) -> Ranking:
        standing = Standing(self.network)
        standing.update(view(self.live_map, ms(s)))
        return rank(standing, incident_id)


def position(unit_id: str, at: XY, s: float, **fix: Any) -> PositionReported:
    return PositionReported(received_ms=ms(s), unit_id=unit_id, fix=Fix(ms(s), *place(*at), **fix))


def closure(closure_id: str, geometry: dict[str, Any], s: float = 0.0) -> ClosureAdded:
    return ClosureAdded(received_ms=ms(s), closure_id=closure_id, geometry=geometry)


def rows(ranking: Ranking) -> list[Candidate]:
    return ranking.candidates(1_000)


def ids(ranking: Ranking) -> list[str]:
    return [row.unit_id for row in rows(ranking)]


def river() -> RoadNetwork:
    places = {"a": (0, 0), "e": (600, 0), "f": (1300, 0), "b": (2000, 0), "c": (0, 150), "d": (2000, 150)}
    return draw(places, [Street("aefb", "South Bank"), Street("cd", "North Bank"), Street("bd", "Bridge")])


def test_1_the_nearest_by_air_is_across_the_river() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0))
    scene.unit("across", (100, 150))
    scene.unit("along", (1200, 0))
    assert ids(scene.rank()) == ["along", "across"]


def test_2_a_one_way_pair_flips_the_winner_with_the_siren() -> None:
    places = {"p": (0, 0), "i": (120, 0), "x": (120, 900), "y": (0, 900), "q": (820, 0), "o": (-300, 0)}
    scene = Scene(draw(places, [Street("ip", contraflow=True), Street("iq"), Street("opyxi")]))
    scene.incident("siren", (140, 0), profile="response")
    scene.incident("quiet", (140, 0), profile="routine")
    scene.unit("west", (-100, 0))
    scene.unit("east", (800, 0))
    assert ids(scene.rank("siren")) == ["west", "east"]
    assert ids(scene.rank("quiet")) == ["east", "west"]


def test_8_only_an_off_duty_handler_has_the_dog() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0))
    scene.unit("near", (150, 0))
    scene.unit("handler", (300, 0), 0.0, "k9")
    scene.tell(status("handler", "out_of_service", 1))
    assert ids(scene.rank()) == ["near"]
    assert ("handler", "NOT_ASSIGNABLE_STATUS") in scene.rank().excluded()
    scene.tell(BackupRequested(received_ms=ms(2), incident_id="i1", requirement=(Need("k9"),)))
    (handler,) = rows(scene.rank())
    assert handler.unit_id == "handler"
    assert handler.turnout_ms == scene.live_map.rules.turnout.on_call_ms
    assert handler.turnout_ms > 10 * (handler.drive_ms + handler.last_leg_ms)
    assert handler.eta_ms == handler.turnout_ms + handler.drive_ms + handler.last_leg_ms
    assert handler.first_leg_ms == 0
    assert handler.warnings == ("ON_CALL",)
    assert scene.rank().excluded() == [("near", "WRONG_CAPABILITY")]
    scene.unit("neighbour", (2000, 140), 3.0, "dog")
    needs = (Need("k9", substitutes=("dog",)),)
    scene.tell(BackupRequested(received_ms=ms(4), incident_id="i1", requirement=needs))
    assert ids(scene.rank(s=4)) == ["neighbour", "handler"]


def test_10_heading_away_on_a_dual_carriageway() -> None:
    places = {"a": (0, 0), "b": (3000, 0), "c": (3000, 25), "d": (0, 25)}
    scene = Scene(draw(places, [Street("ab", oneway=True), Street("bc"), Street("cd", oneway=True), Street("da")]))
    scene.incident("i1", (200, 0))
    scene.unit("passed", (400, 0), course_deg=90.0, speed_mps=20.0)
    scene.unit("coming", (50, 25), course_deg=270.0, speed_mps=20.0)
    first, second = rows(scene.rank())
    assert (first.unit_id, second.unit_id) == ("coming", "passed")
    assert second.distance_m > 5_000


def test_15_the_last_leg_into_a_park_is_walked() -> None:
    scene = Scene(river())
    scene.incident("i1", (500, -175))
    scene.unit("p1", (900, 0))
    (row,) = rows(scene.rank())
    assert row.last_leg_ms == pytest.approx(1000 * (175 - 25) / 1.5, rel=0.02)
    assert row.eta_ms == row.turnout_ms + row.clear_ms + row.drive_ms + row.last_leg_ms


def test_a_unit_in_a_yard_gets_onto_the_road_first() -> None:
    scene = Scene(river())
    scene.incident("i1", (500, 0))
    scene.unit("road", (800, 0))
    scene.unit("yard", (800, -125), speed_mps=5.0)
    scene.unit("woods", (800, -1_100))
    road, yard = rows(scene.rank(s=10))
    assert (road.unit_id, yard.unit_id) == ("road", "yard")
    assert yard.first_leg_ms == pytest.approx(1000 * (125 - 25) / 2.0, rel=0.02)
    assert yard.drive_ms == road.drive_ms, "and is not taken to have driven on along the road"
    for row in (road, yard):
        parts = (row.turnout_ms, row.clear_ms, row.first_leg_ms, row.drive_ms, row.last_leg_ms)
        assert row.eta_ms == sum(parts)
    assert scene.rank().excluded() == [("woods", "UNREACHABLE")]


def test_a_unit_is_ranked_from_the_level_it_came_on() -> None:
    """
            d ------- f
            |         |     cd is a bridge over ab; the incident x is on ab just east of it
    a ------+-x-- b   |     from the bridge it is all the way round over f and b
            |     `---+
            c
    """
    places = {"a": (-500, 0), "b": (900, 0), "c": (0, -500), "d": (0, 500), "f": (900, 500)}
    streets = [Street("ab", "Road"), Street("cd", "Bridge", way_flags=int(WayFlag.BRIDGE), layer=1), Street("dfb")]
    scene = Scene(draw(places, streets))
    scene.incident("i1", (60, 0))
    for unit_id in ("over", "under"):
        scene.unit(unit_id, None)
    for s, along in ((0, -150), (5, -75), (10, 2)):
        scene.tell(position("over", (1, along), s), position("under", (along, 1), s))
    under, over = rows(scene.rank(s=10))
    assert (under.unit_id, over.unit_id) == ("under", "over")
    assert under.distance_m == pytest.approx(58, abs=3)
    assert over.distance_m == pytest.approx(498 + 900 + 500 + 840, abs=5)
    # the same live map gives the same road points, whether each ping was snapped or only the last
    standing = Standing(scene.network)
    again = LiveMap()
    for unit_id, unit in scene.live_map.units.items():
        again.units[unit_id] = unit
        standing.update(view(again, ms(10)))
    for mine, theirs in zip(standing.table.points.columns, scene.rank(s=10).points.columns, strict=True):
        assert (mine == theirs).all()


def test_16_a_disconnected_part_is_unreachable() -> None:
    places = {"a": (0, 0), "b": (1000, 0), "c": (5000, 0), "d": (6000, 0)}
    scene = Scene(draw(places, [Street("ab"), Street("cd")]))
    scene.incident("i1", (100, 0))
    scene.unit("here", (900, 0))
    scene.unit("island", (5100, 0))
    scene.unit("field", (3000, 0))
    ranking = scene.rank()
    assert ids(ranking) == ["here"]
    assert ranking.excluded() == [("field", "UNREACHABLE"), ("island", "UNREACHABLE")]


def test_17_ties_go_by_unit_id() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0))
    for unit_id in ("P7", "P10", "A", "z"):
        scene.unit(unit_id, (700, 0))
    found = rows(scene.rank())
    assert len({row.eta_ms for row in found}) == 1
    assert [row.unit_id for row in found] == ["A", "P10", "P7", "z"]


def test_a_closure_that_the_incident_lies_in_is_waived() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0))
    scene.incident("i2", (1900, 0))
    scene.unit("p1", (500, 0))
    before = {name: rows(scene.rank(name))[0].eta_ms for name in ("i1", "i2")}
    scene.close("c1", (50, -50), (400, -50), (400, 50), (50, 50))
    inside = scene.rank("i1")
    assert inside.warnings == ("INCIDENT_IN_CLOSURE",)
    assert rows(inside)[0].eta_ms == before["i1"]
    scene.close("c2", (1000, -50), (1200, -50), (1200, 50), (1000, 50))
    outside = scene.rank("i2")
    assert outside.warnings == ()
    assert outside.excluded() == [("p1", "UNREACHABLE")]
    scene.tell(*(ClosureLifted(received_ms=ms(1), closure_id=name) for name in ("c1", "c2")))
    assert rows(scene.rank("i2"))[0].eta_ms == before["i2"]


def test_fresh_before_stale_before_lost() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0))
    scene.unit("stale", (150, 0), 0.0, speed_mps=9.0)
    scene.unit("fresh", (1900, 0), 118.0, speed_mps=9.0)
    found = rows(scene.rank(s=120))
    assert [(row.unit_id, row.freshness) for row in found] == [("fresh", "live"), ("stale", "stale")]
    assert found[1].warnings == ("STALE_POSITION",)
    assert scene.rank(s=400).excluded() == [("stale", "STALE_POSITION")]


def test_everybody_stands_in_one_place_only() -> None:
    scene = Scene(river())
    scene.unit("officer", (100, 0))
    scene.incident("i1", (100, 0), for_unit_id="officer")
    scene.incident("i2", (1900, 0))
    for unit_id in ("free", "sent", "elsewhere", "busy"):
        scene.unit(unit_id, (700, 0))
    scene.unit("silent", None)
    scene.tell(part("i1", "sent", "assigned", 1), part("i2", "elsewhere", "assigned", 1), status("busy", "busy", 1))
    ranking = scene.rank()
    assert ids(ranking) == ["free"]
    assert [row[:2] for row in ranking.assigned()] == [("sent", "assigned")]
    assert dict(ranking.excluded()) == {
        "officer": "REQUESTER",
        "elsewhere": "ALREADY_ASSIGNED",
        "busy": "NOT_ASSIGNABLE_STATUS",
        "silent": "NO_POSITION",
    }
    assert sum(ranking.excluded_counts().values()) == 4
    scene.tell(part("i1", "sent", "on_scene", 2))
    assert scene.rank().assigned() == [("sent", "on_scene", 0)]


def test_a_closure_made_again_with_the_same_id_is_another() -> None:
    scene = Scene(river())
    scene.incident("i1", (100, 0))
    scene.unit("across", (100, 150))
    scene.unit("along", (1500, 0))
    standing = Standing(scene.network)

    def both() -> tuple[str, str]:
        fresh = Standing(scene.network)
        now = view(scene.live_map, ms(0))
        standing.update(now)
        fresh.update(now)
        return rank(standing, "i1").digest(), rank(fresh, "i1").digest()

    scene.close("c1", (1900, 50), (2100, 50), (2100, 100), (1900, 100))
    assert both()[0] == both()[1]
    assert dict(scene.rank().excluded()) == {"across": "UNREACHABLE"}
    scene.tell(ClosureLifted(received_ms=ms(1), closure_id="c1"))
    scene.close("c1", (700, -50), (800, -50), (800, 50), (700, 50), s=1)
    assert dict(scene.rank().excluded()) == {"across": "UNREACHABLE", "along": "UNREACHABLE"}
    first, second = both()
    assert first == second


# ---- whatever happens, a standing field equals a new one

GRID = {chr(97 + 4 * y + x): (300.0 * x, 250.0 * y) for y in range(4) for x in range(4)}
CITY = draw(
    GRID,
    [
        *(Street("".join(chr(97 + 4 * y + x) for x in range(4)), oneway=y == 2) for y in range(4)),
        *(Street("".join(chr(97 + 4 * y + x) for y in range(4)), contraflow=x == 1) for x in range(4)),
    ],
)
SPOTS = st.tuples(st.integers(-100, 1000), st.integers(-100, 850))
UNITS = st.sampled_from(["P1", "P2", "P3", "P4"])
INCIDENTS = st.sampled_from(["i1", "i2"])
CLOSURES = st.sampled_from(["c1", "c2"])


def _moved(unit_id: str, at: XY, course: float | None, s: int) -> PositionReported:
    return position(unit_id, at, s, course_deg=course, speed_mps=None if course is None else 8.0)


def _box(closure_id: str, at: XY, size: int, s: int) -> ClosureAdded:
    (x, y), h = at, size
    ring = [
        place(*corner) for corner in ((x - h, y - h), (x + h, y - h), (x + h, y + h), (x - h, y + h), (x - h, y - h))
    ]
    return closure(closure_id, {"type": "Polygon", "coordinates": [ring]}, s)


def _shifted(incident_id: str, at: XY, s: int) -> IncidentChanged:
    lon, lat = place(*at)
    return IncidentChanged(received_ms=ms(s), incident_id=incident_id, lon=lon, lat=lat)


def _reopened(incident_id: str, at: XY, profile: str, s: int) -> Event:
    lon, lat = place(*at)
    return opened(incident_id, s, lon=lon, lat=lat, profile=profile)


S = st.integers(0, 600)
HAPPENINGS = st.one_of(
    st.builds(_moved, UNITS, SPOTS, st.none() | st.sampled_from([0.0, 90.0, 200.0]), S),
    st.builds(_box, CLOSURES, SPOTS, st.integers(20, 300), S),
    st.builds(lambda c, s: ClosureLifted(received_ms=ms(s), closure_id=c), CLOSURES, S),
    st.builds(_shifted, INCIDENTS, SPOTS, S),
    st.builds(_reopened, INCIDENTS, SPOTS, st.sampled_from(["response", "routine"]), S),
    st.builds(lambda i, s: IncidentClosed(received_ms=ms(s), incident_id=i), INCIDENTS, st.integers(500, 600)),
    st.builds(part, INCIDENTS, UNITS, st.sampled_from(["assigned", "en_route", "cleared"]), S),
    st.builds(lambda u, s: UnitRetired(received_ms=ms(s), unit_id=u), UNITS, S),
    st.builds(lambda u: UnitRegistered(received_ms=ms(0), unit_id=u, callsign=u, agency="a", kind="k"), UNITS),
    st.builds(lambda t: RulesAdopted(received_ms=ms(0), rules={"limit": {"horizon_ms": t}}), st.integers(1, 200_000)),
)


@settings(max_examples=rounds(60), deadline=None)
@given(st.lists(st.lists(HAPPENINGS, min_size=1, max_size=4), max_size=12))
def test_after_many_updates_a_standing_equals_a_new_one(story: list[list[Event]]) -> None:
    live_map, standing = LiveMap(), Standing(CITY)
    tell(
        live_map,
        *(UnitRegistered(received_ms=ms(0), unit_id=u, callsign=u, agency="a", kind="k") for u in ("P1", "P2")),
        *(position(u, at, 0) for u, at in (("P1", (10, 5)), ("P2", (620, 480)))),
        _reopened("i1", (310, 260), "response", 0),
        _reopened("i2", (890, 30), "routine", 0),
    )
    for step, happenings in enumerate([[], *story]):
        touched: set[str] = set(live_map.units) if step == 0 else set()
        for event in happenings:
            delta = apply(live_map, live_map.seq + 1, event)
            touched.update(delta.units, delta.positions)
        standing.update(view(live_map, ms(5 * step), touched))
        fresh = Standing(CITY)
        fresh.update(view(live_map, ms(5 * step)))
        for incident in live_map.open_incidents():
            mine, new = rank(standing, incident.incident_id), rank(fresh, incident.incident_id)
            assert mine.digest() == new.digest()
            assert (mine.warnings, mine.excluded(), rows(mine)) == (new.warnings, new.excluded(), rows(new))
            known = [*ids(new), *(row[0] for row in new.assigned()), *(row[0] for row in new.excluded())]
            assert sorted(known) == sorted(live_map.units)
