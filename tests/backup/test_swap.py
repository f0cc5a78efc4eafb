"""Anti-flap as timelines: a unit is on its way, another turns up nearer."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.backup.swap import Going, Swap, swap
from geo_backup.rules import SwapRules

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
    for (_, left_s, other_s), answer in offered:
        assert left_s > 90
        assert answer.gain_ms == (left_s - other_s) * 1000 >= max(60_000, 200 * left_s)
