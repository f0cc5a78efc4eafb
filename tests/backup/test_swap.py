"""Anti-flap as timelines: a unit is on its way, another turns up nearer."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.backup.answer import answer
from geo_backup.backup.question import arrives, ask, ask_at_once
from geo_backup.backup.standing import Standing
from geo_backup.backup.swap import Going, Swap, swap
from geo_backup.backup.view import view
from geo_backup.events import BackupRequested, Need
from geo_backup.live_map import Assignment
from geo_backup.rules import SwapRules
from geo_backup.wire import checkpoint, decisions
from tests.backup.test_ranking import XY, Scene, position, river
from tests.stories import ms, part, status

RULES = SwapRules()
T0 = 1_700_000_000_000


def told(story: list[tuple[int, int, int]]) -> list[Swap]:
    """Answers along a ride that began at 0 s: (seconds since then, seconds left, seconds of the best other)."""
    out, least_ms, offered_ms = [], 10**9, None
    for at_s, left_s, other_s in story:
        least_ms = min(least_ms, left_s * 1000)
        going = Going(left_s * 1000, least_ms, T0, offered_ms)
        out.append(swap(going, other_s * 1000, T0 + at_s * 1000, RULES))
        if out[-1].offered:
            offered_ms = T0 + at_s * 1000
    return out


def reasons(story: list[tuple[int, int, int]]) -> list[str]:
    return ["OFFERED" if answer.offered else answer.reason for answer in told(story)]


def test_a_unit_that_clears_next_door_is_offered_once_until_the_cool_down_is_over() -> None:
    ride = [(130, 400, 100), (140, 390, 90), (249, 380, 80), (250, 380, 80)]
    assert reasons(ride) == ["OFFERED", "COOL_DOWN", "COOL_DOWN", "OFFERED"]


def test_who_was_just_assigned_is_not_swapped_out_at_once() -> None:
    assert reasons([(0, 600, 60), (119, 500, 60), (120, 499, 60)]) == ["COOL_DOWN", "COOL_DOWN", "OFFERED"]


def test_a_short_ride_must_be_beaten_by_a_minute() -> None:
    assert reasons([(200, 120, 61), (201, 120, 60)]) == ["TOO_LITTLE", "OFFERED"]


def test_a_long_ride_must_be_beaten_by_a_fifth() -> None:
    assert reasons([(200, 1000, 801), (201, 1000, 800)]) == ["TOO_LITTLE", "OFFERED"]


def test_nobody_is_called_off_with_ninety_seconds_left() -> None:
    assert reasons([(200, 90, 0), (201, 91, 0)]) == ["NEARLY_THERE", "OFFERED"]


def test_who_was_within_a_minute_keeps_the_call_though_a_gate_is_shut() -> None:
    assert reasons([(200, 70, 5), (210, 60, 5), (220, 500, 5)]) == ["NEARLY_THERE", "ARRIVING", "ARRIVING"]


def test_an_agency_has_its_own_numbers() -> None:
    going = Going(100_000, 100_000, T0)
    assert not swap(going, 70_000, T0 + 500_000, RULES).offered
    assert swap(going, 70_000, T0 + 500_000, SwapRules(beats_by_ms=30_000)).offered


@pytest.mark.parametrize("other_ms", [0, 100_000, 400_000])
def test_the_gain_is_said_whether_offered_or_not(other_ms: int) -> None:
    assert swap(Going(300_000, 300_000, T0), other_ms, T0 + 500_000, RULES).gain_ms == 300_000 - other_ms


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 900), st.integers(0, 900)), max_size=40))
def test_whatever_happens_offers_are_apart_early_and_worth_it(steps: list[tuple[int, int, int]]) -> None:
    at_s, story = 0, []
    for pause_s, left_s, other_s in steps:
        at_s += pause_s
        story.append((at_s, left_s, other_s))
    offered = [(row, told(story)[i]) for i, row in enumerate(story) if told(story)[i].offered]
    times = [0, *(row[0] for row, _ in offered)]
    assert all(b - a >= 120 for a, b in pairwise(times))
    for (_, left_s, other_s), said in offered:
        assert left_s > 90
        assert said.gain_ms == (left_s - other_s) * 1000 >= max(60_000, 200 * left_s)


class Desk:
    """An incident that `slow` is on its way to; what is decided is remembered by the live map and nobody else."""

    FAR, NEAR, SCENE = (2000.0, 140.0), (450.0, 0.0), (100.0, 0.0)

    def __init__(self) -> None:
        self.scene = Scene(river())
        self.scene.incident("i1", self.SCENE, priority=1)
        self.slow_at: XY = self.FAR
        for unit_id, at in (("slow", self.FAR), ("quick", (150.0, 0.0))):
            self.scene.unit(unit_id, at)
        self.scene.tell(
            BackupRequested(
                received_ms=ms(1), event_id="r1", incident_id="i1", requirement=(Need("any"),), mode="immediate"
            ),
            status("quick", "out_of_service", 1),
            part("i1", "slow", "assigned", 2),
        )

    def look(self, s: float) -> list[tuple[str, str]]:
        """Who is offered for whom after a look at second `s`; the live map is another one each time, from its bytes."""
        scene = self.scene
        scene.tell(position("slow", self.slow_at, s), position("quick", (150.0, 0.0), s))
        scene.live_map = checkpoint.parse(checkpoint.dump(scene.live_map))
        standing = Standing(scene.network)
        standing.update(view(scene.live_map, ms(s)))
        question = ask(standing, "i1")
        self.arrives = arrives(question)
        first = question.first()
        said = answer(question, first, question.best(first))
        scene.tell(decisions.record(f"decision:r1:{s}:best", question, said, first, quick=False))
        return [(offer.unit_id, offer.replaces) for offer in said.swaps]

    def at_once(self, s: float) -> list[tuple[str, str]]:
        """What a first answer at second `s` would offer."""
        standing = Standing(self.scene.network)
        standing.update(view(self.scene.live_map, ms(s)))
        return [(offer.unit_id, offer.replaces) for offer in answer(*ask_at_once(standing, "i1")).swaps]

    @property
    def slow(self) -> Assignment:
        return self.scene.live_map.incidents["i1"].assignments["slow"]


def test_an_offer_is_remembered_by_the_log_alone() -> None:
    """Offered after the cool-down of the assignment, it stands while it is worth it; withdrawn, not again for two
    minutes; then again."""
    desk, offer = Desk(), [("quick", "slow")]
    assert desk.look(10) == []
    assert desk.slow.least_left_ms is not None
    desk.scene.tell(status("quick", "available", 11))
    assert desk.look(121) == [], "two minutes after the assignment are not over"
    assert desk.at_once(123) == [], "without the city nothing new is offered"
    assert desk.look(123) == offer
    assert (desk.slow.offered, desk.slow.offered_ms) == ("quick", ms(123))
    assert desk.look(140) == offer, "it stands"
    assert desk.at_once(140) == offer
    assert desk.slow.offered_ms == ms(123), "and is no new one"
    desk.scene.tell(status("quick", "out_of_service", 150))
    assert desk.look(151) == []
    assert desk.slow.offered == ""
    desk.scene.tell(status("quick", "available", 160))
    assert desk.look(161) == []
    assert desk.look(242) == [], "two minutes after the offer are not over"
    assert desk.look(244) == offer
    assert desk.slow.offered_ms == ms(244)
    # the dispatcher confirms it, and who was swapped in is not swapped out in the next breath
    desk.scene.tell(part("i1", "quick", "assigned", 250, replaces="slow"))
    assert desk.slow.state == "cancelled"
    assert desk.look(251) == []


def test_who_has_been_within_a_minute_keeps_the_call_however_far_it_gets() -> None:
    desk = Desk()
    desk.scene.tell(status("quick", "available", 11))
    assert desk.look(123) == [("quick", "slow")]
    assert not desk.arrives
    desk.slow_at = desk.NEAR
    assert desk.look(200) == []
    assert desk.arrives, "this is worth a record"
    assert desk.slow.least_left_ms is not None
    assert desk.slow.least_left_ms <= RULES.never_within_ms
    assert desk.look(205) == []
    assert not desk.arrives, "it is on record"
    desk.slow_at = desk.FAR  # a gate was shut
    for s in (300, 400, 500):
        assert desk.look(s) == []
    # sent anew, it begins anew
    desk.scene.tell(part("i1", "slow", "cancelled", 501), part("i1", "slow", "assigned", 502))
    assert desk.look(630) == [("quick", "slow")]


def test_no_offer_with_ninety_seconds_left() -> None:
    desk = Desk()
    desk.scene.tell(status("quick", "available", 11))
    desk.slow_at = (760.0, 0.0)
    assert desk.look(123) == []
    assert desk.slow.least_left_ms is not None
    assert RULES.never_within_ms < desk.slow.least_left_ms <= RULES.left_ms
