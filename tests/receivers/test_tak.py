"""TAK streams: units, alarms, incidents, closures, both ways; pings, version 1, and who may see what."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from geo_backup.receivers.tak import TakStreams
from geo_backup.receivers.tak_settings import Listen, Tak
from tests.asking import new_unit
from tests.receivers.talking import Client, event, streams
from tests.running import ServerInThread, eventually
from tests.server.test_backup import fleet

HERE = Tak(listen=Listen(port=0))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    running = ServerInThread(tmp_path_factory.mktemp("tak") / "log.sqlite").start()
    yield running
    running.stop()
    assert "Traceback" not in running.said()


@pytest.fixture(scope="module")
def http(server: ServerInThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as client:
        yield client


@pytest.fixture(scope="module")
def tak(server: ServerInThread) -> Iterator[TakStreams]:
    with streams(server, HERE) as made:
        yield made


def place(http: httpx.Client, unit_id: str) -> list[float] | None:
    geometry = http.get(f"/v1/units/{unit_id}").json()["geometry"]
    return None if geometry is None else geometry["coordinates"]


def test_a_client_moves_its_unit_and_sees_the_others(http: httpx.Client, tak: TakStreams) -> None:
    fleet(http, ("B", 0.01, ()))
    unit_id = new_unit(http, callsign="Adam 71")
    client = Client(tak.port)
    assert 'callsign="B"' in client.hears('uid="geo-backup.B"')
    client.send(event("a-f-G-U-C", "ANDROID-1", lon=11.965, lat=57.701, detail='<contact callsign="Adam 71"/>'))
    eventually(lambda: place(http, unit_id) == [11.965, 57.701], "the unit at its new place")
    assert 'callsign="Adam 71"' in client.hears(f'uid="geo-backup.{unit_id}".*lon="11.965')


def test_a_panic_alarms_within_a_second_and_its_cancel_ends_nothing(http: httpx.Client, tak: TakStreams) -> None:
    unit_id = new_unit(http, [11.97, 57.7], callsign="Adam 72")
    sender, other = Client(tak.port), Client(tak.port)
    other.hears('type="t-x-takp-v"')
    said = '<emergency type="911 Alert">Adam 72</emergency><link uid="ANDROID-2" type="a-f-G-U-C" relation="p-p"/>'
    sender.send(event("b-a-o-tbl", "ANDROID-2-9-1-1", detail=said + '<contact callsign="Adam 72-Alert"/>'))
    began_s = time.monotonic()
    (standing,) = eventually(lambda: http.get("/v1/emergencies").json()["emergencies"], "the emergency")
    assert time.monotonic() - began_s < 1.0
    assert (standing["for_unit_id"], standing["emergency"]["sources"]) == (unit_id, ["tak"])
    alarm = other.hears(f'uid="geo-backup.{unit_id}-9-1-1" type="b-a-o-tbl"')
    assert '<emergency type="911 Alert">Adam 72</emergency>' in alarm

    cancel = '<emergency cancel="true">Adam 72</emergency>'
    sender.send(event("b-a-o-can", "ANDROID-2-9-1-1", detail=cancel))
    sender.send(event("t-x-c-t", "ANDROID-2-ping"))
    sender.hears('type="t-x-c-t-r"')
    assert http.get("/v1/emergencies").json()["emergencies"][0]["emergency"]["stands"], "a cancel ends nothing"
    end = {"by": "supervisor", "who": "Sgt", "reason": "a test"}
    assert http.post(f"/v1/emergencies/{standing['incident_id']}/clear", json=end).is_success
    assert 'cancel="true"' in other.hears(f'uid="geo-backup.{unit_id}-9-1-1" type="b-a-o-can"')
    http.post(f"/v1/incidents/{standing['incident_id']}/close")
    assert "<__forcedelete/>" in other.hears('type="t-x-d-d"')
