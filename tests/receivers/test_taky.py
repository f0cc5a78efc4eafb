"""A real TAK server between: taky carries our units to another client, and that client's position to our live map.

taky needs lxml, Flask and more, so it is installed into an environment of its own, and the test is a long one.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.asking import new_incident, new_unit
from tests.receivers.talking import Client, event
from tests.running import Server, eventually, free_port

CONFIG = """[taky]
hostname = 127.0.0.1
node_id = TEST
bind_ip = 127.0.0.1
root_dir = {folder}
[cot_server]
port = {port}
[dp_server]
upload_path = {folder}
[ssl]
enabled = false
"""


@pytest.fixture(scope="module")
def taky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A running taky's port."""
    folder, port = tmp_path_factory.mktemp("taky"), free_port()
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv/bin/pip", "install", "-q", "taky==0.10"], check=True)
    (folder / "taky.conf").write_text(CONFIG.format(folder=folder, port=port))
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen([folder / "venv/bin/taky", "-c", folder / "taky.conf"], stderr=said)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.long
def test_taky_carries_both_ways(taky: int, tmp_path: Path) -> None:
    config = tmp_path / "server.toml"
    config.write_text(f'[[receivers.tak.connect]]\nhost = "127.0.0.1"\nport = {taky}\n')
    other = eventually(lambda: _client(taky), "taky's port")
    server = Server(tmp_path / "log.sqlite", ("--config", str(config))).start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        ours, theirs = new_unit(http, [11.968, 57.7062], callsign="Adam 12"), new_unit(http, callsign="NORD 7")
        other.hears(f'uid="geo-backup.{ours}".*callsign="Adam 12"', 30.0)
        incident_id = new_incident(http)
        other.hears(f'uid="geo-backup.incident.{incident_id}".*Adam 12 in [0-9]:')
        user = '<takv platform="ATAK-CIV" device="d" os="34" version="5"/><contact callsign="NORD 7"/>'
        user += '<__group name="Cyan" role="Team Member"/>'
        other.send(event("a-f-G-U-C", "ANDROID-1", lon=11.961, detail=user))
        place = f"/v1/units/{theirs}"
        eventually(lambda: http.get(place).json()["geometry"], "the other client's position on the live map")
        other.hears(f'uid="geo-backup.{theirs}"')
    assert server.stop() == 0
    assert "Traceback" not in server.said()


def _client(port: int) -> Client | None:
    with contextlib.suppress(OSError):
        return Client(port)
    return None
