"""Who may speak to a port that asks for no secret, and how little a stranger's noise costs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geo_backup.node.clock import Clock
from geo_backup.receivers.inlet import Inlet
from geo_backup.receivers.section import Section
from geo_backup.receivers.visitors import TOLD_MAX, Visitors
from geo_backup.server.intake import Intake
from geo_backup.server.quarantine import Quarantine
from geo_backup.server.sources import Sources
from geo_backup.server.speaker import Speakers


def visitors(**said: Any) -> Visitors:
    return Visitors(Section("udp", said, Path()))


@pytest.mark.parametrize(
    ("address", "is_read"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.8.3.4", True),
        ("::ffff:10.8.3.4", True),
        ("10.9.0.1", False),
        ("fe80::1%eth0", False),
        ("2001:db8::7", True),
    ],
)
def test_the_networks_that_are_named(address: str, is_read: bool) -> None:
    assert visitors(allow=["10.8.0.0/16", "2001:db8::/32"]).allowed(address) is is_read


def test_without_networks_it_is_this_machine_alone() -> None:
    alone = visitors()
    assert alone.host == "127.0.0.1"
    assert not alone.allowed("10.8.3.4")


def test_strangers_are_counted_and_a_few_are_told_of() -> None:
    clock: Any = SimpleNamespace(clock=Clock("replay", 1_000))
    inlet = Inlet(Intake(clock, None, Quarantine(), Sources()), Speakers())
    strict = visitors(allow=["10.8.0.0/16"])
    for n in range(300):
        strict.turn_away(inlet, "udp", f"192.0.2.{n % 100}")
    assert inlet.quarantine.counts["udp", "foreign"] == 300
    assert len(inlet.quarantine.last) == TOLD_MAX
    assert "name its network there" in inlet.quarantine.last[0].reason
