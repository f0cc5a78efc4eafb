"""Cover as documents: how well the free units cover the area, and what would make it better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from typing_extensions import TypedDict

from geo_backup.backup.advice import MoveUp
from geo_backup.backup.city import CityNow
from geo_backup.wire.documents.geojson import MultiPolygon, Point, Polygon
from geo_backup.wire.times import to_text


class DoubleStandard(TypedDict):
    """Gendreau's double standard."""

    within_r2: float
    within_r1: float
    twice_within_r1: float
    met: bool


class BeatCover(TypedDict):
    """The cover of one beat."""

    beat_id: str
    free: int
    floor: int
    cover: float
    last_unit: str | None


class UnitCover(TypedDict):
    """What the city loses by a unit."""

    unit_id: str
    cover_lost: float
    price_words: str


class DemandProperties(TypedDict):
    """The share of the calls that a place has, and how many free units reach it in time."""

    demand: float
    units: int


class DemandPlace(TypedDict):
    """A place of demand."""

    type: Literal["Feature"]
    geometry: Point
    properties: DemandProperties


class DemandPlaces(TypedDict):
    """All places of demand."""

    type: Literal["FeatureCollection"]
    features: list[DemandPlace]


class Cover(TypedDict):
    """The chance that the next call finds a free unit in time."""

    as_of_time: str
    target_s: float
    busy_fraction: float
    demand_id: str
    agency: str
    free_units: int
    cover: float
    reliable: float
    double: DoubleStandard
    beats: list[BeatCover]
    units: list[UnitCover]
    places: DemandPlaces


class Move(TypedDict):
    """A free unit to move, and what that wins."""

    unit_id: str
    lon: float
    lat: float
    gain: float
    drive_s: float
    words: str


class Moves(TypedDict):
    """Few moves, each worth the crew's trouble."""

    moves: list[Move]


class Beat(TypedDict):
    """A beat as it was adopted."""

    type: Literal["Feature"]
    geometry: Polygon | MultiPolygon
    properties: dict[str, Any]


class Beats(TypedDict):
    """The beats as they were adopted: each has `beat_id` and `floor` among its properties."""

    type: Literal["FeatureCollection"]
    features: list[Beat]


class BeatsAdopted(TypedDict):
    """The names of the beats that hold now."""

    beats: list[str]


class DemandAdopted(TypedDict):
    """The demand that holds now, and from how many calls it was learned."""

    demand_id: str
    calls: int


def cover(now: CityNow, ids: Sequence[str], as_of_ms: int, agency: str = "") -> Cover:
    """The cover of the city at a moment, by an agency's units or all: over all, by beat and by place of demand; and
    what it loses by each unit."""
    city, measured = now.city, now.cover(agency)
    double = measured.double_standard()
    free = [np.flatnonzero(measured.free & (now.unit_beat == b)).tolist() for b in range(len(city.beats.beats))]
    share = (measured.weights / max(float(measured.weights.sum()), 1e-12)).tolist()
    places = zip(city.kept.tolist(), share, measured.count.tolist(), strict=True)
    dear = [row for row in np.flatnonzero(measured.free).tolist() if now.prices[row] > 0 or now.last_of(row)]
    return {
        "as_of_time": to_text(as_of_ms),
        "target_s": measured.rules.target_ms / 1000,
        "busy_fraction": measured.rules.busy_fraction,
        "demand_id": city.demand_id,
        "agency": agency,
        "free_units": int(measured.free.sum()),
        "cover": measured.value(),
        "reliable": measured.reliable(),
        "double": {
            "within_r2": double.within_r2,
            "within_r1": double.within_r1,
            "twice_within_r1": double.twice_within_r1,
            "met": double.met,
        },
        "beats": [
            {
                "beat_id": beat.beat_id,
                "free": len(free[b]),
                "floor": beat.floor_at(now.hour, measured.rules),
                "cover": measured.value(city.place_beat == b),
                "last_unit": ids[free[b][0]] if len(free[b]) == 1 else None,
            }
            for b, beat in enumerate(city.beats.beats)
        ],
        "units": [
            {
                "unit_id": ids[row],
                "cover_lost": round(float(now.prices[row]), 6),
                "price_words": now.words(row),
            }
            for row in dear
        ],
        "places": {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {
                        "type": "Point",
                        "coordinates": [float(city.demand.lon[j]), float(city.demand.lat[j])],
                    },
                    "properties": {"demand": round(part, 6), "units": count},
                }
                for j, part, count in places
            ],
        },
    }


def move_up(move: MoveUp) -> Move:
    """One move, in numbers and words."""
    return {
        "unit_id": move.unit_id,
        "lon": move.lon,
        "lat": move.lat,
        "gain": round(move.gain, 6),
        "drive_s": move.drive_ms / 1000,
        "words": f"{move.unit_id}: {move.drive_ms / 60_000:.0f} min of driving win {move.gain:.1%} of cover",
    }
