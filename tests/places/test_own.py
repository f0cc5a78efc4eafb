"""An agency's own places: kept apart from the map, found with it, and what is to know of them told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from geo_backup import cli
from geo_backup.errors import BadValueError
from geo_backup.formats.own_places import read_own_places
from geo_backup.places import Gazetteer
from geo_backup.roads.network import RoadNetwork
from tests.places import town


@pytest.fixture
def map_folder(places: Gazetteer, folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder / "map", tmp_path / "map"))


def run(*arguments: str, said: bytes = b"") -> Result:
    return CliRunner().invoke(cli.app, ["places", *arguments], input=said, catch_exceptions=False)


PREMISES = """name;kind;lon;lat;address;hazard
Oficina Silva;premises;{0:.6f};{1:.6f};;gas bottles in the yard
Casa Ema;premises;;;Rua Formosa 12;aggressive dog
Nobody;premises;;;Rua Inventada 3;
;premises;10.0;50.0;;
Twisted;premises;50.0;100.0;;
"""


def test_own_places_are_found_beside_the_map_and_survive_a_build(map_folder: Path, tmp_path: Path) -> None:
    gazetteer = Gazetteer(RoadNetwork.load(map_folder))
    said = PREMISES.format(*town.place(5.0, 1.0)).encode("cp1252")
    added = run("add", "-", "--map", str(map_folder), said=said)
    assert "2 places added, 0 replaced, 3 left out" in added.stdout
    for line in ("line 4: 'Rua Inventada 3'", "line 5: it has no name", "line 6: 50.0, 100.0 is no lon, lat on earth"):
        assert line in added.stderr
    found = gazetteer.find("ofic silva").found[0]
    assert (found.kind, found.category, found.hazard) == ("own", "premises", "gas bottles in the yard")
    again = run("add", "-", "--map", str(map_folder), said=said)
    assert "0 places added, 2 replaced" in again.stdout
    source = tmp_path / "town.osm"
    source.write_text(town.drawn().xml(), encoding="utf-8")
    from geo_backup.cartography.build import build_map

    build_map(source, map_folder, tiles=False)
    rebuilt = Gazetteer(RoadNetwork.load(map_folder))
    assert rebuilt.find("casa ema").found[0].name == "Casa Ema"
    rows = json.loads(run("list", "--map", str(map_folder), "--json").stdout)
    assert [(row["kind"], row["name"]) for row in rows] == [("premises", "Casa Ema"), ("premises", "Oficina Silva")]
    assert "1 own places removed, 1 left" in run("remove", rows[0]["place_id"], "--map", str(map_folder)).stdout
    assert not [one for one in rebuilt.find("casa ema").found if one.kind == "own"], "seen while it is open"


def test_what_is_to_know_is_told_with_every_place_there(map_folder: Path) -> None:
    gazetteer = Gazetteer(RoadNetwork.load(map_folder))
    run("add", "-", "--map", str(map_folder), said=PREMISES.format(*town.place(5.0, 1.0)).encode())
    house = gazetteer.find("rua formosa 12").found[0]
    assert house.hazard == "Casa Ema: aggressive dog"
    lon, lat = town.place(5.0, 1.1)
    assert gazetteer.find(f"{lat}, {lon}").found[0].hazard == "Oficina Silva: gas bottles in the yard"
    assert gazetteer.hazard(lon, lat) == "Oficina Silva: gas bottles in the yard"
    assert gazetteer.find("rua formosa 20").found[0].hazard == ""


def test_beats_are_found_by_name_in_their_middle(map_folder: Path) -> None:
    square = [town.place(x, y) for x, y in ((0, 0), (4, 0), (4, 4), (0, 4), (0, 0))]
    beat = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [square]},
        "properties": {"beat_id": "B7"},
    }
    hydrant = {"type": "Feature", "id": "h1", "geometry": {"type": "Point", "coordinates": square[1]},
               "properties": {"name": "H 1", "kind": "hydrant"}}  # fmt: skip
    document = {
        "type": "FeatureCollection",
        "features": [beat, hydrant, {"type": "Feature", "geometry": None, "properties": {"name": "x"}}],
    }
    said = run("add", "-", "--map", str(map_folder), "--kind", "beat", said=json.dumps(document).encode())
    assert "2 places added" in said.stdout
    assert "line 3: it has no lon" in said.stderr
    found = Gazetteer(RoadNetwork.load(map_folder)).find("b7").found[0]
    assert (found.kind, found.category, found.precision) == ("own", "beat", "area")


@pytest.mark.parametrize(
    "data",
    [b"", b"a,b\n1,2\n", b"{", b'{"type": "FeatureCollection"}', b"name,lon,lat\n", b"[" * 50_000, b'{"a":' * 50_000],
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(BadValueError):
        read_own_places(data)
