"""Places as documents: what was found for a text, and what a place is called."""

from __future__ import annotations

from typing_extensions import TypedDict

from geo_backup import places
from geo_backup.places.found import Kind, Lack, Match, Missing, Precision
from geo_backup.places.naming import Relation


class FoundPlace(TypedDict):
    """A place that a text may mean."""

    kind: Kind
    name: str
    lon: float
    lat: float
    category: str
    town: str
    also: str
    beside: str
    matched: Match
    precision: Precision
    missing: Missing
    unknown_words: list[str]
    hazard: str
    distance_m: int


class Places(TypedDict):
    """What was found, best first."""

    query: str
    places: list[FoundPlace]
    ambiguous: bool
    lacks: list[Lack]


class PlaceName(TypedDict):
    """What a place is called."""

    lon: float
    lat: float
    name: str
    relation: Relation
    street: str
    cross: list[str]
    distance_m: int
    hazard: str


def found_places(query: str, answer: places.Answer, *, hazards: bool) -> Places:
    """The answer to a question; with `hazards` for those who go there or send others."""
    return {
        "query": query,
        "places": [_found(one, hazards=hazards) for one in answer.found],
        "ambiguous": answer.ambiguous,
        "lacks": list(answer.lacks),
    }


def _found(one: places.Found, *, hazards: bool) -> FoundPlace:
    return {
        "kind": one.kind,
        "name": one.name,
        "lon": round(one.lon, 7),
        "lat": round(one.lat, 7),
        "category": one.category,
        "town": one.town,
        "also": one.also,
        "beside": one.beside,
        "matched": one.matched,
        "precision": one.precision,
        "missing": one.missing,
        "unknown_words": list(one.unknown_words),
        "hazard": one.hazard if hazards else "",
        "distance_m": round(one.distance_m),
    }


def place_name(lon: float, lat: float, named: places.Named, hazard: str) -> PlaceName:
    """A place with its name."""
    return {
        "lon": lon,
        "lat": lat,
        "name": named.text,
        "relation": named.relation,
        "street": named.street,
        "cross": list(named.cross),
        "distance_m": round(named.distance_m),
        "hazard": hazard,
    }
