"""What is small and means much: files that unpack to all the memory there is, arrays that are programs, and brackets
without end. Each is refused in words, for a bounded price."""

from __future__ import annotations

import base64
import bz2
import gzip
import pickle
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from geo_backup.backup.demand import Demand
from geo_backup.backup.run_card import read_cards
from geo_backup.cartography import tiles
from geo_backup.cartography.osm import read_osm
from geo_backup.cartography.tiles import check_tiles
from geo_backup.errors import BadValueError, GeoBackupError, MapError, TrackError
from geo_backup.lab import learning
from geo_backup.lab.learning import Model
from geo_backup.lab.scenario import read_scenario
from geo_backup.node import Node
from geo_backup.roads.network import RoadNetwork
from geo_backup.roads.pace import Lesson
from geo_backup.roads.profile import ROUTINE
from geo_backup.roads.traffic import Traffic
from geo_backup.settings import Config
from geo_backup.wire import checkpoint, decisions
from tests.node.test_node import asking, running
from tests.running import GOTHENBURG, network_of

SIZE = 256 << 20
RUN = Path(tempfile.gettempdir()) / "geo_backup-unpickled"


@contextmanager
def within_mb(most: float) -> Iterator[None]:
    """This process never holds so much more memory in it."""
    Path("/proc/self/clear_refs").write_text("5")  # the most it held so far is forgotten
    before_mb = held_mb()
    yield
    assert held_mb() - before_mb < most


def held_mb() -> float:
    """The most that this process has held."""
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1_000


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """256 MB of zeros, in a thousandth of the room."""
    packer = zlib.compressobj(1)
    piece = bytes(1 << 20)
    return b"".join([*(packer.compress(piece) for _ in range(SIZE >> 20)), packer.flush()])


class Harmful:
    """Unpickled, it does something."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (RUN,)


def test_what_the_log_keeps_packed_does_not_unpack_without_end(bomb: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "UNPACKED_MAX", 8 << 20)
    text = base64.b85encode(bomb).decode()
    readers: tuple[Callable[[], object], ...] = (
        lambda: checkpoint.parse(bomb),
        lambda: decisions.unpack(text),
        lambda: Demand.unpacked(text),
        lambda: Lesson.unpacked(text),
        lambda: Traffic.unpacked(text, 30_000),
    )
    for read in readers:
        with within_mb(150), pytest.raises(GeoBackupError):
            read()


def test_a_tile_that_unpacks_without_end_is_no_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TILE_MAX", 8 << 20)
    path = tmp_path / "basemap.pmtiles"
    for size in (1 << 20, 64 << 20):
        with path.open("wb") as file:
            writer = Writer(file)
            writer.write_tile(zxy_to_tileid(0, 0, 0), gzip.compress(bytes(size), 1))
            kind = {"tile_type": TileType.MVT, "tile_compression": Compression.GZIP}
            writer.finalize({**kind, "min_lon_e7": 0, "min_lat_e7": 0, "max_lon_e7": 1, "max_lat_e7": 1}, {})
        if size < tiles.TILE_MAX:
            assert check_tiles(path) == 1
        else:
            with within_mb(40), pytest.raises(MapError, match="unpacks to more than one holds"):
                check_tiles(path)


def number(value: int) -> bytes:
    """As protobuf has it."""
    return bytes([value & 127 | 128]) + number(value >> 7) if value > 127 else bytes([value])


def block(kind: bytes, packed: bytes, size: int) -> bytes:
    """A block of a PBF file that says that it unpacks to so many bytes."""
    blob = b"\x10" + number(size) + b"\x1a" + number(len(packed)) + packed
    head = b"\x0a" + number(len(kind)) + kind + b"\x18" + number(len(blob))
    return len(head).to_bytes(4, "big") + head + blob


def test_an_extract_that_unpacks_without_end_is_no_map(tmp_path: Path, bomb: bytes) -> None:
    begun = zlib.compress(b"\x22\x0eOsmSchema-V0.6")
    files = {
        "says_so.osm.pbf": block(b"OSMHeader", bomb, SIZE),
        "lies.osm.pbf": block(b"OSMHeader", bomb, 1_000),
        "later.osm.pbf": block(b"OSMHeader", begun, 16) + block(b"OSMData", bomb, SIZE),
        "tag.osm.gz": gzip.compress(b'<osm version="0.6"><node id="1" user="' + b"a" * (64 << 20), 1),
        "text.osm.gz": gzip.compress(b'<osm version="0.6"><way id="1" visible="false"/>' + b" " * (64 << 20), 1),
        "tag.osm.bz2": bz2.compress(b'<osm version="0.6"><node id="1" user="' + b"a" * (16 << 20), 1),
    }
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        with within_mb(100), pytest.raises(MapError, match=r"cannot be read as OpenStreetMap data|no tag ends"):
            read_osm(path)


def test_a_learned_model_that_unpacks_without_end_or_is_a_program_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "UNPACKED_MAX", 8 << 20)
    path, town = tmp_path / "routine.npz", network_of(GOTHENBURG)
    harmful = np.array([Harmful()], dtype=object)
    zeros = np.zeros(64 << 17)
    for of, sums in ((np.array("{}"), zeros), (harmful, np.zeros(3)), (np.array("{}"), harmful)):
        np.savez_compressed(path, of=of, sums=sums, drives=np.zeros(3), minute=np.array(1))
        with within_mb(40), pytest.raises(TrackError, match="no model that `geo-backup learn` wrote"):
            Model.load(path, town, ROUTINE)
    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(TrackError, match="no model"):
        Model.load(path, town, ROUTINE)
    assert not RUN.exists()


def test_an_array_of_a_map_that_is_a_program_is_not_run(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(GOTHENBURG, tmp_path / "map", ignore=shutil.ignore_patterns("*.pmtiles")))
    path = next((folder / "network").glob("*.npy"))
    for content in (pickle.dumps(Harmful()), b""):
        path.write_bytes(content)
        if not content:
            np.save(path, np.array([Harmful()], dtype=object))
        with pytest.raises(MapError, match=path.name):
            RoadNetwork.load(folder)
    assert not RUN.exists()


def test_a_request_is_not_unpacked(bomb: bytes, tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        async with asking(node) as http:
            for method, path in (("POST", "/v1/positions"), ("PUT", "/v1/beats"), ("PUT", "/v1/demand")):
                for coding in ("gzip", "deflate", "br"):
                    answer = await http.request(
                        method, path, content=bomb[:200_000], headers={"Content-Encoding": coding}
                    )
                    assert answer.status_code in (400, 422), f"{path}: {answer.text[:200]}"

    with within_mb(100):
        running(story, tmp_path / "log.sqlite")


@pytest.mark.parametrize(
    "said", [b"x = " + b"[" * 5_000, b"x = " + b"9" * 5_000, b"\x00\xff", b"[a", b"a = 1\na = 2"], ids=range(5)
)
def test_toml_that_is_none_is_said_in_one_line(tmp_path: Path, said: bytes) -> None:
    folder = tmp_path / "map"
    folder.mkdir()
    for path in (tmp_path / "site.toml", folder / "area.toml"):
        path.write_bytes(said)
    readers: tuple[tuple[type[GeoBackupError], Callable[[], object]], ...] = (
        (BadValueError, lambda: Config.read(tmp_path / "site.toml")),
        (MapError, lambda: RoadNetwork.load(folder)),
        (BadValueError, lambda: read_cards(said)),
        (BadValueError, lambda: read_scenario(said.decode("latin-1"))),
    )
    for error, read in readers:
        with pytest.raises(error) as told:
            read()
        assert len(str(told.value).splitlines()) == 1
