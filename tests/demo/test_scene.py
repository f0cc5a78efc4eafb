"""The scene on a node: its vehicles stand on the map at once, and drive to where people send them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from geo_backup.demo.scene import set_scene
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from tests.node.test_node import asking, running
from tests.roads.tiny import place

T = 1_795_435_200_000
LOOKS = 500


def test_who_is_sent_drives_there_and_arrives(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        drive = await set_scene(node, 3, 1)
        assert [unit.source for unit in node.live_map.units.values()] == ["simulated"] * 3
        assert all(unit.fix is not None for unit in node.live_map.units.values())
        async with asking(node) as http:
            lon, lat = place(500, 0)
            body = {"incident_id": "i", "lon": lon, "lat": lat, "priority": 1}
            assert (await http.post("/v1/incidents", json=body)).status_code == 201
            sent = await http.post("/v1/incidents/i/assignments", json={"unit_id": "P-01"})
            assert sent.status_code == 201
        node.clock.set(speed=600.0, playing=True)
        driving = asyncio.create_task(drive())
        try:
            for _ in range(LOOKS):
                if node.live_map.incidents["i"].assignments["P-01"].state == "on_scene":
                    break
                assert not driving.done(), driving.exception()
                await asyncio.sleep(0.02)
            assert node.live_map.incidents["i"].assignments["P-01"].state == "on_scene"
        finally:
            driving.cancel()

    running(story, tmp_path / "log.sqlite", clock=Clock("replay", T))
