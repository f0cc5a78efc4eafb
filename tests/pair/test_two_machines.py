"""Two servers, each a process of its own: one is killed, and the other goes on with all that was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from geo_backup.errors import LogError
from geo_backup.eventlog import open_log
from geo_backup.eventlog.proof import prove
from geo_backup.events import IncidentNoted
from geo_backup.feed import TOPICS
from geo_backup.pair.begin import copy_from
from geo_backup.pair.call import WebsocketCalls
from geo_backup.pair.log import PairedLog
from geo_backup.people import Role, Roster, roster_beside
from geo_backup.server.tls import Certificate
from tests.asking import at, new_incident, new_unit
from tests.running import CENTRE, GOTHENBURG, Failed, Server, ServerInThread, events_in, eventually, free_port
from tests.server.test_tls import write


@contextmanager
def pair_of(
    folder: Path, *, env: dict[str, str] | None = None, more: tuple[str, ...] = ()
) -> Iterator[tuple[Server, Server]]:
    """A leads, B follows."""
    a = Server(folder / "a.sqlite", port=free_port(), env=env or {}, more=more).start()
    b = Server(folder / "b.sqlite", port=free_port(), env=env or {}, more=more, verb=("follow", a.url))
    try:
        b.start()
        yield a, b
    finally:
        a.stop()
        b.stop()
        assert "Traceback" not in a.said() + b.said()


def stands(server: Server, headers: dict[str, str] | None = None) -> dict[str, object]:
    found: dict[str, object] = httpx.get(f"{server.url}/v1/pair", trust_env=False, headers=headers).json()
    return found


class Writers(threading.Thread):
    """Notes that are written until told to stop; which of them were acknowledged, and when."""

    def __init__(self, urls: list[str], incident_id: str) -> None:
        super().__init__(daemon=True)
        self.urls, self.incident_id = urls, incident_id
        self.acknowledged: list[tuple[float, str]] = []
        self.over = threading.Event()

    def run(self) -> None:
        n = 0
        while not self.over.is_set():
            n += 1
            text = f"note {n} of {self.name}"
            for url in self.urls:  # as a desk does: the other machine where the first does not answer
                try:
                    where = f"{url}/v1/incidents/{self.incident_id}/notes"
                    answer = httpx.post(where, json={"text": text}, trust_env=False, timeout=5.0)
                except httpx.HTTPError:
                    continue
                if answer.status_code == 201:
                    self.acknowledged.append((time.monotonic(), text))
                    break
            time.sleep(0.005)


@pytest.mark.long
def test_the_leader_is_killed_and_the_standby_goes_on(tmp_path: Path, run: Any) -> None:
    with pair_of(tmp_path) as (a, b):
        with httpx.Client(base_url=a.url, trust_env=False) as http:
            unit_id, incident_id = new_unit(http), new_incident(http)
        eventually(lambda: stands(a)["in_step"], "in step")
        with connect(b.feed, proxy=None, max_size=None) as feed:
            feed.send(json.dumps({"type": "hello", "topics": list(TOPICS)}))
            snapshot = json.loads(feed.recv(timeout=10))
            assert incident_id in snapshot["incidents"]
        writers = [Writers([a.url, b.url], incident_id) for _ in range(4)]
        for writer in writers:
            writer.start()
        eventually(lambda: all(len(writer.acknowledged) > 10 for writer in writers), "notes")
        a.kill()
        killed = time.monotonic()
        eventually(lambda: stands(b)["connected"] is False, "the standby misses it")
        with pytest.raises(Failed, match="does not answer"):
            run("promote", b.url)
        said = run("promote", b.url, "--force")
        assert "leads, term 2" in said
        eventually(lambda: any(when > killed for writer in writers for when, _ in writer.acknowledged), "a first note")
        pressed = time.monotonic()
        with httpx.Client(base_url=b.url, trust_env=False) as http:
            press = http.post("/v1/emergencies", json={"unit_id": unit_id})
            assert press.status_code == 201, press.text
            assert time.monotonic() - pressed < 1.0
            row = {"unit_id": unit_id, "fix_time": at(), "lon": CENTRE[0], "lat": CENTRE[1]}
            assert http.post("/v1/positions", json={"positions": [row]}).json()["accepted"] == 1
        for writer in writers:
            writer.over.set()
            writer.join()
        with connect(b.feed, proxy=None, max_size=None) as feed:  # a desk goes on where it was
            resume = {"epoch": snapshot["epoch"], "after": snapshot["seq"]}
            feed.send(json.dumps({"type": "hello", "topics": list(TOPICS), "resume": resume}))
            assert json.loads(feed.recv(timeout=10))["type"] == "resumed"
        acknowledged = {text for writer in writers for _, text in writer.acknowledged}
        a.start()  # the power is back: it follows the one that leads now, and passes on what is said to it
        eventually(lambda: stands(a)["role"] == "following" and stands(b)["in_step"], "the former leader follows")
        note = httpx.post(f"{a.url}/v1/incidents/{incident_id}/notes", json={"text": "by a"}, trust_env=False)
        assert note.status_code == 201, note.text
        eventually(lambda: stands(a)["seq"] == stands(b)["seq"], "both at the same event")
    both = [list(events_in(server.log)) for server in (a, b)]
    assert both[0] == both[1][: len(both[0])]
    noted = {event.text for event in both[1] if type(event).__name__ == "IncidentNoted"}  # type: ignore[attr-defined]
    assert acknowledged <= noted
    assert [prove(server.log).wrong for server in (a, b)] == [[], []]


@contextmanager
def witness_in(folder: Path) -> Iterator[str]:
    """The URL of a witness."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "geo_backup",
        "witness",
        "--file",
        str(folder / "witness.json"),
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: httpx.get(f"{url}/healthz", trust_env=False).is_success, "the witness")
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.long
def test_a_leader_that_is_paused_is_led_past_and_acknowledges_nothing_when_it_wakes(tmp_path: Path) -> None:
    with witness_in(tmp_path) as url, pair_of(tmp_path, more=("--witness", url)) as (a, b):
        with httpx.Client(base_url=a.url, trust_env=False) as http:
            incident_id = new_incident(http)
        notes = f"/v1/incidents/{incident_id}/notes"
        named = stands(b)["name"]
        eventually(
            lambda: any(
                seat["standby"] == named
                for seat in httpx.get(f"{url}/healthz", trust_env=False).json()["logs"].values()
            ),
            "the witness knows that the standby is in step",
        )
        assert a.process is not None
        a.process.send_signal(signal.SIGSTOP)
        paused = time.monotonic()
        told = eventually(
            lambda: (
                httpx.post(f"{b.url}{notes}", json={"text": "by b"}, trust_env=False, timeout=10).status_code == 201
            ),
            "the standby leads",
        )
        took_s = time.monotonic() - paused
        assert told
        assert took_s < 8.0, "so long nobody could write"
        late = threading.Thread(target=lambda: codes.append(_post(f"{a.url}{notes}", "by a, asleep")))
        codes: list[int] = []
        late.start()  # it lies in its socket until it wakes
        a.process.send_signal(signal.SIGCONT)
        late.join(15)
        eventually(lambda: stands(a)["role"] == "following" and stands(b)["in_step"], "it follows")
        eventually(lambda: stands(a)["seq"] == stands(b)["seq"], "both at the same event")
    both = [[event for event in events_in(server.log) if type(event).__name__ == "IncidentNoted"] for server in (a, b)]
    assert both[0] == both[1]
    texts = [event.text for event in both[1]]  # type: ignore[attr-defined]
    assert ("by a, asleep" in texts) or codes != [201], "what was acknowledged stands on both"


def _post(url: str, text: str) -> int:
    return httpx.post(url, json={"text": text}, trust_env=False, timeout=12).status_code


def test_a_log_is_set_apart_only_where_there_is_another_to_copy(tmp_path: Path, command: Any) -> None:
    with contextlib.closing(open_log(tmp_path / "b.sqlite")):
        pass
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    code, _, err = command(
        "follow", f"http://127.0.0.1:{free_port()}", "--map", GOTHENBURG, "--log", tmp_path / "b.sqlite", "--apart"
    )
    assert code != 0
    assert "does not answer" in err
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_the_line_between_two_machines_is_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a certificate that both machines trust; where one does not, it follows nobody."""
    files, stranger = write(tmp_path, "centre"), WebsocketCalls("")
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    a = ServerInThread(tmp_path / "a.sqlite", paired=True, certificate=Certificate(*files)).start()
    with pytest.raises(LogError, match="certificate that is not trusted here"):
        asyncio.run(copy_from(a.url, stranger, tmp_path / "b.sqlite", lambda done, total: None))
    asyncio.run(copy_from(a.url, WebsocketCalls(""), tmp_path / "b.sqlite", lambda done, total: None))
    b = ServerInThread(tmp_path / "b.sqlite", paired=True, certificate=Certificate(*files)).start()

    def of_pair(server: ServerInThread, ask: str = "GET", where: str = "") -> Any:
        body = None if ask == "GET" else {}
        asked = httpx.request(ask, f"{server.url}/v1/pair{where}", json=body, verify=str(files[0]), timeout=20)
        return asked.raise_for_status().json()

    try:
        eventually(lambda: of_pair(a)["in_step"], "in step")
        of_pair(b, "POST", "/promote")
        eventually(lambda: of_pair(b)["in_step"], "in step the other way round")
        assert of_pair(a)["role"] == "following"
    finally:
        a.stop()
        b.stop()
    assert "Traceback" not in a.said() + b.said()


def test_a_leader_that_is_told_to_stop_acknowledges_nothing_that_the_standby_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retire, in_step = PairedLog.retire, list[bool]()

    async def retires(log: PairedLog) -> None:
        in_step.append(log.in_step)
        await retire(log)

    monkeypatch.setattr(PairedLog, "retire", retires)
    a = ServerInThread(tmp_path / "a.sqlite", paired=True).start()
    with httpx.Client(base_url=a.url, trust_env=False) as http:
        incident_id = new_incident(http)
    asyncio.run(copy_from(a.url, WebsocketCalls(""), tmp_path / "b.sqlite", lambda done, total: None))
    b = ServerInThread(tmp_path / "b.sqlite", paired=True).start()
    try:
        eventually(lambda: stands(a)["in_step"], "in step")
        writers = [Writers([a.url], incident_id) for _ in range(4)]
        for writer in writers:
            writer.start()
        eventually(lambda: all(len(writer.acknowledged) > 5 for writer in writers), "writing")
        a.stop()
        assert in_step == [True], "its log knows of the end before the line to the standby closes"
        for writer in writers:
            writer.over.set()
            writer.join(20)
    finally:
        a.stop()
        b.stop()
    notes = {event.text for event in events_in(tmp_path / "b.sqlite") if isinstance(event, IncidentNoted)}
    assert {text for writer in writers for _, text in writer.acknowledged} <= notes


def test_people_are_the_same_on_both_machines(tmp_path: Path) -> None:
    roster = Roster(roster_beside(tmp_path / "a.sqlite"))

    def issued(name: str, role: Role) -> dict[str, str]:
        token = roster.tokens.issue(name, "program", agency="*", roles=(role,), by="test")
        return {"Authorization": f"Bearer {token}"}

    desk, admin, standby = issued("desk", "dispatcher"), issued("admin", "admin"), issued("b", "standby")
    env = {"GEO_BACKUP_PAIR_TOKEN": standby["Authorization"].removeprefix("Bearer ")}
    a = ServerInThread(tmp_path / "a.sqlite", roster=roster, paired=True, env=env).start()
    calls = WebsocketCalls(env["GEO_BACKUP_PAIR_TOKEN"])
    asyncio.run(copy_from(a.url, calls, tmp_path / "b.sqlite", lambda done, total: None))
    there = Roster(roster_beside(tmp_path / "b.sqlite"))
    b = ServerInThread(tmp_path / "b.sqlite", roster=there, paired=True, env=env).start()

    def units(server: Server, headers: dict[str, str] | None = None) -> int:
        return httpx.get(f"{server.url}/v1/units", trust_env=False, headers=headers).status_code

    def promoted(headers: dict[str, str]) -> httpx.Response:
        return httpx.post(f"{b.url}/v1/pair/promote", json={}, trust_env=False, headers=headers, timeout=20)

    try:
        assert (units(b), units(b, desk)) == (401, 200)
        later = issued("later", "viewer")
        eventually(lambda: units(b, later) == 200, "who may come in is told to the standby")
        assert promoted(desk).status_code == 403
        with (
            pytest.raises(ConnectionClosed, match="4403"),
            connect(f"{b.url.replace('http', 'ws')}/v1/pair/line", additional_headers=desk, proxy=None) as line,
        ):
            line.recv(timeout=5)
        with pytest.raises(LogError, match="not let"):
            asyncio.run(copy_from(a.url, WebsocketCalls("wrong"), tmp_path / "c.sqlite", lambda done, total: None))
        eventually(lambda: stands(a, admin)["in_step"], "in step")
        figures = httpx.get(f"{a.url}/metrics", trust_env=False, headers=admin).text
        for figure in ("geo_backup_leads 1.0", "geo_backup_standby 1.0", "geo_backup_standby_behind 0.0"):
            assert figure in figures
        told = promoted(admin)
        assert told.status_code == 200, told.text
        assert told.json()["term"] == 2
        eventually(lambda: stands(a, admin)["role"] == "following", "handed over")
        eventually(lambda: stands(b, admin)["in_step"], "in step the other way round")
    finally:
        a.stop()
        b.stop()
    assert "Traceback" not in a.said() + b.said()
    roster.close()
    there.close()
