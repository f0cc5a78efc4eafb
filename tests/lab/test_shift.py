"""Simulated shifts: what a timeline of recorded calls does to a small fleet, on real roads."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from geo_backup.errors import BadValueError
from geo_backup.formats.calls import Call, CallUnit
from geo_backup.formats.stations import Station
from geo_backup.lab.compare import check, compare, measure, prepare, summary
from geo_backup.lab.demand import Believed, Counted
from geo_backup.lab.ground import Ground, targets_of
from geo_backup.lab.plot import draw
from geo_backup.lab.policy import DETOUR_MS, POLICIES, Offer
from geo_backup.lab.record import Record
from geo_backup.lab.shift import Outcome, run_shift
from geo_backup.roads.kernel import INF_MS
from geo_backup.roads.network import RoadNetwork
from tests.running import GOTHENBURG
from tests.stories import T0

# either side of the river, and a third station in the east
STATIONS = (Station("1", 11.9668, 57.7072), Station("2", 11.9400, 57.7200), Station("3", 12.0200, 57.7150))
PLACES = ((11.9700, 57.7050), (11.9450, 57.7210), (12.0150, 57.7160), (11.9560, 57.7020), (11.9850, 57.7260))
MINUTE_MS = 60_000


@functools.cache
def network() -> RoadNetwork:
    return RoadNetwork.load(GOTHENBURG)


def call(number: int, at_min: float, place: int, units: str, *, kept_min: float = 20.0, priority: int = 2) -> Call:
    """Units such as "E1 E2"; the record says a minute of turnout and four of travel."""
    at_ms = T0 + round(at_min * MINUTE_MS)
    sent = tuple(
        CallUnit(
            name, "engine", at_ms, at_ms + MINUTE_MS, at_ms + 5 * MINUTE_MS,
            available_ms=at_ms + round((5 + kept_min) * MINUTE_MS),
        )
        for name in units.split()
    )  # fmt: skip
    return Call(f"c{number}", at_ms, *PLACES[place], priority, "fire", sent, str(1 + place % 3))


def world(*calls: Call, pace: str = "1") -> tuple[Record, Ground]:
    record, ground, _, _ = prepare(network(), calls, STATIONS, pace, 1)
    return record, ground


def scattered(count: int = 120, seed: int = 3) -> tuple[Call, ...]:
    draw = np.random.default_rng(seed)
    at = np.cumsum(draw.exponential(9.0, count))
    places = draw.integers(0, len(PLACES), count).tolist()
    return tuple(
        call(n, float(minute), place, " ".join(f"E{1 + (place + k) % 3}" for k in range(1 + n % 2)), priority=1 + n % 3)
        for n, (minute, place) in enumerate(zip(at, places, strict=True))
    )


def who(record: Record, outcome: Outcome) -> list[str]:
    return [record.units[unit] if unit >= 0 else "" for unit in outcome.unit.tolist()]


def test_units_live_where_their_calls_were() -> None:
    record, _ = world(*scattered())
    home = {unit: record.stations[at].station for unit, at in zip(record.units, record.unit_home.tolist(), strict=True)}
    assert sorted(home.values()) == ["1", "2", "3"]


def test_the_closest_by_road_goes_and_turns_out_first() -> None:
    record, ground = world(call(0, 0, 0, "E1"), call(1, 60, 1, "E2"), call(2, 120, 2, "E3"))
    outcome = run_shift(record, ground, POLICIES["road"])
    assert outcome.travel_ms.tolist() == ground.out_ms.min(axis=0).tolist()
    assert (outcome.arrival_ms - outcome.sent_ms - outcome.travel_ms).tolist() == [MINUTE_MS] * 3


def test_a_busy_fleet_lets_the_most_urgent_go_first() -> None:
    calls = (
        call(0, 0, 0, "E1 E2 E3", kept_min=30),
        call(1, 5, 1, "E2", priority=3),
        call(2, 6, 2, "E3", priority=1),
    )
    record, ground = world(*calls)
    outcome = run_shift(record, ground, POLICIES["road"])
    assert outcome.queued.tolist() == [False, False, False, True, True]
    assert outcome.sent_ms[4] <= outcome.sent_ms[3]
    freed_ms = np.sort(outcome.arrival_ms[:3] + 30 * MINUTE_MS)
    assert outcome.sent_ms[4] == freed_ms[0]
    assert outcome.sent_ms[3] == freed_ms[1]


def test_a_unit_that_drives_home_is_sent_from_where_it_is() -> None:
    """It stands on the road between: nearer to the next call than its station is, with no turnout to wait for."""
    far = call(0, 0, 2, "E1", kept_min=10)
    record, ground = world(far, call(1, 300, 2, "E1"))
    (home,) = record.unit_home.tolist()
    alone = run_shift(record, ground, POLICIES["road"])
    free_ms = int(alone.arrival_ms[0]) + 10 * MINUTE_MS
    back_ms = int(ground.back_ms[0, home])
    assert back_ms > 90_000
    half_min = (free_ms + back_ms // 2 - T0) / MINUTE_MS
    record, ground = world(far, call(1, half_min, 2, "E1"))
    outcome = run_shift(record, ground, POLICIES["road"])
    assert 0 < outcome.travel_ms[1] < ground.out_ms[home, 1]
    assert outcome.arrival_ms[1] - outcome.sent_ms[1] - outcome.travel_ms[1] == 5_000


def test_the_way_home_goes_on_without_a_leap() -> None:
    record, ground = world(call(0, 0, 2, "E1"))
    (home,) = record.unit_home.tolist()
    back_ms = int(ground.back_ms[0, home])
    places = []
    for after_ms in range(0, back_ms, 2_000):
        at = ground.on_way(0, home, after_ms)
        assert at is not None
        places.append(ground.lon_lat(at))
    east_m, north_m = network().metres_per_deg
    steps_m = np.hypot(*(np.diff(np.array(places), axis=0) * (east_m, north_m)).T)
    assert steps_m.max() < 2.0 * 40.0  # no car does 40 m/s here
    here, there = np.array(places[-1]), np.array((STATIONS[home].lon, STATIONS[home].lat))
    assert np.hypot(*((here - there) * (east_m, north_m))) < 150.0


def test_policies_differ_in_what_they_look_at() -> None:
    """The one by air is across the river; the one at home is in its own area; cover keeps the last unit of its area."""
    offer = Offer(
        3, np.array([200_000, 180_000, 240_000]), np.array([900.0, 1_500.0, 2_000.0]), np.array([1, 2, 0]),
        np.array([0.2, 0.2, 0.0]),
    )  # fmt: skip
    assert {name: int(np.argmin(policy(offer))) for name, policy in POLICIES.items()} == {
        "road": 1, "air": 0, "home": 2, "cover": 2,
    }  # fmt: skip
    assert int(np.argmin(POLICIES["cover"](offer._replace(priority=1)))) == 1
    too_late = offer._replace(eta_ms=np.array([200_000, 180_000, 180_001 + DETOUR_MS]))
    assert int(np.argmin(POLICIES["cover"](too_late))) == 1


def test_the_price_of_a_unit_is_what_the_cover_loses() -> None:
    record, ground = world(*scattered())
    outcome = run_shift(record, ground, POLICIES["road"])
    counted, free = Counted(record, ground), np.ones(3, bool)
    without = free.copy()
    without[outcome.unit[0]] = False
    lost = counted.cover(0, record.unit_home, free).value() - counted.cover(0, record.unit_home, without).value()
    assert outcome.cover_lost[0] == pytest.approx(lost)
    assert lost > 0


def morning(day: int, minute: float = 0.0) -> float:
    """Minutes after T0, which is 23:13 in Gothenburg, until a minute of a morning."""
    return 600.0 + day * 24 * 60 + minute


def city_day(day: int) -> list[Call]:
    """Most calls come south of the river, where only E1 is at home."""
    return [
        call(100 * day + n, morning(day, 40 * n), place, f"E{1 + place}", kept_min=5)
        for n, place in enumerate((0, 0, 1, 0, 0, 2, 0, 0))
    ]


def test_what_is_believed_of_a_day_is_not_of_its_calls() -> None:
    """Other calls on a day change what is believed of the day before, and nothing that is believed of itself."""
    usual = city_day(0)
    quiet, wild = call(90, morning(1), 1, "E2"), [call(100 + n, morning(1, n), 4, "E2", kept_min=90) for n in range(30)]
    all_free = np.ones(3, bool)

    def believed(day: int, *calls: Call) -> float:
        record, ground = world(*usual, *calls, pace="3")
        cover = Believed(record, ground).cover(T0 + round(morning(day) * MINUTE_MS), 0, np.arange(3), all_free)
        return cover.value()

    assert believed(1, quiet) == believed(1, quiet, *wild)
    assert believed(0, quiet) != believed(0, quiet, *wild)


def test_without_another_day_calls_come_where_roads_are() -> None:
    record, ground = world(*city_day(0))
    cover = Believed(record, ground).cover(record.calls[0].received_ms, 0, np.arange(3), np.ones(3, bool))
    assert np.array_equal(cover.weights, ground.places.weights[0])


def test_a_move_up_is_there_for_the_next_call() -> None:
    """E1 is kept for an hour. Another engine has come to its station before the next call beside it, and goes home."""
    last = [
        call(200, morning(2), 0, "E1", kept_min=60),
        call(201, morning(2, 30), 0, "E2", kept_min=5),
        call(202, morning(2, 240), 1, "E2"),
    ]
    record, ground = world(*city_day(0), *city_day(1), *last, pace="3")
    stay, moved = (run_shift(record, ground, POLICIES["cover"], moves=moves) for moves in (False, True))
    assert stay.moves == 0
    assert moved.moves >= 2
    assert moved.travel_ms[-2] < stay.travel_ms[-2] - MINUTE_MS
    assert moved.travel_ms[-2] == ground.out_ms[0, -2]
    assert moved.travel_ms[-1] == stay.travel_ms[-1]


def test_a_unit_that_is_moved_is_sent_from_where_it_is() -> None:
    """Half a minute after E1 went, the engine that fills its gap is on the road, and its crew sits in it."""
    last = [call(200, morning(2), 0, "E1", kept_min=60), call(201, morning(2, 0.5), 0, "E2", kept_min=5)]
    record, ground = world(*city_day(0), *city_day(1), *last, pace="3")
    outcome = run_shift(record, ground, POLICIES["cover"], moves=True)
    assert outcome.arrival_ms[-1] - outcome.sent_ms[-1] - outcome.travel_ms[-1] == 5_000
    assert outcome.travel_ms[-1] not in ground.out_ms[:, -1]


def test_every_policy_answers_every_call_and_road_is_first_on_the_road() -> None:
    record, ground = world(*scattered())
    measured = compare(record, ground, list(POLICIES), move_up=True)
    rows = summary(measured, seed=1)
    assert {row["calls"] for row in rows.values()} == {120}
    outcomes = {name: run_shift(record, ground, policy) for name, policy in POLICIES.items()}
    for name, outcome in outcomes.items():
        assert (outcome.unit >= 0).all(), name
        # nobody is in two places at once
        for unit in range(len(record.units)):
            mine = np.flatnonzero(outcome.unit == unit)
            mine = mine[np.argsort(outcome.sent_ms[mine])]
            free_ms = outcome.arrival_ms[mine] + [record.slots[slot].kept_ms for slot in mine]
            assert (outcome.sent_ms[mine][1:] >= free_ms[:-1]).all(), name
    # the first call finds everybody at home under each policy: there no policy beats the road
    assert measured["road"].first_ms[0] == min(one.first_ms[0] for one in measured.values())
    low, high = rows["air"]["minus_road"]["first_travel_mean_s"]
    mean_s = (measured["air"].first_ms.mean() - measured["road"].first_ms.mean()) / 1_000
    assert low <= mean_s <= high
    assert draw(measured, "Gothenburg").count("<path") >= 2 * len(POLICIES)


def test_the_same_seed_is_the_same_shift() -> None:
    calls = [one for day in range(3) for one in city_day(day)]
    a, b = (run_shift(*world(*calls, pace="3"), POLICIES["cover"], moves=True) for _ in range(2))
    assert a.moves > 0
    for mine, other in zip(dataclasses.astuple(a), dataclasses.astuple(b), strict=True):
        assert np.array_equal(mine, other)


def test_what_was_cancelled_in_the_record_has_no_arrival() -> None:
    one = call(0, 0, 0, "E1 E2")
    gone = one.units[1]._replace(on_scene_ms=None)
    record, ground = world(one._replace(units=(one.units[0], gone)))
    outcome = run_shift(record, ground, POLICIES["road"])
    measured = measure(record, outcome)
    assert measured.first_ms.tolist() == measured.kth_ms.tolist()


def test_pace_is_fitted_to_recorded_travel() -> None:
    calls = [call(n, 240.0 * n, n % 3, f"E{1 + n % 3}", priority=1) for n in range(12)]
    record, ground, left_out, checked = prepare(network(), calls, STATIONS, "fit", 1)
    assert left_out == {}
    assert checked["drives"] == 12
    assert checked["ratio_median"] == pytest.approx(1.0, abs=0.02)
    assert ground.pace > 1.0  # four minutes are recorded for about one
    assert check(record, ground) == checked


def test_what_lies_off_the_map_is_counted() -> None:
    away = call(1, 60, 0, "E1")._replace(lon=13.0)
    stations = (*STATIONS, Station("9", 13.0, 57.7))
    record, ground, left_out, _ = prepare(network(), [call(0, 0, 0, "E1"), away], stations, "1", 1)
    assert left_out == {"call off the map": 1, "station off the map": 1}
    assert len(record.calls) == 1
    assert (ground.out_ms < INF_MS).all()
    with pytest.raises(BadValueError, match="no usable row"):
        prepare(network(), [away], stations, "1", 1)
    with pytest.raises(BadValueError, match=r"from 0\.1 to 10"):
        prepare(network(), [call(0, 0, 0, "E1")], stations, "fast", 1)


def test_a_place_on_no_road_is_no_target() -> None:
    on, off = targets_of(network(), [PLACES[0], (13.0, 57.7)])
    assert on is not None
    assert off is None
