"""A real server in a process of its own, for tests that speak to it over its port."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
GOTHENBURG = ROOT / "maps" / "gothenburg"
CENTRE = (11.9700, 57.7000)
START_S = 90.0
"""The first start on a machine compiles the kernels."""


@dataclass
class Server:
    """`geo-backup serve` on a free port and a log; start it again after `kill` and it has the same port."""

    log: Path
    more: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    map_folder: Path = GOTHENBURG
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def feed(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/feed"

    def start(self) -> Server:
        self.port = self.port or free_port()
        command = [sys.executable, "-m", "geo_backup", "serve", "--map", str(self.map_folder), "--log", str(self.log)]
        with self.log.with_suffix(".err").open("ab") as said:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), *self.more],
                stdout=said,
                stderr=said,
                cwd=ROOT,
                env={**os.environ, **self.env},
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self.process.poll() is None, f"the server ended: {self.said()}"
            try:
                httpx.get(f"{self.url}/readyz", trust_env=False)
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return self
        raise AssertionError(f"the server did not start: {self.said()}")

    def said(self) -> str:
        """What it wrote on its terminal."""
        return self.log.with_suffix(".err").read_text()

    def kill(self) -> None:
        """As if the power failed."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As an operator does; the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(how)
        return process.wait(20)


async def eventually(holds: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until something holds; a failure when it does not within that."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
