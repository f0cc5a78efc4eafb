"""Tiny maps drawn by hand, written as OSM XML.

One unit of a drawing is 100 m; (0, 0) lies at 10° E, 50° N, x to the east, y to the north.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from geo_backup.cartography.build import BuildSummary, build_map
from geo_backup.roads.network import EdgeFlag, RoadNetwork
from tests.roads.tiny import from_local_m

Tags = Mapping[str, str]


@dataclass
class Drawing:
    """Nodes by a letter or word, ways by number, restrictions."""

    nodes: dict[str, tuple[float, float]]
    node_tags: dict[str, Tags] = field(default_factory=dict)
    ways: list[tuple[str, Tags]] = field(default_factory=list)
    restrictions: list[tuple[Tags, Sequence[tuple[str, str, int]]]] = field(default_factory=list)

    def node(self, name: str) -> int:
        return 1 + list(self.nodes).index(name)

    def way(self, nodes: str, **tags: str) -> int:
        """Draw a way through nodes named by letters; answers its id."""
        self.ways.append((nodes, {"highway": "residential"} | {k.replace("__", ":"): v for k, v in tags.items()}))
        return 100 + len(self.ways)

    def forbid(self, kind: str, from_way: int, via: str, to_way: int, **tags: str) -> None:
        members = [("from", "way", from_way), ("via", "node", self.node(via)), ("to", "way", to_way)]
        self.restrictions.append(({"type": "restriction", "restriction": kind} | tags, members))

    def forbid_over(self, kind: str, from_way: int, via: Sequence[int], to_way: int, **tags: str) -> None:
        """A restriction over via ways."""
        members = [("from", "way", from_way), *(("via", "way", way) for way in via), ("to", "way", to_way)]
        self.restrictions.append(({"type": "restriction", "restriction": kind} | tags, members))

    def xml(self) -> str:
        rows = ['<osm version="0.6">']
        for number, (name, (x, y)) in enumerate(self.nodes.items(), 1):
            lon, lat = from_local_m(x * 100.0, y * 100.0, 10.0, 50.0)
            rows.append(f'<node id="{number}" version="1" lat="{lat:.7f}" lon="{lon:.7f}">')
            rows += [*_tags(self.node_tags.get(name, {})), "</node>"]
        for number, (nodes, tags) in enumerate(self.ways, 101):
            rows.append(f'<way id="{number}" version="1">')
            rows += [f'<nd ref="{self.node(name)}"/>' for name in nodes]
            rows += [*_tags(tags), "</way>"]
        for number, (tags, members) in enumerate(self.restrictions, 1001):
            rows.append(f'<relation id="{number}" version="1">')
            rows += [f'<member type="{of}" ref="{ref}" role="{role}"/>' for role, of, ref in members]
            rows += [*_tags(tags), "</relation>"]
        return "\n".join([*rows, "</osm>"])

    def build(self, folder: Path) -> tuple[RoadNetwork, BuildSummary]:
        source = folder / "drawn.osm"
        source.write_text(self.xml(), encoding="utf-8")
        summary = build_map(source, folder / "map", tiles=False)
        return RoadNetwork.load(folder / "map"), summary

    def edge(self, network: RoadNetwork, a: str, b: str) -> int | None:
        """The directed edge from node `a` to node `b`, no twin; None when there is none. Both must be junctions."""
        start, end = (self.junction(network, name) for name in (a, b))
        found = [
            e
            for e in range(network.edges)
            if network.edge_tail[e] == start
            and network.edge_head[e] == end
            and not network.edge_flags[e] & EdgeFlag.TWIN
        ]
        assert len(found) <= 1
        return found[0] if found else None

    def junction(self, network: RoadNetwork, name: str) -> int:
        x, y = self.nodes[name]
        lon, lat = from_local_m(x * 100.0, y * 100.0, 10.0, 50.0)
        away = abs(network.junction_lon_e7 - lon * 1e7) + abs(network.junction_lat_e7 - lat * 1e7)
        assert away.min() < 10, f"{name} is no junction"
        return int(away.argmin())

    def turn(self, network: RoadNetwork, path: str) -> int | None:
        """`turn_facts` of the last turn of a drive a-b-c or longer, None when it cannot be driven."""
        driven = self.drive(network, path)
        return None if driven is None else int(network.turn_facts[driven[1][-1]])

    def drive(self, network: RoadNetwork, path: str) -> tuple[list[int], list[int]] | None:
        """Edges and turns of a drive from junction to junction, begun without a past; None when it cannot be driven.

        Where two turns lead the same way, one into a twin, the network is wrong.
        """
        edge = self.edge(network, path[0], path[1])
        if edge is None:
            return None
        edges, turns = [edge], []
        for name in path[2:]:
            junction = self.junction(network, name)
            leaving = (network.turn_from == edges[-1]) & (network.edge_head[network.turn_to] == junction)
            found = np.flatnonzero(leaving).tolist()
            assert len(found) <= 1, f"{path}: two turns to {name}"
            if not found:
                return None
            turns.append(found[0])
            edges.append(int(network.turn_to[found[0]]))
        return edges, turns


def _tags(tags: Tags) -> list[str]:
    return [f"<tag k={quoteattr(key)} v={quoteattr(value)}/>" for key, value in tags.items()]
