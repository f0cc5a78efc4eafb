"""Graphs of OSMnx as a source of roads, and road networks as NetworkX graphs for analysts.

An OSMnx graph has lost turn restrictions and most node tags; what it keeps is read like any other source.
"""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geo_backup.cartography import osm
from geo_backup.cartography.area import network_of
from geo_backup.cartography.assembly import assemble
from geo_backup.cartography.nodes import read_node
from geo_backup.cartography.ways import Ways
from geo_backup.errors import MapError
from geo_backup.roads.network import EdgeFlag, RoadNetwork, WayClass, WayFlag

if TYPE_CHECKING:
    import networkx as nx

WAY_TAGS = (
    "access", "access:backward", "access:forward", "area", "bridge", "bus", "bus:backward", "bus:forward",
    "construction", "dual_carriageway", "emergency", "emergency_vehicle", "highway", "junction", "lanes", "layer",
    "maxheight", "maxheight:backward", "maxheight:forward", "maxheight:physical", "maxspeed", "maxspeed:backward",
    "maxspeed:forward", "maxspeed:type", "maxweight", "maxweight:backward", "maxweight:forward", "maxwidth",
    "maxwidth:backward", "maxwidth:forward", "maxwidth:physical", "motor_vehicle", "motor_vehicle:backward",
    "motor_vehicle:forward", "motorcar", "name", "oneway", "oneway:bus", "oneway:emergency", "oneway:motor_vehicle",
    "oneway:motorcar", "oneway:psv", "oneway:taxi", "psv", "psv:backward", "psv:forward", "ref", "service",
    "smoothness", "source:maxspeed", "surface", "taxi", "tracktype", "tunnel", "vehicle", "vehicle:backward",
    "vehicle:forward", "width", "zone:maxspeed", "zone:traffic",
)  # fmt: skip
"""What is asked of a way when a place is fetched."""

NODE_TAGS = (
    "access", "amenity", "barrier", "block", "bollard", "bus", "crossing", "crossing:signals", "direction", "emergency",
    "entrance", "highway", "junction", "locked", "maxheight", "maxheight:physical", "maxwidth", "maxwidth:physical",
    "motor_vehicle", "motorcar", "psv", "railway", "ref", "stop", "traffic_signals:direction", "vehicle",
)  # fmt: skip


def from_osmnx(graph: nx.MultiDiGraph, name: str = "OSMnx graph") -> RoadNetwork:
    """Make a network of an OSMnx graph (simplified or not, unprojected), kept in memory.

    Raises `MapError` when it holds no drivable road or its coordinates are no degrees.
    """
    ways = ways_of_graph(graph)
    return network_of(
        assemble(ways),
        name=name,
        source="OSMnx graph",
        source_date=ways.source_date,
        licence=ways.licence,
        attribution=ways.attribution,
    )


def to_networkx(network: RoadNetwork, *, legal_only: bool = True) -> nx.MultiDiGraph:
    """The network as an OSMnx-like graph: nodes are junctions (`x`, `y`), keys are edge numbers.

    Edges carry `osmid`, `highway`, `name`, `length` (metres), `oneway`, `maxspeed` (km/h or absent), `geometry` and
    `flags` (`EdgeFlag`). Turns, and so turn restrictions, do not fit in such a graph. With `legal_only` false it also
    holds what only a siren may drive.
    """
    import networkx as nx
    import shapely  # type: ignore[import-untyped, unused-ignore]

    graph = nx.MultiDiGraph(crs="epsg:4326", name=network.area.name, attribution=network.area.attribution)
    for junction in range(network.junctions):
        graph.add_node(
            junction,
            x=int(network.junction_lon_e7[junction]) / 1e7,
            y=int(network.junction_lat_e7[junction]) / 1e7,
        )
    for edge in range(network.edges):
        flags = int(network.edge_flags[edge])
        if flags & EdgeFlag.TWIN or (legal_only and not flags & EdgeFlag.LEGAL):
            continue
        way = int(network.edge_way[edge])
        against = bool(network.edge_against[edge])
        facts: dict[str, Any] = {
            "osmid": int(network.way_id[way]),
            "highway": WayClass(int(network.way_class[way])).name.lower(),
            "name": network.edge_name(edge),
            "length": float(network.edge_length_m[edge]),
            "oneway": bool(network.way_flags[way] & WayFlag.ONEWAY),
            "reversed": against,
            "flags": flags,
            "geometry": shapely.LineString(network.edge_line(edge)),
        }
        if kmh := int(network.way_maxspeed_kmh[way, int(against)]):
            facts["maxspeed"] = kmh
        graph.add_edge(int(network.edge_tail[edge]), int(network.edge_head[edge]), key=edge, **facts)
    return graph


def read_graphml(path: Path) -> Ways:
    """Read a `.graphml` file saved by OSMnx.

    Raises `MapError` when it is none.
    """
    import osmnx

    try:
        graph = osmnx.load_graphml(path)
    except Exception as error:  # any parser error there is: the file is not ours to trust
        reason = " ".join(str(error).split())[:200]
        raise MapError(
            f"{path} cannot be read as a graph saved by OSMnx ({reason}). Save it with osmnx.save_graphml."
        ) from None
    try:
        return ways_of_graph(graph)
    except MapError as error:
        raise MapError(f"{path}: {error}") from None


def read_place(place: str) -> Ways:
    """Fetch the roads of a place by its name, online, through OSMnx.

    Raises `MapError` when nobody answers or the place is not known.
    """
    import osmnx

    settings = osmnx.settings
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geo_backup" / "osmnx"
    ours = {
        "useful_tags_way": list(WAY_TAGS),
        "useful_tags_node": list(NODE_TAGS),
        "cache_folder": cache,
        "requests_timeout": 60,
    }
    before = {key: getattr(settings, key) for key in ours}
    try:
        for key, value in ours.items():
            setattr(settings, key, value)
        graph = osmnx.graph_from_place(place, simplify=False, retain_all=True, custom_filter='["highway"]')
    except Exception as error:  # OSMnx, requests and shapely each have their own tree of errors
        reason = " ".join(str(error).split())[:120]
        raise MapError(
            f"{place!r} is no file here, and OpenStreetMap could not be asked for a place of that name "
            f"({type(error).__name__}: {reason}). Give a file, or try again online."
        ) from None
    finally:
        for key, value in before.items():
            setattr(settings, key, value)
    return ways_of_graph(graph)


def ways_of_graph(graph: nx.MultiDiGraph) -> Ways:
    """Ways of an OSMnx graph: edges of one OSM way that follow each other become one way again."""
    ways = Ways(licence=osm.LICENCE, attribution=osm.ATTRIBUTION, source_date=str(graph.graph.get("created_date", "")))
    number: dict[Hashable, int] = {}
    places: dict[int, tuple[int, int]] = {}
    for node, facts in graph.nodes(data=True):
        key = number[node] = node if isinstance(node, int) else len(number)
        try:
            lon, lat = float(facts["x"]), float(facts["y"])
        except (KeyError, TypeError, ValueError):
            raise MapError(f"node {node} of the graph has no x and y. Give a graph made by OSMnx.") from None
        _check_place(node, lon, lat)
        places[key] = (round(lon * 1e7), round(lat * 1e7))
        if (said := read_node({k: _text(v) for k, v in facts.items() if isinstance(v, str)})) is not None:
            ways.nodes[key] = said
    # interior vertices meet nothing: numbers that no source, and no editor's local ids, use
    fresh = itertools.count(-(2**62), -1)
    for osmids, both_ways, chain in _chains(graph):
        tags = {k: _text(v) for k, v in chain[0][2].items() if k != "geometry" and v is not None}
        tags.setdefault("highway", "yes")
        # the graph's own directions have the last word over what the tag said
        tags["oneway"] = "no" if both_ways else "yes"
        if not both_ways:
            tags = {key: value for key, value in tags.items() if key not in ("oneway:motorcar", "oneway:motor_vehicle")}
        vertices: list[tuple[int, int, int]] = []
        for u, v, facts in chain:
            inner = list(facts["geometry"].coords)[1:-1] if facts.get("geometry") is not None else []
            for x, y, *_ in inner:
                _check_place(f"{u}-{v}", x, y)
            vertices.append((number[u], *places[number[u]]))
            vertices += [(next(fresh), round(x * 1e7), round(y * 1e7)) for x, y, *_ in inner]
            vertices.append((number[v], *places[number[v]]))
        ways.add(osmids[0], tags, vertices)
    return ways


def _check_place(node: Hashable, lon: float, lat: float) -> None:
    if not (abs(lon) <= 180.0 and abs(lat) <= 90.0):
        raise MapError(f"node {node} of the graph lies outside the earth: {lon}, {lat}. Give an unprojected graph.")


Step = tuple[Hashable, Hashable, dict[str, Any]]


def _chains(graph: nx.MultiDiGraph) -> Iterator[tuple[tuple[int, ...], bool, list[Step]]]:
    """OSM ids, whether both directions exist, and the edges of a way in their order."""
    by_way: dict[tuple[int, ...], list[Step]] = defaultdict(list)
    for u, v, facts in graph.edges(data=True):
        by_way[_osmids(facts.get("osmid"))].append((u, v, facts))
    for osmids, steps in by_way.items():
        kept: dict[tuple[Hashable, Hashable, int], tuple[Step, bool]] = {}
        # the direction the way was drawn in comes first, its mirror only says that both exist
        for u, v, facts in sorted(steps, key=lambda step: bool(step[2].get("reversed", False))):
            length = round(float(facts.get("length", 0.0)))
            mirror = kept.get((v, u, length))
            if mirror is not None and u != v:
                kept[(v, u, length)] = (mirror[0], True)
            else:
                kept[(u, v, length)] = ((u, v, facts), False)
        for both_ways in (False, True):
            yield from (
                (osmids, both_ways, chain) for chain in _follow([s for s, both in kept.values() if both == both_ways])
            )


def _follow(steps: list[Step]) -> Iterator[list[Step]]:
    """Divide edges into runs in which each begins where the one before ends."""
    leaving: dict[Hashable, list[int]] = defaultdict(list)
    arriving: dict[Hashable, int] = defaultdict(int)
    for index, (u, v, _) in enumerate(steps):
        leaving[u].append(index)
        arriving[v] += 1
    used = [False] * len(steps)

    def begins(index: int) -> bool:
        u = steps[index][0]
        return arriving[u] != 1 or len(leaving[u]) != 1

    for first in sorted(range(len(steps)), key=lambda index: not begins(index)):
        chain, at = [], first
        while not used[at]:
            used[at] = True
            chain.append(steps[at])
            onward = leaving[steps[at][1]]
            if len(onward) != 1 or arriving[steps[at][1]] != 1:
                break
            at = onward[0]
        if chain:
            yield chain


def _osmids(value: Any) -> tuple[int, ...]:
    """OSM ids of an edge; edges without one share no way with others, but for the number 0."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return tuple(int(v) for v in values if isinstance(v, int) or str(v).lstrip("-").isdigit()) or (0,)


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        # two speeds joined in one edge: the reader takes the lowest
        return ";".join(str(v) for v in value) if all(str(v)[:1].isdigit() for v in value) else str(value[0])
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
