"""Edits: what an OSM XML file says of changes that nobody has uploaded yet: deleted things, and files of changes alone.

An editor keeps what was deleted in its file, with `action="delete"`; the API says `visible="false"`. pyosmium knows
nothing of the former, so the file is read once more where it holds either. A node that is deleted is taken out of the
ways that still name it, as the editor would draw them.
"""

from __future__ import annotations

import bz2
import gzip
import re
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from geo_backup.errors import MapError

CHUNK = 1 << 20
UNCLOSED_MAX = 4 << 20
"""Bytes of one tag: the values in a map have at most 255 letters."""
OVERLAP = 64
"""Bytes read twice, so that a mark on the edge of two chunks is seen."""

_MARK = re.compile(rb"action\s*=\s*[\"']\s*delete|visible\s*=\s*[\"']\s*false", re.IGNORECASE)


class Deleted(NamedTuple):
    """Ids of what the file holds but says is deleted."""

    nodes: frozenset[int] = frozenset()
    ways: frozenset[int] = frozenset()
    relations: frozenset[int] = frozenset()


def opened(path: Path) -> Any:
    """The file, unpacked as its ending says."""
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix.lower(), open)
    return opener(path, "rb")


def deleted_in(path: Path) -> Deleted:
    """What an XML file marks as deleted; nothing for other files.

    Raises `MapError` where it holds changes instead of a map.
    """
    if path.name.lower().endswith("pbf"):
        return Deleted()
    with opened(path) as file:
        head = file.read(CHUNK)
        if re.search(rb"<osmChange[\s>]|<action\s+type\s*=", head):
            raise changes_alone(path)
        marked, tail, unclosed = _MARK.search(head), head[-OVERLAP:], _unclosed(head, 0)
        while chunk := file.read(CHUNK):
            marked, tail = marked or _MARK.search(tail + chunk), chunk[-OVERLAP:]
            unclosed = _unclosed(chunk, unclosed)
            if unclosed > UNCLOSED_MAX:
                words = f"{path} is no OpenStreetMap data: it has {UNCLOSED_MAX} bytes and more in which no tag ends."
                raise MapError(f"{words} Fetch it again.")
    return _read(path) if marked else Deleted()


def _unclosed(chunk: bytes, before: int) -> int:
    """How many bytes have come since the last tag ended. A reader of XML holds all of them."""
    at = chunk.rfind(b">")
    return before + len(chunk) if at < 0 else len(chunk) - at - 1


def changes_alone(path: Path) -> MapError:
    """The error for a file of changes, which holds no whole roads."""
    return MapError(
        f"{path} holds changes to a map (osmChange), not a map. Apply them to an extract first, for example with "
        "`osmium apply-changes`, and build the result."
    )


def _read(path: Path) -> Deleted:
    found: dict[str, set[int]] = {"node": set(), "way": set(), "relation": set()}

    def start(name: str, attributes: dict[str, str]) -> None:
        if name not in found:
            return
        gone = attributes.get("action", "").strip().lower() == "delete"
        gone = gone or attributes.get("visible", "").strip().lower() == "false"
        number = attributes.get("id", "")
        if gone and re.fullmatch(r"-?\d{1,18}", number):
            found[name].add(int(number))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        with opened(path) as file:
            parser.ParseFile(file)
    except expat.ExpatError as error:
        raise MapError(f"{path} cannot be read as XML ({error}). It is broken or cut off: fetch it again.") from None
    return Deleted(frozenset(found["node"]), frozenset(found["way"]), frozenset(found["relation"]))
