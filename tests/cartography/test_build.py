"""The folder: complete, the same bytes every time, or a clear error and nothing."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geo_backup.cartography.build import Credit, build_map
from geo_backup.errors import MapError
from geo_backup.places.store import OWN_FILE
from geo_backup.roads.network import ARRAYS, EdgeFlag, RoadNetwork, content_id
from tests.rounds import cases

from .drawing import Drawing

DATA = Path(os.environ.get("GEO_BACKUP_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"real data not found at {DATA} (set GEO_BACKUP_DATA)")


def line(coordinates: list[list[float]], **tags: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"highway": "residential"} | tags,
        "geometry": {"type": "LineString", "coordinates": coordinates},
    }


def geojson(folder: Path, *features: dict[str, Any], **more: Any) -> Path:
    path = folder / "lines.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features} | more), encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def triangle() -> Drawing:
    """A - B - C - A, 400 m a side or so."""
    drawing = Drawing({"A": (0.0, 0.0), "B": (4.0, 0.0), "C": (2.0, 3.0)})
    drawing.way("AB", name="Söder", maxspeed="30")
    drawing.way("BC", name="Väster", bridge="yes")
    drawing.way("CA", oneway="yes")
    return drawing


def test_a_new_build_keeps_the_profiles_beside_the_map(tmp_path: Path) -> None:
    source, out = tmp_path / "three-streets.osm", tmp_path / "map"
    source.write_text(triangle().xml(), encoding="utf-8")
    build_map(source, out, tiles=False)
    fresh = contents(out)
    (out / "profiles").mkdir()
    (out / "profiles" / "ours.toml").write_text("ours", encoding="utf-8")
    (out / OWN_FILE).write_bytes(b"ours")
    build_map(source, out, tiles=False)
    assert contents(out) == {**fresh, "profiles/ours.toml": b"ours", OWN_FILE: b"ours"}


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "three-streets.osm"
    source.write_text(triangle().xml(), encoding="utf-8")
    seen: list[tuple[str, float]] = []
    first = build_map(source, tmp_path / "one", progress=lambda stage, share: seen.append((stage, share)))
    second = build_map(source, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert first.content_id == second.content_id
    assert first.tiles == "ok"
    assert seen[-1] == ("done", 1.0)
    assert [share for _, share in seen] == sorted(share for _, share in seen)
    assert set(contents(tmp_path / "one")) == {
        "area.toml", "basemap.pmtiles", "places.sqlite", "network/names.txt", "network/vertex_node.npy",
        *(f"network/{name}.npy" for name in ARRAYS),
    }  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "three-streets.osm", "two"], "no scaffolding is left"


def test_the_area_says_what_it_is(tmp_path: Path) -> None:
    source = tmp_path / "three-streets.osm"
    source.write_text(triangle().xml(), encoding="utf-8")
    build_map(source, tmp_path / "map", credit=Credit(source_date="2020-01-02", name='Three "S"'), tiles=False)
    area = RoadNetwork.load(tmp_path / "map").area
    assert (area.name, area.source, area.source_date) == ('Three "S"', "three-streets.osm", "2020-01-02")
    assert (area.licence, area.attribution) == ("ODbL-1.0", "© OpenStreetMap contributors")
    assert (area.timezone, area.drives_on) == ("Europe/Berlin", "right")
    assert area.extent[0] == pytest.approx(10.0)
    assert area.extent[1] == pytest.approx(50.0)
    assert area.summary["junctions"] == 3
    with (tmp_path / "map" / "area.toml").open("rb") as file:
        assert tomllib.load(file)["summary"]["maxspeed_share"] == pytest.approx(1 / 3, abs=1e-4)


@pytest.mark.parametrize(("ending", "pack"), [("osm.gz", gzip.compress), ("osm.bz2", bz2.compress)])
def test_packed_xml_is_read(tmp_path: Path, ending: str, pack: Any) -> None:
    (tmp_path / f"packed.{ending}").write_bytes(pack(triangle().xml().encode()))
    assert build_map(tmp_path / f"packed.{ending}", tmp_path / "map", tiles=False).junctions == 3


def test_geojson_lines_meet_where_coordinates_are_equal(tmp_path: Path) -> None:
    source = geojson(
        tmp_path,
        line([[-122.4, 37.7], [-122.401, 37.7]], name="Oak St", cnn=123),
        line([[-122.401, 37.70000000001], [-122.401, 37.701]], name="Elm St", oneway="yes"),
        {
            "type": "Feature",
            "properties": {"highway": "pedestrian"},
            "geometry": {"type": "Polygon", "coordinates": []},
        },
        timestamp="2016-12-27T10:04:02Z",
        copyright="OpenStreetMap, ODbL",
    )
    summary = build_map(source, tmp_path / "map", tiles=False)
    network = RoadNetwork.load(tmp_path / "map")
    assert (summary.ways, summary.junctions, summary.edges) == (2, 3, 4)
    assert network.way_id.tolist() == [123, -2]
    assert network.area.source_date == "2016-12-27T10:04:02Z"
    assert network.area.attribution == "© OpenStreetMap contributors"
    assert network.area.timezone == "America/Los_Angeles"


def test_geojson_points_stand_on_the_lines_through_them(tmp_path: Path) -> None:
    """A locked gate in the middle of one street, and a point that lies on none."""
    gate = {"type": "Point", "coordinates": [10.001, 50.0]}
    lost = {"type": "Point", "coordinates": [10.001, 50.01]}
    source = geojson(
        tmp_path,
        line([[10.0, 50.0], [10.001, 50.0], [10.002, 50.0]]),
        *({"type": "Feature", "properties": {"barrier": "gate", "access": "no"}, "geometry": g} for g in (gate, lost)),
    )
    summary = build_map(source, tmp_path / "map", tiles=False)
    assert (summary.locked_barriers, summary.junctions) == (1, 3)
    assert RoadNetwork.load(tmp_path / "map").area.turn_restrictions == "none in the source"


def test_driving_on_the_left(tmp_path: Path) -> None:
    source = geojson(tmp_path, line([[-0.1, 51.5], [-0.101, 51.5]]))
    build_map(source, tmp_path / "map", tiles=False)
    assert RoadNetwork.load(tmp_path / "map").area.drives_on == "left"


def test_an_older_map_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    source = geojson(tmp_path, line([[10.0, 50.0], [10.001, 50.0]]))
    out = tmp_path / "map"
    build_map(source, out, tiles=False, credit=Credit("Old"))
    build_map(source, out, tiles=False, credit=Credit("New"))
    assert RoadNetwork.load(out).area.name == "New"
    other = tmp_path / "letters"
    other.mkdir()
    (other / "dear.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(MapError, match="something else"):
        build_map(source, other, tiles=False)
    assert (other / "dear.txt").exists()


def test_a_failed_build_leaves_the_older_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = geojson(tmp_path, line([[10.0, 50.0], [10.001, 50.0]]))
    out = tmp_path / "map"
    build_map(source, out, tiles=False)
    before = contents(out)

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RoadNetwork, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        build_map(source, out, tiles=False)
    assert contents(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lines.geojson", "map"]


def test_without_freestiler_the_map_works_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "freestiler", None)
    source = geojson(tmp_path, line([[10.0, 50.0], [10.001, 50.0]]))
    summary = build_map(source, tmp_path / "map")
    assert "freestiler" in summary.tiles
    assert RoadNetwork.load(tmp_path / "map").edges == 2


BAD = {
    "empty.osm.pbf": (b"", "is empty"),
    "broken.osm.pbf": (b"\x00\x00\x00\x0dnot a pbf at all", "broken or cut off"),
    "broken.osm": (b"<osm><node id=", "broken or cut off"),
    "broken.osm.gz": (b"plain text", "broken or cut off"),
    "nothing.osm": (b'<osm version="0.6"></osm>', "no drivable roads"),
    "roads.shp": (b"x", "does not know"),
    "text.geojson": (b"{not json", "not JSON"),
    "list.geojson": (b"[1, 2]", "not GeoJSON"),
    "bare.geojson": (b'{"type": "FeatureCollection", "features": []}', "no GeoJSON features"),
    "paths.geojson": (
        json.dumps({"features": [line([[1, 1], [2, 2]], highway="steps")]}).encode(),
        "no drivable roads",
    ),
    "swapped.geojson": (json.dumps({"features": [line([[37.7, -122.4], [37.8, -122.4]])]}).encode(), "swapped"),
    "metres.geojson": (json.dumps({"features": [line([[500000, 4000000], [1, 1]])]}).encode(), "in degrees"),
    "words.geojson": (json.dumps({"features": [line([["a", "b"], [1, 1]])]}).encode(), "no pair of numbers"),  # type: ignore[list-item]
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_line_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    data, words = BAD[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MapError, match=words) as caught:
        build_map(tmp_path / name, tmp_path / "map")
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_missing_source(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="does not exist"):
        build_map(tmp_path / "nowhere.osm.pbf", tmp_path / "map")


@needs_data
def test_a_cut_off_extract(tmp_path: Path) -> None:
    whole = (DATA / "maps" / "monaco.osm.pbf").read_bytes()
    (tmp_path / "half.osm.pbf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MapError, match="cut off"):
        build_map(tmp_path / "half.osm.pbf", tmp_path / "map")
    assert not (tmp_path / "map").exists()


@needs_data
@pytest.mark.parametrize(
    ("area", "junctions"), [("monaco", 1_000), pytest.param("porto-centre", 2_000, marks=pytest.mark.long)]
)
def test_a_real_city_twice(tmp_path: Path, area: str, junctions: int) -> None:
    from pmtiles.reader import MmapSource, Reader, all_tiles

    for name in ("one", "two"):
        summary = build_map(DATA / "maps" / f"{area}.osm.pbf", tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert summary.junctions > junctions
    with (tmp_path / "one" / "basemap.pmtiles").open("rb") as file:
        source = MmapSource(file)
        metadata = Reader(source).metadata()
        largest = max(len(tile) for _, tile in all_tiles(source))
    assert metadata["attribution"] == "© OpenStreetMap contributors"
    assert [layer["id"] for layer in metadata["vector_layers"]] == ["roads", "water", "green", "buildings"]
    assert largest < 100_000


ON_FOOT = EdgeFlag.LEGAL | EdgeFlag.PEDESTRIAN

SIGNED: dict[str, dict[int, tuple[int, int]]] = {
    "heidelberg": {
        29993649: (EdgeFlag.LEGAL, EdgeFlag.BUS),  # access:backward=no, psv:backward=designated
        156597596: (EdgeFlag.LEGAL, EdgeFlag.BUS),  # vehicle:backward=agricultural, psv=yes
        335713212: (EdgeFlag.AGAINST_ONEWAY, EdgeFlag.LEGAL),  # motor_vehicle:forward=agricultural
        47942997: (EdgeFlag.BUS, 0),  # access=psv, oneway=yes
    },
    "monaco": {
        448286547: (EdgeFlag.LEGAL, EdgeFlag.AGAINST_ONEWAY),  # access:backward=restricted
        161775601: (ON_FOOT, ON_FOOT),  # highway=footway, motor_vehicle=permissive
        261588681: (ON_FOOT, ON_FOOT),  # highway=pedestrian, access=permissive
    },
}


@needs_data
@pytest.mark.parametrize("area", cases(SIGNED, ["monaco"]))
def test_real_ways_are_read_as_they_are_signed(tmp_path: Path, area: str) -> None:
    build_map(DATA / "maps" / f"{area}.osm.pbf", tmp_path / area, tiles=False)
    network = RoadNetwork.load(tmp_path / area)
    for way, sides in SIGNED[area].items():
        edges = np.flatnonzero(network.way_id[network.edge_way] == way)
        for against, flags in enumerate(sides):
            found = network.edge_flags[edges[network.edge_against[edges] == bool(against)]]
            assert set((found & ~np.uint16(EdgeFlag.MAIN | EdgeFlag.GATE)).tolist()) == ({flags} if flags else set())
    if area == "monaco":
        # a boulevard that goes on only into a trap
        edges = np.flatnonzero(network.way_id[network.edge_way] == 166643408)
        assert np.all(network.edge_flags[edges] & EdgeFlag.MAIN)


def test_the_map_that_is_shipped() -> None:
    folder = Path(__file__).parents[2] / "maps" / "gothenburg"
    network = RoadNetwork.load(folder)
    assert content_id({name: getattr(network, name) for name in ARRAYS}, network.names) == network.content_id
    assert sum(len(data) for data in contents(folder).values()) < 3_000_000
    assert (network.area.name, network.area.licence) == ("Gothenburg", "ODbL-1.0")
    assert network.area.attribution == "© OpenStreetMap contributors"
    assert network.area.source_date == "2016-12-27T10:04:02Z"
    assert network.area.timezone == "Europe/Stockholm"


def test_one_way_streets_are_drawn_as_they_are_driven(tmp_path: Path) -> None:
    import geopandas

    corners = {"A": (0.0, 0.0), "B": (3.0, 0.0), "C": (6.0, 0.0), "D": (6.0, 3.0), "E": (3.0, 3.0), "F": (0.0, 3.0)}
    drawing = Drawing(corners)
    drawing.way("ABC", name="East", oneway="yes")
    drawing.way("DEF", name="West", oneway="yes")
    drawing.way("DC", name="North", oneway="-1")  # driven from C to D
    drawing.way("FA", name="South")
    source = tmp_path / "round-the-block.osm"
    source.write_text(drawing.xml(), encoding="utf-8")
    build_map(source, tmp_path / "map")
    roads = geopandas.read_file(tmp_path / "map" / "basemap.pmtiles", layer="roads").to_crs(4326)
    assert {name: bool(along) for name, along in zip(roads["name"], roads["along"].fillna(False), strict=True)} == {
        "East": True, "West": True, "North": True, "South": False,
    }  # fmt: skip
    for name, axis, sign in (("East", 0, 1), ("West", 0, -1), ("North", 1, 1)):
        (line,) = roads[roads["name"] == name].geometry.explode()
        way = np.array(line.coords)
        assert sign * (way[-1] - way[0])[axis] > 0.001, name


def test_water_of_its_own_file_is_drawn_and_leaves_the_network_alone(tmp_path: Path) -> None:
    from pmtiles.reader import MmapSource, Reader

    source, pond = tmp_path / "three-streets.osm", tmp_path / "pond.geojson"
    source.write_text(triangle().xml(), encoding="utf-8")
    west, south, _, _ = build_map(source, tmp_path / "dry") and RoadNetwork.load(tmp_path / "dry").area.extent
    ring = [[west, south], [west + 0.002, south], [west, south + 0.002], [west, south]]
    pond.write_text(
        json.dumps({"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}),
        encoding="utf-8",
    )
    build_map(source, tmp_path / "wet", water=pond)
    dry, wet = contents(tmp_path / "dry"), contents(tmp_path / "wet")
    assert {name for name in dry if dry[name] != wet[name]} == {"basemap.pmtiles"}
    with (tmp_path / "wet" / "basemap.pmtiles").open("rb") as file:
        layers = Reader(MmapSource(file)).metadata()["vector_layers"]
    assert [layer["id"] for layer in layers] == ["roads", "water"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no JSON", "is not GeoJSON"),
        ('{"type": "FeatureCollection"}', "is not GeoJSON"),
        ('{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}', "holds no areas"),
        ('{"type": "Polygon", "coordinates": [[[1, 2]]]}', "is not GeoJSON"),
    ],
)
def test_a_water_file_that_cannot_be_used_is_named_with_the_remedy(tmp_path: Path, text: str, said: str) -> None:
    source, water = tmp_path / "three-streets.osm", tmp_path / "water.geojson"
    source.write_text(triangle().xml(), encoding="utf-8")
    water.write_text(text, encoding="utf-8")
    with pytest.raises(MapError, match=said):
        build_map(source, tmp_path / "map", water=water)
    assert not (tmp_path / "map").exists()
