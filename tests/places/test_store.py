"""The file of places: the same bytes every time, and what is said where there is none."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from geo_backup.places import Gazetteer
from geo_backup.places.from_network import build
from geo_backup.places.outline import Meeting, pack, pack_meetings, unpack, unpack_meetings
from geo_backup.places.store import FILE
from geo_backup.roads.network import RoadNetwork
from tests.places import town


@pytest.fixture
def copy(places: Gazetteer, folder: Path, tmp_path: Path) -> Path:
    """The town's map, to be spoilt."""
    return Path(shutil.copytree(folder / "map", tmp_path / "map"))


def test_a_map_without_places_says_so_and_takes_coordinates(copy: Path) -> None:
    (copy / FILE).unlink()
    gazetteer = Gazetteer(RoadNetwork.load(copy))
    assert "built without places" in gazetteer.refusal
    assert gazetteer.find("rua formosa") == ((), False, ("no_places",))
    assert gazetteer.find("50.0, 10.0").found[0].kind == "coordinates"
    assert gazetteer.name(*town.place(2.0, 0.0)).text.startswith("Rua Formosa at")


def test_an_older_map_gets_its_streets_and_crossings(copy: Path) -> None:
    (copy / FILE).unlink()
    build(copy)
    first = (copy / FILE).read_bytes()
    build(copy)
    assert (copy / FILE).read_bytes() == first
    gazetteer = Gazetteer(RoadNetwork.load(copy))
    answer = gazetteer.find("formosa x sta catarina")
    assert answer.found[0].name == "Rua Formosa / Rua de Santa Catarina"
    assert answer.lacks == ("no_house_numbers",)
    assert gazetteer.find("rua formosa 12").found[0].missing == "house_numbers"
    assert sorted(path.name for path in copy.iterdir() if path.name.startswith(".")) == [], "no scaffolding is left"


@pytest.mark.parametrize("spoilt", [b"", b"SQLite format 3\x00 and then nothing", b"no database at all"])
def test_a_broken_file_is_as_good_as_none(copy: Path, spoilt: bytes) -> None:
    (copy / FILE).write_bytes(spoilt)
    gazetteer = Gazetteer(RoadNetwork.load(copy))
    assert gazetteer.refusal
    assert gazetteer.find("rua formosa").lacks == ("no_places",)


def test_packed_is_what_it_was() -> None:
    parts = [[(100_000_050, -50), (100_000_100, 500_000_000)], [(0, 0), (-1_799_999_950, 50), (50, 50)]]
    assert [[tuple(round(v * 1e7) for v in row) for row in part.tolist()] for part in unpack(pack(parts))] == parts
    meetings = [Meeting(3, 100_000_000, 5_000), Meeting(700, 99_000_000, -5_000)]
    assert unpack_meetings(pack_meetings(meetings, 99_999_950, 50), 99_999_950, 50) == [
        Meeting(3, 100_000_000, 5_000), Meeting(700, 99_000_000, -5_000)
    ]  # fmt: skip
