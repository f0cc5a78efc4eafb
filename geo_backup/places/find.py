"""Find: a text as somebody types it becomes places, best first."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from geo_backup.geodesy import distance_m
from geo_backup.places import question
from geo_backup.places.folding import fold
from geo_backup.places.found import Found, Kind, Match, Missing
from geo_backup.places.house_numbers import HouseNumber
from geo_backup.places.matching import ROWS, Hit, Matcher
from geo_backup.places.question import Reading
from geo_backup.places.words import words

STREETS = ("street", "road")
SURE = 0.28
"""Cost up to which a reading is believed without looking for wrong letters."""
DEAR = 1.6
"""Cost from which a place is not told."""
NO_NUMBER = 0.25
"""Cost of a street where a house number was asked for that is not known there."""
TOWN_OTHER, TOWN_UNKNOWN = 0.35, 0.05
SIDES = 40
"""Streets looked at on each side of a crossing."""


class Place(NamedTuple):
    """A row of the table `place`."""

    id: int
    kind: Kind
    category: str
    name: str
    number: str
    town: str
    weight: int
    lon_e7: int
    lat_e7: int
    houses: int
    hazard: str | None
    source: str | None


_COLUMNS = "id, kind, category, name, number, town, weight, lon_e7, lat_e7, houses, hazard, source"


_HOUSES = """SELECT number, rest, last, label, rank, lon_e7, lat_e7, town FROM house
  WHERE street = ? AND number <= ? AND last >= ? ORDER BY rank, lon_e7, lat_e7"""


class Finder:
    """Finds places in one open file. Not for two threads at once."""

    def __init__(self, db: sqlite3.Connection, area: str = "") -> None:
        self._db, self._matcher = db, Matcher(db)
        self._area = fold(area)
        self._towns = dict(db.execute("SELECT text, name FROM town"))
        self.houses = int(db.execute("SELECT value FROM meta WHERE key = 'houses'").fetchone()[0])

    def find(self, text: str, near: tuple[float, float], limit: int) -> list[Found]:
        """The best places for a text, best first; `near` is lon, lat."""
        asked = question.split(text)
        if not asked:
            return []
        typing = not text[-1:].isspace()
        found: list[Found] = []
        if (road := question.on_road(text)) is not None:
            found += self._on_road(road)
        for step in (self._plainly, self._forgiving, self._leniently):
            found += step(text, asked, typing)
            if any(one.cost < SURE and not one.missing for one in found):
                break
        return ordered(found, near, limit)

    # ---- three ways of asking, each more forgiving

    def _plainly(self, text: str, asked: list[str], typing: bool) -> Iterator[Found]:
        yield from self._crossing(question.crossings(text), typing=typing, typos=False)
        for reading in question.readings(text):
            yield from self._named(reading, typing=typing and reading.number is None, typos=False)

    def _forgiving(self, text: str, asked: list[str], typing: bool) -> Iterator[Found]:
        yield from self._crossing(question.crossings(text), typing=typing, typos=True)
        for reading in question.readings(text):
            yield from self._named(reading, typing=typing and reading.number is None, typos=True)
        if 2 <= len(asked) <= 8:
            yield from self._crossing(question.bare_crossings(asked), typing=typing, typos=False)

    def _leniently(self, text: str, asked: list[str], typing: bool) -> Iterator[Found]:
        for reading in question.readings(text):
            yield from self._named(reading, typing=typing and reading.number is None, typos=True, lenient=True)

    # ---- names and house numbers

    def _named(self, reading: Reading, *, typing: bool, typos: bool, lenient: bool = False) -> Iterator[Found]:
        kinds = STREETS if reading.number is not None else ()
        for some, town in self._with_towns(reading.words):
            hits = self._matcher.hits(some, typing=typing, typos=typos, lenient=lenient, kinds=kinds)
            for place, hit in self._places(hits):
                cost = hit.cost + self._town_cost(place, town)
                if cost > DEAR:
                    continue
                if reading.number is not None:
                    yield self._house(place, hit, cost, reading.number, reading.label)
                else:
                    yield _as_found(place, hit, cost)

    def _with_towns(self, some: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
        """The words as they are, and with a town or postcode at their end taken for one."""
        yield some, ""
        plain = words()
        for at in range(max(1, len(some) - 4), len(some)):
            left, town = some[:at], " ".join(some[at:])
            if not any(word not in plain.stop and word not in plain.types for word in left):
                continue
            if town in self._towns or town == self._area:
                yield left, town

    def _town_cost(self, place: Place, town: str) -> float:
        if not town:
            return 0.0
        if not place.town:
            return TOWN_UNKNOWN if town != self._area else 0.0
        if fold(place.town) == town:
            return 0.0
        return TOWN_UNKNOWN if town == self._area else TOWN_OTHER

    def _house(self, place: Place, hit: Hit, cost: float, number: HouseNumber, label: str) -> Found:
        rows = self._db.execute(_HOUSES, (place.id, number.first, number.first)).fetchall() if place.houses else []
        base = _as_found(place, hit, cost)
        same = [row for row in rows if row[0] == number.first and row[1] == number.rest and row[2] == number.last]
        rows = same or [row for row in rows if row[0] == number.first] or rows
        if rows:
            _, _rest, _, said, rank, lon_e7, lat_e7, town = rows[0]
            return replace(
                base, kind="address", name=f"{place.name} {said}", lon=lon_e7 / 1e7, lat=lat_e7 / 1e7,
                town=town or place.town, precision="between" if rank else "point",
                cost=cost + (0.0 if same else 0.03),
            )  # fmt: skip
        missing: Missing = "house_number" if place.houses else "house_numbers"
        return replace(base, missing=missing, cost=cost + NO_NUMBER)

    # ---- crossings

    def _crossing(
        self, pairs: Iterable[tuple[tuple[str, ...], tuple[str, ...]]], *, typing: bool, typos: bool
    ) -> Iterator[Found]:
        for left, right in pairs:
            a = self._side(left, typing=False, typos=typos)
            b = self._side(right, typing=typing, typos=typos) if a else {}
            if not b:
                continue
            yield from self._meetings(a, b)

    def _side(self, some: tuple[str, ...], *, typing: bool, typos: bool) -> dict[int, Hit]:
        best: dict[int, Hit] = {}
        for asked, _ in self._with_towns(some):
            for hit in self._matcher.hits(asked, typing=typing, typos=typos, kinds=STREETS, rows=SIDES):
                if hit.place not in best or hit.cost < best[hit.place].cost:
                    best[hit.place] = hit
        return best

    def _meetings(self, a: dict[int, Hit], b: dict[int, Hit]) -> Iterator[Found]:
        marks = ", ".join("?" * len(a)), ", ".join("?" * len(b))
        rows = self._db.execute(
            f"SELECT a, b, lon_e7, lat_e7 FROM crossing WHERE a IN ({marks[0]}) AND b IN ({marks[1]})"
            f" UNION SELECT b, a, lon_e7, lat_e7 FROM crossing WHERE b IN ({marks[0]}) AND a IN ({marks[1]})",
            (*a, *b, *a, *b),
        ).fetchall()
        named = self._rows({street for row in rows for street in row[:2]})
        for one, other, lon_e7, lat_e7 in rows:
            first, second = named[one], named[other]
            hits = a[one], b[other]
            yield Found(
                kind="crossing",
                name=f"{first.name} / {second.name}",
                lon=lon_e7 / 1e7,
                lat=lat_e7 / 1e7,
                town=first.town,
                matched=_match(hits),
                unknown_words=hits[0].unmet + hits[1].unmet,
                cost=hits[0].cost + hits[1].cost,
            )

    # ---- motorways

    def _on_road(self, asked: question.OnRoad) -> Iterator[Found]:
        if asked.exit:
            rows = self._db.execute(
                "SELECT place, road FROM exit WHERE number = ? AND (? = '' OR road = ?)",
                (asked.exit, asked.road, asked.road),
            ).fetchall()
            named = self._rows({row[0] for row in rows})
            for place, _ in rows:
                yield replace(_as_found(named[place], _SURE, 0.0), matched="exact")
            return
        yield from self._posts(asked)

    def _posts(self, asked: question.OnRoad) -> Iterator[Found]:
        around = self._db.execute(
            "SELECT metres, lon_e7, lat_e7 FROM post WHERE road = ? ORDER BY abs(metres - ?) LIMIT 4",
            (asked.road, asked.metres),
        ).fetchall()
        road = self._db.execute(
            f"SELECT {_COLUMNS} FROM place WHERE number = ? AND number <> '' ORDER BY id LIMIT 1", (asked.road,)
        ).fetchone()
        if road is None:
            return
        place = Place(*road)
        name = f"{place.name} km {asked.metres / 1000:g}"
        for metres, lon_e7, lat_e7 in around:
            off = abs(metres - asked.metres)
            if off > 1_000:
                continue
            yield Found("post", name, lon_e7 / 1e7, lat_e7 / 1e7, precision="point" if off < 50 else "near",
                        town=place.town, cost=off / 10_000.0)  # fmt: skip
        if not around or abs(around[0][0] - asked.metres) > 1_000:
            yield replace(_as_found(place, _SURE, NO_NUMBER), missing="post")

    # ---- rows

    def _places(self, hits: list[Hit]) -> Iterator[tuple[Place, Hit]]:
        named = self._rows(hit.place for hit in hits)
        for hit in hits:
            yield named[hit.place], hit

    def _rows(self, ids: Iterable[int]) -> dict[int, Place]:
        some = list(ids)
        if not some:
            return {}
        marks = ", ".join("?" * len(some))
        rows = self._db.execute(f"SELECT {_COLUMNS} FROM place WHERE id IN ({marks})", some)
        return {row[0]: Place(*row) for row in rows}


_SURE = Hit(0, 0.0, None, (), False)


def _match(hits: Iterable[Hit]) -> Match:
    some = list(hits)
    if any(hit.unmet for hit in some):
        return "part"
    return "close" if any(hit.close for hit in some) else "exact"


def _as_found(place: Place, hit: Hit, cost: float) -> Found:
    own = place.source is not None
    return Found(
        kind="own" if own else place.kind,
        name=place.name,
        lon=place.lon_e7 / 1e7,
        lat=place.lat_e7 / 1e7,
        category=place.category,
        town=place.town,
        also=hit.said or "",
        matched=_match([hit]),
        precision="street" if place.kind in STREETS else "area" if place.kind == "town" else "point",
        unknown_words=hit.unmet,
        hazard=place.hazard or "",
        source=place.source or "",
        cost=cost - 0.004 * place.weight,
    )


def ordered(found: Iterable[Found], near: tuple[float, float], limit: int) -> list[Found]:
    """The cheapest of each place, those near by first among equals."""
    best: dict[tuple[str, int, int], Found] = {}
    for one in found:
        metres = float(distance_m(near[0], near[1], one.lon, one.lat))
        one = replace(one, distance_m=metres, cost=one.cost + min(0.25, 0.03 * math.log2(1.0 + metres / 1000.0)))
        key = one.name, round(one.lon * 1e4), round(one.lat * 1e4)
        if key not in best or one.cost < best[key].cost:
            best[key] = one
    return sorted(best.values(), key=lambda one: (one.cost, one.name, one.lon, one.lat))[:limit]


__all__ = ["ROWS", "Finder", "ordered"]
