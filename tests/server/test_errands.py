"""What a command line asks of the server that writes the log, while it runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from geo_backup.custody import DoubtAcknowledged, HoldLifted, HoldPlaced, Looked, RecordsPurged
from geo_backup.errors import LogError
from geo_backup.eventlog import open_log
from geo_backup.eventlog.proof import prove
from geo_backup.eventlog.retention import Retention, Terms
from geo_backup.node import Node
from geo_backup.people import Roster, roster_beside
from geo_backup.server import retention
from geo_backup.wire import facts
from geo_backup.wire.times import to_text
from tests.running import Failed, ServerInThread, events_in, eventually
from tests.stories import ms, ping, unit


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    log = tmp_path_factory.mktemp("errands") / "log.sqlite"
    roster = Roster(roster_beside(log))
    server = ServerInThread(log, roster=roster).start()
    token = roster.tokens.issue("chief", "program", agency="*", roles=("supervisor",), by="test")
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http:
        about = {"callsign": "P1", "agency": "police", "kind": "patrol", "capabilities": []}
        assert http.put("/v1/units/P1", json=about).status_code == 201
    yield server
    server.stop()
    assert "Traceback" not in server.said()


def test_a_hold_is_placed_and_lifted_while_the_server_runs(server: ServerInThread, run: Any) -> None:
    assert run("log", "hold", server.log, "case-7", "--unit", "P1", "--reason", "court order") == "held: case-7\n"
    with pytest.raises(Failed, match="stands already"):
        run("log", "hold", server.log, "case-7", "--unit", "P1", "--reason", "court order")
    assert run("log", "release", server.log, "case-7", "--reason", "closed") == "lifted: case-7\n"
    holds = [event for event in events_in(server.log) if isinstance(event, HoldPlaced | HoldLifted)]
    assert [(type(one), one.hold_id, one.said_by.partition(":")[0]) for one in holds] == [
        (HoldPlaced, "case-7", "account"),
        (HoldLifted, "case-7", "account"),
    ]


def test_what_the_command_line_reads_is_on_record(server: ServerInThread, run: Any) -> None:
    run("report", "response", server.log, "--json")
    run("audit", "who", "P1", "--log", server.log, "--from", "2020-01-01T00:00:00Z")
    run("log", "backup", server.log, server.log.with_name("monday.sqlite"))

    def looks() -> list[tuple[str, tuple[str, ...]]]:
        found = [event for event in events_in(server.log) if isinstance(event, Looked)]
        return [(one.what, one.scope) for one in found if one.said_by.startswith("account:")]

    eventually(lambda: len(looks()) == 3, "three looks")
    assert looks()[:2] == [
        ("history", ("responses",)),
        ("history", ("unit:P1", "2020-01-01T00:00:00Z/")),
    ]
    what, scope = looks()[2]
    assert (what, scope[0].partition("..")[0]) == ("export", "log:1")
    told = json.loads(run("audit", "who", "P1", "--log", server.log, "--json"))
    assert "took a copy of the log in which it stood" in "".join(line["what"] for line in told)


def test_facts_of_the_world_do_not_come_by_an_errand(server: ServerInThread) -> None:
    """Nor does what nobody understands; neither keeps the others waiting."""
    assert server.roster is not None
    errands = server.roster.errands
    asked = [errands.leave(ask) for ask in (facts.dump(ping("P1", 1.0)), facts.dump(unit("P9")), b"{", b'{"fact":7}')]
    answers = [eventually(partial(errands.answer, number), "an answer") for number in asked]
    assert all(answer.startswith(b"refused: ") for answer in answers)
    assert not any(getattr(event, "unit_id", "") == "P9" for event in events_in(server.log))


def test_a_loss_is_held_up_until_it_is_acknowledged_by_command(tmp_path: Path, run: Any) -> None:
    """It keeps nobody from working: the server is ready all the same."""
    log = tmp_path / "log.sqlite"
    ServerInThread(log, roster=Roster(roster_beside(log))).start().stop()
    log.with_name("log.sqlite.end").unlink()
    server = ServerInThread(log, roster=Roster(roster_beside(log))).start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False) as http:

            def wrong() -> list[str]:
                return [one["name"] for one in http.get("/healthz").json()["conditions"]]

            eventually(lambda: wrong() == ["log_doubtful"], "the condition")
            assert http.get("/readyz").status_code == 200
            with pytest.raises(Failed, match="--reason"):
                run("log", "acknowledge", log)
            assert "had no end file" in run("log", "acknowledge", log, "--reason", "copied without it")
            eventually(lambda: wrong() == [], "the end of it")
    finally:
        server.stop()
    (fact,) = [event for event in events_in(log) if isinstance(event, DoubtAcknowledged)]
    assert fact.said_by.startswith("account:")
    assert "no end file" in fact.words[0]
    assert "nothing to acknowledge" in run("log", "acknowledge", log)


def test_a_running_server_purges_its_log(tmp_path: Path, run: Any) -> None:
    """And forgets it wherever it had looked it up; what goes on is not held up."""
    path = tmp_path / "log.sqlite"

    async def write() -> None:
        with closing(open_log(path, reserve_bytes=0)) as log:
            await log.append([unit("P1"), *(ping("P1", float(n), n) for n in range(50)), unit("P2")])
            log.save_snapshot(52, b"of another version")

    asyncio.run(write())
    server = ServerInThread(path, roster=Roster(roster_beside(path))).start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False) as http:

            def fixes() -> int:
                track = http.get("/v1/units/P1/track", params={"from": to_text(ms(0)), "to": to_text(ms(60))})
                assert track.status_code == 200, track.text
                return len(track.json()["fixes"])

            assert fixes() == 50
            told = json.loads(run("log", "purge", path, "--raw-fixes-days", "30", "--json"))
            assert (told["counts"]["raw_fixes"], told["dry_run"]) == (50, False)
            assert fixes() == 0
            assert http.get("/healthz").json()["conditions"] == []
            assert json.loads(run("log", "purge", path, "--json"))["counts"]["raw_fixes"] == 0
    finally:
        server.stop()
    (purged,) = [event for event in events_in(path) if isinstance(event, RecordsPurged)]
    assert (purged.raw_fixes, purged.raw_fixes_days) == (50, 30)
    assert purged.said_by.startswith("account:")
    proof = prove(path)
    assert (proof.wrong, proof.purged) == ([], 50)


def test_a_site_that_says_so_purges_each_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the time of day of its map, once; a clock that was set back a week holds nothing up."""
    zone = ZoneInfo("Europe/Stockholm")
    moment = datetime(2026, 3, 28, 23, 0, tzinfo=zone)
    purged: list[datetime] = []

    async def purge(node: Node, terms: Terms, by: str) -> None:
        assert (terms.raw_fixes, by) == (30, "node")
        purged.append(moment)
        if len(purged) == 2:
            raise LogError("the disk")

    async def story() -> None:
        nonlocal moment
        node: Any = SimpleNamespace(network=SimpleNamespace(area=SimpleNamespace(timezone="Europe/Stockholm")))
        task = asyncio.create_task(retention.keep_terms(node, Retention(Terms(30), time(3, 30))))
        for hours in (*[1] * 60, -7 * 24, *[1] * 30):
            moment = (moment.astimezone(UTC) + timedelta(hours=hours)).astimezone(zone)
            for _ in range(4):
                await asyncio.sleep(0)
        task.cancel()

    monkeypatch.setattr(retention, "purge_now", purge)
    monkeypatch.setattr(retention, "_now", lambda node, zone: moment)
    monkeypatch.setattr(retention, "LOOK_S", 0.0)
    asyncio.run(story())
    assert [f"{one:%d %H:%M}" for one in purged[:4]] == ["29 04:00", "30 04:00", "31 04:00", "25 04:00"]
