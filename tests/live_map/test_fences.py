"""Fences: which beats and closures a unit is in, held against shapely, and what wandering along an edge does."""

from __future__ import annotations

from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.events import BeatsAdopted, ClosureAdded, ClosureLifted, Event, Fix, NetworkAdopted, PositionReported
from geo_backup.geodesy import metres_per_deg
from geo_backup.live_map import LiveMap
from geo_backup.live_map.fences import EDGE_M, Near, fences_of
from geo_backup.live_map.fences import _state as state
from geo_backup.live_map.state import GENERATION
from geo_backup.wire import checkpoint
from tests.rounds import rounds
from tests.stories import any_story, desk_story, fold, ms, ping, tell, told, unit

LON, LAT = 11.97, 57.70
PER_LON, PER_LAT = (float(one) for one in metres_per_deg(LAT))
START: tuple[Event, ...] = (
    NetworkAdopted(received_ms=ms(0), network_id="n", area="a", software_version="1", generation=GENERATION),
    unit("P1"),
)


def ring(*places: tuple[float, float]) -> list[list[float]]:
    """A ring of places given in metres east and north of the middle."""
    found = [[LON + x / PER_LON, LAT + y / PER_LAT] for x, y in places]
    return [*found, found[0]]


def square(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [ring((west, south), (east, south), (east, north), (west, north))]}


def beats(s: float = 0.0, **shapes: dict[str, Any]) -> BeatsAdopted:
    features = [
        {"type": "Feature", "properties": {"beat_id": name}, "geometry": shape} for name, shape in shapes.items()
    ]
    return BeatsAdopted(received_ms=ms(s), beats={"type": "FeatureCollection", "features": features})


def closure(name: str, shape: dict[str, Any], s: float = 0.0, **more: Any) -> ClosureAdded:
    return ClosureAdded(received_ms=ms(s), closure_id=name, geometry=shape, **more)


def at(s: float, x: float, y: float = 0.0, late_s: float = 0.2) -> PositionReported:
    """A fix so far east and north of the middle."""
    fix = Fix(ms(s), LON + x / PER_LON, LAT + y / PER_LAT, 5.0)
    return PositionReported(received_ms=ms(s + late_s), unit_id="P1", fix=fix)


def drive(live_map: LiveMap, start_s: float, *xs: float) -> list[tuple[str, ...]]:
    """Drive to these places, one a second; where the unit is then, each time."""
    seen = []
    for n, x in enumerate(xs):
        tell(live_map, at(start_s + n, x))
        seen.append(live_map.units["P1"].inside)
    return seen


A = ("beat:A",)


def test_two_fixes_in_a_row_enter_and_two_well_outside_leave() -> None:
    live_map = fold([*START, beats(A=square(0, -500, 400, 500))])
    assert drive(live_map, 0, -20, -10, 5, 15) == [(), (), (), A]
    assert live_map.units["P1"].inside_ms == (ms(2),), "since the first of the two"
    assert drive(live_map, 10, -5, -15, -25, -29) == [A] * 4, "within 30 m of the edge nothing changes"
    assert drive(live_map, 20, -35, -20, -36, -37) == [A, A, A, ()], "two in a row"
    assert drive(live_map, 30, 5, -5, 5, -5, 5, 6) == [(), (), (), (), (), A]


def test_a_crossing_is_told_of_the_unit_and_of_nothing_else() -> None:
    live_map = fold([*START, beats(A=square(0, -500, 400, 500))])
    deltas = [told(live_map, at(s, x)) for s, x in enumerate((-50, 5, 15, 25))]
    assert [delta.units for delta in deltas] == [(), (), ("P1",), ()]


def test_late_fixes_and_those_that_move_nothing_cross_nothing() -> None:
    live_map = fold([*START, beats(A=square(0, -500, 400, 500))])
    drive(live_map, 0, -50, -40)
    tell(live_map, at(20, 10, late_s=90), at(21, 20, late_s=89))
    assert live_map.units["P1"].inside == (), "heard of after more than a minute"
    assert tell(live_map, at(10, 30), at(11, 40)) == ["older_fix", "older_fix"]
    assert live_map.units["P1"].inside == ()
    assert drive(live_map, 200, 50, 60) == [(), A]


def test_areas_lie_over_each_other_and_closures_have_their_width_and_time() -> None:
    line = {"type": "LineString", "coordinates": ring((100, -300), (100, 300))[:2]}
    story = [
        *START,
        beats(A=square(0, -500, 400, 500), B=square(50, -100, 150, 100)),
        closure("wide", line, buffer_m=20.0),
        closure("later", square(0, -50, 400, 50), valid_from_ms=ms(100), valid_to_ms=ms(200)),
        closure("edges", {"edges": [1, 2]}),
    ]
    live_map = fold(story)
    assert drive(live_map, 0, 25, 25)[-1] == A
    assert drive(live_map, 10, 60, 60)[-1] == ("beat:A", "beat:B")
    assert drive(live_map, 20, 85, 85)[-1] == ("beat:A", "beat:B", "closure:wide")
    assert drive(live_map, 100, 145, 145)[-1] == ("beat:A", "beat:B", "closure:later", "closure:wide"), "on the edges"
    assert drive(live_map, 110, 200, 200)[-1] == ("beat:A", "closure:later")
    assert drive(live_map, 201, 200, 200)[-1] == A, "it is over"


def test_what_stands_no_more_holds_nobody() -> None:
    live_map = fold([*START, beats(A=square(0, -500, 400, 500)), closure("c", square(0, -50, 400, 50))])
    assert drive(live_map, 0, 50, 50)[-1] == ("beat:A", "closure:c")
    lifted = told(live_map, ClosureLifted(received_ms=ms(5), closure_id="c"))
    assert (lifted.units, live_map.units["P1"].inside) == (("P1",), A)
    adopted = told(live_map, beats(6, B=square(0, -500, 400, 500)))
    assert (adopted.units, live_map.units["P1"].inside) == (("P1",), ())
    assert drive(live_map, 10, 60, 60)[-1] == ("beat:B",)


def test_holes_and_several_parts() -> None:
    hole = ring((100, -50), (200, -50), (200, 50), (100, 50))
    holed = {"type": "Polygon", "coordinates": [square(0, -500, 400, 500)["coordinates"][0], hole]}
    parts = {
        "type": "MultiPolygon",
        "coordinates": [holed["coordinates"], square(1_000, -50, 1_100, 50)["coordinates"]],
    }
    live_map = fold([*START, beats(A=parts)])
    assert drive(live_map, 0, 20, 20)[-1] == A
    assert drive(live_map, 10, 150, 150)[-1] == (), "in the hole, 50 m from its edges"
    assert drive(live_map, 60, 1_050, 1_050)[-1] == A


def test_a_checkpoint_goes_on_as_if_nothing_had_been() -> None:
    story = [*START, beats(A=square(0, -500, 400, 500)), at(0, -50), at(1, 5)]
    live_map = checkpoint.parse(checkpoint.dump(fold(story)))
    tell(live_map, at(2, 15))
    assert live_map.units["P1"].inside == A
    assert checkpoint.dump(live_map) == checkpoint.dump(fold([*story, at(2, 15)]))


def test_a_log_from_before_folds_as_it_did() -> None:
    live_map = fold([unit("P1"), beats(A=square(0, -500, 400, 500)), at(0, 20), at(1, 21), at(2, 22)])
    assert b"inside" not in checkpoint.dump(live_map)


BAD: list[Any] = [
    1, {"features": 1}, {"features": [1, None, {}]}, {"features": [{"properties": {"beat_id": "A"}}]},
    *({"features": [{"properties": {"beat_id": "A"}, "geometry": shape}]} for shape in (
        None, 1, {"type": "Polygon"}, {"type": "Polygon", "coordinates": [[["x", 1]]]},
        {"type": "Polygon", "coordinates": []}, {"type": "Point", "coordinates": [1, 2]},
        {"type": "MultiPolygon", "coordinates": [[[[1, 2], [3]]]]},
    )),
]  # fmt: skip


@pytest.mark.parametrize("shape", BAD)
def test_beats_that_are_no_shapes_stop_no_ping(shape: Any) -> None:
    live_map = fold([*START, BeatsAdopted(received_ms=ms(0), beats=shape if isinstance(shape, dict) else {"x": shape})])
    assert tell(live_map, at(1, 5), at(2, 6)) == [None, None]


@settings(deadline=None, max_examples=rounds(60))
@given(st.one_of(any_story(), desk_story()))
def test_any_ground_lets_positions_through(story: list[Event]) -> None:
    live_map = fold([*START, *story, unit("P1")])
    reasons = tell(live_map, ping("P1", 10_000), ping("P1", 10_001))
    assert reasons == [None, None]


COORDINATE = st.integers(-600, 600)
SHAPE = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=8, unique=True)


@settings(deadline=None, max_examples=rounds(150))
@given(SHAPE, st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=40), st.sampled_from([0.0, 25.0]))
def test_a_place_is_inside_on_the_edge_or_outside_as_shapely_says(
    corners: list[tuple[int, int]], places: list[tuple[int, int]], wide_m: float
) -> None:
    polygon = shapely.Polygon(corners)
    if not polygon.is_valid or polygon.area < 1.0:
        return
    shape = {"type": "Polygon", "coordinates": [ring(*((float(x), float(y)) for x, y in corners))]}
    live_map = fold([*START, closure("c", shape, buffer_m=wide_m)])
    for x, y in places:
        away_m = polygon.distance(shapely.Point(x, y))
        inside = away_m == 0.0 or away_m <= wide_m
        if (
            min(abs(away_m - wide_m), abs(away_m - wide_m - EDGE_M), polygon.exterior.distance(shapely.Point(x, y)))
            < 1.0
        ):
            continue  # a metre is a matter of how the earth is flattened
        fix = at(0, float(x), float(y)).fix
        cell = fences_of(live_map).cell(fix.lon, fix.lat)
        near = [one for one in cell.near if one.area.name == "closure:c"]
        found = _said(near, cell, fix) if near else "closure:c" in cell.inside
        assert found == (True if inside else None if away_m <= wide_m + EDGE_M else False), (x, y, away_m)


def _said(near: list[Near], cell: Any, fix: Fix) -> bool | None:
    return state(near[0], cell, fix)
