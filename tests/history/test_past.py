"""Moments of the past: what was known then, to the last value, whatever checkpoint they are folded from."""

from __future__ import annotations

import asyncio
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from geo_backup.errors import BadValueError, BusyError
from geo_backup.eventlog import open_log
from geo_backup.eventlog.ladder import FAR, NEAR, STEP, over
from geo_backup.events import Event, IncidentClosed
from geo_backup.history.folding import Folding, Moment, parts
from geo_backup.live_map import LiveMap
from geo_backup.node import Node
from geo_backup.wire import checkpoint
from tests.history.test_index import written
from tests.node.test_node import running
from tests.stories import T0, fold, ms, opened, part, ping, status, unit

STORY: tuple[Event, ...] = (
    unit("P1", 0), unit("P2", 0), opened("i1", 1), *(ping("P1", s, north_m=10 * s) for s in range(2, 40)),
    part("i1", "P1", "assigned", 40), status("P1", "en_route", 50), *(ping("P2", s) for s in range(51, 90)),
    opened("i2", 90), IncidentClosed(received_ms=ms(95), incident_id="i1"), ping("P1", 96, north_m=50),
)  # fmt: skip


def known(events: tuple[Event, ...], at_ms: int) -> LiveMap:
    """What a fold from the first event makes of what had been heard by then, in the order of the log."""
    return fold([event for event in events if event.received_ms <= at_ms])


def same(moment: Moment, live_map: LiveMap) -> None:
    assert checkpoint.dump(moment.live_map) == checkpoint.dump(live_map)


@pytest.mark.parametrize("checkpoints", [(), (20,), (20, 60)])
def test_a_moment_is_what_was_known_then(tmp_path: Path, checkpoints: tuple[int, ...]) -> None:
    path = written(tmp_path / "log", *STORY)
    with closing(open_log(path, reserve_bytes=0)) as log:
        for seq in checkpoints:
            log.save_snapshot(seq, checkpoint.pack(fold(STORY[:seq])))
    folding = Folding()
    for s in (0, 30, 35.5, 45, 94, 1_000, 96, 10, 94):  # on and back again
        same(folding.at(path, ms(s)), known(STORY, ms(s)))
    with pytest.raises(BadValueError, match="before the first event"):
        folding.at(path, T0 - 1)


def test_a_moment_is_taken_apart_and_leaves_closed_incidents_out(tmp_path: Path) -> None:
    path = written(tmp_path / "log", *STORY)
    first, *rest = parts(Folding().at(path, ms(1_000)))
    assert (first.live_map.units, first.live_map.incidents) == ({}, {})
    assert [None if some is None else list(some) for some in rest] == [["P1", "P2"], None, ["i2"], None]


def test_a_log_without_checkpoints_is_folded_only_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geo_backup.history.folding.FOLDED_MAX", 10)
    path, folding = written(tmp_path / "log", *STORY), Folding()
    with pytest.raises(BadValueError, match="too far from any checkpoint"):
        folding.at(path, ms(60))
    same(folding.at(path, ms(5)), known(STORY, ms(5)))


def test_two_moments_are_worked_out_at_a_time_and_others_told_to_wait(tmp_path: Path) -> None:
    async def story(node: Node) -> None:
        await node.submit(*STORY)
        asked = [node.past.at(node.log, ms(s)) for s in (30, 45, 94)]
        *answers, refused = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(refused, BusyError)
        for s, answer in zip((30, 45), answers, strict=True):
            assert isinstance(answer, Moment)
            then = known(STORY, ms(s)).units
            # the node's own facts are in its log, so its fold keeps more of each
            assert {name: unit.fix for name, unit in answer.live_map.units.items()} == {
                name: unit.fix for name, unit in then.items()
            }
            assert list(answer.live_map.incidents) == ["i1"]
        assert (await node.past.at(node.log, ms(30))) is answers[0], "remembered"
        with pytest.raises(BadValueError, match="before the first event"):
            await node.past.at(node.log, T0 - 1)
        for process in node.past._idle:
            process.end()  # as if it had been killed
        with pytest.raises(BusyError, match="has ended"):
            await node.past.at(node.log, ms(60))

    running(story, tmp_path / "log")


def test_the_ladder_keeps_what_is_near_and_now_and_then_what_is_far() -> None:
    assert over(range(NEAR)) == []
    seqs: list[int] = []
    for seq in range(0, 200 * STEP, 100_000):
        seqs.append(seq)
        gone = set(over(seqs))
        seqs = [one for one in seqs if one not in gone]
    assert seqs[-NEAR:] == list(range(seqs[-1] - (NEAR - 1) * 100_000, seqs[-1] + 1, 100_000))
    older = seqs[:-NEAR]
    assert all(0 < b - a <= 2 * STEP for a, b in pairwise(older))
    assert 100 < len(older) <= FAR
