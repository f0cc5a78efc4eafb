"""Nodes in this process on one stream of a real NATS server: what one says stands in all of them, once, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from geo_backup.cluster.address import address_of
from geo_backup.cluster.cluster import Cluster
from geo_backup.cluster.log import ClusterLog
from tests.cluster.servers import NatsServers
from tests.conformance.event_log import EventLogConformance, everything, fact, ping
from tests.running import in_time

AREAS = count(1)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServers]:
    servers = NatsServers.begin(tmp_path_factory.mktemp("nats"), 1)
    yield servers
    servers.stop()


@pytest.fixture
def url(servers: NatsServers) -> str:
    """The address of an area that nobody has used."""
    return servers.address(f"area{next(AREAS)}")


@asynccontextmanager
async def node(url: str, copy: Path, name: str = "", kind: type[Cluster] = Cluster) -> AsyncIterator[ClusterLog]:
    """The log of a node that runs for as long as this."""
    cluster = kind(address_of(url), name or f"http://{copy.stem}", now_ms)
    log = await cluster.join(copy, reserve_bytes=0)
    try:
        yield log
    finally:
        await cluster.leave()
        log.close()


class NobodyLeads(Cluster):
    """A node of a log that has no event but what a test says."""

    async def _claim(self) -> None:
        await asyncio.get_running_loop().create_future()


class TestEveryPromiseOfALog(EventLogConformance):
    @pytest.fixture(autouse=True)
    def _servers(self, servers: NatsServers) -> None:
        self.servers, self.areas = servers, dict[Path, str]()

    def run(self, folder: Path, story: Any) -> Any:
        folder.mkdir(exist_ok=True)
        url = self.areas.setdefault(folder, self.servers.address(f"area{next(AREAS)}"))

        async def whole() -> Any:
            async with node(url, folder / "copy.sqlite", kind=NobodyLeads) as log:
                return await asyncio.wait_for(story(log), 60)

        return asyncio.run(whole())


def test_what_is_said_at_one_node_stands_in_all_once_and_in_order(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with node(url, tmp_path / "a.sqlite") as a, node(url, tmp_path / "b.sqlite") as b:
            assert a.epoch == b.epoch
            said = await asyncio.gather(
                *(
                    log.append([fact(n, f"{name}{n}"), ping("P1", n)])
                    for n in range(20)
                    for name, log in (("a", a), ("b", b))
                )
            )
            again = await b.append([fact(3, "a3")])
            assert again == [said[6][0]], "what stands is not recorded again, whoever says it"
            await in_time(lambda: a.last_seq == b.last_seq or None, "both to have all")
            here, there = await everything(a), await everything(b)
            assert here == there
            assert [seq for seq, _ in here] == list(range(1, len(here) + 1))
            assert sorted(seq for seqs in said for seq in seqs) == [
                seq for seq, event in here if event.said_by != "node"
            ]

    asyncio.run(story())
