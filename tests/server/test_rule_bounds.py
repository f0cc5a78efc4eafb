"""Whatever a rule may be, the desk works: position, ranking, backup and emergency under each rule at its bounds."""

from __future__ import annotations

import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx

from geo_backup.node import Node
from geo_backup.rules import GROUPS, Rules, bounds
from tests.node.test_node import asking, running
from tests.roads.tiny import place

RULES = Rules()


def at_bounds() -> list[dict[str, dict[str, float]]]:
    """Every rule at the least and at the most that it may be; one rule of each group at a time."""
    groups = {
        group.name: [(rule.name, value) for rule in fields(getattr(RULES, group.name)) for value in bounds(rule)]
        for group in fields(RULES)
        if group.name in GROUPS
    }
    return [
        {group: dict([values[n]]) for group, values in groups.items() if n < len(values)}
        for n in range(max(map(len, groups.values())))
    ]


def test_the_desk_works_at_the_bounds_of_every_rule(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        async with asking(node) as http:
            failed = []
            for n in range(3):
                body = {"callsign": f"P{n}", "agency": "police", "kind": "patrol", "capabilities": ["patrol"]}
                assert (await http.put(f"/v1/units/P{n}", json=body)).is_success
            for count, rules in enumerate(at_bounds()):
                adopted = await http.put("/v1/rules", json=rules)
                assert adopted.status_code == 200, (rules, adopted.text)
                failed += [(rules, *one) for one in await worked(http, count)]
            assert failed == []

    running(story, tmp_path / "log.sqlite", within_s=120)


async def worked(http: httpx.AsyncClient, count: int) -> list[tuple[str, int, str]]:
    """A moment at the desk; what was answered with an error, except that a list is full."""
    now_ms = int(time.time() * 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_ms // 1000)) + f".{now_ms % 1000:03d}Z"
    here, there = place(250, 0), place(600, 150)
    positions = [
        {"unit_id": f"P{n}", "fix_time": stamp, "lon": lon, "lat": lat, "speed_mps": 9.0}
        for n, (lon, lat) in enumerate((place(20 + count % 5, 4), place(500, 30), there))
    ]
    answers: dict[str, httpx.Response] = {}

    async def ask(said: str, method: str, path: str, body: Any = None) -> httpx.Response:
        answers[said] = await http.request(method, path, json=body)
        return answers[said]

    await ask("position", "POST", "/v1/positions", {"positions": positions[: 1 if count % 7 == 0 else 3]})
    opened = await ask("incident", "POST", "/v1/incidents", {"lon": there[0], "lat": there[1], "priority": 1})
    if opened.status_code == 201:
        incident = f"/v1/incidents/{opened.json()['incident_id']}"
        await ask("ranking", "GET", f"{incident}/ranking?limit=1")
        await ask("reach", "GET", f"{incident}/reach?minutes=2")
        mode = ("immediate", "delayed")[count % 2]
        await ask("backup", "POST", f"{incident}/backup", {"mode": mode, "units": 2})
        await ask("staging", "GET", f"{incident}/staging")
    await ask("moves", "GET", "/v1/cover/moves")
    await ask("etas", "POST", "/v1/etas", {"target": list(here), "starts": [list(there)]})
    pressed = await ask("emergency", "POST", "/v1/emergencies", {"unit_id": "P0", "lon": here[0], "lat": here[1]})
    wrong = [(said, a.status_code, a.text[:300]) for said, a in answers.items() if a.status_code not in (200, 201, 202)]
    wrong = [one for one in wrong if one[0] == "emergency" or one[1] not in (413, 422, 429)]
    if pressed.is_success:
        emergency_id = pressed.json()["incident_id"]
        end = {"by": "supervisor", "who": "W-1", "reason": "the sweep"}
        await http.post(f"/v1/emergencies/{emergency_id}/clear", json=end)
        await http.post(f"/v1/incidents/{emergency_id}/close")
    if opened.status_code == 201:
        await http.post(f"{incident}/close")
    return wrong
