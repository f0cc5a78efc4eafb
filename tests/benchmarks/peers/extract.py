"""Extract: the source as it was written, asked by place: which way runs between two vertices, what stands on a node."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import osmium

from geo_backup.roads.network import RoadNetwork

Vertex = tuple[int, int]
"""Lon and lat in whole 1e-6 degrees: as fine as every engine's geometry is."""


def vertex(lon_e7: int, lat_e7: int) -> Vertex:
    return (round(lon_e7 / 10), round(lat_e7 / 10))


class Extract:
    """Ways with a highway or route tag, tagged nodes and turn restrictions of one .osm.pbf."""

    def __init__(self, path: Path) -> None:
        self.tags: dict[int, dict[str, str]] = {}
        self.nodes: dict[int, list[tuple[int, Vertex]]] = {}
        self.way_between: dict[tuple[Vertex, Vertex], int] = {}
        self.at: dict[Vertex, dict[str, str]] = {}
        self.restrictions: dict[frozenset[int], list[dict[str, str]]] = defaultdict(list)
        """By the ways of a restriction's first and last member."""
        for thing in osmium.FileProcessor(str(path)).with_locations():
            if isinstance(thing, osmium.osm.Node):
                if len(thing.tags) and thing.location.valid():
                    self.at[vertex(thing.location.x, thing.location.y)] = {t.k: t.v for t in thing.tags}
            elif isinstance(thing, osmium.osm.Way):
                self._take_way(thing)
            elif isinstance(thing, osmium.osm.Relation) and thing.tags.get("type", "").startswith("restriction"):
                ends = [m.ref for m in thing.members if m.role in ("from", "to")]
                self.restrictions[frozenset(ends)].append({"id": str(thing.id), **{t.k: t.v for t in thing.tags}})

    def _take_way(self, way: Any) -> None:
        if "highway" not in way.tags and "route" not in way.tags:
            return
        self.tags[way.id] = {t.k: t.v for t in way.tags}
        line = [(n.ref, vertex(n.location.x, n.location.y)) for n in way.nodes if n.location.valid()]
        self.nodes[way.id] = line
        for (_, a), (_, b) in pairwise(line):
            self.way_between.setdefault((a, b), way.id)
            self.way_between.setdefault((b, a), way.id)

    def node_pairs(self, network: RoadNetwork, edge: int) -> list[tuple[int, int]]:
        """OSM node ids along a directed edge of ours, in driving order; our maps do not keep them."""
        refs = {at: ref for ref, at in self.nodes[int(network.way_id[network.edge_way[edge]])]}
        found = [refs.get((int(x), int(y))) for x, y in np.rint(network.edge_line(edge) * 1e6)]
        return [(a, b) for a, b in pairwise(found) if a is not None and b is not None]
