"""A start: what is ready is ready, and what the first start compiles is all that is ever compiled."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.running import ROOT, Server

FIRST_S = 2.0
"""50 ms on a quiet machine; what has to be imported or compiled first takes longer than this on any."""
START = """
import asyncio, sys
from geo_backup.roads import warm
from geo_backup.roads.kernel import KERNELS, without_blas
def signatures():
    return {(kernel.py_func.__name__, str(one)) for kernel in KERNELS for one in kernel.signatures}
without_blas()
warm.warm_up()
called = {name for kernel in KERNELS for name in kernel.py_func.__code__.co_names}
cold = [kernel.py_func.__name__ for kernel in KERNELS if not kernel.signatures]
left = set(cold) - called
assert not left, f"not warmed, and no kernel calls them: {left}"
import geo_backup.cli.servers, geo_backup.node, geo_backup.server.app, geo_backup.server.run
late = ("scipy.linalg", "scipy.sparse", "scipy.optimize", "scipy.ndimage", "pandas")
print([name for name in late if name in sys.modules])
before = signatures()
from pathlib import Path
from tests.running import GOTHENBURG, network_of
from tests.node.test_node import asking, running
from tests.stories import ping, unit
async def story(node):
    await node.submit(unit("P1"), ping("P1", 0), ping("P1", 1))
    async with asking(node) as http:
        for name, lat in (("i1", 57.7089), ("i2", 57.7080), ("i3", 57.7071), ("i4", 57.7062)):
            place = {"lon": 11.9746, "lat": lat, "priority": 1, "incident_id": name}
            assert (await http.post("/v1/incidents", json=place)).status_code == 201
            assert (await http.get(f"/v1/incidents/{name}/ranking")).status_code == 200
        assert (await http.get("/v1/units/P1/reach")).status_code in (200, 404)
        bridge = {"type": "LineString", "coordinates": [[11.9650, 57.7140], [11.9680, 57.7143]]}
        assert (await http.post("/v1/closures", json={"geometry": bridge, "reason": "up"})).status_code == 201
        assert (await http.get("/v1/incidents/i1/ranking")).status_code == 200
running(story, Path(sys.argv[1]), network=network_of(GOTHENBURG))
print(sorted(signatures() - before))
"""


def test_ready_means_that_a_first_incident_is_ranked_at_once(tmp_path: Path) -> None:
    server = Server(tmp_path / "log.sqlite").start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False) as http:
            began = time.perf_counter()
            place = {"lon": 11.9746, "lat": 57.7089, "priority": 1, "incident_id": "first"}
            assert http.post("/v1/incidents", json=place).status_code == 201
            ranking = http.get("/v1/incidents/first/ranking")
            took_s = time.perf_counter() - began
        assert ranking.status_code == 200
        assert took_s < FIRST_S
    finally:
        server.stop()
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a process that starts as a server does says of itself."""
    command = [sys.executable, "-c", START, str(tmp_path_factory.mktemp("start") / "log.sqlite")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_node_makes_ready_without_what_only_backup_needs(said: list[str]) -> None:
    """Two fifths of what a start imported was SciPy."""
    assert said[0] == "[]"


def test_the_two_halves_are_all_that_a_running_node_compiles(said: list[str]) -> None:
    """A kernel called with other types than those that were warmed would be compiled while somebody waits."""
    assert said[1:] == ["[]"]
