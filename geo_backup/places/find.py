"""Find: a text as somebody types it becomes places, best first."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from geo_backup.geodesy import metres_per_deg
from geo_backup.places import outline, question
from geo_backup.places.folding import fold
from geo_backup.places.found import Found, Kind, Match, Missing, Precision
from geo_backup.places.house_numbers import HouseNumber
from geo_backup.places.matching import KEPT, SMALL, Hit, Matcher, Mercy
from geo_backup.places.outline import Meeting, unpack_meetings
from geo_backup.places.own import AREA
from geo_backup.places.question import Pair, Reading
from geo_backup.places.store import STREET_KINDS
from geo_backup.places.words import words
from geo_backup.roads.kernel import Array

SURE = 0.28
"""A place of less cost is believed without looking for wrong letters."""
GOOD = 0.65
"""Where there is one of less, no words are left out in search of others."""
DEAR = 1.6
"""A place of more cost is not told."""
NO_NUMBER = 0.25
"""Cost of a street where a house number was asked for that is not known there."""
APART = 0.15
"""Cost of two streets that do not meet."""
OTHER_UNSAID = 0.08
"""Cost of a crossing of which one street has been typed so far."""
ONE_OF_TWO = 0.8
"""Cost of one street where two were asked for."""
NEAREST_MOST_M = 300.0
"""Streets that do not meet and are further apart are not told as a crossing."""
TOWN_OTHER, TOWN_UNKNOWN, UNKNOWN_TOWN, UNKNOWN_WORD = 0.35, 0.05, 0.10, 0.35
"""Cost of a town that is another one than the place is in; of one where it is not known which the place is in; of a
word that this map does not know behind a comma or so short that it is a state; of another one behind a town."""
WIDEST_GAP = 60
"""Between two house numbers, for one that is not known to lie between them."""
SIDES = 24
"""Streets looked at of one side of a crossing."""


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


_COLUMNS = ", ".join(Place._fields)
_HOUSES = """SELECT number, rest, last, label, rank, lon_e7, lat_e7, town FROM house
  WHERE street = ? AND number <= ? AND last >= ? ORDER BY rank, lon_e7, lat_e7"""


class Finder:
    """Finds places in one open file. Not for two threads at once."""

    def __init__(self, db: sqlite3.Connection, area: str = "") -> None:
        self._db, self._matcher = db, Matcher(db)
        self._area = fold(area)
        self._known: dict[int, Place] = {}
        self._towns = dict(db.execute("SELECT text, name FROM town"))
        self.houses = int(db.execute("SELECT value FROM meta WHERE key = 'houses'").fetchone()[0])

    def find(self, text: str, near: tuple[float, float], limit: int) -> list[Found]:
        """The best places for a text, best first; `near` is lon, lat."""
        asked = question.split(text)
        if not asked:
            return []
        typing = not text[-1:].isspace()
        pairs, readings = question.pairs(text), question.readings(text, self._is_town)
        found: list[Found] = []
        housed: set[int] = set()
        if (road := question.on_road(text)) is not None:
            found += self._on_road(road)
        for mercy in Mercy:
            if mercy is Mercy.WORDS and any(one.cost < GOOD for one in found):
                break
            if mercy is Mercy.LETTER and typing and not pairs and (left := question.before_a_cross_word(asked)):
                found += self._all_meetings(left, Mercy.NONE)
                if found:
                    break
            found += self._met(pairs, typing, mercy)
            if pairs and mercy and found:
                continue
            for reading in readings:
                found += self._named(reading, typing and reading.number is None, mercy, housed)
            if mercy is Mercy.LETTER and not pairs and not any(one.cost < GOOD for one in found):
                found += self._met(question.bare_pairs(asked), typing, Mercy.NONE)
            if self._sure(found):
                break
        if pairs and not self._sure(found):
            found += self._apart(pairs, typing)
        return ordered(found, near, limit)

    def _sure(self, found: Iterable[Found]) -> bool:
        """Whether one of them is what was meant, as far as this map can tell."""
        return any(one.cost < SURE and (not one.missing or not self.houses) for one in found)

    # ---- names and house numbers

    def _named(self, reading: Reading, typing: bool, mercy: Mercy, housed: set[int]) -> Iterator[Found]:
        if reading.number is None and reading.locality and housed:
            return  # a house was found: that number is no postcode
        last = typing and not reading.locality
        hits = self._matcher.hits(reading.words, typing=last, mercy=mercy, streets=reading.number is not None)
        for place, hit in self._places(hits):
            if reading.number is None and place.id in housed:
                continue  # its house has been found
            cost, unmet = self._locality(place, reading) if reading.locality else (0.0, ())
            cost += hit.cost
            if cost > DEAR:
                continue
            if unmet:
                hit = hit._replace(unmet=hit.unmet + unmet)
            if reading.number is not None:
                house = self._house(place, hit, cost, reading.number)
                if house.kind == "address":
                    housed.add(place.id)
                yield house
            else:
                yield _as_found(place, hit, cost)

    def _is_town(self, text: str) -> bool:
        return text in self._towns or text == self._area

    def _locality(self, place: Place, reading: Reading) -> tuple[float, tuple[str, ...]]:
        """What words that may name a town speak against a place, and those that were not understood: it may be
        another town that this map has not."""
        said = reading.locality
        cost, unmet, own, at = 0.0, [], fold(place.town), 0
        while at < len(said):
            town = next((t for end in range(len(said), at, -1) if self._is_town(t := " ".join(said[at:end]))), "")
            if town:
                cost += 0.0 if town == own else TOWN_UNKNOWN if town == self._area or not own else TOWN_OTHER
                at += town.count(" ") + 1
                continue
            if question.is_postcode(said[at]):
                cost += SMALL
            elif said[at] not in words().stop:
                cost += UNKNOWN_TOWN if reading.apart or len(said[at]) <= 3 else UNKNOWN_WORD
                unmet.append(said[at])
            at += 1
        return cost, tuple(unmet)

    def _house(self, place: Place, hit: Hit, cost: float, number: HouseNumber) -> Found:
        rows = self._db.execute(_HOUSES, (place.id, number.first, number.first)).fetchall() if place.houses else []
        base = _as_found(place, hit, cost)
        if not rows:
            if place.houses and (guess := self._between(place, number.first)) is not None:
                lon, lat, precision = guess
                return base._replace(
                    lon=lon, lat=lat, precision=precision, missing="house_number", cost=base.cost + NO_NUMBER - 0.02
                )
            missing: Missing = "house_number" if place.houses else "house_numbers"
            return base._replace(missing=missing, cost=base.cost + NO_NUMBER)
        same = [row for row in rows if tuple(row[:3]) == number]
        _, _, _, said, rank, lon_e7, lat_e7, town = (same or [row for row in rows if row[0] == number.first] or rows)[0]
        return base._replace(
            kind="address", name=f"{place.name} {said}", lon=lon_e7 / 1e7, lat=lat_e7 / 1e7,
            town=town or place.town, precision="between" if rank else "point",
            cost=base.cost + (0.0 if same else 0.03),
        )  # fmt: skip

    def _between(self, place: Place, number: int) -> tuple[float, float, Precision] | None:
        """Where a number that is not known would be: between its neighbours on its side of the street, or at one."""
        around = [
            self._db.execute(
                f"SELECT number, lon_e7, lat_e7 FROM house WHERE street = ? AND number {than} ? AND number % 2 = ?"
                f" AND number > 0 ORDER BY number {order}, rank, lon_e7, lat_e7 LIMIT 1",
                (place.id, number, number % 2),
            ).fetchone()
            for than, order in (("<", "DESC"), (">", "ASC"))
        ]
        low, high = around
        if low is None or high is None or high[0] - low[0] > WIDEST_GAP:
            best = min((row for row in around if row is not None), key=lambda row: abs(row[0] - number), default=None)
            if best is None or abs(best[0] - number) > WIDEST_GAP:
                return None
            return best[1] / 1e7, best[2] / 1e7, "near"
        share = (number - low[0]) / (high[0] - low[0])
        return *((a + share * (b - a)) / 1e7 for a, b in zip(low[1:], high[1:], strict=True)), "between"

    # ---- crossings

    def _met(self, pairs: Iterable[Pair], typing: bool, mercy: Mercy) -> Iterator[Found]:
        for left, right in pairs:
            if not right:
                yield from self._all_meetings(left, mercy)
                continue
            met = list(self._meetings(left, right, False, typing, mercy))
            if not met:
                met = [(b, a, x, y) for a, b, x, y in self._meetings(right, left, typing, False, mercy)]
            named = self._rows({hit.place for row in met for hit in row[:2]})
            for a, b, lon_e7, lat_e7 in met:
                yield _crossing(named[a.place], named[b.place], a, b, lon_e7 / 1e7, lat_e7 / 1e7)

    def _meetings(
        self, one: tuple[str, ...], other: tuple[str, ...], one_typing: bool, other_typing: bool, mercy: Mercy
    ) -> Iterator[tuple[Hit, Hit, int, int]]:
        """Streets of the one name, and those of the other that meet them: asked for by the one, for those that meet it
        are few."""
        sides = self._side(one, one_typing, mercy)
        meets = self._meets([a.place for a in sides])
        partners = {meeting.other for meetings in meets.values() for meeting in meetings}
        for asked in self._side_words(other) if partners else ():
            hits = self._matcher.among(partners, asked, typing=other_typing, mercy=mercy)
            for a in sides:
                for meeting in meets[a.place]:
                    if (b := hits.get(meeting.other)) is not None and a.cost + b.cost < DEAR:
                        yield a, b, meeting.lon_e7, meeting.lat_e7

    def _all_meetings(self, some: tuple[str, ...], mercy: Mercy) -> Iterator[Found]:
        """The crossings of a street, before the other one is typed."""
        for a in self._side(some, False, mercy)[:2]:
            meetings = self._meets([a.place])[a.place]
            named = self._rows({a.place, *(one.other for one in meetings)})
            for other, lon_e7, lat_e7 in meetings:
                b = _SURE._replace(cost=OTHER_UNSAID)
                yield _crossing(named[a.place], named[other], a, b, lon_e7 / 1e7, lat_e7 / 1e7)

    def _side(self, some: tuple[str, ...], typing: bool, mercy: Mercy) -> list[Hit]:
        """Streets that one side of a crossing may mean, the likeliest alone where it is likely."""
        best: dict[int, Hit] = {}
        for asked in self._side_words(some):
            last = typing and len(asked) == len(some)
            for hit in self._matcher.hits(asked, typing=last, mercy=mercy, streets=True, most=SIDES):
                if hit.cost < DEAR and (hit.place not in best or hit.cost < best[hit.place].cost):
                    best[hit.place] = hit
        return sorted(best.values(), key=lambda hit: (hit.cost, hit.place))[:SIDES]

    def _side_words(self, some: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The words of one side, and without the town at their end."""
        out = [some]
        for at in range(1, len(some)):
            if self._is_town(" ".join(some[at:])):
                out.append(some[:at])
        return out

    def _meets(self, streets: list[int]) -> dict[int, list[Meeting]]:
        """The streets that each of some streets meets."""
        places = self._rows(streets)
        marks = ", ".join("?" * len(streets))
        rows = self._db.execute(f"SELECT street, others FROM meet WHERE street IN ({marks})", streets)
        out: dict[int, list[Meeting]] = {street: [] for street in streets}
        for street, others in rows:
            out[street] = unpack_meetings(others, places[street].lon_e7, places[street].lat_e7)
        return out

    def _apart(self, pairs: Iterable[Pair], typing: bool) -> Iterator[Found]:
        """Where two streets that do not meet come nearest."""
        for left, right in pairs:
            if not right:
                continue
            a, b = (self._side(left, False, Mercy.NONE)[:4], self._side(right, typing, Mercy.NONE)[:4])
            for side, others in ((a, right), (b, left)):
                # if nothing else is found, each of the two
                hits = [hit._replace(unmet=hit.unmet + others) for hit in side[:2]]
                for place, hit in self._places(hits):
                    yield _as_found(place, hit, hit.cost + ONE_OF_TWO)._replace(missing="crossing")
            some = self._rows(hit.place for hit in (*a, *b))
            lines = {street: self._line(street) for street in some}
            for one in a:
                for other in b:
                    if one.place == other.place or not lines[one.place] or not lines[other.place]:
                        continue
                    gap = outline.nearest(lines[one.place], lines[other.place])
                    if gap.apart_m <= NEAREST_MOST_M:
                        found = _crossing(some[one.place], some[other.place], one, other, gap.lon, gap.lat)
                        yield found._replace(missing="crossing", precision="near", cost=found.cost + APART)

    def _line(self, street: int) -> list[Array]:
        row = self._db.execute("SELECT steps FROM line WHERE street = ?", (street,)).fetchone()
        return outline.unpack(row[0]) if row is not None else []

    # ---- motorways

    def _on_road(self, asked: question.OnRoad) -> Iterator[Found]:
        if asked.exit:
            rows = self._db.execute(
                "SELECT place FROM exit WHERE number = ? AND (? = '' OR road = ?)",
                (asked.exit, asked.road, asked.road),
            ).fetchall()
            for place in self._rows(row[0] for row in rows).values():
                yield _as_found(place, _SURE, 0.0)
        if (asked.exit and rows) or not asked.road:
            return
        named = self._db.execute(
            f"SELECT {_COLUMNS} FROM place WHERE number = ? AND number <> '' ORDER BY id LIMIT 1", (asked.road,)
        ).fetchone()
        if named is None:
            return
        road = Place(*named)
        if asked.exit:
            yield _as_found(road, _SURE, NO_NUMBER)._replace(missing="exit")
            return
        yield from self._posts(road, asked.metres)

    def _posts(self, road: Place, metres: int) -> Iterator[Found]:
        rows = self._db.execute(
            "SELECT metres, lon_e7, lat_e7 FROM post WHERE road = ? AND metres BETWEEN ? AND ?"
            " ORDER BY abs(metres - ?), lon_e7 LIMIT 8",
            (road.number, metres - 1_000, metres + 1_000, metres),
        ).fetchall()
        for said, lon_e7, lat_e7 in rows:
            exactly = abs(said - metres) < 50
            yield Found(
                "post", f"{road.name} km {said / 1000:g}", lon_e7 / 1e7, lat_e7 / 1e7, town=road.town,
                precision="point" if exactly else "near", missing="" if exactly else "post",
                cost=abs(said - metres) / 10_000.0,
            )  # fmt: skip
        if not rows:
            yield _as_found(road, _SURE, NO_NUMBER)._replace(missing="post")

    # ---- rows

    def _places(self, hits: list[Hit]) -> Iterator[tuple[Place, Hit]]:
        named = self._rows(hit.place for hit in hits)
        for hit in hits:
            yield named[hit.place], hit

    def _rows(self, ids: Iterable[int]) -> dict[int, Place]:
        some = set(ids)
        if lacking := some - self._known.keys():
            if len(self._known) > KEPT:
                self._known.clear()
                lacking = some
            marks = ", ".join("?" * len(lacking))
            for row in self._db.execute(f"SELECT {_COLUMNS} FROM place WHERE id IN ({marks})", [*lacking]):
                self._known[row[0]] = Place._make(row)
        return {one: self._known[one] for one in some}


_SURE = Hit(0, 0.0, None, (), False)


def _match(unmet: tuple[str, ...], close: bool) -> Match:
    return "part" if unmet else "close" if close else "exact"


def _crossing(first: Place, second: Place, a: Hit, b: Hit, lon: float, lat: float) -> Found:
    unmet = a.unmet + b.unmet
    return Found(
        "crossing", f"{first.name} / {second.name}", lon, lat, town=first.town,
        matched=_match(unmet, a.close or b.close), unknown_words=unmet, cost=a.cost + b.cost,
    )  # fmt: skip


def _as_found(place: Place, hit: Hit, cost: float) -> Found:
    return Found(
        kind=place.kind,
        name=place.name,
        lon=place.lon_e7 / 1e7,
        lat=place.lat_e7 / 1e7,
        category=place.category,
        town=place.town,
        also=hit.said or "",
        matched=_match(hit.unmet, hit.close),
        precision=_precision(place),
        unknown_words=hit.unmet,
        hazard=place.hazard or "",
        source=place.source or "",
        cost=cost - 0.004 * place.weight,
    )


def _precision(place: Place) -> Precision:
    if place.kind in STREET_KINDS:
        return "street"
    return "area" if place.kind == "town" or (place.kind == "own" and place.number == AREA) else "point"


def far_cost(metres: float) -> float:
    """Cost of a place so far from where it was asked for."""
    return min(0.25, 0.03 * math.log2(1.0 + metres / 1000.0))


def ordered(found: Iterable[Found], near: tuple[float, float], limit: int) -> list[Found]:
    """The cheapest of each place, those near by first among equals."""
    east_m, north_m = (float(one) for one in metres_per_deg(near[1]))
    best: dict[tuple[str, int, int], tuple[float, str, float, Found]] = {}
    for one in found:
        east = (one.lon - near[0] + 180.0) % 360.0 - 180.0
        metres = math.hypot(east * east_m, (one.lat - near[1]) * north_m)
        cost = one.cost + far_cost(metres)
        key = one.name, round(one.lon * 1e4), round(one.lat * 1e4)
        if key not in best or cost < best[key][0]:
            best[key] = cost, one.name, metres, one
    first = sorted(best.values(), key=lambda row: (row[0], row[1], row[2]))[:limit]
    return [one._replace(cost=cost, distance_m=metres) for cost, _, metres, one in first]
