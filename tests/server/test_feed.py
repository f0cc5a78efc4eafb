"""The feed over a real websocket: snapshot, frames, resuming, and who is slow or says nonsense."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.asking import BRIDGE, NORTH, SOUTH, at, new_incident, new_unit, report
from tests.running import Server

ALL = ["units", "positions", "incidents", "rankings", "closures"]


@asynccontextmanager
async def feed(server: Server, hello: Any = None) -> AsyncIterator[ClientConnection]:
    async with connect(server.feed, proxy=None, max_size=64 << 20) as socket:
        await socket.send(json.dumps(hello if hello is not None else {"type": "hello", "topics": ALL}))
        yield socket


async def heard(socket: ClientConnection, within_s: float = 8.0) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), within_s))
    return message


async def until(socket: ClientConnection, topic: str, thing: str) -> tuple[Any, int]:
    """The next value of a thing, and the seq of its frame."""
    while True:
        message = await heard(socket)
        if message["type"] == "frame" and thing in message.get(topic, {}):
            return message[topic][thing], message["seq"]


async def refused(server: Server, *said: str | bytes) -> tuple[str | None, int | None]:
    """What the server says to a bad start, and the code it closes with."""
    text: str | None = None
    async with connect(server.feed, proxy=None) as socket:
        try:
            for words in said:
                await socket.send(words)
            async with asyncio.timeout(8):  # in all: a hello that is taken is answered with beats without end
                while True:
                    message = json.loads(await socket.recv())
                    text = message["message"] if message["type"] == "error" else text
        except websockets.ConnectionClosed:
            return text, socket.close_code


def test_snapshot_then_frames(server: Server, http: httpx.Client) -> None:
    unit_id = new_unit(http, NORTH)
    incident_id = new_incident(http)
    closure = http.post("/v1/closures", json={"geometry": BRIDGE, "reason": "x"}).json()["closure_id"]

    async def watch() -> None:
        async with feed(server) as socket:
            snapshot = await heard(socket)
            assert snapshot["type"] == "snapshot"
            assert {"epoch", "seq", "mode", "area", *ALL} <= set(snapshot)
            health = http.get("/healthz").json()
            assert (snapshot["mode"], snapshot["epoch"]) == ("live", health["epoch"])
            assert {"name", "extent", "timezone", "attribution"} <= set(snapshot["area"])
            assert snapshot["positions"][unit_id][:4] == [*NORTH, None, None]
            assert isinstance(snapshot["positions"][unit_id][4], int)
            assert snapshot["units"][unit_id]["callsign"] == "Adam 12"
            assert incident_id in snapshot["incidents"]
            assert closure in snapshot["closures"]
            report(http, {"unit_id": unit_id, "lon": NORTH[0], "lat": NORTH[1], "speed_mps": 1.0, "course_deg": 7.0})
            position, seq = await until(socket, "positions", unit_id)
            assert position[2:4] == [1.0, 7.0]
            assert seq > snapshot["seq"]
            http.put(f"/v1/units/{unit_id}/status", json={"status": "returning"})
            assert (await until(socket, "units", unit_id))[0]["status"] == "returning"
            http.delete(f"/v1/closures/{closure}")
            assert (await until(socket, "closures", closure))[0] is None
            fresh = new_incident(http, NORTH)
            ranking, _ = await until(socket, "rankings", fresh)
            assert len(ranking["candidates"]) <= 20
            assert {"candidates_total", "assigned", "excluded_counts"} <= set(ranking)
            assert "excluded" not in ranking
            http.post(f"/v1/incidents/{fresh}/close")
            gone = set()
            while len(gone) < 2:
                message = await heard(socket)
                gone |= {topic for topic in ("incidents", "rankings") if message.get(topic, {}).get(fresh, ...) is None}
            http.delete(f"/v1/units/{unit_id}")
            assert (await until(socket, "positions", unit_id))[0] is None

    asyncio.run(watch())
    http.post(f"/v1/incidents/{incident_id}/close")


def test_only_the_topics_asked_for_and_a_heartbeat(server: Server, http: httpx.Client) -> None:
    unit_id = new_unit(http, NORTH)

    async def watch() -> None:
        async with feed(server, {"type": "hello", "topics": ["units"]}) as socket:
            snapshot = await heard(socket)
            assert {"positions", "incidents", "rankings", "closures"}.isdisjoint(snapshot)
            report(http, {"unit_id": unit_id, "lon": NORTH[0], "lat": NORTH[1]})
            beat = await heard(socket)
            assert (beat["type"], set(beat)) == ("heartbeat", {"type", "seq", "server_time"})

    async def silent() -> None:
        started = time.monotonic()
        assert await refused(server) == ("no hello within 5 s", 4400)
        assert 4.5 < time.monotonic() - started < 20.0

    async def garbage() -> None:
        async with feed(server) as socket:
            assert (await heard(socket))["type"] == "snapshot"
            for words in ("{", b"\x00", '{"type": "hello"}'):  # after the hello it does no harm
                await socket.send(words)
            while (await heard(socket))["type"] != "heartbeat":
                pass

    async def all_at_once() -> None:
        await asyncio.gather(watch(), silent(), garbage())

    asyncio.run(all_at_once())


def test_a_bad_hello_is_told_and_closed(server: Server) -> None:
    async def say() -> None:
        for words in (
            '{"type": "hello", "topics": ["weather"]}',
            json.dumps({"type": "hello", "topics": ["\N{POLICE CAR}" * 200]}, ensure_ascii=False),
            '{"type": "hullo", "topics": []}',
            '{"type": "hello", "topics": ["units"], "more": 1}',
            '{"type": "hello", "topics": ["units"], "resume": {"epoch": 1, "after": -1}}',
            json.dumps({"type": "hello", "topics": ["units"] * 100}),
            "[]",
            "NaN",
            "{",
            "[" * 30_000,
            b"\x00\xff",
        ):
            text, code = await refused(server, words)
            assert code == 4400, words[:60]
            assert text, words[:60]
        text, _ = await refused(server, '{"type": "hello", "topics": ["weather"]}')
        assert text is not None
        assert "weather" in text
        assert "positions" in text
        for size in (100_000, 50_000_000):  # packed it is a hundred bytes, or fifty thousand
            assert (await refused(server, "x" * size))[1] == 1009

    asyncio.run(say())


def test_resume_misses_nothing_and_an_old_epoch_gets_a_snapshot(server: Server, http: httpx.Client) -> None:
    incident_id = new_incident(http)
    moved, retired, closure = new_unit(http, NORTH), new_unit(http, NORTH), {"geometry": BRIDGE, "reason": "x"}
    lifted = http.post("/v1/closures", json=closure).json()["closure_id"]

    async def watch() -> None:
        async with feed(server) as socket:
            snapshot = await heard(socket)
            while incident_id not in snapshot["rankings"]:
                message = await heard(socket)
                snapshot["rankings"].update(message.get("rankings", {}))
                snapshot["seq"] = message["seq"]
        report(http, {"unit_id": moved, "lon": NORTH[0], "lat": NORTH[1], "speed_mps": 2.0})
        http.delete(f"/v1/units/{retired}")
        http.delete(f"/v1/closures/{lifted}")
        http.post(f"/v1/incidents/{incident_id}/close")
        added, opened = new_unit(http, SOUTH), new_incident(http)
        async with feed(server) as other:
            while opened not in (await heard(other)).get("rankings", {}):
                pass
        resume = {"epoch": snapshot["epoch"], "after": snapshot["seq"]}
        async with feed(server, {"type": "hello", "topics": ALL, "resume": resume}) as socket:
            head = await heard(socket)
            assert (head["type"], head["epoch"]) == ("resumed", snapshot["epoch"])
            assert head["seq"] <= snapshot["seq"]  # the frame that follows brings the rest
            frame = await heard(socket)
            assert frame["type"] == "frame"
            assert frame["positions"][moved][2] == 2.0
            assert frame["units"][retired] is None
            assert frame["positions"][retired] is None
            assert frame["closures"][lifted] is None
            assert frame["incidents"][incident_id] is None
            assert frame["rankings"][incident_id] is None
            assert frame["units"][added]["unit_id"] == added
            assert opened in frame["incidents"]
            assert opened in frame["rankings"]
        for other in ({"epoch": "another", "after": 1}, {"epoch": snapshot["epoch"], "after": 10**12}):
            async with feed(server, {"type": "hello", "topics": ALL, "resume": other}) as socket:
                assert (await heard(socket))["type"] == "snapshot"
        http.post(f"/v1/incidents/{opened}/close")

    asyncio.run(watch())


def test_a_slow_viewer_ends_with_the_latest_values(server: Server, http: httpx.Client) -> None:
    units = [new_unit(http, NORTH, callsign="x" * 60, capabilities=["y" * 60] * 8) for _ in range(20)]

    async def watch() -> None:
        async with connect(server.feed, proxy=None, max_size=64 << 20, max_queue=1) as socket:
            await socket.send(json.dumps({"type": "hello", "topics": ALL}))
            for i in range(1, 41):
                now = at()
                rows = [
                    {"unit_id": u, "fix_time": now, "lon": NORTH[0], "lat": NORTH[1], "speed_mps": i / 10}
                    for u in units
                ]
                await asyncio.to_thread(http.post, "/v1/positions", json={"positions": rows})
            latest: dict[str, Any] = {}
            while not (len(latest) >= len(units) and all(latest[u][2] == 4.0 for u in units)):
                latest.update((await heard(socket)).get("positions", {}))

    asyncio.run(watch())
