"""The end of a server: what is acknowledged is in the log, and nobody waits for a search that nobody will read."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from pathlib import Path

import httpx
import pytest

from geo_backup.errors import LogError
from geo_backup.eventlog import open_log
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from tests.asking import at
from tests.node.test_node import folded, street
from tests.running import CENTRE, Server
from tests.stories import unit

WITHIN_S = 15.0
"""A busy machine's five seconds; what is not waited for here takes half a minute and more."""


def test_a_node_ends_while_its_worker_works(tmp_path: Path) -> None:
    go_on = threading.Event()

    async def story() -> None:
        log = open_log(tmp_path / "log.sqlite")
        node = Node(street(), log, Clock("live"))
        await node.start()
        await node.submit(unit("P1"))
        asking = asyncio.ensure_future(node.read_field(lambda _: go_on.wait(60)))
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(node.stop(), WITHIN_S)
            with pytest.raises(LogError, match="closed"):
                await log.append([unit("P2")])
        finally:
            go_on.set()
            asking.cancel()

    asyncio.run(story())
    live_map, snapshot = folded(tmp_path / "log.sqlite")
    assert list(live_map.units) == ["P1"]
    assert snapshot is not None
    assert snapshot[0] == live_map.seq


@pytest.mark.slow
def test_a_server_with_forty_requests_ends_at_once(tmp_path: Path) -> None:
    dice, server = random.Random(1), Server(tmp_path / "log.sqlite").start()

    def somewhere() -> dict[str, float]:
        return {"lon": CENTRE[0] + dice.uniform(-0.06, 0.06), "lat": CENTRE[1] + dice.uniform(-0.03, 0.03)}

    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
        names = [f"U{n}" for n in range(100)]
        for name in names:
            body = {"callsign": name, "agency": "police", "kind": "patrol", "capabilities": ["patrol"]}
            assert http.put(f"/v1/units/{name}", json=body).is_success
        rows = [{"unit_id": name, "fix_time": at(), **somewhere()} for name in names]
        assert http.post("/v1/positions", json={"positions": rows}).json()["accepted"] == len(names)
        for n in range(40):
            incident = http.post("/v1/incidents", json={**somewhere(), "priority": 1 + n % 3}).json()
            url = f"/v1/incidents/{incident['incident_id']}/backup"
            assert http.post(url, json={"mode": "immediate", "units": 5}).is_success
        began = time.monotonic()
        assert server.stop() == 0
    assert time.monotonic() - began < WITHIN_S
    live_map, _ = folded(server.log)
    assert len(live_map.open_incidents()) == 40
