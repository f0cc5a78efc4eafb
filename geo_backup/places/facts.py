"""Facts: what a source says of names, addresses and marks beside the road, before any order is made of it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import NamedTuple

NAME_KEYS: tuple[tuple[str, int], ...] = (
    ("name", 0),
    ("official_name", 1),
    ("short_name", 1),
    ("alt_name", 1),
    ("loc_name", 1),
    ("name_1", 1),
    ("name_2", 1),
    ("int_name", 1),
    ("reg_name", 1),
    ("nat_name", 1),
    ("name:left", 1),
    ("name:right", 1),
    ("bridge:name", 1),
    ("tunnel:name", 1),
    ("old_name", 2),
)
"""Keys whose values are names, and their ranks: 0 the name, 1 as people also say, 2 as it was once called."""

NOT_NAMES = ("etymology", "signed", "forward", "backward", "prefix", "suffix", "genitive", "pronunciation", "source")
"""Parts of keys that begin with `name:` and say no name."""

MOST_NAMES = 24
"""Of one thing; the rest is left out."""
LONGEST_NAME = 120


class Name(NamedTuple):
    """A name as it is written, and its rank (see `NAME_KEYS`); the first of a thing's names is what it is called."""

    text: str
    rank: int


Names = tuple[Name, ...]


class House(NamedTuple):
    """A house number, where it is and which street or place it counts in (empty: the source does not say)."""

    number: str
    street: str
    place: str
    town: str
    lon_e7: int
    lat_e7: int
    rank: int = 0
    """0 at the very door or building, 1 worked out between two others."""


class Point(NamedTuple):
    """A place with a name: what kind it is, in a word of the source, and how well known (0 little to 9)."""

    category: str
    names: Names
    lon_e7: int
    lat_e7: int
    weight: int
    town: str = ""


class Exit(NamedTuple):
    """An exit of a motorway: its number and name, and the road it leaves (empty: not known)."""

    number: str
    name: str
    towards: str
    road: str
    lon_e7: int
    lat_e7: int


class Post(NamedTuple):
    """A kilometre post: the metres it says, on which road (empty: not known)."""

    road: str
    metres: int
    lon_e7: int
    lat_e7: int


class Town(NamedTuple):
    """A town or a part of one: its middle, and how far it reaches if nothing else is nearer."""

    names: Names
    kind: str
    lon_e7: int
    lat_e7: int


@dataclass
class Lines:
    """Ways with names [W] and their vertices [N]; vertices meet where their keys are equal."""

    names: list[Names] = field(default_factory=list)
    road: list[str] = field(default_factory=list)
    """The number of the road, `A 28`; several with `;` between."""
    weight: array[int] = field(default_factory=lambda: array("b"))
    """How great a road, 0 path to 9 motorway."""
    start: array[int] = field(default_factory=lambda: array("q", [0]))
    key: array[int] = field(default_factory=lambda: array("q"))
    lon_e7: array[int] = field(default_factory=lambda: array("i"))
    lat_e7: array[int] = field(default_factory=lambda: array("i"))

    def add(self, names: Names, road: str, weight: int, vertices: list[tuple[int, int, int]]) -> None:
        """Take one way: (key, lon_e7, lat_e7) by vertex."""
        self.names.append(names)
        self.road.append(road)
        self.weight.append(weight)
        for key, lon_e7, lat_e7 in vertices:
            self.key.append(key)
            self.lon_e7.append(lon_e7)
            self.lat_e7.append(lat_e7)
        self.start.append(len(self.key))


@dataclass
class Facts:
    """Everything that one source says."""

    lines: Lines = field(default_factory=Lines)
    joints: list[list[int]] = field(default_factory=list)
    """Vertices (by key) that are one crossing though they are several: a roundabout, a short piece without a name."""
    houses: list[House] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    towns: list[Town] = field(default_factory=list)
