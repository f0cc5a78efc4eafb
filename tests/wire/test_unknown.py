"""Unknown is one thing for all ways in: the place counts, and what lies out of range is not known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.events import Fix
from geo_backup.wire.unknown import known, stated

PLACE = (1_795_435_200_000, 11.9, 57.7)


@pytest.mark.parametrize("speed", [-1, -0.01, 150.1, 9_999_999, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("course", [-1, 360.0001, 511, math.nan])
@pytest.mark.parametrize("accuracy", [-1, 0, 0.0, 100_001, 9_999_999.0, math.nan])
def test_what_is_out_of_range_is_unknown_and_named(speed: float, course: float, accuracy: float) -> None:
    assert known(Fix(*PLACE, speed, course, accuracy)) == (Fix(*PLACE), ("speed_mps", "course_deg", "accuracy_m"))


def test_what_is_in_range_stays_and_what_was_not_said_is_not_named() -> None:
    assert known(Fix(*PLACE, 0.0, 360.0, 100_000.0)) == (Fix(*PLACE, 0.0, 0.0, 100_000.0), ())
    assert known(Fix(*PLACE, 150.0, 0.0, 0.1)) == (Fix(*PLACE, 150.0, 0.0, 0.1), ())
    assert known(Fix(*PLACE)) == (Fix(*PLACE), ())


@pytest.mark.parametrize("text", ["0,9", "-", "n/a", "NaN", "inf", "1e999", [], {}, True])
def test_a_text_that_is_no_number_is_unknown(text: object) -> None:
    value = stated(text)
    assert value is not None
    assert known(Fix(*PLACE, value)) == (Fix(*PLACE), ("speed_mps",))


def test_nothing_said_is_nothing() -> None:
    assert (stated(None), stated(""), stated("  "), stated(" 3.5 "), stated(7)) == (None, None, None, 3.5, 7.0)
    assert math.isnan(stated(10**400) or 0.0)


@given(*[st.none() | st.floats()] * 3)
def test_a_known_fix_is_known_again(speed: float | None, course: float | None, accuracy: float | None) -> None:
    clean, _ = known(Fix(*PLACE, speed, course, accuracy))
    assert known(clean) == (clean, ())
