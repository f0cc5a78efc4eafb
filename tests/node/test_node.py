"""A node through what may happen to it: power cuts, a wrong map, a full disk, a jump of the replay."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from geo_backup.audit.verify import verify as replay_verify
from geo_backup.errors import LogError, WrongMapError
from geo_backup.eventlog import Limits, open_log
from geo_backup.events import (
    BackupRecommended,
    ClosureAdded,
    DecisionMade,
    EmergencyAcknowledged,
    Fix,
    IncidentClosed,
    NetworkAdopted,
    PositionReported,
)
from geo_backup.feed import TOPICS, Frame
from geo_backup.live_map import LiveMap, apply
from geo_backup.live_map.state import CLOSED_INCIDENTS_KEPT, GENERATION
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.node.node import MISSED_KEPT
from geo_backup.roads.network import RoadNetwork
from geo_backup.server.app import create_app
from geo_backup.wire import checkpoint
from tests.asking import BRIDGE, NORTH, SOUTH, at, new_incident, new_unit, problem, unit_body
from tests.roads.tiny import Street, draw, place
from tests.running import GOTHENBURG, Command, Server, ServerInThread, events_in, eventually, in_time, ranked
from tests.stories import opened, part, ping, unit


def street(length_m: float = 1000.0) -> RoadNetwork:
    return draw({"a": (0, 0), "b": (length_m, 0), "c": (length_m, 800)}, [Street("abc", "High Street")])


def running(
    story: Callable[[Node], Awaitable[None]],
    path: Path,
    *,
    network: RoadNetwork | None = None,
    clock: Clock | None = None,
    limits: Limits = Limits(),
    within_s: float = 30.0,
) -> None:
    """Tell a story to a node that runs in this process."""

    async def run() -> None:
        log = open_log(path, limits=limits)
        node = Node(network or street(), log, clock or Clock("live"))
        try:
            await node.start()
        except BaseException:
            log.close()
            raise
        try:
            await asyncio.wait_for(story(node), within_s)
        finally:
            await asyncio.wait_for(node.stop(), 10)

    asyncio.run(run())


def asking(node: Node) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(node)), base_url="http://localhost")


def folded(path: Path) -> tuple[LiveMap, tuple[int, bytes] | None]:
    """The live map of a log from its first event on, and its newest checkpoint."""
    log = open_log(path, read_only=True)
    live_map = LiveMap()
    for seq, event in log.read_all():
        apply(live_map, seq, event)
    snapshot = log.load_snapshot()
    log.close()
    return live_map, snapshot


def everything(server: Server) -> list[Any]:
    """All that a server tells of its live map, ages aside."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
        documents = [http.get(path).json() for path in ("/v1/units", "/v1/incidents", "/v1/closures")]
    for feature in documents[0]["features"]:
        del feature["properties"]["age_s"], feature["properties"]["freshness"]
    return documents


def test_after_a_power_cut_the_same_live_map_and_verify_agrees(tmp_path: Path, command: Command) -> None:
    def verify(path: Path) -> tuple[int, dict[str, Any]]:
        code, out, _ = command("verify", path, "--map", GOTHENBURG, "--json")
        return code, json.loads(out)

    server = Server(tmp_path / "log.sqlite").start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
        units = [new_unit(http, place) for place in (NORTH, SOUTH, [11.97, 57.70])]
        new_unit(http)
        incident_id = new_incident(http)
        http.post("/v1/closures", json={"geometry": BRIDGE, "buffer_m": 20, "reason": "up"})
        seen = http.get(f"/v1/incidents/{incident_id}/ranking").json()
        body = {"unit_id": units[0], "as_of_seq": seen["as_of_seq"], "as_of_time": seen["as_of_time"]}
        assert http.post(f"/v1/incidents/{incident_id}/assignments", json=body).status_code == 201
        eventually(lambda: any(isinstance(event, BackupRecommended) for event in events_in(server.log)))
        before, epoch = everything(server), http.get("/healthz").json()["epoch"]
    server.kill()
    live_map, _ = folded(server.log)
    cut = checkpoint.digest(live_map)
    server = ServerInThread(server.log).start()
    try:
        assert everything(server) == before
        health = httpx.get(f"{server.url}/healthz", trust_env=False).json()
        assert (health["seq"], health["epoch"]) == (live_map.seq, epoch)
        eventually(lambda: ranked(server) > 1)  # anew, which is nothing new to the log
        assert httpx.get(f"{server.url}/healthz", trust_env=False).json()["seq"] == live_map.seq
    finally:
        server.stop()
    whole, snapshot = folded(server.log)
    assert checkpoint.digest(whole) == cut
    assert snapshot is not None, "an orderly end leaves a checkpoint"
    assert snapshot[0] == whole.seq
    assert checkpoint.digest(checkpoint.parse(snapshot[1])) == cut

    code, report = verify(server.log)
    assert (code, report["wrong"], report["digest"]) == (0, [], cut)
    assert report["rankings"] >= 1
    assert report["checkpoints"] == 1
    with sqlite3.connect(server.log) as file:
        changed = file.execute(
            "UPDATE facts SET body = CAST(replace(CAST(body AS TEXT), 'Adam 12', 'Adam 13') AS BLOB) "
            "WHERE seq = (SELECT min(seq) FROM facts WHERE CAST(body AS TEXT) LIKE '%Adam 12%')"
        )
        assert changed.rowcount == 1
    file.close()
    code, report = verify(server.log)
    assert code == 1
    assert len(report["wrong"]) == 1
    assert report["digest"] != cut
    with sqlite3.connect(server.log) as file:
        assert file.execute("UPDATE fixes SET lon = lon + 0.001 WHERE seq = (SELECT min(seq) FROM fixes)").rowcount == 1
    file.close()
    assert len(verify(server.log)[1]["wrong"]) >= 2


def test_a_log_of_another_map_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"

    async def note(node: Node) -> None:
        await node.submit(unit("P1"))

    running(note, path)
    with pytest.raises(WrongMapError, match="--map"):
        running(note, path, network=street(1200.0))
    assert folded(path)[0].network_id == street().content_id
    running(note, path)


def test_a_log_that_does_not_say_the_extent_of_its_map_learns_it_once(tmp_path: Path) -> None:
    path, network = tmp_path / "log.sqlite", street()
    log = open_log(path)
    old = NetworkAdopted(
        event_id="network", received_ms=1, network_id=network.content_id, area="x", software_version="0.4"
    )
    asyncio.run(log.append([old, unit("P1"), ping("P1", 0)]))
    log.close()

    async def story(node: Node) -> None:
        assert node.live_map.extent == network.area.extent
        assert node.live_map.seq == 4

    for _ in range(2):
        running(story, path, network=network)


def test_a_log_from_before_moves_up_and_learns_turnouts_from_then_on(tmp_path: Path) -> None:
    path, network = tmp_path / "log.sqlite", street()
    sent = [opened("i1"), part("i1", "P1", "assigned", 5), part("i1", "P1", "en_route", 25)]
    old = NetworkAdopted(
        event_id="network:2", received_ms=1, network_id=network.content_id, area="x", software_version="0.6",
        extent=network.area.extent, generation=2,
    )  # fmt: skip
    log = open_log(path)
    asyncio.run(log.append([old, unit("P1"), unit("P2"), *sent]))
    log.close()

    async def story(node: Node) -> None:
        assert (node.live_map.generation, node.live_map.turnouts) == (GENERATION, {})
        for one in (part("i1", "P2", "assigned", 30), part("i1", "P2", "en_route", 50)):
            assert [outcome.delta.ignored for outcome in await node.record(one)] == [None]
        assert node.live_map.turnouts == {"available patrol": (20_000,)}

    async def again(node: Node) -> None:
        assert node.live_map.turnouts == {"available patrol": (20_000,)}

    running(story, path, network=network)
    running(again, path, network=network)


def test_a_full_disk_is_503_and_nothing_is_half_done(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        lon, lat = place(300, 0)
        row = {"unit_id": "P1", "lon": lon, "lat": lat, "speed_mps": 1.0}
        async with asking(node) as http:
            assert (await http.put("/v1/units/P1", json=unit_body())).status_code == 201
            assert (await http.post("/v1/incidents", json={"lon": lon, "lat": lat, "priority": 1})).status_code == 201
            file = node.log._connection  # type: ignore[attr-defined]
            file.execute(f"PRAGMA max_page_count={file.execute('PRAGMA page_count').fetchone()[0]}")
            for _ in range(200):
                rows = {"positions": [{**row, "fix_time": at(i / 1000)} for i in range(50)]}
                answer = await http.post("/v1/positions", json=rows)
                if answer.status_code != 202:
                    break
            document = problem(answer, 503)
            assert "full" in document["detail"]
            assert answer.headers["retry-after"]
            seq = node.live_map.seq
            assert (await http.get("/healthz")).json()["seq"] == seq
            assert len((await http.get("/v1/incidents")).json()["incidents"]) == 1
            file.execute("PRAGMA max_page_count=1000000")
            answer = await http.post("/v1/positions", json={"positions": [{**row, "fix_time": at(5)}]})
            assert answer.status_code == 202
            assert answer.json()["seq"] > seq

    running(story, tmp_path / "log.sqlite")


def test_a_jump_begins_a_new_world(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        first = node.log.epoch
        await node.submit(unit("P1"), ping("P1", 0), opened("i1"))
        viewer = node.viewers.watch(TOPICS)
        hanging = asyncio.create_task(node.submit(ping("P1", 1)))
        await asyncio.sleep(0)
        await node.reset(open_log(tmp_path / "second.sqlite"))
        (ended,) = await asyncio.wait_for(asyncio.gather(hanging, return_exceptions=True), 5)
        assert isinstance(ended, list) or (isinstance(ended, LogError) and "again" in str(ended))
        assert node.log.epoch != first
        assert (node.live_map.units, node.live_map.incidents, node.ranker.rankings) == ({}, {}, {})
        assert node.live_map.network_id == node.network.content_id
        assert viewer.outbox.snapshot_due
        assert node.since(first, 1) is None
        await node.submit(unit("P2"), ping("P2", 0), opened("i2"))
        await in_time(lambda: "i2" in node.ranker.rankings, "a ranking")
        assert list(node.ranker.rankings) == ["i2"]
        ranking = await node.ranking("i2", 10)
        units = [row["unit_id"] for row in (*ranking["candidates"], *ranking["excluded"])]
        assert units == ["P2"]
        node.viewers.unwatch(viewer)

    running(story, tmp_path / "first.sqlite", clock=Clock("replay", 1_700_000_000_000))


def test_viewers_who_come_back_together_are_told_the_same_frame(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        after = (await node.submit(unit("P1"), unit("P2")))[-1].seq

        def missed() -> Frame:
            frame = node.since(node.log.epoch, after)
            assert frame is not None
            return frame

        for n, moved in enumerate(("P1", "P2")):
            await node.submit(ping(moved, n))
            await in_time(lambda moved=moved: moved in missed().positions, "what was missed")  # type: ignore[misc]
            assert missed() is missed()
        await node.submit(*(ping("P1", n) for n in range(2, 2 * MISSED_KEPT)))
        for seq in range(after, node.live_map.seq):
            node.since(node.log.epoch, seq)
            assert len(node._missed) <= MISSED_KEPT

    running(story, tmp_path / "log.sqlite")


def test_many_writers_are_all_answered(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        await node.submit(unit("P1"), ping("P1", 0))
        (outcome,) = await asyncio.wait_for(node.submit(ping("P1", 1)), 5)
        assert outcome.delta.ignored is None
        outcomes = await asyncio.gather(*(node.submit(ping("P1", 2 + i)) for i in range(50)))
        assert [group[0].delta.ignored for group in outcomes] == [None] * 50

    running(story, tmp_path / "log.sqlite")


def test_five_hundred_open_incidents_and_no_more(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        lon, lat = place(300, 0)
        limit = node.live_map.rules.limit.open_incidents
        await node.submit(*(opened(f"i{n}", lon=lon, lat=lat) for n in range(limit)))
        async with asking(node) as http:
            answer = await http.post("/v1/incidents", json={"lon": lon, "lat": lat, "priority": 1})
            problem(answer, 429, "too_many_incidents")
            assert answer.headers["retry-after"]
            await http.post("/v1/incidents/i0/close")
            answer = await http.post("/v1/incidents", json={"lon": lon, "lat": lat, "priority": 1})
            assert answer.status_code == 201

    running(story, tmp_path / "log.sqlite")


def test_unknown_units_are_adopted_when_asked_to(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        lon, lat = place(300, 0)
        app = create_app(node, adopt_unknown=True)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
            rows = [{"unit_id": "new", "fix_time": at(i), "lon": lon, "lat": lat} for i in (-2, -1)]
            answer = (await http.post("/v1/positions", json={"positions": rows})).json()
            assert (answer["accepted"], answer["refused"], answer["ignored"]) == (2, [], [])
        assert (node.live_map.units["new"].callsign, len(node.live_map.units)) == ("new", 1)

    running(story, tmp_path / "log.sqlite")


def test_a_token_guards_everything_but_health(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        app = create_app(node, token="0123456789abcdef")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://any.example") as http:
            problem(await http.get("/v1/units"), 401)
            problem(await http.get("/v1/units?token=0123456789abcdef"), 401)
            problem(await http.get("/v1/units", headers={"Authorization": "Bearer wrong"}), 401)
            assert (await http.get("/healthz")).status_code == 200
            allowed = await http.get("/v1/units", headers={"Authorization": "Bearer 0123456789abcdef"})
            assert allowed.status_code == 200
            page = await http.get("/?token=0123456789abcdef")
            assert "set-cookie" not in page.headers, "a secret in an address stays in histories and logs"
            came = await http.post("/v1/session", json={"token": "0123456789abcdef"})
            assert came.status_code == 201
            assert "httponly" in came.headers["set-cookie"].lower()
            assert "0123456789abcdef" not in came.headers["set-cookie"], "the cookie is not the token"
            assert (await http.get("/v1/units")).status_code == 200  # by the cookie
            link = app.state.speakers.link(app.state.speakers.who("0123456789abcdef"))
            http.cookies.clear()
            opened = await http.get(f"/?ticket={link}")
            assert (opened.status_code, opened.headers["location"]) == (303, "/")
            assert (await http.get("/v1/units")).status_code == 200
            http.cookies.clear()
            assert "set-cookie" not in (await http.get(f"/?ticket={link}")).headers, "a link opens once"

    running(story, tmp_path / "log.sqlite")


def test_a_closure_that_begins_and_ends_by_itself_is_pushed_at_that_moment(tmp_path: Path) -> None:
    """With forty incidents each takes its turn every 8 s; a beginning closure must not wait for that."""

    async def story(node: Node) -> None:
        now_ms = node.clock.now_ms()
        fix = Fix(now_ms, *place(50, 0), speed_mps=0.0)
        await node.submit(unit("P1"), PositionReported(received_ms=now_ms, unit_id="P1", fix=fix))
        lon, lat = place(900, 0)
        await node.submit(*(opened(f"i{n}", lon=lon, lat=lat) for n in range(40)))

        def reached() -> set[bool]:
            return {ranking["candidates_total"] == 1 for ranking in node.ranker.rankings.values()}

        async def until(answer: bool) -> int:
            await in_time(lambda: len(node.ranker.rankings) == 40 and reached() == {answer}, "rankings")
            return node.clock.now_ms()

        await until(True)
        # never re-ranked but by turns from here on: the fleet stands still
        begins = node.clock.now_ms() + 1_000
        works = ClosureAdded(
            received_ms=node.clock.now_ms(),
            closure_id="works",
            geometry={"edges": [e for e in range(node.network.edges) if node.network.edge_tail[e] == 1]},
            valid_from_ms=begins,
            valid_to_ms=begins + 1_500,
        )
        await node.submit(works)
        assert begins <= await until(False) < begins + 1_000
        assert begins + 1_500 <= await until(True) < begins + 2_500

    network = draw({"a": (0, 0), "b": (300, 0), "c": (600, 0), "d": (1000, 0)}, [Street("abcd", "High Street")])
    running(story, tmp_path / "log.sqlite", network=network)


def test_an_id_that_was_used_before_is_closed_and_recorded_like_any_other(tmp_path: Path) -> None:
    """Closed incidents are forgotten after a while, and an id may be used again: each opening is one of its own."""
    lon, lat = place(300, 0)
    others = [
        event
        for n in range(CLOSED_INCIDENTS_KEPT)
        for event in (opened(f"i{n}", lon=lon, lat=lat), IncidentClosed(received_ms=0, incident_id=f"i{n}"))
    ]

    async def story(node: Node) -> None:
        async with asking(node) as http:

            async def opens_and_closes() -> None:
                body = {"incident_id": "again", "lon": lon, "lat": lat, "priority": 2}
                assert (await http.post("/v1/incidents", json=body)).status_code == 201
                while "again" not in node.ranker.rankings:
                    await asyncio.sleep(0.01)
                assert (await http.post("/v1/incidents", json=body)).status_code == 200
                assert (await http.post("/v1/incidents/again/close")).json()["state"] == "closed"
                assert (await http.post("/v1/incidents/again/close")).json()["state"] == "closed"

            fix = Fix(node.clock.now_ms(), lon, lat)
            await node.submit(unit("P1"), PositionReported(received_ms=fix.fix_ms, unit_id="P1", fix=fix))
            await opens_and_closes()
            await node.submit(*others)
            assert "again" not in node.live_map.incidents, "too long ago"
            assert (await http.get("/v1/incidents/again")).json()["state"] == "closed", "the log knows it"
            await opens_and_closes()

    path, network = tmp_path / "log.sqlite", street()
    running(story, path, network=network)
    log = open_log(path, read_only=True)
    rankings = [one for _, one in log.read_all() if isinstance(one, BackupRecommended) and one.incident_id == "again"]
    report = replay_verify(network, log)
    log.close()
    assert len(rankings) == 2
    assert [len(one.candidates) for one in rankings] == [1, 1]
    assert (report.wrong, report.rankings >= 2) == ([], True)


def test_nothing_that_may_not_be_is_recorded_whoever_says_it(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        await node.submit(unit("P1"), opened("i1"), IncidentClosed(received_ms=0, incident_id="i1"))
        await in_time(lambda: not node.ranker.rankings)
        seq = node.live_map.seq
        late = DecisionMade(
            received_ms=1, event_id="late", incident_id="i1", request_id="r", as_of_seq=1, as_of_ms=1, mode="immediate",
            software_version="1", network_id="n", weights_id="w", rules_id="r", quick=True, answer="",
        )  # fmt: skip
        refused = await node.record(late)
        refused += await node.record(unit("P2"), ping("P9", 0))
        refused += [await node.alarms.take("P1", EmergencyAcknowledged(received_ms=1, emergency_id="e1", by="desk"))]
        assert [one.delta.ignored for one in refused] == [
            "incident_closed", "unknown_unit", "unknown_unit", "unknown_emergency",
        ]  # fmt: skip
        assert {(one.seq, one.recorded) for one in refused} == {(0, False)}
        assert node.live_map.seq == seq
        one, other = await node.record(ping("P9", 0), ping("P1", 0), apart=True)
        assert (one.delta.ignored, one.recorded) == ("unknown_unit", False)
        assert (other.seq, other.recorded) == (seq + 1, True)

    running(story, tmp_path / "log.sqlite")


def test_what_is_folded_while_a_checkpoint_is_written_is_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geo_backup.node.node.CHECKPOINT_EVERY", 3)
    pack, at_it, go_on = checkpoint.pack, threading.Event(), threading.Event()

    def slow(live_map: LiveMap, rest: Callable[[], None]) -> bytes:
        at_it.set()
        assert go_on.wait(20)
        return pack(live_map, rest)

    monkeypatch.setattr(checkpoint, "pack", slow)

    async def story(node: Node) -> None:
        await node.submit(unit("P1"), ping("P1", 0))
        await in_time(at_it.is_set)
        await node.submit(unit("P2"), ping("P1", 1))  # folded though the checkpoint is not written
        go_on.set()
        (seq, data) = await in_time(node.log.load_snapshot)
        live_map = LiveMap()
        for at_seq, event in node.log.read_all():
            if at_seq <= seq:
                apply(live_map, at_seq, event)
        assert seq == 3
        assert checkpoint.parse(data) == live_map

    running(story, tmp_path / "log.sqlite")


def test_what_may_not_be_leaves_no_fact_and_keeps_no_id(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        await node.submit(unit("P1"), opened("i1"), opened("i2"), part("i1", "P1", "assigned", 1))
        seq = node.live_map.seq
        async with asking(node) as http:
            for path, body, status in (
                ("incidents/i2/assignments", {"unit_id": "P1"}, 409),
                ("incidents/i2/assignments", {"unit_id": "P9"}, 404),
                ("incidents/i9/close", {}, 404),
                ("plans/p9/activate", {}, 404),
                ("plans/p9/approve", {"by": "S. Berg"}, 404),
            ):
                answer = await http.post(f"/v1/{path}", json=body)
                assert answer.status_code == status, (path, answer.text)
            assert (await http.delete("/v1/units/P9")).status_code == 404
        async for batch in node.log.read(seq):  # the node's own rankings may have come meanwhile
            assert {type(event) for _, event in batch} <= {BackupRecommended}

    running(story, tmp_path / "log.sqlite")
