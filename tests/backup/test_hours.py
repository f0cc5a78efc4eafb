"""The hour turns on a running node: nobody says anything, and every ranking follows and can be verified."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from geo_backup.audit.verify import verify
from geo_backup.eventlog import open_log
from geo_backup.events import Fix, PositionReported
from geo_backup.node import Node
from geo_backup.node.clock import Clock
from tests.node.test_node import running
from tests.roads.tiny import Street, draw, place
from tests.running import in_time
from tests.stories import opened, unit

BEFORE_EIGHT_MS = int(datetime(2026, 1, 15, 6, 59, 50, tzinfo=UTC).timestamp() * 1_000)
"""Ten seconds before eight in Stockholm."""


def test_rankings_follow_the_hour_by_themselves(tmp_path: Path) -> None:
    factors = [1.0] * 8 + [0.5] + [1.0] * 15
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "rush.toml").write_text(
        f'extends = "routine"\nabout = "Rush hours."\n[hours]\nresidential = {factors}\n'
    )
    network = draw({"a": (0, 0), "b": (1_000, 0), "c": (1_000, 800)}, [Street("abc", "High Street")])
    network = replace(network, area=replace(network.area, timezone="Europe/Stockholm"), folder=tmp_path)
    clock = Clock("replay", BEFORE_EIGHT_MS)
    path = tmp_path / "log.sqlite"

    async def story(node: Node) -> None:
        (here_lon, here_lat), (lon, lat) = place(10, 0), place(990, 0)
        fix = Fix(BEFORE_EIGHT_MS, here_lon, here_lat)
        await node.submit(
            unit("P1"),
            PositionReported(received_ms=BEFORE_EIGHT_MS, said_by="avl", unit_id="P1", fix=fix),
            *(opened(name, lon=lon, lat=lat, profile=name) for name in ("rush", "routine")),
        )

        async def eta(name: str, differs_from: float | None = None) -> float:
            def told() -> float | None:
                ranking = node.ranker.rankings.get(name)
                eta_s = None if ranking is None else float(ranking["candidates"][0]["eta_s"])
                return eta_s if eta_s != differs_from else None

            return await in_time(told, f"a ranking of {name}")

        free, always = await eta("rush"), await eta("routine")
        assert free == always
        # the map, the four above, and what was recommended for both
        await in_time(lambda: node.live_map.seq == 7, "the recommendations, in the log")
        clock.set(now_ms=BEFORE_EIGHT_MS + 10_000)
        rush = await eta("rush", free)
        drive_s = free - (turnout_s := float(node.ranker.rankings["routine"]["candidates"][0]["parts"]["turnout_s"]))
        assert abs((rush - turnout_s) - 2 * drive_s) < 0.01
        assert await eta("routine") == always
        late = [type(event).__name__ for _, event in node.log.read_all(7)]
        assert set(late) <= {"TimerRaised"}, "nothing entered the log but that nobody was sent"
        seq = node.live_map.seq
        await node.submit(opened("late", lon=lon, lat=lat, profile="rush"))
        assert await eta("late") == rush
        await in_time(lambda: node.live_map.seq > seq + 1, "the recommendation for it, in the log")

    running(story, path, network=network, clock=clock)
    log = open_log(path, read_only=True)
    report = verify(network, log)
    log.close()
    assert (report.rankings, report.wrong) == (3, [])
