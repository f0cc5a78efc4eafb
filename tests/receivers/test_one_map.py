"""All ways lead to one live map, and to one list of what nobody could use; what was acknowledged outlives a kill."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx
from paho.mqtt import client as paho

from geo_backup.events import PositionReported
from geo_backup.settings import Config
from tests.asking import NORTH, new_unit
from tests.receivers.broker import Broker
from tests.receivers.saying import lon_lat, rmc, rpv
from tests.running import Server, ServerInThread, events_in, eventually


def test_three_ways_move_one_map(http: httpx.Client, receivers: Any, broker: Broker) -> None:
    nmea, taip, phone = (new_unit(http) for _ in range(3))
    with (
        socket.create_connection(("127.0.0.1", receivers["tcp"].port)) as by_tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as by_udp,
    ):
        by_tcp.sendall(f"{nmea}\r\n".encode() + rmc(NORTH))
        by_udp.sendto(rpv(taip, NORTH), ("127.0.0.1", receivers["udp"].port))
        said = {"_type": "location", "lon": NORTH[0], "lat": NORTH[1], "tst": int(time.time())}
        broker.says(f"owntracks/anna/{phone}", said)
        eventually(lambda: [lon_lat(http, unit_id) for unit_id in (nmea, taip, phone)] == [NORTH] * 3)


def test_the_command_lists_what_nobody_could_use(
    http: httpx.Client, server: ServerInThread, receivers: Any, run: Any
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"\x1b[2Jhello there", ("127.0.0.1", receivers["udp"].port))
    eventually(lambda: "hello there" in str(http.get("/v1/quarantine").json()))
    assert "neither NMEA" in " ".join(run("quarantine", server.url).split())
    listed = json.loads(run("quarantine", server.url, "--json"))
    assert listed["quarantine"][0]["way"] == "udp"


def test_what_the_broker_is_told_was_taken_outlives_a_kill(tmp_path: Path, broker: Broker) -> None:
    """Fixes are published while the server is killed and started again; each is in the log, since the broker sends
    again what was not acknowledged."""
    file = tmp_path / "geo.toml"
    file.write_text(f'[receivers.mqtt]\nurl = "{broker.url}"\ntopics = ["kill/+/+"]\nclient_id = "killed"\n')
    server = Server(tmp_path / "log.sqlite", ("--adopt-unknown", "--config", str(file))).start()
    again = ServerInThread(server.log, server.more, receivers=Config.read(file).receivers)
    publisher = paho.Client(paho.CallbackAPIVersion.VERSION2)
    publisher.connect("127.0.0.1", broker.port)
    publisher.loop_start()
    try:
        eventually(lambda: 'way="mqtt",what="connected"} 1.0' in httpx.get(f"{server.url}/metrics").text)
        now_s, sent = int(time.time()), 0

        def publish(count: int) -> None:
            nonlocal sent
            for _ in range(count):
                sent += 1
                said = {"_type": "location", "lon": NORTH[0], "lat": NORTH[1], "tst": now_s - 2_000 + sent}
                publisher.publish("kill/anna/K1", json.dumps(said), 1)

        publish(300)
        eventually(lambda: 'tracker_messages_total{way="mqtt"}' in httpx.get(f"{server.url}/metrics").text)
        publish(300)
        server.kill()
        publish(50)
        again.start()
        fixes = {now_s - 2_000 + n for n in range(1, sent + 1)}

        def in_the_log() -> set[int]:
            return {e.fix.fix_ms // 1000 for e in events_in(server.log) if isinstance(e, PositionReported)}

        eventually(lambda: in_the_log() == fixes)
    finally:
        publisher.loop_stop()
        server.stop()
        again.stop()
