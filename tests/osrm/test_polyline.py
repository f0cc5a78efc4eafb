"""Encoded polylines: the published vectors, every line there and back, and text that is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo_backup.osrm import polyline

LINE = [(-120.2, 38.5), (-120.95, 40.7), (-126.453, 43.252)]


@pytest.mark.parametrize(
    ("digits", "text"), [(5, "_p~iF~ps|U_ulLnnqC_mqNvxq`@"), (6, "_izlhA~rlgdF_{geC~ywl@_kwzCn`{nI")]
)
def test_the_published_line(digits: int, text: str) -> None:
    assert polyline.encode(LINE, digits) == text
    assert polyline.decode(text, digits) == LINE


def test_no_line_is_no_text() -> None:
    assert polyline.encode([]) == ""
    assert polyline.decode("") == []


degrees = st.tuples(st.integers(-180_000_000, 180_000_000), st.integers(-90_000_000, 90_000_000))


@given(st.lists(degrees))
def test_every_line_there_and_back(micro: list[tuple[int, int]]) -> None:
    line = [(lon / 1e6, lat / 1e6) for lon, lat in micro]
    assert polyline.decode(polyline.encode(line, 6), 6) == line


@given(st.text(max_size=40))
def test_what_is_no_polyline_is_a_value_error(text: str) -> None:
    try:
        line = polyline.decode(text)
    except ValueError:
        return
    assert all(63 <= ord(character) < 127 for character in text)
    assert len(line) <= len(text) / 2


@pytest.mark.parametrize("text", ["_p~iF", "_p~iF~ps|", "_p~iF ~ps|U", "é", "\x7f\x7f", "~" * 8 + "?", "~" * 1_000_000])
def test_half_a_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"polyline"):
        polyline.decode(text)
