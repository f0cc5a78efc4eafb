"""The map's extent: which places it holds. A fix off it is marked, and near 0, 0 it is no fix at all."""

from __future__ import annotations

from math import cos, radians

from geo_backup.geodesy import distance_m

Extent = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

EDGE_M = 1_000.0
"""So far beyond the outermost roads a place still counts as on the map."""
NULL_ISLAND_M = 1_000.0
METRES_A_DEGREE = 111_195.0
NEAR_NULL_DEG = 1.01 * NULL_ISLAND_M / METRES_A_DEGREE


def off_map(extent: Extent | None, lon: float, lat: float) -> bool:
    """Whether the map does not hold this place; False where nobody said what it holds."""
    if extent is None:
        return False
    west, south, east, north = extent
    if west <= lon <= east and south <= lat <= north:  # nearly all
        return False
    up_deg = EDGE_M / METRES_A_DEGREE
    along_deg = up_deg / max(cos(radians(lat)), 0.01)
    return not (south - up_deg <= lat <= north + up_deg and west - along_deg <= lon <= east + along_deg)


def null_island(extent: Extent | None, lon: float, lat: float) -> bool:
    """Whether this is the 0, 0 of a receiver without a fix (or its noise around it), and no place on the map."""
    if extent is None or abs(lat) > NEAR_NULL_DEG or abs(lon) > NEAR_NULL_DEG:
        return False
    return float(distance_m(0.0, 0.0, lon, lat)) <= NULL_ISLAND_M and off_map(extent, lon, lat)
