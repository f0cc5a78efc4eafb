"""Where to wait and whom to move: gains by definition, moves that never cost cover, staging on all sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.backup.cover import Cover
from geo_backup.backup.staging import best_post, move_up, post_gains, staging_points
from geo_backup.errors import BadValueError
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.rules import CoverRules
from tests.roads.tiny import from_local_m

RULES = CoverRules()
NEAR, FAR = 100_000, 900_000


def with_units(cover: Cover, columns: Array, gone: list[int]) -> Cover:
    """The cover with more free units (int32[J, K]) and without others."""
    free = cover.free.copy()
    free[gone] = False
    more = np.ones(columns.shape[1], bool)
    return Cover(np.hstack([cover.ms, columns]), np.concatenate([free, more]), cover.weights, cover.rules)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Cover, Array, Array, Array]:
    j, n, p = draw(st.integers(1, 7)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
    ms = st.sampled_from([NEAR, FAR, INF_MS])

    def matrix(rows: int, columns: int) -> Array:
        row = st.lists(ms, min_size=columns, max_size=columns)
        return np.array(draw(st.lists(row, min_size=rows, max_size=rows)), np.int32)

    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    weights = draw(st.lists(st.integers(0, 9), min_size=j, max_size=j))
    rules = CoverRules(move_up_max=draw(st.integers(0, 3)), busy_fraction=draw(st.sampled_from([0.0, 0.3])))
    cover = Cover(matrix(j, n), np.array(draw(flags)), np.array(weights, float), rules)
    return cover, matrix(j, p), matrix(p, n), np.array(draw(flags))


@given(scenes())
def test_a_posts_gain_is_what_a_unit_there_adds(scene: tuple[Cover, Array, Array, Array]) -> None:
    cover, post_ms, _, _ = scene
    for post, gain in enumerate(post_gains(cover, post_ms).tolist()):
        assert gain == with_units(cover, post_ms[:, [post]], []).value() - cover.value()


@given(scenes())
def test_moves_are_few_possible_and_each_wins(scene: tuple[Cover, Array, Array, Array]) -> None:
    cover, post_ms, drive_ms, movable = scene
    moves = move_up(cover, post_ms, drive_ms, movable)
    assert len(moves) <= cover.rules.move_up_max
    assert len({move.unit for move in moves}) == len(moves)
    value = cover.value()
    for k, move in enumerate(moves, start=1):
        assert cover.free[move.unit]
        assert movable[move.unit]
        assert move.drive_ms == drive_ms[move.post, move.unit] <= cover.rules.move_up_drive_max_ms
        after = with_units(cover, post_ms[:, [m.post for m in moves[:k]]], [m.unit for m in moves[:k]]).value()
        assert move.gain == after - value >= cover.rules.move_up_min_gain
        value = after


def test_one_of_two_in_the_same_place_moves_into_the_gap() -> None:
    """Units 0 and 1 stand together in the west, 2 in the south; the east is empty. The nearer of the two goes."""
    places = np.array([[NEAR, NEAR, FAR], [FAR, FAR, NEAR], [FAR, FAR, FAR]], np.int32)
    posts = np.array([[NEAR, FAR], [FAR, FAR], [FAR, NEAR]], np.int32)
    drive_ms = np.array([[0, 0, 0], [300_000, 200_000, 100_000]], np.int32)
    cover = Cover(places, np.ones(3, bool), np.array([4.0, 3.0, 3.0]), RULES)
    (move,) = move_up(cover, posts, drive_ms, np.ones(3, bool))
    assert (move.unit, move.post, move.drive_ms) == (1, 1, 200_000)
    assert move.gain == pytest.approx(0.3 * 0.7 - 0.4 * 0.7 * 0.3)
    assert move_up(cover, posts, drive_ms + 900_000, np.ones(3, bool)) == ()
    assert best_post(cover, posts, np.array([0, 500_000])) == 1
    assert best_post(cover, posts, np.array([0, INF_MS])) == 0
    assert best_post(cover, posts, np.array([INF_MS, INF_MS])) == -1


def test_staging_is_outside_the_hazard_and_on_several_sides() -> None:
    scene = (11.97, 57.70)
    east = np.array([500.0, 510.0, -500.0, 0.0, 150.0, 3000.0, 0.0])
    north = np.array([0.0, 20.0, 0.0, 500.0, 0.0, 0.0, -500.0])
    lon, lat = from_local_m(east, north, *scene)
    eta_ms = np.array([70_000, 71_000, 90_000, 80_000, 65_000, 300_000, INF_MS], np.int32)
    corners = from_local_m(np.array([-100.0, 100, 100, -100, -100]), np.array([-100.0, -100, 100, 100, -100]), *scene)
    hazard = {"type": "Polygon", "coordinates": [np.column_stack(corners).tolist()]}
    points = staging_points(scene, lon, lat, eta_ms, 3, RULES, hazard)
    assert [point.place for point in points] == [0, 2, 3], "not 4: it is 50 m from the hazard"
    assert [point.bearing_deg for point in points] == pytest.approx([90, 270, 0], abs=1)
    assert points[0].eta_ms == 70_000
    assert [point.place for point in staging_points(scene, lon, lat, eta_ms, 1, RULES)] == [4]
    with pytest.raises(BadValueError, match="hazard must be"):
        staging_points(scene, lon, lat, eta_ms, 1, RULES, {"type": "Square"})
