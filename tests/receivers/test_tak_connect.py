"""TAK servers that this server calls: what is shown there, what comes from there, and calling again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from geo_backup.formats import tak_proto
from geo_backup.formats.tak_stream import Splitter, framed
from geo_backup.receivers.config import receivers_of
from geo_backup.receivers.inlet import Inlet
from tests.asking import new_unit
from tests.receivers.talking import Client, event
from tests.running import ServerInThread, eventually


@contextmanager
def calling(server: ServerInThread, **said: Any) -> Iterator[None]:
    """A server that calls another."""
    (tak,) = receivers_of({"tak": {"connect": [{"host": "127.0.0.1", **said}]}}, Path())
    assert server.node is not None
    assert server.speakers is not None
    assert server.intake is not None
    running = asyncio.run_coroutine_threadsafe(tak.run(Inlet(server.intake, server.speakers)), server._loop)
    try:
        yield
    finally:
        running.cancel()


class Caught(Client):
    """What calls this port, as a client."""

    def __init__(self, listener: socket.socket) -> None:
        listener.settimeout(10.0)
        self.line, _ = listener.accept()
        self.line.settimeout(0.02)
        self.raw, self.ended = b"", False


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def test_units_go_both_ways_and_a_server_that_hung_up_is_called_again(
    server: ServerInThread, http: httpx.Client, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit_id, other_id = new_unit(http, [11.97, 57.7]), new_unit(http)
    monkeypatch.setenv("TAK_PASSWORD", "a & b")
    port = listener.getsockname()[1]
    with calling(server, port=port, username="geo", password_env="TAK_PASSWORD"):
        there = Caught(listener)
        there.hears(f'uid="geo-backup.{unit_id}"')
        assert there.raw.startswith(b'<auth><cot username="geo" password="a &amp; b"')
        there.send(event("a-f-G-U-C", other_id, lon=11.961), event("t-x-c-t", "them-ping"))
        there.hears('type="t-x-c-t-r"')
        there.line.close()
        there = Caught(listener)
        there.hears(f'uid="geo-backup.{other_id}".*lon="11.961')


def test_version_1_is_asked_for_where_it_is_offered_and_wanted(
    server: ServerInThread, http: httpx.Client, listener: socket.socket
) -> None:
    other_id = new_unit(http)
    with calling(server, port=listener.getsockname()[1], protobuf=True):
        there = Caught(listener)
        offer = '<TakControl><TakProtocolSupport version="1"/></TakControl>'
        there.send(event("t-x-takp-v", "protouid", detail=offer))
        assert '<TakRequest version="1"/>' in there.hears('type="t-x-takp-q" .*uid|uid="protouid" type="t-x-takp-q"')
        before = len(there.read())
        yes = '<TakControl><TakResponse status="true"/></TakControl>'
        moved = tak_proto.message_of(ElementTree.fromstring(event("a-f-G-U-C", other_id, lon=11.962)))
        there.send(event("t-x-takp-r", "protouid", detail=yes), framed(moved))
        eventually(lambda: http.get(f"/v1/units/{other_id}").json()["geometry"], "the unit by version 1")

        def told() -> list[str]:
            splitter = Splitter()
            splitter.version = 1
            events = [tak_proto.event_of(one.data) for one in splitter.feed(there.read()[before:])]
            return [one.get("uid", "") for one in events if one is not None]

        eventually(lambda: f"geo-backup.{other_id}" in told(), "the other unit by version 1")


def test_a_server_that_is_not_there_is_called_until_it_is(server: ServerInThread, http: httpx.Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with calling(server, port=port):
        eventually(lambda: "it is called again" in server.said(), "a word that it is not there")
        with socket.create_server(("127.0.0.1", port)) as listener:
            Caught(listener).hears('uid="geo-backup.')
