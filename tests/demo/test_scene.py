"""The scene on a node: its vehicles stand on the map at once, and drive to where people send them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from geo_backup.cli import demo_map
from geo_backup.demo.scene import set_scene
from geo_backup.live_map.discipline import discipline_of_word
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.roads.network import RoadNetwork
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


def test_the_fleet_fits_every_run_card_that_is_shipped(tmp_path: Path) -> None:
    """Whatever a card must have at any level is there, and each unit is of the kind that is asked for."""

    async def story(node: Node) -> None:
        await set_scene(node, 60, 1)
        live_map = node.live_map
        middle = sorted(unit.fix.lon for unit in live_map.units.values() if unit.fix)[30]
        near = min((unit.fix for unit in live_map.units.values() if unit.fix), key=lambda fix: abs(fix.lon - middle))
        async with asking(node) as http:
            for name, card in node.run_cards.items():
                for level in range(1, len(card.alarms) + 1):
                    body = {"lon": near.lon, "lat": near.lat, "priority": 1, "level": level, "kind": card.kinds[0]}
                    opened = await http.post("/v1/incidents", json=body)
                    incident_id = opened.json()["incident_id"]
                    answer = await http.post(f"/v1/incidents/{incident_id}/backup", json={"mode": "immediate"})
                    told = answer.json()
                    unmet = [need for need in told["unmet"] if need["need"] == "must"]
                    assert not unmet, (name, level, told["missing"])
                    for row in told["units"]:
                        asked = {discipline_of_word(capability) for capability in row["fills"]} - {""}
                        unit = live_map.units[row["unit_id"]]
                        has = {discipline_of_word(word) for word in (unit.kind, *unit.capabilities)}
                        assert asked <= has, (name, row)
                    await http.post(f"/v1/incidents/{incident_id}/close")

    running(story, tmp_path / "log.sqlite", network=RoadNetwork.load(demo_map()), clock=Clock("replay", T))
