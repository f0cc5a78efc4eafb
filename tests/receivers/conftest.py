"""One server whose receivers all listen, for the tests of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from geo_backup.receivers.config import Receiver, receivers_of
from tests.receivers.broker import Broker
from tests.running import ServerInThread, free_port


@pytest.fixture(scope="package")
def broker() -> Iterator[Broker]:
    started = Broker(free_port())
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="package")
def receivers(broker: Broker) -> dict[str, Receiver]:
    """By way; their ports are any that are free."""
    sections = {
        "udp": {"port": 0, "panic_events": [1]},
        "tcp": {"port": 0, "idle_s": 1, "connections": 3},
        "mqtt": {"url": broker.url},
        "tak": {"port": 0},
    }
    listening = receivers_of(sections, Path())
    for one in listening:
        one.bind()
    return {one.way: one for one in listening}


@pytest.fixture(scope="package")
def server(receivers: dict[str, Receiver], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    folder = tmp_path_factory.mktemp("receivers")
    started = ServerInThread(folder / "log.sqlite", receivers=tuple(receivers.values())).start()
    yield started
    started.stop()


@pytest.fixture(scope="package")
def http(server: ServerInThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client
