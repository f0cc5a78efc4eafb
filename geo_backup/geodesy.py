"""Distances, bearings and local metres on WGS84; floats or numpy arrays alike, always lon, lat in degrees.

Distances are those of the ellipsoid, to a millionth within a hundred kilometres and to 0.6 % across the earth;
bearings are those of a sphere, to 0.2 degrees. Longitude differences are wrapped, so the antimeridian is a place like
any other.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

EQUATOR_M = 6_378_137.0
"""Radius of the ellipsoid's equator (WGS84)."""

ECCENTRICITY_2 = 0.00669437999014
"""Its first eccentricity, squared."""

LEAP_M = 100_000.0
"""A straight line longer than this between two vertices of a road or a drawn shape is a slip of whoever made it."""

Number = TypeVar("Number", float, Any)


def wrap_lon_deg(lon_deg: Number) -> Number:
    """Longitude or difference of longitudes brought to -180 <= x < 180."""
    return (lon_deg + 180.0) % 360.0 - 180.0


def radii_m(lat: Number) -> tuple[Number, Number]:
    """Radius of the ellipsoid's curve to the east and to the north, at a latitude."""
    sin = np.sin(np.radians(lat))
    to_pole = 1.0 - ECCENTRICITY_2 * sin * sin
    east = EQUATOR_M / np.sqrt(to_pole)
    return east, east * (1.0 - ECCENTRICITY_2) / to_pole


def distance_m(lon_a: Number, lat_a: Number, lon_b: Number, lat_b: Number) -> Number:
    """Great-circle distance in metres (haversine, stable for short distances), with the ellipsoid's radii half-way."""
    phi_a, phi_b = np.radians(lat_a), np.radians(lat_b)
    half_lat = (phi_b - phi_a) / 2.0
    half_lon = np.radians(wrap_lon_deg(lon_b - lon_a)) / 2.0
    north, east = np.sin(half_lat) ** 2, np.cos(phi_a) * np.cos(phi_b) * np.sin(half_lon) ** 2
    east_m, north_m = radii_m((lat_a + lat_b) / 2.0)
    half_chord = np.sqrt(np.minimum(north + east, 1.0))
    bent = np.arcsin(half_chord) / (half_chord + (half_chord == 0.0))
    return 2.0 * np.sqrt(north_m**2 * north + east_m**2 * east) * bent  # type: ignore[no-any-return]


def metres_per_deg(lat: Number) -> tuple[Number, Number]:
    """Metres in a degree of longitude and in one of latitude, at a latitude."""
    east, north = radii_m(lat)
    return east * np.cos(np.radians(lat)) * np.pi / 180.0, north * np.pi / 180.0


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
    per_lon, per_lat = metres_per_deg(origin_lat)
    return wrap_lon_deg(lon - origin_lon) * per_lon, (lat - origin_lat) * per_lat
