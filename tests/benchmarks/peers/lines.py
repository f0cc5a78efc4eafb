"""GeoJSON lines with OSM's tags as an extract that every engine reads: ends that lie at one place are one node."""

from __future__ import annotations

import json
from pathlib import Path

import osmium
from osmium.osm.mutable import Node, Way


def written_as_pbf(source: Path, target: Path) -> Path:
    """`target`, which is made unless it is there."""
    if target.exists():
        return target
    nodes: dict[tuple[float, float], int] = {}
    ways: list[Way] = []
    for number, feature in enumerate(json.loads(source.read_text(encoding="utf-8"))["features"], 1):
        if feature["geometry"]["type"] != "LineString":
            continue
        tags = {key: str(value) for key, value in feature["properties"].items() if not key.startswith("@")}
        name = str(feature.get("id", ""))
        refs = [nodes.setdefault((lon, lat), len(nodes) + 1) for lon, lat, *_ in feature["geometry"]["coordinates"]]
        ways.append(Way(id=int(name.removeprefix("way/")) if name else number, tags=tags, nodes=refs))
    with osmium.SimpleWriter(str(target)) as writer:
        for place, node in nodes.items():
            writer.add_node(Node(id=node, location=place))
        for way in sorted(ways, key=lambda way: way.id):
            writer.add_way(way)
    return target
