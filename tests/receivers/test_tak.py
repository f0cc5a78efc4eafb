"""TAK streams: units, alarms, incidents, closures, both ways; pings, version 1, and who may see what."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from configparser import ConfigParser
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree

import httpx
import pytak
import pytest

from geo_backup.formats import tak_proto
from geo_backup.formats.tak_stream import Splitter, framed
from geo_backup.receivers import tak_peer
from geo_backup.receivers.tak import Tak
from tests.asking import BRIDGE, new_incident, new_unit, report
from tests.receivers.talking import Client, at, event, unsent
from tests.running import ServerInThread, eventually, in_time
from tests.server.test_backup import fleet


@pytest.fixture(scope="module")
def tak(receivers: dict[str, Any]) -> Tak:
    found: Tak = receivers["tak"]
    return found


def place(http: httpx.Client, unit_id: str) -> list[float] | None:
    geometry = http.get(f"/v1/units/{unit_id}").json()["geometry"]
    return None if geometry is None else geometry["coordinates"]


def test_a_client_moves_its_unit_and_sees_the_others(http: httpx.Client, tak: Tak) -> None:
    fleet(http, ("B", 0.01, ()))
    unit_id = new_unit(http, callsign="Adam 71")
    client = Client(tak.port or 0)
    assert 'callsign="B"' in client.hears('uid="geo-backup.B"')
    client.send(event("a-f-G-U-C", "ANDROID-1", lon=11.965, lat=57.701, detail='<contact callsign="Adam 71"/>'))
    eventually(lambda: place(http, unit_id) == [11.965, 57.701], "the unit at its new place")
    assert 'callsign="Adam 71"' in client.hears(f'uid="geo-backup.{unit_id}".*lon="11.965')


def test_all_peers_are_shown_where_a_unit_is_at_last(http: httpx.Client, tak: Tak) -> None:
    unit_id = new_unit(http)
    clients = [Client(tak.port or 0) for _ in range(3)]
    for step in range(40):
        report(http, {"unit_id": unit_id, "lon": 11.9 + step * 1e-4, "lat": 57.7, "fix_time": at(step * 0.5)})
    for client in clients:
        client.hears(f'uid="geo-backup.{unit_id}".*lon="{11.9 + 39e-4:.7f}"')


def test_a_panic_alarms_within_a_second_and_its_cancel_ends_nothing(http: httpx.Client, tak: Tak) -> None:
    unit_id = new_unit(http, [11.97, 57.7], callsign="Adam 72")
    sender, other = Client(tak.port or 0), Client(tak.port)
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


def test_a_client_that_takes_another_callsign_stays_its_units(http: httpx.Client, tak: Tak) -> None:
    unit_id = new_unit(http, callsign="Adam 79")
    Client(tak.port or 0).send(event("a-f-G-U-C", "ANDROID-79", detail='<contact callsign="Adam 79"/>'))
    eventually(lambda: place(http, unit_id), "the unit's place")
    again = Client(tak.port or 0)
    again.send(event("a-f-G-U-C", "ANDROID-79", lon=11.9701, detail='<contact callsign="Kalle"/>', s=1))
    eventually(lambda: place(http, unit_id) == [11.9701, 57.7], "the unit at its new place")
    said = '<emergency type="911 Alert">Kalle</emergency><contact callsign="Kalle-Alert"/>'
    again.send(event("b-a-o-tbl", "ANDROID-79-9-1-1", detail=said))
    (standing,) = eventually(lambda: http.get("/v1/emergencies").json()["emergencies"], "the emergency")
    assert (standing["for_unit_id"], standing["emergency"]["verified"]) == (unit_id, True)
    end = {"by": "supervisor", "who": "Sgt", "reason": "a test"}
    assert http.post(f"/v1/emergencies/{standing['incident_id']}/clear", json=end).is_success
    http.post(f"/v1/incidents/{standing['incident_id']}/close")


def test_an_incident_tells_who_reaches_it_and_goes_when_it_is_closed(http: httpx.Client, tak: Tak) -> None:
    unit_id = new_unit(http, [11.968, 57.7062], callsign="Adam 73")
    client = Client(tak.port or 0)
    client.hears(f'uid="geo-backup.{unit_id}"')
    incident_id = new_incident(http, note="Smoke & <fire>")
    told = client.hears(f'uid="geo-backup.incident.{incident_id}".*Adam 73 in [0-9]+:[0-9][0-9]')
    assert 'type="b-m-p-s-m"' in told
    assert "Smoke &amp; &lt;fire&gt;" in told
    http.post(f"/v1/incidents/{incident_id}/close")
    gone = client.hears(f'type="t-x-d-d".*<link uid="geo-backup.incident.{incident_id}"')
    assert 'type="b-m-p-s-m"/><__forcedelete/>' in gone


def test_a_closure_is_drawn_and_taken_off(http: httpx.Client, tak: Tak) -> None:
    client = Client(tak.port or 0)
    closure_id = http.post("/v1/closures", json={"geometry": BRIDGE, "reason": "fire"}).json()["closure_id"]
    drawn = client.hears(f'uid="geo-backup.closure.{closure_id}"')
    assert 'type="u-d-f"' in drawn
    assert drawn.count('<link point="57.71') == 2
    http.delete(f"/v1/closures/{closure_id}")
    client.hears(f'type="t-x-d-d".*<link uid="geo-backup.closure.{closure_id}"')


def test_markers_chat_and_what_comes_back_move_nobody(http: httpx.Client, tak: Tak) -> None:
    unit_id = new_unit(http, callsign="Adam 74")
    client, contact = Client(tak.port or 0), '<contact callsign="Adam 74"/>'
    client.send(
        event("a-f-G-U-C", "mark-1", how="h-g-i-g-o", detail=contact + "<archive/>"),
        event("b-t-f", "GeoChat.A.B.1", detail=contact),
        event("t-x-d-d", f"geo-backup.{unit_id}", detail=contact),
        event("a-f-G-E-V-C", f"geo-backup.{unit_id}", detail=contact),
        event("b-a-o-tbl", f"geo-backup.{unit_id}-9-1-1", detail=contact),
        event("t-x-c-t", "A-ping"),
    )
    client.hears('type="t-x-c-t-r"')
    assert place(http, unit_id) is None
    assert http.get("/v1/emergencies").json()["emergencies"] == []
    assert tak.counts["chat"] == 1
    assert tak.counts["not_its_own"] == 1
    assert tak.counts["own"] == 2


def test_what_nobody_can_use_is_set_aside_and_reading_goes_on(http: httpx.Client, tak: Tak) -> None:
    unit_id = new_unit(http, callsign="Adam 75")
    client = Client(tak.port or 0)
    good = event("a-f-G-U-C", unit_id)
    client.send(b"GET / HTTP/1.1\r\n\r\n", event("a-f-G", "").replace(b"lat", b"tal"), b"<event uid='" + b"x" * 400_000)
    client.send(good[:100])
    client.send(good[100:], event("a-f-G-U-C", "ANDROID-nobody"))
    eventually(lambda: place(http, unit_id), "the unit's place")
    metrics = http.get("/metrics").text
    for reason in ("not_cot", "too_large", "missing", "unknown_device"):
        assert f'geo_backup_quarantined_total{{reason="{reason}",way="tak"}}' in metrics


def test_a_peer_that_asks_for_version_1_speaks_it_both_ways(http: httpx.Client, tak: Tak) -> None:
    unit_id = new_unit(http, [11.97, 57.71], callsign="Adam 76")
    other_id = new_unit(http)
    client = Client(tak.port or 0)
    client.hears('type="t-x-takp-v".*<TakProtocolSupport version="1"/>')
    ask = event("t-x-takp-q", "protouid", detail='<TakControl><TakRequest version="1"/></TakControl>')
    client.send(ask, framed(tak_proto.message_of(ElementTree.fromstring(event("a-f-G-U-C", other_id, lon=11.966)))))
    assert '<TakResponse status="true"/>' in client.hears('type="t-x-takp-r"')
    eventually(lambda: place(http, other_id) == [11.966, 57.7], "the unit's place by version 1")

    def told() -> set[str]:
        raw, splitter = client.read(), Splitter()
        splitter.version = 1
        xml_ends = raw.index(b"</event>", raw.index(b"t-x-takp-r")) + len(b"</event>")
        events = [tak_proto.event_of(one.data) for one in splitter.feed(raw[xml_ends:])]
        return {one.get("uid", "") for one in events if one is not None}

    moved = {"unit_id": unit_id, "lon": 11.9701, "lat": 57.71}
    report(http, moved)
    eventually(lambda: f"geo-backup.{unit_id}" in told(), "the unit by version 1")


async def _pytak(port: int, unit_id: str, until: Callable[[], bool], proto: str) -> list[bytes]:
    config = ConfigParser()
    config["tak"] = {"COT_URL": f"tcp://127.0.0.1:{port}", "TAK_PROTO": proto}
    reader, writer = await pytak.protocol_factory(config["tak"])
    out: asyncio.Queue[bytes] = asyncio.Queue()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    sender = pytak.TXWorker(out, config["tak"], writer)
    receiver = pytak.RXWorker(heard, config["tak"], reader)
    tasks = [asyncio.create_task(worker.run()) for worker in (sender, receiver)]
    await out.put(pytak.gen_cot(57.705, 11.963, uid=unit_id, cot_type="a-f-G-U-C", stale=120, callsign=unit_id))
    found: list[bytes] = []

    def done() -> bool:
        while not heard.empty():
            found.append(heard.get_nowait())
        return until() and any(f'geo-backup.{unit_id}"' in str(one) for one in found)

    try:
        await in_time(done, "the unit moved, and told")
    finally:
        for task in tasks:
            task.cancel()
        writer.close()
    return found


@pytest.mark.parametrize("proto", ["0", "1"])
def test_pytak_moves_its_unit_and_is_told_of_it(http: httpx.Client, tak: Tak, proto: str) -> None:
    unit_id = new_unit(http)

    def moved() -> bool:
        return bool(place(http, unit_id) == [11.963, 57.705])

    asyncio.run(_pytak(tak.port, unit_id, moved, proto))


def test_a_unit_on_its_way_says_when_it_is_there(http: httpx.Client, tak: Tak) -> None:
    unit_id, incident_id = new_unit(http, [11.968, 57.7062]), new_incident(http)
    client = Client(tak.port or 0)
    sent = http.post(f"/v1/incidents/{incident_id}/assignments", json={"unit_id": unit_id})
    assert sent.is_success, sent.text
    client.hears(f'uid="geo-backup.{unit_id}".*, {incident_id} in [0-9]+:[0-9][0-9]<')
    client.hears(f'uid="geo-backup.incident.{incident_id}".*Adam 12 in [0-9:]+, assigned')


def test_a_peer_that_does_not_read_is_let_go(
    http: httpx.Client, server: ServerInThread, tak: Tak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tak_peer, "DRAIN_S", 0.2)
    unit_id = new_unit(http, [11.97, 57.72])
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        line.connect(("127.0.0.1", tak.port or 0))
        line.settimeout(5.0)
        with suppress(OSError):  # it may be let go while it still sends
            for _ in range(20):
                line.sendall(event("t-x-c-t", "S-ping") * 1_000)

        def ended() -> bool:
            report(http, {"unit_id": unit_id, "lon": 11.97, "lat": 57.72})
            return "it took nothing for 0.2 s" in server.said()

        eventually(ended, "the end of it")


@pytest.mark.parametrize("how", ["closes", "stops sending", "closes unread"])
def test_what_a_peer_sent_before_it_hung_up_is_read(http: httpx.Client, tak: Tak, how: str) -> None:
    """ATAK sends what it has and goes: what is shown to it meanwhile reaches nobody, and that is no reason to read no
    more of it."""
    unit_id, other_id = new_unit(http), new_unit(http, [11.97, 57.71], callsign="Adam 77")
    before = tak.counts["position"]
    client = Client(tak.port or 0)
    client.hears(f'uid="geo-backup.{other_id}"')
    client.send(*(event("a-f-G-U-C", unit_id, s=-60 + m / 100) for m in range(5_000)))
    eventually(lambda: not unsent(client.line), "all of it on its way")
    if how == "stops sending":
        client.line.shutdown(socket.SHUT_WR)
    else:
        if how == "closes":
            client.read()
        client.line.close()
    for _ in range(3):  # which it would be shown at once
        http.post(f"/v1/incidents/{new_incident(http)}/close")
    assert tak.counts["position"] < before + 5_000, "there was nothing left to read"
    eventually(lambda: tak.counts["position"] == before + 5_000, "all that it sent")
