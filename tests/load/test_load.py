"""`geo-backup load`: a short real load on a real port, what it leaves behind, and whom it leaves alone."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from rich.console import Console

from geo_backup.cli.load import as_table, in_doubt
from geo_backup.errors import BadValueError
from geo_backup.load.figures import Load, Metrics, Stamp, quantiles
from geo_backup.load.floor import Nats, floor
from geo_backup.load.ground import Ground
from geo_backup.load.sender import Batches
from tests.asking import new_incident, new_unit
from tests.cluster.servers import program
from tests.receivers.broker import Broker
from tests.running import Command, Server, eventually, free_port

SMALL = (
    "--pings-per-s",
    200,
    "--units",
    40,
    "--incidents",
    2,
    "--viewers",
    8,
    "--seconds",
    1.5,
    "--batch",
    10,
    "--json",
)


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    broker = Broker(free_port())
    broker.start()
    yield broker
    broker.stop()


def left_over(http: httpx.Client) -> list[str]:
    units = [one["properties"]["unit_id"] for one in http.get("/v1/units").json()["features"]]
    incidents = [one["incident_id"] for one in http.get("/v1/incidents").json()["incidents"]]
    return [name for name in (*units, *incidents) if name.startswith("LOAD-")]


def test_every_ping_is_timed_to_the_screens(
    server: Server, http: httpx.Client, command: Command, broker: Broker
) -> None:
    code, out, err = command("load", server.url, *SMALL, "--storm", "--slow-viewers", 2, "--broker", broker.url)
    assert code == 0, err
    found = json.loads(out)
    pings = found["pings"]
    assert pings["sent"] >= 200 * 1.5
    assert pings["accepted"] == pings["sent"]
    assert pings["refused"] == pings["failed"] == pings["unsent"] == 0
    assert found["last_values_missing"] == 0
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99.9"] <= found["latency_ms"]["worst"]
    assert found["floor"]["latency_ms"]["p50"] > 0
    assert found["floor"]["messages_lost"] == 0
    assert found["storm"]["not_back"] == 0
    assert found["storm"]["timed_that_resumed"] == 5
    assert found["server"]["frames_per_s"] > 8
    assert found["server"]["memory_MB"][0] > 50
    assert found["server"]["loop_late_at_most_ms"] > 0
    assert left_over(http) == []
    shown = io.StringIO()
    Console(file=shown, width=120).print(as_table(found))
    for said in ("ping to frame", "bare broker", "pings sent, lost", "its loop late by at most", "lines cut"):
        assert said in shown.getvalue()
    assert list(in_doubt({**found, "behind_ms": 0.0})) == []
    assert "another machine" in " ".join(in_doubt({**found, "behind_ms": 900.0}))


def test_a_map_in_use_is_left_alone(server: Server, http: httpx.Client, command: Command) -> None:
    unit, incident = new_unit(http), new_incident(http)
    try:
        after = http.get("/healthz").json()["seq"]
        code, _, err = command("load", server.url, *SMALL)
        assert code == 1
        assert "--exercise" in err
        assert unit in err
        assert "LOAD-" not in http.get("/v1/log", params={"after": after}).text
        code, out, err = command("load", server.url, *SMALL, "--seconds", 1, "--exercise")
        assert code == 0, err
        assert json.loads(out)["pings"]["accepted"] > 0
        assert left_over(http) == []
        facts = http.get("/v1/log", params={"after": after}).text
        assert facts.count("out_of_service") == 40, "nobody is sent a simulated unit"
        assert http.get(f"/v1/units/{unit}").status_code == 200
    finally:
        http.post(f"/v1/incidents/{incident}/close")
        http.delete(f"/v1/units/{unit}")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "--map DIR"),
        (("http://127.0.0.1:9", "--map", "x"), "--map DIR"),
        (("http://127.0.0.1:9",), "does not answer"),
        (("127.0.0.1",), "http://127.0.0.1:8000"),
        (("http://127.0.0.1:9", "--broker", "amqp://x"), "nats://127.0.0.1:4222"),
        (("http://127.0.0.1:9", "--broker", "mqtt://127.0.0.1:9"), "no broker answers"),
    ],
)
def test_what_cannot_be_measured_is_said(command: Command, args: tuple[str, ...], words: str) -> None:
    code, _, err = command("load", *args)
    assert code == 1
    assert words in " ".join(err.split())


@pytest.mark.parametrize("option", ["--seconds", "--pings-per-s"])
def test_what_is_no_number_is_within_no_range(command: Command, option: str) -> None:
    code, _, err = command("load", "http://127.0.0.1:9", option, "nan")
    assert code == 2
    assert "nan is no number that counts" in err


def test_units_drive_on_without_a_leap() -> None:
    around = np.array([[11.97, 57.70], [11.971, 57.70], [11.971, 57.701], [11.97, 57.701]])
    ground, which = Ground([around], 100), np.arange(100)
    lon, lat, speed, course = ground.at(which, 1_000.0)
    later_lon, later_lat, _, _ = ground.at(which, 1_000.1)
    assert np.abs(later_lon - lon).max() < 0.0003
    assert np.abs(later_lat - lat).max() < 0.0003
    assert (speed > 50).all()
    assert ((course >= 0) & (course < 360)).all()


def test_units_report_in_turn() -> None:
    batches = Batches(Load(units=25, batch=10, pings_per_s=100), [np.array([[11.97, 57.7], [11.98, 57.7]])])
    assert batches.every_s == 0.1
    units = [unit for _ in range(5) for unit in batches.next(0.0, Stamp.now())[0]]
    assert units[:25] == units[25:] == Load(units=25).unit_ids


def test_a_histogram_tells_the_worst_since() -> None:
    def text(*counts: int) -> str:
        rows = zip(("0.1", "1.0", "+Inf"), counts, strict=True)
        return "".join(f'late_bucket{{le="{bound}"}} {count}\n' for bound, count in rows)

    before, after = Metrics(text(4, 9, 10)), Metrics(text(14, 20, 21))
    assert after.worst_since(before, "late") == 1.0
    assert after.worst_since(before, "other") is None
    assert quantiles([], 50) == {"p50": None, "worst": None}


def test_lines_of_nats_are_read_wherever_they_are_cut() -> None:
    speech = Nats()
    said = b"INFO {}\r\nMSG geo_backup_load 1 5\r\na\r\nbc\r\nPING\r\nMSG geo_backup_load 1 2\r\nxy\r\n"
    assert [one for n in range(len(said)) for one in speech.payloads(said[n : n + 1])] == [b"a\r\nbc", b"xy"]


def test_a_bare_nats_server_is_the_floor_too() -> None:
    port = free_port()
    broker = subprocess.Popen([program(), "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    load = Load(pings_per_s=200, units=40, viewers=4, seconds=1.0, batch=10)

    def heard() -> dict[str, Any]:
        try:
            return asyncio.run(floor(f"nats://127.0.0.1:{port}", load))
        except BadValueError as error:
            raise AssertionError(str(error)) from None

    try:
        found = eventually(heard, "the broker")
        assert found["messages_lost"] == 0
        assert found["latency_ms"]["p50"] > 0
    finally:
        broker.terminate()
        broker.wait(10)
