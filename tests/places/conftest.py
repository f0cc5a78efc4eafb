"""One drawn town for all tests of places."""

from __future__ import annotations

from pathlib import Path

import pytest

from geo_backup.places import Gazetteer
from tests.places import town


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("town")


@pytest.fixture(scope="session")
def places(folder: Path) -> Gazetteer:
    return town.gazetteer(folder)
