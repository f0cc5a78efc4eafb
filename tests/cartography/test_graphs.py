"""OSMnx graphs in and out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from geo_backup.cartography.build import build_map
from geo_backup.cartography.graphs import from_osmnx, to_networkx
from geo_backup.errors import MapError
from geo_backup.roads.network import EdgeFlag, RoadNetwork

osmnx = pytest.importorskip("osmnx")

# Three streets as Overpass answers them: 1 - 2 - 3 (30 mph), 3 > 4 one-way, 2 - 5 a footway; signals at 2.
NODES = {1: (10.0, 50.0), 2: (10.003, 50.0), 3: (10.006, 50.0), 4: (10.006, 50.003), 5: (10.003, 50.003)}
REPLY: dict[str, Any] = {
    "version": 0.6,
    "osm3s": {"timestamp_osm_base": "2024-05-01T00:00:00Z"},
    "elements": [
        *(
            {"type": "node", "id": node, "lon": lon, "lat": lat}
            | ({"tags": {"highway": "traffic_signals"}} if node == 2 else {})
            for node, (lon, lat) in NODES.items()
        ),
        {
            "type": "way",
            "id": 11,
            "nodes": [1, 2, 3],
            "tags": {"highway": "primary", "name": "High Street", "maxspeed": "30 mph", "surface": "gravel"},
        },
        {"type": "way", "id": 12, "nodes": [3, 4], "tags": {"highway": "residential", "oneway": "yes"}},
        {"type": "way", "id": 13, "nodes": [2, 5], "tags": {"highway": "footway"}},
    ],
}
PLACE = [
    {
        "osm_type": "relation",
        "osm_id": 1,
        "lat": "50.0",
        "lon": "10.0",
        "name": "Littleton",
        "display_name": "Littleton",
        "importance": 0.5,
        "boundingbox": ["49.99", "50.01", "9.99", "10.01"],
        "geojson": {
            "type": "Polygon",
            "coordinates": [[[9.99, 49.99], [10.01, 49.99], [10.01, 50.01], [9.99, 50.01], [9.99, 49.99]]],
        },
    }
]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OSMnx finds these two replies in its cache, whatever it asks."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, reply in (("place", PLACE), ("roads", REPLY)):
        (tmp_path / f"{name}.json").write_text(json.dumps(reply), encoding="utf-8")

    def check_cache(key: str) -> Path:
        return tmp_path / ("roads.json" if "interpreter" in key else "place.json")

    monkeypatch.setattr("osmnx._http._check_cache", check_cache)


@pytest.mark.usefixtures("recorded")
def test_a_place_by_name(tmp_path: Path) -> None:
    before = list(osmnx.settings.useful_tags_way)
    summary = build_map("Littleton", tmp_path / "map", tiles=False)
    network = RoadNetwork.load(tmp_path / "map")
    assert sorted(network.way_id.tolist()) == [11, 12]
    assert (summary.junctions, network.area.name) == (4 - 1, "Littleton"), "2 is no junction: the footway is no road"
    assert network.way_maxspeed_kmh.max() == 48
    assert network.area.attribution == "© OpenStreetMap contributors"
    assert osmnx.settings.useful_tags_way == before, "an analyst's own settings are left as they were"


def test_a_place_offline_fails_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(osmnx, "graph_from_place", nobody)
    with pytest.raises(MapError, match="no file here") as caught:
        build_map("Atlantis", tmp_path / "map")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "map").exists()


@pytest.mark.parametrize("simplify", [False, True])
def test_an_osmnx_graph_is_a_map(tmp_path: Path, simplify: bool) -> None:
    xml = tmp_path / "drawn.osm"
    rows = ['<osm version="0.6">']
    rows += [f'<node id="{n}" lon="{lon}" lat="{lat}" version="1"/>' for n, (lon, lat) in NODES.items()]
    rows += [
        '<way id="11" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><tag k="highway" v="primary"/></way>',
        '<way id="12" version="1"><nd ref="3"/><nd ref="4"/>',
        '<tag k="highway" v="residential"/><tag k="oneway" v="yes"/></way></osm>',
    ]
    xml.write_text("\n".join(rows), encoding="utf-8")
    graph = osmnx.graph_from_xml(xml, simplify=simplify, retain_all=True)
    network = from_osmnx(graph, name="Drawn")
    legal = network.edge_flags & EdgeFlag.LEGAL != 0
    assert legal.sum() == 3, "1-3 both ways, 3-4 one way"
    osmnx.save_graphml(graph, tmp_path / "graph.graphml")
    build_map(tmp_path / "graph.graphml", tmp_path / "map", tiles=False)
    assert RoadNetwork.load(tmp_path / "map").content_id == network.content_id


def test_there_and_back(tmp_path: Path) -> None:
    graph = nx.MultiDiGraph(crs="epsg:4326")
    for node, (lon, lat) in NODES.items():
        graph.add_node(node, x=lon, y=lat)
    for u, v in ((1, 2), (2, 1), (2, 5), (5, 2), (2, 3)):
        graph.add_edge(u, v, osmid=10 * max(u, v), highway="residential", length=214.0, name=["Elm", "Oak"])
    network = from_osmnx(graph)
    out = to_networkx(network)
    assert out.number_of_nodes() == 4
    assert out.number_of_edges() == 5
    assert {facts["name"] for _, _, facts in out.edges(data=True)} == {"Elm"}
    assert all(facts["length"] > 200.0 for _, _, facts in out.edges(data=True))
    assert from_osmnx(out).edges == network.edges
    everything = to_networkx(network, legal_only=False)
    assert everything.number_of_edges() == network.edges


def test_a_broken_graph(tmp_path: Path) -> None:
    (tmp_path / "bad.graphml").write_text("<graphml>", encoding="utf-8")
    with pytest.raises(MapError, match="save_graphml"):
        build_map(tmp_path / "bad.graphml", tmp_path / "map")
