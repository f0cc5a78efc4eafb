"""A map folder that was damaged on its way is refused by the name of what is wrong, and never driven on."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from geo_backup.cartography.build import build_map
from geo_backup.cli import app
from geo_backup.errors import MapError
from geo_backup.roads.network import ARRAYS, RoadNetwork
from geo_backup.roads.soundness import INDICES, SHAPES, STARTS

GOTHENBURG = Path(__file__).parents[2] / "maps" / "gothenburg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOTHENBURG, tmp_path / "map", ignore=shutil.ignore_patterns("*.pmtiles")))


def rewrite(folder: Path, name: str, change: Callable[[np.ndarray], np.ndarray | None]) -> None:
    path = folder / "network" / f"{name}.npy"
    array = np.load(path)
    changed = change(array)
    np.save(path, array if changed is None else changed)


def refused(folder: Path, name: str) -> None:
    with pytest.raises(MapError, match=name) as caught:
        RoadNetwork.load(folder)
    assert str(folder) in str(caught.value)
    assert "uild" in str(caught.value), "the remedy"


def put(index: int, value: float) -> Callable[[np.ndarray], None]:
    def change(array: np.ndarray) -> None:
        array.flat[index] = value

    return change


def test_a_whole_folder_is_opened_and_verified(folder: Path) -> None:
    network = RoadNetwork.load(folder)
    network.verify()
    assert set(SHAPES) == set(ARRAYS)


@pytest.mark.parametrize("value", [-1, 2**31 - 1], ids=["below", "above"])
@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("at", [0, 1_000, -1])
def test_an_index_out_of_range_is_named(folder: Path, name: str, value: int, at: int) -> None:
    rewrite(folder, name, put(at, value))
    refused(folder, name)


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize(("at", "value"), [(0, 1), (500, 2**30), (500, -5), (-1, 3)])
def test_offsets_that_do_not_rise_are_named(folder: Path, name: str, at: int, value: int) -> None:
    rewrite(folder, name, put(at, value))
    refused(folder, name)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e9])
def test_a_length_that_no_road_has_is_named(folder: Path, value: float) -> None:
    rewrite(folder, "piece_length_m", put(77, value))
    refused(folder, "piece_length_m")


@pytest.mark.parametrize(("name", "value"), [("junction_lon_e7", 0), ("junction_lat_e7", -(2**31)), ("way_class", 200)])
def test_a_value_that_no_map_holds_is_named(folder: Path, name: str, value: int) -> None:
    rewrite(folder, name, put(9, value))
    refused(folder, name)


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_of_another_shape_or_kind_is_named(folder: Path, name: str) -> None:
    for change in (
        lambda array: array[:-1],
        lambda array: np.concatenate((array, array[-1:])),
        lambda array: array[None],
        lambda array: array.astype(np.float64),
    ):
        kept = (folder / "network" / f"{name}.npy").read_bytes()
        rewrite(folder, name, change)
        with pytest.raises(MapError, match=r"[Bb]uild"):
            RoadNetwork.load(folder)
        (folder / "network" / f"{name}.npy").write_bytes(kept)
    RoadNetwork.load(folder)


@pytest.mark.parametrize("name", ARRAYS)
def test_a_file_that_is_cut_off_or_gone_is_named(folder: Path, name: str) -> None:
    path = folder / "network" / f"{name}.npy"
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:60], b"", b"PK\x03\x04" + whole, b"\x00" * len(whole)):
        path.write_bytes(broken)
        refused(folder, name)
    path.unlink()
    refused(folder, name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("piece_from", "piece_way"),
        ("way_name", "turn_from"),
        ("edge_code", "turn_from"),
        ("shape_start", "turn_start"),
        ("way_flags", "way_class"),
        ("piece_to", "piece_from"),
        ("edge_flags", "turn_facts"),
    ],
)
def test_swapped_files_are_found(folder: Path, one: str, other: str) -> None:
    """What is of one kind and size can only be told by the content id."""
    a, b = (folder / "network" / f"{name}.npy" for name in (one, other))
    kept = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(kept)
    with pytest.raises(MapError):
        RoadNetwork.load(folder).verify()


@pytest.mark.parametrize("name", [*(f"{name}.npy" for name in ARRAYS), "names.txt"])
def test_one_flipped_bit_is_found(folder: Path, name: str) -> None:
    path = folder / "network" / name
    data = bytearray(path.read_bytes())
    for at in (130, len(data) // 2, len(data) - 1):
        if len(data) <= at or (name != "names.txt" and at < 128):
            continue
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(MapError):
            RoadNetwork.load(folder).verify()
        data[at] ^= 1
        path.write_bytes(data)
    RoadNetwork.load(folder).verify()


@pytest.mark.parametrize("seed", range(8))
def test_rubbish_in_a_header_is_no_traceback(folder: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    for name in ("edge_code", "shape_step", "piece_length_m"):
        path = folder / "network" / f"{name}.npy"
        data = bytearray(path.read_bytes())
        data[int(random.integers(0, 100))] = int(random.integers(0, 256))
        path.write_bytes(data)
        with contextlib.suppress(MapError):  # a byte that means nothing may change
            RoadNetwork.load(folder).verify()
        path.write_bytes((GOTHENBURG / "network" / f"{name}.npy").read_bytes())


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("extent = [11.8717668,", "extent = [nan,", "extent"),
        ("extent = [11.8717668,", 'extent = ["west",', "extent"),
        ("extent = [11.8717668, ", "extent = [", "extent"),
        ("extent = [11.8717668,", "extent = [12.0,", "junction_lon_e7"),
        ("timezone =", "time =", "timezone"),
        ('name = "Gothenburg"', "name = 7", "name"),
        ("[area]", "[other]", "area"),
        ("format = 2", "format = 9", "format"),
        ("format = 2", "format = = 2", "TOML"),
    ],
)
def test_an_area_that_says_too_little_is_refused(folder: Path, old: str, new: str, named: str) -> None:
    path = folder / "area.toml"
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    refused(folder, named)


@pytest.mark.parametrize("data", [None, b"\xff\xfe", b"", b"no empty name first"])
def test_names_that_are_gone_or_no_text_are_named(folder: Path, data: bytes | None) -> None:
    path = folder / "network" / "names.txt"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    refused(folder, "names")


def test_limits_by_direction_are_sound(tmp_path: Path) -> None:
    rows = ['<osm version="0.6">', '<node id="1" lon="10" lat="50"/><node id="2" lon="10.001" lat="50"/>']
    rows.append(
        '<way id="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="service"/><tag k="maxheight:forward" v="2"/>'
    )
    (tmp_path / "low.osm").write_text("\n".join([*rows, "</way></osm>"]))
    build_map(tmp_path / "low.osm", tmp_path / "map", tiles=False)
    network = RoadNetwork.load(tmp_path / "map")
    network.verify()
    assert network.way_limits.tolist() == [[20, 0, 0, 0, 0, 0]]
    rewrite(tmp_path / "map", "way_limits", lambda limits: limits[:, :5])
    refused(tmp_path / "map", "way_limits")


def test_map_info_checks_what_opening_does_not(folder: Path) -> None:
    run = CliRunner()
    said = run.invoke(app, ["map", "info", str(folder), "--json"])
    assert said.exit_code == 0
    assert json.loads(said.stdout)["checked"] == "the arrays are as they were built"
    shutil.copy(GOTHENBURG / "basemap.pmtiles", folder)
    said = run.invoke(app, ["map", "info", str(folder), "--json", "--check"])
    assert "every tile" in json.loads(said.stdout)["checked"]
    tiles = bytearray((folder / "basemap.pmtiles").read_bytes())
    tiles[len(tiles) // 2 : len(tiles) // 2 + 400] = b"x" * 400
    (folder / "basemap.pmtiles").write_bytes(tiles)
    with pytest.raises(MapError, match=r"basemap.pmtiles.*uild"):
        run.invoke(app, ["map", "info", str(folder), "--check"], catch_exceptions=False)
    rewrite(folder, "piece_length_m", put(3, 5.0))
    RoadNetwork.load(folder)
    with pytest.raises(MapError, match="content_id"):
        run.invoke(app, ["map", "info", str(folder)], catch_exceptions=False)
