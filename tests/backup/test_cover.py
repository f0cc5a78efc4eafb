"""Cover and its prices against what they are by definition, and the floors of beats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.backup.cover import ONE, Beat, Beats, Cover, price_words
from geo_backup.backup.readings import place_times_ms
from geo_backup.errors import BadValueError
from geo_backup.roads.field import ArrivalField, Starts
from geo_backup.roads.hierarchy import Metric
from geo_backup.roads.kernel import INF_MS, Array
from geo_backup.roads.profile import ROUTINE
from geo_backup.roads.snap import snap_place, snap_units
from geo_backup.roads.weights import weigh
from geo_backup.rules import CoverRules, SnapRules
from tests.roads.tiny import Street, draw, place

RULES = CoverRules()


@st.composite
def covers(draw_: st.DrawFn) -> Cover:
    j, n = draw_(st.integers(1, 8)), draw_(st.integers(1, 7))
    ms = st.sampled_from([60_000, 240_000, 300_000, 480_000, 480_001, INF_MS])
    rows = draw_(st.lists(st.lists(ms, min_size=n, max_size=n), min_size=j, max_size=j))
    free = draw_(st.lists(st.booleans(), min_size=n, max_size=n))
    weights = draw_(st.lists(st.integers(0, 50), min_size=j, max_size=j))
    q = draw_(st.sampled_from([0.0, 0.3, 0.55]))
    return Cover(np.array(rows, np.int32), np.array(free), np.array(weights, float), CoverRules(busy_fraction=q))


def by_hand(cover: Cover, free: Array) -> float:
    total = cover.weights.sum() or 1.0
    value = 0.0
    for j, row in enumerate(cover.ms):
        n = sum(bool(f) and ms <= cover.rules.target_ms for ms, f in zip(row.tolist(), free, strict=True))
        value += cover.weights[j] / total * (1 - cover.rules.busy_fraction**n)
    return float(value)


@given(covers())
def test_the_value_is_that_of_the_definition(cover: Cover) -> None:
    assert cover.value() == pytest.approx(by_hand(cover, cover.free), abs=1e-9)


@given(covers(), st.data())
def test_a_price_is_exactly_what_the_value_loses(cover: Cover, data: st.DataObject) -> None:
    taken = data.draw(st.lists(st.integers(0, len(cover.free) - 1), unique=True, max_size=4))
    left = cover.free.copy()
    left[taken] = False
    without = Cover(cover.ms, left, cover.weights, cover.rules)
    assert cover.price(taken) == cover.value() - without.value()
    assert (cover.prices >= 0).all()
    assert cover.price(taken) >= sum(cover.prices[taken]) - len(cover.weights) * len(taken) / ONE
    for unit in range(len(cover.free)):
        assert cover.prices[unit] == cover.price([unit])


def test_the_double_standard_and_reliability() -> None:
    """Demand 5, 3, 2; the first place has two free units near, the second one far, the third only a busy one."""
    ms = np.array([[100_000, 200_000, 9], [400_000, 500_000, 9], [INF_MS, INF_MS, 9]], np.int32)
    cover = Cover(ms, np.array([True, True, False]), np.array([5.0, 3.0, 2.0]), RULES)
    standard = cover.double_standard()
    assert standard[:3] == pytest.approx((0.8, 0.5, 0.5))
    assert not standard.met
    assert cover.reliable() == pytest.approx(0.5), "1 - 0.3^2 = 0.91, 1 - 0.3 = 0.7"
    assert cover.value(np.array([False, True, True])) == pytest.approx(0.6 * 0.7)
    everyone = Cover(np.full((3, 2), 1000, np.int32), np.array([True, True]), np.ones(3), RULES)
    assert everyone.double_standard().met


def test_wrong_input_is_named() -> None:
    with pytest.raises(BadValueError, match=r"need \(places, units\)"):
        Cover(np.zeros((2, 3), np.int32), np.ones(3, bool), np.ones(3), RULES)
    with pytest.raises(BadValueError, match="finite"):
        Cover(np.zeros((1, 1), np.int32), np.ones(1, bool), np.array([np.nan]), RULES).value()
    with pytest.raises(BadValueError, match="24"):
        Beats([Beat("1", square(0, 1), (1, 2))])
    with pytest.raises(BadValueError, match="beat 1 must be") as caught:
        Beats([Beat("1", {"type": "Point", "coordinates": [0, 0]})])
    assert caught.value.field == "/beats/0/geometry"


def square(west: float, east: float) -> dict[str, object]:
    return {"type": "Polygon", "coordinates": [[[west, 0], [east, 0], [east, 1], [west, 1], [west, 0]]]}


def test_beats_and_their_borders() -> None:
    beats = Beats([Beat("east", square(1, 2)), Beat("west", square(0, 1))])
    lon, lat = np.array([0.5, 1.5, 1.0, 0.0, 3.0, 0.5]), np.array([0.5, 0.5, 0.5, 0.0, 0.5, 1.5])
    assert beats.at(lon, lat).tolist() == [1, 0, 0, 1, -1, -1]
    assert Beats([]).at(lon, lat).tolist() == [-1] * 6


def test_floors_by_hour() -> None:
    beat = Beat("5", square(1, 2), (2,) * 6 + (1,) * 18)
    assert [beat.floor_at(hour, RULES) for hour in (3, 12)] == [2, 1]
    assert Beat("4", square(0, 1)).floor_at(3, RULES) == RULES.floor


def test_the_price_in_words() -> None:
    assert price_words(0.2, "4", 22 * 60_000) == "last unit of beat 4 for about 22 min"
    assert price_words(0.034, None, 600_000) == "3% less cover for about 10 min"
    assert price_words(0.001, None, 600_000) == ""


def test_the_times_to_places_are_those_of_their_fields() -> None:
    names = "abcdefghi"
    places = {name: (500.0 * (i % 3), 400.0 * (i // 3)) for i, name in enumerate(names)}
    network = draw(places, [Street("abc"), Street("def", oneway=True), Street("ghi"), Street("adg"), Street("cfi")])
    metric = Metric(weigh(network, ROUTINE))
    spots = [place(40.0 * k, 3.0 + 30.0 * (k % 7)) for k in range(25)]
    targets = [snap_place(network, lon, lat, SnapRules()) for lon, lat in spots]
    lon, lat = np.array(spots[::3]).T
    unknown = np.full(len(lon), np.nan)
    points = snap_units(network, lon, lat, unknown, unknown, SnapRules())
    starts = Starts.of(metric.weights, points)
    ms = place_times_ms(metric, targets, starts, 3_600_000)
    assert len(targets) > 16
    for row, target in zip(ms, targets, strict=True):
        assert row.tolist() == ArrivalField.build(metric.weights, target).read(starts)[0].tolist()
