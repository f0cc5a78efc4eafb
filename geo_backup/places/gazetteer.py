"""The gazetteer of one map: texts become places, places get names."""

from __future__ import annotations

import threading
from pathlib import Path

from geo_backup.errors import MapError
from geo_backup.geodesy import distance_m
from geo_backup.places import coordinates
from geo_backup.places.find import Finder
from geo_backup.places.folding import LONGEST_TEXT
from geo_backup.places.found import Answer, Found, Lack
from geo_backup.places.naming import Named, Namer
from geo_backup.places.store import FILE, connect
from geo_backup.roads.network import RoadNetwork

MOST_FOUND = 50
OUTSIDE_DEG = 0.2
"""Coordinates so far outside the map are still on it, when it is asked which of two readings is meant."""
ALIKE = 0.04
"""Two answers whose costs differ less are as likely as each other."""
APART_M = 50.0
"""Answers so near each other are one place."""


class Gazetteer:
    """Finds and names places on one map. May be asked from any thread, one at a time."""

    def __init__(self, network: RoadNetwork) -> None:
        self._network = network
        self._namer = Namer(network)
        self._lock = threading.Lock()
        self._finder: Finder | None = None
        self.refusal = ""
        """Why this map's places cannot be searched; empty: they can."""
        path = network.folder / FILE if network.folder is not None else None
        if path is None or not path.exists():
            self.refusal = "this map was built without places: build it again, or run `geo-backup places build`"
        else:
            self._open(path)

    def _open(self, path: Path) -> None:
        try:
            self._finder = Finder(connect(path), self._network.area.name)
        except MapError as error:
            self.refusal = str(error)

    def find(self, text: str, near: tuple[float, float] | None = None, limit: int = 10) -> Answer:
        """The places that a text may mean, best first. `near` (lon, lat; default: the middle of the map) decides
        between places of one name."""
        text = text.replace("\x00", " ")[:LONGEST_TEXT]
        here = near or self._network.middle
        limit = max(1, min(MOST_FOUND, limit))
        if found := self._coordinates(text, here):
            return Answer(tuple(found[:limit]))
        if self._finder is None:
            return Answer((), lacks=("no_places",))
        with self._lock:
            some = self._finder.find(text, here, limit + 1)
        lacks: tuple[Lack, ...] = () if self._finder.houses else ("no_house_numbers",)
        return Answer(tuple(some[:limit]), ambiguous(some), lacks)

    def name(self, lon: float, lat: float) -> Named:
        """What a place is called: its street and the street that crosses it there."""
        return self._namer.name(lon, lat)

    def _coordinates(self, text: str, near: tuple[float, float]) -> list[Found]:
        spots = coordinates.spots(text)
        if not spots and (code := coordinates.plus_code(text)) is not None:
            spots = [coordinates.of_plus_code(code.code, near)]
        west, south, east, north = self._network.area.extent
        on_map = [
            spot
            for spot in spots
            if west - OUTSIDE_DEG <= self._network.framed(spot.lon) <= east + OUTSIDE_DEG
            and south - OUTSIDE_DEG <= spot.lat <= north + OUTSIDE_DEG
        ]
        return [
            Found(
                "coordinates", f"{spot.lat:.5f}, {spot.lon:.5f}", spot.lon, spot.lat, category=spot.kind,
                distance_m=float(distance_m(near[0], near[1], spot.lon, spot.lat)),
            )
            for spot in (on_map or spots)[:1]
        ]  # fmt: skip


def ambiguous(found: list[Found]) -> bool:
    """Whether the second answer is as likely as the first and somewhere else."""
    if len(found) < 2:
        return False
    first = found[0]
    return any(
        other.cost - first.cost < ALIKE
        and other.kind == first.kind
        and float(distance_m(first.lon, first.lat, other.lon, other.lat)) > APART_M
        for other in found[1:]
    )
