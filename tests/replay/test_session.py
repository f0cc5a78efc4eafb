"""A replay on a node: who has not begun is not there, after a jump too, and the page is told where it all happens."""

from __future__ import annotations

from pathlib import Path

from geo_backup.eventlog import open_log
from geo_backup.events import Fix
from geo_backup.formats.tracks import Track
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.replay.player import Player
from geo_backup.replay.session import ReplaySession
from tests.node.test_node import asking, running
from tests.roads.tiny import place

T = 1_795_435_200_000
TRACKS = [
    Track(name, (tuple(Fix(T + 1000 * s, *place(east + (s - first), 0)) for s in range(first, 600, 5)),))
    for name, first, east in (("early", 0, 100), ("late", 300, 300))
]


def test_a_unit_whose_track_has_not_begun_is_neither_listed_nor_ranked(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        session = ReplaySession(node, Player(TRACKS), lambda: open_log(tmp_path / "jump.sqlite"))
        await session.begin()
        async with asking(node) as http:

            async def listed() -> list[str]:
                return sorted(row["id"] for row in (await http.get("/v1/units")).json()["features"])

            assert await listed() == ["early"]
            lon, lat = place(500, 0)
            body = {"incident_id": "i", "lon": lon, "lat": lat, "priority": 1}
            assert (await http.post("/v1/incidents", json=body)).status_code == 201
            ranking = (await http.get("/v1/incidents/i/ranking")).json()
            assert {row["unit_id"] for row in ranking["candidates"] + ranking["excluded"]} == {"early"}
            await session.steer(playing=False, speed=None, time_ms=T + 400_000)
            assert await listed() == ["early", "late"]
            ranking = (await http.get("/v1/incidents/i/ranking")).json()
            assert {row["unit_id"] for row in ranking["candidates"]} == {"early", "late"}

    running(story, tmp_path / "log.sqlite", clock=Clock("replay", 0))


def test_a_unit_comes_when_its_track_begins_and_goes_when_the_replay_jumps_back(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        logs = iter(range(9))
        session = ReplaySession(node, Player(TRACKS), lambda: open_log(tmp_path / f"jump{next(logs)}.sqlite"))
        await session.begin()
        for s, there in ((299, {"early"}), (300, {"early", "late"}), (100, {"early"}), (599, {"early", "late"})):
            await session.steer(playing=False, speed=None, time_ms=T + 1000 * s)
            await session.advance(T + 1000 * s)
            assert set(node.live_map.units) == there, s
        await session.steer(playing=False, speed=None, time_ms=T)
        await session.advance(T + 300_000)  # played up to there
        assert set(node.live_map.units) == {"early", "late"}
        assert node.live_map.units["late"].fix is not None

    running(story, tmp_path / "log.sqlite", clock=Clock("replay", 0))


def test_the_page_is_told_where_the_units_drive_on_this_map(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        extent = ReplaySession(node, Player(TRACKS)).state()["extent"]
        assert place(100, 0)[0] <= extent[0] < extent[2] <= place(750, 0)[0]
        away = Track("away", (tuple(Fix(T + s, 2.0 + s / 1e3, 48.0) for s in range(50)),))
        assert ReplaySession(node, Player([away])).state()["extent"] == node.network.area.extent
        assert ReplaySession(node, None).state()["extent"] is None

    running(story, tmp_path / "log.sqlite", clock=Clock("replay", 0))
