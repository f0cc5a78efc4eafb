"""A program: three machines with a node and a server each; the line of each is cut in turn, and each is made slow.

    ip netns exec NAME python -m tests.cluster.cut_off FOLDER

It runs at the switch, in a namespace of its own, and ends with 0 where all that was promised held.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.cluster.machines import machines
from tests.cluster.town import Night, Town, town
from tests.running import eventually


@contextmanager
def slow(pids: list[int], name: str) -> Iterator[None]:
    """These processes run a fifth of the time."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            over.wait(0.2)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            time.sleep(0.05)

    thread = threading.Thread(target=work, name=f"slow {name}")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main(folder: Path, tag: str) -> None:
    with machines(tag, 3) as each, town(folder, machines=each) as whole:
        night = Night.begin(whole, writers=6, viewers=30)
        for n, machine in enumerate(each):
            led = eventually(whole.leader, "a node that leads") is whole.nodes[n]
            machine.cut()
            cut = time.monotonic()
            took_s = night.goes_on(40)
            eventually(partial(_leader, whole, n), "one of the others leads", 20)
            led_s = time.monotonic() - cut
            print(f"{machine.name} cut off (led: {led}): answered after {took_s:.1f} s, led after {led_s:.1f}")
            time.sleep(3)
            machine.mend()
            eventually(whole.whole, "all are whole", 60)
        for n, machine in enumerate(each):
            processes = (whole.nodes[n].process, whole.servers.each[n].process)
            with slow([one.pid for one in processes if one is not None], machine.name):
                took_s = night.goes_on(60)
                time.sleep(5)
                print(f"{machine.name} slow: answered after {took_s:.1f} s")
            eventually(whole.whole, "all are whole", 60)
        night.end()
        print(f"{night.acknowledged} acknowledged, none lost, none twice, one map")


def _leader(whole: Town, cut: int) -> bool:
    for n, node in enumerate(whole.nodes):
        if n != cut:
            leader = whole.stands(node)["leader"]
            return leader is not None and leader != whole.nodes[cut].url
    return False


if __name__ == "__main__":
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # lines break here all the time
    main(Path(sys.argv[1]), sys.argv[2])
