"""What tests of a running server share."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from geo_backup.people import Roster
from tests.asking import new_incident
from tests.running import ServerInThread


@pytest.fixture
def incident(http: httpx.Client) -> Iterator[str]:
    incident_id = new_incident(http)
    yield incident_id
    http.post(f"/v1/incidents/{incident_id}/close")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    """A server for which people can be configured."""
    folder = tmp_path_factory.mktemp("guarded")
    server = ServerInThread(folder / "log.sqlite", roster=Roster(folder / "people.sqlite")).start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()
