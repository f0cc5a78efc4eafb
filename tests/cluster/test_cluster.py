"""Nodes in this process on one stream of a real NATS server: what one says stands in all of them, once, in order."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from geo_backup.cluster import messages
from geo_backup.cluster.address import address_of
from geo_backup.cluster.cluster import Cluster
from geo_backup.cluster.log import ClusterLog
from geo_backup.cluster.people import bring
from geo_backup.cluster.stream import end_all
from geo_backup.custody import TermBegan
from geo_backup.errors import LogError, LogFullError
from geo_backup.eventlog import open_log
from geo_backup.eventlog.copies import backup, restore
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.events import IncidentNoted
from geo_backup.pair.begin import copy_log
from geo_backup.pair.follower import Calls
from geo_backup.pair.line import Line
from geo_backup.pair.log import PairedLog
from geo_backup.people import Roster
from tests.cluster.servers import NatsServers, program
from tests.conformance.event_log import T0, EventLogConformance, everything, fact, ping, registered
from tests.pair.wire import Wire
from tests.running import eventually, free_port, in_time

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


async def join(url: str, copy: Path, name: str = "", kind: type[Cluster] = Cluster) -> Cluster:
    cluster = kind(address_of(url), name or f"http://{copy.stem}", now_ms)
    await cluster.join(copy, reserve_bytes=0)
    return cluster


@asynccontextmanager
async def together(url: str, copy: Path, name: str = "", kind: type[Cluster] = Cluster) -> AsyncIterator[Cluster]:
    """A node's part of a cluster for as long as this."""
    cluster = await join(url, copy, name, kind)
    try:
        yield cluster
    finally:
        await cluster.leave()
        cluster.log.close()


@asynccontextmanager
async def node(url: str, copy: Path, name: str = "", kind: type[Cluster] = Cluster) -> AsyncIterator[ClusterLog]:
    """The log of one."""
    async with together(url, copy, name, kind) as cluster:
        yield cluster.log


def begins(term: int, log: ClusterLog) -> TermBegan:
    named = {"event_id": f"term:{term}", "leader": log.lead.node, "url": log.lead.node}
    return TermBegan(received_ms=T0, said_by="node", term=term, how="handed", **named)


def calls_to(cluster: Cluster) -> Calls:
    """How another machine calls that one, in memory."""

    async def call(url: str) -> Line:
        here, there = Wire(), Wire()
        here.other, there.other = there, here
        serving.append(asyncio.create_task(cluster.serve(there)))
        return here

    serving: list[asyncio.Task[None]] = []
    return call


def test_what_loses_a_cancellation_ends_all_the_same() -> None:
    async def story() -> None:
        lost = 0

        async def loses() -> None:
            nonlocal lost
            while lost < 3:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    lost += 1  # as `asyncio.wait_for` does before Python 3.12 where an answer comes at that moment
            await asyncio.sleep(60)

        task = asyncio.create_task(loses())
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await end_all([task])
        assert task.cancelled()
        assert lost == 3

    asyncio.run(story())


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


def test_when_the_leader_falls_silent_another_leads_and_what_the_former_decided_is_left_out(
    url: str, tmp_path: Path
) -> None:
    async def story() -> None:
        async with node(url, tmp_path / "b.sqlite") as b:
            await in_time(lambda: b.leads or None, "a first leader")
            async with node(url, tmp_path / "a.sqlite") as a:
                assert not a.leads
                late = replace(fact(1, "decided late"), said_by="node")
                await a.append([begins(b.term.number + 1, a)])
                await in_time(lambda: (a.leads and not b.leads) or None, "the lead is handed over")
                # as if the former had said it before it heard of the other, and been asleep
                asleep = messages.message(b.lead.process, b.epoch, [(99, 1, messages.packed([late]))])
                await b.stream.publish(asleep, "asleep")
                await a.append([fact(2, "after it")])
                assert late not in [event for _, event in await everything(a)]
                assert await a.append([late]), "the one that leads says it"
                await in_time(lambda: a.last_seq == b.last_seq or None, "both to have all")
                assert await everything(a) == await everything(b)
            began = time.monotonic()
            await in_time(lambda: b.leads or None, "the other one leads")
            assert time.monotonic() - began < 5.0

    asyncio.run(story())


def test_a_claim_that_comes_late_takes_the_lead_from_nobody(url: str, tmp_path: Path) -> None:
    """In one message with it stands what the leader of the newest term decided: that is recorded."""

    async def story() -> None:
        async with node(url, tmp_path / "a.sqlite") as a:
            await in_time(lambda: a.leads or None, "a first leader")
            await a.append([begins(2, a)])
            late, decided = messages.packed([begins(1, a)]), messages.packed([replace(fact(1, "new"), said_by="node")])
            await a.stream.publish(messages.message("x", a.epoch, [(1, 0, late), (2, 2, decided)]), "late")
            await a.append([fact(2, "after it")])
            assert "new" in [event.event_id for _, event in await everything(a)]
            assert a.term.number == 2

    asyncio.run(story())


def test_a_log_of_one_machine_becomes_the_beginning_and_a_new_node_begins_with_a_copy(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        with closing(PairedLog.open(tmp_path / "a.sqlite", reserve_bytes=0)) as alone:
            epoch = alone.epoch
            await alone.append([registered("P1"), ping("P1", 1)])
        async with together(url, tmp_path / "a.sqlite") as a:
            assert a.log.epoch == epoch
            await a.log.append([fact(1, "shared")])
            with pytest.raises(LogError, match="begin with one of theirs"):
                await join(url, tmp_path / "b.sqlite")
            await copy_log("http://a", calls_to(a), tmp_path / "b.sqlite", lambda done, total: None)
            async with node(url, tmp_path / "b.sqlite") as b:
                assert await b.append([ping("P1", 2)])
                await in_time(lambda: a.log.last_seq == b.last_seq or None, "both to have all")
                assert await everything(a.log) == await everything(b)
        assert prove(tmp_path / "b.sqlite").wrong == []

    asyncio.run(story())


def test_another_log_is_not_taken_for_a_copy_nor_a_copy_for_another_log(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with node(url, tmp_path / "a.sqlite") as a:
            await a.append([registered("P1")])
        with closing(open_log(tmp_path / "b.sqlite", reserve_bytes=0)) as other:
            await other.append([registered("P1")])
        with pytest.raises(LogError, match="another log than the one that is shared"):
            await join(url, tmp_path / "b.sqlite")
        with pytest.raises(LogError, match="a node's copy of a log that is shared"):
            open_log(tmp_path / "a.sqlite")
        with closing(open_log(tmp_path / "a.sqlite", read_only=True)) as read:
            assert len(await everything(read)) >= 1
        backup(tmp_path / "a.sqlite", tmp_path / "backup.sqlite")
        restore(tmp_path / "backup.sqlite", tmp_path / "c.sqlite")
        with closing(open_log(tmp_path / "c.sqlite", reserve_bytes=0)) as own:
            assert await own.append([ping("P1", 1)])

    asyncio.run(story())


def test_two_nodes_of_one_name_do_not_start(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with node(url, tmp_path / "a.sqlite", "http://same"):
            with pytest.raises(LogError, match="--url"):
                await join(url, tmp_path / "b.sqlite", "http://same")

    asyncio.run(story())


def test_a_node_goes_on_after_its_server_was_killed_and_says_so_meanwhile(tmp_path: Path) -> None:
    async def story(own: NatsServers) -> None:
        async with node(own.address("area"), tmp_path / "a.sqlite") as log:
            await in_time(lambda: log.leads or None, "it leads")
            said = [log.append([fact(n, f"before {n}")]) for n in range(5)]
            await asyncio.gather(*said)
            own.each[0].kill()
            late = asyncio.ensure_future(log.append([fact(9, "late")]))
            await in_time(lambda: log.state.name == "cut_off" or None, "it is said")
            await in_time(lambda: not log.leads or None, "it decides nothing")
            await asyncio.to_thread(own.each[0].start)
            assert await late, "what waited is recorded"
            await in_time(lambda: log.state.name == "ok" or None, "it is over")
            assert [event.event_id for _, event in await everything(log) if event.said_by != "node"] == [
                *(f"before {n}" for n in range(5)),
                "late",
            ]

    own = NatsServers.begin(tmp_path, 1)
    try:
        asyncio.run(story(own))
    finally:
        own.stop()


def test_servers_that_lost_the_stream_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geo_backup.cluster.stream.LOST_AFTER_S", 1.0)

    async def story(own: NatsServers) -> None:
        async with node(own.address("area"), tmp_path / "a.sqlite") as log:
            await log.append([fact(1, "one")])
            own.each[0].kill()
            shutil.rmtree(tmp_path / "store-0")
            await asyncio.to_thread(own.each[0].start)
            await in_time(lambda: log.wrong or None, "it is said")
            assert "has lost its stream" in log.state.words
            assert log.state.name == "cut_off"
            with pytest.raises(LogError, match="has lost its stream"):
                await log.append([fact(2)])

    own = NatsServers.begin(tmp_path, 1)
    try:
        asyncio.run(story(own))
    finally:
        own.stop()


def test_a_full_disk_of_one_node_stops_nobody_else_and_nothing_is_left_out(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [False]

    def transaction(self: SqliteLog, group: Any, urgent: bool) -> Any:
        if full[0] and self.path.stem == "b":
            raise LogFullError("full")
        return real(self, group, urgent)

    real = SqliteLog._transaction
    monkeypatch.setattr(SqliteLog, "_transaction", transaction)
    monkeypatch.setattr("geo_backup.cluster.log.ROOM_AGAIN_S", 0.05)

    async def story() -> None:
        async with node(url, tmp_path / "a.sqlite") as a, node(url, tmp_path / "b.sqlite") as b:
            await a.append([fact(1, "one")])
            full[0] = True
            for n in range(5):
                await a.append([fact(n, f"while full {n}")])
            await in_time(lambda: b.state.name == "full" or None, "the disk is full")
            assert not b.ready
            full[0] = False
            await in_time(lambda: a.last_seq == b.last_seq or None, "all of it")
            assert await everything(a) == await everything(b)

    asyncio.run(story())


def test_what_is_too_long_for_a_message_stands_in_all_the_same(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with node(url, tmp_path / "a.sqlite") as a, node(url, tmp_path / "b.sqlite") as b:
            noise = random.Random(1).randbytes(1_500_000).hex()
            note = IncidentNoted(received_ms=T0, incident_id="i", note_id="n", text=noise)
            (seq,) = await a.append([note])
            assert await b.append([fact(1)]) > [seq]
            await in_time(lambda: a.last_seq == b.last_seq or None, "both to have all")
            assert await everything(a) == await everything(b)
            assert (seq, note) in await everything(b)

    asyncio.run(story())


def test_rubbish_in_the_stream_is_left_out_and_a_fact_of_a_newer_version_is_not(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with node(url, tmp_path / "a.sqlite") as a, node(url, tmp_path / "b.sqlite") as b:
            await b.append([fact(1, "before")])
            for n, rubbish in enumerate(
                (b"", b"rubbish", b"z" + bytes(9), b"[]", b'{"node":"x","log":"y","said":[[1,0,[7]]]}')
            ):
                await a.stream.publish(rubbish, f"rubbish {n}")
            with pytest.raises(LogError, match="a position has none"):
                await a.append([replace(ping("P1", 1), event_id="named")])
            await b.append([fact(2, "after")])
            assert [event.event_id for _, event in await everything(b) if event.said_by != "node"] == [
                "before",
                "after",
            ]
            foreign = messages.message("x", "another log", [(1, 0, messages.packed([fact(3, "foreign")]))])
            await a.stream.publish(foreign, "foreign")
            await b.append([fact(4, "after")])
            assert "foreign" not in [event.event_id for _, event in await everything(b)]
            future = messages.message("x", a.epoch, [(1, 0, b'[{"fact":"FutureFact","x":1}]')])
            await a.stream.publish(future, "newer")
            await in_time(lambda: (a.wrong and b.wrong) or None, "both stop")
            assert "newer geo_backup" in a.state.words

    asyncio.run(story())


def test_no_second_log_is_begun_while_nodes_of_a_lost_one_are_there(tmp_path: Path) -> None:
    async def story(own: NatsServers) -> None:
        url = own.address("area")
        async with together(url, tmp_path / "a.sqlite") as a:
            await a.log.append([fact(1, "one")])
            await a.stream._ask("STREAM.DELETE.geo_backup_area", {})
            with pytest.raises(LogError, match="it was lost"):
                await join(url, tmp_path / "b.sqlite")

    own = NatsServers.begin(tmp_path, 1)
    try:
        asyncio.run(story(own))
    finally:
        own.stop()


def test_who_may_speak_is_known_to_a_new_node_before_it_lets_anybody_in(url: str, tmp_path: Path) -> None:
    async def story() -> None:
        with closing(Roster(tmp_path / "a.roster")) as known:
            token = known.tokens.issue("cad", "program", agency="*", roles=("viewer",), by="test")
            async with together(url, tmp_path / "a.sqlite") as a:
                sharing = asyncio.create_task(a._people.share(known, lambda: True))
                await in_time_of(a.stream.kept, "people are told")
                await bring(address_of(url), tmp_path / "b.roster")
                sharing.cancel()
        with closing(Roster(tmp_path / "b.roster")) as new:
            assert new.who(token) is not None

    asyncio.run(story())


async def in_time_of(ask: Callable[[], Awaitable[object]], what: str) -> None:
    until_s = time.monotonic() + 20
    while not await ask():
        assert time.monotonic() < until_s, what
        await asyncio.sleep(0.05)


def test_an_old_server_and_a_wrong_password_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "nats.conf"
    port = free_port()
    config.write_text(
        f"listen: 127.0.0.1:{port}\njetstream {{ store_dir: '{tmp_path}' }}\n"
        "authorization { user: node, password: right }\n"
    )
    server = subprocess.Popen([program(), "-c", config], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _listens(port), "the server")
        with pytest.raises(LogError, match="Authorization Violation"):
            asyncio.run(join(f"nats://node:wrong@127.0.0.1:{port}/area", tmp_path / "a.sqlite"))
        monkeypatch.setattr("geo_backup.cluster.stream.OLDEST", (99, 0, 0))
        with pytest.raises(LogError, match=r"update it to 99\.0\.0"):
            asyncio.run(join(f"nats://node:right@127.0.0.1:{port}/area", tmp_path / "a.sqlite"))
    finally:
        server.terminate()
        server.wait(10)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
