"""One real server for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.running import Server, ServerInThread
from tests.told import Told


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = ServerInThread(tmp_path_factory.mktemp("server") / "log.sqlite").start()
    yield server
    server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    """Asks the server, and holds every answer against what `/openapi.json` says of it."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as client:
        Told.of(client)
        yield client
