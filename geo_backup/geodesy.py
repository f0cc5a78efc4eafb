"""Distances, bearings and local metres on WGS84; floats or numpy arrays alike, always lon, lat in degrees.

The sphere of mean radius is used throughout: its error against the ellipsoid is under 0.6 %, far below what a
speed profile knows. Longitude differences are wrapped, so the antimeridian is a place like any other.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG) of the earth in metres."""

M_PER_DEG = EARTH_RADIUS_M * np.pi / 180.0
"""Metres in one degree of latitude."""

Number = TypeVar("Number", float, Any)


def wrap_lon_deg(lon_deg: Number) -> Number:
    """Longitude or difference of longitudes brought to -180 <= x < 180."""
    return (lon_deg + 180.0) % 360.0 - 180.0


def distance_m(lon_a: Number, lat_a: Number, lon_b: Number, lat_b: Number) -> Number:
    """Great-circle distance in metres (haversine, stable for short distances)."""
    phi_a, phi_b = np.radians(lat_a), np.radians(lat_b)
    half_lat = (phi_b - phi_a) / 2.0
    half_lon = np.radians(wrap_lon_deg(lon_b - lon_a)) / 2.0
    h = np.sin(half_lat) ** 2 + np.cos(phi_a) * np.cos(phi_b) * np.sin(half_lon) ** 2
    return 2.0 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(h, 1.0)))  # type: ignore[no-any-return]


def bearing_deg(lon_a: Number, lat_a: Number, lon_b: Number, lat_b: Number) -> Number:
    """Initial bearing from a to b, degrees clockwise from north, 0 <= x < 360."""
    phi_a, phi_b = np.radians(lat_a), np.radians(lat_b)
    dlon = np.radians(wrap_lon_deg(lon_b - lon_a))
    y = np.sin(dlon) * np.cos(phi_b)
    x = np.cos(phi_a) * np.sin(phi_b) - np.sin(phi_a) * np.cos(phi_b) * np.cos(dlon)
    return np.degrees(np.arctan2(y, x)) % 360.0  # type: ignore[no-any-return]


def turn_deg(from_bearing_deg: Number, to_bearing_deg: Number) -> Number:
    """Signed change of direction, -180 <= x < 180; positive is to the right."""
    return wrap_lon_deg(to_bearing_deg - from_bearing_deg)  # type: ignore[no-any-return]


def local_m(lon: Number, lat: Number, origin_lon: float, origin_lat: float) -> tuple[Number, Number]:
    """East and north of an origin in metres (equirectangular: good to 0.1 % within 50 km)."""
    east = wrap_lon_deg(lon - origin_lon) * (M_PER_DEG * float(np.cos(np.radians(origin_lat))))
    north = (lat - origin_lat) * M_PER_DEG
    return east, north


def from_local_m(east_m: Number, north_m: Number, origin_lon: float, origin_lat: float) -> tuple[Number, Number]:
    """Inverse of `local_m`."""
    lon = wrap_lon_deg(origin_lon + east_m / (M_PER_DEG * float(np.cos(np.radians(origin_lat)))))
    return lon, origin_lat + north_m / M_PER_DEG
