"""A town with several nodes on several NATS servers, each a process of its own, those who use them, and a checker that
reads afterwards what each of them was told (in the manner of Jepsen)."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from geo_backup.events import IncidentNoted
from geo_backup.feed import TOPICS
from tests.asking import at, new_incident, new_unit
from tests.cluster.machines import Machine
from tests.cluster.servers import NatsServers
from tests.running import CENTRE, Server, events_in, eventually, free_port

TOKEN = "known to all who use this town"
SHOWN = {"Authorization": f"Bearer {TOKEN}"}


@dataclass
class Town:
    """See the module."""

    servers: NatsServers
    nodes: list[Server]

    def stands(self, node: Server) -> dict[str, Any]:
        """What a node says of all of them."""
        found: dict[str, Any] = httpx.get(f"{node.url}/v1/nodes", trust_env=False, timeout=2, headers=SHOWN).json()
        return found

    def leader(self) -> Server | None:
        """The node that leads, as one that answers says."""
        for node in self.nodes:
            with suppress(httpx.HTTPError, KeyError):
                leader = self.stands(node)["leader"]
                return next((one for one in self.nodes if one.url == leader), None)
        return None

    def whole(self) -> bool:
        """Whether all nodes are there and have everything."""
        with suppress(httpx.HTTPError, KeyError):
            said = [self.stands(node) for node in self.nodes]
            full = all(len(one["nodes"]) == len(self.nodes) for one in said)
            ready = all(peer["ready"] for one in said for peer in one["nodes"])
            return full and ready and len({one["leader"] for one in said}) == 1 and said[0]["leader"] is not None
        return False


@contextmanager
def town(folder: Path, nodes: int = 3, servers: int = 3, machines: Sequence[Machine] = ()) -> Iterator[Town]:
    """A town that lives as long as this; where there are machines, each has a node and a server."""
    nats = NatsServers.begin(folder, servers, machines)
    shared = nats.address("town")
    each = [
        Server(folder / f"node{n}.sqlite", port=free_port(), shared=shared, env={"GEO_BACKUP_TOKEN": TOKEN})
        for n in range(nodes)
    ]
    for node, machine in zip(each, machines, strict=False):
        node.host, node.within = machine.host, machine.within
        node.more = ("--host", machine.host, "--trusted-proxy", "10.77.0.254")
    whole = Town(nats, each)
    try:
        for node in each:
            node.start()
        eventually(whole.whole, "all nodes", 30)
        yield whole
    finally:
        for node in each:
            node.stop()
        nats.stop()
        for node in each:
            assert "Traceback" not in node.said(), node.said()


class Writer(threading.Thread):
    """Notes and positions that are said to one node after the other; which were acknowledged, and when."""

    def __init__(self, name: str, urls: list[str], incident_id: str, unit_id: str, period_s: float) -> None:
        super().__init__(daemon=True)
        self.label, self.urls, self.incident_id, self.unit_id = name, urls, incident_id, unit_id
        self.period_s = period_s
        self.acknowledged: list[tuple[float, str]] = []
        self.fixes = 0
        self.over = threading.Event()

    def run(self) -> None:
        turns = random.Random(self.label)
        n = 0
        with httpx.Client(trust_env=False, timeout=3.0, headers=SHOWN) as http:
            while not self.over.is_set():
                for url in turns.sample(self.urls, len(self.urls)):
                    n += 1  # another text at each try: what was not acknowledged may stand all the same
                    text = f"note {n} of {self.label}"
                    try:
                        note = http.post(f"{url}/v1/incidents/{self.incident_id}/notes", json={"text": text})
                        if note.status_code != 201:
                            continue
                        self.acknowledged.append((time.monotonic(), text))
                        row = {"unit_id": self.unit_id, "fix_time": at(), "lon": CENTRE[0] + n * 1e-6, "lat": CENTRE[1]}
                        if http.post(f"{url}/v1/positions", json={"positions": [row]}).status_code == 202:
                            self.fixes += 1
                        break
                    except httpx.HTTPError:
                        continue
                self.over.wait(self.period_s)

    def silence_s(self) -> float:
        """The longest time in which nothing of it was acknowledged."""
        when = [at_s for at_s, _ in self.acknowledged]
        return max((b - a for a, b in pairwise(when)), default=float("inf"))


class Viewer(threading.Thread):
    """A desk: it reads one node's frames, and goes to the next node where that one is gone, resuming where it was."""

    def __init__(self, number: int, nodes: list[Server]) -> None:
        super().__init__(daemon=True)
        self.number, self.nodes = number, nodes
        self.seqs: list[int] = []
        self.wrong: list[str] = []
        self.resumed = self.begun = 0
        self.heard_s: list[float] = []
        """When frames came."""
        self.last: tuple[str, int] | None = None
        self.over = threading.Event()

    def run(self) -> None:
        n = self.number
        while not self.over.is_set():
            node = self.nodes[n % len(self.nodes)]
            n += 1
            with suppress(OSError, TimeoutError, ConnectionClosed, InvalidHandshake):
                self._watch(node)
            self.over.wait(0.1)

    def _watch(self, node: Server) -> None:
        with connect(
            node.feed,
            proxy=None,
            max_size=None,
            additional_headers=SHOWN,
            open_timeout=2,
            ping_interval=1,
            ping_timeout=2,
        ) as feed:
            hello: dict[str, Any] = {"type": "hello", "topics": list(TOPICS)}
            if self.last is not None:
                hello["resume"] = {"epoch": self.last[0], "after": self.last[1]}
            feed.send(json.dumps(hello))
            while not self.over.is_set():
                try:
                    frame = json.loads(feed.recv(timeout=1.0))
                except TimeoutError:
                    continue
                kind = frame["type"]
                self.resumed += kind == "resumed"
                self.begun += kind == "snapshot"
                if kind == "snapshot":
                    self.last = frame["epoch"], frame["seq"]
                elif "seq" in frame and self.last is not None:
                    epoch, seq = self.last
                    if frame["seq"] < seq:
                        self.wrong.append(f"{seq} and then {frame['seq']} ({kind})")
                    self.last = epoch, max(seq, frame["seq"])
                self.heard_s.append(time.monotonic())

    def silence_s(self) -> float:
        """The longest time in which no frame came."""
        return max((b - a for a, b in pairwise(self.heard_s)), default=float("inf"))


@dataclass
class Night:
    """Writers and viewers of a town while its parts fail."""

    town: Town
    writers: list[Writer] = field(default_factory=list)
    viewers: list[Viewer] = field(default_factory=list)
    incident_id: str = ""

    @classmethod
    def begin(cls, town: Town, *, writers: int = 4, viewers: int = 6, period_s: float = 0.02) -> Night:
        night = cls(town)
        with httpx.Client(base_url=town.nodes[0].url, trust_env=False, headers=SHOWN) as http:
            units = [new_unit(http) for _ in range(writers)]
            night.incident_id = new_incident(http)
        urls = [node.url for node in town.nodes]
        night.writers = [Writer(f"w{n}", urls, night.incident_id, unit, period_s) for n, unit in enumerate(units)]
        night.viewers = [Viewer(n, town.nodes) for n in range(viewers)]
        for one in (*night.writers, *night.viewers):
            one.start()
        eventually(lambda: all(len(writer.acknowledged) > 5 for writer in night.writers), "notes")
        return night

    @property
    def acknowledged(self) -> int:
        return sum(len(writer.acknowledged) for writer in self.writers)

    def goes_on(self, within_s: float = 20.0) -> float:
        """Wait until each writer is answered again; how long that took."""
        began = time.monotonic()
        eventually(
            lambda: all(writer.acknowledged[-1][0] > began for writer in self.writers), "writers are answered", within_s
        )
        return time.monotonic() - began

    def end(self) -> list[Any]:
        """Check all that anybody was told; the log as each node has it."""
        for writer in self.writers:
            writer.over.set()
        for writer in self.writers:
            writer.join(20)
        eventually(self.town.whole, "all nodes are whole", 40)

        def equal() -> bool:
            said = [self.town.stands(node)["nodes"] for node in self.town.nodes]
            return len({peer["seq"] for nodes in said for peer in nodes}) == 1

        eventually(equal, "all nodes at the same event", 30)
        seq = self.town.stands(self.town.nodes[0])["nodes"][0]["seq"]
        eventually(
            lambda: all(viewer.last is not None and viewer.last[1] >= seq - 1 for viewer in self.viewers),
            "viewers are up to date",
            10,
        )
        for viewer in self.viewers:
            viewer.over.set()
            viewer.join(10)
            assert viewer.wrong == [], viewer.wrong
        maps = [snapshot_of(node) for node in self.town.nodes]
        assert maps[1:] == maps[:-1], "one live map"
        logs = [list(events_in(node.log)) for node in self.town.nodes]
        shortest = min(map(len, logs))
        for log in logs[1:]:
            assert log[:shortest] == logs[0][:shortest], "one log"
        noted = [event.text for event in logs[0] if isinstance(event, IncidentNoted)]
        assert len(noted) == len(set(noted)), "nothing is recorded twice"
        told = {text for writer in self.writers for _, text in writer.acknowledged}
        assert told <= set(noted), f"{len(told - set(noted))} acknowledged and lost: {sorted(told - set(noted))[:5]}"
        for writer in self.writers:  # a writer says one after the other, so they stand in that order
            said = {text for _, text in writer.acknowledged}
            own = [text for text in noted if text in said]
            assert own == sorted(own, key=lambda text: int(text.split()[1])), "in the order in which they were said"
        return logs


def snapshot_of(node: Server) -> dict[str, Any]:
    """The live map as a new viewer gets it, without what is of the moment or of the node."""
    with connect(node.feed, proxy=None, max_size=None, additional_headers=SHOWN) as feed:
        feed.send(json.dumps({"type": "hello", "topics": list(TOPICS)}))
        snapshot: dict[str, Any] = json.loads(feed.recv(timeout=10))
    return {
        topic: snapshot[topic]
        for topic in ("epoch", "units", "positions", "incidents", "closures")
        if topic in snapshot
    }
