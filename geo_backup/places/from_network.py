"""Streets and crossings of a road network alone, for sources and maps that hold nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from geo_backup.places.facts import Facts, Name
from geo_backup.places.register import tables_of
from geo_backup.places.store import FILE, Tables, write
from geo_backup.roads.network import RoadNetwork, WayClass, WayFlag

_NUMBERED = re.compile(r"[A-Z]{0,4}[ -]?\d{1,4}[A-Z]?(?:\s*;\s*[A-Z]{0,4}[ -]?\d{1,4}[A-Z]?)*")
"""A way without a name is called by its number."""


def facts_of(network: RoadNetwork) -> Facts:
    """What a network says of its streets: names and where they meet."""
    facts = Facts()
    start, lon, lat = network.vertices
    lon_e7, lat_e7 = np.rint(lon * 1e7).astype(np.int64), np.rint(lat * 1e7).astype(np.int64)
    key = np.full(len(lon), -1, np.int64)
    inner = np.ones(len(lon), np.bool_)
    inner[start[:-1]] = inner[start[1:] - 1] = False
    key[inner] = network.junctions + np.arange(int(inner.sum()))
    key[start[:-1]], key[start[1:] - 1] = network.piece_from, network.piece_to
    rounds: dict[int, list[int]] = {}
    for piece in range(network.pieces):
        way = int(network.piece_way[piece])
        name = network.names[int(network.way_name[way])]
        low, high = int(start[piece]), int(start[piece + 1])
        if name:
            numbered = _NUMBERED.fullmatch(name) is not None
            weight = road_weight(WayClass(int(network.way_class[way])))
            vertices = list(
                zip(key[low:high].tolist(), lon_e7[low:high].tolist(), lat_e7[low:high].tolist(), strict=True)
            )
            facts.lines.add(() if numbered else (Name(name, 0),), name if numbered else "", weight, vertices)
        elif network.way_flags[way] & WayFlag.ROUNDABOUT:
            rounds.setdefault(way, []).extend((int(network.piece_from[piece]), int(network.piece_to[piece])))
    facts.joints = [sorted(set(joint)) for joint in rounds.values()]
    return facts


def build(folder: Path) -> Tables:
    """Write the places of a map folder that has its network alone; nothing else in it changes."""
    tables = tables_of(facts_of(RoadNetwork.load(folder)))
    work = folder / f".{FILE}.new"
    try:
        write(work, tables)
        work.replace(folder / FILE)
    finally:
        work.unlink(missing_ok=True)
    return tables


def road_weight(way_class: WayClass) -> int:
    """How great a road is, 3 path to 8 motorway: of equals the greater is meant more often."""
    if way_class <= WayClass.TRUNK_LINK:
        return 8
    if way_class <= WayClass.SECONDARY_LINK:
        return 7
    if way_class <= WayClass.TERTIARY_LINK:
        return 6
    return 5 if way_class <= WayClass.LIVING_STREET else 4
