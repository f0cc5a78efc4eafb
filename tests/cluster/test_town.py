"""Nodes and servers of NATS, each a process of its own, fail in turn while writers write and desks watch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from geo_backup.feed import TOPICS
from tests.asking import new_unit
from tests.cluster.town import SHOWN, Night, Town, town
from tests.running import ROOT, Server, eventually
from tests.told import Told

SPOKEN_WITHIN_S = 6.0
"""Another node leads within five seconds, and a machine that is shared may be late."""


def another(town: Town, node: Server) -> Server:
    return next(one for one in town.nodes if one is not node)


def leads(town: Town) -> Server:
    return eventually(town.leader, "a node that leads")


def test_the_leading_node_is_killed_and_most_servers_are(tmp_path: Path) -> None:
    """Nothing acknowledged is lost, desks go on at the other node, and an emergency alarms at all of them though there
    is nowhere to record it."""
    with town(tmp_path, nodes=2) as whole:
        night = Night.begin(whole, writers=2, viewers=3)
        leader = leads(whole)
        leader.kill()
        killed = time.monotonic()
        night.goes_on()
        eventually(lambda: leads(whole) is not leader, "another node leads")
        assert time.monotonic() - killed < SPOKEN_WITHIN_S
        leader.start()
        eventually(whole.whole, "both are whole")
        with httpx.Client(base_url=leader.url, trust_env=False, headers=SHOWN) as http:
            Told.of(http)
            unit_id = new_unit(http)
            assert [node["ready"] for node in http.get("/v1/nodes").json()["nodes"]] == [True, True]
            assert http.get("/v1/pair").json()["in_step"]
            assert http.post("/v1/pair/promote", json={}).json()["role"] == "leading"
        with connect(another(whole, leader).feed, proxy=None, max_size=None, additional_headers=SHOWN) as desk:
            desk.send(json.dumps({"type": "hello", "topics": list(TOPICS)}))
            desk.recv(timeout=10)
            for server in whole.servers.each[1:]:
                server.kill()
            pressed = time.monotonic()
            with httpx.Client(base_url=leader.url, trust_env=False, headers=SHOWN, timeout=10) as http:
                answer = http.post("/v1/emergencies", json={"unit_id": unit_id})
            assert answer.status_code == 201
            incident = _alarm(desk)
            assert time.monotonic() - pressed < 2.0, "a second is promised, and this machine may be shared"
            assert incident == answer.json()["incident_id"]
        for server in whole.servers.each[1:]:
            server.start()
        night.goes_on(40)
        logs = night.end()
    declared = [event for event in logs[0] if type(event).__name__ == "EmergencyDeclared"]
    assert len(declared) == 1, "both nodes offered it, and it stands once"
    assert any(viewer.resumed for viewer in night.viewers), "desks resumed at the other node"


def _another_leads(town: Town, node: Server) -> bool:
    return leads(town) is not node


def _alarm(desk: ClientConnection) -> str:
    while True:
        frame = json.loads(desk.recv(timeout=5))
        for incident_id, incident in (frame.get("incidents") or {}).items():
            if incident is not None and incident["kind"] == "officer emergency":
                return str(incident_id)


def _kill(town: Town, node: Server) -> Callable[[], object]:
    node.kill()
    return node.start


def _stop(town: Town, node: Server) -> Callable[[], object]:
    """As for an upgrade."""
    node.stop()
    return node.start


def _pause(town: Town, node: Server) -> Callable[[], object]:
    process = node.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    return partial(process.send_signal, signal.SIGCONT)


@pytest.mark.long
def test_each_node_and_each_server_is_killed_and_paused_in_turn(tmp_path: Path) -> None:
    with town(tmp_path) as whole:
        night = Night.begin(whole, writers=8, viewers=100, period_s=0.01)
        for fault in (_stop, _kill, _pause):
            for node in whole.nodes:
                led = leads(whole) is node
                mend = fault(whole, node)
                began = time.monotonic()
                night.goes_on()
                if led:
                    eventually(partial(_another_leads, whole, node), "another node leads")
                    assert time.monotonic() - began < SPOKEN_WITHIN_S
                time.sleep(1)
                mend()
                eventually(whole.whole, "all are whole", 40)
        for server in whole.servers.each:
            server.kill()
            night.goes_on(30)
            server.start()
            eventually(whole.whole, "all are whole", 40)
        for server in whole.servers.each:
            server.signal(signal.SIGSTOP)
            night.goes_on(30)
            server.signal(signal.SIGCONT)
            eventually(whole.whole, "all are whole", 40)
        night.end()


@pytest.mark.long
def test_each_machine_is_cut_off_and_slowed_in_turn(tmp_path: Path) -> None:
    """In network namespaces, which root alone may make; `cut_off` says what is done and asked there."""
    tag = f"gb{os.getpid()}"
    subprocess.run(["ip", "netns", "add", tag], check=True)
    try:
        command = ["ip", "netns", "exec", tag, sys.executable, "-m", "tests.cluster.cut_off", str(tmp_path), f"{tag}m"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "none lost" in done.stdout
    finally:
        subprocess.run(["ip", "netns", "del", tag], check=True)
