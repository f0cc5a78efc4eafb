"""Coordinates as people write them."""

from __future__ import annotations

import pytest

from geo_backup.places.coordinates import of_plus_code, plus_code, spots

LON, LAT = -8.6291, 41.1579


@pytest.mark.parametrize(
    "text",
    [
        "41.1579, -8.6291", "41.1579 -8.6291", "41,1579 -8,6291", "41,1579; -8,6291", "41.1579N 8.6291W",
        "N41.1579 W8.6291", "41°09'28.44\"N 8°37'44.76\"W", "41° 09′ 28.44″ N, 8° 37′ 44.76″ W",
        "41 09 28.44 N 8 37 44.76 W", "N 41 09.474 W 008 37.746", "41° 9.474' N, 8° 37.746' O",
        "41º 9.474' N 8º 37.746' W", "lat 41.1579 lon -8.6291", "lon=-8.6291 lat=41.1579",
        "Latitude: 41.1579, Longitude: -8.6291", "geo:41.1579,-8.6291", "https://maps.example/@41.1579,-8.6291,17z",
        "41°9'28.44\", -8°37'44.76\"", "29T 531118.7 4556352", "29T NF 31118 56352", "29TNF3111856352",
    ],
)  # fmt: skip
def test_a_place_however_it_is_written(text: str) -> None:
    found = spots(text)
    assert found, text
    assert (found[0].lon, found[0].lat) == pytest.approx((LON, LAT), abs=2e-5)


def test_the_other_way_round_is_the_second_reading() -> None:
    assert [(s.lon, s.lat) for s in spots("41.1579, -8.6291")] == [(LON, LAT), (LAT, LON)]
    assert [(s.lon, s.lat) for s in spots("121.5, 31.2")] == [(121.5, 31.2)], "no latitude is 121"


@pytest.mark.parametrize(
    "text", ["12 14", "12, 14", "Rua 12", "5", "95.0, 200.0", "41°75'00\"N 8°00'00\"W", "1.2.3", "A28 5", "61T 1 2"]
)
def test_what_is_no_place(text: str) -> None:
    assert spots(text) == []


def test_coarse_squares_are_their_middle() -> None:
    (found,) = spots("10SEG642838")
    assert (found.kind, found.lon, found.lat) == (
        "mgrs",
        pytest.approx(-122.27, abs=7e-4),
        pytest.approx(37.8, abs=7e-4),
    )


def test_plus_codes() -> None:
    code = plus_code("849VRP2J+22")
    assert code is not None
    spot = of_plus_code(code.code, (0.0, 0.0))
    assert (spot.lon, spot.lat) == pytest.approx((-122.27, 37.8), abs=1e-4)
    short = plus_code("RP2J+22 Oakland")
    assert short is not None
    assert short.rest == "Oakland"
    spot = of_plus_code(short.code, (-122.3, 37.7))
    assert (spot.lon, spot.lat) == pytest.approx((-122.27, 37.8), abs=1e-4)
    assert plus_code("formosa+3") is None
