"""What is known of premises is told to those who go there or send others, and to nobody else."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import httpx

from geo_backup.eventlog import open_log
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from geo_backup.people import ROLES, Roster
from geo_backup.places import Gazetteer, own
from geo_backup.roads.network import RoadNetwork
from geo_backup.server.app import create_app
from tests.places import town

KNOWS = {"field_unit", "dispatcher", "supervisor"}


def test_who_is_told_of_a_hazard(places: Gazetteer, folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder / "map", tmp_path / "map"))
    lon, lat = town.place(1.0, 0.1)
    own.save(copy, [own.OwnPlace("p1", "premises", "Casa Ema", lon, lat, "aggressive dog")])
    roster = Roster(tmp_path / "people.sqlite")
    tokens = {
        role: roster.tokens.issue(
            role, "program", agency="*", roles=(role,), units=("P1",) * (role in ("field_unit", "device")), by="test"
        )
        for role in ROLES
    }

    async def ask() -> dict[str, tuple[int, str, str]]:
        node = Node(RoadNetwork.load(copy), open_log(tmp_path / "log.sqlite", reserve_bytes=0), Clock("live"))
        await node.start()
        told = {}
        try:
            transport = httpx.ASGITransport(create_app(node, roster=roster))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
                for role, token in tokens.items():
                    headers = {"Authorization": f"Bearer {token}"}
                    found = await http.get("/v1/places", params={"q": "rua formosa 12"}, headers=headers)
                    named = await http.get("/v1/places/name", params={"lon": lon, "lat": lat}, headers=headers)
                    first = found.json()["places"][0]["hazard"] if found.is_success else ""
                    told[role] = found.status_code, first, named.json().get("hazard", "")
                told["nobody"] = (await http.get("/v1/places", params={"q": "rua formosa 12"})).status_code, "", ""
        finally:
            await node.stop()
        return told

    told = asyncio.run(ask())
    assert {role for role, (_, hazard, _) in told.items() if hazard} == KNOWS
    assert {role for role, (_, _, hazard) in told.items() if hazard} == KNOWS
    assert told["dispatcher"][1] == "Casa Ema: aggressive dog"
    assert told["viewer"][0] == told["analyst"][0] == 200, "where a place is, is no secret"
    assert told["device"][0] == 403
    assert told["nobody"][0] == 401
