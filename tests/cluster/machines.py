"""Machines of a test's own, each a network namespace with a line to a switch that can be cut. Needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """One of them."""

    name: str
    host: str
    """Its address."""

    @property
    def within(self) -> tuple[str, ...]:
        """What starts a command there."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Take its line from the switch: nobody hears it, and it hears nobody."""
        _ip("link", "set", f"{self.name}-s", "down")

    def mend(self) -> None:
        """Put it back."""
        _ip("link", "set", f"{self.name}-s", "up")


@contextmanager
def machines(tag: str, count: int) -> Iterator[list[Machine]]:
    """So many, for as long as this; the one that runs this is at the switch, and must be in a namespace itself: it has
    the address 10.77.0.254."""
    each = [Machine(f"{tag}{n}", f"10.77.0.{n + 1}") for n in range(count)]
    _ip("link", "set", "lo", "up")
    _ip("link", "add", "switch", "type", "bridge")
    _ip("addr", "add", "10.77.0.254/24", "dev", "switch")
    _ip("link", "set", "switch", "up")
    made: list[Machine] = []
    try:
        for machine in each:
            _ip("netns", "add", machine.name)
            made.append(machine)
            _ip("link", "add", f"{machine.name}-s", "type", "veth", "peer", "name", "line", "netns", machine.name)
            _ip("link", "set", f"{machine.name}-s", "master", "switch", "up")
            for command in (("addr", "add", f"{machine.host}/24", "dev", "line"), ("link", "set", "line", "up")):
                _ip("-n", machine.name, *command)
            _ip("-n", machine.name, "link", "set", "lo", "up")
        yield each
    finally:
        for machine in made:
            _ip("netns", "del", machine.name)


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True, capture_output=True, text=True)
