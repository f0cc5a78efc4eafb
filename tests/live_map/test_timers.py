"""Timers: read from the live map at a time, the same for everybody; on record once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from geo_backup.events import (
    EmergencyCleared,
    EmergencyDeclared,
    Event,
    IncidentClosed,
    IncidentReopened,
    NetworkAdopted,
    RulesAdopted,
    TimerAcknowledged,
    TimerRaised,
)
from geo_backup.live_map import LiveMap, apply
from geo_backup.live_map.state import GENERATION
from geo_backup.live_map.timers import Timer, due, is_loud, running
from geo_backup.wire import checkpoint
from tests.rounds import rounds
from tests.stories import any_story, fold, ms, opened, part, ping, status, tell, unit

START = NetworkAdopted(received_ms=ms(0), network_id="n", area="a", software_version="1", generation=GENERATION)


def missed(live_map: LiveMap, s: float) -> list[tuple[str, str | None]]:
    """Rule and unit of the timers that are due at second `s`."""
    return [(timer.rule, timer.unit_id) for timer in due(live_map, ms(s)).values()]


def loud(live_map: LiveMap, s: float) -> list[str]:
    return [
        timer.rule
        for name, timer in due(live_map, ms(s)).items()
        if is_loud(timer, live_map.timers.get(name), ms(s))
    ]  # fmt: skip


def raise_all(live_map: LiveMap, s: float) -> list[Timer]:
    """Put on record what is due, as a node does."""
    found = list(due(live_map, ms(s)).values())
    tell(live_map, *(raised(timer, s) for timer in found))
    return found


def raised(timer: Timer, s: float) -> TimerRaised:
    return TimerRaised(
        event_id=f"timer:{timer.timer_id}", received_ms=ms(s), timer_id=timer.timer_id, rule=timer.rule,
        incident_id=timer.incident_id, unit_id=timer.unit_id, start_ms=timer.start_ms, due_ms=timer.due_ms,
    )  # fmt: skip


def seen(timer: Timer, s: float, by: str = "desk 1") -> TimerAcknowledged:
    return TimerAcknowledged(received_ms=ms(s), timer_id=timer.timer_id, by=by)


def sent(priority: int = 2, **more: Any) -> list[Event]:
    return [START, unit("P1"), opened("i1", 0, priority=priority), part("i1", "P1", "assigned", 100, **more)]


def test_an_incident_without_a_unit_is_missed_by_its_priority() -> None:
    for priority, limit_s in ((1, 60), (2, 180), (3, 600), (4, 1_800), (5, 3_600)):
        live_map = fold([START, opened("i1", 0, priority=priority)])
        assert missed(live_map, limit_s - 0.001) == []
        assert missed(live_map, limit_s) == [("unattended", None)]
        assert loud(live_map, limit_s) == []
        assert loud(live_map, limit_s + max(limit_s / 2, 30)) == ["unattended"]
    live_map = fold(
        [START, unit("P1"), opened("i1"), part("i1", "P1", "assigned", 10), part("i1", "P1", "cleared", 500)]
    )
    assert missed(live_map, 679) == []
    assert missed(live_map, 680) == [("unattended", None)], "counted from when the last one left"
    tell(live_map, IncidentClosed(received_ms=ms(700), incident_id="i1"))
    tell(live_map, IncidentReopened(received_ms=ms(9_000), incident_id="i1"))
    assert missed(live_map, 9_179) == []
    assert missed(live_map, 9_180) == [("unattended", None)], "and from when it was opened again"


def test_a_unit_that_was_sent_says_that_it_knows() -> None:
    live_map = fold(sent())
    assert missed(live_map, 159) == []
    assert missed(live_map, 160) == [("acknowledge", "P1")]
    assert missed(fold(sent(priority=1)), 130) == [("acknowledge", "P1")]
    tell(live_map, part("i1", "P1", "acknowledged", 165))
    assert missed(live_map, 170) == []


def test_a_unit_on_its_way_is_late_by_the_eta_that_it_was_sent_with() -> None:
    live_map = fold([*sent(eta_ms=300_000), part("i1", "P1", "en_route", 130)])
    late_s = 100 + 300 * 1.5 + 120
    assert missed(live_map, late_s - 1) == []
    assert missed(live_map, late_s) == [("late", "P1")]
    nobody_knew = fold([*sent(), part("i1", "P1", "en_route", 130)])
    assert missed(nobody_knew, 100 + 1_199) == []
    assert missed(nobody_knew, 100 + 1_200) == [("late", "P1")]
    tell(live_map, part("i1", "P1", "on_scene", late_s))
    assert missed(live_map, late_s + 1) == []


def test_a_crew_on_scene_is_asked_for_a_word_and_asked_again() -> None:
    live_map = fold([*sent(), part("i1", "P1", "en_route", 110), part("i1", "P1", "on_scene", 200)])
    tell(live_map, ping("P1", 700), ping("P1", 1_000, north_m=5))
    assert missed(live_map, 200 + 899) == []
    assert missed(live_map, 200 + 900) == [("welfare", "P1")], "positions are no word"
    (timer,) = raise_all(live_map, 1_101)
    assert tell(live_map, seen(timer, 1_200)) == [None]
    assert missed(live_map, 1_200 + 899) == []
    assert missed(live_map, 1_200 + 900) == [("welfare", "P1")], "another one, with another name"
    tell(live_map, status("P1", "on_scene", 2_150))
    assert missed(live_map, 2_200) == []
    tell(live_map, status("P1", "transporting", 2_300))
    assert missed(live_map, 99_000) == [], "it has said what it does instead"


def test_nobody_is_missed_once_an_emergency_is_over() -> None:
    live_map = fold(
        [
            START,
            unit("P1"),
            unit("P2"),
            EmergencyDeclared(received_ms=ms(0), emergency_id="e1", unit_id="P1", lon=11.97, lat=57.7),
        ]
    )
    assert missed(live_map, 60) == [("unattended", None)]
    tell(live_map, EmergencyCleared(received_ms=ms(70), emergency_id="e1", by="supervisor", who="Berg", reason="slip"))
    assert missed(live_map, 9_999) == []
    tell(live_map, part("e1", "P2", "assigned", 80))
    assert missed(live_map, 9_999) == [("acknowledge", "P2")], "whoever is sent there all the same is"


def test_what_was_seen_to_is_not_loud_any_more_and_is_seen_to_once() -> None:
    live_map = fold([START, opened("i1", 0, priority=1)])
    (timer,) = raise_all(live_map, 60)
    assert loud(live_map, 95) == ["unattended"]
    assert tell(live_map, seen(timer, 96), seen(timer, 97, "desk 2")) == [None, "timer_acknowledged"]
    assert live_map.timers[timer.timer_id].acknowledged_by == "desk 1"
    assert loud(live_map, 9_999) == []
    assert missed(live_map, 9_999) == [("unattended", None)]
    assert tell(live_map, replace(seen(timer, 98), timer_id="nothing")) == ["unknown_timer"]


def test_a_timer_is_raised_once_and_forgotten_with_what_it_was_of() -> None:
    live_map = fold(sent())
    (timer,) = raise_all(live_map, 160)
    assert tell(live_map, raised(timer, 161)) == ["duplicate"]
    tell(live_map, part("i1", "P1", "en_route", 170))
    raise_all(live_map, 5_000)
    assert [one.partition(":")[0] for one in live_map.timers] == ["late"], "the older one runs no more"
    tell(live_map, IncidentClosed(received_ms=ms(5_001), incident_id="i1"))
    assert live_map.timers == {}
    assert tell(live_map, raised(timer, 5_002)) == ["incident_closed"]


def test_limits_are_by_kind_of_incident_first_then_of_unit() -> None:
    def story(kind: str, *rules: tuple[str, int]) -> LiveMap:
        adopted = [
            RulesAdopted(received_ms=ms(0), rules={"timer": {"welfare_p2_ms": limit_s * 1_000}}, kind=name)
            for name, limit_s in rules
        ]
        on_scene = part("i1", "P1", "on_scene", 200)
        start = [START, unit("P1"), opened("i1", 0, kind=kind), part("i1", "P1", "assigned", 100)]
        return fold([*adopted, *start, on_scene])

    patrol, stop = ("patrol", 300), ("traffic stop", 120)
    assert missed(story("traffic stop", patrol, stop), 320) == [("welfare", "P1")]
    assert missed(story("traffic stop", patrol, stop), 319) == []
    assert missed(story("burglary", patrol, stop), 499) == []
    assert missed(story("burglary", patrol, stop), 500) == [("welfare", "P1")]
    before = fold([])
    tell(before, RulesAdopted(received_ms=ms(0), rules={"timer": {"welfare_p2_ms": 60_000}}, kind="patrol"))
    assert before.rules.rules_id == LiveMap().rules.rules_id, "no ranking hangs on it"


def test_a_drills_timers_stay_in_the_drill() -> None:
    drill = [START, unit("P1"), opened("d1", 0, exercise=True, apart=True), part("d1", "P1", "assigned", 10)]
    live_map = fold(drill)
    assert [timer.exercise for timer in due(live_map, ms(100)).values()] == [True]
    tell(live_map, part("d1", "P1", "on_scene", 200), status("P1", "busy", 900))
    assert missed(live_map, 1_100) == [("welfare", "P1")], "what the unit does in truth is no word in the drill"
    (timer,) = raise_all(live_map, 1_100)
    tell(live_map, seen(timer, 1_150))
    assert missed(live_map, 1_200) == []


@settings(deadline=None, max_examples=rounds(60))
@given(any_story())
def test_every_map_can_be_read_and_reading_changes_nothing(story: list[Event]) -> None:
    live_map = fold([START, *story])
    before = checkpoint.dump(live_map)
    names = [timer.timer_id for timer in running(live_map)]
    assert len(names) == len(set(names))
    assert all(timer.start_ms <= timer.due_ms <= timer.loud_ms for timer in running(live_map))
    assert checkpoint.dump(live_map) == before
    again = checkpoint.parse(before)
    assert list(running(again)) == list(running(live_map)), "the same for whoever begins at a checkpoint"


@pytest.mark.parametrize("rule", ["late", "welfare"])
def test_a_log_from_before_folds_as_it_did(rule: str) -> None:
    """Facts of older versions have neither an ETA nor a word on when units were to be there."""
    state = {"late": "en_route", "welfare": "on_scene"}[rule]
    live_map = fold([unit("P1"), opened("i1"), part("i1", "P1", "assigned", 100), part("i1", "P1", state, 130)])  # type: ignore[arg-type]
    assert b"promised" not in checkpoint.dump(live_map)
    assert missed(live_map, 9_000) == [(rule, "P1")]
    assert apply(live_map, live_map.seq + 1, status("P1", "available", 9_001)).ignored is None
    assert missed(live_map, 9_002) == []
