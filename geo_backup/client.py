"""A typed client of a geo_backup server: send facts over HTTP, watch the feed and resume by itself.

>>> async with Client("http://127.0.0.1:8000") as client:
...     incident = await client.open_incident(11.97, 57.70, priority=1)
...     async for world in client.watch():
...         print(world.rankings.get(incident["incident_id"]))
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
import websockets
from websockets.asyncio.client import connect

from geo_backup.errors import GeoBackupError
from geo_backup.feed import TOPICS
from geo_backup.outbound import server_in

SILENCE_S = 12.0
"""The server sends a heartbeat every second: after this long without a word the link is lost."""
BACK_OFF_MAX_S = 10.0


class ServerError(GeoBackupError):
    """The server said no; `status` is the HTTP status, `errors` its list of fields and reasons."""

    def __init__(self, status: int, detail: str, errors: list[dict[str, str]]) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.errors = status, errors


@dataclass
class World:
    """What the feed has told so far: the latest value of each thing, by id."""

    epoch: str = ""
    seq: int = 0
    mode: str = ""
    connected: bool = False
    area: dict[str, Any] = field(default_factory=dict)
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    positions: dict[str, list[Any]] = field(default_factory=dict)
    incidents: dict[str, dict[str, Any]] = field(default_factory=dict)
    rankings: dict[str, dict[str, Any]] = field(default_factory=dict)
    closures: dict[str, dict[str, Any]] = field(default_factory=dict)
    timers: dict[str, dict[str, Any]] = field(default_factory=dict)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    conditions: list[dict[str, str]] = field(default_factory=list)
    """What is wrong with the server, in words that say what to do."""

    def take(self, message: Mapping[str, Any]) -> bool:
        """Fold one message of the server into what is known; whether anything was in it."""
        kind = message["type"]
        if kind == "snapshot":
            self.epoch, self.mode, self.area = message["epoch"], message["mode"], message["area"]
            self.conditions = []
            for topic in TOPICS:
                setattr(self, topic, dict(message.get(topic, {})))
        elif kind == "resumed":
            self.epoch, self.conditions = message["epoch"], []
        elif kind == "health":
            self.conditions = list(message["conditions"])
            return True
        elif kind == "frame":
            for topic in TOPICS:
                things = getattr(self, topic)
                for thing, value in message.get(topic, {}).items():
                    if value is None:
                        things.pop(thing, None)
                    else:
                        things[thing] = value
        else:
            return False
        self.seq = message["seq"]
        return True


REFUSED = (4401, 4403)
"""With these a feed closes for whom the server does not know, or not any more."""


class Client:
    """One server, by its URL. Use it as an async context manager."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        parts = server_in(url)
        if parts is None:
            raise GeoBackupError(f"{url!r} is no server address; it looks like http://127.0.0.1:8000")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        # the machine's own list, so that an agency's authority counts here as it does for the feed
        verify = ssl.create_default_context() if parts.scheme == "https" else True
        self._http = httpx.AsyncClient(
            base_url=self.url, headers=self._headers, timeout=30.0, trust_env=False, verify=verify
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request; a body of bytes goes as it is, any other as JSON. An answer that is no JSON is its text.

        Raises `ServerError` for an answer that is no success, `GeoBackupError` without an answer.
        """
        said: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        try:
            reply = await self._http.request(method, path, **said)
        except httpx.HTTPError as error:
            raise GeoBackupError(
                f"{self.url} does not answer ({type(error).__name__}); is the server running?"
            ) from None
        if reply.is_success:
            said_json = "json" in reply.headers.get("content-type", "")
            return None if not reply.content else reply.json() if said_json else reply.text
        try:
            problem = reply.json()
        except json.JSONDecodeError:
            problem = {}
        raise ServerError(reply.status_code, problem.get("detail", reply.reason_phrase), problem.get("errors", []))

    async def report(self, positions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """POST /v1/positions, at most 1,000; says which were accepted, refused, ignored."""
        answer: dict[str, Any] = await self.call("POST", "/v1/positions", {"positions": list(positions)})
        return answer

    async def register(
        self, unit_id: str, callsign: str, agency: str, kind: str, capabilities: Collection[str] = ()
    ) -> dict[str, Any]:
        """PUT /v1/units/{id}."""
        body = {"callsign": callsign, "agency": agency, "kind": kind, "capabilities": list(capabilities)}
        answer: dict[str, Any] = await self.call("PUT", f"/v1/units/{unit_id}", body)
        return answer

    async def open_incident(self, lon: float, lat: float, *, priority: int, **more: Any) -> dict[str, Any]:
        """POST /v1/incidents."""
        body = {"lon": lon, "lat": lat, "priority": priority, **more}
        answer: dict[str, Any] = await self.call("POST", "/v1/incidents", body)
        return answer

    async def ranking(self, incident_id: str, limit: int = 20) -> dict[str, Any]:
        """GET /v1/incidents/{id}/ranking."""
        answer: dict[str, Any] = await self.call("GET", f"/v1/incidents/{incident_id}/ranking?limit={limit}")
        return answer

    async def send(self, incident_id: str, unit_id: str, **more: Any) -> dict[str, Any]:
        """POST /v1/incidents/{id}/assignments."""
        body = {"unit_id": unit_id, **more}
        answer: dict[str, Any] = await self.call("POST", f"/v1/incidents/{incident_id}/assignments", body)
        return answer

    async def ask_backup(self, incident_id: str, mode: str, **more: Any) -> dict[str, Any]:
        """POST /v1/incidents/{id}/backup: the set to send at once, on record as `decision_id`; the best set follows as
        the incident's `recommended`, when that says `stage: refined`."""
        answer: dict[str, Any] = await self.call("POST", f"/v1/incidents/{incident_id}/backup", {"mode": mode, **more})
        return answer

    async def decision(self, decision_id: str) -> dict[str, Any]:
        """GET /v1/decisions/{id}: in numbers, and in `words`."""
        answer: dict[str, Any] = await self.call("GET", f"/v1/decisions/{decision_id}")
        return answer

    async def declare_emergency(self, unit_id: str, **more: Any) -> dict[str, Any]:
        """POST /v1/emergencies: the unit's officer is in danger."""
        answer: dict[str, Any] = await self.call("POST", "/v1/emergencies", {"unit_id": unit_id, **more})
        return answer

    async def load_traffic(self, file: bytes) -> dict[str, Any]:
        """PUT /v1/traffic: what the server made of the file, lines `from_osm_node,to_osm_node,speed_kmh`."""
        answer: dict[str, Any] = (await self.call("PUT", "/v1/traffic", file))["traffic"]
        return answer

    async def clear_traffic(self) -> None:
        """DELETE /v1/traffic."""
        await self.call("DELETE", "/v1/traffic")

    async def watch(self, topics: Collection[str] = TOPICS) -> AsyncIterator[World]:
        """The world after every message, for ever; the same object each time.

        A lost link is yielded once with `connected` False; then the client comes back by itself, with growing
        pauses, and resumes where it was. A server that refuses the hello or the token raises `GeoBackupError`.
        """
        world, pause_s = World(), 0.5
        while True:
            try:
                async with connect(
                    self.url.replace("http", "ws", 1) + "/v1/feed",
                    additional_headers=self._headers,
                    max_size=64 << 20,
                    proxy=None,
                ) as socket:
                    hello: dict[str, Any] = {"type": "hello", "topics": list(topics)}
                    if world.epoch:
                        hello["resume"] = {"epoch": world.epoch, "after": world.seq}
                    await socket.send(json.dumps(hello))
                    while True:
                        async with asyncio.timeout(SILENCE_S):
                            message = json.loads(await socket.recv())
                        if message["type"] == "error":
                            raise GeoBackupError(message["message"])
                        world.connected, pause_s = True, 0.5
                        if world.take(message):
                            yield world
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                if isinstance(error, websockets.InvalidStatus) and error.response.status_code in (401, 403):
                    raise GeoBackupError(f"{self.url} refuses: a token is needed") from None
                if isinstance(error, websockets.ConnectionClosed) and error.rcvd and error.rcvd.code in REFUSED:
                    raise GeoBackupError(f"{self.url} refuses: {error.rcvd.reason}") from None
                if world.connected:
                    world.connected = False
                    yield world
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, BACK_OFF_MAX_S)
