"""A traffic file on a running server: loaded, told, kept through a power cut, verified, replaced, taken away."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from geo_backup.cartography.build import build_map
from geo_backup.events import BackupRecommended
from geo_backup.roads.network import EdgeFlag, RoadNetwork, WayClass
from geo_backup.roads.profile import ROUTINE, edge_ms
from tests.asking import at, problem, unit_body
from tests.cartography.drawing import Drawing
from tests.roads.tiny import from_local_m
from tests.rounds import cases
from tests.running import GOTHENBURG, Command, Server, ServerInThread, events_in, eventually
from tests.told import Told

pytestmark = pytest.mark.slow
DATA = Path(os.environ.get("GEO_BACKUP_DATA", Path(__file__).parents[3] / "shared" / "data"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"real data not found at {DATA} (set GEO_BACKUP_DATA)")


def spot(x: float, y: float) -> list[float]:
    """lon, lat of a place in a drawing, in its units of 100 m."""
    lon, lat = from_local_m(x * 100.0, y * 100.0, 10.0, 50.0)
    return [float(lon), float(lat)]


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    """Two ways from w to e, the northern one a little longer; s lies on the southern one:

         n
    w         e - f
         s
    """
    drawing = Drawing({"w": (0, 0), "s": (10, -3), "e": (20, 0), "n": (10, 4), "f": (25, 0)})
    drawing.way("wse", highway="secondary", maxspeed="50")
    drawing.way("wne", highway="secondary", maxspeed="50")
    drawing.way("ef", highway="secondary", maxspeed="50")
    return drawing


@pytest.fixture(scope="module")
def folder(drawing: Drawing, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where its map is."""
    folder = tmp_path_factory.mktemp("traffic")
    drawing.build(folder)
    return folder


def ask(http: httpx.Client, start: list[float], target: list[float], profile: str = "routine") -> tuple[float, str]:
    body = {"target": target, "starts": [start], "profile": profile}
    answer = http.post("/v1/etas", json=body).json()
    return float(answer["etas_s"][0]), str(answer["weights_id"])


def test_a_traffic_file_from_morning_to_night(folder: Path, drawing: Drawing, command: Command) -> None:
    server = Server(folder / "log.sqlite", map_folder=folder / "map").start()
    w, s, e = (drawing.node(name) for name in "wse")
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        Told.of(http)
        assert http.get("/v1/traffic").json() == {"traffic": None}
        problem(http.delete("/v1/traffic"), 404)
        assert http.put("/v1/units/U1", json=unit_body()).status_code == 201
        position = {"unit_id": "U1", "fix_time": at(), "lon": spot(0, 0)[0], "lat": spot(0, 0)[1]}
        assert http.post("/v1/positions", json={"positions": [position]}).json()["ignored"] == []
        place = {"lon": spot(24, 0)[0], "lat": spot(24, 0)[1]}
        opened = http.post("/v1/incidents", json={**place, "incident_id": "I", "priority": 2, "profile": "routine"})
        assert opened.status_code == 201

        def ranked() -> dict[str, Any]:
            ranking: dict[str, Any] = http.get("/v1/incidents/I/ranking").json()
            return ranking

        def eta() -> float:
            return float(ranked()["candidates"][0]["eta_s"])

        before, asked = ranked(), ask(http, spot(0, 0), spot(24, 0))

        # a jam on the southern way: around by the north
        jam = f"from_osm_node,to_osm_node,speed_kmh\n{w},{s},10\n{s},{e},10\n77,78,50\n".encode()
        loaded = http.put("/v1/traffic", content=jam, headers={"content-type": "text/csv"})
        assert loaded.status_code == 201
        traffic = loaded.json()["traffic"]
        assert {key: traffic[key] for key in ("rows", "rows_matched", "edges", "edges_closed")} == {
            "rows": 3, "rows_matched": 2, "edges": 1, "edges_closed": 0,
        }  # fmt: skip
        assert http.get("/v1/traffic").json() == {"traffic": traffic}
        jammed = ranked()
        assert jammed["weights_id"] != before["weights_id"]
        assert ask(http, spot(0, 0), spot(24, 0))[1] != asked[1]
        length_m = [2 * np.hypot(1_000, off) for off in (300, 400)]
        more_s = (length_m[1] - length_m[0]) / (50 * ROUTINE.speed.limit_share / 3.6)
        assert eta() - float(before["candidates"][0]["eta_s"]) == pytest.approx(more_s, abs=1.0)
        # the same again is no news
        seq = http.get("/healthz").json()["seq"]
        assert http.put("/v1/traffic", content=jam).status_code == 200
        assert http.get("/healthz").json()["seq"] == seq

        # what cannot be used changes nothing
        wrong = http.put("/v1/traffic", content=b"from,to,speed\n1,2,-5\n1,2\n1,2,3\n")
        document = problem(wrong, 422, "line", "/2")
        assert document["detail"].startswith(
            "line 2: speed_kmh is '-5'; write km/h from 0 (closed) to 250; line 3: has 2"
        )
        problem(http.put("/v1/traffic", content=b"77,78,30\n"), 422, "no_match")
        problem(http.put("/v1/traffic", content=b""), 422, "empty")
        problem(http.put("/v1/traffic", content=b"1,2,3\n" * 3_000_000), 413)
        assert http.get("/v1/traffic").json() == {"traffic": traffic}

        # a new file replaces the former whole: the south is free, the north closed
        n = drawing.node("n")
        code, said, _ = command("traffic", "-", "--to", server.url, "--json", given=f"{w},{n},0\n{e},{n},30")
        assert code == 0
        assert json.loads(said)["traffic"]["edges_closed"] == 1
        assert eta() == pytest.approx(float(before["candidates"][0]["eta_s"]), abs=0.2)
        rows = f"{w},{n},0\n{w},{s},40\n{s},{e},40\n".encode()
        assert http.put("/v1/traffic", content=rows).status_code == 201
        # what is recommended in that traffic can be verified
        again = http.post("/v1/incidents", json={**place, "incident_id": "J", "priority": 2, "profile": "routine"})
        assert again.status_code == 201
        eventually(lambda: sum(isinstance(event, BackupRecommended) for event in events_in(server.log)) == 2)
        seen, kept = ask(http, spot(0, 0), spot(24, 0)), http.get("/v1/traffic").json()
    server.kill()
    server = ServerInThread(server.log, map_folder=server.map_folder).start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        assert http.get("/v1/traffic").json() == kept
        assert ask(http, spot(0, 0), spot(24, 0)) == seen
    # an orderly end leaves a checkpoint, in which it stands
    server.stop()
    code, said, _ = command("verify", str(server.log), "--map", str(server.map_folder), "--json")
    report = json.loads(said)
    assert (code, report["wrong"], report["checkpoints"]) == (0, [], 1)
    assert report["rankings"] == 2
    server.start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
        assert http.get("/v1/traffic").json() == kept
        assert ask(http, spot(0, 0), spot(24, 0)) == seen
        code, said, _ = command("traffic", "--clear", "--to", server.url)
        assert (code, said) == (0, "no measured speeds hold any more\n")
        assert http.get("/v1/traffic").json() == {"traffic": None}
        assert ask(http, spot(0, 0), spot(24, 0)) == asked
    code, _, complaint = command("traffic", "--clear", "--to", server.url)
    assert code == 1
    assert "no traffic file is loaded" in complaint
    server.stop()
    assert "Traceback" not in server.said()


def test_a_map_without_node_ids_says_so(http_gothenburg: httpx.Client) -> None:
    refused = http_gothenburg.put("/v1/traffic", content=b"1,2,30\n")
    assert "build it from an .osm.pbf" in problem(refused, 422, "no_node_ids")["detail"]


@pytest.fixture
def http_gothenburg(tmp_path: Path) -> Iterator[httpx.Client]:
    server = ServerInThread(tmp_path / "log.sqlite").start()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as client:
        yield client
    server.stop()


def test_the_command_line_says_what_is_missing(folder: Path, tmp_path: Path, command: Command) -> None:
    for words, complaint in (
        ((), "name a traffic file"),
        (("x.csv", "--clear"), "name a traffic file"),
        ((str(tmp_path / "x.csv"),), "cannot be read: No such file"),
    ):
        code, _, said = command("traffic", *words, "--to", "http://127.0.0.1:9")
        assert code == 1
        assert complaint in " ".join(said.split())
    for map_folder, answer in ((folder / "map", "can be"), (GOTHENBURG, "cannot be")):
        code, said, _ = command("map", "info", map_folder, "--json")
        assert (code, json.loads(said)["traffic_files"].partition(" matched")[0]) == (0, answer)


@needs_data
@pytest.mark.parametrize("area", cases(("monaco", "heidelberg"), ["monaco"]))
def test_etas_in_a_city_change_as_worked_out_by_hand(tmp_path: Path, area: str) -> None:
    """The nodes of the longest street between two junctions, as pyosmium reads them, at 12 km/h."""
    import osmium

    source = DATA / "maps" / f"{area}.osm.pbf"
    build_map(source, tmp_path / "map", tiles=False)
    network = RoadNetwork.load(tmp_path / "map")
    ways = {
        way.id: [node.ref for node in way.nodes]
        for way in osmium.FileProcessor(str(source), osmium.osm.WAY).with_filter(osmium.filter.KeyFilter("highway"))
    }
    flags = np.asarray(network.edge_flags)
    street = (flags & EdgeFlag.MAIN != 0) & (np.asarray(network.way_class)[network.edge_way] == WayClass.SECONDARY)
    edge = int(np.flatnonzero(street)[network.edge_length_m[street].argmax()])
    length_m = float(network.edge_length_m[edge])
    assert length_m > 300
    assert network.vertex_node is not None
    ends = [int(network.vertex_node[junction[edge]]) for junction in (network.edge_tail, network.edge_head)]
    nodes = ways[int(network.way_id[network.edge_way[edge]])]
    first, last = (nodes.index(node) for node in ends)
    run = nodes[first : last + 1] if first < last else nodes[last : first + 1][::-1]
    rows = "".join(f"{a},{b},12\n" for a, b in pairwise(run))

    line = network.edge_line(edge)
    assert len(line) == len(run)

    def along(share: float) -> list[float]:
        step = np.concatenate(([0.0], np.cumsum(np.hypot(*(np.diff(line, axis=0) * network.metres_per_deg).T))))
        return [float(np.interp(share * step[-1], step, axis)) for axis in line.T]

    here, ahead = along(0.2), along(0.8)
    way_deg = np.degrees(np.arctan2(*((np.array(along(0.25)) - along(0.15)) * network.metres_per_deg))) % 360
    server = ServerInThread(tmp_path / "log.sqlite", map_folder=tmp_path / "map").start()
    try:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=30.0) as http:
            own_s = float(edge_ms(network, ROUTINE)[0][edge]) / 1_000
            before = ask(http, [*here, float(way_deg)], ahead)[0]
            assert before == pytest.approx(0.6 * own_s, abs=0.5)
            loaded = http.put("/v1/traffic", content=rows.encode()).json()["traffic"]
            assert (loaded["rows_matched"], loaded["edges"]) == (len(run) - 1, 1)
            after = ask(http, [*here, float(way_deg)], ahead)[0]
            assert after == pytest.approx(0.6 * length_m / (12 / 3.6), abs=0.5)
            assert after > before + 30
    finally:
        server.stop()
