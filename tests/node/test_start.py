"""A start: what is ready is ready, and what the first start compiles is all that is ever compiled."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.running import ROOT, Server

FIRST_S = 2.0
"""50 ms on a quiet machine; what has to be imported or compiled first takes longer than this on any."""
SIGNATURES = """
from geo_backup.roads import warm
from geo_backup.roads.kernel import KERNELS
def signatures():
    return {(kernel.py_func.__name__, str(one)) for kernel in KERNELS for one in kernel.signatures}
warm.warm_up()
before = signatures()
import asyncio, sys
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


def test_a_node_makes_ready_without_what_only_backup_needs() -> None:
    """Two fifths of what a start imported was SciPy."""
    code = """
import asyncio, sys
from geo_backup.roads.kernel import without_blas
from geo_backup.roads.warm import warm_up
without_blas()
import geo_backup.cli.servers, geo_backup.node, geo_backup.server.app, geo_backup.server.run
warm_up()
print(sorted(name for name in sys.modules if name in ("scipy.sparse", "scipy.optimize", "scipy.ndimage", "pandas")))
import scipy.linalg, scipy.optimize
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_two_halves_are_all_that_a_running_node_compiles(tmp_path: Path) -> None:
    """A kernel called with other types than those that were warmed would be compiled while somebody waits."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNATURES, str(tmp_path / "log.sqlite")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
