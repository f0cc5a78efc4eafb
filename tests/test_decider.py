"""When decisions are made: the quick one stands while the best is searched for, and gives way to it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from geo_backup.eventlog.sqlite import SqliteLog
from geo_backup.events import BackupRequested, DecisionMade, Fix, Need, PositionReported
from geo_backup.node import Node, decider
from geo_backup.replay.verify import verify
from geo_backup.wire import decisions
from tests.roads.tiny import place
from tests.running import in_time
from tests.stories import opened, unit
from tests.test_node import running, street


def request(incident_id: str, now_ms: int) -> BackupRequested:
    return BackupRequested(
        received_ms=now_ms,
        event_id=f"request-{incident_id}",
        incident_id=incident_id,
        requirement=(Need("any"),),
        mode="immediate",
    )


@pytest.mark.parametrize("within_s", [0.0, 20.0])
def test_the_quick_answer_stands_until_the_best_is_there(
    within_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every search takes longer than 0 s; none takes 20 s, and then there is no quick one. All can be verified."""
    monkeypatch.setattr(decider, "BEST_WITHIN_S", within_s)
    log, network = tmp_path / "log.sqlite", street()

    async def story(node: Node) -> None:
        now_ms = int(time.time() * 1000)
        for n in range(3):
            fix = Fix(now_ms, *place(100.0 * n, 0))
            await node.submit(unit(f"P{n}"), PositionReported(received_ms=now_ms, unit_id=f"P{n}", fix=fix))
        for incident_id, x in (("i1", 0.0), ("i2", 30.0)):
            lon, lat = place(x, 0)
            await node.submit(opened(incident_id, lon=lon, lat=lat, priority=1), request(incident_id, now_ms))

        def best_stand() -> bool:
            standing = [node.live_map.incidents[name].recommended for name in ("i1", "i2")]
            return all(one is not None and not one.quick for one in standing)

        await in_time(best_stand, "the best answers")

    running(story, log, network=network)
    opened_log = SqliteLog.open(log, create=False, read_only=True)
    try:
        made = [event for _, event in opened_log.read_all() if isinstance(event, DecisionMade)]
        report = verify(network, opened_log.read_all, opened_log.load_snapshot())
    finally:
        opened_log.close()
    for incident_id in ("i1", "i2"):
        mine = [event for event in made if event.incident_id == incident_id]
        assert mine[0].quick == (within_s == 0)
        assert mine[0].quick <= (mine[0].chosen == mine[0].first)
        assert not mine[-1].quick
        assert mine[-1].proven
        told = decisions.decision(mine[0])
        assert ("was still searched for" in told["words"]) == mine[0].quick
        assert told["stage"] == ("first" if mine[0].quick else "refined")
    assert {event.chosen[0][0] for event in made if not event.quick} >= {"P0", "P1"}, "no unit is sent twice"
    assert report.wrong == []
    assert report.decisions == len(made)
