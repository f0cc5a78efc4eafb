"""The set to send: greedy and exact answers against trying everything."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.backup.choice import LEVELS, Choice, Fleet, Level, Objective, Request, Sent, objective
from geo_backup.backup.exact import exact
from geo_backup.backup.greedy import greedy
from geo_backup.backup.requirement import NOT_AT_ALL, fill, remaining
from geo_backup.events import ANY, Need
from geo_backup.roads.kernel import INF_MS
from tests.rounds import rounds

SKILLS = ("patrol", "k-9", "ALS", "engine")


def fleet_of(*capabilities: str, cover: list[int] | None = None, workload: list[int] | None = None) -> Fleet:
    n = len(capabilities)
    return Fleet(
        [f"U{i}" for i in range(n)],
        [tuple(text.split()) for text in capabilities],
        np.array(cover or [0] * n, np.int64),
        np.array(workload or [0] * n, np.int64),
        np.full(n, -1),
        np.array([], np.int64),
    )


def asks(*needs: Need, etas: list[int | None], priority: int = 1, several: bool = False, name: str = "i1") -> Request:
    eta_ms = np.array([INF_MS if eta is None else eta * 1000 for eta in etas], np.int64)
    return Request(name, priority, needs, several, eta_ms, np.zeros(len(etas), np.int64))


def ways(request: Request, fleet: Fleet, free: tuple[int, ...]) -> list[tuple[Sent, ...]]:
    """Every way to fill a request from the free units."""
    out: set[tuple[Sent, ...]] = set()
    able = [row for row in free if request.eta_ms[row] < INF_MS]
    slots = sum(need.count for need in request.needs)
    for size in range(min(len(able), slots) + 1):
        for rows in combinations(able, size):
            each: list[list[tuple[int, ...]]] = []
            for row in rows:
                can = [i for i, n in enumerate(request.needs) if fill(fleet.skills[row], n) != NOT_AT_ALL]
                most = len(can) if request.several else 1
                each.append([some for k in range(1, most + 1) for some in combinations(can, k)])
            for fills in product(*each):
                units = tuple(Sent(row, some) for row, some in zip(rows, fills, strict=True))
                if all(sum(i in u.fills for u in units) <= n.count for i, n in enumerate(request.needs)):
                    out.add(units)
    return sorted(out)


def spares(requests: list[Request], fleet: Fleet, sent: list[tuple[Sent, ...]], gone: set[int]) -> bool:
    """Whether requests of one urgency leave each team what it cannot spare."""
    if not requests[0].leaves_floors:
        return True
    now, before = np.zeros((2, len(fleet.spare)), np.int64)
    np.add.at(now, [fleet.team[u.row] for units in sent for u in units if fleet.team[u.row] >= 0], 1)
    np.add.at(before, [fleet.team[row] for row in gone if fleet.team[row] >= 0], 1)
    return bool((now <= np.maximum(fleet.spare - before, 0)).all())


def best_of_all(requests: list[Request], fleet: Fleet, bucket_ms: int, gone: set[int]) -> Objective:
    """The best objective of requests of one urgency."""

    def tries(r: int, free: tuple[int, ...]) -> list[list[tuple[Sent, ...]]]:
        if r == len(requests):
            return [[]]
        return [
            [units, *rest]
            for units in ways(requests[r], fleet, free)
            for rest in tries(r + 1, tuple(row for row in free if row not in {u.row for u in units}))
        ]

    free = tuple(row for row in range(len(fleet.ids)) if row not in gone)
    lawful = (sent for sent in tries(0, free) if spares(requests, fleet, sent, gone))
    return min(objective(requests, fleet, sent, bucket_ms)[0][1] for sent in lawful)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Request], Fleet, int]:
    n = draw(st.integers(1, 5))
    skills = st.lists(st.sampled_from(SKILLS), max_size=3, unique=True).map(tuple)
    fleet = Fleet(
        [f"U{i}" for i in range(n)],
        [draw(skills) for _ in range(n)],
        np.array([draw(st.integers(0, 3)) for _ in range(n)], np.int64),
        np.array([draw(st.integers(0, 2)) for _ in range(n)], np.int64),
        np.array([draw(st.integers(-1, 1)) for _ in range(n)], np.int64),
        np.array([draw(st.integers(-1, 2)) for _ in range(2)], np.int64),
    )
    need = st.builds(
        Need,
        st.sampled_from((*SKILLS, ANY)),
        st.integers(1, 2),
        st.sampled_from(["must", "want"]),
        st.lists(st.sampled_from(SKILLS), max_size=1).map(tuple),
    )
    requests = []
    for r in range(draw(st.integers(1, 3))):
        etas = [draw(st.none() | st.integers(0, 40)) for _ in range(n)]
        needs = draw(st.lists(need, min_size=1, max_size=2))
        request = asks(*needs, etas=etas, priority=draw(st.integers(1, 2)), several=draw(st.booleans()), name=f"i{r}")
        preference = np.array([draw(st.integers(0, 1)) * 100 for _ in range(n)], np.int64)
        requests.append(request._replace(preference=preference, leaves_floors=draw(st.booleans())))
    return requests, fleet, draw(st.sampled_from([1_000, 10_000]))


def lawful(choice: Choice, requests: list[Request], fleet: Fleet) -> None:
    rows = [unit.row for units in choice.sent for unit in units]
    assert len(rows) == len(set(rows))
    gone: set[int] = set()
    for urgency in sorted({request.urgency for request in requests}):
        mine = [r for r, request in enumerate(requests) if request.urgency == urgency]
        assert spares([requests[r] for r in mine], fleet, [choice.sent[r] for r in mine], gone)
        gone |= {unit.row for r in mine for unit in choice.sent[r]}
    for request, units in zip(requests, choice.sent, strict=True):
        for unit in units:
            assert unit.fills
            assert request.several or len(unit.fills) == 1
            assert request.eta_ms[unit.row] < INF_MS
            assert all(fill(fleet.skills[unit.row], request.needs[i]) != NOT_AT_ALL for i in unit.fills)
        for i, need in enumerate(request.needs):
            assert sum(i in unit.fills for unit in units) <= need.count


@given(cases())
@settings(max_examples=rounds(150), deadline=None)
def test_exact_is_the_best_of_all_and_greedy_no_better(case: tuple[list[Request], Fleet, int]) -> None:
    requests, fleet, bucket_ms = case
    first, best = greedy(requests, fleet, bucket_ms), exact(requests, fleet, bucket_ms)
    lawful(first, requests, fleet)
    lawful(best, requests, fleet)
    assert best.proven
    assert not first.better_than(best)
    assert bool(best.gap(first)) == best.better_than(first)
    gone: set[int] = set()
    for urgency, reached in best.objectives:
        mine = [r for r, request in enumerate(requests) if request.urgency == urgency]
        assert reached == best_of_all([requests[r] for r in mine], fleet, bucket_ms, gone)
        gone |= {unit.row for r in mine for unit in best.sent[r]}


@given(cases())
@settings(max_examples=rounds(50), deadline=None)
def test_the_same_inputs_give_the_same_answer(case: tuple[list[Request], Fleet, int]) -> None:
    requests, fleet, bucket_ms = case
    assert exact(requests, fleet, bucket_ms) == exact(requests, fleet, bucket_ms)
    assert greedy(requests, fleet, bucket_ms) == greedy(requests, fleet, bucket_ms)


@given(st.lists(st.integers(0, 900), min_size=1, max_size=12), st.integers(1, 6))
@settings(deadline=None)
def test_greedy_is_best_where_every_unit_fits_one_need(etas: list[int], count: int) -> None:
    requests = [asks(Need(ANY, count), etas=list(etas))]
    fleet = fleet_of(*[""] * len(etas))
    first = greedy(requests, fleet)
    assert first.objectives == exact(requests, fleet).objectives
    kept = sorted(range(len(etas)), key=lambda row: (etas[row] // 10, etas[row], row))[:count]
    assert sorted(unit.row for unit in first.sent[0]) == sorted(kept)


def test_the_rare_skill_is_not_spent_on_what_anyone_can_do() -> None:
    """The only dog is nearest; a patrol and a dog are asked for."""
    requests = [asks(Need("patrol"), Need("k-9"), etas=[10, 60])]
    fleet = fleet_of("patrol k-9", "patrol")
    for choice in (greedy(requests, fleet), exact(requests, fleet)):
        assert choice.sent == ((Sent(0, (1,)), Sent(1, (0,))),)


def test_a_level_more_is_a_row_more(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, request = fleet_of("patrol", "patrol"), asks(Need("patrol"), etas=[40, 10])
    sooner = greedy([request], fleet)
    assert [unit.row for unit in sooner.sent[0]] == [1]
    odd = Level("odd", lambda request, fleet, rows, bucket_ms: rows % 2)
    for room in ("choice", "exact"):
        monkeypatch.setattr(f"geo_backup.backup.{room}.LEVELS", (*LEVELS[:2], odd, *LEVELS[2:]))
    first, best = greedy([request], fleet), exact([request], fleet, first=sooner)
    assert [unit.row for unit in first.sent[0]] == [unit.row for unit in best.sent[0]] == [0]
    assert first.gap(Choice(sooner.sent, objective([request], fleet, sooner.sent, 10_000))) == "priority 1: odd by 1"


def test_the_last_arrival_counts_before_the_sum() -> None:
    """Two incidents, two units: the sum alone would leave one of them waiting."""
    near, far = asks(ANY_ONE, etas=[10, 100]), asks(ANY_ONE, etas=[50, 200], name="i2")
    fleet = fleet_of("", "")
    assert exact([near, far], fleet).sent == ((Sent(1, (0,)),), (Sent(0, (0,)),))


ANY_ONE = Need(ANY)


def test_the_more_urgent_takes_first() -> None:
    low, high = asks(ANY_ONE, etas=[10, 500], priority=3), asks(ANY_ONE, etas=[20, 30], priority=1, name="i2")
    fleet = fleet_of("", "")
    for choice in (greedy([low, high], fleet, 1_000), exact([low, high], fleet, 1_000)):
        assert choice.sent == ((Sent(1, (0,)),), (Sent(0, (0,)),))


def test_a_quint_is_engine_and_ladder_where_the_card_says_so() -> None:
    needs = (Need("engine"), Need("ladder"))
    fleet = fleet_of("engine ladder", "engine", "ladder")
    apart, both = (asks(*needs, etas=[60, 50, 70], several=several) for several in (False, True))
    assert exact([apart], fleet).sent == ((Sent(0, (1,)), Sent(1, (0,))),)
    assert exact([both], fleet).sent == ((Sent(0, (0, 1)),),)
    assert greedy([both], fleet).sent == ((Sent(0, (0, 1)),),)


@pytest.mark.parametrize(
    ("cover", "workload", "winner"), [([5, 1], [0, 0], 1), ([1, 1], [3, 2], 1), ([1, 1], [2, 2], 0)]
)
def test_within_ten_seconds_the_city_and_the_crew_decide(cover: list[int], workload: list[int], winner: int) -> None:
    requests = [asks(ANY_ONE, etas=[61, 61])]
    fleet = fleet_of("", "", cover=cover, workload=workload)
    for choice in (greedy(requests, fleet), exact(requests, fleet)):
        assert choice.sent == ((Sent(winner, (0,)),),)


def test_what_is_missing_is_counted_not_hidden() -> None:
    requests = [asks(Need("EOD"), Need("patrol", 2), Need("drone", 1, "want"), etas=[10, 20])]
    choice = exact(requests, fleet_of("patrol", "patrol"))
    assert choice.objectives[0][1][:2] == (1, 1)
    assert len(choice.sent[0]) == 2


def test_who_is_on_the_way_is_not_asked_for_again() -> None:
    needs = (Need("patrol", 3), Need("k-9"))
    assert remaining(needs, False, [("patrol",), ("patrol", "k-9")])[0] == (Need("patrol", 2),)
    assert remaining(needs, True, [("patrol",), ("patrol", "k-9")])[0] == (Need("patrol", 1),)
    assert remaining(needs, False, [("patrol",)] * 5 + [("k-9",)]) == ((), ())


def test_anybody_is_a_substitute_where_the_need_says_so() -> None:
    need = Need("patrol", 2, "must", (ANY,))
    requests = [asks(need, etas=[60, 20, 90])]
    for choice in (
        greedy(requests, fleet_of("patrol", "engine", "")),
        exact(requests, fleet_of("patrol", "engine", "")),
    ):
        assert {unit.row for unit in choice.sent[0]} == {0, 1}


def test_a_beat_keeps_its_floor_for_all_requests_together_and_gives_the_one_who_can_do_it() -> None:
    """One of the three of a beat may go; two reports wait, and only the farthest has the dog that one of them needs."""
    fleet = fleet_of("patrol", "patrol", "patrol k-9", "patrol")._replace(
        team=np.array([0, 0, 0, -1]), spare=np.array([1])
    )
    dog, any_one = asks(Need("k-9"), etas=[10, 20, 90, 300]), asks(ANY_ONE, etas=[10, 20, 90, 300], name="i2")
    held = [request._replace(priority=3, leaves_floors=True) for request in (dog, any_one)]
    for choice in (greedy(held, fleet), exact(held, fleet)):
        assert choice.sent == ((Sent(2, (0,)),), (Sent(3, (0,)),))
    free = [request._replace(leaves_floors=False) for request in held]
    assert exact(free, fleet).sent == ((Sent(2, (0,)),), (Sent(0, (0,)),))
    # the more urgent empties the beat, and nothing is left to spare
    grave = asks(ANY_ONE, etas=[10, 20, 90, 300], name="i0")
    assert exact([grave, *held], fleet).sent == ((Sent(0, (0,)),), (), (Sent(3, (0,)),))


def test_units_on_their_way_stand_where_all_together_fill_the_most() -> None:
    """Whoever was sent first, a supervisor who could also be a patrol is the supervisor that was asked for."""
    needs = (Need("patrol", 3), Need("supervisor"), Need("ALS", need="want"))
    patrol, supervisor, medic = ("patrol",), ("patrol", "supervisor"), ("ALS", "BLS")
    for sent in ([patrol, supervisor, patrol, medic, patrol], [supervisor, patrol, patrol, patrol, medic]):
        assert remaining(needs, False, sent) == ((), ())
    assert remaining(needs, False, [supervisor, supervisor])[0] == (Need("patrol", 2), Need("ALS", need="want"))


def test_what_must_come_is_filled_before_what_is_wanted() -> None:
    needs = (Need("k-9", need="want"), Need("patrol"))
    assert remaining(needs, False, [("patrol", "k-9")])[0] == (Need("k-9", need="want"),)
