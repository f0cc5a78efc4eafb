"""How long does nobody write when a machine of a pair dies, or hands over, and what is lost?

    python tests/benchmarks/pair.py [--rounds 10] [--writers 8] [--asynchronous]

Two servers and a witness, each a process of its own on this machine, logs on disk with synchronous=FULL. Writers add
notes to one incident as fast as they are answered, at one machine and at the other where the first does not answer. In
each round the machine that leads is killed (-9) amid them and started again, and then the lead is handed over by
`promote`. Told are: how long nobody was answered (medians, and the worst), what was acknowledged and is not in the log
of the one that leads at the end, and what a note takes with a standby and without.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.running import Server, events_in, eventually, free_port

PLACE = {"lon": 11.97, "lat": 57.7, "priority": 2}


class Writer(threading.Thread):
    """Writes until it is told to stop; what was acknowledged, and when."""

    def __init__(self, urls: list[str], incident_id: str) -> None:
        super().__init__(daemon=True)
        self.urls, self.incident_id = urls, incident_id
        self.answered: list[tuple[float, float, str]] = []
        """When, how long it took, and the text."""
        self.over = threading.Event()

    def run(self) -> None:
        n, at = 0, 0
        with httpx.Client(trust_env=False, timeout=4.0) as http:
            while not self.over.is_set():
                n += 1
                text, began = f"note {n} of {self.name}", time.monotonic()
                while not self.over.is_set():
                    where = f"{self.urls[at]}/v1/incidents/{self.incident_id}/notes"
                    with contextlib.suppress(httpx.HTTPError):
                        if http.post(where, json={"text": text}).status_code == 201:
                            now = time.monotonic()
                            self.answered.append((now, now - began, text))
                            break
                    at = (at + 1) % len(self.urls)
                    time.sleep(0.01)


def stands(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/v1/pair", trust_env=False, timeout=5.0).json()
    return found


def gap_after(writers: list[Writer], moment: float) -> float:
    """How long nobody was answered, around a moment."""
    times = sorted(when for writer in writers for when, *_ in writer.answered)
    gaps = [later - sooner for sooner, later in itertools.pairwise(times) if moment - 0.5 <= sooner <= moment + 20]
    return max(gaps)


def round_trip(writers: list[Writer], since: float) -> str:
    took = sorted(took for writer in writers for when, took, _ in writer.answered if when > since)
    return f"p50 {1000 * took[len(took) // 2]:.1f} ms, p99 {1000 * took[int(len(took) * 0.99)]:.1f} ms of {len(took):,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--asynchronous", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pair_"))
    port = free_port()
    witness = subprocess.Popen(
        [sys.executable, "-m", "geo_backup", "witness", "--file", str(folder / "w.json"), "--port", str(port)],
        stdout=subprocess.DEVNULL,
    )
    more = ("--witness", f"http://127.0.0.1:{port}", *(("--asynchronous",) if asked.asynchronous else ()))
    a = Server(folder / "a.sqlite", port=free_port(), more=more).start()
    b = Server(folder / "b.sqlite", port=free_port(), more=more, verb=("follow", a.url))
    try:
        made = httpx.post(f"{a.url}/v1/incidents", json=PLACE, trust_env=False).json()
        alone = Writer([a.url], made["incident_id"])
        alone.start()
        time.sleep(5)
        alone.over.set()
        print(f"one writer, one machine: {round_trip([alone], 0)}")
        b.start()
        eventually(lambda: stands(a)["in_step"], "in step", 60)
        alone = Writer([a.url], made["incident_id"])
        alone.start()
        time.sleep(5)
        alone.over.set()
        print(f"one writer, the standby in step: {round_trip([alone], 0)}")
        writers = [Writer([a.url, b.url], made["incident_id"]) for _ in range(asked.writers)]
        for writer in writers:
            writer.start()
        began = time.monotonic()
        time.sleep(5)
        print(f"{asked.writers} writers, the standby in step: {round_trip(writers, began)}")
        killed, handed, leads, follows = [], [], a, b
        for _ in range(asked.rounds):
            eventually(lambda one=leads: stands(one)["in_step"], "in step", 60)
            time.sleep(2)  # the witness knows it
            moment = time.monotonic()
            leads.kill()
            leads, follows = follows, leads
            eventually(lambda one=leads: stands(one)["role"] == "leading", "the standby leads", 60)
            time.sleep(1)
            killed.append(gap_after(writers, moment))
            follows.start()
            eventually(lambda one=leads: stands(one)["in_step"], "in step", 60)
            time.sleep(1)
            moment = time.monotonic()
            httpx.post(f"{follows.url}/v1/pair/promote", json={}, trust_env=False, timeout=30).raise_for_status()
            leads, follows = follows, leads
            time.sleep(1)
            handed.append(gap_after(writers, moment))
        for writer in writers:
            writer.over.set()
        for writer in writers:
            writer.join(10)
        acknowledged = {text for writer in writers for *_, text in writer.answered}
        eventually(lambda: stands(a)["seq"] == stands(b)["seq"], "both at the same event", 60)
    except AssertionError:
        with contextlib.suppress(httpx.HTTPError):
            print(stands(a), stands(b))
        print(a.said()[-1500:], b.said()[-1500:], sep="\n")
        raise
    finally:
        a.stop()
        b.stop()
        witness.terminate()
    noted = {event.text for event in events_in(leads.log) if type(event).__name__ == "IncidentNoted"}  # type: ignore[attr-defined]
    print(f"killed: nobody was answered for {statistics.median(killed):.2f} s, at worst {max(killed):.2f} s")
    print(f"handed over: {statistics.median(handed):.3f} s, at worst {max(handed):.3f} s")
    print(f"acknowledged {len(acknowledged):,}, lost {len(acknowledged - noted):,}")


if __name__ == "__main__":
    main()
