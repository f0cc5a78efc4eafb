"""The agency's own places, in a file beside the map's: a build of the map leaves them alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geo_backup.geodesy import distance_m
from geo_backup.places.facts import Name
from geo_backup.places.folding import fold
from geo_backup.places.store import OWN_FILE, PlaceRow, Tables, connect, write

WEIGHT = 6
"""How well known they are, of 9: their agency means them rather than a shop of the same name."""
HAZARD_WITHIN_M = 25.0
"""What is to know of premises is told of every place found so near to them."""
AREA = "area"
"""Stands in the column `number` of a place that was drawn as an area."""


class OwnPlace(NamedTuple):
    """One place of the agency: its id, and what kind it is in the agency's words."""

    place_id: str
    kind: str
    name: str
    lon: float
    lat: float
    hazard: str = ""
    also: tuple[str, ...] = ()
    area: bool = False


def read(folder: Path) -> list[OwnPlace]:
    """The own places of a map, by kind and name; none where there is no file."""
    path = folder / OWN_FILE
    if not path.exists():
        return []
    with closing(connect(path)) as db:
        also: dict[int, list[str]] = {}
        for place, said in db.execute("SELECT place, said FROM name WHERE said IS NOT NULL ORDER BY id"):
            also.setdefault(place, []).append(said)
        rows = db.execute("SELECT id, source, category, name, lon_e7, lat_e7, hazard, number FROM place").fetchall()
    places = [
        OwnPlace(source, kind, name, lon / 1e7, lat / 1e7, hazard or "", tuple(also.get(number, ())), mark == AREA)
        for number, source, kind, name, lon, lat, hazard, mark in rows
    ]
    return sorted(places, key=lambda place: (place.kind, fold(place.name), place.place_id))


def save(folder: Path, places: Iterable[OwnPlace]) -> None:
    """Replace the own places of a map, in one step."""
    rows = [
        PlaceRow(
            kind="own",
            category=place.kind,
            names=(Name(place.name, 0), *(Name(text, 1) for text in place.also)),
            number=AREA if place.area else "",
            town="",
            weight=WEIGHT,
            lon_e7=round(place.lon * 1e7),
            lat_e7=round(place.lat * 1e7),
            hazard=place.hazard,
            source=place.place_id,
        )
        for place in places
    ]
    work = folder / f".{OWN_FILE}.new"
    try:
        write(work, Tables(places=rows, meta={"houses": "0"}))
        work.replace(folder / OWN_FILE)
    finally:
        work.unlink(missing_ok=True)


def with_ids(places: Iterable[OwnPlace]) -> list[OwnPlace]:
    """Places, those without an id named by kind and name, and by where they are if that is not enough."""
    some = list(places)
    many = Counter((place.kind, fold(place.name)) for place in some if not place.place_id)
    out = []
    for place in some:
        if not place.place_id:
            name = f"{place.kind}:{fold(place.name)}".replace(" ", "-")
            if many[place.kind, fold(place.name)] > 1:
                name += f"@{place.lon:.5f},{place.lat:.5f}"
            place = place._replace(place_id=name[:120])
        out.append(place)
    return out


def added(standing: Iterable[OwnPlace], more: Iterable[OwnPlace]) -> tuple[list[OwnPlace], int]:
    """The places with more; one with the id of a standing one takes its place. Answers how many did, too."""
    by_id = {place.place_id: place for place in standing}
    before = len(by_id)
    new = {place.place_id: place for place in more}
    by_id.update(new)
    return list(by_id.values()), before + len(new) - len(by_id)


class Hazards:
    """What is to know before going in, by place."""

    def __init__(self, places: Iterable[OwnPlace]) -> None:
        self._places = [place for place in places if place.hazard]
        self._lon = np.array([place.lon for place in self._places])
        self._lat = np.array([place.lat for place in self._places])

    def at(self, lon: float, lat: float) -> str:
        """The notes of all premises at a place; empty: none is known."""
        if not self._places:
            return ""
        near = np.flatnonzero(distance_m(lon, lat, self._lon, self._lat) <= HAZARD_WITHIN_M)
        return "; ".join(f"{self._places[row].name}: {self._places[row].hazard}" for row in near.tolist())
