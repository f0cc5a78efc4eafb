"""How drives kept their times: what is assumed at first, what is measured then, and that old drives count less."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo_backup.roads.punctuality import KEPT, Kept, Punctuality
from geo_backup.rules import PaceRules

RULES, CV = PaceRules(), 0.25
NOW = 1_700_000_000_000
HOUR_MS = 3_600_000


def kept(*drives: tuple[int, int, int]) -> Punctuality:
    return Punctuality.of(drives)


def test_until_thirty_drives_are_known_it_is_assumed_and_said_to_be() -> None:
    few = kept(*[(NOW - 1, 600_000, 900_000)] * 29)
    trust = few.trust(NOW, RULES, CV)
    assert (trust.measured, trust.drives, trust.overhead_ms) == (False, 29, 0)
    low, high = trust.within_ms(600_000)
    assert (low, high) == (pytest.approx(437_500, rel=0.01), pytest.approx(823_000, rel=0.01))
    assert few.after(Kept(NOW - 1, 600_000, 900_000)).trust(NOW, RULES, CV).measured


def test_an_interval_holds_eight_of_ten_and_the_later_end_nine() -> None:
    takes = [60_000 * n for n in range(1, 101)]
    trust = kept(*[(NOW - 1, 1, took) for took in takes]).trust(NOW, PaceRules(overhead_most_s=0.0), CV)
    low, high = trust.within_ms(1)
    assert (low, high) == (10 * 60_000, 90 * 60_000)


def test_what_drives_take_besides_driving_is_their_median_and_bounded() -> None:
    assert kept(*[(NOW - 1, 600_000, 690_000)] * 40).trust(NOW, RULES, CV).overhead_ms == 90_000
    assert kept(*[(NOW - 1, 600_000, 500_000)] * 40).trust(NOW, RULES, CV).overhead_ms == 0
    long = kept(*[(NOW - 1, 600_000, 6_000_000)] * 40).trust(NOW, RULES, CV)
    assert long.overhead_ms == RULES.overhead_most_s * 1_000


def test_drives_that_have_not_ended_are_not_known_and_old_ones_count_less() -> None:
    old = [(NOW - 100 * HOUR_MS, 600_000, 660_000)] * 60
    new = [(NOW - 1, 600_000, 720_000)] * 40
    assert kept(*old, *new).trust(NOW, RULES, CV).overhead_ms == 120_000
    coming = kept(*old, *((NOW + 1, *rest) for _, *rest in new))
    assert coming.trust(NOW, RULES, CV).overhead_ms == 60_000


def test_no_more_than_the_last_thousand_are_kept() -> None:
    many = kept(*[(NOW - n, 600_000, 600_000) for n in range(KEPT + 50)]).after(Kept(NOW, 1, 1))
    assert len(many.drives) == KEPT
    assert many.drives[-1] == (NOW, 1, 1)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.tuples(st.integers(0, NOW), st.integers(0, 2**30), st.integers(0, 2**31)), min_size=30, max_size=60))
def test_whatever_was_driven_the_ends_are_in_order(drives: list[tuple[int, int, int]]) -> None:
    trust = kept(*drives).trust(NOW, RULES, CV)
    assert 0 <= trust.overhead_ms <= RULES.overhead_most_s * 1_000
    low, high = trust.within_ms(600_000)
    assert 0 <= low <= high
