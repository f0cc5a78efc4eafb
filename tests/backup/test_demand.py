"""Demand by place and hour: what is learned from calls, and how well it says where the next ones come from."""

from __future__ import annotations

import numpy as np
import pytest

from geo_backup.backup.demand import (
    Demand,
    accuracy_index,
    cells_of,
    counts,
    learned,
    of_roads,
    score,
    week_hour,
)
from geo_backup.errors import BadValueError
from geo_backup.roads.network import RoadNetwork, WayClass
from geo_backup.wire.times import to_ms
from tests.roads.tiny import Street, draw, place


def town() -> RoadNetwork:
    places = {f"{chr(97 + i)}": (400.0 * (i % 5), 400.0 * (i // 5)) for i in range(25)}
    rows = ["".join(chr(97 + 5 * r + c) for c in range(5)) for r in range(5)]
    columns = ["".join(chr(97 + 5 * r + c) for r in range(5)) for c in range(5)]
    return draw(places, [Street(names) for names in rows + columns])


def test_cells_grow_until_there_are_few_enough() -> None:
    network = town()
    fine, coarse = of_roads(network), of_roads(network, places=6)
    assert len(fine.lon) > 6 >= len(coarse.lon) > 1
    assert coarse.cell_m > fine.cell_m == 400
    assert fine.weights.sum(axis=1) == pytest.approx(40 * 400, rel=0.01)
    assert (fine.forecast(3) == fine.forecast(27)).all()
    assert (cells_of(fine, fine.lon, fine.lat) == np.arange(len(fine.lon))).all()
    with pytest.raises(BadValueError, match="from 1"):
        of_roads(network, places=0)


def test_nobody_calls_from_a_motorway() -> None:
    places = {"a": (0, 0), "b": (300, 0), "c": (9000, 0), "d": (9300, 0)}
    demand = of_roads(draw(places, [Street("ab"), Street("cd", klass=WayClass.MOTORWAY)]))
    assert abs(demand.lon - place(0, 0)[0]).max() < 0.01


def test_calls_are_learned_by_place_and_hour() -> None:
    base = of_roads(town())
    busy, calm = 3, len(base.lon) - 1
    at = np.array([busy] * 40 + [calm] * 2)
    hour = np.array([22] * 40 + [9] * 2)
    demand = learned(base, base.lon[at], base.lat[at], hour)
    assert demand.weights.shape == (24, len(base.lon))
    assert demand.forecast(22).argmax() == busy
    assert demand.forecast(22)[busy] > 3 * demand.forecast(4)[busy]
    assert (demand.weights.sum(axis=0) > 0).all(), "a quiet place is not an empty one"
    assert learned(base, base.lon[at], base.lat[at], hour + 24, 168).weights.shape[0] == 168
    with pytest.raises(BadValueError, match="no call lies in the area"):
        learned(base, np.array([0.0]), np.array([0.0]), np.array([1]))


def test_demand_goes_into_the_log_and_comes_back() -> None:
    base = of_roads(town())
    demand = learned(base, base.lon[:4], base.lat[:4], np.arange(4))
    again = Demand.unpacked(demand.packed())
    assert again.demand_id == demand.demand_id != base.demand_id
    assert (again.weights == demand.weights).all()
    assert again.cell_m == demand.cell_m
    for wrong in ("", "nonsense", demand.packed()[:-7]):
        with pytest.raises(BadValueError, match="no demand"):
            Demand.unpacked(wrong)


def test_the_accuracy_index_by_hand() -> None:
    """Of ten calls six fall in the two places of ten that were forecast: 0.6 / 0.2."""
    forecast = np.array([9.0, 8, 1, 1, 1, 1, 1, 1, 1, 1])
    calls = np.array([4.0, 2, 1, 1, 1, 1, 0, 0, 0, 0])
    assert accuracy_index(forecast, calls, 0.2) == pytest.approx(3.0)
    assert accuracy_index(forecast, calls, 1.0) == pytest.approx(1.0)
    assert accuracy_index(np.stack([forecast, -forecast]), np.stack([calls, calls]), 0.2) == pytest.approx(
        (6 + 2) / 20 / 0.2
    )
    with pytest.raises(BadValueError, match="share"):
        accuracy_index(forecast, calls, 0.0)


def test_a_forecast_by_hour_beats_the_counts_by_hour() -> None:
    """Calls of a hot spot that a short past shows only in part."""
    base = of_roads(town())
    draw_ = np.random.default_rng(7)
    middle = base.lon.mean(), base.lat.mean()
    truth = np.exp(-(((base.lon - middle[0]) * 0.53) ** 2 + (base.lat - middle[1]) ** 2) / 0.004**2)
    truth /= truth.sum()
    past, later = (draw_.choice(len(truth), n, p=truth) for n in (30, 4000))
    calls = [(base.lon[at], base.lat[at], draw_.integers(0, 24, len(at))) for at in (past, later)]
    told = score(base, *calls, 0.2)
    assert (told.past, told.later) == (30, 4000)
    assert told.forecast >= told.count_map > 1.5
    assert told.forecast > told.count_map_by_hour
    bare = counts(base, past, calls[0][2])
    came = counts(base, later, calls[1][2])
    assert told.count_map_by_hour == accuracy_index(bare, came, 0.2)


def test_the_local_hour_of_the_week() -> None:
    lisbon = "Europe/Lisbon"
    assert week_hour(to_ms("2026-11-23T00:30:00Z"), lisbon) == 0, "a Monday"
    assert week_hour(to_ms("2026-07-26T23:30:00Z"), lisbon) == 0, "summer time: Monday has begun"
    assert week_hour(to_ms("2026-10-25T00:30:00Z"), lisbon) == 145
    assert week_hour(to_ms("2026-10-25T01:30:00Z"), lisbon) == 145, "the hour that is twice"
    west, east = "America/Los_Angeles", "Pacific/Auckland"
    assert week_hour(to_ms("2020-04-06T06:59:00Z"), west) == 167
    assert week_hour(to_ms("2026-11-22T11:30:00Z"), east) == 0
