"""The register: the facts of a source put in order, as the tables of the file of places."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely  # type: ignore[import-untyped, unused-ignore]

from geo_backup.geodesy import metres_per_deg
from geo_backup.places import house_numbers
from geo_backup.places.facts import Exit, Facts, House, Name, Town
from geo_backup.places.folding import fold, road_number
from geo_backup.places.store import HouseRow, PlaceRow, Tables
from geo_backup.places.streets import Streets, streets_of

TOWN_REACH_M = {
    "city": 15_000.0, "town": 6_000.0, "village": 2_500.0, "hamlet": 1_000.0, "suburb": 2_000.0, "quarter": 1_200.0,
    "neighbourhood": 800.0, "isolated_dwelling": 300.0, "locality": 400.0, "borough": 4_000.0, "municipality": 8_000.0,
}  # fmt: skip
"""How far from its middle a place of this kind goes, where nothing else is nearer in proportion."""
TOWNS = frozenset({"city", "town", "village", "hamlet", "municipality", "borough"})
TOWN_WEIGHT = {
    "city": 9,
    "town": 9,
    "municipality": 8,
    "borough": 8,
    "village": 8,
    "suburb": 7,
    "quarter": 6,
    "hamlet": 6,
}

STREET_FAR_M = 1_500.0
"""A house belongs to the street of its name no further away than this from the street's box."""


def tables_of(facts: Facts) -> Tables:
    """Put the facts of one source in order."""
    tables = Tables()
    streets = streets_of(facts.lines, facts.joints)
    towns = _Towns(facts.towns)
    by_name: dict[str, list[int]] = defaultdict(list)
    for index in range(len(streets)):
        for name in streets.names[index]:
            by_name[fold(name.text)].append(index)
    houses = _Houses(streets, by_name)
    for house in facts.houses:
        houses.add(house)
    tables.houses = houses.rows()
    many = Counter(row.street for row in tables.houses)
    for index in range(len(streets)):
        lon_e7, lat_e7 = int(streets.lon_e7[index]), int(streets.lat_e7[index])
        tables.places.append(
            PlaceRow(
                kind="road" if streets.number[index] else "street",
                category="",
                names=streets.names[index],
                number=streets.number[index],
                town=houses.town_of(index),
                weight=min(8, int(streets.weight[index])),
                lon_e7=lon_e7,
                lat_e7=lat_e7,
                houses=many[index],
            )
        )
    for index, (street, lon_e7, lat_e7, in_town) in enumerate(houses.alone, len(streets)):
        # a street that the source knows by its addresses alone
        tables.places.append(
            PlaceRow("street", "", (Name(street, 0),), "", in_town, 4, lon_e7, lat_e7,
                     houses=many[index])
        )  # fmt: skip
    for point in facts.points:
        tables.places.append(
            PlaceRow("place", point.category, point.names, "", point.town, point.weight, point.lon_e7, point.lat_e7)
        )
    for town in facts.towns:
        weight = TOWN_WEIGHT.get(town.kind, 5)
        tables.places.append(PlaceRow("town", town.kind, town.names, "", "", weight, town.lon_e7, town.lat_e7))
        for name in town.names:
            tables.towns.setdefault(fold(name.text), town.names[0].text)
    for said in houses.towns:
        tables.towns.setdefault(fold(said), said)
    _exits(tables, facts.exits)
    tables.places = towns.named(tables.places)
    tables.crossings = streets.crossings
    tables.lines = {index: line for index, line in enumerate(streets.lines) if line and not streets.number[index]}
    tables.posts = [(road_number(post.road), post.metres, post.lon_e7, post.lat_e7) for post in facts.posts]
    tables.meta = {
        "houses": str(len(tables.houses)),
        "streets": str(tables.streets),
        "crossings": str(len(tables.crossings)),
        "posts": str(len(tables.posts)),
    }
    return tables


def _exits(tables: Tables, exits: Iterable[Exit]) -> None:
    for one in exits:
        named = " ".join(part for part in (one.road, "exit" if one.number else "", one.number, one.name) if part)
        if not one.number and not one.name:
            continue
        names = [Name(named, 0)]
        names += [Name(text, 1) for text in (one.name, one.towards) if text]
        tables.exits.append((road_number(one.road), fold(one.number).replace(" ", ""), len(tables.places)))
        tables.places.append(PlaceRow("exit", "", tuple(names), "", "", 5, one.lon_e7, one.lat_e7))


STRAY_M = 80.0
"""A house that says no street belongs to one no further away."""


class _Towns:
    """Which town a place is in: the one whose middle is nearest, measured in its own reach."""

    def __init__(self, towns: list[Town]) -> None:
        known = [town for town in towns if town.kind in TOWNS]
        self._names = [town.names[0].text for town in known]
        self._lon = np.array([town.lon_e7 / 1e7 for town in known])
        self._lat = np.array([town.lat_e7 / 1e7 for town in known])
        self._reach_m = np.array([TOWN_REACH_M[town.kind] for town in known])

    def named(self, places: list[PlaceRow]) -> list[PlaceRow]:
        """Places with the town that reaches them, where they do not say one themselves and are none."""
        if not self._names or not places:
            return places
        lon, lat = (np.array([getattr(place, axis) for place in places]) / 1e7 for axis in ("lon_e7", "lat_e7"))
        east_m, north_m = metres_per_deg(lat)
        best, share = np.zeros(len(places), np.int64), np.full(len(places), np.inf)
        for town in range(len(self._names)):
            away = np.hypot((self._lon[town] - lon) * east_m, (self._lat[town] - lat) * north_m) / self._reach_m[town]
            nearer = away < share
            best[nearer], share[nearer] = town, away[nearer]
        return [
            place if place.town or place.kind == "town" or far > 1.0 else place._replace(town=self._names[town])
            for place, town, far in zip(places, best.tolist(), share.tolist(), strict=True)
        ]


class _Houses:
    """House numbers hung on the streets that they name."""

    def __init__(self, streets: Streets, by_name: dict[str, list[int]]) -> None:
        self._streets, self._by_name = streets, by_name
        self.alone: list[tuple[str, int, int, str]] = []
        """Streets that no way has: name, place, town."""
        self.towns: dict[str, None] = {}
        self._rows: list[HouseRow] = []
        self._tree: tuple[Any, list[int]] | None = None
        self._town: dict[int, Counter[str]] = defaultdict(Counter)

    def add(self, house: House) -> None:
        """Take one address; without a street or place to count in it is left out."""
        name = house.street or house.place
        if fold(name):
            street = self._street(name, house)
        elif (near := self._nearest(house)) is not None:
            street = near
        else:
            return
        if house.town:
            self.towns.setdefault(house.town)
            self._town[street][house.town] += 1
        for part in house_numbers.parts(house.number):
            read = house_numbers.read(part)
            number = read if read is not None else house_numbers.HouseNumber(-1, fold(part).replace(" ", ""), -1)
            if number.first < 0 and not number.rest:
                continue
            self._rows.append(
                HouseRow(street, number.first, number.rest, number.last, part[:24], house.rank, house.lon_e7,
                         house.lat_e7, house.town)
            )  # fmt: skip

    def _street(self, name: str, house: House) -> int:
        folded = fold(name)
        here = self._by_name.get(folded, [])
        found = min(((self._far_m(street, house), street) for street in here), default=(np.inf, -1))
        if found[0] <= STREET_FAR_M:
            return found[1]
        street = len(self._streets) + len(self.alone)
        self.alone.append((name, house.lon_e7, house.lat_e7, house.town))
        self._by_name.setdefault(folded, []).append(street)
        return street

    def _nearest(self, house: House) -> int | None:
        """The street that a house without one stands at."""
        if self._tree is None:
            named = [index for index, number in enumerate(self._streets.number) if not number]
            lines = [shapely.MultiLineString(self._streets.lines[index] or [[(0, 0), (0, 0)]]) for index in named]
            self._tree = shapely.STRtree(lines), named
        tree, named = self._tree
        at = tree.nearest(shapely.Point(house.lon_e7, house.lat_e7)) if named else None
        if at is None:
            return None
        away_m = tree.geometries[at].distance(shapely.Point(house.lon_e7, house.lat_e7)) * 0.0111
        return named[int(at)] if away_m <= STRAY_M else None

    def _far_m(self, street: int, house: House) -> float:
        """Metres from a house to the box around a street."""
        if street < len(self._streets):
            west, south, east, north = self._streets.box_e7[street].tolist()
        else:
            _, west, south, _ = self.alone[street - len(self._streets)]
            east, north = west, south
        east_m, north_m = metres_per_deg(house.lat_e7 / 1e7)
        dx = max(west - house.lon_e7, 0, house.lon_e7 - east) / 1e7 * float(east_m)
        dy = max(south - house.lat_e7, 0, house.lat_e7 - north) / 1e7 * float(north_m)
        return float(np.hypot(dx, dy))

    def town_of(self, street: int) -> str:
        """The town that most houses of a street say they are in."""
        counts = self._town.get(street)
        return min(counts, key=lambda town: (-counts[town], town)) if counts else ""

    def rows(self) -> list[HouseRow]:
        """All house numbers, those at a door before those worked out."""
        exact = {(row.street, row.number, row.rest) for row in self._rows if row.rank == 0}
        kept = [row for row in self._rows if row.rank == 0 or (row.street, row.number, row.rest) not in exact]
        return sorted(set(kept))
