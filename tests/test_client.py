"""The client against a server that dies and comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from geo_backup import Client
from geo_backup.client import ServerError, World
from geo_backup.errors import GeoBackupError
from tests.asking import NORTH, SOUTH, at
from tests.running import Server, ServerInThread, free_port


def test_it_resumes_by_itself_after_the_server_was_killed(tmp_path: Path) -> None:
    server = Server(tmp_path / "log.sqlite").start()
    again = ServerInThread(server.log, port=server.port)

    async def story() -> None:
        async with Client(server.url) as client:
            await client.register("P1", "Adam 1", "police", "patrol")
            reply = await client.report([{"unit_id": "P1", "fix_time": at(), "lon": NORTH[0], "lat": NORTH[1]}])
            assert reply["accepted"] == 1
            incident = await client.open_incident(*SOUTH, priority=1)
            incident_id = incident["incident_id"]
            assert (await client.ranking(incident_id))["candidates"][0]["unit_id"] == "P1"
            stream = client.watch()

            async def wait(what: str) -> World:
                async for world in stream:
                    if eval(what, {"w": world, "i": incident_id}):
                        return world
                raise AssertionError("the stream ended")

            world = await asyncio.wait_for(wait("i in w.rankings"), 10)
            assert world.connected
            epoch, seq = world.epoch, world.seq
            server.kill()
            await asyncio.wait_for(wait("not w.connected"), 10)
            assert world.positions["P1"][:2] == NORTH  # what is known stays
            with pytest.raises(GeoBackupError, match="does not answer"):
                await client.ranking(incident_id)
            starting = asyncio.create_task(asyncio.to_thread(again.start))
            await asyncio.wait_for(wait("w.connected"), 60)
            await starting
            await client.send(incident_id, "P1")
            await asyncio.wait_for(wait("w.units['P1']['incident_id'] == i"), 20)
            assert (world.epoch, world.seq > seq) == (epoch, True)
            assert world.incidents[incident_id]["assignments"][0]["unit_id"] == "P1"
            with pytest.raises(ServerError) as refusal:
                await client.send(incident_id, "P1")
            assert (refusal.value.status, refusal.value.errors[0]["reason"]) == (409, "already_here")
            with pytest.raises(GeoBackupError, match="unknown topic"):
                await anext(aiter(client.watch(["weather"])))

    try:
        asyncio.run(story())
    finally:
        server.stop()
        again.stop()


def test_an_address_that_is_none() -> None:
    for url in ("127.0.0.1:8000", "ftp://x", "", "http://"):
        with pytest.raises(GeoBackupError, match="looks like"):
            Client(url)


def test_nobody_there() -> None:
    async def story() -> None:
        async with Client(f"http://127.0.0.1:{free_port()}") as client:
            with pytest.raises(GeoBackupError, match="is the server running"):
                await client.call("GET", "/healthz")

    asyncio.run(story())
