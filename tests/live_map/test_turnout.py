"""Turnouts: what crews teach of how long they take until they roll, what teaches nothing, and what is then expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup import events as ev
from geo_backup.events import Event, NetworkAdopted, RulesAdopted
from geo_backup.live_map import LiveMap
from geo_backup.live_map.state import GENERATION
from geo_backup.live_map.turnout import (
    KIND_KEPT,
    KINDS_MOST,
    OWN_KEPT,
    SENT_IN,
    Expected,
    Turnout,
    expected,
    measured,
    measured_of,
    of_kind,
)
from geo_backup.rules import Rules
from geo_backup.wire import checkpoint
from tests.stories import any_story, fold, ms, opened, part, status, tell, unit

RULES = Rules()
START = NetworkAdopted(received_ms=ms(0), network_id="n", area="a", software_version="1", generation=GENERATION)
PATROL = of_kind("available", "patrol")
TAKEN = st.lists(st.integers(0, 900_000), min_size=1, max_size=KIND_KEPT)


def went(unit_id: str, n: int, after_s: float = 30.0, **sent: Any) -> list[Event]:
    """A unit is sent to the n-th incident of a story, rolls so long after, and is cleared."""
    at, name = 1_000.0 * n, f"i{n}"
    return [
        opened(name, at), part(name, unit_id, "assigned", at + 1, **sent),
        part(name, unit_id, "acknowledged", at + 2), part(name, unit_id, "en_route", at + 1 + after_s),
        part(name, unit_id, "on_scene", at + 990), part(name, unit_id, "cleared", at + 995),
    ]  # fmt: skip


def taught(*story: Event) -> LiveMap:
    return fold([START, unit("P1"), unit("P2"), *story])


def test_a_turnout_is_from_being_sent_to_the_first_word_that_it_rolls() -> None:
    live_map = taught(*went("P1", 1, 30), *went("P1", 2, 40), status("P1", "on_station", 2_999), *went("P1", 3, 70))
    assert live_map.units["P1"].turnouts == (("available", 30_000), ("available", 40_000), ("on_station", 70_000))
    assert live_map.turnouts == {PATROL: (30_000, 40_000), of_kind("on_station", "patrol"): (70_000,)}
    assert live_map.units["P2"].turnouts == ()
    said = taught(opened("i1"), part("i1", "P1", "assigned", 5), status("P1", "en_route", 17))
    assert said.turnouts == {PATROL: (12_000,)}, "the unit says it by its status"
    assert tell(said, part("i1", "P1", "acknowledged", 18), part("i1", "P1", "en_route", 90)) == [None, None]
    assert said.turnouts == {PATROL: (12_000,)}, "once for each time that it is sent"


def exercise(**how: Any) -> list[Event]:
    return [opened("i1", **how), part("i1", "P1", "assigned", 5), part("i1", "P1", "en_route", 35)]


@pytest.mark.parametrize(
    "story",
    [
        exercise(exercise=True),
        exercise(exercise=True, apart=True),
        exercise(plan_id="march"),
        [opened("i1"), ev.BackupRequested(received_ms=ms(1), incident_id="i1", mode="delayed", arrive_by_ms=ms(900)),
         *exercise()[1:]],
        went("P1", 1, -1),
        went("P1", 1, 901),
        [opened("i1"), part("i1", "P1", "assigned", 5), part("i1", "P1", "on_scene", 35),
         part("i1", "P1", "en_route", 36)],
        *([status("P1", other, 0.5), *exercise()]
          for other in get_args(ev.UnitStatus) if other not in SENT_IN),
        [RulesAdopted(received_ms=ms(0), rules={"pace": {"learn": 0}}), *exercise()],
    ],
)  # fmt: skip
def test_what_teaches_nothing(story: Iterable[Event]) -> None:
    live_map = taught(*story)
    assert live_map.turnouts == {}
    assert live_map.units["P1"].turnouts == ()


def test_a_unit_that_is_taken_from_another_incident_teaches_nothing() -> None:
    live_map = taught(
        opened("i1"), opened("i2"), part("i1", "P1", "assigned", 5), part("i2", "P1", "assigned", 9, preempt=True),
        part("i2", "P1", "en_route", 11),
    )  # fmt: skip
    assert live_map.turnouts == {}


def test_units_that_are_no_real_ones_teach_nothing() -> None:
    for source in ("simulated", "replay"):
        live_map = taught(replace(unit("P1"), source=source), *went("P1", 1))
        assert live_map.turnouts == {}


def test_a_unit_that_becomes_another_forgets_its_own() -> None:
    live_map = taught(*went("P1", 1))
    tell(live_map, replace(unit("P1"), callsign="Adam"))
    assert live_map.units["P1"].turnouts
    tell(live_map, replace(unit("P1"), kind="engine"))
    assert live_map.units["P1"].turnouts == ()
    assert live_map.turnouts == {PATROL: (30_000,)}, "its kind keeps it"


def test_a_log_from_before_keeps_none_and_a_running_one_moves_up() -> None:
    before = replace(START, generation=2)
    live_map = fold([before, unit("P1"), *went("P1", 1)])
    assert b"turnouts" not in checkpoint.dump(live_map)
    assert b"sent_in" not in checkpoint.dump(live_map)
    tell(live_map, START, *went("P1", 2))
    assert live_map.turnouts == {PATROL: (30_000,)}


def test_memory_is_bounded() -> None:
    live_map = taught(*(event for n in range(1, OWN_KEPT + 5) for event in went("P1", n, n)))
    assert [took_ms for _, took_ms in live_map.units["P1"].turnouts] == [1_000 * n for n in range(5, OWN_KEPT + 5)]
    live_map.turnouts = {PATROL: (1,) * KIND_KEPT} | {str(n): (1,) for n in range(KINDS_MOST - 1)}
    tell(live_map, *went("P1", 90, 77))
    assert live_map.turnouts[PATROL] == (1,) * (KIND_KEPT - 1) + (77_000,)
    tell(live_map, replace(unit("P3"), kind="boat"), *went("P3", 91))
    assert len(live_map.turnouts) == KINDS_MOST
    assert live_map.units["P3"].turnouts == (("available", 30_000),)


@given(any_story(), st.integers(0, 40))
def test_the_same_log_teaches_the_same_also_after_a_checkpoint(story: list[Event], at: int) -> None:
    story = [START, *story, *went("P1", 100), *went("P2", 101)]
    whole = fold(story)
    assert checkpoint.dump(fold(story)) == checkpoint.dump(whole)
    again = checkpoint.parse(checkpoint.dump(fold(story[:at])))
    assert checkpoint.dump(fold(story[at:], again)) == checkpoint.dump(whole)


# ---- what is expected


@given(TAKEN)
def test_measures_are_times_that_happened(taken: list[int]) -> None:
    found = measured(tuple(taken))
    assert found is not None
    assert found.number == len(taken)
    assert {found.median_ms, found.p90_ms} <= set(taken)
    for share, value in ((0.5, found.median_ms), (0.9, found.p90_ms)):
        assert sum(one <= value for one in taken) >= share * len(taken)
        assert sum(one < value for one in taken) < share * len(taken)
    assert measured(()) is None


@given(st.sampled_from(SENT_IN), st.none() | TAKEN, st.none() | TAKEN, st.integers(1, 10_000))
def test_what_is_expected_lies_between_what_is_known(
    sent_in: str, own: list[int] | None, alike: list[int] | None, k: int
) -> None:
    rules = RULES.changed({"pace": {"turnout_k": k}})
    usual = RULES.turnout.on_station_ms if sent_in == "on_station" else RULES.turnout.mobile_ms
    of_own, of_alike = measured(tuple(own or ())), measured(tuple(alike or ()))
    found = expected(sent_in, of_own, of_alike, rules)
    known = [one for one in (of_own, of_alike) if one is not None]
    for value, among in (
        (found.median_ms, [usual, *(one.median_ms for one in known)]),
        (found.p90_ms, [usual, *(one.p90_ms for one in known)]),
    ):
        assert min(among) <= value <= max(among)
    assert found.median_ms <= found.p90_ms
    assert (found.own, found.of_kind) == (len(own or ()), len(alike or ()))
    off = expected(sent_in, of_own, of_alike, RULES.changed({"pace": {"learn": 0}}))
    assert off == Expected(usual, usual), "learning off gives the rule to the millisecond"


def test_a_new_unit_turns_out_as_its_kind_does_and_evidence_moves_it() -> None:
    rules = RULES.changed({"pace": {"turnout_k": 10}})
    assert expected("on_station", None, None, rules) == Expected(60_000, 60_000)
    assert expected("on_station", None, Turnout(10, 80_000, 100_000), rules) == Expected(70_000, 80_000, 0, 10)
    slow = expected("on_station", Turnout(20, 130_000, 170_000), Turnout(10, 80_000, 100_000), rules)
    assert slow == Expected(110_000, 140_000, 20, 10)


def test_a_units_own_turnouts_are_those_of_the_status_that_it_has() -> None:
    live_map = taught(*went("P1", 1, 30), status("P1", "on_station", 1_999), *went("P1", 2, 70))
    one = live_map.units["P1"]
    assert measured_of(one) == Turnout(1, 30_000, 30_000)
    one.status = "on_station"
    assert measured_of(one) == Turnout(1, 70_000, 70_000)
    one.status = "busy"
    assert measured_of(one) is None
