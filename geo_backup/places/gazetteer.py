"""The gazetteer of one map: texts become places, places get names."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter

from geo_backup.errors import MapError
from geo_backup.geodesy import distance_m
from geo_backup.places import coordinates, own
from geo_backup.places.find import Finder, far_cost
from geo_backup.places.folding import LONGEST_TEXT
from geo_backup.places.found import Answer, Found, Lack
from geo_backup.places.naming import Named, Namer
from geo_backup.places.own import Hazards
from geo_backup.places.store import FILE, OWN_FILE, connect
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
        west, south, east, north = network.town
        self._town = (west + east) / 2.0, (south + north) / 2.0
        self._lock = threading.Lock()
        self._finder: Finder | None = None
        self.refusal = ""
        """Why this map's places cannot be searched; empty: they can."""
        self._own = _Own(network)
        path = network.folder / FILE if network.folder is not None else None
        if path is None or not path.exists():
            self.refusal = "this map was built without places: build it again, or run `geo-backup places build`"
            return
        try:
            self._finder = Finder(connect(path), network.area.name)
        except MapError as error:
            self.refusal = str(error)

    def find(self, text: str, near: tuple[float, float] | None = None, limit: int = 10) -> Answer:
        """The places that a text may mean, best first. `near` (lon, lat; default: the middle of the town) decides
        between places of one name."""
        text = text.replace("\x00", " ")[:LONGEST_TEXT]
        here = near or self._town
        limit = max(1, min(MOST_FOUND, limit))
        with self._lock:
            self._own.look()
            some = self._coordinates(text, here)
            if not some:
                some = self._own.finder.find(text, here, limit + 1) if self._own.finder is not None else []
                if self._finder is not None:
                    some += self._finder.find(text, here, limit + 1)
                some.sort(key=lambda one: one.cost)
            first = [self._told(one) for one in _where(some[:limit], self._namer)]
        lacks: tuple[Lack, ...] = ()
        if self._finder is None:
            lacks = ("no_places",)
        elif not self._finder.houses:
            lacks = ("no_house_numbers",)
        return Answer(tuple(first), ambiguous(some), lacks)

    def name(self, lon: float, lat: float) -> Named:
        """What a place is called: its street and the street that crosses it there."""
        return self._namer.name(lon, lat)

    def hazard(self, lon: float, lat: float) -> str:
        """What is to know before going to a place; empty: nothing is known."""
        with self._lock:
            self._own.look()
            return self._own.hazards.at(lon, lat)

    def _told(self, one: Found) -> Found:
        """A place with what is to know of the premises there."""
        if one.hazard or one.precision not in ("point", "between"):
            return one
        return one._replace(hazard=self._own.hazards.at(one.lon, one.lat))

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


class _Own:
    """The agency's own places; looked at anew when their file has changed."""

    def __init__(self, network: RoadNetwork) -> None:
        self._folder = network.folder
        self._seen: tuple[int, ...] | None = None
        self.finder: Finder | None = None
        self.hazards = Hazards(())

    def look(self) -> None:
        """Read the file again if it is another one."""
        if self._folder is None:
            return
        try:
            stat = (self._folder / OWN_FILE).stat()
            seen: tuple[int, ...] | None = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        except OSError:
            seen = None
        if seen == self._seen:
            return
        self._seen, self.finder, self.hazards = seen, None, Hazards(())
        if seen is not None:
            with contextlib.suppress(MapError):  # as if it were not there: the map's own places are found all the same
                self.finder = Finder(connect(self._folder / OWN_FILE))
                self.hazards = Hazards(own.read(self._folder))


def _where(found: list[Found], namer: Namer) -> list[Found]:
    """Places with their streets, where their name and town do not tell them from each other, or there is no name."""
    many = Counter((one.name, one.town) for one in found)
    return [
        one._replace(beside=namer.name(one.lon, one.lat).text)
        if one.kind == "coordinates" or many[one.name, one.town] > 1
        else one
        for one in found
    ]


def ambiguous(found: list[Found]) -> bool:
    """Whether another answer is as likely as the first by its words, and somewhere else: that it is further away from
    where it was asked for does not make it less meant."""
    if len(found) < 2:
        return False
    first = found[0]
    said = first.cost - far_cost(first.distance_m)
    return any(
        other.kind == first.kind
        and other.cost - far_cost(other.distance_m) - said < ALIKE
        and float(distance_m(first.lon, first.lat, other.lon, other.lat)) > APART_M
        for other in found[1:]
    )
