"""Distances and bearings where naive ones fail: the antimeridian, high latitudes, poles (domain case 20)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from geo_backup.geodesy import bearing_deg, distance_m, local_m, turn_deg, wrap_lon_deg
from tests.roads.tiny import from_local_m

WGS84 = Geod(ellps="WGS84")
LON = st.floats(-180, 180)
LAT = st.floats(-89.9, 89.9)


@given(LON, LAT, LON, LAT)
@settings(deadline=None)
def test_distance_is_within_the_stated_error_of_the_ellipsoid(
    lon_a: float, lat_a: float, lon_b: float, lat_b: float
) -> None:
    exact = WGS84.inv(lon_a, lat_a, lon_b, lat_b)[2]
    assert distance_m(lon_a, lat_a, lon_b, lat_b) == pytest.approx(exact, rel=0.006, abs=0.01)
    assert distance_m(lon_b, lat_b, lon_a, lat_a) == pytest.approx(distance_m(lon_a, lat_a, lon_b, lat_b), abs=1e-6)


@given(LON, LAT, st.floats(0, 360), st.floats(1, 100_000))
@settings(deadline=None)
def test_what_is_driven_is_measured_on_the_ellipsoid(lon: float, lat: float, bearing: float, metres: float) -> None:
    there = WGS84.fwd(lon, lat, bearing, metres)
    assert distance_m(lon, lat, there[0], there[1]) == pytest.approx(metres, rel=1e-6)


def test_case_20_the_antimeridian_is_a_place_like_any_other() -> None:
    # Taveuni, Fiji: the 180th meridian crosses the island
    assert distance_m(179.999, -16.8, -179.999, -16.8) == pytest.approx(distance_m(0.0, -16.8, 0.002, -16.8))
    assert bearing_deg(179.999, 0.0, -179.999, 0.0) == pytest.approx(90.0)
    assert bearing_deg(-179.999, 0.0, 179.999, 0.0) == pytest.approx(270.0)
    east, north = local_m(-179.999, -16.8, 179.999, -16.8)
    assert east == pytest.approx(212.9, abs=0.5)
    assert north == 0.0
    assert from_local_m(east, north, 179.999, -16.8)[0] == pytest.approx(-179.999)


def test_case_20_high_latitudes_are_no_wider_than_they_are() -> None:
    # Longyearbyen, 78.2 N: a degree of longitude is a fifth of one at the equator
    assert distance_m(15.0, 78.2, 16.0, 78.2) == pytest.approx(22_739, rel=0.006)
    assert distance_m(0.0, 89.999, 180.0, 89.999) == pytest.approx(223.4, abs=0.1)
    east, north = local_m(15.64, 78.22, 15.60, 78.20)
    assert np.hypot(east, north) == pytest.approx(distance_m(15.60, 78.20, 15.64, 78.22), rel=1e-3)


@given(st.floats(-1000, 1000))
@settings(deadline=None)
def test_wrapping_is_periodic_and_in_range(lon: float) -> None:
    wrapped = wrap_lon_deg(lon)
    assert -180 <= wrapped < 180
    assert np.isclose(np.exp(1j * np.radians(wrapped)), np.exp(1j * np.radians(lon)))


@given(LON, st.floats(-80, 80), st.floats(-20_000, 20_000), st.floats(-20_000, 20_000))
@settings(deadline=None)
def test_local_metres_go_there_and_back(lon: float, lat: float, east: float, north: float) -> None:
    there = from_local_m(east, north, lon, lat)
    assert local_m(*there, lon, lat) == pytest.approx((east, north), abs=1e-4)


def test_turns_and_bearings() -> None:
    assert bearing_deg(11.0, 57.0, 11.0, 58.0) == 0.0
    assert bearing_deg(11.0, 58.0, 11.0, 57.0) == 180.0
    assert turn_deg(350.0, 10.0) == pytest.approx(20.0)
    assert turn_deg(10.0, 350.0) == pytest.approx(-20.0)
    assert turn_deg(0.0, 180.0) == -180.0


def test_arrays_and_numbers_agree() -> None:
    lon, lat = np.array([11.9, 179.9, -0.1]), np.array([57.7, -16.0, 89.0])
    whole = distance_m(lon, lat, lon[::-1], lat[::-1])
    assert whole.tolist() == [distance_m(*one) for one in zip(lon, lat, lon[::-1], lat[::-1], strict=True)]
