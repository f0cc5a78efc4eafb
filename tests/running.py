"""Servers for tests that speak to them over a real port, and the one way to wait for what comes later.

`Server` is `geo-backup serve` in a process of its own: for a kill, a terminal, a browser. Everything else asks
`ServerInThread`, the same node and port in this process, where the kernels are loaded once for all tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import scipy.optimize  # noqa: F401  as a server has it soon after its start: the first decision waits for it
import uvloop

from geo_backup.demo.scene import set_scene
from geo_backup.eventlog import open_log
from geo_backup.events import Event
from geo_backup.node import Node
from geo_backup.node.clock import Clock, Mode
from geo_backup.pair.call import WebsocketCalls
from geo_backup.pair.log import PairedLog
from geo_backup.pair.pair import Pair
from geo_backup.people import Roster
from geo_backup.people.provider import Provider
from geo_backup.receivers.config import Receiver
from geo_backup.receivers.start import beside_of
from geo_backup.replay.session import ReplaySession
from geo_backup.roads.network import RoadNetwork
from geo_backup.server.app import create_app
from geo_backup.server.intake import Intake
from geo_backup.server.pair import keep_company
from geo_backup.server.proxy import Proxies
from geo_backup.server.run import bind, serve
from geo_backup.server.speaker import Speakers
from geo_backup.server.tls import Certificate
from geo_backup.server.watch import keep_watch

ROOT = Path(__file__).resolve().parent.parent
GOTHENBURG = ROOT / "maps" / "gothenburg"
CENTRE = (11.9700, 57.7000)
START_S = 300.0
"""The first start on a machine compiles the kernels."""
T = TypeVar("T")


class Done(NamedTuple):
    """What came of a command."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


class Failed(Exception):
    """What a command said that failed."""


def eventually(ask: Callable[[], T | None], what: str = "it", within_s: float = 20.0) -> T:
    """The first true answer to a question that is asked again and again; an `AssertionError` when none comes in time.

    A question that fails an assert, or is refused a connection, is asked again too, and its last failure is told.
    """
    until = time.monotonic() + within_s
    while True:
        failure: Exception | None = None
        answer: T | None = None
        try:
            answer = ask()
        except (AssertionError, httpx.TransportError) as error:
            failure = error
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"{what} did not come within {within_s:g} s; last: {answer!r}") from failure
        time.sleep(0.02)


async def in_time(ask: Callable[[], T | None], what: str = "it", within_s: float = 20.0) -> T:
    """`eventually` for a question to what runs on this very loop."""
    until = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < until, f"{what} did not come within {within_s:g} s; last: {answer!r}"
        await asyncio.sleep(0.01)
    return answer


@dataclass
class Server:
    """`geo-backup serve` on a free port and a log; start it again after `kill` and it has the same port."""

    log: Path
    more: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    map_folder: Path = GOTHENBURG
    process: subprocess.Popen[bytes] | None = None
    verb: tuple[str, ...] = ("serve",)
    """`serve`, or `follow` with its leader."""
    shared: str = ""
    """The URL of a log that many nodes share, of which `log` is this one's copy."""
    host: str = "127.0.0.1"
    within: tuple[str, ...] = ()
    """What starts it elsewhere, as `ip netns exec NAME`."""
    descriptors: int | None = None
    """So many files and sockets at most; None: as many as these tests may have."""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def feed(self) -> str:
        return f"ws://{self.host}:{self.port}/v1/feed"

    def start(self) -> Server:
        self.port = self.port or free_port()
        logs = ["--log", self.shared, "--copy", str(self.log)] if self.shared else ["--log", str(self.log)]
        named = ["--map", str(self.map_folder), *logs]
        command = [sys.executable, "-m", "geo_backup", *self.verb, *named]
        if self.descriptors is not None:
            command = ["sh", "-c", f'ulimit -n {self.descriptors}; exec "$0" "$@"', *command]
        with self.log.with_suffix(".err").open("ab") as said:
            self.process = subprocess.Popen(
                [*self.within, *command, "--port", str(self.port), *self.more],
                stdout=said,
                stderr=said,
                cwd=ROOT,
                env={**os.environ, **self.env},
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self.running(), f"the server ended: {self.said()}"
            try:
                httpx.get(f"{self.url}/readyz", trust_env=False)
            except httpx.HTTPError:
                time.sleep(0.02)
            else:
                return self
        raise AssertionError(f"the server did not start: {self.said()}")

    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self.process is not None and self.process.poll() is None

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


class _Stopped(Exception):
    """The test has told its server to stop."""


UNCHANGED = {GOTHENBURG}
"""Maps that no test changes: each is opened once."""


@cache
def network_of(folder: Path) -> RoadNetwork:
    """The roads of a map, opened once."""
    return RoadNetwork.load(folder)


@dataclass
class ServerInThread(Server):
    """The node, application and port of `geo-backup serve` in this process; `more` and `env` as on the command line."""

    clock: Clock | None = None
    """Whose time is driven by hand; None: the machine's."""
    roster: Roster | None = None
    provider: Provider | None = None
    certificate: Certificate | None = None
    proxies: Proxies = field(default_factory=Proxies)
    receivers: tuple[Receiver, ...] = ()
    paired: bool = False
    """It may have a second machine, or be one; `env` has its token."""
    speakers: Speakers | None = None
    intake: Intake | None = None
    vehicles: int = 0
    """So many of the demo drive on it."""
    node: Node | None = None

    _ready: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _told: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.certificate else ''}://127.0.0.1:{self.port}"

    def start(self) -> ServerInThread:
        self.port = self.port or free_port()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self._thread.start()
        assert self._ready.wait(START_S), f"the server did not start: {self.said()}"
        assert self._told is not None, f"the server ended: {self.said()}"
        return self

    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def add(self, *events: Event) -> None:
        """Add facts to its log as it does itself."""
        assert self.node is not None
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self.node.log.append(events), self._loop).result(20)

    def kill(self) -> None:
        raise NotImplementedError("only a process can be killed: use Server")

    def stop(self) -> int:
        if self._thread is None or self._loop is None or self._told is None:
            return 0
        self._loop.call_soon_threadsafe(self._told.set)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not stop"
        self._thread = self._loop = self._told = self.node = None
        return 0

    def _run(self) -> None:
        said = logging.FileHandler(self.log.with_suffix(".err"))
        logging.getLogger().addHandler(said)
        try:
            uvloop.run(self._serve())
        except _Stopped:
            pass
        except BaseException:
            with self.log.with_suffix(".err").open("a") as file:
                file.write(traceback.format_exc())
        finally:
            logging.getLogger().removeHandler(said)
            said.close()
            self._ready.set()

    async def _serve(self) -> None:
        told = asyncio.Event()

        async def until_told() -> None:
            await told.wait()
            raise _Stopped

        def ready(_: int) -> None:
            self._loop, self._told = loop, told
            self._ready.set()

        loop = asyncio.get_running_loop()
        listener = bind("127.0.0.1", self.port)
        mode: Mode = "replay" if "replay" in self.more else "live"
        network = network_of(self.map_folder) if self.map_folder in UNCHANGED else RoadNetwork.load(self.map_folder)
        one_of = self._one_of() if self.paired else None
        log = open_log(self.log) if one_of is None else one_of.log
        node = Node(network, log, self.clock or Clock(mode, 0 if mode == "replay" else None))
        try:
            if one_of is not None:
                await one_of.settle()
            await node.start()
            steering = ReplaySession(node, None) if mode == "replay" else None
            scene = (await set_scene(node, self.vehicles, 1),) if self.vehicles else ()
        except BaseException:
            node.log.close()
            raise
        self.node = node
        app = create_app(
            node,
            adopt_unknown="--adopt-unknown" in self.more,
            token=self.env.get("GEO_BACKUP_TOKEN"),
            roster=self.roster,
            provider=self.provider,
            steering=steering,
            proxies=self.proxies,
            one_of=one_of,
        )
        self.speakers, self.intake = app.state.speakers, app.state.intake
        watch = partial(keep_watch, node, app.state.speakers)
        beside = (until_told, watch, *scene, *(beside_of(self.receivers, app.state) if self.receivers else ()))
        if one_of is not None:
            beside = (*beside, partial(keep_company, node, one_of, None))
        await serve(node, app, listener, beside=beside, on_ready=ready, certificate=self.certificate)

    def _one_of(self) -> Pair:
        log = PairedLog.open(self.log)
        log.url = self.url
        calls = WebsocketCalls(self.env.get("GEO_BACKUP_PAIR_TOKEN"))
        return Pair(log, calls, lambda: time.time_ns() // 1_000_000, roster=self.roster)


def hurried(times: int) -> Clock:
    """The clock of a demo, whose time runs so many times as fast as any other."""
    return Clock("simulated", steady_ms=lambda: times * time.monotonic_ns() // 1_000_000)


def events_in(log: Path) -> list[Event]:
    """Every event of a log, which a server may have open."""
    with contextlib.closing(open_log(log, read_only=True)) as opened:
        return [event for _, event in opened.read_all()]


def ranked(server: Server) -> float:
    """How many rankings a server has made."""
    figures = httpx.get(f"{server.url}/metrics", trust_env=False).text
    return next(float(line.split()[1]) for line in figures.splitlines() if line.startswith("geo_backup_rankings_total"))


WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS_OF_WORKER = 4_000
_ports = count(os.getpid() * 37)


def free_port() -> int:
    """A port that nobody listens on, and that nobody else is about to: each worker has its own, below those that the
    system gives to whoever calls."""
    for n in _ports:
        port = 12_000 + WORKER % 5 * PORTS_OF_WORKER + n % PORTS_OF_WORKER
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("there is always another one")
