"""What is wrong with a process: said once, in words, until it is over."""

from __future__ import annotations

import logging

import pytest

from geo_backup.node.health import Condition, Health


def test_a_condition_is_told_once_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    changes: list[tuple[Condition, ...]] = []
    times = iter(range(1_000, 9_000, 1_000))
    health = Health(lambda: next(times), lambda: changes.append(health.conditions))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            health.say("log_full", "the disk is full: make room")
        health.say("log_slow", "the disk is slow: look what else writes")
        health.clear("log_failing")
    full, slow = health.conditions
    assert (full.name, full.words, full.since_ms) == ("log_full", "the disk is full: make room", 1_000)
    assert (slow.name, slow.since_ms) == ("log_slow", 2_000)
    assert [len(standing) for standing in changes] == [1, 2]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["log_full", "log_slow"]
    health.say("log_full", "other words")
    assert health.conditions[-1] == Condition("log_full", "other words", 1_000), "it has been so since it came"
    health.clear("log_full")
    assert [one.name for one in health.conditions] == ["log_slow"]
    assert len(caplog.records) == 3
