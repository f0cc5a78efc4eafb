"""The file of places (`places.sqlite` in a map's folder): how it is laid out, written and opened.

What is found by its words stands in `place`, each of its names in `name`, and their words in the full-text index
`words`, with the greatest places first, so that the first rows of any answer are the ones meant most often. House
numbers, crossings, exits and kilometre posts hang on their streets and are looked up, not searched.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from geo_backup.errors import MapError
from geo_backup.places.facts import Names
from geo_backup.places.folding import fold
from geo_backup.places.outline import Meeting, Parts, pack, pack_meetings

FILE = "places.sqlite"
OWN_FILE = "own-places.sqlite"
"""The agency's own places, beside it: a build leaves them alone."""
FORMAT = 1
"""Version of the layout; a file of another version is not read."""

STREET_KINDS = ("street", "road")
STREET_MARK = "\ue000"
"""A word that every name of a street has in the index, and that nobody can type: folding drops it."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE place (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, category TEXT NOT NULL, name TEXT NOT NULL,
  number TEXT NOT NULL, town TEXT NOT NULL, weight INT NOT NULL, lon_e7 INT NOT NULL, lat_e7 INT NOT NULL,
  houses INT NOT NULL, hazard TEXT, source TEXT);
CREATE TABLE name (id INTEGER PRIMARY KEY, place INT NOT NULL, rank INT NOT NULL, text TEXT NOT NULL, said TEXT);
CREATE VIRTUAL TABLE words USING fts5 (text, content='', detail=none, columnsize=0, prefix='1 2 3',
  tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* Co'");
CREATE TABLE line (street INTEGER PRIMARY KEY, steps BLOB NOT NULL);
CREATE TABLE house (street INT, number INT, rest TEXT, last INT, label TEXT, rank INT, lon_e7 INT, lat_e7 INT,
  town TEXT, PRIMARY KEY (street, number, rest, last, lon_e7, lat_e7)) WITHOUT ROWID;
CREATE TABLE meet (street INTEGER PRIMARY KEY, others BLOB NOT NULL);
CREATE TABLE exit (road TEXT, number TEXT, place INT, PRIMARY KEY (road, number, place)) WITHOUT ROWID;
CREATE TABLE post (road TEXT, metres INT, lon_e7 INT, lat_e7 INT, PRIMARY KEY (road, metres, lon_e7, lat_e7))
  WITHOUT ROWID;
CREATE TABLE town (text TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID;
"""
INDEXES = """
CREATE INDEX name_other ON name (place) WHERE said IS NOT NULL;
CREATE INDEX place_number ON place (number) WHERE number <> '';
"""


class PlaceRow(NamedTuple):
    """One place as it is written; `names` are folded for the search, the first is what it is called."""

    kind: str
    category: str
    names: Names
    number: str
    town: str
    weight: int
    lon_e7: int
    lat_e7: int
    houses: int = 0
    hazard: str = ""
    source: str = ""


class HouseRow(NamedTuple):
    """A house number of the place with this index."""

    street: int
    number: int
    rest: str
    last: int
    label: str
    rank: int
    lon_e7: int
    lat_e7: int
    town: str


@dataclass
class Tables:
    """What goes into the file; places are named by their index in `places`."""

    places: list[PlaceRow] = field(default_factory=list)
    houses: list[HouseRow] = field(default_factory=list)
    crossings: list[tuple[int, int, int, int]] = field(default_factory=list)
    exits: list[tuple[str, str, int]] = field(default_factory=list)
    """Road, number, place."""
    lines: dict[int, Parts] = field(default_factory=dict)
    """How streets run, straightened a little."""
    posts: list[tuple[str, int, int, int]] = field(default_factory=list)
    towns: dict[str, str] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)

    @property
    def streets(self) -> int:
        """Streets with a name."""
        return sum(row.kind == "street" for row in self.places)


def write(path: Path, tables: Tables) -> None:
    """Write the file, the same bytes for the same tables. Raises `MapError` where the disk does not take it."""
    path.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            # nobody reads it before it is whole, and a build that dies leaves no folder behind
            for statement in ("PRAGMA page_size=4096", "PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "BEGIN"):
                db.execute(statement)
            _fill(db, tables)
            db.execute("COMMIT")
            db.execute("VACUUM")
    except sqlite3.Error as error:
        raise MapError(f"{path} cannot be written: {error}") from None


def _fill(db: sqlite3.Connection, tables: Tables) -> None:
    for statement in SCHEMA.split(";\n"):
        db.execute(statement)
    order = sorted(range(len(tables.places)), key=lambda index: _great_first(tables.places[index]))
    identity = {index: place + 1 for place, index in enumerate(order)}
    db.executemany(
        f"INSERT INTO place VALUES ({', '.join('?' * 12)})",
        (_place_row(identity[index], tables.places[index]) for index in order),
    )
    names = sorted(_name_rows(order, tables.places))
    marks = [STREET_MARK if tables.places[index].kind in STREET_KINDS else "" for index in order]
    rows, indexed = [], []
    for number, (_, _, text, place, rank, said) in enumerate(names, 1):
        rows.append((number, place, rank, text, said))
        words = text.split()
        one = said or tables.places[order[place - 1]].names[0].text
        road = tables.places[order[place - 1]].number  # `a28` of `A 28`
        indexed.append((number, " ".join(dict.fromkeys([*words, *glued(one), road, marks[place - 1]]))))
    db.executemany("INSERT INTO name VALUES (?, ?, ?, ?, ?)", rows)
    db.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", indexed)
    db.execute("INSERT INTO words (words) VALUES ('optimize')")
    lines = sorted((identity[street], pack(parts)) for street, parts in tables.lines.items())
    db.executemany("INSERT INTO line VALUES (?, ?)", lines)
    houses = sorted({(identity[row.street], *row[1:]) for row in tables.houses})
    db.executemany("INSERT OR IGNORE INTO house VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", houses)
    meets: dict[int, list[Meeting]] = defaultdict(list)
    for a, b, lon_e7, lat_e7 in tables.crossings:
        meets[a].append(Meeting(identity[b], lon_e7, lat_e7))
        meets[b].append(Meeting(identity[a], lon_e7, lat_e7))
    packed = ((identity[street], pack_meetings(some, *_spot(tables.places[street]))) for street, some in meets.items())
    db.executemany("INSERT INTO meet VALUES (?, ?)", sorted(packed))
    exits = sorted((road, number, identity[place]) for road, number, place in tables.exits)
    db.executemany("INSERT OR IGNORE INTO exit VALUES (?, ?, ?)", exits)
    db.executemany("INSERT OR IGNORE INTO post VALUES (?, ?, ?, ?)", sorted(tables.posts))
    db.executemany("INSERT INTO town VALUES (?, ?)", sorted(tables.towns.items()))
    db.executemany("INSERT INTO meta VALUES (?, ?)", sorted({"format": str(FORMAT), **tables.meta}.items()))
    for statement in INDEXES.strip().split(";\n"):
        db.execute(statement)


def _great_first(row: PlaceRow) -> tuple[object, ...]:
    return (-row.weight, row.kind, row.names[0].text, row.lon_e7, row.lat_e7, row.names)


def _spot(row: PlaceRow) -> tuple[int, int]:
    return row.lon_e7, row.lat_e7


def _place_row(number: int, row: PlaceRow) -> tuple[object, ...]:
    return (
        *(number, row.kind, row.category, row.names[0].text, row.number, row.town, row.weight),
        *(row.lon_e7, row.lat_e7, row.houses, row.hazard or None, row.source or None),
    )


def _name_rows(order: Iterable[int], places: list[PlaceRow]) -> Iterable[tuple[int, int, str, int, int, str | None]]:
    """Names in the order in which they are numbered: great places first, then names of few words."""
    for number, index in enumerate(order, 1):
        row = places[index]
        seen: set[str] = set()
        for name in row.names:
            text = fold(name.text)
            if text and text not in seen:
                said = name.text if seen else None
                seen.add(text)
                yield -row.weight, text.count(" "), text, number, name.rank, said


def glued(name: str) -> list[str]:
    """Words that a mark parts, as one: people write `O'Donnell` and `ODonnell`, `Kurfürsten-Anlage` and
    `Kurfürstenanlage`."""
    out = []
    for run in name.split():
        words = fold(run).split()
        if 1 < len(words) <= 5:
            out += ["".join(words), *(a + b for a, b in itertools.pairwise(words))]
    return [word for word in dict.fromkeys(out) if len(word) <= 32]


def connect(path: Path) -> sqlite3.Connection:
    """Open a file to read. Raises `MapError` where it is none, or of another version."""
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    except sqlite3.Error as error:
        raise MapError(f"{path} cannot be opened: {error}") from None
    try:
        found = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        if found is None or found[0] != str(FORMAT):
            raise MapError(f"{path} has another format than this version reads. Build it again.")
        db.execute("PRAGMA cache_size=-16000")
    except sqlite3.Error as error:
        db.close()
        raise MapError(f"{path} is no file of places ({error}). Build it again.") from None
    except MapError:
        db.close()
        raise
    return db
