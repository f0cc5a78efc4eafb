"""What do many nodes cost, and how long is nobody answered when one of their parts fails?

    python tests/benchmarks/cluster.py [--seconds 20] [--rate 1000] [--viewers 100] [--rounds 3]

Three NATS servers (`sync_interval: always`, so that what is acknowledged is on their disks) and three nodes, each a
process of its own on this machine. First positions come in, in posts of fifty, to all nodes by turns, and viewers watch
them: told are the time to the answer, the processor that each node and each server spends on a position, and memory.
Then writers write notes one after the other while each node and each server is killed and paused by turns: told are the
longest time without an answer for each fault, and what was acknowledged and lost.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
import threading
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from geo_backup.feed import TOPICS
from tests.asking import at, new_unit
from tests.cluster.town import SHOWN, Night, Town, town
from tests.running import CENTRE, eventually

BATCH = 50


def cpu_s(pid: int) -> float:
    """Seconds of processor that a process has spent."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def memory_mb(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def watch(url: str, over: threading.Event, frames: list[int]) -> None:
    with suppress(ConnectionClosed), connect(url, proxy=None, max_size=None, additional_headers=SHOWN) as feed:
        feed.send(json.dumps({"type": "hello", "topics": list(TOPICS)}))
        while not over.is_set():
            feed.recv()
            frames.append(1)


def cost(whole: Town, rate: int, seconds: float, viewers: int) -> None:
    units = 500
    clients = [httpx.Client(base_url=node.url, trust_env=False, headers=SHOWN) for node in whole.nodes]
    names = [new_unit(clients[0]) for _ in range(units)]
    over, frames = threading.Event(), list[int]()
    feeds = [node.feed for node in whole.nodes]
    for n in range(viewers):
        threading.Thread(target=watch, args=(feeds[n % len(feeds)], over, frames), daemon=True).start()
    pids = {f"node {n}": node.process.pid for n, node in enumerate(whole.nodes) if node.process}
    pids |= {f"nats {n}": server.process.pid for n, server in enumerate(whole.servers.each) if server.process}
    time.sleep(2)
    before, frames[:] = {name: cpu_s(pid) for name, pid in pids.items()}, []
    sent, took, began, late = 0, list[float](), time.perf_counter(), 0.0
    while (gone := time.perf_counter() - began) < seconds:
        due = sent / rate
        if due > gone:
            time.sleep(due - gone)
        late = max(late, gone - due)
        rows = [
            {
                "unit_id": names[(sent + n) % units],
                "fix_time": at(),
                "lon": CENTRE[0] + sent % 997 * 1e-6,
                "lat": CENTRE[1],
            }
            for n in range(BATCH)
        ]
        asked = time.perf_counter()
        answer = clients[sent // BATCH % len(clients)].post("/v1/positions", json={"positions": rows})
        took.append(time.perf_counter() - asked)
        assert answer.status_code == 202, answer.text
        sent += BATCH
    spent = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
    elapsed = time.perf_counter() - began
    over.set()
    took.sort()
    print(f"{sent:,} positions, {sent / elapsed:,.0f} a second, {viewers} viewers ({len(frames):,} frames)")
    median, p99 = statistics.median(took) * 1e3, took[int(len(took) * 0.99)] * 1e3
    print(f"  answered after {median:.1f} ms (median), {p99:.1f} (p99)")
    for name, s in spent.items():
        share = f"{s / elapsed:.0%} of a core, {s / sent * 1e6:.0f} us a position"
        print(f"  {name}: {share}, {memory_mb(pids[name]):.0f} MB")


def faults(whole: Town, rounds: int) -> None:
    night = Night.begin(whole, writers=8, viewers=20, period_s=0.01)
    silent: dict[str, list[float]] = {}
    for _ in range(rounds):
        for kind in ("the leading node", "another node", "a server"):
            for how in ("killed", "paused"):
                leader = eventually(whole.leader, "a node that leads")
                node = leader if kind == "the leading node" else next(one for one in whole.nodes if one is not leader)
                part = whole.servers.each[len(silent.get(f"{kind}, {how}", [])) % 3] if kind == "a server" else node
                since = time.monotonic()
                if how == "killed":
                    part.kill()
                else:
                    assert part.process is not None
                    part.process.send_signal(signal.SIGSTOP)
                night.goes_on(60)
                time.sleep(6)
                if how == "killed":
                    part.start()
                else:
                    assert part.process is not None
                    part.process.send_signal(signal.SIGCONT)
                silent.setdefault(f"{kind}, {how}", []).append(_unanswered_s(night, since))
                eventually(whole.whole, "all are whole", 60)
    night.end()
    for fault, seconds in silent.items():
        told = ", ".join(f"{s:.1f}" for s in seconds)
        print(f"{fault}: nobody was answered for {statistics.median(seconds):.1f} s (each: {told})")
    print(f"{night.acknowledged:,} acknowledged, 0 lost, none twice, one map")


def _unanswered_s(night: Night, since: float) -> float:
    """The longest time since then in which no writer at all was answered."""
    when = sorted(at_s for writer in night.writers for at_s, _ in writer.acknowledged if at_s > since - 1)
    return max((b - a for a, b in pairwise(when)), default=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, town(Path(folder)) as whole:
        cost(whole, asked.rate, asked.seconds, asked.viewers)
        if asked.rounds:
            faults(whole, asked.rounds)


if __name__ == "__main__":
    main()
