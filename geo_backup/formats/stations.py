"""Stations from CSV: `station,lon,lat` a line, the places where units wait."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from typing import NamedTuple

from geo_backup.errors import BadValueError
from geo_backup.formats.tracks import degrees


class Station(NamedTuple):
    """Its name, without leading zeros, and its place."""

    station: str
    lon: float
    lat: float


def read_stations(lines: Iterable[str]) -> tuple[Station, ...]:
    """Read a file's lines. Raises `BadValueError` that names the line and what it lacks."""
    rows = csv.DictReader(lines)
    if not {"station", "lon", "lat"} <= set(rows.fieldnames or ()):
        raise BadValueError("--stations", "columns", "the first line of STATIONS.csv names the columns station,lon,lat")
    out: dict[str, Station] = {}
    for number, row in enumerate(rows, start=2):
        name = (row["station"] or "").strip().lstrip("0")
        try:
            lon, lat, why = degrees(row["lon"], "lon"), degrees(row["lat"], "lat"), ""
        except ValueError as error:
            lon, lat, why = math.nan, math.nan, f": {error}"
        if not (name and name not in out and abs(lon) <= 180.0 and abs(lat) <= 90.0):
            why = "comes twice" if name in out else f"needs a name, and lon and lat in degrees{why}"
            raise BadValueError("--stations", "station", f"STATIONS.csv line {number}: the station {why}")
        out[name] = Station(name, lon, lat)
    return tuple(out.values())
