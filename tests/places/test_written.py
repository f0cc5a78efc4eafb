"""Addresses and crossings of a real town as people write them: the short form of `tests/benchmarks/places.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from geo_backup.cartography.build import build_map
from geo_backup.places import Gazetteer
from geo_backup.roads.network import RoadNetwork
from tests.benchmarks.places import DATA, draw, keystrokes, score

EXTRACT = DATA / "maps" / "monaco.osm.pbf"


@pytest.mark.skipif(not EXTRACT.exists(), reason=f"{EXTRACT} is not here: set GEO_BACKUP_DATA")
def test_the_right_place_is_found(tmp_path: Path) -> None:
    build_map(EXTRACT, tmp_path / "map", tiles=False)
    gazetteer = Gazetteer(RoadNetwork.load(tmp_path / "map"))
    texts = draw(EXTRACT, 120, seed=7)
    found = score(gazetteer, texts)
    assert found.asked == 120
    assert found.first >= 0.97 * found.asked, found.misses
    assert found.third >= 0.99 * found.asked, found.misses
    took_ms = sorted(keystrokes(gazetteer, texts[::12]))
    assert took_ms[len(took_ms) // 2] < 10.0, "of the processor; the benchmark measures the slowest, too"
