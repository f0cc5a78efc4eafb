"""What a source says of places besides its roads: names, addresses, exits and posts, for the map's gazetteer."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from geo_backup.cartography import lines, osm
from geo_backup.cartography.edits import Deleted, deleted_in
from geo_backup.cartography.tags import CLASSES
from geo_backup.places import from_network, house_numbers
from geo_backup.places.facts import (
    LONGEST_NAME,
    MOST_NAMES,
    NAME_KEYS,
    NOT_NAMES,
    Exit,
    Facts,
    House,
    Name,
    Names,
    Point,
    Post,
    Town,
)
from geo_backup.places.folding import fold
from geo_backup.places.from_network import road_weight
from geo_backup.places.register import TOWN_REACH_M
from geo_backup.roads.network import RoadNetwork

Tags = Mapping[str, str]
Vertex = tuple[int, int, int]
"""Key, lon_e7, lat_e7."""

KEYS = (
    "name", "ref", "junction", "junction:ref", "addr:housenumber", "addr:interpolation", "addr:housename", "entrance",
    "addr:conscriptionnumber", "addr:streetnumber", "exit_to", "distance", "pk",
)  # fmt: skip
"""Keys of things that may say something here."""

POINT_KEYS = (
    "amenity", "emergency", "healthcare", "railway", "aeroway", "shop", "office", "tourism", "leisure", "historic",
    "man_made", "bridge", "man_made", "natural", "waterway", "landuse", "public_transport", "building", "craft", "club",
    "military", "aerialway", "place", "boundary",
)  # fmt: skip
"""Keys that say what kind of place something with a name is, the most telling first."""

WELL_KNOWN: Mapping[str, int] = {
    "hospital": 7, "station": 7, "fire_station": 7, "police": 7, "aerodrome": 7, "university": 6, "townhall": 6,
    "courthouse": 6, "stadium": 6, "mall": 6, "prison": 6, "clinic": 6, "school": 5, "college": 5, "bus_station": 6,
    "ferry_terminal": 6, "theatre": 5, "museum": 5, "library": 5, "marketplace": 5, "square": 6, "bridge": 6,
    "place_of_worship": 5, "attraction": 5, "park": 5, "hotel": 4, "fuel": 4, "pharmacy": 4, "halt": 6, "tram_stop": 5,
    "supermarket": 4, "kindergarten": 4, "bank": 4, "embassy": 5, "castle": 5, "sports_centre": 4, "terminal": 6,
    "cemetery": 4, "grave_yard": 4, "department_store": 5, "arts_centre": 4, "cinema": 5, "nightclub": 4,
}  # fmt: skip
"""How well known places of a kind are, 0 to 9; others are `PLAIN`."""
PLAIN = 3

EMERGENCY_POINTS = frozenset({"phone", "assembly_point", "defibrillator", "ambulance_station", "landing_site"})

_DISTANCE = re.compile(r"\s*(-?\d+(?:[.,]\d+)?)\s*(?:\+\s*(\d{1,3}))?\s*(km|mi|miles?)?\s*$", re.IGNORECASE)
MILE_M = 1609.344


def names_of(tags: Tags) -> Names:
    """All names of a thing, what it is called first."""
    keys = [key for key in tags if "name" in key]
    if keys == ["name"]:
        return tuple(_said(tags["name"], 0))
    found: list[Name] = []
    for key, rank in NAME_KEYS:
        if key in tags:
            found += _said(tags[key], rank)
        if key in TRANSLATED:
            for other in keys:
                # name:en, old_name:de ...
                if other.startswith(f"{key}:") and not other[len(key) + 1 :].startswith(NOT_NAMES):
                    found += _said(tags[other], max(rank, 1))
    return tuple(dict.fromkeys(found))[:MOST_NAMES]


TRANSLATED = frozenset({"name", "alt_name", "old_name", "official_name", "short_name", "loc_name"})
"""Keys of names that have others behind a colon, by language."""
_TWO_TONGUES = re.compile(r"\s+[-–/|]\s+|(?<=[^\W\d]{3})/(?=[^\W\d]{3})")


def _said(value: str, rank: int) -> list[Name]:
    # a semicolon parts several names; in `name` itself it is rare, and then it does so too
    parts = [" ".join(part.split())[:LONGEST_NAME] for part in value.split(";")]
    # in a town of two languages a name is often both: `Via Roma - Romstraße`
    tongues = [one for part in parts for one in _TWO_TONGUES.split(part)] if _TWO_TONGUES.search(value) else []
    return [
        *(Name(part, rank) for part in parts if fold(part)),
        *(Name(one.strip(), max(rank, 1)) for one in tongues if fold(one)),
    ]


class Collector:
    """Takes the things of a source one by one: nodes, then ways, as files have them."""

    def __init__(self) -> None:
        self.facts = Facts()
        self._numbered: dict[int, Tags] = {}
        """Nodes that bear a house number, for the ways of interpolation between them."""
        self._doors: dict[int, tuple[int, int, int]] = {}
        """Entrances: rank (0 main or emergency), lon_e7, lat_e7."""
        self._exits: dict[int, tuple[Tags, int, int]] = {}
        self._posts: dict[int, tuple[Tags, int, int]] = {}
        self._ramps: dict[int, str] = {}
        self._road_at: dict[int, str] = {}
        self._strays: dict[tuple[str, int], list[int]] = {}
        """Houses that say no street, by the thing they are: a relation may say it for them."""

    def node(self, key: int, tags: Tags, lon_e7: int, lat_e7: int) -> None:
        """Take one node, or a point of another source."""
        highway = tags.get("highway")
        if highway == "motorway_junction":
            self._exits[key] = dict(tags), lon_e7, lat_e7
            return
        if highway == "milestone":
            self._posts[key] = dict(tags), lon_e7, lat_e7
            return
        if _number(tags):
            self._numbered[key] = dict(tags)
            self._house(tags, lon_e7, lat_e7, ("n", key))
        if "entrance" in tags or "routing:entrance" in tags:
            best = tags.get("entrance") in ("main", "emergency") or "routing:entrance" in tags
            self._doors[key] = (0 if best else 1, lon_e7, lat_e7)
        self._named(tags, lon_e7, lat_e7)

    def way(self, key: int, tags: Tags, vertices: list[Vertex]) -> None:
        """Take one way, or a line or ring of another source."""
        if not vertices:
            return
        highway = tags.get("highway")
        # an area that is walked on, a square, is a street as well: others meet it at its edge
        if highway is not None and len(vertices) > 1:
            self._road(highway, tags, vertices)
            if not _number(tags):
                return
        if kind := tags.get("addr:interpolation"):
            self._between(kind, tags, vertices)
            return
        lon_e7, lat_e7 = middle(vertices)
        if _number(tags):
            door = min((self._doors[node] for node, _, _ in vertices if node in self._doors), default=None)
            self._house(tags, *(door[1:] if door is not None else (lon_e7, lat_e7)), ("w", key))
        self._named(tags, lon_e7, lat_e7)

    def area(self, tags: Tags, lon_e7: int, lat_e7: int) -> None:
        """Take a relation that is one place, with its middle."""
        if _number(tags):
            self._house(tags, lon_e7, lat_e7, ("r", 0))
        self._named(tags, lon_e7, lat_e7)

    def street_of(self, name: str, members: Iterable[tuple[str, int]]) -> None:
        """A relation says the street for houses that do not."""
        for member in members:
            for index in self._strays.get(member, ()):
                self.facts.houses[index] = self.facts.houses[index]._replace(street=name[:LONGEST_NAME])

    def finish(self) -> Facts:
        """What was found. Exits and posts are hung on the roads they stand at."""
        for key, (tags, lon_e7, lat_e7) in self._exits.items():
            road = self._road_at.get(key, "")
            number = tags.get("ref") or self._ramps.get(key, "")
            for part in number.split(";") if number else [""]:
                towards = tags.get("exit_to") or tags.get("destination") or ""
                name = tags.get("name") or ""
                self.facts.exits.append(
                    Exit(part.strip(), name[:LONGEST_NAME], towards.replace(";", ", ")[:LONGEST_NAME],
                         road.split(";")[0].strip(), lon_e7, lat_e7)
                )  # fmt: skip
        for key, (tags, lon_e7, lat_e7) in self._posts.items():
            road = (tags.get("ref") or self._road_at.get(key, "")).split(";")[0].strip()
            metres = distance_m(tags.get("distance") or tags.get("pk") or "")
            if road and metres is not None:
                self.facts.posts.append(Post(road, metres, lon_e7, lat_e7))
        return self.facts

    def _road(self, highway: str, tags: Tags, vertices: list[Vertex]) -> None:
        names, road = names_of(tags), tags.get("ref") or ""
        if road:
            for key, _, _ in vertices:
                if key in self._exits or key in self._posts:
                    self._road_at[key] = road
        if (ramp := tags.get("junction:ref")) and vertices[0][0] in self._exits:
            self._ramps[vertices[0][0]] = ramp
        if not road and not names:
            if tags.get("junction") in ("roundabout", "circular"):
                self.facts.joints.append([key for key, _, _ in vertices])
            return
        way_class = CLASSES.get(highway)
        weight = road_weight(way_class) if way_class is not None else 3
        self.facts.lines.add(names, road if way_class is not None else "", weight, vertices)

    def _house(self, tags: Tags, lon_e7: int, lat_e7: int, thing: tuple[str, int]) -> None:
        street, place = tags.get("addr:street", ""), tags.get("addr:place", "")
        if not street and not place:
            self._strays.setdefault(thing, []).append(len(self.facts.houses))
        for one in (part.strip() for part in street.split(";")) if street else ("",):
            self.facts.houses.append(
                House(_number(tags), one[:LONGEST_NAME], place[:LONGEST_NAME], tags.get("addr:city", "")[:LONGEST_NAME],
                      lon_e7, lat_e7)
            )  # fmt: skip

    def _between(self, kind: str, tags: Tags, vertices: list[Vertex]) -> None:
        """The numbers between two that stand at nodes of a line."""
        step = {"all": 1, "odd": 2, "even": 2}.get(kind) or (int(kind) if kind.isdigit() and len(kind) == 1 else 0)
        ends = [at for at, (key, _, _) in enumerate(vertices) if key in self._numbered]
        for low, high in itertools.pairwise(ends):
            first, last = (self._numbered[vertices[at][0]] for at in (low, high))
            a, b = house_numbers.read(_number(first)), house_numbers.read(_number(last))
            if a is None or b is None:
                continue
            line = vertices[low : high + 1]
            if a.first > b.first:
                a, b, line = b, a, line[::-1]
            street = tags.get("addr:street") or first.get("addr:street") or last.get("addr:street") or ""
            place, town = first.get("addr:place", ""), first.get("addr:city", "")
            for number in house_numbers.between(a.first, b.first, step):
                lon_e7, lat_e7 = along(line, (number - a.first) / (b.first - a.first))
                self.facts.houses.append(House(str(number), street, place, town, lon_e7, lat_e7, 1))

    def _named(self, tags: Tags, lon_e7: int, lat_e7: int) -> None:
        if (kind := tags.get("place")) in TOWN_REACH_M:
            if names := names_of(tags):
                self.facts.towns.append(Town(names, str(kind), lon_e7, lat_e7))
            return
        category = category_of(tags)
        if category is None:
            return
        names = names_of(tags)
        if not names and "addr:housename" in tags:
            names = tuple(_said(tags["addr:housename"], 0))
        elif "addr:housename" in tags:
            names = tuple(dict.fromkeys((*names, *_said(tags["addr:housename"], 1))))
        if not names and category in EMERGENCY_POINTS and tags.get("ref"):
            names = (Name(f"{category.replace('_', ' ')} {tags['ref']}"[:LONGEST_NAME], 0),)
        if names:
            if tags.get("ref") and len(tags["ref"]) <= 16 and category != "bus_stop":
                names = (*names, Name(tags["ref"], 1))
            weight = WELL_KNOWN.get(category, PLAIN)
            self.facts.points.append(Point(category, names, lon_e7, lat_e7, weight, tags.get("addr:city", "")))


def _number(tags: Tags) -> str:
    return tags.get("addr:housenumber") or tags.get("addr:streetnumber") or tags.get("addr:conscriptionnumber") or ""


def category_of(tags: Tags) -> str | None:
    """What kind of place this is, in OpenStreetMap's word; None where it is none that people ask for."""
    for key in POINT_KEYS:
        value = tags.get(key)
        if not value or value == "no":
            continue
        if key == "boundary" or (key == "place" and value == "plot"):
            return None
        if value == "information" and tags.get("information") not in ("office", "visitor_centre"):
            return None  # a board: it bears the name of what it tells of
        return key if value == "yes" else value.split(";")[0][:40]
    if tags.get("highway") in ("bus_stop", "services", "rest_area"):
        return str(tags["highway"])
    return "building" if "addr:housename" in tags else None


def distance_m(text: str) -> int | None:
    """Metres of a kilometre post: `12.4`, `12,4 km`, `12+400`, `15.5 mi`."""
    found = _DISTANCE.match(text)
    if found is None:
        return None
    value = float(found[1].replace(",", "."))
    unit = MILE_M if (found[3] or "").lower().startswith("mi") else 1000.0
    return round(value * unit) + int(found[2] or 0)


def middle(vertices: Iterable[Vertex]) -> tuple[int, int]:
    """The middle of a line or ring: of its area where it has one, else half-way between its outermost vertices."""
    ring = [(lon, lat) for _, lon, lat in vertices]
    x0, y0 = ring[0]
    if len(ring) > 3 and ring[0] == ring[-1]:
        area = mx = my = 0.0
        for (ax, ay), (bx, by) in itertools.pairwise(ring):
            cross = float((ax - x0) * (by - y0) - (bx - x0) * (ay - y0))
            area += cross
            mx += (ax + bx - 2 * x0) * cross
            my += (ay + by - 2 * y0) * cross
        if area:
            return round(x0 + mx / (3.0 * area)), round(y0 + my / (3.0 * area))
    lons, lats = [lon for lon, _ in ring], [lat for _, lat in ring]
    return (min(lons) + max(lons)) // 2, (min(lats) + max(lats)) // 2


def along(line: list[Vertex], share: float) -> tuple[int, int]:
    """The place at a share of a line's length."""
    steps = [((b[1] - a[1]) ** 2 + (b[2] - a[2]) ** 2) ** 0.5 for a, b in itertools.pairwise(line)]
    left = share * sum(steps)
    for (a, b), step in zip(itertools.pairwise(line), steps, strict=True):
        if left <= step and step > 0:
            part = left / step
            return round(a[1] + part * (b[1] - a[1])), round(a[2] + part * (b[2] - a[2]))
        left -= step
    return line[-1][1], line[-1][2]


def facts_of(path: Path, network: RoadNetwork) -> Facts:
    """What a source of a map says of places; of one that says nothing but roads, what the network says."""
    name = path.name.lower()
    if path.is_file() and name.endswith(osm.ENDINGS):
        return _of_osm(path)
    if path.is_file() and name.endswith(lines.ENDINGS):
        return _of_lines(path)
    return from_network.facts_of(network)


def _of_osm(path: Path) -> Facts:
    """Read an OpenStreetMap file; the roads have been read from it, so it is sound."""
    import osmium

    collector = Collector()
    deleted = deleted_in(path)
    areas: list[tuple[Tags, list[int]]] = []
    processor = osmium.FileProcessor(str(path)).with_locations().with_filter(osmium.filter.KeyFilter(*KEYS))
    for thing in processor:
        if thing.is_node():
            if thing.id not in deleted.nodes and thing.location.valid():
                collector.node(thing.id, _tags(thing), thing.location.x, thing.location.y)
        elif thing.is_way():
            if thing.id not in deleted.ways:
                collector.way(thing.id, _tags(thing), _vertices(thing, deleted))
        elif thing.id not in deleted.relations:
            kind = thing.tags.get("type")
            if kind in ("associatedStreet", "street") and "name" in thing.tags:
                collector.street_of(thing.tags["name"], [(member.type, member.ref) for member in thing.members])
            elif kind in ("multipolygon", "site"):
                outer = [m.ref for m in thing.members if m.type == "w" and m.role in ("outer", "", "perimeter")]
                areas.append((_tags(thing), outer))
    if areas:
        _take_areas(path, areas, deleted, collector)
    return collector.finish()


def _take_areas(path: Path, areas: list[tuple[Tags, list[int]]], deleted: Deleted, collector: Collector) -> None:
    """Take relations, each in the middle of the ways around it, which are read now that it is known which."""
    import osmium

    wanted = {way for _, outer in areas for way in outer}
    processor = osmium.FileProcessor(str(path), osmium.osm.NODE | osmium.osm.WAY).with_locations()
    lines = {
        way.id: _vertices(way, deleted)
        for way in processor.with_filter(osmium.filter.EntityFilter(osmium.osm.WAY)).with_filter(
            osmium.filter.IdFilter(sorted(wanted))
        )
        if way.is_way()
    }
    for tags, outer in areas:
        whole = [lines[way] for way in outer if lines.get(way)]
        if len(whole) == 1:
            collector.area(tags, *middle(whole[0]))
        elif whole:
            collector.area(tags, *middle(vertex for line in whole for vertex in line))


def _tags(thing: Any) -> dict[str, str]:
    return {tag.k: tag.v for tag in thing.tags}


def _vertices(way: Any, deleted: Deleted) -> list[Vertex]:
    """Those of a way that are there."""
    gone = deleted.nodes
    out = []
    for node in way.nodes:
        place = node.location
        if place.valid() and (key := node.ref) >= 0 and key not in gone:
            out.append((key, place.x, place.y))
    return out


def _of_lines(path: Path) -> Facts:
    """Read a GeoJSON file: points first, as OpenStreetMap files have them."""
    collector = Collector()
    later: list[tuple[Tags, list[Vertex]]] = []
    for tags, kind, parts in lines.features(path):
        for part in parts:
            if kind == "Point":
                collector.node(*part[0][:1], tags, *part[0][1:])
            else:
                later.append((tags, part))
    for number, (said, part) in enumerate(later):
        collector.way(number, said, part)
    return collector.finish()
