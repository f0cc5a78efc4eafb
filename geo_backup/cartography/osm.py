"""OpenStreetMap files (.osm.pbf, .osm, .osm.gz, .osm.bz2) read into ways in one pass, by pyosmium.

pyosmium keeps what other readers drop: turn restrictions with their members and `except`, and nodes that bear signals,
signs and barriers.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from geo_backup.cartography.edits import Deleted, deleted_in, opened
from geo_backup.cartography.nodes import read_node
from geo_backup.cartography.restrictions import Restriction
from geo_backup.cartography.tags import CLASSES, FOOT_AND_CYCLE
from geo_backup.cartography.ways import Ways
from geo_backup.errors import MapError

ENDINGS = (".osm.pbf", ".osm", ".osm.gz", ".osm.bz2", ".pbf")

LICENCE = "ODbL-1.0"
ATTRIBUTION = "© OpenStreetMap contributors"

SCENERY_KEYS = ("building", "natural", "landuse", "leisure", "waterway")
"""Keys of what the basemap draws besides roads."""

NODE_KEYS = (
    "railway", "maxheight", "maxheight:physical", "maxwidth", "maxwidth:physical",
    "access", "vehicle", "motor_vehicle", "motorcar",
)  # fmt: skip
"""Keys of nodes that say something without `highway` or `barrier`."""

_CONDITIONAL = re.compile(r"\b(?:no|only)(?:[_ -]\w+)+(?=\s*@)", re.IGNORECASE)

CARS = frozenset({"motorcar", "motor_vehicle", "vehicle"})


def read_osm(path: Path, progress: Callable[[float], None] | None = None) -> Ways:
    """Read one file.

    Raises `MapError` when it is broken or cut off, or holds changes or a history instead of a map.
    """
    try:
        deleted = deleted_in(path)
        try:
            ways = _read(path, deleted, None, progress)
        except _LocalIds:
            ways = _read(path, deleted, _local_places(path), progress)
    except (RuntimeError, ValueError, OSError, EOFError, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MapError(
            f"{path} cannot be read as OpenStreetMap data ({reason}). It is broken or cut off: fetch it again."
        ) from None
    for kind, ids in deleted._asdict().items():
        ways.left_out[f"deleted_{kind}"] += len(ids)
    if not ways.source_date and not path.name.endswith("pbf"):
        ways.source_date = _overpass_date(path)
    return ways


class _LocalIds(Exception):
    """A road names nodes by ids of an editor's own, below zero, whose places pyosmium does not keep."""


Places = dict[int, tuple[int, int]]
"""Whole 1e-7 degrees of nodes by their local ids."""


def _read(path: Path, deleted: Deleted, local: Places | None, progress: Callable[[float], None] | None) -> Ways:
    """One pass; `local` are the places of nodes with ids below zero, None where none are expected."""
    import osmium

    ways = Ways(licence=LICENCE, attribution=ATTRIBUTION, node_ids=True)
    processor = (
        osmium.FileProcessor(str(path))
        .with_locations()
        .with_filter(osmium.filter.KeyFilter("highway", "barrier", "type", *NODE_KEYS, *SCENERY_KEYS))
    )
    if processor.header.has_multiple_object_versions:
        raise MapError(
            f"{path} holds the history of a map, not a map. Take one moment of it first, for example with "
            "`osmium time-filter`, and build the result."
        )
    ways.source_date = _header_date(processor.header)
    for seen, thing in enumerate(processor):
        if thing.is_way():
            if thing.id not in deleted.ways:
                _take_way(ways, thing, deleted, local)
        elif thing.is_node():
            if thing.id not in deleted.nodes and (facts := read_node(_tags(thing))) is not None:
                ways.nodes[thing.id] = facts
        elif thing.is_relation() and thing.id not in deleted.relations:
            tags = _tags(thing)
            if tags.get("type", "").strip().lower().startswith("restriction"):
                ways.restrictions.append(read_restriction(tags, [(m.role, m.type, m.ref) for m in thing.members]))
        if progress is not None and seen % 20_000 == 0:
            # the length of a compressed stream is not known ahead: an ever slower approach to the end
            progress(1.0 - 1.0 / (1.0 + seen / 60_000))
    return ways


def _local_places(path: Path) -> Places:
    import osmium

    return {
        node.id: (node.location.x, node.location.y)
        for node in osmium.FileProcessor(str(path), osmium.osm.NODE)
        if node.id < 0 and node.location.valid()
    }


def _overpass_date(path: Path) -> str:
    """Date an Overpass reply gives at its head; empty where there is none."""
    with opened(path) as file:
        head = file.read(2000).decode("utf-8", "replace")
    found = re.search(r'osm_base="([^"]+)"', head)
    return found[1] if found else ""


def _tags(thing: Any) -> dict[str, str]:
    # copied: pyosmium's objects die after the step of the loop
    return {tag.k: tag.v for tag in thing.tags}


def _take_way(ways: Ways, way: Any, deleted: Deleted, local: Places | None) -> None:
    highway = way.tags.get("highway")
    if highway is None:
        ways.scenery += any(key in way.tags for key in SCENERY_KEYS)
        return
    if highway not in CLASSES and highway not in FOOT_AND_CYCLE:
        ways.left_out["not_a_road"] += 1
        return
    tags = _tags(way)
    run: list[tuple[int, int, int]] = []
    runs = [run]
    for node in way.nodes:
        if node.ref in deleted.nodes:
            continue
        if node.ref < 0:
            if local is None:
                raise _LocalIds
            if node.ref in local:
                run.append((node.ref, *local[node.ref]))
                continue
        elif (place := node.location).valid():
            run.append((node.ref, place.x, place.y))
            continue
        ways.left_out["missing_vertices"] += 1
        if run:
            # the extract was cut here: a line drawn over the gap would be a road that does not exist
            runs.append(run := [])
    for run in runs:
        if run or len(runs) == 1:
            ways.add(way.id, tags, run)


def _header_date(header: Any) -> str:
    for key in ("osmosis_replication_timestamp", "timestamp"):
        if value := header.get(key, ""):
            return str(value)
    return ""


def read_restriction(tags: dict[str, str], members: list[tuple[str, str, int]]) -> Restriction:
    """A relation's tags and members (role, `n`/`w`/`r`, id); whether the restriction can be used is seen later."""
    kind, conditional, exempt = "", False, False
    for key in ("restriction:motorcar", "restriction:motor_vehicle", "restriction"):
        if value := tags.get(key):
            # the older way of writing a condition: day_on, hour_off, ...
            kind, conditional = _kind(value), any(f"{unit}_on" in tags for unit in ("day", "hour"))
            break
        if found := _CONDITIONAL.search(tags.get(f"{key}:conditional", "")):
            kind, conditional = _kind(found[0]), True
            break
    if not kind:
        # restriction:hgv, restriction:bus:conditional, ...: not for those we send
        exempt = any(key.startswith("restriction:") and key != "restriction:conditional" for key in tags)
    members = [(role.strip().lower(), of, ref) for role, of, ref in members]
    if tags.get("type", "").strip().lower() not in ("restriction", "restriction:motorcar", "restriction:motor_vehicle"):
        exempt = True
    excepted = {value.strip().lower() for value in tags.get("except", "").split(";")}
    return Restriction(
        kind=kind,
        from_ways=tuple(ref for role, of, ref in members if role == "from" and of == "w"),
        via_nodes=tuple(ref for role, of, ref in members if role == "via" and of == "n"),
        via_ways=tuple(ref for role, of, ref in members if role == "via" and of == "w"),
        to_ways=tuple(ref for role, of, ref in members if role == "to" and of == "w"),
        exempt=exempt or bool(excepted & CARS),
        emergency_exempt="emergency" in excepted,
        conditional=conditional,
    )


def _kind(text: str) -> str:
    """`No_Left_Turn` and `no left turn` are what they look like."""
    return re.sub(r"[\s-]+", "_", text.strip().lower())
