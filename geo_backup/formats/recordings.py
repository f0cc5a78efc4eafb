"""The registry: one row for each format of recording. `formats/<its name in lower case>.py` reads it.

Such a module has two functions and a docstring that shows a sample of the format:

    looks(start: str) -> bool
    read(text: str, name: str, hints: Hints) -> Recording

`looks` tells by the first characters of a text whether it is in the format. `read` takes a whole file and its name, and
raises `TrackError` in words where nothing of it is of use. A module is imported when a file may be in its format.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from geo_backup.errors import TrackError

if TYPE_CHECKING:
    from geo_backup.formats.tracks import Hints, Recording

START = 1 << 16
"""So many characters of a text are looked at to tell its format."""
TABLES = (".csv", ".tsv")


class Reader(Protocol):
    """What a format's module offers."""

    def looks(self, start: str) -> bool: ...

    def read(self, text: str, name: str, hints: Hints) -> Recording: ...


class Format(NamedTuple):
    """One row: a text is in this format when it looks so, or when its file's name ends so and no row above took it."""

    name: str
    suffixes: tuple[str, ...]
    never: tuple[str, ...] = ()
    """Endings of names that outweigh what a text looks like."""

    @property
    def reader(self) -> Reader:
        """Its module."""
        return cast("Reader", import_module(f"geo_backup.formats.{self.name.lower()}"))

    def has(self, start: str, suffix: str) -> bool:
        """Whether a text that begins so, in a file that is called so, is in this format."""
        return suffix not in self.never and (suffix in self.suffixes or self.reader.looks(start))


FORMATS = (
    Format("CoT", (".cot",)),
    Format("GPX", (".gpx",)),
    Format("GeoJSON", (".geojson", ".json", ".geojsonl", ".geojsons", ".ndjson")),
    Format("TAIP", (".taip",), never=TABLES),
    Format("NMEA", (".nmea",), never=TABLES),
    Format("CSV", (*TABLES, ".txt")),
)
"""In the order in which they are tried: what has a clear mark first, tables of any kind last."""


def known() -> str:
    """What can be read here, in words."""
    return ", ".join([*(row.name for row in FORMATS), "or a log of geo_backup"])


def format_of(text: str, name: str) -> Format | None:
    """The format of a text whose file is called so; None where it is in none."""
    start, suffix = text.lstrip("\x1e\ufeff \t\r\n")[:START], PurePath(name).suffix.lower()
    return next((row for row in FORMATS if row.has(start, suffix)), None)


def read(text: str, name: str, hints: Hints) -> Recording:
    """The tracks of a recording in any format. Raises `TrackError` for what is in none, and as its reader does."""
    row = format_of(text, name)
    if row is None:
        raise TrackError(f"{name} is no recording that is known here: {known()}.")
    return row.reader.read(text, name, hints)
